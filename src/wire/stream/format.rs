//! The form of sound: encoding, rate and channels, as products name them.

use std::fmt;
use std::str::FromStr;

/// How samples are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// Linear 16 bit.
    L16(ByteOrder),
    /// IEEE 754 single precision, little endian, full scale 1.0.
    F32,
}

/// Which byte of a linear sample comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// The lower one.
    Little,
    /// The higher one: network order.
    Big,
    /// Not told by the product's documents: the sound itself tells.
    Unknown,
}

/// Which channel of several is the called party's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// That one, from 0.
    Number(u8),
    /// All of them, summed.
    Mix,
}

/// The form of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    /// How samples are written.
    pub encoding: Encoding,
    /// Samples per second of a channel.
    pub rate: u32,
    /// Interleaved channels, 1 to 16.
    pub channels: u8,
    /// The one to listen to.
    pub channel: Channel,
    /// Whether `rate` was told, or is what the dialect mostly has.
    pub rate_told: bool,
}

impl Format {
    /// Mono at 8 kHz, where nothing else is told.
    #[must_use]
    pub const fn narrow(encoding: Encoding) -> Self {
        Self { encoding, rate: 8_000, channels: 1, channel: Channel::Number(0), rate_told: false }
    }

    /// Bytes of one sample of all channels.
    #[must_use]
    pub const fn unit(&self) -> usize {
        let width = match self.encoding {
            Encoding::Pcmu | Encoding::Pcma => 1,
            Encoding::L16(_) => 2,
            Encoding::F32 => 4,
        };
        width * self.channels as usize
    }

    /// Takes what a media type or a codec's name tells: `audio/x-l16;rate=16000`, `PCMU@8000h`, `slin16`, `ulaw`.
    ///
    /// # Errors
    /// [`UnknownEncoding`]; nothing is changed then.
    pub fn describe(&mut self, text: &str) -> Result<(), UnknownEncoding> {
        let mut parts = text.split([';', '@', ',']).map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let bare = name.trim_start_matches("audio/").trim_start_matches("x-");
        let (encoding, rate) = named(bare).ok_or_else(|| UnknownEncoding(text.to_owned()))?;
        if let Some(encoding) = encoding {
            self.encoding = encoding;
        }
        if let Some(rate) = rate {
            (self.rate, self.rate_told) = (rate, true);
        }
        for part in parts {
            match part.split_once('=') {
                Some((name, value)) => match name.trim().to_ascii_lowercase().as_str() {
                    "rate" => self.set_rate(value.trim().parse().ok()),
                    "channels" => self.set_channels(value.trim().parse().ok()),
                    "endian" => self.set_byte_order(value.trim()),
                    _ => {}
                },
                None => self.set_rate(part.trim_end_matches('h').parse().ok()),
            }
        }
        Ok(())
    }

    /// Takes a rate, if there is one that sound can have.
    pub fn set_rate(&mut self, rate: Option<u64>) {
        if let Some(rate) = rate.and_then(|rate| u32::try_from(rate).ok()).filter(|rate| RATES.contains(rate)) {
            (self.rate, self.rate_told) = (rate, true);
        }
    }

    /// Takes a number of channels, if there is one of 1 to 16.
    pub fn set_channels(&mut self, channels: Option<u64>) {
        if let Some(channels) = channels.and_then(|count| u8::try_from(count).ok()).filter(|n| (1..=16).contains(n)) {
            self.channels = channels;
        }
    }

    pub(super) fn set_byte_order(&mut self, word: &str) {
        if let Encoding::L16(order) = &mut self.encoding {
            match word.to_ascii_lowercase().as_str() {
                "little" | "le" => *order = ByteOrder::Little,
                "big" | "be" | "network" => *order = ByteOrder::Big,
                _ => {}
            }
        }
    }
}

/// Rates that are believed, in hertz.
pub(super) const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// The encoding of a name, `None` for a name that tells none, and the rate that it implies.
fn named(name: &str) -> Option<(Option<Encoding>, Option<u32>)> {
    let little = Encoding::L16(ByteOrder::Little);
    Some(match name {
        // Exotel's encoding is how it is wrapped.
        "base64" | "raw" | "" => (None, None),
        "pcmu" | "ulaw" | "mulaw" | "mu-law" | "g711u" | "g711_ulaw" | "g711ulaw" | "basic" => {
            (Some(Encoding::Pcmu), None)
        }
        "pcma" | "alaw" | "a-law" | "g711a" | "g711_alaw" | "g711alaw" => (Some(Encoding::Pcma), None),
        "l16" | "s16" | "s16le" | "pcm" | "pcm16" | "pcm_s16le" | "linear16" | "lin16" | "raw16" | "l16le"
        | "slin8" => (Some(little), None),
        "s16be" | "l16be" | "pcm_s16be" => (Some(Encoding::L16(ByteOrder::Big)), None),
        "f32" | "f32le" | "float" | "float32" | "pcm_f32le" => (Some(Encoding::F32), None),
        "slin" | "signed-linear" => (Some(little), Some(8_000)),
        "slin12" => (Some(little), Some(12_000)),
        "slin16" => (Some(little), Some(16_000)),
        "slin24" => (Some(little), Some(24_000)),
        "slin32" => (Some(little), Some(32_000)),
        "slin44" => (Some(little), Some(44_100)),
        "slin48" => (Some(little), Some(48_000)),
        "slin96" => (Some(little), Some(96_000)),
        "slin192" => (Some(little), Some(192_000)),
        _ => return None,
    })
}

impl FromStr for Channel {
    type Err = ();

    /// `0`, `1`, `left`, `right`, `first`, `second`, `read`, `write`, or `mix`.
    fn from_str(word: &str) -> Result<Self, ()> {
        Ok(match word.to_ascii_lowercase().as_str() {
            "left" | "first" | "read" => Self::Number(0),
            "right" | "second" | "write" => Self::Number(1),
            "mix" | "mixed" | "all" => Self::Mix,
            number => Self::Number(number.parse().ok().filter(|number| *number < 16).ok_or(())?),
        })
    }
}

/// The name of an encoding that can't be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEncoding(pub String);

impl fmt::Display for UnknownEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "encoding {:?} can't be decoded; known are pcmu, pcma, l16 and f32", self.0)
    }
}

impl std::error::Error for UnknownEncoding {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_products() {
        let little = Encoding::L16(ByteOrder::Little);
        for (text, encoding, rate, told) in [
            ("audio/x-mulaw", Encoding::Pcmu, 8_000, false),
            ("PCMU", Encoding::Pcmu, 8_000, false),
            ("PCMU@8000h", Encoding::Pcmu, 8_000, true),
            ("L16@24000h", little, 24_000, true),
            ("audio/x-l16;rate=16000", little, 16_000, true),
            ("audio/l16; rate=24000; channels=1", little, 24_000, true),
            ("audio/pcm;rate=24000;channels=1;bit-depth=16;endian=big", Encoding::L16(ByteOrder::Big), 24_000, true),
            ("slin", little, 8_000, true),
            ("slin16", little, 16_000, true),
            ("alaw", Encoding::Pcma, 8_000, false),
            ("f32", Encoding::F32, 8_000, false),
        ] {
            let mut format = Format::narrow(little);
            format.describe(text).unwrap();
            assert_eq!((format.encoding, format.rate, format.rate_told), (encoding, rate, told), "{text}");
        }
        for wrong in ["OPUS", "G722", "AMR-WB", "audio/mpeg"] {
            assert!(Format::narrow(little).describe(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_that_no_sound_has_are_not_believed() {
        let mut format = Format::narrow(Encoding::F32);
        format.set_rate(Some(0));
        format.set_rate(Some(u64::MAX));
        format.set_channels(Some(0));
        format.set_channels(Some(300));
        assert_eq!(format, Format::narrow(Encoding::F32));
        assert_eq!(format.unit(), 4);
    }
}
