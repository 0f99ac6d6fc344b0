//! `[esl]`: FreeSWITCH's Event Socket.

use std::fmt;
use std::net::SocketAddr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::adapter::esl::action::Action;
use crate::adapter::esl::fields::{CALL, DECISION};
use crate::detect::Label;
use crate::wire::esl::is_safe;
use crate::wire::text::socket_address;

/// `[esl]`: which FreeSWITCH servers are told what was decided, and what is done with calls there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EslConfig {
    /// The servers to connect to.
    pub servers: Vec<ServerConfig>,
    /// Password of servers that give none of their own.
    pub password: String,
    /// User of servers that give none of their own: `USER@DOMAIN` of the directory; empty: the server's one password.
    pub user: String,
    /// How long connecting and logging in may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long a reply may take, in milliseconds; a connection without it is given up.
    pub command_timeout_ms: u64,
    /// After so long without a word, in milliseconds, the server is asked whether it is there.
    pub keepalive_ms: u64,
    /// Pause before connecting again, in milliseconds; it doubles from failure to failure.
    pub reconnect_min_ms: u64,
    /// Longest such pause, in milliseconds.
    pub reconnect_max_ms: u64,
    /// Decisions that may wait for one server; further ones are dropped.
    pub queue: usize,
    /// A decision that waited so long for its server, in milliseconds, is dropped: the call has gone on.
    pub max_age_ms: u64,
    /// Whether provisional decisions and corrections are told.
    pub provisional: bool,
    /// Whether channel variables are set.
    pub variables: bool,
    /// Whether `answerd::result` and `answerd::beep` are sent.
    pub events: bool,
    /// Whether they are sent into the call's session, too, for the input callback of its script.
    pub session_events: bool,
    /// Whether a beep is told as `mod_avmd` tells it.
    pub avmd: bool,
    /// Whether corrections have the actions of their label carried out, too.
    pub act_on_corrections: bool,
    /// What is done with the call.
    pub actions: ActionsConfig,
    /// Detection begins when a call is answered that has this variable with a value that is true; empty: it does not.
    pub start_variable: String,
    /// What begins the detection of a call.
    pub start: Vec<String>,
    /// What ends it.
    pub stop: Vec<String>,
    /// Where the dialplan's application `socket` connects to: `ADDRESS:PORT`; empty: it can't.
    pub listen: String,
    /// Most calls at once that come that way.
    pub max_connections: usize,
    /// How long such a call waits for its decision, in milliseconds, before it goes on without.
    pub socket_timeout_ms: u64,
}

/// What is done with a call, by label; each list in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each is its label's list")]
pub struct ActionsConfig {
    pub human: Vec<String>,
    pub machine: Vec<String>,
    pub screening: Vec<String>,
    pub ivr: Vec<String>,
    pub fax: Vec<String>,
    pub sit: Vec<String>,
    pub busy: Vec<String>,
    pub ringback: Vec<String>,
    pub music: Vec<String>,
    pub silence: Vec<String>,
    pub unknown: Vec<String>,
    /// When a beep was heard, after those of the label.
    pub beep: Vec<String>,
}

/// A FreeSWITCH server: `"HOST:PORT"`, or a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerConfig {
    /// Name or address.
    pub host: String,
    /// Port of its Event Socket.
    pub port: u16,
    /// Its password; empty: that of the section.
    pub password: String,
    /// Its user; empty: that of the section.
    pub user: String,
}

/// Port of the Event Socket where none is told.
const PORT: u16 = 8021;

impl Default for EslConfig {
    fn default() -> Self {
        let detect_speech = "execute detect_speech unimrcp:answerd {fs-uuid=${uuid}}builtin:speech/voicemail answerd";
        Self {
            servers: Vec::new(),
            password: "ClueCon".to_owned(),
            user: String::new(),
            connect_timeout_ms: 3_000,
            command_timeout_ms: 5_000,
            keepalive_ms: 20_000,
            reconnect_min_ms: 500,
            reconnect_max_ms: 30_000,
            queue: 1_024,
            max_age_ms: 10_000,
            provisional: false,
            variables: true,
            events: true,
            session_events: false,
            avmd: false,
            act_on_corrections: false,
            actions: ActionsConfig::default(),
            start_variable: String::new(),
            start: vec![detect_speech.to_owned()],
            stop: vec!["execute detect_speech stop".to_owned()],
            listen: String::new(),
            max_connections: 500,
            socket_timeout_ms: 60_000,
        }
    }
}

impl EslConfig {
    /// Where calls by `socket` are taken, if they are.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        socket_address(&self.listen).ok().flatten()
    }

    /// Whether anything of it is used.
    #[must_use]
    pub fn is_used(&self) -> bool {
        !self.servers.is_empty() || !self.listen.is_empty()
    }

    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        for server in &self.servers {
            if server.host.is_empty() || server.port == 0 {
                return Err(("servers", format!("\"{}:{}\" is not HOST:PORT", server.host, server.port)));
            }
            if !is_safe(&server.password) || !is_safe(&server.user) {
                return Err(("servers", format!("user and password of {} are one line each", server.host)));
            }
            let user = if server.user.is_empty() { &self.user } else { &server.user };
            if !user.is_empty() && (!user.contains('@') || user.contains([':', ' '])) {
                return Err(("servers", format!("the user {user:?} of {} is not USER@DOMAIN", server.host)));
            }
        }
        if !is_safe(&self.password) || !is_safe(&self.user) {
            return Err(("password", "user and password are one line each".to_owned()));
        }
        let at_least = |key, value: u64, least: u64| {
            if value < least { Err((key, format!("{value} is too small, at least {least} is needed"))) } else { Ok(()) }
        };
        at_least("connect_timeout_ms", self.connect_timeout_ms, 1)?;
        at_least("command_timeout_ms", self.command_timeout_ms, 1)?;
        at_least("keepalive_ms", self.keepalive_ms, 100)?;
        at_least("reconnect_min_ms", self.reconnect_min_ms, 1)?;
        at_least("reconnect_max_ms", self.reconnect_max_ms, self.reconnect_min_ms)?;
        at_least("queue", self.queue as u64, 1)?;
        at_least("max_age_ms", self.max_age_ms, 1)?;
        at_least("max_connections", self.max_connections as u64, 1)?;
        at_least("socket_timeout_ms", self.socket_timeout_ms, 1)?;
        if !self.start_variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            return Err(("start_variable", format!("{:?} is no variable's name", self.start_variable)));
        }
        socket_address(&self.listen).map_err(|reason| ("listen", reason))?;
        for (key, lines) in [("start", &self.start), ("stop", &self.stop)] {
            parse_all(lines, &CALL).map_err(|reason| (key, reason))?;
        }
        for (label, lines) in self.actions.lists() {
            parse_all(lines, &DECISION).map_err(|reason| ("actions", format!("{label}: {reason}")))?;
        }
        Ok(())
    }
}

pub(super) fn parse_all(lines: &[String], fields: &[&str]) -> Result<Vec<Action>, String> {
    lines.iter().map(|line| Action::parse(line, fields).map_err(|reason| format!("{line:?}: {reason}"))).collect()
}

impl ActionsConfig {
    /// All lists with their labels.
    pub(super) fn lists(&self) -> impl Iterator<Item = (Label, &[String])> {
        Label::ALL.into_iter().map(|label| (label, self.of(label)))
    }

    fn of(&self, label: Label) -> &[String] {
        match label {
            Label::Human => &self.human,
            Label::Machine => &self.machine,
            Label::Screening => &self.screening,
            Label::Ivr => &self.ivr,
            Label::Fax => &self.fax,
            Label::Sit => &self.sit,
            Label::Busy => &self.busy,
            Label::Ringback => &self.ringback,
            Label::Music => &self.music,
            Label::Silence => &self.silence,
            Label::Beep => &self.beep,
            Label::Unknown => &self.unknown,
        }
    }
}

impl fmt::Display for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl<'de> Deserialize<'de> for ServerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ServerVisitor)
    }
}

/// The table's form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerTable {
    host: String,
    #[serde(default = "port")]
    port: u16,
    #[serde(default)]
    password: String,
    #[serde(default)]
    user: String,
}

fn port() -> u16 {
    PORT
}

struct ServerVisitor;

impl<'de> Visitor<'de> for ServerVisitor {
    type Value = ServerConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"HOST:PORT\" or a table with host, port, password, user")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ServerConfig, E> {
        let bad = || E::custom(format!("{text:?} is not HOST:PORT"));
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = port.map_or(Ok(PORT), |port| port.parse().map_err(|_| bad()))?;
        if host.is_empty() || port == 0 {
            return Err(bad());
        }
        Ok(ServerConfig { host: host.to_owned(), port, password: String::new(), user: String::new() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ServerConfig, A::Error> {
        let ServerTable { host, port, password, user } = ServerTable::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ServerConfig { host, port, password, user })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let told = match toml::from_str::<EslConfig>(text) {
            Err(error) => error.message().to_owned(),
            Ok(config) => {
                config.validate().map_or_else(|(key, reason)| format!("{key}: {reason}"), |()| "ok".to_owned())
            }
        };
        assert!(told.starts_with(expected), "{told:?} is not {expected:?}");
    }

    #[test]
    fn servers_are_words_or_tables() {
        let config: EslConfig = toml::from_str(
            r#"servers = ["fs1", "10.0.0.7:8022", "[::1]:8021", { host = "fs2", password = "secret", user = "a@b" }]"#,
        )
        .unwrap();
        let told = config.servers.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told, ["fs1:8021", "10.0.0.7:8022", "[::1]:8021", "fs2:8021"]);
        assert_eq!(config.servers[3].password, "secret");
        assert_eq!(config.validate(), Ok(()));
        check(r#"servers = ["fs1:x"]"#, "\"fs1:x\" is not HOST:PORT");
        check(r#"servers = [{ host = "a", prot = 1 }]"#, "unknown field `prot`");
        check(r#"servers = [1]"#, "invalid type: integer `1`, expected \"HOST:PORT\" or a table");
        check(r#"servers = [{ host = "a", user = "b" }]"#, "servers: the user \"b\" of a is not USER@DOMAIN");
        check(r#"password = "a\nb""#, "password: ");
    }

    #[test]
    fn actions_are_checked_before_anything_starts() {
        check(r#"actions.machine = ["transfer ${uuid}", "api uuid_kill ${uuid} USER_BUSY"]"#, "ok");
        check(r#"actions.machine = ["transfr x"]"#, "actions: machine: \"transfr x\": unknown action");
        check(r#"actions.robot = []"#, "unknown field `robot`");
        check(r#"actions.human = ["api x ${reson}"]"#, "actions: human: \"api x ${reson}\": unknown field ${reson}");
        // Nothing is decided yet when a detection begins.
        check(r#"start = ["api x ${label}"]"#, "start: \"api x ${label}\": unknown field ${label}");
        check(r#"start_variable = "a b""#, "start_variable: ");
        check("listen = \"8084\"", "listen: ");
        check("reconnect_max_ms = 1", "reconnect_max_ms: 1 is too small, at least 500");
    }
}
