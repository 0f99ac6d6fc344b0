//! A request's body, RFC 6787 section 9.5.1: which grammars it names, and which it holds.

use std::borrow::Cow;

use crate::grammar::{Error, Failure};

/// Most grammars in one body.
pub(super) const MAX_GRAMMARS: usize = 100;

/// A body with the headers that say what it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Body<'a> {
    /// Media type in lower case, without parameters.
    pub media_type: &'a str,
    /// Its `boundary` parameter, for multipart.
    pub boundary: Option<&'a str>,
    /// Content-ID.
    pub content_id: Option<&'a str>,
    /// Content-Base: what relative references start from (RFC 6787 section 6.2.8).
    pub content_base: Option<&'a str>,
    /// Content-Location: likewise, where there is no Content-Base.
    pub content_location: Option<&'a str>,
    /// The content.
    pub bytes: &'a [u8],
}

impl Body<'_> {
    /// The text that a part of a multipart body has which is `text/plain` and has that Content-ID: what the Interpret-Text of
    /// an INTERPRET may refer to (RFC 6787 section 9.4.30). `content_id` may have angle brackets.
    #[must_use]
    pub fn text_part(&self, content_id: &str) -> Option<String> {
        let bare = |id: &str| id.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
        let boundary = self.boundary.filter(|_| self.media_type == "multipart/mixed")?;
        split(self.bytes, boundary).ok()?.into_iter().find_map(|(headers, content)| {
            let named = header(&headers, "content-id").is_some_and(|id| bare(id) == bare(content_id));
            let found = named && is_plain(header(&headers, "content-type").unwrap_or_default());
            found.then(|| text(content).ok().map(|text| text.trim().to_owned()))?
        })
    }
}

fn is_plain(media_type: &str) -> bool {
    media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/plain")
}

/// One grammar of a body.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part<'a> {
    /// One that is elsewhere.
    Reference {
        /// As it is written.
        uri: String,
        /// 1.0 if the list gives none.
        weight: f32,
        /// What it starts from if it is relative.
        base: Option<String>,
    },
    /// One that is here.
    Inline {
        /// Its text.
        text: Cow<'a, str>,
        /// Content-ID without angle brackets.
        content_id: Option<String>,
        /// What relative references within start from.
        base: Option<String>,
    },
}

/// All grammars of a body, in their order.
pub(super) fn parts<'a>(body: &Body<'a>) -> Result<Vec<Part<'a>>, Error> {
    let mut found = Vec::new();
    part(body, &mut found, true)?;
    if found.is_empty() {
        return Err(Error::load("the body names no grammar"));
    }
    if found.len() > MAX_GRAMMARS {
        return Err(Error::load(format!("more than {MAX_GRAMMARS} grammars")));
    }
    Ok(found)
}

fn part<'a>(body: &Body<'a>, found: &mut Vec<Part<'a>>, whole: bool) -> Result<(), Error> {
    let base = body.content_base.or(body.content_location).map(|base| base.trim().to_owned());
    let inline = || -> Result<Part<'a>, Error> {
        let content_id = body.content_id.map(|id| id.trim().trim_start_matches('<').trim_end_matches('>').to_owned());
        Ok(Part::Inline { text: text(body.bytes)?, content_id, base: base.clone() })
    };
    match body.media_type {
        "text/uri-list" => {
            for line in text(body.bytes)?.lines().map(str::trim) {
                // RFC 2483 section 5: lines that begin with '#' are comments.
                if !line.is_empty() && !line.starts_with('#') {
                    found.push(Part::Reference { uri: line.to_owned(), weight: 1.0, base: base.clone() });
                }
            }
            Ok(())
        }
        "text/grammar-ref-list" => {
            for line in text(body.bytes)?.lines().map(str::trim).filter(|line| !line.is_empty()) {
                let (reference, weight) = weighted(line)?;
                found.push(Part::Reference { uri: reference.to_owned(), weight, base: base.clone() });
            }
            Ok(())
        }
        // Those of RFC 4463 have no "srgs" in their names.
        "application/srgs+xml" | "application/grammar+xml" | "application/srgs" | "application/grammar" => {
            found.push(inline()?);
            Ok(())
        }
        // Some clients call SRGS so; other XML (speech-context) is told by its root element.
        "application/xml" | "text/xml" => {
            let text = text(body.bytes)?;
            if is_grammar_xml(&text) {
                found.push(inline()?);
                Ok(())
            } else {
                Err(Error::load(format!("{} that is no SRGS grammar is not supported", body.media_type)))
            }
        }
        "application/x-jsgf" | "application/jsgf" | "application/x-nuance-gsl" | "application/x-gsl" => {
            Err(not_srgs(body.media_type))
        }
        "multipart/mixed" if whole => {
            let boundary = body.boundary.ok_or_else(|| Error::load("multipart/mixed without boundary"))?;
            for (headers, content) in split(body.bytes, boundary)? {
                let media_type = header(&headers, "content-type").unwrap_or_default().to_ascii_lowercase();
                let media_type = media_type.split(';').next().unwrap_or_default().trim();
                // A text that INTERPRET refers to is no grammar.
                if is_plain(media_type) && header(&headers, "content-id").is_some() {
                    continue;
                }
                let inner = Body {
                    media_type,
                    boundary: None,
                    content_id: header(&headers, "content-id"),
                    content_base: header(&headers, "content-base").or(body.content_base),
                    content_location: header(&headers, "content-location").or(body.content_location),
                    bytes: content,
                };
                // The headers are of this loop alone, the content is the body's.
                let mut of_part = Vec::new();
                part(&inner, &mut of_part, false)?;
                found.extend(of_part.into_iter().map(Part::into_owned));
            }
            Ok(())
        }
        other => Err(Error::new(
            Failure::MediaType,
            format!(
                "a grammar can't be {other}: text/uri-list, text/grammar-ref-list, application/srgs+xml and \
                 application/srgs can"
            ),
        )),
    }
}

impl Part<'_> {
    fn into_owned<'b>(self) -> Part<'b> {
        match self {
            Self::Reference { uri, weight, base } => Part::Reference { uri, weight, base },
            Self::Inline { text, content_id, base } => {
                Part::Inline { text: Cow::Owned(text.into_owned()), content_id, base }
            }
        }
    }
}

/// Whether XML of no particular media type is SRGS.
pub(super) fn is_grammar_xml(text: &str) -> bool {
    text.contains("<grammar") || text.contains(":grammar")
}

/// A grammar in a form that is not read.
pub(super) fn not_srgs(form: &str) -> Error {
    Error::load(format!("grammars in {form} are not supported: SRGS is, in XML and in ABNF"))
}

/// `"<" uri ">" *(";" attribute "=" value)`, RFC 6787 section 13.5.1. Attributes but `weight` are for others.
fn weighted(line: &str) -> Result<(&str, f32), Error> {
    let wrong = || Error::compilation(format!("{line:?} is not <uri> with parameters"));
    let (uri, parameters) = line.strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or_else(wrong)?;
    let mut weight = 1.0;
    for parameter in parameters.split(';').map(str::trim).filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').ok_or_else(wrong)?;
        if name.trim().eq_ignore_ascii_case("weight") {
            let number = value.trim().trim_matches('"').parse().ok();
            weight = number
                .filter(|weight: &f32| weight.is_finite() && *weight >= 0.0)
                .ok_or_else(|| Error::compilation(format!("weight {value} is no number from 0 up")))?;
        }
    }
    Ok((uri.trim(), weight))
}

/// The text of a body: UTF-8, UTF-16 with a byte order mark, or what the XML declaration says.
pub(super) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).skip(1).map(|pair| unit([pair[0], pair[1]]));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.map(Cow::Owned).map_err(|error| Error::compilation(format!("the body is not UTF-16: {error}")))
    };
    if bytes.starts_with(&[0xff, 0xfe]) {
        return wide(u16::from_le_bytes);
    }
    if bytes.starts_with(&[0xfe, 0xff]) {
        return wide(u16::from_be_bytes);
    }
    let declaration = String::from_utf8_lossy(bytes.get(..bytes.len().min(100)).unwrap_or_default());
    let declaration = declaration.split("?>").next().unwrap_or_default().to_ascii_lowercase();
    if declaration.contains("iso-8859-1") {
        return Ok(Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| Error::compilation(format!("the body is not UTF-8: {error}")))?;
    Ok(Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text)))
}

type Piece<'a> = (String, &'a [u8]);

/// The parts of a multipart body, RFC 2046 section 5.1: headers and content.
fn split<'a>(bytes: &'a [u8], boundary: &str) -> Result<Vec<Piece<'a>>, Error> {
    let delimiter = format!("--{boundary}");
    let mut found = Vec::new();
    let mut from: Option<usize> = None;
    let mut at = 0;
    let mut closed = false;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let trimmed = line.trim_ascii_end();
        if let Some(after) = trimmed.strip_prefix(delimiter.as_bytes())
            && (after.is_empty() || after == b"--")
        {
            if let Some(from) = from {
                found.push(bytes.get(from..at).unwrap_or_default());
            }
            from = Some(at + line.len());
            if after == b"--" {
                closed = true;
                break;
            }
        }
        at += line.len();
    }
    // The RFC's own example ends its multipart with a plain delimiter: an empty last part is none.
    if let Some(from) = from.filter(|_| !closed) {
        found.push(bytes.get(from..).unwrap_or_default());
    }
    if found.is_empty() {
        return Err(Error::compilation(format!("no part after --{boundary}")));
    }
    found.into_iter().filter(|part| !part.trim_ascii().is_empty()).map(split_headers).collect()
}

fn split_headers(part: &[u8]) -> Result<Piece<'_>, Error> {
    let mut at = 0;
    for line in part.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if line.trim_ascii().is_empty() {
            let headers = String::from_utf8_lossy(part.get(..at).unwrap_or_default()).into_owned();
            return Ok((headers, part.get(at..).unwrap_or_default()));
        }
    }
    Err(Error::compilation("a part without an empty line after its headers"))
}

fn header<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    headers.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
