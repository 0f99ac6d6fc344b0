"""Fits the network that tells speech from other sound, hop by hop, and writes src/detect/voice_weights.rs.

    activity.py DATA VOICES ANSWERD OUT [--calls N] [--work FOLDER] [--epochs N] [--measure WEIGHTS]

OUT is the Rust file. A work folder that holds simulated calls already is used again. With --measure nothing is fitted and nothing
written: the figures are those of the weights in that Rust file, on the same calls.

Calls are simulated as for the model (bank.py, channel.py, tones.py), with what speaks in which samples; with clicks, thuds, breath
and keys between, and calls of noise, music and network's tones alone. `answerd features --hops` writes what the network is told
of each hop, by the code that runs live. The network is asked LOOKAHEAD hops later about a hop, as src/detect/voice.rs does.

Sources of fold 3 are not learnt from; they make the figures. The weights in src/detect/voice_weights.rs are of 2,400 calls,
1,441 of them learnt from. On their fold 3, with the bursts that src/detect/activity.rs makes of the network's word: 90.6 % of the
frames of speech told as speech and 3.5 % of the others, the onset 31 ms off in the median (59 ms by the level rules that were there
before), speech told in 1.2 % of the calls of noise (20 %). The network's word alone, which is what --measure
counts: 88.7 % and 3.7 %, and 3 of 169 calls of noise.

The cadence that models/answer.onnx is told of rests on these weights, and it was trained with them: they belong together. New weights
here mean a new model, so this is not part of `run`. The calls depend on the other scripts' random draws: a new run gives other
weights of like figures, not the same ones.
"""

import argparse
import csv
import json
import re
import subprocess
import zlib
from multiprocessing import Pool
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import soundfile as sf
from scipy.signal import butter, lfilter, sosfilt

import bank
import channel
import tones
from train import read_features

RATE, HOP = 8000, 80
HELD_OUT = 3
SEED = 1
# What is in a call, and how often; and the clips that count as speech, one class as often as another.
KINDS = {"speech": 0.62, "noise": 0.18, "music": 0.10, "tones": 0.10}
SPEECH = ["human", "speech_other", "greeting_machine", "ivr_prompt", "tts_human", "tts_machine", "tts_ivr"]
# The share of calls made of fold 3: more than a fourth, so that its figures are worth something.
TRIED = 0.4
# A clip is cut in a pause after this long, in seconds.
LONGEST = 8
# The events that are no speech: on average per call, and how often each.
EVENTS_PER_CALL = 0.8
EVENTS = {"click": 0.30, "thud": 0.35, "breath": 0.25, "key": 0.10}
# The network, as in src/detect/voice.rs.
UNITS, LOOKAHEAD = 16, 6
# It learns from pieces of 8 s: a state lives no longer than a greeting.
PIECE = 800
BATCH, EPOCHS, RATE_OF_LEARNING, WARM_UP = 48, 16, 6e-3, 50
# What begins a burst in src/detect/activity.rs, nearly: for the figures.
LIKELY, SURE, SURE_HOPS = 0.5, 0.6, 4
CLIPS = {}


def held_out(clip):
    """Noise comes from fewer sources than speech: one in three of them is left out, by a checksum of its own."""
    if clip.label == "noise":
        return zlib.crc32(clip.source.encode()) % 3 == 0
    return clip.fold == HELD_OUT


def pool(labels, tried):
    return [clip for label in labels for clip in CLIPS[label] if held_out(clip) == tried]


def thud(rng):
    """A handset laid down, a door: low noise that dies away."""
    n = int(rng.uniform(0.02, 0.4) * RATE)
    pole = rng.uniform(0.5, 0.97)
    sound = lfilter([1 - pole], [1, -pole], rng.normal(0, 1, n)) * np.exp(-rng.uniform(2, 7) * np.arange(n) / n)
    return sound / np.abs(sound).max()


def breath(rng):
    """Somebody breathes into the microphone."""
    n = int(rng.uniform(0.2, 0.8) * RATE)
    low = rng.uniform(300, 1500)
    band = [low, min(low * rng.uniform(1.5, 4), 3800)]
    sound = sosfilt(butter(2, band, "bandpass", fs=RATE, output="sos"), rng.normal(0, 1, n)) * np.hanning(n)
    return sound / np.sqrt((sound**2).mean())


def event(rng):
    """A sound that is no speech, at a level from far under a voice's to above it."""
    gain = 0.1 * 10 ** (rng.uniform(-22, 6) / 20)
    kind = str(rng.choice(list(EVENTS), p=list(EVENTS.values())))
    if kind == "click":
        sound = rng.normal(0, 1, int(rng.uniform(0.003, 0.05) * RATE))
        return 2 * gain * sound * np.exp(-5 * np.arange(len(sound)) / len(sound))
    if kind == "thud":
        return 3 * gain * thud(rng)
    return 0.5 * gain * breath(rng) if kind == "breath" else 1.4 * gain * tones.dtmf(rng)


def turns(rng, tried, at):
    """Somebody says one to three things from `at` seconds on: [(first sample, sound)], and spans of speech in samples."""
    clips = pool([SPEECH[rng.integers(len(SPEECH))]], tried)
    sources = sorted({clip.source for clip in clips})
    source = sources[rng.integers(len(sources))]
    clips = [clip for clip in clips if clip.source == source]
    clip = clips[rng.integers(len(clips))]
    same = [other for other in clips if other.speaker and other.speaker == clip.speaker] or [clip]
    parts, spans = [], []
    for turn in range(int(rng.choice([1, 1, 1, 2, 3]))):
        if turn:
            clip = same[rng.integers(len(same))]
            at += rng.uniform(0.2, 3)
        cut = len(clip.sound)
        if cut > LONGEST * RATE:
            cut = min(next((end for start, end in clip.spans if start > LONGEST * RATE // 2), cut), LONGEST * RATE)
        start = int(at * RATE)
        parts.append((start, clip.sound[:cut]))
        spans += [(start + a, start + min(b, cut)) for a, b in clip.spans if a < cut]
        at = (start + cut) / RATE
    return parts, spans


def no_speech(rng, kind, tried):
    """Sound of a kind that is no speech, empty for noise alone."""
    if kind == "music":
        clips = pool(["music"], tried)
        return tones.music(rng, 8) * 0.1 if rng.random() < 0.4 else clips[rng.integers(len(clips))].sound[: LONGEST * RATE]
    if kind == "tones":
        which = str(rng.choice(["ringback", "busy", "sit", "fax", "keys"]))
        if which == "keys":
            return 0.14 * np.concatenate([np.concatenate([tones.dtmf(rng), np.zeros(int(rng.uniform(0.06, 0.4) * RATE))]) for _ in range(8)])
        return 0.14 * {"ringback": lambda: tones.ringback(rng, 8), "busy": lambda: tones.busy(rng, 6),
                       "sit": lambda: tones.sit(rng), "fax": lambda: tones.fax(rng, 6)}[which]()
    return np.zeros(int(rng.uniform(4, 8) * RATE))


def make(job):
    """One call as a WAV; its row of the truth."""
    number, kind, tried, folder = job
    rng = np.random.default_rng([SEED, number])
    at = float(rng.choice([rng.uniform(0, 0.5), rng.uniform(0.3, 1.5), rng.uniform(1, 4)]))
    parts, spans = turns(rng, tried, at) if kind == "speech" else ([(int(at * RATE), no_speech(rng, kind, tried))], [])
    end = max(start + len(sound) for start, sound in parts)
    call = np.zeros(end + int(rng.uniform(1.5, 4) * RATE))
    for start, sound in parts:
        call[start : start + len(sound)] += sound
    if kind in ("speech", "music"):
        call = channel.shape(rng, call)
    for _ in range(int(rng.poisson(EVENTS_PER_CALL))):
        sound = event(rng)
        start = int(rng.uniform(0, len(call)))
        sound = sound[: len(call) - start]
        # Over speech it would be both.
        if not any(start < b and start + len(sound) > a for a, b in spans):
            call[start : start + len(sound)] += sound
    around = None
    if rng.random() < 0.7:
        noises = pool(["noise"], tried)
        noise = noises[rng.integers(len(noises))].sound
        around = np.resize(np.roll(noise, -int(rng.integers(len(noise)))), len(call)).astype(float)
    sent, done = channel.transmit(rng, call, around, 0.1, snr_db=float(rng.uniform(8, 42)))
    name = f"{number:05d}.wav"
    sf.write(folder / name, sent.astype(np.float32), RATE, subtype="PCM_16")
    return {"file": name, "kind": kind, "fold": HELD_OUT if tried else "", "spans": json.dumps(spans), **done}


def simulate(data, voices, folder, calls):
    folder.mkdir(parents=True, exist_ok=True)
    CLIPS.update(bank.load(data, voices))
    rng = np.random.default_rng(SEED)
    kinds = rng.choice(list(KINDS), size=calls, p=list(KINDS.values()))
    jobs = [(number, str(kind), bool(tried), folder) for number, (kind, tried) in enumerate(zip(kinds, rng.random(calls) < TRIED))]
    with Pool(2) as workers:
        rows = workers.map(make, jobs, chunksize=8)
    with open(folder / "calls.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def load(folder, answerd):
    """The rows of the truth, and for each call the inputs [T, 17] and the truth [T] of the hops that the network is asked about."""
    with open(folder / "calls.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    listed, written = folder / "list", folder / "hops"
    listed.write_text("".join(f"{(folder / row['file']).resolve()}\t{row['holes']}\n" for row in rows))
    subprocess.run([answerd, "features", listed, "--out", written, "--hops"], check=True)
    inputs, truths = [], []
    for row, hops in zip(rows, read_features(written, step_ms=10)[0], strict=True):
        truth = np.zeros(len(hops), np.float32)
        for start, end in json.loads(row["spans"]):
            truth[start // HOP : end // HOP] = 1
        heard = ~np.isnan(hops[:, 0])
        inputs.append(hops[heard])
        truths.append(truth[heard])
    return rows, inputs, truths


def pieces(inputs, truths):
    """Arrays over pieces: inputs, the truth that is asked for at each hop, and the weight of the answer."""
    out = []
    for hops, truth in zip(inputs, truths):
        asked = np.concatenate([np.zeros(LOOKAHEAD, np.float32), truth])[: len(truth)]
        weight = np.ones(len(truth), np.float32)
        weight[:LOOKAHEAD] = 0
        # A rest of a second or less teaches nothing that the piece before has not.
        for start in range(0, max(1, len(hops) - 100), PIECE):
            rest = max(0, start + PIECE - len(hops))
            take = slice(start, start + PIECE)
            out.append((np.pad(hops[take], ((0, rest), (0, 0))), np.pad(asked[take], (0, rest)), np.pad(weight[take], (0, rest))))
    return [np.stack(column) for column in zip(*out)]


def forward(p, x):
    """Logits [N, T] of inputs [N, T, 17]; the gates are keep, reset and new."""
    gates = jnp.swapaxes(x @ p["w"] + p["b"], 0, 1)

    def step(h, g):
        r = h @ p["u"]
        keep, reset = jnp.split(jax.nn.sigmoid(g[:, : 2 * UNITS] + r[:, : 2 * UNITS]), 2, axis=1)
        h = keep * h + (1 - keep) * jnp.tanh(g[:, 2 * UNITS :] + reset * r[:, 2 * UNITS :])
        return h, h @ p["v"] + p["c"]

    return jax.lax.scan(step, jnp.zeros((x.shape[0], UNITS)), gates, unroll=4)[1].T


def fit(inputs, truths, epochs):
    x, y, w = pieces(inputs, truths)
    rng = np.random.default_rng(0)
    width = x.shape[2]
    p = {"w": rng.normal(0, width**-0.5, (width, 3 * UNITS)), "u": rng.normal(0, UNITS**-0.5, (UNITS, 3 * UNITS)),
         "b": np.zeros(3 * UNITS), "v": rng.normal(0, 0.1, UNITS), "c": np.zeros(())}
    p = {name: jnp.array(value, jnp.float32) for name, value in p.items()}
    batches = len(x) // BATCH
    schedule = optax.warmup_cosine_decay_schedule(0.0, RATE_OF_LEARNING, WARM_UP, max(epochs * batches, WARM_UP + 1))
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule, b2=0.99))
    state = optimiser.init(p)

    def loss_of(p, x, y, w):
        logits = forward(p, x)
        return ((jax.nn.softplus(logits) - y * logits) * w).sum() / w.sum()

    @jax.jit
    def update(p, state, x, y, w):
        loss, gradient = jax.value_and_grad(loss_of)(p, x, y, w)
        change, state = optimiser.update(gradient, state, p)
        return optax.apply_updates(p, change), state, loss

    for epoch in range(epochs):
        order, losses = rng.permutation(len(x)), []
        for n in range(batches):
            take = order[n * BATCH : (n + 1) * BATCH]
            p, state, loss = update(p, state, x[take], y[take], w[take])
            losses.append(float(loss))
        print(f"epoch {epoch + 1} loss {np.mean(losses):.4f}", flush=True)
    return {name: np.asarray(value) for name, value in p.items()}


def figures(p, rows, inputs, truths):
    """Of the network's word alone, without activity.rs, on the calls of fold 3."""
    run = jax.jit(lambda x: jax.nn.sigmoid(forward(p, x)))
    hit, speech, wrong, rest, noise, begun = 0, 0, 0, 0, 0, 0
    for row, hops, truth in zip(rows, inputs, truths):
        if row["fold"] != str(HELD_OUT) or len(hops) <= LOOKAHEAD:
            continue
        # Lengths rounded up, so that few programs are compiled.
        padded = np.pad(hops, ((0, -len(hops) % 500), (0, 0)))
        word = np.asarray(run(padded[None]))[0, LOOKAHEAD : len(hops)]
        truth = truth[: len(word)] > 0
        if row["kind"] == "speech":
            hit, speech = hit + (word[truth] > LIKELY).sum(), speech + truth.sum()
            wrong, rest = wrong + (word[~truth] > LIKELY).sum(), rest + (~truth).sum()
        elif row["kind"] == "noise":
            noise += 1
            begun += np.convolve(word > SURE, np.ones(SURE_HOPS), "valid").max(initial=0) >= SURE_HOPS
    print(f"fold {HELD_OUT}: frames hit {hit / max(speech, 1):.3f}, false {wrong / max(rest, 1):.3f}; "
          f"speech in {begun} of {noise} calls of noise")


def read_weights(path):
    """The weights of a Rust file that `write` wrote."""
    names = {"w": "FROM_INPUT", "u": "FROM_STATE", "b": "BIAS", "v": "OUT", "c": "OFFSET"}
    text = path.read_text()
    found = {}
    for key, name in names.items():
        value = re.search(rf"const {name}: [^=]*= ([^;]*);", text).group(1)
        found[key] = np.array(json.loads(re.sub(r",\s*\]", "]", value)), np.float32)
    return found


def write(p, calls, path):
    def number(value):
        text = f"{float(value):.4f}".rstrip("0")
        return {"-0.": "0.0"}.get(text, text + "0" if text.endswith(".") else text)

    def row(values):
        return "[" + ", ".join(map(number, values)) + "]"

    def table(values):
        return "[\n" + "".join(f"    {row(values)},\n" for values in values) + "]"

    path.write_text(f"""//! Weights of the network that tells speech from other sound, written by `training/activity.py`, whose docstring has their figures.
//!
//! Fitted on {calls:,} simulated calls without the sources of fold {HELD_OUT}. models/answer.onnx was trained with these: they change together.

#![allow(clippy::approx_constant, reason = "a fitted number is near 1/pi by chance")]

use crate::detect::voice::{{UNITS, VOICE_INPUTS}};

/// From the inputs to the gates: keep, reset, new.
#[rustfmt::skip]
pub(super) const FROM_INPUT: [[f32; 3 * UNITS]; VOICE_INPUTS] = {table(p["w"])};

/// From the state to the gates.
#[rustfmt::skip]
pub(super) const FROM_STATE: [[f32; 3 * UNITS]; UNITS] = {table(p["u"])};

/// What the gates begin with.
#[rustfmt::skip]
pub(super) const BIAS: [f32; 3 * UNITS] = {row(p["b"])};

/// From the state to the word, and what it begins with.
#[rustfmt::skip]
pub(super) const OUT: [f32; UNITS] = {row(p["v"])};
pub(super) const OFFSET: f32 = {number(p["c"])};
""")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "voices", "answerd", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--calls", type=int, default=2400)
    parser.add_argument("--work", type=Path, default=Path("/tmp/answerd-activity"))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--measure", type=Path)
    arguments = parser.parse_args()
    if not (arguments.work / "calls.csv").exists():
        simulate(arguments.data, arguments.voices, arguments.work, arguments.calls)
    rows, inputs, truths = load(arguments.work, arguments.answerd)
    if arguments.measure:
        return figures(read_weights(arguments.measure), rows, inputs, truths)
    learnt = [n for n, row in enumerate(rows) if row["fold"] != str(HELD_OUT)]
    p = fit([inputs[n] for n in learnt], [truths[n] for n in learnt], arguments.epochs)
    figures(p, rows, inputs, truths)
    write(p, len(learnt), arguments.out)


if __name__ == "__main__":
    main()
