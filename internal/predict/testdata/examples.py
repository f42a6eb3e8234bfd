"""What the reference's documentation computes where it has no pipeline: perplexity, frames, speakers, pooled states, run lengths. Used by make.py."""

import math
import os

import numpy as np
import soundfile
import torch
from PIL import Image
from transformers import BeitImageProcessor, Wav2Vec2FeatureExtractor

HERE = os.path.dirname(os.path.abspath(__file__))
SPEECH = ["../demo/samples/audio/speech-02.wav", "../demo/samples/audio/speech-05.wav"]
PICTURE = "../demo/samples/image/digit-01.png"


def jobs():
    text = {"text": "the cat is in the sea, ann lee is in rome. the dog"}
    for o in ({}, {"add_start_token": True}, {"add_special_tokens": False}, {"max_length": 12, "stride": 5}, {"max_length": 12, "stride": 12}):
        yield "Data2VecTextForCausalLM", "perplexity", text, o
    for o in ({}, {"max_length": 12, "stride": 5}):
        yield "Data2VecTextForMaskedLM", "perplexity", text, o
    for o in ({"return_frames": True}, {"threshold": 0.7}, {"function_to_apply": "softmax"}, {"function_to_apply": "softmax", "threshold": 0.4}):
        yield "Data2VecAudioForAudioFrameClassification", "audio-frame-classification", {"file": SPEECH[0]}, o
    for o in ({}, {"normalize": True}):
        yield "Data2VecAudioForXVector", "audio-xvector", {"file": SPEECH[0]}, o
    for o in ({}, {"threshold": 0.9999}):
        yield "Data2VecAudioForXVector", "speaker-verification", {"file": SPEECH[0], "file_pair": SPEECH[1]}, o
    for pooling in ("mean", "max", "cls", "first_last"):
        yield "Data2VecTextModel", "feature-extraction", {"text": "a cat"}, {"pooling": pooling, "normalize": pooling == "mean"}
        yield "Data2VecVisionModel", "feature-extraction", {"file": PICTURE}, {"pooling": pooling, "normalize": pooling == "max"}
        if pooling != "cls":
            yield "Data2VecAudioModel", "feature-extraction", {"file": SPEECH[0]}, {"pooling": pooling}
    yield "Data2VecVisionForSemanticSegmentation", "image-segmentation", {"file": PICTURE}, {"mask_format": "rle", "areas": True}


def perplexity(model, tok, text, o):
    """The loop of the guide "Perplexity of fixed-length models", but each token counts once; with masks, one run for each token."""
    masked = "MaskedLM" in type(model).__name__
    special = o.get("add_special_tokens", True) and not o.get("add_start_token")
    ids = tok(text, add_special_tokens=special)["input_ids"]
    if o.get("add_start_token"):
        ids = [tok.bos_token_id] + ids
    counts = [not (masked and i in tok.all_special_ids) for i in ids]
    length = o.get("max_length", 38)
    stride = o.get("stride", length // 2)
    nll, done = [], 0
    for begin in range(0, len(ids), stride):
        end = min(begin + length, len(ids))
        x = torch.tensor([ids[begin:end]])
        for i in range(max(done, begin + (not masked)), end):
            if not counts[i]:
                continue
            run = x.clone()
            if masked:
                run[0, i - begin] = tok.mask_token_id
            logits = model(run).logits[0, i - begin - (not masked)]
            nll.append(-logits.log_softmax(-1)[ids[i]].item())
        done = end
        if end == len(ids):
            break
    mean = sum(nll) / len(nll)
    return {"perplexity": math.exp(mean), "mean_nll": mean, "tokens": len(nll)}


def samples(path):
    x, rate = soundfile.read(os.path.join(HERE, "..", path), dtype="float32")
    assert rate == 16000 and x.ndim == 1
    return Wav2Vec2FeatureExtractor()(x, sampling_rate=rate, return_tensors="pt", return_attention_mask=True)


def frames(model, path, o):
    logits = model(**samples(path)).logits[0]
    softmax = o.get("function_to_apply") == "softmax"
    scores = logits.softmax(-1) if softmax else logits.sigmoid()
    said = (scores > o.get("threshold", 0 if softmax else 0.5)).long()
    if softmax:
        said *= (scores == scores.max(-1, keepdim=True).values).long()
    labels = [model.config.id2label[i] for i in range(scores.shape[1])]
    hop = math.prod(model.config.conv_stride) / 16000
    segments = []
    for k, label in enumerate(labels):
        column, at = said[:, k].tolist() + [0], None
        for i, v in enumerate(column):
            if v and at is None:
                at = i
            elif not v and at is not None:
                segments.append({"start": at * hop, "end": i * hop, "label": label, "score": scores[at:i, k].mean().item()})
                at = None
    out = {"segments": sorted(segments, key=lambda s: s["start"])}
    if o.get("return_frames"):
        out |= {"frame_seconds": hop, "labels": labels, "frame_labels": said.tolist(), "frame_scores": scores.tolist()}
    return out


def speaker(model, path):
    return model(**samples(path)).embeddings[0]


def pixels(model, path):
    size = model.config.image_size
    processor = BeitImageProcessor(do_center_crop=False, size={"height": size, "width": size})
    image = Image.open(os.path.join(HERE, "..", path)).convert("RGB")
    return processor, image, processor(image, return_tensors="pt")


def pooled(model, tok, inputs, o):
    name = type(model).__name__
    if "Vision" in name:
        x = pixels(model, inputs["file"])[2]
    elif "Audio" in name:
        x = samples(inputs["file"])
    else:
        x = tok(inputs["text"], return_tensors="pt")
    out = model(**x, output_hidden_states=True)
    skip = 1 if "Vision" in name and o["pooling"] != "cls" else 0
    last = out.last_hidden_state[0, skip:]
    first = out.hidden_states[1][0, skip:]
    v = {
        "mean": lambda: last.mean(0), "max": lambda: last.max(0).values, "cls": lambda: last[0],
        "first_last": lambda: (first.mean(0) + last.mean(0)) / 2,
    }[o["pooling"]]()
    return torch.nn.functional.normalize(v, dim=-1) if o.get("normalize") else v


def segments(model, path):
    processor, image, x = pixels(model, path)
    classes = processor.post_process_semantic_segmentation(model(**x), target_sizes=[(image.height, image.width)])[0].numpy()
    out = []
    for k in np.unique(classes):
        column = (classes == k).flatten(order="F").astype(int)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], column, [2]])))
        counts = np.diff(np.concatenate([[0], edges])).tolist()
        area = int(column.sum())
        rle = {"size": list(classes.shape), "counts": counts}
        out.append({"score": None, "label": model.config.id2label[int(k)], "rle": rle, "area": area, "area_fraction": area / column.size})
    return out


def result(task, model, tok, inputs, o):
    with torch.no_grad():
        if task == "perplexity":
            return perplexity(model, tok, inputs["text"], o)
        if task == "audio-frame-classification":
            return frames(model, inputs["file"], o)
        if task == "audio-xvector":
            v = speaker(model, inputs["file"])
            return {"embedding": (torch.nn.functional.normalize(v, dim=-1) if o.get("normalize") else v).tolist()}
        if task == "speaker-verification":
            a, b = (torch.nn.functional.normalize(speaker(model, inputs[k]), dim=-1) for k in ("file", "file_pair"))
            score, threshold = torch.nn.CosineSimilarity(dim=-1)(a, b).item(), o.get("threshold", 0.7)
            return {"score": score, "same": score >= threshold, "threshold": threshold}
        if task == "image-segmentation":
            return segments(model, inputs["file"])
        return pooled(model, tok, inputs, o).tolist()
