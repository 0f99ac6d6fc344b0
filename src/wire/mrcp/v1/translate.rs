//! Messages of MRCPv1 as messages of MRCPv2, and the other way.

use bytes::Bytes;

use crate::wire::mrcp::v1::names::{self, Form};
use crate::wire::mrcp::v1::result::{self, Scale};
use crate::wire::mrcp::v1::{Event, Request, RequestId, Response};
use crate::wire::mrcp::{
    self, ChannelIdentifier, CompletionCause, Field, FieldName, HeaderName, Headers, fraction, integer, quote, unquote,
};

/// The numbers that requests have here and there. Those of MRCPv2 ascend (RFC 6787 section 5.2), those of MRCPv1 are
/// only different.
pub trait Ids {
    /// The number that a request of the client has in MRCPv2; one that no request has if there is no such request.
    fn of_client(&self, id: RequestId) -> mrcp::RequestId;
    /// The number that the client gave to a request.
    fn of_server(&self, id: mrcp::RequestId) -> Option<RequestId>;
}

/// A request as MRCPv2 has it, for `channel` and with the number `id`.
///
/// A value that its header can't have stays so: the recognizer refuses it.
#[must_use]
pub fn request_into_v2(
    request: Request,
    channel: ChannelIdentifier,
    id: mrcp::RequestId,
    ids: &impl Ids,
) -> mrcp::Request {
    let method = names::method(&request.method);
    let mut translated = mrcp::Request { body: request.body, ..mrcp::Request::new(channel, method, id) };
    for Field { name, value } in request.headers.iter() {
        match names::header(name.as_str()) {
            Some((header, form)) => translated.headers.push(header, value_into_v2(form, value, ids)),
            None => {
                translated.headers.push_field(FieldName::Other(name.as_str().to_owned()), value.clone());
            }
        }
    }
    translated
}

fn value_into_v2(form: Form, value: &str, ids: &impl Ids) -> String {
    match form {
        Form::Percent => match integer(value) {
            Ok(percent) => format!("{}.{:02}", percent / 100, percent % 100),
            Err(_) => value.to_owned(),
        },
        Form::MediaTypes => media_types(value, names::media_type_into_v2),
        Form::Ids => {
            let mapped: Option<Vec<String>> = value
                .split(',')
                .map(|id| integer(id.trim()).ok().map(|id| ids.of_client(RequestId(id)).to_string()))
                .collect();
            mapped.map_or_else(|| value.to_owned(), |ids| ids.join(","))
        }
        Form::Same | Form::BareUri | Form::Cause => value.to_owned(),
    }
}

/// A response as MRCPv1 has it, to the request `id`. Confidences in its result are written on `scale`.
#[must_use]
pub fn response_from_v2(response: &mrcp::Response, id: RequestId, ids: &impl Ids, scale: Scale) -> Response {
    let (headers, body) = content_from_v2(&response.headers, &response.body, ids, scale);
    Response { id, status: names::status(response.status), state: response.state, headers, body }
}

/// An event as MRCPv1 has it, of the request `id`. Confidences in its result are written on `scale`.
#[must_use]
pub fn event_from_v2(event: &mrcp::Event, id: RequestId, ids: &impl Ids, scale: Scale) -> Event {
    let (headers, body) = content_from_v2(&event.headers, &event.body, ids, scale);
    Event { name: names::event(&event.name), id, state: event.state, headers, body }
}

fn content_from_v2(headers: &Headers, body: &Bytes, ids: &impl Ids, scale: Scale) -> (Headers, Bytes) {
    let mut translated = Headers::new();
    let is_nlsml = headers
        .get(HeaderName::ContentType)
        .is_some_and(|media_type| essence(media_type).0.eq_ignore_ascii_case("application/nlsml+xml"));
    let body = if is_nlsml { result::from_v2(body, scale) } else { body.clone() };
    // A cause that MRCPv1 lacks is told in Completion-Reason. RFC 4463 has no such header; UniMRCP's clients know it
    // in both versions, and others pass over headers that they don't know.
    let lacked = headers
        .get(HeaderName::CompletionCause)
        .and_then(CompletionCause::parse)
        .filter(|cause| names::cause(*cause).1)
        .map(|cause| cause.to_string());
    let told = headers.get(HeaderName::CompletionReason).is_some();
    for Field { name, value } in headers.iter() {
        let FieldName::Known(header) = name else {
            translated.push_field(name.clone(), value.clone());
            continue;
        };
        let (v1_name, form) = names::header_name(*header);
        let mut value = value_from_v2(form, value, ids);
        if let (HeaderName::CompletionReason, Some(cause)) = (header, &lacked) {
            value = quote(&format!("{cause}: {}", unquote(&value)));
        }
        translated.push_field(field_name(*header, v1_name), value);
        if let (HeaderName::CompletionCause, Some(cause), false) = (header, &lacked, told) {
            translated.push(HeaderName::CompletionReason, quote(cause));
        }
    }
    (translated, body)
}

fn field_name(header: HeaderName, v1_name: &str) -> FieldName {
    if header.as_str() == v1_name { FieldName::Known(header) } else { FieldName::Other(v1_name.to_owned()) }
}

fn value_from_v2(form: Form, value: &str, ids: &impl Ids) -> String {
    match form {
        Form::Same => value.to_owned(),
        // What a client wrote wrong comes back as it was.
        Form::Percent => percent(value).unwrap_or_else(|| value.to_owned()),
        Form::BareUri => {
            let bare = value.trim().strip_prefix('<').and_then(|rest| rest.split_once('>')).map(|(uri, _)| uri);
            bare.unwrap_or(value).to_owned()
        }
        Form::MediaTypes => media_types(value, names::media_type_from_v2),
        Form::Cause => CompletionCause::parse(value).map_or_else(|| value.to_owned(), |cause| names::cause(cause).0),
        Form::Ids => {
            let known = value.split(',').map(|id| {
                let id = mrcp::RequestId::parse(id.trim());
                id.and_then(|id| ids.of_server(id)).map(|id| id.to_string())
            });
            known.collect::<Option<Vec<String>>>().map_or_else(|| value.to_owned(), |ids| ids.join(","))
        }
    }
}

/// A fraction in hundredths; also one that is too large, as a client wrote it.
pub(super) fn percent(value: &str) -> Option<String> {
    if let Ok(fraction) = fraction(value) {
        return Some((fraction * 100.0).round().to_string());
    }
    let (whole, hundredths) = value.split_once('.').filter(|(_, hundredths)| hundredths.len() == 2)?;
    let (whole, hundredths) = (integer(whole).ok()?, integer(hundredths).ok()?);
    whole.checked_mul(100).and_then(|whole| whole.checked_add(hundredths)).map(|percent| percent.to_string())
}

/// `type/subtype` and what follows it.
fn essence(media_type: &str) -> (&str, &str) {
    let at = media_type.find(';').unwrap_or(media_type.len());
    let (essence, rest) = media_type.split_at_checked(at).unwrap_or((media_type, ""));
    (essence.trim(), rest)
}

fn media_types(list: &str, rename: fn(&str) -> Option<&'static str>) -> String {
    let renamed = list.split(',').map(|one| {
        let (name, rest) = essence(one);
        match rename(name) {
            Some(renamed) => format!("{renamed}{rest}"),
            None => one.to_owned(),
        }
    });
    renamed.collect::<Vec<_>>().join(",")
}
