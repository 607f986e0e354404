/* Margins from outside: of the pairs themselves or of a file, without a reward model; and those
 * that will not do, refused before anything is trained. */
#include "tests/train/pairs_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "objective/objective.h"
#include "tests/support/tmp.h"

enum { N_PAIRS = 12, MOST = 8 };

typedef struct fixture {
    char *root;
    char model[1024];
    madpo_pairs *pairs, *with; /* without margins and with: -0.5 + i/8 */
    int n_runs;
} fixture;

static int setup(void **state)
{
    pairs_recipe recipe = {
        .n = N_PAIRS, .n_prompts = N_PAIRS, .swap_prompt = -1, .h = NAN, .margin = NAN};
    fixture *f = calloc(1, sizeof *f);

    if (!f)
        return -1;
    f->root = tmp_new();
    f->pairs = pairs_make(&recipe);
    recipe.margin = -0.5;
    f->with = pairs_make(&recipe);
    pairs_make_start(f->model, f->root, f->pairs);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    madpo_pairs_free(f->pairs);
    madpo_pairs_free(f->with);
    tmp_free(f->root);
    free(f);
    return 0;
}

/* Stages margins and policy in a new folder, the caller's, free(). */
static train_result run(char **dir, fixture *f, const madpo_pairs *pairs, const char *const *more)
{
    const char *settings[MOST + 4] = {"run.stages=margins,policy", f->model, "policy.max_steps=2"};
    char name[32];

    for (size_t i = 0; i < MOST && more[i]; i++)
        settings[3 + i] = more[i];
    snprintf(name, sizeof name, "run-%d", f->n_runs++);
    *dir = tmp_path(f->root, name);
    return train_run(&(train_case){.dir = *dir, .settings = settings, .pairs = pairs});
}

/* "data.margins=root/name" with that text in it. */
static const char *margins_file(char setting[1024], const fixture *f, const char *name,
                                const char *text)
{
    char *path = tmp_file(f->root, name, text);

    snprintf(setting, 1024, "data.margins=%s", path);
    free(path);
    return setting;
}

/* Lines of the pairs first … last, in falling order. */
static char *margins_text(int first, int last, const char *key)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_strbuf b = {0};
    char *text;

    for (int i = last; i >= first; i--)
        madpo_strbuf_printf(&b, "{\"%s\": %.3f, \"id\": %d, \"c\": 1}\n", key, -0.5 + i / 8.0,
                            100 + i);
    assert_int_equal(madpo_strbuf_steal(&b, &text, NULL, &err), MADPO_OK);
    return text;
}

static void check(fixture *f, const madpo_pairs *pairs, const char *setting)
{
    const char *more[] = {setting, NULL};
    madpo_weight_options weight =
        madpo_objective_options_usual(madpo_objective_find("madpo")).weight;
    double h[N_PAIRS], w[N_PAIRS];
    char *dir;
    train_result r = run(&dir, f, pairs, more);

    if (r.status != MADPO_OK)
        fail_msg("%s: %s", setting, r.err.message);
    pairs_column(h, N_PAIRS, dir, "margins.jsonl", "h");
    pairs_column(w, N_PAIRS, dir, "margins.jsonl", "w");
    for (int i = 0; i < N_PAIRS; i++) {
        assert_true(h[i] == -0.5 + i / 8.0);
        assert_true(fabs(w[i] - madpo_weight_w(&weight, h[i])) <= 1e-12);
    }
    assert_false(train_has(dir, "models/reward"));
    assert_true(train_has(dir, "models/policy/model.safetensors"));
    assert_true(isfinite(train_number(train_event(&r, "step", "policy", 0), "madpo/margin/mean")));
    train_result_free(&r);
    free(dir);
}

static void test_of_pairs(void **state)
{
    check(*state, ((fixture *)*state)->with, "data.margins=pairs");
    /* there is no other source */
    check(*state, ((fixture *)*state)->with, NULL);
}

static void test_of_file(void **state)
{
    fixture *f = *state;
    char setting[1024], *text = margins_text(0, N_PAIRS - 1, "h");

    check(f, f->pairs, margins_file(setting, f, "h.jsonl", text));
    /* what the pairs say is not asked */
    check(f, f->with, setting);
    free(text);
    text = margins_text(0, N_PAIRS - 1, "margin");
    check(f, f->pairs, margins_file(setting, f, "margin.jsonl", text));
    free(text);
}

/* A reward model is trained where the stages say so, whatever the pairs say. */
static void test_model_first(void **state)
{
    fixture *f = *state;
    const char *settings[] = {"run.stages=reward,margins", f->model, "reward.max_steps=2", NULL};
    char *dir = tmp_path(f->root, "model-first");
    double h[N_PAIRS];
    train_result r =
        train_run_ok(&(train_case){.dir = dir, .settings = settings, .pairs = f->with});

    pairs_column(h, N_PAIRS, dir, "margins.jsonl", "h");
    assert_true(h[0] != -0.5 && h[1] != -0.375);
    train_result_free(&r);
    free(dir);
}

static void refuse(fixture *f, const madpo_pairs *pairs, const char *const *more,
                   madpo_status status, const char *told)
{
    char *dir, line[2048];
    train_result r = run(&dir, f, pairs, more);

    madpo_error_format(&r.err, line, sizeof line);
    if (r.status != status || !strstr(line, told) || strchr(line, '\n'))
        fail_msg("status %d and '%s', not %d with '%s'", r.status, line, status, told);
    /* before the first stage */
    assert_int_equal(train_event_count(&r, "stage", "margins"), 0);
    train_result_free(&r);
    free(dir);
}

static void refuse_file(fixture *f, const char *text, const char *told)
{
    char setting[1024];
    const char *more[] = {margins_file(setting, f, "bad.jsonl", text), NULL};

    refuse(f, f->pairs, more, MADPO_ERR_DATA, told);
}

static void test_refused(void **state)
{
    static const char *const of_pairs[] = {"data.margins=pairs", NULL};
    static const char *const nowhere[] = {"data.margins=/nowhere/at/all.jsonl", NULL};
    static const char *const none[] = {NULL};
    fixture *f = *state;
    char *most = margins_text(0, N_PAIRS - 3, "h"), *more = margins_text(0, N_PAIRS, "h");
    char *twice = margins_text(0, N_PAIRS - 1, "h");

    refuse(f, f->pairs, of_pairs, MADPO_ERR_DATA, "pair 100 has no field margin");
    refuse(f, f->pairs, nowhere, MADPO_ERR_IO, "/nowhere/at/all.jsonl");
    refuse(f, f->pairs, none, MADPO_ERR_DATA, "run the stage reward first");
    refuse_file(f, most, "has no margin of pair 110 (2 of 12 pairs have none)");
    refuse_file(f, more, "bad.jsonl:1: no pair of the run has the id 112");
    memcpy(strstr(twice, "110"), "111", 3);
    refuse_file(f, twice, "bad.jsonl:2: pair 111 has a margin already");
    refuse_file(f, "{\"id\": 100, \"h\": 1}\nnonsense\n", "bad.jsonl:2");
    refuse_file(f, "\n{\"id\": 100, \"h\": \"1\"}\n", "bad.jsonl:2: not a margin");
    refuse_file(f, "{\"id\": 1.5, \"h\": 1}\n", "bad.jsonl:1: not a margin");
    refuse_file(f, "[1, 2]\n", "bad.jsonl:1");
    refuse_file(f, "", "has no margin of pair 100 (12 of 12 pairs have none)");
    free(most);
    free(more);
    free(twice);
}

/* Generated pairs have no margins of their own; a file that is not there is told at once. */
static void test_generated(void **state)
{
    static const struct {
        const char *setting, *told;
    } cases[] = {{"data.margins=pairs", "needs given pairs (data.pairs)"},
                 {"data.margins=/nowhere/at/all.jsonl", "there is no file /nowhere/at/all.jsonl"}};
    const fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        const char *settings[] = {"run.stages=sft,generate,margins,policy", cases[i].setting, NULL};
        char *dir = tmp_path(f->root, i ? "generated-1" : "generated-0");
        train_result r = train_run(&(train_case){.dir = dir, .settings = settings});

        if (r.status == MADPO_OK || !strstr(r.err.message, cases[i].told))
            fail_msg("status %d: %s", r.status, r.err.message);
        assert_int_equal(train_event_count(&r, "step", "sft"), 0);
        train_result_free(&r);
        free(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_pairs), cmocka_unit_test(test_of_file),
        cmocka_unit_test(test_model_first), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_generated)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
