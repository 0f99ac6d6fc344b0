//! Webhooks against endpoints of all kinds, on loopback.

use std::net::SocketAddr;
use std::sync::Mutex;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap as Headers;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::Value;

use super::*;
use crate::audio::SampleTime;
use crate::detect::{End, Label, Method, Outcome, Timeline};
use crate::engine::{Door as Entrance, Subject};

fn outcome(label: Label) -> Outcome {
    Outcome {
        end: End::Decided,
        label,
        confidence: 0.9,
        alternatives: Vec::new(),
        reason: "speech, then \"silence\"".to_owned(),
        method: Method::Model,
        timeline: Timeline { started: SampleTime(0), decided_at: SampleTime(8_000), ..Timeline::default() },
        sit: None,
        findings: None,
    }
}

fn subject() -> Subject {
    Subject { door: Entrance::Mrcp, call_id: "call-1".into(), uuid: Some("u-1".into()) }
}

/// An endpoint that answers with these statuses in turn, the last one for ever; and what it got.
#[derive(Clone)]
struct Fake {
    statuses: Arc<Vec<(u16, &'static str)>>,
    got: Arc<Mutex<Vec<(Headers, String)>>>,
}

async fn take(State(fake): State<Fake>, headers: Headers, body: String) -> impl IntoResponse {
    let count = {
        let mut got = fake.got.lock().unwrap();
        got.push((headers, body));
        got.len()
    };
    let (status, retry_after) = fake.statuses[(count - 1).min(fake.statuses.len() - 1)];
    if status == 0 {
        std::future::pending::<()>().await;
    }
    let mut headers = Headers::new();
    if !retry_after.is_empty() {
        headers.insert("retry-after", retry_after.parse().unwrap());
    }
    (StatusCode::from_u16(status).unwrap(), headers)
}

async fn fake(statuses: &[(u16, &'static str)]) -> (Fake, SocketAddr) {
    let fake = Fake { statuses: Arc::new(statuses.to_vec()), got: Arc::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/hook", post(take)).with_state(fake.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (fake, address)
}

fn config(urls: &[String]) -> WebhookConfig {
    WebhookConfig {
        urls: urls.to_vec(),
        secret: "s3cret".to_owned(),
        timeout_ms: 300,
        attempts: 3,
        retry_min_ms: 1,
        retry_max_ms: 10,
        ..WebhookConfig::default()
    }
}

struct Bench {
    door: Door,
    decisions: Decisions,
    tasks: TaskTracker,
    closing: CancellationToken,
}

fn bench(config: &WebhookConfig) -> Bench {
    let (decisions, tasks, closing) = (Decisions::default(), TaskTracker::new(), CancellationToken::new());
    let door = start(config, &decisions, &tasks, &closing).unwrap();
    tasks.close();
    Bench { door, decisions, tasks, closing }
}

impl Bench {
    /// Waits for an endpoint's numbers to be so.
    async fn until(&self, endpoint: usize, reached: impl Fn(&WebhookCounts) -> bool) -> WebhookCounts {
        let endpoint = &self.door.endpoints()[endpoint];
        let waiting = async {
            while !reached(&endpoint.counts()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap();
        endpoint.counts()
    }
}

#[tokio::test]
async fn a_decision_is_posted_signed_and_has_an_identifier() {
    let (fake, address) = fake(&[(204, "")]).await;
    let bench = bench(&config(&[format!("http://{address}/hook?token=x")]));
    assert_eq!(bench.door.endpoints()[0].name, format!("http://{address}/hook"));
    bench.decisions.concluded(&subject(), &outcome(Label::Machine));
    bench.until(0, |counts| counts.delivered == 1 && counts.waiting == 0).await;
    let (headers, body) = fake.got.lock().unwrap()[0].clone();
    let json: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&json["label"], &json["call_uuid"], &json["stage"]),
        (&"machine".into(), &"u-1".into(), &"final".into())
    );
    assert_eq!((&json["method"], &json["decided_at_s"]), (&"model".into(), &1.0.into()));
    assert_eq!(json["voicemail_detected"], Value::Bool(true));
    assert_eq!(json["id"].as_str(), headers.get(ID).unwrap().to_str().ok());
    let signed = headers.get(SIGNATURE).unwrap().to_str().unwrap();
    let seconds = signed.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(signature("s3cret", at, &body), signed);
    assert_ne!(signature("other", at, &body), signed);
}

/// Key and message whose digest `openssl dgst -sha256 -hmac` tells.
#[test]
fn the_signature_is_hmac_sha256_of_time_and_body() {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let expected = "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
    assert_eq!(signature("secret", at, "{\"a\":1}"), expected);
}

#[tokio::test]
async fn what_may_go_better_is_tried_again_and_what_is_refused_is_not() {
    let (flaky, flaky_at) = fake(&[(500, ""), (429, "0"), (200, "")]).await;
    let (dead, dead_at) = fake(&[(503, "")]).await;
    let (no, no_at) = fake(&[(404, "")]).await;
    let (elsewhere, elsewhere_at) = fake(&[(302, "")]).await;
    let nobody = {
        let unbound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        unbound.local_addr().unwrap()
    };
    let urls = [flaky_at, dead_at, no_at, elsewhere_at, nobody].map(|address| format!("http://{address}/hook"));
    let bench = bench(&config(&urls));
    bench.decisions.concluded(&subject(), &outcome(Label::Human));
    let counts = bench.until(0, |counts| counts.delivered == 1).await;
    assert_eq!(counts.retried, 2);
    let ids = flaky.got.lock().unwrap().iter().map(|(headers, _)| headers[ID].clone()).collect::<Vec<_>>();
    assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]));
    let counts = bench.until(1, |counts| counts.given_up == 1).await;
    assert_eq!((counts.retried, dead.got.lock().unwrap().len()), (2, 3));
    let counts = bench.until(2, |counts| counts.refused == 1).await;
    assert_eq!((counts.retried, no.got.lock().unwrap().len()), (0, 1));
    bench.until(3, |counts| counts.refused == 1).await;
    assert_eq!(elsewhere.got.lock().unwrap().len(), 1);
    bench.until(4, |counts| counts.given_up == 1).await;
}

#[tokio::test]
async fn an_endpoint_that_hangs_holds_up_no_other_and_its_queue_ends() {
    let (_hanging, hanging_at) = fake(&[(0, "")]).await;
    let (_quick, quick_at) = fake(&[(200, "")]).await;
    let urls = [hanging_at, quick_at].map(|address| format!("http://{address}/hook"));
    let bench = bench(&WebhookConfig { queue: 2, concurrency: 1, timeout_ms: 60_000, ..config(&urls) });
    for told in 1..=8 {
        bench.decisions.concluded(&subject(), &outcome(Label::Human));
        bench.until(1, |counts| counts.delivered == told).await;
        bench.until(0, |counts| counts.waiting as u64 + counts.dropped == told).await;
    }
    let counts = bench.door.endpoints()[0].counts();
    assert!(counts.dropped >= 4 && counts.delivered == 0, "{counts:?}");
    assert!(bench.door.endpoints()[1].counts().dropped == 0);
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_told_and_what_waits_is_sent_at_the_end() {
    let (fake, address) = fake(&[(200, "")]).await;
    let url = format!("http://{address}/hook");
    let bench = bench(&WebhookConfig { stages: vec!["corrected".to_owned()], ..config(&[url]) });
    assert!(bench.decisions.wants_provisional());
    let provisional = crate::detect::Provisional {
        label: Label::Machine,
        confidence: 0.8,
        started: SampleTime(0),
        at: SampleTime(16_000),
        method: Method::Model,
        reason: String::new(),
        corrects: Some(Label::Human),
        beep: None,
    };
    bench.decisions.concluded(&subject(), &outcome(Label::Human));
    bench.decisions.provisional(&subject(), &provisional, false);
    bench.decisions.provisional(&subject(), &provisional, true);
    bench.until(0, |counts| counts.delivered + counts.waiting as u64 > 0).await;
    bench.closing.cancel();
    tokio::time::timeout(Duration::from_secs(60), bench.tasks.wait()).await.unwrap();
    let got = fake.got.lock().unwrap();
    assert_eq!(got.len(), 1);
    let json: Value = serde_json::from_str(&got[0].1).unwrap();
    assert_eq!((&json["stage"], &json["corrects"]), (&"corrected".into(), &"human".into()));
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let told = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        retry_after(&headers, now).map(|after| after.as_secs())
    };
    assert_eq!(told("120"), Some(120));
    assert_eq!(told("Sun, 06 Nov 1994 08:49:47 GMT"), Some(10));
    assert_eq!(told("Sun, 06 Nov 1994 08:49:27 GMT"), None);
    assert_eq!(told("soon"), None);
}
