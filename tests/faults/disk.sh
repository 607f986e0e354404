# A disk that fills up while a run writes: one line, whole lines and whole models only, and after space was
# made the run goes on to the same bytes. Needs a small file system of its own (user namespace or root).
. "$(dirname "$0")/../support/cli.sh"

if [ "${1:-}" != inside ]; then
    for flags in -rm -m; do
        if unshare $flags bash -c "mkdir -p '$work/m' && mount -t tmpfs none '$work/m'" 2>/dev/null; then
            cd /
            unshare $flags bash "$0" inside
            exit
        fi
    done
    skip "no way to mount a small file system here"
fi

run=(train "$tiny")
expect 0 "$MADPO" "${run[@]}" --run whole --quiet
# allocated in pages, as on the small disk
mkdir small
mount -t tmpfs -o size=64m none small
cp -r whole small/
used=$(df -k --output=used small | tail -n 1 | tr -d ' ')
umount small
say "a run takes $used KiB"

n=0
for share in 3 10 25 45 60 75 90; do
    mount -t tmpfs -o "size=$((used * 2))k" none small
    # all but this share of what a run needs is taken
    head -c "$((used * 1024 * 2 - used * 1024 * share / 100))" /dev/zero >small/filler
    code=0
    "$MADPO" "${run[@]}" --run small/r >out 2>err || code=$?
    [ "$code" -eq 1 ] || fail "exit code $code, not 1, with $share % of the space"
    one_error 'small/r' 'disk full|No space left' 'free (some )?space'
    say "$share %: $(cut -c 1-150 err)"
    if [ -e small/r/run.json ]; then
        n=$((n + 1))
        for file in small/r/*.jsonl; do
            if [ -s "$file" ]; then "$JSONQ" <"$file" || fail "$file is not of whole lines"; fi
        done
        for model in small/r/models/*/; do
            name=$(basename "$model")
            if [ -e "$model/model.safetensors" ]; then
                same_file "$model/model.safetensors" "whole/models/$name/model.safetensors"
            fi
        done
        rm small/filler
        expect 0 "$MADPO" "${run[@]}" --run small/r --resume
        no_error
        ended small/r done
        same_results whole small/r
    fi
    umount small
done
[ "$n" -ge 4 ] || fail "only $n runs got far enough to be resumed"
