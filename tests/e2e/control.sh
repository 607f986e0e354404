# Steering a run that is going on through its socket, and doing the same again from its events.
. "$(dirname "$0")/../support/cli.sh"
train=("$tiny" --set run.stages=sft --set sft.max_steps=800 --set sft.checkpoint_every=0
    --set sft.eval_every=200 --set sft.patience=50 --set run.log_every=50)
started=()
cleanup() {
    local pid
    for pid in "${started[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
}
start() { # start DIR train-arguments...: as a process of its own; sets pid
    local dir=$1
    shift
    expect 0 "$MADPO" train "$@" --run "$dir" --detach --json
    no_error
    [ "$("$JSONQ" run <out)" = "$dir" ] || fail "not the run's folder: $(cat out)"
    pid=$("$JSONQ" pid <out)
    started+=("$pid")
}
ctl() { expect 0 "$MADPO" ctl "$@"; no_error; }
refused() { # refused PATTERN ctl-arguments...
    local pattern=$1
    shift
    expect 1 "$MADPO" ctl "$@"
    one_error "$pattern"
}
wait_end() { # until nobody listens any more and the process is gone, or waits to be collected
    for ((i = 0; i < 800; i++)); do
        "$MADPO" ctl "$1" status >/dev/null 2>&1 || alive "$pid" || return 0
        sleep 0.1
    done
    fail "the run in $1 does not end"
}
wait_stage() { # wait_stage DIR STAGE
    for ((i = 0; i < 600; i++)); do
        "$MADPO" ctl "$1" status >out 2>/dev/null || fail "the run in $1 ended too early"
        grep -q "^$2: [a-z]* [0-9]" out && return 0
        sleep 0.05
    done
    fail "the run in $1 does not reach $2"
}
controls() { "$JSONQ" --where ev=control action step times lr refused <"$1/events.jsonl"; }

expect 0 "$MADPO" train "${train[@]}" --run plain --quiet

say "pause, and everything a paused run still does"
start live "${train[@]}"
[ "$(stat -c %a live/control.sock)" = 600 ] || fail "the socket is open to others"
ctl live pause --wait
ctl live status
out_has '^sft: step [0-9]+ of 800, paused, '
step=$(sed -E 's/^sft: step ([0-9]+) of.*/\1/' out)
[ "$step" -ge 1 ] && [ "$step" -lt 700 ] || fail "paused at step $step"
used() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
before=$(used)
sleep 1
[ "$(($(used) - before))" -lt 20 ] || fail "a paused run computes"
ctl live status
out_has "^sft: step $step of 800, paused"
refused 'paused already' live pause
ctl live checkpoint --wait
[ -d "live/checkpoints/sft-step-$step" ] || fail "no checkpoint while paused"
ctl live evaluate --wait
ctl live lr x0.5 --wait
ctl live lr 2e-3 --wait
ctl live resume --wait
ctl live pause --wait
ctl live lr x3 --wait
ctl live status --json
[ "$("$JSONQ" ok action <out)" = "true	status" ] || fail "not the status: $(cat out)"
ctl live resume
out_has 'accepted'
wait_end live
ended live done
! cmp -s plain/models/sft/model.safetensors live/models/sft/model.safetensors ||
    fail "another learning rate changed nothing"
[ ! -e live/control.sock ] || fail "the socket is still there"

say "the same again from its events, headless"
expect 0 "$MADPO" train "${train[@]}" --run again --quiet --control-file live/events.jsonl
same_results live again
controls live | grep -vE '^(pause|resume)' >live.done
controls again >again.done
same_file live.done again.done
grep -q '"by":"file"' again/events.jsonl || fail "not said to come from a file"

say "from lines that somebody wrote"
"$JSONQ" --where ev=control action step times lr <live/events.jsonl | awk -F'\t' '
    $1 ~ /lr|evaluate/ { printf "{\"stage\":\"sft\",\"step\":%d,\"action\":\"%s\"%s}\n", $2, $1,
        $3 != "-" ? ",\"times\":" $3 : $4 != "-" ? ",\"lr\":" $4 : "" }' >lines
[ "$(wc -l <lines)" -eq 4 ] || fail "not four lines: $(cat lines)"
expect 0 "$MADPO" train "${train[@]}" --run lines.run --quiet --control-file lines
same_results live lines.run

say "in every stage, across a stop, and again"
cat >every.lines <<'END'
{"stage":"policy","step":0,"action":"lr","times":0.5}
{"stage":"policy","step":4,"action":"lr","lr":2e-3}
{"stage":"policy","step":5,"action":"stop"}
{"stage":"sft","step":2,"action":"lr","times":3}
{"stage":"sft","step":3,"action":"checkpoint"}
{"stage":"reward","step":3,"action":"evaluate"}
{"stage":"reward","step":5,"action":"lr","times":0.1}
END
sed "/stop/d" every.lines >whole
echo '{"stage":"sft","step":99,"action":"stop"}' >>whole
expect 0 "$MADPO" train "$tiny" --run every.whole --headless --control-file whole
out_has 'sft: 1 action of the control file: after the last step, 8'
out_has 'policy: lr from 0.001 to 0.0005 by file, at step 0'
expect 3 "$MADPO" train "$tiny" --run every --quiet --control-file every.lines
expect 0 "$MADPO" train "$tiny" --run every --resume --quiet --control-file every.lines
same_results every.whole every
expect 0 "$MADPO" train "$tiny" --run every2 --quiet --control-file every/events.jsonl
same_results every.whole every2
expect 0 "$MADPO" train "$tiny" --run every.not --quiet
for stage in sft reward policy; do
    ! cmp -s {every,every.not}/models/$stage/model.safetensors || fail "nothing was done to $stage"
done

say "a learning rate outlives a stop, and so does its replay"
start stopped "${train[@]}"
ctl stopped pause --wait
ctl stopped lr x0.25 --wait
ctl stopped stop --wait
ended stopped stopped
refused 'no run is listening' stopped status
expect 0 "$MADPO" train --run stopped --resume --quiet
ended stopped done
expect 0 "$MADPO" train "${train[@]}" --run stopped2 --quiet --control-file stopped/events.jsonl
same_results stopped stopped2
! cmp -s plain/models/sft/model.safetensors stopped/models/sft/model.safetensors ||
    fail "the learning rate was forgotten"

say "what happened after the checkpoint a killed run goes on from did not happen"
start killed "${train[@]}"
ctl killed pause --wait
ctl killed checkpoint --wait
ctl killed lr x7 --wait
kill -KILL "$pid"
wait_end killed
[ -S killed/control.sock ] || fail "a killed run took its socket along"
refused 'no run is listening' killed pause
expect 0 "$MADPO" train --run killed --resume --quiet
same_results plain killed
expect 0 "$MADPO" train "${train[@]}" --run killed2 --quiet --control-file killed/events.jsonl
same_results plain killed2

say "a stage without steps"
stages=("$tiny" --set run.stages=sft,generate --set data.synthetic=500 --set generate.prompts=300 --set generate.batch=2)
start pieces "${stages[@]}"
wait_stage pieces generate
ctl pieces pause --wait
ctl pieces status
out_has '^generate: pair [0-9]+ of 300, paused'
refused 'not training' pieces lr x0.5
refused 'not training' pieces evaluate
ctl pieces checkpoint --wait
ctl pieces stop --wait
ended pieces stopped
expect 0 "$MADPO" train --run pieces --resume --quiet
expect 0 "$MADPO" train "${stages[@]}" --run pieces2 --quiet
same_results pieces pieces2

say "mistakes"
expect 2 "$MADPO" ctl
expect 2 "$MADPO" ctl live
expect 2 "$MADPO" ctl live puase
one_error 'did you mean "pause"'
expect 2 "$MADPO" ctl live lr
one_error 'needs a value'
expect 2 "$MADPO" ctl live lr fast
expect 2 "$MADPO" ctl live lr -1
expect 2 "$MADPO" ctl live pause now
expect 2 "$MADPO" ctl live lr 1e-3 twice
refused 'nowhere holds no run: No such file' nowhere status
touch afile
refused 'afile holds no run: it is a file' afile status
mkdir -p all/.hidden all/first empty exp/cells/b exp/cells/a
refused 'empty holds no run: there is no run.json' empty status
cp live/run.json all/first
refused 'all holds folders of runs; .* as in all/first' all status
cp live/run.json exp/cells/a
cp live/run.json exp/cells/b
refused 'exp holds an experiment, not a run; .* as in exp/cells/a' exp status
exec 9>exp/cells/b/run.lock # the one at work is named
flock -n 9
refused 'as in exp/cells/b' exp status
exec 9>&-
bad_file() { # bad_file PATTERN TEXT
    printf '%s' "$2" >bad
    expect 1 "$MADPO" train "${train[@]}" --run refused --quiet --control-file bad
    one_error "$1"
    [ ! -e refused ] || fail "a run was begun"
}
bad_file 'bad:1.*JSON|bad:1' '{"stage":"sft",'
bad_file 'bad:2: unknown action' '{"stage":"sft","step":1,"action":"stop"}
{"stage":"sft","step":2,"action":"fly"}'
bad_file 'takes no steps' '{"stage":"generate","step":1,"action":"stop"}'
bad_file 'order of their steps' '{"stage":"sft","step":5,"action":"evaluate"}
{"stage":"sft","step":4,"action":"evaluate"}'
bad_file 'one of "lr"' '{"stage":"sft","step":5,"action":"lr"}'
expect 1 "$MADPO" train "${train[@]}" --run refused --quiet --control-file nosuch
one_error 'nosuch'

say "a folder whose name is too long for a socket"
long=$(printf 'long%.0s' {1..30})
expect 0 "$MADPO" train "$tiny" --set run.stages=sft --run "$long" --headless
out_has 'cannot be steered.*too long'
ended "$long" done
[ ! -e "$long/control.sock" ] || fail "a socket all the same"
refused 'too long' "$long" status
