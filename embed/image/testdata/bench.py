"""Times the reference on bench.jpg: JPEG to the pixel_values of 224 x 224, as BenchmarkPreprocess does. Prints milliseconds, the best of seven rounds."""

import io
import time

import numpy as np
import PIL
from PIL import Image
from transformers import BeitImageProcessor

data = open("bench.jpg", "rb").read()
processor = BeitImageProcessor(size={"height": 224, "width": 224}, do_center_crop=False)


def decode(draft=False):
    im = Image.open(io.BytesIO(data))
    if draft:
        im.draft("RGB", (224, 224))
    return im.convert("RGB")


def pillow(draft=False):
    a = np.asarray(decode(draft).resize((224, 224), Image.Resampling.BICUBIC))
    a = (a.astype(np.float64) * (1 / 255)).astype(np.float32)
    return np.ascontiguousarray(((a - np.float32(0.5)) / np.float32(0.5)).transpose(2, 0, 1))


def transformers():
    return processor(decode(), return_tensors="np")["pixel_values"]


def best(f, rounds=7, n=20):
    times = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(n):
            f()
        times.append((time.process_time() - began) / n * 1000)
    return min(times)


print("Pillow", PIL.__version__)
for name, f in (("decode", decode), ("Pillow and numpy", pillow), ("Pillow with draft and numpy", lambda: pillow(True)), ("transformers", transformers)):
    print(f"{name}: {best(f):.2f} ms")
