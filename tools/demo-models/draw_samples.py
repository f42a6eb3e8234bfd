"""Makes the bundled samples: python draw_samples.py --out FOLDER

Speech by espeak-ng in voices that training never heard, sentences written for this project, and held-out handwritten digits
that scikit-learn ships. Writes audio/, text/, image/ and manifest.json, which says what each file should come out as.
"""

import argparse
import pathlib

import numpy as np
import soundfile
from PIL import Image
from scipy.signal import resample_poly

import schedule
from digit_images import HELD_OUT, NAMES, pictures
from speech_clips import RATE, WORDS, espeak, trim
from speech_model import transcript

# (digits, voice, speed, pitch, gap, container, sample rate, channels); every voice is of a held-out kind.
CLIPS = [
    ("314159", "en-us+Andrea", 130, 50, 8, "wav", 16000, 1),
    ("2026", "en-gb+paul", 120, 45, 8, "wav", 16000, 1),
    ("90210", "en-us+victor", 125, 40, 8, "wav", 16000, 1),
    ("007", "en-gb-scotland+edward", 120, 50, 8, "wav", 16000, 1),
    ("42", "en-gb-x-gbclan+steph", 120, 55, 6, "wav", 16000, 1),
    ("8675309", "en-us+f4", 150, 50, 4, "flac", 16000, 1),
    ("1815", "en-029+Gene", 125, 50, 8, "flac", 16000, 1),
    ("555", "en-us-nyc+aunty", 130, 60, 8, "wav", 8000, 1),
    ("6174", "en-gb-x-rp+Diogo", 120, 45, 8, "wav", 8000, 1),
    ("3", "en-us+m7", 150, 50, 0, "wav", 44100, 2),
    ("271828", "en-gb-x-gbclan+edward2", 130, 45, 8, "flac", 44100, 2),
    ("1234", "en-us+steph3", 120, 60, 8, "flac", 22050, 1),
]

SENTENCES = [
    ("Add this song to my road trip playlist", "AddToPlaylist"),
    ("Please put the new track by Nina Simone on my Sunday morning playlist", "AddToPlaylist"),
    ("Book a table for four at an Italian restaurant in Bristol tonight", "BookRestaurant"),
    ("I need a reservation for two people at a sushi bar next Friday at 7 pm", "BookRestaurant"),
    ("find me a restaurant with a terrace for a party of nine in Porto", "BookRestaurant"),
    ("Will it rain in Lisbon tomorrow afternoon?", "GetWeather"),
    ("How cold is it going to be in Oslo on Monday", "GetWeather"),
    ("Is there going to be snow near Lake Baikal this weekend?", "GetWeather"),
    ("Play some quiet piano music by Erik Satie", "PlayMusic"),
    ("I want to hear the latest album by Björk on Spotify", "PlayMusic"),
    ("Give this novel four out of five stars", "RateBook"),
    ("rate the current book 2 points out of 6", "RateBook"),
    ("Find the video game called Winter Harbour", "SearchCreativeWork"),
    ("Show me the TV series The Long Way Home", "SearchCreativeWork"),
    ("What time is The Glass Mountain showing at the nearest cinema?", "SearchScreeningEvent"),
    ("Which movies are playing around here tonight", "SearchScreeningEvent"),
]

JPEG_EVERY = 4
PICTURES_OF_EACH = 2


def speech(folder):
    """Writes the clips, each with 150 ms of digital silence at both ends; yields manifest entries."""
    for i, (digits, voice, speed, pitch, gap, container, rate, channels) in enumerate(CLIPS, 1):
        digits = [int(d) for d in digits]
        spoken = trim(espeak(" ".join(WORDS[d].lower() for d in digits), voice, speed, pitch, gap))
        edge = np.zeros(RATE * (50 if channels == 2 and container == "wav" else 150) // 1000, np.float32)
        samples = np.concatenate([edge, spoken / np.abs(spoken).max() * 0.5, edge])
        common = np.gcd(rate, RATE)
        samples = resample_poly(samples, rate // common, RATE // common)
        if channels == 2:
            samples = np.stack([samples, samples * 0.7], 1)
        path = folder / f"speech-{i:02d}.{container}"
        soundfile.write(path, samples, rate, subtype="PCM_16")
        yield entry(path, "audio", transcript(digits),
                    f"espeak-ng voice {voice}, {rate} Hz, {'stereo' if channels == 2 else 'mono'}")


def texts(folder):
    for i, (sentence, intent) in enumerate(SENTENCES, 1):
        path = folder / f"sentence-{i:02d}.txt"
        path.write_text(sentence, encoding="utf-8")
        yield entry(path, "text", intent, "written for this project")


def images(folder):
    """The first two held-out pictures of each digit, as they come; every fourth as a JPEG, every eighth at twice the size."""
    drawn, labels = pictures()
    held = range(len(drawn) - HELD_OUT, len(drawn))
    chosen = [i for d in range(10) for i in [i for i in held if labels[i] == d][:PICTURES_OF_EACH]]
    for n, i in enumerate(sorted(chosen), 1):
        kind = "jpg" if n % JPEG_EVERY == 0 else "png"
        picture = drawn[i]
        if n % 2 == 0:
            picture = picture.convert("RGB")
        if n % 8 == 0:
            picture = picture.resize((128, 128), Image.BICUBIC)
        path = folder / f"digit-{n:02d}.{kind}"
        picture.save(path, **({"quality": 92} if kind == "jpg" else {"optimize": True}))
        yield entry(path, "image", NAMES[labels[i]], f"scikit-learn handwritten digit {i} (held out), {picture.width}x{picture.height} {picture.mode}")


def entry(path, modality, expected, about):
    return {"file": f"{path.parent.name}/{path.name}", "modality": modality, "expected": expected, "about": about}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    out = pathlib.Path(parser.parse_args().out)
    manifest = []
    for name, make in (("audio", speech), ("text", texts), ("image", images)):
        (out / name).mkdir(parents=True, exist_ok=True)
        manifest += make(out / name)
    schedule.write_json(out / "manifest.json", manifest)
    print(len(manifest), "samples")


if __name__ == "__main__":
    main()
