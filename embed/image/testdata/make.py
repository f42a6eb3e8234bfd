"""Makes the picture corpus and its expected results: pictures/*, pictures.txt, resize.txt.

Needs Pillow 13.0.0, transformers 4.55.4, numpy, and ffmpeg for the JPEG samplings that Pillow does not write. The pictures
are drawn here; nobody else's work is in them. Run in this directory; the results are committed.
"""

import hashlib
import io
import os
import struct
import subprocess
import tempfile
import zlib

import numpy as np
from PIL import Image, ImageDraw, ImageOps, PngImagePlugin
from transformers import BeitImageProcessor

OUT = "pictures"


def drawing(w, h, seed):
    """A picture with smooth parts, hard edges of saturated colour, and some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    a = np.stack([255 * x / max(w - 1, 1), 255 * y / max(h - 1, 1), 127 + 120 * np.sin((x + 2 * y) / 9)], -1)
    im = Image.fromarray(a.astype(np.uint8))
    d = ImageDraw.Draw(im)
    for _ in range(8):
        cx, cy, r = rng.integers(0, w), rng.integers(0, h), rng.integers(1, max(w, h) // 3 + 2)
        colour = tuple(int(v) for v in rng.choice([0, 30, 200, 255], 3))
        d.ellipse([cx - r, cy - r, cx + r, cy + r], fill=colour)
    a = np.asarray(im).astype(int)
    a[:, w // 2 :] += rng.integers(-25, 26, a[:, w // 2 :].shape)
    return Image.fromarray(np.clip(a, 0, 255).astype(np.uint8))


def put(name, data):
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(data)


def save(name, im, fmt, **kw):
    b = io.BytesIO()
    im.save(b, fmt, **kw)
    put(name, b.getvalue())
    return b.getvalue()


def jpegs():
    big, im = drawing(150, 110, 1), drawing(61, 45, 2)
    for s, label in ((0, "444"), (1, "422"), (2, "420")):
        save(f"jpeg_{label}.jpg", big, "JPEG", quality=85, subsampling=s)
        save(f"jpeg_{label}_q10.jpg", im, "JPEG", quality=10, subsampling=s)
        save(f"jpeg_{label}_progressive.jpg", im, "JPEG", quality=90, subsampling=s, progressive=True)
        for w, h in ((1, 1), (2, 2), (3, 5), (4, 4), (5, 3), (17, 16), (16, 33)):
            save(f"jpeg_{label}_{w}x{h}.jpg", drawing(w, h, w * 50 + h), "JPEG", quality=92, subsampling=s)
    save("jpeg_q100.jpg", im, "JPEG", quality=100, subsampling=0)
    save("jpeg_restart.jpg", big, "JPEG", quality=60, restart_marker_blocks=3)
    save("jpeg_restart_progressive.jpg", im, "JPEG", quality=60, restart_marker_rows=1, progressive=True)
    save("jpeg_grey.jpg", im.convert("L"), "JPEG", quality=80)
    save("jpeg_grey_progressive.jpg", im.convert("L"), "JPEG", quality=80, progressive=True)
    save("jpeg_rgb.jpg", im, "JPEG", quality=85, keep_rgb=True)
    cmyk = np.concatenate([np.asarray(im), 255 - np.asarray(im.convert("L"))[..., None] // 2], -1)
    cmyk = Image.fromarray(cmyk, mode="CMYK")
    d = save("jpeg_cmyk.jpg", cmyk, "JPEG", quality=85, subsampling=0)
    i = d.index(b"Adobe")
    put("jpeg_ycck.jpg", d[: i + 11] + b"\x02" + d[i + 12 :])
    d = save("jpeg_cmyk_420.jpg", cmyk, "JPEG", quality=85, subsampling=2, progressive=True)
    i = d.index(b"Adobe")
    put("jpeg_ycck_420.jpg", d[: i + 11] + b"\x02" + d[i + 12 :])
    put("jpeg_cmyk_noadobe.jpg", d[: i - 4] + d[i + 12 :])
    exif = Image.Exif()
    exif[274] = 6
    save("jpeg_exif.jpg", im, "JPEG", quality=85, exif=exif)
    for fmt in ("yuvj440p", "yuvj411p"):
        with tempfile.TemporaryDirectory() as t:
            im.save(t + "/in.png")
            subprocess.run(
                ["ffmpeg", "-v", "error", "-i", t + "/in.png", "-pix_fmt", fmt, "-strict", "-1", "-q:v", "3", t + "/out.jpg"],
                check=True,
            )
            put(f"jpeg_{fmt[4:7]}.jpg", open(t + "/out.jpg", "rb").read())


def png(w, h, depth, colour, rows, interlace=0, extra=b""):
    """A PNG written by hand, for the kinds that Pillow does not write. rows are the filtered bytes."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    ihdr = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def adam7(w, h, pixel):
    """Rows of an interlaced picture; pixel(x, y) gives the bytes of one."""
    out = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        if x0 < w:
            for y in range(y0, h, dy):
                out += b"\0" + b"".join(pixel(x, y) for x in range(x0, w, dx))
    return out


def pngs():
    im = drawing(45, 31, 3)
    rng = np.random.default_rng(4)
    alpha = Image.fromarray(rng.integers(0, 256, (31, 45)).astype(np.uint8))
    rgba = im.copy()
    rgba.putalpha(alpha)
    save("png_rgb.png", im, "PNG")
    save("png_rgba.png", rgba, "PNG")
    save("png_grey.png", im.convert("L"), "PNG")
    la = im.convert("L")
    la.putalpha(alpha)
    save("png_grey_alpha.png", la, "PNG")
    save("png_1bit.png", im.convert("1"), "PNG")
    p = im.quantize(200)
    save("png_palette.png", p, "PNG")
    save("png_palette_transparent.png", p, "PNG", transparency=bytes(range(200)))
    save("png_palette4.png", im.quantize(11), "PNG")
    save("png_rgb_trns.png", im, "PNG", transparency=im.getpixel((3, 3)))
    save("png_grey_trns.png", im.convert("L"), "PNG", transparency=im.convert("L").getpixel((3, 3)))
    deep = rng.integers(0, 65536, (9, 13)).astype(np.uint16)
    deep[0, :6] = [0, 1, 254, 255, 256, 257]
    save("png_grey16.png", Image.fromarray(deep), "PNG")
    rows = b"".join(b"\0" + deep[y].astype(">u2").tobytes() for y in range(9))
    put("png_grey16_trns.png", png(13, 9, 16, 0, rows, extra=chunk(b"tRNS", struct.pack(">H", 256))))
    for kind, channels in ((2, 3), (6, 4), (4, 2)):
        v = rng.integers(0, 65536, (9, 13, channels)).astype(">u2")
        put(f"png_16bit_kind{kind}.png", png(13, 9, 16, kind, b"".join(b"\0" + v[y].tobytes() for y in range(9))))
    for depth in (2, 4):
        n = (13 * depth + 7) // 8
        v = rng.integers(0, 256, (9, n)).astype(np.uint8)
        put(f"png_grey{depth}.png", png(13, 9, depth, 0, b"".join(b"\0" + v[y].tobytes() for y in range(9))))
    a = np.asarray(im)
    put("png_interlaced.png", png(45, 31, 8, 2, adam7(45, 31, lambda x, y: a[y, x].tobytes()), 1))
    put("png_interlaced_3x3.png", png(3, 3, 8, 2, adam7(3, 3, lambda x, y: a[y, x].tobytes()), 1))
    save("png_1x1.png", drawing(1, 1, 5), "PNG")
    save("png_5x1.png", drawing(5, 1, 6), "PNG")
    save("png_1x7.png", drawing(1, 7, 7), "PNG")


def others():
    im = drawing(57, 43, 8)
    rng = np.random.default_rng(9)
    rgba = im.copy()
    rgba.putalpha(Image.fromarray(rng.integers(0, 256, (43, 57)).astype(np.uint8)))
    for q in (5, 60, 95):
        save(f"webp_q{q}.webp", im, "WEBP", quality=q)
    for w, h in ((1, 1), (2, 2), (1, 6), (7, 1), (16, 16), (33, 18)):
        save(f"webp_{w}x{h}.webp", drawing(w, h, w * 60 + h), "WEBP", quality=80)
    save("webp_alpha.webp", rgba, "WEBP", quality=70)
    save("webp_lossless.webp", im, "WEBP", lossless=True)
    save("webp_lossless_alpha.webp", rgba, "WEBP", lossless=True, exact=True)
    save("webp_lossless_palette.webp", im.quantize(9).convert("RGB"), "WEBP", lossless=True)
    frames = [drawing(57, 43, s) for s in (10, 11)]
    save("webp_animated.webp", frames[0], "WEBP", save_all=True, append_images=frames[1:], quality=50)
    save("webp_animated_lossless.webp", frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    p = im.quantize(60)
    save("gif.gif", p, "GIF")
    save("gif_interlaced.gif", p, "GIF", interlace=1)
    save("gif_transparent.gif", p, "GIF", transparency=7)
    save("gif_grey.gif", im.convert("L"), "GIF")
    save("gif_animated.gif", frames[0].quantize(20), "GIF", save_all=True, append_images=[frames[1].quantize(20)])
    small = io.BytesIO()
    drawing(20, 12, 12).quantize(8).save(small, "GIF", interlace=0)
    g = bytearray(small.getvalue())
    g[6:10] = struct.pack("<HH", 33, 25)  # a larger screen round the frame
    at = g.index(b",", 13 + 3 * 8)
    g[at + 1 : at + 5] = struct.pack("<HH", 5, 9)
    put("gif_offset.gif", bytes(g))
    g[at:at] = b"\x21\xf9\x04\x01\x00\x00\x03\x00"
    put("gif_offset_transparent.gif", bytes(g))
    save("bmp_24.bmp", im, "BMP")
    save("bmp_8.bmp", p, "BMP")
    save("bmp_grey.bmp", im.convert("L"), "BMP")
    save("bmp_1.bmp", im.convert("1"), "BMP")
    save("bmp_32.bmp", rgba, "BMP")
    small = drawing(23, 17, 13)
    save("tiff_raw.tif", small, "TIFF")
    save("tiff_lzw.tif", small, "TIFF", compression="tiff_lzw")
    save("tiff_deflate.tif", small, "TIFF", compression="tiff_adobe_deflate")
    save("tiff_packbits.tif", small, "TIFF", compression="packbits")
    save("tiff_grey.tif", small.convert("L"), "TIFF")
    save("tiff_1.tif", small.convert("1"), "TIFF")
    save("tiff_palette.tif", small.quantize(30), "TIFF")
    save("tiff_rgba.tif", rgba.crop((0, 0, 23, 17)), "TIFF")
    premultiplied = rgba.crop((0, 0, 23, 17))
    d = bytearray(save("tiff_rgba.tif", premultiplied, "TIFF"))
    at = d.index(struct.pack("<HHI", 338, 3, 1))
    d[at + 8 : at + 10] = struct.pack("<H", 1)
    put("tiff_premultiplied.tif", bytes(d))
    deep = rng.integers(0, 65536, (9, 13)).astype(np.uint16)
    deep[0, :6] = [0, 1, 254, 255, 256, 257]
    save("tiff_grey16.tif", Image.fromarray(deep), "TIFF")
    for o in range(2, 9):
        save(f"tiff_orientation{o}.tif", drawing(7, 4, 14), "TIFF", tiffinfo={274: o})


def turned():
    """Pictures that say how they are to be turned, in every way that Pillow reads."""
    im = drawing(21, 13, 15)
    exif = lambda o, order="<": exif_bytes(o, order)
    xmp = lambda o: f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{o}"/></x:xmpmeta>'.encode()
    for o in range(2, 9):
        save(f"jpeg_orientation{o}.jpg", im, "JPEG", quality=85, exif=exif(o, "<>"[o % 2]))
    save("jpeg_orientation9.jpg", im, "JPEG", quality=85, exif=exif(9))
    save("jpeg_xmp.jpg", im, "JPEG", quality=85, xmp=xmp(6))
    save("jpeg_exif_and_xmp.jpg", im, "JPEG", quality=85, exif=exif(1), xmp=xmp(6))
    save("png_exif.png", im, "PNG", exif=exif(8))
    d = save("png_plain_behind.png", im, "PNG")
    os.remove(os.path.join(OUT, "png_plain_behind.png"))
    put("png_exif_behind.png", d[:-12] + chunk(b"eXIf", exif(5)[6:]) + d[-12:])
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp(3).decode(), zip=True)
    save("png_xmp.png", im, "PNG", pnginfo=info)
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(exif(7)):8}\n{exif(7).hex()}\n", zip=True)
    save("png_profile.png", im, "PNG", pnginfo=info)
    save("webp_exif.webp", im, "WEBP", quality=80, exif=exif(6))
    save("webp_xmp.webp", im, "WEBP", lossless=True, xmp=xmp(4))


def exif_bytes(orientation, order):
    ifd = struct.pack(order + "HHHIHHI", 1, 274, 3, 1, orientation, 0, 0)
    return b"Exif\0\0" + (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8) + ifd


RECIPES = {
    "a": dict(size={"height": 32, "width": 40}, do_center_crop=False),
    "b": dict(size=48, crop_size=33, do_center_crop=True, resample=2, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]),
}


def expectations():
    processors = {k: BeitImageProcessor(**v) for k, v in RECIPES.items()}
    with open("pictures.txt", "w") as f:
        f.write("# Made by make.py. file, width, height, sha256 of the RGB bytes (32 digits), of pixel_values by recipe a, by recipe b\n")
        for name in sorted(os.listdir(OUT)):
            im = ImageOps.exif_transpose(Image.open(os.path.join(OUT, name))).convert("RGB")  # as the pipelines load
            a = np.asarray(im)
            cols = [name, str(im.width), str(im.height), digest(a.tobytes())]
            for p in processors.values():
                # The layout is given: the processor takes pictures 1 or 3 pixels high for channels first, by guess.
                v = p(im, return_tensors="np", input_data_format="channels_last")["pixel_values"]
                cols.append(digest(v.astype("<f4").tobytes()))
            f.write(" ".join(cols) + "\n")


def digest(b):
    return hashlib.sha256(b).hexdigest()[:32]


def noise(n, seed):
    """The test's own generator: a linear congruential one, its top byte; odd seeds give black and white."""
    out = bytearray(n)
    x = seed
    for i in range(n):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = x >> 24 if seed % 2 == 0 else (255 if x >> 31 else 0)
    return bytes(out)


def resizes():
    shapes = [
        ((1, 1), (5, 3)), ((1, 1), (1, 1)), ((2, 3), (7, 5)), ((7, 5), (2, 3)), ((7, 5), (1, 1)), ((61, 40), (45, 40)),
        ((61, 40), (61, 17)), ((61, 40), (61, 40)), ((33, 32), (224, 224)), ((90, 70), (89, 71)), ((90, 70), (91, 69)), ((150, 3), (4, 64)),
        ((3, 150), (64, 4)), ((101, 67), (10, 9)), ((64, 64), (32, 32)), ((30, 30), (90, 45)), ((173, 1), (16, 16)), ((1, 173), (16, 16)),
    ]  # fmt: skip
    with open("resize.txt", "w") as f:
        f.write("# Made by make.py. filter, source width, height, target width, height, seed of the noise, sha256 (32 digits) of the result\n")
        for (sw, sh), (dw, dh) in shapes:
            for seed in (sw * 1000 + sh * 10, sw * 1000 + sh * 10 + 1):
                im = Image.frombytes("RGB", (sw, sh), noise(sw * sh * 3, seed))
                for resample in range(6):
                    out = im.resize((dw, dh), resample=resample)
                    f.write(f"{resample} {sw} {sh} {dw} {dh} {seed} {digest(out.tobytes())}\n")


def bench():
    """The picture of the benchmark: a drawing enlarged, with a little noise, as a camera's JPEG would have."""
    im = drawing(128, 96, 21).resize((1024, 768), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(22).normal(0, 3, (768, 1024, 1))
    im = Image.fromarray(np.clip(np.asarray(im) + noise, 0, 255).astype(np.uint8))
    im.save("bench.jpg", quality=80)


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    bench()
    jpegs()
    pngs()
    others()
    turned()
    expectations()
    resizes()
