//! Spectral peaks to tones: tracks of stable frequency, and a closer look at each that ends.
//!
//! A track follows one peak from hop to hop. When it ends, its edges, frequency and level are measured again on the
//! samples themselves: the envelope at that frequency gives the edges to a few milliseconds, the phase gives the
//! frequency to a fraction of a hertz.

use crate::audio::SampleTime;
use crate::detect::spectrum::{Analyzer, HOP, Hop, Peak, WINDOW, decibels};

/// Peaks with less of the hop's energy than this start no track.
const LEAST_SHARE: f32 = 0.12;
/// Nor do peaks fainter than this, in dB.
const LEAST_LEVEL_DB: f32 = -56.0;
/// How far a peak may be from where its track was, in hertz: chirps move some 5 Hz per hop.
const STEP_HZ: f32 = 14.0;
/// A track whose peak falls this far below its level has ended, though its frequency is still in the window.
const FALL_DB: f32 = 9.0;
/// Hops without the peak that end a track: a lost packet that the network filled with silence hides it for two.
const GAP: u32 = 3;
/// The same while sound is missing: a tone is bridged over 100 ms of loss.
const GAP_MISSING: u32 = 10;
/// Tracks followed at once.
const TRACKS: usize = 8;
/// Hops that make an ended track worth a closer look.
const LEAST_HOPS: u32 = 4;
/// Longer tracks are not looked at again: the samples of their beginning are not kept, and no beep is so long.
const LONGEST_MS: u64 = 3_000;
/// A component of it may have begun so much before.
const SLACK_MS: u64 = 200;
/// Components of one tone begin within so many samples of one another.
const TOGETHER: u64 = 4 * HOP as u64;
/// The envelope is averaged over this many samples, and told every [`GRAIN`] samples.
const SMOOTH: usize = 64;
const GRAIN: usize = 16;

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
    /// Loudest level of the band in the hops before it began.
    before_db: f32,
}

impl Track {
    fn new(hop: &Hop, peak: &Peak, before_db: f32) -> Self {
        let mut track = Self {
            first: hop.end,
            last: hop.end,
            hops: 0,
            gap: 0,
            gap_missing: 0,
            hz: peak.hz,
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
            before_db,
        };
        track.extend(hop, peak);
        track
    }

    fn extend(&mut self, hop: &Hop, peak: &Peak) {
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

/// A tone that ended, measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tone {
    /// First sample.
    pub(super) on: SampleTime,
    /// First sample after it.
    pub(super) off: SampleTime,
    /// Frequency in hertz; of several components the strongest one's.
    pub(super) hz: f32,
    /// Frequency of the second component, 0 if there is none.
    pub(super) second_hz: f32,
    /// Level of the strongest component, dB relative to a full-scale sine.
    pub(super) level_db: f32,
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
    /// Spread of the envelope between the edges, relative to its mean.
    pub(super) ripple: f32,
    /// Spread of the phase around a steady change of frequency, in radians.
    pub(super) jitter: f32,
    /// How much fainter the band was before it, in dB.
    pub(super) rise_db: f32,
    /// How much fainter the band was when its end was noticed, in dB.
    pub(super) fall_db: f32,
}

impl Tone {
    /// Length in milliseconds.
    pub(super) fn ms(&self) -> u64 {
        self.off.ms_since(self.on)
    }
}

/// Follows the tones of one stream.
#[derive(Debug, Default)]
pub(super) struct Tones {
    tracks: Vec<Track>,
    /// Levels of the last hops, newest last.
    levels: [f32; 8],
}

impl Tones {
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

    /// Takes one hop; gives the tones whose end it shows.
    pub(super) fn push(&mut self, hop: &Hop, analyzer: &Analyzer) -> Vec<Tone> {
        if hop.tainted {
            for track in &mut self.tracks {
                track.gap_missing += 1;
            }
        } else {
            self.follow(hop);
            self.levels.rotate_left(1);
            self.levels[7] = hop.level_db;
        }
        let mut ended = Vec::new();
        while let Some(at) = self.tracks.iter().position(|track| track.gap >= GAP || track.gap_missing >= GAP_MISSING) {
            let track = self.tracks.swap_remove(at);
            ended.extend(self.close(track, hop, analyzer));
        }
        ended
    }

    fn follow(&mut self, hop: &Hop) {
        let mut taken = [false; 4];
        self.tracks.sort_by_key(|track| std::cmp::Reverse(track.hops));
        for track in &mut self.tracks {
            let nearest = (0..hop.peaks.len())
                .filter(|&n| !taken[n] && hop.peaks[n].share > 0.0)
                .min_by(|&a, &b| (hop.peaks[a].hz - track.hz).abs().total_cmp(&(hop.peaks[b].hz - track.hz).abs()));
            match nearest {
                Some(n)
                    if (hop.peaks[n].hz - track.hz).abs() < STEP_HZ
                        && hop.peaks[n].level_db > track.loudest_db - FALL_DB =>
                {
                    taken[n] = true;
                    track.extend(hop, &hop.peaks[n]);
                }
                _ => track.gap += 1,
            }
        }
        // The window reaches three hops back: what was heard before the tone is older.
        let before_db = self.levels[1..5].iter().copied().fold(f32::MIN, f32::max);
        for (peak, _) in hop
            .peaks
            .iter()
            .zip(taken)
            .filter(|(peak, taken)| !taken && peak.share >= LEAST_SHARE && peak.level_db >= LEAST_LEVEL_DB)
        {
            if self.tracks.len() < TRACKS {
                self.tracks.push(Track::new(hop, peak, before_db));
            }
        }
    }

    /// Measures a track that ended, together with the components that end with it.
    fn close(&mut self, track: Track, hop: &Hop, analyzer: &Analyzer) -> Option<Tone> {
        if track.hops < LEAST_HOPS || track.ms() > LONGEST_MS {
            return None;
        }
        let mut parts = vec![track];
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
        Some(measure(&parts, hop, analyzer))
    }
}

/// A closer look at the samples of a tone, strongest component first.
fn measure(parts: &[Track], hop: &Hop, analyzer: &Analyzer) -> Tone {
    let track = &parts[0];
    let look = envelope(track, hop, analyzer);
    let (slope, wander) = track.motion();
    let spread = track.sum_db2 / track.sum - (track.sum_db / track.sum).powi(2);
    let second = parts.get(1);
    let level_db = decibels(look.amplitude * look.amplitude);
    Tone {
        on: look.on,
        off: look.off,
        hz: look.hz,
        second_hz: second.map_or(0.0, Track::hz),
        level_db,
        second_db: second.map_or(-60.0, |second| second.level_db() - track.level_db()),
        share: parts.iter().map(Track::share).sum::<f32>().min(1.0),
        slope,
        wander,
        unsteady_db: spread.max(0.0).sqrt() as f32,
        ripple: look.ripple,
        jitter: look.jitter,
        rise_db: (track.loudest_db - track.before_db).min(60.0),
        fall_db: (track.loudest_db - hop.level_db).min(60.0),
    }
}

/// What the samples say of one component.
struct Look {
    on: SampleTime,
    off: SampleTime,
    hz: f32,
    amplitude: f32,
    ripple: f32,
    jitter: f32,
}

/// Where a closer look at what was first heard there begins.
fn before(first: SampleTime) -> SampleTime {
    SampleTime(first.0.saturating_sub(WINDOW as u64 + 3 * HOP as u64))
}

fn envelope(track: &Track, hop: &Hop, analyzer: &Analyzer) -> Look {
    let hz = f64::from(track.hz());
    let from = before(track.first);
    let to = hop.end.min(SampleTime(track.last.0 + 3 * HOP as u64));
    let grains = mix_down(hz, from, to, analyzer);
    let size = |grain: &Option<(f32, f32)>| grain.map(|(re, im)| re.hypot(im));
    // A grain's average lies half its length back.
    let at = |grain: usize| SampleTime(from.0 + ((grain + 1) * GRAIN).saturating_sub(SMOOTH / 2) as u64);
    let grain_of = |time: SampleTime| {
        (((time.0.saturating_sub(from.0)) as usize + SMOOTH / 2) / GRAIN).clamp(1, grains.len().max(1)) - 1
    };
    // The plateau: hops that certainly lie inside.
    let centre = WINDOW as u64 / 2;
    let inner = (
        grain_of(SampleTime(track.first.0.saturating_sub(centre))),
        grain_of(SampleTime(track.last.0.saturating_sub(centre))),
    );
    let mut plateau: Vec<f32> = Vec::with_capacity(grains.len());
    plateau.extend(grains[inner.0..=inner.1.max(inner.0)].iter().filter_map(size));
    let middle = plateau.len() / 2;
    let amplitude = if plateau.is_empty() { 0.0 } else { *plateau.select_nth_unstable_by(middle, f32::total_cmp).1 };
    let half = amplitude / 2.0;
    let under = |grain: usize| size(&grains[grain]).is_some_and(|size| size < half);

    // Outwards from the plateau until the envelope stays under half of it. The first and the last hop may show a tone
    // that fills less than half of their windows: the plateau begins further in.
    let middle = usize::midpoint(inner.0, inner.1.max(inner.0));
    let mut on = inner.0;
    while on < middle && under(on) {
        on += 1;
    }
    while on > 1 && !(under(on - 1) && under(on - 2)) {
        on -= 1;
    }
    let mut off = inner.1.max(inner.0);
    while off > middle && under(off) {
        off -= 1;
    }
    while off + 2 < grains.len() && !(under(off + 1) && under(off + 2)) {
        off += 1;
    }
    // Between the last grain under and the first one over lies the edge.
    let edge = |outside: usize, inside: usize| match (grains.get(outside).and_then(size), size(&grains[inside])) {
        (Some(low), Some(high)) if high > low && low < half && high >= half => (half - low) / (high - low),
        _ => 1.0,
    };
    let on_part = if on > 0 { 1.0 - edge(on - 1, on) } else { 0.0 };
    let off_part = if off + 1 < grains.len() { 1.0 - edge(off + 1, off) } else { 0.0 };
    let on_at = SampleTime(at(on).0.saturating_sub((on_part * GRAIN as f32) as u64));
    let off_at = SampleTime(at(off).0 + (off_part * GRAIN as f32) as u64).min(hop.end);

    // Away from the edges: ripple of the size, and the phase against time.
    let margin = SMOOTH / GRAIN / 2 + 1;
    let mut inside: Vec<(f64, f32, f32)> = Vec::with_capacity(grains.len());
    inside.extend(
        (on + margin..off.saturating_sub(margin) + 1)
            .filter_map(|grain| grains[grain].map(|(re, im)| (grain as f64, re.hypot(im), im.atan2(re)))),
    );
    let mean = inside.iter().map(|grain| grain.1).sum::<f32>() / inside.len().max(1) as f32;
    let spread = inside.iter().map(|grain| (grain.1 - mean).powi(2)).sum::<f32>() / inside.len().max(1) as f32;
    let (slope, jitter) = phase(&inside);
    Look {
        on: on_at,
        off: off_at.max(on_at),
        hz: (hz + slope / std::f64::consts::TAU * 8000.0 / GRAIN as f64) as f32,
        amplitude,
        ripple: if mean > 0.0 { spread.sqrt() / mean } else { 0.0 },
        jitter: jitter as f32,
    }
}

/// The samples mixed down from `hz` to 0 Hz and averaged: one complex value per grain. One with missing samples has none.
fn mix_down(hz: f64, from: SampleTime, to: SampleTime, analyzer: &Analyzer) -> Vec<Option<(f32, f32)>> {
    const GRAINS: usize = SMOOTH / GRAIN;
    /// Partial sums of a grain: vector instructions.
    const LANES: usize = 4;
    let scale = 2.0 / SMOOTH as f64 / 32_768.0;
    let turn = std::f64::consts::TAU * hz / 8000.0;
    let turned: [(f64, f64); GRAIN] = std::array::from_fn(|n| (turn * n as f64).sin_cos());
    let (sines, cosines) = (turned.map(|(sin, _)| sin), turned.map(|(_, cos)| cos));
    let (sin, cos) = (turn * GRAIN as f64).sin_cos();
    let mut at = (scale, 0.0);
    let mut last = [Some((0.0, 0.0)); GRAINS];
    let count = (to.0.saturating_sub(from.0)) as usize / GRAIN;
    let mut grains = Vec::with_capacity(count);
    for n in 0..count {
        last[n % GRAINS] = analyzer.piece::<GRAIN>(from.0 + (n * GRAIN) as u64).map(|samples| {
            let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
            for (n, sample) in samples.into_iter().enumerate() {
                re[n % LANES] += f64::from(sample) * cosines[n];
                im[n % LANES] -= f64::from(sample) * sines[n];
            }
            let (re, im) = (re.iter().sum::<f64>(), im.iter().sum::<f64>());
            (re * at.0 - im * at.1, re * at.1 + im * at.0)
        });
        at = (at.0 * cos + at.1 * sin, at.1 * cos - at.0 * sin);
        let sum = last.iter().try_fold((0.0, 0.0), |sum, grain| grain.map(|grain| (sum.0 + grain.0, sum.1 + grain.1)));
        grains.push(sum.map(|(re, im)| (re as f32, im as f32)));
    }
    grains
}

/// Fits a parabola to the unwrapped phase: its mean slope in radians per grain, and what remains in radians.
fn phase(inside: &[(f64, f32, f32)]) -> (f64, f64) {
    if inside.len() < 4 {
        return (0.0, 0.0);
    }
    let mut turns = 0.0;
    let mut last = f64::from(inside[0].2);
    let count = inside.len() as f64;
    let centre = inside.iter().map(|grain| grain.0).sum::<f64>() / count;
    let points: Vec<(f64, f64)> = inside
        .iter()
        .map(|&(grain, _, angle)| {
            let angle = f64::from(angle);
            let step = angle - last;
            turns -= (step / std::f64::consts::TAU).round() * std::f64::consts::TAU;
            last = angle;
            (grain - centre, angle + turns)
        })
        .collect();
    // Least squares on x and on x^2 less its mean; x is centred, and for evenly spaced points the two are orthogonal.
    let mean = points.iter().map(|point| point.1).sum::<f64>() / count;
    let square = points.iter().map(|point| point.0 * point.0).sum::<f64>() / count;
    let mut sums = (0.0, 0.0, 0.0, 0.0);
    for &(x, y) in &points {
        let bend = x * x - square;
        sums = (sums.0 + x * (y - mean), sums.1 + x * x, sums.2 + bend * (y - mean), sums.3 + bend * bend);
    }
    let (slope, bend) = (sums.0 / sums.1, if sums.3 > 0.0 { sums.2 / sums.3 } else { 0.0 });
    let rest = points.iter().map(|&(x, y)| (y - mean - slope * x - bend * (x * x - square)).powi(2)).sum::<f64>();
    (slope, (rest / count).sqrt())
}
