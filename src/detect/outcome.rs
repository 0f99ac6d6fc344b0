//! What detection tells: events while it listens, and one outcome.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::audio::SampleTime;
use crate::detect::Findings;

/// Who, or what, answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// A person.
    Human,
    /// An answering machine's or a voicemail's greeting.
    Machine,
    /// A call-screening assistant that asks who is calling.
    Screening,
    /// An interactive menu, an auto-attendant or a carrier's announcement.
    Ivr,
    /// A fax machine or a modem.
    Fax,
    /// Special information tone: the number cannot be reached.
    Sit,
    /// Busy or congestion tone.
    Busy,
    /// It rings still: answered by the network, not by the callee.
    Ringback,
    /// Music, with nobody speaking.
    Music,
    /// Nothing is heard.
    Silence,
    /// A beep alone: told by the beep grammar.
    Beep,
    /// Sound that could not be told with enough confidence.
    Unknown,
}

impl Label {
    /// All labels, in the order of their declaration.
    pub const ALL: [Self; 12] = [
        Self::Human,
        Self::Machine,
        Self::Screening,
        Self::Ivr,
        Self::Fax,
        Self::Sit,
        Self::Busy,
        Self::Ringback,
        Self::Music,
        Self::Silence,
        Self::Beep,
        Self::Unknown,
    ];

    /// The word used in results, grammars and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Machine => "machine",
            Self::Screening => "screening",
            Self::Ivr => "ivr",
            Self::Fax => "fax",
            Self::Sit => "sit",
            Self::Busy => "busy",
            Self::Ringback => "ringback",
            Self::Music => "music",
            Self::Silence => "silence",
            Self::Beep => "beep",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Label {
    type Err = ();

    /// Reads a label's word, in any case.
    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|label| label.as_str().eq_ignore_ascii_case(word)).ok_or(())
    }
}

/// What a decision rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The trained model, with the rules beside it.
    Model,
    /// The rules alone: tones heard, or no model at hand.
    Rules,
}

impl Method {
    /// The word used in results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Rules => "rules",
        }
    }
}

/// A beep that was heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beep {
    /// First sample of the tone.
    pub on: SampleTime,
    /// First sample after the tone.
    pub off: SampleTime,
    /// Frequency in hertz; of a dual tone the stronger one.
    pub hz: f32,
    /// Level of the tone, dB relative to a full-scale sine.
    pub level_db: f32,
}

/// When things happened, in the stream's sample time; `None` where they did not.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timeline {
    /// When this listening began. The results tell all other times relative to it.
    pub started: SampleTime,
    /// When the outcome was decided: the last sample that was needed.
    pub decided_at: SampleTime,
    /// First speech.
    pub speech_on: Option<SampleTime>,
    /// End of the greeting: the last speech before the silence that ended it.
    pub greeting_end: Option<SampleTime>,
    /// The beep to speak after.
    pub beep: Option<Beep>,
    /// The moment to leave the message, where there is one.
    pub speak_at: Option<SampleTime>,
}

/// What special information tones say of the call, after the forms of North America (Bellcore SR-2275).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SitKind {
    /// The number was changed or is not in service.
    Intercept,
    /// The number does not exist.
    VacantCode,
    /// All circuits are busy, in the local network.
    NoCircuitLocal,
    /// All circuits are busy, in a distant network.
    NoCircuitDistant,
    /// The call could not be completed, in the local network.
    ReorderLocal,
    /// The call could not be completed, in a distant network.
    ReorderDistant,
    /// The ITU-T form (E.180), which gives no reason.
    Itu,
    /// Three tones that fit, in no known form.
    Other,
}

impl fmt::Display for SitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Intercept => "intercept",
            Self::VacantCode => "vacant code",
            Self::NoCircuitLocal => "no circuit, local",
            Self::NoCircuitDistant => "no circuit, distant",
            Self::ReorderLocal => "reorder, local",
            Self::ReorderDistant => "reorder, distant",
            Self::Itu => "ITU form",
            Self::Other => "other form",
        })
    }
}

/// A label and the probability that it is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alternative {
    /// The label.
    pub label: Label,
    /// 0.0 to 1.0.
    pub confidence: f32,
}

/// Why listening ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was decided.
    Decided,
    /// No-Input-Timeout ran out with nothing heard.
    NoInput,
    /// Recognition-Timeout ran out; the label is the best one so far.
    MaxTime,
    /// Speech was under way already when the listening began, which was asked to end then.
    TooEarly,
}

/// The one result of a listening.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Why listening ended.
    pub end: End,
    /// The best label; [`Label::Unknown`] if none reached the confidence threshold.
    pub label: Label,
    /// Probability that the label is right, 0.0 to 1.0.
    pub confidence: f32,
    /// Other labels, best first, without `label`.
    pub alternatives: Vec<Alternative>,
    /// The evidence in words, ASCII, for a person to read: "speech 0.62 s then silence 0.90 s".
    pub reason: String,
    /// Which kind of evidence decided.
    pub method: Method,
    /// When things happened.
    pub timeline: Timeline,
    /// What special information tones say, where they were heard.
    pub sit: Option<SitKind>,
    /// What was found until then, where [`Config::keep`](crate::detect::Config) asks for it.
    pub findings: Option<Arc<Findings>>,
}

/// How input came, for `Input-Type` (RFC 6787 section 9.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputType {
    /// Sound.
    Speech,
    /// A key, in band or as a telephone-event.
    Dtmf,
}

/// A decision told before the end of a listening, or one that corrects its end: only where
/// [`Listen::provisional`](crate::detect::Listen::provisional) asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Provisional {
    /// The label that is likely now.
    pub label: Label,
    /// Probability that it is right, 0.0 to 1.0.
    pub confidence: f32,
    /// When the listening began that it is about.
    pub started: SampleTime,
    /// When it became so: the last sample that was needed.
    pub at: SampleTime,
    /// Which kind of evidence told it.
    pub method: Method,
    /// The evidence in words, as in an outcome.
    pub reason: String,
    /// The label that was told before and is wrong now; the same label where only a beep is new.
    pub corrects: Option<Label>,
    /// The beep to speak after, if it was heard.
    pub beep: Option<Beep>,
}

/// What a listening tells while it runs. After [`Event::Concluded`] nothing more comes but keys and, where they were asked
/// for, corrections.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A key was pressed: a telephone-event, or a pair of tones in the sound. It is told at any time, also when nothing is
    /// listened to, as keys may come ahead of the request that they are for.
    Key {
        /// `0` to `9`, `*`, `#`, `A` to `D`.
        key: char,
        /// When it began.
        at: SampleTime,
    },
    /// First input: speech, tone or key. At most once in a listening.
    InputStarted {
        /// When it began.
        at: SampleTime,
        /// What it was.
        input: InputType,
    },
    /// A label has become likely, or another one than was told; a conclusion that it corrects has come before it. Only
    /// where the listener asks for it.
    Provisional(Box<Provisional>),
    /// The result.
    Concluded(Box<Outcome>),
}
