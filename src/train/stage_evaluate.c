/* Stage evaluate: one sample of the reference (the SFT model) and one of the policy for each
 * held-out prompt, from the same random streams, and their mean true score with its 95 % interval.
 * For given pairs there is no ground truth: then the run's own reward model judges, which is what
 * the policy was trained towards, and is said so; of several the mean. Results: samples.jsonl
 * ({"who","i","prompt","text","score"}, first all of the reference, then all of the policy) and the
 * "eval" events. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "train/batches.h"
#include "train/control.h"
#include "train/reward_models.h"
#include "train/sampler.h"
#include "train/stats.h"

static const char stage_name[] = "evaluate";
static const char samples_file[] = "samples.jsonl";

enum { REFERENCE, POLICY, N_WHO };
static const struct {
    const char *who;
    madpo_stage_from from;
} evaluated[N_WHO] = {{"reference", MADPO_FROM_SFT}, {"policy", MADPO_FROM_POLICY}};

typedef struct evaluate {
    madpo_stage_context *ctx;
    madpo_prompts prompts;
    madpo_sampler sampler;
    size_t chunk;  /* prompts at once */
    char **texts;  /* [chunk] */
    json_t *lines; /* samples.jsonl, once complete */
    const char *metric;
    double *score[N_WHO]; /* [prompts] */
} evaluate;

/* ---- prompts ---- */

static madpo_status evaluate_prompts(evaluate *e, madpo_error *err)
{
    const madpo_stage_context *ctx = e->ctx;
    size_t asked = (size_t)ctx->options->evaluate.prompts;
    madpo_status st;

    if (*ctx->options->evaluate.from)
        st = madpo_prompts_add_file(&e->prompts, ctx, ctx->options->evaluate.from, asked, err);
    else if (ctx->given_pairs)
        st = madpo_prompts_add_pairs(&e->prompts, ctx, asked, err);
    else
        st = madpo_prompts_add_reviews(&e->prompts, ctx, ctx->n_train_reviews, ctx->reviews->n,
                                       asked, err);
    if (st == MADPO_OK && e->prompts.n < asked)
        madpo_run_message(ctx->run,
                          "evaluate: %zu prompts, not %zu: there are no more held-out ones",
                          e->prompts.n, asked);
    if (st == MADPO_OK && e->prompts.n == 0)
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "evaluate: there are no held-out prompts: raise data.eval_fraction");
    return st;
}

/* ---- sampling ---- */

static json_t *sample_record(const evaluate *e, int who, size_t i, double score)
{
    const madpo_prompt *prompt = &e->prompts.v[i];
    const char *text = e->texts[i % e->chunk];

    return json_pack("{s:s,s:I,s:o,s:o,s:o}", "who", evaluated[who].who, "i", (json_int_t)i,
                     "prompt", madpo_json_text(prompt->text, prompt->n_text), "text",
                     madpo_json_text(text, strlen(text)), "score", madpo_json_real(score));
}

static madpo_status evaluate_chunk(evaluate *e, int who, size_t first, madpo_records *records,
                                   madpo_error *err)
{
    size_t left = e->prompts.n - first, n = left < e->chunk ? left : e->chunk;
    madpo_status st =
        madpo_sampler_draw(&e->sampler, e->prompts.v + first, n, first, 0, e->texts, err);

    for (size_t i = first; i < first + n && st == MADPO_OK; i++) {
        double score = NAN; /* given pairs: judged later */

        if (e->ctx->scorer)
            st =
                madpo_sampler_score(&score, e->ctx, e->prompts.v[i].text, e->texts[i - first], err);
        if (st == MADPO_OK)
            st = madpo_records_append(records, sample_record(e, who, i, score), err);
    }
    madpo_texts_free(e->texts, n);
    return st == MADPO_OK ? madpo_records_sync(records, err) : st;
}

static madpo_status evaluate_new_sampler(evaluate *e, int who, madpo_error *err)
{
    const madpo_options *o = e->ctx->options;
    madpo_sampler_options options = {.stage = stage_name,
                                     .from = evaluated[who].from,
                                     .temperature = o->evaluate.temperature,
                                     .top_p = o->evaluate.top_p,
                                     .top_k = o->evaluate.top_k,
                                     .seed = madpo_stage_seed(e->ctx, stage_name),
                                     .samples = 1,
                                     .chunk = e->chunk,
                                     .prompt_len = e->prompts.longest,
                                     .max_new = (int32_t)o->generate.max_new};

    return madpo_sampler_init(&e->sampler, e->ctx, &options, err);
}

/* All samples of one model; those before `done` (of this model) are there already. */
static madpo_status evaluate_sample(evaluate *e, int who, size_t done, madpo_records *records,
                                    madpo_error *err)
{
    size_t n = e->prompts.n;
    madpo_meter meter;
    madpo_status st;

    if (done >= n)
        return MADPO_OK;
    st = evaluate_new_sampler(e, who, err);
    madpo_meter_start(&meter, e->ctx, stage_name, evaluated[who].who, "sample", (int64_t)done,
                      (int64_t)n);
    while (done < n && st == MADPO_OK) {
        st = madpo_control_between(e->ctx, stage_name, (int64_t)done, (int64_t)n, "sample", err);
        if (st == MADPO_OK)
            st = evaluate_chunk(e, who, done, records, err);
        done = done + e->chunk < n ? done + e->chunk : n;
        if (st == MADPO_OK)
            madpo_meter_show(&meter, (int64_t)done, "");
    }
    madpo_sampler_dispose(&e->sampler); /* one model in device memory at a time */
    return st;
}

/* Lines to keep of what an interrupted stage left: whole chunks. */
static size_t whole_chunks(const evaluate *e, size_t n_lines)
{
    size_t n = e->prompts.n, who = n_lines / n, i = n_lines % n;

    return who >= N_WHO ? N_WHO * n : who * n + i - i % e->chunk;
}

static madpo_status evaluate_samples(evaluate *e, madpo_error *err)
{
    json_t *before = NULL;
    madpo_records *records = NULL;
    int64_t n_lines;
    size_t done, n = e->prompts.n;
    madpo_status closed, st = madpo_stage_read_lines(&before, e->ctx, samples_file, err);

    if (st != MADPO_OK)
        return st;
    done = whole_chunks(e, json_array_size(before));
    json_decref(before);
    st = madpo_records_open(&records, e->ctx->run, samples_file, (int64_t)done, &n_lines, err);
    if (st != MADPO_OK)
        return st;
    for (int who = 0; who < N_WHO && st == MADPO_OK; who++) {
        st = evaluate_sample(e, who, done < n ? done : n, records, err);
        done = done > n ? done - n : 0;
    }
    closed = madpo_records_close(records, err);
    return st == MADPO_OK ? closed : st;
}

/* ---- judging by the reward model: the two samples of a prompt are the two answers of a pair ----
 */

static const json_t *sample_line(const evaluate *e, int who, size_t i)
{
    return json_array_get(e->lines, (size_t)who * e->prompts.n + i);
}

static const char *sample_text(const evaluate *e, int who, size_t i)
{
    const char *text = json_string_value(json_object_get(sample_line(e, who, i), "text"));

    return text ? text : "";
}

static madpo_status samples_as_pairs(madpo_pairs **out, const evaluate *e, madpo_error *err)
{
    madpo_status st = madpo_pairs_new(out, err);

    for (size_t i = 0; i < e->prompts.n && st == MADPO_OK; i++) {
        madpo_pair pair = {.prompt = e->prompts.v[i].text,
                           .n_prompt = e->prompts.v[i].n_text,
                           .chosen =
                               (char *)sample_text(e, REFERENCE, i), /* only read and copied */
                           .rejected = (char *)sample_text(e, POLICY, i),
                           .id = (int64_t)i,
                           .specials = e->prompts.v[i].specials,
                           .score_chosen = NAN,
                           .score_rejected = NAN,
                           .margin = NAN};

        pair.n_chosen = strlen(pair.chosen);
        pair.n_rejected = strlen(pair.rejected);
        st = madpo_pairs_add(*out, &pair, err);
    }
    return st;
}

/* Adds the scores of one reward model. */
typedef struct judge {
    evaluate *e;
    madpo_stage_model net;
    float *value; /* [max sequences] */
} judge;

static madpo_status judge_batch(void *user, const madpo_batch *batch, size_t first,
                                madpo_error *err)
{
    judge *j = user;
    madpo_status st = madpo_model_rewards(j->net.model, batch, j->value, err);

    for (int64_t s = 0; s < batch->n_seq && st == MADPO_OK; s++)
        j->e->score[s % 2 == 0 ? REFERENCE : POLICY][first + (size_t)s / 2] += (double)j->value[s];
    return st;
}

static madpo_status judge_examples(evaluate *e, const madpo_reward_model *which,
                                   const madpo_examples *examples, madpo_error *err)
{
    const madpo_options *o = e->ctx->options;
    const madpo_examples *lists[] = {examples};
    madpo_batch_limits limits;
    madpo_stage_model_setup model = {.stage = stage_name,
                                     .name = which->only ? NULL : which->name,
                                     .from = MADPO_FROM_REWARD,
                                     .reward_head = true};
    madpo_batches batches = {0};
    judge j = {.e = e};
    int64_t *order = malloc((examples->n + 1) * sizeof *order);
    madpo_status st =
        madpo_batches_limits(&limits, lists, 1, o->reward.o.batch, o->batch.tokens, err);

    j.value = st == MADPO_OK ? malloc((size_t)limits.max_sequences * sizeof *j.value) : NULL;
    if (st == MADPO_OK && (!order || !j.value))
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "evaluate: out of host memory");
    for (size_t i = 0; i < examples->n && st == MADPO_OK; i++)
        order[i] = (int64_t)i;
    model.limits = limits;
    if (st == MADPO_OK)
        st = madpo_stage_open(&j.net, e->ctx, &model, err);
    if (st == MADPO_OK)
        st = madpo_batches_init(&batches, &limits, examples->n, err);
    if (st == MADPO_OK)
        st = madpo_batches_each(&batches, examples, order, examples->n, judge_batch, &j, err);
    madpo_batches_dispose(&batches);
    madpo_stage_model_dispose(&j.net);
    free(j.value);
    free(order);
    return st;
}

/* The mean of what the reward models say. */
static madpo_status judge_by_all(evaluate *e, const madpo_examples *examples, madpo_error *err)
{
    size_t n = madpo_reward_models_count(e->ctx->options);
    madpo_status st = MADPO_OK;

    for (int who = 0; who < N_WHO; who++)
        for (size_t i = 0; i < e->prompts.n; i++)
            e->score[who][i] = 0.0;
    for (size_t k = 0; k < n && st == MADPO_OK; k++) {
        madpo_reward_model which = madpo_reward_models_at(e->ctx->options, k);

        st = judge_examples(e, &which, examples, err);
    }
    for (int who = 0; who < N_WHO; who++)
        for (size_t i = 0; i < e->prompts.n; i++)
            e->score[who][i] /= (double)n;
    return st;
}

static madpo_status judge_by_reward(evaluate *e, madpo_error *err)
{
    madpo_tokenize_options options = madpo_stage_tokenize_options(e->ctx);
    madpo_pairs *pairs = NULL;
    madpo_examples examples = {0};
    madpo_status st;

    options.truncation = MADPO_TRUNCATION_ERROR; /* every sample is judged, an empty one too */
    options.truncate_prompt = true;
    options.end_with_eos = true;
    st = samples_as_pairs(&pairs, e, err);
    if (st == MADPO_OK)
        st = madpo_examples_from_pairs(&examples, pairs, e->ctx->tok, &options, err);
    if (st == MADPO_OK)
        st = judge_by_all(e, &examples, err);
    madpo_examples_dispose(&examples);
    madpo_pairs_free(pairs);
    return st;
}

/* Fill score[] and name the metric; e->metric stays NULL where nothing can judge. */
static madpo_status evaluate_judge(evaluate *e, madpo_error *err)
{
    if (e->ctx->scorer) {
        e->metric = "true_reward";
        for (int who = 0; who < N_WHO; who++)
            for (size_t i = 0; i < e->prompts.n; i++)
                e->score[who][i] =
                    json_number_value(json_object_get(sample_line(e, who, i), "score"));
        return MADPO_OK;
    }
    if (!madpo_reward_models_trained(e->ctx)) {
        madpo_run_message(e->ctx->run,
                          "evaluate: given pairs have no ground truth and there is no reward "
                          "model, so the samples are not scored");
        return MADPO_OK;
    }
    e->metric = "reward_model";
    madpo_run_message(
        e->ctx->run,
        "evaluate: given pairs have no ground truth; the score is that of the run's own "
        "reward model, which the policy was trained towards");
    return judge_by_reward(e, err);
}

/* ---- what came out ---- */

/* A copy on one line, without the control characters a model may have learnt (owned by the caller,
 * free()). */
static char *on_one_line(const char *text)
{
    char *line = strdup(text);

    for (char *c = line; c && *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    return line;
}

static void tell_sample(const evaluate *e, int who, size_t i)
{
    char *line = on_one_line(sample_text(e, who, i));

    if (e->metric)
        madpo_run_message(e->ctx->run, "  %-9s %+.2f |%s", evaluated[who].who, e->score[who][i],
                          line ? line : "");
    else
        madpo_run_message(e->ctx->run, "  %-9s |%s", evaluated[who].who, line ? line : "");
    free(line);
}

static void tell_samples(const evaluate *e)
{
    size_t n = (size_t)e->ctx->options->evaluate.samples_shown;

    for (size_t i = 0; i < n && i < e->prompts.n; i++) {
        char *prompt = on_one_line(e->prompts.v[i].text);

        madpo_run_message(e->ctx->run, "evaluate: prompt %zu: %s", i + 1, prompt ? prompt : "");
        for (int who = 0; who < N_WHO; who++)
            tell_sample(e, who, i);
        free(prompt);
    }
}

static madpo_status tell_scores(const evaluate *e, madpo_error *err)
{
    madpo_run *run = e->ctx->run;
    madpo_summary s[N_WHO];
    madpo_status st = MADPO_OK;

    madpo_run_message(run, "evaluate: %-10s %6s %8s %19s %7s", e->metric, "n", "mean",
                      "95 % interval", "SD");
    for (int who = 0; who < N_WHO && st == MADPO_OK; who++) {
        s[who] = madpo_summarize(e->score[who], e->prompts.n);
        madpo_run_message(run, "  %-18s %8zu %8.4f [%8.4f,%8.4f] %7.4f", evaluated[who].who,
                          s[who].n, s[who].mean, s[who].low, s[who].high, s[who].sd);
        st = madpo_stage_event(e->ctx, "eval",
                               json_pack("{s:s,s:s,s:s,s:I,s:o,s:o,s:o}", "stage", stage_name,
                                         "who", evaluated[who].who, "metric", e->metric, "n",
                                         (json_int_t)s[who].n, "mean", madpo_json_real(s[who].mean),
                                         "sd", madpo_json_real(s[who].sd), "ci95",
                                         madpo_stage_interval(s[who].low, s[who].high)),
                               err);
    }
    if (st == MADPO_OK)
        madpo_run_message(run, "evaluate: policy - reference %+.4f; the intervals %s",
                          s[POLICY].mean - s[REFERENCE].mean,
                          s[POLICY].low > s[REFERENCE].high || s[POLICY].high < s[REFERENCE].low
                              ? "are disjoint"
                              : "overlap");
    return st;
}

static madpo_status evaluate_tell(evaluate *e, madpo_error *err)
{
    madpo_status st = madpo_stage_read_lines(&e->lines, e->ctx, samples_file, err);

    if (st == MADPO_OK && json_array_size(e->lines) != N_WHO * e->prompts.n)
        st = madpo_error_set(err, MADPO_ERR_DATA, "%s/%s has %zu lines, not %zu: remove it",
                             madpo_run_dir(e->ctx->run), samples_file, json_array_size(e->lines),
                             N_WHO * e->prompts.n);
    if (st == MADPO_OK)
        st = evaluate_judge(e, err);
    if (st != MADPO_OK)
        return st;
    tell_samples(e);
    return e->metric ? tell_scores(e, err) : MADPO_OK;
}

static madpo_status evaluate_prepare(evaluate *e, madpo_error *err)
{
    size_t batch = (size_t)e->ctx->options->generate.batch;
    madpo_status st = evaluate_prompts(e, err);

    if (st != MADPO_OK)
        return st;
    for (int who = 0; who < N_WHO; who++) {
        e->score[who] = calloc(e->prompts.n, sizeof *e->score[who]);
        if (!e->score[who])
            return madpo_error_set(err, MADPO_ERR_NOMEM, "evaluate: out of host memory");
    }
    e->chunk = batch < e->prompts.n ? batch : e->prompts.n;
    e->texts = calloc(e->chunk, sizeof *e->texts);
    return e->texts ? MADPO_OK
                    : madpo_error_set(err, MADPO_ERR_NOMEM, "evaluate: out of host memory");
}

madpo_status madpo_stage_evaluate(madpo_stage_context *ctx, madpo_error *err)
{
    evaluate e = {.ctx = ctx};
    madpo_status st = evaluate_prepare(&e, err);

    if (st == MADPO_OK)
        st = evaluate_samples(&e, err);
    if (st == MADPO_OK)
        st = evaluate_tell(&e, err);
    madpo_prompts_dispose(&e.prompts);
    json_decref(e.lines);
    free(e.texts);
    for (int who = 0; who < N_WHO; who++)
        free(e.score[who]);
    return st;
}
