"""Tokenizers of random settings, in every form of directory, and random texts: python sweep_text.py WORKER OUT SEED COUNT.

Each directory is a small Data2VecTextModel with a byte-level vocabulary trained here; `worker predict --preprocess-only` must give the ids
and types of tokens that AutoTokenizer gives.
"""
import json
import os
import random
import shutil
import subprocess
import sys

import numpy as np
import transformers as hf
from safetensors.numpy import load_file
from tokenizers import AddedToken, ByteLevelBPETokenizer

CORPUS = ["the cat's in the hat, isn't it? we're all here; they've gone.", "Ann Lee flew to Rome in 2024, 12,345 miles away!", "der Fluß über die Brücke",
          "naïve café façade", "東京都に行きました。", "Привет, мир", "hello hello world world", "a_b-c/d\\e@f#g", "    four spaces\tand\ta\ttab\n\nlines\n"]
PIECES = ["the", " the", "cat", "'s", "'re", "'S", "n't", " isn't", "Rome", " Rome", "2024", " 12", "½", "²", "٣", "é", "e\u0301", "ß", "日本", "語", "🙂", "👩‍👩‍👧", "\u200d",
          "\u00a0", "\u3000", "\u2003", "\t", "\n", "\r\n", " ", "  ", "   ", "\x00", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffd", "<s>", "</s>", "<pad>", "<unk>", "<mask>", "<mask",
          "[X]", "[XY]", "NEW", "new", "extra", "Ġ", "Ċ", "ĠĠ", ".", ",", "!", "?", "...", "--", "_", "'", "’s", "ﷺ", "ا", "אב", "ก็", "̈", "\U0001d7d8", "Ⅷ", "ǅ", "İ", "ſ", " ,", " .", "'ll", "'m'd"]


def draw_text(r):
    return "".join(r.choice(PIECES) for _ in range(r.choice([0, 1, 2, 5, 12, 40])))


def base(where, r):
    """vocab.json and merges.txt."""
    bpe = ByteLevelBPETokenizer(add_prefix_space=False)
    corpus = r.sample(CORPUS, r.randint(3, len(CORPUS))) * 3
    bpe.train_from_iterator(corpus, vocab_size=r.randint(262, 420), min_frequency=1, show_progress=False,
                            special_tokens=["<s>", "<pad>", "</s>", "<unk>"] + (["<mask>"] if r.random() < .8 else []))
    bpe.save_model(where)


def added(r, content):
    return AddedToken(content, lstrip=r.random() < .4, rstrip=r.random() < .4, single_word=r.random() < .3, normalized=r.random() < .5, special=r.random() < .3)


def directory(where, r):
    """-> what was done, for the report."""
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where + "/base")
    base(where + "/base", r)
    settings = {}
    if r.random() < .4:
        settings["add_prefix_space"] = r.random() < .7
    if r.random() < .3:
        settings["trim_offsets"] = r.random() < .5
    if r.random() < .3:
        settings["truncation_side"] = r.choice(["left", "right"])
    if r.random() < .5:
        settings["model_max_length"] = r.randint(8, 60)
    if r.random() < .2:
        settings["clean_up_tokenization_spaces"] = r.random() < .5
    if r.random() < .15:
        settings["mask_token"] = AddedToken("[X]", lstrip=r.random() < .5, special=True)
    if r.random() < .15:
        settings["unk_token"] = "<s>"
    form = r.choice(["fast", "fast", "slow", "bare", "fast_no_config", "fast_class", "generic", "legacy", "legacy_fast"])
    cls = hf.RobertaTokenizer if form in ("slow", "legacy") else hf.RobertaTokenizerFast
    t = cls.from_pretrained(where + "/base", **({} if form == "bare" else settings))
    if form != "bare" and r.random() < .5:
        t.add_tokens([added(r, c) for c in r.sample(["[XY]", "NEW", "new", "extra", "hat", "é", " the"], r.randint(1, 4))])
    if form != "bare" and r.random() < .3:
        t.add_special_tokens({"additional_special_tokens": [r.choice(["[S]", "日本", "Rome"])]})
    t.save_pretrained(where)
    config = os.path.join(where, "tokenizer_config.json")
    if form == "bare":
        shutil.copy(where + "/base/vocab.json", where)
        shutil.copy(where + "/base/merges.txt", where)
        for f in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
            if os.path.exists(os.path.join(where, f)):
                os.remove(os.path.join(where, f))
    elif form == "fast_no_config":
        os.remove(config)
    elif form in ("legacy", "legacy_fast"):  # as releases before 4.34 wrote it
        with open(config) as f:
            c = json.load(f)
        c.pop("added_tokens_decoder")
        with open(config, "w") as f:
            json.dump(c, f)
    elif form in ("fast_class", "generic"):
        with open(config) as f:
            c = json.load(f)
        c["tokenizer_class"] = "RobertaTokenizer" if form == "fast_class" else "PreTrainedTokenizerFast"
        for k in r.sample(sorted(c), r.randint(0, 3)):
            if k != "tokenizer_class":
                c.pop(k)
        for token in c.get("added_tokens_decoder", {}).values():
            if r.random() < .2:
                token[r.choice(["lstrip", "rstrip", "normalized", "special", "single_word"])] = r.random() < .5
        with open(config, "w") as f:
            json.dump(c, f)
    if form == "fast_class" and r.random() < .5:
        for f in ("vocab.json", "merges.txt"):
            if os.path.exists(os.path.join(where, f)):
                os.remove(os.path.join(where, f))
    if os.path.exists(where + "/tokenizer.json") and r.random() < .25:
        settings["template"] = template(where + "/tokenizer.json", r)
    shutil.rmtree(where + "/base")
    model = hf.Data2VecTextModel(hf.Data2VecTextConfig(vocab_size=600, hidden_size=4, num_hidden_layers=0, num_attention_heads=1, intermediate_size=4, max_position_embeddings=900))
    model.save_pretrained(where)
    return f"{form} {settings}"


def template(path, r):
    """Other special tokens around texts, and around pairs, than RoBERTa's, and types of tokens."""
    with open(path) as f:
        doc = json.load(f)
    ids = {"<s>": doc["model"]["vocab"]["<s>"], "</s>": doc["model"]["vocab"]["</s>"]}
    kind = lambda: r.choice([0, 0, 1])
    special = lambda: [{"SpecialToken": {"id": r.choice(sorted(ids)), "type_id": kind()}} for _ in range(r.randint(0, 2))]
    text = lambda name: [{"Sequence": {"id": name, "type_id": kind()}}]
    doc["post_processor"] = {"type": "TemplateProcessing", "single": special() + text("A") + special(), "pair": special() + text("A") + special() + text("B") + special(),
                             "special_tokens": {k: {"id": k, "ids": [v], "tokens": [k]} for k, v in ids.items()}}
    with open(path, "w") as f:
        json.dump(doc, f)
    return doc["post_processor"]["pair"]


def worker_ids(worker, where, lines, options):
    """-> for each line its ids and, if there are others than 0, the types."""
    out = os.path.join(where, "out.safetensors")
    command = [worker, "predict", "--model", where, "--task", "feature-extraction", "--preprocess-only", "--tensors-out", out, "--jsonl"]
    for k, v in options.items():
        command += ["--option", f"{k}={json.dumps(v)}"]
    p = subprocess.run(command, input="".join(json.dumps(x) + "\n" for x in lines), capture_output=True, text=True)
    if p.returncode:
        return f"exit {p.returncode}: {p.stderr.strip()[-300:]}"
    got = load_file(out)
    of = lambda i, name: got[name if len(lines) == 1 else f"{i}/{name}"][0].tolist()
    return [told(of(i, "input_ids"), of(i, "token_type_ids") if any(k.endswith("token_type_ids") for k in got) else None) for i in range(len(lines))]


def told(ids, types):
    return ids, types if types and any(types) else None


def compare(worker, where, what, r):
    tokenizer = hf.AutoTokenizer.from_pretrained(where)
    bad, n = [], 0
    for options in ({}, {"truncation": True}, {"truncation": True, "max_length": r.randint(6, 30)}):
        limited = min(options.get("max_length", tokenizer.model_max_length), tokenizer.model_max_length) < 9 or "truncation" not in options and True
        lines = [{"text": draw_text(r)} for _ in range(40)]
        if r.random() < .5:
            lines += [{"text": draw_text(r), "text_pair": draw_text(r)} for _ in range(15)]
        want = []
        for x in lines:
            e = tokenizer(x["text"], x.get("text_pair"), **options)
            want.append(told(e["input_ids"], e.get("token_type_ids")))
        got = worker_ids(worker, where, lines, options)
        if isinstance(got, str):
            bad.append(f"{where} {what} {options}: {got}")
            continue
        n += len(lines)
        wrong = [(x, g, w) for x, g, w in zip(lines, got, want) if g != w]
        for x, g, w in wrong[:2]:
            bad.append(f"{where} {what} {options}: {len(wrong)} of {len(lines)}: {x!r}\n   got  {g}\n   want {w}\n   {tokenizer.convert_ids_to_tokens(g[0])}\n   {tokenizer.convert_ids_to_tokens(w[0])}")
    return n, bad


def main(worker, out, seed, count):
    hf.logging.set_verbosity_error()
    total, bad = 0, []
    for i in range(int(count)):
        r = random.Random(f"{seed}/{i}")
        where = os.path.join(out, f"{seed}_{i}")
        what = directory(where, r)
        n, wrong = compare(worker, where, what, r)
        total, bad = total + n, bad + wrong
    print(*(b[:1500] for b in bad[:25]), sep="\n")
    print(f"{count} tokenizers, {total} texts equal or not, {len(bad)} findings")


if __name__ == "__main__":
    main(*sys.argv[1:])
