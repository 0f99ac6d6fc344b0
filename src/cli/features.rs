//! `answerd features`: Write the model's features, for training.
//!
//! The file begins with the line `answerd-features 1 F 100\n`: format, numbers per step, milliseconds per step. Then
//! for each path of the list, in its order: the number of steps as u32, little-endian, and steps x F numbers as f32,
//! little-endian. `detect::features` tells what the numbers mean. A list has one path to a WAV file (8 kHz, mono,
//! 16 bit) per line, and optionally, after a tab, the holes in it as `from+samples,from+samples...`, in samples: sound
//! that is taken not to have arrived.
//!
//! With `--tones` it writes, for training the beep classifier, one line of CSV per tone that may be a beep: the number of
//! the path in the list (from 0), onset and offset in samples, frequency, and the classifier's features.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;

use crate::audio::{Frame, SAMPLE_RATE};
use crate::detect::{Candidate, FEATURES, Features, Plans, candidates_of, features_of};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A file with one WAV path per line, and after a tab the holes: from+samples,... in samples.
    list: PathBuf,
    /// Where the features go.
    #[arg(long)]
    out: PathBuf,
    /// Write the tones that may be beeps instead, as CSV.
    #[arg(long)]
    tones: bool,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let list = std::fs::read_to_string(&arguments.list)
        .with_context(|| format!("cannot read {}", arguments.list.display()))?;
    let lines: Vec<&str> = list.lines().filter(|line| !line.trim().is_empty()).collect();
    let out = File::create(&arguments.out).with_context(|| format!("cannot write {}", arguments.out.display()))?;
    let out = BufWriter::new(out);
    if arguments.tones {
        write_tones(out, for_each(&lines, candidates_of)?)?;
    } else {
        write_features(out, for_each(&lines, features_of)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_features(mut out: impl Write, results: Vec<Vec<Features>>) -> anyhow::Result<()> {
    writeln!(out, "answerd-features 1 {FEATURES} 100")?;
    for steps in results {
        out.write_all(&u32::try_from(steps.len())?.to_le_bytes())?;
        for value in steps.iter().flatten() {
            out.write_all(&value.to_le_bytes())?;
        }
    }
    Ok(out.flush()?)
}

fn write_tones(mut out: impl Write, results: Vec<Vec<Candidate>>) -> anyhow::Result<()> {
    for (n, candidates) in results.iter().enumerate() {
        for candidate in candidates {
            let beep = candidate.beep;
            write!(out, "{n},{},{},{}", beep.on.0, beep.off.0, beep.hz)?;
            for feature in candidate.features {
                write!(out, ",{feature}")?;
            }
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}

/// Reads each recording of the list and works on it, on all cores; results in the list's order.
fn for_each<T: Send>(lines: &[&str], work: fn(&Plans, &[Frame<'_>]) -> T) -> anyhow::Result<Vec<T>> {
    let plans = Plans::default();
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<anyhow::Result<T>>>> = Mutex::new(lines.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((n, line)) = {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    lines.get(n).map(|line| (n, line))
                } {
                    let result = read(line)
                        .map(|(sound, holes)| work(&plans, &frames(&sound, &holes)))
                        .with_context(|| format!("line {}: {line}", n + 1));
                    results.lock().expect("no thread panics while it holds the lock")[n] = Some(result);
                }
            });
        }
    });
    results.into_inner().expect("no thread panics while it holds the lock").into_iter().flatten().collect()
}

/// A recording's samples, and its holes: from, length.
type Sound = (Vec<i16>, Vec<(usize, usize)>);

fn read(line: &str) -> anyhow::Result<Sound> {
    let (path, holes) = line.split_once('\t').unwrap_or((line, ""));
    let mut wav = hound::WavReader::open(Path::new(path))?;
    let spec = wav.spec();
    anyhow::ensure!(
        spec.sample_rate == SAMPLE_RATE && spec.channels == 1 && spec.bits_per_sample == 16,
        "not 8 kHz, mono, 16 bit"
    );
    let sound = wav.samples::<i16>().collect::<Result<Vec<_>, _>>()?;
    let mut list = Vec::new();
    let mut at = 0;
    for hole in holes.split(',').filter(|hole| !hole.trim().is_empty()) {
        let (from, samples) = hole.split_once('+').context("a hole is from+samples")?;
        let (from, samples): (usize, usize) = (from.trim().parse()?, samples.trim().parse()?);
        anyhow::ensure!(from >= at && from + samples <= sound.len(), "holes must be in order and inside the sound");
        list.push((from, samples));
        at = from + samples;
    }
    Ok((sound, list))
}

fn frames<'a>(sound: &'a [i16], holes: &[(usize, usize)]) -> Vec<Frame<'a>> {
    let mut frames = Vec::new();
    let mut at = 0;
    for &(from, samples) in holes {
        frames.extend([Frame::Sound(&sound[at..from]), Frame::Missing { samples }]);
        at = from + samples;
    }
    frames.push(Frame::Sound(&sound[at..]));
    frames
}
