//! Recordings over HTTP.

use std::net::SocketAddr;

use axum::http::{HeaderMap, Method};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::audio::wav::{self, Channels};
use crate::net::http::{self, Limits, Site};

const fn site(address: SocketAddr, advertised: Option<IpAddr>) -> Site {
    Site { address, tls: false, advertised }
}

/// A listener with recordings; it and the task that keeps them end with the token.
async fn start(config: WaveformsConfig) -> (Waveforms, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (waveforms, keeping) = Waveforms::open(&config, site(listener.local_addr().unwrap(), None)).unwrap();
    let closing = CancellationToken::new();
    tokio::spawn(closing.clone().run_until_cancelled_owned(keeping));
    tokio::spawn(http::serve(listener, Limits::pages(16), None, waveforms.router(), closing.clone()));
    (waveforms, closing)
}

async fn request(method: Method, uri: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = client.request(method, uri).send().await.unwrap();
    (response.status(), response.headers().clone(), response.bytes().await.unwrap().into())
}

fn ramp() -> Vec<i16> {
    (0..8_000i32).map(|n| (n * 7_919 % 65_536 - 32_768) as i16).collect()
}

#[tokio::test]
async fn a_recording_is_fetched_as_it_was() {
    let (waveforms, _closing) = start(WaveformsConfig::default()).await;
    let mut call = waveforms.call("192.0.2.1".parse().unwrap());
    let told = call.keep(None, &ramp());
    assert_eq!((told.bytes, told.ms), (16_044, 1_000));
    let (status, headers, bytes) = request(Method::GET, &told.uri).await;
    assert_eq!((status, bytes.len() as u64), (StatusCode::OK, told.bytes));
    assert_eq!(
        (&headers["content-type"], &headers["cache-control"]),
        (&"audio/wav".parse().unwrap(), &"private".parse().unwrap())
    );
    assert_eq!(wav::read(&bytes, Channels::Mix).unwrap().samples, ramp());

    let (status, headers, bytes) = request(Method::HEAD, &told.uri).await;
    assert_eq!((status, bytes.len(), &headers["content-length"]), (StatusCode::OK, 0, &"16044".parse().unwrap()));

    let basic = call.keep(Some("audio/basic"), &ramp());
    assert!(basic.uri.ends_with(".au"), "{}", basic.uri);
    let (_, headers, bytes) = request(Method::GET, &basic.uri).await;
    assert_eq!((&headers["content-type"], bytes.len() as u64), (&"audio/basic".parse().unwrap(), basic.bytes));

    let (site, name) = told.uri.rsplit_once('/').unwrap();
    let other = format!("{:032x}.wav", 7);
    let wrong = [&name[1..], &name.replace(".wav", ".au"), &name.to_uppercase(), &other, "..%2f..%2fetc%2fpasswd", ""];
    for wrong in wrong {
        assert_eq!(request(Method::GET, &format!("{site}/{wrong}")).await.0, StatusCode::NOT_FOUND, "{wrong}");
    }
    assert_eq!(request(Method::POST, &told.uri).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_recording_lasts_as_long_as_its_call_and_some_time() {
    let (waveforms, _closing) = start(WaveformsConfig { lifetime_s: 0, ..WaveformsConfig::default() }).await;
    let mut call = waveforms.call("127.0.0.1".parse().unwrap());
    let uri = call.keep(None, &ramp()).uri;
    tokio::time::sleep(SWEEP * 2).await;
    assert_eq!(request(Method::GET, &uri).await.0, StatusCode::OK);
    drop(call);
    let gone = async {
        while request(Method::GET, &uri).await.0 != StatusCode::NOT_FOUND {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("its time is over");
}

#[test]
fn uris_say_what_clients_reach() {
    let open = |base_url: &str, http: &str, advertised: Option<&str>| {
        let advertised = advertised.map(|address| address.parse().unwrap());
        let config = WaveformsConfig { base_url: base_url.to_owned(), ..WaveformsConfig::default() };
        let (waveforms, _keeping) = Waveforms::open(&config, site(http.parse().unwrap(), advertised)).unwrap();
        let uri = waveforms.call("2001:db8::1".parse().unwrap()).keep(None, &[0]).uri;
        uri.split_once("/waveforms/").unwrap().0.to_owned()
    };
    assert_eq!(open("", "192.0.2.1:80", None), "http://192.0.2.1:80");
    assert_eq!(open("", "[::]:8080", None), "http://[2001:db8::1]:8080");
    assert_eq!(open("", "0.0.0.0:80", Some("203.0.113.7")), "http://203.0.113.7:80");
    assert_eq!(open("https://a.example.com/b/", "192.0.2.1:80", Some("203.0.113.7")), "https://a.example.com/b");
}

#[test]
fn what_is_too_long_or_has_nowhere_to_go_has_no_uri() {
    let config = WaveformsConfig { max_recording_bytes: 1_000, ..WaveformsConfig::default() };
    let (waveforms, _keeping) = Waveforms::open(&config, site("127.0.0.1:80".parse().unwrap(), None)).unwrap();
    let mut call = waveforms.call("127.0.0.1".parse().unwrap());
    assert_eq!(call.keep(None, &[0; 479]), Waveform { uri: String::new(), bytes: 0, ms: 59 });
    assert_eq!(call.keep(None, &[0; 478]).bytes, 1_000);
    assert_eq!(CallWaveforms::none().keep(None, &[0; 800]), Waveform { uri: String::new(), bytes: 0, ms: 100 });
}

fn files(directory: &FilePath) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_directory_holds_what_memory_would() {
    let directory = std::env::temp_dir().join(format!("answerd-waveforms-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let old = format!("{PREFIX}{:032x}.wav", 1);
    for name in [old.as_str(), "answerd-notes.wav", "other.wav"] {
        std::fs::write(directory.join(name), "x").unwrap();
    }
    let config = WaveformsConfig {
        directory: directory.clone(),
        lifetime_s: 0,
        max_bytes: 40_000,
        max_recording_bytes: 20_000,
        ..WaveformsConfig::default()
    };
    let (waveforms, closing) = start(config).await;
    assert_eq!(files(&directory), ["answerd-notes.wav", "other.wav"]);
    let mut call = waveforms.call("127.0.0.1".parse().unwrap());
    let until = async |count| {
        while files(&directory).len() != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let uris = [0; 3].map(|_| call.keep(None, &ramp()).uri);
    let patience = Duration::from_secs(20);
    tokio::time::timeout(patience, until(4)).await.expect("the oldest makes room for the third");
    assert_eq!(request(Method::GET, &uris[0]).await.0, StatusCode::NOT_FOUND);
    for uri in &uris[1..] {
        let (status, headers, bytes) = request(Method::GET, uri).await;
        assert_eq!((status, &headers["content-length"]), (StatusCode::OK, &"16044".parse().unwrap()));
        assert_eq!(wav::read(&bytes, Channels::Mix).unwrap().samples, ramp());
    }
    drop(call);
    tokio::time::timeout(patience, until(2)).await.expect("all go after the call");
    closing.cancel();
    std::fs::remove_dir_all(&directory).unwrap();
}
