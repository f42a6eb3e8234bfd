#!/usr/bin/env python3
"""Makes the test vectors of embed/text with the tokenizers library: small tokenizers and what they make of nasty strings.

Needs tokenizers 0.21.4 and transformers 4.55.4. Run it in this directory. It writes base/, prefix/, legacy/, added/ (tokenizers),
vectors.jsonl.gz (per line: variant, text, plain specials, ids, offsets, words), utf8.json (bytes and Python's replacement) and
classes.txt (where the class of characters changes, in hex: L letter, N number, S space, O other).
"""
import gzip
import io
import json
import os
import random
import shutil

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import RobertaTokenizerFast

CORPUS = [
    "The harbour lights went out one by one, and we're still waiting for the boat's bell.", "They'll say it couldn't be done; she'd have done it twice.",
    "In 2019 the river rose 14 cm, in 2020 another 27 cm, and nobody's cellar stayed dry.", "Crème brûlée, naïve café, Übermut, señor, smörgåsbord.",
    "def f(x):\n    return x * 2\n\nprint(f(21))\n", "Привет, мир! Как дела? Хорошо.", "東京は日本の首都です。今日は天気がいい。", "مرحبا بالعالم, كيف حالك؟",
    "👩‍👩‍👧‍👦 family, 👍🏽 thumbs, 🇩🇪 flag", "I've seen the mask that the mayor wore. What's that? It's the town's oldest, isn't it?", "נכון מאוד שלום", "tabs\tand  double  spaces   here",
    "aaaa aaaaaaaa bbbb abab abababab", "...!!! ??? --- === ### $$$ 100% (a) [b] {c}", "हिन्दी में लिखा", "ไทยแลนด์", "한국어 문장입니다",
] * 4

PIECES = [
    "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "’s", "''", "'", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\v", "\f", "\x1c", "\x85", "\xa0", "\xa0\xa0", "\u1680",
    "\u180e", "\u2003", "\u2028", "\u202f", "\u200b", "\u200d", "\u3000", "\ufeff", "\x00", "\x01", "\x7f", "a", "the", "The", "boat", "é", "e\u0301", "ñ", "ß", "ﬁ", "İ", "ı", "ǅ", "ª",
    "1", "42", "²", "½", "Ⅷ", "٣", "४", "〇", "𝟘", "東", "京は", "。", "한", "\u1112\u1161\u11ab", "ع", "مر", "\u0640", "\u0651", "ש", "\u05b0", "ไท", "हि", "न्", "👩", "👩‍👩‍👧", "👍🏽", "🇩🇪",
    "\U0001f3fb", "\ufe0f", "!", "?!", "...", "—", "_", "$", "€", "<", ">", "</", "<s>", "</s>", "<mask>", "<pad>", "<unk>", " <mask>", "<mask> ", "<mas", "<mask", "Ġ", "Ċ", "ĠĠ", "\u0301",
    "\ue000", "\U000e0001", "\U0010ffff", "\ufffd", "\u0378", "\U00010d4a", "\U000116d0", "\U0002ebf0", "foo", "bar", "foobar", "[X]", "<<", "<<<", " w ", "x_y", "Q", "QQ", "Zz",
]

HAND = [
    "", " ", "  ", "\n", " \n", "\n ", "a", " a", "a ", "  a", "a  b", "a   b", "a\n\nb", "a \n b", "a\t\tb", "it's", "it 's", "'s", " 's", "'sx", "''s", "'re'll", "I'M", "don't",
    "Hello world!", "The boat's bell", "<mask>", " <mask>", "  <mask>  ", "a <mask> b", "a<mask>b", "<s>", "a</s>b", "<s><mask></s>", "<mask><mask>", "<mask> <mask>", "<mask", "<<mask>>", "<s>a</s></s>b</s>",
    "\u3000a", "a\u00a0b", "\u00a0\u00a0a", " \u00a0a", "\u00a0 a", "a\u2028b", "\ufeffabc", "\x00\x00a", "1a2b", "a1 b2", " 42", "4 2", "½½", "é", " é", "\u0301", "e\u0301 ", "東京 タワー", "👩‍👩‍👧‍👦", " 👩‍👩‍👧‍👦 ", "مرحبا \u200fabc",
    "foo", "foobar", "xfoo", "foo bar", " foo ", "foo_", "foo.", "éfoo", "\u0301foo", "[X] [X]", " [X]  a", "<<<", "<<", "<<<<<", "a w b", " w  w ", "barfoo", "bar foo", "Q", "aQb", "QQ", "aQQQb",
    "word " * 40, "a" * 200, "ab" * 150, "aaab" * 60, "é" * 90, "👍🏽" * 30, " " * 120, "\n" * 70, "東" * 80, "The boat's bell rang 14 times.\n" * 6,
]


def byte_level_bpe(prefix):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=460, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tok.train_from_iterator(CORPUS, trainer)
    tok.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=prefix)
    tok.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    return tok


def compact(path):
    with open(path) as f:
        doc = json.load(f)
    with open(path, "w") as f:
        json.dump(doc, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


def write(name, files):
    shutil.rmtree(name, ignore_errors=True)
    os.mkdir(name)
    for file, content in files.items():
        with open(f"{name}/{file}", "w") as f:
            f.write(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")


def variants():
    tok = byte_level_bpe(False)
    doc = json.loads(tok.to_str())
    config = {"tokenizer_class": "RobertaTokenizer", "model_max_length": 32, "add_prefix_space": False, "trim_offsets": True, "pad_token": "<pad>"}
    write("base", {"tokenizer.json": doc, "tokenizer_config.json": config})
    yield "base", RobertaTokenizerFast.from_pretrained("base")

    write("prefix", {"tokenizer.json": doc, "tokenizer_config.json": dict(config, add_prefix_space=True)})
    yield "prefix", RobertaTokenizerFast.from_pretrained("prefix")

    merges = "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in doc["model"]["merges"])
    write("legacy", {"vocab.json": doc["model"]["vocab"], "merges.txt": merges})
    yield "legacy", RobertaTokenizerFast.from_pretrained("legacy")

    # everything that the format can say and RoBERTa does not: merges as strings, a template, tokens of every kind, unknown bytes
    rare = json.loads(tok.to_str())
    rare["model"]["merges"] = [" ".join(m) for m in rare["model"]["merges"] if "Q" not in "".join(m)]
    rare["model"]["vocab"].pop("Q")
    rare["model"].update(unk_token="<unk>", fuse_unk=True, ignore_merges=True)
    rare["pre_tokenizer"]["add_prefix_space"] = True
    rare["post_processor"] = {
        "type": "Sequence",
        "processors": [
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}},
            },
        ],
    }
    top = max(a["id"] for a in rare["added_tokens"])
    more = [("foo", dict(single_word=True)), ("foobar", dict(normalized=True)), ("[X]", dict(rstrip=True)), ("<<", dict(lstrip=True, rstrip=True, special=True)), ("<<<", dict()), (" w ", dict(normalized=True)), ("東", dict())]
    for i, (content, flags) in enumerate(more):
        a = dict(id=top + 1 + i, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
        rare["added_tokens"].append(dict(a, **flags))
    write("added", {"tokenizer.json": rare, "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": True}})  # nothing wins over it
    yield "added", Tokenizer.from_file("added/tokenizer.json")


def encode(tok, text, plain):
    if isinstance(tok, Tokenizer):
        tok.encode_special_tokens = plain
        e = tok.encode(text)
        return e.ids, e.offsets, e.word_ids
    e = tok(text, return_offsets_mapping=True, split_special_tokens=plain)
    return e["input_ids"], e["offset_mapping"], e.word_ids()


def classes():
    p = pre_tokenizers.ByteLevel(add_prefix_space=False)
    last = None
    for c in range(0x110000):
        kind = "-"
        if not 0xD800 <= c < 0xE000:
            kind = next((k for k, lead in zip("LNO", "a1!") if len(p.pre_tokenize_str(lead + chr(c))) == 1), "S")
        if kind != last:
            yield f"{c:x} {kind}\n"
        last = kind


def main():
    rng = random.Random(20)
    with gzip.GzipFile("vectors.jsonl.gz", "wb", mtime=0) as z, io.TextIOWrapper(z, "ascii") as f:
        for name, tok in variants():
            texts = HAND + ["".join(rng.choice(PIECES) for _ in range(rng.randint(1, 9))) for _ in range(500 if name == "base" else 300)]
            texts += ["".join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)])) for _ in range(rng.randint(1, 6))) for _ in range(60)]
            for text in texts:
                for plain in (False, True) if "<" in text and len(text) < 40 else (False,):
                    ids, offsets, words = encode(tok, text, plain)
                    words = [-1 if w is None else w for w in words]
                    json.dump({"v": name, "t": text, "p": plain, "i": ids, "o": [x for o in offsets for x in o], "w": words}, f, ensure_ascii=True, separators=(",", ":"))
                    f.write("\n")
    raw = [b"\xff", b"a\x80b", b"\xe2\x82", b"\xe2\x82a", b"\xf0\x9f\x91", b"\xf0\x9f", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xe0\x80\x80", b"\xf5\x80", b"\xc2", b"\xe2\x82\xac\xe2\x82"]
    pool = [0x41, 0x80, 0xBF, 0xC2, 0xE0, 0xE2, 0x82, 0xED, 0xA0, 0xF0, 0x90, 0x9F, 0xF4, 0x8F, 0xFF]
    raw += [bytes(rng.choice(pool) for _ in range(rng.randint(1, 7))) for _ in range(300)]
    with open("utf8.json", "w") as f:
        json.dump([[b.hex(), b.decode("utf-8", "replace")] for b in raw], f, separators=(",", ":"))
        f.write("\n")
    with open("classes.txt", "w") as f:
        f.writelines(classes())


main()
