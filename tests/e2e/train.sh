# The whole way once: what a run leaves behind, what it prints to a file, to a terminal, and as JSON.
. "$(dirname "$0")/../support/cli.sh"

say "plain output and run directory"
expect 0 "$MADPO" train "$tiny" --run plain
no_error
is_plain out
out_has '^sft: '
out_has 'plain' # where everything is
ended plain done
for file in run.json config.cfg state.json events.jsonl log.txt pairs.jsonl margins.jsonl \
    models/sft/model.safetensors models/reward/model.safetensors models/policy/model.safetensors \
    models/policy/config.json models/policy/tokenizer.json; do
    [ -s "plain/$file" ] || fail "the run lacks $file"
done
[ -n "$(ls plain/checkpoints)" ] || fail "no checkpoint"
is_plain plain/log.txt
"$JSONQ" ev <plain/events.jsonl >events || fail "events.jsonl is not JSON"
for ev in stage step eval end; do grep -qx "$ev" events || fail "no $ev event"; done
"$JSONQ" v t <plain/events.jsonl | awk '$1 != 1 || !($2 > 1.6e9) { exit 1 }' || fail "v or t of an event"
[ "$("$JSONQ" --where ev=eval who metric <plain/events.jsonl | grep true_reward | sort | tr '\t\n' '  ')" = \
    "policy true_reward reference true_reward " ] || fail "true rewards of reference and policy"
"$JSONQ" id h c w <plain/margins.jsonl | awk '!($4 >= 0) || !($4 <= 2) { exit 1 }' || fail "margins.jsonl"
[ "$(wc -l <plain/margins.jsonl)" -eq "$(wc -l <plain/pairs.jsonl)" ] || fail "margins of not every pair"
expect 0 "$MADPO" config plain/config.cfg
same_file out plain/config.cfg

say "the weights file agrees with madpo weights"
read -r h c w <<<"$("$JSONQ" h c w <plain/margins.jsonl | head -n 1)"
expect 0 "$MADPO" weights --json "$h"
"$JSONQ" c w <out | awk -v c="$c" -v w="$w" '
    function near(a, b) { return (a - b) <= 1e-6 && (b - a) <= 1e-6 }
    { exit !(near($1, c) && near($2, w)) }' || fail "margins.jsonl and madpo weights disagree"

say "a finished run has nothing to go on with, and is not started anew"
cp plain/models/policy/model.safetensors before
expect 0 "$MADPO" train --run plain --resume
same_file before plain/models/policy/model.safetensors
expect 1 "$MADPO" train "$tiny" --run plain
one_error 'already holds a run' '--resume' '--run'
ended plain done

say "events on standard output, the same bytes and nothing else"
expect 0 "$MADPO" train "$tiny" --run json --json
no_error
same_file out json/events.jsonl

say "two runs with one seed are the same"
same_results plain json
head -n "$(wc -l <json/events.jsonl)" plain/events.jsonl | "$JSONQ" --strip >a
"$JSONQ" --strip <json/events.jsonl >b
same_file a b

say "quiet"
expect 0 "$MADPO" train "$tiny" --run quiet --quiet --set run.stages=sft
no_error
[ ! -s out ] || fail "--quiet prints"

say "another seed is another run"
expect 0 "$MADPO" train "$tiny" --run seed --quiet --set run.stages=sft --set run.seed=8
! cmp -s seed/models/sft/model.safetensors quiet/models/sft/model.safetensors || fail "the seed does nothing"

say "stages one at a time give the same as all together"
expect 0 "$MADPO" train "$tiny" --run steps --quiet --set run.stages=sft
for stages in sft,generate sft,generate,reward sft,generate,reward,margins \
    sft,generate,reward,margins,policy; do
    expect 0 "$MADPO" train "$tiny" --run steps --resume --quiet --set run.stages=$stages
done
same_results plain steps
