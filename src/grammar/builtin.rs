//! Builtin grammars: SRGS files compiled in, referred to as `builtin:speech/NAME?parameters`.

use std::sync::{Arc, LazyLock};

use crate::grammar::compile::{compile_alone, set};
use crate::grammar::{Error, Grammar, srgs};

/// Names and texts.
pub(super) const BUILTINS: [(&str, &str); 4] = [
    ("answer", include_str!("../../grammars/answer.grxml")),
    ("beep", include_str!("../../grammars/beep.grxml")),
    ("voicemail", include_str!("../../grammars/voicemail.grxml")),
    ("boolean", include_str!("../../grammars/boolean.grxml")),
];

static COMPILED: LazyLock<Vec<(&str, Grammar)>> = LazyLock::new(|| {
    BUILTINS
        .iter()
        .map(|(name, text)| {
            let grammar = srgs::parse(text).and_then(compile_alone);
            (*name, grammar.expect("a test compiles every builtin"))
        })
        .collect()
});

/// The builtin that `path` names: what follows `builtin:`, or a bare name.
///
/// `speech/answer`, `grammar/answer` and `answer` are the same, and so is `speech/some folder/answer.grxml`, as dialplans
/// written for other recognizers have it.
pub(super) fn find(uri: &str, path: &str) -> Result<Vec<Arc<Grammar>>, Error> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let name = path.split_once('/').map_or(path, |(kind, name)| match kind {
        "speech" | "grammar" => name,
        _ => path,
    });
    let file = name.rsplit('/').next().unwrap_or(name);
    let name = file.strip_suffix(".grxml").or_else(|| file.strip_suffix(".xml")).unwrap_or(name);
    let found = COMPILED.iter().find(|(known, _)| *known == name).map(|(_, grammar)| grammar);
    let mut grammar = found.cloned().ok_or_else(|| {
        let names: Vec<String> = BUILTINS.iter().map(|(name, _)| format!("builtin:speech/{name}")).collect();
        Error::load(format!("no builtin {uri}: there are {}", names.join(", ")))
    })?;
    for parameter in query.split(['&', ';']).filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        set(&mut grammar.settings, name, value).map_err(|reason| Error::load(format!("{uri}: {reason}")))?;
    }
    Ok(vec![Arc::new(grammar)])
}

/// Whether a word without scheme is a builtin's name.
pub(super) fn is_name(word: &str) -> bool {
    let name = word.split('?').next().unwrap_or(word);
    BUILTINS.iter().any(|(known, _)| *known == name)
}
