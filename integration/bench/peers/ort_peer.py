"""onnxruntime by hand: no transformers, no torch; a chunk's samples sorted by length, and batches cut by a budget of padded cost."""

import io
import itertools
import json
import os

import numpy as np
import onnxruntime as ort
from line import Line, unit

line = Line()
c = line.c
options = ort.SessionOptions()
options.intra_op_num_threads = c["threads"]
options.add_session_config_entry("session.intra_op.allow_spinning", str(int(c["spinning"])))
session = ort.InferenceSession(c["graph"], options, providers=["CPUExecutionProvider"])


def settings(name):
    return json.load(open(os.path.join(c["model"], name)))


def padded(samples, value, dtype):
    out = np.full((len(samples), max(map(len, samples))), value, dtype)
    mask = np.zeros(out.shape, np.int64)
    for row, seen, s in zip(out, mask, samples):
        row[: len(s)], seen[: len(s)] = s, 1
    return out, mask


def text():
    from tokenizers import Tokenizer

    tokenizer, pad = Tokenizer.from_file(os.path.join(c["model"], "tokenizer.json")), settings("config.json")["pad_token_id"]
    tokenizer.enable_truncation(512)

    def compute(batch):
        ids, mask = padded(batch, pad, np.int64)
        (states,) = session.run(["last_hidden_state"], {"input_ids": ids, "attention_mask": mask})
        weights = mask[..., None].astype(np.float32)
        return unit((states * weights).sum(1) / weights.sum(1))

    return lambda body: tokenizer.encode(body.decode()).ids, len, compute


def images():
    from PIL import Image

    s = settings("preprocessor_config.json")
    size = (s["size"]["width"], s["size"]["height"])
    levels = np.arange(256) * s["rescale_factor"]
    table = [((levels - m) / d).astype(np.float32) for m, d in zip(s["image_mean"], s["image_std"])]

    def prepare(body):
        pixels = np.asarray(Image.open(io.BytesIO(body)).convert("RGB").resize(size, s["resample"]))
        return np.stack([t[pixels[:, :, i]] for i, t in enumerate(table)])

    def compute(batch):
        (states,) = session.run(["last_hidden_state"], {"pixel_values": np.stack(batch)})
        return unit(states[:, 1:].mean(1))

    return prepare, lambda _: 197, compute


def audio():
    import soundfile
    import soxr

    rate = settings("preprocessor_config.json")["sampling_rate"]
    vocabulary = {i: token for token, i in settings("vocab.json").items()}
    blank = settings("special_tokens_map.json")["pad_token"]

    def prepare(body):
        samples, native = soundfile.read(io.BytesIO(body), dtype="float32", always_2d=True)
        samples = soxr.resample(samples.mean(1), native, rate)
        return (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)

    def words(ids):
        tokens = (vocabulary[i] for i, _ in itertools.groupby(ids))
        return "".join(t for t in tokens if t != blank).replace("|", " ").strip()

    def compute(batch):
        values, _ = padded(batch, 0, np.float32)
        (logits,) = session.run(["logits"], {"input_values": values, "lengths": np.array([len(s) for s in batch])})
        return [words(row[: frames(len(s))].tolist()) for row, s in zip(logits.argmax(-1), batch)]

    def frames(n):
        for kernel, stride in zip((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)):
            n = (n - kernel) // stride + 1
        return n

    return prepare, lambda s: frames(len(s)), compute


prepare, cost, compute = {"text": text, "image": images, "audio": audio}[c["modality"]]()


def cuts(costs):
    """Ends of batches of ascending costs under the budget."""
    first = 0
    for i, longest in enumerate(costs):
        if i > first and (longest * (i - first + 1) > c["budget"] or i - first == c["batch"]):
            yield first, i
            first = i
    yield first, len(costs)


def run(samples):
    samples = list(samples)
    order = sorted(range(len(samples)), key=lambda i: cost(samples[i]))
    values = [None] * len(samples)
    for first, end in cuts([cost(samples[i]) for i in order]):
        for i, v in zip(order[first:end], compute([samples[i] for i in order[first:end]])):
            values[i] = v
    return values


line.run(prepare, run)
