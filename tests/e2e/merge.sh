# Adapters: an adapter's folder finds its base; merged, the model writes and scores as it does with them.
. "$(dirname "$0")/../support/cli.sh"
expect 0 "$MADPO" train "$tiny" --run r --set run.stages=sft,generate --set sft.max_steps=150 --quiet
base=r/models/sft
lora() { # lora RUN SEED: an adapter on the base, trained for a few steps
    expect 0 "$MADPO" train "$tiny" --run "$1" --set model.path=$base --set run.stages=sft --set run.seed="$2" \
        --set lora.rank=4 --set lora.targets=all-linear --set sft.lr=2e-2 --set sft.max_steps=24 --quiet
    [ -e "$1/models/sft/adapter_config.json" ] || fail "no PEFT folder in $1/models/sft"
}
lora a 7
lora b 8
one=a/models/sft
two=b/models/sft
how=(--prompt 'The film' --greedy --max-tokens 16 --json --quiet)

say "one adapter"
expect 0 "$MADPO" generate $base "${how[@]}"
cp out plain
expect 0 "$MADPO" generate $one "${how[@]}"
no_error
cp out adapted
! cmp -s plain adapted || fail "the adapter changes nothing"
expect 0 "$MADPO" generate $base --adapter $one "${how[@]}"
same_file out adapted
expect 0 "$MADPO" merge $one --out m1
grep -q '1 adapter folded into m1' err || fail "nothing said"
[ ! -e m1/adapter_config.json ] || fail "the merged model is still an adapter"
expect 0 "$MADPO" generate m1 "${how[@]}"
same_file out adapted
for file in tokenizer.json tokenizer_config.json special_tokens_map.json; do same_file m1/$file $base/$file; done
expect 0 "$MADPO" info m1 --json
[ "$("$JSONQ" adapters storage <out)" = "[]	f32" ] || fail "info of the merged model"
expect 0 "$MADPO" info $one
grep -q '^adapter .*: rank 4, alpha' out || fail "info tells nothing of the adapter"

say "two adapters"
logps() { sed -E 's/.*"logp":([^,]*),.*"logp":([^,]*),.*/\1 \2/' "$1"; }
expect 0 "$MADPO" score $base r/pairs.jsonl --adapter $one --adapter $two --quiet
cp out both
expect 0 "$MADPO" merge $base --adapter $one --adapter $two --out m2 --quiet
no_error
expect 0 "$MADPO" score m2 r/pairs.jsonl --quiet
paste -d' ' <(logps both) <(logps out) | awk '
    { for (i = 1; i <= 2; i++) { d = $i - $(i + 2); if (!(d <= 1e-3 && d >= -1e-3)) { print; bad = 1 } } }
    END { exit bad || NR == 0 }' || fail "the merged model scores otherwise"
expect 0 "$MADPO" score m1 r/pairs.jsonl --quiet
! cmp -s <(logps both) <(logps out) || fail "the second adapter changes nothing"
expect 0 "$MADPO" merge $one --adapter $two --out m3 --quiet
same_file m2/model.safetensors m3/model.safetensors
for type in bf16 f16; do
    expect 0 "$MADPO" merge $one --out $type --storage $type --quiet
    expect 0 "$MADPO" info $type --json
    [ "$("$JSONQ" storage <out)" = $type ] || fail "storage is not $type"
    expect 0 "$MADPO" generate $type "${how[@]}"
    [ "$(wc -l <out)" -eq 1 ] || fail "the merged $type model does not write"
done

say "mistakes"
expect 2 "$MADPO" merge $base --out m4
one_error 'has no adapter to fold in' '--adapter DIR'
expect 2 "$MADPO" merge $one
one_error '--out DIR'
cp m1/model.safetensors before
expect 2 "$MADPO" merge $base --adapter $two --out m1
one_error '--out m1 is not empty' '--force'
same_file before m1/model.safetensors
expect 2 "$MADPO" merge $one --out $base --force
one_error 'is the folder that is read'
expect 0 "$MADPO" merge $base --adapter $two --out m1 --force --quiet
! cmp -s before m1/model.safetensors || fail "--force wrote nothing"
# an adapter of another base, one without its base, a circle
expect 0 "$MADPO" train "$tiny" --run other --set run.stages=sft --set sft.max_steps=1 --set model.hidden=48 --quiet
expect 2 "$MADPO" generate other/models/sft --adapter $one --prompt A --quiet
one_error "$one"
cp -r $one lost
sed -i 's/"base_model_name_or_path": *"[^"]*"/"base_model_name_or_path": "some\/where"/' lost/adapter_config.json
expect 1 "$MADPO" generate lost --prompt A
one_error 'base model "some/where" is no local directory' '--adapter'
expect 0 "$MADPO" generate $base --adapter lost "${how[@]}"
same_file out adapted
sed -i 's/"some\/where"/"..\/r\/models\/sft"/' lost/adapter_config.json # relative to the folder
expect 0 "$MADPO" generate lost "${how[@]}"
same_file out adapted
sed -i 's/"..\/r\/models\/sft"/"."/' lost/adapter_config.json
expect 1 "$MADPO" generate lost --prompt A
one_error 'in a circle'
[ ! -e m4 ] || fail "a folder was made in spite of the mistake"
