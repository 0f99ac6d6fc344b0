//! Settings of detection.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use crate::detect::{Keep, Method, Points};

/// Settings of detection.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A model in ONNX to use instead of the built-in one.
    pub model: Option<PathBuf>,
    /// A table of operating points to use instead of the built-in one, which was made for the built-in model.
    pub points: Option<PathBuf>,
    /// The largest share of people, 0.0 to 1.0, that may be told as something else, by the table's own figures: the fastest
    /// row that keeps it serves, where Speed-Vs-Accuracy is 0.5.
    pub max_human_loss: f64,
    /// What the table says, once it is read.
    #[serde(skip)]
    pub table: Arc<Points>,
    /// Decide by rules alone, without any model.
    pub rules_only: bool,
    /// ONNX Runtime's shared library, to run the model with. Without it a network like the built-in one is run by our own
    /// arithmetic; for any other `ORT_DYLIB_PATH` and the usual places are looked at, and if there is none, rten runs it.
    pub onnxruntime: Option<PathBuf>,
    /// Never use an ONNX Runtime that is only found.
    pub builtin_runtime: bool,
    /// Shortest beep in milliseconds.
    pub beep_min_ms: u64,
    /// Longest beep in milliseconds, at most 2000.
    pub beep_max_ms: u64,
    /// Silence in milliseconds after a greeting without a beep, after which the message can be left. A recognizer's
    /// Speech-Complete-Timeout overrides it.
    pub greeting_silence_ms: u64,
    /// When no sound arrives at all for so long after speech, in milliseconds, what is known by then decides: the other
    /// side suppresses silence, or has gone.
    pub missing_ms: u64,
    /// How long after a person was told a beep or a machine's voice corrects that, in milliseconds, where the listener can
    /// carry it; 0: never.
    pub revise_ms: u64,
    /// What of each listening is kept for its decision to be made anew.
    #[serde(skip)]
    pub keep: Keep,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model: None,
            points: None,
            max_human_loss: 0.04,
            table: Points::built_in(),
            rules_only: false,
            onnxruntime: None,
            builtin_runtime: false,
            beep_min_ms: 70,
            beep_max_ms: 1_500,
            greeting_silence_ms: 3_000,
            missing_ms: 3_000,
            revise_ms: 4_000,
            keep: Keep::Nothing,
        }
    }
}

impl Config {
    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// The setting's name and what is wrong with it.
    pub fn validate(&self) -> Result<(), String> {
        if self.beep_min_ms < 60 || self.beep_min_ms >= self.beep_max_ms {
            return Err(format!("beep_min_ms: {} is not from 60 up to beep_max_ms", self.beep_min_ms));
        }
        if self.beep_max_ms > 2_000 {
            return Err(format!("beep_max_ms: {} is over 2000", self.beep_max_ms));
        }
        if !(500..=60_000).contains(&self.greeting_silence_ms) {
            return Err(format!("greeting_silence_ms: {} is not from 500 to 60000", self.greeting_silence_ms));
        }
        if !(500..=60_000).contains(&self.missing_ms) {
            return Err(format!("missing_ms: {} is not from 500 to 60000", self.missing_ms));
        }
        if self.revise_ms > 60_000 {
            return Err(format!("revise_ms: {} is over 60000", self.revise_ms));
        }
        if !(0.0..=1.0).contains(&self.max_human_loss) {
            return Err(format!("max_human_loss: {} is not from 0 to 1", self.max_human_loss));
        }
        let (method, rows) = if self.rules_only { (Method::Rules, "row for rules") } else { (Method::Model, "row") };
        match self.table.least_human_loss(method) {
            Some(least) if f64::from(least) > self.max_human_loss + 1e-6 => Err(format!(
                "max_human_loss: the table of operating points has no {rows} that loses at most {}; the least is {least}",
                self.max_human_loss
            )),
            _ => Ok(()),
        }
    }
}
