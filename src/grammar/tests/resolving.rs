//! Grammars that are elsewhere: what is needed, in which order, and what can't be used.

use crate::grammar::{Body, Document, Documents, Error, Failure, FetchError, Resolution, Resolved, Store, resolve};

fn document(uri: &str, media_type: &str, text: &str) -> (String, Result<Document, FetchError>) {
    let media_type = Some(media_type.to_owned()).filter(|media_type| !media_type.is_empty());
    let document = Document { uri: uri.to_owned(), media_type, bytes: text.as_bytes().to_vec(), ..Document::default() };
    (uri.to_owned(), Ok(document))
}

fn uris<'a>(list: &'a str, base: Option<&'a str>) -> Body<'a> {
    Body { media_type: "text/uri-list", content_base: base, bytes: list.as_bytes(), ..Body::default() }
}

/// Resolves in as many steps as are needed; the steps and what comes of them.
fn fetched(body: &Body<'_>, web: &[(String, Result<Document, FetchError>)]) -> (Vec<String>, Result<Resolved, Error>) {
    let mut documents = Documents::new();
    let mut steps = Vec::new();
    loop {
        match resolve(body, &Store::new(1), &documents) {
            Ok(Resolution::Done(resolved)) => return (steps, Ok(resolved)),
            Ok(Resolution::Needs(needs)) => {
                steps.push(needs.join(" "));
                assert!(steps.len() < 20, "{steps:?}");
                for uri in needs {
                    let missing = || Err(FetchError { cause: "404".to_owned(), reason: "not found".to_owned() });
                    let found =
                        web.iter().find(|(known, _)| *known == uri).map_or_else(missing, |(_, found)| found.clone());
                    assert!(documents.insert(uri, found).is_none(), "asked for twice");
                }
            }
            Err(error) => return (steps, Err(error)),
        }
    }
}

const XML: &str = "application/srgs+xml";

fn yes_no(root: &str, rest: &str) -> String {
    format!("<grammar version='1.0' root='{root}'><rule id='{root}'>{rest}</rule></grammar>")
}

#[test]
fn references_are_fetched_in_turn() {
    let web = [
        document(
            "http://a/top.grxml",
            XML,
            &yes_no("t", "go <ruleref uri='sub/city.gram#city'/> <ruleref uri='https://b/x?v=1'/>"),
        ),
        document(
            "http://a/sub/city.gram",
            "text/plain",
            "#ABNF 1.0; root $x; public $city = nice | $<../more.grxml>; $x = never;",
        ),
        document("https://b/x?v=1", "", "<?xml version='1.0'?><grammar root='q'><rule id='q'>now</rule></grammar>"),
        document("http://a/more.grxml", "application/octet-stream", &yes_no("m", "rome <ruleref uri='top.grxml#t'/>")),
    ];
    let (steps, found) = fetched(&uris("http://a/top.grxml", None), &web);
    let found = found.unwrap();
    assert_eq!(steps, ["http://a/top.grxml", "http://a/sub/city.gram https://b/x?v=1", "http://a/more.grxml"]);
    assert_eq!(found.active[0].uri, "http://a/top.grxml");
    let matches = |text| found.active[0].grammar.interpret_text(text).unwrap().is_some();
    assert!(matches("go nice now"));
    // Grammars that refer to one another are as rules that do.
    assert!(matches("go rome go nice now now"));
    assert!(!matches("go never now"));
}

#[test]
fn relative_references_and_fragments() {
    let web = [
        document(
            "http://a/b/g.grxml",
            XML,
            "<grammar root='r'><rule id='r'>one</rule><rule id='s' scope='public'>two</rule></grammar>",
        ),
        document(
            "http://c/d.grxml",
            XML,
            "<grammar root='r' xml:base='http://a/b/'><rule id='r'><ruleref uri='g.grxml#s'/></rule></grammar>",
        ),
    ];
    let (_, found) = fetched(&uris("g.grxml\r\ng.grxml#s\r\nbuiltin:speech/answer", Some("http://a/b/")), &web);
    let found = found.unwrap();
    assert_eq!(
        found.active.iter().map(|active| active.uri.as_str()).collect::<Vec<_>>(),
        ["g.grxml", "g.grxml#s", "builtin:speech/answer"]
    );
    assert!(found.active[0].grammar.interpret_text("one").unwrap().is_some());
    assert!(found.active[1].grammar.interpret_text("two").unwrap().is_some());
    let (steps, found) = fetched(&uris("http://c/d.grxml", None), &web);
    assert_eq!(steps, ["http://c/d.grxml", "http://a/b/g.grxml"]);
    assert!(found.unwrap().active[0].grammar.interpret_text("two").unwrap().is_some());
    // Where a redirect led is where its references start from.
    let moved = Document {
        uri: "http://z/moved/x.grxml".to_owned(),
        media_type: Some(XML.to_owned()),
        bytes: yes_no("r", "<ruleref uri='y.grxml'/>").into_bytes(),
        ..Document::default()
    };
    let (steps, _) = fetched(&uris("http://a/x.grxml", None), &[("http://a/x.grxml".to_owned(), Ok(moved))]);
    assert_eq!(steps, ["http://a/x.grxml", "http://z/moved/y.grxml"]);
    let inline = Body {
        media_type: XML,
        content_id: Some("<i@x>"),
        content_location: Some("file:///grammars/here.grxml"),
        bytes: b"<grammar root='r'><rule id='r'><ruleref uri='there.grxml'/></rule></grammar>",
        ..Body::default()
    };
    assert_eq!(fetched(&inline, &[]).0, ["file:///grammars/there.grxml"]);
}

#[test]
fn what_can_not_be_used() {
    let of = |list: &str, web: &[(String, Result<Document, FetchError>)]| {
        let error = fetched(&uris(list, None), web).1.unwrap_err();
        (error.failure, error.uri.unwrap_or_default(), error.cause.unwrap_or_default(), error.reason)
    };
    let bad = |failure, uri: &str, cause: &str| (failure, uri.to_owned(), cause.to_owned());
    let short = |(failure, uri, cause, _): (Failure, String, String, String)| (failure, uri, cause);
    assert_eq!(short(of("http://a/x", &[])), bad(Failure::Uri, "http://a/x", "404"));
    assert_eq!(short(of("ftp://a/x", &[])), bad(Failure::Uri, "ftp://a/x", "not-supported"));
    assert_eq!(short(of("x.grxml", &[])), bad(Failure::Uri, "x.grxml", "not-supported"));
    assert_eq!(of("ftp://a/x", &[]).3.split(" of").next(), Some("unsupported scheme ftp"));
    // A reference of a fetched document that fails is the one that is told.
    let web = [document("http://a/x", XML, &yes_no("r", "<ruleref uri='y'/>"))];
    assert_eq!(short(of("http://a/x", &web)), bad(Failure::Uri, "http://a/y", "404"));
    let broken = |text: &str| short(of("http://a/x", &[document("http://a/x", XML, text)]));
    assert_eq!(broken("<grammar"), bad(Failure::Compilation, "http://a/x", ""));
    assert_eq!(broken(&yes_no("r", "<ruleref uri='#y'/>")), bad(Failure::Compilation, "http://a/x", ""));
    let kind = |media_type: &str, text: &str| of("http://a/x", &[document("http://a/x", media_type, text)]);
    assert_eq!(kind("text/html", "<html>").0, Failure::Load);
    assert_eq!(kind("text/plain", "#JSGF V1.0;").0, Failure::Load);
    assert_eq!(kind("application/x-nuance-gsl", "x").0, Failure::Load);
    // Rules that others may not refer to, or that are not there.
    let other = document("http://a/y", XML, "<grammar root='r'><rule id='r'>a</rule><rule id='p'>b</rule></grammar>");
    let rootless = document("http://a/z", XML, "<grammar><rule id='r' scope='public'>a</rule></grammar>");
    let dtmf = document("http://a/k", XML, "<grammar mode='dtmf' root='r'><rule id='r'>1</rule></grammar>");
    for (uri, reason) in [
        ("y#p", "rule p is private"),
        ("y#q", "there is no rule q"),
        ("z", "has no root rule"),
        ("k", "mode voice can't refer to one of mode dtmf"),
    ] {
        let own = document("http://a/x", XML, &yes_no("r", &format!("<ruleref uri='{uri}'/>")));
        let (failure, _, _, told) = of("http://a/x", &[own, other.clone(), rootless.clone(), dtmf.clone()]);
        assert_eq!(failure, Failure::Compilation, "{uri}");
        assert!(told.contains(reason), "{uri}: {told}");
    }
    assert!(of("http://a/y#p", &[other]).3.contains("rule p is private"));
}

#[test]
fn limits() {
    let chain: Vec<_> = (0..15)
        .map(|n| document(&format!("http://a/{n}"), XML, &yes_no("r", &format!("<ruleref uri='{}'/>", n + 1))))
        .collect();
    let (_, error) = fetched(&uris("http://a/0", None), &chain);
    assert!(error.unwrap_err().reason.contains("more than 10 references deep"));
    let list: Vec<String> = (0..60).map(|n| format!("http://a/{n}")).collect();
    let (_, error) = fetched(&uris(&list.join("\n"), None), &[]);
    assert!(error.unwrap_err().reason.contains("more than 50 documents"));
    let large = yes_no("r", &format!("a<!--{}-->", " ".repeat(1_500_000)));
    let web: Vec<_> = (0..4).map(|n| document(&format!("http://a/{n}"), XML, &large)).collect();
    let (_, error) = fetched(&uris(&list[..4].join("\n"), None), &web);
    assert!(error.unwrap_err().reason.contains("larger than"));
    let wide = "<item repeat='400'>a</item>".repeat(1000);
    let (_, error) = fetched(&uris("http://a/0", None), &[document("http://a/0", XML, &yes_no("r", &wide))]);
    assert!(error.unwrap_err().reason.contains("too large"));
}
