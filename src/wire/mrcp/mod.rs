//! MRCPv2 messages, RFC 6787 sections 5, 6, 9.4 and 15: values, grammar, framing.

mod header;
mod kind;
mod message;
mod method;
mod parser;
mod syntax;
pub mod v1;
mod value;

#[cfg(test)]
mod tests;

pub use header::{Field, FieldName, HeaderName, Headers, On};
pub use kind::Kind;
pub use message::{Event, Message, Request, RequestId, RequestState, Response};
pub use method::{CompletionCause, EventName, Method, StatusCode};
pub use parser::{Fault, Limits, Malformed, Parser};
pub use value::{
    ChannelIdentifier, Illegal, MAX_MILLISECONDS, MediaType, Resource, VendorParameters, boolean, float, fraction,
    integer, milliseconds, quote, request_ids, unquote,
};
