//! What is measured, and how a Prometheus server reads it: in the text format of OpenMetrics, with base units in the
//! names. Labels have few values, none of them a tenant's, a person's or a document's.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeCounterValue, EncodeGaugeValue};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The media type of a [`Page`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// That something is waited for, as long as this lives.
#[derive(Debug)]
pub struct Waiting {
    waited: Histogram,
    since: Instant,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waited.observe(self.since.elapsed().as_secs_f64());
    }
}

/// Upper bounds in seconds: from what is not felt to what somebody asks about.
const BOUNDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// What kind of operation was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A query.
    Query,
    /// A mutation.
    Mutation,
    /// One event of a subscription: the answer that is made for all who ask the same.
    Event,
}

impl Operation {
    const ALL: [Self; 3] = [Self::Query, Self::Mutation, Self::Event];

    const fn word(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Event => "event",
        }
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Without an error. Mistakes of an input are data.
    Ok,
    /// With an error that the one who asked can mend.
    Refused,
    /// With an error that is ours.
    Failed,
    /// Not at all: its deadline passed, or its client went away.
    Cancelled,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Ok, Self::Refused, Self::Failed, Self::Cancelled];

    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What became of an attempt to deliver a message of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It was taken.
    Delivered,
    /// It was not, and will be tried again.
    Failed,
    /// It was not, and the webhook was given up with that.
    GivenUp,
}

impl Posted {
    const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::GivenUp];

    const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

/// What became of an attempt to send an e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mailed {
    /// The mail server took it.
    Sent,
    /// It did not, and it will be tried again.
    Failed,
    /// It did not, and it will not be tried again.
    GivenUp,
    /// There is no mail server.
    NotConfigured,
}

impl Mailed {
    const ALL: [Self; 4] = [Self::Sent, Self::Failed, Self::GivenUp, Self::NotConfigured];

    const fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
            Self::NotConfigured => "not_configured",
        }
    }
}

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Histograms = Family<Labels<2>, Histogram, fn() -> Histogram>;

/// What one process measures as it works. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    operations: Histograms,
    delivery: Histogram,
    recording: Histogram,
    pool_wait: Histogram,
    webhooks: Family<Labels<1>, Counter>,
    mails: Family<Labels<1>, Counter>,
}

fn histogram() -> Histogram {
    Histogram::new(BOUNDS)
}

impl Default for Metrics {
    fn default() -> Self {
        let families = Families {
            operations: Family::new_with_constructor(histogram as fn() -> Histogram),
            delivery: histogram(),
            recording: histogram(),
            pool_wait: histogram(),
            webhooks: Family::default(),
            mails: Family::default(),
        };
        // All there can be, from the start: the first of its kind must be seen to rise from nothing.
        for kind in Operation::ALL {
            for outcome in Outcome::ALL {
                let _at_zero = families.operations.get_or_create(&of_operation(kind, outcome));
            }
        }
        for outcome in Posted::ALL {
            let _at_zero = families.webhooks.get_or_create(&[("outcome", outcome.word())]);
        }
        for outcome in Mailed::ALL {
            let _at_zero = families.mails.get_or_create(&[("outcome", outcome.word())]);
        }
        Self(Arc::new(families))
    }
}

const fn of_operation(kind: Operation, outcome: Outcome) -> Labels<2> {
    [("kind", kind.word()), ("outcome", outcome.word())]
}

impl Metrics {
    /// An operation ended.
    pub fn operation(&self, kind: Operation, outcome: Outcome, took: Duration) {
        self.0.operations.get_or_create(&of_operation(kind, outcome)).observe(took.as_secs_f64());
    }

    /// A subscriber was sent a record, so long after it was recorded.
    pub fn delivered(&self, delay: Duration) {
        self.0.delivery.observe(delay.as_secs_f64());
    }

    /// A deadline was recorded, so long after it fell due.
    pub fn recorded(&self, delay: Duration) {
        self.0.recording.observe(delay.as_secs_f64());
    }

    /// A connection to the database is waited for, until what is given is dropped: with one, or by an operation that is given up.
    pub fn waiting(&self) -> Waiting {
        Waiting { waited: self.0.pool_wait.clone(), since: Instant::now() }
    }

    /// A message of a webhook was tried.
    pub fn posted(&self, outcome: Posted) {
        self.0.webhooks.get_or_create(&[("outcome", outcome.word())]).inc();
    }

    /// So many e-mails were tried, or could not be.
    pub fn mailed(&self, outcome: Mailed, count: u64) {
        self.0.mails.get_or_create(&[("outcome", outcome.word())]).inc_by(count);
    }

    /// A page with all of it; others add what they know.
    pub fn page(&self) -> Page {
        let mut page = Registry::default();
        let Families { operations, delivery, recording, pool_wait, webhooks, mails } = &*self.0;
        page.register(
            "sla_operation_duration_seconds",
            "How long operations took, by kind and outcome",
            operations.clone(),
        );
        page.register(
            "sla_feed_delivery_delay_seconds",
            "From a record to its being sent to a subscriber, replays left out",
            delivery.clone(),
        );
        page.register(
            "sla_breach_recording_delay_seconds",
            "From when a deadline fell due to its record",
            recording.clone(),
        );
        page.register(
            "sla_sql_pool_wait_seconds",
            "How long operations waited for a connection to the database, or for one of those that a viewer may hold",
            pool_wait.clone(),
        );
        page.register(
            "sla_webhook_attempts",
            "Messages of webhooks that were tried, by outcome",
            webhooks.clone(),
        );
        page.register(
            "sla_mail_attempts",
            "E-mails that were tried or could not be, by outcome",
            mails.clone(),
        );
        Page(page)
    }
}

/// Everything that one look of a Prometheus server is told.
#[derive(Debug, Default)]
pub struct Page(Registry);

impl Page {
    /// What goes up and down. The help has no full stop.
    pub fn gauge<N>(&mut self, name: &str, help: &str, value: N)
    where
        N: EncodeGaugeValue + Debug + Send + Sync + 'static,
    {
        self.0.register(name, help, ConstGauge::new(value));
    }

    /// What only goes up, from 0 at the start. The name is without `_total`, the help without a full stop.
    pub fn counter<N>(&mut self, name: &str, help: &str, value: N)
    where
        N: EncodeCounterValue + Debug + Send + Sync + 'static,
    {
        self.0.register(name, help, ConstCounter::new(value));
    }

    /// The same, apart for each value of a label.
    pub fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (u16, u64)>,
    ) {
        let family = Family::<[(&'static str, u16); 1], Counter>::default();
        for (value, count) in values {
            family.get_or_create(&[(label, value)]).inc_by(count);
        }
        self.0.register(name, help, family);
    }

    /// As the server reads it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _infallible = encode(&mut text, &self.0);
        text
    }
}
