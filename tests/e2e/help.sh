# Every command has a help page, by --help and by `help COMMAND`, that fits 80 columns and names its options.
. "$(dirname "$0")/../support/cli.sh"

expect 0 "$MADPO" help
no_error
out_has '^COMMANDS'
out_has '^EXIT STATUS'
is_plain out
commands=$(sed -n '/^COMMANDS/,/^$/s/^    \([a-z]*\) .*/\1/p' out)
[ "$(echo "$commands" | wc -w)" -ge 9 ] || fail "too few commands: $commands"
for command in train demo experiment eval generate score merge info tokenize devices config weights synth ctl report bench version help; do
    grep -qw "$command" <<<"$commands" || fail "help does not list $command"
done
cp out overview
expect 0 "$MADPO" --help
same_file out overview

for command in $commands; do
    expect 0 "$MADPO" help "$command"
    no_error
    is_plain out
    cp out "$command.page"
    out_has "$command"
    awk 'length($0) > 100 { exit 1 }' out || fail "help $command has very long lines"
    expect 0 "$MADPO" "$command" --help
    no_error
    same_file out "$command.page"
    case $command in
    bench) ;; # a page of its own form
    *)
        for section in NAME SYNOPSIS DESCRIPTION OPTIONS; do out_has "^$section\$"; done
        out_has '^    --help'
        ;;
    esac
done
# --help wins over what else is there, and does nothing
expect 0 "$MADPO" train nofile.cfg --help
for option in run resume set device headless json quiet; do
    grep -q -- "--$option" train.page || fail "help train lacks --$option"
    grep -q -- "--$option" demo.page || fail "help demo lacks --$option"
done
grep -q 'Exit\|EXIT STATUS' train.page || fail "help train lacks the exit status"
[ -z "$(find . -name events.jsonl)" ] || fail "help started a run"
