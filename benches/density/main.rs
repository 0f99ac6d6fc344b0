//! How many calls a machine holds: server and load side by side on loopback.
//!
//!     cargo bench --bench density                                     the table
//!     cargo bench --bench density -- --calls 100,4000 --seconds 30    other sizes
//!     cargo bench --bench density -- --soak 100000                    many short calls: does anything grow?
//!
//! Processor time is that of the server alone, user and system, from /proc. It survives a machine that is busy with other
//! things; latencies do not: the load average stands with each row.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    unreachable_pub,
    reason = "a program of its own, at the edge"
)]

mod floor;
mod server;
mod soak;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use answerd::audio::codec::Codec;
use answerd::audio::recording;
use answerd::audio::wav::Channels;
use answerd::client::Transport;
use answerd::client::load::{self, CallSound, Hold, Progress, Quantiles, Report, Spec};
use clap::Parser;
use floor::Floor;
use server::{Server, Usage};
use tokio_util::sync::CancellationToken;

/// The recordings that calls play if no others are named.
const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/audio");
/// Open files beside one for each call.
const OTHER_FILES: u64 = 1_000;

#[derive(Debug, Parser)]
struct Arguments {
    /// Calls at once, one row for each.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 500, 1_000, 2_000])]
    calls: Vec<u64>,
    /// How long each row is measured, after all calls have begun.
    #[arg(long, default_value_t = 15.0)]
    seconds: f64,
    /// Calls begun in a second; 0: a tenth of the calls.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// What calls do, one table for each: "fresh" ones end with their result, and another one takes their place;
    /// in "steady" ones detection goes on all the time.
    #[arg(long, value_delimiter = ',', default_values_t = ["steady".to_owned(), "fresh".to_owned()])]
    modes: Vec<String>,
    /// Recordings to play instead of those of the repository.
    #[arg(long, num_args = 1..)]
    files: Vec<PathBuf>,
    /// Measure this program instead of the one that was built.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_answerd"))]
    server: PathBuf,
    /// UDP ports of the load; 0: one for each call.
    #[arg(long, default_value_t = 8)]
    rtp_ports: usize,
    /// Instead of the table: so many short calls, to see whether anything grows.
    #[arg(long, value_name = "CALLS")]
    soak: Option<u64>,
    /// Most calls at once of the soak, and how many of them are begun in a second.
    #[arg(long, default_value_t = 500)]
    soak_calls: u64,
    #[arg(long, default_value_t = 300.0)]
    soak_rate: f64,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let most = arguments.calls.iter().copied().max().unwrap_or_default().max(arguments.soak_calls);
    // The server inherits the limit: each of its calls has a socket.
    if let Err(error) = load::raise_file_limit(most + OTHER_FILES) {
        eprintln!("density: {error}");
        return ExitCode::FAILURE;
    }
    let sounds = sounds(&arguments.files);
    if let Some(total) = arguments.soak {
        return soak::run(&arguments, total, sounds);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} processors; {}; load average {}", processor(), server::load_average());
    let samples: Vec<i16> = sounds.iter().flat_map(|sound| sound.samples.iter().copied()).collect();
    let floor = floor::measure(&samples, 500);
    println!(
        "floor, us of a processor per call-second: receiving {:.1}, spectra {:.1}, model {:.1}, together {:.1}",
        floor.receive * 1e6,
        floor.spectra * 1e6,
        floor.model * 1e6,
        floor.sum() * 1e6
    );
    for mode in &arguments.modes {
        println!("\n### {mode} calls\n");
        println!(
            "| calls | held | CPU s per call-s (user + system) | x floor | KiB a call | set up p50 / p99 | response p50 / p99 | delivery p50 / p99 | dropped | late | no room, failed, missing | of a processor: server, load | load average |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
        for calls in &arguments.calls {
            row(&arguments, mode, *calls, &sounds, &floor);
        }
    }
    ExitCode::SUCCESS
}

/// What a load was at a moment, and what server and load had taken.
struct Sample {
    progress: Progress,
    server: Usage,
    own: Usage,
    dropped: u64,
}

fn row(arguments: &Arguments, mode: &str, calls: u64, sounds: &[CallSound], floor: &Floor) {
    let server = Server::start(&arguments.server, calls + 100);
    let rate = if arguments.rate > 0.0 { arguments.rate } else { (calls as f64 / 10.0).max(20.0) };
    // What is made once is made before.
    let first = Spec { calls: 10, total: Some(10), ..spec(&server, sounds) };
    watch(&server, &first);
    let idle = server.usage();

    let ramp = Duration::from_secs_f64(calls as f64 / rate + 3.0);
    let all = ramp + Duration::from_secs_f64(arguments.seconds);
    let mut wanted = Spec { calls, rate, duration: all, rtp_ports: arguments.rtp_ports, ..spec(&server, sounds) };
    if mode == "steady" {
        wanted.grammar = "builtin:speech/beep".to_owned();
        // Longer than the load: calls end with it.
        (wanted.again, wanted.repeat, wanted.hold) = (true, true, Hold::For(all * 2));
        wanted.parameters = vec![("Recognition-Timeout".to_owned(), "600000".to_owned())];
    } else {
        // As many begin as end: one takes a few seconds.
        wanted.rate = rate.max(calls as f64 / 3.0);
    }
    let (report, samples) = watch(&server, &wanted);
    let within = |sample: &&Sample| sample.progress.elapsed >= ramp && sample.progress.elapsed <= all;
    let (Some(from), Some(to)) = (samples.iter().find(within), samples.iter().rev().find(within)) else {
        println!("| {calls} | measured too short |");
        return;
    };
    let seconds = (to.progress.elapsed - from.progress.elapsed).as_secs_f64();
    let held_for = (to.progress.held_for - from.progress.held_for).as_secs_f64();
    let user = to.server.cpu.0 - from.server.cpu.0;
    let system = to.server.cpu.1 - from.server.cpu.1;
    let own = to.own.cpu.0 + to.own.cpu.1 - from.own.cpu.0 - from.own.cpu.1;
    let cost = (user + system) / held_for;
    let memory = samples
        .iter()
        .filter(within)
        .map(|sample| sample.server.rss_kib.saturating_sub(idle.rss_kib) as f64 / sample.progress.held.max(1) as f64);
    println!(
        "| {calls} | {:.0} | {cost:.6} ({:.6} + {:.6}) | {:.1} | {:.0} | {} | {} | {} | {} of {} | {} | {}, {}, {} | {:.2}, {:.2} | {} |",
        held_for / seconds,
        user / held_for,
        system / held_for,
        cost / floor.sum(),
        memory.fold(0.0, f64::max),
        ms(report.setup),
        ms(report.response),
        ms(report.delivery),
        to.dropped - from.dropped,
        to.progress.packets - from.progress.packets,
        to.progress.late - from.progress.late,
        report.counts.no_room,
        report.counts.failed,
        report.counts.missing,
        (user + system) / seconds,
        own / seconds,
        server::load_average(),
    );
    for (failure, count) in &report.failures {
        println!("    {count} x {failure}");
    }
}

/// Puts a load on a server, and looks at both once a second.
fn watch(server: &Server, spec: &Spec) -> (Report, Vec<Sample>) {
    let mut samples = Vec::new();
    let report = load::run(spec, &CancellationToken::new(), &mut |progress| {
        samples.push(Sample {
            progress: *progress,
            server: server.usage(),
            own: server::usage("self").expect("we live"),
            dropped: server::dropped_datagrams(),
        });
    });
    (report.expect("the load begins"), samples)
}

/// Calls as they are by default.
fn spec(server: &Server, sounds: &[CallSound]) -> Spec {
    Spec {
        host: server.sip.ip().to_string(),
        port: server.sip.port(),
        transport: Transport::Udp,
        codec: Codec::Pcmu,
        calls: 10,
        rate: 50.0,
        duration: Duration::from_secs(600),
        total: None,
        sounds: sounds.to_vec(),
        repeat: false,
        grammar: "builtin:speech/answer".to_owned(),
        parameters: Vec::new(),
        hold: Hold::Result,
        again: false,
        connections: 4,
        rtp_ports: 8,
        setup_timeout: Duration::from_secs(20),
        result_timeout: Duration::from_secs(120),
    }
}

fn sounds(files: &[PathBuf]) -> Vec<CallSound> {
    let read = |file: &Path| {
        let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let recording = recording::read(&bytes, Channels::Mix);
        let samples = recording.unwrap_or_else(|error| panic!("{}: {error}", file.display())).samples;
        CallSound { samples, expected: None }
    };
    if files.is_empty() {
        let names = ["person.wav", "voicemail.wav", "sit.wav"];
        return names.iter().map(|name| read(&Path::new(RECORDINGS).join(name))).collect();
    }
    files.iter().map(|file| read(file)).collect()
}

fn ms(quantiles: Option<Quantiles>) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    quantiles.map_or_else(|| "-".to_owned(), |times| format!("{:.1} / {:.1} ms", ms(times.p50), ms(times.p99)))
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    name.unwrap_or("processor of unknown name").to_owned()
}
