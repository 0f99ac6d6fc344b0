//! `answerd load`: Put a load of many calls on an MRCPv2 recognizer, and measure it.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::audio::codec::Codec;
use crate::audio::recording;
use crate::audio::wav::Channels;
use crate::cli::call::{parse_parameter, parse_server};
use crate::cli::say::say;
use crate::cli::tell;
use crate::client::Transport;
use crate::client::load::{self, CallSound, Expected, Hold, Progress, Quantiles, Report, Spec};
use crate::eval::Truth;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Calls are real ones: INVITE, RECOGNIZE, sound in real time until RECOGNITION-COMPLETE, BYE. When the time is over no more
are started, and those that wait for their result get it. Calls that are refused with 503 and Retry-After are counted
apart: that is how a full server says so.

Times that are told: \"set up\", INVITE to 200; \"response\", RECOGNIZE to its response; \"result\", RECOGNIZE to
RECOGNITION-COMPLETE; \"delivery\", from the packet that holds the sound a result was decided at to RECOGNITION-COMPLETE:
what is added to the detector's own delay; \"after the beep\", from the packet that holds its end, with --truth. \"start
late\" and \"packet late\" are this program's own faults. What the server did not receive of the sound it says itself: in its
log with each result, and in its metrics (answerd_rtp_packets_lost_total).

Exit status: 0 if calls were taken, and every one of them had its result and a good end; 1 if not, or if it was interrupted.

Examples:
  answerd load 127.0.0.1 calls/*.wav --calls 100 --rate 20 --for 60
  answerd load 127.0.0.1 calls/*.flac --truth calls/truth.csv --grammar builtin:speech/voicemail --calls 500 --rate 50
  answerd load 127.0.0.1 speech.wav --calls 1000 --rate 100 --grammar builtin:speech/beep --hold 60 --again --repeat")]
pub(super) struct Arguments {
    /// Where the recognizer listens for SIP: a name or an address, an IPv6 address in brackets; the default port is 8060.
    #[arg(value_name = "HOST[:PORT]", value_parser = parse_server)]
    server: (String, u16),
    /// The recordings to play, in turn: any WAV and FLAC files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Most calls at once.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    calls: u64,
    /// Calls started in a second, while fewer than --calls are held.
    #[arg(long, value_name = "R", default_value_t = 10.0, value_parser = parse_rate)]
    rate: f64,
    /// How long calls are started, in seconds.
    #[arg(long = "for", value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    duration: Duration,
    /// Calls started in all, if the time is not over before.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    total: Option<u64>,
    /// URI of the grammar to recognize with.
    #[arg(long, value_name = "URI", default_value = "builtin:speech/answer")]
    grammar: String,
    /// A header of RECOGNIZE, as Confidence-Threshold=0.7; a name that is no header goes as vendor-specific parameter.
    /// Can be given several times.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_parameter)]
    parameters: Vec<(String, String)>,
    /// What is true of the recordings, as for `answerd eval`: wrong labels are counted, beeps that are not told where they are
    /// listened for, and how long after the end of the beep the result comes.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Hold each call so many seconds, though not without its result; without this it ends with its result.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    hold: Option<Duration>,
    /// Hold each call until its recording has ended, though not without its result.
    #[arg(long, conflicts_with = "hold")]
    to_end: bool,
    /// Ask for another recognition after each one, as long as the call is held.
    #[arg(long)]
    again: bool,
    /// Begin a recording again when it has ended; silence follows it without this.
    #[arg(long)]
    repeat: bool,
    /// MRCP connections that all calls share.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    connections: u16,
    /// UDP ports that all sound is sent from; 0: each call has its own, which takes a file descriptor and a system call
    /// per packet.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    rtp_ports: u16,
    /// SIP over one TCP connection instead of UDP.
    #[arg(long)]
    tcp: bool,
    /// The codec: PCMU or PCMA.
    #[arg(long, default_value_t = Codec::Pcmu)]
    codec: Codec,
    /// How long to wait for the answer to an INVITE, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    setup_timeout: Duration,
    /// How long to wait for a result, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    timeout: Duration,
    /// Print one JSON object at the end instead of text.
    #[arg(long)]
    json: bool,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=604_800.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or("not within 0.1 to 604800".to_owned())
}

fn parse_rate(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|rate| (0.001..=100_000.0).contains(rate)).ok_or("not within 0.001 to 100000".to_owned())
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let truths = arguments.truth.as_deref().map(read_truth).transpose()?;
    let sounds = arguments.files.iter().map(|file| sound(file, truths.as_ref())).collect::<anyhow::Result<Vec<_>>>()?;
    if truths.is_some() && sounds.iter().all(|sound| sound.expected.is_none()) {
        return Err(anyhow!("--truth has a line for none of the recordings"));
    }
    let (host, port) = arguments.server.clone();
    let spec = Spec {
        host,
        port,
        transport: if arguments.tcp { Transport::Tcp } else { Transport::Udp },
        codec: arguments.codec,
        calls: arguments.calls,
        rate: arguments.rate,
        duration: arguments.duration,
        total: arguments.total,
        sounds,
        repeat: arguments.repeat,
        grammar: arguments.grammar.clone(),
        parameters: arguments.parameters.clone(),
        hold: match (arguments.hold, arguments.to_end) {
            (Some(time), _) => Hold::For(time),
            (None, true) => Hold::Sound,
            (None, false) => Hold::Result,
        },
        again: arguments.again,
        connections: arguments.connections.into(),
        rtp_ports: arguments.rtp_ports.into(),
        setup_timeout: arguments.setup_timeout,
        result_timeout: arguments.timeout,
    };
    let interrupt = CancellationToken::new();
    cancel_on_interrupt(interrupt.clone())?;
    let mut line = Line::default();
    let report = load::run(&spec, &interrupt, &mut |progress| line.tell(progress))?;
    line.end();
    if arguments.json {
        say!("{}", json_of(&spec, &report));
    } else {
        print(&report);
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The truth by the recordings' file names.
fn read_truth(file: &Path) -> anyhow::Result<HashMap<String, Expected>> {
    let table = std::fs::read(file).with_context(|| file.display().to_string())?;
    let truths = Truth::read(&table).with_context(|| file.display().to_string())?;
    let mut found = HashMap::new();
    for truth in truths {
        let name = name_of(Path::new(&truth.file));
        let beep_off = truth.beep_off_s.map(Duration::from_secs_f64);
        let expected = Expected { label: truth.label.to_string(), beep_off };
        if found.insert(name.clone(), expected).is_some() {
            return Err(anyhow!("{}: two recordings are named {name}", file.display()));
        }
    }
    Ok(found)
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

fn sound(file: &Path, truths: Option<&HashMap<String, Expected>>) -> anyhow::Result<CallSound> {
    let context = || file.display().to_string();
    let bytes = std::fs::read(file).with_context(context)?;
    let samples = recording::read(&bytes, Channels::default()).with_context(context)?.samples;
    if samples.is_empty() {
        return Err(anyhow!("{}: there is no sound in it", file.display()));
    }
    Ok(CallSound { samples, expected: truths.and_then(|truths| truths.get(&name_of(file))).cloned() })
}

/// First Ctrl-C: all calls are left. Second: out.
fn cancel_on_interrupt(interrupt: CancellationToken) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                interrupt.cancel();
                if tokio::signal::ctrl_c().await.is_ok() {
                    std::process::exit(130);
                }
            }
        });
    })?;
    Ok(())
}

/// Where it is told how far a load is: on a terminal one line that changes, elsewhere a line now and then.
#[derive(Default)]
struct Line {
    drawn: bool,
    told: u64,
}

/// Seconds between two lines where there is no terminal.
const LINES: u64 = 10;

impl Line {
    fn tell(&mut self, progress: &Progress) {
        let mut stderr = std::io::stderr().lock();
        let text = line(progress);
        let seconds = progress.elapsed.as_secs();
        // Where nobody reads any more, the load goes on.
        if stderr.is_terminal() {
            self.drawn = true;
            drop(write!(stderr, "\r{text}\x1b[K"));
        } else if seconds >= self.told + LINES {
            self.told = seconds;
            drop(writeln!(stderr, "{text}"));
        }
    }

    fn end(&self) {
        if self.drawn {
            drop(write!(std::io::stderr().lock(), "\r\x1b[K"));
        }
    }
}

fn line(progress: &Progress) -> String {
    let Progress { elapsed, held, started, results, no_room, failed, missing, late, unsent, .. } = progress;
    let seconds = elapsed.as_secs();
    let mut line = format!("{seconds:5} s  {held} held, {started} started, {results} results");
    for (count, what) in [
        (no_room, "without room"),
        (failed, "FAILED"),
        (missing, "results MISSING"),
        (late, "packets late"),
        (unsent, "packets unsent"),
    ] {
        if *count > 0 {
            line += &format!(", {count} {what}");
        }
    }
    line
}

fn print(report: &Report) {
    let counts = &report.counts;
    let row = |name: &str, text: &str| say!("{}", tell::row(name, text));
    row(
        "calls",
        &format!("{} started, {} set up, at most {} at once", counts.started, counts.set_up, report.most_held),
    );
    row("call-seconds", &format!("{:.1} in {:.1} s", counts.held_for.as_secs_f64(), counts.elapsed.as_secs_f64()));
    row("no room", &format!("{} (503 with Retry-After)", counts.no_room));
    row("failed", &format!("{}", counts.failed));
    for (failure, count) in &report.failures {
        row("", &format!("{count} x {failure}"));
    }
    row("results", &format!("{}, {} missing", counts.results, counts.missing));
    for (label, count) in &report.labels {
        row("", &format!("{count} x {label}"));
    }
    if report.compared > 0 {
        let wrong: u64 = report.wrong.values().sum();
        row("wrong", &format!("{wrong} of {}", report.compared));
        for ((truth, told), count) in &report.wrong {
            row("", &format!("{count} x {truth} told {told}"));
        }
    }
    if report.beeps.0 > 0 {
        row("beeps", &format!("{} of {} not told", report.beeps.1, report.beeps.0));
    }
    say!("");
    say!("{}", tell::row("", "     p50      p95      p99      max ms, of"));
    for (name, quantiles) in times(report) {
        if let Some(Quantiles { count, p50, p95, p99, max }) = quantiles {
            let ms = |time: Duration| format!("{:8.1}", time.as_secs_f64() * 1e3);
            say!("{}", tell::row(name, &format!("{} {} {} {}  {count}", ms(p50), ms(p95), ms(p99), ms(max))));
        }
    }
    say!("");
    let Progress { packets, unsent, late, .. } = counts;
    row("packets", &format!("{packets} sent, {late} of them over 20 ms late, {unsent} not taken by the system"));
    if report.fell_behind() {
        say!("THIS GENERATOR FELL BEHIND: the times above are not the server's alone.");
    }
    if report.interrupted {
        say!("Interrupted: calls were left before their results.");
    }
}

fn times(report: &Report) -> [(&'static str, Option<Quantiles>); 7] {
    [
        ("set up", report.setup),
        ("response", report.response),
        ("result", report.result),
        ("delivery", report.delivery),
        ("after the beep", report.since_beep),
        ("start late", report.start_lateness),
        ("packet late", report.lateness),
    ]
}

fn json_of(spec: &Spec, report: &Report) -> Value {
    let counts = &report.counts;
    let seconds = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e6;
    let quantiles = |quantiles: Option<Quantiles>| {
        quantiles.map(|Quantiles { count, p50, p95, p99, max }| {
            json!({ "count": count, "p50_s": seconds(p50), "p95_s": seconds(p95), "p99_s": seconds(p99),
                "max_s": seconds(max) })
        })
    };
    let wrong =
        report.wrong.iter().map(|((truth, told), count)| json!({ "truth": truth, "told": told, "count": count }));
    json!({
        "server": format!("{}:{}", spec.host, spec.port),
        "grammar": spec.grammar,
        "calls": spec.calls,
        "rate": spec.rate,
        "elapsed_s": seconds(counts.elapsed),
        "interrupted": report.interrupted,
        "good": report.is_good(),
        "started": counts.started,
        "set_up": counts.set_up,
        "most_held": report.most_held,
        "call_seconds": seconds(counts.held_for),
        "no_room": counts.no_room,
        "failed": counts.failed,
        "failures": report.failures,
        "results": counts.results,
        "missing": counts.missing,
        "labels": report.labels,
        "compared": report.compared,
        "wrong": wrong.collect::<Vec<_>>(),
        "beeps": report.beeps.0,
        "beeps_missing": report.beeps.1,
        "setup": quantiles(report.setup),
        "response": quantiles(report.response),
        "result": quantiles(report.result),
        "delivery": quantiles(report.delivery),
        "after_beep": quantiles(report.since_beep),
        "start_lateness": quantiles(report.start_lateness),
        "packet_lateness": quantiles(report.lateness),
        "packets": counts.packets,
        "packets_late": counts.late,
        "packets_unsent": counts.unsent,
        "fell_behind": report.fell_behind(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_what_is_wrong_only_if_something_is() {
        let mut progress = Progress { elapsed: Duration::from_secs(7), held: 3, started: 5, ..Progress::default() };
        assert_eq!(line(&progress), "    7 s  3 held, 5 started, 0 results");
        (progress.failed, progress.late) = (2, 9);
        assert_eq!(line(&progress), "    7 s  3 held, 5 started, 0 results, 2 FAILED, 9 packets late");
    }

    #[test]
    fn seconds_and_rates_are_checked() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "x", "inf", "NaN"] {
            assert!(parse_seconds(wrong).is_err() && parse_rate(wrong).is_err(), "{wrong}");
        }
    }
}
