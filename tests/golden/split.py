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
    for name, expressions in FORMS.items():
        hf, second = cut_hf(expressions), cut_regex(expressions)
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
