# The shell's limit on file sizes is met like a full disk: an error, not a killed program.
. "$(dirname "$0")/../support/cli.sh"

# weights well above what a driver that compiles writes of its own
wide=(--set model.hidden=256)

expect 0 "$MADPO" train "$tiny" "${wide[@]}" --run whole --quiet # compiles all kernels, too
size=$(wc -c <whole/models/sft/model.safetensors)
limit=$((size / 2 / 1024))
expect 1 bash -c "ulimit -f $limit && exec \"\$@\"" limited "$MADPO" train "$tiny" "${wide[@]}" --run r
one_error 'r/' 'File too large|disk full'
"$JSONQ" <r/events.jsonl || fail "events.jsonl is not of whole lines"
expect 0 "$MADPO" train "$tiny" "${wide[@]}" --run r --resume
ended r done
same_results whole r
