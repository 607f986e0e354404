#!/usr/bin/env bash
# Every #include "folder/…" in src and tui must follow the arrows of src/README.md.
# usage: arrows.sh SOURCE_DIR
set -euo pipefail
cd "$1"

# folder: what it may include, directly or through another (the closure is computed below)
arrows='
base:
config: base objective
text: base
data: text
device: base
ops: device
ref: base
model: ops
objective: base
run: base
dist: base
report: run config
train: objective data model run dist config
tui: run objective
cli: train tui report run config device ops model objective data text
'
awk -v arrows="$arrows" '
BEGIN {
    n = split(arrows, rows, "\n")
    for (i = 1; i <= n; i++) {
        if (split(rows[i], part, ": *") < 1 || part[1] == "") continue
        sub(/:.*/, "", part[1])
        known[part[1]] = 1
        m = split(part[2], targets, " ")
        for (j = 1; j <= m; j++) allowed[part[1], targets[j]] = 1
        allowed[part[1], part[1]] = 1
    }
    for (k in known) for (i in known) for (j in known)
        if (((i, k) in allowed) && ((k, j) in allowed)) allowed[i, j] = 1
}
FNR == 1 { folder = FILENAME; sub(/^src\//, "", folder); sub(/\/.*/, "", folder); files++ }
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, q, "\""); to = q[2]
    if (to !~ /\//) { bad(FILENAME ":" FNR ": write the folder in #include \"" to "\""); next }
    sub(/\/.*/, "", to)
    if (to == "madpo") next
    if (!((folder, to) in allowed)) bad(FILENAME ":" FNR ": " folder " may not include " to)
    includes++
}
function bad(line) { print line; failures++ }
END {
    printf "%d files, %d includes checked, %d against the arrows\n", files, includes, failures
    exit failures > 0 || files < 10 || includes < 10
}' $(find src tui -name '*.[ch]' | sort)
