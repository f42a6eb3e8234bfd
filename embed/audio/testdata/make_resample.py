#!/usr/bin/env python3
"""Makes noise and speech at many rates, and what python-soxr's HQ recipe makes of them at 16 kHz.

Needs espeak-ng, sox on the PATH and numpy, soundfile 0.14, soxr 1.1. Run it in this directory. Writes resample/NAME-RATE.s16, the input as 16 bits, and
resample/NAME-RATE.want.f32, soxr's output. noise is white up to its rate's Nyquist frequency, so it has all that a filter does in its transition band; speech is what is used.
"""
import os
import shutil
import subprocess

import numpy as np
import soundfile as sf
import soxr

RATES = (8000, 11025, 22050, 24000, 32000, 44100, 48000, 96000)


def main():
    shutil.rmtree("resample", ignore_errors=True)
    os.mkdir("resample")
    subprocess.run(["espeak-ng", "-v", "en", "-w", "resample/say.wav", "seven bright parrots"], check=True)
    for rate in RATES:
        subprocess.run(["sox", "-D", "resample/say.wav", "-r", str(rate), "resample/rate.wav", "trim", "0.3", "0.08"], check=True)
        speech, _ = sf.read("resample/rate.wav", dtype="int16")
        noise = np.random.default_rng(rate).integers(-20000, 20000, len(speech)).astype(np.int16)
        for name, x in (("speech", speech), ("noise", noise)):
            x.astype("<i2").tofile(f"resample/{name}-{rate}.s16")
            soxr.resample(x.astype(np.float32) / 32768, rate, 16000, quality="HQ").astype("<f4").tofile(f"resample/{name}-{rate}.want.f32")
    for name in ("say.wav", "rate.wav"):
        os.remove("resample/" + name)


main()
