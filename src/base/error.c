/* Error records: the first one wins, every message stays one line. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *madpo_status_name(madpo_status status)
{
    switch (status) {
    case MADPO_OK:
        return "ok";
    case MADPO_ERR_NOMEM:
        return "nomem";
    case MADPO_ERR_USAGE:
        return "usage";
    case MADPO_ERR_CONFIG:
        return "config";
    case MADPO_ERR_IO:
        return "io";
    case MADPO_ERR_DATA:
        return "data";
    case MADPO_ERR_DEVICE:
        return "device";
    case MADPO_ERR_MEMORY:
        return "memory";
    case MADPO_ERR_NUMERIC:
        return "numeric";
    case MADPO_ERR_STOPPED:
        return "stopped";
    case MADPO_ERR_UNSUPPORTED:
        return "unsupported";
    case MADPO_ERR_MISMATCH:
        return "mismatch";
    }
    return "unknown";
}

/* A message that does not fit ends in "...", so that nobody takes the stump for the whole. */
static void error_mark_cut(char *text, size_t size, size_t wanted)
{
    if (wanted >= size)
        memcpy(text + size - 4, "...", 4);
}

/* Drivers and parsers hand us line breaks; ours is a line. Trailing ones go, inner ones become
 * blanks. */
static void error_one_line(char *text)
{
    size_t n = strlen(text);

    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = '\0';
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\n' || text[i] == '\r')
            text[i] = ' ';
}

/* Append to message, which holds *n of MADPO_ERROR_MESSAGE bytes; *n grows by what was wanted. */
MADPO_PRINTF(3, 0)
static void error_vappend(char *message, size_t *n, const char *fmt, va_list ap)
{
    size_t room = *n < MADPO_ERROR_MESSAGE ? MADPO_ERROR_MESSAGE - *n : 0;
    int more = vsnprintf(room ? message + *n : NULL, room, fmt, ap);

    if (more > 0)
        *n += (size_t)more;
}

MADPO_PRINTF(3, 4)
static void error_append(char *message, size_t *n, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vappend(message, n, fmt, ap);
    va_end(ap);
}

MADPO_PRINTF(3, 0)
static void error_vset(madpo_error *err, madpo_status code, const char *fmt, va_list ap)
{
    size_t n = 0;

    madpo_error_clear(err);
    err->code = code;
    error_vappend(err->message, &n, fmt, ap);
    error_mark_cut(err->message, sizeof err->message, n);
    error_one_line(err->message);
}

madpo_status madpo_error_set(madpo_error *err, madpo_status code, const char *fmt, ...)
{
    va_list ap;

    if (!err || err->code != MADPO_OK)
        return code;
    va_start(ap, fmt);
    error_vset(err, code, fmt, ap);
    va_end(ap);
    return code;
}

/* A path too long for the record keeps its end: that is where the file name is. */
static void error_keep_file(madpo_error *err, const char *file)
{
    size_t n = strlen(file);

    if (n < sizeof err->file) {
        memcpy(err->file, file, n + 1);
        return;
    }
    memcpy(err->file, "...", 3);
    memcpy(err->file + 3, file + n - (sizeof err->file - 4), sizeof err->file - 3);
}

madpo_status madpo_error_set_at(madpo_error *err, madpo_status code, const char *file, int line,
                                int column, const char *fmt, ...)
{
    va_list ap;

    if (!err || err->code != MADPO_OK)
        return code;
    va_start(ap, fmt);
    error_vset(err, code, fmt, ap);
    va_end(ap);
    if (file)
        error_keep_file(err, file);
    err->line = line;
    err->column = column;
    return code;
}

madpo_status madpo_error_errno(madpo_error *err, madpo_status code, int errno_value,
                               const char *fmt, ...)
{
    char reason[128];
    size_t n = 0;
    va_list ap;

    if (!err || err->code != MADPO_OK)
        return code;
    if (strerror_r(errno_value, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "error %d", errno_value);
    madpo_error_clear(err);
    err->code = code;
    va_start(ap, fmt);
    error_vappend(err->message, &n, fmt, ap);
    va_end(ap);
    error_append(err->message, &n, ": %s", reason);
    if (errno_value == ENOSPC || errno_value == EDQUOT)
        error_append(err->message, &n, "; free some space and try again");
    error_mark_cut(err->message, sizeof err->message, n);
    error_one_line(err->message);
    return code;
}

madpo_status madpo_error_context(madpo_error *err, const char *fmt, ...)
{
    char old[MADPO_ERROR_MESSAGE];
    size_t n = 0;
    va_list ap;

    if (!err || err->code == MADPO_OK)
        return MADPO_OK;
    memcpy(old, err->message, sizeof old);
    va_start(ap, fmt);
    error_vappend(err->message, &n, fmt, ap);
    va_end(ap);
    error_append(err->message, &n, ": %s", old);
    error_mark_cut(err->message, sizeof err->message, n);
    error_one_line(err->message);
    return err->code;
}

void madpo_error_clear(madpo_error *err)
{
    static const madpo_error empty = MADPO_ERROR_INIT;

    if (err)
        *err = empty;
}

char *madpo_error_format(const madpo_error *err, char *out, size_t size)
{
    int wanted;

    if (size == 0)
        return out;
    if (err->file[0] && err->line > 0 && err->column > 0)
        wanted =
            snprintf(out, size, "%s:%d:%d: %s", err->file, err->line, err->column, err->message);
    else if (err->file[0] && err->line > 0)
        wanted = snprintf(out, size, "%s:%d: %s", err->file, err->line, err->message);
    else if (err->file[0])
        wanted = snprintf(out, size, "%s: %s", err->file, err->message);
    else
        wanted = snprintf(out, size, "%s", err->message);
    if (wanted > 0 && size >= 4)
        error_mark_cut(out, size, (size_t)wanted);
    return out;
}
