//! `answerd eval`: Measure detection on recordings of which is known who answered.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;

use anyhow::{Context as _, anyhow, bail};

use crate::audio::{SAMPLE_RATE, frames};
use crate::cli::cores::on_cores;
use crate::cli::lines::Lines;
use crate::cli::offline::{self, Offline};
use crate::cli::progress::Progress;
use crate::cli::say;
use crate::detect::{Goal, Model};
use crate::eval::{self, Answer, Call, Contender, Failed, Report, Settings, Stress, Told, Truth};

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
  beep_snr_db     how far it is over the noise; those from 10 dB on are counted apart, and judged
  duration_s      the recording's length, if not that of the file

Exit status: 0 if all recordings were measured, 1 if not.

Examples:
  answerd eval calls/truth.csv --html report.html
  answerd eval calls/truth.csv --grammar builtin:speech/voicemail --json > report.json
  answerd eval calls/truth.csv --noise 15 --loss 3 --codec ulaw
  answerd eval calls/truth.csv --baselines --plots docs/plots --calls calls.jsonl")]
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
    /// Write roc.svg, reliability.svg, decision-times.svg and beep-errors.svg into this folder, too.
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// Write what was told of each call, too: one JSON object per line, in the order of the table, as it comes.
    #[arg(long, value_name = "FILE")]
    calls: Option<PathBuf>,
    /// Count what is told before the decision, and what corrects it afterwards, too, as the doors tell it that can carry it.
    #[arg(long)]
    provisional: bool,
    /// Compare with others on the same calls: Asterisk's energy rules (app_amd), a DESA-2 beep detector like FreeSWITCH's
    /// mod_avmd, both written after their documentation, and this program's rules without a model. Takes some five times as
    /// long.
    #[arg(long)]
    baselines: bool,
    /// Work on so many recordings at a time, instead of one per core.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Add white noise to every recording, at this signal-to-noise ratio in dB; the same noise each time.
    #[arg(long, value_name = "DB", value_parser = parse_db, allow_negative_numbers = true)]
    noise: Option<f64>,
    /// Lose so many packets of 20 ms in a hundred, one by one; the same ones each time. That they are missing is known, as from the
    /// numbers of RTP; with --baselines the others hear silence there.
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

    if let Some(file) = &arguments.html {
        let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
        drop(opened.with_context(|| format!("cannot write {}", file.display()))?);
    }
    if let Some(folder) = &arguments.plots {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }

    let rivals = if arguments.baselines { Some(Rivals::new(&offline, &arguments.options)?) } else { None };
    let lines = arguments.calls.as_deref().map(Lines::create).transpose()?;

    let threads = arguments.jobs.map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from);
    let progress = Progress::new(truths.len());
    let numbered: Vec<(usize, &Truth)> = truths.iter().enumerate().collect();
    let measured = on_cores(
        threads,
        &numbered,
        || Models { usual: offline.model(), named: BTreeMap::new() },
        |models, (number, truth)| {
            let measured = models.of(&truth.model, &named, &offline, folder).and_then(|model| {
                let how = (&stress, arguments.provisional);
                let (call, sound, holes) = measure(&folder.join(&truth.file), truth, how, &offline, model)?;
                let answers = rivals.as_ref().map(|rivals| rivals.answers(model, sound, &holes)).transpose()?;
                Ok((call, answers.unwrap_or_default()))
            });
            if let Some(lines) = &lines {
                lines.put(*number, line(truth, measured.as_ref().map(|(call, _)| call)));
            }
            measured
        },
        |done| progress.done(done),
    );
    drop(progress);
    if let (Some(lines), Some(file)) = (lines, &arguments.calls) {
        lines.finish().with_context(|| format!("cannot write {}", file.display()))?;
    }

    let (mut calls, mut answers, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (truth, result) in truths.iter().zip(measured) {
        match result {
            Ok((call, of_rivals)) => {
                calls.push(call);
                answers.push((truth, of_rivals));
            }
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
        goal: match offline.goal() {
            Goal::Answer => "answer",
            Goal::Beep => "beep",
            Goal::Voicemail => "voicemail",
        },
        backend: offline.backend.clone(),
        model: arguments.options.model.as_deref().map(|file| file.display().to_string()),
        models: named.into_keys().map(str::to_owned).collect(),
        points: arguments.options.points.as_deref().map(|file| file.display().to_string()),
        operating_point: offline.operating_point(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        stress: arguments.stress_in_words(),
        provisional: arguments.provisional,
    };
    let mut report = Report::new(settings, &calls, failed);
    report.comparison = rivals.map(|rivals| rivals.compared(&answers)).unwrap_or_default();
    let told = if arguments.json { serde_json::to_string_pretty(&report)? + "\n" } else { eval::text(&report) };
    let told = std::io::stdout().lock().write_all(told.as_bytes());
    // After the report, so that this is there even if the page can't be written; the page is there even if nobody reads the report.
    if let Some(file) = &arguments.html {
        std::fs::write(file, eval::page(&report)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(folder) = &arguments.plots {
        for (name, drawing) in eval::plots(&report) {
            let file = folder.join(name);
            std::fs::write(&file, drawing.to_svg()).with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    say::written(told);
    Ok(if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The models that the table names, and the first line of each; none if the rules decide.
pub(super) fn named_models<'a>(
    truths: &'a [Truth],
    options: &offline::Options,
) -> anyhow::Result<BTreeMap<&'a str, u64>> {
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
pub(super) struct Models {
    pub(super) usual: Model,
    /// Those that the table names, as far as they were used, by their names.
    pub(super) named: BTreeMap<String, Model>,
}

impl Models {
    /// The model that the table names in a row, loaded if it was not used before; or the usual one.
    pub(super) fn of(
        &mut self,
        name: &str,
        named: &BTreeMap<&str, u64>,
        offline: &Offline,
        folder: &Path,
    ) -> anyhow::Result<&mut Model> {
        if !named.contains_key(name) {
            return Ok(&mut self.usual);
        }
        match self.named.entry(name.to_owned()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(offline.other_model(&folder.join(name))?)),
        }
    }
}

/// A decided recording: its sound, too, and the holes in it: from, length, in samples.
type Heard = (Call, Vec<i16>, Vec<(usize, usize)>);

/// Decides a recording.
fn measure(
    file: &Path,
    truth: &Truth,
    (stress, provisional): (&Stress, bool),
    offline: &Offline,
    model: &mut Model,
) -> anyhow::Result<Heard> {
    let mut sound = offline::read(file)?;
    let length_s = sound.len() as f64 / f64::from(SAMPLE_RATE);
    if let Some(on) = truth.beep_on_s.filter(|on| *on >= length_s) {
        bail!("beep_on_s {on} lies behind the end of the recording, {length_s:.3} s");
    }
    let holes = stress.apply(&truth.file, &mut sound);
    let (outcome, early) = offline.follow(model, &frames(&sound, &holes), provisional)?;
    Ok((Call { truth: truth.clone(), outcome, early, duration_s: length_s }, sound, holes))
}

/// A call's line.
fn line(truth: &Truth, call: Result<&Call, &anyhow::Error>) -> String {
    let value = match call {
        Ok(call) => serde_json::to_string(&Told::of(call)),
        Err(error) => {
            let error = format!("{error:#}");
            serde_json::to_string(&Failed { file: truth.file.clone(), line: truth.line, error })
        }
    };
    value.expect("these have no maps and no numbers that JSON lacks")
}

/// What is compared: this program with both of its grammars, with and without a model, and others.
struct Rivals {
    answer: Offline,
    voicemail: Offline,
    /// Whether there is a model beside the rules.
    model: bool,
}

impl Rivals {
    const ANSWER: &str = "builtin:speech/answer";
    const VOICEMAIL: &str = "builtin:speech/voicemail";

    fn new(offline: &Offline, options: &offline::Options) -> anyhow::Result<Self> {
        Ok(Self {
            answer: offline.with_grammar(options, Self::ANSWER)?,
            voicemail: offline.with_grammar(options, Self::VOICEMAIL)?,
            model: offline.backend != Model::rules().backend().to_string(),
        })
    }

    /// What each tells of a recording, in the order of [`Rivals::names`].
    fn answers(&self, model: &mut Model, mut sound: Vec<i16>, holes: &[(usize, usize)]) -> anyhow::Result<Vec<Answer>> {
        let mut answers = Vec::new();
        let mut rules = Model::rules();
        let pieces = frames(&sound, holes);
        for offline in [&self.answer, &self.voicemail] {
            if self.model {
                answers.push(Answer::of_outcome(&offline.decide(model, &pieces)?));
            }
            answers.push(Answer::of_outcome(&offline.decide(&mut rules, &pieces)?));
        }
        drop(pieces);
        // They know no holes: what did not arrive is silence.
        for (from, length) in holes {
            sound[*from..*from + *length].fill(0);
        }
        answers.push(Answer::of_energy_rules(&sound));
        answers.push(Answer::of_desa(&sound));
        Ok(answers)
    }

    fn names(&self) -> Vec<String> {
        let ours = |grammar: &str| {
            let model = self.model.then(|| format!("answerd, {grammar}"));
            model.into_iter().chain([format!("answerd without a model, {grammar}")])
        };
        let others = ["energy rules (app_amd)", "DESA-2 (like mod_avmd)"].map(str::to_owned);
        ours("answer").chain(ours("voicemail")).chain(others).collect()
    }

    fn compared(&self, answers: &[(&Truth, Vec<Answer>)]) -> Vec<Contender> {
        let of = |(n, name)| {
            let told: Vec<_> = answers.iter().filter_map(|(truth, each)| Some((*truth, *each.get(n)?))).collect();
            Contender::new(name, &told)
        };
        self.names().into_iter().enumerate().map(of).collect()
    }
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
