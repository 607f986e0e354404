# Every objective trains; and MADPO with c_max = 1 is DPO, to the last bit of the weights.
. "$(dirname "$0")/../support/cli.sh"
stages=run.stages=sft,generate,reward,margins,policy

for objective in madpo dpo ipo; do
    expect 0 "$MADPO" train "$tiny" --run $objective --quiet --set $stages --set policy.objective=$objective
    ended $objective done
    "$JSONQ" --where stage=policy step loss <$objective/events.jsonl | awk '$1 ~ /^[0-9]+$/ && $2 != "-"' >losses
    [ -s losses ] || fail "no losses of $objective"
    awk '!($2 > 0) || !($2 < 1000) { exit 1 }' losses || fail "losses of $objective: $(cat losses)"
done
for other in dpo ipo; do
    ! cmp -s madpo/models/policy/model.safetensors $other/models/policy/model.safetensors ||
        fail "madpo and $other give the same policy"
done

say "the first step's loss, where policy and reference are one: ln 2, and 1/(2 beta)^2"
first() { "$JSONQ" --where stage=policy ev step loss <"$1/events.jsonl" | awk '$1 == "step" { print $3; exit }'; }
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !((a - b) <= 1e-6 * b && (b - a) <= 1e-6 * b) }' ||
    fail "$3: $1, not $2"; }
near "$(first dpo)" 0.69314718056 "DPO"
near "$(first ipo)" 25 "IPO"

say "objectives that need other things: no reference and no margins; true scores; averages"
more() { # more NAME STAGES KEY=VALUE... : trains, and not to the policies there are
    local name=$1 stages=$2 set=() dir
    shift 2
    for key in "$@"; do set+=(--set "$key"); done
    expect 0 "$MADPO" train "$tiny" --run "$name" --quiet --set run.stages="$stages" "${set[@]}"
    ended "$name" done
    for dir in madpo dpo ipo; do
        ! cmp -s "$name/models/policy/model.safetensors" $dir/models/policy/model.safetensors ||
            fail "$name and $dir give the same policy"
    done
}
more simpo sft,generate,policy policy.objective=simpo policy.beta=2
more soft sft,generate,policy policy.objective=soft-dpo policy.margin=scores
more average sft,generate,policy policy.objective=ipo policy.average=true
near "$(first soft)" 0.69314718056 "soft-dpo"
near "$(first average)" 25 "IPO per token"

say "options that make no sense"
expect 2 "$MADPO" train "$tiny" --run wrong --quiet --set $stages --set policy.objective=exo --set policy.label_smoothing=0
one_error 'label_smoothing = 0 leaves objective exo without a minimum'
[ ! -e wrong/models ] || fail "something was trained before the mistake was told"

say "objectives of a whole step: what they decided is told"
more beta sft,generate,policy policy.objective=beta-dpo
more amapo sft,generate,policy policy.objective=amapo policy.beta=2
near "$(first beta)" 0.69314718056 "beta-DPO"
kept=$("$JSONQ" --where stage=policy ev step madpo/kept <beta/events.jsonl | awk '$1 == "step" { print $3; exit }')
near "$kept" 0.75 "beta-DPO keeps int(0.8 * 4) of 4 pairs"

say "c_max = 1"
expect 0 "$MADPO" train "$tiny" --run one --quiet --set $stages --set policy.c_max=1
same_file one/models/policy/model.safetensors dpo/models/policy/model.safetensors
