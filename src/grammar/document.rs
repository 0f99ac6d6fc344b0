//! Documents that a grammar or a request refers to by URI. They are fetched at the edge and handed in.

use std::collections::BTreeMap;

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// Where it was in the end, after redirects: relative references within it start from there.
    pub uri: String,
    /// Its media type as it was told, with parameters.
    pub media_type: Option<String>,
    /// The content.
    pub bytes: Vec<u8>,
    /// Cookies that servers set on the way, as values of Set-Cookie with Domain, Path and Age: the session's cookie store
    /// takes them, and the client is told (RFC 6787 section 6.2.15).
    pub cookies: Vec<String>,
}

/// Why a document can't be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchError {
    /// For Failed-URI-Cause (RFC 6787 section 9.4.21): the access protocol's own code such as `404`, or a word: `timeout`,
    /// `not-allowed`, `too-large`, `unreachable`.
    pub cause: String,
    /// What happened, for a person.
    pub reason: String,
}

/// Documents by the URI that was asked for.
pub type Documents = BTreeMap<String, Result<Document, FetchError>>;
