//! Parameters: headers that SET-PARAMS keeps and RECOGNIZE overrides, RFC 6787 sections 6.1 and 9.4.
//!
//! Values are kept as the client wrote them, checked, so that GET-PARAMS returns them as they were.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::grammar::Format;
use crate::session::mrcp::Config;
use crate::session::mrcp::accept::{Accepted, accepted, accepts_utf8};
use crate::session::mrcp::cookies::Cookies;
use crate::session::mrcp::headers::{Refusal, Use, Wrong, can_record, serves_language, use_of};
use crate::wire::mrcp::{
    self, Field, FieldName, HeaderName, Headers, Illegal, On, Request, Response, StatusCode, VendorParameters,
};

/// Parameters by header, checked; and the vendor's.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Params {
    values: BTreeMap<HeaderName, String>,
    vendor: VendorParameters,
    /// Values of Set-Cookie.
    cookies: Vec<String>,
    /// Whether a header was left out of account.
    ignored: bool,
}

/// Names of Vendor-Specific-Parameters that act. All others are kept and returned, and do nothing.
const RESULT_FORMAT: &str = "result-format";
const RESULT_DETAIL: &str = "result-detail";
const SPEECH_TOO_EARLY: &str = "speech-too-early";
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
            (HeaderName::SpeechIncompleteTimeout, config.speech_incomplete_timeout_ms.to_string()),
            (HeaderName::DtmfInterdigitTimeout, config.dtmf_interdigit_timeout_ms.to_string()),
            (HeaderName::DtmfTermTimeout, config.dtmf_term_timeout_ms.to_string()),
            (HeaderName::DtmfTermChar, config.dtmf_term_char.clone()),
            (HeaderName::DtmfBufferTime, config.dtmf_buffer_time_ms.to_string()),
            (HeaderName::FetchTimeout, config.fetch_timeout_ms.to_string()),
            (HeaderName::SaveWaveform, "false".to_owned()),
            (HeaderName::MediaType, config.media_type.clone()),
            (HeaderName::Accept, config.result_format.media_type().to_owned()),
        ];
        Self { values: values.into(), ..Self::default() }
    }

    /// The headers of a SET-PARAMS, checked.
    pub(super) fn of_set_params(headers: &Headers, config: &Config) -> Result<Self, Refusal> {
        Self::read(headers, On::PARAMS, true, config)
    }

    /// The headers of another request, checked. A header that may not occur there, or that nobody knows, is ignored, and
    /// the status says so.
    pub(super) fn of_request(headers: &Headers, on: On, config: &Config) -> Result<Self, Refusal> {
        Self::read(headers, on, false, config)
    }

    fn read(headers: &Headers, on: On, setting: bool, config: &Config) -> Result<Self, Refusal> {
        let mut params = Self::default();
        let mut wrong = Wrong::default();
        for field in headers.iter() {
            let FieldName::Known(name) = field.name else {
                if setting {
                    wrong.unsupported.push(field.clone());
                }
                params.ignored = true;
                continue;
            };
            let allowed = name.on().meets(on);
            match use_of(name) {
                // It names requests, and this one is not about others.
                Use::Message if name == HeaderName::ActiveRequestIdList || !allowed => params.ignored = true,
                Use::Message | Use::Context if allowed => {
                    if name.kind().check(&field.value).is_err() {
                        wrong.illegal.push(field.clone());
                    }
                }
                Use::Ignored => params.ignored = true,
                Use::Refused if allowed || setting => wrong.unsupported.push(field.clone()),
                _ if setting && !allowed => wrong.unsupported.push(field.clone()),
                _ if !allowed => params.ignored = true,
                _ => match name.kind().check(&field.value) {
                    Err(Illegal::Syntax) => wrong.illegal.push(field.clone()),
                    Err(Illegal::Unsupported) => wrong.unsupported_value.push(field.clone()),
                    Ok(()) => params.keep(name, field, setting, config, &mut wrong),
                },
            }
        }
        wrong.into_refusal()?;
        Ok(params)
    }

    fn keep(&mut self, name: HeaderName, field: &Field, setting: bool, config: &Config, wrong: &mut Wrong) {
        let value = field.value.as_str();
        let takes = match name {
            HeaderName::SetCookie if Cookies::is_legal(value) => {
                self.cookies.push(value.to_owned());
                return;
            }
            HeaderName::SetCookie => {
                wrong.illegal.push(field.clone());
                return;
            }
            HeaderName::VendorSpecific => {
                let given = VendorParameters::parse(value).unwrap_or_default();
                let truth = |name| given.get(name).is_none_or(|word| mrcp::boolean(word).is_ok());
                let legal = given.get(RESULT_FORMAT).is_none_or(|word| Format::from_name(word).is_some())
                    && truth(RESULT_DETAIL)
                    && truth(SPEECH_TOO_EARLY);
                if !legal {
                    wrong.unsupported_value.push(field.clone());
                }
                self.merge_vendor(&given);
                return;
            }
            HeaderName::Accept => accepted(value) != Accepted::None,
            HeaderName::AcceptCharset => accepts_utf8(value),
            HeaderName::MediaType => can_record(value),
            // On a request it is told as a completion cause.
            HeaderName::SpeechLanguage => !setting || serves_language(config, value),
            _ => use_of(name) != Use::RefusedIfTrue || mrcp::boolean(value) != Ok(true),
        };
        if !takes {
            wrong.unsupported_value.push(field.clone());
        }
        // Section 6.2: only a list may be told in several headers, and those are one already.
        match self.values.entry(name) {
            Entry::Occupied(_) => wrong.illegal.push(field.clone()),
            Entry::Vacant(place) => {
                place.insert(value.to_owned());
            }
        }
    }

    /// 200, or 201 if a header was left out of account.
    pub(super) const fn success(&self) -> StatusCode {
        if self.ignored { StatusCode::SUCCESS_IGNORED } else { StatusCode::SUCCESS }
    }

    /// Cookies that the client gave along.
    pub(super) fn cookies(&self) -> &[String] {
        &self.cookies
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
    pub(super) fn get(&self, defaults: &Self, cookies: &Cookies, request: &Request) -> Response {
        let mut response = request.response(StatusCode::SUCCESS);
        let mut unsupported = Vec::new();
        let mut asked = false;
        for field in request.headers.iter() {
            match field.name {
                FieldName::Known(name) if use_of(name) == Use::Message && name != HeaderName::InterpretText => {}
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
                FieldName::Known(HeaderName::SetCookie) => {
                    asked = true;
                    put_cookies(&mut response, cookies);
                    if cookies.all().is_empty() {
                        response.headers.push(HeaderName::SetCookie, "");
                    }
                }
                FieldName::Known(HeaderName::RecognizerContextBlock) if field.value.is_empty() => {
                    asked = true;
                    response.headers.push(HeaderName::RecognizerContextBlock, CONTEXT);
                    response.headers.push(HeaderName::ContentId, CONTEXT);
                    response = response.with_body(CONTEXT_TYPE, self.context());
                }
                FieldName::Known(name)
                    if matches!(use_of(name), Use::Acts | Use::Ignored) && name.on().meets(On::PARAMS) =>
                {
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
            put_cookies(&mut response, cookies);
        }
        response
    }

    /// The recognizer context block: what another answerd needs to go on as this one would, its parameters as headers
    /// (sections 9.4.13 and 9.5.4).
    fn context(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.values {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.vendor.0.is_empty() {
            text.push_str(&format!("{}: {}\r\n", HeaderName::VendorSpecific, self.vendor));
        }
        text
    }

    /// The parameters of a context block that comes with a SET-PARAMS, if one does.
    pub(super) fn of_context(request: &Request, config: &Config) -> Result<Option<Self>, Response> {
        let Some(name) = request.headers.get(HeaderName::RecognizerContextBlock) else { return Ok(None) };
        let content_id = request.headers.get(HeaderName::ContentId);
        let failed = |status, named: &[HeaderName]| {
            let mut response = request.response(status);
            for header in named {
                response.headers.push(*header, request.headers.get(*header).unwrap_or_default());
            }
            Err(response)
        };
        if request.body.is_empty() || content_id.is_none() {
            return failed(StatusCode::MISSING_HEADER, &[HeaderName::RecognizerContextBlock]);
        }
        if content_id != Some(name) {
            return failed(StatusCode::ILLEGAL_VALUE, &[HeaderName::RecognizerContextBlock, HeaderName::ContentId]);
        }
        // Another server's block means nothing here.
        if name != CONTEXT {
            return failed(StatusCode::UNSUPPORTED_VALUE, &[HeaderName::RecognizerContextBlock]);
        }
        if request.headers.get(HeaderName::ContentType).is_none_or(|given| !given.eq_ignore_ascii_case(CONTEXT_TYPE)) {
            return failed(StatusCode::UNSUPPORTED_ENTITY, &[HeaderName::ContentType]);
        }
        let mut headers = Headers::new();
        for line in String::from_utf8_lossy(&request.body).lines().filter(|line| !line.is_empty()) {
            let Some((name, value)) = line.split_once(": ") else { return failed(StatusCode::FAILED, &[]) };
            headers.push_named(name, value);
        }
        match Self::of_set_params(&headers, config) {
            Ok(params) => Ok(Some(params)),
            Err(_) => failed(StatusCode::FAILED, &[]),
        }
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
            match accepted(self.text(HeaderName::Accept)?) {
                Accepted::One(format) => Some(format),
                Accepted::Any | Accepted::None => None,
            }
        })
    }

    /// Whether speech that is under way already is to end a recognition, if the client says.
    pub(super) fn speech_too_early(&self) -> Option<bool> {
        self.vendor.get(SPEECH_TOO_EARLY).and_then(|word| mrcp::boolean(word).ok())
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

/// Content-ID of a context block of this server: no other one's has it.
const CONTEXT: &str = "<parameters-1@context.answerd>";
/// Its media type (section 9.5.4).
const CONTEXT_TYPE: &str = "application/octets";

/// One Set-Cookie for each cookie.
fn put_cookies(response: &mut Response, cookies: &Cookies) {
    for cookie in cookies.all() {
        response.headers.push(HeaderName::SetCookie, cookie);
    }
}
