//! What the workers ask of the system: processors to run on, and the CPU time that they took.

use std::io;
use std::time::Duration;

/// The processors that a setting names, as `0-3,6`; empty: none.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse_cpus(text: &str) -> Result<Vec<usize>, String> {
    let mut cpus = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>().ok().filter(|number| *number < MOST_CPUS);
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            return Err(format!("`{part}` is neither a processor's number nor a range of them"));
        };
        if first > last {
            return Err(format!("the range `{part}` ends before it begins"));
        }
        cpus.extend((first..=last).filter(|cpu| !cpus.contains(cpu)).collect::<Vec<_>>());
    }
    Ok(cpus)
}

/// More than a `cpu_set_t` has.
const MOST_CPUS: usize = 1_024;

/// Whether this process may run there; where the system can't tell, it may.
#[cfg(target_os = "linux")]
pub(super) fn has_cpu(cpu: usize) -> bool {
    nix::sched::sched_getaffinity(this_thread()).is_ok_and(|set| set.is_set(cpu).unwrap_or(false))
}

/// Lets this thread run on one processor only.
///
/// # Errors
/// When the system does not let it.
#[cfg(target_os = "linux")]
pub(super) fn pin(cpu: usize) -> io::Result<()> {
    let mut set = nix::sched::CpuSet::new();
    set.set(cpu)?;
    Ok(nix::sched::sched_setaffinity(this_thread(), &set)?)
}

#[cfg(target_os = "linux")]
fn this_thread() -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(0)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn has_cpu(_: usize) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
pub(super) fn pin(_: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// CPU time that this thread took so far.
pub(super) fn thread_cpu() -> Duration {
    cpu_time(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time that the process took so far.
pub(super) fn process_cpu() -> Duration {
    cpu_time(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn cpu_time(clock: nix::time::ClockId) -> Duration {
    nix::time::clock_gettime(clock).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_listed() {
        assert!(parse_cpus("").unwrap().is_empty());
        assert_eq!(parse_cpus("3").unwrap(), [3]);
        assert_eq!(parse_cpus("0-2, 6,1").unwrap(), [0, 1, 2, 6]);
        for wrong in ["a", "1-", "3-1", "-1", "99999"] {
            assert!(parse_cpus(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_is_pinned_where_it_may_run() {
        let cpu = (0..MOST_CPUS).find(|cpu| has_cpu(*cpu)).expect("this runs somewhere");
        std::thread::spawn(move || {
            pin(cpu).unwrap();
            assert!((0..MOST_CPUS).all(|other| has_cpu(other) == (other == cpu)));
        })
        .join()
        .unwrap();
        assert!(!has_cpu(MOST_CPUS - 1));
    }

    #[test]
    fn time_is_taken() {
        let (thread, process) = (thread_cpu(), process_cpu());
        let mut sum = 0_u64;
        while thread_cpu() == thread {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(process_cpu() > process);
    }
}
