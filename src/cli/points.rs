//! `answerd points`: Search the operating points of detection, and write their table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};

use crate::audio::Frame;
use crate::cli::cores::on_all_cores;
use crate::cli::eval::{Models, named_models};
use crate::cli::offline::{self, Offline};
use crate::cli::progress::Progress;
use crate::cli::say::say;
use crate::detect::{Measured, Point, Points, Replay};
use crate::eval::{Cases, Minds, Truth};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every recording is heard once, by its own model if TRUTH.csv names one (the columns are those of `answerd eval`); then the
numbers of the table are searched for on what was heard. Rows differ in what a person lost costs. People and automated
answers count alike, each kind as often as the table has it. The figures beside a row are of calls whose fold its
numbers were not searched on; where the table names no folds, five are made of the sources. Rows that are only measured
(--steps 0) may have been chosen with these calls in view: that is not known here. The same recordings, models and table to
begin with give the same rows.

Examples:
  answerd points folds/truth.csv --out mine.toml
  answerd points folds/truth.csv --points mine.toml --steps 0 --out mine.toml")]
pub(super) struct Arguments {
    /// What is true of the recordings.
    #[arg(value_name = "TRUTH.csv")]
    truth: PathBuf,
    #[command(flatten)]
    options: offline::Options,
    /// Where the table is written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What a person lost costs, where an automated answer that is not found costs 1: one row for each number.
    #[arg(long, value_name = "COST", value_delimiter = ',', default_value = "0.5,1,2,4,8,16,32")]
    loss: Vec<f64>,
    /// What it costs that an automated answer is told as another kind.
    #[arg(long, value_name = "COST", default_value_t = 0.3)]
    kind: f64,
    /// What a second costs that a person waits.
    #[arg(long, value_name = "COST", default_value_t = 0.02)]
    person_second: f64,
    /// What a second costs that an automated answer takes.
    #[arg(long, value_name = "COST", default_value_t = 0.01)]
    automated_second: f64,
    /// Numbers tried for each row. With 0 the rows of the table to begin with are kept, and measured.
    #[arg(long, value_name = "N", default_value_t = 1_200)]
    steps: usize,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if arguments.loss.iter().any(|cost| !cost.is_finite() || *cost <= 0.0) {
        bail!("--loss: costs are numbers over 0");
    }
    let name = arguments.truth.display().to_string();
    let table = std::fs::read(&arguments.truth).with_context(|| format!("cannot read {name}"))?;
    let truths = Truth::read(&table).map_err(|error| anyhow!("{name}: {error}"))?;
    let named = named_models(&truths, &arguments.options)?;
    let offline = Offline::new(&arguments.options)?;
    let folder = arguments.truth.parent().unwrap_or(Path::new(""));
    for (file, line) in &named {
        let unfit = || format!("{name}: line {line}: model: {file}");
        drop(offline.other_model(&folder.join(file)).with_context(unfit)?);
    }

    let progress = Progress::new(truths.len());
    let heard = on_all_cores(
        &truths,
        || Models { usual: offline.model(), named: BTreeMap::new() },
        |models, truth| -> anyhow::Result<[Replay; 2]> {
            let model = models.of(&truth.model, &named, &offline, folder)?;
            let sound = offline::read(&folder.join(&truth.file))?;
            let heard = Replay::both(model, &offline.config, &[Frame::Sound(&sound)]);
            heard.context("nothing decides it")
        },
        |done| progress.done(done),
    );
    drop(progress);
    let mut replays = Vec::new();
    for (truth, heard) in truths.iter().zip(heard) {
        replays.push(heard.with_context(|| format!("{name}: line {}: {}", truth.line, truth.file))?);
    }

    let rows = |which: usize, begin: &[Point]| {
        let cases = Cases::new(truths.iter().zip(&replays).map(|(truth, pair)| (truth, &pair[which])));
        searched(&cases, begin, &arguments)
    };
    let begin = &offline.config.table;
    let table = Points { model: rows(0, &begin.model)?, rules: rows(1, &begin.rules)? };
    let count = truths.len();
    let how = if arguments.steps == 0 {
        format!("The rows were given, and measured by `answerd points` on {count} calls")
    } else {
        format!("Searched for by `answerd points` on {count} calls")
    };
    let head = format!(
        "# What decisions on speech wait for, one row for each operating point, fastest first: docs/accuracy.md tells more.\n\
         # {how}; see `answerd points --help`.\n"
    );
    std::fs::write(&arguments.out, format!("{head}{table}"))
        .with_context(|| format!("cannot write {}", arguments.out.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// One row for each cost of a person lost, with its figures; or those of the table to begin with, if nothing is searched for.
fn searched(cases: &Cases<'_>, begin: &[Point], arguments: &Arguments) -> anyhow::Result<Vec<Point>> {
    if cases.is_empty() || cases.folds() < 2 {
        bail!("{} calls of people and automated answers in {} folds: too few", cases.len(), cases.folds());
    }
    if arguments.steps == 0 {
        say!("{:<6} {COLUMNS}", "row");
        let rows = begin.iter().enumerate();
        let measured =
            |(n, row): (usize, &Point)| measured(cases, row, &vec![row.clone(); cases.folds()], &(n + 1).to_string());
        return Ok(sorted(rows.map(measured).collect()));
    }
    let start = &begin[begin.len() / 2];
    // Each row on the calls outside of each fold, then on all; each from what the row before came to, if that is better.
    let withouts: Vec<Option<usize>> = (0..cases.folds()).map(Some).chain([None]).collect();
    let progress = Progress::new(withouts.len());
    let found = on_all_cores(
        &withouts,
        || (),
        |(), without| {
            let mut points: Vec<Point> = Vec::new();
            for loss in &arguments.loss {
                let minds = Minds {
                    loss: *loss,
                    kind: arguments.kind,
                    person_s: arguments.person_second,
                    automated_s: arguments.automated_second,
                };
                points.push(cases.search(start, points.last(), minds, *without, arguments.steps));
            }
            points
        },
        |done| progress.done(done),
    );
    drop(progress);
    say!("{:<6} {COLUMNS}", "cost");
    let mut rows = Vec::new();
    for (n, loss) in arguments.loss.iter().enumerate() {
        let row: Vec<Point> = found.iter().filter_map(|points| points.get(n).cloned()).collect();
        let Some((whole, apart)) = row.split_last() else { continue };
        rows.push(measured(cases, whole, apart, &loss.to_string()));
    }
    // What another row does better in everything is of no use.
    let worse = |row: &Point| rows.iter().any(|other| other != row && is_better(other, row));
    Ok(sorted(rows.iter().filter(|row| !worse(row)).cloned().collect()))
}

/// A row with its figures, of the points that were found without each fold: `apart`.
fn measured(cases: &Cases<'_>, row: &Point, apart: &[Point], name: &str) -> Point {
    let (measured, confidence, errors) = cases.measure(apart);
    say!("{}", line(name, &measured, errors));
    Point { confidence, measured: Some(measured), ..row.clone() }
}

/// Fastest first is what loses most first.
fn sorted(mut rows: Vec<Point>) -> Vec<Point> {
    rows.sort_by(|a, b| lost(b).total_cmp(&lost(a)));
    rows
}

/// Whether one row loses no more people than another, finds as many automated answers, and takes no longer for them.
fn is_better(one: &Point, other: &Point) -> bool {
    let (Some(one), Some(other)) = (&one.measured, &other.measured) else { return false };
    one.human_loss <= other.human_loss
        && one.automated_told >= other.automated_told
        && one.kind_told >= other.kind_told
        && one.automated_median_s <= other.automated_median_s
}

fn lost(row: &Point) -> f32 {
    row.measured.as_ref().map_or(1.0, |measured| measured.human_loss)
}

const COLUMNS: &str = "people lost            told human             automated told         its kind  people median, 95 %  automated median  calibration error, before and after";

fn line(name: &str, measured: &Measured, errors: [f64; 2]) -> String {
    let share = |share: f32, (low, high): (f32, f32)| {
        let percent = |share: f32| share * 100.0;
        format!("{:.2} % [{:.2}-{:.2}]", percent(share), percent(low), percent(high))
    };
    format!(
        "{name:<6} {:<22} {:<22} {:<22} {:<9} {:.2} s, {:.2} s  {:.2} s  {:.1} %, {:.1} %",
        share(measured.human_loss, measured.human_loss_interval),
        share(measured.people_told_human, measured.people_told_human_interval),
        share(measured.automated_told, measured.automated_told_interval),
        measured.kind_told.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0)),
        measured.people_median_s,
        measured.people_p95_s,
        measured.automated_median_s,
        errors[0] * 100.0,
        errors[1] * 100.0,
    )
}
