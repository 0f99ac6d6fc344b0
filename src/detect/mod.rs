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
mod findings;
mod listen;
mod look;
mod model;
mod network;
mod numbers;
mod outcome;
mod per_hop;
mod points;
mod policy;
mod replay;
mod ring;
mod sit;
mod spectrum;
mod tone_trees;
mod tones;
mod trace;
mod transform;
mod trees;
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
pub use findings::{Again, Findings, FindingsError, Keep, Word};
pub use listen::{Goal, Hotword, LabelSet, Listen};
pub use model::{Backend, Batch, Model, ModelError};
pub use outcome::{Alternative, Beep, End, Event, InputType, Label, Method, Outcome, Provisional, SitKind, Timeline};
pub use points::{Automated, BeepWait, Confidence, KindWait, Measured, Point, Points, PointsError, Wait};
pub use replay::{Replay, Replayed};
pub use spectrum::{Analyzer, HOP, Hop, Peak, Workspace};
pub use trace::{Moment, Step, Trace};
pub use voice::{VOICE_INPUTS, VoiceInputs};

use crate::audio::Frame;

/// The features of a whole recording, one vector per 100 ms, by the code that runs live.
#[must_use]
pub fn features_of(frames: &[Frame<'_>]) -> Vec<Features> {
    let (mut activity, mut extractor) = (Activity::default(), Extractor::default());
    let mut steps = Vec::new();
    for_each_hop(frames, |hop| {
        activity.push(hop);
        steps.extend(extractor.push(hop, &activity));
    });
    steps
}

/// What the network that tells speech hears of a whole recording, one vector per hop of 10 ms, by the code that runs live: for
/// training it. It is not asked about a hop of whose window samples did not arrive: those vectors are of NaN.
#[must_use]
pub fn voice_inputs_of(frames: &[Frame<'_>]) -> Vec<VoiceInputs> {
    let (mut activity, mut voice) = (Activity::default(), voice::Voice::default());
    let mut hops = Vec::new();
    for_each_hop(frames, |hop| {
        activity.push(hop);
        hops.push(if hop.tainted { [f32::NAN; VOICE_INPUTS] } else { voice.inputs(hop, activity.is_tonal()) });
    });
    hops
}

fn for_each_hop(frames: &[Frame<'_>], mut heed: impl FnMut(&Hop)) {
    let (mut analyzer, mut workspace) = (Analyzer::default(), Workspace::default());
    for frame in frames {
        let mut left = *frame;
        while !left.is_empty() {
            let taken = match left {
                Frame::Sound(sound) => analyzer.take(sound),
                Frame::Missing { samples } => analyzer.take_missing(samples),
            };
            left = left.skip(taken);
            if let Some(hop) = analyzer.hop(&mut workspace) {
                heed(hop);
            }
        }
    }
}
