//! Settings of the recognizer: what holds where the client says nothing.

use serde::{Deserialize, Serialize};

use crate::detect::Listen;
use crate::grammar::{Active, Format};
use crate::session::ConnectionId;
use crate::session::mrcp::params::Params;
use crate::session::mrcp::recognition::Recognition;
use crate::wire::mrcp::{MAX_MILLISECONDS, RequestId};

/// Settings of the recognizer. A header of a request goes before a parameter of its grammar, that before SET-PARAMS, and
/// that before these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// No-Input-Timeout in milliseconds.
    pub no_input_timeout_ms: u64,
    /// Recognition-Timeout in milliseconds, from the first input on; 10 seconds is the default of RFC 6787 section 9.4.7.
    pub recognition_timeout_ms: u64,
    /// The same for grammars that wait for the moment to speak (`beep`, `voicemail`): greetings are long.
    pub message_timeout_ms: u64,
    /// Speech-Complete-Timeout in milliseconds; 0 leaves it to the detection policy.
    pub speech_complete_timeout_ms: u64,
    /// Confidence-Threshold, 0.0 to 1.0.
    pub confidence_threshold: f32,
    /// Sensitivity-Level, 0.0 to 1.0.
    pub sensitivity_level: f32,
    /// Speed-Vs-Accuracy, 0.0 fastest to 1.0 surest.
    pub speed_vs_accuracy: f32,
    /// N-Best-List-Length, 1 or more.
    pub n_best_list_length: u32,
    /// Hotword-Min-Duration in milliseconds.
    pub hotword_min_duration_ms: u64,
    /// Hotword-Max-Duration in milliseconds.
    pub hotword_max_duration_ms: u64,
    /// How results are written: `nlsml` or `json`.
    pub result_format: Format,
    /// How much later than its timers allow detection may conclude before the client is told 006 recognizer-error, in
    /// milliseconds. No decision rests on it.
    pub backstop_grace_ms: u64,
    /// Longest recognition in milliseconds, where no timer ends it (hotword mode, timers not started).
    pub max_recognition_ms: u64,
    /// Most grammars that a channel keeps by DEFINE-GRAMMAR and inline.
    pub max_grammars: usize,
    /// Most RECOGNIZE requests that wait behind an active one.
    pub max_queued: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            no_input_timeout_ms: 5_000,
            recognition_timeout_ms: 10_000,
            message_timeout_ms: 120_000,
            speech_complete_timeout_ms: 0,
            confidence_threshold: 0.5,
            sensitivity_level: 0.5,
            speed_vs_accuracy: 0.5,
            n_best_list_length: 1,
            hotword_min_duration_ms: 0,
            hotword_max_duration_ms: 60_000,
            result_format: Format::Nlsml,
            backstop_grace_ms: 5_000,
            max_recognition_ms: 3_600_000,
            max_grammars: 100,
            max_queued: 10,
        }
    }
}

impl Config {
    /// What a RECOGNIZE without further headers asks of detection: recordings are to be decided as calls are.
    #[must_use]
    pub fn listening(&self, grammars: Vec<Active>) -> Listen {
        let nothing = Params::default();
        let from = (RequestId(0), ConnectionId(0));
        Recognition::new(from, &nothing, &nothing, grammars, self)
            .expect("only headers can be refused, and there are none")
            .listen
    }

    /// Tells the first setting out of its range.
    ///
    /// # Errors
    /// Key and reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        for (key, number) in [
            ("confidence_threshold", self.confidence_threshold),
            ("sensitivity_level", self.sensitivity_level),
            ("speed_vs_accuracy", self.speed_vs_accuracy),
        ] {
            if !(0.0..=1.0).contains(&number) {
                return Err((key, format!("{number} is not within 0.0 to 1.0")));
            }
        }
        for (key, ms) in [
            ("no_input_timeout_ms", self.no_input_timeout_ms),
            ("recognition_timeout_ms", self.recognition_timeout_ms),
            ("message_timeout_ms", self.message_timeout_ms),
            ("speech_complete_timeout_ms", self.speech_complete_timeout_ms),
            ("hotword_min_duration_ms", self.hotword_min_duration_ms),
            ("hotword_max_duration_ms", self.hotword_max_duration_ms),
            ("backstop_grace_ms", self.backstop_grace_ms),
            ("max_recognition_ms", self.max_recognition_ms),
        ] {
            if ms > MAX_MILLISECONDS {
                return Err((key, format!("{ms} is longer than a day ({MAX_MILLISECONDS})")));
            }
        }
        if self.hotword_min_duration_ms > self.hotword_max_duration_ms {
            return Err(("hotword_min_duration_ms", "it is longer than hotword_max_duration_ms".to_owned()));
        }
        let at_least_one = [
            ("n_best_list_length", self.n_best_list_length == 0),
            ("max_recognition_ms", self.max_recognition_ms == 0),
            ("max_grammars", self.max_grammars == 0),
        ];
        match at_least_one.into_iter().find(|(_, zero)| *zero) {
            Some((key, _)) => Err((key, "it must be at least 1".to_owned())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(Config::default().validate(), Ok(()));
        let wrong = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.validate().unwrap_err().0
        };
        assert_eq!(wrong(|config| config.confidence_threshold = 1.1), "confidence_threshold");
        assert_eq!(wrong(|config| config.sensitivity_level = f32::NAN), "sensitivity_level");
        assert_eq!(wrong(|config| config.no_input_timeout_ms = 86_400_001), "no_input_timeout_ms");
        assert_eq!(wrong(|config| config.hotword_min_duration_ms = 60_001), "hotword_min_duration_ms");
        assert_eq!(wrong(|config| config.n_best_list_length = 0), "n_best_list_length");
    }
}
