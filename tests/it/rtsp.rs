//! MRCPv1 over RTSP on loopback: whole sessions over real sockets, and clients that misbehave.

use std::net::SocketAddr;

use answerd::server::Running;
use answerd::wire::mrcp::v1;
use answerd::wire::mrcp::{HeaderName as Mrcp, RequestState};
use answerd::wire::rtsp::{HeaderName, Message, Method, Parser, Received, Request, Response, StatusCode, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::{PATIENCE, play, special_information, start, until_calls};

async fn serve(settings: &str) -> Running {
    start(&format!("RTSP_LISTEN=127.0.0.1:0 {settings}")).await
}

const SDP: &str = "v=0\r\no=test 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 4000 RTP/AVP 0 8 96 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
                   a=rtpmap:96 L16/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendonly\r\n\
                   a=ptime:20\r\n";
const BUILTIN: &str = "Content-Type: text/uri-list\r\nContent-Length: 21\r\n\r\nbuiltin:speech/answer";
const TRANSPORT: &str = "RTP/AVP;unicast;client_port=4000-4001";

/// A client's connection.
struct Client {
    stream: TcpStream,
    parser: Parser,
    server: SocketAddr,
    cseq: u64,
}

/// One of its sessions.
#[derive(Debug, Clone)]
struct Session {
    id: String,
    audio: SocketAddr,
}

impl Client {
    async fn connect(server: &Running) -> Self {
        let server = server.rtsp()[0];
        Self { stream: TcpStream::connect(server).await.unwrap(), parser: Parser::default(), server, cseq: 0 }
    }

    async fn send(&mut self, method: Method, headers: &[(HeaderName, &str)], body: &str) -> u64 {
        self.cseq += 1;
        let mut request = Request::new(method, &format!("rtsp://{}/media/speechrecognizer", self.server));
        request.headers.push(HeaderName::CSEQ, self.cseq);
        for (name, value) in headers {
            request.headers.push(*name, value);
        }
        request.body = body.to_owned().into();
        self.stream.write_all(&request.write()).await.unwrap();
        self.cseq
    }

    /// The next message; `None` at the connection's end.
    async fn next(&mut self) -> Option<Message> {
        loop {
            match self.parser.poll_message().unwrap() {
                Some(Received::Message(message)) => return Some(message),
                Some(other) => panic!("{other:?}"),
                None => {}
            }
            let mut buffer = [0; 4096];
            let length = timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("no RTSP message").unwrap_or(0);
            if length == 0 {
                return None;
            }
            self.parser.feed(&buffer[..length]);
        }
    }

    async fn response(&mut self, cseq: u64) -> Response {
        match self.next().await {
            Some(Message::Response(response)) if response.headers.cseq() == Some(cseq) => response,
            other => panic!("{other:?} is no response to {cseq}"),
        }
    }

    async fn ask(&mut self, method: Method, headers: &[(HeaderName, &str)], body: &str) -> Response {
        let cseq = self.send(method, headers, body).await;
        self.response(cseq).await
    }

    async fn setup(&mut self, transport: &str, sdp: &str) -> Response {
        let mut headers = vec![(HeaderName::TRANSPORT, transport)];
        if !sdp.is_empty() {
            headers.push((HeaderName::CONTENT_TYPE, "application/sdp"));
        }
        self.ask(Method::Setup, &headers, sdp).await
    }

    async fn open(&mut self) -> Session {
        let response = self.setup(TRANSPORT, SDP).await;
        session(&response)
    }

    async fn send_mrcp(&mut self, session: &Session, mrcp: &str) -> u64 {
        let headers = [(HeaderName::SESSION, session.id.as_str()), (HeaderName::CONTENT_TYPE, "application/mrcp")];
        self.send(Method::Announce, &headers, mrcp).await
    }

    /// The MRCP response to a request: its status and state.
    async fn mrcp(&mut self, session: &Session, mrcp: &str) -> v1::Response {
        let cseq = self.send_mrcp(session, mrcp).await;
        let response = self.response(cseq).await;
        assert_eq!(response.status, StatusCode::OK);
        assert_eq!(response.headers.session(), Some(session.id.as_str()));
        assert_eq!(response.headers.content_type().as_deref(), Some("application/mrcp"));
        match v1::parse(&response.body) {
            Ok(v1::Message::Response(response)) => response,
            other => panic!("{other:?}"),
        }
    }

    async fn recognize(&mut self, session: &Session, id: u64, headers: &str) {
        let response = self.mrcp(session, &format!("RECOGNIZE {id} MRCP/1.0\r\n{headers}{BUILTIN}")).await;
        assert_eq!((response.id.0, response.status.0, response.state), (id, 200, RequestState::InProgress));
    }

    /// The next event, answered, and the session that it is of.
    async fn event(&mut self) -> (String, v1::Event) {
        let Some(Message::Request(request)) = self.next().await else { panic!("no event") };
        assert_eq!(request.method, Method::Announce);
        assert_eq!(request.uri, format!("rtsp://{}/media/speechrecognizer", self.server));
        self.stream.write_all(&request.response(StatusCode::OK).write()).await.unwrap();
        let session = request.headers.session().unwrap().to_owned();
        match v1::parse(&request.body) {
            Ok(v1::Message::Event(event)) => (session, event),
            other => panic!("{other:?}"),
        }
    }

    async fn teardown(&mut self, session: &Session) {
        let response = self.ask(Method::Teardown, &[(HeaderName::SESSION, &session.id)], "").await;
        assert_eq!(response.status, StatusCode::OK);
    }
}

fn session(response: &Response) -> Session {
    assert_eq!(response.status, StatusCode::OK, "{response:?}");
    let transport: Transport = response.headers.get(HeaderName::TRANSPORT).unwrap().parse().unwrap();
    let port = transport.server_port.unwrap().rtp;
    let sdp = String::from_utf8(response.body.to_vec()).unwrap();
    assert!(sdp.contains("c=IN IP4 127.0.0.1\r\n") && sdp.contains(&format!("m=audio {port} RTP/AVP 0")), "{sdp}");
    assert!(!sdp.contains("m=application") && !sdp.contains("a=mid"), "{sdp}");
    let audio = SocketAddr::new("127.0.0.1".parse().unwrap(), port);
    Session { id: response.headers.session().unwrap().to_owned(), audio }
}

fn cause(event: &v1::Event) -> &str {
    event.headers.get(Mrcp::CompletionCause).unwrap()
}

#[tokio::test]
async fn a_dead_number_is_told_by_its_tones() {
    let server = serve("").await;
    let mut client = Client::connect(&server).await;
    let described = client.ask(Method::Describe, &[], "").await;
    assert!(String::from_utf8_lossy(&described.body).contains("a=rtpmap:0 PCMU/8000"), "{described:?}");
    let session = client.open().await;

    let grammar = "<grammar xmlns=\"http://www.w3.org/2001/06/grammar\" version=\"1.0\" xml:lang=\"en\" root=\"a\">\
                   <rule id=\"a\"><one-of><item>sit</item><item>human</item></one-of></rule></grammar>";
    let define = format!(
        "DEFINE-GRAMMAR 543257 MRCP/1.0\r\nContent-Type: application/grammar+xml\r\nContent-Id: a@b\r\n\
         Content-Length: {}\r\n\r\n{grammar}",
        grammar.len()
    );
    let defined = client.mrcp(&session, &define).await;
    assert_eq!((defined.id.0, defined.status.0), (543_257, 200));
    assert_eq!(defined.headers.get(Mrcp::CompletionCause), Some("000 success"));

    // The number of a request need not be larger than that of the one before.
    let recognize = "RECOGNIZE 9 MRCP/1.0\r\nRecognizer-Start-Timers: false\r\nConfidence-Threshold: 40\r\n\
                     Content-Type: text/uri-list\r\nContent-Length: 11\r\n\r\nsession:a@b";
    let answer = client.mrcp(&session, recognize).await;
    assert_eq!((answer.id.0, answer.status.0, answer.state), (9, 200, RequestState::InProgress));
    let timers = client.mrcp(&session, "RECOGNITION-START-TIMERS 10 MRCP/1.0\r\n\r\n").await;
    assert_eq!((timers.status.0, timers.state), (200, RequestState::Complete));

    let audio = session.audio;
    let playing = tokio::spawn(async move { play(audio, &special_information()).await });
    let (of, started) = client.event().await;
    assert_eq!((of.as_str(), started.name.as_str(), started.id.0), (session.id.as_str(), "START-OF-SPEECH", 9));
    let (_, event) = client.event().await;
    assert_eq!((event.name.as_str(), event.id.0), ("RECOGNITION-COMPLETE", 9));
    assert_eq!(cause(&event), "000 success");
    assert_eq!(event.headers.get(Mrcp::ContentType), Some("application/x-nlsml"));
    let body = String::from_utf8(event.body.to_vec()).unwrap();
    assert!(body.contains("sit") && body.contains("grammar=\"session:a@b\"") && !body.contains("mrcpv2"), "{body}");
    let confidence = body.split("confidence=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!((40..=100).contains(&confidence.parse::<u32>().unwrap()), "{body}");

    playing.abort();
    client.teardown(&session).await;
    until_calls(&server, 0).await;
    let gone = client.send_mrcp(&session, "STOP 11 MRCP/1.0\r\n\r\n").await;
    assert_eq!(client.response(gone).await.status, StatusCode::SESSION_NOT_FOUND);
    server.shutdown().await;
}

#[tokio::test]
async fn sessions_share_a_connection_and_end_with_it() {
    let server = serve("").await;
    let mut client = Client::connect(&server).await;
    let (one, two) = (client.open().await, client.open().await);
    assert_ne!((&one.id, one.audio), (&two.id, two.audio));
    until_calls(&server, 2).await;
    client.recognize(&one, 1, "No-Input-Timeout: 60000\r\n").await;
    client.recognize(&two, 1, "No-Input-Timeout: 300\r\n").await;
    let (of, event) = client.event().await;
    assert_eq!((of.as_str(), cause(&event)), (two.id.as_str(), "002 no-input-timeout"));

    // What runs is not joined by another one, and can be stopped by its number.
    let refused = client.mrcp(&one, &format!("RECOGNIZE 2 MRCP/1.0\r\n{BUILTIN}")).await;
    assert_eq!((refused.id.0, refused.status.0, refused.state), (2, 402, RequestState::Complete));
    assert_eq!(refused.headers.get(Mrcp::CompletionCause), Some("006 error"));
    let stopped = client.mrcp(&one, "STOP 3 MRCP/1.0\r\nActive-Request-Id-List: 1\r\n\r\n").await;
    assert_eq!(stopped.headers.get(Mrcp::ActiveRequestIdList), Some("1"));
    client.recognize(&one, 4, "").await;

    client.teardown(&two).await;
    until_calls(&server, 1).await;
    drop(client);
    until_calls(&server, 0).await;
    server.shutdown().await;
}

#[tokio::test]
async fn parameters_are_percentages() {
    let server = serve("").await;
    let mut client = Client::connect(&server).await;
    let session = client.open().await;
    let set = "SET-PARAMS 1 MRCP/1.0\r\nConfidence-Threshold: 40\r\nSensitivity-Level: 53\r\n\r\n";
    assert_eq!(client.mrcp(&session, set).await.status.0, 200);
    let get = "GET-PARAMS 2 MRCP/1.0\r\nConfidence-Threshold: \r\nSensitivity-Level: \r\nSpeed-Vs-Accuracy: \r\n\r\n";
    let got = client.mrcp(&session, get).await;
    assert_eq!(got.headers.get(Mrcp::ConfidenceThreshold), Some("40"));
    assert_eq!(got.headers.get(Mrcp::SensitivityLevel), Some("53"));
    assert_eq!(got.headers.get(Mrcp::SpeedVsAccuracy), Some("50"));
    let wrong = client.mrcp(&session, "SET-PARAMS 3 MRCP/1.0\r\nConfidence-Threshold: 101\r\n\r\n").await;
    assert_eq!((wrong.status.0, wrong.headers.get(Mrcp::ConfidenceThreshold)), (404, Some("101")));
    server.shutdown().await;
}

#[tokio::test]
async fn what_a_setup_asks_for_is_found_or_refused() {
    let server = serve("ENGINE_MAX_CALLS=1").await;
    let mut client = Client::connect(&server).await;
    let malformed = client.setup(TRANSPORT, "v=1\r\n").await;
    assert_eq!(malformed.status, StatusCode::BAD_REQUEST);
    let no_codec = SDP.replace("0 8 96 101", "18").replace("a=rtpmap:0 PCMU", "a=rtpmap:18 G729");
    let refused = client.setup(TRANSPORT, &no_codec).await;
    assert_eq!(refused.status, StatusCode::UNSUPPORTED_TRANSPORT);
    assert!(refused.reason.contains("no common codec"), "{refused:?}");
    let no_sound = client.setup(TRANSPORT, "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n").await;
    assert_eq!(no_sound.status, StatusCode::UNSUPPORTED_TRANSPORT);
    until_calls(&server, 0).await;

    // Without SDP the server chooses; the examples of RFC 4463 say no address, and no port but in Transport.
    for sdp in ["", &SDP.replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0").replace("audio 4000", "audio 0")] {
        let response = client.setup(TRANSPORT, sdp).await;
        let session = session(&response);
        client.recognize(&session, 1, "No-Input-Timeout: 60000\r\n").await;
        let full = client.setup(TRANSPORT, SDP).await;
        assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(full.headers.get(HeaderName::RETRY_AFTER), Some("5"));
        client.teardown(&session).await;
        until_calls(&server, 0).await;
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_server_on_its_way_down_tells_its_clients() {
    let server = serve("CALL_DRAIN_TIMEOUT_MS=200").await;
    let mut client = Client::connect(&server).await;
    let session = client.open().await;
    client.recognize(&session, 1, "No-Input-Timeout: 60000\r\n").await;
    let mut idle = Client::connect(&server).await;
    assert_eq!(idle.ask(Method::Options, &[], "").await.status, StatusCode::OK);
    let down = tokio::spawn(server.shutdown());
    let (_, event) = client.event().await;
    assert_eq!((event.id.0, cause(&event)), (1, "006 error"));
    // Nobody holds it up, and no new session is taken.
    assert!(idle.next().await.is_none());
    assert_eq!(client.setup(TRANSPORT, SDP).await.status, StatusCode::SERVICE_UNAVAILABLE);
    client.teardown(&session).await;
    assert!(client.next().await.is_none());
    timeout(PATIENCE, down).await.expect("the shutdown ends").unwrap();
}

#[tokio::test]
async fn connections_are_bounded_and_left_when_nobody_speaks() {
    let server = serve("RTSP_MAX_CONNECTIONS=2 RTSP_CONNECTION_IDLE_MS=1000").await;
    let mut used = Client::connect(&server).await;
    let session = used.open().await;
    let mut silent = Client::connect(&server).await;
    assert_eq!(silent.ask(Method::Options, &[], "").await.status, StatusCode::OK);
    let mut refused = Client::connect(&server).await;
    assert!(refused.next().await.is_none());
    assert!(silent.next().await.is_none());
    // One with a session is kept.
    let stop = used.mrcp(&session, "STOP 1 MRCP/1.0\r\n\r\n").await;
    assert_eq!(stop.status.0, 200);
    server.shutdown().await;
}

#[tokio::test]
async fn bytes_that_are_no_rtsp_close_their_connection_only() {
    let server = serve("RTSP_MAX_MESSAGE_BYTES=5000").await;
    let mut client = Client::connect(&server).await;
    let session = client.open().await;
    let mut broken = Client::connect(&server).await;
    broken.stream.write_all(b"OPTIONS * RTSP/1.0\r\nCSeq: 4\r\nContent-Length: 5001\r\n\r\n").await.unwrap();
    assert_eq!(broken.response(4).await.status, StatusCode::ENTITY_TOO_LARGE);
    assert!(broken.next().await.is_none());
    let mut lost = Client::connect(&server).await;
    lost.stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let Some(Message::Response(answer)) = lost.next().await else { panic!("no answer") };
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    // The stream can still be read.
    assert_eq!(lost.ask(Method::Options, &[], "").await.status, StatusCode::OK);
    assert_eq!(client.mrcp(&session, "STOP 1 MRCP/1.0\r\n\r\n").await.status.0, 200);
    server.shutdown().await;
}

/// Plays what captured clients sent: each request is answered with 200, each recognition is completed once.
#[tokio::test]
async fn captured_clients_are_served() {
    let server = serve("RECOGNIZER_NO_INPUT_TIMEOUT_MS=300").await;
    for (name, bytes) in [
        ("asrclient", &include_bytes!("../data/rtsp/asrclient.rtsp")[..]),
        ("freeswitch-ds", include_bytes!("../data/rtsp/freeswitch-ds.rtsp")),
        ("umc-params", include_bytes!("../data/rtsp/umc-params.rtsp")),
        ("umc-recog", include_bytes!("../data/rtsp/umc-recog.rtsp")),
        ("umc-stop", include_bytes!("../data/rtsp/umc-stop.rtsp")),
    ] {
        let mut client = Client::connect(&server).await;
        let mut parser = Parser::default();
        parser.feed(bytes);
        let mut session = String::new();
        let (mut running, mut completed) = (0, 0);
        while let Some(received) = parser.poll_message().unwrap() {
            let Received::Message(Message::Request(request)) = received else { continue };
            // Clients end a session when its recognition is over.
            if request.method == Method::Teardown {
                while completed < running {
                    let (_, event) = client.event().await;
                    completed += usize::from(event.name == "RECOGNITION-COMPLETE");
                }
            }
            let mut headers: Vec<(HeaderName, String)> = Vec::new();
            for name in [HeaderName::TRANSPORT, HeaderName::CONTENT_TYPE] {
                headers.extend(request.headers.get(name).map(|value| (name, value.to_owned())));
            }
            if request.headers.session().is_some() {
                headers.push((HeaderName::SESSION, session.clone()));
            }
            let headers: Vec<(HeaderName, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let body = String::from_utf8(request.body.to_vec()).unwrap();
            // Nobody is to wait for long; the lengths stay as they are.
            let body = body.replace("Timeout: 6000", "Timeout: 0300").replace("Timeout: 5000", "Timeout: 0300");
            let body = body.replace("Timers: false", "Timers: true ");
            let response = client.ask(request.method.clone(), &headers, &body).await;
            assert_eq!(response.status, StatusCode::OK, "{name}: {request:?}");
            match request.method {
                Method::Setup => session = response.headers.session().unwrap().to_owned(),
                Method::Announce => {
                    let Ok(v1::Message::Response(answer)) = v1::parse(&response.body) else { panic!("{response:?}") };
                    assert!(answer.status.is_success(), "{name}: {answer:?}");
                    running += usize::from(answer.state == RequestState::InProgress);
                    let stopped = answer.headers.get(Mrcp::ActiveRequestIdList);
                    running -= usize::from(stopped.is_some());
                }
                _ => {}
            }
        }
        assert_eq!(running, completed, "{name}");
        drop(client);
        until_calls(&server, 0).await;
    }
    server.shutdown().await;
}
