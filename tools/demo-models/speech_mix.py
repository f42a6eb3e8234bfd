"""Turns clips into training utterances: several clips in a row, then the small harms that real recordings suffer.

An Utterance knows where each isolated word lies, which gives frame labels for nothing; a phrase spoken in one go has no such
labels and trains by CTC only.
"""

import dataclasses

import numpy as np
from scipy.signal import resample_poly

from speech_clips import RATE, Clip

FRAME_STRIDE = 320  # samples between frames
FRAME_CENTRE = 360  # middle of the first frame's 720-sample window
UNLABELLED = -100


@dataclasses.dataclass
class Utterance:
    """A waveform, the digits in it, and where each lies in samples (None when that is not known)."""

    samples: np.ndarray
    digits: list
    spans: list

    def frame_labels(self, frames):
        """0 = silence, digit + 1 = speech, for `frames` frames."""
        if self.spans is None:
            return np.full(frames, UNLABELLED)
        centre = np.arange(frames) * FRAME_STRIDE + FRAME_CENTRE
        labels = np.zeros(frames, np.int64)
        for (start, end), digit in zip(self.spans, self.digits):
            labels[(centre >= start) & (centre < end)] = digit + 1
        return labels


def silence(rng, low, high):
    return np.zeros(int(rng.uniform(low, high) * RATE), np.float32)


def join(rng, clips, gap=(0.04, 0.35), lead=(0.05, 0.35)):
    """Clips in a row with silences (seconds) between and around them."""
    parts, spans, at = [silence(rng, *lead)], [], 0
    for i, clip in enumerate(clips):
        if i:
            parts.append(silence(rng, *gap))
        at = sum(map(len, parts))
        spans.append((at, at + len(clip.samples)))
        parts.append(clip.samples)
    parts.append(silence(rng, *lead))
    digits = [d for clip in clips for d in clip.digits]
    return Utterance(np.concatenate(parts), digits, spans if all(c.isolated for c in clips) else None)


def speed(rng, clip, factor):
    """Plays a clip faster or slower (pitch moves with it) and at another level within 6 dB."""
    count = int(len(clip.samples) / factor)
    at = np.linspace(0, len(clip.samples) - 1, count)
    played = np.interp(at, np.arange(len(clip.samples)), clip.samples) * 10 ** (rng.uniform(-6, 6) / 20)
    return Clip(played.astype(np.float32), clip.digits, clip.voice)


def noise(rng, count):
    """White noise, rumble, or mains hum; unit variance."""
    white = rng.standard_normal(count).astype(np.float32)
    kind = rng.integers(3)
    if kind == 1:
        walk = np.cumsum(white)
        white = walk - np.convolve(walk, np.ones(401) / 401, "same")[:count] if count > 401 else white
    elif kind == 2:
        hum = rng.choice([50, 60, 100, 120])
        white = np.sin(2 * np.pi * hum * np.arange(count) / RATE + rng.random() * 6) + 0.3 * white
    return (white / (white.std() + 1e-6)).astype(np.float32)


def coloured(rng, samples):
    """A random nine-tap filter near identity: another microphone."""
    taps = rng.standard_normal(9) * 0.12
    taps[4] += 1
    return np.convolve(samples, taps, "same").astype(np.float32)


def echoed(rng, samples):
    delay = int(rng.uniform(0.01, 0.06) * RATE)
    echo = np.zeros_like(samples)
    echo[delay:] = samples[:-delay]
    return samples + echo * rng.uniform(0.1, 0.4)


def telephone(samples):
    """What is left after a stay at 8 kHz."""
    return resample_poly(resample_poly(samples, 1, 2), 2, 1)[: len(samples)].astype(np.float32)


def roughened(rng, utterance):
    """The utterance with a random selection of harms; digital silence stays silent in one case out of seven."""
    w = utterance.samples
    if rng.random() < 0.4:
        w = coloured(rng, w)
    if rng.random() < 0.2:
        w = echoed(rng, w)
    if rng.random() < 0.3:
        w = telephone(w)
    if rng.random() < 0.86:
        w = w + noise(rng, len(w)) * 0.1 * 10 ** (-rng.uniform(12, 45) / 20)
    return Utterance(w.astype(np.float32), utterance.digits, utterance.spans)


class Mixer:
    """Draws training utterances: half from recordings, a quarter each from synthetic words and synthetic phrases."""

    def __init__(self, rng, recorded, words, phrases):
        self.rng = rng
        self.recorded = by_voice(recorded)
        self.words = by_voice(words)
        self.phrases = {n: [p for p in phrases if len(p.digits) == n] for n in range(1, 7)}

    def draw(self, count):
        """One utterance of `count` digits."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.5:
            clips = pick(rng, self.recorded, count)
        elif kind < 0.75:
            clips = pick(rng, self.words, count)
        else:
            clips = [self.phrases[count][rng.integers(len(self.phrases[count]))]]
        factor = rng.uniform(0.85, 1.18)
        clips = [speed(rng, c, factor * rng.uniform(0.96, 1.04)) for c in clips]
        return roughened(rng, join(rng, clips))


def by_voice(clips):
    """{voice: clips}, plus every clip under ''."""
    groups = {"": list(clips)}
    for clip in clips:
        groups.setdefault(clip.voice, []).append(clip)
    return groups


def pick(rng, groups, count, mixed=0.15):
    """`count` clips of one voice; in the share `mixed` of cases, of any voice."""
    voices = [v for v in groups if v]
    pool = groups["" if rng.random() < mixed else voices[rng.integers(len(voices))]]
    return [pool[rng.integers(len(pool))] for _ in range(count)]


def assembled(seed, clips, count, longest):
    """A held-out set: `count` clean utterances of 1 to `longest` digits, each by one voice, faint white noise under them."""
    rng = np.random.default_rng(seed)
    groups = by_voice(clips)
    out = []
    for _ in range(count):
        u = join(rng, pick(rng, groups, int(rng.integers(1, longest + 1)), mixed=0))
        hiss = rng.standard_normal(len(u.samples)).astype(np.float32)
        out.append(Utterance(u.samples + hiss * 0.001, u.digits, u.spans))
    return out


def spoken(seed, clips):
    """A held-out set of phrases as the voice said them, a little silence around them and nothing else."""
    rng = np.random.default_rng(seed)
    return [join(rng, [c]) for c in clips]
