/* The op-test harness; see op_test.h. */
#include "tests/support/op_test.h"

#include "base/half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Elements before and after an array. The odd front puts arrays at addresses that are aligned to
 * one element only, which is all that kernels may assume. */
enum { GUARD_FRONT = 37, GUARD_BACK = 64 };
static const uint32_t SENTINEL = 0xC5A5D00Du;

void op_fail(op_test *T, const char *fmt, ...)
{
    char message[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    fail_msg("[%s] %s", T->label, message);
}

static void *op_alloc(op_test *T, int64_t n, size_t size)
{
    void *p = calloc(n > 0 ? (size_t)n : 1, size);

    if (!p)
        op_fail(T, "out of host memory");
    return p;
}

static void op_free_arrays(op_test *T)
{
    while (T->arrays) {
        op_array *a = T->arrays;
        T->arrays = a->next;
        madpo_buffer_free(a->buffer);
        free(a->f);
        free(a->i);
        free(a->h);
        free(a->d);
        free(a->got);
        free(a);
    }
}

int op_setup(void **state)
{
    const char *select = getenv("MADPO_TEST_DEVICE");
    const char *wg = getenv("MADPO_TEST_WG");
    const char *tiny = getenv("MADPO_TEST_TINY");
    madpo_device_options options;
    op_test *T = calloc(1, sizeof *T);

    if (!T)
        return -1;
    madpo_device_options_defaults(&options);
    options.select = select && *select ? select : "auto";
    options.work_group = wg && *wg ? atoi(wg) : 0;
    if (madpo_device_open(&T->dev, &options, &T->err) != MADPO_OK) {
        fprintf(stderr, "cannot open device '%s': %s\n", options.select, T->err.message);
        free(T);
        return -1;
    }
    T->tiny = tiny && *tiny && strcmp(tiny, "0") != 0;
    snprintf(T->label, sizeof T->label, "(no case)");
    printf("device %s, WG %d%s\n", madpo_device_get_info(T->dev)->name,
           madpo_device_get_work_group(T->dev), T->tiny ? ", tiny shapes only" : "");
    *state = T;
    return 0;
}

int op_teardown(void **state)
{
    op_test *T = *state;
    const int n_cases = T->n_cases, n_too_long = T->n_too_long;

    op_free_arrays(T);
    madpo_device_close(T->dev);
    free(T);
    printf("%d cases", n_cases);
    if (n_too_long)
        printf(", SKIPPED %d whose loops this device would end early", n_too_long);
    printf("\n");
    return n_cases > 0 ? 0 : -1;
}

void op_case(op_test *T, const char *fmt, ...)
{
    va_list args;

    op_free_arrays(T);
    va_start(args, fmt);
    vsnprintf(T->label, sizeof T->label, fmt, args);
    va_end(args);
    madpo_error_clear(&T->err);
    /* every case has its own numbers, whatever ran before it */
    uint64_t stream = 1469598103934665603u;
    for (const char *c = T->label; *c; c++)
        stream = (stream ^ (unsigned char)*c) * 1099511628211u;
    madpo_rng_init(&T->rng, 20240601, stream);
    T->n_cases++;
}

bool op_too_large(const op_test *T, int64_t work)
{
    return T->tiny && work > 1024;
}

bool op_too_long(op_test *T, int64_t steps)
{
    const bool too_long = strstr(madpo_device_get_info(T->dev)->name, "llvmpipe") && steps > 30000;

    T->n_too_long += too_long;
    return too_long;
}

/* ---- arrays ---- */

static op_array *op_array_new(op_test *T, int64_t n, madpo_dtype dtype)
{
    op_array *a = op_alloc(T, 1, sizeof *a);
    madpo_tensor all;

    a->next = T->arrays;
    T->arrays = a;
    a->n = n;
    a->got = op_alloc(T, n, sizeof *a->got);
    if (dtype == MADPO_DTYPE_I32) {
        a->i = op_alloc(T, n, sizeof *a->i);
    } else {
        a->f = op_alloc(T, n, sizeof *a->f);
        a->d = op_alloc(T, n, sizeof *a->d);
    }
    if (madpo_dtype_bytes(dtype) == 2)
        a->h = op_alloc(T, n, sizeof *a->h);
    OP_OK(T, madpo_tensor_new(&all, T->dev, n + GUARD_FRONT + GUARD_BACK, dtype, "test array",
                              &T->err));
    a->buffer = all.buffer;
    a->t = madpo_tensor_slice(all, GUARD_FRONT, n);
    return a;
}

op_array *op_values(op_test *T, int64_t n, const float *values)
{
    op_array *a = op_array_new(T, n, MADPO_DTYPE_F32);

    for (int64_t i = 0; i < n; i++)
        a->d[i] = a->f[i] = values[i];
    return a;
}

op_array *op_random(op_test *T, int64_t n, double lo, double hi)
{
    op_array *a = op_array_new(T, n, MADPO_DTYPE_F32);

    for (int64_t i = 0; i < n; i++)
        a->d[i] = a->f[i] = (float)(lo + (hi - lo) * madpo_rng_uniform(&T->rng));
    return a;
}

op_array *op_random_as(op_test *T, int64_t n, double lo, double hi, madpo_dtype dtype)
{
    op_array *a = op_array_new(T, n, dtype);

    for (int64_t i = 0; i < n; i++)
        a->f[i] = (float)(lo + (hi - lo) * madpo_rng_uniform(&T->rng));
    if (dtype == MADPO_DTYPE_BF16) {
        madpo_bf16_from_f32(a->h, a->f, (size_t)n);
        madpo_f32_from_bf16(a->f, a->h, (size_t)n);
    } else if (dtype == MADPO_DTYPE_F16) {
        madpo_f16_from_f32(a->h, a->f, (size_t)n);
        madpo_f32_from_f16(a->f, a->h, (size_t)n);
    }
    for (int64_t i = 0; i < n; i++)
        a->d[i] = a->f[i];
    return a;
}

op_array *op_ints(op_test *T, int64_t n, const int32_t *values)
{
    op_array *a = op_array_new(T, n, MADPO_DTYPE_I32);

    for (int64_t i = 0; i < n; i++)
        a->i[i] = values[i];
    return a;
}

op_array *op_output(op_test *T, int64_t n, bool accumulate)
{
    op_array *a = op_random(T, n, -1, 1);

    for (int64_t i = 0; i < n && !accumulate; i++)
        a->d[i] = a->f[i] = NAN;
    return op_in_place(a);
}

op_array *op_output_ints(op_test *T, int64_t n)
{
    op_array *a = op_array_new(T, n, MADPO_DTYPE_I32);

    for (int64_t i = 0; i < n; i++)
        a->i[i] = -777777777;
    return op_in_place(a);
}

op_array *op_in_place(op_array *a)
{
    a->written = true;
    return a;
}

/* ---- running ---- */

static madpo_tensor op_whole(const op_array *a)
{
    madpo_tensor t = a->t;

    t.offset -= GUARD_FRONT;
    t.n = a->n + GUARD_FRONT + GUARD_BACK;
    return t;
}

/* The bits of element i as it is stored. */
static uint32_t op_initial(const op_array *a, int64_t i)
{
    uint32_t word;

    if (a->h)
        return a->h[i];
    memcpy(&word, a->i ? (const void *)&a->i[i] : (const void *)&a->f[i], sizeof word);
    return word;
}

/* Elements as the device holds them from one word each, and back. */
static void op_narrow(uint16_t *halves, const uint32_t *words, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        halves[i] = (uint16_t)words[i];
}

static void op_widen(uint32_t *words, const uint16_t *halves, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        words[i] = halves[i];
}

static uint32_t op_sentinel(const op_array *a)
{
    return a->h ? SENTINEL & 0xffff : SENTINEL;
}

static void op_upload(op_test *T, const op_array *a)
{
    const int64_t total = a->n + GUARD_FRONT + GUARD_BACK;
    uint32_t *words = op_alloc(T, total, sizeof *words);
    uint16_t *halves = op_alloc(T, total, sizeof *halves);

    for (int64_t i = 0; i < total; i++)
        words[i] = op_sentinel(a);
    for (int64_t i = 0; i < a->n; i++)
        words[GUARD_FRONT + i] = op_initial(a, i);
    op_narrow(halves, words, total);
    OP_OK(T, madpo_tensor_write(T->dev, op_whole(a),
                                a->h ? (const void *)halves : (const void *)words, total, &T->err));
    free(halves);
    free(words);
}

static void op_check_words(op_test *T, const op_array *a, const uint32_t *words)
{
    const int64_t total = a->n + GUARD_FRONT + GUARD_BACK;

    for (int64_t i = 0; i < total; i++) {
        const bool inside = i >= GUARD_FRONT && i < GUARD_FRONT + a->n;
        if (!inside && words[i] != op_sentinel(a))
            op_fail(T, "wrote outside an array of %lld: element %lld is %08x", (long long)a->n,
                    (long long)(i - GUARD_FRONT), (unsigned)words[i]);
        if (inside && !a->written && words[i] != op_initial(a, i - GUARD_FRONT))
            op_fail(T, "an input of %lld elements was changed", (long long)a->n);
    }
}

/* Read `a` back and check it; the first time keep its words, the second time compare with them. */
static void op_download(op_test *T, op_array *a, bool again)
{
    const int64_t total = a->n + GUARD_FRONT + GUARD_BACK;
    uint32_t *words = op_alloc(T, total, sizeof *words);
    uint16_t *halves = op_alloc(T, total, sizeof *halves);

    OP_OK(T, madpo_tensor_read(T->dev, op_whole(a), a->h ? (void *)halves : (void *)words, total,
                               &T->err));
    if (a->h)
        op_widen(words, halves, total);
    op_check_words(T, a, words);
    for (int64_t i = 0; i < a->n; i++) {
        if (again && a->got[i] != words[GUARD_FRONT + i])
            op_fail(T, "two runs differ at element %lld: %08x, %08x", (long long)i,
                    (unsigned)a->got[i], (unsigned)words[GUARD_FRONT + i]);
        a->got[i] = words[GUARD_FRONT + i];
    }
    free(halves);
    free(words);
}

void op_run(op_test *T, void (*run)(op_test *T, void *ctx), void *ctx)
{
    for (int pass = 0; pass < 2; pass++) {
        for (op_array *a = T->arrays; a; a = a->next)
            op_upload(T, a);
        run(T, ctx);
        OP_OK(T, madpo_device_finish(T->dev, &T->err));
        for (op_array *a = T->arrays; a; a = a->next)
            op_download(T, a, pass > 0);
    }
}

float op_got(const op_array *a, int64_t i)
{
    float x;

    memcpy(&x, &a->got[i], sizeof x);
    return x;
}

int32_t op_got_int(const op_array *a, int64_t i)
{
    int32_t x;

    memcpy(&x, &a->got[i], sizeof x);
    return x;
}

static bool op_close(double got, double want, double atol, double rtol)
{
    return got == want || fabs(got - want) <= atol + rtol * fabs(want);
}

void op_check(op_test *T, const op_array *a, const char *what, double atol, double rtol)
{
    for (int64_t i = 0; i < a->n; i++) {
        if (!op_close(op_got(a, i), a->d[i], atol, rtol))
            op_fail(T, "%s[%lld]: got %.9g, want %.17g", what, (long long)i, op_got(a, i), a->d[i]);
    }
}

void op_check_value(op_test *T, const char *what, double got, double want, double atol, double rtol)
{
    if (!op_close(got, want, atol, rtol))
        op_fail(T, "%s: got %.17g, want %.17g", what, got, want);
}

/* ---- gradients of twins ---- */

void op_check_gradient(op_test *T, const char *what, double *x, const double *dx, int64_t n,
                       double (*loss)(void *ctx), void *ctx, double rtol)
{
    const double h = 1e-3;
    double scale = 1;

    for (int64_t i = 0; i < n; i++)
        scale = fmax(scale, fabs(dx[i]));
    for (int64_t k = 0; k < (n <= 48 ? n : 48); k++) {
        const int64_t i = n <= 48 ? k : (int64_t)madpo_rng_below(&T->rng, (uint64_t)n);
        const double x0 = x[i];
        double f[4];
        for (int s = 0; s < 4; s++) {
            static const double steps[4] = {-2, -1, 1, 2};
            x[i] = x0 + steps[s] * h;
            f[s] = loss(ctx);
        }
        x[i] = x0;
        /* f' = (f(-2h) - 8 f(-h) + 8 f(h) - f(2h)) / 12h, error h^4 f^(5)/30 */
        const double numeric = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h);
        if (!op_close(dx[i], numeric, rtol * scale, 0))
            op_fail(T, "gradient %s[%lld]: twin %.12g, differences %.12g", what, (long long)i,
                    dx[i], numeric);
    }
}

double *op_doubles(op_test *T, int64_t n, double lo, double hi)
{
    double *x = op_alloc(T, n, sizeof *x);

    for (int64_t i = 0; i < n; i++)
        x[i] = lo + (hi - lo) * madpo_rng_uniform(&T->rng);
    return x;
}

double op_dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}
