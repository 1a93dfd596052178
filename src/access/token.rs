//! Bearer tokens of the gateway's own issuer: signed with one secret per data directory, for development and for
//! installations without an identity provider.
//!
//! A token is a JWT `{iss, aud, sub, iat, nbf, exp}` signed with HS256, whose subject is the login of a person. It
//! carries no rights: those are looked up when it is used, so that revoking a grant needs no new token.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use rustls::crypto::aws_lc_rs;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Who issues these tokens.
pub const ISSUER: &str = "sla-gateway-dev";

/// Whom they are for.
pub const AUDIENCE: &str = "sla-gateway";

/// A longer token is refused unread.
pub const MAXIMUM_LENGTH: usize = 8 * 1024;

/// The longest a token may be valid from now on; one that claims more is refused.
pub const MAXIMUM_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// How far two clocks may differ.
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
    /// When it ends; whatever was opened with it ends then too.
    pub expires_at: DateTime<Utc>,
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
            return Err(Error::BadToken("it is longer than 8 KiB."));
        }
        let wire: Wire = decode(token, &self.verify, &self.rules)
            .map_err(|cause| {
                Error::BadToken(match cause.kind() {
                    ErrorKind::InvalidToken | ErrorKind::Base64(_) => "it is not a token.",
                    ErrorKind::InvalidAlgorithm => "it must be signed with HS256.",
                    ErrorKind::InvalidSignature => "its signature is not this gateway's; fetch a new one.",
                    ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => {
                        "it is meant for another service."
                    }
                    _ => "a claim is missing or malformed: iss, aud, sub, iat, nbf and exp are needed.",
                })
            })?
            .claims;
        let time = |seconds| DateTime::from_timestamp(seconds, 0);
        let (Some(not_before), Some(expires_at)) = (time(wire.nbf), time(wire.exp)) else {
            return Err(Error::BadToken("its times are out of range."));
        };
        if expires_at <= now - LEEWAY {
            return Err(Error::BadToken("it has expired; fetch a new one."));
        }
        if not_before > now + LEEWAY {
            return Err(Error::BadToken("it is not valid yet."));
        }
        if expires_at > now + MAXIMUM_LIFETIME + LEEWAY {
            return Err(Error::BadToken("it lasts longer than 24 hours."));
        }
        Ok(Claims { subject: wire.sub, expires_at })
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
    fn a_token_says_whom_it_stands_for_and_until_when() {
        let token = key().issue("a@b.c", noon(), hour()).unwrap();
        let claims = key().verify(&token, noon()).unwrap();
        assert_eq!(claims, Claims { subject: "a@b.c".to_owned(), expires_at: noon() + hour() });
        let longest = key().issue("a@b.c", noon(), hour() * 48).unwrap();
        assert_eq!(key().verify(&longest, noon()).unwrap().expires_at, noon() + MAXIMUM_LIFETIME);
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
        assert!(refusal(&signed(Algorithm::HS384, &claims(), SECRET), noon()).contains("HS256"));
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
