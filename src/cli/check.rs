//! `answerd check`: Validate configuration, grammars and model.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::say::say;
use crate::cli::serve::{EXIT_CONFIG, environment};
use crate::config::Config;
use crate::detect::Model;
use crate::grammar::{self, Body, Documents, Resolution, Store};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Settings; without it, the defaults. ANSWERD_SECTION_KEY variables override both.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Grammars in SRGS XML to check beside the built-in ones.
    #[arg(value_name = "GRAMMAR")]
    grammars: Vec<PathBuf>,
}

const BUILTINS: [&str; 4] =
    ["builtin:speech/answer", "builtin:speech/beep", "builtin:speech/voicemail", "builtin:speech/boolean"];

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = match Config::load(arguments.config.as_deref(), environment()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    match &arguments.config {
        Some(file) => say!("settings: {} is good", file.display()),
        None => say!("settings: defaults"),
    }
    let mut good = true;
    match config.check_tls() {
        Ok(None) => {}
        Ok(Some(fingerprint)) => say!("certificate: good, {fingerprint}"),
        Err(reason) => {
            eprintln!("{reason}");
            good = false;
        }
    }
    let mut told = |name: &str, checked: Result<(), String>| match checked {
        Ok(()) => say!("grammar: {name} is good"),
        Err(reason) => {
            eprintln!("{name}: {reason}");
            good = false;
        }
    };
    for uri in BUILTINS {
        told(uri, resolve("text/uri-list", uri.as_bytes()));
    }
    for file in &arguments.grammars {
        let read = std::fs::read(file).map_err(|error| error.to_string());
        told(&file.display().to_string(), read.and_then(|text| resolve("application/srgs+xml", &text)));
    }
    match Model::load(&config.detect.detect()) {
        Ok(model) => say!("model: good\nbackend: {}", model.backend()),
        Err(error) => {
            let configured = [&config.detect.model, &config.detect.onnxruntime];
            good &= configured.iter().all(|path| path.as_path() == Path::new(""));
            eprintln!("model: {error}");
            say!("backend: {}", Model::rules().backend());
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CONFIG) })
}

fn resolve(media_type: &str, bytes: &[u8]) -> Result<(), String> {
    let body = Body { media_type, content_id: Some("check"), bytes, ..Body::default() };
    match grammar::resolve(&body, &Store::new(1), &Documents::new()) {
        Ok(Resolution::Done(_)) => Ok(()),
        Ok(Resolution::Needs(uris)) => Err(format!("it refers to {}, which is not fetched here", uris.join(", "))),
        Err(error) => Err(error.to_string()),
    }
}
