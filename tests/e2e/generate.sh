# Texts from a model: JSON, plain lines and a terminal; prompts from a file; stops; every mistake one line.
. "$(dirname "$0")/../support/cli.sh"
expect 0 "$MADPO" train "$tiny" --run r --set run.stages=sft --set data.max_tokens=96 --quiet
sft=r/models/sft
gen=("$MADPO" generate "$sft" --quiet)

say "one prompt"
expect 0 "${gen[@]}" --prompt 'The film' --greedy --max-tokens 12 --json
no_error
cp out greedy
[ "$(wc -l <greedy)" -eq 1 ] || fail "one completion is not one line"
[ "$("$JSONQ" index sample <greedy)" = "0	0" ] || fail "index and sample"
ids=$("$JSONQ" prompt_ids <greedy)
printf 'The film\n' >line
[ "$("$MADPO" tokenize "$sft" <line)" = "$ids" ] || fail "prompt_ids are not what tokenize gives: $ids"
# the text is that of the ids
"$JSONQ" ids <greedy | "$MADPO" tokenize "$sft" --decode --no-specials --json >text
[ "$(sed 's/^"//; s/"$//' text)" = "$("$JSONQ" text <greedy)" ] || fail "text is not that of ids"
expect 0 "${gen[@]}" --prompt 'The film' --greedy --max-tokens 12
no_error
[ "$(cat out)" = "$("$JSONQ" text <greedy)" ] || fail "plain and JSON texts differ"
is_plain out
expect 0 "$MADPO" generate r/models/sft --prompt 'The film' --max-tokens 12 --json
same_file out greedy # without generation_config.json the likeliest token
grep -q 'weights' err || fail "no memory plan on standard error"
expect 0 "${gen[@]}" --prompt '' --max-tokens 3 --json
[ "$("$JSONQ" prompt_ids <out)" = "[1]" ] || fail "an empty prompt is not the begin token"

say "sampling: a function of the seed, whatever the batch"
sample=("${gen[@]}" --temperature 1 --top-k 0 --samples 5 --max-tokens 12 --json)
expect 0 "${sample[@]}" --prompt 'A' --batch 1
cp out one_by_one
[ "$(sort -u out | wc -l)" -eq 5 ] || fail "samples are not all there, or the same"
for batch in 2 5 16; do
    expect 0 "${sample[@]}" --prompt 'A' --batch $batch
    same_file out one_by_one
done
expect 0 "${sample[@]}" --prompt 'A' --seed 43
! cmp -s out one_by_one || fail "another seed gives the same texts"

say "prompts from files"
printf 'A\n\nThe film\r\nI saw\n' >p.txt
gzip -k p.txt
printf '{"prompt":"A","id":7}\n{"prompt":"The film","id":"b"}\n{"prompt":"I saw"}\n' >p.jsonl
expect 0 "${sample[@]}" --prompts p.txt --batch 4
cp out from_text
[ "$(wc -l <out)" -eq 15 ] || fail "three prompts of five samples"
[ "$("$JSONQ" index sample <out | tail -n 1)" = "2	4" ] || fail "order of completions"
expect 0 "${sample[@]}" --prompts p.txt.gz --batch 15
same_file out from_text
expect 0 "${sample[@]}" --prompts - <p.txt
same_file out from_text
expect 0 "${sample[@]}" --prompts p.jsonl
[ "$("$JSONQ" --where id=7 index <out | sort -u)" = 0 ] || fail "id of a record"
"$JSONQ" ids <out >a
"$JSONQ" ids <from_text >b
same_file a b
expect 0 "${sample[@]}" --prompts - <p.jsonl
"$JSONQ" ids <out >b
same_file a b

say "stops"
text=$("$JSONQ" text <greedy)
stop=${text:4:3}
expect 0 "${gen[@]}" --prompt 'The film' --greedy --max-tokens 12 --json --stop nowhere --stop "$stop"
[ "$("$JSONQ" finish <out)" = stop ] || fail "finish is not stop"
[ "$("$JSONQ" text <out)" = "${text%%"$stop"*}" ] || fail "text is not cut before the stop"
expect 0 "${gen[@]}" --prompt 'The film' --greedy --max-tokens 2 --json
[ "$("$JSONQ" finish <out)" = length ] || fail "finish is not length"
# any token can be the end
first=$("$JSONQ" ids <greedy | tr -d '[]' | cut -d, -f3)
cp -r "$sft" ended
printf '{"eos_token_id":[2,%s]}\n' "$first" >ended/generation_config.json
expect 0 "$MADPO" generate ended --quiet --prompt 'The film' --max-tokens 12 --json
[ "$("$JSONQ" finish <out)" = eos ] || fail "finish is not eos"
[ "$("$JSONQ" ids <out | tr -cd , | wc -c)" -le 1 ] || fail "it went on behind the end token"
printf '{"do_sample":true,"temperature":1.5,"max_new_tokens":4}\n' >ended/generation_config.json
expect 0 "$MADPO" generate ended --quiet --prompt 'The film' --samples 8 --json
[ "$("$JSONQ" ids <out | sort -u | wc -l)" -gt 1 ] || fail "do_sample does not sample"
[ "$("$JSONQ" ids <out | tr -cd ',\n' | awk 'length > 3' | wc -l)" -eq 0 ] || fail "max_new_tokens"
printf '{"top_p":7}\n' >ended/generation_config.json
expect 1 "$MADPO" generate ended --prompt A
one_error 'ended/generation_config.json' 'top_p is 7'

say "chat"
expect 1 "${gen[@]}" --chat --prompt Hi
one_error 'no chat template' '--layout'
expect 0 "${gen[@]}" --chat --layout chatml --prompt Hi --max-tokens 1 --json
"$JSONQ" prompt_ids <out | "$MADPO" tokenize "$sft" --decode --no-specials >said
grep -q '<|im_start|>user' said || fail "no chat layout: $(cat said)"
printf '{"prompt":[{"role":"user","content":"Hi"}]}\n' >chat.jsonl
expect 0 "${gen[@]}" --layout chatml --prompts chat.jsonl --max-tokens 1 --json
"$JSONQ" prompt_ids <out | "$MADPO" tokenize "$sft" --decode --no-specials >same
same_file said same
