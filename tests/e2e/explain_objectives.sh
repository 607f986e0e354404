# madpo objectives: the list, one objective, the loss of a pair; every name is one the configuration takes.
. "$(dirname "$0")/../support/cli.sh"

expect 0 "$MADPO" objectives
no_error
is_plain out
out_has '^beta-dpo$'
out_has 'arXiv 2510\.05342'
out_has 'policy\.label_smoothing  *epsilon'
expect 0 "$MADPO" objectives --json
[ "$(wc -l <out)" -eq 1 ] || fail "JSON is not one line"
"$JSONQ" name whole_step <out >names
[ "$(wc -l <names)" -ge 20 ] || fail "too few objectives: $(cat names)"
while read -r name whole; do
    expect 0 "$MADPO" config --set policy.objective="$name"
    out_has "objective = \"$name\""
    expect 0 "$MADPO" objectives "$name"
    out_has "^$name\$"
    [ "$(grep -c Source: out)" -eq 1 ] || fail "$name is not alone"
    expect 0 "$MADPO" objectives "$name" --json -- -0.5 2
    "$JSONQ" loss weight dloss_dm <out | awk 'NF != 3 || !($1 == $1 + 0) || !($3 == $3 + 0) { exit 1 }' ||
        fail "$name: $(cat out)"
    for h in -1e6 1e6; do
        expect 0 "$MADPO" objectives "$name" --json -- -1e6 $h
        "$JSONQ" loss weight dloss_dm <out | grep -qi 'nan\|inf\|null\|-$' && fail "$name at $h: $(cat out)"
    done
done <names

say "values"
value() { # value LOSS WEIGHT SLOPE NAME... : what one pair gives
    local want=("$1" "$2" "$3")
    shift 3
    expect 0 "$MADPO" objectives --json "$@"
    "$JSONQ" loss weight dloss_dm <out | awk -v a="${want[0]}" -v b="${want[1]}" -v c="${want[2]}" '
    function differs(x, y) { return !((x - y) <= 1e-9 && (y - x) <= 1e-9) }
    { if (differs($1, a) || differs($2, b) || differs($3, c)) exit 1; n++ } END { exit n != 1 }' ||
        fail "$*: $(cat out), not ${want[*]}"
}
value 0.6931471805599453 1 -0.05 dpo 0
value 25 1 -10 ipo 0
value 0.6931471805599453 1 -0.05 madpo 0 0
value 0.7721792736409278 1.1140192087590084 -0.05570096043795 madpo 0 2
value 0.5458929371800753 1 -0.04206757478512506 dpo 3.2
value 0.9740769842 1 -1.2449186624 simpo 0 --set policy.beta=2 --set policy.gamma=0.5
value 9 1 -0.6 distill --set policy.beta=0.1 0 3
value 50 1 -10 sppo 0
value 0.6931471805599453 1 -0.05 beta-dpo 0
value 0.25 1 -0.5 sft -0.5
printf 'policy : { beta = 0.5; average = true; };\n' >my.cfg
value 1 1 -2 ipo --config my.cfg -- 0
expect 0 "$MADPO" objectives madpo 0 2
out_has '^weight 1\.114'
expect 0 "$MADPO" weights --set policy.variant=amplify --json 10
"$JSONQ" w <out | awk '$1 != 1 { exit 1 }' || fail "variant: $(cat out)"

say "mistakes"
expect 2 "$MADPO" objectives mdpo
one_error 'unknown objective "mdpo"; did you mean "madpo"'
expect 2 "$MADPO" objectives madpo 1
one_error 'madpo needs a reward margin, too: madpo objectives madpo 1 1'
for m in abc nan inf ''; do
    expect 2 "$MADPO" objectives dpo "$m"
    one_error "\"$m\" is not a margin"
done
expect 2 "$MADPO" objectives dpo 1 2 3
one_error 'one name and two margins at most'
expect 2 "$MADPO" objectives exo --set policy.label_smoothing=0 1
one_error 'label_smoothing = 0 leaves objective exo without a minimum'
expect 2 "$MADPO" objectives dpo --set policy.bta=1 1
one_error 'did you mean "policy.beta"'
