//! What an answer of the gateway costs, held against the least that the same answer can cost: **L1**, a bare handler
//! that sends one hand-written statement and passes on the JSON that Postgres builds.
//!
//! Both serve the same store, in processes of their own, with every check of the gateway on. They are measured in
//! turns of a few seconds; machines are noisy, so only ratios inside one round are compared, and their median is told.

mod cpu;
mod l1;
mod load;
mod queries;
mod servers;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use load::{Measured, Target};
use queries::{Query, Requests};
use servers::{Gateway, HandWritten};
use sla_gateway::postgres::Postgres;

/// The allocator of the gateway, so that L1 has no worse one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The longest turn.
const LONGEST: Duration = Duration::from_secs(60);

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Measures the gateway against hand-written SQL.
#[derive(Debug, Parser)]
struct Args {
    /// Size of the store, as `sla-gateway sample --scale` has it.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// How often each is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// How long each is measured in a round.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    seconds: f64,
    /// Connections that ask, one request at a time each.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: u16,
    /// Only these queries.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Directory of the store; kept between runs.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Serves hand-written SQL over this database instead of measuring.
    #[arg(long, hide = true, value_name = "URL")]
    l1: Option<String>,
    /// What `cargo bench` passes.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Outcome {
    let args = Args::parse();
    if let Some(url) = &args.l1 {
        return tokio::runtime::Runtime::new()?.block_on(l1::serve(url));
    }
    // One thread: the load must leave the machine to those who are measured.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(&args))
}

async fn measure(args: &Args) -> Outcome {
    let directory = args.data_dir.clone().unwrap_or_else(|| match args.scale {
        1.0 => PathBuf::from(".data/bench"),
        scale => PathBuf::from(format!(".data/bench-{scale}")),
    });
    let postgres = Postgres::start(None, &directory)?;
    let outcome = compare(args, &directory, &postgres.url("postgres")).await;
    postgres.stop()?;
    outcome
}

/// What was measured of one query.
struct Row {
    query: &'static Query,
    statements: u64,
    gateway: Vec<Measured>,
    hand_written: Vec<Measured>,
}

async fn compare(args: &Args, directory: &std::path::Path, url: &str) -> Outcome {
    servers::fill(url, args.scale)?;
    let gateway = Gateway::start(directory, url).await?;
    let hand_written = HandWritten::start(url)?;
    let client = sla_gateway::store::connect::client(url).await?;
    let backend: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    let cluster = cpu::Cluster::of(backend.unsigned_abs())?;
    say(&format!("store: scale {}, {}", args.scale, directory.display()))?;

    let mut rows = Vec::new();
    for query in queries::ALL {
        if !args.only.is_empty() && !args.only.iter().any(|only| only.eq_ignore_ascii_case(query.name)) {
            continue;
        }
        let requests = Requests::prepare(query, url, &gateway).await?;
        let statements = load::compare(query, &requests, &gateway, &hand_written).await?;
        say(&format!("{}: {} different requests answered equally", query.name, requests.len()))?;
        rows.push((Row { query, statements, gateway: Vec::new(), hand_written: Vec::new() }, requests));
    }
    let slot = Duration::try_from_secs_f64(args.seconds)?.min(LONGEST);
    let connections = usize::from(args.connections);
    // The first round warms up connections, plans and caches; it is not told.
    for round in 0..=args.rounds {
        for (row, requests) in &mut rows {
            let ours = async |row: &mut Row| {
                let target =
                    Target { address: gateway.address, process: gateway.process(), cluster: &cluster };
                let measured = target.measure(&requests.gateway, connections, slot).await?;
                row.gateway.push(measured);
                Outcome::Ok(())
            };
            let theirs = async |row: &mut Row| {
                let (address, process) = (hand_written.address, hand_written.process());
                let target = Target { address, process, cluster: &cluster };
                let measured = target.measure(&requests.hand_written, connections, slot).await?;
                row.hand_written.push(measured);
                Outcome::Ok(())
            };
            // Whoever comes first in one round comes last in the next.
            if round % 2 == 0 {
                ours(row).await?;
                theirs(row).await?;
            } else {
                theirs(row).await?;
                ours(row).await?;
            }
            if round == 0 {
                row.gateway.clear();
                row.hand_written.clear();
            }
        }
        say(&match round {
            0 => "warm".to_owned(),
            round => format!("round {round} of {}", args.rounds),
        })?;
    }
    let rows: Vec<Row> = rows.into_iter().map(|(row, _)| row).collect();
    table(args, &rows)
}

fn say(text: &str) -> Outcome {
    Ok(writeln!(io::stderr(), "{text}")?)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
    }
}

fn table(args: &Args, rows: &[Row]) -> Outcome {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\nCPU per request in microseconds, {} connections, medians of {} rounds of {} s; \
         ratios are taken inside each round.\n",
        args.connections, args.rounds, args.seconds
    )?;
    writeln!(
        out,
        "| | | server CPU | Postgres CPU | total | × L1 | bar | statements | requests/s | p50 ms | p99 ms | client CPU |"
    )?;
    writeln!(out, "|---|---|--:|--:|--:|--:|---|--:|--:|--:|--:|--:|")?;
    for row in rows {
        let ratio = median(row.gateway.iter().zip(&row.hand_written).map(|(a, b)| a.total() / b.total()));
        let verdict = if ratio <= row.query.bar { "met" } else { "missed" };
        let sides = [("gateway", &row.gateway), ("L1", &row.hand_written)];
        for (side, measured) in sides {
            let of = |value: fn(&Measured) -> f64| median(measured.iter().map(value));
            let (ratio, bar, statements) = match side {
                "gateway" => (
                    format!("**{ratio:.2}**"),
                    format!("≤ {} {verdict}", row.query.bar),
                    row.statements.to_string(),
                ),
                _ => ("1".to_owned(), String::new(), "1".to_owned()),
            };
            writeln!(
                out,
                "| {} | {side} | {:.0} | {:.0} | {:.0} | {ratio} | {bar} | {statements} | {:.0} | {:.1} | {:.1} | {:.0} % |",
                row.query.name,
                of(|m| m.server),
                of(|m| m.postgres),
                of(Measured::total),
                of(|m| m.per_second),
                of(|m| m.p50),
                of(|m| m.p99),
                of(|m| m.client * 100.0),
            )?;
        }
    }
    writeln!(out)?;
    for row in rows {
        writeln!(out, "{}: {}.", row.query.name, row.query.what)?;
    }
    Ok(())
}
