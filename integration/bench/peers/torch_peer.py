"""transformers and torch by hand: batches in arrival order, the reference's own processors, padded by them."""

import io

import torch
from line import Line, batched, unit
from transformers import AutoFeatureExtractor, AutoImageProcessor, AutoModel, AutoModelForCTC, AutoTokenizer

line = Line()
c = line.c
torch.set_num_threads(c["threads"])


def text():
    tokenizer, model = AutoTokenizer.from_pretrained(c["model"]), AutoModel.from_pretrained(c["model"])

    def compute(batch):
        inputs = tokenizer(batch, padding=True, truncation=True, return_tensors="pt")
        states, mask = model(**inputs).last_hidden_state, inputs["attention_mask"][..., None]
        return unit(((states * mask).sum(1) / mask.sum(1)).numpy())

    return lambda body: body.decode(), compute


def images():
    from PIL import Image

    processor, model = AutoImageProcessor.from_pretrained(c["model"], use_fast=False), AutoModel.from_pretrained(c["model"])

    def compute(batch):
        states = model(**processor(batch, return_tensors="pt")).last_hidden_state
        return unit(states[:, 1:].mean(1).numpy())

    return lambda body: Image.open(io.BytesIO(body)).convert("RGB"), compute


def audio():
    import soundfile
    import soxr

    extractor, tokenizer = AutoFeatureExtractor.from_pretrained(c["model"]), AutoTokenizer.from_pretrained(c["model"])
    model = AutoModelForCTC.from_pretrained(c["model"])

    def prepare(body):
        samples, rate = soundfile.read(io.BytesIO(body), dtype="float32", always_2d=True)
        return soxr.resample(samples.mean(1), rate, extractor.sampling_rate)

    def compute(batch):
        inputs = extractor(batch, sampling_rate=extractor.sampling_rate, padding=True, return_tensors="pt")
        return tokenizer.batch_decode(model(**inputs).logits.argmax(-1))

    return prepare, compute


prepare, compute = {"text": text, "image": images, "audio": audio}[c["modality"]]()
with torch.inference_mode():
    line.run(prepare, lambda samples: [v for batch in batched(samples, c["batch"]) for v in compute(batch)])
