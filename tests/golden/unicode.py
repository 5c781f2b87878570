#!/usr/bin/env python3
"""Makes lib/text/unicode_table.inc and tests/golden/unicode.h from Python's own unicodedata.

    python3.13 tests/golden/unicode.py        (made with CPython 3.13.0, Unicode 15.1.0)

The table holds general categories as ranges, simple lowercase as strided ranges, and canonical
decompositions as pairs; Hangul syllables are left to arithmetic. The golden file holds
one checksum per property over all code points, computed here without the table.
"""
import os
import textwrap
import unicodedata as U

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
CATEGORIES = ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So "
              "Zs Zl Zp Cc Cf Cs Co Cn").split()
LAST = 0x10FFFF


def lower(c):
    """Simple lowercase; the one full mapping, U+0130, is i + U+0307 in full and i here."""
    return ord(chr(c).lower()[0])


def pair(c):
    """One step of canonical decomposition: (first, second or 0), or None."""
    d = U.decomposition(chr(c))
    if not d or d.startswith("<"):
        return None
    parts = [int(x, 16) for x in d.split()]
    return parts[0], parts[1] if len(parts) > 1 else 0


def category_rows():
    rows, previous = [], None
    for c in range(LAST + 1):
        k = CATEGORIES.index(U.category(chr(c)))
        if k != previous:
            rows.append(c << 5 | k)
            previous = k
    return rows


def lower_rows():
    """(first, count, stride, delta): runs of code points whose lowercase is delta away."""
    todo = [(c, lower(c) - c) for c in range(LAST + 1) if lower(c) != c]
    rows = []
    for c, delta in todo:
        if rows:
            first, count, stride, d = rows[-1]
            step = c - (first + (count - 1) * stride)
            if d == delta and (step == stride or (count == 1 and step <= 2)):
                rows[-1] = (first, count + 1, step, d)
                continue
        rows.append((c, 1, 1, delta))
    return rows


def emit(out, kind, name, cells):
    out.write(textwrap.fill(", ".join(cells), 99, initial_indent="    ", subsequent_indent="    ",
                            break_long_words=False)
              .join((f"static const {kind} {name}[{len(cells)}] = {{\n", "\n};\n\n")))


def table():
    pairs = [(c,) + pair(c) for c in range(LAST + 1) if pair(c)]
    known = {c for c, _, _ in pairs}
    assert not any(b in known for _, _, b in pairs if b), "only the first of a pair goes on"
    ascii_class = [1 << CATEGORIES.index(U.category(chr(c))) |
                   (1 << 30 if chr(c) in "\t\n\v\f\r " else 0) for c in range(128)]
    with open(os.path.join(ROOT, "lib", "text", "unicode_table.inc"), "w") as out:
        out.write("/* Made by tests/golden/unicode.py from Unicode %s; do not edit. */\n\n"
                  % U.unidata_version)
        emit(out, "uint32_t", "ascii_classes", ["0x%x" % c for c in ascii_class])
        emit(out, "uint32_t", "category_starts", ["0x%x" % r for r in category_rows()])
        emit(out, "struct case_run", "lower_runs", ["{0x%x,%d,%d,%d}" % r for r in lower_rows()])
        emit(out, "uint64_t", "decompositions",
             ["0x%x" % (c << 42 | a << 21 | b) for c, a, b in pairs])


def fnv(values):
    h = 0xcbf29ce484222325
    for v in values:
        for k in range(4):
            h = (h ^ (v >> 8 * k & 255)) * 0x100000001b3 & 0xffffffffffffffff
    return h


def golden():
    categories = fnv(CATEGORIES.index(U.category(chr(c))) for c in range(LAST + 1))
    lowers = fnv(lower(c) for c in range(LAST + 1))
    # Canonical order of marks is not the table's business: parts are compared sorted.
    nfd = fnv(x for c in range(LAST + 1) for x in sorted(map(ord, U.normalize("NFD", chr(c)))))
    with open(os.path.join(ROOT, "tests", "golden", "unicode.h"), "w") as out:
        out.write("/* Made by tests/golden/unicode.py, Unicode %s: FNV-1a-64 over all "
                  "code points. */\n" % U.unidata_version)
        out.write("#define GOLDEN_CATEGORIES 0x%xu\n" % categories)
        out.write("#define GOLDEN_LOWER 0x%xu\n" % lowers)
        out.write("#define GOLDEN_NFD 0x%xu\n" % nfd)


if __name__ == "__main__":
    table()
    golden()
