//! E-mail: the contact of a limit is told once for each period in which it is reached (rule L2).
//!
//! The message waits in a table that is written with the record of the breach, so a crash loses neither. It is sent by
//! one replica at a time. What remains is the ambiguity of SMTP: of a gateway that dies between the mail server's answer
//! and its own note of that, nobody can tell whether the message went out, and it is sent again, under the same
//! `Message-ID`, by which mail programs know it.

use std::str::FromStr;
use std::time::Duration;

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::select;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::breach::{Breaches, jittered};
use crate::error::Error;
use crate::metrics::Mailed;
use crate::store::Store;
use crate::store::limit_notification::{self, Letter};
use crate::store::word::TimePeriod;

/// How long a replica has a message's turn: longer than sending it may take.
const LEASE: Duration = Duration::from_secs(120);

/// How long sending one message may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often is looked when nothing is recorded.
const IDLE: Duration = Duration::from_secs(5);

/// The longest rest after a failure.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// How long a message is tried, from its first attempt on.
const GIVE_UP: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// How e-mail is sent.
pub struct Config {
    /// By which server; without one, messages are kept as not sent after `rest`, unless another replica tries them.
    pub server: Option<Server>,
    /// The rest after the first failure; it doubles with each.
    pub rest: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { server: None, rest: Duration::from_secs(30) }
    }
}

/// A mail server, and in whose name messages are sent.
#[derive(Clone)]
pub struct Server {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Server {
    /// The server of a URL: `smtps://USER:PASSWORD@HOST`, `smtp://HOST?tls=required`, or `smtp://HOST` without
    /// encryption.
    ///
    /// # Errors
    /// A sentence that says what is wrong, without the password.
    pub fn new(url: &str, from: &str) -> Result<Self, &'static str> {
        let from = Mailbox::from_str(from)
            .map_err(|_| "the sender of e-mail must look like \"SLA gateway <sla@example.com>\"")?;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| "the URL of the mail server must look like smtps://USER:PASSWORD@HOST:PORT, or like smtp://HOST with \
                      ?tls=required or ?tls=opportunistic or neither")?
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .build();
        Ok(Self { transport, from })
    }

    /// Sends a message; why not, and whether there is any use in trying again.
    async fn send(&self, letter: &Letter) -> Result<(), (String, bool)> {
        let message = self.message(letter).map_err(|reason| (reason, false))?;
        match timeout(PATIENCE, self.transport.send(message)).await {
            Ok(Ok(_accepted)) => Ok(()),
            Ok(Err(cause)) => {
                let (status, reason) = (cause.status().map(u16::from), causes(&cause));
                let useful = !is_of_recipient(status, &reason);
                Err((reason, useful))
            }
            Err(_elapsed) => Err(("the mail server took too long".to_owned(), true)),
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message, String> {
        let to: Address = letter.contact.parse().map_err(|_| "the contact is no address".to_owned())?;
        let project: String = letter.project.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let (hours, since, at) = (letter.hours, letter.since, letter.reached_at.format("%Y-%m-%d %H:%M UTC"));
        let period = match letter.period {
            TimePeriod::Weekly => "week",
            TimePeriod::Monthly => "month",
        };
        let hours = if hours == 1 { "1 hour".to_owned() } else { format!("{hours} hours") };
        let categories = letter.categories.join(", ");
        let text = format!(
            "The limit of {hours} a {period} of the project {project} is used up, in the {period} that began on \
             {since}.\n\nIt was reached at {at}. Hours of these categories count: {categories}.\n\nThere will be no \
             other message of this limit for this {period}.\n"
        );
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .message_id(Some(format!("<{}@{}>", letter.id, self.from.email.domain())))
            .subject(format!("Limit reached: {project}, {hours} a {period}"))
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|cause| cause.to_string())
    }
}

/// Whether a mail server's refusal is about the recipient, and so for good. Others are about how the gateway and its mail
/// server are set up, such as a password that was changed or a sender that may not send (RFC 3463: 5.7), and are mended.
fn is_of_recipient(status: Option<u16>, reason: &str) -> bool {
    matches!(status, Some(550 | 551 | 553)) && !reason.contains(" 5.7.")
}

/// An error with everything that led to it and that it does not say itself.
fn causes(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    all.reduce(|said, cause| if said.contains(&cause) { said } else { format!("{said}: {cause}") })
        .unwrap_or_default()
}

/// Sends what waits until the shutdown; without a server, keeps that it was not sent.
pub fn start(store: Store, breaches: &Breaches, config: Config, shutdown: CancellationToken) -> TaskTracker {
    let tasks = TaskTracker::new();
    tasks.spawn(run(store, breaches.moved(), config, shutdown));
    tasks.close();
    tasks
}

async fn run(store: Store, mut moved: watch::Receiver<i64>, config: Config, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let done = match &config.server {
            Some(server) => send(&store, server, config.rest, &shutdown).await,
            None => limit_notification::leave(&store.conn(), (config.rest, GIVE_UP)).await.map(|left| {
                if left > 0 {
                    tracing::info!(left, "e-mails are not sent: there is no mail server (--smtp-url)");
                }
                store.metrics().mailed(Mailed::NotConfigured, left as u64);
            }),
        };
        // An outage is told of by the store, once.
        if let Err(failure) = done
            && !matches!(failure, Error::Unavailable)
        {
            tracing::warn!(code = failure.code(), "sending e-mail broke off and will be resumed");
        }
        select! {
            () = shutdown.cancelled() => {}
            Ok(()) = moved.changed() => {}
            () = sleep(jittered(IDLE.min(config.rest))) => {}
        }
    }
}

async fn send(
    store: &Store,
    server: &Server,
    first_rest: Duration,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    while !shutdown.is_cancelled() {
        // One at a time, so that none waits within its lease for another.
        let Some(letter) = limit_notification::take(&store.conn(), LEASE).await? else { break };
        match server.send(&letter).await {
            Ok(()) => {
                store.metrics().mailed(Mailed::Sent, 1);
                letter.sent(&store.conn()).await?;
            }
            Err((reason, useful)) => {
                let tried = u32::try_from(letter.attempts - 1).unwrap_or_default().min(16);
                let rest = jittered(first_rest.saturating_mul(1 << tried).min(LONGEST));
                let given_up = letter.failed(&store.conn(), &reason, (rest, GIVE_UP), !useful).await?;
                if given_up {
                    tracing::warn!(notification = %letter.id, reason, "an e-mail is given up");
                } else {
                    tracing::warn!(notification = %letter.id, reason, ?rest, "an e-mail was not sent");
                }
                store.metrics().mailed(if given_up { Mailed::GivenUp } else { Mailed::Failed }, 1);
            }
        }
    }
    Ok(())
}
