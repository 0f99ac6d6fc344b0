//! `answerd detect`: Tell what answered in recordings.

use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) fn run(_arguments: Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not written yet")
}
