//! Builtin grammars: SRGS files compiled in, referred to as `builtin:speech/NAME?parameters`.

use std::sync::LazyLock;

use crate::detect::{Goal, Label};
use crate::grammar::matcher::{self, Externals};
use crate::grammar::srgs;
use crate::grammar::{Error, Format, Grammar, Settings};

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
        .map(|(name, text)| (*name, compile(text, &Externals::new()).expect("a test compiles every builtin")))
        .collect()
});

/// The grammar of a text in SRGS XML.
pub(super) fn compile(text: &str, externals: &Externals) -> Result<Grammar, Error> {
    let document = srgs::parse(text)?;
    let meanings = matcher::meanings(&document, externals)?;
    let mut settings = Settings::default();
    let mut goal = None;
    for (name, content) in &document.meta {
        match name.as_str() {
            "goal" => goal = Some(parse_goal(content).map_err(Error::compilation)?),
            // Authors put all kinds of things there.
            _ if !is_setting(name) => {}
            _ => set(&mut settings, name, content).map_err(|reason| Error::compilation(format!("meta: {reason}")))?,
        }
    }
    let has = |label| meanings.iter().any(|(known, ..)| *known == label);
    let goal = goal.unwrap_or(match (has(Label::Beep), meanings.len()) {
        (true, 1) => Goal::Beep,
        (true, _) => Goal::Voicemail,
        (false, _) => Goal::Answer,
    });
    Ok(Grammar { goal, settings, meanings })
}

fn parse_goal(word: &str) -> Result<Goal, String> {
    match word {
        "answer" => Ok(Goal::Answer),
        "beep" => Ok(Goal::Beep),
        "voicemail" => Ok(Goal::Voicemail),
        _ => Err(format!("goal {word} is not answer, beep or voicemail")),
    }
}

fn is_setting(name: &str) -> bool {
    ["result-format", "detail", "confidence-threshold", "speed-vs-accuracy", "n-best-list-length"].contains(&name)
}

/// Sets one setting by its name.
fn set(settings: &mut Settings, name: &str, text: &str) -> Result<(), String> {
    let wrong = |what: &str| format!("{name}={text} is not {what}");
    let fraction =
        || text.parse().ok().filter(|number| (0.0..=1.0).contains(number)).ok_or_else(|| wrong("a number from 0 to 1"));
    match name {
        "result-format" => {
            settings.format = Some(Format::from_name(text).ok_or_else(|| wrong("nlsml or json"))?);
        }
        "detail" => settings.detail = Some(text.parse().map_err(|_| wrong("true or false"))?),
        "confidence-threshold" => settings.confidence_threshold = Some(fraction()?),
        "speed-vs-accuracy" => settings.speed_vs_accuracy = Some(fraction()?),
        "n-best-list-length" => {
            let count = text.parse().ok().filter(|count| *count > 0).ok_or_else(|| wrong("a number from 1 up"))?;
            settings.n_best_list_length = Some(count);
        }
        _ => {
            return Err(format!(
                "unknown parameter {name}: there are result-format, detail, confidence-threshold, speed-vs-accuracy \
                 and n-best-list-length"
            ));
        }
    }
    Ok(())
}

/// The builtin that `path` names: what follows `builtin:`, or a bare name.
///
/// `speech/answer`, `grammar/answer` and `answer` are the same, and so is `speech/some folder/answer.grxml`, as dialplans
/// written for other recognizers have it.
pub(super) fn find(uri: &str, path: &str) -> Result<Grammar, Error> {
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
    Ok(grammar)
}

/// Whether a word without scheme is a builtin's name.
pub(super) fn is_name(word: &str) -> bool {
    let name = word.split('?').next().unwrap_or(word);
    BUILTINS.iter().any(|(known, _)| *known == name)
}
