//! What reading and writing messages costs: SIP, SDP, MRCP as FreeSWITCH sends them, and RTP.
#![allow(clippy::disallowed_methods, unreachable_pub, reason = "a program of its own, at the edge")]

use std::hint::black_box;

use answerd::wire::mrcp::Parser;
use answerd::wire::rtp::{Packet, Sender};
use answerd::wire::{sdp, sip};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const OFFER: &[u8] = include_bytes!("../tests/data/sdp/freeswitch-offer-telephone-event.sdp");
const RECOGNIZE: &[u8] = include_bytes!("../tests/data/mrcp/freeswitch-recognize-all-params.mrcp");
/// A packet of 20 ms of G.711.
const PACKET: usize = 160;

fn signalling(criterion: &mut Criterion) {
    let invite = [
        "INVITE sip:answerd@192.0.2.1:8060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5090;rport;branch=z9hG4bKZpUpQjSy\r\n",
        "Max-Forwards: 70\r\nFrom: <sip:192.0.2.2:5090>;tag=rpUa4gt2Sc84H\r\nTo: <sip:answerd@192.0.2.1:8060>\r\n",
        "Call-ID: 6b6f9c4e-3d3c-123d-9ba2-0242ac120003\r\nCSeq: 114245366 INVITE\r\nContact: <sip:192.0.2.2:5090>\r\n",
        "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\nContent-Type: application/sdp\r\n",
        &format!("Content-Length: {}\r\n\r\n", OFFER.len()),
    ];
    let invite = [invite.concat().as_bytes(), OFFER].concat();
    let parsed = sip::parse(&invite).expect("the request is well-formed");
    let mut group = criterion.benchmark_group("SIP, an INVITE with its offer");
    group.throughput(Throughput::Bytes(invite.len() as u64));
    group.bench_function("read", |bench| bench.iter(|| sip::parse(black_box(&invite)).is_ok()));
    group.bench_function("written", |bench| bench.iter(|| black_box(&parsed).write()));
    group.finish();

    let offer = sdp::parse(OFFER).expect("the offer is well-formed");
    let mut group = criterion.benchmark_group("SDP, an offer");
    group.throughput(Throughput::Bytes(OFFER.len() as u64));
    group.bench_function("read", |bench| bench.iter(|| sdp::parse(black_box(OFFER)).is_ok()));
    group.bench_function("written", |bench| bench.iter(|| black_box(&offer).write()));
    group.finish();

    let mut parser = Parser::default();
    parser.feed(RECOGNIZE);
    let request = parser.poll_message().ok().flatten().expect("the file has a whole request");
    let mut group = criterion.benchmark_group("MRCP, a RECOGNIZE with its grammar");
    group.throughput(Throughput::Bytes(RECOGNIZE.len() as u64));
    group.bench_function("read", |bench| {
        bench.iter(|| {
            parser.feed(black_box(RECOGNIZE));
            let read = parser.poll_message();
            assert!(matches!(read, Ok(Some(_))));
        });
    });
    group.bench_function("written", |bench| bench.iter(|| black_box(&request).write()));
    group.finish();
}

fn packets(criterion: &mut Criterion) {
    let payload = [0x7f; PACKET];
    let mut sender = Sender::new(0x1234_5678, 0, 0);
    let mut datagram = Vec::new();
    let mut group = criterion.benchmark_group("RTP, a packet of 20 ms");
    group.throughput(Throughput::Elements(1));
    group.bench_function("written", |bench| {
        bench.iter(|| {
            datagram.clear();
            sender.write(0, false, black_box(&payload), PACKET as u32, &mut datagram);
        });
    });
    group.bench_function("read", |bench| bench.iter(|| Packet::parse(black_box(&datagram)).is_ok()));
    group.finish();
}

criterion_group!(benches, signalling, packets);
criterion_main!(benches);
