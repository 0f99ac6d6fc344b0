//! `answerd features`: Write the model's features, for training.
//!
//! The file begins with the line `answerd-features N F 100\n`: format, numbers per step, milliseconds per step. Then
//! for each path of the list, in its order: the number of steps as u32, little-endian, and steps x F numbers as f32,
//! little-endian. `detect::features` tells what the numbers mean. A list has one path to a WAV or FLAC file of
//! 8 kHz per line, and optionally, after a tab, the holes in it as `from+samples,from+samples...`, in samples: sound
//! that is taken not to have arrived.
//!
//! With `--hops` it writes, in the same form, what the network that tells speech is told instead (`detect::voice`): one step per
//! hop of 10 ms, NaN for a hop that it is not asked about, because sound of its window did not arrive.
//!
//! With `--tones` it writes, for training the beep classifier, one line of CSV per tone that may be a beep, and per piece of a voice that
//! has as much of one: the number of the path in the list (from 0), onset and offset in samples, frequency, and the classifier's features.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::audio::wav::Channels;
use crate::audio::{Frame, SAMPLE_RATE, frames, recording};
use crate::cli::cores::on_all_cores;
use crate::detect::{
    Candidate, FEATURES, FORMAT, HOP, STEP_HOPS, VOICE_INPUTS, candidates_of, features_of, voice_inputs_of,
};

/// Milliseconds of a hop.
const HOP_MS: usize = HOP * 1_000 / SAMPLE_RATE as usize;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A file with the path of a recording per line, and after a tab the holes: from+samples,... in samples.
    list: PathBuf,
    /// Where the features go.
    #[arg(long)]
    out: PathBuf,
    /// Write the tones that may be beeps instead, as CSV.
    #[arg(long)]
    tones: bool,
    /// Write what the network that tells speech is told of each hop instead.
    #[arg(long, conflicts_with = "tones")]
    hops: bool,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let list = std::fs::read_to_string(&arguments.list)
        .with_context(|| format!("cannot read {}", arguments.list.display()))?;
    let lines: Vec<&str> = list.lines().filter(|line| !line.trim().is_empty()).collect();
    let out = File::create(&arguments.out).with_context(|| format!("cannot write {}", arguments.out.display()))?;
    let out = BufWriter::new(out);
    if arguments.tones {
        write_tones(out, for_each(&lines, |frames| candidates_of(frames, true))?)?;
    } else if arguments.hops {
        write_features::<VOICE_INPUTS>(out, HOP_MS, for_each(&lines, voice_inputs_of)?)?;
    } else {
        write_features::<FEATURES>(out, HOP_MS * STEP_HOPS, for_each(&lines, features_of)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_features<const N: usize>(
    mut out: impl Write,
    step_ms: usize,
    results: Vec<Vec<[f32; N]>>,
) -> anyhow::Result<()> {
    writeln!(out, "answerd-features {FORMAT} {N} {step_ms}")?;
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
fn for_each<T: Send>(lines: &[&str], work: fn(&[Frame<'_>]) -> T) -> anyhow::Result<Vec<T>> {
    let numbered: Vec<(usize, &str)> = lines.iter().copied().enumerate().collect();
    let one = |_: &mut (), &(n, line): &(usize, &str)| {
        read(line)
            .map(|(sound, holes)| work(&frames(&sound, &holes)))
            .with_context(|| format!("line {}: {line}", n + 1))
    };
    on_all_cores(&numbered, || (), one, |_| ()).into_iter().collect()
}

/// A recording's samples, and its holes: from, length.
type Sound = (Vec<i16>, Vec<(usize, usize)>);

fn read(line: &str) -> anyhow::Result<Sound> {
    let (path, holes) = line.split_once('\t').unwrap_or((line, ""));
    let recording = recording::read(&std::fs::read(path)?, Channels::Mix)?;
    // Resampled sound has other features than the channel that training simulates.
    anyhow::ensure!(recording.rate == SAMPLE_RATE, "{} Hz, not {SAMPLE_RATE}", recording.rate);
    let sound = recording.samples;
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
