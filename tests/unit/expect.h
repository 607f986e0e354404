#ifndef TESTS_UNIT_EXPECT_H
#define TESTS_UNIT_EXPECT_H
/* Errors as the user sees them. Include after cmocka.h. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* The error must have this code and read exactly "FILE<rest>", FILE being the path's own text; it
 * is cleared. */
static inline void expect_error_at(madpo_error *err, madpo_status code, const char *path,
                                   const char *rest)
{
    char line[MADPO_ERROR_FILE + MADPO_ERROR_MESSAGE + 64];

    madpo_error_format(err, line, sizeof line);
    if (err->code != code || strncmp(line, path, strlen(path)) != 0 ||
        strcmp(line + strlen(path), rest) != 0)
        fail_msg("wanted %s \"%s%s\", got %s \"%s\"", madpo_status_name(code), path, rest,
                 madpo_status_name(err->code), line);
    madpo_error_clear(err);
}

/* The call must succeed. */
#define EXPECT_OK(call)                                                                            \
    do {                                                                                           \
        if ((call) != MADPO_OK)                                                                    \
            fail_msg("%s: %s", #call, err.message);                                                \
    } while (0)
#endif
