//! What has another name, code or scale in RFC 4463 than in RFC 6787: the tables of the translation.

use crate::wire::mrcp::{CompletionCause, EventName, HeaderName, Method, StatusCode};

/// Methods that have another name. `INTERPRET` and those of enrollment are not of RFC 4463; `UniMRCP`'s clients know
/// them under their names of MRCPv2.
const METHODS: [(&str, Method); 1] = [("RECOGNITION-START-TIMERS", Method::StartInputTimers)];

/// Events that have another name.
const EVENTS: [(&str, EventName); 1] = [("START-OF-SPEECH", EventName::StartOfInput)];

/// How a header's value is written in MRCPv1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As in MRCPv2.
    Same,
    /// A whole number from 0 to 100 instead of a fraction from 0.0 to 1.0.
    Percent,
    /// A URI alone, without angle brackets and parameters.
    BareUri,
    /// A media type, or several.
    MediaTypes,
    /// A cause of [`CAUSES`].
    Cause,
    /// Request-ids.
    Ids,
}

/// Headers that have another name or form.
const HEADERS: [(&str, HeaderName, Form); 9] = [
    ("Confidence-Threshold", HeaderName::ConfidenceThreshold, Form::Percent),
    ("Sensitivity-Level", HeaderName::SensitivityLevel, Form::Percent),
    ("Speed-Vs-Accuracy", HeaderName::SpeedVsAccuracy, Form::Percent),
    ("Recognizer-Start-Timers", HeaderName::StartInputTimers, Form::Same),
    ("Waveform-URL", HeaderName::WaveformUri, Form::BareUri),
    ("Content-Type", HeaderName::ContentType, Form::MediaTypes),
    ("Accept", HeaderName::Accept, Form::MediaTypes),
    ("Completion-Cause", HeaderName::CompletionCause, Form::Cause),
    ("Active-Request-Id-List", HeaderName::ActiveRequestIdList, Form::Ids),
];

/// Media types that have another name: of MRCPv1 and of MRCPv2.
const MEDIA_TYPES: [(&str, &str); 3] = [
    ("application/x-nlsml", "application/nlsml+xml"),
    ("application/grammar+xml", "application/srgs+xml"),
    ("application/grammar", "application/srgs"),
];

/// Completion causes, RFC 6787 section 9.4.11 to RFC 4463 section 8.4.8: code and name. Those that MRCPv1 lacks become
/// the nearest that it has.
const CAUSES: [(CompletionCause, u16, &str); 17] = [
    (CompletionCause::SUCCESS, 0, "success"),
    (CompletionCause::NO_MATCH, 1, "no-match"),
    (CompletionCause::NO_INPUT_TIMEOUT, 2, "no-input-timeout"),
    (CompletionCause::HOTWORD_MAXTIME, 3, "recognition-timeout"),
    (CompletionCause::GRAMMAR_LOAD_FAILURE, 4, "gram-load-failure"),
    (CompletionCause::GRAMMAR_COMPILATION_FAILURE, 5, "gram-comp-failure"),
    (CompletionCause::RECOGNIZER_ERROR, 6, "error"),
    (CompletionCause::SPEECH_TOO_EARLY, 7, "speech-too-early"),
    // 008 is too-much-speech-timeout here, which has no result; this has one.
    (CompletionCause::SUCCESS_MAXTIME, 0, "success"),
    (CompletionCause::URI_FAILURE, 9, "uri-failure"),
    (CompletionCause::LANGUAGE_UNSUPPORTED, 10, "language-unsupported"),
    (CompletionCause::CANCELLED, 6, "error"),
    (CompletionCause::SEMANTICS_FAILURE, 6, "error"),
    // Section 8.4.13: "the partial result is rejected (with a nomatch event)".
    (CompletionCause::PARTIAL_MATCH, 1, "no-match"),
    (CompletionCause::PARTIAL_MATCH_MAXTIME, 3, "recognition-timeout"),
    (CompletionCause::NO_MATCH_MAXTIME, 3, "recognition-timeout"),
    (CompletionCause::GRAMMAR_DEFINITION_FAILURE, 4, "gram-load-failure"),
];

/// The method of a name of MRCPv1.
pub(super) fn method(name: &str) -> Method {
    let known = METHODS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    match (known, Method::from_name(name)) {
        (Some((_, method)), _) => method.clone(),
        // A name that only MRCPv2 has.
        (None, method) if METHODS.iter().any(|(_, renamed)| *renamed == method) => Method::Other(name.to_owned()),
        (None, method) => method,
    }
}

/// An event's name in MRCPv1.
pub(super) fn event(name: &EventName) -> String {
    let renamed = EVENTS.iter().find(|(_, known)| known == name).map(|(renamed, _)| *renamed);
    renamed.unwrap_or(name.as_str()).to_owned()
}

/// The header of a name of MRCPv1, and how it is written there; `None` for a name that MRCPv1 does not give to it.
pub(super) fn header(name: &str) -> Option<(HeaderName, Form)> {
    let row = HEADERS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
    match (row, HeaderName::from_name(name)) {
        (Some((_, header, form)), _) => Some((*header, *form)),
        // Channels are RTSP's sessions here.
        (None, Some(HeaderName::ChannelIdentifier)) => None,
        (None, Some(header)) if HEADERS.iter().any(|(_, renamed, _)| *renamed == header) => None,
        (None, Some(header)) => Some((header, Form::Same)),
        (None, None) => None,
    }
}

/// A header's name in MRCPv1, and how it is written there.
pub(super) fn header_name(header: HeaderName) -> (&'static str, Form) {
    let row = HEADERS.iter().find(|(_, known, _)| *known == header);
    row.map_or((header.as_str(), Form::Same), |(name, _, form)| (name, *form))
}

/// A media type's name in MRCPv2, by its name in MRCPv1 in any case.
pub(super) fn media_type_into_v2(name: &str) -> Option<&'static str> {
    MEDIA_TYPES.iter().find(|(v1, _)| v1.eq_ignore_ascii_case(name)).map(|(_, v2)| *v2)
}

/// A media type's name in MRCPv1, by its name in MRCPv2 in any case.
pub(super) fn media_type_from_v2(name: &str) -> Option<&'static str> {
    MEDIA_TYPES.iter().find(|(_, v2)| v2.eq_ignore_ascii_case(name)).map(|(v1, _)| *v1)
}

/// The value of Completion-Cause in MRCPv1, and whether that is another cause.
pub(super) fn cause(cause: CompletionCause) -> (String, bool) {
    let row = CAUSES.iter().find(|(known, ..)| *known == cause);
    let (code, name) = row.map_or((6, "error"), |(_, code, name)| (*code, *name));
    (format!("{code:03} {name}"), code != cause.0)
}

/// A status in MRCPv1, which has none of MRCPv2's later ones (section 5.2.1).
pub(super) const fn status(status: StatusCode) -> StatusCode {
    match status.0 {
        200 | 201 | 401..=409 => status,
        410 => StatusCode::METHOD_NOT_VALID,
        _ => StatusCode::FAILED,
    }
}
