//! Header fields, RFC 3261 sections 7.3 and 20: names in any case and in compact form, values unfolded, order kept.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::wire::sip::address::{Address, Contact};
use crate::wire::sip::fields::{CSeq, MediaType, RetryAfter, SessionExpires, min_se, number};
use crate::wire::sip::via::Via;
use crate::wire::text::{SyntaxError, split_first, split_list, unquote};

/// The name of a header field. Names are compared in any case; a compact form is the same as its long form.
#[derive(Debug, Clone)]
pub struct HeaderName(Cow<'static, str>);

macro_rules! names {
    ($($constant:ident $name:literal $($compact:literal)?,)*) => {
        impl HeaderName {
            $(#[doc = concat!("`", $name, "`")] pub const $constant: Self = Self(Cow::Borrowed($name));)*

            /// Names that are written here as the RFCs spell them, with their compact forms.
            const KNOWN: &[(&'static str, Option<&'static str>)] = &[$(($name, names!(@compact $($compact)?))),*];
        }
    };
    (@compact $compact:literal) => { Some($compact) };
    (@compact) => { None };
}

names! {
    ACCEPT "Accept",
    ACCEPT_ENCODING "Accept-Encoding",
    ALLOW "Allow",
    CALL_ID "Call-ID" "i",
    CONTACT "Contact" "m",
    CONTENT_DISPOSITION "Content-Disposition",
    CONTENT_ENCODING "Content-Encoding" "e",
    CONTENT_LENGTH "Content-Length" "l",
    CONTENT_TYPE "Content-Type" "c",
    CSEQ "CSeq",
    EXPIRES "Expires",
    FROM "From" "f",
    LOAD "Answerd-Load",
    MAX_FORWARDS "Max-Forwards",
    MIN_SE "Min-SE",
    RECORD_ROUTE "Record-Route",
    REQUIRE "Require",
    RETRY_AFTER "Retry-After",
    ROUTE "Route",
    SERVER "Server",
    SESSION_EXPIRES "Session-Expires" "x",
    SUBJECT "Subject" "s",
    SUPPORTED "Supported" "k",
    TIMESTAMP "Timestamp",
    TO "To" "t",
    UNSUPPORTED "Unsupported",
    USER_AGENT "User-Agent",
    VIA "Via" "v",
    WARNING "Warning",
}

impl HeaderName {
    /// The name's long form as the RFCs spell it; a name that is not known here as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for HeaderName {
    fn from(name: &str) -> Self {
        let known = Self::KNOWN.iter().find(|(long, compact)| {
            name.eq_ignore_ascii_case(long) || compact.is_some_and(|compact| name.eq_ignore_ascii_case(compact))
        });
        match known {
            Some((long, _)) => Self(Cow::Borrowed(long)),
            None => Self(Cow::Owned(name.to_owned())),
        }
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for HeaderName {}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: HeaderName,
    /// Its value, unfolded, without white space at the ends.
    pub value: String,
}

/// Header fields in order.
///
/// The typed getters give `Ok(None)` where the field is absent, and an error whose position counts from the start of
/// the field's value where it can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// No fields.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a field at the end. Line ends within the value, which would start another field, become spaces.
    pub fn push(&mut self, name: HeaderName, value: impl fmt::Display) {
        self.0.push(Header { name, value: one_line(value) });
    }

    /// Replaces all fields of the name by one in the place of the first, or adds it at the end.
    pub fn set(&mut self, name: HeaderName, value: impl fmt::Display) {
        let Some(first) = self.0.iter().position(|header| header.name == name) else {
            return self.push(name, value);
        };
        let mut index = 0;
        self.0.retain(|header| {
            index += 1;
            index <= first + 1 || header.name != name
        });
        if let Some(header) = self.0.get_mut(first) {
            header.value = one_line(value);
        }
    }

    /// Takes all fields of the name away.
    pub fn remove(&mut self, name: &HeaderName) {
        self.0.retain(|header| header.name != *name);
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = &Header> {
        self.0.iter()
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the first field of the name.
    #[must_use]
    pub fn get(&self, name: &HeaderName) -> Option<&str> {
        self.get_all(name).next()
    }

    /// The values of all fields of the name, in order, each as it stands.
    pub fn get_all(&self, name: &HeaderName) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |header| header.name == *name).map(|header| header.value.as_str())
    }

    /// The elements of all fields of the name, in order, comma-separated lists taken apart.
    pub fn list(&self, name: &HeaderName) -> impl Iterator<Item = &str> {
        self.get_all(name).flat_map(split_list)
    }

    /// Whether a list field, as Supported or Allow, has the token, in any case.
    #[must_use]
    pub fn has_token(&self, name: &HeaderName, token: &str) -> bool {
        self.list(name).any(|element| element.eq_ignore_ascii_case(token))
    }

    fn typed<T>(
        &self,
        name: &HeaderName,
        parse: impl FnOnce(&str) -> Result<T, SyntaxError>,
    ) -> Result<Option<T>, SyntaxError> {
        self.get(name).map(parse).transpose()
    }

    fn typed_list<T: FromStr<Err = SyntaxError>>(&self, name: &HeaderName) -> Result<Vec<T>, SyntaxError> {
        self.list(name).map(str::parse).collect()
    }

    /// The topmost Via.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn top_via(&self) -> Result<Option<Via>, SyntaxError> {
        self.typed(&HeaderName::VIA, |value| split_first(value).0.parse())
    }

    /// All Vias, topmost first.
    ///
    /// # Errors
    /// If one of them can't be read.
    pub fn vias(&self) -> Result<Vec<Via>, SyntaxError> {
        self.typed_list(&HeaderName::VIA)
    }

    /// Replaces the topmost Via; the others stay as they were written.
    pub fn set_top_via(&mut self, via: &Via) {
        match self.0.iter_mut().find(|header| header.name == HeaderName::VIA) {
            Some(header) => {
                header.value = one_line(match split_first(&header.value).1 {
                    Some(others) => format!("{via}, {}", others.trim_start()),
                    None => via.to_string(),
                });
            }
            None => self.0.insert(0, Header { name: HeaderName::VIA, value: one_line(via) }),
        }
    }

    /// From.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn from(&self) -> Result<Option<Address>, SyntaxError> {
        self.typed(&HeaderName::FROM, |value| value.parse().map_err(|error: SyntaxError| error.within("From", 0)))
    }

    /// To.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn to(&self) -> Result<Option<Address>, SyntaxError> {
        self.typed(&HeaderName::TO, |value| value.parse().map_err(|error: SyntaxError| error.within("To", 0)))
    }

    /// Call-ID, as written.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        self.get(&HeaderName::CALL_ID).filter(|id| !id.is_empty())
    }

    /// CSeq.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn cseq(&self) -> Result<Option<CSeq>, SyntaxError> {
        self.typed(&HeaderName::CSEQ, str::parse)
    }

    /// All contacts.
    ///
    /// # Errors
    /// If one of them can't be read.
    pub fn contacts(&self) -> Result<Vec<Contact>, SyntaxError> {
        self.typed_list(&HeaderName::CONTACT).map_err(|error| error.within("Contact", 0))
    }

    /// The Route set of a request, first hop first.
    ///
    /// # Errors
    /// If one of the routes can't be read.
    pub fn routes(&self) -> Result<Vec<Address>, SyntaxError> {
        self.typed_list(&HeaderName::ROUTE).map_err(|error| error.within("Route", 0))
    }

    /// The routes that proxies recorded, in the order of the message.
    ///
    /// # Errors
    /// If one of the routes can't be read.
    pub fn record_routes(&self) -> Result<Vec<Address>, SyntaxError> {
        self.typed_list(&HeaderName::RECORD_ROUTE).map_err(|error| error.within("Record-Route", 0))
    }

    /// Content-Type.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn content_type(&self) -> Result<Option<MediaType>, SyntaxError> {
        self.typed(&HeaderName::CONTENT_TYPE, |value| {
            value.parse().map_err(|error: SyntaxError| error.within("Content-Type", 0))
        })
    }

    /// The media ranges of Accept.
    ///
    /// # Errors
    /// If one of them can't be read.
    pub fn accept(&self) -> Result<Vec<MediaType>, SyntaxError> {
        self.typed_list(&HeaderName::ACCEPT).map_err(|error| error.within("Accept", 0))
    }

    /// Content-Length in bytes. Several that differ are an error: they can't all tell where the message ends.
    ///
    /// # Errors
    /// If it is no number, or is there more than once with different values.
    pub fn content_length(&self) -> Result<Option<u32>, SyntaxError> {
        let mut length = None;
        for value in self.get_all(&HeaderName::CONTENT_LENGTH) {
            let next = number("Content-Length", value)?;
            if length.is_some_and(|length| length != next) {
                return Err(SyntaxError::new(0, "Content-Length, repeated with another value"));
            }
            length = Some(next);
        }
        Ok(length)
    }

    /// Session-Expires, RFC 4028.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, SyntaxError> {
        self.typed(&HeaderName::SESSION_EXPIRES, str::parse)
    }

    /// Min-SE in seconds, RFC 4028.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn min_se(&self) -> Result<Option<u32>, SyntaxError> {
        self.typed(&HeaderName::MIN_SE, min_se)
    }

    /// Max-Forwards.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn max_forwards(&self) -> Result<Option<u32>, SyntaxError> {
        self.typed(&HeaderName::MAX_FORWARDS, |value| number("Max-Forwards", value))
    }

    /// Expires in seconds.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn expires(&self) -> Result<Option<u32>, SyntaxError> {
        self.typed(&HeaderName::EXPIRES, |value| number("Expires", value))
    }

    /// Retry-After.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn retry_after(&self) -> Result<Option<RetryAfter>, SyntaxError> {
        self.typed(&HeaderName::RETRY_AFTER, str::parse)
    }

    /// The text of the first Warning, without code and agent.
    #[must_use]
    pub fn warning_text(&self) -> Option<String> {
        let warning = self.list(&HeaderName::WARNING).next()?;
        warning.splitn(3, ' ').nth(2).map(|text| unquote(text.trim()))
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

fn one_line(value: impl fmt::Display) -> String {
    let value = value.to_string();
    let value = if value.contains(['\r', '\n']) { value.replace(['\r', '\n'], " ") } else { value };
    if value.trim().len() == value.len() { value } else { value.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case_and_compact() {
        assert_eq!(HeaderName::from("cOnTeNt-lEnGtH"), HeaderName::CONTENT_LENGTH);
        assert_eq!(HeaderName::from("L"), HeaderName::CONTENT_LENGTH);
        assert_eq!(HeaderName::from("v").as_str(), "Via");
        assert_eq!(HeaderName::from("X-Own"), HeaderName::from("x-own"));
        assert_ne!(HeaderName::from("X-Own"), HeaderName::VIA);
    }

    #[test]
    fn set_replaces_all_and_keeps_the_place() {
        let mut headers = Headers::new();
        for (name, value) in [("A", "1"), ("B", "2"), ("A", "3"), ("D", "4"), ("a", "5")] {
            headers.push(name.into(), value);
        }
        headers.set("A".into(), "9");
        let text: Vec<_> = headers.iter().map(|header| format!("{}{}", header.name, header.value)).collect();
        assert_eq!(text, ["A9", "B2", "D4"]);
        headers.remove(&"b".into());
        headers.set("Date".into(), "x\r\nEvil: y");
        assert_eq!(headers.get(&"date".into()), Some("x  Evil: y"));
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn vias_over_lines_and_commas() {
        let mut headers = Headers::new();
        headers.push(HeaderName::VIA, "SIP/2.0/UDP a;branch=z9hG4bK1;rport , SIP/2.0/TCP b");
        headers.push(HeaderName::VIA, "SIP/2.0/UDP c");
        let mut top = headers.top_via().unwrap().unwrap();
        top.params.set("rport", Some("5062"));
        headers.set_top_via(&top);
        let hosts: Vec<_> = headers.vias().unwrap().iter().map(|via| via.sent_by.to_string()).collect();
        assert_eq!(hosts, ["a", "b", "c"]);
        assert_eq!(headers.get(&HeaderName::VIA), Some("SIP/2.0/UDP a;branch=z9hG4bK1;rport=5062, SIP/2.0/TCP b"));
    }

    #[test]
    fn a_bad_field_is_named_and_hides_no_other() {
        let mut headers = Headers::new();
        headers.push(HeaderName::CONTACT, "<sip:a@b>, <sip:");
        headers.push(HeaderName::CSEQ, "7 BYE");
        headers.push(HeaderName::CONTENT_LENGTH, "3");
        headers.push(HeaderName::CONTENT_LENGTH, "4");
        assert!(headers.contacts().unwrap_err().to_string().starts_with("malformed Contact, address"));
        assert_eq!(headers.cseq().unwrap().unwrap().number, 7);
        assert!(headers.content_length().unwrap_err().to_string().contains("repeated"));
        assert_eq!(headers.expires(), Ok(None));
    }
}
