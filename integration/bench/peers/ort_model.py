"""The model by onnxruntime: no transformers, no torch; samples sorted by length, and batches cut by a budget of padded cost."""

import io
import itertools
import json
import os

import numpy as np
import onnxruntime as ort
from line import unit


class Preprocess:
    """prepare(body) is a sample, cost(sample) what it costs the model; there is no session here, so that it is cheap where there are many."""

    def __init__(self, c):
        self.c = c
        self.prepare, self.cost = {"text": self.text, "image": self.images, "audio": self.audio}[c["modality"]]()

    def settings(self, name):
        with open(os.path.join(self.c["model"], name)) as f:
            return json.load(f)

    def text(self):
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(os.path.join(self.c["model"], "tokenizer.json"))
        tokenizer.enable_truncation(512)
        return lambda body: np.array(tokenizer.encode(body.decode()).ids), len

    def images(self):
        from PIL import Image

        s = self.settings("preprocessor_config.json")
        size = (s["size"]["width"], s["size"]["height"])
        levels = np.arange(256) * s["rescale_factor"]
        table = [((levels - m) / d).astype(np.float32) for m, d in zip(s["image_mean"], s["image_std"])]

        def prepare(body):
            pixels = np.asarray(Image.open(io.BytesIO(body)).convert("RGB").resize(size, s["resample"]))
            return np.stack([t[pixels[:, :, i]] for i, t in enumerate(table)])

        return prepare, lambda _: 197

    def audio(self):
        import soundfile
        import soxr

        rate = self.settings("preprocessor_config.json")["sampling_rate"]

        def prepare(body):
            samples, native = soundfile.read(io.BytesIO(body), dtype="float32", always_2d=True)
            samples = soxr.resample(samples.mean(1), native, rate)
            return (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)

        return prepare, lambda s: frames(len(s))


class Model(Preprocess):
    def __init__(self, c):
        super().__init__(c)
        options = ort.SessionOptions()
        options.intra_op_num_threads = c["threads"]
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(c["spinning"])))
        self.session = ort.InferenceSession(c["graph"], options, providers=["CPUExecutionProvider"])
        self.masked = any(i.name == "attention_mask" for i in self.session.get_inputs())  # torch's export of audio, where our graph takes lengths
        self.batch = {"text": self.texts, "image": self.pictures, "audio": self.clips}[c["modality"]]
        if c["modality"] == "text":
            self.pad = self.settings("config.json")["pad_token_id"]
        if c["modality"] == "audio":
            self.vocabulary = {i: token for token, i in self.settings("vocab.json").items()}
            self.blank = self.settings("special_tokens_map.json")["pad_token"]

    def texts(self, batch):
        ids, mask = padded(batch, self.pad, np.int64)
        (states,) = self.session.run(["last_hidden_state"], {"input_ids": ids, "attention_mask": mask})
        weights = mask[..., None].astype(np.float32)
        return unit((states * weights).sum(1) / weights.sum(1))

    def pictures(self, batch):
        (states,) = self.session.run(["last_hidden_state"], {"pixel_values": np.stack(batch)})
        return unit(states[:, 1:].mean(1))

    def clips(self, batch):
        values, mask = padded(batch, 0, np.float32)
        real = {"attention_mask": mask} if self.masked else {"lengths": np.array([len(s) for s in batch])}
        (logits,) = self.session.run(["logits"], {"input_values": values, **real})
        return [self.words(row[: frames(len(s))].tolist()) for row, s in zip(logits.argmax(-1), batch)]

    def words(self, ids):
        tokens = (self.vocabulary[i] for i, _ in itertools.groupby(ids))
        return "".join(t for t in tokens if t != self.blank).replace("|", " ").strip()

    def cuts(self, costs):
        """Ends of batches of ascending costs under the budget."""
        first = 0
        for i, longest in enumerate(costs):
            if i > first and (longest * (i - first + 1) > self.c["budget"] or i - first == self.c["batch"]):
                yield first, i
                first = i
        yield first, len(costs)

    def compute(self, samples):
        samples = list(samples)
        order = sorted(range(len(samples)), key=lambda i: self.cost(samples[i]))
        values = [None] * len(samples)
        for first, end in self.cuts([self.cost(samples[i]) for i in order]):
            for i, v in zip(order[first:end], self.batch([samples[i] for i in order[first:end]])):
                values[i] = v
        return values


def frames(n):
    for kernel, stride in zip((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)):
        n = (n - kernel) // stride + 1
    return n


def padded(samples, value, dtype):
    out = np.full((len(samples), max(map(len, samples))), value, dtype)
    mask = np.zeros(out.shape, np.int64)
    for row, seen, s in zip(out, mask, samples):
        row[: len(s)], seen[: len(s)] = s, 1
    return out, mask
