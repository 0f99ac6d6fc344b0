//! Which tones are the beep to speak after, and when that is certain.

use crate::detect::beep::Candidate;
use crate::detect::evidence::Evidence;
use crate::detect::policy::sound::is_music;
use crate::detect::policy::{AUTOMATED, Policy, SAID_MS};
use crate::detect::view::View;
use crate::detect::{Beep, Goal, Label, Method, Outcome};

/// Probability that a tone is a beep, at the dial's 0.0 and 1.0.
const BEEP_SURE: (f32, f32) = (0.45, 0.75);
/// Shorter tones than this, in ms, must be so much surer: most pieces of a voice that sound like a beep are short.
const SHORT_MS: u64 = 120;
const SHORT_SURER: f32 = 0.15;
/// Beeps may be this much fainter than what counts as input, in dB: they are told by their shape.
const BEEP_BELOW_DB: f32 = 12.0;
/// Beeps fainter than the loudest speech by more than this are somebody's background, in dB.
const BEEP_BELOW_SPEECH_DB: f32 = 36.0;
/// Fainter ones than this, in dB, must be so sure: an alarm in the room behind the speaker is a beep, too.
const FAINT_BELOW_SPEECH_DB: f32 = 24.0;
const FAINT_SURE: f32 = 0.95;
/// A beep's length is measured to within this, in ms.
const EDGES_MS: u64 = 10;
/// Beeps up to this length may be pips of one beep: they wait for another one.
const PIP_MS: u64 = 200;
const PIP_WAIT_MS: u64 = 215;
/// One that speech goes on after, by this much in ms, is a piece of that speech, unless it is this sure.
const ON_MS: u64 = 50;
const PIP_IN_SPEECH_SURE: f32 = 0.9;
/// A tone's end is noticed within this, in ms.
const BEEP_NOTICE_MS: u64 = 100;
/// Pips of one beep lie no further apart, in ms, and differ no more in frequency.
const PIP_GAP_MS: u64 = 215;
const PIP_HZ: f32 = 15.0;
/// A tone that goes on within this, in ms, and this near, in hertz, is the rest of one: a lost packet, or a codec that lost its way, parted them.
const REST_GAP_MS: u64 = 40;
const REST_HZ: f32 = 100.0;
/// It is noticed within this after the first piece's end, in ms.
const REST_NOTICE_MS: u64 = 70;
/// The rest of a tone need not look like a beep by itself, from this probability on.
const REST_SURE: f32 = 0.3;
/// Without any speech before, tones in this band may be ringback or busy: they are a beep only if no cadence has come of
/// them after so many ms.
const PROGRESS_HZ: std::ops::Range<f32> = 340.0..650.0;
const PROGRESS_WAIT_MS: u64 = 1_050;
/// Tones that may be a ring, or a part of one, are no beep with nothing said before; a listening for beeps alone waits for
/// a ring's silence after those as long as a ring, or as long as half of a double one.
const RING_PART_MS: u64 = 250;
const RING_MS: u64 = 700;
const RING_HZ: f32 = 520.0;
const RING_WAIT_MS: u64 = 5_400;
const RING_PAIR_WAIT_MS: u64 = 2_300;
/// Probability of a ring or a busy tone from which a tone of their frequencies with nothing said before is none but theirs.
const PROGRESS_SURE: f32 = 0.9;
/// A ring's first part may be taken for speech: less of it than this, in ms, is nothing said before such a tone.
const RING_SAID_MS: u64 = 900;
/// The like for the first tone of SIT, with the tones that follow it, and for a fax's answer tone, which changes its phase.
const SIT_HZ: std::ops::Range<f32> = 880.0..1_020.0;
const SIT_NEXT_HZ: [std::ops::Range<f32>; 2] = [1_320.0..1_480.0, 1_700.0..1_880.0];
const SIT_WAIT_MS: u64 = 200;
const FAX_HZ: std::ops::Range<f32> = 2_075.0..2_250.0;
const FAX_WAIT_MS: u64 = 1_000;
/// The same tone again differs by less, in hertz.
const PROGRESS_NEAR_HZ: f32 = 40.0;
/// A beep with nothing said before it is at least this long, in ms, and this sure.
const BARE_BEEP_MS: u64 = 200;
const BARE_BEEP_SURE: f32 = 0.85;
const BEEP_AFTER_GREETING: f32 = 0.97;
const BEEP_ALONE: f32 = 0.8;

impl Policy {
    pub(super) fn by_beep(&mut self, evidence: &Evidence, view: &View<'_>, gate: f32) -> Option<Outcome> {
        for candidate in &evidence.beeps {
            if candidate.repeats > 0 {
                self.held = None;
            }
            if candidate.is_note {
                self.pip = None;
            }
            if !self.is_beep(candidate, view, gate) {
                continue;
            }
            let beep = candidate.beep;
            let said = said_before(&beep, view);
            if self.listen.goal != Goal::Beep && !said && is_ring(&beep) {
                continue;
            }
            let wait = if said { None } else { doubt_ms(&beep, evidence.progress_suspected) };
            if let Some(wait) = wait {
                self.held = Some((beep, candidate.score, wait));
                continue;
            }
            self.pip = Some(match self.pip.take() {
                Some(pips) => pips.and(beep, candidate.score),
                None => Pips::of(beep, candidate.score),
            });
        }
        self.release_held(evidence, view);
        let longest = self.settings.beep_max_ms;
        let pips = self.pip.as_mut()?;
        let since = view.now.ms_since(pips.beep.off);
        let sounds = |near_hz: f32| evidence.sounding.iter().any(|hz| (hz - pips.beep.hz).abs() < near_hz);
        let (rest, next) = (sounds(REST_HZ), sounds(PIP_HZ));
        pips.goes_on = rest && (pips.goes_on || since <= REST_NOTICE_MS);
        let is_next = since < longest && (pips.goes_on || (next && pips.last_ms <= PIP_MS));
        if is_next || (pips.last_ms <= PIP_MS && since < PIP_WAIT_MS) {
            return None;
        }
        let Pips { beep, score, longest_ms, .. } = self.pip.take()?;
        let said = said_before(&beep, view);
        if is_music(&view.belief) || (!said && self.is_part_of_sound(&beep)) {
            return None;
        }
        // The parts of two rings that beat may have been joined like pips.
        if !said && is_ring(&beep) && self.listen.goal != Goal::Beep {
            return None;
        }
        let progress = view.belief.of(Label::Ringback) + view.belief.of(Label::Busy);
        if !said && PROGRESS_HZ.contains(&beep.hz) && progress >= PROGRESS_SURE {
            return None;
        }
        let length = beep.off.ms_since(beep.on);
        let spoken_on =
            view.speech.and_then(|speech| speech.speech_off).is_some_and(|off| off > beep.off.plus_ms(ON_MS));
        if length <= PIP_MS && spoken_on && score < PIP_IN_SPEECH_SURE {
            return None;
        }
        // Pips together may last longer than one tone may.
        if length + EDGES_MS < self.settings.beep_min_ms || longest_ms > longest + EDGES_MS {
            return None;
        }
        let tone = format!("beep {:.0} Hz, {:.2} s", beep.hz, length as f32 / 1000.0);
        let (label, sure, reason) = match (self.listen.goal, said) {
            (Goal::Beep, _) => (Label::Beep, score, tone),
            (_, true) => {
                // An assistant's prompt may end with a tone, too.
                let (likeliest, _) = view.belief.best_of(&AUTOMATED);
                let label = if likeliest == Label::Screening { likeliest } else { Label::Machine };
                (label, BEEP_AFTER_GREETING, format!("{tone}, after a greeting"))
            }
            (_, false) => (Label::Machine, BEEP_ALONE, format!("{tone}, nothing said before")),
        };
        let mut outcome = view.conclude(label, sure, Method::Rules, reason);
        outcome.timeline.beep = Some(beep);
        outcome.timeline.speak_at = Some(beep.off);
        // The tone itself is no speech.
        let end = outcome.timeline.greeting_end.or(view.speech.and_then(|speech| speech.speech_off));
        outcome.timeline.greeting_end = end.filter(|_| said).map(|end| end.min(beep.on));
        Some(outcome)
    }

    /// Whether a tone sounds that may turn out to be a beep: no silence is over before that is known.
    pub(super) fn beep_may_come(&mut self, evidence: &Evidence) -> bool {
        if let Some((on, _)) = evidence.tone
            && evidence.end.ms_since(on) <= self.settings.beep_max_ms + BEEP_NOTICE_MS
        {
            self.toned = Some(evidence.end);
        }
        self.toned.is_some_and(|last| evidence.end.ms_since(last) <= BEEP_NOTICE_MS)
            || self.pip.is_some()
            || self.held.is_some()
    }

    /// A held tone becomes a beep when no cadence comes of it, and nothing when it sounds again or somebody speaks after it.
    fn release_held(&mut self, evidence: &Evidence, view: &View<'_>) {
        let Some((held, score, wait)) = self.held else { return };
        let since = view.now.ms_since(held.off);
        let again =
            |hz: f32| (hz - held.hz).abs() < PROGRESS_NEAR_HZ || SIT_NEXT_HZ.iter().any(|next| next.contains(&hz));
        let answered = view.speech.is_some_and(|speech| speech.speech_off.is_some_and(|off| off > held.off));
        if since > BEEP_NOTICE_MS && (answered || evidence.sounding.into_iter().any(again)) {
            self.held = None;
        } else if since >= wait {
            self.pip = Some(Pips::of(held, score));
            self.held = None;
        }
    }

    fn is_beep(&self, candidate: &Candidate, view: &View<'_>, gate: f32) -> bool {
        let beep = &candidate.beep;
        let pip = self.pip.is_some_and(|pips| is_next_pip(&pips.beep, beep));
        let rest = self.pip.is_some_and(|pips| is_rest(&pips.beep, beep));
        let said = view.said(beep.level_db);
        let bare = self.listen.goal != Goal::Beep
            && !said
            && (beep.off.ms_since(beep.on) < BARE_BEEP_MS || candidate.score < BARE_BEEP_SURE);
        let short = beep.off.ms_since(beep.on) < SHORT_MS && !pip;
        let below_db = view.speech.map_or(f32::MIN, |speech| speech.peak_db - beep.level_db);
        let least = BEEP_SURE.0 + (BEEP_SURE.1 - BEEP_SURE.0) * self.listen.speed_vs_accuracy.clamp(0.0, 1.0);
        let least = least + if short { SHORT_SURER } else { 0.0 };
        let least = if below_db > FAINT_BELOW_SPEECH_DB { least.max(FAINT_SURE) } else { least };
        let least = if rest { REST_SURE } else { least };
        candidate.score >= least
            && !bare
            && beep.on >= self.started
            && beep.level_db >= gate - BEEP_BELOW_DB
            && below_db <= BEEP_BELOW_SPEECH_DB
            && (candidate.repeats == 0 || pip || rest)
    }
}

/// How long a tone with nothing said before it is doubted, in ms: `None` if it can be nothing but a beep.
fn doubt_ms(beep: &Beep, progress_suspected: bool) -> Option<u64> {
    let length = beep.off.ms_since(beep.on);
    if PROGRESS_HZ.contains(&beep.hz) && progress_suspected {
        Some(match is_ring(beep) {
            true if length >= RING_MS => RING_WAIT_MS,
            true => RING_PAIR_WAIT_MS,
            false => PROGRESS_WAIT_MS,
        })
    } else if SIT_HZ.contains(&beep.hz) {
        Some(SIT_WAIT_MS)
    } else if FAX_HZ.contains(&beep.hz) {
        Some(FAX_WAIT_MS)
    } else {
        None
    }
}

/// Whether something was said before a tone, and not only taken for speech in what is its own beginning.
fn said_before(beep: &Beep, view: &View<'_>) -> bool {
    let Some(speech) = view.speech else { return false };
    view.said(beep.level_db)
        && speech.speech_on.is_some_and(|on| beep.on.ms_since(on) >= SAID_MS)
        && !(is_ring(beep) && u64::from(speech.speech) * 10 < RING_SAID_MS)
}

/// Whether a tone may be a ring: pairs of tones that beat show no cadence at first.
fn is_ring(beep: &Beep) -> bool {
    (PROGRESS_HZ.start..RING_HZ).contains(&beep.hz) && beep.off.ms_since(beep.on) >= RING_PART_MS
}

/// A beep that has ended, or seems to: its pips, and the pieces that they were measured in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pips {
    /// All of it, with the frequency and level of its last pip.
    beep: Beep,
    /// Probability that it is a beep.
    score: f32,
    /// Length of its last pip, in ms.
    last_ms: u64,
    /// Length of its longest one, in ms.
    longest_ms: u64,
    /// Its rest sounds.
    goes_on: bool,
}

impl Pips {
    /// The first.
    fn of(beep: Beep, score: f32) -> Self {
        let ms = beep.off.ms_since(beep.on);
        Self { beep, score, last_ms: ms, longest_ms: ms, goes_on: false }
    }

    /// With the tone after it: the rest of its last pip, another one, or what it makes forgotten.
    fn and(self, next: Beep, score: f32) -> Self {
        let begun = Self::of(next, score);
        let rest = is_rest(&self.beep, &next);
        if !rest && !is_next_pip(&self.beep, &next) {
            return begun;
        }
        let whole_ms = if rest { self.last_ms + next.off.ms_since(self.beep.off) } else { begun.last_ms };
        // Two pips that lie near each other look like a tone with a hole.
        let last_ms = if self.last_ms > PIP_MS { whole_ms } else { begun.last_ms };
        // The longer piece is measured better.
        let known = if self.last_ms > begun.last_ms { self.beep } else { next };
        Self {
            beep: Beep { on: self.beep.on, off: next.off, ..known },
            score: self.score.max(score),
            last_ms,
            longest_ms: self.longest_ms.max(whole_ms),
            goes_on: false,
        }
    }
}

/// Whether a tone is the rest of one that seemed to have ended.
fn is_rest(first: &Beep, next: &Beep) -> bool {
    next.on >= first.on && next.on.ms_since(first.off) <= REST_GAP_MS && (first.hz - next.hz).abs() < REST_HZ
}

fn is_next_pip(first: &Beep, next: &Beep) -> bool {
    next.on.ms_since(first.off) <= PIP_GAP_MS && (first.hz - next.hz).abs() < PIP_HZ
}

#[cfg(test)]
mod tests {
    use smallvec::{SmallVec, smallvec};

    use super::*;
    use crate::audio::SampleTime;
    use crate::detect::activity::Cadence;
    use crate::detect::belief::{Belief, CLASSES, Posteriors};
    use crate::detect::{BEEP_FEATURES, Config, Listen};

    fn policy() -> Policy {
        Policy::new(Listen { goal: Goal::Beep, ..Listen::default() }, &Config::default(), SampleTime(0))
    }

    /// A tone that begins after 5 s.
    fn candidate(ms: u64, score: f32) -> Candidate {
        let on = SampleTime(40_000);
        let beep = Beep { on, off: on.plus_ms(ms), hz: 1000.0, level_db: -20.0 };
        Candidate { beep, features: [0.0; BEEP_FEATURES], score, repeats: 0, is_note: false }
    }

    /// The same where no tone of the network's lies, which would be doubted.
    fn at_700_hz(candidate: Candidate) -> Candidate {
        Candidate { beep: Beep { hz: 700.0, ..candidate.beep }, ..candidate }
    }

    #[test]
    fn a_short_tone_must_be_surer() {
        let policy = policy();
        let told = |ms, score| {
            let candidate = candidate(ms, score);
            let view = policy.view(candidate.beep.off, None, Belief::rules(None));
            policy.is_beep(&candidate, &view, -45.0)
        };
        assert!(told(300, 0.65) && told(120, 0.65) && told(80, 0.8));
        assert!(!told(80, 0.7) && !told(119, 0.74) && !told(300, 0.55));
    }

    #[test]
    fn a_faint_tone_behind_the_speaker_must_be_surer() {
        let policy = policy();
        let told = |below_db: f32, score| {
            let candidate = candidate(600, score);
            let speech = Cadence {
                speech_on: Some(SampleTime(8000)),
                speech: 300,
                peak_db: candidate.beep.level_db + below_db,
                ..Cadence::default()
            };
            let view = policy.view(candidate.beep.off, Some(&speech), Belief::rules(Some(&speech)));
            policy.is_beep(&candidate, &view, -45.0)
        };
        assert!(told(0.0, 0.65) && told(23.0, 0.65) && told(25.0, 0.96) && told(35.0, 0.96));
        assert!(!told(25.0, 0.94) && !told(37.0, 0.99));
    }

    #[test]
    fn a_short_tone_that_speech_goes_on_after_is_a_piece_of_it() {
        // What is told 230 ms after the tone's end, if speech went on until so long after it.
        let told = |score, spoken_ms: u64| {
            let mut policy = policy();
            let candidate = candidate(100, score);
            let off = candidate.beep.off;
            let speech = Cadence {
                speech_on: Some(SampleTime(8000)),
                speech_off: Some(off.plus_ms(spoken_ms)),
                speech: 300,
                peak_db: -20.0,
                ..Cadence::default()
            };
            let mut outcome = None;
            for (now, beeps) in [(off.plus_ms(40), smallvec![candidate]), (off.plus_ms(230), SmallVec::new())] {
                let view = policy.view(now, Some(&speech), Belief::rules(Some(&speech)));
                // The view borrows nothing of the policy that the step changes.
                outcome = policy.by_beep(&Evidence { beeps, ..Evidence::nothing(now) }, &view, -45.0);
            }
            outcome.is_some()
        };
        assert!(told(0.9, 0) && told(0.9, 40) && told(0.97, 110));
        assert!(!told(0.89, 110));
    }

    #[test]
    fn a_tone_that_may_be_a_ring_is_doubted_for_as_long_as_a_ring_is_silent() {
        let doubt = |hz, ms, suspected| doubt_ms(&Beep { hz, ..candidate(ms, 0.9).beep }, suspected);
        assert_eq!(doubt(425.0, 1_000, true), Some(RING_WAIT_MS));
        assert_eq!(doubt(425.0, 400, true), Some(RING_PAIR_WAIT_MS));
        // Too short for a ring, or too high: busy at most.
        assert_eq!(
            (doubt(425.0, 200, true), doubt(600.0, 1_000, true)),
            (Some(PROGRESS_WAIT_MS), Some(PROGRESS_WAIT_MS))
        );
        assert_eq!((doubt(425.0, 1_000, false), doubt(700.0, 1_000, true)), (None, None));
    }

    /// What is told of tones of 1 s at most, that have all ended, long after the last one's end.
    fn told_of(tones: &[Beep], belief: Belief) -> Option<Beep> {
        let mut policy = policy();
        policy.settings.beep_max_ms = 1_000;
        let ends = tones.iter().map(|beep| (beep.off.plus_ms(20), Some(*beep)));
        let last = (tones.last().unwrap().off.plus_ms(1_000), None);
        let mut outcome = None;
        for (now, beep) in ends.chain([last]) {
            let beeps = beep.into_iter().map(|beep| Candidate { beep, ..candidate(100, 0.99) }).collect();
            let view = policy.view(now, None, belief);
            outcome = policy.by_beep(&Evidence { beeps, ..Evidence::nothing(now) }, &view, -45.0);
            if outcome.is_some() {
                break;
            }
        }
        outcome.and_then(|outcome| outcome.timeline.beep)
    }

    #[test]
    fn where_the_model_is_sure_of_a_ring_or_of_music_its_tone_is_no_beep() {
        let sure_of = |label: Label, probability: f32| {
            let mut posteriors = Posteriors::default();
            for (class, place) in CLASSES.iter().zip(&mut posteriors) {
                *place = if *class == label { probability } else { (1.0 - probability) / 9.0 };
            }
            Belief::model(posteriors, None)
        };
        let tone = |hz| [Beep { hz, ..candidate(300, 0.99).beep }];
        assert_eq!(told_of(&tone(425.0), Belief::rules(None)), Some(tone(425.0)[0]));
        assert_eq!(told_of(&tone(425.0), sure_of(Label::Ringback, 0.8)), Some(tone(425.0)[0]));
        assert_eq!(told_of(&tone(425.0), sure_of(Label::Ringback, 0.95)), None);
        // Other tones are not the network's.
        assert_eq!(told_of(&tone(1000.0), sure_of(Label::Ringback, 0.95)), Some(tone(1000.0)[0]));
        // Any may be a note.
        assert_eq!(told_of(&tone(1000.0), sure_of(Label::Music, 0.8)), Some(tone(1000.0)[0]));
        assert_eq!(told_of(&tone(1000.0), sure_of(Label::Music, 0.95)), None);
    }

    #[test]
    fn pips_together_may_last_longer_than_one_tone() {
        let pip = |n: u64, ms| {
            let on = SampleTime(40_000).plus_ms(n * 320);
            // No frequency of the network's, which would be waited for.
            Beep { on, off: on.plus_ms(ms), hz: 700.0, level_db: -20.0 }
        };
        let pips: Vec<Beep> = (0..5).map(|n| pip(n, 150)).collect();
        let whole = Beep { off: pips[4].off, ..pips[0] };
        assert_eq!(told_of(&pips, Belief::rules(None)), Some(whole), "1.43 s");
        assert_eq!(told_of(&[pip(0, 1_005)], Belief::rules(None)), Some(pip(0, 1_005)));
        assert_eq!(told_of(&[pip(0, 1_020)], Belief::rules(None)), None);
    }

    #[test]
    fn the_rest_of_a_tone_is_waited_for_and_need_not_look_like_a_beep() {
        let mut policy = policy();
        let first = at_700_hz(candidate(300, 0.9));
        let rest =
            Beep { on: first.beep.off.plus_ms(30), off: first.beep.off.plus_ms(900), hz: 760.0, level_db: -20.0 };
        let mut told = |at: SampleTime, beeps, hz| {
            let view = policy.view(at, None, Belief::rules(None));
            policy.by_beep(&Evidence { beeps, sounding: [hz, 0.0], ..Evidence::nothing(at) }, &view, -45.0)
        };
        assert_eq!(told(first.beep.off.plus_ms(50), smallvec![first.clone()], 760.0), None);
        assert_eq!(told(first.beep.off.plus_ms(500), SmallVec::new(), 760.0), None);
        let outcome =
            told(rest.off.plus_ms(40), smallvec![Candidate { beep: rest, score: 0.35, ..first.clone() }], 0.0);
        let whole = outcome.and_then(|outcome| outcome.timeline.beep).unwrap();
        assert_eq!((whole.on, whole.off, whole.hz), (first.beep.on, rest.off, rest.hz));
    }

    #[test]
    fn what_sounds_later_is_no_rest() {
        let first = at_700_hz(candidate(300, 0.9));
        let told = |begun_ms: u64, hz: f32| {
            let mut policy = policy();
            let mut outcome = None;
            for ms in [50, begun_ms] {
                let now = first.beep.off.plus_ms(ms);
                let view = policy.view(now, None, Belief::rules(None));
                let beeps = if ms == 50 { smallvec![first.clone()] } else { SmallVec::new() };
                let sounding = [if ms == begun_ms { hz } else { 0.0 }, 0.0];
                outcome =
                    outcome.or(policy.by_beep(&Evidence { beeps, sounding, ..Evidence::nothing(now) }, &view, -45.0));
            }
            outcome.is_some()
        };
        assert!(told(60, 700.0) && told(50, 850.0));
        assert!(!told(50, 700.0));
    }

    #[test]
    fn half_a_ring_that_was_taken_for_speech_is_nothing_said_before_the_other_half() {
        let policy = policy();
        let said = |hz, ms, hops| {
            let beep = Beep { hz, ..candidate(ms, 0.9).beep };
            let speech =
                Cadence { speech_on: Some(SampleTime(8000)), speech: hops, peak_db: -20.0, ..Cadence::default() };
            said_before(&beep, &policy.view(beep.off, Some(&speech), Belief::rules(Some(&speech))))
        };
        // As long, and as low, as a part of a ring: a greeting must be longer than one.
        assert!(!said(425.0, 400, 89) && said(425.0, 400, 90));
        // Other tones are none.
        assert!(said(425.0, 240, 40) && said(1000.0, 400, 40));
        assert!(!said(1000.0, 400, 39));
    }
}
