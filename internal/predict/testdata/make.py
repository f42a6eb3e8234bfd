"""Writes pipelines.json: what the pipelines of transformers 4.55.4 say with the checkpoints of model/testdata/golden and the tokenizer here.

Run from the repository's root with transformers, torch and tokenizers installed: python3 internal/predict/testdata/make.py
"""

import json
import os
import shutil
import string
import tempfile
import warnings

from transformers import AutoConfig, RobertaTokenizerFast, pipeline
import transformers

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "..", "..", "model", "testdata", "golden")
TOKENIZER = os.path.join(HERE, "tokenizer")

TEXTS = ["ann lee is in rome.", "the cat, the dog", "the <mask> of the sea"]
LONG = "the cat is in the sea, ann lee is in rome. the dog is at the end of the sea"
QUESTION, CONTEXT = "the cat", "ann lee is in rome. the dog is at the end"


def tokenizer():
    """A byte-level vocabulary of 60 tokens: the size of the checkpoints'."""
    merges = ["Ġ t", "h e", "Ġt he", "Ġ i", "i n", "Ġi n", "Ġi s", "s e", "Ġ se", "Ġse a", "r o"]
    tokens = ["<s>", "<pad>", "</s>", "<unk>"] + list(string.ascii_lowercase) + ["Ġ", ".", ","] + [m.replace(" ", "") for m in merges]
    tokens += [f"<extra{i}>" for i in range(59 - len(tokens))] + ["<mask>"]
    os.makedirs(TOKENIZER, exist_ok=True)
    with open(os.path.join(TOKENIZER, "vocab.json"), "w", encoding="utf-8") as f:
        json.dump({t: i for i, t in enumerate(tokens)}, f, ensure_ascii=False)
    with open(os.path.join(TOKENIZER, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "\n".join(merges) + "\n")
    with open(os.path.join(TOKENIZER, "tokenizer_config.json"), "w", encoding="utf-8") as f:
        json.dump({"tokenizer_class": "RobertaTokenizer", "model_max_length": 38, "clean_up_tokenization_spaces": False}, f)


def jobs():
    for text in TEXTS[:2]:
        for strategy in ("none", "simple", "first", "average", "max"):
            yield "Data2VecTextForTokenClassification", "token-classification", {"text": text}, {"aggregation_strategy": strategy}
    for strategy in ("simple", "first"):
        yield "Data2VecTextForTokenClassification", "token-classification", {"text": LONG}, {"aggregation_strategy": strategy, "stride": 10, "ignore_labels": []}
    yield "Data2VecTextForTokenClassification", "token-classification", {"text": LONG}, {}
    yield "Data2VecTextForMaskedLM", "fill-mask", {"text": TEXTS[2]}, {}
    yield "Data2VecTextForMaskedLM", "fill-mask", {"text": TEXTS[2]}, {"top_k": 2, "targets": [" the", "a", "rome"]}
    yield "Data2VecTextForMaskedLM", "fill-mask", {"text": "<mask> cat <mask>"}, {"top_k": 1}
    for o in ({}, {"top_k": 3}, {"top_k": 3, "align_to_words": False}, {"handle_impossible_answer": True, "top_k": 4}, {"max_seq_len": 24, "doc_stride": 4, "top_k": 3, "max_answer_len": 4}):
        yield "Data2VecTextForQuestionAnswering", "question-answering", {"question": QUESTION, "context": CONTEXT}, o
    for o in ({}, {"top_k": None}, {"top_k": 2, "function_to_apply": "sigmoid"}):
        yield "Data2VecTextForSequenceClassification", "text-classification", {"text": TEXTS[0]}, o
    yield "Data2VecTextForSequenceClassification", "text-classification", {"text": TEXTS[0], "text_pair": TEXTS[1]}, {"top_k": None}
    yield "Data2VecTextForCausalLM", "text-generation", {"text": TEXTS[0]}, {"max_new_tokens": 8, "do_sample": False}
    yield "Data2VecTextModel", "feature-extraction", {"text": "a cat"}, {}


def plain(v):
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        return [plain(x) for x in v]
    return v.item() if hasattr(v, "item") else v


def main():
    tokenizer()
    out, pipes = [], {}
    for cls, task, inputs, options in jobs():
        if cls not in pipes:
            d = tempfile.mkdtemp()
            for f in ("config.json", "model.safetensors"):
                shutil.copy(os.path.join(GOLDEN, cls, "base", f), d)
            tok = RobertaTokenizerFast.from_pretrained(TOKENIZER, model_max_length=38)
            model = getattr(transformers, cls).from_pretrained(d).eval()
            pipes[cls] = pipeline(task, model=model, tokenizer=tok, device="cpu")
        pipe = pipes[cls]
        if task == "question-answering":
            result = pipe(**inputs, **options)
        elif "text_pair" in inputs:
            result = pipe(inputs, **options)
        else:
            result = pipe(inputs["text"], **options)
        out.append({"class": cls, "task": task, "input": inputs, "options": options, "result": plain(result)})
    with open(os.path.join(HERE, "pipelines.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(o, ensure_ascii=False) for o in out) + "\n]\n")


main()
