"""blocks.py - writes blocks.h: what random blocks of each number format mean.

The values come from gguf.quants.dequantize of the PyPI package gguf, an implementation that shares
no code with pith; the bytes from a generator that tests/kernel/unpack.c repeats. Run:

    python3 -m venv venv && venv/bin/pip install gguf numpy && venv/bin/python tests/golden/blocks.py
"""
import os
from importlib.metadata import version

import gguf
import numpy

BLOCKS = 256

# Offsets of the half-precision fields of a block: kept below infinity by clearing one bit.
HALVES = {
    "Q4_0": (0,), "Q4_1": (0, 2), "Q5_0": (0,), "Q5_1": (0, 2), "Q8_0": (0,), "IQ4_NL": (0,),
    "MXFP4": (), "Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,),
    "IQ4_XS": (0,), "F16": (0,), "BF16": (), "IQ2_XXS": (0,), "IQ2_XS": (0,), "IQ2_S": (0,),
    "IQ3_XXS": (0,), "IQ3_S": (0,), "IQ1_S": (0,), "IQ1_M": (), "TQ1_0": (52,), "TQ2_0": (64,),
    "NVFP4": (),
}


def random_bytes(seed, count):
    """A 32-bit linear congruential generator (Numerical Recipes), its top bytes."""
    out = bytearray(count)
    for i in range(count):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = seed >> 24
    return out


def fnv(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def main():
    rows = []
    for name, halves in HALVES.items():
        kind = gguf.GGMLQuantizationType[name]
        size = gguf.GGML_QUANT_SIZES[kind][1]
        data = random_bytes(int(kind), BLOCKS * size)
        for block in range(0, len(data), size):
            for at in halves:
                data[block + at + 1] &= 0xFB
            if name == "BF16":
                data[block + 1] &= 0xBF
            if name == "IQ1_M":  # the top nibble of d
                data[block + 55] &= 0xBF
        values = gguf.quants.dequantize(numpy.frombuffer(data, numpy.uint8), kind)
        values = values.astype("<f4").reshape(-1)
        assert not numpy.isnan(values).any()
        bits = values.view("<u4")[:4]
        rows.append("    { DTYPE_%s, { %s }, 0x%016X },\n" % (
            name, ", ".join("0x%08X" % b for b in bits), fnv(values.tobytes())))
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "blocks.h"), "w") as out:
        out.write("/* blocks.h - written by blocks.py with gguf %s and numpy %s; do not edit.\n"
                  " * Per format: the bits of the first four values of %d random blocks, and the\n"
                  " * FNV-1a hash of the bits of all of them, little-endian.\n */\n"
                  % (version("gguf"), numpy.__version__, BLOCKS))
        out.write("enum { GOLDEN_BLOCKS = %d };\n\n" % BLOCKS)
        out.write("static const struct golden_blocks {\n    enum dtype type;\n"
                  "    uint32_t first[4];\n    uint64_t hash;\n} golden_blocks[] = {\n")
        out.writelines(rows)
        out.write("};\n")


if __name__ == "__main__":
    main()
