//! Requests that are refused, each with the status and the fields that the RFCs ask for.

use crate::session::sip::tests::{Scene, check, check_with, message};
use crate::session::sip::{Config, Load};
use crate::wire::sip::{HeaderName, Message};

#[test]
fn method() {
    let scene = check(
        "0.000 > REGISTER 1
         0.000 < 405 1 REGISTER",
    );
    assert_eq!(scene.headers().get(&HeaderName::ALLOW), Some("INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE"));
}

#[test]
fn content() {
    check(
        "0.000 > INVITE 1 | Content-Type: text/plain
         0.000 < 415 1 INVITE | Accept: application/sdp
         0.000 > INVITE 2 | Content-Type: multipart/mixed;boundary=x
         0.000 < 415 2 INVITE | Accept: application/sdp
         0.000 > INVITE 3 | Content-Type: -
         0.000 < 415 3 INVITE | Accept: application/sdp
         0.000 > INVITE 4 | Content-Encoding: gzip
         0.000 < 415 4 INVITE | Accept-Encoding: identity
         0.000 > OPTIONS 5 body=x | Content-Type: text/plain | Content-Disposition: render; handling=optional
         0.000 < 200 5 OPTIONS | Accept: application/sdp
         0.000 > INVITE 6 | Content-Type: Application/SDP;charset=UTF-8 | Content-Encoding: identity
         0.000 < 100 6 INVITE
         0.000 ! offer sdp",
    );
}

#[test]
fn an_invite_without_offer() {
    let page = "0.000 > INVITE 1 body=none
         0.000 < 488 1 INVITE | Warning: 399 192.0.2.1:8060 \"an MRCPv2 client must make the offer, this request has no application/sdp\"";
    check(page);
}

#[test]
fn uri_scheme() {
    check(
        "0.000 > INVITE 1 uri=tel:+12015550123
         0.000 < 416 1 INVITE
         0.000 > OPTIONS 2 uri=nobodyKnowsThisScheme:totallyopaquecontent
         0.000 < 416 2 OPTIONS
         0.000 > INVITE 3 uri=sips:asr@192.0.2.1
         0.000 < 100 3 INVITE
         0.000 ! offer sdp",
    );
}

#[test]
fn extensions() {
    check(
        "0.000 > INVITE 1 | Require: timer, 100rel, foo | Supported: timer
         0.000 < 420 1 INVITE | Unsupported: 100rel, foo
         0.000 > ACK 1 branch=INVITE1 tag=stateless | Require: foo
         0.000 > INVITE 2 | Require: timer
         0.000 < 100 2 INVITE
         0.000 ! offer sdp
         0.000 > CANCEL 2 branch=INVITE2 | Require: foo
         0.000 < 200 2 CANCEL
         0.000 < 487 2 INVITE
         0.000 ! ended Cancelled",
    );
}

#[test]
fn a_request_that_came_over_two_ways() {
    check(
        "0.000 > INVITE 1 branch=a
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.010 > INVITE 1 branch=b
         0.010 < 482 1 INVITE
         0.020 > ACK 1 branch=b tag=stateless
         0.030 . accept
         0.030 < 200 1 INVITE
         0.040 > ACK 1 tag=tag1
         0.040 ! confirmed",
    );
}

#[test]
fn nothing_is_known_of_it() {
    check(
        "0.000 > BYE 1 tag=x
         0.000 < 481 1 BYE
         0.000 > BYE 2
         0.000 < 481 2 BYE
         0.000 > UPDATE 3
         0.000 < 481 3 UPDATE
         0.000 > INVITE 4 tag=x
         0.000 < 481 4 INVITE
         0.000 > ACK 4 branch=INVITE4 tag=x
         0.000 > CANCEL 9
         0.000 < 481 9 CANCEL
         0.000 > ACK 7 tag=x",
    );
}

#[test]
fn a_request_that_has_reached_its_end_needs_no_more_forwards() {
    check(
        "0.000 > OPTIONS 1 | Max-Forwards: 0
         0.000 < 200 1 OPTIONS | Accept: application/sdp",
    );
}

#[test]
fn draining() {
    check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE
         0.000 > ACK 1 tag=tag1
         0.000 ! confirmed
         1.000 . drain
         1.000 > INVITE 1 branch=x from=d | Call-ID: call-2
         1.000 < 503 1 INVITE | Retry-After: 5
         1.000 > OPTIONS 1
         1.000 < 503 1 OPTIONS | Retry-After: 5
         1.000 > INVITE 2 tag=tag1
         1.000 < 100 2 INVITE
         1.000 ! reoffer sdp
         1.000 . accept
         1.000 < 200 2 INVITE",
    );
}

#[test]
fn full() {
    check_with(
        Config { retry_after_s: 9, max_transactions: 1, ..Config::default() },
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 > INVITE 1 branch=x | Call-ID: call-2
         0.000 < 503 1 INVITE | Retry-After: 9
         0.000 > OPTIONS 2
         0.000 < 200 2 OPTIONS | Accept: application/sdp
         0.000 . full
         0.000 > OPTIONS 3
         0.000 < 503 3 OPTIONS | Retry-After: 9",
    );
}

#[test]
fn options_tells_the_capabilities() {
    let mut scene = Scene::new(Config::default());
    let described = |address: &str| {
        let text = format!("v=0\r\no=- 0 0 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n");
        crate::wire::sdp::parse(text.as_bytes()).unwrap()
    };
    let (own, reached) = ("203.0.113.7", "192.0.2.1");
    for (line, address, told) in [
        ("OPTIONS 1", own, own),
        ("OPTIONS 2 | Accept: text/plain", own, ""),
        ("OPTIONS 3 | Accept: application/*", own, own),
        // Bound to all addresses: told is the one that the request came to.
        ("OPTIONS 4", "0.0.0.0", reached),
    ] {
        scene.endpoint.set_capabilities(described(address));
        let body = if told.is_empty() { Vec::new() } else { described(told).to_string().into_bytes() };
        let mut peer = scene.peer(None);
        peer.local.set_ip(reached.parse().unwrap());
        scene.endpoint.handle_datagram(scene.now, peer, message(line).replace('\n', "\r\n").as_bytes());
        scene.drain();
        let Message::Response(response) = scene.sent() else { panic!() };
        assert_eq!((response.status, &response.body), (200, &body));
        assert_eq!(response.headers.get(&HeaderName::SUPPORTED), Some("timer"));
        assert!(response.headers.has_token(&HeaderName::ALLOW, "INVITE"));
        assert!(response.headers.to().unwrap().unwrap().tag().is_some());
        assert_eq!(response.headers.content_type().unwrap().is_some(), !body.is_empty());
    }
}

#[test]
fn options_tells_the_load() {
    let mut scene = Scene::new(Config::default());
    let full = Load { full: true, percent: 91, calls: 7, max_calls: 9 };
    for (load, status) in [(Load { full: false, ..full }, 200), (full, 503)] {
        scene.endpoint.set_load(load);
        scene.send(&message("OPTIONS 1"), None);
        let Message::Response(response) = scene.sent() else { panic!() };
        let told = response.headers.get(&HeaderName::LOAD);
        assert_eq!((response.status, told), (status, Some("91%;calls=7;max-calls=9")));
    }
}

/// What comes back for one datagram.
fn answer(text: &str) -> String {
    let mut scene = Scene::new(Config::default());
    scene.send(text, None);
    assert!(scene.endpoint.is_idle());
    scene.page.join("; ").replace("0.000 < ", "")
}

#[test]
fn another_version() {
    assert_eq!(answer(&message("INVITE 1").replace("0 SIP/2.0\n", "0 SIP/7.0\n")), "505 1 INVITE");
    assert_eq!(answer(&message("ACK 1").replace("0 SIP/2.0\n", "0 SIP/7.0\n")), "");
}

#[test]
fn malformed_requests_get_400_and_a_reason() {
    for (line, reason) in [
        ("INVITE 1 | To: -", "400 (Missing To header field) 1 INVITE"),
        ("INVITE 1 | From: -", "400 (Missing From header field) 1 INVITE"),
        ("INVITE 1 | Call-ID: -", "400 (Missing Call-ID header field) 1 INVITE"),
        ("INVITE 1 | Call-ID:", "400 (Empty Call-ID header field) 1 INVITE"),
        ("INVITE 1 | CSeq: -", "400 (Missing CSeq header field)"),
        ("INVITE 1 | CSeq: 1 BYE", "400 (CSeq has another method) 1 BYE"),
        ("INVITE 1 | To: <sip:a", "400 (malformed To, address at byte 6) 1 INVITE"),
        ("INVITE 1 | f: <sip:again>", "400 (Repeated From header field) 1 INVITE"),
        (
            "INVITE 1 | Record-Route: <sip:",
            "400 (malformed Record-Route, address, URI, hostport, host at byte 5) 1 INVITE",
        ),
        ("INVITE 1 | Contact: <sip:a>;;", "400 (malformed Contact, address, generic-param, token at byte 8) 1 INVITE"),
        (
            "INVITE 1 | Session-Expires: soon | Supported: timer",
            "400 (malformed Session-Expires, delta-seconds at byte 0) 1 INVITE",
        ),
        ("INVITE 1 uri=<sip:a>", "400 (malformed SIP-message, Request-Line, Request-URI, scheme at byte 7) 1 INVITE"),
        ("INVITE 1 | CSeq: 1", "400 (malformed CSeq at byte 1)"),
        ("INVITE 1 | Bad Field: x", "400 (malformed SIP-message, HCOLON at byte 224) 1 INVITE"),
    ] {
        assert_eq!(answer(&message(line)), reason, "{line}");
    }
    // The body is shorter than Content-Length, and the other way round nothing is wrong.
    assert!(answer(&message("BYE 1").replace("Length: 0", "Length: 9")).starts_with("400 (malformed message-body"));
}

#[test]
fn what_cannot_or_must_not_be_answered() {
    for text in [
        message("INVITE 1 | Via: -"),
        message("INVITE 1 | Via: SIP/2.0/UDP"),
        message("ACK 1 | Call-ID: -"),
        message("ACK 1 | Bad Field: x"),
        message("ACK 1 | CSeq: x | Bad Field: x"),
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\nCSeq: 1 BYE\nBad Field: x\n\n".to_owned(),
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\nCSeq: 1 BYE\n\n".to_owned(),
        "\n\n".to_owned(),
        String::new(),
        "nonsense".to_owned(),
    ] {
        assert_eq!(answer(&text), "", "{text}");
    }
}

#[test]
fn a_stateless_answer_is_the_same_each_time() {
    let mut scene = Scene::new(Config::default());
    scene.endpoint.shared.tokens = crate::session::sip::tokens::Tokens::new();
    let mut tags = Vec::new();
    for line in ["INVITE 1 | Require: x", "INVITE 1 | Require: x", "INVITE 2 | Require: x"] {
        scene.send(&message(line), None);
        tags.push(scene.headers().to().unwrap().unwrap().tag().unwrap().to_owned());
    }
    assert_eq!(tags[0], tags[1]);
    assert_ne!(tags[0], tags[2]);
}
