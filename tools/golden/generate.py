"""Writes the golden cases of the compiled classes: python generate.py OUT [CLASS-substring]. See README.md."""
import json
import os
import sys
import types

import numpy as np
import torch
import transformers as hf
from safetensors.numpy import save_file

PINNED = {"transformers": (hf, "4.55.4"), "torch": (torch, "2.8.0"), "numpy": (np, "2.4.6")}

AUDIO = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, conv_dim=[6, 8, 10],
             conv_stride=[5, 2, 2], conv_kernel=[10, 3, 2], conv_pos_kernel_size=7, num_conv_pos_embeddings=3,
             num_conv_pos_embedding_groups=4, vocab_size=12, classifier_proj_size=9)
TEXT = dict(vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
            max_position_embeddings=40, type_vocab_size=1, layer_norm_eps=1e-5)
XVECTOR = AUDIO | dict(tdnn_dim=[8, 8, 12], tdnn_kernel=[5, 3, 1], tdnn_dilation=[1, 2, 1], xvector_output_dim=6)
VISION = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=16, patch_size=4,
              num_channels=3)

# class, case, configuration, and what the case is for
CASES = [
    ("Data2VecAudioModel", "base", AUDIO, "defaults, padded batch"),
    ("Data2VecAudioModel", "adapter_even_bias", AUDIO | dict(
        add_adapter=True, output_hidden_size=12, num_adapter_layers=2, conv_bias=True, conv_pos_kernel_size=6,
        feat_extract_activation="relu", hidden_act="gelu_new", mask_time_prob=0.0),
     "adapter with projection, convolution bias, even positional kernel, other activations, no SpecAugment vector"),
    ("Data2VecAudioModel", "adapter_wide", AUDIO | dict(
        add_adapter=True, num_adapter_layers=1, adapter_kernel_size=4, adapter_stride=3, num_conv_pos_embeddings=1),
     "adapter without projection, kernel and stride other than 3 and 2, one positional layer"),
    ("Data2VecAudioModel", "prelu", AUDIO | dict(feat_extract_activation="prelu", hidden_act="prelu"), "activations with weights of their own; masked frames"),
    ("Data2VecAudioForCTC", "base", AUDIO, "defaults, padded batch"),
    ("Data2VecAudioForCTC", "adapter", AUDIO | dict(add_adapter=True, output_hidden_size=8, num_adapter_layers=1), "head behind an adapter"),
    ("Data2VecAudioForSequenceClassification", "base", AUDIO | dict(id2label={0: "a", 1: "b", 2: "c"}), "masked mean"),
    ("Data2VecAudioForSequenceClassification", "weighted", AUDIO | dict(use_weighted_layer_sum=True, num_labels=4), "weighted layer sum"),
    ("Data2VecTextModel", "base", TEXT, "defaults, padded batch"),
    ("Data2VecTextModel", "padid_types_act", TEXT | dict(pad_token_id=5, type_vocab_size=3, hidden_act="quick_gelu"),
     "padding index other than 1, token types, another activation"),
    ("Data2VecTextModel", "relative_key", TEXT | dict(position_embedding_type="relative_key"), "relative positions"),
    ("Data2VecTextModel", "relative_key_query", TEXT | dict(position_embedding_type="relative_key_query"), "relative positions, both ways"),
    ("Data2VecTextModel", "prelu", TEXT | dict(hidden_act="prelu"), "an activation with weights of its own"),
    ("Data2VecTextModel", "decoder", TEXT | dict(is_decoder=True), "causal mask"),
    ("Data2VecTextModel", "decoder_relative", TEXT | dict(is_decoder=True, position_embedding_type="relative_key_query", use_cache=False),
     "causal mask and relative positions"),
    ("Data2VecTextModel", "decoder_relative_cache", TEXT | dict(is_decoder=True, position_embedding_type="relative_key"),
     "the same while filling a cache: every query counts as the last, so padding shows in the numbers"),
    ("Data2VecTextForSequenceClassification", "base", TEXT | dict(num_labels=5), "softmax labels"),
    ("Data2VecTextForSequenceClassification", "regression", TEXT | dict(num_labels=1, problem_type="regression"), "one output"),
    ("Data2VecVisionModel", "relative", VISION | dict(use_relative_position_bias=True), "bias per layer, mean pooling: states without final norm"),
    ("Data2VecVisionModel", "absolute_shared_cls", VISION | dict(
        use_absolute_position_embeddings=True, use_shared_relative_position_bias=True, use_relative_position_bias=True,
        use_mean_pooling=False, layer_scale_init_value=0.0, use_mask_token=True),
     "absolute positions, own and shared bias, final norm, no layer scale, mask token"),
    ("Data2VecVisionModel", "nonsquare", VISION | dict(image_size=[12, 20], use_relative_position_bias=True),
     "a window that is not square: the reference reads its table width first"),
    ("Data2VecVisionModel", "patch_4x2", VISION | dict(patch_size=[4, 2], hidden_act="prelu"), "patches that are not square, an activation with weights"),
    ("Data2VecVisionForImageClassification", "mean", VISION | dict(use_relative_position_bias=True, num_labels=6), "mean pooling"),
    ("Data2VecVisionForImageClassification", "cls_grey", VISION | dict(
        use_mean_pooling=False, num_channels=1, use_absolute_position_embeddings=True, num_labels=3), "cls pooling, one channel"),
    ("Data2VecAudioForAudioFrameClassification", "base", AUDIO | dict(num_labels=3), "a label for every frame; states and attentions"),
    ("Data2VecAudioForAudioFrameClassification", "weighted", AUDIO | dict(num_labels=2, use_weighted_layer_sum=True), "weighted layer sum"),
    ("Data2VecAudioForXVector", "base", XVECTOR, "dilated layers: with a mask the reference pools over frames that saw padding"),
    ("Data2VecAudioForXVector", "weighted", XVECTOR | dict(use_weighted_layer_sum=True, tdnn_dilation=[2, 3, 1]), "weighted layer sum"),
    ("Data2VecAudioForXVector", "adapter", XVECTOR | dict(add_adapter=True, num_adapter_layers=1), "head behind an adapter"),
    ("Data2VecAudioForXVector", "adapter_kernel", XVECTOR | dict(
        add_adapter=True, num_adapter_layers=1, adapter_kernel_size=2, use_weighted_layer_sum=True, tdnn_kernel=[2, 2, 1]),
     "without a mask all frames are pooled; with one, the number that a formula gives, which is another"),
    ("Data2VecTextForMaskedLM", "base", TEXT | dict(hidden_act="relu"), "tied words; the head's GELU is not hidden_act"),
    ("Data2VecTextForMaskedLM", "untied", TEXT | dict(tie_word_embeddings=False), "own output words, bias under another name"),
    ("Data2VecTextForCausalLM", "base", TEXT | dict(is_decoder=True), "causal, with keys and values given out and taken in"),
    ("Data2VecTextForCausalLM", "cross", TEXT | dict(is_decoder=True, add_cross_attention=True), "cross-attention, with and without a mask"),
    ("Data2VecTextForCausalLM", "encoder", TEXT, "not a decoder: sees both ways"),
    ("Data2VecTextForMultipleChoice", "base", TEXT | dict(type_vocab_size=2), "pooler, three axes"),
    ("Data2VecTextForTokenClassification", "base", TEXT | dict(num_labels=4), "a label for every token"),
    ("Data2VecTextForQuestionAnswering", "base", TEXT, "two scores for every token"),
    ("Data2VecVisionForSemanticSegmentation", "base", VISION | dict(
        num_hidden_layers=4, out_indices=[4, 1, 3, 2], use_relative_position_bias=True, num_labels=3, auxiliary_channels=4),
     "pyramid, pooling to more cells than the map has, auxiliary head left out"),
    ("Data2VecVisionForSemanticSegmentation", "odd", VISION | dict(
        image_size=14, patch_size=2, num_hidden_layers=5, out_indices=[1, 2, 4, 6], pool_scales=[2, 4], use_mean_pooling=False,
        use_auxiliary_head=False, num_labels=2), "a map of odd size, no auxiliary head, the last state is the last layer's"),
    ("TFData2VecVisionForSemanticSegmentation", "cascade", VISION | dict(
        num_hidden_layers=4, out_indices=[1, 2, 3, 4], use_relative_position_bias=True, num_labels=3, use_auxiliary_head=False),
     "TensorFlow's class, imitated in torch: each scale pools what came out of the one before"),
]


def randomise(model, rng):
    """Weights for which every parameter matters: nothing at its initial 0 or 1, nothing so large that attention saturates."""
    for name, p in sorted(model.named_parameters()):
        x = torch.from_numpy(rng.standard_normal(p.shape).astype(np.float32))
        fan_in = int(np.prod(p.shape[1:])) if p.ndim > 1 else 1
        if "norm" in name.lower() and name.endswith("weight"):
            x = 1 + 0.2 * x
        elif p.ndim == 1 or "embed" in name or "token" in name or "table" in name:
            x = 0.4 * x
        else:
            x = x / np.sqrt(fan_in)
        p.data.copy_(x)
    for name, b in sorted(model.named_buffers()):
        if name.endswith("running_mean"):
            b.copy_(torch.from_numpy(0.3 * rng.standard_normal(b.shape).astype(np.float32)))
        if name.endswith("running_var"):
            b.copy_(torch.from_numpy(rng.uniform(0.5, 1.5, b.shape).astype(np.float32)))


def padded_audio(rng, lengths):
    x = np.zeros((len(lengths), max(lengths)), np.float32)
    mask = np.zeros(x.shape, np.int32)
    for i, n in enumerate(lengths):
        x[i, :n] = rng.standard_normal(n)
        mask[i, :n] = 1
    return x, mask


def runs_audio(rng, config, cls):
    lengths = [1400, 610, 977]
    x, mask = padded_audio(rng, lengths)
    yield "batch", dict(input_values=x, attention_mask=mask)
    for i, n in enumerate(lengths):
        yield f"alone.{i}", dict(input_values=x[i:i + 1, :n])
    if cls == "Data2VecAudioModel" and config.hidden_act == "prelu":
        yield "spec", dict(input_values=x, attention_mask=mask, mask_time_indices=rng.random((3, 69)) < .5)
    if "XVector" in cls:  # so short that the pooled length is 1 (no deviation), 0 and negative (counts from the end)
        x, mask = padded_audio(rng, [1400, 165, 140, 100])
        yield "short", dict(input_values=x, attention_mask=mask)
    if "Frame" in cls:
        yield "states", dict(input_values=x[:2], attention_mask=mask[:2], **STATES)


def runs_choice(rng, config, cls):
    ids, mask = np.full((2, 3, 11), config.pad_token_id, np.int64), np.zeros((2, 3, 11), np.int64)
    for i, n in np.ndenumerate([[11, 5, 8], [3, 7, 7]]):
        ids[i][:n] = rng.integers(10, config.vocab_size, n)
        mask[i][:n] = 1
    yield "batch", dict(input_ids=ids, attention_mask=mask)
    yield "alone.1", dict(input_ids=ids[1:, :, :7], attention_mask=mask[1:, :, :7])
    yield "types", dict(input_ids=ids, attention_mask=mask, token_type_ids=rng.integers(0, 2, ids.shape))
    yield "embeds", dict(inputs_embeds=rng.standard_normal((*ids.shape, config.hidden_size)).astype(np.float32), attention_mask=mask)


def runs_causal(rng, config, cls):
    yield from runs_text(rng, config, cls)
    ids = rng.integers(10, config.vocab_size, (2, 9))
    if config.is_decoder and not config.add_cross_attention:
        yield "prefix", dict(input_ids=ids[:, :5], use_cache=True)
        yield "rest", dict(input_ids=ids[:, 5:], attention_mask=np.ones((2, 9), np.int64), past_key_values=ids[:, :5], use_cache=True)
    if config.add_cross_attention:
        states, mask = rng.standard_normal((2, 6, config.hidden_size)).astype(np.float32), np.ones((2, 6), np.int64)
        mask[1, 4:] = 0
        yield "cross", dict(input_ids=ids, encoder_hidden_states=states, encoder_attention_mask=mask, **STATES)
        yield "cross_unmasked", dict(input_ids=ids, encoder_hidden_states=states)
        if config.num_hidden_layers:
            heads = rng.uniform(0, 2, (config.num_hidden_layers, config.num_attention_heads)).astype(np.float32)
            yield "head_mask", dict(input_ids=ids, encoder_hidden_states=states, head_mask=heads)


def runs_text(rng, config, cls):
    lengths = [13, 4, 9]
    ids = np.full((3, max(lengths)), config.pad_token_id, np.int64)
    mask = np.zeros(ids.shape, np.int64)
    for i, n in enumerate(lengths):
        ids[i, :n] = rng.integers(10, config.vocab_size, n)
        mask[i, :n] = 1
    yield "batch", dict(input_ids=ids, attention_mask=mask)
    if not (config.is_decoder and config.use_cache and config.position_embedding_type != "absolute"):
        for i, n in enumerate(lengths):
            yield f"alone.{i}", dict(input_ids=ids[i:i + 1, :n])
    if config.type_vocab_size > 1:
        types = rng.integers(0, config.type_vocab_size, ids.shape)
        yield "token_type_ids", dict(input_ids=ids, attention_mask=mask, token_type_ids=types)
        yield "position_ids", dict(input_ids=ids, attention_mask=mask, position_ids=np.arange(2, 2 + ids.shape[1])[None, :])
    if cls == "Data2VecTextModel":
        yield "embeds", dict(inputs_embeds=rng.standard_normal((*ids.shape, config.hidden_size)).astype(np.float32), attention_mask=mask)


def runs_vision(rng, config, cls):
    h, w = config.image_size if isinstance(config.image_size, (list, tuple)) else (config.image_size,) * 2
    x = rng.standard_normal((2, config.num_channels, h, w)).astype(np.float32)
    yield "batch", dict(pixel_values=x)
    yield "alone.1", dict(pixel_values=x[1:])
    if "Segmentation" in cls:
        yield "states", dict(pixel_values=x[:1], **STATES)
        heads = rng.uniform(0, 2, (config.num_hidden_layers, config.num_attention_heads)).astype(np.float32)
        yield "head_mask", dict(pixel_values=x[:1], head_mask=heads)
        return
    if config.use_mask_token:
        yield "bool_masked_pos", dict(pixel_values=x, bool_masked_pos=rng.integers(0, 2, (2, 16)).astype(bool))
    if h == w and config.use_relative_position_bias:
        yield "other_size", dict(pixel_values=rng.standard_normal((1, config.num_channels, 24, 13)).astype(np.float32))


STATES = dict(output_hidden_states=True, output_attentions=True)
RUNS = {"audio": runs_audio, "text": runs_text, "vision": runs_vision}
SINGLE = ("last_hidden_state", "extract_features", "pooler_output", "logits", "embeddings", "start_logits", "end_logits")
MANY = ("hidden_states", "attentions", "cross_attentions")


def outputs(model, inputs, double):
    """The outputs of one run, and the inputs as our graphs take them: what is in a cache is a tensor each."""
    model = model.double() if double else model.float()
    feed, stored = {}, {}
    with torch.no_grad():
        for k, v in inputs.items():
            if k == "past_key_values":  # given as the tokens before
                feed[k] = model(torch.from_numpy(v), use_cache=True).past_key_values
                stored |= cache(feed[k], "past_key_values")
                continue
            if isinstance(v, bool):
                feed[k] = v
                continue
            t = torch.from_numpy(np.ascontiguousarray(v))
            feed[k] = t.double() if double and t.is_floating_point() else t
            stored[k] = v
        out = model(**feed)
    got = {k: out[k].numpy() for k in SINGLE if out.get(k) is not None}
    for k in MANY:
        if inputs.get("output_attentions") and out.get(k) is not None:
            got |= {f"{k}.{i}": v.numpy() for i, v in enumerate(out[k])}
    if inputs.get("use_cache"):
        got |= cache(out.past_key_values, "present")
    return got, stored


def cache(layers, name):
    return {f"{name}.{i}.{what}": t.numpy() for i, kv in enumerate(layers) for what, t in zip(("key", "value"), kv)}


def cascade(self, x):
    """The pooling module as TensorFlow's class computes it: x is not reset between scales."""
    outs, size = [], x.shape[2:]
    for block in self.blocks:
        x = block(x)
        outs.append(torch.nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=False))
    return outs


def imitate(model, cls, out):
    model.decode_head.psp_modules.forward = types.MethodType(cascade, model.decode_head.psp_modules)
    path = os.path.join(out, "config.json")
    with open(path) as f:
        config = json.load(f)
    config["architectures"] = [cls]
    with open(path, "w") as f:
        json.dump(config, f, indent=2, sort_keys=True)
        f.write("\n")


def generate(root, cls, case, settings, note, make=None, dtype=torch.float32):
    torch_cls = cls.removeprefix("TF")
    family = {"A": "audio", "T": "text", "V": "vision"}[torch_cls[len("Data2Vec")]]
    seed = sum(map(ord, cls + case))  # stable, and no two cases share their weights
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    config = getattr(hf, f"Data2Vec{family.capitalize()}Config")(**settings)
    config._attn_implementation = "eager"
    model = getattr(hf, torch_cls)(config).eval()
    randomise(model, rng)
    out = os.path.join(root, cls, case)
    model.to(dtype).save_pretrained(out)
    model.float()
    if torch_cls != cls:
        imitate(model, cls, out)
    lenient = make is not None  # of random runs those that fail in the reference are left out
    make = make or {"Data2VecTextForMultipleChoice": runs_choice, "Data2VecTextForCausalLM": runs_causal}.get(cls, RUNS[family])
    tensors, runs = {}, []
    for name, inputs in make(rng, config, cls):
        run = {"name": name, "inputs": {}, "outputs": {}}
        try:
            (exact, _), (got, stored) = outputs(model, inputs, True), outputs(model, inputs, False)
        except (RuntimeError, IndexError) as e:
            if not lenient:
                raise
            print("no run:", cls, case, name, str(e).splitlines()[0])
            continue
        for k, v in stored.items():
            run["inputs"][k] = {"key": f"{name}/in/{k}", "shape": list(v.shape), "dtype": str(v.dtype)}
            tensors[f"{name}/in/{k}"] = np.ascontiguousarray(v)
        for k, v in got.items():
            noise, top = float(np.nanmax(np.abs(v - exact[k]))), float(np.nanmax(np.abs(v)))
            run["outputs"][k] = {"key": f"{name}/out/{k}", "shape": list(v.shape), "fp32_noise_max": float(f"{noise:.3g}"),
                                 "max_abs": float(f"{top:.4g}"), "atol": float(f"{max(1e-5, 1e-5 * top, 10 * noise):.3g}"), "rtol": 1e-4}
            tensors[f"{name}/out/{k}"] = np.ascontiguousarray(v)
        runs.append(run)
    save_file(tensors, os.path.join(out, "golden.safetensors"))
    manifest = {"class": cls, "case": case, "note": note, "seed": seed, "tensors": "golden.safetensors", "runs": runs,
                **{k: v[1] for k, v in PINNED.items()}}
    with open(os.path.join(out, "manifest.json"), "w") as f:
        json.dump(manifest, f, indent=1)
        f.write("\n")


def main(root, only=""):
    for name, (module, version) in PINNED.items():
        if module.__version__.split("+")[0] != version:
            sys.exit(f"{name} is {module.__version__}, the goldens are defined by {version}: install requirements.txt")
    torch.set_num_threads(1)
    for cls, case, settings, note in CASES:
        if only in cls:
            generate(root, cls, case, settings, note)
            print(cls, case)


if __name__ == "__main__":
    main(*sys.argv[1:])
