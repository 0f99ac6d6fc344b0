//! A stream in its worker: where its sound comes from, and the detectors that hear it.

use std::io;
use std::time::Instant;

use mio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedSender;

use crate::engine::StreamEvent;
use crate::engine::feed::Inflow;
use crate::engine::listener::{Listener, Told};
use crate::engine::ports::Lease;
use crate::media;

/// A stream of sound.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    /// The call's own number for it.
    number: usize,
    pub(super) source: Source,
    events: UnboundedSender<(usize, StreamEvent)>,
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
    /// The socket may hold more than was taken from it.
    pub(super) readable: bool,
}

/// Datagrams taken from one stream in one tick: a flood costs its own stream, not the others.
const MAX_DATAGRAMS: usize = 64;

impl Stream {
    pub(super) const fn new(
        name: String,
        number: usize,
        source: Source,
        events: UnboundedSender<(usize, StreamEvent)>,
    ) -> Self {
        Self { name, number, source, events, listeners: Vec::new() }
    }

    /// Takes what has come, and gives it to the detectors.
    pub(super) fn receive(&mut self, now: Instant, buffer: &mut [u8]) {
        let listeners = &mut self.listeners;
        let mut heard = |heard: media::Heard<'_>| listeners.iter_mut().for_each(|listener| listener.hear(heard));
        match &mut self.source {
            Source::Rtp(rtp) => {
                if rtp.readable {
                    rtp.drain(now, buffer, &self.name);
                }
                rtp.receiver.poll(now, &mut heard);
            }
            Source::Feed(inflow) => inflow.poll(now, &mut heard),
        }
        self.listeners.iter_mut().for_each(Listener::play);
    }

    pub(super) fn tell_events(&mut self) {
        for listener in &mut self.listeners {
            for told in listener.poll() {
                let (listener, generation) = (listener.id, listener.generation());
                let event = match told {
                    Told::Recorded(samples) => StreamEvent::Recorded { listener, generation, samples },
                    Told::Detected(event) => {
                        StreamEvent::Detected { listener, generation, event, received: self.source.stats() }
                    }
                };
                tell(&self.events, self.number, event);
            }
        }
    }

    /// Tells the call what happened.
    pub(super) fn tell(&self, event: StreamEvent) {
        tell(&self.events, self.number, event);
    }
}

/// A call that is gone doesn't want to know, and its stream is about to be closed.
fn tell(events: &UnboundedSender<(usize, StreamEvent)>, number: usize, event: StreamEvent) {
    if events.send((number, event)).is_err() {
        tracing::trace!("a stream's call is gone");
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

    fn stats(&self) -> media::Stats {
        match self {
            Self::Rtp(rtp) => rtp.receiver.stats(),
            Self::Feed(inflow) => inflow.inlet.stats(),
        }
    }
}

impl Rtp {
    pub(super) const fn new(socket: UdpSocket, lease: Option<Lease>, receiver: media::Receiver) -> Self {
        Self { socket, _lease: lease, receiver, readable: true }
    }

    fn drain(&mut self, now: Instant, buffer: &mut [u8], stream: &str) {
        for _ in 0..MAX_DATAGRAMS {
            match self.socket.recv_from(buffer) {
                Ok((length, from)) => {
                    if let Some(datagram) = buffer.get(..length) {
                        self.receiver.handle_datagram(now, from, datagram);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return;
                }
                Err(error) => {
                    // An ICMP answer to nothing that was sent, or a signal: there may be more behind it.
                    tracing::debug!(stream, %error, "receiving RTP");
                }
            }
        }
    }
}
