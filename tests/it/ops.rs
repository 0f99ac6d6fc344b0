//! The pages for operators: metrics in both forms, read by a strict reader, before and after a call; health and readiness.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use answerd::server::Running;
use answerd::wire::mrcp::{HeaderName, Message};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::Value;
use tokio::time::timeout;

use crate::server::{Call, Control, PATIENCE, play, special_information, start, until_calls};

pub(crate) fn client() -> reqwest::Client {
    drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn get(server: &Running, path: &str, accept: &str) -> (StatusCode, String, String) {
    let uri = format!("http://{}{path}", server.ops().expect("ops.listen is set"));
    let response = client().get(uri).header(ACCEPT, accept).send().await.unwrap();
    let kind = response.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    (response.status(), kind, response.text().await.unwrap())
}

async fn page(server: &Running, path: &str) -> (StatusCode, Value) {
    let (status, kind, text) = get(server, path, "*/*").await;
    assert_eq!(kind, "application/json");
    (status, serde_json::from_str(&text).unwrap())
}

/// A family of metrics, as a reader sees it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Family {
    kind: String,
    help: String,
    unit: Option<String>,
    /// Name and labels of each sample, and its value.
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

/// Reads either form strictly: what it doesn't allow is a panic that names the line.
pub(crate) fn read(text: &str, open: bool) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut ended = false;
    assert!(text.ends_with('\n'), "the last line has no end");
    for line in text.lines() {
        assert!(!ended, "something follows # EOF: {line}");
        assert!(line.trim() == line && !line.is_empty(), "blanks: {line:?}");
        if line == "# EOF" {
            assert!(open, "# EOF is of OpenMetrics");
            ended = true;
        } else if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (what, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().expect(line));
            if name != current {
                current = name.to_owned();
                assert!(is_name(name), "{line}");
                assert!(families.insert(current.clone(), Family::default()).is_none(), "{name} is there twice");
            }
            let family = families.get_mut(&current).unwrap();
            assert!(family.samples.is_empty(), "{line} comes after its samples");
            let place = match what {
                "HELP" => &mut family.help,
                "TYPE" => &mut family.kind,
                "UNIT" if open => family.unit.get_or_insert_default(),
                _ => panic!("{line}"),
            };
            assert!(place.is_empty(), "{line} is there twice");
            rest.clone_into(place);
        } else {
            let family = families.get_mut(&current).expect(line);
            family.samples.push(sample(line));
        }
    }
    assert_eq!(ended, open);
    families.iter().for_each(|(name, family)| check(name, family, open));
    families
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (head, value) = line.rsplit_once(' ').expect(line);
    let (name, labels) = match head.split_once('{') {
        None => (head, ""),
        Some((name, labels)) => (name, labels.strip_suffix('}').expect(line)),
    };
    let mut read = BTreeMap::new();
    let mut left = labels;
    while !left.is_empty() {
        let (label, rest) = left.split_once("=\"").expect(line);
        // No value here needs an escape: they are words of ours.
        let (value, rest) = rest.split_once('"').expect(line);
        assert!(is_name(label) && !value.contains('\\'), "{line}");
        assert!(read.insert(label.to_owned(), value.to_owned()).is_none(), "{line}");
        left = match rest {
            "" => rest,
            more => more.strip_prefix(',').filter(|more| !more.is_empty()).expect(line),
        };
    }
    (name.to_owned(), read, value.parse().unwrap_or_else(|_| panic!("{line}: not a number")))
}

/// The rules of promtool's `check metrics`, and of OpenMetrics.
fn check(name: &str, family: &Family, open: bool) {
    assert!(family.help.ends_with('.') && family.help.len() > 5, "{name}: HELP {:?}", family.help);
    let ours = ["answerd_", "voicemail_detection_", "voicemail_detection", "process_"];
    assert!(ours.iter().any(|prefix| name.starts_with(prefix)), "{name}");
    for reserved in ["_bucket", "_sum", "_count", "_info_total"] {
        assert!(!name.ends_with(reserved), "{name}");
    }
    for abbreviated in ["_ms", "_s", "_kb", "_milliseconds", "_minutes", "_percent"] {
        assert!(!name.ends_with(abbreviated), "{name}: not a base unit");
    }
    let plain = name.strip_suffix("_total").unwrap_or(name);
    if let Some(unit) = &family.unit {
        assert!(plain.ends_with(&format!("_{unit}")), "{name} is of {unit}");
    } else if open {
        assert!(!plain.ends_with("_seconds") && !plain.ends_with("_bytes"), "{name}: no UNIT");
    }
    let of_counter = family.kind == "counter";
    assert_eq!(name.ends_with("_total"), of_counter && !open, "{name} is a {}", family.kind);
    let names: BTreeSet<&str> = family.samples.iter().map(|(name, ..)| name.as_str()).collect();
    let with = |suffix: &str| format!("{name}{suffix}");
    match family.kind.as_str() {
        "counter" => {
            let wanted = if open { with("_total") } else { name.to_owned() };
            assert!(names.iter().all(|name| *name == wanted), "{name}: {names:?}");
            assert!(family.samples.iter().all(|(.., value)| *value >= 0.0), "{name}");
        }
        "gauge" => assert!(names.iter().all(|sample| *sample == name), "{name}: {names:?}"),
        "info" if open => assert!(names.iter().all(|sample| *sample == with("_info")), "{name}: {names:?}"),
        "histogram" => {
            let wanted = [with("_bucket"), with("_count"), with("_sum")];
            assert!(names.iter().all(|name| wanted.iter().any(|wanted| wanted == name)), "{name}: {names:?}");
            distribution(name, family);
        }
        other => panic!("{name} is a {other}"),
    }
    let mut seen = BTreeSet::new();
    for (sample, labels, value) in &family.samples {
        assert!(seen.insert((sample, labels)), "{sample} {labels:?} is there twice");
        assert!(!value.is_nan(), "{sample}");
    }
}

/// Buckets of each histogram ascend to the count.
fn distribution(name: &str, family: &Family) {
    let mut buckets: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    for (sample, labels, value) in &family.samples {
        if sample.ends_with("_bucket") {
            let mut labels = labels.clone();
            let bound = labels.remove("le").expect("a bucket has a bound");
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
            buckets.entry(labels).or_default().push((bound, *value));
        }
    }
    for (labels, buckets) in buckets {
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{name} {labels:?}: {buckets:?}");
        let (last, count) = *buckets.last().unwrap();
        let told = family.samples.iter().find(|(sample, of, _)| sample.ends_with("_count") && *of == labels).unwrap().2;
        assert!(last.is_infinite() && count == told, "{name} {labels:?}: {count} in buckets, {told} in all");
    }
}

/// The sum of a family's samples that have these labels, as `name{label="value",..}`.
fn value(families: &BTreeMap<String, Family>, wanted: &str) -> f64 {
    let (name, labels, _) = sample(&format!("{wanted} 0"));
    let samples = families.values().flat_map(|family| &family.samples);
    let has = |of: &BTreeMap<String, String>| labels.iter().all(|(label, value)| of.get(label) == Some(value));
    let found: Vec<f64> = samples.filter(|(of, has_labels, _)| *of == name && has(has_labels)).map(|it| it.2).collect();
    found.iter().sum()
}

async fn metrics(server: &Running) -> BTreeMap<String, Family> {
    let (status, kind, text) = get(server, "/metrics", "*/*").await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8"));
    let families = read(&text, false);
    let (status, kind, text) = get(server, "/metrics", "application/openmetrics-text;version=1.0.0").await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let open = read(&text, true);
    // Both forms tell the same families, counters and infos by the names of their samples.
    let named = |(name, family): (&String, &Family)| match family.kind.as_str() {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.clone(),
    };
    assert!(open.iter().map(named).collect::<BTreeSet<_>>().iter().eq(families.keys()));
    families
}

#[tokio::test]
async fn a_call_moves_the_counters() {
    let server = start("OPS_LISTEN=127.0.0.1:0").await;
    let before = metrics(&server).await;
    assert_eq!(value(&before, "answerd_calls_total{door=\"mrcpv2\"}"), 0.0);
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    control.recognize(&call, 1, "").await;
    let audio = call.audio;
    let playing = tokio::spawn(async move { play(audio, &special_information()).await });
    loop {
        if let Some(Message::Event(event)) = control.next().await
            && event.headers.get(HeaderName::CompletionCause) == Some("000 success")
        {
            break;
        }
    }
    playing.abort();
    control.send("MRCP/2.0 30 NOT MRCP AT ALL\r\n\r\n").await;
    let during = metrics(&server).await;
    assert_eq!(value(&during, "answerd_calls_active{door=\"mrcpv2\"}"), 1.0);
    call.bye().await;
    until_calls(&server, 0).await;
    let after = async {
        loop {
            let after = metrics(&server).await;
            if value(&after, "answerd_calls_active{door=\"mrcpv2\"}") == 0.0 {
                return after;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let after = timeout(PATIENCE, after).await.expect("the call is over");
    for (sample, wanted) in [
        ("answerd_calls_total{door=\"mrcpv2\"}", 1.0),
        ("answerd_sip_requests_total{method=\"INVITE\"}", 1.0),
        ("answerd_sip_responses_total{method=\"INVITE\",status=\"200\"}", 1.0),
        ("answerd_sip_responses_total{method=\"BYE\",status=\"200\"}", 1.0),
        ("answerd_mrcp_requests_total{method=\"RECOGNIZE\",status=\"200\"}", 1.0),
        ("answerd_recognitions_total{cause=\"success\"}", 1.0),
        ("answerd_decisions_total{label=\"sit\",method=\"rules\",grammar=\"answer\"}", 1.0),
        ("answerd_decision_duration_seconds_count{grammar=\"answer\"}", 1.0),
        ("answerd_result_delay_seconds_count", 1.0),
        ("voicemail_detection_total", 1.0),
        ("voicemail_detection_rate", 0.0),
        ("voicemail_detection_duration_seconds_count", 1.0),
        ("answerd_calls_refused_total{door=\"mrcpv2\"}", 0.0),
    ] {
        assert_eq!(value(&after, sample), wanted, "{sample}");
    }
    assert!(value(&after, "process_cpu_seconds_total") > 0.0);
    // What only grows has not shrunk.
    for (name, family) in before.iter().filter(|(_, family)| family.kind == "counter") {
        for (sample, labels, was) in &family.samples {
            let is = after[name].samples.iter().find(|it| it.0 == *sample && it.1 == *labels).map(|it| it.2);
            assert!(is.is_some_and(|is| is >= *was), "{sample} {labels:?}");
        }
    }
    server.shutdown().await;
}

#[tokio::test]
async fn the_manual_lists_every_metric_and_the_alerts_use_real_ones() {
    let server = start("OPS_LISTEN=127.0.0.1:0").await;
    let families = metrics(&server).await;
    let manual = include_str!("../../docs/operations.md");
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let rows = rows.filter(|(name, _)| is_name(name)).map(|(name, rest)| (name, rest.split(" | ").collect::<Vec<_>>()));
    let listed: BTreeMap<&str, Vec<&str>> = rows.collect();
    assert_eq!(listed.keys().copied().collect::<Vec<_>>(), families.keys().map(String::as_str).collect::<Vec<_>>());
    for (name, row) in listed {
        let help = row.last().unwrap().trim_end_matches(" |");
        assert_eq!((row[0], help), (families[name].kind.as_str(), families[name].help.as_str()), "{name}");
    }
    let rules = include_str!("../../conf/prometheus/answerd.rules.yml");
    let words = rules.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let used: BTreeSet<&str> = words.filter(|word| word.starts_with("answerd_")).collect();
    assert!(used.len() > 10);
    for name in used {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        assert!(families.contains_key(name) || families.contains_key(family), "{name}");
    }
}

#[tokio::test]
async fn a_call_can_be_told_who_answered_it() {
    let server = start("OPS_LISTEN=127.0.0.1:0 HTTP_TOKEN=0123456789abcdef").await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    control.recognize(&call, 1, "Vendor-Specific-Parameters: fs-uuid=u-1\r\n").await;
    let audio = call.audio;
    let playing = tokio::spawn(async move { play(audio, &special_information()).await });
    while !matches!(control.next().await, Some(Message::Event(event)) if event.name.as_str() == "RECOGNITION-COMPLETE")
    {
    }
    playing.abort();
    let at = format!("http://{}/calls", server.ops().unwrap());
    let client = client();
    let ask = async |path: &str, token: &str, body: Option<&str>| {
        let uri = format!("{at}/{path}");
        let request = match body {
            None => client.get(uri),
            Some(body) => client.post(uri).header(CONTENT_TYPE, "application/json").body(body.to_owned()),
        };
        let response = request.header("Authorization", format!("Bearer {token}")).send().await.unwrap();
        let status = response.status();
        (status, serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap())
    };
    let token = "0123456789abcdef";
    assert_eq!(ask("u-1", "wrong", None).await.0, StatusCode::UNAUTHORIZED);
    // What was told to the client is noted by another task.
    let noted = async {
        while ask("u-1", token, None).await.0 != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, noted).await.expect("the call is remembered");
    let (_, shown) = ask("u-1", token, None).await;
    assert_eq!((&shown["uuid"], &shown["decisions"][0]["label"]), (&"u-1".into(), &"sit".into()), "{shown}");
    for (path, body, wanted) in [
        ("u-1/feedback", r#"{"label": "busy"}"#, StatusCode::OK),
        ("u-1/feedback", r#"{"label": "sit"}"#, StatusCode::OK),
        ("u-1/feedback", r#"{"label": "beep"}"#, StatusCode::BAD_REQUEST),
        ("u-1/feedback", r#"{"labels": "sit"}"#, StatusCode::BAD_REQUEST),
        ("u-2/feedback", r#"{"label": "sit"}"#, StatusCode::NOT_FOUND),
    ] {
        let (status, told) = ask(path, token, Some(body)).await;
        assert_eq!(status, wanted, "{path} {body}: {told}");
    }
    let families = metrics(&server).await;
    assert_eq!(value(&families, "answerd_feedback_total{told=\"sit\",correct=\"sit\"}"), 1.0);
    assert_eq!(value(&families, "answerd_feedback_withdrawn_total{told=\"sit\",correct=\"busy\"}"), 1.0);
    call.bye().await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_decision_is_stored_with_its_feedback_and_made_anew() {
    let directory = std::env::temp_dir().join(format!("answerd-it-store-{}", std::process::id()));
    std::fs::remove_dir_all(&directory).ok();
    let server = start(&format!("OPS_LISTEN=127.0.0.1:0 FEEDBACK_STORE={}", directory.display())).await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    let headers = "Vendor-Specific-Parameters: fs-uuid=u-1;result-format=json;result-detail=true\r\n";
    control.recognize(&call, 1, headers).await;
    let audio = call.audio;
    let playing = tokio::spawn(async move { play(audio, &special_information()).await });
    let told = loop {
        match control.next().await {
            Some(Message::Event(event)) if event.name.as_str() == "RECOGNITION-COMPLETE" => break event,
            Some(_) => {}
            None => panic!("no result"),
        }
    };
    playing.abort();
    // The result names the call as feedback takes it.
    let result: Value = serde_json::from_slice(&told.body).unwrap();
    let call_id = result["call_id"].as_str().unwrap();
    let uri = format!("http://{}/calls/{call_id}/feedback", server.ops().unwrap());
    let give = async || {
        let body = r#"{"label": "sit"}"#;
        client().post(&uri).header(CONTENT_TYPE, "application/json").body(body).send().await.unwrap().status()
    };
    // What was told to the client is noted by another task.
    let given = async {
        while give().await != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, given).await.expect("the call is remembered");
    call.bye().await;
    server.shutdown().await;
    // The store is closed with the last who has it.
    let replay = async || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_answerd"));
        command.args(["replay", "--json"]).arg(&directory);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let rows = String::from_utf8(output.stdout).unwrap();
        let rows = rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap()).collect::<Vec<_>>();
        (output.status.success(), rows)
    };
    let replayed = async {
        loop {
            match replay().await {
                (true, rows) if rows.first().is_some_and(|row| row["correct"] == "sit") => break rows,
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let rows = timeout(PATIENCE, replayed).await.expect("decision and feedback are stored");
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((&row["call_id"], &row["uuid"]), (&result["call_id"], &"u-1".into()));
    assert_eq!((&row["then"]["label"], &row["same"], &row["right_now"]), (&"sit".into(), &true.into(), &true.into()));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn what_is_refused_is_counted_by_its_reason() {
    let server = start("OPS_LISTEN=127.0.0.1:0 ENGINE_MAX_CALLS=1").await;
    let (status, ready) = page(&server, "/readyz").await;
    assert_eq!((status, &ready["ready"]), (StatusCode::OK, &Value::Bool(true)), "{ready}");
    let mut call = Call::open(&server).await;
    let (status, ready) = page(&server, "/readyz").await;
    assert_eq!((status, &ready["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &Value::Bool(false)));
    assert!(ready["reasons"][0].as_str().unwrap().starts_with("full"), "{ready}");
    let (status, well) = page(&server, "/healthz").await;
    assert_eq!((status, &well["status"]), (StatusCode::OK, &Value::from("ok")));
    call.bye().await;
    until_calls(&server, 0).await;
    let (status, about) = page(&server, "/version").await;
    assert_eq!((status, &about["version"]), (StatusCode::OK, &Value::from(env!("CARGO_PKG_VERSION"))));
    // The card tells the digest of the model that is built in.
    let card = include_str!("../../models/answer.md");
    assert!(card.contains(about["model"]["sha256"].as_str().unwrap()), "{about}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_server_on_its_way_down_is_alive_but_not_ready() {
    let server = start("OPS_LISTEN=127.0.0.1:0 CALL_DRAIN_TIMEOUT_MS=60000").await;
    let mut call = Call::open(&server).await;
    let mut control = Control::connect(&call).await;
    control.recognize(&call, 1, "No-Input-Timeout: 60000\r\n").await;
    let uri = format!("http://{}", server.ops().unwrap());
    let stopping = tokio::spawn(server.shutdown());
    let client = client();
    let status = async |path: &str| client.get(format!("{uri}{path}")).send().await.unwrap().status();
    let draining = async {
        while status("/readyz").await != StatusCode::SERVICE_UNAVAILABLE {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, draining).await.expect("it drains");
    assert_eq!(status("/healthz").await, StatusCode::OK);
    call.bye().await;
    timeout(PATIENCE, stopping).await.expect("no call is left").unwrap();
}

#[tokio::test]
async fn one_listener_can_serve_clients_and_operators() {
    let server = start("").await;
    assert_eq!(server.ops(), None);
    let server = start("HTTP_LISTEN=127.0.0.1:0").await;
    assert_eq!((server.ops(), server.http().is_some()), (None, true));
    let client = client();
    let at = format!("http://{}/metrics", server.http().unwrap());
    assert_eq!(client.get(at).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    let server = start("HTTP_LISTEN=127.0.0.1:0 OPS_LISTEN=127.0.0.1:0").await;
    assert_eq!(server.ops(), server.http());
    assert_eq!(get(&server, "/metrics", "").await.0, StatusCode::OK);
}
