//! Decisions for all who want to know them beside the call's own client: doors tell them here, adapters listen.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use tokio::sync::broadcast;

use crate::audio::SampleTime;
use crate::detect::{End, Findings, Label, Method, Outcome, Provisional, Timeline};

/// Where a call came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// RFC 6787 over SIP, or MRCPv1 over RTSP.
    Mrcp,
    /// A stream over WebSocket, or the like.
    Stream,
}

impl Door {
    /// The word for it in events and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mrcp => "mrcp",
            Self::Stream => "stream",
        }
    }
}

/// How certain a decision is to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Likely now; the listening goes on.
    Provisional,
    /// The listening's result.
    Final,
    /// The result was told and is wrong, or the moment to speak came after it.
    Corrected,
}

impl Stage {
    /// The word for it in events and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisional => "provisional",
            Self::Final => "final",
            Self::Corrected => "corrected",
        }
    }
}

/// The moment to speak, of a listening that goes on for it after the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// This is the result, and the moment is waited for yet.
    Awaited,
    /// This tells the moment, or that none came; it is of the stage [`Stage::Corrected`], and the label stays.
    Told,
}

/// A beep, in milliseconds since the listening began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BeepTimes {
    /// Its begin.
    pub on_ms: i64,
    /// Its end.
    pub off_ms: i64,
    /// Frequency in hertz.
    pub hz: f32,
    /// Level, dB relative to a full-scale sine.
    pub level_db: f32,
}

/// When things happened, in milliseconds since the listening began; negative before it, `None` where they did not.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Times {
    /// The last sound that the decision needed.
    pub decided_ms: i64,
    /// First speech.
    pub speech_on_ms: Option<i64>,
    /// End of the greeting.
    pub greeting_end_ms: Option<i64>,
    /// The beep to speak after.
    pub beep: Option<BeepTimes>,
    /// The moment to leave the message.
    pub speak_at_ms: Option<i64>,
}

impl Times {
    fn of(timeline: &Timeline) -> Self {
        let at = |time| ms_between(timeline.started, time);
        Self {
            decided_ms: at(timeline.decided_at),
            speech_on_ms: timeline.speech_on.map(at),
            greeting_end_ms: timeline.greeting_end.map(at),
            beep: timeline.beep.map(|beep| BeepTimes {
                on_ms: at(beep.on),
                off_ms: at(beep.off),
                hz: beep.hz,
                level_db: beep.level_db,
            }),
            speak_at_ms: timeline.speak_at.map(at),
        }
    }
}

/// What was decided about a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Number of the decision, ascending in this process.
    pub number: u64,
    /// Where the call came in.
    pub door: Door,
    /// The call's identifier here: Call-ID or the like.
    pub call_id: Arc<str>,
    /// The call's identifier at its switch, if that was told: a FreeSWITCH channel's uuid.
    pub uuid: Option<Arc<str>>,
    /// How certain it is to stay.
    pub stage: Stage,
    /// Who, or what.
    pub label: Label,
    /// Probability that the label is right, 0.0 to 1.0.
    pub confidence: f32,
    /// Which kind of evidence decided.
    pub method: Method,
    /// The evidence in words, ASCII.
    pub reason: Arc<str>,
    /// Why the listening ended; `None` of a decision that did not end it.
    pub end: Option<End>,
    /// The label that was told before and is wrong now; the same label where only a beep is new.
    pub corrects: Option<Label>,
    /// When things happened.
    pub times: Times,
    /// Where the moment to speak is told apart from the result.
    pub moment: Option<Moment>,
    /// When it was told.
    pub at: SystemTime,
    /// What it rests on, where that is kept.
    pub findings: Option<Arc<Findings>>,
}

impl Decision {
    /// Whether those want it, too, who asked for nothing provisional: a result, or the moment to speak.
    fn is_for_all(&self) -> bool {
        self.stage == Stage::Final || self.moment == Some(Moment::Told)
    }

    /// Whether nothing is waited for after it: what hears the call may end.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.stage != Stage::Provisional && self.moment != Some(Moment::Awaited)
    }

    /// Whether an automatic voice answered, as `builtin:speech/boolean` tells it: true or false.
    #[must_use]
    pub fn is_voicemail(&self) -> bool {
        matches!(self.label, Label::Machine | Label::Screening | Label::Ivr | Label::Beep)
    }
}

/// Whose decision it is.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Where the call came in.
    pub door: Door,
    /// The call's identifier here.
    pub call_id: Arc<str>,
    /// The call's identifier at its switch.
    pub uuid: Option<Arc<str>>,
}

/// Decisions that may wait for a listener that is behind; it misses the oldest then, and calls never wait.
const BEHIND: usize = 1_024;

/// Takes decisions, and hands each to all who listen now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Decisions {
    sender: broadcast::Sender<Arc<Decision>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    told: AtomicUsize,
    /// Listeners that want what is provisional, too.
    eager: AtomicUsize,
}

/// A listener.
#[derive(Debug)]
pub struct DecisionListener {
    receiver: broadcast::Receiver<Arc<Decision>>,
    eager: Option<Arc<Shared>>,
}

/// What a listener gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A decision.
    Decision(Arc<Decision>),
    /// So many were missed: the listener was behind.
    Missed(u64),
}

impl Default for Decisions {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(BEHIND), shared: Arc::default() }
    }
}

impl Decisions {
    /// Listens from now on to results and to moments to speak; `eager` to all that is provisional or corrected, too, which costs
    /// the calls some work.
    #[must_use]
    pub fn listen(&self, eager: bool) -> DecisionListener {
        let eager = eager.then(|| Arc::clone(&self.shared)).inspect(|shared| {
            shared.eager.fetch_add(1, Ordering::Relaxed);
        });
        DecisionListener { receiver: self.sender.subscribe(), eager }
    }

    /// Whether somebody wants provisional and corrected decisions.
    #[must_use]
    pub fn wants_provisional(&self) -> bool {
        self.shared.eager.load(Ordering::Relaxed) > 0
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Tells a listening's result. Never waits.
    pub fn concluded(&self, subject: &Subject, outcome: &Outcome) {
        self.tell_result(subject, outcome, |decision| decision);
    }

    /// The like, where the moment to speak is to follow.
    pub fn concluded_so_far(&self, subject: &Subject, outcome: &Outcome) {
        self.tell_result(subject, outcome, |decision| Decision { moment: Some(Moment::Awaited), ..decision });
    }

    /// Tells the moment to speak after the result, which was `label` and stays, or that none came. Never waits.
    pub fn moment(&self, subject: &Subject, label: Label, outcome: &Outcome) {
        self.tell_result(subject, outcome, |decision| Decision {
            stage: Stage::Corrected,
            label,
            end: None,
            corrects: Some(label),
            moment: Some(Moment::Told),
            findings: None,
            ..decision
        });
    }

    fn tell_result(&self, subject: &Subject, outcome: &Outcome, adapted: impl FnOnce(Decision) -> Decision) {
        if !self.is_wanted() {
            return;
        }
        self.tell(subject, |number| {
            adapted(Decision {
                number,
                door: subject.door,
                call_id: Arc::clone(&subject.call_id),
                uuid: subject.uuid.clone(),
                stage: Stage::Final,
                label: outcome.label,
                confidence: outcome.confidence,
                method: outcome.method,
                reason: outcome.reason.as_str().into(),
                end: Some(outcome.end),
                corrects: None,
                times: Times::of(&outcome.timeline),
                moment: None,
                at: SystemTime::now(),
                findings: outcome.findings.clone(),
            })
        });
    }

    /// Tells what is likely before a listening's result, or after it (`concluded`) what corrects it. Never waits.
    pub fn provisional(&self, subject: &Subject, provisional: &Provisional, concluded: bool) {
        if !self.is_wanted() {
            return;
        }
        let timeline = Timeline {
            started: provisional.started,
            decided_at: provisional.at,
            beep: provisional.beep,
            speak_at: provisional.beep.map(|beep| beep.off),
            ..Timeline::default()
        };
        self.tell(subject, |number| Decision {
            number,
            door: subject.door,
            call_id: Arc::clone(&subject.call_id),
            uuid: subject.uuid.clone(),
            stage: if concluded { Stage::Corrected } else { Stage::Provisional },
            label: provisional.label,
            confidence: provisional.confidence,
            method: provisional.method,
            reason: provisional.reason.as_str().into(),
            end: None,
            corrects: provisional.corrects,
            times: Times::of(&timeline),
            moment: None,
            at: SystemTime::now(),
            findings: None,
        });
    }

    fn tell(&self, subject: &Subject, decision: impl FnOnce(u64) -> Decision) {
        let number = self.shared.told.fetch_add(1, Ordering::Relaxed) as u64 + 1;
        // The last listener may have gone just now.
        let heard = self.sender.send(Arc::new(decision(number))).unwrap_or(0);
        tracing::trace!(call_id = %subject.call_id, number, heard, "decision told");
    }
}

impl DecisionListener {
    /// The next decision; `None` when no more can come.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            match self.receiver.recv().await {
                // Somebody else wants it.
                Ok(decision) if self.eager.is_none() && !decision.is_for_all() => {}
                Ok(decision) => return Some(Told::Decision(decision)),
                Err(broadcast::error::RecvError::Lagged(missed)) => return Some(Told::Missed(missed)),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl Drop for DecisionListener {
    fn drop(&mut self) {
        if let Some(shared) = &self.eager {
            shared.eager.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn ms_between(from: SampleTime, to: SampleTime) -> i64 {
    let ms = |later: SampleTime, earlier| i64::try_from(later.ms_since(earlier)).unwrap_or(i64::MAX);
    if to >= from { ms(to, from) } else { -ms(from, to) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Beep;

    fn subject() -> Subject {
        Subject { door: Door::Mrcp, call_id: "call".into(), uuid: Some("u".into()) }
    }

    fn outcome() -> Outcome {
        Outcome {
            end: End::Decided,
            label: Label::Machine,
            confidence: 0.9,
            alternatives: Vec::new(),
            reason: "a beep".to_owned(),
            method: Method::Rules,
            timeline: Timeline {
                started: SampleTime(8_000),
                decided_at: SampleTime(24_000),
                speech_on: Some(SampleTime(4_000)),
                beep: Some(Beep { on: SampleTime(16_000), off: SampleTime(20_000), hz: 1_000.0, level_db: -20.0 }),
                ..Timeline::default()
            },
            sit: None,
            findings: None,
        }
    }

    #[tokio::test]
    async fn each_listener_gets_each_decision_and_one_that_is_behind_is_told_so() {
        let decisions = Decisions::default();
        decisions.concluded(&subject(), &outcome());
        let (mut first, mut second) = (decisions.listen(false), decisions.listen(true));
        assert!(decisions.wants_provisional());
        decisions.concluded(&subject(), &outcome());
        for listener in [&mut first, &mut second] {
            let Some(Told::Decision(decision)) = listener.next().await else { panic!("no decision") };
            assert_eq!((decision.label, decision.stage), (Label::Machine, Stage::Final));
            let times = decision.times;
            assert_eq!((times.decided_ms, times.speech_on_ms), (2_000, Some(-500)));
            let beep = times.beep.unwrap();
            assert_eq!((beep.on_ms, beep.off_ms), (1_000, 1_500));
        }
        drop(second);
        assert!(!decisions.wants_provisional());
        for _ in 0..BEHIND + 5 {
            decisions.concluded(&subject(), &outcome());
        }
        assert_eq!(first.next().await, Some(Told::Missed(5)));
        drop(decisions);
        for _ in 0..BEHIND {
            assert!(matches!(first.next().await, Some(Told::Decision(_))));
        }
        assert_eq!(first.next().await, None);
    }

    #[tokio::test]
    async fn the_moment_to_speak_comes_after_the_result_and_to_all() {
        let decisions = Decisions::default();
        let mut listener = decisions.listen(false);
        let mut spoken = outcome();
        spoken.timeline.speak_at = Some(SampleTime(20_000));
        let so_far = Outcome { timeline: Timeline { beep: None, speak_at: None, ..spoken.timeline }, ..spoken.clone() };
        decisions.concluded_so_far(&subject(), &so_far);
        decisions.moment(&subject(), Label::Ivr, &spoken);
        let Some(Told::Decision(result)) = listener.next().await else { panic!("no decision") };
        assert_eq!((result.stage, result.is_last()), (Stage::Final, false));
        let Some(Told::Decision(moment)) = listener.next().await else { panic!("no moment") };
        assert_eq!((moment.stage, moment.is_last()), (Stage::Corrected, true));
        assert_eq!((moment.label, moment.corrects, moment.end), (Label::Ivr, Some(Label::Ivr), None));
        assert_eq!((moment.times.speak_at_ms, moment.times.beep.unwrap().off_ms), (Some(1_500), 1_500));
        // That none came is told, too: who waits for it must know.
        decisions.moment(&subject(), Label::Ivr, &so_far);
        let Some(Told::Decision(none)) = listener.next().await else { panic!("no end") };
        assert_eq!((none.is_last(), none.times.speak_at_ms), (true, None));
    }

    #[tokio::test]
    async fn a_correction_is_dated_as_its_result() {
        let decisions = Decisions::default();
        let (mut listener, mut other) = (decisions.listen(true), decisions.listen(false));
        let provisional = Provisional {
            label: Label::Machine,
            confidence: 0.8,
            started: SampleTime(8_000),
            at: SampleTime(16_000),
            method: Method::Model,
            reason: String::new(),
            corrects: Some(Label::Human),
            beep: None,
        };
        decisions.provisional(&subject(), &provisional, true);
        let Some(Told::Decision(decision)) = listener.next().await else { panic!("no decision") };
        assert_eq!((decision.stage, decision.corrects), (Stage::Corrected, Some(Label::Human)));
        assert_eq!(decision.times.decided_ms, 1_000);
        decisions.concluded(&subject(), &outcome());
        let Some(Told::Decision(decision)) = other.next().await else { panic!("no decision") };
        assert_eq!(decision.stage, Stage::Final);
    }
}
