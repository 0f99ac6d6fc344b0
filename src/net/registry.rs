//! Which call a channel belongs to (RFC 6787 section 4.2): a channel is found on whatever connection its messages come.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::net::driver::Input;
use crate::wire::mrcp::ChannelIdentifier;

#[derive(Debug, Default)]
struct Entries {
    channels: HashMap<ChannelIdentifier, mpsc::Sender<Input>>,
    /// MRCP connections from each address.
    connections: HashMap<IpAddr, usize>,
}

/// The channels of all calls, and who is connected.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry(Arc<Mutex<Entries>>);

/// A connection's entry; dropped, it is not counted any more.
#[derive(Debug)]
pub(super) struct Connected {
    registry: Registry,
    address: IpAddr,
}

/// A channel's entry; dropped, the channel is unknown.
#[derive(Debug)]
pub(super) struct Registered {
    registry: Registry,
    channel: ChannelIdentifier,
}

impl Registry {
    pub(super) fn register(&self, channel: ChannelIdentifier, call: mpsc::Sender<Input>) -> Registered {
        self.entries().channels.insert(channel.clone(), call);
        Registered { registry: self.clone(), channel }
    }

    pub(super) fn find(&self, channel: &ChannelIdentifier) -> Option<mpsc::Sender<Input>> {
        self.entries().channels.get(channel).cloned()
    }

    pub(super) fn connect(&self, address: IpAddr) -> Connected {
        *self.entries().connections.entry(address).or_default() += 1;
        Connected { registry: self.clone(), address }
    }

    /// Whether a new call of a client there can use a connection that stands (RFC 6787 section 4.2).
    pub(super) fn is_connected(&self, address: IpAddr) -> bool {
        self.entries().connections.contains_key(&address)
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
        if let Entry::Occupied(mut count) = entries.connections.entry(self.address) {
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
