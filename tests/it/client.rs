//! The client against a scripted recognizer on loopback: what goes wrong must be told, and left in good order.

use std::net::SocketAddr;
use std::time::Duration;

use answerd::audio::codec::Codec;
use answerd::client::{self, AfterSound, CallError, CallReport, CallSpec, Recognize, Target, Transport, What};
use answerd::wire::mrcp::{self, EventName, HeaderName, RequestId, RequestState, StatusCode};
use answerd::wire::sip::{self, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How the recognizer behaves; the default is well.
#[derive(Debug, Clone, Default)]
struct Script {
    /// INVITEs that are not heard.
    lost_invites: usize,
    /// Final status of INVITE instead of 200; 0 answers 100 and then waits for CANCEL.
    invite: Option<u16>,
    /// The 200 is sent twice.
    repeat_200: bool,
    /// Codec's payload type in the answer; `None` declines the audio.
    declined_audio: bool,
    /// Status of RECOGNIZE instead of 200.
    recognize: Option<u16>,
    /// After IN-PROGRESS: nothing, a closed connection, a BYE.
    then: Then,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Then {
    #[default]
    Complete,
    Nothing,
    Close,
    Bye,
}

const CHANNEL: &str = "32AECB23433801@speechrecog";

/// Runs a recognizer for one call; gives its address, and tells each request it got by its method.
async fn recognizer(script: Script, tasks: &mut JoinSet<()>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (log, seen) = mpsc::unbounded_channel();
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let rtp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let control = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = udp.local_addr().unwrap();
    let (bye, mut bye_wanted) = mpsc::unbounded_channel();
    let ports = (control.local_addr().unwrap().port(), rtp.local_addr().unwrap().port());
    let (sip_script, sip_log) = (script.clone(), log.clone());
    tasks.spawn(async move {
        let mut buffer = vec![0; 65_535];
        let mut invites = 0;
        let mut last: Option<(sip::Request, SocketAddr)> = None;
        loop {
            tokio::select! {
                received = udp.recv_from(&mut buffer) => {
                    let (length, peer) = received.unwrap();
                    let sip::Message::Request(request) = sip::parse(&buffer[..length]).unwrap() else { continue };
                    sip_log.send(request.method.to_string()).unwrap();
                    match request.method {
                        Method::Invite => {
                            invites += 1;
                            if invites <= sip_script.lost_invites {
                                continue;
                            }
                            let status = sip_script.invite.unwrap_or(200);
                            udp.send_to(&respond(&request, status.max(100), &sip_script, ports), peer).await.unwrap();
                            if sip_script.repeat_200 {
                                udp.send_to(&respond(&request, status, &sip_script, ports), peer).await.unwrap();
                            }
                            last = Some((request, peer));
                        }
                        Method::Cancel => {
                            udp.send_to(&respond(&request, 200, &sip_script, ports), peer).await.unwrap();
                            let invite = &last.as_ref().unwrap().0;
                            udp.send_to(&respond(invite, 487, &sip_script, ports), peer).await.unwrap();
                        }
                        Method::Ack => {}
                        _ => drop(udp.send_to(&respond(&request, 200, &sip_script, ports), peer).await.unwrap()),
                    }
                }
                Some(()) = bye_wanted.recv() => {
                    let (invite, peer) = last.as_ref().unwrap();
                    let from = invite.headers.get(&sip::HeaderName::FROM).unwrap();
                    let to = invite.headers.get(&sip::HeaderName::TO).unwrap();
                    let bye = format!(
                        "BYE sip:{peer} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKx\r\nFrom: {to};tag=theirs\r\n\
                         To: {from}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
                        invite.headers.call_id().unwrap()
                    );
                    udp.send_to(bye.as_bytes(), peer).await.unwrap();
                }
            }
        }
    });
    tasks.spawn(async move {
        let (stream, _) = control.accept().await.unwrap();
        serve_control(stream, rtp, script, log, bye).await;
    });
    (address, seen)
}

fn respond(request: &sip::Request, status: u16, script: &Script, (mrcp, rtp): (u16, u16)) -> Vec<u8> {
    let mut response = sip::Response::new(status);
    for name in [sip::HeaderName::VIA, sip::HeaderName::FROM, sip::HeaderName::CALL_ID, sip::HeaderName::CSEQ] {
        let value = request.headers.get(&name).unwrap().to_owned();
        response.headers.push(name, value);
    }
    let to = request.headers.get(&sip::HeaderName::TO).unwrap();
    let tag = if to.contains("tag=") { "" } else { ";tag=theirs" };
    response.headers.push(sip::HeaderName::TO, format!("{to}{tag}"));
    if status == 503 {
        response.headers.push(sip::HeaderName::RETRY_AFTER, 7);
    }
    if request.method == Method::Invite && status == 200 {
        let rtp = if script.declined_audio { 0 } else { rtp };
        response.headers.push(sip::HeaderName::CONTENT_TYPE, "application/sdp");
        response.body = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=application {mrcp} TCP/MRCPv2 1\r\n\
             a=setup:passive\r\na=connection:new\r\na=channel:{CHANNEL}\r\na=cmid:1\r\nm=audio {rtp} RTP/AVP 0\r\n\
             a=recvonly\r\na=mid:1\r\n"
        )
        .into_bytes();
    }
    response.write()
}

async fn serve_control(
    mut stream: TcpStream,
    rtp: UdpSocket,
    script: Script,
    log: mpsc::UnboundedSender<String>,
    bye: mpsc::UnboundedSender<()>,
) {
    let mut parser = mrcp::Parser::default();
    let mut buffer = Vec::new();
    while stream.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {
        parser.feed(&buffer);
        buffer.clear();
        while let Some(mrcp::Message::Request(request)) = parser.poll_message().unwrap() {
            log.send(request.method.to_string()).unwrap();
            let in_progress = request.method == mrcp::Method::Recognize && script.recognize.is_none();
            let state = if in_progress { RequestState::InProgress } else { RequestState::Complete };
            let status = StatusCode(if request.method == mrcp::Method::Recognize {
                script.recognize.unwrap_or(200)
            } else {
                200
            });
            let mut response = mrcp::Response::new(request.channel.clone(), request.id, status, state);
            if status.0 >= 400 {
                response = response.with(HeaderName::CompletionCause, "004 grammar-load-failure");
                response = response.with(HeaderName::CompletionReason, "\"no such grammar\"");
            }
            stream.write_all(&response.write()).await.unwrap();
            if !in_progress {
                continue;
            }
            // Sound comes, marked, and at the pace that it was recorded at.
            let mut packet = vec![0; 2048];
            let length = rtp.recv(&mut packet).await.unwrap();
            assert_eq!((length, packet[1]), (172, 0x80), "the first packet is PCMU with the marker");
            assert_eq!(rtp.recv(&mut packet).await.map(|_| packet[1]).unwrap(), 0);
            match script.then {
                Then::Nothing => {}
                Then::Close => return,
                Then::Bye => bye.send(()).unwrap(),
                Then::Complete => stream.write_all(&complete(&request.channel, request.id)).await.unwrap(),
            }
        }
    }
}

fn complete(channel: &mrcp::ChannelIdentifier, id: RequestId) -> Vec<u8> {
    let body = "<result><interpretation confidence='0.9'><instance>human</instance></interpretation></result>";
    mrcp::Event::new(channel.clone(), EventName::RecognitionComplete, id, RequestState::Complete)
        .with(HeaderName::CompletionCause, "000 success")
        .with_body("application/nlsml+xml", body)
        .write()
}

fn spec(server: SocketAddr) -> CallSpec {
    let recognize = Recognize {
        grammar: "builtin:speech/answer".to_owned(),
        parameters: Vec::new(),
        sound: vec![0; 800].into(),
        after: AfterSound::Silence,
        timeout: Duration::from_secs(20),
    };
    CallSpec {
        target: Target::new(server.ip().to_string(), server.port()),
        recognize,
        interrupt: CancellationToken::new(),
    }
}

/// Methods of the requests that a recognizer got. In which order those of SIP and of MRCP came, nobody knows.
#[derive(Debug, Default)]
struct Seen {
    sip: Vec<String>,
    mrcp: Vec<String>,
}

/// One call to a recognizer that behaves by `script`; gives its result and the methods that the recognizer saw.
async fn call(script: Script, interrupt_at: fn(&What) -> bool) -> (Result<CallReport, CallError>, Seen) {
    let mut tasks = JoinSet::new();
    let (server, mut seen) = recognizer(script, &mut tasks).await;
    let spec = spec(server);
    let interrupt = spec.interrupt.clone();
    let mut observer = |event: client::Event| {
        if interrupt_at(&event.what) {
            interrupt.cancel();
        }
    };
    let result = timeout(Duration::from_secs(60), client::call(spec, &mut observer)).await.expect("calls end");
    let mut methods = Seen::default();
    while let Ok(Some(method)) = timeout(Duration::from_millis(200), seen.recv()).await {
        let list = if matches!(method.as_str(), "RECOGNIZE" | "STOP") { &mut methods.mrcp } else { &mut methods.sip };
        list.push(method);
    }
    if let Some(Err(error)) = tasks.try_join_next() {
        panic!("the recognizer failed: {error}");
    }
    (result, methods)
}

const NEVER: fn(&What) -> bool = |_| false;

#[tokio::test]
async fn a_whole_call() {
    let (result, seen) = call(Script::default(), NEVER).await;
    let report = result.unwrap();
    assert_eq!(seen.sip, ["INVITE", "ACK", "BYE"]);
    assert_eq!(seen.mrcp, ["RECOGNIZE"]);
    assert_eq!((report.codec, report.channel.as_str()), (Codec::Pcmu, CHANNEL));
    assert_eq!(report.recognition.success().unwrap().label(), Some("human"));
    assert!(report.recognition.packets >= 2);
}

#[tokio::test]
async fn a_lost_invite_is_sent_again_and_a_repeated_answer_acknowledged_again() {
    let (result, seen) = call(Script { lost_invites: 1, repeat_200: true, ..Script::default() }, NEVER).await;
    result.unwrap();
    assert_eq!(seen.sip.iter().filter(|method| *method == "INVITE").count(), 2, "{seen:?}");
    assert_eq!(seen.sip.iter().filter(|method| *method == "ACK").count(), 2, "{seen:?}");
}

#[tokio::test]
async fn refused_calls_are_acknowledged_and_told() {
    let (result, seen) = call(Script { invite: Some(503), ..Script::default() }, NEVER).await;
    assert!(matches!(result, Err(CallError::Refused { status: 503, retry_after: Some(7), .. })), "{result:?}");
    assert_eq!(seen.sip, ["INVITE", "ACK"]);
}

#[tokio::test]
async fn an_unusable_answer_is_acknowledged_and_left() {
    let (result, seen) = call(Script { declined_audio: true, ..Script::default() }, NEVER).await;
    assert!(matches!(result, Err(CallError::NoCodec)), "{result:?}");
    assert_eq!(seen.sip, ["INVITE", "ACK", "BYE"]);
}

#[tokio::test]
async fn a_refused_recognize_is_told_with_its_cause() {
    let (result, seen) = call(Script { recognize: Some(407), ..Script::default() }, NEVER).await;
    let text = result.unwrap_err().to_string();
    assert_eq!(text, "RECOGNIZE was refused with 407, completion cause 004 grammar-load-failure: no such grammar");
    assert_eq!(seen.sip, ["INVITE", "ACK", "BYE"]);
    assert_eq!(seen.mrcp, ["RECOGNIZE"]);
}

#[tokio::test]
async fn a_lost_connection_and_a_bye_end_the_call() {
    let (result, seen) = call(Script { then: Then::Close, ..Script::default() }, NEVER).await;
    assert!(matches!(result, Err(CallError::ConnectionLost { .. })), "{result:?}");
    assert_eq!(seen.sip, ["INVITE", "ACK", "BYE"]);
    assert_eq!(seen.mrcp, ["RECOGNIZE"]);
    let (result, seen) = call(Script { then: Then::Bye, ..Script::default() }, NEVER).await;
    assert!(matches!(result, Err(CallError::HungUp)), "{result:?}");
    assert_eq!(seen.sip, ["INVITE", "ACK"], "who was hung up on sends no BYE");
    assert_eq!(seen.mrcp, ["RECOGNIZE"]);
}

#[tokio::test]
async fn an_interrupted_call_is_cancelled_before_the_answer_and_stopped_after_it() {
    let script = Script { invite: Some(0), ..Script::default() };
    let (result, seen) = call(script, |what| matches!(what, What::Provisional { .. })).await;
    assert!(matches!(result, Err(CallError::Interrupted)), "{result:?}");
    assert_eq!(seen.sip, ["INVITE", "CANCEL", "ACK"]);
    let script = Script { then: Then::Nothing, ..Script::default() };
    let (result, seen) = call(script, |what| matches!(what, What::Played { .. })).await;
    assert!(matches!(result, Err(CallError::Interrupted)), "{result:?}");
    assert_eq!(seen.sip, ["INVITE", "ACK", "BYE"]);
    assert_eq!(seen.mrcp, ["RECOGNIZE", "STOP"]);
}

#[tokio::test]
async fn nobody_there_is_told_at_once() {
    // A port that was free a moment ago.
    let free = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut spec = spec(free);
        spec.target.transport = transport;
        let result =
            timeout(Duration::from_secs(20), client::call(spec, &mut |_| {})).await.expect("not the 32 s of timer B");
        assert!(matches!(result, Err(CallError::NothingThere { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_told() {
    let mut unsendable = spec("127.0.0.1:9".parse().unwrap());
    unsendable.target.codecs = vec![Codec::L16Wide];
    let result = client::call(unsendable, &mut |_| {}).await;
    assert!(matches!(result, Err(CallError::CannotSend(_))), "{result:?}");
    let mut nameless = spec("127.0.0.1:9".parse().unwrap());
    nameless.target.host = "a b".to_owned();
    let result = client::call(nameless, &mut |_| {}).await;
    assert!(matches!(result, Err(CallError::Unresolved { .. })), "{result:?}");
}
