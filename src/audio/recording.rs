//! Recordings of any kind that is read: told by how they begin.

use std::fmt;

use crate::audio::wav::{Channels, Recording};
use crate::audio::{flac, wav};

/// Why a recording cannot be read.
#[derive(Debug)]
pub enum RecordingError {
    /// It is neither WAV nor FLAC.
    Unknown,
    /// It is WAV, and cannot be read.
    Wav(wav::WavError),
    /// It is FLAC, and cannot be read.
    Flac(flac::FlacError),
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("neither a WAV file nor a FLAC file"),
            Self::Wav(why) => why.fmt(f),
            Self::Flac(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for RecordingError {}

/// Reads a whole recording, WAV or FLAC.
///
/// # Errors
/// If it is neither, or damaged, or in a form that is not read.
pub fn read(bytes: &[u8], channels: Channels) -> Result<Recording, RecordingError> {
    if bytes.starts_with(b"fLaC") {
        return flac::read(bytes, channels).map_err(RecordingError::Flac);
    }
    match wav::read(bytes, channels) {
        Err(wav::WavError::NotWav) => Err(RecordingError::Unknown),
        read => read.map_err(RecordingError::Wav),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_tells_the_kind() {
        assert_eq!(read(&wav::write(&[1, 2, 3], 8000), Channels::Mix).unwrap().samples, [1, 2, 3]);
        let error = |bytes: &[u8]| read(bytes, Channels::Mix).unwrap_err().to_string();
        assert_eq!(error(b""), "neither a WAV file nor a FLAC file");
        assert_eq!(error(b"OggS and so on"), "neither a WAV file nor a FLAC file");
        assert!(error(b"fLaC").starts_with("FLAC file: "));
        assert_eq!(error(b"RIFF\0\0\0\0WAVE"), "WAV file has no fmt chunk");
    }
}
