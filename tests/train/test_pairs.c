/* Given pairs: through the API and from a file, with every objective, to the evaluation by the
 * run's own reward model; and pairs that cannot be used. */
#include "tests/train/train_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tmp.h"

static const char *const good[] = {" was warm and well made.", " kept me smiling to the end.",
                                   " is a quiet little gem."};
static const char *const bad[] = {" bored me from the start.", " was a waste of an evening.",
                                  " never finds its feet."};

static madpo_pairs *make_pairs(int n)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs *pairs;
    madpo_status st = madpo_pairs_new(&pairs, &err);

    for (int i = 0; i < n && st == MADPO_OK; i++) {
        char prompt[32];
        madpo_pair pair = {.prompt = prompt,
                           .chosen = (char *)good[i % 3], /* copied, not written */
                           .rejected = (char *)bad[(i / 3) % 3],
                           .id = 1000 + i,
                           .score_chosen = NAN,
                           .score_rejected = NAN,
                           .margin = NAN};

        snprintf(prompt, sizeof prompt, "Film %d", i % 20);
        pair.n_prompt = strlen(pair.prompt);
        pair.n_chosen = strlen(pair.chosen);
        pair.n_rejected = strlen(pair.rejected);
        st = madpo_pairs_add(pairs, &pair, &err);
    }
    if (st != MADPO_OK)
        fail_msg("%s", err.message);
    return pairs;
}

static void test_api(void **state)
{
    static const char *const objectives[] = {"policy.objective=madpo", "policy.objective=dpo",
                                             "policy.objective=ipo"};
    madpo_pairs *pairs = make_pairs(60);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const char *settings[] = {objectives[i], NULL};
        char *dir = tmp_new(), *a = tmp_path(dir, "a");
        train_result r =
            train_run_ok(&(train_case){.dir = a, .settings = settings, .pairs = pairs});
        const json_t *eval = train_event(&r, "eval", "evaluate", 1);
        const json_t *samples = train_event(&r, "samples", "policy", 0);

        assert_string_equal(json_string_value(json_object_get(eval, "metric")), "reward_model");
        assert_string_equal(json_string_value(json_object_get(eval, "who")), "policy");
        assert_true(isfinite(train_number(eval, "mean")));
        /* the user's ids come back */
        assert_true(train_number(json_array_get(json_object_get(samples, "pairs"), 0), "id") >=
                    1000.0);
        assert_true(train_has(a, "models/policy/tokenizer.json"));
        train_result_free(&r);
        free(a);
        tmp_free(dir);
    }
    madpo_pairs_free(pairs);
}

/* Which pairs are held out may be decided by the file; else it is a shuffle by the seed. */
static void test_split(void **state)
{
    static const char text[] =
        "{\"prompt\":\"Film 1\",\"chosen\":\" is fine.\",\"rejected\":\" is "
        "dull.\",\"split\":\"eval\"}\n"
        "{\"prompt\":\"Film 2\",\"chosen\":\" is good.\",\"rejected\":\" is bad.\"}\n"
        "{\"prompt\":\"Film 3\",\"chosen\":\" is great.\",\"rejected\":\" is bad.\"}\n"
        "{\"prompt\":\"Film 4\",\"chosen\":\" is warm.\",\"rejected\":\" is "
        "cold.\",\"split\":\"eval\"}\n";
    char *dir = tmp_new(), *a = tmp_path(dir, "a"), *file = tmp_file(dir, "pairs.jsonl", text);
    char setting[1024];
    const char *settings[] = {setting, "data.source=pairs", "run.stages=sft,reward,margins", NULL};
    train_result r;
    const json_t *prepared;
    char *margins;
    size_t n;

    (void)state;
    snprintf(setting, sizeof setting, "data.pairs=%s", file);
    r = train_run_ok(&(train_case){.dir = a, .settings = settings});
    prepared = train_event(&r, "stage", "prepare", 0);
    assert_int_equal(train_number(prepared, "train"), 2);
    assert_int_equal(train_number(prepared, "held_out"), 2);
    margins = train_file(a, "margins.jsonl", &n);
    assert_non_null(strstr(margins, "\"split\":\"eval\""));
    free(margins);
    train_result_free(&r);
    free(file);
    free(a);
    tmp_free(dir);
}

/* A pair that tokenizing drops is left out once, before any stage, so that positions agree in all
 * of them, also when the run goes on later; ties are, too. */
static void test_dropped(void **state)
{
    static const char text[] =
        "prompt,first_response,second_response,choice\n"
        "Film 1, is fine., is dull.,0\n"
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen twenty one two three four five six, b, c,1\n"
        "Film 2, is bad., is good.,1\n"
        "Film 3, is so., is so.,1\n"
        "Film 4, is great., is bad.,0\n";
    char *dir = tmp_new(), *a = tmp_path(dir, "a"), *file = tmp_file(dir, "pairs.csv", text);
    char setting[1024];
    const char *settings[] = {setting,
                              "data.source=pairs",
                              "run.stages=sft,reward,margins,policy",
                              "data.truncation=keep_start",
                              "data.max_prompt=0",
                              "data.tokenize=joint",
                              NULL};
    train_result r;
    const json_t *prepared;
    char *made;
    size_t n, n_lines = 0;

    (void)state;
    snprintf(setting, sizeof setting, "data.pairs=%s", file);
    for (int resume = 0; resume < 2; resume++) {
        r = train_run_ok(&(train_case){.dir = a, .settings = settings, .resume = resume});
        prepared = train_event(&r, "stage", "prepare", 0); /* none when the run goes on */
        if (prepared)
            assert_int_equal(train_number(prepared, "train") + train_number(prepared, "held_out"),
                             3);
        assert_int_equal(prepared != NULL, !resume);
        train_result_free(&r);
    }
    made = train_file(a, "pairs.jsonl", &n);
    for (size_t i = 0; i < n; i++)
        n_lines += made[i] == '\n';
    assert_int_equal(n_lines, 3);
    assert_null(strstr(made, "twelve"));
    assert_non_null(strstr(made, "\"chosen\":\" is good.\""));
    free(made);
    made = train_file(a, "margins.jsonl", &n);
    assert_non_null(strstr(made, "\"pair\":2"));
    free(made);
    free(file);
    free(a);
    tmp_free(dir);
}

static void refuse(const char *text, madpo_status status, const char *told)
{
    char *dir = tmp_new(), *a = tmp_path(dir, "a"), *file = tmp_file(dir, "pairs.jsonl", text);
    char setting[1024], line[2048];
    const char *settings[] = {setting, "data.source=pairs", "run.stages=sft,reward", NULL};
    train_result r;

    snprintf(setting, sizeof setting, "data.pairs=%s", file);
    r = train_run(&(train_case){.dir = a, .settings = settings});
    madpo_error_format(&r.err, line, sizeof line);
    if (r.status != status || !strstr(line, told))
        fail_msg("status %d and '%s', not %d with '%s'", r.status, line, status, told);
    train_result_free(&r);
    free(file);
    free(a);
    tmp_free(dir);
}

static void test_refused(void **state)
{
    (void)state;
    refuse("", MADPO_ERR_DATA, "pairs.jsonl");
    refuse("{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"\"}\n", MADPO_ERR_DATA, "rejected");
    refuse("{\"prompt\":\"one two three four five six seven eight nine ten eleven twelve\","
           "\"chosen\":\"b\",\"rejected\":\"c\"}\n",
           MADPO_ERR_DATA, "data.max_prompt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_api), cmocka_unit_test(test_split),
                                       cmocka_unit_test(test_dropped),
                                       cmocka_unit_test(test_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
