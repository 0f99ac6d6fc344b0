//! The captured conversations, whole and in pieces, and any bytes.

use proptest::prelude::*;

use super::*;

const CAPTURES: [(&str, &[u8]); 6] = [
    ("01-auth", include_bytes!("../../../tests/data/esl/01-auth.txt")),
    ("02-event-formats", include_bytes!("../../../tests/data/esl/02-event-formats.txt")),
    ("03-api-bgapi", include_bytes!("../../../tests/data/esl/03-api-bgapi.txt")),
    ("08-outbound-async-full", include_bytes!("../../../tests/data/esl/08-outbound-async-full.txt")),
    ("12-dropin-avmd", include_bytes!("../../../tests/data/esl/12-dropin-avmd.txt")),
    ("15-shutdown", include_bytes!("../../../tests/data/esl/15-shutdown.txt")),
];

/// The blocks of a capture that one side sent: `@@ S>connection seconds octets`, then so many octets.
fn blocks(capture: &[u8], side: char) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = capture;
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        let Some(told) = line.strip_prefix("@@ ").filter(|told| !told.starts_with('#')) else { continue };
        let octets: usize = told.rsplit(' ').next().unwrap().parse().unwrap();
        if told.starts_with(side) {
            found.push(rest[..octets].to_vec());
        }
        rest = &rest[octets + 1..];
    }
    found
}

fn parse(pieces: &[&[u8]]) -> Vec<Message> {
    let mut parser = Parser::default();
    let mut messages = Vec::new();
    for piece in pieces {
        parser.feed(piece);
        while let Some(message) = parser.poll_message().unwrap() {
            messages.push(message);
        }
    }
    messages
}

/// Every event and reply of a server, of all captures.
fn messages() -> Vec<Message> {
    CAPTURES.iter().flat_map(|(_, capture)| blocks(capture, 'S')).flat_map(|block| parse(&[&block])).collect()
}

#[test]
fn each_captured_block_is_one_message() {
    for (name, capture) in CAPTURES {
        let blocks = blocks(capture, 'S');
        assert!(blocks.len() > 3, "{name}");
        for block in &blocks {
            let messages = parse(&[block]);
            assert_eq!(messages.len(), 1, "{name}: {}", String::from_utf8_lossy(block));
            let Message { headers, body } = &messages[0];
            assert!(block.ends_with(body));
            assert_ne!(messages[0].content_type(), ContentType::Other, "{name}: {headers:?}");
        }
        let whole = blocks.concat();
        let expected = blocks.iter().flat_map(|block| parse(&[block])).collect::<Vec<_>>();
        assert_eq!(parse(&[&whole]), expected, "{name}");
        let bytes = whole.chunks(1).collect::<Vec<_>>();
        assert_eq!(parse(&bytes), expected, "{name}");
        let lines = String::from_utf8_lossy(&whole).replace('\n', "\r\n");
        // Lengths do not fit any more; headers still do.
        assert_eq!(parser_first(lines.as_bytes()).headers, expected[0].headers, "{name}");
    }
}

fn parser_first(bytes: &[u8]) -> Message {
    let mut parser = Parser::default();
    parser.feed(bytes);
    parser.poll_message().unwrap().unwrap()
}

#[test]
fn replies_tell_what_the_server_said() {
    let messages = messages();
    let reply = |text: &str| messages.iter().any(|message| message.is_reply() && message.reply() == text);
    for text in ["+OK accepted", "-ERR invalid", "fs1", "+OK event listener enabled plain", "-ERR permission denied"] {
        assert!(reply(text), "{text}");
    }
    let failed = |text: &str| {
        let mut message = Message::default();
        message.headers.push("Content-Type", "command/reply");
        message.headers.push("Reply-Text", text);
        message.is_failure()
    };
    for text in ["-ERR invalid", "-ERR, avmd for FreeSWITCH", "-USAGE: <uuid>", "+ERR, avmd has not yet"] {
        assert!(failed(text), "{text}");
    }
    for text in ["+OK", "+OK Success", "+OK Message sent", "true", "_undef_", ""] {
        assert!(!failed(text), "{text}");
    }
}

#[test]
fn events_are_read_in_both_forms() {
    let events = messages().iter().filter_map(Message::event).collect::<Vec<_>>();
    let beep = events.iter().find(|event| event.subclass() == "avmd::beep").unwrap();
    assert_eq!((beep.name(), beep.get("beep-status")), ("CUSTOM", Some("DETECTED")));
    let connect = events.iter().find(|event| event.get("Control") == Some("full")).unwrap();
    assert_eq!(connect.get("Socket-Mode"), Some("async"));
    assert!(is_uuid(connect.get("Unique-ID").unwrap()));
    assert!(connect.variable("mark").is_some(), "{:?}", connect.headers);
    assert_eq!(connect.variable("nosuch"), None);
    let job = events.iter().find(|event| event.get("Job-UUID") == Some("job-0002")).unwrap();
    assert!(String::from_utf8_lossy(&job.body).starts_with("-ERR"), "{job:?}");

    let json = Event::json(br#"{"Event-Name":"X","Unique-ID":"a","_body":"b","Content-Length":"1","L":["one","two"]}"#);
    let json = json.unwrap();
    assert_eq!((json.name(), json.body.as_slice(), json.get("L")), ("X", &b"b"[..], Some("ARRAY::one|:two")));
    assert_eq!(Event::json(b"[1]"), None);
    assert!(
        messages().iter().any(|message| message.content_type() == ContentType::EventJson && message.event().is_some())
    );
}

#[test]
fn a_body_within_an_event_is_as_long_as_the_last_length_says() {
    let event = Event::plain(b"Event-Name: X\nContent-Length: 99\nContent-Length: 3\n\nabcdef");
    assert_eq!(event.body, b"abc");
    assert_eq!(Event::plain(b"Event-Name: X\nContent-Length: 9\n\nabc").body, b"abc");
    assert_eq!(Event::plain(b"Event-Name: A%20%4a%zz%2\n\n").name(), "A J%zz%2");
}

#[test]
fn nothing_can_be_slipped_into_a_command() {
    for text in ["a\nb", "a\rb", "a\0b", "\n"] {
        assert_eq!(Command::new(text), Err(Unsafe), "{text:?}");
        assert_eq!(Command::execute(text, "set", "", false), Err(Unsafe), "{text:?}");
        assert_eq!(Command::execute("u", "set", text, false), Err(Unsafe), "{text:?}");
        assert_eq!(Command::custom_event("a").unwrap().header("b", text), Err(Unsafe), "{text:?}");
        assert!(!is_uuid(text));
    }
    assert_eq!(Command::new("api x").unwrap().header("a: b", "c"), Err(Unsafe));
    assert!(is_uuid("6099a0f0-ba5c-4880-9d29-a688d8b8b220") && !is_uuid("") && !is_uuid("a b") && !is_uuid("a;b"));
}

#[test]
fn commands_are_written_as_the_server_reads_them() {
    let command = Command::execute("u-1", "event", "Event-Name=CUSTOM", true).unwrap();
    let text = "sendmsg u-1\ncall-command: execute\nexecute-app-name: event\nexecute-app-arg: Event-Name=CUSTOM\n\
        event-lock: true\n\n";
    assert_eq!(String::from_utf8(command.write()).unwrap(), text);
    let command = Command::execute("", "answer", "", false).unwrap();
    assert_eq!(command.write(), b"sendmsg\ncall-command: execute\nexecute-app-name: answer\n\n");
    let command = Command::custom_event("a::b").unwrap().header("X", "1").unwrap().body("two\nlines");
    let text = "sendevent CUSTOM\nEvent-Subclass: a::b\nX: 1\nContent-Length: 9\n\ntwo\nlines";
    assert_eq!(String::from_utf8(command.write()).unwrap(), text);
    assert_eq!(Command::new("auth secret").unwrap().line(), "auth");
    assert_eq!(Command::new("api status").unwrap().line(), "api status");
}

#[test]
fn sizes_are_bounded() {
    let check = |bytes: &[u8], expected| {
        let mut parser = Parser::new(Limits { section: 30, body: 10 });
        parser.feed(bytes);
        assert_eq!(parser.poll_message(), Err(expected));
        parser.feed(b"Content-Type: x\n\n");
        assert_eq!(parser.poll_message(), Err(expected));
    };
    check(&[b'a'; 31], Malformed::LongSection);
    check(b"a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n\n", Malformed::LongSection);
    check(b"Content-Length: 11\n\n", Malformed::LongBody);
    check(b"Content-Length: -1\n\n", Malformed::ContentLength);
    check(b"Content-Length: x\n\n", Malformed::ContentLength);
}

/// Pieces of real messages and of others.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"Content-Type: auth/request\n\n".to_vec()),
        Just(b"Content-Length: 3\r\n\r\nabc".to_vec()),
        Just(b"Content-Length: 2\n\n\n\n".to_vec()),
        Just(b"Content-Type: text/event-plain\nContent-Length: 14\n\nEvent-Name: X\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn outcome(pieces: &[&[u8]]) -> (Vec<Message>, Option<Malformed>) {
    let mut parser = Parser::default();
    let mut messages = Vec::new();
    for piece in pieces {
        parser.feed(piece);
        loop {
            match parser.poll_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(malformed) => return (messages, Some(malformed)),
            }
        }
    }
    (messages, None)
}

proptest! {
    #[test]
    fn splits_change_nothing(bytes in stream(), cuts in proptest::collection::vec(1usize..7, 1..40)) {
        let whole = outcome(&[&bytes]);
        let mut pieces = Vec::new();
        let mut rest = bytes.as_slice();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(&outcome(&pieces), &whole);
        for message in &whole.0 {
            let _ = (message.content_type(), message.reply(), message.event());
        }
    }

    #[test]
    fn any_event_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Event::plain(&bytes);
        let _ = Event::json(&bytes);
    }

    #[test]
    fn percent_encoding_is_undone(text in "\\PC{0,40}") {
        // An escape that is in the text already is the server's ambiguity; ours encodes it.
        prop_assert_eq!(decode_percent(&encode_percent(&text)), text);
    }

    #[test]
    fn a_command_is_one_command(line in any::<String>(), value in any::<String>()) {
        let Ok(command) = Command::new(&line).and_then(|command| command.header("h", &value)) else {
            prop_assert!(!is_safe(&line) || !is_safe(&value));
            return Ok(());
        };
        let bytes = command.write();
        prop_assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 3);
    }
}
