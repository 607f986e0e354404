/* The first 20 optimiser steps of DPO, IPO, MADPO, SFT and reward training against the same steps
 * in PyTorch: losses, gradient norms and what the model gives afterwards. One case for each file of
 * tests/golden/trajectories (parity/make_trajectories.py, where TRL's trainers take the same steps:
 * parity/trl_parity.py). */
#include "tests/model/golden_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "objective/objective.h"
#include "train/optimiser.h"

/* PyTorch's own fp32 strays from its float64 by up to 2e-5, 2e-5 and 5e-5. */
#define STEP_REL  1e-4
#define VALUE_MAX 3e-4

enum { MOST_ADAPTERS = 2, MOST_SEQUENCES = 16 };

typedef struct run {
    const json_t *file, *o; /* the golden, and this run of it */
    const char *objective;
    bool reward;
    int n_adapters;
    madpo_adapter_config config[MOST_ADAPTERS];
    madpo_model *m;
    madpo_optimiser *optimiser;
    example_list pairs;
    madpo_packer *packer;
} run;

static void fail_run(const run *r, const char *what, size_t i, double got, double want)
{
    const char *adapter = json_string_value(golden_get(r->o, "adapter"));

    fail_msg("%s with %s, %s %zu: got %.9g, want %.9g", r->objective,
             adapter ? adapter : "all weights", what, i, got, want);
}

static void check(const run *r, const char *what, size_t i, double got, double want, double atol,
                  double rtol)
{
    double off = got > want ? got - want : want - got, size = want < 0 ? -want : want;
    bool ok = off <= atol + rtol * size;

    if (!ok)
        fail_run(r, what, i, got, want);
}

/* ---- models ---- */

/* The adapters' folders, named in the golden of the adapter. */
static void adapter_folders(const char *name, char *at[MOST_ADAPTERS], int *n)
{
    char *dir = golden_path("adapters", name);
    json_t *golden = golden_json(dir, "golden.json");
    const json_t *states = golden_get(golden, "states");
    const json_t *names =
        golden_get(json_array_get(states, json_array_size(states) - 1), "adapters");

    *n = (int)json_array_size(names);
    assert_true(*n > 0 && *n <= MOST_ADAPTERS);
    for (int i = 0; i < *n; i++)
        MODEL_OK(
            madpo_path_join(&at[i], dir, json_string_value(json_array_get(names, (size_t)i)), err));
    json_decref(golden);
    free(dir);
}

/* `recompute` must change nothing. Under adapters the base keeps the storage type of its files. */
static void open_model(run *r, bool recompute)
{
    const char *adapter = json_string_value(golden_get(r->o, "adapter"));
    char *base = golden_path("models", golden_string(r->file, "model")), *at[MOST_ADAPTERS];
    madpo_model_options o = golden_options(true, r->reward);
    madpo_adapter_slot slots[MOST_ADAPTERS];
    madpo_model_config config;

    MODEL_OK(madpo_model_config_load(&config, base, err));
    if (adapter)
        adapter_folders(adapter, at, &r->n_adapters);
    for (int i = 0; i < r->n_adapters; i++) {
        MODEL_OK(
            madpo_adapter_config_load(&r->config[i], i == 0 ? "one" : "two", at[i], &config, err));
        slots[i] = (madpo_adapter_slot){&r->config[i], i == r->n_adapters - 1};
    }
    o.adapters = r->n_adapters > 0 ? slots : NULL;
    o.n_adapters = r->n_adapters;
    o.recompute = recompute;
    if (adapter)
        MODEL_OK(madpo_model_storage_of(&o.storage, base, err));
    r->m = golden_model(base, &o);
    for (int i = 0; i < r->n_adapters; i++) {
        MODEL_OK(madpo_model_adapter_load(r->m, i, at[i], err));
        free(at[i]);
    }
    if (r->reward && !adapter) {
        json_t *golden = golden_json(base, "golden.json");

        golden_score(r->m, golden_get(golden_get(golden, "reward"), "score"));
        json_decref(golden);
    }
    free(base);
}

static run run_open(const json_t *file, const json_t *o, bool recompute)
{
    run r = {.file = file, .o = o, .objective = golden_string(o, "objective")};
    const json_t *a = golden_get(file, "optimiser");
    madpo_optimiser_options options = {.beta1 = golden_number(a, "beta1"),
                                       .beta2 = golden_number(a, "beta2"),
                                       .eps = golden_number(a, "eps"),
                                       .weight_decay = golden_number(a, "weight_decay"),
                                       .clip = golden_number(a, "clip")};
    madpo_model_options limits;

    r.reward = strcmp(r.objective, "reward") == 0;
    limits = golden_options(true, r.reward);
    open_model(&r, recompute);
    MODEL_OK(madpo_optimiser_new(&r.optimiser, r.m, &options, err));
    r.pairs = golden_pairs(golden_get(file, "pairs"));
    r.packer = packer_new(&limits);
    return r;
}

static void run_close(run *r)
{
    madpo_packer_free(r->packer);
    examples_free(&r->pairs);
    madpo_optimiser_free(r->optimiser);
    madpo_model_free(r->m);
    for (int i = 0; i < r->n_adapters; i++)
        madpo_adapter_config_dispose(&r->config[i]);
}

/* ---- steps ---- */

/* The pairs of one step. */
static const madpo_batch *step_batch(run *r, const json_t *order)
{
    madpo_packer_reset(r->packer);
    for (size_t j = 0; j < json_array_size(order); j++)
        assert_true(
            madpo_packer_add(r->packer, &r->pairs.v[json_integer_value(json_array_get(order, j))]));
    return madpo_packer_finish(r->packer);
}

/* Loss of one pair of a policy objective, with the golden's reference and margin. */
static madpo_pair_loss policy_loss(const run *r, size_t pair, double chosen, double rejected)
{
    const json_t *w = golden_get(r->file, "weight");
    const json_t *p = json_array_get(golden_get(r->file, "pairs"), pair);
    madpo_objective_options o = {.beta = golden_number(r->file, "beta"),
                                 .weight = {golden_number(w, "c_max"), golden_number(w, "c_min"),
                                            golden_number(w, "lambda"), golden_number(w, "tau")}};
    madpo_pair_logps in = {.chosen = chosen,
                           .rejected = rejected,
                           .ref_chosen = golden_at(golden_get(r->o, "ref_chosen"), pair),
                           .ref_rejected = golden_at(golden_get(r->o, "ref_rejected"), pair),
                           .h = golden_number(p, "h")};
    madpo_pair_loss l;

    madpo_objective_find(r->objective)->pair(&o, &in, &l);
    return l;
}

/* Mean loss of the batch's pairs (of SFT: per token of the chosen branches), and its gradient. */
static double batch_loss(const run *r, const madpo_batch *b, const double *out, double *dout)
{
    double loss = 0, n = (double)b->n_seq / 2, tokens = 0;

    for (int64_t s = 0; s < b->n_seq; s += 2)
        tokens += (double)(b->seq_row[s + 1] - b->seq_row[s]);
    for (int64_t s = 0; s < b->n_seq; s += 2) {
        if (strcmp(r->objective, "sft") == 0) {
            loss -= out[s] / tokens;
            dout[s] = -1 / tokens;
            dout[s + 1] = 0;
        } else if (r->reward) {
            madpo_reward_loss l = madpo_bradley_terry(out[s], out[s + 1], 0, 0);

            loss += l.loss / n;
            dout[s] = l.dchosen / n;
            dout[s + 1] = l.drejected / n;
        } else {
            madpo_pair_loss l = policy_loss(r, (size_t)b->seq_id[s], out[s], out[s + 1]);

            loss += l.loss / n;
            dout[s] = l.dchosen / n;
            dout[s + 1] = l.drejected / n;
        }
    }
    return loss;
}

static void step(run *r, size_t i)
{
    const madpo_batch *b = step_batch(r, json_array_get(golden_get(r->file, "order"), i));
    double out[MOST_SEQUENCES], dout[MOST_SEQUENCES], norm;

    madpo_model_set_pass(r->m, true, 1, i);
    MODEL_OK(madpo_model_zero_grads(r->m, err));
    golden_forward(r->m, b, out);
    check(r, "loss of step", i, batch_loss(r, b, out, dout), golden_at(golden_get(r->o, "loss"), i),
          0, STEP_REL);
    golden_backward(r->m, b, dout);
    MODEL_OK(madpo_optimiser_norm(r->optimiser, &norm, err));
    check(r, "gradient norm of step", i, norm, golden_at(golden_get(r->o, "grad_norm"), i), 0,
          STEP_REL);
    MODEL_OK(madpo_optimiser_step(r->optimiser, golden_number(r->o, "lr"), norm, err));
}

/* What the model gives for all pairs, against two lists of the golden. */
static void check_values(run *r, const char *chosen, const char *rejected)
{
    madpo_model_set_pass(r->m, false, 0, 0);
    for (size_t i = 0; i < r->pairs.n; i++) {
        double out[2];

        golden_forward(r->m, pack(r->packer, &r->pairs, i, i + 1), out);
        check(r, chosen, i, out[0], golden_at(golden_get(r->o, chosen), i), VALUE_MAX, 0);
        check(r, rejected, i, out[1], golden_at(golden_get(r->o, rejected), i), VALUE_MAX, 0);
    }
}

/* The frozen reference: the model as it begins, without the adapter that is trained. */
static void check_reference(run *r)
{
    if (!json_object_get(r->o, "ref_chosen"))
        return;
    if (r->n_adapters > 0)
        madpo_model_adapter_enable(r->m, r->n_adapters - 1, false);
    check_values(r, "ref_chosen", "ref_rejected");
    if (r->n_adapters > 0)
        madpo_model_adapter_enable(r->m, r->n_adapters - 1, true);
}

static void test_file(void **state)
{
    char *dir = golden_path("trajectories", "");
    json_t *file = golden_json(dir, *state);
    const json_t *runs = golden_get(file, "runs");
    size_t n_steps = json_array_size(golden_get(file, "order"));

    assert_int_equal(n_steps, 20);
    assert_true(json_array_size(runs) >= 5);
    for (size_t k = 0; k < json_array_size(runs); k++) {
        run r = run_open(file, json_array_get(runs, k), k % 2);

        check_reference(&r);
        for (size_t i = 0; i < n_steps; i++)
            step(&r, i);
        check_values(&r, "chosen", "rejected");
        run_close(&r);
    }
    json_decref(file);
    free(dir);
}

int main(void)
{
    return golden_run("trajectories", 6, test_file);
}
