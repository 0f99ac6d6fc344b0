//! A connection as a call's driver holds it: where responses and events go.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::net::outbox::Outbox;
use crate::session::ConnectionId;
use crate::session::rtsp::SessionNumber;
use crate::wire::mrcp::Message;

/// A connection.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    way: Way,
}

/// Which version of MRCP is spoken there.
#[derive(Debug, Clone)]
enum Way {
    /// MRCPv2: messages are written as they are.
    Mrcp(Outbox),
    /// MRCPv1: the connection's task puts them into messages of RTSP.
    Rtsp { session: SessionNumber, messages: mpsc::Sender<(SessionNumber, Message)>, broken: CancellationToken },
}

impl Connection {
    /// A connection of MRCPv2.
    pub(super) const fn mrcp(id: ConnectionId, outbox: Outbox) -> Self {
        Self { id, way: Way::Mrcp(outbox) }
    }

    /// A connection of MRCPv1, for the call of one of its sessions. `broken` is cancelled when its task is far behind.
    pub(super) const fn rtsp(
        id: ConnectionId,
        session: SessionNumber,
        messages: mpsc::Sender<(SessionNumber, Message)>,
        broken: CancellationToken,
    ) -> Self {
        Self { id, way: Way::Rtsp { session, messages, broken } }
    }

    /// Sends a message. A peer that doesn't read loses its connection.
    pub(super) fn send(&self, message: &Message) {
        match &self.way {
            Way::Mrcp(outbox) => outbox.send(message.write()),
            Way::Rtsp { session, messages, broken } => {
                if let Err(mpsc::error::TrySendError::Full(_)) = messages.try_send((*session, message.clone())) {
                    tracing::warn!("an RTSP connection is far behind; it is closed");
                    broken.cancel();
                }
            }
        }
    }
}
