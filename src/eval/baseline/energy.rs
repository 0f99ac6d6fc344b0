//! The energy rules of Asterisk's AMD application, after its documentation and its sample configuration.
//!
//! Frames of 20 ms are voice or silence by their mean absolute sample. Words and silences are timed, and the first rule that
//! holds decides. Nothing else of the sound is looked at.

/// Milliseconds of a frame.
const FRAME_MS: u64 = 20;
/// Samples of a frame.
const FRAME: usize = 160;

/// The settings of `amd.conf`, in its words; times in milliseconds. The default is the sample configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnergyRules {
    /// After so long nothing is decided any more.
    pub total_analysis_time: u64,
    /// Mean absolute sample below which a frame is silence.
    pub silence_threshold: u64,
    /// Silence before the greeting that is a machine's.
    pub initial_silence: u64,
    /// Silence after the greeting that is a person's.
    pub after_greeting_silence: u64,
    /// Voice, all words together, that is a machine's.
    pub greeting: u64,
    /// Voice from here on is a word.
    pub min_word_length: u64,
    /// One word so long is a machine's.
    pub maximum_word_length: u64,
    /// Silence that ends a word.
    pub between_words_silence: u64,
    /// More words are a machine's.
    pub maximum_number_of_words: u64,
}

impl Default for EnergyRules {
    fn default() -> Self {
        Self {
            total_analysis_time: 5_000,
            silence_threshold: 256,
            initial_silence: 2_500,
            after_greeting_silence: 800,
            greeting: 1_500,
            min_word_length: 100,
            maximum_word_length: 5_000,
            between_words_silence: 50,
            maximum_number_of_words: 2,
        }
    }
}

/// What the rules make of a call: `AMDSTATUS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A person.
    Human,
    /// A machine.
    Machine,
    /// The time was over before any rule held.
    NotSure,
}

/// Which rule decided: the first word of `AMDCAUSE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Silence from the beginning.
    InitialSilence,
    /// Silence after a greeting.
    Human,
    /// A long greeting.
    LongGreeting,
    /// A long word.
    MaxWordLength,
    /// Many words.
    MaxWords,
    /// None, in the time there was.
    TooLong,
}

impl Cause {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InitialSilence => "INITIALSILENCE",
            Self::Human => "HUMAN",
            Self::LongGreeting => "LONGGREETING",
            Self::MaxWordLength => "MAXWORDLENGTH",
            Self::MaxWords => "MAXWORDS",
            Self::TooLong => "TOOLONG",
        }
    }
}

/// What the rules decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Analysis {
    /// Who answered.
    pub status: Status,
    /// By which rule.
    pub cause: Cause,
    /// When, in milliseconds of the recording.
    pub at_ms: u64,
}

/// What is timed while the rules listen, in milliseconds.
#[derive(Default)]
struct Timed {
    silence: u64,
    /// Voice since the last silence between words.
    word: u64,
    /// All voice.
    voice: u64,
    words: u64,
    in_word: bool,
    in_greeting: bool,
}

impl EnergyRules {
    /// What is decided of a call. After its end there is silence.
    #[must_use]
    pub fn decide(&self, samples: &[i16]) -> Analysis {
        // Voice from the very beginning belongs to a word that is not counted.
        let mut timed = Timed { in_word: true, ..Timed::default() };
        let mut frames = samples.chunks(FRAME);
        let mut at_ms = 0;
        loop {
            at_ms += FRAME_MS;
            if at_ms >= self.total_analysis_time {
                return Analysis { status: Status::NotSure, cause: Cause::TooLong, at_ms };
            }
            let voice = frames.next().is_some_and(|frame| mean_level(frame) >= self.silence_threshold);
            if let Some((status, cause)) = if voice { self.voice(&mut timed) } else { self.silence(&mut timed) } {
                return Analysis { status, cause, at_ms };
            }
        }
    }

    fn silence(&self, timed: &mut Timed) -> Option<(Status, Cause)> {
        timed.silence += FRAME_MS;
        if timed.silence >= self.between_words_silence {
            timed.in_word = false;
            timed.word = 0;
        }
        if !timed.in_greeting && timed.silence >= self.initial_silence {
            Some((Status::Machine, Cause::InitialSilence))
        } else if timed.in_greeting && timed.silence >= self.after_greeting_silence {
            Some((Status::Human, Cause::Human))
        } else {
            None
        }
    }

    fn voice(&self, timed: &mut Timed) -> Option<(Status, Cause)> {
        timed.silence = 0;
        timed.word += FRAME_MS;
        timed.voice += FRAME_MS;
        if timed.word >= self.min_word_length && !timed.in_word {
            timed.words += 1;
            timed.in_word = true;
        }
        if timed.word >= self.maximum_word_length {
            return Some((Status::Machine, Cause::MaxWordLength));
        }
        if timed.words > self.maximum_number_of_words {
            return Some((Status::Machine, Cause::MaxWords));
        }
        if timed.in_greeting && timed.voice >= self.greeting {
            return Some((Status::Machine, Cause::LongGreeting));
        }
        if timed.word >= self.min_word_length {
            timed.in_greeting = true;
        }
        None
    }
}

fn mean_level(frame: &[i16]) -> u64 {
    frame.iter().map(|sample| u64::from(sample.unsigned_abs())).sum::<u64>() / frame.len().max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of a level for so long, as pairs of both.
    fn call(parts: &[(i16, usize)]) -> Vec<i16> {
        let sound = |(level, ms): &(i16, usize)| {
            let level = *level;
            (0..ms * 8).map(move |n| if n % 3 == 0 { -level } else { level })
        };
        parts.iter().flat_map(sound).collect()
    }

    fn told(parts: &[(i16, usize)]) -> (Status, Cause, u64) {
        let Analysis { status, cause, at_ms } = EnergyRules::default().decide(&call(parts));
        (status, cause, at_ms)
    }

    #[test]
    fn a_hello_and_then_silence_is_a_person() {
        // 800 ms after the word's end.
        assert_eq!(told(&[(0, 500), (3_000, 500), (0, 3_000)]), (Status::Human, Cause::Human, 1_800));
        // The end of the sound is silence, too.
        assert_eq!(told(&[(0, 500), (3_000, 500)]), (Status::Human, Cause::Human, 1_800));
    }

    #[test]
    fn each_rule_tells_a_machine() {
        assert_eq!(told(&[(0, 4_000)]), (Status::Machine, Cause::InitialSilence, 2_500));
        assert_eq!(told(&[(255, 4_000)]), (Status::Machine, Cause::InitialSilence, 2_500));
        assert_eq!(told(&[(0, 500), (3_000, 4_000)]), (Status::Machine, Cause::LongGreeting, 2_000));
        let words = [(0, 500), (3_000, 200), (0, 100), (3_000, 200), (0, 100), (3_000, 200), (0, 2_000)];
        assert_eq!(told(&words), (Status::Machine, Cause::MaxWords, 1_200));
        let rules = EnergyRules { maximum_word_length: 1_000, ..EnergyRules::default() };
        assert_eq!(rules.decide(&call(&[(3_000, 2_000)])).cause, Cause::MaxWordLength);
    }

    #[test]
    fn short_voice_is_no_word_and_short_silence_no_pause() {
        // Clicks of 80 ms never begin a greeting.
        let clicks = [(0, 1_000), (3_000, 80), (0, 1_000), (3_000, 80), (0, 4_000)];
        assert_eq!(told(&clicks), (Status::Machine, Cause::InitialSilence, 4_660));
        let one_word = [(0, 500), (3_000, 200), (0, 40), (3_000, 200), (0, 40), (3_000, 200), (0, 2_000)];
        assert_eq!(told(&one_word).0, Status::Human);
    }

    #[test]
    fn what_no_rule_tells_is_not_sure_in_the_end() {
        let slow = [(3_000, 120), (0, 700), (3_000, 120), (0, 700), (3_000, 120), (0, 700)];
        let rules = EnergyRules { maximum_number_of_words: 9, after_greeting_silence: 4_000, ..EnergyRules::default() };
        let analysis = rules.decide(&call(&slow));
        assert_eq!((analysis.status, analysis.cause, analysis.at_ms), (Status::NotSure, Cause::TooLong, 5_000));
    }
}
