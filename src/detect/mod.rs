//! Frames to decisions: who or what answered, and when to speak.

mod activity;
mod beep;
mod beep_trees;
mod belief;
mod call_progress;
mod config;
mod detector;
mod dtmf;
mod evidence;
mod fax;
mod features;
mod listen;
mod model;
mod outcome;
mod points;
mod policy;
mod replay;
mod sit;
mod spectrum;
mod tones;
mod trace;
mod view;
mod voice;
mod voice_weights;

#[cfg(test)]
mod tests;

pub use activity::{Activity, Burst, Cadence};
pub use beep::{BEEP_FEATURES, Candidate};
pub use belief::{CLASSES, Posteriors};
pub use config::Config;
pub use detector::{Detector, advance};
pub use evidence::candidates_of;
pub use features::{Extractor, FEATURES, FORMAT, Features, STEP_HOPS};
pub use listen::{Goal, Hotword, LabelSet, Listen};
pub use model::{Backend, Model, ModelError};
pub use outcome::{Alternative, Beep, End, Event, InputType, Label, Method, Outcome, Provisional, SitKind, Timeline};
pub use points::{Automated, BeepWait, Confidence, Measured, Point, Points, PointsError, Wait};
pub use replay::{Replay, Replayed};
pub use spectrum::{Analyzer, HOP, Hop, Peak, Plans};
pub use trace::{Moment, Step, Trace};

use crate::audio::Frame;

/// The features of a whole recording, one vector per 100 ms, by the code that runs live.
#[must_use]
pub fn features_of(plans: &Plans, frames: &[Frame<'_>]) -> Vec<Features> {
    let (mut analyzer, mut activity, mut extractor) = (Analyzer::new(plans), Activity::default(), Extractor::default());
    let mut steps = Vec::new();
    for frame in frames {
        let mut left = *frame;
        while !left.is_empty() {
            let taken = match left {
                Frame::Sound(sound) => analyzer.take(sound),
                Frame::Missing { samples } => analyzer.take_missing(samples),
            };
            left = left.skip(taken);
            if let Some(hop) = analyzer.hop() {
                activity.push(hop);
                steps.extend(extractor.push(hop, &activity));
            }
        }
    }
    steps
}
