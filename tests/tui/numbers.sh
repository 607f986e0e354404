# Panels as numbers: every panel has a table whose lines have as many fields as its first; the numbers are those of
# the files; a moment of the past cuts them; the key writes what --dump-panel prints.
. "$(dirname "$0")/../support/cli.sh"
here=$MADPO_TEST_SOURCE_DIR/tests/tui
bash "$here/fixture.sh" fixture
panels=(loss margins samples rewards weights system metrics groups pair log)

# column NAME: that column of the table in the file out
column() {
    awk -F '\t' -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i; if (!c) exit 1; next }
        { print $c }' out || fail "no column $1"
}
for panel in "${panels[@]}"; do
    expect 0 "$MADPO" watch fixture --dump-panel "$panel"
    no_error
    is_plain out
    [ "$(wc -l <out)" -gt 1 ] || fail "$panel has no lines"
    awk -F '\t' -v panel="$panel" 'NR == 1 { n = NF } NF != n { print panel ": line " NR " has " NF " fields, not " n; bad = 1 }
        END { exit bad }' out || fail "the lines of $panel"
done

say "the numbers of the files"
expect 0 "$MADPO" watch fixture --dump-panel loss
awk -F '\t' '$1 == "loss" { print $3, $9 }' out >shown
# of steps that were done twice the later ones count; at step 30 the loss is NaN
grep '"ev":"step","stage":"policy"' fixture/events.jsonl |
    sed -E 's/.*"step":([0-9]+),.*"loss":([^,]*),.*/\1 \2/' | awk '{ v[$1] = $2 } END { for (i = 1; i <= 80; i++) print i, v[i] }' >logged
paste -d ' ' shown logged | awk '$1 != $3 { exit 1 } $4 == "null" { if ($2 != "nan") exit 1; next }
    { d = $2 - $4; if (d > 1e-6 || d < -1e-6) exit 1 } END { exit NR != 80 }' || fail "the losses are not those of the log"
expect 0 "$MADPO" watch fixture --dump-panel margins
[ "$(column pairs | awk '{ n += $1 } END { print n }')" -eq 54 ] || fail "the bins do not hold the 54 pairs that are trained on"
printf '2))' >keys
expect 0 "$MADPO" watch fixture --dump-panel margins --script keys
[ "$(column w_tried | grep -c nan)" -eq 0 ] || fail "no weights of what was tried"
expect 0 "$MADPO" watch fixture --dump-panel samples
awk -F '\t' 'NR > 1 { printf "%d %.6f\n", $1, $2 }' out | sort -n >shown
sed -E 's/.*"id":([0-9]+),.*"h":([-0-9.]+),.*/\1 \2/' fixture/margins.jsonl | awk '{ printf "%d %.6f\n", $1, $2 }' | sort -n >logged
same_file shown logged
printf 'fsrc:hard<Enter>u' >keys
expect 0 "$MADPO" watch fixture --dump-panel samples --script keys
[ "$(wc -l <out)" -eq 21 ] || fail "not the 20 pairs that pass"
column w >shown
sort -g shown >sorted
same_file shown sorted
printf 'fid=1<Enter>' >keys
expect 0 "$MADPO" watch fixture --dump-panel pair --script keys
out_has '^prompt	nan	nan	nan	Write a haiku.tabout snow' # the tab of the text as an escape
# the tokens of a pair: their values are those of tokens.jsonl, their texts are the answer's
printf 'ftok>0<Enter>' >keys
expect 0 "$MADPO" watch fixture --dump-panel pair --script keys
id=$(awk -F '\t' '$1 == "id" { print $3 }' out)
awk -F '\t' '$1 == "chosen_token" { print $2, $3 }' out >shown
[ "$(wc -l <shown)" -gt 3 ] || fail "no tokens"
step=$(head -n 1 shown | cut -d' ' -f1)
grep "^{\"id\":$id,\"step\":$step," fixture/tokens.jsonl | tail -n 1 |
    sed -E 's/.*"chosen":\{[^}]*"logp":\[([^]]*)\].*/\1/' | tr ',' '\n' | awk -v s="$step" '{ print s, $1 + 0 }' >logged
awk '{ print $1, $2 + 0 }' shown | same_file /dev/stdin logged
expect 0 "$MADPO" watch fixture --dump-panel log
[ "$(column kind | grep -c warning)" -eq 1 ] || fail "not the one warning"

say "a moment of the past"
expect 0 "$MADPO" watch fixture --dump-panel loss --at 40
[ "$(awk -F '\t' '$1 == "loss"' out | wc -l)" -eq 40 ] || fail "not the 40 steps until then"
expect 0 "$MADPO" watch fixture --dump-panel loss --at sft:20
[ "$(column stage | sort -u)" = sft ] || fail "not the stage that was asked for"
expect 0 "$MADPO" watch fixture --dump-panel weights --at 40
[ "$(column step | sort -g | tail -n 1)" -le 40 ] || fail "weights of the future"

say "the key writes the same"
key=(1 2 3 4 5 6 7 8 9 0)
for i in "${!panels[@]}"; do
    printf '%sd' "${key[i]}" >keys
    expect 0 "$MADPO" watch fixture --dump-screen 120x40 --script keys
    out_has "the numbers of ${panels[i]} written to fixture-${panels[i]}.tsv"
    expect 0 "$MADPO" watch fixture --dump-panel "${panels[i]}"
    same_file out "fixture-${panels[i]}.tsv"
done

say "an experiment"
bash "$here/fixture_experiment.sh" exp
expect 0 "$MADPO" watch exp --dump-panel cells
awk -F '\t' 'NR == 1 { n = NF } NF != n { exit 1 } END { exit NR != 9 }' out || fail "the lines of cells"
[ "$(awk -F '\t' '$1 == "high-madpo-s1" { print $2, $3, $4, $5, $10, $11 }' out)" = 'high madpo 1 done 1.25 1' ] || fail "a cell"
out_has '^high-ipo-s1	.*	failed	.*	policy: the loss is not finite at step 5$'
cp out printed
printf 'd' >keys
expect 0 "$MADPO" watch exp --dump-screen 80x24 --script keys
same_file printed exp-cells.tsv
# the panels of a cell that is opened
printf '<Down><Down><Enter>' >keys
expect 0 "$MADPO" watch exp --dump-panel loss --script keys
[ "$(awk -F '\t' '$1 == "loss"' out | wc -l)" -eq 20 ] || fail "not the run of the cell"

expect 2 "$MADPO" watch fixture --dump-panel lost
one_error '"lost"' 'loss, margins, samples, rewards, weights, system, metrics, groups, pair, log'
expect 2 "$MADPO" watch exp --dump-panel loss
one_error 'there is cells' 'exp/cells/CELL'
expect 2 "$MADPO" watch fixture --dump-panel loss --dump-screen 80x24
one_error 'one of them'
