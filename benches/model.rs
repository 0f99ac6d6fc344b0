//! What the model costs: one step of it, for batches of streams, by our own arithmetic, in rten and in ONNX Runtime.
//!
//! The throughput is in steps, of which a second of a call has ten. ONNX Runtime is measured where its library is found: `ORT_DYLIB_PATH=/path/libonnxruntime.so cargo bench --bench model`.
#![allow(
    clippy::print_stderr,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a program of its own, at the edge"
)]

use std::path::PathBuf;

use answerd::detect::{Config, Model};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn model(criterion: &mut Criterion) {
    let config = Config::default();
    let own = Model::load(&config).expect("the built-in model runs");
    let rten = Model::in_rten(&config).expect("the built-in model runs in rten");
    let mut models = vec![("built in", own), ("rten", rten)];
    match std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from) {
        Some(library) => {
            let config = Config { onnxruntime: Some(library), ..Config::default() };
            models.push(("ONNX Runtime", Model::load(&config).expect("ORT_DYLIB_PATH is a library of ONNX Runtime")));
        }
        None => eprintln!("ONNX Runtime is not measured: ORT_DYLIB_PATH does not say where one is"),
    }
    let mut group = criterion.benchmark_group("a step of the model");
    for (name, model) in &mut models {
        for batch in [1, 4, 16, 64] {
            assert_eq!(model.trial(batch), batch, "{name} tells nothing");
            group.throughput(Throughput::Elements(batch as u64));
            group.bench_function(BenchmarkId::new(*name, batch), |bench| bench.iter(|| model.trial(batch)));
        }
    }
    group.finish();
}

criterion_group!(benches, model);
criterion_main!(benches);
