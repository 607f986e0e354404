#!/usr/bin/env bash
# Every header compiles alone, with the project's warnings as errors.
# usage: headers.sh SOURCE_DIR BUILD_DIR CC
set -euo pipefail
cd "$1"
n=0
failed=0
for header in $(find include src tui -name '*.h' | sort); do
    n=$((n + 1))
    "$3" -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wstrict-prototypes -Werror \
        -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700 -DCL_TARGET_OPENCL_VERSION=120 \
        -Iinclude -Isrc -I. -I"$2/generated" -fsyntax-only -x c "$header" || failed=$((failed + 1))
done
echo "$n headers compiled alone, $failed failed"
[ "$n" -gt 0 ] && [ "$failed" -eq 0 ]
