/* Every objective of the table through the stage policy: its first loss is the closed form, the
 * loss falls, and those that decide about whole steps say what they decided, agree with DPO where
 * they must, and go on after a stop to the same bytes. */
#include "tests/train/pairs_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "objective/objective.h"
#include "tests/support/tmp.h"

enum { N_PAIRS = 20 }; /* 18 of them to train on */

static const double ln2 = 0.69314718055994530942;
static const double h = 2.0; /* of every pair */

typedef struct fixture {
    char *root;
    char model[1024]; /* "model.path=…" of a language model that has seen the chosen answers */
    madpo_pairs *pairs;
} fixture;

static int setup(void **state)
{
    const pairs_recipe recipe = {
        .n = N_PAIRS, .n_prompts = N_PAIRS, .swap_prompt = -1, .h = h, .margin = NAN};
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

/* A run of the stage policy alone, all pairs in one step, the margin of a pair that of its scores.
 */
enum { MOST_SETTINGS = 16 };
typedef struct policy_run {
    const char *name; /* of its folder */
    const char *more[MOST_SETTINGS];
    train_moment stop;
    bool resume;
} policy_run;

static train_result run_policy(const fixture *f, const policy_run *p)
{
    const char *settings[MOST_SETTINGS + 8] = {"run.stages=policy", f->model,
                                               "policy.margin=scores", "policy.batch=18",
                                               "policy.warmup=0"};
    char *dir = tmp_path(f->root, p->name);
    train_result r;

    for (size_t i = 0; i < MOST_SETTINGS && p->more[i]; i++)
        settings[5 + i] = p->more[i];
    r = train_run(&(train_case){
        .dir = dir, .settings = settings, .pairs = f->pairs, .stop = p->stop, .resume = p->resume});
    if (r.status != MADPO_OK && !(p->stop.stage && r.status == MADPO_ERR_STOPPED))
        fail_msg("%s: %s", p->name, r.err.message);
    free(dir);
    return r;
}

static double step_number(const train_result *r, size_t i, const char *key)
{
    return train_number(train_event(r, "step", "policy", i), key);
}

/* ---- every objective ---- */

/* The loss at m = 0, a = b = 0, margin h, the objective's usual options; NaN where it depends on
 * the log-probs themselves. */
static double first_loss(const char *name)
{
    const struct {
        const char *name;
        double loss;
    } known[] = {{"madpo", 1.1140192088 * ln2}, /* w(2) of c_max 2, c_min 1/2, tau ln 999 */
                 {"dpo", ln2},
                 {"ipo", 25.0},
                 {"beta-dpo", ln2},
                 {"soft-madpo", ln2},
                 {"soft-dpo", ln2},
                 {"cdpo", ln2},
                 {"robust", ln2},
                 {"odpo", log1p(h)}, /* -log sigma(-log h) */
                 {"distill", h * h},
                 {"hinge", 1.0},
                 {"sppo", 50.0}, /* 2 (1/(2 beta))^2 */
                 {"apo-zero", 1.0},
                 {"apo-down", 1.0},
                 {"nca", 2.0 * ln2},
                 {"exo", -ln2 - 0.5 * log(1.0 - 1e-3) - 0.5 * log(1e-3)}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].loss;
    return NAN;
}

/* The implicit rewards of the answers and their difference are of one kind. */
static void check_rewards(const train_result *r, const char *name)
{
    for (size_t i = 0; i < 8; i += 7) {
        double chosen = step_number(r, i, "rewards/chosen");
        double rejected = step_number(r, i, "rewards/rejected");
        double margin = step_number(r, i, "rewards/margins");

        if (!(fabs(chosen - rejected - margin) <= 1e-9))
            fail_msg("%s: rewards %.12g - %.12g are not %.12g", name, chosen, rejected, margin);
    }
}

static void check_objective(const fixture *f, const madpo_objective *objective)
{
    char setting[64], beta[64], reference[80];
    madpo_objective_options usual = madpo_objective_options_usual(objective);
    policy_run p = {.name = objective->name, .more = {setting, beta}};
    double expected = first_loss(objective->name), first, last;
    train_result r;

    snprintf(setting, sizeof setting, "policy.objective=%s", objective->name);
    snprintf(beta, sizeof beta, "policy.beta=%.17g", usual.beta);
    snprintf(reference, sizeof reference, "%s/reference.jsonl", objective->name);
    r = run_policy(f, &p);
    first = step_number(&r, 0, "loss");
    last = step_number(&r, 7, "loss");
    if (!isnan(expected) && !(fabs(first - expected) <= 1e-9 * expected))
        fail_msg("%s begins at %.12g, not at %.12g", objective->name, first, expected);
    assert_int_equal(isnan(expected), objective->needs_lengths || !objective->needs_reference);
    /* a plan moves the target with the pairs, so that the loss itself says little */
    if (objective->plan)
        assert_true(step_number(&r, 7, "rewards/margins") > step_number(&r, 0, "rewards/margins"));
    else if (!(last < first))
        fail_msg("%s: the loss is %.6g at first, %.6g at last", objective->name, first, last);
    check_rewards(&r, objective->name);
    assert_int_equal(train_has(f->root, reference), objective->needs_reference);
    assert_int_equal(json_object_get(train_event(&r, "step", "policy", 0), "madpo/beta") != NULL,
                     objective->plan != NULL);
    train_result_free(&r);
}

static void test_each(void **state)
{
    for (size_t i = 0; i < madpo_objective_count(); i++)
        check_objective(*state, madpo_objective_at(i));
}

/* IPO per token: as TRL has it. */
static void test_average(void **state)
{
    policy_run p = {.name = "average", .more = {"policy.objective=ipo", "policy.average=true"}};
    train_result r = run_policy(*state, &p);

    assert_true(fabs(step_number(&r, 0, "loss") - 25.0) <= 1e-12);
    assert_true(step_number(&r, 7, "loss") < 25.0);
    check_rewards(&r, "ipo, per token");
    train_result_free(&r);
}

/* ---- objectives of a whole step ---- */

static void test_decisions(void **state)
{
    policy_run authors = {.name = "authors",
                          .more = {"policy.objective=beta-dpo", "policy.keep=0.5"}};
    policy_run notebook = {
        .name = "notebook",
        .more = {"policy.objective=beta-dpo", "policy.beta_mode=notebook", "policy.keep=0.5"}};
    train_result a = run_policy(*state, &authors), b = run_policy(*state, &notebook);

    /* no gaps yet: beta is beta0, and the running values are those of zeros */
    assert_true(step_number(&a, 0, "madpo/beta") == 0.1);
    assert_true(step_number(&b, 0, "madpo/beta") == 0.1);
    assert_true(step_number(&a, 0, "madpo/gap/scale") == 0.0);
    assert_true(fabs(step_number(&b, 0, "madpo/gap/scale") - 0.9 - 1e-7) <= 1e-12);
    for (size_t i = 0; i < 8; i++) {
        assert_true(step_number(&a, i, "madpo/kept") == 0.5);
        assert_true(step_number(&b, i, "madpo/kept") == 0.5);
        assert_true(step_number(&a, i, "madpo/weight/mean") == 0.5);
    }
    /* gaps grow faster than their running mean follows; the raw gap counts ten times as much */
    assert_true(step_number(&b, 7, "madpo/beta") > 0.1);
    assert_true(step_number(&a, 7, "madpo/beta") > step_number(&b, 7, "madpo/beta"));
    train_result_free(&a);
    train_result_free(&b);
}

/* Nothing filtered, beta left alone: DPO to the last bit, whether a step is one micro-batch,
 * planned and trained in one pass, or several. */
static void test_beta_dpo_is_dpo(void **state)
{
    static const char *const budgets[] = {"batch.tokens=1024", "batch.tokens=128"};
    const fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        policy_run dpo = {.name = i ? "dpo-narrow" : "dpo-wide",
                          .more = {"policy.objective=dpo", budgets[i]}};
        policy_run beta = {
            .name = i ? "beta-narrow" : "beta-wide",
            .more = {"policy.objective=beta-dpo", "policy.alpha=0", "policy.keep=1", budgets[i]}};
        train_result a = run_policy(f, &dpo), b = run_policy(f, &beta);
        char *dir_a = tmp_path(f->root, dpo.name), *dir_b = tmp_path(f->root, beta.name);

        train_assert_same(dir_a, dir_b, "models/policy/model.safetensors");
        for (size_t k = 0; k < 8; k++) {
            assert_true(step_number(&a, k, "loss") == step_number(&b, k, "loss"));
            assert_true(step_number(&a, k, "num_tokens") == step_number(&b, k, "num_tokens"));
        }
        train_result_free(&a);
        train_result_free(&b);
        free(dir_a);
        free(dir_b);
    }
}

/* Stopped in the middle, with running values and draws behind it. */
static void check_resume(const fixture *f, policy_run p, const char *whole, const char *parts)
{
    char *dir_a = tmp_path(f->root, whole), *dir_b = tmp_path(f->root, parts);
    train_result a, b;

    p.name = whole;
    a = run_policy(f, &p);
    p.name = parts;
    p.stop = (train_moment){"policy", 5};
    b = run_policy(f, &p);
    assert_int_equal(b.status, MADPO_ERR_STOPPED);
    assert_true(train_has(dir_b, "checkpoints/policy-step-5/state.json"));
    train_result_free(&b);
    p.stop = (train_moment){0};
    p.resume = true;
    b = run_policy(f, &p);
    train_assert_same(dir_a, dir_b, "models/policy/model.safetensors");
    for (size_t k = 5; k < 8; k++)
        if (!json_equal(train_event(&a, "step", "policy", k),
                        train_event(&b, "step", "policy", k - 5)))
            fail_msg("%s: step %zu is reported otherwise", whole, k + 1);
    train_result_free(&a);
    train_result_free(&b);
    free(dir_a);
    free(dir_b);
}

static void test_resume(void **state)
{
    policy_run authors = {
        .more = {"policy.objective=beta-dpo", "policy.batch=6", "policy.keep=0.5"}};
    policy_run notebook = {.more = {"policy.objective=beta-dpo", "policy.batch=6",
                                    "policy.keep=0.5", "policy.beta_mode=notebook"}};
    policy_run alpha = {.more = {"policy.objective=alpha-dpo", "policy.batch=6"}};

    check_resume(*state, authors, "authors-whole", "authors-parts");
    check_resume(*state, notebook, "notebook-whole", "notebook-parts");
    check_resume(*state, alpha, "alpha-whole", "alpha-parts");
}

/* ---- what is missing ---- */

static void test_needs(void **state)
{
    static const char *const objectives[] = {"soft-dpo", "soft-madpo", "odpo", "distill"};
    const fixture *f = *state;

    for (size_t i = 0; i < 4; i++) {
        char setting[64], name[64], told[96];
        const char *settings[] = {setting, f->model, "run.stages=policy", NULL};
        char *dir;
        train_result r;

        snprintf(setting, sizeof setting, "policy.objective=%s", objectives[i]);
        snprintf(name, sizeof name, "needs-%s", objectives[i]);
        snprintf(told, sizeof told, "objective %s needs the reward margin of every pair",
                 objectives[i]);
        dir = tmp_path(f->root, name);
        r = train_run(&(train_case){.dir = dir, .settings = settings, .pairs = f->pairs});
        if (r.status != MADPO_ERR_DATA || !strstr(r.err.message, told) ||
            !strstr(r.err.message, "run the stage margins first"))
            fail_msg("status %d: %s", r.status, r.err.message);
        train_result_free(&r);
        free(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each),      cmocka_unit_test(test_average),
        cmocka_unit_test(test_decisions), cmocka_unit_test(test_beta_dpo_is_dpo),
        cmocka_unit_test(test_resume),    cmocka_unit_test(test_needs)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
