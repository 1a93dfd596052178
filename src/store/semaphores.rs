//! Shares of what is limited, one for each of many names.

use std::convert::Infallible;
use std::sync::Arc;

use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

/// Of how many names a share is remembered.
const REMEMBERED: usize = 20_000;

/// A semaphore for each name, made when it is first asked for. None of them is ever closed.
pub(crate) struct Semaphores(Cache<String, Arc<Semaphore>>);

impl Default for Semaphores {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Semaphores {
    /// That of a name, which begins with `all` permits.
    pub(crate) fn of(&self, name: &str, all: usize) -> Arc<Semaphore> {
        let make = || Ok::<_, Infallible>(Arc::new(Semaphore::new(all)));
        let Ok(semaphore) = self.0.get_or_insert_with(name, make);
        semaphore
    }
}
