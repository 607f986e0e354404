/* Sampling against its twin, against exact probabilities and in cases worked out by hand. */
#include "ops/sample.h"
#include "ref/sample.h"
#include "tests/support/op_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct sample_ctx {
    op_array *ids, *logits, *stream, *counter;
    int64_t B, V;
    madpo_sample_options o;
} sample_ctx;

static madpo_ref_sample_options in_double(const madpo_sample_options *o)
{
    return (madpo_ref_sample_options){.temperature = o->temperature,
                                      .top_k = o->top_k,
                                      .top_p = o->top_p,
                                      .seed = o->seed,
                                      .banned = o->banned};
}

static void run(op_test *T, void *ctx)
{
    const sample_ctx *c = ctx;

    OP_OK(T, madpo_sample(T->dev, c->ids->t, c->logits->t, c->stream->t, c->counter->t, c->B, c->V,
                          &c->o, &T->err));
}

/* Streams first, first+1, ... and one counter for all rows. */
static void sample_streams(op_test *T, sample_ctx *c, int32_t first, int32_t counter)
{
    int32_t *words = calloc((size_t)c->B * 2 + 1, sizeof *words);

    assert_non_null(words);
    for (int64_t b = 0; b < c->B; b++) {
        words[b] = (int32_t)((uint32_t)first + (uint32_t)b);
        words[c->B + b] = counter;
    }
    c->stream = op_ints(T, c->B, words);
    c->counter = op_ints(T, c->B, words + c->B);
    c->ids = op_output_ints(T, c->B);
    free(words);
}

/* ---- random logits: the token drawn is the one u points at ---- */

typedef struct sample_case {
    int64_t B, V;
    double spread; /* logits in (-spread, spread) */
    madpo_sample_options o;
} sample_case;

static const sample_case sample_cases[] = {
    {0, 5, 1, {1, 0, 1, 1, -1}},
    {1, 1, 1, {1, 0, 1, 1, -1}},
    {1, 2, 1, {1, 0, 1, 2, -1}},
    {7, 17, 3, {1, 0, 1, 3, -1}},
    {7, 17, 3, {0, 0, 1, 3, -1}},
    {9, 31, 8, {0.7f, 5, 1, 4, 3}},
    {9, 16, 8, {1, 0, 0.9f, 5, -1}},
    {5, 33, 4, {1.5f, 7, 0.5f, 6, 32}},
    {64, 1000, 10, {0.7f, 50, 0.95f, 7, 11}},
    {16, 4099, 20, {1, 0, 0.9f, 8, -1}},
    {3, 4099, 0.001, {1, 4000, 0.999f, 9, -1}},
    {8, 50257, 6, {0.9f, 40, 1, 10, 0}},
    {4, 100003, 6, {1, 0, 0.95f, 11, 2}},
    {2, 262144, 9, {1, 64, 0.95f, 13, -1}},
    {4, 100003, 1, {1, 0, 1, 12, 2}},
};
#define N_CASES (sizeof sample_cases / sizeof sample_cases[0])

/* Whether u points at `id` in the distribution of one row, up to fp32's rounding of the running
 * mass and of the mass that top-p compares. */
static bool sample_points_at(op_test *T, const double *z, int64_t V, int32_t id, double u,
                             const madpo_ref_sample_options *o)
{
    static const double slack[3] = {0, -2e-6, 2e-6};
    const double tolerance = 4e-6;
    double *p = op_doubles(T, V, 0, 0);
    bool ok = false;

    for (int k = 0; k < 3 && !ok && id >= 0 && id < V; k++) {
        madpo_ref_sample_options near = *o;
        double below = 0;
        if (o->top_p < 1)
            near.top_p = o->top_p * (1 + slack[k]);
        assert_int_equal(madpo_ref_sample_probs(p, z, V, &near), 1);
        for (int32_t j = 0; j < id; j++)
            below += p[j];
        ok = p[id] > 0 && u >= below - tolerance && u <= below + p[id] + tolerance;
    }
    free(p);
    return ok;
}

static void check_rows(op_test *T, const sample_ctx *c)
{
    const madpo_ref_sample_options o = in_double(&c->o);
    int32_t *want = calloc((size_t)c->B + 1, sizeof *want);
    int64_t n_equal = 0;

    assert_non_null(want);
    assert_true(madpo_ref_sample(want, c->logits->d, c->stream->i, c->counter->i, c->B, c->V, &o));
    for (int64_t b = 0; b < c->B; b++) {
        const int32_t got = op_got_int(c->ids, b);
        const double u = madpo_ref_sample_uniform(o.seed, c->stream->i[b], c->counter->i[b]);
        n_equal += got == want[b];
        if (got != want[b] &&
            (o.temperature == 0 || !sample_points_at(T, c->logits->d + b * c->V, c->V, got, u, &o)))
            op_fail(T, "row %lld: got %d, want %d, u = %.9g", (long long)b, (int)got, (int)want[b],
                    u);
    }
    /* the tolerance is for the rare u at a boundary, not for the rule */
    if (n_equal < c->B - 1 - c->B / 8)
        op_fail(T, "only %lld of %lld rows equal the twin's", (long long)n_equal, (long long)c->B);
    free(want);
}

static void test_random_rows(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_CASES; i++) {
        const sample_case *s = &sample_cases[i];
        sample_ctx c = {.B = s->B, .V = s->V, .o = s->o};
        const int wg = madpo_device_get_work_group(T->dev);
        /* up to 32 passes over the row, 16 logits or one a step */
        if (op_too_large(T, s->B * s->V) || op_too_long(T, 32 * s->V / (wg == 1 ? 16 : wg)))
            continue;
        op_case(T, "sample case %d: B=%lld V=%lld", (int)i, (long long)s->B, (long long)s->V);
        c.logits = op_random(T, s->B * s->V, -s->spread, s->spread);
        sample_streams(T, &c, -3, (int32_t)i * 1000); /* -3: streams are unsigned words */
        op_run(T, run, &c);
        check_rows(T, &c);
    }
}

/* ---- frequencies ---- */

typedef struct frequency_case {
    madpo_sample_options o;
    const char *what;
} frequency_case;

static const frequency_case frequency_cases[] = {
    {{1, 0, 1, 21, -1}, "plain"},        {{2, 0, 1, 22, -1}, "temperature 2"},
    {{0.5f, 0, 1, 23, -1}, "cold"},      {{1, 4, 1, 24, -1}, "top-k 4, ties"},
    {{1, 0, 0.8f, 25, -1}, "top-p 0.8"}, {{1, 6, 0.7f, 26, 1}, "all, banned"},
};

/* Draw each row's token many times; chi-square of the counts against the twin's probabilities. The
 * seeds are fixed, so the outcome is too. */
static void check_frequencies(op_test *T, const frequency_case *f)
{
    static const float z[10] = {0.5f, 1.5f, -1, 0.25f, 1, 1, -3, -INFINITY, 0, 0.75f};
    const int64_t V = 10, B = 5000;
    const madpo_ref_sample_options o = in_double(&f->o);
    sample_ctx c = {.B = B, .V = V, .o = f->o};
    double p[10], chi2 = 0;
    int64_t n[10] = {0};
    int free_cells = -1;

    op_case(T, "sample frequencies, %s", f->what);
    float *rows = calloc((size_t)(B * V), sizeof *rows);
    assert_non_null(rows);
    for (int64_t i = 0; i < B * V; i++)
        rows[i] = z[i % V];
    c.logits = op_values(T, B * V, rows);
    free(rows);
    sample_streams(T, &c, 1000, 77);
    op_run(T, run, &c);
    assert_int_equal(madpo_ref_sample_probs(p, c.logits->d, V, &o), 1);
    for (int64_t b = 0; b < B; b++) {
        const int32_t id = op_got_int(c.ids, b);
        if (id < 0 || id >= V || !(p[id] > 0))
            op_fail(T, "drew %d, which has no probability", (int)id);
        n[id]++;
    }
    for (int j = 0; j < V; j++) {
        const double want = p[j] * (double)B;
        if (want > 0) {
            chi2 += ((double)n[j] - want) * ((double)n[j] - want) / want;
            free_cells++;
        }
    }
    /* mean k, variance 2k: beyond 5 standard deviations something is wrong */
    if (!(chi2 <= free_cells + 5 * sqrt(2.0 * free_cells)))
        op_fail(T, "chi-square %g with %d degrees of freedom", chi2, free_cells);
}

static void test_frequencies(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < sizeof frequency_cases / sizeof frequency_cases[0]; i++) {
        if (!op_too_large(T, 5000 * 10))
            check_frequencies(T, &frequency_cases[i]);
    }
}

/* ---- exact cases ---- */

#define INF INFINITY
typedef struct exact_case {
    const char *what;
    madpo_sample_options o;
    float z[6];
    uint32_t allowed; /* bit j: id j may be drawn; 0: the id is -1 */
} exact_case;

static const exact_case exact_cases[] = {
    {"temperature 0", {0, 0, 1, 1, -1}, {0, 3, 1, 2.9f, -7, 2}, 1u << 1},
    {"temperature 0, lowest of ties", {0, 3, 0.5f, 1, -1}, {0, 3, 1, 3, 3, 2}, 1u << 1},
    {"temperature 0, best banned", {0, 0, 1, 1, 1}, {0, 3, 1, 2.9f, -7, 2}, 1u << 3},
    {"temperature below the normals", {1e-42f, 0, 1, 1, -1}, {0, 1, 1, 0, 0, 0}, 1u << 1},
    {"tiny temperature, ties stay", {1e-30f, 0, 1, 1, -1}, {0, 1, 1, 0, 0, 0}, 6},
    {"top_k 1", {1, 1, 1, 1, -1}, {0, -3, 1, 2, -7, 1.99f}, 1u << 3},
    {"top_k 1, ties stay", {5, 1, 1, 1, -1}, {2, -3, 1, 2, -7, 2}, 41},
    {"top_k 2, ties stay", {5, 2, 1, 1, -1}, {1, 1, 1, 2, -7, 0}, 15},
    {"top_k beyond V", {100, 60, 1, 1, -1}, {1, 1, 1, 1, 1, 1}, 63},
    {"tiny top_p", {1, 0, 1e-6f, 1, -1}, {0, -3, 1, 2, -7, 1.9f}, 1u << 3},
    {"top_p keeps what reaches it", {1, 0, 0.7f, 1, -1}, {0, 0, -90, 0, 0, -90}, 27},
    {"top_p after top_k", {1, 2, 0.55f, 1, -1}, {0, 0.5f, 0.4f, 0, 0, 0}, 6},
    {"both zeros are one tie", {1, 1, 1, 1, -1}, {-0.0f, -1, 0, -1, -0.0f, -1}, 21},
    {"far below", {1, 0, 1, 1, -1}, {-1e30f, -3e38f, 5, -1e10f, -INF, -200}, 1u << 2},
    {"all far below", {1, 0, 0.9f, 1, -1}, {-1e30f, -1e30f, -3e38f, -INF, -INF, -INF}, 3},
    {"minus infinity is never drawn", {1, 5, 1, 1, -1}, {-INF, 0, -INF, 0, -INF, 0}, 42},
    {"banned tie", {1, 0, 1, 1, 0}, {3, 3, 3, -INF, -INF, -INF}, 6},
    {"banned outside", {1, 0, 1, 1, 6}, {3, -INF, 3, -INF, -INF, -INF}, 5},
    {"a NaN", {1, 0, 1, 1, -1}, {0, 3, NAN, 2.9f, -7, 2}, 0},
    {"a NaN, temperature 0", {0, 0, 1, 1, -1}, {0, 3, NAN, 2.9f, -7, 2}, 0},
    {"a banned NaN", {0, 0, 1, 1, 2}, {0, 3, NAN, 2.9f, -7, 2}, 1u << 1},
    {"infinity", {1, 0, 1, 1, -1}, {0, 3, INF, 2.9f, -7, 2}, 0},
    {"nothing", {1, 2, 0.5f, 1, -1}, {-INF, -INF, -INF, -INF, -INF, -INF}, 0},
    {"nothing but the banned one", {1, 0, 1, 1, 4}, {-INF, -INF, -INF, -INF, 1, -INF}, 0},
};

static void check_exact(op_test *T, const exact_case *e)
{
    const int64_t B = T->tiny ? 5 : 64, V = 6; /* 5: more than one, and odd */
    const madpo_ref_sample_options o = in_double(&e->o);
    sample_ctx c = {.B = B, .V = V, .o = e->o};
    float rows[64 * 6];
    uint32_t seen = 0;
    int32_t want[64];

    op_case(T, "sample %s", e->what);
    for (int64_t i = 0; i < B * V; i++)
        rows[i] = e->z[i % V];
    c.logits = op_values(T, B * V, rows);
    sample_streams(T, &c, 5, 6);
    op_run(T, run, &c);
    assert_true(madpo_ref_sample(want, c.logits->d, c.stream->i, c.counter->i, B, V, &o));
    for (int64_t b = 0; b < B; b++) {
        const int32_t id = op_got_int(c.ids, b);
        const bool fits = e->allowed ? id >= 0 && id < V && (e->allowed >> id & 1) : id == -1;
        /* the twin has denormal temperatures, the device none: there the set says it all */
        if (!fits || (id != want[b] && e->o.temperature != 1e-42f))
            op_fail(T, "row %lld: got %d, twin %d", (long long)b, (int)id, (int)want[b]);
        seen |= id >= 0 ? 1u << id : 0;
    }
    if (!T->tiny && seen != e->allowed) /* a few draws do not see all */
        op_fail(T, "64 draws saw the set %x of %x", (unsigned)seen, (unsigned)e->allowed);
}

static void test_exact(void **state)
{
    for (size_t i = 0; i < sizeof exact_cases / sizeof exact_cases[0]; i++)
        check_exact(*state, &exact_cases[i]);
}

/* The twin itself, by hand: probabilities 0.5, 0.3, 0.2. */
static void test_twin(void **state)
{
    op_test *T = *state;
    const double z[4] = {log(0.2), log(0.5), -INFINITY, log(0.3)};
    const struct {
        madpo_ref_sample_options o;
        double p[4];
    } known[] = {
        {{1, 0, 1, 0, -1}, {0.2, 0.5, 0, 0.3}},
        {{1, 2, 1, 0, -1}, {0, 0.625, 0, 0.375}},
        {{1, 0, 0.49, 0, -1}, {0, 1, 0, 0}},
        {{1, 0, 0.51, 0, -1}, {0, 0.625, 0, 0.375}},
        {{1, 2, 0.62, 0, -1}, {0, 1, 0, 0}},
        {{1, 0, 1, 0, 1}, {0.4, 0, 0, 0.6}},
        {{0.5, 0, 1, 0, -1}, {2.0 / 19, 12.5 / 19, 0, 4.5 / 19}},
    };
    double p[4];

    op_case(T, "sample twin");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_int_equal(madpo_ref_sample_probs(p, z, 4, &known[i].o), 1);
        for (int j = 0; j < 4; j++)
            op_check_value(T, "p", p[j], known[i].p[j], 1e-14, 0);
    }
}

/* ---- a draw depends on its row, stream and counter only ---- */

static void test_other_batch(void **state)
{
    op_test *T = *state;
    const int64_t V = 37, B = 9;
    int32_t alone[9];
    sample_ctx c = {.B = B, .V = V, .o = {0.8f, 20, 0.9f, 99, 4}};

    op_case(T, "sample in another batch");
    c.logits = op_random(T, B * V, -3, 3);
    sample_streams(T, &c, 100, 3);
    for (int64_t b = 0; b < B; b++)
        c.counter->i[b] = (int32_t)(7 * b);
    op_run(T, run, &c);
    for (int64_t b = 0; b < B; b++)
        alone[b] = op_got_int(c.ids, b);
    /* the same rows backwards, doubled */
    float rows[2 * 9 * 37];
    int32_t stream[18], counter[18];
    for (int64_t k = 0; k < 2 * B; k++) {
        const int64_t b = B - 1 - k % B;
        memcpy(rows + k * V, c.logits->f + b * V, (size_t)V * sizeof *rows);
        stream[k] = c.stream->i[b];
        counter[k] = c.counter->i[b];
    }
    op_case(T, "sample in another batch, again");
    c.B = 2 * B;
    c.logits = op_values(T, c.B * V, rows);
    c.stream = op_ints(T, c.B, stream);
    c.counter = op_ints(T, c.B, counter);
    c.ids = op_output_ints(T, c.B);
    op_run(T, run, &c);
    for (int64_t k = 0; k < c.B; k++)
        op_check_value(T, "id", op_got_int(c.ids, k), alone[B - 1 - k % B], 0, 0);
}

/* Options that make no sense are refused. */
static void test_bad_options(void **state)
{
    op_test *T = *state;
    const madpo_sample_options bad[] = {
        {-1, 0, 1, 0, -1}, {NAN, 0, 1, 0, -1},  {INFINITY, 0, 1, 0, -1}, {1, -1, 1, 0, -1},
        {1, 0, 0, 0, -1},  {1, 0, 1.5f, 0, -1}, {1, 0, NAN, 0, -1},
    };
    sample_ctx c = {.B = 2, .V = 3};

    op_case(T, "sample with bad options");
    c.logits = op_random(T, 6, -1, 1);
    sample_streams(T, &c, 0, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        madpo_error_clear(&T->err);
        assert_int_equal(madpo_sample(T->dev, c.ids->t, c.logits->t, c.stream->t, c.counter->t, 2,
                                      3, &bad[i], &T->err),
                         MADPO_ERR_USAGE);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_random_rows), cmocka_unit_test(test_frequencies),
    cmocka_unit_test(test_exact),       cmocka_unit_test(test_twin),
    cmocka_unit_test(test_other_batch), cmocka_unit_test(test_bad_options),
};
OP_TEST_MAIN(tests)
