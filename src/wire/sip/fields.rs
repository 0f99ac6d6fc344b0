//! Small header fields: CSeq, Content-Type, Session-Expires, Retry-After, and plain numbers.

use std::fmt;
use std::str::FromStr;

use nom::Parser;
use nom::character::complete::{char, u32};
use nom::combinator::{map, opt, recognize};
use nom::error::context;
use nom::sequence::preceded;

use crate::wire::sip::method::Method;
use crate::wire::sip::uri::{Params, generic_params};
use crate::wire::text::{Parsed, SyntaxError, lws, separator, sws, token, whole};

/// CSeq, RFC 3261 section 20.16.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Below 2^31.
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl FromStr for CSeq {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let number = nom::combinator::verify(u32, |number| *number < 1 << 31);
        let parser = (context("number", number), lws, context("method", token), sws);
        whole("CSeq", map(parser, |(number, _, method, _)| Self { number, method: method.into() }), text)
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

/// `media-type` of Content-Type and `media-range` of Accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    /// "application", in lower case.
    pub kind: String,
    /// "sdp", in lower case.
    pub subtype: String,
    /// Parameters.
    pub params: Params,
}

impl MediaType {
    /// Whether this is `kind/subtype`, both in lower case.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind == kind && self.subtype == subtype
    }

    /// Whether this, as an Accept's range, takes in `kind/subtype`.
    #[must_use]
    pub fn covers(&self, kind: &str, subtype: &str) -> bool {
        (self.kind == "*" || self.kind == kind) && (self.subtype == "*" || self.subtype == subtype)
    }
}

impl FromStr for MediaType {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let parser = (context("m-type", token), separator('/'), context("m-subtype", token), generic_params, sws);
        let parser = map(parser, |(kind, _, subtype, params, _)| Self {
            kind: kind.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
            params,
        });
        whole("media-type", parser, text)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

/// Who refreshes a session, RFC 4028: the roles are those of the transaction that carries the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// The one who sent the request.
    Uac,
    /// The one who answers it.
    Uas,
}

/// Session-Expires, RFC 4028 section 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionExpires {
    /// The session interval in seconds.
    pub interval_s: u32,
    /// Who refreshes, if it is said.
    pub refresher: Option<Refresher>,
}

impl FromStr for SessionExpires {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let parser = (context("delta-seconds", u32), generic_params, sws);
        let parser = map(parser, |(interval_s, params, _)| Self {
            interval_s,
            refresher: match params.get("refresher") {
                Some(who) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
                Some(who) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
                _ => None,
            },
        });
        whole("Session-Expires", parser, text)
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.interval_s)?;
        match self.refresher {
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

/// Retry-After, RFC 3261 section 20.33.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryAfter {
    /// Seconds to wait.
    pub seconds: u32,
    /// The comment for people, as written, without its parentheses.
    pub comment: Option<String>,
    /// duration, ...
    pub params: Params,
}

impl FromStr for RetryAfter {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let parser = (context("delta-seconds", u32), opt(preceded(sws, comment)), generic_params, sws);
        let parser = map(parser, |(seconds, comment, params, _)| Self {
            seconds,
            comment: comment.and_then(|text| text.strip_prefix('(')?.strip_suffix(')')).map(str::to_owned),
            params,
        });
        whole("Retry-After", parser, text)
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        if let Some(comment) = &self.comment {
            write!(f, " ({comment})")?;
        }
        write!(f, "{}", self.params)
    }
}

/// `comment`; the nesting that the grammar allows is left out, since no field that is read here needs it.
fn comment(input: &str) -> Parsed<'_, &str> {
    let text = nom::bytes::complete::take_while(|c| c != '(' && c != ')');
    context("comment", recognize((char('('), text, char(')')))).parse(input)
}

/// A field that is one number: Max-Forwards, Expires, Content-Length.
pub(super) fn number(production: &'static str, text: &str) -> Result<u32, SyntaxError> {
    whole(production, (u32, sws), text).map(|(number, _)| number)
}

/// Min-SE: a number and parameters, which have no meaning yet.
pub(super) fn min_se(text: &str) -> Result<u32, SyntaxError> {
    whole("Min-SE", (u32, generic_params, sws), text).map(|(seconds, _, _)| seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cseq() {
        assert_eq!("0009\t INVITE ".parse(), Ok(CSeq { number: 9, method: Method::Invite }));
        assert_eq!("2147483647 newMethod'".parse::<CSeq>().unwrap().method, Method::Other("newMethod'".into()));
        for text in ["", "1", "INVITE 1", "2147483648 INVITE", "99999999999 INVITE", "-1 INVITE", "1 INVITE x"] {
            text.parse::<CSeq>().unwrap_err();
        }
    }

    #[test]
    fn media_types() {
        let media: MediaType = "Application / SDP ; charset=\"utf-8\"".parse().unwrap();
        assert!(media.is("application", "sdp"));
        assert_eq!(media.params.get_unquoted("charset").as_deref(), Some("utf-8"));
        assert!("application/*".parse::<MediaType>().unwrap().covers("application", "sdp"));
        assert!("*/*;q=0.3".parse::<MediaType>().unwrap().covers("application", "sdp"));
        assert!(!"text/*".parse::<MediaType>().unwrap().covers("application", "sdp"));
        assert_eq!("application".parse::<MediaType>().unwrap_err().position, 11);
    }

    #[test]
    fn session_expires_and_retry_after() {
        let timer: SessionExpires = "1800 ;Refresher=UAC".parse().unwrap();
        assert_eq!(timer, SessionExpires { interval_s: 1800, refresher: Some(Refresher::Uac) });
        assert_eq!(timer.to_string(), "1800;refresher=uac");
        let retry: RetryAfter = "18000;duration=3600".parse().unwrap();
        assert_eq!((retry.seconds, retry.params.get("duration")), (18000, Some("3600")));
        let retry: RetryAfter = "120 (I'm in a meeting)".parse().unwrap();
        assert_eq!(retry.comment.as_deref(), Some("I'm in a meeting"));
        assert_eq!(retry.to_string(), "120 (I'm in a meeting)");
        assert_eq!(min_se("90;x=y"), Ok(90));
        assert_eq!(number("Max-Forwards", "70x").unwrap_err().position, 2);
    }
}
