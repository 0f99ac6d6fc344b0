//! What a channel has to say, in order.

use crate::session::{ConnectionId, Output, Outputs};
use crate::wire::mrcp::{Event, Message, Response};

/// Longest start-line and headers that are sent. `UniMRCP`'s clients drop the connection at 1,024 octets and more.
const SECTION: usize = 1024;

/// Outputs in order, and the count of listenings.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(in crate::session) outputs: Outputs,
    generation: u64,
}

impl Outbox {
    /// Sends a response.
    pub(in crate::session) fn respond(&mut self, connection: ConnectionId, mut response: Response) {
        response.fit(SECTION);
        self.outputs.push_back(Output::Mrcp { connection, message: Message::Response(response) });
    }

    /// Sends an event.
    pub(super) fn tell(&mut self, connection: ConnectionId, mut event: Event) {
        event.fit(SECTION);
        self.outputs.push_back(Output::Mrcp { connection, message: Message::Event(event) });
    }

    /// Adds another output.
    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// The number of a new listening.
    pub(super) const fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }
}
