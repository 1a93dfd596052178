//! The keys of rows: UUIDv7, so that the newest sort last and a month is a range.

use uuid::Uuid;

/// A new key.
#[expect(clippy::disallowed_methods, reason = "this is the one place where keys are made")]
pub fn new() -> Uuid {
    Uuid::now_v7()
}
