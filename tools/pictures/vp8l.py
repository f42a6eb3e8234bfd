"""Lossless WebP files by hand (RFC 9649): what the format allows and no encoder writes, and what a reader may refuse. Pixels are noise; what they are is for Pillow to say."""

import struct

import numpy as np

CACHE_SYMBOLS = 280  # from here on the first code's symbols are places in the cache
ORDER = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
PREDICTED, COLOURED, GREENLESS, NUMBERED = range(4)


class Bits:
    def __init__(self):
        self.value = self.n = 0

    def put(self, value, n):
        assert 0 <= value < 1 << n
        self.value |= value << self.n
        self.n += n

    def bytes(self):
        return self.value.to_bytes((self.n + 7) // 8, "little")


def canonical(lengths):
    """The codes of lengths, by symbol, as (bits in reading order, how many); of one symbol, none at all."""
    used = [s for s in range(len(lengths)) if lengths[s]]
    if len(used) == 1:
        return {used[0]: (0, 0)}
    codes, code, last = {}, 0, 0
    for n, s in sorted((lengths[s], s) for s in used):
        code <<= n - last
        codes[s] = (int(f"{code:0{n}b}"[::-1], 2), n)
        code, last = code + 1, n
    return codes


def drawn(rng, symbols, deepest=15):
    """A code of some symbols: a leaf is split until there are enough."""
    leaves = [0]
    while len(leaves) < len(symbols):
        i = rng.integers(0, len(leaves)) if rng.random() < 0.7 else len(leaves) - 1
        if leaves[i] < deepest:
            n = leaves.pop(int(i)) + 1
            leaves += [n, n]
    return dict(zip(symbols, (max(n, 1) for n in leaves)))


def words_of(row, rng):
    """Symbols of the code for lengths, with the bits that follow them."""
    words, i, last = [], 0, 8
    while i < len(row):
        same = 1
        while i + same < len(row) and row[i + same] == row[i]:
            same += 1
        if row[i] == 0 and same >= 11 and rng.random() < 0.9:
            n = min(same, 138)
            words.append((18, n - 11, 7))
        elif row[i] == 0 and same >= 3 and rng.random() < 0.9:
            n = min(same, 10)
            words.append((17, n - 3, 3))
        elif row[i] == last and same >= 3 and rng.random() < 0.9:
            n = min(same, 6)
            words.append((16, n - 3, 2))
        else:
            n = 1
            words.append((row[i], 0, 0))
            last = row[i] or last
        i += n
    return words


def put_code(b, rng, lengths, size, cut=False):
    """Writes a code of lengths by symbol, plain or, where it can be, simple; cut: with the number of lengths that are written."""
    symbols = sorted(lengths)
    if len(symbols) <= 2 and max(symbols) < 256 and max(lengths.values()) == 1 and rng.random() < 0.7:
        b.put(1, 1)
        b.put(len(symbols) - 1, 1)
        wide = symbols[0] > 1 or int(rng.integers(0, 2))
        b.put(int(wide), 1)
        b.put(symbols[0], 8 if wide else 1)
        if len(symbols) == 2:
            b.put(symbols[1], 8)
        return canonical([lengths.get(s, 0) for s in range(size)])
    b.put(0, 1)
    order = [4] * 13 + [5] * 6  # lengths of the code for lengths
    rng.shuffle(order)
    b.put(15, 4)
    for i in ORDER:
        b.put(order[i], 3)
    code = canonical(order)
    row = [lengths.get(s, 0) for s in range(size)]
    words = words_of(row[: max(symbols) + 1] if cut else row, rng)
    if cut and len(words) < 2:
        cut, words = False, words_of(row, rng)
    b.put(int(cut), 1)
    if cut:
        b.put(4, 3)
        b.put(len(words) - 2, 10)
    for s, extra, n in words:
        b.put(*code[s])
        b.put(extra, n)
    return canonical(row)


def prefixed(v):
    """The prefix of a length or a distance, with the bits that follow it."""
    v -= 1
    if v < 4:
        return v, 0, 0
    n = v.bit_length() - 2
    return 2 * n + (v >> n), v & (1 << n) - 1, n


class Writer:
    """A file of so many pixels; every choice is rng's."""

    def __init__(self, w, h, seed):
        self.w, self.h, self.rng, self.b = w, h, np.random.default_rng(seed), Bits()
        self.b.put(0x2F, 8)
        self.b.put(w - 1, 14)
        self.b.put(h - 1, 14)
        self.b.put(int(self.rng.integers(0, 2)), 1)
        self.b.put(0, 3)

    def some(self, n, most):
        return sorted(int(s) for s in self.rng.choice(n, int(self.rng.integers(1, most + 1)), replace=False))

    def codes(self, cache, greens=None, alone=(False, False, False)):
        """Writes a group of five codes. Of the first, some symbols are always there: a literal, and a length of 1."""
        rng = self.rng
        cached = self.some(1 << cache, min(1 << cache, 60)) if cache else []
        first = [*(greens or self.some(256, 40)), *(256 + s for s in self.some(20, 6)), *(CACHE_SYMBOLS + s for s in cached)]
        group = [(first, CACHE_SYMBOLS + (1 << cache if cache else 0))]
        group += [(self.some(256, 1 if one else 40), 256) for one in alone] + [(self.some(12, 9), 40)]
        out = []
        for symbols, size in group:
            symbols = [int(s) for s in rng.permutation(symbols)]
            out.append(put_code(self.b, rng, drawn(rng, symbols), size, rng.random() < 0.3))
        return out

    def pixels(self, w, h, groups, group_of=lambda x, y: 0, copies=0.2):
        rng, at = self.rng, 0
        put = lambda code, s: self.b.put(*code[s])
        while at < w * h:
            codes = groups[group_of(at % w, at // w)]
            greens = codes[0]
            literals, lengths, places = ([s for s in greens if a <= s < z] for a, z in ((0, 256), (256, 280), (280, 9999)))
            kind = rng.random()
            if kind < copies:
                length = [(s, v) for s in lengths for v in range(1, w * h - at + 1) if prefixed(v)[0] == s - 256]
                back = [(s, v) for s in codes[4] for v in range(1, 121 + at) if prefixed(v)[0] == s and (v <= 120 and at >= 8 * w + 8 or v > 120)]
                if length and back:
                    (s, n), (d, v) = (x[int(rng.integers(0, len(x)))] for x in (length, back))
                    for code, symbol, value in ((greens, s, n), (codes[4], d, v)):
                        put(code, symbol)
                        self.b.put(*prefixed(value)[1:])
                    at += n
                    continue
            if places and (kind > 0.7 or not literals):
                put(greens, places[int(rng.integers(0, len(places)))])
            else:
                put(greens, literals[int(rng.integers(0, len(literals)))])
                for code in codes[1:4]:
                    put(code, list(code)[int(rng.integers(0, len(code)))])
            at += 1

    def cache(self, share=0.5):
        bits = int(self.rng.integers(1, 12)) if self.rng.random() < share else 0
        self.b.put(int(bits > 0), 1)
        if bits:
            self.b.put(bits, 4)
        return bits

    def plain(self, w, h, greens=None):
        """Pixels that transforms or groups go by."""
        cache = self.cache(0.3)
        self.pixels(w, h, [self.codes(cache, greens)])

    def transform(self, kind, w, colours=None, modes=None):
        """Writes one and gives the width that is left."""
        self.b.put(1, 1)
        self.b.put(kind, 2)
        if kind == NUMBERED:
            self.b.put(colours - 1, 8)
            self.plain(colours, 1)
            return -(-w // (8 if colours <= 2 else 4 if colours <= 4 else 2 if colours <= 16 else 1))
        if kind != GREENLESS:
            bits = int(self.rng.integers(0, 4))
            self.b.put(bits, 3)
            size = 4 << bits
            self.plain(-(-w // size), -(-self.h // size), modes if kind == PREDICTED else None)
        return w

    def end(self, w, groups=1, **look):
        """Writes no more transforms, and the picture."""
        self.b.put(0, 1)
        cache = self.cache()
        self.b.put(int(groups > 1), 1)
        blocks = lambda x, y: 0
        if groups > 1:
            bits = int(self.rng.integers(0, 2))
            self.b.put(bits, 3)
            size = 4 << bits
            across, down = -(-w // size), -(-self.h // size)
            numbers = self.rng.integers(0, groups, (down, across))  # some groups may have no block
            self.b.put(0, 1)
            codes = [put_code(self.b, self.rng, drawn(self.rng, list(range(n))), size) for n, size in ((groups, 280), (1, 256), (1, 256), (1, 256), (1, 40))]
            for v in numbers.flat:
                self.b.put(*codes[0][int(v)])
            groups = int(numbers.max()) + 1
            blocks = lambda x, y: int(numbers[y // size, x // size])
        self.pixels(w, self.h, [self.codes(cache, **look) for _ in range(groups)], blocks)
        return riff(self.b.bytes())


def riff(body):
    body = b"VP8L" + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def regular():
    """Files that keep to the format, by name."""
    for i, (w, h) in enumerate(((1, 1), (1, 40), (40, 1), (9, 16), (33, 20), (50, 3), (23, 31), (64, 16))):
        f = Writer(w, h, 100 + i)
        yield f"plain_{w}x{h}", f.end(w)
    for mode in range(16):
        f = Writer(13, 11, 200 + mode)
        yield f"predictor_{mode}", f.end(f.transform(PREDICTED, 13, modes=[mode]), groups=1 + mode % 3)
    for i, kinds in enumerate(((0,), (1,), (2,), (0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1), (0, 2), (1, 0))):
        f = Writer(29, 22, 300 + i)
        for kind in kinds:
            f.transform(kind, 29)
        yield "transforms_" + "".join(map(str, kinds)), f.end(29, groups=1 + 2 * (i % 3))
    for i, (colours, before, behind) in enumerate((
        (1, (), ()), (2, (), ()), (3, (), (0,)), (4, (2,), ()), (5, (0, 2), (1,)), (16, (1,), (0, 2)), (17, (), (0,)), (255, (0,), ()), (256, (), (0, 1, 2)), (2, (0,), (1,)),
    )):  # fmt: skip
        f = Writer(27, 19, 400 + i)
        for kind in before:
            f.transform(kind, 27)
        w = f.transform(NUMBERED, 27, colours=colours)
        for kind in behind:
            f.transform(kind, w)
        yield f"colours_{colours}_{''.join(map(str, before))}_{''.join(map(str, behind))}", f.end(w, groups=1 + i % 2)
    for i, alone in enumerate(((True, True, True), (False, False, True), (True, True, False), (True, False, True))):
        f = Writer(20, 20, 500 + i)
        yield f"alone_{i}", f.end(20, alone=alone)
    f = Writer(40, 40, 600)
    yield "groups", f.end(40, groups=60)


def odd():
    """Files that a reader may refuse, by name."""

    def start(w=4, h=4):
        b = Bits()
        for v, n in ((0x2F, 8), (w - 1, 14), (h - 1, 14), (0, 4)):
            b.put(v, n)
        return b

    def simple(b, *symbols, wide=True):
        b.put(1, 1)
        b.put(len(symbols) - 1, 1)
        b.put(int(wide), 1)
        for i, s in enumerate(symbols):
            b.put(s, 8 if wide or i else 1)

    def picture(*codes, rest=(), cache=None):
        """No transform, no groups; codes are symbols of simple ones, or pairs to put."""
        b = start()
        b.put(0, 1)
        b.put(int(cache is not None), 1)
        if cache is not None:
            b.put(cache, 4)
        b.put(0, 1)
        for c in codes:
            if isinstance(c, list):
                for v, n in c:
                    b.put(v, n)
            else:
                simple(b, *c)
        for v, n in rest:
            b.put(v, n)
        return riff(b.bytes())

    def lengths(order, words, most=None):
        """A plain code: lengths of the code for lengths by symbol, words to put, how many there are."""
        out = [(0, 1), (15, 4)] + [(order.get(i, 0), 3) for i in ORDER]
        return out + ([(0, 1)] if most is None else [(1, 1), (4, 3), (most - 2, 10)]) + words

    noise = [(0b0110100110010110, 16)]
    ok = [(7, 9), (1,), (2,), (255,), (0,)]
    yield "simple", picture(*ok, rest=noise)
    yield "one_colour", picture((7,), *ok[1:])
    yield "the_greater_first", picture((9, 7), *ok[1:], rest=noise)
    yield "behind", picture(*ok, rest=noise + [(0, 64), (1, 9)])
    yield "short", picture(*ok, rest=[(5, 3)])
    yield "same_twice", picture((7, 7), *ok[1:], rest=noise)
    yield "no_such_distance", picture(*ok[:4], (200,), rest=noise)
    yield "one_such_distance", picture(*ok[:4], (200, 3), rest=noise)
    yield "cache_0", picture(*ok, rest=noise, cache=0)
    yield "cache_12", picture(*ok, rest=noise, cache=12)
    yield "cache_unused", picture(*ok, rest=noise, cache=11)
    two = {0: 2, 1: 2, 2: 2, 18: 2}  # codes of two bits, 00, 01, 10, 11, first bit lowest
    l0, l1, l2, run = (0, 2), (2, 2), (1, 2), (3, 2)
    zeros = lambda n: [run, (n - 11, 7)]
    rest256 = zeros(138) + zeros(107)  # of a code of 256, behind 11
    eleven = lambda *w: [*w, *[l0] * (11 - len(w))]
    for name, words in (("empty", eleven()), ("single", eleven(l0, l2)), ("incomplete", eleven(l1, l2)), ("oversubscribed", eleven(l1, l1, l2)), ("three", eleven(l1, l2, l2))):
        yield "code_" + name, picture(ok[0], lengths(two, words + rest256), *ok[2:], rest=noise * 4)
    yield "code_too_long", picture(ok[0], lengths(two, [l1, l1] + zeros(138) + zeros(138)), *ok[2:], rest=noise * 4)
    yield "code_cut", picture(ok[0], lengths(two, [l1, l1], most=2), *ok[2:], rest=noise * 4)
    yield "code_cut_all", picture(ok[0], lengths(two, [l1, l1] + [l0] * 254, most=256), *ok[2:], rest=noise * 4)
    yield "code_cut_too_far", picture(ok[0], lengths(two, [l1, l1] + [l0] * 254, most=257), *ok[2:], rest=noise * 4)
    yield "code_of_one_length", picture(ok[0], lengths({8: 3}, []), *ok[2:], rest=[((1 << 160) - 987654321, 160)])
    yield "code_of_no_length", picture(ok[0], lengths({}, []), *ok[2:], rest=noise * 4)
    yield "code_of_incomplete_lengths", picture(ok[0], lengths({0: 2, 1: 2}, [l1, l1, l0] * 40), *ok[2:], rest=noise * 4)
    # A literal 7 and a length: simple codes reach up to 255 only, so the code is plain: lengths 1 at 7 and at 256 + n.
    def mixed(n, length=1):
        order = {0: 2, length: 2, 17: 2, 18: 2}
        by = canonical([order.get(i, 0) for i in range(19)])
        words = [by[0]] * 7 + [by[length]] + [by[18], (127, 7), by[18], (99, 7), *[by[0]] * n, by[length]] + [by[0]] * (23 - n)
        return lengths(order, words)

    green = mixed(2)  # 0: literal 7, 1: three pixels
    yield "repeat", picture(green, *ok[1:4], (1,), rest=[(0b11110, 5), (0, 12)])
    yield "repeat_too_early", picture(green, *ok[1:4], (1,), rest=[(1, 1), (0, 20)])
    yield "repeat_too_far", picture(green, *ok[1:4], (0,), rest=[(0, 1), (1, 1), (0, 20)])
    yield "repeat_too_long", picture(green, *ok[1:4], (1,), rest=[(0b1111100, 7), (0, 12)])
    for name, bits in (("twice", [(1, 1), (2, 2), (1, 1), (2, 2), (0, 1)]), ("all", [(1, 1), (2, 2), (0, 1)])):
        b = start()
        for v, n in bits + [(0, 1), (0, 1)]:
            b.put(v, n)
        for c in ok:
            simple(b, *c)
        b.put(0x5A5A, 16)
        yield "transform_" + name, riff(b.bytes())
    f = Writer(80, 80, 700)  # pixels of one channel only, whose codes are small and their tables are not
    yield "many_groups", f.end(80, groups=180, alone=(True, True, True))
    whole = picture(*ok, rest=noise)
    yield "version", whole[:24] + bytes([whole[24] | 0x20]) + whole[25:]
    yield "signature", whole[:20] + b"\x2e" + whole[21:]
