#!/usr/bin/env bash
# Run an operation's test on tiny shapes under Oclgrind with memory and race checks. Oclgrind's exit
# status does not tell: its log does.
# usage: oclgrind.sh WG TEST_PROGRAM
set -euo pipefail
if ! command -v oclgrind >/dev/null 2>&1; then
    echo "SKIPPED: oclgrind is not installed"
    exit 77
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export MADPO_TEST_TINY=1 MADPO_TEST_WG=$1 MADPO_TEST_DEVICE=oclgrind
oclgrind --data-races --max-errors 20 --local-mem-size 32768 --log "$log" "$2"
if [ -s "$log" ]; then
    cat "$log"
    echo "FAILED: Oclgrind reported the above"
    exit 1
fi
