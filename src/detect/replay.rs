//! What was heard of a recording, kept so that other operating points can be tried on it: only decisions are made anew.

use crate::audio::{Frame, SampleTime};
use crate::detect::evidence::Senses;
use crate::detect::model::{Batch, Model};
use crate::detect::points::Point;
use crate::detect::policy::speech::{after_all, automated};
use crate::detect::policy::telling::{Teller, Who};
use crate::detect::policy::{Observed, Policy};
use crate::detect::spectrum::HOP;
use crate::detect::{Config, Event, Label, Listen, Outcome};

/// After a recording's end nothing arrives any more; all is decided so many hops later, or never.
const MOST_HOPS_AFTER: usize = 30_000;

/// A recording as a listening heard it.
#[derive(Debug)]
pub struct Replay {
    heard: Vec<Observed>,
    /// What is told if speech is not decided on.
    otherwise: Outcome,
}

/// What a row of the table would have told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Replayed {
    /// The label.
    pub label: Label,
    /// When it is decided.
    pub at: SampleTime,
    /// The score that a confidence is told for; `None` if it is not speech that decided.
    pub score: Option<f32>,
}

impl Replay {
    /// Hears a recording once with the model and once by the rules. `None`: no decision comes of it at all.
    #[must_use]
    pub fn both(model: &mut Model, config: &Config, frames: &[Frame<'_>]) -> Option<[Self; 2]> {
        let listen = Listen { confidence_threshold: 0.0, ..Listen::default() };
        let mut senses = Senses::default();
        let mut batch = Batch::default();
        let mut state = Vec::new();
        let mut policies = [(); 2].map(|()| Some(Policy::observing(listen.clone(), config, SampleTime(0))));
        let mut replays = [None, None];
        let after = std::iter::repeat_n(Frame::Missing { samples: HOP }, MOST_HOPS_AFTER);
        for frame in frames.iter().copied().chain(after) {
            let mut left = frame;
            while !left.is_empty() {
                let (taken, complete) = senses.push(left, true, batch.room());
                left = left.skip(taken);
                if !complete {
                    continue;
                }
                let evidence = senses.evidence();
                let told = evidence.step.then(|| batch.alone(model, senses.features(), &mut state)).flatten();
                for ((policy, replay), told) in policies.iter_mut().zip(&mut replays).zip([told, None]) {
                    let Some(listening) = policy else { continue };
                    let said = listening.push(evidence, senses.activity().cadence(), told);
                    if let Some(Event::Concluded(otherwise)) = said.into_iter().last() {
                        let heard = policy.take().map(Policy::into_observed).unwrap_or_default();
                        *replay = Some(Self { heard, otherwise: *otherwise });
                    }
                }
                if policies.iter().all(Option::is_none) {
                    let [by_model, by_rules] = replays;
                    return by_model.zip(by_rules).map(|(by_model, by_rules)| [by_model, by_rules]);
                }
            }
        }
        None
    }

    /// What `point` would have told. `beep`: the moment to speak was wanted, too.
    #[must_use]
    pub fn told(&self, point: &Point, beep: bool) -> Replayed {
        let mut teller = Teller::default();
        for heard in &self.heard {
            if heard.step {
                teller.step(point, &heard.now);
            }
            let who = if heard.waits { None } else { teller.tell(point, &heard.now, beep, None) };
            // What sounds decides before speech does, in the same hop.
            if let Some(who) = who.filter(|_| heard.at < self.otherwise.timeline.decided_at) {
                let (label, score) = name(who, heard, point);
                return Replayed { label, at: heard.at, score: Some(score) };
            }
        }
        let timeline = &self.otherwise.timeline;
        let spoke = matches!(self.otherwise.label, Label::Human | Label::Machine | Label::Screening | Label::Ivr);
        let last = self.heard.last().filter(|_| spoke && timeline.beep.is_none());
        // Time was over: what is likelier depends on the row.
        let (label, score) = last.map_or((self.otherwise.label, None), |last| {
            let (label, score) = name(Who::Likelier, last, point);
            (label, Some(score))
        });
        Replayed { label, at: timeline.decided_at, score }
    }
}

fn name(who: Who, heard: &Observed, point: &Point) -> (Label, f32) {
    match who {
        Who::Person => (Label::Human, heard.now.person),
        Who::Automated => automated(&heard.belief),
        Who::Likelier => after_all(&heard.belief, point.after_all),
    }
}
