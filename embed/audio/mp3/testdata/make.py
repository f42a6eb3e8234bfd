#!/usr/bin/env python3
"""Makes the corpus of MP3: files by LAME and ffmpeg, some with bits of their headers changed, and what libsndfile (libmpg123) makes of them.

Needs espeak-ng, sox, lame 3.100, ffmpeg on the PATH and numpy, soundfile 0.14 (libsndfile 1.2.2). Run it in this directory. Writes *.mp3, and beside each
what is wanted, channels interleaved, halved, as 16 bits; exact.mp3 also as floats.
"""
import glob
import os
import shutil
import struct
import subprocess

import numpy as np
import soundfile as sf

KBITS = [[0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320], [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]]


def run(*args):
    subprocess.run(args, check=True, stderr=subprocess.DEVNULL)


def lame(rate, name, *args, source=""):
    run("lame", "--quiet", *args, "--resample", str(rate / 1000), f"tmp/{source}{rate}.wav", name + ".mp3")


def frames(b):
    at = 10 + (b[6] << 21 | b[7] << 14 | b[8] << 7 | b[9]) if b[:3] == b"ID3" else 0
    while at + 4 <= len(b) and b[at] == 0xFF and b[at + 1] & 0xE0 == 0xE0:
        version = {3: 0, 2: 1, 0: 2}[b[at + 1] >> 3 & 3]
        rate = [44100, 48000, 32000][b[at + 2] >> 2 & 3] >> version
        n = (72 if version else 144) * 1000 * KBITS[min(version, 1)][b[at + 2] >> 4] // rate + (b[at + 2] >> 1 & 1)
        yield at, n, version
        at += n


def read(name):
    return bytearray(open(name + ".mp3", "rb").read())


def write(name, *parts):
    with open(name + ".mp3", "wb") as f:
        f.write(b"".join(bytes(p) for p in parts))


def joint(name, source, extension):
    """Has another way of joint stereo in all headers: 1 intensity, 3 intensity and sums."""
    b = read(source)
    for at, _, _ in list(frames(b))[1:]:
        b[at + 3] = b[at + 3] & 0x0F | 0x40 | extension << 4
    write(name, b)


def mixed(name, source):
    """Makes short blocks mixed ones."""
    b = read(source)
    for at, _, version in list(frames(b))[1:]:
        size = 17 if version else 32
        bits, width = int.from_bytes(b[at + 4 : at + 4 + size], "big"), 8 * size
        g = 10 if version else 20
        for _ in range(2 if version else 4):
            switch = g + 12 + 9 + 8 + (9 if version else 4)
            if bits >> (width - 1 - switch) & 1 and bits >> (width - 3 - switch) & 3 == 2:
                bits |= 1 << (width - 4 - switch)
            g += 63 if version else 59
        b[at + 4 : at + 4 + size] = bits.to_bytes(size, "big")
    write(name, b)


def main():
    for f in glob.glob("*.mp3*"):
        os.remove(f)
    os.mkdir("tmp")
    run("espeak-ng", "-v", "en", "-w", "tmp/say.wav", "tick tock, seven bright parrots")
    run("sox", "-D", "-R", "-n", "-r", "48000", "tmp/noise.wav", "synth", "1", "pinknoise", "synth", "1", "sine", "mix", "300-9000", "vol", "0.3")
    run("sox", "-D", "-R", "-n", "-r", "48000", "tmp/click.wav", "synth", "0.002", "square", "900", "pad", "0.05", "0.043", "repeat", "8", "vol", "0.5")
    run("sox", "-D", "-M", "tmp/say.wav", "-v", "0.5", "tmp/say.wav", "-r", "48000", "tmp/two.wav", "delay", "0", "0.004")
    run("sox", "-D", "-M", "tmp/noise.wav", "tmp/click.wav", "-r", "48000", "tmp/add.wav")
    run("sox", "-D", "-m", "tmp/two.wav", "tmp/add.wav", "tmp/all.wav", "gain", "-3", "trim", "0.1", "0.1")
    run("sox", "-D", "-m", "tmp/two.wav", "-v", "0.3", "tmp/add.wav", "tmp/low.wav", "gain", "-3", "remix", "1", "1p0.6", "trim", "0.3", "0.1")
    for rate in (22050, 32000):
        run("sox", "-D", "tmp/low.wav", "-r", str(rate), f"tmp/low{rate}.wav", "fade", "0.02")
        lame(rate, f"speech-{rate}", "-b", "96" if rate > 30000 else "48", source="low")
    for rate in (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000):
        run("sox", "-D", "tmp/all.wav", "-r", str(rate), f"tmp/{rate}.wav")
        lame(rate, f"joint-{rate}", "-b", "128" if rate > 30000 else "56")
    lame(44100, "exact", "-V", "4")
    lame(22050, "vbr-22050", "-m", "s", "-V", "5")
    lame(44100, "mono", "-m", "m", "-b", "56")
    lame(44100, "free", "--freeformat", "-b", "200")
    lame(32000, "checksums", "-p", "-b", "96", "-m", "s")
    lame(32000, "untagged", "-t", "-b", "64")
    lame(32000, "abr-id3", "--abr", "80", "--add-id3v2", "--tt", "a title", "--ta", "a name")
    lame(48000, "quality", "-V", "2")
    run("ffmpeg", "-i", "tmp/32000.wav", "-c:a", "libmp3lame", "-b:a", "64k", "-map_metadata", "-1", "-bitexact", "by-ffmpeg.mp3")
    joint("intensity-32000", "speech-32000", 1)
    joint("intensity-short-44100", "joint-44100", 1)
    joint("intensity-sums-32000", "speech-32000", 3)
    joint("intensity-22050", "speech-22050", 1)
    joint("intensity-sums-22050", "speech-22050", 3)
    mixed("mixed-48000", "quality")
    mixed("mixed-22050", "vbr-22050")
    b = read("joint-32000")
    first, second = list(frames(b))[:2]
    head, rest = b[first[0] : second[0]], b[second[0] :]
    at = head.find(b"Info")
    write("no-lame-part", head[: at + 120], bytes(len(head) - at - 120), rest)
    write("fewer-declared", head[: at + 8], struct.pack(">I", struct.unpack(">I", head[at + 8 : at + 12])[0] - 2), head[at + 12 :], rest)
    write("no-count", head[: at + 7], b"\0", head[at + 8 :], rest)
    plain = read("untagged")
    start = list(frames(plain))
    ape = lambda footer: b"APETAGEX" + struct.pack("<IIII8x", 2000, 32 + 40, 1, (1 << 31) | (0 if footer else 1 << 29))
    write("tags-all-round", b"ID3\x04\0\0\0\0\0\x0a", bytes(10), b"ID3\x03\0\0\0\0\x01\x00", bytes(128), plain, ape(False), bytes(40), ape(True), b"TAG", bytes(125))
    write("noise-in-front", np.random.default_rng(1).integers(0, 255, 700, dtype=np.uint8).tobytes(), plain)
    write("cut", plain[: start[-1][0] + 90])
    for f in sorted(glob.glob("*.mp3")):
        x, rate = sf.read(f, dtype="float32", always_2d=True)
        if "short" in f:  # libmpg123 takes the last band of short blocks for intensity whatever the right channel has there; ffmpeg follows the standard
            raw = subprocess.run(["ffmpeg", "-v", "error", "-i", f, "-f", "f32le", "-"], check=True, capture_output=True).stdout
            x = np.frombuffer(raw, "<f4").reshape(x.shape)
        np.round(x * 16384).astype("<i2").tofile(f + ".s16")
    sf.read("exact.mp3", dtype="float32", always_2d=True)[0].astype("<f4").tofile("exact.mp3.f32")
    shutil.rmtree("tmp")


main()
