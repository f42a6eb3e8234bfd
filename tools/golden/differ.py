"""Runs `worker predict` over the cases that sweep.py wrote, and says what differs: python differ.py WORKER ROOT [CLASS-substring].

Every run is made with --compat hf-padding and compared with every output of the reference, optional ones included. Items of the
runs named padded_N are compared with the runs padded_N.alone.K as well, without it: the item in a batch is the item alone.
"""
import collections
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from safetensors.numpy import load_file, save_file

OPTIONAL = ("hidden_states", "attentions", "cross_attentions", "pooler_output", "present")


def predict(worker, case, tensors, wanted, compat):
    with tempfile.TemporaryDirectory() as t:
        save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, t + "/in")
        names = {o.split(".")[0] for o in wanted}
        optional = [o if o != "present" else "past_key_values" for o in OPTIONAL if o in names]
        command = [worker, "predict", "--model", case, "--threads", "1", "--cache", os.path.join(case, ".graphs"), "--tensors-in", t + "/in",
                   "--tensors-out", t + "/out", *(["--compat", "hf-padding"] if compat else []), *(["--outputs", ",".join(optional)] if optional else [])]
        p = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if p.returncode:
            return None, f"exit {p.returncode}: {p.stderr.strip()[-300:]}"
        return load_file(t + "/out"), ""


def excess(got, want, atol, rtol):
    """How much of what is allowed the worst value takes, and the largest difference."""
    if got.shape != want.shape:
        return float("inf"), float("inf")
    both = np.isnan(want) & np.isnan(got)
    off = np.where(both, 0, np.abs(got.astype(np.float64) - want))
    if off.size == 0:
        return 0., 0.
    share = off / (atol + rtol * np.where(both, 1, np.abs(want)))
    return (float("inf") if np.isnan(share).any() else float(share.max())), float(np.nanmax(off))


def compare(worker, root, cls, case):
    """-> number of runs, the worst share of what is allowed, the largest (difference, output), and what is wrong."""
    where = os.path.join(root, cls, case)
    with open(os.path.join(where, "manifest.json")) as f:
        manifest = json.load(f)
    gold = load_file(os.path.join(where, "golden.safetensors"))
    worst, largest, bad, runs = 0., (0., ""), [], {r["name"]: r for r in manifest["runs"]}
    read = lambda r, what: {k: gold[v["key"]] for k, v in r[what].items()}
    for name, r in runs.items():
        want = read(r, "outputs")
        got, why = predict(worker, where, read(r, "inputs"), want, True)
        if why:
            bad.append(f"{cls}/{case}/{name}: {why}")
            continue
        for o, w in want.items():
            if o not in got:
                bad.append(f"{cls}/{case}/{name}: no {o}, there are {sorted(got)}")
                continue
            share, off = excess(got[o], w, r["outputs"][o]["atol"], r["outputs"][o]["rtol"])
            worst, largest = max(worst, share), max(largest, (off, o))
            if share > 1:
                bad.append(f"{cls}/{case}/{name}: {o} {got[o].shape} of {w.shape} off by {off:.2e}, {share:.3g} of what is allowed")
        if name.startswith("padded") and "alone" not in name:
            bad += alone(worker, where, name, r, runs, read)
    return len(runs), worst, largest, bad


def alone(worker, where, name, r, runs, read):
    got, why = predict(worker, where, read(r, "inputs"), {}, False)
    if why:
        return [f"{where} {name} in the default mode: {why}"]
    bad = []
    for i in range(len(r["inputs"]["input_values"]["shape"]) and r["inputs"]["input_values"]["shape"][0]):
        if f"{name}.alone.{i}" not in runs:
            continue
        single = runs[f"{name}.alone.{i}"]
        for o, w in read(single, "outputs").items():
            if o not in got or np.isnan(w).any():
                continue
            mine = got[o][i:i + 1]
            if w.ndim == 3:
                mine = mine[:, :w.shape[1]]
            tolerance = single["outputs"][o]
            share, off = excess(mine, w, tolerance["atol"], tolerance["rtol"])
            if share > 1:
                bad.append(f"{where} {name}, item {i} of the batch is not the item alone: {o} off by {off:.2e}, {share:.3g} of what is allowed")
    return bad


def main(worker, root, only=""):
    cases = sorted((c, d) for c in os.listdir(root) if only in c for d in os.listdir(os.path.join(root, c))
                   if os.path.exists(os.path.join(root, c, d, "manifest.json")))
    table, bad = collections.defaultdict(lambda: [0, 0, 0., (0., "")]), []
    with ThreadPoolExecutor(2) as pool:
        for (cls, case), (runs, worst, largest, wrong) in zip(cases, pool.map(lambda c: compare(worker, root, *c), cases)):
            row = table[cls]
            row[:] = row[0] + 1, row[1] + runs, max(row[2], worst), max(row[3], largest)
            bad += wrong
    for cls, (count, runs, share, (off, o)) in sorted(table.items()):
        print(f"{cls}: {count} configurations, {runs} runs, worst {share:.2f} of what is allowed, largest difference {off:.1e} in {o}")
    print(*(b[:300] for b in bad[:60]), sep="\n")
    print(f"{len(bad)} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
