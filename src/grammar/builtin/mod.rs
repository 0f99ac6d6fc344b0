//! Builtin grammars, referred to as `builtin:speech/NAME?parameters`: SRGS files compiled in; those of keys are in `dtmf`.

mod dtmf;

use std::sync::{Arc, LazyLock};

use crate::grammar::compile::{compile_alone, set};
use crate::grammar::{Error, Grammar, srgs};

/// Names and texts.
pub(super) const BUILTINS: [(&str, &str); 4] = [
    ("answer", include_str!("../../../grammars/answer.grxml")),
    ("beep", include_str!("../../../grammars/beep.grxml")),
    ("voicemail", include_str!("../../../grammars/voicemail.grxml")),
    ("boolean", include_str!("../../../grammars/boolean.grxml")),
];

static COMPILED: LazyLock<Vec<(&str, Grammar)>> = LazyLock::new(|| {
    BUILTINS
        .iter()
        .map(|(name, text)| {
            let compiled = srgs::parse(text).and_then(compile_alone);
            let mut grammar = compiled.expect("a test compiles every builtin");
            // Labels are words of no language; the files have one since SRGS asks for it.
            grammar.language = None;
            (*name, grammar)
        })
        .collect()
});

/// The builtins that `path` names: what follows `builtin:`, or a bare name. Where a name is one of words and of keys, and
/// the path leaves open which, both.
///
/// `speech/answer`, `grammar/answer` and `answer` are the same, and so is `speech/some folder/answer.grxml`, as dialplans
/// written for other recognizers have it.
pub(super) fn find(uri: &str, path: &str) -> Result<Vec<Arc<Grammar>>, Error> {
    let of_uri = |reason: String| Error::load(format!("{uri}: {reason}"));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (kind, name) = match path.split_once('/') {
        Some((kind @ ("speech" | "grammar" | "dtmf"), name)) => (kind, name),
        Some(_) => ("speech", path),
        None => ("grammar", path),
    };
    let file = name.rsplit('/').next().unwrap_or(name);
    let name = file.strip_suffix(".grxml").or_else(|| file.strip_suffix(".xml")).unwrap_or(name);
    let parameters = query.split(['&', ';']).filter(|parameter| !parameter.is_empty());
    let mut parameters: Vec<(&str, &str)> =
        parameters.map(|parameter| parameter.split_once('=').unwrap_or((parameter, ""))).collect();
    let mut found = Vec::new();
    if kind != "dtmf" {
        found.extend(COMPILED.iter().find(|(known, _)| *known == name).map(|(_, grammar)| grammar.clone()));
    }
    if kind != "speech" {
        found.extend(dtmf::find(name, &mut parameters).map_err(of_uri)?);
    }
    if found.is_empty() {
        let words = BUILTINS.iter().map(|(name, _)| format!("builtin:speech/{name}")).filter(|_| kind != "dtmf");
        let keys = dtmf::NAMES.iter().map(|name| format!("builtin:dtmf/{name}")).filter(|_| kind != "speech");
        let names: Vec<String> = words.chain(keys).collect();
        return Err(Error::load(format!("no builtin {uri}: there are {}", names.join(", "))));
    }
    for grammar in &mut found {
        for (name, value) in &parameters {
            set(&mut grammar.settings, name, value).map_err(of_uri)?;
        }
    }
    Ok(found.into_iter().map(Arc::new).collect())
}

/// Whether a word without scheme is a builtin's name.
pub(super) fn is_name(word: &str) -> bool {
    let name = word.split('?').next().unwrap_or(word);
    BUILTINS.iter().any(|(known, _)| *known == name)
}
