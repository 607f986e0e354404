# Lines to ids and back: any line comes back, with and without the tokens around it, as text and as JSON.
. "$(dirname "$0")/../support/cli.sh"
expect 0 "$MADPO" train "$tiny" --run r --set run.stages=sft --set sft.max_steps=1 --quiet
{
    printf 'The film was fine.\n\n  two  spaces \t and a tab\n'
    printf 'na\xc3\xafve caf\xc3\xa9 \xe6\x98\xa0\xe7\x94\xbb \xf0\x9f\x8e\xac\r\n'
    printf 'a line that does not end'
} >lines
for model in r/models/sft r/models/sft/tokenizer.json r/tokenizer; do
    expect 0 "$MADPO" tokenize "$model" --no-specials <lines
    no_error
    [ "$(wc -l <out)" -eq 5 ] || fail "five lines in, $(wc -l <out) out"
    [ "$(sed -n 2p out)" = "[]" ] || fail "an empty line is not an empty array"
    cp out ids
    expect 0 "$MADPO" tokenize "$model" --decode <ids
    no_error
    { cat lines; echo; } | cmp -s - out || fail "lines do not come back"
done
expect 0 "$MADPO" tokenize r/models/sft <lines
sed 's/^\[1,\{0,1\}/[/' out | cmp -s - ids || fail "the begin token is not all that is added"
cp out with
expect 0 "$MADPO" tokenize r/models/sft --decode --no-specials <with
{ cat lines; echo; } | cmp -s - out || fail "special tokens are not left out"
# special tokens that are written in a text are the tokens
[ "$("$MADPO" tokenize r/models/sft --no-specials <<<'<bos>')" = "[1]" ] || fail "<bos> is not a token"
# JSON strings hold newlines, and ids that are no whole character become U+FFFD
expect 0 "$MADPO" tokenize r/models/sft --json --no-specials <<<'"two\nlines \u00e9"'
cp out json
expect 0 "$MADPO" tokenize r/models/sft --decode --json <json
printf '"two\\nlines \xc3\xa9"\n' | cmp -s - out || fail "JSON strings do not come back"
