"""What Ray's processes run: a module, so that each of them has its own tools, once."""

import functools
import json

import numpy as np
import pyarrow as pa
from line import Store, table
from ort_model import Model, Preprocess


@functools.cache
def tools(c):
    c = json.loads(c)
    return Store(c), Preprocess(c)


def fetch(batch, c):
    """References of a topic to samples."""
    refs = [json.loads(v) for v in batch["value"]]
    store, pre = tools(c)
    uris = [r["uri"] for r in refs]
    return {"ref_id": [r["id"] for r in refs], "uri": uris, "sample": objects(store.prepared(uris, pre.prepare))}


def prepare(batch, c):
    """Objects to samples."""
    _, pre = tools(c)
    uris = [f"s3://{path}" for path in batch["path"]]
    return {"ref_id": uris, "uri": uris, "sample": objects(map(pre.prepare, batch["bytes"]))}


def objects(samples):
    samples = list(samples)
    column = np.empty(len(samples), object)
    column[:] = samples
    return column


class Actor:
    def __init__(self, c):
        self.c = json.loads(c)
        self.model = Model(self.c)

    def __call__(self, batch):
        return table(self.c, pa.array(batch["ref_id"]), pa.array(batch["uri"]), self.model.compute(batch["sample"]))
