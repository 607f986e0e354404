# Stopped and killed runs go on to the same bytes as an undisturbed one. usage: resume.sh STAGE
. "$(dirname "$0")/../support/cli.sh"
stage=$1
# long enough that the signal arrives in the middle of the stage
case $stage in
generate) longer=(--set generate.prompts=120 --set generate.batch=4) ;;
margins) longer=(--set data.synthetic=1600 --set generate.prompts=1200 --set generate.batch=64) ;;
*) longer=(--set "$stage.max_steps=60" --set "$stage.checkpoint_every=7") ;;
esac
# what comes after the stage only costs time
all=sft,generate,reward,margins,policy
train=("$tiny" "${longer[@]}" --set "run.stages=${all%%"$stage"*}$stage")

in_the_middle() { # the stage of run DIR is not done: else the signal came too late and nothing was tested
    ! tr -d '\n' <"$1/state.json" | "$JSONQ" done | grep -q "\"$stage\"" ||
        fail "stage $stage was over before the signal came"
}

expect 0 "$MADPO" train "${train[@]}" --run whole --quiet

for signal in TERM INT; do
    say "$signal in $stage"
    signal_in_stage $signal "$stage" "${train[@]}" --run $signal
    [ "$code" -eq 3 ] || fail "exit code $code, not 3, after $signal in $stage"
    one_error "stopped" "madpo train --run $signal --resume"
    ended $signal stopped
    in_the_middle $signal
    expect 0 "$MADPO" train --run $signal --resume # with the configuration kept in the run
    no_error
    ended $signal done
    same_results whole $signal
done

say "KILL in $stage"
signal_in_stage KILL "$stage" "${train[@]}" --run KILL
[ "$code" -eq 137 ] || fail "exit code $code, not 137"
in_the_middle KILL
expect 0 "$MADPO" train "${train[@]}" --run KILL --resume
no_error
same_results whole KILL
