"""The random texts of split.py and tokenizer.py, and their mirror for C, tests/golden/texts.h.

    python tests/golden/texts.py              (any Python 3; writes texts.h)
"""
import os

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


def make(count=COUNT):
    r = Random(SEED)
    for _ in range(count):
        text = ""
        for _ in range(1 + r.below(20)):
            text += atom(r)
            if r.below(2):
                text += " "
        yield text


def hashes(lists, group=GROUP):
    """FNV-1a-64 over 32-bit little-endian numbers, each list ended by all ones, per group."""
    out = []
    for at in range(0, len(lists), group):
        h = 0xcbf29ce484222325
        for numbers in lists[at:at + group]:
            for v in list(numbers) + [0xFFFFFFFF]:
                for k in range(4):
                    h = (h ^ (v >> 8 * k & 255)) * 0x100000001b3 & M64
        out.append("0x%xu" % h)
    return ",\n      ".join(", ".join(out[i:i + 3]) for i in range(0, len(out), 3))


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
        out.write("#define TEXTS_SEED 0x%xu\n#define TEXTS_COUNT %d\n#define TEXTS_GROUP %d\n\n"
                  % (SEED, COUNT, GROUP))
        out.write(c_strings("texts_words", WORDS) + c_strings("texts_endings", ENDINGS)
                  + c_strings("texts_spaces", SPACES))
        out.write("static const uint32_t texts_ranges[%d][2] = {\n" % len(RANGES))
        for i in range(0, len(RANGES), 4):
            out.write("    " + " ".join("{ 0x%x, %d }," % p for p in RANGES[i:i + 4]) + "\n")
        out.write("};\n")


if __name__ == "__main__":
    main()
