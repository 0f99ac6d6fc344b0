//! Finds and compiles the grammars of a body, and all that they refer to, RFC 6787 section 9.5.1.
//!
//! Nothing is fetched here: what is missing is told by its URI, and comes with the next call.

use std::collections::BTreeMap;
use std::sync::Arc;

use url::Url;

use crate::grammar::body::{self, Body, MAX_GRAMMARS, Part, is_grammar_xml, not_srgs};
use crate::grammar::network::{Linked, Target};
use crate::grammar::srgs::{self, Reference, Srgs};
use crate::grammar::{Document, Documents, Error, Grammar, Store, builtin, compile};

/// Most documents that one request can need.
const MAX_DOCUMENTS: usize = 50;
/// Most references from the request to a document.
const MAX_DEPTH: usize = 10;
/// Most octets of all documents of a request.
const MAX_OCTETS: usize = 4 << 20;

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

/// How far resolving came.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// All is there.
    Done(Resolved),
    /// These documents are needed, by absolute `http:`, `https:` or `file:` URI without fragment. When they are there, more
    /// may be needed, of what they refer to.
    Needs(Vec<String>),
}

/// Finds and compiles the grammars of a body, with those `documents` that were fetched for it so far.
///
/// # Errors
/// [`Error`] says what can't be used and why; all of a body must be usable.
pub fn resolve(body: &Body<'_>, store: &Store, documents: &Documents) -> Result<Resolution, Error> {
    let parts = body::parts(body)?;
    let mut resolver = Resolver { store, documents, read: BTreeMap::new(), octets: 0, needs: Vec::new() };
    let mut resolved = Resolved::default();
    for part in parts {
        let found = match part {
            Part::Reference { uri, weight, base } => resolver.reference(&uri, weight, base.as_deref())?,
            Part::Inline { text, content_id, base } => {
                let srgs = Arc::new(srgs::parse(&text)?);
                let grammar = resolver.compile(srgs, "inline", base, None)?;
                let name = content_id.as_deref().map_or_else(|| "inline".to_owned(), |id| format!("session:{id}"));
                let active = grammar.map(|grammar| Active { uri: name, weight: 1.0, grammar });
                if let Some((id, active)) = content_id.zip(active.clone()) {
                    resolved.inline.push((id, active));
                }
                active.into_iter().collect()
            }
        };
        resolved.active.extend(found);
        if resolved.active.len() > MAX_GRAMMARS {
            return Err(Error::load(format!("more than {MAX_GRAMMARS} grammars")));
        }
    }
    if !resolver.needs.is_empty() {
        return Ok(Resolution::Needs(resolver.needs));
    }
    if resolved.active.is_empty() {
        return Err(Error::load("the body names no grammar"));
    }
    Ok(Resolution::Done(resolved))
}

/// A document that was read.
#[derive(Debug, Clone)]
struct Source {
    srgs: Arc<Srgs>,
    /// Where it was in the end.
    uri: String,
}

struct Resolver<'a> {
    store: &'a Store,
    documents: &'a Documents,
    /// By the URI that was asked for.
    read: BTreeMap<String, Source>,
    octets: usize,
    needs: Vec<String>,
}

/// Where a URI leads.
enum Found {
    /// To grammars that are compiled.
    Grammars(Vec<Active>),
    /// To a document, by its key in `read`.
    Source(String),
    /// To a document that is needed first.
    Needed,
}

impl Resolver<'_> {
    /// The grammars that a URI of a list refers to: one, or for `session:` as many as were defined. None if documents are
    /// needed first.
    fn reference(&mut self, uri: &str, weight: f32, base: Option<&str>) -> Result<Vec<Active>, Error> {
        let (bare, fragment) = split_fragment(uri);
        let of_uri = |error: Error| Error { uri: error.uri.or_else(|| Some(uri.to_owned())), ..error };
        match self.find(uri, base)? {
            Found::Needed => Ok(Vec::new()),
            Found::Grammars(found) => {
                let several = found.len() > 1 && is_scheme(bare, "session");
                let active = found.into_iter().map(|active| Active {
                    uri: if several { active.uri } else { uri.to_owned() },
                    weight: active.weight * weight,
                    grammar: active.grammar,
                });
                Ok(active.collect())
            }
            Found::Source(key) => {
                let Some(source) = self.read.get(&key).cloned() else { return Ok(Vec::new()) };
                let base = Some(source.uri.clone());
                let grammar = self.compile(source.srgs, &source.uri, base, fragment).map_err(of_uri)?;
                let active = grammar.map(|grammar| Active { uri: uri.to_owned(), weight, grammar });
                Ok(active.into_iter().collect())
            }
        }
    }

    /// A document with all that it refers to, compiled; `None` if documents are needed first.
    fn compile(
        &mut self,
        srgs: Arc<Srgs>,
        uri: &str,
        base: Option<String>,
        fragment: Option<&str>,
    ) -> Result<Option<Arc<Grammar>>, Error> {
        let mut linked = vec![Linked { srgs, uri: uri.to_owned(), targets: BTreeMap::new() }];
        let mut bases = vec![(base, 0)];
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        let needed = self.needs.len();
        let mut missing = false;
        let mut next = 0;
        while let (Some(document), Some((base, depth))) = (linked.get(next), bases.get(next).cloned()) {
            let srgs = Arc::clone(&document.srgs);
            let base = match (&srgs.base, &base) {
                (Some(own), Some(outer)) => absolute(own, Some(outer)).ok().or(Some(own.clone())),
                (own, outer) => own.clone().or_else(|| outer.clone()),
            };
            let mut references = Vec::new();
            srgs.references(&mut |reference| {
                if let Reference::External(uri) = reference
                    && !references.contains(uri)
                {
                    references.push(uri.clone());
                }
            });
            for reference in references {
                let fragment = split_fragment(&reference).1.map(str::to_owned);
                let target = match self.find(&reference, base.as_deref())? {
                    Found::Needed => {
                        missing = true;
                        continue;
                    }
                    Found::Grammars(found) => {
                        let fits = |active: &&Active| active.grammar.mode == srgs.mode;
                        let one = found.iter().find(fits).or_else(|| found.first());
                        let one = one.ok_or_else(|| Error::load(format!("{reference} is empty")))?;
                        // The fragment was taken at the finding.
                        Target::Grammar(Arc::clone(&one.grammar), None)
                    }
                    Found::Source(key) => {
                        let number = match numbers.get(&key) {
                            Some(number) => *number,
                            None => {
                                if depth >= MAX_DEPTH {
                                    let reason = format!("{key}: more than {MAX_DEPTH} references deep");
                                    return Err(Error { uri: Some(key), ..Error::load(reason) });
                                }
                                let Some(source) = self.read.get(&key) else { continue };
                                bases.push((Some(source.uri.clone()), depth + 1));
                                let (srgs, uri) = (Arc::clone(&source.srgs), source.uri.clone());
                                linked.push(Linked { srgs, uri, targets: BTreeMap::new() });
                                numbers.insert(key, linked.len() - 1);
                                linked.len() - 1
                            }
                        };
                        Target::Document(number, fragment)
                    }
                };
                if let Some(document) = linked.get_mut(next) {
                    document.targets.insert(reference, target);
                }
            }
            next += 1;
        }
        if missing || self.needs.len() > needed {
            return Ok(None);
        }
        compile::compile(&linked, fragment).map(|grammar| Some(Arc::new(grammar)))
    }

    fn find(&mut self, uri: &str, base: Option<&str>) -> Result<Found, Error> {
        let one = |grammar: Arc<Grammar>| Active { uri: uri.to_owned(), weight: 1.0, grammar };
        let builtins = |path| Ok(Found::Grammars(builtin::find(uri, path)?.into_iter().map(one).collect()));
        match uri.split_once(':') {
            Some((scheme, path)) if scheme.eq_ignore_ascii_case("builtin") => builtins(path),
            Some((scheme, id)) if scheme.eq_ignore_ascii_case("session") => {
                if let Some(found) = self.store.get(id) {
                    return Ok(Found::Grammars(found.to_vec()));
                }
                let (bare, fragment) = split_fragment(id);
                let found = self.store.get(bare).zip(fragment).ok_or_else(|| Error {
                    uri: Some(uri.to_owned()),
                    cause: Some("not-found".to_owned()),
                    ..Error::load(format!("no grammar {uri} was defined in this session"))
                })?;
                let (found, rule) = found;
                let entered = found.iter().map(|active| {
                    let grammar = Arc::new(compile::entered_at(&active.grammar, rule)?);
                    Ok(Active { grammar, ..active.clone() })
                });
                entered.collect::<Result<_, Error>>().map(Found::Grammars)
            }
            None if builtin::is_name(uri) => builtins(uri),
            _ => self.source(split_fragment(uri).0, base),
        }
    }

    /// A document by its URI without fragment.
    fn source(&mut self, uri: &str, base: Option<&str>) -> Result<Found, Error> {
        let key = absolute(uri, base)?;
        if self.read.contains_key(&key) {
            return Ok(Found::Source(key));
        }
        let Some(fetched) = self.documents.get(&key) else {
            if !self.needs.contains(&key) {
                self.needs.push(key);
            }
            if self.needs.len() + self.read.len() > MAX_DOCUMENTS {
                return Err(Error::load(format!("more than {MAX_DOCUMENTS} documents are needed")));
            }
            return Ok(Found::Needed);
        };
        let document = match fetched {
            Ok(document) => document,
            Err(error) => return Err(Error::uri(&key, &error.cause, format!("{key}: {}", error.reason))),
        };
        self.octets += document.bytes.len();
        if self.octets > MAX_OCTETS {
            return Err(Error::load(format!("the documents are larger than {MAX_OCTETS} octets together")));
        }
        let of_document =
            |error: Error| Error { reason: format!("{key}: {}", error.reason), uri: Some(key.clone()), ..error };
        let srgs = read(document).map_err(of_document)?;
        self.read.insert(key.clone(), Source { srgs: Arc::new(srgs), uri: document.uri.clone() });
        if self.needs.len() + self.read.len() > MAX_DOCUMENTS {
            return Err(Error::load(format!("more than {MAX_DOCUMENTS} documents are needed")));
        }
        Ok(Found::Source(key))
    }
}

/// Reads a document in the form that its media type tells, or else its first characters or its name: servers that do not
/// know grammars call them `text/plain` or `application/octet-stream`.
fn read(document: &Document) -> Result<Srgs, Error> {
    let media_type = document.media_type.as_deref().unwrap_or_default().to_ascii_lowercase();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let text = body::text(&document.bytes)?;
    let begins = |with: &str| text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with(with);
    match media_type {
        "application/srgs+xml" | "application/grammar+xml" => return srgs::parse(&text),
        "application/srgs" => return srgs::parse(&text),
        "application/x-jsgf" | "application/jsgf" | "application/x-nuance-gsl" | "application/x-gsl" => {
            return Err(not_srgs(media_type));
        }
        _ => {}
    }
    if begins("#ABNF") || (begins("<") && is_grammar_xml(&text)) {
        return srgs::parse(&text);
    }
    if begins("#JSGF") {
        return Err(not_srgs("JSGF"));
    }
    if begins(";GSL") {
        return Err(not_srgs("GSL"));
    }
    let path = document.uri.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    if path.ends_with(".grxml") || path.ends_with(".gram") || path.ends_with(".abnf") {
        return srgs::parse(&text);
    }
    let told = if media_type.is_empty() { "of no media type" } else { media_type };
    Err(Error::load(format!(
        "the document is no SRGS grammar: it is {told} and begins with neither <grammar nor #ABNF"
    )))
}

/// A URI without its fragment, and that.
fn split_fragment(uri: &str) -> (&str, Option<&str>) {
    match uri.split_once('#') {
        Some((uri, fragment)) => (uri, Some(fragment).filter(|fragment| !fragment.is_empty())),
        None => (uri, None),
    }
}

fn is_scheme(uri: &str, scheme: &str) -> bool {
    uri.split_once(':').is_some_and(|(known, _)| known.eq_ignore_ascii_case(scheme))
}

/// A URI that can be fetched: as it is written if it is absolute.
fn absolute(uri: &str, base: Option<&str>) -> Result<String, Error> {
    let found = match Url::parse(uri) {
        Ok(url) => (url, uri.to_owned()),
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            let base = base.ok_or_else(|| {
                Error::uri(uri, "not-supported", format!("{uri} is relative, and there is no base for it"))
            })?;
            let joined = Url::parse(base).and_then(|base| base.join(uri)).map_err(|error| {
                Error::uri(uri, "not-supported", format!("{uri} is relative, and {base} is no base for it: {error}"))
            })?;
            let text = joined.to_string();
            (joined, text)
        }
        Err(error) => return Err(Error::uri(uri, "not-supported", format!("{uri} is no URI: {error}"))),
    };
    match found.0.scheme() {
        "http" | "https" | "file" => Ok(found.1),
        scheme => Err(Error::uri(
            uri,
            "not-supported",
            format!("unsupported scheme {scheme} of {uri}: http, https, file, builtin and session are served"),
        )),
    }
}
