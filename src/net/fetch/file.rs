//! `file:` URIs: files below directories that the operator chose, and nothing else.

use std::io;
use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt;
use url::Url;

use crate::grammar::{Document, FetchError};
use crate::net::fetch::policy::refused;

/// The directories below which files may be, as they really are.
#[derive(Debug, Clone)]
pub(super) struct Roots(Vec<PathBuf>);

impl Roots {
    /// # Errors
    /// A directory that is none, named.
    pub(super) fn new(roots: &[PathBuf]) -> io::Result<Self> {
        let resolved = roots.iter().map(|root| {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", root.display()));
            let path = root.canonicalize().map_err(named)?;
            if path.is_dir() { Ok(path) } else { Err(named(io::ErrorKind::NotADirectory.into())) }
        });
        resolved.collect::<io::Result<_>>().map(Self)
    }

    /// Reads a file of at most `limit` bytes.
    pub(super) async fn read(&self, url: &Url, limit: usize) -> Result<Document, FetchError> {
        // An answer that told a missing file from a forbidden one would tell what is on the disk.
        let outside = || refused("the file is not there, or not below a directory of fetch.file_roots".to_owned());
        if url.host_str().is_some_and(|host| !host.eq_ignore_ascii_case("localhost")) {
            return Err(refused("a file on another host".to_owned()));
        }
        let asked = url.to_file_path().map_err(|()| outside())?;
        // Links and `..` are followed first; what counts is where they lead.
        let path = tokio::fs::canonicalize(&asked).await.map_err(|_| outside())?;
        let Some(root) = self.0.iter().find(|root| path.starts_with(root)) else { return Err(outside()) };
        let missing = |error: io::Error| {
            let below = path.strip_prefix(root).unwrap_or(&path).display();
            FetchError { cause: "unreachable".to_owned(), reason: format!("{below}: {error}") }
        };
        // Opening a pipe or a device could wait for ever.
        if !tokio::fs::metadata(&path).await.map_err(missing)?.is_file() {
            return Err(outside());
        }
        let file = tokio::fs::File::open(&path).await.map_err(missing)?;
        let mut bytes = Vec::new();
        file.take(limit as u64 + 1).read_to_end(&mut bytes).await.map_err(missing)?;
        if bytes.len() > limit {
            return Err(FetchError { cause: "too-large".to_owned(), reason: format!("more than {limit} bytes") });
        }
        let media_type = media_type(&path).map(str::to_owned);
        Ok(Document { uri: url.to_string(), media_type, bytes, cookies: Vec::new() })
    }
}

/// Files have no media type but their name's end.
fn media_type(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "grxml" => Some("application/srgs+xml"),
        "gram" | "abnf" => Some("application/srgs"),
        "xml" => Some("application/xml"),
        "wav" => Some("audio/wav"),
        "au" => Some("audio/basic"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory of its own, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            let name = format!("answerd-files-{}-{:x}", std::process::id(), getrandom::u64().unwrap());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(path.join("open/below")).unwrap();
            std::fs::write(path.join("open/a.grxml"), "inside").unwrap();
            std::fs::write(path.join("open/below/b c"), "inside").unwrap();
            std::fs::write(path.join("secret"), "outside").unwrap();
            symlink(path.join("secret"), path.join("open/link")).unwrap();
            symlink(path.join("open/a.grxml"), path.join("open/good")).unwrap();
            symlink(&path, path.join("open/up")).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    #[tokio::test]
    async fn only_files_below_a_root_are_read() {
        let scratch = Scratch::new();
        let roots = Roots::new(&[scratch.0.join("open")]).unwrap();
        let base = scratch.0.to_str().unwrap();
        let read = async |path: &str, limit| {
            let url = Url::parse(&format!("file://{path}")).unwrap();
            roots.read(&url, limit).await.map_err(|error| error.cause)
        };
        let page = read(&format!("{base}/open/a.grxml"), 6).await.unwrap();
        assert_eq!((page.bytes.as_slice(), page.media_type.as_deref()), (&b"inside"[..], Some("application/srgs+xml")));
        for good in ["open/below/b%20c", "open/good", "open/below/../a.grxml", "open/up/open/a.grxml"] {
            assert_eq!(read(&format!("{base}/{good}"), 6).await.unwrap().bytes, b"inside", "{good}");
            assert_eq!(read(&format!("localhost{base}/{good}"), 6).await.unwrap().bytes, b"inside", "{good}");
        }
        let outside =
            ["secret", "open/link", "open/up/secret", "open/../secret", "open/%2e%2e/secret", "open/no", "open"];
        for path in outside {
            assert_eq!(read(&format!("{base}/{path}"), 99).await.unwrap_err(), "not-allowed", "{path}");
        }
        assert_eq!(read("/etc/passwd", 9_999).await.unwrap_err(), "not-allowed");
        assert_eq!(read(&format!("host{base}/open/a.grxml"), 6).await.unwrap_err(), "not-allowed");
        assert_eq!(read(&format!("{base}/open/a.grxml%00"), 6).await.unwrap_err(), "not-allowed");
        assert_eq!(read(&format!("{base}/open/a.grxml"), 5).await.unwrap_err(), "too-large");
        assert!(Roots::new(&[scratch.0.join("none")]).is_err());
        assert!(Roots::new(&[scratch.0.join("secret")]).is_err());
    }
}
