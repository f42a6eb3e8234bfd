"""Cases of automatic-speech-recognition with a language model, by transformers 4.55.4 and pyctcdecode 0.5.0: internal/predict/testdata/speech.

    python tools/golden/speech.py MODEL OUT FILE...

MODEL is a CTC checkpoint of English digits (the demo's), OUT gets its decoder (alphabet.json, language_model) and cases.json: options, file, result.
"""

import json
import logging
import os
import shutil
import sys
import tempfile

import soundfile
from pyctcdecode import build_ctcdecoder
from transformers import pipeline

WORDS = "ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE OH".split()
PLAIN = [
    {"return_timestamps": "char"},
    {"return_timestamps": "word", "chunk_length_s": 1.5, "stride_length_s": [0.5, 0.2]},
    {"return_timestamps": "char", "chunk_length_s": 0.9},
]
MODELLED = [
    {},
    {"return_timestamps": "word"},
    {"return_timestamps": "word", "chunk_length_s": 1.5},
    {"return_timestamps": "word", "decoder_kwargs": {"hotwords": ["NINE SEVEN"], "hotword_weight": 20.0, "beam_width": 7}},
    {"decoder_kwargs": {"token_min_logp": -1.0, "beam_prune_logp": -30.0, "prune_history": True}},
]


def write_arpa(path):
    """Every word is as likely as the next; pairs that rise are likelier."""
    pairs = [(a, b) for i, a in enumerate(WORDS) for b in WORDS[i + 1 : i + 4]]
    with open(path, "w") as f:
        f.write(f"\\data\\\nngram 1={len(WORDS) + 3}\nngram 2={len(pairs)}\n\n\\1-grams:\n-3.0\t<unk>\t0\n-99\t<s>\t-0.3\n-1.2\t</s>\n")
        f.write("".join(f"-1.1\t{w}\t-0.2\n" for w in WORDS) + "\n\\2-grams:\n")
        f.write("".join(f"-0.6\t{a} {b}\n" for a, b in pairs) + "\n\\end\\\n")


def main():
    logging.disable(logging.CRITICAL)
    source, out, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    with tempfile.TemporaryDirectory() as tmp:
        model, arpa = tmp + "/model", tmp + "/lm.arpa"
        shutil.copytree(source, model)
        with open(model + "/vocab.json") as f:
            vocabulary = json.load(f)
        write_arpa(arpa)
        build_ctcdecoder(sorted(vocabulary, key=vocabulary.get), arpa, WORDS).save_to_dir(out)
        shutil.copytree(out, model, dirs_exist_ok=True)
        with open(model + "/preprocessor_config.json") as f:
            processor = json.load(f)
        cases = []
        for name, options in [("Wav2Vec2Processor", PLAIN), ("Wav2Vec2ProcessorWithLM", MODELLED)]:
            processor["processor_class"] = name
            with open(model + "/preprocessor_config.json", "w") as f:
                json.dump(processor, f)
            speech = pipeline("automatic-speech-recognition", model=model, tokenizer=model, feature_extractor=model)
            for o in options:
                for file in files:
                    result = speech(soundfile.read(file, dtype="float32")[0], **o)
                    cases.append({"processor": name, "options": o, "file": os.path.basename(file), "result": result})
    with open(out + "/cases.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


main()
