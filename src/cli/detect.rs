//! `answerd detect`: Tell what answered in recordings.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, anyhow, bail};
use serde::Serialize;

use crate::audio::wav::{self, Channels};
use crate::audio::{Frame, SAMPLE_RATE, SampleTime};
use crate::detect::{Config, Detector, Event, Listen, Model, Outcome, Plans, advance};
use crate::grammar::{Body, Documents, Resolution, Store, resolve};
use crate::session;

/// Samples given to the detector at once: 100 ms.
const PIECE: usize = 800;
/// After a recording's end nothing arrives any more. No timer lasts longer, in seconds.
const LONGEST_WAIT_S: usize = 300;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Times are in seconds of the recording, which is taken to begin when the call is answered. After its end the decision is
that of a call on which no more sound arrives.

Exit status: 0 if all files were read, 1 if not.

Examples:
  answerd detect hello.wav greeting.wav
  answerd detect --grammar builtin:speech/voicemail --json *.wav")]
pub(super) struct Arguments {
    /// Recordings: any WAV, of any rate and number of channels, linear, mu-law or A-law.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// URI of the grammar to recognize with.
    #[arg(long, value_name = "URI", default_value = "builtin:speech/answer")]
    grammar: String,
    /// Print one JSON object per file and line instead of a table.
    #[arg(long)]
    json: bool,
    /// Use this model (ONNX) instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Decide by rules alone, without a model.
    #[arg(long, conflicts_with = "model")]
    rules: bool,
    /// Speed-Vs-Accuracy: 0.0 fastest, 1.0 surest.
    #[arg(long, value_name = "0.0-1.0", value_parser = parse_fraction)]
    speed_vs_accuracy: Option<f32>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let listen = listening(&arguments)?;
    let config = Config { model: arguments.model.clone(), rules_only: arguments.rules, ..Config::default() };
    // What is wrong with a model is said before any work; one that was not asked for is done without.
    if let Err(error) = Model::load(&config) {
        if arguments.model.is_some() {
            return Err(error.into());
        }
        eprintln!("answerd: {error}; rules decide");
    }
    let config = Arc::new(config);
    let rows = work_off(&arguments.files, &config, &listen);
    let mut failed = false;
    if !arguments.json {
        println!("{}", Row::HEAD);
    }
    for (file, row) in arguments.files.iter().zip(rows) {
        match row {
            Ok(row) if arguments.json => println!("{}", serde_json::to_string(&row)?),
            Ok(row) => println!("{}", row.line()),
            Err(error) => {
                failed = true;
                eprintln!("answerd: {}: {error:#}", file.display());
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn parse_fraction(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| "not from 0.0 to 1.0".to_owned())
}

/// What the grammar asks for.
fn listening(arguments: &Arguments) -> anyhow::Result<Listen> {
    let body = Body { media_type: "text/uri-list", bytes: arguments.grammar.as_bytes(), ..Body::default() };
    let resolved = match resolve(&body, &Store::new(0), &Documents::new()).map_err(|error| anyhow!("{error}"))? {
        Resolution::Done(resolved) => resolved,
        Resolution::Needs(uris) => bail!("--grammar: {} is not fetched here", uris.join(", ")),
    };
    if resolved.active.len() != 1 {
        bail!("--grammar: one URI, please");
    }
    // As a RECOGNIZE that says nothing else, so that a recording is decided as a call is.
    let mut listen = session::Config::default().listening(resolved.active);
    if let Some(dial) = arguments.speed_vs_accuracy {
        listen.speed_vs_accuracy = dial;
    }
    Ok(listen)
}

/// All files, on all cores; results in the files' order.
fn work_off(files: &[PathBuf], config: &Arc<Config>, listen: &Listen) -> Vec<anyhow::Result<Row>> {
    let plans = Plans::default();
    let next = AtomicUsize::new(0);
    let rows: Mutex<Vec<Option<anyhow::Result<Row>>>> = Mutex::new(files.iter().map(|_| None).collect());
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(files.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut model = Model::load(config).unwrap_or_else(|_| Model::rules());
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(file) = files.get(n) else { break };
                    let row = detect(file, config, listen, &plans, &mut model);
                    rows.lock().expect("no thread panics while it holds the lock")[n] = Some(row);
                }
            });
        }
    });
    rows.into_inner().expect("no thread panics while it holds the lock").into_iter().flatten().collect()
}

fn detect(file: &Path, config: &Arc<Config>, listen: &Listen, plans: &Plans, model: &mut Model) -> anyhow::Result<Row> {
    let bytes = std::fs::read(file).context("cannot read")?;
    let recording = wav::read(&bytes, Channels::Mix)?;
    let mut detector = Detector::with_plans(Arc::clone(config), plans);
    detector.listen(listen.clone());
    let sound = recording.samples.chunks(PIECE).map(Frame::Sound);
    let after = std::iter::repeat_n(Frame::Missing { samples: PIECE }, LONGEST_WAIT_S * SAMPLE_RATE as usize / PIECE);
    for frame in sound.chain(after) {
        detector.push(frame);
        advance(model, &mut [&mut detector]);
        while let Some(event) = detector.poll_event() {
            if let Event::Concluded(outcome) = event {
                return Ok(Row::new(file, &outcome));
            }
        }
    }
    bail!("no decision within {LONGEST_WAIT_S} s after the end of the recording")
}

/// One file's result; the fields are those of the JSON form.
#[derive(Debug, Serialize)]
struct Row {
    file: String,
    label: &'static str,
    confidence: f64,
    decided_at_s: f64,
    speech_on_s: Option<f64>,
    greeting_end_s: Option<f64>,
    beep: Option<BeepRow>,
    speak_at_s: Option<f64>,
    reason: String,
    method: &'static str,
    alternatives: Vec<AlternativeRow>,
}

#[derive(Debug, Serialize)]
struct BeepRow {
    on_s: f64,
    off_s: f64,
    hz: f64,
    level_db: f64,
}

#[derive(Debug, Serialize)]
struct AlternativeRow {
    label: &'static str,
    confidence: f64,
}

impl Row {
    const HEAD: &'static str =
        "label      conf  decided   speech      end   beep on  beep off     Hz  speak at  file: reason";

    fn new(file: &Path, outcome: &Outcome) -> Self {
        let timeline = &outcome.timeline;
        let seconds = |at: SampleTime| round(at.as_secs(), 1000.0);
        Self {
            file: file.display().to_string(),
            label: outcome.label.as_str(),
            confidence: round(f64::from(outcome.confidence), 1000.0),
            decided_at_s: seconds(timeline.decided_at),
            speech_on_s: timeline.speech_on.map(seconds),
            greeting_end_s: timeline.greeting_end.map(seconds),
            beep: timeline.beep.map(|beep| BeepRow {
                on_s: seconds(beep.on),
                off_s: seconds(beep.off),
                hz: round(f64::from(beep.hz), 10.0),
                level_db: round(f64::from(beep.level_db), 10.0),
            }),
            speak_at_s: timeline.speak_at.map(seconds),
            reason: outcome.reason.clone(),
            method: outcome.method.as_str(),
            alternatives: outcome
                .alternatives
                .iter()
                .map(|other| AlternativeRow {
                    label: other.label.as_str(),
                    confidence: round(f64::from(other.confidence), 1000.0),
                })
                .collect(),
        }
    }

    fn line(&self) -> String {
        let time = |at: Option<f64>| at.map_or_else(|| "-".to_owned(), |at| format!("{at:.2}"));
        let beep = self.beep.as_ref();
        format!(
            "{:<10} {:.2} {:>8} {:>8} {:>8}  {:>8}  {:>8} {:>6}  {:>8}  {}: {} ({})",
            self.label,
            self.confidence,
            time(Some(self.decided_at_s)),
            time(self.speech_on_s),
            time(self.greeting_end_s),
            time(beep.map(|beep| beep.on_s)),
            time(beep.map(|beep| beep.off_s)),
            beep.map_or_else(|| "-".to_owned(), |beep| format!("{:.0}", beep.hz)),
            time(self.speak_at_s),
            self.file,
            self.reason,
            self.method,
        )
    }
}

fn round(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}
