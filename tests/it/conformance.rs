//! What RFC 6787 asks of a recognizer, section by section: `docs/conformance.md` has the list, and names a test for each
//! line. The tests here are those that no other file has for its own reasons.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use answerd::detect::{End, InputType, Label};
use answerd::session::{Config, Waveform};
use answerd::wire::mrcp::{EventName, HeaderName, RequestId};
use proptest::prelude::*;

use crate::recognizer::{Recognizer, cause, is_last, lines, status};

const SECOND: Duration = Duration::from_secs(1);

/// A grammar of two labels.
const INLINE: &str = "Content-Type: application/srgs+xml   | <grammar root=\"r\"><rule id=\"r\"><one-of><item>human</item>\
                      <item>machine</item></one-of></rule></grammar>";

fn source_files(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(&path).unwrap());
        }
    }
}

/// Every `fn` that stands below a `#[test]`, `#[tokio::test]` or in a `proptest!`.
fn functions() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    source_files(&root.join("src"), &mut sources);
    source_files(&root.join("tests"), &mut sources);
    let mut found = BTreeSet::new();
    for source in sources {
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            if ["#[test]", "#[tokio::test"].iter().any(|mark| line.trim_start().starts_with(mark))
                && let Some(name) =
                    lines.by_ref().find_map(|line| line.trim_start().trim_start_matches("async ").strip_prefix("fn "))
            {
                found.insert(name.split(['(', '<']).next().unwrap().to_owned());
            }
        }
    }
    found
}

/// A row of docs/conformance.md: number, sentence, proof.
type Row = [String; 3];

/// The lines of the list, and the completion causes.
fn rows() -> (Vec<Row>, Vec<Row>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .filter_map(|line| {
            let cells: Vec<String> =
                line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").map(|cell| cell.trim().to_owned()).collect();
            let cells: [String; 3] = cells.try_into().unwrap_or_else(|cells| panic!("{cells:?}: three cells"));
            cells[0].starts_with(|c: char| c.is_ascii_digit()).then_some(cells)
        })
        .partition(|[number, ..]| number.contains('-'))
}

#[test]
fn every_line_of_the_list_names_tests_that_exist_or_says_why_not() {
    let functions = functions();
    let mut numbers = BTreeSet::new();
    let mut wrong = Vec::new();
    let (lines, causes) = rows();
    let codes: Vec<String> = (0..=16).map(|code| format!("{code:03}")).collect();
    assert!(causes.iter().map(|[code, ..]| code).eq(&codes), "every cause has its row");
    for [number, sentence, proof] in lines.iter().chain(&causes) {
        let (section, count) = number.rsplit_once('-').unwrap_or(("0", number));
        let dotted = section.split('.').all(|part| part.parse::<u32>().is_ok());
        if !dotted || count.parse::<u32>().is_err() || !numbers.insert(number.clone()) {
            wrong.push(format!("{number}: not a number of its own"));
        }
        if sentence.is_empty() {
            wrong.push(format!("{number}: says nothing"));
        }
        let named: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        let excused = ["gap: ", "not had: ", "binds clients: "].iter().any(|word| proof.starts_with(word));
        if named.is_empty() && !excused {
            wrong.push(format!("{number}: no test, no reason"));
        }
        for test in named.into_iter().filter(|_| !excused) {
            if !functions.contains(test) {
                wrong.push(format!("{number}: there is no test {test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(lines.len() > 130, "{}", lines.len());
}

#[test]
fn sections_come_in_their_order() {
    let numbers: Vec<Vec<u32>> = rows()
        .0
        .iter()
        .map(|[number, ..]| number.split(['.', '-']).map(|part| part.parse().unwrap()).collect())
        .collect();
    // 5.1-2 goes before 5.1.1-1: compare section by section, then the count.
    let key = |number: &Vec<u32>| {
        let (count, section) = number.split_last().unwrap();
        (section.to_vec(), *count)
    };
    for pair in numbers.windows(2) {
        assert!(key(&pair[0]) < key(&pair[1]), "{pair:?}");
    }
}

// Section 5.

#[test]
fn requests_out_of_order_or_repeated_are_refused_over_all_channels() {
    let mut recognizer = Recognizer::new();
    let other = recognizer.second_channel();
    assert_eq!(status(&recognizer.ask("GET-PARAMS 5   No-Input-Timeout:")), "200 COMPLETE");
    assert_eq!(status(&recognizer.ask("GET-PARAMS 5   No-Input-Timeout:")), "410 COMPLETE");
    assert_eq!(status(&recognizer.ask_on(&other, "GET-PARAMS 4   No-Input-Timeout:")), "410 COMPLETE");
    assert_eq!(status(&recognizer.ask_on(&other, "GET-PARAMS 4294967295   No-Input-Timeout:")), "200 COMPLETE");
    // The numbers do not wrap.
    assert_eq!(status(&recognizer.ask("GET-PARAMS 0   No-Input-Timeout:")), "410 COMPLETE");
}

#[test]
fn a_refused_recognize_or_define_grammar_has_a_completion_cause() {
    let mut recognizer = Recognizer::new();
    recognizer.ask("RECOGNIZE 10   | builtin:speech/answer");
    for text in [
        "RECOGNIZE 9   | builtin:speech/answer",
        "DEFINE-GRAMMAR 9   Content-ID: a   | builtin:speech/answer",
        "DEFINE-GRAMMAR 11   Content-ID: a   | builtin:speech/answer",
        "RECOGNIZE 12",
        "RECOGNIZE 13   No-Input-Timeout: soon   | builtin:speech/answer",
        "RECOGNIZE 14   | builtin:speech/nothing",
        "RECOGNIZE 15   Content-Type: image/png   | x",
    ] {
        let response = recognizer.ask(text);
        assert!((400..500).contains(&response.status.0), "{text}: {response:?}");
        assert!(cause(&response.headers).is_some_and(|cause| cause > 0), "{text}: {response:?}");
        assert!(status(&response).ends_with(" COMPLETE"), "{text}");
    }
    let gone = answerd::wire::mrcp::ChannelIdentifier::new("f00d", answerd::wire::mrcp::Resource::Recorder);
    let response = recognizer.ask_on(&gone, "RECOGNIZE 20   | builtin:speech/answer");
    assert_eq!(status(&response), "405 COMPLETE");
    assert!(cause(&response.headers).is_some());
}

#[test]
fn events_carry_the_number_of_their_request() {
    let mut recognizer = Recognizer::new();
    assert_eq!(
        status(&recognizer.ask("RECOGNIZE 7   Cancel-If-Queue: false   | builtin:speech/answer")),
        "200 IN-PROGRESS"
    );
    assert_eq!(
        status(&recognizer.ask("RECOGNIZE 9   Cancel-If-Queue: false   | builtin:speech/answer")),
        "200 PENDING"
    );
    for id in [7, 9] {
        recognizer.starts(InputType::Speech);
        let event = recognizer.one();
        assert_eq!((event.id, &event.name, is_last(&event)), (RequestId(id), &EventName::StartOfInput, false));
        recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
        let event = recognizer.one();
        assert_eq!((event.id, &event.name, is_last(&event)), (RequestId(id), &EventName::RecognitionComplete, true));
    }
}

// Section 6.

#[test]
fn set_params_answers_by_the_worst_header() {
    let mut recognizer = Recognizer::new();
    for (text, expected, returned) in [
        ("SET-PARAMS 1   No-Input-Timeout: 4000   Sensitivity-Level: 0.2", "200 COMPLETE", &[][..]),
        ("SET-PARAMS 2   No-Input-Timeout: 5s", "404 COMPLETE", &["No-Input-Timeout: 5s"]),
        ("SET-PARAMS 3   Voice-Gender: male", "403 COMPLETE", &["Voice-Gender: male"]),
        ("SET-PARAMS 4   Recognition-Timeout: 99999999999", "409 COMPLETE", &["Recognition-Timeout: 99999999999"]),
        (
            "SET-PARAMS 5   Voice-Gender: male   No-Input-Timeout: 5s   Recognition-Timeout: 99999999999",
            "404 COMPLETE",
            &["No-Input-Timeout: 5s"],
        ),
        (
            "SET-PARAMS 6   Recognition-Timeout: 99999999999   Voice-Gender: male",
            "403 COMPLETE",
            &["Voice-Gender: male"],
        ),
        // As they came, however odd.
        ("SET-PARAMS 7   voice-GENDER: 50%, \"x\"", "403 COMPLETE", &["voice-GENDER: 50%, \"x\""]),
    ] {
        let response = recognizer.ask(text);
        assert_eq!(status(&response), expected, "{text}");
        assert_eq!(lines(&response.headers), returned, "{text}");
    }
    // What was refused has set nothing.
    let response = recognizer.ask("GET-PARAMS 8   No-Input-Timeout:   Recognition-Timeout:   Sensitivity-Level:");
    assert_eq!(status(&response), "200 COMPLETE");
    assert_eq!(
        lines(&response.headers),
        ["No-Input-Timeout: 4000", "Recognition-Timeout: 10000", "Sensitivity-Level: 0.2"]
    );
}

#[test]
fn what_set_params_sets_does_not_touch_what_runs_or_says_otherwise() {
    let mut recognizer = Recognizer::new();
    recognizer.ask("RECOGNIZE 1   Recognition-Timeout: 7000   | builtin:speech/answer");
    recognizer.ask("SET-PARAMS 2   Recognition-Timeout: 9000");
    assert_eq!(recognizer.listens[0].1.recognition_timeout_ms, Some(7000));
    assert_eq!((recognizer.listens.len(), recognizer.unlistened.len()), (1, 0));
    recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
    recognizer.ask("RECOGNIZE 3   Recognition-Timeout: 8000   | builtin:speech/answer");
    recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
    recognizer.ask("RECOGNIZE 4   | builtin:speech/answer");
    let timeouts: Vec<_> = recognizer.listens.iter().map(|(_, listen)| listen.recognition_timeout_ms).collect();
    assert_eq!(timeouts, [Some(7000), Some(8000), Some(9000)]);
}

#[test]
fn get_params_returns_what_is_asked_or_everything() {
    let mut recognizer = Recognizer::new();
    recognizer.ask(
        "SET-PARAMS 1   Logging-Tag: caller-7   Vendor-Specific-Parameters: com.example.a=1;com.example.b=\"x y\"",
    );
    let response = recognizer.ask("GET-PARAMS 2   Logging-Tag:   Confidence-Threshold:");
    assert_eq!(lines(&response.headers), ["Logging-Tag: caller-7", "Confidence-Threshold: 0.5"]);
    let response = recognizer.ask("GET-PARAMS 3   Vendor-Specific-Parameters: com.example.b");
    assert_eq!(lines(&response.headers), ["Vendor-Specific-Parameters: com.example.b=\"x y\""]);
    let response = recognizer.ask("GET-PARAMS 4   Voice-Gender:   Logging-Tag:   Input-Waveform-URI:");
    assert_eq!(status(&response), "403 COMPLETE");
    assert_eq!(lines(&response.headers), ["Voice-Gender:", "Input-Waveform-URI:"]);
    let all = recognizer.ask("GET-PARAMS 5");
    for name in [
        "Accept",
        "Logging-Tag",
        "Confidence-Threshold",
        "Sensitivity-Level",
        "Speed-Vs-Accuracy",
        "N-Best-List-Length",
        "No-Input-Timeout",
        "Recognition-Timeout",
        "Speech-Complete-Timeout",
        "Speech-Incomplete-Timeout",
        "DTMF-Interdigit-Timeout",
        "DTMF-Term-Timeout",
        "DTMF-Term-Char",
        "DTMF-Buffer-Time",
        "Fetch-Timeout",
        "Save-Waveform",
        "Media-Type",
        "Vendor-Specific-Parameters",
    ] {
        assert!(all.headers.get(HeaderName::from_name(name).unwrap()).is_some(), "{name}: {all:?}");
    }
    // What is of one request alone is no parameter (section 6.1.2).
    assert!(all.headers.get(HeaderName::InputWaveformUri).is_none());
}

#[test]
fn a_body_that_is_of_no_use_is_ignored() {
    let mut recognizer = Recognizer::new();
    for text in [
        "SET-PARAMS 1   Content-Type: text/plain   No-Input-Timeout: 3000   | noise",
        "GET-PARAMS 2   Content-Type: text/plain   No-Input-Timeout:   | noise",
        "STOP 3   Content-Type: text/plain   | noise",
        "START-INPUT-TIMERS 4   Content-Type: text/plain   | noise",
    ] {
        assert_eq!(status(&recognizer.ask(text)), "200 COMPLETE", "{text}");
    }
}

#[test]
fn the_requests_that_a_method_touches_are_named_in_its_response() {
    let mut recognizer = Recognizer::new();
    let list = |response: &answerd::wire::mrcp::Response| {
        response.headers.get(HeaderName::ActiveRequestIdList).map(|list| list.replace(' ', ""))
    };
    assert_eq!(list(&recognizer.ask("STOP 1")), None);
    recognizer.ask("RECOGNIZE 2   Start-Input-Timers: false   | builtin:speech/answer");
    recognizer.ask("RECOGNIZE 3   | builtin:speech/answer");
    recognizer.ask("RECOGNIZE 4   | builtin:speech/answer");
    assert_eq!(list(&recognizer.ask("START-INPUT-TIMERS 5")).as_deref(), Some("2"));
    assert_eq!(list(&recognizer.ask("STOP 6   Active-Request-Id-List: 3")).as_deref(), Some("3"));
    assert_eq!(list(&recognizer.ask("STOP 7   Active-Request-Id-List: 3,99")), None);
    assert_eq!(list(&recognizer.ask("STOP 8")).as_deref(), Some("2,4"));
    // Nothing is told of them any more.
    recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
    recognizer.pass(60 * SECOND);
    assert!(recognizer.told().is_empty());
    recognizer.ask("RECOGNIZE 9   Cancel-If-Queue: true   | builtin:speech/answer");
    assert_eq!(list(&recognizer.ask("RECOGNIZE 10   | builtin:speech/answer")).as_deref(), Some("9"));
    let event = recognizer.one();
    assert_eq!((event.id, cause(&event.headers)), (RequestId(9), Some(11)));
}

#[test]
fn nlsml_is_the_default_and_sorted_best_first() {
    let mut recognizer = Recognizer::new();
    recognizer.ask("RECOGNIZE 1   N-Best-List-Length: 3   Confidence-Threshold: 0.1   | builtin:speech/answer");
    recognizer.starts(InputType::Speech);
    recognizer.concludes(End::Decided, &[(Label::Machine, 0.6), (Label::Human, 0.3), (Label::Ivr, 0.05)]);
    let event = recognizer.told().pop().unwrap();
    assert_eq!(event.headers.get(HeaderName::ContentType), Some("application/nlsml+xml"));
    let body = String::from_utf8(event.body.to_vec()).unwrap();
    assert!(body.contains("xmlns=\"urn:ietf:params:xml:ns:mrcpv2\""), "{body}");
    let confidences: Vec<f32> = body
        .split("<interpretation ")
        .skip(1)
        .map(|text| text.split("confidence=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
        .collect();
    // The third is below the threshold.
    assert_eq!(confidences, [0.6, 0.3], "{body}");
}

// Section 9.

#[test]
fn nothing_above_the_threshold_is_no_match() {
    let mut recognizer = Recognizer::new();
    recognizer.ask("RECOGNIZE 1   Confidence-Threshold: 0.9   | builtin:speech/answer");
    recognizer.concludes(End::Decided, &[(Label::Human, 0.89)]);
    assert_eq!(cause(&recognizer.one().headers), Some(1));
}

#[test]
fn the_timers_wait_for_start_input_timers() {
    let mut recognizer = Recognizer::new();
    recognizer.ask("RECOGNIZE 1   Start-Input-Timers: false   No-Input-Timeout: 3000   | builtin:speech/answer");
    assert!(!recognizer.listens[0].1.start_input_timers);
    recognizer.pass(30 * SECOND);
    assert!(recognizer.told().is_empty() && recognizer.timers_started.is_empty());
    assert_eq!(status(&recognizer.ask("START-INPUT-TIMERS 2")), "200 COMPLETE");
    assert_eq!(recognizer.timers_started, [recognizer.listens[0].0]);
    recognizer.concludes(End::NoInput, &[]);
    assert_eq!(cause(&recognizer.one().headers), Some(2));
    recognizer.ask("RECOGNIZE 3   Start-Input-Timers: true   | builtin:speech/answer");
    recognizer.concludes(End::NoInput, &[]);
    recognizer.ask("RECOGNIZE 4   | builtin:speech/answer");
    assert!(recognizer.listens[1].1.start_input_timers && recognizer.listens[2].1.start_input_timers);
}

#[test]
fn each_start_of_input_has_a_tag_of_its_own_and_says_what_came() {
    let mut recognizer = Recognizer::new();
    let mut tags = BTreeSet::new();
    for (id, input, word) in
        [(1, InputType::Speech, "speech"), (2, InputType::Dtmf, "dtmf"), (3, InputType::Speech, "speech")]
    {
        recognizer.ask(&format!("RECOGNIZE {id}   | builtin:speech/answer"));
        recognizer.starts(input);
        let event = recognizer.one();
        assert_eq!(event.headers.get(HeaderName::InputType), Some(word));
        tags.insert(event.headers.get(HeaderName::ProxySyncId).unwrap().to_owned());
        recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
        recognizer.told();
    }
    assert_eq!(tags.len(), 3);
}

#[test]
fn a_grammar_is_kept_replaced_and_taken_away_by_its_content_id() {
    let mut recognizer = Recognizer::new();
    let define = |id: u32, text: &str| format!("DEFINE-GRAMMAR {id}   Content-ID: <g@store>   {text}");
    let response = recognizer.ask(&define(1, INLINE));
    assert_eq!((status(&response).as_str(), cause(&response.headers)), ("200 COMPLETE", Some(0)));
    recognizer.ask("RECOGNIZE 2   | session:g@store");
    assert!(recognizer.listens[0].1.accepts.contains(Label::Machine));
    recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
    // For the whole session, also behind other grammars and recognitions.
    recognizer.ask("RECOGNIZE 3   | session:g@store");
    recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
    let fax = INLINE.replace("machine", "fax");
    assert_eq!(status(&recognizer.ask(&define(4, &fax))), "200 COMPLETE");
    recognizer.ask("RECOGNIZE 5   | session:g@store");
    let accepts = recognizer.listens[2].1.accepts;
    assert!(accepts.contains(Label::Fax) && !accepts.contains(Label::Machine));
    recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
    assert_eq!(status(&recognizer.ask(&define(6, ""))), "200 COMPLETE");
    let response = recognizer.ask("RECOGNIZE 7   | session:g@store");
    assert_eq!((status(&response).as_str(), cause(&response.headers)), ("407 COMPLETE", Some(4)));
    // As one that was never set: it can be set again.
    recognizer.ask(&define(8, INLINE));
    assert_eq!(status(&recognizer.ask("RECOGNIZE 9   | session:g@store")), "200 IN-PROGRESS");
}

#[test]
fn an_inline_grammar_of_a_recognize_is_kept_too() {
    let mut recognizer = Recognizer::new();
    recognizer.ask(&format!("RECOGNIZE 1   Content-ID: <g@store>   {INLINE}"));
    recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
    assert_eq!(status(&recognizer.ask("RECOGNIZE 2   | session:g@store")), "200 IN-PROGRESS");
}

#[test]
fn without_space_for_a_grammar_it_is_a_definition_failure() {
    let mut recognizer = Recognizer::with(Config { max_grammars: 1, ..Config::default() });
    recognizer.ask(&format!("DEFINE-GRAMMAR 1   Content-ID: <a@store>   {INLINE}"));
    for text in ["DEFINE-GRAMMAR 2", "RECOGNIZE 3"] {
        let response = recognizer.ask(&format!("{text}   Content-ID: <b@store>   {INLINE}"));
        assert_eq!((status(&response).as_str(), cause(&response.headers)), ("407 COMPLETE", Some(16)), "{text}");
    }
    // The one that is there can be replaced.
    let response = recognizer.ask(&format!("DEFINE-GRAMMAR 4   Content-ID: <a@store>   {INLINE}"));
    assert_eq!(status(&response), "200 COMPLETE");
}

#[test]
fn a_grammar_that_can_not_be_defined_is_407_with_its_cause() {
    let mut recognizer = Recognizer::new();
    for (text, expected) in [
        ("Content-Type: application/srgs+xml   | <grammar root=\"r\"><rule id=\"r\">", 5),
        ("Content-Type: application/x-jsgf   | #JSGF V1.0;", 4),
        ("| builtin:speech/nothing", 4),
    ] {
        let response = recognizer.ask(&format!("DEFINE-GRAMMAR 1   Content-ID: a   {text}"));
        assert_eq!(status(&response), "407 COMPLETE", "{text}");
        assert_eq!(cause(&response.headers), Some(expected), "{text}: {response:?}");
        recognizer = Recognizer::new();
    }
}

#[test]
fn a_grammar_is_not_defined_while_a_recognition_runs() {
    let mut recognizer = Recognizer::new();
    recognizer.ask("RECOGNIZE 1   | builtin:speech/answer");
    let response = recognizer.ask(&format!("DEFINE-GRAMMAR 2   Content-ID: a   {INLINE}"));
    assert_eq!((status(&response).as_str(), cause(&response.headers)), ("402 COMPLETE", Some(16)));
    recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
    let response = recognizer.ask(&format!("DEFINE-GRAMMAR 3   Content-ID: a   {INLINE}"));
    assert_eq!((status(&response).as_str(), cause(&response.headers)), ("200 COMPLETE", Some(0)));
}

#[test]
fn the_first_of_two_grammars_that_match_is_told() {
    let other = "DEFINE-GRAMMAR 1   Content-ID: <b@store>   Content-Type: application/srgs+xml   | <grammar root=\"r\">\
                 <rule id=\"r\">human</rule></grammar>";
    for (list, expected) in [
        ("| session:a@store\\nsession:b@store", "session:a@store"),
        ("| session:b@store\\nsession:a@store", "session:b@store"),
        (
            "Content-Type: text/grammar-ref-list   | <session:a@store>;weight=\"0.2\"\\n<session:b@store>;weight=\"2\"",
            "session:b@store",
        ),
    ] {
        let mut recognizer = Recognizer::new();
        recognizer.ask(other);
        recognizer.ask(&format!("DEFINE-GRAMMAR 2   Content-ID: <a@store>   {INLINE}"));
        assert_eq!(status(&recognizer.ask(&format!("RECOGNIZE 3   {list}"))), "200 IN-PROGRESS");
        recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
        let body = recognizer.one().body;
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains(&format!("grammar=\"{expected}\"")), "{list}: {body}");
    }
}

#[test]
fn a_recognition_that_fails_cancels_the_queue_and_a_match_does_not() {
    for (end, label, next) in [
        (End::Decided, Label::Human, "runs"),
        (End::MaxTime, Label::Human, "runs"),
        (End::NoInput, Label::Silence, "cancelled"),
        (End::Decided, Label::Unknown, "cancelled"),
    ] {
        let mut recognizer = Recognizer::new();
        recognizer.ask("RECOGNIZE 1   Cancel-If-Queue: false   | builtin:speech/boolean");
        recognizer.ask("RECOGNIZE 2   Cancel-If-Queue: false   | builtin:speech/boolean");
        recognizer.ask("RECOGNIZE 3   Cancel-If-Queue: false   | builtin:speech/boolean");
        recognizer.concludes(end, &[(label, 0.95)]);
        let told: Vec<_> = recognizer.told().iter().map(|event| (event.id.0, cause(&event.headers).unwrap())).collect();
        if next == "runs" {
            assert_eq!((told.len(), recognizer.listens.len()), (1, 2), "{end:?} {label}: {told:?}");
        } else {
            assert_eq!(told[1..], [(2, 11), (3, 11)], "{end:?} {label}");
            assert_eq!(recognizer.listens.len(), 1);
        }
    }
}

#[test]
fn the_causes_of_a_recognition_follow_its_end() {
    for (mode, end, labels, expected) in [
        ("normal", End::NoInput, &[][..], 2),
        ("normal", End::Decided, &[(Label::Human, 0.9)], 0),
        ("normal", End::Decided, &[(Label::Fax, 0.9)], 1),
        ("normal", End::MaxTime, &[(Label::Human, 0.9)], 8),
        ("normal", End::MaxTime, &[(Label::Fax, 0.9)], 15),
        ("hotword", End::NoInput, &[], 2),
        ("hotword", End::Decided, &[(Label::Human, 0.9)], 0),
        ("hotword", End::MaxTime, &[(Label::Human, 0.9)], 8),
        ("hotword", End::MaxTime, &[(Label::Fax, 0.9)], 3),
    ] {
        let mut recognizer = Recognizer::new();
        recognizer.ask(&format!("RECOGNIZE 1   Recognition-Mode: {mode}   | builtin:speech/boolean"));
        recognizer.starts(InputType::Speech);
        let told = recognizer.told();
        assert_eq!(told.len(), usize::from(mode == "normal"), "START-OF-INPUT is of the normal mode");
        recognizer.concludes(end, labels);
        let event = recognizer.one();
        assert_eq!(cause(&event.headers), Some(expected), "{mode} {end:?} {labels:?}");
        assert!(is_last(&event) && event.name == EventName::RecognitionComplete);
    }
}

#[test]
fn stop_is_always_a_success() {
    let mut recognizer = Recognizer::new();
    assert_eq!(status(&recognizer.ask("STOP 1")), "200 COMPLETE");
    recognizer.ask("RECOGNIZE 2   | builtin:speech/answer");
    assert_eq!(status(&recognizer.ask("STOP 3")), "200 COMPLETE");
    recognizer.ask("RECOGNIZE 4   | builtin:speech/answer");
    recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
    let response = recognizer.ask("STOP 5");
    assert_eq!(status(&response), "200 COMPLETE");
    assert!(response.headers.get(HeaderName::ActiveRequestIdList).is_none());
}

/// A grammar of keys: 1 2 3, or 4.
const KEYS: &str = "Content-ID: <k@store>   Content-Type: application/srgs+xml   | <grammar mode=\"dtmf\" root=\"r\">\
                    <rule id=\"r\"><one-of><item>1 2 3<tag>long</tag></item><item>4<tag>short</tag></item></one-of></rule></grammar>";

#[test]
fn keys_and_words_in_one_recognition() {
    for keys in [true, false] {
        let mut recognizer = Recognizer::new();
        recognizer.ask(&format!("DEFINE-GRAMMAR 1   {KEYS}"));
        let response = recognizer.ask("RECOGNIZE 2   | session:k@store\\nbuiltin:speech/answer");
        assert_eq!(status(&response), "200 IN-PROGRESS");
        assert!(recognizer.listens[0].1.speech);
        if keys {
            recognizer.keys("123");
        } else {
            recognizer.starts(InputType::Speech);
            recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
        }
        let [start, end] = &recognizer.told()[..] else { panic!("START-OF-INPUT and RECOGNITION-COMPLETE") };
        let word = if keys { "dtmf" } else { "speech" };
        assert_eq!(start.headers.get(HeaderName::InputType), Some(word));
        assert_eq!(cause(&end.headers), Some(0));
        let body = String::from_utf8_lossy(&end.body);
        assert!(body.contains(if keys { "long" } else { "human" }), "{body}");
        assert!(body.contains(&format!("mode=\"{word}\"")), "{body}");
    }
}

#[test]
fn keys_that_came_before_are_taken_or_cleared() {
    for (clear, expected) in [(false, Some(0)), (true, None)] {
        let mut recognizer = Recognizer::new();
        recognizer.ask(&format!("DEFINE-GRAMMAR 1   {KEYS}"));
        recognizer.keys("4");
        recognizer.pass(SECOND);
        recognizer.ask(&format!("RECOGNIZE 2   Clear-DTMF-Buffer: {clear}   | session:k@store"));
        let end = recognizer.told().into_iter().find(|event| event.name == EventName::RecognitionComplete);
        assert_eq!(end.and_then(|end| cause(&end.headers)), expected, "Clear-DTMF-Buffer: {clear}");
    }
    // Not longer than DTMF-Buffer-Time.
    let mut recognizer = Recognizer::new();
    recognizer.ask(&format!("DEFINE-GRAMMAR 1   {KEYS}"));
    recognizer.ask("SET-PARAMS 2   DTMF-Buffer-Time: 2000");
    recognizer.keys("4");
    recognizer.pass(3 * SECOND);
    recognizer.ask("RECOGNIZE 3   | session:k@store");
    assert!(recognizer.told().is_empty());
}

#[test]
fn partial_keys_are_a_partial_match() {
    for (headers, expected) in
        [("DTMF-Interdigit-Timeout: 2000", 13), ("DTMF-Interdigit-Timeout: 9000   Recognition-Timeout: 4000", 14)]
    {
        let mut recognizer = Recognizer::new();
        recognizer.ask(&format!("DEFINE-GRAMMAR 1   {KEYS}"));
        recognizer.ask(&format!("RECOGNIZE 2   {headers}   | session:k@store"));
        recognizer.keys("12");
        recognizer.told();
        recognizer.pass(5 * SECOND);
        assert_eq!(cause(&recognizer.one().headers), Some(expected), "{headers}");
    }
}

#[test]
fn early_no_match_is_asked_of_detection() {
    let mut recognizer = Recognizer::new();
    recognizer.ask("RECOGNIZE 1   Early-No-Match: true   | builtin:speech/boolean");
    recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
    recognizer.ask("RECOGNIZE 2   | builtin:speech/boolean");
    let asked: Vec<bool> = recognizer.listens.iter().map(|(_, listen)| listen.early_no_match).collect();
    assert_eq!(asked, [true, false]);
    // And of keys.
    let mut recognizer = Recognizer::new();
    recognizer.ask(&format!("DEFINE-GRAMMAR 1   {KEYS}"));
    recognizer.ask("RECOGNIZE 2   Early-No-Match: true   | session:k@store");
    recognizer.keys("9");
    assert_eq!(cause(&recognizer.told().pop().unwrap().headers), Some(1));
}

#[test]
fn text_is_interpreted() {
    let mut recognizer = Recognizer::new();
    let grammar = "Content-ID: <i@store>   Content-Type: application/srgs+xml   | <grammar root=\"r\"><rule id=\"r\">may I \
                   speak to <one-of><item>Michel Tremblay</item><item>Andre Roy<tag>out=\"AR\"</tag></item></one-of></rule></grammar>";
    let response = recognizer.ask(&format!("INTERPRET 1   Interpret-Text: may I speak to Andre Roy   {grammar}"));
    assert_eq!(status(&response), "200 IN-PROGRESS");
    let event = recognizer.one();
    assert_eq!((&event.name, event.id, is_last(&event)), (&EventName::InterpretationComplete, RequestId(1), true));
    assert_eq!(cause(&event.headers), Some(0));
    let body = String::from_utf8_lossy(&event.body).into_owned();
    assert!(body.contains("may I speak to Andre Roy") && body.contains("grammar=\"session:i@store\""), "{body}");

    recognizer.ask("INTERPRET 2   Interpret-Text: good morning   | session:i@store");
    assert_eq!(cause(&recognizer.one().headers), Some(1));
    assert_eq!(status(&recognizer.ask("INTERPRET 3   | session:i@store")), "406 COMPLETE");
    recognizer.ask("RECOGNIZE 4   | builtin:speech/answer");
    let response = recognizer.ask("INTERPRET 5   Interpret-Text: may I speak to Andre Roy   | session:i@store");
    assert_eq!(status(&response), "402 COMPLETE");
    assert!(recognizer.told().is_empty());
}

#[test]
fn results_are_told_again() {
    let mut recognizer = Recognizer::new();
    assert_eq!(status(&recognizer.ask("GET-RESULT 1")), "402 COMPLETE");
    recognizer.ask("RECOGNIZE 2   | builtin:speech/answer");
    assert_eq!(status(&recognizer.ask("GET-RESULT 3")), "402 COMPLETE");
    recognizer.concludes(End::Decided, &[(Label::Machine, 0.6), (Label::Human, 0.3)]);
    let first = recognizer.one();
    // As often as it is asked for, and after a long time.
    recognizer.pass(3600 * SECOND);
    let again = recognizer.ask("GET-RESULT 4");
    assert_eq!((status(&again).as_str(), again.body), ("200 COMPLETE", first.body));
    let more = recognizer.ask("GET-RESULT 5   N-Best-List-Length: 2   Confidence-Threshold: 0.1");
    assert_eq!(String::from_utf8_lossy(&more.body).matches("<interpretation ").count(), 2);
    let none = recognizer.ask("GET-RESULT 6   Confidence-Threshold: 0.9");
    assert!(!String::from_utf8_lossy(&none.body).contains("<instance>machine"), "{none:?}");
    recognizer.ask("RECOGNIZE 7   | builtin:speech/answer");
    assert_eq!(status(&recognizer.ask("GET-RESULT 8")), "402 COMPLETE");
}

#[test]
fn a_saved_waveform_is_told_with_its_size_and_length() {
    for (save, uri, expected) in [
        (
            "Save-Waveform: true",
            "http://127.0.0.1/w/1.wav",
            Some("<http://127.0.0.1/w/1.wav>;size=44044;duration=5500"),
        ),
        ("Save-Waveform: true", "", Some("")),
        ("Save-Waveform: false", "", None),
    ] {
        let mut recognizer = Recognizer::new();
        recognizer.ask(&format!("RECOGNIZE 1   {save}   | builtin:speech/answer"));
        assert_eq!(recognizer.listens[0].1.record, expected.is_some());
        if expected.is_some() {
            recognizer.recorded(Waveform { uri: uri.to_owned(), bytes: 44_044, ms: 5_500 });
        }
        recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
        assert_eq!(recognizer.one().headers.get(HeaderName::WaveformUri), expected, "{save} {uri}");
    }
    // Nothing was recorded, whyever.
    let mut recognizer = Recognizer::new();
    recognizer.ask("SET-PARAMS 1   Save-Waveform: true");
    recognizer.ask("RECOGNIZE 2   | builtin:speech/answer");
    recognizer.concludes(End::NoInput, &[]);
    assert_eq!(recognizer.one().headers.get(HeaderName::WaveformUri), Some(""));
}

const ELSEWHERE: &str = "http://grammars.example.com/a.grxml";
const OTHER: &str = "http://grammars.example.com/b.grxml";

#[test]
fn documents_are_fetched_before_the_answer() {
    let words = |word: &str| format!("<grammar root=\"r\"><rule id=\"r\">{word}</rule></grammar>");
    for method in ["RECOGNIZE", "DEFINE-GRAMMAR"] {
        let mut recognizer = Recognizer::new();
        recognizer.ask("SET-PARAMS 1   Cache-Control: max-age=60   Fetch-Timeout: 3000");
        recognizer.ask_later(&format!(
            "{method} 2   Cache-Control: max-stale   Content-ID: <f@store>   | {ELSEWHERE}\\n{OTHER}"
        ));
        let mut wanted: Vec<_> = recognizer.fetches.iter().map(|(_, wanted)| wanted.clone()).collect();
        wanted.sort_by(|a, b| a.uri.cmp(&b.uri));
        assert_eq!(wanted.iter().map(|wanted| wanted.uri.as_str()).collect::<Vec<_>>(), [ELSEWHERE, OTHER]);
        for wanted in &wanted {
            // The request's own goes before the session's.
            assert_eq!((wanted.cache_control.as_deref(), wanted.timeout_ms), (Some("max-stale"), Some(3000)));
        }
        recognizer.fetched(OTHER, Ok(("application/srgs+xml", words("fax").as_bytes())));
        assert!(recognizer.responses().is_empty(), "one is missing still");
        recognizer.fetched(ELSEWHERE, Ok(("application/srgs+xml", words("human").as_bytes())));
        let response = recognizer.answered();
        if method == "RECOGNIZE" {
            assert_eq!(status(&response), "200 IN-PROGRESS");
        } else {
            assert_eq!((status(&response).as_str(), cause(&response.headers)), ("200 COMPLETE", Some(0)));
            recognizer.ask("RECOGNIZE 3   | session:f@store");
        }
        let accepts = recognizer.listens[0].1.accepts;
        assert!(accepts.contains(Label::Human) && accepts.contains(Label::Fax) && !accepts.contains(Label::Machine));
    }
}

#[test]
fn a_document_that_can_not_be_had_is_told() {
    for method in ["RECOGNIZE", "DEFINE-GRAMMAR"] {
        let mut recognizer = Recognizer::new();
        recognizer.ask_later(&format!("{method} 1   Content-ID: <f@store>   | {ELSEWHERE}\\n{OTHER}"));
        recognizer.fetched(OTHER, Err("404"));
        let response = recognizer.answered();
        assert_eq!((status(&response).as_str(), cause(&response.headers)), ("407 COMPLETE", Some(9)), "{method}");
        assert_eq!(response.headers.get(HeaderName::FailedUri), Some(OTHER));
        assert_eq!(response.headers.get(HeaderName::FailedUriCause), Some("404"));
        assert!(recognizer.fetches.is_empty(), "the other one is not needed any more");
        // One that never comes.
        recognizer.ask_later(&format!("{method} 2   Content-ID: <f@store>   | {ELSEWHERE}"));
        recognizer.pass(60 * SECOND);
        let response = recognizer.answered();
        assert_eq!((status(&response).as_str(), cause(&response.headers)), ("407 COMPLETE", Some(9)), "{method}");
        assert_eq!(response.headers.get(HeaderName::FailedUriCause), Some("timeout"));
    }
}

#[test]
fn a_context_block_goes_from_one_session_to_another() {
    let mut recognizer = Recognizer::new();
    recognizer.ask("SET-PARAMS 1   No-Input-Timeout: 7654   Vendor-Specific-Parameters: com.example.a=1");
    let block = recognizer.ask("GET-PARAMS 2   Recognizer-Context-Block:");
    assert_eq!(status(&block), "200 COMPLETE");
    let name = block.headers.get(HeaderName::RecognizerContextBlock).unwrap();
    assert_eq!(block.headers.get(HeaderName::ContentId), Some(name));
    assert_eq!(block.headers.get(HeaderName::ContentType), Some("application/octets"));
    assert!(name.contains("answerd"), "{name} is no other maker's");

    let body = String::from_utf8(block.body.to_vec()).unwrap().replace("\r\n", "\\n");
    let mut other = Recognizer::new();
    let content = "Content-Type: application/octets";
    let set = |id: u32, header: &str, content_id: &str, body: &str| {
        format!("SET-PARAMS {id}   Recognizer-Context-Block: {header}   Content-ID: {content_id}   {content}{body}")
    };
    for (id, header, content_id, body, expected) in [
        (1, name, name, String::new(), 406),
        (2, name, "<else@where>", format!("   | {body}"), 404),
        (3, "<else@where>", "<else@where>", format!("   | {body}"), 409),
    ] {
        assert_eq!(other.ask(&set(id, header, content_id, &body)).status.0, expected, "{id}");
    }
    assert_eq!(status(&other.ask(&set(4, name, name, &format!("   | {body}")))), "200 COMPLETE");
    let response = other.ask("GET-PARAMS 5   No-Input-Timeout:   Vendor-Specific-Parameters: com.example.a");
    assert_eq!(lines(&response.headers), ["No-Input-Timeout: 7654", "Vendor-Specific-Parameters: com.example.a=1"]);
}

#[test]
fn headers_that_do_nothing_are_told_by_201() {
    let mut recognizer = Recognizer::new();
    let response = recognizer.ask("RECOGNIZE 1   X-Unknown: 1   Voice-Gender: male   | builtin:speech/answer");
    assert_eq!(status(&response), "201 IN-PROGRESS");
    recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
    assert_eq!(
        status(&recognizer.ask(&format!("DEFINE-GRAMMAR 2   X-Unknown: 1   Content-ID: a   {INLINE}"))),
        "201 COMPLETE"
    );
    // A known header that has no place there.
    assert_eq!(
        status(&recognizer.ask("RECOGNIZE 3   DTMF-Buffer-Time: 1   | builtin:speech/answer")),
        "201 IN-PROGRESS"
    );
}

#[test]
fn speech_under_way_ends_it_where_that_is_asked() {
    let mut recognizer = Recognizer::new();
    recognizer.ask("RECOGNIZE 1   Vendor-Specific-Parameters: speech-too-early=true   | builtin:speech/answer");
    assert!(recognizer.listens[0].1.too_early);
    recognizer.concludes(End::TooEarly, &[]);
    assert_eq!(cause(&recognizer.one().headers), Some(7));
    recognizer.ask("RECOGNIZE 2   | builtin:speech/answer");
    assert!(!recognizer.listens[1].1.too_early);
}

#[test]
fn a_language_that_is_not_served_is_told() {
    let mut recognizer = Recognizer::with(Config { languages: vec!["en".to_owned()], ..Config::default() });
    for (id, language, expected) in [(1, "en-GB", "200 IN-PROGRESS"), (2, "de-CH", "407 COMPLETE")] {
        let text = format!("RECOGNIZE {id}   Content-ID: a   Speech-Language: {language}   {INLINE}");
        let response = recognizer.ask(&text);
        assert_eq!(status(&response), expected, "{language}");
        assert_eq!(cause(&response.headers), (id == 2).then_some(10));
        recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
    }
}

/// Requests, right and wrong, that leave `ID` open.
const REQUESTS: &[&str] = &[
    "SET-PARAMS ID   No-Input-Timeout: 900   Logging-Tag: x",
    "SET-PARAMS ID   No-Input-Timeout: never   Voice-Gender: male",
    "GET-PARAMS ID",
    "GET-PARAMS ID   Confidence-Threshold:   Voice-Age:",
    "DEFINE-GRAMMAR ID   Content-ID: <a@store>   Content-Type: application/srgs+xml   | <grammar root=\"r\"><rule id=\"r\">\
     human</rule></grammar>",
    "DEFINE-GRAMMAR ID   Content-ID: <a@store>",
    "DEFINE-GRAMMAR ID   | http://example.com/a.grxml",
    "RECOGNIZE ID   | session:a@store",
    "RECOGNIZE ID   Cancel-If-Queue: true   Save-Waveform: true   N-Best-List-Length: 3   | builtin:speech/answer",
    "RECOGNIZE ID   Recognition-Mode: hotword   | builtin:speech/boolean",
    "RECOGNIZE ID   Vendor-Specific-Parameters: result-format=json   | builtin:speech/voicemail",
    "RECOGNIZE ID   | http://example.com/a.grxml",
    "RECOGNIZE ID",
    "RECOGNIZE ID   Content-Type: image/gif   | x",
    "INTERPRET ID   Interpret-Text: human   | builtin:speech/boolean",
    "INTERPRET ID   Interpret-Text: nonsense   | builtin:speech/boolean",
    "GET-RESULT ID   Confidence-Threshold: 0.01   N-Best-List-Length: 5",
    "START-INPUT-TIMERS ID",
    "STOP ID",
    "STOP ID   Active-Request-Id-List: 1,2,3",
    "START-PHRASE-ENROLLMENT ID",
    "SPEAK ID",
];

proptest! {
    /// What the server says is checked in `recognizer::lawful`, message by message.
    #[test]
    fn what_is_told_is_lawful_whatever_comes(steps in proptest::collection::vec((0..40_usize, any::<u8>()), 1..40)) {
        let mut recognizer = Recognizer::new();
        let mut asked = BTreeSet::new();
        for (id, (step, detail)) in steps.into_iter().enumerate() {
            match step {
                30 => recognizer.starts(if detail % 2 == 0 { InputType::Speech } else { InputType::Dtmf }),
                31..=34 => {
                    let end = [End::Decided, End::NoInput, End::MaxTime, End::TooEarly][usize::from(detail % 4)];
                    let label = Label::ALL[usize::from(detail) % Label::ALL.len()];
                    recognizer.concludes(end, &[(label, f32::from(detail) / 255.0), (Label::Ivr, 0.1)]);
                }
                35 => recognizer.keys("1"),
                36 | 37 => recognizer.pass(u32::from(detail) * SECOND),
                38 => recognizer.recorded(Waveform { uri: "http://a/b".to_owned(), bytes: 1, ms: 1 }),
                39 => if let Some((_, wanted)) = recognizer.fetches.first() {
                    let uri = wanted.uri.clone();
                    let document = b"<grammar root=\"r\"><rule id=\"r\">machine</rule></grammar>";
                    recognizer.fetched(&uri, if detail < 99 { Err("404") } else { Ok(("application/srgs+xml", document)) });
                },
                _ => {
                    let id = u32::try_from(id).unwrap() + 1;
                    asked.insert(id);
                    recognizer.send(&REQUESTS[step % REQUESTS.len()].replace("ID", &id.to_string()));
                }
            }
        }
        // Documents that nobody brings run out.
        recognizer.pass(60 * SECOND);
        let answered: Vec<u32> = recognizer.responses().iter().map(|response| response.id.0).collect();
        let distinct: BTreeSet<u32> = answered.iter().copied().collect();
        prop_assert_eq!(answered.len(), distinct.len(), "answered twice");
        prop_assert_eq!(distinct, asked);
    }
}
