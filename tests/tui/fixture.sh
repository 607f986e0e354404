#!/usr/bin/env bash
# Write a small run directory, the same every time: what the pictures in tests/tui/screens show.
# usage: fixture.sh DIR
#
# It has all that a picture must survive: NaN, a stage that was taken up again, warnings, control,
# texts with escapes, tabs, wide characters and bad UTF-8, pairs of two sources, a half line.
set -euo pipefail
mkdir -p "$1"
cd "$1"

cat >run.json <<'JSON'
{"v":1,"id":"20260101-000000-0001","created":"2026-01-01T00:00:00Z","madpo":"0.1.0","seed":42,
"objective":"madpo beta 0.1 c_max 2 c_min 0.5 lambda 1 tau 4","model":"llama hidden 64 layers 2",
"data":"pairs n 60","stages":"sft,reward,margins,policy","device":"a device","driver":"1.0"}
JSON

printf '2026-01-01T00:%02d:00Z policy: line %d\n' 1 1 2 2 3 3 >log.txt

# Numbers between 0 and 1 that are the same for every awk.
common='function noise() { seed = (seed * 16807) % 2147483647; return seed / 2147483647 }
BEGIN { seed = 7 }'

awk "$common"'
function weight(h) { return h > 0 ? 1 + 0.2 * h / (1 + h) : 1 / (1 - h) }
BEGIN {
    for (i = 0; i < 60; i++) {
        h = (noise() + noise() + noise() - 1.2) * 2
        printf "{\"id\":%d,\"pair\":%d,\"h\":%.6f,\"c\":%.6f,\"w\":%.6f,\"split\":\"%s\"}\n",
            i, i, h, 1.5, weight(h), i % 10 == 9 ? "eval" : "train"
    }
}' >margins.jsonl

awk "$common"'
BEGIN {
    n = split("Explain tides to a child.|Write a haiku\\tabout snow.|Is 91 prime?|Fix this SQL: \\u001b[31mSELECT|\\u6d77\\u306f\\u306a\\u305c\\u9752\\u3044\\u306e|Summarise\\nthe text.", prompt, "|")
    for (i = 0; i < 60; i++)
        printf "{\"id\":%d,\"prompt\":\"%s (%d)\",\"chosen\":\"The moon pulls the sea towards it, %d times; \\ud83c\\udf0a and so the water rises, and falls again when it has gone by.\",\"rejected\":\"Tides are caused by wind.%s\",\"score_chosen\":%.3f,\"score_rejected\":%.3f,\"source\":\"%s\"}\n",
            i, prompt[i % n + 1], i, i, i % 4 ? "" : " They are not, and this answer says so at length.",
            noise(), noise() * 0.8, i % 3 ? "uf-easy" : "uf-hard"
}' >pairs.jsonl

awk "$common"'
function event(t, ev, rest) { printf "{\"v\":1,\"t\":%.3f,\"ev\":\"%s\",%s}\n", 1767225600 + t, ev, rest }
function step(t, stage, i, n, rest) {
    event(t, "step", sprintf("\"stage\":\"%s\",\"step\":%d,\"total_steps\":%d,\"epoch\":%.4f,%s,\"num_tokens\":%d,\"tokens_per_second\":%.1f,\"examples_per_second\":%.1f",
        stage, i, n, i / n, rest, i * 640, 5000 + 200 * noise(), 8 + i / 100))
}
function cost(t, stage, i, s, kernels) {
    event(t, "system", sprintf("\"stage\":\"%s\",\"step\":%d,\"interval_steps\":10,\"device_bytes\":%d,\"device_peak_bytes\":%d,\"device_limit_bytes\":4700000000,\"host_bytes\":%d,\"host_peak_bytes\":151000000,\"step_seconds\":%.2f,\"forward_seconds\":%.2f,\"backward_seconds\":%.2f,\"optimizer_seconds\":%.2f,\"data_seconds\":%.2f,\"interval_seconds\":%.2f,\"evaluate_seconds\":%.2f,\"checkpoint_seconds\":0.0,\"write_seconds\":%.3f%s",
        stage, i, 1.2e9 + 1e6 * i, 1.6e9, 140e6 + 1e5 * i, s, s * 0.36, s * 0.54, s * 0.07, s * 0.03, s * 10.6, s * 0.5, s * 0.012, kernels))
}
BEGIN {
    event(0, "stage", "\"stage\":\"prepare\",\"status\":\"done\",\"train\":54,\"held_out\":6")
    event(1, "stage", "\"stage\":\"sft\",\"status\":\"start\"")
    for (i = 1; i <= 40; i++)
        step(1 + i, "sft", i, 40, sprintf("\"loss\":%.5f,\"mean_token_accuracy\":%.4f,\"grad_norm\":%.4f,\"learning_rate\":%.3e",
            3 + 3 / i + 0.1 * noise(), 0.2 + 0.01 * i, 1 + noise(), 1e-4 * (1 - i / 40)))
    cost(41.5, "sft", 40, 0.9, "")
    event(41.8, "system", "\"stage\":\"sft\",\"status\":\"done\",\"device_bytes\":1000,\"device_peak_bytes\":1600000000")
    event(42, "eval", "\"stage\":\"sft\",\"step\":40,\"eval_loss\":3.2")
    event(42.5, "stage", "\"stage\":\"sft\",\"status\":\"done\"")
    event(43, "stage", "\"stage\":\"policy\",\"status\":\"start\"")
    for (k = 1; k <= 84; k++) {
        i = k <= 50 ? k : k - 4 # from step 46 on once more
        if (k == 51) event(93.5, "resume", "\"stage\":\"policy\",\"step\":46")
        loss = i == 30 ? "null" : sprintf("%.5f", 0.693 - 0.002 * i + 0.02 * noise())
        step(43 + k, "policy", i, 120, sprintf("\"loss\":%s,\"rewards/chosen\":%.5f,\"rewards/rejected\":%.5f,\"rewards/margins\":%.5f,\"rewards/accuracies\":%.4f,\"madpo/weight/ess\":%.4f,\"madpo/margin/mean\":%.4f,\"grad_norm\":%.4f,\"learning_rate\":%.3e",
            loss, -0.004 * i, -0.012 * i, 0.008 * i, 0.5 + 0.003 * i, 0.9 - 0.001 * i, 0.3, 1 + noise(), 2e-4 * (1 - i / 120)))
        line = ""
        for (j = 0; j < 6; j++) {
            id = (i * 6 + j) % 54; id += int(id / 9)
            line = line sprintf("%s{\"id\":%d,\"h\":%.4f,\"w\":%.4f,\"m\":%.4f}", j ? "," : "", id, noise() * 2 - 1, 0.4 + noise(), (noise() - 0.4) * i / 10)
        }
        if (i % 4 == 0) event(43 + k, "samples", sprintf("\"stage\":\"policy\",\"step\":%d,\"pairs\":[%s]", i, line))
        if (i % 20 == 0) event(43.1 + k, "eval", sprintf("\"stage\":\"policy\",\"step\":%d,\"eval_loss\":%.4f,\"eval_kl\":%.5f", i, i == 80 ? 0.64 : 0.69 - 0.001 * i, i * i * 1e-5))
        if (i % 20 == 0) cost(43.05 + k, "policy", i, 1, ",\"kernels/matmul_seconds\":5.5,\"kernels/attention_seconds\":1.9,\"kernels/norm_seconds\":0.4,\"kernels/head_seconds\":0.8,\"kernels/optimizer_seconds\":0.3,\"kernels/embedding_seconds\":0.02,\"kernels/elementwise_seconds\":0.6,\"kernels/other_seconds\":0.0")
        if (i % 40 == 0) event(43.2 + k, "checkpoint", sprintf("\"stage\":\"policy\",\"step\":%d,\"dir\":\"checkpoints/policy-step-%d\"", i, i))
        if (k == 30) event(73.3, "warning", "\"text\":\"loss is NaN at step 30; the step was skipped\"")
        if (k == 60) event(103.4, "control", "\"stage\":\"policy\",\"step\":56,\"action\":\"set\",\"name\":\"lr\",\"old\":1e-4,\"new\":5e-5")
    }
}' >events.jsonl
# Token values of four pairs: tokens of 5 bytes that heed neither words nor characters, an end of
# text, an evaluation that the resumed run did not come to again, a bad line and half of one.
LC_ALL=C awk "$common"'
function answer(text, step,   n, i, at, len, logp, ratio, line) {
    n = int((length(text) + 4) / 5)
    for (i = 0; i <= n; i++) {
        at = at (i ? "," : "") (i < n ? 5 * i : length(text))
        len = len (i ? "," : "") (i == n ? 0 : i == n - 1 ? length(text) - 5 * i : 5)
        logp = logp sprintf("%s%.4f", i ? "," : "", -4 * noise())
        ratio = ratio sprintf("%s%.4f", i ? "," : "", (noise() + noise() + noise() - 1.5) * step / 20)
    }
    return sprintf("{\"at\":[%s],\"n\":[%s],\"logp\":[%s],\"ratio\":[%s]}", at, len, logp, ratio)
}
function lines(step,   k, id) {
    for (k = 1; k <= 4; k++) {
        id = ids[k]
        printf "{\"id\":%d,\"step\":%d,\"split\":\"%s\",\"chosen\":%s,\"rejected\":%s}\n", id, step,
            id % 10 == 9 ? "eval" : "train",
            answer("The moon pulls the sea towards it, " id " times; \360\237\214\212 and so the water rises, and falls again when it has gone by.", step),
            answer("Tides are caused by wind." (id % 4 ? "" : " They are not, and this answer says so at length."), step)
    }
}
BEGIN {
    split("9 19 0 4", ids, " ")
    lines(20); lines(40)
    print "no line at all"
    lines(48); print "{\"from\":46}"
    lines(60); lines(80)
}' >tokens.jsonl
printf '{"id":9,"step":100,"split":"ev' >>tokens.jsonl

printf '{"v":1,"t":1767225800,"ev":"st' >>events.jsonl # still being written
