# No OpenCL at all, a device that is not there, device memory too small.
. "$(dirname "$0")/../support/cli.sh"

say "no platform"
expect 1 env OCL_ICD_VENDORS=/nonexistent "$MADPO" devices
one_error 'no platform: install' 'pocl-opencl-icd'
expect 1 env OCL_ICD_VENDORS=/nonexistent "$MADPO" devices --json
[ "$(cat out)" = "[]" ] || fail "no device is not []"
expect 1 env OCL_ICD_VENDORS=/nonexistent "$MADPO" train "$tiny" --run none
one_error 'no OpenCL platform' 'install' 'pocl-opencl-icd'
[ ! -e none ] || fail "a run directory was made without a device"

say "no such device"
expect 1 "$MADPO" train "$tiny" --run none --device 99
one_error '99' '0 '
[ ! -e none ] || fail "a run directory was made without a device"

say "too little device memory"
big=(--set model.hidden=512 --set model.layers=12 --set model.heads=8 --set model.kv_heads=2)
expect 1 "$MADPO" train "$tiny" "${big[@]}" --set device.memory_mb=64 --run none
one_error 'memory' 'lower' 'model\.(hidden|layers)|batch\.tokens'

say "too little for the later stages: what the earlier ones made stays"
expect 0 "$MADPO" train "$tiny" --run r --quiet --set run.stages=sft
cp r/models/sft/model.safetensors before
expect 1 "$MADPO" train "$tiny" --run r --resume --set run.stages=sft,generate --set device.memory_mb=1 \
    --set generate.prompts=400 --set generate.batch=400
one_error 'memory' 'lower'
ended r failed
same_file before r/models/sft/model.safetensors
expect 0 "$MADPO" train "$tiny" --run r --resume
ended r done
same_file before r/models/sft/model.safetensors

say "too little for the KL beside the optimiser: the policy is trained without it"
kl=("$tiny" --set model.hidden=384 --set tokenizer.vocab=1024 --set batch.tokens=64 --set data.eval_fraction=0.4
    --set policy.objective=dpo --set run.stages=sft,generate,policy)
expect 0 "$MADPO" train "${kl[@]}" --set run.stages=sft,generate --run kl --quiet
measured() { "$JSONQ" --where ev=eval stage eval_kl <"$1/events.jsonl" | grep -c '^policy.[0-9]' || true; }
cp -r kl much
expect 0 "$MADPO" train "${kl[@]}" --run much --resume --headless
out_has 'memory: most is for the stage policy: .*total .*; beside it at most [0-9.]+ MB for the KL$'
mb=$(sed -nE 's|^memory: .* total ([0-9]+)(\.[0-9])? MB of .*|\1|p' out)
[ "$(measured much)" -eq 2 ] || fail "no KL where there is room"
# what is forecast for the policy does for it; the KL takes about 2 MB more
for ((n = mb; n < mb + 4; n++)); do
    rm -rf little
    cp -r kl little
    if "$MADPO" train "${kl[@]}" --set device.memory_mb=$n --run little --resume --headless >out 2>err; then break; fi
done
no_error
ended little done
out_has 'policy: no KL to the reference: [0-9.]+ MB more of device memory needed \(policy.kl_pairs\)'
[ "$(measured little)" -eq 0 ] || fail "a KL without room for it"
same_results much little
