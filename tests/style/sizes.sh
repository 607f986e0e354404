#!/usr/bin/env bash
# Size limits of the house style. Exceptions are listed in sizes.except, each with its reason.
# usage: sizes.sh SOURCE_DIR
set -euo pipefail
cd "$1"
awk -v except="tests/style/sizes.except" '
BEGIN {
    while ((getline line < except) > 0) {
        if (line ~ /^#/ || line == "") continue
        split(line, word, " "); allowed[word[1]] = 1
    }
    limit[".c"] = 700; limit[".h"] = 250; limit[".cl"] = 300; limit[".clh"] = 300
}
function done_file() {
    ext = last; sub(/.*\./, ".", ext)
    max = (last ~ /^tests\//) ? 700 : limit[ext]
    if (lines > max) bad(last, lines " lines, limit " max)
}
function bad(what, why) {
    if (what in allowed) { used[what] = 1; return }
    print what ": " why; failures++
}
FNR == 1 { if (last != "") done_file(); last = FILENAME; name = ""; open = 0; files++ }
{ lines = FNR }
length($0) > 100 && $0 !~ /https?:/ { bad(FILENAME ":" FNR, length($0) " columns, limit 100") }
/^[A-Za-z_].*\(/ && !open { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
/^\{/ { open = FNR }
/^\}/ && open {
    size = FNR - open + 1
    if (FILENAME !~ /_words\.c$/ && $0 == "}" && size > 100)
        bad(FILENAME ":" name, "function of " size " lines, limit 100")
    open = 0
}
END {
    done_file()
    printf "%d files checked, %d over a limit\n", files, failures
    exit failures > 0 || files < 10
}' $(find src tui include cl tests -name '*.[ch]' -o -name '*.cl' -o -name '*.clh' | sort)
