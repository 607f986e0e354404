#ifndef MADPO_BASE_CHECKED_H
#define MADPO_BASE_CHECKED_H
/* Size arithmetic that says so instead of wrapping. Each returns false and leaves *out at 0 when
 * the result does not fit; callers turn that into MADPO_ERR_NOMEM or MADPO_ERR_DATA. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool madpo_checked_mul(size_t *out, size_t a, size_t b)
{
    bool fits = b == 0 || a <= SIZE_MAX / b;

    *out = fits ? a * b : 0;
    return fits;
}

static inline bool madpo_checked_add(size_t *out, size_t a, size_t b)
{
    bool fits = a <= SIZE_MAX - b;

    *out = fits ? a + b : 0;
    return fits;
}

/* Element counts: both factors must be >= 0. */
static inline bool madpo_checked_mul_i64(int64_t *out, int64_t a, int64_t b)
{
    bool fits = a >= 0 && b >= 0 && (b == 0 || a <= INT64_MAX / b);

    *out = fits ? a * b : 0;
    return fits;
}
#endif
