"""What every training script here shares: seeds, the learning-rate curve, averaged weights and a progress line.

Training is counted in steps, never in seconds, so that the same seed gives the same weights on a fast and on a slow machine.
"""

import json
import math
import pathlib
import random
import time

import numpy as np
import torch


def seed_everything(seed):
    """Seeds Python, numpy and torch, and keeps torch on one thread: sums in another order would give other weights."""
    torch.set_num_threads(1)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def learning_rate(peak, step, steps, warmup=60, hold=0.3):
    """Linear warm-up, a plateau until the fraction `hold` of the steps, then half a cosine down to 1 % of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    done = step / steps
    if done <= hold:
        return peak
    return peak * max(0.01, 0.5 * (1 + math.cos(math.pi * (done - hold) / (1 - hold))))


class AveragedWeights:
    """An exponential average of a model's parameters; at the end it scores better than the last step does."""

    def __init__(self, modules, decay=0.995):
        self.modules = modules
        self.decay = decay
        self.mean = [p.detach().clone() for p in self._parameters()]

    def _parameters(self):
        return [p for m in self.modules for p in m.parameters()]

    @torch.no_grad()
    def update(self, step):
        decay = min(self.decay, (1 + step) / (10 + step))
        for mean, live in zip(self.mean, self._parameters()):
            mean.lerp_(live, 1 - decay)

    def __enter__(self):
        """Puts the average into the modules, in evaluation mode; leaving the block restores the live weights."""
        self.live = [p.detach().clone() for p in self._parameters()]
        self._load(self.mean)
        for m in self.modules:
            m.eval()
        return self

    def __exit__(self, *_):
        self._load(self.live)
        for m in self.modules:
            m.train()

    @torch.no_grad()
    def _load(self, values):
        for p, v in zip(self._parameters(), values):
            p.copy_(v)


class Progress:
    """Prints a running mean of the named losses every `every` steps, with CPU and wall seconds."""

    def __init__(self, every=50):
        self.every = every
        self.mean = {}
        self.cpu, self.wall = time.process_time(), time.time()

    def spent(self):
        return {"cpu_seconds": round(time.process_time() - self.cpu), "wall_seconds": round(time.time() - self.wall)}

    def report(self, step, **losses):
        for name, value in losses.items():
            self.mean[name] = 0.95 * self.mean.get(name, value) + 0.05 * value
        if step % self.every == 0:
            line = " ".join(f"{k} {v:.3f}" for k, v in self.mean.items())
            print(f"step {step} {self.spent()} {line}", flush=True)


def optimise(optimiser, loss, rate):
    """One clipped step at the given learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for g in optimiser.param_groups for p in g["params"]], 1.0)
    optimiser.step()


def nearest_label_accuracy(embeddings, labels):
    """Leave-one-out: the share of items whose nearest other item by cosine carries the same label."""
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    similarity = unit @ unit.T
    similarity.fill_diagonal_(-2)
    labels = torch.as_tensor(labels)
    return round((labels[similarity.argmax(1)] == labels).float().mean().item(), 4)


def settle(folder):
    """Makes every file of a model folder readable by all; safetensors writes its own for the owner only."""
    for path in pathlib.Path(folder).iterdir():
        path.chmod(0o644)


def write_json(path, value):
    """Indented JSON with a final newline, so that a retrained file gives a readable diff."""
    pathlib.Path(path).write_text(json.dumps(value, indent=2) + "\n")
