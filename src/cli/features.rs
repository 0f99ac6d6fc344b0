//! `answerd features`: Write the model's features, for training.
//!
//! The file begins with the line `answerd-features 1 F 100\n`: format, numbers per step, milliseconds per step. Then
//! for each path of the list, in its order: the number of steps as u32, little-endian, and steps x F numbers as f32,
//! little-endian. `detect::features` tells what the numbers mean. A list has one path to a WAV file (8 kHz, mono,
//! 16 bit) per line, and optionally, after a tab, the holes in it as `from+samples,from+samples...`, in samples: sound
//! that is taken not to have arrived.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;

use crate::audio::{Frame, SAMPLE_RATE};
use crate::detect::{FEATURES, Features, Plans, features_of};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A file with one WAV path per line, and after a tab the holes: from+samples,... in samples.
    list: PathBuf,
    /// Where the features go.
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let list = std::fs::read_to_string(&arguments.list)
        .with_context(|| format!("cannot read {}", arguments.list.display()))?;
    let lines: Vec<&str> = list.lines().filter(|line| !line.trim().is_empty()).collect();
    let plans = Plans::default();
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<anyhow::Result<Vec<Features>>>>> = Mutex::new(lines.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((n, line)) = {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    lines.get(n).map(|line| (n, line))
                } {
                    let result = read(&plans, line).with_context(|| format!("line {}: {line}", n + 1));
                    results.lock().expect("no thread panics while it holds the lock")[n] = Some(result);
                }
            });
        }
    });
    let mut out = BufWriter::new(
        File::create(&arguments.out).with_context(|| format!("cannot write {}", arguments.out.display()))?,
    );
    writeln!(out, "answerd-features 1 {FEATURES} 100")?;
    let results = results.into_inner().expect("no thread panics while it holds the lock");
    for result in results.into_iter().flatten() {
        let steps = result?;
        out.write_all(&u32::try_from(steps.len())?.to_le_bytes())?;
        for value in steps.iter().flatten() {
            out.write_all(&value.to_le_bytes())?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn read(plans: &Plans, line: &str) -> anyhow::Result<Vec<Features>> {
    let (path, holes) = line.split_once('\t').unwrap_or((line, ""));
    let mut wav = hound::WavReader::open(Path::new(path))?;
    let spec = wav.spec();
    anyhow::ensure!(
        spec.sample_rate == SAMPLE_RATE && spec.channels == 1 && spec.bits_per_sample == 16,
        "not 8 kHz, mono, 16 bit"
    );
    let sound = wav.samples::<i16>().collect::<Result<Vec<_>, _>>()?;
    let mut frames = Vec::new();
    let mut at = 0;
    for hole in holes.split(',').filter(|hole| !hole.trim().is_empty()) {
        let (from, samples) = hole.split_once('+').context("a hole is from+samples")?;
        let (from, samples): (usize, usize) = (from.trim().parse()?, samples.trim().parse()?);
        anyhow::ensure!(from >= at && from + samples <= sound.len(), "holes must be in order and inside the sound");
        frames.extend([Frame::Sound(&sound[at..from]), Frame::Missing { samples }]);
        at = from + samples;
    }
    frames.push(Frame::Sound(&sound[at..]));
    Ok(features_of(plans, &frames))
}
