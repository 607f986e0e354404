# On a terminal, with --no-tui (and in madpo demo), progress is one line redrawn in place that fits the width;
# --headless and TERM=dumb stay plain. The front end: attach.sh in tests/tui.
. "$(dirname "$0")/../support/cli.sh"
command -v script >/dev/null || skip "no script(1) to make a terminal with"

on_terminal() { # on_terminal COLUMNS OUT command-line
    TERM=${TERM_FOR_TEST:-xterm} script -qec "stty cols $1 rows 24; $3" "$2" </dev/null >/dev/null ||
        fail "exit code of: $3"
}
stages='--set run.stages=sft --set sft.max_steps=30'
on_terminal 60 log "'$MADPO' train '$tiny' --run a $stages --no-tui"
grep -q $'\r'"sft: .*"$'\033\\[K' log || fail "no redrawn progress line"
# every redrawn line fits into 59 columns
tr '\r' '\n' <log | sed -n $'s/\033\\[K.*//p' | awk 'length($0) > 59 { print; bad = 1 } END { exit bad }' ||
    fail "a progress line is wider than the terminal"
# the last thing standing is a whole line
tail -n 3 log | grep -q 'done in' || fail "no final line"

on_terminal 60 log "'$MADPO' train '$tiny' --run b $stages --headless"
! grep -q $'\033' log || fail "--headless draws"
grep -q 'sft: ' log || fail "--headless is silent"
TERM_FOR_TEST=dumb on_terminal 60 log "'$MADPO' train '$tiny' --run c $stages"
! grep -q $'\033' log || fail "draws on a dumb terminal"
[ "$(grep -c 'lines instead of pictures' log)" -eq 1 ] || fail "no notice, or more than one"
tail -n 3 log | grep -q 'done in' || fail "no final line on a dumb terminal"
on_terminal 60 log "'$MADPO' train '$tiny' --run d $stages --json >events"
same_file events d/events.jsonl
on_terminal 60 log "'$MADPO' demo --quick --run e $stages"
grep -q $'\r'"sft: .*"$'\033\\[K' log || fail "madpo demo has no redrawn progress line"
! grep -q $'\033\\[?1049h' log || fail "madpo demo takes the whole screen"
