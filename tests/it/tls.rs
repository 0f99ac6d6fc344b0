//! Calls over TLS and SRTP on loopback: certificates made for the test, reloaded, demanded, refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use answerd::audio::wav::{self, Channels};
use answerd::client::{self, AfterSound, Call, CallError, CallReport, CallSpec, Recognize, Suite, Target, Tls, Trust};
use answerd::config::Config;
use answerd::engine::Srtp;
use answerd::server::{Running, Server};
use answerd::wire::mrcp::{Message, Parser, StatusCode};
use answerd::wire::sdp::Fingerprint;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A certificate authority and a folder for what it signs.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("answerd-it-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// A new certificate for 127.0.0.1 and its key (PEM).
    fn sign(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Gives the server a new certificate; tells its fingerprint.
    fn certify_server(&self) -> Fingerprint {
        let (certificate, key) = self.sign();
        std::fs::write(self.folder.join("cert.pem"), &certificate).unwrap();
        std::fs::write(self.folder.join("key.pem"), key).unwrap();
        Fingerprint::of(&CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap())
    }

    /// TLS that believes this authority and shows a certificate, if one is given.
    fn client(&self, identity: Option<&(String, String)>) -> Tls {
        let identity = identity.map(|(certificate, key)| (certificate.as_bytes(), key.as_bytes()));
        Tls::new(Trust::Roots(self.issuer.pem().into_bytes()), identity).unwrap()
    }

    /// SIP over TLS, and MRCP over TLS alone unless `adjust` says otherwise.
    async fn server(&self, adjust: impl Fn(&mut Config)) -> Running {
        let loopback = "127.0.0.1".parse().unwrap();
        for _ in 0..20 {
            // Port 0 means no TLS, so a port that was free a moment ago is asked for.
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut config = Config::default();
            config.sip.listen = vec!["tls:127.0.0.1:0".to_owned()];
            config.rtsp.listen.clear();
            config.mrcp.address = loopback;
            config.mrcp.port = 0;
            config.mrcp.tls_port = free;
            config.mrcp.require_tls = true;
            config.rtp.address = loopback;
            config.rtp.port_min = 0;
            config.rtp.port_max = 0;
            config.rtp.srtp_needs_tls = true;
            config.tls.certificate = self.folder.join("cert.pem");
            config.tls.key = self.folder.join("key.pem");
            adjust(&mut config);
            config.validate().unwrap();
            match Server::start(config).await {
                Ok(running) => return running,
                Err(error) if error.to_string().contains("in use") => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("no port stays free");
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn recording(name: &str) -> Arc<[i16]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/audio").join(name);
    wav::read(&std::fs::read(path).unwrap(), Channels::Mix).unwrap().samples.into()
}

fn target(server: &Running, tls: Tls, srtp: Option<Suite>) -> Target {
    let address = server.sip()[0].address;
    Target { tls: Some(tls), srtp, ..Target::new(address.ip().to_string(), address.port()) }
}

fn dead_number() -> Recognize {
    Recognize {
        grammar: "builtin:speech/answer".to_owned(),
        parameters: Vec::new(),
        sound: recording("sit.wav"),
        after: AfterSound::Silence,
        timeout: Duration::from_secs(30),
    }
}

async fn call(target: Target) -> Result<CallReport, CallError> {
    let spec = CallSpec { target, recognize: dead_number(), interrupt: CancellationToken::new() };
    timeout(PATIENCE, client::call(spec, &mut |_| {})).await.expect("calls end")
}

fn label(report: &CallReport) -> Option<&str> {
    report.recognition.success().and_then(|answer| answer.label())
}

/// Opens a TLS connection that believes this authority.
async fn connect(
    address: SocketAddr,
    authority: &Authority,
    identity: Option<&(String, String)>,
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap().unwrap()
}

fn shown(stream: &TlsStream<TcpStream>) -> Fingerprint {
    Fingerprint::of(&stream.get_ref().1.peer_certificates().unwrap()[0])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_encrypted_from_end_to_end_by_every_suite() {
    let authority = Authority::new("suites");
    authority.certify_server();
    let server = authority.server(|config| config.rtp.srtp = Srtp::Required).await;
    assert!(server.sip()[0].tls && server.mrcp_tls() == Some(server.mrcp()));
    let mut calls = JoinSet::new();
    for suite in Suite::ALL {
        let target = target(&server, authority.client(None), Some(suite));
        calls.spawn(async move { (suite, call(target).await) });
    }
    for (suite, report) in calls.join_all().await {
        assert_eq!(label(&report.unwrap()), Some("sit"), "{suite:?}");
    }
    // Nothing less is accepted.
    match call(target(&server, authority.client(None), None)).await {
        Err(CallError::Refused { status: 488, explanation, .. }) => {
            assert!(explanation.iter().any(|text| text.contains("only RTP/SAVP")), "{explanation:?}");
        }
        other => panic!("{other:?}"),
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    let (authority, other) = (Authority::new("believed"), Authority::new("stranger"));
    authority.certify_server();
    let server = authority.server(|_| {}).await;
    let refused = call(target(&server, other.client(None), None)).await;
    assert!(matches!(refused, Err(CallError::Socket { doing: "the TLS handshake of SIP", .. })), "{refused:?}");
    let any = Tls::new(Trust::Any, None).unwrap();
    assert_eq!(label(&call(target(&server, any, None)).await.unwrap()), Some("sit"));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_shown_while_calls_go_on() {
    let authority = Authority::new("reload");
    let first = authority.certify_server();
    let server = authority.server(|config| config.tls.reload_ms = 0).await;
    let sip = server.sip()[0].address;
    assert_eq!(shown(&connect(sip, &authority, None).await), first);
    let never = CancellationToken::new();
    let target = target(&server, authority.client(None), Some(Suite::AesCm128HmacSha1_80));
    let mut standing = Call::place(&target, &never, &mut |_| {}).await.unwrap();

    // A pair that can't be used changes nothing.
    std::fs::write(authority.folder.join("key.pem"), "no key").unwrap();
    server.reload();
    assert_eq!(shown(&connect(sip, &authority, None).await), first);

    let second = authority.certify_server();
    server.reload();
    for address in [sip, server.mrcp()] {
        assert_eq!(shown(&connect(address, &authority, None).await), second);
    }
    let recognition = standing.recognize(&dead_number(), &never, &mut |_| {}).await.unwrap();
    assert_eq!(recognition.success().and_then(|answer| answer.label()), Some("sit"));
    standing.hang_up(&mut |_| {}).await;
    // The answer to a new call tells the new fingerprint, which the client holds the connection against.
    assert_eq!(label(&call(target).await.unwrap()), Some("sit"));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_demanded() {
    let authority = Authority::new("demanded");
    authority.certify_server();
    let server = authority.server(|config| config.tls.client_ca = authority.folder.join("ca.pem")).await;
    let stranger = Authority::new("demanded-of-another").sign();
    for identity in [None, Some(&stranger)] {
        let refused = call(target(&server, authority.client(identity), None)).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    let own = authority.sign();
    assert_eq!(label(&call(target(&server, authority.client(Some(&own)), None)).await.unwrap()), Some("sit"));
    server.shutdown().await;
}

/// Places a call over UDP whose control channel is over TLS, with these lines in its section; gives the channel.
async fn place(server: &Running, lines: &str) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let udp = server.sip().iter().find(|listener| listener.udp).unwrap().address;
    let local = socket.local_addr().unwrap();
    let offer = format!(
        "v=0\r\no=test 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=application 9 TCP/TLS/MRCPv2 1\r\na=setup:active\r\na=connection:new\r\n{lines}a=resource:speechrecog\r\n\
         a=cmid:1\r\nm=audio 4000 RTP/AVP 0\r\na=sendonly\r\na=mid:1\r\n"
    );
    let invite = format!(
        "INVITE sip:answerd@{udp} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:test@{local}>;tag=t\r\nTo: <sip:answerd@{udp}>\r\nCall-ID: {local}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:test@{local}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
        offer.len()
    );
    socket.send_to(invite.as_bytes(), udp).await.unwrap();
    let mut buffer = vec![0; 65_536];
    loop {
        let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("no answer").unwrap();
        let answer = String::from_utf8(buffer[..length].to_vec()).unwrap();
        if !answer.starts_with("SIP/2.0 1") {
            let tls = server.mrcp_tls().unwrap().port();
            assert!(answer.contains(&format!("m=application {tls} TCP/TLS/MRCPv2 1\r\n")), "{answer}");
            assert!(answer.contains("a=fingerprint:sha-256 "), "{answer}");
            let to = answer.lines().find_map(|line| line.strip_prefix("To: ")).unwrap();
            let ack = format!(
                "ACK sip:answerd@{udp} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK2\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:test@{local}>;tag=t\r\nTo: {to}\r\nCall-ID: {local}\r\n\
                 CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
            );
            socket.send_to(ack.as_bytes(), udp).await.unwrap();
            return answer.lines().find_map(|line| line.strip_prefix("a=channel:")).unwrap().to_owned();
        }
    }
}

/// The status of GET-PARAMS for a channel, and whether the connection stands after it.
async fn ask(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), channel: &str) -> (StatusCode, bool) {
    let request = |id| {
        let head = format!("GET-PARAMS {id}\r\nChannel-Identifier:{channel}\r\nConfidence-Threshold:\r\n\r\n");
        let length = "MRCP/2.0 ".len() + head.len() + 1;
        let digits = (length + 3).to_string().len();
        format!("MRCP/2.0 {} {head}", length + digits)
    };
    let mut parser = Parser::default();
    let mut buffer = [0; 4_096];
    let mut statuses = Vec::new();
    for id in 1..3 {
        // The connection may be closed after the first.
        stream.write_all(request(id).as_bytes()).await.ok();
        stream.flush().await.ok();
        while statuses.len() < id {
            if let Ok(Some(Message::Response(response))) = parser.poll_message() {
                statuses.push(response.status);
                continue;
            }
            match timeout(PATIENCE, stream.read(&mut buffer)).await.expect("no answer") {
                Ok(0) | Err(_) => return (statuses[0], false),
                Ok(length) => parser.feed(&buffer[..length]),
            }
        }
    }
    (statuses[0], true)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_for_the_certificate_in_its_offer() {
    let authority = Authority::new("fingerprint");
    authority.certify_server();
    let listen = |config: &mut Config| {
        config.sip.listen = vec!["udp:127.0.0.1:0".to_owned()];
        config.mrcp.require_tls = false;
        config.rtp.srtp_needs_tls = false;
    };
    let server = authority.server(listen).await;
    let (plain, secure) = (server.mrcp(), server.mrcp_tls().unwrap());
    // Self-signed or not: the fingerprint is what counts.
    let (own, other) = (authority.sign(), authority.sign());
    let print = |(certificate, _): &(String, String)| {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        format!("a=fingerprint:{}\r\n", Fingerprint::of(&der))
    };
    let (refused, ok) = (StatusCode::NO_RESOURCE, StatusCode::SUCCESS);
    for (offered, identity, wanted) in [
        (Some(&own), Some(&own), (ok, true)),
        (Some(&own), Some(&other), (refused, false)),
        (Some(&own), None, (refused, false)),
        (None, None, (ok, true)),
        (None, Some(&other), (ok, true)),
    ] {
        let channel = place(&server, &offered.map(print).unwrap_or_default()).await;
        let mut stream = connect(secure, &authority, identity).await;
        assert_eq!(ask(&mut stream, &channel).await, wanted);
        // Agreed on with TLS, it is not served without.
        let mut clear = TcpStream::connect(plain).await.unwrap();
        assert_eq!(ask(&mut clear, &channel).await, (refused, true));
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_speak_tls_is_closed_and_who_stalls_harms_nobody() {
    let authority = Authority::new("stalled");
    authority.certify_server();
    let server = authority.server(|config| config.tls.handshake_timeout_ms = 5_000).await;
    let mut buffer = Vec::new();
    for address in [server.sip()[0].address, server.mrcp()] {
        let mut plain = TcpStream::connect(address).await.unwrap();
        plain.write_all(b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\n\r\n").await.unwrap();
        buffer.clear();
        timeout(PATIENCE, plain.read_to_end(&mut buffer)).await.expect("it is closed").ok();
        // At most an alert comes back, nothing of SIP.
        assert!(buffer.len() <= 7 && !buffer.starts_with(b"SIP"), "{buffer:?}");
    }
    let mut stalled = Vec::new();
    for _ in 0..20 {
        for address in [server.sip()[0].address, server.mrcp()] {
            stalled.push(TcpStream::connect(address).await.unwrap());
        }
    }
    assert_eq!(label(&call(target(&server, authority.client(None), None)).await.unwrap()), Some("sit"));
    let closed = async {
        for stream in &mut stalled {
            stream.read_to_end(&mut buffer).await.ok();
        }
    };
    timeout(PATIENCE, closed).await.expect("handshakes end");
    server.shutdown().await;
}

#[test]
fn bad_files_are_told_before_anything_starts() {
    let authority = Authority::new("check");
    authority.certify_server();
    std::fs::write(authority.folder.join("key.pem"), authority.sign().1).unwrap();
    let settings = [
        ("ANSWERD_SIP_LISTEN", "tls:127.0.0.1:0".to_owned()),
        ("ANSWERD_TLS_CERTIFICATE", authority.folder.join("cert.pem").display().to_string()),
        ("ANSWERD_TLS_KEY", authority.folder.join("key.pem").display().to_string()),
    ];
    for subcommand in ["serve", "check"] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_answerd"));
        let output = command.arg(subcommand).envs(settings.iter().cloned()).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.starts_with("tls.key: ") && told.contains("it is not that of "), "{told}");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_answerd"));
        let output = command.arg(subcommand).env("ANSWERD_SIP_LISTEN", "tls:127.0.0.1:0").output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.contains("tls.certificate: "), "{told}");
    }
}
