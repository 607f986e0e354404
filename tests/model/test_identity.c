/* What must hold to the last bit: a sequence's numbers in any batch, policy against reference at
 * step 0, and that steps neither allocate nor build. */
#include "tests/model/model_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "objective/objective.h"
#include "tests/support/fail_alloc.h"

static const char *const archs[] = {"llama", "gemma3"};

/* Log-probs of pair p of `list`, alone or in a batch of first..end, into logp; returns how many. */
static int64_t pair_logps(madpo_model *m, madpo_packer *packer, const example_list *list,
                          size_t first, size_t end, size_t p, float *logp)
{
    const madpo_batch *b = pack(packer, list, first, end);
    int64_t s = 2 * (int64_t)(p - first), at = b->seq_row[s], n = b->seq_row[s + 2] - at;
    float all[130];

    MODEL_OK(madpo_model_logps(m, b, all, NULL, err));
    memcpy(logp, all + at, (size_t)n * sizeof *logp);
    return n;
}

static void test_batch_invariance(void **state)
{
    for (size_t k = 0; k < 2; k++) {
        madpo_model *m = model_make(*state, archs[k], true, false, false);
        madpo_model_options o = model_options(false, false, 0);
        example_list list = examples_pairs(5, 37, 21);
        madpo_packer *packer = packer_new(&o);

        for (size_t p = 0; p < list.n; p++) {
            float alone[64], among[64], last[64];
            int64_t n = pair_logps(m, packer, &list, p, p + 1, p, alone);

            assert_int_equal(pair_logps(m, packer, &list, 0, list.n, p, among), n);
            assert_int_equal(pair_logps(m, packer, &list, 0, p + 1, p, last), n);
            assert_memory_equal(alone, among, (size_t)n * sizeof *alone);
            assert_memory_equal(alone, last, (size_t)n * sizeof *alone);
        }
        madpo_packer_free(packer);
        examples_free(&list);
        madpo_model_free(m);
    }
}

static void test_rewards_invariance(void **state)
{
    for (size_t k = 0; k < 2; k++) {
        madpo_model *m = model_make(*state, archs[k], true, false, true);
        madpo_model_options o = model_options(false, true, 0);
        example_list list = examples_pairs(5, 37, 22);
        madpo_packer *packer = packer_new(&o);
        float all[16], two[2];

        MODEL_OK(madpo_model_rewards(m, pack(packer, &list, 0, list.n), all, err));
        for (size_t p = 0; p < list.n; p++) {
            MODEL_OK(madpo_model_rewards(m, pack(packer, &list, p, p + 1), two, err));
            assert_memory_equal(two, all + 2 * p, sizeof two);
        }
        madpo_packer_free(packer);
        examples_free(&list);
        madpo_model_free(m);
    }
}

/* Sums of a batch's log-probs by sequence. */
static void sums(madpo_model *m, const madpo_batch *b, double *sum)
{
    float logp[130];

    MODEL_OK(madpo_model_logps(m, b, logp, NULL, err));
    for (int64_t s = 0; s < b->n_seq; s++) {
        sum[s] = 0;
        for (int64_t i = b->seq_row[s]; i < b->seq_row[s + 1]; i++)
            sum[s] += logp[i];
    }
}

/* The policy keeps its activations, the reference does not and works from packed weights, and the
 * two see the pairs in different company. */
static void test_step_zero(void **state)
{
    for (size_t k = 0; k < 2; k++) {
        madpo_model_config config = model_config(archs[k], true);
        madpo_model_options with_gen = model_options(false, false, 4);
        madpo_model *policy = model_make(*state, archs[k], true, true, false), *reference;
        example_list list = examples_pairs(5, 37, 23);
        madpo_packer *packer = packer_new(&with_gen);
        madpo_objective_options o = {.beta = .1,
                                     .weight = {.c_max = 4, .c_min = .25, .lambda = 1, .tau = 7}};
        double all[16], two[2];

        MODEL_OK(madpo_model_new(&reference, *state, &config, &with_gen, err));
        model_copy(reference, policy);
        sums(reference, pack(packer, &list, 0, list.n), all);
        for (size_t p = 0; p < list.n; p++) {
            madpo_pair_logps in = {.ref_chosen = all[2 * p], .ref_rejected = all[2 * p + 1]};
            madpo_pair_loss dpo, constant, capped;

            sums(policy, pack(packer, &list, p, p + 1), two);
            in.chosen = two[0];
            in.rejected = two[1];
            madpo_objective_find("dpo")->pair(&o, &in, &dpo);
            madpo_objective_find("madpo")->pair(&o, &in, &constant); /* h = 0 */
            o.weight.c_max = 1;
            in.h = 1.7 * (double)p - 3;
            madpo_objective_find("madpo")->pair(&o, &in, &capped);
            o.weight.c_max = 4;
            assert_true(dpo.m == 0.0);
            assert_true(fabs(dpo.loss - log(2.0)) <= 1e-16);
            assert_memory_equal(&dpo, &constant, sizeof dpo);
            assert_memory_equal(&dpo, &capped, sizeof dpo);
        }
        madpo_packer_free(packer);
        examples_free(&list);
        madpo_model_free(policy);
        madpo_model_free(reference);
    }
}

/* Forward, backward and generation at several sizes: no buffer, program, kernel object or host
 * allocation of ours. */
static void test_no_allocation(void **state)
{
    madpo_device *dev = *state;

    for (size_t k = 0; k < 4; k++) {
        bool reward = k >= 2;
        madpo_model_config config = model_config(archs[k % 2], true);
        madpo_model_options o = model_options(true, reward, reward ? 0 : 6);
        madpo_generate_options g = {.temperature = 1,
                                    .top_k = 9,
                                    .top_p = .9f,
                                    .seed = 3,
                                    .max_new = 7,
                                    .samples_per_prompt = 2};
        example_list list = examples_pairs(5, 37, 24);
        madpo_packer *packer = packer_new(&o);
        const int32_t *prompts[] = {list.v[1].prompt, list.v[2].prompt};
        const int32_t n_prompt[] = {list.v[1].n_prompt, list.v[2].n_prompt};
        int32_t out[4 * 7], out_len[4];
        float f[130];
        madpo_device_stats before, after;
        madpo_model *m;

        MODEL_OK(madpo_model_new(&m, dev, &config, &o, err));
        model_randomise(m, 5);
        before = madpo_device_get_stats(dev);
        fail_alloc_arm(1);
        for (size_t end = 1; end <= list.n; end++) {
            const madpo_batch *b = pack(packer, &list, 0, end);

            MODEL_OK(madpo_model_zero_grads(m, err));
            if (reward) {
                MODEL_OK(madpo_model_rewards(m, b, f, err));
                MODEL_OK(madpo_model_backward_rewards(m, b, f, err));
            } else {
                MODEL_OK(madpo_model_logps(m, b, f, NULL, err));
                MODEL_OK(madpo_model_backward_logps(m, b, f, err));
            }
            madpo_model_weights_changed(m);
            if (!reward)
                MODEL_OK(
                    madpo_model_generate(m, prompts, n_prompt, 2, &g, out, out_len, NULL, err));
        }
        assert_false(fail_alloc_disarm());
        after = madpo_device_get_stats(dev);
        assert_int_equal(after.n_buffers, before.n_buffers);
        assert_int_equal(after.n_programs, before.n_programs);
        assert_int_equal(after.n_kernels, before.n_kernels);
        assert_true(after.n_launches > before.n_launches);
        madpo_packer_free(packer);
        examples_free(&list);
        madpo_model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_invariance),
        cmocka_unit_test(test_rewards_invariance),
        cmocka_unit_test(test_step_zero),
        cmocka_unit_test(test_no_allocation),
    };

    return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
