# Signals other than the plain stop of resume.sh: a checkpoint on request, a terminal that closes, a second stop.
. "$(dirname "$0")/../support/cli.sh"
# no checkpoint of its own accord before the end, and long enough that a signal always comes before it
train=("$tiny" --set run.stages=sft --set sft.max_steps=400 --set sft.eval_every=100
    --set sft.checkpoint_every=0)

expect 0 "$MADPO" train "${train[@]}" --run whole --quiet

say "USR1 saves a checkpoint and goes on"
signal_in_stage USR1 sft "${train[@]}" --run usr1
[ "$code" -eq 0 ] || fail "exit code $code"
no_error
ended usr1 done
n=$("$JSONQ" --where ev=checkpoint step <usr1/events.jsonl | wc -l)
[ "$n" -eq 2 ] || fail "$n checkpoints, not one on request and one at the end"
same_results whole usr1

say "HUP: the run goes on without its terminal"
signal_in_stage HUP sft "${train[@]}" --run hup
[ "$code" -eq 0 ] || fail "exit code $code"
no_error
ended hup done
same_results whole hup

say "a terminal that goes away while lines are drawn on it"
if command -v script >/dev/null; then
    TERM=xterm script -qec "exec '$MADPO' train '$tiny' --set run.stages=sft --set sft.max_steps=600 \
        --set sft.checkpoint_every=0 --run terminal --no-tui" /dev/null </dev/null >/dev/null 2>&1 &
    terminal=$!
    for ((i = 0; i < 600; i++)); do
        grep -qs '"ev":"step"' terminal/events.jsonl && break
        sleep 0.05
    done
    { kill -KILL $terminal && wait $terminal; } 2>/dev/null || true
    for ((i = 0; i < 1200; i++)); do
        grep -q '"ev":"end"' terminal/events.jsonl && break
        sleep 0.1
    done
    ended terminal done
    grep -q '"step":600' terminal/events.jsonl || fail "the run stopped with its terminal"
else
    say "  not tried: no script(1)"
fi

say "HUP is ignored under nohup"
(
    trap '' HUP
    signal_in_stage HUP sft "${train[@]}" --run nohup
    [ "$code" -eq 0 ] || fail "exit code $code"
)
ended nohup done
same_results whole nohup

say "the second stop ends the program at once, and what it left can be resumed"
mkfifo pipe2
env --default-signal=INT "$MADPO" train "${train[@]}" --run twice --headless >pipe2 2>err &
pid=$!
exec 3<pipe2
while IFS= read -r -u 3 line && [[ $line != "sft: training"* ]]; do :; done
kill -s STOP $pid # so that both are there when it wakes up
kill -s TERM $pid
kill -s INT $pid
kill -s CONT $pid
cat <&3 >/dev/null
exec 3<&-
code=0
{ wait $pid || code=$?; } 2>/dev/null
[ "$code" -eq 143 ] || [ "$code" -eq 130 ] || fail "exit code $code, not that of a signal"
expect 0 "$MADPO" train "${train[@]}" --run twice --resume
no_error
ended twice done
same_results whole twice
