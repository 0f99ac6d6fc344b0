//! The settings: one TOML file, overridden by the environment, read whole before anything is started.
//!
//! Each section is the `Config` of the layer that obeys it; `conf/answerd.toml` shows every key at its default.
#![allow(clippy::disallowed_methods, reason = "the edge: reads the file")]

mod sections;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::adapter::stream;
pub use crate::config::sections::DetectConfig;
use crate::detect::{Goal, Listen};
use crate::{adapter, detect, engine, net, ops, session};

/// Every setting of the server.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where SIP is spoken, and its limits.
    pub sip: net::SipConfig,
    /// Where MRCPv2 is spoken, and its limits.
    pub mrcp: net::MrcpConfig,
    /// Where MRCPv1 over RTSP is spoken, and its limits.
    pub rtsp: net::RtspConfig,
    /// The certificate of TLS listeners.
    pub tls: net::TlsConfig,
    /// How calls are taken and left.
    pub call: net::CallConfig,
    /// What may be fetched, and from where.
    pub fetch: net::FetchConfig,
    /// Where HTTP is spoken.
    pub http: net::HttpConfig,
    /// Where the pages for operators are.
    pub ops: net::OpsConfig,
    /// How many calls are remembered for feedback.
    pub feedback: ops::FeedbackConfig,
    /// Where recordings are kept, and how long.
    pub waveforms: net::WaveformsConfig,
    /// Where call audio is taken over WebSocket and AudioSocket.
    pub streams: stream::StreamsConfig,
    /// Where sound arrives.
    pub rtp: engine::RtpConfig,
    /// The threads that listen, and how many calls they take.
    pub engine: engine::EngineConfig,
    /// How sound becomes a decision.
    pub detect: DetectConfig,
    /// What holds where the client says nothing.
    pub recognizer: session::Config,
    /// Which FreeSWITCH servers are told what was decided.
    pub esl: adapter::EslConfig,
    /// Who is told decisions over HTTP.
    pub webhook: adapter::WebhookConfig,
    /// What is logged.
    pub log: ops::Config,
}

/// A setting that can't be obeyed, in one line for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// `FILE:LINE`, the name of an environment variable, or the file alone.
    place: String,
    /// `section.key`; empty where the file can't be read at all.
    key: String,
    reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        match self.key.as_str() {
            "" => write!(f, "{}: {reason}", self.place),
            key => write!(f, "{}: {key}: {reason}", self.place),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Environment variables that begin so are settings: `ANSWERD_` SECTION `_` KEY, in capitals.
const PREFIX: &str = "ANSWERD_";

impl Config {
    /// The defaults, overridden by `file` where one is given, overridden by the `ANSWERD_*` variables of `environment`.
    ///
    /// # Errors
    /// The first setting with a wrong name, type or range.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        match file {
            None => Self::read(None, environment),
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
                    place: name.clone(),
                    key: String::new(),
                    reason: error.to_string(),
                })?;
                Self::read(Some((&name, &text)), environment)
            }
        }
    }

    /// As [`Config::load`], with the file's name and text in hand.
    ///
    /// # Errors
    /// The first setting with a wrong name, type or range.
    pub fn read(
        file: Option<(&str, &str)>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut settings = Settings::new();
        if let Some((name, text)) = file {
            settings.add_file(name, text)?;
        }
        // In order of their names, so that of several wrong ones always the same is told.
        for (name, value) in environment.into_iter().collect::<BTreeMap<_, _>>() {
            if let Some(rest) = name.strip_prefix(PREFIX) {
                settings.add_variable(&name, rest, &value)?;
            }
        }
        settings.finish(file.map_or("default", |(name, _)| name))
    }

    /// The engine's part.
    #[must_use]
    pub fn engine(&self) -> engine::Config {
        let detect = detect::Config { keep: self.feedback.keep(), ..self.detect.detect() };
        engine::Config { rtp: self.rtp.clone(), engine: self.engine.clone(), detect: Arc::new(detect) }
    }

    /// The adapters' part.
    #[must_use]
    pub fn adapter(&self) -> adapter::Config {
        adapter::Config { esl: self.esl.clone(), webhook: self.webhook.clone() }
    }

    /// The shell's part.
    #[must_use]
    pub fn net(&self) -> net::Config {
        net::Config {
            sip: self.sip.clone(),
            mrcp: self.mrcp.clone(),
            rtsp: self.rtsp.clone(),
            call: self.call.clone(),
            fetch: self.fetch.clone(),
            http: self.http.clone(),
            ops: self.ops.clone(),
            feedback: self.feedback.clone(),
            waveforms: self.waveforms.clone(),
            session: Arc::new(self.recognizer.clone()),
            endpoint: self.sip.endpoint(self.call.retry_after_s),
            media_address: self.rtp.address,
            tls: self.tls.clone(),
            srtp: self.rtp.srtp,
            srtp_needs_tls: self.rtp.srtp_needs_tls,
        }
    }

    /// The part of the doors for streams.
    #[must_use]
    pub fn streams(&self) -> stream::Config {
        let recognizer = &self.recognizer;
        let some = |ms: u64| (ms > 0).then_some(ms);
        let answer = Listen {
            goal: Goal::Answer,
            confidence_threshold: recognizer.confidence_threshold,
            sensitivity: recognizer.sensitivity_level,
            speed_vs_accuracy: recognizer.speed_vs_accuracy,
            no_input_timeout_ms: Some(recognizer.no_input_timeout_ms),
            recognition_timeout_ms: Some(recognizer.recognition_timeout_ms),
            speech_complete_timeout_ms: some(recognizer.speech_complete_timeout_ms),
            speech_incomplete_timeout_ms: some(recognizer.speech_incomplete_timeout_ms),
            ..Listen::default()
        };
        let message = Some(recognizer.message_timeout_ms);
        let beep = Listen { goal: Goal::Beep, recognition_timeout_ms: message, ..answer.clone() };
        stream::Config {
            streams: self.streams.clone(),
            answer,
            beep,
            revise: Duration::from_millis(self.detect.revise_ms),
            grace: Duration::from_millis(self.rtp.grace_ms),
            retry_after_s: self.call.retry_after_s,
            drain_timeout: Duration::from_millis(self.call.drain_timeout_ms),
        }
    }

    /// Tells the first setting that can't be obeyed, by section, key and reason.
    ///
    /// # Errors
    /// Section, key, reason.
    pub fn validate(&self) -> Result<(), (&'static str, &'static str, String)> {
        let in_section = |section| move |(key, reason)| (section, key, reason);
        self.sip.validate().map_err(in_section("sip"))?;
        self.mrcp.validate().map_err(in_section("mrcp"))?;
        self.rtsp.validate().map_err(in_section("rtsp"))?;
        let pages = self.http.speaks_tls() || self.ops.speaks_tls() || self.streams.speaks_tls();
        let needs_tls = net::needs_tls(&self.sip, &self.mrcp) || pages;
        self.tls.validate(needs_tls).map_err(in_section("tls"))?;
        self.call.validate().map_err(in_section("call"))?;
        self.fetch.validate().map_err(in_section("fetch"))?;
        self.http.validate().map_err(in_section("http"))?;
        self.ops.validate().map_err(in_section("ops"))?;
        self.feedback.validate().map_err(in_section("feedback"))?;
        self.waveforms.validate().map_err(in_section("waveforms"))?;
        self.streams.validate().map_err(in_section("streams"))?;
        self.rtp.validate().map_err(in_section("rtp"))?;
        self.engine.validate().map_err(in_section("engine"))?;
        self.detect.validate().map_err(in_section("detect"))?;
        self.recognizer.validate().map_err(in_section("recognizer"))?;
        self.esl.validate().map_err(in_section("esl"))?;
        self.webhook.validate().map_err(in_section("webhook"))?;
        self.log.validate().map_err(in_section("log"))?;
        self.validate_listeners()?;
        if self.rtp.srtp == engine::Srtp::Required && self.rtp.srtp_needs_tls && !self.sip.has_tls() {
            let reason = "SRTP is required, but no SIP listener speaks TLS: no call could be taken".to_owned();
            return Err(("rtp", "srtp_needs_tls", reason));
        }
        let (mrcp, rtp) = (self.mrcp.address, self.rtp.address);
        if mrcp != rtp && !mrcp.is_unspecified() && !rtp.is_unspecified() && self.call.advertised().is_none() {
            let reason = format!("one address is told to clients: mrcp.address {mrcp} and rtp.address {rtp} are two");
            return Err(("call", "advertised_address", reason));
        }
        Ok(())
    }
}

impl Config {
    /// Tells the first listener that would have the TCP port of another one, before any is bound.
    fn validate_listeners(&self) -> Result<(), (&'static str, &'static str, String)> {
        let mut all = net::tcp_listeners(&self.sip, &self.mrcp, &self.rtsp, &self.http, &self.ops);
        all.extend(self.streams.address().map(|address| ("streams", "listen", address)));
        all.extend(self.streams.audiosocket_address().map(|address| ("streams", "audiosocket", address)));
        all.extend(self.esl.address().map(|address| ("esl", "listen", address)));
        for (n, (section, key, address)) in all.iter().enumerate() {
            let earlier = all.iter().take(n).find(|(.., other)| net::overlap(*other, *address));
            if let Some((whose, its, taken)) = earlier {
                let mut reason = format!("TCP port {} is that of {whose}.{its} ({taken})", address.port());
                if *whose == "sip" {
                    reason += &format!("; let SIP listen on udp:{taken} only, or give one of them another port");
                }
                return Err((section, key, reason));
            }
        }
        Ok(())
    }

    /// Reads certificate and key, where they are given, and tells the certificate's fingerprint.
    ///
    /// # Errors
    /// What is wrong with a file.
    pub fn check_tls(&self) -> Result<Option<String>, String> {
        if self.tls.certificate.as_os_str().is_empty() {
            return Ok(None);
        }
        let told = net::check_tls(&self.tls);
        told.map(|fingerprint| Some(fingerprint.to_string())).map_err(|(key, reason)| format!("tls.{key}: {reason}"))
    }
}

/// Settings on their way in: what was given, and where.
struct Settings {
    defaults: Table,
    given: Table,
    /// `section.key` to where it was given.
    places: BTreeMap<String, String>,
}

impl Settings {
    fn new() -> Self {
        let defaults = Table::try_from(Config::default()).expect("the defaults are plain tables of numbers and words");
        Self { defaults, given: Table::new(), places: BTreeMap::new() }
    }

    fn add_file(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        let at = |span: Option<std::ops::Range<usize>>| match span {
            Some(span) => format!("{name}:{}", line_of(text, span.start)),
            None => name.to_owned(),
        };
        let broken = |error: toml::de::Error| ConfigError {
            place: at(error.span()),
            key: String::new(),
            reason: error.message().to_owned(),
        };
        let spans = toml::de::DeTable::parse(text).map_err(broken)?;
        let values: Table = toml::from_str(text).map_err(broken)?;
        for (section, content) in spans.get_ref() {
            let place = at(Some(section.span()));
            let section = section.get_ref().as_ref();
            let Some(keys) = content.get_ref().as_table() else {
                return Err(self.unknown(place, section, None));
            };
            if !self.defaults.contains_key(section) {
                return Err(self.unknown(place, section, None));
            }
            for key in keys.keys() {
                let place = at(Some(key.span()));
                let key = key.get_ref().as_ref();
                let value = values.get(section).and_then(|table| table.get(key)).cloned();
                self.add(place, section, key, value.expect("both parses read the same text"))?;
            }
        }
        Ok(())
    }

    fn add_variable(&mut self, name: &str, rest: &str, text: &str) -> Result<(), ConfigError> {
        let rest = rest.to_ascii_lowercase();
        let (section, key) = rest.split_once('_').unwrap_or((&rest, ""));
        let Some(default) = self.defaults.get(section).and_then(|table| table.get(key)) else {
            return Err(self.unknown(name.to_owned(), section, (!key.is_empty()).then_some(key)));
        };
        let value = match default {
            Value::String(_) => Value::String(text.to_owned()),
            Value::Array(_) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
            }
            _ => {
                let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok();
                parsed.and_then(|table| table.get("value").cloned()).unwrap_or(Value::String(text.to_owned()))
            }
        };
        let (section, key) = (section.to_owned(), key.to_owned());
        self.add(name.to_owned(), &section, &key, value)
    }

    /// Takes one setting if it has a known name and the right type: alone, so that an error has one key to name.
    fn add(&mut self, place: String, section: &str, key: &str, value: Value) -> Result<(), ConfigError> {
        if self.defaults.get(section).and_then(|table| table.get(key)).is_none() {
            return Err(self.unknown(place, section, Some(key)));
        }
        let one = |name: &str, value| Table::from_iter([(name.to_owned(), value)]);
        let alone = one(section, Value::Table(one(key, value.clone())));
        if let Err(error) = alone.try_into::<Config>() {
            return Err(ConfigError { place, key: format!("{section}.{key}"), reason: in_words(error.message()) });
        }
        let table = self.given.entry(section).or_insert_with(|| Value::Table(Table::new()));
        table.as_table_mut().expect("sections are tables").insert(key.to_owned(), value);
        self.places.insert(format!("{section}.{key}"), place);
        Ok(())
    }

    fn finish(self, name: &str) -> Result<Config, ConfigError> {
        let config: Config = self.given.try_into().expect("each setting was read alone before");
        match config.validate() {
            Ok(()) => Ok(config),
            Err((section, key, reason)) => {
                let key = format!("{section}.{key}");
                let place = self.places.get(&key).cloned().unwrap_or_else(|| name.to_owned());
                Err(ConfigError { place, key, reason })
            }
        }
    }

    fn unknown(&self, place: String, section: &str, key: Option<&str>) -> ConfigError {
        let known = |table: &Table| table.keys().cloned().collect::<Vec<_>>().join(", ");
        let (key, reason) = match (self.defaults.get(section).and_then(Value::as_table), key) {
            (Some(table), Some(key)) => {
                (format!("{section}.{key}"), format!("unknown key; [{section}] has {}", known(table)))
            }
            (Some(table), None) => {
                (section.to_owned(), format!("a section, not a value; [{section}] has {}", known(table)))
            }
            (None, key) => {
                let name = key.map_or_else(|| section.to_owned(), |key| format!("{section}.{key}"));
                (name, format!("unknown section; there are {}", known(&self.defaults)))
            }
        };
        ConfigError { place, key, reason }
    }
}

/// The deserialiser's message with the numbers' types in words.
fn in_words(message: &str) -> String {
    let whole = "a whole number from 0 to";
    message
        .trim()
        .replace("expected u16", &format!("expected {whole} {}", u16::MAX))
        .replace("expected u32", &format!("expected {whole} {}", u32::MAX))
        .replace("expected u64", "expected a whole number, 0 or more")
        .replace("expected usize", "expected a whole number, 0 or more")
        .replace("expected a sequence", "expected a list")
        .replace("expected f32", "expected a number")
}

fn line_of(text: &str, position: usize) -> usize {
    1 + text.bytes().take(position).filter(|&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, variables: &[(&str, &str)], expected: &str) {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let told = match Config::read(Some(("a.toml", text)), environment) {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(told.starts_with(expected), "{told:?} is not {expected:?}");
        assert_eq!(told.lines().count(), 1, "{told:?}");
    }

    #[test]
    fn no_two_listeners_have_one_port() {
        check("[http]\nlisten = \"127.0.0.1:9000\"\n[ops]\nlisten = \"127.0.0.1:9000\"\n", &[], "ok");
        check("[http]\nlisten = \"127.0.0.1:0\"\n[streams]\nlisten = \"127.0.0.1:0\"\n", &[], "ok");
        check("[http]\nlisten = \"127.0.0.1:9000\"\n[ops]\nlisten = \"127.0.0.2:9000\"\n", &[], "ok");
        for (text, wanted) in [
            ("[mrcp]\nport = 8060\n", "a.toml:2: mrcp.port: TCP port 8060 is that of sip.listen"),
            ("[rtsp]\nlisten = [\"0.0.0.0:1544\"]\n", "a.toml:2: rtsp.listen: TCP port 1544 is that of mrcp.port"),
            (
                "[http]\nlisten = \"0.0.0.0:9000\"\n[ops]\nlisten = \"127.0.0.1:9000\"\n",
                "a.toml:4: ops.listen: TCP port 9000 is that of http.listen (0.0.0.0:9000)",
            ),
            (
                "[streams]\nlisten = \"0.0.0.0:9000\"\naudiosocket = \"[::]:9000\"\n",
                "a.toml:3: streams.audiosocket: TCP port 9000 is that of streams.listen",
            ),
            (
                "[esl]\nlisten = \"127.0.0.1:9000\"\n[streams]\nlisten = \"127.0.0.1:9000\"\n",
                "a.toml:2: esl.listen: TCP port 9000 is that of streams.listen",
            ),
        ] {
            check(text, &[], wanted);
        }
    }

    #[test]
    fn errors_name_line_and_key() {
        check("", &[], "ok");
        check("[mrcp]\nport = 2000\n", &[], "ok");
        check("[mrcp]\n\nprot = 2000\n", &[], "a.toml:3: mrcp.prot: unknown key; [mrcp] has address, ");
        check("[mrpc]\nport = 1\n", &[], "a.toml:1: mrpc: unknown section; there are call, detect, engine, ");
        check("mrcp = 1\n", &[], "a.toml:1: mrcp: a section, not a value");
        check(
            "[mrcp]\nport = \"x\"\n",
            &[],
            "a.toml:2: mrcp.port: invalid type: string \"x\", expected a whole number",
        );
        check("[mrcp]\nport = 65536\n", &[], "a.toml:2: mrcp.port: invalid value: integer `65536`, expected a whole");
        check("[mrcp]\nport = -1\n", &[], "a.toml:2: mrcp.port: invalid value");
        check("[mrcp]\nport = \n", &[], "a.toml:2: ");
        check("[mrcp]\nport = 1\nport = 2\n", &[], "a.toml:3: duplicate key");
        check("[log]\n\n\nlevel = \"x=loud\"\n", &[], "a.toml:4: log.level: ");
        check(
            "[log]\nformat = \"xml\"\n",
            &[],
            "a.toml:2: log.format: unknown variant `xml`, expected `text` or `json`",
        );
    }

    #[test]
    fn operating_points_are_read_with_the_settings() {
        check("[detect]\nmax_human_loss = 2.0\n", &[], "a.toml:2: detect.max_human_loss: 2 is not from 0 to 1");
        check(
            "[detect]\npoints = \"/nonexistent\"\n",
            &[],
            "a.toml:2: detect.points: cannot read the operating points",
        );
        check("[detect]\nrevise_ms = 60001\n", &[], "a.toml:2: detect.revise_ms: 60001 is over 60000");
        check("[detect]\nmax_human_loss = 1.0\nrevise_ms = 0\n", &[], "ok");
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let variables = [("ANSWERD_MRCP_PORT", "2001"), ("ANSWERD_SIP_LISTEN", "127.0.0.1:0, udp:127.0.0.1:5070")];
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::read(Some(("a.toml", "[mrcp]\nport = 2000\n")), environment).unwrap();
        assert_eq!(config.mrcp.port, 2001);
        assert_eq!(config.sip.listen, ["127.0.0.1:0", "udp:127.0.0.1:5070"]);
        check("", &[("ANSWERD_MRCP_PROT", "1")], "ANSWERD_MRCP_PROT: mrcp.prot: unknown key");
        check("", &[("ANSWERD_MRCP", "1")], "ANSWERD_MRCP: mrcp: a section");
        check("", &[("ANSWERD_X", "1")], "ANSWERD_X: x: unknown section");
        check("", &[("ANSWERD_MRCP_PORT", "high")], "ANSWERD_MRCP_PORT: mrcp.port: invalid type: string \"high\"");
        check("", &[("ANSWERDX", "1"), ("PATH", "/bin")], "ok");
    }

    #[test]
    fn clients_are_told_one_address() {
        let two = "[mrcp]\naddress = \"127.0.0.1\"\n[rtp]\naddress = \"127.0.0.2\"\n";
        check(two, &[], "a.toml: call.advertised_address: one address is told");
        check(two, &[("ANSWERD_CALL_ADVERTISED_ADDRESS", "203.0.113.7")], "ok");
        check("[mrcp]\naddress = \"127.0.0.1\"\n", &[], "ok");
    }

    #[test]
    fn one_tcp_port_can_not_serve_two_protocols() {
        check("[sip]\nlisten = [\"0.0.0.0:1544\"]\n", &[], "a.toml: mrcp.port: ");
        check("[sip]\nlisten = [\"udp:0.0.0.0:1544\"]\n", &[], "ok");
        check("[sip]\nlisten = [\"0.0.0.0:1544\"]\n[mrcp]\nport = 1545\n", &[], "ok");
        check("[sip]\nlisten = [\"127.0.0.2:1544\"]\n[mrcp]\naddress = \"127.0.0.1\"\n", &[], "ok");
        check("[sip]\nlisten = [\"127.0.0.2:1544\", \"0.0.0.0:1544\"]\n", &[], "a.toml:2: sip.listen: ");
    }
}
