//! Bearer tokens: of the gateway's own issuer, signed with one secret per data directory, for development and for
//! installations without an identity provider; and of the one that is configured, see [`super::jwks`].
//!
//! A token is a JWT whose subject is the login of a person. It carries no rights: those are looked up when it is used,
//! so that revoking a grant needs no new token. Our own have `{iss, aud, sub, iat, nbf, exp}` and are signed with HS256.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::dangerous::insecure_decode;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use rustls::crypto::aws_lc_rs;
use serde::{Deserialize, Serialize};

use super::jwks::Issuer;
use crate::error::Error;

/// Who issues these tokens.
pub const ISSUER: &str = "sla-gateway-dev";

/// Whom they are for.
pub const AUDIENCE: &str = "sla-gateway";

/// A longer token is refused unread.
pub const MAXIMUM_LENGTH: usize = 8 * 1024;

/// The longest a token of our own may be valid from now on; one that claims more is refused.
pub const MAXIMUM_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// How far two clocks may differ: a token is accepted so much before `nbf`, and so much after `exp`.
pub const LEEWAY: TimeDelta = TimeDelta::seconds(30);

/// The fewest bytes of a secret: what HS256 itself is worth.
pub const MINIMUM_SECRET: usize = 32;

/// The secret's file in the data directory.
const FILE: &str = "token.key";

/// What makes and verifies tokens. Its `Debug` shows nothing of the secret.
#[derive(Clone)]
pub struct Key {
    sign: EncodingKey,
    verify: DecodingKey,
    rules: Validation,
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Key(…)")
    }
}

/// What a valid token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The login of the person it stands for.
    pub subject: String,
    /// When it is accepted no more: `exp` and the leeway. Whatever was opened with it ends then too.
    pub ends_at: DateTime<Utc>,
}

impl Claims {
    /// Those of a token of which only the time is still to be looked at; `nbf` and `exp` are seconds since 1970.
    pub(super) fn valid_at(
        now: DateTime<Utc>,
        subject: String,
        nbf: Option<i64>,
        exp: i64,
    ) -> Result<Self, Error> {
        let time = |seconds| {
            DateTime::from_timestamp(seconds, 0).ok_or(Error::BadToken("its times are out of range."))
        };
        let not_before = nbf.map(time).transpose()?;
        let ends_at =
            time(exp)?.checked_add_signed(LEEWAY).ok_or(Error::BadToken("its times are out of range."))?;
        if ends_at <= now {
            return Err(EXPIRED);
        }
        if not_before.is_some_and(|not_before| not_before > now + LEEWAY) {
            return Err(Error::BadToken("it is not valid yet."));
        }
        Ok(Self { subject, ends_at })
    }
}

/// What is said of a token that was good once.
pub const EXPIRED: Error = Error::BadToken("it has expired; fetch a new one.");

/// All that tokens are verified with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Verifier {
    own: Option<Key>,
    issuer: Option<Arc<Issuer>>,
}

impl From<Key> for Verifier {
    fn from(own: Key) -> Self {
        Self { own: Some(own), issuer: None }
    }
}

impl Verifier {
    /// Accepts the tokens of our own key, and those of an issuer.
    pub fn new(own: Option<Key>, issuer: Option<Arc<Issuer>>) -> Self {
        Self { own, issuer }
    }

    /// What a token says, if it is signed by whom it names, meant for us, and valid at `now`.
    ///
    /// # Errors
    /// [`Error::BadToken`] with the reason.
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, Error> {
        /// Whose token it claims to be chooses the keys that prove it, and nothing else.
        #[derive(Deserialize)]
        struct Claimed {
            iss: String,
        }
        if token.len() > MAXIMUM_LENGTH {
            return Err(TOO_LONG);
        }
        let read = insecure_decode::<Claimed>(token).map_err(|cause| match cause.kind() {
            ErrorKind::InvalidToken | ErrorKind::Base64(_) => Error::BadToken("it is not a token."),
            _ => Error::BadToken(
                "its header names no algorithm that is accepted here, or its issuer (iss) is missing.",
            ),
        })?;
        match (&self.own, &self.issuer) {
            (Some(own), _) if read.claims.iss == ISSUER => own.verify(token, now),
            (_, Some(issuer)) if read.claims.iss == issuer.name() => {
                issuer.verify(token, &read.header, now).await
            }
            _ => Err(Error::BadToken("its issuer (iss) is not one that this gateway trusts.")),
        }
    }

    /// Rises whenever the keys are others: a token that was accepted may be so no more.
    pub fn generation(&self) -> u64 {
        self.issuer.as_ref().map_or(0, |issuer| issuer.generation())
    }

    /// Follows the keys of the issuer, for ever.
    pub async fn keep_fresh(&self) {
        match &self.issuer {
            Some(issuer) => issuer.keep_fresh().await,
            None => std::future::pending().await,
        }
    }
}

/// What is said of a token longer than [`MAXIMUM_LENGTH`].
pub const TOO_LONG: Error = Error::BadToken("it is longer than 8 KiB.");

/// That a token demands nothing that is not understood here: of what a header may call critical, nothing is (RFC 7515, 4.1.11).
pub(super) fn understood(header: &Header) -> Result<(), Error> {
    match header.crit {
        Some(_) => Err(Error::BadToken("it demands an extension that is not known here (crit).")),
        None => Ok(()),
    }
}

/// Why a token is refused.
pub(super) fn refusal(kind: &ErrorKind) -> Error {
    Error::BadToken(match kind {
        ErrorKind::InvalidToken | ErrorKind::Base64(_) => "it is not a token.",
        ErrorKind::InvalidAlgorithm => "its algorithm is not that of its key.",
        ErrorKind::InvalidSignature => "its signature is not by a key of its issuer; fetch a new one.",
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => "it is meant for another service.",
        _ => {
            "a claim is missing or malformed: iss, aud, sub and exp are needed, of our own tokens iat and nbf too."
        }
    })
}

/// The claims as they are on the wire; times are seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Wire {
    iss: String,
    aud: String,
    sub: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl Key {
    /// The key made of a secret, which must be at least [`MINIMUM_SECRET`] bytes long; none otherwise.
    #[must_use]
    pub fn from_secret(secret: &str) -> Option<Self> {
        if secret.len() < MINIMUM_SECRET {
            return None;
        }
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.required_spec_claims = HashSet::from(["iss", "aud", "sub", "nbf", "exp"].map(str::to_owned));
        // Time is an argument: the library would read a clock of its own.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        Some(Self {
            sign: EncodingKey::from_secret(secret.as_bytes()),
            verify: DecodingKey::from_secret(secret.as_bytes()),
            rules,
        })
    }

    /// The key of a data directory.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when no gateway has run there yet; [`io::ErrorKind::InvalidData`] when the file
    /// does not hold a secret.
    pub fn load(data: &Path) -> io::Result<Self> {
        let secret = fs::read_to_string(data.join(FILE))?;
        Self::from_secret(secret.trim())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the secret in it is too short"))
    }

    /// The key of a data directory, made there on the first call; only the owner can read its file.
    ///
    /// # Errors
    /// Those of [`Key::load`] but `NotFound`, and what the operating system answers about the file.
    pub fn load_or_create(data: &Path) -> io::Result<Self> {
        match Self::load(data) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let mut bytes = [0; MINIMUM_SECRET];
        aws_lc_rs::default_provider()
            .secure_random
            .fill(&mut bytes)
            .map_err(|_| io::Error::other("the operating system gives no random numbers"))?;
        fs::create_dir_all(data)?;
        // Written aside and linked into place: of two that start at once, both end up with the file of the first.
        let aside = data.join(format!("{FILE}.{}", std::process::id()));
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(BASE64_URL_SAFE_NO_PAD.encode(bytes).as_bytes())?;
        file.sync_all()?;
        let linked = fs::hard_link(&aside, data.join(FILE));
        fs::remove_file(&aside)?;
        match linked {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(cause),
            _ => Self::load(data),
        }
    }

    /// A token that stands for `subject` from `now` on. A lifetime beyond [`MAXIMUM_LIFETIME`] is cut to it.
    ///
    /// # Errors
    /// [`Error::Internal`] when the signature cannot be made.
    pub fn issue(&self, subject: &str, now: DateTime<Utc>, lifetime: TimeDelta) -> Result<String, Error> {
        let claims = Wire {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: subject.to_owned(),
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: (now + lifetime.min(MAXIMUM_LIFETIME)).timestamp(),
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.sign).map_err(Error::internal)
    }

    /// What a token says, if it is one of ours, meant for us, and valid at `now`.
    ///
    /// # Errors
    /// [`Error::BadToken`] with the reason.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, Error> {
        if token.len() > MAXIMUM_LENGTH {
            return Err(TOO_LONG);
        }
        let token =
            decode::<Wire>(token, &self.verify, &self.rules).map_err(|cause| refusal(cause.kind()))?;
        understood(&token.header)?;
        let wire = token.claims;
        let claims = Claims::valid_at(now, wire.sub, Some(wire.nbf), wire.exp)?;
        if claims.ends_at > now + MAXIMUM_LIFETIME + LEEWAY * 2 {
            return Err(Error::BadToken("it lasts longer than 24 hours."));
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn key() -> Key {
        Key::from_secret(SECRET).unwrap()
    }

    fn noon() -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn hour() -> TimeDelta {
        TimeDelta::hours(1)
    }

    fn claims() -> Value {
        let now = noon().timestamp();
        json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "a@b.c", "iat": now, "nbf": now, "exp": now + 60})
    }

    fn signed(algorithm: Algorithm, claims: &Value, secret: &str) -> String {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    fn refusal(token: &str, now: DateTime<Utc>) -> &'static str {
        match key().verify(token, now) {
            Err(Error::BadToken(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_token_calls_critical_is_not_passed_over() {
        let now = noon();
        let mut header = Header::new(Algorithm::HS256);
        let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now.timestamp(), "nbf": now.timestamp(),
            "exp": now.timestamp() + 60 });
        let signed =
            |header: &Header| encode(header, &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
        assert!(key().verify(&signed(&header), now).is_ok());
        header.crit = Some(vec!["b64".to_owned()]);
        assert!(
            matches!(key().verify(&signed(&header), now), Err(Error::BadToken(why)) if why.contains("crit"))
        );
    }

    #[test]
    fn a_token_says_whom_it_stands_for_and_until_when() {
        let token = key().issue("a@b.c", noon(), hour()).unwrap();
        let claims = key().verify(&token, noon()).unwrap();
        assert_eq!(claims, Claims { subject: "a@b.c".to_owned(), ends_at: noon() + hour() + LEEWAY });
        let longest = key().issue("a@b.c", noon(), hour() * 48).unwrap();
        assert_eq!(key().verify(&longest, noon()).unwrap().ends_at, noon() + MAXIMUM_LIFETIME + LEEWAY);
    }

    #[test]
    fn a_token_is_valid_from_nbf_to_exp_with_thirty_seconds_of_leeway() {
        let token = key().issue("a@b.c", noon(), hour()).unwrap();
        let second = TimeDelta::seconds(1);
        assert!(key().verify(&token, noon() - LEEWAY).is_ok());
        assert!(refusal(&token, noon() - LEEWAY - second).contains("not valid yet"));
        assert!(key().verify(&token, noon() + hour() + LEEWAY - second).is_ok());
        assert!(refusal(&token, noon() + hour() + LEEWAY).contains("expired"));
    }

    #[test]
    fn a_token_of_another_secret_algorithm_issuer_or_audience_is_refused() {
        assert!(key().verify(&signed(Algorithm::HS256, &claims(), SECRET), noon()).is_ok());
        let other = SECRET.replace('0', "x");
        assert!(refusal(&signed(Algorithm::HS256, &claims(), &other), noon()).contains("signature"));
        assert!(refusal(&signed(Algorithm::HS384, &claims(), SECRET), noon()).contains("algorithm"));
        for claim in ["iss", "aud"] {
            let mut claims = claims();
            claims[claim] = json!("other");
            assert!(refusal(&signed(Algorithm::HS256, &claims, SECRET), noon()).contains("another service"));
        }
        let body = signed(Algorithm::HS256, &claims(), SECRET);
        let body = body.split('.').nth(1).unwrap();
        let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        refusal(&format!("{none}.{body}."), noon());
    }

    #[test]
    fn every_claim_is_needed_in_its_own_type() {
        for claim in ["iss", "aud", "sub", "nbf", "exp", "iat"] {
            for wrong in [None, Some(json!(true)), Some(json!({})), Some(Value::Null)] {
                let mut claims = claims();
                match wrong {
                    None => drop(claims.as_object_mut().unwrap().remove(claim)),
                    Some(wrong) => claims[claim] = wrong,
                }
                refusal(&signed(Algorithm::HS256, &claims, SECRET), noon());
            }
        }
    }

    #[test]
    fn times_out_of_range_and_beyond_a_day_are_refused() {
        for (exp, reason) in [
            (json!(noon().timestamp() + 24 * 3600 + 31), "24 hours"),
            (json!(i64::MAX), "range"),
            (json!(-1), "needed"),
            (json!(1e300), "needed"),
        ] {
            let mut claims = claims();
            claims["exp"] = exp;
            let answer = refusal(&signed(Algorithm::HS256, &claims, SECRET), noon());
            assert!(answer.contains(reason) || answer.contains("expired"), "{answer}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        assert!(refusal(&"a".repeat(MAXIMUM_LENGTH + 1), noon()).contains("8 KiB"));
        for text in ["", ".", "..", "a.b.c", "Bearer x", "\u{1F600}"] {
            refusal(text, noon());
        }
    }

    #[test]
    fn a_data_directory_has_one_secret_that_only_its_owner_can_read() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(Key::load(data.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
        let token = Key::load_or_create(data.path()).unwrap().issue("a@b.c", noon(), hour()).unwrap();
        assert!(Key::load_or_create(data.path()).unwrap().verify(&token, noon()).is_ok());
        assert!(Key::load(data.path()).unwrap().verify(&token, noon()).is_ok());
        let file = data.path().join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
        fs::write(file, "short").unwrap();
        assert_eq!(Key::load_or_create(data.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
