//! The ABNF form: what it says, and where it is wrong.

use proptest::prelude::*;

use crate::grammar::result::{self, Input, Match};
use crate::grammar::tests::{body, resolve};
use crate::grammar::{Failure, Format, KeyMatch, Mode, Store};

fn read(text: &str) -> Result<crate::grammar::Active, crate::grammar::Error> {
    resolve(&body("application/srgs", text), &Store::new(1)).map(|mut resolved| resolved.active.remove(0))
}

/// Which of the texts the rules match.
fn matches(rules: &str, texts: &[&str]) -> Vec<bool> {
    let found =
        read(&format!("#ABNF 1.0 UTF-8;\nroot $r;\n{rules}")).unwrap_or_else(|error| panic!("{rules}: {error}"));
    texts.iter().map(|text| found.grammar.interpret_text(text).unwrap().is_some()).collect()
}

#[test]
fn expansions() {
    let [yes, no] = [true, false];
    for (rules, text, told) in [
        ("$r = a b;", "a b", yes),
        ("$r = a b;", "a", no),
        ("$r=a|b c;", "b c", yes),
        ("$r = (a | b) c;", "a c", yes),
        ("$r = a [b | c] d;", "a d", yes),
        ("$r = a [b | c] d;", "a c d", yes),
        ("$r = a<2>;", "a a", yes),
        ("$r = a<2>;", "a", no),
        ("$r = a <1-3>;", "a a a", yes),
        ("$r = a <1-3>;", "a a a a", no),
        ("$r = (a b) <2- /0.8/>;", "a b a b a b", yes),
        ("$r = a <0-1 /.5/> b;", "b", yes),
        ("$r = /10/ a | /2.5/ b | /.5/ c;", "b", yes),
        ("$r = \"new  york\" 'x';", "new york 'x'", yes),
        ("$r = $a $b; $a = x; private $b = y; public $c = z;", "x y", yes),
        ("$r = a $NULL b;", "a b", yes),
        ("$r = a $VOID | b;", "a", no),
        ("$r = a $GARBAGE z;", "a q w z", yes),
        ("$r = a () b;", "a b", yes),
        ("$r = a!en-US (b | c)!fr-CA [d]!de;", "a b d", yes),
        ("$r = a {one} {!{ if (1 < 2) { out = '}' } }!} b;", "a b", yes),
        ("// first\n$r /* name */ = /** @example a b */ a // one\n b /* two */ ;\n", "a b", yes),
        ("$r = \"*\" \"#\" 1;", "* # 1", yes),
        ("$r = \u{fc}ber {out = \"\u{e9}\"};", "\u{dc}BER", yes),
        ("$r = a | $r a;", "a a a a", yes),
        ("$r = a $r | a;", "a a a a", yes),
        ("$r = $<#b> $<#b>~<application/srgs>; $b = b;", "b b", yes),
    ] {
        assert_eq!(matches(rules, &[text]), [told], "{rules} {text}");
    }
}

#[test]
fn declarations() {
    let found = read(
        "#ABNF 1.0 ISO-8859-1;\n\nlanguage fr-CA;\nmode dtmf;\nroot $menu;\ntag-format <semantics/1.0-literals>;\n\
         base <http://example.com/grammars/>;\nlexicon <http://example.com/words.pls>~<application/pls+xml>;\n\
         meta \"author\" is \"a \\\"b\\\"\";\nmeta \"detail\" is \"true\";\nhttp-equiv \"Expires\" is \"0\";\n\
         public $menu = 1 {one} | 2 {two};\n",
    )
    .unwrap();
    assert_eq!(found.grammar.mode, Mode::Dtmf);
    assert_eq!(found.grammar.language.as_deref(), Some("fr-CA"));
    assert_eq!(found.grammar.settings.detail, Some(true));
    assert_eq!(found.grammar.meta[0].1, "a \"b\"");
    assert!(found.grammar.interpret_keys("2").unwrap().is_some());
}

#[test]
fn what_is_wrong_and_where() {
    for (text, reason) in [
        ("#ABNF 1.0 UTF-8;", "SRGS: a grammar without rules"),
        ("#ABNF 2.0;$r = a;", "SRGS: version 2.0 is not 1.0"),
        ("#ABNF;$r = a;", "SRGS: \";$r = a;\" is not expected here (at octet 5)"),
        ("#ABNF 1.0; $r = a", "SRGS: the text ends too early (at octet 17)"),
        ("#ABNF 1.0; $r = ;", "SRGS: \";\" is not expected here (at octet 16)"),
        ("#ABNF 1.0; $r = a |;", "SRGS: \"|;\" is not expected here (at octet 18)"),
        ("#ABNF 1.0; $r = (a;", "SRGS: \";\" is not expected here (at octet 18)"),
        ("#ABNF 1.0; $r = a<2-1>;", "SRGS: repeat 2-1 is not n, n-m or n-"),
        ("#ABNF 1.0; $r = a<1/2/>;", "SRGS: repeat-prob 2 is no number from 0 to 1"),
        ("#ABNF 1.0; $r = /x/ a;", "SRGS: weight x"),
        ("#ABNF 1.0; $r = \"\";", "SRGS: an empty token"),
        ("#ABNF 1.0; $r = $x;", "SRGS: rule x is referred to, but not defined"),
        ("#ABNF 1.0; $r = a; $r = b;", "SRGS: two rules have the id r"),
        ("#ABNF 1.0; root $x; $r = a;", "SRGS: the root rule x is not defined"),
        ("#ABNF 1.0; mode smell; $r = a;", "SRGS: mode is smell"),
        ("#ABNF 1.0; $NULL = a;", "SRGS: NULL can't be a rule's id"),
        ("#ABNF 1.0; /* $r = a;", "SRGS: "),
        ("#ABNF 1.0; tag-format <semantics/1.0>; $r = a {out = };", "SRGS: tag \"out =\": the script ends too early"),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!(error.failure, Failure::Compilation, "{text}");
        assert!(error.reason.starts_with(reason), "{text}: {error}");
    }
    let deep = format!("#ABNF 1.0; $r = {}a{};", "(".repeat(100_000), ")".repeat(100_000));
    assert!(read(&deep).unwrap_err().reason.contains("nested deeper"));
}

#[test]
fn the_menu_of_the_page_on_results() {
    let page = include_str!("../../../docs/results.md");
    let text = page.split("```\n#ABNF").nth(1).unwrap().split("```").next().unwrap();
    let menu = read(&format!("#ABNF{text}")).unwrap();
    let told = menu.grammar.interpret_keys("*1234").unwrap().unwrap();
    let found = Match { grammar: "session:menu", input: Input::Keys("*1234"), confidence: 1.0, meaning: told.meaning };
    let xml = result::write(Format::Nlsml, &found, &[], None);
    let json = result::write(Format::Json, &found, &[], None);
    let (from, to) = (xml.find("<instance>").unwrap(), xml.find("</interpretation>").unwrap());
    assert!(page.contains(&xml[from..to]), "{xml}");
    assert!(page.contains(&json), "{json}");
}

proptest! {
    #[test]
    fn any_text_is_no_panic(text in "\\PC*|[\\x00-\\x7f]*") {
        read(&format!("#ABNF 1.0;{text}")).ok();
        read(&text).ok();
    }

    #[test]
    fn anything_like_a_grammar_is_no_panic(parts in proptest::collection::vec(prop_oneof![
        Just("$r = "), Just("a "), Just("("), Just(")"), Just("["), Just("]"), Just("|"), Just("<0->"), Just("<2-3 /.5/>"), Just(";"),
        Just("$r "), Just("{out = 1}"), Just("{!{"), Just("}!}"), Just("/2/"), Just("\""), Just("$NULL"), Just("$GARBAGE "), Just("!en"),
        Just("public "), Just("root $r;"), Just("//"), Just("\n"), Just("$<#r>"), Just("mode dtmf;")], 0..30)) {
        if let Ok(found) = read(&format!("#ABNF 1.0;{}", parts.concat())) {
            found.grammar.interpret_text("a a a").ok();
            assert_ne!(found.grammar.keys("\u{1}"), KeyMatch::Partial, "no key");
        }
    }
}
