//! A worker that is stepped by hand: for measuring what a step costs.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use mio::Events;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::detect::{Detector, Listen, Model};
use crate::engine::ports::Ports;
use crate::engine::receive::Buffers;
use crate::engine::stream::{Rtp, Source, Stream};
use crate::engine::worker::{Command, Worker, events};
use crate::engine::{Config, ListenerId, StreamEvent};
use crate::media;

/// A worker on the calling thread, with streams that listen.
pub struct Trial {
    worker: Worker,
    polled: Events,
    buffers: Buffers,
    addresses: Vec<SocketAddr>,
    heard: UnboundedReceiver<(usize, StreamEvent)>,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Trial {
    /// A worker with so many streams of these formats, each of which listens.
    ///
    /// # Errors
    /// When its poll can't be made, there is no port, or the model can't be loaded: nothing else is measured in its place.
    pub fn new(config: &Config, streams: usize, formats: &media::Formats, listen: &Listen) -> io::Result<Self> {
        let detect = Arc::clone(&config.detect);
        let load = move || Model::load(&detect).unwrap_or_else(|_| Model::rules());
        let model = Model::load(&config.detect).map_err(io::Error::other)?;
        let mut worker = Worker::new(model, Box::new(load), Arc::default(), &config.engine)?;
        let (events_of, heard) = unbounded_channel();
        let ports = Arc::new(Ports::new(&config.rtp));
        let mut addresses = Vec::with_capacity(streams);
        for number in 0..streams {
            let (socket, lease) = ports.bind()?;
            addresses.push(socket.local_addr()?);
            let receiver = media::Receiver::new(config.rtp.media(), formats.clone());
            let source = Source::Rtp(Box::new(Rtp::new(socket, lease, receiver)));
            let (id, listener) = (number as u64, ListenerId(0));
            let stream = Stream::new(number.to_string(), number, source, events_of.clone());
            worker.obey(Command::Open(id, Box::new(stream)));
            let detector = Detector::new(Arc::clone(&config.detect));
            worker.obey(Command::Attach(id, listener, Box::new(detector)));
            worker.obey(Command::Listen(id, listener, 1, Box::new(listen.clone())));
        }
        Ok(Self { worker, polled: events(), buffers: Buffers::new(), addresses, heard })
    }

    /// Sends a packet to each stream, stream by stream.
    ///
    /// # Errors
    /// What the socket says.
    pub fn send<'a>(&self, from: &UdpSocket, packets: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        self.addresses.iter().zip(packets).try_for_each(|(to, packet)| from.send_to(packet, to).map(drop))
    }

    /// One tick at `now`: takes what has come, and tells how much was heard.
    pub fn step(&mut self, now: Instant) -> usize {
        self.worker.find_readable(&mut self.polled);
        self.worker.step(now, &mut self.buffers);
        let mut told = 0;
        while self.heard.try_recv().is_ok() {
            told += 1;
        }
        told
    }
}
