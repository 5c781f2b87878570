#!/usr/bin/env python3
"""Makes lib/text/unicode_table.inc and tests/golden/unicode.h by asking Hugging Face tokenizers
about every code point, since its several Unicode versions decide what tokens are.

    pip install tokenizers==0.23.3 unicodedata2==18.0.0;  python tests/golden/unicode.py

Categories, white space and scripts are Oniguruma's (Unicode 16), lowercase is Rust's, normal forms
and "odd" classes are those of the library's older crates: a code point is odd where its crate
and Oniguruma differ. The golden file holds one checksum per property over all code points.
"""
import os
import string
import textwrap

import unicodedata2 as U
from tokenizers import Regex, normalizers as N, pre_tokenizers as P

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
CATEGORIES = ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So "
              "Zs Zl Zp Cc Cf Cs Co Cn").split()
SCRIPTS = """Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak
Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian
Caucasian_Albanian Chakma Cham Cherokee Common Coptic Cuneiform Cypriot Cyrillic Deseret
Devanagari Duployan Egyptian_Hieroglyphs Elbasan Ethiopic Georgian Glagolitic Gothic Grantha
Greek Gujarati Gurmukhi Han Hangul Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kayah_Li Kharoshthi
Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani
Malayalam Mandaic Manichaean Marchen Meetei_Mayek Mende_Kikakui Meroitic_Cursive
Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean New_Tai_Lue Newa Nko Ogham
Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_South_Arabian
Old_Turkic Oriya Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician
Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sinhala
Sora_Sompeng Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil
Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Ugaritic Vai Warang_Citi Yi""".split()
LAST = 0x10FFFF
CODES = [c for c in range(LAST + 1) if not 0xD800 <= c <= 0xDFFF]
EVERY = "".join(map(chr, CODES))
HANGUL = range(0xAC00, 0xAC00 + 11172)
BLOCK = 32


def matching(expression):
    """All code points that the expression, one class, matches."""
    split = P.Split(Regex(f"[{expression}]+"), "removed", invert=True)
    return {ord(c) for piece, _ in split.pre_tokenize_str(EVERY) for c in piece}


def apart(step):
    """All code points that the pre-tokenizer cuts from letters beside them."""
    return {c for c in CODES if len(step.pre_tokenize_str(f"a{chr(c)}a")) != 1}


def each(step):
    return {c: step.normalize_str(chr(c)) for c in CODES}


def runs(values):
    """(start, value) wherever the value of a code point differs from the one before."""
    rows, previous = [], None
    for c in range(LAST + 1):
        value = values.get(c, 0)
        if value != previous:
            rows.append((c, value))
            previous = value
    return rows


def emit(out, kind, name, cells):
    out.write(textwrap.fill(", ".join(cells), 99, initial_indent="    ", subsequent_indent="    ",
                            break_long_words=False)
              .join((f"static const {kind} {name}[{len(cells)}] = {{\n", "\n};\n\n")))


def varint(n):
    out = []
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return out + [n]


def emit_runs(out, name, rows):
    """A struct unicode_runs: distances and values as bytes, and where every BLOCK of them is."""
    data, starts, offsets, previous = [], [], [], 0
    for i, (start, value) in enumerate(rows):
        if i % BLOCK == 0:
            starts.append(start)
            offsets.append(len(data))
            previous = start
        data += varint(start - previous) + [value]
        previous = start
    emit(out, "uint8_t", f"{name}_bytes", [str(b) for b in data])
    emit(out, "uint32_t", f"{name}_starts", ["0x%x" % s for s in starts])
    emit(out, "uint16_t", f"{name}_offsets", [str(o) for o in offsets + [len(data)]])
    out.write(f"static const struct unicode_runs {name} = {{ {name}_bytes, {name}_starts, "
              f"{name}_offsets, {len(starts)} }};\n\n")


def lower_rows(lower):
    """(first, count, stride, delta): runs of code points whose lowercase is delta away."""
    rows = []
    for c, delta in [(c, lower[c] - c) for c in CODES if lower[c] != c]:
        if rows:
            first, count, stride, d = rows[-1]
            step = c - (first + (count - 1) * stride)
            if d == delta and (step == stride or (count == 1 and step <= 2)):
                rows[-1] = (first, count + 1, step, d)
                continue
        rows.append((c, 1, 1, delta))
    return rows


def pair(c):
    """One step of canonical decomposition: (first, second or 0)."""
    parts = [int(x, 16) for x in U.decomposition(chr(c)).split()]
    return parts[0], parts[1] if len(parts) > 1 else 0


def emit_compat(out, rows):
    """(code point, text): distance, length and UTF-8 of each, and where every BLOCK of them is."""
    data, starts, offsets, previous = [], [], [], 0
    for i, (c, text) in enumerate(rows):
        if i % BLOCK == 0:
            starts.append(c)
            offsets.append(len(data))
            previous = c
        spelled = text.encode()
        data += varint(c - previous) + [len(spelled)] + list(spelled)
        previous = c
    emit(out, "uint8_t", "compat_bytes", [str(b) for b in data])
    emit(out, "uint32_t", "compat_starts", ["0x%x" % s for s in starts])
    emit(out, "uint16_t", "compat_offsets", [str(o) for o in offsets + [len(data)]])


def fnv(values):
    h = 0xcbf29ce484222325
    for v in values:
        for k in range(4):
            h = (h ^ (v >> 8 * k & 255)) * 0x100000001b3 & 0xffffffffffffffff
    return h


def odd_classes(category, script):
    """Bits: punctuation, marks, non-spacing marks, others (control) as the old crates see them, and
    whether UnicodeScripts has a script for it."""
    split = P.UnicodeScripts()
    latin = SCRIPTS.index("Latin") + 1
    none = {c for c in CODES if len(split.pre_tokenize_str(
        ("\u0434" if script.get(c) == latin else "a") + chr(c))) == 1}
    ascii_signs = {ord(c) for c in string.punctuation}
    bert = dict(handle_chinese_chars=False, lowercase=False)
    clean = each(N.BertNormalizer(clean_text=True, strip_accents=False, **bert))
    strip = each(N.BertNormalizer(clean_text=False, strip_accents=True, **bert))
    accents = each(N.StripAccents())
    sets = [
        (apart(P.Punctuation()), lambda c: category[c][0] == "P" or c in ascii_signs),
        ({c for c in CODES if accents[c] == ""}, lambda c: category[c][0] == "M"),
        ({c for c in CODES if strip[c] == ""}, lambda c: category[c] == "Mn"),
        ({c for c in CODES if clean[c] == ""},
         lambda c: (category[c] in ("Cc", "Cf", "Co") and c not in (9, 10, 13)) or c == 0xFFFD),
        (none, lambda c: c not in script),
    ]
    return {c: sum((c in found) != rule(c) and 1 << i for i, (found, rule) in enumerate(sets))
            for c in CODES}


def main():
    category = {c: k for k in CATEGORIES if k != "Cs" for c in matching(r"\p{%s}" % k)}
    category.update((c, "Cs") for c in range(0xD800, 0xE000))
    white = matching(r"\s")
    script = {c: i + 1 for i, s in enumerate(SCRIPTS) for c in matching(r"\p{%s}" % s)}
    lower = {c: ord(s[0]) for c, s in each(N.Lowercase()).items()} # U+0130: i, and U+0307 behind it
    forms = {k: each(getattr(N, k)()) for k in ("NFD", "NFC", "NFKD", "NFKC")}
    nfd, nfkd = forms["NFD"], forms["NFKD"]
    pairs = [(c,) + pair(c) for c in CODES if nfd[c] != chr(c) and c not in HANGUL]
    known = {c for c, _, _ in pairs}
    assert not any(b in known for _, _, b in pairs if b), "only the first of a pair goes on"
    joined = sorted((a, b, i) for i, (c, a, b) in enumerate(pairs) if forms["NFC"][c] == chr(c))
    classes = {c: U.combining(chr(c)) for c in CODES if U.combining(chr(c))}
    classes = {c: k for c, k in classes.items()
               if k >= 240 or N.NFD().normalize_str("a\u0345" + chr(c))[1] != "\u0345"}
    compat = [(c, nfkd[c]) for c in CODES if nfkd[c] != nfd[c]]
    ascii_class = [1 << CATEGORIES.index(category[c]) | (1 << 30 if c in white else 0)
                   for c in range(128)]
    with open(os.path.join(ROOT, "lib", "text", "unicode_table.inc"), "w") as out:
        out.write("/* Made by tests/golden/unicode.py; do not edit. */\n\n")
        emit(out, "uint32_t", "ascii_classes", ["0x%x" % c for c in ascii_class])
        emit_runs(out, "categories",
                  runs({c: CATEGORIES.index(category[c]) for c in range(LAST + 1)}))
        emit_runs(out, "scripts", runs(script))
        emit_runs(out, "odd_classes", runs(odd_classes(category, script)))
        emit_runs(out, "combining", runs(classes))
        emit(out, "struct case_run", "lower_runs",
             ["{0x%x,%d,%d,%d}" % r for r in lower_rows(lower)])
        emit(out, "uint64_t", "decompositions",
             ["0x%x" % (c << 42 | a << 21 | b) for c, a, b in pairs])
        emit(out, "uint16_t", "compositions", [str(i) for _, _, i in joined])
        emit_compat(out, compat)
        out.write("static const char script_names[] =\n")
        for at in range(0, len(SCRIPTS), 8):
            out.write('    "%s"\n' % "".join(s.lower().replace("_", "") + " "
                                             for s in SCRIPTS[at:at + 8]))
        out.write("    ;\n")
    with open(os.path.join(ROOT, "tests", "golden", "unicode.h"), "w") as out:
        out.write("/* Made by tests/golden/unicode.py, tokenizers 0.23.3: FNV-1a-64 over all code "
                  "points. */\n")
        out.write("#define GOLDEN_CATEGORIES 0x%xu\n"
                  % fnv(CATEGORIES.index(category[c]) for c in range(LAST + 1)))
        out.write("#define GOLDEN_SCRIPTS 0x%xu\n" % fnv(script.get(c, 0) for c in CODES))
        out.write("#define GOLDEN_LOWER 0x%xu\n" % fnv(lower[c] for c in CODES))
        for k, form in forms.items():
            out.write("#define GOLDEN_%s 0x%xu\n"
                      % (k, fnv(x for c in CODES for x in map(ord, form[c]))))


if __name__ == "__main__":
    main()
