//! Save-Waveform: what the client sent is recorded, and fetched over HTTP.

use std::time::Duration;

use answerd::audio::wav::{self, Channels};
use answerd::wire::mrcp::{Event, HeaderName, Message};
use reqwest::StatusCode;
use tokio::time::timeout;

use crate::server::{Call, Control, PATIENCE, play, request, special_information, start, until_calls};

async fn get(uri: &str) -> (StatusCode, Vec<u8>) {
    get_trusting(uri, None).await
}

/// Trusts one certificate (PEM), or the system's.
async fn get_trusting(uri: &str, certificate: Option<&str>) -> (StatusCode, Vec<u8>) {
    drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
    let builder = reqwest::Client::builder().no_proxy();
    let builder = match certificate {
        Some(pem) => builder.tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()]),
        None => builder,
    };
    let client = builder.build().unwrap();
    let response = client.get(uri).send().await.unwrap();
    (response.status(), response.bytes().await.unwrap().into())
}

async fn complete(control: &mut Control) -> Event {
    loop {
        match control.next().await {
            Some(Message::Event(event)) if event.name.as_str() == "RECOGNITION-COMPLETE" => return event,
            Some(_) => {}
            None => panic!("the connection ended"),
        }
    }
}

/// URI, size and duration of a Waveform-URI header.
fn waveform(event: &Event) -> (String, u64, u64) {
    let value = event.headers.get(HeaderName::WaveformUri).expect("Save-Waveform was asked for");
    let mut parts = value.split(';');
    let uri = parts.next().unwrap().strip_prefix('<').and_then(|uri| uri.strip_suffix('>')).unwrap().to_owned();
    let mut number = |name: &str| {
        let part = parts.next().unwrap().trim();
        part.strip_prefix(name).unwrap().parse().unwrap()
    };
    (uri, number("size="), number("duration="))
}

#[tokio::test]
async fn what_was_sent_is_recorded_and_can_be_fetched() {
    let server = start("HTTP_LISTEN=127.0.0.1:0 WAVEFORMS_LIFETIME_S=0").await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    control.recognize(&call, 1, "Save-Waveform: true\r\n").await;
    let audio = call.audio;
    let playing = tokio::spawn(async move { play(audio, &special_information()).await });
    let event = complete(&mut control).await;
    playing.abort();
    assert_eq!(event.headers.get(HeaderName::CompletionCause), Some("000 success"));
    let (uri, size, ms) = waveform(&event);
    assert!(uri.starts_with(&format!("http://{}/waveforms/", server.http().unwrap())), "{uri}");
    let (status, file) = get(&uri).await;
    assert_eq!((status, file.len() as u64), (StatusCode::OK, size));
    let recording = wav::read(&file, Channels::Mix).unwrap();
    assert_eq!(recording.samples.len() as u64 / 8, ms);
    // What went through mu-law, from the first loud sample on.
    let sent = special_information().into_iter();
    let sent = sent.map(|it| audio_codec_algorithms::decode_ulaw(audio_codec_algorithms::encode_ulaw(it)));
    let loud = |samples: &[i16]| samples.iter().position(|sample| sample.unsigned_abs() > 1_000).unwrap();
    let sent: Vec<i16> = sent.collect();
    let (sent, got) = (&sent[loud(&sent)..], &recording.samples[loud(&recording.samples)..]);
    let both = sent.len().min(got.len());
    assert!(both > 4_000, "the tones took longer to be told than {both} samples");
    assert!(sent[..both] == got[..both], "the recording is not what was sent");

    // Nothing asked for: nothing told. Another form, and the sound of one that is stopped.
    control.recognize(&call, 2, "No-Input-Timeout: 50\r\n").await;
    assert_eq!(complete(&mut control).await.headers.get(HeaderName::WaveformUri), None);
    control.recognize(&call, 3, "No-Input-Timeout: 200\r\nSave-Waveform: true\r\nMedia-Type: audio/basic\r\n").await;
    let event = complete(&mut control).await;
    assert_eq!(event.headers.get(HeaderName::CompletionCause), Some("002 no-input-timeout"));
    let (basic, size, _) = waveform(&event);
    let (status, file) = get(&basic).await;
    assert_eq!((status, file.len() as u64, &file[..4]), (StatusCode::OK, size, &b".snd"[..]));

    // Its time begins with the end of its call.
    assert_eq!(get(&uri).await.0, StatusCode::OK);
    call.bye().await;
    until_calls(&server, 0).await;
    let gone = async {
        while get(&uri).await.0 != StatusCode::NOT_FOUND {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("its time is over");
    server.shutdown().await;
}

#[tokio::test]
async fn without_a_listener_the_uri_is_empty() {
    let server = start("").await;
    assert_eq!(server.http(), None);
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    control.recognize(&call, 1, "No-Input-Timeout: 50\r\nSave-Waveform: true\r\n").await;
    assert_eq!(complete(&mut control).await.headers.get(HeaderName::WaveformUri), Some(""));
    control.send(&request(&call.channel, 2, "GET-PARAMS", "", "")).await;
    assert_eq!(control.status().await, "2 200 COMPLETE");
    call.bye().await;
    until_calls(&server, 0).await;
}

#[tokio::test]
async fn recordings_are_served_over_tls_too() {
    let folder = std::env::temp_dir().join(format!("answerd-https-listener-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let settings = format!(
        "HTTP_LISTEN=127.0.0.1:0 HTTP_TLS=true TLS_CERTIFICATE={} TLS_KEY={}",
        certificate.display(),
        key.display()
    );
    let server = start(&settings).await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    // Who connects and says nothing holds up nobody.
    let _silent = tokio::net::TcpStream::connect(server.http().unwrap()).await.unwrap();
    control.recognize(&call, 1, "No-Input-Timeout: 100\r\nSave-Waveform: true\r\n").await;
    let (uri, size, _) = waveform(&complete(&mut control).await);
    assert!(uri.starts_with(&format!("https://{}/waveforms/", server.http().unwrap())), "{uri}");
    let (status, file) = get_trusting(&uri, Some(&own.cert.pem())).await;
    assert_eq!((status, file.len() as u64), (StatusCode::OK, size));
    call.bye().await;
    until_calls(&server, 0).await;
    server.shutdown().await;
    std::fs::remove_dir_all(&folder).unwrap();
}
