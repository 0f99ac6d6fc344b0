//! The codecs of the wire: their names in SDP, and decoding to samples at 8 kHz.

use std::fmt;

use crate::audio::resample::Resampler;
use crate::audio::{g711, l16};

/// An encoding of sound in RTP (RFC 3551, RFC 7587).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 mu-law, 8 kHz; payload type 0.
    Pcmu,
    /// G.711 A-law, 8 kHz; payload type 8.
    Pcma,
    /// Linear 16 bit in network order, mono, 8 kHz.
    L16Narrow,
    /// Linear 16 bit in network order, mono, 16 kHz.
    L16Wide,
    /// Opus. Needs the feature `opus`; see [`Codec::is_available`].
    Opus,
}

impl Codec {
    /// All codecs, in the order in which answerd prefers them.
    pub const ALL: [Self; 5] = [Self::Pcmu, Self::Pcma, Self::L16Narrow, Self::L16Wide, Self::Opus];

    /// The encoding name of `a=rtpmap`.
    #[must_use]
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::L16Narrow | Self::L16Wide => "L16",
            Self::Opus => "opus",
        }
    }

    /// The clock of RTP timestamps, in hertz. Opus always counts at 48 kHz (RFC 7587 section 4.1).
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::L16Narrow => 8_000,
            Self::L16Wide => 16_000,
            Self::Opus => 48_000,
        }
    }

    /// The number of channels that `a=rtpmap` tells; Opus always tells 2 (RFC 7587 section 7).
    #[must_use]
    pub const fn channels(self) -> u8 {
        match self {
            Self::Opus => 2,
            _ => 1,
        }
    }

    /// The payload type that needs no `a=rtpmap` (RFC 3551 section 6).
    #[must_use]
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            _ => None,
        }
    }

    /// The codec of a payload type without `a=rtpmap`.
    #[must_use]
    pub const fn from_static_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            _ => None,
        }
    }

    /// The codec that an `a=rtpmap` names; `None` if answerd does not know it. The name is told in any case.
    #[must_use]
    pub fn from_rtpmap(encoding_name: &str, clock_rate: u32, channels: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| {
            codec.encoding_name().eq_ignore_ascii_case(encoding_name)
                && codec.clock_rate() == clock_rate
                && codec.channels() == channels
        })
    }

    /// Whether this build can decode it.
    #[must_use]
    pub const fn is_available(self) -> bool {
        !matches!(self, Self::Opus) || cfg!(feature = "opus")
    }

    /// Appends the payload that carries `samples` (at 8 kHz) to `payload`.
    ///
    /// # Errors
    /// Only the codecs at 8 kHz can be sent: PCMU, PCMA and L16/8000.
    pub fn encode(self, samples: &[i16], payload: &mut Vec<u8>) -> Result<(), CannotSend> {
        match self {
            Self::Pcmu => payload.extend(samples.iter().map(|sample| g711::encode_mulaw(*sample))),
            Self::Pcma => payload.extend(samples.iter().map(|sample| g711::encode_alaw(*sample))),
            Self::L16Narrow => l16::encode(samples, payload),
            Self::L16Wide | Self::Opus => return Err(CannotSend(self)),
        }
        Ok(())
    }
}

impl fmt::Display for Codec {
    /// `PCMU`, `L16/16000`: the rate where the name alone does not tell it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::L16Narrow | Self::L16Wide => write!(f, "{}/{}", self.encoding_name(), self.clock_rate()),
            _ => f.write_str(self.encoding_name()),
        }
    }
}

impl std::str::FromStr for Codec {
    type Err = UnknownCodec;

    /// Reads what [`Display`](fmt::Display) writes, in any case; `L16` alone is the one at 8 kHz.
    fn from_str(word: &str) -> Result<Self, UnknownCodec> {
        if word.eq_ignore_ascii_case("L16") {
            return Ok(Self::L16Narrow);
        }
        Self::ALL
            .into_iter()
            .find(|codec| codec.to_string().eq_ignore_ascii_case(word))
            .ok_or_else(|| UnknownCodec(word.to_owned()))
    }
}

/// A word that names no codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCodec(pub String);

impl fmt::Display for UnknownCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown codec {:?}; known are", self.0)?;
        for (n, codec) in Codec::ALL.into_iter().enumerate() {
            write!(f, "{} {codec}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownCodec {}

/// A codec that can be received only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CannotSend(pub Codec);

impl fmt::Display for CannotSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} can be received, not sent", self.0)
    }
}

impl std::error::Error for CannotSend {}

/// Why a payload made no samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// This build was made without the feature `opus`.
    WithoutOpus,
    /// libopus refused, in its words.
    Opus(String),
    /// A payload of this many bytes is not a whole number of samples.
    Length(usize),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithoutOpus => f.write_str("this build cannot decode Opus (feature `opus`)"),
            Self::Opus(why) => write!(f, "Opus: {why}"),
            Self::Length(bytes) => write!(f, "L16 payload of {bytes} bytes is not a whole number of samples"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Turns one stream's payloads, in order, into samples at [`SAMPLE_RATE`](crate::audio::SAMPLE_RATE).
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Each byte, or pair of bytes, is a sample.
    Plain,
    /// L16 at another rate.
    Resampling(Resampler),
    #[cfg(feature = "opus")]
    Opus(crate::audio::opus::OpusDecoder),
}

impl Decoder {
    /// A decoder with nothing heard.
    ///
    /// # Errors
    /// [`DecodeError::WithoutOpus`] for Opus in a build without it.
    pub fn new(codec: Codec) -> Result<Self, DecodeError> {
        let state = match codec {
            Codec::Pcmu | Codec::Pcma | Codec::L16Narrow => State::Plain,
            Codec::L16Wide => {
                State::Resampling(Resampler::new(codec.clock_rate()).expect("16 kHz is a rate that can be converted"))
            }
            #[cfg(feature = "opus")]
            Codec::Opus => State::Opus(crate::audio::opus::OpusDecoder::new()?),
            #[cfg(not(feature = "opus"))]
            Codec::Opus => return Err(DecodeError::WithoutOpus),
        };
        Ok(Self { codec, state })
    }

    /// The codec that is decoded.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Appends the samples of `payload` to `out`. L16 at 16 kHz comes out 4 ms late, constantly (see [`Resampler`]).
    ///
    /// # Errors
    /// If the payload is not one of this codec; `out` is then as it was.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), DecodeError> {
        if matches!(self.codec, Codec::L16Narrow | Codec::L16Wide) && !payload.len().is_multiple_of(2) {
            return Err(DecodeError::Length(payload.len()));
        }
        match &mut self.state {
            State::Plain => match self.codec {
                Codec::Pcma => out.extend(payload.iter().map(|byte| g711::decode_alaw(*byte))),
                Codec::L16Narrow => out.extend(l16::decode(payload)),
                _ => out.extend(payload.iter().map(|byte| g711::decode_mulaw(*byte))),
            },
            State::Resampling(resampler) => resampler.push(l16::decode(payload).map(f32::from), out),
            #[cfg(feature = "opus")]
            State::Opus(decoder) => decoder.decode(payload, out)?,
        }
        Ok(())
    }

    /// Says that the next payload does not follow the last one: something between them is missing.
    pub fn gap(&mut self) {
        // Opus goes on from what it has: its own state decays in a frame or two, and a reset would click.
        if let State::Resampling(resampler) = &mut self.state {
            resampler.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_sdp_writes_them() {
        assert_eq!(Codec::from_rtpmap("pcmu", 8000, 1), Some(Codec::Pcmu));
        assert_eq!(Codec::from_rtpmap("L16", 16_000, 1), Some(Codec::L16Wide));
        assert_eq!(Codec::from_rtpmap("L16", 44_100, 1), None);
        assert_eq!(Codec::from_rtpmap("L16", 8000, 2), None);
        assert_eq!(Codec::from_rtpmap("OPUS", 48_000, 2), Some(Codec::Opus));
        assert_eq!(Codec::from_rtpmap("G722", 8000, 1), None);
        for codec in Codec::ALL {
            assert_eq!(codec.to_string().parse(), Ok(codec));
        }
        assert_eq!("l16".parse(), Ok(Codec::L16Narrow));
        let told = "G729".parse::<Codec>().unwrap_err().to_string();
        assert_eq!(told, r#"unknown codec "G729"; known are PCMU, PCMA, L16/8000, L16/16000, opus"#);
    }

    #[test]
    fn twenty_milliseconds_are_160_samples_in_each_codec() {
        for (codec, bytes) in [(Codec::Pcmu, 160), (Codec::Pcma, 160), (Codec::L16Narrow, 320), (Codec::L16Wide, 640)] {
            let mut decoder = Decoder::new(codec).unwrap();
            let mut out = Vec::new();
            decoder.decode(&vec![0x55; bytes], &mut out).unwrap();
            assert_eq!(out.len(), 160, "{codec}");
        }
    }

    #[test]
    fn what_is_sent_is_heard() {
        let samples: Vec<i16> = (0..160).map(|n| ((n * 7919) % 60_000 - 30_000) as i16).collect();
        for (codec, error) in [(Codec::Pcmu, 0.033), (Codec::Pcma, 0.033), (Codec::L16Narrow, 0.0)] {
            let (mut payload, mut heard) = (Vec::new(), Vec::new());
            codec.encode(&samples, &mut payload).unwrap();
            Decoder::new(codec).unwrap().decode(&payload, &mut heard).unwrap();
            for (sent, heard) in samples.iter().zip(&heard) {
                let allowed = error * f64::from(*sent).abs() + if error > 0.0 { 9.0 } else { 0.0 };
                assert!(f64::from(*sent - *heard).abs() <= allowed, "{codec}: {sent} heard as {heard}");
            }
        }
        assert_eq!(Codec::Opus.encode(&samples, &mut Vec::new()), Err(CannotSend(Codec::Opus)));
    }

    #[test]
    fn half_a_sample_is_an_error() {
        let mut out = Vec::new();
        let mut decoder = Decoder::new(Codec::L16Narrow).unwrap();
        assert_eq!(decoder.decode(&[1, 2, 3], &mut out), Err(DecodeError::Length(3)));
        assert!(out.is_empty());
    }

    #[cfg(not(feature = "opus"))]
    #[test]
    fn opus_is_told_to_be_left_out() {
        assert_eq!(Decoder::new(Codec::Opus).unwrap_err(), DecodeError::WithoutOpus);
        assert!(!Codec::Opus.is_available());
    }
}
