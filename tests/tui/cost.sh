# What the front end may cost: bytes a picture, and memory for a log of STEPS steps. No times: those are
# measured by madpo bench watch. usage: cost.sh STEPS
. "$(dirname "$0")/../support/cli.sh"
steps=${1:?how many steps}
bash "$MADPO_TEST_SOURCE_DIR/tests/tui/fixture.sh" fixture

number() { "$JSONQ" "$1" <out; }
# below NAME LIMIT
below() { [ "$(number "$1")" -lt "$2" ] || fail "$1 is $(number "$1"), not below $2"; }

expect 0 "$MADPO" bench watch --replay fixture --json
no_error
below median_bytes 1000
below most_bytes 4000
[ "$(number frames)" -gt 100 ] || fail "the run of two minutes was seen in $(number frames) pictures"
sed 's/,"cpu_seconds".*//' out >once
expect 0 env LC_ALL=C TERM=dumb NO_COLOR=1 "$MADPO" bench watch --replay fixture --json
sed 's/,"cpu_seconds".*//' out | cmp -s once - || fail "the same run, other bytes"
say "80x24: $("$JSONQ" median_bytes p90_bytes most_bytes <out) bytes a picture (median, 90 %, most)"

mkdir tmp
expect 0 env TMPDIR="$work/tmp" "$MADPO" bench watch --steps "$steps" --json
no_error
[ "$(number steps)" -eq "$steps" ] || fail "$(number steps) steps were seen"
[ "$(number log_bytes)" -gt $((steps * 900)) ] || fail "a log of $(number log_bytes) bytes is none"
# 21 curves, the clock and the tokens, of at most 4096 points each, however long the run
below points $((24 * 4096))
[ "$(number points)" -gt $((20 * 2048)) ] || fail "only $(number points) points"
[ "$SANITIZE" ] || below resident_bytes 60000000
[ -z "$(ls tmp)" ] || fail "left behind: $(ls tmp)"
say "$steps steps: $("$JSONQ" log_bytes resident_bytes points <out) bytes of log, of memory, and points"

# ended by a signal it takes its folder along, and what it started
end_by() { # end_by SIGNAL FILE ARGUMENT...: once there is such a file in the folder
    local signal=$1 file=$2 pid i code=0
    shift 2
    env --default-signal=INT TMPDIR="$work/tmp" "$MADPO" bench watch "$@" >out 2>err &
    pid=$!
    for ((i = 0; i < 600; i++)); do
        ! compgen -G "tmp/madpo-bench.*/$file" >/dev/null || break
        sleep 0.05
    done
    compgen -G "tmp/madpo-bench.*/$file" >/dev/null || fail "$* makes no $file"
    kill -s "$signal" $pid
    { wait $pid || code=$?; } 2>/dev/null
    [ $code -eq $((128 + $(kill -l "$signal"))) ] || fail "exit code $code after $signal"
    [ -z "$(ls tmp)" ] || fail "$signal left $(ls tmp)"
    ! pgrep -f "$work/tmp/" >/dev/null || fail "$signal left $(pgrep -af "$work/tmp/")"
}
for signal in INT TERM HUP; do end_by $signal run/events.jsonl --steps 2000000000; done
end_by TERM warm/run.json --live
(
    trap '' HUP
    TMPDIR="$work/tmp" "$MADPO" bench watch --steps 20 >out & # as nohup has it
    kill -s HUP $!
    wait $! || fail "HUP ended it though it is ignored"
)
[ -z "$(ls tmp)" ] || fail "left behind: $(ls tmp)"

refuse() { # refuse CODE PATTERN ARGUMENT...
    local code=$1 pattern=$2
    shift 2
    expect "$code" "$MADPO" bench watch "$@"
    one_error "$pattern"
}
refuse 2 'one at a time' --live --steps 10
refuse 2 'go with --live' --repeats 2
refuse 2 'at most' --live --repeats 100
refuse 2 'unexpected' matmul
refuse 1 'nowhere' --replay nowhere
TMPDIR=/nowhere refuse 1 'TMPDIR' --steps 10
