//! `answerd replay`: Make stored decisions anew.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;

use crate::cli::cores::on_all_cores;
use crate::cli::say::say;
use crate::cli::serve::{EXIT_CONFIG, environment};
use crate::config::Config;
use crate::detect::{self, FindingsError, Goal, Label, Model, Outcome, Word};
use crate::ops::{Line, StoredDecision, StoredFeedback, end_word, feedback_of, read_store, store_files};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Decisions are stored where feedback.store of the settings says. Each is made anew by the policy, the operating points and
the model of the settings: the word of a model that is still the same counts as it was told then, another one is asked, if
what it needs was stored. What is said by feedback is right.

Exit status: 0 if all was read, 1 if not.

Examples:
  answerd replay /var/lib/answerd/decisions
  ANSWERD_DETECT_MODEL=new.onnx answerd replay --changed /var/lib/answerd/decisions")]
pub(super) struct Arguments {
    /// Files of the store, or its directory.
    #[arg(required = true, value_name = "FILE|DIRECTORY")]
    files: Vec<PathBuf>,
    /// Settings; without it, the defaults. ANSWERD_SECTION_KEY variables override both.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask the model even where it is the one that was asked then.
    #[arg(long)]
    ask: bool,
    /// Tell only decisions that are other ones now.
    #[arg(long)]
    changed: bool,
    /// Print one JSON object per decision and line instead of a table and a summary.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = match Config::load(arguments.config.as_deref(), environment()) {
        Ok(config) => config.detect.detect(),
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    let replay = Replay::new(config, arguments.ask)?;
    let mut files = Vec::new();
    for path in &arguments.files {
        let cannot = || format!("cannot read {}", path.display());
        if path.is_dir() {
            files.extend(store_files(path).with_context(cannot)?);
        } else {
            files.push(path.clone());
        }
    }
    // What somebody said of a call may stand in a later file than its decision.
    let (mut feedback, mut failed) = (Vec::new(), false);
    for file in &files {
        let (_, given, damaged) = read(file)?;
        feedback.extend(given);
        failed |= damaged;
    }
    let mut summary = Summary::default();
    if !arguments.json {
        say!("{}", Row::HEAD);
    }
    for file in &files {
        let (decisions, ..) = read(file)?;
        let rows = on_all_cores(&decisions, || replay.model(), |model, it| replay.row(model, it, &feedback), |_| ());
        for (decision, row) in decisions.iter().zip(rows) {
            match row {
                Ok(row) => {
                    summary.add(&row);
                    if !arguments.changed || !row.same {
                        say!("{}", if arguments.json { serde_json::to_string(&row)? } else { row.line() });
                    }
                }
                Err(error) => {
                    failed = true;
                    eprintln!("answerd: {}: {}: {error}", file.display(), decision.call_id);
                }
            }
        }
    }
    if !arguments.json {
        say!("{}", summary.text());
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The decisions and the feedback of a file, and whether some of it can't be read, which is said.
fn read(file: &Path) -> anyhow::Result<(Vec<StoredDecision>, Vec<StoredFeedback>, bool)> {
    let lines = read_store(file).with_context(|| format!("cannot read {}", file.display()))?;
    let (mut decisions, mut feedback, mut damaged) = (Vec::new(), Vec::new(), false);
    for line in lines {
        match line {
            Ok(Line::Decision(decision)) => decisions.push(*decision),
            Ok(Line::Feedback(given)) => feedback.push(given),
            Err((number, error)) => {
                damaged = true;
                eprintln!("answerd: {}:{number}: {error}", file.display());
            }
        }
    }
    Ok((decisions, feedback, damaged))
}

/// What decides now.
struct Replay {
    config: detect::Config,
    /// The model's SHA-256; `None`: rules decide.
    model_sha256: Option<String>,
    ask: bool,
}

impl Replay {
    fn new(config: detect::Config, ask: bool) -> anyhow::Result<Self> {
        let asked_for = config.model.is_some() || config.onnxruntime.is_some();
        let runs = match Model::load(&config) {
            Ok(_) => !config.rules_only,
            Err(error) if asked_for => return Err(error.into()),
            Err(error) => {
                eprintln!("answerd: {error}; rules decide");
                false
            }
        };
        let model_sha256 = if runs { Some(Model::sha256(&config)?) } else { None };
        Ok(Self { config, model_sha256, ask })
    }

    fn model(&self) -> Model {
        Model::load(&self.config).unwrap_or_else(|_| Model::rules())
    }

    fn row(
        &self,
        model: &mut Model,
        decision: &StoredDecision,
        feedback: &[StoredFeedback],
    ) -> Result<Row, FindingsError> {
        let findings = decision.findings()?;
        let anew = self.ask || self.model_sha256 != decision.model_sha256;
        let (word, told_by) = match &self.model_sha256 {
            None => (Word::OfRules, "rules"),
            Some(_) if anew && findings.has_features() => (Word::Of(model), "asked"),
            // What it would be told is not known: better the word of then than none.
            Some(_) => (Word::OfThen, "then"),
        };
        let again = findings.again(&self.config, word)?;
        let then = Made {
            label: decision.label.clone(),
            confidence: decision.confidence,
            decided_s: decision.decided_ms as f64 / 1_000.0,
            method: decision.method.clone(),
            end: decision.end.clone(),
            reason: decision.reason.clone(),
        };
        let now = again.outcome.as_ref().map(Made::new);
        // A listening for the beep alone does not ask who answered.
        let correct = feedback_of(decision, feedback).filter(|_| findings.listen().goal != Goal::Beep);
        let right = |label: Option<&str>| correct.map(|correct| label == Some(correct.as_str()));
        Ok(Row {
            at_s: decision.at_s,
            call_id: decision.call_id.clone(),
            uuid: decision.uuid.clone(),
            door: decision.door.clone(),
            version: decision.version.clone(),
            same: now.as_ref() == Some(&then),
            same_label: now.as_ref().is_some_and(|now| now.label == then.label),
            correct: correct.map(Label::as_str),
            right_then: right(Some(&then.label)),
            right_now: right(now.as_ref().map(|now| now.label.as_str())),
            model: told_by,
            beyond: again.beyond,
            then,
            now,
        })
    }
}

/// A decision as it was made then, or is made now.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Made {
    label: String,
    confidence: f64,
    decided_s: f64,
    method: String,
    end: String,
    reason: String,
}

impl Made {
    fn new(outcome: &Outcome) -> Self {
        let ms = outcome.timeline.decided_at.ms_since(outcome.timeline.started);
        Self {
            label: outcome.label.to_string(),
            confidence: (f64::from(outcome.confidence) * 100.0).round() / 100.0,
            decided_s: ms as f64 / 1_000.0,
            method: outcome.method.as_str().to_owned(),
            end: end_word(outcome.end).to_owned(),
            reason: outcome.reason.clone(),
        }
    }

    fn words(&self) -> String {
        format!("{} {:.2} {:.2} s", self.label, self.confidence, self.decided_s)
    }
}

/// One decision; the fields are those of the JSON form.
#[derive(Debug, Serialize)]
struct Row {
    at_s: f64,
    call_id: String,
    uuid: Option<String>,
    door: String,
    /// The version that decided then.
    version: String,
    then: Made,
    /// `None`: nothing is decided now, however long one waits.
    now: Option<Made>,
    /// Whether both are the same in all that they tell.
    same: bool,
    same_label: bool,
    /// Whose word counts now: `then` (the model's of then), `asked` (the model was asked), `rules`.
    model: &'static str,
    /// What was stored was not enough for the decision of now: it is that of a call on which no more sound arrived.
    beyond: bool,
    /// Who answered, if somebody said it.
    correct: Option<&'static str>,
    right_then: Option<bool>,
    right_now: Option<bool>,
}

impl Row {
    const HEAD: &'static str = "THEN                     NOW                      CHANGE     CORRECT    CALL";

    fn line(&self) -> String {
        let now = self.now.as_ref().map_or_else(|| "undecided".to_owned(), Made::words);
        let now = if self.beyond { format!("{now}+") } else { now };
        let change = match (&self.now, self.same, self.same_label) {
            (_, true, _) => "same".to_owned(),
            (Some(now), _, true) if now.decided_s != self.then.decided_s => {
                format!("{:+.2} s", now.decided_s - self.then.decided_s)
            }
            (_, _, true) => "confidence".to_owned(),
            (_, _, false) => "label".to_owned(),
        };
        let correct = self.correct.unwrap_or("-");
        format!("{:<24} {now:<24} {change:<10} {correct:<10} {}", self.then.words(), self.call_id)
    }
}

/// All decisions together.
#[derive(Debug, Default)]
struct Summary {
    all: usize,
    same: usize,
    same_label: usize,
    beyond: usize,
    told: usize,
    right_then: usize,
    right_now: usize,
    mended: usize,
    spoilt: usize,
}

impl Summary {
    fn add(&mut self, row: &Row) {
        self.all += 1;
        self.same += usize::from(row.same);
        self.same_label += usize::from(row.same_label);
        self.beyond += usize::from(row.beyond);
        let (Some(then), Some(now)) = (row.right_then, row.right_now) else { return };
        self.told += 1;
        self.right_then += usize::from(then);
        self.right_now += usize::from(now);
        self.mended += usize::from(now && !then);
        self.spoilt += usize::from(then && !now);
    }

    fn text(&self) -> String {
        let Self { all, same, same_label, beyond, told, right_then, right_now, mended, spoilt } = self;
        let other = all - same_label;
        let mut text =
            format!("{all} decisions: {same} the same, {} otherwise, {other} with another label", same_label - same);
        if *beyond > 0 {
            text += &format!("; {beyond} (+) would need more sound than was heard then");
        }
        if *told > 0 {
            let share = |part: &usize| 100.0 * *part as f64 / *told as f64;
            text += &format!(
                "\nof {told} it is known who answered: {right_then} were right ({:.1} %), {right_now} are now ({:.1} %); \
                 {mended} mended, {spoilt} spoilt",
                share(right_then),
                share(right_now)
            );
        }
        text
    }
}
