"""The model by transformers and torch: batches in arrival order, the reference's own processors, padded by them."""

import io

import torch
from line import batched, unit
from transformers import AutoFeatureExtractor, AutoImageProcessor, AutoModel, AutoModelForCTC, AutoTokenizer


class Model:
    def __init__(self, c):
        self.c = c
        torch.set_num_threads(c["threads"])
        self.prepare, self.batch = {"text": self.text, "image": self.images, "audio": self.audio}[c["modality"]]()

    def text(self):
        tokenizer, model = AutoTokenizer.from_pretrained(self.c["model"]), AutoModel.from_pretrained(self.c["model"])

        def batch(samples):
            inputs = tokenizer(samples, padding=True, truncation=True, return_tensors="pt")
            states, mask = model(**inputs).last_hidden_state, inputs["attention_mask"][..., None]
            return unit(((states * mask).sum(1) / mask.sum(1)).numpy())

        return lambda body: body.decode(), batch

    def images(self):
        from PIL import Image

        processor, model = AutoImageProcessor.from_pretrained(self.c["model"], use_fast=False), AutoModel.from_pretrained(self.c["model"])

        def batch(samples):
            states = model(**processor(samples, return_tensors="pt")).last_hidden_state
            return unit(states[:, 1:].mean(1).numpy())

        return lambda body: Image.open(io.BytesIO(body)).convert("RGB"), batch

    def audio(self):
        import soundfile
        import soxr

        extractor, tokenizer = AutoFeatureExtractor.from_pretrained(self.c["model"]), AutoTokenizer.from_pretrained(self.c["model"])
        model = AutoModelForCTC.from_pretrained(self.c["model"])

        def prepare(body):
            samples, rate = soundfile.read(io.BytesIO(body), dtype="float32", always_2d=True)
            return soxr.resample(samples.mean(1), rate, extractor.sampling_rate)

        def batch(samples):
            inputs = extractor(samples, sampling_rate=extractor.sampling_rate, padding=True, return_tensors="pt")
            return tokenizer.batch_decode(model(**inputs).logits.argmax(-1))

        return prepare, batch

    def compute(self, samples):
        with torch.inference_mode():
            return [v for batch in batched(samples, self.c["batch"]) for v in self.batch(batch)]
