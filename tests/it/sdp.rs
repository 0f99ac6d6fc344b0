//! Session descriptions of real peers: read, written and read again.

use std::fs;
use std::path::Path;

use answerd::wire::sdp;
use proptest::prelude::*;

use crate::transcript;

fn check(name: &str, body: &str) {
    let read = sdp::parse(body.as_bytes()).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(read.to_string(), body, "{name}");
}

#[test]
fn descriptions_named_by_peer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sdp");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        check(path.to_str().unwrap(), &fs::read_to_string(&path).unwrap());
        count += 1;
    }
    assert!(count >= 10, "{count} descriptions");
}

#[test]
fn descriptions_of_the_transcripts() {
    let mut count = 0;
    for (name, text) in transcript::all() {
        for block in transcript::blocks(&text) {
            if block.protocol != transcript::Protocol::Mrcp
                && let Some((_, body)) = block.text().split_once("\r\n\r\n")
                && body.starts_with("v=0")
            {
                check(&name, body);
                count += 1;
            }
        }
    }
    assert!(count >= 80, "{count} descriptions");
}

/// What ezk-sdp-types, a reader that others wrote, makes of a description, held against ours. It knows nothing of MRCP:
/// those attributes it keeps as they stand.
#[track_caller]
fn agree(text: &str) {
    let ours = sdp::parse(text.as_bytes()).unwrap_or_else(|why| panic!("{why}:\n{text}"));
    let theirs = ezk_sdp_types::SessionDescription::parse(&text.to_owned().into())
        .unwrap_or_else(|why| panic!("{why}:\n{text}"));
    let origin = &theirs.origin;
    let told = (origin.username.as_str(), origin.session_id.as_str(), origin.session_version.as_str());
    let read = (ours.origin.username.as_str(), ours.origin.session_id.as_str(), ours.origin.session_version.as_str());
    assert_eq!(read, told, "{text}");
    assert_eq!(ours.origin.address.to_string(), origin.address.to_string(), "{text}");
    assert_eq!(ours.name, theirs.name.as_str(), "{text}");
    assert_eq!(ours.times.first().cloned(), Some(theirs.time.to_string()), "{text}");
    let connection = |connection: Option<&sdp::Connection>| connection.map(|it| format!("{}{}", it.address, it.suffix));
    assert_eq!(connection(ours.connection.as_ref()), theirs.connection.map(|it| it.to_string()), "{text}");
    assert_eq!(ours.media.len(), theirs.media_descriptions.len(), "{text}");
    for (ours_media, theirs) in ours.media.iter().zip(&theirs.media_descriptions) {
        assert_eq!(ours_media.kind.as_str(), theirs.media.media_type.to_string(), "{text}");
        assert_eq!((ours_media.port, ours_media.port_count), (theirs.media.port, theirs.media.ports_num), "{text}");
        assert_eq!(ours_media.protocol, theirs.media.proto.to_string(), "{text}");
        let formats: Vec<String> = theirs.media.fmts.iter().map(ToString::to_string).collect();
        assert_eq!(ours_media.formats, formats, "{text}");
        let told = theirs.connection.as_ref().map(ToString::to_string);
        assert_eq!(connection(ours_media.connection.as_ref()), told, "{text}");
        assert_eq!(ours.direction_of(ours_media).as_str(), theirs.direction.to_string(), "{text}");
        assert_eq!(ours_media.mid(), theirs.mid.as_deref(), "{text}");
        assert_eq!(
            ours_media.setup().map(|it| it.as_str().to_owned()),
            theirs.setup.map(|it| it.to_string()),
            "{text}"
        );
        for map in &theirs.rtpmap {
            let read = ours_media.rtpmap(map.payload).unwrap_or_else(|| panic!("{map} is missing:\n{text}"));
            assert_eq!(
                (read.encoding_name.as_str(), read.clock_rate),
                (map.encoding.as_str(), map.clock_rate),
                "{text}"
            );
            assert_eq!(read.channels.map(|count| count.to_string()).as_deref(), map.params.as_deref(), "{text}");
        }
        for fmtp in &theirs.fmtp {
            let read = ours_media.fmtp(fmtp.format).unwrap_or_else(|| panic!("{fmtp} is missing:\n{text}"));
            assert_eq!(read.parameters, fmtp.params.as_str(), "{text}");
        }
        let kept = |name: &str| {
            let mut values = theirs.attributes.iter().filter(|attribute| attribute.name.as_str() == name);
            values.next().and_then(|attribute| attribute.value.as_deref().map(str::to_owned))
        };
        assert_eq!(ours_media.resource().map(str::to_owned), kept("resource"), "{text}");
        assert_eq!(ours_media.channel().map(str::to_owned), kept("channel"), "{text}");
        assert_eq!(ours_media.cmids().next().map(str::to_owned), kept("cmid"), "{text}");
        assert_eq!(ours_media.connection_reuse().map(|it| it.as_str().to_owned()), kept("connection"), "{text}");
        assert_eq!(ours_media.ptime().map(|ms| ms.to_string()), kept("ptime"), "{text}");
    }
}

#[test]
fn another_reader_reads_real_descriptions_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sdp");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        agree(&fs::read_to_string(entry.unwrap().path()).unwrap());
        count += 1;
    }
    for (_, text) in transcript::all() {
        for block in transcript::blocks(&text) {
            if block.protocol != transcript::Protocol::Mrcp
                && let Some((_, body)) = block.text().split_once("\r\n\r\n")
                && body.starts_with("v=0")
            {
                agree(body);
                count += 1;
            }
        }
    }
    assert!(count > 90, "{count}");
}

/// Descriptions as answers and offers have them, and odder ones.
fn description() -> impl Strategy<Value = sdp::SessionDescription> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| sdp::Address::Ip(octets.into())),
        any::<[u8; 16]>().prop_map(|octets| sdp::Address::Ip(octets.into())),
        "[a-z]{1,8}(\\.[a-z]{1,8}){1,2}".prop_map(|name| sdp::Address::Name { ip6: false, name }),
    ];
    let origin = ("[a-zA-Z0-9_-]{1,8}", "[0-9]{1,18}", "[0-9]{1,18}", address.clone()).prop_map(
        |(username, session_id, session_version, address)| sdp::Origin {
            username,
            session_id,
            session_version,
            address,
        },
    );
    let connection =
        proptest::option::of(address.prop_map(|address| sdp::Connection { address, suffix: String::new() }));
    let media = (connection.clone(), media_section())
        .prop_map(|(connection, media)| sdp::MediaDescription { connection, ..media });
    (origin, connection, proptest::collection::vec(media, 0..4), direction()).prop_map(
        |(origin, connection, media, direction)| sdp::SessionDescription {
            origin,
            name: "-".to_owned(),
            connection,
            times: vec!["0 0".to_owned()],
            attributes: direction.into_iter().collect(),
            other: Vec::new(),
            media,
        },
    )
}

fn direction() -> impl Strategy<Value = Option<sdp::Attribute>> {
    proptest::option::of(prop_oneof![
        Just(sdp::Attribute::Direction(sdp::Direction::SendRecv)),
        Just(sdp::Attribute::Direction(sdp::Direction::SendOnly)),
        Just(sdp::Attribute::Direction(sdp::Direction::RecvOnly)),
        Just(sdp::Attribute::Direction(sdp::Direction::Inactive)),
    ])
}

fn media_section() -> impl Strategy<Value = sdp::MediaDescription> {
    let control = (any::<u16>(), any::<bool>(), any::<bool>(), "[0-9A-F]{8,32}@speechrecog", "[a-z0-9]{1,4}").prop_map(
        |(port, tls, new, channel, tag)| {
            let protocol = if tls { "TCP/TLS/MRCPv2" } else { "TCP/MRCPv2" };
            let mut media =
                sdp::MediaDescription::new(sdp::MediaKind::Application, port, protocol, vec!["1".to_owned()]);
            media.attributes = vec![
                sdp::Attribute::Setup(if new { sdp::Setup::Active } else { sdp::Setup::Passive }),
                sdp::Attribute::Connection(if new {
                    sdp::ConnectionReuse::New
                } else {
                    sdp::ConnectionReuse::Existing
                }),
                sdp::Attribute::Channel(channel),
                sdp::Attribute::Resource("speechrecog".to_owned()),
                sdp::Attribute::Cmid(tag),
            ];
            media
        },
    );
    let codec = (96..128_u8, "[A-Z][A-Z0-9]{1,6}", 8000..48_001_u32, proptest::option::of(1..3_u32));
    let codecs = proptest::collection::vec(codec, 0..4);
    let audio =
        (any::<u16>(), codecs, proptest::option::of(1..100_u32), direction(), proptest::option::of("[a-z0-9]{1,4}"));
    let audio = audio.prop_map(|(port, codecs, ptime, direction, mid)| {
        let mut formats = vec!["0".to_owned(), "8".to_owned()];
        let mut attributes = Vec::new();
        for (payload_type, encoding_name, clock_rate, channels) in codecs {
            let format = payload_type.to_string();
            if formats.contains(&format) {
                continue;
            }
            formats.push(format);
            attributes.push(sdp::Attribute::RtpMap(sdp::RtpMap { payload_type, encoding_name, clock_rate, channels }));
            attributes.push(sdp::Attribute::Fmtp(sdp::Fmtp { payload_type, parameters: "0-15".to_owned() }));
        }
        attributes.extend(ptime.map(sdp::Attribute::Ptime));
        attributes.extend(direction);
        attributes.extend(mid.map(sdp::Attribute::Mid));
        let mut media = sdp::MediaDescription::new(sdp::MediaKind::Audio, port, "RTP/AVP", formats);
        media.attributes = attributes;
        media
    });
    prop_oneof![control, audio]
}

proptest! {
    #[test]
    fn another_reader_reads_what_is_written_here(description in description()) {
        agree(&description.to_string());
    }
}
