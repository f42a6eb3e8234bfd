"""Writes typed/, a tokenizer whose second texts have type 1, and types.json: what transformers 4.55.4 says with it and checkpoints of model/golden that have several types.

Run from the repository's root with transformers, torch and tokenizers installed, after make.py: python3 internal/predict/testdata/token_types.py
"""

import json
import os

import torch
import transformers
from transformers import AutoTokenizer, RobertaTokenizerFast

assert transformers.__version__ == "4.55.4", transformers.__version__
transformers.logging.set_verbosity_error()
HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "..", "..", "model", "golden")
TYPED = os.path.join(HERE, "typed")
A, B = "ann lee is in rome.", "the dog is at the end"


def tokenizer():
    doc = json.loads(RobertaTokenizerFast.from_pretrained(os.path.join(HERE, "tokenizer")).backend_tokenizer.to_str())
    special = lambda name, kind: {"SpecialToken": {"id": name, "type_id": kind}}
    text = lambda name, kind: {"Sequence": {"id": name, "type_id": kind}}
    one = [special("<s>", 0), text("A", 0), special("</s>", 0)]
    doc["post_processor"] = {"type": "TemplateProcessing", "single": one, "pair": one + [text("B", 1), special("</s>", 1)],
                             "special_tokens": {k: {"id": k, "ids": [i], "tokens": [k]} for k, i in {"<s>": 0, "</s>": 2}.items()}}
    os.makedirs(TYPED, exist_ok=True)
    with open(os.path.join(TYPED, "tokenizer.json"), "w", encoding="utf-8") as f:
        json.dump(doc, f, ensure_ascii=False)
    with open(os.path.join(TYPED, "tokenizer_config.json"), "w", encoding="utf-8") as f:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 38, "pad_token": "<pad>", "mask_token": "<mask>", "cls_token": "<s>", "sep_token": "</s>"}, f)
    return AutoTokenizer.from_pretrained(TYPED)


def main():
    tok, out = tokenizer(), []

    def add(case, task, inputs, options, run):
        cls = case.split("/")[0]
        model = getattr(transformers, cls).from_pretrained(os.path.join(GOLDEN, case)).eval()
        with torch.no_grad():
            out.append({"case": case, "task": task, "input": inputs, "options": options, "result": run(model)})

    def choices(model):
        e = tok([A, A, A], ["the cat", B, "in"], padding=True, return_tensors="pt")
        assert e["token_type_ids"].sum() > 0
        return model(**{k: v[None] for k, v in e.items()}).logits[0].softmax(-1).tolist()

    def states(text, pair, **options):
        return lambda model: model(**tok(text, pair, return_tensors="pt", **options)).last_hidden_state.tolist()

    add("Data2VecTextForMultipleChoice/base", "multiple-choice", {"prompt": A, "choices": ["the cat", B, "in"]}, {}, choices)
    case = "Data2VecTextModel/padid_types_act"
    add(case, "feature-extraction", {"text": A}, {}, states(A, None))
    add(case, "feature-extraction", {"text": A, "text_pair": "the cat"}, {}, states(A, "the cat"))
    add(case, "feature-extraction", {"text": A, "text_pair": "the cat"}, {"add_special_tokens": False}, states(A, "the cat", add_special_tokens=False))
    add(case, "feature-extraction", {"text": A, "text_pair": B}, {"truncation": True, "max_length": 12}, states(A, B, truncation=True, max_length=12))
    with open(os.path.join(HERE, "types.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(o, ensure_ascii=False) for o in out) + "\n]\n")


main()
