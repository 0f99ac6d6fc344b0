//! One call of a load as a page: what goes in, what comes out, by a clock that is none.

use super::*;
use crate::client::uac::{Identity, Transport};
use crate::wire::mrcp::{Event, HeaderName, Response, StatusCode};
use crate::wire::sip::HeaderName as SipName;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
    m=application 1544 TCP/MRCPv2 1\r\na=setup:passive\r\na=connection:existing\r\na=channel:7@speechrecog\r\na=cmid:1\r\n\
    m=audio 4000 RTP/AVP 0\r\na=mid:1\r\n";

struct Page {
    call: Call,
    began: Instant,
    now: Instant,
    /// The last request of each kind that was sent.
    invite: Option<sip::Request>,
    bye: Option<sip::Request>,
    text: String,
}

fn plan(hold: Hold, again: bool) -> Plan {
    Plan {
        codec: Codec::Pcmu,
        grammar: "builtin:speech/answer".to_owned(),
        parameters: Vec::new(),
        setup_timeout: Duration::from_secs(3),
        result_timeout: Duration::from_secs(30),
        hold,
        again,
    }
}

impl Page {
    fn new(plan: Plan) -> Self {
        let began = Instant::now();
        let identity = Identity { call_id: "run-7".into(), local_tag: "ours".into(), branch: "b".into() };
        let uri = "sip:192.0.2.9:8060".parse().unwrap();
        let uac = Uac::new(identity, Transport::Udp, "192.0.2.7:5060".parse().unwrap(), uri);
        let expected = Expected { label: "machine".to_owned(), beep_off: Some(Duration::from_millis(1_990)) };
        let played = Played { duration: Duration::from_secs(4), expected: Some(expected) };
        let call = Call::place(began, Arc::new(plan), Arc::new(played), uac, b"v=0\r\n".to_vec());
        let mut page = Self { call, began, now: began, invite: None, bye: None, text: String::new() };
        page.drain();
        page
    }

    fn at(&mut self, ms: u64) {
        let now = self.began + Duration::from_millis(ms);
        while let Some(at) = self.call.poll_timeout().filter(|at| *at <= now) {
            self.now = at;
            self.call.handle_timeout(at);
            self.drain();
        }
        self.now = now;
    }

    fn say(&mut self, what: &str) {
        let ms = (self.now - self.began).as_millis();
        self.text += &format!("{ms} {what}\n");
    }

    fn drain(&mut self) {
        while let Some(output) = self.call.poll_output() {
            match output {
                Output::Sip { bytes, .. } => {
                    let sip::Message::Request(request) = sip::parse(&bytes).unwrap() else {
                        self.say("response");
                        continue;
                    };
                    self.say(request.method.as_str());
                    match request.method {
                        sip::Method::Invite => self.invite = Some(request),
                        sip::Method::Bye => self.bye = Some(request),
                        _ => {}
                    }
                }
                Output::Join { mrcp, channel, new } => self.say(&format!("join {mrcp} {channel} {new}")),
                Output::Control(bytes) => {
                    let text = String::from_utf8(bytes).unwrap();
                    let words: Vec<&str> = text.lines().next().unwrap().split(' ').skip(2).collect();
                    self.say(&words.join(" "));
                }
                Output::Play { to, .. } => {
                    self.say(&format!("play to {to}"));
                    self.call.playing(self.now);
                }
                Output::Quiet => self.say("quiet"),
                Output::Told(told) => {
                    self.say(&format!("{told:?}"));
                }
            }
        }
    }

    fn sip(&mut self, ms: u64, request: fn(&Self) -> &sip::Request, status: u16, extra: &str, body: &str) {
        self.at(ms);
        let mut text = format!("SIP/2.0 {status} Reason\r\n");
        for name in [SipName::VIA, SipName::FROM, SipName::TO, SipName::CALL_ID, SipName::CSEQ] {
            let value = request(self).headers.get(&name).unwrap();
            let tag = if name == SipName::TO && !value.contains("tag=") { ";tag=theirs" } else { "" };
            text += &format!("{}: {value}{tag}\r\n", name.as_str());
        }
        text += &format!("{extra}Content-Length: {}\r\n\r\n{body}", body.len());
        self.call.handle_sip(self.now, &sip::parse(text.as_bytes()).unwrap());
        self.drain();
    }

    fn accepted(&mut self, ms: u64) {
        self.sip(ms, |page| page.invite.as_ref().unwrap(), 200, "Content-Type: application/sdp\r\n", SDP);
    }

    fn bye_answered(&mut self, ms: u64) {
        self.sip(ms, |page| page.bye.as_ref().unwrap(), 200, "", "");
    }

    fn responds(&mut self, ms: u64, id: u32, status: u16, state: RequestState) {
        self.at(ms);
        let channel = self.call.channel().unwrap().clone();
        let response = Response::new(channel, RequestId(id), StatusCode(status), state);
        self.call.handle_control(self.now, &Message::Response(response));
        self.drain();
    }

    fn completes(&mut self, ms: u64, id: u32) {
        self.at(ms);
        let body = "<result><interpretation confidence='0.9'><instance>machine<answer><label>machine</label>\
            <decided_at_s>2.02</decided_at_s><beep><off_s>1.99</off_s></beep></answer></instance></interpretation></result>";
        let channel = self.call.channel().unwrap().clone();
        let event = Event::new(channel, EventName::RecognitionComplete, RequestId(id), RequestState::Complete)
            .with(HeaderName::CompletionCause, "000 success")
            .with_body("application/nlsml+xml", body);
        self.call.handle_control(self.now, &Message::Event(event));
        self.drain();
    }

    fn is(&self, wanted: &str) {
        assert_eq!(self.text, wanted.trim_start());
        assert_eq!(self.call.poll_timeout(), None, "nothing more is waited for");
    }
}

const SET_UP: &str = "
0 INVITE
5 ACK
5 SetUp(5ms)
5 join 192.0.2.9:1544 7@speechrecog false
5 RECOGNIZE 1
";

fn told(text: &str) -> String {
    format!("{}{}", SET_UP.trim_start(), text.trim_start())
}

#[test]
fn a_call_ends_with_its_result() {
    let voicemail = Plan { grammar: "builtin:speech/voicemail".to_owned(), ..plan(Hold::Result, false) };
    let mut page = Page::new(voicemail);
    page.accepted(5);
    page.responds(7, 1, 200, RequestState::InProgress);
    page.completes(2_050, 1);
    page.bye_answered(2_060);
    // The beep ends in the packet that leaves 1,980 ms after the first, what decided is in the one after 2,000 ms.
    page.is(&told(
        "
7 Responded(2ms)
7 play to 192.0.2.9:4000
2050 Completed(Completed { label: \"machine\", since_request: 2.045s, delivery: Some(43ms), since_beep: Some(63ms), \
right: Some(true), beep_told: Some(true) })
2050 quiet
2050 Left
2050 BYE
2060 Over
",
    ));
}

#[test]
fn recognitions_follow_one_another_until_the_call_was_held() {
    let mut page = Page::new(plan(Hold::For(Duration::from_secs(3)), true));
    page.accepted(5);
    page.responds(7, 1, 200, RequestState::InProgress);
    page.completes(2_050, 1);
    page.responds(2_051, 2, 200, RequestState::InProgress);
    page.at(3_005);
    page.responds(3_006, 3, 200, RequestState::Complete);
    page.bye_answered(3_010);
    page.is(&told(
        "
7 Responded(2ms)
7 play to 192.0.2.9:4000
2050 Completed(Completed { label: \"machine\", since_request: 2.045s, delivery: Some(43ms), since_beep: Some(63ms), \
right: Some(true), beep_told: None })
2050 RECOGNIZE 2
2051 Responded(1ms)
3005 STOP 3
3006 quiet
3006 Left
3006 BYE
3010 Over
",
    ));
}

#[test]
fn a_call_is_held_to_the_end_of_its_recording_or_of_the_run() {
    for (ends, finish) in [(4_007, false), (3_000, true)] {
        let mut page = Page::new(plan(Hold::Sound, false));
        page.accepted(5);
        page.responds(7, 1, 200, RequestState::InProgress);
        page.completes(2_050, 1);
        page.at(ends);
        if finish {
            page.call.finish(page.now);
            page.drain();
        }
        assert!(page.text.ends_with(&format!("{ends} quiet\n{ends} Left\n{ends} BYE\n")), "{}", page.text);
    }
}

#[test]
fn refusals_are_told_apart() {
    for (status, extra, told) in [
        (503, "Retry-After: 5\r\n", "NoRoom"),
        (503, "", "Failed { failure: Refused(503), missing: false }"),
        (486, "Retry-After: 5\r\n", "Failed { failure: Refused(486), missing: false }"),
    ] {
        let mut page = Page::new(plan(Hold::Result, false));
        page.sip(4, |page| page.invite.as_ref().unwrap(), status, extra, "");
        page.is(&format!("0 INVITE\n4 ACK\n4 {told}\n4 quiet\n4 Left\n4 Over\n"));
    }
}

#[test]
fn what_does_not_come_is_waited_for_so_long() {
    // The answer: the INVITE was repeated, and there is nothing that could be cancelled.
    let mut page = Page::new(plan(Hold::Result, false));
    page.at(10_000);
    page.is("
0 INVITE
500 INVITE
1500 INVITE
3000 Failed { failure: NoAnswer, missing: false }
3000 quiet
3000 Left
3500 INVITE
7000 Over
");
    // The result, and then the response to STOP and to BYE.
    let mut page = Page::new(plan(Hold::Result, false));
    page.accepted(5);
    page.responds(7, 1, 200, RequestState::InProgress);
    page.at(60_000);
    page.is(&told(
        "
7 Responded(2ms)
7 play to 192.0.2.9:4000
30007 Failed { failure: NoResult, missing: true }
30007 STOP 2
40007 Failed { failure: NoResponse(\"STOP\"), missing: false }
40007 quiet
40007 Left
40007 BYE
40507 BYE
41507 BYE
43507 BYE
44007 Failed { failure: ByeUnanswered, missing: false }
44007 Over
",
    ));
}

#[test]
fn a_lost_connection_and_a_refused_request_cost_the_result() {
    let mut page = Page::new(plan(Hold::Result, false));
    page.accepted(5);
    page.responds(7, 1, 200, RequestState::InProgress);
    page.at(9);
    page.call.handle_connection_lost(page.now);
    page.drain();
    page.bye_answered(10);
    assert!(
        page.text.contains("9 Failed { failure: ConnectionLost, missing: true }\n9 quiet\n9 Left\n9 BYE\n10 Over\n")
    );
    let mut page = Page::new(plan(Hold::Result, false));
    page.accepted(5);
    page.responds(7, 1, 404, RequestState::Complete);
    page.call.handle_nothing_there();
    page.drain();
    page.is(&told(
        "
7 Responded(2ms)
7 Failed { failure: RequestRefused(404), missing: true }
7 quiet
7 Left
7 BYE
7 Failed { failure: ByeUnanswered, missing: false }
7 Over
",
    ));
}
