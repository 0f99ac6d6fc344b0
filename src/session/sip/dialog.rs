//! Dialogs of a user agent server, RFC 3261 section 12.

use std::net::SocketAddr;

use crate::session::sip::peer::{ConnectionId, Peer, Transport};
use crate::session::sip::shared::Shared;
use crate::wire::sip::{Address, CSeq, Contact, HeaderName, Headers, Method, Request, Uri, Via};
use crate::wire::text::SyntaxError;

/// What names a dialog.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct DialogId {
    pub(super) call_id: String,
    pub(super) local_tag: String,
    /// Empty for clients from before RFC 3261, section 12.1.1.
    pub(super) remote_tag: String,
}

/// A dialog, RFC 3261 section 12.
#[derive(Debug)]
pub(super) struct Dialog {
    pub(super) id: DialogId,
    /// The INVITE's To with our tag: From in our requests.
    local: String,
    /// The INVITE's From: To in our requests.
    remote: String,
    remote_uri: Uri,
    pub(super) local_seq: u32,
    pub(super) remote_seq: u32,
    /// The client's Contact, if it told one.
    remote_target: Option<Uri>,
    /// Record-Route of the INVITE, in its order.
    route_set: Vec<Address>,
    pub(super) secure: bool,
    /// Where the client's last request came from.
    peer: Peer,
    sent_by_port: u16,
}

impl Dialog {
    /// The dialog that an INVITE will have.
    pub(super) fn new(
        request: &Request,
        seq: u32,
        local_tag: String,
        peer: Peer,
        sent_by_port: u16,
    ) -> Result<Self, SyntaxError> {
        let headers = &request.headers;
        let from = headers.from()?.ok_or_else(|| SyntaxError::new(0, "From"))?;
        let to = headers.get(&HeaderName::TO).unwrap_or_default();
        let (remote_target, route_set) = (contact(headers)?, headers.record_routes()?);
        // RFC 3261 section 12.1.1: our Contact is a sips URI if one of these is.
        let hop = route_set.first().map(|route| &route.uri).or(remote_target.as_ref());
        let secure = [Some(&request.uri), hop].into_iter().flatten().any(is_secure);
        Ok(Self {
            local: format!("{to};tag={local_tag}"),
            remote: headers.get(&HeaderName::FROM).unwrap_or_default().to_owned(),
            id: DialogId {
                call_id: headers.call_id().unwrap_or_default().to_owned(),
                local_tag,
                remote_tag: from.tag().unwrap_or_default().to_owned(),
            },
            remote_uri: from.uri,
            local_seq: 0,
            remote_seq: seq,
            remote_target,
            route_set,
            secure,
            peer,
            sent_by_port,
        })
    }

    /// A request came within the dialog: answers and later requests of ours go where it came from.
    pub(super) fn handle_request(&mut self, seq: u32, peer: Peer, sent_by_port: u16) {
        self.remote_seq = self.remote_seq.max(seq);
        self.peer = peer;
        self.sent_by_port = sent_by_port;
    }

    /// A re-INVITE or UPDATE was accepted: its Contact is the new remote target, RFC 3261 section 12.2.2.
    pub(super) fn refresh_target(&mut self, headers: &Headers) {
        if let Ok(Some(uri)) = contact(headers) {
            self.remote_target = Some(uri);
        }
    }

    pub(super) fn handle_disconnect(&mut self, connection: ConnectionId) {
        if self.peer.connection == Some(connection) {
            self.peer.connection = None;
            self.peer.remote.set_port(self.sent_by_port);
        }
    }

    /// A request of ours within the dialog, RFC 3261 section 12.2.1.1, the branch in its Via, and where it goes.
    pub(super) fn request(&mut self, shared: &mut Shared, method: Method) -> (Request, String, Peer) {
        self.local_seq += 1;
        let target = self.remote_target.as_ref().unwrap_or(&self.remote_uri);
        let mut next_hop = target;
        let (uri, routes) = match self.route_set.split_first() {
            None => (target.clone(), Vec::new()),
            Some((first, _)) if is_loose(first) => {
                next_hop = &first.uri;
                (target.clone(), self.route_set.clone())
            }
            // A strict router wants itself in the Request-URI and the target as the last route.
            Some((first, others)) => {
                let mut routes = others.to_vec();
                routes.push(Address::new(target.clone()));
                next_hop = &first.uri;
                (first.uri.clone(), routes)
            }
        };
        let peer = self.next_hop(next_hop);
        let branch = shared.tokens.branch();
        let mut via = Via::new(peer.transport.as_str(), shared.advertised(&peer), &branch);
        if peer.transport == Transport::Udp {
            via.params.set("rport", None);
        }
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        headers.push(HeaderName::VIA, via);
        headers.push(HeaderName::MAX_FORWARDS, 70);
        for route in routes {
            headers.push(HeaderName::ROUTE, route);
        }
        headers.push(HeaderName::FROM, &self.local);
        headers.push(HeaderName::TO, &self.remote);
        headers.push(HeaderName::CALL_ID, &self.id.call_id);
        headers.push(HeaderName::CSEQ, CSeq { number: self.local_seq, method });
        if !shared.config.server_name.is_empty() {
            headers.push(HeaderName::USER_AGENT, &shared.config.server_name);
        }
        (request, branch, peer)
    }

    /// Names are not looked up here: a next hop that is a name, or that nobody told, is where the client's requests
    /// come from. So is the connection that they come over, while it lasts.
    fn next_hop(&self, uri: &Uri) -> Peer {
        let told = if self.remote_target.is_some() || !self.route_set.is_empty() { uri.as_sip() } else { None };
        let Some(told) = told else { return self.peer };
        let transport = match told.params.get("transport") {
            // Whoever came over TLS is not answered in clear, whatever its Contact says. Where a proxy before us ends TLS,
            // a sips Contact is the proxy's to reach.
            _ if told.secure || self.peer.transport == Transport::Tls => self.peer.transport,
            Some(word) if word.eq_ignore_ascii_case("tcp") => Transport::Tcp,
            Some(word) if word.eq_ignore_ascii_case("udp") => Transport::Udp,
            _ => self.peer.transport,
        };
        if transport == self.peer.transport && self.peer.connection.is_some() {
            return self.peer;
        }
        match told.host_port.socket_addr().filter(|remote: &SocketAddr| remote.is_ipv4() == self.peer.remote.is_ipv4())
        {
            Some(remote) => Peer { transport, remote, connection: None, ..self.peer },
            None => self.peer,
        }
    }
}

fn is_loose(route: &Address) -> bool {
    route.uri.as_sip().is_some_and(|uri| uri.params.has("lr"))
}

fn is_secure(uri: &Uri) -> bool {
    uri.as_sip().is_some_and(|uri| uri.secure)
}

/// The one contact that makes a remote target.
fn contact(headers: &Headers) -> Result<Option<Uri>, SyntaxError> {
    let first = headers.contacts()?.into_iter().next();
    Ok(match first {
        Some(Contact::Address(address)) if address.uri.as_sip().is_some() => Some(address.uri),
        _ => None,
    })
}
