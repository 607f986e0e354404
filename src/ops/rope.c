/* Rotary positions: launcher for cl/ops/rope.cl, and the table of angles. */
#include "ops/rope.h"

#include <math.h>

#include "base/error.h"
#include "ops/arg.h"

madpo_status madpo_rope(madpo_device *dev, madpo_tensor x, madpo_tensor pos, madpo_tensor table,
                        int64_t T, int64_t H, int64_t D, int64_t rotary_dims, bool inverse,
                        madpo_error *err)
{
    madpo_launch l;

    if (rotary_dims < 0 || rotary_dims > D || rotary_dims % 2 != 0)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "rope: %lld rotary dims must be even and at most the head's %lld",
                               (long long)rotary_dims, (long long)D);
    madpo_launch_begin(&l, dev, "rope", "rope", NULL);
    MADPO_ARG_F32(&l, x, T, H * D);
    MADPO_ARG_I32(&l, pos, T, 1);
    MADPO_ARG_F32(&l, table, T > 0, rotary_dims);
    madpo_arg_i64(&l, H);
    madpo_arg_i64(&l, D);
    madpo_arg_i64(&l, rotary_dims / 2);
    madpo_arg_i32(&l, inverse);
    return madpo_launch_rows(&l, T, err);
}

void madpo_rope_table(float *table, const double *inv_freq, int64_t P, int64_t rotary_dims)
{
    const int64_t half = rotary_dims / 2;

    for (int64_t p = 0; p < P; p++) {
        for (int64_t i = 0; i < half; i++) {
            const double angle = (double)p * inv_freq[i];
            table[2 * (p * half + i)] = (float)cos(angle);
            table[2 * (p * half + i) + 1] = (float)sin(angle);
        }
    }
}
