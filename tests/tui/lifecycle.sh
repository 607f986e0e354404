# What ends or stops a trainer or its front end, and what is left then: a terminal as it was, and a run that
# goes on to the same bits. (Plain stops, HUP and a second signal: e2e/signals.sh and resume_*.)
. "$(dirname "$0")/../support/cli.sh"
. "$(dirname "$0")/../support/tmux.sh"
started=()
cleanup() {
    local pid
    close_terminals
    for pid in "${started[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
}
export LC_ALL=C.UTF-8
train=("$tiny" --set run.stages=sft --set sft.max_steps=1500 --set sft.eval_every=100000
    --set run.log_every=20 --set sft.checkpoint_every=0)
start() { # start DIR: paused after a step; sets pid
    expect 0 "$MADPO" train "${train[@]}" --run "$1" --detach --json
    pid=$("$JSONQ" pid <out)
    started+=("$pid")
    expect 0 "$MADPO" ctl "$1" pause --wait
}
status() { "$MADPO" ctl "$1" status --json | sed -E 's/.*"done":([0-9]+).*/\1/'; }
losses() { "$JSONQ" --where ev=step step loss <"$1/events.jsonl" | sort -n -u; }

expect 0 "$MADPO" train "${train[@]}" --run whole --quiet
losses whole >whole.losses

for signal in SEGV ABRT; do
    say "a trainer that ends by $signal is resumed from its checkpoint to the same losses"
    start $signal
    expect 0 "$MADPO" ctl $signal checkpoint --wait
    at=$(status $signal)
    expect 0 "$MADPO" ctl $signal resume
    # drivers' compilers bring handlers along that swallow a crash's signal when nothing crashed, once
    for ((i = 0; i < 100; i++)); do
        kill -s $signal "$pid" 2>/dev/null || true
        sleep 0.05
        alive "$pid" || break
    done
    wait_gone "$pid" "the trainer"
    ! grep -q '"ev":"end"' $signal/events.jsonl || fail "$signal did not end the trainer"
    [ -d "$signal/checkpoints/sft-step-$at" ] || fail "no checkpoint"
    expect 0 "$MADPO" train --run $signal --resume --quiet
    ended $signal done
    losses $signal | cmp -s - whole.losses || fail "other losses"
    same_results whole $signal
done

say "a trainer that is suspended stands, and goes on where it stood"
shell() { # shell WIDTH HEIGHT: one with jobs
    open_terminal "$1" "$2" "exec env PS1='ready> ' TERM=tmux-256color bash --norc --noprofile -i"
    wait_for '^ready>'
}
shell 200 24
printf '%q ' "$MADPO" train "${train[@]}" --run stopped --headless >command
type_keys -l '. ./command'
type_keys Enter
wait_for 'sft: .*[0-9]%'
type_keys C-z
wait_for 'Stopped'
lines=$(wc -l <stopped/events.jsonl)
sleep 0.5
[ "$(wc -l <stopped/events.jsonl)" -eq "$lines" ] || fail "a suspended run goes on"
! tail -n 1 stopped/events.jsonl | grep -q '"ev":"end"' || fail "suspended too late to tell"
type_keys -l fg
type_keys Enter
wait_for 'ready> $'
ended stopped done
same_results whole stopped

say "INT twice to a front end: it leaves once, its run goes on"
start live
open_terminal 80 24 "TERM=tmux-256color sh -c 'echo \$\$ >pid; exec \"\$0\" watch live --control' '$MADPO'
    echo code \$?; stty -a >modes; echo BACK; exec sleep 100"
wait_for '^ live PAUSED'
viewer=$(cat pid)
kill -s INT "$viewer"
kill -s INT "$viewer" 2>/dev/null || true
wait_for '^BACK'
grep -qE '^code 0$' pane || fail "exit code of the front end"
given_back
alive "$pid" || fail "the run went with its front end"

say "Ctrl+Z gives the shell its terminal, fg the picture"
shell 80 24
type_keys -l "'$MADPO' watch live"
type_keys Enter
wait_for '^ live PAUSED'
type_keys C-z
wait_for 'Stopped'
given_back
type_keys 'stty -a >suspended; echo written' Enter
wait_for '^written'
grep -qE '(^| )icanon' suspended && grep -qE '(^| )echo ' suspended || fail "suspended, and the terminal is raw"
size 120 40 # meanwhile
type_keys 'fg' Enter
wait_for '^ live PAUSED .*'
wait_for '4 rewards|4 token accuracy' # of the new size
type_keys q
wait_for 'ready>'
given_back
