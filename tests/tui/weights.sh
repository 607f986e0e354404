# Runs that were trained: the weight recorded for every pair lies on the curve of the margin panel, for the
# variants of the weight too, and the share of the heat strip is the trainer's.
. "$(dirname "$0")/../support/cli.sh"
: "${PANEL_WEIGHTS:?path of panel_weights}"

expect 0 "$MADPO" train "$tiny" --run full --quiet
expect 0 "$PANEL_WEIGHTS" full
n=$(cat out)
[ "$n" -eq "$(wc -l <full/margins.jsonl)" ] || fail "$n pairs compared of $(wc -l <full/margins.jsonl)"
say "$n pairs"
expect 0 "$MADPO" train "$tiny" --set policy.c_max=3 --set policy.c_min=0.25 --set policy.lambda=2 --set policy.tau=1 --run other --quiet
expect 0 "$PANEL_WEIGHTS" other
! cmp -s full/margins.jsonl other/margins.jsonl || fail "the parameters of the weight changed nothing"
# and it is noticed when they are not the run's
sed 's/c_max 3/c_max 2/' other/run.json >run.json
! cmp -s run.json other/run.json || fail "the manifest does not name c_max"
cp run.json other/run.json
expect 1 "$PANEL_WEIGHTS" other
