"""quantize.py - writes quantize.json: how large the error of other quantisers is.

The 32-blocks come from gguf.quants.quantize of the PyPI package gguf, the others from ggml-quants.c
of llama.cpp, as the PyPI source package llama-cpp-python has it, built outside the repository:

    python3 -m venv venv && venv/bin/pip install gguf numpy
    pip download --no-deps --no-binary llama-cpp-python llama-cpp-python==0.3.16
    tar xzf llama_cpp_python-0.3.16.tar.gz && cd llama_cpp_python-0.3.16/vendor/llama.cpp/ggml/src
    gcc -O2 -fPIC -shared -I. -I../include ggml-quants.c -o /tmp/libpeer.so -lm \\
        -Wl,--defsym=ggml_abort=0,--defsym=ggml_row_size=0,--defsym=ggml_type_name=0 \\
        -Wl,--defsym=ggml_type_size=0
    venv/bin/python tests/golden/quantize.py /tmp/libpeer.so [stories260K.gguf]

Each figure is a root of mean squares relative to the values' own, over dequantised values that
gguf.quants.dequantize gives: plain, weighted by |x| + the block's rms, weighted by |x|.
tests/model/quantize.c repeats the data and must not do worse.
"""
import ctypes
import json
import math
import os
import sys
from importlib.metadata import version

import gguf
import numpy

VALUES = 256 * 256
BY_PACKAGE = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
BY_LIBRARY = {"Q2_K": "q2_K", "Q3_K": "q3_K", "Q4_K": "q4_K", "Q5_K": "q5_K", "Q6_K": "q6_K",
              "IQ4_NL": "iq4_nl"}


class Random:
    """A 32-bit linear congruential generator (Numerical Recipes), its top 24 bits."""

    def __init__(self, seed):
        self.state = seed

    def unit(self):
        self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self.state >> 8) / 2.0**24


def gauss():
    random = Random(1)
    return [(sum(random.unit() for _ in range(12)) - 6) * 0.02 for _ in range(VALUES)]


def laplace():
    random = Random(2)
    out = []
    for _ in range(VALUES):
        u = random.unit() * 2 - 1
        out.append(math.copysign(math.log(1 - abs(u)), u) * -0.02)
    return out


def stories(path):
    """All matrices of a file, each cut to whole super-blocks."""
    parts = []
    for tensor in gguf.GGUFReader(path).tensors:
        if len(tensor.shape) > 1:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(-1)
            parts.append(values[:values.size // 256 * 256])
    return numpy.concatenate(parts)


def quantise(library, name, x):
    kind = gguf.GGMLQuantizationType[name]
    if name in BY_PACKAGE:
        return gguf.quants.quantize(x, kind)
    block, size = gguf.GGML_QUANT_SIZES[kind]
    out = numpy.zeros(x.size // block * size, numpy.uint8)
    function = getattr(library, "quantize_row_%s_ref" % BY_LIBRARY[name])
    for i in range(0, x.size, 256):  # the functions for rows reach into the rest of ggml
        function(ctypes.c_void_p(x.ctypes.data + 4 * i),
                 ctypes.c_void_p(out.ctypes.data + i // block * size), ctypes.c_int64(256))
    return out


def errors(x, y):
    x, y = x.astype("f8").reshape(-1, 32), y.astype("f8").reshape(-1, 32)
    square, size = (x - y)**2, abs(x)
    rms = numpy.sqrt((x * x).mean(axis=1, keepdims=True))
    return [float("%.6g" % math.sqrt((w * square).sum() / (w * x * x).sum()))
            for w in (numpy.ones_like(x), rms + size, size)]


def main():
    library = ctypes.CDLL(sys.argv[1])
    data = {"gauss": gauss(), "laplace": laplace()}
    if len(sys.argv) > 2:
        data["stories"] = stories(sys.argv[2])
    golden = {"versions": {"gguf": version("gguf"), "numpy": numpy.__version__,
                           "llama-cpp-python": "0.3.16"}}
    for key, values in data.items():
        x = numpy.ascontiguousarray(values, numpy.float32)
        golden[key] = {}
        for name in BY_PACKAGE + tuple(BY_LIBRARY):
            y = gguf.quants.dequantize(quantise(library, name, x), gguf.GGMLQuantizationType[name])
            golden[key][name] = errors(x, y.reshape(-1))
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "quantize.json"), "w") as out:
        text = json.dumps(golden, indent=1)
        out.write(text.replace("\n   ", " ").replace("\n  ]", "]") + "\n")


if __name__ == "__main__":
    main()
