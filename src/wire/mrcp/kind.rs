//! How header values are written: the productions of RFC 6787 section 15, and of the RFCs that it points to.
//!
//! A value is checked as a whole; `session` reads it afterwards with the functions of `value`. Where real clients write
//! other than the ABNF, the leniency is said at the kind, and listed in `docs/interop.md`.

use crate::wire::mrcp::value::{self, Illegal, MediaType};

/// How a header's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `1*UTFCHAR`. Leniency: spaces inside, as the RFC's own example of Interpret-Text has them.
    Text,
    /// `1*VCHAR`: no white space.
    Word,
    /// `[1*VCHAR]`: a word or nothing.
    OptionalWord,
    /// `quoted-string`.
    Quoted,
    /// `true` or `false`.
    Boolean,
    /// A FLOAT from 0.0 to 1.0.
    Fraction,
    /// A FLOAT of any size.
    Float,
    /// A duration in milliseconds, `1*19DIGIT`.
    Milliseconds,
    /// A number of things, `1*19DIGIT`, at least 1.
    Count,
    /// A length, `1*19DIGIT`.
    Length,
    /// `uri`: absolute, relative or empty.
    Uri,
    /// `absoluteURI`.
    AbsoluteUri,
    /// `["<" uri ">" ";" "size" "=" 1*19DIGIT ";" "duration" "=" 1*19DIGIT]`.
    WaveformUri,
    /// `type/subtype;parameters`.
    MediaType,
    /// Media ranges with quality, RFC 2616 section 14.1: `type/subtype`, `type/*`, `*/*`; possibly none.
    Accept,
    /// Character sets with quality, RFC 2616 section 14.2.
    AcceptCharset,
    /// `content-coding` tokens with commas between them.
    ContentCodings,
    /// `msg-id` of RFC 2392. Leniency: also without the angle brackets, as clients of `UniMRCP` write it.
    ContentId,
    /// `max-age=`, `max-stale[=]`, `min-fresh=` with commas between them; possibly none.
    CacheControl,
    /// `cookie-name=cookie-value` and attributes with `;` between them, RFC 6265 section 4.1.1 and `Age`.
    Cookie,
    /// A language tag, RFC 5646 section 2.1.
    Language,
    /// `normal` or `hotword`.
    RecognitionMode,
    /// `speech` or `dtmf`.
    InputType,
    /// One key, or nothing.
    DtmfChar,
    /// `request-id *("," request-id)`.
    RequestIds,
    /// `name=value` pairs with `;` between them.
    VendorParameters,
    /// `channel-id`.
    ChannelIdentifier,
    /// `cause-code SP cause-name`.
    CompletionCause,
}

impl Kind {
    /// Whether a value is a list with commas: only such a header may come more than once, and means the values of all
    /// (RFC 6787 section 6.2).
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(
            self,
            Self::Accept | Self::AcceptCharset | Self::ContentCodings | Self::CacheControl | Self::RequestIds
        )
    }

    /// Whether `text` is a value of this kind, without white space at its ends.
    ///
    /// # Errors
    /// [`Illegal`] says whether it is malformed (404) or beyond what answerd takes (409).
    pub fn check(self, text: &str) -> Result<(), Illegal> {
        let legal = match self {
            Self::Text => !text.is_empty() && !text.contains(char::is_control),
            Self::Word => is_word(text),
            Self::OptionalWord => text.is_empty() || is_word(text),
            Self::Quoted => value::is_quoted(text),
            Self::Boolean => value::boolean(text).is_ok(),
            Self::Fraction => value::fraction(text).is_ok(),
            Self::Float => value::float(text).is_ok(),
            Self::Milliseconds => return value::milliseconds(text).map(|_| ()),
            Self::Count => value::integer(text).is_ok_and(|count| count > 0),
            Self::Length => value::integer(text).is_ok(),
            Self::Uri => is_uri(text),
            Self::AbsoluteUri => is_absolute_uri(text),
            Self::WaveformUri => text.is_empty() || is_waveform_uri(text),
            Self::MediaType => MediaType::parse(text).is_some(),
            Self::Accept => text.is_empty() || text.split(',').all(|range| is_media_range(range.trim())),
            Self::AcceptCharset => text.split(',').all(|range| {
                let (charset, quality) = range.split_once(';').map_or((range, None), |(set, q)| (set, Some(q)));
                is_http_token(charset.trim()) && quality.is_none_or(is_quality)
            }),
            Self::ContentCodings => text.split(',').all(|coding| is_http_token(coding.trim())),
            Self::ContentId => is_content_id(text),
            Self::CacheControl => text.is_empty() || text.split(',').all(|directive| is_directive(directive.trim())),
            Self::Cookie => is_cookie(text),
            Self::Language => is_language(text),
            Self::RecognitionMode => is_one_of(text, &["normal", "hotword"]),
            Self::InputType => is_one_of(text, &["speech", "dtmf"]),
            Self::DtmfChar => match text.as_bytes() {
                [] | [b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D' | b'a'..=b'd'] => true,
                // A VCHAR is legal, but no telephone has such a key.
                [b'!'..=b'~'] => return Err(Illegal::Unsupported),
                _ => false,
            },
            Self::RequestIds => value::request_ids(text).is_ok(),
            Self::VendorParameters => value::VendorParameters::parse(text).is_some(),
            Self::ChannelIdentifier => value::ChannelIdentifier::parse(text).is_some(),
            Self::CompletionCause => crate::wire::mrcp::CompletionCause::parse(text).is_some(),
        };
        if legal { Ok(()) } else { Err(Illegal::Syntax) }
    }
}

fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// `1*VCHAR`.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `token` of RFC 2616 section 2.2: it has more characters than that of RFC 6787.
fn is_http_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte))
}

fn is_digits(text: &str) -> bool {
    (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `uric` and `#`, escapes well-formed.
fn is_uri(text: &str) -> bool {
    let mut pieces = text.split('%');
    let legal = |piece: &str| piece.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&byte));
    let escaped = |piece: &str| piece.get(..2).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    pieces.next().is_some_and(legal) && pieces.all(|piece| escaped(piece) && legal(piece))
}

fn is_absolute_uri(text: &str) -> bool {
    let scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    text.split_once(':').is_some_and(|(before, after)| scheme(before) && !after.is_empty() && is_uri(after))
}

fn is_waveform_uri(text: &str) -> bool {
    let Some((uri, parameters)) = text.strip_prefix('<').and_then(|rest| rest.split_once('>')) else { return false };
    // Nothing stands between ">" and the first ";".
    let parts: Vec<&str> = parameters.split(';').map(str::trim).collect();
    let ["", size, duration] = parts.as_slice() else { return false };
    let number = |parameter: &str, name: &str| {
        parameter.split_once('=').is_some_and(|(found, number)| found.eq_ignore_ascii_case(name) && is_digits(number))
    };
    is_uri(uri) && number(size, "size") && number(duration, "duration")
}

/// `;q=0.5`: at most three decimals, 0 to 1.
fn is_quality(parameter: &str) -> bool {
    let Some(("q" | "Q", quality)) = parameter.split_once('=').map(|(name, value)| (name.trim(), value.trim())) else {
        return false;
    };
    value::fraction(quality).is_ok() && quality.split_once('.').is_none_or(|(_, decimals)| decimals.len() <= 3)
}

fn is_media_range(range: &str) -> bool {
    // `*` is a token: `*/*` and `text/*` are read as media types.
    let Some(media_type) = MediaType::parse(range) else { return false };
    let wild = media_type.essence.starts_with("*/") && media_type.essence != "*/*";
    let quality = media_type.parameters.iter().filter(|(name, _)| name == "q");
    !wild && quality.clone().count() <= 1 && quality.clone().all(|(_, value)| is_quality(&format!("q={value}")))
}

fn is_content_id(text: &str) -> bool {
    let bare = match text.strip_prefix('<') {
        Some(rest) => rest.strip_suffix('>'),
        None => Some(text),
    };
    bare.is_some_and(|bare| is_word(bare) && !bare.contains(['<', '>']))
}

fn is_directive(directive: &str) -> bool {
    let (name, seconds) = directive.split_once('=').map_or((directive, None), |(name, seconds)| (name, Some(seconds)));
    let (name, seconds) = (name.trim(), seconds.map(str::trim));
    match name {
        _ if is_one_of(name, &["max-age", "min-fresh"]) => seconds.is_some_and(is_digits),
        _ if is_one_of(name, &["max-stale"]) => seconds.is_none_or(is_digits),
        _ => false,
    }
}

fn is_cookie(text: &str) -> bool {
    let mut parts = text.split(';').map(str::trim);
    let pair = parts.next().and_then(|pair| pair.split_once('='));
    let octets = |value: &str| value.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte));
    let legal = pair.is_some_and(|(name, value)| {
        let value = value.trim();
        let bare = value.strip_prefix('"').map_or(Some(value), |rest| rest.strip_suffix('"'));
        is_http_token(name.trim()) && bare.is_some_and(octets)
    });
    legal
        && parts.all(|attribute| {
            let (name, value) = attribute.split_once('=').map_or((attribute, None), |(n, v)| (n, Some(v.trim())));
            match name.trim() {
                name if is_one_of(name, &["max-age", "age"]) => value.is_some_and(is_digits),
                name if is_one_of(name, &["expires", "domain", "path"]) => value.is_some(),
                _ => !attribute.contains(char::is_control),
            }
        })
}

/// The form of a language tag; whether its subtags are registered is not looked at.
fn is_language(text: &str) -> bool {
    let subtags: Vec<&str> = text.split('-').collect();
    let alphanumeric =
        |subtag: &&str| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !subtags.iter().all(alphanumeric) {
        return false;
    }
    let alphabetic = |subtag: &str| subtag.bytes().all(|byte| byte.is_ascii_alphabetic());
    match subtags.as_slice() {
        // Private use, and the registered tags of old.
        [first, _, ..] if is_one_of(first, &["x", "i"]) => true,
        [first, rest @ ..] => (2..=8).contains(&first.len()) && alphabetic(first) && !ends_in_singleton(rest),
        [] => false,
    }
}

/// A singleton begins an extension, which has at least one more subtag.
fn ends_in_singleton(subtags: &[&str]) -> bool {
    let pairs = subtags.iter().zip(subtags.iter().skip(1).map(Some).chain([None]));
    let mut private = false;
    for (subtag, next) in pairs {
        if subtag.len() == 1 && !private {
            let goes_on = next.is_some_and(|next| next.len() > 1 || is_one_of(subtag, &["x"]));
            if !goes_on {
                return true;
            }
            private = is_one_of(subtag, &["x"]);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, legal: &[&str], illegal: &[&str]) {
        for text in legal {
            assert_eq!(kind.check(text), Ok(()), "{kind:?} {text:?}");
        }
        for text in illegal {
            assert_eq!(kind.check(text), Err(Illegal::Syntax), "{kind:?} {text:?}");
        }
    }

    #[test]
    fn texts_and_words() {
        check(Kind::Text, &["may I speak to Andre Roy", "grün"], &["", "a\u{7}b"]);
        check(Kind::Word, &["987654321", "<a@b>"], &["", "a b", "ü"]);
        check(Kind::OptionalWord, &["", "block@store"], &["a b"]);
        check(Kind::Quoted, &["\"\"", "\"a \\\" b\""], &["", "a", "\"a", "\"a\"b"]);
    }

    #[test]
    fn uris() {
        check(
            Kind::Uri,
            &["", "http://a/b?c=%20&d=e#f", "/rel", "../a", "#frag", "session:a@b"],
            &["http://a b", "<http://a>", "a%2", "a%zz", "ü", "a|b"],
        );
        check(Kind::AbsoluteUri, &["http://a", "session:a@b", "urn:x:y"], &["", "a", "/a", ":a", "1a:b", "http:"]);
        check(
            Kind::WaveformUri,
            &["", "<http://web.media.com/session123/audio.wav>; size=124535;duration=2340", "<a>;size=0;duration=0"],
            &[
                "http://a",
                "<http://a>",
                "<http://a>;size=1",
                "<a>;duration=1;size=1",
                "<a>x;size=1;duration=1",
                "<a>;size=;duration=1",
            ],
        );
    }

    #[test]
    fn what_is_accepted() {
        check(
            Kind::Accept,
            &["", "application/nlsml+xml", "application/nlsml+xml;q=0.8, */*;q=0.1", "text/*", "a/b;level=1;q=1.000"],
            &["nlsml", "application/", "*/xml", "a/b;q=2", "a/b;q=0.1234", "a/b,", "a/b;q=x"],
        );
        check(
            Kind::AcceptCharset,
            &["utf-8", "iso-8859-5, unicode-1-1;q=0.8", "*", "*;q=0"],
            &["", "utf 8", "utf-8;q", "utf-8;q=1.5", "utf-8;level=1"],
        );
        check(Kind::ContentCodings, &["gzip", "identity", "deflate, gzip"], &["", "gzip,", "a b"]);
    }

    #[test]
    fn identifiers_of_content() {
        check(
            Kind::ContentId,
            &["<request1@form-level.store>", "demo-grammar-1", "4b5c3a9e-0000"],
            &["", "<>", "<a", "a>", "a b", "<a>b"],
        );
    }

    #[test]
    fn cache_control() {
        check(
            Kind::CacheControl,
            &["", "max-age=86400", "max-stale", "Max-Stale=5, min-fresh=0", "max-age=1 , max-stale"],
            &["max-age", "min-fresh=", "no-cache", "max-age=-1", "max-age=1;max-stale", "max-age=1,,max-stale"],
        );
    }

    #[test]
    fn cookies() {
        check(
            Kind::Cookie,
            &[
                "a=b",
                "a=",
                "a=\"b\"; Path=/; Domain=example.com; Max-Age=60; Age=2; Secure; HttpOnly",
                "SID=31d4d96e407aad42; Expires=Wed, 09 Jun 2027 10:18:14 GMT; SameSite=Lax",
            ],
            &["", "a", "=b", "a b=c", "a=b c", "a=b; Max-Age=soon", "a=b; Age", "a=\"b", "a=b; Path"],
        );
    }

    #[test]
    fn languages() {
        check(
            Kind::Language,
            &[
                "en",
                "en-US",
                "zh-Hant-TW",
                "de-CH-1996",
                "sl-rozaj",
                "x-own",
                "i-klingon",
                "en-a-bbb-x-a",
                "es-419",
                "en-u-ca-gregory",
            ],
            &["", "e", "en_US", "en-", "-en", "englishlanguage", "1n", "en-a", "en-a-b", "en-US-x", "en us", "x"],
        );
    }
}
