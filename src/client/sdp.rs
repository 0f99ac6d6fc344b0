//! The offer of a recognizer's client and what the answer says, RFC 6787 section 4.2, RFC 3264, RFC 4145, RFC 4568.

use std::net::{IpAddr, SocketAddr};

use crate::audio::codec::Codec;
use crate::client::event::CallError;
use crate::client::rtp::payload_type;
use crate::wire::rtp::srtp::{MasterKey, Suite};
use crate::wire::sdp::description::{RTP_AVP, RTP_SAVP, TCP_MRCPV2, TCP_TLS_MRCPV2};
use crate::wire::sdp::{
    self, ConnectionReuse, Crypto, Fingerprint, InlineKey, MediaDescription, MediaKind, SessionDescription,
};

/// What of a call is encrypted.
#[derive(Debug, Clone, Default)]
pub(super) struct Security {
    /// The control channel is; with the fingerprint of our certificate, if we show one.
    pub(super) tls: Option<Option<Fingerprint>>,
    /// The sound that we send is, with this key.
    pub(super) srtp: Option<(Suite, MasterKey)>,
}

/// The offer: one control channel for a speech recognizer, on a connection of its own or one that stands (RFC 4145
/// section 5), and one audio stream that we send.
pub(super) fn offer(
    session_id: u64,
    local: IpAddr,
    rtp_port: u16,
    codecs: &[Codec],
    reuse: ConnectionReuse,
    security: &Security,
) -> Vec<u8> {
    let address = match local {
        IpAddr::V4(address) => format!("IN IP4 {address}"),
        IpAddr::V6(address) => format!("IN IP6 {address}"),
    };
    let mut text = format!("v=0\r\no=answerd {session_id} 1 {address}\r\ns=-\r\nc={address}\r\nt=0 0\r\n");
    let protocol = if security.tls.is_some() { TCP_TLS_MRCPV2 } else { TCP_MRCPV2 };
    text += &format!("m=application 9 {protocol} 1\r\na=setup:active\r\na=connection:{}\r\n", reuse.as_str());
    if let Some(Some(fingerprint)) = &security.tls {
        text += &format!("a=fingerprint:{fingerprint}\r\n");
    }
    text += "a=resource:speechrecog\r\na=cmid:1\r\n";
    text += &format!("m=audio {rtp_port} {}", if security.srtp.is_some() { RTP_SAVP } else { RTP_AVP });
    for codec in codecs {
        text += &format!(" {}", payload_type(*codec));
    }
    text += "\r\n";
    for codec in codecs {
        text += &format!("a=rtpmap:{} {}/{}\r\n", payload_type(*codec), codec.encoding_name(), codec.clock_rate());
    }
    if let Some((suite, key)) = &security.srtp {
        let keys = vec![InlineKey { key: key.clone(), lifetime: None, mki: None }];
        let line = Crypto { tag: CRYPTO_TAG, suite: suite.as_str().to_owned(), keys, parameters: Vec::new() };
        text += &format!("a=crypto:{line}\r\n");
    }
    text += "a=ptime:20\r\na=sendonly\r\na=mid:1\r\n";
    text.into_bytes()
}

const CRYPTO_TAG: u32 = 1;

/// What the answer settles.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) mrcp: SocketAddr,
    pub(super) channel: String,
    /// The control channel wants a connection of its own, whatever was offered.
    pub(super) new_connection: bool,
    pub(super) rtp: SocketAddr,
    pub(super) codec: Codec,
    pub(super) payload_type: u8,
    /// Of which the server's certificate must have one on the control connection, if there are any.
    pub(super) fingerprints: Vec<Fingerprint>,
}

/// Reads an answer to an offer of `codecs`.
pub(super) fn settle(answer: &[u8], codecs: &[Codec], security: &Security) -> Result<Settled, CallError> {
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
    let bad = |what: &str| Err(CallError::BadAnswer(what.to_owned()));
    if control.protocol.eq_ignore_ascii_case(TCP_TLS_MRCPV2) != security.tls.is_some() {
        return bad("its control channel has another transport than the offer's");
    }
    let encrypted = audio.protocol.eq_ignore_ascii_case(RTP_SAVP);
    if encrypted != security.srtp.is_some() {
        return bad("its audio has another profile than the offer's");
    }
    if let Some((suite, _)) = &security.srtp {
        let is_ours = |line: &Crypto| line.tag == CRYPTO_TAG && line.suite.eq_ignore_ascii_case(suite.as_str());
        if !audio.cryptos().any(is_ours) {
            return bad("it has no a=crypto for the suite that was offered");
        }
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
        new_connection: control.connection_reuse() != Some(ConnectionReuse::Existing),
        rtp: address_of(&answer, audio)?,
        codec,
        payload_type,
        fingerprints: answer.fingerprints_of(control),
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
        settle(text.as_bytes(), &CODECS, &Security::default()).map_err(|error| error.to_string())
    }

    const APPLICATION: &str = "m=application 1544 TCP/MRCPv2 1\r\na=setup:passive\r\na=connection:new\r\n\
        a=channel:32AECB234338@speechrecog\r\na=cmid:1\r\n";

    #[test]
    fn the_offer_reads_back() {
        let text = offer(
            7,
            "192.0.2.7".parse().expect("an address"),
            4000,
            &CODECS,
            ConnectionReuse::New,
            &Security::default(),
        );
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
    fn an_encrypted_call_is_offered_and_nothing_less_accepted() {
        let key = MasterKey::new(vec![0; 30]);
        let fingerprint = Fingerprint { hash: "sha-256".to_owned(), octets: vec![1, 2] };
        let security = Security { tls: Some(Some(fingerprint.clone())), srtp: Some((Suite::AesCm128HmacSha1_80, key)) };
        let text =
            offer(7, "192.0.2.7".parse().expect("an address"), 4000, &CODECS, ConnectionReuse::Existing, &security);
        let offer = sdp::parse(&text).expect("SDP");
        assert_eq!(offer.write(), text);
        assert_eq!((offer.media[0].protocol.as_str(), offer.media[1].protocol.as_str()), (TCP_TLS_MRCPV2, RTP_SAVP));
        assert_eq!(offer.fingerprints_of(&offer.media[0]), [fingerprint]);
        assert_eq!(offer.media[1].cryptos().next().map(|line| line.keys.len()), Some(1));

        let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
        let control = APPLICATION.replace("TCP/", "TCP/TLS/");
        let crypto = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{}\r\n", "A".repeat(40));
        let told = |control: &str, audio: &str| {
            settle(format!("{head}{control}{audio}").as_bytes(), &CODECS, &security).map_err(|error| error.to_string())
        };
        let audio = "m=audio 10074 RTP/SAVP 0\r\n";
        assert!(told(&control, &format!("{audio}{crypto}")).is_ok());
        assert!(told(&control, audio).is_err_and(|error| error.contains("a=crypto")));
        assert!(told(&control, "m=audio 10074 RTP/AVP 0\r\n").is_err_and(|error| error.contains("profile")));
        assert!(told(APPLICATION, audio).is_err_and(|error| error.contains("transport")));
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
