//! `answerd demo`: Server and three calls on loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::audio::wav::{self, Channels};
use crate::cli::say::say;
use crate::cli::tell;
use crate::client::{self, AfterSound, Answer, CallSpec, Recognize, Target, What};
use crate::config::Config;
use crate::detect::Label;
use crate::server::Server;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
It needs no file, no network and no free port in particular, and takes about a quarter of a minute: the recordings are
inside the program and are played in real time.

Exit status: 0 if all three calls got the answer that they should.")]
pub(super) struct Arguments {}

const GRAMMAR: &str = "builtin:speech/voicemail";
/// Longest time for one call; the longest recording takes ten seconds.
const TIMEOUT: Duration = Duration::from_secs(20);
const WIDTH: usize = 100;

/// One of the calls.
struct Scene {
    name: &'static str,
    heard: &'static str,
    wav: &'static [u8],
    expected: Label,
}

/// Where the recordings come from: `tests/data/README.md`.
const SCENES: [Scene; 3] = [
    Scene {
        name: "a person",
        heard: "someone says \"yes\", then waits",
        wav: include_bytes!("../../tests/data/audio/person.wav"),
        expected: Label::Human,
    },
    Scene {
        name: "a voicemail",
        heard: "a spoken greeting, then a beep",
        wav: include_bytes!("../../tests/data/audio/voicemail.wav"),
        expected: Label::Machine,
    },
    Scene {
        name: "a dead number",
        heard: "the three tones of \"number not in service\"",
        wav: include_bytes!("../../tests/data/audio/sit.wav"),
        expected: Label::Sit,
    },
];

pub(super) fn run(_arguments: Arguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting tokio")?;
    runtime.block_on(show())
}

async fn show() -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let server = Server::start(config()).await.context("starting the server")?;
    let address = server.sip().first().context("the server has no SIP listener")?.address;
    say!("A server listens on {address} (SIP) and {} (MRCP).", server.mrcp());
    say!("Three calls to it: INVITE, RECOGNIZE with {GRAMMAR}, sound in real time.");

    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for scene in &SCENES {
        say!("\n{}: {}", scene.name, scene.heard);
        match place(scene, address).await {
            Ok(answer) => {
                if answer.label() != Some(scene.expected.as_str()) {
                    let label = answer.label().unwrap_or("none");
                    failures.push(format!("{}: the answer should be {}, it is {label}", scene.name, scene.expected));
                }
                rows.push(row(scene, &answer));
            }
            Err(error) => failures.push(format!("{}: {error:#}", scene.name)),
        }
    }
    server.shutdown().await;

    say!("");
    table(&rows).iter().for_each(|line| say!("{line}"));
    say!("\n{} calls in {:.1} s; the server has stopped.", SCENES.len(), began.elapsed().as_secs_f64());
    failures.iter().for_each(|failure| eprintln!("answerd: {failure}"));
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The server's settings: defaults, but on free ports of the loopback interface.
fn config() -> Config {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut config = Config::default();
    config.sip.listen = vec![SocketAddr::new(loopback, 0).to_string()];
    config.mrcp.address = loopback;
    config.mrcp.port = 0;
    config.rtsp.listen.clear();
    config.rtp.address = loopback;
    config.rtp.port_min = 0;
    config.rtp.port_max = 0;
    config
}

async fn place(scene: &Scene, server: SocketAddr) -> anyhow::Result<Answer> {
    let sound: Arc<[i16]> = wav::read(scene.wav, Channels::default())?.samples.into();
    let recognize = Recognize {
        grammar: GRAMMAR.to_owned(),
        parameters: Vec::new(),
        sound,
        after: AfterSound::Silence,
        timeout: TIMEOUT,
    };
    let target = Target::new(server.ip().to_string(), server.port());
    let spec = CallSpec { target, recognize, interrupt: CancellationToken::new() };
    let report = client::call(spec, &mut |event| {
        if !matches!(event.what, What::Provisional { .. } | What::Connected { .. }) {
            say!("{:>8}  {}", tell::seconds(event.at), tell::event(&event.what));
        }
    })
    .await?;
    let recognition = report.recognition;
    match recognition.success() {
        Some(answer) => Ok(answer.clone()),
        None => anyhow::bail!("no result: {}", recognition.cause),
    }
}

const HEAD: [&str; 6] = ["played", "answer", "confidence", "decided", "speak at", "reason"];

fn row(scene: &Scene, answer: &Answer) -> [String; 6] {
    let time = |name: &str| answer.number(name).map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2} s"));
    [
        scene.name.to_owned(),
        answer.label().unwrap_or("-").to_owned(),
        answer.confidence().map_or_else(|| "-".to_owned(), |confidence| format!("{confidence:.2}")),
        time("decided_at_s"),
        time("speak_at_s"),
        answer.field("reason").unwrap_or("-").to_owned(),
    ]
}

/// A table of at most [`WIDTH`] columns: the last column is folded.
fn table(rows: &[[String; 6]]) -> Vec<String> {
    let (last, first) = HEAD.split_last().expect("the table has columns");
    let widths: Vec<usize> = (0..first.len())
        .map(|column| rows.iter().map(|row| row[column].len()).chain([HEAD[column].len()]).max().unwrap_or(0))
        .collect();
    let indent: usize = widths.iter().map(|width| width + 2).sum();
    let line = |cells: &[&str], rest: &str| {
        let cells: String = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect();
        format!("{cells}{rest}")
    };
    let mut lines = vec![line(first, last)];
    lines.push(widths.iter().chain([&last.len()]).map(|width| "-".repeat(*width)).collect::<Vec<_>>().join("  "));
    for row in rows {
        let (reason, cells) = row.split_last().expect("a row has columns");
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        let mut folded = fold(reason, WIDTH.saturating_sub(indent).max(20)).into_iter();
        lines.push(line(&cells, &folded.next().unwrap_or_default()));
        lines.extend(folded.map(|rest| format!("{}{rest}", " ".repeat(indent))));
    }
    lines
}

/// Breaks a text between words.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned_and_narrow() {
        let mut long: [String; 6] = HEAD.map(str::to_owned);
        long[0] = "a dead number".into();
        long[5] = "speech 0.62 s then silence 0.90 s ".repeat(5);
        let lines = table(&[HEAD.map(str::to_owned), long]);
        assert!(lines.len() > 4 && lines.iter().all(|line| line.len() <= WIDTH && line.is_ascii()), "{lines:#?}");
        let column = lines[0].find("reason");
        assert_eq!(lines[2].find("reason"), column);
        assert_eq!(lines[3].find("speech"), column);
        assert_eq!(lines[4].find(|c| c != ' '), column);
    }

    #[test]
    fn the_recordings_are_small_and_readable() {
        for scene in &SCENES {
            let recording = wav::read(scene.wav, Channels::default()).expect("a WAV file");
            assert!(recording.rate == 8000 && scene.wav.len() < 100_000, "{}", scene.name);
            assert!(recording.samples.iter().any(|sample| sample.abs() > 1000), "{}", scene.name);
        }
    }
}
