//! The other side: a small MRCPv2 client (RFC 6787) that calls a recognizer and streams a recording to it.
//!
//! [`call()`] does one whole call; [`Call`] is the same in steps. A call runs in the caller's task, with no task or
//! thread of its own; any number of them can run in one process.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the edge: sockets, and clocks in `line` and `call`"
)]

mod call;
mod event;
mod line;
pub mod load;
mod mrcp;
mod result;
mod rtp;
mod sdp;
mod secure;
mod uac;

use std::net::SocketAddr;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::audio::codec::Codec;

pub use crate::wire::rtp::srtp::Suite;

pub use call::{Call, Observer, Recognition, Recognize, Target};
pub use event::{By, CallError, Cause, Event, What};
pub use result::{Answer, Interpretation, NotAResult};
pub use rtp::{AfterSound, CODECS, PTIME};
pub use secure::{Tls, Trust};
pub use uac::Transport;

/// A call with one recognition.
#[derive(Debug, Clone)]
pub struct CallSpec {
    /// Whom to call.
    pub target: Target,
    /// What to recognize.
    pub recognize: Recognize,
    /// Ends the call early: CANCEL before the answer, STOP and BYE after it.
    pub interrupt: CancellationToken,
}

/// A call that went through, with a recognition that completed.
#[derive(Debug, Clone, PartialEq)]
pub struct CallReport {
    /// The server's SIP address.
    pub server: SocketAddr,
    /// The channel identifier.
    pub channel: String,
    /// The codec of the sound.
    pub codec: Codec,
    /// From the beginning to the answer of INVITE.
    pub setup: Duration,
    /// What opening the control connection took.
    pub connect: Duration,
    /// The recognition.
    pub recognition: Recognition,
}

/// Places a call, does one recognition, and hangs up, whatever comes of it.
///
/// # Errors
/// If no RECOGNITION-COMPLETE came. One without success is no error: its cause tells.
pub async fn call(spec: CallSpec, observer: Observer<'_>) -> Result<CallReport, CallError> {
    let mut call = Call::place(&spec.target, &spec.interrupt, observer).await?;
    let recognized = call.recognize(&spec.recognize, &spec.interrupt, observer).await;
    let (server, channel, codec) = (call.server(), call.channel().to_owned(), call.codec());
    let (setup, connect) = (call.setup(), call.connect());
    call.hang_up(observer).await;
    Ok(CallReport { server, channel, codec, setup, connect, recognition: recognized? })
}
