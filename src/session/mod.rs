//! One call, sans-IO: no clock, no socket, no thread.

pub mod mrcp;
pub mod offer_answer;
pub mod rtsp;
pub mod sip;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::detect;
use crate::grammar::{Document, FetchError};
use crate::session::mrcp::{Channel, Outbox, unserved};
use crate::wire::mrcp::{ChannelIdentifier, Message, Request, RequestId, StatusCode};

pub use crate::session::mrcp::Config;

/// One MRCP connection, as the shell numbers them; a number is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a message.
    Mrcp {
        /// Where.
        connection: ConnectionId,
        /// A response or an event; the connection writes it, in the version of MRCP that it speaks.
        message: Message,
    },
    /// Begin a listening on the channel's sound. Its events come back with the generation.
    Listen {
        /// The channel.
        channel: ChannelIdentifier,
        /// Number of the listening, ascending within the session.
        generation: u64,
        /// What is asked.
        listen: detect::Listen,
        /// Sound to listen to instead of the channel's, of Input-Waveform-URI: linear samples at
        /// [`SAMPLE_RATE`](crate::audio::SAMPLE_RATE).
        waveform: Option<Arc<[i16]>>,
        /// Media-Type that the recording is to have, where `listen` asks for one (RFC 6787 section 9.4.9).
        media_type: Option<String>,
    },
    /// The No-Input timer of a listening begins now.
    StartInputTimers {
        /// The channel.
        channel: ChannelIdentifier,
        /// Number of the listening.
        generation: u64,
    },
    /// Fetch a document; the answer comes back by [`Session::handle_fetched`] with the number.
    Fetch {
        /// The channel that needs it.
        channel: ChannelIdentifier,
        /// Number of the fetch, ascending within the session.
        fetch: u64,
        /// What is wanted.
        wanted: Fetch,
    },
    /// The document is not needed any more.
    CancelFetch {
        /// Number of the fetch.
        fetch: u64,
    },
    /// End a listening that has not concluded.
    Unlisten {
        /// The channel.
        channel: ChannelIdentifier,
        /// Number of the listening.
        generation: u64,
    },
}

/// A document that a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Its URI: `http:`, `https:` or `file:`.
    pub uri: String,
    /// What it is for.
    pub kind: FetchKind,
    /// Fetch-Timeout in milliseconds (RFC 6787 section 6.2.12), if the client set it.
    pub timeout_ms: Option<u64>,
    /// Cache-Control (section 6.2.13), if the client set it.
    pub cache_control: Option<String>,
    /// The values of Set-Cookie that the client gave along (section 6.2.15).
    pub cookies: Vec<String>,
}

/// What a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchKind {
    /// A grammar.
    Grammar,
    /// Recorded sound, of Input-Waveform-URI.
    Waveform,
}

/// A recording that Save-Waveform asked for, where the client can fetch it (RFC 6787 section 9.4.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waveform {
    /// Where it is; empty if it could not be kept.
    pub uri: String,
    /// Its size in octets.
    pub bytes: u64,
    /// Its length in milliseconds.
    pub ms: u64,
}

/// The MRCP side of one SIP dialog: its control channels (RFC 6787 section 4.2).
///
/// After each `handle_*`, [`Session::drain`] and [`Session::remove_channel`], poll [`Session::poll_output`] until it is
/// `None`, then wait for input until [`Session::poll_timeout`]. Promises, held by tests: each request gets exactly one
/// response, at once unless it needs documents, and then within [`Config::max_fetching_ms`]; each RECOGNIZE or INTERPRET that
/// was answered IN-PROGRESS or PENDING gets exactly one final event, or is named in the response to a STOP; each
/// [`Output::Fetch`] is answered or taken back.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    call_id: Option<Arc<str>>,
    channels: BTreeMap<ChannelIdentifier, Channel>,
    /// Request-ids ascend over all channels and connections of the session (RFC 6787 section 5.2).
    last_request: Option<RequestId>,
    outbox: Outbox,
    draining: bool,
}

impl Session {
    /// A session without channels.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        let (channels, outbox) = (BTreeMap::new(), Outbox::default());
        Self { config, call_id: None, channels, last_request: None, outbox, draining: false }
    }

    /// The like, which tells in its results what the call is called here.
    #[must_use]
    pub fn of_call(self, call_id: Arc<str>) -> Self {
        Self { call_id: Some(call_id), ..self }
    }

    /// Number of control channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Whether a recognition runs or waits, or a request waits for documents.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.channels.values().any(Channel::is_busy)
    }

    /// The call's identifier at the client, as Vendor-Specific-Parameters gave it (`call-uuid`, `fs-uuid`, `uuid`), for logs.
    #[must_use]
    pub fn call_uuid(&self) -> Option<&str> {
        self.channels.values().find_map(Channel::call_uuid)
    }

    /// Logging-Tag of the channel that has one, for logs (RFC 6787 section 6.2.14).
    #[must_use]
    pub fn logging_tag(&self) -> Option<&str> {
        self.channels.values().find_map(Channel::logging_tag)
    }

    /// Adds a control channel that an answer allocated.
    pub fn add_channel(&mut self, channel: ChannelIdentifier) {
        let added = Channel::new(channel.clone(), Arc::clone(&self.config), self.call_id.clone(), self.draining);
        self.channels.entry(channel).or_insert(added);
    }

    /// Takes a control channel away: its recognitions end without a word, as nobody can be told.
    pub fn remove_channel(&mut self, channel: &ChannelIdentifier) {
        if let Some(mut channel) = self.channels.remove(channel) {
            channel.abandon(&mut self.outbox);
        }
    }

    /// Takes a request that came over `connection`.
    pub fn handle_request(&mut self, now: Instant, connection: ConnectionId, request: Request) {
        let Some(channel) = self.channels.get_mut(&request.channel) else {
            self.outbox.respond(connection, unserved(&request, StatusCode::NO_RESOURCE));
            return;
        };
        channel.seen_on(connection, &mut self.outbox);
        if self.last_request.is_some_and(|last| request.id <= last) {
            self.outbox.respond(connection, unserved(&request, StatusCode::OUT_OF_ORDER));
            return;
        }
        self.last_request = Some(request.id);
        channel.handle_request(now, connection, request, &mut self.outbox);
    }

    /// Takes what a fetch came to. What comes after the fetch was taken back is ignored.
    pub fn handle_fetched(
        &mut self,
        now: Instant,
        channel: &ChannelIdentifier,
        fetch: u64,
        result: Result<Document, FetchError>,
    ) {
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.handle_fetched(now, fetch, result, &mut self.outbox);
        }
    }

    /// Takes where the sound of a listening can be had that asked for a recording; before what that concluded with.
    pub fn handle_recorded(&mut self, _now: Instant, channel: &ChannelIdentifier, generation: u64, waveform: Waveform) {
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.handle_recorded(generation, waveform);
        }
    }

    /// Takes what a listening told. What an earlier listening than the channel's present one tells is ignored, but for keys.
    pub fn handle_detect(&mut self, now: Instant, channel: &ChannelIdentifier, generation: u64, event: detect::Event) {
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.handle_detect(now, generation, event, &mut self.outbox);
        }
    }

    /// The channel's sound can't be listened to: its recognition ends with 006 recognizer-error.
    pub fn handle_media_failure(&mut self, now: Instant, channel: &ChannelIdentifier) {
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.fail(now, "the sound can't be listened to", &mut self.outbox);
        }
    }

    /// A connection is gone. Recognitions go on: their events go to another connection that the client uses for the
    /// channel, or wait for one. Requests that wait for documents are forgotten: nobody can be answered.
    pub fn handle_disconnect(&mut self, now: Instant, connection: ConnectionId) {
        for channel in self.channels.values_mut() {
            channel.handle_disconnect(now, connection, &mut self.outbox);
        }
    }

    /// Ends all recognitions with 006 recognizer-error, and refuses new ones and those that wait for documents.
    pub fn drain(&mut self, now: Instant) {
        self.draining = true;
        for channel in self.channels.values_mut() {
            channel.drain(now, &mut self.outbox);
        }
    }

    /// When [`Session::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.channels.values().filter_map(Channel::poll_timeout).min()
    }

    /// Ends what waited long enough: for keys, for documents, or for detection, which should have told by its own timers.
    pub fn handle_timeout(&mut self, now: Instant) {
        for channel in self.channels.values_mut() {
            if channel.poll_timeout().is_some_and(|at| at <= now) {
                channel.handle_timeout(now, &mut self.outbox);
            }
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.poll()
    }
}

impl Outbox {
    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

/// Outputs that are not polled yet.
type Outputs = VecDeque<Output>;
