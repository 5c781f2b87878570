#!/usr/bin/env python3
"""Makes tests/golden/split.h: where the published pre-tokenizer expressions cut the texts of
texts.mixed, computed with the regex module and, as a second witness of those that are UTF-8, with
Hugging Face tokenizers (Oniguruma).

    pip install tokenizers==0.23.3 regex==2026.11.15 numpy;  python tests/golden/split.py
"""
import os

import regex
from tokenizers import Regex, pre_tokenizers

import texts

GPT2 = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
BEFORE = r"[^\r\n\p{L}\p{N}]?"

FORMS = {  # name: expressions, each applied to what the one before has cut
    "gpt-2": [GPT2],
    "starcoder": [r"\p{N}", GPT2],
    "llama-bpe": [ENDING + "|" + BEFORE + r"\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
                  + SPACES],
    "qwen2": [ENDING + "|" + BEFORE + r"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES],
    "qwen35": [ENDING + "|" + BEFORE + r"[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"
               + SPACES],
    "gpt-4o": [BEFORE + UPPER + "*" + LOWER + "+" + ENDING + "?|" + BEFORE + UPPER + "+" + LOWER
               + "*" + ENDING + r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES],
    "tekken": [BEFORE + UPPER + "*" + LOWER + "+|" + BEFORE + UPPER + "+" + LOWER
               + r"*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES],
}

DEEPSEEK = [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
            r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
            r" ?[\p{P}\p{S}]+[\r\n]*|" + SPACES]
CASED = (BEFORE + UPPER + "*" + LOWER + "+" + ENDING + "?|" + BEFORE + UPPER + "+" + LOWER + "*"
         + ENDING + "?")
PLAIN = GPT2[:-len(r"|\s+")]
COMMAS = r" ?[^(\s|.,!?…。，、।۔،)]+"
WIDE = r" ?[^\s\p{L}\p{N}]+"

CASED_LETTERS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af"
    "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-"
    "\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90"
    "-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d"
    "\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-"
    "\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4"
    "\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d"
    "\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
    "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e"
    "\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f"
    "\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
    "\U000118a0-\U000118df\U0001e900-\U0001e943")

LISTS = {  # of lib/text/split_names.c, as in the models' tokenizer.json
    "deepseek-llm": [r"[\r\n]", r"\s?[" + CASED_LETTERS + "]+",
                     r"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", r"\s+$", "[一-龥ࠀ-一가-퟿]+", r"\p{N}+"],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}"],
    "deepseek-v3": DEEPSEEK,
    "hunyuan-dense": DEEPSEEK,
    "joyai-llm": DEEPSEEK,
    "youtu": ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
              CASED + r"|\p{N}|" + WIDE + r"[\r\n/]*|" + SPACES],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
    "jais-2": [ENDING + "|" + BEFORE + r"\p{L}+|\p{N}{1,3}|" + WIDE + r"[\r\n]*|\s*[\r\n]+|"
               + "".join(r"\s{%d}(?!\S)|" % n for n in (512, 256, 128, 64, 32, 16, 8, 4))
               + r"\s{1,2}(?!\S)|\s{1}"],
    "bloom": [COMMAS],
    "poro-chat": [COMMAS],
    "gpt3-finnish": [COMMAS],
    "viking": [COMMAS, r"\p{N}"],
    "exaone-moe": [ENDING + "|" + BEFORE + r"(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}|" + WIDE
                   + r"[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"],
    "chameleon": ["<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
                  r"([\t\n]|    |  )", r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]", GPT2],
    "granite-embed-multi-97m": [CASED + r"|\p{N}{1,3}|" + WIDE + r"[\r\n/]*|" + SPACES],
    "tiny_aya": [r"\d{1,3}(?=(?:\d{3})*\b)",
                 CASED + r"|\p{N}{1,3}|" + WIDE + r"[\r\n/]*|" + SPACES],
    "superbpe": [r"\p{N}+", r"(?=(\d{3})+(?!\d))"],
    "bailingmoe2": [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*"
                    r"|\s*[\r\n]|\s+(?!\S)|\s+"],
    "seed-coder": [ENDING + "|" + BEFORE + r"\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|" + SPACES],
    "laguna": [r"[^\n]+|[\n]+", FORMS["qwen2"][0]],
    "minicpm5": [r"\p{N}{1,3}", ENDING + "|" + BEFORE + r"\p{L}+|\p{N}+|" + WIDE + r"[\r\n]*|"
                 + SPACES],
    "kimi-k2": [r"[\p{Han}]+|" + (CASED.replace(r"\p{M}]", r"\p{M}&&[^\p{Han}]]"))
                + r"|\p{N}{1,3}|" + WIDE + r"[\r\n]*|" + SPACES],
    "afmoe": [r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
              "[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf"
              "\u0e00-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f"
              "\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7afᄀ-ᇿ]+", DEEPSEEK[2]],
}


def cut_hf(expressions):
    steps = [pre_tokenizers.Split(Regex(e), "isolated") for e in expressions]
    sequence = pre_tokenizers.Sequence(steps)
    return lambda text: [piece for piece, _ in sequence.pre_tokenize_str(text)]


# What Oniguruma takes for parts of words beside a \b: in Latin-1 some numbers, too.
WORD = (r"[\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\u24b6-\u24e9\U0001f130-\U0001f149\U0001f150-\U0001f169"
        r"\U0001f170-\U0001f189\xb2\xb3\xb9\xbc-\xbe]")
BOUNDARY = f"(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))"


def cut_regex(expressions):
    compiled = [regex.compile(e.replace(r"\b", BOUNDARY), regex.V1 if "&&" in e else regex.V0)
                for e in expressions]

    def cut(text):
        pieces = [text]
        for e in compiled:
            out = []
            for piece in pieces:
                at = 0
                for m in e.finditer(piece):
                    if m.start() > at:
                        out.append(piece[at:m.start()])
                    if m.end() > m.start():
                        out.append(m.group())
                    at = m.end()
                if at < len(piece):
                    out.append(piece[at:])
            pieces = out
        return pieces
    return cut


BROKEN = regex.compile("[\udc80-\udcff]")


def cutter(expressions):
    """Cuts bytes; each that is no UTF-8 counts as U+FFFD, a symbol."""
    cut = cut_regex(expressions)

    def cut_bytes(data):
        text = data.decode(errors="surrogateescape")
        at, out = 0, []
        for piece in cut(BROKEN.sub("\ufffd", text)):
            out.append(text[at:at + len(piece)].encode(errors="surrogateescape"))
            at += len(piece)
        return out
    return cut_bytes


def main():
    rows = []
    everything = list(texts.mixed())
    for name, expressions in list(FORMS.items()) + list(LISTS.items()):
        cut, second = cutter(expressions), cut_hf(expressions)
        cuts, differ = [], 0
        for data in everything:
            pieces = cut(data)
            cuts.append(list(map(len, pieces)))
            try:
                text = data.decode()
            except UnicodeDecodeError:
                continue
            if [p.encode() for p in second(text)] != pieces:
                differ += 1
                if differ < 4:
                    print(repr(text))
        print(name, "texts:", len(cuts), "where the two witnesses differ:", differ, flush=True)
        rows.append('    { "%s", {%s } },' % (name, texts.hashes(cuts, texts.MIXED_GROUP)))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "split.h")
    with open(path, "w") as out:
        out.write("/* Made by tests/golden/split.py: lengths in bytes of the pieces of the mixed texts\n"
                  " * of texts.h, FNV-1a-64 per %d texts. */\n" % texts.MIXED_GROUP)
        out.write("static const struct {\n    const char *name;\n    uint64_t hash[%d];\n"
                  "} golden_split[] = {\n" % (texts.MIXED // texts.MIXED_GROUP))
        out.write("\n".join(rows) + "\n};\n")


if __name__ == "__main__":
    main()
