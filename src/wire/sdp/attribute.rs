//! Attributes, RFC 8866 section 6, RFC 4145 sections 4 and 5, RFC 6787 sections 4.2 and 4.4; those of security beside.

use std::fmt;

use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while1};
use nom::character::complete::{char, digit1, space0, space1, u8 as number_u8, u32 as number_u32};
use nom::combinator::{all_consuming, map, map_opt, opt, rest, value, verify};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};
use webrtc_sdp::SdpType;
use webrtc_sdp::attribute_type::{SdpAttribute, SdpAttributeSetup, parse_attribute};

use crate::wire::sdp::security::{Crypto, Fingerprint};

/// An `a=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// `rtpmap:96 L16/8000`
    RtpMap(RtpMap),
    /// `fmtp:101 0-15`
    Fmtp(Fmtp),
    /// `ptime:20`, in milliseconds.
    Ptime(u32),
    /// `sendonly` and the like.
    Direction(Direction),
    /// `setup:active`
    Setup(Setup),
    /// `connection:new`
    Connection(ConnectionReuse),
    /// `resource:speechrecog`
    Resource(String),
    /// `channel:32AECB234338@speechrecog`
    Channel(String),
    /// `cmid:1`: the `mid` of the sound that a control channel works on.
    Cmid(String),
    /// `mid:1`
    Mid(String),
    /// `crypto:1 AES_CM_128_HMAC_SHA1_80 inline:...`
    Crypto(Crypto),
    /// `fingerprint:sha-256 4A:AD:...`
    Fingerprint(Fingerprint),
    /// Any other, and those above whose value is none of theirs; as it stands.
    Other {
        /// Before the colon.
        name: String,
        /// After the colon, if there is one.
        value: Option<String>,
    },
}

/// Which codec a payload type stands for, RFC 8866 section 6.6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpMap {
    /// 0 to 127.
    pub payload_type: u8,
    /// In the case in which it was written; cases do not differ.
    pub encoding_name: String,
    /// Hertz.
    pub clock_rate: u32,
    /// The encoding's parameters; for audio the number of channels, `None` if not told, which means 1.
    pub channels: Option<u32>,
}

/// Parameters of a payload type, RFC 8866 section 6.15.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fmtp {
    /// 0 to 127.
    pub payload_type: u8,
    /// As they stand.
    pub parameters: String,
}

/// Who sends, seen from the one who says it; RFC 8866 section 6.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    SendRecv,
    /// This side only.
    SendOnly,
    /// The other side only.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// The word of SDP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// Who opens the connection, RFC 4145 section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// This side opens it.
    Active,
    /// The other side opens it.
    Passive,
    /// Either may.
    ActPass,
    /// None for the time being.
    HoldConn,
}

impl Setup {
    /// The word of SDP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }
}

/// Whether a connection is opened or one that stands is shared, RFC 4145 section 5 and RFC 6787 section 4.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionReuse {
    /// Opened.
    New,
    /// Shared.
    Existing,
}

impl ConnectionReuse {
    /// The word of SDP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Existing => "existing",
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RtpMap(RtpMap { payload_type, encoding_name, clock_rate, channels }) => {
                write!(f, "rtpmap:{payload_type} {encoding_name}/{clock_rate}")?;
                channels.map_or(Ok(()), |channels| write!(f, "/{channels}"))
            }
            Self::Fmtp(Fmtp { payload_type, parameters }) => write!(f, "fmtp:{payload_type} {parameters}"),
            Self::Ptime(ms) => write!(f, "ptime:{ms}"),
            Self::Direction(direction) => f.write_str(direction.as_str()),
            Self::Setup(setup) => write!(f, "setup:{}", setup.as_str()),
            Self::Connection(reuse) => write!(f, "connection:{}", reuse.as_str()),
            Self::Resource(name) => write!(f, "resource:{name}"),
            Self::Channel(identifier) => write!(f, "channel:{identifier}"),
            Self::Cmid(tag) => write!(f, "cmid:{tag}"),
            Self::Mid(tag) => write!(f, "mid:{tag}"),
            Self::Crypto(crypto) => write!(f, "crypto:{crypto}"),
            Self::Fingerprint(fingerprint) => write!(f, "fingerprint:{fingerprint}"),
            Self::Other { name, value: None } => f.write_str(name),
            Self::Other { name, value: Some(value) } => write!(f, "{name}:{value}"),
        }
    }
}

impl Attribute {
    /// Reads what follows `a=` in an audio section.
    pub(super) fn of_audio(line: &str) -> Self {
        by_webrtc_sdp(line).unwrap_or_else(|| Self::of_control(line))
    }

    /// Reads what follows `a=` in a control section, or before the first section.
    pub(super) fn of_control(line: &str) -> Self {
        if let Ok((_, attribute)) = all_consuming(terminated(attribute, space0)).parse(line) {
            return attribute;
        }
        match line.split_once(':') {
            Some((name, value)) => Self::Other { name: name.to_owned(), value: Some(value.to_owned()) },
            None => Self::Other { name: line.to_owned(), value: None },
        }
    }
}

/// What the library makes of a line; `None` where it refuses, or where it would not keep all that the line says.
fn by_webrtc_sdp(line: &str) -> Option<Attribute> {
    let name = line.split(':').next().unwrap_or(line);
    if !matches!(name, "rtpmap" | "ptime" | "mid" | "setup" | "sendrecv" | "sendonly" | "recvonly" | "inactive") {
        return None;
    }
    let Ok(SdpType::Attribute(attribute)) = parse_attribute(line) else { return None };
    Some(match attribute {
        SdpAttribute::Rtpmap(map) => Attribute::RtpMap(RtpMap {
            payload_type: map.payload_type,
            encoding_name: map.codec_name,
            clock_rate: map.frequency,
            channels: map.channels,
        }),
        SdpAttribute::Ptime(ms) => Attribute::Ptime(ms.try_into().ok()?),
        SdpAttribute::Mid(tag) => Attribute::Mid(tag),
        SdpAttribute::Setup(setup) => Attribute::Setup(match setup {
            SdpAttributeSetup::Active => Setup::Active,
            SdpAttributeSetup::Passive => Setup::Passive,
            SdpAttributeSetup::Actpass => Setup::ActPass,
            SdpAttributeSetup::Holdconn => Setup::HoldConn,
        }),
        SdpAttribute::Sendrecv => Attribute::Direction(Direction::SendRecv),
        SdpAttribute::Sendonly => Attribute::Direction(Direction::SendOnly),
        SdpAttribute::Recvonly => Attribute::Direction(Direction::RecvOnly),
        SdpAttribute::Inactive => Attribute::Direction(Direction::Inactive),
        _ => return None,
    })
}

fn attribute(input: &str) -> IResult<&str, Attribute> {
    alt((
        map(preceded(tag_no_case("rtpmap:"), rtpmap), Attribute::RtpMap),
        map(preceded(tag_no_case("fmtp:"), fmtp), Attribute::Fmtp),
        map(preceded(tag_no_case("ptime:"), ptime), Attribute::Ptime),
        map(preceded(tag_no_case("setup:"), setup), Attribute::Setup),
        map(preceded(tag_no_case("connection:"), reuse), Attribute::Connection),
        map(preceded(tag_no_case("resource:"), token), |name: &str| Attribute::Resource(name.to_owned())),
        map(preceded(tag_no_case("channel:"), channel), |identifier| Attribute::Channel(identifier.to_owned())),
        map(preceded(tag_no_case("cmid:"), token), |tag: &str| Attribute::Cmid(tag.to_owned())),
        map(preceded(tag_no_case("mid:"), token), |tag: &str| Attribute::Mid(tag.to_owned())),
        map(preceded(tag_no_case("crypto:"), map_opt(rest, Crypto::parse)), Attribute::Crypto),
        map(preceded(tag_no_case("fingerprint:"), map_opt(rest, Fingerprint::parse)), Attribute::Fingerprint),
        map(direction, Attribute::Direction),
    ))
    .parse(input)
}

fn payload_type(input: &str) -> IResult<&str, u8> {
    verify(number_u8, |number| *number < 128).parse(input)
}

fn rtpmap(input: &str) -> IResult<&str, RtpMap> {
    let encoding_name = take_while1(|c: char| c != '/' && !c.is_whitespace());
    let (input, _) = space0(input)?;
    let (input, (payload_type, _, encoding_name, _, clock_rate, channels)) =
        (payload_type, space1, encoding_name, char('/'), number_u32, opt(preceded(char('/'), number_u32)))
            .parse(input)?;
    Ok((input, RtpMap { payload_type, encoding_name: encoding_name.to_owned(), clock_rate, channels }))
}

fn fmtp(input: &str) -> IResult<&str, Fmtp> {
    let (input, (payload_type, _, parameters)) = (payload_type, space1, rest).parse(input)?;
    Ok((input, Fmtp { payload_type, parameters: parameters.trim_end().to_owned() }))
}

/// A real number is allowed; the fraction is left out.
fn ptime(input: &str) -> IResult<&str, u32> {
    terminated(preceded(space0, number_u32), opt((char('.'), digit1))).parse(input)
}

fn setup(input: &str) -> IResult<&str, Setup> {
    preceded(
        space0,
        alt((
            value(Setup::ActPass, tag_no_case("actpass")),
            value(Setup::Active, tag_no_case("active")),
            value(Setup::Passive, tag_no_case("passive")),
            value(Setup::HoldConn, tag_no_case("holdconn")),
        )),
    )
    .parse(input)
}

fn reuse(input: &str) -> IResult<&str, ConnectionReuse> {
    preceded(
        space0,
        alt((
            value(ConnectionReuse::New, tag_no_case("new")),
            value(ConnectionReuse::Existing, tag_no_case("existing")),
        )),
    )
    .parse(input)
}

fn direction(input: &str) -> IResult<&str, Direction> {
    alt((
        value(Direction::SendRecv, tag_no_case("sendrecv")),
        value(Direction::SendOnly, tag_no_case("sendonly")),
        value(Direction::RecvOnly, tag_no_case("recvonly")),
        value(Direction::Inactive, tag_no_case("inactive")),
    ))
    .parse(input)
}

/// `channel-identifier "@" resource`; both parts are there.
fn channel(input: &str) -> IResult<&str, &str> {
    verify(token, |identifier: &str| {
        identifier.split_once('@').is_some_and(|(id, resource)| !id.is_empty() && !resource.is_empty())
    })
    .parse(input)
}

fn token(input: &str) -> IResult<&str, &str> {
    preceded(space0, take_while1(|c: char| !c.is_whitespace())).parse(input)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_readers_agree() {
        for line in ["rtpmap:0 PCMU/8000", "rtpmap:111 opus/48000/2", "ptime:20", "mid:1", "setup:actpass", "sendonly"]
        {
            let by_library = by_webrtc_sdp(line).unwrap();
            assert_eq!(by_library, Attribute::of_control(line));
            assert_eq!(by_library.to_string(), line);
        }
    }

    #[test]
    fn what_the_library_does_not_know() {
        let of = Attribute::of_audio;
        assert_eq!(of("connection:existing"), Attribute::Connection(ConnectionReuse::Existing));
        assert_eq!(of("channel:32AECB@speechrecog"), Attribute::Channel("32AECB@speechrecog".into()));
        assert_eq!(of("cmid:1 "), Attribute::Cmid("1".into()));
        assert_eq!(of("resource:speechrecog"), Attribute::Resource("speechrecog".into()));
        assert_eq!(of("ptime:20.0"), Attribute::Ptime(20));
        assert_eq!(of("Setup:Active"), Attribute::Setup(Setup::Active));
        let fmtp = Fmtp { payload_type: 101, parameters: "0-15,66;x=y".into() };
        assert_eq!(of("fmtp:101 0-15,66;x=y"), Attribute::Fmtp(fmtp));
    }

    #[test]
    fn what_nobody_knows_stands_as_it_was() {
        for line in [
            "x-nat:0",
            "rtcp:4001",
            "channel:speechrecog",
            "channel:@speechrecog",
            "setup:both",
            "rtpmap:300 PCMU/8000",
            "rtpmap:0 PCMU",
            "sendonly:now",
            "",
        ] {
            let attribute = Attribute::of_audio(line);
            assert!(matches!(attribute, Attribute::Other { .. }), "{line}: {attribute:?}");
            assert_eq!(attribute.to_string(), line);
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(
            name in "rtpmap|fmtp|ptime|mid|setup|sendonly|channel|cmid|[a-z]{0,6}",
            value in "[ -~\u{e9}/:0-9]{0,30}",
        ) {
            let line = format!("{name}:{value}");
            let read = Attribute::of_audio(&line);
            prop_assert_eq!(Attribute::of_audio(&read.to_string()), read);
        }
    }
}
