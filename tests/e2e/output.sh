# Standard output that is full, closed or gone: what it costs, and that a run does not mind.
. "$(dirname "$0")/../support/cli.sh"
[ -c /dev/full ] || skip "no /dev/full"

for command in "config" "devices" "weights 1" "help" "version"; do
    code=0
    # shellcheck disable=SC2086
    "$MADPO" $command >/dev/full 2>err || code=$?
    [ "$code" -eq 1 ] || fail "$command: exit code $code, not 1, on a full disk"
    one_error 'cannot write to standard output' 'No space left'
    code=0
    # shellcheck disable=SC2086
    "$MADPO" $command >&- 2>err || code=$?
    [ "$code" -eq 1 ] || fail "$command: exit code $code, not 1, without standard output"
    one_error 'cannot write to standard output'
done

stages=run.stages=sft
code=0
"$MADPO" train "$tiny" --run full --json --set $stages >/dev/full 2>err || code=$?
[ "$code" -eq 0 ] || fail "exit code $code"
one_error 'cannot write to standard output' 'the run goes on'
ended full done
code=0
"$MADPO" train "$tiny" --run closed --set $stages >&- 2>err || code=$?
[ "$code" -eq 0 ] || fail "exit code $code"
ended closed done
{ "$MADPO" train "$tiny" --run gone --json --set $stages 2>err; echo $? >code; } | head -n 1 >/dev/null
[ "$(cat code)" -eq 0 ] || fail "exit code $(cat code)"
no_error
ended gone done
same_file full/models/sft/model.safetensors gone/models/sft/model.safetensors
same_file full/models/sft/model.safetensors closed/models/sft/model.safetensors
