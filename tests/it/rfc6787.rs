//! Every example message of RFC 6787: read, compared with what the page says, written, read again, and cut anywhere.
//!
//! `tests/data/rfc6787` has one file for each section with examples, in the RFC's own words; `tests/data/README.md` says
//! how they were taken from the text. The rule that makes messages of them:
//!
//! 1. Every line ends with CRLF, but the last line of a body, which has no line end.
//! 2. A `...` after `Content-Length:` is the number of octets of the body.
//! 3. A message-length of MRCP, `...` or not, is the number of octets of the message, by the definition in section 5.1
//!    (the numbers that section 5.1 prints, 877, 82 and 634, fit neither CRLF nor LF throughout).
//!
//! Examples that are themselves wrong are listed in [`FAULTS`] and [`ILLEGAL_VALUES`]. Two session descriptions of section 14.1 have no
//! `t=` line, which RFC 8866 section 5 asks for; they are read all the same.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use answerd::session::{ConnectionId, Output, Session};
use answerd::wire::mrcp::{
    ChannelIdentifier, EventName, FieldName, Limits, Malformed, Message, Method, Parser, Resource, StatusCode,
};
use answerd::wire::{sdp, sip};
use proptest::prelude::*;

/// An example that no parser may read: the file, its start-line, the production at which it is refused, and what has to
/// be written instead of what.
struct Fault {
    file: &'static str,
    line: &'static str,
    production: &'static str,
    status: StatusCode,
    mend: (&'static str, &'static str),
}

const FAULTS: &[Fault] = &[
    // An event has no status-code (section 5.5).
    Fault {
        file: "5.1-interpret",
        line: "INTERPRETATION-COMPLETE 543266 200 COMPLETE",
        production: "request-state",
        status: StatusCode::ILLEGAL_VALUE,
        mend: ("543266 200 COMPLETE", "543266 COMPLETE"),
    },
    Fault {
        file: "9.20-interpret",
        line: "INTERPRETATION-COMPLETE 543266 200 COMPLETE",
        production: "request-state",
        status: StatusCode::ILLEGAL_VALUE,
        mend: ("543266 200 COMPLETE", "543266 COMPLETE"),
    },
    Fault {
        file: "9.21-interpretation-complete",
        line: "INTERPRETATION-COMPLETE 543266 200 COMPLETE",
        production: "request-state",
        status: StatusCode::ILLEGAL_VALUE,
        mend: ("543266 200 COMPLETE", "543266 COMPLETE"),
    },
    // Nor has a request (section 5.2).
    Fault {
        file: "9.10-stop",
        line: "STOP 543258 200",
        production: "request-state",
        status: StatusCode::ILLEGAL_VALUE,
        mend: ("543258 200", "543258"),
    },
    // The resource's name slipped into the start-line.
    Fault {
        file: "8.10-resume",
        line: "543258 200 IN-PROGRESS@speechsynth",
        production: "CRLF",
        status: StatusCode::ILLEGAL_VALUE,
        mend: (
            "@speechsynth\r\nChannel-Identifier:32AECB23433802",
            "\r\nChannel-Identifier:32AECB23433802@speechsynth",
        ),
    },
    // There is no Channel-Identifier.
    Fault {
        file: "11.15-verification-complete",
        line: "VERIFICATION-COMPLETE 543259 COMPLETE",
        production: "channel-identifier",
        status: StatusCode::MISSING_HEADER,
        mend: ("COMPLETE\r\n", "COMPLETE\r\nChannel-Identifier:32AECB23433801@speakverify\r\n"),
    },
];

/// Headers of the examples whose values their own ABNF does not allow.
const ILLEGAL_VALUES: &[&str] = &[
    // 0.0 to 1.0 (sections 9.4.35 and 9.4.36).
    "9.15-start-phrase-enrollment Consistency-Threshold: 30",
    "9.15-start-phrase-enrollment Clash-Threshold: 12",
    // Place-holders.
    "9.15-start-phrase-enrollment Personal-Grammar-URI: <personal grammar uri>",
    "9.18-modify-phrase Personal-Grammar-URI: <personal grammar uri>",
    "9.19-delete-phrase Personal-Grammar-URI: <personal grammar uri>",
];

/// One message as the page has it, lines ended with CRLF.
struct Example {
    file: String,
    /// The start-line of MRCP without version and length, or that of SIP.
    line: String,
    head: String,
    body: String,
}

impl Example {
    fn is_mrcp(&self) -> bool {
        self.head.starts_with("MRCP/")
    }

    fn fault(&self) -> Option<&'static Fault> {
        FAULTS.iter().find(|fault| fault.file == self.file && fault.line == self.line)
    }

    /// The octets, by the rule at the top of this file.
    fn bytes(&self) -> Vec<u8> {
        self.bytes_of(&self.head)
    }

    /// The same, with what is wrong put right.
    fn mended(&self) -> Vec<u8> {
        match self.fault() {
            None => self.bytes(),
            Some(fault) => {
                assert!(self.head.contains(fault.mend.0), "{}: {}", self.file, self.head);
                self.bytes_of(&self.head.replacen(fault.mend.0, fault.mend.1, 1))
            }
        }
    }

    fn bytes_of(&self, head: &str) -> Vec<u8> {
        let mut lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
        for line in &mut lines {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("Content-Length")
                && value != "0"
            {
                *line = format!("Content-Length:{}", self.body.len());
            }
        }
        if !self.is_mrcp() {
            return format!("{}{}", lines.join("\r\n"), self.body).into_bytes();
        }
        let (_, rest) = lines[0].split_once(' ').unwrap();
        let (_, rest) = rest.split_once(' ').unwrap();
        let rest = format!("{}{}", [&[rest.to_owned()], &lines[1..]].concat().join("\r\n"), self.body);
        let length =
            (1..).find(|length: &usize| length.to_string().len() + "MRCP/2.0  ".len() + rest.len() == *length).unwrap();
        format!("MRCP/2.0 {length} {rest}").into_bytes()
    }

    /// The headers as (name, value), unfolded, white space as one space.
    fn fields(&self) -> Vec<(String, String)> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in self.head.trim_end().split("\r\n").skip(1) {
            if let Some(folded) = line.strip_prefix(' ') {
                let (_, value) = fields.last_mut().unwrap();
                value.push(' ');
                value.push_str(folded.trim());
            } else {
                let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{}: {line}", self.file));
                fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        fields
    }
}

fn examples() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/rfc6787");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        for block in text.split("=== ").skip(1) {
            let (_, message) = block.split_once('\n').unwrap();
            let (head, body) = message.trim_end().split_once("\n\n").unwrap_or((message.trim_end(), ""));
            let first = head.lines().next().unwrap();
            let line = match first.strip_prefix("MRCP/2.0 ") {
                Some(rest) => rest.split_once(' ').unwrap().1,
                None => first,
            };
            found.push(Example {
                file: file.clone(),
                line: line.to_owned(),
                head: format!("{}\r\n\r\n", head.replace('\n', "\r\n")),
                body: body.replace('\n', "\r\n"),
            });
        }
    }
    found
}

fn mrcp_examples() -> Vec<Example> {
    examples().into_iter().filter(Example::is_mrcp).collect()
}

fn read(bytes: &[u8]) -> Result<Message, Malformed> {
    let mut parser = Parser::default();
    parser.feed(bytes);
    let message = parser.poll_message()?.expect("a whole message");
    assert!(!parser.is_inside_message());
    Ok(message)
}

fn describe(message: &Message) -> String {
    match message {
        Message::Request(request) => format!("{} {}", request.method, request.id),
        Message::Response(response) => format!("{} {} {}", response.id, response.status, response.state.as_str()),
        Message::Event(event) => format!("{} {} {}", event.name, event.id, event.state.as_str()),
    }
}

#[test]
fn no_example_is_left_out() {
    let examples = examples();
    let mrcp = examples.iter().filter(|example| example.is_mrcp()).count();
    // Counted in the text of the RFC: lines with `C->S` and `S->C`.
    assert_eq!((examples.len(), mrcp), (172, 151));
}

#[test]
fn every_example_is_read_as_the_page_has_it() {
    for example in mrcp_examples() {
        let name = format!("{} {}", example.file, example.line);
        if let Some(fault) = example.fault() {
            let malformed = read(&example.bytes()).expect_err(&name);
            assert_eq!((malformed.production, malformed.status), (fault.production, fault.status), "{name}");
        }
        let message = read(&example.mended()).unwrap_or_else(|malformed| panic!("{name}: {malformed}"));
        let line = match example.fault() {
            Some(fault) if example.line.contains(fault.mend.0) => example.line.replacen(fault.mend.0, fault.mend.1, 1),
            _ => example.line.replace("@speechsynth", ""),
        };
        assert_eq!(describe(&message), line, "{name}");
        assert_eq!(message.body(), example.body.as_bytes(), "{name}");

        let mut page = example.fields();
        page.retain(|(header, _)| !["channel-identifier", "content-length"].contains(&header.as_str()));
        let told: Vec<(String, String)> = message
            .headers()
            .iter()
            .map(|field| (field.name.as_str().to_ascii_lowercase(), field.value.clone()))
            .collect();
        assert_eq!(told, page, "{name}");
        let channel = example.fields().into_iter().find(|(header, _)| header == "channel-identifier");
        if let Some((_, channel)) = channel.filter(|(_, value)| value.contains('@')) {
            assert_eq!(message.channel().as_str(), channel, "{name}");
        }
        assert!(message.channel().resource().is_some(), "{name}");
    }
}

#[test]
fn every_example_is_written_and_read_again() {
    for example in mrcp_examples() {
        let message = read(&example.mended()).unwrap();
        let written = message.write();
        assert_eq!(read(&written), Ok(message.clone()), "{} {}", example.file, example.line);
        assert_eq!(read(&written).unwrap().write(), written);
    }
}

#[test]
fn methods_and_events_of_a_recognizer_are_known() {
    for example in mrcp_examples() {
        let message = read(&example.mended()).unwrap();
        let recognizer = message.channel().resource() == Some(Resource::SpeechRecog);
        let known = match &message {
            Message::Request(request) => !matches!(request.method, Method::Other(_)),
            Message::Response(_) => continue,
            Message::Event(event) => !matches!(event.name, EventName::Other(_)),
        };
        assert!(known || !recognizer, "{} {}", example.file, example.line);
    }
}

#[test]
fn header_values_of_the_examples_are_legal_but_for_those_that_are_not() {
    let mut illegal = Vec::new();
    for example in mrcp_examples() {
        let message = read(&example.mended()).unwrap();
        // In GET-PARAMS headers have no values.
        if matches!(&message, Message::Request(request) if request.method == Method::GetParams) {
            continue;
        }
        for field in message.headers().iter() {
            if let FieldName::Known(name) = field.name
                && name.kind().check(&field.value).is_err()
            {
                illegal.push(format!("{} {name}: {}", example.file, field.value));
            }
        }
    }
    illegal.sort();
    let mut expected = ILLEGAL_VALUES.to_vec();
    expected.sort_unstable();
    assert_eq!(illegal, expected);
}

#[test]
fn an_example_cut_anywhere_is_the_same() {
    for example in mrcp_examples() {
        let bytes = example.mended();
        let whole = read(&bytes).unwrap();
        for cut in 1..bytes.len() {
            let (first, second) = bytes.split_at(cut);
            let mut parser = Parser::default();
            parser.feed(first);
            let early = parser.poll_message();
            assert_eq!(early, Ok(None), "{} {} cut at {cut}", example.file, example.line);
            parser.feed(second);
            assert_eq!(parser.poll_message(), Ok(Some(whole.clone())), "{} cut at {cut}", example.file);
        }
    }
}

/// All examples as one stream, and what it holds: the wrong ones as they are, refused one by one.
fn stream() -> (Vec<u8>, Vec<Result<Message, &'static str>>) {
    let examples = mrcp_examples();
    let bytes = examples.iter().flat_map(Example::bytes).collect();
    let told = examples.iter().map(|example| match example.fault() {
        Some(fault) => Err(fault.production),
        None => Ok(read(&example.bytes()).unwrap()),
    });
    (bytes, told.collect())
}

fn poll_all(parser: &mut Parser, told: &mut Vec<Result<Message, &'static str>>) {
    loop {
        match parser.poll_message() {
            Ok(None) => return,
            Ok(Some(message)) => told.push(Ok(message)),
            Err(malformed) => told.push(Err(malformed.production)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_examples_as_one_stream_in_pieces(cuts in proptest::collection::vec(1..2000_usize, 1..300)) {
        let (bytes, expected) = stream();
        let mut parser = Parser::new(Limits::default());
        let mut told = Vec::new();
        let mut rest = bytes.as_slice();
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            parser.feed(piece);
            poll_all(&mut parser, &mut told);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(told, expected);
    }
}

/// What a session answers to the requests of a file: start-line and Completion-Cause.
fn answers(file: &str) -> Vec<String> {
    let channel = ChannelIdentifier::new("f00d", Resource::SpeechRecog);
    let mut session = Session::new(Arc::default());
    session.add_channel(channel.clone());
    let mut told = Vec::new();
    for example in mrcp_examples().into_iter().filter(|example| example.file == file) {
        let Message::Request(mut request) = read(&example.mended()).unwrap() else { continue };
        request.channel = channel.clone();
        session.handle_request(Instant::now(), ConnectionId(1), request);
        while let Some(output) = session.poll_output() {
            if let Output::Mrcp { message, .. } = output {
                told.push(describe(&message));
            }
        }
    }
    told
}

#[test]
fn a_session_answers_the_examples() {
    assert_eq!(answers("9.10-stop"), ["543257 200 IN-PROGRESS", "543258 200 COMPLETE"]);
    assert_eq!(answers("9.14-recognition-complete"), ["543257 200 IN-PROGRESS"]);
    // The third grammar of the page refers to others elsewhere, the fourth request to one by a misspelt name.
    let told = answers("9.8-define-grammar");
    assert_eq!(told[0], "543257 200 COMPLETE");
    // Enrollment is not had.
    for file in ["9.15-start-phrase-enrollment", "9.16-enrollment-rollback", "9.17-end-phrase-enrollment"] {
        let told = answers(file);
        assert!(told.len() == 1 && told[0].ends_with(" 401 COMPLETE"), "{file}: {told:?}");
    }
    for file in ["9.18-modify-phrase", "9.19-delete-phrase", "8.6-speak", "10.6-record", "11.10-verify"] {
        let told = answers(file);
        assert!(told.len() == 1 && told[0].ends_with(" 401 COMPLETE"), "{file}: {told:?}");
    }
}

#[test]
fn the_sip_messages_are_read_and_written_again() {
    let mut count = 0;
    for example in examples().into_iter().filter(|example| !example.is_mrcp()) {
        let name = format!("{} {}", example.file, example.line);
        let bytes = example.bytes();
        let message = sip::parse(&bytes).unwrap_or_else(|malformed| panic!("{name}: {malformed:?}"));
        match &message {
            sip::Message::Request(request) => {
                assert_eq!(format!("{} {} SIP/2.0", request.method.as_str(), request.uri), example.line, "{name}");
            }
            sip::Message::Response(response) => assert_eq!(response.status, 200, "{name}"),
        }
        let headers = message.headers();
        assert_eq!(headers.len(), example.fields().len(), "{name}");
        assert_eq!(headers.vias().unwrap().len(), 1, "{name}");
        assert_eq!(headers.from().unwrap().unwrap().tag(), Some("1928301774"), "{name}");
        assert!(headers.cseq().unwrap().is_some() && headers.to().unwrap().is_some(), "{name}");
        assert_eq!(message.body(), example.body.as_bytes(), "{name}");
        assert_eq!(sip::parse(&message.write()).as_ref(), Ok(&message), "{name}");
        for cut in 1..bytes.len() {
            let mut parser = sip::Parser::new(sip::Limits::default());
            parser.feed(&bytes[..cut]);
            assert_eq!(parser.next_message(), Ok(None), "{name} cut at {cut}");
            parser.feed(&bytes[cut..]);
            assert_eq!(parser.next_message(), Ok(Some(sip::Received::Message(message.clone()))), "{name} cut at {cut}");
        }
        count += 1;
    }
    assert_eq!(count, 21);
}

#[test]
fn the_session_descriptions_are_read_and_written_again() {
    let mut count = 0;
    for example in examples().into_iter().filter(|example| example.body.starts_with("v=0")) {
        let name = format!("{} {}", example.file, example.line);
        let body = format!("{}\r\n", example.body);
        let read = sdp::parse(body.as_bytes()).unwrap_or_else(|why| panic!("{name}: {why}"));
        // Some m= lines of section 14.1 have two spaces in a row.
        assert_eq!(read.to_string(), body.replace("  ", " "), "{name}");
        assert_eq!(read.media.len(), body.matches("\r\nm=").count(), "{name}");
        assert_eq!(sdp::parse(read.to_string().as_bytes()), Ok(read), "{name}");
        count += 1;
    }
    assert_eq!(count, 13);
}
