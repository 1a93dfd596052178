//! Connections to a Postgres of one's own: encrypted and checked as `sslmode` says, refused without naming passwords.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use sla_gateway::postgres::Postgres;
use sla_gateway::store::connect::{connect, pool};
use tempfile::TempDir;

use crate::postgres::data_directory;

/// A Postgres on loopback whose certificate is for `localhost`, signed by an authority made for this test.
struct Server {
    _postgres: Postgres,
    files: TempDir,
    port: u16,
}

impl Server {
    async fn start(encrypted: bool) -> Self {
        let files = data_directory();
        let authority = authority("the server's authority");
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let file = |name: &str, text: &str, mode| write(files.path(), name, text, mode);
        let certificate = file("server.crt", &certificate.pem(), 0o644);
        let key = file("server.key", &key.serialize_pem(), 0o600);
        file("authority.crt", &authority.pem(), 0o644);
        file("stranger.crt", &self::authority("a stranger").pem(), 0o644);
        let access = file("hba", "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n", 0o644);
        let mut settings =
            vec!["listen_addresses=127.0.0.1".to_owned(), format!("hba_file={}", access.display())];
        if encrypted {
            settings.push("ssl=on".to_owned());
            settings.push(format!("ssl_cert_file={}", certificate.display()));
            settings.push(format!("ssl_key_file={}", key.display()));
        }
        let started = || {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let own = format!("port={port}");
            let settings: Vec<_> = settings.iter().map(String::as_str).chain([own.as_str()]).collect();
            Postgres::start_ephemeral(None, &settings).ok().map(|postgres| (postgres, port))
        };
        // Somebody else may have taken the port meanwhile.
        let (postgres, port) = (0..3).find_map(|_| started()).expect("a server");
        let url = postgres.url("postgres");
        let (socket, database) = url.rsplit_once('/').unwrap();
        let mut owner = connect(&format!("{socket}:{port}/{database}")).await.unwrap();
        owner.batch_execute("ALTER USER postgres PASSWORD 'secret pass'").await.unwrap();
        Self { _postgres: postgres, files, port }
    }

    fn url(&self, host: &str, mode: &str, root: Option<&str>) -> String {
        let port = self.port;
        let root = root.map(|name| format!("&sslrootcert={}/{name}", self.files.path().display()));
        let root = root.unwrap_or_default();
        format!("postgres://postgres:secret%20pass@{host}:{port}/postgres?sslmode={mode}{root}")
    }

    /// Whether the connection is encrypted, or why there is none.
    async fn encrypted(&self, host: &str, mode: &str, root: Option<&str>) -> Result<bool, String> {
        let mut connection =
            connect(&self.url(host, mode, root)).await.map_err(|refusal| refusal.to_string())?;
        let state: State = diesel::sql_query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            .get_result(&mut connection)
            .await
            .unwrap();
        Ok(state.ssl)
    }
}

#[derive(diesel::QueryableByName)]
struct State {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    ssl: bool,
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn write(directory: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    // Postgres reads its key only from a file of its own account. Who is not root is that account already.
    let _ = Command::new("chown").arg("postgres").arg(&path).output().unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn sslmode_says_whether_a_connection_is_encrypted_and_what_of_the_certificate_is_checked() {
    let server = Server::start(true).await;
    let own = Some("authority.crt");
    let stranger = Some("stranger.crt");
    assert_eq!(server.encrypted("localhost", "disable", None).await, Ok(false));
    assert_eq!(server.encrypted("localhost", "prefer", None).await, Ok(true));
    assert_eq!(server.encrypted("localhost", "require", None).await, Ok(true));
    assert_eq!(server.encrypted("localhost", "require", own).await, Ok(true));
    assert_eq!(server.encrypted("127.0.0.1", "verify-ca", own).await, Ok(true));
    assert_eq!(server.encrypted("localhost", "verify-full", own).await, Ok(true));
    for (host, mode, root, reason) in [
        ("localhost", "require", stranger, "UnknownIssuer"),
        ("localhost", "verify-ca", stranger, "UnknownIssuer"),
        ("localhost", "verify-full", stranger, "UnknownIssuer"),
        ("localhost", "verify-full", None, "UnknownIssuer"),
        ("127.0.0.1", "verify-full", own, "not valid for name"),
        ("localhost", "verify-full", Some("absent.crt"), "no certificate to check the server with"),
        ("localhost", "maybe", None, "it can be disable, prefer, require, verify-ca or verify-full"),
    ] {
        let refusal = server.encrypted(host, mode, root).await.unwrap_err();
        assert!(refusal.contains(reason), "{mode} {root:?}: {refusal}");
        assert!(!refusal.contains("secret"), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_used_only_if_the_mode_allows_it() {
    let server = Server::start(false).await;
    assert_eq!(server.encrypted("localhost", "prefer", None).await, Ok(false));
    let refusal = server.encrypted("localhost", "require", None).await.unwrap_err();
    assert!(refusal.contains("server does not support TLS"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_names_the_server_and_never_the_password() {
    let server = Server::start(false).await;
    let wrong = server.url("localhost", "prefer", None).replace("secret%20pass", "wr0ng");
    let absent = server.url("localhost", "prefer", None).replace("/postgres?", "/absent?");
    for (url, reason) in [
        (wrong.as_str(), "password authentication failed"),
        (absent.as_str(), "database \"absent\" does not exist"),
        ("postgres://postgres:wr0ng@127.0.0.1:1/postgres", "127.0.0.1:1"),
        ("postgres://postgres:wr0ng@127.0.0.1:x/postgres", "not valid"),
        ("postgres://postgres:wr0ng@127.0.0.1/postgres?unknown=1", "unknown"),
        // A part of the password that is read as a host or a database is not shown either.
        ("postgres://postgres:p@wr0ng@127.0.0.1:1/postgres", "percent-encoded"),
        ("postgres://postgres:wr0ng?wr0ng@127.0.0.1:1/postgres", "percent-encoded"),
        ("wr0ng", "it must look like postgres://"),
        ("", "it must look like postgres://"),
    ] {
        let refusal = connect(url).await.map(drop).unwrap_err().to_string();
        assert!(refusal.contains(reason), "{reason}: {refusal}");
        assert!(!refusal.contains("wr0ng") && !refusal.contains("secret"), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_hosts_the_first_that_takes_writes_is_used_and_one_that_is_silent_is_passed_over() {
    let server = Server::start(true).await;
    // The system takes its clients, and nobody speaks to them: so is a machine that hangs.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let hosts = format!("@localhost:{},localhost:{}/", silent.local_addr().unwrap().port(), server.port);
    let url = server.url("localhost", "verify-full", Some("authority.crt"));
    let url = url.replace(&format!("@localhost:{}/", server.port), &hosts);
    let mut conn = connect(&url).await.map_err(|refusal| refusal.to_string()).unwrap();
    conn.batch_execute("ALTER ROLE postgres SET default_transaction_read_only = on").await.unwrap();
    let refusal = connect(&url).await.map(drop).unwrap_err().to_string();
    for part in ["no answer within 5 s", "does not allow writes", &format!("localhost:{}", server.port)] {
        assert!(refusal.contains(part), "{part} is not in {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_replaces_connections_that_broke_while_they_lay_idle() {
    let server = Server::start(false).await;
    let pool = pool(&server.url("localhost", "disable", None), 1).unwrap();
    pool.get().await.unwrap().batch_execute("SELECT 1").await.unwrap();
    let mut other = connect(&server.url("localhost", "disable", None)).await.unwrap();
    other
        .batch_execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        .await
        .unwrap();
    pool.get().await.unwrap().batch_execute("SELECT 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_replaced_while_the_gateway_runs_is_taken_from_its_file() {
    let server = Server::start(true).await;
    let file = |name: &str| server.files.path().join(name);
    fs::copy(file("stranger.crt"), file("rotated.crt")).unwrap();
    let pool = pool(&server.url("localhost", "verify-full", Some("rotated.crt")), 1).unwrap();
    assert!(pool.get().await.is_err());
    fs::copy(file("authority.crt"), file("rotated.crt")).unwrap();
    drop(pool.get().await.unwrap());
    // Half written, or gone for a moment: as it was at first, which says whom one does not trust.
    fs::remove_file(file("rotated.crt")).unwrap();
    pool.retain(|_, _| false);
    let refusal = pool.get().await.map(drop).unwrap_err();
    assert!(format!("{refusal:?}").contains("UnknownIssuer"), "{refusal:?}");
}
