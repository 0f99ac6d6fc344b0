//! Grammars of `LumenVox`'s call progress analysis: `meta` elements that choose what is detected, and results in its words.
//!
//! `STREAM|DETECTION_MODE` makes a grammar one of CPA (who answered) or of Tone (beeps, fax, SIT, busy); both may be active in
//! one RECOGNIZE. docs/lumenvox.md has the names and what differs.

use crate::detect::{End, Goal, Label, LabelSet, Listen, Outcome, SitKind};
use crate::grammar::Error;

/// What a grammar of call progress analysis asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cpa {
    mode: Mode,
    /// A person's greeting shorter than this is a residence's, in milliseconds.
    residence_ms: u64,
    /// Speech shorter than this is a person's, if length alone decides, in milliseconds.
    business_ms: u64,
    /// Silence that is a result, in milliseconds.
    silence_ms: u64,
    /// Speech is told at its end, or when it has not ended after so many milliseconds.
    prompt_end_ms: Option<u64>,
    /// How long a tone is waited for, in milliseconds.
    tone_ms: Option<u64>,
    /// Length alone tells people from machines.
    by_length: bool,
    amd: bool,
    fax: bool,
    sit: bool,
    busy: bool,
    screening: bool,
    /// Own texts of results, by those that they replace.
    texts: Vec<(&'static str, String)>,
}

/// What is detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Cpa,
    Tone,
}

const RESIDENCE: &str = "HUMAN RESIDENCE";
const BUSINESS: &str = "HUMAN BUSINESS";
const SPEECH: &str = "UNKNOWN SPEECH";
const SILENCE: &str = "UNKNOWN SILENCE";
const PROMPT_END: &str = "PROMPT_END_TIMEOUT";
const AMD: &str = "AMD";
const FAX: &str = "FAX";
const BUSY: &str = "BUSY";
const SCREENING: &str = "SCREENING";

/// All results.
const RESULTS: [&str; 16] = [
    RESIDENCE,
    BUSINESS,
    SPEECH,
    SILENCE,
    PROMPT_END,
    AMD,
    FAX,
    BUSY,
    SCREENING,
    "SIT INTERCEPT",
    "SIT VACANT CODE",
    "SIT NO CIRCUIT LOCAL",
    "SIT NO CIRCUIT DISTANT",
    "SIT REORDER LOCAL",
    "SIT REORDER DISTANT",
    "SIT OTHER",
];

const fn sit_text(kind: Option<SitKind>) -> &'static str {
    match kind {
        Some(SitKind::Intercept) => "SIT INTERCEPT",
        Some(SitKind::VacantCode) => "SIT VACANT CODE",
        Some(SitKind::NoCircuitLocal) => "SIT NO CIRCUIT LOCAL",
        Some(SitKind::NoCircuitDistant) => "SIT NO CIRCUIT DISTANT",
        Some(SitKind::ReorderLocal) => "SIT REORDER LOCAL",
        Some(SitKind::ReorderDistant) => "SIT REORDER DISTANT",
        Some(SitKind::Itu | SitKind::Other) | None => "SIT OTHER",
    }
}

impl Cpa {
    /// What the `meta` elements ask for; `None` if the grammar is one of words.
    pub(super) fn read(meta: &[(String, String)]) -> Result<Option<Self>, Error> {
        let mode = meta.iter().find_map(|(name, content)| match plain(name) == "DETECTION_MODE" {
            true if content.trim().eq_ignore_ascii_case("cpa") => Some(Mode::Cpa),
            true if content.trim().eq_ignore_ascii_case("tone") => Some(Mode::Tone),
            _ => None,
        });
        let Some(mode) = mode else { return Ok(None) };
        let mut cpa = Self {
            mode,
            residence_ms: 1_800,
            business_ms: 3_000,
            silence_ms: 5_000,
            prompt_end_ms: None,
            tone_ms: None,
            by_length: false,
            amd: true,
            fax: true,
            sit: true,
            busy: false,
            screening: false,
            texts: Vec::new(),
        };
        let (mut prompt_end, mut prompt_end_ms) = (false, 10_000);
        for (name, content) in meta {
            let (name, content) = (plain(name), content.trim());
            let wrong = |what: &str| Error::compilation(format!("meta: {name}={content} is not {what}"));
            let ms = || content.parse::<u64>().map_err(|_| wrong("a number of milliseconds"));
            let switch = || match content.to_ascii_lowercase().as_str() {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                _ => Err(wrong("true or false")),
            };
            match name.strip_prefix("CPA_").unwrap_or(&name) {
                "HUMAN_RESIDENCE_TIME" => cpa.residence_ms = ms()?,
                "HUMAN_BUSINESS_TIME" => cpa.business_ms = ms()?,
                "UNKNOWN_SILENCE_TIMEOUT" => cpa.silence_ms = ms()?,
                "PROMPT_END_DETECT" => prompt_end = switch()?,
                "PROMPT_END_TIMEOUT" => prompt_end_ms = ms()?,
                "BY_LENGTH" => cpa.by_length = switch()?,
                "TONE_DETECT_TIMEOUT" => cpa.tone_ms = Some(ms()?).filter(|ms| *ms > 0),
                "AMD_ENABLE" | "AMD_CUSTOM_ENABLE" => cpa.amd = switch()?,
                "FAX_ENABLE" | "FAX_CUSTOM_ENABLE" => cpa.fax = switch()?,
                "SIT_ENABLE" | "SIT_CUSTOM_ENABLE" => cpa.sit = switch()?,
                "BUSY_ENABLE" | "BUSY_CUSTOM_ENABLE" => cpa.busy = switch()?,
                "SCREENING_ENABLE" | "SCREENING_CUSTOM_ENABLE" => cpa.screening = switch()?,
                other => {
                    if let Some(result) = RESULTS.into_iter().find(|result| is_text_of(other, result)) {
                        cpa.texts.push((result, content.to_owned()));
                    }
                }
            }
        }
        cpa.prompt_end_ms = prompt_end.then_some(prompt_end_ms);
        if cpa.business_ms < cpa.residence_ms {
            return Err(Error::compilation(format!(
                "meta: CPA_HUMAN_BUSINESS_TIME={} is less than CPA_HUMAN_RESIDENCE_TIME={}",
                cpa.business_ms, cpa.residence_ms
            )));
        }
        Ok(Some(cpa))
    }

    pub(super) fn detects_tones(&self) -> bool {
        self.mode == Mode::Tone
    }

    /// What the listener wants to know, with this grammar alone.
    pub(super) const fn goal(&self) -> Goal {
        match (self.mode, self.screening) {
            (Mode::Cpa, _) => Goal::Answer,
            (Mode::Tone, false) => Goal::Beep,
            // Only then it is told what speaks.
            (Mode::Tone, true) => Goal::Voicemail,
        }
    }

    /// Labels that end a listening as soon as they are told.
    pub(super) fn accepts(&self) -> LabelSet {
        let labels: &[(Label, bool)] = match self.mode {
            Mode::Cpa => {
                let speech = self.prompt_end_ms.is_none();
                &[
                    (Label::Human, true),
                    (Label::Machine, speech),
                    (Label::Screening, speech),
                    (Label::Ivr, speech),
                    (Label::Music, true),
                    (Label::Silence, true),
                    (Label::Unknown, true),
                ]
            }
            Mode::Tone => &[
                (Label::Beep, self.amd),
                (Label::Fax, self.fax),
                (Label::Sit, self.sit),
                (Label::Busy, self.busy),
                (Label::Screening, self.screening),
            ],
        };
        labels.iter().filter(|(_, accepted)| *accepted).fold(LabelSet::EMPTY, |set, (label, _)| set.with(*label))
    }

    /// The result that `label` of an outcome is told as; `None` if the grammar does not detect it.
    pub(super) fn words(&self, label: Label, outcome: &Outcome) -> Option<&str> {
        let result = match self.mode {
            Mode::Cpa => self.answer(label, outcome),
            Mode::Tone => self.tone(label, outcome),
        }?;
        let own = self.texts.iter().rev().find(|(replaced, _)| *replaced == result);
        Some(own.map_or(result, |(_, text)| text))
    }

    fn answer(&self, label: Label, outcome: &Outcome) -> Option<&'static str> {
        let timeline = &outcome.timeline;
        let waited_ms = timeline.decided_at.ms_since(timeline.started);
        let spoken_ms = timeline.speech_on.map_or(0, |on| {
            let end = timeline.greeting_end.unwrap_or(timeline.decided_at);
            end.ms_since(on)
        });
        let speech = if outcome.end == End::MaxTime && self.prompt_end_ms.is_some() { PROMPT_END } else { SPEECH };
        match label {
            Label::Silence if outcome.end == End::NoInput => (waited_ms >= self.silence_ms).then_some(SILENCE),
            Label::Silence => Some(SILENCE),
            Label::Human | Label::Machine | Label::Screening | Label::Ivr if self.by_length => Some(match spoken_ms {
                ms if ms < self.residence_ms => RESIDENCE,
                ms if ms < self.business_ms => BUSINESS,
                _ => speech,
            }),
            Label::Human => Some(if spoken_ms < self.residence_ms { RESIDENCE } else { BUSINESS }),
            Label::Machine | Label::Screening | Label::Ivr | Label::Music => Some(speech),
            Label::Unknown => timeline.speech_on.map(|_| speech),
            Label::Fax | Label::Sit | Label::Busy | Label::Ringback | Label::Beep => None,
        }
    }

    fn tone(&self, label: Label, outcome: &Outcome) -> Option<&'static str> {
        let beep = outcome.timeline.beep.is_some() && label == outcome.label;
        match label {
            Label::Screening if self.screening => Some(SCREENING),
            Label::Beep | Label::Machine | Label::Screening | Label::Ivr if beep && self.amd => Some(AMD),
            Label::Fax if self.fax => Some(FAX),
            Label::Sit if self.sit => Some(sit_text(outcome.sit)),
            Label::Busy if self.busy => Some(BUSY),
            _ => None,
        }
    }

    /// What several such grammars together make of a listening. `no_input_ms` is what the client itself asked for.
    pub(super) fn adjust(active: &[&Self], listen: &mut Listen, no_input_ms: Option<u64>) {
        let mut answers = active.iter().filter(|cpa| cpa.mode == Mode::Cpa).peekable();
        if answers.peek().is_none() {
            let tone_ms = active.iter().filter_map(|cpa| cpa.tone_ms).max();
            listen.recognition_timeout_ms = tone_ms.or(listen.recognition_timeout_ms);
            // A greeting's end is nothing to Tone: it waits for what comes after.
            listen.speech_complete_timeout_ms = listen.recognition_timeout_ms;
            return;
        }
        // The first one to tell ends it, and CPA tells who answered at once.
        listen.goal = Goal::Answer;
        for cpa in answers {
            listen.no_input_timeout_ms = Some(no_input_ms.map_or(cpa.silence_ms, |ms| ms.min(cpa.silence_ms)));
            if let Some(ms) = cpa.prompt_end_ms {
                listen.recognition_timeout_ms = Some(ms);
            }
        }
    }
}

/// A `meta` element's name without what it begins with, in capital letters.
fn plain(name: &str) -> String {
    let name = name.trim().to_ascii_uppercase();
    name.strip_prefix("STREAM|").map_or(name.clone(), str::to_owned)
}

/// Whether a name is that of a result's own text.
fn is_text_of(name: &str, result: &str) -> bool {
    let stem = result.replace(' ', "_");
    let rest = name.strip_prefix(&stem);
    rest.is_some_and(|rest| rest == "_CUSTOM_INPUT_TEXT" || rest == "_INPUT_TEXT")
}
