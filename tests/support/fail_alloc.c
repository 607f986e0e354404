/* Failing allocations through the linker's --wrap. */
#include "tests/support/fail_alloc.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

static size_t armed, seen;

static bool fail_now(void)
{
    return armed != 0 && ++seen == armed;
}

void fail_alloc_arm(size_t n)
{
    armed = n;
    seen = 0;
}

bool fail_alloc_disarm(void)
{
    bool reached = armed != 0 && seen >= armed;

    armed = 0;
    return reached;
}

void *__wrap_malloc(size_t size)
{
    return fail_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fail_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fail_now() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *s)
{
    return fail_now() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
    return fail_now() ? NULL : __real_strndup(s, n);
}

void fail_alloc_jansson(void)
{
    json_set_alloc_funcs(__wrap_malloc, free);
}
