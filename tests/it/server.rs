//! The server on loopback: whole calls, and clients that misbehave. Ports are free ones, waits are bounded.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use answerd::config::Config;
use answerd::server::{Running, Server};
use answerd::wire::mrcp::{HeaderName, Message, Parser};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// Longer than anything here takes, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn start(settings: &str) -> Running {
    let free = "[sip]\nlisten = [\"127.0.0.1:0\"]\n[mrcp]\naddress = \"127.0.0.1\"\nport = 0\n[rtsp]\nlisten = []\n";
    let rtp = "[rtp]\naddress = \"127.0.0.1\"\nport_min = 0\nport_max = 0\n[engine]\nworkers = 1\n";
    let variables = settings.split_whitespace().map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        (format!("ANSWERD_{name}"), value.to_owned())
    });
    let config = Config::read(Some(("test", &format!("{free}{rtp}"))), variables).unwrap();
    Server::start(config).await.unwrap()
}

/// One SIP dialog over UDP, as text.
pub(crate) struct Call {
    socket: UdpSocket,
    call_id: String,
    cseq: u32,
    /// To with the server's tag, once it is known.
    to: String,
    control: SocketAddr,
    pub(crate) channel: String,
    pub(crate) audio: SocketAddr,
}

pub(crate) fn offer(media: &str) -> String {
    format!("v=0\r\no=test 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{media}")
}

pub(crate) const CONTROL: &str = "m=application 9 TCP/MRCPv2 1\r\na=setup:active\r\na=connection:new\r\n\
                       a=resource:speechrecog\r\na=cmid:1\r\n";
pub(crate) const AUDIO: &str = "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
                     a=sendonly\r\na=mid:1\r\n";

impl Call {
    async fn new(server: &Running) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(server.sip()[0].address).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let nowhere = "127.0.0.1:9".parse().unwrap();
        let (to, channel) = ("<sip:answerd@127.0.0.1>".to_owned(), String::new());
        Self { socket, call_id: format!("call-{port}"), cseq: 0, to, control: nowhere, channel, audio: nowhere }
    }

    async fn send(&self, method: &str, cseq: u32, branch: &str, body: &str) {
        let local = self.socket.local_addr().unwrap();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let message = format!(
            "{method} sip:answerd@{} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:test@{local}>;tag=t\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n\
             {kind}Content-Length: {}\r\n\r\n{body}",
            self.socket.peer_addr().unwrap(),
            self.to,
            self.call_id,
            body.len(),
        );
        self.socket.send(message.as_bytes()).await.unwrap();
    }

    async fn receive(&self) -> String {
        let mut buffer = vec![0; 65_536];
        let length = timeout(PATIENCE, self.socket.recv(&mut buffer)).await.expect("no SIP message").unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// The final response to a request just sent.
    async fn answer(&self, cseq: u32) -> String {
        loop {
            let message = self.receive().await;
            let own = message.contains(&format!("CSeq: {cseq} "));
            if own && message.starts_with("SIP/2.0 ") && !message.starts_with("SIP/2.0 1") {
                return message;
            }
        }
    }

    async fn invite(&mut self, sdp: &str) -> String {
        self.cseq += 1;
        let (cseq, branch) = (self.cseq, format!("i{}", self.cseq));
        self.send("INVITE", cseq, &branch, sdp).await;
        let answer = self.answer(cseq).await;
        if let Some(to) = answer.lines().find_map(|line| line.strip_prefix("To: ")) {
            self.to = to.to_owned();
        }
        // The ACK of a failure belongs to the INVITE's transaction, that of a success to the dialog.
        let branch = if answer.starts_with("SIP/2.0 2") { format!("a{cseq}") } else { branch };
        self.send("ACK", cseq, &branch, "").await;
        answer
    }

    /// A call that is taken: remembers where its channel and its audio are.
    pub(crate) async fn open(server: &Running) -> Self {
        let mut call = Self::new(server).await;
        let answer = call.invite(&offer(&format!("{CONTROL}{AUDIO}"))).await;
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        call.read(&answer);
        call
    }

    fn read(&mut self, answer: &str) {
        let port = |media: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(media)).unwrap();
            line.split(' ').next().unwrap().parse::<u16>().unwrap()
        };
        self.control = SocketAddr::new("127.0.0.1".parse().unwrap(), port("m=application "));
        self.audio = SocketAddr::new("127.0.0.1".parse().unwrap(), port("m=audio "));
        self.channel = answer.lines().find_map(|line| line.strip_prefix("a=channel:")).unwrap().to_owned();
        assert!(answer.contains("c=IN IP4 127.0.0.1"), "{answer}");
    }

    pub(crate) async fn bye(&mut self) {
        self.cseq += 1;
        self.send("BYE", self.cseq, &format!("b{}", self.cseq), "").await;
        let answer = self.answer(self.cseq).await;
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    }

    /// Waits for the server's BYE and answers it.
    async fn expect_bye(&self) {
        loop {
            let message = self.receive().await;
            if message.starts_with("BYE ") {
                let kept = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
                let headers = message.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
                let headers = headers.map(|line| format!("{line}\r\n")).collect::<String>();
                let answer = format!("SIP/2.0 200 OK\r\n{headers}Content-Length: 0\r\n\r\n");
                self.socket.send(answer.as_bytes()).await.unwrap();
                return;
            }
        }
    }
}

/// One MRCP connection.
pub(crate) struct Control {
    stream: TcpStream,
    parser: Parser,
}

pub(crate) fn request(channel: &str, id: u32, method: &str, headers: &str, body: &str) -> String {
    let content = match body {
        "" => String::new(),
        _ => format!("Content-Type: text/uri-list\r\nContent-Length: {}\r\n", body.len()),
    };
    let rest = format!(" {method} {id}\r\nChannel-Identifier: {channel}\r\n{headers}{content}\r\n{body}");
    let length = "MRCP/2.0 ".len() + rest.len();
    // The length counts its own digits.
    let length = (length..).find(|total| total - length == total.to_string().len()).unwrap();
    format!("MRCP/2.0 {length}{rest}")
}

const ANSWER: &str = "builtin:speech/answer";

impl Control {
    pub(crate) async fn connect(call: &Call) -> Self {
        Self::to(call.control).await
    }

    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), parser: Parser::default() }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next message; `None` at the connection's end.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.parser.poll_message().unwrap() {
                return Some(message);
            }
            let mut buffer = [0; 4096];
            let length = timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("no MRCP message").unwrap_or(0);
            if length == 0 {
                return None;
            }
            self.parser.feed(&buffer[..length]);
        }
    }

    pub(crate) async fn status(&mut self) -> String {
        match self.next().await {
            Some(Message::Response(response)) => {
                format!("{} {} {}", response.id, response.status, response.state.as_str())
            }
            other => panic!("{other:?} is no response"),
        }
    }

    /// The cause and the body of the next RECOGNITION-COMPLETE; START-OF-INPUT is read over.
    pub(crate) async fn complete(&mut self) -> (String, String) {
        loop {
            match self.next().await {
                Some(Message::Event(event)) if event.name.as_str() == "START-OF-INPUT" => {}
                Some(Message::Event(event)) => {
                    assert_eq!(event.name.as_str(), "RECOGNITION-COMPLETE");
                    let cause = event.headers.get(HeaderName::CompletionCause).unwrap().to_owned();
                    return (cause, String::from_utf8(event.body.to_vec()).unwrap());
                }
                other => panic!("{other:?} is no event"),
            }
        }
    }

    pub(crate) async fn recognize(&mut self, call: &Call, id: u32, headers: &str) {
        self.send(&request(&call.channel, id, "RECOGNIZE", headers, ANSWER)).await;
        assert_eq!(self.status().await, format!("{id} 200 IN-PROGRESS"));
    }
}

/// Sends samples as PCMU packets in real time.
pub(crate) async fn play(to: SocketAddr, samples: &[i16]) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for (index, packet) in samples.chunks(160).enumerate() {
        clock.tick().await;
        let marker = if index == 0 { 0x80 } else { 0 };
        let mut bytes = vec![0x80, marker];
        bytes.extend_from_slice(&u16::try_from(index).unwrap().to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(index * 160).unwrap().to_be_bytes());
        bytes.extend_from_slice(&7u32.to_be_bytes());
        bytes.extend(packet.iter().map(|&sample| audio_codec_algorithms::encode_ulaw(sample)));
        socket.send_to(&bytes, to).await.unwrap();
    }
}

pub(crate) fn tone(hz: f64, seconds: f64) -> Vec<i16> {
    let samples = 0..(seconds * 8000.0) as u32;
    samples.map(|n| (8000.0 * (f64::from(n) * hz * std::f64::consts::TAU / 8000.0).sin()) as i16).collect()
}

/// Special information tone of ITU-T E.180, twice: 950, 1400 and 1800 Hz, then silence.
pub(crate) fn special_information() -> Vec<i16> {
    let once = [(950.0, 0.33), (1400.0, 0.33), (1800.0, 0.33), (0.0, 1.0)];
    once.repeat(2).into_iter().flat_map(|(hz, seconds)| tone(hz, seconds)).collect()
}

/// Waits until the server holds so many calls.
pub(crate) async fn until_calls(server: &Running, calls: usize) {
    let reached = async {
        while server.calls() != calls {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, reached).await.expect("calls are left over");
}

#[tokio::test]
async fn a_dead_number_is_told_by_its_tones() {
    let server = start("").await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    control.recognize(&call, 1, "").await;
    let playing = tokio::spawn(async move { play(call.audio, &special_information()).await });
    let (cause, body) = control.complete().await;
    assert_eq!(cause, "000 success", "{body}");
    assert!(body.contains("sit"), "{body}");
    playing.abort();
    call.bye().await;
    until_calls(&server, 0).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_calls_at_once_are_each_told_their_own() {
    let server = Arc::new(start("ENGINE_WORKERS=2").await);
    let calls = (0..50).map(|number| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let mut call = Call::open(&server).await;
            let mut control = Control::connect(&call).await;
            control.recognize(&call, 1, "No-Input-Timeout: 1000\r\n").await;
            let audio = call.audio;
            // Every other one hears nothing.
            let playing = tokio::spawn(async move {
                let sound = if number % 2 == 0 { special_information() } else { tone(0.0, 2.0) };
                play(audio, &sound).await;
            });
            let (cause, body) = control.complete().await;
            playing.abort();
            call.bye().await;
            (number, cause, body.contains("sit"))
        })
    });
    for call in calls.collect::<Vec<_>>() {
        let (number, cause, sit) = call.await.unwrap();
        let expected = if number % 2 == 0 { ("000 success", true) } else { ("002 no-input-timeout", false) };
        assert_eq!((cause.as_str(), sit), expected, "call {number}");
    }
    until_calls(&server, 0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_connection_and_nothing_else() {
    let server = start("").await;
    let mut call = Call::open(&server).await;
    let mut deaf = Control::connect(&call).await;
    // What the sockets' buffers on both sides may take is far less.
    let mut closed = false;
    for id in 1..2_000_000 {
        let text = request(&call.channel, id, "GET-PARAMS", "", "");
        let written = timeout(PATIENCE, deaf.stream.write_all(text.as_bytes())).await.expect("it is not closed");
        if written.is_err() {
            closed = true;
            break;
        }
    }
    assert!(closed);
    let mut control = Control::connect(&call).await;
    control.recognize(&call, 100_000_000, "No-Input-Timeout: 50\r\n").await;
    assert_eq!(control.complete().await.0, "002 no-input-timeout");
    call.bye().await;
    until_calls(&server, 0).await;
}

#[tokio::test]
async fn nothing_heard_is_no_input() {
    let server = start("").await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    for id in 1..=2 {
        control.recognize(&call, id, "No-Input-Timeout: 200\r\n").await;
        assert_eq!(control.complete().await.0, "002 no-input-timeout");
    }
    call.bye().await;
    until_calls(&server, 0).await;
    // The channel went with its call.
    control.send(&request(&call.channel, 3, "RECOGNIZE", "", ANSWER)).await;
    assert_eq!(control.status().await, "3 405 COMPLETE");
}

#[tokio::test]
async fn calls_share_a_connection_and_a_call_uses_several() {
    let server = start("").await;
    let (mut one, mut other) = (Call::open(&server).await, Call::open(&server).await);
    assert_ne!(one.channel, other.channel);
    assert_ne!(one.audio, other.audio);
    let mut shared = Control::connect(&one).await;
    let mut second = Control::connect(&one).await;
    // Two requests in one segment, of two calls.
    let headers = "No-Input-Timeout: 100\r\n";
    let both = [&one, &other].map(|call| request(&call.channel, 1, "RECOGNIZE", headers, ANSWER)).concat();
    shared.send(&both).await;
    let mut told = Vec::new();
    for _ in 0..4 {
        let message = shared.next().await.unwrap();
        told.push((message.channel().to_string(), matches!(message, Message::Event(_))));
    }
    for call in [&one, &other] {
        assert!(
            told.contains(&(call.channel.clone(), true)) && told.contains(&(call.channel.clone(), false)),
            "{told:?}"
        );
    }
    // The same channel on another connection is answered there; the first one's end does no harm.
    drop(shared);
    second.recognize(&one, 2, headers).await;
    assert_eq!(second.complete().await.0, "002 no-input-timeout");
    one.bye().await;
    other.bye().await;
    until_calls(&server, 0).await;
}

#[tokio::test]
async fn a_new_offer_keeps_channel_and_port() {
    let server = start("").await;
    let mut call = Call::open(&server).await;
    let (channel, audio) = (call.channel.clone(), call.audio);
    let answer = call.invite(&offer(&format!("{CONTROL}{AUDIO}")).replace("o=test 1 1", "o=test 1 2")).await;
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    call.read(&answer);
    assert_eq!((call.channel.as_str(), call.audio), (channel.as_str(), audio));
    let mut control = Control::connect(&call).await;
    control.recognize(&call, 1, "No-Input-Timeout: 100\r\n").await;
    assert_eq!(control.complete().await.0, "002 no-input-timeout");
    assert_eq!(server.calls(), 1);
    call.bye().await;
    until_calls(&server, 0).await;
}

#[tokio::test]
async fn offers_that_can_not_be_served_are_refused_and_cost_nothing() {
    let server = start("").await;
    for (sdp, status) in [
        (offer(&format!("{}{AUDIO}", CONTROL.replace("speechrecog", "speechsynth"))), "488"),
        (offer(&format!("{CONTROL}{}", AUDIO.replace("RTP/AVP 0 101", "RTP/AVP 18"))), "488"),
        (offer(AUDIO), "488"),
        ("hello\r\n".to_owned(), "400"),
    ] {
        let answer = Call::new(&server).await.invite(&sdp).await;
        assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{sdp}\n{answer}");
        assert_eq!(server.calls(), 0);
    }
}

#[tokio::test]
async fn a_full_server_says_when_to_come_back() {
    let server = start("ENGINE_MAX_CALLS=1 CALL_RETRY_AFTER_S=7").await;
    let mut call = Call::open(&server).await;
    let mut further = Call::new(&server).await;
    let answer = further.invite(&offer(&format!("{CONTROL}{AUDIO}"))).await;
    assert!(answer.starts_with("SIP/2.0 503 "), "{answer}");
    assert!(answer.contains("\r\nRetry-After: 7"), "{answer}");
    call.bye().await;
    until_calls(&server, 0).await;
    Call::open(&server).await.bye().await;
}

#[tokio::test]
async fn a_call_without_mrcp_connection_is_ended() {
    let server = start("CALL_CONNECTION_TIMEOUT_MS=200").await;
    let call = Call::open(&server).await;
    call.expect_bye().await;
    until_calls(&server, 0).await;
    // Nor does one live on whose connection broke in the middle of a recognition.
    let call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    control.recognize(&call, 1, "No-Input-Timeout: 60000\r\n").await;
    drop(control);
    call.expect_bye().await;
    until_calls(&server, 0).await;
}

#[tokio::test]
async fn an_idle_mrcp_connection_is_closed_and_a_used_one_is_not() {
    let server = start("MRCP_CONNECTION_IDLE_MS=300").await;
    let mut call = Call::open(&server).await;
    let (mut used, mut idle) = (Control::connect(&call).await, Control::connect(&call).await);
    used.recognize(&call, 1, "No-Input-Timeout: 50\r\n").await;
    used.complete().await;
    assert!(idle.next().await.is_none());
    tokio::time::sleep(Duration::from_millis(700)).await;
    used.recognize(&call, 2, "No-Input-Timeout: 50\r\n").await;
    used.complete().await;
    call.bye().await;
    assert!(used.next().await.is_none());
}

#[tokio::test]
async fn garbage_harms_only_who_sends_it() {
    let server = start("").await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    control.recognize(&call, 1, "No-Input-Timeout: 1500\r\n").await;
    let sip = server.sip()[0].address;
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut noise = 1u32;
    for length in (0..2_000).step_by(7) {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        })
        .take(length)
        .collect();
        udp.send_to(&bytes, sip).await.unwrap();
        udp.send_to(&bytes, call.audio).await.unwrap();
    }
    for (address, text) in [(sip, "\0\0GET / HTTP/1.1\r\n\r\n"), (call.control, "GET / HTTP/1.1\r\n\r\n")] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.repeat(100).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Closed, in order or not.
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("garbage is listened to").ok();
    }
    // A request that is cut off, and its connection.
    let mut cut = TcpStream::connect(call.control).await.unwrap();
    let text = request(&call.channel, 2, "STOP", "", "");
    cut.write_all(&text.as_bytes()[..text.len() / 2]).await.unwrap();
    drop(cut);
    assert_eq!(control.complete().await.0, "002 no-input-timeout");
    call.bye().await;
    until_calls(&server, 0).await;
}

#[tokio::test]
async fn a_malformed_request_is_answered_and_the_next_one_served() {
    let server = start("").await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    let good = request(&call.channel, 2, "RECOGNIZE", "No-Input-Timeout: 50\r\n", ANSWER);
    let bad = request(&call.channel, 1, "RECOGNIZE", "no header at all\r\n", "");
    // One byte at a time.
    for byte in format!("{bad}{good}").bytes() {
        control.stream.write_all(&[byte]).await.unwrap();
    }
    let refused = control.status().await;
    assert!(refused.starts_with("1 4"), "{refused}");
    assert_eq!(control.status().await, "2 200 IN-PROGRESS");
    control.complete().await;
    call.bye().await;
}

#[tokio::test]
async fn draining_completes_what_runs_and_says_goodbye() {
    let server = start("CALL_DRAIN_TIMEOUT_MS=600").await;
    let (idle, short, long) = (Call::open(&server).await, Call::open(&server).await, Call::open(&server).await);
    let mut control = Control::connect(&long).await;
    control.recognize(&long, 1, "No-Input-Timeout: 60000\r\n").await;
    let mut other = Control::connect(&short).await;
    other.recognize(&short, 1, "No-Input-Timeout: 200\r\n").await;
    let mut late = Call::new(&server).await;
    let shutdown = tokio::spawn(server.shutdown());
    // A call without a recognition is over at once, so draining has begun.
    idle.expect_bye().await;
    let answer = late.invite(&offer(&format!("{CONTROL}{AUDIO}"))).await;
    assert!(answer.starts_with("SIP/2.0 503 "), "{answer}");
    assert!(answer.contains("\r\nRetry-After: "), "{answer}");
    assert_eq!(other.complete().await.0, "002 no-input-timeout");
    short.expect_bye().await;
    assert_eq!(control.complete().await.0, "006 recognizer-error");
    long.expect_bye().await;
    assert!(control.next().await.is_none());
    timeout(PATIENCE, shutdown).await.expect("the server does not stop").unwrap();
}

#[tokio::test]
async fn sip_over_tcp_is_served() {
    let server = start("").await;
    let mut stream = TcpStream::connect(server.sip()[0].address).await.unwrap();
    let local = stream.local_addr().unwrap();
    let sdp = offer(&format!("{CONTROL}{AUDIO}"));
    let head = |method: &str, branch: &str, to: &str, cseq: u32| {
        format!(
            "{method} sip:answerd@127.0.0.1 SIP/2.0\r\nv: SIP/2.0/TCP {local};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             f: <sip:test@{local}>;tag=t\r\nt: {to}\r\ni: tcp\r\nCSeq: {cseq} {method}\r\n"
        )
    };
    let invite = format!("{}c: application/sdp\r\nl: {}\r\n\r\n{sdp}", head("INVITE", "1", "<sip:a@b>", 1), sdp.len());
    let (first, second) = invite.split_at(invite.len() / 2);
    stream.write_all(first.as_bytes()).await.unwrap();
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut received = String::new();
    let read_until = async |stream: &mut TcpStream, received: &mut String, what: &str| {
        let mut buffer = [0; 4096];
        while !received.contains(what) {
            let length = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("no SIP answer").unwrap();
            assert_ne!(length, 0, "closed after {received}");
            received.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
    };
    read_until(&mut stream, &mut received, "a=channel:").await;
    let answer = received.split("SIP/2.0 200 ").nth(1).unwrap();
    let to = answer.lines().find_map(|line| line.strip_prefix("To: ")).unwrap().to_owned();
    let ack = format!("{}l: 0\r\n\r\n", head("ACK", "2", &to, 1));
    let bye = format!("{}l: 0\r\n\r\n", head("BYE", "3", &to, 2));
    stream.write_all(format!("{ack}{bye}").as_bytes()).await.unwrap();
    received.clear();
    read_until(&mut stream, &mut received, "2 BYE").await;
    until_calls(&server, 0).await;
}

#[tokio::test]
async fn a_goodbye_finds_its_way_when_the_connection_is_gone() {
    let server = start("CALL_CONNECTION_TIMEOUT_MS=300").await;
    let own = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let contact = own.local_addr().unwrap();
    let mut stream = TcpStream::connect(server.sip()[0].address).await.unwrap();
    let sdp = offer(&format!("{CONTROL}{AUDIO}"));
    let head = |method: &str, branch: &str, to: &str| {
        format!(
            "{method} sip:answerd@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP {contact};branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:test@{contact}>;tag=t\r\nTo: {to}\r\nCall-ID: gone\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:test@{contact};transport=tcp>\r\n"
        )
    };
    let invite = head("INVITE", "1", "<sip:a@b>");
    let invite = format!("{invite}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
    stream.write_all(invite.as_bytes()).await.unwrap();
    let mut received = String::new();
    let mut buffer = [0; 4096];
    while !received.contains("a=channel:") {
        let length = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("no answer").unwrap();
        received.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    let answer = received.split("SIP/2.0 200 ").nth(1).unwrap();
    let to = answer.lines().find_map(|line| line.strip_prefix("To: ")).unwrap();
    let ack = format!("{}Content-Length: 0\r\n\r\n", head("ACK", "2", to));
    stream.write_all(ack.as_bytes()).await.unwrap();
    drop(stream);
    let (mut back, _) = timeout(PATIENCE, own.accept()).await.expect("nobody connects").unwrap();
    let length = timeout(PATIENCE, back.read(&mut buffer)).await.expect("nothing is said").unwrap();
    assert!(buffer[..length].starts_with(b"BYE "), "{}", String::from_utf8_lossy(&buffer[..length]));
    until_calls(&server, 0).await;
}
