//! Flags and environment, made into one typed [`Config`]. Nothing else in the gateway reads the environment.
//!
//! Every flag of more than one command is also an environment variable; a flag wins. The doc comments are the text of `--help`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use chrono_tz::Tz;
use clap::builder::BoolishValueParser;
use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::access::jwks::Source;

/// Five dialects of service level agreements in one GraphQL schema over one Postgres store.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Config {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Directory of the gateway's own files: the private Postgres and the key of its tokens.
    #[arg(long, global = true, env = "SLA_GATEWAY_DATA_DIR", default_value = ".data", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// What to log, on standard error: a level (error, warn, info, debug, trace), or levels of modules like
    /// `info,sla_gateway::store=debug`.
    #[arg(long, global = true, env = "SLA_GATEWAY_LOG", default_value = "info", value_name = "FILTER", value_parser = levels)]
    pub log: Targets,

    /// How to log: for people, or one JSON object per line.
    #[arg(long, global = true, env = "SLA_GATEWAY_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

const EXAMPLES: &str = "\
Examples:
  sla-gateway run                                  try it: everything included, with sample data
  sla-gateway token --person reader@wna.example.com
  DATABASE_URL=postgres://… sla-gateway migrate    use a Postgres of your own
  DATABASE_URL=postgres://… sla-gateway tenant --slug acme --name Acme --administrator you@acme.example
  DATABASE_URL=postgres://… sla-gateway serve
  sla-gateway help serve                           all about one command";

impl Config {
    /// What this process was called with. A variable that is empty is none: so templates write those that are not wanted.
    #[must_use]
    pub fn read() -> Self {
        let matches = without_empty(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// What to log. A word that is no level would be the name of a module, and nothing else would be logged.
fn levels(text: &str) -> Result<Targets, String> {
    let words = text.split(',').map(str::trim).filter(|word| !word.contains('='));
    for word in words {
        word.parse::<LevelFilter>().map_err(|_| {
            format!("{word:?} is no level: say error, warn, info, debug or trace, or MODULE=LEVEL")
        })?;
    }
    let levels: Targets = text.parse().map_err(|cause| format!("{cause}"))?;
    // The most detailed level of the websockets' library tells whole messages, and so the tokens in them.
    Ok(match levels.default_level() {
        Some(LevelFilter::TRACE) => {
            levels.with_targets(["tungstenite", "tokio_tungstenite"].map(|name| (name, LevelFilter::DEBUG)))
        }
        _ => levels,
    })
}

#[expect(clippy::disallowed_methods, reason = "only an environment can tell what is empty in it")]
fn without_empty(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    command.mut_args(|arg| if is_empty(&arg) { arg.env(None) } else { arg }).mut_subcommands(without_empty)
}

/// The commands of the gateway.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts everything on this machine: a private Postgres, the sample data, the gateway.
    ///
    /// The Postgres lives in the data directory and listens on a unix socket only; no other Postgres of the machine is
    /// touched. The first start creates and fills it, later ones keep the data. Ctrl-C stops both.
    Run(Run),

    /// Serves the store in a Postgres of your own, whose schema must be up to date (`migrate`).
    Serve(Serve),

    /// Brings the schema of the store up to date.
    Migrate(Migrate),

    /// Fills the store with sample data.
    Sample(Sample),

    /// Begins a tenant of its own on an empty or filled store, with an administrator who may do everything in it.
    ///
    /// Everything further, tenants below it and people with fewer rights, is made through GraphQL.
    Tenant(Tenant),

    /// Takes in what other systems have logged.
    #[command(subcommand)]
    Import(Import),

    /// Prints a bearer token for a person, and nothing else.
    ///
    /// The gateway accepts it if it has the same secret: the one of the data directory, or the one given. Where the store can
    /// be asked, and nobody in it logs in so, that is said on standard error.
    Token(Token),

    /// Prints the GraphQL schema.
    Schema,
}

/// Settings of `run`.
#[derive(Args, Debug)]
pub struct Run {
    /// The binaries of the private Postgres.
    #[command(flatten)]
    pub private: Private,

    /// The gateway.
    #[command(flatten)]
    pub server: Server,
}

/// Settings of `serve`.
#[derive(Args, Debug)]
pub struct Serve {
    /// The Postgres that holds the store: postgres://USER:PASSWORD@HOST:PORT/DATABASE.
    ///
    /// `?sslmode=` may be disable, prefer (default), require, verify-ca or verify-full; `&sslrootcert=FILE` names the
    /// certificates to check the server with, which are otherwise those of the system.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Secret,

    /// How many seconds requests and sockets are still taken after SIGTERM, while /readyz says that no more should come:
    /// as long as a balancer may take to notice.
    #[arg(long, env = "SLA_GATEWAY_DRAIN_DELAY", default_value_t = 5, value_name = "SECONDS")]
    pub drain_delay: u16,

    /// The gateway.
    #[command(flatten)]
    pub server: Server,
}

/// Settings of `migrate`.
#[derive(Args, Debug)]
pub struct Migrate {
    /// The store.
    #[command(flatten)]
    pub store: Store,

    /// Only say which migrations are missing; fails if there are any.
    #[arg(long)]
    pub check: bool,
}

/// Settings of `sample`.
#[derive(Args, Debug)]
pub struct Sample {
    /// The store.
    #[command(flatten)]
    pub store: Store,

    /// Generate a large store for measuring instead of the one for exploring: at 1, 200 tenants, 50 000 SLAs and
    /// 1 000 000 affected SLAs. The same number gives the same store.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub scale: Option<f64>,
}

/// Settings of `tenant`.
#[derive(Args, Debug)]
pub struct Tenant {
    /// The store.
    #[command(flatten)]
    pub store: Store,

    /// Its name in addresses: small letters, digits and hyphens.
    #[arg(long, value_name = "SLUG")]
    pub slug: String,

    /// Its name.
    #[arg(long, value_name = "NAME")]
    pub name: String,

    /// The IANA zone that its days, weeks and months are in.
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    pub time_zone: chrono_tz::Tz,

    /// The e-mail address that its administrator logs in with: the subject of their tokens.
    #[arg(long, value_name = "EMAIL")]
    pub administrator: String,
}

/// What can be imported.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Takes in the history of requests from a CSV or NDJSON file, one row for each thing that happened, and runs their
    /// clocks.
    ///
    /// Rows may come in any order. What was taken in before is no news, so a file can be imported again, also after it
    /// has grown. Bad rows are named by line number and skipped; the command then fails in the end.
    Requests(ImportRequests),
}

/// Settings of `import requests`.
#[derive(Args, Debug)]
pub struct ImportRequests {
    /// The file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The tenant that gets the requests: its slug or its id.
    #[arg(long, env = "SLA_GATEWAY_IMPORT_TENANT", value_name = "TENANT")]
    pub tenant: String,

    /// An SLA that applies to every request, besides those that cover it: its name, its id or its source's id.
    #[arg(long, env = "SLA_GATEWAY_IMPORT_SLA", value_name = "SLA")]
    pub sla: Option<String>,

    /// The system that the file comes from: with the ids in the file it makes requests unique.
    #[arg(long, env = "SLA_GATEWAY_IMPORT_SOURCE", default_value = "import", value_name = "NAME")]
    pub source: String,

    /// What the columns, words and times of the file mean: a JSON file, or `servicenow` for the update log of its
    /// incidents. Without it, columns are called as the fields.
    #[arg(long, env = "SLA_GATEWAY_IMPORT_MAPPING", value_name = "MAPPING")]
    pub mapping: Option<PathBuf>,

    /// The column of a field. May be given several times, or with commas.
    #[arg(long = "map", env = "SLA_GATEWAY_IMPORT_MAP", value_name = "FIELD=COLUMN", value_delimiter = ',')]
    pub columns: Vec<String>,

    /// What a text in the column of a field stands for, like `status:New=ASSIGNED`. May be given several times, or with
    /// commas.
    #[arg(
        long = "value",
        env = "SLA_GATEWAY_IMPORT_VALUES",
        value_name = "FIELD:TEXT=VALUE",
        value_delimiter = ','
    )]
    pub values: Vec<String>,

    /// How instants are written, in the letters of strftime, like `%d/%m/%Y %H:%M`; else as RFC 3339 has it.
    #[arg(long, env = "SLA_GATEWAY_IMPORT_TIME_FORMAT", value_name = "FORMAT")]
    pub time_format: Option<String>,

    /// The zone of instants that name none, like Europe/Lisbon; else that of the tenant.
    #[arg(long, env = "SLA_GATEWAY_IMPORT_TIME_ZONE", value_name = "ZONE")]
    pub time_zone: Option<Tz>,

    /// Make the people and teams that the file names and the tenant does not know.
    #[arg(long, env = "SLA_GATEWAY_IMPORT_CREATE_MISSING", value_parser = BoolishValueParser::new())]
    pub create_missing: bool,

    /// How the file is written; else it is seen by how it begins.
    #[arg(long, env = "SLA_GATEWAY_IMPORT_FORMAT")]
    pub format: Option<ImportFormat>,

    /// Write nothing, only tell how the file is understood: what was taken in in a wrong zone is not taken back.
    #[arg(long, env = "SLA_GATEWAY_IMPORT_DRY_RUN", value_parser = BoolishValueParser::new())]
    pub dry_run: bool,

    /// The store.
    #[command(flatten)]
    pub store: Store,
}

/// How a file to be imported is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ImportFormat {
    /// A table with the names of its columns in the first line.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

/// Settings of `token`.
#[derive(Args, Debug)]
pub struct Token {
    /// The e-mail address the person logs in with.
    #[arg(long, value_name = "EMAIL")]
    pub person: String,

    /// How long the token is valid.
    #[arg(long, default_value_t = 24, value_name = "HOURS", value_parser = clap::value_parser!(u8).range(1..=24))]
    pub hours: u8,

    /// The signing secret.
    #[command(flatten)]
    pub key: TokenSecret,

    /// The store to look the person up in, as for `serve`; without it, the private one of the data directory while a
    /// gateway runs on it. A store that does not answer is no hindrance.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<Secret>,
}

/// The store that `migrate`, `sample`, `tenant` and `import` work on.
#[derive(Args, Debug)]
pub struct Store {
    /// The Postgres to work on, as for `serve`; without it, the private one of the data directory, whether a gateway
    /// runs on it or not.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<Secret>,

    /// The binaries of the private Postgres.
    #[command(flatten)]
    pub private: Private,
}

/// The private Postgres.
#[derive(Args, Debug)]
pub struct Private {
    /// Directory of the programs `postgres` and `initdb`, where they are not found by themselves.
    #[arg(long, env = "SLA_GATEWAY_POSTGRES_BIN", value_name = "DIR")]
    pub postgres_bin: Option<PathBuf>,
}

/// Settings of the gateway itself.
#[derive(Args, Debug)]
pub struct Server {
    /// Address and port to listen on; port 0 takes any free one.
    #[arg(long, env = "SLA_GATEWAY_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS",
          value_parser = address)]
    pub listen: SocketAddr,

    /// The most connections to Postgres that operations may hold at a time.
    #[arg(long, env = "SLA_GATEWAY_POOL_SIZE", default_value_t = 10, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub pool_size: u16,

    /// Origin of a web page on another host that may use the gateway, like `https://board.example.com`; `*` allows
    /// every page. May be given several times, or with commas.
    #[arg(long = "origin", env = "SLA_GATEWAY_ORIGINS", value_name = "ORIGIN", value_delimiter = ',',
          value_parser = origin)]
    pub origins: Vec<String>,

    /// The most websockets and event streams open at once.
    #[arg(long, env = "SLA_GATEWAY_SOCKETS", default_value_t = 10_000, value_name = "N")]
    pub sockets: usize,

    /// The most of them for one person or service token.
    #[arg(long, env = "SLA_GATEWAY_SOCKETS_PER_VIEWER", default_value_t = 50, value_name = "N")]
    pub sockets_per_viewer: usize,

    /// The most of them that may come within a second.
    #[arg(long, env = "SLA_GATEWAY_ACCEPT_RATE", default_value_t = 200, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub accept_rate: u32,

    /// For how many months a subscriber can resume: older positions of the breach log are forgotten, records are not.
    #[arg(long, env = "SLA_GATEWAY_LOG_MONTHS", default_value_t = 13, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1200))]
    pub log_months: u32,

    /// Tells figures of this process under /metrics, to whoever asks.
    #[arg(long, env = "SLA_GATEWAY_METRICS", value_parser = BoolishValueParser::new())]
    pub metrics: bool,

    /// Lets webhooks be sent to addresses of private networks and of this machine, and unencrypted. Only where all who may
    /// make webhooks are trusted with the network of the gateway.
    #[arg(long, env = "SLA_GATEWAY_WEBHOOK_ALLOW_PRIVATE", value_parser = BoolishValueParser::new())]
    pub webhook_allow_private: bool,

    /// How many hours a webhook may fail before it is given up.
    #[arg(long, env = "SLA_GATEWAY_WEBHOOK_PATIENCE", default_value_t = 72, value_name = "HOURS",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub webhook_patience: u16,

    /// The mail server that contacts of limits are told by: smtps://USER:PASSWORD@HOST, or smtp://HOST with
    /// `?tls=required` where it offers encryption. Without it, messages are kept as not sent. The same for every replica.
    #[arg(
        long,
        env = "SLA_GATEWAY_SMTP_URL",
        value_name = "URL",
        hide_env_values = true,
        requires = "mail_from"
    )]
    pub smtp_url: Option<Secret>,

    /// Who e-mail is from, like "SLA gateway <sla@example.com>".
    #[arg(long, env = "SLA_GATEWAY_MAIL_FROM", value_name = "SENDER")]
    pub mail_from: Option<String>,

    /// The secret that tokens are verified with.
    #[command(flatten)]
    pub key: TokenSecret,

    /// Whose tokens are accepted besides.
    #[command(flatten)]
    pub issuer: Issuer,
}

/// An identity provider.
#[derive(Args, Debug)]
pub struct Issuer {
    /// The public keys of an identity provider whose tokens (RS256, ES256 or EdDSA) are accepted: the file or address of
    /// a JWK set. It is read again every five minutes, and when a token names a key that it did not have.
    ///
    /// The subject (`sub`) of a token is the login of a person; their rights are those that roles give them here. `serve`
    /// then accepts tokens of the gateway's own only if --token-secret is given.
    #[arg(
        long,
        env = "SLA_GATEWAY_JWKS",
        value_name = "FILE|URL",
        requires = "issuer",
        requires = "audience"
    )]
    pub jwks: Option<Source>,

    /// What its tokens must have as `iss`.
    #[arg(long, env = "SLA_GATEWAY_ISSUER", value_name = "ISSUER", requires = "jwks")]
    pub issuer: Option<String>,

    /// What its tokens must have in `aud`, one of several with commas.
    #[arg(
        long,
        env = "SLA_GATEWAY_AUDIENCE",
        value_name = "AUDIENCE",
        value_delimiter = ',',
        requires = "jwks"
    )]
    pub audience: Vec<String>,
}

/// The secret of the gateway's own tokens.
#[derive(Args, Debug)]
pub struct TokenSecret {
    /// The secret that tokens are signed with, at least 32 bytes; without it, the one of the data directory, which
    /// `run` and `serve` make when they first need it; `serve` warns of it, since other replicas do not have it.
    #[arg(long, env = "SLA_GATEWAY_TOKEN_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub token_secret: Option<Secret>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// A text that is never printed: its `Debug` shows nothing.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one who needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(secret)")
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_told| {
        "name an IP address and a port: 127.0.0.1:8080, or 0.0.0.0:8080 or [::]:8080 for all of this machine".to_owned()
    })
}

/// An origin as browsers send it: anything else would never be the same.
fn origin(text: &str) -> Result<String, String> {
    let text = text.trim();
    let origin = text.strip_suffix('/').unwrap_or(text);
    let named = origin.split_once("://").is_some_and(|(scheme, host)| {
        let other = |c: char| c.is_whitespace() || "/?#@".contains(c);
        !scheme.is_empty() && !host.is_empty() && !host.contains(other)
    });
    if origin == "*" || named {
        Ok(origin.to_ascii_lowercase())
    } else {
        Err("name a scheme and a host, and a port where it is not the usual one: https://board.example.com; or `*`".into())
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && number <= 100.0 => Ok(number),
        _ => Err("it must be a number above 0, at most 100".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn parse(line: &str) -> Result<Config, clap::Error> {
        Config::try_parse_from(std::iter::once("sla-gateway").chain(line.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn every_flag_is_also_an_environment_variable_but_those_of_one_call() {
        fn without(command: &clap::Command, found: &mut Vec<String>) {
            for argument in command.get_arguments().filter(|argument| argument.get_env().is_none()) {
                found.push(format!("{} {}", command.get_name(), argument.get_id()));
            }
            command.get_subcommands().for_each(|command| without(command, found));
        }
        let mut found = Vec::new();
        without(&Config::command(), &mut found);
        let expected = [
            "migrate check",
            "sample scale",
            "tenant slug",
            "tenant name",
            "tenant time_zone",
            "tenant administrator",
            "requests file",
            "token person",
            "token hours",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn origins_are_as_browsers_send_them() {
        let parse =
            |origins: &str| Config::try_parse_from(["sla-gateway", "run", &format!("--origin={origins}")]);
        let command = parse("https://a.example, https://B.example:8443/,*").unwrap().command;
        let Command::Run(run) = command else { unreachable!("it is `run`") };
        assert_eq!(run.server.origins, ["https://a.example", "https://b.example:8443", "*"]);
        for wrong in ["board.example.com", "https://a.example/board", "https://", "https://a b.example", ""] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_logged_is_named_by_levels() {
        let enabled = |line: &str, target: &str, level| parse(line).unwrap().log.would_enable(target, &level);
        assert!(enabled("run --log warn,sla_gateway::store=debug", "sla_gateway::store", Level::DEBUG));
        assert!(!enabled("run --log warn", "sla_gateway", Level::INFO));
        assert!(enabled("run --log trace", "hyper", Level::TRACE));
        assert!(!enabled("run --log trace", "tungstenite::protocol", Level::TRACE));
        for wrong in ["warning", "loud", "info,sla_gateway", "sla_gateway=loud"] {
            assert!(parse(&format!("run --log {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = "0123456789abcdef0123456789abcdef";
        let config =
            parse(&format!("serve --database-url postgres://u:hidden@h/d --token-secret {secret}")).unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("hidden") && !shown.contains(secret), "{shown}");
    }
}
