//! Message: a decision as JSON, and its signature.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use crate::engine::{BeepTimes, Decision};
use crate::grammar::result::{self, BeepResult};

/// What is posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// The same in each attempt: who has seen it needs not act again.
    pub(super) id: String,
    pub(super) body: String,
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    r#type: &'static str,
    /// Seconds since 1970.
    time: f64,
    door: &'static str,
    call_id: &'a str,
    call_uuid: Option<&'a str>,
    stage: &'static str,
    label: &'static str,
    voicemail_detected: bool,
    confidence: f64,
    method: &'static str,
    reason: &'a str,
    corrects: Option<&'static str>,
    decided_at_s: f64,
    speech_on_s: Option<f64>,
    greeting_end_s: Option<f64>,
    beep: Option<BeepResult>,
    speak_at_s: Option<f64>,
}

impl Message {
    /// The message of a decision. `instance` is this process's own.
    pub(super) fn new(instance: u64, decision: &Decision) -> Self {
        let id = format!("{instance:016x}-{}", decision.number);
        let times = &decision.times;
        let since_epoch = decision.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let body = Body {
            id: &id,
            r#type: "answerd.decision",
            time: result::round(since_epoch.as_secs_f64(), 1_000.0),
            door: decision.door.as_str(),
            call_id: &decision.call_id,
            call_uuid: decision.uuid.as_deref(),
            stage: decision.stage.as_str(),
            label: decision.label.as_str(),
            voicemail_detected: decision.is_voicemail(),
            confidence: result::confidence(decision.confidence),
            method: decision.method.as_str(),
            reason: &decision.reason,
            corrects: decision.corrects.map(|label| label.as_str()),
            decided_at_s: seconds(times.decided_ms),
            speech_on_s: times.speech_on_ms.map(seconds),
            greeting_end_s: times.greeting_end_ms.map(seconds),
            beep: times.beep.map(|BeepTimes { on_ms, off_ms, hz, level_db }| {
                BeepResult::new(seconds(on_ms), seconds(off_ms), hz, level_db)
            }),
            speak_at_s: times.speak_at_ms.map(seconds),
        };
        let body = serde_json::to_string(&body).expect("texts and finite numbers can be written as JSON");
        Self { id, body }
    }
}

fn seconds(ms: i64) -> f64 {
    // 52 bits of milliseconds are 100,000 years.
    ms as f64 / 1_000.0
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY` under the secret.
pub(super) fn signature(secret: &str, now: SystemTime, body: &str) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{seconds}.{body}").as_bytes());
    let digest = mac.finalize().into_bytes();
    let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("t={seconds},v1={hex}")
}
