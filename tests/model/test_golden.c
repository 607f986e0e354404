/* Models that transformers saved, as published ones look, against what it computes with them:
 * log-probs, whole distributions, rewards, gradients. One case for each folder of
 * tests/golden/models (parity/make_models.py).
 * usage: test_model_golden [FOLDER_WITH_GOLDEN_JSON] */
#include "tests/model/golden_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "objective/objective.h"

/* fp32 here against float64 there; transformers' own fp32 is off by up to 4e-6 a token. */
#define TOKEN_MAX  3e-5
#define TOKEN_MEAN 5e-6
#define SUM_MAX    1e-4
#define REWARD_MAX 5e-5
#define LOSS_REL   1e-5
#define GRAD_REL   5e-5

/* ---- log-probs ---- */

/* All texts in one batch within these limits. */
static void check_tokens(madpo_model *m, const madpo_model_options *limits, const json_t *texts,
                         double most, double mean)
{
    example_list list = golden_texts(texts);
    madpo_packer *packer = packer_new(limits);
    const madpo_batch *b = pack(packer, &list, 0, list.n);
    float *logp = calloc((size_t)b->R, sizeof *logp);
    double sum = 0;

    assert_non_null(logp);
    MODEL_OK(madpo_model_logps(m, b, logp, NULL, err));
    for (size_t k = 0; k < list.n; k++) {
        const json_t *want = golden_get(json_array_get(texts, k), "logp");
        int64_t n = b->seq_row[k + 1] - b->seq_row[k];

        assert_int_equal(n, json_array_size(want));
        for (int64_t i = 0; i < n; i++) {
            double w = golden_at(want, (size_t)i), got = logp[b->seq_row[k] + i];

            golden_close(got, w, most, 0, "text %zu, token %d", k, (int)i + 1);
            sum += fabs(got - w);
        }
    }
    golden_close(sum / (double)b->R, 0, mean, 0, "mean difference");
    free(logp);
    madpo_packer_free(packer);
    examples_free(&list);
}

/* The packed text with other rows: every label at the listed tokens. */
static madpo_batch every_label(const madpo_batch *text, const json_t *rows, int32_t V)
{
    madpo_batch b = *text;
    size_t n = json_array_size(rows);
    int32_t *memory = calloc(4 * n * (size_t)V + (size_t)b.T + 1, sizeof *memory);
    int64_t *seq_row = calloc(2, sizeof *seq_row);

    assert_true(memory && seq_row && b.n_seq == 1);
    b.R = (int64_t)n * V;
    b.row_token = memory;
    b.row_label = memory + b.R;
    b.row_seq = memory + 2 * b.R;
    b.tok_row = memory + 3 * b.R;
    b.tok_row_start = memory + 4 * b.R;
    b.seq_row = seq_row;
    seq_row[1] = b.R;
    for (int32_t r = 0; r < b.R; r++) {
        b.row_token[r] = (int32_t)json_integer_value(json_array_get(rows, (size_t)(r / V)));
        b.row_label[r] = r % V;
        b.tok_row[r] = r;
    }
    for (int64_t t = 0, r = 0; t <= b.T; t++) {
        while (r < b.R && b.row_token[r] < t)
            r++;
        b.tok_row_start[t] = (int32_t)r;
    }
    return b;
}

static void check_rows(const madpo_batch *b, const float *logp, const bool *top, const json_t *want,
                       int32_t V)
{
    for (int64_t i = 0; i < b->R / V; i++) {
        const json_t *row = json_array_get(want, (size_t)i);
        double sum = 0;
        int32_t best = 0;

        assert_int_equal(json_array_size(row), V);
        for (int32_t v = 0; v < V; v++) {
            double w = golden_at(row, (size_t)v);

            golden_close(logp[i * V + v], w, TOKEN_MAX, 0, "token %d, label %d",
                         (int)b->row_token[i * V], (int)v);
            sum += exp(logp[i * V + v]);
            if (w > golden_at(row, (size_t)best))
                best = v;
        }
        golden_close(sum, 1, 1e-5, 0, "sum of probabilities");
        for (int32_t v = 0; v < V; v++)
            assert_true(top[i * V + v] == (v == best));
    }
}

static void check_distributions(madpo_model *m, const json_t *texts)
{
    madpo_model_options o = golden_options(false, false);
    example_list list = golden_texts(texts);
    madpo_packer *packer = packer_new(&o);
    int32_t V = madpo_model_get_config(m)->V;

    for (size_t k = 0; k < list.n; k++) {
        const json_t *text = json_array_get(texts, k);
        madpo_batch b = every_label(pack(packer, &list, k, k + 1), golden_get(text, "rows"), V);
        float logp[256];
        bool top[256];

        assert_true(b.R <= 256);
        MODEL_OK(madpo_model_logps(m, &b, logp, top, err));
        check_rows(&b, logp, top, golden_get(text, "log_softmax"), V);
        free(b.row_token);
        free(b.seq_row);
    }
    madpo_packer_free(packer);
    examples_free(&list);
}

/* ---- pairs and gradients ---- */

/* Loss of the pairs from what the model gives for them, and its gradient; checks both outputs and
 * loss. */
static void dpo_loss(const json_t *golden, const double *out, double *dout, size_t n)
{
    const json_t *pairs = golden_get(golden, "pairs"), *dpo = golden_get(golden, "dpo");
    madpo_objective_options o = {.beta = golden_number(dpo, "beta")};
    double loss = 0;

    for (size_t p = 0; p < n; p++) {
        const json_t *pair = json_array_get(pairs, p);
        madpo_pair_logps in = {.chosen = out[2 * p],
                               .rejected = out[2 * p + 1],
                               .ref_chosen = golden_number(pair, "ref_chosen"),
                               .ref_rejected = golden_number(pair, "ref_rejected")};
        madpo_pair_loss l;

        golden_close(in.chosen, golden_number(pair, "logp_chosen"), SUM_MAX, 0, "pair %zu", p);
        golden_close(in.rejected, golden_number(pair, "logp_rejected"), SUM_MAX, 0, "pair %zu", p);
        madpo_objective_find("dpo")->pair(&o, &in, &l);
        loss += l.loss / (double)n;
        dout[2 * p] = l.dchosen / (double)n;
        dout[2 * p + 1] = l.drejected / (double)n;
    }
    golden_close(loss, golden_number(dpo, "loss"), 0, LOSS_REL, "DPO loss");
}

static void reward_loss(const json_t *golden, const double *out, double *dout, size_t n)
{
    const json_t *pairs = golden_get(golden, "pairs");
    double loss = 0;

    for (size_t p = 0; p < n; p++) {
        const json_t *pair = json_array_get(pairs, p);
        madpo_reward_loss l =
            madpo_bradley_terry(out[2 * p], out[2 * p + 1], 0, golden_number(golden, "center"));

        golden_close(out[2 * p], golden_number(pair, "reward_chosen"), REWARD_MAX, 1e-5, "pair %zu",
                     p);
        golden_close(out[2 * p + 1], golden_number(pair, "reward_rejected"), REWARD_MAX, 1e-5,
                     "pair %zu", p);
        loss += l.loss / (double)n;
        dout[2 * p] = l.dchosen / (double)n;
        dout[2 * p + 1] = l.drejected / (double)n;
    }
    golden_close(loss, golden_number(golden, "loss"), 0, LOSS_REL, "reward loss");
}

static void check_gradients(const char *dir, const json_t *golden, bool reward)
{
    madpo_model_options o = golden_options(true, reward);
    madpo_model *m = golden_model(dir, &o);
    example_list list = golden_pairs(golden_get(golden, "pairs"));
    madpo_packer *packer = packer_new(&o);
    const madpo_batch *b = pack(packer, &list, 0, list.n);
    double out[16], dout[16];

    assert_int_equal(b->n_seq, 2 * list.n);
    golden_forward(m, b, out);
    (reward ? reward_loss : dpo_loss)(golden, out, dout, list.n);
    golden_backward(m, b, dout);
    golden_tensors(m, -1, true, false, dir, "golden_grads.safetensors", GRAD_REL);
    madpo_packer_free(packer);
    examples_free(&list);
    madpo_model_free(m);
}

/* ---- rewards ---- */

static void check_text_rewards(madpo_model *m, const json_t *texts, const json_t *want)
{
    madpo_model_options o = golden_options(false, true);
    example_list list = golden_texts(texts);
    madpo_packer *packer = packer_new(&o);
    double out[16];

    golden_forward(m, pack(packer, &list, 0, list.n), out);
    for (size_t i = 0; i < list.n; i++)
        golden_close(out[i],
                     want ? golden_at(want, i) : golden_number(json_array_get(texts, i), "reward"),
                     REWARD_MAX, 1e-5, "reward of text %zu", i);
    madpo_packer_free(packer);
    examples_free(&list);
}

static void check_pair_rewards(madpo_model *m, const json_t *pairs, const json_t *reward)
{
    madpo_model_options o = golden_options(false, true);
    example_list list = golden_pairs(pairs);
    madpo_packer *packer = packer_new(&o);
    double out[16];

    golden_forward(m, pack(packer, &list, 0, list.n), out);
    for (size_t i = 0; i < 2 * list.n; i++)
        golden_close(out[i], golden_at(golden_get(reward, i % 2 ? "rejected" : "chosen"), i / 2),
                     REWARD_MAX, 1e-5, "reward of sequence %zu", i);
    madpo_packer_free(packer);
    examples_free(&list);
}

/* ---- cases ---- */

/* Files of 16 bits, kept so on the device: the same numbers. */
static void check_storage(const char *dir, const json_t *golden)
{
    madpo_model_options o = golden_options(false, false);
    madpo_model *m;

    MODEL_OK(madpo_model_storage_of(&o.storage, dir, err));
    if (o.storage == MADPO_DTYPE_F32)
        return;
    m = golden_model(dir, &o);
    check_tokens(m, &o, golden_get(golden, "sequences"), TOKEN_MAX, TOKEN_MEAN);
    madpo_model_free(m);
}

static void causal_case(const char *dir, const json_t *golden)
{
    madpo_model_options o = golden_options(false, false);
    madpo_model *m = golden_model(dir, &o);
    const json_t *texts = golden_get(golden, "sequences"), *reward = golden_get(golden, "reward");

    check_tokens(m, &o, texts, TOKEN_MAX, TOKEN_MEAN);
    check_distributions(m, texts);
    madpo_model_free(m);
    check_storage(dir, golden);
    check_gradients(dir, golden, false);
    o = golden_options(false, true);
    m = golden_model(dir, &o);
    golden_score(m, golden_get(reward, "score"));
    check_text_rewards(m, texts, golden_get(reward, "rewards"));
    check_pair_rewards(m, golden_get(golden, "pairs"), reward);
    madpo_model_free(m);
}

static void reward_case(const char *dir, const json_t *golden)
{
    madpo_model_options o = golden_options(false, true);
    madpo_model *m = golden_model(dir, &o);

    check_text_rewards(m, golden_get(golden, "sequences"), NULL);
    madpo_model_free(m);
    check_gradients(dir, golden, true);
}

static void test_folder(void **state)
{
    char *dir = golden_path("models", *state);
    json_t *golden = golden_json(dir, "golden.json");
    bool reward;

    MODEL_OK(madpo_model_config_is_reward(&reward, dir, err));
    assert_true(reward == !json_object_get(golden, "dpo"));
    if (reward)
        reward_case(dir, golden);
    else
        causal_case(dir, golden);
    json_decref(golden);
    free(dir);
}

/* A folder of any size given by hand: only the texts, with the bounds of a model of full size. */
static void test_given(void **state)
{
    json_t *golden = golden_json(*state, "golden.json");
    madpo_model_options o = golden_options(false, false);
    madpo_model *m;

    o.max_tokens = o.max_rows = 1024;
    MODEL_OK(madpo_model_storage_of(&o.storage, *state, err));
    m = golden_model(*state, &o);
    check_tokens(m, &o, golden_get(golden, "sequences"), 1e-3, 1e-4);
    madpo_model_free(m);
    json_decref(golden);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return golden_run_one(argv[1], test_given);
    return golden_run("models", 17, test_folder);
}
