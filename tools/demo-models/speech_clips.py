"""Where the speech comes from: recordings of single digits, and espeak-ng voices saying digits.

A Clip is mono float32 at 16 kHz with root mean square 0.1. Recordings 0-4 of each digit and speaker are held out, which is
the data set's own convention; of the synthetic voices, whole families and one whole accent are held out.
"""

import concurrent.futures
import dataclasses
import io
import pathlib
import pickle
import subprocess

import numpy as np
import soundfile
from scipy.signal import resample_poly

RATE = 16000
WORDS = "ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE".split()
HELD_OUT_RECORDINGS = 5

ACCENTS = ["en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029", "en-us-nyc"]
HELD_OUT_ACCENT = "en-gb-x-gbclan"
VARIANTS = """Alex Alicia Andy Annie AnxiousAndy Denis Henrique Hugo Jacky Lee Marco Mario Michael Mike Nguyen RicishayMax
RicishayMax2 RicishayMax3 Storm Tweaky adam anika antonio belinda benjamin boris caleb david ed f1 f2 f3 f5 grandma grandpa
gustave iven iven2 iven3 iven4 john kaukovalta klatt klatt2 klatt3 linda m1 m2 m3 m4 m5 m6 m8 marcelo max michel miguel
norbert pablo pedro quincy rob robert robosoft robosoft3 robosoft5 sandro shelby travis zac""".split()
HELD_OUT_VARIANTS = "Andrea Diogo Gene Gene2 aunty edward edward2 f4 m7 paul steph steph2 steph3 victor".split()


@dataclasses.dataclass
class Clip:
    """Speech and the digits said in it, in order."""

    samples: np.ndarray
    digits: list
    voice: str

    @property
    def isolated(self):
        return len(self.digits) == 1


def level(samples):
    """Brings the root mean square to 0.1."""
    return (samples / (np.sqrt(np.mean(samples**2)) + 1e-6) * 0.1).astype(np.float32)


def to_rate(samples, rate):
    """Mono float32 at 16 kHz, whatever came in."""
    if samples.ndim > 1:
        samples = samples.mean(1)
    common = np.gcd(rate, RATE)
    return resample_poly(samples, RATE // common, rate // common).astype(np.float32)


def recordings(folder):
    """Reads `{digit}_{speaker}_{index}.wav` files; returns (training, held out)."""
    train, held = [], []
    for path in sorted(pathlib.Path(folder).glob("*.wav")):
        digit, speaker, index = path.stem.split("_")
        samples, rate = soundfile.read(path, dtype="float32")
        clip = Clip(level(to_rate(samples, rate)), [int(digit)], speaker)
        (held if int(index) < HELD_OUT_RECORDINGS else train).append(clip)
    if not train or not held:
        raise SystemExit(f"no recordings named DIGIT_SPEAKER_INDEX.wav in {folder}: see README.md for where to get them")
    return train, held


def espeak(text, voice, speed, pitch, gap):
    """One espeak-ng call: samples at 16 kHz. speed in words a minute, pitch 0-99, gap between words in units of 10 ms."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-g", str(gap), "--stdout", text]
    wave = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    samples, rate = soundfile.read(io.BytesIO(wave), dtype="float32")
    return to_rate(samples, rate)


def trim(samples, floor=0.02):
    """Cuts silence at both ends down to 20 ms."""
    loud = np.flatnonzero(np.abs(samples) > floor * np.abs(samples).max())
    margin = RATE // 50
    return samples[max(0, loud[0] - margin) : loud[-1] + margin]


def synthetic(rng, count, accents, variants, longest):
    """`count` clips of 1 to `longest` digits, each by a voice, speed, pitch and phrasing of its own."""
    orders = []
    for _ in range(count):
        digits = rng.integers(10, size=rng.integers(1, longest + 1)).tolist()
        comma = ", " if rng.random() < 0.4 else " "
        orders.append((
            digits,
            comma.join(WORDS[d].lower() for d in digits),
            f"{rng.choice(accents)}+{rng.choice(variants)}",
            int(rng.integers(95, 185)),
            int(rng.integers(20, 85)),
            int(rng.integers(0, 14)),
        ))

    def speak(order):
        digits, *how = order
        return Clip(level(trim(espeak(*how))), digits, how[1])

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(speak, orders))


def synthetic_sets(cache):
    """Training words, training phrases, and held-out phrases; kept in `cache` because speaking takes minutes."""
    cache = pathlib.Path(cache)
    if not cache.exists():
        rng = np.random.default_rng(20)
        sets = {
            "words": synthetic(rng, 4000, ACCENTS, VARIANTS, 1),
            "phrases": synthetic(rng, 4000, ACCENTS, VARIANTS, 6),
            "held_voices": synthetic(rng, 200, ACCENTS, HELD_OUT_VARIANTS, 6),
            "held_accent": synthetic(rng, 100, [HELD_OUT_ACCENT], HELD_OUT_VARIANTS, 6),
            "held_words": synthetic(rng, 200, ACCENTS, HELD_OUT_VARIANTS, 1),
        }
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_bytes(pickle.dumps(sets))
    return pickle.loads(cache.read_bytes())
