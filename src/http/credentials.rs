//! What a client logs in with, made into the one bearer token that it means.
//!
//! There are two forms, of equal effect: `Authorization: Bearer TOKEN`, and the pair of `X-User-Id`, the id of a service
//! token, with `X-Auth-Token`, its secret. On a socket the payload of `connection_init` has either, and `token` for the
//! first; where it names nobody, the headers of the upgrade request do. Who sends two that differ is refused: it
//! would be anybody's guess which of them is meant.

use std::collections::HashMap;

use async_graphql::{ID, ServerError};
use axum::http::{HeaderMap, header};
use serde_json::Value;

use crate::access::service_token::ServiceToken;
use crate::graphql::document::refusal;
use crate::graphql::node::Kind;

/// The id of a service token.
const USER_ID: &str = "x-user-id";
/// Its secret.
const AUTH_TOKEN: &str = "x-auth-token";

/// What was sent, each once for every time that it was.
#[derive(Default)]
struct Sent<'a> {
    authorization: Vec<&'a str>,
    token: Vec<&'a str>,
    user_id: Vec<&'a str>,
    auth_token: Vec<&'a str>,
}

/// The token of a request; none when it names nobody.
///
/// # Errors
/// `UNAUTHENTICATED` when what is sent cannot be understood, or can in two ways.
pub(super) fn of_headers(headers: &HeaderMap) -> Result<Option<String>, ServerError> {
    let all = |name: &str| {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect::<Vec<_>>()
    };
    let sent = Sent {
        authorization: all(header::AUTHORIZATION.as_str()),
        token: Vec::new(),
        user_id: all(USER_ID),
        auth_token: all(AUTH_TOKEN),
    };
    sent.meant()
}

/// The token in the payload of `connection_init`, whose names are those of the headers, in any case.
///
/// # Errors
/// The same.
pub(super) fn of_payload(payload: &HashMap<String, Value>) -> Result<Option<String>, ServerError> {
    let all = |name: &str| {
        let named = payload.iter().filter(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null());
        named.map(|(_, value)| value.as_str().unwrap_or_default()).collect::<Vec<_>>()
    };
    let sent = Sent {
        authorization: all(header::AUTHORIZATION.as_str()),
        token: all("token"),
        user_id: all(USER_ID),
        auth_token: all(AUTH_TOKEN),
    };
    sent.meant()
}

impl Sent<'_> {
    fn meant(self) -> Result<Option<String>, ServerError> {
        let mut meant = self.token.into_iter().map(str::to_owned).collect::<Vec<_>>();
        for value in self.authorization {
            meant.push(bearer(value)?.to_owned());
        }
        match (self.user_id.as_slice(), self.auth_token.as_slice()) {
            ([], []) => {}
            ([id], [secret]) => meant.push(pair(id, secret)?),
            _ => return Err(refused("X-User-Id and X-Auth-Token belong together: send each of them once.")),
        }
        meant.dedup();
        match meant.len() {
            0 | 1 => Ok(meant.pop()),
            _ => Err(refused("You log in twice, with tokens that differ: send one of them.")),
        }
    }
}

/// The token of an `Authorization` header's value.
fn bearer(value: &str) -> Result<&str, ServerError> {
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(token.trim())
        }
        _ => Err(refused("Authorization is not understood: send \"Bearer\", a space and the token.")),
    }
}

fn pair(id: &str, secret: &str) -> Result<String, ServerError> {
    match Kind::ServiceToken.key(&ID(id.to_owned())) {
        Ok(id) => Ok(ServiceToken::new(id, secret).text()),
        Err(_) => Err(refused("X-User-Id is not the id of a service token: send it as it was given.")),
    }
}

fn refused(message: &str) -> ServerError {
    refusal("UNAUTHENTICATED", message, None)
}
