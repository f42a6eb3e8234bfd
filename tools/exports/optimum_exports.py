"""Exports checkpoints with optimum and holds what `worker predict` makes of them against what it makes of the weights.

python optimum_exports.py WORKER GOLDEN OUT AUDIO... -- PICTURE...   (GOLDEN: <class>/<case>/ with tokenizers). Needs requirements-optimum.txt.
"""
import json
import pathlib
import shutil
import subprocess
import sys

from optimum.exporters.onnx import main_export

TEXT = ["--text", "Hello world, this is a test.", "--text", "a"]
LINES = {"question-answering": {"question": "Who is it?", "context": "It is Ann Lee of Rome."},
         "multiple-choice": {"prompt": "It is", "choices": ["a cat", "the dog of the sea", "x"]}}
CASES = [("Data2VecAudioModel/base", "feature-extraction"), ("Data2VecAudioForCTC/base", "automatic-speech-recognition"),
         ("Data2VecAudioForSequenceClassification/base", "audio-classification"), ("Data2VecAudioForXVector/base", "audio-xvector"),
         ("Data2VecAudioForAudioFrameClassification/base", "audio-frame-classification"), ("Data2VecTextModel/base", "feature-extraction"),
         ("Data2VecTextForMaskedLM/base", "fill-mask"), ("Data2VecTextForSequenceClassification/base", "text-classification"),
         ("Data2VecTextForTokenClassification/base", "token-classification"), ("Data2VecTextForQuestionAnswering/base", "question-answering"),
         ("Data2VecTextForMultipleChoice/base", "multiple-choice"), ("Data2VecVisionModel/base_rel", "feature-extraction"),
         ("Data2VecVisionForImageClassification/base", "image-classification")]


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


def compare(worker, golden, out, case, task, files):
    cls = case.split("/")[0]
    weights, export = out / "weights" / cls, out / "optimum" / cls
    shutil.copytree(golden / case, weights, dirs_exist_ok=True)
    processor = weights / "preprocessor_config.json"
    if "Vision" in cls and not processor.exists():
        size = json.loads((weights / "config.json").read_text())["image_size"]
        processor.write_text(json.dumps({"image_processor_type": "BeitImageProcessor", "do_center_crop": False, "size": {"height": size, "width": size}}))
    main_export(str(weights), output=str(export), task=task, do_validation=False, no_post_process=True)
    if processor.exists():
        shutil.copy(processor, export)
    lines = json.dumps(LINES[task]) + "\n" if task in LINES else None
    args = ["--jsonl"] if lines else files[cls[8:13]] if "Text" not in cls else ["--text", "Hello <mask> world"] if task == "fill-mask" else TEXT
    got, want = (predict(worker, str(d), task, args, lines) for d in (export, weights))
    return len(want), difference(got, want)


def main(worker, golden, out, *files):
    split = files.index("--")
    files, wrong = {"Audio": files[:split], "Visio": files[split + 1:]}, 0
    for case, task in CASES:
        n, off = compare(worker, pathlib.Path(golden), pathlib.Path(out), case, task, files)
        wrong += n == 0 or off > 1e-4
        print(f"{case.split('/')[0]}: {n} results, largest difference {off:.1e}", flush=True)
    sys.exit(f"{wrong} exports differ" if wrong else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
