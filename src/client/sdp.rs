//! The offer of a recognizer's client and what the answer says, RFC 6787 section 4.2, RFC 3264, RFC 4145.

use std::net::{IpAddr, SocketAddr};

use crate::audio::codec::Codec;
use crate::client::event::CallError;
use crate::client::rtp::payload_type;
use crate::wire::sdp::{self, MediaDescription, MediaKind, SessionDescription};

/// The offer: one control channel for a speech recognizer, one audio stream that we send.
pub(super) fn offer(session_id: u64, local: IpAddr, rtp_port: u16, codecs: &[Codec]) -> Vec<u8> {
    let address = match local {
        IpAddr::V4(address) => format!("IN IP4 {address}"),
        IpAddr::V6(address) => format!("IN IP6 {address}"),
    };
    let mut text = format!("v=0\r\no=answerd {session_id} 1 {address}\r\ns=-\r\nc={address}\r\nt=0 0\r\n");
    text +=
        "m=application 9 TCP/MRCPv2 1\r\na=setup:active\r\na=connection:new\r\na=resource:speechrecog\r\na=cmid:1\r\n";
    text += &format!("m=audio {rtp_port} RTP/AVP");
    for codec in codecs {
        text += &format!(" {}", payload_type(*codec));
    }
    text += "\r\n";
    for codec in codecs {
        text += &format!("a=rtpmap:{} {}/{}\r\n", payload_type(*codec), codec.encoding_name(), codec.clock_rate());
    }
    text += "a=ptime:20\r\na=sendonly\r\na=mid:1\r\n";
    text.into_bytes()
}

/// What the answer settles.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) mrcp: SocketAddr,
    pub(super) channel: String,
    pub(super) rtp: SocketAddr,
    pub(super) codec: Codec,
    pub(super) payload_type: u8,
}

/// Reads an answer to an offer of `codecs`.
pub(super) fn settle(answer: &[u8], codecs: &[Codec]) -> Result<Settled, CallError> {
    let answer = sdp::parse(answer).map_err(|error| CallError::BadAnswer(error.to_string()))?;
    let section = |what: &str, wanted: fn(&MediaDescription) -> bool| {
        let missing = || CallError::BadAnswer(format!("it has no {what}"));
        answer.media.iter().find(|media| wanted(media)).ok_or_else(missing)
    };
    let control = section("control channel", MediaDescription::is_control)?;
    if control.port == 0 {
        return Err(CallError::NoChannel);
    }
    let channel = control.channel().ok_or_else(|| CallError::BadAnswer("it has no a=channel".to_owned()))?;
    let audio = section("audio", |media| media.kind == MediaKind::Audio)?;
    if audio.port == 0 {
        return Err(CallError::NoCodec);
    }
    // The answerer's first format that was offered is the one it likes best (RFC 3264 section 6.1).
    let (payload_type, codec) = audio
        .payload_types()
        .filter_map(|number| Some((number, codec_of(audio, number)?)))
        .find(|(_, codec)| codecs.contains(codec))
        .ok_or(CallError::NoCodec)?;
    Ok(Settled {
        mrcp: address_of(&answer, control)?,
        channel: channel.to_owned(),
        rtp: address_of(&answer, audio)?,
        codec,
        payload_type,
    })
}

fn codec_of(audio: &MediaDescription, payload_type: u8) -> Option<Codec> {
    match audio.rtpmap(payload_type) {
        Some(map) => {
            let channels = u8::try_from(map.channels.unwrap_or(1)).ok()?;
            Codec::from_rtpmap(&map.encoding_name, map.clock_rate, channels)
        }
        None => Codec::from_static_payload_type(payload_type),
    }
}

fn address_of(answer: &SessionDescription, media: &MediaDescription) -> Result<SocketAddr, CallError> {
    let connection = answer.connection_of(media).ok_or_else(|| CallError::BadAnswer("it has no c=".to_owned()))?;
    let unusable = || CallError::BadAnswer(format!("c={} is no IP address", connection.address));
    Ok(SocketAddr::new(connection.address.ip().ok_or_else(unusable)?, media.port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::L16Narrow];

    fn settled(application: &str, audio: &str) -> Result<Settled, String> {
        let text =
            format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{application}{audio}");
        settle(text.as_bytes(), &CODECS).map_err(|error| error.to_string())
    }

    const APPLICATION: &str = "m=application 1544 TCP/MRCPv2 1\r\na=setup:passive\r\na=connection:new\r\n\
        a=channel:32AECB234338@speechrecog\r\na=cmid:1\r\n";

    #[test]
    fn the_offer_reads_back() {
        let text = offer(7, "192.0.2.7".parse().expect("an address"), 4000, &CODECS);
        let offer = sdp::parse(&text).expect("SDP");
        assert_eq!(offer.write(), text);
        assert!(offer.media[0].is_control());
        assert_eq!((offer.media[0].port, offer.media[0].resource()), (9, Some("speechrecog")));
        assert_eq!(offer.media[0].cmids().next(), offer.media[1].mid());
        assert_eq!(offer.media[1].payload_types().collect::<Vec<_>>(), [0, 96]);
        assert_eq!(codec_of(&offer.media[1], 96), Some(Codec::L16Narrow));
    }

    #[test]
    fn the_answers_first_offered_format_is_used() {
        let audio = "m=audio 10074 RTP/AVP 8 97 0\r\nc=IN IP4 192.0.2.2\r\na=rtpmap:97 L16/8000\r\na=recvonly\r\n";
        let settled = settled(APPLICATION, audio).expect("usable");
        assert_eq!(settled.mrcp, "192.0.2.1:1544".parse().expect("an address"));
        assert_eq!(settled.rtp, "192.0.2.2:10074".parse().expect("an address"));
        assert_eq!((settled.codec, settled.payload_type), (Codec::L16Narrow, 97));
        assert_eq!(settled.channel, "32AECB234338@speechrecog");
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        let audio = "m=audio 10074 RTP/AVP 0\r\n";
        let declined = "m=application 0 TCP/MRCPv2 1\r\na=resource:speechrecog\r\n";
        assert_eq!(settled(declined, audio), Err(CallError::NoChannel.to_string()));
        assert_eq!(settled(APPLICATION, "m=audio 0 RTP/AVP 0\r\n"), Err(CallError::NoCodec.to_string()));
        assert_eq!(settled(APPLICATION, "m=audio 10074 RTP/AVP 8\r\n"), Err(CallError::NoCodec.to_string()));
        assert!(settled(APPLICATION, "").is_err_and(|error| error.contains("no audio")));
        assert!(settled("", audio).is_err_and(|error| error.contains("no control channel")));
        let nameless = "m=application 1544 TCP/MRCPv2 1\r\n";
        assert!(settled(nameless, audio).is_err_and(|error| error.contains("a=channel")));
    }
}
