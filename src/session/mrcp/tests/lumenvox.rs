//! Grammars of call progress analysis, from the RECOGNIZE through detection to the result.

use std::sync::Arc;
use std::time::Instant;

use crate::audio::wav::{self, Channels};
use crate::audio::{Frame, SAMPLE_RATE};
use crate::detect::{self, Detector, Event, advance};
use crate::session::mrcp::tests::page::{channel, message};
use crate::session::{Config, ConnectionId, Output, Session};
use crate::wire::mrcp::{HeaderName, Method, Request, RequestId};

fn data(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What a recognition with these grammars, both in one RECOGNIZE, tells of a sound after which nothing arrives.
fn told(grammars: &[&[u8]], sound: &[i16]) -> String {
    let mut session = Session::new(Arc::new(Config::default()));
    session.add_channel(channel());
    let now = Instant::now();
    let mut body = Vec::new();
    for (n, grammar) in grammars.iter().enumerate() {
        let head = format!("--next\r\nContent-Type: application/srgs+xml\r\nContent-Id: <{n}@it>\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(grammar);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--next--\r\n");
    let mut request = Request::new(channel(), Method::Recognize, RequestId(1));
    request.headers.push(HeaderName::ContentType, "multipart/mixed; boundary=next");
    request.body = body.into();
    session.handle_request(now, ConnectionId(1), request);

    let mut detector = Detector::new(Arc::new(detect::Config::default()));
    let mut generation = None;
    let mut told = Vec::new();
    let silence = vec![0; 10 * SAMPLE_RATE as usize];
    let pieces = sound.chunks(800).chain(silence.chunks(800)).map(Frame::Sound);
    let gone = std::iter::repeat_n(Frame::Missing { samples: 800 }, 1_500);
    for frame in pieces.chain(gone) {
        while let Some(output) = session.poll_output() {
            match output {
                Output::Listen { generation: of, listen, .. } => {
                    generation = Some(of);
                    detector.listen(listen);
                }
                Output::Mrcp { message: sent, .. } => told.push(message(&sent.write())),
                other => panic!("{other:?}"),
            }
        }
        let Some(generation) = generation else { break };
        if told.last().is_some_and(|last| last.starts_with("RECOGNITION-COMPLETE")) {
            break;
        }
        detector.push(frame);
        advance(&mut detect::Model::rules(), &mut [&mut detector]);
        while let Some(event) = detector.poll_event() {
            if let Event::Concluded(outcome) = &event {
                assert!(outcome.timeline.decided_at <= detector.now());
            }
            session.handle_detect(now, &channel(), generation, event);
        }
    }
    told.pop().unwrap_or_default()
}

/// Cause, interpretation and input of a completion.
fn short(completion: &str) -> String {
    let between = |from: &str, to: &str| {
        let rest = completion.split_once(from).map_or("", |(_, rest)| rest);
        rest.split_once(to).map_or(rest, |(part, _)| part).to_owned()
    };
    let input = between("<input ", "</input>");
    let input = input.split_once('>').map_or("", |(_, input)| input);
    format!("{} {} {input}", between("Completion-Cause: ", " "), between("<instance>", "</instance>"))
}

fn recording(name: &str) -> Vec<i16> {
    wav::read(&data(&format!("audio/{name}.wav")), Channels::Mix).unwrap().samples
}

#[test]
fn cpa_and_tone_in_one_request() {
    let (cpa, tone) = (data("lumenvox/cpa.grxml"), data("lumenvox/tone.grxml"));
    let both: [&[u8]; 2] = [&cpa, &tone];
    let swapped: [&[u8]; 2] = [&tone, &cpa];
    for grammars in [both, swapped] {
        let of = |sound: &[i16]| short(&told(&grammars, sound));
        assert_eq!(of(&recording("person")), "000 person HUMAN RESIDENCE");
        assert_eq!(of(&recording("voicemail")), "000 machine UNKNOWN SPEECH");
        assert_eq!(of(&recording("sit")), "000 SIT VACANT CODE SIT VACANT CODE");
        assert_eq!(of(&[]), "000 UNKNOWN SILENCE UNKNOWN SILENCE");
        // A beep with nothing said before it is first.
        let voicemail = recording("voicemail");
        assert_eq!(of(&voicemail[60_000..]), "000 BEEP BEEP");
    }
    assert_eq!(short(&told(&[&cpa], &recording("sit"))), "001  ");
    let person = told(&both, &recording("person"));
    assert!(person.contains(r#"<input mode="speech" confidence="0."#), "{person}");
    assert!(person.contains(r#"grammar="session:0@it""#), "{person}");
}

#[test]
fn tone_alone_waits_for_the_beep() {
    let tone = data("lumenvox/tone.grxml");
    assert_eq!(short(&told(&[&tone], &recording("voicemail"))), "000 BEEP BEEP");
    // Nobody is told by Tone.
    let person = short(&told(&[&tone], &recording("person")));
    assert!(person.starts_with("001") || person.starts_with("015"), "{person}");
    assert_eq!(short(&told(&[&tone], &[])), "002  ");
}

#[test]
fn the_prompt_is_waited_for_when_asked() {
    let text = String::from_utf8(data("lumenvox/cpa.grxml")).unwrap();
    let with = |more: &str| text.replace("  <rule ", &format!("{more}  <rule ")).into_bytes();
    let detect = r#"<meta name="PROMPT_END_DETECT" content="true"/>"#;
    let soon = format!(r#"{detect}<meta name="PROMPT_END_TIMEOUT" content="3000"/>"#);
    assert_eq!(short(&told(&[&with(detect)], &recording("voicemail"))), "000 machine UNKNOWN SPEECH");
    assert_eq!(short(&told(&[&with(&soon)], &recording("voicemail"))), "008 PROMPT_END_TIMEOUT PROMPT_END_TIMEOUT");
    assert_eq!(short(&told(&[&with(detect)], &recording("person"))), "000 person HUMAN RESIDENCE");

    let length = r#"<meta name="CPA_BY_LENGTH" content="true"/>"#;
    assert_eq!(short(&told(&[&with(length)], &recording("person"))), "000 person HUMAN RESIDENCE");
    let wrong = told(&[&with(r#"<meta name="STREAM|CPA_HUMAN_BUSINESS_TIME" content="soon"/>"#)], &[]);
    assert!(wrong.contains("005"), "{wrong}");
}
