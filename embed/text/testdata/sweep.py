#!/usr/bin/env python3
"""Random tokenizers and random texts, and what the tokenizers library makes of them, for TestRandomTextsEncodeAsTheReference.

    python3 sweep.py DIR TEXTS SEED      # then: VECMILL_TOKEN_SWEEP=DIR go test ./embed/text -run Random

Needs tokenizers 0.21.4. Each of 12 tokenizers is base/ with random added tokens (every flag), prefix space and trimming. Each text is encoded whole, with special tokens read as
such or as text, in windows with a stride, and as a pair cut longest first. The committed sweep/ is DIR of 600 texts and seed 1.
"""
import gzip
import json
import os
import random
import sys

from tokenizers import Tokenizer

PIECES = [
    "'s", "'t", "'re", "'ve", "'ll", "’s", "''", "'", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\v", "\f", "\x1c", "\x85", "\xa0", "\xa0\xa0", "\xa0\xa0\xa0", "\u1680", "\u180e", "\u2003",
    "\u2028", "\u202f", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069", "\u061c", "\u3000", "\ufeff", "\x00", "\x01", "\x07", "\x7f", "\x9f", "a", "the",
    "boat", "The boat's bell", "é", "e\u0301", "o\u0308\u0323", "\u0301\u0301", "ñ", "ß", "ﬁ", "İ", "ǅ", "ª", "1", "42", "3.14", "²", "½", "Ⅷ", "٣", "४", "〇", "𝟘", "東", "京は", "한", "\u1112\u1161\u11ab",
    "مرحبا", "\u0640", "\u0651", "שלום", "\u05b0", "ไท", "हि", "न्", "👩", "👩‍👩‍👧‍👦", "👩🏽‍💻", "👍🏽", "🇩🇪", "🏴\U000e0067\U000e0062\U000e007f", "\u20e3", "1\ufe0f\u20e3", "\U0001f3fb", "\ufe0f", "!", "?!", "...", "—", "_", "$", "€",
    "<", ">", "</", "<s>", "</s>", "<mask>", "<pad>", "<unk>", " <mask>", "<mask> ", " \xa0<mask>", "\u200b<mask>", "<mas", "Ġ", "Ċ", "\ue000", "\U000e0001", "\U0010ffff", "\ufffd", "\ufffe", "\u0378", "\U00010d4a",
    "aaaa" * 12, "ab" * 40, "é" * 50, "👍🏽" * 9, "=" * 70, " " * 40,
]
CONTENTS = ["foo", "foobar", "bar", "[X]", "<<", "<<<", " w ", "w", "東", "é", "👍", "[ENT]", "\n", "a b", "_", "1", "'s", "the", "ab"]


def pick(rng):
    kind = rng.random()
    if kind < 0.7:
        return "".join(rng.choice(PIECES + CONTENTS) for _ in range(rng.randint(1, 14)))
    if kind < 0.9:
        blocks = [(0x20, 0x7F), (0xA0, 0x24F), (0x300, 0x36F), (0x590, 0x6FF), (0x900, 0xDFF), (0x2000, 0x206F), (0x3000, 0x30FF), (0x1F300, 0x1FAFF), (0xE000, 0xE010), (0x10000, 0x10FFFF)]
        out = []
        for _ in range(rng.randint(1, 20)):
            low, high = rng.choice(blocks)
            out.append(chr(rng.randrange(low, high)))
        return "".join(out)
    return "".join(chr(c) for c in (rng.randrange(0x110000) for _ in range(rng.randint(1, 8))) if not 0xD800 <= c < 0xE000) or "x"


def make(base, rng):
    doc = json.loads(json.dumps(base))
    prefix, trim = rng.random() < 0.4, rng.random() < 0.7
    doc["pre_tokenizer"]["add_prefix_space"] = prefix
    doc["post_processor"].update(add_prefix_space=prefix, trim_offsets=trim)
    top = max(a["id"] for a in doc["added_tokens"])
    taken = set(doc["model"]["vocab"])
    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    for content in rng.sample(CONTENTS, rng.randint(0, 8)):
        if content not in taken:
            top += 1
            doc["added_tokens"].append(dict({f: rng.random() < 0.4 for f in flags}, id=top, content=content))
    return doc, {"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": prefix, "model_max_length": 4096}


def main(where, count, seed):
    rng = random.Random(seed)
    base = json.load(open("base/tokenizer.json"))
    os.makedirs(where, exist_ok=True)
    out = gzip.GzipFile(f"{where}/vectors.jsonl.gz", "wb", mtime=0)
    for k in range(12):
        doc, config = make(base, rng)
        os.makedirs(f"{where}/{k}", exist_ok=True)
        for name, value in (("tokenizer.json", doc), ("tokenizer_config.json", config)):
            with open(f"{where}/{k}/{name}", "w") as f:
                json.dump(value, f, ensure_ascii=False, separators=(",", ":"))
        tok = Tokenizer.from_file(f"{where}/{k}/tokenizer.json")
        for _ in range(count // 12):
            text, other = pick(rng), pick(rng)
            v = {"v": str(k), "t": text, "p": rng.random() < 0.25, "u": other}
            try:  # some texts make the library panic: tokens that overlap
                tok.no_truncation()
                tok.encode(text), tok.encode(other)
            except BaseException:
                continue
            tok.encode_special_tokens = v["p"]
            e = tok.encode(text)
            v["i"], v["o"] = e.ids, [x for o in e.offsets for x in o]
            v["w"] = [-1 if w is None else w for w in e.word_ids]
            v["m"] = rng.randint(6, 24)
            v["s"] = rng.randint(0, v["m"] - 4)
            tok.enable_truncation(v["m"], stride=v["s"])
            e = tok.encode(text)
            v["windows"] = [e.ids] + [w.ids for w in e.overflowing]
            tok.enable_truncation(v["m"])
            v["pair"] = tok.encode(text, other).ids
            out.write((json.dumps(v, separators=(",", ":")) + "\n").encode())
    out.close()


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
