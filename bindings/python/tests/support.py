"""Where the models of the tests are. Those that are not committed are skipped aloud."""

import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"
LLAMA = GOLDEN / "llama.gguf"  # 99 tokens, SentencePiece, float32
QWEN = GOLDEN / "qwen2.gguf"   # 279 tokens, byte level, no BOS
ENDS = GOLDEN / "llama-linear.gguf"  # ends "Once upon" after five tokens
TINY = ROOT / "examples" / "models" / "pith-tiny.gguf"
STORIES = ROOT.parent / "shared" / "data" / "models" / "stories260K.gguf"


def needs(path: Path):
    """Skips a test, and says so, where the file is absent."""
    if not path.exists():
        print(f"SKIP: {path} is absent")
    return unittest.skipUnless(path.exists(), f"{path} is absent")


def tokens_of(source, prompt, **options):
    """How many tokens a model or session generates."""
    pieces = source.generate(prompt, ignore_eos=1, **options)
    for _ in pieces:
        pass
    return len(pieces.tokens)
