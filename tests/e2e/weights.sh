# c(h) and w(h): the published settings' table (docs of the method), formats, negative numbers, bad input.
. "$(dirname "$0")/../support/cli.sh"

# h c w at c_max 2, c_min .5, lambda 1, tau ln 999, then at c_max 4, c_min .25, tau 7
cat >want_a <<'EOF'
-10 0.5332616149 1
-6.9 1.0022541220 0.9845821864
-4 1.8521972596 0.0336667414
-0.5 1.9950651737 0.7136365510
0 1.9970029970 1
0.5 1.9950651737 1.1736882117
4 1.8521972596 1.0176990110
10 0.5332616149 0.9952369982
20 0.5000015443 0.9999546056
EOF
cat >want_b <<'EOF'
-7 1.0000000000 1
-4 3.3772196133 0.0000755489
-2 3.9015833010 0.0034250235
0 3.9863714809 1
0.5 3.9775832212 1.4131288472
7 1.0000000000 1
10 0.2961015612 0.9508247077
EOF
compare() { # compare WANT < "h c w" lines
    awk -v want="$1" '
    function differs(a, b) { return !((a - b) <= 1e-6 && (b - a) <= 1e-6) }
    { getline line <want; split(line, w, " "); n++
      if (differs($1, w[1]) || differs($2, w[2]) || differs($3, w[3])) { print "got " $0 ", want " line; bad++ } }
    END { if (getline line <want) { print "missing " line; bad++ }; exit bad > 0 || n == 0 }' || fail "weights of $1"
}

expect 0 "$MADPO" weights -10 -6.9 -4 -.5 0 0.5 4 10 20
no_error
out_has 'c_max 2, c_min 0\.5, lambda 1, tau 6\.9067'
tail -n +3 out | compare want_a
b=(--set policy.c_max=4 --set policy.tau=7)
expect 0 "$MADPO" weights "${b[@]}" -7 -4 -2 0 0.5 7 10
tail -n +3 out | compare want_b
expect 0 "$MADPO" weights --json -7 -4 -2 0 0.5 7 10 "${b[@]}"
"$JSONQ" h c w <out | compare want_b
[ "$(wc -l <out)" -eq 1 ] || fail "JSON is not one line"
expect 0 "$MADPO" weights --set policy.c_max=1 -3 3
tail -n +3 out | awk '$2 != 1 || $3 != 1 { exit 1 }' || fail "c_max = 1 is not DPO"
printf 'policy : { c_max = 4.0; tau = 7.0; };\n' >my.cfg
expect 0 "$MADPO" weights --config my.cfg -- -7 -4 -2 0 0.5 7 10
tail -n +3 out | compare want_b
expect 0 "$MADPO" weights 1e6 -1e6
tail -n +3 out | grep -qi nan && fail "NaN at large margins"

expect 2 "$MADPO" weights
one_error 'no margins given' 'madpo weights -4'
for h in abc 1x nan inf -inf ''; do
    expect 2 "$MADPO" weights 0 "$h"
    one_error "\"$h\" is not a margin"
done
expect 2 "$MADPO" weights --set policy.c_max=0.5 1
one_error 'policy.c_max'
