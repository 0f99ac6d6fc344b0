//! WebSockets: requests, and one stream's messages in and out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, FromRequestParts as _, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::adapter::stream::Shared;
use crate::adapter::stream::access::{Access, access, origin_may};
use crate::adapter::stream::asked::Asked;
use crate::adapter::stream::session::{Close, Session, View};
use crate::adapter::stream::signature::{Signable, Signed};
use crate::wire::stream::{Conversation, Dialect, Message, Opening, Reply, close};

/// A peer that takes nothing for so long is dropped.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a peer may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes read at once: a second of most streams.
const READ_BUFFER: usize = 8_192;
/// Bytes that may wait to be sent: answers to a peer that asks without listening.
const WRITE_BUFFER: usize = 65_536;
/// Longest reason in a close (RFC 6455 section 5.5), in bytes.
const MAX_REASON: usize = 120;

/// All paths: which is whose, the paths and first messages tell.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(open).with_state(shared)
}

async fn open(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().unwrap_or_default().to_owned());
    let refuse = |status: StatusCode, why: String| {
        tracing::warn!(%peer, path, status = status.as_u16(), "a stream is refused: {why}");
        (status, format!("{why}\n")).into_response()
    };
    let protocols = parts.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let protocols = protocols.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let opening = match Opening::parse(&path, &query, protocols) {
        Ok(opening) => opening,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let streams = &shared.config.streams;
    let tokens = &streams.tokens;
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let signed = shared.signed(&Signable { target, public_url: &streams.public_url, headers: &parts.headers });
    let granted = match (signed, access(streams.is_guarded(), tokens, &parts.headers, opening.token.as_deref())) {
        (Signed::Wrong(why), _) => {
            return refuse(StatusCode::UNAUTHORIZED, format!("the signature is wrong: {why}"));
        }
        (Signed::Well, _) | (_, Access::Granted) => true,
        // Clouds that show nothing of ours in the request have it in their first message.
        (_, Access::Missing) if opening.dialect.is_some_and(brings_parameters) && !tokens.is_empty() => false,
        (_, Access::Missing) => return refuse(StatusCode::UNAUTHORIZED, "a token is needed".to_owned()),
        (_, Access::Wrong) => return refuse(StatusCode::UNAUTHORIZED, "no such token".to_owned()),
    };
    if !origin_may(&shared.config.streams.allowed_origins, &parts.headers) {
        let why = "its page's origin is not the server's: streams.allowed_origins names those that may";
        return refuse(StatusCode::FORBIDDEN, why.to_owned());
    }
    if !parts.headers.contains_key(header::UPGRADE) {
        return page(&shared, &parts.method, &path, &query, &parts.headers);
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &shared).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let mut conversation = Conversation::new(&opening);
    if let Err(why) = Asked::new(&shared.config, conversation.call()) {
        return refuse(StatusCode::BAD_REQUEST, why);
    }
    let later = [(header::RETRY_AFTER, shared.config.retry_after_s.to_string())];
    let permit = match shared.admit() {
        Some(permit) if !shared.drain.is_cancelled() => permit,
        taken => {
            let why = if taken.is_some() { "the server stops" } else { "all calls are taken" };
            return (later, refuse(StatusCode::SERVICE_UNAVAILABLE, why.to_owned())).into_response();
        }
    };
    let limit = shared.config.streams.max_message_bytes;
    let mut upgrade = upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(limit)
        .max_frame_size(limit);
    upgrade = upgrade.protocols(opening.protocol);
    let number = shared.next.fetch_add(1, Ordering::Relaxed);
    let tracker = shared.tracker.clone();
    upgrade.on_failed_upgrade(move |error| tracing::debug!(%peer, %error, "a WebSocket did not come about")).on_upgrade(
        move |socket| {
            tracker.track_future(async move {
                let mut session = Session::new(Arc::clone(&shared), number, peer, granted, permit);
                if opening.bare {
                    session.expect_all_at_once();
                }
                let end = run(socket, &shared, &mut session, &mut conversation).await;
                session.log_end(&end);
            })
        },
    )
}

/// Products whose users give parameters along that come in the first message.
const fn brings_parameters(dialect: Dialect) -> bool {
    !matches!(dialect, Dialect::Tap | Dialect::AudioFork)
}

/// What a request gets that asks for no WebSocket: the address of one, as mod_vg_tap_ws and Exotel ask for it.
fn page(shared: &Shared, method: &Method, path: &str, query: &str, headers: &HeaderMap) -> Response {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let (first, rest) = (segments.next(), segments.next());
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let (Some(host), true) = (host, *method == Method::GET || *method == Method::POST) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let scheme = if shared.config.streams.tls { "wss" } else { "ws" };
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    match (first, rest) {
        (Some("tap"), Some(name)) => format!("{scheme}://{host}/stream/{name}{query}").into_response(),
        (Some("exotel"), _) => {
            let url = serde_json::json!({ "url": format!("{scheme}://{host}/exotel{query}") });
            ([(header::CONTENT_TYPE, "application/json")], url.to_string()).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// One stream, to its end: tells how it ended, in words.
async fn run(mut socket: WebSocket, shared: &Shared, session: &mut Session, conversation: &mut Conversation) -> String {
    let end = match serve(&mut socket, shared, session, conversation).await {
        Ok(end) => return end,
        Err(end) => end,
    };
    let mut last: Vec<Reply> = conversation.farewell(&end.reason).into_iter().collect();
    let disconnects = !last.is_empty();
    session.tell_end(&end);
    last.extend(session.out.drain(..));
    for reply in last {
        if !send(&mut socket, frame(reply)).await {
            return end.reason;
        }
    }
    // The client of a protocol that has words for it closes by itself.
    if disconnects {
        let mut answered = async || {
            while let Some(Ok(message)) = socket.recv().await {
                if let Frame::Text(text) = &message {
                    let replies = conversation.handle(Message::Text(text.as_str()));
                    for told in replies {
                        match told {
                            crate::wire::stream::Told::Reply(reply) => {
                                send(&mut socket, frame(reply)).await;
                            }
                            crate::wire::stream::Told::Stopped { .. } => return,
                            _ => {}
                        }
                    }
                }
            }
        };
        tokio::time::timeout(CLOSE_TIMEOUT, answered()).await.ok();
    }
    let mut reason = end.reason.clone();
    while reason.len() > MAX_REASON {
        reason.pop();
    }
    let frame = CloseFrame { code: end.code, reason: reason.into() };
    if send(&mut socket, Frame::Close(Some(frame))).await {
        // The peer answers it; what it sends until then is passed over, and not for long.
        let closed = async { while let Some(Ok(_)) = socket.recv().await {} };
        tokio::time::timeout(CLOSE_TIMEOUT, closed).await.ok();
    }
    end.reason
}

/// Messages in and out until the peer ends the stream (`Ok`) or this side does (`Err`).
async fn serve(
    socket: &mut WebSocket,
    shared: &Shared,
    session: &mut Session,
    conversation: &mut Conversation,
) -> Result<String, Close> {
    let ping_every = Duration::from_millis(shared.config.streams.ping_ms);
    let mut ping_at = Instant::now() + ping_every;
    loop {
        while let Some(reply) = session.out.pop_front() {
            if !send(socket, frame(reply)).await {
                return Ok("the peer takes no messages".to_owned());
            }
        }
        if let Some(reason) = session.stopped.take() {
            return Err(Close::new(close::NORMAL, if reason.is_empty() { "stopped".to_owned() } else { reason }));
        }
        let now = Instant::now();
        if !ping_every.is_zero() && now >= ping_at {
            ping_at = now + ping_every;
            if !send(socket, Frame::Ping(Vec::new().into())).await {
                return Ok("the peer takes no messages".to_owned());
            }
        }
        let reads = session.reads_at(now);
        let mut wake = session.timeout(now).min(reads.err().unwrap_or(now + ROUND));
        if !ping_every.is_zero() {
            wake = wake.min(ping_at);
        }
        let replaced = session.replaced.clone();
        tokio::select! {
            message = socket.recv(), if reads.is_ok() => match message {
                None => return Ok("the peer is gone".to_owned()),
                Some(Err(error)) => return faulty(&error),
                Some(Ok(Frame::Close(frame))) => {
                    // The answer leaves with the next look.
                    tokio::time::timeout(CLOSE_TIMEOUT, socket.recv()).await.ok();
                    let code = frame.map_or(1005, |frame| frame.code);
                    return Ok(format!("closed by the peer, {code}"));
                }
                Some(Ok(Frame::Ping(bytes) | Frame::Pong(bytes))) => {
                    let view = view(conversation);
                    session.handle(Instant::now(), Vec::new(), bytes.len(), view)?;
                }
                Some(Ok(Frame::Text(text))) => {
                    let told = conversation.handle(Message::Text(text.as_str()));
                    session.handle(Instant::now(), told, text.len(), view(conversation))?;
                }
                Some(Ok(Frame::Binary(bytes))) => {
                    let told = conversation.handle(Message::Binary(&bytes));
                    session.handle(Instant::now(), told, bytes.len(), view(conversation))?;
                }
            },
            event = session.heard() => session.handle_event(Instant::now(), event)?,
            () = tokio::time::sleep_until(wake.into()) => {}
            () = replaced.cancelled() => {
                return Err(Close::new(close::NORMAL, "a newer stream of the same call has come"));
            }
            () = shared.drain.cancelled(), if session.is_done() => {
                return Err(Close::new(close::GOING_AWAY, "the server stops"));
            }
            () = shared.closing.cancelled() => return Err(Close::new(close::GOING_AWAY, "the server stops")),
        }
        session.handle_timeout(Instant::now())?;
    }
}

/// How long nothing may be due.
const ROUND: Duration = Duration::from_secs(60);

fn view(conversation: &Conversation) -> View<'_> {
    View { dialect: conversation.dialect(), format: conversation.format(), call: conversation.call() }
}

/// What came is no WebSocket, or is too long.
fn faulty(error: &axum::Error) -> Result<String, Close> {
    let why = error.to_string();
    if why.contains("too long") || why.contains("too big") || why.contains("Space limit") {
        return Err(Close::new(close::TOO_BIG, "the message is too long"));
    }
    Ok(why)
}

fn frame(reply: Reply) -> Frame {
    match reply {
        Reply::Text(text) => Frame::Text(text.into()),
        Reply::Binary(bytes) => Frame::Binary(bytes.into()),
    }
}

/// Sends a message; `false` if the peer doesn't take it.
async fn send(socket: &mut WebSocket, frame: Frame) -> bool {
    matches!(tokio::time::timeout(SEND_TIMEOUT, socket.send(frame)).await, Ok(Ok(())))
}
