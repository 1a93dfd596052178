//! The command line: what it prints, and the one sentence with which each way to fail ends.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::CommandFactory;
use diesel_async::SimpleAsyncConnection;
use serde_json::json;
use sla_gateway::access::token::Key;
use sla_gateway::config::Config;
use sla_gateway::store::{connect, migrations};
use tempfile::TempDir;

use crate::app::App;
use crate::database::Database;
use crate::postgres::data_directory;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn gateway(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sla-gateway"));
    command.args(words);
    // The tests' own environment must not choose for them.
    let chosen = |name: &OsStr| {
        name == "DATABASE_URL" || name.to_str().is_some_and(|name| name.starts_with("SLA_GATEWAY_"))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| chosen(name)) {
        command.env_remove(name);
    }
    command
}

/// The only line on standard error of a command that fails.
fn refusal(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert!(!status.success(), "it succeeded: {}", String::from_utf8_lossy(&stdout));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("sla-gateway: "), "{text}");
    text
}

fn data_flag(data: &TempDir) -> String {
    format!("--data-dir={}", data.path().display())
}

#[test]
fn token_prints_a_token_of_the_data_directory_and_nothing_else() {
    let data = data_directory();
    let key = Key::load_or_create(data.path()).unwrap();
    let printed = gateway(&["token", "--person", "a@b.c", &data_flag(&data)]).output().unwrap();
    assert!(printed.stderr.is_empty());
    let token = String::from_utf8(printed.stdout).unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    let now = chrono::DateTime::UNIX_EPOCH + now;
    assert_eq!(key.verify(token.strip_suffix('\n').unwrap(), now).unwrap().subject, "a@b.c");
}

#[tokio::test(flavor = "multi_thread")]
async fn token_remarks_that_nobody_in_the_store_logs_in_so_and_prints_it_all_the_same() {
    let app = App::sampled().await;
    let token = |person: &str, url: &str| {
        let mut command = gateway(&["token", "--person", person]);
        command.env("SLA_GATEWAY_TOKEN_SECRET", SECRET).env("DATABASE_URL", url).output().unwrap()
    };
    for (person, remarked) in [("reader@wna.example.com", false), ("nobody@wna.example.com", true)] {
        let Output { status, stdout, stderr } = token(person, &app.database.url);
        let told = String::from_utf8(stderr).unwrap();
        assert!(status.success() && String::from_utf8(stdout).unwrap().lines().count() == 1, "{told}");
        assert_eq!(
            told.contains("nobody in the store logs in as \"nobody@wna.example.com\""),
            remarked,
            "{told}"
        );
        assert_eq!(told.is_empty(), !remarked, "{told}");
    }
    // A store that is away is no hindrance.
    let away = token("nobody@wna.example.com", "postgres://u@127.0.0.1:1/d");
    assert!(away.status.success() && away.stderr.is_empty(), "{}", String::from_utf8_lossy(&away.stderr));
}

#[test]
fn token_without_a_key_says_where_one_comes_from() {
    let data = data_directory();
    let text = refusal(&mut gateway(&["token", "--person", "a@b.c", &data_flag(&data)]));
    assert!(text.contains("no gateway has run") && text.contains("--token-secret"), "{text}");
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);

    let text = refusal(gateway(&["token", "--person", "a@b.c"]).env("SLA_GATEWAY_TOKEN_SECRET", "short"));
    assert!(text.contains("at least 32 bytes") && !text.contains("short"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tenant_begins_a_tree_on_an_empty_store_and_its_administrator_may_do_everything_in_it() {
    let app = App::new().await;
    let tenant = |slug: &str, url: &str| {
        let mut command =
            gateway(&["tenant", "--name=Acme", "--administrator=you@acme.example", "--slug", slug]);
        command.env("DATABASE_URL", url);
        command
    };
    let made = tenant("acme", &app.database.url).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let query = "{ tenant(slug: \"acme\") { id name timeZone } viewer { person { name } } }";
    let answer = app.data("you@acme.example", query, json!({})).await;
    assert_eq!(answer["tenant"]["name"], "Acme");
    assert_eq!(answer["tenant"]["timeZone"], "UTC");
    let query = "query($id: ID!) { viewer { permissions(tenant: $id) } __type(name: \"Permission\") { enumValues { name } } }";
    let rights = app.data("you@acme.example", query, json!({ "id": answer["tenant"]["id"] })).await;
    let held = rights["viewer"]["permissions"].as_array().unwrap().len();
    assert_eq!(held, rights["__type"]["enumValues"].as_array().unwrap().len());
    let text = refusal(&mut tenant("acme", &app.database.url));
    assert!(text.contains("another tenant has this slug"), "{text}");
    let text = refusal(&mut tenant("A slug", &app.database.url));
    assert!(text.contains("small letters"), "{text}");
    // What is called through GraphQL by the same rules.
    for (name, why) in
        [("two\nlines", "U+000A"), (" ", "must not be blank"), ("x".repeat(161).as_str(), "at most 160")]
    {
        let mut named =
            gateway(&["tenant", "--slug=named", "--administrator=you@acme.example", "--name", name]);
        let text = refusal(named.env("DATABASE_URL", &app.database.url));
        assert!(text.contains("--name: ") && text.contains(why), "{text}");
    }
    let behind = Database::unmigrated().await;
    for command in [&mut tenant("acme", &behind.url), gateway(&["sample"]).env("DATABASE_URL", &behind.url)] {
        let text = refusal(command);
        assert!(text.contains("sla-gateway migrate"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_refuses_a_schema_that_is_behind_and_names_the_command_that_mends_it() {
    let database = Database::unmigrated().await;
    let serve = |url: &str| {
        let mut command = gateway(&["serve", "--listen=127.0.0.1:0"]);
        command.env("DATABASE_URL", url).env("SLA_GATEWAY_TOKEN_SECRET", SECRET);
        command
    };
    let text = refusal(&mut serve(&database.url));
    assert!(text.contains("behind") && text.contains("sla-gateway migrate"), "{text}");
    assert!(refusal(gateway(&["migrate", "--check"]).env("DATABASE_URL", &database.url)).contains("missing"));

    assert!(gateway(&["migrate"]).env("DATABASE_URL", &database.url).status().unwrap().success());
    assert!(gateway(&["migrate", "--check"]).env("DATABASE_URL", &database.url).status().unwrap().success());
    // Two at once are no error: one waits for the other and has nothing to do.
    assert!(gateway(&["migrate"]).env("DATABASE_URL", &database.url).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_warns_that_other_replicas_do_not_have_the_key_of_its_data_directory() {
    let app = App::new().await;
    let data = data_directory();
    for (secret, warned) in [(None, true), (Some(SECRET), false)] {
        let mut serve = gateway(&["serve", "--listen=127.0.0.1:0", "--log=info", &data_flag(&data)]);
        serve.env("DATABASE_URL", &app.database.url);
        if let Some(secret) = secret {
            serve.env("SLA_GATEWAY_TOKEN_SECRET", secret);
        }
        let mut process = serve.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stderr.take().unwrap());
        let mut told = String::new();
        while !told.contains(" serving") {
            assert_ne!(output.read_line(&mut told).unwrap(), 0, "it ended: {told}");
        }
        let pid = process.id().to_string();
        assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        process.wait().unwrap();
        assert_eq!(told.contains("WARN") && told.contains("no token secret is given"), warned, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_changes_nothing_and_says_why() {
    let database = Database::unmigrated().await;
    database.client().await.batch_execute("CREATE VIEW breach AS SELECT 1").await.unwrap();
    let text = refusal(gateway(&["migrate", "--log=warn"]).env("DATABASE_URL", &database.url));
    assert!(text.contains("could not be migrated") && text.contains("\"breach\" already exists"), "{text}");
    let tables =
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')";
    assert_eq!(database.client().await.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_does_not_stand_in_everybodys_way_while_somebody_holds_a_table() {
    let database = Database::new().await;
    let mut client = database.client().await;
    // As the release before left it.
    let down = include_str!("../../migrations/2026-11-21-000050_audit_filters/down.sql");
    let forget = "DELETE FROM __diesel_schema_migrations WHERE version = '20261121000050'";
    client.batch_execute(&format!("{down}; {forget}")).await.unwrap();
    let held = client.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE audit_entry IN ROW EXCLUSIVE MODE").await.unwrap();
    let text = refusal(gateway(&["migrate", "--log=warn"]).env("DATABASE_URL", &database.url));
    assert!(text.contains("is as it was") && text.contains("somebody holds a table"), "{text}");
    held.commit().await.unwrap();
    assert!(gateway(&["migrate"]).env("DATABASE_URL", &database.url).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_migrate_at_once_the_second_sees_what_the_first_did_whatever_the_database_is_set_to() {
    let database = Database::unmigrated().await;
    let mut client = database.client().await;
    let isolated =
        format!("ALTER DATABASE {} SET default_transaction_isolation = 'repeatable read'", database.name());
    client.batch_execute(&isolated).await.unwrap();
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("SELECT pg_advisory_xact_lock(5120614)").await.unwrap();
    let both = [(); 2].map(|()| {
        let url = database.url.clone();
        tokio::spawn(async move { migrations::run(&url).await.map(|ran| ran.len()) })
    });
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = \
        (SELECT oid FROM pg_database WHERE datname = current_database())";
    while lock.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    lock.commit().await.unwrap();
    let mut ran = Vec::new();
    for one in both {
        ran.push(one.await.unwrap().unwrap());
    }
    assert!(ran.contains(&0) && ran.iter().any(|count| *count > 0), "{ran:?}");
    // So it is for loads.
    let client = connect::client(&database.url).await.unwrap();
    let shown = client.query_one("SHOW transaction_isolation", &[]).await.unwrap();
    assert_eq!(shown.get::<_, &str>(0), "read committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_refuses_a_database_that_cannot_hold_every_text() {
    let database = Database::encoded("LATIN1").await;
    let text = refusal(gateway(&["migrate", "--log=warn"]).env("DATABASE_URL", &database.url));
    assert!(text.contains("the encoding LATIN1") && text.contains("ENCODING 'UTF8'"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_refuses_a_pooler_that_shares_its_sessions() {
    let app = App::new().await;
    // As a pooler does it: whoever asks twice is answered by two.
    let shared = "CREATE SCHEMA pooled; CREATE SEQUENCE pooled.session;
        CREATE FUNCTION pooled.pg_backend_pid() RETURNS bigint LANGUAGE sql AS 'SELECT nextval(''pooled.session'')';
        DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = pooled, pg_catalog, public', current_database()); END $$";
    app.database.client().await.batch_execute(shared).await.unwrap();
    let mut serve = gateway(&["serve", "--listen=127.0.0.1:0"]);
    serve.env("DATABASE_URL", &app.database.url).env("SLA_GATEWAY_TOKEN_SECRET", SECRET);
    let text = refusal(&mut serve);
    assert!(text.contains("pool_mode = session"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_refuses_a_pooler_that_shares_its_only_session_within_seconds() {
    let app = App::new().await;
    // Whoever asks while another is in a transaction waits for its end.
    let shared = "CREATE SCHEMA pooled; CREATE SEQUENCE pooled.asked;
        CREATE FUNCTION pooled.pg_backend_pid() RETURNS bigint LANGUAGE sql AS
          'SELECT 1::bigint FROM pg_sleep(CASE WHEN nextval(''pooled.asked'') > 1 THEN 120 ELSE 0 END)';
        DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = pooled, pg_catalog, public', current_database()); END $$";
    app.database.client().await.batch_execute(shared).await.unwrap();
    let mut serve = gateway(&["serve", "--listen=127.0.0.1:0"]);
    serve.env("DATABASE_URL", &app.database.url).env("SLA_GATEWAY_TOKEN_SECRET", SECRET);
    let begun = Instant::now();
    let text = refusal(&mut serve);
    assert!(text.contains("pool_mode = session"), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn a_pooler_that_shares_its_sessions_is_named_where_it_shows() {
    let cause = "prepared statement \"s3\" already exists".to_owned();
    let kind = diesel::result::DatabaseErrorKind::Unknown;
    let failure = migrations::Error::from(diesel::result::Error::DatabaseError(kind, Box::new(cause)));
    assert!(failure.to_string().contains("pool_mode = session"), "{failure}");
}

#[test]
fn a_wrong_database_url_is_refused_without_its_password() {
    for (url, reason) in [
        ("postgres://u:hidden@127.0.0.1:1/d", "cannot connect to Postgres at 127.0.0.1:1"),
        ("mysql://u:hidden@h/d", "postgres://USER:PASSWORD@HOST"),
        ("postgres://u:hidden@h/d?sslmode=maybe", "verify-full"),
    ] {
        let mut serve = gateway(&["serve", "--listen=127.0.0.1:0"]);
        let text = refusal(serve.env("DATABASE_URL", url).env("SLA_GATEWAY_TOKEN_SECRET", SECRET));
        assert!(text.contains(reason) && !text.contains("hidden"), "{text}");
    }
}

#[test]
fn a_variable_that_is_empty_is_none_and_a_flag_is_on_by_what_people_write() {
    let serve = |variables: &[(&str, &str)]| {
        let mut serve = gateway(&["serve", "--listen=127.0.0.1:0"]);
        let url = ("DATABASE_URL", "postgres://u@127.0.0.1:1/d");
        serve.envs([url, ("SLA_GATEWAY_TOKEN_SECRET", SECRET)]).envs(variables.iter().copied());
        serve
    };
    // It comes as far as to the store.
    for variables in [
        &[("SLA_GATEWAY_SMTP_URL", ""), ("SLA_GATEWAY_JWKS", ""), ("SLA_GATEWAY_METRICS", "")][..],
        &[("SLA_GATEWAY_METRICS", "1")],
        &[("SLA_GATEWAY_METRICS", "yes")],
        &[("SLA_GATEWAY_METRICS", "false")],
    ] {
        let text = refusal(&mut serve(variables));
        assert!(text.contains("cannot connect to Postgres at 127.0.0.1:1"), "{variables:?}: {text}");
    }
    let Output { status, stderr, .. } = serve(&[("SLA_GATEWAY_METRICS", "maybe")]).output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && text.contains("invalid value 'maybe' for '--metrics'"), "{text}");
}

#[test]
fn the_last_words_are_a_line_of_the_log_as_that_is_written() {
    let serve = ["serve", "--listen=127.0.0.1:0", "--log-format=json"];
    let url = "postgres://u@127.0.0.1:1/d";
    let output = gateway(&serve).envs([("DATABASE_URL", url), ("SLA_GATEWAY_TOKEN_SECRET", SECRET)]).output();
    let Output { status, stderr, .. } = output.unwrap();
    assert!(!status.success());
    let line: serde_json::Value = serde_json::from_slice(&stderr).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().unwrap().contains("cannot connect to Postgres"), "{line}");
}

#[test]
fn serve_refuses_an_identity_provider_whose_keys_it_cannot_have() {
    let serve = |words: &[&str]| {
        let mut command = gateway(&["serve", "--listen=127.0.0.1:0"]);
        command.args(words).env("DATABASE_URL", "postgres://u@127.0.0.1:1/d");
        command
    };
    let keys = ["--jwks=/nowhere/keys.json", "--audience=sla"];
    let text = refusal(serve(&keys).arg("--issuer=https://id.example.com"));
    assert!(text.contains("cannot load the keys of /nowhere/keys.json: No such file"), "{text}");
    let text = refusal(serve(&keys).arg("--issuer=sla-gateway-dev"));
    assert!(text.contains("must have another name"), "{text}");
    // Whose tokens they sign, and for whom, cannot be left open.
    for words in [&keys[..], &["--jwks=keys.json", "--issuer=i"], &["--issuer=i"], &["--audience=a"]] {
        let output = serve(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("required arguments"), "{words:?}");
    }
}

#[test]
fn run_says_which_of_its_needs_is_missing() {
    let data = data_directory();
    let file = data.path().join("file");
    fs::write(&file, "").unwrap();
    let text =
        refusal(&mut gateway(&["run", "--listen=127.0.0.1:0", &format!("--data-dir={}", file.display())]));
    assert!(text.contains("cannot use") && text.contains("--data-dir"), "{text}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("--listen={}", taken.local_addr().unwrap());
    let text = refusal(&mut gateway(&["run", &listen, &data_flag(&data)]));
    assert!(text.contains("cannot listen on") && text.contains("in use"), "{text}");

    let text =
        refusal(&mut gateway(&["run", "--listen=127.0.0.1:0", "--postgres-bin=/nowhere", &data_flag(&data)]));
    assert!(text.contains("/nowhere does not hold `postgres`"), "{text}");
}

/// `run`, once it serves.
struct Running {
    process: Child,
    printed: String,
    /// Kept open: who prints into a closed pipe fails.
    _output: BufReader<ChildStdout>,
}

impl Running {
    fn start(data: &TempDir) -> Self {
        Self::started(gateway(&["run", "--listen=127.0.0.1:0", "--log=warn", &data_flag(data)]))
    }

    /// As [`Self::start`], where the shell's `ulimit` is called before.
    fn limited(data: &TempDir, ulimit: &str) -> Self {
        let run = gateway(&["run", "--listen=127.0.0.1:0", "--log=warn", &data_flag(data)]);
        let mut shell = Command::new("sh");
        let script = format!("ulimit {ulimit} && exec \"$0\" \"$@\"");
        shell.args(["-c", &script]).arg(run.get_program()).args(run.get_args());
        for (name, _removed) in run.get_envs() {
            shell.env_remove(name);
        }
        Self::started(shell)
    }

    fn started(mut run: Command) -> Self {
        let mut process = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut printed = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        while !printed.contains("reader@wna.example.com") {
            assert_ne!(output.read_line(&mut printed).unwrap(), 0, "it ended: {printed}");
        }
        Self { process, printed, _output: output }
    }

    fn address(&self) -> &str {
        let page = self.printed.lines().find_map(|line| line.split_once("http://")).unwrap().1;
        page.split('/').next().unwrap()
    }

    fn sockets(&self) -> PathBuf {
        let line = self.printed.lines().find(|line| line.contains("postgres@")).unwrap();
        PathBuf::from(line.split(['@', '/']).nth(3).unwrap().replace("%2F", "/"))
    }

    fn kill(&mut self, signal: &str) -> bool {
        let process = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
        self.process.wait().unwrap().success()
    }
}

fn vanishes(path: &Path) -> bool {
    let limit = Instant::now() + Duration::from_secs(30);
    while path.exists() && Instant::now() < limit {
        sleep(Duration::from_millis(10));
    }
    !path.exists()
}

#[test]
fn run_starts_everything_and_ends_cleanly_on_a_signal() {
    let data = data_directory();
    // Its page is given tokens only where no other machine can ask for them.
    for (signal, listen, given) in [("-INT", "127.0.0.1:0", true), ("-TERM", "0.0.0.0:0", false)] {
        let run = ["run", "--listen", listen, "--log=warn", &data_flag(&data)];
        let mut running = Running::started(gateway(&run));
        let sockets = running.sockets();
        assert!(sockets.join(".s.PGSQL.5432").exists(), "{}", running.printed);
        let mut stream = TcpStream::connect(running.address()).unwrap();
        let request = "GET /graphiql/config.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let answer = std::io::read_to_string(stream).unwrap();
        assert_eq!(!answer.contains("\"token\":null"), given, "{answer}");
        assert!(running.kill(signal));
        assert!(!sockets.exists());
    }
}

/// How a gateway answers the first lines of a request, and the connection.
fn asked(address: &str, lines: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "{lines}\r\nHost: {address}\r\n\r\n").unwrap();
    let mut status = String::new();
    BufReader::new(&stream).read_line(&mut status).unwrap();
    (status, stream)
}

#[test]
fn a_gateway_takes_as_many_files_as_it_may_and_sockets_leave_some_to_requests() {
    let data = data_directory();
    let ready = "GET /readyz HTTP/1.1";
    let mut running = Running::limited(&data, "-Sn 100");
    assert!(asked(running.address(), ready).0.contains(" 200 "));
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.process.id())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let (soft, hard) = files.trim().split_once(' ').unwrap();
    assert_eq!(Some(soft), hard.split_whitespace().next());
    assert!(running.kill("-INT"));

    let mut running = Running::limited(&data, "-n 120");
    let address = running.address();
    let upgrade = "GET /graphql HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws";
    let mut open = Vec::new();
    while open.len() < 120 {
        let (status, stream) = asked(address, upgrade);
        if status.contains(" 503 ") {
            break;
        }
        assert!(status.contains(" 101 "), "{status}");
        open.push(stream);
    }
    assert!(open.len() < 120, "all are taken");
    let (status, _stream) = asked(address, ready);
    assert!(status.contains(" 200 "), "{status}");
    drop(open);
    assert!(running.kill("-INT"));
    let told = std::io::read_to_string(running.process.stderr.take().unwrap()).unwrap();
    assert!(told.contains("raise its limit") && told.contains("taken=60"), "{told}");
}

#[test]
fn a_gateway_that_is_killed_takes_its_postgres_with_it() {
    let data = data_directory();
    let mut running = Running::start(&data);
    let sockets = running.sockets();
    running.kill("-KILL");
    // At once: the one before may still be on its way out.
    let mut next = Running::start(&data);
    assert!(vanishes(&sockets));
    assert!(next.kill("-INT"));
}

#[test]
fn a_second_gateway_on_one_data_directory_is_refused() {
    let data = data_directory();
    let mut running = Running::start(&data);
    let text = refusal(&mut gateway(&["run", "--listen=127.0.0.1:0", "--log=warn", &data_flag(&data)]));
    assert!(text.contains(&format!("another gateway (process {})", running.process.id())), "{text}");
    // What works on the store alone works beside it.
    let tenant = [
        "tenant",
        "--slug=beside",
        "--name=Beside",
        "--administrator=admin@beside.example",
        &data_flag(&data),
    ];
    let beside = gateway(&tenant).output().unwrap();
    assert!(beside.status.success(), "{}", String::from_utf8_lossy(&beside.stderr));
    assert!(running.kill("-INT"));
}

#[test]
fn a_gateway_whose_postgres_dies_ends_and_says_so() {
    let data = data_directory();
    let mut running = Running::start(&data);
    let file = fs::read_to_string(data.path().join("postgres/cluster/postmaster.pid")).unwrap();
    assert!(Command::new("kill").args(["-KILL", file.lines().next().unwrap()]).status().unwrap().success());
    assert!(!running.process.wait().unwrap().success());
    let text = std::io::read_to_string(running.process.stderr.take().unwrap()).unwrap();
    assert!(text.contains("the private Postgres has ended"), "{text}");
}

#[test]
fn a_trial_of_an_import_is_asked_for_by_what_people_write() {
    let mut import = gateway(&["import", "requests", "/dev/null", "--tenant=acme"]);
    import.env("DATABASE_URL", "postgres://u@127.0.0.1:1/d").env("SLA_GATEWAY_IMPORT_DRY_RUN", "1");
    // It comes as far as to the store.
    let text = refusal(&mut import);
    assert!(text.contains("cannot connect to Postgres at 127.0.0.1:1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_and_serve_refuse_a_server_that_is_too_old_or_speaks_another_language() {
    let database = Database::new().await;
    let cases = [
        ("server_version_num", "140012", "Postgres 15 or newer"),
        ("sla_gateway.mistake", "Division durch Null", "lc_messages = 'C'"),
    ];
    for (setting, told, sentence) in cases {
        let other = format!(
            "CREATE SCHEMA IF NOT EXISTS other; CREATE OR REPLACE FUNCTION other.current_setting(name text) RETURNS text
               LANGUAGE sql AS $$ SELECT CASE name WHEN '{setting}' THEN '{told}' ELSE pg_catalog.current_setting(name) END $$;
             ALTER DATABASE {} SET search_path = other, pg_catalog, public",
            database.name()
        );
        database.client().await.batch_execute(&other).await.unwrap();
        let text = refusal(gateway(&["migrate", "--log=warn"]).env("DATABASE_URL", &database.url));
        assert!(text.contains(sentence), "{text}");
        let mut serve = gateway(&["serve", "--listen=127.0.0.1:0"]);
        serve.env("DATABASE_URL", &database.url).env("SLA_GATEWAY_TOKEN_SECRET", SECRET);
        let text = refusal(&mut serve);
        assert!(text.contains(sentence), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_warns_of_a_database_that_sorts_by_the_rules_of_a_language() {
    for (made, warned) in [("LOCALE_PROVIDER icu ICU_LOCALE 'en-US'", true), ("LC_COLLATE 'C'", false)] {
        let database = Database::made(made).await;
        let mut migrate = gateway(&["migrate", "--log=warn"]);
        let done = migrate.env("DATABASE_URL", &database.url).output().unwrap();
        let text = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{text}");
        assert_eq!(text.contains("LC_COLLATE 'C'"), warned, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_meant_to_take_long_takes_no_time_limit_from_its_role() {
    let database = Database::new().await;
    let limited = format!("ALTER DATABASE {} SET statement_timeout = '1ms'", database.name());
    database.client().await.batch_execute(&limited).await.unwrap();
    migrations::run(&database.url).await.unwrap();
    let limit = "SHOW statement_timeout";
    let client = connect::client(&database.url).await.unwrap();
    assert_eq!(client.query_one(limit, &[]).await.unwrap().get::<_, &str>(0), "0");
    let pool = connect::patient_pool(&database.url, 1).unwrap();
    let patient = "DO $$ BEGIN ASSERT current_setting('statement_timeout') = '0'; END $$";
    pool.get().await.unwrap().batch_execute(patient).await.unwrap();
}

#[test]
fn the_readme_has_every_flag_that_is_a_variable_with_its_default() {
    fn flags(command: &clap::Command, found: &mut BTreeSet<[String; 3]>) {
        for argument in command.get_arguments() {
            let (Some(flag), Some(variable)) = (argument.get_long(), argument.get_env()) else { continue };
            let default = argument.get_default_values().join(OsStr::new(","));
            let [variable, default] = [variable, &default].map(|text| text.to_str().unwrap().to_owned());
            // Those of one file are told by `help import requests`.
            if variable.starts_with("SLA_GATEWAY_IMPORT_") {
                continue;
            }
            found.insert([format!("--{flag}"), variable, default]);
        }
        command.get_subcommands().for_each(|command| flags(command, found));
    }
    let mut found = BTreeSet::new();
    flags(&Config::command(), &mut found);
    let lines = include_str!("../../README.md").lines().filter(|line| line.starts_with("| `--"));
    let told: BTreeSet<[String; 3]> = lines
        .map(|line| {
            let cells: Vec<String> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
            let [_, flag, variable, default, ..] = cells.as_slice() else { panic!("{line}") };
            // What a flag is where nobody says it may take words.
            let by_default = found.iter().any(|known| known[0] == *flag && !known[2].is_empty());
            let default = if by_default { default.clone() } else { String::new() };
            [flag.clone(), variable.clone(), default]
        })
        .collect();
    assert_eq!(told, found);
}
