//! What may be heard and how it is told: grammars, and results in NLSML and JSON.
//!
//! A grammar's words are the labels of [`crate::detect::Label`]; its tags are what the dialplan reads.

mod body;
mod builtin;
mod compile;
mod cpa;
mod document;
mod error;
mod meaning;
mod network;
mod resolve;
pub mod result;
mod semantics;
mod srgs;
mod store;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use body::Body;
pub use document::{Document, Documents, FetchError};
pub use error::{Error, Failure};
pub use meaning::Meaning;
pub use resolve::{Active, Resolution, Resolved, resolve};
pub use store::Store;

use crate::detect::{Goal, Label, LabelSet, Listen, Outcome};
use crate::grammar::cpa::Cpa;
use crate::grammar::network::{Chart, Input, Network};

/// What a grammar's tokens are: SRGS section 4.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Words; of sound, those that are labels can be told, and INTERPRET takes any.
    #[default]
    Voice,
    /// Keys: `0` to `9`, `*`, `#`, `A` to `D`.
    Dtmf,
}

/// A grammar, compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct Grammar {
    /// What its tokens are.
    pub mode: Mode,
    /// `xml:lang`, where it is told: a language tag of RFC 5646.
    pub language: Option<String>,
    /// What the listener wants to know.
    pub goal: Goal,
    /// What the grammar asks for beside its words.
    pub settings: Settings,
    /// `meta` elements by name.
    meta: Vec<(String, String)>,
    accepts: LabelSet,
    /// What it detects, if its words are those of call progress analysis.
    cpa: Option<Arc<Cpa>>,
    network: Arc<Network>,
}

/// What a grammar asks for beside its words: by `meta` elements or, for a builtin, by query parameters.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Settings {
    /// `result-format`: how results are written.
    pub format: Option<Format>,
    /// `detail`: whether results tell label, reason and times beside the meaning.
    pub detail: Option<bool>,
    /// `confidence-threshold`, 0.0 to 1.0.
    pub confidence_threshold: Option<f32>,
    /// `speed-vs-accuracy`, 0.0 to 1.0.
    pub speed_vs_accuracy: Option<f32>,
    /// `n-best-list-length`, 1 or more.
    pub n_best_list_length: Option<u32>,
}

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// NLSML, RFC 6787 section 6.3.1: `application/nlsml+xml`.
    #[default]
    Nlsml,
    /// JSON: `application/json`.
    Json,
}

impl Format {
    /// The format of that name: `nlsml` or `json`, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "nlsml" => Some(Self::Nlsml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The word in configuration and parameters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nlsml => "nlsml",
            Self::Json => "json",
        }
    }

    /// The media type of such a result.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Nlsml => "application/nlsml+xml",
            Self::Json => "application/json",
        }
    }
}

/// What an input means in a grammar.
#[derive(Debug, Clone, PartialEq)]
pub struct Interpretation {
    /// What it means.
    pub meaning: Meaning,
    /// Product of the weights of the items that matched, 0.0 to 1.0: of alternatives, the heaviest weighs 1.0 or less.
    pub weight: f32,
}

/// How the keys that were pressed so far match a grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMatch {
    /// Neither they nor anything that begins with them can match.
    No,
    /// They don't match, but something that begins with them can.
    Partial,
    /// They match.
    Complete {
        /// Something longer that begins with them can match too.
        more: bool,
    },
}

impl Grammar {
    /// The labels that this grammar can match. None: a grammar of keys, or a valid grammar of other words, which is never
    /// matched by sound.
    #[must_use]
    pub const fn accepts(&self) -> LabelSet {
        self.accepts
    }

    /// Whether `label` of an outcome matches.
    #[must_use]
    pub fn takes(&self, label: Label, outcome: &Outcome) -> bool {
        if self.cpa.is_some() { self.words(label, outcome).is_some() } else { self.accepts.contains(label) }
    }

    /// The words that a grammar of call progress analysis has for `label` of an outcome; those of others are the label.
    #[must_use]
    pub fn words(&self, label: Label, outcome: &Outcome) -> Option<&str> {
        self.cpa.as_ref()?.words(label, outcome)
    }

    /// Whether it is one of tones, of call progress analysis.
    #[must_use]
    pub fn detects_tones(&self) -> bool {
        self.cpa.as_ref().is_some_and(|cpa| cpa.detects_tones())
    }

    /// Brings a listening to what active grammars of call progress analysis ask for; nothing if there are none, or others
    /// beside them. `no_input_ms` is the No-Input-Timeout that the client itself asked for.
    pub fn adjust<'a>(active: impl Iterator<Item = &'a Self>, listen: &mut Listen, no_input_ms: Option<u64>) {
        let voice = active.filter(|grammar| grammar.mode == Mode::Voice);
        let all: Option<Vec<&Cpa>> = voice.map(|grammar| grammar.cpa.as_deref()).collect();
        if let Some(all) = all.filter(|all| !all.is_empty()) {
            Cpa::adjust(&all, listen, no_input_ms);
        }
    }

    /// What `label` means in this grammar; `None` if it can't match.
    ///
    /// # Errors
    /// [`Failure::Semantics`] if a script fails.
    pub fn interpret(&self, label: Label, outcome: &Outcome) -> Result<Option<Interpretation>, Error> {
        if self.cpa.is_some() {
            let Some(words) = self.words(label, outcome) else { return Ok(None) };
            // Its rules need not have these words: then they mean themselves.
            let itself = || Interpretation { meaning: Meaning::Text(words.to_owned()), weight: 1.0 };
            return Ok(Some(self.interpret_text(words)?.unwrap_or_else(itself)));
        }
        if !self.accepts.contains(label) {
            return Ok(None);
        }
        let mut told = outcome.alternatives.iter().map(|other| (other.label, other.confidence));
        let score = if outcome.label == label {
            outcome.confidence
        } else {
            told.find(|(known, _)| *known == label).map_or(0.0, |(_, confidence)| confidence)
        };
        self.interpret_input(&semantics::label_input(label), score)
    }

    /// What a text means in this grammar, as INTERPRET asks (RFC 6787 section 9.20); `None` if it does not match. Words are
    /// parted by white space, and case does not matter. In a grammar of keys, the text's words are keys.
    ///
    /// # Errors
    /// [`Failure::Semantics`] if a script fails, or if the text is too long or has too many readings.
    pub fn interpret_text(&self, text: &str) -> Result<Option<Interpretation>, Error> {
        match self.mode {
            Mode::Voice => self.interpret_input(&Input::text(text), 1.0),
            Mode::Dtmf => {
                let keys: Option<Vec<Vec<char>>> = text.split_whitespace().map(network::keys_of).collect();
                let keys: Option<String> = keys.map(|keys| keys.into_iter().flatten().collect());
                keys.map_or(Ok(None), |keys| self.interpret_keys(&keys))
            }
        }
    }

    /// How keys match that were pressed so far, with or without white space between them. In a grammar of words, none does.
    #[must_use]
    pub fn keys(&self, keys: &str) -> KeyMatch {
        if self.mode == Mode::Voice {
            return KeyMatch::No;
        }
        let Ok(chart) = Chart::new(&self.network, &Input::keys(keys)) else { return KeyMatch::No };
        let matched = chart.matched();
        match (matched.complete, matched.more) {
            (true, more) => KeyMatch::Complete { more },
            (false, true) => KeyMatch::Partial,
            (false, false) => KeyMatch::No,
        }
    }

    /// What keys mean in this grammar; `None` if they don't match as they are.
    ///
    /// # Errors
    /// [`Failure::Semantics`] if a script fails, or if there are too many keys or readings.
    pub fn interpret_keys(&self, keys: &str) -> Result<Option<Interpretation>, Error> {
        if self.mode == Mode::Voice {
            return Ok(None);
        }
        self.interpret_input(&Input::keys(keys), 1.0)
    }

    fn interpret_input(&self, input: &Input, score: f32) -> Result<Option<Interpretation>, Error> {
        let too_much = || Error::new(Failure::Semantics, "the input is too long or has too many readings");
        let chart = Chart::new(&self.network, input).map_err(|_| too_much())?;
        if !chart.matched().complete {
            return Ok(None);
        }
        let derivation = chart.derive().ok_or_else(too_much)?;
        let meaning = semantics::evaluate(&self.network, &derivation, input, score)?;
        #[allow(clippy::cast_possible_truncation, reason = "from 0.0 to 1.0")]
        let weight = derivation.weight as f32;
        Ok(Some(Interpretation { meaning, weight }))
    }
}
