//! One call of a load, without sockets and clock: INVITE, RECOGNIZE, sound, result, BYE.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audio::codec::Codec;
use crate::client::event::Cause;
use crate::client::load::{Expected, Hold};
use crate::client::mrcp;
use crate::client::result::Answer;
use crate::client::rtp::PTIME;
use crate::client::sdp::{self, Security};
use crate::client::uac::{self, Refusal, Uac};
use crate::wire::mrcp::{ChannelIdentifier, EventName, Message, Method, Request, RequestId, RequestState};
use crate::wire::sip;

/// How long a request on the control connection is waited for.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the answer to BYE or CANCEL is waited for: enough for three retransmissions.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(4);
/// How long RECOGNITION-COMPLETE may take to overtake a BYE that came before it on another socket.
const BYE_GRACE: Duration = Duration::from_millis(500);

/// What all calls of a load have in common.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) codec: Codec,
    pub(super) grammar: String,
    pub(super) parameters: Vec<(String, String)>,
    /// How long an INVITE's answer is waited for.
    pub(super) setup_timeout: Duration,
    /// How long a result is waited for.
    pub(super) result_timeout: Duration,
    pub(super) hold: Hold,
    /// A recognition follows another until the call has been held long enough.
    pub(super) again: bool,
}

/// The grammar that ends before the beep, as soon as it is known who answered.
const WITHOUT_BEEPS: &str = "builtin:speech/answer";

/// What a call plays.
#[derive(Debug)]
pub(super) struct Played {
    /// The recording's length.
    pub(super) duration: Duration,
    pub(super) expected: Option<Expected>,
}

/// What a call wants done or tells.
#[derive(Debug, PartialEq)]
pub(super) enum Output {
    /// Send this SIP message; to another address than the server's if the dialog's next hop has one.
    Sip { to: Option<SocketAddr>, bytes: Vec<u8> },
    /// Have a control connection to this address for the channel, one that is not shared if `new`.
    Join { mrcp: SocketAddr, channel: ChannelIdentifier, new: bool },
    /// Send this on the control connection.
    Control(Vec<u8>),
    /// Play the recording to this address, and tell by [`Call::playing`] when its first packet is due.
    Play { to: SocketAddr, payload_type: u8 },
    /// Play no more.
    Quiet,
    /// Something happened.
    Told(Told),
}

/// What happened.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    /// INVITE was accepted, so long after it was sent.
    SetUp(Duration),
    /// INVITE was refused for want of room: 503 with Retry-After.
    NoRoom,
    /// RECOGNIZE was answered, so long after it was sent.
    Responded(Duration),
    /// RECOGNITION-COMPLETE came.
    Completed(Completed),
    /// It went wrong. `missing`: a recognition was asked for whose result does not come.
    Failed { failure: Failure, missing: bool },
    /// Sound and recognition have ended; only the signalling goes on.
    Left,
    /// The call is over.
    Over,
}

/// A recognition that completed.
#[derive(Debug, PartialEq)]
pub(super) struct Completed {
    /// The label; without success, the cause.
    pub(super) label: String,
    /// Since RECOGNIZE was sent.
    pub(super) since_request: Duration,
    /// Since the packet left that holds the sound it was decided at.
    pub(super) delivery: Option<Duration>,
    /// Since the packet left that holds the end of the beep.
    pub(super) since_beep: Option<Duration>,
    /// Whether the label is the true one; `None` if that is not known or it is none of the call's first.
    pub(super) right: Option<bool>,
    /// Whether the beep was told, where one was listened for and comes.
    pub(super) beep_told: Option<bool>,
}

/// Why a call had no result, or no good end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens for SIP at the server's address, or the connection to it is gone.
    NothingThere,
    /// INVITE was not answered in time.
    NoAnswer,
    /// INVITE was refused with this status.
    Refused(u16),
    /// The answer's SDP cannot be used.
    BadAnswer(String),
    /// The control connection could not be opened, or was lost.
    ConnectionLost,
    /// A request on the control connection was not answered in time.
    NoResponse(&'static str),
    /// RECOGNIZE was refused with this status.
    RequestRefused(u16),
    /// No RECOGNITION-COMPLETE came in time.
    NoResult,
    /// The server ended the call before its time.
    HungUp,
    /// BYE was not answered.
    ByeUnanswered,
    /// No socket could be had for it.
    NoSocket(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingThere => f.write_str("nobody listens for SIP"),
            Self::NoAnswer => f.write_str("INVITE not answered"),
            Self::Refused(status) => write!(f, "INVITE refused with {status}"),
            Self::BadAnswer(why) => write!(f, "SDP answer: {why}"),
            Self::ConnectionLost => f.write_str("MRCP connection lost"),
            Self::NoResponse(method) => write!(f, "{method} not answered"),
            Self::RequestRefused(status) => write!(f, "RECOGNIZE refused with {status}"),
            Self::NoResult => f.write_str("no RECOGNITION-COMPLETE"),
            Self::HungUp => f.write_str("the server hung up"),
            Self::ByeUnanswered => f.write_str("BYE not answered"),
            Self::NoSocket(why) => write!(f, "socket: {why}"),
        }
    }
}

/// One call.
///
/// ```text
///            200 / ACK, RECOGNIZE        IN-PROGRESS            COMPLETE          held long enough / BYE    200
///   Inviting -----------------> Requested ---------> Listening ---------> Holding ---------------> Leaving ---> Over
///                                   ^                    | COMPLETE, again    |                       ^
///                                   +--------------------+                    |                       |
///                                          held long enough / STOP -> Stopping ---- response / BYE ---+
/// ```
#[derive(Debug)]
pub(super) struct Call {
    plan: Arc<Plan>,
    played: Arc<Played>,
    uac: Uac,
    phase: Phase,
    invited: Instant,
    established: Option<Instant>,
    channel: Option<ChannelIdentifier>,
    /// Where the sound goes, and as what.
    sound: Option<(SocketAddr, u8)>,
    /// When the first packet of the recording was due.
    first_packet: Option<Instant>,
    next_request_id: u32,
    /// Recognitions that completed.
    completed: u32,
    /// No more is begun: the run has ended.
    finishing: bool,
    outputs: VecDeque<Output>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Inviting { until: Instant },
    Requested { id: RequestId, at: Instant },
    Listening { id: RequestId, at: Instant, until: Instant, hung_up: bool },
    Holding { until: Instant },
    Stopping { id: RequestId, until: Instant },
    Leaving { until: Instant },
    Over,
}

impl Call {
    /// Calls: `uac` sends INVITE with the offer.
    pub(super) fn place(now: Instant, plan: Arc<Plan>, played: Arc<Played>, mut uac: Uac, offer: Vec<u8>) -> Self {
        uac.invite(now, offer);
        let until = now + plan.setup_timeout;
        let mut call = Self {
            plan,
            played,
            uac,
            phase: Phase::Inviting { until },
            invited: now,
            established: None,
            channel: None,
            sound: None,
            first_packet: None,
            next_request_id: 1,
            completed: 0,
            finishing: false,
            outputs: VecDeque::new(),
        };
        call.drain_uac(now);
        call
    }

    /// What to do or tell next.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Call::handle_timeout`] is wanted.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.phase {
            Phase::Requested { at, .. } => Some(at + RESPONSE_TIMEOUT),
            Phase::Listening { until, hung_up: false, .. } => Some(self.held_until().map_or(until, |at| at.min(until))),
            Phase::Inviting { until }
            | Phase::Listening { until, .. }
            | Phase::Holding { until }
            | Phase::Stopping { until, .. }
            | Phase::Leaving { until } => Some(until),
            Phase::Over => None,
        };
        own.into_iter().chain(self.uac.poll_timeout().filter(|_| self.phase != Phase::Over)).min()
    }

    /// Whether the INVITE waits for its final response.
    pub(super) fn is_inviting(&self) -> bool {
        matches!(self.phase, Phase::Inviting { .. })
    }

    /// The channel, once there is one.
    pub(super) const fn channel(&self) -> Option<&ChannelIdentifier> {
        self.channel.as_ref()
    }

    /// The first packet of the recording is due then.
    pub(super) const fn playing(&mut self, first_packet: Instant) {
        self.first_packet = Some(first_packet);
    }

    /// The run has ended: what is held is let go, what waits for its one result may.
    pub(super) fn finish(&mut self, now: Instant) {
        self.finishing = true;
        match self.phase {
            Phase::Holding { .. } => self.leave(now),
            Phase::Listening { .. } if self.plan.again => self.stop(now),
            _ => {}
        }
    }

    /// Leaves at once: CANCEL, or STOP and BYE.
    pub(super) fn interrupt(&mut self, now: Instant) {
        self.finishing = true;
        match self.phase {
            Phase::Listening { .. } => self.stop(now),
            Phase::Inviting { .. } | Phase::Requested { .. } | Phase::Holding { .. } => self.leave(now),
            Phase::Stopping { .. } | Phase::Leaving { .. } | Phase::Over => {}
        }
    }

    /// Takes a SIP message for this call.
    pub(super) fn handle_sip(&mut self, now: Instant, message: &sip::Message) {
        self.uac.handle_message(now, message);
        self.drain_uac(now);
    }

    /// Nobody listens where SIP is sent to. With a session the control connection tells whether the server lives.
    pub(super) fn handle_nothing_there(&mut self) {
        match self.phase {
            Phase::Inviting { .. } => self.fail(Failure::NothingThere, false),
            Phase::Leaving { .. } => {
                self.outputs.push_back(Output::Told(Told::Failed { failure: Failure::ByeUnanswered, missing: false }))
            }
            _ => return,
        }
        self.end();
    }

    /// The control connection is gone, or cannot be had.
    pub(super) fn handle_connection_lost(&mut self, now: Instant) {
        match self.phase {
            Phase::Requested { .. } | Phase::Listening { .. } => {
                self.fail_and_leave(now, Failure::ConnectionLost, true)
            }
            Phase::Holding { .. } | Phase::Stopping { .. } => {
                self.fail_and_leave(now, Failure::ConnectionLost, false);
            }
            Phase::Inviting { .. } | Phase::Leaving { .. } | Phase::Over => {}
        }
    }

    /// Takes an MRCP message for this call's channel.
    pub(super) fn handle_control(&mut self, now: Instant, message: &Message) {
        match (message, self.phase) {
            (Message::Response(response), Phase::Requested { id, at }) if response.id == id => {
                self.outputs.push_back(Output::Told(Told::Responded(now.saturating_duration_since(at))));
                if !response.status.is_success() || response.state == RequestState::Complete {
                    let failure = Failure::RequestRefused(response.status.0);
                    self.fail_and_leave(now, failure, true);
                    return;
                }
                let until = now + self.plan.result_timeout;
                self.phase = Phase::Listening { id, at, until, hung_up: false };
                if let (None, Some((to, payload_type))) = (self.first_packet, self.sound) {
                    self.outputs.push_back(Output::Play { to, payload_type });
                }
            }
            (Message::Response(response), Phase::Stopping { id, .. }) if response.id == id => self.leave(now),
            (Message::Event(event), Phase::Listening { id, at, hung_up, .. })
                if event.id == id && event.name == EventName::RecognitionComplete =>
            {
                let cause = mrcp::completion_cause(&event.headers);
                let body = String::from_utf8_lossy(&event.body);
                self.complete(now, at, cause, &body);
                self.completed += 1;
                if hung_up {
                    self.end();
                } else {
                    self.go_on(now);
                }
            }
            _ => {}
        }
    }

    /// Lets time pass.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.uac.handle_timeout(now);
        self.drain_uac(now);
        match self.phase {
            Phase::Inviting { until } if until <= now => {
                self.fail_and_leave(now, Failure::NoAnswer, false);
            }
            Phase::Requested { at, .. } if at + RESPONSE_TIMEOUT <= now => {
                self.fail_and_leave(now, Failure::NoResponse("RECOGNIZE"), true);
            }
            Phase::Listening { until, hung_up: true, .. } if until <= now => {
                self.fail(Failure::HungUp, true);
                self.end();
            }
            Phase::Listening { hung_up: false, .. } if self.held_until().is_some_and(|at| at <= now) => self.stop(now),
            Phase::Listening { until, hung_up: false, .. } if until <= now => {
                self.fail(Failure::NoResult, true);
                self.stop(now);
            }
            Phase::Holding { until } if until <= now => self.leave(now),
            Phase::Stopping { until, .. } if until <= now => {
                self.fail_and_leave(now, Failure::NoResponse("STOP"), false);
            }
            Phase::Leaving { until } if until <= now => {
                if self.established.is_some() {
                    self.fail(Failure::ByeUnanswered, false);
                }
                self.end();
            }
            _ => {}
        }
    }

    /// When a call whose recognitions follow one another has been held long enough.
    fn held_until(&self) -> Option<Instant> {
        self.hold_end().filter(|_| self.plan.again)
    }

    /// When the call has been held long enough; `None` if it ends with its result.
    fn hold_end(&self) -> Option<Instant> {
        match self.plan.hold {
            Hold::Result => None,
            Hold::Sound => Some(self.first_packet? + self.played.duration),
            Hold::For(time) => Some(self.established? + time),
        }
    }

    /// A recognition has completed: another one, a while of holding, or BYE.
    fn go_on(&mut self, now: Instant) {
        match self.hold_end().filter(|end| *end > now && !self.finishing) {
            Some(_) if self.plan.again => self.recognize(now),
            Some(until) => self.phase = Phase::Holding { until },
            None => self.leave(now),
        }
    }

    fn drain_uac(&mut self, now: Instant) {
        while let Some(output) = self.uac.poll_output() {
            match output {
                uac::Output::Send { to, bytes } => self.outputs.push_back(Output::Sip { to, bytes }),
                uac::Output::Accepted { sdp } => self.accepted(now, &sdp),
                uac::Output::Refused(refusal) => self.refused(&refusal),
                uac::Output::NoAnswer => {
                    self.fail(Failure::NoAnswer, false);
                    self.end();
                }
                uac::Output::HungUp => self.hung_up(now),
                uac::Output::Left { answered } => {
                    if !answered {
                        self.fail(Failure::ByeUnanswered, false);
                    }
                    self.end();
                }
                uac::Output::Provisional { .. } => {}
            }
        }
    }

    fn accepted(&mut self, now: Instant, answer: &[u8]) {
        self.established = Some(now);
        self.outputs.push_back(Output::Told(Told::SetUp(now.saturating_duration_since(self.invited))));
        let settled = sdp::settle(answer, &[self.plan.codec], &Security::default())
            .map_err(|error| error.to_string())
            .and_then(|settled| match ChannelIdentifier::parse(&settled.channel) {
                Some(channel) => Ok((settled, channel)),
                None => Err(format!("\"{}\" is no channel identifier", settled.channel)),
            });
        match settled {
            Ok((settled, channel)) => {
                self.sound = Some((settled.rtp, settled.payload_type));
                self.channel = Some(channel.clone());
                self.outputs.push_back(Output::Join { mrcp: settled.mrcp, channel, new: settled.new_connection });
                self.recognize(now);
            }
            Err(why) => self.fail_and_leave(now, Failure::BadAnswer(why), false),
        }
    }

    fn refused(&mut self, refusal: &Refusal) {
        if matches!(self.phase, Phase::Inviting { .. }) {
            let told = match (refusal.status, refusal.retry_after) {
                (503, Some(_)) => Told::NoRoom,
                (status, _) => Told::Failed { failure: Failure::Refused(status), missing: false },
            };
            self.outputs.push_back(Output::Told(told));
        }
        self.end();
    }

    fn hung_up(&mut self, now: Instant) {
        match self.phase {
            Phase::Listening { id, at, .. } => {
                self.phase = Phase::Listening { id, at, until: now + BYE_GRACE, hung_up: true };
                return;
            }
            Phase::Requested { .. } => self.fail(Failure::HungUp, true),
            Phase::Holding { .. } | Phase::Stopping { .. } => self.fail(Failure::HungUp, false),
            Phase::Inviting { .. } | Phase::Leaving { .. } | Phase::Over => {}
        }
        self.end();
    }

    fn recognize(&mut self, now: Instant) {
        let Some(channel) = &self.channel else { return };
        let id = RequestId(self.next_request_id);
        self.next_request_id += 1;
        let request = mrcp::recognize(channel, id, &self.plan.grammar, &self.plan.parameters)
            .expect("the parameters were tried before the first call");
        self.outputs.push_back(Output::Control(request.write()));
        self.phase = Phase::Requested { id, at: now };
    }

    fn complete(&mut self, now: Instant, requested: Instant, cause: Option<Cause>, body: &str) {
        let success = cause.as_ref().is_some_and(|cause| matches!(cause.code, 0 | 8));
        let answer = success.then(|| Answer::parse(body).ok()).flatten();
        let label = answer.as_ref().and_then(Answer::label).map(str::to_owned);
        let expected = self.played.expected.as_ref().filter(|_| self.completed == 0);
        let right = expected.map(|expected| {
            // A recognizer that was asked for the beep alone tells no more.
            let beep = label.as_deref() == Some("beep") && expected.beep_off.is_some();
            beep || label.as_deref() == Some(expected.label.as_str())
        });
        // Places in the recording are those of the first recognition: sound and recognition begin together.
        let since = |place: Duration| Some(now.saturating_duration_since(self.first_packet? + packet_of(place)));
        let number = |name| answer.as_ref()?.number(name).filter(|number| *number >= 0.0 && *number < 1e6);
        let decided = number("decided_at_s").filter(|_| self.completed == 0);
        let beep_told = number("beep.off_s").is_some();
        self.outputs.push_back(Output::Told(Told::Completed(Completed {
            label: label.unwrap_or_else(|| cause.map_or_else(|| "no cause".to_owned(), |cause| cause.to_string())),
            since_request: now.saturating_duration_since(requested),
            delivery: decided.and_then(|decided| since(Duration::from_secs_f64(decided))),
            since_beep: expected.and_then(|expected| expected.beep_off).filter(|_| beep_told).and_then(since),
            right,
            // A listening for who answered need not go on to the beep.
            beep_told: expected
                .and_then(|expected| expected.beep_off)
                .filter(|_| success && self.plan.grammar != WITHOUT_BEEPS)
                .map(|_| beep_told),
        })));
    }

    /// STOP: ends what is recognized, then BYE.
    fn stop(&mut self, now: Instant) {
        let Some(channel) = self.channel.clone() else { return };
        let id = RequestId(self.next_request_id);
        self.next_request_id += 1;
        self.outputs.push_back(Output::Control(Request::new(channel, Method::Stop, id).write()));
        self.phase = Phase::Stopping { id, until: now + RESPONSE_TIMEOUT };
    }

    fn leave(&mut self, now: Instant) {
        self.outputs.push_back(Output::Quiet);
        self.outputs.push_back(Output::Told(Told::Left));
        self.phase = Phase::Leaving { until: now + LEAVE_TIMEOUT };
        self.uac.leave(now);
        self.drain_uac(now);
        // Without a provisional response to the INVITE there is nothing to be sent, nor to be waited for.
        if self.uac.is_over() {
            self.end();
        }
    }

    fn fail(&mut self, failure: Failure, missing: bool) {
        self.outputs.push_back(Output::Told(Told::Failed { failure, missing }));
    }

    fn fail_and_leave(&mut self, now: Instant, failure: Failure, missing: bool) {
        self.fail(failure, missing);
        self.leave(now);
    }

    fn end(&mut self) {
        if self.phase != Phase::Over {
            if !matches!(self.phase, Phase::Leaving { .. }) {
                self.outputs.push_back(Output::Quiet);
                self.outputs.push_back(Output::Told(Told::Left));
            }
            self.phase = Phase::Over;
            self.outputs.push_back(Output::Told(Told::Over));
        }
    }
}

/// When the packet that holds a place of the recording leaves, after the first packet. What ends with a packet is in it.
fn packet_of(place: Duration) -> Duration {
    let packets = place.as_nanos().saturating_sub(1) / PTIME.as_nanos();
    PTIME * u32::try_from(packets).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
