//! Call audio over WebSocket and AudioSocket: peers by the bytes that they send, those that misbehave, and what they are told.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use answerd::audio::g711;
use answerd::audio::wav::{self, Channels};
use answerd::server::Running;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::PATIENCE;

const UUID: &str = "88888888-0000-4000-8000-000000000001";

/// A server that takes streams and decides by rules, which take less time.
pub(crate) async fn start(settings: &str) -> Running {
    crate::server::start(&format!("STREAMS_LISTEN=127.0.0.1:0 DETECT_RULES_ONLY=true {settings}")).await
}

pub(crate) fn recording(name: &str) -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/audio").join(name);
    wav::read(&std::fs::read(path).unwrap(), Channels::Mix).unwrap().samples
}

pub(crate) fn little(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// A WebSocket client as small as the taps' own: masked frames, no extension.
pub(crate) struct Socket {
    stream: TcpStream,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    Text(String),
    Close(u16, String),
    /// The peer is gone without a word.
    Gone,
}

impl Socket {
    /// Sends a request; tells the status, and the response's head.
    async fn request(address: SocketAddr, request: &str) -> (Self, u16, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(timeout(PATIENCE, stream.read(&mut byte)).await.unwrap().unwrap(), 1, "{head:?}");
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (Self { stream }, status, head)
    }

    /// As mod_audio_stream asks: no blank after the colons.
    pub(crate) async fn ask(address: SocketAddr, path: &str, more: &str) -> (Self, u16, String) {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost:{address}\r\nUpgrade:websocket\r\nConnection:upgrade\r\nSec-WebSocket-Key:3q0aYIMTvfij6Nc3i9tz1w==\r\nSec-WebSocket-Version:13\r\nOrigin:http://{address}\r\n{more}\r\n"
        );
        Self::request(address, &request).await
    }

    async fn open(server: &Running, path: &str) -> Self {
        let (socket, status, head) = Self::ask(server.websocket().unwrap(), path, "").await;
        assert_eq!(status, 101, "{head}");
        assert!(head.to_lowercase().contains("sec-websocket-accept: "), "{head}");
        assert!(!head.to_lowercase().contains("extensions"), "{head}");
        socket
    }

    fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length @ 126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        let mask = [0x12, 0x34, 0x56, 0x78];
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    pub(crate) async fn send(&mut self, opcode: u8, payload: &[u8]) -> bool {
        self.stream.write_all(&Self::frame(opcode, payload)).await.is_ok()
    }

    async fn text(&mut self, text: &str) {
        assert!(self.send(1, text.as_bytes()).await);
    }

    async fn binary(&mut self, bytes: &[u8]) {
        assert!(self.send(2, bytes).await);
    }

    /// The next message; pings are answered on the way.
    pub(crate) async fn next(&mut self) -> Frame {
        timeout(PATIENCE, async {
            loop {
                let mut head = [0; 2];
                if self.stream.read_exact(&mut head).await.is_err() {
                    return Frame::Gone;
                }
                assert_eq!(head[1] & 0x80, 0, "a server does not mask");
                let length = match head[1] {
                    126 => usize::from(self.stream.read_u16().await.unwrap()),
                    127 => usize::try_from(self.stream.read_u64().await.unwrap()).unwrap(),
                    length => usize::from(length),
                };
                let mut payload = vec![0; length];
                self.stream.read_exact(&mut payload).await.unwrap();
                match head[0] & 15 {
                    1 => return Frame::Text(String::from_utf8(payload).unwrap()),
                    8 => {
                        let code = payload.first_chunk::<2>().map_or(1005, |code| u16::from_be_bytes(*code));
                        self.send(8, &payload).await;
                        let reason = String::from_utf8(payload.split_off(payload.len().min(2))).unwrap();
                        return Frame::Close(code, reason);
                    }
                    9 => assert!(self.send(10, &payload).await),
                    10 => {}
                    other => panic!("opcode {other}"),
                }
            }
        })
        .await
        .expect("the server says something")
    }

    /// The next message of that event.
    pub(crate) async fn event(&mut self, event: &str) -> Value {
        loop {
            let Frame::Text(text) = self.next().await else { panic!("no {event}") };
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["event"] == event {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn a_tap_gets_decision_beep_and_the_moment_to_speak() {
    let server = start("").await;
    let mut socket = Socket::open(&server, &format!("/stream/{UUID}?rate=8000")).await;
    socket.text(r#"{"call":"abc def"}"#).await;
    for message in little(&recording("voicemail.wav")).chunks(320) {
        socket.binary(message).await;
    }
    let decision = socket.event("decision").await;
    for (name, value) in [
        ("call_uuid", json!(UUID)),
        ("voicemail_detected", json!(true)),
        ("is_voicemail", json!(true)),
        ("label", json!("machine")),
    ] {
        assert_eq!(decision[name], value, "{decision}");
    }
    assert!(decision["confidence"].as_f64().unwrap() > 0.5, "{decision}");
    assert!(decision["detection_time"].as_f64().unwrap() < 8.5, "{decision}");
    assert_eq!(decision["method"], "rules");
    let beep = socket.event("beep").await;
    let near = |value: &Value, wanted: f64| assert!((value.as_f64().unwrap() - wanted).abs() < 0.1, "{beep}");
    near(&beep["on_s"], 7.87);
    near(&beep["off_s"], 8.38);
    near(&beep["hz"], 1_000.0 + (beep["hz"].as_f64().unwrap() - 1_000.0) / 100.0);
    let speak_at = socket.event("speak_at").await;
    assert!((speak_at["speak_at_s"].as_f64().unwrap() - 8.38).abs() < 0.1, "{speak_at}");
    // All is told, and the call is free for another one; the socket stays, as its tap wants it.
    while server.calls() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    socket.binary(&[0; 320]).await;
    socket.send(8, &1000u16.to_be_bytes()).await;
    assert_eq!(socket.next().await, Frame::Close(1000, String::new()));
}

/// With the model a machine is told in the middle of its greeting: the beep is waited for by a second listening.
#[tokio::test]
async fn a_machine_told_by_its_voice_is_listened_to_until_its_beep() {
    let server = start("DETECT_RULES_ONLY=false").await;
    let mut socket = Socket::open(&server, &format!("/stream/{UUID}?rate=8000")).await;
    for message in little(&recording("voicemail.wav")).chunks(3_200) {
        socket.binary(message).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(socket.event("decision").await["voicemail_detected"], true);
    assert!((socket.event("beep").await["off_s"].as_f64().unwrap() - 8.38).abs() < 0.1);
    assert!((socket.event("speak_at").await["speak_at_s"].as_f64().unwrap() - 8.38).abs() < 0.1);
}

#[tokio::test]
async fn the_right_side_of_a_stereo_tap_in_each_format() {
    let server = start("").await;
    let sound = recording("voicemail.wav");
    for (format, rate) in [("l16", 8_000), ("pcmu", 8_000), ("f32", 16_000)] {
        let path = format!("/detect?format={format}&rate={rate}&channel=right&goal=answer");
        let mut socket = Socket::open(&server, &path).await;
        let mut bytes = Vec::new();
        for sample in &sound {
            for _ in 0..rate / 8_000 {
                for sample in [0, *sample] {
                    match format {
                        "l16" => bytes.extend(sample.to_le_bytes()),
                        "pcmu" => bytes.push(g711::encode_mulaw(sample)),
                        _ => bytes.extend((f32::from(sample) / 32_768.0).to_le_bytes()),
                    }
                }
            }
        }
        // Cut where no sample ends.
        for message in bytes.chunks(1_001) {
            socket.binary(message).await;
        }
        let decision = socket.event("decision").await;
        assert_eq!(decision["label"], "machine", "{format}: {decision}");
        assert_eq!(decision["received"]["rate"], rate);
    }
}

#[tokio::test]
async fn a_client_that_sends_all_at_once_gets_one_answer() {
    let server = start("").await;
    let mut socket = Socket::open(&server, "/").await;
    let sound = recording("voicemail.wav");
    socket.binary(&little(&sound[..32_000])).await;
    let Frame::Text(text) = socket.next().await else { panic!() };
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["event"], "decision", "{answer}");
    assert!(answer["is_voicemail"].is_boolean() && answer["confidence"].is_number() && answer["method"].is_string());
}

#[tokio::test]
async fn twilio_is_heard_and_told_nothing() {
    let server = start("STREAMS_TOKENS=a-secret-token").await;
    let mut socket = Socket::open(&server, "/twilio").await;
    socket.text(r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#).await;
    let start = json!({"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{
        "streamSid":"MZ1","accountSid":"AC1","callSid":"CA1","tracks":["inbound"],
        "customParameters":{"token":"a-secret-token","goal":"answer"},
        "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}});
    socket.text(&start.to_string()).await;
    for (n, message) in recording("sit.wav").chunks(160).enumerate() {
        let bytes: Vec<u8> = message.iter().map(|sample| g711::encode_mulaw(*sample)).collect();
        let payload = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
        let media = json!({"event":"media","streamSid":"MZ1","sequenceNumber":(n + 2).to_string(),
            "media":{"track":"inbound","chunk":(n + 1).to_string(),"timestamp":(n * 20).to_string(),"payload":payload}});
        socket.text(&media.to_string()).await;
    }
    // It is decided when the call is free again.
    while server.calls() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    socket.text(r#"{"event":"stop","streamSid":"MZ1","stop":{"callSid":"CA1"}}"#).await;
    assert_eq!(socket.next().await, Frame::Close(1000, "stopped".to_owned()));
    // One that brings no token is not listened to.
    let mut socket = Socket::open(&server, "/twilio").await;
    socket.text(r#"{"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA2"}}"#).await;
    assert_eq!(socket.next().await, Frame::Close(1008, "a token is needed".to_owned()));
}

#[tokio::test]
async fn audiosocket_is_clocked_and_heard() {
    let server = start("STREAMS_AUDIOSOCKET=127.0.0.1:0").await;
    let mut stream = TcpStream::connect(server.audiosocket().unwrap()).await.unwrap();
    let mut hello = vec![0x01, 0, 16];
    hello.extend([7; 16]);
    stream.write_all(&hello).await.unwrap();
    let (mut input, mut output) = stream.split();
    let sound = recording("sit.wav");
    let frames = sound.chunks_exact(160).count();
    let sending = async {
        for message in sound.chunks_exact(160) {
            output.write_all(&[0x10, 1, 64]).await.unwrap();
            output.write_all(&little(message)).await.unwrap();
        }
    };
    let receiving = async {
        for _ in 0..frames {
            let mut frame = [1; 323];
            input.read_exact(&mut frame).await.unwrap();
            assert_eq!(frame[..3], [0x10, 1, 64]);
            assert!(frame[3..].iter().all(|byte| *byte == 0));
        }
    };
    timeout(PATIENCE, async { tokio::join!(sending, receiving) }).await.unwrap();
    while server.calls() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stream.write_all(&[0, 0, 0]).await.unwrap();
    assert_eq!(timeout(PATIENCE, stream.read(&mut [0; 8])).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn requests_that_are_refused_say_why() {
    let server = start("STREAMS_TOKENS=a-secret-token,another-token ENGINE_MAX_CALLS=1").await;
    let address = server.websocket().unwrap();
    for (path, more, wanted) in [
        ("/detect", "", 401),
        ("/detect?token=wrong-token", "", 401),
        ("/detect", "Authorization: Bearer wrong-token\r\n", 401),
        ("/detect?token=a-secret-token&rate=fast", "", 400),
        ("/detect?token=a-secret-token&goal=everything", "", 400),
        ("/detect?token=a-secret-token&grammar=http://127.0.0.1/x", "", 400),
    ] {
        let (_, status, head) = Socket::ask(address, path, more).await;
        assert_eq!(status, wanted, "{path} {head}");
    }
    let foreign = format!(
        "GET /detect?token=a-secret-token HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: 3q0aYIMTvfij6Nc3i9tz1w==\r\nSec-WebSocket-Version: 13\r\nOrigin: https://evil.example.com\r\n\r\n"
    );
    assert_eq!(Socket::request(address, &foreign).await.1, 403);
    let (_first, status, head) =
        Socket::ask(address, "/stream/1?token=another-token", "Sec-WebSocket-Protocol: audio.drachtio.org\r\n").await;
    assert_eq!(status, 101);
    assert!(head.to_lowercase().contains("sec-websocket-protocol: audio.drachtio.org"), "{head}");
    // All calls are taken.
    let (_, status, head) = Socket::ask(address, "/stream/2", "Authorization: Bearer a-secret-token\r\n").await;
    assert_eq!(status, 503);
    assert!(head.to_lowercase().contains("retry-after: 5"), "{head}");
    let page = format!(
        "GET /tap/{UUID} HTTP/1.1\r\nHost: {address}\r\nx-api-key: a-secret-token\r\nConnection: close\r\n\r\n"
    );
    let (mut socket, status, _) = Socket::request(address, &page).await;
    let mut body = String::new();
    timeout(PATIENCE, socket.stream.read_to_string(&mut body)).await.unwrap().unwrap();
    assert_eq!((status, body), (200, format!("ws://{address}/stream/{UUID}")));
}

#[tokio::test]
async fn who_misbehaves_harms_nobody_else() {
    let server = start("STREAMS_MAX_AHEAD_MS=2000 STREAMS_MAX_MESSAGE_BYTES=65536 STREAMS_IDLE_MS=1000").await;
    let address = server.websocket().unwrap();
    // One that asks for nothing, one that says nothing, one that vanishes in the middle of a frame, and one that reads nothing.
    let silent = TcpStream::connect(address).await.unwrap();
    let mut quiet = Socket::open(&server, "/stream/quiet").await;
    let mut vanishing = Socket::open(&server, "/stream/vanishing").await;
    vanishing.stream.write_all(&Socket::frame(2, &[0; 320])[..100]).await.unwrap();
    drop(vanishing);
    let deaf = Socket::open(&server, "/stream/deaf").await;
    // One that lies about its format, and one that tells nonsense.
    let mut liar = Socket::open(&server, "/detect?format=f32&rate=8000").await;
    liar.binary(&little(&recording("sit.wav")[..8_000])).await;
    let mut nonsense = Socket::open(&server, "/stream/nonsense").await;
    for text in ["", "{", "[]", "{\"event\":7}", "{\"event\":\"media\"}", "{\"event\":\"start\",\"start\":{}}"] {
        nonsense.text(text).await;
    }
    let mut large = Socket::open(&server, "/stream/large").await;
    large.send(2, &vec![0; 100_000]).await;
    assert_eq!(large.event("end").await["code"], 1009);
    let closed = large.next().await;
    assert!(matches!(closed, Frame::Close(1009, _) | Frame::Gone), "{closed:?}");
    // One that floods: it is slowed, then closed.
    let flood = tokio::spawn(async move {
        let (mut socket, _, _) = Socket::ask(address, "/stream/flood?rate=8000", "").await;
        while socket.send(2, &[0; 16_000]).await {}
    });
    // One beside them is heard as ever.
    let mut socket = Socket::open(&server, "/stream/good?rate=8000").await;
    for message in little(&recording("sit.wav")).chunks(1_600) {
        socket.binary(message).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(socket.event("decision").await["label"], "sit");
    timeout(PATIENCE, flood).await.unwrap().unwrap();
    let Frame::Text(end) = quiet.next().await else { panic!() };
    let end: Value = serde_json::from_str(&end).unwrap();
    assert_eq!((&end["event"], &end["reason"]), (&json!("end"), &json!("no sound for 1 s")));
    assert!(matches!(quiet.next().await, Frame::Close(1000, _)));
    drop((silent, deaf, liar, nonsense));
    while server.calls() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_second_stream_of_the_same_call_ends_the_first() {
    let server = start("CALL_DRAIN_TIMEOUT_MS=200").await;
    let path = format!("/stream/{UUID}");
    let mut first = Socket::open(&server, &path).await;
    first.binary(&[0; 320]).await;
    let mut second = Socket::open(&server, &path).await;
    second.binary(&[0; 320]).await;
    assert_eq!(first.event("end").await["reason"], "a newer stream of the same call has come");
    assert!(matches!(first.next().await, Frame::Close(1000, _)));
    // The server stops: the other one is told.
    let stopping = tokio::spawn(server.shutdown());
    assert_eq!(second.event("end").await["reason"], "the server stops");
    assert!(matches!(second.next().await, Frame::Close(1001, _)));
    timeout(PATIENCE, stopping).await.unwrap().unwrap();
}
