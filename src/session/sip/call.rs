//! Calls: what a user agent server does within a dialog, RFC 3261 sections 13.3, 14.2 and 15.1, RFC 3311, RFC 4028.

use std::time::{Duration, Instant};

use tracing::debug;

use crate::session::sip::client::Concluded;
use crate::session::sip::dialog::Dialog;
use crate::session::sip::endpoint::{CallId, EndReason, Endpoint, Inbound, Output, sdp};
use crate::session::sip::peer::{ConnectionId, Peer};
use crate::session::sip::response::{ACCEPT, ALLOW, SUPPORTED};
use crate::session::sip::session_timer::{Refused, SessionTimer};
use crate::session::sip::shared::{CallTimer, Shared, Timer, TransactionId};
use crate::wire::sip::{HeaderName, Headers, Method, Refresher, Response, SessionExpires};
use crate::wire::text::quote;

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    dialog: Dialog,
    /// Whether the first offer was accepted.
    answered: bool,
    /// Whether the answer to it was acknowledged.
    confirmed: bool,
    /// An offer that waits for its answer.
    pending: Option<Pending>,
    /// A 2xx that waits for its ACK.
    unacked: Option<Unacked>,
    timer: Option<SessionTimer>,
    /// The call is over, but BYE must wait for ACK, RFC 3261 section 15.
    leaving: bool,
}

#[derive(Debug)]
struct Pending {
    transaction: TransactionId,
    timer: Option<SessionTimer>,
}

#[derive(Debug)]
struct Unacked {
    seq: u32,
    peer: Peer,
    sent_by_port: u16,
    bytes: Vec<u8>,
    interval: Duration,
}

impl Call {
    pub(super) fn handle_disconnect(&mut self, connection: ConnectionId) {
        self.dialog.handle_disconnect(connection);
        if let Some(unacked) = self.unacked.as_mut().filter(|unacked| unacked.peer.connection == Some(connection)) {
            unacked.peer.connection = None;
            unacked.peer.remote.set_port(unacked.sent_by_port);
        }
    }
}

/// Commands.
impl Endpoint {
    /// Answers the call's offer with 200 and this answer. Nothing happens if no offer waits: the client has cancelled.
    pub fn accept(&mut self, now: Instant, call: CallId, sdp: Vec<u8>) {
        let Some(this) = self.calls.get_mut(&call) else { return };
        let Some(pending) = this.pending.take() else { return };
        let Some(transaction) = self.transactions.get(pending.transaction) else { return };
        let (invite, peer) = (transaction.method == Method::Invite, transaction.peer);
        let mut response = success(&self.shared, &transaction.headers, &transaction.tag, peer, this, pending.timer);
        response.headers.push(HeaderName::CONTENT_TYPE, ACCEPT);
        response.body = sdp;
        this.dialog.refresh_target(&transaction.headers);
        this.answered = true;
        if invite {
            let interval = self.shared.t1();
            let seq = transaction.headers.cseq().ok().flatten().map_or(0, |cseq| cseq.number);
            let sent_by_port = transaction.sent_by_port;
            this.unacked = Some(Unacked { seq, peer, sent_by_port, bytes: response.write(), interval });
            self.shared.timers.set(Timer::Call(call, CallTimer::Retransmit), now + interval);
            self.shared.timers.set(Timer::Call(call, CallTimer::NoAck), now + self.shared.give_up());
        }
        self.transactions.respond(&mut self.shared, now, pending.transaction, &response);
        self.set_session_timer(now, call, pending.timer);
    }

    /// Refuses the call's offer with a status from 300 to 699; `warning` goes into a Warning header, for people. If it
    /// was the first offer the call is over, else it goes on as it was.
    pub fn refuse(
        &mut self,
        now: Instant,
        call: CallId,
        status: u16,
        warning: Option<&str>,
        retry_after_s: Option<u32>,
    ) {
        let Some(pending) = self.calls.get_mut(&call).and_then(|this| this.pending.take()) else { return };
        let status = if (300..700).contains(&status) { status } else { 500 };
        let Some(transaction) = self.transactions.get(pending.transaction) else { return };
        let mut response = self.shared.response(&transaction.headers, status, &transaction.tag);
        if let Some(seconds) = retry_after_s {
            response.headers.push(HeaderName::RETRY_AFTER, seconds);
        }
        if let Some(text) = warning {
            response.headers.push(HeaderName::WARNING, self.warning(&transaction.peer, text));
        }
        self.transactions.respond(&mut self.shared, now, pending.transaction, &response);
        if self.calls.get(&call).is_some_and(|this| !this.answered) {
            self.remove(call, EndReason::Refused);
        }
    }

    /// Ends the call: with BYE, as soon as the client has acknowledged our answer, or with 480 if there is none yet.
    pub fn hang_up(&mut self, now: Instant, call: CallId) {
        self.leave(now, call, EndReason::HungUp);
    }
}

/// Requests.
impl Endpoint {
    /// An INVITE that starts a call.
    pub(super) fn handle_invite(&mut self, now: Instant, inbound: Inbound) {
        if !self.check_room(&inbound) {
            return;
        }
        let Some((offer, timer)) = self.offer(&inbound) else { return };
        let tag = self.shared.tokens.tag();
        let Inbound { request, cseq, source, sent_by_port, .. } = &inbound;
        let dialog = match Dialog::new(request, cseq.number, tag.clone(), *source, *sent_by_port) {
            Ok(dialog) => dialog,
            Err(error) => return self.answer(&request.headers, inbound.peer, 400, Some(&error.to_string()), &[]),
        };
        let call = self.new_call_id();
        self.dialogs.insert(dialog.id.clone(), call);
        let transaction = self.open(&inbound, tag, call);
        let pending = Some(Pending { transaction, timer });
        let this =
            Call { dialog, answered: false, confirmed: false, pending, unacked: None, timer: None, leaving: false };
        self.calls.insert(call, this);
        self.put_offer(now, call, transaction, &inbound, offer, false);
    }

    pub(super) fn handle_within_dialog(&mut self, now: Instant, call: CallId, inbound: Inbound) {
        let Some(this) = self.calls.get_mut(&call) else { return };
        let method = &inbound.request.method;
        if this.leaving && *method != Method::Bye {
            return self.refuse_now(&inbound, 481, &[]);
        }
        // RFC 3261 section 12.2.2: out of order.
        if inbound.cseq.number < this.dialog.remote_seq {
            return self.refuse_now(&inbound, 500, &[]);
        }
        this.dialog.handle_request(inbound.cseq.number, inbound.source, inbound.sent_by_port);
        match method {
            Method::Bye => {
                let transaction = self.open(&inbound, String::new(), call);
                let response = self.shared.response(&inbound.request.headers, 200, "");
                self.transactions.respond(&mut self.shared, now, transaction, &response);
                self.terminate_pending(now, call);
                self.remove(call, EndReason::Bye);
            }
            Method::Invite | Method::Update => self.handle_reoffer(now, call, inbound),
            // The rest was answered before.
            _ => self.handle_options(&inbound),
        }
    }

    /// A re-INVITE, RFC 3261 section 14.2, or an UPDATE, RFC 3311 section 5.2.
    fn handle_reoffer(&mut self, now: Instant, call: CallId, inbound: Inbound) {
        let Some(this) = self.calls.get(&call) else { return };
        let invite = inbound.request.method == Method::Invite;
        let refresh_only = !invite && inbound.request.body.is_empty();
        if this.pending.is_some() && !refresh_only {
            let seconds = self.shared.tokens.number(11).to_string();
            return self.refuse_now(&inbound, 500, &[(HeaderName::RETRY_AFTER, seconds)]);
        }
        // One 2xx at a time waits for its ACK.
        if invite && this.unacked.is_some() {
            return self.refuse_now(&inbound, 491, &[]);
        }
        if refresh_only {
            let Some(timer) = self.session_timer(&inbound) else { return };
            let transaction = self.open(&inbound, String::new(), call);
            let Some(this) = self.calls.get_mut(&call) else { return };
            this.dialog.refresh_target(&inbound.request.headers);
            let response = success(&self.shared, &inbound.request.headers, "", inbound.peer, this, timer);
            self.transactions.respond(&mut self.shared, now, transaction, &response);
            return self.set_session_timer(now, call, timer);
        }
        let Some((offer, timer)) = self.offer(&inbound) else { return };
        let transaction = self.open(&inbound, String::new(), call);
        if let Some(this) = self.calls.get_mut(&call) {
            this.pending = Some(Pending { transaction, timer });
        }
        self.put_offer(now, call, transaction, &inbound, offer, true);
    }

    pub(super) fn handle_ack(&mut self, now: Instant, inbound: &Inbound) {
        let call = inbound.dialog.as_ref().and_then(|dialog| self.dialogs.get(dialog)).copied();
        let Some((call, this)) = call.and_then(|call| Some((call, self.calls.get_mut(&call)?))) else { return };
        this.dialog.handle_request(inbound.cseq.number, inbound.source, inbound.sent_by_port);
        if this.unacked.take_if(|unacked| unacked.seq == inbound.cseq.number).is_none() {
            return;
        }
        self.shared.timers.cancel(Timer::Call(call, CallTimer::Retransmit));
        self.shared.timers.cancel(Timer::Call(call, CallTimer::NoAck));
        if this.leaving {
            return self.bye(now, call);
        }
        if !this.confirmed {
            this.confirmed = true;
            self.shared.outputs.push_back(Output::Confirmed { call });
        }
    }

    /// The client takes its INVITE back.
    pub(super) fn cancel(&mut self, now: Instant, call: CallId, invite: TransactionId) {
        if self
            .calls
            .get(&call)
            .and_then(|this| this.pending.as_ref())
            .is_some_and(|pending| pending.transaction == invite)
        {
            self.terminate_pending(now, call);
            if self.calls.get(&call).is_some_and(|this| !this.answered) {
                self.remove(call, EndReason::Cancelled);
            }
        }
    }

    /// The offer in an INVITE or UPDATE, and the session timer to answer; if one is missing the request is answered.
    fn offer(&mut self, inbound: &Inbound) -> Option<(Vec<u8>, Option<SessionTimer>)> {
        let Some(offer) = sdp(&inbound.request).ok().flatten().map(<[u8]>::to_vec) else {
            // RFC 6787 section 4.2: it is the client that offers.
            let warning = self
                .warning(&inbound.peer, "an MRCPv2 client must make the offer, this request has no application/sdp");
            self.refuse_now(inbound, 488, &[(HeaderName::WARNING, warning)]);
            return None;
        };
        Some((offer, self.session_timer(inbound)?))
    }

    fn session_timer(&mut self, inbound: &Inbound) -> Option<Option<SessionTimer>> {
        match SessionTimer::negotiate(&inbound.request.headers, &self.shared.config) {
            Ok(timer) => return Some(timer),
            Err(Refused::TooSmall) => {
                let seconds = self.shared.config.min_session_expires_s.to_string();
                self.refuse_now(inbound, 422, &[(HeaderName::MIN_SE, seconds)]);
            }
            Err(Refused::Malformed(error)) => {
                self.answer(&inbound.request.headers, inbound.peer, 400, Some(&error.to_string()), &[]);
            }
        }
        None
    }

    fn put_offer(
        &mut self,
        now: Instant,
        call: CallId,
        transaction: TransactionId,
        inbound: &Inbound,
        offer: Vec<u8>,
        reoffer: bool,
    ) {
        let headers = &inbound.request.headers;
        if inbound.request.method == Method::Invite {
            let trying = self.shared.response(headers, 100, "");
            self.transactions.respond(&mut self.shared, now, transaction, &trying);
        }
        let text = |name| headers.get(&name).unwrap_or_default().to_owned();
        let (call_id, from, to) = (text(HeaderName::CALL_ID), text(HeaderName::FROM), text(HeaderName::TO));
        let peer = inbound.source;
        self.shared.outputs.push_back(Output::Offer { call, offer, reoffer, peer, call_id, from, to });
    }

    fn warning(&self, peer: &Peer, text: &str) -> String {
        format!("399 {} {}", self.shared.advertised(peer), quote(text))
    }
}

/// Time, and the ends of calls.
impl Endpoint {
    pub(super) fn handle_call_timeout(&mut self, now: Instant, call: CallId, timer: CallTimer) {
        let Some(this) = self.calls.get_mut(&call) else { return };
        match timer {
            CallTimer::Retransmit => {
                if let Some(unacked) = &mut this.unacked {
                    unacked.interval = (unacked.interval * 2).min(self.shared.t2());
                    self.shared.timers.set(Timer::Call(call, CallTimer::Retransmit), now + unacked.interval);
                    self.shared.send(unacked.peer, unacked.bytes.clone());
                }
            }
            CallTimer::NoAck => {
                this.unacked = None;
                self.leave(now, call, EndReason::NoAck);
            }
            CallTimer::Refresh => self.refresh(now, call),
            CallTimer::Expired => self.leave(now, call, EndReason::SessionExpired),
        }
    }

    /// A request of ours got its final response, or none.
    pub(super) fn handle_concluded(&mut self, now: Instant, concluded: Concluded) {
        let Concluded { call, method, response } = concluded;
        let status = response.as_ref().map(|response| response.status);
        debug!(%call, %method, status, "SIP request concluded");
        let (Method::Update, Some(this)) = (method, self.calls.get_mut(&call)) else { return };
        let Some(response) = response.filter(|response| !matches!(response.status, 408 | 481)) else {
            // RFC 4028 section 10: the client is gone.
            return self.leave(now, call, EndReason::SessionExpired);
        };
        match (response.status, &mut this.timer) {
            (200..300, _) => {
                let timer = response.headers.session_expires().ok().flatten().map(|agreed| SessionTimer {
                    interval_s: agreed.interval_s,
                    ours: agreed.refresher != Some(Refresher::Uas),
                });
                self.set_session_timer(now, call, timer);
            }
            (422, Some(timer)) => {
                let min_se = response.headers.min_se().ok().flatten().unwrap_or(0);
                if min_se > timer.interval_s {
                    timer.interval_s = min_se;
                    self.refresh(now, call);
                }
            }
            // The session stands until its interval ends.
            _ => {}
        }
    }

    fn set_session_timer(&mut self, now: Instant, call: CallId, timer: Option<SessionTimer>) {
        let Some(this) = self.calls.get_mut(&call) else { return };
        this.timer = timer;
        let timers = &mut self.shared.timers;
        timers.cancel(Timer::Call(call, CallTimer::Refresh));
        timers.cancel(Timer::Call(call, CallTimer::Expired));
        if let Some(timer) = timer {
            timers.set(Timer::Call(call, CallTimer::Expired), now + timer.expires_after());
            if timer.ours {
                timers.set(Timer::Call(call, CallTimer::Refresh), now + timer.refresh_after());
            }
        }
    }

    /// Refreshes the session, RFC 4028 section 7.4.
    fn refresh(&mut self, now: Instant, call: CallId) {
        let Some(this) = self.calls.get_mut(&call) else { return };
        let Some(timer) = this.timer else { return };
        let (mut request, branch, peer) = this.dialog.request(&mut self.shared, Method::Update);
        let headers = &mut request.headers;
        headers.push(HeaderName::CONTACT, self.shared.contact(&peer, this.dialog.secure));
        headers.push(HeaderName::ALLOW, ALLOW);
        headers.push(HeaderName::SUPPORTED, SUPPORTED);
        let asked = SessionExpires { interval_s: timer.interval_s, refresher: Some(Refresher::Uac) };
        headers.push(HeaderName::SESSION_EXPIRES, asked);
        headers.push(HeaderName::MIN_SE, self.shared.config.min_session_expires_s.min(timer.interval_s));
        self.clients.open(&mut self.shared, now, call, branch, &request, peer);
    }

    /// Ends a call from our side.
    fn leave(&mut self, now: Instant, call: CallId, why: EndReason) {
        let Some(this) = self.calls.get_mut(&call) else { return };
        if !this.answered {
            let Some(pending) = this.pending.take() else { return };
            if let Some(transaction) = self.transactions.get(pending.transaction) {
                let response = self.shared.response(&transaction.headers, 480, &transaction.tag);
                self.transactions.respond(&mut self.shared, now, pending.transaction, &response);
            }
            return self.remove(call, why);
        }
        if !this.leaving {
            this.leaving = true;
            self.shared.outputs.push_back(Output::Ended { call, why });
        }
        if self.calls.get(&call).is_some_and(|this| this.unacked.is_none()) {
            self.bye(now, call);
        }
    }

    /// Sends BYE. What becomes of it makes no difference: the dialog is over with its sending.
    fn bye(&mut self, now: Instant, call: CallId) {
        self.terminate_pending(now, call);
        let Some(this) = self.calls.get_mut(&call) else { return };
        let (request, branch, peer) = this.dialog.request(&mut self.shared, Method::Bye);
        self.clients.open(&mut self.shared, now, call, branch, &request, peer);
        self.remove(call, EndReason::HungUp);
    }

    /// Answers the offer that waits, if any, with 487.
    fn terminate_pending(&mut self, now: Instant, call: CallId) {
        let Some(pending) = self.calls.get_mut(&call).and_then(|this| this.pending.take()) else { return };
        if let Some(transaction) = self.transactions.get(pending.transaction) {
            let response = self.shared.response(&transaction.headers, 487, &transaction.tag);
            self.transactions.respond(&mut self.shared, now, pending.transaction, &response);
        }
    }

    /// Forgets a call, and says so unless that was said.
    fn remove(&mut self, call: CallId, why: EndReason) {
        let Some(this) = self.calls.remove(&call) else { return };
        self.dialogs.remove(&this.dialog.id);
        for timer in [CallTimer::Retransmit, CallTimer::NoAck, CallTimer::Refresh, CallTimer::Expired] {
            self.shared.timers.cancel(Timer::Call(call, timer));
        }
        if !this.leaving {
            self.shared.outputs.push_back(Output::Ended { call, why });
        }
    }
}

/// A 200 to INVITE or UPDATE, without a body.
fn success(
    shared: &Shared,
    request: &Headers,
    tag: &str,
    peer: Peer,
    call: &Call,
    timer: Option<SessionTimer>,
) -> Response {
    let mut response = shared.response(request, 200, tag);
    let headers = &mut response.headers;
    for route in request.get_all(&HeaderName::RECORD_ROUTE) {
        headers.push(HeaderName::RECORD_ROUTE, route);
    }
    headers.push(HeaderName::CONTACT, shared.contact(&peer, call.dialog.secure));
    headers.push(HeaderName::ALLOW, ALLOW);
    headers.push(HeaderName::SUPPORTED, SUPPORTED);
    if let Some(timer) = timer {
        headers.push(HeaderName::SESSION_EXPIRES, timer.in_response());
        if !timer.ours {
            // RFC 4028 section 9: the client must know that it is to refresh.
            headers.push(HeaderName::REQUIRE, SUPPORTED);
        }
    }
    response
}
