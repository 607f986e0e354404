# madpo train on a terminal (tmux plays it): the front end over a run that is a process of its own. Leaving,
# a closed terminal and a killed screen leave it going; its keys, and those of watch --control, steer it.
. "$(dirname "$0")/../support/cli.sh"
. "$(dirname "$0")/../support/tmux.sh"
runs=()
cleanup() {
    local run
    close_terminals
    for run in "${runs[@]}"; do "$MADPO" ctl "$run" stop >/dev/null 2>&1 || true; done
}
# steer KEY QUESTION NOTE: the key, its dialog, yes, and what comes of it
steer() {
    type_keys -l -- "$1"
    wait_for "$2"
    type_keys y
    wait_for "$3"
}
# status DIR NUMBER: done, or pid, as the run itself says
status() { "$MADPO" ctl "$1" status --json | sed -E "s/.*\"$2\":([0-9]+).*/\1/"; }
step() { status "$1" done; }
goes_on() { # goes_on DIR WHY-IT-MIGHT-NOT: it takes steps
    local i at
    at=$(step "$1")
    for ((i = 0; i < 300; i++)); do
        [ "$(step "$1")" -le "$at" ] || return 0
        sleep 0.1
    done
    fail "the run stands still $2"
}
wait_end() { # wait_end DIR STATUS
    local i
    for ((i = 0; i < 600; i++)); do
        "$MADPO" ctl "$1" status >/dev/null 2>&1 || break
        sleep 0.1
    done
    ended "$1" "$2"
}

train=("$tiny" --set run.stages=sft --set sft.checkpoint_every=0 --set sft.eval_every=100000
    --set run.log_every=20)
long=("${train[@]}" --set sft.max_steps=200000)

say "train attaches; q leaves the run going to its end"
runs+=(a)
on_terminal 80 24 train "${train[@]}" --set sft.max_steps=3000 --run a
wait_for '^ a LIVE sft step [0-9]+/3000'
expect 0 "$MADPO" ctl a pause --wait # so that it is not over before the key comes
type_keys q
gone 0
wait_for 'The run goes on, as process [0-9]+'
grep -q 'madpo watch a --control' pane || fail "not said how to come back"
grep -q 'madpo ctl a stop' pane || fail "not said how to stop"
expect 0 "$MADPO" ctl a resume
wait_end a done
grep -q '"step":3000' a/events.jsonl || fail "the run did not go on to its end"

say "watch --control pauses, resumes, changes the rate, saves and stops"
runs+=(b)
expect 0 "$MADPO" train "${long[@]}" --run b --detach
on_terminal 80 24 watch b --control
wait_for '^ b LIVE sft step'
type_keys Q
wait_for 'end the run'
type_keys n
wait_for 'nothing was asked'
steer p 'pause\?' '^ b PAUSED'
at=$(step b)
sleep 0.3
[ "$(step b)" = "$at" ] || fail "a paused run goes on"
steer - 'x 0.5' 'action lr, by socket, times 0.5'
steer c 'checkpoint\?' "control sft $at: action checkpoint|checkpoint sft $at"
steer p 'resume\?' '^ b LIVE'
wait_for '│ .*\^.*││' # the ticks of control
steer Q 'stop\?' '^ b STOPPED'
type_keys q
gone 0
wait_end b stopped
[ -d "b/checkpoints/sft-step-$at" ] || fail "no checkpoint of step $at"
"$JSONQ" --where ev=control action by <b/events.jsonl >done
printf '%s\tsocket\n' pause lr checkpoint resume stop >wanted
same_file wanted done

say "without --control nothing is asked of the run"
on_terminal 80 24 watch b
wait_for '^ b STOPPED'
for key in p c E - '*' L : Q; do
    type_keys '?'
    wait_for 'type to narrow'
    type_keys Escape
    wait_for 'ema\(0.9\)'
    type_keys -l -- "$key"
    wait_for 'read-only.*madpo watch b --control'
done
type_keys q
gone 0

expect 2 "$MADPO" watch b --control --plain
one_error 'madpo ctl'

say "a stop from the front end of train: the screen stays, then the summary, and the run's exit code"
runs+=(c)
on_terminal 80 24 train "${long[@]}" --run c
wait_for '^ c LIVE sft step'
steer Q 'stop\?' 'the run has ended: stopped'
type_keys Tab
sleep 0.3
[ ! -e left ] || fail "the screen did not stay"
type_keys q
gone 3
wait_for 'sft: stop by socket, at step [0-9]+'
wait_for '^madpo: stopped on request, a checkpoint was saved; go on with: madpo train --run c'
on_terminal 80 24 train --run c --resume --set sft.max_steps=200000
wait_for '^ c LIVE sft step'
steer Q 'stop\?' 'the run has ended: stopped'
type_keys q
gone 3

say "the end of a run"
on_terminal 80 24 train "${train[@]}" --set sft.max_steps=40 --run d
wait_for 'the run has ended: done'
type_keys q
gone 0
wait_for '^sft: saved d/models/sft'
wait_for '^done; everything is in d$'

say "a run that fails"
on_terminal 80 24 train "${train[@]}" --set sft.max_steps=40 --run d
gone 1
grep -q '^madpo: d already holds a run' pane || fail "no error of a folder in use"
on_terminal 80 24 train "${train[@]}" --set 'data.pairs=nosuch' --set 'run.stages=reward,policy' --run e
wait_for '^BACK'
grep -q '^code [12]$' left || fail "exit code $(cat left) of a run that cannot begin"
grep -q '^madpo: ' pane || fail "no error of a run that cannot begin"

say "an interrupt before the run has begun ends it"
mkfifo reviews # nobody writes it: the start takes for ever
on_terminal 80 24 train "${train[@]}" --set data.reviews=reviews --run h
wait_for '^h: starting'
# masked PID FIELD: it catches INT, or leaves it to a thread
masked() { (((0x$(sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" 2>/dev/null || true) + 0) & 2)); }
for ((i = 0; i < 300; i++)); do
    parent=$(front_end)
    child=$(pgrep -P "${parent:-0}" || true)
    [ -z "$child" ] || ! masked "$parent" SigCgt || ! masked "$child" SigBlk || break
    sleep 0.05
done
type_keys C-c
wait_for 'stopping the run; once more'
type_keys C-c
wait_for '^.*madpo: the run was ended by signal [0-9]+ .*before it had begun'
gone 1

say "a terminal that is closed, and a screen that is killed, leave the run going"
runs+=(f)
on_terminal 80 24 train "${long[@]}" --run f
wait_for '^ f LIVE sft step'
front=$(front_end)
tm kill-server
wait_gone "$front" "the front end of a closed terminal"
goes_on f "without its terminal"
on_terminal 80 24 watch f --control
wait_for '^ f LIVE sft step'
kill -s KILL "$(front_end)"
wait_for BACK # somewhere: nobody gave the screen back
grep -q '^code 137$' left || fail "exit code $(cat left) of a screen that was killed"
goes_on f "without its screen"
pid=$(status f pid)

say "a trainer that is killed under its front end"
runs+=(g)
on_terminal 80 24 train "${long[@]}" --run g
wait_for '^ g LIVE sft step'
kill -s KILL "$(status g pid)"
wait_for 'the run is gone without a word'
type_keys q
gone 1
wait_for '^madpo: the run was ended by signal 9 .*madpo train --run g --resume'

say "the menu: leave it, and end it now without saving; Ctrl+C twice saves and stops"
runs+=(i)
expect 0 "$MADPO" train "${long[@]}" --run i --detach
on_terminal 80 24 watch i --control
wait_for '^ i LIVE sft step'
type_keys Q
wait_for 'end it now, without saving'
type_keys d
gone 0
[ "$(step i)" -gt 0 ] || fail "the run that was left does not go on"
on_terminal 80 24 watch i --control
wait_for '^ i LIVE sft step'
type_keys C-c
wait_for 'end it now, without saving'
type_keys C-c
wait_for '^ i STOPPED'
wait_end i stopped
type_keys q
gone 0
expect 0 "$MADPO" train "${long[@]}" --run i --resume --detach
on_terminal 80 24 watch i --control
wait_for '^ i LIVE sft step'
type_keys Q
wait_for 'end it now, without saving'
type_keys k
wait_for 'was ended as it stood'
wait_for '^ i NOT RUNNING'
type_keys C-c # nothing to ask about: it leaves
gone 0

say "a trainer that does not answer does not hold the screen; one that was killed is told of"
on_terminal 80 24 watch f --control
wait_for '^ f LIVE sft step'
kill -s STOP "$pid"
type_keys p
wait_for 'no answer from the run'
type_keys s
wait_for 'smoothing'
kill -s CONT "$pid"
steer p 'pause\?' '^ f PAUSED'
kill -s KILL "$pid"
wait_for '^ f NOT RUNNING'
type_keys p
wait_for 'the run broke off without an end; madpo train --run f --resume'
! grep -q 'p:pause' pane || fail "a key is offered that can do nothing"
type_keys q
gone 0
