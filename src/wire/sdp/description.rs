//! The session description and its media sections, RFC 8866 section 5.

use std::fmt;
use std::net::IpAddr;

use crate::wire::sdp::attribute::{Attribute, ConnectionReuse, Direction, Fmtp, RtpMap, Setup};
use crate::wire::sdp::security::{Crypto, Fingerprint};

/// A whole description: one offer or one answer. Its version is always 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDescription {
    /// `o=`: who made it, and which version it is.
    pub origin: Origin,
    /// `s=`: mostly `-`.
    pub name: String,
    /// `c=` for the media that have none of their own.
    pub connection: Option<Connection>,
    /// `t=` lines, as they stand. `0 0` is a session without bounds.
    pub times: Vec<String>,
    /// `a=` lines before the first media section.
    pub attributes: Vec<Attribute>,
    /// Other lines before the first media section, as they stand.
    pub other: Vec<OtherLine>,
    /// `m=` sections, in their order, which is their identity (RFC 3264 section 8).
    pub media: Vec<MediaDescription>,
}

/// `o=`, RFC 8866 section 5.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `-` where there is no user.
    pub username: String,
    /// A number, of any size.
    pub session_id: String,
    /// A number, of any size, that grows by one with each change (RFC 3264 section 8).
    pub session_version: String,
    /// Where it was made; not where media go.
    pub address: Address,
}

/// An address of the Internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// IP4 or IP6.
    Ip(IpAddr),
    /// A host's name, of the address type told beside it.
    Name {
        /// Whether the name stands for an IP6 address.
        ip6: bool,
        /// The name.
        name: String,
    },
}

impl Address {
    /// The address, if it is no name.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Name { .. } => None,
        }
    }
}

impl fmt::Display for Address {
    /// As `o=` and `c=` write it: `IN IP4 192.0.2.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(address)) => write!(f, "IN IP4 {address}"),
            Self::Ip(IpAddr::V6(address)) => write!(f, "IN IP6 {address}"),
            Self::Name { ip6, name } => write!(f, "IN {} {name}", if *ip6 { "IP6" } else { "IP4" }),
        }
    }
}

/// `c=`, RFC 8866 section 5.7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Where media go.
    pub address: Address,
    /// What follows a multicast address: `/127`, `/127/3`; empty for unicast.
    pub suffix: String,
}

impl Connection {
    /// A unicast address.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self { address: Address::Ip(address), suffix: String::new() }
    }
}

/// A line that is kept and not understood: `i= u= e= p= b= k= r= z=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherLine {
    /// The letter before `=`.
    pub kind: char,
    /// What follows.
    pub value: String,
}

/// The first word of `m=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaKind {
    /// `audio`.
    Audio,
    /// `application`; MRCPv2's control channels are such.
    Application,
    /// Another word.
    Other(String),
}

impl MediaKind {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Audio => "audio",
            Self::Application => "application",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for MediaKind {
    fn from(word: &str) -> Self {
        if word.eq_ignore_ascii_case("audio") {
            Self::Audio
        } else if word.eq_ignore_ascii_case("application") {
            Self::Application
        } else {
            Self::Other(word.to_owned())
        }
    }
}

/// One `m=` section, RFC 8866 section 5.14.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaDescription {
    /// What flows.
    pub kind: MediaKind,
    /// Where it flows to; 0 declines or removes the section (RFC 3264 section 6).
    pub port: u16,
    /// Number of ports, where told.
    pub port_count: Option<u32>,
    /// `RTP/AVP`, `TCP/MRCPv2`.
    pub protocol: String,
    /// For RTP payload types, best first; for MRCPv2 always `1`.
    pub formats: Vec<String>,
    /// `c=` of this section.
    pub connection: Option<Connection>,
    /// `a=` lines.
    pub attributes: Vec<Attribute>,
    /// Other lines, as they stand.
    pub other: Vec<OtherLine>,
}

/// The protocol of an MRCPv2 control channel over TCP.
pub const TCP_MRCPV2: &str = "TCP/MRCPv2";
/// The protocol of an MRCPv2 control channel over TLS.
pub const TCP_TLS_MRCPV2: &str = "TCP/TLS/MRCPv2";
/// The protocol of RTP under the audio/video profile.
pub const RTP_AVP: &str = "RTP/AVP";
/// The protocol of SRTP, RFC 3711 section 12.
pub const RTP_SAVP: &str = "RTP/SAVP";

impl MediaDescription {
    /// A section with nothing but its `m=` line.
    #[must_use]
    pub fn new(kind: MediaKind, port: u16, protocol: &str, formats: Vec<String>) -> Self {
        Self {
            kind,
            port,
            port_count: None,
            protocol: protocol.to_owned(),
            formats,
            connection: None,
            attributes: Vec::new(),
            other: Vec::new(),
        }
    }

    /// Whether this is a control channel of MRCPv2, over TCP or TLS.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.kind == MediaKind::Application
            && [TCP_MRCPV2, TCP_TLS_MRCPV2].iter().any(|word| self.protocol.eq_ignore_ascii_case(word))
    }

    /// The formats that are payload types, in their order.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + '_ {
        self.formats.iter().filter_map(|format| format.parse().ok()).filter(|number| *number < 128)
    }

    /// `a=rtpmap` of a payload type.
    #[must_use]
    pub fn rtpmap(&self, payload_type: u8) -> Option<&RtpMap> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::RtpMap(map) if map.payload_type == payload_type => Some(map),
            _ => None,
        })
    }

    /// `a=fmtp` of a payload type.
    #[must_use]
    pub fn fmtp(&self, payload_type: u8) -> Option<&Fmtp> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Fmtp(fmtp) if fmtp.payload_type == payload_type => Some(fmtp),
            _ => None,
        })
    }

    /// `a=ptime` in milliseconds.
    #[must_use]
    pub fn ptime(&self) -> Option<u32> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Ptime(ms) => Some(*ms),
            _ => None,
        })
    }

    /// The direction, where told. [`SessionDescription::direction_of`] has the defaults.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        direction(&self.attributes)
    }

    /// `a=setup`.
    #[must_use]
    pub fn setup(&self) -> Option<Setup> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Setup(setup) => Some(*setup),
            _ => None,
        })
    }

    /// `a=connection`.
    #[must_use]
    pub fn connection_reuse(&self) -> Option<ConnectionReuse> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Connection(reuse) => Some(*reuse),
            _ => None,
        })
    }

    /// `a=resource`.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Resource(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// `a=channel`: the identifier and the resource with `@` between them.
    #[must_use]
    pub fn channel(&self) -> Option<&str> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Channel(identifier) => Some(identifier.as_str()),
            _ => None,
        })
    }

    /// The `a=cmid` lines; there may be several.
    pub fn cmids(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().filter_map(|attribute| match attribute {
            Attribute::Cmid(tag) => Some(tag.as_str()),
            _ => None,
        })
    }

    /// `a=mid`.
    #[must_use]
    pub fn mid(&self) -> Option<&str> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Mid(tag) => Some(tag.as_str()),
            _ => None,
        })
    }

    /// The `a=crypto` lines, best first.
    pub fn cryptos(&self) -> impl Iterator<Item = &Crypto> {
        self.attributes.iter().filter_map(|attribute| match attribute {
            Attribute::Crypto(crypto) => Some(crypto),
            _ => None,
        })
    }
}

impl SessionDescription {
    /// A section's `c=`, or the session's.
    #[must_use]
    pub fn connection_of<'a>(&'a self, media: &'a MediaDescription) -> Option<&'a Connection> {
        media.connection.as_ref().or(self.connection.as_ref())
    }

    /// A section's direction, or the session's, or `sendrecv` (RFC 8866 section 6.7).
    #[must_use]
    pub fn direction_of(&self, media: &MediaDescription) -> Direction {
        media.direction().or_else(|| direction(&self.attributes)).unwrap_or(Direction::SendRecv)
    }

    /// The certificates that a section's connection may be made with: its own `a=fingerprint` lines, or the session's
    /// (RFC 8122 section 5).
    #[must_use]
    pub fn fingerprints_of(&self, media: &MediaDescription) -> Vec<Fingerprint> {
        let of = |attributes: &[Attribute]| -> Vec<Fingerprint> {
            let fingerprint = |attribute: &Attribute| match attribute {
                Attribute::Fingerprint(fingerprint) => Some(fingerprint.clone()),
                _ => None,
            };
            attributes.iter().filter_map(fingerprint).collect()
        };
        let own = of(&media.attributes);
        if own.is_empty() { of(&self.attributes) } else { own }
    }

    /// The description as octets, with CRLF.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

fn direction(attributes: &[Attribute]) -> Option<Direction> {
    attributes.iter().find_map(|attribute| match attribute {
        Attribute::Direction(direction) => Some(*direction),
        _ => None,
    })
}

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { username, session_id, session_version, address } = &self.origin;
        write!(f, "v=0\r\no={username} {session_id} {session_version} {address}\r\ns={}\r\n", self.name)?;
        write_others(f, &self.other, "iuep")?;
        write_connection(f, self.connection.as_ref())?;
        write_others(f, &self.other, "b")?;
        for time in &self.times {
            write!(f, "t={time}\r\n")?;
        }
        write_others(f, &self.other, "rzk")?;
        write_attributes(f, &self.attributes)?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

impl fmt::Display for MediaDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {}", self.kind.as_str(), self.port)?;
        if let Some(count) = self.port_count {
            write!(f, "/{count}")?;
        }
        write!(f, " {}", self.protocol)?;
        self.formats.iter().try_for_each(|format| write!(f, " {format}"))?;
        f.write_str("\r\n")?;
        write_others(f, &self.other, "i")?;
        write_connection(f, self.connection.as_ref())?;
        write_others(f, &self.other, "bk")?;
        write_attributes(f, &self.attributes)
    }
}

/// Writes the lines of these kinds: the order of lines is fixed (RFC 8866 section 5).
fn write_others(f: &mut fmt::Formatter<'_>, lines: &[OtherLine], kinds: &str) -> fmt::Result {
    lines
        .iter()
        .filter(|line| kinds.contains(line.kind))
        .try_for_each(|OtherLine { kind, value }| write!(f, "{kind}={value}\r\n"))
}

fn write_connection(f: &mut fmt::Formatter<'_>, connection: Option<&Connection>) -> fmt::Result {
    match connection {
        Some(Connection { address, suffix }) => write!(f, "c={address}{suffix}\r\n"),
        None => Ok(()),
    }
}

fn write_attributes(f: &mut fmt::Formatter<'_>, attributes: &[Attribute]) -> fmt::Result {
    attributes.iter().try_for_each(|attribute| write!(f, "a={attribute}\r\n"))
}
