//! Spectral peaks to tones: tracks of stable frequency, and a closer look at each that ends.
//!
//! A track follows one peak from hop to hop, also where it bends. When it ends, its edges, frequency and level are measured
//! again on the samples themselves (see [`crate::detect::look`]), unless what was seen of it by then shows that it is a piece of a
//! voice, as most are.

use smallvec::{SmallVec, smallvec};

use crate::audio::SampleTime;
use crate::detect::look::{Look, Path, Room, before};
use crate::detect::per_hop::PerHop;
use crate::detect::spectrum::{Analyzer, HOP, Hop, Peak, WINDOW, decibels};
use crate::detect::{tone_trees, trees};

/// Peaks with less of the hop's energy than this start no track.
const LEAST_SHARE: f32 = 0.12;
/// Nor do peaks fainter than this, in dB.
const LEAST_LEVEL_DB: f32 = -56.0;
/// How far a peak may be from where its track should be, in hertz; and how much further per hertz that the track moves in a hop.
const STEP_HZ: f32 = 14.0;
const STEP_MORE: f32 = 0.5;
/// How far the second hop's peak may be from the first one's, in hertz, where it holds this share of the energy: chirps.
const BEND_HZ: f32 = 60.0;
const BEND_SHARE: f32 = 0.3;
/// How much of a track's movement is that of its last hop.
const BEND_LAST: f32 = 0.4;
/// A track whose peak falls this far below its level has ended, though its frequency is still in the window.
const FALL_DB: f32 = 9.0;
/// A tone this much fainter than what was heard some hops before it began is that sound's end, in dB.
const TAIL_DB: f32 = 9.0;
/// Unless it grew so much louder from one hop to the next.
const ROSE_DB: f32 = 3.0;
/// Hops without the peak that end a track: a lost packet that the network filled with silence hides it for two.
const GAP: u32 = 3;
/// The same while sound is missing: a tone is bridged over 100 ms of loss.
const GAP_MISSING: u32 = 10;
/// Tracks followed at once.
const TRACKS: usize = 8;
/// The rest of a tone begins within this after its first piece, in ms, and differs by less, in hertz and dB.
const HOLE_MS: u64 = 45;
const HOLE_HZ: f32 = 15.0;
const HOLE_DB: f32 = 6.0;
/// Hops that make an ended track worth a closer look.
const LEAST_HOPS: u32 = 4;
/// Longer tracks are not looked at again: the samples of their beginning are not kept, and no beep is so long.
const LONGEST_MS: u64 = 3_000;
/// A component of it may have begun so much before.
const SLACK_MS: u64 = 200;
/// Components of one tone begin within so many samples of one another.
const TOGETHER: u64 = 4 * HOP as u64;
/// Levels of so many hops are kept: 1.28 s.
const PAST: usize = 128;
/// Sound that is this much fainter than the tone after it is a pause, in dB.
const QUIET_DB: f32 = 10.0;
/// Numbers that tell a tone from a piece of a voice without a closer look.
const SHAPE_FEATURES: usize = 10;
/// Probability of a tone from which a closer look is worth its time.
const WORTH: f32 = 0.05;
/// Tones this steady are always looked at: the network's, which follow one another without a pause. Share of the energy, length in
/// ms, spread of the frequency in hertz.
const STEADY_SHARE: f32 = 0.45;
const STEADY_MS: u64 = 150;
const STEADY_WANDER_HZ: f32 = 8.0;
/// The first hop that shows a tone ends so many samples after its beginning, on average, and the last one after its end.
const SEEN_AFTER: u64 = 150;
const SEEN_AFTER_END: u64 = 106;

/// A peak followed over hops.
#[derive(Debug, Clone)]
pub(super) struct Track {
    /// End of the first hop that shows it.
    pub(super) first: SampleTime,
    /// End of the last hop that shows it.
    pub(super) last: SampleTime,
    /// Hops that show it.
    pub(super) hops: u32,
    gap: u32,
    gap_missing: u32,
    hz: f32,
    /// Movement in hertz per hop, smoothed.
    step_hz: f32,
    loudest_db: f32,
    sum: f64,
    sum_hz: f64,
    sum_hz2: f64,
    sum_n: f64,
    sum_n2: f64,
    sum_hz_n: f64,
    sum_share: f64,
    sum_db: f64,
    sum_db2: f64,
    sum_harmonicity: f64,
    /// Loudest level of the band in the hops before it began.
    before_db: f32,
    /// Sound grew louder when it began.
    rose: bool,
}

impl Track {
    fn new(hop: &Hop, peak: &Peak, before_db: f32, rose: bool) -> Self {
        let mut track = Self {
            first: hop.end,
            last: hop.end,
            hops: 0,
            gap: 0,
            gap_missing: 0,
            hz: peak.hz,
            step_hz: 0.0,
            loudest_db: peak.level_db,
            sum: 0.0,
            sum_hz: 0.0,
            sum_hz2: 0.0,
            sum_n: 0.0,
            sum_n2: 0.0,
            sum_hz_n: 0.0,
            sum_share: 0.0,
            sum_db: 0.0,
            sum_db2: 0.0,
            sum_harmonicity: 0.0,
            before_db,
            rose,
        };
        track.extend(hop, peak);
        track
    }

    fn extend(&mut self, hop: &Hop, peak: &Peak) {
        let step_hz = (peak.hz - self.hz) / (1 + self.gap) as f32;
        self.step_hz = if self.hops == 1 { step_hz } else { (1.0 - BEND_LAST) * self.step_hz + BEND_LAST * step_hz };
        self.last = hop.end;
        self.hops += 1;
        self.gap = 0;
        self.gap_missing = 0;
        self.hz = peak.hz;
        self.loudest_db = self.loudest_db.max(peak.level_db);
        let n = hop.end.ms_since(self.first) as f64 / 1000.0;
        let (hz, db) = (f64::from(peak.hz), f64::from(peak.level_db));
        self.sum += 1.0;
        self.sum_hz += hz;
        self.sum_hz2 += hz * hz;
        self.sum_n += n;
        self.sum_n2 += n * n;
        self.sum_hz_n += hz * n;
        self.sum_share += f64::from(peak.share);
        self.sum_db += db;
        self.sum_db2 += db * db;
        self.sum_harmonicity += f64::from(hop.harmonicity);
    }

    /// How far a peak is from where the track should be, in hertz, if it may belong to it.
    fn distance_hz(&self, peak: &Peak) -> Option<f32> {
        let moved = self.step_hz * (1 + self.gap) as f32;
        let reach = match self.hops {
            1 if peak.share > BEND_SHARE => BEND_HZ,
            _ => STEP_HZ + STEP_MORE * moved.abs(),
        };
        let distance = (peak.hz - self.hz - moved).abs();
        (distance < reach && peak.level_db > self.loudest_db - FALL_DB).then_some(distance)
    }

    /// Mean frequency in hertz.
    pub(super) fn hz(&self) -> f32 {
        (self.sum_hz / self.sum) as f32
    }

    /// Mean level in dB.
    pub(super) fn level_db(&self) -> f32 {
        (self.sum_db / self.sum) as f32
    }

    /// Mean share of the energy.
    pub(super) fn share(&self) -> f32 {
        (self.sum_share / self.sum) as f32
    }

    /// Whether the last hop showed it.
    pub(super) fn is_present(&self) -> bool {
        self.gap == 0
    }

    /// Whether it is what is left in the window of a louder sound that has ended.
    pub(super) fn is_tail(&self) -> bool {
        !self.rose && self.loudest_db < self.before_db - TAIL_DB
    }

    /// Length so far in milliseconds.
    pub(super) fn ms(&self) -> u64 {
        self.last.ms_since(self.first) + 10
    }

    /// Change of frequency in hertz per second, and what remains of its spread when that is taken away.
    fn motion(&self) -> (f32, f32) {
        let (mean_n, mean_hz) = (self.sum_n / self.sum, self.sum_hz / self.sum);
        let spread_n = self.sum_n2 / self.sum - mean_n * mean_n;
        let together = self.sum_hz_n / self.sum - mean_n * mean_hz;
        let spread = self.sum_hz2 / self.sum - mean_hz * mean_hz;
        if spread_n <= 1e-9 {
            return (0.0, 0.0);
        }
        let slope = together / spread_n;
        (slope as f32, (spread - slope * together).max(0.0).sqrt() as f32)
    }
}

/// What the hops showed of a tone that ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape {
    /// Mean frequency of its strongest component, in hertz.
    hz: f32,
    /// Frequency of the second component, 0 if there is none.
    pub(super) second_hz: f32,
    /// Level of the second component relative to the strongest, dB.
    pub(super) second_db: f32,
    /// Mean share of the energy in all components, 0.0 to 1.0.
    pub(super) share: f32,
    /// Change of frequency, hertz per second.
    pub(super) slope: f32,
    /// Spread of the frequency from hop to hop around that change, in hertz.
    pub(super) wander: f32,
    /// Spread of the level from hop to hop, in dB.
    pub(super) unsteady_db: f32,
    /// Components.
    pub(super) parts: u32,
    /// How periodic the sound was at a voice's pitch, on average, 0.0 to 1.0.
    pub(super) harmonicity: f32,
    /// How much fainter the band was before it, in dB.
    pub(super) rise_db: f32,
    /// How much fainter the band was when its end was noticed, in dB.
    pub(super) fall_db: f32,
}

impl Shape {
    /// That of components which end together at this hop, strongest first.
    fn of(parts: &[Track], hop: &Hop) -> Self {
        let track = &parts[0];
        let (slope, wander) = track.motion();
        let spread = track.sum_db2 / track.sum - (track.sum_db / track.sum).powi(2);
        let second = parts.get(1);
        Self {
            hz: track.hz(),
            second_hz: second.map_or(0.0, Track::hz),
            second_db: second.map_or(-60.0, |second| second.level_db() - track.level_db()),
            share: parts.iter().map(Track::share).sum::<f32>().min(1.0),
            slope,
            wander,
            unsteady_db: spread.max(0.0).sqrt() as f32,
            parts: parts.len() as u32,
            harmonicity: (track.sum_harmonicity / track.sum) as f32,
            rise_db: (track.loudest_db - track.before_db).min(60.0),
            fall_db: (track.loudest_db - hop.level_db).min(60.0),
        }
    }

    /// What `training/beep.py` names in this order.
    fn features(&self) -> [f32; SHAPE_FEATURES] {
        [
            self.share,
            self.wander,
            self.slope.abs(),
            self.unsteady_db,
            self.rise_db,
            self.fall_db,
            self.second_db,
            self.parts as f32,
            self.harmonicity,
            self.hz,
        ]
    }

    /// Whether it may be a tone, and no piece of a voice. `ms` is how long it was seen.
    fn may_be_tone(&self, ms: u64) -> bool {
        let steady = self.share > STEADY_SHARE && ms >= STEADY_MS && self.wander < STEADY_WANDER_HZ;
        steady || trees::probability(&self.features(), tone_trees::PRIOR, &tone_trees::TREES) >= WORTH
    }
}

/// A tone that ended, measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tone {
    /// First sample.
    pub(super) on: SampleTime,
    /// First sample after it.
    pub(super) off: SampleTime,
    /// Frequency in hertz; of several components the strongest one's.
    pub(super) hz: f32,
    /// Level of the strongest component, dB relative to a full-scale sine.
    pub(super) level_db: f32,
    /// What the hops showed of it.
    pub(super) shape: Shape,
    /// What the samples say of the strongest component.
    pub(super) look: Look,
    /// How long it was quiet before it, in milliseconds, at most [`PAST`] hops.
    pub(super) quiet_ms: f32,
    /// The loudest hop of the second before it, relative to it, in dB.
    pub(super) past_db: f32,
}

/// What ended and was not looked at: a piece of a voice, or of noise. Its edges are known to a hop or so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Piece {
    /// First sample, nearly.
    pub(super) on: SampleTime,
    /// First sample after it, nearly.
    pub(super) off: SampleTime,
    /// Mean frequency of its strongest component, in hertz.
    pub(super) hz: f32,
    /// Mean level of that, in dB.
    pub(super) level_db: f32,
}

impl Tone {
    /// Length in milliseconds.
    pub(super) fn ms(&self) -> u64 {
        self.off.ms_since(self.on)
    }

    /// It and the tone after it as one, if that is its rest: a lost packet, or a codec that lost its way, parted them.
    pub(super) fn with_rest(&self, rest: &Self) -> Option<Self> {
        let goes_on = rest.on >= self.on && rest.off > self.off && rest.on.ms_since(self.off) <= HOLE_MS;
        let same = (rest.hz - self.hz).abs() < HOLE_HZ && (rest.level_db - self.level_db).abs() < HOLE_DB;
        // What its middle is like the longer one tells better.
        let middle = if self.ms() < rest.ms() { rest } else { self };
        (goes_on && same).then_some(Self {
            on: self.on,
            off: rest.off,
            hz: middle.hz,
            level_db: middle.level_db,
            shape: Shape { rise_db: self.shape.rise_db, fall_db: rest.shape.fall_db, ..middle.shape },
            look: Look {
                on: self.look.on,
                attack_ms: self.look.attack_ms,
                on_db: self.look.on_db,
                before_db: self.look.before_db,
                off: rest.look.off,
                release_ms: rest.look.release_ms,
                off_db: rest.look.off_db,
                after_db: rest.look.after_db,
                ..middle.look
            },
            quiet_ms: self.quiet_ms,
            past_db: self.past_db,
        })
    }
}

/// Follows the tones of one stream.
#[derive(Debug)]
pub(super) struct Tones {
    tracks: Vec<Track>,
    /// What ended with the last hop without being looked at.
    pieces: SmallVec<[Piece; 1]>,
    /// The tone that ended last: its rest may follow.
    last: Option<Tone>,
    /// Everything is looked at: for training what is worth it.
    thorough: bool,
    /// Levels of the last hops whose sound arrived, newest last.
    levels: [f32; 8],
    /// Levels of the last hops in whole dB, hop by hop.
    past: PerHop<i8, PAST>,
}

impl Default for Tones {
    fn default() -> Self {
        Self {
            tracks: Vec::new(),
            pieces: SmallVec::new(),
            last: None,
            thorough: false,
            levels: [0.0; 8],
            past: PerHop::filled(i8::MIN),
        }
    }
}

impl Tones {
    /// From now on everything that ends is looked at.
    pub(super) fn look_at_all(&mut self) {
        self.thorough = true;
    }

    /// What ended with the last hop and is no tone.
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The tracks that run.
    pub(super) fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// The first sample that may be looked at when the tones that run have ended; those that will be too long to be looked at
    /// do not count.
    pub(super) fn needs_from(&self) -> Option<SampleTime> {
        let needed = self.tracks.iter().filter(|track| track.ms() <= LONGEST_MS + SLACK_MS);
        needed.map(|track| before(track.first)).min()
    }

    /// Takes one hop; gives the tones whose end it shows. A tone that seemed to have ended before and went on is given again, whole.
    pub(super) fn push(&mut self, hop: &Hop, analyzer: &Analyzer, room: &mut Room) -> SmallVec<[Tone; 1]> {
        self.past.set(hop.end, if hop.tainted { i8::MIN } else { hop.level_db.clamp(-100.0, 20.0) as i8 });
        if hop.tainted {
            for track in &mut self.tracks {
                track.gap_missing += 1;
            }
        } else {
            self.follow(hop);
            self.levels.rotate_left(1);
            self.levels[7] = hop.level_db;
        }
        self.pieces.clear();
        let mut ended = SmallVec::new();
        while let Some(at) = self.tracks.iter().position(|track| track.gap >= GAP || track.gap_missing >= GAP_MISSING) {
            let track = self.tracks.swap_remove(at);
            let Some(tone) = self.close(track, hop, analyzer, room) else { continue };
            let tone = self.last.as_ref().and_then(|first| first.with_rest(&tone)).unwrap_or(tone);
            self.last = Some(tone.clone());
            ended.push(tone);
        }
        ended
    }

    fn follow(&mut self, hop: &Hop) {
        let mut taken = [false; 4];
        self.tracks.sort_by_key(|track| std::cmp::Reverse(track.hops));
        for track in &mut self.tracks {
            let nearest = (0..hop.peaks.len())
                .filter(|&n| !taken[n] && hop.peaks[n].share > 0.0)
                .filter_map(|n| Some((n, track.distance_hz(&hop.peaks[n])?)))
                .min_by(|a, b| a.1.total_cmp(&b.1));
            match nearest {
                Some((n, _)) => {
                    taken[n] = true;
                    track.extend(hop, &hop.peaks[n]);
                }
                None => track.gap += 1,
            }
        }
        // The window reaches three hops back: what was heard before the tone is older.
        let before_db = self.levels[1..5].iter().copied().fold(f32::MIN, f32::max);
        let rose = hop.level_db > self.levels[7] + ROSE_DB;
        for (peak, _) in hop
            .peaks
            .iter()
            .zip(taken)
            .filter(|(peak, taken)| !taken && peak.share >= LEAST_SHARE && peak.level_db >= LEAST_LEVEL_DB)
        {
            if self.tracks.len() < TRACKS {
                self.tracks.push(Track::new(hop, peak, before_db, rose));
            }
        }
    }

    /// Measures a track that ended, together with the components that end with it.
    fn close(&mut self, track: Track, hop: &Hop, analyzer: &Analyzer, room: &mut Room) -> Option<Tone> {
        if track.hops < LEAST_HOPS || track.ms() > LONGEST_MS {
            return None;
        }
        let mut parts: SmallVec<[Track; TRACKS]> = smallvec![track];
        let mut at = 0;
        while at < self.tracks.len() {
            let other = &self.tracks[at];
            if other.first.0.abs_diff(parts[0].first.0) > TOGETHER || other.hops < LEAST_HOPS {
                at += 1;
            } else if other.gap > 0 {
                parts.push(self.tracks.swap_remove(at));
            } else if other.level_db() > parts[0].level_db() - 10.0 {
                // A component of something that goes on is no tone by itself.
                return None;
            } else {
                at += 1;
            }
        }
        parts.sort_by(|a, b| b.level_db().total_cmp(&a.level_db()));
        let shape = Shape::of(&parts, hop);
        let strongest = &parts[0];
        if !self.thorough && !shape.may_be_tone(strongest.ms()) {
            self.pieces.push(Piece {
                on: SampleTime(strongest.first.0.saturating_sub(SEEN_AFTER)),
                off: SampleTime(strongest.last.0.saturating_sub(SEEN_AFTER_END)),
                hz: shape.hz,
                level_db: strongest.level_db(),
            });
            return None;
        }
        let mut tone = measure(strongest, shape, hop.end, analyzer, room);
        self.remember(&mut tone);
        Some(tone)
    }

    /// What was heard before a tone.
    fn remember(&self, tone: &mut Tone) {
        let level_db = |hops: u64| {
            let level = tone.on.0.checked_sub(hops * HOP as u64).map(|at| self.past.at(SampleTime(at)));
            level.filter(|level| *level > i8::MIN).map(f32::from)
        };
        let most = (PAST as u64).saturating_sub(tone.off.0.saturating_sub(tone.on.0) / HOP as u64 + 8);
        let loud = (0..most).find(|&n| level_db(n).is_some_and(|level| level > tone.level_db - QUIET_DB));
        tone.quiet_ms = 10.0 * loud.unwrap_or(most) as f32;
        let loudest = (0..most.min(100)).filter_map(level_db).fold(f32::MIN, f32::max);
        tone.past_db = (loudest - tone.level_db).clamp(-60.0, 30.0);
    }
}

/// A closer look at the samples of a tone's strongest component.
fn measure(track: &Track, shape: Shape, now: SampleTime, analyzer: &Analyzer, room: &mut Room) -> Tone {
    let path = Path {
        hz: shape.hz,
        slope: shape.slope,
        at: SampleTime((track.first.0 + (track.sum_n / track.sum * 8000.0) as u64).saturating_sub(WINDOW as u64 / 2)),
        first: track.first,
        last: track.last,
    };
    let look = Look::at(&path, now, analyzer, room);
    let level_db = decibels(look.amplitude * look.amplitude);
    Tone { on: look.on, off: look.off, hz: look.hz, level_db, shape, quiet_ms: 0.0, past_db: 0.0, look }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the hops show of a beep.
    const BEEP: Shape = Shape {
        hz: 1_000.0,
        second_hz: 0.0,
        second_db: -60.0,
        share: 0.98,
        slope: 1.0,
        wander: 0.5,
        unsteady_db: 0.5,
        parts: 1,
        harmonicity: 0.97,
        rise_db: 30.0,
        fall_db: 30.0,
    };

    #[test]
    fn only_what_may_be_a_tone_is_looked_at() {
        let beep = BEEP;
        assert!(beep.may_be_tone(80));
        // A vowel's harmonic: it bends, and the voice goes on.
        let piece = Shape {
            hz: 620.0,
            second_db: -3.0,
            share: 0.3,
            slope: 400.0,
            wander: 6.0,
            unsteady_db: 2.5,
            harmonicity: 0.8,
            rise_db: 0.0,
            fall_db: -2.0,
            ..beep
        };
        assert!(!piece.may_be_tone(100));
        // The first of three special information tones: the next one follows at once.
        let first = Shape { hz: 950.0, rise_db: -1.0, fall_db: -1.0, ..beep };
        assert!(first.may_be_tone(330));
    }

    #[test]
    fn the_rest_of_a_tone_makes_it_whole() {
        let shape = Shape { fall_db: 3.0, ..BEEP };
        let tone = |on_ms: u64, ms: u64, hz: f32, level_db: f32| {
            let (on, off) = (SampleTime(0).plus_ms(on_ms), SampleTime(0).plus_ms(on_ms + ms));
            let look = Look { on, off, attack_ms: on_ms as f32, release_ms: on_ms as f32, ..Look::default() };
            Tone { on, off, hz, level_db, shape, look, quiet_ms: on_ms as f32, past_db: -30.0 }
        };
        let first = tone(1_000, 300, 1_000.0, -20.0);
        let rest = Tone { shape: Shape { rise_db: -1.0, fall_db: 28.0, ..shape }, ..tone(1_330, 500, 1_002.0, -21.0) };
        let whole = first.with_rest(&rest).unwrap();
        assert_eq!((whole.on, whole.off, whole.hz, whole.level_db), (first.on, rest.off, 1_002.0, -21.0));
        assert_eq!((whole.shape.rise_db, whole.shape.fall_db), (30.0, 28.0));
        assert_eq!((whole.look.attack_ms, whole.look.release_ms, whole.quiet_ms), (1_000.0, 1_330.0, 1_000.0));
        let parted = [
            tone(1_350, 500, 1_000.0, -20.0),
            tone(1_330, 500, 1_020.0, -20.0),
            tone(1_330, 500, 1_000.0, -27.0),
            tone(900, 500, 1_000.0, -20.0),
            tone(1_100, 200, 1_000.0, -20.0),
        ];
        assert!(parted.iter().all(|rest| first.with_rest(rest).is_none()));
    }

    /// Vowels of a pitch that wanders, then a beep: the closer look is kept for the beep.
    #[test]
    fn what_ended_and_was_not_looked_at_is_remembered() {
        let (mut analyzer, mut workspace) = (Analyzer::default(), crate::detect::spectrum::Workspace::default());
        let (mut tones, mut room) = (Tones::default(), Room::default());
        let (mut looked, mut pieces) = (Vec::new(), 0);
        let mut phase = 0.0_f32;
        for hop in 0..250_u32 {
            let sound: Vec<i16> = (0..HOP as u32)
                .map(|n| {
                    let t = (hop * HOP as u32 + n) as f32 / 8_000.0;
                    let hz = if t < 2.0 { 140.0 + 40.0 * (9.0 * t).sin() } else { 1_000.0 };
                    phase = (phase + hz / 8_000.0).fract();
                    let turn = std::f32::consts::TAU * phase;
                    let wave = match t {
                        // Eight harmonics, an opening and closing mouth.
                        ..2.0 => (1..=8).map(|k| (k as f32 * turn).sin() * (5.0 * t + k as f32).sin()).sum::<f32>(),
                        2.1..2.4 => 3.0 * turn.sin(),
                        _ => 0.0,
                    };
                    (2_000.0 * wave) as i16
                })
                .collect();
            analyzer.take(&sound);
            let hop = analyzer.hop(&mut workspace).expect("a hop of samples was taken");
            looked.extend(tones.push(hop, &analyzer, &mut room));
            pieces += tones.pieces().len();
            analyzer.keep_from(tones.needs_from().unwrap_or(hop.end));
        }
        let beep = looked.iter().find(|tone| (tone.hz - 1_000.0).abs() < 2.0).expect("the beep was looked at");
        assert!(beep.ms().abs_diff(300) < 8, "{beep:?}");
        assert!(pieces > 3 * looked.len(), "{pieces} pieces, {} looked at", looked.len());
    }
}
