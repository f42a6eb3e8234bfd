#!/usr/bin/env python3
"""Make testdata/ctc: CTC tokenizers as transformers 4.55.4 saves them, and what they decode (seeded, deterministic).

    python3 make.py      # needs transformers==4.55.4 and numpy

Each directory holds a tokenizer's files and cases.json: sequences of ids with options and the reference's text, character and word offsets.
Sequences are random walks that stay on a token with some probability, so that repeats, blanks between repeats and runs of delimiters all occur.
"""
import json
import pathlib
import shutil

import numpy as np
import transformers
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2PhonemeCTCTokenizer

assert transformers.__version__ == "4.55.4", transformers.__version__
HERE = pathlib.Path(__file__).parent / "ctc"

LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|"] + list("ETAONIHSRDLUMWCFGYPBVK'XJQZ")
PUNCTUATED = ["<pad>", "<s>", "</s>", "<unk>", "|"] + list("abcdntsemvr'.,?!")
PHONES = ["<pad>", "<s>", "</s>", "<unk>", "|", "m", "ɪ", "s", "t", "ɚ", "aɪ", "tʃ", "ə", "n", ".", "'"]
GREEK = ["[blank]", "[unk]", "_"] + list("ΑΒΓΔΕΣΤΟΛΙ") + ["ΤΣ", "İ"]

TOKENIZERS = {
    "plain": (LETTERS, {}),
    "clean-up": (PUNCTUATED, {"clean_up_tokenization_spaces": True}),
    "lower-case": (GREEK, {"do_lower_case": True, "pad_token": "[blank]", "unk_token": "[unk]", "word_delimiter_token": "_",
                           "bos_token": "[unk]", "eos_token": "[unk]"}),
    "other-space": (LETTERS, {"replace_word_delimiter_char": "~", "additional_special_tokens": ["X"]}),
    "no-delimiter": (LETTERS + [" "], {"word_delimiter_token": None}),
    "phones": (PHONES, {"do_phonemize": False, "clean_up_tokenization_spaces": True}),
    "phones-of-words": (PHONES, {"do_phonemize": False, "word_delimiter_token": "|"}),
}
OPTIONS = [
    {},
    {"skip_special_tokens": True},
    {"group_tokens": False},
    {"spaces_between_special_tokens": True},
]


def walk(rng, vocab, n, specials):
    """Ids with a blank or the same token often, a delimiter sometimes, a special token rarely."""
    ids, at = [], 0
    delimiter = 2 if "_" in vocab else 4
    for _ in range(n):
        r = rng.random()
        if r < 0.45:
            pass  # stay
        elif r < 0.65:
            at = 0
        elif r < 0.78:
            at = delimiter
        elif r < 0.82 and specials:
            at = int(rng.integers(0, delimiter))
        else:
            at = int(rng.integers(delimiter + 1, len(vocab)))
        ids.append(at)
    return ids


def plain(offsets, key):
    return [[o[key], int(o["start_offset"]), int(o["end_offset"])] for o in offsets]


def written(tok, ids, options):
    got = tok.decode(ids, output_char_offsets=True, output_word_offsets=True, **options)
    return {"text": got.text, "chars": plain(got.char_offsets, "char"), "words": plain(got.word_offsets, "word")}


def spoken(tok, ids, options):
    """Of phones, which are words here, too; the class fails where there is no token."""
    if "skip_special_tokens" in options and set(ids) <= set(tok.all_special_ids) or not ids:
        return {"text": "", "chars": [], "words": []}
    got = tok.decode(ids, output_char_offsets=True, **options)
    chars = plain(got.char_offsets, "char")
    return {"text": got.text, "chars": chars, "words": chars}


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    rng = np.random.default_rng(20261123)
    for name, (vocab, kwargs) in TOKENIZERS.items():
        where = HERE / name
        where.mkdir(parents=True)
        (where / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(vocab)}), encoding="utf-8")
        phones = "do_phonemize" in kwargs
        cls = Wav2Vec2PhonemeCTCTokenizer if phones else Wav2Vec2CTCTokenizer
        tok = cls(str(where / "vocab.json"), **kwargs)
        tok.save_pretrained(where)
        (where / "added_tokens.json").unlink(missing_ok=True)
        tok = cls.from_pretrained(where)
        sequences = [[], [0, 0, 0], [4, 4, 0, 4], [5, 5, 0, 5, 5], [len(vocab) + 40, 5]]
        sequences += [walk(rng, vocab, int(rng.integers(3, 70)), k % 2) for k in range(12)]
        cases = []
        for ids in sequences:
            for options in OPTIONS:
                case = {"ids": ids, "options": options}
                cases.append(case | (spoken(tok, ids, options) if phones else written(tok, ids, options)))
        lines = ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases)
        (where / "cases.json").write_text("[\n" + lines + "\n]\n", encoding="utf-8")


main()
