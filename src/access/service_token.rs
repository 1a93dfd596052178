//! Service tokens: how an integration logs in without an identity provider.
//!
//! A token is `sla_ID_SECRET`, so that a scanner for secrets knows it. The store keeps the SHA-256 of the secret: it is
//! 256 random bits, of which a slow hash would protect nothing more.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls::crypto::aws_lc_rs;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::error::Error;

/// What every token begins with.
const PREFIX: &str = "sla_";

/// A token as it is sent: which, and the secret that proves it.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceToken {
    /// The key of its row.
    pub id: Uuid,
    secret: String,
}

/// Shows nothing of the secret.
impl fmt::Debug for ServiceToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ServiceToken({})", self.id)
    }
}

impl ServiceToken {
    /// A new one, with the nil UUID until its row has a key.
    ///
    /// # Errors
    /// [`Error::Internal`] when the operating system gives no random numbers.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = [0; 32];
        let random = aws_lc_rs::default_provider().secure_random;
        random
            .fill(&mut bytes)
            .map_err(|_| Error::internal("the operating system gives no random numbers"))?;
        Ok(Self { id: Uuid::nil(), secret: BASE64_URL_SAFE_NO_PAD.encode(bytes) })
    }

    /// The one of an id and a secret that were given apart.
    pub fn new(id: Uuid, secret: &str) -> Self {
        Self { id, secret: secret.to_owned() }
    }

    /// Reads a bearer token. None: it is none of these. Some error: it begins like one, but is not.
    pub fn read(bearer: &str) -> Option<Result<Self, Error>> {
        let rest = bearer.strip_prefix(PREFIX)?;
        let read =
            rest.split_once('_').and_then(|(id, secret)| Some(Self::new(Uuid::try_parse(id).ok()?, secret)));
        Some(read.ok_or(REFUSED))
    }

    /// The whole token: what is shown once, and sent as a bearer token.
    pub fn text(&self) -> String {
        format!("{PREFIX}{}_{}", self.id.simple(), self.secret)
    }

    /// What is kept of the secret.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.secret).into()
    }

    /// Whether the secret is the one of which `hash` was kept, in the same time for all that are not.
    pub fn proves(&self, hash: &[u8]) -> bool {
        self.hash().as_slice().ct_eq(hash).into()
    }
}

/// What is said of every token that is not, or no longer, good: which of the reasons it is helps only who guesses.
pub const REFUSED: Error = Error::BadToken("it is not one of ours, or was revoked, or has expired.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_proves_its_own_secret_only() {
        let token = ServiceToken { id: Uuid::from_u128(7), ..ServiceToken::generate().unwrap() };
        let other = ServiceToken::generate().unwrap();
        let read = ServiceToken::read(&token.text()).unwrap().unwrap();
        assert_eq!(read, token);
        assert!(read.proves(&token.hash()) && !read.proves(&other.hash()) && !read.proves(&[]));
        assert!(!format!("{token:?}").contains(&token.secret));
        assert!(token.text().len() > 75, "{} characters", token.text().len());
    }

    #[test]
    fn what_only_begins_like_a_token_is_refused() {
        assert!(ServiceToken::read("eyJ.a.b").is_none());
        for text in ["sla_", "sla_x_y", "sla_00000000000000000000000000000007", "sla__"] {
            assert!(matches!(ServiceToken::read(text), Some(Err(Error::BadToken(_)))), "{text}");
        }
    }
}
