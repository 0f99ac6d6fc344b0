//! Octets to a session description, RFC 8866 section 9.

use std::fmt;
use std::net::IpAddr;

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_till, take_till1, take_while1};
use nom::character::complete::{char, digit1, space0, space1, u16 as number_u16, u32 as number_u32};
use nom::combinator::{all_consuming, map, opt, value};
use nom::multi::many0;
use nom::sequence::{preceded, separated_pair, terminated};
use nom::{IResult, Offset, Parser};
use webrtc_sdp::SdpType;
use webrtc_sdp::media_type::{SdpFormatList, SdpMediaValue, parse_media};

use crate::wire::sdp::attribute::Attribute;
use crate::wire::sdp::description::{
    Address, Connection, MediaDescription, MediaKind, Origin, OtherLine, SessionDescription,
};

/// Why octets are no session description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// Octet at which the line begins, from 0.
    pub offset: usize,
    /// The production of RFC 8866 that was expected.
    pub expected: &'static str,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SDP line {} (octet {}): expected {}", self.line, self.offset, self.expected)
    }
}

impl std::error::Error for ParseError {}

/// Reads a session description. Lines may end with CRLF or LF; empty ones are passed over; a line that is no UTF-8 is
/// read with its wrong octets replaced.
///
/// # Errors
/// If a line is none, or one of `v=`, `o=`, `c=`, `m=` is not as RFC 8866 has it. Attributes are never an error.
pub fn parse(bytes: &[u8]) -> Result<SessionDescription, ParseError> {
    let mut reader = Reader::default();
    let mut rest = bytes;
    let mut line = 0;
    while !rest.is_empty() {
        line += 1;
        let offset = bytes.offset(rest);
        let at = |expected| ParseError { line, offset, expected };
        let (after, text) = one_line(rest).map_err(|_| at("text-line"))?;
        rest = after;
        if text.is_empty() {
            continue;
        }
        let text = String::from_utf8_lossy(text);
        let (kind, value) = kind_and_value(&text).ok_or_else(|| at("type \"=\" value"))?;
        reader.line(kind, value).map_err(at)?;
    }
    reader.finish().map_err(|expected| ParseError { line, offset: bytes.len(), expected })
}

fn one_line(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let (input, line) = terminated(take_till(|octet| octet == b'\n'), opt(tag("\n"))).parse(input)?;
    Ok((input, line.strip_suffix(b"\r").unwrap_or(line)))
}

fn kind_and_value(line: &str) -> Option<(char, &str)> {
    let (kind, value) = line.split_once('=')?;
    let mut letters = kind.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if letter.is_ascii_alphabetic() => Some((letter, value)),
        _ => None,
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    version: bool,
    origin: Option<Origin>,
    name: Option<String>,
    connection: Option<Connection>,
    times: Vec<String>,
    attributes: Vec<Attribute>,
    other: Vec<OtherLine>,
    media: Vec<MediaDescription>,
}

impl Reader {
    fn line(&mut self, kind: char, text: &str) -> Result<(), &'static str> {
        if !self.version {
            return if kind == 'v' && text.trim_end() == "0" {
                self.version = true;
                Ok(())
            } else {
                Err("version-field (v=0)")
            };
        }
        if kind == 'm' {
            self.media.push(media_field(text).ok_or("media-field (media port proto fmt)")?);
            return Ok(());
        }
        if let Some(media) = self.media.last_mut() {
            return media_line(media, kind, text);
        }
        match kind {
            'o' if self.origin.is_none() => self.origin = Some(complete(origin, text).ok_or("origin-field")?),
            's' if self.name.is_none() => self.name = Some(text.to_owned()),
            'c' if self.connection.is_none() => {
                self.connection = Some(complete(connection, text).ok_or("connection-field")?);
            }
            't' => self.times.push(text.to_owned()),
            'a' => self.attributes.push(Attribute::of_control(text)),
            'i' | 'u' | 'e' | 'p' | 'b' | 'k' | 'r' | 'z' => {
                self.other.push(OtherLine { kind, value: text.to_owned() });
            }
            'v' | 'o' | 's' | 'c' => return Err("only one such line"),
            _ => return Err("a line of a session description"),
        }
        Ok(())
    }

    fn finish(self) -> Result<SessionDescription, &'static str> {
        if !self.version {
            return Err("version-field (v=0)");
        }
        Ok(SessionDescription {
            origin: self.origin.ok_or("origin-field")?,
            // Some peers leave out lines that say nothing; nothing depends on them.
            name: self.name.unwrap_or_else(|| "-".to_owned()),
            connection: self.connection,
            times: self.times,
            attributes: self.attributes,
            other: self.other,
            media: self.media,
        })
    }
}

fn media_line(media: &mut MediaDescription, kind: char, value: &str) -> Result<(), &'static str> {
    match kind {
        // A second c= belongs to multicast (RFC 8866 section 5.7); the first one is what counts here.
        'c' if media.connection.is_some() => {
            complete(connection, value).ok_or("connection-field")?;
        }
        'c' => media.connection = Some(complete(connection, value).ok_or("connection-field")?),
        'a' if media.kind == MediaKind::Audio => media.attributes.push(Attribute::of_audio(value)),
        'a' => media.attributes.push(Attribute::of_control(value)),
        'i' | 'b' | 'k' => media.other.push(OtherLine { kind, value: value.to_owned() }),
        _ => return Err("a line of a media section"),
    }
    Ok(())
}

fn complete<'a, T>(parser: impl FnMut(&'a str) -> IResult<&'a str, T>, value: &'a str) -> Option<T> {
    all_consuming(parser).parse(value.trim_end()).ok().map(|(_, read)| read)
}

fn word(input: &str) -> IResult<&str, &str> {
    take_while1(|c: char| !c.is_whitespace()).parse(input)
}

fn origin(input: &str) -> IResult<&str, Origin> {
    let (input, (username, _, session_id, _, session_version, _)) =
        (word, space1, digit1, space1, digit1, space1).parse(input)?;
    let (input, connection) = connection(input)?;
    Ok((
        input,
        Origin {
            username: username.to_owned(),
            session_id: session_id.to_owned(),
            session_version: session_version.to_owned(),
            address: connection.address,
        },
    ))
}

fn connection(input: &str) -> IResult<&str, Connection> {
    let version = alt((value(false, tag_no_case("IP4")), value(true, tag_no_case("IP6"))));
    let (input, ip6) = preceded((tag_no_case("IN"), space1), terminated(version, space1)).parse(input)?;
    let (input, host) = take_till1(|c: char| c == '/' || c.is_whitespace()).parse(input)?;
    let (input, suffix) = take_till(char::is_whitespace).parse(input)?;
    let address = match host.parse::<IpAddr>() {
        Ok(address) => Address::Ip(address),
        Err(_) => Address::Name { ip6, name: host.to_owned() },
    };
    Ok((input, Connection { address, suffix: suffix.to_owned() }))
}

fn media_field(value: &str) -> Option<MediaDescription> {
    audio_by_webrtc_sdp(value).or_else(|| complete(media, value))
}

/// What the library makes of an `m=audio` line; `None` where it refuses.
fn audio_by_webrtc_sdp(value: &str) -> Option<MediaDescription> {
    let Ok(SdpType::Media(line)) = parse_media(value.trim_end()) else { return None };
    let SdpMediaValue::Audio = line.media else { return None };
    let SdpFormatList::Integers(formats) = line.formats else { return None };
    Some(MediaDescription {
        port_count: (line.port_count > 0).then_some(line.port_count),
        ..MediaDescription::new(
            MediaKind::Audio,
            u16::try_from(line.port).ok()?,
            &line.proto.to_string(),
            formats.iter().map(u32::to_string).collect(),
        )
    })
}

fn media(input: &str) -> IResult<&str, MediaDescription> {
    let port = alt((
        separated_pair(number_u16, char('/'), number_u32).map(|(port, count)| (port, Some(count))),
        number_u16.map(|port| (port, None)),
    ));
    let (input, (kind, _, (port, port_count), _, protocol)) = (word, space1, port, space1, word).parse(input)?;
    let (input, formats) = many0(preceded(space1, map(word, str::to_owned))).parse(input)?;
    let (input, _) = space0(input)?;
    Ok((input, MediaDescription { port_count, ..MediaDescription::new(kind.into(), port, protocol, formats) }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::sdp::{ConnectionReuse, Direction, Setup};

    const OFFER: &str = include_str!("../../../tests/data/sdp/freeswitch-offer-telephone-event.sdp");

    #[test]
    fn mod_unimrcp_offers() {
        let offer = parse(OFFER.as_bytes()).unwrap();
        assert_eq!(offer.origin.username, "FreeSWITCH");
        assert_eq!(offer.connection.as_ref().unwrap().address.to_string(), "IN IP4 127.0.0.1");
        let [control, audio] = &offer.media[..] else { panic!("two sections") };
        assert!(control.is_control());
        assert_eq!((control.port, control.formats.as_slice()), (9, &["1".to_owned()][..]));
        assert_eq!(control.setup(), Some(Setup::Active));
        assert_eq!(control.connection_reuse(), Some(ConnectionReuse::New));
        assert_eq!(control.resource(), Some("speechrecog"));
        assert_eq!(control.cmids().collect::<Vec<_>>(), ["1"]);
        assert_eq!(audio.payload_types().collect::<Vec<_>>(), [0, 8, 96, 101]);
        assert_eq!(audio.rtpmap(96).unwrap().encoding_name, "L16");
        assert_eq!(audio.fmtp(101).unwrap().parameters, "0-15");
        assert_eq!((audio.mid(), audio.ptime()), (Some("1"), None));
        assert_eq!(offer.direction_of(audio), Direction::SendOnly);
        assert_eq!(offer.to_string(), OFFER);
    }

    #[test]
    fn line_feeds_alone_and_a_missing_last_one_are_read_alike() {
        let with_crlf = parse(OFFER.as_bytes()).unwrap();
        assert_eq!(parse(OFFER.replace('\r', "").as_bytes()).unwrap(), with_crlf);
        assert_eq!(parse(OFFER.trim_end().as_bytes()).unwrap(), with_crlf);
        assert_eq!(parse(OFFER.replace("m=audio", "\r\nm=audio").as_bytes()).unwrap(), with_crlf);
    }

    #[test]
    fn lines_that_say_nothing_here_are_kept_in_their_places() {
        let text = "v=0\r\no=- 99999999999999999999999 1 IN IP6 2001:db8::1\r\ns= \r\ni=about\r\nc=IN IP4 media.example.com\r\n\
            b=AS:64\r\nt=0 0\r\nr=7d 1h\r\na=tool:x\r\nm=audio 4000/2 RTP/SAVP 0\r\ni=sound\r\nc=IN IP4 233.1.1.1/127\r\n\
            b=AS:80\r\nm=video 0 RTP/AVP 31\r\nm=application 9 tcp/mrcpv2 1\r\n";
        let read = parse(text.as_bytes()).unwrap();
        assert_eq!(read.to_string(), text);
        assert_eq!(read.media[0].port_count, Some(2));
        assert_eq!(read.media[0].connection.as_ref().unwrap().suffix, "/127");
        assert_eq!(read.connection.as_ref().unwrap().address.ip(), None);
        assert_eq!(read.media[1].kind, MediaKind::Other("video".into()));
        assert!(read.media[2].is_control());
    }

    #[test]
    fn an_error_tells_its_place() {
        let told = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(told(""), "SDP line 0 (octet 0): expected version-field (v=0)");
        assert_eq!(told("o=- 1 1 IN IP4 1.2.3.4\n"), "SDP line 1 (octet 0): expected version-field (v=0)");
        assert_eq!(told("v=1\r\n"), "SDP line 1 (octet 0): expected version-field (v=0)");
        assert_eq!(told("v=0\r\ns=-\r\n"), "SDP line 2 (octet 10): expected origin-field");
        assert_eq!(told("v=0\r\no=- a 1 IN IP4 1.2.3.4\r\n"), "SDP line 2 (octet 5): expected origin-field");
        let origin = "v=0\no=- 1 1 IN IP4 1.2.3.4\n";
        assert_eq!(told(&format!("{origin}audio\n")), "SDP line 3 (octet 27): expected type \"=\" value");
        assert_eq!(told(&format!("{origin}c=IN IP5 ::\n")), "SDP line 3 (octet 27): expected connection-field");
        let media = "SDP line 3 (octet 27): expected media-field (media port proto fmt)";
        assert_eq!(told(&format!("{origin}m=audio 70000 RTP/AVP 0\n")), media);
        assert_eq!(told(&format!("{origin}m=application nine TCP/MRCPv2 1\n")), media);
        assert_eq!(told(&format!("{origin}{origin}")), "SDP line 3 (octet 27): expected only one such line");
    }

    proptest! {
        #[test]
        fn no_octets_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(parse(&bytes));
        }

        #[test]
        fn what_is_read_is_written_and_read_again(
            at in 0usize..OFFER.len(),
            damage in proptest::collection::vec(any::<u8>(), 0..6),
            cut in 0usize..6,
        ) {
            let mut bytes = OFFER.as_bytes().to_vec();
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, damage);
            if let Ok(read) = parse(&bytes) {
                prop_assert_eq!(parse(&read.write()), Ok(read));
            }
        }
    }
}
