# madpo generate, score, merge, info and tokenize: each mistake is one line that says what to do.
. "$(dirname "$0")/../support/cli.sh"
expect 0 "$MADPO" train "$tiny" --run r --set run.stages=sft --quiet
sft=r/models/sft

say "what is no model"
for command in generate score merge info tokenize; do
    arguments=()
    [ $command = generate ] && arguments=(--prompt A)
    [ $command = score ] && arguments=(pairs.jsonl)
    [ $command = merge ] && arguments=(--adapter none --out m)
    expect 1 "$MADPO" $command nowhere "${arguments[@]}" </dev/null
    one_error '^madpo: nowhere: no such folder' 'run directory'
    mkdir -p empty
    expect 1 "$MADPO" $command empty "${arguments[@]}" </dev/null
    one_error 'empty: holds no model' 'config.json'
    expect 2 "$MADPO" $command
    one_error "$command: .* (given|needed)" "madpo $command MODEL"
    expect 2 "$MADPO" $command "$sft" --adaptor x
    one_error "unknown option --adaptor" "madpo help $command"
done
expect 1 "$MADPO" generate r --prompt A
one_error 'r: this run has no models/policy yet' 'r/models/sft'
cp -r "$sft" bare
rm bare/tokenizer*.json
expect 1 "$MADPO" generate bare --prompt A
one_error 'bare: there is no tokenizer.json'
expect 1 "$MADPO" generate "$sft" --prompt A --adapter empty
one_error 'empty: no adapter' 'adapter_config.json'
[ ! -e m ] || fail "merge left a folder behind"

# a tokenizer of another model: its last token has no row here
expect 0 "$MADPO" train "$tiny" --run wide --set run.stages=sft --set sft.max_steps=1 --set tokenizer.vocab=400 --quiet
cp -r "$sft" mixed
cp wide/models/sft/tokenizer.json mixed
word=$("$MADPO" tokenize mixed --decode <<<'[399]')
expect 2 "$MADPO" generate mixed --prompt "$word"
one_error '--prompt: the text has token 3[0-9]+, but the model knows only 320' "has not this model's tokenizer"
printf '{"prompt":"","chosen":"%s","rejected":"A"}\n' "$word" >wide.jsonl
expect 2 "$MADPO" score mixed wide.jsonl
one_error 'a text has token 3[0-9]+, but the model knows only 320'

say "options"
bad() { # bad PATTERN ARGUMENTS: refused with exit code 2
    local pattern=$1
    shift
    expect 2 "$MADPO" generate "$sft" "$@"
    one_error "$pattern"
}
bad 'give a prompt with --prompt TEXT'
bad 'either --prompt or --prompts' --prompt A --prompts p.txt
bad '--top-p takes a number above 0' --prompt A --top-p 0
bad '--top-p takes a number above 0' --prompt A --top-p 1.5
bad '--temperature takes a number from 0, not "-1"' --prompt A --temperature=-1
bad '--temperature takes a number from 0, not "warm"' --prompt A --temperature warm
bad '--temperature takes a number from 0, not "nan"' --prompt A --temperature nan
bad '--greedy has one completion' --prompt A --greedy --samples 2
bad '--greedy has one completion' --prompt A --greedy --top-k 5
bad 'all --samples are the same' --prompt A --temperature 0 --samples 2
bad '--stop takes a text that is not empty' --prompt A --stop ''
bad '--max-tokens takes a whole number from 1' --prompt A --max-tokens 0
bad '--storage takes f32, bf16, f16 or auto, not "f64"' --prompt A --storage f64
bad '--layout takes gemma' --prompt A --chat --layout alpaca
bad 'add --chat' --prompt A --system x
bad '"b" is too much' b --prompt A

say "prompts"
refused() { # refused PATTERN FILE ARGUMENTS
    local pattern=$1
    shift
    expect 1 "$MADPO" generate "$sft" --prompts "$@"
    one_error "$pattern"
}
refused 'cannot|No such file' nofile.jsonl
: >none.txt
refused 'none.txt: there are no prompts' none.txt
printf '{"prompt":"A"}\n\n{"prompt":"B"\n' >cut.jsonl
refused 'cut.jsonl:3:' cut.jsonl
printf '{"prompt":"A"}\n{"text":"B"}\n' >other.jsonl
refused 'other.jsonl:2: there is no "prompt"' other.jsonl
printf '{"prompt":7}\n' >number.jsonl
refused 'number.jsonl:1: "prompt" is neither a text nor a list' number.jsonl
printf '{"prompt":[{"role":"user"}]}\n' >message.jsonl
refused 'message.jsonl:1: message 1 is not' message.jsonl --layout chatml
printf '{"prompt":[{"role":"pope","content":"x"}]}\n' >role.jsonl
refused 'role.jsonl:1: .*pope' role.jsonl --layout chatml
printf '{"prompt":[{"role":"user","content":"x"}]}\n' >chat.jsonl
refused 'chat.jsonl:1: .*--layout' chat.jsonl
long=$(printf 'film %.0s' {1..400})
printf 'A\n%s\n' "$long" >long.txt
refused 'long.txt:2: [0-9]+ tokens and .* positions; shorten the prompt' long.txt
expect 1 "$MADPO" generate "$sft" --prompt A --max-tokens 100000
one_error '--prompt: 2 tokens and 100000 new ones' 'lower --max-tokens to [0-9]+$'

say "tokenize"
expect 1 "$MADPO" tokenize "$sft" --decode <<<'[1,2]
[1,'
one_error 'standard input:2: not a JSON array'
expect 1 "$MADPO" tokenize "$sft" --decode <<<'[1,2.5]'
one_error 'standard input:1: element 2 is no token id'
expect 1 "$MADPO" tokenize "$sft" --decode <<<'[99999]'
one_error 'standard input:1: .*99999'
expect 1 "$MADPO" tokenize "$sft" --json <<<'no string'
one_error 'standard input:1: not a JSON string'
printf '{"version":"1.0","model":{"type":"Odd"}}' >odd.json
expect 1 "$MADPO" tokenize odd.json <<<x
one_error 'odd.json'

say "memory"
expect 1 "$MADPO" generate "$sft" --prompt A --memory-mb 1 --batch 4096 --samples 4096 --temperature 1 \
    --max-tokens 24
one_error 'does not fit into device memory' 'lower --batch or --max-tokens'
