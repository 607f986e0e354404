# Files that are missing, empty or say something impossible. Each is named with the remedy, no run is left
# behind, and the same command works once the file is right.
. "$(dirname "$0")/../support/cli.sh"

reviews=(--set data.reviews=reviews.csv --set run.stages=sft)
pairs=(--set data.pairs=pairs.jsonl --set run.stages=sft,reward)

refused() { # refused reviews|pairs PATTERN...
    local -n settings=$1
    shift
    expect 1 "$MADPO" train "$tiny" --run r "${settings[@]}"
    one_error "$@"
    [ ! -e r/models ] || fail "something was trained on bad data"
    rm -rf r
}

say "reviews"
rm -f reviews.csv
refused reviews 'reviews.csv' 'No such file'
: >reviews.csv
refused reviews 'reviews.csv' 'empty'
printf 'text,label\ngood,positive\n' >reviews.csv
refused reviews 'reviews.csv' '"?review"?' 'text'
printf 'review,sentiment\ngood,positive\nbad,awful\n' >reviews.csv
refused reviews 'reviews.csv:3' 'awful'
printf 'review,sentiment\n"never closed,positive\n' >reviews.csv
refused reviews 'reviews.csv:2' 'quote'
printf 'review,sentiment\n' >reviews.csv
refused reviews 'reviews.csv'
printf 'review,sentiment\nonly one field\n' >reviews.csv
refused reviews 'reviews.csv:2'
printf '\037\213\010\000' >reviews.csv
refused reviews 'reviews.csv'
rm reviews.csv
mkdir reviews.csv
refused reviews 'reviews.csv' 'folder|directory'
rmdir reviews.csv

say "pairs"
rm -f pairs.jsonl
refused pairs 'pairs.jsonl' 'No such file'
: >pairs.jsonl
refused pairs 'pairs.jsonl' 'empty|no pairs'
write_pairs 3 >pairs.jsonl
printf '{"prompt": "Film", "chosen": "", "rejected": " bad"}\n' >>pairs.jsonl
refused pairs 'pairs.jsonl:4' 'chosen' 'empty'
write_pairs 3 >pairs.jsonl
printf '{"prompt": "Film", "rejected": " bad"}\n' >>pairs.jsonl
refused pairs 'pairs.jsonl:4' 'chosen'
write_pairs 3 >pairs.jsonl
printf '{"prompt": "Film", "chosen": 7, "rejected": " bad"}\n' >>pairs.jsonl
refused pairs 'pairs.jsonl:4' 'chosen' 'string'
write_pairs 3 >pairs.jsonl
printf '{"prompt": "Fi' >>pairs.jsonl
refused pairs 'pairs.jsonl:4'
write_pairs 40 >pairs.jsonl
printf '{"id": 77, "prompt": "%s", "chosen": " good", "rejected": " bad"}\n' \
    "$(printf 'a very long prompt %.0s' {1..20})" >>pairs.jsonl
refused pairs 'pair 77' 'data.max_prompt' 'data.truncate_prompt'

say "the same command with the file put right"
write_pairs 40 >pairs.jsonl
expect 0 "$MADPO" train "$tiny" --run r "${pairs[@]}" --set data.max_prompt=16
ended r done

say "or with bad lines passed over"
printf '{"prompt": "Film", "chosen": "", "rejected": " bad"}\nnonsense\n' >>pairs.jsonl
expect 0 "$MADPO" train "$tiny" --run r2 "${pairs[@]}" --set data.skip_bad_lines=true --set data.max_prompt=16
out_has '2 '

say "a tokenizer that is none"
printf '{"model": {"type": "WordPiece"}}' >tokenizer.json
expect 1 "$MADPO" train "$tiny" --run r3 --set tokenizer.path=tokenizer.json --set run.stages=sft
one_error 'tokenizer.json'
