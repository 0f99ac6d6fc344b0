//! Results: what a match is told as, in NLSML (RFC 6787 section 6.3.1) or JSON. docs/results.md shows both.

mod json;
mod nlsml;

use serde::Serialize;

use crate::audio::SampleTime;
use crate::detect::{Label, Outcome};
use crate::grammar::{Format, Meaning};

/// One input as a grammar matched it.
#[derive(Debug, Clone, PartialEq)]
pub struct Match<'a> {
    /// URI of the grammar.
    pub grammar: &'a str,
    /// What was matched.
    pub input: Input<'a>,
    /// Probability, 0.0 to 1.0. Of a text nothing is told: nothing was heard.
    pub confidence: f32,
    /// What the grammar says that it means.
    pub meaning: Meaning,
}

/// What was matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// What the sound was told to be.
    Label(Label),
    /// The same in words of the grammar's own.
    Words(&'a str),
    /// Keys that were pressed, such as `1234`.
    Keys(&'a str),
    /// The text of INTERPRET.
    Text(&'a str),
}

impl Input<'_> {
    /// The text of the `input` element. Keys stand apart, RFC 6787 section 9.6.3.6.
    fn text(self) -> String {
        match self {
            Self::Label(label) => label.as_str().to_owned(),
            Self::Keys(keys) => {
                let keys: Vec<String> = keys.chars().filter(|key| !key.is_whitespace()).map(String::from).collect();
                keys.join(" ")
            }
            Self::Words(text) | Self::Text(text) => text.to_owned(),
        }
    }

    /// The modality, for `mode`.
    const fn mode(self) -> Option<&'static str> {
        match self {
            Self::Label(_) | Self::Words(_) => Some("speech"),
            Self::Keys(_) => Some("dtmf"),
            Self::Text(_) => None,
        }
    }
}

/// What is told beside a meaning.
#[derive(Debug, Clone, Copy)]
pub struct Detail<'a> {
    /// What was decided.
    pub outcome: &'a Outcome,
    /// The call's identifier here, by which feedback finds it.
    pub call_id: Option<&'a str>,
}

/// A beep, as every result in JSON or XML tells it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BeepResult {
    /// Its begin in seconds.
    pub on_s: f64,
    /// Its end in seconds.
    pub off_s: f64,
    /// Frequency in hertz, to a tenth.
    pub hz: f64,
    /// Level relative to a full-scale sine, in dB, to a tenth.
    pub level_db: f64,
}

impl BeepResult {
    /// With times that are rounded already.
    #[must_use]
    pub fn new(on_s: f64, off_s: f64, hz: f32, level_db: f32) -> Self {
        Self { on_s, off_s, hz: round(f64::from(hz), 10.0), level_db: round(f64::from(level_db), 10.0) }
    }
}

/// Writes a result: `best`, the other matches `rest` best first, and what `detail` tells beside.
#[must_use]
pub fn write(format: Format, best: &Match<'_>, rest: &[Match<'_>], detail: Option<Detail<'_>>) -> String {
    match format {
        Format::Nlsml => nlsml::write(best, rest, detail),
        Format::Json => json::write(best, rest, detail),
    }
}

/// Writes a result of an input that matches but has no meaning: the input alone, without an interpretation of it, as RFC 6787
/// section 9.4.11 asks for with 012 semantics-failure.
#[must_use]
pub fn write_input(format: Format, grammar: &str, input: Input<'_>, confidence: f32) -> String {
    let found = Match { grammar, input, confidence, meaning: Meaning::Null };
    match format {
        Format::Nlsml => nlsml::write_input(&found),
        Format::Json => json::write(&found, &[], None),
    }
}

/// Seconds since the listening began, to the millisecond. Negative for what began before it.
fn seconds(outcome: &Outcome, at: SampleTime) -> f64 {
    let started = outcome.timeline.started.as_secs();
    round(at.as_secs() - started, 1000.0)
}

/// Rounded to parts of one: thousandths where `per_one` is 1000.
#[must_use]
pub fn round(number: f64, per_one: f64) -> f64 {
    let rounded = (number * per_one).round() / per_one;
    // No "-0".
    rounded + 0.0
}

/// A probability to two digits, and never outside of 0 to 1.
#[must_use]
pub fn confidence(number: f32) -> f64 {
    round(f64::from(number.clamp(0.0, 1.0)), 100.0)
}
