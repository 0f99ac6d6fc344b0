//! For the operator: logs, metrics, the calls of late.
//!
//! Metrics are counted in three ways. What happens to a call now and then (a request, a decision) goes to [`Metrics`] when
//! it happens. What happens to each packet is counted by the thread that does it in numbers of its own, which it shows some
//! times a second. What is known anyhow (calls, memory, capacity) is read when the metrics are asked for.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the edge: clocks, files and what tasks share")]

mod access;
mod exposition;
mod log;
mod metrics;
mod notify;
mod process;
mod recent;
mod store;

pub use crate::ops::access::{Access, Denied};
pub use crate::ops::exposition::{Exposition, Form, Labels};
pub use crate::ops::log::{Config, Format, init, panics};
pub use crate::ops::metrics::{Door, Grammar, InCall, Metrics, Protocol, Refusal};
pub use crate::ops::notify::ServiceManager;
pub use crate::ops::recent::{FeedbackConfig, FeedbackError, Given, RecentCall, RecentCalls, Told, unix_s};
pub use crate::ops::store::{
    Line, Store, StoreConfig, StoreCounts, StoredDecision, StoredFeedback, Tally, end_word, feedback_of, read_store,
    store_files,
};
