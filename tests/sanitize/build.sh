#!/usr/bin/env bash
# Configure a tree with sanitizers and build some targets of it.
# usage: build.sh address|thread TREE TARGET...
set -euo pipefail
kind=$1 tree=$2
shift 2
launcher=()
[ -z "${LAUNCHER:-}" ] || launcher=("-DCMAKE_C_COMPILER_LAUNCHER=$LAUNCHER")
# -O1: as quick to build as to run; numbers of lines are what a report needs
"$CMAKE" -S "$MADPO_TEST_SOURCE_DIR" -B "$tree" -DCMAKE_BUILD_TYPE=None \
    -DCMAKE_C_FLAGS='-O1 -g1' -DCMAKE_C_COMPILER="$CC" -DMADPO_SANITIZE="$kind" \
    "${launcher[@]}" >"$tree.log" 2>&1 || { tail -n 20 "$tree.log"; exit 1; }
"$CMAKE" --build "$tree" -j 2 --target "$@" >"$tree.log" 2>&1 || { tail -n 40 "$tree.log"; exit 1; }
