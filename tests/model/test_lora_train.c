/* Adapters in training: activations computed again, dropout, what is neutral, what is refused. */
#include "tests/model/lora_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/internal.h"

/* Gradients of one pass, owned by the caller. */
static float *gradients(madpo_device *dev, size_t k, const setting *s, uint64_t counter,
                        double *loss)
{
    madpo_model *m = lora_model(dev, k, s);
    madpo_model_options o = model_options(true, s->reward, 0);
    example_list list = examples_pairs(N_PAIRS, 37, 11 + k);
    madpo_packer *packer = packer_new(&o);
    pass_case c = {.b = pack(packer, &list, 0, list.n), .reward = s->reward};
    float *g;

    madpo_model_set_pass(m, true, 9, counter);
    device_pass(m, &c);
    *loss = loss_of(&c);
    g = model_read(m, madpo_model_grads(m));
    madpo_packer_free(packer);
    examples_free(&list);
    madpo_model_free(m);
    return g;
}

static bool same_gradients(madpo_device *dev, size_t k, const setting *a, const setting *b,
                           uint64_t counter_a, uint64_t counter_b)
{
    madpo_model *m = lora_model(dev, k, a);
    size_t bytes = (size_t)madpo_model_grads(m).n * sizeof(float);
    double loss_a, loss_b;
    float *ga = gradients(dev, k, a, counter_a, &loss_a),
          *gb = gradients(dev, k, b, counter_b, &loss_b);
    bool same = loss_a == loss_b && memcmp(ga, gb, bytes) == 0;

    madpo_model_free(m);
    free(ga);
    free(gb);
    return same;
}

/* Computing activations again gives the same bits, dropout included; masks depend on the counter
 * and on nothing else. */
static void test_recompute_and_dropout(void **state)
{
    for (size_t k = 0; k < N_MODELS; k++) {
        setting plain = {.n = 2, .targets = "all-linear", .train = true}, again = plain,
                drop = plain, drop_again;

        again.recompute = true;
        drop.dropout = .3;
        drop_again = drop;
        drop_again.recompute = true;
        assert_true(same_gradients(*state, k, &plain, &again, 1, 1));
        assert_true(same_gradients(*state, k, &plain, &plain, 1, 2));
        assert_true(same_gradients(*state, k, &drop, &drop_again, 1, 1));
        assert_false(same_gradients(*state, k, &drop, &drop, 1, 2));
        assert_false(same_gradients(*state, k, &drop, &plain, 1, 1));
    }
}

/* With dropout the loss is that of one fixed network: its gradient is still its slope. */
static void test_dropout_gradient(void **state)
{
    setting s = {.n = 1, .targets = "all-linear", .dropout = .4, .train = true};

    for (size_t k = 0; k < 2; k++) {
        madpo_model *m = lora_model(*state, k, &s);
        madpo_model_options o = model_options(true, false, 0);
        example_list list = examples_pairs(N_PAIRS, 37, 11 + k);
        madpo_packer *packer = packer_new(&o);
        pass_case c = {.b = pack(packer, &list, 0, list.n)};
        madpo_tensor t = madpo_model_weights(m);
        float *w, *g, f[MAX_ROWS];
        double slope = 0, norm = 0, loss[2];
        const double h = 1e-3;
        float *moved = malloc((size_t)t.n * sizeof *moved);

        assert_non_null(moved);
        madpo_model_set_pass(m, true, 3, 4);
        device_pass(m, &c);
        w = model_read(m, t);
        g = model_read(m, madpo_model_grads(m));
        for (int64_t j = 0; j < t.n; j++)
            norm += (double)g[j] * g[j];
        for (int side = 0; side < 2; side++) {
            for (int64_t j = 0; j < t.n; j++)
                moved[j] = (float)(w[j] + (side ? h : -h) * g[j] / sqrt(norm));
            MODEL_OK(madpo_tensor_write(m->dev, t, moved, t.n, err));
            madpo_model_weights_changed(m);
            device_forward(m, &c, f);
            loss[side] = loss_of(&c);
        }
        slope = (loss[1] - loss[0]) / (2 * h);
        close_to(slope, sqrt(norm), 0, 5e-3, "slope along the gradient");
        free(moved);
        free(w);
        free(g);
        madpo_packer_free(packer);
        examples_free(&list);
        madpo_model_free(m);
    }
}

/* B = 0 and a disabled adapter leave every bit of the base's log-probs. */
static void test_neutral(void **state)
{
    setting s = {.n = 2, .targets = "all-linear", .train = true};
    madpo_model *m = lora_model(*state, 0, &s),
                *plain = model_make(*state, "llama", true, false, false);
    madpo_model_options o = model_options(true, false, 0);
    example_list list = examples_pairs(N_PAIRS, 37, 3);
    madpo_packer *packer = packer_new(&o);
    pass_case c = {.b = pack(packer, &list, 0, list.n)};
    float with[MAX_ROWS], without[MAX_ROWS], base[MAX_ROWS];

    model_randomise(plain, 77);
    device_forward(plain, &c, base);
    device_forward(m, &c, with);
    madpo_model_adapter_enable(m, 0, false);
    madpo_model_adapter_enable(m, 1, false);
    device_forward(m, &c, without);
    assert_memory_equal(base, without, (size_t)c.b->R * sizeof *base);
    assert_memory_not_equal(base, with, (size_t)c.b->R * sizeof *base);
    madpo_model_adapter_enable(m, 0, true);
    for (int32_t at = 0; at < m->config.L * MADPO_N_SITES; at++)
        if (m->adapter[0].at[at].r > 0)
            MODEL_OK(madpo_tensor_zero(m->dev, m->adapter[0].at[at].b, err));
    device_forward(m, &c, without);
    assert_memory_equal(base, without, (size_t)c.b->R * sizeof *base);
    madpo_packer_free(packer);
    examples_free(&list);
    madpo_model_free(m);
    madpo_model_free(plain);
}

static void test_refusals(void **state)
{
    madpo_model_config c = model_config("llama", true);
    madpo_model_options o = model_options(true, false, 0);
    setting s = {.n = 1, .targets = ""};
    madpo_adapter_config shape = adapter_shape(&c, 0, &s);
    madpo_adapter_slot slot = {&shape, false};
    madpo_error e1 = MADPO_ERROR_INIT, e2 = MADPO_ERROR_INIT;
    madpo_model *m;

    o.storage = MADPO_DTYPE_BF16;
    assert_int_equal(madpo_model_new(&m, *state, &c, &o, &e1), MADPO_ERR_CONFIG);
    assert_null(m);
    assert_string_equal(e1.message,
                        "weights that are trained are kept in fp32: set model.storage = "
                        "f32, or train an adapter (lora.rank)");
    o.adapters = &slot;
    o.n_adapters = 1;
    assert_int_equal(madpo_model_new(&m, *state, &c, &o, &e2), MADPO_ERR_USAGE);
    assert_string_equal(e2.message,
                        "nothing to train: all adapters are frozen and there is no reward "
                        "head");
    madpo_adapter_config_dispose(&shape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recompute_and_dropout),
        cmocka_unit_test(test_dropout_gradient),
        cmocka_unit_test(test_neutral),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
