# Preference pairs of one's own, through the program and through the library.
. "$(dirname "$0")/../support/cli.sh"
write_pairs 60 >pairs.jsonl
gzip -k pairs.jsonl
stages=run.stages=sft,reward,margins,policy
for file in pairs.jsonl pairs.jsonl.gz; do
    expect 0 "$MADPO" train "$tiny" --run "from-$file" --set data.source=pairs --set data.pairs=$file \
        --set $stages --set data.truncate_prompt=true
    no_error
    ended "from-$file" done
    [ -s "from-$file/models/policy/model.safetensors" ] || fail "no policy from $file"
done
same_file from-pairs.jsonl/models/policy/model.safetensors from-pairs.jsonl.gz/models/policy/model.safetensors

say "the same pairs in other forms give the same policy, bit for bit"
same_policy() { # same_policy FILE [--set key=value]...
    local file=$1
    shift
    expect 0 "$MADPO" train "$tiny" --run "from-$file" --set data.pairs=$file --set $stages \
        --set data.truncate_prompt=true "$@"
    no_error
    same_file from-pairs.jsonl/models/policy/model.safetensors "from-$file/models/policy/model.safetensors"
}
{ echo '['; sed '$!s/$/,/' pairs.jsonl; echo ']'; } >pairs.json
same_policy pairs.json
{ echo prompt,chosen,rejected; sed 's/{"prompt": //; s/ "chosen": //; s/ "rejected": //; s/}$//' pairs.jsonl; } >pairs.csv
same_policy pairs.csv
sed 's/"prompt"/"q"/; s/"chosen"/"a"/; s/"rejected"/"b"/; s/}$/, "best": "a"}/' pairs.jsonl >renamed.jsonl
same_policy renamed.jsonl --set data.fields=prompt=q,first=a,second=b,label=best

say "margins of another run in the reward model's place give the same policy, bit for bit"
margins=from-pairs.jsonl/margins.jsonl
expect 0 "$MADPO" train "$tiny" --run given --set data.pairs=pairs.jsonl --set data.truncate_prompt=true \
    --set run.stages=sft,margins,policy --set data.margins=$margins
no_error
out_has 'taken from'
[ ! -e given/models/reward ] || fail "a reward model was trained"
same_file $margins given/margins.jsonl
same_file from-pairs.jsonl/models/policy/model.safetensors given/models/policy/model.safetensors
sed '$d' $margins >fewer.jsonl
expect 1 "$MADPO" train "$tiny" --run short --set data.pairs=pairs.jsonl --set data.truncate_prompt=true \
    --set run.stages=sft,margins,policy --set data.margins=fewer.jsonl
one_error 'fewer.jsonl has no margin of pair 59'
[ ! -e short/models ] || fail "it was told too late"

say "and so do its reference's log-probs"
reference=from-pairs.jsonl/reference.jsonl
expect 0 "$MADPO" train "$tiny" --run taken --set data.pairs=pairs.jsonl --set data.truncate_prompt=true \
    --set run.stages=sft,margins,policy --set data.margins=$margins --set policy.reference=$reference
no_error
out_has "reference log-probs taken from $reference"
same_file $reference taken/reference.jsonl
same_file from-pairs.jsonl/models/policy/model.safetensors taken/models/policy/model.safetensors
sed '$d' $reference >fewer.jsonl
sed 's/"id": *3,/"id":777,/' $reference >other.jsonl
for mistake in "2 fewer fewer.jsonl has 59 records for 60 pairs" "2 other pair 777 is none of this run's" \
    "1 absent policy.reference: absent.jsonl is not there"; do
    read -r code name message <<<"$mistake"
    expect "$code" "$MADPO" train "$tiny" --run "$name" --set data.pairs=pairs.jsonl \
        --set data.truncate_prompt=true --set run.stages=sft,margins,policy --set data.margins=$margins \
        --set policy.reference="$name.jsonl"
    one_error "$message"
    [ ! -e "$name/models/policy" ] || fail "a policy was trained"
done
[ ! -e absent/models/sft ] || fail "it was told too late"

say "chat messages need a layout"
sed -E 's/"prompt": "([^"]*)"/"prompt": [{"role": "user", "content": "\1"}]/' pairs.jsonl >chat.jsonl
expect 1 "$MADPO" train "$tiny" --run from-chat --set data.pairs=chat.jsonl --set $stages
one_error 'chat.jsonl:1' 'data.chat'
expect 0 "$MADPO" train "$tiny" --run from-chat --set data.pairs=chat.jsonl --set $stages --set data.chat=gemma \
    --set data.max_tokens=128 --set data.max_prompt=0 --set data.truncation=keep_end
no_error
grep -q '<end_of_turn>' from-chat/pairs.jsonl || fail "the messages were not rendered"
out_has '60 of chat messages'
