# Training that runs away (a learning rate and a decay no one should set) ends with one line that says which
# setting to lower; the results of the stages before stay, and the stage can be done again.
. "$(dirname "$0")/../support/cli.sh"
# weights grow a hundredfold with each step: beyond any float after some twenty
wild() {
    echo --set "$1.lr=10" --set "$1.weight_decay=10" --set "$1.schedule=constant" --set "$1.warmup=0" \
        --set "$1.max_steps=100" --set "$1.patience=0"
}

# shellcheck disable=SC2046
expect 1 "$MADPO" train "$tiny" --run sft --set run.stages=sft $(wild sft)
one_error 'sft' 'not finite' 'lower sft\.lr'
ended sft failed
[ ! -e sft/models/sft/model.safetensors ] || fail "a model of NaN was saved"

expect 0 "$MADPO" train "$tiny" --run r --quiet --set run.stages=sft,generate,reward,margins
cp -r r/models r/pairs.jsonl r/margins.jsonl .
resume=("$MADPO" train "$tiny" --run r --resume --set policy.checkpoint_every=0)
# shellcheck disable=SC2046
expect 1 "${resume[@]}" $(wild policy)
one_error 'policy' 'not finite' 'lower policy\.lr'
ended r failed
for file in models/sft/model.safetensors models/reward/model.safetensors pairs.jsonl margins.jsonl; do
    same_file $file r/$file
done
[ ! -e r/models/policy/model.safetensors ] || fail "a model of NaN was saved"
expect 0 "${resume[@]}"
ended r done
