//! One stream of sound: RTP datagrams in, frames in order and in their places out.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::audio::codec::{Codec, Decoder};
use crate::audio::{Frame, SAMPLE_RATE, SampleTime};
use crate::media::clock::{Clock, samples_in};
use crate::media::jitter_buffer::{Buffered, Inserted, JitterBuffer};
use crate::media::keys::Keys;
use crate::media::peer::{Peer, PeerPolicy};
use crate::media::report::{Jitter, Stats};
use crate::media::source::{Source, Verdict};
use crate::media::srtp::{Inbound, Refused};
use crate::wire::rtp::rtcp::{self, ControlPacket};
use crate::wire::rtp::srtp;
use crate::wire::rtp::{Datagram, Packet, TelephoneEvent};

/// How streams are received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long a packet waits for those it has overtaken, in milliseconds. More than a network's usual reordering only
    /// delays what follows a loss.
    pub reorder_ms: u64,
    /// How long nothing may come before time goes on without packets, in milliseconds. Jitter up to here changes
    /// nothing; timeouts are told later by as much when packets have stopped.
    pub grace_ms: u64,
    /// How many packets in sequence make a sender believed (RFC 3550 section A.1 has 2). With 1, no sound is held back.
    pub probation: u16,
    /// Which addresses may send.
    pub peer: PeerPolicy,
    /// How long the address that is heard must be silent before another may take its place, in milliseconds.
    pub relatch_ms: u64,
    /// How keys come.
    pub keys: KeyPolicy,
}

/// How keys come where both ways are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyPolicy {
    /// As telephone-events and as tones in the sound; from the first telephone-event on as these alone, as gateways leave
    /// the same presses' tones in the sound, or the beginnings of them.
    #[default]
    Any,
    /// As telephone-events alone.
    Events,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            reorder_ms: 60,
            grace_ms: 200,
            probation: 1,
            peer: PeerPolicy::First,
            relatch_ms: 1000,
            keys: KeyPolicy::Any,
        }
    }
}

/// What was negotiated for a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Formats {
    /// Where the session description says that the sender is; `None` if it does not.
    pub remote: Option<SocketAddr>,
    /// Payload types of sound.
    pub sound: Vec<(u8, Codec)>,
    /// Payload type of telephone-events.
    pub telephone_event: Option<u8>,
    /// What the sender protects its packets with; `None`: nothing, it is plain RTP.
    pub srtp: Option<srtp::Parameters>,
}

/// What came out of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The next stretch of the stream.
    Frame(Frame<'a>),
    /// A key, as a telephone-event: `0` to `9`, `*`, `#`, `A` to `D`; told when its first packet comes.
    Key(char),
}

/// What a packet carries.
enum Content {
    Sound(Codec),
    Event,
    /// Comfort noise (RFC 3389): the sender says that it sends no sound now.
    Noise,
    /// A payload type that was not negotiated; only its number counts.
    Unknown,
}

impl Formats {
    fn content(&self, payload_type: u8) -> Content {
        if let Some((_, codec)) = self.sound.iter().find(|(number, _)| *number == payload_type) {
            Content::Sound(*codec)
        } else if self.telephone_event == Some(payload_type) {
            Content::Event
        } else if payload_type == COMFORT_NOISE {
            Content::Noise
        } else {
            Content::Unknown
        }
    }
}

/// The static payload type of comfort noise, sent by some without having been offered.
const COMFORT_NOISE: u8 = 13;

/// Receives one stream. Give it all datagrams that have come, then [`poll`](Self::poll) it, some hundred times a
/// second.
///
/// Sample time is the sender's as long as packets come: their timestamps give each its place, jumps are
/// [`Frame::Missing`]. When nothing comes for longer than [`Config::grace_ms`], sample time goes on by the wall clock,
/// by so much behind. Packets that then turn out to have been only delayed, and come all at once, lose what has been
/// given out as missing; a sender that begins again is placed where time has got to.
#[derive(Debug)]
pub struct Receiver {
    config: Config,
    formats: Formats,
    srtp: Srtp,
    peer: Peer,
    source: Source,
    /// Packets of a sender that is not believed yet.
    held: Vec<(Instant, Buffered)>,
    buffer: JitterBuffer,
    decoders: Vec<(u8, Decoder)>,
    keys: Keys,
    /// Keys have come as telephone-events.
    key_events: bool,
    jitter: Jitter,
    stats: Stats,
    /// Samples told, sound and missing.
    told: u64,
    clock: Option<Clock>,
    last: Option<Last>,
    /// The next sound begins where time has got to, whatever its timestamp.
    fresh: bool,
    /// Delayed packets are coming all at once; what of them has been told as missing is left out.
    catching_up: bool,
    samples: Vec<i16>,
}

/// Whether datagrams are protected.
#[derive(Debug)]
enum Srtp {
    Off,
    On(Box<Inbound>),
    /// The keys are none: nothing can be authentic.
    Unusable,
}

impl Srtp {
    fn new(parameters: Option<srtp::Parameters>) -> Self {
        match parameters.map(Inbound::new) {
            None => Self::Off,
            Some(Some(inbound)) => Self::On(Box::new(inbound)),
            Some(None) => Self::Unusable,
        }
    }
}

/// The end of the last sound.
#[derive(Debug, Clone, Copy)]
struct Last {
    /// In the sender's clock.
    timestamp: u32,
    clock_rate: u32,
    /// In sample time.
    place: u64,
}

/// How long packets that may be delayed ones are looked at before it is decided what they are.
const HOLD: Duration = Duration::from_millis(60);
/// How much further than the wall clock timestamps may lead: 0.5 s. Beyond, it is the sender's clock that jumped.
const MAX_LEAD: f64 = SAMPLE_RATE as f64 / 2.0;
/// Places that differ by no more are the same: rounding between clock rates.
const SAME_PLACE: u64 = 8;
/// A shorter stretch of missing sound is not told yet: 10 ms.
const MIN_FILL: u64 = 80;

impl Receiver {
    /// A receiver that has heard nothing; its time stands still until the first packet or
    /// [`start_clock`](Self::start_clock).
    #[must_use]
    pub fn new(config: Config, formats: Formats) -> Self {
        let peer = Peer::new(config.peer, Duration::from_millis(config.relatch_ms), formats.remote);
        Self {
            peer,
            source: Source::new(config.probation),
            held: Vec::new(),
            buffer: JitterBuffer::new(Duration::from_millis(config.reorder_ms)),
            decoders: Vec::new(),
            keys: Keys::default(),
            key_events: false,
            jitter: Jitter::default(),
            stats: Stats::default(),
            told: 0,
            clock: None,
            last: None,
            fresh: true,
            catching_up: false,
            samples: Vec::new(),
            config,
            srtp: Srtp::new(formats.srtp.clone()),
            formats,
        }
    }

    /// What a later offer has changed.
    pub fn configure(&mut self, formats: Formats) {
        self.peer.describe(formats.remote);
        self.decoders.retain(|(number, decoder)| formats.sound.contains(&(*number, decoder.codec())));
        match (&mut self.srtp, &formats.srtp) {
            (Srtp::On(inbound), Some(parameters)) => inbound.rekey(parameters.clone()),
            (_, parameters) => self.srtp = Srtp::new(parameters.clone()),
        }
        self.key_events &= formats.telephone_event.is_some();
        self.formats = formats;
    }

    /// Says that somebody listens from now on: time runs even if no packet comes. Where packets have stopped before,
    /// sound that comes now begins at once; where they come, nothing changes.
    pub fn start_clock(&mut self, now: Instant) {
        if self.clock.is_none() || self.is_filled() {
            self.clock = Some(Clock::new(now, self.told));
            self.fresh = true;
        }
    }

    /// Whether keys in the sound are presses of their own, see [`KeyPolicy`].
    #[must_use]
    pub fn has_keys_in_sound(&self) -> bool {
        self.config.keys == KeyPolicy::Any && !self.key_events
    }

    /// Sample time: how much has been told.
    #[must_use]
    pub const fn now(&self) -> SampleTime {
        SampleTime(self.told)
    }

    /// What arrived and what did not.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Takes a datagram that arrived at `now`. Under SRTP, what is not authentic is counted and has no other effect.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        match std::mem::replace(&mut self.srtp, Srtp::Off) {
            Srtp::Off => self.handle_plain(now, from, datagram),
            Srtp::On(mut inbound) => {
                match inbound.open(datagram) {
                    Ok(plain) => self.handle_plain(now, from, plain),
                    Err(Refused::Unauthentic) => self.stats.unauthentic += 1,
                    Err(Refused::Replayed) => self.stats.replayed += 1,
                }
                self.srtp = Srtp::On(inbound);
            }
            Srtp::Unusable => {
                self.stats.unauthentic += 1;
                self.srtp = Srtp::Unusable;
            }
        }
    }

    fn handle_plain(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        match Datagram::parse(datagram) {
            Ok(Datagram::Rtp(packet)) => self.handle_packet(now, from, &packet),
            Ok(Datagram::Rtcp(control)) => {
                for packet in rtcp::packets(control) {
                    if let ControlPacket::Bye(sources) = packet {
                        self.source.bye(&sources);
                    }
                }
            }
            Err(_) => self.stats.foreign += 1,
        }
    }

    fn handle_packet(&mut self, now: Instant, from: SocketAddr, packet: &Packet<'_>) {
        let content = self.formats.content(packet.payload_type);
        if let Content::Unknown = content {
            self.stats.foreign += 1;
            // From the sender that is heard it is a number that was not lost; from others it proves nothing.
            if !self.source.is_current(packet.ssrc) || !self.peer.is_latched(from) {
                return;
            }
        }
        if !self.peer.accept(now, from) {
            self.stats.rejected += 1;
            return;
        }
        let mut buffered = self.buffer.blank();
        buffered.payload_type = packet.payload_type;
        buffered.marker = packet.marker;
        buffered.timestamp = packet.timestamp;
        buffered.payload.extend_from_slice(packet.payload);
        let number = match self.source.packet(packet.ssrc, packet.sequence_number) {
            Verdict::Accept(number) => number,
            Verdict::Switch(number) => {
                self.jitter.reset();
                let first = number - self.held.len() as u64;
                buffered.fresh = self.held.is_empty();
                for (number, (arrival, mut held)) in (first..).zip(std::mem::take(&mut self.held)) {
                    held.fresh = number == first;
                    self.insert(arrival, number, held);
                }
                number
            }
            Verdict::Hold => {
                self.held.push((now, buffered));
                return;
            }
            Verdict::HoldAnew => {
                self.discard_held();
                self.held.push((now, buffered));
                return;
            }
            Verdict::Late => {
                self.stats.late += 1;
                self.buffer.recycle(buffered);
                return;
            }
        };
        self.discard_held();
        if let Content::Sound(codec) = content {
            self.jitter.packet(&mut self.stats.jitter_ms, now, packet.timestamp, codec.clock_rate());
        }
        self.insert(now, number, buffered);
    }

    /// The packets held back belong to no stream.
    fn discard_held(&mut self) {
        for (_, packet) in self.held.drain(..) {
            self.stats.rejected += 1;
            self.buffer.recycle(packet);
        }
    }

    fn insert(&mut self, arrival: Instant, number: u64, mut packet: Buffered) {
        packet.number = number;
        match self.buffer.insert(arrival, packet) {
            Inserted::InOrder => {}
            Inserted::Reordered => self.stats.reordered += 1,
            Inserted::Duplicate => {
                self.stats.duplicate += 1;
                return;
            }
            Inserted::Late => {
                self.stats.late += 1;
                return;
            }
        }
        self.stats.received += 1;
    }

    /// Tells all that can be told at `now`, in order. Take in what has arrived before.
    pub fn poll(&mut self, now: Instant, heard: &mut impl FnMut(Heard<'_>)) {
        while let Some((arrival, packet)) = self.buffer.ready(now) {
            match self.delayed(now, arrival, packet) {
                Delayed::No => {}
                Delayed::Undecided => return,
                Delayed::Yes => self.catching_up = true,
                Delayed::Anew => self.fresh = true,
            }
            let Some((packet, skipped)) = self.buffer.pop() else { return };
            self.stats.lost += skipped;
            self.tell(arrival, &packet, heard);
            self.buffer.recycle(packet);
        }
        if self.buffer.is_empty() {
            self.catching_up = false;
            self.fill(now, heard);
        }
    }

    /// When [`poll`](Self::poll) may have something to tell though no datagram comes; `None`: never.
    #[must_use]
    pub fn poll_at(&self, now: Instant) -> Option<Instant> {
        if !self.buffer.is_empty() {
            return Some(now);
        }
        // What is due is rounded.
        let least = (self.told + MIN_FILL) as f64 - 0.5;
        self.clock.as_ref().map(|clock| clock.when(least + self.grace()))
    }

    /// What time without packets stays behind the clock, in samples.
    fn grace(&self) -> f64 {
        samples_in(Duration::from_millis(self.config.grace_ms))
    }

    /// Time goes on without packets.
    fn fill(&mut self, now: Instant, heard: &mut impl FnMut(Heard<'_>)) {
        if let Some(clock) = &self.clock {
            let due = (clock.samples(now) - self.grace()).max(0.0).round() as u64;
            if due >= self.told + MIN_FILL {
                self.miss(due - self.told, heard);
            }
        }
    }

    /// Whether time has gone on without packets since the last sound, or there never was any.
    fn is_filled(&self) -> bool {
        self.last.is_none_or(|last| self.told > last.place)
    }

    /// The place that a timestamp stands for, if it follows the last sound's.
    fn place(&self, packet: &Buffered, codec: Codec) -> Option<i64> {
        let last = self.last.filter(|last| last.clock_rate == codec.clock_rate())?;
        if self.fresh || packet.fresh {
            return None;
        }
        let ticks = i64::from(packet.timestamp.wrapping_sub(last.timestamp).cast_signed());
        Some(last.place.cast_signed() + ticks * i64::from(SAMPLE_RATE) / i64::from(last.clock_rate))
    }

    /// After time has gone on without packets: are these the packets of that time, come all at once, or later ones
    /// whose timestamps stood still? The first packet can't tell; how fast the others follow does.
    fn delayed(&self, now: Instant, arrival: Instant, packet: &Buffered) -> Delayed {
        let Content::Sound(codec) = self.formats.content(packet.payload_type) else { return Delayed::No };
        if self.catching_up || !self.is_filled() {
            return Delayed::No;
        }
        let Some(overlap) = self.place(packet, codec).map(|place| self.told.cast_signed() - place) else {
            return Delayed::No;
        };
        if overlap <= SAME_PLACE.cast_signed() {
            return Delayed::No;
        }
        let newest = self.buffer.newest().map_or(packet.timestamp, |newest| newest.timestamp);
        let ticks = f64::from(newest.wrapping_sub(packet.timestamp).cast_signed());
        let came = ticks * f64::from(SAMPLE_RATE) / f64::from(codec.clock_rate());
        let waited = now.saturating_duration_since(arrival);
        if came - samples_in(waited) >= overlap as f64 / 2.0 {
            Delayed::Yes
        } else if waited < HOLD {
            Delayed::Undecided
        } else {
            Delayed::Anew
        }
    }

    fn tell(&mut self, arrival: Instant, packet: &Buffered, heard: &mut impl FnMut(Heard<'_>)) {
        if packet.fresh {
            self.keys.reset();
            self.fresh = true;
        }
        match self.formats.content(packet.payload_type) {
            Content::Sound(codec) => self.tell_sound(arrival, packet, codec, heard),
            Content::Event => match TelephoneEvent::parse(&packet.payload) {
                Ok(event) => {
                    if let Some(key) = self.keys.packet(event, packet.timestamp, packet.marker) {
                        self.key_events = true;
                        heard(Heard::Key(key));
                    }
                }
                Err(_) => self.stats.undecodable += 1,
            },
            // The next sound's timestamp, or the clock, tells how long this lasts.
            Content::Noise | Content::Unknown => {}
        }
    }

    fn tell_sound(&mut self, arrival: Instant, packet: &Buffered, codec: Codec, heard: &mut impl FnMut(Heard<'_>)) {
        let wall = self.clock.map_or(0.0, |clock| clock.samples(arrival));
        let mut overlap = 0;
        let mut by_timestamp = true;
        match self.place(packet, codec).map(|place| place - self.told.cast_signed()) {
            Some(gap) if gap.unsigned_abs() <= SAME_PLACE => {}
            Some(gap) if gap > 0 && (self.told.cast_signed() + gap) as f64 <= wall + MAX_LEAD => {
                self.miss(gap.unsigned_abs(), heard);
            }
            Some(gap) if gap < 0 && self.catching_up => {
                overlap = usize::try_from(gap.unsigned_abs()).unwrap_or(usize::MAX);
            }
            // A timestamp that can't be followed; but the number says that this sound comes next.
            _ => by_timestamp = false,
        }
        let follows = self.last.is_some_and(|last| last.place == self.told);
        let mut samples = std::mem::take(&mut self.samples);
        samples.clear();
        let decoded = match self.decoder(packet.payload_type, codec) {
            Some(decoder) => {
                if !follows {
                    decoder.gap();
                }
                decoder.decode(&packet.payload, &mut samples).is_ok()
            }
            None => false,
        };
        if !decoded {
            self.stats.undecodable += 1;
        }
        if decoded && !samples.is_empty() {
            let kept = samples.get(overlap..).unwrap_or_default();
            if kept.is_empty() {
                self.stats.late += 1;
            } else {
                heard(Heard::Frame(Frame::Sound(kept)));
            }
            self.told += kept.len() as u64;
            self.stats.sound += kept.len() as u64;
            let left_out = overlap.saturating_sub(samples.len()) as u64;
            let ticks = samples.len() as u64 * u64::from(codec.clock_rate()) / u64::from(SAMPLE_RATE);
            self.last = Some(Last {
                timestamp: packet.timestamp.wrapping_add(ticks as u32),
                clock_rate: codec.clock_rate(),
                place: self.told.saturating_sub(left_out),
            });
            self.adjust_clock(arrival, by_timestamp);
            self.fresh = false;
        }
        self.samples = samples;
    }

    /// Lets the clock follow the sound that arrived at `arrival`.
    fn adjust_clock(&mut self, arrival: Instant, by_timestamp: bool) {
        match &mut self.clock {
            None => self.clock = Some(Clock::new(arrival, self.told)),
            Some(_) if self.catching_up => {}
            Some(clock) if by_timestamp => clock.lean(arrival, self.told),
            // Placed where time has got to, which is behind the wall clock by the grace: no reason to hurry after it.
            // Ahead of it the clock stays: timestamps that run too fast must not take it along.
            Some(clock) if clock.samples(arrival) > self.told as f64 => *clock = Clock::new(arrival, self.told),
            Some(_) => {}
        }
    }

    /// The decoder of a payload type; `None` if this build has none.
    fn decoder(&mut self, payload_type: u8, codec: Codec) -> Option<&mut Decoder> {
        let at = match self.decoders.iter().position(|(number, _)| *number == payload_type) {
            Some(at) => at,
            None => {
                self.decoders.push((payload_type, Decoder::new(codec).ok()?));
                self.decoders.len() - 1
            }
        };
        self.decoders.get_mut(at).map(|(_, decoder)| decoder)
    }

    fn miss(&mut self, samples: u64, heard: &mut impl FnMut(Heard<'_>)) {
        heard(Heard::Frame(Frame::Missing { samples: usize::try_from(samples).unwrap_or(usize::MAX) }));
        self.told += samples;
        self.stats.missing += samples;
    }
}

/// What packets are that come after time has gone on without them.
enum Delayed {
    /// Nothing of the kind.
    No,
    /// It can't be told yet.
    Undecided,
    /// The packets of that time.
    Yes,
    /// Later ones.
    Anew,
}
