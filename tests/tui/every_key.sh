# Every key of the table, in every panel: answered by another picture or by words, on a run that is at work, on
# finished, failed, crashed and stopped ones, on one that has not come to pairs, and on one without a line.
. "$(dirname "$0")/../support/cli.sh"
: "${EVERY_KEY:?path of every_key}"
export LC_ALL=C.UTF-8
mkdir runs files
cleanup() { [ ! -e runs/live ] || "$MADPO" ctl runs/live stop --wait >/dev/null 2>&1 || true; }
run=$work/runs

bash "$MADPO_TEST_SOURCE_DIR/tests/tui/fixture.sh" runs/crashed # half a line, and no end
copy() { # copy NAME END: that run, with this end
    cp -r runs/crashed "runs/$1"
    printf '\n{"v":1,"t":1767225900,"ev":"end",%s}\n' "$2" >>"runs/$1/events.jsonl"
}
copy finished '"status":"done"'
copy failed '"status":"failed","reason":"policy: the loss was not finite for 5 steps in a row"'
copy stopped '"status":"stopped","reason":"policy: stopped on request at step 80 of 120"'
mkdir runs/sft runs/empty
cp runs/crashed/run.json runs/sft
cp runs/crashed/run.json runs/empty
head -n 22 runs/crashed/events.jsonl >runs/sft/events.jsonl
expect 0 "$MADPO" train "$tiny" --set policy.max_steps=100000 --set policy.checkpoint_every=0 --run runs/live --detach
for ((i = 0; i < 300; i++)); do
    ! grep -q '"stage":"policy","step":4,' runs/live/events.jsonl || break
    sleep 0.1
done
expect 0 "$MADPO" ctl runs/live pause --wait

say "a file that is there already is kept"
keys() { printf '%s' "$1" >keys; expect 0 "$MADPO" watch "$run/crashed" --dump-screen 120x40 --script keys; }
keys ' ed'
out_has 'the numbers of loss written to crashed-loss.tsv'
mv crashed-loss.tsv numbers
echo mine >crashed-loss.tsv
keys ' ed'
out_has 'the numbers of loss written to crashed-loss-2.tsv'
same_file crashed-loss-2.tsv numbers
same_file crashed-marked.txt crashed-marked-2.txt
[ "$(cat crashed-loss.tsv)" = mine ] || fail "a file was written over"
mkdir gone
(cd gone && rmdir ../gone && exec "$MADPO" watch "$run/crashed" --dump-screen 120x40 --script "$work/keys") >out ||
    fail "a folder that is gone"
out_has 'cannot write crashed-loss.tsv: No such file'

cd files # where what keys write goes
for kind in crashed finished failed stopped sft empty live; do
    for how in '' control; do
        case $kind$how in crashedcontrol | failedcontrol | stoppedcontrol | sftcontrol) continue ;; esac
        say "$kind $how"
        expect 0 "$EVERY_KEY" "$run/$kind" 120x40 ${how:+"$how"}
        [ "$kind$how" != crashed ] || expect 0 "$EVERY_KEY" "$run/$kind" 80x24
        [ "$kind" != live ] || [ "$(tail -n 1 "$run/live/events.jsonl" | "$JSONQ" action)" = pause ] ||
            fail "a key alone became an action"
    done
done
