# A really trained model (MADPO_TEST_DATA/models/stories260K) against what an independent forward pass says of it.
. "$(dirname "$0")/../support/cli.sh"
model=${MADPO_TEST_DATA:-}/models/stories260K
[ -n "${MADPO_TEST_DATA:-}" ] && [ -d "$model" ] || skip "MADPO_TEST_DATA names no folder with models/stories260K"
command -v python3 >/dev/null || skip "no python3 to read expected.json with"
check() { python3 -c "import json, sys
want = json.load(open('$model/expected.json'))
$1" || fail "$2"; }

expect 0 "$MADPO" generate "$model" --prompt '' --greedy --max-tokens 64 --json
cp out greedy
check "got = json.load(open('greedy'))
assert got['prompt_ids'] == [1] and got['ids'] == want['greedy_ids_after_bos'][:64], got['ids']
assert want['greedy_text'].startswith(got['text']) and len(got['text']) > 100, got['text']
assert got['finish'] == 'length'" "greedy ids or text"
n=$(check "print(len(want['greedy_ids_after_bos']))" count)
expect 0 "$MADPO" generate "$model" --prompt '' --json --max-tokens "$n" --quiet
no_error
cp out whole
check "got = json.load(open('whole'))
assert got['ids'] == want['greedy_ids_after_bos'] and got['text'] == want['greedy_text'], got" "the whole text"

# log-probs of texts behind the begin token; 2e-5 a token is what single precision is allowed
check "
with open('pairs.jsonl', 'w') as f:
    for t in want['mean_nll_nats_per_token']:
        json.dump({'prompt': '', 'chosen': t['text'], 'rejected': 'One day.'}, f); f.write('\n')" pairs
expect 0 "$MADPO" score "$model" pairs.jsonl --no-eos
cp out scores
grep -q 'order right in' err || fail "no summary"
check "
lines = [json.loads(line) for line in open('scores')]
texts = want['mean_nll_nats_per_token']
assert len(lines) == len(texts) > 0
for i, (got, t) in enumerate(zip(lines, texts)):
    n = len(t['input_ids']) - 1
    assert got['id'] == i and got['chosen']['tokens'] == n, got
    assert abs(-got['chosen']['logp'] / n - t['nll']) <= 2e-5, (got, t['nll'])" "log-probs"
for tokens in 1 100000; do # micro-batches of one pair, and one of all
    expect 0 "$MADPO" score "$model" pairs.jsonl --no-eos --batch-tokens $tokens --quiet
    cp out other
    check "
for a, b in zip(open('scores'), open('other')):
    a, b = json.loads(a), json.loads(b)
    assert abs(a['chosen']['logp'] - b['chosen']['logp']) <= 1e-4, (a, b)" "scores by batches"
done

check "
for t in want['mean_nll_nats_per_token']: print(t['text'])" texts >texts
expect 0 "$MADPO" tokenize "$model" <texts
cp out ids
check "
assert [json.loads(line) for line in open('ids')] == [t['input_ids'] for t in want['mean_nll_nats_per_token']]" ids
expect 0 "$MADPO" tokenize "$model" --decode --no-specials <ids
same_file out texts
expect 0 "$MADPO" info "$model" --json
[ "$("$JSONQ" architecture parameters vocabulary end_tokens <out)" = "llama	260032	512	[2,1]" ] || fail info
