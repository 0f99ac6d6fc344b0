//! A script's text to tokens, as ECMAScript has them; without regular expressions.

use crate::grammar::semantics::parser::SyntaxError;

/// What a script is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Text(String),
    /// A name or a keyword.
    Name(String),
    Sign(&'static str),
    End,
}

/// A token and where it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    /// Octets before it.
    pub(super) at: usize,
    /// Whether a line ends before it: then a statement can end there without a semicolon.
    pub(super) after_line: bool,
}

/// Longest first, so that `===` is not read as `==` and `=`.
const SIGNS: [&str; 42] = [
    "===", "!==", ">>>", "&&", "||", "==", "!=", "<=", ">=", "+=", "-=", "*=", "/=", "%=", "++", "--", "<<", ">>",
    "|=", "&=", "^=", "{", "}", "(", ")", "[", "]", ";", ",", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", "=",
    ".", "~",
];

/// Reads all tokens; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, SyntaxError> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut after_line = false;
    loop {
        let at = text.len() - rest.len();
        let wrong = |reason: String| SyntaxError { at, reason };
        let mut chars = rest.chars();
        let Some(first) = chars.next() else {
            found.push(Placed { token: Token::End, at, after_line });
            return Ok(found);
        };
        if first.is_whitespace() || first == '\u{feff}' {
            after_line |= matches!(first, '\n' | '\r' | '\u{2028}' | '\u{2029}');
            rest = chars.as_str();
            continue;
        }
        if rest.starts_with("//") {
            rest = rest.find(['\n', '\r']).map_or("", |end| rest.get(end..).unwrap_or_default());
            continue;
        }
        if let Some(comment) = rest.strip_prefix("/*") {
            let (inside, after) = comment.split_once("*/").ok_or_else(|| wrong("a comment without end".to_owned()))?;
            after_line |= inside.contains('\n');
            rest = after;
            continue;
        }
        let (token, after) = if first.is_ascii_digit() || (first == '.' && chars.as_str().starts_with(is_digit)) {
            number(rest).map_err(wrong)?
        } else if first == '"' || first == '\'' {
            quoted(chars.as_str(), first).map_err(wrong)?
        } else if is_name(first) {
            let end = rest.find(|c| !is_name(c) && !is_digit(c)).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            (Token::Name(name.to_owned()), after)
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| wrong(format!("{first:?} is not expected")))?;
            (Token::Sign(sign), rest.get(sign.len()..).unwrap_or_default())
        };
        found.push(Placed { token, at, after_line });
        after_line = false;
        rest = after;
    }
}

const fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn is_name(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn number(text: &str) -> Result<(Token, &str), String> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
        let (digits, after) = hex.split_at(end);
        let number =
            u32::from_str_radix(digits, 16).map_err(|_| format!("0x{digits} is no number up to 0xffffffff"))?;
        return Ok((Token::Number(f64::from(number)), after));
    }
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.find(|c| !is_digit(c)).unwrap_or(rest.len())
    };
    let mut end = digits(0);
    if text.get(end..).is_some_and(|rest| rest.starts_with('.')) {
        end = digits(end + 1);
    }
    if let Some(rest) = text.get(end..).and_then(|rest| rest.strip_prefix(['e', 'E'])) {
        let signed = usize::from(rest.starts_with(['+', '-']));
        let exponent = digits(end + 1 + signed);
        if exponent > end + 1 + signed {
            end = exponent;
        }
    }
    let (number, after) = text.split_at(end);
    if after.starts_with(is_name) {
        return Err(format!("{number} goes on as a name"));
    }
    let value = number.parse().map_err(|_| format!("{number} is no number"))?;
    Ok((Token::Number(value), after))
}

fn quoted(text: &str, quote: char) -> Result<(Token, &str), String> {
    let mut found = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            _ if c == quote => return Ok((Token::Text(found), chars.as_str())),
            '\n' | '\r' => break,
            '\\' => match chars.next() {
                Some('n') => found.push('\n'),
                Some('t') => found.push('\t'),
                Some('r') => found.push('\r'),
                Some('b') => found.push('\u{8}'),
                Some('f') => found.push('\u{c}'),
                Some('v') => found.push('\u{b}'),
                Some('0') => found.push('\0'),
                Some(kind @ ('x' | 'u')) => {
                    let length = if kind == 'x' { 2 } else { 4 };
                    let digits: String = chars.by_ref().take(length).collect();
                    let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == length);
                    let c = code.map(|code| char::from_u32(code).unwrap_or('\u{fffd}'));
                    found.push(c.ok_or_else(|| format!("\\{kind}{digits} is no character"))?);
                }
                Some('\n') => {}
                Some(other) => found.push(other),
                None => break,
            },
            other => found.push(other),
        }
    }
    Err("a string without end".to_owned())
}
