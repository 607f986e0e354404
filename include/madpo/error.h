#ifndef MADPO_ERROR_H
#define MADPO_ERROR_H
/* Status codes and the error record.
 *
 * Everything that can fail returns a madpo_status and takes, as its last parameter, a caller-owned
 * `madpo_error *err` that may be NULL. The first error wins: a record that already holds one is
 * never overwritten, callers may only put context in front of it. Messages are one line: they name
 * the thing that is wrong and, where there is one, the remedy. Nothing in the library prints or
 * exits.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum madpo_status {
    MADPO_OK = 0,
    MADPO_ERR_NOMEM = -1,       /* host memory ran out */
    MADPO_ERR_USAGE = -2,       /* a call or a command line that makes no sense */
    MADPO_ERR_CONFIG = -3,      /* unknown key, wrong type, value out of range */
    MADPO_ERR_IO = -4,          /* file missing, not permitted, disk full */
    MADPO_ERR_DATA = -5,        /* a file that was read but says something impossible */
    MADPO_ERR_DEVICE = -6,      /* no OpenCL device, a driver error, a kernel that does not build */
    MADPO_ERR_MEMORY = -7,      /* does not fit into device memory */
    MADPO_ERR_NUMERIC = -8,     /* NaN or infinity where training cannot go on */
    MADPO_ERR_STOPPED = -9,     /* stopped on request; a checkpoint was saved */
    MADPO_ERR_UNSUPPORTED = -10, /* a feature of a file or device that is not implemented */
    MADPO_ERR_MISMATCH = -11    /* resume under another objective, model or data */
} madpo_status;

#define MADPO_ERROR_MESSAGE 640
#define MADPO_ERROR_FILE    256

typedef struct madpo_error {
    madpo_status code;                 /* MADPO_OK while empty */
    int cl_code;                       /* OpenCL's code, 0 if none */
    int line, column;                  /* position in `file`, from 1; 0 if unknown */
    char file[MADPO_ERROR_FILE];       /* config or data file the error points into, or "" */
    char message[MADPO_ERROR_MESSAGE]; /* one line, no trailing newline or full stop */
} madpo_error;

/* Initialiser of an empty record: `madpo_error err = MADPO_ERROR_INIT;` */
#define MADPO_ERROR_INIT {MADPO_OK, 0, 0, 0, {0}, {0}}

/* Return a short fixed name such as "config" for a status. Never NULL. */
const char *madpo_status_name(madpo_status status);

/* Write `err` as the single line a user sees ("file:line: message", or just the message) into
 * `out` [size bytes, write], always terminated. Returns `out`. */
char *madpo_error_format(const madpo_error *err, char *out, size_t size);

#if defined(__GNUC__)
#define MADPO_MUST_CHECK       __attribute__((warn_unused_result))
#define MADPO_PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))
#else
#define MADPO_MUST_CHECK
#define MADPO_PRINTF(fmt, arg)
#endif

#ifdef __cplusplus
}
#endif
#endif
