//! FLAC files: any rate, channels and width in, [`SAMPLE_RATE`](crate::audio::SAMPLE_RATE) mono out.

use std::fmt;

use crate::audio::resample::UnsupportedRate;
use crate::audio::wav::{Channels, Encoding, Recording, mono};

/// Why a FLAC file cannot be read.
#[derive(Debug)]
pub enum FlacError {
    /// It is damaged, cut off, or not FLAC.
    Decoding(claxon::Error),
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

impl fmt::Display for FlacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decoding(why) => write!(f, "FLAC file: {why}"),
            Self::NoSuchChannel { asked, channels } => {
                write!(f, "channel {asked} was asked for, the FLAC file has {channels} (counted from 0)")
            }
            Self::Rate(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for FlacError {}

/// Reads a whole FLAC file.
///
/// # Errors
/// If the file is damaged or cut off, or of a rate that is not read.
pub fn read(bytes: &[u8], channels: Channels) -> Result<Recording, FlacError> {
    let mut reader = claxon::FlacReader::new(bytes).map_err(FlacError::Decoding)?;
    let form = reader.streaminfo();
    // A FLAC stream has 1 to 8 channels of 4 to 32 bits.
    let (count, bits) = (form.channels as u16, form.bits_per_sample as u16);
    if let Channels::Pick(asked) = channels
        && asked >= count
    {
        return Err(FlacError::NoSuchChannel { asked, channels: count });
    }
    let scale = 2.0_f32.powi(16 - i32::from(bits));
    let mut sound = Vec::new();
    let mut blocks = reader.blocks();
    let mut buffer = Vec::new();
    while let Some(block) = blocks.read_next_or_eof(buffer).map_err(FlacError::Decoding)? {
        sound.extend((0..block.duration()).map(|at| match channels {
            Channels::Mix => {
                let sum: f32 = (0..block.channels()).map(|channel| block.sample(channel, at) as f32).sum();
                sum * scale / f32::from(count)
            }
            // A block may have fewer channels than its file says.
            Channels::Pick(channel) if u32::from(channel) < block.channels() => {
                block.sample(u32::from(channel), at) as f32 * scale
            }
            Channels::Pick(_) => 0.0,
        }));
        buffer = block.into_buffer();
    }
    let samples = mono(form.sample_rate, sound.len() as u64, sound.into_iter()).map_err(FlacError::Rate)?;
    Ok(Recording { samples, rate: form.sample_rate, channels: count, encoding: Encoding::Pcm { bits } })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audio::wav;

    /// Writes bits, the highest first.
    #[derive(Default)]
    struct Bits {
        bytes: Vec<u8>,
        free: u32,
    }

    impl Bits {
        fn put(&mut self, value: u64, count: u32) {
            for bit in (0..count).rev() {
                if self.free == 0 {
                    self.bytes.push(0);
                    self.free = 8;
                }
                self.free -= 1;
                if value >> bit & 1 == 1 {
                    *self.bytes.last_mut().unwrap() |= 1 << self.free;
                }
            }
        }
    }

    fn crc(bytes: &[u8], polynomial: u32, width: u32) -> u64 {
        let mut crc = 0u32;
        for byte in bytes {
            crc ^= u32::from(*byte) << (width - 8);
            for _ in 0..8 {
                crc = if crc >> (width - 1) & 1 == 1 { crc << 1 ^ polynomial } else { crc << 1 } & ((1 << width) - 1);
            }
        }
        u64::from(crc)
    }

    /// A FLAC file of one frame with verbatim subframes (RFC 9639 sections 8 and 9): at most 256 samples a channel.
    fn file(rate: u32, bits: u32, channels: &[&[i32]]) -> Vec<u8> {
        let samples = channels[0].len() as u64;
        let mut out = Bits::default();
        out.bytes.extend(b"fLaC");
        out.put(0x80, 8);
        out.put(34, 24);
        out.put(samples.max(16), 16);
        out.put(samples.max(16), 16);
        out.put(0, 48);
        out.put(u64::from(rate), 20);
        out.put(channels.len() as u64 - 1, 3);
        out.put(u64::from(bits) - 1, 5);
        out.put(samples, 36);
        out.bytes.extend([0; 16]);
        let frame = out.bytes.len();
        out.put(0xfff8, 16);
        out.put(0b0110_0000, 8);
        out.put(channels.len() as u64 - 1, 4);
        let width = [(8, 0b001), (16, 0b100), (24, 0b110)].into_iter().find(|(width, _)| *width == bits);
        out.put(width.unwrap().1, 3);
        out.put(0, 1);
        out.put(0, 8);
        out.put(samples - 1, 8);
        let head = crc(&out.bytes[frame..], 0x07, 8);
        out.put(head, 8);
        for channel in channels {
            out.put(0b0000_0010, 8);
            for sample in *channel {
                out.put(*sample as u64 & ((1 << bits) - 1), bits);
            }
        }
        let whole = crc(&out.bytes[frame..], 0x8005, 16);
        out.put(whole, 16);
        out.bytes
    }

    fn ramp(bits: u32) -> Vec<i32> {
        (0..200).map(|n| (n * 327 - 32_700) << bits >> 16).collect()
    }

    #[test]
    fn sixteen_bits_are_untouched_and_other_widths_scaled() {
        for bits in [8, 16, 24] {
            let sound: Vec<i32> = ramp(bits);
            let recording = read(&file(8000, bits, &[&sound]), Channels::Mix).unwrap();
            let wanted: Vec<i16> = sound.iter().map(|sample| (*sample << (24 - bits) >> 8) as i16).collect();
            assert_eq!(recording.samples, wanted, "{bits} bits");
            assert_eq!((recording.rate, recording.channels), (8000, 1));
        }
    }

    #[test]
    fn channels_are_mixed_or_one_is_picked_and_rates_brought_to_one() {
        let (left, right) = (ramp(16), vec![100; 200]);
        let bytes = file(8000, 16, &[&left, &right]);
        assert_eq!(read(&bytes, Channels::Pick(1)).unwrap().samples, [100; 200]);
        assert_eq!(read(&bytes, Channels::Mix).unwrap().samples[2], ((left[2] + 100) / 2) as i16);
        let refused = read(&bytes, Channels::Pick(2)).unwrap_err().to_string();
        assert_eq!(refused, "channel 2 was asked for, the FLAC file has 2 (counted from 0)");
        let wide: Vec<i16> = left.iter().map(|sample| *sample as i16).collect();
        let as_wav = wav::read(&wav::write(&wide, 16_000), Channels::Mix).unwrap();
        assert_eq!(read(&file(16_000, 16, &[&left]), Channels::Mix).unwrap().samples, as_wav.samples);
    }

    #[test]
    fn a_damaged_or_cut_file_is_refused() {
        let sound = ramp(16);
        let mut bytes = file(8000, 16, &[&sound]);
        assert!(read(&bytes[..bytes.len() - 40], Channels::Mix).unwrap_err().to_string().starts_with("FLAC file: "));
        *bytes.last_mut().unwrap() ^= 1;
        assert!(read(&bytes, Channels::Mix).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(at in 0usize..480, byte in any::<u8>(), cut in 0usize..480, pick in any::<bool>()) {
            let mut bytes = file(8000, 16, &[&ramp(16)]);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            bytes.truncate(bytes.len().saturating_sub(cut));
            drop(read(&bytes, if pick { Channels::Pick(0) } else { Channels::Mix }));
        }
    }
}
