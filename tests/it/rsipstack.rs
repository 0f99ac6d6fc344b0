//! A SIP client that others wrote, rsipstack, calls the running server on loopback: over UDP and TCP.
//!
//! Its dialogs do INVITE, ACK, re-INVITE, OPTIONS, BYE and CANCEL with their own transactions and timers. What it can't be
//! used for: a CANCEL that meets an INVITE in progress, since the server answers an INVITE at once (the pages of
//! `session::sip` have that). Its re-INVITE has no Content-Type of its own.

use std::sync::Arc;
use std::time::Duration;

use answerd::server::Running;
use answerd::wire::mrcp::{HeaderName, Message};
use answerd::wire::sdp;
use rsipstack::EndpointBuilder;
use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver, DialogStateSender};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Response, StatusCode, Uri};
use rsipstack::transaction::Endpoint;
use rsipstack::transport::TransportLayer;
use rsipstack::transport::udp::UdpConnection;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::server::{AUDIO, CONTROL, Control, PATIENCE, offer, request, start, until_calls};

/// A client with one UDP socket; connections for TCP are made as they are needed.
struct Client {
    endpoint: Arc<Endpoint>,
    layer: Arc<DialogLayer>,
    contact: Uri,
    states: (DialogStateSender, DialogStateReceiver),
    token: CancellationToken,
}

impl Client {
    async fn new() -> Self {
        let token = CancellationToken::new();
        let transport = TransportLayer::new(token.child_token());
        let socket = UdpConnection::create_connection("127.0.0.1:0".parse().unwrap(), None, Some(token.child_token()));
        let socket = socket.await.unwrap();
        let local = socket.get_addr().addr.clone();
        transport.add_transport(socket.into());
        let endpoint = EndpointBuilder::new()
            .with_cancel_token(token.child_token())
            .with_transport_layer(transport)
            .with_timer_interval(Duration::from_millis(10))
            .build();
        let endpoint = Arc::new(endpoint);
        let layer = Arc::new(DialogLayer::new(endpoint.inner.clone()));
        let mut incoming = endpoint.incoming_transactions().unwrap();
        let serving = Arc::clone(&endpoint);
        tokio::spawn(async move { serving.serve().await });
        // Requests of the server within a dialog, BYE above all.
        let dialogs = Arc::clone(&layer);
        tokio::spawn(async move {
            while let Some(mut transaction) = incoming.recv().await {
                if let Some(mut dialog) = dialogs.match_dialog(&transaction) {
                    tokio::spawn(async move { dialog.handle(&mut transaction).await.ok() });
                }
            }
        });
        let states = layer.new_dialog_state_channel();
        let contact = format!("sip:test@{local}").as_str().try_into().unwrap();
        Self { endpoint, layer, contact, states, token }
    }

    fn invitation(&self, server: &Running, transport: &str, media: &str) -> InviteOption {
        let callee = format!("sip:answerd@{}{transport}", server.sip()[0].address);
        InviteOption {
            caller: self.contact.clone(),
            callee: callee.as_str().try_into().unwrap(),
            contact: self.contact.clone(),
            content_type: Some("application/sdp".to_owned()),
            offer: Some(offer(media).into_bytes()),
            ..InviteOption::default()
        }
    }

    async fn invite(&self, server: &Running, transport: &str, media: &str) -> (InviteDialog, Response) {
        let inviting = self.layer.do_invite(self.invitation(server, transport, media), self.states.0.clone());
        let (dialog, response) = timeout(PATIENCE, inviting).await.expect("no answer").unwrap();
        (dialog, response.expect("a final response"))
    }

    /// Waits until the client's dialog is over.
    async fn until_terminated(&mut self) {
        let over = async {
            while let Some(state) = self.states.1.recv().await {
                if matches!(state, DialogState::Terminated(..)) {
                    return;
                }
            }
        };
        timeout(PATIENCE, over).await.expect("the dialog goes on");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.endpoint.shutdown();
        self.token.cancel();
    }
}

fn answer(response: &Response) -> sdp::SessionDescription {
    assert_eq!(response.status_code, StatusCode::OK);
    sdp::parse(&response.body).unwrap()
}

fn channel(answer: &sdp::SessionDescription) -> &str {
    answer.media.iter().find_map(sdp::MediaDescription::channel).expect("a=channel")
}

fn both() -> String {
    format!("{CONTROL}{AUDIO}")
}

async fn a_whole_call(transport: &str) {
    let server = start("").await;
    let client = Client::new().await;
    let (dialog, response) = client.invite(&server, transport, &both()).await;
    let first = answer(&response);
    assert_eq!(server.calls(), 1);
    let control = first.media.iter().find(|media| media.is_control()).unwrap();
    assert_eq!((control.formats.as_slice(), control.setup()), (&["1".to_owned()][..], Some(sdp::Setup::Passive)));

    // The channel is there and works.
    let mut connection = Control::to(([127, 0, 0, 1], control.port).into()).await;
    connection.send(&request(channel(&first), 1, "GET-PARAMS", "No-Input-Timeout:\r\n", "")).await;
    let Some(Message::Response(told)) = connection.next().await else { panic!("a response") };
    assert_eq!((told.status.0, told.headers.get(HeaderName::NoInputTimeout)), (200, Some("5000")));

    // A later offer keeps it.
    let typed = vec![rsipstack::sip::Header::ContentType("application/sdp".into())];
    let body = offer(&both()).replace(" 1 1 IN", " 1 2 IN").into_bytes();
    let again = dialog.reinvite(Some(typed), Some(body)).await.unwrap();
    let second = answer(&again.expect("a final response"));
    assert_eq!(channel(&second), channel(&first));
    assert_eq!(second.media[0].port, control.port);
    assert_eq!(second.origin, first.origin, "nothing has changed");

    let options = dialog.options(None).await.unwrap().expect("a final response");
    assert_eq!(options.status_code, StatusCode::OK);
    assert!(String::from_utf8_lossy(&options.body).contains("a=resource:speechrecog"));

    dialog.bye().await.unwrap();
    until_calls(&server, 0).await;
    server.shutdown().await;
}

#[tokio::test]
async fn another_makers_client_calls_over_udp() {
    a_whole_call("").await;
}

#[tokio::test]
async fn another_makers_client_calls_over_tcp() {
    a_whole_call(";transport=tcp").await;
}

#[tokio::test]
async fn channel_identifiers_are_long_and_never_the_same() {
    let server = start("").await;
    let client = Client::new().await;
    let mut seen = std::collections::BTreeSet::new();
    let mut dialogs = Vec::new();
    for _ in 0..10 {
        let (dialog, response) = client.invite(&server, "", &both()).await;
        let answer = answer(&response);
        let (session, resource) = channel(&answer).split_once('@').unwrap();
        assert!(session.len() >= 32 && session.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{session}");
        assert_eq!(resource, "speechrecog");
        assert!(seen.insert(session.to_owned()));
        dialogs.push(dialog);
    }
    // Neither half comes again: it is no counter beside a constant.
    for half in [0..16, 16..32] {
        let halves: std::collections::BTreeSet<&str> = seen.iter().map(|session| &session[half.clone()]).collect();
        assert_eq!(halves.len(), seen.len());
    }
    for dialog in dialogs {
        dialog.bye().await.unwrap();
    }
    until_calls(&server, 0).await;
}

#[tokio::test]
async fn what_can_not_be_served_is_refused_to_another_makers_client() {
    let server = start("").await;
    let client = Client::new().await;
    let synthesizer = both().replace("speechrecog", "speechsynth");
    let inviting = client.layer.do_invite(client.invitation(&server, "", &synthesizer), client.states.0.clone());
    let refused = timeout(PATIENCE, inviting).await.expect("no answer");
    let status = match refused {
        Ok((_, response)) => response.map(|response| response.status_code),
        Err(rsipstack::Error::DialogError(_, _, status)) => Some(status),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(status, Some(StatusCode::NotAcceptableHere));
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn a_call_that_is_given_up_at_once_leaves_nothing() {
    let server = start("").await;
    let client = Client::new().await;
    for _ in 0..5 {
        let (dialog, inviting) =
            client.layer.do_invite_async(client.invitation(&server, "", &both()), client.states.0.clone()).unwrap();
        // Wherever the CANCEL meets the 200: the client ends what was answered all the same.
        tokio::task::yield_now().await;
        dialog.cancel().await.ok();
        timeout(PATIENCE, inviting).await.expect("no answer").ok();
        if !matches!(dialog.state(), DialogState::Terminated(..)) {
            dialog.bye().await.ok();
        }
    }
    until_calls(&server, 0).await;
}

#[tokio::test]
async fn the_servers_goodbye_reaches_another_makers_client() {
    let server = start("CALL_CONNECTION_TIMEOUT_MS=200").await;
    let mut client = Client::new().await;
    let (_dialog, response) = client.invite(&server, "", &both()).await;
    answer(&response);
    // No MRCP connection comes.
    client.until_terminated().await;
    until_calls(&server, 0).await;
}
