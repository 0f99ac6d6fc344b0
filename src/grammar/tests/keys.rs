//! Grammars of keys: how keys match one by one, and the builtins.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::grammar::network::MAX_INPUT;
use crate::grammar::tests::{list, srgs};
use crate::grammar::{Grammar, KeyMatch, Mode};

fn grammar(rules: &str) -> Arc<Grammar> {
    let text = format!("<grammar version='1.0' mode='dtmf' root='r' tag-format='semantics/1.0'>{rules}</grammar>");
    srgs(&text).unwrap_or_else(|error| panic!("{rules}: {error}")).active.remove(0).grammar
}

fn builtin(name: &str) -> Arc<Grammar> {
    let found = list(&format!("builtin:dtmf/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(found.active.len(), 1);
    Arc::clone(&found.active[0].grammar)
}

/// How the keys match one by one: `-` no, `.` not yet, `+` a match that can go on, `!` one that can't. Then what they mean.
fn typed(grammar: &Grammar, keys: &str) -> String {
    assert_eq!(grammar.mode, Mode::Dtmf);
    let mut told = String::new();
    for end in 1..=keys.len() {
        told.push(match grammar.keys(&keys[..end]) {
            KeyMatch::No => '-',
            KeyMatch::Partial => '.',
            KeyMatch::Complete { more: true } => '+',
            KeyMatch::Complete { more: false } => '!',
        });
    }
    if let Some(found) = grammar.interpret_keys(keys).unwrap() {
        write!(told, " {}", serde_json::to_string(&found.meaning).unwrap()).unwrap();
    }
    told
}

#[test]
fn keys_one_by_one() {
    let pin = "<rule id='r'><one-of><item><item repeat='4'><ruleref uri='#d'/></item> # </item><item>* 9</item></one-of></rule>
        <rule id='d'><one-of><item>0</item><item>1</item><item>2</item><item>3</item></one-of></rule>";
    let pin = grammar(pin);
    assert_eq!(pin.keys(""), KeyMatch::Partial);
    assert_eq!(typed(&pin, "1230#"), "....! \"0\"");
    assert_eq!(typed(&pin, "*9"), ".! \"*9\"");
    assert_eq!(typed(&pin, "*8"), ".-");
    assert_eq!(typed(&pin, "12305"), "....-");
    assert_eq!(pin.keys("1 2 3 0 #"), KeyMatch::Complete { more: false });
    assert_eq!(pin.keys("x"), KeyMatch::No);
    assert_eq!(pin.interpret_text("* 9").unwrap().unwrap().meaning, pin.interpret_keys("*9").unwrap().unwrap().meaning);
    assert_eq!(typed(&grammar("<rule id='r'><item repeat='1-3'>1</item></rule>"), "1111"), "++!-");
    assert_eq!(typed(&grammar("<rule id='r'><item repeat='2-'>1</item></rule>"), "1111"), ".+++ \"1111\"");
    // What can't be reached any more does not keep the client waiting.
    let never = "<rule id='r'>1 <item repeat='0-1'>2 <ruleref special='VOID'/></item></rule>";
    assert_eq!(typed(&grammar(never), "1"), "! \"1\"");
    assert_eq!(typed(&grammar("<rule id='r'>1 <ruleref special='GARBAGE'/> #</rule>"), "145#"), "...+ \"145#\"");
    let yes = srgs("<grammar root='r'><rule id='r'>1</rule></grammar>").unwrap();
    assert_eq!(yes.active[0].grammar.keys("1"), KeyMatch::No);
    assert_eq!(yes.active[0].grammar.interpret_keys("1").unwrap(), None);
}

#[test]
fn how_keys_are_written() {
    let all = "<rule id='r'>0 1 2 3 4 5 6 7 8 9 * # A b C d star pound \"1 2\" <token>345</token> dtmf-1 dtmf-star hash</rule>";
    assert_eq!(
        typed(&grammar(all), "0123456789*#ABCD*#123451*#").split(' ').next(),
        Some("..........................!").map(|told| &told[1..])
    );
    for bad in ["one", "E", "1x", "1,2", "dtmf-"] {
        let text = format!("<grammar mode='dtmf' root='r'><rule id='r'>{bad}</rule></grammar>");
        let error = srgs(&text).unwrap_err();
        assert!(error.reason.contains(&format!("{bad} is no key")), "{error}");
    }
}

#[test]
fn a_menu() {
    let menu = grammar(
        "<rule id='r' scope='public'><one-of><item>1<tag>out.choice = 'sales'</tag></item>
         <item>2<tag>out.choice = 'support'; out.key = meta.current().text</tag></item></one-of></rule>",
    );
    assert_eq!(typed(&menu, "1"), "! {\"choice\":\"sales\"}");
    assert_eq!(typed(&menu, "2"), "! {\"choice\":\"support\",\"key\":\"2\"}");
    assert_eq!(typed(&menu, "3"), "-");
}

#[test]
fn builtins() {
    for (name, keys, told) in [
        ("boolean", "1", "! true"),
        ("boolean", "2", "! false"),
        ("boolean", "3", "-"),
        ("boolean?y=7;n=9", "7", "! true"),
        ("boolean?y=*&n=%23", "1", ""),
        ("digits", "007", "+++ \"007\""),
        ("digits?length=4", "1234", "...! \"1234\""),
        ("digits?minlength=2;maxlength=3", "123", ".+! \"123\""),
        ("digits?minlength=2", "1*", ".-"),
        ("currency", "12*50", "++..! \"12.50\""),
        ("currency", "12", "++ \"12.00\""),
        ("number", "3*14", "+.++ \"3.14\""),
        ("number", "*5", ".+ \".5\""),
        ("date", "20261120", ".......! \"20261120\""),
        ("date", "202613", ".....-"),
        ("phone", "5551234*789", "+++++++.+++ \"5551234x789\""),
        ("time", "0930", "...! \"0930?\""),
        ("time", "1745", "...! \"1745h\""),
        ("time", "0005", "...! \"0005h\""),
        ("time", "2460", ".--"),
    ] {
        if told.is_empty() {
            assert!(list(&format!("builtin:dtmf/{name}")).is_err(), "{name}");
            continue;
        }
        let found = typed(&builtin(name), keys);
        let (shape, meaning) = told.split_once(' ').unwrap_or((told, ""));
        assert!(found.starts_with(shape) && found.ends_with(meaning), "{name} {keys}: {found}");
    }
    for wrong in [
        "digits?length=0",
        "digits?length=x",
        "digits?length=2;minlength=1",
        "digits?minlength=3;maxlength=2",
        "digits?colour=red",
        "boolean?y=1;n=1",
        "boolean?y=12",
        "answer",
    ] {
        assert!(list(&format!("builtin:dtmf/{wrong}")).is_err(), "{wrong}");
    }
    let both = list("builtin:grammar/boolean?y=5").unwrap();
    assert_eq!(both.active.iter().map(|active| active.grammar.mode).collect::<Vec<_>>(), [Mode::Voice, Mode::Dtmf]);
    assert_eq!(typed(&both.active[1].grammar, "5"), "! true");
    assert_eq!(list("builtin:grammar/digits?length=2").unwrap().active[0].grammar.mode, Mode::Dtmf);
    assert!(list("builtin:speech/digits").is_err());
}

#[test]
fn builtins_are_rules_too() {
    let own = grammar(
        "<rule id='r'>* <ruleref uri='builtin:dtmf/digits?length=2'/><tag>out.code = rules.latest()</tag></rule>",
    );
    assert_eq!(typed(&own, "*42"), "..! {\"code\":\"42\"}");
    let wrong =
        srgs("<grammar mode='dtmf' root='r'><rule id='r'><ruleref uri='builtin:speech/answer'/></rule></grammar>");
    assert!(wrong.unwrap_err().reason.contains("mode dtmf can't refer to one of mode voice"));
}

#[test]
fn many_keys() {
    let digits = builtin("digits");
    let most = "7".repeat(MAX_INPUT);
    assert_eq!(digits.keys(&most), KeyMatch::Complete { more: true });
    assert!(digits.interpret_keys(&most).unwrap().is_some());
    assert_eq!(digits.keys(&"7".repeat(MAX_INPUT + 1)), KeyMatch::No);
    assert!(digits.interpret_keys(&"7".repeat(MAX_INPUT + 1)).is_err());
}
