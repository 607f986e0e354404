/* Errors and exit codes; see output.h. */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"

int madpo__cli_usage(const char *fmt, ...)
{
    va_list ap;

    fputs("madpo: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return MADPO_EXIT_USAGE;
}

int madpo__cli_fail(const madpo_error *err)
{
    char text[MADPO_ERROR_FILE + MADPO_ERROR_MESSAGE + 64];

    fprintf(stderr, "madpo: %s\n", madpo_error_format(err, text, sizeof text));
    switch (err->code) {
    case MADPO_ERR_USAGE:
    case MADPO_ERR_CONFIG:
    case MADPO_ERR_MISMATCH: /* the configuration is not the run's */
        return MADPO_EXIT_USAGE;
    case MADPO_ERR_STOPPED:
        return MADPO_EXIT_STOPPED;
    default:
        return MADPO_EXIT_FAILED;
    }
}

int madpo__cli_out_of_memory(void)
{
    fputs("madpo: out of memory\n", stderr);
    return MADPO_EXIT_FAILED;
}

int madpo__cli_put_json(json_t *value)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *text = NULL;
    int rc = MADPO_EXIT_DONE;

    if (!value)
        return madpo__cli_out_of_memory();
    if (madpo_json_dump(&text, value, &err) != MADPO_OK)
        rc = madpo__cli_fail(&err);
    else
        puts(text);
    free(text);
    json_decref(value);
    return rc;
}

int madpo__cli_finish(int code)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "madpo: cannot write to standard output%s%s\n", errno ? ": " : "",
            errno ? strerror(errno) : "");
    return code == MADPO_EXIT_DONE ? MADPO_EXIT_FAILED : code;
}

void madpo__cli_guard_descriptors(void)
{
    /* read-only for the outputs: writing there fails as it would have, and is noticed */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDONLY) != fd)
            return;
}
