#!/usr/bin/env python3
"""Makes tests/golden/split.h: where the published pre-tokenizer expressions cut random texts,
computed with Hugging Face tokenizers (Oniguruma) and, as a second witness, with the regex module.

    pip install tokenizers==0.23.3 regex==2026.11.15;  python tests/golden/split.py
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

LISTS = {  # of lib/text/split_names.c, as in the models' tokenizer.json
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
    return lambda text: [len(piece.encode()) for piece, _ in sequence.pre_tokenize_str(text)]


def cut_regex(expressions):
    def cut(text):
        pieces = [text]
        for e in expressions:
            out = []
            for piece in pieces:
                at = 0
                for m in regex.finditer(e, piece):
                    if m.start() > at:
                        out.append(piece[at:m.start()])
                    if m.end() > m.start():
                        out.append(m.group())
                    at = m.end()
                if at < len(piece):
                    out.append(piece[at:])
            pieces = out
        return [len(p.encode()) for p in pieces]
    return cut


def main():
    rows = []
    for name, expressions in list(FORMS.items()) + list(LISTS.items()):
        # Only Oniguruma intersects classes.
        hf, second = cut_hf(expressions), cut_regex(expressions) if "&&" not in "".join(
            expressions) else cut_hf(expressions)
        cuts, differ = [], 0
        for text in texts.make():
            a, b = hf(text), second(text)
            differ += a != b
            cuts.append(a)
        print(name, "texts:", len(cuts), "where the two witnesses differ:", differ)
        rows.append('    { "%s", { %s } },' % (name, texts.hashes(cuts)))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "split.h")
    with open(path, "w") as out:
        out.write("/* Made by tests/golden/split.py: lengths in bytes of the pieces of the texts\n"
                  " * of texts.h, FNV-1a-64 per %d texts. */\n" % texts.GROUP)
        out.write("static const struct {\n    const char *name;\n    uint64_t hash[%d];\n"
                  "} golden_split[] = {\n" % (texts.COUNT // texts.GROUP))
        out.write("\n".join(rows) + "\n};\n")


if __name__ == "__main__":
    main()
