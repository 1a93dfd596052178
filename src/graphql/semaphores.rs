//! Shares of what is limited, one for each of many names.

use std::convert::Infallible;
use std::sync::Arc;

use quick_cache::sync::Cache;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Of how many names a share is remembered.
const REMEMBERED: usize = 20_000;

/// A semaphore for each name, made when it is first asked for.
pub(super) struct Semaphores(Cache<String, Arc<Semaphore>>);

impl Semaphores {
    pub(super) fn new() -> Self {
        Self(Cache::new(REMEMBERED))
    }

    /// Waits for `permits` of the `all` that a name has. An error cannot happen: none of them is ever closed.
    pub(super) async fn acquire(
        &self,
        name: &str,
        all: usize,
        permits: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        let make = || Ok::<_, Infallible>(Arc::new(Semaphore::new(all)));
        let Ok(semaphore) = self.0.get_or_insert_with(name, make);
        semaphore.acquire_many_owned(permits).await
    }
}
