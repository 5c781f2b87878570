"""Files that are written: in another format, from a folder; progress, interruption."""

import os
import tempfile
import unittest
from pathlib import Path

import pith
from pith import _library

from .support import FOLDER, LLAMA

HAVE = all(hasattr(_library.lib.dll, name) for name in ("pith_quantize", "pith_convert"))
if not HAVE:
    print("SKIP: this libpith does not write files")


@unittest.skipUnless(HAVE, "this libpith does not write files")
class WithTarget(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.target = Path(folder.name) / "out.gguf"

    def check_interrupted(self, write, *arguments):
        """What progress raises is raised, there and then, and nothing is left behind."""
        for what in (KeyboardInterrupt, ZeroDivisionError):
            seen = []

            def stop(done, total):
                seen.append((done, total))
                if 2 * done >= total:
                    raise what

            with self.assertRaises(what):
                write(*arguments, progress=stop)
            self.assertGreaterEqual(2 * seen[-1][0], seen[-1][1])
            self.assertTrue(all(2 * done < total for done, total in seen[:-1]))
            self.assertEqual(os.listdir(self.target.parent), [])


class Quantizing(WithTarget):
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
        self.check_interrupted(pith.quantize, LLAMA, self.target, "Q8_0")

    def test_errors(self):
        with self.assertRaises(pith.PithError):
            pith.quantize(LLAMA, self.target, "Q99")
        with self.assertRaises(OSError):
            pith.quantize("absent.gguf", self.target, "Q8_0")
        with self.assertRaises(TypeError):
            pith.quantize(LLAMA, self.target, "Q8_0", temperature=1)
        self.assertEqual(os.listdir(self.target.parent), [])


class Converting(WithTarget):
    def types(self):
        with pith.Model(self.target) as model:
            return {tensor.type for tensor in model.tensors}

    def test_as_stored(self):
        seen = []
        pith.convert(FOLDER, self.target, progress=lambda *n: seen.append(n), threads=1)
        self.assertEqual(self.types(), {"BF16", "F32"})
        self.assertEqual(seen, sorted(seen))
        self.assertEqual(seen[-1], (seen[0][1],) * 2)
        ids = [1, 2, 3, 4, 5]
        with pith.Model(FOLDER, precision="exact") as before, \
                pith.Model(self.target, precision="exact") as after:
            self.assertEqual(after.info.arch, "qwen3")
            self.assertEqual(after.info.parameters, before.info.parameters)
            for a, b in zip(before.score_tokens(ids), after.score_tokens(ids)):
                self.assertAlmostEqual(a, b, 4)

    def test_types(self):
        for type in ("Q8_0", "F32"):
            pith.convert(str(FOLDER), str(self.target), type)
            self.assertIn(type, self.types())
        self.assertEqual(self.types(), {"F32"})

    def test_interrupted(self):
        self.check_interrupted(pith.convert, FOLDER, self.target)

    def test_errors(self):
        with self.assertRaisesRegex(pith.UnsupportedError, "no folder"):
            pith.convert(LLAMA, self.target)
        with self.assertRaisesRegex(OSError, "config.json"):
            pith.convert(FOLDER.parent, self.target)
        with self.assertRaisesRegex(pith.ArgumentError, "Q99"):
            pith.convert(FOLDER, self.target, "Q99")
        with self.assertRaisesRegex(TypeError, "not of convert"):
            pith.convert(FOLDER, self.target, temperature=1)
        self.assertEqual(os.listdir(self.target.parent), [])


if __name__ == "__main__":
    unittest.main()
