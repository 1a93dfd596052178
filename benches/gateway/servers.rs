//! The two who are measured, each a process of its own over the same database.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::Outcome;

/// The gateway as it is shipped.
const BINARY: &str = env!("CARGO_BIN_EXE_sla-gateway");

/// Whom the gateway answers: the one person whom the large store knows.
const PERSON: &str = "operator@example.com";

/// Connections to Postgres of either.
pub(crate) const POOL: u16 = 10;

/// Brings the schema up to date and loads the large store, if it is not there.
pub(crate) fn fill(url: &str, scale: f64) -> Outcome {
    run(Command::new(BINARY).arg("migrate").env("DATABASE_URL", url))?;
    run(Command::new(BINARY).args(["sample", "--scale", &scale.to_string()]).env("DATABASE_URL", url))
}

fn run(command: &mut Command) -> Outcome {
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}").into()) }
}

/// A child that ends with us.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// The gateway, and a token that it accepts.
pub(crate) struct Gateway {
    server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Gateway {
    pub(crate) async fn start(directory: &Path, url: &str) -> Outcome<Self> {
        // Free now, and most likely still in a moment.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(BINARY);
        command.args(["serve", "--log", "warn", "--listen", &address.to_string()]);
        command.args(["--pool-size", &POOL.to_string()]);
        let server = Server(command.arg("--data-dir").arg(directory).env("DATABASE_URL", url).spawn()?);
        for _ in 0..200 {
            if TcpStream::connect(address).await.is_ok() {
                let mut command = Command::new(BINARY);
                let token =
                    command.args(["token", "--person", PERSON, "--data-dir"]).arg(directory).output()?;
                let token = String::from_utf8(token.stdout)?.trim().to_owned();
                return Ok(Self { server, address, token });
            }
            sleep(Duration::from_millis(100)).await;
        }
        Err("the gateway does not listen".into())
    }

    pub(crate) fn process(&self) -> u32 {
        self.server.0.id()
    }
}

/// This program again, serving hand-written SQL.
pub(crate) struct HandWritten {
    server: Server,
    pub(crate) address: SocketAddr,
}

impl HandWritten {
    pub(crate) fn start(url: &str) -> Outcome<Self> {
        let mut child =
            Command::new(std::env::current_exe()?).args(["--l1", url]).stdout(Stdio::piped()).spawn()?;
        let told = child.stdout.take().ok_or("the output of L1 is closed")?;
        let server = Server(child);
        let mut address = String::new();
        BufReader::new(told).read_line(&mut address)?;
        Ok(Self { server, address: address.trim().parse().map_err(|_| "L1 did not start")? })
    }

    pub(crate) fn process(&self) -> u32 {
        self.server.0.id()
    }
}
