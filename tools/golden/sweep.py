"""Writes golden cases of random configurations: python sweep.py OUT SEED COUNT.

Not committed: a wide net beside the chosen cases. Run them with differ.py.
"""
import random
import sys

import torch
import transformers

import draw
import generate
import sweep_runs

def attempt(root, cls, settings, case, family, dtype):
    """Some configurations leave no frames for the shortest item of the runs, and fail in the reference: those are no cases."""
    try:
        generate.generate(root, cls, case, settings, "random configuration", getattr(sweep_runs, family), dtype)
    except (RuntimeError, IndexError, ValueError) as e:
        print("no case:", cls, case, str(e).splitlines()[0])


def main(root, seed, count, only=""):
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    r = random.Random(int(seed))
    for i in range(int(count)):
        for family in (draw.audio, draw.text, draw.vision):
            cls, settings = family(r)
            dtype = r.choice([torch.float32] * 4 + [torch.float16, torch.bfloat16])
            if only in cls:
                attempt(root, cls, settings, f"random_{seed}_{i}", family.__name__, dtype)


if __name__ == "__main__":
    main(*sys.argv[1:])
