//! TLS, RFC 8446 and RFC 5246: handshakes, and a certificate that can change while connections stand.

mod config;
mod identity;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use self::config::{TlsConfig, TlsVersion};
use self::identity::Identity;
use crate::wire::sdp::Fingerprint;

/// What is spoken over a connection: who may connect differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Sip,
    Mrcp,
    Http,
}

/// How a peer's connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Protection {
    /// Not at all.
    Plain,
    /// By TLS; the peer's certificate (DER), if it showed one.
    Tls { certificate: Option<Vec<u8>> },
}

/// The server's TLS: clones share it.
#[derive(Debug, Clone)]
pub(super) struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: TlsConfig,
    current: RwLock<Arc<Identity>>,
    handshakes: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// Handshakes at once, of all peers and of one address: those who never finish theirs must not shut others out.
const MAX_HANDSHAKES: usize = 512;
const MAX_HANDSHAKES_OF_ONE: usize = 64;

/// Reads certificate and key as the server would; tells the fingerprint.
///
/// # Errors
/// The key of `[tls]` and what is wrong with its file.
pub fn check(config: &TlsConfig) -> Result<Fingerprint, (&'static str, String)> {
    Identity::load(config).map(|identity| identity.fingerprint)
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// What is wrong with a file.
    pub(super) fn load(config: TlsConfig) -> io::Result<Self> {
        let identity = Identity::load(&config)
            .map_err(|(key, reason)| io::Error::new(io::ErrorKind::InvalidData, format!("tls.{key}: {reason}")))?;
        let (current, handshakes) = (RwLock::new(Arc::new(identity)), Arc::default());
        Ok(Self(Arc::new(Inner { config, current, handshakes })))
    }

    /// The fingerprint of the certificate that is shown now.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.current().fingerprint.clone()
    }

    fn current(&self) -> Arc<Identity> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again. Connections that stand go on; one that can't be used changes nothing.
    pub(super) fn reload(&self) {
        match Identity::load(&self.0.config) {
            Ok(identity) => {
                let changed = identity.fingerprint != self.fingerprint();
                tracing::info!(fingerprint = %identity.fingerprint, changed, "TLS certificate and key were read again");
                *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
            }
            Err((key, reason)) => {
                tracing::error!("tls.{key}: {reason}; the certificate from before stays in use");
            }
        }
    }

    /// Looks at the files from time to time, and reloads them when they have changed and have stayed so for a while:
    /// certificate and key are not written at the same moment.
    pub(super) async fn watch(self) {
        let period = Duration::from_millis(self.0.config.reload_ms);
        if period.is_zero() {
            return;
        }
        let (mut loaded, mut before) = (self.seen().await, None);
        loop {
            tokio::time::sleep(period).await;
            let seen = self.seen().await;
            if seen == loaded {
                before = None;
            } else if before.as_ref() == Some(&seen) {
                let tls = self.clone();
                if let Err(error) = tokio::task::spawn_blocking(move || tls.reload()).await {
                    tracing::error!(%error, "reading the TLS files");
                }
                loaded = seen;
                before = None;
            } else {
                before = Some(seen);
            }
        }
    }

    /// The files as the directory tells of them.
    async fn seen(&self) -> [Option<(Option<SystemTime>, u64, u64)>; 3] {
        let TlsConfig { certificate, key, client_ca, .. } = &self.0.config;
        let look = async |path: &Path| {
            let metadata = tokio::fs::metadata(path).await.ok()?;
            Some((metadata.modified().ok(), metadata.len(), metadata.ino()))
        };
        [look(certificate).await, look(key).await, look(client_ca).await]
    }

    /// Does the handshake; `None` if it fails, takes too long, or too many are going on.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        spoken: Spoken,
    ) -> Option<(TlsStream<TcpStream>, Protection)> {
        let Some(_place) = Place::take(&self.0.handshakes, peer.ip().to_canonical()) else {
            tracing::warn!(%peer, "too many TLS handshakes at once: one is refused");
            return None;
        };
        let identity = self.current();
        let config = match spoken {
            Spoken::Sip | Spoken::Http => &identity.sip,
            Spoken::Mrcp => &identity.mrcp,
        };
        let limit = Duration::from_millis(self.0.config.handshake_timeout_ms);
        match tokio::time::timeout(limit, TlsAcceptor::from(Arc::clone(config)).accept(stream)).await {
            Ok(Ok(stream)) => {
                let (_, connection) = stream.get_ref();
                let shown = connection.peer_certificates().and_then(|chain| chain.first());
                let certificate = shown.map(|certificate| certificate.to_vec());
                tracing::debug!(%peer, version = ?connection.protocol_version(), shown = certificate.is_some(), "TLS");
                Some((stream, Protection::Tls { certificate }))
            }
            Ok(Err(error)) => {
                tracing::info!(%peer, %error, "a TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::info!(%peer, "a TLS handshake took too long");
                None
            }
        }
    }
}

impl Protection {
    /// Whether a channel may be used here for which this was agreed on: `None` if it needs no TLS, else the
    /// fingerprints of which the peer's certificate must have one, if there are any.
    pub(super) fn admits(&self, agreed: Option<&[Fingerprint]>) -> bool {
        match (agreed, self) {
            (None | Some([]), Self::Tls { .. }) | (None, Self::Plain) => true,
            (Some(_), Self::Plain) => false,
            (Some(fingerprints), Self::Tls { certificate }) => certificate
                .as_ref()
                .is_some_and(|certificate| fingerprints.iter().any(|fingerprint| fingerprint.matches(certificate))),
        }
    }
}

/// A handshake that is going on; dropped, it is over.
struct Place {
    handshakes: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Place {
    fn take(handshakes: &Arc<Mutex<HashMap<IpAddr, usize>>>, address: IpAddr) -> Option<Self> {
        let mut counts = lock(handshakes);
        let total: usize = counts.values().sum();
        let own = counts.get(&address).copied().unwrap_or(0);
        if total >= MAX_HANDSHAKES || own >= MAX_HANDSHAKES_OF_ONE {
            return None;
        }
        counts.insert(address, own + 1);
        Some(Self { handshakes: Arc::clone(handshakes), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = lock(&self.handshakes).entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

fn lock(counts: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    // Each change is one insertion or subtraction: a panic leaves none half done.
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A folder that is gone when the test is.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("answerd-tls-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, text).unwrap();
            path
        }

        /// A new certificate and its key; tells the fingerprint.
        fn certify(&self) -> Fingerprint {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            self.write("key.pem", &made.signing_key.serialize_pem());
            self.write("cert.pem", &made.cert.pem());
            Fingerprint::of(made.cert.der())
        }

        fn config(&self) -> TlsConfig {
            let (certificate, key) = (self.0.join("cert.pem"), self.0.join("key.pem"));
            TlsConfig { certificate, key, reload_ms: 100, ..TlsConfig::default() }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn files_that_can_not_be_used_are_told() {
        let folder = Folder::new("bad");
        let own = folder.certify();
        assert_eq!(check(&folder.config()), Ok(own));
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let garbled = folder.write("garbled.pem", "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n");
        let empty = folder.write("empty.pem", "nothing\n");
        let stranger = folder.write("stranger.pem", &other.signing_key.serialize_pem());
        let missing = folder.0.join("missing.pem");
        let certificate = |certificate: &Path| TlsConfig { certificate: certificate.into(), ..folder.config() };
        let key = |key: &Path| TlsConfig { key: key.into(), ..folder.config() };
        let client_ca = |client_ca: &Path| TlsConfig { client_ca: client_ca.into(), ..folder.config() };
        for (config, wrong, told) in [
            (certificate(&missing), "certificate", "missing.pem: No such file"),
            (certificate(&garbled), "certificate", "garbled.pem: "),
            (certificate(&empty), "certificate", "empty.pem: there is no certificate"),
            (key(&missing), "key", "missing.pem: No such file"),
            (key(&empty), "key", "empty.pem: there is no private key"),
            (key(&stranger), "key", "stranger.pem: it is not that of "),
            (client_ca(&empty), "client_ca", "empty.pem: there is no certificate"),
        ] {
            let (key, reason) = check(&config).unwrap_err();
            assert!(key == wrong && reason.contains(told), "{key}: {reason}");
        }
    }

    #[test]
    fn a_bad_new_pair_keeps_the_old_one() {
        let folder = Folder::new("reload");
        let first = folder.certify();
        let tls = Tls::load(folder.config()).unwrap();
        assert_eq!(tls.fingerprint(), first);
        folder.write("key.pem", "garbage");
        tls.reload();
        assert_eq!(tls.fingerprint(), first);
        let second = folder.certify();
        tls.reload();
        assert_eq!(tls.fingerprint(), second);
        assert_ne!(first, second);
    }

    #[tokio::test]
    async fn files_that_change_are_read_again() {
        let folder = Folder::new("watch");
        folder.certify();
        let tls = Tls::load(folder.config()).unwrap();
        let watching = tokio::spawn(tls.clone().watch());
        // The watch looks at the files before they change.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let second = folder.certify();
        let changed = async {
            while tls.fingerprint() != second {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), changed).await.expect("the new certificate");
        watching.abort();
    }

    #[test]
    fn one_address_can_not_take_all_handshakes() {
        let counts = Arc::default();
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let mut places: Vec<_> = std::iter::from_fn(|| Place::take(&counts, one)).collect();
        assert_eq!(places.len(), MAX_HANDSHAKES_OF_ONE);
        assert!(Place::take(&counts, "192.0.2.2".parse().unwrap()).is_some());
        places.pop();
        assert!(Place::take(&counts, one).is_some());
        drop(places);
        assert!(lock(&counts).is_empty());
    }

    #[test]
    fn a_channel_is_used_as_it_was_agreed_on() {
        let (plain, bare) = (Protection::Plain, Protection::Tls { certificate: None });
        let known = Protection::Tls { certificate: Some(b"one".to_vec()) };
        let prints = [Fingerprint::of(b"two"), Fingerprint::of(b"one")];
        assert!(plain.admits(None) && bare.admits(None) && known.admits(None));
        assert!(!plain.admits(Some(&[])) && bare.admits(Some(&[])) && known.admits(Some(&[])));
        assert!(!plain.admits(Some(&prints)) && !bare.admits(Some(&prints)) && known.admits(Some(&prints)));
        assert!(!known.admits(Some(&prints[..1])));
    }
}
