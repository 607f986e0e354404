/* A scanner that knows just enough of libconfig's grammar: strings, comments, names, numbers,
 * @include. */
#include "config/scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

typedef struct scan {
    const char *at; /* next byte */
    const char *path, *folder;
    int line;
} scan;

/* Step over one byte, counting lines. */
static void scan_step(scan *s)
{
    if (*s->at == '\n')
        s->line++;
    s->at++;
}

static void scan_line_comment(scan *s)
{
    s->at += strcspn(s->at, "\n");
}

static void scan_block_comment(scan *s)
{
    s->at += 2;
    while (*s->at && strncmp(s->at, "*/", 2) != 0)
        scan_step(s);
    if (*s->at)
        s->at += 2;
}

static void scan_string(scan *s)
{
    s->at++;
    while (*s->at && *s->at != '"') {
        if (*s->at == '\\' && s->at[1])
            s->at++;
        scan_step(s);
    }
    if (*s->at)
        s->at++;
}

/* @include "name": the name has no escapes. */
static madpo_status scan_include(scan *s, madpo_error *err)
{
    const char *quote = s->at + strcspn(s->at, "\"\n");
    char *name, *path = NULL;
    madpo_status st;

    if (*quote != '"') {
        s->at = quote;
        return MADPO_OK;
    }
    name = strndup(quote + 1, strcspn(quote + 1, "\"\n"));
    if (!name)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", s->path);
    s->at = quote + 1 + strlen(name);
    if (*s->at == '"')
        s->at++;
    st = madpo_path_join(&path, s->folder, name, err);
    if (st == MADPO_OK)
        st = madpo__scan_integers(path, s->folder, err);
    free(path);
    free(name);
    return st;
}

/* A number, and whatever hangs on to it: 12, 0x1F, 12L, 1.5e-3. */
static madpo_status scan_number(scan *s, madpo_error *err)
{
    const char *start = s->at;
    bool hex = start[0] == '0' && (start[1] == 'x' || start[1] == 'X');
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(start, &end, hex ? 16 : 10);
    s->at = end;
    if (*end == '.' || (!hex && (*end == 'e' || *end == 'E'))) {
        s->at += strspn(end, "0123456789.eE+-");
        return MADPO_OK;
    }
    if (errno == 0 && (value <= INT32_MAX || *end == 'L'))
        return MADPO_OK;
    return madpo_error_set_at(err, MADPO_ERR_CONFIG, s->path, s->line, 0,
                              "the integer %.*s is too large%s", (int)(end - start), start,
                              errno == 0 ? "; write it with an L behind it" : "");
}

static madpo_status scan_token(scan *s, madpo_error *err)
{
    unsigned char c = (unsigned char)*s->at;

    if (c == '"')
        scan_string(s);
    else if (c == '#' || (c == '/' && s->at[1] == '/'))
        scan_line_comment(s);
    else if (c == '/' && s->at[1] == '*')
        scan_block_comment(s);
    else if (c == '@')
        return scan_include(s, err);
    else if (isdigit(c))
        return scan_number(s, err);
    else if (isalpha(c) || c == '_' || c == '*')
        s->at += strspn(s->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*");
    else if (c == '.')
        s->at += strspn(s->at, "0123456789.eE+-");
    else
        scan_step(s);
    return MADPO_OK;
}

madpo_status madpo__scan_integers(const char *path, const char *folder, madpo_error *err)
{
    char *text;
    size_t n;
    madpo_status st = madpo_file_read(&text, &n, path, err);
    scan s = {.at = text, .path = path, .folder = folder, .line = 1};

    while (st == MADPO_OK && *s.at)
        st = scan_token(&s, err);
    free(text);
    return st;
}
