//! Members of JSON objects, looked for under every name that a product gives them.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

/// An object.
pub(super) type Object = Map<String, Value>;

/// The object that a text is, if it is one.
pub(super) fn object(text: &str) -> Option<Object> {
    match serde_json::from_str(text.trim()) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// The first member of these names that is an object.
pub(super) fn part<'a>(object: &'a Object, names: &[&str]) -> Option<&'a Object> {
    names.iter().find_map(|name| object.get(*name)?.as_object())
}

/// A text, or a number as one.
pub(super) fn text(object: &Object, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match object.get(*name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// A whole number, or a text that is one.
pub(super) fn number(object: &Object, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| match object.get(*name)? {
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok().or_else(|| whole(text.trim().parse().ok()?)),
        _ => None,
    })
}

fn whole(number: f64) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, as the condition says")]
    (0.0..9e15).contains(&number).then_some(number as u64)
}

/// Bytes of a base64 text with or without its padding; white space is passed over, and what follows the first wrong
/// character is left out.
pub(super) fn base64(text: &str) -> Vec<u8> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&STANDARD, config);
    if let Ok(bytes) = engine.decode(text) {
        return bytes;
    }
    let plain = |c: char| match c {
        '-' => '+',
        '_' => '/',
        other => other,
    };
    let known = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let mut clean: String = text.chars().filter(|c| !c.is_whitespace()).map(plain).take_while(known).collect();
    // One character alone over a multiple of four has no byte.
    if clean.len() % 4 == 1 {
        clean.pop();
    }
    engine.decode(clean).unwrap_or_default()
}

/// A key of the telephone.
pub(super) fn key(text: &str) -> Option<char> {
    let key = text.trim().chars().next()?.to_ascii_uppercase();
    matches!(key, '0'..='9' | '*' | '#' | 'A'..='D').then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_texts() {
        let object = object(r#"{"a":"8000","b":8000,"c":8000.0,"d":"x","e":-1,"f":null,"g":" 7 "}"#).unwrap();
        for name in ["a", "b", "c"] {
            assert_eq!(number(&object, &[name]), Some(8000), "{name}");
        }
        for name in ["d", "e", "f", "h"] {
            assert_eq!(number(&object, &[name]), None, "{name}");
        }
        assert_eq!(number(&object, &["d", "g"]), Some(7));
        assert_eq!(text(&object, &["f", "b"]).as_deref(), Some("8000"));
    }

    #[test]
    fn base64_is_taken_as_far_as_it_goes() {
        for (text, bytes) in [
            ("AQID", &[1, 2, 3][..]),
            ("AQI=", &[1, 2]),
            ("AQI", &[1, 2]),
            ("AQ", &[1]),
            ("A", &[]),
            ("AQ ID\n", &[1, 2, 3]),
            ("_-8=", &[255, 239]),
            ("AQID!!!!", &[1, 2, 3]),
            ("", &[]),
        ] {
            assert_eq!(base64(text), bytes, "{text}");
        }
    }
}
