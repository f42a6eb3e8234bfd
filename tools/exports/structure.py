"""Keeps of torch's export what is not weights: python structure.py DIR, which has a config.json.

It gets model.onnx.gz, the export of a model of that configuration, whose weights lie in a file beside it, ONNX's external data; and weights.json, the recipe of that file: for each
weight the tensor of a checkpoint, its shape, its rows that are taken, the order of their axes in the export, and where it lies. No weight is in either. See README.md.
"""
import gzip
import hashlib
import itertools
import json
import os
import sys
import tempfile
import warnings

import export
import onnx
import torch
import transformers as hf
from onnx import numpy_helper
from onnx.external_data_helper import set_external_data

FILE = "weights.bin"
ALIGN = 4096  # bytes: the runtime maps the file


def random(directory, seed):
    """A model of the configuration. No two of its tensors are alike, as those of a new one are."""
    cfg = hf.AutoConfig.from_pretrained(directory, attn_implementation="eager")
    torch.manual_seed(seed)
    model = getattr(hf, cfg.architectures[0])(cfg).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.02)
    return model


def digest(array):
    return hashlib.sha256(array.tobytes()).digest()


def pieces(name, p):
    """The rows of a parameter that an export may have by themselves. Those of relative positions end with three that are of the first token."""
    n = len(p)
    return [(0, n), (0, n - 3), (n - 3, n)] if name.endswith("relative_position_bias_table") else [(0, n)]


def origins(model):
    """By the values that an export may have: a parameter, its rows and the order of their axes, as it lies if that will do."""
    found = {}
    for name, p in model.named_parameters():
        for first, end in pieces(name, p):
            for axes in itertools.permutations(range(p.ndim)):
                values = p.detach()[first:end].permute(axes).contiguous().numpy()
                found.setdefault(digest(values), {"tensor": name, "shape": list(p.shape), "rows": [first, end], "axes": list(axes)})
    return found


def separate(graph, found):
    """Takes the weights out of a graph and gives the recipe of their file."""
    recipe, at = [], 0
    for t in graph.initializer:
        values = numpy_helper.to_array(t)
        if (origin := found.get(digest(values))) is None:
            continue
        t.raw_data = values.tobytes()  # whatever field it had; the next line asks for it
        set_external_data(t, FILE, at, values.nbytes)
        t.ClearField("raw_data")
        recipe.append(origin | {"at": at})
        at += -(-values.nbytes // ALIGN) * ALIGN
    return recipe


def structure(directory, seed):
    """The model file and the recipe."""
    model = random(directory, seed)
    kind, outputs = next((kind, outputs) for cls, _, _, kind, outputs in export.CLASSES if cls == type(model).__name__)
    with tempfile.TemporaryDirectory() as out:
        feed, axes = export.inputs(kind, model.config, base=True)
        export.write(out, model, feed, axes, outputs[:1], dynamo=False)
        m = onnx.load(os.path.join(out, "model.onnx"))
    recipe = separate(m.graph, origins(model))
    return m.SerializeToString(deterministic=True), recipe


def main(directory):
    made = structure(directory, 0)
    if made != structure(directory, 1):
        sys.exit(f"{directory}: something in the export goes with the weights and is none of them")
    model, recipe = made
    with open(os.path.join(directory, "model.onnx.gz"), "wb") as f:
        f.write(gzip.compress(model, mtime=0))
    head = json.dumps({"torch": torch.__version__, "transformers": hf.__version__, "file": FILE})
    lines = ",\n".join(json.dumps(w) for w in recipe)
    with open(os.path.join(directory, "weights.json"), "w") as f:
        f.write(f'{head[:-1]}, "weights": [\n{lines}\n]}}\n')
    print(directory, len(recipe), "weights,", len(model), "bytes", flush=True)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main(*sys.argv[1:])
