#!/usr/bin/env python3
"""Make types.json: the token types that transformers 4.55.4 gives a model, by tokenizers of base/ with other post-processors and configurations (deterministic).

    python3 token_types.py      # needs transformers==4.55.4

Each case has what is changed of base/, one text or two, whether special tokens go around them, the ids, and the types; null where the tokenizer does not list them among the model's inputs.
"""
import json
import pathlib
import tempfile

import transformers

assert transformers.__version__ == "4.55.4", transformers.__version__
HERE = pathlib.Path(__file__).parent
TEXTS = [["The harbour lights", None], ["The harbour lights", "went out one by one"]]
KEEP = "keep"


def template(one, two):
    """Parts like A:1 or <s>:0."""
    def part(word):
        name, kind = word.rsplit(":", 1)
        return {"Sequence" if name in "AB" else "SpecialToken": {"id": name, "type_id": int(kind)}}
    return {"type": "TemplateProcessing", "single": [part(w) for w in one.split()], "pair": [part(w) for w in two.split()],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}}


BERT = template("<s>:0 A:0 </s>:0", "<s>:0 A:0 </s>:0 B:1 </s>:1")
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
FAST, ROBERTA = {"tokenizer_class": "PreTrainedTokenizerFast"}, {"tokenizer_class": "RobertaTokenizer"}
NAMED = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
CASES = [
    (FAST, BERT), (FAST, template("A:1", "<s>:1 A:0 </s>:0 </s>:1 B:1 </s>:0")), (FAST, template("<s>:0 A:0", "A:0 B:0")),
    (FAST, KEEP), (FAST, None), (FAST, BYTES), (FAST, {"type": "Sequence", "processors": [BYTES, BERT]}),
    (FAST | {"model_input_names": ["input_ids", "attention_mask"]}, BERT), (FAST | NAMED, BERT),
    (ROBERTA, BERT), (ROBERTA, KEEP), (ROBERTA | NAMED, BERT), (ROBERTA | NAMED, KEEP),
    ({"tokenizer_class": "GPT2Tokenizer"}, BERT), ({"tokenizer_class": "LongformerTokenizerFast"}, BERT),
]


def main():
    cases = []
    for config, post in CASES:
        with tempfile.TemporaryDirectory() as where:
            doc = json.loads((HERE / "base" / "tokenizer.json").read_text())
            if post != KEEP:
                doc["post_processor"] = post
            (pathlib.Path(where) / "tokenizer.json").write_text(json.dumps(doc))
            (pathlib.Path(where) / "tokenizer_config.json").write_text(json.dumps(config))
            tok = transformers.AutoTokenizer.from_pretrained(where)
            for a, b in TEXTS:
                for special in (True, False):
                    e = tok(a, b, add_special_tokens=special)
                    cases.append({"config": config, "post_processor": doc["post_processor"], "a": a, "b": b, "special": special, "ids": e["input_ids"], "types": e.get("token_type_ids")})
    lines = ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases)
    (HERE / "types.json").write_text("[\n" + lines + "\n]\n")


main()
