//! Numbers to bytes and back: small ones take one byte, numbers that go on as before take none.

use crate::audio::SampleTime;
use crate::detect::activity::Cadence;
use crate::detect::beep::Candidate;
use crate::detect::belief::{CLASSES, Posteriors};
use crate::detect::call_progress::Progress;
use crate::detect::evidence::Evidence;
use crate::detect::fax::Fax;
use crate::detect::features::{FEATURES, Features};
use crate::detect::findings::FindingsError;
use crate::detect::sit::Sit;
use crate::detect::{BEEP_FEATURES, Beep, SitKind};

/// Numbers of a hop that stand still or go up evenly, and those that are levels and frequencies.
const COUNTS: usize = 18;
const LEVELS: usize = 5;
/// Steps of a feature per 1.0: they are of order 1, and the model's input layer sees no finer difference.
const FEATURE_STEPS: f32 = 2_048.0;
/// Every kind, in the order of its number.
const SIT_KINDS: [SitKind; 8] = [
    SitKind::Intercept,
    SitKind::VacantCode,
    SitKind::NoCircuitLocal,
    SitKind::NoCircuitDistant,
    SitKind::ReorderLocal,
    SitKind::ReorderDistant,
    SitKind::Itu,
    SitKind::Other,
];

/// Bytes on their way out.
#[derive(Debug, Clone, Default)]
pub(super) struct Out(pub(super) Vec<u8>);

impl Out {
    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Seven bits a byte, the lowest first; the eighth bit says that more follow.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// Small numbers of either sign are short.
    pub(super) fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> 63) as u64);
    }

    pub(super) fn float(&mut self, number: f32) {
        self.0.extend(number.to_le_bytes());
    }

    pub(super) fn time(&mut self, time: SampleTime) {
        self.number(time.0);
    }

    pub(super) fn optional(&mut self, number: Option<u64>) {
        self.number(number.map_or(0, |number| number.saturating_add(1)));
    }
}

/// Bytes on their way in.
#[derive(Debug, Clone)]
pub(super) struct In<'a>(pub(super) &'a [u8]);

impl In<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> Result<u8, FindingsError> {
        let (first, rest) = self.0.split_first().ok_or(FindingsError::Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64, FindingsError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(FindingsError::Malformed)
    }

    pub(super) fn signed(&mut self) -> Result<i64, FindingsError> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(super) fn float(&mut self) -> Result<f32, FindingsError> {
        let (bytes, rest) = self.0.split_first_chunk::<4>().ok_or(FindingsError::Malformed)?;
        self.0 = rest;
        Ok(f32::from_le_bytes(*bytes))
    }

    pub(super) fn time(&mut self) -> Result<SampleTime, FindingsError> {
        Ok(SampleTime(self.number()?))
    }

    pub(super) fn optional(&mut self) -> Result<Option<u64>, FindingsError> {
        Ok(self.number()?.checked_sub(1))
    }
}

/// One hop's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Row {
    counts: [u64; COUNTS],
    levels: [u32; LEVELS],
}

impl Row {
    pub(super) fn new(evidence: &Evidence, cadence: &Cadence) -> Self {
        // Both in full, so that no number that is new can be forgotten here. Keys come apart; what is rare, too.
        let Evidence {
            end,
            missing,
            step: _,
            beeps: _,
            key: _,
            sit: _,
            fax: _,
            progress: _,
            progress_suspected,
            progress_span,
            tone,
            loudest_db,
            sounding,
        } = evidence;
        let Cadence {
            speech_on,
            speech_off,
            speaking,
            pause,
            longest_pause,
            bursts,
            utterances,
            first_utterance,
            utterance,
            burst,
            longest_burst,
            speech,
            since_on,
            before,
            peak_db,
        } = cadence;
        let flags = u64::from(*missing)
            | u64::from(*progress_suspected) << 1
            | u64::from(*speaking) << 2
            | u64::from(progress_span.is_some_and(|(_, _, form)| form)) << 3;
        let optional = |time: Option<SampleTime>| time.map_or(0, |time| time.0.saturating_add(1));
        Self {
            counts: [
                end.0,
                flags,
                optional(*speech_on),
                optional(*speech_off),
                u64::from(*pause),
                u64::from(*longest_pause),
                u64::from(*bursts),
                u64::from(*utterances),
                u64::from(*first_utterance),
                u64::from(*utterance),
                u64::from(*burst),
                u64::from(*longest_burst),
                u64::from(*speech),
                u64::from(*since_on),
                u64::from(*before),
                optional(progress_span.map(|(on, _, _)| on)),
                optional(progress_span.map(|(_, off, _)| off)),
                optional(tone.map(|(on, _)| on)),
            ],
            levels: [
                sounding[0].to_bits(),
                sounding[1].to_bits(),
                tone.map_or(0.0, |(_, level_db)| level_db).to_bits(),
                peak_db.to_bits(),
                loudest_db.to_bits(),
            ],
        }
    }

    /// The hop, but for what is rare.
    pub(super) fn hop(&self) -> Result<(Evidence, Cadence), FindingsError> {
        let [end, flags, speech_on, speech_off, ..] = self.counts;
        let optional = |number: u64| number.checked_sub(1).map(SampleTime);
        let small = |place: usize| u32::try_from(self.counts[place]).map_err(|_| FindingsError::Malformed);
        let level = |place: usize| f32::from_bits(self.levels[place]);
        let evidence = Evidence {
            missing: flags & 1 != 0,
            progress_suspected: flags & 2 != 0,
            progress_span: optional(self.counts[15])
                .zip(optional(self.counts[16]))
                .map(|(on, off)| (on, off, flags & 8 != 0)),
            tone: optional(self.counts[17]).map(|on| (on, level(2))),
            sounding: [level(0), level(1)],
            loudest_db: level(4),
            ..Evidence::nothing(SampleTime(end))
        };
        let cadence = Cadence {
            speech_on: optional(speech_on),
            speech_off: optional(speech_off),
            speaking: flags & 4 != 0,
            pause: small(4)?,
            longest_pause: small(5)?,
            bursts: small(6)?,
            utterances: small(7)?,
            first_utterance: small(8)?,
            utterance: small(9)?,
            burst: small(10)?,
            longest_burst: small(11)?,
            speech: small(12)?,
            since_on: small(13)?,
            before: small(14)?,
            peak_db: level(3),
        };
        Ok((evidence, cadence))
    }
}

/// What the next hop's numbers are likely to be, from those of the last two.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    last: Row,
    rise: [u64; COUNTS],
}

impl Course {
    /// Counts go on as they went, levels stay.
    fn likely(&self) -> Row {
        let counts = std::array::from_fn(|n| self.last.counts[n].wrapping_add(self.rise[n]));
        Row { counts, levels: self.last.levels }
    }

    fn follow(&mut self, row: Row) {
        self.rise = std::array::from_fn(|n| row.counts[n].wrapping_sub(self.last.counts[n]));
        self.last = row;
    }

    /// Takes a row; writes what is not as was likely: which numbers, then by how much. Tells whether it is just so, in which
    /// case nothing is written.
    pub(super) fn write(&mut self, row: Row, out: &mut Out, tag: u8) -> bool {
        let likely = self.likely();
        self.follow(row);
        if row == likely {
            return true;
        }
        let levels = (0..LEVELS).filter(|n| row.levels[*n] != likely.levels[*n]).map(|n| 1 << n).sum::<u64>();
        let counts =
            (0..COUNTS).filter(|n| row.counts[*n] != likely.counts[*n]).map(|n| 1 << (LEVELS + n)).sum::<u64>();
        out.byte(tag);
        out.number(levels | counts);
        for n in (0..LEVELS).filter(|n| levels & 1 << n != 0) {
            out.0.extend(row.levels[n].to_le_bytes());
        }
        for n in (0..COUNTS).filter(|n| counts & 1 << (LEVELS + n) != 0) {
            out.signed(row.counts[n].wrapping_sub(likely.counts[n]) as i64);
        }
        false
    }

    /// The next row, of which `input` tells what is not as was likely.
    pub(super) fn read(&mut self, input: &mut In<'_>) -> Result<Row, FindingsError> {
        let mut row = self.likely();
        let differing = input.number()?;
        for n in (0..LEVELS).filter(|n| differing & 1 << n != 0) {
            row.levels[n] = input.float()?.to_bits();
        }
        for n in (0..COUNTS).filter(|n| differing & 1 << (LEVELS + n) != 0) {
            row.counts[n] = row.counts[n].wrapping_add(input.signed()? as u64);
        }
        self.follow(row);
        Ok(row)
    }

    /// The next row, just as was likely.
    pub(super) fn go_on(&mut self) -> Row {
        let row = self.likely();
        self.follow(row);
        row
    }
}

/// Where in a hop's flags its tones begin that are notes of a tune, and how many have room. (Findings that were written before there was
/// such a thing have none.)
const FIRST_NOTE: usize = 2;
const MOST_NOTES: usize = 6;

/// Writes what is rare: tones that ended, and what the network or a fax machine said.
pub(super) fn write_rare(evidence: &Evidence, out: &mut Out) {
    out.number(evidence.beeps.len() as u64);
    let mut notes = 0_u8;
    for (n, candidate) in evidence.beeps.iter().enumerate() {
        let Candidate { beep: Beep { on, off, hz, level_db }, features: _, score, repeats, is_note } = candidate;
        out.time(*on);
        out.time(*off);
        [*hz, *level_db, *score].into_iter().for_each(|number| out.float(number));
        out.number(u64::from(*repeats));
        if *is_note && n < MOST_NOTES {
            notes |= 1 << (FIRST_NOTE + n);
        }
    }
    let flags = u8::from(evidence.sit.is_some()) | u8::from(evidence.progress.is_some()) << 1 | notes;
    out.byte(flags);
    if let Some(Sit { on, kind, hz }) = evidence.sit {
        out.time(on);
        out.byte(SIT_KINDS.iter().position(|known| *known == kind).unwrap_or(SIT_KINDS.len() - 1) as u8);
        hz.into_iter().for_each(|hz| out.float(hz));
    }
    if let Some(Progress { ringing, on, on_ms, off_ms, hz, cycles, level_db }) = evidence.progress {
        out.byte(u8::from(ringing));
        out.time(on);
        [on_ms, off_ms, u64::from(cycles)].into_iter().for_each(|number| out.number(number));
        out.float(hz);
        out.float(level_db);
    }
    match evidence.fax {
        None => out.byte(0),
        Some(Fax::Answer { on, hz }) => {
            out.byte(1);
            out.time(on);
            out.float(hz);
        }
        Some(Fax::CallingOnce { level_db }) => {
            out.byte(2);
            out.float(level_db);
        }
        Some(Fax::Calling { on }) => {
            out.byte(3);
            out.time(on);
        }
        Some(Fax::Flags { on }) => {
            out.byte(4);
            out.time(on);
        }
    }
}

/// Whether there is anything rare.
pub(super) fn is_rare(evidence: &Evidence) -> bool {
    !evidence.beeps.is_empty() || evidence.sit.is_some() || evidence.fax.is_some() || evidence.progress.is_some()
}

/// Reads what [`write_rare`] wrote into a hop.
pub(super) fn read_rare(evidence: &mut Evidence, input: &mut In<'_>) -> Result<(), FindingsError> {
    let small = |number: u64| u32::try_from(number).map_err(|_| FindingsError::Malformed);
    for _ in 0..input.number()? {
        let (on, off) = (input.time()?, input.time()?);
        let (hz, level_db, score) = (input.float()?, input.float()?, input.float()?);
        let beep = Beep { on, off, hz, level_db };
        // What the classifier saw is not kept: its score is.
        let features = [0.0; BEEP_FEATURES];
        evidence.beeps.push(Candidate { beep, features, score, repeats: small(input.number()?)?, is_note: false });
    }
    let flags = input.byte()?;
    for (n, candidate) in evidence.beeps.iter_mut().enumerate().take(MOST_NOTES) {
        candidate.is_note = flags >> (FIRST_NOTE + n) & 1 != 0;
    }
    if flags & 1 != 0 {
        let on = input.time()?;
        let kind = *SIT_KINDS.get(usize::from(input.byte()?)).ok_or(FindingsError::Malformed)?;
        evidence.sit = Some(Sit { on, kind, hz: [input.float()?, input.float()?, input.float()?] });
    }
    if flags & 2 != 0 {
        let (ringing, on) = (input.byte()? != 0, input.time()?);
        let (on_ms, off_ms, cycles) = (input.number()?, input.number()?, small(input.number()?)?);
        let (hz, level_db) = (input.float()?, input.float()?);
        evidence.progress = Some(Progress { ringing, on, on_ms, off_ms, hz, cycles, level_db });
    }
    evidence.fax = match input.byte()? {
        0 => None,
        1 => Some(Fax::Answer { on: input.time()?, hz: input.float()? }),
        2 => Some(Fax::CallingOnce { level_db: input.float()? }),
        3 => Some(Fax::Calling { on: input.time()? }),
        4 => Some(Fax::Flags { on: input.time()? }),
        _ => return Err(FindingsError::Malformed),
    };
    Ok(())
}

/// Steps of a feature, of which the differences to the step before are written.
pub(super) type Steps = [i64; FEATURES];

pub(super) fn write_features(features: &Features, last: &mut Steps, out: &mut Out) {
    for (feature, last) in features.iter().zip(last) {
        let steps = (feature * FEATURE_STEPS).round() as i64;
        out.signed(steps - *last);
        *last = steps;
    }
}

pub(super) fn read_features(last: &mut Steps, input: &mut In<'_>) -> Result<Features, FindingsError> {
    for last in last.iter_mut() {
        *last = last.wrapping_add(input.signed()?);
    }
    Ok(std::array::from_fn(|n| last[n] as f32 / FEATURE_STEPS))
}

pub(super) fn write_posteriors(told: Option<Posteriors>, out: &mut Out) {
    out.byte(u8::from(told.is_some()));
    told.into_iter().flatten().for_each(|one| out.float(one));
}

pub(super) fn read_posteriors(input: &mut In<'_>) -> Result<Option<Posteriors>, FindingsError> {
    if input.byte()? == 0 {
        return Ok(None);
    }
    let mut told = [0.0; CLASSES.len()];
    for one in &mut told {
        *one = input.float()?;
    }
    Ok(Some(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_tones_are_notes_is_read_as_it_was_written() {
        let tone = |n: u64, is_note| {
            let on = SampleTime(n * 1_000);
            let beep = Beep { on, off: on.plus_ms(80), hz: 500.0, level_db: -20.0 };
            Candidate { beep, features: [0.0; BEEP_FEATURES], score: 0.1, repeats: 2, is_note }
        };
        let now = SampleTime(9_000);
        let beeps = [tone(1, false), tone(2, true), tone(3, true)].into_iter().collect();
        let evidence = Evidence { beeps, ..Evidence::nothing(now) };
        let mut out = Out::default();
        write_rare(&evidence, &mut out);
        let mut read = Evidence::nothing(now);
        read_rare(&mut read, &mut In(&out.0)).unwrap();
        assert_eq!(read.beeps, evidence.beeps);
    }
}
