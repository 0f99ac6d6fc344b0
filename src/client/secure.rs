//! TLS of the calling side: whose certificate is believed, and which one is shown.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::wire::sdp::Fingerprint;

/// A connection, with TLS or without.
pub(super) trait Stream: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin> Stream for T {}

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Anybody's: the connection is encrypted, to whomever.
    Any,
    /// Those that come from these roots (PEM) and have the server's name or address.
    Roots(Vec<u8>),
}

/// TLS for a call: SIPS, and a control channel over TCP/TLS/MRCPv2.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    fingerprint: Option<Fingerprint>,
}

impl Tls {
    /// TLS that believes `trust`, and shows a certificate with its key (PEM) where one is given; its fingerprint is
    /// offered.
    ///
    /// # Errors
    /// What is wrong with the certificates or the key.
    pub fn new(trust: Trust, identity: Option<(&[u8], &[u8])>) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match trust {
            Trust::Any => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(Arc::clone(&provider))))
            }
            Trust::Roots(pem) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(&pem)? {
                    roots.add(root).map_err(|error| error.to_string())?;
                }
                builder.with_root_certificates(roots)
            }
        };
        let (config, fingerprint) = match identity {
            None => (builder.with_no_client_auth(), None),
            Some((chain, key)) => {
                let chain = certificates(chain)?;
                let fingerprint = chain.first().map(|certificate| Fingerprint::of(certificate));
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("private key: {error}"))?;
                let config = builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())?;
                (config, fingerprint)
            }
        };
        Ok(Self { config: Arc::new(config), fingerprint })
    }

    /// The fingerprint of the certificate that is shown.
    pub(super) fn fingerprint(&self) -> Option<&Fingerprint> {
        self.fingerprint.as_ref()
    }

    /// Does the handshake with `host`. Where fingerprints are given, its certificate must have one of them (RFC 8122).
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        host: &str,
        fingerprints: &[Fingerprint],
    ) -> io::Result<Box<dyn Stream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let handshake = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream);
        let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake)
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake takes too long")))?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let matches = |certificate: &CertificateDer<'_>| fingerprints.iter().any(|print| print.matches(certificate));
        if !fingerprints.is_empty() && !shown.is_some_and(matches) {
            let text = "its certificate has not the fingerprint that the answer tells";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(Box::new(stream))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| format!("certificate: {error}"))?;
    if found.is_empty() { Err("there is no certificate (PEM)".to_owned()) } else { Ok(found) }
}

/// Believes every certificate whose key the server has.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_and_keys_that_are_none_are_told() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let (pem, key) = (made.cert.pem().into_bytes(), made.signing_key.serialize_pem().into_bytes());
        let tls = Tls::new(Trust::Roots(pem.clone()), Some((&pem, &key))).expect("usable");
        assert_eq!(tls.fingerprint(), Some(&Fingerprint::of(made.cert.der())));
        assert!(Tls::new(Trust::Any, None).is_ok_and(|tls| tls.fingerprint().is_none()));
        assert!(Tls::new(Trust::Roots(b"nothing".to_vec()), None).is_err_and(|why| why.contains("no certificate")));
        assert!(Tls::new(Trust::Any, Some((&pem, b"nothing"))).is_err_and(|why| why.contains("private key")));
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        assert!(Tls::new(Trust::Any, Some((&pem, other.signing_key.serialize_pem().as_bytes()))).is_err());
    }
}
