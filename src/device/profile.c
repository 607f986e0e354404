/* Event times, added up per kernel entry. */
#include "device/profile.h"
#include "device/internal.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Events held before their times are read: drivers slow down when many are alive. */
#define MAX_PENDING 512

/* Times of the pending launches, oldest first. All are done once the newest is: the queue is in
 * order. */
static madpo_status profile_drain(madpo_device *dev, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    if (dev->n_pending == 0)
        return MADPO_OK;
    st = madpo_device_finish(dev, err);
    for (size_t i = 0; i < dev->n_pending; i++) {
        madpo_kernel *kernel = dev->pending[i].kernel;
        cl_event event = dev->pending[i].event;
        cl_ulong start = 0, end = 0;

        if (st == MADPO_OK &&
            clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof start, &start,
                                    NULL) == CL_SUCCESS &&
            clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL) ==
                CL_SUCCESS &&
            end >= start) {
            kernel->profile_n++;
            kernel->profile_ns += end - start;
            if (end - start > kernel->profile_max_ns)
                kernel->profile_max_ns = end - start;
        }
        clReleaseEvent(event);
    }
    dev->n_pending = 0;
    return st;
}

madpo_status madpo__profile_add(madpo_device *dev, madpo_kernel *kernel, cl_event event,
                                madpo_error *err)
{
    if (!dev->pending) {
        dev->pending = calloc(MAX_PENDING, sizeof *dev->pending);
        dev->max_pending = dev->pending ? MAX_PENDING : 0;
        if (!dev->pending) {
            clReleaseEvent(event);
            return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: profiler");
        }
    }
    dev->pending[dev->n_pending++] = (madpo__pending){event, kernel};
    return dev->n_pending == dev->max_pending ? profile_drain(dev, err) : MADPO_OK;
}

madpo_status madpo_device_native_launched(madpo_device *dev, const char *label, cl_event event,
                                          madpo_error *err)
{
    madpo_kernel *kernel;
    madpo_status st;

    dev->stats.n_launches++;
    if (!event)
        return MADPO_OK;
    st = madpo__kernel_get(&kernel, dev, MADPO__LIBRARY, label, NULL, err);
    if (st != MADPO_OK || !dev->options.profile) {
        clReleaseEvent(event);
        return st;
    }
    return madpo__profile_add(dev, kernel, event, err);
}

static size_t profile_count(const madpo_device *dev)
{
    size_t n = 0;

    for (size_t i = 0; i < MADPO__BUCKETS; i++) {
        for (const madpo_kernel *k = dev->kernels[i]; k; k = k->next)
            n += k->profile_n > 0;
    }
    return n;
}

/* Add a kernel to the row of its entry; programs that differ in their defines share it. True if
 * that row is a new one. */
static bool profile_add_row(madpo_profile_row *rows, size_t used, const madpo_kernel *k)
{
    const double total_ms = (double)k->profile_ns * 1e-6, max_ms = (double)k->profile_max_ns * 1e-6;

    for (size_t i = 0; i < used; i++) {
        if (strcmp(rows[i].entry, k->entry) == 0 && strcmp(rows[i].stem, k->stem) == 0) {
            rows[i].n += k->profile_n;
            rows[i].total_ms += total_ms;
            rows[i].max_ms = max_ms > rows[i].max_ms ? max_ms : rows[i].max_ms;
            return false;
        }
    }
    rows[used] = (madpo_profile_row){k->stem, k->entry, k->profile_n, total_ms, max_ms};
    return true;
}

static int profile_compare(const void *a, const void *b)
{
    const double x = ((const madpo_profile_row *)a)->total_ms;
    const double y = ((const madpo_profile_row *)b)->total_ms;

    return (x < y) - (x > y);
}

madpo_status madpo_profile_collect(madpo_device *dev, const madpo_profile_row **rows, size_t *n,
                                   madpo_error *err)
{
    madpo_profile_row *own;
    size_t used = 0;
    madpo_status st;

    *rows = NULL;
    *n = 0;
    st = profile_drain(dev, err);
    if (st != MADPO_OK)
        return st;
    own = realloc(dev->profile_rows, (profile_count(dev) + 1) * sizeof *own);
    if (!own)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: profiler");
    dev->profile_rows = own;
    for (size_t i = 0; i < MADPO__BUCKETS; i++) {
        for (const madpo_kernel *k = dev->kernels[i]; k; k = k->next) {
            if (k->profile_n && profile_add_row(own, used, k))
                used++;
        }
    }
    qsort(own, used, sizeof *own, profile_compare);
    dev->n_profile_rows = used;
    *rows = own;
    *n = used;
    return MADPO_OK;
}

void madpo_profile_reset(madpo_device *dev)
{
    for (size_t i = 0; i < dev->n_pending; i++)
        clReleaseEvent(dev->pending[i].event);
    dev->n_pending = 0;
    for (size_t i = 0; i < MADPO__BUCKETS; i++) {
        for (madpo_kernel *k = dev->kernels[i]; k; k = k->next)
            k->profile_n = k->profile_ns = k->profile_max_ns = 0;
    }
}

void madpo__profile_dispose(madpo_device *dev)
{
    madpo_profile_reset(dev);
    free(dev->pending);
    free(dev->profile_rows);
}
