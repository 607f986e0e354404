# Damaged pieces of a run: a broken checkpoint is passed over, a broken model or manifest is named.
. "$(dirname "$0")/../support/cli.sh"

longer=(--set sft.max_steps=60 --set sft.checkpoint_every=7 --set run.stages=sft)
expect 0 "$MADPO" train "$tiny" "${longer[@]}" --run whole --quiet
signal_in_stage KILL sft "$tiny" "${longer[@]}" --run r
[ "$code" -eq 137 ] || fail "exit code $code"
if [ -z "$(ls r/checkpoints 2>/dev/null)" ]; then # killed before the first: stop it a little later
    signal_in_stage TERM sft "$tiny" "${longer[@]}" --run r --resume
fi

say "a damaged checkpoint"
newest=$(ls -d r/checkpoints/sft-step-* | sort -t- -k3n | tail -n 1)
for file in "$newest"/*; do
    [ -f "$file" ] && [ "$(basename "$file")" != checksums.json ] && printf x >>"$file"
done
printf '{"v":1,"t":1,"ev":"st' >>r/events.jsonl
expect 0 "$MADPO" train "$tiny" "${longer[@]}" --run r --resume
no_error
out_has "passing over checkpoint $newest: .*checksum"
same_results whole r
"$JSONQ" <r/events.jsonl || fail "events.jsonl is not of whole lines"

say "a damaged model"
cp -r r r2
printf x >>r2/models/sft/model.safetensors
expect 1 "$MADPO" train "$tiny" "${longer[@]}" --set run.stages=sft,generate --run r2 --resume
one_error 'r2/models/sft'
ended r2 failed

say "a damaged manifest"
printf '{"v":1,' >r/run.json
expect 1 "$MADPO" train "$tiny" "${longer[@]}" --run r --resume
one_error 'r/run.json:1:7: invalid JSON' 'restore the file' '--run'
