#!/usr/bin/env bash
# Things that must not be in the code: unbounded string functions, compiler flags that break NaN,
# atomics in kernels, process exit or printing outside the command line and the front end.
# usage: banned.sh SOURCE_DIR
set -euo pipefail
cd "$1"
failed=0
refuse() { # refuse "why" pattern files...
    local why=$1 pattern=$2 hits
    shift 2
    hits=$(grep -nE "$pattern" "$@" | grep -vE ':[0-9]+: *(\*|//|/\*)' || true)
    [ -z "$hits" ] || { printf '%s:\n%s\n' "$why" "$hits"; failed=1; }
}
sources=$(find src tui -name '*.[ch]')
library=$(find src -name '*.[ch]' -not -path 'src/cli/*')
kernels=$(find cl -name '*.cl' -o -name '*.clh')
refuse "unbounded string function" '\b(strcpy|strcat|sprintf|vsprintf|gets|alloca|strtok)\(' $sources
refuse "flag that breaks NaN" 'Ofast|finite-math-only|fast-relaxed-math|ffast-math' \
    $sources CMakeLists.txt CMakePresets.json src/CMakeLists.txt cl/CMakeLists.txt
refuse "atomics make sums depend on timing" '\batom(ic)?_[a-z]+\(' $kernels
refuse "fp16, fp64 or sub-groups required by a kernel" 'pragma OPENCL EXTENSION|\bdouble[0-9]*\b *[a-z(]' $kernels
refuse "the library neither prints nor exits" '(^|[^f_a-zA-Z])printf\(|\bputs\(|\b_?exit\(|\babort\(' $library
refuse "functions that take local memory must be LOCAL_FN (cl/lib/types.clh)" \
    '^static .*(__local|TILE) ' $kernels
[ "$failed" -eq 0 ] && echo "nothing banned in $(echo $sources $kernels | wc -w) files"
exit $failed
