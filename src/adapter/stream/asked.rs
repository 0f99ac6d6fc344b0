//! What a stream is asked: a goal by its name, or a builtin grammar.

use crate::adapter::stream::config::{Config, StreamGoal};
use crate::detect::{Goal, Listen, Outcome};
use crate::grammar::{Active, Body, Documents, Mode, Resolution, Store, resolve};
use crate::wire::stream::Call;

/// The listenings of a stream, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// For who answered.
    pub(super) answer: Option<Listen>,
    /// For the moment to speak: at once, or of a machine.
    pub(super) beep: Option<Listen>,
    /// The grammar, if there is one: it says what a label means.
    grammar: Option<Active>,
}

impl Asked {
    /// What `call` asks for.
    ///
    /// # Errors
    /// A goal or a grammar that isn't known, in words for the one who wrote it.
    pub(super) fn new(config: &Config, call: &Call) -> Result<Self, String> {
        let grammar = call.grammar.as_deref().map(builtin).transpose()?;
        let goal = match (call.goal.as_deref(), &grammar) {
            (Some("answer"), _) => StreamGoal::Answer,
            (Some("beep"), _) => StreamGoal::Beep,
            (Some("voicemail"), _) => StreamGoal::Voicemail,
            (Some(other), _) => return Err(format!("goal {other:?} is none of answer, beep and voicemail")),
            (None, Some(active)) => match active.grammar.goal {
                Goal::Answer => StreamGoal::Answer,
                Goal::Beep => StreamGoal::Beep,
                Goal::Voicemail => StreamGoal::Voicemail,
            },
            (None, None) => config.streams.goal,
        };
        let listen = |listen: &Listen| {
            let mut listen = listen.clone();
            if let Some(active) = &grammar {
                let settings = &active.grammar.settings;
                listen.confidence_threshold = settings.confidence_threshold.unwrap_or(listen.confidence_threshold);
                listen.speed_vs_accuracy = settings.speed_vs_accuracy.unwrap_or(listen.speed_vs_accuracy);
            }
            listen
        };
        // Who waits for the moment to speak knows who answered.
        let answer = Listen { goal: Goal::Answer, provisional: true, ..listen(&config.answer) };
        let beep = Listen { goal: Goal::Beep, ..listen(&config.beep) };
        Ok(Self {
            answer: (goal != StreamGoal::Beep).then_some(answer),
            beep: (goal != StreamGoal::Answer).then_some(beep),
            grammar,
        })
    }

    /// What an outcome means by the grammar; `None` where there is no grammar, or it doesn't match.
    pub(super) fn meaning(&self, outcome: &Outcome) -> Option<serde_json::Value> {
        let found = self.grammar.as_ref()?.grammar.interpret(outcome.label, outcome).ok()??;
        serde_json::to_value(found.meaning).ok()
    }
}

fn builtin(uri: &str) -> Result<Active, String> {
    let body = Body { media_type: "text/uri-list", bytes: uri.as_bytes(), ..Body::default() };
    match resolve(&body, &Store::new(0), &Documents::new()) {
        Ok(Resolution::Done(mut resolved)) => {
            resolved.active.retain(|active| active.grammar.mode == Mode::Voice);
            resolved
                .active
                .pop()
                .filter(|_| resolved.active.is_empty())
                .ok_or_else(|| format!("grammar {uri:?}: one builtin grammar of words is needed"))
        }
        Ok(Resolution::Needs(_)) => Err(format!("grammar {uri:?} is not fetched: streams know builtin grammars")),
        Err(error) => Err(format!("grammar {uri:?}: {error}")),
    }
}
