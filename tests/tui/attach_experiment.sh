# madpo experiment on a terminal (tmux plays it): the table of cells over an experiment that is a process of its
# own. A cell opens and closes; leaving leaves it going; Q and Ctrl+C stop it, and the same command goes on.
. "$(dirname "$0")/../support/cli.sh"
. "$(dirname "$0")/../support/tmux.sh"
above=(-S -50) # the results are longer than the screen
patience=90 # it trains before there is much to see
pids=()
cleanup() {
    close_terminals
    [ ${#pids[@]} -eq 0 ] || kill -s KILL "${pids[@]}" 2>/dev/null || true
}
owner() { tr -d '\n' <"$1/experiment.lock"; }
wait_free() { # wait_free DIR: nobody works on it any more
    local i
    for ((i = 0; i < 600; i++)); do
        ! flock -n "$1/experiment.lock" true || return 0
        sleep 0.1
    done
    fail "$1 is still being worked on"
}

long=("$tiny" --set sft.max_steps=30 --set reward.max_steps=30 --set policy.max_steps=200000
    --set policy.checkpoint_every=0 --set policy.eval_every=100000 --set run.log_every=20
    --set experiment.tiers=high --set experiment.seeds=1 --set experiment.methods=madpo,dpo)

say "the table, a cell, back; Q stops, and the exit code says so"
on_terminal 90 24 experiment "${long[@]}" --out a
wait_for '^ a LIVE 0/2 cells'
wait_for 'high-madpo-s1 running +policy [0-9]+/200000'
pids+=("$(owner a)")
wait_for 'high-dpo-s1 +waiting'
type_keys Down Down
type_keys Enter
wait_for '^ high-madpo-s1 LIVE policy step'
type_keys q
wait_for '^ a LIVE 0/2 cells'
type_keys Enter
wait_for '^ high-madpo-s1 LIVE policy step'
type_keys Escape
wait_for '^ a LIVE 0/2 cells'
type_keys Q
wait_for 'end it now, without saving'
type_keys n
wait_for 'nothing was asked of the experiment'
type_keys Q
wait_for 'end it now, without saving'
type_keys s
wait_for 'stop: accepted|the experiment is not at work'
wait_for 'the experiment is not at work any more'
wait_for 'high-madpo-s1 stopped +policy'
type_keys q
gone 3
wait_for '^madpo: stopped on request.*same command'

say "left, it goes on; Ctrl+C twice from watch --control stops it"
on_terminal 90 24 experiment "${long[@]}" --out a
wait_for 'high-madpo-s1 running +policy [0-9]+/200000'
pids+=("$(owner a)")
type_keys q
gone 0
wait_for "The experiment goes on, as process $(owner a)\."
on_terminal 90 24 watch a
wait_for 'high-madpo-s1 running'
type_keys Q
wait_for 'read-only.*madpo watch a --control'
type_keys C-c
gone 0
on_terminal 90 24 watch a --control
wait_for 'high-madpo-s1 running'
type_keys C-c C-c
wait_for '^ a NOT RUNNING'
wait_free a
type_keys C-c # nobody is at work: it leaves
gone 0

say "ended as it stands"
on_terminal 90 24 experiment "${long[@]}" --out a
wait_for 'high-madpo-s1 running +policy [0-9]+/200000'
pids+=("$(owner a)")
type_keys Q
wait_for 'end it now, without saving'
type_keys k
wait_for 'was ended as it stood'
wait_for '^ a NOT RUNNING'
type_keys q
gone 1
wait_for '^madpo: the experiment was ended by signal 9 .*same command goes on'

say "to its end: the results are printed"
short=("${long[@]}" --set policy.max_steps=20)
on_terminal 90 24 experiment "${short[@]}" --out b
wait_for 'the experiment has ended: DONE'
type_keys q
gone 0
wait_for '^# Results'
wait_for '^done; everything is in b$'

say "one that cannot begin"
exec 9>>b/experiment.lock
flock 9
on_terminal 90 24 experiment "${short[@]}" --out b
gone 1
wait_for '^madpo: b is being worked on by another'
exec 9>&-
