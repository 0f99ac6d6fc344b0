//! Session timers, RFC 4028.

use crate::session::sip::Config;
use crate::session::sip::tests::{check, check_with};

#[test]
fn the_client_refreshes_by_re_invite_or_update() {
    check(
        "0.000 > INVITE 1 | Supported: timer | Session-Expires: 90
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE | Session-Expires: 90;refresher=uac | Require: timer
         0.000 > ACK 1 tag=tag1
         0.000 ! confirmed
         50.000 > INVITE 2 tag=tag1 | Supported: timer | Session-Expires: 120;refresher=uac | Min-SE: 120
         50.000 < 100 2 INVITE
         50.000 ! reoffer sdp
         50.000 . accept
         50.000 < 200 2 INVITE | Session-Expires: 120;refresher=uac | Require: timer
         50.000 > ACK 2 tag=tag1
         110.000 > UPDATE 3 tag=tag1 | Supported: timer | Session-Expires: 90;refresher=uac
         110.000 < 200 3 UPDATE | Session-Expires: 90;refresher=uac | Require: timer
         169.000 . wait
         170.000 ! ended SessionExpired
         170.000 < BYE 1
         170.500 < BYE 1
         170.600 > 481
         170.600 . idle",
    );
}

#[test]
fn a_timer_is_asked_of_clients_that_have_one() {
    check_with(
        Config { session_expires_s: 600, ..Config::default() },
        "0.000 > INVITE 1 | Supported: timer, 100rel
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE | Session-Expires: 600;refresher=uac | Require: timer
         0.000 > ACK 1 tag=tag1
         0.000 ! confirmed
         568.000 ! ended SessionExpired
         568.000 < BYE 1
         568.000 . wait",
    );
    check_with(
        Config { session_expires_s: 600, ..Config::default() },
        "0.000 > INVITE 1 | Session-Expires: 90
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE
         0.000 > ACK 1 tag=tag1
         0.000 ! confirmed
         9999.000 . wait",
    );
}

#[test]
fn too_short_an_interval() {
    check(
        "0.000 > INVITE 1 | Supported: timer | Session-Expires: 60
         0.000 < 422 1 INVITE | Min-SE: 90",
    );
}

#[test]
fn we_refresh_if_asked() {
    check(
        "0.000 > INVITE 1 | k: timer | x: 100;refresher=uas | Allow: INVITE, UPDATE
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE | Session-Expires: 100;refresher=uas
         0.000 > ACK 1 tag=tag1
         0.000 ! confirmed
         50.000 < UPDATE 1 | Session-Expires: 100;refresher=uac | Min-SE: 90
         50.100 > 200 | Session-Expires: 100;refresher=uac
         100.100 < UPDATE 2 | Session-Expires: 100;refresher=uac | Min-SE: 90
         100.200 > 422 | Min-SE: 200
         100.200 < UPDATE 3 | Session-Expires: 200;refresher=uac | Min-SE: 90
         100.300 > 200 | Session-Expires: 200;refresher=uas
         268.300 ! ended SessionExpired
         268.300 < BYE 4
         268.300 . wait",
    );
}

#[test]
fn a_refresh_that_fails_ends_the_call_at_once_or_in_the_end() {
    let start = "0.000 > INVITE 1 | k: timer | x: 100;refresher=uas | Allow: INVITE, UPDATE
         0.000 < 100 1 INVITE
         0.000 ! offer sdp
         0.000 . accept
         0.000 < 200 1 INVITE | Session-Expires: 100;refresher=uas
         0.000 > ACK 1 tag=tag1
         0.000 ! confirmed
         50.000 < UPDATE 1 | Session-Expires: 100;refresher=uac | Min-SE: 90
         ";
    check(&format!(
        "{start}50.100 > 481
         50.100 ! ended SessionExpired
         50.100 < BYE 2"
    ));
    check(&format!(
        "{start}50.100 > 500
         68.000 ! ended SessionExpired
         68.000 < BYE 2
         68.000 . wait"
    ));
    check(&format!(
        "{start}50.100 > 200
         9999.000 . wait"
    ));
}
