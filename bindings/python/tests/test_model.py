"""Models: opening, facts, tokens, errors, life."""

import gc
import mmap
import os
import pickle
import tempfile
import threading
import unittest

import pith

from .support import LLAMA, QWEN, STORIES, TINY, needs, tokens_of


class Opening(unittest.TestCase):
    def check(self, model):
        self.assertEqual(model.info.arch, "llama")
        self.assertEqual(model.info.vocabulary, 99)
        self.assertEqual(tokens_of(model, "Once", max_tokens=5), 5)

    def test_path(self):
        for path in (LLAMA, str(LLAMA), os.fsencode(LLAMA).decode()):
            with pith.Model(path) as model:
                self.check(model)

    def test_bytes(self):
        data = LLAMA.read_bytes()
        for source in (data, bytearray(data), memoryview(data)):
            with pith.Model(source) as model:
                self.check(model)

    def test_mmap(self):
        with open(LLAMA, "rb") as file:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                model = pith.Model(mapped)
                self.check(model)
                with self.assertRaises(BufferError):
                    mapped.close()
                model.close()

    def test_the_buffer_lives_as_long_as_a_session(self):
        model = pith.Model(LLAMA.read_bytes())
        session = model.session()
        model.close()
        del model
        gc.collect()
        self.assertEqual(tokens_of(session, "Once", max_tokens=5), 5)

    def test_file_and_part_of_one(self):
        with open(LLAMA, "rb") as file, pith.Model(file) as model:
            self.check(model)
        with tempfile.TemporaryFile() as file:
            data = LLAMA.read_bytes()
            file.write(b"before" + data + b"behind")
            file.flush()
            with pith.Model(file, offset=6, size=len(data)) as model:
                self.check(model)

    def test_errors(self):
        with self.assertRaises(pith.MissingFileError) as caught:
            pith.Model("absent.gguf")
        self.assertIsInstance(caught.exception, FileNotFoundError)
        self.assertIsInstance(caught.exception, pith.FileError)
        self.assertEqual(caught.exception.filename, "absent.gguf")
        self.assertIn("absent.gguf", str(caught.exception))
        with self.assertRaises(OSError):
            pith.Model(LLAMA.parent)
        with self.assertRaises(pith.FormatError):
            pith.Model(b"no model")
        with self.assertRaises(pith.PithError):
            pith.Model(b"")
        with self.assertRaises(ValueError):
            pith.Model("")
        with self.assertRaises(TypeError):
            pith.Model(42)
        with self.assertRaises(TypeError):
            pith.Model(LLAMA, offset=3)

    def test_pickled_by_path(self):
        with pith.Model(LLAMA, max_tokens=4, ignore_eos=1) as model:
            copy = pickle.loads(pickle.dumps(model))
            self.assertEqual(copy.complete("Once"), model.complete("Once"))
            copy.close()
        with pith.Model(LLAMA.read_bytes()) as model, self.assertRaises(TypeError):
            pickle.dumps(model)


class Facts(unittest.TestCase):
    def setUp(self):
        self.model = pith.Model(LLAMA)
        self.addCleanup(self.model.close)

    def test_info(self):
        info = self.model.info
        self.assertEqual((info.context, info.width, info.layers), (256, 64, 2))
        self.assertEqual((info.bos, info.eos, info.exact), (1, 2, 1))
        self.assertEqual(info.tensors, len(self.model.tensors))

    def test_tensors(self):
        count = 0
        for tensor in self.model.tensors:
            size = 1
            for n in tensor.shape:
                size *= n
            count += size
            self.assertEqual(tensor.type, "F32")
        self.assertEqual(count, self.model.info.parameters)

    def test_metadata(self):
        self.assertEqual(self.model.metadata["general.architecture"], "llama")

    def test_explain_and_verify(self):
        self.assertIn("layers 0 to 1", self.model.explain())
        self.model.verify()

    def test_repr(self):
        self.assertIn("llama", repr(self.model))
        self.model.close()
        self.assertIn("closed", repr(self.model))


class Tokens(unittest.TestCase):
    def test_round_trip(self):
        with pith.Model(LLAMA) as model:
            ids = model.tokenize("Once upon a time")
            self.assertEqual(ids[0], 1)
            self.assertEqual(model.detokenize(ids), "Once upon a time")
            self.assertEqual(model.tokenize("Once upon a time", bos=False), ids[1:])
            self.assertEqual(model.tokenize("</s>", bos=False, special=True), [2])
            self.assertEqual(model.detokenize([2]), "")
            self.assertEqual(model.detokenize([2], special=True), "</s>")
            self.assertEqual(model.piece(2), "</s>")
            self.assertEqual(model.tokenize("", bos=False), [])
            self.assertEqual(model.detokenize([]), "")

    def test_any_bytes(self):
        with pith.Model(QWEN) as model:
            for text in ("h\u00e9llo \U0001f642 \0", b"\xff\xfe", "\udcff"):
                data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
                self.assertEqual(model.detokenize_bytes(model.tokenize(text)), data)
            self.assertEqual(model.detokenize(model.tokenize(b"\xff")), "\ufffd")

    def test_errors(self):
        with pith.Model(LLAMA) as model:
            for bad in (-1, 99, 2**31 - 1):
                with self.assertRaises(pith.ArgumentError):
                    model.detokenize([bad])
            with self.assertRaises(OverflowError):
                model.detokenize([2**32 + 5])
            with self.assertRaises(pith.ArgumentError):
                model.piece(99)
            with self.assertRaises(TypeError):
                model.tokenize(5)


class Life(unittest.TestCase):
    def test_closed(self):
        model = pith.Model(LLAMA)
        model.close()
        model.close()
        for use in (lambda: model.info, lambda: model.tokenize("a"), model.session,
                    lambda: model.generate("a"), lambda: model.classify(["a"], ["b"])):
            with self.assertRaises(pith.StateError):
                use()

    def test_generation_outlives_its_model(self):
        model = pith.Model(LLAMA)
        pieces = model.generate("Once", max_tokens=5, ignore_eos=1)
        next(pieces)
        model.close()
        for _ in pieces:
            pass
        self.assertEqual(len(pieces.tokens), 5)

    def test_sessions_are_used_again(self):
        with pith.Model(LLAMA, max_tokens=5, ignore_eos=1) as model:
            text = model.complete("Once")
            for _ in range(5):
                self.assertEqual(model.complete("Once"), text)
                for _ in model.generate("Once"):
                    break
            self.assertEqual(len(model._idle), 1)

    def test_many_threads(self):
        with pith.Model(LLAMA, threads=1, max_tokens=20, ignore_eos=1, temperature=1) as model:
            expected = [model.complete("Once", seed=i) for i in range(4)]
            found = [None] * 4

            def work(i):
                found[i] = [model.complete("Once", seed=i) for _ in range(3)]

            threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(found, [[text] * 3 for text in expected])


class Stories(unittest.TestCase):
    """Models that know English."""

    def check(self, path):
        with pith.Model(path) as model:
            self.assertTrue(model.complete("Once upon", max_tokens=8).startswith(" a time"))

    @needs(TINY)
    def test_tiny(self):
        self.check(TINY)

    @needs(STORIES)
    def test_stories(self):
        self.check(STORIES)


if __name__ == "__main__":
    unittest.main()
