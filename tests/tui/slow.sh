# A session over a link that is 300 ms slow in both directions and takes keys apart: what is typed is
# understood, or does nothing that matters, and nothing is asked of the run that was not typed.
. "$(dirname "$0")/../support/cli.sh"
. "$(dirname "$0")/../support/tmux.sh"
: "${SLOW_LINK:?path of slow_link}"
cleanup() { close_terminals; }
export LC_ALL=C.UTF-8
bash "$MADPO_TEST_SOURCE_DIR/tests/tui/fixture.sh" fixture
over_link() { # over_link ENVIRONMENT...
    open_terminal 60 18 "env $* TERM=tmux-256color '$SLOW_LINK' 300 '$MADPO' watch fixture --control
        echo code \$?; echo BACK; exec sleep 100"
    wait_for 'fixture NOT RUNNING'
    wait_for '1 loss'
}
bytes() { # as a terminal sends them, byte after byte
    tm send-keys -H $(printf '%s' "$1" | od -An -tx1)
}

say "Esc, [ and the letter of an arrow, each 300 ms after the other: Esc, and then the arrow"
over_link
bytes 3
wait_for '3 samples'
wait_for '^.>'
bytes $'\033[B'
wait_for '^.> +28 '
bytes $'\033OB'
wait_for '^.> +11 '
bytes $'\033[4~' # End, and what it goes to
wait_for '^.> +48 '
bytes $'\033[1;5A' # with Ctrl
wait_for '^.> +32 '

say "in a prompt it is one layer back, never a command"
bytes 'fh<'
wait_for 'filter: h<_'
bytes $'\033OQ' # F2, which ends in the key that stops a run
wait_for '\?help Tab focus'
sleep 1
screen
! grep -qE 'stop|no run is listening' pane || fail "a key that came in pieces asked for something"

say "Esc and what is typed soon after it are two things"
bytes '?'
wait_for 'type to narrow'
bytes $'\033'
wait_for '\?help Tab focus'
bytes z
wait_for '3 samples'
bytes q
wait_for '^BACK'
grep -q '^code 0$' pane || fail "exit code"

say "told to wait for keys that long, it takes them whole"
over_link ESCDELAY=1000
bytes 'f'
wait_for 'filter: _'
bytes $'h\033ODx' # an arrow is nothing in a prompt, which stays
wait_for 'filter: hx_'
bytes $'\r'
wait_for '3 samples'
bytes q
wait_for '^BACK'
