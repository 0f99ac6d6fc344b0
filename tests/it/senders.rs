//! Each product's stream as it comes from the product: its request, its messages byte by byte, its end; and what answerd makes
//! of it. FreeSWITCH's modules as they were measured, clouds as they are documented.

use std::time::Duration;

use answerd::audio::g711;
use answerd::server::Running;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::server::PATIENCE;
use crate::streams::{Frame, Socket, little, recording, start};

/// What is sent.
enum Out {
    Text(String),
    Binary(Vec<u8>),
    /// Nothing: the next message of the server is of this `type`, and is waited for.
    Await(&'static str),
}

/// A product's stream.
struct Sender {
    name: &'static str,
    /// Path and query.
    target: &'static str,
    /// Header lines beside those of every handshake.
    headers: &'static str,
    /// The call's name, as `/calls/ID` takes it.
    call: &'static str,
    /// Before the sound.
    opening: Vec<Out>,
    /// The sound, in messages.
    media: fn(&[i16]) -> Vec<Out>,
    /// After it.
    closing: Vec<Out>,
    /// Whether decisions are told on the socket, and in which wrapping.
    told: Told,
}

#[derive(Clone, Copy, PartialEq)]
enum Told {
    Json,
    Wrapped,
    Nothing,
}

fn text(value: &Value) -> Out {
    Out::Text(value.to_string())
}

fn binaries(bytes: &[u8], sizes: usize) -> Vec<Out> {
    bytes.chunks(sizes).map(|message| Out::Binary(message.to_vec())).collect()
}

/// What a FreeSWITCH tap sends before the first packet: -1.
fn tapped(sound: &[i16]) -> Vec<i16> {
    [&[-1; 480][..], sound].concat()
}

fn doubled(sound: &[i16]) -> Vec<i16> {
    sound.iter().flat_map(|sample| [*sample; 2]).collect()
}

/// The far end first, then a side on which nothing plays.
fn with_silence(sound: &[i16]) -> Vec<i16> {
    sound.iter().flat_map(|sample| [*sample, -1]).collect()
}

fn mulaw(sound: &[i16]) -> Vec<u8> {
    sound.iter().map(|sample| g711::encode_mulaw(*sample)).collect()
}

/// Base64 in an object for each piece, of which `message` is told the place and the payload.
fn encoded(bytes: &[u8], sizes: usize, message: impl Fn(usize, String) -> Value) -> Vec<Out> {
    bytes.chunks(sizes).enumerate().map(|(n, piece)| text(&message(n, STANDARD.encode(piece)))).collect()
}

fn freeswitch() -> Vec<Sender> {
    vec![
        Sender {
            name: "mod_audio_stream",
            target: "/stream/fs-1?rate=8000",
            headers: "",
            call: "fs-1",
            opening: vec![Out::Text(r#"{"campaign":7,"name":"with a blank"}"#.to_owned())],
            media: |sound| binaries(&little(&tapped(sound)), 320),
            closing: vec![Out::Text("bye".to_owned())],
            told: Told::Json,
        },
        Sender {
            name: "mod_audio_stream, stereo at 16 kHz, STREAM_BUFFER_SIZE=100",
            target: "/audio_stream/fs-2?rate=16000&channels=2",
            headers: "Authorization:Bearer a-secret-token\r\n",
            call: "fs-2",
            opening: Vec::new(),
            media: |sound| binaries(&little(&with_silence(&doubled(&tapped(sound)))), 6_400),
            closing: Vec::new(),
            told: Told::Json,
        },
        Sender {
            name: "mod_audio_fork, joined messages and graceful-shutdown",
            target: "/stream/fs-3?rate=8000",
            headers: "Pragma: no-cache\r\nCache-Control: no-cache\r\nSec-WebSocket-Protocol: audio.drachtio.org\r\n",
            call: "fs-3",
            opening: vec![Out::Text(r#"{"call":"abc"}"#.to_owned())],
            media: |sound| {
                let bytes = little(&tapped(sound));
                let (first, rest) = bytes.split_at(640);
                [binaries(first, 640), binaries(rest, 320)].concat_all()
            },
            closing: vec![Out::Binary(Vec::new()), Out::Binary(Vec::new())],
            told: Told::Json,
        },
        Sender {
            name: "mod_ws_media",
            target: "/media?x=1",
            headers: "",
            call: "cccccccc-0000-4000-8000-000000000001",
            opening: vec![text(&json!({"event":"start","version":"1","call_id":"abc",
                "leg_uuid":"cccccccc-0000-4000-8000-000000000001","attach_mode":"tap",
                "media_format":{"encoding":"L16","sample_rate":8000,"channels":2,"ptime":20},
                "capture":{"mode":"stereo","tracks":[{"ch":0,"source":"read","role":"callee"},
                    {"ch":1,"source":"write","role":"caller"}]},"custom":{}}))],
            media: |sound| {
                let bytes = little(&with_silence(&tapped(sound)));
                let (first, rest) = bytes.split_at(1_920);
                [binaries(first, 1_920), binaries(rest, 640)].concat_all()
            },
            closing: vec![text(&json!({"event":"stop","version":"1","call_id":"abc","reason":"call_ended"}))],
            told: Told::Json,
        },
        Sender {
            name: "mod_vg_tap_ws",
            target: "/stream/fs-5?channels=2&channel=left",
            headers: "",
            call: "fs-5",
            opening: Vec::new(),
            media: |sound| binaries(&little(&with_silence(sound)), 640),
            closing: Vec::new(),
            told: Told::Json,
        },
        Sender {
            name: "jambonz",
            target: "/jambonz",
            headers: "Sec-WebSocket-Protocol: audio.jambonz.org\r\nAuthorization: Basic eDphLXNlY3JldC10b2tlbg==\r\n",
            call: "jb-1",
            opening: vec![text(
                &json!({"callSid":"jb-1","accountSid":"ac","from":"+1555","to":"+1556","callStatus":"in-progress",
                "direction":"outbound","sampleRate":16000,"mixType":"mono"}),
            )],
            media: |sound| binaries(&little(&doubled(sound)), 640),
            closing: Vec::new(),
            told: Told::Wrapped,
        },
        Sender {
            name: "the browser, 4096 samples at 48 kHz, which it does not tell",
            target: "/detect?call_uuid=browser-1",
            headers: "",
            call: "browser-1",
            opening: Vec::new(),
            media: |sound| {
                let sound: Vec<i16> = sound.iter().flat_map(|sample| [*sample; 6]).collect();
                binaries(&little(&sound), 8_192)
            },
            closing: Vec::new(),
            told: Told::Json,
        },
    ]
}

fn twilio_start(encoding: &str, rate: u32, call: &str) -> Vec<Out> {
    vec![
        text(&json!({"event":"connected","protocol":"Call","version":"1.0.0"})),
        text(
            &json!({"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"streamSid":"MZ1","accountSid":"AC1",
            "callSid":call,"tracks":["inbound"],"customParameters":{"goal":"answer"},
            "mediaFormat":{"encoding":encoding,"sampleRate":rate,"channels":1}}}),
        ),
    ]
}

fn twilio_media(n: usize, payload: &str) -> Value {
    json!({"event":"media","sequenceNumber":(n + 2).to_string(),"streamSid":"MZ1",
        "media":{"track":"inbound","chunk":(n + 1).to_string(),"timestamp":(n * 20).to_string(),"payload":payload}})
}

fn clouds() -> Vec<Sender> {
    let stop = || vec![text(&json!({"event":"stop","streamSid":"MZ1","stop":{}}))];
    vec![
        Sender {
            name: "Twilio",
            target: "/",
            headers: "",
            call: "CA1",
            opening: twilio_start("audio/x-mulaw", 8_000, "CA1"),
            media: |sound| encoded(&mulaw(sound), 160, |n, payload| twilio_media(n, &payload)),
            closing: stop(),
            told: Told::Nothing,
        },
        Sender {
            name: "SignalWire, L16@16000h",
            target: "/signalwire",
            headers: "",
            call: "CA2",
            opening: twilio_start("audio/l16", 16_000, "CA2"),
            media: |sound| encoded(&little(&doubled(sound)), 640, |n, payload| twilio_media(n, &payload)),
            closing: stop(),
            told: Told::Nothing,
        },
        Sender {
            name: "Telnyx, A-law, out of order",
            target: "/telnyx",
            headers: "",
            call: "tx-1",
            opening: vec![
                text(&json!({"event":"connected","version":"1.0.0"})),
                text(&json!({"event":"start","sequence_number":"1","stream_id":"s-1","start":{"user_id":"u",
                    "call_control_id":"tx-1","call_session_id":"cs","from":"+1555","to":"+1556","client_state":"","tags":[],
                    "custom_parameters":{"goal":"answer"},
                    "media_format":{"encoding":"PCMA","sample_rate":8000,"channels":1}}})),
            ],
            media: |sound| {
                let bytes: Vec<u8> = sound.iter().map(|sample| g711::encode_alaw(*sample)).collect();
                let mut messages = encoded(&bytes, 160, |n, payload| {
                    json!({"event":"media","sequence_number":(n + 2).to_string(),"stream_id":"s-1",
                        "media":{"track":"inbound","chunk":(n + 1).to_string(),"timestamp":(n * 20).to_string(),
                        "payload":payload}})
                });
                // Every second pair swaps places.
                messages.chunks_exact_mut(4).for_each(|four| four.swap(1, 2));
                messages
            },
            closing: vec![text(&json!({"event":"stop","stream_id":"s-1","stop":{"call_control_id":"tx-1"}}))],
            told: Told::Nothing,
        },
        Sender {
            name: "Plivo, L16 at 16 kHz",
            target: "/plivo",
            headers: "",
            call: "pl-1",
            opening: vec![text(&json!({"sequenceNumber":0,"event":"start","start":{"callId":"pl-1","streamId":"ps",
                "accountId":"a","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-l16","sampleRate":16000}},
                "extra_headers":"{goal=answer}"}))],
            media: |sound| {
                encoded(&little(&doubled(sound)), 640, |n, payload| {
                    json!({"sequenceNumber":n + 1,"event":"media","streamId":"ps","media":{"track":"inbound",
                        "timestamp":(1_690_000_000_000_u64 + n as u64 * 20).to_string(),"chunk":n + 1,"payload":payload},
                        "extra_headers":"{goal=answer}"})
                })
            },
            closing: Vec::new(),
            told: Told::Nothing,
        },
        Sender {
            name: "Exotel",
            target: "/exotel?sample-rate=8000",
            headers: "",
            call: "ex-1",
            opening: vec![
                text(&json!({"event":"connected"})),
                text(&json!({"event":"start","sequence_number":1,"stream_sid":"es","start":{"stream_sid":"es",
                    "call_sid":"ex-1","account_sid":"a","from":"0","to":"1","custom_parameters":{},
                    "media_format":{"encoding":"base64","sample_rate":"8000","bit_rate":"128kbps"}}})),
            ],
            media: |sound| {
                encoded(&little(sound), 1_600, |n, payload| {
                    json!({"event":"media","sequence_number":n + 2,"stream_sid":"es",
                        "media":{"chunk":n + 1,"timestamp":(n * 100).to_string(),"payload":payload}})
                })
            },
            closing: vec![text(&json!({"event":"stop","stream_sid":"es","stop":{"reason":"callended"}}))],
            told: Told::Nothing,
        },
        Sender {
            name: "Bandwidth",
            target: "/bandwidth",
            headers: "",
            call: "bw-1",
            opening: vec![text(&json!({"eventType":"start","metadata":{"accountId":"a","callId":"bw-1","streamId":"bs",
                "streamName":"x","tracks":[{"name":"inbound","mediaFormat":{"encoding":"PCMU","sampleRate":8000}}]},
                "streamParams":{"goal":"answer"}}))],
            media: |sound| {
                encoded(&mulaw(sound), 160, |_, payload| json!({"eventType":"media","track":"inbound","payload":payload}))
            },
            closing: vec![text(&json!({"eventType":"stop","metadata":{"callId":"bw-1"}}))],
            told: Told::Nothing,
        },
        Sender {
            name: "Vonage at 16 kHz",
            target: "/vonage",
            headers: "",
            call: "vg-1",
            opening: vec![text(&json!({"event":"websocket:connected","content-type":"audio/l16;rate=16000",
                "call_uuid":"vg-1","goal":"answer"}))],
            media: |sound| binaries(&little(&doubled(sound)), 640),
            closing: Vec::new(),
            told: Told::Nothing,
        },
        Sender {
            name: "chan_websocket, in words, with sound before them",
            target: "/media/x",
            headers: "Sec-WebSocket-Protocol: media\r\n",
            call: "x",
            opening: vec![
                Out::Binary(vec![0xff; 160]),
                Out::Text(
                    "MEDIA_START connection_id:x channel:WebSocket/x-1 channel_id:170.1 format:ulaw optimal_frame_size:160 \
                     ptime:20"
                        .to_owned(),
                ),
            ],
            media: |sound| binaries(&mulaw(sound), 160),
            closing: Vec::new(),
            told: Told::Nothing,
        },
        Sender {
            name: "chan_websocket, in JSON",
            target: "/media/y",
            headers: "Sec-WebSocket-Protocol: media\r\n",
            call: "y",
            opening: vec![text(&json!({"event":"MEDIA_START","connection_id":"y","channel":"WebSocket/y-1",
                "channel_id":"170.2","format":"slin16","optimal_frame_size":640,"ptime":20,"channel_variables":{}}))],
            media: |sound| binaries(&little(&doubled(sound)), 640),
            closing: Vec::new(),
            told: Told::Nothing,
        },
        Sender {
            name: "AudioHook, both sides",
            target: "/audiohook",
            headers: "audiohook-organization-id: o\r\naudiohook-correlation-id: c\r\naudiohook-session-id: s\r\nx-api-key: k\r\n",
            call: "gc-1",
            opening: vec![
                text(&json!({"version":"2","type":"open","seq":1,"serverseq":0,"id":"s","position":"PT0S","parameters":{
                    "organizationId":"o","conversationId":"gc-1","participant":{"id":"p","ani":"+1555","dnis":"+1556"},
                    "media":[{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}],
                    "language":"en-US"}})),
                Out::Await("opened"),
                text(&json!({"version":"2","type":"ping","seq":2,"serverseq":1,"id":"s","position":"PT0S","parameters":{}})),
                Out::Await("pong"),
            ],
            media: |sound| binaries(&mulaw(&with_silence(sound)), 1_600),
            closing: vec![
                text(&json!({"version":"2","type":"close","seq":3,"serverseq":2,"id":"s","position":"PT9S",
                    "parameters":{"reason":"end"}})),
                Out::Await("closed"),
            ],
            told: Told::Nothing,
        },
    ]
}

/// Pieces one after the other.
trait ConcatAll {
    fn concat_all(self) -> Vec<Out>;
}

impl<const N: usize> ConcatAll for [Vec<Out>; N] {
    fn concat_all(self) -> Vec<Out> {
        self.into_iter().flatten().collect()
    }
}

async fn send(socket: &mut Socket, out: Out, name: &str) {
    match out {
        Out::Text(text) => assert!(socket.send(1, text.as_bytes()).await, "{name}"),
        Out::Binary(bytes) => assert!(socket.send(2, &bytes).await, "{name}"),
        Out::Await(wanted) => loop {
            let Frame::Text(text) = socket.next().await else { panic!("{name}: no {wanted}") };
            let told: Value = serde_json::from_str(&text).unwrap();
            if told["type"] == wanted {
                return;
            }
        },
    }
}

/// What was decided of a call, as soon as it was.
async fn decided(server: &Running, call: &str) -> String {
    let uri = format!("http://{}/calls/{call}", server.ops().unwrap());
    let client = crate::ops::client();
    let asking = async {
        loop {
            let response = client.get(&uri).send().await.unwrap();
            if response.status().is_success() {
                let shown: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
                return shown["decisions"][0]["label"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("nothing is decided of {call}"))
}

async fn play(server: &Running, sender: Sender) {
    let Sender { name, target, headers, call, opening, media, closing, told } = sender;
    let (mut socket, status, head) = Socket::ask(server.websocket().unwrap(), target, headers).await;
    assert_eq!(status, 101, "{name}: {head}");
    if let Some((_, protocol)) = headers.split_once("Sec-WebSocket-Protocol: ") {
        let protocol = protocol.lines().next().unwrap();
        assert!(head.to_lowercase().contains(&format!("sec-websocket-protocol: {protocol}\r\n")), "{name}: {head}");
    }
    for out in opening.into_iter().chain(media(&recording("sit.wav"))) {
        send(&mut socket, out, name).await;
    }
    assert_eq!(decided(server, call).await, "sit", "{name}");
    let decision = match told {
        Told::Nothing => None,
        Told::Json => Some(socket.event("decision").await),
        Told::Wrapped => loop {
            let Frame::Text(text) = socket.next().await else { panic!("{name}: no decision") };
            let mut message: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(message["type"], "json", "{name}");
            if message["data"]["event"] == "decision" {
                break Some(message["data"].take());
            }
        },
    };
    if let Some(decision) = decision {
        assert_eq!((&decision["label"], &decision["call_uuid"]), (&json!("sit"), &json!(call)), "{name}: {decision}");
        // mod_audio_fork takes it for an event only without.
        assert!(decision.get("type").is_none(), "{name}");
    }
    for out in closing {
        send(&mut socket, out, name).await;
    }
}

#[tokio::test]
async fn every_product_is_heard_as_it_speaks() {
    let server = start("OPS_LISTEN=127.0.0.1:0").await;
    for sender in freeswitch().into_iter().chain(clouds()) {
        play(&server, sender).await;
    }
}
