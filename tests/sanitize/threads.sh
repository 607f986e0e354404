#!/usr/bin/env bash
# Run a program built with ThreadSanitizer; it wants the addresses it knows, not random ones.
# usage: threads.sh PROGRAM [ARGUMENT...]
set -euo pipefail
if setarch -R true 2>/dev/null; then exec setarch -R "$@"; fi
exec "$@"
