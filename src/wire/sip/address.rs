//! Addresses: From, To, Contact, Route and Record-Route, RFC 3261 sections 20.10, 20.20, 20.30, 20.34 and 20.39.

use std::fmt;
use std::str::FromStr;

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{take_while, take_while1};
use nom::character::complete::char;
use nom::combinator::{cut, map, map_parser, opt};
use nom::error::context;
use nom::sequence::{delimited, preceded};

use crate::wire::sip::uri::{Params, Uri, bare_uri, generic_params, uri};
use crate::wire::text::{Parsed, SyntaxError, quote, quoted_string, sws, unquote, whole};

/// A `name-addr` or `addr-spec` with the header field's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The name for people, without quotes.
    pub display_name: Option<String>,
    /// Whom.
    pub uri: Uri,
    /// The header field's parameters: tag, q, expires, ...
    pub params: Params,
}

impl Address {
    /// An address without name and parameters.
    #[must_use]
    pub const fn new(uri: Uri) -> Self {
        Self { display_name: None, uri, params: Params::new() }
    }

    /// The tag of a From or a To.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }
}

impl FromStr for Address {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        whole("address", address, text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.display_name {
            write!(f, "{} ", quote(name))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// One element of a Contact field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// `*`
    Star,
    /// An address.
    Address(Address),
}

impl FromStr for Contact {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        if text.trim() == "*" { Ok(Self::Star) } else { text.parse().map(Self::Address) }
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Star => f.write_str("*"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

fn address(input: &str) -> Parsed<'_, Address> {
    let (input, (display_name, uri)) = preceded(sws, alt((name_addr, addr_spec))).parse(input)?;
    let (input, params) = generic_params(input)?;
    let (input, _) = sws(input)?;
    Ok((input, Address { display_name, uri, params }))
}

fn name_addr(input: &str) -> Parsed<'_, (Option<String>, Uri)> {
    let quoted = map(quoted_string, unquote);
    // Wider than `*(token LWS)`: names with dots, slashes or letters beyond ASCII come unquoted, and harm nobody.
    let plain =
        map(take_while1(|c: char| !c.is_control() && !"<>\",;".contains(c)), |name: &str| name.trim().to_owned());
    let (input, name) = context("display-name", opt(alt((quoted, plain)))).parse(input)?;
    let (input, _) = sws(input)?;
    let inside = take_while(|c: char| c != '>' && c != '<');
    let (input, uri) =
        delimited(char('<'), cut(map_parser(inside, context("URI", uri_to_end))), cut(char('>'))).parse(input)?;
    Ok((input, (name.filter(|name| !name.is_empty()), uri)))
}

fn addr_spec(input: &str) -> Parsed<'_, (Option<String>, Uri)> {
    map(map_parser(bare_uri, context("addr-spec", uri_to_end)), |uri| (None, uri)).parse(input)
}

fn uri_to_end(input: &str) -> Parsed<'_, Uri> {
    nom::combinator::all_consuming(uri).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_an_address() {
        for (text, name, tag, written) in [
            ("sip:c8oqz84zk7z@privacy.org;tag=hyh8", None, Some("hyh8"), "<sip:c8oqz84zk7z@privacy.org>;tag=hyh8"),
            (
                "\"J Rosenberg \\\\\\\"\"  <sip:jdrosen@example.com> ; tag = 98asjd8",
                Some("J Rosenberg \\\""),
                Some("98asjd8"),
                "\"J Rosenberg \\\\\\\"\" <sip:jdrosen@example.com>;tag=98asjd8",
            ),
            ("<sip:p1.example.com;lr>", None, None, "<sip:p1.example.com;lr>"),
            (
                "Mr. Watson<sip:w@[2001:db8::10]:5060>;Tag=1;x=\"a;b\"",
                Some("Mr. Watson"),
                Some("1"),
                "\"Mr. Watson\" <sip:w@[2001:db8::10]:5060>;Tag=1;x=\"a;b\"",
            ),
            ("<tel:+12015550123>", None, None, "<tel:+12015550123>"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.display_name.as_deref(), name);
            assert_eq!(address.tag(), tag);
            assert_eq!(address.to_string(), written);
            assert_eq!(written.parse::<Address>().unwrap(), address);
        }
    }

    #[test]
    fn a_parameter_outside_the_brackets_is_the_headers() {
        let address: Address = "sip:a@b;transport=tcp".parse().unwrap();
        assert_eq!(address.params.get("transport"), Some("tcp"));
        assert!(!address.uri.as_sip().unwrap().params.has("transport"));
    }

    #[test]
    fn malformed_addresses_tell_where() {
        for (text, position) in [
            ("", 0),
            ("<sip:a@b", 8),
            ("\"open <sip:a@b>", 0),
            ("<>", 1),
            ("<sip:a b@c>", 6),
            ("<sip:a@b>;tag=", 13),
            ("<sip:a@b> x", 10),
            ("<<sip:a@b>>", 1),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert_eq!(error.position, position, "{text}: {error}");
        }
    }
}
