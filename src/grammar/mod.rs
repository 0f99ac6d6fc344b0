//! What may be heard and how it is told: grammars, and results in NLSML and JSON.
//!
//! A grammar's words are the labels of [`crate::detect::Label`]; its tags are what the dialplan reads.

mod body;
mod builtin;
mod document;
mod error;
mod matcher;
pub mod result;
mod srgs;
mod store;
mod tag;

#[cfg(test)]
mod tests;

pub use body::{Active, Body, Resolved, resolve};
pub use document::{Document, Documents, FetchError};
pub use error::{Error, Failure};
pub use store::Store;

use crate::detect::{Goal, Label, LabelSet};

/// A grammar, compiled: for each label that it can match, what that means.
#[derive(Debug, Clone, PartialEq)]
pub struct Grammar {
    /// What the listener wants to know.
    pub goal: Goal,
    /// What the grammar asks for beside its words.
    pub settings: Settings,
    meanings: Vec<(Label, Meaning, f32)>,
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

/// What a match means: the semantic result of a grammar's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A text; without tags, the words themselves.
    Text(String),
    /// Properties in the order of their first assignment.
    Object(Vec<(String, String)>),
}

/// A label as a grammar matched it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interpretation<'a> {
    /// The grammar that matched.
    pub grammar: &'a Grammar,
    /// What it means.
    pub meaning: &'a Meaning,
    /// Product of the weights of the items that matched.
    pub weight: f32,
}

impl Grammar {
    /// The labels that this grammar can match. None: a valid grammar of other words, which never matches.
    #[must_use]
    pub fn accepts(&self) -> LabelSet {
        self.meanings.iter().fold(LabelSet::EMPTY, |set, (label, ..)| set.with(*label))
    }

    /// What `label` means in this grammar; `None` if it can't match.
    #[must_use]
    pub fn interpret(&self, label: Label) -> Option<Interpretation<'_>> {
        self.meanings.iter().find(|(known, ..)| *known == label).map(|(_, meaning, weight)| Interpretation {
            grammar: self,
            meaning,
            weight: *weight,
        })
    }
}
