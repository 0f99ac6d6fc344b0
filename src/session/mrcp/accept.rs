//! Accept and Accept-Charset, RFC 6787 sections 6.2.2 and 6.2.5, with the meaning of RFC 2616 sections 14.1 and 14.2.

use crate::grammar::Format;

/// The results that are written.
const FORMATS: [Format; 2] = [Format::Nlsml, Format::Json];

/// What an Accept header says of the results that are written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepted {
    /// Any will do.
    Any,
    /// This one is wanted.
    One(Format),
    /// None is accepted.
    None,
}

/// An element of the list with its quality in thousandths.
fn elements(list: &str) -> impl Iterator<Item = (&str, u32)> {
    list.split(',').filter_map(|element| {
        let mut parts = element.split(';').map(str::trim);
        let range = parts.next().filter(|range| !range.is_empty())?;
        let quality = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            let quality = name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().ok())??;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
            let thousandths = (f32::clamp(quality, 0.0, 1.0) * 1000.0) as u32;
            Some(thousandths)
        });
        Some((range, quality.unwrap_or(1000)))
    })
}

/// How well a range names a format: by name, by type, or as any.
fn specificity(range: &str, format: Format) -> Option<u8> {
    // Clients of earlier drafts name NLSML so.
    let names: &[&str] = match format {
        Format::Nlsml => &["application/nlsml+xml", "application/x-nlsml"],
        Format::Json => &["application/json"],
    };
    if names.iter().any(|name| name.eq_ignore_ascii_case(range)) {
        Some(2)
    } else if range.eq_ignore_ascii_case("application/*") {
        Some(1)
    } else {
        (range == "*/*").then_some(0)
    }
}

/// Which result an Accept header asks for: of those of the highest quality the one named first.
pub(super) fn accepted(accept: &str) -> Accepted {
    if elements(accept).next().is_none() {
        return Accepted::Any;
    }
    let found: Vec<(u32, u8, usize, Format)> = FORMATS
        .into_iter()
        .filter_map(|format| {
            let fits = elements(accept).enumerate();
            let fits = fits.filter_map(|(at, (range, quality))| Some((specificity(range, format)?, quality, at)));
            // The most specific range decides, also if it refuses.
            let (specific, quality, at) = fits.max_by_key(|(specific, _, at)| (*specific, usize::MAX - at))?;
            (quality > 0).then_some((quality, specific, at, format))
        })
        .collect();
    let best = found.iter().max_by_key(|(quality, specific, at, _)| (*quality, *specific, usize::MAX - at));
    match best {
        None => Accepted::None,
        Some((quality, specific, ..))
            if *specific < 2
                && found.len() == FORMATS.len()
                && found.iter().all(|other| other.0 == *quality && other.1 == *specific) =>
        {
            Accepted::Any
        }
        Some((.., format)) => Accepted::One(*format),
    }
}

/// Whether UTF-8, in which results are written, is accepted.
pub(super) fn accepts_utf8(accept_charset: &str) -> bool {
    let quality = |wanted: &str| {
        elements(accept_charset).find(|(charset, _)| charset.eq_ignore_ascii_case(wanted)).map(|(_, quality)| quality)
    };
    elements(accept_charset).next().is_none() || quality("utf-8").or_else(|| quality("*")).is_some_and(|q| q > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        for (accept, format) in [
            ("", Accepted::Any),
            ("*/*", Accepted::Any),
            ("application/*, text/plain", Accepted::Any),
            ("application/json", Accepted::One(Format::Json)),
            ("Application/NLSML+XML", Accepted::One(Format::Nlsml)),
            ("application/x-nlsml", Accepted::One(Format::Nlsml)),
            ("application/json;q=0.5, application/nlsml+xml;q=0.7", Accepted::One(Format::Nlsml)),
            ("application/json;q=1, application/nlsml+xml;q=0.5", Accepted::One(Format::Json)),
            ("application/json, application/nlsml+xml", Accepted::One(Format::Json)),
            ("application/json, */*", Accepted::One(Format::Json)),
            ("*/*, application/nlsml+xml;q=0", Accepted::One(Format::Json)),
            ("application/emma+xml", Accepted::None),
            ("application/nlsml+xml;q=0", Accepted::None),
            ("application/emma+xml, */*;q=0.1", Accepted::Any),
        ] {
            assert_eq!(accepted(accept), format, "{accept}");
        }
    }

    #[test]
    fn charsets() {
        for accept in ["", "utf-8", "UTF-8;q=0.1", "*", "iso-8859-1, *;q=0.5"] {
            assert!(accepts_utf8(accept), "{accept}");
        }
        for accept in ["iso-8859-1", "utf-8;q=0", "*;q=0", "utf-8;q=0, *"] {
            assert!(!accepts_utf8(accept), "{accept}");
        }
    }
}
