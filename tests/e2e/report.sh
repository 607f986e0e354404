# A report of a run in every state it can be in: well-formed, complete in itself, nothing of the run's texts unescaped.
. "$(dirname "$0")/../support/cli.sh"
started=()
cleanup() {
    local pid
    for pid in "${started[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
}
start() { # start DIR train-arguments...: paused after a step
    local dir=$1
    shift
    expect 0 "$MADPO" train "$@" --run "$dir" --detach --json
    pid=$("$JSONQ" pid <out)
    started+=("$pid")
    expect 0 "$MADPO" ctl "$dir" pause --wait
}
report() { # report DIR: both kinds, checked for what holds of all
    expect 0 "$MADPO" report "$1"
    no_error
    is_plain out
    cp out text
    expect 0 "$MADPO" report "$1" --html page.html
    no_error
    [ ! -s out ] || fail "prints with --html"
    head -n 1 page.html | grep -qx '<!DOCTYPE html>' || fail "no doctype"
    if command -v xmllint >/dev/null; then
        xmllint --noout --nonet page.html 2>err || fail "not well-formed: $(head -n 3 err)"
    fi
    # nothing from elsewhere, nothing that acts
    ! grep -qiE '<(script|link|img|iframe|object|embed|form|base)\b|[^a-z]on[a-z]+="|javascript:|@import|url\(' page.html ||
        fail "the page has something active or from elsewhere"
    ! grep -oE '(https?:)?//[a-zA-Z][^" ]*' page.html | grep -vE '^http://www.w3.org/(2000/svg|1999/xhtml)$' ||
        fail "the page points elsewhere"
    ! grep -qE '\b(nan|inf)\b' page.html || fail "a number that is none"
    ! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f]' page.html || fail "control characters"
}
has() { grep -qE -- "$2" "$1" || fail "$1 lacks: $2"; }
lacks() { ! grep -qE -- "$2" "$1" || fail "$1 has: $2"; }

say "a finished run with everything"
expect 0 "$MADPO" train "$tiny" --run done --quiet
cksum done/*.* >before
report done
cksum done/*.* >after
same_file before after
has text '^state +done$'
has text '^result +true_reward of the policy '
has text '^policy +done, step 8 of 8'
has text '^  rewards/margins 0 to '
has text '^  eval_kl [0-9.]+ to [0-9.]+$'
has text '^policy .* MB of device memory at most$'
has text '^evaluate +policy +true_reward +8 .* to '
has text '^sft.lr = 0.003 \(default 0.001\)$'
for what in 'Implicit rewards' 'Margins and weights' 'Weights of the pairs' 'Effective sample size' 'Learning rate' \
    'Gradient norm' 'Distance from the reference' 'most device memory, MB' 'held out' '<h2>Samples' 'prefers-color-scheme:dark' 'true_reward' '<h2>Tokens' 'class="u[123]" title="\+' 'class="d[123]" title="-'; do
    has page.html "$what"
done
[ "$(grep -c '<svg' page.html)" -ge 14 ] || fail "too few figures"
# a figure has its numbers in words, too
has page.html 'class="numbers">training [0-9.]+ to [0-9.]+ \(lowest'

# numbers of the manifest are told, not given to their last digit
has text '^objective +madpo beta 0.1 c_max '
has page.html '<td>madpo beta 0.1 c_max '

say "an objective without a reference and without weights"
expect 0 "$MADPO" train "$tiny" --set policy.objective=simpo --run free --quiet
report free
has page.html '<b>Implicit rewards</b> beta times the log-probability'
lacks page.html 'Weights of the pairs'
lacks page.html 'Distance from the reference'

say "two prompts with the same text are two"
cp -r done alike
for who in reference policy; do
    for i in 0 1 2 3 4 5 6; do
        printf '{"who":"%s","i":%d,"prompt":"The film","text":" %s %d","score":0.5}\n' "$who" "$i" "$who" "$i"
    done
done >alike/samples.jsonl
report alike
[ "$(grep -c '<b>The film</b>' page.html)" -eq 6 ] || fail "prompts with one text come together"
grep -A5 '<b>The film</b>' page.html | grep -q '^<dd> policy 0</dd>' || fail "the policy's sample is not beside the reference's"

say "texts that would act"
hostile='<script>alert(1)</script> & "q" ]]> \u0007\u001b[31m \ufffe'
for ((i = 0; i < 40; i++)); do
    printf '{"prompt": "%s %d", "chosen": " fine <b>%d", "rejected": " poor </dd>%d"}\n' \
        "${hostile//\"/\\\"}" "$i" "$i" "$i"
done | sed 's/\\\\u/\\u/g' >pairs.jsonl
expect 0 "$MADPO" train "$tiny" --set data.pairs=pairs.jsonl --set data.max_prompt=100 --set data.max_tokens=140 --set batch.tokens=600 \
    --run hostile --quiet
grep -q '<script>' hostile/samples.jsonl || fail "no such text to show"
report hostile
has page.html '&lt;script&gt;alert\(1\)&lt;/script&gt; &amp; &quot;q&quot; ]]&gt;'
lacks page.html '<script'
# pairs too: their text is all there once the shades are taken away
sed -n '/<h2>Tokens/,/^<h2>[^T]/p' page.html | sed 's/<span class="[ud][123]"[^>]*>//g; s/<\/span>//g' >tokens
has tokens '^<dd> fine &lt;b&gt;[0-9]+</dd>$'
has tokens '^<dd> poor &lt;/dd&gt;[0-9]+</dd>$'
has tokens '<b>&lt;script&gt;alert'
mv hostile/tokens.jsonl whole
{ echo rubbish; head -c 3000 whole; } >hostile/tokens.jsonl # a bad line, and half of one
report hostile
rm hostile/tokens.jsonl
report hostile
lacks page.html '<h2>Tokens'

say "a folder whose name would"
odd=$'run <b>&"x\xff'
cp -r done "$odd"
report "$odd"
has page.html 'run &lt;b&gt;&amp;&quot;x'

say "a run that is going on"
start live "$tiny" --set run.stages=sft --set sft.max_steps=2000
expect 0 "$MADPO" ctl live lr x0.5 --wait
report live
has text '^state +paused$'
has text '^sft step [0-9]+, by socket: lr x 0.5 '
has text '^sft +not finished, step '
has page.html 'as it was when the page was made'
has page.html 'What was done to the run'
has page.html '<text [^>]*>lr</text>'
expect 0 "$MADPO" ctl live resume --wait
report live
has text '^state +running$'

say "a run that was killed"
kill -KILL "$pid"
for ((i = 0; i < 200; i++)); do # until it holds nothing any more: it is gone, or waits to be collected
    grep -q '^State:[[:space:]]*[^ZX]' "/proc/$pid/status" 2>/dev/null || break
    sleep 0.05
done
report live
has text '^state +broken off$'
has page.html 'was killed, or the machine went down'
printf '{"v":1,"ev":"st' >>live/events.jsonl
report live

say "stopped and resumed: later lines count"
start again "$tiny" --set run.stages=sft --set sft.max_steps=300 --set sft.checkpoint_every=0
expect 0 "$MADPO" ctl again stop --wait
report again
has text '^state +stopped: '
expect 0 "$MADPO" train --run again --resume --quiet
report again
has text '^state +done$'
has text ', resumed 1 time'

say "a run without a policy, one that failed, one that has hardly begun"
expect 0 "$MADPO" train "$tiny" --set run.stages=sft,generate,reward --run part --quiet
report part
lacks page.html 'Implicit rewards'
lacks text '^MARGINS'
lacks text '^objective'
expect 1 "$MADPO" train "$tiny" --set run.stages=sft --set sft.lr=10 --set sft.weight_decay=10 --set sft.warmup=0 \
    --set sft.schedule=constant --set sft.max_steps=100 --run failed --quiet
report failed
has text '^state +failed: '
has text '^WARNINGS'
mkdir bare
cp done/run.json bare
report bare
has page.html 'No step was reported yet'

say "damaged records do not matter"
cp -r done damaged
printf 'rubbish\n{"h":"x"}\n[]\n' >>damaged/margins.jsonl
printf '{"who":7}\n' >>damaged/samples.jsonl
printf 'policy : { objective = "nosuch"; };\n' >damaged/config.cfg
printf '{"v":1,"ev":"step","stage":"sft","step":"x"}\n{"ev":"eval"}\n{"ev":"control"}\n{"ev":7}\n' >>damaged/events.jsonl
report damaged

say "mistakes"
expect 1 "$MADPO" report nowhere
one_error 'holds no run'
expect 2 "$MADPO" report
expect 2 "$MADPO" report done live
expect 1 "$MADPO" report done --html no/such/folder.html
one_error 'no/such'
expect 0 "$MADPO" report done --html -
out_has '^</html>$'
