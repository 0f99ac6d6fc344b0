//! A recording's evidence from beginning to end, for a person to look at.

use crate::audio::{Frame, SampleTime};
use crate::detect::beep::Candidate;
use crate::detect::belief::{Belief, CLASSES};
use crate::detect::evidence::Senses;
use crate::detect::model::{Batch, Model};
use crate::detect::{Activity, Hop, Label, Method};

/// Levels of a spectrum from 0 to 4000 Hz that a moment keeps.
const LEVELS: usize = 128;

/// What one hop of 10 ms showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// The first sample after the hop.
    pub end: SampleTime,
    /// Sound of the hop did not arrive.
    pub missing: bool,
    /// Level of the telephone band in dB relative to a full-scale sine.
    pub level_db: f32,
    /// The noise under everything, in dB.
    pub floor_db: f32,
    /// Somebody speaks, or paused for less than a burst's gap.
    pub speaking: bool,
    /// Frequencies of tones that sound; 0 where there is none.
    pub tones: [f32; 2],
    /// The spectrum from 0 to 4000 Hz in even steps, in dB relative to a full-scale sine.
    pub spectrum_db: Box<[f32; LEVELS]>,
}

/// What was believed after one step of 100 ms.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The first sample after the step.
    pub end: SampleTime,
    /// Each label's probability, in the model's order.
    pub of: [(Label, f32); CLASSES.len()],
    /// The model's word, or that of the rules.
    pub method: Method,
}

/// Everything that a listening would hear of a recording, if nothing ended it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// Hop by hop.
    pub moments: Vec<Moment>,
    /// Step by step.
    pub steps: Vec<Step>,
    /// Tones that may be beeps, with how likely they are.
    pub candidates: Vec<Candidate>,
}

impl Trace {
    /// Follows a recording from its first sample, as a listening that begins there does.
    #[must_use]
    pub fn of(model: &mut Model, frames: &[Frame<'_>]) -> Self {
        let mut senses = Senses::default();
        let mut batch = Batch::default();
        let mut state = Vec::new();
        let mut believed = None;
        let mut trace = Self::default();
        for frame in frames {
            let mut left = *frame;
            while !left.is_empty() {
                let (taken, complete) = senses.push(left, true, batch.room());
                left = left.skip(taken);
                if !complete {
                    continue;
                }
                let evidence = senses.evidence();
                trace.moments.push(moment(batch.room().hop(), senses.activity(), evidence.sounding));
                trace.candidates.extend(evidence.beeps.iter().cloned());
                if !evidence.step {
                    continue;
                }
                believed = batch.alone(model, senses.features(), &mut state).or(believed);
                let cadence = Some(senses.activity().cadence()).filter(|cadence| cadence.speech_on.is_some());
                let belief = believed.map_or_else(|| Belief::rules(cadence), |of| Belief::model(of, cadence));
                let of = CLASSES.map(|label| (label, belief.of(label)));
                trace.steps.push(Step { end: evidence.end, of, method: belief.method });
            }
        }
        trace
    }
}

fn moment(hop: &Hop, activity: &Activity, tones: [f32; 2]) -> Moment {
    let spectrum_db = std::array::from_fn(|level| {
        // Two bins each; the last bin, 4000 Hz itself, is left out.
        let power = hop.power[2 * level].max(hop.power[2 * level + 1]);
        10.0 * power.max(1e-12).log10()
    });
    Moment {
        end: hop.end,
        missing: hop.missing,
        level_db: hop.level_db,
        floor_db: activity.floor_db(),
        speaking: activity.cadence().speaking,
        tones,
        spectrum_db: Box::new(spectrum_db),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_seen_where_it_sounds() {
        let tone = |n: usize| ((n as f32 * 1000.0 * std::f32::consts::TAU / 8000.0).sin() * 8_000.0) as i16;
        let sound: Vec<i16> = (0..16_000).map(|n| if (4_000..8_000).contains(&n) { tone(n) } else { 0 }).collect();
        let frames = [Frame::Sound(&sound), Frame::Missing { samples: 800 }];
        let trace = Trace::of(&mut Model::rules(), &frames);
        assert_eq!((trace.moments.len(), trace.steps.len()), (210, 21));
        assert!(trace.steps.iter().all(|step| step.method == Method::Rules));
        let during = &trace.moments[80];
        let loudest = (0..LEVELS).max_by(|a, b| during.spectrum_db[*a].total_cmp(&during.spectrum_db[*b])).unwrap();
        assert_eq!(loudest, 32);
        assert!(during.tones.iter().any(|hz| (hz - 1000.0).abs() < 3.0), "{:?}", during.tones);
        assert!(trace.moments[150].tones.iter().all(|hz| *hz == 0.0));
        assert!(trace.moments[205].missing && !trace.moments[150].missing);
        let beep = trace.candidates[0].beep;
        assert!(beep.on.0.abs_diff(4_000) < 80 && (beep.hz - 1000.0).abs() < 2.0, "{beep:?}");
    }
}
