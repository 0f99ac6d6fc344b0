//! Any bytes, any order: no panic, one end for each call, and nothing left in the end.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use crate::session::sip::tests::{Scene, message};
use crate::session::sip::{CallId, Config, ConnectionId, Output};
use crate::wire::sip::{HeaderName, Message, Response, parse};

#[derive(Debug, Clone)]
enum Step {
    Request { line: String, tcp: Option<u64>, mutation: Option<(usize, u8)> },
    Bytes(Vec<u8>),
    Respond(u16),
    Wait(u64),
    Accept(usize),
    Refuse(usize, u16),
    HangUp(usize),
    Disconnect(u64),
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    let line = (
        prop_oneof![3 => Just("INVITE"), 2 => Just("ACK"), 1 => Just("BYE"), 1 => Just("CANCEL"), 1 => Just("UPDATE"), 1 => Just("OPTIONS"), 1 => Just("INFO")],
        1..5u32,
        prop_oneof![Just(""), Just(" tag=tag1"), Just(" tag=tag2")],
        prop_oneof![Just(""), Just(" branch=a"), Just(" branch=INVITE1"), Just(" branch=INVITE2")],
        prop_oneof![Just(""), Just(" body=none"), Just(" body=sdp")],
        prop_oneof![
            4 => Just(""),
            1 => Just(" | Supported: timer | Session-Expires: 90;refresher=uas | Allow: UPDATE"),
            1 => Just(" | Supported: timer"),
            1 => Just(" | Contact: <sip:198.51.100.7>"),
            1 => Just(" | Contact: *"),
            1 => Just(" | Call-ID: call-2"),
        ],
    );
    let line =
        line.prop_map(|(method, seq, tag, branch, body, fields)| format!("{method} {seq}{tag}{branch}{body}{fields}"));
    prop_oneof![
        12 => (line, proptest::option::of(1..3u64), proptest::option::weighted(0.1, (any::<usize>(), any::<u8>())))
            .prop_map(|(line, tcp, mutation)| Step::Request { line, tcp, mutation }),
        1 => proptest::collection::vec(any::<u8>(), 0..100).prop_map(Step::Bytes),
        2 => prop_oneof![Just(100u16), Just(200), Just(422), Just(481), Just(500)].prop_map(Step::Respond),
        3 => prop_oneof![0..600u64, 0..40_000u64, 0..200_000u64].prop_map(Step::Wait),
        5 => (0..3usize).prop_map(Step::Accept),
        1 => (0..3usize, any::<u16>()).prop_map(|(call, status)| Step::Refuse(call, status)),
        1 => (0..3usize).prop_map(Step::HangUp),
        1 => (1..3u64).prop_map(Step::Disconnect),
        1 => Just(Step::Drain),
    ]
}

proptest! {
    #[test]
    fn any_order_of_events(steps in proptest::collection::vec(step(), 1..60)) {
        let mut scene = Scene::new(Config::default());
        let mut calls: Vec<CallId> = Vec::new();
        let mut ended = HashMap::new();
        let mut last_request: Option<Message> = None;
        let settle = |scene: &mut Scene, calls: &mut Vec<_>, ended: &mut HashMap<_, u32>, last_request: &mut Option<Message>| {
            while let Some(output) = scene.endpoint.poll_output() {
                match output {
                    Output::Send { bytes, .. } => {
                        let message = parse(&bytes).unwrap();
                        if let Message::Request(_) = message {
                            *last_request = Some(message);
                        }
                    }
                    Output::Offer { call, reoffer, .. } => {
                        assert_eq!(calls.contains(&call), reoffer);
                        assert!(!ended.contains_key(&call));
                        if !reoffer {
                            calls.push(call);
                        }
                    }
                    Output::Confirmed { call } => assert!(calls.contains(&call) && !ended.contains_key(&call)),
                    Output::Ended { call, .. } => *ended.entry(call).or_default() += 1,
                }
            }
        };
        for step in steps {
            let now = scene.now;
            let call = |index: usize| calls.get(calls.len().checked_sub(index + 1)?).copied();
            match step {
                Step::Request { line, tcp, mutation } => {
                    let mut bytes = message(&line).replace('\n', "\r\n").into_bytes();
                    if let Some((at, byte)) = mutation {
                        let at = at % bytes.len();
                        bytes[at] = byte;
                    }
                    let peer = scene.peer(tcp);
                    scene.endpoint.handle_datagram(now, peer, &bytes);
                }
                Step::Bytes(bytes) => {
                    let peer = scene.peer(None);
                    scene.endpoint.handle_datagram(now, peer, &bytes);
                }
                Step::Respond(status) => {
                    if let Some(request) = &last_request {
                        let mut response = Response::new(status);
                        for name in [HeaderName::VIA, HeaderName::CSEQ] {
                            response.headers.push(name.clone(), request.headers().get(&name).unwrap());
                        }
                        response.headers.push(HeaderName::MIN_SE, 4_294_967_295_u32);
                        response.headers.push(HeaderName::SESSION_EXPIRES, "90;refresher=uac");
                        let peer = scene.peer(None);
                        scene.endpoint.handle_message(now, peer, response.into());
                    }
                }
                Step::Wait(ms) => {
                    let until = now + Duration::from_millis(ms);
                    while let Some(next) = scene.endpoint.poll_timeout().filter(|next| *next <= until) {
                        scene.endpoint.handle_timeout(next);
                        settle(&mut scene, &mut calls, &mut ended, &mut last_request);
                    }
                    scene.now = until;
                }
                Step::Accept(index) => if let Some(call) = call(index) { scene.endpoint.accept(now, call, b"answer".to_vec()) },
                Step::Refuse(index, status) => if let Some(call) = call(index) { scene.endpoint.refuse(now, call, status, None, None) },
                Step::HangUp(index) => if let Some(call) = call(index) { scene.endpoint.hang_up(now, call) },
                Step::Disconnect(connection) => scene.endpoint.handle_disconnect(now, ConnectionId(connection)),
                Step::Drain => scene.endpoint.drain(),
            }
            settle(&mut scene, &mut calls, &mut ended, &mut last_request);
        }
        for call in calls.clone() {
            scene.endpoint.hang_up(scene.now, call);
        }
        for _ in 0..10_000 {
            settle(&mut scene, &mut calls, &mut ended, &mut last_request);
            let Some(next) = scene.endpoint.poll_timeout() else { break };
            scene.endpoint.handle_timeout(next);
        }
        prop_assert!(scene.endpoint.is_idle());
        prop_assert_eq!(scene.endpoint.poll_timeout(), None);
        prop_assert_eq!(scene.endpoint.transactions.len(), 0);
        prop_assert!(scene.endpoint.dialogs.is_empty());
        prop_assert!(calls.iter().all(|call| ended.get(call) == Some(&1)), "{calls:?} {ended:?}");
    }
}
