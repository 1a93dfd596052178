//! Rows by the million: COPY in Postgres's binary format, made on one core while Postgres reads on another.

use std::io::Cursor;
use std::pin::pin;

use chrono::{DateTime, Utc};
use futures_util::SinkExt;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_blocking;
use tokio_postgres::Transaction;
use uuid::Uuid;

use super::{Error, Progress};

/// What goes over in one message.
const CHUNK: usize = 256 * 1024;

/// 2000-01-01T00:00Z, from which Postgres counts, in microseconds since 1970.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// Takes rows, and passes them on in chunks.
pub(super) struct Out {
    buffer: Vec<u8>,
    send: Sender<(u64, Vec<u8>)>,
    rows: u64,
}

impl Out {
    /// Adds a row of so many columns, which `write` writes.
    pub(super) fn row(&mut self, columns: i16, write: impl FnOnce(&mut Vec<u8>)) {
        self.rows += 1;
        self.buffer.extend(columns.to_be_bytes());
        write(&mut self.buffer);
        if self.buffer.len() >= CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK + 4096));
        // Nobody listens any more when the database refused a row: it will say so.
        let _refused = self.send.blocking_send((self.rows, chunk));
    }
}

/// Writes a row: one value for each column, in order.
macro_rules! row {
    ($out:expr, $($cell:expr),+ $(,)?) => {{
        const COLUMNS: i16 = [$(stringify!($cell)),+].len() as i16;
        $out.row(COLUMNS, |buffer| { $($crate::sample::copy::Cell::write(&$cell, buffer);)+ });
    }};
}
pub(super) use row;

/// A value in the binary format of its column: a length and as many bytes.
pub(super) trait Cell {
    fn write(&self, buffer: &mut Vec<u8>);
}

fn field(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.extend((bytes.len() as i32).to_be_bytes());
    buffer.extend(bytes);
}

impl Cell for Uuid {
    fn write(&self, buffer: &mut Vec<u8>) {
        field(buffer, self.as_bytes());
    }
}

impl Cell for &str {
    fn write(&self, buffer: &mut Vec<u8>) {
        field(buffer, self.as_bytes());
    }
}

impl Cell for String {
    fn write(&self, buffer: &mut Vec<u8>) {
        field(buffer, self.as_bytes());
    }
}

impl Cell for i16 {
    fn write(&self, buffer: &mut Vec<u8>) {
        field(buffer, &self.to_be_bytes());
    }
}

impl Cell for i32 {
    fn write(&self, buffer: &mut Vec<u8>) {
        field(buffer, &self.to_be_bytes());
    }
}

impl Cell for i64 {
    fn write(&self, buffer: &mut Vec<u8>) {
        field(buffer, &self.to_be_bytes());
    }
}

impl Cell for bool {
    fn write(&self, buffer: &mut Vec<u8>) {
        field(buffer, &[u8::from(*self)]);
    }
}

impl Cell for DateTime<Utc> {
    fn write(&self, buffer: &mut Vec<u8>) {
        field(buffer, &(self.timestamp_micros() - POSTGRES_EPOCH).to_be_bytes());
    }
}

impl<T: Cell> Cell for Option<T> {
    fn write(&self, buffer: &mut Vec<u8>) {
        match self {
            Some(value) => value.write(buffer),
            None => buffer.extend((-1_i32).to_be_bytes()),
        }
    }
}

/// `text[]`: one dimension, no nulls, elements of type 25 (text), counted from 1.
impl Cell for &[&str] {
    fn write(&self, buffer: &mut Vec<u8>) {
        let mut array = Vec::new();
        for number in [1, 0, 25, self.len() as i32, 1] {
            array.extend(number.to_be_bytes());
        }
        for text in *self {
            text.write(&mut array);
        }
        field(buffer, &array);
    }
}

/// Copies the rows that `make` makes into a table. Gives their number, and what `make` gave.
pub(super) async fn copy<T: Send + 'static>(
    transaction: &Transaction<'_>,
    (table, columns): (&'static str, &str),
    expected: u64,
    progress: Progress<'_>,
    make: impl FnOnce(&mut Out) -> T + Send + 'static,
) -> Result<(u64, T), Error> {
    progress(table, 0, expected);
    let statement = format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)");
    let mut sink = pin!(transaction.copy_in::<_, Cursor<Vec<u8>>>(&statement).await?);
    let (send, mut chunks) = channel(4);
    let maker = spawn_blocking(move || {
        let mut buffer = Vec::with_capacity(CHUNK + 4096);
        // The signature, no flags, no extension; at the end, a row of −1 columns.
        buffer.extend(b"PGCOPY\n\xff\r\n\0");
        buffer.extend([0; 8]);
        let mut out = Out { buffer, send, rows: 0 };
        let made = make(&mut out);
        out.buffer.extend((-1_i16).to_be_bytes());
        out.flush();
        (out.rows, made)
    });
    while let Some((rows, chunk)) = chunks.recv().await {
        sink.send(Cursor::new(chunk)).await?;
        progress(table, rows, expected.max(rows));
    }
    let made = maker.await.map_err(|cause| Error::Sample(format!("{table}: {cause}")))?;
    sink.finish().await?;
    progress(table, made.0, made.0);
    Ok(made)
}
