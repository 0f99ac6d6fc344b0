//! Messages as pages: what comes in, what goes out, what is refused.

use proptest::prelude::*;

use super::*;

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn all(bytes: &[u8]) -> Vec<Received> {
    let mut parser = Parser::default();
    parser.feed(bytes);
    let mut received = Vec::new();
    while let Some(one) = parser.poll_message().unwrap() {
        received.push(one);
    }
    received
}

fn one(bytes: &[u8]) -> Message {
    match <[Received; 1]>::try_from(all(bytes)).unwrap() {
        [Received::Message(message)] => message,
        [other] => panic!("{other:?}"),
    }
}

fn refused(text: &str) -> Malformed {
    let mut parser = Parser::default();
    parser.feed(&crlf(text));
    match parser.poll_message() {
        Ok(Some(Received::Malformed(malformed))) => malformed,
        other => panic!("{other:?}"),
    }
}

fn broken(parser: &mut Parser, text: &str) -> Malformed {
    parser.feed(&crlf(text));
    parser.poll_message().unwrap_err()
}

#[test]
fn a_setup_is_read() {
    let bytes = include_bytes!("../../../tests/data/rtsp/umc-recog.rtsp");
    let received = all(bytes);
    let Received::Message(Message::Request(setup)) = &received[0] else { panic!("no request") };
    assert_eq!(setup.method, Method::Setup);
    assert_eq!(setup.path(), "media/speechrecognizer");
    assert_eq!(setup.headers.cseq(), Some(1));
    assert_eq!(setup.headers.session(), None);
    assert_eq!(setup.headers.content_type().as_deref(), Some("application/sdp"));
    assert_eq!(setup.body.len(), 274);
    let methods: Vec<_> = received
        .iter()
        .map(|received| match received {
            Received::Message(Message::Request(request)) => request.method.to_string(),
            Received::Message(Message::Response(response)) => response.status.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(methods, ["SETUP", "ANNOUNCE", "ANNOUNCE", "200", "200", "TEARDOWN"]);
}

/// What clients sent is written back as it came: they write headers as this does, but for Content-Length's place.
#[test]
fn captured_messages_go_both_ways() {
    for bytes in [
        &include_bytes!("../../../tests/data/rtsp/umc-recog.rtsp")[..],
        include_bytes!("../../../tests/data/rtsp/umc-stop.rtsp"),
        include_bytes!("../../../tests/data/rtsp/umc-params.rtsp"),
        include_bytes!("../../../tests/data/rtsp/umc-dtmf.rtsp"),
        include_bytes!("../../../tests/data/rtsp/umc-describe.rtsp"),
    ] {
        let written: Vec<u8> = all(bytes)
            .into_iter()
            .flat_map(|received| match received {
                Received::Message(message) => message.write(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(bytes));
    }
}

#[test]
fn lines_may_be_folded_and_end_with_lf() {
    let text = "\n\nRTSP/1.0 200 OK\nCSeq:1\nTransport:RTP/AVP;unicast;client_port=46456-46457;\n           \
                server_port=46460-46461\nsession : 0a030258_00003815;timeout=60\n\n";
    let Message::Response(response) = one(text.as_bytes()) else { panic!("no response") };
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(response.headers.session(), Some("0a030258_00003815"));
    let transport: Transport = response.headers.get(HeaderName::TRANSPORT).unwrap().parse().unwrap();
    assert_eq!(transport.client_port, Some(Ports { rtp: 46456, rtcp: Some(46457) }));
    assert_eq!(transport.server_port, Some(Ports { rtp: 46460, rtcp: Some(46461) }));
}

#[test]
fn paths() {
    for (uri, path) in [
        ("rtsp://127.0.0.1:1554/media/speechrecognizer", "media/speechrecognizer"),
        ("rtsp://media.server.com/recognizer/", "recognizer"),
        ("rtsp://[::1]/a/b?c=d", "a/b"),
        ("rtsp://host", ""),
        ("/media/x", "media/x"),
        ("*", "*"),
    ] {
        assert_eq!(Request::new(Method::Options, uri).path(), path, "{uri}");
    }
}

#[test]
fn transports() {
    let parse = |text: &str| text.parse::<Transport>();
    let plain = parse("RTP/AVP;unicast;client_port=4000-4001").unwrap();
    assert_eq!(plain.to_string(), "RTP/AVP;unicast;client_port=4000-4001");
    let rfc = "RTP/AVP;unicast;client_port=46456-46457;server_port=46460-46461;mode=record;ttl=127";
    assert_eq!(parse(rfc).unwrap().to_string(), rfc);
    assert_eq!(parse("rtp/avp/tcp; interleaved=0-1").unwrap().lower, LowerTransport::Tcp);
    assert_eq!(parse("RTP/AVP/UDP;multicast").unwrap().delivery, Delivery::Multicast);
    let named = parse("RTP/SAVP;unicast;destination=10.0.0.1;client_port=4000;mode=\"PLAY\"").unwrap();
    assert_eq!(named.profile, "SAVP");
    assert_eq!(named.destination_address(), Some("10.0.0.1".parse().unwrap()));
    assert_eq!(named.client_port, Some(Ports { rtp: 4000, rtcp: None }));
    for wrong in ["", "RTP", "RTP/AVP;client_port=", "RTP/AVP;client_port=a", "RTP/AVP;client_port=70000", "TCP/AVP"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
    let list =
        Transport::parse_list("x-real-rdt/udp;client_port=1, RTP/AVP;unicast;client_port=2,RTP/AVP/TCP").unwrap();
    assert_eq!(list.iter().filter_map(|one| one.client_port).map(|ports| ports.rtp).collect::<Vec<_>>(), [2]);
    assert_eq!(list.len(), 2);
    assert!(Transport::parse_list(" ").is_err());
}

#[test]
fn a_message_that_cannot_be_read_is_answered_and_passed_over() {
    for (text, status, cseq) in [
        ("SETUP\nCSeq: 7\n\n", 400, Some(7)),
        ("SETUP rtsp://h/a RTSP/1.0\nCSeq: 7\nno colon\n\n", 400, Some(7)),
        ("SETUP rtsp://h/a RTSP/2.0\nCSeq: 7\n\n", 505, Some(7)),
        ("SETUP rtsp://h/a HTTP/1.1\ncseq:8\n\n", 400, Some(8)),
        ("\u{fc} rtsp://h/a RTSP/1.0\nCSeq: x\n\n", 400, None),
    ] {
        let malformed = refused(text);
        assert_eq!((malformed.status.0, malformed.cseq), (status, cseq), "{text}");
        let answer = malformed.answer().unwrap();
        assert_eq!(answer.headers.cseq(), cseq);
    }
    let two = "SETUP\nCSeq: 7\nContent-Length: 4\n\nabcdOPTIONS * RTSP/1.0\nCSeq: 8\n\n";
    let received = all(&crlf(two));
    assert!(matches!(received[0], Received::Malformed(_)));
    assert!(matches!(&received[1], Received::Message(message) if message.headers().cseq() == Some(8)));
    // A response is not answered.
    assert_eq!(refused("RTSP/1.0 2x0 OK\nCSeq: 7\n\n").answer(), None);
}

#[test]
fn a_message_without_an_end_breaks_the_stream() {
    for (text, status) in [
        ("OPTIONS * RTSP/1.0\nCSeq: 1\nContent-Length: x\n\n", 400),
        ("OPTIONS * RTSP/1.0\nCSeq: 1\nContent-Length: 1\nContent-Length: 2\n\n", 400),
        ("OPTIONS * RTSP/1.0\nCSeq: 1\nContent-Length: 9999999999\n\n", 413),
    ] {
        let mut parser = Parser::default();
        let malformed = broken(&mut parser, text);
        assert_eq!((malformed.status.0, malformed.cseq), (status, Some(1)), "{text}");
        parser.feed(b"OPTIONS * RTSP/1.0\r\n\r\n");
        assert_eq!(parser.poll_message(), Ok(None));
    }
    let mut parser = Parser::new(Limits { head: 64, body: 10 });
    assert_eq!(broken(&mut parser, &format!("OPTIONS * RTSP/1.0\nCSeq: 1\nA: {}", "b".repeat(64))).status.0, 413);
}

#[test]
fn interleaved_data_are_read_over() {
    let mut bytes = b"$\x01\x00\x05\r\n\r\n$OPTIONS * RTSP/1.0\r\n\r\n$\x00\x00\x00".to_vec();
    bytes.extend_from_slice(b"OPTIONS * RTSP/1.0\r\n\r\n");
    let received = all(&bytes);
    assert_eq!(received.len(), 4);
    assert_eq!(received[0], Received::Interleaved { channel: 1, length: 5 });
    assert_eq!(received[2], Received::Interleaved { channel: 0, length: 0 });
}

#[test]
fn values_cannot_break_lines() {
    let mut response = Response::new(StatusCode::OK).with(HeaderName::SERVER, "a\r\nb: c");
    response.reason = "x\r\ny".to_owned();
    assert_eq!(response.write(), b"RTSP/1.0 200 x  y\r\nServer: a  b: c\r\n\r\n");
}

fn header_value() -> impl Strategy<Value = String> {
    "[!-~]([ -~]{0,20}[!-~])?"
}

fn message() -> impl Strategy<Value = Message> {
    let body = proptest::collection::vec(any::<u8>(), 0..40);
    let headers = proptest::collection::vec(("[A-Za-z][A-Za-z-]{0,8}x", header_value()), 0..5);
    (any::<bool>(), "[A-Z_]{1,12}", "rtsp://[a-z.]{1,9}/[a-z/]{0,9}", 100u16..600, headers, body).prop_map(
        |(request, method, uri, status, fields, body)| {
            let mut headers = Headers::new();
            for (name, value) in &fields {
                headers.push_named(name, value);
            }
            if request {
                Message::Request(Request { method: Method::from_name(&method), uri, headers, body: body.into() })
            } else {
                Message::Response(Response { headers, body: body.into(), ..Response::new(StatusCode(status)) })
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(message in message()) {
        prop_assert_eq!(one(&message.write()), message);
    }

    #[test]
    fn a_stream_may_be_cut_anywhere(messages in proptest::collection::vec(message(), 1..4), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let bytes: Vec<u8> = messages.iter().flat_map(Message::write).collect();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([bytes.len()]).collect();
        ends.sort_unstable();
        let (mut parser, mut at, mut received) = (Parser::default(), 0, Vec::new());
        for end in ends {
            parser.feed(&bytes[at..end]);
            at = end;
            while let Some(one) = parser.poll_message().unwrap() {
                received.push(one);
            }
        }
        let expected: Vec<Received> = messages.into_iter().map(Received::Message).collect();
        prop_assert_eq!(received, expected);
    }

    #[test]
    fn no_bytes_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..6)) {
        let mut parser = Parser::new(Limits { head: 100, body: 50 });
        for piece in pieces {
            parser.feed(&piece);
            while let Ok(Some(_)) = parser.poll_message() {}
        }
    }

    #[test]
    fn no_text_panics(start in "(SETUP|RTSP/1.0|ANNOUNCE) ?[ -~\r\n]{0,60}", transport in "RTP/[ -~]{0,40}") {
        let mut parser = Parser::default();
        parser.feed(start.as_bytes());
        while let Ok(Some(_)) = parser.poll_message() {}
        if let Ok(list) = Transport::parse_list(&transport) {
            for one in list {
                let again: Transport = one.to_string().parse().unwrap();
                prop_assert_eq!(again.client_port, one.client_port);
            }
        }
    }
}
