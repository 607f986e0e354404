# A resume under another objective, model, data or seed is refused, naming what differs; the run stays as it is.
. "$(dirname "$0")/../support/cli.sh"

signal_in_stage TERM sft "$tiny" --set sft.max_steps=60 --run r
[ "$code" -eq 3 ] || fail "exit code $code, not 3"
cp r/events.jsonl before
resume=("$MADPO" train "$tiny" --set sft.max_steps=60 --run r --resume)

refused() { # refused SETTING PATTERN...
    expect 2 "${resume[@]}" --set "$1"
    shift
    one_error 'cannot resume r: ' 'was .*, now ' '--run' "$@"
    same_file before r/events.jsonl
}
refused policy.beta=0.2 'policy.beta was 0.1, now 0.2'
refused policy.objective=dpo 'policy.objective was "madpo", now "dpo"'
refused policy.c_max=4 'policy.c_max was 2, now 4'
refused model.hidden=64 'model.hidden was 32, now 64'
refused data.synthetic=170 'data.synthetic was 160, now 170'
refused run.seed=8 'run.seed was 7, now 8'
expect 1 "$MADPO" train "$tiny" --run none --resume
one_error 'none holds no run to resume'
[ ! -e none ] || fail "a folder was made for a run that is not there"

say "two processes"
mkfifo pipe
"${resume[@]}" --headless >pipe 2>first.err &
pid=$!
exec 3<pipe
read -r -u 3 _ # it has begun
expect 1 "${resume[@]}"
one_error 'r is in use by another madpo' "$pid"
cat <&3 >/dev/null
exec 3<&-
wait "$pid" || fail "the first process did not finish: $(cat first.err)"
ended r done
