//! Documents by URI: the server on loopback, and beside it an HTTP server that has grammars.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use answerd::wire::mrcp::{Event, HeaderName, Message, Response};
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Redirect;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::server::{Call, Control, PATIENCE, request, start, until_calls};

/// What an HTTP server serves on a free port of loopback.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

const SRGS: &str = "application/srgs+xml";

const OUTER: &str = r##"<?xml version="1.0"?>
<grammar xmlns="http://www.w3.org/2001/06/grammar" version="1.0" xml:lang="en-US" mode="voice" root="who">
  <rule id="who" scope="public">it is a <ruleref uri="inner.grxml#kind"/></rule>
</grammar>"##;

const INNER: &str = r##"<?xml version="1.0"?>
<grammar xmlns="http://www.w3.org/2001/06/grammar" version="1.0" xml:lang="en-US" mode="voice" root="kind">
  <rule id="kind" scope="public"><one-of><item>human</item><item>machine</item></one-of></rule>
</grammar>"##;

fn grammars() -> Router {
    let xml = |text: &'static str| get(move || async move { ([(header::CONTENT_TYPE, SRGS)], text) });
    Router::new()
        .route("/g/outer.grxml", xml(OUTER))
        .route("/g/inner.grxml", xml(INNER))
        .route("/g/broken.grxml", xml("<grammar"))
        .route("/moved.grxml", get(|| async { Redirect::permanent("/g/outer.grxml") }))
        .route("/loop.grxml", get(|| async { Redirect::temporary("/loop.grxml") }))
        .route("/inside.grxml", get(|| async { Redirect::temporary("http://127.0.0.2:1/g.grxml") }))
        .route("/never.grxml", get(std::future::pending::<String>))
        .route("/large.grxml", get(|| async { vec![b' '; 4_097] }))
        .route("/forbidden.grxml", get(|| async { StatusCode::FORBIDDEN }))
}

async fn response(control: &mut Control) -> Response {
    match control.next().await {
        Some(Message::Response(response)) => response,
        other => panic!("{other:?} is no response"),
    }
}

async fn event(control: &mut Control) -> Event {
    match control.next().await {
        Some(Message::Event(event)) => event,
        other => panic!("{other:?} is no event"),
    }
}

/// Whether `text` matches the grammars of a list of URIs, by INTERPRET.
async fn interpret(control: &mut Control, call: &Call, id: u32, text: &str, uris: &str) -> (String, String) {
    control.send(&request(&call.channel, id, "INTERPRET", &format!("Interpret-Text: {text}\r\n"), uris)).await;
    assert_eq!(control.status().await, format!("{id} 200 IN-PROGRESS"));
    let event = event(control).await;
    let cause = event.headers.get(HeaderName::CompletionCause).unwrap().to_owned();
    (cause, String::from_utf8(event.body.to_vec()).unwrap())
}

#[tokio::test]
async fn grammars_come_over_http() {
    let http = serve(grammars()).await;
    let server = start("FETCH_ALLOWED_HOSTS=127.0.0.1").await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    let outer = format!("http://{http}/g/outer.grxml");

    control.send(&request(&call.channel, 1, "DEFINE-GRAMMAR", "Content-ID: <outer@test>\r\n", &outer)).await;
    assert_eq!(control.status().await, "1 200 COMPLETE");
    let (cause, body) = interpret(&mut control, &call, 2, "it is a machine", "session:outer@test").await;
    assert_eq!(cause, "000 success", "{body}");
    assert!(body.contains("it is a machine"), "{body}");
    let moved = format!("http://{http}/moved.grxml");
    assert_eq!(interpret(&mut control, &call, 3, "it is a human", &moved).await.0, "000 success");
    assert_eq!(interpret(&mut control, &call, 4, "it is a horse", &moved).await.0, "001 no-match");

    let inner = format!("http://{http}/g/inner.grxml");
    control.send(&request(&call.channel, 5, "RECOGNIZE", "No-Input-Timeout: 50\r\n", &inner)).await;
    assert_eq!(control.status().await, "5 200 IN-PROGRESS");
    assert_eq!(control.complete().await.0, "002 no-input-timeout");
    call.bye().await;
    until_calls(&server, 0).await;
}

/// Failed-URI-Cause of a RECOGNIZE that can't have its grammar.
async fn failure(control: &mut Control, call: &Call, id: u32, headers: &str, uri: &str) -> String {
    control.send(&request(&call.channel, id, "RECOGNIZE", headers, uri)).await;
    let response = response(control).await;
    assert_eq!((response.id.0, response.status.0, response.state.as_str()), (id, 407, "COMPLETE"), "{uri}");
    let header = |name| response.headers.get(name).unwrap_or_else(|| panic!("no {name:?} for {uri}"));
    assert_eq!(header(HeaderName::CompletionCause), "009 uri-failure", "{uri}");
    assert_eq!(header(HeaderName::FailedUri), uri);
    header(HeaderName::FailedUriCause).to_owned()
}

#[tokio::test]
async fn what_cannot_be_fetched_is_refused_with_its_cause() {
    let http = serve(grammars()).await;
    let server = start("FETCH_ALLOWED_HOSTS=127.0.0.1 FETCH_MAX_GRAMMAR_BYTES=4096").await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    let cases = [
        ("none.grxml", "404"),
        ("forbidden.grxml", "403"),
        ("loop.grxml", "too-many-redirects"),
        ("inside.grxml", "not-allowed"),
        ("large.grxml", "too-large"),
    ];
    for (id, (path, expected)) in (1..).zip(cases) {
        let cause = failure(&mut control, &call, id, "", &format!("http://{http}/{path}")).await;
        assert_eq!(cause, expected, "{path}");
    }
    let never = format!("http://{http}/never.grxml");
    assert_eq!(failure(&mut control, &call, 10, "Fetch-Timeout: 100\r\n", &never).await, "timeout");
    let outside = ["http://127.0.0.2:1/g.grxml", "http://localhost:1/g.grxml", "file:///etc/passwd", "file:///none"];
    for (id, uri) in (11..).zip(outside) {
        assert_eq!(failure(&mut control, &call, id, "", uri).await, "not-allowed", "{uri}");
    }
    // A document that is there and is no grammar is another matter.
    let broken = format!("http://{http}/g/broken.grxml");
    control.send(&request(&call.channel, 20, "RECOGNIZE", "", &broken)).await;
    let response = response(&mut control).await;
    assert_eq!(response.headers.get(HeaderName::CompletionCause), Some("005 grammar-compilation-failure"));
    // The call goes on.
    assert_eq!(
        interpret(&mut control, &call, 21, "it is a human", &format!("http://{http}/g/outer.grxml")).await.0,
        "000 success"
    );
    call.bye().await;
    until_calls(&server, 0).await;
}

#[tokio::test]
async fn a_slow_server_holds_up_one_call_alone() {
    let (asked, mut asking) = mpsc::unbounded_channel();
    let slow = get(move || {
        asked.send(()).unwrap();
        std::future::pending::<String>()
    });
    let http = serve(grammars().route("/slow.grxml", slow)).await;
    let server = start("FETCH_ALLOWED_HOSTS=127.0.0.1").await;
    let (mut slow, mut quick) = (Call::open(&server).await, Call::open(&server).await);
    let mut control = Control::connect(&slow).await;
    control.send(&request(&slow.channel, 1, "RECOGNIZE", "", &format!("http://{http}/slow.grxml"))).await;
    timeout(PATIENCE, asking.recv()).await.expect("it is asked for").unwrap();
    let mut other = Control::connect(&quick).await;
    let uri = format!("http://{http}/g/outer.grxml");
    assert_eq!(interpret(&mut other, &quick, 1, "it is a human", &uri).await.0, "000 success");
    // A call that is over waits for nothing.
    slow.bye().await;
    until_calls(&server, 1).await;
    quick.bye().await;
    until_calls(&server, 0).await;
    server.shutdown().await;
}

#[tokio::test]
async fn cookies_go_there_and_back() {
    let page = |headers: HeaderMap| async move {
        let sent = headers.get(header::COOKIE).is_some_and(|cookies| cookies == "customer=7");
        let status = if sent { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        (status, [(header::CONTENT_TYPE, SRGS), (header::SET_COOKIE, "visit=1; Path=/")], INNER)
    };
    let http = serve(Router::new().route("/g.grxml", get(page))).await;
    let server = start("FETCH_ALLOWED_HOSTS=127.0.0.1").await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    let uri = format!("http://{http}/g.grxml");
    assert_eq!(failure(&mut control, &call, 1, "", &uri).await, "401");
    let headers = "Content-ID: <g@test>\r\nSet-Cookie: customer=7; Domain=127.0.0.1; Path=/; Age=3\r\n";
    control.send(&request(&call.channel, 2, "DEFINE-GRAMMAR", headers, &uri)).await;
    let response = response(&mut control).await;
    assert_eq!(response.status.0, 200);
    let told = response.headers.get(HeaderName::SetCookie).expect("the client is told what the server set");
    assert!(told.starts_with("visit=1; Path=/; Domain=127.0.0.1"), "{told}");
    call.bye().await;
    until_calls(&server, 0).await;
}

/// A directory that is removed at the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[tokio::test]
async fn files_are_read_below_a_root_if_at_all() {
    let scratch = Scratch(std::env::temp_dir().join(format!("answerd-grammars-{}", std::process::id())));
    let root = scratch.0.join("root");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("outer.grxml"), OUTER).unwrap();
    std::fs::write(root.join("inner.grxml"), INNER).unwrap();
    std::fs::write(scratch.0.join("outside.grxml"), INNER).unwrap();
    let settings = format!("FETCH_SCHEMES=file FETCH_FILE_ROOTS={}", root.display());
    let server = start(&settings).await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    let inside = format!("file://{}/outer.grxml", root.display());
    assert_eq!(interpret(&mut control, &call, 1, "it is a human", &inside).await.0, "000 success");
    for (id, path) in (2..).zip(["outside.grxml", "root/../outside.grxml", "root/none.grxml"]) {
        let uri = format!("file://{}/{path}", scratch.0.display());
        assert_eq!(failure(&mut control, &call, id, "", &uri).await, "not-allowed", "{uri}");
    }
    assert_eq!(failure(&mut control, &call, 9, "", "http://127.0.0.1:1/").await, "not-allowed");
    call.bye().await;
    until_calls(&server, 0).await;
}

#[tokio::test]
async fn sound_comes_over_http() {
    let sound = answerd::audio::wav::write(&crate::server::special_information(), 8_000);
    let http = serve(Router::new().route("/dead.wav", get(move || async move { sound }))).await;
    let server = start("FETCH_ALLOWED_HOSTS=127.0.0.1").await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    let headers = format!("Input-Waveform-URI: http://{http}/dead.wav\r\n");
    control.recognize(&call, 1, &headers).await;
    let (cause, body) = timeout(PATIENCE + Duration::from_secs(20), control.complete()).await.unwrap();
    assert_eq!(cause, "000 success", "{body}");
    assert!(body.contains("sit"), "{body}");
    call.bye().await;
    until_calls(&server, 0).await;
}
