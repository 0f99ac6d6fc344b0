//! RTP of thousands of calls by one thread: on each tick the packets that are due leave together (`sendmmsg`).

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};

use crate::client::load::times::Times;
use crate::client::rtp::PTIME;
use crate::wire::rtp;

/// Between two ticks.
const TICK: Duration = Duration::from_millis(2);
/// Ticks until a stream's next packet.
const ROUND: u64 = (PTIME.as_millis() / TICK.as_millis()) as u64;
/// Bytes of a packet's sound: one for each sample of G.711.
pub(super) const PACKET_BYTES: usize = 160;
/// Most packets of one system call.
const BATCH: usize = 128;
/// A packet that leaves later than this after its time counts as late: the next one is due.
const LATE: Duration = PTIME;

/// A recording as it is sent.
#[derive(Debug)]
pub(super) struct Recording {
    /// Whole packets of it.
    pub(super) coded: Vec<u8>,
    /// One packet of silence, sent when it has ended.
    pub(super) silence: [u8; PACKET_BYTES],
    /// It begins again instead.
    pub(super) repeats: bool,
}

impl Recording {
    fn packet(&self, number: u64) -> &[u8] {
        let packets = self.coded.len() / PACKET_BYTES;
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let number = if self.repeats && packets > 0 { number % packets } else { number };
        let from = number.saturating_mul(PACKET_BYTES);
        self.coded.get(from..from.saturating_add(PACKET_BYTES)).unwrap_or(&self.silence)
    }
}

/// A stream of sound to be sent.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) to: SocketAddr,
    pub(super) payload_type: u8,
    /// A random number, of which SSRC, sequence number and timestamp are made.
    pub(super) seed: u64,
    pub(super) recording: Arc<Recording>,
}

/// What was sent, while it is: read from another thread.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) packets: AtomicU64,
    /// The system did not take them.
    pub(super) unsent: AtomicU64,
    /// They left more than [`LATE`] after their time.
    pub(super) late: AtomicU64,
}

/// The thread. Dropped without [`Sounder::stop`], it ends by itself.
#[derive(Debug)]
pub(super) struct Sounder {
    epoch: Instant,
    commands: Sender<Command>,
    sent: Arc<Sent>,
    thread: JoinHandle<Times>,
}

#[derive(Debug)]
enum Command {
    Play { call: u64, first: u64, stream: Stream },
    Quiet(u64),
}

impl Sounder {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has none.
    pub(super) fn start() -> io::Result<Self> {
        let (commands, inbox) = channel();
        let sent = Arc::new(Sent::default());
        let epoch = Instant::now();
        let counted = Arc::clone(&sent);
        let thread = std::thread::Builder::new().name("sound".to_owned()).spawn(move || {
            let mut work = Work {
                epoch,
                inbox,
                sent: counted,
                lateness: Times::default(),
                streams: HashMap::new(),
                wheel: std::iter::repeat_with(Vec::new).take(ROUND as usize).collect(),
                headers: MultiHeaders::preallocate(BATCH, None),
            };
            work.run();
            work.lateness
        })?;
        Ok(Self { epoch, commands, sent, thread })
    }

    /// Plays a recording from its beginning. Gives the time when its first packet is due.
    pub(super) fn play(&self, call: u64, now: Instant, stream: Stream) -> Instant {
        // The tick after the next one: the thread may be about to begin with that.
        let tick = (now.saturating_duration_since(self.epoch).as_nanos() / TICK.as_nanos()) as u64 + 2;
        // If the thread is gone, it has panicked: that is told when it is joined.
        self.commands.send(Command::Play { call, first: tick, stream }).ok();
        at(self.epoch, tick)
    }

    /// Plays no more.
    pub(super) fn quiet(&self, call: u64) {
        self.commands.send(Command::Quiet(call)).ok();
    }

    /// What was sent so far.
    pub(super) fn sent(&self) -> &Sent {
        &self.sent
    }

    /// Ends, and tells how late the packets left.
    pub(super) fn stop(self) -> Times {
        drop(self.commands);
        match self.thread.join() {
            Ok(lateness) => lateness,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// When a tick is.
fn at(epoch: Instant, tick: u64) -> Instant {
    epoch + Duration::from_nanos(TICK.as_nanos() as u64 * tick)
}

/// What the thread has.
struct Work {
    epoch: Instant,
    inbox: Receiver<Command>,
    sent: Arc<Sent>,
    lateness: Times,
    streams: HashMap<u64, Playing>,
    /// For each tick of a round the calls whose packets are due then, those of one socket side by side.
    wheel: Vec<Vec<(i32, u64)>>,
    headers: MultiHeaders<SockaddrStorage>,
}

#[derive(Debug)]
struct Playing {
    socket: Arc<UdpSocket>,
    to: SockaddrStorage,
    recording: Arc<Recording>,
    payload_type: u8,
    sender: rtp::Sender,
    /// The tick of the first packet.
    first: u64,
    /// Packets sent.
    count: u64,
    header: [u8; 12],
}

impl Work {
    fn run(&mut self) {
        let mut tick = 0;
        loop {
            let wait = at(self.epoch, tick).saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                std::thread::sleep(wait);
            }
            loop {
                match self.inbox.try_recv() {
                    Ok(Command::Play { call, first, stream }) => self.play(call, first, stream),
                    Ok(Command::Quiet(call)) => self.quiet(call),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            self.send_due(tick);
            tick += 1;
        }
    }

    fn play(&mut self, call: u64, first: u64, stream: Stream) {
        let Stream { socket, to, payload_type, seed, recording } = stream;
        let sender = rtp::Sender::new((seed >> 32) as u32, (seed >> 16) as u16, (seed as u32).rotate_left(11));
        let place = (socket.as_raw_fd(), call);
        let due = &mut self.wheel[(first % ROUND) as usize];
        due.insert(due.partition_point(|other| *other < place), place);
        let to = SockaddrStorage::from(to);
        let playing = Playing { socket, to, recording, payload_type, sender, first, count: 0, header: [0; 12] };
        self.streams.insert(call, playing);
    }

    fn quiet(&mut self, call: u64) {
        if let Some(playing) = self.streams.remove(&call) {
            self.wheel[(playing.first % ROUND) as usize].retain(|(_, other)| *other != call);
        }
    }

    /// Sends what is due at a tick.
    fn send_due(&mut self, tick: u64) {
        let due = std::mem::take(&mut self.wheel[(tick % ROUND) as usize]);
        for batch in due.chunk_by(|(one, _), (other, _)| one == other).flat_map(|socket| socket.chunks(BATCH)) {
            // A stream whose beginning came late has more than one packet to send.
            while self.send_batch(tick, batch) {}
        }
        self.wheel[(tick % ROUND) as usize] = due;
    }

    /// Sends one packet of each of these streams that has one due; they have one socket. Tells whether one of them has another.
    fn send_batch(&mut self, tick: u64, batch: &[(i32, u64)]) -> bool {
        let mut behind = false;
        let now = Instant::now();
        for (_, call) in batch {
            let Some(playing) = self.streams.get_mut(call) else { continue };
            let due = playing.first + playing.count * ROUND;
            if due > tick {
                playing.header[0] = 0;
                continue;
            }
            playing.header = playing.sender.header(playing.payload_type, playing.count == 0, PACKET_BYTES as u32);
            playing.count += 1;
            behind |= due + ROUND <= tick;
            let late = now.saturating_duration_since(at(self.epoch, due));
            self.lateness.add(late);
            if late > LATE {
                self.sent.late.fetch_add(1, Ordering::Relaxed);
            }
        }
        let sending = || batch.iter().filter_map(|(_, call)| self.streams.get(call)).filter(|one| one.header[0] != 0);
        let Some(socket) = sending().next().map(|playing| Arc::clone(&playing.socket)) else { return false };
        let slices: Vec<_> = sending()
            .map(|playing| {
                let payload = playing.recording.packet(playing.count - 1);
                [IoSlice::new(&playing.header), IoSlice::new(payload)]
            })
            .collect();
        let addresses: Vec<_> = sending().map(|playing| Some(playing.to)).collect();
        let (mut packets, mut unsent) = (0, 0);
        while packets + unsent < slices.len() {
            let (slices, addresses) = (&slices[packets + unsent..], &addresses[packets + unsent..]);
            match sendmmsg(socket.as_raw_fd(), &mut self.headers, slices, addresses, [], MsgFlags::MSG_DONTWAIT) {
                Ok(sent) => packets += sent.count(),
                Err(Errno::EINTR) => {}
                // The first of them cannot be sent: a full buffer, or nobody at its port any more. As with loss, nothing can
                // be done about it.
                Err(_) => unsent += 1,
            }
        }
        self.sent.packets.fetch_add(packets as u64, Ordering::Relaxed);
        self.sent.unsent.fetch_add(unsent as u64, Ordering::Relaxed);
        behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(coded: Vec<u8>, repeats: bool) -> Arc<Recording> {
        Arc::new(Recording { coded, silence: [0xFF; PACKET_BYTES], repeats })
    }

    #[test]
    fn after_the_recording_comes_silence_or_its_beginning() {
        let coded: Vec<u8> = [[1; PACKET_BYTES], [2; PACKET_BYTES]].concat();
        let first = |repeats: bool| {
            let recording = recording(coded.clone(), repeats);
            (0..5).map(|number| recording.packet(number)[0]).collect::<Vec<_>>()
        };
        assert_eq!(first(false), [1, 2, 0xFF, 0xFF, 0xFF]);
        assert_eq!(first(true), [1, 2, 1, 2, 1]);
        assert_eq!(recording(Vec::new(), true).packet(7)[0], 0xFF);
    }

    #[test]
    fn many_streams_of_one_socket_are_sent_in_order_and_on_time_of_their_own() {
        let receivers: Vec<_> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let sounder = Sounder::start().unwrap();
        let mut due = Vec::new();
        for (call, receiver) in receivers.iter().enumerate() {
            receiver.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let stream = Stream {
                socket: Arc::clone(&socket),
                to: receiver.local_addr().unwrap(),
                payload_type: 0,
                seed: 0x1234_5678_9ABC_DEF0 + ((call as u64) << 40),
                recording: recording(vec![call as u8; PACKET_BYTES], true),
            };
            let now = Instant::now();
            let first = sounder.play(call as u64, now, stream);
            assert!(first > now && first <= now + TICK * 2);
            due.push(first);
        }
        let mut ssrcs = Vec::new();
        for (call, receiver) in receivers.iter().enumerate() {
            let mut datagram = [0; 2048];
            let mut last: Option<(u16, u32)> = None;
            for number in 0..4 {
                let length = receiver.recv(&mut datagram).unwrap();
                assert!(Instant::now() >= due[call] + PTIME * number, "not before its time");
                let packet = rtp::Packet::parse(&datagram[..length]).unwrap();
                assert_eq!((packet.payload_type, packet.marker), (0, number == 0));
                assert_eq!(packet.payload, vec![call as u8; PACKET_BYTES]);
                if let Some((sequence_number, timestamp)) = last {
                    assert_eq!(packet.sequence_number, sequence_number.wrapping_add(1));
                    assert_eq!(packet.timestamp, timestamp.wrapping_add(160));
                }
                last = Some((packet.sequence_number, packet.timestamp));
                if number == 3 {
                    ssrcs.push(packet.ssrc);
                }
            }
        }
        ssrcs.dedup();
        assert_eq!(ssrcs.len(), 3);
        for call in 0..3 {
            sounder.quiet(call);
        }
        // A packet is counted after it was sent, and what is quiet stays so as soon as the thread has heard of it.
        let mut before = 0;
        for _ in 0..1_000 {
            let after = sounder.sent().packets.load(Ordering::Relaxed);
            if after == before && after >= 12 {
                break;
            }
            before = after;
            std::thread::sleep(PTIME * 2);
        }
        let lateness = sounder.stop();
        assert_eq!(lateness.quantiles().unwrap().count, before);
    }
}
