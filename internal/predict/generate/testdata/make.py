"""Writes processors.json: what the logits processors of transformers 4.55.4 make of scores, for random options; -inf is null.

Run from the repository's root with transformers and torch installed: python3 internal/predict/generate/testdata/make.py
"""

import json
import os
import random

import torch
from transformers import Data2VecTextConfig, Data2VecTextForCausalLM, GenerationConfig

HERE = os.path.dirname(os.path.abspath(__file__))
VOCABULARY, PROMPT = 12, 4


def options(r):
    """Some options, each with a value that bites in a vocabulary of 12 tokens."""
    all_ = {
        "sequence_bias": [[[r.randrange(1, 12)], r.uniform(-3, 3)], [[r.randrange(1, 4), r.randrange(1, 12)], r.uniform(-3, 3)]],
        "repetition_penalty": r.choice([0.7, 1.2, 2.5]), "no_repeat_ngram_size": r.choice([1, 2, 3]),
        "bad_words_ids": [[r.randrange(12)], [r.randrange(4), r.randrange(12)], [2]], "min_length": r.choice([3, 7, 9]),
        "min_new_tokens": r.choice([0, 2, 5]), "forced_bos_token_id": 5, "forced_eos_token_id": r.choice([2, [2, 3]]),
        "exponential_decay_length_penalty": [r.choice([0, 1, 3]), r.uniform(0.5, 2)], "suppress_tokens": r.sample(range(12), 2),
        "begin_suppress_tokens": r.sample(range(12), 2), "renormalize_logits": True, "remove_invalid_values": True,
    }
    warp = {
        "temperature": r.choice([0.3, 0.7, 2.0]), "top_k": r.choice([0, 2, 5, 50]), "top_p": r.choice([0.2, 0.6, 0.9]), "min_p": r.choice([0.05, 0.3]),
        "typical_p": r.choice([0.2, 0.6, 0.95]), "epsilon_cutoff": r.choice([0.02, 0.2]), "eta_cutoff": r.choice([0.02, 0.3]),
    }
    out = {k: all_[k] for k in r.sample(sorted(all_), r.randrange(4))}
    if r.random() < 0.7:
        out |= {"do_sample": True, "top_k": 0} | {k: warp[k] for k in r.sample(sorted(warp), r.randrange(1, 4))}
        if r.random() < 0.3:
            out["num_beams"] = 3
    return out | {"eos_token_id": r.choice([2, [2, 3, 9]]), "max_length": 10}


def main():
    r, rows = random.Random(7), []
    model = Data2VecTextForCausalLM(Data2VecTextConfig(vocab_size=VOCABULARY, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4, is_decoder=True))
    for _ in range(160):
        o = options(r)
        config = GenerationConfig(**o)
        if "min_new_tokens" in o:
            config.min_length = o["min_new_tokens"] + PROMPT
        model._prepare_special_tokens(config, True, device="cpu")
        ids = [r.randrange(4) for _ in range(r.choice([1, 4, 4, 5, 6, 8, 9]))]
        scores = [round(r.gauss(0, 2), 3) for _ in range(VOCABULARY)]
        processors = model._get_logits_processor(config, input_ids_seq_length=PROMPT, encoder_input_ids=torch.tensor([ids[:PROMPT]]), device="cpu")
        try:
            out = processors(torch.tensor([ids]), torch.tensor([scores]))[0].tolist()
        except ValueError:  # eta_cutoff cannot take what another has banned
            continue
        rows.append({"options": o, "ids": ids, "scores": scores, "result": [None if v == float("-inf") else round(v, 5) for v in out]})
    with open(os.path.join(HERE, "processors.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


main()
