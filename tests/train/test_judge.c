/* Texts judged one by one are judged as the answers of pairs are; and how varied texts are. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../support/tmp.h"
#include "train/judge.h"
#include "train/open.h"
#include "train/score.h"
#include "train_test.h"

static void ok(madpo_status st, const madpo_error *err)
{
    if (st != MADPO_OK)
        fail_msg("%s", err->message);
}

typedef struct wanted {
    double *chosen;
} wanted;

static madpo_status keep(void *user, size_t i, const madpo_score *score, madpo_error *err)
{
    (void)err;
    ((wanted *)user)->chosen[i] = score->chosen;
    return MADPO_OK;
}

typedef struct opened {
    madpo_opened m;
    madpo_pairs *pairs;
    madpo_examples plain, with_eos; /* answers as they are, and with an end token */
    madpo_judge_text *text;         /* the chosen answers as they are */
} opened;

static void open_all(opened *o, const char *dir, const char *model, madpo_batch_limits *limits)
{
    char *path = tmp_path(dir, model), *pairs = tmp_path(dir, "pairs.jsonl"), line[512];
    madpo_tokenize_options how = {.max_tokens = 64, .max_prompt = 32};
    madpo_model_options need = {0};
    madpo_error err = MADPO_ERROR_INIT;

    ok(madpo_open_files(&o->m, &(madpo_open_options){.model = path}, &err), &err);
    ok(madpo_pairs_load(&o->pairs, pairs, false, NULL, &err), &err);
    ok(madpo_examples_from_pairs(&o->plain, o->pairs, o->m.tok, &how, &err), &err);
    how.end_with_eos = true;
    ok(madpo_examples_from_pairs(&o->with_eos, o->pairs, o->m.tok, &how, &err), &err);
    ok(madpo_score_limits(limits, &o->with_eos, 256, &err), &err);
    need.max_tokens = limits->max_tokens;
    need.max_rows = limits->max_rows;
    need.max_segments = limits->max_segments;
    need.max_sequences = limits->max_sequences;
    ok(madpo_open_plan(&o->m, &need, "", line, sizeof line, &err), &err);
    ok(madpo_open_load(&o->m, &err), &err);
    o->text = calloc(o->plain.n, sizeof *o->text);
    for (size_t i = 0; i < o->plain.n; i++)
        o->text[i] = (madpo_judge_text){.prompt = o->plain.v[i].prompt,
                                        .n_prompt = o->plain.v[i].n_prompt,
                                        .answer = o->plain.v[i].branch[0],
                                        .n_answer = o->plain.v[i].n_branch[0]};
    free(path);
    free(pairs);
}

static void close_all(opened *o)
{
    free(o->text);
    madpo_examples_dispose(&o->plain);
    madpo_examples_dispose(&o->with_eos);
    madpo_pairs_free(o->pairs);
    madpo_opened_dispose(&o->m);
}

static void same(const double *got, const double *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= 1e-4 * (1.0 + fabs(want[i]))))
            fail_msg("text %zu: %.9g, not %.9g", i, got[i], want[i]);
}

static void test_logps(void **state)
{
    const char *dir = *state;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_batch_limits limits;
    opened o = {0};
    int32_t eos;
    double *got, *tokens;
    wanted want;

    open_all(&o, dir, "models/policy", &limits);
    eos = madpo_tokenizer_eos(o.m.tok);
    assert_true(eos >= 0 && o.plain.n > 8);
    got = calloc(o.plain.n, sizeof *got);
    tokens = calloc(o.plain.n, sizeof *tokens);
    want.chosen = calloc(o.plain.n, sizeof *want.chosen);
    ok(madpo_score_each(o.m.model, &o.plain, &limits, false, keep, &want, &err), &err);
    ok(madpo_judge_logps(got, tokens, o.m.model, o.text, o.plain.n, eos, &limits, &err), &err);
    same(got, want.chosen, o.plain.n);
    assert_true(tokens[0] == (double)o.plain.v[0].n_branch[0]);
    for (size_t i = 0; i < o.plain.n; i++)
        o.text[i].ended = true;
    ok(madpo_score_each(o.m.model, &o.with_eos, &limits, false, keep, &want, &err), &err);
    ok(madpo_judge_logps(got, tokens, o.m.model, o.text, o.plain.n, eos, &limits, &err), &err);
    same(got, want.chosen, o.plain.n);
    assert_true(tokens[0] == (double)o.with_eos.v[0].n_branch[0]);
    /* nothing said and nothing ended: no token, and nothing to sum */
    o.text[1].n_answer = 0;
    o.text[1].ended = false;
    ok(madpo_judge_logps(got, tokens, o.m.model, o.text, 3, eos, &limits, &err), &err);
    assert_true(got[1] == 0.0 && tokens[1] == 0.0);
    same(got + 2, want.chosen + 2, 1);
    free(got);
    free(tokens);
    free(want.chosen);
    close_all(&o);
}

static void test_rewards(void **state)
{
    const char *dir = *state;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_batch_limits limits;
    opened o = {0};
    double *got;
    wanted want;

    open_all(&o, dir, "models/reward", &limits);
    assert_true(o.m.reward);
    got = calloc(o.plain.n, sizeof *got);
    want.chosen = calloc(o.plain.n, sizeof *want.chosen);
    ok(madpo_score_each(o.m.model, &o.with_eos, &limits, true, keep, &want, &err), &err);
    ok(madpo_judge_rewards(got, o.m.model, o.text, o.plain.n, madpo_tokenizer_eos(o.m.tok), &limits,
                           &err),
       &err);
    same(got, want.chosen, o.plain.n);
    free(got);
    free(want.chosen);
    close_all(&o);
}

/* a b a, b, a b and nothing: 2 different ones among 6 tokens, and among the pairs ab, ba, ab. */
static void test_distinct(void **state)
{
    static const int32_t aba[] = {7, 8, 7}, ab[] = {7, 8};
    const madpo_judge_text text[] = {{.answer = aba, .n_answer = 3},
                                     {.answer = ab + 1, .n_answer = 1},
                                     {.answer = ab, .n_answer = 2},
                                     {.answer = ab, .n_answer = 0}};

    (void)state;
    assert_true(madpo_judge_distinct(text, 4, 1) == 2.0 / 6.0);
    assert_true(madpo_judge_distinct(text, 4, 2) == 2.0 / 3.0);
    assert_true(isnan(madpo_judge_distinct(text + 3, 1, 1)));
    assert_true(isnan(madpo_judge_distinct(text + 1, 1, 2)));
}

static int make_run(void **state)
{
    char *dir = tmp_new();
    train_result r = train_run_ok(&(train_case){.dir = dir});

    train_result_free(&r);
    *state = dir;
    return 0;
}

static int remove_run(void **state)
{
    tmp_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_logps), cmocka_unit_test(test_rewards),
                                       cmocka_unit_test(test_distinct)};

    return cmocka_run_group_tests(tests, make_run, remove_run);
}
