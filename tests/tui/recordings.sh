# Recordings of a replay: an asciicast that shows on a terminal what was drawn, an SVG that is XML, the
# same bytes every time, and what they refuse. What the SVG shows is looked at in test_record.c.
. "$(dirname "$0")/../support/cli.sh"
bash "$MADPO_TEST_SOURCE_DIR/tests/tui/fixture.sh" fixture
if command -v tmux >/dev/null; then
    . "$(dirname "$0")/../support/tmux.sh"
    cleanup() { close_terminals; }
fi

# bytes FILE.cast: all that it sends, one event after the other
bytes() {
    local line
    tail -n +2 "$1" | sed 's/.*/{"event":&}/' | "$JSONQ" event >/dev/null || fail "a line of $1 is no JSON"
    tail -n +2 "$1" | while IFS= read -r line; do
        [[ $line =~ ^\[[0-9.e+]+,\"o\",\"(.*)\"\]$ ]] || fail "no event: $line"
        printf %b "${BASH_REMATCH[1]}"
    done
}

# whatever the environment
expect 0 "$MADPO" watch fixture --record a.cast --size 80x24 --to policy:40
no_error
expect 0 env LC_ALL=C TERM=vt100 NO_COLOR=1 COLORFGBG='0;15' COLUMNS=20 LINES=5 \
    "$MADPO" watch fixture --record b.cast --size 80x24 --to policy:40 </dev/null
same_file a.cast b.cast
[ "$(head -n 1 a.cast | "$JSONQ" version width height)" = "2	80	24" ] || fail "header of the cast"
[ "$(wc -l <a.cast)" -gt 20 ] || fail "the cast has hardly an event"
bytes a.cast >sent
! grep -qa $'\033\\[?1049h' sent || fail "the cast leaves the screen it ends on"

# It ends as the picture of that moment, wide characters, keys and all
printf '3<Wait><Wait>j<Wait>j<Enter>' >keys
n=0
for case in '80x24 braille policy:40' '120x40 block sft:20' '61x18 ascii policy:80' '80x24 braille policy:80 keys'; do
    read -r size glyphs to keys <<<"$case"
    args=(fixture --glyphs=$glyphs ${keys:+--script keys})
    expect 0 "$MADPO" watch "${args[@]}" --record c.cast --size $size --from sft:1 --to $to
    LC_ALL=C.UTF-8 expect 0 "$MADPO" watch "${args[@]}" --dump-screen $size --at $to
    cp out picture
    command -v tmux >/dev/null || continue
    bytes c.cast >sent
    open_terminal ${size%x*} ${size#*x} "stty -opost -echo; cat sent; exec sleep 60"
    for ((i = 0; i < 100; i++)); do
        LC_ALL=C.UTF-8 tm capture-pane -p >pane
        ! cmp -s picture pane || break
        sleep 0.1
    done
    diff -u picture pane || fail "the cast does not end as the picture: $case"
    close_terminals
    n=$((n + 1))
done
say "$n casts played"

expect 0 "$MADPO" watch fixture --record a.svg --size 80x24 --from sft:1 --to policy:80
no_error
expect 0 env LC_ALL=C NO_COLOR=1 "$MADPO" watch fixture --record b.svg --size 80x24 --from sft:1 --to policy:80
same_file a.svg b.svg
expect 0 "$MADPO" watch fixture --record big.svg --size 120x40
[ "$(stat -c %s big.svg)" -lt 500000 ] || fail "the SVG has $(stat -c %s big.svg) bytes"
if command -v xmllint >/dev/null; then
    for file in a.svg big.svg; do xmllint --noout $file || fail "$file is no XML"; done
fi
! grep -q '<script\|href' a.svg || fail "the SVG is not self-contained"

refuse() { # refuse CODE PATTERN OPTION...
    local code=$1 pattern=$2
    shift 2
    expect "$code" "$MADPO" watch fixture "$@"
    one_error "$pattern"
}
refuse 2 '\.cast or \.svg' --record a.gif
refuse 2 'no size' --record c.svg --size 80
refuse 2 'STEP or STAGE:STEP' --record c.svg --from soon
refuse 1 'no stage dessert' --record c.svg --to dessert:3
refuse 2 'would end, at sft 3, before it begins, at policy 50' --record c.svg --from policy:50 --to sft:3
refuse 2 'at most 30' --record c.cast --fps 60
refuse 2 'pictures' --record c.cast --seconds 0
refuse 2 'pictures' --record c.cast --seconds 1e9
refuse 2 'record FILE' --size 80x24
refuse 2 'goes without' --record c.svg --dump-screen 80x24
refuse 1 'nowhere/c.svg' --record nowhere/c.svg
[ ! -e c.svg ] || fail "a refused recording was written"
printf 'q' >keys
refuse 2 'before it begins' --record c.svg --script keys
