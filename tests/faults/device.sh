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
