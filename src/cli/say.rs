//! What a command tells on its standard output, line by line.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// What a shell makes of a process that wrote to a pipe nobody reads: 128 and the number of SIGPIPE.
const UNREAD: i32 = 141;

/// Writes a line to the standard output, as `println!` does; but when whoever read it has gone (`answerd check | head -1`), the
/// command ends without a word, and does not panic.
macro_rules! say {
    ($($words:tt)*) => { $crate::cli::say::line(::std::format_args!($($words)*)) };
}
pub(super) use say;

/// What `say` does.
pub(super) fn line(words: fmt::Arguments<'_>) {
    written(writeln!(io::stdout().lock(), "{words}"));
}

/// Ends the process where what was to be told could not be.
pub(super) fn written(result: io::Result<()>) {
    match result {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(UNREAD),
        Err(error) => {
            eprintln!("answerd: standard output: {error}");
            std::process::exit(1);
        }
    }
}
