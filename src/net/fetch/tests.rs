//! The fetcher against a server on loopback.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn fetcher(change: impl FnOnce(&mut FetchConfig)) -> Fetcher {
    let mut config = FetchConfig { allowed_hosts: vec!["127.0.0.1".to_owned()], ..FetchConfig::default() };
    change(&mut config);
    config.validate().unwrap();
    Fetcher::new(&config).unwrap()
}

fn grammar(uri: impl Into<String>) -> Fetch {
    let (timeout_ms, cache_control, cookies) = (None, None, Vec::new());
    Fetch { uri: uri.into(), kind: FetchKind::Grammar, timeout_ms, cache_control, cookies }
}

async fn fetch(fetcher: &Fetcher, wanted: &Fetch) -> Result<Document, FetchError> {
    let call = Semaphore::new(8);
    tokio::time::timeout(Duration::from_secs(20), fetcher.fetch(wanted, &call)).await.expect("every fetch ends")
}

async fn cause(fetcher: &Fetcher, uri: impl Into<String>) -> String {
    fetch(fetcher, &grammar(uri)).await.expect_err("it can't be had").cause
}

fn pages() -> Router {
    Router::new()
        .route("/g", get(|| async { ([(CONTENT_TYPE, "application/srgs+xml; charset=utf-8")], "grammar") }))
        .route(
            "/agent",
            get(|headers: HeaderMap| async move { headers[header::USER_AGENT].to_str().unwrap().to_owned() }),
        )
        .route(
            "/user",
            get(|headers: HeaderMap| async move { header(&headers, header::AUTHORIZATION).unwrap_or_default() }),
        )
        .route("/away/there", get(|| async { Redirect::permanent("../g#rule") }))
        .route("/loop", get(|| async { Redirect::temporary("/loop") }))
        .route("/inside", get(|| async { Redirect::temporary("http://127.0.0.2/") }))
        .route("/meta", get(|| async { Redirect::temporary("http://169.254.169.254/latest/meta-data/") }))
        .route("/file", get(|| async { Redirect::temporary("file:///etc/passwd") }))
        .route("/nowhere", get(|| async { StatusCode::FOUND }))
        .route("/large", get(|| async { vec![b'x'; 1_001] }))
        .route("/gone", get(|| async { StatusCode::GONE }))
        .route("/zipped", get(|| async { ([(header::CONTENT_ENCODING, "gzip")], "\x1f") }))
        .route("/never", get(std::future::pending::<String>))
}

#[tokio::test]
async fn a_document_is_where_it_was_in_the_end() {
    let server = serve(pages()).await;
    let fetcher = fetcher(|_| {});
    let document = fetch(&fetcher, &grammar(format!("http://{server}/away/there"))).await.unwrap();
    assert_eq!(document.uri, format!("http://{server}/g"));
    assert_eq!(document.media_type.as_deref(), Some("application/srgs+xml; charset=utf-8"));
    assert_eq!(document.bytes, b"grammar");
    let agent = fetch(&fetcher, &grammar(format!("http://{server}/agent"))).await.unwrap();
    assert_eq!(agent.bytes, format!("answerd/{}", env!("CARGO_PKG_VERSION")).as_bytes());
    let user = fetch(&fetcher, &grammar(format!("http://a:b@{server}/user"))).await.unwrap();
    assert_eq!(user.bytes, b"Basic YTpi");
}

#[tokio::test]
async fn what_cannot_be_had_has_a_cause() {
    let server = serve(pages()).await;
    let fetcher = fetcher(|it| (it.max_grammar_bytes, it.max_waveform_bytes) = (1_000, 2_000));
    for (path, expected) in [
        ("missing", "404"),
        ("gone", "410"),
        ("loop", "too-many-redirects"),
        ("inside", "not-allowed"),
        ("meta", "not-allowed"),
        ("file", "not-allowed"),
        ("nowhere", "302"),
        ("large", "too-large"),
        ("zipped", "bad-response"),
    ] {
        assert_eq!(cause(&fetcher, format!("http://{server}/{path}")).await, expected, "{path}");
    }
    let waveform = Fetch { kind: FetchKind::Waveform, ..grammar(format!("http://{server}/large")) };
    assert_eq!(fetch(&fetcher, &waveform).await.unwrap().bytes.len(), 1_001);
    let slow = Fetch { timeout_ms: Some(50), ..grammar(format!("http://{server}/never")) };
    assert_eq!(fetch(&fetcher, &slow).await.unwrap_err().cause, "timeout");
    for (uri, expected) in [
        ("http://127.0.0.2/", "not-allowed"),
        ("http://localhost/", "not-allowed"),
        ("http://[::ffff:127.0.0.2]/", "not-allowed"),
        ("http://answerd.invalid/", "unreachable"),
        ("ftp://127.0.0.1/", "not-allowed"),
        ("file:///etc/passwd", "not-allowed"),
        ("http://", "invalid-uri"),
        ("g.grxml", "invalid-uri"),
    ] {
        assert_eq!(cause(&fetcher, uri).await, expected, "{uri}");
    }
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(cause(&fetcher, format!("http://{free}/")).await, "unreachable");
}

/// A server that sends what it is told, and closes.
async fn raw(response: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4_096];
            drop(stream.read(&mut buffer).await);
            drop(stream.write_all(response).await);
        }
    });
    address
}

#[tokio::test]
async fn servers_that_talk_nonsense_harm_nobody() {
    let fetcher = fetcher(|it| it.max_grammar_bytes = 10);
    let cases: [(&[u8], &str); 5] = [
        (b"220 mail ready\r\n", "bad-response"),
        (b"", "unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf", "unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "too-large"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n", "too-large"),
    ];
    for (response, expected) in cases {
        let server = raw(response).await;
        let found = cause(&fetcher, format!("http://{server}/")).await;
        let told = String::from_utf8_lossy(response);
        // A connection that ends early is told in one way or the other.
        let same = found == expected || (expected == "unreachable" && found == "bad-response");
        assert!(same, "{told:?} gives {found}");
    }
}

/// Counts its requests, and how many of them asked whether what is known still holds.
fn counting(count: &Arc<[AtomicUsize; 2]>, control: &'static str) -> Router {
    let count = Arc::clone(count);
    let page = move |headers: HeaderMap| async move {
        count[0].fetch_add(1, Ordering::SeqCst);
        let told = [(header::CACHE_CONTROL, control), (header::ETAG, "\"7\"")];
        if headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == "\"7\"") {
            count[1].fetch_add(1, Ordering::SeqCst);
            return (StatusCode::NOT_MODIFIED, told, "").into_response();
        }
        (told, "kept").into_response()
    };
    Router::new().route("/", get(page))
}

#[tokio::test]
async fn documents_are_kept_as_both_sides_wish() {
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let now = |counts: &Arc<[AtomicUsize; 2]>| [0, 1].map(|at: usize| counts[at].load(Ordering::SeqCst));
    let server = serve(counting(&counts, "max-age=1000")).await;
    let fetcher = fetcher(|_| {});
    let get = async |wish: Option<&str>| {
        let cache_control = wish.map(str::to_owned);
        let wanted = Fetch { cache_control, ..grammar(format!("http://{server}/")) };
        assert_eq!(fetch(&fetcher, &wanted).await.unwrap().bytes, b"kept");
        now(&counts)
    };
    assert_eq!(get(Some("no-store")).await, [1, 0]);
    assert_eq!(get(None).await, [2, 0]);
    assert_eq!(get(None).await, [2, 0]);
    assert_eq!(get(Some("max-age=999")).await, [2, 0]);
    assert_eq!(get(Some("no-cache")).await, [3, 1]);
    assert_eq!(get(Some("min-fresh=5000")).await, [4, 2]);
    // Who sends cookies may get something else.
    let wanted = Fetch { cookies: vec!["a=1".to_owned()], ..grammar(format!("http://{server}/")) };
    fetch(&fetcher, &wanted).await.unwrap();
    assert_eq!(now(&counts), [5, 2]);
}

#[tokio::test]
async fn who_wants_the_same_shares_a_download() {
    let (count, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let page = {
        let (count, gate) = (Arc::clone(&count), Arc::clone(&gate));
        move || async move {
            count.fetch_add(1, Ordering::SeqCst);
            gate.notified().await;
            ([(SET_COOKIE, "sid=1")], "shared")
        }
    };
    let server = serve(Router::new().route("/", get(page))).await;
    let fetcher = fetcher(|_| {});
    let wanted = grammar(format!("http://{server}/"));
    // One who gives up does not take the download away from the others.
    let (impatient, patient) = (Fetch { timeout_ms: Some(200), ..wanted.clone() }, wanted.clone());
    let given_up = async {
        let outcome = fetch(&fetcher, &impatient).await;
        gate.notify_one();
        outcome
    };
    let others = async { tokio::join!(fetch(&fetcher, &patient), fetch(&fetcher, &patient)) };
    let (given_up, (one, other)) = tokio::join!(given_up, others);
    assert_eq!(given_up.unwrap_err().cause, "timeout");
    assert_eq!((one.unwrap().bytes, other.unwrap().bytes), (b"shared".to_vec(), b"shared".to_vec()));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert!(lock(&fetcher.0.flights).is_empty());
    // When it is over, it is asked for again: nothing allowed to keep it.
    gate.notify_one();
    let again = fetch(&fetcher, &wanted).await.unwrap();
    assert_eq!(again.cookies, ["sid=1; Domain=127.0.0.1; Path=/; Age=0"]);
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_download_that_nobody_waits_for_is_given_up() {
    let server = serve(pages()).await;
    let fetcher = fetcher(|it| (it.max_concurrent, it.max_per_host) = (1, 1));
    let never = Fetch { timeout_ms: Some(50), ..grammar(format!("http://{server}/never")) };
    assert_eq!(fetch(&fetcher, &never).await.unwrap_err().cause, "timeout");
    // Its turn is free again.
    assert_eq!(fetch(&fetcher, &grammar(format!("http://{server}/g"))).await.unwrap().bytes, b"grammar");
}

#[tokio::test]
async fn a_slow_host_does_not_take_all_turns() {
    let (slow, quick) = (serve(pages()).await, serve(pages()).await);
    let fetcher = fetcher(|it| (it.max_concurrent, it.max_per_host) = (2, 1));
    let waiting = (0..6).map(|n| Fetch { timeout_ms: Some(4_000), ..grammar(format!("http://{slow}/never?{n}")) });
    let mut tasks = tokio::task::JoinSet::new();
    for wanted in waiting {
        let fetcher = fetcher.clone();
        tasks.spawn(async move { fetch(&fetcher, &wanted).await });
    }
    while lock(&fetcher.0.flights).len() < 6 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fetch(&fetcher, &grammar(format!("http://{quick}/g"))).await.unwrap().bytes, b"grammar");
    assert!(tasks.try_join_next().is_none(), "the slow ones still wait");
}

#[tokio::test]
async fn cookies_go_out_and_come_back() {
    let page = |headers: HeaderMap| async move {
        let sent = header(&headers, header::COOKIE).unwrap_or_default();
        ([(SET_COOKIE, "seen=yes; Path=/")], sent)
    };
    let away = || async { ([(SET_COOKIE, "hop=1")], Redirect::temporary("/")).into_response() };
    let server = serve(Router::new().route("/", get(page)).route("/away", get(away))).await;
    let cookies = vec!["id=7; Path=/; Age=3".to_owned(), "far=1; Domain=example.com".to_owned()];
    let wanted = Fetch { cookies, ..grammar(format!("http://{server}/away")) };
    let document = fetch(&fetcher(|_| {}), &wanted).await.unwrap();
    assert_eq!(document.bytes, b"id=7; hop=1");
    assert_eq!(
        document.cookies,
        ["hop=1; Domain=127.0.0.1; Path=/; Age=0", "seen=yes; Path=/; Domain=127.0.0.1; Age=0"]
    );
}

#[tokio::test]
async fn https_needs_a_certificate_that_is_trusted() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let directory = std::env::temp_dir().join(format!("answerd-https-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("ca.pem");
    std::fs::write(&file, key.cert.pem()).unwrap();
    drop(rustls_provider());
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(server.with_single_cert(vec![key.cert.der().clone()], private).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut buffer = [0; 4_096];
            drop(stream.read(&mut buffer).await);
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret").await);
            drop(stream.shutdown().await);
        }
    });
    let known = fetcher(|it| {
        it.ca_file.clone_from(&file);
        it.allowed_hosts.push("localhost".to_owned());
    });
    for host in ["localhost", "127.0.0.1"] {
        let document = fetch(&known, &grammar(format!("https://{host}:{port}/"))).await.unwrap();
        assert_eq!(document.bytes, b"secret", "{host}");
    }
    let unknown = fetcher(|_| {});
    let refused = fetch(&unknown, &grammar(format!("https://127.0.0.1:{port}/"))).await.unwrap_err();
    assert_eq!(refused.cause, "tls", "{}", refused.reason);
    assert!(Fetcher::new(&FetchConfig { ca_file: directory.join("none"), ..FetchConfig::default() }).is_err());
    std::fs::write(&file, "no certificate").unwrap();
    assert!(Fetcher::new(&FetchConfig { ca_file: file, ..FetchConfig::default() }).is_err());
    std::fs::remove_dir_all(&directory).unwrap();
}

fn rustls_provider() -> Result<(), Arc<tokio_rustls::rustls::crypto::CryptoProvider>> {
    tokio_rustls::rustls::crypto::ring::default_provider().install_default()
}
