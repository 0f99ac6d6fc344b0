//! The Event Socket of FreeSWITCH (mod_event_socket): framing, events, commands.
//!
//! A message is lines `Name: value` and an empty line, then Content-Length octets of body. Replies come in the order of
//! their commands; events come between them.

mod command;
mod event;
mod message;
mod parser;

pub use crate::wire::esl::command::{Command, Unsafe, is_safe, is_uuid};
pub use crate::wire::esl::event::{Event, decode_percent, encode_percent};
pub use crate::wire::esl::message::{ContentType, Headers, Message, is_failure};
pub use crate::wire::esl::parser::{Limits, Malformed, Parser};

#[cfg(test)]
mod tests;
