#!/bin/sh
# abi.sh - what libpith.so exports, imports, writes to and weighs.
#
#     tests/api/abi.sh [LIBRARY]
#
# Without one it looks at libpith.so in $BUILD, which is build/ if it is not set.
# tests/abi.txt is the exact list of exported functions, tests/imports.txt of what it may import.
set -u
export LC_ALL=C
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
so=${1:-${BUILD:-build}/libpith.so}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
passed=0
failed=0

# check NAME: passes if the file $tmp/wrong is empty, and shows it if not.
check() {
    if [ -s "$tmp/wrong" ]; then
        failed=$((failed + 1))
        echo "FAIL $1"
        sed 's/^/    /' "$tmp/wrong"
    else
        passed=$((passed + 1))
    fi
}

# too_much NAME ACTUAL MOST
too_much() {
    : > "$tmp/wrong"
    [ "$2" -le "$3" ] || echo "$2 bytes, at most $3" > "$tmp/wrong"
    check "$1"
}

list() {
    sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$1" | sort
}

# bytes SECTION...
bytes() {
    size -A "$so" | awk -v names="$*" '
        BEGIN { n = split(names, name, " "); for (i = 1; i <= n; i++) wanted[name[i]] = 1 }
        $1 in wanted { sum += $2 }
        END { print sum + 0 }'
}

if ! nm -D "$so" > "$tmp/nm"; then
    echo "abi.sh: $so is missing; make it first"
    exit 1
fi

if grep -qE '__(asan|ubsan|tsan|msan)_' "$tmp/nm"; then
    echo "SKIP abi.sh: $so is built with a sanitizer, which has imports of its own"
    echo "tests/api/abi.sh             0 passed, 0 failed, 1 skipped"
    exit 0
fi

awk 'NF == 3 && $2 != "A" { sub(/@.*/, "", $3); print $3 }' "$tmp/nm" | sort > "$tmp/exported"
awk 'NF == 2 { sub(/@.*/, "", $2); print $2 }' "$tmp/nm" | sort > "$tmp/imported"
tr '\n' ' ' < include/pith.h | grep -o 'PITH_API [a-z0-9_ ]*[ *]pith_[a-z0-9_]*(' |
    sed 's/($//; s/.*[ *]//' | sort > "$tmp/declared"

list "tests/abi.txt" | diff - "$tmp/exported" | grep '^[<>]' > "$tmp/wrong"
check "exported functions differ from tests/abi.txt (< missing, > new)"

diff "$tmp/declared" "$tmp/exported" | grep '^[<>]' > "$tmp/wrong"
check "exported functions differ from include/pith.h (< not exported, > not declared)"

awk 'NF == 3 && $2 != "T" && $2 != "A"' "$tmp/nm" > "$tmp/wrong"
check "something that is no function is exported"

list "tests/imports.txt" | comm -13 - "$tmp/imported" > "$tmp/wrong"
check "imports that tests/imports.txt does not allow"

too_much "writable data (relocated constants are read-only)" \
    "$(bytes .data .bss .tdata .tbss)" 1023

: > "$tmp/wrong"
size -A "$so" | awk '/^\.(ctors|preinit_array)/ || (/^\.init_array/ && $2 > 8)' > "$tmp/wrong"
check "constructors other than the compiler's own"

readelf -lW "$so" | awk '/GNU_STACK/ && /RWE/' > "$tmp/wrong"
readelf -dW "$so" | grep -E 'TEXTREL|RPATH|RUNPATH' >> "$tmp/wrong"
check "executable stack, text relocations or a run path"

readelf -dW "$so" | awk '/NEEDED/ && !/lib(c|m|pthread)\.so/ && !/ld-linux/' > "$tmp/wrong"
check "libraries other than libc, libm and pthread"

cp "$so" "$tmp/stripped" && strip "$tmp/stripped"
too_much "stripped library" "$(wc -c < "$tmp/stripped")" 2097151

echo "tests/api/abi.sh             $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
