//! What was measured, and with what, as a report tells it.

use serde::Serialize;

/// What was measured, and with what.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Settings {
    /// The table.
    pub truth: String,
    /// URI of the grammar.
    pub grammar: String,
    /// What it listens for: "answer", "beep" or "voicemail".
    pub goal: &'static str,
    /// What ran the model.
    pub backend: String,
    /// The model that was asked for, if not the built-in one.
    pub model: Option<String>,
    /// Models that the table names, each for some of the calls.
    pub models: Vec<String>,
    /// The table of operating points, if not the built-in one.
    pub points: Option<String>,
    /// The row of it that served.
    pub operating_point: OperatingPoint,
    /// The version of the program.
    pub version: String,
    /// What was done to the recordings, in words; empty if nothing.
    pub stress: Vec<String>,
    /// Whether what is told before the decision, and corrects it, was asked for.
    pub provisional: bool,
}

/// A row of the table of operating points, and what chose it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OperatingPoint {
    /// Whose rows: "model" or "rules".
    pub of: &'static str,
    /// Its number, from 1, the fastest.
    pub row: usize,
    /// How many there are.
    pub rows: usize,
    /// The dial, 0.0 to 1.0.
    pub speed_vs_accuracy: f64,
    /// The share of people that may be lost, 0.0 to 1.0.
    pub max_human_loss: f64,
    /// The share that it was measured to lose, if it was.
    pub human_loss: Option<f64>,
}
