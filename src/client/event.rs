//! What a call tells while it runs, and why it can fail.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::audio::codec::{CannotSend, Codec};

/// Something that happened in a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Since the call began.
    pub at: Duration,
    /// Since the first RTP packet of the recognition was sent.
    pub input: Option<Duration>,
    /// What happened.
    pub what: What,
}

/// The kinds of [`Event`].
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// INVITE was sent.
    Inviting {
        /// The request URI.
        uri: String,
    },
    /// A provisional response came.
    Provisional {
        /// SIP status, 100 to 199.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// The session was accepted: 200, and the answer could be used.
    Answered {
        /// Where the MRCP connection goes.
        mrcp: SocketAddr,
        /// Where the sound goes.
        rtp: SocketAddr,
        /// The codec of the sound.
        codec: Codec,
    },
    /// The MRCP connection is open.
    Connected {
        /// The channel identifier.
        channel: String,
    },
    /// RECOGNIZE was sent.
    Requested {
        /// Its request identifier.
        request_id: u32,
        /// The grammar's URI.
        grammar: String,
    },
    /// The recognizer queued RECOGNIZE behind another one.
    Queued,
    /// The recognizer listens: 200 IN-PROGRESS. Sending of sound begins.
    Listening,
    /// START-OF-INPUT came.
    StartOfInput {
        /// `Input-Type`, if it was told.
        input_type: Option<String>,
    },
    /// The recording has been sent whole; `silence` tells whether silence is sent after it.
    Played {
        /// Whether silence is sent on.
        silence: bool,
    },
    /// RECOGNITION-COMPLETE came.
    Completed {
        /// Completion-Cause: number and name.
        cause: Cause,
        /// The best interpretation's label, if the body tells one.
        label: Option<String>,
    },
    /// STOP was sent and answered.
    Stopped {
        /// Status of the response.
        status: u16,
    },
    /// The session is over.
    Ended {
        /// Who ended it.
        by: By,
    },
}

/// Who sent BYE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The client; `answered` tells whether the server responded.
    Client {
        /// Whether a response came.
        answered: bool,
    },
    /// The server.
    Server,
}

/// A Completion-Cause (RFC 6787 section 9.4.11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The number, 0 to 999.
    pub code: u16,
    /// The name, as it was told: "success".
    pub name: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {}", self.code, self.name)
    }
}

/// Why a call had no result.
#[derive(Debug)]
pub enum CallError {
    /// The server's name has no address.
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// A socket could not be opened or used.
    Socket {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody listens for SIP at that address.
    NothingThere {
        /// The address.
        server: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// INVITE was not answered.
    NoAnswer {
        /// The address.
        server: SocketAddr,
        /// How long was waited.
        after: Duration,
    },
    /// INVITE was refused.
    Refused {
        /// SIP status, 300 to 699.
        status: u16,
        /// Its reason phrase.
        reason: String,
        /// `Warning` and `Reason`, if told.
        explanation: Vec<String>,
        /// `Retry-After` in seconds, if told.
        retry_after: Option<u32>,
    },
    /// The session was accepted with an answer that cannot be used.
    BadAnswer(
        /// What is wrong with it.
        String,
    ),
    /// A codec was to be offered that the client cannot send.
    CannotSend(CannotSend),
    /// The server accepted none of the offered codecs.
    NoCodec,
    /// The server declined the recognizer: the control channel's port is 0.
    NoChannel,
    /// The MRCP connection could not be opened.
    NoConnection {
        /// Where to.
        mrcp: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The MRCP connection closed, or what came over it is not MRCPv2.
    ConnectionLost {
        /// How.
        how: String,
    },
    /// A request had no response.
    NoResponse {
        /// The method.
        method: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// A request was refused.
    RequestRefused {
        /// The method.
        method: &'static str,
        /// MRCP status, 400 to 599.
        status: u16,
        /// Completion-Cause, if told.
        cause: Option<Cause>,
        /// Completion-Reason, if told.
        reason: Option<String>,
    },
    /// A parameter cannot be sent.
    BadParameter {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No RECOGNITION-COMPLETE came in time.
    NoCompletion {
        /// How long was waited.
        after: Duration,
    },
    /// The server ended the session.
    HungUp,
    /// The caller asked to stop.
    Interrupted,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved { host, source } => write!(f, "{host} has no address: {source}"),
            Self::Socket { doing, source } => write!(f, "{doing}: {source}"),
            Self::NothingThere { server, source } => write!(f, "nobody listens for SIP at {server}: {source}"),
            Self::NoAnswer { server, after } => {
                write!(f, "{server} did not answer INVITE within {:.1} s", after.as_secs_f64())
            }
            Self::Refused { status, reason, explanation, retry_after } => {
                write!(f, "the server refused the call: {status} {reason}")?;
                for text in explanation {
                    write!(f, "; {text}")?;
                }
                retry_after.map_or(Ok(()), |seconds| write!(f, "; retry after {seconds} s"))
            }
            Self::BadAnswer(what) => write!(f, "the server's SDP answer cannot be used: {what}"),
            Self::CannotSend(codec) => codec.fmt(f),
            Self::NoCodec => f.write_str("the server accepted none of the offered codecs"),
            Self::NoChannel => f.write_str("the server declined the recognizer (control channel with port 0)"),
            Self::NoConnection { mrcp, source } => write!(f, "no MRCP connection to {mrcp}: {source}"),
            Self::ConnectionLost { how } => write!(f, "the MRCP connection was lost: {how}"),
            Self::NoResponse { method, after } => {
                write!(f, "{method} had no response within {:.1} s", after.as_secs_f64())
            }
            Self::RequestRefused { method, status, cause, reason } => {
                write!(f, "{method} was refused with {status}")?;
                if let Some(cause) = cause {
                    write!(f, ", completion cause {cause}")?;
                }
                reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
            }
            Self::BadParameter { name, why } => write!(f, "parameter {name}: {why}"),
            Self::NoCompletion { after } => {
                write!(f, "the recognizer did not finish within {:.1} s; stopped", after.as_secs_f64())
            }
            Self::HungUp => f.write_str("the server ended the session"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The system's words are part of the message above; telling them again as a source would repeat them.
        None
    }
}
