//! The command line: one file per subcommand.
#![allow(clippy::print_stderr, reason = "the command line is where output belongs")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the edge: files, clocks and tasks")]

mod call;
mod check;
mod cores;
mod demo;
mod detect;
mod eval;
mod features;
mod lines;
mod load;
mod offline;
mod points;
mod progress;
mod replay;
mod say;
mod serve;
mod tell;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tells who, or what, answered a phone call: an MRCPv2 speech recognizer.
#[derive(Debug, Parser)]
#[command(name = "answerd", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Arguments),
    /// Tell what answered in recordings, offline, through the same detection as the server.
    Detect(detect::Arguments),
    /// Measure detection on recordings of which is known who answered.
    Eval(eval::Arguments),
    /// Place a call to an MRCPv2 recognizer, stream a recording, print the result.
    Call(call::Arguments),
    /// Put a load of many calls on an MRCPv2 recognizer, and measure it.
    Load(load::Arguments),
    /// Start a server on free loopback ports, place three calls to it, and show what happens.
    Demo(demo::Arguments),
    /// Make decisions anew that a server has stored, and tell which are other ones now, and which are right.
    Replay(replay::Arguments),
    /// Validate the configuration, the grammars and the model.
    Check(check::Arguments),
    /// Search the operating points of detection on recordings of which is known who answered, and write their table.
    #[command(hide = true)]
    Points(points::Arguments),
    /// Write the features that the model sees, for training.
    #[command(hide = true)]
    Features(features::Arguments),
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Detect(arguments) => detect::run(arguments),
        Command::Eval(arguments) => eval::run(arguments),
        Command::Call(arguments) => call::run(arguments),
        Command::Load(arguments) => load::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Points(arguments) => points::run(arguments),
        Command::Features(arguments) => features::run(arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("answerd: {error:#}");
        ExitCode::FAILURE
    })
}
