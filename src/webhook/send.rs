//! One message to one receiver.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::address::{Target, is_public};

/// How long an attempt may take, from the look-up of the name to the end of the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of an answer is read, in bytes, and for how long: nothing in it matters but its status.
const ANSWER: usize = 64 * 1024;
const LISTEN: Duration = Duration::from_secs(1);

/// A message, and what proves where it comes from.
pub(super) struct Message {
    /// The same at each attempt: receivers know by it what they have already.
    pub(super) id: String,
    /// Seconds since 1970, of this attempt.
    pub(super) timestamp: i64,
    pub(super) body: String,
}

impl Message {
    /// `v1,` and the HMAC-SHA256 of id, timestamp and body, for each secret.
    pub(super) fn signature(&self, secrets: &[Vec<u8>]) -> String {
        let signed = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let signature = |secret: &Vec<u8>| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            format!("v1,{}", STANDARD.encode(hmac::sign(&key, signed.as_bytes())))
        };
        secrets.iter().map(signature).collect::<Vec<_>>().join(" ")
    }
}

/// Why a message did not arrive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The status of the answer, if there was one.
    pub(super) status: Option<u16>,
    pub(super) reason: String,
}

impl Failure {
    fn of(reason: impl Into<String>) -> Self {
        Self { status: None, reason: reason.into() }
    }
}

/// What messages are sent with.
pub(super) struct Sender {
    tls: TlsConnector,
    allow_private: bool,
}

impl Sender {
    pub(super) fn new(allow_private: bool) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_root_certificates(roots).with_no_client_auth());
        // The versions of this provider are those of the library: this cannot fail but by a mistake of the build.
        let config = config.unwrap_or_else(|_| unreachable!("TLS without a version"));
        Self { tls: TlsConnector::from(Arc::new(config)), allow_private }
    }

    /// Posts a message; the status of an answer that takes it.
    pub(super) async fn post(
        &self,
        url: &str,
        message: &Message,
        secrets: &[Vec<u8>],
    ) -> Result<u16, Failure> {
        let attempt = self.attempt(url, message, secrets);
        timeout(PATIENCE, attempt)
            .await
            .unwrap_or_else(|_| Err(Failure::of(format!("no answer within {} seconds", PATIENCE.as_secs()))))
    }

    async fn attempt(&self, url: &str, message: &Message, secrets: &[Vec<u8>]) -> Result<u16, Failure> {
        let target = Target::parse(url).map_err(Failure::of)?;
        if !target.encrypted && !self.allow_private {
            return Err(Failure::of("the URL must begin with https"));
        }
        let stream = TcpStream::connect(self.addresses(&target).await?.as_slice())
            .await
            .map_err(|cause| Failure::of(format!("cannot connect: {cause}")))?;
        if !target.encrypted {
            return exchange(stream, &target, message, secrets).await;
        }
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| Failure::of("the host of the URL cannot have a certificate"))?;
        let stream = self
            .tls
            .connect(name, stream)
            .await
            .map_err(|cause| Failure::of(format!("no encrypted connection: {cause}")))?;
        exchange(stream, &target, message, secrets).await
    }

    /// The addresses that are connected to, one after the other, are those that were looked at: a name that is looked up
    /// twice could mean two.
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Failure> {
        let found = lookup_host((target.host.as_str(), target.port)).await;
        let found: Vec<SocketAddr> = found.map(Iterator::collect).unwrap_or_default();
        let allowed = self.allow_private || found.iter().all(|address| is_public(address.ip()));
        // One sentence: whoever makes webhooks is not to find out which names are known within the network of the gateway.
        if found.is_empty() || !allowed {
            return Err(Failure::of("the host of the URL is not known, or not one of the internet"));
        }
        Ok(found)
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    target: &Target,
    message: &Message,
    secrets: &[Vec<u8>],
) -> Result<u16, Failure> {
    let broken = |cause: hyper::Error| Failure::of(format!("the connection broke off: {cause}"));
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = request(target, message, secrets).map_err(|_| Failure::of("the URL cannot be sent"))?;
    // Apart, since a receiver may close the connection with its answer, and the answer counts.
    let _driven_as_long_as_this_is_kept = AbortOnDropHandle::new(tokio::spawn(connection));
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    // Read, so that the receiver is not cut off while it speaks; one that goes on for ever has answered all the same.
    let _whatever_it_says = timeout(LISTEN, Limited::new(answer.into_body(), ANSWER).collect()).await;
    match status.as_u16() {
        code @ 200..300 => Ok(code),
        code @ 300..400 => Err(Failure { status: Some(code), reason: "redirects are not followed".into() }),
        code => Err(Failure { status: Some(code), reason: format!("the receiver answered {code}") }),
    }
}

fn request(
    target: &Target,
    message: &Message,
    secrets: &[Vec<u8>],
) -> hyper::http::Result<Request<Full<Bytes>>> {
    let host = target.uri.authority().map_or("", |authority| authority.as_str());
    let path = target.uri.path_and_query().map_or("/", |path| path.as_str());
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, host)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(USER_AGENT, concat!("sla-gateway/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", message.timestamp)
        .header("webhook-signature", message.signature(secrets))
        .body(Full::from(message.body.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standard() {
        let message = Message {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek".into(),
            timestamp: 1_614_265_330,
            body: r#"{"test": 2432232314}"#.into(),
        };
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let one = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(message.signature(std::slice::from_ref(&secret)), one);
        assert!(message.signature(&[secret, vec![7; 32]]).starts_with(&format!("{one} v1,")));
    }
}
