# Generated reviews: header, count, both labels, the same for the same seed, a prefix for a smaller N.
. "$(dirname "$0")/../support/cli.sh"

expect 0 "$MADPO" synth reviews --n 200 --seed 3 --out a.csv
no_error
[ "$(head -n 1 a.csv | tr -d '\r')" = "review,sentiment" ] || fail "header: $(head -n 1 a.csv)"
for label in positive negative; do
    n=$(grep -c ",$label.\{0,1\}$" a.csv)
    [ "$n" -ge 60 ] && [ "$n" -le 140 ] || fail "$n of 200 reviews are $label"
done
expect 0 "$MADPO" synth reviews --n 200 --seed 3 --out b.csv
same_file a.csv b.csv
expect 0 "$MADPO" synth reviews --n 200 --seed 4 --out b.csv
! cmp -s a.csv b.csv || fail "another seed gives the same reviews"
expect 0 "$MADPO" synth reviews --n 50 --seed 3 --out b.csv
cmp -s b.csv <(head -c "$(wc -c <b.csv)" a.csv) || fail "50 reviews are not the first of 200"
expect 0 "$MADPO" synth reviews --n 50 --seed 3 --out -
same_file out b.csv
"$MADPO" synth reviews --n 50 --seed 3 --out - | cmp -s b.csv || fail "reviews through a pipe"
say "a link stays a link"
touch target.csv
ln -s target.csv link.csv
expect 0 "$MADPO" synth reviews --n 50 --seed 3 --out link.csv
[ -L link.csv ] || fail "the link was replaced"
same_file target.csv b.csv
expect 1 "$MADPO" synth reviews --n 5 --out none/x.csv
one_error 'none/x.csv|none'
