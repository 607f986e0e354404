/* tokens.jsonl: its values are those of the scalar model, token by token, and add up to what the
 * trainer logs of whole answers; it changes no training, and a run that was taken up again leaves
 * what an undisturbed one leaves. */
#include "tests/train/pairs_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/pack.h"
#include "run/tokens.h"
#include "tests/model/model_test.h"
#include "tests/support/ref_model.h"
#include "tests/support/tmp.h"

enum { N_PAIRS = 20, N_HELD_OUT = 4, MOST_LINES = 1000, MOST_TOKENS = 1000 };

typedef struct fixture {
    char *root;
    char model[1024]; /* "model.path=…" */
    madpo_pairs *pairs;
} fixture;

static int setup(void **state)
{
    const pairs_recipe recipe = {.n = N_PAIRS,
                                 .n_prompts = N_PAIRS,
                                 .held_out_every = 5,
                                 .swap_prompt = -1,
                                 .h = 1.0,
                                 .margin = NAN};
    fixture *f = calloc(1, sizeof *f);

    if (!f)
        return -1;
    f->root = tmp_new();
    f->pairs = pairs_make(&recipe);
    pairs_make_start(f->model, f->root, f->pairs);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    madpo_pairs_free(f->pairs);
    tmp_free(f->root);
    free(f);
    return 0;
}

enum { MOST_SETTINGS = 8 };
typedef struct policy_run {
    const char *name; /* of its folder */
    const char *more[MOST_SETTINGS];
    train_moment stop, snapshot;
    const char *snapshot_dir;
    bool resume;
    const madpo_pairs *pairs; /* NULL = the fixture's */
} policy_run;

/* The stage policy alone: 8 steps of 4 pairs, evaluated after each. */
static train_result run_policy(const fixture *f, const policy_run *p)
{
    const char *settings[MOST_SETTINGS + 8] = {"run.stages=policy", f->model,
                                               "policy.margin=scores", "policy.eval_every=1",
                                               "policy.lr=5e-3"};
    char *dir = tmp_path(f->root, p->name);
    train_result r;

    for (size_t i = 0; i < MOST_SETTINGS && p->more[i]; i++)
        settings[5 + i] = p->more[i];
    r = train_run(&(train_case){.dir = dir,
                                .settings = settings,
                                .pairs = p->pairs ? p->pairs : f->pairs,
                                .stop = p->stop,
                                .snapshot = p->snapshot,
                                .snapshot_dir = p->snapshot_dir,
                                .resume = p->resume});
    if (r.status != MADPO_OK && !(p->stop.stage && r.status == MADPO_ERR_STOPPED))
        fail_msg("%s: %s", p->name, r.err.message);
    free(dir);
    return r;
}

/* ---- reading ---- */

typedef struct token_lines {
    madpo_token_line v[MOST_LINES];
    size_t n;
} token_lines;

/* The lines that count, in order. */
static token_lines *read_lines(const char *dir)
{
    token_lines *lines = calloc(1, sizeof *lines);
    size_t size;
    char *text = train_file(dir, "tokens.jsonl", &size), *end;

    assert_non_null(lines);
    for (char *at = text; *at; at = end + 1) {
        madpo_error err = MADPO_ERROR_INIT;
        long long from;

        end = strchr(at, '\n');
        assert_non_null(end);
        if (sscanf(at, "{\"from\":%lld}", &from) == 1) {
            while (lines->n > 0 && lines->v[lines->n - 1].step > from)
                madpo_token_line_dispose(&lines->v[--lines->n]);
            continue;
        }
        assert_true(lines->n < MOST_LINES);
        if (madpo_token_line_parse(&lines->v[lines->n++], at, (size_t)(end - at), dir, &err) !=
            MADPO_OK)
            fail_msg("%s", err.message);
    }
    free(text);
    return lines;
}

static token_lines *read_run(const fixture *f, const char *name)
{
    char *dir = tmp_path(f->root, name);
    token_lines *lines = read_lines(dir);

    free(dir);
    return lines;
}

static void free_lines(token_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++)
        madpo_token_line_dispose(&lines->v[i]);
    free(lines);
}

static const madpo_token_line *find_line(const token_lines *lines, int64_t id, int64_t step)
{
    for (size_t i = 0; i < lines->n; i++)
        if (lines->v[i].id == id && lines->v[i].step == step)
            return &lines->v[i];
    return NULL;
}

static void close_to(double got, double want, double tolerance, const char *what)
{
    if (!(fabs(got - want) <= tolerance * (1.0 + fabs(want))))
        fail_msg("%s: %.9g, not %.9g", what, got, want);
}

/* ---- sums ---- */

/* Means over the held-out pairs against the evaluation of the same step. */
static void check_evaluations(const train_result *r, const token_lines *lines)
{
    size_t n = train_event_count(r, "eval", "policy");

    assert_int_equal(n, 8);
    for (size_t i = 0; i < n; i++) {
        const json_t *eval = train_event(r, "eval", "policy", i);
        int64_t step = (int64_t)train_number(eval, "step");
        double sum[2] = {0}, ratio[2] = {0};
        size_t n_held_out = 0;

        for (size_t k = 0; k < lines->n; k++) {
            if (lines->v[k].step != step || !lines->v[k].held_out)
                continue;
            n_held_out++;
            for (int a = 0; a < 2; a++) {
                sum[a] += madpo_token_line_sum(&lines->v[k], a, true) / N_HELD_OUT;
                ratio[a] += madpo_token_line_sum(&lines->v[k], a, false) / N_HELD_OUT;
            }
        }
        assert_int_equal(n_held_out, N_HELD_OUT);
        close_to(sum[0], train_number(eval, "eval_logps/chosen"), 1e-6, "log-probs of chosen");
        close_to(sum[1], train_number(eval, "eval_logps/rejected"), 1e-6, "log-probs of rejected");
        if (!lines->v[0].has_ratio)
            continue;
        close_to(0.1 * ratio[0], train_number(eval, "eval_rewards/chosen"), 1e-6, "rewards");
        close_to(0.1 * ratio[1], train_number(eval, "eval_rewards/rejected"), 1e-6, "rewards");
        assert_true(fabs(ratio[0]) > 1e-3); /* it is about something */
    }
}

/* m of a pair of step s + 1, from its forward pass, is that of the weights evaluated after step s.
 */
static void test_sums(void **state)
{
    const fixture *f = *state;
    policy_run p = {.name = "sums", .more = {"policy.objective=dpo", "run.log_tokens=1000"}};
    train_result r = run_policy(f, &p);
    token_lines *lines = read_run(f, "sums");
    const json_t *pair;
    size_t n = 0, k;

    assert_int_equal(lines->n, 8 * N_PAIRS);
    for (size_t i = 0; i < N_PAIRS; i++) /* held-out pairs first */
        assert_int_equal(lines->v[i].held_out, i < N_HELD_OUT);
    check_evaluations(&r, lines);
    for (size_t i = 1; i < train_event_count(&r, "samples", "policy"); i++) {
        const json_t *samples = train_event(&r, "samples", "policy", i);

        json_array_foreach(json_object_get(samples, "pairs"), k, pair)
        {
            const madpo_token_line *line = find_line(lines, (int64_t)train_number(pair, "id"),
                                                     (int64_t)train_number(samples, "step") - 1);

            assert_non_null(line);
            close_to(madpo_token_line_sum(line, 0, false) - madpo_token_line_sum(line, 1, false),
                     train_number(pair, "m"), 1e-5, "m of a pair");
            n++;
        }
    }
    assert_int_equal(n, 7 * 4);
    free_lines(lines);
    train_result_free(&r);
}

/* Without a reference there are log-probs alone; 2 pairs are 2 pairs. */
static void test_no_reference(void **state)
{
    const fixture *f = *state;
    policy_run all = {.name = "simpo", .more = {"policy.objective=simpo"}};
    policy_run two = {.name = "two", .more = {"policy.objective=simpo", "run.log_tokens=2"}};
    train_result r = run_policy(f, &all);
    token_lines *lines = read_run(f, "simpo");

    assert_int_equal(lines->n, 8 * N_PAIRS); /* of 32 */
    assert_false(lines->v[0].has_ratio);
    check_evaluations(&r, lines);
    free_lines(lines);
    train_result_free(&r);
    r = run_policy(f, &two);
    lines = read_run(f, "two");
    assert_int_equal(lines->n, 8 * 2);
    assert_true(lines->v[15].held_out && lines->v[15].step == 8);
    free_lines(lines);
    train_result_free(&r);
}

/* ---- the scalar model ---- */

/* Log-probs of the pairs' tokens under the model of a folder, in double. */
static const madpo_batch *reference_logps(double *out, const char *dir, madpo_device *dev,
                                          madpo_packer *packer, const madpo_examples *e)
{
    madpo_model_options options = model_options(false, false, 0);
    madpo_model_config config;
    const madpo_batch *batch;
    madpo_model *model;
    ref_model *ref;

    MODEL_OK(madpo_model_config_load(&config, dir, err));
    MODEL_OK(madpo_model_new(&model, dev, &config, &options, err));
    MODEL_OK(madpo_model_load(model, dir, 0, err));
    madpo_packer_reset(packer);
    for (size_t i = 0; i < e->n; i++)
        assert_true(madpo_packer_add(packer, &e->v[i]));
    batch = madpo_packer_finish(packer);
    assert_true(batch->R <= MOST_TOKENS);
    ref = ref_model_new(model);
    ref_model_logps(ref, batch, out, NULL);
    ref_model_free(ref);
    madpo_model_free(model);
    return batch;
}

static void check_line(const madpo_token_line *line, const madpo_batch *batch, int64_t pair,
                       const double *policy, const double *start, const char *const texts[2])
{
    for (int a = 0; a < 2; a++) {
        int64_t row = batch->seq_row[2 * pair + a], n = batch->seq_row[2 * pair + a + 1] - row;
        int32_t at = 0;

        assert_int_equal(line->n[a], n);
        for (int64_t i = 0; i < n; i++) {
            const madpo_token *token = &line->v[a][i];

            close_to(token->logp, policy[row + i], 2e-5, "log-prob of a token");
            close_to(token->ratio, policy[row + i] - start[row + i], 5e-5, "ratio of a token");
            assert_int_equal(token->at, at); /* nothing is between them */
            at += token->n;
        }
        assert_int_equal(at, strlen(texts[a])); /* the end token has no bytes */
        assert_int_equal(line->v[a][n - 1].n, 0);
    }
}

static void test_scalar_model(void **state)
{
    const fixture *f = *state;
    policy_run p = {.name = "scalar", .more = {"policy.objective=madpo"}};
    train_result r = run_policy(f, &p);
    token_lines *lines = read_run(f, "scalar");
    const madpo_tokenize_options options = {
        .max_prompt = 8, .max_tokens = 32, .add_eos = true, .specials = true, .template_bos = true};
    const madpo_batch_limits limits = {4096, 4096, 100, 100};
    char *dir = tmp_path(f->root, "scalar/models/policy"), *path = tmp_path(dir, "tokenizer.json");
    double policy[MOST_TOKENS], start[MOST_TOKENS];
    madpo_device *dev = model_device(0);
    madpo_tokenizer *tok;
    madpo_packer *packer;
    madpo_examples e;
    const madpo_batch *batch;

    MODEL_OK(madpo_tokenizer_load(&tok, path, err));
    MODEL_OK(madpo_examples_from_pairs(&e, f->pairs, tok, &options, err));
    MODEL_OK(madpo_packer_new(&packer, &limits, err));
    reference_logps(start, strchr(f->model, '=') + 1, dev, packer, &e);
    batch = reference_logps(policy, dir, dev, packer, &e);
    for (size_t i = 0; i < N_PAIRS; i++) {
        const madpo_pair *pair = madpo_pairs_at(f->pairs, i);
        const char *const texts[2] = {pair->chosen, pair->rejected};

        check_line(find_line(lines, pair->id, 8), batch, (int64_t)i, policy, start, texts);
    }
    madpo_packer_free(packer);
    madpo_examples_dispose(&e);
    madpo_tokenizer_free(tok);
    madpo_device_close(dev);
    free_lines(lines);
    train_result_free(&r);
    free(path);
    free(dir);
}

/* ---- nothing else changes ---- */

static void test_same_training(void **state)
{
    /* the last one trains an adapter, with dropout, whose passes the values must not be of */
    static const char *const kinds[][4] = {
        {"policy.objective=madpo"},
        {"policy.objective=beta-dpo"},
        {"policy.objective=dpo", "lora.rank=4", "lora.dropout=0.3", "lora.targets=all-linear"}};
    const fixture *f = *state;

    for (size_t i = 0; i < 3; i++) {
        char names[2][32], *dirs[2];
        train_result r[2];
        token_lines *lines;

        for (int k = 0; k < 2; k++) {
            policy_run p = {.name = names[k],
                            .more = {k ? "run.log_tokens=0" : "run.log_tokens=32", kinds[i][0],
                                     kinds[i][1], kinds[i][2], kinds[i][3]}};

            snprintf(names[k], sizeof names[k], "same-%zu-%d", i, k);
            r[k] = run_policy(f, &p);
            dirs[k] = tmp_path(f->root, names[k]);
        }
        train_assert_same_results(dirs[0], dirs[1]);
        assert_true(json_equal(r[0].events, r[1].events));
        assert_true(train_has(dirs[0], "tokens.jsonl") && !train_has(dirs[1], "tokens.jsonl"));
        lines = read_lines(dirs[0]);
        check_evaluations(&r[0], lines);
        free_lines(lines);
        for (int k = 0; k < 2; k++) {
            train_result_free(&r[k]);
            free(dirs[k]);
        }
    }
}

/* Checkpoints are at 3 and 6. Stopped at one; died behind one, with lines the resumed run makes
 * void. */
static void test_resume(void **state)
{
    const fixture *f = *state;
    char *copy = tmp_path(f->root, "copy"), *whole_text, *stopped_text;
    policy_run whole = {.name = "whole"}, stopped = {.name = "stopped", .stop = {"policy", 4}};
    policy_run died = {.name = "died", .snapshot = {"policy", 6}, .snapshot_dir = copy};
    policy_run again = {.name = "stopped", .resume = true}, on = {.name = "copy", .resume = true};
    const policy_run *const runs[] = {&whole, &stopped, &died, &again, &on};
    token_lines *want, *got;
    size_t n[2];

    for (size_t i = 0; i < 5; i++) {
        train_result r = run_policy(f, runs[i]);

        train_result_free(&r);
    }
    want = read_run(f, "whole");
    for (int k = 0; k < 2; k++) {
        got = read_run(f, k ? "copy" : "stopped");
        assert_int_equal(got->n, want->n);
        for (size_t i = 0; i < want->n; i++) {
            const madpo_token_line *a = &want->v[i], *b = &got->v[i];

            assert_true(a->id == b->id && a->step == b->step);
            for (int c = 0; c < 2; c++)
                assert_memory_equal(a->v[c], b->v[c], a->n[c] * sizeof *a->v[c]);
        }
        free_lines(got);
    }
    whole_text = tmp_path(f->root, "whole");
    train_assert_same(whole_text, copy, "models/policy/model.safetensors");
    free(whole_text);
    whole_text = train_file(copy, "tokens.jsonl", &n[0]);
    assert_non_null(strstr(whole_text, "\n{\"from\":3}\n")); /* steps 4 and 5 came twice */
    stopped_text = strstr(whole_text, "\"step\":5");
    assert_true(stopped_text && stopped_text < strstr(whole_text, "\"from\""));
    free(whole_text);
    free_lines(want);
    free(copy);
}

/* No held-out pair, no evaluation: the last step's weights are told of all the same. */
static void test_end(void **state)
{
    const pairs_recipe recipe = {
        .n = 1, .n_prompts = 1, .swap_prompt = -1, .h = 1.0, .margin = NAN};
    const fixture *f = *state;
    madpo_pairs *pairs = pairs_make(&recipe);
    policy_run p = {.name = "end", .pairs = pairs};
    train_result r = run_policy(f, &p);
    token_lines *lines = read_run(f, "end");

    assert_int_equal(train_event_count(&r, "eval", "policy"), 0);
    assert_int_equal(lines->n, 1);
    assert_int_equal(lines->v[0].step, 8);
    assert_false(lines->v[0].held_out);
    free_lines(lines);
    train_result_free(&r);
    madpo_pairs_free(pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),         cmocka_unit_test(test_no_reference),
        cmocka_unit_test(test_scalar_model), cmocka_unit_test(test_same_training),
        cmocka_unit_test(test_resume),       cmocka_unit_test(test_end)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
