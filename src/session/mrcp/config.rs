//! Settings of the recognizer: what holds where the client says nothing.

use serde::{Deserialize, Serialize};

use crate::detect::Listen;
use crate::grammar::{Active, Format};
use crate::session::ConnectionId;
use crate::session::mrcp::headers::can_record;
use crate::session::mrcp::params::Params;
use crate::session::mrcp::recognition::Recognition;
use crate::wire::mrcp::{Kind, MAX_MILLISECONDS, RequestId};

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
    /// Speech-Incomplete-Timeout in milliseconds; 0 leaves it to the detection policy.
    pub speech_incomplete_timeout_ms: u64,
    /// DTMF-Interdigit-Timeout in milliseconds; 5 seconds is the default of RFC 6787 section 9.4.17.
    pub dtmf_interdigit_timeout_ms: u64,
    /// DTMF-Term-Timeout in milliseconds; 10 seconds is the default of RFC 6787 section 9.4.18.
    pub dtmf_term_timeout_ms: u64,
    /// DTMF-Term-Char: a key, or empty for none, as RFC 6787 section 9.4.19 has it.
    pub dtmf_term_char: String,
    /// DTMF-Buffer-Time in milliseconds: how long keys are kept that come before the RECOGNIZE they are for; 0 keeps none.
    pub dtmf_buffer_time_ms: u64,
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
    /// Languages that are served, as language tags; `en` serves `en-US` too. Empty: all. A voice grammar in another
    /// language gets 010 language-unsupported.
    pub languages: Vec<String>,
    /// Whether speech that is under way already when a RECOGNIZE comes ends it with 007 speech-too-early, where the client
    /// does not say (`speech-too-early` in Vendor-Specific-Parameters). An answered call is often speaking already.
    pub speech_too_early: bool,
    /// Media-Type in which Save-Waveform keeps sound: `audio/wav` or `audio/basic`.
    pub media_type: String,
    /// Fetch-Timeout in milliseconds: how long one document may take.
    pub fetch_timeout_ms: u64,
    /// Longest time in milliseconds that a request waits for its documents; a client's Fetch-Timeout may be longer. Then it
    /// gets 009 uri-failure. Clients give up after some time: mod_unimrcp after 10 seconds.
    pub max_fetching_ms: u64,
    /// Most requests of a channel that wait behind one that waits for documents.
    pub max_waiting: usize,
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
            speech_incomplete_timeout_ms: 0,
            dtmf_interdigit_timeout_ms: 5_000,
            dtmf_term_timeout_ms: 10_000,
            dtmf_term_char: String::new(),
            dtmf_buffer_time_ms: 10_000,
            confidence_threshold: 0.5,
            sensitivity_level: 0.5,
            speed_vs_accuracy: 0.5,
            n_best_list_length: 1,
            hotword_min_duration_ms: 0,
            hotword_max_duration_ms: 60_000,
            languages: Vec::new(),
            speech_too_early: false,
            media_type: "audio/wav".to_owned(),
            fetch_timeout_ms: 5_000,
            max_fetching_ms: 8_000,
            max_waiting: 20,
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
            ("speech_incomplete_timeout_ms", self.speech_incomplete_timeout_ms),
            ("dtmf_interdigit_timeout_ms", self.dtmf_interdigit_timeout_ms),
            ("dtmf_term_timeout_ms", self.dtmf_term_timeout_ms),
            ("dtmf_buffer_time_ms", self.dtmf_buffer_time_ms),
            ("fetch_timeout_ms", self.fetch_timeout_ms),
            ("max_fetching_ms", self.max_fetching_ms),
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
        if Kind::DtmfChar.check(&self.dtmf_term_char).is_err() {
            return Err(("dtmf_term_char", format!("{:?} is no key", self.dtmf_term_char)));
        }
        if let Some(tag) = self.languages.iter().find(|tag| Kind::Language.check(tag).is_err()) {
            return Err(("languages", format!("{tag:?} is no language tag")));
        }
        if !can_record(&self.media_type) {
            return Err(("media_type", format!("sound can't be kept as {:?}", self.media_type)));
        }
        let at_least_one = [
            ("max_fetching_ms", self.max_fetching_ms == 0),
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
        assert_eq!(wrong(|config| config.dtmf_term_char = "##".to_owned()), "dtmf_term_char");
        assert_eq!(wrong(|config| config.languages = vec!["en_US".to_owned()]), "languages");
        assert_eq!(wrong(|config| config.media_type = "audio/mpeg".to_owned()), "media_type");
        assert_eq!(wrong(|config| config.max_fetching_ms = 0), "max_fetching_ms");
    }
}
