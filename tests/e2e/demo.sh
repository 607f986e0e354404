# The built-in demonstration in its quick form, without a home folder or any file but the program.
. "$(dirname "$0")/../support/cli.sh"

cp "$MADPO" ./program
mkdir elsewhere
expect 0 env -C elsewhere ../program demo --quick --run run
no_error
is_plain out
ended elsewhere/run done
[ -s elsewhere/run/models/policy/model.safetensors ] || fail "no policy"
"$JSONQ" --where metric=true_reward who n mean <elsewhere/run/events.jsonl >rewards
[ "$(wc -l <rewards)" -eq 2 ] || fail "true rewards of reference and policy: $(cat rewards)"
expect 0 ./program demo --quick --set run.stages=sft --json
"$JSONQ" ev <out >/dev/null || fail "no JSON lines"
[ -d runs ] && [ "$(ls runs | wc -l)" -eq 1 ] || fail "no run under runs/"
