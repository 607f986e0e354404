#ifndef MADPO_BASE_CHECKED_H
#define MADPO_BASE_CHECKED_H
/* Size arithmetic that says so instead of wrapping. Each returns false and leaves *out at 0 when
 * the result does not fit; callers turn that into MADPO_ERR_NOMEM or MADPO_ERR_DATA. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool madpo_checked_mul(size_t *out, size_t a, size_t b);
bool madpo_checked_add(size_t *out, size_t a, size_t b);
/* Element counts: a negative factor does not fit either. */
bool madpo_checked_mul_i64(int64_t *out, int64_t a, int64_t b);
#endif
