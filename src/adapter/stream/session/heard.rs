//! What a stream hears, and what is told of it.

use std::time::{Duration, Instant};

use crate::adapter::stream::answer::{self, Kind};
use crate::adapter::stream::session::{Close, Phase, Session};
use crate::detect::{Event, Label, Listen, Outcome, Timeline};
use crate::engine::{Door, StreamEvent, Subject};
use crate::ops::Grammar;
use crate::wire::stream::close;

/// What is waited beyond the time of corrections.
const MARGIN: Duration = Duration::from_secs(1);

impl Session {
    /// The next thing that is heard; never, where nothing listens.
    pub(in crate::adapter::stream) async fn heard(&mut self) -> StreamEvent {
        match &mut self.listening {
            Some(listening) => match listening.events.recv().await {
                Some((_, event)) => event,
                None => StreamEvent::Failed,
            },
            None => std::future::pending().await,
        }
    }

    /// Takes what is heard.
    ///
    /// # Errors
    /// Where the stream is to be ended.
    pub(in crate::adapter::stream) fn handle_event(&mut self, now: Instant, event: StreamEvent) -> Result<(), Close> {
        match event {
            StreamEvent::Failed => return Err(Close::new(close::INTERNAL, "the stream failed")),
            StreamEvent::Recorded { .. } => {}
            StreamEvent::Detected { event: Event::Key { key, .. }, .. } => self.tell(answer::key(&self.call, key)),
            StreamEvent::Detected { generation, event, .. } => {
                if self.listening.as_ref().is_some_and(|listening| listening.generation == generation) {
                    self.detected(now, event);
                }
            }
        }
        Ok(())
    }

    /// Whose decisions those of this stream are.
    fn subject(&self) -> Subject {
        let uuid = self.named.then(|| self.call.as_str().into());
        Subject { door: Door::Stream, call_id: self.call_id().into(), uuid }
    }

    /// Tells a result to all who listen to decisions, or the moment to speak after it.
    fn tell_others(&self, outcome: &Outcome) {
        let (decisions, subject) = (self.shared.engine.decisions(), self.subject());
        match self.decided {
            Some(label) => {
                let timeline = Timeline { started: self.listened_from, ..outcome.timeline };
                decisions.moment(&subject, label, &Outcome { timeline, ..outcome.clone() });
            }
            None if !has_moment(outcome) && self.awaited(outcome.label).is_some() => {
                decisions.concluded_so_far(&subject, outcome);
            }
            None => decisions.concluded(&subject, outcome),
        }
    }

    /// What is listened to next after a machine was told: the moment to speak, if that is asked for.
    fn awaited(&self, label: Label) -> Option<Listen> {
        let automated = matches!(label, Label::Machine | Label::Screening | Label::Ivr);
        let beep = self.asked.as_ref()?.beep.clone();
        beep.filter(|_| automated && self.phase == Phase::Answer)
    }

    fn detected(&mut self, now: Instant, event: Event) {
        let grammar = if self.phase == Phase::Answer { Grammar::Answer } else { Grammar::Beep };
        self.shared.metrics.heard(grammar, &event);
        // Others want to know it, too: Event Socket and webhooks.
        match &event {
            Event::Concluded(outcome) => self.tell_others(outcome),
            Event::Provisional(early) => {
                let decided = self.decided.is_some();
                self.shared.engine.decisions().provisional(&self.subject(), early, decided);
            }
            Event::Key { .. } | Event::InputStarted { .. } => {}
        }
        match event {
            Event::Provisional(early) if self.decided.is_some() && self.phase == Phase::Answer => {
                let first = self.decided != Some(early.label);
                self.decided = Some(early.label);
                if first {
                    tracing::info!(call = self.call, label = %early.label, reason = early.reason, "a decision is corrected");
                    self.tell(answer::early(Kind::Correction, &self.call, &early));
                }
                if let Some(beep) = early.beep {
                    self.tell(answer::beep(&self.call, beep));
                    let mut spoken = answer::beep(&self.call, beep);
                    answer::insert(&mut spoken, [("event", "speak_at".into())]);
                    let at = spoken.get("off_s").cloned().unwrap_or_default();
                    answer::insert(&mut spoken, [("speak_at_s", at)]);
                    self.tell(spoken);
                    self.finish();
                } else {
                    self.await_beep(early.label);
                }
            }
            // What is not decided yet is not told to who waits for one answer.
            Event::Provisional(early) if self.at_once.is_none() && !self.flushed && self.phase == Phase::Answer => {
                self.tell(answer::early(Kind::Provisional, &self.call, &early));
            }
            Event::Concluded(outcome) => self.concluded(now, &outcome),
            Event::Provisional(_) | Event::InputStarted { .. } | Event::Key { .. } => {}
        }
    }

    fn concluded(&mut self, now: Instant, outcome: &Outcome) {
        let first = self.decided.is_none();
        if first {
            self.decided = Some(outcome.label);
            self.listened_from = outcome.timeline.started;
            let (label, confidence) = (outcome.label, outcome.confidence);
            tracing::info!(call = self.call, %label, confidence, reason = outcome.reason, "decided");
            let mut message = answer::decision(&self.call, outcome);
            if let Some(meaning) = self.asked.as_ref().and_then(|asked| asked.meaning(outcome)) {
                answer::insert(&mut message, [("value", meaning)]);
            }
            answer::insert(&mut message, [("received", self.received())]);
            self.tell(message);
        }
        if has_moment(outcome) || !first {
            if let Some(beep) = outcome.timeline.beep {
                self.tell(answer::beep(&self.call, beep));
            }
            self.tell(answer::speak_at(&self.call, outcome));
            self.finish();
        } else if outcome.label == Label::Human && !self.shared.config.revise.is_zero() {
            self.corrected_until = Some(now + self.shared.config.revise + MARGIN);
        } else {
            self.await_beep(outcome.label);
        }
    }

    /// Listens to what is [awaited](Self::awaited).
    fn await_beep(&mut self, label: Label) {
        match (self.awaited(label), &mut self.listening) {
            (Some(listen), Some(listening)) => {
                self.corrected_until = None;
                self.phase = Phase::Beep;
                listening.generation += 1;
                listening.stream.listen(listening.listener, listening.generation, listen);
                if self.flushed {
                    self.flushed = false;
                    self.flush();
                }
            }
            _ if self.corrected_until.is_none() => self.finish(),
            _ => {}
        }
    }

    /// All is told: what listened is free for another call.
    pub(super) fn finish(&mut self) {
        self.phase = Phase::Done;
        self.corrected_until = None;
        self.listening = None;
        self.permit = None;
        self.backlog.clear();
    }
}

/// Whether a result tells the moment to speak.
fn has_moment(outcome: &Outcome) -> bool {
    outcome.timeline.speak_at.is_some() || outcome.timeline.beep.is_some()
}
