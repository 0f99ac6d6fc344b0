//! Results: what a match is told as, in NLSML (RFC 6787 section 6.3.1) or JSON. docs/results.md shows both.

mod json;
mod nlsml;

use crate::audio::SampleTime;
use crate::detect::{Label, Outcome};
use crate::grammar::{Format, Meaning};

/// One label as a grammar matched it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match<'a> {
    /// URI of the grammar.
    pub grammar: &'a str,
    /// The label.
    pub label: Label,
    /// Probability, 0.0 to 1.0.
    pub confidence: f32,
    /// What the grammar says that it means.
    pub meaning: &'a Meaning,
}

/// Writes a result: `best`, the other matches `rest` best first, and with `detail` what `outcome` tells beside.
#[must_use]
pub fn write(format: Format, best: &Match<'_>, rest: &[Match<'_>], outcome: &Outcome, detail: bool) -> String {
    match format {
        Format::Nlsml => nlsml::write(best, rest, outcome, detail),
        Format::Json => json::write(best, rest, outcome, detail),
    }
}

/// Seconds since the listening began, to the millisecond. Negative for what began before it.
fn seconds(outcome: &Outcome, at: SampleTime) -> f64 {
    let started = outcome.timeline.started.as_secs();
    round(at.as_secs() - started, 1000.0)
}

fn round(number: f64, per_one: f64) -> f64 {
    let rounded = (number * per_one).round() / per_one;
    // No "-0".
    rounded + 0.0
}

/// A probability to two digits, and never outside of 0 to 1.
fn confidence(number: f32) -> f64 {
    round(f64::from(number.clamp(0.0, 1.0)), 100.0)
}
