//! An RTSP SETUP as an offer, RFC 4463 section 6.1: its sound, and the recognizer that it is for.

use std::net::IpAddr;

use crate::session::offer_answer::{Config, answer::capabilities};
use crate::wire::mrcp::Resource;
use crate::wire::sdp::description::TCP_MRCPV2;
use crate::wire::sdp::{Attribute, Connection, Direction, MediaDescription, MediaKind, SessionDescription};

/// The offer that a SETUP makes.
///
/// `sdp` is that of the SETUP. Where it has none, the client takes what it is told: all codecs are offered in its name.
/// `client` is the address that the SETUP came from, which is meant where the SDP has none, and the port that Transport
/// tells, which is meant where the SDP has 0.
#[must_use]
pub fn offer_of_setup(
    sdp: Option<SessionDescription>,
    client: (IpAddr, Option<u16>),
    config: &Config,
) -> SessionDescription {
    let (address, port) = client;
    let mut offer = sdp.unwrap_or_else(|| {
        let mut own = audio_capabilities(config, address);
        own.attributes.push(Attribute::Direction(Direction::SendOnly));
        own
    });
    let without_ports = offer.media.iter().filter(|media| media.kind == MediaKind::Audio).all(|media| media.port == 0);
    let unspecified = |connection: Option<&Connection>| {
        connection.and_then(|connection| connection.address.ip()).is_none_or(|address| address.is_unspecified())
    };
    let session_unspecified = unspecified(offer.connection.as_ref());
    let mut control = MediaDescription::new(MediaKind::Application, DISCARD, TCP_MRCPV2, vec!["1".to_owned()]);
    control.attributes.push(Attribute::Resource(Resource::SpeechRecog.as_str().to_owned()));
    for (section, media) in offer.media.iter_mut().enumerate() {
        if media.kind != MediaKind::Audio {
            continue;
        }
        if without_ports {
            media.port = port.unwrap_or(0);
        }
        if media.connection.as_ref().map_or(session_unspecified, |own| unspecified(Some(own))) {
            media.connection = Some(Connection::new(address));
        }
        // The recognizer works on the first sound that can be taken.
        let tag = media.mid().map_or_else(|| format!("audio{section}"), str::to_owned);
        if media.mid().is_none() {
            media.attributes.push(Attribute::Mid(tag.clone()));
        }
        control.attributes.push(Attribute::Cmid(tag));
    }
    offer.media.push(control);
    offer
}

/// What a SETUP is answered with, of the answer to the offer that it makes; `sdp` is that of the SETUP.
#[must_use]
pub fn answer_to_setup(mut answer: SessionDescription, sdp: Option<&SessionDescription>) -> SessionDescription {
    answer.media.pop();
    for (section, media) in answer.media.iter_mut().enumerate() {
        let named = sdp.and_then(|sdp| sdp.media.get(section)).and_then(MediaDescription::mid);
        media.attributes.retain(|attribute| !matches!(attribute, Attribute::Mid(_)) || named.is_some());
    }
    answer
}

/// What a recognizer takes, for the answer to DESCRIBE (RFC 4463 section 6).
#[must_use]
pub fn audio_capabilities(config: &Config, address: IpAddr) -> SessionDescription {
    let mut all = capabilities(config, address);
    all.media.retain(|media| media.kind == MediaKind::Audio);
    all
}

/// The port of a client that opens the connection (RFC 4145 section 4).
const DISCARD: u16 = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::offer_answer::{Agreed, Section, Sound, SrtpPolicy, negotiate};
    use crate::wire::sdp::parse;

    const CLIENT: (&str, Option<u16>) = ("198.51.100.7", Some(46_456));

    fn sdp(lines: &str) -> SessionDescription {
        let text = format!("v=0\no=- 123 456 IN IP4 10.0.0.1\ns=Media Server\nc=IN IP4 0.0.0.0\nt=0 0\n{lines}");
        parse(text.replace('\n', "\r\n").as_bytes()).unwrap()
    }

    fn offer(lines: &str) -> SessionDescription {
        offer_of_setup(Some(sdp(lines)), (CLIENT.0.parse().unwrap(), CLIENT.1), &Config::default())
    }

    /// The sound that is taken of an offer, and its section.
    fn sound(offer: &SessionDescription) -> (usize, Sound) {
        let plan = negotiate(offer, &Config::default()).unwrap();
        let mut found = plan.sections().iter().enumerate().filter_map(|(at, section)| match section {
            Section::Audio(audio) => Some((at, audio.sound.clone())),
            _ => None,
        });
        let first = found.next().unwrap();
        assert_eq!(found.next(), None);
        assert_eq!(plan.controls().count(), 1);
        first
    }

    /// The examples of RFC 4463 sections 6.1 and 11.
    #[test]
    fn what_the_sdp_leaves_out_is_taken_from_the_connection_and_transport() {
        let formats = "RTP/AVP 0 96\na=rtpmap:0 pcmu/8000\na=rtpmap:96 telephone-event/8000\na=fmtp:96 0-15\n";
        for port in ["46456", "0"] {
            let (_, sound) = sound(&offer(&format!("m=audio {port} {formats}")));
            assert_eq!(sound.remote, Some("198.51.100.7:46456".parse().unwrap()));
            assert_eq!((sound.payload_type, sound.telephone_event), (0, Some(96)));
        }
        // What it says holds.
        let (_, sound) = sound(&offer(
            &format!("m=audio 5000 {formats}c=IN IP4 192.0.2.1\n")
                .replace("96\na=rtpmap:0", "96\nc=IN IP4 192.0.2.1\na=rtpmap:0")
                .replace("0-15\nc=IN IP4 192.0.2.1\n", "0-15\n"),
        ));
        assert_eq!(sound.remote, Some("192.0.2.1:5000".parse().unwrap()));
    }

    #[test]
    fn of_several_sounds_the_first_that_can_be_taken_is() {
        let lines = "m=audio 5000 RTP/AVP 18\nm=audio 5002 RTP/AVP 8\nm=audio 5004 RTP/AVP 0\n";
        let (section, sound) = sound(&offer(lines));
        assert_eq!((section, sound.payload_type), (1, 8));
    }

    #[test]
    fn without_sdp_the_server_chooses() {
        let config = Config::default();
        let offer = offer_of_setup(None, ("192.0.2.1".parse().unwrap(), Some(4000)), &config);
        let (_, sound) = sound(&offer);
        assert_eq!(sound.remote, Some("192.0.2.1:4000".parse().unwrap()));
        assert_eq!(sound.codec, config.codecs[0]);
        assert!(sound.telephone_event.is_some());
    }

    #[test]
    fn the_answer_has_the_sections_of_the_sdp() {
        let lines = "m=audio 5000 RTP/AVP 18\nm=audio 5002 RTP/AVP 8\na=mid:x\n";
        let given = sdp(lines);
        let offer = offer(lines);
        let Agreed { answer, .. } = answered(&offer);
        assert_eq!(answer.media.len(), 3);
        let answer = answer_to_setup(answer, Some(&given));
        let media: Vec<_> = answer.media.iter().map(|media| (media.port, media.mid().map(str::to_owned))).collect();
        assert_eq!(media, [(0, None), (40_000, Some("x".to_owned()))]);
        let plain = Config { srtp: SrtpPolicy::Off, ..Config::default() };
        let described = audio_capabilities(&plain, "192.0.2.1".parse().unwrap());
        assert_eq!(described.media.iter().map(|media| &media.kind).collect::<Vec<_>>(), [&MediaKind::Audio]);
    }

    fn answered(offer: &SessionDescription) -> Agreed {
        use crate::session::offer_answer::Local;
        use crate::wire::mrcp::ChannelIdentifier;
        use crate::wire::rtp::srtp::MasterKey;
        let plan = negotiate(offer, &Config::default()).unwrap();
        let local = Local {
            address: "192.0.2.1".parse().unwrap(),
            mrcp_port: 0,
            mrcp_tls_port: 0,
            fingerprint: None,
            random_key: MasterKey::new(vec![0; 46]),
            session_id: 1,
            existing_connection: false,
            existing_tls_connection: false,
        };
        let channel = ChannelIdentifier::new("a", Resource::SpeechRecog);
        plan.answer(&local, &[(1, 40_000)], &[(2, channel)])
    }
}
