# On a real terminal (tmux plays it): pictures, keys, every resize, and a terminal given back whole
# whatever ends the program.
. "$(dirname "$0")/../support/cli.sh"
. "$(dirname "$0")/../support/tmux.sh"
bash "$MADPO_TEST_SOURCE_DIR/tests/tui/fixture.sh" fixture
cp -r fixture other
cleanup() { close_terminals; }

# begin COMMAND: in an 80x24 window, with a shell behind it that tells how the terminal was found and left
begin() {
    close_terminals
    rm -f left
    open_terminal 80 24 "stty -a >modes
        $1
        echo code \$? >left; stty -a >modes-after; echo BACK; exec sleep 60"
}
# start TERM LOCALE ENVIRONMENT... -- OPTION...
start() {
    local term=$1 locale=$2 environment=()
    shift 2
    while [ "$1" != -- ]; do environment+=("$1"); shift; done
    shift
    begin "env LC_ALL=$locale TERM=$term ${environment[*]} sh -c 'echo \$\$ >pid; exec \"\$0\" watch fixture $*' \
            '$MADPO' 2>watch-err"
    wait_for 'loss policy'
}
# over CODE: the program ended, and everything is as it was
over() {
    gone "$1"
    diff modes modes-after || fail "the terminal was not given back as it was"
}
watcher() { cat pid; }

coloured() {
    tm capture-pane -pe >pane
    grep -qE $'\033\\[[0-9;]*(3[0-8]|4[0-8])[;0-9]*m' pane
}
for term in tmux-256color xterm screen vt100 linux; do
    for locale in C.UTF-8 C; do
        start $term $locale --
        if [ $locale = C ]; then
            ! LC_ALL=C grep -q '[^ -~]' pane || fail "$term $locale: more than ASCII"
        else
            LC_ALL=C grep -q '[^ -~]' pane || fail "$term $locale: only ASCII"
        fi
        [ $term = vt100 ] || coloured || fail "$term $locale: no colours"
        type_keys q
        over 0
        start $term $locale NO_COLOR=1 --
        ! coloured || fail "$term $locale: NO_COLOR, and there are colours"
        type_keys q
        over 0
    done
done
say "five terminals, two locales, with colours and without"

start tmux-256color C.UTF-8 COLORFGBG='"0;15"' --
tm capture-pane -pe >pane
grep -qE $'\033\\[[0-9;]*38;5;94' pane || fail "no colour for light backgrounds"
type_keys q
over 0
start tmux-256color C.UTF-8 -- --color=256
tm capture-pane -pe >pane
grep -qE $'\033\\[[0-9;]*38;5;178' pane || fail "no colour of 256"
say "colours"

# keys: help opens and closes, a filter takes letters that are commands elsewhere, a pair opens
type_keys '?'
wait_for 'type to narrow'
type_keys Escape
wait_for 'ema\(0.9\)'
type_keys f 'src:hard' Enter
wait_for 'filter: src:hard  20/60'
type_keys Enter
wait_for '9 pair [0-9]+'
type_keys Escape '\'
wait_for 'sort: h  60/60'
type_keys r
wait_for 'other'
type_keys Space Escape
wait_for 'a=other'
# the screen as text says in marks what it shows in colours
type_keys Escape q
over 0
printf 'ftok>0<Enter>3<Enter>z' >keys
LC_ALL=C.UTF-8 expect 0 "$MADPO" watch fixture --dump-screen 80x24 --script keys
start tmux-256color C.UTF-8 --
type_keys f 'tok>0' Enter 3 Enter z
wait_for 'most down:'
coloured || fail "no colours to be written as marks"
type_keys D
wait_for 'written to madpo-screen.txt'
same_file out madpo-screen.txt
grep -q '\^\^\^\^\^' out || fail "no marks under the tokens"
screen
! grep -q '\^\^\^\^\^' pane || fail "marks on a screen with colours"
type_keys q
over 0
start tmux-256color C.UTF-8 --
say "keys"

# a bookmark is there the next time
type_keys -l '[[[,'
wait_for 'bookmark set: policy step [0-9]+'
step=$(sed -nE 's/.*bookmark set: policy step ([0-9]+).*/\1/p' pane)
type_keys q
over 0
start tmux-256color C.UTF-8 --
type_keys -l '"'
wait_for "bookmark 1 of 1: policy step $step"
wait_for "REPLAY policy step $step/120"
type_keys Escape
wait_for 'fixture NOT RUNNING'
say "bookmarks"

# resizes in every mode, and back: the picture is whole again
for mode in '' '?' 'f' 'r' '0z'; do
    [ -z "$mode" ] || type_keys -l "$mode"
    for shape in '200 60' '1 1' '39 9' '10 2' '120 40' '80 24'; do
        size $shape
    done
    wait_for 'fixture NOT RUNNING'
    type_keys Escape
    wait_for '\?help Tab focus'
    type_keys Escape # out of a zoom, too
    wait_for '^.1 loss'
done
type_keys q
over 0
say "resizes"

# an environment that fixes the size does not
start tmux-256color C.UTF-8 LINES=5 COLUMNS=20 --
type_keys q
over 0

# signals: asked to end, it ends; crashed, it crashes, but never with the terminal
for signal in TERM INT HUP QUIT; do
    start tmux-256color C.UTF-8 --
    kill -s $signal "$(watcher)"
    over 0
done
for signal in SEGV ABRT FPE BUS; do
    start tmux-256color C.UTF-8 --
    kill -s $signal "$(watcher)"
    over $((128 + $(kill -l $signal)))
done
say "signals"

# stopped and continued
start tmux-256color C.UTF-8 --
pid=$(watcher)
kill -s TSTP "$pid"
kill -s CONT "$pid"
type_keys s
wait_for 'smoothing 0.97'
# the terminal goes: so does the watcher, and soon
tm kill-server
wait_gone "$pid" "the watcher without a terminal"
say "a lost terminal"

# a run that grows is shown as it grows; half a line waits for its other half
start tmux-256color C.UTF-8 --
step() {
    printf '"stage":"policy","step":%d,"total_steps":120,"loss":0.5,"num_tokens":9}\n' "$1"
}
printf 'ep",' >>fixture/events.jsonl
sleep 0.6
! { screen; grep -q 'step 99/120' pane; } || fail "half a line was taken for whole"
step 99 >>fixture/events.jsonl
wait_for 'step 99/120'
printf 'nonsense\n{"v":1,"t":1767225900,"ev":"step",' >>fixture/events.jsonl
step 100 >>fixture/events.jsonl
wait_for 'step 100/120'
say "a growing run"
type_keys q
over 0

# an experiment, through the same resizes, in the table and in a cell
bash "$MADPO_TEST_SOURCE_DIR/tests/tui/fixture_experiment.sh" exp
mv fixture run-fixture
mv exp fixture
begin "env LC_ALL=C.UTF-8 TERM=tmux-256color '$MADPO' watch fixture"
wait_for 'high-dpo-s1'
for mode in '' '?' '/' 'jjj'; do
    [ -z "$mode" ] || type_keys -l "$mode"
    for shape in '200 60' '1 1' '39 9' '10 2' '120 40' '80 24'; do
        size $shape
    done
    wait_for 'fixture NOT RUNNING 2/5 cells'
    type_keys Escape
    wait_for '\?help'
done
type_keys Enter
wait_for 'high-dpo-s1 DONE'
size 40 10
wait_for '^ high-dpo-s1 DONE'
size 80 24
type_keys q
wait_for 'what happened' # the picture is a whole one again
type_keys q
over 0
mv fixture exp
mv run-fixture fixture
say "an experiment"

# what a picture costs: a key that moves one thing sends little
start tmux-256color C.UTF-8 --
tm pipe-pane "cat >>'$work/sent'"
silent() { # until nothing has been sent for a second
    local i now was=-1
    for ((i = 0; i < 30; i++)); do
        now=$(stat -c %s sent 2>/dev/null || echo 0)
        [ "$now" -ne "$was" ] || return 0
        was=$now
        sleep 1
    done
    fail "bytes are sent though nothing changes"
}
silent
: >sent
for i in 1 2 3 4 5 6 7 8 9 10; do
    type_keys Right
    sleep 0.25
done
silent
bytes=$(($(wc -c <sent) / 10))
[ "$bytes" -gt 0 ] && [ "$bytes" -lt 1000 ] || fail "$bytes bytes for a small change"
say "$bytes bytes for a moved crosshair"
: >sent
sleep 2
[ "$(wc -c <sent)" -eq 0 ] || fail "bytes are sent though nothing changes"
type_keys q
over 0
