//! What FreeSWITCH's mod_unimrcp sent, as it was captured, but for the description.

use crate::session::sip::Config;
use crate::session::sip::tests::Scene;
use crate::wire::sip::{HeaderName, Message};

const ALLOW: &str = "User-Agent: FreeSWITCH
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, MESSAGE, SUBSCRIBE, NOTIFY, REFER, UPDATE
Supported: timer, 100rel
";

/// A request of the captured call, without Contact.
fn captured(line: &str, branch: &str, tag: &str, cseq: &str, fields: &str, body: &str) -> String {
    format!(
        "{line} SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5090;rport;branch={branch}
Max-Forwards: 70
From: <sip:127.0.0.1:5090>;tag=tm5vvN9pNFHDm
To: <sip:127.0.0.1:8060>{tag}
Call-ID: c1431fe1-5f5a-1240-4cba-96be4d52f250
CSeq: {cseq}
{fields}Content-Length: {}

{body}",
        body.replace('\n', "\r\n").len()
    )
}

const OFFER: &str = "v=0
o=FreeSWITCH 6425024299521079907 963100794329147341 IN IP4 192.0.2.2
s=-
c=IN IP4 127.0.0.1
t=0 0
m=application 9 TCP/MRCPv2 1
a=setup:active
";

fn scene(config: Config) -> (Scene, String) {
    let mut scene = Scene::new(config);
    let content = format!("{ALLOW}Content-Type: application/sdp\nContent-Disposition: session\n");
    let invite = captured("INVITE sip:127.0.0.1:8060", "z9hG4bKtD0U1ZB2HQ9ta", "", "123026906 INVITE", &content, OFFER);
    scene.send(&invite, None);
    scene.endpoint.accept(scene.now, scene.call.unwrap(), b"v=0\r\n".to_vec());
    scene.drain();
    let ack = captured("ACK sip:127.0.0.1:8060", "z9hG4bKUpSm3tv5e0ZDp", ";tag=tag1", "123026906 ACK", "", "");
    scene.send(&ack, None);
    (scene, content)
}

#[test]
fn a_whole_call() {
    let (mut scene, _) = scene(Config { session_expires_s: 0, ..Config::default() });
    let bye = captured("BYE sip:127.0.0.1:8060", "z9hG4bK03Qgc2gQ0cFBg", ";tag=tag1", "123026907 BYE", ALLOW, "");
    scene.send(&bye, None);
    let offer = format!("0.000 ! offer {}", OFFER.replace('\n', "\r\n"));
    let page = [
        "0.000 < 100 123026906 INVITE",
        &offer,
        "0.000 < 200 123026906 INVITE",
        "0.000 ! confirmed",
        "0.000 < 200 123026907 BYE",
        "0.000 ! ended Bye",
    ];
    assert_eq!(scene.page, page);
}

/// With a short interval in our 200 it refreshed by re-INVITE, and asked for another interval.
#[test]
fn a_refresh() {
    let (mut scene, content) = scene(Config { session_expires_s: 90, ..Config::default() });
    assert_eq!(scene.headers().get(&HeaderName::SESSION_EXPIRES), Some("90;refresher=uac"));
    scene.perform("55.000 . wait");
    let content = format!("{content}Session-Expires: 120;refresher=uac\nMin-SE: 120\n");
    let again = captured("INVITE sip:192.0.2.1:8060", "z9hG4bKagain", ";tag=tag1", "123026907 INVITE", &content, OFFER);
    scene.page.clear();
    scene.send(&again, None);
    scene.endpoint.accept(scene.now, scene.call.unwrap(), b"v=0\r\n".to_vec());
    scene.drain();
    assert!(scene.page[1].starts_with("55.000 ! reoffer v=0"));
    assert_eq!(scene.page[2], "55.000 < 200 123026907 INVITE | Session-Expires: 120;refresher=uac | Require: timer");
    scene.send(&captured("ACK sip:192.0.2.1:8060", "z9hG4bKack2", ";tag=tag1", "123026907 ACK", "", ""), None);
    scene.perform("140.000 . hang_up");
    let Message::Request(bye) = scene.sent() else { panic!() };
    // Without Contact the From URI is the target, and the source where it goes.
    assert_eq!(bye.uri.to_string(), "sip:127.0.0.1:5090");
    assert_eq!(scene.page.last().unwrap(), "140.000 < BYE 1");
}
