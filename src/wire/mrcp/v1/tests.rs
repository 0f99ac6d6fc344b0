//! MRCPv1 as it is written, and what becomes of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::wire::mrcp::{self, ChannelIdentifier, CompletionCause, HeaderName, Method, RequestState, StatusCode};

/// Numbers of the client by those of the server.
struct Known(BTreeMap<u32, u64>);

impl Ids for Known {
    fn of_client(&self, id: RequestId) -> mrcp::RequestId {
        let known = self.0.iter().find(|(_, client)| **client == id.0).map(|(server, _)| *server);
        mrcp::RequestId(known.unwrap_or(0))
    }

    fn of_server(&self, id: mrcp::RequestId) -> Option<RequestId> {
        self.0.get(&id.0).copied().map(RequestId)
    }
}

fn known() -> Known {
    Known([(1, 543_257), (2, 543_258), (3, 7)].into())
}

fn channel() -> ChannelIdentifier {
    ChannelIdentifier::parse("a@speechrecog").unwrap()
}

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// A request of MRCPv1, as MRCPv2 writes it.
fn into_v2(text: &str) -> String {
    let Message::Request(request) = parse(&crlf(text)).unwrap() else { panic!("no request") };
    let request = request_into_v2(request, channel(), mrcp::RequestId(9), &known());
    let text = String::from_utf8(request.write()).unwrap().replace('\r', "");
    let (line, rest) = text.split_once('\n').unwrap();
    let line = line.split_once(' ').unwrap().1.split_once(' ').unwrap().1;
    format!("{line}\n{rest}")
}

/// A response or an event of MRCPv2, as MRCPv1 writes it.
fn from_v2(text: &str, scale: Scale) -> String {
    let (head, body) = text.split_once("\n\n").unwrap();
    let (line, fields) = head.split_once('\n').unwrap_or((head, ""));
    let words: Vec<&str> = line.split(' ').collect();
    let mut headers = mrcp::Headers::new();
    for field in fields.lines() {
        let (name, value) = field.split_once(": ").unwrap();
        headers.push_named(name, value);
    }
    let number = |word: &str| mrcp::RequestId::parse(word).unwrap();
    let state = |word: &str| RequestState::from_name(word).unwrap();
    let id = RequestId(543_257);
    let bytes = match words[..] {
        [id_word, status, state_word] if id_word.parse::<u32>().is_ok() => {
            let status = StatusCode(status.parse().unwrap());
            let mut response = mrcp::Response::new(channel(), number(id_word), status, state(state_word));
            response.headers = headers;
            response.body = body.to_owned().into();
            response_from_v2(&response, id, &known(), scale).write()
        }
        [name, id_word, state_word] => {
            let name = mrcp::EventName::from_name(name);
            let mut event = mrcp::Event::new(channel(), name, number(id_word), state(state_word));
            event.headers = headers;
            event.body = body.to_owned().into();
            event_from_v2(&event, id, &known(), scale).write()
        }
        _ => panic!("{line}"),
    };
    String::from_utf8(bytes).unwrap().replace('\r', "")
}

#[track_caller]
fn check(left: String, right: &str) {
    assert_eq!(left, right);
}

/// The examples of RFC 4463 sections 8.8 to 8.14, with their lengths counted.
#[test]
fn the_examples_of_the_rfc() {
    let recognize = "RECOGNIZE 543257 MRCP/1.0\nConfidence-Threshold:90\nContent-Type:application/grammar+xml\n\
                     Content-Id:request1@form-level.store\nContent-Length:10\n\n<grammar/>";
    check(
        into_v2(recognize),
        "RECOGNIZE 9\nChannel-Identifier: a@speechrecog\nConfidence-Threshold: 0.90\n\
         Content-Type: application/srgs+xml\nContent-ID: request1@form-level.store\nContent-Length: 10\n\n<grammar/>",
    );
    check(
        into_v2("GET-RESULT 543257 MRCP/1.0\nConfidence-Threshold:90\n\n"),
        "GET-RESULT 9\nChannel-Identifier: a@speechrecog\nConfidence-Threshold: 0.90\n\n",
    );
    check(
        into_v2(
            "RECOGNIZE 543260 MRCP/1.0\nN-Best-List-Length:2\nContent-Type:text/uri-list\nContent-Length:9\n\nsession:a",
        ),
        "RECOGNIZE 9\nChannel-Identifier: a@speechrecog\nN-Best-List-Length: 2\nContent-Type: text/uri-list\n\
         Content-Length: 9\n\nsession:a",
    );
    check(
        from_v2("1 200 COMPLETE\nCompletion-Cause: 000 success\n\n", Scale::Percent),
        "MRCP/1.0 543257 200 COMPLETE\nCompletion-Cause: 000 success\n\n",
    );
    check(
        from_v2("2 200 COMPLETE\nActive-Request-Id-List: 1,2\n\n", Scale::Percent),
        "MRCP/1.0 543257 200 COMPLETE\nActive-Request-Id-List: 543257,543258\n\n",
    );
    check(
        from_v2("START-OF-INPUT 1 IN-PROGRESS\n\n", Scale::Percent),
        "START-OF-SPEECH 543257 IN-PROGRESS MRCP/1.0\n\n",
    );
    check(
        from_v2(
            "RECOGNITION-COMPLETE 1 COMPLETE\nCompletion-Cause: 000 success\n\
             Waveform-URI: <http://web.media.com/session123/audio.wav>;size=4242;duration=25\n\n",
            Scale::Percent,
        ),
        "RECOGNITION-COMPLETE 543257 COMPLETE MRCP/1.0\nCompletion-Cause: 000 success\n\
         Waveform-URL: http://web.media.com/session123/audio.wav\n\n",
    );
}

#[test]
fn requests_have_other_names() {
    check(
        into_v2("RECOGNITION-START-TIMERS 2 MRCP/1.0\n\n"),
        "START-INPUT-TIMERS 9\nChannel-Identifier: a@speechrecog\n\n",
    );
    check(
        into_v2(
            "recognize 2 mrcp/1.0\nrecognizer-start-timers: false\nNo-Input-Timeout: 5000\nSensitivity-Level: 0\n\
             Speed-Vs-Accuracy: 100\nAccept: application/x-nlsml;q=1, application/json\nX-Other: 1\n\n",
        ),
        "RECOGNIZE 9\nChannel-Identifier: a@speechrecog\nStart-Input-Timers: false\nNo-Input-Timeout: 5000\n\
         Sensitivity-Level: 0.00\nSpeed-Vs-Accuracy: 1.00\nAccept: application/nlsml+xml;q=1, application/json\n\
         X-Other: 1\n\n",
    );
    // Names that only MRCPv2 has are no names here.
    let text =
        crlf("START-INPUT-TIMERS 1 MRCP/1.0\nStart-Input-Timers: true\nWaveform-URI: a\nChannel-Identifier: b@c\n\n");
    let Message::Request(request) = parse(&text).unwrap() else { panic!("no request") };
    let request = request_into_v2(request, channel(), mrcp::RequestId(9), &known());
    assert_eq!(request.method, Method::Other("START-INPUT-TIMERS".to_owned()));
    assert!(request.headers.iter().all(|field| matches!(field.name, mrcp::FieldName::Other(_))), "{request:?}");
    // What UniMRCP's clients have from MRCPv2 in MRCPv1 passes.
    check(
        into_v2("INTERPRET 2 MRCP/1.0\nInterpret-Text: yes\nRecognition-Mode: hotword\n\n"),
        "INTERPRET 9\nChannel-Identifier: a@speechrecog\nInterpret-Text: yes\nRecognition-Mode: hotword\n\n",
    );
}

#[test]
fn a_stop_names_requests_by_the_clients_numbers() {
    check(
        into_v2("STOP 8 MRCP/1.0\nActive-Request-Id-List: 543257, 7,99\n\n"),
        "STOP 9\nChannel-Identifier: a@speechrecog\nActive-Request-Id-List: 1,3,0\n\n",
    );
    // A list that can't be read is the recognizer's to refuse.
    check(
        into_v2("STOP 8 MRCP/1.0\nActive-Request-Id-List: a,7\n\n"),
        "STOP 9\nChannel-Identifier: a@speechrecog\nActive-Request-Id-List: a,7\n\n",
    );
}

#[test]
fn values_that_are_refused_come_back_as_they_were() {
    let illegal = |value: &str| {
        let text = into_v2(&format!("SET-PARAMS 1 MRCP/1.0\nConfidence-Threshold: {value}\n\n"));
        let field = text.lines().last().filter(|line| !line.is_empty()).or_else(|| text.lines().nth(2)).unwrap();
        let value = field.strip_prefix("Confidence-Threshold: ").unwrap().to_owned();
        assert!(HeaderName::ConfidenceThreshold.kind().check(&value).is_err(), "{value}");
        from_v2(&format!("1 404 COMPLETE\nConfidence-Threshold: {value}\n\n"), Scale::Percent)
    };
    for value in ["101", "150", "4000", "abc", "-1"] {
        check(illegal(value), &format!("MRCP/1.0 543257 404 COMPLETE\nConfidence-Threshold: {value}\n\n"));
    }
}

#[test]
fn get_params_with_empty_values() {
    check(
        into_v2("GET-PARAMS 2 MRCP/1.0\nConfidence-Threshold: \nRecognizer-Start-Timers:\n\n"),
        "GET-PARAMS 9\nChannel-Identifier: a@speechrecog\nConfidence-Threshold: \nStart-Input-Timers: \n\n",
    );
}

#[test]
fn causes() {
    let told = |cause: u16, reason: &str| {
        let cause = CompletionCause(cause).to_string();
        let event = format!("RECOGNITION-COMPLETE 1 COMPLETE\nCompletion-Cause: {cause}\n{reason}\n");
        let text = from_v2(&event, Scale::Percent);
        text.lines().skip(1).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" / ")
    };
    for (cause, expected) in [
        (0, "000 success"),
        (1, "001 no-match"),
        (2, "002 no-input-timeout"),
        (4, "004 gram-load-failure"),
        (5, "005 gram-comp-failure"),
        (6, "006 error"),
        (7, "007 speech-too-early"),
        (9, "009 uri-failure"),
        (10, "010 language-unsupported"),
    ] {
        assert_eq!(told(cause, ""), format!("Completion-Cause: {expected}"));
    }
    // The code is there, the meaning is another.
    assert_eq!(told(3, ""), "Completion-Cause: 003 recognition-timeout");
    for (cause, expected) in [
        (8, "000 success / Completion-Reason: \"008 success-maxtime\""),
        (11, "006 error / Completion-Reason: \"011 cancelled\""),
        (12, "006 error / Completion-Reason: \"012 semantics-failure\""),
        (13, "001 no-match / Completion-Reason: \"013 partial-match\""),
        (14, "003 recognition-timeout / Completion-Reason: \"014 partial-match-maxtime\""),
        (15, "003 recognition-timeout / Completion-Reason: \"015 no-match-maxtime\""),
        (16, "004 gram-load-failure / Completion-Reason: \"016 grammar-definition-failure\""),
    ] {
        assert_eq!(told(cause, ""), format!("Completion-Cause: {expected}"));
    }
    assert_eq!(
        told(15, "Completion-Reason: \"music \\\"all\\\" along\"\n"),
        "Completion-Cause: 003 recognition-timeout / Completion-Reason: \"015 no-match-maxtime: music \\\"all\\\" along\""
    );
}

#[test]
fn statuses() {
    for (v2, v1) in [(200, 200), (201, 201), (402, 402), (409, 409), (410, 402), (501, 407), (504, 407)] {
        check(from_v2(&format!("1 {v2} COMPLETE\n\n"), Scale::Percent), &format!("MRCP/1.0 543257 {v1} COMPLETE\n\n"));
    }
}

const NLSML: &str = r#"<?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="session:a"><interpretation confidence="0.93"><instance>a &lt; "b" confidence="0.5"<answer xmlns="urn:answerd:result"><confidence>0.93</confidence></answer></instance><input mode="speech" confidence="0.93">human</input></interpretation></result>"#;

#[test]
fn results() {
    let event = |scale| {
        let text = format!("RECOGNITION-COMPLETE 1 COMPLETE\nContent-Type: application/nlsml+xml\n\n{NLSML}");
        from_v2(&text, scale)
    };
    let fraction = NLSML.replace(r#" xmlns="urn:ietf:params:xml:ns:mrcpv2""#, "");
    let percent = fraction
        .replace(r#"<interpretation confidence="0.93""#, r#"<interpretation confidence="93""#)
        .replace(r#"mode="speech" confidence="0.93""#, r#"mode="speech" confidence="93""#);
    for (scale, body) in [(Scale::Percent, percent), (Scale::Fraction, fraction)] {
        let length = body.len();
        check(
            event(scale),
            &format!(
                "RECOGNITION-COMPLETE 543257 COMPLETE MRCP/1.0\nContent-Type: application/x-nlsml\n\
                 Content-Length: {length}\n\n{body}"
            ),
        );
    }
    // Another form of result is not looked into.
    let json = "RECOGNITION-COMPLETE 1 COMPLETE\nContent-Type: application/json\n\n{\"confidence\":0.93}";
    assert!(from_v2(json, Scale::Percent).ends_with("{\"confidence\":0.93}"));
}

#[test]
fn messages_that_cannot_be_read() {
    for (text, id) in [
        ("STOP 543258 200 MRCP/1.0\n\n", None),
        ("RECOGNIZE 1 MRCP/2.0\n\n", None),
        ("RECOGNIZE one MRCP/1.0\n\n", None),
        ("RECOGNIZE 12345678901234567890 MRCP/1.0\n\n", None),
        ("RECOGNIZE 4 MRCP/1.0\nno colon\n\n", Some(4)),
        ("RECOGNIZE 4 MRCP/1.0\nContent-Length: 9\n\nshort", Some(4)),
        ("RECOGNIZE 4 MRCP/1.0\nContent-Length: x\n\n", Some(4)),
        ("RECOGNIZE 4 MRCP/1.0\nContent-Length: 1\nContent-Length: 0\n\n ", Some(4)),
        ("MRCP/1.0 4 20 COMPLETE\n\n", None),
        ("", None),
    ] {
        let malformed = parse(&crlf(text)).unwrap_err();
        assert_eq!(malformed.request_id, id.map(RequestId), "{text}");
        assert_eq!(malformed.answer().map(|answer| answer.status), id.map(|_| StatusCode::ILLEGAL_VALUE));
    }
}

#[test]
fn what_is_tolerated() {
    let Ok(Message::Request(request)) = parse(b"STOP 4 MRCP/1.0\nActive-Request-Id-List: 1,\n  2\n") else {
        panic!("the empty line may be missing")
    };
    assert_eq!(request.headers.get(HeaderName::ActiveRequestIdList), Some("1, 2"));
    let Ok(Message::Request(request)) = parse(b"STOP 4 MRCP/1.0\r\nContent-Length: 1\r\n\r\nab\r\n") else {
        panic!("octets after the body")
    };
    assert_eq!(&request.body[..], b"a");
}

fn message() -> impl Strategy<Value = Message> {
    let body = proptest::collection::vec(any::<u8>(), 0..30);
    let value = "[!-~]([ -~]{0,20}[!-~])?";
    let headers = proptest::collection::vec(("(Waveform-URL|Confidence-Threshold|[a-z]{2,6}-x)", value), 0..4);
    let state = prop::sample::select(vec![RequestState::Pending, RequestState::InProgress, RequestState::Complete]);
    (0..3, "[A-Z][A-Z-]{0,12}", 0..10u64.pow(18), 200u16..600, state, headers, body).prop_map(
        |(kind, name, id, status, state, fields, body)| {
            let mut headers = mrcp::Headers::new();
            for (name, value) in &fields {
                headers.push_named(name, value.clone());
            }
            let (id, body) = (RequestId(id), body.into());
            match kind {
                0 => Message::Request(Request { method: name, id, headers, body }),
                1 => Message::Response(Response { id, status: StatusCode(status), state, headers, body }),
                _ => Message::Event(Event { name, id, state, headers, body }),
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(message in message()) {
        prop_assert_eq!(parse(&message.write()), Ok(message));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(parse(&bytes));
    }

    #[test]
    fn no_text_panics(text in "(RECOGNIZE|MRCP/1.0|STOP) [ -~\r\n]{0,80}") {
        if let Ok(Message::Request(request)) = parse(text.as_bytes()) {
            drop(request_into_v2(request, channel(), mrcp::RequestId(1), &known()).write());
        }
    }

    #[test]
    fn every_percentage_comes_back(percent in 0u8..=100, name in prop::sample::select(vec!["Confidence-Threshold", "Sensitivity-Level", "Speed-Vs-Accuracy"])) {
        let v2 = into_v2(&format!("SET-PARAMS 1 MRCP/1.0\n{name}: {percent}\n\n"));
        let value = v2.lines().nth(2).unwrap().split_once(": ").unwrap().1.to_owned();
        prop_assert!(HeaderName::ConfidenceThreshold.kind().check(&value).is_ok());
        let v1 = from_v2(&format!("1 200 COMPLETE\n{name}: {value}\n\n"), Scale::Percent);
        prop_assert_eq!(v1, format!("MRCP/1.0 543257 200 COMPLETE\n{name}: {percent}\n\n"));
    }

    #[test]
    fn no_result_panics(body in "<(result|interpretation|input) [ -~]{0,80}", scale in prop::sample::select(vec![Scale::Percent, Scale::Fraction])) {
        drop(from_v2(&format!("RECOGNITION-COMPLETE 1 COMPLETE\nContent-Type: application/nlsml+xml\n\n{body}"), scale));
    }
}
