/* From embedded files to one source text: includes resolved, lines still nameable.
 *
 * Drivers differ in how (and whether) they find included files, so the text handed to them has
 * none: each `#include "x"` is replaced by the embedded file (beside the including one, else below
 * cl/), between #line directives. Build logs then read "cl/ops/rope.cl:12:5: error: ...". */
#include "device/internal.h"
#include "device/source.h"

#include "base/error.h"
#include "base/strbuf.h"

#include <string.h>

/* Files within files; include guards stop the compiler in a circle, this stops us. */
#define MAX_DEPTH 16

static const madpo_embedded_file *source_find(const char *name, size_t n)
{
    for (size_t i = 0; i < madpo_n_embedded_files; i++) {
        const madpo_embedded_file *file = &madpo_embedded_files[i];

        if (strlen(file->name) == n && memcmp(file->name, name, n) == 0)
            return file;
    }
    return NULL;
}

/* The file an include names: beside the including file, else below cl/. */
static const madpo_embedded_file *source_find_from(const madpo_embedded_file *from,
                                                   const char *name, size_t n)
{
    const char *slash = strrchr(from->name, '/');
    const madpo_embedded_file *found = NULL;
    madpo_strbuf path = {0};

    if (slash) {
        madpo_strbuf_append_n(&path, from->name, (size_t)(slash - from->name) + 1);
        madpo_strbuf_append_n(&path, name, n);
        if (!path.failed)
            found = source_find(path.s, path.n);
        madpo_strbuf_dispose(&path);
    }
    return found ? found : source_find(name, n);
}

/* The quoted name of an include line, or NULL. */
static const char *source_include(const char *line, size_t n, size_t *n_name)
{
    const char *end = line + n, *p = line;

    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    if (p == end || *p++ != '#')
        return NULL;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    if (end - p < 7 || memcmp(p, "include", 7) != 0)
        return NULL;
    p = memchr(p, '"', (size_t)(end - p));
    if (!p)
        return NULL;
    line = p + 1;
    p = memchr(line, '"', (size_t)(end - line));
    if (!p)
        return NULL;
    *n_name = (size_t)(p - line);
    return line;
}

static madpo_status source_add(madpo_strbuf *out, const madpo_embedded_file *file, int depth,
                               madpo_error *err)
{
    const char *p = file->bytes, *end = file->bytes + file->n;
    madpo_status st = MADPO_OK;

    madpo_strbuf_printf(out, "#line 1 \"cl/%s\"\n", file->name);
    for (int number = 1; p < end && st == MADPO_OK; number++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const size_t n = (size_t)((newline ? newline : end) - p);
        size_t n_name;
        const char *name = source_include(p, n, &n_name);

        if (name) {
            const madpo_embedded_file *included = source_find_from(file, name, n_name);

            if (!included)
                return madpo_error_set(err, MADPO_ERR_DEVICE,
                                       "cl/%s:%d: no embedded file '%.*s': list it in "
                                       "cl/CMakeLists.txt",
                                       file->name, number, (int)n_name, name);
            if (depth == MAX_DEPTH)
                return madpo_error_set(err, MADPO_ERR_DEVICE, "cl/%s:%d: includes go in a circle",
                                       file->name, number);
            st = source_add(out, included, depth + 1, err);
            madpo_strbuf_printf(out, "#line %d \"cl/%s\"\n", number + 1, file->name);
        } else {
            madpo_strbuf_append_n(out, p, n);
            madpo_strbuf_append_char(out, '\n');
        }
        p += n + (newline ? 1 : 0);
    }
    return st;
}

madpo_status madpo__source_resolve(char **out, const char *name, madpo_error *err)
{
    const madpo_embedded_file *file = source_find(name, strlen(name));
    madpo_strbuf text = {0};
    madpo_status st;

    *out = NULL;
    if (!file)
        return madpo_error_set(err, MADPO_ERR_DEVICE,
                               "no kernel source cl/%s in this program: list it in "
                               "cl/CMakeLists.txt",
                               name);
    st = source_add(&text, file, 0, err);
    if (st == MADPO_OK)
        st = madpo_strbuf_steal(&text, out, NULL, err);
    madpo_strbuf_dispose(&text);
    return st;
}
