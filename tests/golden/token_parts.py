#!/usr/bin/env python3
"""Makes tests/golden/token_parts.json: small tokenizer.json files, each for a few components, and
hashes of the token ids of random texts by Hugging Face tokenizers; and of what they decode to.

    pip install tokenizers==0.23.3;  python tests/golden/token_parts.py

The vocabularies are made here from the characters and words of the texts. Every second text is
encoded with special tokens added. A hash of 0: decoding is not compared, since Hugging Face's
depends on a token's neighbours.
"""
import collections
import json
import os
import random

from tokenizers import Tokenizer

import texts

COUNT = 200
TEXTS = list(texts.make(COUNT))
WORDS = sorted({w for t in TEXTS for w in t.split()})[::6]
USED = collections.Counter(c for t in TEXTS for c in t)
CHARS = sorted(c for c, n in USED.items() if n > 8)
BYTES = [f"<0x{b:02X}>" for b in range(256)]
MAPPED = [chr(c) for c in range(0xA1, 0x144)]
MERGES = [("t", "h"), ("th", "e"), ("a", "n"), ("an", "d"), ("i", "n"), ("1", "2"), ("e", "r"),
          ("l", "l"), ("l", "o"), ("H", "e"), ("He", "llo"), ("ll", "o"), ("▁", "the"), ("▁", "t"),
          (" ", "the"), (" ", " "), ("  ", "  ")]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
DIGITS = r"\d{1,3}(?=(?:\d{3})*\b)"
KIMI = (r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lo}&&[^\p{Han}]]+"
        r"(?i:'s|'t|'re)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+?")


def bpe(first=(), keep=None, unk=False, merges=MERGES, more=(), **options):
    vocab = {}
    for piece in (["<unk>"] if unk else []) + list(first) + CHARS + list(more):
        if keep is None or len(piece) > 1 or keep(piece):
            vocab.setdefault(piece, len(vocab))
    kept = []
    for a, b in merges:
        if keep is None or all(keep(c) for c in a + b):
            for piece in (a, b, a + b):
                vocab.setdefault(piece, len(vocab))
            kept.append([a, b])
    return {"type": "BPE", "dropout": None, "unk_token": "<unk>" if unk else None,
            "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
            "byte_fallback": False, "ignore_merges": False, "vocab": vocab,
            "merges": kept} | options


def prefixed():
    vocab = {}
    for piece in ["<unk>"] + CHARS + ["##" + c for c in CHARS] + ["th", "##in", "the", "##he"]:
        vocab.setdefault(piece, len(vocab))
    return bpe() | {"unk_token": "<unk>", "continuing_subword_prefix": "##", "vocab": vocab,
                    "merges": [["t", "##h"], ["##i", "##n"], ["th", "##e"], ["##h", "##e"]]}


def unigram(last=(), **options):
    r = random.Random(3)
    rows = [("<unk>", 0.0)] + [(c, -6 - r.random() * 4) for c in CHARS if ord(c) % 7]
    rows += [(w[:k], -3 - r.random() * 5) for w in WORDS for k in (2, 3) if len(w) >= k]
    rows += [("▁", -3.1), ("▁the", -4.2)] + [(piece, 0.0) for piece in last]
    vocab = [[piece, score] for piece, score in dict(reversed(rows)).items()][::-1]
    return {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": False} | options


def wordpiece():
    letters = [c for c in CHARS if c.isalnum()]
    vocab = {}
    for piece in (["[UNK]", "[CLS]", "[SEP]"] + letters + ["##" + c for c in letters]
                  + [w[:3] for w in WORDS] + ["##" + w[2:5] for w in WORDS if len(w) > 5]):
        vocab.setdefault(piece, len(vocab))
    return {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 20, "vocab": vocab}


def wordlevel():
    vocab = {"<unk>": 0}
    for piece in sorted({w for t in TEXTS for w in t.split()})[::12] + CHARS[::2]:
        vocab.setdefault(piece, len(vocab))
    return {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"}


def added(vocab, rows):
    out, fresh = [], len(vocab)
    for content, flags in rows:
        known = content in vocab
        out.append({"id": vocab[content] if known else fresh, "content": content,
                    "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                    "special": False} | flags)
        fresh += not known
    return out


def tokenizer(model, normalizer=None, pre=None, post=None, decoder=None, tokens=()):
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": added(model["vocab"], tokens) if tokens else [],
            "normalizer": normalizer, "pre_tokenizer": pre, "post_processor": post,
            "decoder": decoder, "model": model}


def part(kind, **members):
    return {"type": kind} | members


def several(members, *parts):
    return {"type": "Sequence", members: list(parts)}


def normalizers(*parts):
    return several("normalizers", *parts)


def pres(*parts):
    return several("pretokenizers", *parts)


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return part("Split", pattern={kind: pattern}, behavior=behavior, invert=invert)


def replace(pattern, content, kind="String"):
    return part("Replace", pattern={kind: pattern}, content=content)


def metaspace(scheme, cut=True):
    return part("Metaspace", replacement="▁", prepend_scheme=scheme, split=cut)


def bert(clean, ideographs, strip, lower):
    return part("BertNormalizer", clean_text=clean, handle_chinese_chars=ideographs,
                strip_accents=strip, lowercase=lower)


LEVEL = part("ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True)
BARE = part("ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=False)
WHITE = part("WhitespaceSplit")
TEMPLATE = part("TemplateProcessing", pair=[], special_tokens={
    "<s>": {"id": "<s>", "ids": [1, 2], "tokens": ["<s>", "<s>"]}}, single=[
    {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}])
TOKENS = [("<unk>", {"special": True}), ("<tool>", {"lstrip": True}),
          ("<end>", {"rstrip": True, "special": True}), ("hello", {"single_word": True}),
          ("and", {"normalized": True, "single_word": True}), ("É", {"normalized": True}),
          ("<S>", {"lstrip": True, "rstrip": True, "special": True, "normalized": True}),
          ("<to", {}), ("  ", {})]


def cases():
    yield "NFC", tokenizer(bpe(), part("NFC"))
    yield "NFD", tokenizer(bpe(unk=True), part("NFD"))
    yield "NFKC, fused unknown", tokenizer(bpe(unk=True, fuse_unk=True), part("NFKC"))
    yield "NFKD, StripAccents, Lowercase", tokenizer(bpe(unk=True), normalizers(
        part("NFKD"), part("StripAccents"), part("Lowercase")))
    yield "Strip left", tokenizer(bpe(), part("Strip", strip_left=True, strip_right=False))
    yield "Strip, Prepend", tokenizer(bpe(), normalizers(
        part("Strip", strip_left=True, strip_right=True), part("Prepend", prepend="the")))
    yield "Replace", tokenizer(bpe(unk=True), normalizers(replace(r"\s+", " ", "Regex"),
                                                          replace("the", "in")))
    yield "marks and byte fallback", tokenizer(
        bpe(BYTES, lambda c: ord(c) < 0x500 or c == "▁", unk=True, byte_fallback=True,
            fuse_unk=True),
        normalizers(part("Prepend", prepend="▁"), replace(" ", "▁")), None, TEMPLATE,
        several("decoders", replace("▁", " "), part("ByteFallback"), part("Fuse"),
                part("Strip", content=" ", start=1, stop=0)))
    yield "BERT", tokenizer(wordpiece(), bert(True, True, None, True), part("BertPreTokenizer"),
                            part("BertProcessing", sep=["[SEP]", 2], cls=["[CLS]", 1]),
                            part("WordPiece", prefix="##", cleanup=True))
    yield "BERT cased", tokenizer(wordpiece(), bert(True, True, False, False),
                                  part("BertPreTokenizer"), None,
                                  part("WordPiece", prefix="##", cleanup=False))
    yield "BERT accents", tokenizer(wordpiece(), bert(False, False, True, False), WHITE)
    yield "Nmt, Metaspace", tokenizer(unigram(), part("Nmt"), metaspace("always"), None,
                                      metaspace("always"))
    yield "Metaspace whole", tokenizer(unigram(), None, metaspace("first", False), None,
                                       metaspace("never"))
    yield "Unigram bytes", tokenizer(unigram(BYTES, byte_fallback=True), None, metaspace("never"),
                                     None, several("decoders", part("ByteFallback"),
                                                   metaspace("never")))
    yield "UnicodeScripts", tokenizer(unigram(), None, pres(part("UnicodeScripts"), WHITE,
                                                            metaspace("always")))
    yield "ByteLevel normalizer", tokenizer(bpe(MAPPED), part("ByteLevel"), None, None, LEVEL)
    yield "ByteLevel", tokenizer(bpe(MAPPED), None, LEVEL, LEVEL, LEVEL)
    for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        cut = [split(r"[aeiou]|\s+", behavior), split(r"\p{L}+", behavior, True),
               split(" ", behavior, False, "String"), split(r"(?=\d)", behavior),
               split(GPT2, behavior), part("Punctuation", behavior=behavior)]
        for i, step in enumerate(cut):
            if behavior == "Isolated" or i in (0, 1, 3, 5):
                yield f"{behavior} {i}", tokenizer(wordlevel(), None, step)
    for expression in [DIGITS, KIMI, r"\w+|[^\w\s]+", r"(?<!\p{L})\p{Lu}|$", r"a.*?b|(?>\p{L}+)e"]:
        yield expression, tokenizer(bpe(MAPPED), None, pres(split(expression), BARE), None, LEVEL)
    yield "Digits", tokenizer(wordlevel(), None, pres(WHITE, part("Digits",
                                                                 individual_digits=True)))
    yield "Whitespace, Digits", tokenizer(wordlevel(), None, pres(
        part("Whitespace"), part("Digits", individual_digits=False)))
    yield "CharDelimiterSplit, FixedLength", tokenizer(wordlevel(), None, pres(
        part("CharDelimiterSplit", delimiter="e"), part("FixedLength", length=3)))
    yield "suffix", tokenizer(bpe([c + "</w>" for c in CHARS], unk=True, end_of_word_suffix="</w>"),
                              part("Lowercase"), part("Whitespace"), None,
                              part("BPEDecoder", suffix="</w>"))
    yield "prefix", tokenizer(prefixed(), None, WHITE, None,
                              part("WordPiece", prefix="##", cleanup=True))
    yield "unknown", tokenizer(bpe(keep=lambda c: ord(c) % 3, unk=True), None, part("Whitespace"))
    yield "unknown, left out", tokenizer(bpe(keep=lambda c: ord(c) % 3), None, part("Whitespace"))
    yield "some bytes", tokenizer(bpe(BYTES[:0xC8], lambda c: ord(c) < 200, unk=True,
                                      byte_fallback=True), None, part("Whitespace"))
    yield "ignore_merges", tokenizer(bpe(WORDS, ignore_merges=True), None, WHITE)
    yield "merges as texts", tokenizer(bpe() | {"merges": ["t h", "th e", "a n"]}, None, WHITE)
    yield "added", tokenizer(bpe(unk=True), None, metaspace("first"), None, part("Fuse"), TOKENS)
    yield "added, lowercase", tokenizer(bpe(unk=True), part("Lowercase"), None, None,
                                        part("Fuse"), TOKENS)
    yield "added, marks", tokenizer(bpe(unk=True), normalizers(
        part("Prepend", prepend="▁"), replace(" ", "▁")), None, None, part("Fuse"), TOKENS)
    yield "CTC", tokenizer(wordlevel(), None, WHITE, None,
                           part("CTC", pad_token="the", word_delimiter_token="|", cleanup=True))


def with_tokens(text, i):
    """An added token, with white space before it, at a place that the text's number chooses."""
    at = i * 7 % (len(text) + 1)
    return (text[:at] + ["", " ", "  ", "\n", "\u3000"][i % 5] + TOKENS[i % len(TOKENS)][0]
            + ["", " ", "a"][i % 3] + text[at:])


def main():
    rows = []
    for name, file in cases():
        t = Tokenizer.from_str(json.dumps(file))
        ids, spelled = [], []
        for i, text in enumerate(TEXTS):
            ids.append(t.encode(with_tokens(text, i), add_special_tokens=i % 2 > 0).ids)
            spelled.append(list(t.decode(ids[-1], skip_special_tokens=False).encode()))
        print(name, sum(map(len, ids)), "tokens")
        decoded = texts.hashes(spelled, COUNT).strip("u")
        rows.append({"name": name, "ids": texts.hashes(ids, COUNT).strip("u"),
                     "text": "0" if name in ("suffix", "CTC") else decoded,
                     "tokenizer": json.dumps(file, ensure_ascii=False, separators=(",", ":"))})
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "token_parts.json")
    with open(path, "w") as out:
        json.dump({"version": "tokenizers 0.23.3", "count": COUNT, "cases": rows}, out,
                  ensure_ascii=False, indent=0)


if __name__ == "__main__":
    main()
