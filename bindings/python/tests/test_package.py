"""The package against the library and its header: options, constants, signatures, loading."""

import ctypes
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

import pith
from pith import _errors, _library, _model, _session

from .support import LLAMA, ROOT, needs, tokens_of

HEADER = ROOT / "include" / "pith.h"


class Options(unittest.TestCase):
    def test_table(self):
        by_name = {option.name: option for option in pith.options()}
        temperature = by_name["temperature"]
        self.assertEqual((temperature.type, temperature.scope), (float, "call"))
        self.assertEqual((temperature.minimum, temperature.maximum), (0, 100))
        self.assertEqual(by_name["threads"].scope, "session")
        self.assertEqual(by_name["precision"].scope, "model")
        self.assertTrue(all(option.text for option in pith.options()))

    def test_every_option_is_a_keyword(self):
        values = {option.name: option.default if option.type is not str else "text"
                  for option in pith.options() if option.name not in
                  ("precision", "kv_type", "template", "stop", "example_text", "example_label")}
        values = {name: int(value) if isinstance(value, float) and value == int(value) else value
                  for name, value in values.items()}
        with pith.Model(LLAMA, precision="exact", stop=["x", "y"], **values) as model:
            self.assertEqual(model.info.exact, 1)

    def test_levels(self):
        with pith.Model(LLAMA, max_tokens=3, ignore_eos=True, context=32) as model:
            self.assertEqual(tokens_of(model, "Once"), 3)
            self.assertEqual(tokens_of(model, "Once", max_tokens=5), 5)
            self.assertEqual(tokens_of(model, "Once", max_tokens=None), 3)
            with model.session(max_tokens=4, context=16) as session:
                self.assertEqual(session.capacity, 16)
                self.assertEqual(tokens_of(session, "Once"), 4)
            with model.session() as session:
                self.assertEqual(session.capacity, 32)

    def test_values(self):
        class Index:
            def __index__(self):
                return 2

        with pith.Model(LLAMA, threads=1, ignore_eos=1) as model:
            two = model.complete("Once", max_tokens=2)
            for value in (Index(), "2", "2.0"):
                self.assertEqual(model.complete("Once", max_tokens=value), two)
            for value in (-1, 2.5, "x", "2,0", 10**30, -10**30, 1j, [1], 2**64 + 2):
                with self.assertRaises((pith.ArgumentError, TypeError)):
                    model.complete("Once", max_tokens=value)
            for value in (float("nan"), float("inf"), -1, 101, "0,5"):
                with self.assertRaises(pith.ArgumentError):
                    model.complete("Once", temperature=value)
            for value in (1, True, 0.5, "0.5"):
                model.complete("Once", temperature=value, max_tokens=1)
            with self.assertRaises(TypeError):
                model.complete("Once", stop=5)

    def test_wrong_keywords(self):
        with pith.Model(LLAMA) as model, model.session() as session:
            with self.assertRaisesRegex(TypeError, "did you mean 'temperature'"):
                model.generate("a", temprature=1)
            with self.assertRaisesRegex(TypeError, "option of a session"):
                session.generate("a", threads=1)
            with self.assertRaisesRegex(TypeError, "option of a model"):
                model.session(precision="exact")
            with self.assertRaises(TypeError):
                pith.Model(LLAMA, no_such_option=1)
        with self.assertRaises(pith.ArgumentError):
            pith.Model(LLAMA, precision="no such")


class Errors(unittest.TestCase):
    def test_classes(self):
        for cls, also in ((pith.ArgumentError, ValueError), (pith.FileError, OSError),
                          (pith.OutOfMemory, MemoryError), (pith.NumericError, ArithmeticError),
                          (pith.PithError, RuntimeError)):
            self.assertTrue(issubclass(cls, also))
            self.assertTrue(issubclass(cls, pith.PithError))

    def test_codes(self):
        for code in range(-9, 0):
            why = _errors.error(code, "text")
            self.assertEqual((why.code, str(why)), (code, "text"))
            self.assertIsNot(type(why), pith.PithError)
        self.assertIs(type(_errors.error(-99, "text")), pith.PithError)
        self.assertEqual(_errors.error(-99, "text").code, -99)


@needs(HEADER)
class Header(unittest.TestCase):
    """What had to be written down twice agrees with pith.h."""

    @classmethod
    def setUpClass(cls):
        cls.text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)

    def test_functions(self):
        declared = dict(re.findall(r"PITH_API[^;(]*?\bpith_(\w+)\(([^;]*)\);", self.text))
        self.assertEqual(set(declared), set(_library._FUNCTIONS))
        kinds = {ctypes.c_int32: "int32_t", ctypes.c_int64: "int64_t", ctypes.c_double: "double"}
        for name, (result, arguments) in _library._FUNCTIONS.items():
            given = [] if declared[name] == "void" else declared[name].split(",")
            if result is int:
                self.assertIn("pith_error *", given.pop(), name)
            self.assertEqual(len(given), len(arguments), name)
            for text, kind in zip(given, arguments):
                if "*" not in text:
                    self.assertEqual(text.split()[0], kinds[kind], f"{name}: {text}")
                else:
                    self.assertIn(kind, (ctypes.c_void_p, ctypes.c_char_p), f"{name}: {text}")

    def numbers(self, enum):
        body = re.search(rf"enum {enum} {{(.*?)}}", self.text, re.S).group(1)
        return {name.lower(): int(value)
                for name, value in re.findall(r"PITH_[A-Z]+_(\w+) = (\d+)", body)}

    def test_model_numbers(self):
        self.assertEqual(self.numbers("pith_model_number"),
                         {name: i + 1 for i, name in enumerate(_model._NUMBERS)})

    def test_finish(self):
        self.assertEqual(self.numbers("pith_finish"),
                         {name or "none": i for i, name in enumerate(_session.FINISH)})

    def test_tokenize_flags(self):
        self.assertEqual(self.numbers("pith_tokenize_flags"),
                         {"plain": 0, "bos": _model._ADD_SPECIAL, "special": _model._SPECIAL})

    def test_version(self):
        numbers = re.findall(r"#define PITH_VERSION_\w+ (\d+)", self.text)
        self.assertEqual(pith.library_version, ".".join(numbers))
        self.assertEqual(pith.__version__, ".".join(numbers))
        major, minor, patch = map(int, numbers)
        self.assertEqual(_library.HEADER_VERSION, major * 10000 + minor * 100 + patch)


class Loading(unittest.TestCase):
    def run_python(self, code, **environment):
        package = Path(pith.__file__).parents[1]
        return subprocess.run([sys.executable, "-c", code], text=True, capture_output=True,
                              env={**os.environ, "PYTHONPATH": str(package), **environment})

    def test_chosen_by_environment(self):
        path = str(Path(pith.library_path).resolve())
        done = self.run_python("import pith; print(pith.library_path)", PITH_LIBRARY=path)
        self.assertEqual(done.stdout.strip(), path, done.stderr)

    def test_absent(self):
        done = self.run_python("import pith", PITH_LIBRARY="/absent/libpith.so")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("ImportError", done.stderr)
        self.assertIn("/absent/libpith.so", done.stderr)

    def test_another_library(self):
        libm = ctypes.util.find_library("m")
        if not libm:
            self.skipTest("there is no libm to mistake for pith")
        done = self.run_python("import pith", PITH_LIBRARY=libm)
        self.assertIn("ImportError", done.stderr)

    def test_quiet_end(self):
        code = (f"import pith; m = pith.Model({str(LLAMA)!r}); s = m.session(); "
                "g = m.generate('Once'); next(g)")
        done = self.run_python(code, PITH_LIBRARY=str(Path(pith.library_path).resolve()))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


if __name__ == "__main__":
    unittest.main()
