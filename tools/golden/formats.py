"""Writes the same few weights in every save format that is read: python formats.py OUT. See README.md.

OUT/bin* must read as OUT/expected, OUT/keras* as OUT/expected_keras, OUT/training* as OUT/expected_training."""
import argparse
import collections
import json
import os
import pathlib
import sys
from collections import OrderedDict

import h5py
import numpy as np
import torch
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import save_file

PINNED = {"torch": (torch, "2.8.0"), "h5py": (h5py, "3.16.0")}


def state_dict():
    """Weights whose storages are shared, shifted, transposed, repeated, and of every type that a state dict has."""
    g = torch.Generator().manual_seed(7)
    rand = lambda *shape: torch.randn(*shape, generator=g)
    whole = rand(4, 5)
    d = OrderedDict()
    d["plain"] = rand(3, 2)
    d["parameter"] = torch.nn.Parameter(rand(2, 2))
    d["tied.a"] = whole
    d["tied.b"] = whole
    d["transposed"] = whole.t()
    d["row"] = whole[2]
    d["column"] = whole[:, 3]
    d["permuted"] = rand(2, 3, 4).permute(2, 0, 1)
    d["repeated"] = rand(1, 3).expand(4, 3)
    d["half"] = rand(3).half()
    d["bfloat"] = rand(2, 3).bfloat16().t()
    d["counter"] = torch.tensor(41)
    d["ids"] = torch.arange(6).expand((1, -1))
    d["flags"] = torch.tensor([True, False])
    d["empty"] = torch.empty(0, 3)
    return d


def write(out, name, tensors, **how):
    os.makedirs(os.path.join(out, name), exist_ok=True)
    torch.save(tensors, os.path.join(out, name, "pytorch_model.bin"), **how)


def write_sharded(out, tensors):
    os.makedirs(os.path.join(out, "bin_sharded"), exist_ok=True)
    names, index = list(tensors), {}
    for i, part in enumerate((names[:7], names[7:])):
        file = f"pytorch_model-{i + 1:05d}-of-00002.bin"
        torch.save({k: tensors[k] for k in part}, os.path.join(out, "bin_sharded", file))
        index |= {k: file for k in part}
    with open(os.path.join(out, "bin_sharded", "pytorch_model.bin.index.json"), "w") as f:
        json.dump({"metadata": {}, "weight_map": index}, f, indent=1)


# Keras name, shape in Keras' layout, torch name, order of dimensions for torch's layout
KERAS = [
    ("data2vec_vision", "data2vec_vision/encoder/layer_._0/attention/attention/query/kernel:0", (4, 6),
     "data2vec_vision.encoder.layer.0.attention.attention.query.weight", (1, 0)),
    ("data2vec_vision", "data2vec_vision/encoder/layer_._0/layernorm_before/gamma:0", (4,),
     "data2vec_vision.encoder.layer.0.layernorm_before.weight", (0,)),
    ("data2vec_vision", "data2vec_vision/encoder/layer_._0/layernorm_before/beta:0", (4,),
     "data2vec_vision.encoder.layer.0.layernorm_before.bias", (0,)),
    ("data2vec_vision", "data2vec_vision/encoder/layer_._10/lambda_1:0", (4,), "data2vec_vision.encoder.layer.10.lambda_1", (0,)),
    ("data2vec_vision", "data2vec_vision/embeddings/cls_token:0", (1, 1, 4), "data2vec_vision.embeddings.cls_token", (0, 1, 2)),
    ("data2vec_vision", "data2vec_vision/embeddings/patch_embeddings/projection/kernel:0", (2, 3, 1, 4),
     "data2vec_vision.embeddings.patch_embeddings.projection.weight", (3, 2, 0, 1)),
    ("fpn1.0", "fpn1.0/kernel:0", (2, 2, 3, 5), "fpn1.0.weight", (3, 2, 0, 1)),
    ("fpn1.1", "fpn1.1/moving_mean:0", (5,), "fpn1.1.running_mean", (0,)),
    ("fpn1.1", "fpn1.1/moving_variance:0", (5,), "fpn1.1.running_var", (0,)),
    ("decode_head", "decode_head/psp_modules/0.1/conv/kernel:0", (1, 1, 3, 2), "decode_head.psp_modules.0.1.conv.weight", (3, 2, 0, 1)),
    ("decode_head", "decode_head/psp_modules/0.1/bn/gamma:0", (2,), "decode_head.psp_modules.0.1.bn.weight", (0,)),
]
EMPTY = ["activation", "max_pooling2d"] + [f"dropout_{i}" for i in range(9)]  # more members than one node of a group's tree holds


# Ways of h5py to store a dataset in pieces; the pieces of some reach beyond the array's edges.
CHUNKED = [dict(compression="gzip", shuffle=True), dict(compression="lzf"), dict(compression="gzip", compression_opts=9), dict(shuffle=True), {},
           dict(compression="lzf", shuffle=True), dict(compression="gzip", fletcher32=True), dict(fletcher32=True)]


def chunks(shape, i):
    """A piece of a dataset: the whole, or about half of each dimension."""
    return tuple(shape) if i % 3 == 2 else tuple(n // 2 + 1 for n in shape)


# Newer files have an index for each way in which a dataset may grow: not at all (early: all at once), in some dimensions, or in one or two without end.
GROWS = [lambda s: None, lambda s: tuple(n + 3 for n in s), lambda s: (None, *s[1:]), lambda s: (*s[:-1], None), lambda s: (None,) * len(s), lambda s: "early"]


def store(group, name, v, chunks, how, grows):
    """Early allocation is not to be had from create_dataset."""
    if grows != "early":
        return group.create_dataset(name, data=v, chunks=chunks, maxshape=grows, **how)
    create, link = h5py.h5p.create(h5py.h5p.DATASET_CREATE), h5py.h5p.create(h5py.h5p.LINK_CREATE)
    create.set_chunk(chunks)
    create.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    link.set_create_intermediate_group(True)
    d = h5py.h5d.create(group.id, name.encode(), h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(v.shape), create, link)
    h5py.Dataset(d)[...] = v


def keras(out, name, libver, encode, chunked=False, parts=0):
    rng = np.random.default_rng(11)
    expected = {}
    os.makedirs(os.path.join(out, name), exist_ok=True)
    with h5py.File(os.path.join(out, name, "tf_model.h5"), "w", libver=libver) as f:
        layers = list(dict.fromkeys(k[0] for k in KERAS)) + EMPTY
        names = encode(layers)
        for i, part in enumerate(np.array_split(names, parts) if parts else []):  # what Keras does when the list does not fit an object header
            f.attrs[f"layer_names{i}"] = part
        if not parts or libver:
            f.attrs["layer_names"] = names
        f.attrs["backend"], f.attrs["keras_version"] = "tensorflow", "2.18.0"
        for layer in layers:
            g = f.create_group(layer)
            mine = [k for k in KERAS if k[0] == layer]
            g.attrs["weight_names"] = encode(["tf_model_1/" + k[1] for k in mine])
            for _, stored, shape, torch_name, order in mine:
                v = rng.standard_normal(shape).astype(np.float32)
                n = len(expected)
                how = CHUNKED[n % len(CHUNKED)] if chunked else {}
                grows = GROWS[n % len(GROWS)](shape) if libver else None
                store(g, "tf_model_1/" + stored, v, chunks(shape, n) if chunked else None, {} if grows == "early" else how, grows if chunked else None)
                expected[torch_name] = torch.from_numpy(np.ascontiguousarray(v.transpose(order)))
    return expected


def keras_safetensors(out, expected):
    """As TensorFlow's classes of transformers save with safe_serialization: Keras' names without the model's, and in the index of shards with it."""
    stored = {}
    for _, name, _, torch_name, order in KERAS:
        stored[name] = np.ascontiguousarray(expected[torch_name].numpy().transpose(np.argsort(order)))
    os.makedirs(os.path.join(out, "keras_safetensors"), exist_ok=True)
    save_numpy(stored, os.path.join(out, "keras_safetensors", "model.safetensors"), metadata={"format": "tf"})
    os.makedirs(os.path.join(out, "keras_shards"), exist_ok=True)
    names, index = list(stored), {}
    for i, part in enumerate((names[:5], names[5:])):
        file = f"model-{i + 1:05d}-of-00002.safetensors"
        save_numpy({k: stored[k] for k in part}, os.path.join(out, "keras_shards", file), metadata={"format": "tf"})
        index |= {"tf_model_1/" + k: file for k in part}
    with open(os.path.join(out, "keras_shards", "model.safetensors.index.json"), "w") as f:
        json.dump({"metadata": {}, "weight_map": index}, f, indent=1)


def training(out):
    """A checkpoint of the training code: weights beside settings of classes that are not read."""
    g = torch.Generator().manual_seed(5)
    rand = lambda *shape: torch.randn(*shape, generator=g)
    qkv, norm, words, conv = rand(6, 2), rand(2), rand(5, 2), rand(3, 1, 4)
    model = {"blocks.0.attn.qkv.weight": qkv, "blocks.0.norm1.weight": norm, "blocks.0.gamma_2": norm,
             "blocks.0.attn.relative_position_index": torch.arange(4), "encoder.sentence_encoder.embed_tokens.weight": words,
             "encoder.sentence_encoder.version": torch.tensor([3]), "w2v_encoder.w2v_model.feature_extractor.conv_layers.0.0.weight": conv,
             "_ema": rand(1), "w2v_encoder.proj.bias": norm}
    whole = {"args": argparse.Namespace(arch="tiny", path=pathlib.PurePosixPath("a/b")), "model": model, "epoch": 3,
             "counts": collections.Counter(a=1), "last_optimizer_state": {"state": {0: {"step": 1, "exp_avg": rand(2)}}}}
    for name, how in (("training", {}), ("training_legacy", dict(_use_new_zipfile_serialization=False))):
        os.makedirs(os.path.join(out, name), exist_ok=True)
        torch.save(whole, os.path.join(out, name, "checkpoint_best.pt"), **how)
    layer = "data2vec_vision.encoder.layer.0."
    expected = {layer + "attention.attention.query.weight": qkv[:2], layer + "attention.attention.key.weight": qkv[2:4],
                layer + "attention.attention.value.weight": qkv[4:], layer + "layernorm_before.weight": norm, layer + "lambda_2": norm,
                layer + "attention.attention.relative_position_bias.relative_position_index": torch.arange(4),
                "data2vec_text.embeddings.word_embeddings.weight": words,
                "data2vec_text.embeddings.token_type_embeddings.weight": torch.zeros(1, 2),
                "data2vec_audio.feature_extractor.conv_layers.0.conv.weight": conv, "lm_head.bias": norm}
    os.makedirs(os.path.join(out, "expected_training"), exist_ok=True)
    save_file({k: v.clone() for k, v in expected.items()}, os.path.join(out, "expected_training", "model.safetensors"))


def main(out):
    for name, (module, version) in PINNED.items():
        if module.__version__.split("+")[0] != version:
            sys.exit(f"{name} is {module.__version__}, want {version}: install requirements.txt")
    d = state_dict()
    os.makedirs(os.path.join(out, "expected"), exist_ok=True)
    save_file({k: v.detach().clone().contiguous() for k, v in d.items()}, os.path.join(out, "expected", "model.safetensors"))
    write(out, "bin_zip", d)
    write(out, "bin_zip_protocol4", dict(d), pickle_protocol=4)
    write(out, "bin_legacy", d, _use_new_zipfile_serialization=False)
    write_sharded(out, d)
    fixed = lambda names: np.array([n.encode() for n in names], dtype="S") if names else np.array([], dtype="S1")
    variable = lambda names: np.array(names, dtype=h5py.string_dtype())
    os.makedirs(os.path.join(out, "expected_keras"), exist_ok=True)
    expected = keras(out, "keras", None, fixed)
    save_file(expected, os.path.join(out, "expected_keras", "model.safetensors"))
    keras(out, "keras_variable", None, variable)
    keras(out, "keras_split", None, fixed, parts=3)
    keras(out, "keras_latest", "latest", fixed)  # many links: in a heap
    keras(out, "keras_latest_chunked", ("v110", "v110"), fixed, chunked=True, parts=9)  # many attributes, too
    keras(out, "keras_chunked", None, fixed, chunked=True)
    keras_safetensors(out, expected)
    training(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
