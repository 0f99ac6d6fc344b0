//! Action: one line of the settings that says what is done with a call, and the command that it becomes.

use crate::adapter::esl::fields::Fields;
use crate::wire::esl::{Command, Unsafe, is_safe};

/// A text with `${field}` in it; `$${x}` is `${x}`, for the server to expand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(String),
}

impl Template {
    /// Reads a template that may have these fields.
    pub(super) fn parse(text: &str, fields: &[&str]) -> Result<Self, String> {
        if !is_safe(text) {
            return Err("it is more than one line".to_owned());
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            let mut literal = before.to_owned();
            if let Some(after) = from.strip_prefix("$${") {
                literal.push_str("${");
                rest = after;
            } else if let Some(after) = from.strip_prefix("${") {
                let (name, after) = after.split_once('}').ok_or("a \"${\" without its \"}\"")?;
                if !fields.contains(&name) {
                    return Err(format!("unknown field ${{{name}}}; there are {}", fields.join(", ")));
                }
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
                pieces.push(Piece::Field(name.to_owned()));
                rest = after;
            } else {
                literal.push('$');
                rest = from.get(1..).unwrap_or_default();
            }
            pieces.push(Piece::Text(literal));
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// The text with its fields filled in.
    pub(super) fn fill(&self, fields: &Fields) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field(name) => fields.get(name).to_owned(),
        };
        self.0.iter().map(piece).collect()
    }
}

/// What is done with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Action {
    kind: Kind,
    template: Template,
    /// The application that it executes: one that the server does not have would hang the call up.
    application: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Transfer,
    Broadcast,
    Kill,
    RecordStart,
    RecordStop,
    SetVar,
    Execute,
    Api,
}

/// What is to be sent, and how its end is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// A command that is answered at once.
    Command(Command),
    /// An api line that may take long: by `bgapi`.
    Job(String),
}

const KINDS: [(&str, Kind); 7] = [
    ("transfer", Kind::Transfer),
    ("broadcast", Kind::Broadcast),
    ("kill", Kind::Kill),
    ("record", Kind::RecordStart),
    ("setvar", Kind::SetVar),
    ("execute", Kind::Execute),
    ("api", Kind::Api),
];

impl Action {
    /// Reads a line: `transfer EXTENSION [DIALPLAN [CONTEXT]]`, `broadcast PATH|APP::ARG [LEG]`, `kill [CAUSE]`,
    /// `record start|stop PATH`, `setvar NAME [VALUE]`, `execute APP [ARG]`, `api LINE`.
    pub(super) fn parse(line: &str, fields: &[&str]) -> Result<Self, String> {
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let rest = rest.trim();
        let Some(&(_, mut kind)) = KINDS.iter().find(|(known, _)| *known == word) else {
            let known = KINDS.map(|(known, _)| known).join(", ");
            return Err(format!("unknown action {word:?}; there are {known}"));
        };
        let mut argument = rest;
        match kind {
            Kind::RecordStart => match rest.split_once(' ') {
                Some(("start", path)) => argument = path.trim(),
                Some(("stop", path)) => (kind, argument) = (Kind::RecordStop, path.trim()),
                // Without the path, the server records on.
                _ => return Err("expected \"record start PATH\" or \"record stop PATH\"".to_owned()),
            },
            Kind::Kill => {}
            _ if rest.is_empty() => return Err(format!("{word} needs an argument")),
            _ => {}
        }
        let first = argument.split([' ', ':']).next().unwrap_or_default();
        let application = match kind {
            Kind::Execute => Some(first.to_owned()),
            Kind::Broadcast if argument.contains("::") => Some(first.to_owned()),
            _ => None,
        };
        let named = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if application.as_deref().is_some_and(|name| !named(name)) {
            return Err(format!("{first:?} is no application's name"));
        }
        Ok(Self { kind, template: Template::parse(argument, fields)?, application })
    }

    /// The application that the server must have for it.
    pub(super) fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }

    /// Whether the call leaves what it does now.
    pub(super) const fn moves_on(&self) -> bool {
        matches!(self.kind, Kind::Transfer | Kind::Kill)
    }

    /// What it becomes for a call. `own_session`: on a connection that belongs to the call's session.
    pub(super) fn order(&self, fields: &Fields, own_session: bool) -> Result<Order, Unsafe> {
        let uuid = fields.get("uuid");
        let text = self.template.fill(fields);
        let text = text.trim();
        let api = |line: String| Command::new(format!("api {}", line.trim_end()).as_str()).map(Order::Command);
        match self.kind {
            Kind::Transfer => api(format!("uuid_transfer {uuid} {text}")),
            Kind::Broadcast => api(format!("uuid_broadcast {uuid} {text}")),
            Kind::Kill => api(format!("uuid_kill {uuid} {text}")),
            Kind::RecordStart => api(format!("uuid_record {uuid} start {text}")),
            Kind::RecordStop => api(format!("uuid_record {uuid} stop {text}")),
            Kind::SetVar => api(format!("uuid_setvar {uuid} {text}")),
            Kind::Execute => {
                let (application, argument) = text.split_once(' ').unwrap_or((text, ""));
                let uuid = if own_session { "" } else { uuid };
                Command::execute(uuid, application, argument.trim(), false).map(Order::Command)
            }
            Kind::Api if is_safe(text) => Ok(Order::Job(text.to_owned())),
            Kind::Api => Err(Unsafe),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::esl::fields::{CALL, DECISION};

    fn written(line: &str, own: bool) -> String {
        let fields = Fields::of_call("u-1", "fs1:8021");
        match Action::parse(line, &CALL).unwrap().order(&fields, own).unwrap() {
            Order::Command(command) => String::from_utf8(command.write()).unwrap().replace('\n', "|"),
            Order::Job(line) => format!("job {line}"),
        }
    }

    #[test]
    fn actions_become_commands() {
        assert_eq!(written("transfer vm XML default", false), "api uuid_transfer u-1 vm XML default||");
        assert_eq!(written("broadcast /a/b.wav both", false), "api uuid_broadcast u-1 /a/b.wav both||");
        assert_eq!(written("kill", false), "api uuid_kill u-1||");
        assert_eq!(written("kill  USER_BUSY ", false), "api uuid_kill u-1 USER_BUSY||");
        assert_eq!(written("record start /r/${uuid}.wav", false), "api uuid_record u-1 start /r/u-1.wav||");
        assert_eq!(written("record stop /r/${uuid}.wav", false), "api uuid_record u-1 stop /r/u-1.wav||");
        assert_eq!(written("setvar a b c", false), "api uuid_setvar u-1 a b c||");
        assert_eq!(
            written("execute playback $${base}/x.wav", false),
            "sendmsg u-1|call-command: execute|execute-app-name: playback|execute-app-arg: ${base}/x.wav||"
        );
        assert_eq!(written("execute answer", true), "sendmsg|call-command: execute|execute-app-name: answer||");
        assert_eq!(
            written("api uuid_audio_stream ${uuid} start ws://h/stream/${uuid} mono 8k", false),
            "job uuid_audio_stream u-1 start ws://h/stream/u-1 mono 8k"
        );
        assert_eq!(written("api price $5 $", false), "job price $5 $");
    }

    #[test]
    fn what_is_no_action_is_refused_with_its_reason() {
        let refused = |line: &str| Action::parse(line, &DECISION).unwrap_err();
        assert!(refused("").starts_with("unknown action \"\"; there are transfer, "));
        assert!(refused("transfer").contains("needs an argument"));
        assert!(refused("record stop").contains("record start PATH"));
        assert!(refused("api a ${label").contains("without its"));
        assert!(refused("api a ${nosuch}").contains("unknown field ${nosuch}"));
        assert!(refused("api a\nbgapi b").contains("more than one line"));
        assert!(refused("execute ${label} x").contains("no application's name"));
        assert_eq!(Action::parse("broadcast set::a=1", &DECISION).unwrap().application(), Some("set"));
        assert_eq!(Action::parse("broadcast /a.wav", &DECISION).unwrap().application(), None);
    }
}
