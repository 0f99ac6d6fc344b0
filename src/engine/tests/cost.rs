//! What a stream costs: no allocation for a packet or a frame, and so many bytes a call.

use std::net::SocketAddr;

use allocation_counter::measure;

use super::*;
use crate::audio::codec::Codec;
use crate::audio::{Frame, SAMPLE_RATE, g711};
use crate::detect::{Batch, Detector, Model};
use crate::engine::receive::Buffers;
use crate::engine::worker::LoadModel;
use crate::wire::rtp::Sender;

/// A call's sound: noise; and, if somebody speaks, syllables of a hum and tones in between.
fn sound(seconds: usize, spoken: bool) -> Vec<i16> {
    let mut state = 1_u32;
    let sample = |n: usize| {
        let t = n as f32 / SAMPLE_RATE as f32;
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 8) as f32 / 8_388_608.0 - 1.0;
        if !spoken {
            return (0.01 * noise * 32_767.0) as i16;
        }
        let turn = |hz: f32| (std::f32::consts::TAU * hz * t).sin();
        let syllable = (0.5 + 0.5 * turn(3.7)) * f32::from(u8::from(t % 2.0 < 1.2));
        let voice: f32 = (1..16).map(|k| turn((130.0 + 3.0 * turn(0.7)) * k as f32) / k as f32).sum();
        let tone = if (1.5..1.7).contains(&(t % 2.0)) { turn(1_000.0) } else { 0.0 };
        ((0.1 * syllable * voice + 0.1 * tone + 0.003 * noise) * 32_767.0) as i16
    };
    (0..seconds * SAMPLE_RATE as usize).map(sample).collect()
}

/// The sound as PCMU packets of 20 ms.
fn packets(sound: &[i16], ssrc: u32) -> Vec<Vec<u8>> {
    let mut sender = Sender::new(ssrc, 60_000, 4_294_900_000);
    let packet = |samples: &[i16]| {
        let payload: Vec<u8> = samples.iter().map(|sample| g711::encode_mulaw(*sample)).collect();
        let mut datagram = Vec::new();
        sender.write(0, false, &payload, 160, &mut datagram);
        datagram
    };
    sound.chunks(160).map(packet).collect()
}

fn formats() -> media::Formats {
    media::Formats { sound: vec![(0, Codec::Pcmu)], ..media::Formats::default() }
}

/// A listening that nothing of the sound ends.
fn patient() -> Listen {
    Listen {
        accepts: detect::LabelSet::EMPTY,
        no_input_timeout_ms: None,
        recognition_timeout_ms: None,
        speech_complete_timeout_ms: Some(600_000),
        speech_incomplete_timeout_ms: Some(600_000),
        hotword: Some(detect::Hotword { min_ms: 60_000, max_ms: 60_001 }),
        ..Listen::default()
    }
}

/// Allocations for the tones that end within a second of speech, and are measured: these are events.
const OF_TONES: u64 = 60;
const WARM_S: usize = 8;
const MEASURED_S: usize = 12;

#[test]
fn a_packet_a_frame_and_a_step_of_the_model_allocate_nothing() {
    for model in [Model::rules, model] {
        let backend = model().backend().to_string();
        assert_eq!(allocations(model(), false), 0, "{backend}");
        let spoken = allocations(model(), true);
        assert!(spoken <= OF_TONES * MEASURED_S as u64, "{spoken}");
    }
}

/// The built-in model.
fn model() -> Model {
    Model::load(&detect::Config::default()).unwrap()
}

/// Allocations of receiver, detector and model while they hear the sound.
fn allocations(mut model: Model, spoken: bool) -> u64 {
    let packets = packets(&sound(WARM_S + MEASURED_S, spoken), 7);
    let from: SocketAddr = "192.0.2.1:4000".parse().unwrap();
    let mut receiver = media::Receiver::new(media::Config::default(), formats());
    let mut detector = Detector::new(Arc::default());
    detector.listen(patient());
    let mut batch = Batch::default();
    let mut now = Instant::now();
    let mut events = 0;
    let mut run = |packets: &[Vec<u8>]| {
        for packet in packets {
            now += Duration::from_millis(20);
            receiver.handle_datagram(now, from, packet);
            receiver.poll(now, &mut |heard| {
                if let media::Heard::Frame(frame) = heard {
                    detector.push(frame);
                }
            });
            loop {
                batch.begin(&model);
                if !detector.advance(&mut batch) {
                    break;
                }
                model.step(&mut batch);
                detector.hear_model(&batch);
            }
            while detector.poll_event().is_some() {
                events += 1;
            }
        }
    };
    let (warm, measured) = packets.split_at(WARM_S * 50);
    run(warm);
    let allocated = measure(|| run(measured));
    assert_eq!(detector.now().0, ((WARM_S + MEASURED_S) * SAMPLE_RATE as usize) as u64);
    assert_eq!(events, 0, "the listening goes on");
    allocated.count_total
}

#[test]
fn a_tick_of_a_worker_allocates_nothing() {
    const STREAMS: usize = 4;
    let address = "127.0.0.1".parse().unwrap();
    let rtp = RtpConfig { address, port_min: 0, port_max: 0, ..RtpConfig::default() };
    let ports = Arc::new(Ports::new(&rtp));
    let load: LoadModel = Box::new(model);
    let mut worker = Worker::new(model(), load, Arc::default(), &EngineConfig::default()).unwrap();
    let mut buffers = Buffers::new();
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (events, mut heard) = unbounded_channel();
    let mut calls = Vec::new();
    for id in 0..STREAMS as u64 {
        let (socket, lease) = ports.bind().unwrap();
        let to = socket.local_addr().unwrap();
        let receiver = media::Receiver::new(rtp.media(), formats());
        let source = Source::Rtp(Box::new(Rtp::new(socket, lease, receiver)));
        worker.obey(Command::Open(id, Box::new(stream::Stream::new("test".to_owned(), 7, source, events.clone()))));
        worker.obey(Command::Attach(id, ListenerId(0), Box::new(Detector::new(Arc::default()))));
        worker.obey(Command::Listen(id, ListenerId(0), 1, Box::new(patient())));
        calls.push((to, packets(&sound(WARM_S + MEASURED_S, false), 7 + id as u32)));
    }
    let mut now = Instant::now();
    let mut polled = worker::events();
    let mut allocated = 0;
    for tick in 0..(WARM_S + MEASURED_S) * 50 {
        for (to, packets) in &calls {
            sender.send_to(&packets[tick], to).unwrap();
        }
        now += Duration::from_millis(20);
        let step = measure(|| {
            worker.find_readable(&mut polled);
            worker.step(now, &mut buffers);
        });
        if tick >= WARM_S * 50 {
            allocated += step.count_total;
        }
    }
    assert_eq!(allocated, 0, "in {} ticks", MEASURED_S * 50);
    // What is still gathered.
    worker.step(now + Duration::from_secs(1), &mut buffers);
    assert!(heard.try_recv().is_err(), "the listenings go on");
    for (_, received) in worker.stats() {
        assert_eq!(received.received as usize + received.lost as usize, (WARM_S + MEASURED_S) * 50);
        assert_eq!(received.lost, 0);
    }
}

/// Bytes that what `make` returns holds.
fn held<T>(make: impl FnOnce() -> T) -> (usize, T) {
    let mut made = None;
    let allocated = measure(|| made = Some(make()));
    (usize::try_from(allocated.bytes_current).unwrap_or_default() + size_of::<T>(), made.expect("it was made"))
}

/// What a call may hold in the engine: detector, receiver and stream, after half a minute of sound. What its session, its
/// driver and its sockets hold comes on top.
const MOST_BYTES: usize = 32 * 1_024;

#[test]
fn a_call_holds_few_bytes() {
    let sound = sound(30, true);
    let config = Arc::<detect::Config>::default();
    let (mut model, mut batch) = (Model::rules(), Batch::default());
    let (detector, _) = held(|| {
        let mut detector = Detector::new(Arc::clone(&config));
        detector.listen(patient());
        for piece in sound.chunks(160) {
            detector.push(Frame::Sound(piece));
            loop {
                batch.begin(&model);
                if !detector.advance(&mut batch) {
                    break;
                }
                model.step(&mut batch);
                detector.hear_model(&batch);
            }
        }
        detector
    });
    let packets = packets(&sound, 7);
    let from: SocketAddr = "192.0.2.1:4000".parse().unwrap();
    let (receiver, _) = held(|| {
        let mut receiver = media::Receiver::new(media::Config::default(), formats());
        let mut now = Instant::now();
        for packet in &packets {
            now += Duration::from_millis(20);
            receiver.handle_datagram(now, from, packet);
            receiver.poll(now, &mut |_| {});
        }
        receiver
    });
    let stream = size_of::<stream::Stream>() + size_of::<listener::Listener>() + size_of::<Rtp>();
    let all = detector + receiver + stream;
    assert!(
        all <= MOST_BYTES,
        "{all} bytes: the detector {detector}, the receiver {receiver}, the stream's own {stream}"
    );
}
