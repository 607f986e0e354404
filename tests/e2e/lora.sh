# Adapters on a given model: what a run prints and leaves, stopped and killed runs, another base.
. "$(dirname "$0")/../support/cli.sh"

expect 0 "$MADPO" train "$tiny" --run base --quiet --set run.stages=sft
expect 0 "$MADPO" train "$tiny" --run other --quiet --set run.stages=sft --set run.seed=8
lora=("$tiny" --set model.path=base/models/sft --set lora.rank=4 --set lora.alpha=8 --set lora.dropout=0.1
    --set lora.targets=all-linear)

say "the whole way"
expect 0 "$MADPO" train "${lora[@]}" --run whole
no_error
is_plain out
out_has "^model: llama, [0-9]+ parameters in f32, from .*base/models/sft"
out_has '^memory: most is for the stage '
for stage in sft reward policy; do
    out_has "^$stage: [0-9,]+ of [0-9,]+ parameters trained \([0-9.]+ %\)"
    for file in adapter_config.json adapter_model.safetensors tokenizer.json; do
        [ -s "whole/models/$stage/$file" ] || fail "models/$stage lacks $file"
    done
    [ ! -e "whole/models/$stage/model.safetensors" ] || fail "models/$stage has a copy of the base"
    [ ! -e "whole/checkpoints/$stage-step-8/model.safetensors" ] || fail "a checkpoint has a copy of the base"
done
[ "$(tr -d '\n' <whole/models/policy/adapter_config.json | "$JSONQ" base_model_name_or_path)" = \
    "$(realpath base/models/sft)" ] || fail "the adapter does not name its base"
ended whole done

for signal in TERM KILL; do
    say "$signal in policy"
    signal_in_stage $signal policy "${lora[@]}" --set policy.max_steps=60 --set policy.checkpoint_every=7 \
        --set run.stages=sft,generate,reward,margins,policy --run $signal
    expect 0 "$MADPO" train --run $signal --resume
    no_error
    ended $signal done
done
same_results TERM KILL

say "another base, another adapter"
refused() { # refused PATTERN SETTING...
    local pattern=$1
    shift
    expect 2 "$MADPO" train "${lora[@]}" "$@" --run whole --resume
    one_error 'cannot resume whole: ' "$pattern"
}
refused 'model.path was ".*base/models/sft", now "other/models/sft"' --set model.path=other/models/sft
refused 'lora.rank was 4, now 8' --set lora.rank=8
refused 'lora.targets was "all-linear", now "q_proj"' --set lora.targets=q_proj

say "what cannot be"
expect 2 "$MADPO" train "$tiny" --set lora.rank=4 --run none
one_error 'lora.rank = 4 needs model.path'
expect 1 "$MADPO" train "$tiny" --set model.path=nowhere --run none
one_error 'model.path: nowhere' 'No such file'
expect 2 "$MADPO" train "${lora[@]}" --set model.path=whole/models/sft --run none
one_error 'whole/models/sft is an adapter' 'model.adapter'
[ ! -e none ] || fail "a run directory was made for nothing"
