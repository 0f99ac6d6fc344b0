//! What the files of `[tls]` make: certificate, key, and whose certificates are taken.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
};

use crate::net::tls::{TlsConfig, TlsVersion};
use crate::wire::sdp::Fingerprint;

/// A key of `[tls]` and the reason why its file can't be used.
pub(super) type Unusable = (&'static str, String);

/// What a TLS listener shows and asks.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) sip: Arc<ServerConfig>,
    pub(super) mrcp: Arc<ServerConfig>,
    pub(super) fingerprint: Fingerprint,
}

impl Identity {
    /// Reads the files.
    pub(super) fn load(config: &TlsConfig) -> Result<Self, Unusable> {
        let chain = certificates("certificate", &config.certificate)?;
        let first = chain.first().ok_or_else(|| ("certificate", "there is none in it".to_owned()))?;
        let fingerprint = Fingerprint::of(first);
        let text = read("key", &config.key)?;
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
            let encrypted = String::from_utf8_lossy(&text).contains("ENCRYPTED");
            let why = match error {
                _ if encrypted => "it is encrypted, which is not supported".to_owned(),
                pem::Error::NoItemsFound => "there is no private key (PEM) in it".to_owned(),
                error => error.to_string(),
            };
            named("key", &config.key, &why)
        })?;
        let provider = Arc::new(ring::default_provider());
        let demanded = match config.client_ca.as_os_str().is_empty() {
            true => None,
            false => Some(client_verifier(&config.client_ca, &provider)?),
        };
        let sip = demanded.clone().unwrap_or_else(WebPkiClientVerifier::no_client_auth);
        let mrcp = demanded.unwrap_or_else(|| Arc::new(AnyCertificate(Arc::clone(&provider))));
        let versions: &[_] = match config.min_version {
            TlsVersion::V1_2 => &[&TLS13, &TLS12],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let server = |verifier| {
            let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_protocol_versions(versions)
                .map_err(|error| ("min_version", error.to_string()))?;
            let built = builder.with_client_cert_verifier(verifier).with_single_cert(chain.clone(), key.clone_key());
            built.map(Arc::new).map_err(|error| match error {
                Error::InconsistentKeys(_) => {
                    named("key", &config.key, &format!("it is not that of {}", config.certificate.display()))
                }
                Error::InvalidCertificate(error) => named("certificate", &config.certificate, &format!("{error:?}")),
                error => named("key", &config.key, &error.to_string()),
            })
        };
        Ok(Self { sip: server(sip)?, mrcp: server(mrcp)?, fingerprint })
    }
}

fn named(key: &'static str, path: &Path, why: &str) -> Unusable {
    (key, format!("{}: {why}", path.display()))
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, Unusable> {
    std::fs::read(path).map_err(|error| named(key, path, &error.to_string()))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let text = read(key, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(named(key, path, "there is no certificate (PEM) in it")),
        Ok(found) => Ok(found),
        Err(error) => Err(named(key, path, &error.to_string())),
    }
}

fn client_verifier(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, Unusable> {
    let mut roots = RootCertStore::empty();
    for root in certificates("client_ca", path)? {
        roots.add(root).map_err(|error| named("client_ca", path, &error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map(|verifier| verifier as _)
        .map_err(|error| named("client_ca", path, &error.to_string()))
}

/// Takes a client's certificate, self-signed or not, as long as the client has its key: RFC 8122 section 6.2 has the
/// fingerprint in the session description say whether it is the right one.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
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
