//! Tags of SISR 1.0: string literals, and scripts.

use std::fmt;

use crate::grammar::semantics::parser::{self, SyntaxError};
use crate::grammar::semantics::script::{Expression, Kind, Script, Statement};

/// How tags are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::grammar) enum TagFormat {
    /// No `tag-format`: a script where it reads as assignments, else a literal.
    #[default]
    Any,
    /// `semantics/1.0-literals`.
    Literals,
    /// `semantics/1.0`.
    Script,
    /// `swi-semantics/1.0`: scripts whose variables are the result.
    Slots,
}

impl TagFormat {
    /// The format that `tag-format` names. Beside the names of SISR 1.0, those that older platforms wrote are known: its
    /// drafts', LumenVox's, and that of Nuance's own scripts.
    pub(in crate::grammar) fn from_name(name: Option<&str>) -> Result<Self, String> {
        match name.map(str::trim) {
            None | Some("") => Ok(Self::Any),
            Some("semantics/1.0-literals") => Ok(Self::Literals),
            Some("semantics/1.0" | "semantics/1.0-2006" | "semantics/1.0.2006" | "lumenvox/1.0" | "lumenvox/1.1") => {
                Ok(Self::Script)
            }
            Some("swi-semantics/1.0" | "swi-semantics") => Ok(Self::Slots),
            Some(format) => Err(format!("tag-format {format} is not known here")),
        }
    }
}

/// A tag's content.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::grammar) enum Tag {
    /// The rule's value is this text.
    Literal(String),
    /// A script that makes the rule's value.
    Script {
        script: Script,
        /// Names that are assigned to are properties of the value, not variables.
        slots: bool,
    },
}

impl Tag {
    /// Reads a tag's content.
    pub(in crate::grammar) fn parse(text: &str, format: TagFormat) -> Result<Self, String> {
        let literal = || Self::Literal(text.split_whitespace().collect::<Vec<_>>().join(" "));
        if format == TagFormat::Literals {
            return Ok(literal());
        }
        match (parser::parse(text), format) {
            (Ok(script), TagFormat::Slots) => Ok(Self::Script { script, slots: true }),
            (Ok(script), TagFormat::Any) => match assigns(&script) {
                Assigns::Value => Ok(Self::Script { script, slots: false }),
                Assigns::Names => Ok(Self::Script { script, slots: true }),
                Assigns::Nothing => Ok(literal()),
            },
            (Ok(script), _) => Ok(Self::Script { script, slots: false }),
            (Err(_), TagFormat::Any) => Ok(literal()),
            (Err(error), _) => Err(format!("tag {:?}: {error}", shortened(text))),
        }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at octet {})", self.reason, self.at)
    }
}

/// What a script without `tag-format` assigns to, first of all.
enum Assigns {
    /// `out` or `$`, or their properties; or it declares variables.
    Value,
    /// Other names, as Nuance's scripts do.
    Names,
    Nothing,
}

fn assigns(script: &Script) -> Assigns {
    match script.statements.first() {
        Some(Statement::Expression(expression)) => match &*expression.kind {
            Kind::Assign(target, ..) => match root(target) {
                Some("out" | "$") => Assigns::Value,
                Some(_) if matches!(*target.kind, Kind::Name(_)) => Assigns::Names,
                _ => Assigns::Nothing,
            },
            _ => Assigns::Nothing,
        },
        Some(Statement::Var(_) | Statement::If(..)) => Assigns::Value,
        _ => Assigns::Nothing,
    }
}

/// The name that an expression of members begins with.
fn root(expression: &Expression) -> Option<&str> {
    match &*expression.kind {
        Kind::Name(name) => Some(name),
        Kind::Member(of, _) => root(of),
        _ => None,
    }
}

fn shortened(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
