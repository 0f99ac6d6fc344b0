//! Whole messages: the hard cases of RFC 4475 in messages of our own, streams, any bytes and any split.
#![allow(clippy::indexing_slicing, reason = "tests cut messages apart")]

use proptest::prelude::*;

use crate::wire::sip::*;

fn request(text: &str) -> Request {
    match parse(crlf(text).as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

fn malformed(text: &str) -> Malformed {
    parse(crlf(text).as_bytes()).unwrap_err()
}

const INVITE: &str = "INVITE sip:asr@127.0.0.1:8060 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5090;rport;branch=z9hG4bKZUc7DB9H9168S
Max-Forwards: 70
From: <sip:127.0.0.1:5090>;tag=ZFejZce1DKS6N
To: <sip:asr@127.0.0.1:8060>
Call-ID: f203809d-5f5a-1240-adb8-96be4d52f250
CSeq: 123026947 INVITE
Contact: <sip:127.0.0.1:5090>
User-Agent: FreeSWITCH
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, MESSAGE, SUBSCRIBE, NOTIFY, REFER, UPDATE
Supported: timer, 100rel
Content-Type: application/sdp
Content-Disposition: session
Content-Length: 7

v=0
";

#[test]
fn an_invite_of_freeswitch() {
    let bytes = crlf(INVITE) + "s=";
    let Ok(Message::Request(request)) = parse(bytes.as_bytes()) else { panic!() };
    assert_eq!((request.method.clone(), request.uri.to_string()), (Method::Invite, "sip:asr@127.0.0.1:8060".into()));
    assert_eq!(request.body, b"v=0\r\ns=");
    assert_eq!(request.headers.top_via().unwrap().unwrap().rport(), Some(None));
    assert_eq!(request.headers.from().unwrap().unwrap().tag(), Some("ZFejZce1DKS6N"));
    assert!(request.headers.has_token(&HeaderName::SUPPORTED, "TIMER"));
    assert!(request.headers.has_token(&HeaderName::ALLOW, "update"));
    assert!(request.headers.content_type().unwrap().unwrap().is("application", "sdp"));
    assert_eq!(request.write(), bytes.as_bytes());
}

#[test]
fn a_client_builds_a_request_and_reads_the_response() {
    let server: std::net::SocketAddr = "192.0.2.7:8060".parse().unwrap();
    let mut invite = Request::new(Method::Invite, Uri::sip(server));
    invite
        .headers
        .push(HeaderName::VIA, Via::new("UDP", "192.0.2.1:5090".parse::<std::net::SocketAddr>().unwrap(), "z9hG4bK1"));
    let mut from = Address::new(Uri::sip(server));
    from.params.set("tag", Some("a1"));
    invite.headers.push(HeaderName::FROM, &from);
    invite.headers.push(HeaderName::CSEQ, CSeq { number: 1, method: Method::Invite });
    invite.body = b"v=0".to_vec();
    let text = "INVITE sip:192.0.2.7:8060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5090;branch=z9hG4bK1\n\
                From: <sip:192.0.2.7:8060>;tag=a1\nCSeq: 1 INVITE\nContent-Length: 3\n\nv=0";
    assert_eq!(String::from_utf8(invite.write()).unwrap(), crlf(text));

    let text =
        "SIP/2.0 503 Service Unavailable\nRetry-After: 5\nWarning: 399 192.0.2.7 \"no \\\"free\\\" channel\"\n\n";
    let Ok(Message::Response(response)) = parse(crlf(text).as_bytes()) else { panic!() };
    assert_eq!((response.status, response.reason.as_str()), (503, "Service Unavailable"));
    assert_eq!(response.headers.retry_after().unwrap().unwrap().seconds, 5);
    assert_eq!(response.headers.warning_text().as_deref(), Some("no \"free\" channel"));
}

/// White space, folds, any case, compact forms, lists over several lines: RFC 4475 section 3.1.1.1.
#[test]
fn a_tortuous_invite() {
    let request = request(
        "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : 5
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33

v=0
",
    );
    let headers = &request.headers;
    assert_eq!(headers.to().unwrap().unwrap().tag(), Some("1918181833n"));
    let from = headers.from().unwrap().unwrap();
    assert_eq!((from.display_name.as_deref(), from.tag()), (Some("J Rosenberg \\\""), Some("98asjd8")));
    assert_eq!(headers.max_forwards(), Ok(Some(68)));
    assert_eq!(headers.cseq().unwrap().unwrap(), CSeq { number: 9, method: Method::Invite });
    let vias: Vec<_> = headers.vias().unwrap().iter().map(Via::to_string).collect();
    assert_eq!(
        vias,
        [
            "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
            "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
            "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239"
        ]
    );
    assert_eq!(headers.get(&"subject".into()), Some(""));
    assert_eq!(headers.get(&"newfangledheader".into()), Some("newfangled value continued newfangled value"));
    let routes = headers.routes().unwrap();
    assert!(routes.first().unwrap().uri.as_sip().unwrap().params.has("lr"));
    let contacts = headers.contacts().unwrap();
    let Some(Contact::Address(contact)) = contacts.first() else { panic!() };
    assert_eq!((contact.params.get("q"), contact.params.get("newparam")), (Some("0.33"), Some("newvalue")));
    assert_eq!(request.body, b"v=0\r\n");
}

#[test]
fn tokens_of_every_kind() {
    let request = request(
        "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0
Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~
To: \"BEL:\\\u{7} NUL:\\\u{0} DEL:\\\u{7f}\" <sip:1_unusual.URI~(to-be!sure)@example.com>
From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"working\";tag=_token~1'+`*%!-.
Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{
CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~
Max-Forwards: 255

",
    );
    assert_eq!(request.headers.cseq().unwrap().unwrap().method, request.method);
    assert_eq!(request.headers.from().unwrap().unwrap().tag(), Some("_token~1'+`*%!-."));
    assert!(request.headers.to().unwrap().unwrap().display_name.unwrap().contains('\u{7}'));
    assert!(request.headers.call_id().unwrap().ends_with("?}{"));
    assert_eq!(parse(&request.write()), Ok(with_length(Message::Request(request))));
}

/// A message that had no Content-Length has one after it was written.
fn with_length(mut message: Message) -> Message {
    let length = message.body().len();
    let headers = match &mut message {
        Message::Request(request) => &mut request.headers,
        Message::Response(response) => &mut response.headers,
    };
    headers.set(HeaderName::CONTENT_LENGTH, length);
    message
}

#[test]
fn responses_without_or_with_odd_reasons() {
    for (line, reason) in
        [("SIP/2.0 100 ", ""), ("SIP/2.0 200", ""), ("SIP/2.0 200 = 2**3 * \u{43d}\u{435}", "= 2**3 * \u{43d}\u{435}")]
    {
        let Ok(Message::Response(response)) = parse(format!("{line}\r\n\r\n").as_bytes()) else { panic!("{line}") };
        assert_eq!(response.reason, reason);
    }
    let error = malformed("SIP/2.0 4294967301 better not\n\n").error;
    assert_eq!(error.to_string(), "malformed SIP-message, Status-Line, Reason-Phrase at byte 11");
    assert!(malformed("SIP/2.0 700 x\nCSeq: 1 BYE\n\n").is_response);
}

#[test]
fn malformed_messages_tell_where_and_keep_what_can_be_read() {
    const VIA: &str = "Via: SIP/2.0/UDP h;branch=z9hG4bK1\nCSeq: 1 INVITE\n\n";
    for (start, error) in [
        ("INVITE <sip:a@b> SIP/2.0\n", "SIP-message, Request-Line, Request-URI, scheme at byte 7"),
        ("INVITE sip:a@b; lr SIP/2.0\n", "SIP-message, Request-Line, Request-URI, uri-parameter at byte 15"),
        ("INVITE  sip:a@b  SIP/2.0\n", "SIP-message, Request-Line, Request-URI at byte 7"),
        ("INVITE sip:a@b SIP/2.0 \n", "SIP-message, CRLF at byte 22"),
        ("INVITE sip:a@b HTTP/1.1\n", "SIP-message, Request-Line, SIP-Version at byte 15"),
        ("INVITE sip:a@b SIP/2.0\nBad Header: x\n", "SIP-message, HCOLON at byte 28"),
        ("INVITE sip:a@b SIP/2.0\n: x\n", "SIP-message, header-name, token at byte 24"),
        ("INVITE sip:a@b SIP/2.0\nContent-Length: -999\n", "Content-Length at byte 0"),
        ("INVITE sip:a@b SIP/2.0\nContent-Length: 1\n", "message-body, shorter than Content-Length at byte 97"),
    ] {
        let malformed = malformed(&format!("{start}{VIA}"));
        assert_eq!(malformed.error.to_string(), format!("malformed {error}"), "{start}");
        assert!(!malformed.is_response);
        assert_eq!(malformed.headers.top_via().unwrap().unwrap().branch(), Some("z9hG4bK1"), "{start}");
        assert_eq!(malformed.headers.cseq().unwrap().unwrap().number, 1);
    }
    let error = parse(b"INVITE sip:a@b SIP/2.0\r\nSubject: \xff\r\n\r\n").unwrap_err().error;
    assert_eq!((error.position, error.productions), (33, vec!["UTF-8 text"]));
    assert!(malformed("INVITE sip:a@b SIP/2.0\nVia: SIP/2.0/UDP h\n").headers.top_via().unwrap().is_some());
}

#[test]
fn a_datagram_ends_where_content_length_says() {
    let request = request("\n\nBYE sip:a@b SIP/2.0\nl: 2\n\nhiINVITE sip:a@b SIP/2.0\n\n");
    assert_eq!(request.body, b"hi");
    let Ok(Message::Request(bye)) = parse(b"BYE sip:a@b SIP/3.0\nCall-ID: 1\n\nrest") else { panic!() };
    assert_eq!((bye.version.to_string().as_str(), bye.body.as_slice()), ("SIP/3.0", b"rest".as_slice()));
    assert_eq!(bye.headers.call_id(), Some("1"));
}

/// Everything that a parser gives for a stream that is fed in these pieces; an error is the last.
fn stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<Received, Malformed>> {
    let mut parser = Parser::new(Limits { max_head_bytes: 1000, max_body_bytes: 100 });
    let mut all = Vec::new();
    for piece in pieces {
        parser.feed(piece);
        loop {
            match parser.next_message() {
                Ok(Some(received)) => all.push(Ok(received)),
                Ok(None) => break,
                Err(malformed) => all.push(Err(malformed)),
            }
        }
    }
    all
}

#[test]
fn a_stream_of_messages_and_pings() {
    let bytes = crlf(
        "\n\n\nOPTIONS sip:a SIP/2.0\nl: 3\n\nabc\n\n\n\nBYE sip:a SIP/2.0\nl: 0\n\nBYE <sip:a> SIP/2.0\nl: 1\n\nxSIP/2.0 200 OK\nl: 0\n\n\n",
    );
    let all = stream([bytes.as_bytes()]);
    let kinds: Vec<_> = all
        .iter()
        .map(|received| match received.as_ref().unwrap() {
            Received::Ping => "ping".to_owned(),
            Received::Malformed(malformed) => format!("bad, {} fields", malformed.headers.len()),
            Received::Message(Message::Request(request)) => format!("{} {}", request.method, request.body.len()),
            Received::Message(Message::Response(response)) => response.status.to_string(),
        })
        .collect();
    assert_eq!(kinds, ["ping", "OPTIONS 3", "ping", "ping", "BYE 0", "bad, 1 fields", "200"].map(str::to_owned));
}

#[test]
fn a_stream_goes_on_after_text_that_is_not_utf_8() {
    let all = stream([&b"BYE sip:a SIP/2.0\r\nSubject: \xff\r\nl: 1\r\n\r\nxBYE sip:a SIP/2.0\r\nl: 0\r\n\r\n"[..]]);
    let [Ok(Received::Malformed(malformed)), Ok(Received::Message(_))] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((malformed.error.position, malformed.method.as_ref()), (28, Some(&Method::Bye)));
}

#[test]
fn a_stream_without_a_readable_end_breaks() {
    let long = format!("INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nX: {}", "x".repeat(2000));
    for (bytes, error) in [
        ("BYE sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n\r\n", "no Content-Length on a stream"),
        ("BYE sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nl: x\r\n\r\n", "malformed Content-Length"),
        ("BYE sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nl: 101\r\n\r\n", "message-body, over the limit"),
        (&long, "header section over the limit at byte 1000"),
    ] {
        let all = stream([bytes.as_bytes(), b"BYE sip:a SIP/2.0\r\nl: 0\r\n\r\n"]);
        let [Err(malformed)] = all.as_slice() else { panic!("{all:?}") };
        assert!(malformed.error.to_string().contains(error), "{}", malformed.error);
        assert!(malformed.headers.top_via().unwrap().is_some());
    }
}

/// Valid messages with fields of all kinds.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        "X-[A-Za-z-]{1,12}: [ -~]{0,30}(\r\n [!-~]{1,9}){0,2}",
        "(Via|v): SIP/2\\.0/(UDP|TCP) (a\\.example|192\\.0\\.2\\.[0-9]|\\[2001:db8::[0-9a-f]\\])(:5060)?;branch=z9hG4bK[a-z]{1,8}(;rport)?",
        "(From|f|To|t): (\"[ a-z]{0,5}\" )?<sips?:[a-z]{0,3}@?b;lr>(;tag=[a-z]{1,5})?",
        "(CSeq|CSEQ): [1-9][0-9]{0,5} (INVITE|BYE|X)",
        "(Contact|m): (\\*|<sip:[a-z]{1,5}>;q=0\\.[0-9])",
        "(Session-Expires|x): [1-9][0-9]{2};refresher=ua[cs]",
    ];
    let start = prop_oneof![
        r"(INVITE|BYE|OPTIONS|X) sips?:([a-z]{1,4}@)?h[a-z]{0,4}(:[1-9][0-9]{3})? SIP/2\.0",
        r"SIP/2\.0 [1-6][0-9]{2} [ -~]{0,10}"
    ];
    (start, proptest::collection::vec(field, 0..8), proptest::collection::vec(any::<u8>(), 0..50)).prop_map(
        |(start, fields, body)| {
            let mut bytes = format!("{start}\r\n").into_bytes();
            for field in fields {
                bytes.extend_from_slice(field.as_bytes());
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(&body);
            bytes
        },
    )
}

/// Reads every typed field: none may panic.
fn read_all(headers: &Headers) {
    drop((headers.vias(), headers.top_via(), headers.from(), headers.to(), headers.cseq(), headers.contacts()));
    drop((headers.routes(), headers.record_routes(), headers.content_type(), headers.accept(), headers.retry_after()));
    drop((
        headers.content_length(),
        headers.session_expires(),
        headers.min_se(),
        headers.max_forwards(),
        headers.expires(),
    ));
    drop((headers.warning_text(), headers.call_id().map(str::to_owned)));
}

/// Cuts `bytes` at the places, which are taken modulo its length.
fn cut<'a>(bytes: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = places.iter().map(|place| place % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(bytes in messages()) {
        let message = parse(&bytes).unwrap();
        read_all(message.headers());
        let written = message.write();
        let again = parse(&written).unwrap();
        prop_assert_eq!(&again.write(), &written);
        prop_assert_eq!(again, message);
    }

    #[test]
    fn any_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), places in proptest::collection::vec(any::<usize>(), 0..5)) {
        match parse(&bytes) {
            Ok(message) => read_all(message.headers()),
            Err(malformed) => read_all(&malformed.headers),
        }
        stream(cut(&bytes, &places));
    }

    #[test]
    fn any_field_value_does_not_panic(value in "[ -~\u{e9}\t]{0,60}") {
        let mut headers = Headers::new();
        for name in ["v", "f", "t", "m", "CSeq", "c", "x", "Min-SE", "Route", "Record-Route", "Accept", "Retry-After", "l", "Warning"] {
            headers.push(name.into(), &value);
        }
        read_all(&headers);
        drop(value.parse::<Uri>());
    }

    #[test]
    fn a_mutated_message_does_not_panic(
        bytes in messages(),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>(), 0..3), 1..6),
    ) {
        let mut bytes = bytes;
        for (at, byte, kind) in changes {
            let at = at % bytes.len().max(1);
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if at < bytes.len() => drop(bytes.remove(at)),
                _ => {}
            }
        }
        match parse(&bytes) {
            Ok(message) => { read_all(message.headers()); parse(&message.write()).unwrap(); }
            Err(malformed) => read_all(&malformed.headers),
        }
    }

    #[test]
    fn any_split_gives_the_same_messages(
        messages in proptest::collection::vec(prop_oneof![messages(), Just(b"\r\n\r\n".to_vec()), Just(b"\r\n".to_vec()), "[ -~\r\n]{0,40}".prop_map(String::into_bytes)], 1..5),
        places in proptest::collection::vec(any::<usize>(), 0..20),
    ) {
        let bytes = messages.concat();
        let whole = stream([bytes.as_slice()]);
        prop_assert_eq!(&stream(cut(&bytes, &places)), &whole);
        prop_assert_eq!(&stream(bytes.chunks(1)), &whole);
    }
}
