"""Quantization: a file in another format, progress, interruption."""

import os
import tempfile
import unittest
from pathlib import Path

import pith
from pith import _library

from .support import LLAMA

HAVE = hasattr(_library.lib.dll, "pith_quantize")
if not HAVE:
    print("SKIP: this libpith has no pith_quantize")


@unittest.skipUnless(HAVE, "this libpith has no pith_quantize")
class Quantizing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.target = Path(folder.name) / "out.gguf"

    def test_plan_and_result(self):
        plan = pith.quantize_plan(LLAMA, "Q8_0", threads=1)
        seen = []
        pith.quantize(LLAMA, self.target, "Q8_0", lambda *n: seen.append(n), threads=1)
        with pith.Model(LLAMA) as before, pith.Model(self.target) as after:
            self.assertEqual(plan.in_bytes, before.info.bytes)
            self.assertEqual(plan.out_bytes, after.info.bytes)
            self.assertEqual(plan.tensors, len(after.tensors))
            self.assertLess(after.info.bytes, before.info.bytes)
            self.assertIn("Q8_0", {tensor.type for tensor in after.tensors})
        self.assertEqual(seen[-1][0], seen[-1][1])

    def test_interrupted(self):
        def stop(done, total):
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            pith.quantize(LLAMA, self.target, "Q8_0", stop)
        self.assertEqual(os.listdir(self.target.parent), [])

    def test_errors(self):
        with self.assertRaises(pith.PithError):
            pith.quantize(LLAMA, self.target, "Q99")
        with self.assertRaises(OSError):
            pith.quantize("absent.gguf", self.target, "Q8_0")
        with self.assertRaises(TypeError):
            pith.quantize(LLAMA, self.target, "Q8_0", temperature=1)
        self.assertEqual(os.listdir(self.target.parent), [])


if __name__ == "__main__":
    unittest.main()
