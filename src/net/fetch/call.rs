//! The documents that one call waits for.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tracing::Instrument;

use crate::grammar::{Document, FetchError};
use crate::net::fetch::{Fetcher, fetch_error};
use crate::session::Fetch;
use crate::wire::mrcp::ChannelIdentifier;

/// Downloads of one call at once; its further ones wait.
const MAX_PER_CALL: usize = 8;

/// A fetch that is over.
pub(in crate::net) struct Fetched {
    pub(in crate::net) channel: ChannelIdentifier,
    pub(in crate::net) fetch: u64,
    pub(in crate::net) outcome: Result<Document, FetchError>,
}

/// The documents that a call waits for; dropped, none is waited for any more.
pub(in crate::net) struct Fetches {
    fetcher: Fetcher,
    /// Downloads take turns here, so that a call leaves some to others.
    turns: Arc<Semaphore>,
    tasks: JoinSet<Result<Document, FetchError>>,
    /// What each task is for. Those that were cancelled have no entry.
    wanted: HashMap<Id, (ChannelIdentifier, u64, AbortHandle)>,
}

impl Fetches {
    pub(in crate::net) fn new(fetcher: Fetcher) -> Self {
        let turns = Arc::new(Semaphore::new(MAX_PER_CALL));
        Self { fetcher, turns, tasks: JoinSet::new(), wanted: HashMap::new() }
    }

    pub(in crate::net) fn begin(&mut self, channel: ChannelIdentifier, fetch: u64, wanted: Fetch) {
        let (fetcher, turns) = (self.fetcher.clone(), Arc::clone(&self.turns));
        let work = async move { fetcher.fetch(&wanted, &turns).await };
        let task = self.tasks.spawn(work.in_current_span());
        self.wanted.insert(task.id(), (channel, fetch, task));
    }

    pub(in crate::net) fn cancel(&mut self, fetch: u64) {
        self.wanted.retain(|_, (_, wanted, task)| {
            let keep = *wanted != fetch;
            if !keep {
                task.abort();
            }
            keep
        });
    }

    /// The next one that is over. Each that was begun and not cancelled is told once, also if its task panicked.
    pub(in crate::net) async fn next(&mut self) -> Fetched {
        loop {
            let (id, outcome) = match self.tasks.join_next_with_id().await {
                None => return std::future::pending().await,
                Some(Ok((id, outcome))) => (id, outcome),
                Some(Err(error)) => (error.id(), Err(lost(&error))),
            };
            if let Some((channel, fetch, _)) = self.wanted.remove(&id) {
                return Fetched { channel, fetch, outcome };
            }
        }
    }
}

fn lost(error: &JoinError) -> FetchError {
    tracing::error!(%error, "a fetch");
    fetch_error("internal-error", "the download failed")
}
