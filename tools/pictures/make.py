"""Makes embed/image/testdata/foreign: pictures as other software writes them, and what Pillow reads of each.

Run by make.sh, which sees to the programs (ImageMagick, libjpeg-turbo's cjpeg and jpegtran, libwebp's cwebp and gif2webp, gifsicle,
libtiff's tools) and to the pinned Pillow. The pictures are drawn here; nobody else's work is in them.
"""

import hashlib
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
from PIL import Image, ImageDraw, ImageOps

import vp8l

OUT = sys.argv[1]
WORK = sys.argv[2]


def drawing(w, h, seed):
    """Smooth parts, hard edges of saturated colour, some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    a = np.stack([255 * x / max(w - 1, 1), 255 * y / max(h - 1, 1), 127 + 120 * np.sin((x + 2 * y) / 9)], -1)
    im = Image.fromarray(a.astype(np.uint8))
    d = ImageDraw.Draw(im)
    for _ in range(8):
        cx, cy, r = rng.integers(0, w), rng.integers(0, h), rng.integers(1, max(w, h) // 3 + 2)
        d.ellipse([cx - r, cy - r, cx + r, cy + r], fill=tuple(int(v) for v in rng.choice([0, 30, 200, 255], 3)))
    a = np.asarray(im).astype(int)
    a[:, w // 2 :] += rng.integers(-25, 26, a[:, w // 2 :].shape)
    return Image.fromarray(np.clip(a, 0, 255).astype(np.uint8))


def run(*argv):
    if argv[0] == "convert":  # which would write the time into its files
        argv = ("convert", "-define", "png:exclude-chunks=date,time", *argv[1:])
    p = subprocess.run(argv, capture_output=True)
    if p.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}: {p.stderr.decode()}")
    return p.stdout


def work(name):
    return os.path.join(WORK, name)


def out(name):
    return os.path.join(OUT, name)


def put(name, data):
    with open(out(name), "wb") as f:
        f.write(data)


def get(name):
    with open(out(name), "rb") as f:
        return f.read()


def sources():
    im = drawing(45, 37, 1)
    im.save(work("in.ppm"))
    im.save(work("in.png"))
    im.convert("L").save(work("in.pgm"))
    rgba = im.copy()
    rgba.putalpha(Image.fromarray(np.random.default_rng(2).choice([0, 1, 90, 254, 255], (37, 45)).astype(np.uint8)))
    rgba.save(work("alpha.png"))
    drawing(45, 37, 3).save(work("second.png"))
    drawing(23, 17, 4).save(work("small.png"))
    drawing(8, 8, 5).save(work("tiny.ppm"))
    for w, h in ((1, 1), (2, 3), (9, 1), (1, 9), (31, 33)):
        drawing(w, h, 10 * w + h).save(work(f"{w}x{h}.ppm"))


def jpegs():
    def cjpeg(name, *options, source="in.ppm"):
        put(name, run("cjpeg", *options, work(source)))

    for s in ("1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "3x1", "1x3", "3x2"):
        cjpeg(f"cjpeg_{s}.jpg", "-quality", "85", "-sample", s)
    for s, name in (("2x2,1x1,2x2", "uneven"), ("2x2,2x1,1x2", "mixed"), ("1x1,2x2,2x2", "fine_chroma"), ("2x1,1x1,2x1", "uneven_row")):
        cjpeg(f"cjpeg_{name}.jpg", "-quality", "85", "-sample", s)
    for s in ("1x1", "2x2", "2x1", "1x2"):
        cjpeg(f"cjpeg_progressive_{s}.jpg", "-quality", "90", "-progressive", "-sample", s)
    for size in ("1x1", "2x3", "9x1", "1x9", "31x33"):
        cjpeg(f"cjpeg_size_{size}.jpg", "-sample", "2x2", source=size + ".ppm")
        cjpeg(f"cjpeg_size440_{size}.jpg", "-sample", "1x2", source=size + ".ppm")
    for q in ("1", "25", "100"):
        cjpeg(f"cjpeg_q{q}.jpg", "-quality", q)  # quality 1 has quantisation tables of 16 bits
    cjpeg("cjpeg_restart1.jpg", "-restart", "1B")
    cjpeg("cjpeg_restart_row.jpg", "-restart", "1", "-progressive")
    cjpeg("cjpeg_optimised.jpg", "-optimize", "-quality", "95")
    cjpeg("cjpeg_grey.jpg", "-grayscale")
    cjpeg("cjpeg_grey_2x2.jpg", "-sample", "2x2", source="in.pgm")
    cjpeg("cjpeg_rgb.jpg", "-rgb")
    cjpeg("cjpeg_float.jpg", "-dct", "float")
    cjpeg("cjpeg_smooth.jpg", "-smooth", "30")
    cjpeg("cjpeg_arithmetic.jpg", "-arithmetic")
    with open(work("scans"), "w") as f:  # one component after the other, not interleaved
        f.write("0;\n1;\n2;\n")
    for s in ("2x2", "4x4", "3x3"):
        cjpeg(f"cjpeg_planes_{s}.jpg", "-scans", work("scans"), "-sample", s)
    with open(work("script"), "w") as f:  # chroma first, bits last
        f.write("0,1,2: 0-0, 0, 1;\n1: 1-63, 0, 2;\n2: 1-63, 0, 2;\n0: 1-9, 0, 3;\n0: 10-63, 0, 3;\n")
        f.write("".join(f"{c}: 1-63, {b}, {b - 1};\n" for b in (3, 2, 1) for c in (0, 1, 2) if b < 3 or c == 0))
        f.write("0,1,2: 0-0, 1, 0;\n")
    cjpeg("cjpeg_script.jpg", "-progressive", "-scans", work("script"))
    run("convert", work("in.png"), "-quality", "80", "-sampling-factor", "4:1:0", out("im_410.jpg"))
    run("convert", work("in.png"), "-quality", "80", "-colorspace", "CMYK", out("im_cmyk.jpg"))
    run("convert", work("in.png"), "-quality", "80", "-colorspace", "CMYK", "-sampling-factor", "4:2:0", "-interlace", "JPEG", out("im_cmyk_progressive.jpg"))
    run("convert", work("in.png"), "-quality", "70", "-type", "Grayscale", out("im_grey.jpg"))
    run("convert", work("in.png"), "-quality", "70", "-define", "jpeg:optimize-coding=false", "-interlace", "Plane", out("im_plane.jpg"))
    src = out("cjpeg_2x2.jpg")
    for name, options in (("crop", ["-crop", "16x16+16+16"]), ("grey", ["-grayscale"]), ("turn", ["-rotate", "90"]), ("progressive", ["-progressive"])):
        put(f"jpegtran_{name}.jpg", run("jpegtran", *options, src))
    d = get("cjpeg_1x1.jpg")
    put("jpeg_trailing.jpg", d + b"and then some")
    put("jpeg_12bit.jpg", d.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"))
    i = d.index(b"\xff\xdb")
    put("jpeg_fill.jpg", d[:i] + b"\xff\xff\xff" + d[i:])
    put("jpeg_lossless.jpg", d.replace(b"\xff\xc0\x00\x11", b"\xff\xc3\x00\x11"))
    Image.open(work("in.png")).save(out("jpeg_mpo.jpg"), "MPO", save_all=True, append_images=[Image.open(work("second.png"))], quality=60)


def pngs():
    for kind in ("PNG8", "PNG24", "PNG32", "PNG48", "PNG64"):
        run("convert", work("alpha.png"), f"{kind}:{out('im_' + kind.lower() + '.png')}")
        run("convert", work("alpha.png"), "-interlace", "PNG", f"{kind}:{out('im_' + kind.lower() + '_interlaced.png')}")
    for depth in (1, 2, 4, 8, 16):
        for kind, name in ((0, "grey"), (3, "palette")):
            if kind == 3 and depth == 16:
                continue
            colours = str(2 ** min(depth, 8))
            options = ["-define", f"png:bit-depth={depth}", "-define", f"png:color-type={kind}"]
            look = ["-colors", colours] if kind == 3 else ["-colorspace", "Gray", "-depth", str(depth)]
            for interlace in ("None", "PNG"):
                tail = "_interlaced" if interlace == "PNG" else ""
                run("convert", work("small.png"), *look, "-interlace", interlace, *options, out(f"im_{name}{depth}{tail}.png"))
    run("convert", work("in.png"), "-transparent", "black", "-colors", "12", out("im_palette_trns.png"))
    run("convert", work("in.png"), "-gamma", "2.2", "-set", "gamma", "0.3", out("im_gamma.png"))
    frames = [Image.open(work(n)).convert("RGBA") for n in ("alpha.png", "second.png")]
    frames[0].save(out("apng.png"), save_all=True, append_images=frames[1:], default_image=False)
    frames[0].save(out("apng_default.png"), save_all=True, append_images=frames[1:], default_image=True)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    def png(name, w, h, depth, colour, rows, extra=b""):
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, 0))
        put(name, b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))

    rng = np.random.default_rng(6)
    rows = b"".join(b"\0" + rng.integers(0, 256, 6).astype(np.uint8).tobytes() for _ in range(9))
    png("png_grey4_trns.png", 12, 9, 4, 0, rows, chunk(b"tRNS", b"\0\x05"))
    png("png_grey1_trns.png", 48, 9, 1, 0, rows, chunk(b"tRNS", b"\0\x01"))
    png("png_palette_short.png", 6, 9, 8, 3, rows, chunk(b"PLTE", bytes(range(30))))
    png("png_palette2_trns.png", 24, 9, 2, 3, rows, chunk(b"PLTE", bytes(range(60, 72))) + chunk(b"tRNS", b"\x00\x80"))
    deep = b"".join(b"\0" + rng.integers(0, 256, 30).astype(np.uint8).tobytes() for _ in range(9))
    png("png_rgb16_trns.png", 5, 9, 16, 2, deep, chunk(b"tRNS", deep[1:7]))


def odd_pngs():
    """Files by hand: every filter of every kind of pixel, whole and in passes, and what a strict reader might refuse."""
    rng = np.random.default_rng(9)
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))

    def chunk(kind, body, wrong=0):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ wrong)

    def head(w, h, depth, colour, interlaced=0, more=b""):
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlaced) + more)

    def rows(w, h, bits, interlaced):
        b = b""
        for x0, y0, dx, dy in passes if interlaced else ((0, 0, 1, 1),):
            pw, ph = (w - x0 + dx - 1) // dx, (h - y0 + dy - 1) // dy
            for y in range(ph if pw else 0):
                b += bytes([y % 5]) + rng.integers(0, 256, (pw * bits + 7) // 8).astype(np.uint8).tobytes()
        return b

    end = chunk(b"IEND", b"")
    colours = chunk(b"PLTE", bytes(range(256)) * 3)
    for colour, samples, depths in ((0, 1, (1, 2, 4, 8, 16)), (2, 3, (8, 16)), (3, 1, (1, 2, 4, 8)), (4, 2, (8, 16)), (6, 4, (8, 16))):
        for depth in depths:
            for interlaced in (0, 1):
                palette = chunk(b"PLTE", rng.integers(0, 256, 3 << depth).astype(np.uint8).tobytes()) if colour == 3 else b""
                data = zlib.compress(rows(13, 11, samples * depth, interlaced), 9)
                put(f"png_filters_{colour}_{depth}{'_passes' if interlaced else ''}.png",
                    head(13, 11, depth, colour, interlaced) + palette + chunk(b"IDAT", data) + end)  # fmt: skip
    for w, h in ((1, 1), (2, 1), (1, 5), (5, 2), (3, 8)):
        put(f"png_passes_{w}x{h}.png", head(w, h, 2, 0, 1) + chunk(b"IDAT", zlib.compress(rows(w, h, 2, 1), 9)) + end)

    raw = rows(7, 6, 24, 0)
    data = zlib.compress(raw, 9)
    first, pixels = head(7, 6, 8, 2), chunk(b"IDAT", data)
    text = chunk(b"tEXt", b"Title\0x")
    for name, b in (
        ("bytewise", first + chunk(b"IDAT", b"") + b"".join(chunk(b"IDAT", data[i : i + 1]) for i in range(len(data))) + chunk(b"IDAT", b"") + end),
        ("bad_crc_of_pixels", first + chunk(b"IDAT", data, 1) + end),
        ("bad_crc_of_text", first + chunk(b"tEXt", b"Title\0x", 1) + pixels + end),
        ("bad_crc_of_text_behind", first + pixels + chunk(b"tEXt", b"Title\0x", 1) + end),
        ("bad_crc_of_header", first[:-1] + bytes([first[-1] ^ 1]) + pixels + end),
        ("bad_crc_of_end", first + pixels + chunk(b"IEND", b"", 1)),
        ("bad_adler", first + chunk(b"IDAT", data[:-1] + bytes([data[-1] ^ 1])) + end),
        ("no_adler", first + chunk(b"IDAT", data[:-4]) + end),
        ("surplus", first + chunk(b"IDAT", zlib.compress(raw + b"\0" * 100, 9)) + end),
        ("surplus_of_chunks", first + pixels + pixels + end),
        ("short", first + chunk(b"IDAT", zlib.compress(raw[:-1], 9)) + end),
        ("parted", first + chunk(b"IDAT", data[:50]) + text + chunk(b"IDAT", data[50:]) + end),
        ("second_pixels", first + pixels + text + pixels + end),
        ("bad_filter", first + chunk(b"IDAT", zlib.compress(b"\5" + raw[1:], 9)) + end),
        ("no_pixels", first + end),
        ("no_end", first + pixels),
        ("behind_the_end", first + pixels + end + b"more"),
        ("unknown_chunk", first + chunk(b"ABCD", b"x") + pixels + end),
        ("no_chunk", first + chunk(b"a-b ", b"x") + pixels + end),
        ("long_header", head(7, 6, 8, 2, 0, b"x") + pixels + end),
        ("palette_of_rgb", first + chunk(b"PLTE", b"1234567") + pixels + end),
        ("trns_of_rgba", head(7, 6, 8, 6) + chunk(b"tRNS", b"12") + chunk(b"IDAT", zlib.compress(rows(7, 6, 32, 0))) + end),
        ("large_palette", head(7, 6, 2, 3) + colours + chunk(b"IDAT", zlib.compress(rows(7, 6, 2, 0))) + end),
        ("too_large_palette", head(7, 6, 8, 3) + chunk(b"PLTE", b"abc" * 257) + chunk(b"IDAT", zlib.compress(rows(7, 6, 8, 0))) + end),
        ("uneven_palette", head(7, 6, 8, 3) + chunk(b"PLTE", bytes(range(31))) + chunk(b"IDAT", zlib.compress(rows(7, 6, 8, 0))) + end),
        ("two_palettes", head(7, 6, 8, 3) + chunk(b"PLTE", bytes(31)) + colours + chunk(b"IDAT", zlib.compress(rows(7, 6, 8, 0))) + end),
        ("no_palette", head(7, 6, 8, 3) + chunk(b"IDAT", zlib.compress(rows(7, 6, 8, 0))) + end),
        ("late_palette", head(7, 6, 8, 3) + colours + chunk(b"IDAT", zlib.compress(rows(7, 6, 8, 0))) + chunk(b"PLTE", bytes(30)) + end),
    ):
        put(f"png_odd_{name}.png", b)


def webps():
    for name, options in {
        "q1": ["-q", "1"], "q75": ["-q", "75"], "q100": ["-q", "100"], "m6": ["-m", "6", "-q", "50", "-segments", "4", "-sns", "100"],
        "strong": ["-q", "30", "-f", "100", "-strong"], "simple": ["-q", "30", "-f", "80", "-nostrong", "-sharpness", "5"],
        "sharp_yuv": ["-sharp_yuv", "-q", "60"], "parts": ["-partition_limit", "100", "-q", "70"], "lossless": ["-lossless"],
        "near": ["-near_lossless", "20"], "lossless_m0": ["-lossless", "-m", "0"],
    }.items():  # fmt: skip
        put(f"cwebp_{name}.webp", run("cwebp", "-quiet", *options, work("in.png"), "-o", "-"))
        if name in ("q75", "lossless"):
            put(f"cwebp_{name}_alpha.webp", run("cwebp", "-quiet", *options, work("alpha.png"), "-o", "-"))
            put(f"cwebp_{name}_exact.webp", run("cwebp", "-quiet", "-exact", *options, work("alpha.png"), "-o", "-"))
    put("cwebp_alpha_q.webp", run("cwebp", "-quiet", "-alpha_q", "20", "-alpha_filter", "best", work("alpha.png"), "-o", "-"))
    run("convert", "-delay", "10", work("alpha.png"), work("second.png"), work("in.png"), work("anim.gif"))
    for name, options in (("lossless", []), ("lossy", ["-lossy", "-q", "50"]), ("mixed", ["-mixed"])):
        run("gif2webp", "-quiet", *options, work("anim.gif"), "-o", out(f"gif2webp_{name}.webp"))
    run("convert", "-size", "45x37", "xc:none", "(", work("small.png"), "-repage", "+9+7", ")", "-layers", "merge", "-quality", "60", out("im_small_in_alpha.webp"))
    im = Image.new("RGBA", (45, 37), (0, 0, 0, 0))
    im.paste(Image.open(work("small.png")), (10, 8))
    im.save(out("pil_offset.webp"), save_all=True, append_images=[Image.open(work("second.png")).convert("RGBA")], lossless=True, minimize_size=True, background=(9, 60, 200, 255))
    large()


def lossless_webps():
    """Every effort of cwebp, colours few enough for numbers, levels of near_lossless; and files by hand."""
    few = work("few.png")
    for name, options in {
        **{f"z{z}": ["-z", str(z)] for z in (0, 3, 6, 9)}, **{f"near{n}": ["-near_lossless", str(n)] for n in (0, 40, 80)},
        "z9_alpha": ["-z", "9", "-exact"], "z0_alpha": ["-z", "0", "-exact"],
    }.items():  # fmt: skip
        put(f"cwebp_{name}.webp", run("cwebp", "-quiet", *options, work("alpha.png" if "alpha" in name else "in.png"), "-o", "-"))
    for colours in (1, 2, 4, 5, 16, 17, 100):
        Image.open(work("in.png")).quantize(colours).convert("RGB").save(few)
        put(f"cwebp_colours{colours}.webp", run("cwebp", "-quiet", "-z", "6", few, "-o", "-"))
    drawing(300, 200, 6).save(work("groups.png"))
    put("cwebp_groups.webp", run("cwebp", "-quiet", "-z", "9", work("groups.png"), "-o", "-"))
    for name, b in vp8l.regular():
        put(f"webp_{name}.webp", b)
    for name, b in vp8l.odd():
        put(f"webp_odd_{name}.webp", b)


def large():
    """Pictures whose pixels are many times their bytes, for the test of what is allocated."""
    y, x = np.mgrid[0:1100, 0:1500]
    im = Image.fromarray(np.stack([x * 255 // 1499, y * 255 // 1099, (x // 50 + y // 50) % 2 * 120 + 60], -1).astype(np.uint8))
    im.save(out("pil_large.webp"), quality=40, method=6)
    im.save(out("pil_large_lossless.webp"), lossless=True, quality=100, method=6)
    im.quantize(200).save(out("pil_large.gif"))


def gifs():
    run("convert", work("in.png"), "-colors", "64", out("im.gif"))
    run("convert", work("in.png"), "-colors", "3", "-interlace", "GIF", out("im_3_interlaced.gif"))
    run("convert", work("in.png"), "-monochrome", out("im_2.gif"))
    run("convert", work("alpha.png"), "-colors", "30", out("im_alpha.gif"))
    run("convert", work("in.png"), "-colors", "30", f"GIF87:{out('im_87.gif')}")
    run("convert", "-page", "60x50+11+9", work("small.png"), "-colors", "16", out("im_page.gif"))
    run("convert", "-page", "60x50+11+9", work("small.png"), "-colors", "16", "-transparent", "black", out("im_page_transparent.gif"))
    run("convert", work("small.png"), "-background", "red", "-page", "60x50+11+9", "-colors", "16", out("im_page_background.gif"))
    run("convert", "-delay", "5", work("in.png"), work("second.png"), out("im_frames.gif"))
    run("gifsicle", "--no-warnings", "-O3", out("im_frames.gif"), "-o", out("gifsicle_o3.gif"))
    run("gifsicle", "--no-warnings", "--interlace", "--colors", "8", out("im_frames.gif"), "-o", out("gifsicle_interlaced.gif"))
    run("gifsicle", "--no-warnings", "--crop", "5,5+20x20", out("im_frames.gif"), "-o", out("gifsicle_crop.gif"))
    run("gifsicle", "--no-warnings", "--logical-screen", "70x60", "--position", "13,7", "--background", "#306090", out("im.gif"), "-o", out("gifsicle_screen.gif"))
    run("gifsicle", "--no-warnings", "--logical-screen", "20x20", out("im.gif"), "-o", out("gifsicle_small_screen.gif"))
    d = bytearray(get("im.gif"))
    n = 3 << (d[10] & 7) + 1  # the global table becomes the frame's own
    table = d[13 : 13 + n]
    at = d.index(b",", 13 + n)
    flags = d[at + 9] & 0x40 | 0x80 | d[10] & 7
    put("local_table.gif", bytes(d[:10]) + bytes([d[10] & 0x70]) + bytes(d[11:13]) + bytes(d[13 + n : at + 9]) + bytes([flags]) + bytes(table) + bytes(d[at + 10 :]))


def bmp(name, w, h, bits, rows, compression=0, palette=b"", masks=b"", header=40, size=None):
    """A BMP written by hand, for the kinds that other software no longer writes."""
    if header == 12:
        info = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        used = len(palette) // 4 if bits <= 8 else 0
        info = struct.pack("<IiiHHIIiiII", header, w, h, 1, bits, compression, len(rows), 2835, 2835, used, 0)
        if header > 40:
            info += (masks + b"\0" * header)[: header - 40]
            masks = b""
    body = info + masks + palette
    put(name, b"BM" + struct.pack("<IHHI", 14 + len(body) + len(rows), 0, 0, 14 + len(body)) + body + rows)


def bmps():
    for kind in ("BMP2", "BMP3", "BMP"):
        run("convert", work("in.png"), f"{kind}:{out('im_' + kind.lower() + '.bmp')}")
        run("convert", work("alpha.png"), f"{kind}:{out('im_' + kind.lower() + '_alpha.bmp')}")
        for colours in (2, 16, 200):
            run("convert", work("in.png"), "-colors", str(colours), "-type", "Palette", f"{kind}:{out(f'im_{kind.lower()}_{colours}.bmp')}")
    run("convert", work("in.png"), "-colors", "50", "-type", "Palette", "-compress", "RLE", f"BMP3:{out('im_rle8.bmp')}")
    for sub in ("RGB565", "RGB555", "ARGB4444", "ARGB1555"):
        run("convert", work("alpha.png"), "-define", f"bmp:subtype={sub}", f"BMP:{out(f'im_{sub.lower()}.bmp')}")
    rng = np.random.default_rng(7)
    w, h = 13, 9
    v16 = rng.integers(0, 65536, (h, w)).astype("<u2")
    rows16 = b"".join(r.tobytes() + b"\0\0" for r in v16)
    bmp("bmp_16.bmp", w, h, 16, rows16)
    bmp("bmp_16_topdown.bmp", w, -h, 16, rows16)
    bmp("bmp_565.bmp", w, h, 16, rows16, 3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    bmp("bmp_555.bmp", w, h, 16, rows16, 3, masks=struct.pack("<III", 0x7C00, 0x3E0, 0x1F))
    bmp("bmp_444.bmp", w, h, 16, rows16, 3, masks=struct.pack("<III", 0xF00, 0xF0, 0xF))
    rows32 = rng.integers(0, 256, (h, w, 4)).astype(np.uint8).tobytes()
    bmp("bmp_32.bmp", w, h, 32, rows32)
    for name, masks in (
        ("bgrx", (0xFF0000, 0xFF00, 0xFF)), ("rgbx", (0xFF, 0xFF00, 0xFF0000)), ("xbgr", (0xFF000000, 0xFF0000, 0xFF00)),
        ("xrgb", (0xFF00, 0xFF0000, 0xFF000000)), ("odd", (0x3FF00000, 0xFFC00, 0x3FF)),
    ):  # fmt: skip
        bmp(f"bmp_32_{name}.bmp", w, h, 32, rows32, 3, masks=struct.pack("<III", *masks))
    for header in (52, 56, 108, 124):
        bmp(f"bmp_32_v{header}.bmp", w, h, 32, rows32, 3, masks=struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000), header=header)
    bmp("bmp_24_v64.bmp", w, h, 24, b"".join(rng.integers(0, 256, 40).astype(np.uint8).tobytes() for _ in range(h)), header=64)
    bmp("bmp_24_topdown.bmp", w, -h, 24, b"".join(rng.integers(0, 256, 40).astype(np.uint8).tobytes() for _ in range(h)))
    bmp("bmp_os2.bmp", w, h, 8, b"".join(rng.integers(0, 256, 16).astype(np.uint8).tobytes() for _ in range(h)), palette=rng.integers(0, 256, 768).astype(np.uint8).tobytes(), header=12)
    bmp("bmp_os2_24.bmp", w, h, 24, b"".join(rng.integers(0, 256, 40).astype(np.uint8).tobytes() for _ in range(h)), header=12)
    bmp("bmp_os2_1.bmp", w, h, 1, b"".join(rng.integers(0, 256, 4).astype(np.uint8).tobytes() for _ in range(h)), palette=bytes([9, 8, 7, 200, 201, 202]), header=12)
    table = rng.integers(0, 256, (256, 4)).astype(np.uint8).tobytes()
    bmp("bmp_8_short_table.bmp", w, h, 8, b"".join(rng.integers(0, 256, 16).astype(np.uint8).tobytes() for _ in range(h)), palette=table[:40])
    for bits in (1, 2, 4):
        stride = (w * bits + 31) // 32 * 4
        bmp(f"bmp_{bits}.bmp", w, h, bits, b"".join(rng.integers(0, 256, stride).astype(np.uint8).tobytes() for _ in range(h)), palette=table[: 4 << bits])
    grey = b"".join(bytes([i, i, i, 0]) for i in range(256))
    bmp("bmp_grey.bmp", w, h, 8, b"".join(rng.integers(0, 256, 16).astype(np.uint8).tobytes() for _ in range(h)), palette=grey)
    # Runs, absolute runs of odd length, a jump, an early end of line, an early end of the picture.
    rle8 = bytes([5, 9, 0, 3, 1, 2, 3, 0, 4, 7, 0, 0, 13, 200, 0, 0, 2, 4, 0, 2, 3, 1, 6, 8, 0, 0, 0, 4, 10, 20, 30, 40, 0, 0, 0, 1])
    bmp("bmp_rle8.bmp", w, h, 8, rle8, 1, palette=table)
    bmp("bmp_rle8_no_end.bmp", w, h, 8, rle8[:-2], 1, palette=table)
    bmp("bmp_rle8_long_run.bmp", w, h, 8, bytes([200, 5, 0, 0, 3, 1, 0, 1]), 1, palette=table)
    rle4 = bytes([5, 0x9A, 0, 3, 0x12, 0x30, 4, 0x77, 0, 0, 13, 0x20, 0, 0, 2, 0x45, 0, 2, 3, 1, 6, 0x81, 0, 0, 0, 5, 0x12, 0x34, 0x50, 0, 0, 0, 0, 1])
    bmp("bmp_rle4.bmp", w, h, 4, rle4, 2, palette=table[:64])


def tiffs():
    for name, options in {
        "none": [], "lzw": ["-compress", "LZW"], "zip": ["-compress", "Zip"], "rle": ["-compress", "RLE"], "jpeg": ["-compress", "JPEG"],
        "be": ["-endian", "MSB"], "grey": ["-colorspace", "Gray"], "grey16": ["-colorspace", "Gray", "-depth", "16"], "rgb16": ["-depth", "16"],
        "cmyk": ["-colorspace", "CMYK"], "palette": ["-colors", "100", "-type", "Palette"], "palette4": ["-colors", "9", "-type", "Palette"],
        "bilevel": ["-monochrome"], "g4": ["-monochrome", "-compress", "Group4"], "g3": ["-monochrome", "-compress", "Fax"], "planar": ["-interlace", "Plane"],
        "grey2": ["-colorspace", "Gray", "-depth", "2"], "grey4": ["-colorspace", "Gray", "-depth", "4"], "tiled": ["-define", "tiff:tile-geometry=16x16"],
        "rows": ["-define", "tiff:rows-per-strip=5", "-compress", "LZW"], "float": ["-define", "quantum:format=floating-point", "-depth", "32"],
        "minwhite": ["-monochrome", "-define", "quantum:polarity=min-is-white"], "lsb": ["-monochrome", "-define", "tiff:fill-order=lsb"],
        "predictor": ["-compress", "Zip", "-define", "tiff:predictor=2"], "ycbcr": ["-colorspace", "YCbCr", "-compress", "JPEG"],
    }.items():  # fmt: skip
        run("convert", work("in.png"), *options, out(f"im_{name}.tif"))
    for name, options in (("none", []), ("lzw", ["-compress", "LZW"]), ("planar", ["-interlace", "Plane"])):
        run("convert", work("alpha.png"), *options, out(f"im_alpha_{name}.tif"))
    run("convert", work("in.png"), work("second.png"), out("im_pages.tif"))
    src = out("im_none.tif")
    for name, options in (("tiles", ["-t", "-w", "16", "-l", "32"]), ("tiles_lzw", ["-t", "-w", "16", "-l", "16", "-c", "lzw:2"]), ("jpeg", ["-c", "jpeg:80", "-r", "16"]),
                          ("separate", ["-p", "separate"]), ("separate_lzw", ["-p", "separate", "-c", "lzw:2"]), ("packbits", ["-c", "packbits", "-r", "7"]),
                          ("big", ["-8"]), ("lzma", ["-c", "lzma"]), ("zstd", ["-c", "zstd"])):  # fmt: skip
        run("tiffcp", *options, src, out(f"tiffcp_{name}.tif"))
    run("tiffcp", "-c", "g3:2d", out("im_g4.tif"), out("tiffcp_g3_2d.tif"))
    run("tiffcp", "-f", "lsb2msb", "-c", "g4", out("im_g4.tif"), out("tiffcp_g4_lsb.tif"))
    Image.open(work("in.png")).convert("LAB").save(out("pil_lab.tif"))
    Image.open(work("in.png")).convert("YCbCr").save(out("pil_ycbcr.tif"))
    Image.open(work("alpha.png")).convert("LA").save(out("pil_la.tif"))
    Image.open(work("in.png")).convert("1").save(out("pil_1.tif"), compression="group4")
    Image.fromarray(np.random.default_rng(8).integers(0, 65536, (9, 13)).astype(np.uint16)).save(out("pil_16_lzw.tif"), compression="tiff_lzw")
    Image.fromarray(np.random.default_rng(8).random((9, 13)).astype(np.float32) * 300).save(out("pil_f.tif"))
    Image.fromarray(np.random.default_rng(8).integers(-300, 600, (9, 13)).astype(np.int32)).save(out("pil_i.tif"))


def others():
    Image.open(work("in.png")).save(out("pil.avif"), quality=60)


def expectations():
    with open(OUT + ".txt", "w") as f:
        f.write("# Made by tools/pictures/make.py. file, width, height, sha256 of the RGB bytes that Pillow reads (32 digits); - where it reads none\n")
        for name in sorted(os.listdir(OUT)):
            try:
                with Image.open(out(name)) as im:
                    im = ImageOps.exif_transpose(im).convert("RGB")  # as the pipelines load
                f.write(f"{name} {im.width} {im.height} {hashlib.sha256(np.asarray(im).tobytes()).hexdigest()[:32]}\n")
            except Exception as e:
                print(name, e)
                f.write(f"{name} 0 0 -\n")


def reduced():
    """What Pillow's draft mode makes of every JPEG, of the older corpus too, at each scale that it can be brought to."""
    older = os.path.join(os.path.dirname(OUT), "pictures")
    with open(os.path.join(os.path.dirname(OUT), "reduced.txt"), "w") as f:
        f.write("# Made by tools/pictures/make.py. file, scale, width, height, sha256 of the RGB bytes in draft mode (32 digits), not turned\n")
        for d in (older, OUT):
            for name in sorted(n for n in os.listdir(d) if n.endswith(".jpg")):
                for scale in (2, 4, 8):
                    try:
                        with Image.open(os.path.join(d, name)) as im:
                            im.draft(None, (max(im.width // scale, 1), max(im.height // scale, 1)))
                            if im.decoderconfig[:1] != (scale,):
                                continue
                            im = im.convert("RGB")
                    except OSError:
                        continue
                    f.write(f"{os.path.basename(d)}/{name} {scale} {im.width} {im.height} {hashlib.sha256(np.asarray(im).tobytes()).hexdigest()[:32]}\n")


def drafts():
    """Draft mode for a size, turned upright, and resized to it, bicubic. Of a picture that lies on its side the size is exchanged, too: it is the upright one's."""
    base = os.path.dirname(OUT)
    with open(os.path.join(base, "draft.txt"), "w") as f:
        f.write("# Made by tools/pictures/make.py. file, its upright width and height, width and height to resize to, sha256 of the RGB bytes (32 digits)\n")
        for name, w, h in (
            ("bench.jpg", 224, 224), ("bench.jpg", 120, 90), ("bench.jpg", 96, 100), ("pictures/jpeg_420.jpg", 40, 30), ("pictures/jpeg_422.jpg", 75, 55),
            ("pictures/jpeg_444.jpg", 18, 13), ("pictures/jpeg_cmyk.jpg", 20, 20), ("pictures/jpeg_grey_progressive.jpg", 12, 12),
            ("pictures/jpeg_orientation6.jpg", 10, 14), ("pictures/jpeg_orientation3.jpg", 14, 10), ("foreign/im_410.jpg", 11, 9), ("foreign/cjpeg_restart_row.jpg", 22, 18),
        ):  # fmt: skip
            im = Image.open(os.path.join(base, name))
            full = ImageOps.exif_transpose(Image.open(os.path.join(base, name))).size
            im.draft("RGB", (w, h) if full == im.size else (h, w))
            im = ImageOps.exif_transpose(im).convert("RGB").resize((w, h), Image.Resampling.BICUBIC)
            f.write(f"{name} {full[0]} {full[1]} {w} {h} {hashlib.sha256(np.asarray(im).tobytes()).hexdigest()[:32]}\n")


if __name__ == "__main__":
    for part in (sources, jpegs, pngs, odd_pngs, webps, lossless_webps, gifs, bmps, tiffs, others, expectations, reduced, drafts):
        part()
