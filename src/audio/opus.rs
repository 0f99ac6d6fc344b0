//! Opus (RFC 6716, RFC 7587), decoded by libopus straight to 8 kHz mono.

use audiopus::coder::Decoder as LibOpus;
use audiopus::{Channels, MutSignals, SampleRate, packet::Packet};

use crate::audio::codec::DecodeError;

/// The longest Opus packet is 120 ms (RFC 6716 section 2): samples at 8 kHz.
const MAX_SAMPLES: usize = 960;

/// One stream's decoder. Loss is never concealed: what did not arrive is missing, not guessed.
#[derive(Debug)]
pub struct OpusDecoder {
    decoder: LibOpus,
}

impl OpusDecoder {
    /// A decoder with nothing heard.
    ///
    /// # Errors
    /// If libopus has no memory for it.
    pub fn new() -> Result<Self, DecodeError> {
        let decoder = LibOpus::new(SampleRate::Hz8000, Channels::Mono).map_err(|e| DecodeError::Opus(e.to_string()))?;
        Ok(Self { decoder })
    }

    /// Appends the samples of one packet to `out`.
    ///
    /// # Errors
    /// If libopus refuses the packet; `out` is then as it was.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), DecodeError> {
        let before = out.len();
        let packet = Packet::try_from(payload).map_err(|e| DecodeError::Opus(e.to_string()))?;
        out.resize(before + MAX_SAMPLES, 0);
        let decoded = MutSignals::try_from(&mut out[before..])
            .and_then(|signals| self.decoder.decode(Some(packet), signals, false))
            .map_err(|e| DecodeError::Opus(e.to_string()));
        out.truncate(before + decoded.as_ref().map_or(0, |samples| *samples));
        decoded.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use audiopus::coder::Encoder;
    use audiopus::{Application, Channels, SampleRate};

    use super::*;

    #[test]
    fn a_tone_encoded_at_48_khz_comes_out_at_8_khz() {
        let encoder = Encoder::new(SampleRate::Hz48000, Channels::Stereo, Application::Voip).unwrap();
        let mut decoder = OpusDecoder::new().unwrap();
        let mut out = Vec::new();
        for packet in 0..50usize {
            let sound: Vec<i16> = (0..960usize)
                .flat_map(|n| {
                    let t = (packet * 960 + n) as f64 / 48_000.0;
                    let sample = (10_000.0 * (std::f64::consts::TAU * 1000.0 * t).sin()) as i16;
                    [sample, sample]
                })
                .collect();
            let mut bytes = [0; 1500];
            let length = encoder.encode(&sound, &mut bytes).unwrap();
            decoder.decode(&bytes[..length], &mut out).unwrap();
            assert_eq!(out.len(), 160 * (packet + 1));
        }
        let later = &out[4000..];
        let power = later.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / later.len() as f64;
        assert!((power.sqrt() - 7071.0).abs() < 700.0, "rms {}", power.sqrt());
        let crossings = later.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        assert!(crossings.abs_diff(500) <= 2, "{crossings} periods in half a second of 1 kHz");
    }

    #[test]
    fn a_broken_packet_is_an_error_and_leaves_nothing() {
        let mut decoder = OpusDecoder::new().unwrap();
        let mut out = vec![7];
        assert!(decoder.decode(&[0xFF, 0xFF, 1], &mut out).is_err());
        assert!(decoder.decode(&[], &mut out).is_err());
        assert_eq!(out, [7]);
    }
}
