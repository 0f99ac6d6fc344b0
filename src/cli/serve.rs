//! `answerd serve`: Run the server.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::ops;
use crate::server::Server;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Settings; without it, the defaults. ANSWERD_SECTION_KEY variables override both.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The form of log lines, over the settings.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Settings that can't be obeyed (`EX_CONFIG` of sysexits.h).
pub(super) const EXIT_CONFIG: u8 = 78;

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = match Config::load(arguments.config.as_deref(), environment()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    if let Err(reason) = config.check_tls() {
        eprintln!("{reason}");
        return Ok(ExitCode::from(EXIT_CONFIG));
    }
    let format = match arguments.log_format {
        Some(LogFormat::Text) => ops::Format::Text,
        Some(LogFormat::Json) => ops::Format::Json,
        None => config.log.format,
    };
    ops::init(&ops::Config { format, ..config.log.clone() })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting tokio")?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let running = Server::start(config).await?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => running.reload(),
        }
    }
    tracing::info!("draining: no new calls, running recognitions finish; a second signal ends at once");
    tokio::select! {
        () = running.shutdown() => {
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
        _ = terminate.recv() => Ok(ExitCode::FAILURE),
        _ = interrupt.recv() => Ok(ExitCode::FAILURE),
    }
}

/// The environment; what is no text in it is shown as well as can be, and refused where it is a setting.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}
