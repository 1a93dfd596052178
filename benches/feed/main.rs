//! What it costs to push breaches, and how soon they arrive: the real program, a thousand sockets, a hundred breaches a
//! second. `cargo bench --bench feed`; `-- --quick` for a look at whether it runs.
//!
//! Latency is from the commit of a record (`detectedAt`, by Postgres' clock) to its reading by a client of the same
//! machine. CPU is that of the gateway's process alone, as the kernel accounts for it. The clients run in this process;
//! what they use of the machine is told, so that one sees whether it was they who were slow.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "figures are for whoever asked for them, and the measuring side has no other clock: Postgres is on this machine"
)]

mod client;
#[path = "../gateway/cpu.rs"]
mod cpu;
mod stage;

use std::error::Error;
use std::time::Duration;

use clap::Parser;
use tokio::time::{Instant, sleep};

use client::Crowd;
use stage::Stage;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// What is measured.
#[derive(Parser)]
struct Options {
    /// Sockets, each with one subscription.
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// Different documents by which they ask, where it is not the same for all: each is executed once for each breach.
    #[arg(long, default_value_t = 50)]
    documents: usize,
    /// Breaches a second.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// For how long, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Deadlines in the future while nothing is due.
    #[arg(long, default_value_t = 1_000_000)]
    deadlines: i32,
    /// Small figures, to see that it runs.
    #[arg(long)]
    quick: bool,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Outcome {
    let mut options = Options::parse();
    if options.quick {
        options =
            Options { subscribers: 50, documents: 5, rate: 20, seconds: 3, deadlines: 10_000, ..options };
    }
    println!(
        "| {} subscribers, {} breaches a second | commit to client: p50 | p99 | max | messages | CPU of the gateway per message | CPU of the gateway | CPU of the clients |",
        options.subscribers, options.rate
    );
    println!("|---|---|---|---|---|---|---|---|");
    for documents in [1, options.documents] {
        pushed(&options, documents).await?;
    }
    idle(&options).await
}

async fn pushed(options: &Options, documents: usize) -> Outcome {
    let stage = Stage::open().await?;
    let crowd = Crowd::subscribe(&stage, options.subscribers, documents).await?;
    let count = options.rate * options.seconds;
    stage
        .due(
            i32::try_from(count)?,
            &format!(
                "clock_timestamp() + interval '3 seconds' + random() * interval '{} seconds'",
                options.seconds
            ),
        )
        .await?;
    sleep(Duration::from_secs(2)).await;
    let (server, own, begun) = (cpu::of(stage.gateway())?, cpu::of(std::process::id())?, Instant::now());
    let latencies =
        crowd.wait_for(count as usize, Duration::from_secs(u64::from(options.seconds) + 60)).await?;
    let took = begun.elapsed().as_secs_f64();
    let (server, own) = (cpu::of(stage.gateway())? - server, cpu::of(std::process::id())? - own);
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    println!(
        "| by {documents} different documents | {:.1} ms | {:.1} ms | {:.1} ms | {} | {:.1} µs | {:.0} % | {:.0} % |",
        at(0.5),
        at(0.99),
        at(1.0),
        latencies.len(),
        server * 1e6 / latencies.len() as f64,
        server / took * 100.0,
        own / took * 100.0,
    );
    Ok(())
}

async fn idle(options: &Options) -> Outcome {
    let stage = Stage::open().await?;
    for _ in 0..10 {
        stage.due(options.deadlines / 10, "now() + interval '1 day' + random() * interval '30 days'").await?;
    }
    stage.analyze().await?;
    let long = if options.quick { 5 } else { 60 };
    // It reads all the while: who is silent is let go.
    let subscriber = Crowd::subscribe(&stage, 1, 1).await?;
    let subscriber = tokio::spawn(subscriber.wait_for(1, Duration::from_secs(long + 60)));
    sleep(Duration::from_secs(3)).await;
    let (server, postgres, statements) =
        (cpu::of(stage.gateway())?, stage.postgres().await?.used()?, stage.statements().await?);
    sleep(Duration::from_secs(long)).await;
    let server = cpu::of(stage.gateway())? - server;
    let postgres = stage.postgres().await?.used()? - postgres;
    let statements = stage.statements().await? - statements;
    stage.due(1, "clock_timestamp() + interval '2500 milliseconds'").await?;
    let latency = subscriber.await??[0];
    let late = stage.late().await?;
    println!("\n| {} deadlines, none due | |\n|---|---|", options.deadlines);
    println!("| CPU of the gateway | {:.2} % |", server / long as f64 * 100.0);
    println!("| CPU of Postgres | {:.2} % |", postgres / long as f64 * 100.0);
    println!("| transactions a minute | {} |", statements * 60 / long as i64);
    println!("| the next one: due to recorded | {late:.1} ms |");
    println!("| the next one: recorded to client | {latency:.1} ms |");
    Ok(())
}
