# madpo experiment on a given model: with adapters, without an SFT stage, with data drawn for every seed.
. "$(dirname "$0")/../support/cli.sh"
expect 0 "$MADPO" train "$tiny" --run base --quiet --set run.stages=sft
small=("$tiny" --set experiment.tiers=low --set experiment.seeds=1,2)
given=("${small[@]}" --set model.path=base/models/sft)
statuses() { "$MADPO" experiment "$@" --list | cut -d' ' -f1 | sort | uniq -c | tr -s ' \n' ' '; }

say "adapters: the reference is the base with the SFT adapter, the reward model starts at the base"
lora=("${given[@]}" --set lora.rank=4 --set lora.alpha=8 --set lora.targets=all-linear --set reward.init=base
    --set experiment.methods=madpo,dpo)
expect 0 "$MADPO" experiment "${lora[@]}" --out lora --headless
no_error
[ "$(statuses "${lora[@]}" --out lora)" = " 4 done " ] || fail "not every cell is done"
out_has 'model: with the adapter of .*lora/shared/sft/models/sft'
for cell in lora/cells/*; do
    [ -s "$cell/models/policy/adapter_model.safetensors" ] || fail "$cell has no adapter"
    [ ! -e "$cell/checkpoints" ] || fail "$cell keeps checkpoints"
    # before the first step the policy is the reference: the loss of DPO is ln 2
    case $cell in
    *-dpo-*)
        loss=$("$JSONQ" --where ev=step step loss <"$cell/events.jsonl" | sed -n '1s/^1\t//p')
        [[ $loss == 0.693147* ]] || fail "$cell begins with the loss $loss, not ln 2"
        ;;
    esac
done

say "without an SFT stage the policies start at model.path"
plain=("${given[@]}" --set run.stages=generate,reward,margins,policy,evaluate --set experiment.methods=ipo
    --set experiment.seeds=3)
expect 0 "$MADPO" experiment "${plain[@]}" --out plain --quiet
[ ! -e plain/shared/sft/models/sft ] || fail "an SFT stage ran"
out_has '^\| ipo \| -?[0-9.]+ \[-?[0-9.]+, -?[0-9.]+\] \|'
out_has '95 % t interval over the prompts'

say "labels and reward models of their own for every seed"
reseed=("${small[@]}" --set experiment.methods=madpo --set experiment.reseed_data=true)
expect 0 "$MADPO" experiment "${reseed[@]}" --out reseed --quiet
for seed in 1 2; do
    [ -s reseed/tiers/low-s$seed/models/reward/model.safetensors ] || fail "seed $seed has no reward model"
    same_file reseed/tiers/low-s$seed/pairs.jsonl reseed/cells/low-madpo-s$seed/pairs.jsonl
done
! cmp -s reseed/shared/sft/tiers/low-s1.jsonl reseed/shared/sft/tiers/low-s2.jsonl || fail "the labels are the same"
expect 2 "$MADPO" experiment "${reseed[@]}" --out reseed --set experiment.seeds=1,2,3
one_error 'reseed_data the seeds cannot change from 1,2 to 1,2,3'
