"""Writes lossless/: corpus/pcm_16-1ch.wav in the other formats that libsndfile reads, and in Ogg FLAC, which it does not, by FFmpeg 5.1 and by the flac program 1.4.2. It has the same samples in each."""

import pathlib
import subprocess

here = pathlib.Path(__file__).parent
(here / "lossless").mkdir(exist_ok=True)
for name in ["speech.aiff", "speech.au", "speech.caf", "speech.w64", "speech.oga"]:
    command = ["ffmpeg", "-v", "error", "-y", "-i", here / "corpus/pcm_16-1ch.wav", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact"]
    subprocess.run([*command, here / "lossless" / name], check=True)
command = ["ffmpeg", "-v", "error", "-y", "-i", here / "corpus/speech-44100.flac", "-fflags", "+bitexact", "-flags:a", "+bitexact", "-af", "pan=stereo|c0=c0|c1=c0", "-frame_size", "900"]
subprocess.run([*command, "-metadata", "title=" + 13500 * "long ", here / "lossless" / "stereo.oga"], check=True)
subprocess.run(["flac", "-s", "-f", "--ogg", "-b", "1024", "--no-seektable", here / "corpus/pcm_16-1ch.wav", "-o", here / "lossless" / "program.oga"], check=True)
