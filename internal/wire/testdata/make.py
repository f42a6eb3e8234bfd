#!/usr/bin/env python3
"""Make heads.json: what transformers 4.55.4 says of a few inputs with the checkpoints in model/golden, in the words of our heads (seeded).

    python3 internal/wire/testdata/make.py      # needs torch and transformers==4.55.4; run in the repository's root

Each case has a class, the settings of a pipeline (text, image, heads), a reference's fields with the object's bytes, and for every head the payload
columns that the reference's own model, tokenizer, processor or pipeline gives. Weights are random: it shows that numbers are handled alike.
"""
import base64
import io
import json
import math
import pathlib
import shutil
import tempfile
import warnings

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import BeitImageProcessor, RobertaTokenizerFast, Wav2Vec2FeatureExtractor, pipeline

assert transformers.__version__ == "4.55.4", transformers.__version__
warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
HERE = pathlib.Path(__file__).parent
GOLDEN = HERE.parent.parent.parent / "model/golden"
TOKENIZER = HERE.parent.parent / "predict/testdata/tokenizer"
TEXT = "ann lee is in rome."
LONG = "the cat is in the sea, ann lee is in rome. the dog is at the end of the sea. a cat, a dog in the end"
torch.set_grad_enabled(False)


def model(cls, case="base", **more):
    d = tempfile.mkdtemp()
    for f in ("config.json", "model.safetensors"):
        shutil.copy(GOLDEN / cls / case / f, d)
    return getattr(transformers, cls).from_pretrained(d, attn_implementation="eager", **more).eval()


def tokenizer():
    return RobertaTokenizerFast.from_pretrained(TOKENIZER, model_max_length=38)


def unit(v):
    return v / v.norm()


def floats(v):
    return [round(float(x), 7) for x in v]


def case(cls, settings, heads, wants, data, case="base", **ref):
    return {
        "class": cls, "case": case, "settings": settings, "heads": [{"name": f"h{i}", **h} for i, h in enumerate(heads)], "ref": ref,
        "data": base64.b64encode(data).decode(), "want": wants,
    }


def poolings(states, skip=0):
    """mean, max and first_last of one item's states; the class token of pictures is skipped."""
    first, last = states[0][0, skip:], states[1][0, skip:]
    return {
        "mean": last.mean(0), "max": last.max(0).values, "first_last": (first.mean(0) + last.mean(0)) / 2,
    }


def embeddings(pooled):
    heads, wants = [], []
    for name, v in pooled.items():
        heads += [{"task": "embedding", "pooling": name}, {"task": "embedding", "pooling": name, "normalize": False}]
        wants += [{"Vector": floats(unit(v))}, {"Vector": floats(v)}]
    return heads, wants


def text_embeddings():
    m, tok = model("Data2VecTextModel"), tokenizer()
    out = m(**tok(TEXT, return_tensors="pt"), output_hidden_states=True)
    pooled = poolings((out.hidden_states[1], out.last_hidden_state))
    pooled["cls"] = out.last_hidden_state[0, 0]
    yield case("Data2VecTextModel", {}, *embeddings(pooled), TEXT.encode())
    out = m(**tok(TEXT, "the sea", return_tensors="pt"))
    yield case("Data2VecTextModel", {}, *embeddings({"mean": out.last_hidden_state[0].mean(0)}), TEXT.encode(), text_pair="the sea")


def wav(n, seed):
    rng = np.random.default_rng(seed)
    x = (8000 * np.sin(np.arange(n) * 0.05) + 2500 * rng.standard_normal(n)).astype("<i2")
    head = b"RIFF" + (36 + 2 * n).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little") + bytes([1, 0, 1, 0])
    head += (16000).to_bytes(4, "little") + (32000).to_bytes(4, "little") + bytes([2, 0, 16, 0]) + b"data" + (2 * n).to_bytes(4, "little")
    return head + x.tobytes(), Wav2Vec2FeatureExtractor()(x.astype(np.float32) / 32768, sampling_rate=16000, return_tensors="pt")["input_values"]


def audio():
    data, x = wav(1500, 1)
    out = model("Data2VecAudioModel")(x, output_hidden_states=True)
    yield case("Data2VecAudioModel", {}, *embeddings(poolings((out.hidden_states[1], out.last_hidden_state))), data)
    out = model("Data2VecAudioModel", "adapter_wide")(x, output_hidden_states=True)
    pooled = poolings((out.hidden_states[1], out.last_hidden_state))
    if out.hidden_states[1].shape[-1] != out.last_hidden_state.shape[-1]:
        raise SystemExit("choose an adapter as wide as the model")
    yield case("Data2VecAudioModel", {}, *embeddings(pooled), data, case="adapter_wide")
    v = model("Data2VecAudioForXVector")(x).embeddings[0]
    yield case("Data2VecAudioForXVector", {}, [{"task": "xvector"}, {"task": "xvector", "normalize": False}],
               [{"Vector": floats(unit(v))}, {"Vector": floats(v)}], data)
    m = model("Data2VecAudioForAudioFrameClassification")
    p = m(x).logits[0].softmax(-1)
    best, hop, segments = p.argmax(-1).tolist(), int(np.prod(m.config.conv_stride)), []
    for i, label in enumerate(best):
        if i and label == best[i - 1]:
            segments[-1]["n"].append(i)
        else:
            segments.append({"label": label, "n": [i]})
    want = [{"Label": m.config.id2label[s["label"]], "Start": s["n"][0] * hop / 16000, "End": (s["n"][-1] + 1) * hop / 16000,
             "Score": float(p[s["n"], s["label"]].mean())} for s in segments]
    p, said = m(x).logits[0].sigmoid(), []
    for k in range(p.shape[1]):  # as the documentation's example of the class: sigmoid, score > 0.5
        for i in range(p.shape[0]):
            if p[i, k] > 0.5 and i and p[i - 1, k] > 0.5:
                said[-1]["n"].append(i)
            elif p[i, k] > 0.5:
                said.append({"label": k, "n": [i]})
    said = [{"Label": m.config.id2label[s["label"]], "Start": s["n"][0] * hop / 16000, "End": (s["n"][-1] + 1) * hop / 16000,
             "Score": float(p[s["n"], s["label"]].mean())} for s in sorted(said, key=lambda s: s["n"][0])]
    yield case("Data2VecAudioForAudioFrameClassification", {}, [{"task": "frames"}, {"task": "frames", "function": "sigmoid"}],
               [{"Segments": want}, {"Segments": said}], data)
    m = model("Data2VecAudioForSequenceClassification")
    p = m(x).logits[0].softmax(-1)
    order = p.argsort(descending=True, stable=True).tolist()
    labels = [{"Label": m.config.id2label[i], "Score": float(p[i])} for i in order]
    yield case("Data2VecAudioForSequenceClassification", {}, [{"task": "classification", "top_k": 50}], [{"Labels": labels}], data)


def picture(w, h, seed):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (max(h // 4, 2), max(w // 4, 2), 3), dtype=np.uint8)
    img = Image.fromarray(coarse).resize((w, h), Image.BICUBIC)
    b = io.BytesIO()
    img.save(b, "PNG")
    return b.getvalue(), img


def pictures():
    data, img = picture(37, 29, 2)
    for height, width in ((16, 16), (24, 32), (8, 20)):
        settings = {"image": {"height": height, "width": width}} if (height, width) != (16, 16) else {}
        proc = BeitImageProcessor(size={"height": height, "width": width}, do_center_crop=False)
        x = proc(img, return_tensors="pt")["pixel_values"]
        for name in ("relative", "absolute_shared_cls"):
            out = model("Data2VecVisionModel", name)(x, output_hidden_states=True)
            pooled = poolings((out.hidden_states[1], out.last_hidden_state), skip=1)
            pooled["cls"] = out.last_hidden_state[0, 0]
            yield case("Data2VecVisionModel", settings, *embeddings(pooled), data, case=name)
        m = model("Data2VecVisionForImageClassification", "mean")
        p = m(x).logits[0].softmax(-1)
        order = p.argsort(descending=True, stable=True).tolist()
        labels = [{"Label": m.config.id2label[i], "Score": float(p[i])} for i in order]
        score = [{"Label": m.config.id2label[i], "Score": float(m(x).logits[0].sigmoid()[i])} for i in order[:2]]
        yield case("Data2VecVisionForImageClassification", settings,
                   [{"task": "classification", "top_k": 50}, {"task": "classification", "top_k": 2, "function": "sigmoid"}],
                   [{"Labels": labels}, {"Labels": score}], data, case="mean")
    x = BeitImageProcessor(size={"height": 16, "width": 16}, do_center_crop=False)
    m = model("Data2VecVisionForSemanticSegmentation")
    out = m(x(img, return_tensors="pt")["pixel_values"])
    classes = x.post_process_semantic_segmentation(out, [(img.height, img.width)])[0].numpy()
    flat, runs = classes.reshape(-1).tolist(), []
    for c in flat:
        if runs and runs[-1]["Class"] == c:
            runs[-1]["Length"] += 1
        else:
            runs.append({"Class": c, "Length": 1})
    areas = [{"Class": c, "Label": m.config.id2label[c], "Share": flat.count(c) / len(flat)} for c in sorted(set(flat))]
    mask = {"Width": img.width, "Height": img.height, "Runs": runs, "PNG": None}
    yield case("Data2VecVisionForSemanticSegmentation", {}, [{"task": "masks"}], [{"Areas": areas, "Mask": mask}], data)


def pipe(task, cls):
    return pipeline(task, model=model(cls), tokenizer=tokenizer(), device="cpu")


def answers(found):
    found = found if isinstance(found, list) else [found]
    all_ = [{"Text": a["answer"], "Start": a["start"], "End": a["end"], "Score": a["score"]} for a in found]
    return {"Answers": all_, "Text": all_[0]["Text"], "Score": all_[0]["Score"]}


def texts():
    qa = pipe("question-answering", "Data2VecTextForQuestionAnswering")
    for o, h in (({}, {}), ({"top_k": 3, "handle_impossible_answer": True}, {"top_k": 3, "no_answer": True}), ({"top_k": 4, "max_answer_len": 3}, {"top_k": 4, "max_answer_tokens": 3})):
        for seq, stride in ((38, 19), (24, 4)):
            found = qa(question="the cat", context=LONG, max_seq_len=seq, doc_stride=stride, **o)
            yield case("Data2VecTextForQuestionAnswering", {"text": {"long": "window", "max_tokens": seq, "stride": stride}}, [{"task": "answers", **h}],
                       [answers(found)], LONG.encode(), question="the cat")
    ner = pipe("token-classification", "Data2VecTextForTokenClassification")
    for stride in (0, 10, 20):
        for strategy in ("simple", "first", "average", "max"):
            found = ner(LONG, aggregation_strategy=strategy, stride=stride, ignore_labels=["O"])
            want = [{"Label": e["entity_group"], "Start": e["start"], "End": e["end"], "Text": LONG[e["start"]:e["end"]], "Score": float(e["score"])} for e in found]
            yield case("Data2VecTextForTokenClassification", {"text": {"long": "window", "stride": stride}}, [{"task": "tokens", "aggregation": strategy}],
                       [{"Entities": want}], LONG.encode())
    fill = pipe("fill-mask", "Data2VecTextForMaskedLM")
    for text, k in (("the <mask> of the sea", 5), ("<mask> cat <mask>", 2), ("a <mask>", 60)):
        found = fill(text, top_k=k)
        found = found if isinstance(found[0], list) else [found]
        want = [{"Mask": i, "Token": f["token"], "Text": f["token_str"], "Sequence": f["sequence"], "Score": f["score"]} for i, fs in enumerate(found) for f in fs]
        yield case("Data2VecTextForMaskedLM", {}, [{"task": "fill", "top_k": k}], [{"Fillings": want}], text.encode())
    cls = pipe("text-classification", "Data2VecTextForSequenceClassification")
    for pair in (None, "the cat, the dog", ""):
        inputs = {"text": TEXT} if pair is None else {"text": TEXT, "text_pair": pair}
        found = cls(inputs, top_k=None)
        ref = {} if pair is None else {"text_pair": pair}
        yield case("Data2VecTextForSequenceClassification", {}, [{"task": "classification", "top_k": 50}],
                   [{"Labels": [{"Label": f["label"], "Score": f["score"]} for f in found]}], TEXT.encode(), **ref)
    m, tok, options = model("Data2VecTextForMultipleChoice"), tokenizer(), ["the sea", "a", "the dog is at the end", ""]
    e = tok([TEXT] * len(options), options, padding=True, return_tensors="pt")
    p = m(**{k: v.unsqueeze(0) for k, v in e.items()}).logits[0].softmax(-1)
    yield case("Data2VecTextForMultipleChoice", {}, [{"task": "choice"}], [{"Choice": int(p.argmax()), "Score": float(p.max()), "Probabilities": floats(p)}],
               TEXT.encode(), choices=options)


def perplexities():
    m, tok = model("Data2VecTextForCausalLM"), tokenizer()
    e = tok(TEXT, return_tensors="pt")
    nll = float(m(**e, labels=e["input_ids"]).loss)
    yield case("Data2VecTextForCausalLM", {}, [{"task": "perplexity"}],
               [{"Likelihood": {"Tokens": e["input_ids"].shape[1] - 1, "NLL": nll, "Perplexity": math.exp(nll)}}], TEXT.encode())
    for stride in (0, 10, 30):
        e = tok(LONG, truncation=True, stride=stride, return_overflowing_tokens=True)
        all_, done = [], 0
        for w, ids in enumerate(e["input_ids"]):
            ids = torch.tensor([ids])
            logp = m(ids).logits[0].log_softmax(-1)
            first = w * (36 - stride)  # token of the text that the window begins with
            for k in range(1, ids.shape[1]):
                token, last = first + k - 1, k == ids.shape[1] - 1
                if (last and w == len(e["input_ids"]) - 1) or (not last and token >= done):
                    all_.append(-float(logp[k - 1, ids[0, k]]))
            done = first + ids.shape[1] - 2
        nll = sum(all_) / len(all_)
        yield case("Data2VecTextForCausalLM", {"text": {"long": "window", "stride": stride}}, [{"task": "perplexity"}],
                   [{"Likelihood": {"Tokens": len(all_), "NLL": nll, "Perplexity": math.exp(nll)}}], LONG.encode())


def main():
    cases = [c for make in (text_embeddings, audio, pictures, texts, perplexities) for c in make()]
    (HERE / "heads.json").write_text("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")


main()
