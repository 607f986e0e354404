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
