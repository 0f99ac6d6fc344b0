//! The trained model, run step by step for many streams at once.
//!
//! A network of dense layers and gates is run by our own arithmetic ([`crate::detect::network`]), any other by ONNX Runtime where
//! its library is found, else by rten; all run the same file. Inputs `features` `[batch, F]` and `state` `[batch, S]`, outputs
//! `posteriors` `[batch, C]` and `state_out` `[batch, S]`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ort::environment::Environment;
use ort::session::Session;
use ort::value::TensorRef;
use rten::{NodeId, RunOptions, ThreadPool, ValueOrView};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, NdTensorView};
use sha2::{Digest, Sha256};

use crate::detect::Config;
use crate::detect::belief::{CLASSES, Posteriors};
use crate::detect::evidence::Room;
use crate::detect::features::{FEATURES, Features};
use crate::detect::network::Network;

/// The built-in model.
const BUILT_IN: &[u8] = include_bytes!("../../models/answer.onnx");
/// Where ONNX Runtime's library is looked for.
const PLACES: [&str; 5] =
    ["/usr/lib", "/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/opt/onnxruntime/lib"];
const LIBRARY: &str = "libonnxruntime.so";
/// State numbers at most: more is not a model of this kind.
const MOST_STATE: usize = 4_096;

/// Why a model can't be used.
#[derive(Debug)]
pub enum ModelError {
    /// The file can't be read.
    File(PathBuf, std::io::Error),
    /// This build has no built-in model.
    NotBuiltIn,
    /// The runtime refuses it.
    Runtime(String),
    /// Its inputs or outputs are not those of this version.
    Shape(String),
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "cannot read the model {}: {error}", path.display()),
            Self::NotBuiltIn => f.write_str("this build has no built-in model"),
            Self::Runtime(error) => write!(f, "cannot run the model: {error}"),
            Self::Shape(what) => write!(f, "not a model for this version: {what}"),
        }
    }
}

impl std::error::Error for ModelError {}

/// What runs the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// Our own arithmetic.
    BuiltIn,
    /// ONNX Runtime, from this library.
    OnnxRuntime(PathBuf),
    /// rten, built in.
    Rten,
    /// No model: rules decide.
    Rules,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::OnnxRuntime(library) => write!(f, "ONNX Runtime ({})", library.display()),
            Self::Rten => f.write_str("rten"),
            Self::Rules => f.write_str("rules, without a model"),
        }
    }
}

/// One worker's model.
pub struct Model {
    runner: Runner,
    backend: Backend,
    /// Numbers of state per stream.
    state: usize,
}

enum Runner {
    Rules,
    Network(Box<Network>),
    Ort { session: Box<Session> },
    Rten { model: Box<rten::Model>, inputs: [NodeId; 2], outputs: [NodeId; 2], pool: Arc<ThreadPool> },
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("backend", &self.backend).field("state", &self.state).finish_non_exhaustive()
    }
}

/// The steps of many streams that the model is to be asked at once, and what detectors work in on the way there; reused, it allocates
/// nothing.
#[derive(Debug, Default)]
pub struct Batch {
    features: Vec<f32>,
    /// The streams' states, before and after; those of a stream that begins are zeros.
    states: Vec<f32>,
    /// Numbers of state per stream.
    state: usize,
    told: Vec<Option<Posteriors>>,
    /// Where a step's outputs are put.
    posteriors: Vec<f32>,
    after: Vec<f32>,
    room: Room,
}

impl Batch {
    /// What a detector measures in.
    pub(super) fn room(&mut self) -> &mut Room {
        &mut self.room
    }

    /// Steps in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.told.len()
    }

    /// Whether no step is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Begins anew, for this model.
    pub fn begin(&mut self, model: &Model) {
        self.features.clear();
        self.states.clear();
        self.told.clear();
        self.state = model.state;
    }

    /// Whether there is a model that can be asked.
    pub(super) fn has_model(&self) -> bool {
        self.state > 0
    }

    /// Adds a step; `state` is empty before a stream's first one. Its number is told.
    pub(super) fn push(&mut self, features: &Features, state: &[f32]) -> usize {
        self.features.extend_from_slice(features);
        let end = self.states.len() + self.state;
        self.states.extend(state.iter().take(self.state));
        self.states.resize(end, 0.0);
        self.told.push(None);
        self.told.len() - 1
    }

    /// What the model says of a step, and the stream's state after it. A model that was not asked, or failed, says nothing,
    /// and leaves the state as it was.
    pub(super) fn told(&self, step: usize, state: &mut Vec<f32>) -> Option<Posteriors> {
        let after = self.states.get(step * self.state..(step + 1) * self.state).unwrap_or_default();
        state.clear();
        state.extend_from_slice(after);
        self.told.get(step).copied().flatten()
    }

    /// Takes what the model told of all steps.
    fn take(&mut self, posteriors: &[f32], states: &[f32]) -> Option<()> {
        if states.len() != self.states.len() || posteriors.len() != self.told.len() * CLASSES.len() {
            return None;
        }
        self.states.copy_from_slice(states);
        tell(&mut self.told, posteriors);
        Some(())
    }

    /// The like, of a network that writes into room of ours.
    fn run(&mut self, network: &mut Network) {
        self.posteriors.resize(self.told.len() * CLASSES.len(), 0.0);
        self.after.resize(self.states.len(), 0.0);
        network.run(&self.features, &self.states, &mut self.posteriors, &mut self.after);
        std::mem::swap(&mut self.states, &mut self.after);
        tell(&mut self.told, &self.posteriors);
    }

    /// A step of one stream.
    pub(super) fn alone(&mut self, model: &mut Model, features: &Features, state: &mut Vec<f32>) -> Option<Posteriors> {
        self.begin(model);
        let step = self.push(features, state);
        model.step(self);
        self.told(step, state)
    }
}

/// What was told of each step; nothing where it is no number.
fn tell(told: &mut [Option<Posteriors>], posteriors: &[f32]) {
    for (told, posteriors) in told.iter_mut().zip(posteriors.chunks_exact(CLASSES.len())) {
        *told = Posteriors::try_from(posteriors).ok().filter(|all| all.iter().all(|one| one.is_finite()));
    }
}

impl Model {
    /// The model that the configuration asks for.
    ///
    /// # Errors
    /// If it can't be read or run, or is not made for this version. [`Model::rules`] works always.
    pub fn load(config: &Config) -> Result<Self, ModelError> {
        if config.rules_only {
            return Ok(Self::rules());
        }
        let bytes = read(config)?;
        if let Some(library) = &config.onnxruntime {
            return Self::with_ort(&bytes, library);
        }
        if let Some(network) = Network::read(&bytes) {
            return Self::with_network(network);
        }
        let found = if config.builtin_runtime { None } else { find_library() };
        match found.map(|library| Self::with_ort(&bytes, &library)) {
            Some(Ok(model)) => Ok(model),
            // A library that was only found, not asked for, may be too old: the built-in runtime needs none.
            Some(Err(_)) | None => Self::with_rten(bytes),
        }
    }

    /// No model: the rules decide.
    #[must_use]
    pub fn rules() -> Self {
        Self { runner: Runner::Rules, backend: Backend::Rules, state: 0 }
    }

    /// SHA-256 of the model that the configuration asks for, as its card tells it.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn sha256(config: &Config) -> Result<String, ModelError> {
        Ok(Sha256::digest(read(config)?).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The like of [`Model::load`] in rten, whatever would run it otherwise: for checks, and for measuring.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn in_rten(config: &Config) -> Result<Self, ModelError> {
        Self::with_rten(read(config)?)
    }

    /// What runs it.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    fn with_network(network: Network) -> Result<Self, ModelError> {
        let widths = network.widths;
        let state = check(&[
            ("features", Some(widths.features)),
            ("state", Some(widths.state)),
            ("posteriors", Some(widths.posteriors)),
            ("state_out", Some(widths.state_out)),
        ])?;
        Ok(Self { runner: Runner::Network(Box::new(network)), backend: Backend::BuiltIn, state })
    }

    fn with_ort(bytes: &[u8], library: &Path) -> Result<Self, ModelError> {
        let refused = |error: &dyn fmt::Display| ModelError::Runtime(error.to_string());
        if !library.is_file() {
            return Err(refused(&format!("no ONNX Runtime library at {}", library.display())));
        }
        let (begun_with, environment) = match ENVIRONMENT.get_or_init(|| begin(library)) {
            Ok(environment) => environment,
            Err(error) => return Err(ModelError::Runtime(error.clone())),
        };
        if begun_with != library {
            return Err(refused(&format!("ONNX Runtime runs from {} already", begun_with.display())));
        }
        let session = Session::builder(environment)
            .and_then(|builder| Ok(builder.with_intra_threads(1)?))
            .and_then(|builder| Ok(builder.with_inter_threads(1)?))
            .and_then(|mut builder| builder.commit_from_memory(bytes))
            .map_err(|error| refused(&error))?;
        let width = |outlets: &[ort::value::Outlet], name: &str| {
            outlets
                .iter()
                .find(|outlet| outlet.name() == name)
                .and_then(|outlet| outlet.dtype().tensor_shape())
                .and_then(|shape| shape.last().copied())
                .and_then(|size| usize::try_from(size).ok())
        };
        let (inputs, outputs) = (session.inputs(), session.outputs());
        let state = check(&[
            ("features", width(inputs, "features")),
            ("state", width(inputs, "state")),
            ("posteriors", width(outputs, "posteriors")),
            ("state_out", width(outputs, "state_out")),
        ])?;
        Ok(Self {
            runner: Runner::Ort { session: Box::new(session) },
            backend: Backend::OnnxRuntime(library.to_owned()),
            state,
        })
    }

    fn with_rten(bytes: Vec<u8>) -> Result<Self, ModelError> {
        let model = rten::Model::load(bytes).map_err(|error| ModelError::Runtime(error.to_string()))?;
        let width = |name: &str| {
            let shape = model.node_info(model.find_node(name)?)?.shape()?;
            match shape.last()? {
                rten::Dimension::Fixed(size) => Some(*size),
                rten::Dimension::Symbolic(_) => None,
            }
        };
        let state = check(&[
            ("features", width("features")),
            ("state", width("state")),
            ("posteriors", width("posteriors")),
            ("state_out", width("state_out")),
        ])?;
        let node = |name: &str| model.node_id(name).map_err(|error| ModelError::Shape(error.to_string()));
        let inputs = [node("features")?, node("state")?];
        let outputs = [node("posteriors")?, node("state_out")?];
        Ok(Self {
            runner: Runner::Rten {
                model: Box::new(model),
                inputs,
                outputs,
                pool: Arc::new(ThreadPool::with_num_threads(1)),
            },
            backend: Backend::Rten,
            state,
        })
    }

    /// Runs one step of so many new streams that have heard nothing, and tells of how many it was told something: for checks
    /// and for measuring what a step costs.
    pub fn trial(&mut self, batch: usize) -> usize {
        let mut steps = Batch::default();
        steps.begin(self);
        for _ in 0..batch {
            steps.push(&[0.0; FEATURES], &[]);
        }
        self.step(&mut steps);
        steps.told.iter().flatten().count()
    }

    /// One step for each stream. Without a model, or when it fails, nothing is told, and the rules decide.
    pub fn step(&mut self, batch: &mut Batch) {
        if !batch.is_empty() && self.state == batch.state {
            self.run(batch);
        }
    }

    fn run(&mut self, batch: &mut Batch) -> Option<()> {
        let count = batch.len();
        match &mut self.runner {
            Runner::Rules => None,
            Runner::Network(network) => {
                batch.run(network);
                Some(())
            }
            Runner::Ort { session, .. } => {
                let features = TensorRef::from_array_view(([count, FEATURES], batch.features.as_slice())).ok()?;
                let state = TensorRef::from_array_view(([count, batch.state], batch.states.as_slice())).ok()?;
                let outputs = session.run(ort::inputs!["features" => features, "state" => state]).ok()?;
                let (_, posteriors) = outputs.get("posteriors")?.try_extract_tensor::<f32>().ok()?;
                let (_, states) = outputs.get("state_out")?.try_extract_tensor::<f32>().ok()?;
                batch.take(posteriors, states)
            }
            Runner::Rten { model, inputs, outputs, pool } => {
                let features = NdTensorView::from_data([count, FEATURES], batch.features.as_slice());
                let state = NdTensorView::from_data([count, batch.state], batch.states.as_slice());
                let inputs = vec![
                    (inputs[0], ValueOrView::from(features.as_dyn())),
                    (inputs[1], ValueOrView::from(state.as_dyn())),
                ];
                let options = RunOptions::default().with_thread_pool(Some(Arc::clone(pool)));
                let [posteriors, states] = model.run_n(inputs, *outputs, Some(options)).ok()?;
                let posteriors: NdTensor<f32, 2> = posteriors.try_into().ok()?;
                let states: NdTensor<f32, 2> = states.try_into().ok()?;
                batch.take(&posteriors.to_vec(), &states.to_vec())
            }
        }
    }
}

fn read(config: &Config) -> Result<Vec<u8>, ModelError> {
    #[allow(clippy::disallowed_methods, reason = "a model is a file, read before any audio")]
    match &config.model {
        Some(path) => std::fs::read(path).map_err(|error| ModelError::File(path.clone(), error)),
        None if BUILT_IN.is_empty() => Err(ModelError::NotBuiltIn),
        None => Ok(BUILT_IN.to_vec()),
    }
}

/// Whether inputs and outputs have the right widths; gives the state's.
fn check(widths: &[(&str, Option<usize>); 4]) -> Result<usize, ModelError> {
    let of = |name: &str| {
        let found = widths.iter().find(|(known, _)| *known == name).and_then(|(_, width)| *width);
        found.ok_or_else(|| ModelError::Shape(format!("no {name} of a fixed width")))
    };
    if of("features")? != FEATURES {
        return Err(ModelError::Shape(format!("{} features, not {FEATURES}", of("features")?)));
    }
    if of("posteriors")? != CLASSES.len() {
        return Err(ModelError::Shape(format!("{} classes, not {}", of("posteriors")?, CLASSES.len())));
    }
    let state = of("state")?;
    if state == 0 || state > MOST_STATE || of("state_out")? != state {
        return Err(ModelError::Shape(format!("state of {state} and state_out of {}", of("state_out")?)));
    }
    Ok(state)
}

/// ONNX Runtime's environment, and the library that it was begun with. A process may have one, once; every model of it lives in it.
static ENVIRONMENT: OnceLock<Result<(PathBuf, Environment), String>> = OnceLock::new();

/// Begins ONNX Runtime.
fn begin(library: &Path) -> Result<(PathBuf, Environment), String> {
    let builder = ort::init_from(library).map_err(|error| error.to_string())?;
    let environment = builder.with_name("answerd").build().map_err(|error| error.to_string())?;
    Ok((library.to_owned(), environment))
}

/// ONNX Runtime's library, where `ORT_DYLIB_PATH` says or in the usual places.
fn find_library() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        return Some(PathBuf::from(path));
    }
    PLACES.iter().map(|place| Path::new(place).join(LIBRARY)).find(|path| path.is_file())
}
