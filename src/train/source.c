/* Where a run's text comes from. */
#include "train/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "data/synth.h"
#include "train/given.h"

static const char *const kind_names[] = {"synthetic", "reviews", "pairs"};

static uint64_t split_seed(const madpo_options *o)
{
    return XXH3_64bits_withSeed("split", 5, (uint64_t)o->run.seed);
}

/* ---- loading ---- */

static madpo_source_kind source_kind(const madpo_options *o, const madpo_pairs *given)
{
    if (given)
        return MADPO_SOURCE_PAIRS;
    for (int kind = 0; kind < 3; kind++)
        if (strcmp(o->data.source, kind_names[kind]) == 0)
            return (madpo_source_kind)kind;
    if (*o->data.pairs)
        return MADPO_SOURCE_PAIRS;
    return *o->data.reviews ? MADPO_SOURCE_REVIEWS : MADPO_SOURCE_SYNTHETIC;
}

/* Examples to hold out of n: the fraction asked for, at least one, at most all but one. */
static size_t held_out_count(double fraction, size_t n)
{
    size_t k = (size_t)llround(fraction * (double)n);

    if (n < 2 || fraction <= 0.0)
        return 0;
    if (k < 1)
        k = 1;
    return k < n ? k : n - 1;
}

/* A shuffle of 0..n-1 by the run's seed (owned by the caller, free()). */
static madpo_status split_order(int64_t **out, size_t n, const madpo_options *o, madpo_error *err)
{
    madpo_rng rng;

    *out = malloc((n + 1) * sizeof **out);
    if (!*out)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "split: out of host memory");
    for (size_t i = 0; i < n; i++)
        (*out)[i] = (int64_t)i;
    madpo_rng_init(&rng, split_seed(o), 0);
    madpo_rng_shuffle(&rng, *out, n);
    return MADPO_OK;
}

static madpo_status load_reviews(madpo_source *source, const madpo_options *o, madpo_error *err)
{
    madpo_reviews_options options;

    if (source->kind == MADPO_SOURCE_SYNTHETIC)
        return madpo_synth_reviews(&source->reviews, (uint64_t)o->run.seed,
                                   (size_t)o->data.synthetic, err);
    if (!*o->data.reviews)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "data.source is reviews but data.reviews names no file: set it");
    madpo_reviews_options_defaults(&options);
    options.limit = (size_t)o->data.limit;
    return madpo_reviews_load(&source->reviews, o->data.reviews, &options, err);
}

/* Put the reviews into split order: training first. */
static madpo_status split_reviews(madpo_source *source, const madpo_options *o, madpo_error *err)
{
    madpo_reviews *reviews = &source->reviews;
    int64_t *order = NULL;
    madpo_review *shuffled = malloc((reviews->n + 1) * sizeof *shuffled);
    madpo_status st = split_order(&order, reviews->n, o, err);

    if (st == MADPO_OK && !shuffled)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "split: out of host memory");
    if (st == MADPO_OK) {
        for (size_t i = 0; i < reviews->n; i++)
            shuffled[i] = reviews->v[order[i]];
        if (reviews->n > 0)
            memcpy(reviews->v, shuffled, reviews->n * sizeof *shuffled);
        source->n = reviews->n;
        source->n_train = reviews->n - held_out_count(o->data.eval_fraction, reviews->n);
    }
    free(order);
    free(shuffled);
    return st;
}

static madpo_status digest_reviews(madpo_source *source, madpo_error *err)
{
    madpo_digest *digest = NULL;
    madpo_status st = madpo_digest_new(&digest, err);

    if (st != MADPO_OK)
        return st;
    for (size_t i = 0; i < source->reviews.n; i++) {
        const madpo_review *review = &source->reviews.v[i];

        madpo_digest_update(digest, review->text,
                            review->n + 1); /* with the terminator between them */
        madpo_digest_update(digest, review->positive ? "+" : "-", 1);
    }
    madpo_digest_hex(digest, source->digest);
    madpo_digest_free(digest);
    return MADPO_OK;
}

static bool any_held_out(const madpo_pairs *pairs)
{
    for (size_t i = 0; i < madpo_pairs_count(pairs); i++)
        if (madpo_pairs_at(pairs, i)->eval)
            return true;
    return false;
}

/* Copy the first `limit` pairs, marking the held-out ones. */
static madpo_status split_pairs(madpo_source *source, const madpo_pairs *from,
                                const madpo_options *o, madpo_error *err)
{
    size_t n = madpo_pairs_count(from), n_held_out;
    bool marked = any_held_out(from);
    int64_t *order = NULL;
    bool *held_out = NULL;
    madpo_status st;

    if (o->data.limit > 0 && (size_t)o->data.limit < n)
        n = (size_t)o->data.limit;
    st = split_order(&order, n, o, err);
    held_out = calloc(n + 1, sizeof *held_out);
    if (st == MADPO_OK && !held_out)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "split: out of host memory");
    n_held_out = held_out_count(o->data.eval_fraction, n);
    for (size_t k = 0; k < n_held_out && st == MADPO_OK; k++)
        held_out[order[k]] = true;
    if (st == MADPO_OK)
        st = madpo_pairs_new(&source->pairs, err);
    for (size_t i = 0; i < n && st == MADPO_OK; i++) {
        madpo_pair pair = *madpo_pairs_at(from, i);

        pair.eval = marked ? pair.eval : held_out[i];
        source->n_train += pair.eval ? 0 : 1;
        st = madpo_pairs_add(source->pairs, &pair, err);
    }
    source->n = n;
    free(held_out);
    free(order);
    return st;
}

static madpo_status load_pairs(madpo_source *source, const madpo_options *o,
                               const madpo_pairs *given, madpo_error *err)
{
    madpo_pairs *loaded = NULL;
    madpo_status st = MADPO_OK;

    if (!given && !*o->data.pairs)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "data.source is pairs but data.pairs names no file: set it");
    if (!given)
        st = madpo_given_load(&loaded, o, &source->report, err);
    if (st == MADPO_OK)
        st = split_pairs(source, given ? given : loaded, o, err);
    madpo_pairs_free(loaded);
    if (st == MADPO_OK)
        madpo_pairs_digest(source->pairs, source->digest);
    return st;
}

madpo_status madpo_source_load(madpo_source *out, const madpo_options *options,
                               const madpo_pairs *given, madpo_error *err)
{
    madpo_status st;

    *out = (madpo_source){.kind = source_kind(options, given)};
    if (out->kind == MADPO_SOURCE_PAIRS) {
        st = load_pairs(out, options, given, err);
    } else {
        st = load_reviews(out, options, err);
        if (st == MADPO_OK)
            st = digest_reviews(out, err);
        if (st == MADPO_OK)
            st = split_reviews(out, options, err);
    }
    if (st == MADPO_OK && out->n_train == 0)
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "the data (%s) leaves nothing to train on: give more, or lower "
                             "data.eval_fraction",
                             kind_names[out->kind]);
    if (st != MADPO_OK)
        madpo_source_dispose(out);
    return st;
}

void madpo_source_dispose(madpo_source *source)
{
    madpo_reviews_dispose(&source->reviews);
    madpo_pairs_free(source->pairs);
    madpo_tokenizer_free(source->tok);
    madpo_scorer_free(source->scorer);
    *source = (madpo_source){0};
}

madpo_status madpo_source_describe(char **out, const madpo_source *source,
                                   const madpo_options *options, madpo_error *err)
{
    madpo_strbuf b = {0};

    madpo_strbuf_printf(&b, "%s n %zu held-out %zu max_prompt %lld max_tokens %lld digest %s",
                        kind_names[source->kind], source->n, source->n - source->n_train,
                        (long long)options->data.max_prompt, (long long)options->data.max_tokens,
                        source->digest);
    if (source->kind == MADPO_SOURCE_PAIRS)
        madpo_strbuf_printf(&b, " truncation %s prompt_keep %s tokenize %s",
                            options->data.truncation, options->data.prompt_keep,
                            options->data.tokenize);
    return madpo_strbuf_steal(&b, out, NULL, err);
}
