#!/usr/bin/env python3
"""Make truncation.json: what tokenizers 0.21.4 makes of two texts that are too long together, by each of its strategies (seeded, deterministic).

    python3 truncation.py      # needs tokenizers==0.21.4

Each case has the texts, the longest sequence, the strategy, the side that is cut, and the ids; null where the library refuses because nothing would be left of the text that gives way.
"""
import json
import pathlib
import random

import tokenizers

assert tokenizers.__version__ == "0.21.4", tokenizers.__version__
HERE = pathlib.Path(__file__).parent
WORDS = "the harbour lights went out one by one, and we're still here; 東京は é 42 naïve … (no) don't  twice \n end".split(" ")


def text(rng, most):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))


def main():
    tok = tokenizers.Tokenizer.from_file(str(HERE / "base" / "tokenizer.json"))
    rng, cases = random.Random(11), []
    while len(cases) < 90:
        a, b = text(rng, rng.choice([2, 6, 20])), text(rng, rng.choice([2, 6, 20]))
        strategy, left, most = rng.choice(["longest_first", "only_first", "only_second"]), rng.random() < 0.4, rng.choice([12, 24, 32])
        if not a or not b:
            continue
        tok.enable_truncation(most, strategy=strategy, direction="left" if left else "right")
        try:
            ids = tok.encode(a, b).ids
        except Exception as e:  # pyo3's own class
            assert "too short" in str(e), e
            ids = None
        cases.append({"a": a, "b": b, "max": most, "strategy": strategy, "left": left, "ids": ids})
    lines = ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases)
    (HERE / "truncation.json").write_text("[\n" + lines + "\n]\n")


main()
