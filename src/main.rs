//! The `answerd` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    answerd::cli::main()
}
