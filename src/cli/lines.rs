//! Lines of a file that are made in any order and written in theirs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context as _;

/// Writes numbered lines, from 0 on without a gap, as soon as those before are there.
pub(super) struct Lines<W: Write> {
    state: Mutex<State<W>>,
}

struct State<W> {
    out: W,
    next: usize,
    waiting: BTreeMap<usize, String>,
    /// The first error; nothing is written after it.
    error: Option<std::io::Error>,
}

impl Lines<BufWriter<File>> {
    /// Into a file, which is made anew.
    pub(super) fn create(file: &Path) -> anyhow::Result<Self> {
        let out = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self::new(BufWriter::new(out)))
    }
}

impl<W: Write> Lines<W> {
    fn new(out: W) -> Self {
        Self { state: Mutex::new(State { out, next: 0, waiting: BTreeMap::new(), error: None }) }
    }

    /// Takes the line of a number.
    pub(super) fn put(&self, number: usize, line: String) {
        let mut state = self.state.lock().expect("no thread panics while it holds the lock");
        let state = &mut *state;
        state.waiting.insert(number, line);
        while let Some(line) = state.waiting.remove(&state.next) {
            state.next += 1;
            if state.error.is_none() {
                state.error = writeln!(state.out, "{line}").err();
            }
        }
    }

    /// Writes what is left; fails if anything could not be written.
    pub(super) fn finish(self) -> std::io::Result<()> {
        let mut state = self.state.into_inner().expect("no thread panics while it holds the lock");
        match state.error {
            Some(error) => Err(error),
            None => state.out.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_their_order_and_as_soon_as_they_can() {
        let mut out = Vec::new();
        let lines = Lines::new(&mut out);
        for number in [2, 0, 3, 1, 5] {
            lines.put(number, format!("line {number}"));
        }
        assert_eq!(lines.state.lock().unwrap().waiting.len(), 1, "the fifth waits for the fourth");
        lines.put(4, "line 4".to_owned());
        lines.finish().unwrap();
        let wanted: String = (0..6).map(|number| format!("line {number}\n")).collect();
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }

    #[test]
    fn what_cannot_be_written_is_said_in_the_end() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("full"))
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::new(Full);
        lines.put(0, "x".to_owned());
        lines.put(1, "y".to_owned());
        assert_eq!(lines.finish().unwrap_err().to_string(), "full");
    }
}
