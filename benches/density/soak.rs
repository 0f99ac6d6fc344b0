//! Many short calls, one after the other and many at once: what the server holds must not grow.

use std::process::ExitCode;
use std::time::Duration;

use answerd::client::load::{self, CallSound, Spec};
use tokio_util::sync::CancellationToken;

use crate::server::{self, Server, Usage};
use crate::{Arguments, ms, spec};

/// A call's recognition ends after this, whatever was heard.
const RECOGNITION_MS: u32 = 700;
/// How long a server may still know calls that have ended: SIP's transactions live for half a minute.
const REST: Duration = Duration::from_secs(40);
/// Memory may be so much larger in the end than when half of the calls had been: what the allocator happens to keep.
const GROWTH: f64 = 1.05;
/// Lines that are printed.
const LINES: u64 = 20;

pub fn run(arguments: &Arguments, total: u64, sounds: Vec<CallSound>) -> ExitCode {
    let server = Server::start(&arguments.server, arguments.soak_calls + 100);
    let wanted = Spec {
        calls: arguments.soak_calls,
        rate: arguments.soak_rate,
        duration: Duration::from_secs(604_800),
        total: Some(total),
        parameters: vec![("Recognition-Timeout".to_owned(), RECOGNITION_MS.to_string())],
        ..spec(&server, &sounds)
    };
    let (idle, idle_files) = (server.usage(), server.open_files());
    print(0, idle, idle_files);
    let every = (total / LINES).max(1);
    let (mut next, mut half) = (every, None);
    let report = load::run(&wanted, &CancellationToken::new(), &mut |progress| {
        let ended = progress.results + progress.no_room + progress.missing;
        if ended >= next {
            next = ended - ended % every + every;
            let usage = server.usage();
            print(ended, usage, server.open_files());
            if half.is_none() && ended * 2 >= total {
                half = Some(usage);
            }
        }
    })
    .expect("the load begins");
    std::thread::sleep(REST);
    let (end, files) = (server.usage(), server.open_files());
    print(total, end, files);
    let counts = &report.counts;
    println!(
        "{} calls in {:.0} s, at most {} at once: {} results, {} without room, {} failed, {} missing; {} packets, {} late; \
         set up p50 / p99 {}, response {}; load average {}",
        counts.started,
        counts.elapsed.as_secs_f64(),
        report.most_held,
        counts.results,
        counts.no_room,
        counts.failed,
        counts.missing,
        counts.packets,
        counts.late,
        ms(report.setup),
        ms(report.response),
        server::load_average(),
    );
    for (failure, count) in &report.failures {
        println!("    {count} x {failure}");
    }
    let half = half.unwrap_or(end);
    let grew = end.rss_kib as f64 > half.rss_kib as f64 * GROWTH;
    let left_open = files > idle_files;
    println!(
        "RSS {} KiB idle, {} KiB after half of the calls, {} KiB in the end{}; open files {} and {}{}",
        idle.rss_kib,
        half.rss_kib,
        end.rss_kib,
        if grew { ": IT GREW" } else { "" },
        idle_files,
        files,
        if left_open { ": SOME WERE LEFT OPEN" } else { "" },
    );
    if grew || left_open || !report.is_good() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn print(ended: u64, usage: Usage, files: usize) {
    let Usage { cpu: (user, system), rss_kib, threads } = usage;
    println!(
        "{ended:8} calls: RSS {rss_kib} KiB, {files} open files, {threads} threads, {:.1} s of processor time",
        user + system
    );
}
