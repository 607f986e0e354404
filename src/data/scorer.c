/* Logistic regression over hashed words and word pairs; see scorer.h.
 *
 * A text with features f_1..f_N (its words and pairs of neighbouring words, with repetition) has
 * the logit b + (1/sqrt(N)) sum_i w[f_i]: the norm of the feature vector then does not grow with
 * the length, so a forty-word sample is not judged more timidly than a thousand-word review.
 * Trained by AdaGrad (Duchi, Hazan, Singer 2011), one review a step, in an order that depends on
 * the seed alone.
 *
 * File: the 8 bytes "MADPOSC1", then u32 bits, u32 0, f32 bias, u32 0, f32 weight[2^bits], u64 XXH3
 * of all that comes before; little-endian. */
#include "data/scorer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"

enum { SCORER_HEADER = 24, SCORER_CHECKSUM = 8, SCORER_MIN_BITS = 10, SCORER_MAX_BITS = 24 };

static const char scorer_magic[8] = {'M', 'A', 'D', 'P', 'O', 'S', 'C', '1'};

/* Streams of the counter-based generator: the split, and one per epoch. "scor" in ASCII. */
#define SCORER_STREAM 0x73636F7200000000u

struct madpo_scorer {
    int bits;
    float bias;
    float *weight; /* [2^bits] */
};

void madpo_scorer_options_defaults(madpo_scorer_options *options)
{
    *options = (madpo_scorer_options){
        .bits = 18, .epochs = 6, .lr = 0.3, .l2 = 1e-5, .held_out = 0.1, .seed = 0};
}

static madpo_status scorer_new(madpo_scorer **out, int bits, madpo_error *err)
{
    madpo_scorer *s = calloc(1, sizeof *s);

    *out = s;
    if (s)
        s->weight = calloc((size_t)1 << bits, sizeof *s->weight);
    if (!s || !s->weight)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a scorer of 2^%d weights",
                               bits);
    s->bits = bits;
    return MADPO_OK;
}

void madpo_scorer_free(madpo_scorer *scorer)
{
    if (!scorer)
        return;
    free(scorer->weight);
    free(scorer);
}

/* ---- features ---- */

/* A word is a run of letters, digits, apostrophes and bytes above ASCII; '!' and '?' are words of
 * their own. Letters count without case. Reads the next from text[*at], returns its hash, 0 at the
 * end. */
static uint64_t scorer_next_word(const char *text, size_t n, size_t *at)
{
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a */
    size_t start;

    for (; *at < n; ++*at) {
        unsigned char c = (unsigned char)text[*at];

        if (c == '!' || c == '?') {
            ++*at;
            return (hash ^ c) * 0x100000001B3u | 1;
        }
        if (c >= 0x80 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'))
            break;
    }
    start = *at;
    for (; *at < n; ++*at) {
        unsigned char c = (unsigned char)text[*at];

        if (c >= 'A' && c <= 'Z')
            c |= 32;
        if (c < 0x80 && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && c != '\'')
            break;
        hash = (hash ^ c) * 0x100000001B3u;
    }
    return *at > start ? hash | 1 : 0;
}

/* Bucket of a word (before = 0) or of a pair of words. */
static uint32_t scorer_bucket(uint64_t before, uint64_t word, int bits)
{
    uint64_t x = before * 0x9E3779B97F4A7C15u ^ word;

    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u; /* finaliser of splitmix64 */
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)((x ^ (x >> 31)) >> (64 - bits));
}

/* Calls the text's features one by one; for (init; next; ) style. */
typedef struct scorer_reader {
    const char *text;
    size_t n, at;
    uint64_t word, before; /* word = 0: a new one is due */
    int bits;
} scorer_reader;

static bool scorer_next(scorer_reader *r, uint32_t *bucket)
{
    if (r->word && r->before) { /* the pair that ends in the word just given */
        *bucket = scorer_bucket(r->before, r->word, r->bits);
        r->before = 0;
        return true;
    }
    r->before = r->word;
    r->word = scorer_next_word(r->text, r->n, &r->at);
    if (!r->word)
        return false;
    *bucket = scorer_bucket(0, r->word, r->bits);
    return true;
}

static double scorer_sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

double madpo_scorer_probability(const madpo_scorer *scorer, const char *text, size_t n)
{
    scorer_reader r = {text, n, 0, 0, 0, scorer->bits};
    uint32_t bucket;
    double sum = 0;
    size_t count = 0;

    for (; scorer_next(&r, &bucket); count++)
        sum += scorer->weight[bucket];
    return scorer_sigmoid(scorer->bias + (count ? sum / sqrt((double)count) : 0));
}

double madpo_scorer_score(const madpo_scorer *scorer, const char *text, size_t n)
{
    return 6 * (madpo_scorer_probability(scorer, text, n) - 0.5);
}

/* ---- training ---- */

typedef struct scorer_trainer {
    madpo_scorer *s;
    const madpo_reviews *reviews;
    const madpo_scorer_options *o;
    float *square; /* [2^bits] AdaGrad's sums of squared gradients */
    float bias_square;
    uint32_t *feature; /* of all reviews, one after the other */
    size_t *end;       /* [n] */
    int64_t *order;    /* [n] the first n_train are trained on */
    size_t n_train;
} scorer_trainer;

static madpo_status scorer_check(const madpo_reviews *reviews, const madpo_scorer_options *o,
                                 madpo_error *err)
{
    size_t n_positive = 0;

    if (o->bits < SCORER_MIN_BITS || o->bits > SCORER_MAX_BITS)
        return madpo_error_set(err, MADPO_ERR_CONFIG, "scorer.bits is %d; it must be %d to %d",
                               o->bits, SCORER_MIN_BITS, SCORER_MAX_BITS);
    if (o->epochs < 1)
        return madpo_error_set(err, MADPO_ERR_CONFIG, "scorer.epochs is %d; it must be at least 1",
                               o->epochs);
    if (!(o->held_out >= 0 && o->held_out < 1))
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "scorer.held_out is %g; it must be at least 0 and less "
                               "than 1",
                               o->held_out);
    for (size_t i = 0; i < reviews->n; i++)
        n_positive += reviews->v[i].positive;
    if (!n_positive || n_positive == reviews->n)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s of the %zu reviews are positive; the scorer needs both kinds",
                               n_positive ? "all" : "none", reviews->n);
    return MADPO_OK;
}

/* All features once: reading texts costs more than the regression. */
static madpo_status scorer_features(scorer_trainer *t, madpo_error *err)
{
    size_t n = t->reviews->n, bytes = 0, at = 0;

    for (size_t i = 0; i < n; i++)
        bytes += t->reviews->v[i].n;
    /* a word and its pair take at least one byte */
    t->feature = malloc((2 * bytes + 1) * sizeof *t->feature);
    t->end = malloc((n + 1) * sizeof *t->end);
    t->order = malloc((n + 1) * sizeof *t->order);
    t->square = calloc((size_t)1 << t->o->bits, sizeof *t->square);
    if (!t->feature || !t->end || !t->order || !t->square)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory to train a scorer on %zu reviews",
                               n);
    for (size_t i = 0; i < n; i++) {
        scorer_reader r = {t->reviews->v[i].text, t->reviews->v[i].n, 0, 0, 0, t->o->bits};

        while (scorer_next(&r, &t->feature[at]))
            at++;
        t->end[i] = at;
    }
    return MADPO_OK;
}

/* Keep the last of a shuffle for the held-out accuracy. */
static void scorer_split(scorer_trainer *t)
{
    size_t n = t->reviews->n, n_held_out = (size_t)(t->o->held_out * (double)n);
    madpo_rng rng;

    for (size_t i = 0; i < n; i++)
        t->order[i] = (int64_t)i;
    madpo_rng_init(&rng, t->o->seed, SCORER_STREAM);
    madpo_rng_shuffle(&rng, t->order, n);
    if (!n_held_out && t->o->held_out > 0 && n > 2)
        n_held_out = 1;
    t->n_train = n - n_held_out;
}

static void scorer_step(scorer_trainer *t, size_t i)
{
    size_t start = i ? t->end[i - 1] : 0, n = t->end[i] - start;
    const uint32_t *f = t->feature + start;
    double scale = n ? 1 / sqrt((double)n) : 0, sum = 0, slope;

    for (size_t k = 0; k < n; k++)
        sum += t->s->weight[f[k]];
    slope = scorer_sigmoid(t->s->bias + sum * scale) - t->reviews->v[i].positive;
    for (size_t k = 0; k < n; k++) {
        float *w = &t->s->weight[f[k]];
        double g = slope * scale + t->o->l2 * *w;

        t->square[f[k]] += (float)(g * g);
        *w -= (float)(t->o->lr * g / (sqrt(t->square[f[k]]) + 1e-6));
    }
    t->bias_square += (float)(slope * slope);
    t->s->bias -= (float)(t->o->lr * slope / (sqrt(t->bias_square) + 1e-6));
}

static void scorer_report(const scorer_trainer *t, madpo_scorer_report *report)
{
    size_t n = t->reviews->n, right = 0;
    double loss = 0;

    for (size_t k = t->n_train; k < n; k++) {
        const madpo_review *r = &t->reviews->v[t->order[k]];
        double p = madpo_scorer_probability(t->s, r->text, r->n);

        right += (p > 0.5) == r->positive;
        loss -= log(fmax(r->positive ? p : 1 - p, 1e-300));
    }
    report->n_train = t->n_train;
    report->n_held_out = n - t->n_train;
    report->accuracy = report->n_held_out ? (double)right / (double)report->n_held_out : NAN;
    report->log_loss = report->n_held_out ? loss / (double)report->n_held_out : NAN;
}

madpo_status madpo_scorer_train(madpo_scorer **out, const madpo_reviews *reviews,
                                const madpo_scorer_options *options, madpo_scorer_report *report,
                                madpo_error *err)
{
    scorer_trainer t = {.reviews = reviews, .o = options};
    madpo_status st = scorer_check(reviews, options, err);
    madpo_rng rng;

    *out = NULL;
    if (report)
        *report = (madpo_scorer_report){0, 0, NAN, NAN};
    if (st == MADPO_OK)
        st = scorer_new(&t.s, options->bits, err);
    if (st == MADPO_OK)
        st = scorer_features(&t, err);
    if (st == MADPO_OK) {
        scorer_split(&t);
        for (int epoch = 0; epoch < options->epochs; epoch++) {
            madpo_rng_init(&rng, options->seed, SCORER_STREAM + 1 + (uint64_t)epoch);
            madpo_rng_shuffle(&rng, t.order, t.n_train);
            for (size_t k = 0; k < t.n_train; k++)
                scorer_step(&t, (size_t)t.order[k]);
        }
        if (report)
            scorer_report(&t, report);
        *out = t.s;
        t.s = NULL; /* moved to the caller */
    }
    madpo_scorer_free(t.s);
    free(t.square);
    free(t.feature);
    free(t.end);
    free(t.order);
    return st;
}

/* ---- files ---- */

static void scorer_put_u32(unsigned char *to, uint32_t x)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(x >> 8 * i);
}

static uint32_t scorer_get_u32(const unsigned char *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

static void scorer_put_f32(unsigned char *to, float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    scorer_put_u32(to, bits);
}

static float scorer_get_f32(const unsigned char *from)
{
    uint32_t bits = scorer_get_u32(from);
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

static size_t scorer_file_bytes(int bits)
{
    return SCORER_HEADER + ((size_t)4 << bits) + SCORER_CHECKSUM;
}

madpo_status madpo_scorer_save(const madpo_scorer *scorer, const char *path, madpo_error *err)
{
    size_t n = scorer_file_bytes(scorer->bits), body = n - SCORER_CHECKSUM;
    unsigned char *file = calloc(1, n);
    uint64_t sum;
    madpo_status st;

    if (!file)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory to write %s", path);
    memcpy(file, scorer_magic, sizeof scorer_magic);
    scorer_put_u32(file + 8, (uint32_t)scorer->bits);
    scorer_put_f32(file + 16, scorer->bias);
    for (size_t i = 0; i < (size_t)1 << scorer->bits; i++)
        scorer_put_f32(file + SCORER_HEADER + 4 * i, scorer->weight[i]);
    sum = XXH3_64bits(file, body);
    scorer_put_u32(file + body, (uint32_t)sum);
    scorer_put_u32(file + body + 4, (uint32_t)(sum >> 32));
    st = madpo_file_write(path, file, n, err);
    free(file);
    return st;
}

static madpo_status scorer_parse(madpo_scorer **out, const unsigned char *file, size_t n,
                                 const char *path, madpo_error *err)
{
    uint32_t bits = n >= SCORER_HEADER ? scorer_get_u32(file + 8) : 0;
    size_t body = n - SCORER_CHECKSUM;
    madpo_status st;

    if (n < SCORER_HEADER || memcmp(file, scorer_magic, sizeof scorer_magic) != 0)
        return madpo_error_set_at(err, MADPO_ERR_DATA, path, 0, 0,
                                  "is no scorer file; train the scorer again");
    if (bits < SCORER_MIN_BITS || bits > SCORER_MAX_BITS || n != scorer_file_bytes((int)bits) ||
        XXH3_64bits(file, body) !=
            ((uint64_t)scorer_get_u32(file + body + 4) << 32 | scorer_get_u32(file + body)))
        return madpo_error_set_at(err, MADPO_ERR_DATA, path, 0, 0,
                                  "the scorer file is damaged; train the scorer again");
    st = scorer_new(out, (int)bits, err);
    if (st != MADPO_OK)
        return st;
    (*out)->bias = scorer_get_f32(file + 16);
    for (size_t i = 0; i < (size_t)1 << bits; i++)
        (*out)->weight[i] = scorer_get_f32(file + SCORER_HEADER + 4 * i);
    return MADPO_OK;
}

madpo_status madpo_scorer_load(madpo_scorer **out, const char *path, madpo_error *err)
{
    char *file = NULL;
    size_t n;
    madpo_scorer *s = NULL;
    madpo_status st;

    *out = NULL;
    st = madpo_file_read(&file, &n, path, err);
    if (st == MADPO_OK)
        st = scorer_parse(&s, (const unsigned char *)file, n, path, err);
    free(file);
    if (st == MADPO_OK) {
        *out = s;
        s = NULL; /* moved to the caller */
    }
    madpo_scorer_free(s);
    return st;
}
