//! Who asks: the tokens of an identity provider, service tokens in both forms, and forgeries, by every door.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData};
use serde_json::{Value, json};
use sla_gateway::access::jwks::{Issuer, Pace};
use sla_gateway::access::service_token::ServiceToken;
use sla_gateway::access::token::{LEEWAY, Verifier};
use sla_gateway::http::HttpConfig;
use sla_gateway::store::id;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::app::App;
use crate::database::Database;
use crate::socket::server_over;

const ISSUER: &str = "https://id.example.com/";
const AUDIENCE: &str = "sla";
const LOGIN: &str = "reader@wna.example.com";
const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");
const WHO: &str = "{ viewer { name } }";
const FEED: &str = "subscription { breaches(after: \"0\") { cursor } }";

/// A key of an identity provider.
#[derive(Clone)]
struct SigningKey {
    id: &'static str,
    algorithm: Algorithm,
    private: EncodingKey,
    /// As it is published.
    public: Value,
    /// The public key as a program would have it in a file.
    pem: String,
}

impl SigningKey {
    fn new(id: &'static str, algorithm: Algorithm) -> Self {
        let (kind, private): (_, fn(&[u8]) -> _) = match algorithm {
            Algorithm::RS256 => (&PKCS_RSA_SHA256, EncodingKey::from_rsa_pem),
            Algorithm::ES256 => (&PKCS_ECDSA_P256_SHA256, EncodingKey::from_ec_pem),
            Algorithm::EdDSA => (&PKCS_ED25519, EncodingKey::from_ed_pem),
            other => panic!("{other:?}"),
        };
        let pair = KeyPair::generate_for(kind).unwrap();
        let private = private(pair.serialize_pem().as_bytes()).unwrap();
        let mut public = match algorithm {
            Algorithm::EdDSA => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64_URL_SAFE_NO_PAD.encode(pair.der_bytes()) })
            }
            _ => serde_json::to_value(Jwk::from_encoding_key(&private, algorithm).unwrap()).unwrap(),
        };
        public["kid"] = json!(id);
        public["use"] = json!("sig");
        Self { id, algorithm, private, public, pem: pair.public_key_pem() }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.private).unwrap()
    }
}

/// A server that publishes keys, or answers nonsense.
struct Provider {
    published: Mutex<(StatusCode, String)>,
    asked: AtomicUsize,
    url: String,
}

impl Provider {
    async fn start(keys: &[&SigningKey]) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let provider = Arc::new(Self {
            published: Mutex::new((StatusCode::OK, String::new())),
            asked: AtomicUsize::new(0),
            url,
        });
        provider.publish(keys);
        let answer = async |State(provider): State<Arc<Self>>| {
            provider.asked.fetch_add(1, Ordering::Relaxed);
            provider.published.lock().unwrap().clone()
        };
        let routes = Router::new().route("/keys", get(answer)).with_state(provider.clone());
        tokio::spawn(async { axum::serve(listener, routes).await });
        provider
    }

    fn publish(&self, keys: &[&SigningKey]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.public).collect();
        self.answer(StatusCode::OK, json!({ "keys": keys }).to_string());
    }

    fn answer(&self, status: StatusCode, body: String) {
        *self.published.lock().unwrap() = (status, body);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    async fn issuer(&self, pace: Pace) -> Arc<Issuer> {
        Issuer::load(self.url.parse().unwrap(), ISSUER, &[AUDIENCE.to_owned()], pace).await.unwrap()
    }
}

/// Claims that are accepted for an hour.
fn claims(app: &App) -> Value {
    let now = app.store.now().timestamp();
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": LOGIN, "iat": now, "nbf": now, "exp": now + 3600 })
}

fn but(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// What is answered to a bearer of a token: their name, or the sentence of the refusal.
async fn bearer(app: &App, token: &str) -> Result<String, String> {
    let authorization = format!("Bearer {token}");
    with(app, &[("authorization", &authorization)]).await
}

async fn with(app: &App, headers: &[(&str, &str)]) -> Result<String, String> {
    let (status, body) = app.post("application/json", headers, WHO, json!({})).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    match answer["errors"].as_array() {
        None => Ok(answer["data"]["viewer"]["name"].as_str().unwrap_or("nobody").to_owned()),
        Some(errors) => {
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
            assert_eq!(errors[0]["extensions"]["code"], "UNAUTHENTICATED", "{body}");
            Err(errors[0]["message"].as_str().unwrap().to_owned())
        }
    }
}

fn encoded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_a_published_key_are_accepted_and_stand_for_the_person_of_their_subject() {
    let keys = [
        SigningKey::new("rsa", Algorithm::RS256),
        SigningKey::new("ec", Algorithm::ES256),
        SigningKey::new("ed", Algorithm::EdDSA),
    ];
    let provider = Provider::start(&keys.each_ref()).await;
    let app = App::trusting(Database::sampled().await, Some(provider.issuer(Pace::default()).await)).await;
    let claims = claims(&app);
    let name = bearer(&app, &app.token(LOGIN)).await.unwrap();
    for key in &keys {
        for good in [
            claims.clone(),
            but(&claims, "aud", json!(["other", AUDIENCE])),
            without(&claims, "nbf"),
            without(&claims, "iat"),
            but(&claims, "exp", json!(app.store.now().timestamp() as f64 + 60.5)),
            // Clocks differ: the leeway is 30 seconds.
            but(&claims, "exp", json!(app.store.now().timestamp() - LEEWAY.num_seconds() + 5)),
            but(&claims, "nbf", json!(app.store.now().timestamp() + LEEWAY.num_seconds() - 5)),
        ] {
            assert_eq!(bearer(&app, &key.sign(&good)).await, Ok(name.clone()), "{} {good}", key.id);
        }
    }
    assert_eq!(provider.asked(), 1);
    assert!(bearer(&app, &keys[0].sign(&without(&claims, "aud"))).await.is_err(), "it says for whom it is");
    // The same over the sockets and the streams.
    let server = server_over(app.gateway.clone(), HttpConfig::default()).await;
    let mut client = server.open(&[PROTOCOL]).await.unwrap();
    client.say(json!({ "type": "connection_init", "payload": { "token": keys[1].sign(&claims) } })).await;
    assert_eq!(client.hear().await["type"], "connection_ack");
    client.subscribe("1", WHO).await;
    assert_eq!(client.hear().await["payload"]["data"]["viewer"]["name"], json!(name));
    // Identity comes from the token, rights from the store: a stranger to it is nobody.
    for stranger in ["mallory@example.com", "mallory\0@example.com"] {
        let answer = bearer(&app, &keys[0].sign(&but(&claims, "sub", json!(stranger)))).await;
        assert_eq!(answer, Err("The token was refused: nobody here logs in with it.".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_tokens_are_refused_with_a_sentence_by_every_door() {
    let (rsa, ec) = (SigningKey::new("rsa", Algorithm::RS256), SigningKey::new("ec", Algorithm::ES256));
    let provider = Provider::start(&[&rsa, &ec]).await;
    let app = App::trusting(Database::sampled().await, Some(provider.issuer(Pace::default()).await)).await;
    let claims = claims(&app);
    let now = app.store.now().timestamp();
    let good = rsa.sign(&claims);
    assert!(bearer(&app, &good).await.is_ok());
    let [header, body, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let unsigned = |header: Value| format!("{}.{body}.", encoded(&header));
    let confused = |secret: &[u8]| {
        let header = Header { kid: Some("rsa".into()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let headed = |change: &dyn Fn(&mut Header)| {
        let mut header = Header { kid: Some("rsa".into()), ..Header::new(Algorithm::RS256) };
        change(&mut header);
        encode(&header, &claims, &rsa.private).unwrap()
    };
    let mallory = SigningKey { private: SigningKey::new("rsa", Algorithm::RS256).private, ..rsa.clone() };
    let own = |claims: &Value| {
        let secret = EncodingKey::from_secret(b"another secret, just as long as ours is");
        encode(&Header::new(Algorithm::HS256), claims, &secret).unwrap()
    };
    let ours = json!({ "iss": "sla-gateway-dev", "aud": "sla-gateway", "sub": LOGIN, "iat": now, "nbf": now, "exp": now + 60 });
    let forgeries = [
        ("a signature by another key of the same name", mallory.sign(&claims), "signature"),
        (
            "another body",
            format!("{header}.{}.{signature}", encoded(&but(&claims, "sub", json!("operator@example.com")))),
            "signature",
        ),
        ("no signature", format!("{header}.{body}."), "signature"),
        ("expired", rsa.sign(&but(&claims, "exp", json!(now - 31))), "has expired"),
        ("not valid yet", rsa.sign(&but(&claims, "nbf", json!(now + 60))), "not valid yet"),
        ("for another audience", rsa.sign(&but(&claims, "aud", json!("other"))), "another service"),
        (
            "for a list without us",
            rsa.sign(&but(&claims, "aud", json!(["other", "slas"]))),
            "another service",
        ),
        ("for nobody", rsa.sign(&without(&claims, "aud")), "claim"),
        ("for a number", rsa.sign(&but(&claims, "aud", json!(5))), "claim"),
        ("of another issuer", rsa.sign(&but(&claims, "iss", json!("https://id.example.com"))), "trusts"),
        ("of no issuer", rsa.sign(&without(&claims, "iss")), "iss"),
        ("about nobody", rsa.sign(&without(&claims, "sub")), "claim"),
        ("without an end", rsa.sign(&without(&claims, "exp")), "claim"),
        ("with an end that is a text", rsa.sign(&but(&claims, "exp", json!("tomorrow"))), "claim"),
        ("with an end beyond all time", rsa.sign(&but(&claims, "exp", json!(1e300))), "claim"),
        ("with an end that no calendar has", rsa.sign(&but(&claims, "exp", json!(9e15))), "range"),
        ("alg none", unsigned(json!({ "alg": "none", "typ": "JWT", "kid": "rsa" })), "algorithm"),
        ("alg NONE", unsigned(json!({ "alg": "NONE", "kid": "rsa" })), "algorithm"),
        ("no alg", unsigned(json!({ "kid": "rsa" })), "algorithm"),
        ("HS256 with the public key", confused(rsa.pem.as_bytes()), "algorithm"),
        ("HS256 with the modulus", confused(rsa.public["n"].as_str().unwrap().as_bytes()), "algorithm"),
        ("HS256 with nothing", confused(b""), "algorithm"),
        ("another algorithm than the key's", headed(&|header| header.alg = Algorithm::RS512), "algorithm"),
        ("another family than the key's", headed(&|header| header.kid = Some("ec".into())), "algorithm"),
        (
            "a key that is not published",
            headed(&|header| header.kid = Some("other".into())),
            "does not publish",
        ),
        ("no key named, of two", headed(&|header| header.kid = None), "does not publish"),
        (
            "a key brought along",
            headed(&|header| {
                header.kid = None;
                header.jwk = Some(serde_json::from_value(rsa.public.clone()).unwrap());
            }),
            "does not publish",
        ),
        (
            "a key from elsewhere",
            headed(&|header| {
                header.kid = Some("other".into());
                header.jku = Some(provider.url.clone());
            }),
            "does not publish",
        ),
        ("an extension that is critical", headed(&|header| header.crit = Some(vec!["b64".into()])), "crit"),
        ("a token to log out", headed(&|header| header.typ = Some("logout+jwt".into())), "purpose"),
        ("our own issuer, by the provider's key", rsa.sign(&ours), "algorithm"),
        ("our own issuer, by another secret", own(&ours), "signature"),
        ("the provider, by a secret", own(&claims), "publish"),
        ("of huge size", format!("{good}{}", "A".repeat(9_000)), "8 KiB"),
        ("of nothing but dots", "..".into(), "algorithm"),
        ("of four parts", format!("{good}.x"), "not a token"),
        ("no base64", "a!.b!.c!".into(), "not a token"),
        ("no JSON", format!("{}.{}.x", "YQ", "YQ"), "algorithm"),
        ("garbage", "garbage".into(), "not a token"),
        ("a service token that is none", format!("sla_{}_x", Uuid::from_u128(1).simple()), "not one of ours"),
        ("half a service token", "sla_x".into(), "not one of ours"),
    ];
    let server = server_over(app.gateway.clone(), HttpConfig::default()).await;
    for (what, token, reason) in &forgeries {
        let refusal = bearer(&app, token).await.expect_err(what);
        assert!(
            refusal.starts_with("The token was refused: ") && refusal.ends_with('.'),
            "{what}: {refusal}"
        );
        assert!(refusal.contains(reason), "{what}: {refusal}");
        // A stream of events has not begun: it is an answer like any other.
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str())];
        let (status, events) = app.post("text/event-stream", &headers, FEED, json!({})).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}: {events}");
        assert!(events.contains(&refusal), "{what}: {events}");
        let mut client = server.open(&[PROTOCOL]).await.unwrap();
        client.say(json!({ "type": "connection_init", "payload": { "token": token } })).await;
        let (code, why) = client.closed().await;
        assert_eq!(code, 4403, "{what}: {why}");
        let whole = format!("Forbidden: {refusal}");
        assert_eq!(why, whole[..whole.len().min(123)], "{what}");
    }
    // The address in a token was never asked, and the provider but once for all names that it did not know.
    assert_eq!(provider.asked(), 1);
    assert!(bearer(&app, &good).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_a_new_one_is_known_at_its_first_token_and_one_taken_back_ends_what_it_opened() {
    let (old, new) = (SigningKey::new("old", Algorithm::ES256), SigningKey::new("new", Algorithm::EdDSA));
    let provider = Provider::start(&[&old]).await;
    let pace = Pace { regularly: Duration::from_millis(300), when_unknown: Duration::ZERO };
    let issuer = provider.issuer(Pace { regularly: Duration::from_secs(3600), ..pace }).await;
    let app = App::trusting(Database::sampled().await, Some(issuer.clone())).await;
    let (by_old, by_new) = (old.sign(&claims(&app)), new.sign(&claims(&app)));
    assert!(bearer(&app, &by_old).await.is_ok());
    assert!(bearer(&app, &by_new).await.is_err_and(|why| why.contains("does not publish")));
    provider.publish(&[&old, &new]);
    let at_once = (0..20).map(|_| bearer(&app, &by_new));
    for answer in futures_util::future::join_all(at_once).await {
        assert!(answer.is_ok(), "{answer:?}");
    }
    assert_eq!(provider.asked(), 3);
    assert!(bearer(&app, &by_old).await.is_ok());

    // While the provider is down, or has lost its mind, what was published last holds.
    for (status, body) in [
        (StatusCode::INTERNAL_SERVER_ERROR, "{}".to_owned()),
        (StatusCode::OK, "<html>".to_owned()),
        (StatusCode::FOUND, json!({ "keys": [old.public] }).to_string()),
        (StatusCode::OK, " ".repeat(300_000)),
    ] {
        provider.answer(status, body);
        let asked = provider.asked();
        let unknown = SigningKey { id: "unknown", ..old.clone() }.sign(&claims(&app));
        assert!(bearer(&app, &unknown).await.is_err());
        assert_eq!(provider.asked(), asked + 1);
        assert!(bearer(&app, &by_old).await.is_ok() && bearer(&app, &by_new).await.is_ok());
    }

    // The same keys in another order are no others.
    let generation = issuer.generation();
    provider.answer(StatusCode::OK, json!({ "keys": [new.public, old.public] }).to_string());
    let unknown = SigningKey { id: "unknown", ..old.clone() }.sign(&claims(&app));
    assert!(bearer(&app, &unknown).await.is_err());
    assert_eq!(issuer.generation(), generation);
    // An issuer may take back all that it has.
    provider.publish(&[]);
    assert!(bearer(&app, &unknown).await.is_err());
    assert!(bearer(&app, &by_old).await.is_err() && bearer(&app, &by_new).await.is_err());

    // Taken back: at the next regular look, requests and sockets that rest on it end.
    provider.publish(&[&old, &new]);
    let app = App::trusting(Database::sampled().await, Some(provider.issuer(pace).await)).await;
    let server = server_over(app.gateway.clone(), HttpConfig::default()).await;
    let mut client = server.open(&[PROTOCOL]).await.unwrap();
    client.say(json!({ "type": "connection_init", "payload": { "token": by_old } })).await;
    assert_eq!(client.hear().await["type"], "connection_ack");
    client.subscribe("1", FEED).await;
    assert_eq!(client.hear().await["type"], "next");
    provider.publish(&[&new]);
    let begun = Instant::now();
    assert_eq!(client.closed().await.0, 4403);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(bearer(&app, &by_old).await.is_err());
    assert!(bearer(&app, &by_new).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_keys_that_are_made_up_do_not_make_the_gateway_ask_its_issuer_each_time() {
    let key = SigningKey::new("known", Algorithm::EdDSA);
    let provider = Provider::start(&[&key]).await;
    let pace = Pace { when_unknown: Duration::from_millis(400), ..Pace::default() };
    let app = App::trusting(Database::sampled().await, Some(provider.issuer(pace).await)).await;
    sleep(Duration::from_millis(400)).await;
    let begun = Instant::now();
    for _ in 0..100 {
        let token = SigningKey { id: "made up", ..key.clone() }.sign(&claims(&app));
        assert!(bearer(&app, &token).await.is_err());
    }
    let allowed = 2 + begun.elapsed().as_millis() as usize / 400;
    assert!((2..=allowed).contains(&provider.asked()), "{} of {allowed}", provider.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_while_keys_are_fetched_for_them_does_not_keep_new_ones_out() {
    let key = SigningKey::new("key", Algorithm::EdDSA);
    let provider = Provider::start(&[&key]).await;
    let pace = Pace { when_unknown: Duration::ZERO, ..Pace::default() };
    let verifier = Verifier::new(None, Some(provider.issuer(pace).await));
    let forged = SigningKey { id: "made up", ..key }.sign(&json!({ "iss": ISSUER }));
    assert!(verifier.verify(&forged, chrono::DateTime::UNIX_EPOCH).now_or_never().is_none());
    let begun = Instant::now();
    while provider.asked() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "they are never fetched");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_at_the_start_there_is_a_sentence_that_says_why() {
    let key = SigningKey::new("key", Algorithm::EdDSA);
    let provider = Provider::start(&[&key]).await;
    let load = |source: String| async move {
        Issuer::load(source.parse().unwrap(), ISSUER, &[AUDIENCE.to_owned()], Pace::default())
            .await
            .unwrap_err()
    };
    provider.answer(StatusCode::NOT_FOUND, String::new());
    assert!(load(provider.url.clone()).await.contains("404"));
    provider.publish(&[]);
    assert!(load(provider.url.clone()).await.contains("no key for RS256"));
    provider.answer(StatusCode::OK, "{}".into());
    assert!(load(provider.url.clone()).await.contains("no JWK set"));
    // Bound, so that nobody else takes it, and listened at by nobody.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.local_addr().unwrap();
    let why = load(format!("http://{address}/keys")).await;
    assert!(why.contains("cannot load the keys of http://127.0.0.1") && why.contains("refused"), "{why}");
    assert!(load("/nowhere/keys.json".into()).await.contains("/nowhere/keys.json: No such file"));
    // From a file, which may be replaced.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({ "keys": [key.public] }).to_string()).unwrap();
    let source = file.path().to_str().unwrap().parse().unwrap();
    let issuer = Issuer::load(source, ISSUER, &[AUDIENCE.to_owned()], Pace::default()).await.unwrap();
    let app = App::trusting(Database::sampled().await, Some(issuer)).await;
    assert!(bearer(&app, &key.sign(&claims(&app))).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_a_token_that_expires_ends_what_was_opened_with_it() {
    let key = SigningKey::new("key", Algorithm::EdDSA);
    let provider = Provider::start(&[&key]).await;
    let app = App::trusting(Database::sampled().await, Some(provider.issuer(Pace::default()).await)).await;
    let now = app.store.now().timestamp();
    let brief = key.sign(&but(&claims(&app), "exp", json!(now - LEEWAY.num_seconds() + 4)));
    let server = server_over(app.gateway.clone(), HttpConfig::default()).await;
    let mut client = server.open(&[PROTOCOL]).await.unwrap();
    client.say(json!({ "type": "connection_init", "payload": { "token": brief } })).await;
    assert_eq!(client.hear().await["type"], "connection_ack");
    client.subscribe("1", FEED).await;
    assert_eq!(client.hear().await["type"], "next");
    let authorization = format!("Bearer {brief}");
    let headers = [("authorization", authorization.as_str())];
    let stream = app.post("text/event-stream", &headers, FEED, json!({}));
    let socket = client.closed();
    let ended = timeout(Duration::from_secs(8), futures_util::future::join(stream, socket)).await;
    let ((status, events), closed) = ended.expect("both end by themselves");
    assert_eq!(status, StatusCode::OK);
    assert!(events.contains("event: next") && !events.contains("event: complete"), "{events}");
    assert_eq!(closed, (4403, "Forbidden: the token has expired or was revoked".to_owned()));
    let refusal = bearer(&app, &brief).await.unwrap_err();
    assert_eq!(refusal, "The token was refused: it has expired; fetch a new one.");
}

/// A service token that reads Widget North America, by SQL.
async fn service_token(app: &App) -> ServiceToken {
    let mut token = ServiceToken::generate().unwrap();
    token.id = id::new();
    let hash: String = token.hash().iter().map(|byte| format!("{byte:02x}")).collect();
    let statement = format!(
        "WITH w AS (SELECT root_id, id FROM tenant WHERE slug = 'wna'),
         t AS (INSERT INTO service_token (root_id, id, tenant_id, name, secret_hash)
               SELECT root_id, '{}', id, 'Wallboard', '\\x{hash}' FROM w RETURNING root_id, id, tenant_id)
         INSERT INTO role_grant (root_id, id, tenant_id, role_id, service_token_id)
         SELECT t.root_id, uuid_v7(), t.tenant_id, r.id, t.id FROM t JOIN role r ON r.root_id = t.root_id AND r.name = 'Reader'",
        token.id
    );
    app.database.client().await.batch_execute(&statement).await.unwrap();
    token
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_wrong_costs_nothing_of_the_tree_that_its_token_is_of() {
    let app = App::sampled().await;
    let token = service_token(&app).await;
    let mut client = app.database.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE tenant, role_grant IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let wrong = ServiceToken::new(token.id, "wrong").text();
    let answer = timeout(Duration::from_secs(20), bearer(&app, &wrong)).await;
    assert!(answer.expect("the tree is read first").is_err_and(|why| why.contains("not one of ours")));
    lock.rollback().await.unwrap();
    assert_eq!(bearer(&app, &token.text()).await, Ok("Wallboard".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_token_logs_in_as_a_bearer_token_or_as_the_pair_of_x_user_id_and_x_auth_token() {
    let app = App::sampled().await;
    let (token, other) = (service_token(&app).await, service_token(&app).await);
    let text = token.text();
    let (id, secret) =
        (token.id.to_string(), text.rsplit_once(&format!("{}_", token.id.simple())).unwrap().1);
    let bearers = [format!("Bearer {text}"), format!("Bearer {}", other.text()), format!("bearer {text}")];
    let [own, others, lower] = bearers.each_ref().map(|value| ("authorization", value.as_str()));
    let (user, auth) = (("x-user-id", id.as_str()), ("x-auth-token", secret));
    let global = app
        .data(
            "manager@wna.example.com",
            "query ($id: ID!) { serviceToken(id: $id) { id } }",
            json!({ "id": id }),
        )
        .await;
    let global = global["serviceToken"]["id"].as_str().unwrap();
    let wallboard = Ok("Wallboard");
    let twice = Err("twice");
    for (headers, outcome) in [
        (&[own][..], wallboard),
        (&[lower], wallboard),
        (&[user, auth], wallboard),
        (&[("x-user-id", global), auth], wallboard),
        (&[own, user, auth], wallboard),
        (&[own, own], wallboard),
        (&[others, user, auth], twice),
        (&[own, others], twice),
        (&[user], Err("belong together")),
        (&[auth], Err("belong together")),
        (&[user, user, auth], Err("belong together")),
        (&[("x-user-id", "somebody"), auth], Err("not the id of a service token")),
        (&[user, ("x-auth-token", "wrong")], Err("not one of ours")),
        (&[user, ("x-auth-token", "")], Err("not one of ours")),
        (&[("x-user-id", &other.id.to_string()), auth], Err("not one of ours")),
        (&[], Ok("nobody")),
    ] {
        match (with(&app, headers).await, outcome) {
            (Ok(name), Ok(expected)) => assert_eq!(name, expected, "{headers:?}"),
            (Err(why), Err(reason)) => assert!(why.contains(reason), "{headers:?}: {why}"),
            (answer, _) => panic!("{headers:?}: {answer:?}"),
        }
    }
    let server = server_over(app.gateway.clone(), HttpConfig::default()).await;
    let nobody = json!({});
    for (headers, payload, outcome) in [
        (&[][..], json!({ "X-User-Id": id, "X-Auth-Token": secret }), wallboard),
        (&[], json!({ "x-user-id": global, "x-auth-token": secret }), wallboard),
        (&[], json!({ "Authorization": own.1 }), wallboard),
        (&[], json!({ "token": text }), wallboard),
        (
            &[],
            json!({ "token": text, "Authorization": own.1, "X-User-Id": id, "X-Auth-Token": secret }),
            wallboard,
        ),
        (&[user, auth], nobody.clone(), wallboard),
        (&[own], nobody.clone(), wallboard),
        (&[own, others], nobody.clone(), twice),
        (&[], json!({ "token": text, "Authorization": others.1 }), twice),
        (&[], json!({ "token": other.text(), "X-User-Id": id, "X-Auth-Token": secret }), twice),
        (&[], json!({ "X-User-Id": id }), Err("belong together")),
        (&[], json!({ "X-User-Id": 5, "X-Auth-Token": secret }), Err("not the id")),
    ] {
        let mut client = server.open(&[&[PROTOCOL], headers].concat()).await.unwrap();
        client.say(json!({ "type": "connection_init", "payload": payload })).await;
        match outcome {
            Ok(name) => {
                assert_eq!(client.hear().await["type"], "connection_ack", "{headers:?} {payload}");
                client.subscribe("1", WHO).await;
                assert_eq!(client.hear().await["payload"]["data"]["viewer"]["name"], json!(name));
            }
            Err(reason) => {
                let (code, why) = client.closed().await;
                assert!(code == 4403 && why.contains(reason), "{headers:?} {payload}: {code} {why}");
            }
        }
    }
    // Revoked, it ends what was opened with it.
    let mut client = server.open(&[PROTOCOL, user, auth]).await.unwrap();
    client.say(json!({ "type": "connection_init" })).await;
    assert_eq!(client.hear().await["type"], "connection_ack");
    client.subscribe("1", FEED).await;
    assert_eq!(client.hear().await["type"], "next");
    let revoke = format!("UPDATE service_token SET revoked_at = now() WHERE id = '{id}'");
    app.database.client().await.batch_execute(&revoke).await.unwrap();
    let begun = Instant::now();
    assert_eq!(client.closed().await.0, 4403);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(with(&app, &[user, auth]).await.is_err_and(|why| why.contains("was revoked")));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_service_token_was_last_used_is_kept_once_a_minute_and_changes_nothing_else() {
    let app = App::sampled().await;
    let (token, idle) = (service_token(&app).await, service_token(&app).await);
    let client = app.database.client().await;
    let row = async |id: Uuid| -> (bool, String) {
        let query =
            "SELECT last_used_at > now() - interval '30 seconds' IS TRUE, xmin::text || ' ' || revision
            FROM service_token WHERE id::text = $1";
        let row = client.query_one(query, &[&id.to_string()]).await.unwrap();
        (row.get(0), row.get(1))
    };
    let epoch = async || -> i64 {
        client.query_one("SELECT epoch FROM authorization_epoch", &[]).await.unwrap().get(0)
    };
    let used = async || {
        assert_eq!(bearer(&app, &token.text()).await.unwrap(), "Wallboard");
        let begun = Instant::now();
        while !row(token.id).await.0 {
            assert!(begun.elapsed() < Duration::from_secs(15), "its use is not kept");
            sleep(Duration::from_millis(100)).await;
        }
    };
    let begun = epoch().await;
    assert!(!row(token.id).await.0);
    used().await;
    let kept = row(token.id).await;
    for _ in 0..7 {
        assert_eq!(bearer(&app, &token.text()).await.unwrap(), "Wallboard");
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(row(token.id).await, kept, "once a minute");
    let earlier = "UPDATE service_token SET last_used_at = now() - interval '61 seconds' WHERE last_used_at IS NOT NULL";
    client.batch_execute(earlier).await.unwrap();
    used().await;
    assert!(!row(idle.id).await.0, "another was not used");
    assert_eq!(epoch().await, begun, "nobody's rights have changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_rights_takes_what_it_holds_from_its_tree() {
    let app = App::sampled().await;
    let (granted, bare) = (service_token(&app).await, service_token(&app).await);
    let take = format!("DELETE FROM role_grant WHERE service_token_id = '{}'", bare.id);
    app.database.client().await.batch_execute(&take).await.unwrap();
    let config = HttpConfig { sockets: 10, sockets_per_viewer: 5, ..HttpConfig::default() };
    let server = server_over(app.gateway.clone(), config).await;
    let mut open = Vec::new();
    let refused = loop {
        let token = if open.len() < 5 { &granted } else { &bare };
        let mut client = server.open(&[PROTOCOL]).await.unwrap();
        client.say(json!({ "type": "connection_init", "payload": { "token": token.text() } })).await;
        if open.len() == 9 {
            break client.closed().await;
        }
        assert_eq!(client.hear().await["type"], "connection_ack");
        open.push(client);
    };
    assert_eq!(refused, (1013, "too many sockets of the viewers of one tree of tenants".to_owned()));
}
