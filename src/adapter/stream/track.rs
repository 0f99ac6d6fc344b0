//! One stream's messages to samples at 8 kHz: encoding, channel, order, place and rate.

use std::collections::{BTreeMap, HashMap};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::audio::resample::Resampler;
use crate::audio::{SAMPLE_RATE, g711};
use crate::wire::stream::{ByteOrder, Channel, Encoding, Format, Sound};

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Sound(Vec<i16>),
    /// Samples that did not come.
    Missing(usize),
}

/// What the sender's times are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    /// Messages are in order, and gaps in their times are sound that was left out.
    Gaps,
    /// Messages may overtake one another, too.
    Order,
}

/// One track on its way.
#[derive(Debug)]
pub(super) struct Track {
    format: Format,
    /// The first bytes of a sample whose others come in the next message.
    rest: Vec<u8>,
    /// `None` at 8 kHz.
    resampler: Option<Resampler>,
    /// Of linear samples, as soon as it is known.
    order: Option<ByteOrder>,
    places: Places,
    /// The sender's time of the beginning, and what has been told since, in ms.
    origin: Option<f64>,
    told_ms: f64,
    /// Messages that have overtaken others.
    waiting: BTreeMap<u64, Vec<u8>>,
    /// Times in a row that made no sense.
    odd: u32,
    began: Option<Instant>,
    last: Option<Instant>,
    /// How long nothing may come before the stream's time goes on by itself.
    grace: Duration,
    pub(super) counts: Counts,
}

/// What came.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Counts {
    /// Samples of one channel at the sender's rate.
    pub(super) samples: u64,
    /// Messages that came after their place was given up.
    pub(super) late: u64,
    /// Milliseconds that the sender left out.
    pub(super) missing_ms: f64,
    /// Seconds of sound, by the rate that held when it came.
    pub(super) sound_s: f64,
}

/// A gap of the sender's times that is sound left out, in ms; a smaller one is their jitter.
const GAP_MS: f64 = 60.0;
/// Messages that may wait for one that was overtaken.
const MAX_WAITING: usize = 5;
/// So many odd times in a row, and they are not believed any more.
const MAX_ODD: u32 = 10;
/// The sender's clock may run ahead of this one by so much, in ms.
const SLACK_MS: f64 = 2_000.0;
/// Bytes from which sound tells its byte order.
const ORDER_BYTES: usize = 64;

impl Track {
    pub(super) fn new(format: Format, places: Places, grace: Duration) -> Self {
        let order = match format.encoding {
            Encoding::L16(ByteOrder::Unknown) => None,
            Encoding::L16(order) => Some(order),
            _ => Some(ByteOrder::Little),
        };
        Self {
            resampler: resampler(format.rate),
            format,
            rest: Vec::new(),
            order,
            places,
            origin: None,
            told_ms: 0.0,
            waiting: BTreeMap::new(),
            odd: 0,
            began: None,
            last: None,
            grace,
            counts: Counts::default(),
        }
    }

    pub(super) const fn format(&self) -> Format {
        self.format
    }

    /// Goes on with another form; what was told stays told.
    pub(super) fn change(&mut self, format: Format) {
        let fresh = Self::new(format, self.places, self.grace);
        *self = Self { began: self.began, last: self.last, counts: self.counts, ..fresh };
    }

    /// Seconds of sound in so many bytes.
    pub(super) fn seconds(&self, bytes: usize) -> f64 {
        bytes as f64 / self.format.unit() as f64 / f64::from(self.format.rate)
    }

    /// Takes a message that came at `now`.
    pub(super) fn push(&mut self, now: Instant, sound: &Sound<'_>, out: &mut Vec<Piece>) {
        let began = *self.began.get_or_insert(now);
        let quiet = self.last.replace(now).map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        let at = sound.at_ms.filter(|_| self.odd < MAX_ODD);
        let Some(at) = at else { return self.tell(&sound.bytes, out) };
        match self.places {
            Places::Gaps => {
                self.gap(at, began, now, quiet, out);
                self.tell(&sound.bytes, out);
            }
            Places::Order => {
                self.waiting.insert(at, sound.bytes.to_vec());
                while let Some(first) = self.waiting.first_entry() {
                    let at = *first.key();
                    let half = self.format.unit() as f64 * f64::from(self.format.rate) / 1_000.0;
                    let half = (first.get().len() as f64 / half / 2.0).max(5.0);
                    let lead = self.origin.map_or(0.0, |origin| at as f64 - origin - self.told_ms);
                    if lead > half && self.waiting.len() <= MAX_WAITING {
                        return;
                    }
                    let bytes = self.waiting.pop_first().map(|(_, bytes)| bytes).unwrap_or_default();
                    if lead < -half {
                        // It was given up, or the sender's times are none.
                        self.odd += 1;
                        self.counts.late += 1;
                        continue;
                    }
                    self.odd = 0;
                    self.gap(at, began, now, quiet, out);
                    self.tell(&bytes, out);
                }
            }
        }
    }

    /// Tells what waits for what doesn't come any more.
    pub(super) fn flush(&mut self, out: &mut Vec<Piece>) {
        for bytes in std::mem::take(&mut self.waiting).into_values() {
            self.tell(&bytes, out);
        }
    }

    /// What the sender left out before its time `at`.
    fn gap(&mut self, at: u64, began: Instant, now: Instant, quiet: Duration, out: &mut Vec<Piece>) {
        let at = at as f64;
        let origin = *self.origin.get_or_insert(at - self.told_ms);
        let gap = at - origin - self.told_ms;
        if gap < -GAP_MS {
            // The sender's clock was set, or it is slower than its sound.
            self.origin = Some(at - self.told_ms);
            return;
        }
        if gap < GAP_MS {
            return;
        }
        // No more can be missing than time has passed. What the stream's own time has made up for, is told already.
        let most = now.saturating_duration_since(began).as_secs_f64() * 1_000.0 - self.told_ms + SLACK_MS;
        let missing = gap.min(most).max(0.0);
        if missing < gap {
            self.origin = Some(at - self.told_ms - missing);
        }
        self.told_ms += missing;
        self.counts.missing_ms += missing;
        let made_up = quiet.saturating_sub(self.grace).as_secs_f64() * 1_000.0;
        let samples = ((missing - made_up).max(0.0) * f64::from(SAMPLE_RATE) / 1_000.0) as usize;
        if samples > 0 {
            out.push(Piece::Missing(samples));
            if let Some(resampler) = &mut self.resampler {
                resampler.reset();
            }
        }
    }

    fn tell(&mut self, bytes: &[u8], out: &mut Vec<Piece>) {
        let unit = self.format.unit();
        let joined;
        let bytes = if self.rest.is_empty() {
            bytes
        } else {
            joined = [std::mem::take(&mut self.rest).as_slice(), bytes].concat();
            joined.as_slice()
        };
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % unit);
        self.rest = rest.to_vec();
        if self.order.is_none() {
            self.order = byte_order(whole, unit);
        }
        // Undecided sound is silence: it reads the same, or nearly.
        let order = self.order.unwrap_or(ByteOrder::Big);
        let count = whole.len() / unit;
        self.counts.samples += count as u64;
        let seconds = count as f64 / f64::from(self.format.rate);
        self.counts.sound_s += seconds;
        self.told_ms += seconds * 1_000.0;
        let format = self.format;
        let samples = whole.chunks_exact(unit).map(|unit| of_channel(unit, format, order)).map(quiet);
        let mut told = Vec::with_capacity(count);
        match &mut self.resampler {
            Some(resampler) => resampler.push(samples, &mut told),
            #[allow(clippy::cast_possible_truncation, reason = "samples of 16 bit, and floats are clipped by the cast")]
            None => told.extend(samples.map(|sample| sample.round() as i16)),
        }
        if !told.is_empty() {
            out.push(Piece::Sound(told));
        }
    }
}

/// The wanted channel's sample, in the range of 16 bits.
fn of_channel(unit: &[u8], format: Format, order: ByteOrder) -> f32 {
    let width = unit.len() / usize::from(format.channels);
    match format.channel {
        Channel::Number(number) => {
            let at = usize::from(number) * width;
            sample(unit.get(at..at + width).unwrap_or_default(), format.encoding, order)
        }
        Channel::Mix => unit.chunks_exact(width).map(|bytes| sample(bytes, format.encoding, order)).sum(),
    }
}

fn sample(bytes: &[u8], encoding: Encoding, order: ByteOrder) -> f32 {
    match (encoding, bytes) {
        (Encoding::Pcmu, &[byte]) => g711::decode_mulaw(byte).into(),
        (Encoding::Pcma, &[byte]) => g711::decode_alaw(byte).into(),
        (Encoding::L16(_), &[a, b]) if order == ByteOrder::Big => i16::from_be_bytes([a, b]).into(),
        (Encoding::L16(_), &[a, b]) => i16::from_le_bytes([a, b]).into(),
        (Encoding::F32, &[a, b, c, d]) => {
            let sample = f32::from_le_bytes([a, b, c, d]) * 32_767.0;
            if sample.is_finite() { sample.clamp(-32_768.0, 32_767.0) } else { 0.0 }
        }
        _ => 0.0,
    }
}

/// FreeSWITCH's taps begin with a constant -1, and fill a side with it that nothing is written to.
fn quiet(sample: f32) -> f32 {
    if sample.abs() <= 1.0 { 0.0 } else { sample }
}

/// The order in which sound is smoother; `None` for silence, which tells nothing.
fn byte_order(bytes: &[u8], unit: usize) -> Option<ByteOrder> {
    if bytes.len() < ORDER_BYTES {
        return None;
    }
    let first = |unit: &[u8]| unit.first_chunk::<2>().copied();
    let roughness = |read: fn([u8; 2]) -> i16| {
        let samples: Vec<f64> = bytes.chunks_exact(unit).filter_map(first).map(|pair| read(pair).into()).collect();
        let level: f64 = samples.iter().map(|sample| sample.abs()).sum();
        let change: f64 = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
        (level / samples.len() as f64, change / level.max(1.0))
    };
    let (little, big) = (roughness(i16::from_le_bytes), roughness(i16::from_be_bytes));
    // In the wrong order even the faintest noise is loud.
    if little.0.min(big.0) < 8.0 {
        return None;
    }
    Some(if little.1 < big.1 { ByteOrder::Little } else { ByteOrder::Big })
}

/// A resampler for a rate; those of a rate share their filter.
fn resampler(rate: u32) -> Option<Resampler> {
    static MADE: LazyLock<Mutex<HashMap<u32, Resampler>>> = LazyLock::new(Mutex::default);
    /// Rates are the peers': no more are kept than these.
    const MAX_RATES: usize = 32;
    if rate == SAMPLE_RATE {
        return None;
    }
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(resampler) = made.get(&rate) {
        return Some(resampler.clone());
    }
    let resampler = Resampler::new(rate).ok()?;
    if made.len() < MAX_RATES {
        made.insert(rate, resampler.clone());
    }
    Some(resampler)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;

    fn format(text: &str, rate: u32, channels: u8, channel: Channel) -> Format {
        let mut format = Format::narrow(Encoding::Pcmu);
        format.describe(text).unwrap();
        Format { rate, channels, channel, ..format }
    }

    fn track(format: Format, places: Places) -> Track {
        Track::new(format, places, Duration::from_millis(200))
    }

    fn sound(bytes: &[u8], at_ms: Option<u64>) -> Sound<'_> {
        Sound { bytes: Cow::Borrowed(bytes), at_ms }
    }

    fn samples(pieces: &[Piece]) -> Vec<i16> {
        let sound = |piece: &Piece| match piece {
            Piece::Sound(samples) => samples.clone(),
            Piece::Missing(_) => Vec::new(),
        };
        pieces.iter().flat_map(sound).collect()
    }

    /// What comes of messages at their times, in ms: `s` and `m` with lengths in ms.
    fn told(places: Places, messages: &[(u64, u64, usize)]) -> String {
        let mut track = track(format("pcmu", 8_000, 1, Channel::Number(0)), places);
        let start = Instant::now();
        let mut out = Vec::new();
        for &(came, at, ms) in messages {
            track.push(start + Duration::from_millis(came), &sound(&vec![0x80; ms * 8], Some(at)), &mut out);
        }
        track.flush(&mut out);
        let word = |piece: &Piece| match piece {
            Piece::Sound(samples) => format!("s{}", samples.len() / 8),
            Piece::Missing(samples) => format!("m{}", samples / 8),
        };
        out.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_encoding_and_side() {
        let bytes: Vec<u8> = [1000i16, -2000, 3000, -4000].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let cases = [
            (format("l16", 8_000, 2, Channel::Number(0)), vec![1000, 3000]),
            (format("l16", 8_000, 2, Channel::Number(1)), vec![-2000, -4000]),
            (format("l16", 8_000, 2, Channel::Mix), vec![-1000, -1000]),
            (format("l16", 8_000, 1, Channel::Number(0)), vec![1000, -2000, 3000, -4000]),
        ];
        for (format, wanted) in cases {
            // However it is cut.
            for cut in 0..bytes.len() {
                let (mut track, mut out) = (track(format, Places::Gaps), Vec::new());
                let (first, second) = bytes.split_at(cut);
                track.push(Instant::now(), &sound(first, None), &mut out);
                track.push(Instant::now(), &sound(second, None), &mut out);
                assert_eq!(samples(&out), wanted, "{format:?}");
            }
        }
        let floats: Vec<u8> = [0.5f32, -2.0, f32::NAN].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let (mut floating, mut out) = (track(format("f32", 8_000, 1, Channel::Number(0)), Places::Gaps), Vec::new());
        floating.push(Instant::now(), &sound(&floats, None), &mut out);
        assert_eq!(samples(&out), [16_384, -32_768, 0]);
    }

    #[test]
    fn minus_one_is_silence() {
        let (mut track, mut out) = (track(format("l16", 8_000, 1, Channel::Number(0)), Places::Gaps), Vec::new());
        track.push(Instant::now(), &sound(&[0xff; 8], None), &mut out);
        assert_eq!(samples(&out), [0; 4]);
    }

    #[test]
    fn the_byte_order_is_told_by_the_sound() {
        let wave: Vec<i16> = (0..800).map(|n| (8_000.0 * (f64::from(n) * 0.3).sin()) as i16).collect();
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let bytes = |wave: &[i16]| -> Vec<u8> {
                let pair = |sample: &i16| match order {
                    ByteOrder::Little => sample.to_le_bytes(),
                    _ => sample.to_be_bytes(),
                };
                wave.iter().flat_map(pair).collect()
            };
            let mut unknown = format("l16", 8_000, 1, Channel::Number(0));
            unknown.encoding = Encoding::L16(ByteOrder::Unknown);
            let (mut track, mut out) = (track(unknown, Places::Gaps), Vec::new());
            track.push(Instant::now(), &sound(&[0xff; 320], None), &mut out);
            for message in wave.chunks(160) {
                track.push(Instant::now(), &sound(&bytes(message), None), &mut out);
            }
            assert_eq!(samples(&out)[160..], wave, "{order:?}");
        }
    }

    #[test]
    fn gaps_are_missing_sound_and_no_more_than_has_passed() {
        assert_eq!(told(Places::Gaps, &[(0, 5, 20), (20, 25, 20), (40, 45, 20)]), "s20 s20 s20");
        // Left out, and sent in a burst later.
        assert_eq!(told(Places::Gaps, &[(0, 0, 20), (150, 120, 20), (150, 140, 20)]), "s20 m100 s20 s20");
        // The stream's time has made up for all but the grace.
        assert_eq!(told(Places::Gaps, &[(0, 0, 20), (1_020, 1_020, 20)]), "s20 m180 s20");
        // Times that jitter, start anywhere, go back, or jump further than time has passed.
        assert_eq!(told(Places::Gaps, &[(0, 90_000, 20), (20, 90_045, 20), (40, 90_038, 20)]), "s20 s20 s20");
        assert_eq!(told(Places::Gaps, &[(0, 5_000, 20), (20, 0, 20), (40, 20, 20)]), "s20 s20 s20");
        assert_eq!(told(Places::Gaps, &[(0, 0, 20), (20, 1 << 50, 20), (40, (1 << 50) + 20, 20)]), "s20 m2000 s20 s20");
    }

    #[test]
    fn order_is_restored() {
        let messages = [(0, 0, 20), (20, 40, 10), (20, 20, 20), (40, 50, 10), (60, 60, 20)];
        assert_eq!(told(Places::Order, &messages), "s20 s20 s10 s10 s20");
        // One that never comes is given up; come after all, it is late.
        let messages: Vec<_> = (0..10).filter(|n| *n != 3).chain([3, 10]).map(|n| (n * 20, n * 20, 20)).collect();
        let wanted = "s20 s20 s20 s20 s20 s20 s20 s20 s20 s20";
        assert_eq!(told(Places::Order, &messages).replace("m20 ", ""), wanted);
        // Times that are none: after some they are not looked at.
        let stuck: Vec<_> = (0..40).map(|n| (n * 20, 7, 20)).collect();
        assert!(told(Places::Order, &stuck).matches("s20").count() > 25);
    }

    proptest! {
        #[test]
        fn no_message_is_too_odd(
            messages in prop::collection::vec((0u64..100, any::<Option<u64>>(), prop::collection::vec(any::<u8>(), 0..99)), 0..40),
            rate in 4_000u32..192_000,
            channels in 1u8..5,
            kind in prop::sample::select(vec!["pcmu", "pcma", "l16", "f32"]),
            order in any::<bool>(),
        ) {
            let format = format(kind, rate, channels, Channel::Number(channels - 1));
            let mut track = track(format, if order { Places::Order } else { Places::Gaps });
            let (mut now, mut out) = (Instant::now(), Vec::new());
            let start = now;
            for (later, at_ms, bytes) in &messages {
                now += Duration::from_millis(*later);
                track.push(now, &sound(bytes, *at_ms), &mut out);
            }
            let missing: usize = out.iter().map(|piece| if let Piece::Missing(samples) = piece { *samples } else { 0 }).sum();
            let most = (now - start).as_millis() as usize * 8 + 2_000 * 8 + 8;
            prop_assert!(missing <= most, "{} of {}", missing, most);
        }
    }
}
