//! `answerd serve`: Run the server.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

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

/// What is never due has a period all the same.
const NEVER: Duration = Duration::from_secs(3_600);
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
    let manager = ops::ServiceManager::from_environment();
    manager.iter().for_each(ops::ServiceManager::ready);
    let alive_every = manager.as_ref().and_then(ops::ServiceManager::alive_every);
    let mut alive = tokio::time::interval(alive_every.unwrap_or(NEVER));
    loop {
        tokio::select! {
            // One whose threads hang says nothing, and is begun anew.
            _ = alive.tick(), if alive_every.is_some() => {
                manager.iter().filter(|_| running.is_well()).for_each(ops::ServiceManager::alive);
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => running.reload(),
        }
    }
    manager.iter().for_each(ops::ServiceManager::stopping);
    tracing::info!("draining: no new calls, running recognitions finish; a second signal ends at once");
    let mut down = std::pin::pin!(running.shutdown());
    loop {
        tokio::select! {
            () = &mut down => {
                tracing::info!("stopped");
                return Ok(ExitCode::SUCCESS);
            }
            // Draining may take longer than the manager waits.
            _ = alive.tick(), if alive_every.is_some() => manager.iter().for_each(ops::ServiceManager::alive),
            _ = terminate.recv() => return Ok(ExitCode::FAILURE),
            _ = interrupt.recv() => return Ok(ExitCode::FAILURE),
        }
    }
}

/// The environment; what is no text in it is shown as well as can be, and refused where it is a setting.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}
