/* What models think of sampled texts, and how varied these are. */
#include "train/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "train/batches.h"
#include "train/scan.h"

enum { MAX_TEXTS = 256 }; /* of a micro-batch; what is planned per text is small */

madpo_batch_limits madpo_judge_limits(int64_t longest, int64_t budget)
{
    int64_t tokens = budget > longest ? budget : longest;

    return (madpo_batch_limits){.max_tokens = tokens,
                                .max_rows = tokens,
                                .max_segments = 2 * MAX_TEXTS,
                                .max_sequences = MAX_TEXTS};
}

typedef struct judge {
    madpo_model *model;
    bool rewards;
    madpo_example *example; /* [n] of texts with a token to look at */
    size_t *text;           /* [n] which texts these are */
    int32_t *ids;           /* the answers, with their end tokens */
    float *values;          /* [max rows or sequences] */
    int64_t *order;
    size_t n;
    double *out;
} judge;

static void judge_dispose(judge *j)
{
    free(j->example);
    free(j->text);
    free(j->ids);
    free(j->values);
    free(j->order);
}

/* Texts as examples of one branch. */
static madpo_status judge_init(judge *j, const madpo_judge_text *text, size_t n, int32_t eos,
                               const madpo_batch_limits *limits, madpo_error *err)
{
    size_t n_ids = 0;

    for (size_t i = 0; i < n; i++)
        n_ids += (size_t)text[i].n_answer + 1;
    j->example = calloc(n + 1, sizeof *j->example);
    j->text = malloc((n + 1) * sizeof *j->text);
    j->ids = malloc((n_ids + 1) * sizeof *j->ids);
    j->order = malloc((n + 1) * sizeof *j->order);
    j->values = malloc((size_t)(limits->max_rows + limits->max_sequences) * sizeof *j->values);
    if (!j->example || !j->text || !j->ids || !j->order || !j->values)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "texts: out of host memory");
    n_ids = 0;
    for (size_t i = 0; i < n; i++) {
        madpo_example *e = &j->example[j->n];
        bool end = eos >= 0 && (text[i].ended || j->rewards);

        j->out[i] = j->rewards ? NAN : 0.0;
        if (text[i].n_answer == 0 && !end)
            continue;
        *e = (madpo_example){.prompt = text[i].prompt,
                             .n_prompt = text[i].n_prompt,
                             .branch = {j->ids + n_ids},
                             .n_branch = {text[i].n_answer + end},
                             .n_branches = 1,
                             .id = (int64_t)i};
        for (int32_t k = 0; k < text[i].n_answer; k++)
            j->ids[n_ids++] = text[i].answer[k];
        if (end)
            j->ids[n_ids++] = eos;
        j->order[j->n] = (int64_t)j->n;
        j->text[j->n++] = i;
    }
    return MADPO_OK;
}

static madpo_status judge_batch(void *user, const madpo_batch *batch, size_t first,
                                madpo_error *err)
{
    judge *j = user;
    madpo_status st = j->rewards ? madpo_model_rewards(j->model, batch, j->values, err)
                                 : madpo_model_logps(j->model, batch, j->values, NULL, err);

    for (int64_t s = 0; s < batch->n_seq && st == MADPO_OK; s++)
        j->out[j->text[first + (size_t)s]] =
            j->rewards ? (double)j->values[s] : madpo_scan_sum(batch, j->values, s);
    return st;
}

static madpo_status judge_all(judge *j, const madpo_judge_text *text, size_t n, int32_t eos,
                              const madpo_batch_limits *limits, madpo_error *err)
{
    madpo_batches batches = {0};
    madpo_examples examples = {0};
    madpo_status st = judge_init(j, text, n, eos, limits, err);

    examples.v = j->example;
    examples.n = j->n;
    if (st == MADPO_OK)
        st = madpo_batches_init(&batches, limits, j->n, err);
    for (size_t first = 0; first < j->n && st == MADPO_OK; first += MAX_TEXTS) {
        size_t left = j->n - first;
        size_t chunk = left < MAX_TEXTS ? left : MAX_TEXTS;
        judge part = *j;

        part.text = j->text + first;
        st = madpo_batches_each(&batches, &examples, j->order + first, chunk, judge_batch, &part,
                                err);
    }
    madpo_batches_dispose(&batches);
    return st;
}

madpo_status madpo_judge_logps(double *out, double *tokens, madpo_model *model,
                               const madpo_judge_text *text, size_t n, int32_t eos,
                               const madpo_batch_limits *limits, madpo_error *err)
{
    judge j = {.model = model, .out = out};
    madpo_status st = judge_all(&j, text, n, eos, limits, err);

    for (size_t i = 0; i < n && tokens; i++)
        tokens[i] = (double)(text[i].n_answer + (text[i].ended && eos >= 0));
    judge_dispose(&j);
    return st;
}

madpo_status madpo_judge_rewards(double *out, madpo_model *model, const madpo_judge_text *text,
                                 size_t n, int32_t eos, const madpo_batch_limits *limits,
                                 madpo_error *err)
{
    judge j = {.model = model, .rewards = true, .out = out};
    madpo_status st = judge_all(&j, text, n, eos, limits, err);

    judge_dispose(&j);
    return st;
}

/* ---- variety ---- */

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

double madpo_judge_distinct(const madpo_judge_text *text, size_t n, int gram)
{
    size_t total = 0, k = 0, different = 0;
    uint64_t *runs;

    for (size_t i = 0; i < n; i++)
        total += text[i].n_answer >= gram ? (size_t)(text[i].n_answer - gram + 1) : 0;
    runs = malloc((total + 1) * sizeof *runs);
    if (!runs || total == 0) {
        free(runs);
        return NAN;
    }
    for (size_t i = 0; i < n; i++)
        for (int32_t t = 0; t + gram <= text[i].n_answer; t++) {
            const int32_t *id = text[i].answer + t;

            runs[k++] = (uint64_t)(uint32_t)id[0] << 32 | (gram > 1 ? (uint32_t)id[1] : 0u);
        }
    qsort(runs, total, sizeof *runs, ascending);
    for (size_t i = 0; i < total; i++)
        different += i == 0 || runs[i] != runs[i - 1];
    free(runs);
    return (double)different / (double)total;
}
