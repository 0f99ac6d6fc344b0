//! The store of what decisions rest on: lines of JSON in files of a directory, written by a thread of its own.
//!
//! A decision is a line with what was told and, as Base64, the [`Findings`] that it rests on; a feedback is a line of its
//! own, joined to the decisions by the call's identifier and the time. The oldest files go first, by size and by age.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::detect::{End, Findings, FindingsError, Label};
use crate::ops::{FeedbackConfig, Given, Told, unix_s};

/// What the store is opened with.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// A directory of its own; made if it is not there.
    pub directory: PathBuf,
    /// Bytes of all files together.
    pub max_bytes: u64,
    /// How long a file is kept after it was last written to.
    pub max_age: Duration,
    /// What decides here: the version, and the model's SHA-256.
    pub version: &'static str,
    /// See `version`; `None`: rules decide.
    pub model_sha256: Option<String>,
}

/// A line of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// A decision.
    Decision(Box<StoredDecision>),
    /// Somebody has said who answered.
    Feedback(StoredFeedback),
}

/// A decision, and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredDecision {
    /// When it was told, in seconds of Unix time.
    pub at_s: f64,
    /// The way by which the call came.
    pub door: String,
    /// Call-ID or the like.
    pub call_id: String,
    /// The call's identifier at its switch, if it was told.
    pub uuid: Option<String>,
    /// Who, or what.
    pub label: String,
    /// Probability that the label is right, 0.0 to 1.0, in hundredths.
    pub confidence: f64,
    /// `model` or `rules`.
    pub method: String,
    /// Why the listening ended: `decided`, `no_input`, `max_time`, `too_early`.
    pub end: String,
    /// When it was decided, in milliseconds of sound since the listening began.
    pub decided_ms: i64,
    /// The evidence in words.
    pub reason: String,
    /// The version that decided.
    pub version: String,
    /// SHA-256 of the model that was asked; `None`: rules decided.
    pub model_sha256: Option<String>,
    /// [`Findings`] in Base64.
    findings: String,
}

/// A feedback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredFeedback {
    /// When it came, in seconds of Unix time.
    pub at_s: f64,
    /// The call.
    pub call_id: String,
    /// When the call's first decision was told: what was decided before is of another call of that name.
    pub since_s: f64,
    /// Who answered.
    pub label: String,
}

impl StoredDecision {
    /// What the decision rests on.
    ///
    /// # Errors
    /// If it is damaged or of another format.
    pub fn findings(&self) -> Result<Findings, FindingsError> {
        Findings::from_bytes(&STANDARD.decode(&self.findings).map_err(|_| FindingsError::Malformed)?)
    }
}

/// The word for a listening's end.
#[must_use]
pub const fn end_word(end: End) -> &'static str {
    match end {
        End::Decided => "decided",
        End::NoInput => "no_input",
        End::MaxTime => "max_time",
        End::TooEarly => "too_early",
    }
}

/// What became of what was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreCounts {
    /// Lines that were written.
    pub written: u64,
    /// Lines that were dropped, as too many waited.
    pub dropped: u64,
    /// Lines that could not be written.
    pub failed: u64,
    /// Decisions whose listening was too long to be kept.
    pub too_long: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// The store. Dropped, it writes what waits, and ends.
#[derive(Debug)]
pub struct Store {
    config: Arc<StoreConfig>,
    sender: Option<SyncSender<Entry>>,
    tally: Tally,
    writer: Option<JoinHandle<()>>,
}

/// What a store counts; it may be asked after the store's end.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    written: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    too_long: AtomicU64,
    bytes: AtomicU64,
}

/// What waits to be written: findings are put into words by the thread that writes.
#[derive(Debug)]
enum Entry {
    Decision(Box<StoredDecision>, Arc<Findings>),
    Feedback(StoredFeedback),
}

/// Lines that may wait: a disk that is slower loses some, and nothing else waits for it.
const WAITING: usize = 512;
/// Parts of `max_bytes`, and of `max_age`, after which another file is begun: so much goes at once.
const PARTS: u32 = 16;
/// Least bytes of a file.
const LEAST_FILE: u64 = 64 * 1024;
/// How often files are looked at for their age where nothing is written.
const LOOK: Duration = Duration::from_secs(60);
/// Names of files: this, the time of its begin in ms, this.
const NAME: (&str, &str) = ("decisions-", ".jsonl");

impl FeedbackConfig {
    /// Opens the store that is asked for, if one is; `version` and `model_sha256` tell what decides here.
    ///
    /// # Errors
    /// When the directory can't be made or read, or the thread can't be started.
    pub fn open_store(&self, version: &'static str, model_sha256: Option<&str>) -> io::Result<Option<Arc<Store>>> {
        if self.store.as_os_str().is_empty() {
            return Ok(None);
        }
        let config = StoreConfig {
            directory: self.store.clone(),
            max_bytes: self.store_max_bytes,
            max_age: Duration::from_secs(self.store_max_age_s),
            version,
            model_sha256: model_sha256.map(str::to_owned),
        };
        Store::open(config).map(|store| Some(Arc::new(store)))
    }
}

impl Store {
    /// Opens the store; what is there of earlier runs is kept, up to its limits.
    ///
    /// # Errors
    /// When the directory can't be made or read, or the thread can't be started.
    pub fn open(config: StoreConfig) -> io::Result<Self> {
        let config = Arc::new(config);
        let directory = config.directory.display().to_string();
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{directory}: {error}"));
        make_directory(&config.directory).map_err(named)?;
        let tally = Tally::default();
        let mut files = Files::find(Arc::clone(&config)).map_err(named)?;
        files.forget(SystemTime::now());
        tally.0.bytes.store(files.bytes(), Ordering::Relaxed);
        let (sender, entries) = sync_channel(WAITING);
        let of_writer = tally.clone();
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write_all(files, &entries, &of_writer.0))?;
        Ok(Self { config, sender: Some(sender), tally, writer: Some(writer) })
    }

    /// Keeps a decision with what it rests on. Never waits.
    #[allow(clippy::too_many_arguments, reason = "a call's two names, its door, and what was decided")]
    pub fn decision(
        &self,
        door: &str,
        call_id: &str,
        uuid: Option<&str>,
        end: End,
        told: &Told,
        findings: Option<&Arc<Findings>>,
    ) {
        let Some(findings) = findings else {
            self.tally.0.too_long.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let decision = StoredDecision {
            at_s: told.at_s,
            door: door.to_owned(),
            call_id: call_id.to_owned(),
            uuid: uuid.map(str::to_owned),
            label: told.label.as_str().to_owned(),
            confidence: told.confidence,
            method: told.method.to_owned(),
            end: end_word(end).to_owned(),
            decided_ms: told.decided_ms,
            reason: told.reason.as_ref().to_owned(),
            version: self.config.version.to_owned(),
            model_sha256: self.config.model_sha256.clone(),
            findings: String::new(),
        };
        self.send(Entry::Decision(Box::new(decision), Arc::clone(findings)));
    }

    /// Keeps a feedback. Never waits.
    pub fn feedback(&self, given: &Given, now: SystemTime) {
        self.send(Entry::Feedback(StoredFeedback {
            at_s: unix_s(now),
            call_id: given.call_id.as_ref().to_owned(),
            since_s: given.since_s,
            label: given.label.as_str().to_owned(),
        }));
    }

    fn send(&self, entry: Entry) {
        let sent = self.sender.as_ref().map(|sender| sender.try_send(entry));
        match sent {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) | None => {
                self.tally.0.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// What it counts.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally.clone()
    }
}

impl Tally {
    /// What became of all so far.
    #[must_use]
    pub fn counts(&self) -> StoreCounts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Shared { written, dropped, failed, too_long, bytes } = &*self.0;
        StoreCounts {
            written: of(written),
            dropped: of(dropped),
            failed: of(failed),
            too_long: of(too_long),
            bytes: of(bytes),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the thread that stores decisions has failed");
        }
    }
}

/// Reads a file of the store; lines that can't be read are told with their numbers, the first being 1.
///
/// # Errors
/// When the file can't be read.
pub fn read_store(file: &Path) -> io::Result<Vec<Result<Line, (usize, serde_json::Error)>>> {
    let text = fs::read_to_string(file)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    Ok(lines.map(|(n, line)| serde_json::from_str(line).map_err(|error| (n + 1, error))).collect())
}

/// The store's files in a directory, the oldest first.
///
/// # Errors
/// When the directory can't be read.
pub fn store_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix(NAME.0).and_then(|rest| rest.strip_suffix(NAME.1));
        if let Some(began) = number.and_then(|number| number.parse::<u64>().ok()) {
            found.push((began, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn write_all(mut files: Files, entries: &Receiver<Entry>, shared: &Shared) {
    let mut failing = false;
    loop {
        let entry = match entries.recv_timeout(LOOK) {
            Ok(entry) => Some(entry),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let now = SystemTime::now();
        if let Some(entry) = entry {
            let line = match entry {
                Entry::Decision(mut decision, findings) => {
                    decision.findings = STANDARD.encode(findings.to_bytes());
                    Line::Decision(decision)
                }
                Entry::Feedback(feedback) => Line::Feedback(feedback),
            };
            let mut text = serde_json::to_string(&line).expect("texts and finite numbers can be written as JSON");
            text.push('\n');
            match files.write(now, text.as_bytes()) {
                Ok(()) => {
                    failing = false;
                    shared.written.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    shared.failed.fetch_add(1, Ordering::Relaxed);
                    // A disk that is full stays so for a while: it is said once.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "decisions can't be stored");
                    }
                }
            }
        }
        files.forget(now);
        shared.bytes.store(files.bytes(), Ordering::Relaxed);
    }
}

/// The files, of which one is written to.
#[derive(Debug)]
struct Files {
    config: Arc<StoreConfig>,
    /// The oldest first: where, how large, and when it was last written to.
    all: VecDeque<(PathBuf, u64, SystemTime)>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    began: SystemTime,
    /// A line was cut by a failure: the next one begins anew.
    cut: bool,
}

impl Files {
    fn find(config: Arc<StoreConfig>) -> io::Result<Self> {
        let mut all = VecDeque::new();
        for path in store_files(&config.directory)? {
            let about = fs::metadata(&path)?;
            all.push_back((path, about.len(), about.modified()?));
        }
        Ok(Self { config, all, open: None })
    }

    fn bytes(&self) -> u64 {
        self.all.iter().map(|(_, bytes, _)| bytes).sum()
    }

    fn write(&mut self, now: SystemTime, line: &[u8]) -> io::Result<()> {
        let most = (self.config.max_bytes / u64::from(PARTS)).max(LEAST_FILE);
        let full = self.all.back().is_some_and(|(_, bytes, _)| bytes + line.len() as u64 > most);
        let old = |open: &Open| now.duration_since(open.began).is_ok_and(|age| age > self.config.max_age / PARTS);
        if full || self.open.as_ref().is_none_or(old) {
            self.open = None;
            self.begin(now)?;
        }
        let (Some(open), Some((_, bytes, written))) = (&mut self.open, self.all.back_mut()) else { return Ok(()) };
        if std::mem::take(&mut open.cut) {
            open.file.write_all(b"\n")?;
            *bytes += 1;
        }
        open.file.write_all(line).inspect_err(|_| open.cut = true)?;
        *bytes += line.len() as u64;
        *written = now;
        Ok(())
    }

    fn begin(&mut self, now: SystemTime) -> io::Result<()> {
        let mut ms = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        // Another file of the same moment may be there.
        let (path, file) = loop {
            let path = self.config.directory.join(format!("{}{ms:013}{}", NAME.0, NAME.1));
            match make_file(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => ms += 1,
                Err(error) => return Err(error),
            }
        };
        self.all.push_back((path, 0, now));
        self.open = Some(Open { file, began: now, cut: false });
        Ok(())
    }

    /// Removes what is too much or too old.
    fn forget(&mut self, now: SystemTime) {
        let old = |written: SystemTime| now.duration_since(written).is_ok_and(|age| age > self.config.max_age);
        while let Some((path, _, written)) = self.all.front() {
            if !(old(*written) || self.bytes() > self.config.max_bytes) {
                return;
            }
            if let Err(error) = fs::remove_file(path) {
                tracing::warn!(file = %path.display(), %error, "a file of stored decisions can't be removed");
            }
            self.all.pop_front();
            if self.all.is_empty() {
                self.open = None;
            }
        }
    }
}

/// For its owner alone: what is in it tells of people.
fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn make_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The label that a feedback of these says of a decision: the last one of its call.
#[must_use]
pub fn feedback_of(decision: &StoredDecision, given: &[StoredFeedback]) -> Option<Label> {
    // Times are in thousandths: the first decision of the call is its own beginning.
    let of = |given: &&StoredFeedback| {
        given.call_id == decision.call_id
            && decision.at_s >= given.since_s - 0.000_5
            && decision.at_s <= given.at_s + 0.000_5
    };
    given.iter().filter(of).max_by(|a, b| a.at_s.total_cmp(&b.at_s)).and_then(|given| given.label.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Frame;
    use crate::detect::{Config, Detector, Event, Keep, Listen, Model, advance};

    fn findings() -> Arc<Findings> {
        let config = Arc::new(Config { keep: Keep::Features, ..Config::default() });
        let mut detector = Detector::new(config);
        detector.listen(Listen { no_input_timeout_ms: Some(500), ..Listen::default() });
        detector.push(Frame::Sound(&[0; 8_000]));
        advance(&mut Model::rules(), &mut [&mut detector]);
        let Some(Event::Concluded(outcome)) = detector.poll_event() else { panic!("no decision") };
        outcome.findings.unwrap()
    }

    fn told(label: Label, at_s: f64) -> Told {
        let reason = "nothing heard".into();
        Told { label, confidence: 0.95, method: "rules", stage: "final", decided_ms: 500, reason, at_s }
    }

    fn given(call_id: &str, since_s: f64, label: Label) -> Given {
        let (told, correct) = (Label::Silence, label == Label::Silence);
        Given { call_id: call_id.into(), told, label, correct, replaced: None, since_s }
    }

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("answerd-store-{name}-{}", std::process::id()));
            fs::remove_dir_all(&path).ok();
            Self(path)
        }

        fn config(&self, max_bytes: u64) -> StoreConfig {
            StoreConfig {
                directory: self.0.join("kept"),
                max_bytes,
                max_age: Duration::from_secs(3_600),
                version: "1",
                model_sha256: None,
            }
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn what_is_stored_is_read_again_with_its_feedback() {
        let place = Place::new("read");
        let config = place.config(1 << 30);
        let store = Store::open(config.clone()).unwrap();
        let findings = findings();
        store.decision("mrcp", "a", Some("u"), End::NoInput, &told(Label::Silence, 100.0), Some(&findings));
        store.decision("mrcp", "b", None, End::NoInput, &told(Label::Silence, 100.5), Some(&findings));
        store.decision("mrcp", "c", None, End::NoInput, &told(Label::Silence, 100.5), None);
        store.feedback(&given("a", 100.0, Label::Human), SystemTime::UNIX_EPOCH + Duration::from_secs(200));
        store.feedback(&given("a", 100.0, Label::Machine), SystemTime::UNIX_EPOCH + Duration::from_secs(201));
        let tally = store.tally();
        // All that waits is written first.
        drop(store);
        let counts = tally.counts();
        assert_eq!((counts.written, counts.too_long, counts.dropped, counts.failed), (4, 1, 0, 0));
        let files = store_files(&config.directory).unwrap();
        assert_eq!(fs::metadata(&files[0]).unwrap().len(), counts.bytes);
        let lines: Vec<Line> = read_store(&files[0]).unwrap().into_iter().map(Result::unwrap).collect();
        let (mut decisions, mut feedback) = (Vec::new(), Vec::new());
        for line in lines {
            match line {
                Line::Decision(decision) => decisions.push(decision),
                Line::Feedback(given) => feedback.push(given),
            }
        }
        assert_eq!(decisions[0].findings().unwrap(), *findings);
        assert_eq!((decisions[0].end.as_str(), decisions[0].uuid.as_deref()), ("no_input", Some("u")));
        assert_eq!(feedback_of(&decisions[0], &feedback), Some(Label::Machine));
        assert_eq!(feedback_of(&decisions[1], &feedback), None);
        // Another call of that name, before and after.
        for at_s in [99.0, 300.0] {
            let other = StoredDecision { at_s, ..*decisions[0].clone() };
            assert_eq!(feedback_of(&other, &feedback), None);
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(&config.directory).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn the_oldest_files_go_by_size_and_by_age() {
        let place = Place::new("limits");
        let config = Arc::new(StoreConfig { max_bytes: 4 * LEAST_FILE, ..place.config(0) });
        make_directory(&config.directory).unwrap();
        let mut files = Files::find(Arc::clone(&config)).unwrap();
        let now = SystemTime::now();
        let line = [b'x'; 30_000];
        for n in 0..20 {
            files.write(now + Duration::from_secs(n), &line).unwrap();
            files.forget(now + Duration::from_secs(n));
            assert!(files.bytes() <= config.max_bytes);
        }
        let kept = store_files(&config.directory).unwrap();
        assert_eq!(kept.len(), 4);
        assert_eq!(kept.iter().map(|file| fs::metadata(file).unwrap().len()).sum::<u64>(), files.bytes());
        // A later run finds them; in time they go, and what comes then is kept.
        let mut later = Files::find(Arc::clone(&config)).unwrap();
        assert_eq!(later.bytes(), files.bytes());
        let then = now + Duration::from_secs(10_000);
        later.forget(then);
        assert_eq!((later.bytes(), store_files(&config.directory).unwrap().len()), (0, 0));
        later.write(then, &line).unwrap();
        assert_eq!(later.bytes(), 30_000);
        // A file is not written to for too long, or its first lines would be too old.
        later.write(then + config.max_age / 8, &line).unwrap();
        assert_eq!(store_files(&config.directory).unwrap().len(), 2);
    }

    #[test]
    fn a_directory_that_can_not_be_made_is_said() {
        let place = Place::new("file");
        fs::create_dir_all(&place.0).unwrap();
        fs::write(place.0.join("kept"), "a file").unwrap();
        let error = Store::open(place.config(1 << 20)).unwrap_err();
        assert!(error.to_string().contains("kept"), "{error}");
    }
}
