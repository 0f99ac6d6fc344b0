//! What is counted when it happens, by anyone who holds the [`Metrics`]: all label values are of small sets.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::audio::SAMPLE_RATE;
use crate::detect::{End, Event, Goal, Label, Listen, Outcome};
use crate::ops::exposition::{Exposition, Form, Reader};
use crate::ops::{panics, process};

/// The way by which a call's sound comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// SIP and MRCPv2.
    Mrcpv2,
    /// RTSP and MRCPv1.
    Mrcpv1,
    /// A stream over a WebSocket, or the like.
    WebSocket,
}

impl Door {
    /// All doors.
    pub const ALL: [Self; 3] = [Self::Mrcpv2, Self::Mrcpv1, Self::WebSocket];

    /// The word used in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mrcpv2 => "mrcpv2",
            Self::Mrcpv1 => "mrcpv1",
            Self::WebSocket => "websocket",
        }
    }
}

/// Why a call is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// All calls of `engine.max_calls` are taken.
    Full,
    /// There is no headroom: the processor has no time for another one.
    Overload,
    /// No RTP port is free.
    NoPort,
    /// Nothing of the offer can be agreed on.
    NotAcceptable,
    /// The offer can't be read.
    Malformed,
    /// A fault of this server.
    Internal,
}

impl Refusal {
    const ALL: [Self; 6] =
        [Self::Full, Self::Overload, Self::NoPort, Self::NotAcceptable, Self::Malformed, Self::Internal];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Overload => "overload",
            Self::NoPort => "no_port",
            Self::NotAcceptable => "not_acceptable",
            Self::Malformed => "malformed",
            Self::Internal => "internal",
        }
    }
}

/// What a malformed message should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// SIP, over any transport.
    Sip,
    /// RTSP, the MRCPv1 in it too.
    Rtsp,
    /// MRCPv2.
    Mrcp,
    /// FreeSWITCH's Event Socket.
    Esl,
    /// Messages of a WebSocket.
    WebSocket,
}

impl Protocol {
    const ALL: [Self; 5] = [Self::Sip, Self::Rtsp, Self::Mrcp, Self::Esl, Self::WebSocket];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Sip => "sip",
            Self::Rtsp => "rtsp",
            Self::Mrcp => "mrcp",
            Self::Esl => "esl",
            Self::WebSocket => "websocket",
        }
    }
}

/// What a listening is asked for, as labels tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grammar {
    /// Who answered.
    Answer,
    /// The moment to speak.
    Beep,
    /// Who answered, and of a machine the moment to speak.
    Voicemail,
    /// Keys, and no sound.
    Keys,
}

impl Grammar {
    /// What a listening asks for.
    #[must_use]
    pub const fn of(listen: &Listen) -> Self {
        match listen.goal {
            _ if !listen.speech => Self::Keys,
            Goal::Answer => Self::Answer,
            Goal::Beep => Self::Beep,
            Goal::Voicemail => Self::Voicemail,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Beep => "beep",
            Self::Voicemail => "voicemail",
            Self::Keys => "keys",
        }
    }

    /// Whether it asks who answered.
    const fn asks_who(self) -> bool {
        matches!(self, Self::Answer | Self::Voicemail)
    }
}

macro_rules! labels {
    ($($name:ident { $($label:ident: $kind:ty),* })*) => {
        $(#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $name { $($label: $kind),* })*
    };
}

labels! {
    OfDoor { door: &'static str }
    OfRefusal { door: &'static str, reason: &'static str }
    OfMethod { method: &'static str }
    OfResponse { method: &'static str, status: u16 }
    OfCause { cause: &'static str }
    OfProtocol { protocol: &'static str }
    OfDecision { label: &'static str, method: &'static str, grammar: &'static str }
    OfGrammar { grammar: &'static str }
    OfCorrection { from: &'static str, to: &'static str }
    OfResult { result: &'static str }
    OfFeedback { told: &'static str, correct: &'static str }
    OfStream { dialect: &'static str, result: &'static str }
}

/// Bounds of times until a decision, in seconds.
const DECISION_S: [f64; 16] = [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 20.0, 45.0, 120.0];
/// Bounds of times after a beep's end, in seconds.
const BEEP_S: [f64; 12] = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0];
/// Bounds of times on the clock between sound and result, in seconds.
const LAG_S: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 1.0, 2.5];

type DecisionTimes = Family<OfGrammar, Histogram, fn() -> Histogram>;
type Share = Gauge<f64, AtomicU64>;

/// All that is counted. A clone counts for the same.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: RwLock<Registry>,
    detections: Counter,
    detection_rate: Share,
    machines: AtomicI64Gauge,
    detection_times: Histogram,
    calls_active: Family<OfDoor, Gauge>,
    calls: Family<OfDoor, Counter>,
    refused: Family<OfRefusal, Counter>,
    sip_requests: Family<OfMethod, Counter>,
    sip_responses: Family<OfResponse, Counter>,
    rtsp_requests: Family<OfMethod, Counter>,
    rtsp_responses: Family<OfResponse, Counter>,
    mrcp_responses: Family<OfResponse, Counter>,
    completions: Family<OfCause, Counter>,
    malformed: Family<OfProtocol, Counter>,
    decisions: Family<OfDecision, Counter>,
    decision_times: DecisionTimes,
    beep_times: Histogram,
    result_times: Histogram,
    corrections: Family<OfCorrection, Counter>,
    fetches: Family<OfResult, Counter>,
    waveforms: Family<OfResult, Counter>,
    streams: Family<OfStream, Counter>,
    feedback: Family<OfFeedback, Counter>,
    feedback_withdrawn: Family<OfFeedback, Counter>,
}

type AtomicI64Gauge = Gauge<i64, AtomicI64>;

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Counts from zero.
    #[must_use]
    pub fn new() -> Self {
        let mut inner = Inner {
            registry: RwLock::default(),
            detections: Counter::default(),
            detection_rate: Gauge::default(),
            machines: Gauge::default(),
            detection_times: Histogram::new(DECISION_S),
            calls_active: Family::default(),
            calls: Family::default(),
            refused: Family::default(),
            sip_requests: Family::default(),
            sip_responses: Family::default(),
            rtsp_requests: Family::default(),
            rtsp_responses: Family::default(),
            mrcp_responses: Family::default(),
            completions: Family::default(),
            malformed: Family::default(),
            decisions: Family::default(),
            decision_times: Family::new_with_constructor(|| Histogram::new(DECISION_S)),
            beep_times: Histogram::new(BEEP_S),
            result_times: Histogram::new(LAG_S),
            corrections: Family::default(),
            fetches: Family::default(),
            waveforms: Family::default(),
            streams: Family::default(),
            feedback: Family::default(),
            feedback_withdrawn: Family::default(),
        };
        inner.begin();
        let mut registry = Registry::default();
        inner.register(&mut registry);
        inner.registry = RwLock::new(registry);
        let metrics = Self(Arc::new(inner));
        metrics.read(process::write);
        metrics.read(|page| {
            let help = "Panics, each a bug that is in the log, and that cost a call or less.";
            page.counter("answerd_panics", help, None, panics() as f64)
        });
        metrics
    }

    /// Has numbers written when they are asked for, after those that are there.
    pub fn read(&self, write: impl Fn(&mut Exposition<'_>) -> fmt::Result + Send + Sync + 'static) {
        let mut registry = self.0.registry.write().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(Reader(write)));
    }

    /// All metrics as they are now.
    #[must_use]
    pub fn show(&self, form: Form) -> String {
        let mut text = String::with_capacity(32 << 10);
        let registry = self.0.registry.read().unwrap_or_else(PoisonError::into_inner);
        // Nothing fails that writes to a String.
        if prometheus_client::encoding::text::encode(&mut text, &registry).is_err() {
            tracing::error!("metrics can't be written");
        }
        form.of(text)
    }

    /// A call that was taken; dropped, it is over.
    #[must_use]
    pub fn call(&self, door: Door) -> InCall {
        let door = OfDoor { door: door.as_str() };
        self.0.calls.get_or_create(&door).inc();
        let active = self.0.calls_active.get_or_create_owned(&door);
        active.inc();
        InCall(active)
    }

    /// A call that was not taken.
    pub fn refused(&self, door: Door, reason: Refusal) {
        self.0.refused.get_or_create(&OfRefusal { door: door.as_str(), reason: reason.as_str() }).inc();
    }

    /// A SIP request that came.
    pub fn sip_request(&self, method: &str) {
        self.0.sip_requests.get_or_create(&OfMethod { method: known(&SIP_METHODS, method) }).inc();
    }

    /// A SIP response that was sent.
    pub fn sip_response(&self, method: &str, status: u16) {
        self.0.sip_responses.get_or_create(&OfResponse { method: known(&SIP_METHODS, method), status }).inc();
    }

    /// An RTSP request that came.
    pub fn rtsp_request(&self, method: &str) {
        self.0.rtsp_requests.get_or_create(&OfMethod { method: known(&RTSP_METHODS, method) }).inc();
    }

    /// An RTSP response that was sent.
    pub fn rtsp_response(&self, method: &str, status: u16) {
        self.0.rtsp_responses.get_or_create(&OfResponse { method: known(&RTSP_METHODS, method), status }).inc();
    }

    /// An MRCP request was answered.
    pub fn mrcp_response(&self, method: &str, status: u16) {
        self.0.mrcp_responses.get_or_create(&OfResponse { method: known(&MRCP_METHODS, method), status }).inc();
    }

    /// A recognition is over: with the name of its Completion-Cause (RFC 6787 section 9.4.11).
    pub fn completed(&self, cause: &'static str) {
        self.0.completions.get_or_create(&OfCause { cause }).inc();
    }

    /// Messages that could not be read.
    pub fn malformed(&self, protocol: Protocol, messages: u64) {
        self.0.malformed.get_or_create(&OfProtocol { protocol: protocol.as_str() }).inc_by(messages);
    }

    /// What a listening told.
    pub fn heard(&self, grammar: Grammar, event: &Event) {
        match event {
            Event::Concluded(outcome) => self.concluded(grammar, outcome),
            Event::Provisional(told) => {
                if let Some(from) = told.corrects.filter(|from| *from != told.label) {
                    let correction = OfCorrection { from: from.as_str(), to: told.label.as_str() };
                    self.0.corrections.get_or_create(&correction).inc();
                }
            }
            Event::Key { .. } | Event::InputStarted { .. } => {}
        }
    }

    fn concluded(&self, grammar: Grammar, outcome: &Outcome) {
        let inner = &*self.0;
        let (label, method, grammar_label) = (outcome.label.as_str(), outcome.method.as_str(), grammar.as_str());
        inner.decisions.get_or_create(&OfDecision { label, method, grammar: grammar_label }).inc();
        let timeline = &outcome.timeline;
        let decided_s = timeline.decided_at.ms_since(timeline.started) as f64 / 1_000.0;
        inner.decision_times.get_or_create(&OfGrammar { grammar: grammar_label }).observe(decided_s);
        if let Some(beep) = timeline.beep.filter(|_| outcome.end == End::Decided) {
            let samples = timeline.decided_at.0.saturating_sub(beep.off.0);
            inner.beep_times.observe(samples as f64 / f64::from(SAMPLE_RATE));
        }
        if grammar.asks_who() && outcome.end != End::TooEarly {
            let detections = inner.detections.inc() + 1;
            let machines =
                if outcome.label == Label::Machine { inner.machines.inc() + 1 } else { inner.machines.get() };
            inner.detection_rate.set(machines as f64 / detections as f64);
            inner.detection_times.observe(decided_s);
        }
    }

    /// A result was given to its connection, so long after its call knew the decision.
    pub fn told(&self, lag: Duration) {
        self.0.result_times.observe(lag.as_secs_f64());
    }

    /// A document that a request needs is there, or is not.
    pub fn fetched(&self, ok: bool) {
        self.0.fetches.get_or_create(&OfResult::of(ok)).inc();
    }

    /// A recording that a client asked for is kept, or is not.
    pub fn recorded(&self, ok: bool) {
        self.0.waveforms.get_or_create(&OfResult::of(ok)).inc();
    }

    /// A stream of call audio is over, of which it was decided who answered, or was not.
    pub fn stream_ended(&self, dialect: &'static str, decided: bool) {
        self.0.streams.get_or_create(&OfStream::of(dialect, decided)).inc();
    }

    /// Somebody says who really answered a call of which `told` was told.
    pub fn feedback(&self, told: Label, correct: Label) {
        let labels = OfFeedback { told: told.as_str(), correct: correct.as_str() };
        self.0.feedback.get_or_create(&labels).inc();
    }

    /// A feedback was replaced by another one.
    pub fn feedback_withdrawn(&self, told: Label, correct: Label) {
        let labels = OfFeedback { told: told.as_str(), correct: correct.as_str() };
        self.0.feedback_withdrawn.get_or_create(&labels).inc();
    }
}

/// Something that is counted as long as it is there.
#[derive(Debug)]
pub struct InCall(Gauge);

impl Drop for InCall {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl OfResult {
    const fn of(ok: bool) -> Self {
        Self { result: if ok { "ok" } else { "failed" } }
    }
}

impl OfStream {
    const fn of(dialect: &'static str, decided: bool) -> Self {
        Self { dialect, result: if decided { "decided" } else { "unfinished" } }
    }
}

impl Inner {
    /// Makes the series that should be there before anything was counted: without them the first increase can't be seen.
    fn begin(&self) {
        for door in Door::ALL {
            let of = OfDoor { door: door.as_str() };
            drop(self.calls.get_or_create(&of));
            drop(self.calls_active.get_or_create(&of));
            for reason in Refusal::ALL {
                let of = OfRefusal { door: door.as_str(), reason: reason.as_str() };
                drop(self.refused.get_or_create(&of));
            }
        }
        for protocol in Protocol::ALL {
            drop(self.malformed.get_or_create(&OfProtocol { protocol: protocol.as_str() }));
        }
        for results in [&self.fetches, &self.waveforms] {
            for ok in [true, false] {
                drop(results.get_or_create(&OfResult::of(ok)));
            }
        }
        for decided in [true, false] {
            drop(self.streams.get_or_create(&OfStream::of("tap", decided)));
        }
        for method in ["INVITE", "BYE"] {
            drop(self.sip_requests.get_or_create(&OfMethod { method }));
            drop(self.sip_responses.get_or_create(&OfResponse { method, status: 200 }));
        }
        for method in ["SETUP", "TEARDOWN"] {
            drop(self.rtsp_requests.get_or_create(&OfMethod { method }));
            drop(self.rtsp_responses.get_or_create(&OfResponse { method, status: 200 }));
        }
        drop(self.mrcp_responses.get_or_create(&OfResponse { method: "RECOGNIZE", status: 200 }));
        for cause in ["success", "no-match", "no-input-timeout", "recognizer-error"] {
            drop(self.completions.get_or_create(&OfCause { cause }));
        }
        let (human, machine) = (Label::Human.as_str(), Label::Machine.as_str());
        drop(self.corrections.get_or_create(&OfCorrection { from: human, to: machine }));
        for told in [human, machine] {
            for correct in [human, machine] {
                drop(self.feedback.get_or_create(&OfFeedback { told, correct }));
                drop(self.feedback_withdrawn.get_or_create(&OfFeedback { told, correct }));
            }
            let decision = OfDecision { label: told, method: "model", grammar: Grammar::Answer.as_str() };
            drop(self.decisions.get_or_create(&decision));
        }
        for grammar in [Grammar::Answer, Grammar::Beep, Grammar::Voicemail] {
            drop(self.decision_times.get_or_create(&OfGrammar { grammar: grammar.as_str() }));
        }
    }

    fn register(&self, to: &mut Registry) {
        // The registry adds the full stop.
        let help = "Calls of which it was decided who answered, whoever that was";
        to.register("voicemail_detection", help, self.detections.clone());
        let help = "Share of voicemail_detection_total that told an answering machine, from 0 to 1, since the start";
        to.register("voicemail_detection_rate", help, self.detection_rate.clone());
        let help = "Time from the beginning of a listening to its decision who answered, in the time of the samples";
        to.register_with_unit("voicemail_detection_duration", help, Unit::Seconds, self.detection_times.clone());

        to.register("answerd_calls_active", "Calls that are there now, by door", self.calls_active.clone());
        to.register("answerd_calls", "Calls that were taken, by door", self.calls.clone());
        let help = "Calls that were not taken, by door and reason";
        to.register("answerd_calls_refused", help, self.refused.clone());
        let help = "SIP requests that came, repeated ones too";
        to.register("answerd_sip_requests", help, self.sip_requests.clone());
        let help = "SIP responses that were sent, repeated ones too, by the request's method";
        to.register("answerd_sip_responses", help, self.sip_responses.clone());
        to.register("answerd_rtsp_requests", "RTSP requests that came", self.rtsp_requests.clone());
        let help = "RTSP responses that were sent, by the request's method";
        to.register("answerd_rtsp_responses", help, self.rtsp_responses.clone());
        let help = "Requests of MRCPv2 and MRCPv1 that were answered, by method and status";
        to.register("answerd_mrcp_requests", help, self.mrcp_responses.clone());
        let help = "Recognitions that ended with RECOGNITION-COMPLETE, by Completion-Cause";
        to.register("answerd_recognitions", help, self.completions.clone());
        to.register(
            "answerd_malformed_messages",
            "Messages that could not be read, by protocol",
            self.malformed.clone(),
        );

        let help = "Decisions by label, by what decided (model or rules), and by what was asked";
        to.register("answerd_decisions", help, self.decisions.clone());
        let help =
            "Time from the beginning of a listening to its decision, in the time of the samples, not of the clock";
        to.register_with_unit("answerd_decision_duration", help, Unit::Seconds, self.decision_times.clone());
        let help = "Time from the end of a beep to the decision that it was one, in the time of the samples";
        to.register_with_unit("answerd_beep_delay", help, Unit::Seconds, self.beep_times.clone());
        let help = "Time on the clock from a decision being known to its call to the result being given to the connection; \
                    the sound has waited before for the tick, see answerd_tick_lag_seconds, or was gathered (`engine.gather_ms`)";
        to.register_with_unit("answerd_result_delay", help, Unit::Seconds, self.result_times.clone());
        let help = "Labels that were told and then corrected, where the door can carry that";
        to.register("answerd_corrections", help, self.corrections.clone());

        let help = "Documents that requests needed, fetched or kept from before";
        to.register("answerd_fetches", help, self.fetches.clone());
        to.register("answerd_waveforms", "Recordings that clients asked for", self.waveforms.clone());
        let help = "Streams of call audio that are over, by whose messages they were and by whether anything was decided before";
        to.register("answerd_streams_ended", help, self.streams.clone());
        let help = "Calls of which somebody said who answered, by what was told and by what is correct; without those of \
                    answerd_feedback_withdrawn_total, that is accuracy as far as anyone looked";
        to.register("answerd_feedback", help, self.feedback.clone());
        let help = "Feedback that was replaced by another one for the same call";
        to.register("answerd_feedback_withdrawn", help, self.feedback_withdrawn.clone());
    }
}

/// What stands for everything that no client should send.
const OTHER: &str = "other";

const SIP_METHODS: [&str; 13] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "UPDATE",
    "REGISTER",
    "INFO",
    "PRACK",
    "REFER",
    "SUBSCRIBE",
    "NOTIFY",
    "MESSAGE",
];

const RTSP_METHODS: [&str; 11] = [
    "DESCRIBE",
    "ANNOUNCE",
    "GET_PARAMETER",
    "OPTIONS",
    "PAUSE",
    "PLAY",
    "RECORD",
    "REDIRECT",
    "SETUP",
    "SET_PARAMETER",
    "TEARDOWN",
];

const MRCP_METHODS: [&str; 12] = [
    "SET-PARAMS",
    "GET-PARAMS",
    "DEFINE-GRAMMAR",
    "RECOGNIZE",
    "INTERPRET",
    "GET-RESULT",
    "START-INPUT-TIMERS",
    "STOP",
    "START-PHRASE-ENROLLMENT",
    "ENROLLMENT-ROLLBACK",
    "END-PHRASE-ENROLLMENT",
    "DELETE-PHRASE",
];

/// A name of a set, or the one for all others: what clients write must not become labels.
fn known<const N: usize>(names: &[&'static str; N], name: &str) -> &'static str {
    names.iter().copied().find(|known| *known == name).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleTime;
    use crate::detect::{Beep, Method, Provisional, Timeline};

    fn outcome(label: Label, decided_ms: u64) -> Event {
        let started = SampleTime(80_000);
        Event::Concluded(Box::new(Outcome {
            end: End::Decided,
            label,
            confidence: 0.9,
            alternatives: Vec::new(),
            reason: String::new(),
            method: Method::Model,
            timeline: Timeline { started, decided_at: started.plus_ms(decided_ms), ..Timeline::default() },
            sit: None,
            findings: None,
        }))
    }

    fn line(metrics: &Metrics, sample: &str) -> String {
        let text = metrics.show(Form::Text);
        let found = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {sample} in\n{text}")).to_owned()
    }

    #[test]
    fn decisions_are_counted_by_what_was_asked() {
        let metrics = Metrics::new();
        metrics.heard(Grammar::Answer, &outcome(Label::Human, 900));
        metrics.heard(Grammar::Voicemail, &outcome(Label::Machine, 2_300));
        metrics.heard(Grammar::Beep, &outcome(Label::Beep, 2_300));
        metrics.heard(Grammar::Answer, &outcome(Label::Machine, 1_000));
        assert_eq!(line(&metrics, "voicemail_detection_total"), "3");
        assert_eq!(line(&metrics, "voicemail_detection_rate"), "0.6666666666666666");
        let seconds: f64 = line(&metrics, "voicemail_detection_duration_seconds_sum").parse().unwrap();
        assert!((seconds - 4.2).abs() < 1e-9);
        assert_eq!(line(&metrics, "voicemail_detection_duration_seconds_bucket{le=\"1.0\"}"), "2");
        let machine = "answerd_decisions_total{label=\"machine\",method=\"model\",grammar=\"voicemail\"}";
        assert_eq!(line(&metrics, machine), "1");
        assert_eq!(line(&metrics, "answerd_decision_duration_seconds_count{grammar=\"beep\"}"), "1");
    }

    #[test]
    fn a_beep_is_dated_from_its_end() {
        let metrics = Metrics::new();
        let Event::Concluded(mut told) = outcome(Label::Machine, 2_000) else { panic!() };
        let off = told.timeline.started.plus_ms(1_750);
        told.timeline.beep = Some(Beep { on: told.timeline.started, off, hz: 1_000.0, level_db: -20.0 });
        metrics.heard(Grammar::Voicemail, &Event::Concluded(told));
        assert_eq!(line(&metrics, "answerd_beep_delay_seconds_sum"), "0.25");
    }

    #[test]
    fn only_another_label_is_a_correction() {
        let metrics = Metrics::new();
        let told = |label, corrects| {
            Event::Provisional(Box::new(Provisional {
                label,
                confidence: 0.8,
                started: SampleTime(0),
                at: SampleTime(0),
                method: Method::Rules,
                reason: String::new(),
                corrects,
                beep: None,
            }))
        };
        metrics.heard(Grammar::Answer, &told(Label::Human, None));
        metrics.heard(Grammar::Answer, &told(Label::Machine, Some(Label::Machine)));
        metrics.heard(Grammar::Answer, &told(Label::Machine, Some(Label::Human)));
        assert_eq!(line(&metrics, "answerd_corrections_total{from=\"human\",to=\"machine\"}"), "1");
        assert_eq!(metrics.show(Form::Text).matches("answerd_corrections_total{").count(), 1);
    }

    #[test]
    fn what_clients_write_does_not_become_labels() {
        let metrics = Metrics::new();
        for method in ["INVITE", "invite", "X\"}\n", ""] {
            metrics.sip_request(method);
            metrics.mrcp_response(method, 401);
        }
        assert_eq!(line(&metrics, "answerd_sip_requests_total{method=\"INVITE\"}"), "1");
        assert_eq!(line(&metrics, "answerd_sip_requests_total{method=\"other\"}"), "3");
        assert_eq!(line(&metrics, "answerd_mrcp_requests_total{method=\"other\",status=\"401\"}"), "4");
    }

    #[test]
    fn what_is_there_is_counted_until_it_is_dropped() {
        let metrics = Metrics::new();
        let call = metrics.call(Door::Mrcpv1);
        assert_eq!(line(&metrics, "answerd_calls_active{door=\"mrcpv1\"}"), "1");
        drop(call);
        assert_eq!(line(&metrics, "answerd_calls_active{door=\"mrcpv1\"}"), "0");
        assert_eq!(line(&metrics, "answerd_calls_total{door=\"mrcpv1\"}"), "1");
    }
}
