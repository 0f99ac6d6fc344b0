//! RTP and SRTP sent (RFC 3550 section 5.1, RFC 3711): a recording cut into packets, each with the moment it is due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audio::SAMPLE_RATE;
use crate::audio::codec::Codec;
use crate::wire::rtp;
use crate::wire::rtp::srtp::Cryptor;

/// Length of a packet's sound, the same that FreeSWITCH and UniMRCP send.
pub const PTIME: Duration = Duration::from_millis(20);

const PACKET_SAMPLES: usize = 160;

/// What the client can send, in the order in which it is offered by default.
pub const CODECS: [Codec; 3] = [Codec::Pcmu, Codec::Pcma, Codec::L16Narrow];

/// The payload type that a codec is offered under.
pub(super) fn payload_type(codec: Codec) -> u8 {
    // 96 is the first dynamic one (RFC 3551 section 6); of the codecs that can be sent only L16/8000 needs one.
    codec.static_payload_type().unwrap_or(96)
}

/// What is sent when the recording has been played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AfterSound {
    /// Digital silence, as a call that goes on sounds.
    #[default]
    Silence,
    /// Nothing, as the UniMRCP client does.
    Nothing,
}

/// The sending side of one RTP stream. It stays through all recognitions of a call: one SSRC, and a timestamp that
/// follows real time across the pauses between them.
#[derive(Debug)]
pub(super) struct Player {
    sender: rtp::Sender,
    codec: Codec,
    payload_type: u8,
    /// When the first packet of the stream was due, and its timestamp.
    epoch: Option<(Instant, u32)>,
    playing: Option<Playing>,
    payload: Vec<u8>,
    packets: u64,
    /// What encrypts the packets, and how often the sequence number has rolled over.
    srtp: Option<(Cryptor, u32)>,
}

/// One recording on its way.
#[derive(Debug)]
struct Playing {
    sound: Arc<[i16]>,
    after: AfterSound,
    started: Instant,
    /// Packets sent of this recording.
    sent: u32,
}

impl Player {
    /// A stream whose numbers begin at random, taken from `seed` (RFC 3550 section 5.1). The codec is one of [`CODECS`].
    pub(super) fn new(codec: Codec, payload_type: u8, seed: u64, srtp: Option<Cryptor>) -> Self {
        let sender = rtp::Sender::new((seed >> 32) as u32, (seed >> 16) as u16, (seed as u32).rotate_left(11));
        let mut sender = sender;
        if srtp.is_some() {
            // A first packet that is lost must not leave it open whether the number has rolled over (RFC 3711 section
            // 3.3.1).
            sender.sequence_number &= 0x7FFF;
        }
        let srtp = srtp.map(|cryptor| (cryptor, 0));
        Self { sender, codec, payload_type, epoch: None, playing: None, payload: Vec::new(), packets: 0, srtp }
    }

    /// Packets sent since the stream began.
    pub(super) const fn packets(&self) -> u64 {
        self.packets
    }

    /// Starts to play: the first packet is due at once.
    pub(super) fn start(&mut self, now: Instant, sound: Arc<[i16]>, after: AfterSound) {
        let (first, timestamp) = *self.epoch.get_or_insert((now, self.sender.timestamp));
        let ticks = (now - first).as_micros() * u128::from(SAMPLE_RATE) / 1_000_000;
        // A timestamp wraps around: its low 32 bits are what there is of it.
        self.sender.timestamp = timestamp.wrapping_add(ticks as u32);
        self.playing = Some(Playing { sound, after, started: now, sent: 0 });
    }

    /// Stops playing.
    pub(super) fn stop(&mut self) {
        self.playing = None;
    }

    /// When the next packet is due; `None` if there is none to come. Packets are due at multiples of [`PTIME`] after
    /// the first, so that a late one does not delay those after it.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let playing = self.playing.as_ref()?;
        let ended = playing.after == AfterSound::Nothing && self.is_played();
        (!ended).then(|| playing.started + PTIME * playing.sent)
    }

    /// Whether the recording itself has been sent whole.
    pub(super) fn is_played(&self) -> bool {
        self.playing.as_ref().is_none_or(|playing| playing.position() >= playing.sound.len())
    }

    /// Writes the next packet over `packet` if one is due at `now`.
    pub(super) fn poll_packet(&mut self, now: Instant, packet: &mut Vec<u8>) -> bool {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return false;
        }
        let Some(playing) = &mut self.playing else { return false };
        let mut samples = [0; PACKET_SAMPLES];
        let rest = playing.sound.get(playing.position()..).unwrap_or_default();
        for (to, from) in samples.iter_mut().zip(rest) {
            *to = *from;
        }
        self.payload.clear();
        self.codec.encode(&samples, &mut self.payload).expect("calls are placed with codecs that can be sent");
        packet.clear();
        self.sender.write(self.payload_type, playing.sent == 0, &self.payload, PACKET_SAMPLES as u32, packet);
        if let Some((cryptor, roc)) = &mut self.srtp {
            cryptor.protect(*roc, packet).expect("a packet has its headers");
            if self.sender.sequence_number == 0 {
                *roc = roc.wrapping_add(1);
            }
        }
        playing.sent += 1;
        self.packets += 1;
        true
    }
}

impl Playing {
    const fn position(&self) -> usize {
        self.sent as usize * PACKET_SAMPLES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER_LEN: usize = 12;

    fn field(packet: &[u8], from: usize, len: usize) -> u64 {
        packet[from..from + len].iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    #[test]
    fn packets_are_due_every_20_ms_from_the_first_however_late_they_leave() {
        let start = Instant::now();
        let mut player = Player::new(Codec::Pcmu, 0, 0x1234_5678_9abc_def0, None);
        player.start(start, vec![1000; 400].into(), AfterSound::Nothing);
        let mut packet = Vec::new();
        assert!(player.poll_packet(start, &mut packet));
        assert_eq!(player.poll_timeout(), Some(start + PTIME));
        assert!(!player.poll_packet(start + Duration::from_millis(19), &mut packet));
        let late = start + Duration::from_millis(55);
        assert!(player.poll_packet(late, &mut packet));
        assert!(!player.is_played());
        assert!(player.poll_packet(late, &mut packet));
        assert!(player.is_played());
        assert_eq!(player.poll_timeout(), None, "the recording has ended");
        assert!(!player.poll_packet(late + PTIME, &mut packet));
        assert_eq!(player.packets(), 3);
    }

    #[test]
    fn header_fields_follow_one_another_and_the_marker_is_on_the_first() {
        let start = Instant::now();
        let mut player = Player::new(Codec::Pcma, 8, u64::MAX, None);
        player.start(start, vec![0; 320].into(), AfterSound::Silence);
        let mut first = Vec::new();
        let mut second = Vec::new();
        assert!(player.poll_packet(start, &mut first));
        assert!(player.poll_packet(start + PTIME, &mut second));
        assert_eq!((first.len(), first[0], first[1], second[1]), (172, 0x80, 0x88, 8));
        assert_eq!(field(&second, 2, 2), (field(&first, 2, 2) + 1) & 0xffff);
        assert_eq!(field(&second, 4, 4), (field(&first, 4, 4) + 160) & 0xffff_ffff);
        assert_eq!(field(&second, 8, 4), field(&first, 8, 4));
    }

    #[test]
    fn silence_follows_the_recording_and_the_last_packet_is_filled_with_it() {
        let start = Instant::now();
        let mut player = Player::new(Codec::L16Narrow, 96, 7, None);
        player.start(start, vec![-2; 161].into(), AfterSound::Silence);
        let mut packet = Vec::new();
        let mut payloads = Vec::new();
        for n in 0..3 {
            assert!(player.poll_packet(start + PTIME * n, &mut packet));
            payloads.push(packet[HEADER_LEN..].to_vec());
        }
        assert_eq!(payloads[0], [0xff, 0xfe].repeat(160));
        assert_eq!(payloads[1][..2], [0xff, 0xfe]);
        assert!(payloads[1][2..].iter().chain(&payloads[2]).all(|byte| *byte == 0));
        assert!(player.poll_timeout().is_some());
        player.stop();
        assert_eq!(player.poll_timeout(), None);
    }

    #[test]
    fn timestamp_follows_real_time_across_a_pause() {
        let start = Instant::now();
        let mut player = Player::new(Codec::Pcmu, 0, 99, None);
        let mut first = Vec::new();
        let mut again = Vec::new();
        player.start(start, vec![0; 160].into(), AfterSound::Nothing);
        assert!(player.poll_packet(start, &mut first));
        player.stop();
        let later = start + Duration::from_secs(3);
        player.start(later, vec![0; 160].into(), AfterSound::Nothing);
        assert!(player.poll_packet(later, &mut again));
        assert_eq!(again[1], 0x80, "marked after the pause");
        assert_eq!(field(&again, 4, 4), (field(&first, 4, 4) + 24_000) & 0xffff_ffff);
        assert_eq!(field(&again, 8, 4), field(&first, 8, 4));
        assert_eq!(field(&again, 2, 2), (field(&first, 2, 2) + 1) & 0xffff);
    }
}
