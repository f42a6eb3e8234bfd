"""Makes stored.txt: the pictures that say how they are to be turned, as Pillow reads them without being asked to (13.0.0). Run in this directory."""

import hashlib
import os

from PIL import Image, ImageOps

with open("stored.txt", "w") as f:
    f.write("# Made by stored.py. file, width, height, sha256 of the RGB bytes (32 digits)\n")
    for name in sorted(os.listdir("pictures")):
        im = Image.open(os.path.join("pictures", name))
        turned, stored = ImageOps.exif_transpose(im).convert("RGB"), im.convert("RGB")
        if turned.size != stored.size or turned.tobytes() != stored.tobytes() or "tiff_orientation" in name:
            print(name, *stored.size, hashlib.sha256(stored.tobytes()).hexdigest()[:32], file=f)
