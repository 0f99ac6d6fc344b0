//! The Event Socket against a fake FreeSWITCH that answers in the bytes of the real one (`tests/data/esl`), on loopback.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use answerd::adapter::{self, EslConfig, EslCounts};
use answerd::audio::SampleTime;
use answerd::detect::{self, Beep, End, Label, Method, Outcome, Timeline};
use answerd::engine::{Door, Engine, EngineConfig, RtpConfig, Subject};
use answerd::wire::esl::{Message, Parser, encode_percent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const UUID: &str = "11111111-0000-4000-8000-000000000001";

/// The blocks of a capture: which side on which connection, and its bytes.
fn blocks(file: &str) -> Vec<(String, Vec<u8>)> {
    let path = format!("{}/tests/data/esl/{file}.txt", env!("CARGO_MANIFEST_DIR"));
    let capture = std::fs::read(path).unwrap();
    let mut found = Vec::new();
    let mut rest = capture.as_slice();
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        let Some(told) = line.strip_prefix("@@ ").filter(|told| !told.starts_with('#')) else { continue };
        let mut words = told.split(' ');
        let (who, octets) = (words.next().unwrap(), words.next_back().unwrap().parse::<usize>().unwrap());
        found.push((who.to_owned(), rest[..octets].to_vec()));
        rest = &rest[octets + 1..];
    }
    found
}

/// What FreeSWITCH sent on a connection of a capture, the first `count` blocks after the client's `command`.
fn said(file: &str, connection: &str, command: Option<&str>, count: usize) -> Vec<u8> {
    let (client, server) = (format!("C>{connection}"), format!("S>{connection}"));
    let mut blocks = blocks(file).into_iter().filter(|(who, _)| *who == client || *who == server);
    if let Some(command) = command {
        let sent = blocks.find(|(who, bytes)| *who == client && bytes.starts_with(command.as_bytes()));
        assert!(sent.is_some(), "{command:?} is not in {file}");
    }
    let found = blocks.filter(|(who, _)| *who == server).take(count).map(|(_, bytes)| bytes).collect::<Vec<_>>();
    assert_eq!(found.len(), count, "{file} {connection}");
    found.concat()
}

/// How a connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Good,
    /// Its messages come in pieces of one octet.
    Pieces,
    BadPassword,
    Rude,
    /// It accepts, and says nothing.
    Silent,
    /// It is logged in to, and then answers nothing any more.
    Mute,
    /// It says that it goes down after so many commands behind the login.
    Down(usize),
    /// Its channel can be killed, and is no more then.
    Mortal,
}

#[derive(Debug, Default)]
struct Seen {
    /// All commands of all connections, headers joined by `|`.
    commands: Vec<String>,
    connections: usize,
}

/// A FreeSWITCH with some channels.
struct Fake {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    /// Sent to the connection that listens.
    events: tokio::sync::broadcast::Sender<Vec<u8>>,
}

impl Fake {
    /// The connections go as `manners` say, the last one for ever.
    async fn start(manners: &[Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, manners)
    }

    fn on(listener: TcpListener, manners: &[Manner]) -> Self {
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let events = tokio::sync::broadcast::Sender::new(100);
        let (manners, told, happens) = (manners.to_vec(), Arc::clone(&seen), events.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let index = {
                    let mut seen = told.lock().unwrap();
                    seen.connections += 1;
                    (seen.connections - 1).min(manners.len() - 1)
                };
                let connection = Connection { manner: manners[index], seen: Arc::clone(&told), done: 0, killed: false };
                tokio::spawn(connection.run(stream, happens.subscribe()));
            }
        });
        Self { address, seen, events }
    }

    fn commands(&self) -> Vec<String> {
        self.seen.lock().unwrap().commands.clone()
    }

    /// Waits until commands are seen that contain each of these, in this order.
    async fn until(&self, wanted: &[&str]) -> Vec<String> {
        let has = |commands: &[String]| {
            let mut rest = commands.iter();
            wanted.iter().all(|wanted| rest.any(|command| command.contains(wanted)))
        };
        let waiting = async {
            while !has(&self.commands()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(PATIENCE, waiting).await.is_err() {
            panic!("{wanted:#?} are not all in {:#?}", self.commands());
        }
        self.commands()
    }
}

struct Connection {
    manner: Manner,
    seen: Arc<Mutex<Seen>>,
    done: usize,
    killed: bool,
}

impl Connection {
    async fn run(mut self, mut stream: TcpStream, mut events: tokio::sync::broadcast::Receiver<Vec<u8>>) {
        match self.manner {
            Manner::Rude => return self.write(&mut stream, &said("01-auth", "acl", None, 2)).await,
            Manner::Silent => return std::future::pending().await,
            _ => self.write(&mut stream, &said("01-auth", "ok", None, 1)).await,
        }
        let mut received = Vec::new();
        loop {
            while let Some(end) = received.windows(2).position(|pair| pair == b"\n\n") {
                let command = String::from_utf8(received.drain(..end + 2).collect()).unwrap();
                let command = command.trim_end().replace('\n', "|");
                self.seen.lock().unwrap().commands.push(command.clone());
                let reply = self.reply(&command);
                self.write(&mut stream, &reply).await;
                if command.starts_with("auth") && self.manner == Manner::BadPassword {
                    return;
                }
                if let Manner::Down(after) = self.manner
                    && self.done > after
                {
                    return self.write(&mut stream, &said("15-shutdown", "idle", Some("auth"), 2)[54..]).await;
                }
            }
            let mut buffer = [0; 4096];
            tokio::select! {
                length = stream.read(&mut buffer) => match length {
                    Ok(0) | Err(_) => return,
                    Ok(length) => received.extend_from_slice(&buffer[..length]),
                },
                Ok(event) = events.recv() => self.write(&mut stream, &event).await,
            }
        }
    }

    async fn write(&self, stream: &mut TcpStream, bytes: &[u8]) {
        let pieces = if self.manner == Manner::Pieces { 1 } else { bytes.len().max(1) };
        for piece in bytes.chunks(pieces) {
            if stream.write_all(piece).await.is_err() {
                return;
            }
            if self.manner == Manner::Pieces {
                tokio::task::yield_now().await;
            }
        }
    }

    fn reply(&mut self, command: &str) -> Vec<u8> {
        let api =
            |body: &str| format!("Content-Type: api/response\nContent-Length: {}\n\n{body}", body.len()).into_bytes();
        let told = |text: &str| format!("Content-Type: command/reply\nReply-Text: {text}\n\n").into_bytes();
        match command.split([' ', '|']).next().unwrap() {
            "auth" if self.manner == Manner::BadPassword => return said("01-auth", "bad", Some("auth"), 2),
            "auth" => return said("01-auth", "ok", Some("auth"), 1),
            "event" => return said("02-event-formats", "1", Some("event plain CHANNEL_ANSWER"), 1),
            _ => self.done += 1,
        }
        if self.manner == Manner::Mute && self.done > 1 {
            return Vec::new();
        }
        let words = command.split([' ', '|']).collect::<Vec<_>>();
        let known = words.contains(&UUID) && !self.killed;
        self.killed |= self.manner == Manner::Mortal && words.contains(&"uuid_kill");
        match words.as_slice() {
            ["api", "show", "application"] => {
                api("name,description,syntax,ikey\nevent,x,,m\ndetect_speech,x,,m\n\n2 total.\n")
            }
            ["api", "uuid_exists", uuid] => api(if *uuid == UUID { "true" } else { "false" }),
            ["api", "uuid_getvar", _, "execute_on_avmd_beep"] => api("playback tone.wav"),
            ["api", "uuid_getvar", ..] => api("_undef_"),
            ["api", word, ..] if word.starts_with("uuid_") && !known => api("-ERR No such channel!\n"),
            ["api", ..] => api("+OK\n"),
            ["bgapi", .., id] => {
                // The result comes as an event, behind the reply.
                let body = "+OK done\n";
                let event =
                    format!("Event-Name: BACKGROUND_JOB\nJob-UUID: {id}\nContent-Length: {}\n\n{body}", body.len());
                let mut bytes = told(&format!("+OK Job-UUID: {id}"));
                bytes.extend(plain(&event));
                bytes
            }
            ["sendmsg", uuid, ..] if *uuid != UUID => told(&format!("-ERR invalid session id [{uuid}]")),
            ["sendevent", ..] => told("+OK 0b0ea4f6-5d42-4b0f-8ee2-b3e9a8d0c7d2"),
            _ => told("+OK"),
        }
    }
}

/// An event as FreeSWITCH frames it.
fn plain(event: &str) -> Vec<u8> {
    format!("Content-Length: {}\nContent-Type: text/event-plain\n\n{event}", event.len()).into_bytes()
}

fn event(headers: &[(&str, &str)]) -> Vec<u8> {
    let lines = headers.iter().map(|(name, value)| format!("{name}: {}\n", encode_percent(value)));
    plain(&format!("{}\n", lines.collect::<String>()))
}

struct Bench {
    engine: Arc<Engine>,
    running: adapter::Running,
}

fn bench(esl: EslConfig) -> Bench {
    assert_eq!(esl.validate(), Ok(()));
    let config = answerd::engine::Config {
        rtp: RtpConfig { address: "127.0.0.1".parse().unwrap(), port_min: 0, port_max: 0, ..RtpConfig::default() },
        engine: EngineConfig { workers: 1, ..EngineConfig::default() },
        detect: Arc::new(detect::Config { rules_only: true, ..detect::Config::default() }),
    };
    let engine = Arc::new(Engine::start(&config).unwrap());
    let running = adapter::start(&adapter::Config { esl, ..adapter::Config::default() }, &engine).unwrap();
    Bench { engine, running }
}

fn settings(fakes: &[&Fake]) -> EslConfig {
    let servers = fakes.iter().map(|fake| format!("\"{}\"", fake.address)).collect::<Vec<_>>().join(",");
    let text = format!("servers = [{servers}]\nreconnect_min_ms = 10\nreconnect_max_ms = 50\n");
    toml::from_str(&text).unwrap()
}

impl Bench {
    fn counts(&self, server: usize) -> EslCounts {
        self.running.esl_servers()[server].counts()
    }

    async fn until(&self, server: usize, reached: impl Fn(&EslCounts) -> bool) -> EslCounts {
        let waiting = async {
            while !reached(&self.counts(server)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(PATIENCE, waiting).await.is_err() {
            panic!("{:?}", self.counts(server));
        }
        self.counts(server)
    }

    fn decide(&self, uuid: &str, label: Label, beep: bool) {
        self.engine.decisions().concluded(&subject(uuid), &outcome(label, beep));
    }
}

fn subject(uuid: &str) -> Subject {
    Subject { door: Door::Mrcp, call_id: "call-1".into(), uuid: Some(uuid.into()) }
}

fn outcome(label: Label, beep: bool) -> Outcome {
    let (on, off) = (SampleTime(16_000), SampleTime(20_000));
    Outcome {
        end: End::Decided,
        label,
        confidence: 0.97,
        alternatives: Vec::new(),
        reason: "beep; it's\n\"loud\" ${x}".to_owned(),
        method: Method::Rules,
        timeline: Timeline {
            started: SampleTime(0),
            decided_at: SampleTime(24_000),
            beep: beep.then_some(Beep { on, off, hz: 1_000.0, level_db: -20.0 }),
            speak_at: beep.then_some(off),
            ..Timeline::default()
        },
        sit: None,
        findings: None,
    }
}

/// A stream tells a machine by its voice, and the beep later: who asked for nothing provisional hears of it, and what hears the
/// call is ended then and not before.
#[tokio::test]
async fn a_beep_after_the_decision_is_told_and_ends_the_detection() {
    let fake = Fake::start(&[Manner::Good]).await;
    let mut config = settings(&[&fake]);
    config.start_variable = "answerd_detect".to_owned();
    config.actions.machine = vec!["setvar told ${label}".to_owned()];
    config.actions.beep = vec!["setvar beeped ${beep_hz}".to_owned()];
    let bench = bench(config);
    bench.until(0, |counts| counts.connected).await;
    let start = [("Event-Name", "CUSTOM"), ("Event-Subclass", "answerd::start"), ("Channel-UUID", UUID)];
    fake.until(&["filter Event-Name CUSTOM"]).await;
    fake.events.send(event(&start)).unwrap();
    bench.until(0, |counts| counts.started == 1).await;
    let decisions = bench.engine.decisions();
    decisions.concluded_so_far(&subject(UUID), &outcome(Label::Machine, false));
    let commands = fake.until(&[&format!("api uuid_setvar {UUID} told machine")]).await;
    assert!(!commands.iter().any(|command| command.contains("execute-app-arg: stop")), "{commands:#?}");
    decisions.moment(&subject(UUID), Label::Machine, &outcome(Label::Beep, true));
    let commands = fake
        .until(&[
            "answerd_beep=true",
            "sendevent CUSTOM|Event-Subclass: answerd::beep|Channel-UUID: ",
            &format!("api uuid_setvar {UUID} beeped 1000.0"),
            "execute-app-arg: stop",
        ])
        .await;
    let told = commands.iter().filter(|command| command.contains("told machine")).count();
    assert_eq!(told, 1, "what was done for the label is not done again: {commands:#?}");
    bench.running.shutdown().await;
}

#[tokio::test]
async fn a_decision_sets_variables_then_sends_events_then_acts() {
    for manner in [Manner::Good, Manner::Pieces] {
        let fake = Fake::start(&[manner]).await;
        let mut config = settings(&[&fake]);
        config.actions.machine = vec![
            "record start /r/${uuid}.wav".to_owned(),
            "api log ${label} ${reason}".to_owned(),
            "transfer vm XML default".to_owned(),
        ];
        config.actions.beep = vec!["setvar beeped ${beep_hz}".to_owned()];
        config.actions.human = vec!["kill".to_owned()];
        let bench = bench(config);
        bench.until(0, |counts| counts.connected).await;
        bench.decide(UUID, Label::Machine, true);
        let commands = fake
            .until(&[
                "event plain BACKGROUND_JOB CUSTOM answerd::start answerd::stop",
                &format!("api uuid_setvar_multi {UUID} answerd_result=machine;answerd_confidence=0.97;"),
                "sendevent CUSTOM|Event-Subclass: answerd::result|Channel-UUID: ",
                "sendevent CUSTOM|Event-Subclass: answerd::beep|Channel-UUID: ",
                &format!("api uuid_record {UUID} start /r/{UUID}.wav"),
                "bgapi log machine beep_ it_s__loud_ __x_|Job-UUID: answerd-",
                &format!("api uuid_transfer {UUID} vm XML default"),
                &format!("api uuid_setvar {UUID} beeped 1000.0"),
            ])
            .await;
        let set = commands.iter().find(|command| command.contains("setvar_multi")).unwrap();
        for wanted in [
            ";answerd_method=rules;",
            ";answerd_beep=true;",
            ";answerd_reason=beep_ it_s__loud_ __x_;",
            ";ai_voicemail_detected=true",
        ] {
            assert!(set.contains(wanted), "{set}");
        }
        assert!(!commands.iter().any(|command| command.contains("uuid_kill") || command.contains("avmd")));
        let counts = bench.until(0, |counts| counts.decisions == 1 && counts.actions == 4).await;
        assert_eq!((counts.action_failures, counts.command_failures, counts.dropped), (0, 0, 0));
        bench.running.shutdown().await;
    }
}

#[tokio::test]
async fn an_action_for_a_call_that_is_gone_is_no_failure() {
    let fake = Fake::start(&[Manner::Mortal]).await;
    let mut config = settings(&[&fake]);
    config.actions.machine = vec!["kill".to_owned(), "setvar killed by".to_owned(), "api log ${label}".to_owned()];
    let bench = bench(config);
    bench.until(0, |counts| counts.connected).await;
    bench.decide(UUID, Label::Machine, false);
    fake.until(&[&format!("api uuid_kill {UUID}"), &format!("api uuid_setvar {UUID} killed by"), "bgapi log machine"])
        .await;
    let counts = bench.until(0, |counts| counts.decisions == 1 && counts.actions == 2).await;
    assert_eq!(counts.action_failures, 0);
    bench.running.shutdown().await;
}

#[tokio::test]
async fn a_beep_is_told_as_mod_avmd_tells_it() {
    let fake = Fake::start(&[Manner::Good]).await;
    let bench = bench(EslConfig { avmd: true, events: false, ..settings(&[&fake]) });
    bench.until(0, |counts| counts.connected).await;
    bench.decide(UUID, Label::Machine, true);
    let commands = fake
        .until(&[
            &format!("api uuid_setvar {UUID} avmd_total_time [3000]"),
            &format!("api uuid_setvar {UUID} avmd_detect TRUE"),
            &format!("sendevent CUSTOM|Event-Subclass: avmd::beep|Unique-ID: {UUID}|Call-command: avmd|Beep-Status: DETECTED|"),
            &format!("sendmsg {UUID}|call-command: execute|execute-app-name: event|execute-app-arg: Event-Name=CUSTOM,Event-Subclass=avmd::beep,"),
            &format!("sendmsg {UUID}|call-command: execute|execute-app-name: playback|execute-app-arg: tone.wav"),
        ])
        .await;
    let beep = commands.iter().find(|command| command.contains("Unique-ID")).unwrap();
    assert!(beep.contains("|Frequency: 1000.000000|") && beep.contains("|Detection-time: 3000000|"), "{beep}");
    assert!(!commands.iter().any(|command| command.contains("answerd::result") || command.contains("avmd::start")));
}

#[tokio::test]
async fn of_several_servers_the_one_that_has_the_call_acts() {
    let (first, second) = (Fake::start(&[Manner::Good]).await, Fake::start(&[Manner::Good]).await);
    let bench = bench(settings(&[&first, &second]));
    for server in [0, 1] {
        bench.until(server, |counts| counts.connected).await;
    }
    bench.decide("22222222-0000-4000-8000-000000000002", Label::Human, false);
    // It could be anything: it comes from a client.
    bench.decide("x y; z", Label::Human, false);
    for server in [0, 1] {
        let counts = bench.until(server, |counts| counts.elsewhere == 2).await;
        assert_eq!(counts.decisions, 0);
    }
    assert!(!first.commands().iter().any(|command| command.contains("sendevent") || command.contains("x y")));
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_what_waits_is_told() {
    let fake = Fake::start(&[Manner::Good]).await;
    let bench = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let late = listener.local_addr().unwrap();
        drop(listener);
        let mut config = settings(&[&fake]);
        config.servers[0].port = late.port();
        let bench = bench(config);
        // Nobody is there yet.
        bench.until(0, |counts| counts.failures > 1).await;
        bench.decide(UUID, Label::Human, false);
        let fake = Fake::on(TcpListener::bind(late).await.unwrap(), &[Manner::Down(0), Manner::Good]);
        fake.until(&["answerd_result=human"]).await;
        // The first connection ended in the middle; the second one got it all.
        let counts = bench.until(0, |counts| counts.decisions == 1).await;
        assert_eq!((counts.connects, counts.dropped), (2, 0));
        bench
    };
    drop(bench);
}

#[tokio::test]
async fn a_server_that_refuses_or_does_not_answer_is_given_up_and_tried_again() {
    for (manner, refused) in
        [(Manner::BadPassword, true), (Manner::Rude, true), (Manner::Silent, false), (Manner::Mute, false)]
    {
        let fake = Fake::start(&[manner, Manner::Good]).await;
        let config = EslConfig { connect_timeout_ms: 200, command_timeout_ms: 200, ..settings(&[&fake]) };
        let config = EslConfig { keepalive_ms: 100, ..config };
        let bench = bench(config);
        if manner == Manner::Mute {
            bench.until(0, |counts| counts.connects == 1).await;
            bench.decide(UUID, Label::Human, false);
        }
        let counts = bench.until(0, |counts| counts.connected && counts.failures > 0).await;
        assert_eq!(counts.refusals, u64::from(refused), "{manner:?}");
        // A connection on which nothing happens is asked whether it is there.
        fake.until(&["api uptime"]).await;
    }
}

#[tokio::test]
async fn what_nobody_can_be_told_is_dropped_in_time() {
    let fake = Fake::start(&[Manner::Rude]).await;
    let bench = bench(EslConfig { max_age_ms: 50, queue: 32, ..settings(&[&fake]) });
    for _ in 0..10 {
        bench.decide(UUID, Label::Human, false);
    }
    let counts = bench.until(0, |counts| counts.dropped == 10).await;
    assert_eq!((counts.decisions, counts.connected), (0, false));
}

#[tokio::test]
async fn calls_ask_for_detection_by_a_variable_or_an_event() {
    let fake = Fake::start(&[Manner::Good]).await;
    let mut config = settings(&[&fake]);
    config.start_variable = "answerd_detect".to_owned();
    config.start =
        vec!["execute detect_speech unimrcp:answerd {fs-uuid=${uuid}}x".to_owned(), "execute nosuch".to_owned()];
    let bench = bench(config);
    bench.until(0, |counts| counts.connected).await;
    fake.until(&[
        "event plain BACKGROUND_JOB CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE CUSTOM",
        "filter variable_answerd_detect",
    ])
    .await;
    let answer = |number: &str, uuid: &str, wanted: &str| {
        event(&[
            ("Event-Name", "CHANNEL_ANSWER"),
            ("Core-UUID", "core"),
            ("Event-Sequence", number),
            ("Unique-ID", uuid),
            ("variable_answerd_detect", wanted),
        ])
    };
    fake.events.send(answer("1", "33333333", "false")).unwrap();
    fake.events.send(answer("2", UUID, "true")).unwrap();
    // Of a parked channel, events come twice.
    fake.events.send(answer("2", UUID, "true")).unwrap();
    fake.until(&[&format!("sendmsg {UUID}|call-command: execute|execute-app-name: detect_speech|execute-app-arg: unimrcp:answerd {{fs-uuid={UUID}}}x")]).await;
    // An application that the server has not would hang the call up.
    bench.until(0, |counts| counts.started == 1 && counts.action_failures == 1).await;
    let custom = |subclass: &str, header: &str| {
        event(&[("Event-Name", "CUSTOM"), ("Event-Subclass", subclass), ("Event-Sequence", header), (header, UUID)])
    };
    // What failed to begin can be begun again.
    fake.events.send(custom("answerd::start", "Channel-UUID")).unwrap();
    bench.until(0, |counts| counts.started == 2).await;
    fake.events.send(custom("answerd::stop", "Unique-ID")).unwrap();
    let commands = fake.until(&["execute-app-arg: stop"]).await;
    assert!(
        !commands.iter().any(|command| command.contains("nosuch") || command.contains("33333333")),
        "{commands:#?}"
    );
}

/// FreeSWITCH's side of a connection of the dialplan's `socket`.
struct Socket {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Socket {
    async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), received: Vec::new() }
    }

    /// The next command, headers joined by `|`.
    async fn command(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\n\n") {
                let command = String::from_utf8(self.received.drain(..end + 2).collect()).unwrap();
                return Some(command.trim_end().replace('\n', "|"));
            }
            let mut buffer = [0; 1024];
            match timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("no command") {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
            }
        }
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn ok(&mut self) {
        self.say(b"Content-Type: command/reply\nReply-Text: +OK\n\n").await;
    }

    /// Answers a command as FreeSWITCH does, `connect` with `data`; `false` after `exit`, the last one.
    async fn answer(&mut self, command: &str, data: &[u8]) -> bool {
        match command.split([' ', '|']).next().unwrap() {
            "connect" => self.say(data).await,
            "exit" => self.say(&said("01-auth", "ok", Some("exit"), 2)).await,
            "api" => self.say(b"Content-Type: api/response\nContent-Length: 4\n\n+OK\n").await,
            _ => self.ok().await,
        }
        if command.contains("execute-app-arg: stop") {
            self.say(&event(&[("Event-Name", "CHANNEL_EXECUTE_COMPLETE")])).await;
        }
        command != "exit"
    }
}

/// What FreeSWITCH says to `connect`, of the real one, and the channel's identifier in it.
fn channel_data() -> (Vec<u8>, String) {
    let bytes = said("08-outbound-async-full", "o", Some("connect"), 1);
    let mut parser = Parser::default();
    parser.feed(&bytes);
    let message: Message = parser.poll_message().unwrap().unwrap();
    let uuid = message.event().unwrap().get("Unique-ID").unwrap().to_owned();
    (bytes, uuid)
}

#[tokio::test]
async fn a_call_by_socket_is_detected_and_goes_on_in_the_dialplan() {
    let mut config: EslConfig = toml::from_str("listen = \"127.0.0.1:0\"").unwrap();
    config.start = vec!["execute detect_speech unimrcp:answerd {fs-uuid=${uuid}}x y".to_owned()];
    let bench = bench(config);
    let (data, uuid) = channel_data();
    for full in [true, false] {
        let data = if full {
            data.clone()
        } else {
            String::from_utf8(data.clone()).unwrap().replace("Control: full", "Control: single-channel").into_bytes()
        };
        let mut socket = Socket::connect(bench.running.esl_listener().unwrap()).await;
        let mut seen: Vec<String> = Vec::new();
        while let Some(command) = socket.command().await {
            let goes_on = socket.answer(&command, &data).await;
            if command.contains("execute-app-arg: unimrcp:answerd") {
                assert!(command.contains(&format!("{{fs-uuid={uuid}}}x y")), "{command}");
                bench.decide(&uuid, Label::Human, false);
            }
            seen.push(command);
            if !goes_on {
                break;
            }
        }
        assert_eq!(seen[..4], ["connect", "linger 2", "myevents", "filter Event-Name CHANNEL_EXECUTE_COMPLETE"]);
        let set = if full {
            "api uuid_setvar_multi "
        } else {
            "|execute-app-name: multiset|execute-app-arg: ^^;answerd_result=human;"
        };
        assert!(seen.iter().any(|command| command.contains(set)), "{seen:#?}");
        assert_eq!(seen.last().unwrap(), "exit");
        assert_eq!(full, seen.iter().any(|command| command.contains("answerd::result")), "{seen:#?}");
    }
}

/// A stream's machine by `socket`: it goes on at the moment to speak, or in time without it, and what was told stays.
#[tokio::test]
async fn a_call_by_socket_waits_for_the_moment_to_speak() {
    for (comes, socket_timeout_ms) in [(true, 60_000), (false, 300)] {
        let settings = format!("listen = \"127.0.0.1:0\"\nsocket_timeout_ms = {socket_timeout_ms}");
        let mut config: EslConfig = toml::from_str(&settings).unwrap();
        config.start = vec!["execute detect_speech unimrcp:answerd x y".to_owned()];
        let bench = bench(config);
        let (data, uuid) = channel_data();
        let mut socket = Socket::connect(bench.running.esl_listener().unwrap()).await;
        let mut seen: Vec<String> = Vec::new();
        while let Some(command) = socket.command().await {
            let goes_on = socket.answer(&command, &data).await;
            if command.contains("execute-app-arg: unimrcp:answerd") {
                bench.engine.decisions().concluded_so_far(&subject(&uuid), &outcome(Label::Machine, false));
            }
            if comes && command.contains("Event-Subclass: answerd::result") && !command.contains("answerd::beep") {
                bench.engine.decisions().moment(&subject(&uuid), Label::Machine, &outcome(Label::Beep, true));
            }
            seen.push(command);
            if !goes_on {
                break;
            }
        }
        let at = |wanted: &str| seen.iter().position(|command| command.contains(wanted));
        let (machine, beep, stop) =
            (at("answerd_result=machine"), at("answerd_beep=true"), at("execute-app-arg: stop"));
        assert!(machine.is_some() && machine < stop, "{seen:#?}");
        assert_eq!((comes, comes), (beep.is_some(), at("answerd::beep").is_some()), "{seen:#?}");
        assert!(beep < stop && at("answerd_result=error").is_none(), "{seen:#?}");
        bench.running.shutdown().await;
    }
}

#[tokio::test]
async fn a_call_by_socket_without_a_decision_goes_on_and_one_too_many_goes_without() {
    let mut config: EslConfig =
        toml::from_str("listen = \"127.0.0.1:0\"\nmax_connections = 1\nsocket_timeout_ms = 50").unwrap();
    config.start = Vec::new();
    config.stop = Vec::new();
    let bench = bench(config);
    let address = bench.running.esl_listener().unwrap();
    let mut first = Socket::connect(address).await;
    assert_eq!(first.command().await.unwrap(), "connect");
    let mut second = Socket::connect(address).await;
    for (socket, refused) in [(&mut second, true), (&mut first, false)] {
        if refused {
            assert_eq!(socket.command().await.unwrap(), "connect");
        }
        socket.say(&channel_data().0).await;
        let mut commands = HashMap::new();
        while let Some(command) = socket.command().await {
            socket.ok().await;
            if command.starts_with("sendmsg") {
                socket.say(&event(&[("Event-Name", "CHANNEL_EXECUTE_COMPLETE")])).await;
            }
            commands.insert(command, ());
        }
        assert!(commands.keys().any(|command| command.contains("answerd_result=error")), "{commands:?}");
    }
    assert_eq!(bench.counts(0).refusals, 1);
}

#[tokio::test]
async fn who_hangs_up_or_talks_nonsense_leaves_nothing_behind() {
    let bench = bench(toml::from_str("listen = \"127.0.0.1:0\"\ncommand_timeout_ms = 300").unwrap());
    let address = bench.running.esl_listener().unwrap();
    // It never answers `connect`.
    let _silent = TcpStream::connect(address).await.unwrap();
    let mut nonsense = Socket::connect(address).await;
    nonsense.say(b"Content-Length: x\n\n").await;
    let mut hangs_up = Socket::connect(address).await;
    while let Some(command) = hangs_up.command().await {
        match command.as_str() {
            "connect" => hangs_up.say(&channel_data().0).await,
            command if command.contains("detect_speech") => {
                let notice = said("08-outbound-async-full", "o", Some("sendmsg\ncall-command: hangup"), 1);
                assert!(!notice.is_empty());
                hangs_up
                    .say(b"Content-Type: text/disconnect-notice\nContent-Disposition: linger\nContent-Length: 0\n\n")
                    .await;
            }
            _ => hangs_up.ok().await,
        }
    }
    let counts = bench.until(0, |counts| counts.failures == 2).await;
    assert_eq!(counts.connects, 3);
}
