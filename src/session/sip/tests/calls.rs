//! Calls from INVITE to BYE, and what gets lost on the way.

use std::time::Duration;

use crate::session::sip::tests::{Scene, check, message};
use crate::session::sip::{Config, Output, Peer, Transport};
use crate::wire::sip::{HeaderName, Message, parse};

#[test]
fn a_call() {
    let scene = check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.010 . accept
         0.010 < 200 1 INVITE
         0.020 > ACK 1 tag=tag1
         0.020 ! confirmed
         5.000 > BYE 2 tag=tag1
         5.000 < 200 2 BYE
         5.000 ! ended Bye
         5.000 . idle
         99.000 . wait",
    );
    assert_eq!(scene.endpoint.poll_timeout(), None);
    assert_eq!(scene.endpoint.transactions.len(), 0);
}

#[test]
fn the_200_has_what_the_client_needs() {
    let scene = check(
        "0.000 > INVITE 1 | Record-Route: <sip:p2;lr>, <sip:p1;lr>
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.010 . accept
         0.010 < 200 1 INVITE",
    );
    let headers = scene.headers();
    assert_eq!(
        headers.get(&HeaderName::VIA),
        Some("SIP/2.0/UDP 192.0.2.9:5090;rport=5090;branch=z9hG4bKINVITE1;received=192.0.2.9")
    );
    assert_eq!(headers.get(&HeaderName::TO), Some("<sip:192.0.2.1:8060>;tag=tag1"));
    assert_eq!(headers.get(&HeaderName::FROM), Some("<sip:192.0.2.9:5090>;tag=c"));
    assert_eq!(headers.get(&HeaderName::CONTACT), Some("<sip:192.0.2.1:8060>"));
    assert_eq!(headers.get(&HeaderName::RECORD_ROUTE), Some("<sip:p2;lr>, <sip:p1;lr>"));
    assert_eq!(headers.get(&HeaderName::ALLOW), Some("INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE"));
    assert_eq!(headers.get(&HeaderName::SUPPORTED), Some("timer"));
    assert_eq!(headers.get(&HeaderName::CONTENT_TYPE), Some("application/sdp"));
    assert!(headers.get(&HeaderName::SERVER).unwrap().starts_with("answerd/"));
    assert_eq!(scene.sent().body(), b"answer");
}

#[test]
fn an_offer_tells_who_calls_for_the_logs() {
    let mut scene = Scene::new(Config::default());
    let invite = message("INVITE 1").replace('\n', "\r\n");
    let peer = scene.peer(None);
    scene.endpoint.handle_datagram(scene.now, peer, invite.as_bytes());
    scene.endpoint.poll_output().unwrap();
    let Some(Output::Offer { call_id, from, to, peer: Peer { transport, .. }, .. }) = scene.endpoint.poll_output()
    else {
        panic!()
    };
    assert_eq!((call_id.as_str(), transport), ("call-1", Transport::Udp));
    assert_eq!((from.as_str(), to.as_str()), ("<sip:192.0.2.9:5090>;tag=c", "<sip:192.0.2.1:8060>"));
}

#[test]
fn an_invite_that_comes_again_is_one_invite() {
    check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.500 > INVITE 1
         0.500 < 100 1 INVITE
         0.600 . accept
         0.600 < 200 1 INVITE
         0.700 > INVITE 1
         0.800 > ACK 1 tag=tag1
         0.800 ! confirmed
         0.900 > INVITE 1
         1.000 > ACK 1 tag=tag1",
    );
}

#[test]
fn the_200_is_repeated_until_ack() {
    check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE
         0.500 < 200 1 INVITE
         1.500 < 200 1 INVITE
         3.500 < 200 1 INVITE
         7.500 < 200 1 INVITE
         11.500 < 200 1 INVITE
         12.000 > ACK 1 tag=tag1
         12.000 ! confirmed
         40.000 . wait",
    );
}

#[test]
fn without_ack_the_call_ends_with_bye() {
    check(
        "0.000 > INVITE 1 tcp=1
         0.000 < 100 1 INVITE @tcp1
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE @tcp1
         0.500 < 200 1 INVITE @tcp1
         1.500 < 200 1 INVITE @tcp1
         3.500 < 200 1 INVITE @tcp1
         7.500 < 200 1 INVITE @tcp1
         11.500 < 200 1 INVITE @tcp1
         15.500 < 200 1 INVITE @tcp1
         19.500 < 200 1 INVITE @tcp1
         23.500 < 200 1 INVITE @tcp1
         27.500 < 200 1 INVITE @tcp1
         31.500 < 200 1 INVITE @tcp1
         32.000 ! ended NoAck
         32.000 < BYE 1 @tcp1
         33.000 > ACK 1 tag=tag1 tcp=1
         64.000 . wait
         64.000 . idle",
    );
}

#[test]
fn a_refusal_is_repeated_until_ack() {
    check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . refuse 488 no codec in common
         0.000 < 488 1 INVITE | Warning: 399 192.0.2.1:8060 \"no codec in common\"
         0.000 ! ended Refused
         0.000 . idle
         0.100 > INVITE 1
         0.100 < 488 1 INVITE | Warning: 399 192.0.2.1:8060 \"no codec in common\"
         0.500 < 488 1 INVITE | Warning: 399 192.0.2.1:8060 \"no codec in common\"
         1.500 < 488 1 INVITE | Warning: 399 192.0.2.1:8060 \"no codec in common\"
         2.000 > ACK 1 branch=INVITE1 tag=tag1
         3.000 > ACK 1 branch=INVITE1 tag=tag1
         4.000 > INVITE 1
         20.000 . wait",
    );
}

#[test]
fn over_tcp_a_refusal_without_ack_is_given_up() {
    let scene = check(
        "0.000 > INVITE 1 tcp=1
         0.000 < 100 1 INVITE @tcp1
         0.000 ! offer sdp
         0.000 . refuse 503 7
         0.000 < 503 1 INVITE | Retry-After: 7 @tcp1
         0.000 ! ended Refused
         32.000 . wait",
    );
    assert_eq!(scene.endpoint.transactions.len(), 0);
}

#[test]
fn over_udp_a_refusal_without_ack_is_repeated_and_given_up() {
    let scene = check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . refuse 486
         0.000 < 486 1 INVITE
         0.000 ! ended Refused
         0.500 < 486 1 INVITE
         1.500 < 486 1 INVITE
         3.500 < 486 1 INVITE
         7.500 < 486 1 INVITE
         11.500 < 486 1 INVITE
         15.500 < 486 1 INVITE
         19.500 < 486 1 INVITE
         23.500 < 486 1 INVITE
         27.500 < 486 1 INVITE
         31.500 < 486 1 INVITE
         40.000 . wait",
    );
    assert_eq!(scene.endpoint.transactions.len(), 0);
}

#[test]
fn a_stall_makes_no_burst() {
    let mut scene = Scene::new(Config::default());
    for line in ["0.000 > INVITE 1", "0.000 . accept"] {
        scene.perform(line);
    }
    scene.page.clear();
    scene.now += Duration::from_secs(20);
    scene.endpoint.handle_timeout(scene.now);
    scene.drain();
    assert_eq!(scene.page, ["20.000 < 200 1 INVITE"]);
}

#[test]
fn cancel() {
    check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.100 > CANCEL 1 branch=INVITE1
         0.100 < 200 1 CANCEL
         0.100 < 487 1 INVITE
         0.100 ! ended Cancelled
         0.150 > CANCEL 1 branch=INVITE1
         0.150 < 200 1 CANCEL
         0.200 > ACK 1 branch=INVITE1 tag=tag1
         0.300 . accept
         0.400 . hang_up
         9.000 . idle",
    );
}

#[test]
fn cancel_that_crosses_the_200_changes_nothing() {
    let scene = check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.100 . accept
         0.100 < 200 1 INVITE
         0.100 > CANCEL 1 branch=INVITE1
         0.100 < 200 1 CANCEL
         0.200 > ACK 1 tag=tag1
         0.200 ! confirmed",
    );
    // Both responses have one To tag, RFC 3261 section 9.2.
    assert_eq!(scene.headers().to().unwrap().unwrap().tag(), Some("tag1"));
    check(
        "0.000 > CANCEL 1 branch=INVITE1
         0.000 < 481 1 CANCEL",
    );
}

#[test]
fn hanging_up_waits_for_ack_and_repeats_bye() {
    let scene = check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE
         0.100 . hang_up
         0.100 ! ended HungUp
         0.200 . hang_up
         0.500 < 200 1 INVITE
         0.600 > UPDATE 2 tag=tag1
         0.600 < 481 2 UPDATE
         0.700 > ACK 1 tag=tag1
         0.700 < BYE 1
         1.200 < BYE 1
         2.000 > 100
         2.200 < BYE 1
         3.000 > 200
         3.100 > 200
         3.100 . idle
         60.000 . wait",
    );
    let Message::Request(bye) = scene.sent() else { panic!() };
    assert_eq!(bye.uri.to_string(), "sip:192.0.2.9:5090");
    assert_eq!(bye.headers.get(&HeaderName::FROM), Some("<sip:192.0.2.1:8060>;tag=tag1"));
    assert_eq!(bye.headers.get(&HeaderName::TO), Some("<sip:192.0.2.9:5090>;tag=c"));
    assert_eq!(bye.headers.get(&HeaderName::CALL_ID), Some("call-1"));
    assert_eq!(bye.headers.get(&HeaderName::VIA), Some("SIP/2.0/UDP 192.0.2.1:8060;branch=z9hG4bKtag2;rport"));
    assert_eq!(bye.headers.max_forwards(), Ok(Some(70)));
}

#[test]
fn hanging_up_before_the_answer() {
    check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.100 . hang_up
         0.100 < 480 1 INVITE
         0.100 ! ended HungUp
         0.200 > ACK 1 branch=INVITE1 tag=tag1
         0.200 . idle",
    );
}

#[test]
fn a_bye_that_nobody_answers_is_given_up() {
    check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE
         0.000 > ACK 1 tag=tag1
         0.000 ! confirmed
         0.000 . hang_up
         0.000 ! ended HungUp
         0.000 < BYE 1
         0.500 < BYE 1
         1.500 < BYE 1
         3.500 < BYE 1
         7.500 < BYE 1
         11.500 < BYE 1
         15.500 < BYE 1
         19.500 < BYE 1
         23.500 < BYE 1
         27.500 < BYE 1
         31.500 < BYE 1
         32.000 . idle",
    );
}

#[test]
fn byes_that_cross() {
    check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE
         0.100 . hang_up
         0.100 ! ended HungUp
         0.200 > BYE 2 tag=tag1
         0.200 < 200 2 BYE
         0.300 > BYE 2 tag=tag1
         0.300 < 200 2 BYE
         0.300 . idle",
    );
}

#[test]
fn re_invite() {
    check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE
         0.000 > ACK 1 tag=tag1
         0.000 ! confirmed
         1.000 > INVITE 2 tag=tag1 body=sdp2
         1.000 < 100 2 INVITE
         1.000 ! reoffer sdp2
         1.000 . accept
         1.000 < 200 2 INVITE
         1.500 < 200 2 INVITE
         1.600 > ACK 2 tag=tag1
         2.000 > INVITE 3 tag=tag1 body=sdp3
         2.000 < 100 3 INVITE
         2.000 ! reoffer sdp3
         2.000 . refuse 488
         2.000 < 488 3 INVITE
         2.000 > ACK 3 branch=INVITE3 tag=tag1
         3.000 > INVITE 4 tag=tag1
         3.000 < 100 4 INVITE
         3.000 ! reoffer sdp
         3.100 > CANCEL 4 tag=tag1 branch=INVITE4
         3.100 < 200 4 CANCEL
         3.100 < 487 4 INVITE
         3.100 > ACK 4 branch=INVITE4 tag=tag1
         4.000 > BYE 5 tag=tag1
         4.000 < 200 5 BYE
         4.000 ! ended Bye",
    );
}

#[test]
fn offers_that_overlap() {
    check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE
         0.100 > INVITE 2 tag=tag1
         0.100 < 491 2 INVITE
         0.100 > ACK 2 tag=tag1 branch=INVITE2
         0.200 > ACK 1 tag=tag1
         0.200 ! confirmed
         1.000 > INVITE 3 tag=tag1
         1.000 < 100 3 INVITE
         1.000 ! reoffer sdp
         1.100 > INVITE 4 tag=tag1
         1.100 < 500 4 INVITE | Retry-After: 0
         1.100 > UPDATE 5 tag=tag1 body=sdp5
         1.100 < 500 5 UPDATE | Retry-After: 0
         1.200 > UPDATE 2 tag=tag1 body=sdp5
         1.200 < 500 2 UPDATE
         1.300 > BYE 6 tag=tag1
         1.300 < 200 6 BYE
         1.300 < 487 3 INVITE
         1.300 ! ended Bye",
    );
}

#[test]
fn update() {
    check(
        "0.000 > INVITE 1
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE
         0.000 > ACK 1 tag=tag1
         0.000 ! confirmed
         1.000 > UPDATE 2 tag=tag1
         1.000 < 200 2 UPDATE
         2.000 > UPDATE 3 tag=tag1 body=sdp3
         2.000 ! reoffer sdp3
         2.000 . accept
         2.000 < 200 3 UPDATE
         2.500 > UPDATE 3 tag=tag1 body=sdp3
         2.500 < 200 3 UPDATE
         3.000 > OPTIONS 4 tag=tag1
         3.000 < 200 4 OPTIONS | Accept: application/sdp
         40.000 > BYE 5 tag=tag1
         40.000 < 200 5 BYE
         40.000 ! ended Bye",
    );
}

#[test]
fn over_tcp_nothing_but_the_200_is_repeated() {
    let scene = check(
        "0.000 > INVITE 1 tcp=1
         0.000 < 100 1 INVITE @tcp1
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE @tcp1
         0.500 < 200 1 INVITE @tcp1
         0.600 > ACK 1 tag=tag1 tcp=1
         0.600 ! confirmed
         1.000 . hang_up
         1.000 ! ended HungUp
         1.000 < BYE 1 @tcp1
         31.000 . wait
         33.000 . idle",
    );
    let bye = scene.headers();
    assert_eq!(bye.get(&HeaderName::VIA), Some("SIP/2.0/TCP 192.0.2.1:8060;branch=z9hG4bKtag2"));
}

#[test]
fn a_lost_connection_is_made_again() {
    check(
        "0.000 > INVITE 1 tcp=1
         0.000 < 100 1 INVITE @tcp1
         0.000 ! offer sdp
         0.100 . disconnect 1
         0.100 . accept
         0.100 < 200 1 INVITE @connect 192.0.2.9:5090
         0.200 > ACK 1 tag=tag1 tcp=2
         0.200 ! confirmed
         1.000 > INVITE 2 tag=tag1 tcp=2
         1.000 < 100 2 INVITE @tcp2
         1.000 ! reoffer sdp
         1.000 . accept
         1.000 < 200 2 INVITE @tcp2
         1.100 . disconnect 2
         1.500 < 200 2 INVITE @connect 192.0.2.9:5090
         1.600 > ACK 2 tag=tag1 tcp=3
         1.650 . disconnect 3
         1.700 . hang_up
         1.700 ! ended HungUp
         1.700 < BYE 1 @connect 192.0.2.9:5090",
    );
}

#[test]
fn two_calls_at_once() {
    let scene = check(
        "0.000 > INVITE 1 branch=a
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE
         0.000 > INVITE 1 branch=b from=d | Call-ID: call-2
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE
         0.100 > BYE 2 tag=tag2
         0.100 < 481 2 BYE
         0.100 > BYE 2 branch=c tag=tag1
         0.100 < 200 2 BYE
         0.100 ! ended Bye",
    );
    assert_eq!(scene.endpoint.calls(), 1);
}

/// Bytes of all that is remembered, for half a minute, of a call over UDP that is over: two transactions and their timers.
const MOST_REMEMBERED: i64 = 2_560;

#[test]
fn little_is_remembered_of_a_call_that_is_over() {
    const CALLS: u64 = 256;
    let mut scene = Scene::new(Config { session_expires_s: 0, ..Config::default() });
    let (peer, now) = (scene.peer(None), scene.now);
    let endpoint = &mut scene.endpoint;
    let mut call = |number: u64| {
        let mut send = |line: &str| {
            let text = message(line).replace("call-1", &format!("call-{number}@192.0.2.9"));
            let text = text.replace("z9hG4bK", &format!("z9hG4bK-{number}-")).replace('\n', "\r\n");
            endpoint.handle_datagram(now, peer, text.as_bytes());
            let mut tag = String::new();
            while let Some(output) = endpoint.poll_output() {
                match output {
                    Output::Offer { call, .. } => endpoint.accept(now, call, b"answer".to_vec()),
                    Output::Send { bytes, .. } => {
                        let to = parse(&bytes).unwrap().headers().to().unwrap().unwrap();
                        tag = to.tag().unwrap_or_default().to_owned();
                    }
                    Output::Confirmed { .. } | Output::Ended { .. } => {}
                }
            }
            tag
        };
        let tag = send("INVITE 1");
        send(&format!("ACK 1 tag={tag}"));
        send(&format!("BYE 2 tag={tag}"));
    };
    call(0);
    let held = allocation_counter::measure(|| (1..=CALLS).for_each(&mut call));
    let each = held.bytes_current / CALLS.cast_signed();
    assert!((1..=MOST_REMEMBERED).contains(&each), "{each} bytes");
    assert_eq!((scene.endpoint.calls(), scene.endpoint.transactions.len() as u64), (0, 2 * (CALLS + 1)));
    scene.wait_until(now + Duration::from_secs(99));
    assert_eq!((scene.endpoint.transactions.len(), scene.endpoint.poll_timeout()), (0, None));
}
