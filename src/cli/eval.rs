//! `answerd eval`: Measure detection on recordings of which is known who answered.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};

use crate::audio::{SAMPLE_RATE, frames};
use crate::cli::cores::on_all_cores;
use crate::cli::offline::{self, Offline};
use crate::cli::progress::Progress;
use crate::detect::{Model, ModelError};
use crate::eval::{self, Call, Failed, Report, Settings, Stress, Truth};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
TRUTH.csv has a line of column names and a line for each recording. Columns:
  file            the recording, WAV or FLAC, relative to the folder of TRUTH.csv
  label           human, machine, screening, ivr, fax, sit, busy, ringback, music, silence or beep
and, where known (others are passed over):
  detail          a finer kind, as short, long or talker of people; told apart in the tables
  source          where it comes from; told apart in the tables
  codec           what it went through; told apart in the tables
  fold            the fold of a cross-validation that it is held out in; told apart in the tables
  model           the model (ONNX) to decide it with, relative to the folder of TRUTH.csv, such as one that has not
                  heard the call's source; without it, the one that is asked for. With --rules none is used.
  speech_on_s     when speech begins, in seconds of the recording, which begins when the call is answered
  greeting_end_s  when the greeting ends
  beep_on_s, beep_off_s, beep_hz    the beep
  duration_s      the recording's length, if not that of the file

Exit status: 0 if all recordings were measured, 1 if not.

Examples:
  answerd eval calls/truth.csv --html report.html
  answerd eval calls/truth.csv --grammar builtin:speech/voicemail --json > report.json
  answerd eval calls/truth.csv --noise 15 --loss 3 --codec ulaw")]
pub(super) struct Arguments {
    /// What is true of the recordings.
    #[arg(value_name = "TRUTH.csv")]
    truth: PathBuf,
    #[command(flatten)]
    options: offline::Options,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Write a page with plots to look at, too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Add white noise to every recording, at this signal-to-noise ratio in dB; the same noise each time.
    #[arg(long, value_name = "DB", value_parser = parse_db, allow_negative_numbers = true)]
    noise: Option<f64>,
    /// Lose so many packets of 20 ms in a hundred; the same ones each time.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    loss: Option<f64>,
    /// Send every recording through a codec and back.
    #[arg(long, value_enum)]
    codec: Option<Codec>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Codec {
    /// G.711 mu-law.
    Ulaw,
    /// G.711 A-law.
    Alaw,
}

fn parse_db(text: &str) -> Result<f64, String> {
    let db = text.parse().ok().filter(|db: &f64| (-20.0..=100.0).contains(db));
    db.ok_or_else(|| "not from -20 to 100".to_owned())
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let percent = text.parse().ok().filter(|percent: &f64| (0.0..=100.0).contains(percent));
    percent.ok_or_else(|| "not from 0 to 100".to_owned())
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let name = arguments.truth.display().to_string();
    let table = std::fs::read(&arguments.truth).with_context(|| format!("cannot read {name}"))?;
    let truths = Truth::read(&table).map_err(|error| anyhow!("{name}: {error}"))?;
    let named = named_models(&truths, &arguments.options)?;
    let offline = Offline::new(&arguments.options)?;
    let stress = arguments.stress();
    let folder = arguments.truth.parent().unwrap_or(Path::new(""));

    for (file, line) in &named {
        // Before any work, so that nothing is measured in vain.
        let unfit = || format!("{name}: line {line}: model: {file}");
        drop(offline.other_model(&folder.join(file)).with_context(unfit)?);
    }

    let progress = Progress::new(truths.len());
    let measured = on_all_cores(
        &truths,
        || Models { usual: offline.model(), named: BTreeMap::new() },
        |models, truth| {
            let model = if named.contains_key(truth.model.as_str()) {
                models.of(&truth.model, || offline.other_model(&folder.join(&truth.model)))?
            } else {
                &mut models.usual
            };
            measure(&folder.join(&truth.file), truth, &stress, &offline, model)
        },
        |done| progress.done(done),
    );
    drop(progress);

    let (mut calls, mut failed) = (Vec::new(), Vec::new());
    for (truth, result) in truths.iter().zip(measured) {
        match result {
            Ok(call) => calls.push(call),
            Err(error) => {
                let error = format!("{error:#}");
                eprintln!("answerd: {name}: line {}: {}: {error}", truth.line, truth.file);
                failed.push(Failed { file: truth.file.clone(), line: truth.line, error });
            }
        }
    }
    let settings = Settings {
        truth: name,
        grammar: arguments.options.grammar.clone(),
        backend: offline.backend.clone(),
        models: named.into_keys().map(str::to_owned).collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        stress: arguments.stress_in_words(),
    };
    let report = Report::new(settings, &calls, failed);
    let told = if arguments.json { serde_json::to_string_pretty(&report)? + "\n" } else { eval::text(&report) };
    std::io::stdout().lock().write_all(told.as_bytes()).context("cannot write the report")?;
    // After the report, so that this is there even if the page can't be written.
    if let Some(file) = &arguments.html {
        std::fs::write(file, eval::page(&report)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The models that the table names, and the first line of each; none if the rules decide.
fn named_models<'a>(truths: &'a [Truth], options: &offline::Options) -> anyhow::Result<BTreeMap<&'a str, u64>> {
    let mut named = BTreeMap::new();
    for truth in truths.iter().filter(|truth| !truth.model.is_empty() && !options.rules) {
        if options.model.is_some() {
            bail!("--model: the table names the models itself, first in line {}", truth.line);
        }
        named.entry(truth.model.as_str()).or_insert(truth.line);
    }
    Ok(named)
}

/// One thread's models.
struct Models {
    usual: Model,
    /// Those that the table names, as far as they were used, by their names.
    named: BTreeMap<String, Model>,
}

impl Models {
    /// The model of a name, loaded if it was not used before.
    fn of(&mut self, name: &str, load: impl FnOnce() -> Result<Model, ModelError>) -> anyhow::Result<&mut Model> {
        match self.named.entry(name.to_owned()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(load()?)),
        }
    }
}

fn measure(file: &Path, truth: &Truth, stress: &Stress, offline: &Offline, model: &mut Model) -> anyhow::Result<Call> {
    let mut sound = offline::read(file)?;
    let holes = stress.apply(&truth.file, &mut sound);
    let outcome = offline.decide(model, &frames(&sound, &holes))?;
    Ok(Call { truth: truth.clone(), outcome, duration_s: sound.len() as f64 / f64::from(SAMPLE_RATE) })
}

impl Arguments {
    fn stress(&self) -> Stress {
        let codec = self.codec.map(|codec| match codec {
            Codec::Ulaw => eval::Codec::Ulaw,
            Codec::Alaw => eval::Codec::Alaw,
        });
        Stress { noise_db: self.noise, codec, loss_percent: self.loss }
    }

    fn stress_in_words(&self) -> Vec<String> {
        let noise = self.noise.map(|db| format!("white noise {db} dB under the sound"));
        let codec = self.codec.map(|codec| match codec {
            Codec::Ulaw => "through mu-law".to_owned(),
            Codec::Alaw => "through A-law".to_owned(),
        });
        let loss = self.loss.map(|percent| format!("{percent} % of the packets lost"));
        [noise, codec, loss].into_iter().flatten().collect()
    }
}
