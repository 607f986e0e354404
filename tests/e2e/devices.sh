# The list of devices, as text and as JSON.
. "$(dirname "$0")/../support/cli.sh"

expect 0 "$MADPO" devices
no_error
is_plain out
out_has '^\[0\] (cpu|gpu|other)  '
for field in platform driver memory optional; do out_has "^    $field"; done
n=$(grep -c '^\[[0-9]*\] ' out)
expect 0 "$MADPO" devices --json
no_error
"$JSONQ" index kind compute_units global_bytes local_bytes fp16 fp64 subgroups <out >devices ||
    fail "no JSON"
[ "$(wc -l <devices)" -eq "$n" ] || fail "text and JSON disagree on the number of devices"
grep -qE '^0	(cpu|gpu|other)	[1-9][0-9]*	[1-9][0-9]*	[0-9]+	(true|false)	(true|false)	(true|false)$' devices ||
    fail "device 0: $(head -n 1 devices)"

expect 1 "$MADPO" train "$tiny" --run r --device no-such-device
one_error "no-such-device" '0 '
