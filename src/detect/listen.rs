//! What one listening is asked for: the recognizer's headers as numbers.

use crate::detect::Label;

/// What the listener wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Who or what answered, as early as it can be told (`builtin:speech/answer`).
    Answer,
    /// The moment to speak: the end of a beep, or of a greeting without one (`builtin:speech/beep`).
    Beep,
    /// Who answered; and if it is a machine, go on until the message can be left (`builtin:speech/voicemail`).
    Voicemail,
}

/// Hotword mode (RFC 6787 section 9.9): only a match ends the listening, and only if its length is within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hotword {
    /// Hotword-Min-Duration in milliseconds.
    pub min_ms: u64,
    /// Hotword-Max-Duration in milliseconds.
    pub max_ms: u64,
}

/// A set of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelSet(u16);

impl LabelSet {
    /// Every label.
    pub const ALL: Self = Self(u16::MAX);
    /// No label.
    pub const EMPTY: Self = Self(0);

    /// This set and `label`.
    #[must_use]
    pub const fn with(self, label: Label) -> Self {
        Self(self.0 | 1 << label as u16)
    }

    /// One bit for each label, in the order of their declaration.
    pub(super) const fn bits(self) -> u16 {
        self.0
    }

    /// The set of these bits.
    pub(super) const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Whether `label` is in the set.
    #[must_use]
    pub const fn contains(self, label: Label) -> bool {
        self.0 & 1 << label as u16 != 0
    }
}

/// One listening. All times run in sample time, so that a recording and a call are decided alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Listen {
    /// What is wanted.
    pub goal: Goal,
    /// Labels that the active grammars can match. In hotword mode nothing else ends the listening.
    pub accepts: LabelSet,
    /// Whether sound is input. If not, as with grammars of keys alone, only keys or the No-Input timer end it.
    pub speech: bool,
    /// Hotword mode, if asked.
    pub hotword: Option<Hotword>,
    /// Confidence-Threshold: probability below which a label is not told, 0.0 to 1.0.
    pub confidence_threshold: f32,
    /// Sensitivity-Level: 0.0 hears only loud sound as input, 1.0 the faintest.
    pub sensitivity: f32,
    /// Speed-Vs-Accuracy: 0.0 fastest, 1.0 surest (RFC 6787 section 9.4.3).
    pub speed_vs_accuracy: f32,
    /// No-Input-Timeout in milliseconds; `None` waits without limit.
    pub no_input_timeout_ms: Option<u64>,
    /// Recognition-Timeout in milliseconds, counted from the first input (RFC 6787 section 9.9).
    pub recognition_timeout_ms: Option<u64>,
    /// Speech-Complete-Timeout in milliseconds: the silence that ends a greeting; `None` leaves it to the policy.
    pub speech_complete_timeout_ms: Option<u64>,
    /// Speech-Incomplete-Timeout in milliseconds: the silence after speech of which it can't be told yet what it is, that
    /// ends the listening; `None` leaves it to the policy.
    pub speech_incomplete_timeout_ms: Option<u64>,
    /// Early-No-Match: what is told and is not in `accepts` ends the listening at once, not only after the speech's end.
    pub early_no_match: bool,
    /// Ends with [`End::TooEarly`](crate::detect::End::TooEarly) if speech is under way when the listening begins.
    pub too_early: bool,
    /// Whether likely labels are told before the end, and a person's corrected after it, for
    /// [`Config::revise_ms`](crate::detect::Config): for listeners that can carry more than one result.
    pub provisional: bool,
    /// Save-Waveform: what is listened to is recorded, and handed over with the outcome.
    pub record: bool,
    /// Start-Input-Timers: whether the No-Input timer runs from the start.
    pub start_input_timers: bool,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            goal: Goal::Answer,
            accepts: LabelSet::ALL,
            speech: true,
            hotword: None,
            confidence_threshold: 0.5,
            sensitivity: 0.5,
            speed_vs_accuracy: 0.5,
            no_input_timeout_ms: Some(5_000),
            recognition_timeout_ms: Some(30_000),
            speech_complete_timeout_ms: None,
            speech_incomplete_timeout_ms: None,
            early_no_match: false,
            too_early: false,
            provisional: false,
            record: false,
            start_input_timers: true,
        }
    }
}
