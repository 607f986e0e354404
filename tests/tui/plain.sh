# Where there is no terminal there are lines: no escape, no carriage return, one notice why.
. "$(dirname "$0")/../support/cli.sh"
bash "$MADPO_TEST_SOURCE_DIR/tests/tui/fixture.sh" fixture

expect 0 "$MADPO" watch fixture
grep -q 'no terminal: plain lines' err || fail "no notice"
[ "$(wc -l <err)" -eq 1 ] || fail "more than a notice"
out_has '^fixture: policy step 80/120 loss 0\.5[0-9]* rewards/accuracies 0\.74 .*warnings 1$'
out_has '^fixture: not running; the run has not ended$'
is_plain out
is_plain err

expect 0 "$MADPO" watch fixture --plain
no_error
is_plain out

printf '\n{"v":1,"t":1767225900,"ev":"end","status":"done"}\n' >>fixture/events.jsonl
expect 0 "$MADPO" watch fixture --plain
out_has '^fixture: done$'

if command -v script >/dev/null; then
    for term in dumb nonsense ''; do
        TERM=$term script -qec "'$MADPO' watch fixture" log </dev/null >/dev/null
        grep -q 'plain lines instead' log || fail "TERM='$term': no notice"
        ! grep -q $'\033' log || fail "TERM='$term': escapes"
    done
fi
expect 0 env -u TERM "$MADPO" watch fixture <&-
is_plain out

# A live run: lines while it is written (it holds the lock), one for every change, and an end
exec 9>fixture/run.lock
flock 9
"$MADPO" watch fixture --plain --every 0.1 >live 2>err 9>&- &
pid=$!
for step in 90 91; do
    printf '{"v":1,"t":1767225950,"ev":"step","stage":"policy","step":%d,"total_steps":120,"loss":0.4}\n' \
        "$step" >>fixture/events.jsonl
    for ((i = 0; i < 100; i++)); do
        ! grep -q "step $step/120 loss 0.4" live || break
        sleep 0.05
    done
    grep -q "step $step/120 loss 0.4" live || fail "step $step was not told"
done
exec 9>&-
wait "$pid" || fail "exit code of the watcher"
grep -q 'not ended' live || fail "the end was not told"
[ "$(grep -c 'step 91/120' live)" -eq 1 ] || fail "a line without news"
[ ! -s err ] || fail "something on standard error"

# Nothing in the run was touched
cp -r fixture copy
expect 0 "$MADPO" watch copy --dump-screen 80x24
diff -r fixture copy || fail "watching changed the run"
expect 2 "$MADPO" watch fixture other
one_error 'one run at a time'
expect 2 "$MADPO" watch fixture --script keys
one_error 'dump-screen'
