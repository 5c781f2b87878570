#!/bin/sh
# header.sh - the headers compile alone, in every language they claim, without a warning.
#
#     tests/api/header.sh
#
# CC, CXX, CLANG and CLANGXX name the compilers; one that is absent is skipped aloud.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
passed=0
failed=0
skipped=0
warn="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wpadded -Wundef -Werror"

# compile COMPILER LANGUAGE STANDARD HEADER [FLAGS]
compile() {
    compiler=$1
    language=$2
    standard=$3
    header=$4
    shift 4
    if ! command -v "$compiler" > "$tmp/found"; then
        echo "SKIP $header with $compiler: no such compiler"
        skipped=$((skipped + 1))
        return
    fi
    printf '#include "%s"\n' "$header" > "$tmp/one"
    # shellcheck disable=SC2086
    if ! "$compiler" -x "$language" -std="$standard" -fsyntax-only "$tmp/one" 2> "$tmp/log" \
            -I"$root/include" $warn "$@"; then
        if grep -qE "(invalid|unrecognized).*$standard" "$tmp/log"; then
            echo "SKIP $header with $compiler -std=$standard: not known to it"
            skipped=$((skipped + 1))
            return
        fi
        echo "FAIL $header with $compiler -std=$standard"
        head -20 "$tmp/log"
        failed=$((failed + 1))
        return
    fi
    passed=$((passed + 1))
}

for cc in "${CC:-gcc}" "${CLANG:-clang}"; do
    for standard in c99 c11 c17 c2x; do
        compile "$cc" c "$standard" pith.h -Wstrict-prototypes -Wmissing-prototypes
    done
done
# -Wpadded is for pith.h: the layout of a class in C++ is nobody's contract.
for cxx in "${CXX:-g++}" "${CLANGXX:-clang++}"; do
    for standard in c++11 c++14 c++17 c++20 c++2b; do
        compile "$cxx" c++ "$standard" pith.h
    done
    for standard in c++17 c++20 c++2b; do
        compile "$cxx" c++ "$standard" pith.hpp -Wno-padded -Wnon-virtual-dtor
    done
done

echo "tests/api/header.sh          $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
