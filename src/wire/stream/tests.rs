//! Streams: messages as their products document them, or as they were measured.

use proptest::prelude::*;

use super::*;

const UUID: &str = "88888888-0000-4000-8000-000000000001";

/// One message of a page: `> TEXT`, or `> [NN NN ..]` for bytes in hexadecimal.
fn message(line: &str) -> Result<String, Vec<u8>> {
    match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(hex) => Err(hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()),
        None => Ok(line.to_owned()),
    }
}

fn told(told: &Told<'_>, conversation: &Conversation) -> String {
    match told {
        Told::Described => {
            let (call, format) = (conversation.call(), conversation.format());
            let dialect = conversation.dialect().map_or("?", Dialect::as_str);
            let id = call.id.as_deref().unwrap_or("-");
            let of = match (format.channels, format.channel) {
                (1, _) => String::new(),
                (count, Channel::Mix) => format!(" all of {count}"),
                (count, Channel::Number(number)) => format!(" {number} of {count}"),
            };
            format!("{dialect} call {id}, {:?} {}{of}", format.encoding, format.rate)
        }
        Told::Sound(Sound { bytes, at_ms }) => {
            format!("sound {}{}", bytes.len(), at_ms.map(|at| format!(" at {at}")).unwrap_or_default())
        }
        Told::Key(key) => format!("key {key}"),
        Told::Flushed => "flushed".to_owned(),
        Told::Paused => "paused".to_owned(),
        Told::Resumed => "resumed".to_owned(),
        Told::Reply(Reply::Text(text)) => format!("reply {text}"),
        Told::Reply(Reply::Binary(bytes)) => format!("reply of {} bytes", bytes.len()),
        Told::Stopped { reason } => format!("stopped {reason}").trim_end().to_owned(),
        Told::Refused { code, reason } => format!("refused {code} {reason}"),
    }
}

/// A page: the request's path and query, messages after `>`, and after each what is told of it.
fn check(path: &str, page: &str) -> Conversation {
    let (path, protocol) = path.split_once(' ').unwrap_or((path, ""));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut conversation = Conversation::new(&Opening::parse(path, query, protocol.split(',')).unwrap());
    let mut found = String::new();
    for line in page.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some(sent) = line.strip_prefix("> ") else { continue };
        found += &format!("> {sent}\n");
        let sent = message(sent);
        let message = match &sent {
            Ok(text) => Message::Text(text),
            Err(bytes) => Message::Binary(bytes),
        };
        for it in conversation.handle(message) {
            found += &format!("{}\n", told(&it, &conversation));
        }
    }
    let wanted: String =
        page.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
    assert_eq!(found, wanted);
    conversation
}

#[test]
fn mod_audio_stream() {
    let conversation = check(
        &format!("/stream/{UUID}?x=1"),
        r#"
        > {"call":"abc def"}
        tap call 88888888-0000-4000-8000-000000000001, L16(Little) 8000
        > [ff ff ff ff]
        tap call 88888888-0000-4000-8000-000000000001, L16(Little) 8000
        sound 4
        > {"ev":"one"}
        tap call 88888888-0000-4000-8000-000000000001, L16(Little) 8000
        > two
        > [c4 00 fc]
        sound 3
        "#,
    );
    assert_eq!(conversation.call().metadata.len(), 2);
    // Metadata may come after sound, and tell the rate; the query goes before them.
    check(
        "/",
        r#"
        > [ff ff]
        tap call -, L16(Little) 8000
        sound 2
        > {"uuid":"7","sampleRate":"16000","channels":2,"channel":"right"}
        tap call 7, L16(Little) 16000 1 of 2
        "#,
    );
    check("/detect?rate=24000", "> {\"sample_rate\":16000}\ntap call -, L16(Little) 24000");
    // Words of the user's own are not taken for an encoding.
    check("/detect", "> {\"format\":\"poem\",\"rate\":16000}\ntap call -, L16(Little) 16000");
}

#[test]
fn mod_audio_fork() {
    check(
        &format!("/stream/{UUID}?channel=left audio.drachtio.org"),
        r#"
        > {"call":"abc"}
        audio_fork call 88888888-0000-4000-8000-000000000001, L16(Little) 8000 0 of 2
        > [00 00 00 00]
        audio_fork call 88888888-0000-4000-8000-000000000001, L16(Little) 8000 0 of 2
        sound 4
        > []
        flushed
        > []
        flushed
        "#,
    );
    // What is left of metadata with a blank in it.
    check("/ audio.drachtio.org", "> def\"}\n> [00 00]\naudio_fork call -, L16(Little) 8000\nsound 2");
}

#[test]
fn mod_ws_media() {
    check(
        "/media?x=1",
        r#"
        > {"event":"start","version":"1","call_id":"abc","leg_uuid":"cccccccc-0000-4000-8000-000000000001","attach_mode":"tap","media_format":{"encoding":"L16","sample_rate":8000,"channels":2,"ptime":20},"capture":{"mode":"stereo","tracks":[{"ch":0,"source":"write","role":"agent"},{"ch":1,"source":"read","role":"callee"}]},"custom":{"goal":"beep"}}
        ws_media call cccccccc-0000-4000-8000-000000000001, L16(Little) 8000 1 of 2
        > [ff ff ff ff c4 00 ff ff]
        sound 8
        > {"event":"stop","version":"1","call_id":"abc","leg_uuid":"cccccccc-0000-4000-8000-000000000001","reason":"call_ended"}
        stopped call_ended
        "#,
    );
}

#[test]
fn twilio() {
    let conversation = check(
        "/twilio",
        r#"
        > {"event":"connected","protocol":"Call","version":"1.0.0"}
        > {"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"streamSid":"MZ1","accountSid":"AC1","callSid":"CA1","tracks":["inbound","outbound"],"customParameters":{"token":"secret","goal":"answer","customer":"7"},"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}
        twilio call CA1, Pcmu 8000
        > {"event":"media","sequenceNumber":"3","streamSid":"MZ1","media":{"track":"inbound","chunk":"1","timestamp":"5","payload":"//8A"}}
        sound 3 at 5
        > {"event":"media","sequenceNumber":"4","streamSid":"MZ1","media":{"track":"outbound","chunk":"1","timestamp":"5","payload":"//8A"}}
        > {"event":"media","sequenceNumber":"5","streamSid":"MZ1","media":{"track":"inbound","chunk":"2","timestamp":"25","payload":"//8"}}
        sound 2 at 25
        > {"event":"dtmf","streamSid":"MZ1","sequenceNumber":"6","dtmf":{"track":"inbound_track","digit":"5"}}
        key 5
        > {"event":"mark","streamSid":"MZ1","mark":{"name":"x"}}
        > {"event":"stop","sequenceNumber":"7","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}
        stopped
        "#,
    );
    let call = conversation.call();
    assert_eq!((call.token.as_deref(), call.goal.as_deref()), (Some("secret"), Some("answer")));
    assert_eq!(call.stream.as_deref(), Some("MZ1"));
    assert_eq!(call.metadata.get("customer"), Some(&Value::from("7")));
    assert!(!call.metadata.contains_key("token"), "a secret is not told on");
    // The callee of a <Dial> is the other track; a uuid of the user's own names the call; another codec is obeyed.
    check(
        "/",
        r#"
        > {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","tracks":["inbound","outbound"],"customParameters":{"track":"outbound","call_uuid":"u1"},"mediaFormat":{"encoding":"L16@16000h","sampleRate":16000,"channels":1}}}
        twilio call u1, L16(Little) 16000
        > {"event":"media","media":{"track":"inbound","payload":"AAAA"}}
        > {"event":"media","media":{"track":"outbound","payload":"AAAA"}}
        sound 3
        "#,
    );
}

#[test]
fn telnyx() {
    let start = |encoding: &str| {
        format!(
            r#"{{"event":"start","sequence_number":"1","stream_id":"s1","start":{{"user_id":"u","call_control_id":"v3:1","call_session_id":"c","from":"+1","to":"+2","client_state":"","custom_parameters":{{}},"media_format":{{"encoding":"{encoding}","sample_rate":8000,"channels":1}}}}}}"#
        )
    };
    check(
        "/telnyx",
        &format!(
            r#"
        > {{"event":"connected","version":"1.0.0","x-telnyx-streaming-auth-token":"t"}}
        > {}
        telnyx call v3:1, Pcma 8000
        > {{"event":"media","sequence_number":"4","stream_id":"s1","media":{{"track":"inbound","chunk":"2","timestamp":"5","payload":"1dXV"}}}}
        sound 3 at 5
        "#,
            start("PCMA")
        ),
    );
    check("/", &format!("> {}\ntelnyx call v3:1, L16(Unknown) 8000", start("L16")));
    let why = "encoding \"OPUS\" can't be decoded; known are pcmu, pcma, l16 and f32";
    check("/", &format!("> {}\nrefused 1003 {why}", start("OPUS")));
}

#[test]
fn plivo() {
    check(
        "/plivo",
        r#"
        > {"sequenceNumber":0,"event":"start","start":{"callId":"c1","streamId":"s1","accountId":"a","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-l16","sampleRate":8000}},"extra_headers":"{goal=beep,token=t}"}
        plivo call c1, L16(Little) 8000
        > {"sequenceNumber":1,"event":"media","streamId":"s1","media":{"track":"inbound","timestamp":"1690000000000","chunk":1,"payload":"AAAAAA=="},"extra_headers":"{}"}
        sound 4 at 1690000000000
        > {"event":"dtmf","streamId":"s1","dtmf":{"track":"inbound","digit":"*","timestamp":"1"}}
        key *
        "#,
    );
}

#[test]
fn exotel() {
    check(
        "/exotel?sample-rate=16000",
        r#"
        > {"event":"connected"}
        > {"event":"start","sequence_number":1,"stream_sid":"s1","start":{"stream_sid":"s1","call_sid":"c1","account_sid":"a","from":"1","to":"2","custom_parameters":{},"media_format":{"encoding":"base64","sample_rate":"8000","bit_rate":"128kbps"}}}
        exotel call c1, L16(Little) 16000
        > {"event":"media","sequence_number":2,"stream_sid":"s1","media":{"chunk":1,"timestamp":"100","payload":"AAA="}}
        sound 2 at 100
        > {"event":"stop","sequence_number":3,"stream_sid":"s1","stop":{"call_sid":"c1","account_sid":"a","reason":"callended"}}
        stopped callended
        "#,
    );
}

#[test]
fn bandwidth() {
    check(
        "/bandwidth",
        r#"
        > {"eventType":"start","metadata":{"accountId":"a","callId":"c1","streamId":"s1","streamName":"n","tracks":[{"name":"inbound","mediaFormat":{"encoding":"PCMU","sampleRate":8000}}]},"streamParams":{"goal":"beep"}}
        bandwidth call c1, Pcmu 8000
        > {"eventType":"media","track":"inbound","payload":"/w=="}
        sound 1
        > {"eventType":"media","track":"outbound","payload":"/w=="}
        > {"eventType":"stop"}
        stopped
        "#,
    );
}

#[test]
fn vonage() {
    let conversation = check(
        "/vonage",
        r#"
        > [00 00]
        > {"event":"websocket:connected","content-type":"audio/l16;rate=16000","call_uuid":"u1","goal":"beep"}
        vonage call u1, L16(Little) 16000
        sound 2
        > [00 00 00 00]
        sound 4
        > {"event":"websocket:dtmf","digit":"5","duration":260}
        key 5
        > {"event":"websocket:cleared"}
        "#,
    );
    assert_eq!(conversation.call().goal.as_deref(), Some("beep"));
}

#[test]
fn jambonz() {
    check(
        "/jambonz audio.jambonz.org",
        r#"
        > {"callSid":"c1","accountSid":"a","from":"1","to":"2","direction":"outbound","sampleRate":16000,"mixType":"stereo","customer":"7"}
        jambonz call c1, L16(Little) 16000 0 of 2
        > [00 00 00 00]
        jambonz call c1, L16(Little) 16000 0 of 2
        sound 4
        > {"event":"dtmf","dtmf":"5","duration":"1600"}
        key 5
        "#,
    );
}

#[test]
fn chan_websocket() {
    check(
        "/media/7 media",
        r#"
        > [ff ff]
        > MEDIA_START connection_id:c1 channel:WebSocket/c1 channel_id:1700000000.1 format:ulaw optimal_frame_size:160 ptime:20
        asterisk call 7, Pcmu 8000
        sound 2
        > MEDIA_XOFF
        > DTMF_END digit:9
        key 9
        "#,
    );
    check(
        "/",
        r#"
        > {"event":"MEDIA_START","connection_id":"c1","channel":"WebSocket/c1","channel_id":"1700000000.1","format":"slin16","optimal_frame_size":640,"ptime":20,"channel_variables":{"uuid":"u1"}}
        asterisk call u1, L16(Little) 16000
        > {"event":"DTMF_END","digit":"4"}
        key 4
        "#,
    );
    let refused = "refused 1003 encoding \"opus\" can't be decoded; known are pcmu, pcma, l16 and f32";
    check("/ media", &format!("> MEDIA_START connection_id:c1 format:opus\n{refused}"));
}

#[test]
fn audiohook() {
    let mut conversation = check(
        "/audiohook",
        r#"
        > {"version":"2","type":"open","seq":1,"serverseq":0,"id":"e160e428","position":"PT0S","parameters":{"organizationId":"o","conversationId":"090eaa2f","participant":{"id":"p","ani":"+1","dnis":"+2"},"media":[{"type":"audio","format":"PCMU","channels":["internal","external"],"rate":8000},{"type":"audio","format":"PCMU","channels":["internal"],"rate":8000}],"language":"en-US"}}
        reply {"clientseq":1,"id":"e160e428","parameters":{"media":[{"channels":["internal","external"],"format":"PCMU","rate":8000,"type":"audio"}],"startPaused":false},"seq":1,"type":"opened","version":"2"}
        audiohook call 090eaa2f, Pcmu 8000 1 of 2
        > [ff ff ff ff]
        sound 4
        > {"version":"2","type":"ping","seq":2,"serverseq":1,"id":"e160e428","position":"PT1S","parameters":{}}
        reply {"clientseq":2,"id":"e160e428","parameters":{},"seq":2,"type":"pong","version":"2"}
        > {"version":"2","type":"paused","seq":3,"serverseq":2,"id":"e160e428","position":"PT1S","parameters":{}}
        paused
        > {"version":"2","type":"dtmf","seq":4,"serverseq":2,"id":"e160e428","position":"PT1S","parameters":{"digit":"*"}}
        key *
        > {"version":"2","type":"update","seq":5,"serverseq":2,"id":"e160e428","position":"PT1S","parameters":{"language":"de"}}
        reply {"clientseq":5,"id":"e160e428","parameters":{},"seq":3,"type":"updated","version":"2"}
        > {"version":"2","type":"close","seq":6,"serverseq":2,"id":"e160e428","position":"PT1S","parameters":{"reason":"end"}}
        reply {"clientseq":6,"id":"e160e428","parameters":{},"seq":4,"type":"closed","version":"2"}
        stopped end
        "#,
    );
    assert!(!conversation.call().probe);
    assert_eq!(conversation.farewell("bye"), None, "it is closed");
    let mut probe = check(
        "/",
        r#"
        > {"version":"2","type":"open","seq":1,"serverseq":0,"id":"e1","position":"PT0S","parameters":{"conversationId":"00000000-0000-0000-0000-000000000000","media":[{"type":"audio","format":"PCMU","channels":["external"],"rate":8000}]}}
        reply {"clientseq":1,"id":"e1","parameters":{"media":[{"channels":["external"],"format":"PCMU","rate":8000,"type":"audio"}],"startPaused":false},"seq":1,"type":"opened","version":"2"}
        audiohook call 00000000-0000-0000-0000-000000000000, Pcmu 8000
        "#,
    );
    assert!(probe.call().probe);
    assert!(matches!(probe.farewell("bye"), Some(Reply::Text(text)) if text.contains("\"disconnect\"")));
}

/// Frames of AudioSocket: the call's name, sound at 8 kHz, a key, sound at 16 kHz, the end.
fn audiosocket_bytes() -> Vec<u8> {
    let mut bytes = vec![0x01, 0, 16];
    bytes.extend(0x10..0x20);
    bytes.extend([0x10, 0, 4, 1, 0, 2, 0, 0x03, 0, 1, b'7', 0x42, 0, 1, 9, 0x12, 0, 2, 5, 0, 0x00, 0, 0]);
    bytes
}

fn audiosocket(pieces: impl Iterator<Item = Vec<u8>>) -> String {
    let mut frames = audiosocket::Frames::default();
    let mut found = String::new();
    for piece in pieces {
        frames.handle(&piece);
        while let Some(told) = frames.poll() {
            for it in told {
                found += &match it {
                    Told::Described => {
                        format!("call {}, {}\n", frames.call().id.as_deref().unwrap_or("-"), frames.format().rate)
                    }
                    Told::Sound(sound) => format!("sound {:?}\n", sound.bytes),
                    Told::Key(key) => format!("key {key}\n"),
                    Told::Reply(Reply::Binary(bytes)) => format!("reply {bytes:?}\n"),
                    Told::Stopped { reason } => format!("stopped {reason}\n"),
                    other => panic!("{other:?}"),
                };
            }
        }
    }
    found
}

const AUDIOSOCKET: &str = "call 10111213-1415-1617-1819-1a1b1c1d1e1f, 8000
reply [16, 0, 4, 0, 0, 0, 0]
sound [1, 0, 2, 0]
key 7
call 10111213-1415-1617-1819-1a1b1c1d1e1f, 16000
reply [18, 0, 2, 0, 0]
sound [5, 0]
stopped hangup
";

#[test]
fn audiosocket_frames() {
    assert_eq!(audiosocket([audiosocket_bytes()].into_iter()), AUDIOSOCKET);
}

fn any_text() -> impl Strategy<Value = String> {
    let words = [
        "event",
        "start",
        "media",
        "payload",
        "AAAA",
        "type",
        "open",
        "version",
        "seq",
        "id",
        "streamSid",
        "tracks",
        "mediaFormat",
        "sampleRate",
        "MEDIA_START",
        "format:ulaw",
        "eventType",
        "metadata",
        "parameters",
        "channels",
    ];
    let piece = prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(|word| format!("\"{word}\"")),
        prop::sample::select(vec!["{", "}", "[", "]", ":", ",", "null", "8000", "\"8000\"", "-1", "1e99", "true"])
            .prop_map(str::to_owned),
        "\\PC{0,6}",
    ];
    let soup = prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat());
    let members =
        prop::collection::vec((prop::sample::select(words.to_vec()), prop::sample::select(words.to_vec())), 0..6);
    let object = members.prop_map(|members| {
        let object: Map<String, Value> =
            members.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
        Value::from(object.clone()).to_string().replace("\"AAAA\"", &Value::from(object).to_string())
    });
    prop_oneof![soup, object]
}

proptest! {
    #[test]
    fn no_message_is_too_odd(
        path in "(/[a-z_%0-9]{0,12}){0,3}",
        query in "([a-z_]{0,9}=[a-z0-9%]{0,6}&){0,3}",
        protocol in prop::sample::select(vec!["", "media", "audio.jambonz.org"]),
        messages in prop::collection::vec(prop_oneof![
            any_text().prop_map(Ok),
            prop::collection::vec(any::<u8>(), 0..64).prop_map(Err),
        ], 0..12),
    ) {
        if let Ok(opening) = Opening::parse(&path, &query, [protocol]) {
            let mut conversation = Conversation::new(&opening);
            for message in &messages {
                let told = conversation.handle(match message {
                    Ok(text) => Message::Text(text),
                    Err(bytes) => Message::Binary(bytes),
                });
                let format = conversation.format();
                prop_assert!(format.unit() > 0 && format.rate >= 4_000);
                prop_assert!(!matches!(format.channel, Channel::Number(number) if number >= format.channels));
                prop_assert!(told.len() <= 4);
            }
        }
    }

    #[test]
    fn audiosocket_may_be_cut_anywhere(cuts in prop::collection::vec(1usize..8, 1..64)) {
        let mut rest = audiosocket_bytes();
        let mut pieces = Vec::new();
        for cut in cuts {
            let after = rest.split_off(cut.min(rest.len()));
            pieces.push(std::mem::replace(&mut rest, after));
        }
        pieces.push(rest);
        prop_assert_eq!(audiosocket(pieces.into_iter()), AUDIOSOCKET);
    }

    #[test]
    fn audiosocket_takes_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let mut frames = audiosocket::Frames::default();
        frames.handle(&bytes);
        while frames.poll().is_some() {}
    }
}
