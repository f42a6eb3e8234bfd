"""Sentences with intents from the Snips NLU benchmark (2017-06), and the small disturbances training puts on them."""

import json
import pathlib

INTENTS = ["AddToPlaylist", "BookRestaurant", "GetWeather", "PlayMusic", "RateBook", "SearchCreativeWork", "SearchScreeningEvent"]


def read(folder, pattern):
    """[(sentence, intent index)] in file order; spans are joined, doubled spaces squeezed."""
    out = []
    for label, intent in enumerate(INTENTS):
        path = pathlib.Path(folder) / intent / pattern.format(intent)
        if not path.exists():
            raise SystemExit(f"{path} is missing: see README.md for where to get the Snips sentences")
        for record in json.loads(decoded(path.read_bytes()))[intent]:
            text = "".join(span["text"] for span in record["data"])
            out.append((" ".join(text.split()), label))
    return out


def decoded(raw):
    """The full training files are Latin-1 for some intents, UTF-8 for the others."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def sentences(folder):
    """(training, held out) as the benchmark splits them; a held-out sentence that training also has is dropped from training."""
    held = read(folder, "validate_{}.json")
    seen = {text.lower() for text, _ in held}
    train = [(t, y) for t, y in read(folder, "train_{}_full.json") if t.lower() not in seen]
    return train, held


def disturbed(rng, text):
    """Lower case in 4 of 10, a first capital in 2 of 10, a closing mark in 3 of 10: people type all of these."""
    kind = rng.random()
    if kind < 0.4:
        text = text.lower()
    elif kind < 0.6:
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.3 and text[-1:].isalnum():
        text += rng.choice([".", "?", "!", "."])
    return text
