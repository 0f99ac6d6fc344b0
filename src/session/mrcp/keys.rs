//! DTMF input: keys against the active DTMF grammars, with the timers of RFC 6787 sections 9.4.17 to 9.4.19, and the
//! type-ahead buffer of sections 9.4.31 and 9.4.32.
//!
//! ```text
//! keys so far             no term char             with a term char
//! complete, no more       success at once          success after DTMF-Term-Timeout, or at the term char
//! complete, more may be   success after DTMF-Interdigit-Timeout, or at the term char
//! a beginning             partial-match after DTMF-Interdigit-Timeout; no-match at the term char
//! no match                no-match after DTMF-Interdigit-Timeout or at the term char; with Early-No-Match at once
//! ```
//!
//! Recognition-Timeout runs from the first key (section 9.9) and ends with the `-maxtime` causes. A term char that a
//! grammar takes as its own key is a key as long as the keys before it are no match. In hotword mode (section 9.9) keys that
//! lead nowhere are forgotten, a match ends at once, and the timers stop when nothing is begun.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Most keys of one input.
const MAX_KEYS: usize = 256;

/// Most keys that are kept ahead.
const MAX_AHEAD: usize = 100;

/// How keys fit the active DTMF grammars, all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// No grammar begins so.
    No,
    /// A grammar begins so.
    Partial,
    /// A grammar matches.
    Complete {
        /// Whether with further keys a grammar matches still.
        more: bool,
    },
}

impl Fit {
    /// Of two grammars together.
    pub(super) const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, fit) | (fit, Self::No) => fit,
            (Self::Partial, Self::Partial) => Self::Partial,
            (Self::Complete { more }, Self::Complete { more: other }) => Self::Complete { more: more || other },
            (Self::Complete { .. }, Self::Partial) | (Self::Partial, Self::Complete { .. }) => {
                Self::Complete { more: true }
            }
        }
    }
}

/// What a recognition asks of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timing {
    /// DTMF-Interdigit-Timeout.
    pub(super) interdigit: Duration,
    /// DTMF-Term-Timeout.
    pub(super) term: Duration,
    /// DTMF-Term-Char, in upper case.
    pub(super) term_char: Option<char>,
    /// Recognition-Timeout.
    pub(super) recognition: Duration,
    /// Early-No-Match.
    pub(super) early_no_match: bool,
    /// Recognition-Mode: hotword.
    pub(super) hotword: bool,
}

/// How keys ended a recognition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeysEnd {
    /// They match.
    Match,
    /// They match, and Recognition-Timeout ran out.
    MatchMaxtime,
    /// They are the beginning of a match, and no more came.
    Partial,
    /// The same when Recognition-Timeout ran out.
    PartialMaxtime,
    /// They do not match.
    NoMatch,
    /// They do not match, and Recognition-Timeout ran out.
    NoMatchMaxtime,
    /// In hotword mode Recognition-Timeout ran out.
    HotwordMaxtime,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It was taken, and more may come.
    Taken,
    /// It was taken and ended the recognition.
    Ended(KeysEnd),
    /// The recognition had its keys already: it ends, and this key is for the next one.
    EndedBefore(KeysEnd),
}

/// The keys of one recognition.
#[derive(Debug)]
pub(super) struct Collector {
    timing: Timing,
    keys: String,
    fit: Fit,
    /// When the interdigit or terminating timer runs out.
    due: Option<Instant>,
    /// When Recognition-Timeout runs out.
    latest: Option<Instant>,
}

impl Collector {
    pub(super) const fn new(timing: Timing) -> Self {
        Self { timing, keys: String::new(), fit: Fit::No, due: None, latest: None }
    }

    /// The keys so far.
    pub(super) fn keys(&self) -> &str {
        &self.keys
    }

    /// When [`Collector::handle_timeout`] is to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.into_iter().chain(self.latest).min()
    }

    /// Takes a key; `fit` tells how keys fit the grammars.
    pub(super) fn push(&mut self, now: Instant, key: char, fit: impl Fn(&str) -> Fit) -> Pushed {
        let key = key.to_ascii_uppercase();
        if self.timing.hotword {
            return self.push_hotword(now, key, fit);
        }
        self.latest.get_or_insert(now + self.timing.recognition);
        let mut longer = self.keys.clone();
        longer.push(key);
        let next = if longer.len() > MAX_KEYS { Fit::No } else { fit(&longer) };
        let before = if self.keys.is_empty() { fit("") } else { self.fit };
        let complete = matches!(before, Fit::Complete { .. });
        if self.timing.term_char == Some(key) && (complete || next == Fit::No) {
            return Pushed::Ended(if complete { KeysEnd::Match } else { KeysEnd::NoMatch });
        }
        if !self.keys.is_empty() && before == (Fit::Complete { more: false }) {
            return Pushed::EndedBefore(KeysEnd::Match);
        }
        self.fit = next;
        if longer.len() <= MAX_KEYS {
            self.keys = longer;
        }
        let wait = match next {
            Fit::Complete { more: false } if self.timing.term_char.is_none() => return Pushed::Ended(KeysEnd::Match),
            Fit::Complete { more: false } => self.timing.term,
            Fit::No if self.timing.early_no_match => return Pushed::Ended(KeysEnd::NoMatch),
            Fit::Complete { more: true } | Fit::Partial | Fit::No => self.timing.interdigit,
        };
        self.due = Some(now + wait);
        self.handle_timeout(now).map_or(Pushed::Taken, Pushed::Ended)
    }

    fn push_hotword(&mut self, now: Instant, key: char, fit: impl Fn(&str) -> Fit) -> Pushed {
        self.keys.push(key);
        self.fit = fit(&self.keys);
        while self.fit == Fit::No && !self.keys.is_empty() {
            self.keys.remove(0);
            self.fit = if self.keys.is_empty() { Fit::No } else { fit(&self.keys) };
        }
        if matches!(self.fit, Fit::Complete { .. }) {
            return Pushed::Ended(KeysEnd::Match);
        }
        if self.keys.is_empty() || self.keys.len() > MAX_KEYS {
            self.forget();
            return Pushed::Taken;
        }
        self.latest.get_or_insert(now + self.timing.recognition);
        self.due = Some(now + self.timing.interdigit);
        self.handle_timeout(now).map_or(Pushed::Taken, Pushed::Ended)
    }

    fn forget(&mut self) {
        *self = Self::new(self.timing);
    }

    /// Ends the recognition if a timer has run out; the one that ran out first decides.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<KeysEnd> {
        let ran_out = |at: Option<Instant>| at.filter(|at| *at <= now);
        let (due, latest) = (ran_out(self.due), ran_out(self.latest));
        let at_most = match (due, latest) {
            (None, None) => return None,
            (Some(due), Some(latest)) => latest < due,
            (due, _) => due.is_none(),
        };
        if self.timing.hotword {
            if at_most {
                return Some(KeysEnd::HotwordMaxtime);
            }
            self.forget();
            return None;
        }
        Some(match (self.fit, at_most) {
            (Fit::Complete { .. }, false) => KeysEnd::Match,
            (Fit::Complete { .. }, true) => KeysEnd::MatchMaxtime,
            (Fit::Partial, false) => KeysEnd::Partial,
            (Fit::Partial, true) => KeysEnd::PartialMaxtime,
            (Fit::No, false) => KeysEnd::NoMatch,
            (Fit::No, true) => KeysEnd::NoMatchMaxtime,
        })
    }
}

/// Keys that were pressed while no recognition took them.
#[derive(Debug, Default)]
pub(super) struct TypeAhead(VecDeque<(Instant, char)>);

impl TypeAhead {
    /// Keeps a key.
    pub(super) fn push(&mut self, now: Instant, key: char) {
        if self.0.len() >= MAX_AHEAD {
            self.0.pop_front();
        }
        self.0.push_back((now, key));
    }

    /// Puts back a key that was not taken: it is the next one.
    pub(super) fn put_back(&mut self, now: Instant, key: char) {
        self.0.push_front((now, key));
    }

    /// The oldest key that is not older than `kept` (DTMF-Buffer-Time).
    pub(super) fn pop(&mut self, now: Instant, kept: Duration) -> Option<char> {
        while let Some((at, key)) = self.0.pop_front() {
            if now.saturating_duration_since(at) < kept {
                return Some(key);
            }
        }
        None
    }

    /// Forgets what was pressed before `asked` (Clear-DTMF-Buffer).
    pub(super) fn clear_before(&mut self, asked: Instant) {
        self.0.retain(|(at, _)| *at >= asked);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests begin at some moment")]

    use super::*;

    const TIMING: Timing = Timing {
        interdigit: Duration::from_millis(3000),
        term: Duration::from_millis(1000),
        term_char: None,
        recognition: Duration::from_millis(10_000),
        early_no_match: false,
        hotword: false,
    };

    /// Words as a grammar, with `+` at the end: the last key any number of times.
    fn fit<'a>(words: &'a [&'a str]) -> impl Fn(&str) -> Fit + 'a {
        |keys| {
            words.iter().fold(Fit::No, |all, word| {
                let (stem, many) = word.strip_suffix('+').map_or((*word, false), |stem| (stem, true));
                let last = stem.chars().last();
                all.or(if keys == stem {
                    Fit::Complete { more: many }
                } else if stem.starts_with(keys) {
                    Fit::Partial
                } else if many && keys.strip_prefix(stem).is_some_and(|rest| rest.chars().all(|key| Some(key) == last))
                {
                    Fit::Complete { more: true }
                } else {
                    Fit::No
                })
            })
        }
    }

    /// Presses keys (`.` lets 1 s pass) and then lets all timers run out; the keys, the end, and when in ms.
    fn press(timing: Timing, words: &[&str], pressed: &str) -> (String, Option<(KeysEnd, u128)>, String) {
        let start = Instant::now();
        let mut now = start;
        let mut collector = Collector::new(timing);
        let mut left = pressed.chars();
        while let Some(key) = left.next() {
            let (end, unused) = if key == '.' {
                now += Duration::from_millis(1000);
                let due = collector.poll_timeout().filter(|due| *due <= now);
                (due.and_then(|due| collector.handle_timeout(due).map(|end| (end, due))), String::new())
            } else {
                match collector.push(now, key, fit(words)) {
                    Pushed::Taken => (None, String::new()),
                    Pushed::Ended(end) => (Some((end, now)), String::new()),
                    Pushed::EndedBefore(end) => (Some((end, now)), key.to_string()),
                }
            };
            if let Some((end, at)) = end {
                let at = at.duration_since(start).as_millis();
                return (collector.keys().to_owned(), Some((end, at)), unused + left.as_str());
            }
        }
        while let Some(due) = collector.poll_timeout() {
            if let Some(end) = collector.handle_timeout(due) {
                let at = due.duration_since(start).as_millis();
                return (collector.keys().to_owned(), Some((end, at)), String::new());
            }
        }
        (collector.keys().to_owned(), None, String::new())
    }

    fn ended(keys: &str, end: KeysEnd, ms: u128) -> (String, Option<(KeysEnd, u128)>, String) {
        (keys.to_owned(), Some((end, ms)), String::new())
    }

    #[test]
    fn complete_and_no_more_possible() {
        assert_eq!(press(TIMING, &["12"], "1.2"), ended("12", KeysEnd::Match, 1000));
        let timing = Timing { term_char: Some('#'), ..TIMING };
        assert_eq!(press(timing, &["12"], "12"), ended("12", KeysEnd::Match, 1000));
        assert_eq!(press(timing, &["12"], "12#"), ended("12", KeysEnd::Match, 0));
        // A further key is no part of this input.
        assert_eq!(press(timing, &["12"], "123"), ("12".to_owned(), Some((KeysEnd::Match, 0)), "3".to_owned()));
        let timing = Timing { term: Duration::ZERO, ..timing };
        assert_eq!(press(timing, &["12"], "12"), ended("12", KeysEnd::Match, 0));
    }

    #[test]
    fn complete_and_more_possible() {
        assert_eq!(press(TIMING, &["1+"], "11."), ended("11", KeysEnd::Match, 3000));
        assert_eq!(press(TIMING, &["1", "12"], "1.2"), ended("12", KeysEnd::Match, 1000));
        let timing = Timing { term_char: Some('#'), ..TIMING };
        assert_eq!(press(timing, &["1+"], "11.#"), ended("11", KeysEnd::Match, 1000));
    }

    #[test]
    fn a_beginning() {
        assert_eq!(press(TIMING, &["123"], "12"), ended("12", KeysEnd::Partial, 3000));
        let timing = Timing { term_char: Some('#'), ..TIMING };
        assert_eq!(press(timing, &["123"], "12#"), ended("12", KeysEnd::NoMatch, 0));
        assert_eq!(press(timing, &["123"], "#"), ended("", KeysEnd::NoMatch, 0));
    }

    #[test]
    fn no_match() {
        assert_eq!(press(TIMING, &["12"], "3.4"), ended("34", KeysEnd::NoMatch, 4000));
        let timing = Timing { term_char: Some('#'), ..TIMING };
        assert_eq!(press(timing, &["12"], "3#"), ended("3", KeysEnd::NoMatch, 0));
        let timing = Timing { early_no_match: true, ..TIMING };
        assert_eq!(press(timing, &["12"], "3.4"), ("3".to_owned(), Some((KeysEnd::NoMatch, 0)), ".4".to_owned()));
    }

    #[test]
    fn the_recognition_timer_runs_from_the_first_key() {
        let timing = Timing { recognition: Duration::from_millis(2500), ..TIMING };
        assert_eq!(press(timing, &["1+"], "1.1.1"), ended("111", KeysEnd::MatchMaxtime, 2500));
        assert_eq!(press(timing, &["1234"], "1.2.3"), ended("123", KeysEnd::PartialMaxtime, 2500));
        assert_eq!(press(timing, &["1"], "2.2.2"), ended("222", KeysEnd::NoMatchMaxtime, 2500));
        // Both at once: the input is over.
        let timing = Timing { recognition: TIMING.interdigit, ..TIMING };
        assert_eq!(press(timing, &["1+"], "1"), ended("1", KeysEnd::Match, 3000));
    }

    #[test]
    fn a_term_char_that_the_grammar_takes_is_a_key() {
        let timing = Timing { term_char: Some('#'), ..TIMING };
        assert_eq!(press(timing, &["#1"], "#1#"), ended("#1", KeysEnd::Match, 0));
        assert_eq!(press(timing, &["1", "1#"], "1#"), ended("1", KeysEnd::Match, 0));
        let timing = Timing { term_char: Some('A'), ..TIMING };
        assert_eq!(press(timing, &["1+"], "1a"), ended("1", KeysEnd::Match, 0));
    }

    #[test]
    fn hotword_mode_forgets_what_leads_nowhere() {
        let timing = Timing { hotword: true, ..TIMING };
        assert_eq!(press(timing, &["*9"], "12*8**9"), ended("*9", KeysEnd::Match, 0));
        assert_eq!(press(timing, &["1+"], "1"), ended("1", KeysEnd::Match, 0));
        assert_eq!(press(timing, &["*9"], "*....9"), (String::new(), None, String::new()));
        let timing = Timing { recognition: Duration::from_millis(1500), ..timing };
        assert_eq!(press(timing, &["1234"], "1.2."), ended("12", KeysEnd::HotwordMaxtime, 1500));
    }

    #[test]
    fn keys_are_kept_for_a_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let kept = Duration::from_millis(1000);
        let mut ahead = TypeAhead::default();
        ahead.push(at(0), '1');
        ahead.push(at(600), '2');
        assert_eq!(ahead.pop(at(1500), kept), Some('2'));
        assert_eq!(ahead.pop(at(1500), kept), None);
        ahead.push(at(2000), '3');
        ahead.push(at(2100), '4');
        ahead.put_back(at(2200), '0');
        ahead.clear_before(at(2100));
        assert_eq!(ahead.pop(at(2200), kept), Some('0'));
        assert_eq!(ahead.pop(at(2200), kept), Some('4'));
        for _ in 0..1000 {
            ahead.push(at(3000), '5');
        }
        assert_eq!(ahead.0.len(), MAX_AHEAD);
        assert_eq!(ahead.pop(at(3000), Duration::ZERO), None);
    }
}
