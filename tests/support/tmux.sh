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
}
# open_terminal WIDTH HEIGHT COMMAND: run by sh in a window of this size, in $work
open_terminal() {
    socket=madpo-$$-${0##*/}-$terminals
    sockets[terminals]=$socket
    terminals=$((terminals + 1))
    tm new-session -d -x "$1" -y "$2" "cd '$work'; $3"
}
screen() { tm capture-pane -pJ >pane 2>/dev/null || true; }
# wait_for PATTERN: the screen shows it before long
wait_for() {
    local i
    for ((i = 0; i < 150; i++)); do
        screen
        ! grep -qE -- "$1" pane || return 0
        sleep 0.1
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
# A process that has ended and only waits to be collected is gone.
alive() { grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null; }
wait_gone() { # wait_gone PID WHAT
    local i
    for ((i = 0; i < 100; i++)); do
        alive "$1" || return 0
        sleep 0.1
    done
    fail "$2 is still there"
}
