//! Which call a channel belongs to (RFC 6787 section 4.2): a channel is found on whatever connection its messages come.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::net::driver::Input;
use crate::wire::mrcp::ChannelIdentifier;
use crate::wire::sdp::Fingerprint;

#[derive(Debug, Default)]
struct Entries {
    channels: HashMap<ChannelIdentifier, Channel>,
    /// MRCP connections from each address, those over TLS apart.
    connections: HashMap<(IpAddr, bool), usize>,
}

/// What a channel is.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) call: mpsc::Sender<Input>,
    /// Set if it was agreed to be used over TLS: the fingerprints of which the client's certificate must have one.
    pub(super) tls: Option<Vec<Fingerprint>>,
}

/// The channels of all calls, and who is connected.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry(Arc<Mutex<Entries>>);

/// A connection's entry; dropped, it is not counted any more.
#[derive(Debug)]
pub(super) struct Connected {
    registry: Registry,
    from: (IpAddr, bool),
}

/// A channel's entry; dropped, the channel is unknown.
#[derive(Debug)]
pub(super) struct Registered {
    registry: Registry,
    channel: ChannelIdentifier,
}

impl Registry {
    pub(super) fn register(&self, identifier: ChannelIdentifier, channel: Channel) -> Registered {
        self.entries().channels.insert(identifier.clone(), channel);
        Registered { registry: self.clone(), channel: identifier }
    }

    /// A later offer has agreed anew on how a channel is used.
    pub(super) fn agree(&self, identifier: &ChannelIdentifier, tls: Option<Vec<Fingerprint>>) {
        if let Some(channel) = self.entries().channels.get_mut(identifier) {
            channel.tls = tls;
        }
    }

    pub(super) fn find(&self, identifier: &ChannelIdentifier) -> Option<Channel> {
        self.entries().channels.get(identifier).cloned()
    }

    pub(super) fn connect(&self, address: IpAddr, tls: bool) -> Connected {
        let from = (address, tls);
        *self.entries().connections.entry(from).or_default() += 1;
        Connected { registry: self.clone(), from }
    }

    /// Whether a new call of a client there can use a connection that stands (RFC 6787 section 4.2).
    pub(super) fn is_connected(&self, address: IpAddr, tls: bool) -> bool {
        self.entries().connections.contains_key(&(address, tls))
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Each change is one insertion or removal: a panic leaves none half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registered {
    pub(super) fn channel(&self) -> &ChannelIdentifier {
        &self.channel
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut entries = self.registry.entries();
        if let Entry::Occupied(mut count) = entries.connections.entry(self.from) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.entries().channels.remove(&self.channel);
    }
}
