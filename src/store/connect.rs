//! Connections to Postgres and their pool, with TLS as the URL asks for it.
//!
//! | `sslmode` | encrypted | certificate checked against `sslrootcert`, else the system's | host name checked |
//! |---|---|---|---|
//! | `disable` | no | | |
//! | `prefer` (default) | if the server offers it | no | no |
//! | `require` | yes | only if `sslrootcert` is given | no |
//! | `verify-ca` | yes | yes | no |
//! | `verify-full` | yes | yes | yes |
//!
//! A unix socket is never encrypted. No message contains the password.
//!
//! Of several hosts, as a server and its standby are, the first that takes writes is used.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use percent_encoding::percent_decode_str;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::time::timeout;
use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long one attempt to connect may take, TLS and login included; of several hosts, each its part of it.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// After how long a server that says nothing is looked for, and for how long before its connection is given up: one whose
/// machine or network has gone says no goodbye, and is otherwise waited for by the quarter of an hour.
const SILENCE: Duration = Duration::from_secs(30);

/// Each statement sees what was committed before it, which is what all locking here rests on, whatever the role or the database
/// is set to: else one that waits for a lock sees what was before it waited.
const READ_COMMITTED: &str = "SET default_transaction_isolation = 'read committed'";

/// What is meant to take long has the time for it, whatever the role or the database is set to.
const PATIENT: &str = "SET statement_timeout = 0";

/// One connection to the database of `url`, for work that outlives an operation.
///
/// # Errors
/// [`ConnectionError::InvalidConnectionUrl`] for a URL that cannot be meant, [`ConnectionError::BadConnection`] when
/// the server cannot be reached, is not trusted or refuses; each with a sentence that names the server.
pub async fn connect(url: &str) -> ConnectionResult<AsyncPgConnection> {
    let mut conn = Target::parse(url)?.connect().await?;
    let settings = format!("{READ_COMMITTED}; {PATIENT}");
    conn.batch_execute(&settings).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// A plain client of the database of `url`, for loads by COPY.
///
/// # Errors
/// Those of [`connect`].
pub async fn client(url: &str) -> ConnectionResult<tokio_postgres::Client> {
    let target = Target::parse(url)?;
    let (client, connection) = target.establish().await?;
    tokio::spawn(async move {
        if let Err(cause) = connection.await {
            tracing::warn!(cause = causes(&cause), "a connection to Postgres ended");
        }
    });
    client
        .batch_execute(&format!("{READ_COMMITTED}; {PATIENT}"))
        .await
        .map_err(|cause| ConnectionError::BadConnection(causes(&cause)))?;
    Ok(client)
}

/// Refuses a pooler that gives a client another session for each transaction: statements that are prepared, and listening, are
/// of a session, and would fail, or be silent, every now and then.
///
/// # Errors
/// Those of [`connect`], and [`ConnectionError::BadConnection`] with what to do about the pooler.
pub async fn keeps_sessions(url: &str) -> ConnectionResult<()> {
    let (one, other) = (client(url).await?, client(url).await?);
    let kept = async {
        let before = session(&one).await?;
        // The session that the first has just had, if it is not its own.
        other.batch_execute("BEGIN").await.map_err(|cause| ConnectionError::BadConnection(causes(&cause)))?;
        ConnectionResult::Ok(session(&one).await? == before)
    };
    // If that was the only one there is, the first waits for it.
    if timeout(CONNECT_LIMIT, kept).await.unwrap_or(Ok(false))? {
        return Ok(());
    }
    Err(ConnectionError::BadConnection(
        "a pooler in between gives a client another session of Postgres for each transaction: it must give each its own \
         (pgbouncer: pool_mode = session)"
            .to_owned(),
    ))
}

/// Which session of Postgres answers; asked without preparing anything.
async fn session(client: &tokio_postgres::Client) -> ConnectionResult<Option<String>> {
    let told = client.simple_query("SELECT pg_backend_pid()").await;
    let told = told.map_err(|cause| ConnectionError::BadConnection(causes(&cause)))?;
    Ok(told.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

/// How long Postgres waits for the next statement of a transaction: whose machine has vanished or stands still says no goodbye,
/// and what the transaction has locked would stay so for as long as TCP is patient. Longer than an operation may take.
const IDLE_IN_TRANSACTION: &str = "30s";

/// A pool of at most `size` connections, opened when first needed. A connection is handed out without a test query:
/// one that broke while it lay idle is noticed and replaced, one that breaks in that very moment fails its statement.
///
/// Postgres looks every second whether a connection is still open while it works for it: what nobody waits for ends,
/// whether the operation was given up or this process is gone. So does a transaction that nobody goes on with.
///
/// # Errors
/// Those of [`connect`] about the URL; the server is not asked.
pub fn pool(url: &str, size: usize) -> ConnectionResult<Pool<AsyncPgConnection>> {
    pool_with(url, size, READ_COMMITTED.to_owned())
}

/// The same for an import, whose statements are long.
///
/// # Errors
/// Those of [`pool`].
pub fn patient_pool(url: &str, size: usize) -> ConnectionResult<Pool<AsyncPgConnection>> {
    pool_with(url, size, format!("{READ_COMMITTED}; {PATIENT}"))
}

fn pool_with(url: &str, size: usize, settings: String) -> ConnectionResult<Pool<AsyncPgConnection>> {
    let settings =
        Arc::new(format!("{settings}; SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION}'"));
    let target = Arc::new(Target::parse(url)?);
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |_url| {
        let (target, settings) = (Arc::clone(&target), Arc::clone(&settings));
        async move {
            let mut conn = target.connect().await?;
            conn.batch_execute(&settings).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
            // A server on a system that cannot tell an open connection from a closed one refuses this, and works to the end.
            if let Err(cause) = conn.batch_execute("SET client_connection_check_interval = '1s'").await {
                tracing::debug!(%cause, "Postgres will not notice connections that are closed");
            }
            Ok(conn)
        }
        .boxed()
    });
    // The setup knows its target already; the manager need not keep the password.
    let manager = AsyncDieselConnectionManager::new_with_config("", config);
    Pool::builder(manager)
        .max_size(size)
        .build()
        .map_err(|cause| ConnectionError::BadConnection(cause.to_string()))
}

/// What carries a client's messages.
type Wire = tokio_postgres::Connection<
    tokio_postgres::Socket,
    <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>>::Stream,
>;

/// A server, or several of which one takes writes, and how to speak to it.
struct Target {
    /// What the URL says.
    config: tokio_postgres::Config,
    /// The same once for each of its hosts.
    servers: Vec<tokio_postgres::Config>,
    trust: Trust,
    /// The file of `sslrootcert`.
    root: Option<String>,
    /// As that file was at first.
    tls: MakeRustlsConnect,
}

impl Target {
    fn parse(url: &str) -> ConnectionResult<Self> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(invalid(
                "it must look like postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full",
            ));
        }
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        // Read otherwise, a part of the password is taken for a host, and shown.
        if address.matches('@').count() > 1 || !address.contains('@') && query.contains('@') {
            return Err(invalid(
                "special characters of the password must be percent-encoded, such as @ as %40 and ? as %3F",
            ));
        }
        let mut mode = "prefer".to_owned();
        let mut root = None;
        let mut rest = Vec::new();
        // These two are libpq's; the driver knows only a part of the first.
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = decoded(value),
                Some(("sslrootcert", value)) => root = Some(decoded(value)),
                _ => rest.push(parameter),
            }
        }
        let read = |address: &str| {
            let text = format!("{address}?{}", rest.join("&"));
            text.parse::<tokio_postgres::Config>().map_err(|cause| invalid(&causes(&cause)))
        };
        let config = read(address)?;
        let socket = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let (encryption, trust) = match mode.as_str() {
            _ if socket && config.get_hostaddrs().is_empty() => (SslMode::Disable, Trust::Any),
            "disable" => (SslMode::Disable, Trust::Any),
            "prefer" => (SslMode::Prefer, Trust::Any),
            "require" if root.is_none() => (SslMode::Require, Trust::Any),
            "require" | "verify-ca" => (SslMode::Require, Trust::Chain),
            "verify-full" => (SslMode::Require, Trust::ChainAndName),
            other => {
                return Err(invalid(&format!(
                    "sslmode is {other:?}; it can be disable, prefer, require, verify-ca or verify-full"
                )));
            }
        };
        // The driver gives all hosts one limit, which the first of them can use up by its silence.
        let apart = config.get_hosts().len() > 1
            && config.get_hostaddrs().is_empty()
            && config.get_load_balance_hosts() == LoadBalanceHosts::Disable;
        let addresses = if apart { each_host(address) } else { vec![address.to_owned()] };
        let limit = limit(addresses.len());
        let mut servers = Vec::new();
        for address in addresses {
            let mut server = read(&address)?;
            server.ssl_mode(encryption);
            if config.get_hosts().len() > 1 && server.get_target_session_attrs() == TargetSessionAttrs::Any {
                // Of a server and its standby, it can only be the one that takes writes.
                server.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
            if server.get_connect_timeout().is_none() {
                // A name may stand for several addresses.
                server.connect_timeout(limit / 2);
            }
            if server.get_tcp_user_timeout().is_none() {
                server.tcp_user_timeout(SILENCE);
            }
            server.keepalives_idle(server.get_keepalives_idle().min(SILENCE));
            server.keepalives_interval(server.get_keepalives_interval().unwrap_or(SILENCE / 3));
            server.keepalives_retries(server.get_keepalives_retries().unwrap_or(3));
            if server.get_application_name().is_none() {
                server.application_name("sla-gateway");
            }
            servers.push(server);
        }
        let tls = MakeRustlsConnect::new(tls(trust, root.as_deref())?);
        Ok(Self { config, servers, trust, root, tls })
    }

    /// The file of certificates as it is now: an authority is replaced while gateways run. What cannot be read just then
    /// is as it was.
    fn tls(&self) -> MakeRustlsConnect {
        let now = self.root.as_deref().and_then(|root| tls(self.trust, Some(root)).ok());
        now.map_or_else(|| self.tls.clone(), MakeRustlsConnect::new)
    }

    async fn establish(&self) -> ConnectionResult<(tokio_postgres::Client, Wire)> {
        let limit = limit(self.servers.len());
        let tls = self.tls();
        let mut reasons = Vec::new();
        for server in &self.servers {
            match timeout(limit, server.connect(tls.clone())).await {
                Ok(Ok(established)) => return Ok(established),
                Ok(Err(cause)) => reasons.push(causes(&cause)),
                Err(_elapsed) => reasons.push(format!("no answer within {} s", limit.as_secs())),
            }
        }
        reasons.dedup();
        Err(self.refused(&reasons.join("; ")))
    }

    async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let (client, connection) = self.establish().await?;
        timeout(CONNECT_LIMIT, AsyncPgConnection::try_from_client_and_connection(client, connection))
            .await
            .unwrap_or_else(|_elapsed| {
                Err(self.refused(&format!("no answer within {} s", CONNECT_LIMIT.as_secs())))
            })
    }

    fn refused(&self, reason: &str) -> ConnectionError {
        let hint = if reason.ends_with("UnknownIssuer") {
            "; name the certificates of its issuer with sslrootcert=FILE"
        } else {
            ""
        };
        ConnectionError::BadConnection(format!("{}: {reason}{hint}", self.place()))
    }

    /// The server in words, without its password.
    fn place(&self) -> String {
        let mut place = "cannot connect to Postgres".to_owned();
        let ports = self.config.get_ports();
        for (nth, host) in self.config.get_hosts().iter().enumerate() {
            let port = ports.get(nth).or(ports.first()).copied().unwrap_or(5432);
            let joint = if nth == 0 { " at" } else { "," };
            let _infallible = match host {
                Host::Tcp(name) => write!(place, "{joint} {name}:{port}"),
                Host::Unix(directory) => write!(place, "{joint} {}", directory.display()),
            };
        }
        if let Some(database) = self.config.get_dbname() {
            let _infallible = write!(place, ", database {database}");
        }
        if let Some(user) = self.config.get_user() {
            let _infallible = write!(place, ", as {user}");
        }
        place
    }
}

/// How long each of so many servers may take to let a client in.
fn limit(servers: usize) -> Duration {
    CONNECT_LIMIT / u32::try_from(servers).unwrap_or(u32::MAX).max(1)
}

/// The address of a URL, which names several hosts, once for each of them.
fn each_host(address: &str) -> Vec<String> {
    let login = address.find('@').or_else(|| Some(address.find("//")? + 1)).map_or(0, |end| end + 1);
    let (login, rest) = address.split_at(login);
    let (hosts, database) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    hosts.split(',').map(|host| format!("{login}{host}{database}")).collect()
}

fn invalid(why: &str) -> ConnectionError {
    ConnectionError::InvalidConnectionUrl(format!("the database URL is not valid: {why}"))
}

/// An error with everything that led to it: the driver's own text is only the outermost sentence.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let _infallible = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}

/// What of the server's certificate is checked.
#[derive(Clone, Copy)]
enum Trust {
    Any,
    Chain,
    ChainAndName,
}

fn tls(trust: Trust, root: Option<&str>) -> ConnectionResult<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|cause| invalid(&causes(&cause)))?;
    let chain = match trust {
        Trust::Any => None,
        Trust::Chain | Trust::ChainAndName => Some(
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots(root)?), Arc::clone(&provider))
                .build()
                .map_err(|cause| invalid(&causes(&cause)))?,
        ),
    };
    let verifier: Arc<dyn ServerCertVerifier> = match (trust, chain) {
        (Trust::ChainAndName, Some(chain)) => chain,
        (_, chain) => Arc::new(Lenient { chain, provider }),
    };
    // "dangerous" is the library's name for what libpq calls `require` and `verify-ca`: the operator's choice.
    Ok(versions.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// The certificates of `sslrootcert`; without one, or with `system`, those that the operating system trusts.
fn roots(file: Option<&str>) -> ConnectionResult<RootCertStore> {
    let (loaded, source) = match file {
        None | Some("system") => (rustls_native_certs::load_native_certs(), "the system's certificates"),
        Some(file) => (rustls_native_certs::load_certs_from_paths(Some(Path::new(file)), None), file),
    };
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(loaded.certs);
    if usable > 0 {
        return Ok(roots);
    }
    let why = loaded.errors.first().map_or_else(|| "it holds none".to_owned(), |error| causes(error));
    Err(invalid(&format!(
        "no certificate to check the server with in {source} ({why}); name a file with sslrootcert"
    )))
}

/// Checks less than the whole: the chain without the name, or nothing but that the server owns the key it shows.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        // The name is looked at last: an error about it says that the chain is good.
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_vanished_without_a_word_is_not_waited_for_unless_the_url_says_so() {
        let of =
            |query: &str| Target::parse(&format!("postgres://u@a,b/d{query}")).unwrap().servers.remove(1);
        let server = of("");
        assert_eq!(server.get_tcp_user_timeout(), Some(&SILENCE));
        assert_eq!(server.get_keepalives_idle(), SILENCE);
        assert!(server.get_keepalives_interval().unwrap() * 3 <= SILENCE);
        let server = of("?tcp_user_timeout=120&keepalives_idle=5&connect_timeout=2");
        assert_eq!(server.get_tcp_user_timeout(), Some(&Duration::from_secs(120)));
        assert_eq!(server.get_keepalives_idle(), Duration::from_secs(5));
        assert_eq!(server.get_connect_timeout(), Some(&Duration::from_secs(2)));
    }

    #[test]
    fn an_address_is_given_once_for_each_of_its_hosts() {
        for (address, each) in [
            ("postgres://u:p%2Cp@a:1,b:2/d", vec!["postgres://u:p%2Cp@a:1/d", "postgres://u:p%2Cp@b:2/d"]),
            ("postgres://u:p,p@a,b", vec!["postgres://u:p,p@a", "postgres://u:p,p@b"]),
            ("postgresql://a,b/d", vec!["postgresql://a/d", "postgresql://b/d"]),
            ("postgres://u@[::1]:5,%2Ftmp/d", vec!["postgres://u@[::1]:5/d", "postgres://u@%2Ftmp/d"]),
        ] {
            assert_eq!(each_host(address), each);
        }
    }
}
