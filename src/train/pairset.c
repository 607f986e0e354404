/* The run's pairs as examples. */
#include "train/pairset.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

static madpo_status pairset_read(madpo_pairset *set, madpo_stage_context *ctx, const char *stage,
                                 madpo_error *err)
{
    char *path = madpo_run_path(ctx->run, "pairs.jsonl");
    madpo_status st;

    if (!path)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", stage);
    if (madpo_file_exists(path))
        st = madpo_pairs_load(&set->pairs, path, false, NULL, err);
    else
        st = madpo_error_set(
            err, MADPO_ERR_DATA,
            "%s: %s is not there: run the stage generate first (run.stages) or give "
            "data.pairs",
            stage, path);
    free(path);
    return st;
}

static madpo_status pairset_tokenize(madpo_pairset *set, madpo_stage_context *ctx,
                                     const char *stage, bool pooled, madpo_error *err)
{
    madpo_tokenize_options options = madpo_stage_tokenize_options(ctx);
    madpo_status st;

    options.end_with_eos = pooled;
    st = madpo_examples_from_pairs(&set->all, set->pairs, ctx->tok, &options, err);
    if (st != MADPO_OK)
        return st;
    if (set->all.n != madpo_pairs_count(set->pairs))
        return madpo_error_set(
            err, MADPO_ERR_DATA, "%s: %zu of %zu pairs have no tokens to train on", stage,
            madpo_pairs_count(set->pairs) - set->all.n, madpo_pairs_count(set->pairs));
    set->n = set->all.n;
    if (set->all.n_truncated > 0)
        madpo_run_message(ctx->run, "%s: %zu of %zu pairs cut to data.max_tokens %lld", stage,
                          set->all.n_truncated, set->n, (long long)ctx->options->data.max_tokens);
    for (size_t i = 0; i < set->n; i++)
        set->all.v[i].id = (int64_t)i;
    return MADPO_OK;
}

static madpo_status pairset_divide(madpo_pairset *set, madpo_error *err)
{
    set->train.v = malloc((set->n + 1) * sizeof *set->train.v);
    set->held_out.v = malloc((set->n + 1) * sizeof *set->held_out.v);
    if (!set->train.v || !set->held_out.v)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "pairs: out of host memory");
    for (size_t i = 0; i < set->n; i++) {
        madpo_examples *part = madpo_pairs_at(set->pairs, i)->eval ? &set->held_out : &set->train;

        part->v[part->n++] = set->all.v[i];
    }
    return MADPO_OK;
}

madpo_status madpo_pairset_load(madpo_pairset *out, madpo_stage_context *ctx, const char *stage,
                                bool pooled, madpo_error *err)
{
    madpo_status st;

    *out = (madpo_pairset){0};
    st = pairset_read(out, ctx, stage, err);
    if (st == MADPO_OK)
        st = pairset_tokenize(out, ctx, stage, pooled, err);
    if (st == MADPO_OK)
        st = pairset_divide(out, err);
    if (st != MADPO_OK)
        madpo_pairset_dispose(out);
    return st;
}

void madpo_pairset_dispose(madpo_pairset *set)
{
    free(set->train.v);
    free(set->held_out.v);
    madpo_examples_dispose(&set->all);
    madpo_pairs_free(set->pairs);
    *set = (madpo_pairset){0};
}

/* Put the numbers of `lines` into their pairs' places; returns how many pairs got one. */
static size_t fill_column(double *out, size_t n, const json_t *lines, const char *key)
{
    size_t n_filled = 0, i;
    json_t *line;

    json_array_foreach(lines, i, line)
    {
        json_int_t position = json_integer_value(json_object_get(line, "pair"));
        const json_t *value = json_object_get(line, key);

        if (position >= 0 && position < (json_int_t)n && json_is_number(value) &&
            isnan(out[position])) {
            out[position] = json_number_value(value);
            n_filled++;
        }
    }
    return n_filled;
}

madpo_status madpo_pairset_column_some(double *out, size_t *n_filled, const madpo_pairset *set,
                                       const madpo_stage_context *ctx, const char *file,
                                       const char *key, madpo_error *err)
{
    json_t *lines;
    madpo_status st = madpo_stage_read_lines(&lines, ctx, file, err);

    *n_filled = 0;
    if (st != MADPO_OK)
        return st;
    for (size_t i = 0; i < set->n; i++)
        out[i] = NAN;
    *n_filled = fill_column(out, set->n, lines, key);
    json_decref(lines);
    return MADPO_OK;
}

madpo_status madpo_pairset_column(double *out, const madpo_pairset *set,
                                  const madpo_stage_context *ctx, const char *file, const char *key,
                                  const char *made_by, madpo_error *err)
{
    size_t n_filled;
    madpo_status st = madpo_pairset_column_some(out, &n_filled, set, ctx, file, key, err);

    if (st != MADPO_OK || n_filled == set->n)
        return st;
    return madpo_error_set(
        err, MADPO_ERR_DATA,
        "%s/%s has \"%s\" for %zu of %zu pairs: run the stage %s first (run.stages)",
        madpo_run_dir(ctx->run), file, key, n_filled, set->n, made_by);
}

const char *madpo_pairset_split(const madpo_pairset *set, size_t i)
{
    return madpo_pairs_at(set->pairs, i)->eval ? "eval" : "train";
}
