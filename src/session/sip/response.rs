//! How a response is made of its request and where it goes, RFC 3261 sections 8.2.6 and 18.2, RFC 3581.

use crate::session::sip::peer::{Peer, Transport};
use crate::wire::sip::{HeaderName, Headers, Response, Via};

/// Methods that are served.
pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE";
/// Extensions that are served.
pub(super) const SUPPORTED: &str = "timer";
/// The only body that is understood.
pub(super) const ACCEPT: &str = "application/sdp";

/// Notes in the topmost Via where the request came from.
pub(super) fn stamp(via: &mut Via, peer: &Peer) {
    // A socket for both families gives IPv4 addresses in IPv6's clothes.
    let source = peer.remote.ip().to_canonical();
    let asked = via.rport().is_some();
    // RFC 3581 section 4 wants `received` beside a filled `rport` even where it says nothing new.
    if asked || via.sent_by.host.ip() != Some(source) {
        via.params.set("received", Some(&source.to_string()));
    }
    if asked {
        via.params.set("rport", Some(&peer.remote.port().to_string()));
    }
}

/// The port to which responses go when there is no `rport` and no connection.
pub(super) fn sent_by_port(via: &Via) -> u16 {
    via.sent_by.port.unwrap_or(if via.transport.eq_ignore_ascii_case("TLS") { 5061 } else { 5060 })
}

/// Where responses go. `maddr` is not followed: it would let a request send them to anybody.
pub(super) fn response_peer(via: &Via, mut peer: Peer) -> Peer {
    let to_source = match peer.transport {
        Transport::Udp => via.rport().is_some(),
        Transport::Tcp | Transport::Tls => peer.connection.is_some(),
    };
    if !to_source {
        peer.remote.set_port(sent_by_port(via));
    }
    peer
}

/// A response with the header fields that each needs; `tag` is added to a To that has none.
pub(super) fn response(request: &Headers, status: u16, tag: Option<&str>, server_name: &str) -> Response {
    let mut response = Response::new(status);
    let headers = &mut response.headers;
    for name in [HeaderName::VIA, HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID, HeaderName::CSEQ] {
        for value in request.get_all(&name) {
            headers.push(name.clone(), value);
        }
    }
    if let Some(tag) = tag
        && let Some(to) = request.get(&HeaderName::TO)
        && request.to().ok().flatten().is_none_or(|to| to.tag().is_none())
    {
        headers.set(HeaderName::TO, format!("{to};tag={tag}"));
    }
    if status == 100
        && let Some(timestamp) = request.get(&HeaderName::TIMESTAMP)
    {
        headers.push(HeaderName::TIMESTAMP, timestamp);
    }
    if !server_name.is_empty() {
        headers.push(HeaderName::SERVER, server_name);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(transport: Transport, connection: Option<u64>) -> Peer {
        Peer {
            listener: 0,
            transport,
            remote: "192.0.2.9:40000".parse().unwrap(),
            local: "192.0.2.1:8060".parse().unwrap(),
            connection: connection.map(crate::session::sip::ConnectionId),
        }
    }

    #[test]
    fn received_and_rport_are_filled_and_followed() {
        for (via, stamped, port) in [
            ("SIP/2.0/UDP 192.0.2.9:5090;branch=b", "SIP/2.0/UDP 192.0.2.9:5090;branch=b", 5090),
            ("SIP/2.0/UDP 192.0.2.9;branch=b", "SIP/2.0/UDP 192.0.2.9;branch=b", 5060),
            ("SIP/2.0/UDP host:7;branch=b", "SIP/2.0/UDP host:7;branch=b;received=192.0.2.9", 7),
            (
                "SIP/2.0/UDP 10.0.0.1:7;rport;branch=b",
                "SIP/2.0/UDP 10.0.0.1:7;rport=40000;branch=b;received=192.0.2.9",
                40000,
            ),
        ] {
            let mut via: Via = via.parse().unwrap();
            stamp(&mut via, &peer(Transport::Udp, None));
            assert_eq!(via.to_string(), stamped);
            assert_eq!(response_peer(&via, peer(Transport::Udp, None)).remote.port(), port);
            assert_eq!(response_peer(&via, peer(Transport::Tcp, Some(1))).remote.port(), 40000);
        }
    }
}
