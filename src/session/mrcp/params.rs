//! Parameters: headers that SET-PARAMS keeps and RECOGNIZE overrides, RFC 6787 sections 6.1 and 9.4.
//!
//! Values are kept as the client wrote them, checked, so that GET-PARAMS returns them as they were.

use std::collections::BTreeMap;

use crate::grammar::Format;
use crate::session::mrcp::Config;
use crate::wire::mrcp::{
    self, Field, FieldName, HeaderName, Headers, Illegal, On, Request, Response, StatusCode, VendorParameters,
};

/// What the recognizer makes of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It acts, or is kept and returned by GET-PARAMS without an effect here (those of DTMF, language and fetching).
    Kept,
    /// It says something of the message itself, not of the recognizer.
    Message,
    /// It asks for something that is not done here: 403.
    Refused,
    /// `true` asks for something that is not done here: 409; `false` does not.
    RefusedIfTrue,
}

/// One row for each header; a new feature moves its headers up.
const fn use_of(name: HeaderName) -> Use {
    match name {
        HeaderName::ChannelIdentifier
        | HeaderName::ActiveRequestIdList
        | HeaderName::ProxySyncId
        | HeaderName::ContentType
        | HeaderName::ContentId
        | HeaderName::ContentBase
        | HeaderName::ContentEncoding
        | HeaderName::ContentLocation
        | HeaderName::ContentLength
        | HeaderName::InputType
        | HeaderName::WaveformUri
        | HeaderName::CompletionCause
        | HeaderName::CompletionReason
        | HeaderName::FailedUri
        | HeaderName::FailedUriCause
        | HeaderName::InterpretText => Use::Message,
        HeaderName::InputWaveformUri
        | HeaderName::RecognizerContextBlock
        | HeaderName::NumMinConsistentPronunciations
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
        _ => Use::Kept,
    }
}

/// Parameters by header, checked; and the vendor's.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Params {
    values: BTreeMap<HeaderName, String>,
    vendor: VendorParameters,
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
struct Wrong {
    illegal: Vec<Field>,
    unsupported: Vec<Field>,
    unsupported_value: Vec<Field>,
}

impl Wrong {
    fn into_refusal(self) -> Result<(), Refusal> {
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

/// Names of Vendor-Specific-Parameters that act. All others are kept and returned, and do nothing.
const RESULT_FORMAT: &str = "result-format";
const RESULT_DETAIL: &str = "result-detail";
const CALL_UUID: [&str; 3] = ["call-uuid", "fs-uuid", "uuid"];

impl Params {
    /// What holds where the client sets nothing.
    pub(super) fn defaults(config: &Config) -> Self {
        let values = [
            (HeaderName::ConfidenceThreshold, config.confidence_threshold.to_string()),
            (HeaderName::SensitivityLevel, config.sensitivity_level.to_string()),
            (HeaderName::SpeedVsAccuracy, config.speed_vs_accuracy.to_string()),
            (HeaderName::NBestListLength, config.n_best_list_length.to_string()),
            (HeaderName::NoInputTimeout, config.no_input_timeout_ms.to_string()),
            (HeaderName::RecognitionTimeout, config.recognition_timeout_ms.to_string()),
            (HeaderName::SpeechCompleteTimeout, config.speech_complete_timeout_ms.to_string()),
            (HeaderName::SaveWaveform, "false".to_owned()),
            (HeaderName::Accept, config.result_format.media_type().to_owned()),
        ];
        Self { values: values.into(), vendor: VendorParameters::default() }
    }

    /// The headers of a SET-PARAMS, checked.
    pub(super) fn of_set_params(headers: &Headers) -> Result<Self, Refusal> {
        Self::read(headers, On::PARAMS, true)
    }

    /// The headers of another request, checked. A header that may not occur there, or that nobody knows, is ignored.
    pub(super) fn of_request(headers: &Headers, on: On) -> Result<Self, Refusal> {
        Self::read(headers, on, false)
    }

    fn read(headers: &Headers, on: On, setting: bool) -> Result<Self, Refusal> {
        let mut params = Self::default();
        let mut wrong = Wrong::default();
        for field in headers.iter() {
            let FieldName::Known(name) = field.name else {
                if setting {
                    wrong.unsupported.push(field.clone());
                }
                continue;
            };
            let allowed = name.on().meets(on);
            match use_of(name) {
                Use::Message => {}
                Use::Refused if allowed || setting => wrong.unsupported.push(field.clone()),
                _ if !allowed => {
                    if setting {
                        wrong.unsupported.push(field.clone());
                    }
                }
                _ if params.values.contains_key(&name) => wrong.illegal.push(field.clone()),
                _ => match name.kind().check(&field.value) {
                    Err(Illegal::Syntax) => wrong.illegal.push(field.clone()),
                    Err(Illegal::Unsupported) => wrong.unsupported_value.push(field.clone()),
                    Ok(()) => params.keep(name, field, &mut wrong),
                },
            }
        }
        wrong.into_refusal()?;
        Ok(params)
    }

    fn keep(&mut self, name: HeaderName, field: &Field, wrong: &mut Wrong) {
        let refused = use_of(name) == Use::RefusedIfTrue && mrcp::boolean(&field.value) == Ok(true);
        if refused {
            wrong.unsupported_value.push(field.clone());
        } else if name == HeaderName::VendorSpecific {
            let given = VendorParameters::parse(&field.value).unwrap_or_default();
            let legal = given.get(RESULT_FORMAT).is_none_or(|word| Format::from_name(word).is_some())
                && given.get(RESULT_DETAIL).is_none_or(|word| mrcp::boolean(word).is_ok());
            if !legal {
                wrong.unsupported_value.push(field.clone());
            }
            self.merge_vendor(&given);
        } else {
            self.values.insert(name, field.value.clone());
        }
    }

    fn merge_vendor(&mut self, given: &VendorParameters) {
        for (name, value) in &given.0 {
            self.vendor.set(name, value.as_deref().unwrap_or_default());
        }
    }

    /// Takes over what `newer` has.
    pub(super) fn merge(&mut self, newer: &Self) {
        self.values.extend(newer.values.iter().map(|(name, value)| (*name, value.clone())));
        self.merge_vendor(&newer.vendor);
    }

    /// Answers a GET-PARAMS: the headers asked for, or all; of those that are not set, the `defaults`.
    pub(super) fn get(&self, defaults: &Self, request: &Request) -> Response {
        let mut response = request.response(StatusCode::SUCCESS);
        let mut unsupported = Vec::new();
        let mut asked = false;
        for field in request.headers.iter() {
            match field.name {
                FieldName::Known(name) if use_of(name) == Use::Message => {}
                FieldName::Known(HeaderName::VendorSpecific) => {
                    asked = true;
                    let names = VendorParameters::parse(&field.value).unwrap_or_default();
                    let mut found = VendorParameters::default();
                    for (name, _) in &names.0 {
                        found.set(name, self.vendor.get(name).unwrap_or_default());
                    }
                    let found = if names.0.is_empty() { &self.vendor } else { &found };
                    response.headers.push(HeaderName::VendorSpecific, found.to_string());
                }
                FieldName::Known(name) if use_of(name) == Use::Kept && name.on().meets(On::PARAMS) => {
                    asked = true;
                    response.headers.push(name, self.text(name).or_else(|| defaults.text(name)).unwrap_or_default());
                }
                _ => unsupported.push(Field { name: field.name.clone(), value: String::new() }),
            }
        }
        if !unsupported.is_empty() {
            return Refusal { status: StatusCode::UNSUPPORTED_HEADER, fields: unsupported }.response(request);
        }
        if !asked {
            let mut all = defaults.values.clone();
            all.extend(self.values.iter().map(|(name, value)| (*name, value.clone())));
            for (name, value) in all {
                response.headers.push(name, value);
            }
            if !self.vendor.0.is_empty() {
                response.headers.push(HeaderName::VendorSpecific, self.vendor.to_string());
            }
        }
        response
    }

    /// A value as it was written.
    pub(super) fn text(&self, name: HeaderName) -> Option<&str> {
        self.values.get(&name).map(String::as_str)
    }

    /// A duration. `None` if it is not set.
    pub(super) fn milliseconds(&self, name: HeaderName) -> Option<u64> {
        self.text(name).and_then(|text| mrcp::milliseconds(text).ok())
    }

    /// A fraction. `None` if it is not set.
    pub(super) fn fraction(&self, name: HeaderName) -> Option<f32> {
        self.text(name).and_then(|text| mrcp::fraction(text).ok())
    }

    /// A number. `None` if it is not set.
    pub(super) fn integer(&self, name: HeaderName) -> Option<u64> {
        self.text(name).and_then(|text| mrcp::integer(text).ok())
    }

    /// A boolean. `None` if it is not set.
    pub(super) fn boolean(&self, name: HeaderName) -> Option<bool> {
        self.text(name).and_then(|text| mrcp::boolean(text).ok())
    }

    /// How results are to be written, if the client says: by a vendor parameter, or by Accept.
    pub(super) fn format(&self) -> Option<Format> {
        self.vendor.get(RESULT_FORMAT).and_then(Format::from_name).or_else(|| {
            let accept = self.text(HeaderName::Accept)?;
            accept.split(',').find_map(|range| {
                let essence = range.split(';').next().unwrap_or_default().trim();
                [Format::Nlsml, Format::Json]
                    .into_iter()
                    .find(|format| format.media_type().eq_ignore_ascii_case(essence))
            })
        })
    }

    /// Whether results are to tell label, reason and times beside the meaning, if the client says.
    pub(super) fn detail(&self) -> Option<bool> {
        self.vendor.get(RESULT_DETAIL).and_then(|word| mrcp::boolean(word).ok())
    }

    /// The call's identifier at the client.
    pub(super) fn call_uuid(&self) -> Option<&str> {
        CALL_UUID.into_iter().find_map(|name| self.vendor.get(name)).filter(|uuid| !uuid.is_empty())
    }
}
