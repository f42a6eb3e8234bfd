"""Makes charsets.json: bytes, and what Python's codecs make of them; null where they refuse.

    python3 charsets.py
"""

import json
import random

NAMES = {  # ours -> Python's; where the WHATWG's table differs from Python's codec of the same name the bytes are kept to what both know
    "utf-8": "utf-8", "utf-8-sig": "utf-8-sig", "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be", "ascii": "ascii", "latin1": "latin-1",
    "windows-1252": "cp1252", "windows-1251": "cp1251", "iso-8859-2": "iso8859-2", "iso-8859-15": "iso8859-15", "koi8-r": "koi8-r", "ibm866": "cp866",
    "macintosh": "mac-roman", "shift_jis": "cp932", "euc-jp": "euc-jp", "gbk": "gbk", "gb18030": "gb18030", "big5": "big5hkscs", "euc-kr": "cp949",
}  # fmt: skip
TEXTS = {
    "cyrillic": "Съешь ещё этих мягких булок", "latin": "Zoë ate crêpes – “quite”", "czech": "Příliš žluťoučký kůň", "japanese": "日本語のテキスト、カタカナ",
    "chinese": "简体中文的文本", "traditional": "繁體中文", "korean": "한국어 문장", "emoji": "a 👩‍💻 b", "plain": "plain text\r\n\ttab",
}  # fmt: skip

rng = random.Random(5)
cases = []


def add(name, b):
    try:
        text = b.decode(NAMES[name])
    except UnicodeDecodeError:
        text = None
    cases.append({"Charset": name, "Bytes": b.hex(), "Text": text})


for name, codec in NAMES.items():
    for text in TEXTS.values():
        try:
            add(name, text.encode(codec))
        except UnicodeEncodeError:
            pass
    if codec.startswith("utf"):
        add(name, "\ufefftext".encode(codec))
for name in ("iso-8859-2", "iso-8859-15", "latin1", "koi8-r", "macintosh", "ibm866"):
    add(name, bytes(range(32, 127)) + bytes(range(160, 256)))
for b in (b"\xff\xfea\0", b"\xfe\xff\0a", b"a\0b", b"\0\xd8\0\xdc", b"\0\xd8a\0", b"\0\xdca\0", b"a\0\0\xd8"):
    for name in ("utf-16", "utf-16le", "utf-16be"):
        add(name, b)
for name, b in (("ascii", b"caf\xe9"), ("shift_jis", b"\x93"), ("euc-jp", b"\xa4"), ("gbk", b"\xff\xff"), ("euc-kr", b"\xc7"), ("big5", b"\xa4"), ("utf-8", b"\xc3("), ("utf-8-sig", b"\xef\xbb\xbf\xff")):
    add(name, b)
with open("charsets.json", "w") as f:
    json.dump(cases, f, indent=0)
