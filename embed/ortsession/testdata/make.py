#!/usr/bin/env python3
"""Make the ONNX files of this directory: python3 make.py (needs onnx 1.17 or newer and numpy; the output is deterministic).

affine.onnx   y = 2 x + 1 over [batch, n] float32
tokens.onnx   input_ids, attention_mask [batch, n] int64 -> masked [batch, n] int64 (ids * mask), total [batch] float32
endless.onnx  multiplies x [batch, 8] by a matrix a billion times: only a cancelled run ends
mixed.onnx    three matrix products with Gelu between, [batch, n, 64] -> [batch, n, 64]: something for threads to share
audio.onnx    input_values, attention_mask -> frames [batch, T, 2] float32, real [batch] int64; the mean over the whole row is
              added to every frame, so that any padding shows
bare.onnx     audio.onnx without the mask and without `real`
half.onnx     a float16 output
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

HERE = pathlib.Path(__file__).parent


def save(name, nodes, inputs, outputs, constants=()):
    graph = h.make_graph(nodes, name, inputs, outputs, [nh.from_array(v, k) for k, v in dict(constants).items()])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], producer_name="vecmill-testdata", ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def port(name, kind, *shape):
    return h.make_tensor_value_info(name, kind, shape)


def affine():
    save("affine", [h.make_node("Mul", ["x", "two"], ["d"]), h.make_node("Add", ["d", "one"], ["y"])],
         [port("x", T.FLOAT, "batch", "n")], [port("y", T.FLOAT, "batch", "n")],
         {"two": np.float32([2]), "one": np.float32([1])})


def tokens():
    save("tokens", [
        h.make_node("Mul", ["input_ids", "attention_mask"], ["masked"]),
        h.make_node("Cast", ["masked"], ["f"], to=T.FLOAT),
        h.make_node("ReduceSum", ["f", "axis"], ["total"], keepdims=0),
    ], [port("input_ids", T.INT64, "batch", "n"), port("attention_mask", T.INT64, "batch", "n")],
        [port("masked", T.INT64, "batch", "n"), port("total", T.FLOAT, "batch")], {"axis": np.int64([1])})


def endless():
    body = h.make_graph(
        [h.make_node("MatMul", ["v", "w"], ["v_out"]), h.make_node("Identity", ["go"], ["go_out"])], "body",
        [port("i", T.INT64), port("go", T.BOOL), port("v", T.FLOAT, "batch", 8)],
        [port("go_out", T.BOOL), port("v_out", T.FLOAT, "batch", 8)])
    save("endless", [h.make_node("Loop", ["trips", "yes", "x"], ["y"], body=body)],
         [port("x", T.FLOAT, "batch", 8)], [port("y", T.FLOAT, "batch", 8)],
         {"trips": np.array(10**9, np.int64), "yes": np.array(True), "w": np.eye(8, dtype=np.float32)})


def mixed():
    rng = np.random.default_rng(7)
    nodes, at, consts = [], "x", {"half": np.float32([0.5]), "one": np.float32([1]), "root": np.float32([2**0.5])}
    for i in range(3):
        consts[f"w{i}"] = (rng.standard_normal((64, 64)) / 8).astype(np.float32)
        nodes += [
            h.make_node("MatMul", [at, f"w{i}"], [f"m{i}"]), h.make_node("Div", [f"m{i}", "root"], [f"d{i}"]),
            h.make_node("Erf", [f"d{i}"], [f"e{i}"]), h.make_node("Add", [f"e{i}", "one"], [f"a{i}"]),
            h.make_node("Mul", [f"m{i}", f"a{i}"], [f"g{i}"]), h.make_node("Mul", [f"g{i}", "half"], [f"h{i}"]),
        ]
        at = f"h{i}"
    nodes[-1].output[0] = "y"
    save("mixed", nodes, [port("x", T.FLOAT, "batch", "n", 64)], [port("y", T.FLOAT, "batch", "n", 64)], consts)


def audio():
    frames = [
        h.make_node("Unsqueeze", ["input_values", "axis"], ["c"]),
        h.make_node("Conv", ["c", "kernel"], ["k"], strides=[2]),
        h.make_node("Transpose", ["k"], ["t"], perm=[0, 2, 1]),
        h.make_node("ReduceMean", ["input_values"], ["mean"], axes=[1], keepdims=1),
        h.make_node("Unsqueeze", ["mean", "axis"], ["leak"]),
        h.make_node("Add", ["t", "leak"], ["frames"]),
    ]
    consts = {"axis": np.int64([1]), "kernel": np.float32([[[1, 0, 0]], [[0, 1, 1]]])}
    values, out = port("input_values", T.FLOAT, "batch", "n"), port("frames", T.FLOAT, "batch", "frames", 2)
    save("audio", frames + [h.make_node("ReduceSum", ["attention_mask", "axis"], ["real"], keepdims=0)],
         [values, port("attention_mask", T.INT64, "batch", "n")], [out, port("real", T.INT64, "batch")], consts)
    save("bare", frames, [values], [out], consts)


def half():
    save("half", [h.make_node("Cast", ["x"], ["y"], to=T.FLOAT16)],
         [port("x", T.FLOAT, "batch", "n")], [port("y", T.FLOAT16, "batch", "n")])


for make in (affine, tokens, endless, mixed, audio, half):
    make()
