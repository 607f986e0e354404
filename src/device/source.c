/* From embedded files to one source text: includes resolved, lines still nameable.
 *
 * Drivers differ in how (and whether) they find included files, so the text handed to them has none:
 * each `#include "x"` is replaced by the embedded file (beside the including one, else below cl/), once
 * per program, between #line directives. Build logs then read "cl/ops/rope.cl:12:5: error: ...". */
#include "device/internal.h"
#include "device/source.h"

#include "base/error.h"
#include "base/strbuf.h"

#include <string.h>

typedef struct source_text {
    madpo_strbuf text;
    madpo_strbuf seen; /* "|lib/types.clh|lib/vec.clh|" */
} source_text;

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
static const madpo_embedded_file *source_find_from(const madpo_embedded_file *from, const char *name,
                                                   size_t n)
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

static bool source_mark_seen(source_text *out, const char *name)
{
    madpo_strbuf mark = {0};
    bool seen;

    madpo_strbuf_printf(&mark, "|%s|", name);
    seen = mark.s && out->seen.s && strstr(out->seen.s, mark.s);
    if (!seen && mark.s)
        madpo_strbuf_append(&out->seen, mark.s);
    madpo_strbuf_dispose(&mark);
    return seen;
}

static madpo_status source_add(source_text *out, const madpo_embedded_file *file, madpo_error *err)
{
    const char *p = file->bytes, *end = file->bytes + file->n;
    madpo_status st = MADPO_OK;

    madpo_strbuf_printf(&out->text, "#line 1 \"cl/%s\"\n", file->name);
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
            if (!source_mark_seen(out, included->name))
                st = source_add(out, included, err);
            madpo_strbuf_printf(&out->text, "#line %d \"cl/%s\"\n", number + 1, file->name);
        } else {
            madpo_strbuf_append_n(&out->text, p, n);
            madpo_strbuf_append_char(&out->text, '\n');
        }
        p += n + (newline ? 1 : 0);
    }
    return st;
}

madpo_status madpo__source_resolve(char **out, const char *name, madpo_error *err)
{
    const madpo_embedded_file *file = source_find(name, strlen(name));
    source_text source = {{0}, {0}};
    madpo_status st;

    *out = NULL;
    if (!file)
        return madpo_error_set(err, MADPO_ERR_DEVICE,
                               "no kernel source cl/%s in this program: list it in "
                               "cl/CMakeLists.txt",
                               name);
    (void)source_mark_seen(&source, file->name);
    st = source_add(&source, file, err);
    if (st == MADPO_OK)
        st = madpo_strbuf_steal(&source.text, out, NULL, err);
    madpo_strbuf_dispose(&source.text);
    madpo_strbuf_dispose(&source.seen);
    return st;
}
