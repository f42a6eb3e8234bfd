"""Writes pipelines.json: what the pipelines of transformers 4.55.4 say with the checkpoints of model/golden and the tokenizer here.

Run from the repository's root with transformers, torch and tokenizers installed: python3 internal/predict/testdata/make.py
"""

import copy
import json
import os
import string
import types
import warnings

from transformers import RobertaTokenizerFast, pipeline
import transformers

import examples

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
    for strategy in ("simple", "FIRST"):
        yield "Data2VecTextForTokenClassification", "token-classification", {"text": LONG}, {"aggregation_strategy": strategy, "stride": 10, "ignore_labels": []}
    yield "Data2VecTextForTokenClassification", "token-classification", {"text": LONG}, {}
    words = {"words": ["ann", "lee", "is,", "", "in", "the sea", "."]}
    for o in ({}, {"aggregation_strategy": "first", "delimiter": ""}, {"aggregation_strategy": "simple", "delimiter": " - "}):
        yield "Data2VecTextForTokenClassification", "token-classification", words, {"is_split_into_words": True} | o
    yield "Data2VecTextForMaskedLM", "fill-mask", {"text": TEXTS[2]}, {}
    yield "Data2VecTextForMaskedLM", "fill-mask", {"text": TEXTS[2]}, {"top_k": 2, "targets": [" the", "a", "rome"]}
    yield "Data2VecTextForMaskedLM", "fill-mask", {"text": "<mask> cat <mask>"}, {"top_k": 1}
    for o in ({}, {"top_k": 3}, {"top_k": 3, "align_to_words": False}, {"handle_impossible_answer": True, "top_k": 4}, {"max_seq_len": 24, "doc_stride": 4, "top_k": 3, "max_answer_len": 4}):
        yield "Data2VecTextForQuestionAnswering", "question-answering", {"question": QUESTION, "context": CONTEXT}, o
    for o in ({}, {"top_k": None}, {"top_k": 2, "function_to_apply": "Sigmoid"}):
        yield "Data2VecTextForSequenceClassification", "text-classification", {"text": TEXTS[0]}, o
    yield "Data2VecTextForSequenceClassification", "text-classification", {"text": TEXTS[0], "text_pair": TEXTS[1]}, {"top_k": None}
    for o in (
        {"truncation": True, "max_length": 9, "top_k": None}, {"max_length": 9, "top_k": None}, {"max_length": 9, "padding": True, "top_k": None},
        {"add_special_tokens": False}, {"return_all_scores": True}, {"return_all_scores": False}, {"padding": "max_length"},
    ):
        yield "Data2VecTextForSequenceClassification", "text-classification", {"text": TEXTS[0]}, o
    for truncation in (True, "only_first", "only_second", "longest_first"):
        o = {"truncation": truncation, "max_length": 28, "top_k": None}
        yield "Data2VecTextForSequenceClassification", "text-classification", {"text": TEXTS[0], "text_pair": TEXTS[0]}, o
    yield "Data2VecTextForMaskedLM", "fill-mask", {"text": TEXTS[2]}, {"tokenizer_kwargs": {"truncation": True, "max_length": 6}, "targets": "rome"}
    for o in ({"grouped_entities": True}, {"grouped_entities": True, "ignore_subwords": True}, {"grouped_entities": False}, {"ignore_subwords": True}):
        yield "Data2VecTextForTokenClassification", "token-classification", {"text": TEXTS[0]}, o
    yield "Data2VecTextForQuestionAnswering", "question-answering", {"question": QUESTION, "context": CONTEXT}, {"topk": 2, "padding": "max_length", "max_question_len": 3}
    yield "Data2VecTextModel", "feature-extraction", {"text": "a cat"}, {"truncation": True, "tokenize_kwargs": {"max_length": 4}}
    yield "Data2VecTextModel", "feature-extraction", {"text": "a cat"}, {"tokenize_kwargs": {"max_length": 10, "padding": "max_length"}}
    for o in generations():
        yield "Data2VecTextForCausalLM", "text-generation", {"text": TEXTS[0]}, {"do_sample": False, "max_new_tokens": 8} | o
        yield "Data2VecTextForCausalLM", "text-generation", {"text": "a cat"}, {"do_sample": False, "max_new_tokens": 12, "return_tensors": True} | o
    yield "Data2VecTextModel", "feature-extraction", {"text": "a cat"}, {}


def generations():
    """Options of text-generation without chance. hf_positions is ours: without it the model counts positions itself, as it does outside generate()."""
    for positions in ({}, {"hf_positions": True}):
        yield positions
        for beams in (2, 4):
            yield {"num_beams": beams} | positions
    yield {"num_beams": 3, "num_return_sequences": 3, "length_penalty": 2.0}
    yield {"num_beams": 4, "num_return_sequences": 2, "early_stopping": True, "length_penalty": -1.0}
    yield {"num_beams": 3, "early_stopping": "never", "eos_token_id": [2, 8, 30]}
    yield {"num_beams": 2, "repetition_penalty": 1.7, "no_repeat_ngram_size": 2}
    yield {"eos_token_id": [17, 12, 8]}
    yield {"eos_token_id": [17, 12, 8], "min_new_tokens": 5}
    yield {"eos_token_id": None, "add_special_tokens": False}
    yield {"repetition_penalty": 1.3, "no_repeat_ngram_size": 1}
    yield {"no_repeat_ngram_size": 3, "bad_words_ids": [[12], [8, 17]], "suppress_tokens": [20, 21], "begin_suppress_tokens": [17, 30]}
    yield {"sequence_bias": [[[12], -4.0], [[17, 9], 5.0]], "exponential_decay_length_penalty": [2, 1.5], "forced_eos_token_id": 2}
    yield {"max_new_tokens": None, "max_length": 24, "truncation": False}
    yield {"max_new_tokens": None}
    yield {"stop_sequence": "n<extra9>", "prefix": "the "}
    yield {"stop_strings": ["9>ii", "zz"]}
    yield {"handle_long_generation": "hole", "max_new_tokens": 30}
    yield {"renormalize_logits": True, "remove_invalid_values": True, "use_cache": False}


def plain(v):
    if isinstance(v, float):
        return round(v, 6)
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        return [plain(x) for x in v]
    return plain(v.item()) if hasattr(v, "item") else v


def generate(pipe, text, options):
    given = type(pipe.model).prepare_inputs_for_generation

    def counted(self, *args, **kwargs):
        inputs = given(self, *args, **kwargs)
        inputs.pop("position_ids")
        return inputs

    pipe.model.prepare_inputs_for_generation = types.MethodType(given if options.pop("hf_positions", False) else counted, pipe.model)
    if "stop_strings" in options:
        options["tokenizer"] = pipe.tokenizer
    # What the pipeline takes as a default, None, means "none" here.
    config = copy.deepcopy(pipe.generation_config)
    for name in ("eos_token_id", "max_new_tokens"):
        if name in options and options[name] is None:
            setattr(config, name, options.pop(name))
    return pipe(text, generation_config=config, **options)


def main():
    tokenizer()
    out, pipes, models = [], {}, {}
    tok = RobertaTokenizerFast.from_pretrained(TOKENIZER, model_max_length=38)

    def loaded(cls):
        if cls not in models:
            case = sorted(os.listdir(os.path.join(GOLDEN, cls)), key=lambda n: (n != "base", n))[0]
            models[cls] = getattr(transformers, cls).from_pretrained(os.path.join(GOLDEN, cls, case)).eval()
        return models[cls]

    for cls, task, inputs, options in examples.jobs():
        out.append({"class": cls, "task": task, "input": inputs, "options": options, "result": plain(examples.result(task, loaded(cls), tok, inputs, options))})
    for cls, task, inputs, options in jobs():
        given = copy.deepcopy(options)  # the pipelines change what they are given
        kind = (cls, "words" in inputs)
        if kind not in pipes:
            spaced = RobertaTokenizerFast.from_pretrained(TOKENIZER, model_max_length=38, add_prefix_space=True)
            pipes[kind] = pipeline(task, model=loaded(cls), tokenizer=spaced if "words" in inputs else tok, device="cpu")
        pipe = pipes[kind]
        if task == "text-generation":
            result = generate(pipe, inputs["text"], dict(options))
        elif task == "question-answering":
            result = pipe(**inputs, **options)
        elif "words" in inputs:
            result = pipe([inputs["words"]], **options)[0]
        elif "text_pair" in inputs:
            result = pipe(inputs, **options)
        else:
            result = pipe(inputs["text"], **options)
        out.append({"class": cls, "task": task, "input": inputs, "options": given, "result": plain(result)})
    with open(os.path.join(HERE, "pipelines.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(o, ensure_ascii=False) for o in out) + "\n]\n")


main()
