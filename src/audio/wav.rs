//! WAV files (RIFF): any rate, channels and common encoding in, [`SAMPLE_RATE`] mono out; and a writer.

use std::fmt;

use crate::audio::g711;
use crate::audio::resample::{Resampler, UnsupportedRate};
use crate::audio::{SAMPLE_RATE, to_i16};

/// A recording: linear mono samples at [`SAMPLE_RATE`], and what the file held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The sound.
    pub samples: Vec<i16>,
    /// The file's sampling rate in hertz.
    pub rate: u32,
    /// The file's number of channels.
    pub channels: u16,
    /// The file's encoding.
    pub encoding: Encoding,
}

/// How a file writes its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Linear, unsigned for 8 bits and signed for 16, 24 and 32.
    Pcm {
        /// Bits of the container: 8, 16, 24 or 32.
        bits: u16,
    },
    /// IEEE floating point, full scale at 1.0.
    Float {
        /// 32 or 64.
        bits: u16,
    },
    /// G.711 mu-law.
    MuLaw,
    /// G.711 A-law.
    ALaw,
}

/// What becomes of several channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Channels {
    /// Their mean.
    #[default]
    Mix,
    /// One of them, counted from 0.
    Pick(u16),
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WavError {
    /// It does not begin with RIFF (or RF64) and WAVE.
    NotWav,
    /// It ends before this chunk does.
    Truncated(&'static str),
    /// It has no such chunk.
    Without(&'static str),
    /// A format that is not read: the format tag and the bits per sample.
    Encoding {
        /// wFormatTag, or the first two bytes of the sub-format.
        tag: u16,
        /// wBitsPerSample.
        bits: u16,
    },
    /// The file says it has no channel.
    NoChannel,
    /// This channel was asked for and the file has fewer.
    NoSuchChannel {
        /// What was asked, from 0.
        asked: u16,
        /// What there is.
        channels: u16,
    },
    /// The rate cannot be converted.
    Rate(UnsupportedRate),
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWav => f.write_str("not a WAV file: it does not begin with RIFF and WAVE"),
            Self::Truncated(chunk) => write!(f, "WAV file ends within its {chunk} chunk"),
            Self::Without(chunk) => write!(f, "WAV file has no {chunk} chunk"),
            Self::Encoding { tag, bits } => write!(
                f,
                "WAV format {tag:#06x} with {bits} bits is not read (PCM of 8, 16, 24 or 32 bits, float, mu-law and A-law are)"
            ),
            Self::NoChannel => f.write_str("WAV file says it has no channel"),
            Self::NoSuchChannel { asked, channels } => {
                write!(f, "channel {asked} was asked for, the WAV file has {channels} (counted from 0)")
            }
            Self::Rate(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for WavError {}

/// Reads a whole WAV file. A data chunk that is longer than the file (a writer that never came back to fill in the
/// length, or a file cut off) gives the samples that are there.
///
/// # Errors
/// If the file is not WAV, or in an encoding that is not read.
pub fn read(bytes: &[u8], channels: Channels) -> Result<Recording, WavError> {
    let (format, data) = chunks(bytes)?;
    if format.channels == 0 {
        return Err(WavError::NoChannel);
    }
    if let Channels::Pick(asked) = channels
        && asked >= format.channels
    {
        return Err(WavError::NoSuchChannel { asked, channels: format.channels });
    }
    let width = format.encoding.width();
    let block = width * usize::from(format.channels);
    let sound = data.chunks_exact(block).map(|block| {
        let mut samples = block.chunks_exact(width).map(|sample| format.encoding.sample(sample));
        match channels {
            Channels::Mix => samples.sum::<f32>() / f32::from(format.channels),
            Channels::Pick(channel) => samples.nth(usize::from(channel)).unwrap_or(0.0),
        }
    });
    let samples = mono(format.rate, (data.len() / block) as u64, sound).map_err(WavError::Rate)?;
    Ok(Recording { samples, rate: format.rate, channels: format.channels, encoding: format.encoding })
}

/// Brings a whole recording of `count` samples to [`SAMPLE_RATE`]: a converter's delay is taken off, so that times stay
/// those of the file.
pub(super) fn mono(rate: u32, count: u64, sound: impl Iterator<Item = f32>) -> Result<Vec<i16>, UnsupportedRate> {
    if rate == SAMPLE_RATE {
        return Ok(sound.map(to_i16).collect());
    }
    let mut resampler = Resampler::new(rate)?;
    let wanted = (count * u64::from(SAMPLE_RATE)).div_ceil(u64::from(rate)) as usize;
    let delay = resampler.delay();
    let mut out = Vec::with_capacity(wanted + delay + 1);
    resampler.push(sound, &mut out);
    let tail = (delay as u64 + 1) * u64::from(rate) / u64::from(SAMPLE_RATE) + 1;
    resampler.push(std::iter::repeat_n(0.0, tail as usize), &mut out);
    out.drain(..delay);
    out.truncate(wanted);
    Ok(out)
}

/// A WAV file of 16 bit linear mono.
#[must_use]
pub fn write(samples: &[i16], rate: u32) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    write_encoded(TAG_PCM, 16, 1, rate, &data)
}

/// A WAV file around samples already encoded: the format tag, bits per sample, channels, rate and bytes.
#[must_use]
pub fn write_encoded(tag: u16, bits: u16, channels: u16, rate: u32, data: &[u8]) -> Vec<u8> {
    let block = channels * bits / 8;
    let length = data.len() as u32;
    let pad = length % 2;
    let mut file = Vec::with_capacity(46 + data.len());
    file.extend(b"RIFF");
    file.extend((36 + length + pad).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend(tag.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(block)).to_le_bytes());
    file.extend(block.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend(length.to_le_bytes());
    file.extend(data);
    file.extend(std::iter::repeat_n(0, pad as usize));
    file
}

struct Format {
    encoding: Encoding,
    channels: u16,
    rate: u32,
}

/// The format and the data of a file; other chunks are passed over.
fn chunks(bytes: &[u8]) -> Result<(Format, &[u8]), WavError> {
    let (riff, mut rest) = bytes.split_at_checked(12).ok_or(WavError::NotWav)?;
    if !matches!(&riff[..4], b"RIFF" | b"RF64") || &riff[8..] != b"WAVE" {
        return Err(WavError::NotWav);
    }
    let mut format = None;
    while let Some((head, body)) = rest.split_at_checked(8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        match &head[..4] {
            b"fmt " => {
                let body = body.get(..length).ok_or(WavError::Truncated("fmt"))?;
                format = Some(Format::read(body)?);
            }
            b"data" => {
                let format = format.ok_or(WavError::Without("fmt"))?;
                return Ok((format, body.get(..length).unwrap_or(body)));
            }
            _ => {}
        }
        // Chunks begin at even offsets.
        rest = body.get(length.saturating_add(length % 2)..).unwrap_or_default();
    }
    Err(WavError::Without(if format.is_some() { "data" } else { "fmt" }))
}

impl Format {
    fn read(body: &[u8]) -> Result<Self, WavError> {
        let number = |at: usize| match body.get(at..at + 2) {
            Some(pair) => Ok(u16::from_le_bytes([pair[0], pair[1]])),
            None => Err(WavError::Truncated("fmt")),
        };
        let bits = number(14)?;
        let tag = match number(0)? {
            // WAVE_FORMAT_EXTENSIBLE: the tag is the beginning of the sub-format's GUID.
            TAG_EXTENSIBLE => number(24)?,
            tag => tag,
        };
        let encoding = match (tag, bits) {
            (TAG_PCM, 8 | 16 | 24 | 32) => Encoding::Pcm { bits },
            (TAG_FLOAT, 32 | 64) => Encoding::Float { bits },
            (TAG_ALAW, 8) => Encoding::ALaw,
            (TAG_MULAW, 8) => Encoding::MuLaw,
            _ => return Err(WavError::Encoding { tag, bits }),
        };
        let rate = u32::from(number(6)?) << 16 | u32::from(number(4)?);
        Ok(Self { encoding, channels: number(2)?, rate })
    }
}

impl Encoding {
    /// Bytes of one sample.
    fn width(self) -> usize {
        match self {
            Self::Pcm { bits } | Self::Float { bits } => usize::from(bits / 8),
            Self::MuLaw | Self::ALaw => 1,
        }
    }

    /// One sample in the range of 16 bits; `bytes` has [`Self::width`] bytes.
    fn sample(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::MuLaw, [byte]) => f32::from(g711::decode_mulaw(*byte)),
            (Self::ALaw, [byte]) => f32::from(g711::decode_alaw(*byte)),
            (_, [byte]) => (f32::from(*byte) - 128.0) * 256.0,
            (_, [a, b]) => f32::from(i16::from_le_bytes([*a, *b])),
            (_, [a, b, c]) => i32::from_le_bytes([0, *a, *b, *c]) as f32 / 65_536.0,
            (Self::Float { .. }, [a, b, c, d]) => f32::from_le_bytes([*a, *b, *c, *d]) * 32_768.0,
            (_, [a, b, c, d]) => i32::from_le_bytes([*a, *b, *c, *d]) as f32 / 65_536.0,
            (_, [a, b, c, d, e, f, g, h]) => (f64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) * 32_768.0) as f32,
            _ => 0.0,
        }
    }
}

/// WAVE_FORMAT_PCM.
pub const TAG_PCM: u16 = 1;
/// WAVE_FORMAT_IEEE_FLOAT.
pub const TAG_FLOAT: u16 = 3;
/// WAVE_FORMAT_ALAW.
pub const TAG_ALAW: u16 = 6;
/// WAVE_FORMAT_MULAW.
pub const TAG_MULAW: u16 = 7;
const TAG_EXTENSIBLE: u16 = 0xFFFE;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn ramp() -> Vec<i16> {
        (0..2000i32).map(|n| ((n * 7919) % 65_536 - 32_768) as i16).collect()
    }

    /// What another library writes, to be read here.
    fn by_hound(spec: hound::WavSpec, write: impl FnOnce(&mut hound::WavWriter<&mut Cursor<Vec<u8>>>)) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
        write(&mut writer);
        writer.finalize().unwrap();
        file.into_inner()
    }

    fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16, float: bool) -> hound::WavSpec {
        let sample_format = if float { hound::SampleFormat::Float } else { hound::SampleFormat::Int };
        hound::WavSpec { channels, sample_rate, bits_per_sample, sample_format }
    }

    #[test]
    fn sixteen_bit_mono_at_8_khz_is_untouched() {
        let file = by_hound(spec(1, 8000, 16, false), |w| ramp().iter().for_each(|s| w.write_sample(*s).unwrap()));
        let recording = read(&file, Channels::Mix).unwrap();
        assert_eq!(recording.samples, ramp());
        assert_eq!(recording.encoding, Encoding::Pcm { bits: 16 });
    }

    #[test]
    fn what_is_written_another_library_reads() {
        let file = write(&ramp(), 8000);
        let mut reader = hound::WavReader::new(Cursor::new(file)).unwrap();
        assert_eq!(reader.spec(), spec(1, 8000, 16, false));
        assert_eq!(reader.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), ramp());
    }

    #[test]
    fn every_width_gives_the_same_sound() {
        // hound writes 24 and 32 bits as WAVE_FORMAT_EXTENSIBLE.
        for bits in [24u16, 32] {
            let file = by_hound(spec(1, 8000, bits, false), |w| {
                ramp().iter().for_each(|s| w.write_sample(i32::from(*s) << (bits - 16)).unwrap());
            });
            assert_eq!(read(&file, Channels::Mix).unwrap().samples, ramp(), "{bits} bits");
        }
        let file = by_hound(spec(1, 8000, 32, true), |w| {
            ramp().iter().for_each(|s| w.write_sample(f32::from(*s) / 32_768.0).unwrap());
        });
        assert_eq!(read(&file, Channels::Mix).unwrap().samples, ramp());
        let doubles: Vec<u8> = ramp().iter().flat_map(|s| (f64::from(*s) / 32_768.0).to_le_bytes()).collect();
        assert_eq!(read(&write_encoded(TAG_FLOAT, 64, 1, 8000, &doubles), Channels::Mix).unwrap().samples, ramp());
        let eight = by_hound(spec(1, 8000, 8, false), |w| {
            ramp().iter().for_each(|s| w.write_sample((*s >> 8) as i8).unwrap());
        });
        let coarse: Vec<i16> = ramp().iter().map(|s| s >> 8 << 8).collect();
        assert_eq!(read(&eight, Channels::Mix).unwrap().samples, coarse);
    }

    #[test]
    fn g711_files_are_decoded() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mulaw = read(&write_encoded(TAG_MULAW, 8, 1, 8000, &bytes), Channels::Mix).unwrap();
        assert_eq!(mulaw.samples, bytes.iter().map(|b| g711::decode_mulaw(*b)).collect::<Vec<_>>());
        let alaw = read(&write_encoded(TAG_ALAW, 8, 1, 8000, &bytes), Channels::Mix).unwrap();
        assert_eq!(alaw.samples, bytes.iter().map(|b| g711::decode_alaw(*b)).collect::<Vec<_>>());
    }

    #[test]
    fn channels_are_mixed_or_one_is_picked() {
        let file = by_hound(spec(2, 8000, 16, false), |w| {
            for n in 0..500i16 {
                w.write_sample(n).unwrap();
                w.write_sample(-3 * n).unwrap();
            }
        });
        assert_eq!(read(&file, Channels::Mix).unwrap().samples, (0..500).map(|n| -n).collect::<Vec<i16>>());
        assert_eq!(read(&file, Channels::Pick(1)).unwrap().samples[7], -21);
        let refused = read(&file, Channels::Pick(2)).unwrap_err();
        assert_eq!(refused.to_string(), "channel 2 was asked for, the WAV file has 2 (counted from 0)");
    }

    #[test]
    fn another_rate_keeps_the_times() {
        for rate in [6_000u32, 11_025, 16_000, 44_100, 48_000] {
            let file = by_hound(spec(1, rate, 16, false), |w| {
                for n in 0..rate {
                    w.write_sample(if n == rate / 2 { 30_000i16 } else { 0 }).unwrap();
                }
            });
            let samples = read(&file, Channels::Mix).unwrap().samples;
            assert_eq!(samples.len(), 8000, "{rate} Hz");
            let peak = (0..8000).max_by_key(|n| samples[*n].unsigned_abs()).unwrap();
            assert!(peak.abs_diff(4000) <= 1, "{rate} Hz: the click at 0.5 s is at sample {peak}");
        }
    }

    #[test]
    fn other_chunks_are_passed_over_and_a_missing_length_is_forgiven() {
        let file = write(&ramp(), 8000);
        let mut odd = file[..12].to_vec();
        odd.extend(b"LIST\x03\0\0\0abc\0");
        odd.extend(&file[12..]);
        assert_eq!(read(&odd, Channels::Mix).unwrap().samples, ramp());
        let mut streamed = file.clone();
        streamed[40..44].fill(0xFF);
        assert_eq!(read(&streamed, Channels::Mix).unwrap().samples, ramp());
        assert_eq!(read(&file[..file.len() - 101], Channels::Mix).unwrap().samples, ramp()[..2000 - 51]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let told = |file: &[u8]| read(file, Channels::Mix).unwrap_err().to_string();
        let file = write(&ramp(), 8000);
        assert_eq!(told(b"ID3\x03"), "not a WAV file: it does not begin with RIFF and WAVE");
        assert_eq!(told(&file[..20]), "WAV file ends within its fmt chunk");
        assert_eq!(told(&file[..36]), "WAV file has no data chunk");
        assert_eq!(told(&file[..12]), "WAV file has no fmt chunk");
        assert!(told(&write_encoded(0x31, 0, 1, 8000, &[])).starts_with("WAV format 0x0031 with 0 bits is not read"));
        assert_eq!(told(&write_encoded(TAG_PCM, 16, 0, 8000, &[])), "WAV file says it has no channel");
        assert!(told(&write(&[0; 10], 500)).contains("sampling rate of 500 Hz"));
    }

    proptest! {
        #[test]
        fn no_file_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..60, keep: bool) {
            let mut file = write(&[1, 2, 3, 4, 5], 8000);
            if keep {
                // Damage a good file in one place instead of trying noise.
                let damage: Vec<u8> = bytes.drain(..bytes.len().min(4)).collect();
                for (place, byte) in file.iter_mut().skip(at).zip(damage) {
                    *place = byte;
                }
                drop(read(&file, Channels::Mix));
            } else {
                drop(read(&bytes, Channels::Pick(1)));
            }
        }
    }
}
