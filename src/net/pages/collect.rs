//! What the engine knows of itself, as metrics.

use std::fmt;

use prometheus_client::registry::Unit;

use crate::audio::SAMPLE_RATE;
use crate::engine::{Counters, Engine, Liveness};
use crate::ops::{Exposition, StoreCounts};

/// Writes all that the engine knows.
pub(super) fn write(page: &mut Exposition<'_>, engine: &Engine) -> fmt::Result {
    load(page, engine)?;
    packets(page, &engine.counters())
}

fn load(page: &mut Exposition<'_>, engine: &Engine) -> fmt::Result {
    let load = engine.load();
    let of_all = Unit::Other("ratio".to_owned());
    let ratio = Some(&of_all);
    let seconds = Some(&Unit::Seconds);
    page.gauge(
        "answerd_calls_limit",
        "Calls that may be there at once: engine.max_calls.",
        None,
        load.max_calls as f64,
    )?;
    let help = "Further calls that there is room for now, as far as can be told.";
    page.gauge("answerd_calls_headroom", help, None, load.headroom as f64)?;
    let help = "What admission goes by, as a share of all there is: 1 is all.";
    page.gauge("answerd_load", help, ratio, load.share)?;
    page.gauge("answerd_load_limit", "The load at which calls are refused.", ratio, load.max_share)?;
    let help = "Whether a new call would be taken now: 1 or 0.";
    page.gauge("answerd_admitting", help, None, f64::from(u8::from(load.full.is_none())))?;
    let help = "Processor time that a second of a call takes in the workers; 0 while there are too few calls to tell.";
    page.gauge("answerd_call_cpu", help, seconds, load.cpu_per_call)?;

    let states = engine.workers();
    let count = |state| states.iter().filter(|worker| **worker == state).count() as f64;
    let all = [Liveness::Idle, Liveness::Working, Liveness::Stuck, Liveness::Gone];
    let workers = all.map(|state| ([("state", state.as_str())], count(state)));
    let workers: Vec<(&[(&str, &str)], f64)> = workers.iter().map(|(labels, value)| (&labels[..], *value)).collect();
    page.gauges("answerd_workers", "Threads that listen, by what they do.", None, &workers)?;
    let sum = |value: &dyn Fn(&crate::engine::WorkerLoad) -> f64| load.workers.iter().map(value).sum::<f64>();
    page.gauge("answerd_streams", "Streams of sound that the workers have.", None, sum(&|it| it.streams as f64))?;
    let help = "Share of the time in which the workers worked, mean of the last second.";
    let workers = load.workers.len().max(1) as f64;
    page.gauge("answerd_workers_busy", help, ratio, sum(&|it| it.busy) / workers)?;
    let help = "Workers that have fallen behind, so that the model is not asked and the rules decide.";
    page.gauge("answerd_workers_rules_only", help, None, sum(&|it| f64::from(u8::from(it.rules_only))))?;
    let help = "How often a worker fell behind and left the model out.";
    page.counter("answerd_model_left_out", help, None, sum(&|it| f64::from(it.model_left_out)))?;
    let help = "Workers that died of a bug and were replaced; their calls were told.";
    page.counter("answerd_workers_replaced", help, None, sum(&|it| f64::from(it.replaced)))
}

/// What became of decisions that were to be stored.
pub(super) fn stored(page: &mut Exposition<'_>, counts: StoreCounts) -> fmt::Result {
    let StoreCounts { written, dropped, failed, too_long, bytes } = counts;
    page.counter("answerd_store_lines", "Decisions and feedback that were stored.", None, written as f64)?;
    let lost: [(&[(&str, &str)], f64); 3] = [
        (&[("reason", "queue")], dropped as f64),
        (&[("reason", "disk")], failed as f64),
        (&[("reason", "too_long")], too_long as f64),
    ];
    let help = "Decisions and feedback that were not stored: too many waited (queue), they could not be written (disk), or the \
                listening was too long (too_long).";
    page.counters("answerd_store_lines_lost", help, None, &lost)?;
    page.gauge("answerd_store_size", "What is stored.", Some(&Unit::Bytes), bytes as f64)
}

fn packets(page: &mut Exposition<'_>, counters: &Counters) -> fmt::Result {
    let Counters { received, jitter_s, lag_s, tick_s, model_s, batch } = counters;
    let seconds = Some(&Unit::Seconds);
    for (name, help, value) in [
        ("answerd_rtp_packets", "RTP packets that were taken.", received.received),
        ("answerd_rtp_packets_lost", "RTP packets that never came, by the gaps in their numbers.", received.lost),
        ("answerd_rtp_packets_late", "RTP packets that came after their place was given up.", received.late),
        ("answerd_rtp_packets_duplicate", "RTP packets that came again.", received.duplicate),
        ("answerd_rtp_packets_reordered", "RTP packets that came out of order, and in time.", received.reordered),
    ] {
        page.counter(name, help, None, value as f64)?;
    }
    let refused: [(&[(&str, &str)], f64); 5] = [
        (&[("reason", "sender")], received.rejected as f64),
        (&[("reason", "foreign")], received.foreign as f64),
        (&[("reason", "unauthentic")], received.unauthentic as f64),
        (&[("reason", "replayed")], received.replayed as f64),
        (&[("reason", "undecodable")], received.undecodable as f64),
    ];
    let help = "RTP packets that were not taken: of another sender, no RTP or of no known payload type (foreign), without \
                SRTP's authentication, replayed, or refused by their codec.";
    page.counters("answerd_rtp_packets_refused", help, None, &refused)?;
    let time = |samples: u64| samples as f64 / f64::from(SAMPLE_RATE);
    page.counter(
        "answerd_rtp_sound",
        "Sound that came over RTP, in the time of its samples.",
        seconds,
        time(received.sound),
    )?;
    let help = "Sound that did not come: lost, late, or not sent, in the time of its samples.";
    page.counter("answerd_rtp_missing", help, seconds, time(received.missing))?;
    let help = "Interarrival jitter of streams at their ends (RFC 3550 section A.8).";
    page.histogram("answerd_rtp_jitter", help, seconds, jitter_s.sum(), jitter_s.buckets())?;
    let help = "How much later than due ticks of the workers began, on the clock.";
    page.histogram("answerd_tick_lag", help, seconds, lag_s.sum(), lag_s.buckets())?;
    let help = "How long ticks of the workers took, on the clock: all sound that had come, and what followed from it.";
    page.histogram("answerd_tick_duration", help, seconds, tick_s.sum(), tick_s.buckets())?;
    let help = "How long the model took for one step of all streams that were due, on the clock.";
    page.histogram("answerd_model_step_duration", help, seconds, model_s.sum(), model_s.buckets())?;
    let help = "How many streams were due at a step of the model.";
    page.histogram("answerd_model_batch_size", help, None, batch.sum(), batch.buckets())
}
