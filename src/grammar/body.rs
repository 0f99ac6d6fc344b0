//! A request's body to grammars, RFC 6787 section 9.5.1: by media type, from URIs or inline.

use std::borrow::Cow;
use std::sync::Arc;

use crate::grammar::matcher::Externals;
use crate::grammar::srgs::{self, Reference};
use crate::grammar::{Error, Failure, Grammar, Store, builtin};

/// Most grammars in one body.
const MAX_GRAMMARS: usize = 100;

/// A body with the headers that say what it is.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// Media type in lower case, without parameters.
    pub media_type: &'a str,
    /// Its `boundary` parameter, for multipart.
    pub boundary: Option<&'a str>,
    /// Content-ID.
    pub content_id: Option<&'a str>,
    /// The content.
    pub bytes: &'a [u8],
}

/// A grammar that a request makes active.
#[derive(Debug, Clone, PartialEq)]
pub struct Active {
    /// How the client refers to it: what the result's `grammar` attribute says.
    pub uri: String,
    /// Weight in a `text/grammar-ref-list`, else 1.0: of several that match, the heaviest tells its meaning, and of those
    /// that weigh the same the first.
    pub weight: f32,
    /// The grammar.
    pub grammar: Arc<Grammar>,
}

/// What a body holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resolved {
    /// All grammars in their order of precedence.
    pub active: Vec<Active>,
    /// Inline grammars by Content-ID: the session keeps them.
    pub inline: Vec<(String, Active)>,
}

/// Finds and compiles the grammars of a body.
///
/// # Errors
/// [`Error`] says what can't be used and why; all of a body must be usable.
pub fn resolve(body: &Body<'_>, store: &Store) -> Result<Resolved, Error> {
    let mut resolved = Resolved::default();
    part(body, store, &mut resolved, true)?;
    if resolved.active.is_empty() {
        return Err(Error::load("the body names no grammar"));
    }
    Ok(resolved)
}

fn part(body: &Body<'_>, store: &Store, resolved: &mut Resolved, whole: bool) -> Result<(), Error> {
    match body.media_type {
        "text/uri-list" => {
            for line in text(body.bytes)?.lines().map(str::trim) {
                // RFC 2483 section 5: lines that begin with '#' are comments.
                if !line.is_empty() && !line.starts_with('#') {
                    add(resolved, uri(line, 1.0, store)?)?;
                }
            }
            Ok(())
        }
        "text/grammar-ref-list" => {
            for line in text(body.bytes)?.lines().map(str::trim).filter(|line| !line.is_empty()) {
                let (reference, weight) = weighted(line)?;
                add(resolved, uri(reference, weight, store)?)?;
            }
            Ok(())
        }
        "application/srgs+xml" | "application/grammar+xml" => inline(body, store, resolved),
        // Some clients call SRGS so; other XML (speech-context) is told by its root element.
        "application/xml" | "text/xml" => {
            let text = text(body.bytes)?;
            if text.contains("<grammar") || text.contains(":grammar") {
                inline(body, store, resolved)
            } else {
                Err(Error::load(format!("{} that is no SRGS grammar is not supported", body.media_type)))
            }
        }
        "application/srgs"
        | "application/x-jsgf"
        | "application/jsgf"
        | "application/x-nuance-gsl"
        | "application/x-gsl" => {
            Err(Error::load(format!("grammars in {} are not supported: SRGS XML is", body.media_type)))
        }
        "multipart/mixed" if whole => {
            let boundary = body.boundary.ok_or_else(|| Error::load("multipart/mixed without boundary"))?;
            for (headers, content) in parts(body.bytes, boundary)? {
                let media_type = header(&headers, "content-type").unwrap_or_default().to_ascii_lowercase();
                let content_id = header(&headers, "content-id");
                let media_type = media_type.split(';').next().unwrap_or_default().trim();
                part(&Body { media_type, boundary: None, content_id, bytes: content }, store, resolved, false)?;
            }
            Ok(())
        }
        other => Err(Error::new(
            Failure::MediaType,
            format!("a grammar can't be {other}: text/uri-list, text/grammar-ref-list and application/srgs+xml can"),
        )),
    }
}

fn add(resolved: &mut Resolved, grammars: Vec<Active>) -> Result<(), Error> {
    resolved.active.extend(grammars);
    if resolved.active.len() > MAX_GRAMMARS {
        return Err(Error::load(format!("more than {MAX_GRAMMARS} grammars")));
    }
    Ok(())
}

fn inline(body: &Body<'_>, store: &Store, resolved: &mut Resolved) -> Result<(), Error> {
    let text = text(body.bytes)?;
    let mut externals = Externals::new();
    let mut failed = None;
    for rule in srgs::parse(&text)?.rules.values() {
        srgs::references(&rule.expansion, &mut |reference| {
            if let Reference::External(reference) = reference
                && failed.is_none()
                && !externals.contains_key(reference)
            {
                match uri(reference, 1.0, store).map(|mut found| found.drain(..).next()) {
                    Ok(Some(first)) => {
                        externals.insert(reference.clone(), Arc::unwrap_or_clone(first.grammar));
                    }
                    Ok(None) => failed = Some(Error::load(format!("{reference} is empty"))),
                    Err(error) => failed = Some(error),
                }
            }
        });
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let grammar = Arc::new(builtin::compile(&text, &externals)?);
    let id = body.content_id.map(|id| id.trim().trim_start_matches('<').trim_end_matches('>').to_owned());
    let name = id.as_deref().map_or_else(|| "inline".to_owned(), |id| format!("session:{id}"));
    let active = Active { uri: name, weight: 1.0, grammar };
    if let Some(id) = id {
        resolved.inline.push((id, active.clone()));
    }
    add(resolved, vec![active])
}

/// The grammars that a URI refers to: one, or for `session:` as many as were defined.
fn uri(uri: &str, weight: f32, store: &Store) -> Result<Vec<Active>, Error> {
    let one = |grammar| vec![Active { uri: uri.to_owned(), weight, grammar: Arc::new(grammar) }];
    match uri.split_once(':') {
        Some((scheme, path)) if scheme.eq_ignore_ascii_case("builtin") => Ok(one(builtin::find(uri, path)?)),
        Some((scheme, id)) if scheme.eq_ignore_ascii_case("session") => {
            let found = store.get(id).ok_or_else(|| Error {
                failure: Failure::Load,
                reason: format!("no grammar {uri} was defined in this session"),
                uri: Some(uri.to_owned()),
            })?;
            let several = found.len() > 1;
            Ok(found
                .iter()
                .map(|active| Active {
                    uri: if several { active.uri.clone() } else { uri.to_owned() },
                    weight: active.weight * weight,
                    grammar: Arc::clone(&active.grammar),
                })
                .collect())
        }
        None if builtin::is_name(uri) => Ok(one(builtin::find(uri, uri)?)),
        _ => Err(Error {
            failure: Failure::Uri,
            reason: format!("{uri} is not fetched: builtin: and session: grammars are served"),
            uri: Some(uri.to_owned()),
        }),
    }
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
fn text(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
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

type Part<'a> = (String, &'a [u8]);

/// The parts of a multipart body, RFC 2046 section 5.1: headers and content.
fn parts<'a>(bytes: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>, Error> {
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

fn split_headers(part: &[u8]) -> Result<Part<'_>, Error> {
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
