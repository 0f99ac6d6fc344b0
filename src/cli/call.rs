//! `answerd call`: Place a call to an MRCPv2 recognizer.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::audio::codec::Codec;
use crate::audio::wav::{self, Channels};
use crate::cli::say::say;
use crate::cli::tell;
use crate::client::{
    self, AfterSound, Answer, CODECS, CallReport, CallSpec, Interpretation, Recognize, Suite, Target, Tls, Trust,
};

/// The port where answerd listens for SIP if nothing else is configured.
const DEFAULT_PORT: u16 = 8060;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status: 0 if the recognition succeeded and told a result, 1 if not.

Examples:
  answerd call 127.0.0.1 hello.wav
  answerd call 127.0.0.1 greeting.wav --grammar builtin:speech/voicemail --json
  answerd call mrcp.example.com:5060 hello.wav --transport tcp --param No-Input-Timeout=3000
  answerd call mrcp.example.com:5061 hello.wav --tls --ca ca.pem --srtp")]
pub(super) struct Arguments {
    /// Where the recognizer listens for SIP: a name or an address, an IPv6 address in brackets; the default port is 8060.
    #[arg(value_name = "HOST[:PORT]", value_parser = parse_server)]
    server: (String, u16),
    /// The recording to play: any WAV file.
    file: PathBuf,
    /// URI of the grammar to recognize with.
    #[arg(long, value_name = "URI", default_value = "builtin:speech/answer")]
    grammar: String,
    /// A header of RECOGNIZE, as Confidence-Threshold=0.7; a name that is no header goes as vendor-specific parameter.
    /// Can be given several times.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_parameter)]
    parameters: Vec<(String, String)>,
    /// How SIP travels.
    #[arg(long, value_enum, default_value_t = Transport::Udp)]
    transport: Transport,
    /// SIP over TLS to a sips URI, and the control channel over TCP/TLS/MRCPv2; with --ca or --insecure.
    #[arg(long, conflicts_with = "transport")]
    tls: bool,
    /// Roots that the server's certificate must come from (PEM).
    #[arg(long, value_name = "FILE", requires = "tls")]
    ca: Option<PathBuf>,
    /// Believe any certificate.
    #[arg(long, requires = "tls", conflicts_with = "ca")]
    insecure: bool,
    /// A certificate to show, with those between it and its root (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["tls", "key"])]
    certificate: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Encrypt the sound (SRTP, with the key in the offer), by this suite; AES_CM_128_HMAC_SHA1_80 if none is named.
    #[arg(
        long,
        value_name = "SUITE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = Suite::AesCm128HmacSha1_80.as_str(),
        value_parser = parse_suite
    )]
    srtp: Option<Suite>,
    /// The only codec to offer: PCMU, PCMA or L16. All three are offered if none is given.
    #[arg(long)]
    codec: Option<Codec>,
    /// Send nothing when the recording has ended, as some clients do, instead of silence.
    #[arg(long)]
    stop_at_end: bool,
    /// How long to wait for the result, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = parse_timeout)]
    timeout: f64,
    /// Print one JSON object at the end instead of lines as it goes.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Transport {
    Udp,
    Tcp,
}

pub(super) fn parse_server(text: &str) -> Result<(String, u16), String> {
    let port = |text: &str| text.parse().ok().filter(|port| *port != 0).ok_or(format!("{text:?} is no port"));
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("the bracket is not closed")?;
        match rest.strip_prefix(':') {
            Some(number) => (host, port(number)?),
            None if rest.is_empty() => (host, DEFAULT_PORT),
            None => return Err(format!("{rest:?} follows the bracket")),
        }
    } else {
        match text.split_once(':') {
            Some((_, rest)) if rest.contains(':') => (text, DEFAULT_PORT),
            Some((host, number)) => (host, port(number)?),
            None => (text, DEFAULT_PORT),
        }
    };
    if host.is_empty() { Err("the host is missing".to_owned()) } else { Ok((host.to_owned(), port)) }
}

pub(super) fn parse_parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has no = between name and value")?;
    if name.is_empty() { Err("the name is missing".to_owned()) } else { Ok((name.to_owned(), value.to_owned())) }
}

fn parse_suite(text: &str) -> Result<Suite, String> {
    let known = || Suite::ALL.map(Suite::as_str).join(", ");
    Suite::from_name(text).ok_or_else(|| format!("there are {}", known()))
}

/// What `--tls` and the options that go with it ask for.
fn tls(arguments: &Arguments) -> anyhow::Result<Option<Tls>> {
    if !arguments.tls {
        return Ok(None);
    }
    let read = |file: &PathBuf| std::fs::read(file).with_context(|| format!("{}", file.display()));
    let trust = match &arguments.ca {
        Some(file) => Trust::Roots(read(file)?),
        None if arguments.insecure => Trust::Any,
        None => return Err(anyhow!("--tls: whose certificate is believed? Give --ca FILE, or --insecure")),
    };
    let identity = match (&arguments.certificate, &arguments.key) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
        _ => None,
    };
    let identity = identity.as_ref().map(|(certificate, key)| (certificate.as_slice(), key.as_slice()));
    Tls::new(trust, identity).map(Some).map_err(|why| anyhow!("--tls: {why}"))
}

fn parse_timeout(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds)).ok_or("not within 0.1 to 86400".to_owned())
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let sound = read(&arguments.file)?;
    let (host, port) = arguments.server.clone();
    let mut target = Target::new(host, port);
    if let Some(codec) = arguments.codec {
        if !CODECS.contains(&codec) {
            return Err(anyhow!("--codec {codec}: only PCMU, PCMA and L16 can be sent"));
        }
        target.codecs = vec![codec];
    }
    target.transport = match arguments.transport {
        Transport::Udp => client::Transport::Udp,
        Transport::Tcp => client::Transport::Tcp,
    };
    target.tls = tls(&arguments)?;
    target.srtp = arguments.srtp;
    let recognize = Recognize {
        grammar: arguments.grammar.clone(),
        parameters: arguments.parameters.clone(),
        sound,
        after: if arguments.stop_at_end { AfterSound::Nothing } else { AfterSound::Silence },
        timeout: Duration::from_secs_f64(arguments.timeout),
    };
    let interrupt = CancellationToken::new();
    let spec = CallSpec { target, recognize, interrupt: interrupt.clone() };

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        tokio::spawn(cancel_on_interrupt(interrupt));
        if arguments.json {
            return client::call(spec, &mut |_| {}).await;
        }
        say!("{}", tell::timed_event_head());
        client::call(spec, &mut |event| say!("{}", tell::timed_event(&event))).await
    });
    if arguments.json {
        let object = match &report {
            Ok(report) => json_of(&arguments, report),
            Err(error) => json!({ "file": arguments.file.display().to_string(), "error": error.to_string() }),
        };
        say!("{object}");
    }
    match report {
        Ok(report) => {
            if !arguments.json {
                print(&report);
            }
            let recognition = &report.recognition;
            match (recognition.success(), arguments.json) {
                (Some(_), _) => Ok(ExitCode::SUCCESS),
                (None, true) => Ok(ExitCode::FAILURE),
                (None, false) => Err(anyhow!("no result: {}", recognition.cause)),
            }
        }
        Err(_) if arguments.json => Ok(ExitCode::FAILURE),
        Err(error) => Err(error.into()),
    }
}

fn read(file: &Path) -> anyhow::Result<Arc<[i16]>> {
    let context = || format!("{}", file.display());
    let bytes = std::fs::read(file).with_context(context)?;
    Ok(wav::read(&bytes, Channels::default()).with_context(context)?.samples.into())
}

/// First Ctrl-C: STOP, BYE. Second: out.
async fn cancel_on_interrupt(interrupt: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        interrupt.cancel();
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    }
}

fn print(report: &CallReport) {
    let recognition = &report.recognition;
    say!("");
    match &recognition.answer {
        Some(Ok(answer)) => tell::answer(answer).iter().for_each(|line| say!("{line}")),
        Some(Err(error)) => say!("{}", tell::row("answer", &format!("none: {error}"))),
        None => say!("{}", tell::row("answer", &format!("none: {}", recognition.cause))),
    }
    // With an answer its reason has been told.
    if let (None, Some(reason)) = (recognition.success(), &recognition.reason) {
        say!("{}", tell::row("reason", reason));
    }
    say!("");
    let time = |name: &str, time: Duration| say!("{}", tell::row(name, &format!("{} s", tell::seconds(time))));
    time("call set up in", report.setup);
    time("listening after", recognition.in_progress);
    if let Some(start_of_input) = recognition.start_of_input {
        time("input told at", start_of_input);
    }
    time("result told at", recognition.completed);
}

fn json_of(arguments: &Arguments, report: &CallReport) -> Value {
    let recognition = &report.recognition;
    let seconds = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e6;
    json!({
        "file": arguments.file.display().to_string(),
        "server": report.server.to_string(),
        "grammar": arguments.grammar,
        "channel": report.channel,
        "codec": report.codec.to_string(),
        "setup_s": seconds(report.setup),
        "connect_s": seconds(report.connect),
        "in_progress_s": seconds(recognition.in_progress),
        "start_of_input_s": recognition.start_of_input.map(seconds),
        "completed_s": seconds(recognition.completed),
        "packets": recognition.packets,
        "completion_cause": recognition.cause.to_string(),
        "completion_reason": recognition.reason,
        "result": recognition.answer.as_ref().and_then(|answer| answer.as_ref().ok()).map(json_of_answer),
        "content_type": recognition.content_type,
        "body": recognition.body,
    })
}

fn json_of_answer(answer: &Answer) -> Value {
    let mut interpretations = answer.interpretations.iter().map(json_of_interpretation);
    let mut object = interpretations.next().unwrap_or_default();
    object.insert("alternatives".to_owned(), interpretations.map(Value::Object).collect());
    Value::Object(object)
}

fn json_of_interpretation(interpretation: &Interpretation) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("label".to_owned(), interpretation.label().into());
    object.insert("value".to_owned(), interpretation.value.clone().into());
    object.insert("confidence".to_owned(), interpretation.confidence.into());
    object.insert("grammar".to_owned(), interpretation.grammar.clone().into());
    for (name, text) in &interpretation.fields {
        let value = text.parse::<f64>().map_or_else(|_| text.clone().into(), Value::from);
        object.entry(name.clone()).or_insert(value);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_with_and_without_port() {
        let server = |text| parse_server(text).ok();
        assert_eq!(server("pbx.example"), Some(("pbx.example".into(), 8060)));
        assert_eq!(server("127.0.0.1:1544"), Some(("127.0.0.1".into(), 1544)));
        assert_eq!(server("[::1]:5060"), Some(("::1".into(), 5060)));
        assert_eq!(server("[::1]"), Some(("::1".into(), 8060)));
        assert_eq!(server("::1"), Some(("::1".into(), 8060)));
        for text in ["", ":5060", "a:", "a:b", "a:0", "a:65536", "[::1", "[::1]x", "[]"] {
            assert_eq!(server(text), None, "{text:?}");
        }
    }

    #[test]
    fn parameters_are_split_at_the_first_equals_sign() {
        assert_eq!(parse_parameter("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(parse_parameter("a="), Ok(("a".into(), String::new())));
        assert!(parse_parameter("a").is_err() && parse_parameter("=b").is_err());
    }
}
