//! Session descriptions, RFC 8866, with the MRCPv2 control section of RFC 6787 section 4.2.
//!
//! The lines and the control section have a grammar of their own; the audio section is read with `webrtc_sdp`, line by
//! line, and with the own grammar where that refuses (it knows no MRCPv2, and few media protocols).

pub mod attribute;
pub mod description;
pub mod parse;
pub mod security;

pub use attribute::{Attribute, ConnectionReuse, Direction, Fmtp, RtpMap, Setup};
pub use description::{Address, Connection, MediaDescription, MediaKind, Origin, SessionDescription};
pub use parse::{ParseError, parse};
pub use security::{Crypto, Fingerprint, InlineKey};
