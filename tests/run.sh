#!/bin/sh
# run.sh PROGRAM... - runs the test programs in the order given, then the scripts of tests/api and the
# bindings, and adds up what they say. The last line is `N passed, N failed`.
passed=0 failed=0 skipped=0

# Reads "NAME  N passed, N failed, N skipped" from the program's last line; a program that
# ends without it, or by a signal, counts as one failure.
count() {
    name=$1
    shift
    "$@" > "$BUILD/log" 2>&1
    status=$?
    line=$(tail -n 1 "$BUILD/log" | sed -n 's/.* \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p')
    if [ -z "$line" ]; then
        cat "$BUILD/log"
        echo "FAIL $name: ended with status $status and no summary"
        failed=$((failed + 1))
        return
    fi
    if [ $status -ne 0 ]; then cat "$BUILD/log"; else grep -E '^SKIP' "$BUILD/log"; tail -n 1 "$BUILD/log"; fi
    set -- $line
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
    [ $status -ne 0 ] && [ "$2" -eq 0 ] && failed=$((failed + 1))
}

export BUILD SHARED CC CXX PYTHON

for program in "$@"; do
    count "$program" "$program"
done
for script in tests/*/*.sh; do
    case $script in tests/bench/*|tests/fuzz/*) continue ;; esac
    count "$script" sh "$script"
done
echo "$passed passed, $failed failed, $skipped skipped"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
