# Helpers of the scripts in tests/e2e and tests/faults; sourced by them. They get MADPO (the program), JSONQ
# (support/jsonq.c) and MADPO_TEST_SOURCE_DIR from ctest.
set -euo pipefail
: "${MADPO:?path of the program}" "${JSONQ:?path of jsonq}" "${MADPO_TEST_SOURCE_DIR:?}"

tiny=$MADPO_TEST_SOURCE_DIR/tests/support/tiny.cfg
work=$(mktemp -d "${TMPDIR:-/tmp}/madpo-test.XXXXXX")
cleanup() { :; } # scripts with mounts or processes of their own replace it: they ask them to end
# Whatever still works in $work, runs and terminals that were asked to end, would write into it while it is removed:
# wait until it is gone, and end what does not go.
leave_work() {
    local i
    local -a pids
    cd /
    for ((i = 0; i < 150; i++)); do
        mapfile -t pids < <(find /proc -maxdepth 2 -name cwd -lname "$work*" -printf '%h\n' 2>/dev/null || true)
        [ ${#pids[@]} -gt 0 ] || return 0
        [ $i -lt 100 ] || kill -s KILL "${pids[@]#/proc/}" 2>/dev/null || true
        sleep 0.1
    done
}
trap 'cleanup; leave_work; rm -rf "$work"' EXIT
cd "$work"
export XDG_STATE_HOME=$work/state # the front end's bookmarks

fail() {
    printf 'FAILED: %s\n' "$*"
    for file in out err; do
        [ -s "$work/$file" ] && { printf -- '--- std%s of the last command:\n' "$file"; tail -n 20 "$work/$file"; }
    done
    exit 1
}
skip() { printf 'skipped: %s\n' "$*"; exit 77; }
say() { printf -- '- %s\n' "$*"; }

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

# expect CODE COMMAND...: run it, outputs to $work/out and $work/err, the exit code must be CODE
expect() {
    local want=$1 got=0
    shift
    "$@" >"$work/out" 2>"$work/err" || got=$?
    [ "$got" -eq "$want" ] || fail "exit code $got, not $want: $*"
}
# What the last command wrote. The patterns are extended regular expressions.
out_has() { grep -qE -- "$1" "$work/out" || fail "standard output lacks: $1"; }
out_lacks() { ! grep -qE -- "$1" "$work/out" || fail "standard output has: $1"; }
# Exactly one line on standard error, beginning with "madpo: ", that has every pattern given
one_error() {
    local pattern
    [ "$(wc -l <"$work/err")" -eq 1 ] || fail "standard error is not one line"
    grep -q '^madpo: ' "$work/err" || fail "the error does not begin with madpo:"
    for pattern in "$@"; do
        grep -qE -- "$pattern" "$work/err" || fail "the error lacks: $pattern"
    done
}
no_error() { [ ! -s "$work/err" ] || fail "something on standard error"; }
# No escape sequence and no carriage return
is_plain() { ! grep -q -e $'\033' -e $'\r' "$1" || fail "$1 has escapes or carriage returns"; }
same_file() { cmp -s "$1" "$2" || fail "$1 and $2 differ"; }
# The run ended as it should: its last event says so
ended() { # ended DIR STATUS
    [ "$(tail -n 1 "$1/events.jsonl" | "$JSONQ" ev status)" = "end	$2" ] ||
        fail "the last event of $1 is not end $2: $(tail -n 1 "$1/events.jsonl")"
}
# All models and records of two runs are the same bytes
same_results() {
    local file n=0
    for file in models/{sft,reward,policy}/{,adapter_}model.safetensors pairs.jsonl margins.jsonl; do
        if [ -e "$1/$file" ] || [ -e "$2/$file" ]; then
            same_file "$1/$file" "$2/$file"
            n=$((n + 1))
        fi
    done
    [ "$n" -gt 0 ] || fail "$1 and $2 have no results"
}

# Start `madpo train` in the background and send it a signal as soon as it shows progress in a stage.
# Sets code to its exit code; its plain output goes to $work/out, its errors to $work/err.
signal_in_stage() { # signal_in_stage SIGNAL STAGE train-arguments...
    local number=$1 stage=$2 line pid
    shift 2
    mkfifo "$work/pipe"
    # the shell starts background jobs with INT ignored; env undoes it, as a terminal would have it
    env --default-signal=INT "$MADPO" train "$@" --headless >"$work/pipe" 2>"$work/err" &
    pid=$!
    code=0
    {
        while IFS= read -r line; do
            printf '%s\n' "$line"
            case $line in
            "$stage: "*%*) kill -s "$number" "$pid" 2>/dev/null || true; break ;;
            esac
        done
        cat
    } <"$work/pipe" >"$work/out"
    { wait "$pid" || code=$?; } 2>/dev/null # without the shell's remark on a killed job
    rm "$work/pipe"
}

# A file of preference pairs
write_pairs() { # write_pairs N >file
    local i
    local -a good=('was warm and well made.' 'kept me smiling to the end.' 'is a quiet little gem.')
    local -a bad=('bored me from the start.' 'was a waste of an evening.' 'never finds its feet.')
    for ((i = 0; i < $1; i++)); do
        printf '{"prompt": "Film %d", "chosen": " %s", "rejected": " %s"}\n' "$((i % 9))" \
            "${good[i % 3]}" "${bad[(i / 3) % 3]}"
    done
}
