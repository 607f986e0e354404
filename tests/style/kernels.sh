#!/usr/bin/env bash
# Every kernel has a launcher and every launcher of an operation is called by the operation's test, so
# that no kernel can be left out of the tests of tests/wide without anyone noticing.
# usage: kernels.sh SOURCE_DIR
set -euo pipefail
cd "$1"
kernels=0
launchers=0
failed=0
for source in cl/ops/*.cl; do
    stem=$(basename "$source" .cl)
    # "ROW_KERNEL void name(" or the same over two lines
    entries=$(grep -v '^#' "$source" | tr '\n' ' ' |
        grep -oE '(__kernel|[A-Z]+_KERNEL) +void +[a-z0-9_]+ *\(' | sed -E 's/.* ([a-z0-9_]+) *\($/\1/')
    [ -n "$entries" ] || { echo "$source: no kernel found"; failed=1; }
    for entry in $entries; do
        kernels=$((kernels + 1))
        grep -q "\"$entry\"" src/ops/"$stem"*.c || { echo "$source: nothing launches $entry"; failed=1; }
    done
    for launcher in $(sed -nE 's/^madpo_status (madpo_[a-z0-9_]+)\(madpo_device \*dev.*/\1/p' \
                          "src/ops/$stem.h"); do
        launchers=$((launchers + 1))
        case $launcher in *_tune_*) continue ;; esac # for benchmarks: computes nothing
        grep -q "\b$launcher(" "tests/ops/test_$stem.c" ||
            { echo "tests/ops/test_$stem.c: does not call $launcher"; failed=1; }
    done
done
echo "$kernels kernels, $launchers launchers"
[ "$failed" -eq 0 ] && [ "$kernels" -gt 0 ] && [ "$launchers" -gt 0 ]
