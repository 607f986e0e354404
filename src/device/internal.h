#ifndef MADPO_DEVICE_INTERNAL_H
#define MADPO_DEVICE_INTERNAL_H
/* What the files of src/device share: the device object, kernel and program tables, OpenCL errors.
 * Nothing outside src/device includes this; the few who need OpenCL handles take device/native.h.
 */
#include "device/buffer.h"
#include "device/device.h"
#include "device/launch.h"
#include "device/native.h"
#include "device/profile.h"

/* ---- OpenCL errors (clerror.c) ---- */

/* "CL_OUT_OF_RESOURCES" and so on; "unknown OpenCL error" for codes without a name. */
const char *madpo__cl_name(cl_int code);
/* As madpo_error_set, and keep the OpenCL code beside the message. */
madpo_status madpo__cl_set(madpo_error *err, madpo_status status, cl_int code, const char *fmt, ...)
    MADPO_PRINTF(4, 5);
/* Record a failed OpenCL call: "<what>: <CL_NAME> (<code>)", with the remedy for codes that mean
 * a lost device or exhausted memory. The status is MADPO_ERR_MEMORY for allocation failures, else
 * MADPO_ERR_DEVICE. */
madpo_status madpo__cl_error(madpo_error *err, cl_int code, const char *fmt, ...)
    MADPO_PRINTF(3, 4);

/* ---- discovery (scan.c, select.c) ---- */

typedef struct madpo__scan {
    size_t n;
    cl_platform_id *platforms; /* [n] of each device */
    cl_device_id *devices;     /* [n] */
    madpo_device_info *info;   /* [n] */
} madpo__scan;

madpo_status madpo__scan_all(madpo__scan *out, madpo_error *err) MADPO_MUST_CHECK;
void madpo__scan_dispose(madpo__scan *scan);
/* Choose by `select` (device/device.h); MADPO_ERR_DEVICE lists what there is. */
madpo_status madpo__select(size_t *out, const madpo_device_info *info, size_t n, const char *select,
                           madpo_error *err) MADPO_MUST_CHECK;

/* ---- programs, kernels and the binary cache (program.c, cache.c, source.c) ---- */

typedef struct madpo__program {
    struct madpo__program *next;
    uint64_t hash;
    char *stem, *defines; /* owned */
    cl_program program;
} madpo__program;

struct madpo_kernel {
    struct madpo_kernel *next;
    uint64_t hash;
    char *stem, *entry, *defines; /* owned */
    cl_kernel kernel;
    uint64_t profile_n, profile_ns, profile_max_ns; /* totals while profiling */
};

/* Folder of program binaries. A folder that cannot be used makes `note` say so, never a failure. */
typedef struct madpo__cache {
    char *folder; /* owned; NULL = no cache */
    char *note;   /* owned; NULL = nothing to say */
} madpo__cache;

void madpo__cache_open(madpo__cache *cache, const char *cache_dir);
void madpo__cache_dispose(madpo__cache *cache);
/* Read the binary stored under `key` [n_key]; false when there is none or it is damaged or stale.
 * On true, *binary [*n] is owned by the caller (free). */
bool madpo__cache_load(const madpo__cache *cache, const char *key, size_t n_key,
                       unsigned char **binary, size_t *n);
/* Is there an entry, good or not? */
bool madpo__cache_has(const madpo__cache *cache, const char *key, size_t n_key);
/* Store (or replace) the entry; failure only leaves a note. */
void madpo__cache_store(madpo__cache *cache, const char *key, size_t n_key,
                        const unsigned char *binary, size_t n);
/* Write a build log beside the binaries; returns its path (owned, free) or NULL. */
char *madpo__cache_log(const madpo__cache *cache, const char *stem, const char *log);

/* Text of an embedded file with its includes resolved and #line directives, so that build logs read
 * "cl/ops/rope.cl:12". `name` as in device/source.h. *out is owned by the caller. */
madpo_status madpo__source_resolve(char **out, const char *name, madpo_error *err) MADPO_MUST_CHECK;

#define MADPO__BUCKETS 256 /* of the hash tables; entries are chained, so no limit */

/* The stem of library calls (device/native.h): their table entries have no kernel object. */
#define MADPO__LIBRARY "(library)"

/* The kernel object of (stem, entry, defines), built or loaded at its first use. */
madpo_status madpo__kernel_get(madpo_kernel **out, madpo_device *dev, const char *stem,
                               const char *entry, const char *defines,
                               madpo_error *err) MADPO_MUST_CHECK;
void madpo__programs_dispose(madpo_device *dev);

/* ---- profiling (profile.c) ---- */

typedef struct madpo__pending {
    cl_event event;
    madpo_kernel *kernel;
} madpo__pending;

/* Keep the event of one launch until its times are known; collects when many are kept. */
madpo_status madpo__profile_add(madpo_device *dev, madpo_kernel *kernel, cl_event event,
                                madpo_error *err) MADPO_MUST_CHECK;
void madpo__profile_dispose(madpo_device *dev);

/* ---- the device ---- */

struct madpo_device {
    madpo_device_info info;
    madpo_device_options options; /* strings owned by the two fields below */
    char *select, *cache_dir;
    int work_group;
    cl_platform_id platform;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    madpo_device_stats stats;
    madpo__cache cache;
    bool lazy, lazy_known; /* the driver compiles at enqueue (program.c); asked the cache already */
    madpo__program *programs[MADPO__BUCKETS];
    madpo_kernel *kernels[MADPO__BUCKETS];
    madpo_tensor workspace;
    madpo__pending *pending; /* [n_pending of max_pending] owned */
    size_t n_pending, max_pending;
    madpo_profile_row *profile_rows; /* [n_profile_rows] owned; filled by _collect */
    size_t n_profile_rows;
};

struct madpo_buffer {
    madpo_device *dev; /* borrowed */
    cl_mem mem;
    uint64_t bytes;
};

/* FNV-1a over zero-terminated strings (NULL reads as ""), the separator included. */
uint64_t madpo__hash(const char *a, const char *b, const char *c);

#endif
