//! Sound from Input-Waveform-URI, and the header for sound that was saved: RFC 6787 sections 9.4.8 and 9.4.10.

use std::sync::Arc;

use crate::audio::resample::Resampler;
use crate::audio::wav::{self, Channels};
use crate::audio::{SAMPLE_RATE, g711};
use crate::grammar::Document;
use crate::session::Waveform;
use crate::wire::mrcp::MediaType;

/// The sound of a document, at [`SAMPLE_RATE`]: WAV, or `audio/basic` with or without the header
/// of an `.au` file. What the content says goes before what the media type says.
///
/// # Errors
/// Why it can't be read, for a person.
pub(super) fn decode(document: &Document) -> Result<Arc<[i16]>, String> {
    let bytes = document.bytes.as_slice();
    let media_type = document.media_type.as_deref().and_then(MediaType::parse);
    let essence = media_type.as_ref().map_or("", |media_type| media_type.essence.as_str());
    let samples = if bytes.starts_with(b"RIFF") || bytes.starts_with(b"RF64") {
        wav::read(bytes, Channels::Mix).map_err(|error| error.to_string())?.samples
    } else if bytes.starts_with(b".snd") {
        au(bytes)?
    } else if essence == "audio/basic" {
        bytes.iter().map(|byte| g711::decode_mulaw(*byte)).collect()
    } else {
        let named = if essence.is_empty() { "a document without a media type" } else { essence };
        return Err(format!("{named} is no sound that can be read: WAV and audio/basic are"));
    };
    if samples.is_empty() { Err("the sound is empty".to_owned()) } else { Ok(samples.into()) }
}

/// A file of Sun's `.au` format: six words, big endian, and the sound.
fn au(bytes: &[u8]) -> Result<Vec<i16>, String> {
    let word = |at: usize| {
        let four = bytes.get(at * 4..at * 4 + 4)?;
        Some(u32::from_be_bytes(four.try_into().ok()?))
    };
    let header = (word(1), word(3), word(4), word(5));
    let (Some(offset), Some(encoding), Some(rate), Some(channels)) = header else {
        return Err("the .au file ends in its header".to_owned());
    };
    let sound = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
    let sound = sound.ok_or_else(|| "the .au file ends before its sound".to_owned())?;
    let samples: Vec<i16> = match encoding {
        1 => sound.iter().map(|byte| g711::decode_mulaw(*byte)).collect(),
        3 => sound.chunks_exact(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect(),
        27 => sound.iter().map(|byte| g711::decode_alaw(*byte)).collect(),
        other => return Err(format!("an .au file of encoding {other} is not read")),
    };
    let channels = usize::try_from(channels).ok().filter(|channels| (1..=16).contains(channels));
    let channels = channels.ok_or_else(|| "the .au file has no channel, or too many".to_owned())?;
    #[allow(clippy::cast_precision_loss, reason = "at most 16 channels")]
    let mixed = samples
        .chunks_exact(channels)
        .map(|frame| frame.iter().map(|sample| f32::from(*sample)).sum::<f32>() / channels as f32);
    if rate == SAMPLE_RATE && channels == 1 {
        return Ok(samples);
    }
    let mut resampler = Resampler::new(rate).map_err(|error| error.to_string())?;
    // What the filter holds back at the end comes out by silence.
    let length = samples.len() / channels * SAMPLE_RATE as usize / rate as usize;
    let delay = resampler.delay();
    let silence = std::iter::repeat_n(0.0, (delay + 1) * rate as usize / SAMPLE_RATE as usize + 1);
    let mut out = Vec::with_capacity(length + delay);
    resampler.push(mixed.chain(silence), &mut out);
    Ok(out.into_iter().skip(delay).take(length).collect())
}

/// The value of Waveform-URI; empty if nothing was kept.
pub(super) fn waveform_uri(waveform: Option<&Waveform>) -> String {
    waveform.filter(|waveform| !waveform.uri.is_empty()).map_or_else(String::new, |waveform| {
        format!("<{}>;size={};duration={}", waveform.uri, waveform.bytes, waveform.ms)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(media_type: Option<&str>, bytes: &[u8]) -> Document {
        Document { media_type: media_type.map(str::to_owned), bytes: bytes.to_vec(), ..Document::default() }
    }

    fn tone(rate: u32, samples: u32) -> Vec<i16> {
        let sample = |at: u32| (f64::from(at) * 1000.0 * std::f64::consts::TAU / f64::from(rate)).sin() * 8000.0;
        (0..samples).map(|at| sample(at) as i16).collect()
    }

    fn au_file(encoding: u32, rate: u32, channels: u32, sound: &[u8]) -> Vec<u8> {
        let mut bytes = b".snd".to_vec();
        for word in [28, u32::MAX, encoding, rate, channels, 0] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(sound);
        bytes
    }

    #[test]
    fn sound_in_its_formats() {
        let sound = tone(8000, 800);
        let mulaw: Vec<u8> = sound.iter().map(|sample| g711::encode_mulaw(*sample)).collect();
        let expected: Vec<i16> = mulaw.iter().map(|byte| g711::decode_mulaw(*byte)).collect();
        let wav = decode(&document(Some("audio/x-wav"), &wav::write(&sound, 8000))).unwrap();
        assert_eq!(*wav, *sound);
        // What it is goes before what it is called.
        assert_eq!(*decode(&document(Some("text/plain"), &wav::write(&sound, 8000))).unwrap(), *sound);
        assert_eq!(*decode(&document(Some("audio/basic; rate=8000"), &mulaw)).unwrap(), *expected);
        assert_eq!(*decode(&document(None, &au_file(1, 8000, 1, &mulaw))).unwrap(), *expected);
    }

    #[test]
    fn other_rates_and_channels_are_brought_to_ours() {
        let wide: Vec<u8> =
            tone(16_000, 3200).iter().flat_map(|sample| [*sample; 2]).flat_map(i16::to_be_bytes).collect();
        let heard = decode(&document(None, &au_file(3, 16_000, 2, &wide))).unwrap();
        let sound = tone(8000, 1600);
        assert_eq!(heard.len(), sound.len());
        let differ = |(a, b): (&i16, &i16)| (i32::from(*a) - i32::from(*b)).abs();
        assert!(heard.iter().zip(&sound).skip(100).take(1400).map(differ).max().unwrap() < 400);
    }

    #[test]
    fn what_is_no_sound() {
        for (media_type, bytes, reason) in [
            (Some("text/html"), &b"<html>"[..], "text/html is no sound that can be read: WAV and audio/basic are"),
            (None, b"x", "a document without a media type is no sound that can be read: WAV and audio/basic are"),
            (Some("audio/basic"), b"", "the sound is empty"),
            (None, b".snd1234", "the .au file ends in its header"),
            (None, &au_file(2, 8000, 1, b""), "an .au file of encoding 2 is not read"),
            (None, &au_file(1, 8000, 0, b""), "the .au file has no channel, or too many"),
        ] {
            assert_eq!(decode(&document(media_type, bytes)).unwrap_err(), reason);
        }
        assert!(decode(&document(None, &au_file(1, 500, 1, b"abc"))).is_err());
        assert!(decode(&document(None, b"RIFFxxxx")).is_err());
    }

    #[test]
    fn the_header_of_a_recording() {
        let waveform = Waveform { uri: "http://h/w/1.wav".to_owned(), bytes: 44, ms: 20 };
        assert_eq!(waveform_uri(Some(&waveform)), "<http://h/w/1.wav>;size=44;duration=20");
        assert_eq!(waveform_uri(Some(&Waveform { uri: String::new(), ..waveform })), "");
        assert_eq!(waveform_uri(None), "");
    }
}
