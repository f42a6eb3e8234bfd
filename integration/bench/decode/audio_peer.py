"""The peer of audio_test.go: what a pipeline in Python does with soundfile and soxr, timed in its own process.

    audio_peer.py make DIR            writes DIR/speech.{wav,flac,mp3,ogg}: a minute of 44.1 kHz stereo, half noise, half tones
    audio_peer.py time FILE ROUNDS    prints the CPU seconds of the best of ROUNDS from bytes to normalised samples at 16 kHz
"""
import io
import sys
import time

import numpy as np
import soundfile as sf
import soxr


def make(directory):
    rate, r = 44100, np.random.default_rng(1)
    n = 60 * rate
    t = np.arange(n) / rate
    voice = sum(np.sin(2 * np.pi * f * t * (1 + 0.01 * np.sin(5 * t))) / k for k, f in enumerate((140, 280, 560, 900, 2400), 1))
    loud = np.repeat(r.uniform(0.05, 1, n // 4410), 4410)
    x = 0.12 * voice * loud + 0.02 * r.standard_normal(n)
    both = np.stack([x, np.roll(x, 40) * 0.8 + 0.005 * r.standard_normal(n)], axis=1)
    for name, kind, subtype in (("wav", "WAV", "PCM_16"), ("flac", "FLAC", "PCM_16"), ("mp3", "MP3", "MPEG_LAYER_III"), ("ogg", "OGG", "VORBIS")):
        with sf.SoundFile(f"{directory}/speech.{name}", "w", rate, 2, subtype, format=kind) as f:
            for at in range(0, n, rate):  # libvorbis fails on long writes
                f.write(both[at : at + rate])


def tensor(blob):
    x, rate = sf.read(io.BytesIO(blob), dtype="float32", always_2d=True)
    y = soxr.resample(x.mean(axis=1), rate, 16000, quality="HQ")
    return (y - y.mean()) / np.sqrt(y.var() + 1e-7)


def main():
    if sys.argv[1] == "make":
        make(sys.argv[2])
        return
    blob = open(sys.argv[2], "rb").read()
    best = float("inf")
    for _ in range(int(sys.argv[3])):
        began = time.process_time()
        tensor(blob)
        best = min(best, time.process_time() - began)
    print(best)


main()
