#!/usr/bin/env python3
"""Makes the corpus of FLAC: streams by the flac program, and by an encoder here that draws every kind of subframe, residual and header, and what libFLAC makes of them.

Needs flac 1.4.2 on the PATH and numpy, soundfile 0.14. Run it in this directory. Writes *.flac and want.txt: of each its rate, channels,
bits, samples of a channel, and the SHA-256 of all samples as flac gives them, interleaved, 32 bits little-endian, at the width of the stream.
"""
import glob
import hashlib
import os
import subprocess

import numpy as np
import soundfile as sf

FIXED = [[], [1], [2, -1], [3, -3, 1], [4, -6, 4, -1]]


def crc(data, width, poly):
    c = 0
    for byte in data:
        c ^= byte << (width - 8)
        for _ in range(8):
            c = (c << 1 ^ (poly if c >> (width - 1) else 0)) & ((1 << width) - 1)
    return c


class Bits:
    def __init__(self):
        self.parts, self.count = [], 0

    def put(self, value, n):
        if n:
            self.parts.append(format(int(value) & ((1 << n) - 1), f"0{n}b"))
            self.count += n

    def bytes(self):
        s = "".join(self.parts)
        return int(s + "0" * (-len(s) % 8), 2).to_bytes((len(s) + 7) // 8, "big") if s else b""


def residual(out, r, res, block, order):
    parts = r.choice([p for p in range(9) if block % (1 << p) == 0 and block >> p >= order])
    five = r.random() < 0.5
    out.put(five, 2)
    out.put(parts, 4)
    at = 0
    for p in range(1 << parts):
        n = (block >> parts) - (order if p == 0 else 0)
        part, at = res[at : at + n], at + n
        width = max((int(v).bit_length() + 1 for v in np.abs(part)), default=0) if any(part) else 0
        if width < 32 and r.random() < 0.2:  # not coded
            out.put(31 if five else 15, 5 if five else 4)
            out.put(width, 5)
            for v in part:
                out.put(v, width)
            continue
        mean = np.mean(np.abs(part)) if len(part) else 0
        k = min(max(int(mean).bit_length() + int(r.integers(-2, 3)), 0), 30 if five else 14)
        out.put(k, 5 if five else 4)
        for v in part:
            folded = 2 * int(v) if v >= 0 else -2 * int(v) - 1
            out.put(1, (folded >> k) + 1)
            out.put(folded, k)


def subframe(out, r, x, width):
    wasted = 0
    while any(x) and not any(v >> wasted & 1 for v in x):
        wasted += 1
    x, width = [v >> wasted for v in x], width - wasted
    kind = r.choice(["constant"] if len(set(x)) == 1 else ["verbatim", "fixed", "linear", "linear"])
    order = int(r.integers(0, 5) if kind == "fixed" else r.choice([1, 2, 4, 5, 8, 9, 12, 13, 31, 32]))
    order = min(order, len(x) - 1)  # libFLAC takes no more
    out.put(0, 1)
    out.put({"constant": 0, "verbatim": 1, "fixed": 8 + order, "linear": 31 + order}[kind], 6)
    out.put(wasted > 0, 1)
    if wasted:
        out.put(1, wasted)
    if kind == "constant":
        out.put(x[0], width)
        return
    for v in x if kind == "verbatim" else x[:order]:
        out.put(v, width)
    if kind == "verbatim":
        return
    weights, shift = FIXED[order] if kind == "fixed" else None, 0
    if kind == "linear":
        precision, shift = int(r.integers(5, 16)), int(r.integers(3, 14))
        limit = (1 << (precision - 1)) - 1
        best = np.array([2, -1] + [0] * 30)[:order] if order > 1 else np.array([1])
        weights = np.clip(np.rint(best * 2.0**shift + r.normal(0, 2.0**shift / 40, order)), -limit, limit).astype(int).tolist()
        out.put(precision - 1, 4)
        out.put(shift, 5)
        for w in weights:
            out.put(w, precision)
    residual(out, r, [x[i] - (sum(w * x[i - 1 - j] for j, w in enumerate(weights)) >> shift) for i in range(order, len(x))], len(x), order)


def number(n):
    """In the form of UTF-8, up to seven bytes."""
    if n < 0x80:
        return bytes([n])
    tail = []
    while n >= 1 << (6 - len(tail)):
        tail.insert(0, 0x80 | n & 0x3F)
        n >>= 6
    return bytes([0xFF00 >> (len(tail) + 1) & 0xFF | n] + tail)


def drawn(name, seed, rate, bits, channels, count, declared):
    r = np.random.default_rng(seed)
    t = np.arange(count)
    top = (1 << (bits - 1)) - 1
    x = np.stack([top * 0.6 * np.sin(t / (9 + 3 * c)) + top * 0.02 * r.standard_normal(count) for c in range(channels)]).astype(int)
    x[0, count // 2 :] &= ~3  # wasted bits
    x[-1, : count // 5] = 5  # a constant
    codes = {88200: 1, 8000: 4, 16000: 5, 22050: 6, 44100: 9, 48000: 10}
    body, at = b"", 0
    while at < count:
        code = int(r.choice([1, 2, 6, 7, 8, 9]))
        block = {1: 192, 2: 576, 8: 256, 9: 512}.get(code, int(r.choice([16, 33, 64, 100, 250])))
        if at + block > count:
            code, block = 7, count - at
        pair = int(r.choice([1, 8, 9, 10])) if channels == 2 else channels - 1
        h = Bits()
        h.put(0x3FFE, 14)
        h.put(1, 2)  # blocks of several sizes: frames are numbered by samples
        h.put(code, 4)
        rated = int(r.choice([0, codes.get(rate, 0), 13 if rate < 65536 else 14]))
        h.put(rated, 4)
        h.put(pair, 4)
        h.put(int(r.choice([0, {8: 1, 12: 2, 16: 4, 20: 5, 24: 6}.get(bits, 0)])), 3)
        h.put(0, 1)
        head = h.bytes() + number(at)
        if code in (6, 7):
            head += (block - 1).to_bytes(code - 5, "big")
        if rated >= 13:
            head += (rate // (10 if rated == 14 else 1)).to_bytes(2, "big")
        head += bytes([crc(head, 8, 0x07)])
        s, widths = [list(map(int, c[at : at + block])) for c in x], [bits] * channels
        if pair >= 8:
            left, right = s
            side = [a - b for a, b in zip(left, right)]
            s, widths = {
                8: ([left, side], [bits, bits + 1]), 9: ([side, right], [bits + 1, bits]),
                10: ([[(a + b) >> 1 for a, b in zip(left, right)], side], [bits, bits + 1]),
            }[pair]  # fmt: skip
        out = Bits()
        for c, w in zip(s, widths):
            subframe(out, r, c, w)
        frame = head + out.bytes()
        body += frame + crc(frame, 16, 0x8005).to_bytes(2, "big")
        at += block
    info = Bits()
    for value, n in ((16, 16), (1024, 16), (0, 24), (0, 24), (rate, 20), (channels - 1, 3), (bits - 1, 5), (count if declared else 0, 36)):
        info.put(value, n)
    padding = b"\x81\x00\x00\x05" + b"\x00" * 5  # PADDING, the last block
    open(name, "wb").write(b"fLaC\x00\x00\x00\x22" + info.bytes() + b"\x00" * 16 + padding + body)


def main():
    for i, (rate, bits, channels, declared) in enumerate([
        (44100, 16, 2, True), (44100, 16, 2, False), (16000, 16, 1, True), (48000, 24, 2, True), (8000, 8, 1, True), (22050, 20, 3, True), (88200, 12, 2, True), (9999, 16, 8, True),
    ]):  # fmt: skip
        drawn(f"drawn-{i}.flac", i, rate, bits, channels, 2500 if channels < 3 else 700, declared)
    r = np.random.default_rng(1)
    t = np.arange(6000)
    wave = np.stack([0.5 * np.sin(t / 11) + 0.05 * r.standard_normal(6000), 0.4 * np.sin(t / 11.2) + 0.05 * r.standard_normal(6000)], axis=1)
    for name, subtype, options in [
        ("fastest", "PCM_16", ["-0"]), ("best", "PCM_24", ["-8", "-e", "-p"]), ("order-32", "PCM_16", ["-l", "32", "--lax", "-b", "4000", "-m"]),
        ("small-blocks", "PCM_16", ["-5", "-b", "16", "--lax"]), ("adaptive", "PCM_16", ["-1", "-M"]),
    ]:  # fmt: skip
        sf.write("tmp.wav", wave if name != "small-blocks" else wave[:700], 44100, subtype)
        subprocess.run(["flac", "-s", "-f", *options, "tmp.wav", "-o", name + ".flac"], check=True)
    with open("want.txt", "w") as want:
        for name in sorted(glob.glob("*.flac")):
            raw = open(name, "rb").read()
            bits = ((raw[20] & 1) << 4 | raw[21] >> 4) + 1
            subprocess.run(["flac", "-s", "-f", "-d", name, "-o", "tmp.wav"], check=True)
            x, rate = sf.read("tmp.wav", dtype="int32", always_2d=True)
            x >>= 32 - bits
            print(name, rate, x.shape[1], bits, x.shape[0], hashlib.sha256(x.astype("<i4").tobytes()).hexdigest(), file=want)
    os.remove("tmp.wav")


main()
