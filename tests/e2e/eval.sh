# madpo eval: a run against its own parts, models by name, and what is refused.
. "$(dirname "$0")/../support/cli.sh"
expect 0 "$MADPO" train "$tiny" --set generate.prompts=120 --run run --quiet
short=(--max-tokens 12 --temperatures 0,1)

say "a run: its SFT model, reward model, scorer and held-out pairs"
expect 0 "$MADPO" eval run "${short[@]}" --out eval.json
out_has '^run: one sample for each of 9 prompts' # each text once
[ "$(grep -c '^temperature ' out)" -eq 2 ] || fail "not two temperatures"
out_has '^  policy +true reward -?[0-9.]+ \[-?[0-9.]+, -?[0-9.]+\], [0-9.]+ tokens'
out_has '^  reference +true reward'
out_has '^  true reward, policy - reference +-?[0-9.]+ \['
out_has '^  log\(policy/reference\) per token +-?[0-9.]+ \['
out_has '^  reward model prefers it to answers +[01]\.[0-9]+ \['
cp eval.json first.json
expect 0 "$MADPO" eval run "${short[@]}" --json --quiet --out eval.json
no_error
same_file eval.json first.json
[ "$("$JSONQ" model reference scorer n_prompts <out)" = "run	run/models/sft	run/scorer.bin	9" ] ||
    fail "the JSON does not say what was compared"

say "the same random numbers for both: a model against itself differs in nothing"
expect 0 "$MADPO" eval run/models/sft --reference run/models/sft --pairs run/pairs.jsonl --scorer run/scorer.bin \
    "${short[@]}" --quiet
[ "$(grep -c 'true reward, policy - reference *0.000 \[0.000, 0.000\], p 1.0000' out)" -eq 2 ] || fail "rewards differ"
[ "$(grep -c 'per text *0.000 \[0.000, 0.000\]' out)" -eq 2 ] || fail "log-probs differ"
out_lacks 'reward model'

say "prompts of a file, without anything to compare with"
printf 'the film\n\nthis one\nthat one\n' >prompts.txt
expect 0 "$MADPO" eval run/models/policy --prompts prompts.txt "${short[@]}" --quiet
out_has 'each of 3 prompts'
out_lacks 'true reward|reference|reward model'
out_has '^  policy +[0-9.]+ tokens \(SD [0-9.]+\), [0-9.]+ % ended, distinct-1 [0-9.]+'

say "refused"
expect 2 "$MADPO" eval
one_error 'no model given'
expect 2 "$MADPO" eval run --prompts prompts.txt --pairs run/pairs.jsonl
one_error 'either --prompts or --pairs'
expect 2 "$MADPO" eval run/models/policy
one_error '--pairs FILE or --prompts FILE'
expect 2 "$MADPO" eval run --temperatures 0,warm
one_error '"warm"'
expect 2 "$MADPO" eval run --top-p 0
one_error '--top-p'
expect 2 "$MADPO" eval run/models/reward --prompts prompts.txt --quiet
one_error 'is a reward model'
expect 2 "$MADPO" eval run --reward run/models/sft "${short[@]}" --quiet
one_error 'run/models/sft.*no reward model'
expect 1 "$MADPO" eval run --max-tokens 5000 --quiet
one_error 'positions; lower --max-tokens'
expect 0 "$MADPO" train "$tiny" --set tokenizer.vocab=300 --set run.stages=sft --run other --quiet
expect 2 "$MADPO" eval run --reference other/models/sft "${short[@]}" --quiet
one_error 'its tokenizer has [0-9]+ tokens'
printf '{"prompt": "x"}\n' >one.jsonl
expect 1 "$MADPO" eval run --prompts one.jsonl --quiet
one_error 'at least two prompts'
