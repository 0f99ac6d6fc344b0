//! Conversations with a recognizer.
#![allow(clippy::disallowed_methods, reason = "tests read fixtures and begin at some moment")]

mod captures;
mod lumenvox;
mod model;
mod page;
mod pages;
mod pages_causes;
mod pages_documents;
mod pages_headers;
mod pages_keys;
mod pages_methods;
