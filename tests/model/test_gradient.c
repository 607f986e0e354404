/* The device model against the double-precision one: log-probs, rewards, and the gradient of every
 * weight against finite differences. */
#include "tests/model/model_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "objective/objective.h"
#include "tests/support/ref_model.h"

enum { N_PAIRS = 4 };

static const struct {
    const char *arch;
    bool tied;
} models[] = {{"llama", true},  {"llama", false}, {"gemma3", true},   {"qwen2", true},
              {"qwen3", false}, {"gpt2", true},   {"gpt_neox", true}, {"gpt_neox", false}};

enum { N_MODELS = sizeof models / sizeof models[0] };

static void close_to(double got, double want, double atol, double rtol, const char *what)
{
    bool ok = fabs(got - want) <= atol + rtol * fabs(want);

    if (!ok)
        fail_msg("%s: got %.9g, want %.9g", what, got, want);
}

static void test_logps(void **state)
{
    for (size_t k = 0; k < N_MODELS; k++) {
        madpo_model *m = model_make(*state, models[k].arch, models[k].tied, false, false);
        madpo_model_options o = model_options(false, false, 0);
        example_list list = examples_pairs(N_PAIRS, 37, 5);
        madpo_packer *packer = packer_new(&o);
        const madpo_batch *b = pack(packer, &list, 0, list.n);
        ref_model *ref = ref_model_new(m);
        float logp[130];
        double want[130];
        int32_t argmax[130];
        bool top[130];

        assert_true(b->R > 30 && b->R <= 130);
        MODEL_OK(madpo_model_logps(m, b, logp, top, err));
        ref_model_logps(ref, b, want, argmax);
        for (int64_t i = 0; i < b->R; i++) {
            close_to(logp[i], want[i], 5e-5, 1e-5, models[k].arch);
            assert_true(top[i] == (argmax[i] == b->row_label[i]));
        }
        ref_model_free(ref);
        madpo_packer_free(packer);
        examples_free(&list);
        madpo_model_free(m);
    }
}

static void test_rewards(void **state)
{
    for (size_t k = 0; k < N_MODELS; k++) {
        madpo_model *m = model_make(*state, models[k].arch, models[k].tied, false, true);
        madpo_model_options o = model_options(false, true, 0);
        example_list list = examples_pairs(N_PAIRS, 37, 6);
        madpo_packer *packer = packer_new(&o);
        const madpo_batch *b = pack(packer, &list, 0, list.n);
        ref_model *ref = ref_model_new(m);
        float got[16];
        double want[16];

        MODEL_OK(madpo_model_rewards(m, b, got, err));
        ref_model_rewards(ref, b, want);
        for (int64_t i = 0; i < b->n_seq; i++)
            close_to(got[i], want[i], 2e-5, 1e-5, models[k].arch);
        ref_model_free(ref);
        madpo_packer_free(packer);
        examples_free(&list);
        madpo_model_free(m);
    }
}

/* ---- gradients ---- */

/* A loss of a batch, through the reference model or of given outputs. */
typedef struct loss_case {
    bool reward;
    const madpo_batch *b;
    double *out;  /* [max(R, n_seq)] log-probs or rewards */
    double *dout; /* their gradient */
} loss_case;

/* MADPO's loss of the batch's pairs, mean over pairs, with a made-up reference and made-up margins;
 * or the reward loss with centring. Writes c->dout. */
static double batch_loss(loss_case *c)
{
    const madpo_batch *b = c->b;
    madpo_objective_options o = {.beta = .3,
                                 .weight = {.c_max = 4, .c_min = .25, .lambda = 1, .tau = 7}};
    double total = 0, n = (double)b->n_seq / 2;

    for (int64_t p = 0; p < b->n_seq / 2; p++) {
        if (c->reward) {
            madpo_reward_loss l = madpo_bradley_terry(c->out[2 * p], c->out[2 * p + 1], .2, .05);

            total += l.loss / n;
            c->dout[2 * p] = l.dchosen / n;
            c->dout[2 * p + 1] = l.drejected / n;
        } else {
            madpo_pair_logps in = {
                .ref_chosen = -20 - (double)p, .ref_rejected = -25, .h = .5 * (double)p - .6};
            madpo_pair_loss l;

            for (int64_t i = b->seq_row[2 * p]; i < b->seq_row[2 * p + 1]; i++)
                in.chosen += c->out[i];
            for (int64_t i = b->seq_row[2 * p + 1]; i < b->seq_row[2 * p + 2]; i++)
                in.rejected += c->out[i];
            madpo_objective_find("madpo")->pair(&o, &in, &l);
            total += l.loss / n;
            for (int64_t i = b->seq_row[2 * p]; i < b->seq_row[2 * p + 1]; i++)
                c->dout[i] = l.dchosen / n;
            for (int64_t i = b->seq_row[2 * p + 1]; i < b->seq_row[2 * p + 2]; i++)
                c->dout[i] = l.drejected / n;
        }
    }
    return total;
}

static double ref_loss(ref_model *ref, loss_case *c)
{
    if (c->reward)
        ref_model_rewards(ref, c->b, c->out);
    else
        ref_model_logps(ref, c->b, c->out, NULL);
    return batch_loss(c);
}

/* Forward and backward on the device. */
static void device_pass(madpo_model *m, loss_case *c)
{
    int64_t n = c->reward ? c->b->n_seq : c->b->R;
    float f[130];

    if (c->reward)
        MODEL_OK(madpo_model_rewards(m, c->b, f, err));
    else
        MODEL_OK(madpo_model_logps(m, c->b, f, NULL, err));
    for (int64_t i = 0; i < n; i++)
        c->out[i] = f[i];
    (void)batch_loss(c);
    for (int64_t i = 0; i < n; i++)
        f[i] = (float)c->dout[i];
    if (c->reward)
        MODEL_OK(madpo_model_backward_rewards(m, c->b, f, err));
    else
        MODEL_OK(madpo_model_backward_logps(m, c->b, f, err));
}

/* dLoss/dw[j] of tensor i by five points. */
static double numeric(ref_model *ref, loss_case *c, size_t i, int64_t j)
{
    const double h = 2e-4;
    double *w = ref_model_weights(ref, i) + j, at = *w, f[5];

    for (int k = -2; k <= 2; k++) {
        *w = at + k * h;
        f[k + 2] = k ? ref_loss(ref, c) : 0;
    }
    *w = at;
    return (f[0] - 8 * f[1] + 8 * f[3] - f[4]) / (12 * h);
}

/* Six entries of each tensor, the largest gradient among them. */
static void check_entries(madpo_model *m, ref_model *ref, loss_case *c)
{
    for (size_t i = 0; i < madpo_model_tensor_count(m); i++) {
        const madpo_model_tensor *t = madpo_model_tensor_at(m, i);
        float *g = model_read(m, t->grad);
        int64_t big = 0;

        for (int64_t j = 0; j < t->n; j++)
            if (fabsf(g[j]) > fabsf(g[big]))
                big = j;
        assert_true(fabsf(g[big]) > 0); /* no weight is left out */
        for (int64_t s = 0; s < 6; s++) {
            int64_t j = s == 0 ? big : (s * 7919 + (int64_t)i * 31) % t->n;

            close_to(g[j], numeric(ref, c, i, j), 2e-5 * fabsf(g[big]) + 1e-7, 1e-4, t->name);
        }
        free(g);
    }
}

/* Along a random direction through all weights at once. */
static void check_direction(madpo_model *m, ref_model *ref, loss_case *c)
{
    const double h = 1e-4;
    double f[2], dot = 0, norm = 0;

    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < madpo_model_tensor_count(m); i++) {
            const madpo_model_tensor *t = madpo_model_tensor_at(m, i);
            float *g = model_read(m, t->grad);
            madpo_rng rng;

            madpo_rng_init(&rng, 99, i);
            for (int64_t j = 0; j < t->n; j++) {
                double d = madpo_rng_normal(&rng);

                ref_model_weights(ref, i)[j] += (side == 0 ? -h : 2 * h) * d;
                if (side == 0) {
                    dot += d * g[j];
                    norm += (double)g[j] * g[j];
                }
            }
            free(g);
        }
        f[side] = ref_loss(ref, c);
    }
    close_to(dot, (f[1] - f[0]) / (2 * h), 1e-4 * sqrt(norm), 1e-4, "random direction");
}

static void gradient_case(madpo_device *dev, size_t k, bool reward)
{
    madpo_model *m = model_make(dev, models[k].arch, models[k].tied, true, reward);
    madpo_model_options o = model_options(true, reward, 0);
    example_list list = examples_pairs(N_PAIRS, 37, 11 + k);
    madpo_packer *packer = packer_new(&o);
    double out[130], dout[130];
    loss_case c = {.reward = reward, .b = pack(packer, &list, 0, list.n), .out = out, .dout = dout};
    ref_model *ref = ref_model_new(m);

    device_pass(m, &c);
    check_entries(m, ref, &c);
    check_direction(m, ref, &c);
    ref_model_free(ref);
    madpo_packer_free(packer);
    examples_free(&list);
    madpo_model_free(m);
}

static void test_gradient_policy(void **state)
{
    for (size_t k = 0; k < N_MODELS; k++)
        gradient_case(*state, k, false);
}

static void test_gradient_reward(void **state)
{
    for (size_t k = 0; k < N_MODELS; k++)
        gradient_case(*state, k, true);
}

/* Gradients of two micro-batches add up; after zero_grads the next one stands alone, bit for bit.
 */
static void test_accumulate(void **state)
{
    for (size_t k = 0; k < 2 * N_MODELS; k++) {
        bool reward = k >= N_MODELS;
        madpo_model *m =
            model_make(*state, models[k % N_MODELS].arch, models[k % N_MODELS].tied, true, reward);
        madpo_model_options o = model_options(true, reward, 0);
        example_list list = examples_pairs(N_PAIRS, 37, 3);
        madpo_packer *packer = packer_new(&o);
        double out[130], dout[130];
        loss_case c = {.reward = reward, .out = out, .dout = dout};
        float *a, *b, *both, *again;
        int64_t n = madpo_model_grads(m).n;

        c.b = pack(packer, &list, 0, 2);
        device_pass(m, &c);
        a = model_read(m, madpo_model_grads(m));
        c.b = pack(packer, &list, 2, 4);
        device_pass(m, &c);
        both = model_read(m, madpo_model_grads(m));
        MODEL_OK(madpo_model_zero_grads(m, err));
        device_pass(m, &c);
        b = model_read(m, madpo_model_grads(m));
        c.b = pack(packer, &list, 0, 2);
        MODEL_OK(madpo_model_zero_grads(m, err));
        device_pass(m, &c);
        again = model_read(m, madpo_model_grads(m));
        for (int64_t i = 0; i < n; i++)
            close_to(both[i], (double)a[i] + b[i], 1e-6, 1e-5, "sum of two micro-batches");
        assert_memory_equal(again, a, (size_t)n * sizeof *a);
        free(a);
        free(b);
        free(both);
        free(again);
        madpo_packer_free(packer);
        examples_free(&list);
        madpo_model_free(m);
    }
}

static void test_misuse(void **state)
{
    madpo_model *m = model_make(*state, "llama", true, true, false);
    madpo_model_options o = model_options(true, false, 0);
    example_list list = examples_pairs(2, 37, 3);
    madpo_packer *packer = packer_new(&o);
    const madpo_batch *b = pack(packer, &list, 0, 2);
    madpo_error e1 = MADPO_ERROR_INIT, e2 = MADPO_ERROR_INIT, e3 = MADPO_ERROR_INIT;
    float f[130] = {0};

    assert_int_equal(madpo_model_backward_logps(m, b, f, &e1), MADPO_ERR_USAGE);
    assert_string_equal(e1.message,
                        "no forward pass to go back through: each backward pass needs its own");
    assert_int_equal(madpo_model_rewards(m, b, f, &e2), MADPO_ERR_USAGE);
    b->ids[3] = 37;
    assert_int_equal(madpo_model_logps(m, b, f, NULL, &e3), MADPO_ERR_DATA);
    assert_string_equal(e3.message,
                        "token id 37 is outside the model's vocabulary of 37; tokenizer "
                        "and model do not belong together");
    madpo_packer_free(packer);
    examples_free(&list);
    madpo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logps),           cmocka_unit_test(test_rewards),
        cmocka_unit_test(test_gradient_policy), cmocka_unit_test(test_gradient_reward),
        cmocka_unit_test(test_accumulate),      cmocka_unit_test(test_misuse),
    };

    return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
