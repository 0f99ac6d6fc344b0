//! Recordings that Save-Waveform asked for (RFC 6787 section 9.4.22): kept until some time after their call, and served
//! over HTTP.

mod config;
mod format;
mod shelf;

use std::io;
use std::net::IpAddr;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;

use crate::audio::SAMPLE_RATE;
use crate::net::http::Site;
pub use crate::net::waveforms::config::WaveformsConfig;
use crate::net::waveforms::format::Format;
use crate::net::waveforms::shelf::{Name, Place, Shelf};
use crate::session::Waveform;

/// How often what is over is looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// The recordings of all calls.
#[derive(Debug, Clone)]
pub(super) struct Waveforms(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: WaveformsConfig,
    site: Site,
    shelf: Mutex<Shelf>,
    /// To the task that writes and removes files, if there is a directory.
    files: Option<mpsc::UnboundedSender<File>>,
}

/// What is to be done with a recording's file.
#[derive(Debug)]
enum File {
    Write(Name),
    Remove(Name),
}

impl Waveforms {
    /// Recordings to be served at `site`, and the task that keeps them, which never ends. What an earlier run left in the
    /// directory is removed.
    ///
    /// # Errors
    /// A directory that can't be used, named.
    pub(super) fn open(
        config: &WaveformsConfig,
        site: Site,
    ) -> io::Result<(Self, impl Future<Output = ()> + Send + 'static)> {
        let directory = (!config.directory.as_os_str().is_empty()).then(|| config.directory.clone());
        if let Some(directory) = &directory {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", directory.display()));
            std::fs::create_dir_all(directory).map_err(named)?;
            remove_old(directory).map_err(named)?;
        }
        let shelf = Mutex::new(Shelf::new(Duration::from_secs(config.lifetime_s), config.max_bytes));
        let (files, work) = mpsc::unbounded_channel();
        let files = directory.is_some().then_some(files);
        let waveforms = Self(Arc::new(Inner { config: config.clone(), site, shelf, files }));
        let keeping = keep(waveforms.clone(), work, directory);
        Ok((waveforms, keeping))
    }

    /// The recordings of a call whose client reaches the server at `address`.
    pub(super) fn call(&self, address: IpAddr) -> CallWaveforms {
        let Inner { config, site, .. } = &*self.0;
        let base = match config.base_url.trim_end_matches('/') {
            "" => site.base(address),
            base => base.to_owned(),
        };
        CallWaveforms { waveforms: Some(self.clone()), base, names: Vec::new() }
    }

    /// `GET /waveforms/NAME`.
    pub(super) fn router(&self) -> Router {
        Router::new().route("/waveforms/{name}", get(serve)).with_state(self.clone())
    }

    fn keep(&self, format: Format, samples: &[i16]) -> Result<(Name, u64), String> {
        let length = format.length(samples.len());
        if length > self.0.config.max_recording_bytes {
            return Err(format!("{length} bytes are more than waveforms.max_recording_bytes"));
        }
        let random = || Ok((u128::from(getrandom::u64()?) << 64) | u128::from(getrandom::u64()?));
        let bits = random().map_err(|error: getrandom::Error| error.to_string())?;
        let name = Name { bits, format };
        let gone = self.shelf().put(name, format.write(samples).into());
        if !gone.is_empty() {
            tracing::warn!(recordings = gone.len(), "waveforms.max_bytes is reached: the oldest are dropped");
        }
        self.file(File::Write(name));
        gone.into_iter().for_each(|name| self.file(File::Remove(name)));
        Ok((name, length))
    }

    fn file(&self, file: File) {
        if let Some(files) = &self.0.files {
            // The task ends only with the server.
            files.send(file).ok();
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The recordings of one call. Dropped, their time begins.
#[derive(Debug)]
pub(super) struct CallWaveforms {
    /// `None`: nothing is served, so nothing is kept.
    waveforms: Option<Waveforms>,
    base: String,
    names: Vec<Name>,
}

impl CallWaveforms {
    /// For a server that keeps no recordings.
    pub(super) const fn none() -> Self {
        Self { waveforms: None, base: String::new(), names: Vec::new() }
    }

    /// Whether recordings can be kept.
    pub(super) const fn can_keep(&self) -> bool {
        self.waveforms.is_some()
    }

    /// Keeps a recording in the form that the client wants. Where that fails, the URI is empty.
    pub(super) fn keep(&mut self, media_type: Option<&str>, samples: &[i16]) -> Waveform {
        let ms = samples.len() as u64 * 1_000 / u64::from(SAMPLE_RATE);
        let kept = match &self.waveforms {
            Some(waveforms) => waveforms.keep(Format::of(media_type), samples),
            None => Err("http.listen is not set".to_owned()),
        };
        match kept {
            Ok((name, bytes)) => {
                self.names.push(name);
                Waveform { uri: format!("{}/waveforms/{}", self.base, file_name(name)), bytes, ms }
            }
            Err(reason) => {
                tracing::warn!(reason, ms, "a recording is not kept");
                Waveform { uri: String::new(), bytes: 0, ms }
            }
        }
    }
}

impl Drop for CallWaveforms {
    fn drop(&mut self) {
        if let Some(waveforms) = &self.waveforms {
            let now = Instant::now();
            let mut shelf = waveforms.shelf();
            self.names.iter().for_each(|name| shelf.release(now, *name));
        }
    }
}

async fn serve(State(waveforms): State<Waveforms>, Path(name): Path<String>) -> Response {
    let not_found = || StatusCode::NOT_FOUND.into_response();
    let Some(name) = parse(&name) else { return not_found() };
    let place = waveforms.shelf().find(name);
    let (length, body) = match place {
        None => return not_found(),
        Some(Place::Memory(bytes)) => (bytes.len() as u64, Body::from(bytes)),
        Some(Place::File) => {
            let path = path(&waveforms.0.config.directory, name);
            let opened = async {
                let file = tokio::fs::File::open(&path).await?;
                Ok::<_, io::Error>((file.metadata().await?.len(), file))
            };
            match opened.await {
                Ok((length, file)) => (length, Body::from_stream(ReaderStream::new(file))),
                Err(error) => {
                    tracing::warn!(file = %path.display(), %error, "a recording's file");
                    return not_found();
                }
            }
        }
    };
    let headers = [
        (header::CONTENT_TYPE, name.format.media_type().to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CACHE_CONTROL, "private".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, body).into_response()
}

fn file_name(name: Name) -> String {
    format!("{:032x}.{}", name.bits, name.format.extension())
}

fn parse(text: &str) -> Option<Name> {
    let (bits, extension) = text.split_once('.')?;
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if bits.len() != 32 || !bits.bytes().all(hex) {
        return None;
    }
    Some(Name { bits: u128::from_str_radix(bits, 16).ok()?, format: Format::of_extension(extension)? })
}

/// Files that bear this and a name are the server's own.
const PREFIX: &str = "answerd-";

fn path(directory: &FilePath, name: Name) -> PathBuf {
    directory.join(format!("{PREFIX}{}", file_name(name)))
}

/// Nobody knows the names of what an earlier run left.
fn remove_old(directory: &FilePath) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let own = entry.file_name().to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(parse).is_some();
        if own && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes and removes files, and lets recordings go whose time is over.
async fn keep(waveforms: Waveforms, mut work: mpsc::UnboundedReceiver<File>, directory: Option<PathBuf>) {
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(file) = work.recv() => {
                if let Some(directory) = &directory {
                    waveforms.obey(file, directory).await;
                }
            }
            now = sweep.tick() => {
                let gone = waveforms.shelf().expire(now.into());
                gone.into_iter().for_each(|name| waveforms.file(File::Remove(name)));
            }
        }
    }
}

impl Waveforms {
    async fn obey(&self, file: File, directory: &FilePath) {
        let (File::Write(name) | File::Remove(name)) = file;
        let path = path(directory, name);
        let done = match file {
            File::Write(name) => {
                let place = self.shelf().find(name);
                // It may be gone again.
                let Some(Place::Memory(bytes)) = place else { return };
                let written = write(&path, &bytes).await;
                if written.is_ok() {
                    self.shelf().filed(name);
                }
                written
            }
            File::Remove(_) => match tokio::fs::remove_file(&path).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            },
        };
        if let Err(error) = done {
            // What can't be written stays in memory.
            tracing::error!(file = %path.display(), %error, "a recording's file");
        }
    }
}

/// Writes a file that others can't read.
async fn write(path: &FilePath, bytes: &[u8]) -> io::Result<()> {
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(path).await?;
    file.write_all(bytes).await?;
    file.flush().await
}

#[cfg(test)]
mod tests;
