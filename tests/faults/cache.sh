# The folder for compiled kernels cannot be used: the run says so, with the remedy, and does without.
. "$(dirname "$0")/../support/cli.sh"
stages=run.stages=sft

say "a file in place of the folder"
touch in-the-way
expect 0 env XDG_CACHE_HOME="$work/in-the-way" "$MADPO" train "$tiny" --run a --set $stages
no_error
out_has 'no cache of compiled kernels: .*in-the-way'
grep -q 'no cache of compiled kernels' a/log.txt || fail "log.txt does not say it"
ended a done
expect 0 "$MADPO" train "$tiny" --run b --set $stages --set device.cache="$work/in-the-way"
out_has 'no cache of compiled kernels: .*in-the-way'

say "no home folder"
expect 0 env -u HOME -u XDG_CACHE_HOME "$MADPO" train "$tiny" --run c --set $stages
out_has 'no cache of compiled kernels: .*XDG_CACHE_HOME'
same_file a/models/sft/model.safetensors c/models/sft/model.safetensors

say "no permission"
if [ "$(id -u)" -eq 0 ]; then
    as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    chmod 755 "$work"
    "${as_user[@]}" test -x "$MADPO" -a -r "$tiny" 2>/dev/null || skip "an ordinary user cannot reach $MADPO"
else
    as_user=(env)
fi
mkdir -p closed pocl runs
# what PoCL has compiled saves time, and is not the cache in question
if [ -d "${POCL_CACHE_DIR:-}" ]; then cp -r "$POCL_CACHE_DIR/." pocl; fi
chmod -R a+rwX pocl runs
chmod 555 closed
expect 0 "${as_user[@]}" env XDG_CACHE_HOME="$work/closed" POCL_CACHE_DIR="$work/pocl" HOME=/nonexistent \
    "$MADPO" train "$tiny" --run runs/d --set $stages
out_has 'no cache of compiled kernels: .*closed.*: Permission denied'
chmod 755 closed
same_file a/models/sft/model.safetensors runs/d/models/sft/model.safetensors

say "a run directory without permission"
mkdir -m 555 locked
expect 1 "${as_user[@]}" env POCL_CACHE_DIR="$work/pocl" HOME=/nonexistent "$MADPO" train "$tiny" --run locked/r
one_error 'locked/r' 'Permission denied'
expect 1 "$MADPO" train "$tiny" --run in-the-way/r
one_error 'in-the-way'
