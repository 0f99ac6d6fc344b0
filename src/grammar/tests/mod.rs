//! Grammars as clients send them, and results of matches.

mod abnf;
mod keys;
mod reference;
mod resolving;
mod semantics;

use proptest::prelude::*;

use crate::audio::SampleTime;
use crate::detect::{Alternative, Beep, End, Goal, Label, Method, Outcome, Timeline};
use crate::grammar::result::{self, Detail, Input, Match};
use crate::grammar::{
    Active, Body, Documents, Error, Failure, Format, Meaning, Resolution, Resolved, Store, builtin, compile,
    srgs as forms,
};

fn body<'a>(media_type: &'a str, text: &'a str) -> Body<'a> {
    Body { media_type, boundary: Some("break"), bytes: text.as_bytes(), ..Body::default() }
}

/// Resolves with no documents; what is needed is an error here.
fn resolve(body: &Body<'_>, store: &Store) -> Result<Resolved, Error> {
    match crate::grammar::resolve(body, store, &Documents::new())? {
        Resolution::Done(resolved) => Ok(resolved),
        Resolution::Needs(uris) => Err(Error::uri(&uris.join(" "), "needed", format!("{uris:?} needed"))),
    }
}

fn list(text: &str) -> Result<Resolved, Error> {
    resolve(&body("text/uri-list", text), &Store::new(10))
}

fn srgs(text: &str) -> Result<Resolved, Error> {
    resolve(&body("application/srgs+xml", text), &Store::new(10))
}

/// Each label that matches, and its meaning.
fn told(active: &Active) -> String {
    let told = Label::ALL.into_iter().filter_map(|label| {
        let found = active.grammar.interpret(label, &outcome()).unwrap()?;
        assert!(active.grammar.accepts().contains(label));
        Some(match found.meaning {
            Meaning::Text(text) if text == label.as_str() => text,
            Meaning::Text(text) => format!("{label}={text}"),
            Meaning::Bool(truth) => format!("{label}={truth}"),
            other => format!("{label}={}", serde_json::to_string(&other).unwrap()),
        })
    });
    told.collect::<Vec<_>>().join(" ")
}

fn grammar(rules: &str) -> String {
    let resolved =
        srgs(&format!("<grammar xmlns='http://www.w3.org/2001/06/grammar' version='1.0' root='r'>{rules}</grammar>"));
    resolved.map_or_else(|error| format!("{:?}: {error}", error.failure), |resolved| told(&resolved.active[0]))
}

#[test]
fn every_builtin_compiles() {
    for (name, text) in builtin::BUILTINS {
        forms::parse(text).and_then(compile::compile_alone).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let [answer, beep, voicemail, boolean] = ["answer", "beep", "voicemail", "boolean"]
        .map(|name| list(&format!("builtin:speech/{name}")).unwrap().active.remove(0));
    assert_eq!(told(&answer), "human machine screening ivr fax sit busy ringback music silence");
    assert_eq!(told(&beep), "machine screening beep");
    assert_eq!(told(&voicemail), "human machine screening ivr fax sit busy ringback music silence beep");
    assert_eq!(told(&boolean), "human=false machine=true screening=true ivr=true");
    assert_eq!(
        [answer, beep, voicemail, boolean].map(|active| active.grammar.goal),
        [Goal::Answer, Goal::Beep, Goal::Voicemail, Goal::Answer]
    );
}

#[test]
fn a_uri_list_names_builtins_in_many_ways() {
    for uri in [
        "builtin:speech/boolean",
        "BUILTIN:grammar/boolean",
        "builtin:boolean",
        "boolean",
        "builtin:speech/builtin grammars/boolean.grxml",
        "builtin:grammars/boolean.grxml",
    ] {
        let found = list(uri).unwrap_or_else(|error| panic!("{uri}: {error}"));
        assert_eq!(told(&found.active[0]), "human=false machine=true screening=true ivr=true", "{uri}");
        assert_eq!(found.active[0].uri, uri);
    }
    let two = list("# comment\r\nbuiltin:speech/answer\r\n\nbuiltin:speech/beep\n").unwrap();
    assert_eq!(two.active.len(), 2);
    let asked = list("builtin:speech/answer?result-format=json&detail=false;confidence-threshold=0.7").unwrap();
    let settings = asked.active[0].grammar.settings;
    assert_eq!(settings.format, Some(Format::Json));
    assert_eq!(settings.detail, Some(false));
    assert_eq!(settings.confidence_threshold, Some(0.7));
}

#[test]
fn what_can_not_be_used_says_why() {
    let of =
        |found: Result<Resolved, Error>| found.map_err(|error| (error.failure, error.reason, error.uri)).unwrap_err();
    let (failure, reason, _) = of(list("builtin:speech/digits?length=4"));
    assert_eq!(failure, Failure::Load);
    assert!(
        reason.starts_with("no builtin builtin:speech/digits?length=4: there are builtin:speech/answer, "),
        "{reason}"
    );
    assert_eq!(of(list("builtin:dtmf/answer")).0, Failure::Load);
    assert_eq!(of(list("session:foo")).0, Failure::Load);
    assert_eq!(of(list("builtin:speech/answer?speed=1")).0, Failure::Load);
    assert_eq!(of(list("builtin:speech/answer?confidence-threshold=2")).0, Failure::Load);
    assert_eq!(of(list("# nothing\n")).0, Failure::Load);
    let (failure, _, uri) = of(list("builtin:speech/answer\nhttp://127.0.0.1:1/g.grxml"));
    assert_eq!((failure, uri.as_deref()), (Failure::Uri, Some("http://127.0.0.1:1/g.grxml")));
    assert_eq!(of(list("file:///etc/passwd")).0, Failure::Uri);
    assert_eq!(of(list("yes.gram")).0, Failure::Uri);
    let media = |media_type| of(resolve(&body(media_type, "#ABNF 1.0 UTF-8;"), &Store::new(1))).0;
    assert_eq!(media("application/srgs"), Failure::Compilation);
    assert_eq!(media("application/srgs+xml"), Failure::Compilation);
    assert_eq!(media("application/x-jsgf"), Failure::Load);
    assert_eq!(media("application/x-nuance-gsl"), Failure::Load);
    assert_eq!(media("application/xml"), Failure::Load);
    assert_eq!(media("image/png"), Failure::MediaType);
    assert_eq!(media("text/grammar-ref-list"), Failure::Compilation);
}

#[test]
fn tokens_items_repeats_and_references() {
    assert_eq!(grammar("<rule id='r'>human</rule>"), "human");
    assert_eq!(grammar("<rule id='r'><one-of><item>HUMAN</item><item> one two </item></one-of></rule>"), "human");
    assert_eq!(grammar("<rule id='r'><token> fax </token></rule>"), "fax");
    assert_eq!(grammar("<rule id='r'>\"fax\"</rule>"), "fax");
    assert_eq!(grammar("<rule id='r'>fax &amp; more</rule>"), "");
    assert_eq!(grammar("<rule id='r'>&#102;ax</rule>"), "fax");
    assert_eq!(grammar("<rule id='r'><item repeat='0-1'>please</item><item>fax</item></rule>"), "fax");
    assert_eq!(grammar("<rule id='r'><item repeat='0-'>fax</item></rule>"), "fax");
    assert_eq!(grammar("<rule id='r'><item repeat='2'>fax</item></rule>"), "");
    assert_eq!(grammar("<rule id='r'><item repeat='3'><item repeat='0-1'>fax</item></item></rule>"), "fax");
    assert_eq!(grammar("<rule id='r'><ruleref uri='#x'/></rule><rule id='x'>sit</rule>"), "sit");
    assert_eq!(grammar("<rule id='r'><ruleref special='NULL'/>sit<ruleref special='GARBAGE'/></rule>"), "sit");
    assert_eq!(grammar("<rule id='r'>sit<ruleref special='VOID'/></rule>"), "");
    assert_eq!(
        grammar("<rule id='r'><one-of><item>sit</item><item><ruleref uri='#r'/> x</item></one-of></rule>"),
        "sit"
    );
    assert_eq!(
        grammar("<rule id='r'><ruleref uri='builtin:speech/boolean'/></rule>"),
        "human=false machine=true screening=true ivr=true"
    );
    assert_eq!(grammar("<rule id='r'><example>human</example>sit</rule>"), "sit");
    // A grammar of other words is a grammar; nothing here can match it.
    assert_eq!(grammar("<rule id='r'><one-of><item>yes</item><item>no</item></one-of></rule>"), "");
}

#[test]
fn tags() {
    let tagged = |format: &str, rules: &str| {
        let text = format!("<grammar version='1.0' root='r' {format}>{rules}</grammar>");
        srgs(&text).map_or_else(|error| format!("{:?}: {error}", error.failure), |found| told(&found.active[0]))
    };
    let literals = "tag-format='semantics/1.0-literals'";
    let script = "tag-format='semantics/1.0'";
    assert_eq!(tagged(literals, "<rule id='r'>human <tag> 1 </tag></rule>"), "human=1");
    assert_eq!(tagged(literals, "<rule id='r'>human <tag>out=\"1\"</tag></rule>"), "human=out=\"1\"");
    assert_eq!(tagged("", "<rule id='r'>human <tag>a person</tag></rule>"), "human=a person");
    assert_eq!(tagged("", "<rule id='r'>human <tag>out = 'it\\'s'; </tag></rule>"), "human=it's");
    assert_eq!(
        tagged(script, "<rule id='r'>human<tag>out.kind=\"p\";out.code=7</tag><tag>out.kind='q'</tag></rule>"),
        "human={\"kind\":\"q\",\"code\":7}"
    );
    assert_eq!(
        tagged(
            script,
            "<rule id='r'><ruleref uri='#x'/><tag>out.who=rules.latest()</tag></rule><rule id='x'>sit</rule>"
        ),
        "sit={\"who\":\"sit\"}"
    );
    assert_eq!(
        tagged(script, "<rule id='r'><ruleref uri='#x'/></rule><rule id='x'>sit<tag>out=true</tag></rule>"),
        "sit=true"
    );
    assert_eq!(tagged(script, "<rule id='r'>human<tag>out=f(1</tag></rule>").split(':').next(), Some("Compilation"));
    // The heavier item tells the meaning; of equals the first.
    assert_eq!(
        tagged(
            literals,
            "<rule id='r'><one-of><item weight='1'>fax<tag>a</tag></item><item weight='2'>fax<tag>b</tag></item></one-of></rule>"
        ),
        "fax=b"
    );
    assert_eq!(
        tagged(
            literals,
            "<rule id='r'><one-of><item>fax<tag>a</tag></item><item>fax<tag>b</tag></item></one-of></rule>"
        ),
        "fax=a"
    );
}

#[test]
fn broken_grammars() {
    for (rules, reason) in [
        ("<rule id='r'>human", "XML: "),
        ("<rule id='r'>human</rule></grammar><x/>", "SRGS: more than one root element"),
        ("<rule>human</rule>", "SRGS: a rule without id (before octet "),
        ("<rule id='r'><ruleref uri='#x'/></rule>", "SRGS: rule x is referred to, but not defined"),
        ("<rule id='x'>human</rule>", "SRGS: the root rule r is not defined"),
        ("<rule id='r'>a</rule><rule id='r'>b</rule>", "SRGS: two rules have the id r"),
        ("<rule id='r'><foo/></rule>", "SRGS: <foo> is not expected here"),
        ("<rule id='r'><one-of><item weight='x'>a</item></one-of></rule>", "SRGS: weight x"),
        ("<rule id='r'><item repeat='3-1'>a</item></rule>", "SRGS: repeat 3-1"),
        ("<rule id='r'>&nbsp;</rule>", "SRGS: unknown entity &nbsp;"),
        ("<meta name='goal' content='money'/><rule id='r'>fax</rule>", "goal money"),
        ("<meta name='detail' content='x'/><rule id='r'>fax</rule>", "meta: detail=x"),
        ("", "SRGS: a grammar without rules"),
    ] {
        let told = grammar(rules);
        assert!(told.starts_with(&format!("Compilation: {reason}")), "{rules}: {told}");
    }
    assert_eq!(grammar("<rule id='r'><ruleref uri='http://x/y.grxml'/></rule>").split(':').next(), Some("Uri"));
    assert_eq!(srgs("<speech-context id='c1'/>").unwrap_err().failure, Failure::Compilation);
    let chain: String = (0..5000).map(|n| format!("<rule id='r{n}'><ruleref uri='#r{}'/></rule>", n + 1)).collect();
    assert_eq!(grammar(&format!("<rule id='r'><ruleref uri='#r0'/></rule>{chain}<rule id='r5000'>fax</rule>")), "fax");
    // Doubling at each level: linear here.
    let tree: String = (0..60)
        .map(|n| format!("<rule id='r{n}'><ruleref uri='#r{0}'/><ruleref uri='#r{0}'/></rule>", n + 1))
        .collect();
    let tree =
        format!("<rule id='r'><ruleref uri='#r0'/></rule>{tree}<rule id='r60'><item repeat='0-1'>fax</item></rule>");
    assert_eq!(grammar(&tree), "fax");
}

#[test]
fn the_grammar_of_the_page_on_results() {
    let page = include_str!("../../../docs/results.md");
    let text = page.split("```xml\n").nth(1).unwrap().split("```").next().unwrap();
    let found = srgs(text).unwrap();
    assert_eq!(told(&found.active[0]), "human=agent machine=message screening=message unknown=agent");
}

#[test]
fn encodings() {
    let text = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><grammar root='r'><rule id='r'>fax<tag>\u{e9}t\u{e9}</tag></rule></grammar>";
    let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [latin, [vec![0xfe, 0xff], wide].concat()] {
        let body = Body { media_type: "application/srgs+xml", bytes: &bytes, ..Body::default() };
        assert_eq!(told(&resolve(&body, &Store::new(1)).unwrap().active[0]), "fax=\u{e9}t\u{e9}");
    }
}

#[test]
fn session_grammars() {
    let mut store = Store::new(2);
    let defined = |text| list(text).unwrap().active;
    store.define("<request1@form-level.store>", defined("builtin:speech/boolean")).unwrap();
    store.define("two", defined("builtin:speech/answer\nbuiltin:speech/beep")).unwrap();
    assert_eq!(store.define("three", Vec::new()).unwrap_err().failure, Failure::Definition);
    store.define("two", defined("builtin:speech/answer\nbuiltin:speech/beep")).unwrap();
    let found = resolve(&body("text/uri-list", "session:request1@form-level.store"), &store).unwrap();
    assert_eq!(found.active[0].uri, "session:request1@form-level.store");
    assert_eq!(resolve(&body("text/uri-list", "session:%74wo"), &store).unwrap().active.len(), 2);
    let weighted = "<session:request1@form-level.store>;weight=\"2.00\"\r\n<session:two> ; weight=0.75;x=y\r\n";
    let found = resolve(&body("text/grammar-ref-list", weighted), &store).unwrap();
    assert_eq!(found.active.iter().map(|active| active.weight).collect::<Vec<_>>(), [2.0, 0.75, 0.75]);
    store.forget("two");
    assert!(store.get("two").is_none());
}

#[test]
fn multipart() {
    let text = "preamble\r\n--break\r\nContent-Type:text/uri-list\r\n\r\nbuiltin:speech/answer\r\n\r\n--break\r\n\
                Content-Type: application/srgs+xml; charset=utf-8\r\nContent-ID:<request1@form-level.store>\r\n\r\n\
                <grammar root='r'><rule id='r'>fax</rule></grammar>\r\n--break--\r\nepilogue";
    let found = resolve(&body("multipart/mixed", text), &Store::new(1)).unwrap();
    assert_eq!(found.active.len(), 2);
    assert_eq!(found.inline.len(), 1);
    assert_eq!(found.inline[0].0, "request1@form-level.store");
    assert_eq!(found.active[1].uri, "session:request1@form-level.store");
    let as_in_the_rfc = text.replace("--break--\r\nepilogue", "--break--");
    assert_eq!(resolve(&body("multipart/mixed", &as_in_the_rfc), &Store::new(1)).unwrap().active.len(), 2);
    assert!(resolve(&body("multipart/mixed", "nothing"), &Store::new(1)).is_err());
}

fn outcome() -> Outcome {
    Outcome {
        end: End::Decided,
        label: Label::Machine,
        confidence: 0.934,
        alternatives: vec![Alternative { label: Label::Ivr, confidence: 0.05 }],
        reason: "greeting 3.20 s <then> beep".to_owned(),
        method: Method::Model,
        sit: None,
        findings: None,
        timeline: Timeline {
            started: SampleTime(8000),
            decided_at: SampleTime(8000 + 35_200),
            speech_on: Some(SampleTime(8000 + 2500)),
            greeting_end: Some(SampleTime(8000 + 30_001)),
            beep: Some(Beep { on: SampleTime(40_000), off: SampleTime(43_200), hz: 1000.04, level_db: -13.25 }),
            speak_at: Some(SampleTime(43_200)),
        },
    }
}

#[test]
fn results() {
    let outcome = outcome();
    let detail = Detail { outcome: &outcome, call_id: Some("a&b@host") };
    let meaning = Meaning::Text("machine".to_owned());
    let best = Match {
        grammar: "builtin:speech/voicemail?a=1&b=2",
        input: Input::Label(Label::Machine),
        confidence: 0.934,
        meaning,
    };
    let object = Meaning::Object(vec![("code".to_owned(), Meaning::Text("<7>".to_owned()))]);
    let other = Match { grammar: "session:own", input: Input::Label(Label::Ivr), confidence: 0.05, meaning: object };
    assert_eq!(
        result::write(Format::Nlsml, &best, std::slice::from_ref(&other), Some(detail)),
        concat!(
            r#"<?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/voicemail?a=1&amp;b=2">"#,
            r#"<interpretation confidence="0.93"><instance>machine<answer xmlns="urn:answerd:result"><label>machine</label>"#,
            r#"<confidence>0.93</confidence><reason>greeting 3.20 s &lt;then&gt; beep</reason><method>model</method>"#,
            r#"<decided_at_s>4.4</decided_at_s><speech_on_s>0.313</speech_on_s><greeting_end_s>3.75</greeting_end_s>"#,
            r#"<beep><on_s>4</on_s><off_s>4.4</off_s><hz>1000</hz><level_db>-13.3</level_db></beep>"#,
            r#"<speak_at_s>4.4</speak_at_s><call_id>a&amp;b@host</call_id></answer></instance><input mode="speech" confidence="0.93">machine</input>"#,
            r#"</interpretation><interpretation grammar="session:own" confidence="0.05"><instance>"#,
            r#"<answer xmlns="urn:answerd:result"><code>&lt;7&gt;</code></answer></instance>"#,
            r#"<input mode="speech" confidence="0.05">ivr</input></interpretation></result>"#
        )
    );
    assert_eq!(
        result::write(Format::Json, &best, std::slice::from_ref(&other), Some(detail)),
        concat!(
            r#"{"value":"machine","label":"machine","confidence":0.93,"grammar":"builtin:speech/voicemail?a=1&b=2","#,
            r#""reason":"greeting 3.20 s <then> beep","method":"model","decided_at_s":4.4,"speech_on_s":0.313,"#,
            r#""greeting_end_s":3.75,"beep":{"on_s":4.0,"off_s":4.4,"hz":1000.0,"level_db":-13.3},"speak_at_s":4.4,"call_id":"a&b@host","#,
            r#""alternatives":[{"value":{"code":"<7>"},"label":"ivr","confidence":0.05,"grammar":"session:own"}]}"#
        )
    );
    let plain = Meaning::Text("true".to_owned());
    let best = Match {
        grammar: "builtin:speech/boolean",
        input: Input::Label(Label::Machine),
        confidence: 1.2,
        meaning: plain,
    };
    assert_eq!(
        result::write(Format::Nlsml, &best, &[], None),
        concat!(
            r#"<?xml version="1.0"?><result xmlns="urn:ietf:params:xml:ns:mrcpv2" grammar="builtin:speech/boolean">"#,
            r#"<interpretation confidence="1.00"><instance>true</instance><input mode="speech" confidence="1.00">machine</input>"#,
            r#"</interpretation></result>"#
        )
    );
    assert_eq!(
        result::write(Format::Json, &best, &[], None),
        r#"{"value":"true","label":"machine","confidence":1.0,"grammar":"builtin:speech/boolean"}"#
    );
}

proptest! {
    #[test]
    fn any_body_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..5_usize) {
        let media_type = ["text/uri-list", "text/grammar-ref-list", "application/srgs+xml", "multipart/mixed", "text/xml"][kind];
        let body = Body { media_type, boundary: Some("b"), content_id: Some("x"), bytes: &bytes, ..Body::default() };
        resolve(&body, &Store::new(1)).ok();
    }

    #[test]
    fn any_grammar_like_text_does_not_panic(parts in proptest::collection::vec(prop_oneof![
        Just("<rule id='r'>"), Just("</rule>"), Just("<one-of>"), Just("</one-of>"), Just("<item repeat='0-'>"), Just("<item>"),
        Just("</item>"), Just("human"), Just(" fax "), Just("<tag>out.x=1</tag>"), Just("<ruleref uri='#r'/>"), Just("<token>"),
        Just("</token>"), Just("&lt;"), Just("<ruleref special='NULL'/>"), Just("<meta name='goal' content='beep'/>")], 0..30)) {
        grammar(&parts.concat());
    }

    #[test]
    fn results_are_well_formed(reason in "\\PC*|[\\x00-\\x7f]*", meaning in "\\PC*|[\\x00-\\x7f]*") {
        let mut outcome = outcome();
        outcome.reason = reason.clone();
        let detail = Detail { outcome: &outcome, call_id: Some(&reason) };
        let meaning = Meaning::Text(meaning);
        let best = Match { grammar: "x", input: Input::Label(Label::Machine), confidence: 0.5, meaning };
        let xml = result::write(Format::Nlsml, &best, &[], Some(detail));
        let mut reader = quick_xml::Reader::from_str(&xml);
        loop {
            match reader.read_event() {
                Ok(quick_xml::events::Event::Eof) => break,
                Ok(_) => {}
                Err(error) => prop_assert!(false, "{}: {}", error, xml),
            }
        }
        let json: serde_json::Value = serde_json::from_str(&result::write(Format::Json, &best, &[], Some(detail))).unwrap();
        prop_assert_eq!(json["reason"].as_str(), Some(reason.as_str()));
    }
}
