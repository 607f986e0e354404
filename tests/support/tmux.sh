# Helpers of the scripts that look at the program on a real terminal, played by tmux; sourced after cli.sh.
# Every terminal is a server with a socket of its own: one that ends takes a while to go.
command -v tmux >/dev/null || skip "no tmux to play the terminal"
terminals=0
sockets=()
socket=
tm() { tmux -L "$socket" -f /dev/null "$@"; }
# use N: what follows is about the N-th terminal opened
use() { socket=${sockets[$1]}; }
close_terminals() {
    local socket
    for socket in "${sockets[@]}"; do tmux -L "$socket" kill-server 2>/dev/null || true; done
    sockets=()
}
# open_terminal WIDTH HEIGHT COMMAND: run by sh in a window of this size, in $work
open_terminal() {
    socket=madpo-$$-${0##*/}-$terminals
    sockets[terminals]=$socket
    terminals=$((terminals + 1))
    tm new-session -d -x "$1" -y "$2" "cd '$work'; $3"
}
# on_terminal WIDTH HEIGHT ARGUMENT...: the program alone in a window of this size; every other terminal is closed.
# Its exit code goes to the file left.
on_terminal() {
    local width=$1 height=$2
    shift 2
    close_terminals
    rm -f left
    printf '%q ' "$MADPO" "$@" >command
    open_terminal "$width" "$height" "export LC_ALL=C.UTF-8 TERM=tmux-256color
        . ./command; echo code \$? >left; echo BACK; exec sleep 600"
}
# What the screen shows goes to the file pane, lines that were wrapped as one. above: of what has scrolled away, too
above=()
screen() { tm capture-pane -pJ "${above[@]}" >pane 2>/dev/null || true; }
patience=30 # seconds
# wait_for PATTERN: the screen shows it before long
wait_for() {
    local i
    for ((i = 0; i < 20 * patience; i++)); do
        screen
        ! grep -qE -- "$1" pane || return 0
        sleep 0.05
    done
    cat pane
    fail "the screen never showed: $1"
}
type_keys() { tm send-keys "$@"; }
size() { tm resize-window -x "$1" -y "$2"; }
# The terminal is as a program finds it.
given_back() {
    [ "$(tm display-message -p '#{alternate_on} #{cursor_flag}')" = "0 1" ] ||
        fail "the screen or the cursor was not given back"
}
# gone CODE: the program ended with it, and gave the terminal back
gone() {
    wait_for '^BACK'
    grep -q "^code $1\$" left || fail "exit code $(cat left), not $1"
    given_back
}
# The process that the terminal's shell runs
front_end() { pgrep -P "$(tm list-panes -F '#{pane_pid}')" | head -n 1 || true; }
