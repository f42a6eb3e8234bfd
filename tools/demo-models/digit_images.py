"""The 1,797 handwritten digits that scikit-learn ships, as pictures a photo tool could have saved.

Each is 8x8 with 17 grey levels. A picture here is its bicubic enlargement to 64x64, white ink on black; the model's processor
brings it to 32x32. The last 360 digits are held out, unshuffled: the file lists each writer's digits one after another, so a
shuffled split would test on hands that training has seen.
"""

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

PICTURE = 64
MODEL_SIZE = 32
HELD_OUT = 360
NAMES = "zero one two three four five six seven eight nine".split()


def pictures():
    """(pictures, labels): 64x64 greyscale PIL images in the data set's own order."""
    data = load_digits()
    grey = (data.images * 255 / 16).round().astype(np.uint8)
    return [Image.fromarray(g).resize((PICTURE, PICTURE), Image.BICUBIC) for g in grey], data.target.tolist()


def processed(picture):
    """What the image processor makes of a picture: [3, 32, 32] in -1..1."""
    small = picture.convert("RGB").resize((MODEL_SIZE, MODEL_SIZE), Image.BICUBIC)
    return (np.asarray(small, np.float32).transpose(2, 0, 1) / 255 - 0.5) / 0.5
