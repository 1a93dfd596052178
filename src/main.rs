//! The command line of the gateway.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sla_gateway::access::jwks::{self, Pace};
use sla_gateway::access::token::{ISSUER, Key, MAXIMUM_LIFETIME, MINIMUM_SECRET, Verifier};
use sla_gateway::config::{
    Command, Config, Import, ImportFormat, ImportRequests, Issuer, LogFormat, Private, Serve, Server, Store,
    Tenant, Token, TokenSecret,
};
use sla_gateway::graphql::document::Limits;
use sla_gateway::graphql::gateway::Gateway;
use sla_gateway::http::{HttpConfig, Person, Prefill, Prefilling};
use sla_gateway::import::mapping::Mapping;
use sla_gateway::postgres::{self, Postgres};
use sla_gateway::store::root::{self, Root};
use sla_gateway::store::{self, connect, migrations};
use sla_gateway::{breach, graphql, http, import, mail, sample, webhook};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A command ends well, or with one sentence for the person who called it.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// The people of the sample whom one can try the gateway as, and what they may do.
const PEOPLE: &[(&str, &str)] = &[
    ("operator@example.com", "everything, everywhere"),
    ("manager@wna.example.com", "everything in Widget North America"),
    ("manager@itrp.example.com", "everything in ITRP Institute"),
    ("reader@wna.example.com", "reads Widget North America"),
];

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::read();
    log(&config);
    let format = config.log_format;
    match execute(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            // Where the log goes, as that is written: what a program printed must not be mixed with why it failed.
            match format {
                LogFormat::Text => drop(writeln!(io::stderr(), "sla-gateway: {cause}")),
                LogFormat::Json => tracing::error!("{cause}"),
            }
            ExitCode::FAILURE
        }
    }
}

fn log(config: &Config) {
    let output = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let output = match config.log_format {
        LogFormat::Text => output.boxed(),
        LogFormat::Json => {
            // A panic is a line of the log as well.
            std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panicked")));
            output.json().flatten_event(true).boxed()
        }
    };
    registry().with(output.with_filter(config.log.clone())).init();
}

async fn execute(config: Config) -> Outcome {
    let data = config.data_dir.as_path();
    match &config.command {
        Command::Run(run) => self::run(data, &run.private, &run.server).await,
        Command::Serve(serve) => self::serve(data, serve).await,
        Command::Migrate(migrate) => {
            let check = migrate.check;
            with_store(data, &migrate.store, async |url| self::migrate(url, check).await).await
        }
        Command::Sample(sample) => {
            let scale = sample.scale;
            with_store(data, &sample.store, async |url| self::sample(url, scale).await).await
        }
        Command::Tenant(tenant) => {
            with_store(data, &tenant.store, async |url| self::tenant(url, tenant).await).await
        }
        Command::Import(Import::Requests(settings)) => {
            with_store(data, &settings.store, async |url| import_requests(url, settings).await).await
        }
        Command::Token(token) => self::token(data, token).await,
        Command::Schema => Ok(write!(io::stdout(), "{}", graphql::sdl())?),
    }
}

/// Everything on this machine.
async fn run(data: &Path, private: &Private, server: &Server) -> Outcome {
    let key = key(data, &server.key)?;
    let verifier = Verifier::new(Some(key.clone()), issuer(&server.issuer).await?);
    let listener = listen(server.listen).await?;
    let mut postgres = start(data, private).await?;
    let url = postgres.url("postgres");
    migrations::run(&url).await?;
    sample(&url, None).await?;

    let shutdown = shutdown_on_signals()?;
    welcome(listener.local_addr()?, &url, &prefill(&key)?)?;
    // Not where other machines can ask: a page is known to be of this one by nothing but the name that it asks for.
    let prefill = listener
        .local_addr()?
        .ip()
        .is_loopback()
        .then(|| -> Prefilling { Arc::new(move || prefill(&key).unwrap_or_default()) });
    let served = tokio::select! {
        served = gateway(listener, &url, verifier, (prefill, Duration::ZERO), server, shutdown) => served,
        cause = death(&mut postgres) => return Err(cause),
    };
    if let Err(failure) = served {
        // A gateway whose Postgres ends may notice before the watch on the process does; that is the reason to name.
        return Err(timeout(Duration::from_secs(2), death(&mut postgres)).await.unwrap_or(failure));
    }
    stop(postgres).await
}

/// A store in a Postgres of one's own.
async fn serve(data: &Path, serve: &Serve) -> Outcome {
    let Serve { database_url, drain_delay, server } = serve;
    let issuer = issuer(&server.issuer).await?;
    // Whoever has an identity provider does not want a secret that a file of this machine tells to be as good.
    let own = match (&issuer, &server.key.token_secret) {
        (Some(_), None) => None,
        _ => Some(key(data, &server.key)?),
    };
    if own.is_some() && server.key.token_secret.is_none() {
        tracing::warn!(
            directory = %data.display(),
            "no token secret is given: the gateway's own tokens are those signed with the key of the data directory, which \
             other replicas do not have; give all of them one with --token-secret"
        );
    }
    let verifier = Verifier::new(own, issuer);
    let url = database_url.expose();
    connect::keeps_sessions(url).await?;
    up_to_date(url).await?;
    let listener = listen(server.listen).await?;
    let drain_delay = Duration::from_secs(u64::from(*drain_delay));
    gateway(listener, url, verifier, (None, drain_delay), server, shutdown_on_signals()?).await
}

/// Serves a store that is up to date, until `shutdown`.
async fn gateway(
    listener: TcpListener,
    url: &str,
    verifier: Verifier,
    (prefill, drain_delay): (Option<Prefilling>, Duration),
    server: &Server,
    shutdown: CancellationToken,
) -> Outcome {
    // What the breach log keeps for itself does not count against it.
    let store = store::Store::new(connect::pool(url, usize::from(server.pool_size))?);
    store.synchronize().await.map_err(|failure| failure.message())?;
    let ending = CancellationToken::new();
    let breaches = breach::start_keeping(store.clone(), Some(server.log_months), ending.clone());
    let webhooks = webhook::Config {
        allow_private: server.webhook_allow_private,
        patience: Duration::from_secs(60 * 60 * u64::from(server.webhook_patience)),
        ..webhook::Config::default()
    };
    let webhooks = webhook::start(store.clone(), &breaches, webhooks, ending.clone());
    let mail = match (&server.smtp_url, &server.mail_from) {
        (Some(url), Some(from)) => Some(mail::Server::new(url.expose(), from)?),
        _ => None,
    };
    let mail = mail::Config { server: mail, ..mail::Config::default() };
    let mail = mail::start(store.clone(), &breaches, mail, ending.clone());
    let gateway = Gateway::start(store, breaches.clone(), verifier, Limits::default(), ending.clone())?;
    let config = HttpConfig {
        origins: server.origins.clone(),
        prefill,
        sockets: sockets(server),
        sockets_per_viewer: server.sockets_per_viewer,
        accept_rate: server.accept_rate,
        metrics: server.metrics,
        drain_delay,
        ..HttpConfig::default()
    };
    // Whoever asks first is told from where to follow as well; and if the log is slow to be read, they are served anyway.
    let _begun = timeout(Duration::from_secs(5), breaches.begun()).await;
    tracing::info!(address = %listener.local_addr()?, version = env!("CARGO_PKG_VERSION"), "serving");
    http::serve(listener, gateway, config, shutdown).await;
    // The log goes on until the last socket is drained.
    ending.cancel();
    breaches.drained().await;
    webhooks.wait().await;
    mail.wait().await;
    tracing::info!("stopped");
    Ok(())
}

/// How many files, as the system counts, are kept from sockets where it lets this process have so many: for the connections
/// of requests, twice as many as run at a time.
const REQUESTS: usize = 1024;

/// How many websockets and event streams are taken: as many as asked for, if the system lets this process have them. Each is
/// a file to it, and so is a connection to Postgres, which could not be made again where sockets take all.
fn sockets(server: &Server) -> usize {
    // Many systems begin with 1,024 and allow more to who asks.
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let most = files - (files / 2).min(REQUESTS + usize::from(server.pool_size));
    if server.sockets > most {
        tracing::warn!(
            asked = server.sockets,
            taken = most,
            files,
            "the system lets this process open too few files for so many websockets and event streams: raise its limit \
             (`ulimit -n`, `LimitNOFILE=`), or lower --sockets"
        );
    }
    server.sockets.min(most)
}

async fn migrate(url: &str, check: bool) -> Outcome {
    let mut out = io::stdout();
    if check {
        let missing = migrations::missing(url).await?;
        for name in &missing {
            writeln!(out, "missing: {name}")?;
        }
        return match missing.len() {
            0 => Ok(writeln!(out, "The schema is up to date.")?),
            count => Err(format!("{count} migrations are missing").into()),
        };
    }
    match migrations::run(url).await?.len() {
        0 => writeln!(out, "The schema was up to date.")?,
        count => writeln!(out, "The schema is up to date: {count} migrations ran.")?,
    }
    Ok(())
}

/// Fills a migrated store: with the worlds for exploring, or with a large one for measuring.
async fn sample(url: &str, scale: Option<f64>) -> Outcome {
    up_to_date(url).await?;
    let mut client = connect::client(url).await?;
    let bar = indicatif::ProgressBar::new(0);
    let style = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {elapsed}")?;
    bar.set_style(style);
    let progress = |what: &str, done: u64, all: u64| {
        bar.set_message(what.to_owned());
        bar.set_length(all);
        bar.set_position(done);
    };
    let summary = match scale {
        None => sample::load(&mut client, now(), &progress).await?,
        Some(n) => sample::scale(&mut client, n, now(), &progress).await?,
    };
    bar.finish_and_clear();
    if summary.loaded {
        let rows: u64 = summary.rows.iter().map(|(_, count)| count).sum();
        tracing::info!(rows, "sample data loaded");
    } else {
        tracing::info!("the sample data are there already");
    }
    Ok(())
}

/// Begins a tree of tenants.
async fn tenant(url: &str, tenant: &Tenant) -> Outcome {
    up_to_date(url).await?;
    let mut client = connect::client(url).await?;
    let Tenant { slug, name, time_zone, administrator, .. } = tenant;
    root::begin(&mut client, &Root { slug, name, time_zone: *time_zone, administrator }).await?;
    let mut out = io::stdout();
    writeln!(
        out,
        "{administrator} may do everything in {slug}; a token: sla-gateway token --person {administrator}"
    )?;
    Ok(())
}

/// How many bad rows are named one by one.
const NAMED: u64 = 100;

async fn import_requests(url: &str, settings: &ImportRequests) -> Outcome {
    up_to_date(url).await?;
    let store = store::Store::new(connect::patient_pool(url, 2)?);
    store.synchronize().await.map_err(|failure| failure.message())?;
    let bar = indicatif::ProgressBar::no_length();
    bar.set_style(indicatif::ProgressStyle::with_template("{wide_bar} {msg} {elapsed}")?);
    let input: Box<dyn BufRead + Send> = if settings.file == Path::new("-") {
        Box::new(BufReader::new(bar.wrap_read(io::stdin())))
    } else {
        let name = settings.file.display();
        let file = File::open(&settings.file).map_err(|cause| format!("cannot open {name} ({cause})"))?;
        bar.set_length(file.metadata()?.len());
        Box::new(BufReader::new(bar.wrap_read(file)))
    };
    let asked = import::Settings {
        tenant: settings.tenant.clone(),
        source: settings.source.clone(),
        sla: settings.sla.clone(),
        create_missing: settings.create_missing,
        format: settings.format.map(|format| match format {
            ImportFormat::Csv => import::Format::Csv,
            ImportFormat::Ndjson => import::Format::Ndjson,
        }),
        mapping: mapping(settings)?,
        dry_run: settings.dry_run,
    };
    let told = import::Told {
        progress: &mut |report| bar.set_message(format!("{} rows", report.rows)),
        bad: &mut {
            let bar = bar.clone();
            let mut named = 0;
            move |bad: &import::Bad| {
                named += 1;
                let text = match named {
                    ..=NAMED => format!("line {}: {}", bad.line, bad.why),
                    _ if named == NAMED + 1 => "further bad rows are only counted".to_owned(),
                    _ => return,
                };
                // With the log: the summary alone is what the command prints.
                let _nobody_reads = bar.suspend(|| writeln!(io::stderr(), "{text}"));
            }
        },
    };
    let imported = import::requests(&store, input, asked, told).await;
    bar.finish_and_clear();
    let import::Report { rows, bad, requests, events, span, made } = imported?;
    if settings.dry_run {
        let span = span.map(|(first, last)| format!(", which happened from {first} to {last}"));
        let span = span.unwrap_or_default();
        writeln!(
            io::stdout(),
            "{rows} rows read: {requests} requests, {events} events{span}. Nothing was written."
        )?;
    } else {
        writeln!(
            io::stdout(),
            "{rows} rows read: {requests} requests registered, {events} events recorded, {made} people and teams made."
        )?;
    }
    match bad {
        0 => Ok(()),
        count => {
            Err(format!("{count} of {rows} rows were skipped; mend them and import the file again").into())
        }
    }
}

fn mapping(settings: &ImportRequests) -> Outcome<Mapping> {
    let mut mapping = match &settings.mapping {
        None => Mapping::default(),
        Some(name) => match name.to_str().and_then(Mapping::known) {
            Some(known) => known?,
            None => {
                let text = fs::read_to_string(name)
                    .map_err(|cause| format!("cannot read the mapping {} ({cause})", name.display()))?;
                Mapping::read(&text)?
            }
        },
    };
    settings.columns.iter().try_for_each(|column| mapping.map(column))?;
    settings.values.iter().try_for_each(|value| mapping.value(value))?;
    mapping.times(settings.time_format.clone(), settings.time_zone)?;
    Ok(mapping)
}

/// Refuses a store whose schema is behind.
async fn up_to_date(url: &str) -> Outcome {
    match migrations::missing(url).await?.len() {
        0 => Ok(()),
        count => Err(format!(
            "the schema of the store is {count} migrations behind; bring it up to date with: sla-gateway migrate"
        )
        .into()),
    }
}

async fn token(data: &Path, token: &Token) -> Outcome {
    let Token { person, hours, key: secret, database_url } = token;
    let key = match &secret.token_secret {
        Some(_) => key(data, secret)?,
        None => Key::load(data).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => format!(
                "no gateway has run on {} yet, so there is no key to sign with; start one there, or name its \
                 directory with --data-dir or its secret with --token-secret",
                data.display()
            ),
            _ => format!("cannot read the key in {} ({cause})", data.display()),
        })?,
    };
    let token =
        key.issue(person, now(), TimeDelta::hours((*hours).into())).map_err(|cause| cause.message())?;
    let private = || Postgres::url_of_running(data, "postgres");
    let url = database_url.as_ref().map(|url| url.expose().to_owned()).or_else(private);
    // A token may be made where the store cannot be reached, and before its person is.
    if let Some(url) = url
        && let Ok(Ok(false)) = timeout(Duration::from_secs(3), root::is_known(&url, person)).await
    {
        let told = format!(
            "nobody in the store logs in as {person:?}: until somebody does, this token may do nothing"
        );
        writeln!(io::stderr(), "sla-gateway: {told}")?;
    }
    Ok(writeln!(io::stdout(), "{token}")?)
}

/// The people of the sample, each with a token for a day: what GraphiQL logs in with under `run`, and only there.
fn prefill(key: &Key) -> Outcome<Prefill> {
    let people = PEOPLE.iter().map(|(email, rights)| {
        let token = key.issue(email, now(), MAXIMUM_LIFETIME).map_err(|cause| cause.message())?;
        Ok(Person { name: format!("{email} ({rights})"), email: (*email).to_owned(), token })
    });
    let people = people.collect::<Outcome<Vec<_>>>()?;
    Ok(Prefill { token: people.first().map(|person| person.token.clone()), people })
}

/// What `run` says when the gateway is reached for the first time.
fn welcome(address: SocketAddr, url: &str, prefill: &Prefill) -> Outcome {
    let mut out = io::stdout().lock();
    // Not every browser opens an address that stands for all of this machine.
    let address = match address.ip().is_unspecified() {
        true => format!("localhost:{}", address.port()),
        false => address.to_string(),
    };
    writeln!(out, "\nThe gateway runs. Ctrl-C stops it.\n")?;
    writeln!(out, "  GraphiQL   http://{address}/graphiql/")?;
    writeln!(out, "  GraphQL    http://{address}/graphql")?;
    writeln!(out, "  Postgres   {url}\n")?;
    writeln!(out, "Tokens for a day, to be sent as \"Authorization: Bearer TOKEN\":\n")?;
    for person in &prefill.people {
        writeln!(out, "  {}\n  {}\n", person.name, person.token)?;
    }
    Ok(out.flush()?)
}

/// The store of `migrate`, `sample`, `tenant` and `import`: the one named, or the private one, which runs already or does
/// for as long as the work takes.
async fn with_store(data: &Path, store: &Store, work: impl AsyncFnOnce(&str) -> Outcome) -> Outcome {
    if let Some(url) = &store.database_url {
        return work(url.expose()).await;
    }
    let postgres = match start(data, &store.private).await {
        Ok(postgres) => postgres,
        Err(cause) => {
            let in_use = matches!(cause.downcast_ref(), Some(postgres::Error::InUse { .. }));
            // A gateway that runs shares its store with whoever may use its directory.
            let Some(url) = in_use.then(|| Postgres::url_of_running(data, "postgres")).flatten() else {
                return Err(cause);
            };
            return work(&url).await;
        }
    };
    let worked = work(&postgres.url("postgres")).await;
    stop(postgres).await?;
    worked
}

async fn start(data: &Path, private: &Private) -> Outcome<Postgres> {
    let data = data.to_owned();
    let binaries = private.postgres_bin.clone();
    Ok(spawn_blocking(move || Postgres::start(binaries.as_deref(), &data)).await??)
}

async fn stop(postgres: Postgres) -> Outcome {
    Ok(spawn_blocking(move || postgres.stop()).await??)
}

/// Waits for the private Postgres to end by itself.
async fn death(postgres: &mut Postgres) -> Box<dyn Error + Send + Sync> {
    loop {
        match postgres.is_running() {
            Ok(true) => sleep(Duration::from_millis(200)).await,
            Ok(false) => {
                return "the private Postgres has ended; its log is postgres.log in the data directory"
                    .into();
            }
            Err(cause) => return cause.into(),
        }
    }
}

fn key(data: &Path, secret: &TokenSecret) -> Outcome<Key> {
    match &secret.token_secret {
        Some(secret) => Key::from_secret(secret.expose())
            .ok_or_else(|| format!("the token secret must have at least {MINIMUM_SECRET} bytes").into()),
        None => Key::load_or_create(data).map_err(|cause| {
            let data = data.display();
            format!(
                "cannot use {data} ({cause}); make it writable, or choose another directory with --data-dir. `serve` needs none \
                 where a secret is given with --token-secret"
            )
            .into()
        }),
    }
}

/// The identity provider, if one is configured, with its keys.
async fn issuer(configured: &Issuer) -> Outcome<Option<Arc<jwks::Issuer>>> {
    let (Some(source), Some(name)) = (&configured.jwks, &configured.issuer) else { return Ok(None) };
    if name == ISSUER {
        return Err(format!(
            "{ISSUER} is what the gateway's own tokens name: the issuer must have another name"
        )
        .into());
    }
    Ok(Some(jwks::Issuer::load(source.clone(), name, &configured.audience, Pace::default()).await?))
}

async fn listen(address: SocketAddr) -> Outcome<TcpListener> {
    TcpListener::bind(address).await.map_err(|cause| {
        format!("cannot listen on {address} ({cause}); choose another address with --listen").into()
    })
}

/// Cancelled by the first SIGINT or SIGTERM; the second ends the process at once.
fn shutdown_on_signals() -> Outcome<CancellationToken> {
    let shutdown = CancellationToken::new();
    let cancelled = shutdown.clone();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if cancelled.is_cancelled() {
                std::process::exit(1);
            }
            tracing::info!("stopping; once more to stop at once");
            cancelled.cancel();
        }
    });
    Ok(shutdown)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the life of a token is counted from when its person asked for it"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}
