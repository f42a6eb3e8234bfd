"""Pictures of every kind under random settings of the processor, through the reference's pipelines and `worker predict`: python sweep_images.py WORKER OUT SEED COUNT.

The preprocessed tensors must be equal bit for bit; scores may differ by 1e-4 of themselves and 1e-5, masks not at all. The reference is told
that channels are last: it guesses otherwise for pictures that are 1 or 3 pixels high. Where results differ, `worker` and the reference in float32
are compared with the reference in float64: lines that begin with `=` are within ten times its own distance from that, as the goldens are.
"""
import base64
import copy
import functools
import io
import json
import os
import random
import shutil
import subprocess
import sys

import numpy as np
import torch
import transformers as hf
from PIL import Image
from safetensors.numpy import load_file
from transformers.image_utils import load_image

import generate
import sweep_pipelines


def drawing(r, w, h):
    rng = np.random.default_rng(r.randint(0, 1 << 30))
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([255 * x / max(w - 1, 1), 255 * y / max(h - 1, 1), 127 + 120 * np.sin((x + 2 * y) / 5)], -1) + rng.integers(-60, 61, (h, w, 3))
    return Image.fromarray(np.clip(a, 0, 255).astype(np.uint8))


def picture(r, where, i):
    side = lambda: r.choice([1, 2, 3, 4, 5, 7, r.randint(8, 60), r.randint(60, 300)])
    w, h = side(), side()
    im, kind = drawing(r, w, h), r.choice(["png", "png", "jpg", "jpg", "webp", "webp", "bmp", "gif", "tif"])
    mode = r.choice({"png": ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"], "jpg": ["RGB", "L", "CMYK"], "webp": ["RGB", "RGBA"], "bmp": ["RGB", "L", "P", "1"], "gif": ["P", "L"],
                     "tif": ["RGB", "L", "RGBA", "P"]}[kind])
    if mode == "I;16":
        im = Image.fromarray((np.asarray(im.convert("L")).astype(np.uint16) * r.choice([1, 2, 257])))
    elif mode == "P":
        im = im.quantize(r.randint(2, 256))
    else:
        im = im.convert(mode)
    options = {}
    if kind == "jpg":
        options = dict(quality=r.randint(5, 100), subsampling=r.choice([0, 1, 2]) if mode == "RGB" else -1, progressive=r.random() < .4)
    if kind == "webp":
        options = dict(quality=r.randint(5, 100), lossless=r.random() < .4)
    if kind in ("jpg", "png", "webp", "tif") and r.random() < .3:
        exif = Image.Exif()
        exif[274] = r.randint(1, 4 if kind == "tif" else 8)  # opened by name, Pillow maps a grey TIFF with its sides exchanged
        options["exif"] = exif
    if kind == "png" and mode in ("P", "L", "RGB") and r.random() < .3:
        options["transparency"] = 3 if mode != "RGB" else (1, 2, 3)
    path = os.path.join(where, f"{i}.{kind}")
    im.save(path, **options)
    return path, f"{mode} {w}x{h} {sorted(options)}"


def settings(r, h, w):
    """preprocessor_config.json that makes pictures of h x w."""
    s = {"image_processor_type": "BeitImageProcessor"} if r.random() < .7 else {"feature_extractor_type": "BeitFeatureExtractor"}
    form = lambda h, w: r.choice([{"height": h, "width": w}, [h, w]] + ([h] if h == w else []))
    if r.random() < .5:  # with a crop, which pads what is too short
        s.update(do_center_crop=True, crop_size=form(h, w))
        if r.random() < .8:
            s.update(do_resize=True, size=form(r.randint(4, 70), r.randint(4, 70)))
        else:
            s.update(do_resize=False)
    else:
        s.update(do_center_crop=False, size=form(h, w))
    if r.random() < .8:
        s["resample"] = r.randint(0, 5)
    if r.random() < .4:
        s["rescale_factor"] = r.choice([1 / 255, 1 / 127.5, 1, 0.003])
    if r.random() < .2:
        s["do_normalize"] = False
    elif r.random() < .15:
        s["do_rescale"] = False
    if r.random() < .5:
        s.update(image_mean=r.choice([[.485, .456, .406], .5, [0, 0, 0]]), image_std=r.choice([[.229, .224, .225], .5, [1, 1, 1]]))
    if r.random() < .3:
        s[r.choice(["do_reduce_labels", "reduce_labels"])] = True
    return s


def checkpoint(where, task, r):
    shutil.rmtree(where, ignore_errors=True)
    patch = r.choice([4, 8])
    h, w = patch * r.randint(2, 6), patch * r.randint(2, 6)
    if task == "image-segmentation" or r.random() < .5:
        w = h
    labels = {i: f"L{i}" for i in range(r.randint(1 if task == "image-classification" else 2, 7))}
    config = dict(hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=24, image_size=h if h == w else [h, w], patch_size=patch, id2label=labels, layer_norm_eps=1e-6,
                  use_relative_position_bias=h == w, use_mean_pooling=r.random() < .5, out_indices=[1, 2, 3, 4], problem_type=r.choice([None, "regression", "multi_label_classification"]))
    cls = {"image-classification": "ForImageClassification", "image-segmentation": "ForSemanticSegmentation", "image-feature-extraction": "Model"}[task]
    model = getattr(hf, "Data2VecVision" + cls)(hf.Data2VecVisionConfig(**config)).eval()
    generate.randomise(model, np.random.default_rng(r.randint(0, 1 << 30)))
    model.save_pretrained(where)
    s = settings(r, h, w)
    with open(where + "/preprocessor_config.json", "w") as f:
        json.dump(s, f)
    return s


def options(task, r):
    o = {}
    if task == "image-classification":
        sweep_pipelines.maybe(r, o, "top_k", lambda: r.choice([1, 2, 5, 100]))
        sweep_pipelines.maybe(r, o, "function_to_apply", lambda: r.choice(["softmax", "sigmoid", "none"]))
        sweep_pipelines.maybe(r, o, "timeout", lambda: 3, .1)
    elif task == "image-segmentation":
        sweep_pipelines.maybe(r, o, "subtask", lambda: "semantic", .3)
        sweep_pipelines.maybe(r, o, "threshold", lambda: .5, .2)
        sweep_pipelines.maybe(r, o, "mask_threshold", lambda: .2, .1)
        sweep_pipelines.maybe(r, o, "overlap_mask_area_threshold", lambda: .2, .1)
    return o


def pixels(worker, where, path):
    p = subprocess.run([worker, "predict", "--model", where, "--preprocess-only", "--tensors-out", where + "/pixels", path], capture_output=True, text=True)
    return (load_file(where + "/pixels")["pixel_values"], "") if p.returncode == 0 else (None, p.stderr.strip()[-250:])


def noise(worker, where, path, tensor, model):
    """Whether our raw outputs are as near to the reference in float64 as the goldens ask, and how near both are, by output."""
    command = [worker, "predict", "--model", where, "--threads", "1", "--cache", where + "/.graphs", "--tensors-out", where + "/outputs", path]
    subprocess.run(command, check=True, capture_output=True)
    got, x = load_file(where + "/outputs"), torch.from_numpy(tensor)
    with torch.no_grad():
        single, double = model(x), copy.deepcopy(model).double()(x.double())
    near, parts = True, []
    for name, exact in double.items():
        if name in got:
            ours, own = (np.abs(y - exact.numpy()).max() for y in (got[name], single[name].numpy()))
            near &= ours <= max(10 * own, 1e-5 * np.abs(exact.numpy()).max())
            parts.append(f"{name} up to {np.abs(exact.numpy()).max():.3g}: ours off by {ours:.2g}, the reference by {own:.2g}")
    return near and bool(parts), "; ".join(parts)


def main(worker, out, seed, count):
    hf.logging.set_verbosity_error()
    torch.set_num_threads(1)
    tally, bad = {}, []
    for i in range(int(count)):
        for task in ("image-classification", "image-segmentation", "image-feature-extraction"):
            r = random.Random(f"{seed}/{i}/{task}")
            where = os.path.join(out, f"{task}_{seed}_{i}")
            s = checkpoint(where, task, r)
            processor = hf.AutoImageProcessor.from_pretrained(where, use_fast=False)
            processor.preprocess = functools.partial(processor.preprocess, input_data_format="channels_last")
            pipe = hf.pipeline(task, model=where, image_processor=processor, device="cpu")
            for k in range(8):
                path, what = picture(r, where, k)
                o, t = options(task, r), tally.setdefault(task, [0, 0, 0, 0])
                t[0] += 1
                note = f"{path} {what} {s} {o}"
                try:
                    tensor = processor(load_image(path), return_tensors="np")["pixel_values"]
                    want = pipe(path, **o)
                except Exception as e:
                    t[2] += 1
                    _, error = pixels(worker, where, path)
                    bad += [] if error else [f"~ {note}: the reference fails, {type(e).__name__}: {str(e)[:150]}"]
                    continue
                got, error = pixels(worker, where, path)
                if error or got.shape != tensor.shape or not np.array_equal(got, tensor):
                    bad.append(f"{note}: {error or f'pixel_values {got.shape} of {tensor.shape}, off by {np.abs(got - tensor).max() if got.shape == tensor.shape else 0}'}")
                    continue
                got, error = sweep_pipelines.mine(worker, where, task.replace("image-feature", "feature"), {"file": path}, o)
                if task == "image-segmentation" and not error:
                    got = [x | {"mask": np.asarray(Image.open(io.BytesIO(base64.b64decode(x["mask"])))).tolist()} for x in got]
                    want = [x | {"mask": np.asarray(x["mask"]).tolist()} for x in want]
                d = error or sweep_pipelines.differs(got, sweep_pipelines.plain(want))
                t[1] += not d
                if d and not error:
                    near, why = noise(worker, where, path, tensor, pipe.model)
                    t[3] += near
                    d, note = f"{d[:300]} ({why})", "= " * near + note
                if d:
                    bad.append(f"{note}: {d}")
    for b in sorted(bad, key=lambda b: b[0] in "~=")[:60]:
        print(b[:700])
    for task, (n, ok, failed, near) in tally.items():
        print(f"{task}: {n} pictures, {ok} equal, {near} within float32 noise, {failed} fail in the reference")


if __name__ == "__main__":
    main(*sys.argv[1:])
