/* Generation: greedy against recomputing, samples independent of their batch, ends, limits. */
#include "tests/model/model_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 12, LEN = 48, MAX_NEW = 20, V = 37 };

static const char *const archs[] = {"llama", "gemma3"};

static madpo_model *generator(madpo_device *dev, const char *arch)
{
    madpo_model_config c = model_config(arch, true);
    madpo_model_options o = model_options(false, false, SLOTS);
    madpo_model *m;

    MODEL_OK(madpo_model_new(&m, dev, &c, &o, err));
    model_randomise(m, 31);
    return m;
}

typedef struct texts {
    int32_t out[SLOTS * MAX_NEW], len[SLOTS];
    bool ended[SLOTS];
} texts;

static void generate(madpo_model *m, const example_list *list, size_t first, size_t end,
                     const madpo_generate_options *o, texts *t)
{
    const int32_t *prompt[SLOTS];
    int32_t n_prompt[SLOTS];

    for (size_t i = first; i < end; i++) {
        prompt[i - first] = list->v[i].prompt;
        n_prompt[i - first] = list->v[i].n_prompt;
    }
    MODEL_OK(
        madpo_model_generate(m, prompt, n_prompt, end - first, o, t->out, t->len, t->ended, err));
}

/* Lengthen the end token's embedding, so that it is the likeliest token now and then. */
static void favour_eos(madpo_model *m)
{
    const madpo_model_tensor *t = madpo_model_tensor_at(m, 0);
    madpo_tensor row = madpo_tensor_slice(t->weight, 2 * t->shape[1], t->shape[1]);
    float *w = model_read(m, row);

    for (int64_t i = 0; i < row.n; i++)
        w[i] *= 2.0f;
    MODEL_OK(madpo_tensor_write(madpo_model_get_device(m), row, w, row.n, err));
    madpo_model_weights_changed(m);
    free(w);
}

/* Each greedy token is the arg max of the whole text computed anew, the end of text included. */
static void test_greedy(void **state)
{
    size_t ended = 0;

    for (size_t k = 0; k < 2; k++) {
        madpo_model *m = generator(*state, archs[k]);
        madpo_model_options limits = model_options(false, false, SLOTS);
        madpo_packer *packer = packer_new(&limits);
        example_list list = examples_pairs(SLOTS, V, 41);
        madpo_generate_options o = {.top_p = 1, .max_new = MAX_NEW, .samples_per_prompt = 1};
        texts t;

        favour_eos(m);
        generate(m, &list, 0, list.n, &o, &t);
        for (size_t i = 0; i < list.n; i++) {
            int32_t text[MAX_NEW + 1];
            madpo_example e = {.prompt = list.v[i].prompt,
                               .n_prompt = list.v[i].n_prompt,
                               .branch = {text},
                               .n_branch = {t.len[i]},
                               .n_branches = 1};
            const madpo_batch *b;
            float logp[MAX_NEW + 1];
            bool top[MAX_NEW + 1];

            memcpy(text, t.out + i * MAX_NEW, (size_t)t.len[i] * sizeof *text);
            if (t.ended[i])
                text[e.n_branch[0]++] = 2;
            ended += t.ended[i];
            assert_true(t.ended[i] || t.len[i] == MAX_NEW);
            madpo_packer_reset(packer);
            assert_true(madpo_packer_add(packer, &e));
            b = madpo_packer_finish(packer);
            assert_int_equal(b->R, e.n_branch[0]);
            MODEL_OK(madpo_model_logps(m, b, logp, top, err));
            for (int64_t j = 0; j < b->R; j++)
                if (!top[j])
                    fail_msg("%s: prompt %zu, token %d is not the likeliest (log-prob %g)",
                             archs[k], i, (int)j, logp[j]);
        }
        madpo_packer_free(packer);
        examples_free(&list);
        madpo_model_free(m);
    }
    assert_true(ended > 0 && ended < 2 * SLOTS); /* both kinds of end were seen */
}

/* A sample depends on its prompt and its stream, not on who else is in the batch. */
static void test_batch_invariance(void **state)
{
    for (size_t k = 0; k < 2; k++) {
        madpo_model *m = generator(*state, archs[k]);
        example_list list = examples_pairs(5, V, 42);
        madpo_generate_options o = {.temperature = .9f,
                                    .top_k = 20,
                                    .top_p = .95f,
                                    .seed = 17,
                                    .max_new = MAX_NEW,
                                    .samples_per_prompt = 2,
                                    .stream_base = 1000};
        texts all, one;
        size_t ends = 0, differ = 0;

        generate(m, &list, 0, list.n, &o, &all);
        for (size_t i = 0; i < list.n; i++) {
            o.stream_base = 1000 + (uint32_t)(2 * i);
            generate(m, &list, i, i + 1, &o, &one);
            for (size_t s = 0; s < 2; s++) {
                size_t a = 2 * i + s;

                assert_int_equal(one.len[s], all.len[a]);
                assert_true(one.ended[s] == all.ended[a]);
                assert_memory_equal(one.out + s * MAX_NEW, all.out + a * MAX_NEW,
                                    (size_t)one.len[s] * sizeof *one.out);
                ends += all.ended[a];
            }
            differ += one.len[0] != one.len[1] ||
                      memcmp(one.out, one.out + MAX_NEW, (size_t)one.len[0] * sizeof *one.out) != 0;
        }
        assert_true(ends > 0);   /* so that rows of the batch really moved */
        assert_true(differ > 2); /* samples of one prompt are different draws */
        examples_free(&list);
        madpo_model_free(m);
    }
}

/* More prompts than one prefill holds. */
static void test_prefill_in_parts(void **state)
{
    madpo_model_config c = model_config("llama", true);
    madpo_model_options small = model_options(false, false, SLOTS);
    madpo_model *m = generator(*state, "llama"), *tight;
    example_list list = examples_pairs(SLOTS, V, 43);
    madpo_generate_options o = {
        .temperature = 1, .top_p = 1, .seed = 4, .max_new = MAX_NEW, .samples_per_prompt = 1};
    texts a, b;

    small.max_tokens = 16;
    MODEL_OK(madpo_model_new(&tight, *state, &c, &small, err));
    model_copy(tight, m);
    generate(m, &list, 0, list.n, &o, &a);
    generate(tight, &list, 0, list.n, &o, &b);
    assert_memory_equal(a.len, b.len, sizeof a.len);
    for (size_t i = 0; i < SLOTS; i++)
        assert_memory_equal(a.out + i * MAX_NEW, b.out + i * MAX_NEW,
                            (size_t)a.len[i] * sizeof *a.out);
    examples_free(&list);
    madpo_model_free(tight);
    madpo_model_free(m);
}

static void test_ends(void **state)
{
    madpo_model *m = generator(*state, "gemma3");
    example_list list = examples_pairs(SLOTS, V, 44);
    madpo_generate_options o = {
        .temperature = 2, .top_p = 1, .seed = 5, .max_new = MAX_NEW, .samples_per_prompt = 1};
    size_t ended = 0;
    texts t;

    generate(m, &list, 0, list.n, &o, &t);
    for (size_t i = 0; i < SLOTS; i++) {
        ended += t.ended[i];
        assert_true(t.ended[i] ? t.len[i] < MAX_NEW : t.len[i] == MAX_NEW);
        for (int32_t j = 0; j < t.len[i]; j++)
            assert_true(t.out[i * MAX_NEW + (size_t)j] != 2 &&
                        t.out[i * MAX_NEW + (size_t)j] >= 0 && t.out[i * MAX_NEW + (size_t)j] < V);
    }
    assert_true(ended > 0);
    o.ban_eos = true;
    generate(m, &list, 0, list.n, &o, &t);
    for (size_t i = 0; i < SLOTS; i++)
        assert_true(!t.ended[i] && t.len[i] == MAX_NEW);
    o.max_new = 0;
    generate(m, &list, 0, list.n, &o, &t);
    for (size_t i = 0; i < SLOTS; i++)
        assert_true(!t.ended[i] && t.len[i] == 0);
    generate(m, &list, 0, 0, &o, &t); /* no prompts */
    examples_free(&list);
    madpo_model_free(m);
}

/* New weights are used at once: nothing of the packed copies or the cache is left over. */
static void test_weights_changed(void **state)
{
    madpo_model *m = generator(*state, "llama"), *fresh = generator(*state, "llama");
    example_list list = examples_pairs(SLOTS, V, 45);
    madpo_generate_options o = {
        .top_p = 1, .max_new = MAX_NEW, .samples_per_prompt = 1, .ban_eos = true};
    texts a, b, c;

    generate(m, &list, 0, list.n, &o, &a);
    model_randomise(m, 32);
    model_randomise(fresh, 32);
    generate(m, &list, 0, list.n, &o, &b);
    generate(fresh, &list, 0, list.n, &o, &c);
    assert_memory_not_equal(a.out, b.out, sizeof a.out);
    assert_memory_equal(b.out, c.out, sizeof b.out);
    examples_free(&list);
    madpo_model_free(m);
    madpo_model_free(fresh);
}

static void refused(madpo_model *m, const example_list *list, size_t n, int32_t n_prompt,
                    const madpo_generate_options *o, const char *message)
{
    const int32_t *prompt[2 * SLOTS];
    int32_t lengths[2 * SLOTS];
    madpo_error err = MADPO_ERROR_INIT;
    texts t;

    for (size_t i = 0; i < n; i++) {
        prompt[i] = list->ids;
        lengths[i] = n_prompt;
    }
    assert_int_not_equal(madpo_model_generate(m, prompt, lengths, n, o, t.out, t.len, NULL, &err),
                         MADPO_OK);
    assert_string_equal(err.message, message);
}

static void test_refusals(void **state)
{
    madpo_model *m = generator(*state, "llama"), *plain;
    example_list list = examples_pairs(SLOTS, V, 46);
    madpo_generate_options o = {.top_p = 1, .max_new = MAX_NEW, .samples_per_prompt = 5};

    plain = model_make(*state, "llama", true, false, false);
    refused(m, &list, 3, 4, &o,
            "3 prompts of 5 samples do not fit into 12 generation slots; raise generate.batch");
    refused(m, &list, 2, 0, &o, "prompt 0 has no tokens; it needs a bos token at least");
    refused(m, &list, 2, LEN - MAX_NEW + 1, &o,
            "prompt 0: 29 tokens and 20 new ones do not fit into 48 positions; lower "
            "generate.prompt_tokens or generate.max_new");
    refused(plain, &list, 2, 4, &o, "this model was not made to generate");
    examples_free(&list);
    madpo_model_free(m);
    madpo_model_free(plain);
}

/* Damaged weights end generation with one line instead of garbage. */
static void test_not_finite(void **state)
{
    madpo_model *m = generator(*state, "llama");
    const madpo_model_tensor *t = madpo_model_tensor_at(m, 1);
    example_list list = examples_pairs(2, V, 47);
    madpo_generate_options o = {
        .temperature = 1, .top_p = 1, .max_new = MAX_NEW, .samples_per_prompt = 1};
    const float nan_value = NAN;

    MODEL_OK(madpo_tensor_write(*state, t->weight, &nan_value, 1, err));
    madpo_model_weights_changed(m);
    refused(m, &list, 1, 3, &o,
            "sampling met logits that are not finite; the model's weights are damaged");
    examples_free(&list);
    madpo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),           cmocka_unit_test(test_batch_invariance),
        cmocka_unit_test(test_prefill_in_parts), cmocka_unit_test(test_ends),
        cmocka_unit_test(test_weights_changed),  cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_not_finite),
    };

    return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
