/* From the configuration to the objective's options: every key arrives, automatic values are the
 * objective's, and what run.json says of it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "train/policy_options.h"

static madpo_config *config_of(const char *const *settings)
{
    madpo_config *config;
    madpo_error err = MADPO_ERROR_INIT;

    assert_int_equal(madpo_config_new(&config, &err), MADPO_OK);
    for (; *settings; settings++)
        if (madpo_config_set(config, *settings, &err) != MADPO_OK)
            fail_msg("%s", err.message);
    return config;
}

static madpo_objective_options options_of(const char *objective, const char *const *settings)
{
    madpo_config *config = config_of(settings);
    madpo_objective_options o = madpo_policy_objective_options(madpo_config_options(config),
                                                               madpo_objective_find(objective));

    madpo_config_free(config);
    return o;
}

static const char *const none[] = {NULL};

/* The configuration's defaults are the published settings of every objective, but for beta. */
static void test_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; i < madpo_objective_count(); i++) {
        const madpo_objective *objective = madpo_objective_at(i);
        madpo_objective_options o = options_of(objective->name, none);
        madpo_objective_options want = madpo_objective_options_usual(objective);
        madpo_error err = MADPO_ERROR_INIT;

        want.beta = .1;
        /* ln 999 as the table writes it out */
        assert_true(fabs(o.weight.tau - want.weight.tau) < 1e-14);
        want.weight.tau = o.weight.tau;
        assert_memory_equal(&o.weight, &want.weight, sizeof o.weight);
        assert_true(o.beta == want.beta && o.average == want.average && o.scores == want.scores);
        assert_true(o.label_smoothing == want.label_smoothing && o.soft_scale == want.soft_scale);
        assert_true(o.alpha == want.alpha && o.gamma == want.gamma);
        assert_true(o.beta_mode == want.beta_mode && o.keep == want.keep);
        assert_true(o.momentum == want.momentum && o.seed == want.seed);
        assert_int_equal(madpo_objective_options_check(objective, &o, &err), MADPO_OK);
    }
}

static void test_every_key(void **state)
{
    static const char *const settings[] = {"policy.beta=0.25",
                                           "policy.c_max=3",
                                           "policy.c_min=0.125",
                                           "policy.lambda=2",
                                           "policy.tau=5",
                                           "policy.variant=uncapped",
                                           "policy.max_weight=7",
                                           "policy.margin=scores",
                                           "policy.average=true",
                                           "policy.label_smoothing=0.25",
                                           "policy.soft_scale=1.5",
                                           "policy.alpha=0.75",
                                           "policy.gamma=0.5",
                                           "policy.keep=0.625",
                                           "policy.beta_mode=notebook",
                                           "policy.momentum=0.5",
                                           NULL};
    madpo_objective_options o = options_of("dpo", settings);

    (void)state;
    assert_true(o.beta == .25 && o.weight.c_max == 3 && o.weight.c_min == .125);
    assert_true(o.weight.lambda == 2 && o.weight.tau == 5 && o.weight.max_weight == 7);
    assert_int_equal(o.weight.variant, MADPO_WEIGHT_UNCAPPED);
    assert_int_equal(o.beta_mode, MADPO_BETA_NOTEBOOK);
    assert_true(o.scores && o.average && o.label_smoothing == .25 && o.soft_scale == 1.5);
    assert_true(o.alpha == .75 && o.gamma == .5 && o.keep == .625 && o.momentum == .5);
}

/* Every key that an objective names is one of the configuration. */
static void test_keys_exist(void **state)
{
    madpo_config *config = config_of(none);

    (void)state;
    for (size_t i = 0; i < madpo_objective_count(); i++)
        for (const madpo_objective_option *o = madpo_objective_at(i)->options; o->key; o++) {
            madpo_error err = MADPO_ERROR_INIT;
            char *value = NULL;

            if (madpo_config_get(config, o->key, &value, &err) != MADPO_OK)
                fail_msg("%s: %s", madpo_objective_at(i)->name, err.message);
            free(value);
        }
    madpo_config_free(config);
}

static void expect_described(const char *const *settings, const char *want)
{
    madpo_config *config = config_of(settings);
    madpo_error err = MADPO_ERROR_INIT;
    char *text;

    assert_int_equal(madpo_policy_describe(&text, madpo_config_options(config), &err), MADPO_OK);
    assert_string_equal(text, want);
    free(text);
    madpo_config_free(config);
}

static void test_describe(void **state)
{
    (void)state;
    expect_described((const char *const[]){"policy.objective=dpo", "policy.beta=0.5", NULL},
                     "dpo beta 0.5");
    expect_described((const char *const[]){"policy.objective=ipo", "policy.beta=0.5",
                                           "policy.average=true", NULL},
                     "ipo beta 0.5 average");
    expect_described((const char *const[]){"policy.beta=0.5", "policy.tau=7", NULL},
                     "madpo beta 0.5 c_max 2 c_min 0.5 lambda 1 tau 7 variant full max_weight 10 "
                     "margin reward");
    expect_described((const char *const[]){"policy.objective=simpo", "policy.beta=2", NULL},
                     "simpo beta 2 gamma 0.5");
    expect_described((const char *const[]){"policy.objective=beta-dpo", "policy.beta=0.5",
                                           "policy.alpha=0.25", "policy.keep=0.75",
                                           "policy.momentum=0.5", NULL},
                     "beta-dpo beta 0.5 alpha 0.25 beta_mode authors keep 0.75 momentum 0.5");
    expect_described((const char *const[]){"policy.objective=sft", NULL}, "sft");
}

static void test_check(void **state)
{
    static const struct {
        const char *settings[4];
        const char *want; /* "": fine */
    } cases[] = {
        {{"policy.objective=madpo"}, ""},
        {{"policy.objective=exo", "policy.label_smoothing=0"}, "without a minimum"},
        {{"policy.objective=exo", "policy.label_smoothing=0", "run.stages=sft"}, ""},
        {{"policy.objective=simpo", "policy.gamma=0"}, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        madpo_config *config = config_of(cases[i].settings);
        madpo_error err = MADPO_ERROR_INIT;
        madpo_status st = madpo_policy_check(madpo_config_options(config), &err);

        assert_int_equal(st, *cases[i].want ? MADPO_ERR_CONFIG : MADPO_OK);
        assert_non_null(strstr(err.message, cases[i].want));
        madpo_config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),   cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_keys_exist), cmocka_unit_test(test_describe),
        cmocka_unit_test(test_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
