//! One stream of sound that is pushed in pieces, without packets: in order and complete but for stalls, as from a
//! WebSocket.

use std::time::{Duration, Instant};

use crate::audio::{Frame, SAMPLE_RATE, SampleTime};
use crate::media::clock::{Clock, samples_in};
use crate::media::{Config, Heard, KeyPolicy, Stats};

/// Takes one stream's pieces. Give it all that have come, then [`poll`](Self::poll) it, some hundred times a second.
///
/// Sample time goes on with the pieces; when nothing comes for longer than [`Config::grace_ms`], with the wall clock, by so
/// much behind. Pieces that then come all at once were delayed: of these, what has been given out as missing is left out.
#[derive(Debug)]
pub struct Inlet {
    grace: Duration,
    keys: KeyPolicy,
    /// A key has come beside the sound.
    key_events: bool,
    clock: Option<Clock>,
    /// Samples told, sound and missing.
    told: u64,
    /// Samples told as missing in the stall that runs.
    stalled: u64,
    /// The first pieces after a stall, and when the first of them came.
    held: Vec<i16>,
    held_since: Option<Instant>,
    stats: Stats,
}

/// How long pieces after a stall are looked at before it is decided whether they belong into it.
const HOLD: Duration = Duration::from_millis(60);
/// Sound further ahead of the wall clock is no jitter, its source runs faster: 0.5 s.
const MAX_LEAD: f64 = SAMPLE_RATE as f64 / 2.0;
/// A shorter stretch of missing sound is not told yet: 10 ms.
const MIN_FILL: u64 = 80;

impl Inlet {
    /// One that has heard nothing; its time stands still until the first piece or [`start_clock`](Self::start_clock). Of the
    /// configuration it obeys `grace_ms` and `keys`.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            grace: Duration::from_millis(config.grace_ms),
            keys: config.keys,
            key_events: false,
            clock: None,
            told: 0,
            stalled: 0,
            held: Vec::new(),
            held_since: None,
            stats: Stats::default(),
        }
    }

    /// Says that somebody listens from now on: time runs even if nothing comes.
    pub fn start_clock(&mut self, now: Instant) {
        if self.clock.is_none() || (self.stalled > 0 && self.held.is_empty()) {
            self.clock = Some(Clock::new(now, self.told));
            self.stalled = 0;
        }
    }

    /// Whether keys in the sound are presses of their own, see [`KeyPolicy`].
    #[must_use]
    pub fn has_keys_in_sound(&self) -> bool {
        self.keys == KeyPolicy::Any && !self.key_events
    }

    /// Sample time: how much has been told.
    #[must_use]
    pub const fn now(&self) -> SampleTime {
        SampleTime(self.told)
    }

    /// What arrived and what did not; pieces count as packets.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Takes a piece that came at `now`: linear samples at [`SAMPLE_RATE`].
    pub fn handle_sound(&mut self, now: Instant, samples: &[i16], heard: &mut impl FnMut(Heard<'_>)) {
        if samples.is_empty() {
            return;
        }
        self.stats.received += 1;
        if self.stalled > 0 {
            self.held_since.get_or_insert(now);
            self.held.extend_from_slice(samples);
            return;
        }
        self.tell(samples, heard);
        self.follow(now);
    }

    /// Takes note of samples that the pusher knows to be lost: they count as missing, here.
    pub fn handle_loss(&mut self, now: Instant, pieces: u64, samples: u64, heard: &mut impl FnMut(Heard<'_>)) {
        self.stats.lost += pieces;
        if samples == 0 {
            return;
        }
        self.release(now, heard);
        self.miss(samples, heard);
        self.follow(now);
    }

    /// Takes a key that was pressed at this place of the sound.
    pub fn handle_key(&mut self, key: char, heard: &mut impl FnMut(Heard<'_>)) {
        self.key_events = true;
        heard(Heard::Key(key));
    }

    /// Tells what has been held, and lets time go on where nothing comes.
    pub fn poll(&mut self, now: Instant, heard: &mut impl FnMut(Heard<'_>)) {
        if let Some(since) = self.held_since {
            if now.saturating_duration_since(since) >= HOLD {
                self.release(now, heard);
            }
            return;
        }
        if let Some(clock) = &self.clock {
            let due = (clock.samples(now) - samples_in(self.grace)).max(0.0).round() as u64;
            if due >= self.told + MIN_FILL {
                self.stalled += due - self.told;
                self.miss(due - self.told, heard);
            }
        }
    }

    /// A stall is over. Its own sound, come late, would lead the wall clock: by so much it is left out.
    fn release(&mut self, now: Instant, heard: &mut impl FnMut(Heard<'_>)) {
        let held = std::mem::take(&mut self.held);
        if self.held_since.take().is_some() {
            let wall = self.clock.map_or(0.0, |clock| clock.samples(now));
            let lead = (self.told + held.len() as u64) as f64 - wall;
            let left_out = (lead.max(0.0).round() as u64).min(self.stalled);
            let kept = usize::try_from(left_out).ok().and_then(|left_out| held.get(left_out..)).unwrap_or_default();
            self.stats.late += u64::from(left_out > 0);
            self.tell(kept, heard);
            // Where it was none of the stall's, time is behind the wall clock by the grace: no reason to hurry after it.
            self.clock = Some(Clock::new(now, self.told));
        }
        self.stalled = 0;
    }

    fn tell(&mut self, samples: &[i16], heard: &mut impl FnMut(Heard<'_>)) {
        if !samples.is_empty() {
            heard(Heard::Frame(Frame::Sound(samples)));
            self.told += samples.len() as u64;
            self.stats.sound += samples.len() as u64;
        }
    }

    fn miss(&mut self, samples: u64, heard: &mut impl FnMut(Heard<'_>)) {
        heard(Heard::Frame(Frame::Missing { samples: usize::try_from(samples).unwrap_or(usize::MAX) }));
        self.told += samples;
        self.stats.missing += samples;
    }

    /// Lets the clock follow what came at `now`.
    fn follow(&mut self, now: Instant) {
        match &mut self.clock {
            Some(clock) if (self.told as f64 - clock.samples(now)) < MAX_LEAD => clock.lean(now, self.told),
            clock => *clock = Some(Clock::new(now, self.told)),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "virtual time begins at any instant")]
#[cfg(test)]
mod tests {
    use super::*;

    /// Follows a script: `sound MS` and `lost MS` at once, `live MS` in pieces of 20 ms at their times, `key K`, `wait MS`
    /// (polled each 10 ms); tells what was heard, in ms.
    fn told(script: &[&str]) -> (String, Stats) {
        let mut now = Instant::now();
        let mut inlet = Inlet::new(&Config::default());
        let mut out: Vec<(char, usize)> = Vec::new();
        inlet.start_clock(now);
        for line in script {
            let (what, value) = line.split_once(' ').unwrap();
            let ms = value.parse::<usize>().unwrap_or_default();
            let heard = &mut |heard: Heard<'_>| {
                let (kind, length) = match heard {
                    Heard::Frame(Frame::Sound(sound)) => ('s', sound.len()),
                    Heard::Frame(Frame::Missing { samples }) => ('m', samples),
                    Heard::Key(key) => (key, 0),
                };
                match out.last_mut() {
                    Some((last, sum)) if *last == kind => *sum += length,
                    _ => out.push((kind, length)),
                }
            };
            match what {
                "sound" => inlet.handle_sound(now, &vec![0; ms * 8], heard),
                "lost" => inlet.handle_loss(now, 1, ms as u64 * 8, heard),
                "key" => inlet.handle_key(value.chars().next().unwrap(), heard),
                "live" => {
                    for _ in 0..ms / 20 {
                        now += Duration::from_millis(20);
                        inlet.handle_sound(now, &[0; 160], heard);
                        inlet.poll(now, heard);
                    }
                }
                _ => {
                    for _ in 0..ms / 10 {
                        now += Duration::from_millis(10);
                        inlet.poll(now, heard);
                    }
                }
            }
        }
        assert_eq!(inlet.now().0, out.iter().map(|(_, length)| *length as u64).sum::<u64>());
        assert_eq!(inlet.has_keys_in_sound(), !script.iter().any(|line| line.starts_with("key")));
        let text = out.iter().map(|(kind, length)| format!("{kind}{}", length / 8)).collect::<Vec<_>>().join(" ");
        (text, inlet.stats())
    }

    #[test]
    fn time_goes_with_the_pieces_and_without_them() {
        assert_eq!(told(&["live 1000"]).0, "s1000");
        assert_eq!(told(&["live 1000", "wait 200"]).0, "s1000");
        assert_eq!(told(&["live 1000", "wait 1000"]).0, "s1000 m800");
        assert_eq!(told(&["wait 500"]).0, "m300");
        let (text, stats) = told(&["live 100", "lost 40", "live 100", "key 5", "live 20"]);
        assert_eq!(text, "s100 m40 s100 50 s20");
        assert_eq!((stats.lost, stats.missing, stats.sound), (1, 320, 1_760));
    }

    #[test]
    fn what_was_delayed_by_a_stall_is_left_out_and_what_follows_a_pause_is_not() {
        let (text, stats) = told(&["live 1000", "wait 1000", "sound 1000", "wait 60", "live 500"]);
        // Told by the wall clock but for the grace, the last of the stall's sound is not late.
        let Some((before, after)) = text.split_once(" s") else { panic!("{text}") };
        assert!(before.starts_with("s1000 m8"), "{text}");
        let after: u32 = after.parse().unwrap();
        assert!((600..=780).contains(&after), "{text}");
        assert_eq!(stats.late, 1);
        let (text, stats) = told(&["live 1000", "wait 1000", "live 2000"]);
        assert_eq!((text.as_str(), stats.late), ("s1000 m800 s2000", 0));
    }

    #[test]
    fn a_recording_may_be_pushed_faster_than_it_lasts() {
        assert_eq!(told(&["sound 5000", "wait 100", "sound 5000", "wait 500"]).0, "s10000 m300");
    }
}
