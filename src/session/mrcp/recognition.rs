//! One RECOGNIZE: what it asks of detection, and what it makes of the outcome, RFC 6787 section 9.9.

use std::time::Duration;

use crate::detect::{End, Goal, Hotword, Label, LabelSet, Listen, Outcome};
use crate::grammar::result::{self, Input, Match};
use crate::grammar::{Active, Format};
use crate::session::ConnectionId;
use crate::session::mrcp::Config;
use crate::session::mrcp::params::{Params, Refusal};
use crate::wire::mrcp::{CompletionCause, Field, FieldName, HeaderName, RequestId, StatusCode};

/// A RECOGNIZE that was accepted: active, or waiting for its turn.
#[derive(Debug)]
pub(super) struct Recognition {
    pub(super) id: RequestId,
    /// Where the request came from: its events go there.
    pub(super) connection: ConnectionId,
    /// Cancel-If-Queue: whether a further RECOGNIZE cancels this one.
    pub(super) cancel_if_queue: bool,
    pub(super) listen: Listen,
    /// Save-Waveform.
    pub(super) save_waveform: bool,
    /// Grammars, heaviest first, each with the confidence that it needs.
    grammars: Vec<(Active, f32)>,
    n_best: usize,
    /// Formats asked for by the request, and by the session.
    format: (Option<Format>, Format),
    detail: (Option<bool>, Option<bool>),
}

/// What a recognition completed with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Completion {
    pub(super) cause: CompletionCause,
    pub(super) reason: String,
    /// Media type and body.
    pub(super) result: Option<(&'static str, String)>,
}

impl Recognition {
    /// What a request asks for: its own headers `request`, over those of its grammars, over those of the session.
    pub(super) fn new(
        (id, connection): (RequestId, ConnectionId),
        request: &Params,
        session: &Params,
        mut grammars: Vec<Active>,
        config: &Config,
    ) -> Result<Self, Refusal> {
        // Stable: of those that weigh the same, the first goes before (RFC 6787 section 9.9).
        grammars.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let setting = |name, own: &dyn Fn(&Active) -> Option<f32>, default: f32| {
            let of_grammar = || grammars.iter().find_map(own);
            request.fraction(name).or_else(of_grammar).or_else(|| session.fraction(name)).unwrap_or(default)
        };
        let milliseconds =
            |name, default: u64| request.milliseconds(name).or_else(|| session.milliseconds(name)).unwrap_or(default);
        let goal = goal(&grammars);
        let speed_vs_accuracy = setting(
            HeaderName::SpeedVsAccuracy,
            &|active| active.grammar.settings.speed_vs_accuracy,
            config.speed_vs_accuracy,
        );
        let n_best = request
            .integer(HeaderName::NBestListLength)
            .or_else(|| grammars.iter().find_map(|active| active.grammar.settings.n_best_list_length).map(u64::from))
            .or_else(|| session.integer(HeaderName::NBestListLength))
            .unwrap_or(u64::from(config.n_best_list_length));
        let recognition_timeout_ms = milliseconds(
            HeaderName::RecognitionTimeout,
            match goal {
                Goal::Answer => config.recognition_timeout_ms,
                Goal::Beep | Goal::Voicemail => config.message_timeout_ms,
            },
        );
        let grammars: Vec<(Active, f32)> = grammars
            .into_iter()
            .map(|active| {
                let threshold = request
                    .fraction(HeaderName::ConfidenceThreshold)
                    .or(active.grammar.settings.confidence_threshold)
                    .or_else(|| session.fraction(HeaderName::ConfidenceThreshold))
                    .unwrap_or(config.confidence_threshold);
                (active, threshold)
            })
            .collect();
        let hotword =
            request.text(HeaderName::RecognitionMode).is_some_and(|mode| mode.eq_ignore_ascii_case("hotword"));
        let hotword = if hotword { Some(hotword_bounds(request, config)?) } else { None };
        let complete = milliseconds(HeaderName::SpeechCompleteTimeout, config.speech_complete_timeout_ms);
        let listen = Listen {
            goal,
            accepts: accepts(&grammars),
            speech: true,
            hotword,
            confidence_threshold: grammars.iter().map(|(_, threshold)| *threshold).fold(1.0, f32::min),
            sensitivity: request
                .fraction(HeaderName::SensitivityLevel)
                .or_else(|| session.fraction(HeaderName::SensitivityLevel))
                .unwrap_or(config.sensitivity_level),
            speed_vs_accuracy,
            no_input_timeout_ms: Some(milliseconds(HeaderName::NoInputTimeout, config.no_input_timeout_ms)),
            recognition_timeout_ms: Some(recognition_timeout_ms),
            speech_complete_timeout_ms: (complete > 0).then_some(complete),
            speech_incomplete_timeout_ms: None,
            early_no_match: false,
            too_early: false,
            record: false,
            start_input_timers: request.boolean(HeaderName::StartInputTimers).unwrap_or(true),
        };
        Ok(Self {
            id,
            connection,
            cancel_if_queue: request.boolean(HeaderName::CancelIfQueue).unwrap_or(false),
            listen,
            save_waveform: request
                .boolean(HeaderName::SaveWaveform)
                .or_else(|| session.boolean(HeaderName::SaveWaveform))
                .unwrap_or(false),
            grammars,
            n_best: usize::try_from(n_best).unwrap_or(usize::MAX),
            format: (request.format(), session.format().unwrap_or(config.result_format)),
            detail: (request.detail(), session.detail()),
        })
    }

    /// Whether only a match, and no other speech, ends it.
    pub(super) const fn is_hotword(&self) -> bool {
        self.listen.hotword.is_some()
    }

    /// Whether no label can match.
    pub(super) fn can_never_match(&self) -> bool {
        self.listen.accepts == LabelSet::EMPTY
    }

    /// How long detection may take at most: from the start, or (`heard`) from the first input. `None` if its timers do
    /// not bound that.
    pub(super) fn longest(&self, heard: bool, timers_started: bool) -> Option<Duration> {
        let recognition = self.listen.recognition_timeout_ms?;
        let complete = self.listen.speech_complete_timeout_ms.unwrap_or(0);
        let ms = match (heard, self.is_hotword()) {
            // Speech that does not match resets the timer (section 9.9), as often as there is such speech.
            (_, true) => return None,
            (true, false) => recognition + complete,
            (false, false) if timers_started => self.listen.no_input_timeout_ms? + recognition + complete,
            (false, false) => return None,
        };
        Some(Duration::from_millis(ms))
    }

    /// Cause, reason and body for an outcome.
    pub(super) fn complete(&self, outcome: &Outcome) -> Completion {
        let matches =
            if matches!(outcome.end, End::NoInput | End::TooEarly) { Vec::new() } else { self.matches(outcome) };
        let Some(((best, grammar), rest)) = matches.split_first() else {
            return self.unmatched(outcome);
        };
        let cause = match outcome.end {
            End::MaxTime => CompletionCause::SUCCESS_MAXTIME,
            End::Decided | End::NoInput | End::TooEarly => CompletionCause::SUCCESS,
        };
        let settings = &grammar.grammar.settings;
        let format = self.format.0.or(settings.format).unwrap_or(self.format.1);
        let detail = self.detail.0.or(settings.detail).or(self.detail.1).unwrap_or(false);
        let rest: Vec<Match<'_>> = rest.iter().map(|(found, _)| found.clone()).collect();
        let body = result::write(format, best, &rest, detail.then_some(outcome));
        Completion { cause, reason: outcome.reason.clone(), result: Some((format.media_type(), body)) }
    }

    /// The labels that are likely enough and match, best first, as many as are wanted.
    fn matches(&self, outcome: &Outcome) -> Vec<(Match<'_>, &Active)> {
        let told = (outcome.label, outcome.confidence);
        // That nothing could be told is known for sure: a grammar with the word "unknown" matches it, after all others.
        let unknown = outcome.label == Label::Unknown;
        let best = (!unknown).then_some(told);
        let others = outcome.alternatives.iter().map(|other| (other.label, other.confidence));
        best.into_iter()
            .chain(others)
            .chain(unknown.then_some(told))
            .filter_map(|(label, confidence)| {
                let sure = |threshold| confidence >= threshold || label == Label::Unknown;
                let mut found = self.grammars.iter().filter(|(_, threshold)| sure(*threshold));
                found.find_map(|(active, _)| {
                    let meaning = active.grammar.interpret(label, outcome).ok()??.meaning;
                    let input = Input::Label(label);
                    Some((Match { grammar: &active.uri, input, confidence, meaning }, active))
                })
            })
            .take(self.n_best)
            .collect()
    }

    fn unmatched(&self, outcome: &Outcome) -> Completion {
        let cause = match outcome.end {
            End::NoInput => CompletionCause::NO_INPUT_TIMEOUT,
            End::MaxTime if self.is_hotword() => CompletionCause::HOTWORD_MAXTIME,
            End::MaxTime => CompletionCause::NO_MATCH_MAXTIME,
            End::TooEarly => CompletionCause::SPEECH_TOO_EARLY,
            End::Decided => CompletionCause::NO_MATCH,
        };
        let told = (outcome.label, outcome.confidence);
        let next = outcome.alternatives.first().map(|next| (next.label, next.confidence));
        let (label, confidence) = if outcome.label == Label::Unknown { next.unwrap_or(told) } else { told };
        let why = if outcome.end == End::NoInput || label == Label::Unknown {
            String::new()
        } else if self.can_never_match() {
            format!("{label} {confidence:.2} is heard, but no word of the grammar is a label: ")
        } else if self.listen.accepts.contains(label) {
            let threshold = self.listen.confidence_threshold;
            format!("{label} {confidence:.2} is below Confidence-Threshold {threshold}: ")
        } else {
            format!("{label} {confidence:.2} is not in the grammar: ")
        };
        Completion { cause, reason: format!("{why}{}", outcome.reason), result: None }
    }
}

/// What is wanted by all grammars together: if they differ, to hear all of it.
fn goal(grammars: &[Active]) -> Goal {
    let mut goals = grammars.iter().map(|active| active.grammar.goal);
    let Some(first) = goals.next() else { return Goal::Answer };
    if goals.all(|goal| goal == first) { first } else { Goal::Voicemail }
}

fn accepts(grammars: &[(Active, f32)]) -> LabelSet {
    Label::ALL
        .into_iter()
        .filter(|label| grammars.iter().any(|(active, _)| active.grammar.accepts().contains(*label)))
        .fold(LabelSet::EMPTY, LabelSet::with)
}

fn hotword_bounds(request: &Params, config: &Config) -> Result<Hotword, Refusal> {
    let given = |name| request.milliseconds(name);
    let (min, max) = (given(HeaderName::HotwordMinDuration), given(HeaderName::HotwordMaxDuration));
    let bounds = Hotword {
        min_ms: min.unwrap_or(config.hotword_min_duration_ms),
        max_ms: max.unwrap_or(config.hotword_max_duration_ms),
    };
    if bounds.min_ms <= bounds.max_ms {
        return Ok(bounds);
    }
    let field = |name: HeaderName| {
        request.text(name).map(|value| Field { name: FieldName::Known(name), value: value.to_owned() })
    };
    let fields = [field(HeaderName::HotwordMinDuration), field(HeaderName::HotwordMaxDuration)];
    Err(Refusal { status: StatusCode::ILLEGAL_VALUE, fields: fields.into_iter().flatten().collect() })
}
