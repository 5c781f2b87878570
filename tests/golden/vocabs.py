#!/usr/bin/env python3
"""Makes tests/golden/vocabs/*.gguf: a small vocabulary of every kind that GGUF has, trained on the
first of the texts of texts.mixed. (WordPiece's trainer breaks ties by chance: bert.gguf is one of
several that it makes.)

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 protobuf numpy;  python tests/golden/vocabs.py
"""
import collections
import io
import os
import struct
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

import texts

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vocabs")
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
BYTES = [f"<0x{b:02X}>" for b in range(256)]
SIZE = 700
RULES = [("\ufb01", "fi"), ("\u00c9", "E"), ("\u00e9", "e"), ("A\u030a", "\u00c5"),
         ("\u00bd", "1/2"), ("\u3000", " "), ("\t", " "), ("\n", " "), ("\u200b", ""),
         ("\u30ab\u3099", "\u30ac"), ("\u2460", "1"), ("\u2026", "...")]


def text(s):
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(s)) + s


def pair(key, value):
    key = text("tokenizer.ggml." + key)
    if isinstance(value, bool):
        return key + struct.pack("<IB", 7, value)
    if isinstance(value, int):
        return key + struct.pack("<II", 4, value)
    if isinstance(value, str):
        return key + struct.pack("<I", 8) + text(value)
    head = key + struct.pack("<I", 9)
    if isinstance(value, bytes):
        return head + struct.pack("<IQ", 0, len(value)) + value
    if isinstance(value[0], (str, bytes)):
        return head + struct.pack("<IQ", 8, len(value)) + b"".join(map(text, value))
    kind, form = (6, "f") if isinstance(value[0], float) else (5, "i")
    return head + struct.pack(f"<IQ{len(value)}{form}", kind, len(value), *value)


def write(name, **pairs):
    with open(os.path.join(FOLDER, name + ".gguf"), "wb") as out:
        out.write(b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)))
        for key, value in pairs.items():
            out.write(pair(key, value))


def train(lines, cut, size, alphabet=(), first=()):
    t = Tokenizer(models.BPE(unk_token="<unk>"))
    t.pre_tokenizer = cut
    t.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=list(alphabet), special_tokens=list(first),
        show_progress=False))
    model = __import__("json").loads(t.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return tokens, [" ".join(m) for m in model["merges"]]


def sentence(lines, kind, **options):
    out = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        rules.write("".join("%s\t%s\n" % tuple(" ".join("%X" % ord(c) for c in s) for s in rule)
                            for rule in RULES))
        rules.flush()
        if kind == "unigram":
            options["normalization_rule_tsv"] = rules.name
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=out, model_type=kind, num_threads=1,
            character_coverage=1.0, minloglevel=2, hard_vocab_limit=False, **options)
    m = proto.ModelProto()
    m.ParseFromString(out.getvalue())
    return m, dict(tokens=[p.piece for p in m.pieces], scores=[float(p.score) for p in m.pieces],
                   token_type=[p.type for p in m.pieces])


def main():
    data = list(texts.mixed(6000))
    lines = [d.decode(errors="ignore") for d in data]
    counts = collections.Counter("".join(lines).replace("\0", ""))
    kept = set(sorted(counts, key=lambda c: (-counts[c], c))[:300])
    lines = ["".join(c for c in s if c in kept) for s in lines]
    # Merges that reach over words show where a text was cut.
    chunks = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"[^\0]{1,24}"), "isolated"),
                                      pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokens, merges = train(lines, chunks, 1200, pre_tokenizers.ByteLevel.alphabet(),
                           ["<|endoftext|>"])
    write("bytes", model="gpt2", pre="gpt-2", tokens=tokens, merges=merges,
          token_type=[CONTROL] + [NORMAL] * (len(tokens) - 1), eos_token_id=0)

    marked = [s.replace(" ", "▁") for s in lines]
    plain = pre_tokenizers.Split(Regex(r"[^\0]{1,24}"), "isolated")
    first = ["<pad>", "<eos>", "<bos>", "<unk>", *BYTES]
    tokens, merges = train(marked, plain, SIZE + 256, "▁\n\t", first)
    write("gemma4", model="gemma4", tokens=tokens, merges=merges, unknown_token_id=3,
          token_type=[CONTROL, CONTROL, CONTROL, UNKNOWN] + [BYTE] * 256
          + [NORMAL] * (len(tokens) - 260), add_bos_token=False)

    words = [s.lower() for s in lines]
    tokens, merges = train(words, pre_tokenizers.WhitespaceSplit(), SIZE, (), ["<unk>", "<s>"])
    write("whitespace", model="whitespace", pre="whitespace", tokens=tokens, merges=merges,
          unknown_token_id=0, token_type=[UNKNOWN, CONTROL] + [NORMAL] * (len(tokens) - 2),
          **{"normalizer.lowercase": True})

    m, pairs = sentence(lines, "bpe", vocab_size=SIZE + 256, byte_fallback=True,
                        normalization_rule_name="identity", remove_extra_whitespaces=False)
    write("llama", model="llama", unknown_token_id=0, bos_token_id=1, eos_token_id=2, **pairs)

    for name, fallback in ("t5", False), ("t5-bytes", True):
        m, pairs = sentence(lines, "unigram", vocab_size=SIZE + 256 * fallback,
                            byte_fallback=fallback)
        write(name, model="t5", unknown_token_id=0, eos_token_id=2, add_space_prefix=True,
              remove_extra_whitespaces=True, **pairs,
              precompiled_charsmap=m.normalizer_spec.precompiled_charsmap)

    m, pairs = sentence(lines, "unigram", vocab_size=SIZE, byte_fallback=False)
    pieces = [(p.piece.replace("▁", " "), p.score) for p in m.pieces if p.type == NORMAL]
    first = ["<|plamo:unk|>", "<|plamo:bos|>", "<|plamo:eos|>", "<|plamo:pad|>", "<|plamo:op|>"]
    write("plamo2", model="plamo2", pre="default", eot_token_id=4, add_space_prefix=False,
          tokens=first + BYTES + [p for p, _ in pieces],
          scores=[0.0] * 261 + [float(s) for _, s in pieces],
          token_type=[UNKNOWN] + [CONTROL] * 4 + [BYTE] * 256 + [NORMAL] * len(pieces),
          bos_token_id=1, eos_token_id=2, padding_token_id=3, unknown_token_id=0)

    wordpiece = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    wordpiece.train_from_iterator(words, trainers.WordPieceTrainer(
        vocab_size=SIZE + 400, show_progress=False,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    vocab = wordpiece.get_vocab()
    tokens = sorted(vocab, key=vocab.get)
    write("bert", model="bert", pre="default", token_type=[CONTROL] * 5 + [NORMAL] * (len(tokens) - 5),
          tokens=tokens[:5] + [p[2:] if p.startswith("##") else "▁" + p for p in tokens[5:]],
          unknown_token_id=1, cls_token_id=2, seperator_token_id=3, padding_token_id=0)

    counts = collections.Counter(d[i:i + n] for d in data for n in (2, 3, 4, 6)
                                 for i in range(len(d) - n + 1))
    longest = [bytes([b]) for b in range(256)]
    longest += sorted(s for s, _ in counts.most_common(SIZE - 256))
    write("rwkv", model="rwkv", tokens=["<s>"] + [repr(s)[2:-1] for s in longest],
          token_type=[CONTROL] + [NORMAL] * len(longest))


if __name__ == "__main__":
    main()
