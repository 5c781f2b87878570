"""The random texts of split.py, tokenizer.py and others, and their mirror for C, tests/golden/texts.h.

    python tests/golden/texts.py              (Python 3 with numpy; writes texts.h)
"""
import os

import numpy

SEED, COUNT, GROUP = 0x9E3779B97F4A7C15, 3000, 50
M64 = 0xFFFFFFFFFFFFFFFF

WORDS = ("the and of to in is you that it for was on are with as at be this have from or "
         "tokenization hello world Hello World HTTP JSONParser camelCase snake_case naïve café "
         "Straße résumé ПРИВЕТ привет мир Ελληνικά العربية עברית हिन्दी ไทย 日本語 中文 한국어 "
         "français ÅNGSTRÖM 2024 3.14 1,000,000 e.g. don't I'm we'll THEY'RE it'S x=y "
         "return printf(\"%d\\n\"); <b>bold</b> http://example.com/?q=1&r=2 #include {}[]()"
         ).split()
ENDINGS = "'s 't 're 've 'm 'll 'd 'S 'T 'RE 'Ve 'M 'lL 'D '\u017f 'x ' ’s".split(" ")
SPACES = [" ", "  ", "   ", "       ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", "\t\t", " \r ",
          "\u00a0", "\u3000", "\u2003 ", "\n \n  \n", "\u2028", "\u0085", "\v", "\u200b"]
RANGES = [  # first, count: scripts, marks, digits, signs, emoji, controls, private use
    (0x20, 95), (0x20, 95), (0x30, 10), (0x41, 58), (0xA0, 96), (0x100, 128), (0x1C4, 9),
    (0x2B0, 40), (0x300, 60), (0x370, 80), (0x400, 96), (0x531, 38), (0x5D0, 27), (0x620, 40),
    (0x660, 10), (0x905, 60), (0xE01, 58), (0x10A0, 38), (0x1100, 60), (0x1E00, 255),
    (0x1F00, 22), (0x2010, 23), (0x2070, 28), (0x20A0, 30), (0x2100, 60), (0x2150, 40),
    (0x2190, 90), (0x2460, 60), (0x2500, 90), (0x3001, 60), (0x3041, 86), (0x30A1, 90),
    (0x4E00, 20000), (0xAC00, 11172), (0xFB00, 7), (0xFE00, 16), (0xFF01, 94), (0x10330, 27),
    (0x1D400, 80), (0x1F300, 300), (0x1F600, 80), (0x1F9D0, 20), (0x1, 31), (0x7F, 33),
    (0xE000, 30), (0xF900, 60), (0x20000, 300),
]

SCRIPTS = [  # per script, its longest run of code points that Unicode 14 has, 400 at most
    (0xF8, 400), (0x487, 169), (0x559, 50), (0x591, 55), (0x70F, 60), (0x780, 50), (0x7C0, 59),
    (0x800, 46), (0x840, 28), (0x900, 81), (0x9E6, 25), (0xA13, 22), (0xA93, 22), (0xB13, 22),
    (0xC12, 23), (0xC92, 23), (0xD12, 51), (0xD9A, 24), (0xE01, 58), (0xE8C, 24), (0xF00, 72),
    (0x1000, 160), (0x10D0, 43), (0x1200, 73), (0x13A0, 86), (0x1400, 400), (0x1680, 29),
    (0x16A0, 75), (0x1700, 22), (0x1720, 21), (0x1740, 20), (0x1760, 13), (0x1780, 94),
    (0x1820, 89), (0x1900, 31), (0x1950, 30), (0x1980, 44), (0x1A00, 28), (0x1A20, 63),
    (0x1B00, 77), (0x1B80, 64), (0x1BC0, 52), (0x1C00, 56), (0x1C50, 48), (0x2800, 256),
    (0x2C00, 96), (0x2C80, 116), (0x2D30, 56), (0x30A1, 90), (0x3105, 43), (0xA000, 400),
    (0xA4D0, 48), (0xA500, 300), (0xA800, 45), (0xA840, 56), (0xA880, 70), (0xA900, 46),
    (0xA930, 36), (0xA980, 78), (0xAA00, 55), (0xAA80, 67), (0xABC0, 46), (0xAC00, 400),
    (0xFBD3, 363), (0x10080, 123), (0x10140, 79), (0x10280, 29), (0x102A0, 49), (0x10300, 36),
    (0x10330, 27), (0x10350, 43), (0x10380, 30), (0x103A0, 36), (0x10400, 80), (0x10450, 48),
    (0x10480, 30), (0x104B0, 36), (0x10500, 40), (0x10530, 52), (0x1057C, 15), (0x10600, 311),
    (0x1080A, 44), (0x10840, 22), (0x10860, 32), (0x10880, 31), (0x108E0, 19), (0x10900, 28),
    (0x10920, 26), (0x10980, 32), (0x109D2, 46), (0x10A19, 29), (0x10A60, 32), (0x10A80, 32),
    (0x10AC0, 39), (0x10B00, 54), (0x10B40, 22), (0x10B60, 19), (0x10B80, 18), (0x10C00, 73),
    (0x10C80, 51), (0x10D00, 40), (0x10E80, 42), (0x10F00, 40), (0x10F30, 42), (0x10F70, 26),
    (0x10FB0, 28), (0x10FE0, 23), (0x11000, 78), (0x11080, 67), (0x110D0, 25), (0x11100, 53),
    (0x11150, 39), (0x11180, 96), (0x11213, 44), (0x1128F, 15), (0x112B0, 59), (0x11313, 22),
    (0x11400, 92), (0x11480, 72), (0x11580, 54), (0x11600, 69), (0x11680, 58), (0x11700, 27),
    (0x11800, 60), (0x118A0, 83), (0x11918, 30), (0x119AA, 46), (0x11A00, 72), (0x11A50, 83),
    (0x11AC0, 57), (0x11C0A, 45), (0x11C70, 32), (0x11D0B, 44), (0x11D6A, 37), (0x11EE0, 25),
    (0x11FC0, 50), (0x12000, 400), (0x12F90, 99), (0x13000, 400), (0x14400, 400), (0x16800, 400),
    (0x16A40, 31), (0x16A70, 79), (0x16AD0, 30), (0x16B00, 70), (0x16E40, 91), (0x16F00, 75),
    (0x17000, 400), (0x18B00, 400), (0x1B001, 287), (0x1B170, 396), (0x1BC00, 107), (0x1D800, 400),
    (0x1E100, 45), (0x1E290, 31), (0x1E2C0, 58), (0x1E800, 197), (0x1E900, 76), (0x20000, 400),
    (0xE0100, 240),
]
MIXED, MIXED_GROUP = 100000, 1000

class Random:
    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        x = self.state
        x ^= x << 13 & M64
        x ^= x >> 7
        x ^= x << 17 & M64
        self.state = x
        return (x >> 33) % n


def atom(r):
    kind = r.below(16)
    if kind < 5:
        return WORDS[r.below(len(WORDS))]
    if kind == 5:
        return "".join(chr(97 + r.below(26)) for _ in range(1 + r.below(9)))
    if kind == 6:
        return "".join(chr(65 + r.below(26)) for _ in range(1 + r.below(5)))
    if kind == 7:
        return "".join(chr(48 + r.below(10)) for _ in range(1 + r.below(7)))
    if kind == 8:
        return ENDINGS[r.below(len(ENDINGS))]
    if kind < 11:
        return SPACES[r.below(len(SPACES))]
    first, count = RANGES[r.below(len(RANGES))]
    return "".join(chr(first + r.below(count)) for _ in range(1 + r.below(4)))


def words(r):
    text = ""
    for _ in range(1 + r.below(20)):
        text += atom(r)
        if r.below(2):
            text += " "
    return text


def make(count=COUNT):
    r = Random(SEED)
    for _ in range(count):
        yield words(r)


def mixed(count=MIXED):
    """Bytes: texts as above, every fourth with any script in it, every fourth broken."""
    r = Random(SEED ^ 1)
    for i in range(count):
        text = words(r)
        for _ in range(1 + r.below(6) if i % 4 == 1 else 0):
            first, n = SCRIPTS[r.below(len(SCRIPTS))]
            text += "".join(chr(first + r.below(n)) for _ in range(1 + r.below(4)))
        data = bytearray(text.encode())
        for k in range(len(data) if i % 4 == 3 else 0):
            if r.below(8) == 0:  # ASCII or what UTF-8 never has: no new characters arise
                byte = r.below(140)
                data[k] = byte if byte < 128 else byte + (64 if byte < 130 else 115)
        yield bytes(data)


def hashes(lists, group=GROUP):
    """FNV-1a-64 over 32-bit little-endian numbers, each list ended by all ones, per group."""
    lanes = []
    for at in range(0, len(lists), group):
        flat = [v for numbers in lists[at:at + group] for v in [*numbers, 0xFFFFFFFF]]
        lanes.append(numpy.array(flat, "<u4").view("u1"))
    longest = max(map(len, lanes))
    table = numpy.stack([numpy.pad(lane, (0, longest - len(lane))) for lane in lanes], 1)
    ends = numpy.array([len(lane) for lane in lanes])
    h = numpy.full(len(lanes), 0xcbf29ce484222325, numpy.uint64)
    for i, row in enumerate(table.astype(numpy.uint64)):
        h = numpy.where(i < ends, (h ^ row) * numpy.uint64(0x100000001b3), h)
    out = ["0x%xu" % v for v in h.tolist()]
    rows = [", ".join(out[i:i + 4]) for i in range(0, len(out), 4)]
    return ("\n      " if len(rows) > 1 else "") + ",\n      ".join(rows)


def c_strings(name, strings):
    def spell(byte):
        plain = 32 <= byte < 127 and chr(byte) not in "\\\"?"
        return chr(byte) if plain else "\\%03o" % byte

    rows = "".join('    "%s",\n' % "".join(map(spell, s.encode())) for s in strings)
    return f"static const char *const {name}[{len(strings)}] = {{\n{rows}}};\n\n"


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "texts.h")
    with open(path, "w") as out:
        out.write("/* Made by tests/golden/texts.py, which explains the tables; tests/text/texts.h"
                  "\n * mirrors its generator. */\n")
        out.write("#define TEXTS_SEED 0x%xu\n#define TEXTS_COUNT %d\n#define TEXTS_GROUP %d\n"
                  % (SEED, COUNT, GROUP)
                  + "#define MIXED_COUNT %d\n#define MIXED_GROUP %d\n\n" % (MIXED, MIXED_GROUP))
        out.write(c_strings("texts_words", WORDS) + c_strings("texts_endings", ENDINGS)
                  + c_strings("texts_spaces", SPACES))
        for name, ranges in ("ranges", RANGES), ("scripts", SCRIPTS):
            out.write("static const uint32_t texts_%s[%d][2] = {\n" % (name, len(ranges)))
            for i in range(0, len(ranges), 4):
                out.write("    " + " ".join("{ 0x%x, %d }," % p for p in ranges[i:i + 4]) + "\n")
            out.write("};\n")


if __name__ == "__main__":
    main()
