//! The decision on findings, made anew by the policy and the operating points of now.

use crate::detect::activity::Cadence;
use crate::detect::evidence::Evidence;
use crate::detect::features::FORMAT;
use crate::detect::findings::{Findings, FindingsError, Item};
use crate::detect::model::{Batch, Model};
use crate::detect::policy::Policy;
use crate::detect::spectrum::HOP;
use crate::detect::{Config, Event, Outcome};

/// After what was kept nothing arrives any more; all is decided so many hops later, or never.
const MOST_HOPS_AFTER: usize = 30_000;

/// What is decided now.
#[derive(Debug, Clone, PartialEq)]
pub struct Again {
    /// The decision; `None`: there is none, however long one waits after what was kept.
    pub outcome: Option<Outcome>,
    /// What was kept was not enough: the decision is that of a call on which no more sound arrived.
    pub beyond: bool,
}

/// Whose word on each step counts.
#[derive(Debug)]
pub enum Word<'a> {
    /// That of then: of the model that was asked, or where none was, of the rules.
    OfThen,
    /// That of this model, which is asked.
    Of(&'a mut Model),
    /// That of the rules.
    OfRules,
}

impl Findings {
    /// Decides again, by the policy and the operating points of `config`.
    ///
    /// # Errors
    /// If the findings are damaged, or if a model is to be asked and what it is told was not kept.
    pub fn again(&self, config: &Config, mut word: Word<'_>) -> Result<Again, FindingsError> {
        if let Word::Of(_) = word {
            match self.features {
                Some(FORMAT) => {}
                Some(format) => return Err(FindingsError::OtherFeatures(format)),
                None => return Err(FindingsError::NoFeatures),
            }
        }
        let mut policy = Policy::new(self.listen.clone(), config, self.started);
        if let Some(outcome) = policy.too_early(self.spoken) {
            return Ok(Again { outcome: Some(outcome), beyond: false });
        }
        let (mut batch, mut state) = (Batch::default(), Vec::new());
        let mut end: Option<(Evidence, Cadence)> = None;
        for item in self.items()? {
            match item {
                Item::Hop { evidence, cadence, told, features } => {
                    let told = match (&mut word, features) {
                        (Word::OfThen, _) => told,
                        (Word::Of(model), Some(features)) => batch.alone(model, &features, &mut state),
                        (Word::Of(_), None) | (Word::OfRules, _) => None,
                    };
                    if let Some(outcome) = concluded(policy.push(&evidence, &cadence, told)) {
                        return Ok(Again { outcome: Some(outcome), beyond: false });
                    }
                    end = Some((*evidence, cadence));
                }
                Item::Key { at, now } => {
                    policy.key(at, now);
                }
                Item::StartInputTimers(now) => policy.start_input_timers(now),
            }
        }
        let Some((last, cadence)) = end else { return Ok(Again { outcome: None, beyond: true }) };
        let mut silent = Evidence {
            missing: true,
            progress_suspected: last.progress_suspected,
            progress_span: last.progress_span,
            loudest_db: last.loudest_db,
            ..Evidence::nothing(last.end)
        };
        for _ in 0..MOST_HOPS_AFTER {
            silent.end.0 += HOP as u64;
            if let Some(outcome) = concluded(policy.push(&silent, &cadence, None)) {
                return Ok(Again { outcome: Some(outcome), beyond: true });
            }
        }
        Ok(Again { outcome: None, beyond: true })
    }
}

fn concluded(said: Vec<Event>) -> Option<Outcome> {
    said.into_iter().find_map(|event| match event {
        Event::Concluded(outcome) => Some(*outcome),
        _ => None,
    })
}
