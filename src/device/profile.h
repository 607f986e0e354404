#ifndef MADPO_DEVICE_PROFILE_H
#define MADPO_DEVICE_PROFILE_H
/* Where device time goes: totals per kernel entry, measured by events. On only where the device was
 * opened with options.profile; costs a few microseconds a launch. Of a product by CLBlast, which
 * may be several kernels, the last one counts. */
#include "device/device.h"

typedef struct madpo_profile_row {
    const char *stem;  /* borrowed from the device: "rmsnorm" */
    const char *entry; /* borrowed: "rmsnorm_fwd" */
    uint64_t n;        /* launches */
    double total_ms, max_ms;
} madpo_profile_row;

/* Wait for everything enqueued, add its times to the totals and release its events. *rows [*n] is
 * borrowed, sorted by total time, longest first, and valid until the next call. */
madpo_status madpo_profile_collect(madpo_device *dev, const madpo_profile_row **rows, size_t *n,
                                   madpo_error *err) MADPO_MUST_CHECK;
/* Forget the totals; pending launches are dropped too. */
void madpo_profile_reset(madpo_device *dev);

#endif
