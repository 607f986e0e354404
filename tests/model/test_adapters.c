/* LoRA adapters that PEFT saved, against what transformers and PEFT compute with them: each set of
 * active adapters, gradients, merged weights. One case for each folder of tests/golden/adapters
 * (parity/make_adapters.py). */
#include "tests/model/golden_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "objective/objective.h"

#define TOKEN_MAX  3e-5
#define SUM_MAX    1e-4
#define REWARD_MAX 5e-5
#define LOSS_REL   1e-5
#define GRAD_REL   5e-5
#define MERGE_REL  1e-6

enum { MOST_ADAPTERS = 2 };

/* One case: the adapters' shapes, the model with all of them, and its golden. */
typedef struct adapter_case {
    char *dir;
    json_t *golden;
    bool reward;
    int n;
    char *at[MOST_ADAPTERS]; /* their folders */
    madpo_adapter_config config[MOST_ADAPTERS];
    madpo_model *m;
} adapter_case;

static void open_adapters(adapter_case *c, const madpo_model_config *base,
                          madpo_adapter_slot slots[MOST_ADAPTERS])
{
    const json_t *states = golden_get(c->golden, "states");
    const json_t *names =
        golden_get(json_array_get(states, json_array_size(states) - 1), "adapters");

    c->n = (int)json_array_size(names);
    assert_true(c->n > 0 && c->n <= MOST_ADAPTERS);
    for (int i = 0; i < c->n; i++) {
        const char *name = json_string_value(json_array_get(names, (size_t)i));

        MODEL_OK(madpo_path_join(&c->at[i], c->dir, name, err));
        MODEL_OK(madpo_adapter_config_load(&c->config[i], strcmp(name, ".") ? name : "default",
                                           c->at[i], base, err));
        slots[i] = (madpo_adapter_slot){&c->config[i], i == c->n - 1};
    }
}

static adapter_case case_open(const char *name, bool train)
{
    adapter_case c = {.dir = golden_path("adapters", name)};
    madpo_adapter_slot slots[MOST_ADAPTERS];
    madpo_model_config config;
    madpo_model_options o;
    char *base;

    c.golden = golden_json(c.dir, "golden.json");
    c.reward = json_object_get(c.golden, "dpo") == NULL;
    base = golden_path("models", golden_string(c.golden, "base"));
    MODEL_OK(madpo_model_config_load(&config, base, err));
    open_adapters(&c, &config, slots);
    assert_true(c.config[c.n - 1].score == c.reward);
    o = golden_options(train, c.reward);
    o.adapters = slots;
    o.n_adapters = c.n;
    c.m = golden_model(base, &o);
    for (int i = 0; i < c.n; i++)
        MODEL_OK(madpo_model_adapter_load(c.m, i, c.at[i], err));
    free(base);
    return c;
}

static void case_close(adapter_case *c)
{
    madpo_model_free(c->m);
    for (int i = 0; i < c->n; i++) {
        madpo_adapter_config_dispose(&c->config[i]);
        free(c->at[i]);
    }
    json_decref(c->golden);
    free(c->dir);
}

/* Outputs of all texts in one state of the golden. */
static void check_outputs(adapter_case *c, const json_t *state, const madpo_batch *b,
                          const char *what)
{
    float f[256];

    assert_true(b->R <= 256);
    if (c->reward) {
        MODEL_OK(madpo_model_rewards(c->m, b, f, err));
        for (int64_t s = 0; s < b->n_seq; s++)
            golden_close(f[s], golden_at(golden_get(state, "reward"), (size_t)s), REWARD_MAX, 1e-5,
                         "%s: reward of text %d", what, (int)s);
        return;
    }
    MODEL_OK(madpo_model_logps(c->m, b, f, NULL, err));
    for (int64_t s = 0; s < b->n_seq; s++) {
        const json_t *want = json_array_get(golden_get(state, "logp"), (size_t)s);

        assert_int_equal(json_array_size(want), b->seq_row[s + 1] - b->seq_row[s]);
        for (int64_t r = b->seq_row[s]; r < b->seq_row[s + 1]; r++)
            golden_close(f[r], golden_at(want, (size_t)(r - b->seq_row[s])), TOKEN_MAX, 0,
                         "%s: text %d, token %d", what, (int)s, (int)(r - b->seq_row[s]) + 1);
    }
}

/* With the first k adapters for each k the golden has, then with all merged. */
static void check_states(const char *name)
{
    adapter_case c = case_open(name, false);
    madpo_model_options o = golden_options(false, c.reward);
    const json_t *states = golden_get(c.golden, "states");
    size_t n_states = json_array_size(states);
    example_list list = golden_texts(golden_get(c.golden, "sequences"));
    madpo_packer *packer = packer_new(&o);
    const madpo_batch *b = pack(packer, &list, 0, list.n);
    char *merged;

    for (size_t k = 0; k < n_states; k++) {
        const json_t *state = json_array_get(states, k);
        int active = (int)json_array_size(golden_get(state, "adapters"));
        char what[32];

        for (int i = 0; i < c.n; i++)
            madpo_model_adapter_enable(c.m, i, i < active);
        snprintf(what, sizeof what, "%d active", active);
        check_outputs(&c, state, b, what);
    }
    MODEL_OK(madpo_model_merge(c.m, err));
    check_outputs(&c, json_array_get(states, n_states - 1), b, "merged");
    MODEL_OK(madpo_path_join(&merged, c.dir, "golden_merged.safetensors", err));
    if (madpo_file_exists(merged))
        golden_tensors(c.m, -1, false, true, c.dir, "golden_merged.safetensors", MERGE_REL);
    free(merged);
    madpo_packer_free(packer);
    examples_free(&list);
    case_close(&c);
}

/* Loss of the pairs and its gradient; checks what goes in. */
static double pair_loss(const adapter_case *c, const double *out, double *dout, size_t n)
{
    double loss = 0;

    for (size_t p = 0; p < n; p++) {
        const json_t *pair = json_array_get(golden_get(c->golden, "pairs"), p);
        const char *const keys[2][2] = {{"logp_chosen", "logp_rejected"},
                                        {"reward_chosen", "reward_rejected"}};

        for (int side = 0; side < 2; side++)
            golden_close(out[2 * p + (size_t)side], golden_number(pair, keys[c->reward][side]),
                         c->reward ? REWARD_MAX : SUM_MAX, 1e-5, "pair %zu, branch %d", p, side);
        if (c->reward) {
            madpo_reward_loss l = madpo_bradley_terry(out[2 * p], out[2 * p + 1], 0,
                                                      golden_number(c->golden, "center"));

            loss += l.loss / (double)n;
            dout[2 * p] = l.dchosen / (double)n;
            dout[2 * p + 1] = l.drejected / (double)n;
        } else {
            madpo_objective_options o = {.beta =
                                             golden_number(golden_get(c->golden, "dpo"), "beta")};
            madpo_pair_logps in = {.chosen = out[2 * p],
                                   .rejected = out[2 * p + 1],
                                   .ref_chosen = golden_number(pair, "ref_chosen"),
                                   .ref_rejected = golden_number(pair, "ref_rejected")};
            madpo_pair_loss l;

            madpo_objective_find("dpo")->pair(&o, &in, &l);
            loss += l.loss / (double)n;
            dout[2 * p] = l.dchosen / (double)n;
            dout[2 * p + 1] = l.drejected / (double)n;
        }
    }
    return loss;
}

/* The reference is the model without the adapter that is trained. */
static void check_reference(adapter_case *c, const madpo_batch *b)
{
    double out[16];

    if (c->reward)
        return;
    madpo_model_adapter_enable(c->m, c->n - 1, false);
    golden_forward(c->m, b, out);
    madpo_model_adapter_enable(c->m, c->n - 1, true);
    for (int64_t s = 0; s < b->n_seq; s++) {
        const json_t *pair = json_array_get(golden_get(c->golden, "pairs"), (size_t)s / 2);

        golden_close(out[s], golden_number(pair, s % 2 ? "ref_rejected" : "ref_chosen"), SUM_MAX, 0,
                     "reference of sequence %d", (int)s);
    }
}

static void check_gradients(const char *name)
{
    adapter_case c = case_open(name, true);
    madpo_model_options o = golden_options(true, c.reward);
    example_list list = golden_pairs(golden_get(c.golden, "pairs"));
    madpo_packer *packer = packer_new(&o);
    const madpo_batch *b = pack(packer, &list, 0, list.n);
    double out[16], dout[16], want;

    want = c.reward ? golden_number(c.golden, "loss")
                    : golden_number(golden_get(c.golden, "dpo"), "loss");
    check_reference(&c, b);
    golden_forward(c.m, b, out);
    golden_close(pair_loss(&c, out, dout, list.n), want, 0, LOSS_REL, "loss");
    golden_backward(c.m, b, dout);
    golden_tensors(c.m, c.n - 1, true, false, c.dir, "golden_grads.safetensors", GRAD_REL);
    madpo_packer_free(packer);
    examples_free(&list);
    case_close(&c);
}

static void test_folder(void **state)
{
    check_states(*state);
    check_gradients(*state);
}

int main(void)
{
    return golden_run("adapters", 14, test_folder);
}
