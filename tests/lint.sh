#!/bin/sh
# lint.sh FLOORS - the laws of the house that a script can see. Prints every breach; the last line is
# `N passed, N failed`, one per law.
floors=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/passed" "$work/failed"
breaches=$work/breaches

# law NAME: what stdin holds are its breaches.
law() {
    cat > "$breaches"
    if [ -s "$breaches" ]; then
        echo "BROKEN: $1"
        sed 's/^/    /' "$breaches"
        echo "$1" >> "$work/failed"
    else
        echo "$1" >> "$work/passed"
    fi
}

sources=$(find lib include examples tests -name '*.[ch]' -o -name '*.hpp' -o -name '*.cpp' | sort)
library=$(find lib -name '*.[ch]' | sort)

# A file includes headers of its own floor or lower ones.
for file in $library; do
    awk -v floors="$floors" -v file="$file" '
        BEGIN {
            n = split(floors, name, " ")
            for (i = 1; i <= n; i++) level[name[i]] = i
            split(file, part, "/")
            own = level[part[2]]
        }
        /^#include "/ {
            split($2, part, /["\/]/)
            if (part[2] in level && level[part[2]] > own)
                print file ":" FNR ": includes " $2
        }' "$file"
done | law "floors: no header of a higher floor"

# A good guest. Comments and longer names do not count.
grep -nE '(^|[^A-Za-z0-9_.>])(exit|_exit|abort|assert|printf|fprintf|vprintf|puts|putchar|perror|getenv|setenv|setlocale|signal|sigaction|system|atexit|rand|strtok|strerror|strtod|atof|sscanf)[ ]*\(' $library |
    grep -vE '^[^:]+:[0-9]+:[ /]*\*|_Static_assert|format\(printf' |
    law "a good guest: nothing that ends, prints in or configures the host, or obeys the locale"

grep -nE '(^|[^A-Za-z0-9_.>])(malloc|calloc|realloc|free|posix_memalign|aligned_alloc|strdup)\(' $library |
    grep -vE '^lib/base/mem\.c:|^[^:]+:[0-9]+:[ /]*\*' | law "malloc stands in base/mem.c alone"

# An architecture is data: no family name outside arch/.
grep -niE '(llama|qwen|mistral|gemma|gpt-?2|gpt_?neox|falcon|deepseek|phi-?[234]|smollm|granite)' $(echo "$library" | grep -v '^lib/arch/') |
    grep -v '^lib/text/' | grep -vE '^[^:]+:[0-9]+:( \*|/\*) ' |
    law "no floor but arch/ names a model family"

# Form.
for file in $sources; do
    limit=600
    case $file in lib/kernel/*|lib/arch/*|*_table*|include/*|tests/*) limit=1000 ;; esac
    lines=$(wc -l < "$file")
    [ "$lines" -gt $limit ] && echo "$file has $lines lines, $limit are allowed"
done | law "files under 600 lines (tables, kernels and tests 1,000)"

for file in lib/arch/*.c; do
    lines=$(wc -l < "$file")
    [ "$lines" -gt 150 ] && echo "$file has $lines lines"
done | law "a family under 150 lines"

grep -nE '^.{101,}' $sources | cut -c1-80 | law "lines of at most 100 columns"
grep -nP '\t| +$' $sources | cut -c1-80 | law "no tabs, no trailing spaces"
grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $sources | law "no marks of unfinished work"

awk 'FNR == 1 { start = 0 }
     /^\{$/ { start = FNR }
     /^\}/ { if (start && FNR - start > 61) print FILENAME ":" start ": a function of " FNR - start - 1 " lines"
             start = 0 }' $sources | law "functions of at most 60 lines"

# Symbols, from the objects of the last build.
if [ -e build/libpith.a ]; then
    nm -g --defined-only build/libpith.a | awk 'NF == 3 && $3 !~ /^(pi_|pith_)/ { print $3 }' |
        law "names that leave a file begin with pi_ or pith_"
    size -A build/libpith.a | awk '/:$|\(ex / { file = $1 } $1 ~ /^\.(data|bss|tdata|tbss)$/ && $2 > 0 { print file, $1, $2 }' |
        law "no mutable globals"
    for object in build/lib/kernel/*/*.o; do
        n=$(nm -g --defined-only "$object" | awk 'NF == 3' | wc -l)
        [ "$n" -ne 1 ] && echo "$object exports $n symbols"
    done | law "a kernel file exports one symbol"
fi

lines=$(make -s walk | awk '$2 == "total" { print $1 }')
{ [ "${lines:-9999}" -lt 4000 ] || echo "the walk has $lines lines"; } |
    law "the walk stays under 4,000 lines"
failed=$(wc -l < "$work/failed")
echo "lint $(wc -l < "$work/passed") passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
