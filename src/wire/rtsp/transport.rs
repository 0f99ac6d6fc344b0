//! The Transport header, RFC 2326 section 12.39.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while};
use nom::character::complete::{char, u16};
use nom::combinator::{map, opt, value};
use nom::error::context;
use nom::multi::many0;
use nom::sequence::preceded;

use crate::wire::text::{Parsed, SyntaxError, quoted_string, separator, split_list, sws, token, unquote, whole};

/// What RTP is carried over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LowerTransport {
    /// Datagrams; the default.
    Udp,
    /// Interleaved with the RTSP messages.
    Tcp,
}

/// To one or to many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// `unicast`
    Unicast,
    /// `multicast`, the default of the RFC.
    Multicast,
}

/// A port for RTP, and one for RTCP if it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// RTP.
    pub rtp: u16,
    /// RTCP.
    pub rtcp: Option<u16>,
}

/// One way to carry sound: a `transport-spec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// `AVP`, `SAVP`, ..: in capitals.
    pub profile: String,
    /// What RTP is carried over.
    pub lower: LowerTransport,
    /// To one or to many.
    pub delivery: Delivery,
    /// Where the client receives RTP and RTCP.
    pub client_port: Option<Ports>,
    /// Where the server does.
    pub server_port: Option<Ports>,
    /// Where the client wants sound sent to.
    pub destination: Option<String>,
    /// The other parameters in their order, as they came.
    pub others: Vec<(String, Option<String>)>,
}

impl Transport {
    /// All alternatives of a header, the client's favourite first.
    ///
    /// # Errors
    /// [`SyntaxError`] if one is malformed, or there is none. Transports other than RTP are passed over.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, SyntaxError> {
        let mut all = Vec::new();
        let mut any = false;
        for spec in split_list(text) {
            any = true;
            // `x-real-rdt/udp` and the like: legal, not RTP.
            if spec.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("RTP/")) {
                all.push(spec.parse()?);
            }
        }
        if any { Ok(all) } else { Err(SyntaxError::new(0, "Transport")) }
    }

    /// The address of `destination`, if it is one.
    #[must_use]
    pub fn destination_address(&self) -> Option<IpAddr> {
        self.destination.as_deref().and_then(|address| address.parse().ok())
    }
}

impl FromStr for Transport {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        whole("transport-spec", spec, text)
    }
}

fn spec(input: &str) -> Parsed<'_, Transport> {
    let lower = alt((value(LowerTransport::Udp, tag_no_case("UDP")), value(LowerTransport::Tcp, tag_no_case("TCP"))));
    let mut start = (
        sws,
        tag_no_case("RTP/"),
        context("profile", token),
        opt(preceded(char('/'), context("lower-transport", lower))),
    );
    let (input, (_, _, profile, lower)) = start.parse(input)?;
    let (input, parameters) = many0(preceded(separator(';'), opt(parameter))).parse(input)?;
    let (input, _) = sws(input)?;
    let mut transport = Transport {
        profile: profile.to_ascii_uppercase(),
        lower: lower.unwrap_or(LowerTransport::Udp),
        // The RFC's default is multicast, which no client of MRCP means when it leaves the word out.
        delivery: Delivery::Unicast,
        client_port: None,
        server_port: None,
        destination: None,
        others: Vec::new(),
    };
    for (name, text) in parameters.into_iter().flatten() {
        let ports = || text.as_deref().and_then(|text| whole("port", ports, text).ok());
        match name.to_ascii_lowercase().as_str() {
            "unicast" => transport.delivery = Delivery::Unicast,
            "multicast" => transport.delivery = Delivery::Multicast,
            "client_port" => {
                transport.client_port = Some(ports().ok_or_else(|| failure(input))?);
            }
            "server_port" => {
                transport.server_port = Some(ports().ok_or_else(|| failure(input))?);
            }
            "destination" => transport.destination = text,
            _ => transport.others.push((name.to_owned(), text)),
        }
    }
    Ok((input, transport))
}

fn failure(input: &str) -> nom::Err<crate::wire::text::Trace<'_>> {
    let trace = nom::error::ParseError::from_error_kind(input, nom::error::ErrorKind::Digit);
    nom::Err::Failure(nom::error::ContextError::add_context(input, "port", trace))
}

fn parameter(input: &str) -> Parsed<'_, (&str, Option<String>)> {
    let bare = take_while(|c: char| c != ';' && c != ',' && c != '"' && !c.is_ascii_whitespace());
    let text = alt((map(quoted_string, unquote), map(bare, str::to_owned)));
    (context("parameter", token), opt(preceded(separator('='), text))).parse(input)
}

fn ports(input: &str) -> Parsed<'_, Ports> {
    map((u16, opt(preceded(separator('-'), u16))), |(rtp, rtcp)| Ports { rtp, rtcp }).parse(input)
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rtp)?;
        match self.rtcp {
            Some(rtcp) => write!(f, "-{rtcp}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RTP/{}", self.profile)?;
        if self.lower == LowerTransport::Tcp {
            f.write_str("/TCP")?;
        }
        f.write_str(match self.delivery {
            Delivery::Unicast => ";unicast",
            Delivery::Multicast => ";multicast",
        })?;
        if let Some(destination) = &self.destination {
            write!(f, ";destination={destination}")?;
        }
        if let Some(ports) = self.client_port {
            write!(f, ";client_port={ports}")?;
        }
        if let Some(ports) = self.server_port {
            write!(f, ";server_port={ports}")?;
        }
        for (name, text) in &self.others {
            match text {
                None => write!(f, ";{name}")?,
                Some(text) if !text.is_empty() && text.chars().all(crate::wire::text::is_token) => {
                    write!(f, ";{name}={text}")?;
                }
                Some(text) => write!(f, ";{name}={}", crate::wire::text::quote(text))?,
            }
        }
        Ok(())
    }
}
