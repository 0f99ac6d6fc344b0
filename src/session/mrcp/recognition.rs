//! One RECOGNIZE: what it asks of detection, and what it makes of the outcome, RFC 6787 section 9.9.

use std::sync::Arc;
use std::time::Duration;

use crate::detect::{End, Goal, Hotword, Label, LabelSet, Listen, Outcome};
use crate::grammar::result::{self, Detail, Input, Match};
use crate::grammar::{self, Active, Format, Grammar, Interpretation, KeyMatch, Mode};
use crate::session::ConnectionId;
use crate::session::mrcp::Config;
use crate::session::mrcp::headers::Refusal;
use crate::session::mrcp::keys::{Fit, KeysEnd, Timing};
use crate::session::mrcp::params::Params;
use crate::wire::mrcp::{CompletionCause, Field, FieldName, HeaderName, RequestId, StatusCode};

/// A RECOGNIZE that was accepted: active, or waiting for its turn.
#[derive(Debug, Clone)]
pub(super) struct Recognition {
    pub(super) id: RequestId,
    /// Where the request came from: its events go there.
    pub(super) connection: ConnectionId,
    /// Cancel-If-Queue: whether a further RECOGNIZE cancels this one.
    pub(super) cancel_if_queue: bool,
    pub(super) listen: Listen,
    /// Media-Type of the recording that Save-Waveform asks for.
    pub(super) recording: Option<String>,
    /// Sound of Input-Waveform-URI.
    pub(super) waveform: Option<Arc<[i16]>>,
    /// Whether keys that were pressed before the request are forgotten: Clear-DTMF-Buffer, or New-Audio-Channel.
    pub(super) clear_keys: bool,
    /// New cookies, to be told at the end.
    pub(super) cookies: Vec<String>,
    /// How keys are collected, if a grammar is one of keys.
    pub(super) timing: Option<Timing>,
    /// Grammars, heaviest first, each with the confidence that it needs.
    grammars: Vec<(Active, f32)>,
    n_best: usize,
    /// Formats asked for by the request, and by the session.
    format: (Option<Format>, Format),
    detail: (Option<bool>, Option<bool>),
    /// What the call is called here, for results that tell more than a meaning.
    pub(super) call_id: Option<Arc<str>>,
}

/// What a recognition completed with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Completion {
    pub(super) cause: CompletionCause,
    pub(super) reason: String,
    /// Media type and body.
    pub(super) result: Option<(&'static str, String)>,
}

impl Completion {
    /// Without a result.
    pub(super) fn failed(cause: CompletionCause, reason: impl Into<String>) -> Self {
        Self { cause, reason: reason.into(), result: None }
    }
}

/// What was heard.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// Sound.
    Sound(Box<Outcome>),
    /// Keys.
    Keys(String, KeysEnd),
    /// Nothing that a result can be made of: it ended with this cause and reason.
    Nothing(CompletionCause, String),
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
        let early_no_match = request.boolean(HeaderName::EarlyNoMatch).unwrap_or(false);
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
        let incomplete = milliseconds(HeaderName::SpeechIncompleteTimeout, config.speech_incomplete_timeout_ms);
        let record = request
            .boolean(HeaderName::SaveWaveform)
            .or_else(|| session.boolean(HeaderName::SaveWaveform))
            .unwrap_or(false);
        let media_type = request.text(HeaderName::MediaType).or_else(|| session.text(HeaderName::MediaType));
        let dtmf = |mode: Mode| grammars.iter().any(|(active, _)| active.grammar.mode == mode);
        let timing = dtmf(Mode::Dtmf).then(|| {
            let term_char = request.text(HeaderName::DtmfTermChar).or_else(|| session.text(HeaderName::DtmfTermChar));
            let duration = |name, default| Duration::from_millis(milliseconds(name, default));
            Timing {
                interdigit: duration(HeaderName::DtmfInterdigitTimeout, config.dtmf_interdigit_timeout_ms),
                term: duration(HeaderName::DtmfTermTimeout, config.dtmf_term_timeout_ms),
                term_char: term_char
                    .unwrap_or(&config.dtmf_term_char)
                    .chars()
                    .next()
                    .map(|key| key.to_ascii_uppercase()),
                recognition: Duration::from_millis(recognition_timeout_ms),
                early_no_match,
                hotword: hotword.is_some(),
            }
        });
        let mut listen = Listen {
            goal,
            accepts: accepts(&grammars),
            speech: dtmf(Mode::Voice),
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
            speech_incomplete_timeout_ms: (incomplete > 0).then_some(incomplete),
            early_no_match,
            too_early: request
                .speech_too_early()
                .or_else(|| session.speech_too_early())
                .unwrap_or(config.speech_too_early),
            // One result, which is not corrected.
            provisional: false,
            record,
            start_input_timers: request.boolean(HeaderName::StartInputTimers).unwrap_or(true),
        };
        let no_input =
            [request, session].into_iter().find_map(|params| params.milliseconds(HeaderName::NoInputTimeout));
        Grammar::adjust(grammars.iter().map(|(active, _)| &*active.grammar), &mut listen, no_input);
        Ok(Self {
            id,
            connection,
            cancel_if_queue: request.boolean(HeaderName::CancelIfQueue).unwrap_or(false),
            listen,
            recording: record.then(|| media_type.unwrap_or(&config.media_type).to_owned()),
            timing,
            waveform: None,
            clear_keys: [HeaderName::ClearDtmfBuffer, HeaderName::NewAudioChannel]
                .into_iter()
                .any(|name| request.boolean(name).unwrap_or(false)),
            cookies: Vec::new(),
            grammars,
            n_best: usize::try_from(n_best).unwrap_or(usize::MAX),
            format: (request.format(), session.format().unwrap_or(config.result_format)),
            detail: (request.detail(), session.detail()),
            call_id: None,
        })
    }

    /// Whether only a match, and no other speech, ends it.
    pub(super) const fn is_hotword(&self) -> bool {
        self.listen.hotword.is_some()
    }

    /// Whether no input can match.
    pub(super) fn can_never_match(&self) -> bool {
        self.listen.accepts == LabelSet::EMPTY && self.timing.is_none()
    }

    /// How keys fit the grammars.
    pub(super) fn fit(&self, keys: &str) -> Fit {
        self.grammars.iter().fold(Fit::No, |fit, (active, _)| {
            fit.or(match active.grammar.keys(keys) {
                KeyMatch::No => Fit::No,
                KeyMatch::Partial => Fit::Partial,
                KeyMatch::Complete { more } => Fit::Complete { more },
            })
        })
    }

    /// The same with what a GET-RESULT asks for in the place of what the RECOGNIZE did (section 9.11).
    pub(super) fn with(&self, params: &Params) -> Self {
        let mut changed = self.clone();
        if let Some(threshold) = params.fraction(HeaderName::ConfidenceThreshold) {
            changed.listen.confidence_threshold = threshold;
            for (_, own) in &mut changed.grammars {
                *own = threshold;
            }
        }
        if let Some(n_best) = params.integer(HeaderName::NBestListLength) {
            changed.n_best = usize::try_from(n_best).unwrap_or(usize::MAX);
        }
        changed.format.0 = params.format().or(changed.format.0);
        changed.detail.0 = params.detail().or(changed.detail.0);
        changed
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

    /// Cause, reason and body for what was heard.
    pub(super) fn complete(&self, heard: &Heard) -> Completion {
        match heard {
            Heard::Sound(outcome) => self.complete_sound(outcome),
            Heard::Keys(keys, end) => self.complete_keys(keys, *end),
            Heard::Nothing(cause, reason) => Completion::failed(*cause, reason.clone()),
        }
    }

    fn complete_sound(&self, outcome: &Outcome) -> Completion {
        let found = if outcome.end == End::TooEarly { Found::default() } else { self.matches(outcome) };
        let cause = match outcome.end {
            End::MaxTime => CompletionCause::SUCCESS_MAXTIME,
            End::Decided | End::NoInput | End::TooEarly => CompletionCause::SUCCESS,
        };
        self.told(found, cause, &outcome.reason, Some(outcome)).unwrap_or_else(|| self.unmatched(outcome))
    }

    fn complete_keys(&self, keys: &str, end: KeysEnd) -> Completion {
        let cause = match end {
            KeysEnd::Match => CompletionCause::SUCCESS,
            KeysEnd::MatchMaxtime => CompletionCause::SUCCESS_MAXTIME,
            KeysEnd::Partial => CompletionCause::PARTIAL_MATCH,
            KeysEnd::PartialMaxtime => CompletionCause::PARTIAL_MATCH_MAXTIME,
            KeysEnd::NoMatch => CompletionCause::NO_MATCH,
            KeysEnd::NoMatchMaxtime => CompletionCause::NO_MATCH_MAXTIME,
            KeysEnd::HotwordMaxtime => CompletionCause::HOTWORD_MAXTIME,
        };
        let mut found = Found::default();
        if matches!(end, KeysEnd::Match | KeysEnd::MatchMaxtime) {
            for (active, _) in &self.grammars {
                found.add(active, Input::Keys(keys), 1.0, active.grammar.interpret_keys(keys));
            }
            found.matches.truncate(self.n_best);
        }
        let reason = match end {
            KeysEnd::Match | KeysEnd::MatchMaxtime => format!("keys {keys}"),
            KeysEnd::Partial | KeysEnd::PartialMaxtime => format!("keys {keys} begin a match, and no more came"),
            KeysEnd::NoMatch | KeysEnd::NoMatchMaxtime | KeysEnd::HotwordMaxtime => {
                format!("keys {keys} match no grammar")
            }
        };
        self.told(found, cause, &reason, None).unwrap_or_else(|| Completion::failed(cause, reason))
    }

    /// A text that INTERPRET gives instead of sound (section 9.20).
    pub(super) fn complete_text(&self, text: &str) -> Completion {
        let mut found = Found::default();
        for (active, _) in &self.grammars {
            found.add(active, Input::Text(text), 1.0, active.grammar.interpret_text(text));
        }
        found.matches.truncate(self.n_best);
        let none = || Completion::failed(CompletionCause::NO_MATCH, "the text matches no grammar");
        self.told(found, CompletionCause::SUCCESS, "", None).unwrap_or_else(none)
    }

    /// A completion with a result, if anything matches.
    fn told(
        &self,
        found: Found<'_>,
        cause: CompletionCause,
        reason: &str,
        outcome: Option<&Outcome>,
    ) -> Option<Completion> {
        let format = |active: &Active| self.format.0.or(active.grammar.settings.format).unwrap_or(self.format.1);
        if let Some((active, input, confidence, why)) = found.failed {
            let format = format(active);
            let body = result::write_input(format, &active.uri, input, confidence);
            let cause = CompletionCause::SEMANTICS_FAILURE;
            return Some(Completion { cause, reason: why, result: Some((format.media_type(), body)) });
        }
        let mut matches = found.matches.into_iter();
        let (best, active) = matches.next()?;
        let format = format(active);
        let detail = self.detail.0.or(active.grammar.settings.detail).or(self.detail.1).unwrap_or(false);
        let rest: Vec<Match<'_>> = matches.map(|(other, _)| other).collect();
        let detail = outcome.filter(|_| detail).map(|outcome| Detail { outcome, call_id: self.call_id.as_deref() });
        let body = result::write(format, &best, &rest, detail);
        Some(Completion { cause, reason: reason.to_owned(), result: Some((format.media_type(), body)) })
    }

    /// The labels that are likely enough and match, best first, as many as are wanted.
    fn matches(&self, outcome: &Outcome) -> Found<'_> {
        let told = (outcome.label, outcome.confidence);
        // That nothing could be told is known for sure: a grammar with the word "unknown" matches it, after all others.
        let unknown = outcome.label == Label::Unknown;
        let best = (!unknown).then_some(told);
        let others = outcome.alternatives.iter().map(|other| (other.label, other.confidence));
        let mut all = Found::default();
        for (label, confidence) in best.into_iter().chain(others).chain(unknown.then_some(told)) {
            let sure = |threshold| confidence >= threshold || label == Label::Unknown;
            let takes = |grammar: &Grammar| {
                // Silence is a result to call progress analysis alone.
                let silent = outcome.end == End::NoInput && grammar.words(label, outcome).is_none();
                !silent && grammar.takes(label, outcome)
            };
            let mut taking =
                self.grammars.iter().filter(|(active, threshold)| sure(*threshold) && takes(&active.grammar));
            // What a grammar of tones has a word for is said most exactly by that.
            let tones = taking.clone().find(|(active, _)| active.grammar.detects_tones());
            let matching = tones.or_else(|| taking.next());
            if let Some((active, _)) = matching {
                let input = active.grammar.words(label, outcome).map_or(Input::Label(label), Input::Words);
                // Several labels may have the same words; the likeliest one tells them.
                if !all.matches.iter().any(|(other, _)| other.input == input && other.grammar == active.uri) {
                    all.add(active, input, confidence, active.grammar.interpret(label, outcome));
                }
            }
        }
        all.matches.truncate(self.n_best);
        all
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
        let why = if matches!(outcome.end, End::NoInput | End::TooEarly) || label == Label::Unknown {
            String::new()
        } else if self.can_never_match() {
            format!("{label} {confidence:.2} is heard, but no word of the grammar is a label: ")
        } else if self.listen.accepts.contains(label) {
            let threshold = self.listen.confidence_threshold;
            format!("{label} {confidence:.2} is below Confidence-Threshold {threshold}: ")
        } else {
            format!("{label} {confidence:.2} is not in the grammar: ")
        };
        Completion::failed(cause, format!("{why}{}", outcome.reason))
    }
}

/// What matches, best first; or that the best match has no meaning.
#[derive(Default)]
struct Found<'a> {
    matches: Vec<(Match<'a>, &'a Active)>,
    failed: Option<(&'a Active, Input<'a>, f32, String)>,
}

impl<'a> Found<'a> {
    fn add(
        &mut self,
        active: &'a Active,
        input: Input<'a>,
        confidence: f32,
        meaning: Result<Option<Interpretation>, grammar::Error>,
    ) {
        match meaning {
            Ok(Some(Interpretation { meaning, .. })) => {
                self.matches.push((Match { grammar: &active.uri, input, confidence, meaning }, active));
            }
            Ok(None) => {}
            Err(error) if self.matches.is_empty() => {
                self.failed.get_or_insert((active, input, confidence, error.reason));
            }
            Err(_) => {}
        }
    }
}

/// What is wanted by all grammars together: if they differ, to hear all of it.
fn goal(grammars: &[Active]) -> Goal {
    let voice = grammars.iter().filter(|active| active.grammar.mode == Mode::Voice);
    let mut goals = voice.map(|active| active.grammar.goal);
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
