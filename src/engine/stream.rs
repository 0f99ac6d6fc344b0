//! A stream in its worker: where its sound comes from, and the detectors that hear it.

use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedSender;

use crate::detect::Batch;
use crate::engine::StreamEvent;
use crate::engine::feed::Inflow;
use crate::engine::listener::{Listener, Told};
use crate::engine::ports::Lease;
use crate::engine::receive::Buffers;
use crate::engine::turn::{Next, Turn};
use crate::media;

/// A stream of sound. Dropped without having been [closed](Stream::close), it has failed, and its call is told.
#[derive(Debug)]
pub(super) struct Stream {
    /// Its number in the engine.
    pub(super) id: u64,
    pub(super) name: String,
    /// The call's own number for it.
    number: usize,
    pub(super) source: Source,
    /// `None`: it was closed, and nobody waits for more.
    events: Option<UnboundedSender<(usize, StreamEvent)>>,
    pub(super) listeners: Vec<Listener>,
}

/// Where sound comes from.
#[derive(Debug)]
pub(super) enum Source {
    Rtp(Box<Rtp>),
    Feed(Box<Inflow>),
}

/// A socket of packets; fields are dropped in this order, so that the port returns after its socket is closed.
#[derive(Debug)]
pub(super) struct Rtp {
    pub(super) socket: UdpSocket,
    _lease: Option<Lease>,
    pub(super) receiver: media::Receiver,
}

/// Datagrams taken from one stream in one tick: a flood costs its own stream, not the others.
const MAX_DATAGRAMS: usize = 64;

impl Stream {
    pub(super) fn new(
        name: String,
        number: usize,
        source: Source,
        events: UnboundedSender<(usize, StreamEvent)>,
    ) -> Self {
        let listeners = Vec::with_capacity(1);
        let events = Some(events);
        Self { id: 0, name, number, source, events, listeners }
    }

    /// Its call wants no more of it.
    pub(super) fn close(mut self) {
        self.events = None;
    }

    /// What came over RTP, if that is where sound comes from.
    pub(super) fn received(&self) -> Option<media::Stats> {
        matches!(self.source, Source::Rtp(_)).then(|| self.source.stats())
    }

    /// Takes what has come, gives it to the detectors, and tells when its next turn is. What comes next is gathered for so long, if
    /// nothing speaks against it. Sound that other doors push comes without a sign: such a stream always looks.
    pub(super) fn receive(&mut self, turn: Turn, now: Instant, gather: Duration, buffers: &mut Buffers) -> Turn {
        let at_once = gather.is_zero() || self.listeners.iter().any(Listener::is_urgent);
        let gathers = (!at_once).then(|| now + gather);
        let listeners = &mut self.listeners;
        let mut heard = |heard: media::Heard<'_>| listeners.iter_mut().for_each(|listener| listener.hear(heard));
        let mut readable = turn.readable;
        match &mut self.source {
            Source::Rtp(rtp) => {
                if readable {
                    readable = rtp.drain(now, buffers, &self.name);
                }
                rtp.receiver.poll(now, &mut heard);
            }
            Source::Feed(inflow) => inflow.poll(now, &mut heard),
        }
        self.listeners.iter_mut().for_each(Listener::play);
        let next = match &self.source {
            Source::Rtp(rtp) if !readable && !self.listeners.iter().any(Listener::plays) => {
                rtp.receiver.poll_at(now).map_or(Next::Roused, Next::At)
            }
            _ => Next::Now,
        };
        Turn { next, readable, gathers }
    }

    /// Works off what the detectors have, and tells what they heard. Where one comes to a step of the model, the step is put
    /// into the batch; tells whether that is so.
    pub(super) fn advance(&mut self, batch: &mut Batch) -> bool {
        let mut waits = false;
        for listener in &mut self.listeners {
            for detector in listener.detectors() {
                waits |= detector.advance(batch);
            }
        }
        self.tell_events();
        waits
    }

    /// Takes the model's word; [`Self::advance`] goes on from there.
    pub(super) fn hear_model(&mut self, batch: &Batch) {
        for detector in self.listeners.iter_mut().flat_map(Listener::detectors) {
            detector.hear_model(batch);
        }
    }

    fn tell_events(&mut self) {
        let Some(events) = &self.events else { return };
        for listener in &mut self.listeners {
            let (id, generation) = (listener.id, listener.generation());
            while let Some(told) = listener.poll() {
                let event = match told {
                    Told::Recorded(samples) => StreamEvent::Recorded { listener: id, generation, samples },
                    Told::Detected(event) => {
                        let received = self.source.stats();
                        StreamEvent::Detected { listener: id, generation, event, received }
                    }
                };
                // A call that is gone doesn't want to know, and its stream is about to be closed.
                if events.send((self.number, event)).is_err() {
                    tracing::trace!("a stream's call is gone");
                }
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(events) = self.events.take()
            && events.send((self.number, StreamEvent::Failed)).is_err()
        {
            tracing::trace!(stream = self.name, "a stream that failed was of no call any more");
        }
    }
}

impl Source {
    pub(super) fn start_clock(&mut self, now: Instant) {
        match self {
            Self::Rtp(rtp) => rtp.receiver.start_clock(now),
            Self::Feed(inflow) => inflow.inlet.start_clock(now),
        }
    }

    /// Whether keys in the sound are presses of their own.
    pub(super) fn has_keys_in_sound(&self) -> bool {
        match self {
            Self::Rtp(rtp) => rtp.receiver.has_keys_in_sound(),
            Self::Feed(inflow) => inflow.inlet.has_keys_in_sound(),
        }
    }

    pub(super) fn stats(&self) -> media::Stats {
        match self {
            Self::Rtp(rtp) => rtp.receiver.stats(),
            Self::Feed(inflow) => inflow.inlet.stats(),
        }
    }
}

impl Rtp {
    pub(super) const fn new(socket: UdpSocket, lease: Option<Lease>, receiver: media::Receiver) -> Self {
        Self { socket, _lease: lease, receiver }
    }

    /// Takes what the socket has; tells whether it may hold more.
    fn drain(&mut self, now: Instant, buffers: &mut Buffers, stream: &str) -> bool {
        let receiver = &mut self.receiver;
        let taken = buffers.take(&self.socket, MAX_DATAGRAMS, |from, datagram| {
            receiver.handle_datagram(now, from, datagram);
        });
        match taken {
            Ok(taken) => !taken.emptied,
            // An ICMP answer to nothing that was sent: there may be more behind it.
            Err(error) => {
                tracing::debug!(stream, %error, "receiving RTP");
                true
            }
        }
    }
}
