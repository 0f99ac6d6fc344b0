//! The network's tones and fax machines: each decides alone.

use crate::detect::call_progress::Progress;
use crate::detect::evidence::Evidence;
use crate::detect::fax::Fax;
use crate::detect::policy::Policy;
use crate::detect::policy::sound::is_music;
use crate::detect::view::View;
use crate::detect::{Label, Method, Outcome};

/// How sure tones are.
const SIT_SURE: f32 = 0.98;
const FAX_SURE: f32 = 0.97;
const FAX_ONCE_SURE: f32 = 0.8;
const BUSY_SURE: f32 = 0.96;
const RINGBACK_SURE: f32 = 0.95;
/// Where somebody spoke before, a busy tone is told only if its beat goes on: so many cycles after it was first noticed, within so
/// many ms, at nearly the same frequency, in hertz.
const BUSY_CYCLES: u64 = 2;
const BUSY_WITHIN_MS: u64 = 8_000;
const BUSY_NEAR_HZ: f32 = 45.0;
const RING_ONCE_SURE: f32 = 0.85;

impl Policy {
    pub(super) fn by_tones(&mut self, evidence: &Evidence, view: &View<'_>, gate: f32) -> Option<Outcome> {
        if let Some(sit) = evidence.sit {
            let [first, second, third] = sit.hz;
            let reason = format!("SIT {}: {first:.0}, {second:.0}, {third:.0} Hz", sit.kind);
            let outcome = view.conclude(Label::Sit, SIT_SURE, Method::Rules, reason);
            return Some(Outcome { sit: Some(sit.kind), ..outcome });
        }
        match evidence.fax {
            Some(Fax::Answer { on, hz }) => {
                let ms = view.now.ms_since(on);
                let reason = format!("answer tone {hz:.0} Hz for {:.2} s", ms as f32 / 1000.0);
                return Some(view.conclude(Label::Fax, FAX_SURE, Method::Rules, reason));
            }
            Some(Fax::Flags { .. }) => {
                let reason = "V.21 flags".to_owned();
                return Some(view.conclude(Label::Fax, FAX_SURE, Method::Rules, reason));
            }
            Some(Fax::Calling { .. }) => {
                let reason = "calling tone 1100 Hz, repeated".to_owned();
                return Some(view.conclude(Label::Fax, FAX_SURE, Method::Rules, reason));
            }
            Some(Fax::CallingOnce { level_db }) if !view.said(level_db) && !is_music(&view.belief) => {
                let reason = "calling tone 1100 Hz, 0.5 s, nothing said before".to_owned();
                return Some(view.conclude(Label::Fax, FAX_ONCE_SURE, Method::Rules, reason));
            }
            _ => {}
        }
        let progress = evidence.progress.filter(|progress| progress.level_db >= gate)?;
        // One ring may be the last one before the answer. After a greeting it is none: a beep and a silence look alike.
        if progress.cycles < 2 {
            self.rung = Some(progress).filter(|progress| !view.said(progress.level_db));
            return None;
        }
        if is_music(&view.belief) {
            return None;
        }
        // Vowels come in time, too: after speech a busy tone has to go on.
        if !progress.ringing && view.said(progress.level_db) && !self.goes_on(&progress) {
            return None;
        }
        let (label, sure) = if progress.ringing { (Label::Ringback, RINGBACK_SURE) } else { (Label::Busy, BUSY_SURE) };
        Some(told(view, label, sure, &progress))
    }

    /// Whether a busy tone is the one that was noticed before, some cycles later.
    fn goes_on(&mut self, progress: &Progress) -> bool {
        let first = self.beat.get_or_insert(*progress);
        let since_ms = progress.on.ms_since(first.on);
        if since_ms > BUSY_WITHIN_MS || (progress.hz - first.hz).abs() > BUSY_NEAR_HZ {
            *first = *progress;
            return false;
        }
        since_ms >= BUSY_CYCLES * (progress.on_ms + progress.off_ms)
    }

    /// When time is over: a ring was all that was heard.
    pub(super) fn only_rung(&self, view: &View<'_>) -> Option<Outcome> {
        let rung = self.rung.filter(|_| view.speech.is_none())?;
        Some(told(view, Label::Ringback, RING_ONCE_SURE, &rung))
    }
}

fn told(view: &View<'_>, label: Label, sure: f32, progress: &Progress) -> Outcome {
    let seconds = |ms: u64| ms as f32 / 1000.0;
    let (on, off) = (seconds(progress.on_ms), seconds(progress.off_ms));
    let reason = format!("{label} tone near {:.0} Hz, {on:.2} s on, {off:.2} s off", progress.hz);
    view.conclude(label, sure, Method::Rules, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleTime;
    use crate::detect::belief::{Belief, CLASSES, Posteriors};
    use crate::detect::{Config, Listen};

    fn sure_of_music(probability: f32) -> Belief {
        let mut posteriors = Posteriors::default();
        for (class, place) in CLASSES.iter().zip(&mut posteriors) {
            *place = if *class == Label::Music { probability } else { (1.0 - probability) / 9.0 };
        }
        Belief::model(posteriors, None)
    }

    #[test]
    fn where_the_model_is_sure_of_music_its_notes_are_no_busy_tone_and_no_single_ring_of_a_fax() {
        let now = SampleTime(0).plus_ms(6_000);
        let busy = Progress { ringing: false, on: now, on_ms: 250, off_ms: 400, hz: 534.0, level_db: -20.0, cycles: 3 };
        let told = |evidence: Evidence, probability| {
            let mut policy = Policy::new(Listen::default(), &Config::default(), SampleTime(0));
            let view = policy.view(now, None, sure_of_music(probability));
            policy.by_tones(&evidence, &view, -45.0).map(|outcome| outcome.label)
        };
        let busy = || Evidence { progress: Some(busy), ..Evidence::nothing(now) };
        let once = || Evidence { fax: Some(Fax::CallingOnce { level_db: -20.0 }), ..Evidence::nothing(now) };
        let twice = || Evidence { fax: Some(Fax::Calling { on: SampleTime(0) }), ..Evidence::nothing(now) };
        assert_eq!((told(busy(), 0.8), told(busy(), 0.95)), (Some(Label::Busy), None));
        assert_eq!((told(once(), 0.8), told(once(), 0.95)), (Some(Label::Fax), None));
        assert_eq!(told(twice(), 0.95), Some(Label::Fax));
    }
}
