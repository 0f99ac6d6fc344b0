//! Reads the readable transcripts of `tests/data/captures`: what real clients and their server put on the wire.
//!
//! A block is `=== TIME PROTOCOL SOURCE -> DESTINATION (N bytes)`, the message with LF line ends, and a blank line;
//! `--- ...` lines tell of TCP and RTP. The message's own line ends are restored with the help of its length.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// What a block carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    SipUdp,
    SipTcp,
    Mrcp,
}

/// One message as it was on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// Since the capture began.
    pub(crate) time: Duration,
    pub(crate) protocol: Protocol,
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) bytes: Vec<u8>,
}

impl Block {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    pub(crate) fn first_line(&self) -> &str {
        self.text().lines().next().unwrap()
    }
}

/// All transcripts below `tests/data/captures` as (name, text), RTSP ones left out: MRCPv1 is another protocol.
pub(crate) fn all() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures");
    let mut found = Vec::new();
    for folder in ["asrclient", "freeswitch", "umc"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            if !text.contains(" RTSP/") {
                found.push((format!("{folder}/{}", path.file_stem().unwrap().to_str().unwrap()), text));
            }
        }
    }
    found.sort();
    found
}

/// The messages of one transcript in order.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(head) = line.strip_prefix("=== ") else { continue };
        let mut message = Vec::new();
        while let Some(next) = lines.peek() {
            if next.starts_with("=== ") || next.starts_with("--- ") {
                break;
            }
            message.push(lines.next().unwrap());
        }
        let words: Vec<&str> = head.split_whitespace().collect();
        let [time, protocol, source, "->", destination, length, "bytes)"] = words[..] else { panic!("{head}") };
        let length = length.trim_start_matches('(').parse().unwrap();
        let protocol = match protocol {
            "SIP/UDP" => Protocol::SipUdp,
            "SIP/TCP" => Protocol::SipTcp,
            "MRCPv2/TCP" => Protocol::Mrcp,
            other => panic!("{other}"),
        };
        found.push(Block {
            time: Duration::from_secs_f64(time.parse().unwrap()),
            protocol,
            source: source.to_owned(),
            destination: destination.to_owned(),
            bytes: restore(&message, length),
        });
    }
    found
}

/// Joins the lines so that the message has `length` bytes: the head always has CRLF, the body LF or CRLF, and it may or
/// may not end with a line end.
fn restore(lines: &[&str], length: usize) -> Vec<u8> {
    let blank = lines.iter().position(|line| line.is_empty()).unwrap_or(lines.len());
    let mut head = lines[..blank].join("\r\n");
    head.push_str("\r\n\r\n");
    let body = lines.get(blank + 1..).unwrap_or_default();
    let tails = (0..=2).flat_map(|keep| {
        let trimmed = body.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        ["\r\n", "\n"].map(|end| {
            let mut text = body[..trimmed].join(end);
            (0..keep).for_each(|_| text.push_str(end));
            text
        })
    });
    tails
        .map(|tail| format!("{head}{tail}").into_bytes())
        .find(|bytes| bytes.len() == length)
        .unwrap_or_else(|| panic!("no line ends make {length} bytes of\n{}", lines.join("\n")))
}

#[test]
fn every_transcript_is_restored_to_its_byte_counts() {
    let mut messages = 0;
    for (name, text) in all() {
        let blocks = blocks(&text);
        assert!(!blocks.is_empty(), "{name}");
        messages += blocks.len();
    }
    assert!(messages > 400, "{messages}");
}
