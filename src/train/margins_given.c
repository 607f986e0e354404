/* Reward margins from outside. */
#include "train/margins_given.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "train/reward_models.h"

static const char own[] = "pairs"; /* data.margins: those of the pairs themselves */

static bool every_pair_has_one(const madpo_pairs *pairs)
{
    size_t n = madpo_pairs_count(pairs);

    for (size_t i = 0; i < n; i++)
        if (!isfinite(madpo_pairs_at(pairs, i)->margin))
            return false;
    return n > 0;
}

bool madpo_margins_are_given(const madpo_stage_context *ctx, const madpo_pairs *pairs)
{
    if (ctx->options->data.margins[0])
        return true;
    return pairs && !madpo_options_has_stage(ctx->options, "reward") &&
           !madpo_reward_models_trained(ctx) && every_pair_has_one(pairs);
}

static madpo_status margins_of_pairs(double *h, const madpo_pairs *pairs, madpo_error *err)
{
    for (size_t i = 0; i < madpo_pairs_count(pairs); i++) {
        const madpo_pair *pair = madpo_pairs_at(pairs, i);

        if (!isfinite(pair->margin))
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "data.margins = \"pairs\": pair %lld has no field margin; give "
                                   "every pair one, or name a file of margins",
                                   (long long)pair->id);
        h[i] = pair->margin;
    }
    return MADPO_OK;
}

/* ---- a file ---- */

typedef struct margins_entry {
    int64_t id;
    size_t pair;
} margins_entry;

typedef struct margins_reader {
    const char *path;
    margins_entry *entry; /* [n] by id */
    size_t n, n_unknown;
    bool lenient; /* margins of other pairs are passed over: data.limit has left pairs out */
    double *h;    /* [n] NaN as long as there is none */
} margins_reader;

static int margins_by_id(const void *a, const void *b)
{
    const margins_entry *x = a, *y = b;

    return x->id != y->id ? (x->id > y->id) - (x->id < y->id)
                          : (x->pair > y->pair) - (x->pair < y->pair);
}

static madpo_status margins_index(margins_reader *r, const madpo_pairs *pairs, madpo_error *err)
{
    r->n = madpo_pairs_count(pairs);
    r->entry = malloc((r->n + 1) * sizeof *r->entry);
    if (!r->entry)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "data.margins: out of host memory");
    for (size_t i = 0; i < r->n; i++) {
        r->entry[i] = (margins_entry){.id = madpo_pairs_at(pairs, i)->id, .pair = i};
        r->h[i] = NAN;
    }
    if (r->n > 1)
        qsort(r->entry, r->n, sizeof *r->entry, margins_by_id);
    for (size_t i = 1; i < r->n; i++)
        if (r->entry[i].id == r->entry[i - 1].id)
            return madpo_error_set(
                err, MADPO_ERR_DATA,
                "%s: two pairs have the id %lld, so that their margins cannot be "
                "told apart; give each an id of its own",
                r->path, (long long)r->entry[i].id);
    return MADPO_OK;
}

/* Place in h of a pair, or NULL. */
static double *margins_place(const margins_reader *r, int64_t id)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->entry[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->n && r->entry[low].id == id ? &r->h[r->entry[low].pair] : NULL;
}

static madpo_status margins_put(margins_reader *r, int line, int64_t id, double h, madpo_error *err)
{
    double *place = margins_place(r, id);

    if (!place && r->lenient) {
        r->n_unknown++;
        return MADPO_OK;
    }
    if (!place)
        return madpo_error_set_at(err, MADPO_ERR_DATA, r->path, line, 0,
                                  "no pair of the run has the id %lld; take the line out (the pair "
                                  "may have been left out: see \"prepare\" in log.txt)",
                                  (long long)id);
    if (!isnan(*place))
        return madpo_error_set_at(err, MADPO_ERR_DATA, r->path, line, 0,
                                  "pair %lld has a margin already; leave one of them",
                                  (long long)id);
    *place = h;
    return MADPO_OK;
}

static madpo_status margins_line(margins_reader *r, const char *text, size_t n, int line,
                                 madpo_error *err)
{
    json_t *value = NULL;
    const json_t *id, *h;
    madpo_status st = madpo_json_parse(&value, text, n, r->path, line, err);

    if (st != MADPO_OK)
        return st;
    id = json_object_get(value, "id");
    h = json_object_get(value, "h");
    if (!h)
        h = json_object_get(value, "margin");
    if (!json_is_integer(id) || !json_is_number(h))
        st = madpo_error_set_at(err, MADPO_ERR_DATA, r->path, line, 0,
                                "not a margin: wanted {\"id\": of the pair, \"h\": number}");
    else
        st = margins_put(r, line, json_integer_value(id), json_number_value(h), err);
    json_decref(value);
    return st;
}

static madpo_status margins_lines(margins_reader *r, const char *text, size_t n, madpo_error *err)
{
    int line = 1;

    for (size_t start = 0; start < n; line++) {
        const char *end = memchr(text + start, '\n', n - start);
        size_t length = end ? (size_t)(end - (text + start)) : n - start;
        bool empty = strspn(text + start, " \t\r\n") >= length;
        madpo_status st = empty ? MADPO_OK : margins_line(r, text + start, length, line, err);

        if (st != MADPO_OK)
            return st;
        start += length + 1;
    }
    return MADPO_OK;
}

static madpo_status margins_complete(const margins_reader *r, const madpo_pairs *pairs,
                                     madpo_error *err)
{
    size_t n_missing = 0, first = 0;

    for (size_t i = r->n; i-- > 0;)
        if (isnan(r->h[i])) {
            n_missing++;
            first = i;
        }
    if (n_missing == 0)
        return MADPO_OK;
    return madpo_error_set(err, MADPO_ERR_DATA,
                           "%s has no margin of pair %lld (%zu of %zu pairs have none); every pair "
                           "needs one",
                           r->path, (long long)madpo_pairs_at(pairs, first)->id, n_missing, r->n);
}

static madpo_status margins_of_file(double *h, const madpo_stage_context *ctx,
                                    const madpo_pairs *pairs, madpo_error *err)
{
    margins_reader r = {
        .path = ctx->options->data.margins, .lenient = ctx->options->data.limit > 0, .h = h};
    char *text = NULL;
    size_t n = 0;
    madpo_status st = margins_index(&r, pairs, err);

    if (st == MADPO_OK)
        st = madpo_file_read(&text, &n, r.path, err);
    if (st == MADPO_OK)
        st = margins_lines(&r, text, n, err);
    if (st == MADPO_OK)
        st = margins_complete(&r, pairs, err);
    if (st == MADPO_OK && r.n_unknown > 0)
        madpo_run_message(ctx->run,
                          "margins: %zu margins of %s are of pairs that data.limit leaves out",
                          r.n_unknown, r.path);
    free(text);
    free(r.entry);
    return st;
}

madpo_status madpo_margins_given(double *h, const madpo_stage_context *ctx,
                                 const madpo_pairs *pairs, madpo_error *err)
{
    const char *from = ctx->options->data.margins;

    if (!*from || strcmp(from, own) == 0)
        return margins_of_pairs(h, pairs, err);
    return margins_of_file(h, ctx, pairs, err);
}

madpo_status madpo_margins_given_check(const madpo_stage_context *ctx, madpo_error *err)
{
    const char *from = ctx->options->data.margins;
    double *h;
    madpo_status st;

    if (!ctx->given_pairs && strcmp(from, own) == 0)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "data.margins = \"pairs\" needs given pairs (data.pairs): generated "
                               "ones have no field margin");
    if (!ctx->given_pairs)
        return madpo_file_exists(from)
                   ? MADPO_OK
                   : madpo_error_set(err, MADPO_ERR_IO, "data.margins: there is no file %s", from);
    h = malloc((madpo_pairs_count(ctx->given_pairs) + 1) * sizeof *h);
    if (!h)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "margins: out of host memory");
    st = madpo_margins_given(h, ctx, ctx->given_pairs, err);
    free(h);
    return st;
}
