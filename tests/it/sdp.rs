//! Session descriptions of real peers: read, written and read again.

use std::fs;
use std::path::Path;

use answerd::wire::sdp;

use crate::transcript;

fn check(name: &str, body: &str) {
    let read = sdp::parse(body.as_bytes()).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(read.to_string(), body, "{name}");
}

#[test]
fn descriptions_named_by_peer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sdp");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        check(path.to_str().unwrap(), &fs::read_to_string(&path).unwrap());
        count += 1;
    }
    assert!(count >= 10, "{count} descriptions");
}

#[test]
fn descriptions_of_the_transcripts() {
    let mut count = 0;
    for (name, text) in transcript::all() {
        for block in transcript::blocks(&text) {
            if block.protocol != transcript::Protocol::Mrcp
                && let Some((_, body)) = block.text().split_once("\r\n\r\n")
                && body.starts_with("v=0")
            {
                check(&name, body);
                count += 1;
            }
        }
    }
    assert!(count >= 80, "{count} descriptions");
}
