//! Ringback, busy and congestion tones by their cadence, whatever the country.
//!
//! All networks use one or two tones between 340 and 650 Hz (ITU-T E.180 and its list of national tones); what tells
//! them apart is when they sound. So pure sound in that band is cut into phases, on and off, and the phases are compared
//! with the known cadences. Anything else that is heard, speech or music, breaks the chain.

use std::collections::VecDeque;

use crate::audio::SampleTime;
use crate::detect::numbers::sum;
use crate::detect::spectrum::{BIN_HZ, HOP, Hop};

/// The band of the tones in hertz, with the width of a peak.
const BAND_HZ: (f32, f32) = (300.0, 700.0);
/// Where the strongest peak lies.
const PEAK_HZ: std::ops::Range<f32> = 340.0..650.0;
/// Share of the energy in the band while a tone sounds, and in its one or two peaks.
const SHARE: f32 = 0.8;
/// Fainter sound is off, in dB.
const FAINTEST_DB: f32 = -50.0;
/// Off is this much fainter than the tone: what is left may be noise 10 dB under it.
const FALL_DB: f32 = 6.5;
/// How far the strongest peak may move within one tone; two tones 40 Hz apart pull it to and fro.
const WANDER_HZ: f32 = 80.0;
/// The same for two tones that can be told apart: they swap places as the strongest.
const PAIR_HZ: f32 = 200.0;
/// Spread of the level within a tone, in dB: two near tones beat, notes and vowels swell and fade.
const UNSTEADY_DB: f32 = 4.0;
/// Hops that are neither a tone nor off before the chain breaks.
const DIRT: u32 = 6;
/// Shortest phase, in milliseconds: less is dirt.
const LEAST_MS: u64 = 60;
/// Busy and congestion: a tone this long, as much silence, twice; in milliseconds. Shorter ones are special dial tones.
const BUSY_MS: std::ops::Range<u64> = 150..820;
const BUSY_OFF_MS: std::ops::Range<u64> = 120..820;
const BUSY_ALIKE: f64 = 0.25;
/// Congestion in some networks is a long tone and a short one in turns, in a steady beat: how much its cycles differ.
const BEAT_ALIKE: f64 = 0.06;
/// Ringback: one long tone, or a short pair of tones, then a long silence; in milliseconds.
const RING_MS: std::ops::Range<u64> = 750..2_400;
/// A tone that long is one by itself: no vowel is so pure for so long.
const SURE_RING_MS: std::ops::Range<u64> = 900..2_400;
const RING_PAIR_MS: std::ops::Range<u64> = 300..520;
const RING_PAIR_GAP_MS: std::ops::Range<u64> = 120..320;
/// Ringback lies below this, in hertz: only busy tones, and beeps, are higher.
const RING_HZ: f32 = 520.0;
/// Silence between rings, in milliseconds, after a single ring and after a double one.
const RING_SILENCE_MS: u64 = 1_500;
const RING_PAIR_SILENCE_MS: u64 = 1_300;
/// A tone that begins after that silence is the next ring after this long, in milliseconds.
const NEXT_RING_MS: u64 = 250;
/// Two rings differ by less, in hertz.
const RING_NEAR_HZ: f32 = 45.0;
/// A tone that lasts longer than any ring or busy tone is a dial tone, or no tone of these at all.
const LONGEST_MS: u64 = 2_500;

/// What the network says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Progress {
    /// Ringback; otherwise busy or congestion.
    pub(super) ringing: bool,
    /// First sample of the first tone of the chain, nearly.
    pub(super) on: SampleTime,
    /// Lengths of the tone and of the silence in milliseconds.
    pub(super) on_ms: u64,
    /// See `on_ms`; of a first ring the silence so far.
    pub(super) off_ms: u64,
    /// Frequency of the strongest peak in hertz.
    pub(super) hz: f32,
    /// Cycles heard: 1 for a first ring and the silence after it, which may be the last one before the answer.
    pub(super) cycles: u32,
    /// Loudest level of the last tone in dB.
    pub(super) level_db: f32,
}

/// One stretch of tone, or of silence after it.
#[derive(Debug, Clone, Copy)]
struct Phase {
    tone: bool,
    on: SampleTime,
    off: SampleTime,
    hz: f32,
    /// It began with the stream, so that its length is not known.
    cut: bool,
}

impl Phase {
    fn ms(&self) -> u64 {
        self.off.ms_since(self.on)
    }
}

/// Follows one stream.
#[derive(Debug, Default)]
pub(super) struct CallProgress {
    /// Tone, silence, tone, silence...; the last one runs.
    phases: VecDeque<Phase>,
    dirt: u32,
    hops: u32,
    /// Hops that needed two peaks to be a tone.
    paired: u32,
    /// Levels after the edge: count, sum, sum of squares, loudest.
    levels: f32,
    sum_db: f32,
    sum_db2: f32,
    loudest_db: f32,
    low_hz: f32,
    high_hz: f32,
    heard: bool,
    /// The present chain was told already, as ringing or not.
    told: Option<bool>,
}

impl CallProgress {
    /// Whether the chain that runs may become a ringback or busy tone: what sounds so is no beep yet.
    pub(super) fn is_suspected(&self) -> bool {
        !self.phases.is_empty()
    }

    /// From the first tone of the chain that runs to the end of the last one: what was taken for speech there was none. And
    /// whether that is sure, because it has the form of a ring: beating pairs of tones sound like a voice all along.
    pub(super) fn span(&self) -> Option<(SampleTime, SampleTime, bool)> {
        let last = self.phases.iter().rev().find(|phase| phase.tone)?;
        // A vowel may be pure for a moment: it is shorter than a ring, and no other follows.
        let silent = self.phases.back().filter(|phase| !phase.tone).map_or(0, Phase::ms);
        let brief = last.ms() < BUSY_MS.start || last.ms() < RING_PAIR_MS.start && silent >= BUSY_OFF_MS.end;
        let vowel = brief && self.phases.len() <= 2;
        let mut tones = self.phases.iter().filter(|phase| phase.tone);
        let pairs = tones.clone().filter(|tone| RING_PAIR_MS.contains(&tone.ms())).count() >= 2;
        let ring = pairs || tones.any(|tone| SURE_RING_MS.contains(&tone.ms()) && tone.hz < RING_HZ);
        (!vowel).then_some((self.phases.front()?.on, last.off, ring))
    }

    /// Takes one hop; tells a cadence once it is known, and again when a ringing line turns busy.
    pub(super) fn push(&mut self, hop: &Hop) -> Option<Progress> {
        if hop.tainted {
            return None;
        }
        let first = !std::mem::replace(&mut self.heard, true);
        let fallen = !self.phases.is_empty() && hop.level_db < self.loudest_db - FALL_DB;
        // The last of a tone in the window is pure, too, but it has ended.
        let tone = is_tone(hop) && !fallen;
        let silent = hop.level_db < FAINTEST_DB || fallen;
        let begun = SampleTime(hop.end.0.saturating_sub(HOP as u64));
        match self.phases.back().copied() {
            None if tone => self.begin(hop, begun, first),
            None => {}
            Some(phase) if phase.tone && tone => {
                self.dirt = 0;
                self.extend(hop);
                let mean_db = self.sum_db / self.levels.max(1.0);
                let spread = (self.sum_db2 / self.levels.max(1.0) - mean_db * mean_db).max(0.0).sqrt();
                let wander = self.high_hz - self.low_hz;
                let pair = self.paired * 2 > self.hops;
                if phase.ms() > LONGEST_MS
                    || (self.levels > 8.0 && spread > UNSTEADY_DB)
                    || wander > if pair { PAIR_HZ } else { WANDER_HZ }
                {
                    self.reset();
                }
            }
            Some(phase) if !phase.tone && tone => {
                self.dirt = 0;
                if phase.ms() < LEAST_MS {
                    self.phases.pop_back();
                    self.extend(hop);
                } else {
                    if (hop.peaks[0].hz - phase.hz).abs() > PAIR_HZ {
                        self.reset();
                    }
                    self.begin(hop, begun, false);
                }
            }
            Some(phase) if silent => {
                let dirt = std::mem::take(&mut self.dirt);
                if phase.tone && phase.ms() < LEAST_MS {
                    // Two near tones beat: the pair may fade before it has sounded for that long.
                    self.dirt = dirt + 1;
                    if self.dirt > DIRT {
                        self.reset();
                    }
                    return None;
                }
                if phase.tone {
                    let hz = self.mean_hz();
                    if let Some(tone) = self.phases.back_mut() {
                        tone.hz = hz;
                    }
                    self.phases.push_back(Phase { tone: false, on: phase.off, off: hop.end, hz, cut: false });
                } else if let Some(last) = self.phases.back_mut() {
                    last.off = hop.end;
                    if last.ms() > 8_000 {
                        self.reset();
                    }
                }
            }
            Some(_) => {
                self.dirt += 1;
                if self.dirt > DIRT {
                    self.reset();
                }
            }
        }
        self.judge()
    }

    fn begin(&mut self, hop: &Hop, on: SampleTime, cut: bool) {
        if self.phases.len() >= 8 {
            self.phases.drain(..2);
        }
        (self.hops, self.paired) = (0, 0);
        (self.levels, self.sum_db, self.sum_db2) = (0.0, 0.0, 0.0);
        self.loudest_db = hop.level_db;
        (self.low_hz, self.high_hz) = (f32::MAX, f32::MIN);
        self.phases.push_back(Phase { tone: true, on, off: hop.end, hz: hop.peaks[0].hz, cut });
        self.extend(hop);
    }

    fn extend(&mut self, hop: &Hop) {
        if let Some(phase) = self.phases.back_mut() {
            phase.off = hop.end;
        }
        self.hops += 1;
        self.paired += u32::from(hop.peaks[0].share < SHARE);
        self.loudest_db = self.loudest_db.max(hop.level_db);
        // The first hops hold the edge.
        if self.hops > 3 {
            self.levels += 1.0;
            self.sum_db += hop.level_db;
            self.sum_db2 += hop.level_db * hop.level_db;
        }
        self.low_hz = self.low_hz.min(hop.peaks[0].hz);
        self.high_hz = self.high_hz.max(hop.peaks[0].hz);
    }

    fn mean_hz(&self) -> f32 {
        0.5 * (self.low_hz + self.high_hz)
    }

    fn reset(&mut self) {
        self.phases.clear();
        self.dirt = 0;
        self.told = None;
    }

    fn judge(&mut self) -> Option<Progress> {
        self.phases.make_contiguous();
        let (phases, _) = self.phases.as_slices();
        let found = busy(phases).or_else(|| ring(phases)).or_else(|| uneven(phases))?;
        let found = Progress { level_db: self.loudest_db, ..found };
        if self.told == Some(found.ringing) && found.cycles < 2 {
            return None;
        }
        let again = self.told.replace(found.ringing) == Some(found.ringing);
        (!again || found.cycles == 2).then_some(found)
    }
}

/// One or two peaks in the band, and little else.
fn is_tone(hop: &Hop) -> bool {
    const LOW: usize = (BAND_HZ.0 / BIN_HZ) as usize;
    const HIGH: usize = (BAND_HZ.1 / BIN_HZ) as usize;
    hop.level_db > FAINTEST_DB
        && PEAK_HZ.contains(&hop.peaks[0].hz)
        && hop.peaks[0].share + hop.peaks[1].share > SHARE
        && sum(&hop.power[LOW..=HIGH]) > SHARE * sum(&hop.power[4..])
}

fn alike(one: u64, other: u64) -> bool {
    (one as f64 - other as f64).abs() <= BUSY_ALIKE * one.max(other) as f64
}

/// Two tones and their silences, and the same again until the fourth tone has begun: congestion in some networks.
fn uneven(phases: &[Phase]) -> Option<Progress> {
    let [.., tone, silence, other, pause, again, gap, fourth] = phases else { return None };
    let fits = tone.tone
        && !tone.cut
        && fourth.ms() >= LEAST_MS
        && [tone, other, again].iter().all(|tone| BUSY_MS.contains(&tone.ms()))
        && [silence, pause, gap].iter().all(|silence| BUSY_OFF_MS.contains(&silence.ms()))
        && alike(tone.ms(), again.ms())
        && alike(silence.ms(), gap.ms());
    fits.then(|| Progress {
        ringing: false,
        on: tone.on,
        on_ms: tone.ms(),
        off_ms: silence.ms(),
        hz: tone.hz,
        cycles: 2,
        level_db: 0.0,
    })
}

/// Tone and silence of like length, twice, and the third tone begun.
fn busy(phases: &[Phase]) -> Option<Progress> {
    let [.., tone, silence, next_tone, next_silence, third] = phases else { return None };
    let even = (alike(tone.ms(), next_tone.ms()) || tone.cut && tone.ms() < next_tone.ms())
        && alike(silence.ms(), next_silence.ms())
        // The window makes tones longer and silences shorter; lengths of some networks differ by a third.
        && (0.5..2.0).contains(&(next_silence.ms() as f64 / next_tone.ms() as f64));
    let (cycle, next_cycle) = (next_tone.on.ms_since(tone.on), third.on.ms_since(next_tone.on));
    let beat = !tone.cut
        && BUSY_OFF_MS.contains(&silence.ms())
        && (cycle as f64 - next_cycle as f64).abs() <= BEAT_ALIKE * cycle as f64;
    let fits = tone.tone
        && third.ms() >= LEAST_MS
        && (tone.cut || BUSY_MS.contains(&tone.ms()))
        && BUSY_MS.contains(&next_tone.ms())
        && BUSY_OFF_MS.contains(&next_silence.ms())
        && (even || beat)
        && !(RING_PAIR_MS.contains(&next_tone.ms()) && next_silence.ms() * 10 < next_tone.ms() * 6);
    fits.then(|| Progress {
        ringing: false,
        on: tone.on,
        on_ms: next_tone.ms(),
        off_ms: next_silence.ms(),
        hz: next_tone.hz,
        cycles: 2,
        level_db: 0.0,
    })
}

/// A ring, single or double, a silence that is too long for a busy tone, and the next ring begun. The first ring alone is
/// told with one cycle.
fn ring(phases: &[Phase]) -> Option<Progress> {
    let told = |on: &Phase, on_ms, silence: &Phase, cycles| Progress {
        ringing: true,
        on: on.on,
        on_ms,
        off_ms: silence.ms(),
        hz: on.hz,
        cycles,
        level_db: 0.0,
    };
    let again = |first: &Phase, next: &Phase| {
        next.tone && next.ms() >= NEXT_RING_MS && (first.hz - next.hz).abs() < RING_NEAR_HZ && first.hz < RING_HZ
    };
    let pair = |first: &Phase, gap: &Phase, second: &Phase| {
        second.tone
            && RING_PAIR_MS.contains(&second.ms())
            && RING_PAIR_GAP_MS.contains(&gap.ms())
            && (alike(first.ms(), second.ms()) || first.cut && first.ms() < second.ms())
    };
    match phases {
        [.., first, gap, second, silence, next]
            if pair(first, gap, second) && silence.ms() >= RING_PAIR_SILENCE_MS && again(second, next) =>
        {
            Some(told(first, second.ms(), silence, 2))
        }
        // Some lines ring in short tones without the long silence.
        [.., first, gap, second, next_gap, third, silence]
            if !silence.tone
                && silence.ms() >= LEAST_MS
                && [second, third].iter().all(|tone| RING_PAIR_MS.contains(&tone.ms()))
                && [gap, next_gap].iter().all(|gap| RING_PAIR_GAP_MS.contains(&gap.ms()))
                && alike(second.ms(), third.ms())
                && (first.cut || alike(first.ms(), second.ms()))
                && next_gap.ms() * 10 < third.ms() * 6 =>
        {
            Some(told(first, third.ms(), next_gap, 2))
        }
        [.., first, silence, next]
            if (RING_MS.contains(&first.ms()) || first.cut && first.ms() < RING_MS.end)
                && silence.ms() >= RING_SILENCE_MS
                && again(first, next) =>
        {
            Some(told(first, first.ms(), silence, 2))
        }
        [.., first, gap, second, silence]
            if pair(first, gap, second) && !silence.tone && silence.ms() >= RING_PAIR_SILENCE_MS =>
        {
            Some(told(first, second.ms(), silence, 1))
        }
        [.., tone, silence]
            if !silence.tone
                && tone.hz < RING_HZ
                && !tone.cut
                && RING_MS.contains(&tone.ms())
                && silence.ms() >= RING_SILENCE_MS =>
        {
            Some(told(tone, tone.ms(), silence, 1))
        }
        _ => None,
    }
}
