#!/usr/bin/env python3
"""Makes tests/golden/tokenizer.inc: token ids of the texts of texts.mixed, by independent
implementations fed with the vocabularies of GGUF files: the small ones of tests/golden/vocabs, and
real ones.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 protobuf regex==2026.11.15 numpy
    python tests/golden/tokenizer.py ../shared/data/vocab

Byte-level BPE is cut by the regex module (split.py) and merged by Hugging Face tokenizers, which
also does BPE of characters and WordPiece; scored BPE and unigram are sentencepiece's; the longest
match (RWKV) and the cheapest way (PLaMo 2) stand here as their authors define them. What takes
strings gets a private character for each byte that is no UTF-8.
"""
import functools
import os
import struct
import sys

import regex
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

import split
import texts

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def read_metadata(path):
    data = open(path, "rb").read()
    at = 4

    def take(form):
        nonlocal at
        value = struct.unpack_from("<" + form, data, at)[0]
        at += struct.calcsize(form)
        return value

    def text():
        nonlocal at
        n = take("Q")
        at += n
        return data[at - n:at].decode("utf-8", "surrogateescape")

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            kind, n = take("I"), take("Q")
            return [value(kind) for _ in range(n)]
        return take("BbHhIif?  Qqd"[kind])

    assert take("I") == 3
    take("Q")
    pairs = {}
    for _ in range(take("Q")):
        key = text()
        pairs[key] = value(take("I"))
    return {k[len("tokenizer.ggml."):]: v for k, v in pairs.items()
            if k.startswith("tokenizer.ggml.")}


STAND_IN = 0x10F000  # + byte: private characters that no text has


def stand_ins(data):
    text = data.decode(errors="surrogateescape")
    return split.BROKEN.sub(lambda m: chr(STAND_IN + ord(m.group()) - 0xDC00), text)


def restore(ids, tokens):
    """The four bytes of each stand-in become the one that it stands for."""
    of_byte = {f"<0x{b:02X}>": b for b in range(256)}
    out = []
    for i in ids:
        out.append(i)
        last = [of_byte.get(tokens[k], 0) for k in out[-4:]]
        if len(last) == 4 and last[:2] == [0xF4, 0x8F] and 0x82 <= last[2] <= 0x83:
            byte = (last[2] << 6 & 0xC0) | (last[3] & 0x3F)
            out[-4:] = [tokens.index(f"<0x{byte:02X}>")]
    return out


def byte_level(meta, expressions, whole=False):
    vocab = {piece: i for i, piece in enumerate(meta["tokens"])}
    merges = [tuple(m.split(" ")) for m in meta["merges"]]
    t = Tokenizer(models.BPE(vocab, merges, ignore_merges=whole))
    cut = split.cutter(expressions)
    user = [p.encode() for p, kind in zip(meta["tokens"], meta["token_type"]) if kind == USER]
    found = regex.compile(b"|".join(map(regex.escape, sorted(user, key=len, reverse=True)))
                          if user else b"(?!)")
    codes = [b for b in range(256) if 33 <= b < 127 or 161 <= b < 173 or b > 173]
    mapped = {b: chr(b) for b in codes}
    mapped.update((b, chr(256 + n)) for n, b in enumerate(b for b in range(256) if b not in codes))

    # A byte without a token, which UTF-8 never has, is left out and joins nothing.
    spelled = regex.compile("[%s]+" % regex.escape("".join(c for c in mapped.values() if c in vocab)))

    def plain(data):
        pieces = ["".join(mapped[b] for b in piece) for piece in cut(data)]
        pieces = [part for piece in pieces for part in spelled.findall(piece)]
        return t.encode(pieces, is_pretokenized=True, add_special_tokens=False).ids if pieces else []

    def encode(data):
        ids, at = [], 0
        for m in found.finditer(data):
            ids += plain(data[at:m.start()]) + [vocab[m.group().decode()]]
            at = m.end()
        return ids + plain(data[at:])
    return encode


def characters(meta, steps=(), cut=None, **options):
    vocab = {piece: i for i, piece in enumerate(meta["tokens"])}
    merges = [tuple(m.split(" ")) for m in meta["merges"]]
    t = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, **options))
    t.normalizer = normalizers.Sequence(list(steps))
    if cut:
        t.pre_tokenizer = cut
    return lambda data: restore(t.encode(stand_ins(data), add_special_tokens=False).ids,
                                meta["tokens"])


def longest_match(meta):
    signs = {"t": "\t", "n": "\n", "r": "\r"}
    pieces = [regex.sub(r"\\(x..|.)", lambda m: signs.get(m[1], chr(int(m[1][1:], 16))
                                                          if len(m[1]) > 1 else m[1]), p).encode("latin-1")
              for p in meta["tokens"]]
    ids = {piece: i for i, piece in enumerate(pieces) if i}
    most = max(map(len, pieces))

    def encode(data):
        out, at = [], 0
        while at < len(data):
            n = next(n for n in range(most, 0, -1) if data[at:at + n] in ids)
            out.append(ids[data[at:at + n]])
            at += n
        return out
    return encode


def cheapest_way(meta):
    costs = {p: (-round(s * 1e4), i)
             for i, (p, s, kind) in enumerate(zip(meta["tokens"], meta["scores"],
                                                  meta["token_type"])) if kind in (NORMAL, USER)}
    of_byte = [meta["tokens"].index(f"<0x{b:02X}>") for b in range(256)]
    most = max(map(len, costs))

    def encode(data):
        text = stand_ins(data)
        best = [None] * len(text) + [(0, 0, None)]
        for at in range(len(text) - 1, -1, -1):
            ways = [(n, *costs[text[at:at + n]]) for n in range(min(most, len(text) - at), 0, -1)
                    if text[at:at + n] in costs] + [(1, 10 ** 7, None)]
            best[at] = min(((best[at + n][0] + cost, n, i) for n, cost, i in ways),
                           key=lambda way: way[0])
        out, at = [], 0
        while at < len(text):
            _, n, i = best[at]
            out += [i] if i is not None else [of_byte[b] for b in text[at].encode()]
            at += n
        return restore(out, meta["tokens"])
    return encode


def wordpiece(meta):
    def original(piece, kind):
        if kind == CONTROL:
            return piece
        return piece[1:] if piece.startswith("\u2581") else "##" + piece

    vocab = {original(p, k): i
             for i, (p, k) in enumerate(zip(meta["tokens"], meta["token_type"]))}
    t = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return lambda data: t.encode(stand_ins(data), add_special_tokens=False).ids


def scored(meta):
    m = proto.ModelProto()
    unk = meta["unknown_token_id"]
    for i, (piece, score, kind) in enumerate(zip(meta["tokens"], meta["scores"],
                                                 meta["token_type"])):
        kind = UNKNOWN if i == unk else UNUSED if kind == UNKNOWN else kind
        m.pieces.add(piece=piece, score=score, type=kind)
    bpe, charsmap = meta["model"] == "llama", bytes(meta.get("precompiled_charsmap", b""))
    m.trainer_spec.model_type = proto.TrainerSpec.BPE if bpe else proto.TrainerSpec.UNIGRAM
    m.trainer_spec.byte_fallback = BYTE in meta["token_type"]
    m.trainer_spec.vocab_size = len(meta["tokens"])
    m.normalizer_spec.name = "user_defined" if charsmap else "identity"
    m.normalizer_spec.precompiled_charsmap = charsmap
    m.normalizer_spec.add_dummy_prefix = True
    m.normalizer_spec.remove_extra_whitespaces = not bpe
    m.normalizer_spec.escape_whitespaces = True
    t = sentencepiece.SentencePieceProcessor(model_proto=m.SerializeToString())
    if not bpe:
        return t.encode
    # sentencepiece makes U+FFFD of broken bytes; with scored BPE pith keeps them, as llama.cpp does.
    # What follows a user-defined token starts anew, as in both and in Hugging Face's tokenizers.
    user = {piece.encode(): i for i, (piece, kind) in
            enumerate(zip(meta["tokens"], meta["token_type"])) if kind == USER}
    cut = regex.compile(b"(" + b"|".join(map(regex.escape, sorted(user, key=len, reverse=True))) + b")"
                     if user else b"(?!)")
    return lambda data: [i for part in cut.split(data) if part for i in (
        [user[part]] if part in user else
        restore(t.encode(stand_ins(part)), meta["tokens"]))]


def cases():
    """Name of the vocabulary, tokenizer.ggml.pre in its place, how to read it."""
    whole = ("llama-bpe", "tekken", "youtu", "granite-embed-multi-97m", "minicpm5")
    for name, expressions in {**split.FORMS, **split.LISTS}.items():
        make = functools.partial(byte_level, expressions=expressions, whole=name in whole)
        yield "bytes", name, make
        if name in ("llama-bpe", "gpt-4o"):
            yield "gpt-2", name, make
    yield "bert", "", wordpiece
    yield "gemma4", "", lambda m: characters(m, [normalizers.Replace(" ", "▁")], byte_fallback=True)
    yield "llama", "", scored
    yield "plamo2", "", cheapest_way
    yield "rwkv", "", longest_match
    yield "t5", "", scored
    yield "t5-bytes", "", scored
    yield "whitespace", "", lambda m: characters(m, [normalizers.Lowercase()],
                                                 pre_tokenizers.WhitespaceSplit())
    yield "bert-bge", "", wordpiece
    for name, form in ("gpt-2", "gpt-2"), ("gpt-neox", "gpt-2"), ("starcoder", "starcoder"):
        yield name, "", functools.partial(byte_level, expressions=split.FORMS[form])
    yield "llama-spm", "", scored
    yield "phi-3", "", scored


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    everything = list(texts.mixed())
    rows = []
    for name, pre, make in cases():
        path = os.path.join(here, "vocabs", name + ".gguf")
        if not os.path.exists(path):
            path = os.path.join(sys.argv[1], f"ggml-vocab-{name}.gguf")
        ids = list(map(make(read_metadata(path)), everything))
        print(name, pre, sum(map(len, ids)), "tokens", flush=True)
        rows.append('    { "%s", "%s", {%s } },\n' % (name, pre,
                                                     texts.hashes(ids, texts.MIXED_GROUP)))
    with open(os.path.join(here, "tokenizer.inc"), "w") as out:
        out.write("/* Made by tests/golden/tokenizer.py: token ids of the mixed texts of texts.h,\n"
                  " * without special ones, FNV-1a-64 per %d. `pre` replaces the file's own. */\n"
                  % texts.MIXED_GROUP)
        out.write("static const struct {\n    const char *vocabulary, *pre;\n"
                  "    uint64_t hash[%d];\n} golden_tokenizer[] = {\n"
                  % (texts.MIXED // texts.MIXED_GROUP) + "".join(rows) + "};\n")


if __name__ == "__main__":
    main()
