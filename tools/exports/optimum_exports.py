"""Has optimum export checkpoints of random weights, and holds what `worker predict` makes of the exports against what it makes of the weights.

python optimum_exports.py WORKER OUT AUDIO... -- PICTURE...   Needs requirements-optimum.txt.
"""
import json
import pathlib
import shutil
import string
import subprocess
import sys

import numpy as np
import transformers as hf
from optimum.exporters.onnx import main_export

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "golden"))
import generate

TEXT = ["--text", "Hello world, this is a test.", "--text", "a"]
LINES = {"question-answering": {"question": "Who is it?", "context": "It is Ann Lee of Rome."},
         "multiple-choice": {"prompt": "It is", "choices": ["a cat", "the dog of the sea", "x"]}}
SETTINGS = {"Audio": generate.XVECTOR | dict(vocab_size=32), "Text": generate.TEXT | dict(max_position_embeddings=130), "Vision": generate.VISION | dict(use_relative_position_bias=True)}
CASES = [("Data2VecAudioModel", "feature-extraction"), ("Data2VecAudioForCTC", "automatic-speech-recognition"),
         ("Data2VecAudioForSequenceClassification", "audio-classification"), ("Data2VecAudioForXVector", "audio-xvector"),
         ("Data2VecAudioForAudioFrameClassification", "audio-frame-classification"), ("Data2VecTextModel", "feature-extraction"),
         ("Data2VecTextForMaskedLM", "fill-mask"), ("Data2VecTextForSequenceClassification", "text-classification"),
         ("Data2VecTextForTokenClassification", "token-classification"), ("Data2VecTextForQuestionAnswering", "question-answering"),
         ("Data2VecTextForMultipleChoice", "multiple-choice"), ("Data2VecVisionModel", "feature-extraction"),
         ("Data2VecVisionForImageClassification", "image-classification")]


def checkpoint(cls, seed, where):
    """A checkpoint with random weights, with a tokenizer of characters or what prepares recordings or pictures."""
    modality = next(m for m in SETTINGS if cls.startswith("Data2Vec" + m))
    settings = SETTINGS[modality] | dict(num_labels=2 if cls.endswith("QuestionAnswering") else 5)
    model = getattr(hf, cls)(getattr(hf, f"Data2Vec{modality}Config")(**settings)).eval()
    generate.randomise(model, np.random.default_rng(seed))
    model.save_pretrained(where)
    if modality == "Vision":
        hf.BeitImageProcessor(size=dict(height=settings["image_size"], width=settings["image_size"]), do_center_crop=False).save_pretrained(where)
        return
    specials = ["<s>", "<pad>", "</s>", "<unk>"] if modality == "Text" else ["<pad>", "<s>", "</s>", "<unk>"]
    letters = ["\u0120", *string.ascii_letters, "<mask>"] if modality == "Text" else ["|", "'", *string.ascii_uppercase]
    (where / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(specials + letters)}))
    if modality == "Text":
        (where / "merges.txt").write_text("#version: 0.2\n")
        hf.RobertaTokenizerFast(str(where / "vocab.json"), str(where / "merges.txt")).save_pretrained(where)
        return
    if cls.endswith("CTC"):
        hf.Wav2Vec2CTCTokenizer(str(where / "vocab.json")).save_pretrained(where)
    hf.Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(where)


def predict(worker, model, task, args, lines):
    p = subprocess.run([worker, "predict", "--model", model, "--task", task, *args], capture_output=True, text=True, input=lines)
    if p.returncode:
        raise RuntimeError(f"exit {p.returncode}: {p.stderr.strip()}")
    return [json.loads(line)["result"] for line in p.stdout.splitlines()]


def difference(a, b):
    """The largest of any number; infinite where anything else differs."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return max([0, *(difference(a[k], b[k]) for k in a)])
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return max([0, *map(difference, a, b)])
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return abs(a - b)
    return 0 if a == b else float("inf")


def compare(worker, out, cls, seed, task, files):
    weights, export = out / "weights" / cls, out / "optimum" / cls
    checkpoint(cls, seed, weights)
    main_export(str(weights), output=str(export), task=task, do_validation=False, no_post_process=True)
    processor = weights / "preprocessor_config.json"
    if processor.exists():
        shutil.copy(processor, export)
    lines = json.dumps(LINES[task]) + "\n" if task in LINES else None
    args = ["--jsonl"] if lines else files[cls[8:13]] if "Text" not in cls else ["--text", "Hello <mask> world"] if task == "fill-mask" else TEXT
    got, want = (predict(worker, str(d), task, args, lines) for d in (export, weights))
    return len(want), difference(got, want)


def main(worker, out, *files):
    split = files.index("--")
    files, wrong = {"Audio": files[:split], "Visio": files[split + 1:]}, 0
    for seed, (cls, task) in enumerate(CASES):
        n, off = compare(worker, pathlib.Path(out), cls, seed, task, files)
        wrong += n == 0 or off > 1e-4
        print(f"{cls}: {n} results, largest difference {off:.1e}", flush=True)
    sys.exit(f"{wrong} exports differ" if wrong else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
