#ifndef MADPO_DEVICE_DEVICE_H
#define MADPO_DEVICE_DEVICE_H
/* One OpenCL device: discovery, selection, an in-order queue, counters.
 *
 * Every platform and every device is scanned; nothing is chosen or refused by vendor name and no
 * optional feature (fp16, fp64, sub-groups) is required: OpenCL 1.2 is the floor. Owner threads:
 * one; a device is not shared between threads.
 */
#include "madpo/error.h"

typedef struct madpo_device madpo_device;

typedef enum madpo_device_kind {
    MADPO_DEVICE_CPU,
    MADPO_DEVICE_GPU,
    MADPO_DEVICE_OTHER
} madpo_device_kind;

/* What a device says of itself, probed once. Strings are owned by the record. */
typedef struct madpo_device_info {
    int index; /* position in scan order, the number --device takes */
    madpo_device_kind kind;
    char platform[128], platform_version[128];
    char name[128], vendor[128], driver[128], version[128], c_version[64];
    uint32_t compute_units, clock_mhz;
    uint64_t global_bytes, max_alloc_bytes, local_bytes, cache_bytes;
    uint64_t max_work_group;
    uint32_t native_float_width; /* CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT */
    uint32_t base_align_bytes;
    bool fp16, fp64, subgroups, unified_memory, available;
} madpo_device_info;

typedef struct madpo_device_list {
    size_t n;
    madpo_device_info *info; /* [n] owned */
} madpo_device_list;

/* Scan all platforms. Finding none is not an error here: n = 0. Free with _list_dispose. */
madpo_status madpo_device_list_scan(madpo_device_list *out, madpo_error *err) MADPO_MUST_CHECK;
void madpo_device_list_dispose(madpo_device_list *list);

typedef enum madpo_matmul_provider {
    MADPO_MATMUL_AUTO,  /* panel on CPU devices, elsewhere tile (CLBlast where tiles do not fit) */
    MADPO_MATMUL_PANEL, /* our packed-panel kernels, for CPU devices */
    MADPO_MATMUL_TILE,  /* our kernels with tiles in local memory, for GPUs */
    MADPO_MATMUL_CLBLAST
} madpo_matmul_provider;

typedef struct madpo_device_options {
    const char *select;    /* "" or "auto" (first GPU, else first CPU, else first), an index, "gpu",
                            * "cpu", or part of a device or platform name, case-insensitive */
    int work_group;        /* work-items that share a row, WG; 0 = 1 on CPU devices, 64 elsewhere */
    bool profile;          /* time every kernel by event (device/profile.h) */
    const char *cache_dir; /* program binaries; NULL = the user's cache folder; "" = no cache */
    uint64_t memory_limit_bytes; /* refuse to allocate more than this; 0 = what the device has */
    madpo_matmul_provider matmul;
} madpo_device_options;

void madpo_device_options_defaults(madpo_device_options *options);

/* Open the selected device with one in-order queue. Errors: MADPO_ERR_DEVICE with what to install
 * when no platform exists, or with the list of devices when nothing matches `select`. */
madpo_status madpo_device_open(madpo_device **out, const madpo_device_options *options,
                               madpo_error *err) MADPO_MUST_CHECK;
void madpo_device_close(madpo_device *dev); /* accepts NULL */

const madpo_device_info *madpo_device_get_info(const madpo_device *dev);       /* borrowed */
const madpo_device_options *madpo_device_get_options(const madpo_device *dev); /* borrowed */
/* Work-group width WG in force (options or automatic). */
int madpo_device_get_work_group(const madpo_device *dev);
/* What a user should know about the folder of program binaries ("… is not writable: programs are
 * built anew in every run"), or NULL. Borrowed, valid until the next build. Never a failure. */
const char *madpo_device_cache_note(const madpo_device *dev);

/* Wait until everything enqueued is done; reports asynchronous failures. */
madpo_status madpo_device_finish(madpo_device *dev, madpo_error *err) MADPO_MUST_CHECK;
/* Hand enqueued work to the driver without waiting. */
madpo_status madpo_device_flush(madpo_device *dev, madpo_error *err) MADPO_MUST_CHECK;

/* Counters since opening; tests prove with them that the step loop neither allocates nor builds. */
typedef struct madpo_device_stats {
    uint64_t n_buffers;                /* device buffers created */
    uint64_t n_programs;               /* programs built or loaded */
    uint64_t n_kernels;                /* kernel objects created */
    uint64_t n_launches;               /* kernels enqueued (CLBlast calls count one) */
    uint64_t bytes, peak_bytes;        /* device memory held now, and at most */
    uint64_t cache_hits, cache_misses; /* program binary cache */
} madpo_device_stats;
madpo_device_stats madpo_device_get_stats(const madpo_device *dev);
/* Count peak_bytes from what is held now on. */
void madpo_device_reset_peak(madpo_device *dev);
/* Bytes that may be held: the option, else what the driver says; 0 = unknown. */
uint64_t madpo_device_get_limit(const madpo_device *dev);

#endif
