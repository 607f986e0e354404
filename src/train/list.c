/* Comma-separated settings. */
#include "train/list.h"

#include <string.h>

#include "base/error.h"

madpo_status madpo_list_next(char **word, const char **rest, madpo_error *err)
{
    const char *start = *rest + strspn(*rest, ", \t");
    size_t n = strcspn(start, ",");

    *rest = start + n;
    while (n > 0 && strchr(" \t", start[n - 1]))
        n--;
    *word = NULL;
    if (n == 0)
        return MADPO_OK;
    *word = strndup(start, n);
    return *word ? MADPO_OK : madpo_error_set(err, MADPO_ERR_NOMEM, "list: out of host memory");
}
