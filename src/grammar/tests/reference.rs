//! The matcher against one that tries everything, on small grammars at random; and the two forms against one another.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;

use crate::grammar::tests::{body, resolve};
use crate::grammar::{Active, KeyMatch, Store};

/// A grammar of keys.
#[derive(Debug, Clone)]
enum Part {
    Key(char),
    Rule(usize),
    Null,
    Void,
    Sequence(Vec<Self>),
    OneOf(Vec<Self>),
    Repeat(usize, Option<usize>, Box<Self>),
}

const RULES: usize = 3;
/// Longest input.
const LONGEST: usize = 4;

fn part() -> impl Strategy<Value = Part> {
    let leaf = prop_oneof![
        4 => prop_oneof![Just('1'), Just('2')].prop_map(Part::Key),
        2 => (0..RULES).prop_map(Part::Rule),
        1 => Just(Part::Null),
        1 => Just(Part::Void),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Part::Sequence),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Part::OneOf),
            (0..3_usize, proptest::option::of(0..3_usize), inner).prop_map(|(min, more, inner)| Part::Repeat(
                min,
                more.map(|more| min + more),
                Box::new(inner)
            )),
        ]
    })
}

/// All texts up to [`LONGEST`] that each rule says: the least fixed point.
fn languages(rules: &[Part]) -> Vec<BTreeSet<String>> {
    let mut known = vec![BTreeSet::new(); rules.len()];
    loop {
        let next: Vec<_> = rules.iter().map(|rule| language(rule, &known)).collect();
        if next == known {
            return known;
        }
        known = next;
    }
}

fn language(part: &Part, rules: &[BTreeSet<String>]) -> BTreeSet<String> {
    let nothing = || BTreeSet::from([String::new()]);
    match part {
        Part::Key(key) => BTreeSet::from([key.to_string()]),
        Part::Rule(rule) => rules[*rule].clone(),
        Part::Null => nothing(),
        Part::Void => BTreeSet::new(),
        Part::Sequence(parts) => parts.iter().fold(nothing(), |before, part| joined(&before, &language(part, rules))),
        Part::OneOf(items) => items.iter().flat_map(|item| language(item, rules)).collect(),
        Part::Repeat(min, max, part) => {
            let once = language(part, rules);
            let mut times = nothing();
            for _ in 0..*min {
                times = joined(&times, &once);
            }
            let mut all = times.clone();
            for _ in 0..max.map_or(LONGEST, |max| max - min) {
                times = joined(&times, &once);
                all.extend(times.iter().cloned());
            }
            all
        }
    }
}

fn joined(left: &BTreeSet<String>, right: &BTreeSet<String>) -> BTreeSet<String> {
    let all = left.iter().flat_map(|left| right.iter().map(move |right| format!("{left}{right}")));
    all.filter(|text| text.len() <= LONGEST).collect()
}

fn xml(part: &Part, text: &mut String) {
    match part {
        Part::Key(key) => write!(text, " {key} ").unwrap(),
        Part::Rule(rule) => write!(text, "<ruleref uri='#r{rule}'/>").unwrap(),
        Part::Null => text.push_str("<ruleref special='NULL'/>"),
        Part::Void => text.push_str("<ruleref special='VOID'/>"),
        Part::Sequence(parts) => {
            text.push_str("<item>");
            parts.iter().for_each(|part| xml(part, text));
            text.push_str("</item>");
        }
        Part::OneOf(items) => {
            text.push_str("<one-of>");
            for item in items {
                text.push_str("<item>");
                xml(item, text);
                text.push_str("</item>");
            }
            text.push_str("</one-of>");
        }
        Part::Repeat(min, max, part) => {
            let max = max.map(|max| max.to_string()).unwrap_or_default();
            write!(text, "<item repeat='{min}-{max}'>").unwrap();
            xml(part, text);
            text.push_str("</item>");
        }
    }
}

fn abnf(part: &Part, text: &mut String) {
    match part {
        Part::Key(key) => write!(text, "{key} ").unwrap(),
        Part::Rule(rule) => write!(text, "$r{rule} ").unwrap(),
        Part::Null => text.push_str("$NULL "),
        Part::Void => text.push_str("$VOID "),
        Part::Sequence(parts) => {
            text.push('(');
            parts.iter().for_each(|part| abnf(part, text));
            text.push(')');
        }
        Part::OneOf(items) => {
            for (index, item) in items.iter().enumerate() {
                text.push(if index == 0 { '(' } else { '|' });
                abnf(item, text);
            }
            text.push(')');
        }
        Part::Repeat(min, max, part) => {
            let max = max.map(|max| max.to_string()).unwrap_or_default();
            text.push('(');
            abnf(part, text);
            write!(text, ")<{min}-{max}> ").unwrap();
        }
    }
}

fn compiled(media_type: &str, text: &str) -> Active {
    let resolved = resolve(&body(media_type, text), &Store::new(1));
    resolved.unwrap_or_else(|error| panic!("{text}: {error}")).active.remove(0)
}

/// All inputs up to [`LONGEST`].
fn inputs() -> Vec<String> {
    let mut all = vec![String::new()];
    let mut from = 0;
    for _ in 0..LONGEST {
        let longer: Vec<String> =
            all[from..].iter().flat_map(|text| [format!("{text}1"), format!("{text}2")]).collect();
        from = all.len();
        all.extend(longer);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn both_forms_match_what_the_rules_say(rules in proptest::collection::vec(part(), RULES)) {
        let known = languages(&rules);
        let (mut in_xml, mut in_abnf) = ("<grammar mode='dtmf' root='r0'>".to_owned(), "#ABNF 1.0; mode dtmf; root $r0;".to_owned());
        for (index, rule) in rules.iter().enumerate() {
            write!(in_xml, "<rule id='r{index}'>").unwrap();
            xml(rule, &mut in_xml);
            in_xml.push_str("</rule>");
            write!(in_abnf, "$r{index} = ").unwrap();
            abnf(rule, &mut in_abnf);
            in_abnf.push_str(";\n");
        }
        in_xml.push_str("</grammar>");
        for (media_type, text) in [("application/srgs+xml", &in_xml), ("application/srgs", &in_abnf)] {
            let active = compiled(media_type, text);
            for input in inputs() {
                let told = active.grammar.keys(&input);
                let wanted = known[0].contains(&input);
                prop_assert_eq!(matches!(told, KeyMatch::Complete { .. }), wanted, "{} {:?} {:?}", text, input, told);
                let longer = known[0].iter().any(|text| text.len() > input.len() && text.starts_with(&input));
                match told {
                    KeyMatch::No => prop_assert!(!longer, "{} {:?}", text, input),
                    // What is longer than the reference knows may be there.
                    KeyMatch::Partial | KeyMatch::Complete { more: true } => {}
                    KeyMatch::Complete { more: false } => prop_assert!(!longer, "{} {:?}", text, input),
                }
                // Whatever matches has a derivation, and a meaning.
                let found = active.grammar.interpret_keys(&input).unwrap();
                prop_assert_eq!(found.is_some(), wanted, "{} {:?}", text, input);
            }
        }
    }
}

#[test]
fn grammars_that_blow_up_elsewhere() {
    let time = |rules: &str, keys: &str| {
        let active = compiled("application/srgs", &format!("#ABNF 1.0; mode dtmf; root $r; {rules}"));
        (active.grammar.keys(keys), active.grammar.interpret_keys(keys).map(|found| found.is_some()))
    };
    let ones = "1".repeat(60);
    for rules in [
        "$r = $r $r | 1;",
        "$r = $r $r $r | 1 | $NULL;",
        "$r = (1<0->)<0->;",
        "$r = ((1<0->)<0->)<0-> 1;",
        "$r = $a<0-> ; $a = $b | $r; $b = 1 | $a;",
        "$r = [1]<60> 1<0-60>;",
        "$r = 1<0-> 1<0-> 1<0-> 1<0->;",
        "$r = $GARBAGE $GARBAGE $GARBAGE 1 $GARBAGE;",
        "$r = $r | $r 1 | 1;",
    ] {
        let (matched, found) = time(rules, &ones);
        assert!(matches!(matched, KeyMatch::Complete { .. }), "{rules}");
        assert_eq!(found, Ok(true), "{rules}");
    }
    // Too many readings end in good time, and in a failure, not in a match that is none.
    let (_, found) = time("$r = $r $r $r | $r $r | 1 | $NULL;", &"1".repeat(500));
    assert!(found.is_err() || found == Ok(true));
    assert_eq!(time("$r = $r;", "1"), (KeyMatch::No, Ok(false)));
    assert_eq!(time("$r = $r 1;", "1"), (KeyMatch::No, Ok(false)));
    // Of alternatives the heaviest, of those that weigh the same the first, however deep it is.
    let told = |rules: &str, keys: &str| {
        let text = format!("#ABNF 1.0; mode dtmf; root $r; tag-format <semantics/1.0-literals>; {rules}");
        let found = compiled("application/srgs", &text).grammar.interpret_keys(keys).unwrap().unwrap();
        (found.meaning.text().unwrap(), found.weight)
    };
    assert_eq!(told("$r = $a | 1 {short}; $a = $b; $b = $c; $c = 1 {deep};", "1"), ("deep".to_owned(), 1.0));
    assert_eq!(told("$r = 1 {short} | $a; $a = $b; $b = $c; $c = 1 {deep};", "1"), ("short".to_owned(), 1.0));
    assert_eq!(told("$r = /1/ $a | /4/ 1 {short}; $a = 1 {deep};", "1"), ("short".to_owned(), 1.0));
    assert_eq!(told("$r = /1/ $a | /2/ $b; $a = 1 {a}; $b = /3/ 1 {b} | /1/ 1 {c};", "1"), ("b".to_owned(), 1.0));
    assert_eq!(told("$r = $a | 1 {x}; $a = /1/ 1 {a} | /4/ 2;", "1"), ("x".to_owned(), 1.0));
}
