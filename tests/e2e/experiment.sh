# madpo experiment: every cell, results, going on after stops, a cell that fails.
. "$(dirname "$0")/../support/cli.sh"
sizes=("$tiny" --set sft.max_steps=60 --set reward.max_steps=60 --set policy.max_steps=60 --set run.log_every=10
    --set experiment.tiers=high,medium --set experiment.seeds=1,2)
two=("${sizes[@]}" --set experiment.methods=madpo,beta-dpo)

# Start the experiment and send TERM as soon as a stage shows progress. Sets code.
stop_in() { # stop_in STAGE arguments...
    local stage=$1 line pid
    shift
    mkfifo pipe
    "$MADPO" experiment "$@" --headless >pipe 2>err &
    pid=$!
    code=0
    {
        while IFS= read -r line; do
            printf '%s\n' "$line"
            case $line in
            "$stage: "*%*) kill -s TERM "$pid" 2>/dev/null || true; break ;;
            esac
        done
        cat
    } <pipe >out
    { wait "$pid" || code=$?; } 2>/dev/null
    rm pipe
    [ "$code" -eq 3 ] || fail "exit code $code, not 3, after TERM in $stage"
    one_error 'stopped' 'same command'
}
statuses() { "$MADPO" experiment "$@" --list | cut -d' ' -f1 | sort | uniq -c | tr -s ' \n' ' '; }

expect 0 "$MADPO" experiment "${two[@]}" --out whole --list
[ "$(grep -c '^to do ' out)" -eq 8 ] || fail "not 8 cells to do"
[ ! -e whole ] || fail "--list made the folder"
expect 0 "$MADPO" experiment "${two[@]}" --out whole --headless
no_error
out_has '^# Results$'
out_has '^\| beta-dpo \| -?[0-9.]+ \[-?[0-9.]+, -?[0-9.]+\] \| -?[0-9.]+ \['
out_has '^\| reference \|'
[ "$(statuses "${two[@]}" --out whole)" = " 8 done " ] || fail "not every cell is done"
[ "$(wc -l <whole/results.csv)" -eq 11 ] || fail "results.csv: a line of names, 2 of the reference, 8 of cells"
grep -q 'plot ' whole/figures/rewards.gp || fail "no script for gnuplot"
if command -v gnuplot >/dev/null; then
    [ -s whole/figures/rewards.svg ] && [ -s whole/figures/rewards.png ] || fail "no figures"
fi

say "tiers: the same prompts; medium is half real text, the label goes by the scores and two Gumbel draws"
files=whole/shared/sft/tiers
for tier in high medium low; do
    "$JSONQ" id prompt <$files/$tier.jsonl >$tier.ids
    same_file high.ids $tier.ids
done
review=$(grep -c '"source":"sample, review"' $files/medium.jsonl) || true
all=$(wc -l <high.ids)
[ "$review" -ge $((all / 2 - 1)) ] && [ "$review" -le $((all / 2)) ] || fail "$review of $all rows of medium have a real text"
! grep -q '"source":"sample, review"' $files/high.jsonl || fail "the tier high has real texts"
! grep -q '"source":"sample, sample"' $files/low.jsonl || fail "the tier low has rows without a real text"
[ "$("$JSONQ" pair h <whole/tiers/high/margins.jsonl)" = "$("$JSONQ" pair h <whole/cells/high-madpo-s1/margins.jsonl)" ] ||
    fail "the margins of a cell are not those of its tier"

say "stopped in three stages and gone on: the same results"
for stage in sft reward policy; do
    stop_in $stage "${two[@]}" --out parts
done
expect 0 "$MADPO" experiment "${two[@]}" --out parts --quiet
same_file whole/results.json parts/results.json
same_file whole/results.md parts/results.md
same_file whole/results.csv parts/results.csv
expect 0 "$MADPO" experiment "${two[@]}" --out parts --headless
out_lacks '^policy: '

say "a cell that fails is told, the others go on"
bad='dpo@lr=10@weight_decay=10@schedule=constant@warmup=0@clip=0'
three=("${sizes[@]}" --set "experiment.methods=madpo,beta-dpo,$bad,dpo")
for again in first again; do
    expect 1 "$MADPO" experiment "${three[@]}" --out parts --headless
    one_error '4 of 16 cells failed' 'results.md' '--retry'
    out_has '^\| dpo \| -?[0-9.]+ \['
    out_has "^- high-$bad-s1: policy: loss or gradient is not finite"
    if [ $again = again ]; then
        out_lacks '^policy: '
    fi
done
[ "$(statuses "${three[@]}" --out parts)" = " 12 done 4 failed " ] || fail "not 12 done and 4 failed"
[ "$(grep -c ',failed,0,' parts/results.csv)" -eq 4 ] || fail "results.csv lacks the failures"

say "refused"
expect 2 "$MADPO" experiment "${two[@]}" --out whole --set policy.beta=0.3
one_error 'whole holds an experiment with other settings' 'policy.beta was 0.1, now 0.3'
expect 2 "$MADPO" experiment "${two[@]}" --out whole --only 'low-*'
one_error 'no cell "low-\*"' '--list'
expect 2 "$MADPO" experiment "${sizes[@]}" --out none --set experiment.methods=madpo,dpp
one_error 'method "dpp"' 'policy.objective'
expect 2 "$MADPO" experiment "${sizes[@]}" --out none --set experiment.tiers=best
one_error 'experiment.tiers: unknown tier "best"'
expect 2 "$MADPO" experiment "${sizes[@]}" --out none --set data.source=pairs --set data.pairs=x.jsonl
one_error 'samples its own pairs'
[ ! -e none ] || fail "a refused experiment made its folder"

say "one process at a time"
exec 9<>whole/experiment.lock
flock -n 9 || fail "the lock was not given back"
expect 1 "$MADPO" experiment "${two[@]}" --out whole
one_error 'whole is being worked on by another madpo experiment'
exec 9>&-

say "only one cell"
expect 0 "$MADPO" experiment "${two[@]}" --out one --only high-madpo-s2 --quiet
[ "$(statuses "${two[@]}" --out one)" = " 1 done 7 to " ] || fail "more or less than one cell is done"
