"""Writes lossless/: corpus/pcm_16-1ch.wav in the other formats that libsndfile reads, by FFmpeg 5.1. It has the same samples in each."""

import pathlib
import subprocess

here = pathlib.Path(__file__).parent
(here / "lossless").mkdir(exist_ok=True)
for name in ["speech.aiff", "speech.au", "speech.caf", "speech.w64"]:
    command = ["ffmpeg", "-v", "error", "-y", "-i", here / "corpus/pcm_16-1ch.wav", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact"]
    subprocess.run([*command, here / "lossless" / name], check=True)
