//! Conversations with an endpoint, by a virtual clock: a page of text each.
#![allow(clippy::disallowed_methods, reason = "a virtual clock starts somewhere")]

mod any;
mod calls;
mod capture;
mod refusals;
mod routes;
mod session_timers;

use std::time::{Duration, Instant};

use crate::session::sip::tokens::Tokens;
use crate::session::sip::*;
use crate::wire::sip::{HeaderName, Headers, Message, Response, parse};

/// An endpoint at 192.0.2.1:8060 and what it talks with: a client at 192.0.2.9:5090, over UDP or over TCP connections.
struct Scene {
    start: Instant,
    now: Instant,
    endpoint: Endpoint,
    call: Option<CallId>,
    /// The last message that was sent.
    last: Option<Message>,
    /// The last request of the endpoint's own.
    request: Option<Message>,
    page: Vec<String>,
}

impl Scene {
    fn new(config: Config) -> Self {
        let start = Instant::now();
        let advertised = vec!["192.0.2.1:8060".parse().unwrap(), "203.0.113.1:8061".parse().unwrap()];
        let endpoint = Endpoint::with_tokens(config, advertised, Tokens::plain());
        Self { start, now: start, endpoint, call: None, last: None, request: None, page: Vec::new() }
    }

    fn peer(&self, connection: Option<u64>) -> Peer {
        Peer {
            listener: 0,
            transport: if connection.is_some() { Transport::Tcp } else { Transport::Udp },
            remote: if connection.is_some() { "192.0.2.9:40000" } else { "192.0.2.9:5090" }.parse().unwrap(),
            local: "0.0.0.0:8060".parse().unwrap(),
            connection: connection.map(ConnectionId),
        }
    }

    /// Moves the clock, with all that happens on the way.
    fn wait_until(&mut self, at: Instant) {
        while let Some(next) = self.endpoint.poll_timeout().filter(|next| *next <= at) {
            self.now = self.now.max(next);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now = at;
    }

    fn note(&mut self, text: &str) {
        let at = self.now - self.start;
        self.page.push(format!("{}.{:03} {text}", at.as_secs(), at.subsec_millis()));
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            let line = match output {
                Output::Send { peer, bytes } => {
                    let message = parse(&bytes).unwrap();
                    assert_eq!(message.write(), bytes, "our own messages are in our own form");
                    let line = format!("< {}{}", render(&message), self.place(&peer));
                    if let Message::Request(_) = message {
                        self.request = Some(message.clone());
                    }
                    self.last = Some(message);
                    line
                }
                Output::Offer { call, offer, reoffer, .. } => {
                    self.call = Some(call);
                    format!("! {} {}", if reoffer { "reoffer" } else { "offer" }, String::from_utf8(offer).unwrap())
                }
                Output::Confirmed { call } => {
                    assert_eq!(Some(call), self.call);
                    "! confirmed".to_owned()
                }
                Output::Ended { why, .. } => format!("! ended {why:?}"),
            };
            self.note(&line);
        }
    }

    fn place(&self, peer: &Peer) -> String {
        match (peer.transport, peer.connection) {
            (Transport::Tcp, Some(connection)) => format!(" @tcp{}", connection.0),
            (Transport::Tcp, None) => format!(" @connect {}", peer.remote),
            (Transport::Tls, Some(connection)) => format!(" @tls{}", connection.0),
            (Transport::Tls, None) => format!(" @connect tls {}", peer.remote),
            (Transport::Udp, _) if peer.remote == self.peer(None).remote => String::new(),
            (Transport::Udp, _) => format!(" @{}", peer.remote),
        }
    }

    /// Sends the text to the endpoint, with CRLF.
    fn send(&mut self, text: &str, connection: Option<u64>) {
        let bytes = text.replace('\n', "\r\n").into_bytes();
        let peer = self.peer(connection);
        match connection {
            None => self.endpoint.handle_datagram(self.now, peer, &bytes),
            Some(_) => match parse(&bytes) {
                Ok(message) => self.endpoint.handle_message(self.now, peer, message),
                Err(malformed) => self.endpoint.handle_malformed(peer, malformed),
            },
        }
        self.drain();
    }

    /// A line of the page that comes from outside.
    fn perform(&mut self, line: &str) {
        let (time, action) = line.split_once(' ').unwrap();
        self.wait_until(self.start + Duration::from_secs_f64(time.parse().unwrap()));
        self.note(action);
        let (kind, rest) = action.split_at(1);
        let rest = rest.trim();
        let call = self.call;
        let endpoint = &mut self.endpoint;
        let words: Vec<_> = rest.splitn(3, ' ').collect();
        match (kind, words.as_slice()) {
            (">", [status, ..]) if status.parse::<u16>().is_ok() => self.respond(rest),
            (">", _) => {
                let connection =
                    rest.split(['|', ' ']).find_map(|word| word.strip_prefix("tcp=")).map(|n| n.parse().unwrap());
                self.send(&message(rest), connection);
            }
            (".", ["accept"]) => endpoint.accept(self.now, call.unwrap(), b"answer".to_vec()),
            (".", ["refuse", status]) => endpoint.refuse(self.now, call.unwrap(), status.parse().unwrap(), None, None),
            (".", ["refuse", "503", after]) => {
                endpoint.refuse(self.now, call.unwrap(), 503, None, Some(after.parse().unwrap()));
            }
            (".", ["refuse", status, text]) => {
                endpoint.refuse(self.now, call.unwrap(), status.parse().unwrap(), Some(text), None);
            }
            (".", ["hang_up"]) => endpoint.hang_up(self.now, call.unwrap()),
            (".", ["drain"]) => endpoint.drain(),
            (".", ["full"]) => endpoint.set_load(Load { full: true, percent: 91, calls: 7, max_calls: 9 }),
            (".", ["disconnect", connection]) => {
                endpoint.handle_disconnect(self.now, ConnectionId(connection.parse().unwrap()));
            }
            (".", ["idle"]) => assert!(endpoint.is_idle() && endpoint.calls() == 0),
            (".", ["wait"]) => {}
            _ => panic!("{line}"),
        }
        self.drain();
    }

    /// Answers the endpoint's last request: a status and header fields.
    fn respond(&mut self, text: &str) {
        let request = self.request.clone().unwrap();
        let mut parts = text.split('|').map(str::trim);
        let mut response = Response::new(parts.next().unwrap().parse().unwrap());
        for name in [HeaderName::VIA, HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID, HeaderName::CSEQ] {
            response.headers.push(name.clone(), request.headers().get(&name).unwrap());
        }
        for field in parts {
            let (name, value) = field.split_once(':').unwrap();
            response.headers.push(name.into(), value);
        }
        let peer = self.peer(None);
        self.endpoint.handle_datagram(self.now, peer, &response.write());
    }

    fn sent(&self) -> &Message {
        self.last.as_ref().unwrap()
    }

    fn headers(&self) -> &Headers {
        self.sent().headers()
    }
}

/// Plays the lines of the page that come from outside, and compares the whole.
fn check(page: &str) -> Scene {
    check_with(Config { session_expires_s: 0, ..Config::default() }, page)
}

fn check_with(config: Config, page: &str) -> Scene {
    let mut scene = Scene::new(config);
    let lines: Vec<_> = page.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    for line in &lines {
        if line.contains(" > ") || line.contains(" . ") {
            scene.perform(line);
        }
    }
    assert_eq!(scene.page.join("\n"), lines.join("\n"));
    scene
}

/// A request of the client, from a line as `INVITE 1 tag=tag1 branch=b body=none | Require: x`.
fn message(line: &str) -> String {
    let mut parts = line.split('|').map(str::trim);
    let words: Vec<_> = parts.next().unwrap().split(' ').collect();
    let [method, seq, options @ ..] = words.as_slice() else { panic!("{line}") };
    let option = |name: &str| options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
    let default_branch = format!("{method}{seq}");
    let branch = option("branch").unwrap_or(&default_branch);
    let transport = if option("tcp").is_some() { "TCP" } else { "UDP" };
    let uri = option("uri").unwrap_or("sip:192.0.2.1:8060");
    let tag = option("tag").map(|tag| format!(";tag={tag}")).unwrap_or_default();
    let mut fields = vec![
        ("Via", format!("SIP/2.0/{transport} 192.0.2.9:5090;rport;branch=z9hG4bK{branch}")),
        ("From", format!("<sip:192.0.2.9:5090>;tag={}", option("from").unwrap_or("c"))),
        ("To", format!("<sip:192.0.2.1:8060>{tag}")),
        ("Call-ID", "call-1".to_owned()),
        ("CSeq", format!("{seq} {method}")),
    ];
    let body = match option("body") {
        Some("none") => "",
        Some(body) => body,
        None if *method == "INVITE" => "sdp",
        None => "",
    };
    if !body.is_empty() {
        fields.push(("Content-Type", "application/sdp".to_owned()));
    }
    for field in parts {
        let (name, value) = field.split_once(':').unwrap();
        match fields.iter_mut().find(|(have, _)| *have == name) {
            Some((_, have)) => *have = value.trim().to_owned(),
            None => fields.push((name, value.trim().to_owned())),
        }
    }
    let fields: String =
        fields.iter().filter(|(_, value)| value != "-").map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("{method} {uri} SIP/2.0\n{fields}Content-Length: {}\n\n{body}", body.len())
}

/// A message that was sent: its start, its CSeq, and the fields that matter.
fn render(message: &Message) -> String {
    let cseq = message.headers().cseq().ok().flatten();
    let mut text = match message {
        Message::Request(request) => format!("{} {}", request.method, cseq.unwrap().number),
        Message::Response(response) => {
            let cseq = cseq.map(|cseq| format!(" {cseq}")).unwrap_or_default();
            let usual = Response::new(response.status).reason == response.reason;
            let reason = if usual { String::new() } else { format!(" ({})", response.reason) };
            format!("{}{reason}{cseq}", response.status)
        }
    };
    for name in
        ["Session-Expires", "Min-SE", "Require", "Unsupported", "Retry-After", "Warning", "Accept", "Accept-Encoding"]
    {
        if let Some(value) = message.headers().get(&name.into()) {
            text.push_str(&format!(" | {name}: {value}"));
        }
    }
    text
}
