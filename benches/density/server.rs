//! The server as a process of its own, so that what it takes is told apart from what the load takes.

use std::io::{BufRead, BufReader, Result};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Clock ticks of /proc in a second, on every Linux.
const TICKS: f64 = 100.0;
/// How long a server may take to be ready.
const START: Duration = Duration::from_secs(120);

/// A running server, which is ended when this is dropped.
pub struct Server {
    child: Child,
    /// Where it listens for SIP.
    pub sip: SocketAddr,
}

/// What a process takes.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Seconds of processor time: user, system.
    pub cpu: (f64, f64),
    /// Memory, in KiB.
    pub rss_kib: u64,
    pub threads: u64,
}

impl Server {
    /// Starts a server on free loopback ports, with room for so many calls; `ANSWERD_` variables say the rest.
    pub fn start(program: &Path, calls: u64) -> Self {
        let mut child = Command::new(program)
            .arg("serve")
            .args(["--log-format", "json"])
            .env("ANSWERD_SIP_LISTEN", "127.0.0.1:0")
            .env("ANSWERD_MRCP_ADDRESS", "127.0.0.1")
            .env("ANSWERD_MRCP_PORT", "0")
            .env("ANSWERD_RTSP_LISTEN", "")
            .env("ANSWERD_RTP_ADDRESS", "127.0.0.1")
            .env("ANSWERD_RTP_PORT_MIN", "0")
            .env("ANSWERD_RTP_PORT_MAX", "0")
            .env("ANSWERD_ENGINE_MAX_CALLS", calls.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        let (ready, told) = channel();
        std::thread::spawn(move || {
            // The log is read to its end: a server whose log is not read would wait.
            for line in log.lines().map_while(Result::ok) {
                if let Some(sip) = sip_of(&line) {
                    ready.send(sip).ok();
                } else if line.contains("\"ERROR\"") || !line.starts_with('{') {
                    eprintln!("server: {line}");
                }
            }
        });
        let sip = told.recv_timeout(START).expect("the server says where it listens");
        Self { child, sip }
    }

    /// What it takes now.
    pub fn usage(&self) -> Usage {
        usage(&self.child.id().to_string()).expect("the server lives")
    }

    /// Files that it has open. To count them takes a while.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The address in the line that says that the server is ready.
fn sip_of(line: &str) -> Option<SocketAddr> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let sip = value.get("sip")?.as_str()?;
    sip.split(',').find_map(|one| one.strip_prefix("udp:"))?.parse().ok()
}

/// What a process takes, by its number or "self".
pub fn usage(process: &str) -> Result<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may have spaces.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default() / TICKS;
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
    };
    Ok(Usage { cpu: (ticks(11), ticks(12)), rss_kib: number("VmRSS:"), threads: number("Threads:") })
}

/// Datagrams that this machine's sockets had no room for, since it was started.
pub fn dropped_datagrams() -> u64 {
    let table = std::fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut rows = table.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (rows.next().unwrap_or_default(), rows.next().unwrap_or_default());
    let mut columns = names.split(' ').zip(values.split(' '));
    columns.find_map(|(name, value)| if name == "RcvbufErrors" { value.parse().ok() } else { None }).unwrap_or_default()
}

/// Processes that want to run, in the mean of the last minute.
pub fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
