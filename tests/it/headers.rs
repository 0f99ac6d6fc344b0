//! docs/headers.md against the server: every row is compared with the header table, and its examples are sent.

use std::fs;
use std::path::Path;

use answerd::detect::{End, Label};
use answerd::wire::mrcp::{HeaderName, On, Response};

use crate::recognizer::{Recognizer, lines};

/// A row of the page.
struct Row {
    name: HeaderName,
    on: String,
    /// A value that is taken.
    taken: Option<String>,
    /// Statuses and the values that get them.
    refused: Vec<(u16, String)>,
}

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/headers.md")).unwrap()
}

fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn rows() -> Vec<Row> {
    page()
        .lines()
        .skip_while(|line| !line.starts_with("| header |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let ["", name, on, _, _, what, taken, refused, ""] = cells[..] else { panic!("{line}") };
            assert!(!what.is_empty(), "{line}");
            let statuses = refused.split("; ").filter(|part| !part.is_empty()).map(|part| part[..3].parse().unwrap());
            let refused: Vec<(u16, String)> = statuses.zip(quoted(refused).into_iter().map(str::to_owned)).collect();
            Row {
                name: HeaderName::from_name(name).unwrap_or_else(|| panic!("{name} is no header")),
                on: on.to_owned(),
                taken: quoted(taken).first().map(|&value| value.to_owned()),
                refused,
            }
        })
        .collect()
}

/// Where a header may be, as the page says it.
fn places(on: On) -> String {
    let requests = [
        (On::PARAMS, "SET-/GET-PARAMS"),
        (On::DEFINE_GRAMMAR, "DEFINE-GRAMMAR"),
        (On::RECOGNIZE, "RECOGNIZE"),
        (On::INTERPRET, "INTERPRET"),
        (On::GET_RESULT, "GET-RESULT"),
        (On::START_INPUT_TIMERS, "START-INPUT-TIMERS"),
        (On::STOP, "STOP"),
        (On::ENROLLMENT, "enrollment"),
    ];
    let others = [(On::RESPONSE, "responses"), (On::START_OF_INPUT, "START-OF-INPUT"), (On::COMPLETE, "COMPLETE")];
    let named = |places: &[(On, &'static str)]| -> Vec<&'static str> {
        places.iter().filter(|(place, _)| on.meets(*place)).map(|(_, word)| *word).collect()
    };
    let (mut found, rest) = (named(&requests), named(&others));
    if found.len() == requests.len() {
        if rest.len() == others.len() {
            return "all".to_owned();
        }
        found = vec!["requests"];
    }
    found.extend(rest);
    found.join(", ")
}

#[test]
fn the_page_has_every_header_where_it_may_be() {
    let rows = rows();
    let names: Vec<HeaderName> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names, HeaderName::ALL);
    for row in rows {
        assert_eq!(row.on, places(row.name.on()), "{}", row.name);
        // What can be sent in a request has an example; enrollment's methods are refused before their headers.
        let request =
            [On::PARAMS, On::DEFINE_GRAMMAR, On::RECOGNIZE, On::INTERPRET].iter().any(|on| row.name.on().meets(*on));
        let excused = [
            HeaderName::ChannelIdentifier,
            HeaderName::ActiveRequestIdList,
            HeaderName::ContentType,
            HeaderName::ContentId,
            HeaderName::ContentLength,
            HeaderName::SetCookie2,
            HeaderName::RecognizerContextBlock,
            HeaderName::InterpretText,
        ];
        let examples = row.taken.is_some() || !row.refused.is_empty();
        assert_eq!(examples, request && !excused.contains(&row.name), "{}", row.name);
    }
}

/// The response to a request with the header; `None` if it is held, since a document is needed.
fn send(method: On, name: &str, value: &str) -> Option<Response> {
    let mut recognizer = Recognizer::new();
    let header = format!("{name}: {value}");
    let text = match method {
        On::PARAMS => format!("SET-PARAMS 3   {header}"),
        On::DEFINE_GRAMMAR => format!("DEFINE-GRAMMAR 3   Content-ID: a   {header}   | builtin:speech/answer"),
        On::RECOGNIZE => format!("RECOGNIZE 3   {header}   | builtin:speech/answer"),
        On::INTERPRET => format!("INTERPRET 3   Interpret-Text: human   {header}   | builtin:speech/boolean"),
        On::GET_RESULT => {
            recognizer.ask("RECOGNIZE 1   | builtin:speech/answer");
            recognizer.concludes(End::Decided, &[(Label::Human, 0.9)]);
            format!("GET-RESULT 3   {header}")
        }
        other => panic!("{other:?}"),
    };
    recognizer.send(&text);
    let response = recognizer.responses().pop();
    assert!(response.is_some() || !recognizer.fetches.is_empty(), "{text}");
    response
}

const METHODS: [On; 5] = [On::PARAMS, On::DEFINE_GRAMMAR, On::RECOGNIZE, On::INTERPRET, On::GET_RESULT];

#[test]
fn every_row_of_the_table_is_as_the_server_has_it() {
    let mut wrong = Vec::new();
    for row in rows() {
        // Headers that say what the body is are looked at where a body is.
        let of_body = row.name.as_str().starts_with("Content-");
        let name = row.name.as_str();
        for method in METHODS {
            if of_body && [On::PARAMS, On::GET_RESULT].contains(&method) {
                continue;
            }
            let examples = row.taken.iter().map(|value| (200, value));
            for (status, value) in examples.chain(row.refused.iter().map(|(status, value)| (*status, value))) {
                // SET-PARAMS refuses what has no place there, everything else leaves it out of account and says so.
                let expected = match (row.name.on().meets(method), method) {
                    (true, _) => status,
                    (false, On::PARAMS) => 403,
                    (false, _) => 201,
                };
                let Some(response) = send(method, name, value) else {
                    if expected != 200 {
                        wrong.push(format!("{name}: {value} on {method:?}: held instead of {expected}"));
                    }
                    continue;
                };
                let told = response.status.0;
                if told != expected {
                    wrong.push(format!("{name}: {value} on {method:?}: {told} instead of {expected}"));
                }
                let returned = lines(&response.headers).contains(&format!("{name}: {value}").trim_end().to_owned());
                if told >= 400 && !returned {
                    wrong.push(format!("{name}: {value} on {method:?}: not returned: {:?}", lines(&response.headers)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_set_params_takes_get_params_returns() {
    for row in rows() {
        let name = row.name;
        if !name.on().meets(On::PARAMS) || name.as_str().starts_with("Content-") {
            continue;
        }
        let Some(value) = &row.taken else { continue };
        let mut recognizer = Recognizer::new();
        recognizer.ask(&format!("SET-PARAMS 1   {name}: {value}"));
        let asked = if name == HeaderName::VendorSpecific { "com.example.a;com.example.b" } else { "" };
        let response = recognizer.ask(&format!("GET-PARAMS 2   {name}: {asked}"));
        assert_eq!(response.status.0, 200, "{name}");
        let told = response.headers.get(name).unwrap_or_else(|| panic!("{name}: {response:?}"));
        // A cookie's age may be told with it.
        assert!(told == value || name == HeaderName::SetCookie && told.starts_with("a=b"), "{name}: {told}");
    }
    // Of what is not had nothing is told.
    for row in rows().iter().filter(|row| row.refused.iter().any(|(status, _)| *status == 403)) {
        let response = Recognizer::new().ask(&format!("GET-PARAMS 1   {}:", row.name));
        assert_eq!(response.status.0, 403, "{}", row.name);
    }
}

#[test]
fn parameters_of_the_vendor_are_as_the_page_says() {
    let page = page();
    let table = page.lines().skip_while(|line| !line.starts_with("| name |")).skip(2);
    let mut count = 0;
    for line in table.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (names, values) = (quoted(cells[1]), quoted(cells[2]));
        for name in names {
            for value in &values {
                let taken = send(On::RECOGNIZE, "Vendor-Specific-Parameters", &format!("{name}={value}")).unwrap();
                assert_eq!(taken.status.0, 200, "{name}={value}");
            }
            let odd = send(On::RECOGNIZE, "Vendor-Specific-Parameters", &format!("{name}=perhaps")).unwrap();
            assert_eq!(odd.status.0, if values.is_empty() { 200 } else { 409 }, "{name}");
            count += 1;
        }
    }
    assert_eq!(count, 6);
}
