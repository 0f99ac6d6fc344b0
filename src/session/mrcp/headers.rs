//! What the recognizer makes of each header, RFC 6787 sections 6.2 and 9.4, and how it refuses one (section 6.1.1).
//!
//! docs/headers.md has the same for a reader.

use crate::session::mrcp::Config;
use crate::wire::mrcp::{Field, HeaderName, MediaType, Request, Response, StatusCode};

/// What the recognizer makes of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It acts: kept as a parameter of the session, or for its request.
    Acts,
    /// It goes into the session's cookie store.
    Cookie,
    /// It stands for the session's parameters, to be carried to another server.
    Context,
    /// It says something of the message itself, not of the recognizer.
    Message,
    /// Only the server tells it.
    Told,
    /// Nothing depends on it: 201, and GET-PARAMS has it without a value.
    Ignored,
    /// It asks for something that is not done here: 403.
    Refused,
    /// `true` asks for something that is not done here: 409; `false` does not.
    RefusedIfTrue,
}

/// One row for each header; a new feature moves its headers up.
pub(super) const fn use_of(name: HeaderName) -> Use {
    match name {
        HeaderName::SetCookie => Use::Cookie,
        HeaderName::RecognizerContextBlock => Use::Context,
        HeaderName::ChannelIdentifier
        | HeaderName::ActiveRequestIdList
        | HeaderName::ContentType
        | HeaderName::ContentId
        | HeaderName::ContentBase
        | HeaderName::ContentEncoding
        | HeaderName::ContentLocation
        | HeaderName::ContentLength
        | HeaderName::InterpretText => Use::Message,
        HeaderName::ProxySyncId
        | HeaderName::InputType
        | HeaderName::WaveformUri
        | HeaderName::CompletionCause
        | HeaderName::CompletionReason
        | HeaderName::FailedUri
        | HeaderName::FailedUriCause => Use::Told,
        // Of the drafts and of RFC 2965; RFC 6787 has Set-Cookie alone. UniMRCP's clients ask for it in GET-PARAMS.
        HeaderName::SetCookie2 => Use::Ignored,
        HeaderName::NumMinConsistentPronunciations
        | HeaderName::ConsistencyThreshold
        | HeaderName::ClashThreshold
        | HeaderName::PersonalGrammarUri
        | HeaderName::PhraseId
        | HeaderName::PhraseNl
        | HeaderName::Weight
        | HeaderName::SaveBestWaveform
        | HeaderName::NewPhraseId
        | HeaderName::ConfusablePhrasesUri
        | HeaderName::AbortPhraseEnrollment => Use::Refused,
        HeaderName::EnrollUtterance | HeaderName::VerBufferUtterance => Use::RefusedIfTrue,
        _ => Use::Acts,
    }
}

/// Media types in which sound can be saved: WAV, and mu-law as `audio/basic`.
const RECORDINGS: [&str; 5] = ["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/basic"];

/// Whether sound can be saved in a media type.
pub(super) fn can_record(media_type: &str) -> bool {
    MediaType::parse(media_type).is_some_and(|media_type| RECORDINGS.contains(&media_type.essence.as_str()))
}

/// Whether a language is served: an empty list serves all, and `en` serves `en-US` (RFC 4647 section 3.3.1).
pub(super) fn serves_language(config: &Config, tag: &str) -> bool {
    let ranges = &config.languages;
    ranges.is_empty()
        || ranges.iter().any(|range| {
            let (start, rest) = tag.split_at_checked(range.len()).unwrap_or(("", ""));
            start.eq_ignore_ascii_case(range) && (rest.is_empty() || rest.starts_with('-'))
        })
}

/// Headers that can't be taken, RFC 6787 section 6.1.1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// The headers that the status is about, as they came.
    pub(super) fields: Vec<Field>,
}

impl Refusal {
    /// The response: the status, and the bad headers exactly as they were sent.
    pub(super) fn response(self, request: &Request) -> Response {
        let mut response = request.response(self.status);
        for field in self.fields {
            response.headers.push_field(field.name, field.value);
        }
        response
    }
}

/// Headers that were found wrong, by status. If there are several kinds, 404 goes before 403, that before 409.
#[derive(Default)]
pub(super) struct Wrong {
    pub(super) illegal: Vec<Field>,
    pub(super) unsupported: Vec<Field>,
    pub(super) unsupported_value: Vec<Field>,
}

impl Wrong {
    pub(super) fn into_refusal(self) -> Result<(), Refusal> {
        for (status, fields) in [
            (StatusCode::ILLEGAL_VALUE, self.illegal),
            (StatusCode::UNSUPPORTED_HEADER, self.unsupported),
            (StatusCode::UNSUPPORTED_VALUE, self.unsupported_value),
        ] {
            if !fields.is_empty() {
                return Err(Refusal { status, fields });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages() {
        let serves = |languages: &[&str], tag| {
            let languages = languages.iter().map(|&tag| tag.to_owned()).collect();
            serves_language(&Config { languages, ..Config::default() }, tag)
        };
        assert!(serves(&[], "tlh"));
        assert!(serves(&["de", "en"], "en-US"));
        assert!(serves(&["en-us"], "en-US"));
        assert!(!serves(&["en-US"], "en"));
        assert!(!serves(&["en"], "enm"));
    }
}
