//! Asterisk's AudioSocket: frames of a kind, a length in network order, and a payload, over TCP.

use std::borrow::Cow;

use crate::wire::stream::{ByteOrder, Call, Encoding, Format, Reply, Sound, Told};

/// The channel is gone, or is to be hung up.
const HANGUP: u8 = 0x00;
/// Sixteen bytes that name the call.
const UUID: u8 = 0x01;
/// A key.
const DTMF: u8 = 0x03;
/// Signed linear sound at 8 kHz; the next kinds have the other rates.
const SOUND: u8 = 0x10;
/// Rates of the kinds of sound, in hertz.
const RATES: [u32; 9] = [8_000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000];
/// Something went wrong at the other side.
const ERROR: u8 = 0xff;

/// A connection's frames, read as they come.
#[derive(Debug, Clone)]
pub struct Frames {
    buffer: Vec<u8>,
    format: Format,
    call: Call,
    started: bool,
}

impl Default for Frames {
    fn default() -> Self {
        let format = Format { rate_told: true, ..Format::narrow(Encoding::L16(ByteOrder::Little)) };
        Self { buffer: Vec::new(), format, call: Call::default(), started: false }
    }
}

impl Frames {
    /// The form of the sound that comes.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Who the call is: its name comes first of all.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// Takes bytes, cut anywhere; [`poll`](Self::poll) tells what is in them.
    pub fn handle(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// What the next frame tells, `None` until it is whole. The form of sound and the call are those of this frame.
    pub fn poll(&mut self) -> Option<Vec<Told<'static>>> {
        let (kind, payload, rest) = frame(&self.buffer)?;
        let (payload, left) = (payload.to_vec(), rest.len());
        self.buffer.drain(..self.buffer.len() - left);
        let mut told = Vec::new();
        self.frame(kind, payload, &mut told);
        Some(told)
    }

    fn frame(&mut self, kind: u8, payload: Vec<u8>, told: &mut Vec<Told<'static>>) {
        let rate = kind.checked_sub(SOUND).and_then(|place| RATES.get(usize::from(place)));
        match (kind, rate) {
            (HANGUP, _) => told.push(Told::Stopped { reason: "hangup".to_owned() }),
            (UUID, _) => {
                self.call.id = Some(uuid(&payload));
                self.started = true;
                told.push(Told::Described);
            }
            (DTMF, _) => {
                told.extend(std::str::from_utf8(&payload).ok().and_then(crate::wire::stream::json::key).map(Told::Key));
            }
            (ERROR, _) => {
                let code = payload.first().copied().unwrap_or_default();
                told.push(Told::Stopped { reason: format!("error {code}") });
            }
            (_, Some(&rate)) => {
                if self.format.rate != rate || !self.started {
                    self.format.rate = rate;
                    self.started = true;
                    told.push(Told::Described);
                }
                // A channel is clocked by what it is sent: silence for sound, as much of it.
                told.push(Told::Reply(Reply::Binary(silence(kind, payload.len()))));
                told.push(Told::Sound(Sound { bytes: Cow::Owned(payload), at_ms: None }));
            }
            // Kinds of a later version.
            _ => {}
        }
    }
}

/// The first frame, and what follows it.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<3>()?;
    let [kind, high, low] = *head;
    let (payload, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    Some((kind, payload, rest))
}

fn silence(kind: u8, length: usize) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    frame.resize(3 + length, 0);
    frame
}

/// Bytes as a uuid is written; those of another number in hexadecimal.
fn uuid(bytes: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match <[u8; 16]>::try_from(bytes) {
        Ok([a, b, c, d, e, f, g, h, i, j, rest @ ..]) => {
            format!("{}-{}-{}-{}-{}", hex(&[a, b, c, d]), hex(&[e, f]), hex(&[g, h]), hex(&[i, j]), hex(&rest))
        }
        Err(_) => hex(bytes),
    }
}
