"""Cases for embed/beam: random alphabets, language models and logits, decoded by pyctcdecode 0.5.0 with kenlm 0.3.0 (numpy 1.26).

    python tools/golden/beams.py OUT BUILD_BINARY SEED COUNT [LARGEST]

BUILD_BINARY is KenLM's program of that name. LARGEST bounds the number of frames (30, what is committed; 150 for a sweep).
Each case is a directory in the layout of a checkpoint with a language model, with logits.f32 and case.json. Logits without ties only:
there the last bit of numpy's exp decides, which differs between processors.
"""

import gzip
import json
import logging
import os
import random
import shutil
import subprocess
import sys

import kenlm
import numpy as np
from pyctcdecode.alphabet import Alphabet
from pyctcdecode.decoder import BeamSearchDecoderCTC
from pyctcdecode.language_model import LanguageModel

KINDS = {
    "arpa": None,
    "gz": None,
    "probing": lambda r: ["-p", str(r.choice([1.2, 1.5, 3.0])), "probing"],
    "trie": lambda r: ["trie"],
    "quantised": lambda r: ["-q", str(r.randint(2, 9)), "-b", str(r.randint(2, 9)), "trie"],
    "array": lambda r: ["-a", str(r.choice([1, 3, 22, 64])), "trie"],
    "quantised array": lambda r: ["-q", "8", "-b", "8", "-a", "22", "trie"],
}


def labels(r):
    style = r.choice(["characters", "pieces", "hashes"])
    if style == "characters":
        out = ["<pad>", "<s>", "</s>", "<unk>", "|"] + list("abcdefghijklmnopqrstuvwxyz'"[: r.randint(3, 27)]) + r.choice([[], ["é", "ß", "你"]])
    elif style == "pieces":
        out = ["<pad>", "<unk>", "▁"] + ["▁" + x for x in "abcdefgh"] + list("abcdefgh") + ["▁ab", "cd", "▁the", "ing"]
        out = out[: r.randint(8, len(out))]
    else:
        out = ["[PAD]", "[UNK]"] + list("abcdefgh") + ["##" + x for x in "abcdefgh"] + ["the", "##ing"]
    if style != "hashes" and r.random() < 0.4:
        r.shuffle(out)
    return style, Alphabet.build_alphabet(out)


def write_arpa(path, words, order, r):
    """A random model; now and then a suffix is missing that KenLM must put back, or <unk>."""
    grams = [{}]
    for w in ["<unk>", "<s>", "</s>"] + words:
        if w != "<unk>" or r.random() < 0.7:
            grams[0][(w,)] = (-99.0 if w == "<s>" else round(-r.random() * 4 - 0.2, 4), round(-r.random() * 1.2, 4))
    for n in range(2, order + 1):
        found = {}
        for context in [c for c in grams[-1] if c[-1] != "</s>" and "<unk>" not in c]:
            for w in words + ["</s>"]:
                if r.random() < 0.35 and (n == 2 or context[1:] + (w,) in grams[-1] or r.random() < 0.02):
                    found[context + (w,)] = (round(-r.random() * 3 - 0.01, 4), r.choice([0.0, round(-r.random(), 4)]))
            if len(found) > 400:
                break
        grams.append(found or {next(iter(grams[-1])) + (words[0],): (-1.0, 0.0)})
    with open(path, "w") as f:
        f.write("\\data\\\n" + "".join(f"ngram {n + 1}={len(g)}\n" for n, g in enumerate(grams)))
        for n, g in enumerate(grams):
            f.write(f"\n\\{n + 1}-grams:\n")
            for key, (p, b) in g.items():
                back = f"\t{b}" if n + 1 < order and key[-1] != "</s>" and (b or r.random() < 0.5) else ""
                f.write(f"{p}\t{' '.join(key)}{back}\n")
        f.write("\n\\end\\\n")


def language_model(d, words, r, build):
    """Writes language_model and gives it as the reference has it, or None where KenLM refuses the random model."""
    arpa = d + "/lm.arpa"
    write_arpa(arpa, words, r.choice([2, 2, 3, 3, 4, 5]), r)
    kind, path = r.choice(list(KINDS)), arpa
    if KINDS[kind]:
        path = d + "/lm.bin"
        args = KINDS[kind](r)
        if subprocess.run([build] + args[:-1] + ["-T", d + "/tmp", args[-1], arpa, path], capture_output=True).returncode:
            return None, None
    try:
        model = kenlm.Model(path)
    except OSError:
        return None, None
    known = r.choice([[], words, words[: len(words) // 2] + ["zzz"]])
    lm = LanguageModel(
        model, known, alpha=r.choice([0.5, 0.9, 0.0]), beta=r.choice([1.5, 0.3, -1.0]),
        unk_score_offset=r.choice([-10.0, -3.0, 0.0]), score_boundary=r.random() < 0.7,
    )
    out = d + "/language_model"
    os.makedirs(out)
    if kind == "gz":
        with gzip.GzipFile(out + "/lm.arpa.gz", "wb", mtime=0) as z:
            z.write(open(path, "rb").read())
    else:
        shutil.copy(path, out)
    with open(out + "/attrs.json", "w") as f:
        json.dump(lm.serializable_attrs, f)
    with open(out + "/unigrams.txt", "w") as f:
        f.write("".join(u + "\n" for u in sorted(set(known))))
    for leftover in {arpa, path}:
        os.remove(leftover)
    return kind, lm


def options(words, r):
    out = {"beam_width": r.choice([1, 2, 5, 20, 30, 30, 60])}
    if r.random() < 0.3:
        out["beam_prune_logp"] = r.choice([-3.0, -20.0, -50.0])
    if r.random() < 0.3:
        out["token_min_logp"] = r.choice([-2.0, -8.0, -30.0])
    if r.random() < 0.3:
        out["prune_history"] = True
    if r.random() < 0.4:
        out["hotwords"] = [r.choice(words) for _ in range(r.randint(1, 4))] + r.choice([[], ["  foo " + words[0]], [""]])
        if r.random() < 0.5:
            out["hotword_weight"] = r.choice([1.0, 5.0, -3.0])
    return out


def case(d, build, largest, r, numbers):
    style, alphabet = labels(r)
    atoms = [a.strip("▁") for a in alphabet.labels if a not in ("", " ", "⁇", "▁⁇▁") and a[:1] not in "<["]
    atoms = [a for a in atoms if a] or ["a"]
    words = sorted({"".join(r.choice(atoms) for _ in range(r.randint(1, 5))) for _ in range(r.randint(5, 20))})
    kind, lm = "none", None
    if r.random() < 0.8:
        kind, lm = language_model(d, words, r, build)
        if lm is None:
            return False
    with open(d + "/alphabet.json", "w") as f:
        f.write(alphabet.dumps())
    rows, width = r.choice([1, 5, largest // 2, largest]), len(alphabet.labels)
    logits = (numbers.randn(rows, width) * r.choice([0.5, 2, 4, 8])).astype(np.float32)
    if r.random() < 0.5:
        logits[:, alphabet.labels.index("")] += r.choice([1, 3])
    if r.random() < 0.1:
        logits = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    logits.tofile(d + "/logits.f32")
    opts = options(words, r)
    beams = BeamSearchDecoderCTC(alphabet, lm).decode_beams(logits, **opts)
    sentences = []
    if lm is not None:
        for _ in range(5):
            s = " ".join(r.choice(words + ["oov"]) for _ in range(r.randint(0, 7)))
            sentences.append([s, lm._kenlm_model.score(s)])
    rows = [[b[0], [[w, int(s), int(e)] for w, (s, e) in b[2]], float(b[3]), float(b[4])] for b in beams[:10]]
    with open(d + "/case.json", "w") as f:
        json.dump({"kind": kind, "style": style, "options": opts, "count": len(beams), "beams": rows, "sentences": sentences}, f, ensure_ascii=False)
    return True


def main():
    logging.disable(logging.CRITICAL)
    out, build, seed, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    largest = int(sys.argv[5]) if len(sys.argv) > 5 else 30
    r, numbers = random.Random(seed), np.random.RandomState(seed)
    for i in range(count):
        d = f"{out}/c{i:03d}"
        shutil.rmtree(d, ignore_errors=True)
        os.makedirs(d)
        if not case(d, build, largest, r, numbers):
            shutil.rmtree(d)


main()
