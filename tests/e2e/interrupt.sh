# Ctrl-C during madpo generate: what is written so far is printed, exit code 3. A second one ends it at once.
. "$(dirname "$0")/../support/cli.sh"
expect 0 "$MADPO" train "$tiny" --run r --set run.stages=sft --set sft.max_steps=1 --quiet
awk 'BEGIN { for (i = 0; i < 20000; i++) print "Film " i }' >prompts.txt

mkfifo pipe
env --default-signal=INT "$MADPO" generate r/models/sft --prompts prompts.txt --json --quiet --batch 2 \
    --temperature 1 >pipe 2>err &
pid=$!
code=0
exec 3<pipe
read -r -u 3 first # it writes now
kill -s INT $pid
{ echo "$first"; cat <&3; } >out
exec 3<&-
wait $pid || code=$?
[ $code -eq 3 ] || fail "exit code $code, not 3"
no_error
n=$(wc -l <out)
[ "$n" -ge 1 ] && [ "$n" -lt 20000 ] || fail "$n completions"
"$JSONQ" <out || fail "not all lines are whole"
[ "$("$JSONQ" index <out | sort -n | uniq -d | wc -l)" -eq 0 ] || fail "a prompt came twice"

# on a terminal a text appears while it is written, and ends with a whole line
command -v script >/dev/null || exit 0
TERM=xterm script -qec "'$MADPO' generate r/models/sft --prompt 'The film' --greedy --max-tokens 8 --quiet" log \
    </dev/null >/dev/null || fail "on a terminal"
"$MADPO" generate r/models/sft --prompt 'The film' --greedy --max-tokens 8 --quiet >plain
sed -e 1d -e '$d' log | tr -d '\r' | tr -d '\001-\010\013-\037' >shown
tr -d '\001-\010\013-\037' <plain | grep -v '^$' >want
grep -v '^$' shown | grep -v '^Script' | cmp -s - want || fail "the terminal shows another text"
