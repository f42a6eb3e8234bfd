#!/usr/bin/env python3
"""Makes the corpus for the system's decoder: files by ffmpeg (LAME, libvorbis, its own AAC), and what libsndfile makes of them.

Needs espeak-ng, sox, ffmpeg on the PATH and numpy, soundfile 0.14 (libsndfile 1.2.2 with mpg123). Run it in this directory. Writes foreign/*, and in
foreign/want/ the mean of the channels as 16 bits at the file's rate. libsndfile reads no AAC and no AMR: of these the expectation is the
source's length, and for AAC its sound.
"""
import os
import shutil
import subprocess

import numpy as np
import soundfile as sf


def run(*args, **more):
    subprocess.run(args, check=True, stderr=subprocess.DEVNULL, **more)


def make(source, name, *args):
    run("ffmpeg", "-y", "-i", source, "-map_metadata", "-1", "-bitexact", *args, "foreign/" + name)


def want(name, x):
    assert abs(x).max() < 1, name
    np.round(x.mean(axis=1) * 32768).astype("<i2").tofile(f"foreign/want/{name}.s16")


def main():
    shutil.rmtree("foreign", ignore_errors=True)
    os.makedirs("foreign/want")
    os.mkdir("tmp")
    run("espeak-ng", "-v", "en", "-w", "tmp/say.wav", "seven bright parrots")
    for rate in (44100, 22050, 11025):
        run("sox", "-M", "tmp/say.wav", "-v", "0.5", "tmp/say.wav", "-r", str(rate), f"tmp/{rate}.wav", "gain", "-6", "delay", "0", "0.004", "trim", "0.3", "5001s")
    make("tmp/44100.wav", "cbr.mp3", "-c:a", "libmp3lame", "-b:a", "96k", "-metadata", "title=a tag in front", "-write_id3v1", "1")
    make("tmp/44100.wav", "vbr.mp3", "-c:a", "libmp3lame", "-q:a", "4")
    make("tmp/44100.wav", "plain.mp3", "-c:a", "libmp3lame", "-b:a", "64k", "-ac", "1", "-write_xing", "0", "-id3v2_version", "0")
    make("tmp/22050.wav", "mpeg2.mp3", "-c:a", "libmp3lame", "-b:a", "32k")
    make("tmp/11025.wav", "mpeg2.5.mp3", "-c:a", "libmp3lame", "-b:a", "24k")
    make("tmp/44100.wav", "vorbis.ogg", "-c:a", "libvorbis", "-q:a", "3")
    for name in sorted(os.listdir("foreign")):
        if name != "want":
            want(name, sf.read("foreign/" + name, dtype="float32", always_2d=True)[0])
    make("tmp/22050.wav", "aac.m4a", "-c:a", "aac", "-b:a", "64k")  # its index at the end
    want("aac.m4a", sf.read("tmp/22050.wav", dtype="float32", always_2d=True)[0])
    with open("foreign/noise.amr", "wb") as f:  # 25 frames of 20 ms at 4.75 kbit/s by the specification, of random bits
        f.write(b"#!AMR\n" + b"".join(b"\x04" + np.random.default_rng(i).bytes(12) for i in range(25)))
    shutil.rmtree("tmp")


main()
