//! Sections of the file whose layers have settings of another form: paths that may be absent are empty words here.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::detect;
use crate::detect::Points;

/// `[detect]`: how sound becomes a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectConfig {
    /// A model in ONNX to use instead of the built-in one; empty: the built-in one.
    pub model: PathBuf,
    /// A table of operating points to use instead of the built-in one; empty: the built-in one.
    pub points: PathBuf,
    /// The largest share of people that may be told as something else, 0.0 to 1.0.
    pub max_human_loss: f64,
    /// Decide by rules alone, without any model.
    pub rules_only: bool,
    /// ONNX Runtime's shared library; empty: it is looked for, and without it the built-in runtime serves.
    pub onnxruntime: PathBuf,
    /// Never use ONNX Runtime, even if it is found.
    pub builtin_runtime: bool,
    /// Shortest beep, in milliseconds.
    pub beep_min_ms: u64,
    /// Longest beep, in milliseconds.
    pub beep_max_ms: u64,
    /// Silence after a greeting without a beep after which the message can be left, in milliseconds.
    pub greeting_silence_ms: u64,
    /// Time without any sound arriving after which what is known decides, in milliseconds.
    pub missing_ms: u64,
    /// How long a person that was told may be corrected, in milliseconds, for listeners that can carry it.
    pub revise_ms: u64,
}

impl Default for DetectConfig {
    fn default() -> Self {
        let detect::Config {
            model,
            points,
            max_human_loss,
            table: _,
            rules_only,
            onnxruntime,
            builtin_runtime,
            beep_min_ms,
            beep_max_ms,
            greeting_silence_ms,
            missing_ms,
            revise_ms,
            keep: _,
        } = detect::Config::default();
        Self {
            model: model.unwrap_or_default(),
            points: points.unwrap_or_default(),
            max_human_loss,
            rules_only,
            onnxruntime: onnxruntime.unwrap_or_default(),
            builtin_runtime,
            beep_min_ms,
            beep_max_ms,
            greeting_silence_ms,
            missing_ms,
            revise_ms,
        }
    }
}

impl DetectConfig {
    /// What the detectors are told.
    #[must_use]
    pub fn detect(&self) -> detect::Config {
        let given = |path: &PathBuf| (!path.as_os_str().is_empty()).then(|| path.clone());
        detect::Config {
            model: given(&self.model),
            points: given(&self.points),
            max_human_loss: self.max_human_loss,
            // One that can't be used was refused by `validate`.
            table: Points::load(given(&self.points).as_deref()).unwrap_or_else(|_| Points::built_in()),
            rules_only: self.rules_only,
            onnxruntime: given(&self.onnxruntime),
            builtin_runtime: self.builtin_runtime,
            beep_min_ms: self.beep_min_ms,
            beep_max_ms: self.beep_max_ms,
            greeting_silence_ms: self.greeting_silence_ms,
            missing_ms: self.missing_ms,
            revise_ms: self.revise_ms,
            // Said by `[feedback]`.
            keep: detect::Keep::Nothing,
        }
    }

    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        // The detectors' own check begins its sentence with the key.
        let keys = ["beep_min_ms", "beep_max_ms", "greeting_silence_ms", "missing_ms", "revise_ms", "max_human_loss"];
        if !self.points.as_os_str().is_empty() {
            Points::load(Some(&self.points)).map_err(|error| ("points", error.to_string()))?;
        }
        self.detect().validate().map_err(|reason| match reason.split_once(": ") {
            Some((key, reason)) => (keys.into_iter().find(|known| *known == key).unwrap_or("model"), reason.to_owned()),
            None => ("model", reason),
        })
    }
}
