"""Exports the classes to ONNX as people do it: python export.py [--base] OUT [CLASS-substring], or one checkpoint: python export.py --checkpoint DIR OUT. See README.md."""
import argparse
import os
import sys
import warnings

import onnx
import torch
import transformers as hf
from safetensors.torch import save_file

AUDIO = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, conv_dim=[6, 8, 10],
             conv_stride=[5, 2, 2], conv_kernel=[10, 3, 2], conv_pos_kernel_size=7, num_conv_pos_embeddings=3,
             num_conv_pos_embedding_groups=4, vocab_size=12, classifier_proj_size=9, tdnn_dim=[8, 8, 12], tdnn_kernel=[5, 3, 1],
             tdnn_dilation=[1, 2, 1], xvector_output_dim=6)
TEXT = dict(vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, max_position_embeddings=40)
VISION = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=16, patch_size=4)
SEGMENTS = VISION | dict(hidden_size=8, num_hidden_layers=4, out_indices=[1, 2, 3, 4], num_labels=3, use_auxiliary_head=False)
DEEP = dict(num_hidden_layers=4)  # at base size: enough layers to tell, few enough to wait for

# class, small configuration, configuration at base size, inputs, outputs
CLASSES = [
    ("Data2VecAudioModel", AUDIO, DEEP, "audio", ["last_hidden_state", "extract_features"]),
    ("Data2VecAudioForAudioFrameClassification", AUDIO, DEEP, "audio", ["logits"]),
    ("Data2VecAudioForCTC", AUDIO, DEEP, "audio", ["logits"]),
    ("Data2VecAudioForSequenceClassification", AUDIO, DEEP, "audio", ["logits"]),
    ("Data2VecAudioForXVector", AUDIO, DEEP, "audio", ["logits", "embeddings"]),
    ("Data2VecTextModel", TEXT, DEEP, "text", ["last_hidden_state", "pooler_output"]),
    ("Data2VecTextForCausalLM", TEXT | dict(is_decoder=True), DEEP | dict(is_decoder=True), "text", ["logits"]),
    ("Data2VecTextForMaskedLM", TEXT, DEEP, "text", ["logits"]),
    ("Data2VecTextForMultipleChoice", TEXT, DEEP, "choices", ["logits"]),
    ("Data2VecTextForQuestionAnswering", TEXT, DEEP, "text", ["start_logits", "end_logits"]),
    ("Data2VecTextForSequenceClassification", TEXT, DEEP, "text", ["logits"]),
    ("Data2VecTextForTokenClassification", TEXT, DEEP, "text", ["logits"]),
    ("Data2VecVisionModel", VISION, DEEP | dict(use_relative_position_bias=True), "image", ["last_hidden_state"]),
    ("Data2VecVisionForImageClassification", VISION, DEEP | dict(use_relative_position_bias=True), "image", ["logits"]),
    ("Data2VecVisionForSemanticSegmentation", SEGMENTS,
     # The newer exporter fails on relative positions, the older on the pools
     DEEP | dict(out_indices=[1, 2, 3, 4], num_labels=20), "image", ["logits"]),
]


class Outputs(torch.nn.Module):
    """Gives a model's outputs as a tuple, so that each exporter names them alike."""

    def __init__(self, model, inputs, outputs):
        super().__init__()
        self.model, self.inputs, self.outputs = model, inputs, outputs

    def forward(self, *args):
        out = self.model(**dict(zip(self.inputs, args)), return_dict=True)
        return tuple(out[name] for name in self.outputs)


def inputs(kind, cfg, base):
    """What to trace with and to compare on, and each tensor's dynamic axes."""
    g = torch.Generator().manual_seed(3)
    if kind == "audio":
        n = 80000 if base else 400
        x = torch.randn(2, n, generator=g)
        mask = torch.ones(2, n, dtype=torch.int64)
        return {"input_values": x, "attention_mask": mask}, {0: "batch", 1: "samples"}
    if kind == "image":
        return {"pixel_values": torch.randn(2, 3, cfg.image_size, cfg.image_size, generator=g)}, {0: "batch"}
    shape = {"text": (2, 128 if base else 9), "choices": (2, 3, 64 if base else 7)}[kind]
    ids = torch.randint(4, cfg.vocab_size, shape, generator=g)
    mask = torch.ones(shape, dtype=torch.int64)
    if not base:
        ids[0, ..., -3:], mask[0, ..., -3:] = cfg.pad_token_id, 0
    axes = {0: "batch", 1: "tokens"} if kind == "text" else {0: "batch", 1: "choices", 2: "tokens"}
    return {"input_ids": ids, "attention_mask": mask}, axes


def anonymous(graph):
    """Forgets where in the program each node came from, those of loops and branches included: nobody needs it."""
    for n in graph.node:
        n.doc_string = n.name = ""
        del n.metadata_props[:]
        for a in n.attribute:
            for inner in [a.g, *a.graphs] if a.HasField("g") else a.graphs:
                anonymous(inner)
    del graph.value_info[:]
    del graph.metadata_props[:]


def write(out, model, feed, axes, outputs, dynamo):
    os.makedirs(out, exist_ok=True)
    wrapped = Outputs(model, list(feed), outputs).eval()
    path = os.path.join(out, "model.onnx")
    how = dict(input_names=list(feed), output_names=outputs)
    if dynamo:
        dynamic = tuple(tuple({i: torch.export.Dim.AUTO for i in axes} for _ in feed) for _ in range(1))
        torch.onnx.export(wrapped, tuple(feed.values()), path, dynamo=True, dynamic_shapes=dynamic, external_data=False, verbose=False, **how)
    else:
        dynamic = {k: axes for k in feed} | {k: {0: "batch"} | ({1: "length"} if k in ("last_hidden_state", "extract_features") else {}) for k in outputs}
        torch.onnx.export(wrapped, tuple(feed.values()), path, dynamo=False, opset_version=17, dynamic_axes=dynamic, **how)
    m = onnx.load(path)
    for g in [m.graph, *m.functions]:
        anonymous(g)
    onnx.save(m, path)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(out)
    with torch.no_grad():
        want = wrapped(*feed.values())
    save_file({k: v.contiguous() for k, v in feed.items()} | {"expected." + k: v.contiguous() for k, v in zip(outputs, want)},
              os.path.join(out, "expected.safetensors"))


def variants(kind, name, base):
    """How people export a class: name of the variant, whether the mask is an input, exporter."""
    if kind == "image":
        return [("torch", True, not base or name.endswith("Segmentation"))]  # the older exporter cannot do its pooling
    if kind == "audio":  # with a mask the x-vector's batch is frozen
        return [("torch", False, False)] + ([("masked", True, False)] if base and not name.endswith("XVector") or name.endswith("CTC") else [])
    return [("torch", True, not base and name != "Data2VecTextModel")]  # the newer exporter's files are smaller; one is as the older makes it


def one(checkpoint, out):
    """Exports a checkpoint for batches with padding: its class's first output, by the exporter that most people use, which the classes here all pass."""
    name = hf.AutoConfig.from_pretrained(checkpoint).architectures[0]
    kind, outputs = next((kind, outputs) for cls, _, _, kind, outputs in CLASSES if cls == name)
    model = getattr(hf, name).from_pretrained(checkpoint, attn_implementation="eager").eval()
    feed, axes = inputs(kind, model.config, base=True)
    write(out, model, feed, axes, outputs[:1], dynamo=False)


def main(out, base, only, dynamo):
    failed = []
    for name, small, deep, kind, outputs in CLASSES:
        if only not in name:
            continue
        torch.manual_seed(0)
        cls = getattr(hf, name)
        model = cls(cls.config_class(**(deep if base else small), attn_implementation="eager")).eval()
        for p in model.parameters():  # biases and norms start as constants, which hide mistakes
            torch.nn.init.normal_(p, std=0.02 if base else 0.2) if p.ndim < 2 else None
        if base:
            model.save_pretrained(os.path.join(out, name, "checkpoint"))
        for variant, mask, new in variants(kind, name, base) + ([("dynamo", True, True)] if dynamo else []):
            feed, axes = inputs(kind, model.config, base)
            if not mask:
                feed.pop("attention_mask", None)
            try:
                write(os.path.join(out, name, variant), model, feed, axes, outputs, new)
                print(name, variant, os.path.getsize(os.path.join(out, name, variant, "model.onnx")), "bytes", flush=True)
            except Exception as e:
                failed.append(name)
                print(name, variant, "FAILED", type(e).__name__, str(e).splitlines()[0][:200], flush=True)
    if failed:
        sys.exit(f"{len(failed)} exports failed")


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--base", action="store_true", help="base width, with the checkpoints, to measure speed")
    p.add_argument("--dynamo", action="store_true", help="also with torch's newer exporter")
    p.add_argument("--checkpoint", help="a directory: this one alone")
    p.add_argument("out")
    p.add_argument("only", nargs="?", default="")
    a = p.parse_args()
    warnings.filterwarnings("ignore")
    if a.checkpoint:
        one(a.checkpoint, a.out)
    else:
        main(a.out, a.base, a.only, a.dynamo)
