# Configuration: defaults, files, --set, errors with file and line, JSON.
. "$(dirname "$0")/../support/cli.sh"

expect 0 "$MADPO" config
no_error
is_plain out
out_has 'c_max = 2'
cp out default.cfg
expect 0 "$MADPO" config default.cfg
same_file out default.cfg
for file in "$MADPO_TEST_SOURCE_DIR"/configs/*.cfg "$tiny"; do
    case $file in
    */imdb.cfg | */paper-small.cfg) expect 0 "$MADPO" config "$file" --set data.reviews=x.csv ;;
    */gemma-imdb.cfg | */paper.cfg) expect 0 "$MADPO" config "$file" --set model.path=x --set data.reviews=x.csv ;;
    */hh.cfg) expect 0 "$MADPO" config "$file" --set model.path=x --set data.pairs=x.jsonl ;;
    *) expect 0 "$MADPO" config "$file" ;;
    esac
    no_error
done
expect 0 "$MADPO" config --set policy.c_max=4 --set policy.objective=dpo --set policy.c_max=3
out_has 'c_max = 3'
out_has 'objective = "dpo"'
expect 0 "$MADPO" config --json --set policy.c_max=4
"$JSONQ" policy <out >policy || fail "no JSON"
"$JSONQ" c_max objective <policy >values
[ "$(cat values)" = "4	madpo" ] || [ "$(cat values)" = "4.0	madpo" ] || fail "JSON values: $(cat values)"

expect 2 "$MADPO" config --set policy.bta=1
one_error 'unknown key "policy.bta"' 'did you mean "policy.beta"'
expect 2 "$MADPO" config --set policy.beta
one_error 'key=value'
expect 2 "$MADPO" config --set policy.beta=-1
one_error 'policy.beta'
expect 2 "$MADPO" config --set policy.beta=much
one_error 'policy.beta'
expect 2 "$MADPO" config --set run.stages=policy,sft
one_error 'run.stages'
expect 2 "$MADPO" config nofile.cfg
one_error 'nofile.cfg' 'No such file'

printf 'policy :\n{\n    beta = 0.2;\n    c_maxx = 3.0;\n};\n' >bad.cfg
expect 2 "$MADPO" config bad.cfg
one_error 'bad.cfg:4: ' 'c_maxx' 'policy.c_max'
printf 'policy :\n{\n    beta = "high";\n};\n' >bad.cfg
expect 2 "$MADPO" config bad.cfg
one_error 'bad.cfg:3: ' 'policy.beta'
printf 'policy :\n{\n    c_max = 0.5;\n};\n' >bad.cfg
expect 2 "$MADPO" config bad.cfg
one_error 'bad.cfg:3: ' 'policy.c_max'
printf 'policy :\n{\n    beta = ;\n};\n' >bad.cfg
expect 2 "$MADPO" train bad.cfg --run never
one_error 'bad.cfg:3: '
[ ! -e never ] || fail "a run directory was made for a bad configuration"

expect 0 "$MADPO" config --help-keys
n=$(grep -c '^[a-z]*\.[a-z_0-9]* ' out)
[ "$n" -ge 80 ] || fail "only $n keys explained"
expect 0 "$MADPO" config --help-keys policy
out_has '^policy\.beta'
out_lacks '^sft\.'
expect 0 "$MADPO" config --help-keys --json policy
"$JSONQ" key type default <out >keys || fail "no JSON"
grep -q '^policy\.objective	choice	madpo$' keys || fail "policy.objective is not explained"
expect 2 "$MADPO" config --help-keys polcy
one_error 'polcy' 'policy'
