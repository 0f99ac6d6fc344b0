//! Recordings through the same detection as a call.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};

use crate::audio::recording;
use crate::audio::wav::Channels;
use crate::audio::{Frame, SAMPLE_RATE};
use crate::detect::{
    Config, Detector, Event, Goal, Listen, Method, Model, ModelError, Outcome, Points, Provisional, advance,
};
use crate::eval::OperatingPoint;
use crate::grammar::{Body, Documents, Mode, Resolution, Store, resolve};
use crate::session;

/// Samples given to the detector at once: 100 ms.
const PIECE: usize = 800;
/// After a recording's end nothing arrives any more. No timer lasts longer, in seconds.
const LONGEST_WAIT_S: usize = 300;

/// How recordings are listened to.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// URI of the grammar to recognize with.
    #[arg(long, value_name = "URI", default_value = "builtin:speech/answer")]
    pub(super) grammar: String,
    /// Use this model (ONNX) instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    pub(super) model: Option<PathBuf>,
    /// Decide by rules alone, without a model.
    #[arg(long, conflicts_with = "model")]
    pub(super) rules: bool,
    /// Speed-Vs-Accuracy: 0.0 fastest, 1.0 surest; 0.5, the default, is the row that --max-human-loss chooses.
    #[arg(long, value_name = "0.0-1.0", value_parser = parse_fraction::<f32>)]
    speed_vs_accuracy: Option<f32>,
    /// Use this table of operating points instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    pub(super) points: Option<PathBuf>,
    /// The largest share of people, 0.0 to 1.0, that may be told as something else, by the table's figures: the fastest row that
    /// keeps it serves, unless --speed-vs-accuracy goes on from there.
    #[arg(long, value_name = "0.0-1.0", value_parser = parse_fraction::<f64>)]
    max_human_loss: Option<f64>,
}

fn parse_fraction<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    let value = text.parse().ok().filter(|value| (T::from(0)..=T::from(1)).contains(value));
    value.ok_or_else(|| "not from 0.0 to 1.0".to_owned())
}

/// What every recording is listened to with.
pub(super) struct Offline {
    listen: Listen,
    pub(super) config: Arc<Config>,
    /// What runs the model, in words.
    pub(super) backend: String,
}

impl Offline {
    /// Fails if the grammar or a model that was asked for can't be used; what is wrong is said before any work.
    pub(super) fn new(options: &Options) -> anyhow::Result<Self> {
        let listen = listening(&options.grammar, options)?;
        let mut config = Config {
            model: options.model.clone(),
            rules_only: options.rules,
            table: Points::load(options.points.as_deref())?,
            ..Config::default()
        };
        if let Some(loss) = options.max_human_loss {
            config.max_human_loss = loss;
            config.validate().map_err(|reason| anyhow!("{reason}"))?;
        }
        let backend = match Model::load(&config) {
            Ok(model) => model.backend().to_string(),
            Err(error) if options.model.is_some() => return Err(error.into()),
            // One that was not asked for is done without.
            Err(error) => {
                eprintln!("answerd: {error}; rules decide");
                Model::rules().backend().to_string()
            }
        };
        Ok(Self { listen, config: Arc::new(config), backend })
    }

    /// The row of the table of operating points that serves.
    pub(super) fn operating_point(&self) -> OperatingPoint {
        let is_rules = self.backend == Model::rules().backend().to_string();
        let method = if is_rules { Method::Rules } else { Method::Model };
        let (loss, dial) = (self.config.max_human_loss, self.listen.speed_vs_accuracy);
        let (rows, place) = (self.config.table.rows(method), self.config.table.place(method, loss, dial));
        let measured = rows[place].measured.as_ref();
        OperatingPoint {
            of: method.as_str(),
            row: place + 1,
            rows: rows.len(),
            speed_vs_accuracy: f64::from(dial),
            max_human_loss: loss,
            human_loss: measured.map(|measured| f64::from(measured.human_loss)),
        }
    }

    /// A thread's own model.
    pub(super) fn model(&self) -> Model {
        Model::load(&self.config).unwrap_or_else(|_| Model::rules())
    }

    /// Another model of a thread's own, in the place of the one that was asked for.
    pub(super) fn other_model(&self, file: &Path) -> Result<Model, ModelError> {
        Model::load(&Config { model: Some(file.to_owned()), ..(*self.config).clone() })
    }

    /// What it listens for.
    pub(super) fn goal(&self) -> Goal {
        self.listen.goal
    }

    /// The like listening with another grammar.
    pub(super) fn with_grammar(&self, options: &Options, grammar: &str) -> anyhow::Result<Self> {
        let listen = listening(grammar, options)?;
        let (config, backend) = (Arc::clone(&self.config), self.backend.clone());
        Ok(Self { listen, config, backend })
    }

    /// What is decided of sound after whose end nothing arrives any more.
    pub(super) fn decide(&self, model: &mut Model, frames: &[Frame<'_>]) -> anyhow::Result<Outcome> {
        Ok(self.follow(model, frames, false)?.0)
    }

    /// The like; with `provisional`, what was told before the end and what corrects it, too, in order.
    pub(super) fn follow(
        &self,
        model: &mut Model,
        frames: &[Frame<'_>],
        provisional: bool,
    ) -> anyhow::Result<(Outcome, Vec<Provisional>)> {
        let mut detector = Detector::new(Arc::clone(&self.config));
        detector.listen(Listen { provisional, ..self.listen.clone() });
        let revise_ms = if provisional { self.config.revise_ms } else { 0 };
        let (mut concluded, mut told) = (None::<Outcome>, Vec::new());
        let after = Frame::Missing { samples: LONGEST_WAIT_S * SAMPLE_RATE as usize };
        for frame in frames.iter().chain([&after]).flat_map(|frame| pieces(*frame)) {
            detector.push(frame);
            advance(model, &mut [&mut detector]);
            while let Some(event) = detector.poll_event() {
                match event {
                    Event::Provisional(early) => told.push(*early),
                    Event::Concluded(outcome) => concluded = Some(*outcome),
                    Event::Key { .. } | Event::InputStarted { .. } => {}
                }
            }
            let over = |outcome: &mut Outcome| detector.now().ms_since(outcome.timeline.decided_at) >= revise_ms;
            if let Some(outcome) = concluded.take_if(over) {
                return Ok((outcome, told));
            }
        }
        bail!("no decision within {LONGEST_WAIT_S} s after the end of the recording")
    }
}

/// A file's sound.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<i16>> {
    let bytes = std::fs::read(file).context("cannot read")?;
    Ok(recording::read(&bytes, Channels::Mix)?.samples)
}

/// A frame, cut.
fn pieces(frame: Frame<'_>) -> impl Iterator<Item = Frame<'_>> {
    (0..frame.len()).step_by(PIECE).map(move |from| match frame.skip(from) {
        Frame::Sound(sound) => Frame::Sound(&sound[..sound.len().min(PIECE)]),
        Frame::Missing { samples } => Frame::Missing { samples: samples.min(PIECE) },
    })
}

/// What the grammar asks for.
fn listening(grammar: &str, options: &Options) -> anyhow::Result<Listen> {
    if !grammar.contains(':') {
        bail!("--grammar: \"{grammar}\" is no URI of a built-in grammar, such as builtin:speech/answer");
    }
    let body = Body { media_type: "text/uri-list", bytes: grammar.as_bytes(), ..Body::default() };
    let resolved = match resolve(&body, &Store::new(0), &Documents::new()).map_err(|error| anyhow!("{error}"))? {
        Resolution::Done(mut resolved) => {
            // A recording is listened to for words alone.
            resolved.active.retain(|active| active.grammar.mode == Mode::Voice);
            resolved
        }
        Resolution::Needs(uris) => bail!("--grammar: {} is not fetched here", uris.join(", ")),
    };
    if resolved.active.is_empty() {
        bail!("--grammar: {grammar} is not for speech, and a recording is listened to for nothing else");
    }
    if resolved.active.len() != 1 {
        bail!("--grammar: one URI, please");
    }
    // As a RECOGNIZE that says nothing else, so that a recording is decided as a call is.
    let mut listen = session::Config::default().listening(resolved.active);
    if let Some(dial) = options.speed_vs_accuracy {
        listen.speed_vs_accuracy = dial;
    }
    Ok(listen)
}
