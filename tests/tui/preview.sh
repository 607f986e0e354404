# Parameters of the weight that were tried on the screen become a run: the configuration that is written is
# accepted, says what was tried, and the run it makes has the weights that were shown.
. "$(dirname "$0")/../support/cli.sh"
expect 0 "$MADPO" train "$tiny" --set reward.max_steps=80 --set reward.lr=1e-2 --run was --headless
# facts: what the panel of margins says of the weights
facts() { grep -oE 'ESS [0-9.]+ top10% [0-9.]+%' out | head -n 1; }

printf 'P' >keys
expect 0 "$MADPO" watch was --dump-screen 200x60 --script keys
out_has 'nothing was tried'
[ ! -e was-preview.cfg ] || fail "a configuration of nothing"
expect 0 "$MADPO" watch was --dump-screen 80x24
before=$(facts)
[ -n "$before" ] || fail "no facts of the weights"

# c_max three up, tau far down, lambda up, beta down
keys='2)))<Down><Down>'$(printf '(%.0s' $(seq 1 30))'<Down>)))))<Down>(('
printf '%s' "$keys" >keys
expect 0 "$MADPO" watch was --dump-screen 80x24 --script keys
tried=$(facts)
[ "$tried" != "$before" ] || fail "what was tried makes no difference: $tried"
printf '%sP' "$keys" >keys
expect 0 "$MADPO" watch was --dump-screen 200x60 --script keys
out_has 'written: madpo train was-preview.cfg  .its head has the --set'
expect 0 "$MADPO" config was-preview.cfg
for key in beta c_max c_min lambda tau; do
    value=$(sed -nE "2s/.*--set policy\.$key=([^ ]*).*/\1/p" was-preview.cfg)
    [ -n "$value" ] || fail "policy.$key is not among the arguments"
    awk -v want="$value" -v key="$key" '/^policy/ { inside = 1 } /^}/ { inside = 0 }
        inside && $1 == key { found = 1; sub(/;/, "", $3); exit !($3 + 0 == want + 0) }
        END { exit !found }' out || fail "policy.$key is not $value"
done
cp out with-file
# the arguments alone do the same
read -ra set < <(sed -n 's|^// --set|--set|p' was-preview.cfg)
expect 0 "$MADPO" config was/config.cfg "${set[@]}"
same_file with-file out

expect 0 "$MADPO" train was-preview.cfg --run next --headless
expect 0 "$MADPO" watch next --dump-screen 80x24
[ "$(facts)" = "$tried" ] || fail "the run has other weights: $(facts), not $tried"

# a run without a weight becomes one with it
sed -i 's/"objective": "madpo [^"]*"/"objective": "dpo beta 0.1"/' was/run.json
printf '2)P' >keys
expect 0 "$MADPO" watch was --dump-screen 200x60 --script keys
out_has 'written: madpo train was-preview-2.cfg'
[ "$(sed -n 2p was-preview-2.cfg | grep -c 'set policy.objective=madpo --set policy.c_max=2.1')" -eq 1 ] || fail "no arguments"
grep -q 'objective = "madpo";' was-preview-2.cfg || fail "no objective"
rm was/config.cfg was-preview*.cfg
expect 0 "$MADPO" watch was --dump-screen 200x60 --script keys
out_has 'config.cfg'
[ ! -e was-preview.cfg ] || fail "a configuration made of nothing"
