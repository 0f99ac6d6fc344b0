//! Control connections shared by many channels, RFC 6787 section 4.2: as UniMRCP's client has them.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::wire::mrcp::{Message, Parser};

/// The connections.
#[derive(Debug)]
pub(super) struct Links {
    links: HashMap<Token, Link>,
    /// Those that are shared, and how many there may be.
    shared: Vec<Token>,
    most: usize,
    /// Whose turn among them it is.
    turn: usize,
    next: usize,
    /// Those with something to be written.
    dirty: Vec<Token>,
}

#[derive(Debug)]
struct Link {
    stream: TcpStream,
    mrcp: SocketAddr,
    parser: Parser,
    unsent: BytesMut,
}

impl Links {
    /// No connection yet, and at most so many that are shared. Their tokens are from `first` on.
    pub(super) fn new(most: usize, first: Token) -> Self {
        Self { links: HashMap::new(), shared: Vec::new(), most, turn: 0, next: first.0, dirty: Vec::new() }
    }

    /// Shared connections that stand or are being opened.
    pub(super) const fn shared(&self) -> usize {
        self.shared.len()
    }

    /// A connection for one more channel: a shared one, a new one that will be shared while there are too few, or one of
    /// its own if `new`.
    ///
    /// # Errors
    /// If a connection cannot be begun.
    pub(super) fn join(&mut self, registry: &Registry, mrcp: SocketAddr, new: bool) -> io::Result<Token> {
        let share = self.shared.len() < self.most;
        if !share && !new {
            let ours = |token: &&Token| self.links.get(token).is_some_and(|link| link.mrcp == mrcp);
            let usable: Vec<Token> = self.shared.iter().filter(ours).copied().collect();
            if !usable.is_empty() {
                self.turn = self.turn.wrapping_add(1);
                return Ok(usable[self.turn % usable.len()]);
            }
        }
        let mut stream = TcpStream::connect(mrcp)?;
        let token = Token(self.next);
        self.next += 1;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        self.links.insert(token, Link { stream, mrcp, parser: Parser::default(), unsent: BytesMut::new() });
        if share {
            self.shared.push(token);
        }
        Ok(token)
    }

    /// Whether this connection is of one channel alone.
    pub(super) fn is_own(&self, token: Token) -> bool {
        !self.shared.contains(&token)
    }

    /// Takes bytes to be written; [`Links::flush`] writes them.
    pub(super) fn send(&mut self, token: Token, bytes: &[u8]) {
        if let Some(link) = self.links.get_mut(&token) {
            if link.unsent.is_empty() {
                self.dirty.push(token);
            }
            link.unsent.extend_from_slice(bytes);
        }
    }

    /// Writes what was taken, as far as the connections take it. Gives those that are lost.
    pub(super) fn flush(&mut self) -> Vec<Token> {
        let mut lost = Vec::new();
        for token in std::mem::take(&mut self.dirty) {
            if self.links.get_mut(&token).is_some_and(|link| link.write().is_err()) {
                self.close(token);
                lost.push(token);
            }
        }
        lost
    }

    /// The poll says that something can be done.
    ///
    /// # Errors
    /// If the connection is lost; what came before that is in `messages`. It is no more then.
    pub(super) fn ready(&mut self, event: &Event, messages: &mut Vec<Message>) -> io::Result<()> {
        let token = event.token();
        let Some(link) = self.links.get_mut(&token) else { return Ok(()) };
        let mut done = if event.is_writable() { link.write() } else { Ok(()) };
        if done.is_ok() && (event.is_readable() || event.is_read_closed()) {
            done = link.read(messages);
        }
        if done.is_err() {
            self.close(token);
        }
        done
    }

    /// Closes a connection.
    pub(super) fn close(&mut self, token: Token) {
        // Dropping the socket takes it out of the poll.
        self.links.remove(&token);
        self.shared.retain(|shared| *shared != token);
    }
}

impl Link {
    fn write(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.unsent.advance(count),
                // Until it is connected, too: the poll tells.
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) => {
                    return self.stream.take_error()?.map_or(Ok(()), Err);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self, messages: &mut Vec<Message>) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.parser.feed(buffer.get(..count).unwrap_or_default());
                    while let Some(message) = self
                        .parser
                        .poll_message()
                        .map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed.to_string()))?
                    {
                        messages.push(message);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
