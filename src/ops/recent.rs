//! The calls of late, and what they were told to be: to be looked up, and to be told who really answered.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::detect::{Keep, Label};
use crate::ops::Metrics;

/// `[feedback]`: how many calls are remembered, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeedbackConfig {
    /// Calls that are remembered; the oldest are forgotten first. Each takes about 1 kB.
    pub max_calls: usize,
    /// How long a call is remembered after its first decision.
    pub max_age_s: u64,
    /// A directory where what decisions rest on is stored, without sound, so that they can be made anew; empty: nothing is
    /// stored.
    pub store: PathBuf,
    /// Whether what the model is told is stored, too, so that another model can be asked.
    pub store_features: bool,
    /// Bytes of all that is stored; the oldest goes first.
    pub store_max_bytes: u64,
    /// How long what is stored is kept.
    pub store_max_age_s: u64,
}

impl Default for FeedbackConfig {
    fn default() -> Self {
        Self {
            max_calls: 10_000,
            max_age_s: 86_400,
            store: PathBuf::new(),
            store_features: true,
            store_max_bytes: 1 << 30,
            store_max_age_s: 30 * 86_400,
        }
    }
}

impl FeedbackConfig {
    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if self.max_calls > 1_000_000 {
            return Err(("max_calls", format!("{} is over 1000000", self.max_calls)));
        }
        if self.store_max_bytes < LEAST_STORE {
            return Err(("store_max_bytes", format!("{} is under {LEAST_STORE}", self.store_max_bytes)));
        }
        if self.store_max_age_s == 0 {
            return Err(("store_max_age_s", "0 would keep nothing".to_owned()));
        }
        Ok(())
    }

    /// What detection keeps for the store.
    #[must_use]
    pub fn keep(&self) -> Keep {
        match (self.store.as_os_str().is_empty(), self.store_features) {
            (true, _) => Keep::Nothing,
            (false, false) => Keep::Decision,
            (false, true) => Keep::Features,
        }
    }
}

/// One decision about a call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// Who, or what.
    #[serde(serialize_with = "word")]
    pub label: Label,
    /// Probability that the label is right, 0.0 to 1.0, in hundredths.
    pub confidence: f64,
    /// `model` or `rules`.
    pub method: &'static str,
    /// `provisional`, `final` or `corrected`.
    pub stage: &'static str,
    /// When it was decided, in milliseconds of sound since the listening began.
    pub decided_ms: i64,
    /// The evidence in words.
    #[serde(serialize_with = "text")]
    pub reason: Arc<str>,
    /// When it was told, in seconds of Unix time.
    pub at_s: f64,
}

/// A call, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecentCall {
    /// Call-ID or the like.
    #[serde(serialize_with = "text")]
    pub call_id: Arc<str>,
    /// The call's identifier at its switch, if it was told.
    #[serde(serialize_with = "text_if")]
    pub uuid: Option<Arc<str>>,
    /// The way by which it came.
    pub door: &'static str,
    /// What was told of it, the oldest first; of many, the first ones and the last one.
    pub decisions: Vec<Told>,
    /// Who answered, as somebody said.
    #[serde(serialize_with = "word_if")]
    pub correct: Option<Label>,
}

/// What became of a feedback.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Given {
    /// The call.
    #[serde(serialize_with = "text")]
    pub call_id: Arc<str>,
    /// What was told of it.
    #[serde(serialize_with = "word")]
    pub told: Label,
    /// Who answered, as is known now.
    #[serde(serialize_with = "word")]
    pub label: Label,
    /// Whether both are the same.
    pub correct: bool,
    /// The feedback that it replaces.
    #[serde(serialize_with = "word_if")]
    pub replaced: Option<Label>,
    /// When the call's first decision was told, in seconds of Unix time.
    #[serde(skip)]
    pub since_s: f64,
}

/// Why a feedback is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedbackError {
    /// No such call is remembered.
    Unknown,
    /// Of the call it was not decided who answered.
    Undecided,
}

/// A store holds the longest listening and some others at least, in bytes.
const LEAST_STORE: u64 = 4 << 20;
/// Decisions of one call that are kept.
const MAX_DECISIONS: usize = 8;

/// The calls of late. A clone has the same ones.
#[derive(Debug, Clone)]
pub struct RecentCalls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: FeedbackConfig,
    metrics: Metrics,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// In the order of their first decisions; their numbers follow on each other.
    calls: VecDeque<(Instant, RecentCall)>,
    /// The number of the first one.
    first: u64,
    /// The numbers of the calls that have a name; hardly ever more than one.
    names: HashMap<Arc<str>, SmallVec<[u64; 1]>>,
}

impl RecentCalls {
    /// Remembers nothing yet. Feedback is counted in `metrics`.
    #[must_use]
    pub fn new(config: FeedbackConfig, metrics: Metrics) -> Self {
        Self(Arc::new(Shared { config, metrics, memory: Mutex::default() }))
    }

    /// Notes a decision about a call, by the names that it has.
    pub fn note(&self, now: Instant, door: &'static str, call_id: &Arc<str>, uuid: Option<&Arc<str>>, told: Told) {
        let mut memory = self.memory(now);
        if self.0.config.max_calls == 0 {
            return;
        }
        let known = memory.names.get(call_id).and_then(|numbers| numbers.last()).copied();
        let number = known.unwrap_or_else(|| {
            if memory.calls.len() >= self.0.config.max_calls {
                memory.forget_first();
            }
            let call = RecentCall {
                call_id: Arc::clone(call_id),
                uuid: None,
                door,
                decisions: Vec::with_capacity(1),
                correct: None,
            };
            memory.calls.push_back((now, call));
            let number = memory.first + memory.calls.len() as u64 - 1;
            memory.names.entry(Arc::clone(call_id)).or_default().push(number);
            number
        });
        let Some(call) = memory.get_mut(number) else { return };
        if call.decisions.len() == MAX_DECISIONS {
            call.decisions.pop();
        }
        call.decisions.push(told);
        if let Some(uuid) = uuid.filter(|uuid| call.uuid.as_ref() != Some(uuid)) {
            let before = call.uuid.replace(Arc::clone(uuid));
            before.iter().for_each(|before| memory.unname(before, number));
            if uuid != call_id {
                memory.names.entry(Arc::clone(uuid)).or_default().push(number);
            }
        }
    }

    /// The last call of that name.
    #[must_use]
    pub fn find(&self, now: Instant, name: &str) -> Option<RecentCall> {
        let memory = self.memory(now);
        let number = memory.names.get(name)?.last()?;
        memory.get(*number).cloned()
    }

    /// Somebody says who answered the last call of that name of which it was decided.
    ///
    /// # Errors
    /// When no such call is remembered, or none of which it was decided.
    pub fn feedback(&self, now: Instant, name: &str, label: Label) -> Result<Given, FeedbackError> {
        let mut memory = self.memory(now);
        let numbers = memory.names.get(name).ok_or(FeedbackError::Unknown)?;
        let decided =
            numbers.iter().rev().find(|number| memory.get(**number).is_some_and(|call| call.told().is_some()));
        let number = *decided.ok_or(FeedbackError::Undecided)?;
        let call = memory.get_mut(number).ok_or(FeedbackError::Unknown)?;
        let told = call.told().ok_or(FeedbackError::Undecided)?;
        let since_s = call.decisions.first().map_or(0.0, |first| first.at_s);
        let before = call.correct.replace(label);
        let replaced = before.filter(|before| *before != label);
        if before != Some(label) {
            self.0.metrics.feedback(told, label);
        }
        if let Some(before) = replaced {
            self.0.metrics.feedback_withdrawn(told, before);
        }
        Ok(Given { call_id: Arc::clone(&call.call_id), told, label, correct: told == label, replaced, since_s })
    }

    /// What is remembered now.
    fn memory(&self, now: Instant) -> MutexGuard<'_, Memory> {
        let mut memory = self.0.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let age = Duration::from_secs(self.0.config.max_age_s);
        while memory.calls.front().is_some_and(|(since, _)| now.saturating_duration_since(*since) > age) {
            memory.forget_first();
        }
        memory
    }
}

impl RecentCall {
    /// Who answered, as it was told: the first final decision that says so. What corrects it was not told to all.
    fn told(&self) -> Option<Label> {
        let who = |told: &&Told| told.stage == "final" && told.label != Label::Beep;
        self.decisions.iter().find(who).map(|told| told.label)
    }
}

impl Memory {
    fn get(&self, number: u64) -> Option<&RecentCall> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.calls.get(at).map(|(_, call)| call)
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut RecentCall> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.calls.get_mut(at).map(|(_, call)| call)
    }

    fn forget_first(&mut self) {
        let Some((_, call)) = self.calls.pop_front() else { return };
        let number = self.first;
        self.first += 1;
        self.unname(&call.call_id, number);
        call.uuid.iter().for_each(|uuid| self.unname(uuid, number));
    }

    fn unname(&mut self, name: &str, number: u64) {
        if let Some(numbers) = self.names.get_mut(name) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.names.remove(name);
            }
        }
    }
}

/// Seconds of Unix time.
#[must_use]
pub fn unix_s(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |since| (since.as_secs_f64() * 1_000.0).round() / 1_000.0)
}

fn text<S: serde::Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text)
}

#[allow(clippy::ref_option, reason = "serde's signature")]
fn text_if<S: serde::Serializer>(text: &Option<Arc<str>>, to: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(to)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn word<S: serde::Serializer>(label: &Label, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(label.as_str())
}

#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn word_if<S: serde::Serializer>(label: &Option<Label>, to: S) -> Result<S::Ok, S::Error> {
    label.map(Label::as_str).serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Form;

    fn told(label: Label) -> Told {
        let reason = "speech".into();
        Told { label, confidence: 0.9, method: "model", stage: "final", decided_ms: 900, reason, at_s: 0.0 }
    }

    fn calls(max_calls: usize) -> (RecentCalls, Metrics) {
        let metrics = Metrics::new();
        let config = FeedbackConfig { max_calls, max_age_s: 60, ..FeedbackConfig::default() };
        (RecentCalls::new(config, metrics.clone()), metrics)
    }

    fn sample(metrics: &Metrics, name: &str) -> Option<String> {
        metrics.show(Form::Text).lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
    }

    #[test]
    fn a_second_feedback_replaces_the_first() {
        let (calls, metrics) = calls(10);
        let now = Instant::now();
        calls.note(now, "mrcp", &"a".into(), Some(&"u".into()), told(Label::Machine));
        let given = calls.feedback(now, "u", Label::Human).unwrap();
        assert_eq!((given.told, given.correct, given.replaced), (Label::Machine, false, None));
        // The same again says nothing new.
        assert_eq!(calls.feedback(now, "a", Label::Human).unwrap().replaced, None);
        let given = calls.feedback(now, "a", Label::Machine).unwrap();
        assert_eq!((given.correct, given.replaced), (true, Some(Label::Human)));
        for (name, wanted) in [
            ("answerd_feedback_total{told=\"machine\",correct=\"human\"}", Some("1")),
            ("answerd_feedback_total{told=\"machine\",correct=\"machine\"}", Some("1")),
            ("answerd_feedback_withdrawn_total{told=\"machine\",correct=\"human\"}", Some("1")),
            ("answerd_feedback_withdrawn_total{told=\"machine\",correct=\"machine\"}", Some("0")),
        ] {
            assert_eq!(sample(&metrics, name).as_deref(), wanted, "{name}");
        }
        let shown = serde_json::to_value(calls.find(now, "a").unwrap()).unwrap();
        assert_eq!((&shown["correct"], &shown["decisions"][0]["label"]), (&"machine".into(), &"machine".into()));
    }

    #[test]
    fn what_is_not_known_or_not_decided_is_said() {
        let (calls, _) = calls(10);
        let now = Instant::now();
        assert_eq!(calls.feedback(now, "a", Label::Human), Err(FeedbackError::Unknown));
        calls.note(now, "mrcp", &"a".into(), Some(&"u".into()), told(Label::Beep));
        assert_eq!(calls.feedback(now, "a", Label::Human), Err(FeedbackError::Undecided));
        // A switch's call may come twice: what was decided counts.
        calls.note(now, "mrcp", &"b".into(), Some(&"u".into()), told(Label::Human));
        calls.note(now, "mrcp", &"c".into(), Some(&"u".into()), told(Label::Beep));
        assert_eq!(&*calls.feedback(now, "u", Label::Human).unwrap().call_id, "b");
        assert_eq!(&*calls.find(now, "u").unwrap().call_id, "c");
    }

    #[test]
    fn memory_is_bounded_by_number_and_by_time() {
        let (calls, _) = calls(3);
        let now = Instant::now();
        for n in 0..10 {
            let uuid: Arc<str> = format!("u{n}").into();
            calls.note(now, "mrcp", &format!("c{n}").into(), Some(&uuid), told(Label::Human));
            for _ in 0..20 {
                calls.note(now, "mrcp", &format!("c{n}").into(), Some(&uuid), told(Label::Human));
            }
        }
        let found = |at| (0..10).filter(|n| calls.find(at, &format!("u{n}")).is_some()).collect::<Vec<_>>();
        assert_eq!(found(now), [7, 8, 9]);
        assert_eq!(calls.find(now, "c9").unwrap().decisions.len(), MAX_DECISIONS);
        assert_eq!(calls.memory(now).names.len(), 6);
        assert!(found(now + Duration::from_secs(61)).is_empty());
        assert!(calls.memory(now).names.is_empty());
    }
}
