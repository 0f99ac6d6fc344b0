//! A closer look at the samples of a tone that ended.
//!
//! The samples are mixed down along the tone's path, a frequency that may bend, and summed in grains of 2 ms. What is left at
//! 0 Hz is the tone: the grains' size gives the edges to a few milliseconds, their phase the frequency to a fraction of a
//! hertz, and their spectrum, 250 Hz to either side in steps of 8 Hz, tells a tone or two from the harmonics of a voice.

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays of one length, indexed alike, become vector instructions"
)]

use std::f64::consts::TAU;
use std::sync::{Arc, LazyLock};

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use crate::audio::{SAMPLE_RATE, SampleTime};
use crate::detect::numbers::{sum, vectorized};
use crate::detect::spectrum::{Analyzer, HOP, WINDOW};

/// The envelope is averaged over this many samples, and told every [`GRAIN`] samples.
const SMOOTH: usize = 64;
const GRAIN: usize = 16;
const GRAIN_MS: f32 = GRAIN as f32 / 8.0;
/// Grains of an average.
const GRAINS: usize = SMOOTH / GRAIN;
/// Samples a second.
const RATE: f64 = SAMPLE_RATE as f64;
/// Paths that bend less than this from end to end, in hertz, are straight.
const STRAIGHT_HZ: f64 = 4.0;
/// Edges rise from and fall to these shares of the tone's size.
const EDGE: (f32, f32) = (0.2, 0.8);
/// Grains in which an edge lies: 80 ms.
const EDGE_GRAINS: usize = 40;
/// Grains that may hold an edge's slope: what is further outside is not the tone.
const OUTSIDE: usize = 6;
/// Grains of the stillest stretch: 40 ms.
const STILL: usize = 20;
/// Points of the grains' spectrum, and spectra that are averaged at most.
const POINTS: usize = 64;
const SPECTRA: usize = 6;

/// Where a tone was followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    /// Frequency in hertz at `at`, and its change in hertz per second.
    pub(super) hz: f32,
    pub(super) slope: f32,
    pub(super) at: SampleTime,
    /// Ends of the first and of the last hop that showed it.
    pub(super) first: SampleTime,
    pub(super) last: SampleTime,
}

/// What the samples say of one component.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Look {
    /// First sample, and first one after it.
    pub(super) on: SampleTime,
    pub(super) off: SampleTime,
    /// Mean frequency in hertz.
    pub(super) hz: f32,
    /// Amplitude, relative to full scale.
    pub(super) amplitude: f32,
    /// Spread of the envelope between the edges, relative to its mean; and of its stillest 40 ms.
    pub(super) ripple: f32,
    pub(super) still_ripple: f32,
    /// Spread of the phase around a steady change of frequency, in radians.
    pub(super) jitter: f32,
    /// Length of the edges in ms.
    pub(super) attack_ms: f32,
    pub(super) release_ms: f32,
    /// Level of its end relative to its beginning, in dB.
    pub(super) trend_db: f32,
    /// Level at its frequency before and after it, relative to it, in dB.
    pub(super) on_db: f32,
    pub(super) off_db: f32,
    /// Level of everything before and after it, relative to it, in dB.
    pub(super) before_db: f32,
    pub(super) after_db: f32,
    /// Share of the energy that lies within 250 Hz, between the edges.
    pub(super) within: f32,
    /// Share of that in one tone, in two, and how far apart these are, in hertz.
    pub(super) one: f32,
    pub(super) two: f32,
    pub(super) apart_hz: f32,
}

/// What a closer look works in; reused, it allocates nothing.
#[derive(Debug)]
pub(super) struct Room {
    grains: Vec<Option<Grain>>,
    smooth: Vec<Option<(f32, f32)>>,
    plateau: Vec<f32>,
    inside: Vec<(f64, f32, f32)>,
    points: Vec<(f64, f64)>,
    scratch: Vec<Complex<f32>>,
}

/// The grains' transform.
static PLAN: LazyLock<Arc<dyn Fft<f32>>> = LazyLock::new(|| FftPlanner::new().plan_fft_forward(POINTS));

/// Room is made for so many grains from the beginning: no longer tone is looked at.
const MOST_GRAINS: usize = 3_600 * 8 / GRAIN;

impl Default for Room {
    fn default() -> Self {
        Self {
            grains: Vec::with_capacity(MOST_GRAINS),
            smooth: Vec::with_capacity(MOST_GRAINS),
            plateau: Vec::with_capacity(MOST_GRAINS),
            inside: Vec::with_capacity(MOST_GRAINS),
            points: Vec::with_capacity(MOST_GRAINS),
            scratch: vec![Complex::default(); PLAN.get_inplace_scratch_len()],
        }
    }
}

impl Room {
    fn clear(&mut self) {
        self.grains.clear();
        self.smooth.clear();
        self.plateau.clear();
        self.inside.clear();
        self.points.clear();
    }
}

/// The sum over one grain, mixed down, and the energy of its samples.
#[derive(Debug, Clone, Copy, Default)]
struct Grain {
    re: f32,
    im: f32,
    energy: f32,
}

impl Look {
    /// Looks at what was heard along a path up to `now`.
    pub(super) fn at(path: &Path, now: SampleTime, analyzer: &Analyzer, room: &mut Room) -> Self {
        room.clear();
        let Room { grains, smooth, plateau, inside, points, scratch } = room;
        let from = before(path.first);
        let to = now.min(SampleTime(path.last.0 + 3 * HOP as u64));
        mix_down(path, from, to, analyzer, grains);
        let grains = grains.as_slice();
        // A grain's average lies half its length back.
        let at = |grain: usize| SampleTime(from.0 + ((grain + 1) * GRAIN).saturating_sub(SMOOTH / 2) as u64);
        let grain_of = |time: SampleTime| {
            (((time.0.saturating_sub(from.0)) as usize + SMOOTH / 2) / GRAIN).clamp(1, grains.len().max(1)) - 1
        };
        smooth.extend((0..grains.len()).map(|grain| averaged(grains, grain)));
        let smooth = smooth.as_slice();
        let size = |grain: &Option<(f32, f32)>| grain.map(length);
        // The plateau: hops that certainly lie inside.
        let centre = WINDOW as u64 / 2;
        let inner = (
            grain_of(SampleTime(path.first.0.saturating_sub(centre))),
            grain_of(SampleTime(path.last.0.saturating_sub(centre))),
        );
        plateau.extend(smooth[inner.0..=inner.1.max(inner.0)].iter().filter_map(size));
        let middle = plateau.len() / 2;
        let amplitude =
            if plateau.is_empty() { 0.0 } else { *plateau.select_nth_unstable_by(middle, f32::total_cmp).1 };
        let half = amplitude / 2.0;
        let under = |grain: usize| size(&smooth[grain]).is_some_and(|size| size < half);

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
        while off + 2 < smooth.len() && !(under(off + 1) && under(off + 2)) {
            off += 1;
        }
        // Between the last grain under and the first one over lies the edge.
        let edge = |outside: usize, inside: usize| match (smooth.get(outside).and_then(size), size(&smooth[inside])) {
            (Some(low), Some(high)) if high > low && low < half && high >= half => (half - low) / (high - low),
            _ => 1.0,
        };
        let on_part = if on > 0 { 1.0 - edge(on - 1, on) } else { 0.0 };
        let off_part = if off + 1 < smooth.len() { 1.0 - edge(off + 1, off) } else { 0.0 };
        let on_at = SampleTime(at(on).0.saturating_sub((on_part * GRAIN as f32) as u64));
        let off_at = SampleTime(at(off).0 + (off_part * GRAIN as f32) as u64).min(now);

        // Away from the edges: ripple of the size, and the phase against time.
        let margin = GRAINS / 2 + 1;
        let (first, last) = (on + margin, off.saturating_sub(margin) + 1);
        inside.extend(
            (first..last)
                .filter_map(|grain| smooth[grain].map(|(re, im)| (grain as f64, length((re, im)), im.atan2(re)))),
        );
        let ripple = ripple(inside);
        let still = inside.windows(STILL).step_by(STILL / 4).map(self::ripple).fold(ripple, f32::min);
        let (slope, jitter) = phase(inside, points);
        let level_db = |size: f32| if amplitude > 0.0 { relative_db(size, amplitude) } else { 0.0 };
        let mean = |part: &[(f64, f32, f32)]| part.iter().map(|grain| grain.1).sum::<f32>() / part.len().max(1) as f32;
        let third = inside.len() / 3;
        let trend_db =
            if third > 0 { relative_db(mean(&inside[inside.len() - third..]), mean(&inside[..third])) } else { 0.0 };
        let outside = (..on.saturating_sub(OUTSIDE), (off + OUTSIDE).min(smooth.len())..);
        let beside = |smooth: &[Option<(f32, f32)>]| {
            let sizes = smooth.iter().filter_map(size);
            level_db(sizes.clone().sum::<f32>() / sizes.count().max(1) as f32)
        };
        // A sine's energy is half of its amplitude's square.
        let around = |grains: &[Option<Grain>]| {
            let energies = grains.iter().flatten().map(|grain| grain.energy / GRAIN as f32);
            let count = energies.clone().count().max(1) as f32;
            level_db((2.0 * energies.sum::<f32>() / count).sqrt())
        };
        // How far it is along these grains, in ms, to one of such a size, beside the tone's.
        let far_ms = |grains: &mut dyn Iterator<Item = usize>, is_such: fn(f32, f32) -> bool| {
            let such = |grain: usize| size(&smooth[grain]).is_some_and(|size| is_such(size, amplitude));
            grains.take(EDGE_GRAINS).position(such).unwrap_or(EDGE_GRAINS) as f32 * GRAIN_MS
        };
        let (low, high) = (|size, of| size < EDGE.0 * of, |size, of| size >= EDGE.1 * of);
        let inner = grains.get(first..last).unwrap_or_default();
        let (within, one, two, apart_hz) = spectrum(inner, scratch);
        Self {
            on: on_at,
            off: off_at.max(on_at),
            hz: (f64::from(path.hz_at(from, usize::midpoint(first, last.max(first))))
                + slope / TAU * RATE / GRAIN as f64) as f32,
            amplitude,
            ripple,
            still_ripple: still,
            jitter: jitter as f32,
            attack_ms: far_ms(&mut (0..=on).rev(), low) + far_ms(&mut (on..=off), high),
            release_ms: far_ms(&mut (off..smooth.len()), low) + far_ms(&mut (on..=off).rev(), high),
            trend_db,
            on_db: beside(&smooth[outside.0]),
            off_db: beside(&smooth[outside.1.clone()]),
            before_db: around(&grains[outside.0]),
            after_db: around(&grains[outside.1]),
            within,
            one,
            two,
            apart_hz,
        }
    }
}

impl Path {
    /// Change of frequency in hertz per second, if it is worth following.
    fn bend(&self) -> f64 {
        let seconds = self.last.ms_since(self.first) as f64 / 1_000.0;
        let slope = f64::from(self.slope);
        if (slope * seconds).abs() < STRAIGHT_HZ { 0.0 } else { slope }
    }

    /// Frequency in the middle of a grain of those from `from` on.
    fn hz_at(&self, from: SampleTime, grain: usize) -> f32 {
        let middle = from.0 as f64 + (grain * GRAIN + GRAIN / 2) as f64;
        (f64::from(self.hz) + self.bend() * (middle - self.at.0 as f64) / RATE) as f32
    }
}

/// Where a closer look at what was first heard there begins.
pub(super) fn before(first: SampleTime) -> SampleTime {
    SampleTime(first.0.saturating_sub(WINDOW as u64 + 3 * HOP as u64))
}

fn relative_db(size: f32, to: f32) -> f32 {
    (20.0 * ((size + 1e-7) / (to + 1e-7)).log10()).clamp(-60.0, 30.0)
}

/// The mean of the grains up to this one, scaled to the amplitude of what is at 0 Hz; `None` where samples are missing.
fn averaged(grains: &[Option<Grain>], grain: usize) -> Option<(f32, f32)> {
    let part = &grains[(grain + 1).saturating_sub(GRAINS)..=grain];
    let sum = part.iter().try_fold((0.0, 0.0), |sum, grain| grain.map(|grain| (sum.0 + grain.re, sum.1 + grain.im)));
    sum.map(|(re, im)| (re * (2.0 / SMOOTH as f32), im * (2.0 / SMOOTH as f32)))
}

/// A complex number's absolute value.
fn length((re, im): (f32, f32)) -> f32 {
    (re * re + im * im).sqrt()
}

/// A turn's cosines and sines over a grain, and over the whole of it.
struct Turn {
    cosines: [f32; GRAIN],
    sines: [f32; GRAIN],
    whole: (f64, f64),
}

impl Turn {
    /// That of cosine and sine of one sample's turn.
    #[inline(always)]
    fn of(sample: (f64, f64)) -> Self {
        let (mut cosines, mut sines) = ([1.0; GRAIN], [0.0; GRAIN]);
        let mut whole = sample;
        // What is known, turned on by as much.
        for doubled in 0..GRAIN.trailing_zeros() {
            let known = 1 << doubled;
            for n in 0..known {
                (cosines[known + n], sines[known + n]) = turned((cosines[n], sines[n]), whole);
            }
            whole = turned(whole, whole);
        }
        Self { cosines: cosines.map(|cos| cos as f32), sines: sines.map(|sin| sin as f32), whole }
    }
}

/// A complex product.
#[inline(always)]
fn turned((re, im): (f64, f64), (cos, sin): (f64, f64)) -> (f64, f64) {
    (re * cos - im * sin, re * sin + im * cos)
}

/// The samples mixed down along the path: one complex value per grain. One with missing samples has none.
fn mix_down(path: &Path, from: SampleTime, to: SampleTime, analyzer: &Analyzer, grains: &mut Vec<Option<Grain>>) {
    const SCALE: f32 = 1.0 / 32_768.0;
    let turn_of = |hz: f64| {
        let (sin, cos) = (TAU * hz / RATE).sin_cos();
        (cos, sin)
    };
    let mut sample_turn = turn_of(f64::from(path.hz_at(from, 0)));
    // From grain to grain it turns faster, or more slowly, by as much each time.
    let bend = path.bend();
    let faster = turn_of(bend * GRAIN as f64 / RATE);
    let count = (to.0.saturating_sub(from.0)) as usize / GRAIN;
    vectorized(
        #[inline(always)]
        || {
            let mut turn = Turn::of(sample_turn);
            let mut at = (1.0, 0.0);
            for n in 0..count {
                if bend != 0.0 && n > 0 {
                    sample_turn = turned(sample_turn, faster);
                    turn = Turn::of(sample_turn);
                }
                let samples = analyzer.piece::<GRAIN>(from.0 + (n * GRAIN) as u64);
                grains.push(samples.map(
                    #[inline(always)]
                    |samples| {
                        let (mut re, mut im, mut energy) = ([0.0; GRAIN], [0.0; GRAIN], [0.0; GRAIN]);
                        for n in 0..GRAIN {
                            let sample = SCALE * f32::from(samples[n]);
                            re[n] = sample * turn.cosines[n];
                            im[n] = -sample * turn.sines[n];
                            energy[n] = sample * sample;
                        }
                        let (re, im) = (f64::from(sum(&re)), f64::from(sum(&im)));
                        let (re, im) = turned((re, im), (at.0, -at.1));
                        Grain { re: re as f32, im: im as f32, energy: sum(&energy) }
                    },
                ));
                at = turned(at, turn.whole);
            }
        },
    );
}

/// Spread of the sizes, relative to their mean.
fn ripple(inside: &[(f64, f32, f32)]) -> f32 {
    let count = inside.len().max(1) as f32;
    let mean = inside.iter().map(|grain| grain.1).sum::<f32>() / count;
    let spread = inside.iter().map(|grain| (grain.1 - mean).powi(2)).sum::<f32>() / count;
    if mean > 0.0 { spread.sqrt() / mean } else { 0.0 }
}

/// Fits a parabola to the unwrapped phase: its mean slope in radians per grain, and what remains in radians.
fn phase(inside: &[(f64, f32, f32)], points: &mut Vec<(f64, f64)>) -> (f64, f64) {
    if inside.len() < 4 {
        return (0.0, 0.0);
    }
    let mut turns = 0.0;
    let mut last = f64::from(inside[0].2);
    let count = inside.len() as f64;
    let centre = inside.iter().map(|grain| grain.0).sum::<f64>() / count;
    points.extend(inside.iter().map(|&(grain, _, angle)| {
        let angle = f64::from(angle);
        let step = angle - last;
        turns -= (step / TAU).round() * TAU;
        last = angle;
        (grain - centre, angle + turns)
    }));
    // Least squares on x and on x^2 less its mean; x is centred, and for evenly spaced points the two are orthogonal.
    let mean = points.iter().map(|point| point.1).sum::<f64>() / count;
    let square = points.iter().map(|point| point.0 * point.0).sum::<f64>() / count;
    let mut sums = (0.0, 0.0, 0.0, 0.0);
    for &(x, y) in points.iter() {
        let bend = x * x - square;
        sums = (sums.0 + x * (y - mean), sums.1 + x * x, sums.2 + bend * (y - mean), sums.3 + bend * bend);
    }
    let (slope, bend) = (sums.0 / sums.1, if sums.3 > 0.0 { sums.2 / sums.3 } else { 0.0 });
    let rest = points.iter().map(|&(x, y)| (y - mean - slope * x - bend * (x * x - square)).powi(2)).sum::<f64>();
    (slope, (rest / count).sqrt())
}

/// How much of the samples' energy the grains hold, how much of that lies in one tone and in two, and how far apart these are
/// in hertz. Spectra of [`POINTS`] grains under Hann's window, spread over all there are.
fn spectrum(inner: &[Option<Grain>], scratch: &mut [Complex<f32>]) -> (f32, f32, f32, f32) {
    let held: f32 = inner.iter().flatten().map(|grain| grain.re * grain.re + grain.im * grain.im).sum();
    let energy: f32 = inner.iter().flatten().map(|grain| grain.energy).sum();
    if inner.is_empty() || energy <= 0.0 {
        return (0.0, 0.0, 0.0, 0.0);
    }
    let within = (2.0 * held / GRAIN as f32 / energy).min(1.5);
    let length = inner.len().min(POINTS);
    let spare = inner.len() - length;
    let spectra = (2 * spare / POINTS + 1).min(SPECTRA);
    let mut power = [0.0; POINTS];
    let mut window = [0.0; POINTS];
    for (place, window) in window.iter_mut().take(length).enumerate() {
        *window = 0.5 - 0.5 * (std::f32::consts::TAU * (place as f32 + 0.5) / length as f32).cos();
    }
    for n in 0..spectra {
        let from = if spectra > 1 { n * spare / (spectra - 1) } else { spare / 2 };
        let mut points = [Complex::default(); POINTS];
        for ((point, grain), window) in points.iter_mut().zip(&inner[from..from + length]).zip(window) {
            *point = grain.map_or(Complex::default(), |grain| Complex::new(window * grain.re, window * grain.im));
        }
        PLAN.process_with_scratch(&mut points, scratch);
        power.iter_mut().zip(points).for_each(|(power, point)| *power += point.norm_sqr());
    }
    let total: f32 = power.iter().sum();
    if total <= 0.0 {
        return (within, 0.0, 0.0, 0.0);
    }
    // A main lobe is four bins of a window as long as the transform.
    let lobe = (2 * POINTS).div_ceil(length);
    let most = |power: &[f32; POINTS]| (0..POINTS).max_by(|&a, &b| power[a].total_cmp(&power[b])).unwrap_or(0);
    let take = |power: &mut [f32; POINTS], at: usize| {
        let lobe = (0..=2 * lobe).map(|n| (at + POINTS + n - lobe) % POINTS);
        lobe.map(|bin| std::mem::take(&mut power[bin])).sum::<f32>() / total
    };
    let first = most(&power);
    let one = take(&mut power, first);
    let second = most(&power);
    let two = one + take(&mut power, second);
    let bins = first.abs_diff(second);
    let apart = bins.min(POINTS - bins) as f64 * RATE / (GRAIN * POINTS) as f64;
    (within, one, two, apart as f32)
}
