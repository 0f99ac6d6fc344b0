//! `answerd call`: Place a call to an MRCPv2 recognizer.

use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) fn run(_arguments: Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not written yet")
}
