//! What the process uses, read from Linux's `/proc` with the usual names; where there is none, nothing is told.

use std::fmt;
use std::path::Path;

use prometheus_client::registry::Unit;

use crate::ops::exposition::Exposition;

/// Clock ticks a second where the kernel doesn't tell: it is 100 on all common platforms.
const TICKS: f64 = 100.0;

/// Key of the number of clock ticks a second in `/proc/self/auxv`, AT_CLKTCK.
const AT_CLKTCK: u64 = 17;

/// Writes what the process uses.
pub(super) fn write(page: &mut Exposition<'_>) -> fmt::Result {
    let Some(usage) = Usage::read(Path::new("/proc")) else { return Ok(()) };
    let seconds = Some(&Unit::Seconds);
    let bytes = Some(&Unit::Bytes);
    page.counter("process_cpu", "Processor time that was used, in user mode and in the kernel.", seconds, usage.cpu_s)?;
    page.gauge("process_resident_memory", "Memory in use that is in RAM.", bytes, usage.resident_bytes)?;
    page.gauge("process_virtual_memory", "Address space in use.", bytes, usage.virtual_bytes)?;
    page.gauge("process_threads", "Threads.", None, usage.threads)?;
    page.gauge("process_open_fds", "File descriptors in use, each socket among them.", None, usage.open_fds)?;
    page.gauge("process_max_fds", "File descriptors that may be in use.", None, usage.max_fds)?;
    let help = "When the process was started, in Unix time.";
    page.gauge("process_start_time", help, seconds, usage.started_s)
}

#[derive(Debug, PartialEq)]
struct Usage {
    cpu_s: f64,
    resident_bytes: f64,
    virtual_bytes: f64,
    threads: f64,
    open_fds: f64,
    max_fds: f64,
    started_s: f64,
}

impl Usage {
    fn read(proc: &Path) -> Option<Self> {
        let own = proc.join("self");
        let text = |path: &str| std::fs::read_to_string(own.join(path)).ok();
        let ticks = std::fs::read(own.join("auxv")).ok().and_then(|auxv| ticks(&auxv)).unwrap_or(TICKS);
        let stat = text("stat")?;
        // Fields from the third on: the second is the command's name, which may hold anything, in parentheses.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let status = text("status")?;
        let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = |name| line(name)?.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kib| kib * 1024.0);
        let limits = text("limits")?;
        let max_fds = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let max_fds = max_fds.and_then(|line| line.split_ascii_whitespace().next());
        let system = std::fs::read_to_string(proc.join("stat")).ok()?;
        let booted_s = system.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok())?;
        Some(Self {
            cpu_s: (field(14)? + field(15)?) / ticks,
            resident_bytes: kib("VmRSS")?,
            virtual_bytes: kib("VmSize")?,
            threads: field(20)?,
            // One of them is the directory that is read for it.
            open_fds: std::fs::read_dir(own.join("fd")).ok()?.count().saturating_sub(1) as f64,
            max_fds: max_fds.and_then(|most| most.parse().ok()).unwrap_or(f64::INFINITY),
            started_s: booted_s + field(22)? / ticks,
        })
    }
}

/// Clock ticks a second, of the auxiliary vector: pairs of words.
fn ticks(auxv: &[u8]) -> Option<f64> {
    let words: Vec<u64> =
        auxv.chunks_exact(8).filter_map(|word| Some(u64::from_ne_bytes(word.try_into().ok()?))).collect();
    let pair = words.chunks_exact(2).find(|pair| pair.first() == Some(&AT_CLKTCK))?;
    pair.last().map(|ticks| *ticks as f64).filter(|ticks| *ticks > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_seen() {
        let usage = Usage::read(Path::new("/proc")).unwrap();
        assert!(usage.threads >= 1.0 && usage.open_fds >= 3.0 && usage.max_fds >= usage.open_fds, "{usage:?}");
        assert!(usage.resident_bytes > 1e6 && usage.virtual_bytes >= usage.resident_bytes, "{usage:?}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(usage.started_s <= now && usage.started_s > 1.6e9, "{usage:?}");
        assert_eq!(Usage::read(Path::new("/nonexistent")), None);
    }

    #[test]
    fn ticks_are_found_in_the_auxiliary_vector() {
        let vector: Vec<u8> = [6_u64, 4096, 17, 250, 0, 0].iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(ticks(&vector), Some(250.0));
        assert_eq!(ticks(&vector[..20]), None);
    }
}
