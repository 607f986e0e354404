/* Rotary positions in double; see rope.h. */
#include "ref/rope.h"

void madpo_ref_rope(double *x, const int32_t *pos, const double *table, int64_t T, int64_t H,
                    int64_t D, int64_t rotary_dims, bool inverse)
{
    const int64_t half = rotary_dims / 2;

    for (int64_t th = 0; th < T * H; th++) {
        const double *angle = table + pos[th / H] * rotary_dims;
        for (int64_t i = 0; i < half; i++) {
            const double c = angle[2 * i], s = inverse ? -angle[2 * i + 1] : angle[2 * i + 1];
            const double x1 = x[th * D + i], x2 = x[th * D + i + half];
            x[th * D + i] = x1 * c - x2 * s;
            x[th * D + i + half] = x2 * c + x1 * s;
        }
    }
}
