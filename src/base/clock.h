#ifndef MADPO_BASE_CLOCK_H
#define MADPO_BASE_CLOCK_H
/* Time, for events, rates and progress. Nothing that decides a result may read it. */

/* Seconds since some fixed moment, never going back. */
double madpo_clock_monotonic(void);
/* Seconds since 1970-01-01 UTC, as the machine's clock says. */
double madpo_clock_wall(void);
#endif
