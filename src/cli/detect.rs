//! `answerd detect`: Tell what answered in recordings.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::audio::{Frame, SampleTime};
use crate::cli::cores::on_all_cores;
use crate::cli::offline::{self, Offline};
use crate::cli::say::say;
use crate::detect::{Beep, Label, Model, Outcome, Provisional, Trace};
use crate::eval::{picture, picture_page};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Times are in seconds of the recording, which is taken to begin when the call is answered. After its end the decision is
that of a call on which no more sound arrives.

Exit status: 0 if all files were read, 1 if not.

Examples:
  answerd detect hello.wav greeting.wav
  answerd detect --grammar builtin:speech/voicemail --json *.wav
  answerd detect --grammar builtin:speech/voicemail --plot greeting.svg greeting.wav")]
pub(super) struct Arguments {
    /// Recordings: any WAV, of any rate and number of channels, linear, mu-law or A-law, and FLAC.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    options: offline::Options,
    /// Print one JSON object per file and line instead of a table.
    #[arg(long)]
    json: bool,
    /// Tell, too, what becomes likely before the decision, and what corrects it afterwards: for connections that can carry
    /// more than one result.
    #[arg(long)]
    provisional: bool,
    /// Draw what was heard and decided, of one recording: spectrogram, tones, level, the model's probabilities, by the
    /// file's ending as SVG, PNG or HTML.
    #[arg(long, value_name = "FILE.svg|png|html")]
    plot: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let plot = match &arguments.plot {
        None => None,
        Some(_) if arguments.files.len() > 1 => {
            bail!("--plot draws one recording, not {}", arguments.files.len())
        }
        Some(file) => Some((file.as_path(), Form::of(file)?)),
    };
    let offline = Offline::new(&arguments.options)?;
    let rows = on_all_cores(
        &arguments.files,
        || offline.model(),
        |model, file| detect(file, &offline, model, arguments.provisional, plot),
        |_| (),
    );
    let mut failed = false;
    if !arguments.json {
        say!("{}", Row::HEAD);
    }
    for (file, row) in arguments.files.iter().zip(rows) {
        match row {
            Ok(row) if arguments.json => say!("{}", serde_json::to_string(&row)?),
            Ok(row) => {
                // In the order of their times: a correction comes after the decision.
                let later = |early: &&EarlyRow| early.after_decision;
                row.provisional.iter().filter(|early| !later(early)).for_each(|early| say!("{}", early.line(file)));
                say!("{}", row.line());
                row.provisional.iter().filter(later).for_each(|early| say!("{}", early.line(file)));
            }
            Err(error) => {
                failed = true;
                eprintln!("answerd: {}: {error:#}", file.display());
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn detect(
    file: &Path,
    offline: &Offline,
    model: &mut Model,
    provisional: bool,
    plot: Option<(&Path, Form)>,
) -> anyhow::Result<Row> {
    let sound = offline::read(file)?;
    let frames = [Frame::Sound(&sound)];
    let (outcome, early) = offline.follow(model, &frames, provisional)?;
    let mut row = Row::new(file, &outcome);
    row.provisional = early.iter().map(|early| EarlyRow::new(early, &outcome)).collect();
    if let Some((to, form)) = plot {
        let trace = Trace::of(model, &frames);
        let bytes = form.draw(&row, &trace, &outcome, &early);
        std::fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(row)
}

/// What a plot is written as.
#[derive(Debug, Clone, Copy)]
enum Form {
    Svg,
    Png,
    Html,
}

impl Form {
    /// By the file's ending.
    fn of(file: &Path) -> anyhow::Result<Self> {
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        Ok(match ending.as_str() {
            "svg" => Self::Svg,
            "png" => Self::Png,
            "html" | "htm" => Self::Html,
            _ => bail!("--plot: {} ends neither in .svg nor in .png nor in .html", file.display()),
        })
    }

    fn draw(self, row: &Row, trace: &Trace, outcome: &Outcome, early: &[Provisional]) -> Vec<u8> {
        let drawing = picture(&row.file, trace, outcome, early);
        match self {
            Self::Svg => drawing.to_svg().into_bytes(),
            Self::Png => drawing.to_png(),
            Self::Html => picture_page(&row.file, &drawing, &row.words()).into_bytes(),
        }
    }
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
    /// What was told before the decision, and what corrects it, if it was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    provisional: Vec<EarlyRow>,
}

#[derive(Debug, Serialize)]
struct EarlyRow {
    label: &'static str,
    confidence: f64,
    at_s: f64,
    corrects: Option<&'static str>,
    beep: Option<BeepRow>,
    reason: String,
    method: &'static str,
    #[serde(skip)]
    after_decision: bool,
}

impl EarlyRow {
    fn new(early: &Provisional, outcome: &Outcome) -> Self {
        Self {
            label: early.label.as_str(),
            confidence: round(f64::from(early.confidence), 1000.0),
            at_s: round(early.at.as_secs(), 1000.0),
            corrects: early.corrects.map(Label::as_str),
            beep: early.beep.as_ref().map(BeepRow::new),
            reason: early.reason.clone(),
            method: early.method.as_str(),
            after_decision: early.at > outcome.timeline.decided_at,
        }
    }

    /// A line under the table's columns.
    fn line(&self, file: &Path) -> String {
        let what = match (self.after_decision, self.corrects) {
            (true, _) => "correction",
            (false, Some(_)) => "changed",
            (false, None) => "likely",
        };
        format!(
            "{:<10} {:.2} {:>8.2} {what:<52}  {}: {} ({})",
            self.label,
            self.confidence,
            self.at_s,
            file.display(),
            self.reason,
            self.method,
        )
    }
}

impl BeepRow {
    fn new(beep: &Beep) -> Self {
        let seconds = |at: SampleTime| round(at.as_secs(), 1000.0);
        Self {
            on_s: seconds(beep.on),
            off_s: seconds(beep.off),
            hz: round(f64::from(beep.hz), 10.0),
            level_db: round(f64::from(beep.level_db), 10.0),
        }
    }
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
            beep: timeline.beep.as_ref().map(BeepRow::new),
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
            provisional: Vec::new(),
        }
    }

    /// Names and values, for a page.
    fn words(&self) -> Vec<(&'static str, String)> {
        let seconds = |at: Option<f64>| at.map_or_else(|| "-".to_owned(), |at| format!("{at:.3} s"));
        let beep = self.beep.as_ref().map_or_else(
            || "-".to_owned(),
            |beep| format!("{:.3} s to {:.3} s, {} Hz, {} dB", beep.on_s, beep.off_s, beep.hz, beep.level_db),
        );
        let alternatives = self.alternatives.iter().map(|other| format!("{} {:.3}", other.label, other.confidence));
        let early = |after| {
            let early = self.provisional.iter().filter(move |early| early.after_decision == after);
            let told = early.map(|early| format!("{} {:.3} at {:.3} s", early.label, early.confidence, early.at_s));
            told.collect::<Vec<_>>().join(", ")
        };
        let mut words = vec![
            ("label", self.label.to_owned()),
            ("confidence", format!("{:.3}", self.confidence)),
            ("alternatives", alternatives.collect::<Vec<_>>().join(", ")),
            ("decided", seconds(Some(self.decided_at_s))),
            ("speech", seconds(self.speech_on_s)),
            ("end of greeting", seconds(self.greeting_end_s)),
            ("beep", beep),
            ("speak at", seconds(self.speak_at_s)),
            ("reason", self.reason.clone()),
            ("method", self.method.to_owned()),
        ];
        let told = [("told before", early(false)), ("corrected", early(true))];
        words.extend(told.into_iter().filter(|(_, value)| !value.is_empty()));
        words
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
