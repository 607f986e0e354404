# Pictures of a small run, typed keys and all, against the ones kept in tests/tui/screens.
# UPDATE=1 in the environment writes them anew: look at the difference before committing it.
. "$(dirname "$0")/../support/cli.sh"
here=$MADPO_TEST_SOURCE_DIR/tests/tui
bash "$here/fixture.sh" fixture
[ "$(du -bs fixture | cut -f1)" -lt 100000 ] || fail "the fixture is no small run"
n=0

# picture NAME OPTION... : its keys, if it has any, are in NAME.keys
picture() {
    local name=$1 keys=$here/screens/$1.keys
    shift
    [ ! -e "$keys" ] || set -- "$@" --script "$keys"
    LC_ALL=${LOCALE:-C.UTF-8} expect 0 "$MADPO" watch fixture "$@"
    no_error
    if [ "${UPDATE:-}" ]; then
        cp out "$here/screens/$name.txt"
    else
        diff -u "$here/screens/$name.txt" out || fail "picture $name"
    fi
    n=$((n + 1))
}

picture 80x24 --dump-screen 80x24 --glyphs=ascii
cp out ascii
# ASCII is the same whatever the locale, and auto is ASCII without UTF-8
LOCALE=C picture 80x24 --dump-screen 80x24 --glyphs=auto
same_file ascii out
picture 120x40 --dump-screen 120x40 --glyphs=ascii
picture 200x60 --dump-screen 200x60 --glyphs=ascii
picture 40x10 --dump-screen 40x10 --glyphs=ascii
picture 20x5 --dump-screen 20x5 --glyphs=ascii
picture 60x18 --dump-screen 60x18 --glyphs=ascii    # a large font
picture large --dump-screen 60x18 --glyphs=braille  # all of it that way: Tab, a pair, the help
picture tiny --dump-screen 20x5 --glyphs=ascii      # the help where nearly nothing fits
picture typed --dump-screen 20x5 --glyphs=ascii     # what is typed is seen, too
picture rewards --dump-screen 80x24 --glyphs=braille # dots end in the letters of the title
picture 1x1 --dump-screen 1x1 --glyphs=ascii
picture braille --dump-screen 80x24 --glyphs=braille
picture block --dump-screen 80x24 --glyphs=block
picture at --dump-screen 80x24 --glyphs=ascii --at 40
picture sft --dump-screen 120x40 --glyphs=ascii --at sft:20
picture pair --dump-screen 80x24 --glyphs=braille   # the worst h, opened, and a wide prompt
picture tokens --dump-screen 80x24 --glyphs=braille # shades as marks; a character in two tokens
picture tokens-past --dump-screen 80x24 --glyphs=ascii --at 30 # those of step 20
picture tokens-early --dump-screen 80x24 --glyphs=ascii --at 10
picture tokens-wide --dump-screen 120x40 --glyphs=braille
picture tokens-logp --dump-screen 120x40 --glyphs=ascii
picture tokens-off --dump-screen 80x24 --glyphs=ascii
picture tokens-small --dump-screen 40x10 --glyphs=ascii
picture bin --dump-screen 80x24 --glyphs=ascii      # a bin of the histogram, picked
picture filter --dump-screen 80x24 --glyphs=ascii   # keys inside a filter are text
picture badfilter --dump-screen 80x24 --glyphs=ascii
picture preview --dump-screen 80x24 --glyphs=ascii  # another c_max and tau, tried out
picture cross --dump-screen 80x24 --glyphs=ascii    # zoomed plot, crosshair, log y, time axis
picture help --dump-screen 80x24 --glyphs=ascii     # narrowed by typing
picture log --dump-screen 80x24 --glyphs=ascii
picture printed --dump-screen 80x24 --glyphs=ascii  # log.txt
picture metrics --dump-screen 100x30 --glyphs=ascii
picture system --dump-screen 80x40 --glyphs=ascii   # all that panel 6 knows
picture heat --dump-screen 80x24 --glyphs=ascii
picture groups --dump-screen 80x24 --glyphs=ascii
# bookmarks: set, jumped to, listed, and there the next time; nothing of it in the run's folder
cp -r fixture before
picture bookmarks --dump-screen 80x24 --glyphs=ascii --at 40
expect 0 "$MADPO" watch fixture --dump-screen 80x24 --glyphs=ascii --at 20
diff -r fixture before || fail "a bookmark changed the run"
diff "$XDG_STATE_HOME/madpo/bookmarks/20260101-000000-0001" - <<<$'policy 40\npolicy 50' || fail "the bookmarks that were kept"
printf "\"\"" >keys
expect 0 "$MADPO" watch fixture --dump-screen 80x24 --glyphs=ascii --script keys
out_has 'bookmark 1 of 2: policy step 40'
out_has 'policy step 40/120'
rm -r "$XDG_STATE_HOME"
# where they cannot be kept, they are set all the same
printf ',' >keys
expect 0 env XDG_STATE_HOME=/dev/null "$MADPO" watch fixture --dump-screen 80x24 --script keys
out_has '/dev/null'

# Another run beside it
cp -r fixture other
expect 0 "$MADPO" watch fixture --compare other --dump-screen 120x40 --glyphs=ascii
out_has 'a=other'
# Every picture has the size that was asked for, at any size and in the middle of a prompt
printf 'f' >keys
for size in 1x1 2x70 39x9 40x10 41x11 79x23 81x25 119x35 121x37 199x55 201x57 220x3; do
    for glyphs in ascii braille; do
        LC_ALL=C.UTF-8 expect 0 "$MADPO" watch fixture --dump-screen "$size" --glyphs=$glyphs --script keys
        [ "$(wc -l <out)" -eq "${size#*x}" ] || fail "$size has $(wc -l <out) lines"
        w=$(LC_ALL=C.UTF-8 wc -L <out)
        [ "$w" -le "${size%x*}" ] || fail "$size has a line of $w columns"
        n=$((n + 1))
    done
done
# No key does harm anywhere: all of them at several sizes, then all of them again
awk 'BEGIN { for (r = 0; r < 2; r++) { for (i = 33; i < 127; i++) if (i != 113) printf "%c", i
     printf "<Esc><Tab><Enter><Up><Left><PgDn><End><Esc><Space><Home><S-Tab><Esc><Esc>" } }' >keys
for size in 1x1 40x10 80x24 120x40 200x60; do
    expect 0 "$MADPO" watch fixture --dump-screen $size --glyphs=ascii --script keys
    no_error
done
# Nothing written by the run reaches the terminal as a command
! grep -q $'\033' out || fail "an escape sequence got through"

expect 2 "$MADPO" watch fixture --dump-screen 80
one_error 'no size' '80x24'
expect 2 "$MADPO" watch fixture --dump-screen 80x24 --glyphs=runes
one_error 'runes' 'braille, block, ascii'
expect 2 "$MADPO" watch fixture --plain --color=mauve
one_error 'mauve' 'never, 16, 256 and auto'
expect 2 "$MADPO" watch fixture --plain --background=grey
one_error 'grey' 'dark, light and auto'
expect 2 "$MADPO" watch fixture --dump-screen 80x24 --at soon
one_error 'soon' 'STEP'
expect 1 "$MADPO" watch nowhere --dump-screen 80x24
one_error 'nowhere' 'no run'
expect 1 "$MADPO" watch --dump-screen 80x24
one_error 'runs/' 'madpo watch RUN'
mkdir runs && cp -r fixture runs/a
expect 0 "$MADPO" watch --dump-screen 80x24
out_has '^ a NOT RUNNING'
say "$n pictures"
