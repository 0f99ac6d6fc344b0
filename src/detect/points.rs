//! Operating points: what a decision waits for, one row for each balance of people lost, machines found and time.
//!
//! The rows, with what was measured of each, come from `models/answer-points.toml`, which `answerd points` writes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use crate::detect::{Label, Method};

/// The built-in table.
const BUILT_IN: &str = include_str!("../../models/answer-points.toml");
/// Longest time that a row may wait for anything, in ms.
const LONGEST_MS: u32 = 60_000;
/// Most rows for one method.
const MOST_ROWS: usize = 100;

/// What a decision on speech waits for. Probabilities are those of a person, among all that speaks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// What was spoken up to this long is short, in ms.
    pub short_ms: u32,
    /// What was spoken from this long on is long, in ms.
    pub long_ms: u32,
    /// When a person is told after something short, as "hello".
    pub short: Wait,
    /// The like after something of middle length.
    pub middle: Wait,
    /// The like after something long.
    pub long: Wait,
    /// Each utterance after the first makes all pauses this much longer, in ms.
    pub again_ms: u32,
    /// When an automated answer is told.
    pub automated: Automated,
    /// How long it is waited for which kind it is.
    #[serde(default)]
    pub kind: KindWait,
    /// Probability from which a person is told when there is nothing more to wait for.
    pub after_all: f32,
    /// What a person takes besides where a beep is wanted, too.
    pub beep: BeepWait,
    /// What confidences mean.
    #[serde(default)]
    pub confidence: Confidence,
    /// What was measured with this row.
    #[serde(default)]
    pub measured: Option<Measured>,
}

/// The pause after which a person is told: the less likely, the longer.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Probability from which `pause_ms` is enough.
    pub sure: f32,
    /// Probability at which it takes `wait_ms`; below it only the speech's end decides.
    pub likely: f32,
    /// The shortest pause, in ms.
    pub pause_ms: u32,
    /// The longest one, in ms.
    pub wait_ms: u32,
    /// The pause that ends speech for good, in ms: what is likelier then is told.
    pub end_ms: u32,
}

/// When an automated answer is told: the probability of a person that it takes depends on how long it has spoken.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Automated {
    /// The shortest speech, in ms.
    pub early_ms: u32,
    /// Probability below which it is told then.
    pub early: f32,
    /// Speech from which the probability grows no more, in ms.
    pub late_ms: u32,
    /// Probability below which it is told then.
    pub late: f32,
    /// Steps of 100 ms in a row that it takes.
    pub steps: u32,
}

/// Whether a machine, a menu or an assistant speaks is often known later than that no person does: what this is less sure of
/// waits. A wait of 0 ms, as in tables that don't name it, is none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindWait {
    /// Share of the likeliest kind, among all that is automated, from which nothing is waited for.
    pub sure: f32,
    /// Time since the speech's onset after which it is told all the same, in ms.
    pub wait_ms: u32,
}

/// Where a beep is wanted, too (`builtin:speech/voicemail`), a person is told only if this likely, or after this pause: a
/// short greeting's beep may come.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeepWait {
    /// Probability from which no beep is waited for.
    pub sure: f32,
    /// The pause otherwise, in ms.
    pub wait_ms: u32,
}

/// From scores to the measured share of right labels, for each label that speech is told as: lines between pairs of
/// score and share, and level beyond the first and the last. No pairs: the score is the confidence.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Confidence {
    /// Of a person.
    pub human: Vec<(f32, f32)>,
    /// Of an answering machine.
    pub machine: Vec<(f32, f32)>,
    /// Of a screening assistant.
    pub screening: Vec<(f32, f32)>,
    /// Of a menu.
    pub ivr: Vec<(f32, f32)>,
}

/// What was measured with a row, on calls of which neither the model nor the search for this row knew the sources. Shares
/// with their 95 % intervals (Wilson's).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// People.
    pub people: u32,
    /// Share of them told anything but a person, silence or unknown: lost.
    pub human_loss: f32,
    /// Its interval.
    pub human_loss_interval: (f32, f32),
    /// Share of them told human.
    pub people_told_human: f32,
    /// Its interval.
    pub people_told_human_interval: (f32, f32),
    /// Machines, menus and assistants.
    pub automated: u32,
    /// Share of them told as one of these.
    pub automated_told: f32,
    /// Its interval.
    pub automated_told_interval: (f32, f32),
    /// Share of them told as the kind that they are. `None` in tables from before it was measured.
    #[serde(default)]
    pub kind_told: Option<f32>,
    /// When people are told after their greeting's end, in seconds: the median.
    pub people_median_s: f32,
    /// 95 % of them.
    pub people_p95_s: f32,
    /// When automated answers are told after the onset of their speech, in seconds: the median.
    pub automated_median_s: f32,
}

/// The rows, fastest first.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Points {
    /// Where the model tells.
    pub model: Vec<Point>,
    /// Where the rules alone tell.
    pub rules: Vec<Point>,
}

/// Why a table can't be used.
#[derive(Debug)]
pub enum PointsError {
    /// The file can't be read.
    File(PathBuf, std::io::Error),
    /// What it says makes no sense.
    Content(String),
}

impl fmt::Display for PointsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "cannot read the operating points {}: {error}", path.display()),
            Self::Content(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for PointsError {}

impl Points {
    /// The table that is built in.
    #[must_use]
    pub fn built_in() -> Arc<Self> {
        static TABLE: OnceLock<Arc<Points>> = OnceLock::new();
        let read = || Arc::new(Self::read(BUILT_IN).expect("a test reads the built-in table"));
        Arc::clone(TABLE.get_or_init(read))
    }

    /// The table of a file; `None`: the built-in one.
    ///
    /// # Errors
    /// If the file can't be read, or is no such table.
    pub fn load(file: Option<&Path>) -> Result<Arc<Self>, PointsError> {
        let Some(file) = file else { return Ok(Self::built_in()) };
        #[allow(clippy::disallowed_methods, reason = "a table is a file, read once before any audio")]
        let text = std::fs::read_to_string(file).map_err(|error| PointsError::File(file.to_owned(), error))?;
        let named = |error| PointsError::Content(format!("{}: {error}", file.display()));
        Self::read(&text).map(Arc::new).map_err(named)
    }

    /// Reads a table.
    ///
    /// # Errors
    /// The first thing that is wrong, with its row.
    pub fn read(text: &str) -> Result<Self, PointsError> {
        let points: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count());
            PointsError::Content(format!("line {line}: {}", error.message()))
        })?;
        for (name, rows) in [("model", &points.model), ("rules", &points.rules)] {
            if rows.is_empty() || rows.len() > MOST_ROWS {
                return Err(PointsError::Content(format!("{name}: {} rows, not 1 to {MOST_ROWS}", rows.len())));
            }
            for (n, row) in rows.iter().enumerate() {
                row.check().map_err(|reason| PointsError::Content(format!("{name}, row {}: {reason}", n + 1)))?;
            }
        }
        Ok(points)
    }

    /// The row that serves: the fastest that loses no more than `max_human_loss` of the people as measured, or the surest
    /// if none does (of rows that were never measured, the middle one); from there `dial`, Speed-Vs-Accuracy, goes to the fastest at 0.0 and to the surest at 1.0.
    #[must_use]
    pub fn choose(&self, method: Method, max_human_loss: f64, dial: f32) -> &Point {
        &self.rows(method)[self.place(method, max_human_loss, dial)]
    }

    /// The place, from 0, of that row among [`Self::rows`].
    #[must_use]
    pub fn place(&self, method: Method, max_human_loss: f64, dial: f32) -> usize {
        let rows = self.rows(method);
        let last = rows.len() - 1;
        let measured = rows.iter().any(|row| row.measured.is_some());
        let otherwise = if measured { last } else { last / 2 };
        let base = rows.iter().position(|row| row.keeps(max_human_loss)).unwrap_or(otherwise);
        let dial = dial.clamp(0.0, 1.0);
        let place = if dial <= 0.5 {
            base as f32 * dial * 2.0
        } else {
            base as f32 + (last - base) as f32 * (dial - 0.5) * 2.0
        };
        (place.round() as usize).min(last)
    }

    /// The rows for decisions with the model, or by rules alone, fastest first.
    #[must_use]
    pub fn rows(&self, method: Method) -> &[Point] {
        match method {
            Method::Model => &self.model,
            Method::Rules => &self.rules,
        }
    }

    /// The least loss that any of these rows was measured with.
    #[must_use]
    pub fn least_human_loss(&self, method: Method) -> Option<f32> {
        self.rows(method).iter().filter_map(|row| Some(row.measured.as_ref()?.human_loss)).min_by(f32::total_cmp)
    }
}

impl Point {
    fn keeps(&self, max_human_loss: f64) -> bool {
        // Compared as they are written, in ten thousandths of a percent.
        self.measured.as_ref().is_some_and(|measured| f64::from(measured.human_loss) <= max_human_loss + 1e-6)
    }

    /// The pauses after what was spoken for so long.
    #[must_use]
    pub fn wait(&self, spoken_ms: u32) -> &Wait {
        if spoken_ms <= self.short_ms {
            &self.short
        } else if spoken_ms < self.long_ms {
            &self.middle
        } else {
            &self.long
        }
    }

    /// Checks that the numbers make sense together.
    fn check(&self) -> Result<(), String> {
        let share = |name: &str, value: f32| match (0.0..=1.0).contains(&value) {
            true => Ok(()),
            false => Err(format!("{name}: {value} is not from 0 to 1")),
        };
        let time = |name: &str, from: u32, value: u32| match (from..=LONGEST_MS).contains(&value) {
            true => Ok(()),
            false => Err(format!("{name}: {value} is not from {from} to {LONGEST_MS}")),
        };
        time("short_ms", 0, self.short_ms)?;
        time("long_ms", self.short_ms, self.long_ms)?;
        time("again_ms", 0, self.again_ms)?;
        for (name, wait) in [("short", &self.short), ("middle", &self.middle), ("long", &self.long)] {
            share(&format!("{name}.sure"), wait.sure)?;
            share(&format!("{name}.likely"), wait.likely)?;
            if wait.likely > wait.sure {
                return Err(format!("{name}.likely: {} is over {name}.sure", wait.likely));
            }
            time(&format!("{name}.pause_ms"), 100, wait.pause_ms)?;
            time(&format!("{name}.wait_ms"), wait.pause_ms, wait.wait_ms)?;
            time(&format!("{name}.end_ms"), wait.pause_ms, wait.end_ms)?;
        }
        time("automated.early_ms", 0, self.automated.early_ms)?;
        time("automated.late_ms", self.automated.early_ms, self.automated.late_ms)?;
        share("automated.early", self.automated.early)?;
        share("automated.late", self.automated.late)?;
        time("automated.steps", 1, self.automated.steps)?;
        share("kind.sure", self.kind.sure)?;
        time("kind.wait_ms", 0, self.kind.wait_ms)?;
        share("after_all", self.after_all)?;
        share("beep.sure", self.beep.sure)?;
        time("beep.wait_ms", 0, self.beep.wait_ms)?;
        let Confidence { human, machine, screening, ivr } = &self.confidence;
        for (name, curve) in [("human", human), ("machine", machine), ("screening", screening), ("ivr", ivr)] {
            let name = format!("confidence.{name}");
            for (score, told) in curve {
                share(&name, *score)?;
                share(&name, *told)?;
            }
            if curve.windows(2).any(|pair| pair[0].0 >= pair[1].0 || pair[0].1 > pair[1].1) {
                return Err(format!("{name}: scores and shares do not grow"));
            }
        }
        if let Some(measured) = &self.measured {
            share("measured.human_loss", measured.human_loss)?;
        }
        Ok(())
    }
}

impl Wait {
    /// The pause after which a person of this probability is told, in ms.
    #[must_use]
    pub fn pause_for(&self, person: f32) -> Option<f32> {
        let (shortest, longest) = (self.pause_ms as f32, self.wait_ms as f32);
        if person >= self.sure {
            Some(shortest)
        } else if person >= self.likely {
            // The probability lies between the two, which are not equal.
            Some(shortest + (longest - shortest) * (self.sure - person) / (self.sure - self.likely))
        } else {
            None
        }
    }
}

impl KindWait {
    /// Whether the kind can be told: `share` is the likeliest one's, `since_ms` the time since the speech's onset.
    #[must_use]
    pub fn is_over(&self, share: f32, since_ms: u32) -> bool {
        share >= self.sure || since_ms >= self.wait_ms
    }
}

impl Automated {
    /// The probability of a person below which an automated answer is likely after so much speech; 0 before there is
    /// enough.
    #[must_use]
    pub fn below(&self, spoken_ms: u32) -> f32 {
        if spoken_ms < self.early_ms {
            return 0.0;
        }
        let span = (self.late_ms - self.early_ms).max(1) as f32;
        let along = ((spoken_ms - self.early_ms) as f32 / span).min(1.0);
        self.early + (self.late - self.early) * along
    }
}

impl Confidence {
    /// The share of right labels among those that were told as `label` with this score.
    #[must_use]
    pub fn of(&self, label: Label, score: f32) -> f32 {
        let curve = match label {
            Label::Human => &self.human,
            Label::Machine => &self.machine,
            Label::Screening => &self.screening,
            Label::Ivr => &self.ivr,
            _ => return score,
        };
        let after = curve.partition_point(|(at, _)| *at <= score);
        match (after.checked_sub(1).and_then(|before| curve.get(before)), curve.get(after)) {
            (Some((from, low)), Some((to, high))) => low + (high - low) * (score - from) / (to - from),
            (Some((_, share)), None) | (None, Some((_, share))) => *share,
            (None, None) => score,
        }
    }
}

impl fmt::Display for Points {
    /// The table's text, as [`Points::read`] takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, rows) in [("model", &self.model), ("rules", &self.rules)] {
            for row in rows {
                writeln!(f, "\n[[{name}]]")?;
                row.write(f, name)?;
            }
        }
        Ok(())
    }
}

impl Point {
    fn write(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        writeln!(f, "short_ms = {}\nlong_ms = {}\nagain_ms = {}", self.short_ms, self.long_ms, self.again_ms)?;
        for (name, wait) in [("short", &self.short), ("middle", &self.middle), ("long", &self.long)] {
            let Wait { sure, likely, pause_ms, wait_ms, end_ms } = wait;
            let times = format!("pause_ms = {pause_ms}, wait_ms = {wait_ms}, end_ms = {end_ms}");
            writeln!(f, "{name} = {{ sure = {sure:.3}, likely = {likely:.3}, {times} }}")?;
        }
        let Automated { early_ms, early, late_ms, late, steps } = self.automated;
        writeln!(
            f,
            "automated = {{ early_ms = {early_ms}, early = {early:.4}, late_ms = {late_ms}, late = {late:.4}, steps = {steps} }}"
        )?;
        writeln!(f, "kind = {{ sure = {:.3}, wait_ms = {} }}", self.kind.sure, self.kind.wait_ms)?;
        writeln!(f, "after_all = {:.3}", self.after_all)?;
        writeln!(f, "beep = {{ sure = {:.3}, wait_ms = {} }}", self.beep.sure, self.beep.wait_ms)?;
        let Confidence { human, machine, screening, ivr } = &self.confidence;
        let curves = [("human", human), ("machine", machine), ("screening", screening), ("ivr", ivr)];
        if curves.iter().any(|(_, curve)| !curve.is_empty()) {
            writeln!(f, "[{name}.confidence]")?;
            for (label, curve) in curves {
                let pairs: Vec<String> =
                    curve.iter().map(|(score, share)| format!("[{score:.3}, {share:.3}]")).collect();
                writeln!(f, "{label} = [{}]", pairs.join(", "))?;
            }
        }
        let Some(measured) = &self.measured else { return Ok(()) };
        let share = |(low, high): (f32, f32)| format!("[{low:.4}, {high:.4}]");
        writeln!(f, "[{name}.measured]\npeople = {}", measured.people)?;
        writeln!(f, "human_loss = {:.4}", measured.human_loss)?;
        writeln!(f, "human_loss_interval = {}", share(measured.human_loss_interval))?;
        writeln!(f, "people_told_human = {:.4}", measured.people_told_human)?;
        writeln!(f, "people_told_human_interval = {}", share(measured.people_told_human_interval))?;
        writeln!(f, "automated = {}", measured.automated)?;
        writeln!(f, "automated_told = {:.4}", measured.automated_told)?;
        writeln!(f, "automated_told_interval = {}", share(measured.automated_told_interval))?;
        if let Some(kind_told) = measured.kind_told {
            writeln!(f, "kind_told = {kind_told:.4}")?;
        }
        writeln!(f, "people_median_s = {:.2}\npeople_p95_s = {:.2}", measured.people_median_s, measured.people_p95_s)?;
        writeln!(f, "automated_median_s = {:.2}", measured.automated_median_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(from: &str, to: &str) -> String {
        let text = BUILT_IN.replacen(from, to, 1);
        assert_ne!(text, BUILT_IN, "{from}");
        Points::read(&text).unwrap_err().to_string()
    }

    fn wait() -> Wait {
        Wait { sure: 0.8, likely: 0.4, pause_ms: 500, wait_ms: 1_500, end_ms: 2_000 }
    }

    fn point(human_loss: Option<f32>, short_ms: u32) -> Point {
        let measured = human_loss.map(|human_loss| Measured {
            people: 100,
            human_loss,
            human_loss_interval: (0.0, 1.0),
            people_told_human: 1.0 - human_loss,
            people_told_human_interval: (0.0, 1.0),
            automated: 100,
            automated_told: 0.9,
            automated_told_interval: (0.0, 1.0),
            kind_told: Some(0.8),
            people_median_s: 0.8,
            people_p95_s: 2.0,
            automated_median_s: 3.0,
        });
        Point {
            short_ms,
            long_ms: 4_000,
            short: wait(),
            middle: Wait { wait_ms: 2_200, end_ms: 2_500, ..wait() },
            long: wait(),
            again_ms: 0,
            automated: Automated { early_ms: 1_000, early: 0.1, late_ms: 3_000, late: 0.3, steps: 2 },
            kind: KindWait { sure: 0.75, wait_ms: 5_000 },
            after_all: 0.4,
            beep: BeepWait { sure: 0.93, wait_ms: 2_500 },
            confidence: Confidence { human: vec![(0.5, 0.7), (0.9, 0.95)], ..Confidence::default() },
            measured,
        }
    }

    #[test]
    fn the_built_in_table_is_good_and_is_written_as_it_is_read() {
        let points = Points::read(BUILT_IN).unwrap();
        assert_eq!(Points::read(&points.to_string()).unwrap(), points);
        let made = Points { model: vec![point(Some(0.0123), 1_300)], rules: vec![point(None, 900)] };
        assert_eq!(Points::read(&made.to_string()).unwrap(), made);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert!(wrong("again_ms = ", "agian_ms = ").starts_with("line "), "{}", wrong("again_ms = ", "agian_ms = "));
        assert!(wrong("again_ms = ", "again_ms = 99999").starts_with("model, row 1: again_ms: 99999"));
        assert!(wrong("likely = ", "likely = 7").starts_with("model, row 1: short.likely: 7"));
        assert!(wrong("steps = ", "steps = 0 #").starts_with("line "));
        assert_eq!(Points::read("model = []\nrules = []\n").unwrap_err().to_string(), "model: 0 rows, not 1 to 100");
        let mut falls = point(None, 1_300);
        falls.confidence.human = vec![(0.5, 0.9), (0.9, 0.7)];
        assert_eq!(falls.check().unwrap_err(), "confidence.human: scores and shares do not grow");
        assert!(
            Points::load(Some(Path::new("/nonexistent/points.toml"))).unwrap_err().to_string().contains("cannot read")
        );
    }

    #[test]
    fn the_fastest_row_that_keeps_the_loss_serves_and_the_dial_goes_from_there() {
        let rows: Vec<Point> =
            [0.04, 0.02, 0.01, 0.003].iter().enumerate().map(|(n, loss)| point(Some(*loss), n as u32)).collect();
        let points = Points { model: rows, rules: (0..5).map(|n| point(None, n)).collect() };
        let row = |loss, dial| points.choose(Method::Model, loss, dial).short_ms;
        assert_eq!([row(0.05, 0.5), row(0.02, 0.5), row(0.019, 0.5), row(0.003, 0.5)], [0, 1, 2, 3]);
        // None loses so few: the surest.
        assert_eq!(row(0.001, 0.5), 3);
        assert_eq!([row(0.02, 0.0), row(0.02, 0.7), row(0.02, 1.0), row(0.02, 7.0)], [0, 2, 3, 3]);
        assert_eq!(points.least_human_loss(Method::Model), Some(0.003));
        // Rows that were never measured: from the middle one.
        let row = |dial| points.choose(Method::Rules, 0.02, dial).short_ms;
        assert_eq!([row(0.0), row(0.5), row(1.0)], [0, 2, 4]);
    }

    #[test]
    fn the_less_likely_a_person_the_longer_the_pause() {
        assert_eq!(wait().pause_for(0.9), Some(500.0));
        assert_eq!(wait().pause_for(0.8), Some(500.0));
        assert!((wait().pause_for(0.6).unwrap() - 1_000.0).abs() < 1.0);
        assert!((wait().pause_for(0.4).unwrap() - 1_500.0).abs() < 1.0);
        assert_eq!(wait().pause_for(0.39), None);
        let same = Wait { likely: 0.8, ..wait() };
        assert_eq!((same.pause_for(0.8), same.pause_for(0.79)), (Some(500.0), None));
    }

    #[test]
    fn how_sure_an_automated_answer_has_to_be_depends_on_its_length() {
        let automated = point(None, 0).automated;
        assert_eq!([automated.below(990), automated.below(1_000), automated.below(9_000)], [0.0, 0.1, 0.3]);
        assert!((automated.below(2_000) - 0.2).abs() < 1e-6);
    }

    #[test]
    fn a_kind_is_waited_for_unless_it_is_sure() {
        let kind = point(None, 0).kind;
        let over = |share, since_ms| kind.is_over(share, since_ms);
        assert_eq!((over(0.74, 4_990), over(0.75, 0), over(0.4, 5_000)), (false, true, true));
        assert!(KindWait::default().is_over(0.4, 0));
    }

    #[test]
    fn confidences_lie_on_their_curves() {
        let confidence = point(None, 0).confidence;
        assert_eq!(confidence.of(Label::Human, 0.2), 0.7);
        assert!((confidence.of(Label::Human, 0.7) - 0.825).abs() < 1e-6);
        assert_eq!(confidence.of(Label::Human, 0.99), 0.95);
        // No curve, or no label of speech: the score itself.
        assert_eq!((confidence.of(Label::Machine, 0.6), confidence.of(Label::Sit, 0.98)), (0.6, 0.98));
    }
}
