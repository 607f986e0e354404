#ifndef MADPO_TESTS_OP_TEST_H
#define MADPO_TESTS_OP_TEST_H
/* Testing a device operation against its double-precision twin (src/ref). Used by tests/ops.
 *
 *     static void run(op_test *T, void *ctx) { struct add *c = ctx;
 *         OP_OK(T, madpo_add_fwd(T->dev, c->y->t, c->a->t, c->b->t, c->n, &T->err)); }
 *
 *     op_case(T, "add_fwd n=%d", n);              frees the arrays of the case before
 *     c.a = op_random(T, n, -1, 1);               input: f32 on the device, the same values in ->d
 *     c.y = op_output(T, n, accumulate);          NaN to be overwritten, or numbers to be added to
 *     op_run(T, run, &c);                         twice; checks sentinels, inputs, equal bits
 *     madpo_ref_add_fwd(c.y->d, c.a->d, c.b->d, n);
 *     op_check(T, c.y, "y", 1e-6, 1e-6);          device result against ->d
 *
 * Every array lies inside a larger device buffer, at an odd offset, with sentinel words around it.
 * Environment: MADPO_TEST_DEVICE (as --device; default auto), MADPO_TEST_WG (work-group width, 0 =
 * automatic), MADPO_TEST_TINY=1 (only shapes of little work, for slow checkers such as Oclgrind).
 * Failures are cmocka failures and name the case; a group in which no case ran fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/rng.h"
#include "device/buffer.h"
#include "device/device.h"

typedef struct op_array {
    madpo_tensor t; /* the device tensor, for launchers */
    int64_t n;
    float *f;      /* [n] initial values (f32 arrays); upload is from here */
    int32_t *i;    /* [n] initial values (i32 arrays), else NULL */
    uint16_t *h;   /* [n] initial values (bf16 and f16 arrays; ->f has them too), else NULL */
    double *d;     /* [n] initial values in double (f32 arrays): the twin works on these */
    uint32_t *got; /* [n] elements' bits read back by op_run */
    bool written;  /* an output; other arrays must come back unchanged */
    madpo_buffer *buffer; /* owned: sentinels, the array, sentinels */
    struct op_array *next;
} op_array;

typedef struct op_test {
    madpo_device *dev;
    madpo_rng rng;
    madpo_error err;
    bool tiny;
    int n_cases, n_too_long;
    char label[160];
    op_array *arrays; /* of the current case */
} op_test;

/* cmocka group fixtures; *state is an op_test. */
int op_setup(void **state);
int op_teardown(void **state);
#define OP_TEST_MAIN(tests)                                                                        \
    int main(void)                                                                                 \
    {                                                                                              \
        return cmocka_run_group_tests(tests, op_setup, op_teardown);                               \
    }

/* Begin a case. The label is printed with any failure. */
void op_case(op_test *T, const char *fmt, ...) MADPO_PRINTF(2, 3);
/* Whether a shape of `work` elements is to be left out under MADPO_TEST_TINY. */
bool op_too_large(const op_test *T, int64_t work);

/* Whether a shape that makes one work-item go through `steps` loop iterations is to be left out
 * because the device ends loops early: Mesa's llvmpipe silently leaves all loops of a work-item
 * after some 30000 iterations (gallivm's loop limiter, Mesa 22.3). Such shapes are counted and
 * printed. */
bool op_too_long(op_test *T, int64_t steps);

/* Arrays of the current case, owned by it. Uniform in [lo,hi), rounded to f32. */
op_array *op_random(op_test *T, int64_t n, double lo, double hi);
/* The same stored as `dtype` (f32, bf16 or f16) and rounded to it: ->f and ->d hold what it stands
 * for. An input. */
op_array *op_random_as(op_test *T, int64_t n, double lo, double hi, madpo_dtype dtype);
/* Copies of given values; `values` may be NULL for n = 0. */
op_array *op_values(op_test *T, int64_t n, const float *values);
op_array *op_ints(op_test *T, int64_t n, const int32_t *values);
/* An output: random numbers if the op accumulates into it, NaN if it must overwrite all of it. */
op_array *op_output(op_test *T, int64_t n, bool accumulate);
op_array *op_output_ints(op_test *T, int64_t n);
/* Declare an array that the op changes in place. Returns it. */
op_array *op_in_place(op_array *a);

/* Upload every array, call `run`, read every array back into ->got; do it again and compare bits.
 * Checks the sentinels of all arrays and that no input changed. */
void op_run(op_test *T, void (*run)(op_test *T, void *ctx), void *ctx);
/* ->got as numbers. */
float op_got(const op_array *a, int64_t i);
int32_t op_got_int(const op_array *a, int64_t i);
/* Device result against the twin's ->d: |got - want| <= atol + rtol |want|; equal values
 * (infinities included) pass; NaN on either side fails. */
void op_check(op_test *T, const op_array *a, const char *what, double atol, double rtol);
/* Single numbers by the same rule. */
void op_check_value(op_test *T, const char *what, double got, double want, double atol,
                    double rtol);

/* Gradient of a twin: dx [n] against central differences (five points) of `loss`, a function of x
 * [n], which is restored. Every element if n <= 48, else 48 of them. Fails if |dx_i - numeric| >
 * rtol * max(1, max |dx|). */
void op_check_gradient(op_test *T, const char *what, double *x, const double *dx, int64_t n,
                       double (*loss)(void *ctx), void *ctx, double rtol);

/* Uniform numbers on the host, for gradient checks: owned by the caller, free(). */
double *op_doubles(op_test *T, int64_t n, double lo, double hi);
/* sum_i a_i b_i: a linear loss whose upstream gradient is b. */
double op_dot(const double *a, const double *b, int64_t n);

/* Fail the current case with a message. */
void op_fail(op_test *T, const char *fmt, ...) MADPO_PRINTF(2, 3);
#define OP_OK(T, call)                                                                             \
    do {                                                                                           \
        if ((call) != MADPO_OK)                                                                    \
            op_fail(T, "%s: %s", #call, (T)->err.message);                                         \
    } while (0)

#endif
