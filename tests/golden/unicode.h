/* Made by tests/golden/unicode.py, Unicode 15.1.0: FNV-1a-64 over all code points. */
#define GOLDEN_CATEGORIES 0xb7e32d1259e4e8bcu
#define GOLDEN_LOWER 0x6cf600dc2f3082c6u
#define GOLDEN_NFD 0xf2f0295940db54d5u
