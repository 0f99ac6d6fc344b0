//! Sampled sound: frames and sample time, and the codecs between bytes and samples.

pub mod codec;
pub mod flac;
pub mod g711;
pub mod l16;
#[cfg(feature = "opus")]
pub mod opus;
pub mod recording;
pub mod resample;
pub mod wav;

/// Samples per second inside answerd. Everything that comes in is brought to this rate, mono, 16 bit.
pub const SAMPLE_RATE: u32 = 8000;

/// A moment of a stream of sound: samples at [`SAMPLE_RATE`] since the stream began. Detection knows no other time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SampleTime(pub u64);

impl SampleTime {
    /// Seconds since the stream began.
    #[must_use]
    pub fn as_secs(self) -> f64 {
        self.0 as f64 / f64::from(SAMPLE_RATE)
    }

    /// The moment `ms` milliseconds after this one.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0 + ms * u64::from(SAMPLE_RATE) / 1000)
    }

    /// Milliseconds from `earlier` to this moment, 0 if `earlier` is later.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) * 1000 / u64::from(SAMPLE_RATE)
    }
}

/// A stretch of a stream, of any length; consecutive frames make the stream, so each has its place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Sound that arrived: linear 16 bit samples at [`SAMPLE_RATE`].
    Sound(&'a [i16]),
    /// Sound that did not arrive (lost, late, suppressed by the sender): not silence, unknown.
    Missing {
        /// Length of the hole in samples.
        samples: usize,
    },
}

impl Frame<'_> {
    /// Length in samples.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Sound(sound) => sound.len(),
            Self::Missing { samples } => *samples,
        }
    }

    /// Whether it has no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is left after the first `samples`, of which it has at least so many.
    #[must_use]
    pub fn skip(self, samples: usize) -> Self {
        match self {
            Self::Sound(sound) => Self::Sound(&sound[samples..]),
            Self::Missing { samples: all } => Self::Missing { samples: all - samples },
        }
    }
}

/// Sound with holes in it: from, length, in samples; in order, apart and inside.
#[must_use]
pub fn frames<'a>(sound: &'a [i16], holes: &[(usize, usize)]) -> Vec<Frame<'a>> {
    let mut frames = Vec::new();
    let mut at = 0;
    for &(from, samples) in holes {
        frames.extend([Frame::Sound(&sound[at..from]), Frame::Missing { samples }]);
        at = from + samples;
    }
    frames.push(Frame::Sound(&sound[at..]));
    frames
}

/// The nearest 16 bit sample; beyond full scale it is clipped, and what is no number is silence.
fn to_i16(sample: f32) -> i16 {
    sample.round() as i16
}
