//! What clients were seen to send, against the recognizer. `tests/data/README.md` says where the bytes come from.

use std::sync::Arc;
use std::time::Instant;

use crate::session::mrcp::tests::page::{channel, message};
use crate::session::{Config, ConnectionId, Output, Session};
use crate::wire::mrcp::{Message, Parser};

/// The answers to the requests of a file, one line each, and what is asked of detection.
fn answers(file: &str) -> Vec<String> {
    let mut parser = Parser::default();
    parser.feed(&std::fs::read(format!("tests/data/mrcp/{file}.mrcp")).unwrap());
    let mut session = Session::new(Arc::new(Config::default()));
    session.add_channel(channel());
    let mut told = Vec::new();
    while let Some(read) = parser.poll_message().unwrap() {
        let Message::Request(mut request) = read else { panic!("a client sends requests") };
        request.channel = channel();
        session.handle_request(Instant::now(), ConnectionId(1), request);
        while let Some(output) = session.poll_output() {
            match output {
                Output::Mrcp { message: sent, .. } => told.push(message(&sent.write())),
                Output::Listen { listen, .. } => told.push(format!("{listen:?}")),
                other => told.push(format!("{other:?}")),
            }
        }
    }
    told
}

#[test]
fn freeswitch_with_all_parameters() {
    let told = answers("freeswitch-recognize-all-params");
    assert_eq!(told[0], "1 200 IN-PROGRESS");
    for part in [
        "goal: Answer",
        "hotword: None",
        "confidence_threshold: 0.45",
        "sensitivity: 0.5",
        "speed_vs_accuracy: 0.6",
        "no_input_timeout_ms: Some(5000)",
        "recognition_timeout_ms: Some(10000)",
        "speech_complete_timeout_ms: Some(800)",
        "start_input_timers: false",
    ] {
        assert!(told[1].contains(part), "{part}: {}", told[1]);
    }
}

#[test]
fn freeswitch_with_grammars() {
    assert_eq!(
        answers("freeswitch-define-grammar"),
        [
            "1 200 COMPLETE   Completion-Cause: 000 success   Completion-Reason: \"no word of the grammar is a label that can \
          be told: it will never match\""
        ]
    );
    // One of two grammars is not there: the request fails as a whole, and says which.
    let told = answers("freeswitch-recognize-two");
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("1 407 COMPLETE   Completion-Cause: 004 grammar-load-failure"), "{}", told[0]);
    assert!(told[0].contains("builtin:speech/digits"), "{}", told[0]);
}

#[test]
fn asrclient() {
    let told = answers("asrclient-params");
    assert!(
        told[0].starts_with(
            "1 200 COMPLETE   Accept: application/nlsml+xml   Fetch-Timeout: 5000   Confidence-Threshold: 0.5"
        ),
        "{}",
        told[0]
    );
    assert_eq!(told[1], "2 200 COMPLETE");
    for part in ["Speech-Complete-Timeout: 400", "Recognition-Timeout: 20000", "DTMF-Term-Timeout: 3000"] {
        assert!(told[2].contains(part), "{part}: {}", told[2]);
    }
    let told = answers("asrclient-define-grammar");
    assert_eq!(told[0], "1 200 COMPLETE   Completion-Cause: 000 success");
    assert!(told[1].starts_with("2 407 COMPLETE   Completion-Cause: 004 grammar-load-failure"), "{}", told[1]);
}

#[test]
fn umc() {
    let told = answers("umc-params");
    assert_eq!(told[0], "1 200 COMPLETE");
    assert_eq!(
        told[1],
        "2 200 COMPLETE   Confidence-Threshold: 0.4   Sensitivity-Level: 0.531   Speed-Vs-Accuracy: 0.5   \
         N-Best-List-Length: 5   No-Input-Timeout: 5000"
    );
    assert_eq!(
        told[3],
        "4 200 COMPLETE   Recognition-Timeout: 5000   Speech-Complete-Timeout: 1000   Speech-Incomplete-Timeout: 2000   \
         DTMF-Interdigit-Timeout: 3000"
    );
    assert_eq!(told[4], "5 200 COMPLETE");
    assert!(told[5].contains("speedvsaccuracy=0.789") && told[5].contains("sensitivity=0.500"), "{}", told[5]);
    let told = answers("umc-recognize-inline");
    assert!(told[0].starts_with("1 200 IN-PROGRESS   Completion-Reason: \"no word"), "{}", told[0]);
    assert_eq!(answers("umc-stop"), ["3 200 COMPLETE"]);
}
