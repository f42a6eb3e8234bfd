"""Writes cases of random configurations of TensorFlow's classes, by those classes themselves: python sweep_tf.py OUT SEED COUNT.

Needs a virtual environment of its own: requirements-tf.txt.
Run the cases with differ.py. There is no float64 here to tell the noise by: what is allowed is 2e-5 of the largest value.
"""
import json
import os
import random
import sys

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="")

import numpy as np
import tensorflow as tf
import transformers as hf
from safetensors.numpy import save_file
from transformers.models.data2vec import modeling_tf_data2vec_vision as modeling

import draw

ACTIVATIONS = ["gelu", "gelu_10", "gelu_fast", "gelu_new", "mish", "quick_gelu", "relu", "sigmoid", "silu", "swish", "tanh"]


def randomise(model, rng):
    """The same ranges as generate.randomise: every weight matters, none so large that attention saturates."""
    for w in model.weights:
        x, name = rng.standard_normal(w.shape).astype(np.float32), w.name
        if "moving_variance" in name:
            x = rng.uniform(.5, 1.5, w.shape).astype(np.float32)
        elif "gamma" in name:
            x = 1 + .2 * x
        elif x.ndim == 1 or "token" in name or "table" in name or "position_embeddings" in name:
            x = .4 * x
        else:
            x = x / np.sqrt(np.prod(w.shape[:-1]))
        if "relative_position_index" not in name:
            w.assign(x)


def mend():
    """The final LayerNorm of use_mean_pooling=False is built for two axes, and fails with three: built as it is meant."""
    build = modeling.TFData2VecVisionMainLayer.build

    def mended(self, shape=None):
        if self.built:
            return
        norm, self.layernorm = self.layernorm, None
        build(self, shape)
        self.layernorm = norm
        if norm is not None and hasattr(norm, "name"):
            with tf.name_scope(norm.name):
                norm.build((None, None, self.config.hidden_size))

    modeling.TFData2VecVisionMainLayer.build = mended


def outputs(model, feed):
    out = model(**{k: tf.constant(v) for k, v in feed.items() if not isinstance(v, bool)}, **{k: v for k, v in feed.items() if isinstance(v, bool)})
    got = {k: out[k].numpy() for k in ("last_hidden_state", "pooler_output", "logits") if out.get(k) is not None}
    for k in ("hidden_states", "attentions"):
        got |= {f"{k}.{i}": v.numpy() for i, v in enumerate(out.get(k) or ())}
    return got


def case(root, cls, name, settings, seed):
    rng = np.random.default_rng(seed)
    config = hf.Data2VecVisionConfig(**settings)
    model = getattr(hf, cls)(config)
    size = config.image_size
    x = rng.standard_normal((2, config.num_channels, size, size)).astype(np.float32)
    model(tf.constant(x))
    randomise(model, rng)
    where = os.path.join(root, cls, name)
    model.save_pretrained(where)
    feeds = {"plain": dict(pixel_values=x), "states": dict(pixel_values=x[:1], output_hidden_states=True, output_attentions=True)}
    if config.use_mask_token and cls == "TFData2VecVisionModel":
        feeds["masked"] = dict(pixel_values=x, bool_masked_pos=rng.random((2, (size // config.patch_size) ** 2)) < .5)
    tensors, runs = {}, []
    for run, feed in feeds.items():
        entry = {"name": run, "inputs": {}, "outputs": {}}
        for k, v in feed.items():
            if not isinstance(v, bool):
                tensors[f"{run}/in/{k}"], entry["inputs"][k] = v, {"key": f"{run}/in/{k}", "shape": list(v.shape)}
        for k, v in outputs(model, feed).items():
            tensors[f"{run}/out/{k}"] = np.ascontiguousarray(v)
            entry["outputs"][k] = {"key": f"{run}/out/{k}", "shape": list(v.shape), "atol": max(1e-5, 2e-5 * float(np.abs(v).max())), "rtol": 1e-4}
        runs.append(entry)
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, os.path.join(where, "golden.safetensors"))
    with open(os.path.join(where, "manifest.json"), "w") as f:
        json.dump({"class": cls, "case": name, "tensors": "golden.safetensors", "runs": runs}, f, indent=1)


def main(root, seed, count):
    hf.logging.set_verbosity_error()
    mend()
    r = random.Random(int(seed))
    for i in range(int(count)):
        cls, settings = draw.vision(r)
        if not isinstance(settings["image_size"], int) or not isinstance(settings["patch_size"], int):
            settings.update(image_size=8, patch_size=4)  # this class takes no pairs
        settings.update(hidden_act=r.choice(ACTIVATIONS), num_labels=settings["num_labels"] or 2)
        try:
            case(root, "TF" + cls.removeprefix("TF"), f"tf_{seed}_{i}", settings, i)
        except (tf.errors.InvalidArgumentError, ValueError, IndexError) as e:
            print("no case:", cls, i, str(e).splitlines()[0][:150], settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
