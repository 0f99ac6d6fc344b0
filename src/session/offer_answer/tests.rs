//! Offers and what they get. A page is the offer's media sections, `=>`, and the answer's.

use super::*;
use crate::wire::sdp::{ConnectionReuse, parse};

const FREESWITCH: &str = include_str!("../../../tests/data/sdp/freeswitch-offer.sdp");
const FREESWITCH_EXISTING: &str = include_str!("../../../tests/data/sdp/freeswitch-offer-existing.sdp");
const FREESWITCH_EVENTS: &str = include_str!("../../../tests/data/sdp/freeswitch-offer-telephone-event.sdp");
const ASRCLIENT: &str = include_str!("../../../tests/data/sdp/asrclient-offer.sdp");
const UMC_SYNTH: &str = include_str!("../../../tests/data/sdp/umc-offer-synth.sdp");
const UMC_RECORDER: &str = include_str!("../../../tests/data/sdp/umc-offer-recorder.sdp");

fn local() -> Local {
    Local {
        address: "192.0.2.9".parse().unwrap(),
        mrcp_port: 1544,
        mrcp_tls_port: 1545,
        fingerprint: Some(Fingerprint { hash: "sha-256".to_owned(), octets: vec![0xAB, 0xCD] }),
        random_key: MasterKey::new((0..46).collect()),
        session_id: 77,
        existing_connection: true,
        existing_tls_connection: false,
    }
}

fn offer(media: &str) -> SessionDescription {
    let head = "v=0\no=c 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n";
    parse(format!("{head}{media}").as_bytes()).unwrap()
}

/// What the caller of a plan does: a channel and a port for all that is new, counted from those given.
fn answer(plan: &Plan, channel: &str, port: u16) -> Agreed {
    let channels: Vec<_> = plan
        .controls()
        .map(|control| (control.section, ChannelIdentifier::new(channel, Resource::SpeechRecog)))
        .collect();
    let ports: Vec<_> = plan.audio().zip(0..).map(|(audio, n)| (audio.section, port + 2 * n)).collect();
    plan.answer(&local(), &ports, &channels)
}

fn first(offer: &SessionDescription, config: &Config) -> Agreed {
    answer(&negotiate(offer, config).unwrap(), "A1", 5000)
}

/// The media sections of a description, line by line.
fn page(description: &SessionDescription) -> String {
    description.media.iter().map(|media| media.to_string().replace('\r', "")).collect()
}

#[track_caller]
fn check(script: &str) {
    let script: String = script.trim().lines().map(|line| format!("{}\n", line.trim())).collect();
    let (asked, wanted) = script.split_once("=>\n").unwrap();
    assert_eq!(page(&first(&offer(asked.trim_start()), &Config::default()).answer), wanted);
}

#[track_caller]
fn refused(media: &str) -> String {
    let media: String = media.lines().map(|line| format!("{}\n", line.trim())).collect();
    negotiate(&offer(media.trim_start()), &Config::default()).unwrap_err().to_string()
}

#[test]
fn the_answer_to_mod_unimrcp_is_the_one_of_the_rfc() {
    let agreed = first(&parse(FREESWITCH_EVENTS.as_bytes()).unwrap(), &Config::default());
    let wanted = "v=0
o=answerd 77 1 IN IP4 192.0.2.9
s=-
c=IN IP4 192.0.2.9
t=0 0
m=application 1544 TCP/MRCPv2 1
a=setup:passive
a=connection:new
a=channel:A1@speechrecog
a=cmid:1
m=audio 5000 RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=recvonly
a=mid:1
";
    assert_eq!(agreed.answer.to_string().replace('\r', ""), wanted);
}

#[test]
fn the_plan_tells_where_the_sound_comes_from_and_what_it_is() {
    let plan = negotiate(&parse(ASRCLIENT.as_bytes()).unwrap(), &Config::default()).unwrap();
    assert_eq!(
        plan.controls().collect::<Vec<_>>(),
        [&Control { section: 0, audio: Some(1), previous: None, tls: None }]
    );
    let sound = Sound {
        remote: Some("127.0.0.1:4000".parse().unwrap()),
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: Some(101),
        ptime_ms: Some(20),
        direction: Direction::RecvOnly,
        crypto: None,
    };
    assert_eq!(plan.audio().collect::<Vec<_>>(), [&Audio { section: 1, sound, previous: None }]);
}

#[test]
fn audio_may_come_first_and_nothing_need_be_told() {
    check(
        "m=audio 4000 RTP/AVP 8
         m=application 9 TCP/MRCPv2 1
         a=resource:speechrecog
         =>
         m=audio 5000 RTP/AVP 8
         a=rtpmap:8 PCMA/8000
         a=recvonly
         m=application 1544 TCP/MRCPv2 1
         a=setup:passive
         a=connection:new
         a=channel:A1@speechrecog
         ",
    );
}

#[test]
fn the_first_codec_of_the_offer_that_is_known_wins() {
    check(
        "m=application 9 TCP/MRCPv2 1
         a=setup:actpass
         a=connection:new
         a=resource:SpeechRecog
         m=audio 4000 RTP/AVP 9 97 98 0 99 100
         a=rtpmap:97 L16/44100
         a=rtpmap:98 l16/16000/1
         a=rtpmap:99 telephone-event/8000
         a=rtpmap:100 telephone-event/16000
         a=fmtp:100 0-16
         a=ptime:100
         a=sendrecv
         =>
         m=application 1544 TCP/MRCPv2 1
         a=setup:passive
         a=connection:new
         a=channel:A1@speechrecog
         m=audio 5000 RTP/AVP 98 100
         a=rtpmap:98 L16/16000
         a=rtpmap:100 telephone-event/16000
         a=fmtp:100 0-15
         a=recvonly
         a=ptime:60
         ",
    );
}

#[test]
fn a_payload_type_means_what_its_rtpmap_says() {
    // 0 is mapped to something else here, 111 to PCMU.
    check(
        "m=application 9 TCP/MRCPv2 1
         a=resource:speechrecog
         m=audio 4000 RTP/AVP 0 111
         a=rtpmap:0 GSM/8000
         a=rtpmap:111 pcmu/8000
         =>
         m=application 1544 TCP/MRCPv2 1
         a=setup:passive
         a=connection:new
         a=channel:A1@speechrecog
         m=audio 5000 RTP/AVP 111
         a=rtpmap:111 PCMU/8000
         a=recvonly
         ",
    );
}

#[test]
fn the_own_order_of_codecs_can_decide() {
    let offer = parse(FREESWITCH.as_bytes()).unwrap();
    let config = Config {
        codecs: vec![Codec::Opus, Codec::L16Narrow, Codec::Pcma],
        codec_order: CodecOrder::Own,
        ..Config::default()
    };
    let plan = negotiate(&offer, &config).unwrap();
    assert_eq!(plan.audio().next().unwrap().sound.codec, Codec::L16Narrow);
    let config = Config { codec_order: CodecOrder::Offer, ..config };
    let plan = negotiate(&offer, &config).unwrap();
    assert_eq!(plan.audio().next().unwrap().sound.codec, Codec::Pcma);
}

#[test]
fn opus_is_taken_where_it_can_be_decoded() {
    let offer = offer(
        "m=application 9 TCP/MRCPv2 1\na=resource:speechrecog\nm=audio 4000 RTP/AVP 96 8\na=rtpmap:96 opus/48000/2\n",
    );
    let plan = negotiate(&offer, &Config::default()).unwrap();
    let codec = plan.audio().next().unwrap().sound.codec;
    assert_eq!(codec, if cfg!(feature = "opus") { Codec::Opus } else { Codec::Pcma });
    let text = page(&answer(&plan, "A1", 5000).answer);
    assert_eq!(text.contains("rtpmap:96 opus/48000/2"), cfg!(feature = "opus"));
}

#[test]
fn resources_that_are_not_had_are_declined_and_the_recognizer_is_served() {
    check(
        "m=application 9 TCP/MRCPv2 1
         a=setup:active
         a=connection:new
         a=resource:speechsynth
         a=cmid:2
         m=audio 4002 RTP/AVP 0
         a=recvonly
         a=mid:2
         m=application 9 TCP/MRCPv2 1
         a=setup:active
         a=connection:new
         a=resource:speechrecog
         a=cmid:1
         m=audio 4000 RTP/AVP 0
         a=sendonly
         a=mid:1
         m=application 9 TCP/MRCPv2 1
         a=setup:active
         a=connection:new
         a=resource:speechrecog
         a=cmid:1
         m=application 9 TCP/TLS/MRCPv2 1
         a=resource:dtmfrecog
         m=video 4004 RTP/AVP 31
         =>
         m=application 0 TCP/MRCPv2 1
         a=cmid:2
         m=audio 0 RTP/AVP 0
         a=mid:2
         m=application 1544 TCP/MRCPv2 1
         a=setup:passive
         a=connection:new
         a=channel:A1@speechrecog
         a=cmid:1
         m=audio 5000 RTP/AVP 0
         a=rtpmap:0 PCMU/8000
         a=recvonly
         a=mid:1
         m=application 0 TCP/MRCPv2 1
         a=cmid:1
         m=application 0 TCP/TLS/MRCPv2 1
         m=video 0 RTP/AVP 31
         ",
    );
}

#[test]
fn a_cmid_that_leads_nowhere_means_the_only_sound_there_is() {
    let section = "m=application 9 TCP/MRCPv2 1\na=resource:speechrecog\na=cmid:7\nm=audio 4000 RTP/AVP 0\na=mid:1\n";
    let plan = negotiate(&offer(section), &Config::default()).unwrap();
    assert_eq!(plan.controls().next().unwrap().audio, Some(1));
    let two = format!("{section}m=audio 4002 RTP/AVP 0\na=mid:2\n");
    let why = negotiate(&offer(&two), &Config::default()).unwrap_err();
    assert_eq!(why.to_string(), "488 (304 no control channel works on this audio)");
}

#[test]
fn a_recognizer_without_sound_is_one_that_cannot_recognize_yet() {
    let plan = negotiate(&offer("m=application 9 TCP/MRCPv2 1\na=resource:speechrecog\n"), &Config::default()).unwrap();
    assert_eq!(plan.controls().next().unwrap().audio, None);
    let held = "m=application 9 TCP/MRCPv2 1\na=resource:speechrecog\nm=audio 0 RTP/AVP 0\n";
    let agreed = first(&offer(held), &Config::default());
    assert!(page(&agreed.answer).ends_with("m=audio 0 RTP/AVP 0\n"));
}

#[test]
fn what_is_refused_and_why() {
    let control = "m=application 9 TCP/MRCPv2 1\na=resource:speechrecog\n";
    assert_eq!(
        refused(&format!("{control}m=audio 4000 RTP/AVP 9 18 96\na=rtpmap:96 SP\"EEX/16000\n")),
        if cfg!(feature = "opus") {
            "488 (305 no common codec: offered 9 18 SP?EEX/16000, taken PCMU PCMA L16/8000 L16/16000 opus)"
        } else {
            "488 (305 no common codec: offered 9 18 SP?EEX/16000, taken PCMU PCMA L16/8000 L16/16000)"
        }
    );
    assert_eq!(refused(&format!("{control}m=audio 4000 RTP/SAVP 0\n")), "488 (302 RTP/SAVP without a=crypto)");
    assert_eq!(
        refused(&format!("{control}m=audio 4000 UDP/TLS/RTP/SAVP 0\n")),
        "488 (302 audio over UDP/TLS/RTP/SAVP is not served, only RTP/AVP and RTP/SAVP)"
    );
    assert_eq!(
        refused("m=audio 4000 RTP/AVP 0\n"),
        "488 (304 no control channel is offered (m=application 9 TCP/MRCPv2 1))"
    );
    assert_eq!(
        refused("m=application 9 TCP/TLS/MRCPv2 1\na=resource:speechrecog\nm=audio 4000 RTP/AVP 0\n"),
        "488 (302 control channels over TCP/TLS/MRCPv2 are not served, only TCP/MRCPv2)"
    );
    for setup in ["passive", "holdconn"] {
        assert_eq!(
            refused(&format!("{control}a=setup:{setup}\nm=audio 4000 RTP/AVP 0\n")),
            format!("488 (302 setup:{setup} would have the server open the connection)")
        );
    }
    assert_eq!(
        refused("m=application 9 TCP/MRCPv2 1\nm=audio 4000 RTP/AVP 0\n"),
        "488 (304 a control channel without a=resource)"
    );
    for (offer, name) in [(UMC_SYNTH, "speechsynth"), (UMC_RECORDER, "recorder")] {
        let why = negotiate(&parse(offer.as_bytes()).unwrap(), &Config::default()).unwrap_err();
        assert_eq!(why.to_string(), format!("488 (304 resource {name} is not available, speechrecog is)"));
    }
    assert_eq!(
        refused("m=application 0 TCP/MRCPv2 1\na=resource:speechrecog\n"),
        "488 (304 no control channel is offered (m=application 9 TCP/MRCPv2 1))"
    );
}

#[test]
fn a_connection_is_shared_if_there_is_one_and_it_may_be() {
    let offer = parse(FREESWITCH_EXISTING.as_bytes()).unwrap();
    let reuse = |config: &Config, existing_connection| {
        let plan = negotiate(&offer, config).unwrap();
        let channel = ChannelIdentifier::new("A1", Resource::SpeechRecog);
        let agreed = plan.answer(&Local { existing_connection, ..local() }, &[(1, 5000)], &[(0, channel)]);
        agreed.answer.media[0].connection_reuse()
    };
    assert_eq!(reuse(&Config::default(), true), Some(ConnectionReuse::Existing));
    assert_eq!(reuse(&Config::default(), false), Some(ConnectionReuse::New));
    assert_eq!(reuse(&Config { share_connections: false, ..Config::default() }, true), Some(ConnectionReuse::New));
}

#[test]
fn what_gets_no_port_or_channel_is_declined() {
    let plan = negotiate(&parse(FREESWITCH.as_bytes()).unwrap(), &Config::default()).unwrap();
    assert_eq!(
        page(&plan.answer(&local(), &[], &[]).answer),
        "m=application 0 TCP/MRCPv2 1\na=cmid:1\nm=audio 0 RTP/AVP 0 8 96\na=mid:1\n"
    );
}

#[test]
fn the_remote_address_is_the_sections_or_the_sessions() {
    let remote = |line: &str| {
        let section = format!("m=application 9 TCP/MRCPv2 1\na=resource:speechrecog\nm=audio 4000 RTP/AVP 0\n{line}");
        negotiate(&offer(&section), &Config::default()).unwrap().audio().next().unwrap().sound.remote
    };
    assert_eq!(remote(""), Some("192.0.2.1:4000".parse().unwrap()));
    assert_eq!(remote("c=IN IP6 2001:db8::7\n"), Some("[2001:db8::7]:4000".parse().unwrap()));
    assert_eq!(remote("c=IN IP4 media.example.com\n"), None);
    assert_eq!(remote("c=IN IP4 0.0.0.0\n"), None);
    assert_eq!(remote("c=IN IP4 233.252.0.1/127\n"), None);
}

#[test]
fn hold_is_inactive_and_comes_back() {
    let offer_of = |direction: &str| {
        let text = FREESWITCH.replace("sendonly", direction);
        parse(text.as_bytes()).unwrap()
    };
    let agreed = first(&offer_of("sendonly"), &Config::default());
    let plan = renegotiate(&offer_of("inactive"), &Config::default(), &agreed).unwrap();
    let audio = plan.audio().next().unwrap();
    assert!(audio.is_changed());
    assert_eq!(audio.sound.direction, Direction::Inactive);
    let held = answer(&plan, "never", 1);
    assert_eq!(held.answer.media[1].direction(), Some(Direction::Inactive));
    assert_eq!((held.answer.media[1].port, held.answer.origin.session_version.as_str()), (5000, "2"));
    let plan = renegotiate(&offer_of("sendonly"), &Config::default(), &held).unwrap();
    assert_eq!(answer(&plan, "never", 1).answer.media, agreed.answer.media);
}

#[test]
fn the_session_timers_offer_gets_the_same_answer() {
    // mod_unimrcp repeats the offer with the codec that was chosen alone, connection:new again.
    let agreed = first(&parse(FREESWITCH.as_bytes()).unwrap(), &Config::default());
    let again = FREESWITCH.replace("RTP/AVP 0 8 96", "RTP/AVP 0");
    let plan = renegotiate(&parse(again.as_bytes()).unwrap(), &Config::default(), &agreed).unwrap();
    assert!(!plan.audio().next().unwrap().is_changed());
    assert_eq!(plan.removed_channels().count() + plan.removed_ports().count(), 0);
    assert_eq!(answer(&plan, "never", 1), agreed);
}

#[test]
fn another_address_or_codec_is_told() {
    let agreed = first(&parse(FREESWITCH.as_bytes()).unwrap(), &Config::default());
    let moved = FREESWITCH.replace("c=IN IP4 127.0.0.1", "c=IN IP4 192.0.2.44").replace("RTP/AVP 0 8 96", "RTP/AVP 8");
    let plan = renegotiate(&parse(moved.as_bytes()).unwrap(), &Config::default(), &agreed).unwrap();
    let audio = plan.audio().next().unwrap();
    let (port, before) = audio.previous.clone().unwrap();
    assert!(audio.is_changed());
    assert_eq!((port, before.codec, audio.sound.codec), (5000, Codec::Pcmu, Codec::Pcma));
    assert_eq!(audio.sound.remote.unwrap().ip(), "192.0.2.44".parse::<IpAddr>().unwrap());
    let after = answer(&plan, "never", 1);
    assert_eq!((after.answer.media[1].port, after.answer.media[1].formats.join(" ").as_str()), (5000, "8"));
    assert_eq!(after.answer.media[0].channel(), Some("A1@speechrecog"));
}

#[test]
fn a_recognizer_is_added_and_removed_by_later_offers() {
    // As RFC 6787 section 4.3 does it: a synthesizer first, here one that is declined beside a recognizer.
    let synthesizer = "m=application 9 TCP/MRCPv2 1\na=resource:speechsynth\na=cmid:1\n";
    let audio = "m=audio 4000 RTP/AVP 0\na=sendrecv\na=mid:1\n";
    let recognizer =
        "m=application 9 TCP/MRCPv2 1\na=setup:active\na=connection:existing\na=resource:speechrecog\na=cmid:1\n";
    let agreed = first(&offer(&format!("{recognizer}{audio}")), &Config::default());

    let more = offer(&format!("{recognizer}{audio}{synthesizer}"));
    let plan = renegotiate(&more, &Config::default(), &agreed).unwrap();
    let agreed = answer(&plan, "never", 1);
    assert_eq!(agreed.answer.media.len(), 3);
    assert_eq!(agreed.answer.media[2].port, 0);
    assert_eq!(agreed.answer.media[0].channel(), Some("A1@speechrecog"));

    let gone = recognizer.replace(" 9 ", " 0 ");
    let without = offer(&format!("{gone}{}{synthesizer}", audio.replace("4000", "0")).replace(" 9 ", " 0 "));
    let plan = renegotiate(&without, &Config::default(), &agreed).unwrap();
    assert_eq!(plan.removed_channels().map(ChannelIdentifier::as_str).collect::<Vec<_>>(), ["A1@speechrecog"]);
    assert_eq!(plan.removed_ports().collect::<Vec<_>>(), [5000]);
    let agreed = answer(&plan, "never", 1);
    assert!(agreed.answer.media.iter().all(|media| media.port == 0));

    let again = offer(&format!("{recognizer}{audio}{}", synthesizer.replace(" 9 ", " 0 ")));
    let plan = renegotiate(&again, &Config::default(), &agreed).unwrap();
    assert_eq!(plan.controls().next().unwrap().previous, None);
    assert_eq!(answer(&plan, "A2", 6000).answer.media[0].channel(), Some("A2@speechrecog"));
}

#[test]
fn a_later_offer_that_cannot_be_served_changes_nothing() {
    let agreed = first(&parse(FREESWITCH.as_bytes()).unwrap(), &Config::default());
    let bad = FREESWITCH.replace("RTP/AVP 0 8 96", "RTP/AVP 9");
    let why = renegotiate(&parse(bad.as_bytes()).unwrap(), &Config::default(), &agreed).unwrap_err();
    assert_eq!((why.status, why.warning), (488, 305));
}

#[test]
fn sections_that_a_later_offer_leaves_out_are_removed() {
    let agreed = first(&parse(FREESWITCH.as_bytes()).unwrap(), &Config::default());
    let only = offer("m=application 9 TCP/MRCPv2 1\na=setup:active\na=connection:existing\na=resource:speechrecog\n");
    let plan = renegotiate(&only, &Config::default(), &agreed).unwrap();
    assert_eq!(plan.removed_ports().collect::<Vec<_>>(), [5000]);
    assert_eq!(plan.controls().next().unwrap().audio, None);
    assert_eq!(answer(&plan, "never", 1).answer.media.len(), 1);
}

#[test]
fn capabilities_name_the_resource_and_the_codecs() {
    let told = page(&capabilities(&Config::default(), "192.0.2.9".parse().unwrap()));
    assert!(told.starts_with("m=application 0 TCP/MRCPv2 1\na=resource:speechrecog\nm=audio 0 RTP/SAVP 0 8 98 99"));
    let config = Config { control: ControlTransports::Both, srtp: SrtpPolicy::Off, ..Config::default() };
    let both = page(&capabilities(&config, "192.0.2.9".parse().unwrap()));
    assert!(both.contains("TCP/TLS/MRCPv2") && both.contains("TCP/MRCPv2") && !both.contains("SAVP"), "{both}");
    assert!(told.contains("a=rtpmap:98 L16/8000\n") && told.contains("a=rtpmap:101 telephone-event/8000\n"));
    assert!(parse(&capabilities(&Config::default(), "::1".parse().unwrap()).write()).is_ok());
}

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";

/// An offer of a control channel and of these sections of audio, under a policy.
fn with_audio(audio: &str, srtp: SrtpPolicy) -> Result<Plan, Refusal> {
    let control = "m=application 9 TCP/MRCPv2 1\na=resource:speechrecog\n";
    negotiate(&offer(&format!("{control}{audio}")), &Config { srtp, ..Config::default() })
}

#[test]
fn encrypted_sound_is_answered_with_a_key_of_our_own() {
    check(&format!(
        "m=application 9 TCP/MRCPv2 1
         a=resource:speechrecog
         m=audio 4000 RTP/SAVPF 0
         a=crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY}
         a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:{}|2^20|1:4
         =>
         m=application 1544 TCP/MRCPv2 1
         a=setup:passive
         a=connection:new
         a=channel:A1@speechrecog
         m=audio 5000 RTP/SAVPF 0
         a=rtpmap:0 PCMU/8000
         a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:{KEY}
         a=recvonly
         ",
        "A".repeat(40)
    ));
}

#[test]
fn the_policy_of_encryption_is_kept() {
    let plain = "m=audio 4000 RTP/AVP 0\n";
    let secure = format!("m=audio 4000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\n");
    let told = |audio: &str, srtp| with_audio(audio, srtp).map(drop).map_err(|why| why.to_string());
    assert!(told(plain, SrtpPolicy::Optional).is_ok() && told(&secure, SrtpPolicy::Optional).is_ok());
    assert_eq!(
        told(plain, SrtpPolicy::Required).unwrap_err(),
        "488 (302 audio over RTP/AVP is not served, only RTP/SAVP)"
    );
    assert_eq!(
        told(&secure, SrtpPolicy::Off).unwrap_err(),
        "488 (302 audio over RTP/SAVP is not served, only RTP/AVP)"
    );
    let config = Config { take_keys: false, ..Config::default() };
    let control = "m=application 9 TCP/MRCPv2 1\na=resource:speechrecog\n";
    let why = negotiate(&offer(&format!("{control}{secure}")), &config).unwrap_err();
    assert_eq!(why.to_string(), "488 (302 keys of SRTP are taken from SIP over TLS only)");
}

#[test]
fn of_alternatives_the_first_that_can_be_served_is_taken() {
    let plain = |port: u16| format!("m=audio {port} RTP/AVP 0\n");
    let secure = |port: u16| format!("m=audio {port} RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\n");
    let unknown = |port: u16| format!("m=audio {port} RTP/SAVP 0\na=crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY}\n");
    let ports = |audio: &str, srtp| {
        let agreed = answer(&with_audio(audio, srtp).unwrap(), "A1", 5000);
        agreed.answer.media.iter().skip(1).map(|media| media.port).collect::<Vec<_>>()
    };
    for (audio, srtp, wanted) in [
        (secure(4000) + &plain(4000), SrtpPolicy::Optional, [5000, 0]),
        (secure(4000) + &plain(4002), SrtpPolicy::Optional, [5000, 0]),
        (plain(4000) + &secure(4002), SrtpPolicy::Optional, [5000, 0]),
        (plain(4000) + &secure(4002), SrtpPolicy::Required, [0, 5000]),
        (secure(4000) + &plain(4000), SrtpPolicy::Off, [0, 5000]),
        (unknown(4000) + &plain(4000), SrtpPolicy::Optional, [0, 5000]),
    ] {
        assert_eq!(ports(&audio, srtp), wanted, "{audio} {srtp:?}");
    }
    // Two sounds of one kind are two sounds: which is meant must be said.
    assert!(with_audio(&(plain(4000) + &plain(4002)), SrtpPolicy::Optional).is_err());
}

#[test]
fn a_refreshed_session_keeps_its_keys_and_a_new_key_is_a_change() {
    let offer_of = |key: &str| {
        let audio = format!("m=audio 4000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\n");
        offer(&format!("m=application 9 TCP/MRCPv2 1\na=resource:speechrecog\n{audio}"))
    };
    let agreed = first(&offer_of(KEY), &Config::default());
    let other = Local { random_key: MasterKey::new(vec![0xFF; 46]), ..local() };
    let plan = renegotiate(&offer_of(KEY), &Config::default(), &agreed).unwrap();
    assert!(!plan.audio().next().unwrap().is_changed());
    assert!(page(&plan.answer(&other, &[], &[]).answer).contains(KEY));
    let plan = renegotiate(&offer_of(&"A".repeat(40)), &Config::default(), &agreed).unwrap();
    assert!(plan.audio().next().unwrap().is_changed());
    assert!(page(&plan.answer(&other, &[], &[]).answer).contains(&"/".repeat(40)));
}

#[test]
fn a_control_channel_over_tls_is_answered_with_its_port_and_fingerprint() {
    let section = "m=application 9 TCP/TLS/MRCPv2 1\na=setup:active\na=connection:existing\na=resource:speechrecog\n";
    let audio = "m=audio 4000 RTP/AVP 0\n";
    let told = |media: &str, control| negotiate(&offer(media), &Config { control, ..Config::default() });
    for control in [ControlTransports::Tls, ControlTransports::Both] {
        let plan = told(&format!("{section}{audio}"), control).unwrap();
        assert_eq!(plan.controls().next().unwrap().tls, Some(Vec::new()));
        // The connection that stands is not one over TLS.
        let wanted = "m=application 1545 TCP/TLS/MRCPv2 1\na=setup:passive\na=connection:new\n\
            a=fingerprint:sha-256 AB:CD\na=channel:A1@speechrecog\n";
        assert!(page(&answer(&plan, "A1", 5000).answer).starts_with(wanted));
    }
    let print = "a=fingerprint:SHA-256 01:02\n";
    let plan = told(&format!("{section}{print}{audio}"), ControlTransports::Tls).unwrap();
    let fingerprint = Fingerprint { hash: "sha-256".to_owned(), octets: vec![1, 2] };
    assert_eq!(plan.controls().next().unwrap().tls, Some(vec![fingerprint]));
    let why = told(&format!("{section}a=fingerprint:md2 01:02\n{audio}"), ControlTransports::Tls).unwrap_err();
    assert!(why.text.contains("fingerprint"), "{why}");
    let plain = section.replace("TCP/TLS", "TCP");
    let why = told(&format!("{plain}{audio}"), ControlTransports::Tls).unwrap_err();
    assert_eq!(why.to_string(), "488 (302 control channels over TCP/MRCPv2 are not served, only TCP/TLS/MRCPv2)");
    // Offered both ways, the first is taken.
    let plan = told(&format!("{section}{plain}{audio}"), ControlTransports::Both).unwrap();
    assert_eq!(
        answer(&plan, "A1", 5000).answer.media.iter().map(|media| media.port).collect::<Vec<_>>(),
        [1545, 0, 5000]
    );
}

proptest::proptest! {
    #[test]
    fn an_answer_has_the_offers_sections(
        at in 0usize..FREESWITCH_EVENTS.len(),
        damage in "[ -~\n]{0,5}",
        cut in 0usize..5,
        later: bool,
    ) {
        let mut text = FREESWITCH_EVENTS.to_owned();
        text.replace_range(at..(at + cut).min(text.len()), &damage);
        if let Ok(offer) = parse(text.as_bytes()) {
            let before = first(&parse(FREESWITCH_EVENTS.as_bytes()).unwrap(), &Config::default());
            let config = Config::default();
            if let Ok(plan) = if later { renegotiate(&offer, &config, &before) } else { negotiate(&offer, &config) } {
                let answer = answer(&plan, "A1", 5000).answer;
                proptest::prop_assert_eq!(answer.media.len(), offer.media.len());
                for (answered, offered) in answer.media.iter().zip(&offer.media) {
                    proptest::prop_assert_eq!(&answered.kind, &offered.kind);
                    proptest::prop_assert!(offered.port != 0 || answered.port == 0);
                }
                proptest::prop_assert_eq!(parse(&answer.write()), Ok(answer));
            }
        }
    }
}
