//! The house rules that a machine can keep: which layer may use which, captions, file lengths.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every top module of `src/` and what it may use, bottom to top. A row may name only rows above it, so that no cycle
/// can be written. `layer::part` allows only that part of the layer.
const LAYERS: &[(&str, &[&str])] = &[
    ("audio", &[]),
    ("wire", &[]),
    ("plot", &[]),
    ("media", &["audio", "wire::rtp"]),
    ("detect", &["audio"]),
    ("ops", &["audio", "detect"]),
    ("eval", &["audio", "detect", "plot"]),
    ("grammar", &["audio", "detect"]),
    ("session", &["audio", "wire", "grammar", "detect"]),
    ("engine", &["audio", "wire::rtp", "media", "detect"]),
    ("client", &["audio", "wire"]),
    ("net", &["audio", "wire", "grammar", "ops", "media", "detect", "session", "engine"]),
    ("adapter", &["audio", "wire", "detect", "grammar", "engine", "ops"]),
    ("config", &["ops", "media", "detect", "session", "engine", "net", "adapter"]),
    ("server", &["config", "ops", "detect", "session", "engine", "net", "adapter"]),
    ("cli", &["audio", "grammar", "ops", "detect", "eval", "session", "client", "config", "server"]),
];

/// Longest file before its tests, in lines.
const MAX_LINES: usize = 600;

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&root, &mut found);
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn layer_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

fn is_test_file(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

/// The text before the unit tests.
fn body(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests {").next().unwrap()
}

/// All `crate::a::b` paths of a text as `a::b` or `a`, brace groups opened.
fn crate_paths(text: &str) -> Vec<String> {
    let text: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line.trim(), " "]).collect();
    let mut paths = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1usize;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => {
                        paths.push(two_segments(item.trim()));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                item.push(c);
            }
            paths.push(two_segments(item.trim()));
        } else {
            paths.push(two_segments(rest));
        }
    }
    paths.retain(|path| !path.is_empty());
    paths
}

fn two_segments(path: &str) -> String {
    let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(path.len());
    path[..end].split("::").filter(|part| !part.is_empty()).take(2).collect::<Vec<_>>().join("::")
}

fn allowed(layer: &str, path: &str) -> bool {
    let (_, uses) = LAYERS.iter().find(|(name, _)| *name == layer).unwrap();
    let target = path.split("::").next().unwrap();
    target == layer || uses.iter().any(|allowed| *allowed == target || *allowed == path)
}

#[test]
fn a_layer_uses_only_what_its_row_allows() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let layer = layer_of(&file);
        if ["lib", "main"].contains(&layer) {
            continue;
        }
        if !LAYERS.iter().any(|(name, _)| *name == layer) {
            wrong.push(format!("{file}: the top module `{layer}` has no row"));
            continue;
        }
        if is_test_file(&file) {
            continue;
        }
        for path in crate_paths(body(&text)) {
            if !allowed(layer, &path) {
                wrong.push(format!("{file}: `{layer}` may not use `crate::{path}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rows_name_only_rows_above() {
    for (at, (name, uses)) in LAYERS.iter().enumerate() {
        for used in *uses {
            let layer = used.split("::").next().unwrap();
            assert!(
                LAYERS[..at].iter().any(|(above, _)| *above == layer),
                "{name} names {used}, which is not above it"
            );
        }
    }
}

#[test]
fn a_file_has_a_caption_and_a_readable_length() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if !text.starts_with("//! ") {
            wrong.push(format!("{file}: the first line is not a caption"));
        }
        let lines = body(&text).lines().count();
        if lines > MAX_LINES && !is_test_file(&file) {
            wrong.push(format!("{file}: {lines} lines before its tests"));
        }
        if body(&text).contains("super::") && !is_test_file(&file) {
            wrong.push(format!("{file}: `super::` outside tests"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn groups_and_inline_paths_are_seen() {
    let text = "use crate::{\n    audio::{Frame, SampleTime},\n    net,\n};\nlet x = crate::wire::rtp::Packet::parse(b);\n// crate::none\n";
    assert_eq!(crate_paths(text), ["audio", "net", "wire::rtp"]);
    assert!(!allowed("media", "net"));
    assert!(!allowed("media", "wire::sip"));
    assert!(allowed("media", "wire::rtp"));
}
