//! The captured calls of real clients: every SIP message is read and written, and every call is played again to our
//! endpoint.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use answerd::session::sip::{CallId, Config, ConnectionId, EndReason, Endpoint, Output, Peer, Transport};
use answerd::wire::sip::{HeaderName, Limits, Message, Method, Parser, Received, parse};

use crate::transcript::{Block, Protocol, all, blocks};

fn sip_blocks(text: &str) -> Vec<Block> {
    blocks(text).into_iter().filter(|block| block.protocol != Protocol::Mrcp).collect()
}

#[test]
fn every_captured_message_is_read_and_written_the_same() {
    let mut messages = 0;
    for (name, text) in all() {
        for block in sip_blocks(&text) {
            let message = parse(&block.bytes).unwrap_or_else(|error| panic!("{name} at {:?}: {error}", block.time));
            assert_eq!(String::from_utf8(message.write()).unwrap(), block.text(), "{name}");
            let mut parser = Parser::new(Limits::default());
            parser.feed(&block.bytes);
            assert_eq!(parser.next_message(), Ok(Some(Received::Message(message.clone()))), "{name}");

            let headers = message.headers();
            assert_eq!(headers.vias().unwrap().len(), 1);
            assert!(headers.from().unwrap().unwrap().tag().is_some());
            headers.to().unwrap().unwrap();
            headers.cseq().unwrap().unwrap();
            headers.contacts().unwrap();
            headers.content_type().unwrap();
            headers.session_expires().unwrap();
            messages += 1;
        }
    }
    assert!(messages > 100, "{messages}");
}

/// What one client side of a transcript came to.
#[derive(Debug, Default)]
struct Replay {
    /// The tag that we gave, by Call-ID.
    tags: HashMap<String, String>,
    /// Final statuses by CSeq, in order.
    finals: Vec<(u16, Method)>,
    offers: usize,
    confirmed: usize,
    ended: Vec<EndReason>,
}

fn drain(endpoint: &mut Endpoint, now: Instant, replay: &mut Replay, request: &Message) {
    let mut offered: Vec<CallId> = Vec::new();
    loop {
        while let Some(output) = endpoint.poll_output() {
            match output {
                Output::Send { bytes, peer } => {
                    let Ok(Message::Response(response)) = parse(&bytes) else { panic!("only responses are due") };
                    let headers = &response.headers;
                    let (ours, theirs) =
                        (headers.top_via().unwrap().unwrap(), request.headers().top_via().unwrap().unwrap());
                    assert_eq!(ours.branch(), theirs.branch());
                    if peer.transport == Transport::Udp {
                        assert_eq!(ours.rport(), Some(Some(peer.remote.port())));
                    }
                    for name in [HeaderName::FROM, HeaderName::CALL_ID, HeaderName::CSEQ] {
                        assert_eq!(headers.get(&name), request.headers().get(&name));
                    }
                    if response.status >= 200 {
                        let tag = headers.to().unwrap().unwrap().tag().unwrap().to_owned();
                        replay.tags.insert(headers.call_id().unwrap().to_owned(), tag);
                        replay.finals.push((response.status, headers.cseq().unwrap().unwrap().method));
                    }
                }
                Output::Offer { call, offer, .. } => {
                    assert!(offer.starts_with(b"v=0\r\n"));
                    replay.offers += 1;
                    offered.push(call);
                }
                Output::Confirmed { .. } => replay.confirmed += 1,
                Output::Ended { why, .. } => replay.ended.push(why),
            }
        }
        let Some(call) = offered.pop() else { return };
        endpoint.accept(now, call, b"v=0\r\n".to_vec());
    }
}

#[test]
fn every_captured_call_is_played_again() {
    let start = Instant::now();
    let mut calls = 0;
    for (name, text) in all() {
        let blocks = sip_blocks(&text);
        // What the server of the capture asked of the client has no place here: it is another server.
        let server = &blocks.first().unwrap().destination;
        let mut endpoint = Endpoint::new(Config::default(), vec![server.parse().unwrap()]);
        let mut replay = Replay::default();
        let (mut invites, mut byes) = (0, 0);
        for block in blocks.iter().filter(|block| block.destination == *server) {
            let now = start + block.time;
            let Ok(Message::Request(mut request)) = parse(&block.bytes) else { continue };
            let call_id = request.headers.call_id().unwrap().to_owned();
            if let Some(tag) = request.headers.to().unwrap().unwrap().tag() {
                let ours = replay.tags.get(&call_id).unwrap_or_else(|| panic!("{name}: no dialog {call_id}"));
                let to = request.headers.get(&HeaderName::TO).unwrap().replace(tag, ours);
                request.headers.set(HeaderName::TO, to);
            }
            invites += usize::from(request.method == Method::Invite);
            byes += usize::from(request.method == Method::Bye);
            let tcp = block.protocol == Protocol::SipTcp;
            let peer = Peer {
                listener: 0,
                transport: if tcp { Transport::Tcp } else { Transport::Udp },
                remote: block.source.parse().unwrap(),
                local: server.parse().unwrap(),
                connection: tcp.then_some(ConnectionId(1)),
            };
            // In the captures the answer was never late enough for a timer of ours.
            endpoint.handle_timeout(now);
            let request = Message::Request(request);
            endpoint.handle_message(now, peer, request.clone());
            drain(&mut endpoint, now, &mut replay, &request);
        }
        assert_eq!((replay.offers, replay.confirmed), (invites, invites), "{name}: {replay:?}");
        assert!(replay.finals.iter().all(|(status, _)| *status == 200), "{name}: {replay:?}");
        assert_eq!(replay.ended, vec![EndReason::Bye; byes], "{name}");
        assert_eq!(endpoint.calls(), invites - byes, "{name}");
        endpoint.handle_timeout(start + Duration::from_secs(3600));
        calls += invites;
    }
    assert!(calls > 30, "{calls}");
}
