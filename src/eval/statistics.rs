//! Statistics of small numbers: shares, rates and areas with their intervals, spreads, calibration.

use serde::{Serialize, Serializer};

/// The standard normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.959_964;
/// Half of what a 95 % interval leaves out.
const TAIL: f64 = 0.025;
/// Halvings that find a bound more exactly than it is written.
const HALVINGS: usize = 60;
/// Bins of a calibration, of equal width.
const BINS: usize = 10;

/// How many of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// How many.
    pub hits: usize,
    /// Of how many.
    pub of: usize,
}

impl Share {
    /// Counts what fulfils a condition.
    pub fn count(each: impl IntoIterator<Item = bool>) -> Self {
        let mut share = Self::default();
        for hit in each {
            share.hits += usize::from(hit);
            share.of += 1;
        }
        share
    }

    /// The share, 0.0 to 1.0; `None` of nothing.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }

    /// Wilson's 95 % interval (E. B. Wilson, JASA 22, 1927); of nothing, everything.
    #[must_use]
    pub fn interval(&self) -> (f64, f64) {
        let Some(share) = self.value() else { return (0.0, 1.0) };
        let (n, zz) = (self.of as f64, Z * Z);
        let middle = (share + zz / (2.0 * n)) / (1.0 + zz / n);
        let half = Z * (share * (1.0 - share) / n + zz / (4.0 * n * n)).sqrt() / (1.0 + zz / n);
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Form {
            hits: usize,
            of: usize,
            share: Option<f64>,
            low: f64,
            high: f64,
        }
        let (low, high) = self.interval();
        let share = self.value().map(|share| round(share, 5));
        Form { hits: self.hits, of: self.of, share, low: round(low, 5), high: round(high, 5) }.serialize(serializer)
    }
}

/// How numbers spread. Percentiles are numbers of the list: the one below which that share of it lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// How many numbers.
    pub count: usize,
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// 90 % are below it.
    pub p90: f64,
    /// 95 % are below it.
    pub p95: f64,
    /// The greatest.
    pub worst: f64,
}

impl Spread {
    /// The spread of numbers; `None` of nothing.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.retain(|value| value.is_finite());
        values.sort_by(f64::total_cmp);
        let count = values.len();
        let worst = *values.last()?;
        let percentile = |share: f64| values[((share * count as f64) as usize).min(count - 1)];
        let median = f64::midpoint(values[(count - 1) / 2], values[count / 2]);
        let [median, p90, p95, worst] = [median, percentile(0.9), percentile(0.95), worst].map(|value| round(value, 4));
        Some(Self { count, median, p90, p95, worst })
    }
}

/// Events in a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// How many.
    pub count: usize,
    /// In how many hours.
    pub hours: f64,
    /// How many in an hour; `None` in no time.
    pub per_hour: Option<f64>,
    /// Poisson's exact 95 % interval of it.
    pub interval: Option<(f64, f64)>,
}

impl Rate {
    /// So many in so many hours.
    #[must_use]
    pub fn new(count: usize, hours: f64) -> Self {
        let timed = hours > 0.0;
        let (low, high) = poisson(count);
        Self {
            count,
            hours: round(hours, 5),
            per_hour: timed.then(|| round(count as f64 / hours, 4)),
            interval: timed.then(|| (round(low / hours, 4), round(high / hours, 4))),
        }
    }
}

/// Means that `count` events are likely from: those under which neither so many nor so few are rarer than 2.5 %.
fn poisson(count: usize) -> (f64, f64) {
    // Probability of at most `most` events.
    let at_most = |most: usize, mean: f64| {
        let mut logarithm = -mean;
        let mut sum = logarithm.exp();
        for n in 1..=most {
            logarithm += (mean / n as f64).ln();
            sum += logarithm.exp();
        }
        sum
    };
    let far = 2.0 * count as f64 + 20.0;
    let low = match count.checked_sub(1) {
        Some(fewer) => bisect(0.0, far, |mean| 1.0 - at_most(fewer, mean) < TAIL),
        None => 0.0,
    };
    (low, bisect(0.0, far, |mean| at_most(count, mean) > TAIL))
}

/// Where a condition that holds at `low` and not at `high` ends to hold.
fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The area under a ROC curve: how often a person scores higher than an automated answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Auc {
    /// 0.5 by chance, 1.0 for perfect.
    pub area: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Auc {
    /// The area for the scores of both kinds; `None` if one has none. Equal scores count half. The interval is Newcombe's
    /// method 5 (Statistics in Medicine 25, 2006), which has a width also at 1.0.
    #[must_use]
    pub fn of(people: &[f64], automated: &[f64]) -> Option<Self> {
        let (m, n) = (people.len() as f64, automated.len() as f64);
        if people.is_empty() || automated.is_empty() {
            return None;
        }
        let mut sorted = automated.to_vec();
        sorted.sort_by(f64::total_cmp);
        let won: f64 = people
            .iter()
            .map(|score| {
                let below = sorted.partition_point(|other| other < score);
                let equal = sorted.partition_point(|other| other <= score) - below;
                below as f64 + equal as f64 / 2.0
            })
            .sum();
        let area = won / (m * n);
        let star = f64::midpoint(m, n) - 1.0;
        let deviation = |a: f64| {
            let variance = a * (1.0 - a) / (m * n) * (1.0 + star * (1.0 - a) / (2.0 - a) + star * a / (1.0 + a));
            Z * variance.max(0.0).sqrt()
        };
        let low = if area > 0.0 { bisect(0.0, area, |a| area - a > deviation(a)) } else { 0.0 };
        let high =
            if area < 1.0 { 1.0 - bisect(0.0, 1.0 - area, |b| 1.0 - b - area > deviation(1.0 - b)) } else { 1.0 };
        Some(Self { area: round(area, 5), low: round(low, 5), high: round(high, 5) })
    }
}

/// One threshold of a ROC curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RocPoint {
    /// Scores from here on count as a person.
    pub threshold: f64,
    /// People that reach it.
    pub people: Share,
    /// Automated answers that reach it.
    pub automated: Share,
}

/// The ROC curve, from the highest threshold to the lowest, without points that lie on a line between their neighbours.
#[must_use]
pub fn roc(people: &[f64], automated: &[f64]) -> Vec<RocPoint> {
    let descending = |scores: &[f64]| {
        let mut scores = scores.to_vec();
        scores.sort_by(|a, b| b.total_cmp(a));
        scores
    };
    let (people, automated) = (descending(people), descending(automated));
    let mut thresholds: Vec<f64> = people.iter().chain(&automated).copied().collect();
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    let reach = |scores: &[f64], threshold: f64| Share {
        hits: scores.partition_point(|score| *score >= threshold),
        of: scores.len(),
    };
    let mut points: Vec<RocPoint> = Vec::new();
    for threshold in thresholds {
        let (people, automated) = (reach(&people, threshold), reach(&automated, threshold));
        if let [.., before, last] = points.as_slice() {
            let step = |a: &RocPoint, b: (usize, usize)| (b.0 - a.people.hits, b.1 - a.automated.hits);
            let (one, two) =
                (step(before, (last.people.hits, last.automated.hits)), step(last, (people.hits, automated.hits)));
            if one.0 * two.1 == one.1 * two.0 {
                points.pop();
            }
        }
        points.push(RocPoint { threshold: round(threshold, 5), people, automated });
    }
    points
}

/// How often what was told with some confidence is right.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// How many were told.
    pub count: usize,
    /// Expected calibration error: the mean distance between confidence and share of right ones, over ten bins of equal
    /// width, each weighed by how many it holds. `None` of nothing.
    pub error: Option<f64>,
    /// The bins that hold any, from low confidence to high.
    pub bins: Vec<Bin>,
}

/// One bin of confidences.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Lowest confidence.
    pub from: f64,
    /// Highest.
    pub to: f64,
    /// Mean confidence.
    pub confidence: f64,
    /// Share of right ones.
    pub right: Share,
}

impl Calibration {
    /// From confidences, 0.0 to 1.0, and whether each was right.
    #[must_use]
    pub fn of(told: &[(f64, bool)]) -> Self {
        let mut bins = [(0.0, Share::default()); BINS];
        for (confidence, right) in told {
            let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
            bin.0 += confidence;
            bin.1.hits += usize::from(*right);
            bin.1.of += 1;
        }
        let apart: f64 = bins.iter().map(|(sum, right)| (sum - right.hits as f64).abs()).sum();
        let bins = bins.iter().enumerate().filter(|(_, (_, right))| right.of > 0).map(|(n, (sum, right))| Bin {
            from: n as f64 / BINS as f64,
            to: (n + 1) as f64 / BINS as f64,
            confidence: round(sum / right.of as f64, 5),
            right: *right,
        });
        let error = (!told.is_empty()).then(|| round(apart / told.len() as f64, 5));
        Self { count: told.len(), error, bins: bins.collect() }
    }
}

/// A number in so many places.
#[must_use]
pub(super) fn round(value: f64, places: i32) -> f64 {
    let steps = 10.0_f64.powi(places);
    // Zero is never written as -0.
    (value * steps).round() / steps + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 5e-4, "{found}, not {wanted}");
    }

    #[test]
    fn wilson_as_published() {
        // Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        for (hits, of, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let (found_low, found_high) = Share { hits, of }.interval();
            near(found_low, low);
            near(found_high, high);
        }
        assert_eq!(Share::default().interval(), (0.0, 1.0));
        assert_eq!(Share::default().value(), None);
    }

    #[test]
    fn poisson_as_in_tables() {
        // Exact limits for 0, 1 and 10 events; for many, near those of the normal distribution.
        for (count, low, high) in [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904)] {
            let found = poisson(count);
            near(found.0, low);
            near(found.1, high);
        }
        let (low, high) = poisson(2_000);
        assert!((low - (2_000.0 - 87.7)).abs() < 3.0 && (high - (2_000.0 + 87.7)).abs() < 3.0, "{low} {high}");
        assert_eq!(Rate::new(3, 0.0).per_hour, None);
        assert_eq!(Rate::new(3, 1.5).per_hour, Some(2.0));
    }

    #[test]
    fn percentiles_are_numbers_of_the_list() {
        let spread = Spread::of((1..=20).rev().map(f64::from).collect()).unwrap();
        assert_eq!(spread, Spread { count: 20, median: 10.5, p90: 19.0, p95: 20.0, worst: 20.0 });
        let one = Spread::of(vec![-0.25, f64::NAN]).unwrap();
        assert_eq!(one, Spread { count: 1, median: -0.25, p90: -0.25, p95: -0.25, worst: -0.25 });
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn the_area_counts_pairs() {
        let auc = Auc::of(&[0.9, 0.8, 0.4], &[0.1, 0.4, 0.85]).unwrap();
        // 0.9 beats three, 0.8 two, 0.4 one and ties one.
        near(auc.area, 6.5 / 9.0);
        assert!(auc.low < auc.area && auc.area < auc.high && auc.high < 1.0);
        assert_eq!(Auc::of(&[], &[0.1]), None);
    }

    #[test]
    fn a_perfect_area_is_not_certain() {
        let (people, automated) = (vec![0.9; 20], vec![0.2; 30]);
        let auc = Auc::of(&people, &automated).unwrap();
        assert_eq!((auc.area, auc.high), (1.0, 1.0));
        assert!((0.80..0.99).contains(&auc.low), "{}", auc.low);
        let worst = Auc::of(&automated, &people).unwrap();
        assert_eq!((worst.area, worst.low), (0.0, 0.0));
        near(worst.high, 1.0 - auc.low);
    }

    #[test]
    fn the_curve_goes_from_corner_to_corner_by_its_corners() {
        let points = roc(&[0.9, 0.8, 0.7, 0.2], &[0.3, 0.1, 0.0]);
        let steps = points.iter().map(|point| (point.threshold, point.people.hits, point.automated.hits));
        // 0.8 lies between 0.9 and 0.7, 0.1 between 0.2 and 0.0.
        let wanted = [(0.9, 1, 0), (0.7, 3, 0), (0.3, 3, 1), (0.2, 4, 1), (0.0, 4, 3)];
        assert_eq!(steps.collect::<Vec<_>>(), wanted);
        assert!(roc(&[], &[]).is_empty());
    }

    #[test]
    fn calibration_weighs_its_bins() {
        let told = [(1.0, true), (0.95, true), (0.92, false), (0.55, true), (0.55, false)];
        let calibration = Calibration::of(&told);
        // Top bin: |2.87 - 2|, middle bin: |1.1 - 1|.
        near(calibration.error.unwrap(), (0.87 + 0.1) / 5.0);
        assert_eq!(calibration.bins.len(), 2);
        assert_eq!((calibration.bins[0].from, calibration.bins[0].right), (0.5, Share { hits: 1, of: 2 }));
        assert_eq!(Calibration::of(&[]).error, None);
    }
}
