#!/usr/bin/env python3
"""Makes the corpus of Opus: files by ffmpeg (libopus), and what libsndfile and ffmpeg's libopus make of them.

Needs espeak-ng, sox, ffmpeg on the PATH and numpy, soundfile 0.14 (libsndfile 1.2.2). Run it in this directory. Writes opus/*, and in opus/want/
the mean of the channels as 16 bits at 48 kHz.
"""
import os
import shutil
import subprocess

import numpy as np
import soundfile as sf


def run(*args, **more):
    subprocess.run(args, check=True, stderr=subprocess.DEVNULL, **more)


def opus(source, name, *args):
    run("ffmpeg", "-y", "-i", source, "-c:a", "libopus", "-bitexact", *args, "opus/" + name)


def want(name, x, rate):
    assert rate == 48000 and abs(x).max() < 1, (name, rate)
    np.round(x.mean(axis=1) * 32768).astype("<i2").tofile(f"opus/want/{name}.s16")


def main():
    shutil.rmtree("opus", ignore_errors=True)
    os.makedirs("opus/want")
    os.mkdir("tmp")
    run("espeak-ng", "-v", "en", "-w", "tmp/say.wav", "seven bright parrots")
    # 0.23 s at 48 kHz; the second channel is late and quieter
    run("sox", "-M", "tmp/say.wav", "-v", "0.5", "tmp/say.wav", "-r", "48000", "tmp/two.wav", "gain", "-6", "delay", "0", "0.004", "trim", "0.3", "5000s")
    run("sox", "tmp/two.wav", "tmp/one.wav", "remix", "1")
    opus("tmp/one.wav", "silk-mono.opus", "-b:a", "12k", "-application", "voip")
    opus("tmp/two.wav", "silk-60ms.opus", "-b:a", "16k", "-application", "voip", "-frame_duration", "60")
    opus("tmp/two.wav", "hybrid.opus", "-b:a", "40k", "-application", "voip", "-page_duration", "20000")
    opus("tmp/one.wav", "celt-mono.opus", "-b:a", "64k")
    opus("tmp/two.wav", "celt-stereo.opus", "-b:a", "96k")
    opus("tmp/two.wav", "celt-2.5ms.opus", "-b:a", "64k", "-frame_duration", "2.5")
    opus("tmp/two.wav", "celt.webm", "-b:a", "96k")
    opus("tmp/one.wav", "live.webm", "-b:a", "64k", "-live", "1", "-f", "webm")
    opus("tmp/one.wav", "hybrid.mka", "-b:a", "24k", "-application", "voip")
    for name in sorted(os.listdir("opus")):
        if name.endswith(".opus"):
            want(name, *sf.read("opus/" + name, dtype="float32", always_2d=True))
        elif name != "want":
            run("ffmpeg", "-y", "-c:a", "libopus", "-i", "opus/" + name, "-c:a", "pcm_f32le", "tmp/x.wav")
            want(name, *sf.read("tmp/x.wav", dtype="float32", always_2d=True))
    shutil.rmtree("tmp")


main()
