#!/usr/bin/env bash
# Write a small experiment that was stopped, the same every time: cells that are done, failed, begun, not begun
# and left out. usage: fixture_experiment.sh DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
echo '// settings' >config.cfg
: >experiment.lock

part() { # part DIR: an empty run
    mkdir -p "$1"
    printf '{"v":1,"id":"x","created":"2026-01-01T00:00:00Z","objective":"madpo beta 0.1 c_max 2 c_min 0.5 lambda 1 tau 4"}\n' \
        >"$1/run.json"
}
# events DIR T0 STEPS OF LOSS SCORE: steps, and, if there is a score, an evaluation and an end
events() {
    part "$1"
    awk -v t="$2" -v n="$3" -v of="$4" -v loss="$5" -v score="$6" '
    function event(s, ev, rest) { printf "{\"v\":1,\"t\":%.3f,\"ev\":\"%s\",%s}\n", 1767225600 + t + s, ev, rest }
    BEGIN {
        event(0, "stage", "\"stage\":\"policy\",\"status\":\"start\"")
        for (i = 1; i <= n; i++)
            event(i, "step", sprintf("\"stage\":\"policy\",\"step\":%d,\"total_steps\":%d,\"loss\":%.4f,\"rewards/accuracies\":%.3f,\"rewards/margins\":%.4f,\"madpo/weight/ess\":0.91",
                i, of, loss - 0.01 * i, 0.5 + 0.01 * i, 0.02 * i))
        if (score == "") exit
        event(n + 1, "eval", "\"stage\":\"policy\",\"step\":10,\"eval_loss\":0.6543")
        event(n + 2, "stage", "\"stage\":\"evaluate\",\"status\":\"start\"")
        event(n + 3, "eval", "\"stage\":\"evaluate\",\"who\":\"reference\",\"metric\":\"true_reward\",\"n\":9,\"mean\":0.25")
        event(n + 3, "eval", "\"stage\":\"evaluate\",\"who\":\"policy\",\"metric\":\"true_reward\",\"n\":9,\"mean\":" score)
        event(n + 4, "end", "\"status\":\"done\"")
    }' >"$1/events.jsonl"
    printf '2026-01-01T00:00:01Z policy: a line of %s\n' "$1" >"$1/log.txt"
}

events shared/sft 0 10 10 4 ''
printf '{"v":1,"t":1767225611,"ev":"end","status":"done"}\n' >>shared/sft/events.jsonl
part tiers/high
printf '{"v":1,"t":1767225612,"ev":"stage","stage":"reward","status":"start"}\n{"v":1,"t":1767225620,"ev":"end","status":"done"}\n' \
    >tiers/high/events.jsonl
events cells/high-madpo-s1 30 20 20 0.69 1.25
events cells/high-dpo-s1 60 12 20 0.69 0.75
events cells/high-ipo-s1 80 4 20 0.9 ''
events cells/high-madpo-s2 90 7 20 0.69 ''
for cell in high-madpo-s1 high-dpo-s1; do
    printf '{"v":1,"status":"done"}\n' >cells/$cell/cell.json
done
printf '{"v":1,"status":"failed","code":"numeric","reason":"policy: the loss is not finite at step 5"}\n' \
    >cells/high-ipo-s1/cell.json
# the stopped one was taken up again an hour later: that hour is none of its time
printf '{"v":1,"t":1767229300,"ev":"resume","stage":"policy","step":7}\n{"v":1,"t":1767229303,"ev":"step","stage":"policy","step":8,"total_steps":20,"loss":0.61}\n{"v":1,"t":1767229304,"ev":"warning","text":"a warning"}\n{"v":1,"t":1767229304,"ev":"end","status":"stopped"}\n' \
    >>cells/high-madpo-s2/events.jsonl

cell() { # cell TIER METHOD SEED CHOSEN
    printf ',\n{"dir":"cells/%s-%s-s%s","cell":"%s-%s-s%s","tier":"%s","method":"%s","seed":"%s","chosen":%s}' \
        "$1" "$2" "$3" "$1" "$2" "$3" "$1" "$2" "$3" "$4"
}
{
    printf '{"v":1,"parts":[{"dir":"shared/sft"},{"dir":"tiers/high","tier":"high"}'
    for seed in 1 2; do
        for method in madpo dpo ipo; do
            [ $method-$seed = ipo-2 ] && chosen=false || chosen=true
            cell high $method $seed $chosen
        done
    done
    printf ']}\n'
} >experiment.json
