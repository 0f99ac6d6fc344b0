//! Command: what is sent over an Event Socket. No value can begin a header or a command of its own.

use std::fmt;

/// A text that can't be part of a command: it has a line's end or a NUL in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsafe;

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line's end or NUL within a command")
    }
}

impl std::error::Error for Unsafe {}

/// A command: a line, headers, and a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Without the empty line, as a header may follow.
    text: String,
    body: Option<String>,
}

impl Command {
    /// A command of one line, such as `api uuid_exists ...`.
    ///
    /// # Errors
    /// Of what is not [safe](is_safe).
    pub fn new(line: &str) -> Result<Self, Unsafe> {
        Ok(Self { text: format!("{}\n", safe(line)?), body: None })
    }

    /// `sendmsg UUID` that executes an application; `sendmsg` alone if `uuid` is empty, on a call's own connection. With `after_others`, it waits for those that were sent before.
    ///
    /// # Errors
    /// Of what is not [safe](is_safe).
    pub fn execute(uuid: &str, application: &str, argument: &str, after_others: bool) -> Result<Self, Unsafe> {
        let line = if uuid.is_empty() { "sendmsg".to_owned() } else { format!("sendmsg {uuid}") };
        let mut command =
            Self::new(&line)?.header("call-command", "execute")?.header("execute-app-name", application)?;
        if !argument.is_empty() {
            command = command.header("execute-app-arg", argument)?;
        }
        if after_others { command.header("event-lock", "true") } else { Ok(command) }
    }

    /// `sendevent CUSTOM` with a subclass.
    ///
    /// # Errors
    /// Of what is not [safe](is_safe).
    pub fn custom_event(subclass: &str) -> Result<Self, Unsafe> {
        Self::new("sendevent CUSTOM")?.header("Event-Subclass", subclass)
    }

    /// Adds a header.
    ///
    /// # Errors
    /// Of what is not [safe](is_safe); of a name with a colon, which would be another name.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Unsafe> {
        if name.is_empty() || name.contains([':', ' ']) {
            return Err(Unsafe);
        }
        self.text.push_str(&format!("{}: {}\n", safe(name)?, safe(value)?));
        Ok(self)
    }

    /// Gives it a body, in which line ends are welcome.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// The first line, for logs; a password is not shown.
    #[must_use]
    pub fn line(&self) -> &str {
        let line = self.text.lines().next().unwrap_or_default();
        ["auth", "userauth"].into_iter().find(|word| line.split(' ').next() == Some(word)).unwrap_or(line)
    }

    /// The bytes to send.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        match &self.body {
            // The server reads the body as soon as it has read Content-Length.
            Some(body) => format!("{}Content-Length: {}\n\n{body}", self.text, body.len()),
            None => format!("{}\n", self.text),
        }
        .into_bytes()
    }
}

fn safe(text: &str) -> Result<&str, Unsafe> {
    if is_safe(text) { Ok(text) } else { Err(Unsafe) }
}

/// Whether a text stays within its line: no CR, no LF, no NUL.
#[must_use]
pub fn is_safe(text: &str) -> bool {
    !text.contains(['\r', '\n', '\0'])
}

/// Whether a text can be a channel's identifier: letters, digits and `-`, at most 256 of them.
#[must_use]
pub fn is_uuid(text: &str) -> bool {
    !text.is_empty() && text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
