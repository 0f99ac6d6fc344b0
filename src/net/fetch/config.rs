//! `[fetch]`: what may be fetched, from where, and how much of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::net::fetch::policy::HostPattern;

/// `[fetch]`: grammars and sound that requests refer to by URI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FetchConfig {
    /// URI schemes that are fetched: `http`, `https`, `file`. None: nothing is fetched.
    pub schemes: Vec<String>,
    /// Time for a connection to be made, TLS included, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Longest grammar, in bytes.
    pub max_grammar_bytes: usize,
    /// Longest recording (Input-Waveform-URI), in bytes.
    pub max_waveform_bytes: usize,
    /// Most redirects on the way to a document.
    pub max_redirects: usize,
    /// Downloads at once, all calls together; further ones wait.
    pub max_concurrent: usize,
    /// Downloads at once from one host and port; further ones wait.
    pub max_per_host: usize,
    /// Whether loopback and private addresses may be fetched from.
    pub allow_private: bool,
    /// Hosts that may be fetched from wherever they are: `HOST`, `*.DOMAIN`, an address, each with `:PORT` or without.
    pub allowed_hosts: Vec<String>,
    /// Whether nothing is fetched from other hosts than those.
    pub only_allowed_hosts: bool,
    /// A file of certificates (PEM) that are trusted beside the system's; empty: none.
    pub ca_file: PathBuf,
    /// Directories below which `file:` URIs may be.
    pub file_roots: Vec<PathBuf>,
    /// Memory for documents that are kept, in bytes; 0: none is kept.
    pub cache_bytes: usize,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            schemes: vec!["http".to_owned(), "https".to_owned()],
            connect_timeout_ms: 2_000,
            max_grammar_bytes: 1 << 20,
            // Ten minutes of 16 bit samples at 8 kHz, and some.
            max_waveform_bytes: 16 << 20,
            max_redirects: 5,
            max_concurrent: 64,
            max_per_host: 16,
            allow_private: false,
            allowed_hosts: Vec::new(),
            only_allowed_hosts: false,
            ca_file: PathBuf::new(),
            file_roots: Vec::new(),
            cache_bytes: 32 << 20,
        }
    }
}

const SCHEMES: [&str; 3] = ["http", "https", "file"];

impl FetchConfig {
    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if let Some(scheme) = self.schemes.iter().find(|scheme| !SCHEMES.contains(&scheme.as_str())) {
            return Err(("schemes", format!("{scheme:?} can't be fetched; there are {}", SCHEMES.join(", "))));
        }
        let counts = [
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("max_grammar_bytes", self.max_grammar_bytes as u64),
            ("max_waveform_bytes", self.max_waveform_bytes as u64),
            ("max_concurrent", self.max_concurrent as u64),
            ("max_per_host", self.max_per_host as u64),
        ];
        if let Some((key, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err((key, "0 is too small, at least 1 is needed".to_owned()));
        }
        for host in &self.allowed_hosts {
            HostPattern::parse(host).map_err(|reason| ("allowed_hosts", reason))?;
        }
        if self.only_allowed_hosts && self.allowed_hosts.is_empty() && self.schemes.iter().any(|it| it != "file") {
            return Err(("only_allowed_hosts", "allowed_hosts is empty: nothing could be fetched".to_owned()));
        }
        if let Some(root) = self.file_roots.iter().find(|root| !root.is_absolute()) {
            return Err(("file_roots", format!("{} is not an absolute path", root.display())));
        }
        if self.schemes.iter().any(|scheme| scheme == "file") && self.file_roots.is_empty() {
            return Err(("file_roots", "the scheme file needs a directory below which files may be".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut FetchConfig)) -> Option<&'static str> {
        let mut config = FetchConfig::default();
        change(&mut config);
        config.validate().err().map(|(key, _)| key)
    }

    #[test]
    fn settings_are_checked() {
        assert_eq!(refused(|_| {}), None);
        assert_eq!(refused(|it| it.schemes.clear()), None);
        assert_eq!(refused(|it| it.schemes.push("ftp".to_owned())), Some("schemes"));
        assert_eq!(refused(|it| it.schemes.push("file".to_owned())), Some("file_roots"));
        assert_eq!(refused(|it| it.file_roots.push("grammars".into())), Some("file_roots"));
        assert_eq!(refused(|it| it.max_concurrent = 0), Some("max_concurrent"));
        assert_eq!(refused(|it| it.only_allowed_hosts = true), Some("only_allowed_hosts"));
        assert_eq!(refused(|it| it.allowed_hosts.push("http://a".to_owned())), Some("allowed_hosts"));
        let file_alone = |it: &mut FetchConfig| {
            it.schemes = vec!["file".to_owned()];
            it.file_roots = vec!["/srv/grammars".into()];
        };
        assert_eq!(refused(file_alone), None);
    }
}
