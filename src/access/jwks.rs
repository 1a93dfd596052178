//! Tokens of an identity provider: signed with one of the keys that it publishes, fetched from where the configuration
//! says, and from nowhere that a token says.
//!
//! Which algorithm a signature is checked with is a property of the key. What the token names may only agree with it: so
//! `alg: none`, and a public key used as the secret of HS256, are refused like any other signature that is wrong.

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{StatusCode, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::token::{Claims, refusal, understood};
use crate::error::Error;

/// The longest set of keys that is read, in bytes.
const LONGEST: usize = 256 * 1024;

/// How long a set of keys may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where an issuer's keys are.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, replaced when keys change.
    File(PathBuf),
    /// An address. Under `http://` whoever is on the way to it can give keys of their own.
    Url(String),
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
        Ok(if address { Self::Url(text.to_owned()) } else { Self::File(text.into()) })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Url(url) => out.write_str(url),
        }
    }
}

/// How often keys are fetched.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Whatever happens.
    pub regularly: Duration,
    /// At the soonest after the last time, when a token names a key that is not known: rotation is noticed at once,
    /// and tokens that name keys of their own invention do not make the gateway a nuisance to the issuer.
    pub when_unknown: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { regularly: Duration::from_secs(5 * 60), when_unknown: Duration::from_secs(60) }
    }
}

/// Somebody whose tokens are accepted.
pub struct Issuer {
    source: Source,
    name: String,
    rules: Validation,
    pace: Pace,
    keys: RwLock<Arc<Keys>>,
    /// When keys were last asked for; held while they are.
    asked: Arc<Mutex<Instant>>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Issuer({}, keys of {})", self.name, self.source)
    }
}

/// The claims as they are on the wire; times are seconds since 1970.
#[derive(Deserialize)]
struct Wire {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
}

impl Issuer {
    /// The issuer of this name (`iss`), whose tokens must be meant for one of the audiences (`aud`).
    ///
    /// # Errors
    /// Why its keys cannot be had: without any the gateway should not start.
    pub async fn load(
        source: Source,
        name: &str,
        audiences: &[String],
        pace: Pace,
    ) -> Result<Arc<Self>, String> {
        let usable = |keys: Keys| match keys.keys.is_empty() {
            true => Err("it holds no key for RS256, ES256 or EdDSA".to_owned()),
            false => Ok(keys),
        };
        let keys = fetched(&source).await.and_then(usable);
        let keys = keys.map_err(|why| format!("cannot load the keys of {source}: {why}"))?;
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_issuer(&[name]);
        rules.set_audience(audiences);
        rules.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // Time is an argument: the library would read a clock of its own.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        Ok(Arc::new(Self {
            source,
            name: name.to_owned(),
            rules,
            pace,
            keys: RwLock::new(Arc::new(keys)),
            asked: Arc::new(Mutex::new(Instant::now())),
        }))
    }

    /// What its tokens have as `iss`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Rises whenever the keys are others.
    pub fn generation(&self) -> u64 {
        self.keys().generation
    }

    /// Fetches the keys again and again. Those that were fetched last stay while no others can be had.
    pub async fn keep_fresh(&self) {
        loop {
            sleep(self.pace.regularly).await;
            let mut asked = self.asked.lock().await;
            self.fetch(&mut asked).await;
        }
    }

    /// What a token says, if it is signed with one of the keys, is meant for us, and is valid at `now`.
    pub(super) async fn verify(
        self: &Arc<Self>,
        token: &str,
        header: &Header,
        now: DateTime<Utc>,
    ) -> Result<Claims, Error> {
        const TYPES: [&str; 3] = ["JWT", "at+jwt", "application/at+jwt"];
        if header.typ.as_ref().is_some_and(|typ| !TYPES.iter().any(|known| known.eq_ignore_ascii_case(typ))) {
            return Err(Error::BadToken(
                "it is a token for another purpose: its typ is neither JWT nor at+jwt.",
            ));
        }
        if header.crit.is_some() {
            return Err(Error::BadToken("its header demands extensions (crit) that are not known here."));
        }
        let known = self.keys();
        let key = match known.of(header) {
            Found::One(key) => Some(key.clone()),
            Found::OtherAlgorithm => return Err(Error::BadToken("its algorithm is not that of its key.")),
            Found::None => match self.newer(known.generation).await.of(header) {
                Found::One(key) => Some(key.clone()),
                Found::OtherAlgorithm | Found::None => None,
            },
        };
        let key = key.ok_or(Error::BadToken("it is signed with a key that its issuer does not publish."))?;
        let mut rules = self.rules.clone();
        rules.algorithms = vec![key.algorithm];
        understood(header)?;
        let wire: Wire = decode(token, &key.verify, &rules).map_err(|cause| refusal(cause.kind()))?.claims;
        Claims::valid_at(now, wire.sub, wire.nbf.map(|seconds| seconds as i64), wire.exp as i64)
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys after `generation`, fetched if it is time. Of many who ask at once, one fetches and the others wait. If that one
    /// goes away, as anybody may who has no token yet, they are fetched all the same.
    async fn newer(self: &Arc<Self>, generation: u64) -> Arc<Keys> {
        let mut asked = self.asked.clone().lock_owned().await;
        if self.generation() == generation && asked.elapsed() >= self.pace.when_unknown {
            let issuer = self.clone();
            let _panicked = tokio::spawn(async move { issuer.fetch(&mut asked).await }).await;
        }
        self.keys()
    }

    async fn fetch(&self, asked: &mut Instant) {
        *asked = Instant::now();
        match fetched(&self.source).await {
            Ok(mut keys) => {
                let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
                if keys.published() != known.published() {
                    tracing::info!(issuer = %self.name, keys = keys.keys.len(), "the issuer has changed its keys");
                    keys.generation = known.generation + 1;
                    *known = Arc::new(keys);
                }
            }
            Err(why) => {
                tracing::warn!(issuer = %self.name, source = %self.source, %why, "keys were not fetched: the last ones stay");
            }
        }
    }
}

/// The keys that an issuer publishes.
struct Keys {
    keys: Vec<Key>,
    generation: u64,
}

/// One that signatures can be verified with, in one way only.
#[derive(Clone)]
struct Key {
    jwk: Jwk,
    algorithm: Algorithm,
    verify: DecodingKey,
}

enum Found<'a> {
    One(&'a Key),
    OtherAlgorithm,
    None,
}

impl Keys {
    /// Reads a JWK set (RFC 7517). Keys that serve another purpose are left out; so is what is no key at all, for an
    /// issuer may publish some of kinds that are not known here. There may be none: all have been withdrawn.
    fn read(published: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set =
            serde_json::from_slice(published).map_err(|cause| format!("it is no JWK set ({cause})"))?;
        Ok(Self { keys: set.keys.into_iter().filter_map(Key::read).collect(), generation: 0 })
    }

    /// The keys as such: the servers of an issuer may write them in one order or another.
    fn published(&self) -> HashSet<&Jwk> {
        self.keys.iter().map(|key| &key.jwk).collect()
    }

    /// The key that a token names. A token that names none can only mean the one there is.
    fn of(&self, header: &Header) -> Found<'_> {
        let named = |key: &&Key| match &header.kid {
            Some(id) => key.jwk.common.key_id.as_ref() == Some(id),
            None => self.keys.len() == 1,
        };
        let mut named = self.keys.iter().filter(named).peekable();
        if named.peek().is_none() {
            return Found::None;
        }
        named.find(|key| key.algorithm == header.alg).map_or(Found::OtherAlgorithm, Found::One)
    }
}

impl Key {
    fn read(published: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(published).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            _ => return None,
        };
        if jwk.common.key_algorithm.is_some_and(|named| named != KeyAlgorithm::from(algorithm))
            || jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature)
        {
            return None;
        }
        let verify = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { jwk, algorithm, verify })
    }
}

async fn fetched(source: &Source) -> Result<Keys, String> {
    let published = match source {
        Source::File(path) => tokio::fs::read(path).await.map_err(|cause| cause.to_string())?,
        Source::Url(url) => {
            let late = |_| format!("no answer within {} seconds", PATIENCE.as_secs());
            timeout(PATIENCE, get(url)).await.map_err(late)??
        }
    };
    Keys::read(&published)
}

/// What is at an address itself: redirections are not followed.
async fn get(url: &str) -> Result<Vec<u8>, String> {
    let uri: Uri = url.parse().map_err(|_| "the address is malformed".to_owned())?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|cause| cause.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    let answer = client.get(uri).await.map_err(|cause| causes(&cause))?;
    if answer.status() != StatusCode::OK {
        return Err(format!("it answers {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), LONGEST).collect().await;
    Ok(body.map_err(|cause| cause.to_string())?.to_bytes().to_vec())
}

/// An error and what it came from: the first alone says only that something failed.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(keys: serde_json::Value) -> Result<Keys, String> {
        Keys::read(json!({ "keys": keys }).to_string().as_bytes())
    }

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    #[test]
    fn a_key_has_one_algorithm_and_a_token_may_only_agree_with_it() {
        let set = keys(json!([
            { "kty": "OKP", "crv": "Ed25519", "x": X, "kid": "ed" },
            { "kty": "RSA", "n": X, "e": "AQAB", "kid": "rsa", "use": "sig" },
        ]))
        .unwrap();
        let find = |kid: Option<&str>, algorithm| {
            let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
            match set.of(&header) {
                Found::One(key) => Some(key.algorithm),
                Found::OtherAlgorithm | Found::None => None,
            }
        };
        assert_eq!(find(Some("ed"), Algorithm::EdDSA), Some(Algorithm::EdDSA));
        assert_eq!(find(Some("rsa"), Algorithm::RS256), Some(Algorithm::RS256));
        for (kid, algorithm) in [
            (Some("ed"), Algorithm::RS256),
            (Some("rsa"), Algorithm::HS256),
            (Some("rsa"), Algorithm::PS256),
            (Some("other"), Algorithm::RS256),
            // Which of the two it means cannot be known.
            (None, Algorithm::RS256),
        ] {
            assert_eq!(find(kid, algorithm), None, "{kid:?} {algorithm:?}");
        }
        let single = keys(json!([{ "kty": "OKP", "crv": "Ed25519", "x": X }])).unwrap();
        assert!(matches!(single.of(&Header::new(Algorithm::EdDSA)), Found::One(_)));
        assert!(matches!(single.of(&Header::new(Algorithm::HS256)), Found::OtherAlgorithm));
    }

    #[test]
    fn keys_for_another_purpose_are_left_out_and_what_is_no_set_is_refused() {
        let useful = json!({ "kty": "OKP", "crv": "Ed25519", "x": X, "kid": "ed" });
        for other in [
            json!({ "kty": "oct", "k": X, "kid": "secret" }),
            json!({ "kty": "oct", "k": X, "kid": "secret", "alg": "HS256" }),
            json!({ "kty": "RSA", "n": X, "e": "AQAB", "use": "enc" }),
            json!({ "kty": "RSA", "n": X, "e": "AQAB", "alg": "RS512" }),
            json!({ "kty": "EC", "crv": "secp256k1", "x": X, "y": X }),
            json!({ "kty": "AKP", "pub": X }),
            json!({}),
            json!("key"),
        ] {
            assert_eq!(keys(json!([other, useful])).unwrap().keys.len(), 1, "{other}");
            assert!(keys(json!([other])).unwrap().keys.is_empty(), "{other}");
        }
        for text in ["", "<html>", "[]", "{}", r#"{"keys":{}}"#] {
            assert!(Keys::read(text.as_bytes()).is_err_and(|why| why.contains("no JWK set")), "{text}");
        }
    }

    #[test]
    fn a_source_is_an_address_or_a_file() {
        assert!(matches!("https://id.example.com/keys".parse(), Ok(Source::Url(_))));
        assert!(matches!("keys.json".parse(), Ok(Source::File(_))));
        assert!(matches!("/etc/https://x".parse(), Ok(Source::File(_))));
    }
}
