#!/usr/bin/env python3
"""Makes tests/golden/tokenizer.h: token ids of the random texts, by independent implementations
fed with the vocabularies of GGUF files.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 protobuf
    python tests/golden/tokenizer.py ../shared/data/vocab

Byte-level BPE and WordPiece come from Hugging Face tokenizers, scored BPE from sentencepiece.
"""
import os
import struct
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

import split
import texts

UNKNOWN, CONTROL, USER, UNUSED = 2, 3, 4, 5


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


def byte_level(meta, expressions, whole=False):
    vocab = {piece: i for i, piece in enumerate(meta["tokens"])}
    merges = [tuple(m.split(" ")) for m in meta["merges"]]
    t = Tokenizer(models.BPE(vocab, merges, ignore_merges=whole))
    steps = [pre_tokenizers.Split(Regex(e), "isolated") for e in expressions]
    t.pre_tokenizer = pre_tokenizers.Sequence(
        steps + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.add_tokens([AddedToken(piece, normalized=False)
                  for piece, kind in zip(meta["tokens"], meta["token_type"]) if kind == USER])
    return lambda text: t.encode(text, add_special_tokens=False).ids


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
    return lambda text: t.encode(text, add_special_tokens=False).ids


def scored(meta):
    m = proto.ModelProto()
    unk = meta["unknown_token_id"]
    for i, (piece, score, kind) in enumerate(zip(meta["tokens"], meta["scores"],
                                                 meta["token_type"])):
        kind = UNKNOWN if i == unk else UNUSED if kind == UNKNOWN else kind
        m.pieces.add(piece=piece, score=score, type=kind)
    m.trainer_spec.model_type = proto.TrainerSpec.BPE
    m.trainer_spec.byte_fallback = True
    m.trainer_spec.vocab_size = len(meta["tokens"])
    m.normalizer_spec.name = "identity"
    m.normalizer_spec.add_dummy_prefix = True
    m.normalizer_spec.remove_extra_whitespaces = False
    m.normalizer_spec.escape_whitespaces = True
    t = sentencepiece.SentencePieceProcessor(model_proto=m.SerializeToString())
    return t.encode


def main():
    folder = sys.argv[1]
    kinds = {
        "bert-bge": ("", wordpiece),
        "gpt-2": ("", lambda m: byte_level(m, split.FORMS["gpt-2"])),
        "gpt-neox": ("", lambda m: byte_level(m, split.FORMS["gpt-2"])),
        "starcoder": ("", lambda m: byte_level(m, split.FORMS["starcoder"])),
        "llama-spm": ("", scored),
        "phi-3": ("", scored),
        "gpt-2 as llama-bpe": ("llama-bpe", lambda m: byte_level(m, split.FORMS["llama-bpe"],
                                                                 True)),
        "gpt-2 as gpt-4o": ("gpt-4o", lambda m: byte_level(m, split.FORMS["gpt-4o"])),
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizer.h")
    with open(path, "w") as out:
        out.write("/* Made by tests/golden/tokenizer.py: token ids of the texts of texts.h,\n"
                  " * without special ones, FNV-1a-64 per %d. `pre` replaces the file's own. */\n"
                  % texts.GROUP)
        out.write("static const struct {\n    const char *vocabulary, *pre;\n"
                  "    uint64_t hash[%d];\n} golden_tokenizer[] = {\n"
                  % (texts.COUNT // texts.GROUP))
        for name, (pre, make) in kinds.items():
            vocabulary = name.split()[0]
            encode = make(read_metadata(os.path.join(folder, f"ggml-vocab-{vocabulary}.gguf")))
            ids = [encode(text) for text in texts.make()]
            print(name, sum(map(len, ids)), "tokens")
            out.write('    { "%s", "%s", { %s } },\n' % (vocabulary, pre, texts.hashes(ids)))
        out.write("};\n")


if __name__ == "__main__":
    main()
