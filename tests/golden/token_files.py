#!/usr/bin/env python3
"""Makes tests/golden/token_files.h: token ids of 100,000 random texts for real tokenizer.json files,
with special tokens found and added, by Hugging Face tokenizers; and of what they decode to.

    pip install tokenizers==0.23.3;  python tests/golden/token_files.py ../shared/data/tokenizers
"""
import os
import sys

from tokenizers import Tokenizer

import texts

COUNT, GROUP = 100000, 1000
NAMES = ["clip", "phi-2", "roberta-base", "t5-small", "whisper.tiny"]


def with_added(text, i, added):
    """Every fourth text has an added token in it, where its number says."""
    if i % 4 or not added:
        return text
    token, at = added[i // 4 % len(added)], i // 4 % (len(text) + 1)
    return text[:at] + (" " if i % 8 else "") + token + text[at:]


def main():
    rows = []
    for name in NAMES:
        t = Tokenizer.from_file(os.path.join(sys.argv[1], name + "__tokenizer.json"))
        added = sorted(t.get_added_tokens_decoder().items())
        added = [a.content for _, a in added]
        ids, spelled = [], []
        for i, text in enumerate(texts.make(COUNT)):
            ids.append(t.encode(with_added(text, i, added)).ids)
            if i < GROUP:
                spelled.append(list(t.decode(ids[-1], skip_special_tokens=False).encode()))
        print(name, sum(map(len, ids)), "tokens")
        rows.append('    { "%s", %s,\n      { %s } },' % (name, texts.hashes(spelled, GROUP),
                                                       texts.hashes(ids, GROUP)))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "token_files.h")
    with open(path, "w") as out:
        out.write("/* Made by tests/golden/token_files.py: token ids of random texts, FNV-1a-64 per %d;\n"
                  " * first a hash of the bytes that the first %d texts decode to. */\n"
                  % (GROUP, GROUP))
        out.write("#define FILES_COUNT %d\n#define FILES_GROUP %d\n\n" % (COUNT, GROUP))
        out.write("static const struct {\n    const char *name;\n    uint64_t text, hash[%d];\n"
                  "} golden_files[] = {\n" % (COUNT // GROUP))
        out.write("\n".join(rows) + "\n};\n")


if __name__ == "__main__":
    main()
