//! What the model costs: one step of it, for batches of streams, in the built-in runtime and in ONNX Runtime.
//!
//! ONNX Runtime is measured where its library is found: `ORT_DYLIB_PATH=/path/libonnxruntime.so cargo bench --bench model`.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a program of its own, at the edge"
)]

use std::path::PathBuf;

use answerd::audio::SAMPLE_RATE;
use answerd::detect::{Backend, Config, HOP, Model, STEP_HOPS};
use timing::time;

mod timing;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/answer.onnx");
/// Steps of one second of one call.
const STEPS: f64 = SAMPLE_RATE as f64 / (HOP * STEP_HOPS) as f64;

fn main() {
    let bytes = std::fs::read(MODEL).expect("the repository has its model");
    let weights = weights(&bytes);
    println!(
        "{} multiply-adds a step, {:.0} a second of a call, in {STEPS} steps; the model's file has {} bytes",
        weights,
        weights as f64 * STEPS,
        bytes.len()
    );
    let built_in = Config { builtin_runtime: true, ..Config::default() };
    measure("rten", &built_in);
    let asked_for = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    let found = Config { onnxruntime: asked_for, ..Config::default() };
    match Model::load(&found).map(|model| model.backend().clone()) {
        Ok(Backend::OnnxRuntime(library)) => {
            println!("ONNX Runtime: {}", library.display());
            measure("onnxruntime", &found);
        }
        Ok(_) => println!("ONNX Runtime is not measured: no library is found; ORT_DYLIB_PATH says where one is"),
        Err(error) => println!("ONNX Runtime is not measured: {error}"),
    }
}

/// Prints what one step costs, and what that makes of a second of one call.
fn measure(runtime: &str, config: &Config) {
    let mut model = Model::load(config).expect("the built-in model runs");
    for batch in [1, 4, 16, 64] {
        assert_eq!(model.trial(batch), batch, "{runtime} tells nothing");
        let name = format!("one step of the model, {runtime}, batch of {batch}");
        time(&name, batch as f64 / STEPS, "call-second", || model.trial(batch));
    }
}

/// Weights that are matrices: each is used in one multiplication and one addition per step. They are initializers of the
/// ONNX file's graph, and constants among its nodes.
fn weights(model: &[u8]) -> u64 {
    let graph = fields(model).find(|(number, _)| *number == 7).map_or(&[][..], |(_, graph)| graph);
    let initializers = fields(graph).filter(|(number, _)| *number == 5).map(|(_, tensor)| tensor);
    let attributes = fields(graph)
        .filter(|(number, _)| *number == 1)
        .flat_map(|(_, node)| fields(node).filter(|(number, _)| *number == 5));
    let constants = attributes.flat_map(|(_, attribute)| fields(attribute).filter(|(number, _)| *number == 5));
    initializers.chain(constants.map(|(_, tensor)| tensor)).map(elements_of_matrix).sum()
}

/// Elements of a tensor of two or more dimensions that are over 1, else 0.
fn elements_of_matrix(tensor: &[u8]) -> u64 {
    let mut sizes: Vec<u64> = Vec::new();
    for (number, value) in fields(tensor).filter(|(number, _)| *number == 1) {
        debug_assert_eq!(number, 1);
        let mut rest = value;
        while let Some((size, left)) = varint(rest) {
            sizes.push(size);
            rest = left;
        }
    }
    sizes.retain(|size| *size > 1);
    if sizes.len() < 2 { 0 } else { sizes.iter().product() }
}

/// Fields of a Protocol Buffers message: number, and bytes; those of an integer are as they are written.
fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    std::iter::from_fn(move || {
        let (key, rest) = varint(message)?;
        let (value, rest) = match key & 7 {
            0 => {
                let (_, after) = varint(rest)?;
                rest.split_at(rest.len() - after.len())
            }
            1 => rest.split_at_checked(8)?,
            2 => {
                let (length, rest) = varint(rest)?;
                rest.split_at_checked(usize::try_from(length).ok()?)?
            }
            5 => rest.split_at_checked(4)?,
            _ => return None,
        };
        message = rest;
        Some((key >> 3, value))
    })
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (varint, rest) = bytes.split_at(length);
    let value = varint.iter().rev().fold(0u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value, rest))
}
