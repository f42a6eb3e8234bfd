"""The other side of the benchmarks: does what it is told on stdin ("name count") and answers with the CPU seconds that it took.

    peer.py image PICTURE
    peer.py write PICTURE DIR              (PICTURE in other formats)
    peer.py text TOKENIZER_JSON TEXTS      (TEXTS: a JSON list of strings)
"""

import io
import json
import sys
import time


def image(path):
    import numpy as np
    from PIL import Image

    data = open(path, "rb").read()
    half = np.float32(0.5)

    def decode(draft):
        im = Image.open(io.BytesIO(data))
        if draft:
            im.draft("RGB", (224, 224))
        return im.convert("RGB")

    def tensor(draft):
        """The slow image processor's arithmetic: scaled in double precision, the rest in single, channels first."""
        a = np.asarray(decode(draft).resize((224, 224), Image.Resampling.BICUBIC))
        a = (a.astype(np.float64) * (1 / 255)).astype(np.float32)
        return np.ascontiguousarray(((a - half) / half).transpose(2, 0, 1))

    def lean(draft):
        """The same numbers by a table of 256: the least that numpy can do."""
        a = np.asarray(decode(draft).resize((224, 224), Image.Resampling.BICUBIC))
        return np.stack([table[a[:, :, c]] for c in range(3)])

    table = ((np.arange(256) * (1 / 255)).astype(np.float32) - half) / half
    return {
        "Pillow": lambda: tensor(False), "Pillow draft": lambda: tensor(True),
        "Pillow table": lambda: lean(False), "Pillow draft table": lambda: lean(True),
        "Pillow decode": lambda: decode(False), "Pillow decode draft": lambda: decode(True),
    }  # fmt: skip


def write(path, directory):
    from PIL import Image

    im = Image.open(path).convert("RGB")
    alpha = im.copy()
    alpha.putalpha(im.convert("L"))
    for name, picture, options in (
        ("rgb.png", im, {}), ("rgba.png", alpha, {}), ("palette.png", im.quantize(200), {}), ("grey.png", im.convert("L"), {}), ("lossy.webp", im, {"quality": 80}),
        ("lossless.webp", im, {"lossless": True}), ("palette.gif", im.quantize(200), {}), ("rgb.bmp", im, {}), ("deflate.tif", im, {"compression": "tiff_adobe_deflate"}), ("lzw.tif", im, {"compression": "tiff_lzw"}),
    ):  # fmt: skip
        picture.save(f"{directory}/{name}", **options)
    return {}


def text(path, texts):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(path)
    texts = json.load(open(texts))

    def one_by_one():
        for t in texts:
            e = tokenizer.encode(t)
            e.ids, e.offsets

    def ids_only():
        for t in texts:
            tokenizer.encode_batch_fast([t])[0].ids

    def batch():
        for e in tokenizer.encode_batch(texts):
            e.ids, e.offsets

    return {"tokenizers": one_by_one, "tokenizers batch": batch, "tokenizers ids": ids_only}


if __name__ == "__main__":
    jobs = {"image": image, "write": write, "text": text}[sys.argv[1]](*sys.argv[2:])
    for line in sys.stdin:
        name, count = line.rsplit(None, 1)
        began = time.process_time()
        for _ in range(int(count)):
            jobs[name]()
        print(time.process_time() - began, flush=True)
