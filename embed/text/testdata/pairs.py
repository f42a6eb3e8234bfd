#!/usr/bin/env python3
"""Make pairs.json: what transformers 4.55.4 makes of two texts with the tokenizer in base/ (seeded, deterministic).

    python3 pairs.py      # needs transformers==4.55.4

Each case has the texts, the longest sequence, the sides and either a stride (the second text is cut into windows, as question answering does) or none (the longer
gives way first), and for every window ids, and offsets and word numbers of the text that is the object's; null elsewhere.
"""
import json
import pathlib
import random

import transformers

assert transformers.__version__ == "4.55.4", transformers.__version__
HERE = pathlib.Path(__file__).parent
WORDS = "the harbour lights went out one by one, and we're still here; 東京は é 42 naïve … (no) don't  twice \n end".split(" ")


def text(rng, most):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))


def windows(tok, e, count, own):
    out = []
    for i in range(count):
        e_i = e.encodings[i]
        place = [k for k, s in enumerate(e_i.sequence_ids) if s == own]
        out.append({
            "ids": e_i.ids,
            "offsets": [list(e_i.offsets[k]) if k in place else None for k in range(len(e_i.ids))],
            "words": [e_i.word_ids[k] if k in place else None for k in range(len(e_i.ids))],
        })
    return out


def main():
    tok = transformers.AutoTokenizer.from_pretrained(HERE / "base")
    rng, cases = random.Random(7), []
    for i in range(60):
        a, b = text(rng, rng.choice([2, 6, 20])), text(rng, rng.choice([2, 6, 20, 60]))
        most = rng.choice([24, 31, 32])
        case = {"a": a, "b": b, "max": most}
        if not a or not b and i % 2:
            continue  # a text and a question have at least a character
        tok.truncation_side = "left" if i % 3 == 0 else "right"
        case["left"] = i % 3 == 0
        if i % 2:
            question = len(tok(a, add_special_tokens=False)["input_ids"])
            room = most - 4 - question
            if room < 2:
                continue
            case["stride"] = rng.randrange(0, min(room, 8))
            case["behind"] = i % 4 == 1  # padding_side left: the question goes behind
            first, second, cut, own = (b, a, "only_first", 0) if case["behind"] else (a, b, "only_second", 1)
            e = tok(first, second, truncation=cut, max_length=most, stride=case["stride"], return_overflowing_tokens=True)
            case["windows"] = windows(tok, e, len(e["input_ids"]), own)
            if case["left"]:
                case["windows"].reverse()  # ours are in the order of the text
        else:
            e = tok(a, b, truncation=True, max_length=most)
            case["windows"] = windows(tok, e, 1, 0)
        cases.append(case)
    lines = ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases)
    (HERE / "pairs.json").write_text("[\n" + lines + "\n]\n")


main()
