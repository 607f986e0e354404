# Pictures of a small experiment, and what a run opened from it looks like, against those kept in
# tests/tui/screens. UPDATE=1 writes them anew: look at the difference before committing it.
. "$(dirname "$0")/../support/cli.sh"
here=$MADPO_TEST_SOURCE_DIR/tests/tui
bash "$here/fixture_experiment.sh" exp
n=0

# picture NAME KEYS OPTION...
picture() {
    local name=experiment-$1
    printf '%s' "$2" >keys
    shift 2
    LC_ALL=C.UTF-8 expect 0 "$MADPO" watch exp --script keys --glyphs=ascii "$@"
    no_error
    if [ "${UPDATE:-}" ]; then
        cp out "$here/screens/$name.txt"
    else
        diff -u "$here/screens/$name.txt" out || fail "picture $name"
    fi
    n=$((n + 1))
}

picture 120x40 '' --dump-screen 120x40
picture 80x24 '' --dump-screen 80x24
picture 40x10 '' --dump-screen 40x10
picture 20x5 '' --dump-screen 20x5
picture 1x1 '' --dump-screen 1x1
picture sorted 'uuuuO' --dump-screen 80x24                    # by score, the best first
picture filter '/done high<Enter>' --dump-screen 80x24        # letters in a filter are text
picture nothing '/zzz<Enter>' --dump-screen 40x12
picture log '<Down><Down><Down>w' --dump-screen 80x24         # log.txt of a cell
picture help '?score' --dump-screen 80x24
picture unbegun '<End><Enter>' --dump-screen 80x24
# a cell with another marked beside it, and back to where it was opened
picture opened '<Down><Down><Down><Space><Up><Up><Enter>' --dump-screen 80x24
picture back '<Down><Down><Down><Enter>zqq' --dump-screen 80x24
out_has 'exp NOT RUNNING'

# What has no experiment.json is shown by its folders, in the same words
cp -r exp old
rm old/experiment.json
expect 0 "$MADPO" watch old --dump-screen 100x30 --glyphs=ascii
out_has 'high-madpo-s1 done .* 1.25 +1.00 '
out_has 'cells .*  6/6'

# Every size and every key, twice
printf '/' >keys
for size in 1x1 2x70 39x9 40x10 41x11 79x23 81x25 119x35 200x57 220x3; do
    LC_ALL=C.UTF-8 expect 0 "$MADPO" watch exp --dump-screen "$size" --glyphs=braille --script keys
    [ "$(wc -l <out)" -eq "${size#*x}" ] || fail "$size has $(wc -l <out) lines"
    w=$(LC_ALL=C.UTF-8 wc -L <out)
    [ "$w" -le "${size%x*}" ] || fail "$size has a line of $w columns"
done
awk 'BEGIN { for (r = 0; r < 2; r++) { for (i = 33; i < 127; i++) if (i != 113) printf "%c", i
     printf "<Esc><Tab><Enter><Up><Left><PgDn><End><Esc><Space><Home><S-Tab><Esc><Esc>" } }' >keys
for size in 1x1 40x10 80x24 120x40; do
    expect 0 "$MADPO" watch exp --dump-screen $size --glyphs=ascii --script keys
    no_error
done
rm -f ./*-marked.txt ./*-preview.cfg
cp -r exp copy
expect 0 "$MADPO" watch copy --dump-screen 80x24
diff -r exp copy || fail "watching changed the experiment"

say "at work: who holds the lock is at work on the cell it holds"
exec 9>exp/experiment.lock 8>exp/cells/high-madpo-s2/run.lock
flock 9
flock 8
expect 0 "$MADPO" watch exp --dump-screen 100x30 --glyphs=ascii
out_has '^ exp LIVE 2/5 cells 1 failed .*ETA'
out_has '^ high-madpo-s2 policy step 8/20'
out_has 'high-madpo-s2 running policy 8/20 40%'
out_has 'high-dpo-s2 +waiting'
out_has 'high-ipo-s2 +left'
"$MADPO" watch exp --plain --every 0.1 >live 2>err 9>&- 8>&- &
pid=$!
wait_live() {
    local i
    for ((i = 0; i < 100; i++)); do
        ! grep -qE "$1" live || return 0
        sleep 0.05
    done
    cat live
    fail "not told: $1"
}
wait_live 'exp: 2 of 5 cells done, 1 failed; high-madpo-s2 policy step 8/20 '
printf '{"v":1,"t":1767229400,"ev":"step","stage":"policy","step":9,"total_steps":20,"loss":0.5}\n' \
    >>exp/cells/high-madpo-s2/events.jsonl
wait_live 'step 9/20 .*loss 0.5'
printf '{"v":1,"t":1767229401,"ev":"end","status":"done"}\n' >>exp/cells/high-madpo-s2/events.jsonl
printf '{"v":1,"status":"done"}\n' >exp/cells/high-madpo-s2/cell.json
exec 8>&- 9>&-
wait "$pid" || fail "exit code of the watcher"
wait_live 'exp: 3 of 5 cells done, 1 failed$'
wait_live 'exp: not running; 1 cells are left$'

say "the newest of runs and experiments"
mkdir -p experiments runs
cp -r exp experiments/e
bash "$here/fixture.sh" runs/a
touch -d '2 hours ago' experiments/e/*/*/events.jsonl experiments/e/experiment.json
expect 0 "$MADPO" watch --dump-screen 80x24
out_has '^ a NOT RUNNING'
touch experiments/e/cells/high-dpo-s1/events.jsonl -d 'next hour'
expect 0 "$MADPO" watch latest --dump-screen 80x24
out_has '^ e NOT RUNNING'

expect 2 "$MADPO" watch exp --at 4 --dump-screen 80x24
one_error 'exp holds an experiment' 'exp/cells/CELL'
for file in exp.cast exp.svg; do
    expect 2 "$MADPO" watch exp --record $file
    one_error 'exp is an experiment: --record shows a run'
    [ ! -e $file ] || fail "a refused recording was written"
done
expect 2 "$MADPO" watch exp --compare runs/a --plain
one_error 'exp holds an experiment'
say "$n pictures"
