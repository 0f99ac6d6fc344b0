//! Vias, routes, contacts and addresses.

use crate::session::sip::tests::{Scene, check, message};
use crate::session::sip::{Config, Peer, Transport};
use crate::wire::sip::{HeaderName, Message};

/// Makes a call with the fields in its INVITE, hangs up, and gives the BYE.
fn bye(options: &str) -> (String, Scene) {
    let mut scene = Scene::new(Config::default());
    let tcp = if options.starts_with("tcp=1") { " tcp=1" } else { "" };
    for line in [
        &format!("0.000 > INVITE 1 {options}"),
        "0.000 . accept",
        &format!("0.000 > ACK 1 tag=tag1{tcp}"),
        "0.000 . hang_up",
    ] {
        scene.perform(line);
    }
    let line = scene.page.last().unwrap().clone();
    let Message::Request(bye) = scene.sent() else { panic!() };
    let routes: Vec<_> = bye.headers.list(&HeaderName::ROUTE).collect();
    let text = format!("{} [{}]{}", bye.uri, routes.join(", "), line.split_once("BYE 1").unwrap().1);
    (text, scene)
}

#[test]
fn where_our_bye_goes() {
    for (options, expected) in [
        ("| From: <sip:10.0.0.9:7000>;tag=c", "sip:10.0.0.9:7000 []"),
        ("| Contact: <sip:asr@198.51.100.7:7000>", "sip:asr@198.51.100.7:7000 [] @198.51.100.7:7000"),
        ("| Contact: <sip:198.51.100.7>", "sip:198.51.100.7 [] @198.51.100.7:5060"),
        ("| Contact: <sip:fs.example.com>", "sip:fs.example.com []"),
        ("| Contact: <sip:198.51.100.7;transport=tcp>", "sip:198.51.100.7;transport=tcp [] @connect 198.51.100.7:5060"),
        ("tcp=1 | Contact: <sip:198.51.100.7;transport=tcp>", "sip:198.51.100.7;transport=tcp [] @tcp1"),
        (
            "| Contact: <sip:c@10.1.1.1> | Record-Route: <sip:198.51.100.1:5080;lr>, <sip:p1;lr>",
            "sip:c@10.1.1.1 [<sip:198.51.100.1:5080;lr>, <sip:p1;lr>] @198.51.100.1:5080",
        ),
        (
            "| Contact: <sip:c@10.1.1.1> | Record-Route: <sip:198.51.100.1>, <sip:p1;lr>",
            "sip:198.51.100.1 [<sip:p1;lr>, <sip:c@10.1.1.1>] @198.51.100.1:5060",
        ),
        ("| Record-Route: <sip:p1.example.com;lr>", "sip:192.0.2.9:5090 [<sip:p1.example.com;lr>]"),
    ] {
        assert_eq!(bye(options).0, expected, "{options}");
    }
}

#[test]
fn a_refresh_moves_the_target() {
    let scene = check(
        "0.000 > INVITE 1 | Contact: <sip:198.51.100.7>
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE
         0.000 > ACK 1 tag=tag1
         0.000 ! confirmed
         1.000 > UPDATE 2 tag=tag1 | Contact: <sip:198.51.100.8>
         1.000 < 200 2 UPDATE
         2.000 > INVITE 3 tag=tag1 | Contact: <sip:198.51.100.9>
         2.000 < 100 3 INVITE
         2.000 ! reoffer sdp
         2.000 . refuse 488
         2.000 < 488 3 INVITE
         2.000 > ACK 3 branch=INVITE3 tag=tag1
         3.000 . hang_up
         3.000 ! ended HungUp
         3.000 < BYE 1 @198.51.100.8:5060",
    );
    let Message::Request(bye) = scene.sent() else { panic!() };
    assert_eq!(bye.uri.to_string(), "sip:198.51.100.8");
}

#[test]
fn a_stack_of_vias_comes_back_in_order() {
    let mut scene = Scene::new(Config::default());
    let vias = "Via: SIP/2.0/UDP proxy2.example.com:5070;branch=z9hG4bKp2.1\nv: SIP/2.0/UDP proxy1.example.com;branch=z9hG4bKp1.1 ,\n SIP/2.0/TCP [2001:db8::1]:5090;branch=z9hG4bKc";
    let invite = message("INVITE 1 | Via: VIAS").replace("Via: VIAS", vias);
    scene.send(&invite, None);
    scene.endpoint.refuse(scene.now, scene.call.unwrap(), 486, None, None);
    scene.drain();
    assert_eq!(scene.page[0], "0.000 < 100 1 INVITE @192.0.2.9:5070");
    let vias: Vec<_> = scene.headers().vias().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        vias,
        [
            "SIP/2.0/UDP proxy2.example.com:5070;branch=z9hG4bKp2.1;received=192.0.2.9",
            "SIP/2.0/UDP proxy1.example.com;branch=z9hG4bKp1.1",
            "SIP/2.0/TCP [2001:db8::1]:5090;branch=z9hG4bKc"
        ]
    );
}

#[test]
fn a_client_from_before_rfc_3261() {
    let via = "Via: SIP/2.0/UDP 192.0.2.9:5090";
    check(&format!(
        "0.000 > INVITE 1 | {via} | From: <sip:a@b>
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.500 > INVITE 1 | {via} | From: <sip:a@b>
         0.500 < 100 1 INVITE
         0.600 > CANCEL 1 | {via} | From: <sip:a@b>
         0.600 < 200 1 CANCEL
         0.600 < 487 1 INVITE
         0.600 ! ended Cancelled
         0.700 > ACK 1 tag=tag1 | {via} | From: <sip:a@b>
         20.000 . idle"
    ));
}

#[test]
fn each_listener_has_its_own_address() {
    let mut scene = Scene::new(Config::default());
    let mut peer = scene.peer(Some(1));
    peer.listener = 1;
    let invite = message("INVITE 1 uri=sips:a@b tcp=1").replace('\n', "\r\n");
    let Ok(invite) = crate::wire::sip::parse(invite.as_bytes()) else { panic!() };
    scene.endpoint.handle_message(scene.now, peer, invite);
    scene.drain();
    scene.endpoint.accept(scene.now, scene.call.unwrap(), Vec::new());
    scene.drain();
    assert_eq!(scene.headers().get(&HeaderName::CONTACT), Some("<sips:203.0.113.1:8061;transport=tcp>"));
}

/// Over TLS: our Contact is a sips URI where the client speaks of them, and our requests stay on its connection,
/// whatever its own Contact says.
#[test]
fn what_came_over_tls_is_answered_over_tls() {
    for (uri, target, contact) in [
        ("sip:a@b", "sip:c@192.0.2.50", "<sip:192.0.2.1:8060;transport=tls>"),
        ("sips:a@b", "sip:c@192.0.2.50;transport=tcp", "<sips:192.0.2.1:8060>"),
        ("sip:a@b", "sips:c@192.0.2.50", "<sips:192.0.2.1:8060>"),
        ("sips:a@b;transport=tls", "sip:c@192.0.2.50;transport=tls", "<sips:192.0.2.1:8060>"),
    ] {
        let mut scene = Scene::new(Config::default());
        let peer = Peer { transport: Transport::Tls, ..scene.peer(Some(1)) };
        let send = |scene: &mut Scene, script: &str| {
            let text = message(script).replace('\n', "\r\n").replace("SIP/2.0/TCP", "SIP/2.0/TLS");
            let Ok(read) = crate::wire::sip::parse(text.as_bytes()) else { panic!("{text}") };
            scene.endpoint.handle_message(scene.now, peer, read);
            scene.drain();
        };
        send(&mut scene, &format!("INVITE 1 uri={uri} tcp=1 | Contact: <{target}>"));
        scene.endpoint.accept(scene.now, scene.call.unwrap(), Vec::new());
        scene.drain();
        assert_eq!(scene.headers().get(&HeaderName::CONTACT), Some(contact), "{uri} {target}");
        send(&mut scene, "ACK 1 tag=tag1 tcp=1");
        scene.endpoint.hang_up(scene.now, scene.call.unwrap());
        scene.drain();
        let Some(Message::Request(bye)) = &scene.last else { panic!("no BYE") };
        assert!(bye.headers.get(&HeaderName::VIA).unwrap().starts_with("SIP/2.0/TLS "), "{uri} {target}");
        assert!(scene.page.last().unwrap().ends_with(" @tls1"), "{:?}", scene.page);
    }
}

/// Compact names, folds and odd white space, as a whole call.
#[test]
fn compact_and_folded() {
    let mut scene = Scene::new(Config { session_expires_s: 0, ..Config::default() });
    let fields = |method: &str, seq, tag: &str| {
        format!(
            "{method} sip:asr@192.0.2.1 SIP/2.0\nv : SIP / 2.0 / UDP\n\t192.0.2.9 : 5090 ; BRANCH=z9hG4bK{seq}\n\
             f:\"A, B\"\n <sip:a@b> ; TAG=x\nt: asr\n  <sip:asr@192.0.2.1>{tag}\ni:\n odd:@id\nCSEQ: {seq}\n  {method}\n"
        )
    };
    scene.send(&format!("{}c: application/sdp\nl:\n 3\n\nsdp", fields("INVITE", 1, "")), None);
    scene.endpoint.accept(scene.now, scene.call.unwrap(), Vec::new());
    scene.drain();
    assert_eq!(scene.headers().get(&HeaderName::FROM), Some("\"A, B\" <sip:a@b> ; TAG=x"));
    assert_eq!(scene.headers().call_id(), Some("odd:@id"));
    scene.send(&format!("{}l: 0\n\n", fields("ACK", 1, ";tag=tag1").replace("z9hG4bK1", "z9hG4bKack")), None);
    scene.send(&format!("{}\n", fields("BYE", 2, ";tag=tag1")), None);
    let page = [
        "0.000 < 100 1 INVITE",
        "0.000 ! offer sdp",
        "0.000 < 200 1 INVITE",
        "0.000 ! confirmed",
        "0.000 < 200 2 BYE",
        "0.000 ! ended Bye",
    ];
    assert_eq!(scene.page, page);
}
