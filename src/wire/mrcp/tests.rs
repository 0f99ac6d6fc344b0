//! Messages of clients and of the RFC, split and joined, and messages that are wrong.

#![allow(clippy::indexing_slicing, clippy::disallowed_methods, reason = "tests read fixtures and may panic")]

use proptest::prelude::*;

use crate::wire::mrcp::*;

/// Everything that a parser tells of `chunks`, one line a message.
fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut parser = Parser::new(Limits { message: 4096, section: 1024, skip: 10_000 });
    let mut told = Vec::new();
    for chunk in chunks {
        parser.feed(chunk);
        loop {
            match parser.poll_message() {
                Ok(Some(message)) => told.push(format!("{message:?}")),
                Ok(None) => break,
                Err(malformed) => told.push(format!("{malformed:?}")),
            }
        }
    }
    told
}

fn parse_one(bytes: &[u8]) -> Result<Message, Malformed> {
    let mut parser = Parser::default();
    parser.feed(bytes);
    let message = parser.poll_message()?.expect("one whole message");
    assert!(!parser.is_inside_message(), "bytes are left");
    Ok(message)
}

/// Puts the true message-length in the place of `LEN`.
fn counted(text: &str) -> Vec<u8> {
    let rest = text.replace('\n', "\r\n");
    let without = rest.len() - "LEN".len();
    let length = (1..).find(|length: &usize| without + length.to_string().len() == *length).unwrap();
    rest.replacen("LEN", &length.to_string(), 1).into_bytes()
}

fn wrong(text: &str) -> Malformed {
    parse_one(&counted(text)).unwrap_err()
}

#[test]
fn a_request_of_mod_unimrcp() {
    // Captured: FreeSWITCH 1.11, play_and_detect_speech with every parameter set.
    let bytes = std::fs::read("tests/data/mrcp/freeswitch-recognize-all-params.mrcp").unwrap();
    let Message::Request(request) = parse_one(&bytes).unwrap() else { panic!("a request") };
    assert_eq!(request.method, Method::Recognize);
    assert_eq!(request.id, RequestId(1));
    assert_eq!(request.channel.session(), "ee3f2aaf41774197");
    assert_eq!(request.channel.resource(), Some(Resource::SpeechRecog));
    assert_eq!(request.headers.get(HeaderName::ConfidenceThreshold), Some("0.45"));
    assert_eq!(request.body, "builtin:speech/boolean");
    for field in request.headers.iter() {
        let FieldName::Known(name) = field.name else { panic!("{field:?} is not in the table") };
        assert_eq!(name.kind().check(&field.value), Ok(()), "{field:?}");
    }
    let vendor = VendorParameters::parse(request.headers.get(HeaderName::VendorSpecific).unwrap()).unwrap();
    assert_eq!(vendor.get("my.vendor.param"), Some("abc"));
    assert_eq!(vendor.get("Logging-Tag"), Some("xyz"));
}

#[test]
fn what_is_written_is_read_again() {
    let channel = ChannelIdentifier::new("32AECB23433801", Resource::SpeechRecog);
    let request = Request::new(channel.clone(), Method::Recognize, RequestId(4_294_967_295))
        .with(HeaderName::CancelIfQueue, "false")
        .with_body("text/uri-list", "builtin:speech/answer");
    assert_eq!(parse_one(&request.write()), Ok(Message::Request(request)));
    let response = Response::new(channel.clone(), RequestId(1), StatusCode::SUCCESS, RequestState::InProgress);
    assert_eq!(
        String::from_utf8(response.write()).unwrap(),
        "MRCP/2.0 81 1 200 IN-PROGRESS\r\nChannel-Identifier: 32AECB23433801@speechrecog\r\n\r\n"
    );
    assert_eq!(parse_one(&response.write()), Ok(Message::Response(response)));
    let event = Event::new(channel, EventName::RecognitionComplete, RequestId(7), RequestState::Complete)
        .with(HeaderName::CompletionCause, CompletionCause::SUCCESS.to_string())
        .with_body("application/nlsml+xml", "<result/>");
    assert_eq!(parse_one(&event.write()), Ok(Message::Event(event)));
}

#[test]
fn message_length_counts_its_own_digits() {
    let channel = ChannelIdentifier::new("1", Resource::SpeechRecog);
    for body in 0..1100 {
        let event = Event::new(channel.clone(), EventName::StartOfInput, RequestId(1), RequestState::InProgress)
            .with_body("text/plain", vec![b'x'; body]);
        let bytes = event.write();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(text.split(' ').nth(1).unwrap().parse(), Ok(bytes.len()));
    }
}

#[test]
fn lines_may_end_with_lf_alone_and_headers_may_be_folded() {
    let text = "MRCP/2.0 0000128 GET-PARAMS 3\nchannel-identifier:1@speechrecog\n\
                Vendor-Specific-Parameters:com.example.a;\n \t  com.example.b\nX-Other  :  \n\n";
    let text = text.replace("0000128", &format!("{:07}", text.len()));
    let Message::Request(request) = parse_one(text.as_bytes()).unwrap() else { panic!("a request") };
    assert_eq!(request.headers.get(HeaderName::VendorSpecific), Some("com.example.a; com.example.b"));
    assert_eq!(request.headers.iter().last().unwrap().name.as_str(), "X-Other");
    assert_eq!(request.headers.iter().last().unwrap().value, "");
}

#[test]
fn a_syntax_error_tells_where_and_the_next_message_is_read() {
    let bad = counted("MRCP/2.0 LEN STOP 9\nChannel-Identifier: 1@speechrecog\nBad Header\n\n");
    let good = counted("MRCP/2.0 LEN STOP 10\nChannel-Identifier: 1@speechrecog\n\n");
    let mut parser = Parser::default();
    parser.feed(&[bad.clone(), good].concat());
    let malformed = parser.poll_message().unwrap_err();
    assert_eq!(malformed.fault, Fault::Message);
    assert_eq!(malformed.production, "field-name");
    assert_eq!(malformed.position, bad.windows(6).position(|window| window == b"Header").unwrap() as u64);
    let answer = String::from_utf8(malformed.answer().unwrap()).unwrap();
    assert!(answer.contains(" 9 404 COMPLETE\r\nChannel-Identifier: 1@speechrecog\r\n"), "{answer}");
    assert!(matches!(parse_one(answer.as_bytes()), Ok(Message::Response(_))));
    assert_eq!(parser.poll_message().unwrap().unwrap().id(), RequestId(10));
}

#[test]
fn what_is_wrong_has_its_status() {
    let missing = wrong("MRCP/2.0 LEN STOP 1\nX: y\n\n");
    assert_eq!((missing.status, missing.fault), (StatusCode::MISSING_HEADER, Fault::Message));
    assert!(missing.answer().is_some());
    let version = wrong("MRCP/1.0 LEN STOP 1\nChannel-Identifier: 1@speechrecog\n\n");
    assert_eq!((version.status, version.fault), (StatusCode::VERSION, Fault::Message));
    let id = wrong("MRCP/2.0 LEN STOP 4294967296\nChannel-Identifier: 1@speechrecog\n\n");
    assert_eq!((id.status, id.production), (StatusCode::ILLEGAL_VALUE, "request-id"));
    assert_eq!(id.request_id.as_deref(), Some("4294967296"));
    let body = wrong("MRCP/2.0 LEN RECOGNIZE 1\nChannel-Identifier: 1@speechrecog\n\nbuiltin:speech/answer");
    assert_eq!((body.status, body.fault), (StatusCode::MISSING_HEADER, Fault::Message));
    let channel = wrong("MRCP/2.0 LEN STOP 1\nChannel-Identifier: speechrecog\n\n");
    assert_eq!((channel.production, channel.channel), ("channel-id", None));
    // A response, an event or noise is never answered.
    assert_eq!(wrong("MRCP/2.0 LEN 1 200 COMPLETE\nChannel-Identifier: speechrecog\n\n").answer(), None);
    assert_eq!(wrong("MRCP/2.0 LEN START-OF-INPUT 1 IN-PROGRESS\nChannel-Identifier: x\n\n").answer(), None);
    assert_eq!(wrong("MRCP/2.0 LEN START-OF-INPUT 1 PERHAPS\nChannel-Identifier: 1@x\n\n").production, "request-state");
}

#[test]
fn what_is_refused_of_a_recognize_or_define_grammar_has_a_completion_cause() {
    for (method, cause) in [("RECOGNIZE", "006 recognizer-error"), ("define-grammar", "016 grammar-definition-failure")]
    {
        let answer = wrong(&format!("MRCP/2.0 LEN {method} 7\nX: y\n\n")).answer().unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains(" 7 406 COMPLETE\r\n"), "{answer}");
        assert!(answer.contains(&format!("\r\nCompletion-Cause: {cause}\r\n")), "{answer}");
    }
    let answer = wrong("MRCP/2.0 LEN STOP 7\nX: y\n\n").answer().unwrap();
    assert!(!String::from_utf8(answer).unwrap().contains("Completion-Cause"));
}

#[test]
fn a_message_length_may_be_padded_with_zeros() {
    let text = "MRCP/2.0 0000000000000000074 STOP 8\r\nChannel-Identifier: 1@speechrecog\r\n\r\n".to_owned();
    assert_eq!(text.len(), 74);
    assert_eq!(parse_one(text.as_bytes()).unwrap().id(), RequestId(8));
    let long = text.replace("0000000000000000074", "00000000000000000074");
    let mut parser = Parser::default();
    parser.feed(long.as_bytes());
    assert_eq!(parser.poll_message().unwrap_err().production, "message-length");
}

#[test]
fn a_version_that_is_not_spoken_is_answered_in_the_one_that_is() {
    for version in ["MRCP/1.0", "MRCP/3.1"] {
        let answer = wrong(&format!("{version} LEN STOP 7\nChannel-Identifier: 1@speechrecog\n\n")).answer().unwrap();
        assert!(answer.starts_with(b"MRCP/2.0 ") && answer.windows(14).any(|part| part == b" 502 COMPLETE\r"));
    }
}

#[test]
fn headers_come_in_any_order_and_case_with_any_white_space() {
    let one = parse_one(&counted(
        "MRCP/2.0 LEN RECOGNIZE 7\nChannel-Identifier: 1@speechrecog\nContent-Type: text/uri-list\n\
         No-Input-Timeout: 5000\nContent-Length: 4\n\nbody",
    ));
    let other = parse_one(&counted(
        "MRCP/2.0 LEN RECOGNIZE 7\ncontent-length:\t 4 \nCONTENT-TYPE:text/uri-list\nNO-input-timeout  :\n  5000\n\
         channel-identifier:1@speechrecog\n\nbody",
    ));
    assert_eq!(one, other);
    assert!(one.is_ok());
}

#[test]
fn headers_that_are_lists_are_joined_in_order() {
    let message = parse_one(&counted(
        "MRCP/2.0 LEN STOP 7\nActive-Request-Id-List: 3\nChannel-Identifier: 1@speechrecog\nAccept: a/b\nX-Other: 1\n\
         Accept: c/d;q=0.5\nActive-Request-Id-List: 1,2\nCache-Control:\nCache-Control: max-stale\nX-Other: 2\n\
         Cache-Control:\nSet-Cookie: a=b\nSet-Cookie: c=d\n\n",
    ))
    .unwrap();
    let headers = message.headers();
    assert_eq!(headers.all(HeaderName::ActiveRequestIdList).collect::<Vec<_>>(), ["3, 1,2"]);
    assert_eq!(headers.all(HeaderName::Accept).collect::<Vec<_>>(), ["a/b, c/d;q=0.5"]);
    assert_eq!(headers.all(HeaderName::CacheControl).collect::<Vec<_>>(), ["max-stale"]);
    // A date in a cookie has a comma: cookies stay apart.
    assert_eq!(headers.all(HeaderName::SetCookie).collect::<Vec<_>>(), ["a=b", "c=d"]);
    assert_eq!(headers.len(), 7);
}

#[test]
fn a_wrong_message_length_ends_the_stream() {
    for wrong in [
        "MRCP/2.0 20 STOP 1\r\n",
        "MRCP/2.0 200 RECOGNIZE 1\r\n",
        "MRCP/2.0 x",
        "GET / HTTP/1.1",
        "MRCP/2.0 99999999999 ",
    ] {
        let text = format!("{wrong}Channel-Identifier: 1@speechrecog\r\nContent-Length: 3\r\n\r\nabc");
        let mut parser = Parser::default();
        parser.feed(text.as_bytes());
        let malformed = parser.poll_message().unwrap_err();
        assert_eq!(malformed.fault, Fault::Framing, "{wrong}");
        parser.feed(&counted("MRCP/2.0 LEN STOP 10\nChannel-Identifier: 1@speechrecog\n\n"));
        assert_eq!(parser.poll_message(), Ok(None), "{wrong}");
    }
}

#[test]
fn a_message_that_is_too_long_is_read_over() {
    let body = "x".repeat(5000);
    let long = counted(&format!(
        "MRCP/2.0 LEN RECOGNIZE 1\nChannel-Identifier: 1@speechrecog\nContent-Length: 5000\n\n{body}"
    ));
    let headers = counted(&format!("MRCP/2.0 LEN STOP 2\nChannel-Identifier: 1@speechrecog\nX: {body}\n\n"));
    let good = counted("MRCP/2.0 LEN STOP 3\nChannel-Identifier: 1@speechrecog\n\n");
    let told = read([long.as_slice(), &headers, &good]);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("StatusCode(504)") && told[0].contains("Some(\"1\")"), "{}", told[0]);
    assert!(told[1].contains("StatusCode(504)") && told[1].contains("Some(\"2\")"), "{}", told[1]);
    assert!(told[2].contains("RequestId(3)"), "{}", told[2]);
}

#[test]
fn a_header_section_can_be_made_to_fit() {
    let channel = ChannelIdentifier::new("1", Resource::SpeechRecog);
    let mut response = Response::new(channel, RequestId(1), StatusCode::FAILED, RequestState::Complete)
        .with(HeaderName::CompletionCause, CompletionCause::GRAMMAR_LOAD_FAILURE.to_string())
        .with(HeaderName::CompletionReason, quote(&"ü\"".repeat(2000)));
    for _ in 0..40 {
        response.headers.push_named("X-Filler", "y".repeat(60));
    }
    let mut response = response.with_body("text/plain", "body");
    assert!(response.fit(1024));
    let bytes = response.write();
    let section = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!((800..1024).contains(&section), "{section}");
    assert_eq!(response.headers.get(HeaderName::ContentType), Some("text/plain"));
    assert!(response.headers.get(HeaderName::CompletionReason).unwrap().ends_with("...\""));
    assert!(parse_one(&bytes).is_ok());
    assert!(!response.fit(1024));
}

#[test]
fn values() {
    for (kind, legal, illegal) in [
        (Kind::Boolean, &["true", "FALSE"][..], &["", "1", "yes"][..]),
        (
            Kind::Fraction,
            &["0", "1", "1.0", "0.", ".5", "0.531"],
            &["", ".", "1.01", "-0.1", "50", "1e-1", "0,5", "NaN"],
        ),
        (Kind::Milliseconds, &["0", "5000", "00005"], &["", "-1", "5s", "1.5", "99999999999999999999"]),
        (Kind::Count, &["1", "5"], &["0", "", "x"]),
        (Kind::RecognitionMode, &["normal", "HotWord"], &["", "fast"]),
        (Kind::DtmfChar, &["", "#", "5"], &["##", "ü"]),
        (Kind::RequestIds, &["1", "1,2 , 3"], &["", "1,,2", "x"]),
        (
            Kind::MediaType,
            &["audio/basic", "multipart/mixed; boundary=\"a b\"", "text/plain;"],
            &["", "audio", "a/b c"],
        ),
        (
            Kind::VendorParameters,
            &["", "a=b;c=d", "a=\"x;y\\\"\" ; b", "a=b c;", "com.example.x=-50.0"],
            &["=b", ";;", "a=\"x", "a=\"x\"y"],
        ),
        (Kind::CompletionCause, &["000 success", "015"], &["", "15 no-match", "abc"]),
        (Kind::Uri, &["", "http://a/b"], &["http://a b"]),
    ] {
        for text in legal {
            assert_eq!(kind.check(text), Ok(()), "{kind:?} {text:?}");
        }
        for text in illegal {
            assert_eq!(kind.check(text), Err(Illegal::Syntax), "{kind:?} {text:?}");
        }
    }
    assert_eq!(Kind::Milliseconds.check("86400001"), Err(Illegal::Unsupported));
    assert_eq!(Kind::DtmfChar.check("x"), Err(Illegal::Unsupported));
    let vendor = VendorParameters::parse("a=\"x;y\\\"\" ; b;c=plain").unwrap();
    assert_eq!(vendor.to_string(), "a=\"x;y\\\"\";b;c=plain");
    assert_eq!(unquote("\"a \\\"b\\\"\""), "a \"b\"");
    assert_eq!(MediaType::parse("Multipart/Mixed; boundary=\"a b\"").unwrap().parameter("boundary"), Some("a b"));
}

#[test]
fn every_header_is_found_by_its_name() {
    for name in HeaderName::ALL {
        assert_eq!(HeaderName::from_name(&name.as_str().to_ascii_uppercase()), Some(*name));
    }
    assert_eq!(HeaderName::from_name("Record-URI"), None);
}

#[test]
fn captured_messages_are_read_and_written_again() {
    let mut count = 0;
    let mut paths: Vec<_> = std::fs::read_dir("tests/data/mrcp").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "mrcp"));
    paths.sort();
    for path in paths {
        let bytes = std::fs::read(&path).unwrap();
        let mut parser = Parser::default();
        parser.feed(&bytes);
        let mut messages = Vec::new();
        while let Some(message) = parser.poll_message().unwrap_or_else(|malformed| panic!("{path:?}: {malformed}")) {
            messages.push(message);
        }
        assert!(!parser.is_inside_message(), "{path:?}: a message is cut short");
        for message in messages {
            assert_eq!(parse_one(&message.write()), Ok(message.clone()), "{path:?}");
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

/// Message texts that are right, wrong in ways that leave the stream alive, or in ways that do not.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let header = prop_oneof![
        Just("Channel-Identifier: 1@speechrecog\n".to_owned()),
        Just("Content-Length: 4\n".to_owned()),
        "[A-Z][a-z-]{0,6}[:]? ?[ -~]{0,20}\n",
        Just(" folded\n".to_owned()),
        Just("X: \u{fc}\n".to_owned()),
    ];
    let line = prop_oneof![
        Just("STOP 1"),
        Just("1 200 COMPLETE"),
        Just("START-OF-INPUT 1 IN-PROGRESS"),
        Just("STOP"),
        Just("STOP 99999999999"),
        Just("1 2 COMPLETE")
    ];
    let message =
        (line, proptest::collection::vec(header, 0..6), any::<bool>(), prop_oneof![9 => Just(0_i64), 1 => -3..3_i64])
            .prop_map(|(line, headers, body, error)| {
                let body = if body { "Content-Length: 4\nChannel-Identifier: 1@speechrecog\n\nbody" } else { "\n" };
                let text =
                    String::from_utf8(counted(&format!("MRCP/2.0 LEN {line}\n{}{body}", headers.concat()))).unwrap();
                let length: i64 = text.split(' ').nth(1).unwrap().parse().unwrap();
                text.replacen(&length.to_string(), &(length + error).to_string(), 1).into_bytes()
            });
    let noise = proptest::collection::vec(any::<u8>(), 0..20);
    let part = prop_oneof![8 => message, 1 => noise, 1 => Just(b"\r\n".to_vec())];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_split_tells_the_same(bytes in stream(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let whole = read([bytes.as_slice()]);
        let single = read(bytes.chunks(1));
        prop_assert_eq!(&without_detail(&single), &without_detail(&whole));
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut rest = bytes.as_slice();
        let mut at = 0;
        for cut in cuts {
            let (chunk, after) = rest.split_at(cut - at);
            chunks.push(chunk);
            rest = after;
            at = cut;
        }
        chunks.push(rest);
        prop_assert_eq!(&without_detail(&read(chunks)), &without_detail(&whole));
    }

    #[test]
    fn any_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read([bytes.as_slice()]);
        read([b"MRCP/2.0 300 ".as_slice(), &bytes]);
    }

    #[test]
    fn any_value_does_not_panic(text in "\\PC*") {
        for name in HeaderName::ALL {
            name.kind().check(&text).ok();
        }
        let quoted = quote(&text);
        prop_assert_eq!(unquote(&quoted), text.replace(char::is_control, " "));
    }
}

/// Of a malformed message at whose time less of the stream was there, less can be told (request-id, channel).
fn without_detail(told: &[String]) -> Vec<String> {
    told.iter().map(|line| line.split(", request_id").next().unwrap().to_owned()).collect()
}
