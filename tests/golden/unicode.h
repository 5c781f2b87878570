/* Made by tests/golden/unicode.py, tokenizers 0.23.3: FNV-1a-64 over all code points. */
#define GOLDEN_CATEGORIES 0xdfeabf5775dbd2cbu
#define GOLDEN_SCRIPTS 0x17c9d93101e4be3au
#define GOLDEN_LOWER 0xd932b094561ea372u
#define GOLDEN_NFD 0x46d88a79c8345462u
#define GOLDEN_NFC 0x5c8652749b5aaa10u
#define GOLDEN_NFKD 0x2caf0eb7fb1cc9e6u
#define GOLDEN_NFKC 0x961baeb486286be3u
