/* Clocks. */
#include "base/clock.h"

#include <assert.h>
#include <time.h>

static double clock_read(clockid_t id)
{
    struct timespec now;
    int rc = clock_gettime(id, &now);

    assert(rc == 0); /* both clocks are required by POSIX */
    (void)rc;
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double madpo_clock_monotonic(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

double madpo_clock_wall(void)
{
    return clock_read(CLOCK_REALTIME);
}
