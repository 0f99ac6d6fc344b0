//! One test binary: each module a subject.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
