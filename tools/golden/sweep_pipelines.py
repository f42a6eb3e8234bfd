"""Random text checkpoints, tokenizers, options and inputs through the reference's pipelines and `worker predict`: python sweep_pipelines.py WORKER OUT SEED COUNT [TASK].

Scores may differ by 1e-4 of themselves and 1e-5; all else must be equal. What fails in the reference must fail here or give a result, never the
other way round.
"""
import json
import os
import random
import subprocess
import sys

import numpy as np
import torch
import transformers as hf

import generate
import sweep_text

WORDS = ["the", "cat", "Ann", "Lee", "Rome", "isn't", "in", "we're", "2024", "naïve", "café", "Fluß", "東京", "Привет", "🙂", "a_b", "hello", "world.", "(the", "hat)", "U.S.A.", "12,345", "it's!", "—", "..."]


def sentence(r, words=WORDS):
    """Words with plain spaces, mostly; now and then anything."""
    if r.random() < .2:
        return sweep_text.draw_text(r)
    return "".join(r.choice(words) + r.choice([" "] * 12 + ["  ", "\n", "\u00a0", ""]) for _ in range(r.choice([1, 3, 8, 20]))).rstrip(" " if r.random() < .8 else "")


def labels(r, task):
    n = r.randint(1, 6)
    if task != "token-classification":
        return {i: f"L{i}" for i in range(n)}
    names = r.choice([["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC"], ["PER", "LOC", "O"], ["B-X", "I-X"], ["O", "I-A", "I-B", "B-A"], ["LABEL_0", "LABEL_1"]])
    return dict(enumerate(names))


CLASSES = {"text-classification": "SequenceClassification", "token-classification": "TokenClassification", "question-answering": "QuestionAnswering", "fill-mask": "MaskedLM",
           "feature-extraction": "Model"}


def checkpoint(where, task, r):
    what = sweep_text.directory(where, r)
    tokenizer = hf.AutoTokenizer.from_pretrained(where)
    size = len(tokenizer)
    settings = dict(vocab_size=size + r.randint(0, 3) if r.random() < .9 else r.randint(min(tokenizer.vocab_size, size), size), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, max_position_embeddings=r.choice([90, 300]), type_vocab_size=r.choice([1, 2, 2]),
                    layer_norm_eps=1e-5, id2label=labels(r, task) if task != "question-answering" else {0: "s", 1: "e"})
    if task == "text-classification":
        settings.update(problem_type=r.choice([None, "regression", "single_label_classification", "multi_label_classification"]))
    cls = CLASSES[task]
    model = getattr(hf, "Data2VecText" + ("For" if cls != "Model" else "") + cls)(hf.Data2VecTextConfig(**settings)).eval()
    generate.randomise(model, np.random.default_rng(r.randint(0, 1 << 30)))
    for name, p in model.named_parameters():
        if name.startswith(("classifier", "qa_outputs")):
            p.data.mul_(r.choice([1, 3, 8]))
    model.save_pretrained(where)
    return what


def maybe(r, options, name, draw, chance=.4):
    if r.random() < chance:
        options[name] = draw()


def job(task, r, tokenizer):
    """-> the input as a line of JSON, and options."""
    o = {}
    if task == "text-classification":
        line = {"text": sentence(r)}
        maybe(r, line, "text_pair", lambda: sentence(r), .3)
        maybe(r, o, "top_k", lambda: r.choice([None, 1, 2, 3, 10]))
        maybe(r, o, "function_to_apply", lambda: r.choice(["softmax", "sigmoid", "none", "NONE", "Sigmoid"]))
        maybe(r, o, "truncation", lambda: r.choice([True, "only_first", "longest_first"]))
        maybe(r, o, "max_length", lambda: r.randint(8, 30), .2)
        maybe(r, o, "padding", lambda: r.choice([True, "longest", "max_length"]), .1)
        maybe(r, o, "add_special_tokens", lambda: r.random() < .5, .05)
        return line, o
    if task == "token-classification":
        strategy = r.choice(["none", "simple", "first", "average", "max", None, "SIMPLE"])
        if strategy:
            o["aggregation_strategy"] = strategy
        maybe(r, o, "ignore_labels", lambda: r.choice([[], ["O"], ["PER", "B-PER"]]))
        if strategy not in (None, "none"):
            maybe(r, o, "stride", lambda: r.choice([0, 1, 3, 8]))
        return {"text": sentence(r)}, o
    if task == "question-answering":
        maybe(r, o, "top_k", lambda: r.choice([1, 2, 3]))  # of more the last have a score of 0, and any order
        maybe(r, o, "max_answer_len", lambda: r.choice([1, 3, 15, 100]))
        maybe(r, o, "handle_impossible_answer", lambda: r.random() < .7)
        maybe(r, o, "align_to_words", lambda: r.random() < .4, .3)
        maybe(r, o, "max_seq_len", lambda: r.choice([24, 40, 64]))
        maybe(r, o, "doc_stride", lambda: r.choice([0, 1, 4, 8]), .3)
        maybe(r, o, "max_question_len", lambda: r.choice([3, 64]), .1)
        maybe(r, o, "padding", lambda: r.choice(["longest", "max_length", "do_not_pad"]), .15)
        return {"question": sentence(r)[:r.choice([20, 60])], "context": sentence(r) + r.choice(["", sentence(r)])}, o
    if task == "fill-mask":
        m = tokenizer.mask_token
        maybe(r, o, "top_k", lambda: r.choice([1, 3, 20]))
        maybe(r, o, "targets", lambda: r.choice([["the"], " the", ["cat", " cat", "the"], ["zzz", "Rome"], ["Ġthe", "é"], ["the", "the"], "hello world"]), .4)
        maybe(r, o, "tokenizer_kwargs", lambda: {"truncation": True}, .1)
        return {"text": r.choice([f"{sentence(r)} {m} {sentence(r)}", f"{m}{sentence(r)}", f"{m} {sentence(r)} {m}", f"{sentence(r)}{m}"])}, o
    maybe(r, o, "truncation", lambda: True)
    maybe(r, o, "tokenize_kwargs", lambda: {"truncation": True, "max_length": 12}, .2)
    return {"text": sentence(r)}, o


def reference(pipe, task, line, o):
    o = dict(o)
    if task == "question-answering":
        return pipe(question=line["question"], context=line["context"], **o)
    if task == "text-classification" and "text_pair" in line:
        return pipe(dict(line), **o)
    return pipe(line["text"], **o)


def plain(v):
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        return [plain(x) for x in v]
    return v.item() if hasattr(v, "item") else v


def differs(g, w, at=""):
    if isinstance(w, float) or isinstance(g, float):
        return "" if isinstance(g, (int, float)) and isinstance(w, (int, float)) and abs(g - w) <= 1e-5 + 1e-4 * abs(w) else f"{at}: {g} want {w}"
    if isinstance(w, dict) and isinstance(g, list) and len(g) == 1:
        g = g[0]
    if isinstance(g, dict) and isinstance(w, list) and len(w) == 1:
        w = w[0]
    if isinstance(w, dict):
        if not isinstance(g, dict) or set(g) != set(w):
            return f"{at}: {g!r} want {w!r}"
        return next((d for k in w if (d := differs(g[k], w[k], f"{at}.{k}"))), "")
    if isinstance(w, list):
        if not isinstance(g, list) or len(g) != len(w):
            return f"{at}: {g!r} want {w!r}"
        return next((d for i in range(len(w)) if (d := differs(g[i], w[i], f"{at}[{i}]"))), "")
    return "" if g == w else f"{at}: {g!r} want {w!r}"


def mine(worker, where, task, line, o):
    command = [worker, "predict", "--model", where, "--task", task, "--threads", "1", "--cache", where + "/.graphs", "--jsonl"]
    for k, v in o.items():
        command += ["--option", f"{k}={json.dumps(v)}"]
    p = subprocess.run(command, input=json.dumps(line) + "\n", capture_output=True, text=True)
    return (json.loads(p.stdout)["result"], "") if p.returncode == 0 else (None, p.stderr.strip()[-250:])


def main(worker, out, seed, count, only=""):
    hf.logging.set_verbosity_error()
    torch.set_num_threads(1)
    tally, bad = {}, []
    for i in range(int(count)):
        for task in CLASSES:
            if only not in task:
                continue
            r = random.Random(f"{seed}/{i}/{task}")
            where = os.path.join(out, f"{task}_{seed}_{i}")
            what = checkpoint(where, task, r)
            try:
                pipe = hf.pipeline(task, model=where, device="cpu")
            except hf.pipelines.base.PipelineException as e:  # a tokenizer may be without a mask
                print("no pipeline:", where, e)
                continue
            for _ in range(8):
                line, o = job(task, r, pipe.tokenizer)
                t = tally.setdefault(task, [0, 0, 0])
                try:
                    want, failed = plain(reference(pipe, task, line, o)), ""
                    json.dumps(want, allow_nan=False)
                except KeyboardInterrupt:
                    raise
                except BaseException as e:  # Rust's panics, too
                    want, failed = None, f"{type(e).__name__}: {str(e)[:100]}"
                got, error = mine(worker, where, task, line, o)
                t[0] += 1
                if failed:
                    t[2] += 1
                    if not error:
                        bad.append(f"~ {where} {what} {o} {line}: the reference fails ({failed}), here {str(got)[:200]}")
                    continue
                d = error or differs(got, want)
                t[1] += not d
                if d:
                    bad.append(f"{where} {what} {o} {line}: {d}")
    for b in sorted(bad, key=lambda b: b[0] == "~")[:60]:
        print(b[:900])
    for task, (n, ok, failed) in tally.items():
        print(f"{task}: {n} calls, {ok} equal, {failed} fail in the reference")


if __name__ == "__main__":
    main(*sys.argv[1:])
