"""Recordings as people keep them: python encode.py DIR has WAV files of 16 bits under the names of other formats, and makes them what their names say."""

import io
import pathlib
import sys

import soundfile

for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    if path.suffix == ".wav":
        continue
    samples, rate = soundfile.read(io.BytesIO(path.read_bytes()), dtype="int16", always_2d=True)
    with soundfile.SoundFile(path, "w", rate, samples.shape[1]) as f:
        for at in range(0, len(samples), rate):  # libvorbis fails on long writes
            f.write(samples[at : at + rate])
