//! Sound that other doors push into a stream: a bounded queue from their task to the stream's worker.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use crate::audio::SAMPLE_RATE;
use crate::media::{Heard, Inlet};

/// Where a stream's sound is pushed. Dropped, nothing comes any more, and the stream's time goes on by the wall clock until
/// the [`Stream`](crate::engine::Stream) is dropped, too.
#[derive(Debug)]
pub struct Feed {
    pieces: SyncSender<Piece>,
    queued: Arc<AtomicUsize>,
    /// What did not find room since the last piece that did.
    lost: Lost,
}

/// Why sound was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotPushed {
    /// Too much waits: this sound is lost, and counts as missing in its place. Who can wait, does so for [`Feed::room`].
    Full,
    /// The stream is closed.
    Closed,
}

impl fmt::Display for NotPushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too much sound waits: this is lost",
            Self::Closed => "the stream is closed",
        })
    }
}

impl std::error::Error for NotPushed {}

/// What waits for the worker.
#[derive(Debug)]
struct Piece {
    /// What was lost before it.
    lost: Lost,
    content: Content,
}

#[derive(Debug, Clone, Copy, Default)]
struct Lost {
    pieces: u64,
    samples: u64,
}

#[derive(Debug)]
enum Content {
    Sound(Vec<i16>),
    Key(char),
}

/// The worker's end.
#[derive(Debug)]
pub(super) struct Inflow {
    pub(super) inlet: Inlet,
    pieces: Receiver<Piece>,
    queued: Arc<AtomicUsize>,
}

/// Pieces that wait at most, and the samples in them: 2 s.
const MAX_PIECES: usize = 128;
const MAX_SAMPLES: usize = 2 * SAMPLE_RATE as usize;

/// Both ends of a queue.
pub(super) fn new(inlet: Inlet) -> (Feed, Inflow) {
    let (sender, pieces) = sync_channel(MAX_PIECES);
    let queued = Arc::new(AtomicUsize::new(0));
    let feed = Feed { pieces: sender, queued: Arc::clone(&queued), lost: Lost::default() };
    (feed, Inflow { inlet, pieces, queued })
}

impl Feed {
    /// Pushes the next sound: linear samples at [`SAMPLE_RATE`], in pieces of any length; 20 ms are usual. A piece that is
    /// longer than all that may wait is taken when nothing else does.
    ///
    /// # Errors
    /// When it is not taken. It never waits.
    pub fn push(&mut self, samples: Vec<i16>) -> Result<(), NotPushed> {
        let length = samples.len();
        if length == 0 {
            return Ok(());
        }
        let queued = self.queued.load(Ordering::Acquire);
        let pushed = if queued > 0 && queued + length > MAX_SAMPLES {
            Err(NotPushed::Full)
        } else {
            // Counted before it can be taken.
            self.queued.fetch_add(length, Ordering::AcqRel);
            let pushed = self.send(Content::Sound(samples));
            if pushed.is_err() {
                self.queued.fetch_sub(length, Ordering::AcqRel);
            }
            pushed
        };
        if pushed == Err(NotPushed::Full) {
            self.missing(length);
        }
        pushed
    }

    /// Says that sound was lost on its way here: it counts as missing, between what was pushed before and what comes next.
    pub fn missing(&mut self, samples: usize) {
        self.lost.pieces += 1;
        self.lost.samples += samples as u64;
    }

    /// Says that a key was pressed after what was pushed so far: `0` to `9`, `*`, `#`, `A` to `D`. From then on keys are not
    /// looked for in the sound.
    ///
    /// # Errors
    /// When there is no room for it, or the stream is closed.
    pub fn key(&mut self, key: char) -> Result<(), NotPushed> {
        self.send(Content::Key(key))
    }

    /// Samples that may be pushed now.
    #[must_use]
    pub fn room(&self) -> usize {
        MAX_SAMPLES.saturating_sub(self.queued.load(Ordering::Acquire))
    }

    fn send(&mut self, content: Content) -> Result<(), NotPushed> {
        match self.pieces.try_send(Piece { lost: self.lost, content }) {
            Ok(()) => {
                self.lost = Lost::default();
                Ok(())
            }
            Err(TrySendError::Full(_)) => Err(NotPushed::Full),
            Err(TrySendError::Disconnected(_)) => Err(NotPushed::Closed),
        }
    }
}

impl Inflow {
    /// Takes what has been pushed; tells all that can be told at `now`.
    pub(super) fn poll(&mut self, now: Instant, heard: &mut impl FnMut(Heard<'_>)) {
        // No more than may wait: who pushes without pause can't keep the worker here.
        for Piece { lost, content } in self.pieces.try_iter().take(MAX_PIECES) {
            if lost.pieces > 0 {
                self.inlet.handle_loss(now, lost.pieces, lost.samples, heard);
            }
            match content {
                Content::Sound(samples) => {
                    self.queued.fetch_sub(samples.len(), Ordering::AcqRel);
                    self.inlet.handle_sound(now, &samples, heard);
                }
                Content::Key(key) => self.inlet.handle_key(key, heard),
            }
        }
        self.inlet.poll(now, heard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Frame;
    use crate::media;

    fn poll(inflow: &mut Inflow) -> String {
        let mut told = String::new();
        inflow.poll(Instant::now(), &mut |heard| {
            told += &match heard {
                Heard::Frame(Frame::Sound(sound)) => format!("s{} ", sound.len()),
                Heard::Frame(Frame::Missing { samples }) => format!("m{samples} "),
                Heard::Key(key) => format!("{key} "),
            }
        });
        told
    }

    #[test]
    fn a_full_queue_says_so_and_its_loss_is_told_in_its_place() {
        let (mut feed, mut inflow) = new(Inlet::new(&media::Config::default()));
        assert_eq!(feed.push(vec![0; 20_000]), Ok(()), "alone it may be longer");
        assert_eq!((feed.room(), feed.push(vec![0; 160])), (0, Err(NotPushed::Full)));
        assert_eq!(poll(&mut inflow), "s20000 ");
        assert_eq!(feed.room(), MAX_SAMPLES);
        assert_eq!(feed.push(vec![0; 80]), Ok(()));
        feed.missing(40);
        assert_eq!(feed.key('7'), Ok(()));
        assert_eq!(feed.push(Vec::new()), Ok(()));
        assert_eq!(poll(&mut inflow), "m160 s80 m40 7 ");
        assert_eq!((inflow.inlet.stats().lost, inflow.inlet.stats().missing), (2, 200));
        assert!(!inflow.inlet.has_keys_in_sound());
        for _ in 0..MAX_PIECES {
            assert_eq!(feed.push(vec![0; 1]), Ok(()));
        }
        assert_eq!((feed.push(vec![0; 1]), feed.key('1')), (Err(NotPushed::Full), Err(NotPushed::Full)));
        drop(inflow);
        assert_eq!(feed.push(vec![0; 1]), Err(NotPushed::Closed));
    }
}
