//! What the service manager is told: that the process is ready, alive, or stops (`sd_notify` of systemd).

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// A service manager that wants to be told.
#[derive(Debug)]
pub struct ServiceManager {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that has started this process, if it wants to be told: by `NOTIFY_SOCKET`, and `WATCHDOG_USEC` for how long it waits
    /// for a sign of life.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let path = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty())?;
        let usec = std::env::var("WATCHDOG_USEC").ok();
        match Self::new(&path, usec.as_deref()) {
            Ok(manager) => Some(manager),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the service manager can't be told anything");
                None
            }
        }
    }

    fn new(path: &OsStr, watchdog_usec: Option<&str>) -> io::Result<Self> {
        // `@` stands for the zero byte of an abstract name.
        let address = match path.as_bytes().strip_prefix(b"@") {
            Some(name) => abstract_name(name)?,
            None => SocketAddr::from_pathname(path)?,
        };
        let watchdog = watchdog_usec.and_then(|usec| usec.parse().ok()).filter(|usec| *usec > 0);
        Ok(Self { socket: UnixDatagram::unbound()?, address, watchdog: watchdog.map(Duration::from_micros) })
    }

    /// How often a sign of life is due: twice in the time that it waits.
    #[must_use]
    pub fn alive_every(&self) -> Option<Duration> {
        self.watchdog.map(|wait| wait / 2)
    }

    /// Calls are taken.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The process works.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// The process is on its way down.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, what: &str) {
        if let Err(error) = self.socket.send_to_addr(what.as_bytes(), &self.address) {
            tracing::debug!(what, %error, "the service manager was not told");
        }
    }
}

#[cfg(target_os = "linux")]
fn abstract_name(name: &[u8]) -> io::Result<SocketAddr> {
    <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_name(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_told_by_path() {
        let path = std::env::temp_dir().join(format!("answerd-notify-{}", std::process::id()));
        std::fs::remove_file(&path).ok();
        let heard = UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager::new(path.as_os_str(), Some("5000000")).unwrap();
        assert_eq!(manager.alive_every(), Some(Duration::from_millis(2_500)));
        manager.ready();
        manager.alive();
        manager.stopping();
        let mut buffer = [0; 64];
        for wanted in ["READY=1", "WATCHDOG=1", "STOPPING=1"] {
            let length = heard.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], wanted.as_bytes());
        }
        // Without the manager nothing happens.
        drop(heard);
        manager.alive();
        std::fs::remove_file(&path).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_manager_may_have_an_abstract_name() {
        let name = format!("answerd-notify-{}", std::process::id());
        let heard = UnixDatagram::bind_addr(&abstract_name(name.as_bytes()).unwrap()).unwrap();
        let manager = ServiceManager::new(OsStr::new(&format!("@{name}")), Some("0")).unwrap();
        assert_eq!(manager.alive_every(), None);
        manager.ready();
        let mut buffer = [0; 64];
        let length = heard.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
    }
}
