//! Via, RFC 3261 sections 20.42 and 18.2, with `rport` of RFC 3581.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use nom::Parser;
use nom::combinator::cut;
use nom::error::context;

use crate::wire::sip::uri::{HostPort, Params, generic_params, spaced_host_port};
use crate::wire::text::{Parsed, SyntaxError, lws, separator, sws, token, whole};

/// How a branch begins that is unique by itself, RFC 3261 section 8.1.1.7.
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// One `via-parm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The protocol's version: "2.0".
    pub version: String,
    /// "UDP", "TCP", "TLS", ..., as written.
    pub transport: String,
    /// Where the sender wants its responses.
    pub sent_by: HostPort,
    /// branch, received, rport, ...
    pub params: Params,
}

impl Via {
    /// A Via of our own.
    #[must_use]
    pub fn new(transport: &str, sent_by: impl Into<HostPort>, branch: &str) -> Self {
        let mut params = Params::new();
        params.set("branch", Some(branch));
        Self { version: "2.0".to_owned(), transport: transport.to_owned(), sent_by: sent_by.into(), params }
    }

    /// The branch as written.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// The source address that a server noted, with or without brackets.
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        self.params.get("received")?.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// `rport`: `None` if absent, `Some(None)` if asked, `Some(Some(port))` if filled.
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.has("rport").then(|| self.params.get("rport").and_then(|port| port.parse().ok()))
    }
}

impl FromStr for Via {
    type Err = SyntaxError;

    /// Reads one `via-parm`; a list is split before.
    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        whole("Via", via_parm, text)
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/{}/{} {}{}", self.version, self.transport, self.sent_by, self.params)
    }
}

fn via_parm(input: &str) -> Parsed<'_, Via> {
    let name = nom::bytes::complete::tag_no_case("SIP");
    let (input, (_, _, version, _, transport, _)) =
        context("sent-protocol", (name, separator('/'), token, separator('/'), token, lws)).parse(input)?;
    let (input, sent_by) = cut(context("sent-by", spaced_host_port)).parse(input)?;
    let (input, params) = context("via-params", generic_params).parse(input)?;
    let (input, _) = sws(input)?;
    Ok((input, Via { version: version.to_owned(), transport: transport.to_owned(), sent_by, params }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_via() {
        let via: Via =
            "SIP / 2.0 / UDP first.example.com : 4000 ;ttl=16\t; maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1"
                .parse()
                .unwrap();
        assert_eq!(via.sent_by.to_string(), "first.example.com:4000");
        assert_eq!(via.branch(), Some("z9hG4bKa7c6a8dlze.1"));
        assert_eq!(via.rport(), None);
        assert_eq!(
            via.to_string(),
            "SIP/2.0/UDP first.example.com:4000;ttl=16;maddr=224.2.0.1;branch=z9hG4bKa7c6a8dlze.1"
        );
    }

    #[test]
    fn received_and_rport() {
        let via: Via =
            "sip/2.0/tcp [2001:db8::9:1];received=[2001:db8::9:255];rport;branch=z9hG4bKas3-111".parse().unwrap();
        assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()));
        assert_eq!(via.rport(), Some(None));
        let via: Via = "SIP/2.0/UDP a;received=2001:db8::9:255;rport=5062".parse().unwrap();
        assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()));
        assert_eq!(via.rport(), Some(Some(5062)));
    }

    #[test]
    fn malformed_vias_tell_where() {
        for (text, position) in [
            ("SIP/2.0 UDP a", 8),
            ("HTTP/1.1/TCP a", 0),
            ("SIP/2.0/UDP ", 12),
            ("SIP/2.0/UDP a:b", 14),
            ("SIP/2.0/UDP a;;b", 14),
        ] {
            let error = text.parse::<Via>().unwrap_err();
            assert_eq!(error.position, position, "{text}: {error}");
        }
    }
}
