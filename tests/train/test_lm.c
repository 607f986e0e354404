/* Using a model through the public API: what is written and scored agrees with itself, and mistakes
 * are told. */
#include "tests/train/train_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "madpo/model.h"
#include "tests/support/tmp.h"

typedef struct fixture {
    char *dir, *run, *model, *reward;
    madpo_lm *lm;
} fixture;

static int set_up(void **state)
{
    static const char *const settings[] = {"run.stages=sft,generate,reward", NULL};
    fixture *f = calloc(1, sizeof *f);
    madpo_error err = MADPO_ERROR_INIT;
    train_result result;

    assert_non_null(f);
    f->dir = tmp_new();
    f->run = tmp_path(f->dir, "run");
    f->model = tmp_path(f->dir, "run/models/sft");
    f->reward = tmp_path(f->dir, "run/models/reward");
    result = train_run_ok(&(train_case){.dir = f->run, .settings = settings});
    train_result_free(&result);
    if (madpo_lm_open(&f->lm, f->model, NULL, &err) != MADPO_OK)
        fail_msg("%s", err.message);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    madpo_lm_free(f->lm);
    tmp_free(f->dir);
    free(f->run);
    free(f->model);
    free(f->reward);
    free(f);
    return 0;
}

/* Pieces one after the other; ends after `most` of them. */
typedef struct pieces {
    char text[1024];
    size_t n, n_pieces, most;
} pieces;

static bool take_piece(void *user, const char *text, size_t n)
{
    pieces *p = user;

    assert_true(p->n + n < sizeof p->text);
    memcpy(p->text + p->n, text, n);
    p->n += n;
    return ++p->n_pieces < p->most;
}

static char *generate(fixture *f, const madpo_lm_sampling *how)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *text = NULL;

    if (madpo_lm_generate(f->lm, "The film", how, &text, &err) != MADPO_OK)
        fail_msg("%s", err.message);
    return text;
}

static void test_pieces(void **state)
{
    fixture *f = *state;
    pieces p = {.most = 1000}, few = {.most = 2};
    madpo_lm_sampling how;
    char *text, *again, *other;

    madpo_lm_sampling_defaults(&how);
    how.temperature = 1.0;
    how.max_new = 16;
    again = generate(f, &how);
    how.piece = take_piece;
    how.user = &p;
    text = generate(f, &how);
    assert_string_equal(text, again);
    p.text[p.n] = '\0';
    assert_string_equal(p.text, text);
    assert_true(p.n_pieces > 2);
    how.user = &few;
    other = generate(f, &how);
    assert_true(strlen(other) < strlen(text));
    assert_memory_equal(other, text, few.n);
    free(other);
    how.user = &(pieces){.most = 1000};
    how.seed = 43;
    other = generate(f, &how);
    assert_string_not_equal(other, text);
    free(other);
    free(again);
    free(text);
}

/* log p(a b | x) = log p(a | x) + log p(b | x a), where tokens do not join: byte tokens apart by a
 * special one. */
static void test_scores(void **state)
{
    fixture *f = *state;
    madpo_error err = MADPO_ERROR_INIT;
    double first, second, both, ended;
    int32_t n_first, n_second, n_both, n_ended;

    assert_int_equal(madpo_lm_score(f->lm, "The film", "<pad>", false, &first, &n_first, &err),
                     MADPO_OK);
    assert_int_equal(
        madpo_lm_score(f->lm, "The film<pad>", " was", false, &second, &n_second, &err), MADPO_OK);
    assert_int_equal(madpo_lm_score(f->lm, "The film", "<pad> was", false, &both, &n_both, &err),
                     MADPO_OK);
    assert_int_equal(madpo_lm_score(f->lm, "The film", "<pad> was", true, &ended, &n_ended, &err),
                     MADPO_OK);
    assert_int_equal(n_both, n_first + n_second);
    assert_int_equal(n_ended, n_both + 1);
    assert_true(first < 0.0 && second < 0.0 && ended < both);
    assert_true(fabs(first + second - both) <= 1e-4);
    assert_false(madpo_lm_is_reward(f->lm));
}

static void test_reward(void **state)
{
    fixture *f = *state;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_lm_sampling how;
    madpo_lm *reward = NULL;
    double one, two;
    char *text;

    assert_int_equal(madpo_lm_open(&reward, f->reward, NULL, &err), MADPO_OK);
    assert_true(madpo_lm_is_reward(reward));
    assert_int_equal(madpo_lm_score(reward, "The film", " was", false, &one, NULL, &err), MADPO_OK);
    assert_int_equal(madpo_lm_score(reward, "The film", " was", true, &two, NULL, &err), MADPO_OK);
    assert_true(isfinite(one) && one == two);
    madpo_lm_sampling_defaults(&how);
    assert_int_equal(madpo_lm_generate(reward, "A", &how, &text, &err), MADPO_ERR_USAGE);
    assert_null(text);
    assert_non_null(strstr(err.message, "reward model"));
    madpo_lm_free(reward);
}

static void test_mistakes(void **state)
{
    fixture *f = *state;
    madpo_error err = MADPO_ERROR_INIT;
    const char *none = f->dir;
    const madpo_lm_options adapted = {.adapters = &none, .n_adapters = 1};
    const madpo_lm_options small = {.memory_limit_bytes = 1000};
    madpo_lm_sampling how;
    madpo_lm *lm;
    char *text;
    double value;

    assert_int_equal(madpo_lm_open(&lm, f->dir, NULL, &err), MADPO_ERR_IO);
    assert_null(lm);
    assert_non_null(strstr(err.message, "holds no model"));
    err = (madpo_error)MADPO_ERROR_INIT;
    assert_int_equal(madpo_lm_open(&lm, f->model, &adapted, &err), MADPO_ERR_DATA);
    assert_non_null(strstr(err.message, "no adapter"));
    err = (madpo_error)MADPO_ERROR_INIT;
    assert_int_equal(madpo_lm_open(&lm, f->model, &small, &err), MADPO_ERR_MEMORY);
    err = (madpo_error)MADPO_ERROR_INIT;
    madpo_lm_sampling_defaults(&how);
    how.max_new = 1000;
    assert_int_equal(madpo_lm_generate(f->lm, "A", &how, &text, &err), MADPO_ERR_DATA);
    assert_non_null(strstr(err.message, "do not fit"));
    err = (madpo_error)MADPO_ERROR_INIT;
    how.max_new = 4;
    how.top_p = 0.0;
    assert_int_equal(madpo_lm_generate(f->lm, "A", &how, &text, &err), MADPO_ERR_USAGE);
    err = (madpo_error)MADPO_ERROR_INIT;
    assert_int_equal(madpo_lm_score(f->lm, "A", "", false, &value, NULL, &err), MADPO_ERR_DATA);
    assert_non_null(strstr(err.message, "answer is empty"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_reward),
        cmocka_unit_test(test_mistakes),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
