"""Recordings of every kind under random extractors, CTC tokenizers and options, through the reference's pipelines and `worker predict`: python sweep_audio.py WORKER OUT SEED COUNT.

Samples may differ by 2e-5 (numpy's sums), scores by 1e-4 of themselves and 1e-5; text and times not at all. Rates stay the model's: for others the
reference's pipelines need what is not installed, or resample by other filters.
"""
import json
import os
import random
import shutil
import string
import subprocess
import sys

import numpy as np
import soundfile
import torch
import transformers as hf
from safetensors.numpy import load_file
from transformers.pipelines.audio_utils import ffmpeg_read

import draw
import generate
import sweep_pipelines
import sweep_runs

SUBTYPES = {"wav": ["PCM_16", "PCM_16", "PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"], "flac": ["PCM_16", "PCM_24", "PCM_S8"]}


def recording(r, where, i, rate, least):
    kind = r.choice(["wav", "wav", "flac"])
    subtype, channels = r.choice(SUBTYPES[kind]), 1  # ffmpeg adds two channels at 0.7071 each, where other readers give their mean
    n = r.choice([1, least - 1, least, least + 1, r.randint(least, 20 * least), r.randint(least, 60 * least)])
    rng = np.random.default_rng(r.randint(0, 1 << 30))
    x = rng.standard_normal((max(n, 1), channels)) * r.choice([.001, .1, .2]) * np.sin(np.arange(max(n, 1)) / r.choice([50, 500]))[:, None]
    if r.random() < .1:
        x[:] = r.choice([0, .25])
    path = os.path.join(where, f"{i}.{kind}")
    soundfile.write(path, np.clip(x, -1, .999), rate, subtype=subtype)
    return path, f"{kind} {subtype} {channels} channels {n} samples (least {least})"


def tokenizer(where, r, size):
    """A CTC vocabulary, of letters or of phones; now and then with some of several characters, and what AutoTokenizer writes beside it."""
    special = r.sample(["<pad>", "<s>", "</s>", "<unk>"], 4)
    letters = list(string.ascii_uppercase if r.random() < .6 else string.ascii_lowercase) + ["'", ".", ",", "?", "é", "th", " n't", "ß"]
    r.shuffle(letters)
    tokens = (special + ["|"] + letters)[:size]
    if r.random() < .3:
        r.shuffle(tokens)
    kwargs = {}
    sweep_pipelines.maybe(r, kwargs, "do_lower_case", lambda: True, .3)
    sweep_pipelines.maybe(r, kwargs, "replace_word_delimiter_char", lambda: r.choice(["_", " "]), .2)
    sweep_pipelines.maybe(r, kwargs, "clean_up_tokenization_spaces", lambda: r.random() < .5, .4)
    sweep_pipelines.maybe(r, kwargs, "word_delimiter_token", lambda: r.choice(tokens[5:] + ["|", None]), .2)
    cls = hf.Wav2Vec2CTCTokenizer
    if r.random() < .3:
        cls, kwargs["do_phonemize"] = hf.Wav2Vec2PhonemeCTCTokenizer, False
    with open(where + "/vocab.json", "w") as f:
        json.dump({t: i for i, t in enumerate(tokens)}, f)
    t = cls(where + "/vocab.json", **kwargs)
    if r.random() < .2:
        t.add_tokens(["XX", "YY"])
    t.save_pretrained(where)
    return kwargs, t.pad_token_id


def checkpoint(where, task, r):
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    while True:
        cls, s = draw.audio(r)
        if np.prod(s["conv_stride"]) < 200:
            break
    cls = {"automatic-speech-recognition": "Data2VecAudioForCTC", "audio-classification": "Data2VecAudioForSequenceClassification", "feature-extraction": "Data2VecAudioModel"}[task]
    size, what = r.randint(6, 36), {}
    if cls != "Data2VecAudioForCTC":
        s.pop("add_adapter", None)
    elif s.get("add_adapter"):
        s.update(adapter_kernel_size=3, output_hidden_size=s["hidden_size"])
    else:
        s["output_hidden_size"] = s["hidden_size"]
    s.update(vocab_size=size, num_labels=r.randint(1, 9), layer_norm_eps=1e-5)
    if cls == "Data2VecAudioForCTC":
        what, s["pad_token_id"] = tokenizer(where, r, size)
        s["vocab_size"] = max(size, len(hf.AutoTokenizer.from_pretrained(where)))
    model = getattr(hf, cls)(hf.Data2VecAudioConfig(**s)).eval()
    generate.randomise(model, np.random.default_rng(r.randint(0, 1 << 30)))
    model.save_pretrained(where)
    extractor = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": r.choice([16000, 16000, 8000]), "feature_size": 1, "padding_value": r.choice([0, 0, .5])}
    sweep_pipelines.maybe(r, extractor, "do_normalize", lambda: r.random() < .5)
    sweep_pipelines.maybe(r, extractor, "return_attention_mask", lambda: r.random() < .5)
    sweep_pipelines.maybe(r, extractor, "padding_side", lambda: "left", .1)
    with open(where + "/preprocessor_config.json", "w") as f:
        json.dump(extractor, f)
    return f"{extractor} {what} adapter {s.get('add_adapter')}", extractor["sampling_rate"], model.config


def options(task, r, config, rate):
    o = {}
    if task == "automatic-speech-recognition":
        sweep_pipelines.maybe(r, o, "return_timestamps", lambda: r.choice(["char", "word"]), .6)
        if r.random() < .5:
            hop = np.prod(config.conv_stride) / rate
            o["chunk_length_s"] = round(float(hop * r.uniform(8, 40)), 6)
            sweep_pipelines.maybe(r, o, "stride_length_s", lambda: r.choice([round(o["chunk_length_s"] * r.uniform(0, .3), 6), [round(o["chunk_length_s"] * r.uniform(0, .3), 6) for _ in "ab"], 0]), .6)
    elif task == "audio-classification":
        sweep_pipelines.maybe(r, o, "top_k", lambda: r.choice([None, 1, 3, 100]))
        sweep_pipelines.maybe(r, o, "function_to_apply", lambda: r.choice(["softmax", "sigmoid", "none"]))
    return o


def main(worker, out, seed, count):
    hf.logging.set_verbosity_error()
    torch.set_num_threads(1)
    tally, bad = {}, []
    for i in range(int(count)):
        for task in ("automatic-speech-recognition", "audio-classification", "feature-extraction"):
            r = random.Random(f"{seed}/{i}/{task}")
            where = os.path.join(out, f"{task}_{seed}_{i}")
            what, rate, config = checkpoint(where, task, r)
            extractor = hf.AutoFeatureExtractor.from_pretrained(where)
            pipe = hf.pipeline(task, model=where, device="cpu") if task != "feature-extraction" else None
            model = hf.AutoModel.from_pretrained(where) if pipe is None else None
            for k in range(8):
                path, kind = recording(r, where, k, rate, sweep_runs.samples(config, 1))
                o, t = options(task, r, config, rate), tally.setdefault(task, [0, 0, 0])
                t[0] += 1
                note = f"{path} {kind} {what} {o}"
                got, error = sweep_pipelines.mine(worker, where, task, {"file": path}, o)
                try:
                    with open(path, "rb") as f:
                        x = ffmpeg_read(f.read(), rate)
                    if pipe:
                        want = sweep_pipelines.plain(pipe(path, **o))
                    else:
                        with torch.no_grad():
                            want = model(**extractor(x, sampling_rate=rate, return_tensors="pt")).last_hidden_state.tolist()
                    json.dumps(want, allow_nan=False)
                except Exception as e:
                    t[2] += 1
                    bad += [] if error else [f"~ {note}: the reference fails, {type(e).__name__}: {str(e)[:150]}; here {str(got)[:80]}"]
                    continue
                d = error or sweep_pipelines.differs(got, want)
                t[1] += not d
                if d:
                    bad.append(f"{note}: {d[:400]}")
    for b in sorted(bad, key=lambda b: b[0] == "~")[:60]:
        print(b[:900])
    for task, (n, ok, failed) in tally.items():
        print(f"{task}: {n} recordings, {ok} equal, {failed} fail in the reference")


if __name__ == "__main__":
    main(*sys.argv[1:])
