//! The control connection: MRCPv2 over TCP or TLS, RFC 6787 section 4.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::event::{CallError, Cause};
use crate::client::secure::{Stream, Tls};
use crate::wire::mrcp::{
    ChannelIdentifier, CompletionCause, HeaderName, Headers, Message, Method, On, Parser, Request, RequestId,
    VendorParameters, unquote,
};
use crate::wire::sdp::Fingerprint;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to the recognizer.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    parser: Parser,
    unsent: BytesMut,
    /// TLS may hold what was written.
    unflushed: bool,
    received: BytesMut,
}

impl Connection {
    /// Opens a connection; `tls` puts it under TLS with the host of that name, whose certificate must have one of these
    /// fingerprints if there are any.
    pub(super) async fn open(
        mrcp: SocketAddr,
        tls: Option<(&Tls, &str)>,
        fingerprints: &[Fingerprint],
    ) -> Result<Self, CallError> {
        let refused = |source| CallError::NoConnection { mrcp, source };
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(mrcp))
            .await
            .map_err(|_| refused(io::Error::from(io::ErrorKind::TimedOut)))?
            .map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(stream),
            Some((tls, host)) => tls.connect(stream, host, fingerprints).await.map_err(refused)?,
        };
        let (unsent, received) = (BytesMut::new(), BytesMut::new());
        Ok(Self { stream, parser: Parser::default(), unsent, unflushed: false, received })
    }

    /// Queues a request; [`Connection::next`] sends it.
    pub(super) fn send(&mut self, request: &Request) {
        self.unsent.extend_from_slice(&request.write());
    }

    /// Sends what is queued and waits for a message. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Message, CallError> {
        let lost = |how: String| CallError::ConnectionLost { how };
        loop {
            if let Some(message) = self.parser.poll_message().map_err(|malformed| lost(malformed.to_string()))? {
                return Ok(message);
            }
            let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
            let unsent = &self.unsent;
            let send =
                async { if unsent.is_empty() { writer.flush().await.map(|()| 0) } else { writer.write(unsent).await } };
            tokio::select! {
                sent = send, if !unsent.is_empty() || self.unflushed => match sent {
                    Ok(count) => {
                        self.unsent.advance(count);
                        self.unflushed = count > 0;
                    }
                    Err(error) => return Err(lost(error.to_string())),
                },
                read = reader.read_buf(&mut self.received) => match read {
                    Ok(0) if self.parser.is_inside_message() => return Err(lost("closed within a message".to_owned())),
                    Ok(0) => return Err(lost("the server closed it".to_owned())),
                    Ok(_) => {
                        self.parser.feed(&self.received);
                        self.received.clear();
                    }
                    Err(error) => return Err(lost(error.to_string())),
                },
            }
        }
    }
}

/// RECOGNIZE with a grammar by URI.
///
/// # Errors
/// If a parameter's name or value cannot stand in a header.
pub(super) fn recognize(
    channel: &ChannelIdentifier,
    id: RequestId,
    grammar: &str,
    parameters: &[(String, String)],
) -> Result<Request, CallError> {
    let mut request = Request::new(channel.clone(), Method::Recognize, id)
        .with(HeaderName::CancelIfQueue, "false")
        .with_body("text/uri-list", format!("{grammar}\r\n"));
    add_parameters(&mut request.headers, parameters)?;
    Ok(request)
}

/// Adds parameters: what RFC 6787 allows on RECOGNIZE as headers, others as Vendor-Specific-Parameters. Values are not
/// checked, so that a server can be tried with bad ones.
fn add_parameters(headers: &mut Headers, parameters: &[(String, String)]) -> Result<(), CallError> {
    let mut vendor = VendorParameters::default();
    for (name, value) in parameters {
        let bad = |why| CallError::BadParameter { name: name.clone(), why };
        if value.contains(|character: char| character.is_ascii_control()) {
            return Err(bad("its value has a control character"));
        }
        match HeaderName::from_name(name) {
            Some(header) if header.on().meets(On::RECOGNIZE) => match headers.get(header) {
                Some(_) => headers.replace(header, value.as_str()),
                None => headers.push(header, value.as_str()),
            },
            Some(_) => return Err(bad("RECOGNIZE has no such header (RFC 6787 section 9.4)")),
            None if name.is_empty() || name.contains(|character: char| !is_parameter_name(character)) => {
                return Err(bad("not a header of RECOGNIZE, and no name for a vendor-specific parameter"));
            }
            None => vendor.set(name, value),
        }
    }
    if !vendor.0.is_empty() {
        headers.push(HeaderName::VendorSpecific, vendor.to_string());
    }
    Ok(())
}

const fn is_parameter_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_')
}

/// `Completion-Cause` of a message.
pub(super) fn completion_cause(headers: &Headers) -> Option<Cause> {
    let value = headers.get(HeaderName::CompletionCause)?;
    let (number, name) = value.split_once(' ').unwrap_or((value, ""));
    let code = number.trim().parse().ok()?;
    let name = if name.trim().is_empty() { CompletionCause(code).name() } else { name.trim() };
    Some(Cause { code, name: name.to_owned() })
}

/// `Completion-Reason` of a message, without its quotes.
pub(super) fn completion_reason(headers: &Headers) -> Option<String> {
    headers.get(HeaderName::CompletionReason).map(unquote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(parameters: &[(&str, &str)]) -> Result<String, CallError> {
        let channel = ChannelIdentifier::parse("abc@speechrecog").expect("a channel identifier");
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = recognize(&channel, RequestId(7), "builtin:speech/answer", &parameters)?;
        Ok(String::from_utf8(request.write()).expect("text"))
    }

    #[test]
    fn known_names_become_headers_and_others_vendor_parameters() {
        let text = request(&[
            ("confidence-threshold", "0.7"),
            ("result-format", "json"),
            ("Cancel-If-Queue", "true"),
            ("com.example.x", "a;b"),
        ])
        .expect("a request");
        assert!(text.contains(" RECOGNIZE 7\r\nChannel-Identifier:"), "{text}");
        assert!(text.contains("\r\nConfidence-Threshold: 0.7\r\n"), "{text}");
        assert!(text.contains("\r\nCancel-If-Queue: true\r\n") && !text.contains("false"), "{text}");
        assert!(
            text.contains("\r\nVendor-Specific-Parameters: result-format=json;com.example.x=\"a;b\"\r\n"),
            "{text}"
        );
        assert!(text.ends_with("\r\n\r\nbuiltin:speech/answer\r\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for parameter in [("Failed-URI", "x"), ("a b", "x"), ("", "x"), ("No-Input-Timeout", "5\r\nX: y")] {
            assert!(matches!(request(&[parameter]), Err(CallError::BadParameter { .. })), "{parameter:?}");
        }
    }

    #[test]
    fn causes_are_read_with_and_without_a_name() {
        let cause = |value: &str| {
            let mut headers = Headers::new();
            headers.push(HeaderName::CompletionCause, value);
            completion_cause(&headers).map(|cause| cause.to_string())
        };
        assert_eq!(cause("000 success").as_deref(), Some("000 success"));
        assert_eq!(cause("002").as_deref(), Some("002 no-input-timeout"));
        assert_eq!(cause("x"), None);
    }
}
