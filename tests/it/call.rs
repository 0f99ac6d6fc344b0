//! Whole calls: the server and the client in one process, by SIP, MRCP and RTP over loopback, in real time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use answerd::audio::wav::{self, Channels};
use answerd::audio::{Frame, SampleTime};
use answerd::client::{
    self, AfterSound, Answer, Call, CallError, CallReport, CallSpec, Recognize, Target, Transport, What,
};
use answerd::config::Config;
use answerd::detect::{self, Detector, Event, Goal, Listen, Model, Outcome, advance};
use answerd::server::{Running, Server};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const VOICEMAIL: &str = "builtin:speech/voicemail";
/// No test here lasts longer, however slow the machine.
const LIMIT: Duration = Duration::from_secs(90);

async fn server(adjust: impl FnOnce(&mut Config)) -> Running {
    let loopback = "127.0.0.1".parse().unwrap();
    let mut config = Config::default();
    config.sip.listen = vec!["127.0.0.1:0".to_owned()];
    config.mrcp.address = loopback;
    config.mrcp.port = 0;
    config.rtsp.listen.clear();
    config.rtp.address = loopback;
    config.rtp.port_min = 0;
    config.rtp.port_max = 0;
    adjust(&mut config);
    Server::start(config).await.unwrap()
}

fn recording(name: &str) -> Arc<[i16]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/audio").join(name);
    wav::read(&std::fs::read(path).unwrap(), Channels::Mix).unwrap().samples.into()
}

/// Tones, each of some frequencies in hertz for some milliseconds; of none it is silence.
fn tones(parts: &[(&[f64], usize)]) -> Arc<[i16]> {
    let mut samples = Vec::new();
    for (hertz, ms) in parts {
        for n in 0..ms * 8 {
            let wave = |hz: &f64| (n as f64 * hz * std::f64::consts::TAU / 8000.0).sin();
            samples.push((hertz.iter().map(wave).sum::<f64>() * 2_000.0) as i16);
        }
    }
    // What G.711 makes of it, so that the same samples are heard on both sides.
    samples
        .iter()
        .map(|sample| answerd::audio::g711::decode_mulaw(answerd::audio::g711::encode_mulaw(*sample)))
        .collect()
}

fn target(server: &Running) -> Target {
    let address = server.sip()[0].address;
    Target::new(address.ip().to_string(), address.port())
}

fn recognize(grammar: &str, sound: Arc<[i16]>) -> Recognize {
    let timeout = Duration::from_secs(30);
    Recognize { grammar: grammar.to_owned(), parameters: Vec::new(), sound, after: AfterSound::Silence, timeout }
}

fn spec(server: &Running, grammar: &str, sound: Arc<[i16]>) -> CallSpec {
    CallSpec { target: target(server), recognize: recognize(grammar, sound), interrupt: CancellationToken::new() }
}

async fn call(spec: CallSpec) -> Result<CallReport, CallError> {
    timeout(LIMIT, client::call(spec, &mut |_| {})).await.expect("calls end")
}

/// Waits until the server has no call any more.
async fn await_idle(server: &Running) {
    let idle = async {
        while server.calls() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), idle).await.expect("the server lets go of every call");
}

fn answer(report: &CallReport) -> &Answer {
    let recognition = &report.recognition;
    recognition.success().unwrap_or_else(|| panic!("{} {:?}", recognition.cause, recognition.body))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_a_voicemail_and_a_dead_number_by_udp_and_tcp() {
    let server = server(|_| {}).await;
    let mut calls = JoinSet::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        for (name, expected) in [("person.wav", "human"), ("voicemail.wav", "machine"), ("sit.wav", "sit")] {
            let mut spec = spec(&server, VOICEMAIL, recording(name));
            spec.target.transport = transport;
            calls.spawn(async move { (name, expected, call(spec).await.unwrap()) });
        }
    }
    for (name, expected, report) in calls.join_all().await {
        let answer = answer(&report);
        assert_eq!(answer.label(), Some(expected), "{name}: {answer:?}");
        if name == "voicemail.wav" {
            let hz = answer.number("beep.hz").expect("a beep");
            assert!((995.0..1005.0).contains(&hz), "{hz}");
            assert_eq!(answer.field("speak_at_s"), answer.field("beep.off_s"));
        }
    }
    await_idle(&server).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_calls_at_once_are_decided_alike() {
    let server = server(|_| {}).await;
    let sound = recording("sit.wav");
    let mut calls = JoinSet::new();
    for n in 0..20 {
        let mut spec = spec(&server, "builtin:speech/answer", Arc::clone(&sound));
        spec.target.transport = if n % 2 == 0 { Transport::Udp } else { Transport::Tcp };
        calls.spawn(call(spec));
    }
    let reports: Vec<CallReport> = calls.join_all().await.into_iter().map(Result::unwrap).collect();
    let channels: std::collections::BTreeSet<_> = reports.iter().map(|report| &report.channel).collect();
    assert_eq!(channels.len(), 20);
    for report in &reports {
        assert_eq!(answer(report).label(), Some("sit"));
        assert_eq!(answer(report).field("decided_at_s"), answer(&reports[0]).field("decided_at_s"));
    }
    await_idle(&server).await;
    server.shutdown().await;
}

/// What the detector says offline: the times in milliseconds since it listens.
fn offline(sound: &[i16], after: &Frame<'_>) -> Outcome {
    let mut model = Model::load(&detect::Config::default()).unwrap_or_else(|_| Model::rules());
    let mut detector = Detector::new(Arc::new(detect::Config::default()));
    detector.listen(Listen { goal: Goal::Voicemail, ..Listen::default() });
    for frame in sound.chunks(160).map(Frame::Sound).chain(std::iter::repeat_n(*after, 3_000)) {
        detector.push(frame);
        advance(&mut model, &mut [&mut detector]);
        while let Some(event) = detector.poll_event() {
            if let Event::Concluded(outcome) = event {
                return *outcome;
            }
        }
    }
    panic!("no decision within a minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_decided_in_a_call_as_it_is_offline() {
    let server = server(|_| {}).await;
    let on_and_off: [(&[f64], usize); 2] = [(&[480.0, 620.0], 500), (&[], 500)];
    let busy = tones(&on_and_off.repeat(6));
    let fax = tones(&[(&[], 700), (&[2100.0], 3_000), (&[], 1_000)]);
    // Whole packets: the client fills the last one with silence.
    let cut_short: Arc<[i16]> = recording("voicemail.wav")[..187 * 160].into();
    let mut calls = JoinSet::new();
    for (name, sound, after) in [
        ("person", recording("person.wav"), AfterSound::Silence),
        ("voicemail", recording("voicemail.wav"), AfterSound::Silence),
        ("sit", recording("sit.wav"), AfterSound::Silence),
        ("busy", busy, AfterSound::Silence),
        ("fax", fax, AfterSound::Silence),
        ("a greeting after which nothing more is sent", cut_short, AfterSound::Nothing),
    ] {
        let mut spec = spec(&server, VOICEMAIL, Arc::clone(&sound));
        spec.recognize.after = after;
        calls.spawn(async move { (name, sound, after, call(spec).await.unwrap()) });
    }
    for (name, sound, after, report) in calls.join_all().await {
        let silence = [0; 160];
        let frame = match after {
            AfterSound::Silence => Frame::Sound(&silence),
            AfterSound::Nothing => Frame::Missing { samples: 160 },
        };
        let outcome = offline(&sound, &frame);
        let told = answer(&report);
        let ms = |field: &str| told.number(field).map(|seconds| (seconds * 1_000.0).round());
        let offline_ms = |at: Option<SampleTime>| at.map(|at| (at.as_secs() * 1_000.0).round());
        let timeline = &outcome.timeline;
        assert_eq!(told.label(), Some(outcome.label.as_str()), "{name}: {told:?} {outcome:?}");
        assert_eq!(ms("decided_at_s"), offline_ms(Some(timeline.decided_at)), "{name}: {told:?} {outcome:?}");
        assert_eq!(ms("speech_on_s"), offline_ms(timeline.speech_on), "{name}");
        assert_eq!(ms("greeting_end_s"), offline_ms(timeline.greeting_end), "{name}");
        assert_eq!(ms("beep.on_s"), offline_ms(timeline.beep.map(|beep| beep.on)), "{name}");
        assert_eq!(ms("beep.off_s"), offline_ms(timeline.beep.map(|beep| beep.off)), "{name}");
        assert_eq!(ms("speak_at_s"), offline_ms(timeline.speak_at), "{name}");
        assert_eq!(told.field("reason"), Some(outcome.reason.as_str()), "{name}");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_frees_its_call() {
    let server = server(|config| config.call.connection_timeout_ms = 1_000).await;
    let mut call = Call::place(&target(&server), &CancellationToken::new(), &mut |_| {}).await.unwrap();
    assert_eq!(server.calls(), 1);
    let never = CancellationToken::new();
    let wanted = recognize(VOICEMAIL, recording("voicemail.wav"));
    // In mid-recognition its sockets close, without STOP or BYE.
    let half_a_second = Duration::from_millis(500);
    timeout(half_a_second, call.recognize(&wanted, &never, &mut |_| {})).await.expect_err("the greeting takes longer");
    drop(call);
    await_idle(&server).await;
    let report = self::call(spec(&server, VOICEMAIL, recording("sit.wav"))).await.unwrap();
    assert_eq!(answer(&report).label(), Some("sit"), "the server serves on");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_refuses_and_takes_calls_again() {
    let server = server(|config| config.engine.max_calls = 1).await;
    let never = CancellationToken::new();
    let first = Call::place(&target(&server), &never, &mut |_| {}).await.unwrap();
    let refused = Call::place(&target(&server), &never, &mut |_| {}).await;
    let retry_after = match refused {
        Err(CallError::Refused { status: 503, retry_after, .. }) => retry_after,
        other => panic!("{other:?}"),
    };
    assert_eq!(retry_after, Some(Config::default().call.retry_after_s));
    first.hang_up(&mut |_| {}).await;
    await_idle(&server).await;
    Call::place(&target(&server), &never, &mut |_| {}).await.unwrap().hang_up(&mut |_| {}).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_grammars_and_parameters_are_refused_with_a_reason() {
    let server = server(|_| {}).await;
    let mut call = Call::place(&target(&server), &CancellationToken::new(), &mut |_| {}).await.unwrap();
    let never = CancellationToken::new();
    let mut wanted = recognize("builtin:speech/nonsense", recording("sit.wav"));
    match call.recognize(&wanted, &never, &mut |_| {}).await {
        Err(CallError::RequestRefused { status: 407, cause: Some(cause), reason: Some(reason), .. }) => {
            assert_eq!(cause.to_string(), "004 grammar-load-failure");
            assert!(reason.contains("nonsense"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    wanted.grammar = VOICEMAIL.to_owned();
    wanted.parameters = vec![("No-Input-Timeout".to_owned(), "soon".to_owned())];
    let refused = call.recognize(&wanted, &never, &mut |_| {}).await;
    assert!(matches!(refused, Err(CallError::RequestRefused { status: 404, .. })), "{refused:?}");
    // The channel is as good as before.
    wanted.parameters.clear();
    let recognition = call.recognize(&wanted, &never, &mut |_| {}).await.unwrap();
    assert_eq!(recognition.success().and_then(Answer::label), Some("sit"));
    call.hang_up(&mut |_| {}).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_recognition_and_another_on_the_same_channel() {
    let server = server(|_| {}).await;
    let mut call = Call::place(&target(&server), &CancellationToken::new(), &mut |_| {}).await.unwrap();
    let interrupt = CancellationToken::new();
    let mut stopped = None;
    let mut observer = |event: client::Event| match event.what {
        // Speech has begun: enough of it.
        What::StartOfInput { .. } => interrupt.cancel(),
        What::Stopped { status } => stopped = Some(status),
        What::Completed { cause, .. } => panic!("nothing completes after STOP: {cause}"),
        _ => {}
    };
    let wanted = recognize(VOICEMAIL, recording("voicemail.wav"));
    let result = timeout(LIMIT, call.recognize(&wanted, &interrupt, &mut observer)).await.unwrap();
    assert!(matches!(result, Err(CallError::Interrupted)), "{result:?}");
    assert_eq!(stopped, Some(200));

    let never = CancellationToken::new();
    let mut ids = Vec::new();
    for name in ["sit.wav", "person.wav"] {
        let wanted = recognize("builtin:speech/answer", recording(name));
        let recognition = timeout(LIMIT, call.recognize(&wanted, &never, &mut |_| {})).await.unwrap().unwrap();
        let answer = recognition.success().unwrap();
        assert_eq!(answer.label(), Some(if name == "sit.wav" { "sit" } else { "human" }), "{answer:?}");
        ids.push(recognition.request_id);
    }
    assert_eq!(ids, [3, 4], "RECOGNIZE and STOP were 1 and 2");
    timeout(LIMIT, call.hang_up(&mut |_| {})).await.unwrap();
    await_idle(&server).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_ends_in_no_input_timeout() {
    let server = server(|_| {}).await;
    let mut spec = spec(&server, "builtin:speech/answer", vec![0; 160].into());
    spec.recognize.parameters = vec![("No-Input-Timeout".to_owned(), "700".to_owned())];
    let report = call(spec).await.unwrap();
    assert_eq!(report.recognition.cause.to_string(), "002 no-input-timeout");
    assert!(report.recognition.success().is_none());
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_as_json_say_the_same() {
    let server = server(|_| {}).await;
    let mut calls = JoinSet::new();
    for format in ["nlsml", "json"] {
        let mut spec = spec(&server, VOICEMAIL, recording("sit.wav"));
        spec.recognize.parameters = vec![("result-format".to_owned(), format.to_owned())];
        calls.spawn(call(spec));
    }
    let reports: Vec<CallReport> = calls.join_all().await.into_iter().map(Result::unwrap).collect();
    let types: Vec<_> = reports.iter().filter_map(|report| report.recognition.content_type.as_deref()).collect();
    assert!(types.contains(&"application/json") && types.contains(&"application/nlsml+xml"), "{types:?}");
    for field in ["label", "reason", "decided_at_s", "method"] {
        assert_eq!(answer(&reports[0]).field(field), answer(&reports[1]).field(field), "{field}");
    }
    server.shutdown().await;
}
