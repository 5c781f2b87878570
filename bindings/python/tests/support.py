"""Where the models of the tests are. Those that are not committed are skipped aloud."""

import struct
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"
LLAMA = GOLDEN / "llama.gguf"  # 99 tokens, SentencePiece, float32
QWEN = GOLDEN / "qwen2.gguf"   # 279 tokens, byte level, no BOS
FOLDER = GOLDEN / "tiny" / "qwen3"  # config.json and model.safetensors, no tokenizer
ENDS = GOLDEN / "llama-linear.gguf"  # ends "Once upon" after five tokens
TINY = ROOT / "examples" / "models" / "pith-tiny.gguf"
STORIES = ROOT.parent / "shared" / "data" / "models" / "stories260K.gguf"


def needs(path: Path):
    """Skips a test, and says so, where the file is absent."""
    if not path.exists():
        print(f"SKIP: {path} is absent")
    return unittest.skipUnless(path.exists(), f"{path} is absent")


#: Three tokens of QWEN that no text here has: before the prefix, the suffix and the middle.
MARKS = (250, 251, 252)


def with_marks(path: Path) -> bytes:
    """The GGUF file, and in it keys that make MARKS its tokens for filling in."""
    data = path.read_bytes()
    keys = b"".join(struct.pack("<Q31sII", 31, b"tokenizer.ggml.fim_%s_token_id" % name, 4, token)
                    for name, token in zip((b"pre", b"suf", b"mid"), MARKS))
    filler = 32 - (len(keys) + 13) % 32  # the weights behind stay aligned
    keys += struct.pack(f"<Q{filler}sIB", filler, b"x" * filler, 0, 0)
    count, = struct.unpack_from("<Q", data, 16)
    return data[:16] + struct.pack("<Q", count + 4) + keys + data[24:]


def tokens_of(source, prompt, **options):
    """How many tokens a model or session generates."""
    pieces = source.generate(prompt, ignore_eos=1, **options)
    for _ in pieces:
        pass
    return len(pieces.tokens)
