//! Special information tones: three rising tones before a network's announcement.
//!
//! North America (Bellcore SR-2275) codes the reason into the first two tones' frequency and length; ITU-T E.180 has one
//! form of 950, 1400 and 1800 Hz, 330 ms each.

use crate::audio::SampleTime;
use crate::detect::SitKind;
use crate::detect::tones::{Tone, Track};

/// Ranges of the three tones in hertz: North America and ITU-T together, and what networks make of them.
const FIRST_HZ: std::ops::Range<f32> = 880.0..1_020.0;
const SECOND_HZ: std::ops::Range<f32> = 1_340.0..1_460.0;
const THIRD_HZ: std::ops::Range<f32> = 1_720.0..1_860.0;
/// Recordings are played too fast or too slow: so much, at most, and how far the three tones may then lie from the nominal ones.
const SPEED: std::ops::Range<f32> = 0.85..1.17;
const SPEED_TOLERANCE: f32 = 0.015;
/// Tones that may be the first and the second one at such a speed, in hertz, and the share of the energy that each holds.
const ANY_FIRST_HZ: std::ops::Range<f32> = 770.0..1_160.0;
const ANY_SECOND_HZ: std::ops::Range<f32> = 1_150.0..1_680.0;
const ANY_SHARE: f32 = 0.6;
/// Nominal frequencies: North America's, and ITU-T's.
const NOMINAL_HZ: [[f32; 3]; 5] = [
    [913.8, 1_370.6, 1_776.7],
    [985.2, 1_370.6, 1_776.7],
    [913.8, 1_428.5, 1_776.7],
    [985.2, 1_428.5, 1_776.7],
    [950.0, 1_400.0, 1_800.0],
];
/// Length of the first two tones in milliseconds.
const LENGTH_MS: std::ops::Range<u64> = 180..470;
/// Length from which a tone is a long one (380 ms) and not a short one (274 ms).
const LONG_MS: f32 = 327.0;
/// The tones follow one another within this, in milliseconds.
const GAP_MS: u64 = 80;
/// The third tone is sure after this long.
const THIRD_MS: u64 = 120;
/// How far a frequency may lie from North America's, in hertz, to name the reason.
const NAMED_HZ: f32 = 15.0;
/// Share of the energy that each tone holds at least.
const SHARE: f32 = 0.45;

/// Special information tones that were heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sit {
    /// First sample of the first tone.
    pub(super) on: SampleTime,
    /// What they say.
    pub(super) kind: SitKind,
    /// The frequencies in hertz.
    pub(super) hz: [f32; 3],
}

/// Follows one stream.
#[derive(Debug, Default)]
pub(super) struct Triplet {
    first: Option<Tone>,
    second: Option<Tone>,
}

impl Triplet {
    /// Takes what the tones of a hop are; gives the triplet once, some 120 ms into the third tone.
    pub(super) fn push(&mut self, ended: &[Tone], tracks: &[Track]) -> Option<Sit> {
        for tone in ended.iter().filter(|tone| tone.shape.share > SHARE) {
            // A stream that begins within the first tone shows a shorter one.
            let cut = tone.on.0 < 800 && tone.ms() < LENGTH_MS.end;
            if ANY_SECOND_HZ.contains(&tone.hz)
                && LENGTH_MS.contains(&tone.ms())
                && self.first.as_ref().is_some_and(|first| follows(first, tone.on))
            {
                self.second = Some(tone.clone());
            } else if ANY_FIRST_HZ.contains(&tone.hz) && (LENGTH_MS.contains(&tone.ms()) || cut) {
                self.first = Some(tone.clone());
                self.second = None;
            }
        }
        let (first, second) = (self.first.as_ref()?, self.second.as_ref()?);
        let third = tracks
            .iter()
            .find(|track| track.share() > SHARE && track.ms() >= THIRD_MS && follows(second, track.first))?;
        let hz = [first.hz, second.hz, third.hz()];
        let usual = FIRST_HZ.contains(&hz[0]) && SECOND_HZ.contains(&hz[1]) && THIRD_HZ.contains(&hz[2]);
        let least = first.shape.share.min(second.shape.share).min(third.share());
        let speed = if usual { 1.0 } else { speed(hz).filter(|_| least > ANY_SHARE)? };
        let sit = Sit { on: first.on, kind: kind(first, second, speed), hz };
        self.first = None;
        self.second = None;
        Some(sit)
    }
}

/// How fast the tones are played, if they are these three.
fn speed(hz: [f32; 3]) -> Option<f32> {
    NOMINAL_HZ.iter().find_map(|nominal| {
        let speeds: [f32; 3] = std::array::from_fn(|n| hz[n] / nominal[n]);
        let speed = speeds.iter().sum::<f32>() / 3.0;
        let near = speeds.iter().all(|one| (one / speed - 1.0).abs() < SPEED_TOLERANCE);
        (SPEED.contains(&speed) && near).then_some(speed)
    })
}

fn follows(before: &Tone, on: SampleTime) -> bool {
    on.0 + 240 >= before.off.0 && on.ms_since(before.off) <= GAP_MS
}

/// What the first two tones say, by the frequency and the length of each. Two more combinations are reserved.
fn kind(first: &Tone, second: &Tone, speed: f32) -> SitKind {
    let [first, second] = [first, second].map(|tone| (tone.hz / speed, tone.ms() as f32 * speed));
    let near = |hz: f32, nominal: f32| (hz - nominal).abs() < NAMED_HZ;
    let high = |hz: f32, low: f32, high: f32| {
        if near(hz, low) {
            Some(false)
        } else if near(hz, high) {
            Some(true)
        } else {
            None
        }
    };
    let (Some(first_high), Some(second_high)) = (high(first.0, 913.8, 985.2), high(second.0, 1_370.6, 1_428.5)) else {
        let itu = (first.0 - 950.0).abs() < 50.0 && (second.0 - 1_400.0).abs() < 50.0;
        return if itu { SitKind::Itu } else { SitKind::Other };
    };
    match ((first_high, first.1 >= LONG_MS), (second_high, second.1 >= LONG_MS)) {
        ((false, false), (false, false)) => SitKind::Intercept,
        ((true, true), (false, false)) => SitKind::VacantCode,
        ((true, true), (true, true)) => SitKind::NoCircuitLocal,
        ((false, true), (false, true)) => SitKind::NoCircuitDistant,
        ((false, false), (true, true)) => SitKind::ReorderLocal,
        ((true, false), (false, true)) => SitKind::ReorderDistant,
        _ => SitKind::Other,
    }
}
