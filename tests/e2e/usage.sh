# Mistakes on the command line: exit code 2, one line that names the mistake and the way out.
. "$(dirname "$0")/../support/cli.sh"

expect 2 "$MADPO"
one_error 'no command given' 'madpo help'
expect 2 "$MADPO" trian
one_error 'unknown command "trian"' 'did you mean "train"'
expect 2 "$MADPO" qqqqqqqq
one_error 'unknown command' 'madpo help'
expect 2 "$MADPO" --json train
one_error 'a command comes first'
expect 2 "$MADPO" train
one_error 'no configuration given' 'madpo demo'
expect 2 "$MADPO" train a.cfg b.cfg
one_error '"b.cfg" is too much'
expect 2 "$MADPO" train --resum
one_error 'unknown option --resum' 'did you mean --resume'
expect 2 "$MADPO" train -q
one_error 'unknown option -q'
expect 2 "$MADPO" train a.cfg --run
one_error '--run needs a value' 'DIR'
expect 2 "$MADPO" train a.cfg --json=yes
one_error '--json takes no value'
expect 2 "$MADPO" train a.cfg --resume
one_error '--resume needs --run DIR'
expect 2 "$MADPO" demo my.cfg
one_error 'unexpected argument "my.cfg"' 'madpo train'
expect 2 "$MADPO" devices all
one_error 'unexpected argument "all"'
expect 2 "$MADPO" version now
one_error 'takes no arguments'
expect 2 "$MADPO" help trian
one_error 'did you mean "train"'
expect 2 "$MADPO" synth
one_error 'synth reviews --out FILE'
expect 2 "$MADPO" synth poems --out x
one_error 'poems'
expect 2 "$MADPO" synth reviews
one_error 'add --out FILE'
for n in 0 -3 x 1.5 99999999999999999999; do
    expect 2 "$MADPO" synth reviews --n "$n" --out x
    one_error '--n takes a whole number from 1' "\"$n\""
done
[ ! -e x ] || fail "a file was written in spite of the mistake"

expect 0 "$MADPO" version
[ "$(cat out)" = "madpo $MADPO_VERSION" ] || fail "version"
no_error
expect 0 "$MADPO" --version
out_has '^madpo [0-9]+\.[0-9]+'
