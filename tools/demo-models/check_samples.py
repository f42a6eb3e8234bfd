"""Runs the bundled models over the bundled samples with transformers' own pipelines: python check_samples.py --models F --samples F

Prints what came out, with the nearest other sample by embedding, and fails when fewer than nine in ten of a modality come out
as the manifest says.
"""

import argparse
import json
import pathlib
import sys

import soundfile
import torch
from PIL import Image
from transformers import AutoModel, AutoProcessor, pipeline

from speech_clips import RATE, to_rate

MODELS = {"audio": "audio-ctc", "text": "text-intent", "image": "vision-digits"}
TASKS = {"audio": "automatic-speech-recognition", "text": "text-classification", "image": "image-classification"}
PASS = 0.9


def payload(path, modality):
    """What each pipeline takes: samples at 16 kHz, a string, or a picture."""
    if modality == "text":
        return path.read_text(encoding="utf-8")
    if modality == "image":
        return Image.open(path).convert("RGB")
    samples, rate = soundfile.read(path, dtype="float32")
    return to_rate(samples, rate)


def answer(pipe, modality, value):
    """(text or label, score or None)"""
    got = pipe({"raw": value, "sampling_rate": RATE} if modality == "audio" else value)
    if modality == "audio":
        return got["text"], None
    return got[0]["label"], got[0]["score"]


@torch.no_grad()
def embedding(model, processor, modality, value):
    """Mean over the last hidden states, as the embedding head pools them."""
    named = {"audio": {"audio": value, "sampling_rate": RATE}, "text": {"text": value}, "image": {"images": value}}[modality]
    return model(**processor(**named, return_tensors="pt")).last_hidden_state[0].mean(0)


def check(modality, entries, models, samples):
    """Prints one modality's table; returns how many are right."""
    folder = str(pathlib.Path(models) / MODELS[modality])
    pipe = pipeline(TASKS[modality], model=folder, device="cpu")
    model, processor = AutoModel.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)
    right, vectors, rows = 0, [], []
    for e in entries:
        value = payload(pathlib.Path(samples) / e["file"], modality)
        got, score = answer(pipe, modality, value)
        right += got == e["expected"]
        vectors.append(embedding(model, processor, modality, value))
        rows.append((e, got, score))
    for (e, got, score), near in zip(rows, nearest(vectors)):
        print("ok " if got == e["expected"] else "BAD", f"{e['file']:22}", got, "" if score is None else round(score, 3),
              "" if got == e["expected"] else f"(expected {e['expected']})", "| nearest:", entries[near]["expected"])
    print(f"{modality}: {right} of {len(entries)} right\n")
    return right


def nearest(vectors):
    """For each vector the index of the nearest other one by cosine."""
    unit = torch.nn.functional.normalize(torch.stack(vectors), dim=1)
    return (unit @ unit.T).fill_diagonal_(-2).argmax(1).tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", required=True)
    parser.add_argument("--samples", required=True)
    args = parser.parse_args()
    manifest = json.loads((pathlib.Path(args.samples) / "manifest.json").read_text())
    failed = False
    for modality in MODELS:
        entries = [e for e in manifest if e["modality"] == modality]
        failed |= check(modality, entries, args.models, args.samples) < PASS * len(entries)
    sys.exit(failed)


if __name__ == "__main__":
    main()
