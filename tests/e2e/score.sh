# madpo score gives what the stages of a run computed: rewards are its margins, log-probs its references.
. "$(dirname "$0")/../support/cli.sh"
expect 0 "$MADPO" train "$tiny" --run r --set run.stages=sft,generate,reward,margins,policy --quiet
pairs=r/pairs.jsonl
n=$(wc -l <$pairs)

# "chosen rejected" of every line of a file of scores
both() { sed -E 's/.*"chosen":\{"'"$1"'":([^,]*),.*"rejected":\{"'"$1"'":([^,]*),.*/\1 \2/' "$2"; }
# both_close A B: the same columns of numbers to 1e-4, no line missing
both_close() {
    [ "$(wc -l <"$1")" -eq "$n" ] && [ "$(wc -l <"$2")" -eq "$n" ] || fail "$1 and $2 have not $n lines"
    paste -d' ' "$1" "$2" | awk '
        { m = NF / 2; for (i = 1; i <= m; i++) { d = $i - $(i + m); if (!(d <= 1e-4 && d >= -1e-4)) { print; bad = 1 } } }
        END { exit bad }' || fail "$1 and $2 differ"
}

say "rewards"
expect 0 "$MADPO" score r/models/reward $pairs
cp out rewards
grep -q "^$n pairs; rewards order right in [01]\.[0-9]* of them (95 % interval" err || fail "no summary"
both reward rewards | awk '{ print $1 - $2 }' >h
"$JSONQ" pair h <r/margins.jsonl | sort -n | cut -f2 >margins
both_close h margins
right=$(both reward rewards | awk '$1 > $2 { k++ } END { printf "%.4f", k / NR }')
grep -q "order right in $right of" err || fail "the share of right pairs is not $right"
[ "$("$JSONQ" id <rewards)" = "$("$JSONQ" id <$pairs)" ] || fail "ids"

say "log-probs"
expect 0 "$MADPO" score r/models/sft $pairs --no-eos --quiet
[ ! -s err ] || grep -q 'order right' err || fail "--quiet is not quiet"
cp out logps
both logp logps >logps.both
"$JSONQ" pair chosen rejected <r/reference.jsonl | sort -n | cut -f2,3 | tr '\t' ' ' >reference
both_close logps.both reference
for tokens in 1 37 5000; do
    expect 0 "$MADPO" score r/models/sft $pairs --no-eos --batch-tokens $tokens
    both logp out >other
    both_close logps.both other
done
expect 0 "$MADPO" score r $pairs --no-eos # the run's policy
both logp out >policy
! cmp -s policy logps.both || fail "the policy scores as the SFT model does"
expect 0 "$MADPO" score r/models/sft $pairs
both logp out | paste -d' ' - logps.both | awk '$1 >= $3 { bad = 1 } END { exit bad }' ||
    fail "the end token costs nothing"

say "forms and lengths"
gzip -kc $pairs >p.gz
expect 0 "$MADPO" score r/models/sft p.gz --no-eos
same_file out logps
sed 's/"prompt"/"q"/; s/"chosen"/"yes"/; s/"rejected"/"no"/' $pairs >named.jsonl
expect 0 "$MADPO" score r/models/sft named.jsonl --no-eos --fields prompt=q,chosen=yes,rejected=no
same_file out logps
expect 0 "$MADPO" score r/models/sft $pairs --no-eos --max-tokens 9 --truncate-prompt --max-prompt 4
grep -q "[1-9][0-9]* prompts cut" err || fail "nothing is said of pairs that were cut"
expect 1 "$MADPO" score r/models/sft $pairs --max-tokens 4 --max-prompt 2
one_error 'prompt' 'pair'

say "mistakes"
expect 2 "$MADPO" score r/models/sft
one_error 'a model and a file of pairs are needed'
expect 2 "$MADPO" score r/models/sft $pairs --max-tokens 100000
one_error "more than the model's [0-9]+ positions"
expect 2 "$MADPO" score r/models/sft $pairs --truncation middle
one_error '--truncation takes error, keep_start or keep_end'
{ head -n 2 $pairs; echo '{"prompt":"A","chosen":"B"}'; } >bad.jsonl
expect 1 "$MADPO" score r/models/sft bad.jsonl
one_error 'bad.jsonl:3:'
expect 0 "$MADPO" score r/models/sft bad.jsonl --skip-bad
[ "$(wc -l <out)" -eq 2 ] || fail "--skip-bad"
expect 2 "$MADPO" generate r/models/reward --prompt A
one_error 'is a reward model' 'madpo score'
