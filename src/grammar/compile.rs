//! Documents to a grammar: its automata, the labels that it can match, and what its `meta` elements ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::detect::{Goal, Label, LabelSet};
use crate::grammar::cpa::Cpa;
use crate::grammar::network::{self, Chart, Linked, Network};
use crate::grammar::srgs::Srgs;
use crate::grammar::{Error, Format, Grammar, Mode, Settings, semantics};

/// The grammar of the first document, entered at its rule `entry`, else at its root.
pub(super) fn compile(documents: &[Linked], entry: Option<&str>) -> Result<Grammar, Error> {
    let network = network::build(documents, entry)?;
    let Some(srgs) = documents.first().map(|linked| &linked.srgs) else {
        return Err(Error::load("no document"));
    };
    let cpa = if srgs.mode == Mode::Voice { Cpa::read(&srgs.meta)?.map(Arc::new) } else { None };
    let accepts = accepts(srgs.mode, cpa.as_deref(), &network);
    let mut settings = Settings::default();
    let mut goal = None;
    for (name, content) in &srgs.meta {
        match name.as_str() {
            "goal" => goal = Some(parse_goal(content).map_err(Error::compilation)?),
            // Authors put all kinds of things there.
            _ if !is_setting(name) => {}
            _ => set(&mut settings, name, content).map_err(|reason| Error::compilation(format!("meta: {reason}")))?,
        }
    }
    let beep_alone = LabelSet::EMPTY.with(Label::Beep);
    let goal = goal.or_else(|| cpa.as_ref().map(|cpa| cpa.goal())).unwrap_or(match accepts.contains(Label::Beep) {
        true if accepts == beep_alone => Goal::Beep,
        true => Goal::Voicemail,
        false => Goal::Answer,
    });
    Ok(Grammar {
        mode: srgs.mode,
        language: srgs.language.clone(),
        goal,
        settings,
        meta: srgs.meta.clone(),
        accepts,
        cpa,
        network: Arc::new(network),
    })
}

fn accepts(mode: Mode, cpa: Option<&Cpa>, network: &Network) -> LabelSet {
    match (mode, cpa) {
        (Mode::Voice, Some(cpa)) => cpa.accepts(),
        (Mode::Voice, None) => labels(network),
        (Mode::Dtmf, _) => LabelSet::EMPTY,
    }
}

/// The grammar of one document that refers to no other.
pub(super) fn compile_alone(srgs: Srgs) -> Result<Grammar, Error> {
    compile(&[Linked { srgs: Arc::new(srgs), uri: String::new(), targets: BTreeMap::new() }], None)
}

/// A grammar entered at another one of its rules.
pub(super) fn entered_at(grammar: &Grammar, id: &str) -> Result<Grammar, Error> {
    let rule = match grammar.network.rule_named(id) {
        Some((rule, true)) => rule,
        Some((_, false)) => return Err(Error::compilation(format!("SRGS: rule {id} is private"))),
        None => return Err(Error::compilation(format!("SRGS: there is no rule {id}"))),
    };
    let network = Network::clone(&grammar.network).entered_at(rule);
    let accepts = accepts(grammar.mode, grammar.cpa.as_deref(), &network);
    Ok(Grammar { accepts, network: Arc::new(network), ..grammar.clone() })
}

/// The labels that a network matches.
fn labels(network: &Network) -> LabelSet {
    let matches = |label: &Label| {
        let chart = network.has_word(label.as_str()).then(|| Chart::new(network, &semantics::label_input(*label)));
        chart.is_some_and(|chart| chart.is_ok_and(|chart| chart.matched().complete))
    };
    Label::ALL.into_iter().filter(matches).fold(LabelSet::EMPTY, LabelSet::with)
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
pub(super) fn set(settings: &mut Settings, name: &str, text: &str) -> Result<(), String> {
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
