# On a real terminal (tmux plays it), steering a run that is paused: every kind of screen through a storm of
# sizes, keys that are text, two front ends at once, and keys before there is anything to look at.
. "$(dirname "$0")/../support/cli.sh"
. "$(dirname "$0")/../support/tmux.sh"
run=$work/run
cleanup() {
    close_terminals
    "$MADPO" ctl "$run" stop --wait >/dev/null 2>&1 || true
}
export LC_ALL=C.UTF-8
watch() { # watch OPTION...: a terminal with it
    open_terminal 80 24 "TERM=tmux-256color '$MADPO' watch $*; echo code \$?; stty -a >modes; echo BACK; exec sleep 100"
}
leave() {
    type_keys q
    wait_for '^BACK'
    grep -q '^code 0$' pane || fail "exit code"
    given_back
    grep -qE '(^| )icanon' modes && grep -qE '(^| )echo ' modes || fail "the terminal is raw: $(cat modes)"
}

say "keys before the first datum"
mkdir empty
printf '{"v":1,"id":"x"}' >empty/run.json
watch empty
wait_for 'no events yet'
for key in Tab z Enter v 3 Enter Escape 2 Down ')' i o Left Right '[' ']' . e u O / x Enter f 'h<0' Enter n \
    s y x Y g b r Space Escape 0 w w PgUp Home End 9 7 j 8 5 4 '?' Escape = ; do
    type_keys "$key"
done
wait_for 'empty NOT RUNNING'
printf '{"v":1,"t":1,"ev":"stage","stage":"sft","status":"start"}\n{"v":1,"t":2,"ev":"step","stage":"sft","step":1,"total_steps":9,"loss":3}\n' \
    >empty/events.jsonl
wait_for 'sft step 1/9'
leave

say "a paused run"
expect 0 "$MADPO" train "$tiny" --set run.stages=sft --set sft.checkpoint_every=0 --set sft.eval_every=100000 \
    --set run.log_every=20 --set sft.max_steps=200000 --run "$run" --detach
expect 0 "$MADPO" ctl "$run" pause --wait
watch run --control
first=$((terminals - 1))
wait_for '^ run PAUSED'

# storm KEYS PATTERN: the keys bring up what the pattern shows; all sizes later it still stands there, and a
# size that has room for it shows it
storm() {
    local w h
    [ -z "$1" ] || type_keys -l -- "$1"
    wait_for "$2"
    while read -r w h; do size "$w" "$h"; done <<'END'
200 60
1 1
39 9
2 70
10 2
220 3
END
    size 120 40
    wait_for "$2"
    size 1 1
    size 80 24
    wait_for "$2"
    wait_for '^ run PAUSED|keys'
    type_keys Escape
    wait_for '\?help Tab focus'
}
storm '' '\?help Tab focus'
storm '?zoom' 'with: zoom'
storm 'fh<0 w>' 'filter \(h<0 .*\): h<0 w>_'
storm '/tides' 'search: tides_'
storm 'r' 'runs beside this one'
storm 'p' 'resume\?'
storm 'L2e-4' 'x0.3\): 2e-4_'
storm ':lr x2' 'stop\): lr x2_'
type_keys -l '0z'
storm '' '^.0 log'
type_keys -l '1'

say "keys that are text"
type_keys -l 'fqpQcE-*L:y'
wait_for ': qpQcE-\*L:y_'
type_keys Escape
type_keys -l '/Qy'
wait_for 'search: Qy_'
type_keys Escape
sleep 0.3
[ "$("$JSONQ" --where ev=control action <run/events.jsonl)" = pause ] || fail "a text became an action"

say "a text that is pasted is no keys, but where something is typed"
tm set-buffer 'Qy'
tm paste-buffer -p
wait_for 'a pasted text is no keys'
! grep -q 'stop? ' pane || fail "a paste opened the menu"
type_keys -l 'p'
wait_for 'resume\?'
tm set-buffer 'yQ'
tm paste-buffer -p
wait_for 'a pasted text is no keys'
type_keys Escape
wait_for 'nothing was asked'
type_keys -l '/'
tm set-buffer 'Qy'
tm paste-buffer -p
wait_for 'search: Qy_'
type_keys -l 'p' # the paste is over
wait_for 'search: Qyp_'
type_keys Escape
[ "$("$JSONQ" --where ev=control action <run/events.jsonl)" = pause ] || fail "a paste became an action"

say "values that are refused, as the run's own words"
type_keys -l L
type_keys -l fast
type_keys Enter
wait_for 'fast'
type_keys -l L
type_keys -l 11
type_keys Enter
wait_for 'at most 10'
[ "$("$JSONQ" --where ev=control action <run/events.jsonl)" = pause ] || fail "a bad value was taken"

say "two front ends steer one run, and see what the other did"
watch run --control
second=$((terminals - 1))
wait_for '^ run PAUSED'
type_keys p
wait_for 'resume\?'
type_keys y
wait_for '^ run LIVE'
use $first
wait_for '^ run LIVE'
type_keys p # both ask; one comes too late
wait_for 'pause\?'
use $second
type_keys p
wait_for 'pause\?'
type_keys y
wait_for '^ run PAUSED'
use $first
type_keys y
wait_for 'paused already'
wait_for '^ run PAUSED'
type_keys -l '*'
wait_for 'x 2'
type_keys y
wait_for 'action lr, by socket, times 2'
use $second
wait_for 'action lr, by socket, times 2'
use $first
leave
use $second
leave

say "a pane that is killed: its front end goes, the run does not care"
watch run --control
wait_for '^ run PAUSED'
expect 0 "$MADPO" ctl run resume
pid=$(front_end)
alive "$pid" || fail "no front end"
tm kill-pane
wait_gone "$pid" "the front end of a killed pane"
step() { "$MADPO" ctl run status --json | sed -E 's/.*"done":([0-9]+).*/\1/'; }
at=$(step)
for ((i = 0; i < 300; i++)); do
    [ "$(step)" -le "$at" ] || break
    sleep 0.1
done
[ "$(step)" -gt "$at" ] || fail "the run stands still"

command -v script >/dev/null || exit 0
say "no more than ten pictures a second, however fast the keys come"
bash "$MADPO_TEST_SOURCE_DIR/tests/tui/fixture.sh" fixture
mkfifo pause
{
    sleep 0.5
    for ((i = 0; i < 600; i++)); do
        if ((i % 2)); then printf h; else printf l; fi
        read -r -t 0.003 _ <>pause || true # a sleep without a process
    done
    printf q
} | TERM=xterm script -q -O log -T timing -c "stty rows 24 cols 80; '$MADPO' watch fixture --glyphs=ascii" >/dev/null
# a line for each that was read: seconds since the one before, bytes. A picture comes in a few pieces at most
awk '$2 > 0 { n++; t += $1 } END { printf "%d pieces in %.1f s\n", n, t; exit !(n > 3 && n <= 40 * t + 10) }' timing ||
    fail "too many pictures: $(wc -l <timing)"
