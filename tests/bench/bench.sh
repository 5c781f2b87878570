#!/bin/sh
# bench.sh BUILD - speed of whole models with random weights, as shares of this machine's ceilings,
# which are measured in the same run. Prints the tables that the README shows.
#
# TYPES, SHAPES and ENCODERS choose others; models of up to 2.3 GB are written to a temporary folder, one at a
# time.
build=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

field() {
    printf '%s' "$1" | sed -n "s/.*\"$2\": \\([0-9.]*\\).*/\\1/p"
}

echo "| model | prompt of 512, tokens/s | share of peak | decode, tokens/s | share of bandwidth | open, ms | memory, MiB |"
echo "|---|---|---|---|---|---|---|"
for shape in ${SHAPES:-1.1b}; do
    for type in ${TYPES:-Q4_0 Q4_K Q6_K Q8_0 BF16}; do
        "$build/tests/bench/model" "$shape" "$type" "$folder/model.gguf" || exit 1
        r=$("$build/pith" bench "$folder/model.gguf" -p 512 -n 64 --json) || exit 1
        awk -v name="$shape $type" -v p="$(field "$r" prefill_tps)" -v pf="$(field "$r" prefill_fraction)" \
            -v d="$(field "$r" decode_tps)" -v df="$(field "$r" decode_fraction)" \
            -v o="$(field "$r" open_ms)" -v m="$(field "$r" peak_rss_mib)" 'BEGIN {
            printf "| %s | %.0f | %.0f %% | %.1f | %.0f %% | %.0f | %.0f |\n", name, p, 100 * pf, d, 100 * df, o, m }'
        rm -f "$folder/model.gguf"
    done
done

echo
echo "| BERT base, 32 texts of 128 tokens | tokens/s | share of peak |"
echo "|---|---|---|"
for type in ${ENCODERS-Q4_0 Q8_0 F16}; do
    "$build/tests/bench/encoder" "$type" || exit 1
done
