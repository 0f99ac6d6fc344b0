//! Why a grammar can't be used, and what a client is told: RFC 6787 sections 5.4 and 9.4.11.

use std::fmt;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The body's media type is no grammar's: 408, completion cause 004.
    MediaType,
    /// A format, builtin or `session:` grammar that is not here: 407, completion cause 004.
    Load,
    /// A grammar that can't be compiled: 407, completion cause 005.
    Compilation,
    /// A URI that can't be used or fetched: 407, completion cause 009.
    Uri,
    /// No room for more grammars in this session: 407, completion cause 016.
    Definition,
    /// A script of the grammar fails on what was said: completion cause 012.
    Semantics,
}

/// Why a grammar can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind.
    pub failure: Failure,
    /// What and where, for a person; ASCII where the grammar's text is.
    pub reason: String,
    /// The URI that could not be used, for Failed-URI.
    pub uri: Option<String>,
    /// Why it could not be fetched, for Failed-URI-Cause.
    pub cause: Option<String>,
}

impl Error {
    /// A failure of that kind.
    #[must_use]
    pub fn new(failure: Failure, reason: impl Into<String>) -> Self {
        Self { failure, reason: reason.into(), uri: None, cause: None }
    }

    pub(super) fn compilation(reason: impl Into<String>) -> Self {
        Self::new(Failure::Compilation, reason)
    }

    /// A URI that can't be used, and the word for Failed-URI-Cause.
    pub(super) fn uri(uri: &str, cause: &str, reason: impl Into<String>) -> Self {
        Self { uri: Some(uri.to_owned()), cause: Some(cause.to_owned()), ..Self::new(Failure::Uri, reason) }
    }

    pub(super) fn load(reason: impl Into<String>) -> Self {
        Self::new(Failure::Load, reason)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Error {}
