/* Checked size arithmetic. */
#include "base/checked.h"

bool madpo_checked_mul(size_t *out, size_t a, size_t b)
{
    bool fits = b == 0 || a <= SIZE_MAX / b;

    *out = fits ? a * b : 0;
    return fits;
}

bool madpo_checked_add(size_t *out, size_t a, size_t b)
{
    bool fits = a <= SIZE_MAX - b;

    *out = fits ? a + b : 0;
    return fits;
}

bool madpo_checked_mul_i64(int64_t *out, int64_t a, int64_t b)
{
    bool fits = a >= 0 && b >= 0 && (b == 0 || a <= INT64_MAX / b);

    *out = fits ? a * b : 0;
    return fits;
}
