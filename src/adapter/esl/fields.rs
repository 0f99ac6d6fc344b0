//! Fields: what a decision fills into templates, variables and events. No value can end its place.

use std::time::UNIX_EPOCH;

use crate::engine::Decision;

/// Names and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields(Vec<(&'static str, String)>);

/// Fields of a call of which nothing is decided yet.
pub(super) const CALL: [&str; 2] = ["uuid", "server"];

/// Fields of a decision.
pub(super) const DECISION: [&str; 20] = [
    "uuid",
    "server",
    "number",
    "label",
    "confidence",
    "method",
    "reason",
    "stage",
    "corrects",
    "decided_ms",
    "speech_on_ms",
    "greeting_end_ms",
    "speak_at_ms",
    "beep",
    "beep_on_ms",
    "beep_off_ms",
    "beep_hz",
    "beep_level_db",
    "time",
    "call_id",
];

impl Fields {
    /// Each name with its value.
    fn new<const N: usize>(names: [&'static str; N], values: [String; N]) -> Self {
        Self(names.into_iter().zip(values).collect())
    }

    /// Those of a call.
    pub(super) fn of_call(uuid: &str, server: &str) -> Self {
        Self::new(CALL, [plain(uuid), plain(server)])
    }

    /// Those of a decision about the call `uuid`. What did not happen is empty.
    pub(super) fn of_decision(uuid: &str, server: &str, decision: &Decision) -> Self {
        let optional = |ms: Option<i64>| ms.map(|ms| ms.to_string()).unwrap_or_default();
        let times = &decision.times;
        let beep = times.beep;
        let since_epoch = decision.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let values = [
            plain(uuid),
            plain(server),
            decision.number.to_string(),
            decision.label.as_str().to_owned(),
            format!("{:.2}", decision.confidence.clamp(0.0, 1.0)),
            decision.method.as_str().to_owned(),
            plain(&decision.reason),
            decision.stage.as_str().to_owned(),
            decision.corrects.map(|label| label.as_str().to_owned()).unwrap_or_default(),
            times.decided_ms.to_string(),
            optional(times.speech_on_ms),
            optional(times.greeting_end_ms),
            optional(times.speak_at_ms),
            beep.is_some().to_string(),
            optional(beep.map(|beep| beep.on_ms)),
            optional(beep.map(|beep| beep.off_ms)),
            beep.map(|beep| format!("{:.1}", beep.hz)).unwrap_or_default(),
            beep.map(|beep| format!("{:.1}", beep.level_db)).unwrap_or_default(),
            format!("{:.3}", since_epoch.as_secs_f64()),
            plain(&decision.call_id),
        ];
        Self::new(DECISION, values)
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

/// A text with which nothing can be done but to read it: what separates, quotes, escapes or expands at the server (`;` of
/// `uuid_setvar_multi`, `'`, `\`, `${..}`, line ends) becomes `_`, and so does all that is not ASCII.
pub(super) fn plain(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || " .,:/_-+@()[]".contains(c);
    text.chars().map(|c| if harmless(c) { c } else { '_' }).take(LONGEST).collect()
}

/// Longest value in characters.
const LONGEST: usize = 512;
