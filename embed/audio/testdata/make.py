#!/usr/bin/env python3
"""Makes the corpus of embed/audio: files by other software, and what the reference makes of them.

Needs espeak-ng, sox, flac, ffmpeg on the PATH and numpy, soundfile 0.14, soxr 1.1, transformers 4.55.4. Run it in this directory.
Writes corpus/* and corpus.json; the tensors lie in corpus.f32, little-endian float32, at the offsets that corpus.json names.
"""
import json
import os
import shutil
import struct
import subprocess

import numpy as np
import soundfile as sf
import soxr
from transformers import Wav2Vec2FeatureExtractor

tensors, blob, index = [], bytearray(), {"decode": [], "resample": [], "extract": [], "refuse": []}


def put(x):
    x = np.ascontiguousarray(x, "<f4")
    at = len(blob) // 4
    blob.extend(x.tobytes())
    return {"at": at, "n": int(x.size)}


def run(*args):
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def mono(path):
    x, rate = sf.read(path, dtype="float32", always_2d=True)
    return x.mean(axis=1), rate


def decode(name, origin, like=None):
    """Notes what soundfile reads; like: read this file instead, where soundfile cannot read the one under test."""
    x, rate = mono("corpus/" + (like or name))
    index["decode"].append({"file": name, "by": origin, "rate": rate, "want": put(x)})


def chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def main():
    shutil.rmtree("corpus", ignore_errors=True)
    os.mkdir("corpus")
    os.mkdir("tmp")
    run("espeak-ng", "-v", "en", "-w", "tmp/say.wav", "seven bright parrots")
    say, rate = mono("tmp/say.wav")
    at = int(0.35 * rate)
    # 0.04 s, three channels that differ, at 16 kHz
    base = soxr.resample(say, rate, 16000)[6000:6641]
    noise = np.random.default_rng(3).normal(0, 0.1, base.shape).astype("f4")
    three = np.stack([base, noise, 0.5 * base[::-1]], 1) * 0.9
    for sub in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"):
        for ch in (1, 2):
            name = f"{sub.lower()}-{ch}ch.wav"
            sf.write("corpus/" + name, three[:, :ch], 16000, subtype=sub, format="WAV")
            decode(name, "libsndfile")
    sf.write("corpus/extensible-3ch.wav", three, 16000, subtype="PCM_24", format="WAVEX")
    decode("extensible-3ch.wav", "libsndfile")
    sf.write("corpus/rf64.wav", three[:, :1], 16000, subtype="PCM_16", format="RF64")
    decode("rf64.wav", "libsndfile")
    sf.write("tmp/three.wav", three, 16000, subtype="PCM_24")
    run("sox", "tmp/three.wav", "-b", "16", "corpus/sox-3ch.wav")
    decode("sox-3ch.wav", "sox")
    run("sox", "tmp/three.wav", "-e", "u-law", "corpus/sox-ulaw.wav")
    decode("sox-ulaw.wav", "sox")
    run("ffmpeg", "-i", "tmp/three.wav", "-c:a", "pcm_f32le", "-metadata", "title=odd", "corpus/ffmpeg-f32.wav")
    decode("ffmpeg-f32.wav", "ffmpeg")
    with open("corpus/ffmpeg-pipe.wav", "wb") as f:  # sizes of 0xFFFFFFFF: ffmpeg cannot seek back
        subprocess.run(["ffmpeg", "-i", "tmp/three.wav", "-c:a", "pcm_s16le", "-f", "wav", "-"], check=True, stdout=f, stderr=subprocess.DEVNULL)
    run("ffmpeg", "-i", "tmp/three.wav", "-c:a", "pcm_s16le", "corpus/ffmpeg-pipe-like.wav")
    decode("ffmpeg-pipe.wav", "ffmpeg to a pipe", like="ffmpeg-pipe-like.wav")
    os.remove("corpus/ffmpeg-pipe-like.wav")
    # an odd chunk with its pad byte before fmt, another between fmt and data, data of odd length
    u8 = np.clip(np.round(base * 127) + 128, 0, 255).astype("u1").tobytes()
    fmt = struct.pack("<HHIIHH", 1, 1, 16000, 16000, 1, 8)
    body = b"WAVE" + chunk(b"junk", b"odd") + chunk(b"fmt ", fmt) + chunk(b"LIST", b"INFOx") + chunk(b"data", u8)
    with open("corpus/odd-chunks.wav", "wb") as f:
        f.write(b"RIFF" + struct.pack("<I", len(body)) + body)
    decode("odd-chunks.wav", "bytes by the specification")
    for sub, ch in (("PCM_S8", 1), ("PCM_16", 1), ("PCM_16", 2), ("PCM_24", 3)):
        name = f"{sub.lower()}-{ch}ch.flac"
        sf.write("corpus/" + name, three[:, :ch], 16000, subtype=sub, format="FLAC")
        decode(name, "libsndfile")
    run("sox", "tmp/three.wav", "-b", "16", "tmp/three16.wav", "remix", "1", "2")
    run("flac", "--best", "--no-padding", "-f", "-o", "corpus/flac-best.flac", "tmp/three16.wav")
    decode("flac-best.flac", "flac")
    with open("tmp/three16.wav", "rb") as i, open("corpus/flac-pipe.flac", "wb") as o:  # sample count unknown: not seekable
        raw = i.read()[44:]
        subprocess.run(["flac", "--force-raw-format", "--endian=little", "--sign=signed", "--channels=2", "--bps=16", "--sample-rate=16000",
                        "--no-padding", "-c", "-"], check=True, input=raw, stdout=o, stderr=subprocess.DEVNULL)
    decode("flac-pipe.flac", "flac to a pipe", like="flac-best.flac")
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x15" + b"\0" * 21
    with open("corpus/flac-best.flac", "rb") as i, open("corpus/id3.flac", "wb") as o:
        o.write(tag + i.read())
    decode("id3.flac", "flac behind an ID3 tag", like="flac-best.flac")

    for r in (8000, 11025, 22050, 44100, 48000, 44101):
        x = soxr.resample(say[at:at + int(0.12 * rate)], rate, r, quality="VHQ")
        pcm = np.clip(np.round(x * 32768), -32768, 32767).astype("<i2")
        name = f"speech-{r}.flac"
        sf.write("corpus/" + name, pcm, r, subtype="PCM_16")
        x = pcm.astype("f4") / 32768
        index["resample"].append({"file": name, "rate": r, "want": put(soxr.resample(x, r, 16000, quality="HQ"))})

    cases = {"speech": base, "offset": base * 0.01 + 0.7, "silence": np.zeros(500, "f4"), "tiny": base * 1e-5}
    for name, x in cases.items():
        x = x.astype("f4")
        for norm in (True, False):
            got = Wav2Vec2FeatureExtractor(do_normalize=norm)(x, sampling_rate=16000, return_tensors="np").input_values[0]
            index["extract"].append({"name": name, "normalize": norm, "in": put(x), "want": put(got)})

    for name, args in {"mp3": ["-c:a", "libmp3lame"], "ogg": ["-c:a", "libvorbis"], "m4a": ["-c:a", "aac"], "aiff": [], "au": [], "aac": ["-c:a", "aac"]}.items():
        run("ffmpeg", "-i", "tmp/three16.wav", "-ac", "1", *args, f"tmp/x.{name}")
        with open(f"tmp/x.{name}", "rb") as f:
            index["refuse"].append({"name": name, "head": f.read(64).hex()})

    with open("corpus.f32", "wb") as f:
        f.write(blob)
    with open("corpus.json", "w") as f:
        json.dump(index, f, indent=1)
        f.write("\n")
    shutil.rmtree("tmp")


main()
