//! Scripts of SISR 1.0, over a text that matches.

use proptest::prelude::*;

use crate::grammar::result::{self, Input, Match};
use crate::grammar::tests::{body, resolve};
use crate::grammar::{Failure, Format, Grammar, Store};

/// The grammar of these rules in ABNF, with these declarations.
fn grammar(header: &str, rules: &str) -> Result<std::sync::Arc<Grammar>, String> {
    let text = format!("#ABNF 1.0 UTF-8; {header} root $r;\n{rules}");
    let resolved = resolve(&body("application/srgs", &text), &Store::new(1));
    resolved
        .map(|mut resolved| resolved.active.remove(0).grammar)
        .map_err(|error| format!("{:?}: {error}", error.failure))
}

/// What a text means, in JSON.
fn means(header: &str, rules: &str, text: &str) -> String {
    let grammar = match grammar(header, rules) {
        Ok(grammar) => grammar,
        Err(error) => return error,
    };
    match grammar.interpret_text(text) {
        Ok(Some(found)) => serde_json::to_string(&found.meaning).unwrap(),
        Ok(None) => "no match".to_owned(),
        Err(error) => format!("{:?}: {error}", error.failure),
    }
}

const SCRIPT: &str = "tag-format <semantics/1.0>;";

/// What one tag makes of `word`.
fn tag(script: &str) -> String {
    means(SCRIPT, &format!("$r = word {{!{{ {script} }}!}};"), "word")
}

#[test]
fn values_and_operators() {
    for (script, told) in [
        ("out = 'x'", r#""x""#),
        (r#"out = "it's \"x\"\u0021""#, r#""it's \"x\"!""#),
        ("out = 1 + 2 * 3 - 4 / 2", "5"),
        ("out = (1 + 2) * 3 % 4", "1"),
        ("out = 1 / 3", "0.3333333333333333"),
        ("out = 1 / 0", "null"),
        ("out = 0x1F", "31"),
        ("out = .5e1", "5"),
        ("out = -2", "-2"),
        ("out = '1' + 2", r#""12""#),
        ("out = 1 + 2 + 'x'", r#""3x""#),
        ("out = '6' * '7'", "42"),
        ("out = true && 'yes'", r#""yes""#),
        ("out = '' || 'no'", r#""no""#),
        ("out = !0", "true"),
        ("out = 1 == '1'", "true"),
        ("out = 1 === '1'", "false"),
        ("out = null == undefined", "true"),
        ("out = null == 0", "false"),
        ("out = 'a' < 'b'", "true"),
        ("out = '10' < 9", "false"),
        ("out = 1 > 2 ? 'more' : 1 < 2 ? 'less' : 'same'", r#""less""#),
        ("out = null", "null"),
        ("out = undefined", "null"),
        ("out = [1, 'b', [true]]", r#"[1,"b",[true]]"#),
        ("out = {a: 1, 'b c': {d: null}}", r#"{"a":1,"b c":{"d":null}}"#),
        ("out.a = 1; out['b'] = 2; out.c = {}; out.c.d = 3", r#"{"a":1,"b":2,"c":{"d":3}}"#),
        ("var a = 1, b; b = a + 1; out = b", "2"),
        ("x = 3; out = x", "3"),
        ("out = 1; out += 2; out *= 5; out -= 1; out /= 2; out %= 4", "3"),
        ("var i = 1; out = i++ + ++i", "4"),
        ("out = ''; for (var i = 0; i < 3; i++) { if (i == 1) continue; out += i }", r#""02""#),
        ("var n = 5; while (true) { n--; if (n < 2) break; } out = n", "1"),
        ("if (1 > 2) { out = 'a' } else if (2 > 1) out = 'b'; else out = 'c'", r#""b""#),
        ("out = typeof 1 + typeof 'x' + typeof nothing + typeof {}", r#""numberstringundefinedobject""#),
        ("var o = {a: 1}; delete o.a; out = 'a' in o", "false"),
        ("var a = {}; out.x = a; a.y = 1", r#"{"x":{"y":1}}"#),
        ("out = 'x'; out.y = 1", r#""x""#),
        ("out = 1 // a remark\nout = out + 1 /* and\n another */", "2"),
        ("out = 1\nout = 2", "2"),
        ("", "{}"),
    ] {
        assert_eq!(tag(script), told, "{script}");
    }
}

#[test]
fn functions() {
    for (script, told) in [
        ("out = 'word'.length", "4"),
        ("out = 'abcdef'.substring(4, 2)", r#""cd""#),
        ("out = 'abcdef'.substr(-3, 2)", r#""de""#),
        ("out = 'abcdef'.slice(1, -1)", r#""bcde""#),
        ("out = 'abc'.charAt(1) + 'abc'[2]", r#""bc""#),
        ("out = 'aBc'.toUpperCase() + 'aBc'.toLowerCase()", r#""ABCabc""#),
        ("out = 'hello'.indexOf('l') + 'hello'.lastIndexOf('l') + 'x'.indexOf('y')", "4"),
        ("out = 'a'.concat('b', 1)", r#""ab1""#),
        ("out = '1 2 1'.replace('1', 'x')", r#""x 2 1""#),
        ("out = '1 2 3'.split(' ').join('')", r#""123""#),
        ("out = 'abc'.split('')", r#"["a","b","c"]"#),
        ("out = String(12) + Number('3')", r#""123""#),
        ("out = parseInt('08') + parseInt('12px') + parseInt('ff', 16)", "275"),
        ("out = parseFloat('2.5kg')", "2.5"),
        ("out = isNaN(parseInt('x'))", "true"),
        ("out = (1.005).toFixed(1)", r#""1.0""#),
        ("var a = []; a.push(1, 2); a.push(3); out = a.length + a.pop()", "6"),
        ("var a = new Array(); a[2] = 'x'; out = a", r#"[null,null,"x"]"#),
        ("out = [3, 4].concat(5).reverse().slice(0, 2)", "[5,4]"),
        ("out = Math.max(1, 5, 3) + Math.floor(2.7) + Math.round(2.5)", "10"),
        ("var o = new Object(); o.x = 1; out = o.hasOwnProperty('x')", "true"),
    ] {
        assert_eq!(tag(script), told, "{script}");
    }
}

#[test]
fn what_fails_when_it_is_run() {
    for (script, reason) in [
        ("out.a.b = 1", "TypeError: undefined can't have a property b"),
        ("out = out.a.b", "TypeError: undefined has no property b"),
        ("out = nothing", "ReferenceError: nothing is not defined"),
        ("out = rules.other.x", "TypeError: undefined has no property x"),
        ("out = alert(1)", "ReferenceError: there is no function alert"),
        ("out = 'x'.format()", "TypeError: there is no function format of a text"),
        ("while (true) ;", "more than 100000 steps"),
        ("var s = 'x'; while (true) s += s", "more than 1048576 octets of text"),
        ("var a = []; while (true) a.push([a, a])", "more than"),
        ("out.self = out", "the result is nested too deep, or holds itself"),
        ("var a = [1]; for (var i = 0; i < 30; i++) a = [a, a]; out = a", "the result is too large"),
        ("var a = [1]; for (var i = 0; i < 30; i++) a = [a, a]; out = '' + a", "arrays nested too deep for a text"),
    ] {
        let told = tag(script);
        assert!(told.starts_with(&format!("Semantics: semantics: {reason}")), "{script}: {told}");
    }
}

#[test]
fn what_is_no_script() {
    for (script, reason) in [
        ("out = ", "the script ends too early"),
        ("out = f(1", "the script ends too early"),
        ("out = 'x", "a string without end"),
        ("out = 1 2", "2 is not expected"),
        ("function f() {}", "function can't be here, or is not supported"),
        ("out = /x/", "/ is not expected"),
        ("1 = 2", "what is left of it can't be assigned to"),
        ("out = #", "'#' is not expected"),
    ] {
        let told = tag(script);
        assert!(told.starts_with("Compilation: SRGS: tag ") && told.contains(reason), "{script}: {told}");
    }
    let deep = format!("out = {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(tag(&deep).contains("nested too deep"));
    let long = format!("out = 1{}", "+ 1".repeat(5000));
    assert!(tag(&long).contains("an expression of too many parts"));
    let blocks = format!("{}{}", "if(1){".repeat(5000), "}".repeat(5000));
    assert!(tag(&blocks).contains("nested too deep"));
}

#[test]
fn rules_and_meta() {
    let rules = "$r = fly from $city {out.from = rules.city.code} to $city {out.to = rules.latest().code;
            out.said = meta.latest().text; out.all = meta.current().text; out.score = meta.city.score};
        $city = new york {out.code = 'JFK'} | boston {out.code = 'BOS'};";
    assert_eq!(
        means(SCRIPT, rules, "Fly from NEW york to boston"),
        r#"{"from":"JFK","to":"BOS","said":"boston","all":"Fly from NEW york to boston","score":1}"#
    );
    // Without a tag, a rule's value is that of the rule that it refers to last, else the words.
    assert_eq!(means(SCRIPT, "$r = a $b c; $b = b1 {out = 7} | b2;", "a b1 c"), "7");
    assert_eq!(means(SCRIPT, "$r = a $b c; $b = b1 {out = 7} | b2;", "A B2 c"), r#""B2""#);
    // What is repeated runs in the rule around it, once each time.
    assert_eq!(means(SCRIPT, "$r = {out = 0} (one {out += 1})<1->;", "one one one"), "3");
    assert_eq!(
        means(SCRIPT, "$r = {out = []} ($d {out.push(rules.d)})<1->; $d = 1 {out = 1} | 2 {out = 'two'};", "1 2 1"),
        r#"[1,"two",1]"#
    );
    // Variables belong to a rule, those of the grammar's own scripts to all.
    assert_eq!(
        means(
            "tag-format <semantics/1.0>; {!{var fares = {jfk: 200}; var extra = 5;}!};",
            "$r = {var x = 1} $c {out = rules.c + x}; $c = jfk {extra = 6; out = fares[meta.current().text] + extra};",
            "jfk"
        ),
        "207"
    );
    assert!(means(SCRIPT, "$r = {var x = 1} $c; $c = a {out = x};", "a").contains("x is not defined"));
    assert_eq!(means(SCRIPT, "$r = a [$b] {out = rules.b ? 'b' : 'no b'}; $b = b;", "a"), r#""no b""#);
}

#[test]
fn other_formats() {
    let literals = "tag-format <semantics/1.0-literals>;";
    assert_eq!(means(literals, "$r = yes { true } | no {out = 1};", "yes"), r#""true""#);
    assert_eq!(means(literals, "$r = yes { true } | no {out = 1};", "no"), r#""out = 1""#);
    // Without a format: what reads as an assignment is one.
    assert_eq!(means("", "$r = yes {out = 'y'} | no {no way} | maybe {1};", "yes"), r#""y""#);
    assert_eq!(means("", "$r = yes {out = 'y'} | no {no way} | maybe {1};", "no"), r#""no way""#);
    assert_eq!(means("", "$r = yes {out = 'y'} | no {no way} | maybe {1};", "maybe"), r#""1""#);
    // The drafts of SISR.
    assert_eq!(
        means(SCRIPT, "$r = $c {$.city = $c; $.again = $$}; $c = nice {$ = 'NCE'};", "nice"),
        r#"{"city":"NCE","again":"NCE"}"#
    );
    // Nuance's: what is assigned to are the result's properties, and other rules are known by their names.
    let slots = "tag-format <swi-semantics/1.0>;";
    let rules = "$r = from $city {from=city.code} to $city {to=city.code SWI_meaning=from+'-'+to};
        $city = nice {code='NCE'} | rome {code='FCO'};";
    assert_eq!(
        means(slots, &rules.replace("city.code SWI", "city.code\n SWI"), "from nice to rome"),
        r#"{"from":"NCE","to":"FCO","SWI_meaning":"NCE-FCO"}"#
    );
    assert_eq!(means(slots, "$r = nice {V=SWI_literal.toUpperCase()};", "nice"), r#"{"V":"NICE"}"#);
    assert_eq!(means("", "$r = nice {dest='NCE'};", "nice"), r#"{"dest":"NCE"}"#);
    assert!(means("tag-format <x/9>;", "$r = a;", "a").contains("tag-format x/9 is not known here"));
}

#[test]
fn interpret_as_in_the_rfc() {
    let text = "<?xml version='1.0'?><grammar xmlns='http://www.w3.org/2001/06/grammar' xml:lang='en-US' version='1.0' root='request'>
        <rule id='yes'><one-of><item xml:lang='fr-CA'>oui</item><item xml:lang='en-US'>yes</item></one-of></rule>
        <rule id='request'>may I speak to <one-of xml:lang='fr-CA'><item>Michel Tremblay</item><item>Andre Roy</item></one-of></rule>
        </grammar>";
    let found = resolve(&body("application/srgs+xml", text), &Store::new(1)).unwrap().active.remove(0);
    assert_eq!(found.grammar.language.as_deref(), Some("en-US"));
    let said = "  may I speak to\tAndre Roy ";
    let told = found.grammar.interpret_text(said).unwrap().unwrap();
    let found = Match { grammar: "session:x", input: Input::Text(said), confidence: 1.0, meaning: told.meaning };
    assert!(result::write(Format::Nlsml, &found, &[], None).ends_with(
        "<interpretation><instance>may I speak to Andre Roy</instance><input>  may I speak to\tAndre Roy </input></interpretation></result>"
    ));
}

#[test]
fn values_in_nlsml() {
    let grammar =
        grammar(SCRIPT, "$r = a {!{ out = {list: [1, {x: 'y'}], 'odd name': null, yes: true, n: 1.5} }!};").unwrap();
    let meaning = grammar.interpret_text("a").unwrap().unwrap().meaning;
    let found = Match { grammar: "g", input: Input::Keys("1 2"), confidence: 1.0, meaning };
    let xml = result::write(Format::Nlsml, &found, &[], None);
    assert!(
        xml.contains(concat!(
            r#"<instance><list length="2"><item index="0">1</item><item index="1"><x>y</x></item></list><odd_name></odd_name>"#,
            r#"<yes>true</yes><n>1.5</n></instance><input mode="dtmf" confidence="1.00">1 2</input>"#
        )),
        "{xml}"
    );
}

#[test]
fn a_failure_of_a_script_is_a_failure_of_semantics() {
    let grammar = grammar(SCRIPT, "$r = good {out = 1} | bad {out = out.x.y};").unwrap();
    assert_eq!(grammar.interpret_text("bad").unwrap_err().failure, Failure::Semantics);
    assert!(grammar.interpret_text("good").unwrap().is_some());
}

proptest! {
    #[test]
    fn any_script_ends(parts in proptest::collection::vec(prop_oneof![
        Just("out"), Just("="), Just("+"), Just("("), Just(")"), Just("["), Just("]"), Just("{"), Just("}"), Just("'a'"), Just("1"),
        Just(";"), Just("x"), Just("."), Just("push"), Just("length"), Just("while"), Just("if"), Just("else"), Just("for"),
        Just("rules"), Just("latest"), Just(","), Just("?"), Just(":"), Just("++"), Just("var"), Just("!"), Just("+="), Just("\n"),
        Just("substr"), Just("split"), Just("join"), Just("-"), Just("\u{e9}"), Just("\\")], 0..25)) {
        tag(&parts.join(" "));
    }

    #[test]
    fn any_text_is_no_panic(text in "\\PC*|[\\x00-\\x7f]{0,60}") {
        tag(&text);
    }
}
