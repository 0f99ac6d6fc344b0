//! The forms in which recordings are kept: Media-Type, RFC 6787 section 9.4.9.

use crate::audio::{SAMPLE_RATE, g711, wav};

/// A form of recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Format {
    /// WAV with linear samples of 16 bits.
    Wav,
    /// The `.au` file of mu-law that `audio/basic` names (RFC 2046 section 4.3 has it without a header; readers know it
    /// by the header).
    Basic,
}

impl Format {
    /// The form that a client asks for. The session lets only those pass that are served.
    pub(super) fn of(media_type: Option<&str>) -> Self {
        let essence = media_type.and_then(|text| text.split(';').next()).unwrap_or_default();
        if essence.trim().eq_ignore_ascii_case("audio/basic") { Self::Basic } else { Self::Wav }
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Basic => "audio/basic",
        }
    }

    /// The end of the name.
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Basic => "au",
        }
    }

    pub(super) fn of_extension(extension: &str) -> Option<Self> {
        [Self::Wav, Self::Basic].into_iter().find(|format| format.extension() == extension)
    }

    /// Length of so many samples in bytes.
    pub(super) const fn length(self, samples: usize) -> u64 {
        match self {
            Self::Wav => 44 + 2 * samples as u64,
            Self::Basic => 24 + samples as u64,
        }
    }

    /// Writes linear samples at [`SAMPLE_RATE`].
    pub(super) fn write(self, samples: &[i16]) -> Vec<u8> {
        match self {
            Self::Wav => wav::write(samples, SAMPLE_RATE),
            Self::Basic => {
                let mut file = b".snd".to_vec();
                for word in [24, u32::try_from(samples.len()).unwrap_or(u32::MAX), 1, SAMPLE_RATE, 1] {
                    file.extend(word.to_be_bytes());
                }
                file.extend(samples.iter().map(|sample| g711::encode_mulaw(*sample)));
                file
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_chooses() {
        for text in [None, Some("audio/wav"), Some("audio/x-wav"), Some("AUDIO/WAV;rate=8000")] {
            assert_eq!(Format::of(text), Format::Wav);
        }
        assert_eq!(Format::of(Some("Audio/Basic ; x=1")), Format::Basic);
    }

    #[test]
    fn lengths_are_those_of_the_files() {
        let samples: Vec<i16> = (0..1_001).map(|n| n * 31).collect();
        for format in [Format::Wav, Format::Basic] {
            let file = format.write(&samples);
            assert_eq!(file.len() as u64, format.length(samples.len()));
            assert_eq!(Format::of_extension(format.extension()), Some(format));
        }
        let file = Format::Basic.write(&samples);
        assert_eq!(&file[..8], b".snd\0\0\0\x18");
        assert_eq!(g711::decode_mulaw(file[24]), 0);
    }
}
