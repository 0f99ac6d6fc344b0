//! URIs, RFC 3261 section 19.1: sip, sips and tel; any other scheme is kept as text.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, satisfy, u16};
use nom::combinator::{cut, map, map_res, opt, recognize, rest, verify};
use nom::error::context;
use nom::multi::{many0, many0_count, many1_count};
use nom::sequence::{delimited, preceded, terminated};

use crate::wire::text::{Parsed, SyntaxError, quoted_string, separator, token, unquote, whole};

/// Default port of SIP over UDP and TCP.
pub(super) const DEFAULT_PORT: u16 = 5060;

/// A host as it may stand in a URI or in a Via.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name, as written.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, written in brackets.
    V6(Ipv6Addr),
}

impl Host {
    /// The address, if the host is not a name.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(ip) => Some((*ip).into()),
            Self::V6(ip) => Some((*ip).into()),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => Self::V6(ip),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(ip) => write!(f, "{ip}"),
            Self::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

/// `hostport`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port, if written.
    pub port: Option<u16>,
}

impl HostPort {
    /// The socket address, if the host is an address; the port where none is written is 5060.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.ip()?, self.port.unwrap_or(DEFAULT_PORT)))
    }
}

impl From<SocketAddr> for HostPort {
    fn from(addr: SocketAddr) -> Self {
        Self { host: addr.ip().into(), port: Some(addr.port()) }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

/// Parameters in order, names compared in any case, values as written (a quoted-string with its quotes).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// No parameters.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether the parameter is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(have, _)| have.eq_ignore_ascii_case(name))
    }

    /// The parameter's value as written; `None` if it is absent or has no value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(have, _)| have.eq_ignore_ascii_case(name))?.1.as_deref()
    }

    /// The parameter's value without quotes.
    #[must_use]
    pub fn get_unquoted(&self, name: &str) -> Option<String> {
        self.get(name).map(unquote)
    }

    /// Sets a parameter in its place, or adds it.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self.0.iter_mut().find(|(have, _)| have.eq_ignore_ascii_case(name)) {
            Some((_, have)) => *have = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes a parameter away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            match value {
                Some(value) => write!(f, ";{name}={value}")?,
                None => write!(f, ";{name}")?,
            }
        }
        Ok(())
    }
}

/// A sip or sips URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipUri {
    /// Whether the scheme is sips.
    pub secure: bool,
    /// The user part with its escapes as written.
    pub user: Option<String>,
    /// The password with its escapes as written.
    pub password: Option<String>,
    /// Host and port.
    pub host_port: HostPort,
    /// `uri-parameters`
    pub params: Params,
    /// `headers` as written, without the question mark.
    pub headers: Option<String>,
}

/// A URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uri {
    /// sip or sips.
    Sip(SipUri),
    /// tel, RFC 3966: the number as written and its parameters.
    Tel {
        /// The number as written.
        number: String,
        /// Its parameters.
        params: Params,
    },
    /// Any other scheme.
    Absolute {
        /// The scheme as written.
        scheme: String,
        /// What comes after the colon.
        rest: String,
    },
}

impl Uri {
    /// A sip URI without user part.
    #[must_use]
    pub fn sip(host_port: impl Into<HostPort>) -> Self {
        Self::Sip(SipUri {
            secure: false,
            user: None,
            password: None,
            host_port: host_port.into(),
            params: Params::new(),
            headers: None,
        })
    }

    /// The sip or sips URI, if it is one.
    #[must_use]
    pub fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            _ => None,
        }
    }
}

impl FromStr for Uri {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        whole("URI", uri, text)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => {
                f.write_str(if uri.secure { "sips:" } else { "sip:" })?;
                if let Some(user) = &uri.user {
                    f.write_str(user)?;
                    if let Some(password) = &uri.password {
                        write!(f, ":{password}")?;
                    }
                    f.write_str("@")?;
                }
                write!(f, "{}{}", uri.host_port, uri.params)?;
                match &uri.headers {
                    Some(headers) => write!(f, "?{headers}"),
                    None => Ok(()),
                }
            }
            Self::Tel { number, params } => write!(f, "tel:{number}{params}"),
            Self::Absolute { scheme, rest } => write!(f, "{scheme}:{rest}"),
        }
    }
}

/// `SIP-URI / SIPS-URI / absoluteURI`, to the end of the input.
pub(super) fn uri(input: &str) -> Parsed<'_, Uri> {
    let scheme = recognize((
        satisfy(|c| c.is_ascii_alphabetic()),
        take_while(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c)),
    ));
    let (input, scheme) = context("scheme", terminated(scheme, char(':'))).parse(input)?;
    if scheme.eq_ignore_ascii_case("sip") {
        return map(cut(|input| sip_uri(input, false)), Uri::Sip).parse(input);
    }
    if scheme.eq_ignore_ascii_case("sips") {
        return map(cut(|input| sip_uri(input, true)), Uri::Sip).parse(input);
    }
    if scheme.eq_ignore_ascii_case("tel") {
        let digits = take_while1(|c: char| c.is_ascii_alphanumeric() || "+-.()*#".contains(c));
        let (input, number) = context("telephone-subscriber", digits).parse(input)?;
        let (input, params) = uri_params(input)?;
        return Ok((input, Uri::Tel { number: number.to_owned(), params }));
    }
    let opaque = verify(rest, |rest: &str| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic() && !"<>\"".contains(c))
    });
    let (input, rest) = context("hier-part", opaque).parse(input)?;
    Ok((input, Uri::Absolute { scheme: scheme.to_owned(), rest: rest.to_owned() }))
}

fn sip_uri(input: &str, secure: bool) -> Parsed<'_, SipUri> {
    let (input, userinfo) = opt(terminated((user, opt(preceded(char(':'), password))), char('@'))).parse(input)?;
    let (input, host_port) = context("hostport", host_port).parse(input)?;
    let (input, params) = uri_params(input)?;
    let (input, headers) = opt(preceded(char('?'), cut(context("headers", headers)))).parse(input)?;
    let (user, password) = userinfo.unzip();
    Ok((
        input,
        SipUri {
            secure,
            user: user.map(str::to_owned),
            password: password.flatten().map(str::to_owned),
            host_port,
            params,
            headers: headers.map(str::to_owned),
        },
    ))
}

fn is_unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.!~*'()".contains(c)
}

/// A run of plain characters and `%HH` escapes.
fn escaped<'a>(
    plain: impl Fn(char) -> bool + Copy,
) -> impl Parser<&'a str, Output = &'a str, Error = crate::wire::text::Trace<'a>> {
    let hex = || satisfy(|c| c.is_ascii_hexdigit());
    recognize(many1_count(alt((take_while1(plain), recognize((char('%'), hex(), hex()))))))
}

/// `#` is beyond the grammar, but it is what a keypad has and what switches send.
fn user(input: &str) -> Parsed<'_, &str> {
    escaped(|c| is_unreserved(c) || "&=+$,;?/#".contains(c)).parse(input)
}

fn password(input: &str) -> Parsed<'_, &str> {
    recognize(opt(escaped(|c| is_unreserved(c) || "&=+$,".contains(c)))).parse(input)
}

fn headers(input: &str) -> Parsed<'_, &str> {
    escaped(|c| is_unreserved(c) || "[]/?:+$&=".contains(c)).parse(input)
}

fn uri_params(input: &str) -> Parsed<'_, Params> {
    let paramchar = |c| is_unreserved(c) || "[]/:&+$".contains(c);
    let parameter = preceded(
        char(';'),
        cut(context("uri-parameter", (escaped(paramchar), opt(preceded(char('='), escaped(paramchar)))))),
    );
    map(many0(map(parameter, owned)), Params).parse(input)
}

fn owned((name, value): (&str, Option<&str>)) -> (String, Option<String>) {
    (name.to_owned(), value.map(str::to_owned))
}

/// `host`
pub(super) fn host(input: &str) -> Parsed<'_, Host> {
    let v6 = take_while1(|c: char| c.is_ascii_hexdigit() || c == ':' || c == '.');
    let v6 = map(map_res(delimited(tag("["), v6, tag("]")), str::parse), Host::V6);
    // Underscores are no part of a host name, but container networks have them.
    let name = take_while1(|c: char| c.is_ascii_alphanumeric() || "-._".contains(c));
    let name = map(name, |name: &str| match name.parse() {
        Ok(ip) => Host::V4(ip),
        Err(_) => Host::Name(name.to_owned()),
    });
    context("host", alt((v6, name))).parse(input)
}

fn host_port(input: &str) -> Parsed<'_, HostPort> {
    map((host, opt(preceded(char(':'), cut(context("port", u16))))), |(host, port)| HostPort { host, port })
        .parse(input)
}

/// `sent-by`, and any other host and port that may have white space around the colon.
pub(super) fn spaced_host_port(input: &str) -> Parsed<'_, HostPort> {
    map((host, opt(preceded(separator(':'), cut(context("port", u16))))), |(host, port)| HostPort { host, port })
        .parse(input)
}

/// `*(SEMI generic-param)` of a header field.
pub(super) fn generic_params(input: &str) -> Parsed<'_, Params> {
    // Beside tokens a value may be a host, so an address with colons and brackets.
    let plain = take_while1(|c| crate::wire::text::is_token(c) || "[]:".contains(c));
    let value = context("gen-value", alt((quoted_string, plain)));
    let parameter =
        preceded(separator(';'), cut(context("generic-param", (token, opt(preceded(separator('='), value))))));
    map(many0(map(parameter, owned)), Params).parse(input)
}

/// The text of an `addr-spec` that stands without angle brackets, where parameters belong to the header field.
pub(super) fn bare_uri(input: &str) -> Parsed<'_, &str> {
    recognize(many0_count(satisfy(|c| c.is_ascii_graphic() && !";,<>\"?".contains(c)))).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roundtrip(text: &str) -> Uri {
        let uri: Uri = text.parse().unwrap();
        assert_eq!(uri.to_string(), text);
        uri
    }

    #[test]
    fn parts_of_a_sip_uri() {
        let uri = roundtrip("sip:alice;day=tue:s%20w@[2001:db8::1]:5070;transport=tcp;lr?subject=a%20b&x=");
        let sip = uri.as_sip().unwrap();
        assert_eq!(sip.user.as_deref(), Some("alice;day=tue"));
        assert_eq!(sip.password.as_deref(), Some("s%20w"));
        assert_eq!(sip.host_port.socket_addr(), Some("[2001:db8::1]:5070".parse().unwrap()));
        assert_eq!(sip.params.get("Transport"), Some("tcp"));
        assert!(sip.params.has("lr") && sip.params.get("lr").is_none());
        assert_eq!(sip.headers.as_deref(), Some("subject=a%20b&x="));
        assert!(matches!("SIPS:Example.com".parse(), Ok(Uri::Sip(SipUri { secure: true, .. }))));
        assert_eq!(roundtrip("sip:192.0.2.1").as_sip().unwrap().host_port.socket_addr().unwrap().port(), 5060);
        roundtrip("sip:*97#@pbx_1.local");
    }

    #[test]
    fn other_schemes() {
        assert!(matches!(roundtrip("tel:+1-201-555-0123;ext=7"), Uri::Tel { .. }));
        assert!(matches!(roundtrip("name:totally;opaque?content"), Uri::Absolute { .. }));
    }

    #[test]
    fn malformed_uris_tell_where() {
        for (text, position) in [
            ("", 0),
            ("sip", 3),
            ("<sip:a@b>", 0),
            ("sip:", 4),
            ("sip:a@", 6),
            ("sip:a@b:", 8),
            ("sip:a@b:70000", 8),
            ("sip:a@b c", 7),
            ("sip:a@[::g]", 9),
            ("sip:a@b;", 8),
            ("sip:a%4@b", 5),
            ("x:", 2),
        ] {
            let error = text.parse::<Uri>().unwrap_err();
            assert_eq!(error.position, position, "{text}: {error}");
        }
    }
}
