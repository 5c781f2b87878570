#!/bin/sh
# fuzz.sh BUILD - every fuzz target on RUNS (4000) mutants of small files; one that crashes or hangs is
# a failure. The last line is `N passed, N failed`.
passed=0 failed=0
folder=$(mktemp -d)
here=$(pwd)
trap 'rm -rf "$folder"' EXIT
ln -s "$here/tests" "$folder/tests" && cd "$folder" || exit 1
for target in folder model text token words; do
    line=$("$here/$1/tests/fuzz/driver" $target --runs "${RUNS:-4000}" --seconds 20 | tail -n 1)
    echo "$target: $line"
    case $line in *" 0 crashes") passed=$((passed + 1)) ;; *) failed=$((failed + 1)) ;; esac
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
