#!/usr/bin/env python3
"""Makes the corpus of Vorbis: files by oggenc (libvorbis) and by ffmpeg's own encoder, and what libsndfile (libvorbis) makes of them.

Needs espeak-ng, sox, oggenc, ffmpeg on the PATH and numpy, soundfile 0.14 (libsndfile 1.2.2). Run it in this directory. Writes vorbis/*, in vorbis/want/ the mean
of the channels as 16 bits, and in ../vorbis/testdata/ packets with their lengths in front, for the fuzzer.
"""
import glob
import os
import shutil
import struct
import subprocess

import numpy as np
import soundfile as sf

TABLE = []
for i in range(256):
    r = i << 24
    for _ in range(8):
        r = (r << 1 ^ 0x04C11DB7 if r & 0x80000000 else r << 1) & 0xFFFFFFFF
    TABLE.append(r)


def run(*args):
    subprocess.run(args, check=True, stderr=subprocess.DEVNULL)


def enc(source, name, *args):
    run("oggenc", "-Q", "--discard-comments", "-s", "1", *args, f"tmp/{source}.wav", "-o", f"vorbis/{name}.ogg")


def pages(b):
    at = 0
    while at < len(b):
        n = b[at + 26]
        size = 27 + n + sum(b[at + 27 : at + 27 + n])
        yield bytearray(b[at : at + size])
        at += size


def seal(page):
    page[22:26] = bytes(4)
    c = 0
    for x in page:
        c = c << 8 & 0xFFFFFFFF ^ TABLE[c >> 24 ^ x]
    page[22:26] = struct.pack("<I", c)
    return bytes(page)


def read(name):
    return open(f"vorbis/{name}.ogg", "rb").read()


def write(name, parts):
    open(f"vorbis/{name}.ogg", "wb").write(b"".join(parts))


def late(name, source):
    """Moves all positions, as in a stream that was cut out of a longer one."""
    out = []
    for k, p in enumerate(pages(read(source))):
        if k > 1:
            p[6:14] = struct.pack("<q", struct.unpack("<q", p[6:14])[0] + 100000)
        out.append(seal(p))
    write(name, out)


def packets(name):
    out, part = [], b""
    for p in pages(read(name)):
        at = 27 + p[26]
        for n in p[27 : 27 + p[26]]:
            part += bytes(p[at : at + n])
            at += n
            if n < 255:
                out.append(part)
                part = b""
    open(f"../vorbis/testdata/{name}.packets", "wb").write(b"".join(struct.pack("<H", len(p)) + p for p in out[:12]))


def main():
    for d in ("vorbis", "../vorbis/testdata"):
        shutil.rmtree(d, ignore_errors=True)
        os.makedirs(d)
    os.mkdir("vorbis/want")
    os.mkdir("tmp")
    run("espeak-ng", "-v", "en", "-w", "tmp/say.wav", "tick tock, seven bright parrots")
    run("sox", "-D", "-R", "-n", "-r", "48000", "tmp/noise.wav", "synth", "1", "pinknoise", "synth", "1", "sine", "mix", "300-9000", "vol", "0.3")
    run("sox", "-D", "-R", "-n", "-r", "48000", "tmp/click.wav", "synth", "0.002", "square", "900", "pad", "0.05", "0.043", "repeat", "8", "vol", "0.5")
    run("sox", "-D", "-M", "tmp/say.wav", "-v", "0.5", "tmp/say.wav", "-r", "48000", "tmp/two.wav", "delay", "0", "0.004")
    run("sox", "-D", "-M", "tmp/noise.wav", "tmp/click.wav", "-r", "48000", "tmp/add.wav")
    run("sox", "-D", "-m", "tmp/two.wav", "tmp/add.wav", "tmp/all.wav", "gain", "-3", "trim", "0.1", "0.15")
    for rate in (8000, 22050, 44100, 48000):
        run("sox", "-D", "tmp/all.wav", "-r", str(rate), f"tmp/{rate}.wav")
    run("sox", "-D", "tmp/44100.wav", "tmp/one.wav", "remix", "1")
    run("sox", "-D", "tmp/44100.wav", "tmp/tiny.wav", "trim", "0", "0.002")
    run("sox", "-D", "-M", "tmp/44100.wav", "tmp/44100.wav", "tmp/44100.wav", "tmp/six.wav", "delay", "0", "0", "0.01", "0.01", "0", "0.02")
    enc("8000", "stereo-8000", "-q", "1")
    enc("22050", "stereo-22050", "-q", "-1")
    enc("44100", "stereo-44100", "-q", "3")
    enc("48000", "best-48000", "-q", "9")
    enc("44100", "managed", "--managed", "-b", "96")
    enc("one", "mono", "-q", "4")
    enc("six", "six-channels", "-q", "0")
    enc("tiny", "tiny")
    run("ffmpeg", "-i", "tmp/44100.wav", "-c:a", "vorbis", "-strict", "-2", "-ac", "2", "-map_metadata", "-1", "-bitexact", "vorbis/by-ffmpeg.ogg")
    late("late", "stereo-8000")
    for f in sorted(glob.glob("vorbis/*.ogg")):
        x = sf.read(f, dtype="float32", always_2d=True)[0].mean(axis=1)
        assert abs(x).max() < 1, f
        np.round(x * 32768).astype("<i2").tofile(f"vorbis/want/{os.path.basename(f)}.s16")
    for name in ("stereo-8000", "mono", "by-ffmpeg", "six-channels", "tiny"):
        packets(name)
    shutil.rmtree("tmp")


main()
