/* Normalizers of tokenizer.json; see pipeline.h. Bytes that are not UTF-8 are never touched. */
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/error.h"
#include "text/pipeline.h"
#include "text/pretokenize.h"
#include "text/tokenizer_inside.h"
#include "text/utf8.h"

void madpo__normal_dispose(madpo_normal *normal)
{
    madpo__pattern_dispose(&normal->pattern);
    free(normal->content);
    memset(normal, 0, sizeof *normal);
}

/* ---- Unicode's normal forms ---- */

/* Below this code point a text is its own normal form (whatever follows it). */
static int32_t normal_inert(madpo_normal_kind kind)
{
    return kind == MADPO_NORMAL_NFC ? 0x300 : kind == MADPO_NORMAL_NFD ? 0xC0 : 0xA0;
}

/* End of the stretch at `at` that is valid UTF-8; *inert: it is its own normal form. */
static size_t normal_valid(const char *text, size_t n, size_t at, int32_t limit, bool *inert)
{
    size_t used;
    int32_t cp;

    *inert = true;
    for (; at < n; at += used) {
        used = madpo_utf8_read(text + at, n - at, &cp);
        if (cp < 0)
            break;
        *inert &= cp < limit;
    }
    return at;
}

static madpo_status normal_stretch(const char *text, size_t n, utf8proc_option_t options,
                                   madpo_strbuf *out, madpo_error *err)
{
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    utf8proc_ssize_t need = utf8proc_decompose(bytes, (utf8proc_ssize_t)n, NULL, 0, options);
    utf8proc_int32_t *cp;
    char utf8[4];

    if (need < 0)
        return madpo_error_set(err, MADPO_ERR_DATA, "a text of %zu bytes cannot be normalized: %s",
                               n, utf8proc_errmsg(need));
    cp = malloc(((size_t)need + 1) * sizeof *cp);
    if (!cp)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory to normalize %zu bytes", n);
    need = utf8proc_decompose(bytes, (utf8proc_ssize_t)n, cp, need, options);
    if (need > 0 && (options & UTF8PROC_COMPOSE))
        need = utf8proc_normalize_utf32(cp, need, options);
    for (utf8proc_ssize_t i = 0; i < need; i++)
        madpo_strbuf_append_n(out, utf8, madpo_utf8_write(cp[i], utf8));
    free(cp);
    return MADPO_OK;
}

static madpo_status normal_form(madpo_normal_kind kind, const char *text, size_t n,
                                madpo_strbuf *out, madpo_error *err)
{
    static const utf8proc_option_t options[] = {
        [MADPO_NORMAL_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [MADPO_NORMAL_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [MADPO_NORMAL_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [MADPO_NORMAL_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    madpo_status st = MADPO_OK;
    size_t end;
    bool inert;

    for (size_t at = 0; at < n && st == MADPO_OK; at = end) {
        end = normal_valid(text, n, at, normal_inert(kind), &inert);
        if (inert)
            madpo_strbuf_append_n(out, text + at, end - at);
        else
            st = normal_stretch(text + at, end - at, options[kind], out, err);
        if (end < n)
            madpo_strbuf_append_char(out, text[end++]);
    }
    return st;
}

/* ---- the others ---- */

static void normal_lowercase(const char *text, size_t n, madpo_strbuf *out)
{
    char utf8[4];
    size_t used;
    int32_t cp;

    for (size_t at = 0; at < n; at += used) {
        used = madpo_utf8_read(text + at, n - at, &cp);
        if (cp < 0)
            madpo_strbuf_append_char(out, text[at]);
        else if (cp == 0x130) /* the only lower case of two code points: i, dot above */
            madpo_strbuf_append(out, "i\xCC\x87");
        else
            madpo_strbuf_append_n(out, utf8, madpo_utf8_write(utf8proc_tolower(cp), utf8));
    }
}

static void normal_strip(const madpo_normal *s, const char *text, size_t n, madpo_strbuf *out,
                         bool *cut)
{
    size_t start = 0, end = 0, used;
    bool blank = true;
    int32_t cp;

    for (size_t at = 0; at < n; at += used) {
        used = madpo_utf8_read(text + at, n - at, &cp);
        if (!madpo__is_space(cp)) {
            blank = false;
            end = at + used;
        } else if (blank && s->left) {
            start = at + used;
        }
    }
    if (!s->right)
        end = n;
    *cut |= start > 0;
    if (end > start)
        madpo_strbuf_append_n(out, text + start, end - start);
}

static void normal_strip_accents(const char *text, size_t n, madpo_strbuf *out)
{
    size_t used;
    int32_t cp;

    for (size_t at = 0; at < n; at += used) {
        used = madpo_utf8_read(text + at, n - at, &cp);
        if (!madpo__is_mark(cp))
            madpo_strbuf_append_n(out, text + at, used);
    }
}

static madpo_status normal_replace(const madpo_normal *s, const char *text, size_t n,
                                   madpo_strbuf *out, bool *cut, madpo_error *err)
{
    madpo_find f = {.p = &s->pattern, .text = text, .n = n};
    size_t done = 0;
    bool found = n > 0;
    madpo_status st = MADPO_OK;

    while (found) {
        st = madpo__find_next(&f, &found, err);
        if (st != MADPO_OK || !found)
            break;
        madpo_strbuf_append_n(out, text + done, f.start - done);
        madpo_strbuf_append_n(out, s->content, s->n_content);
        *cut |= !f.start && f.end && !s->n_content;
        done = f.end;
    }
    madpo_strbuf_append_n(out, text + done, n - done);
    return st;
}

static void normal_bytes(const char *text, size_t n, madpo_strbuf *out)
{
    char utf8[4];

    for (size_t i = 0; i < n; i++)
        madpo_strbuf_append_n(out, utf8,
                              madpo_utf8_write(madpo__byte_to_char((uint8_t)text[i]), utf8));
}

static madpo_status normal_step(const madpo_normal *s, const char *text, size_t n,
                                madpo_strbuf *out, bool *cut, madpo_error *err)
{
    switch (s->kind) {
    case MADPO_NORMAL_LOWERCASE:
        normal_lowercase(text, n, out);
        return MADPO_OK;
    case MADPO_NORMAL_STRIP:
        normal_strip(s, text, n, out, cut);
        return MADPO_OK;
    case MADPO_NORMAL_STRIP_ACCENTS:
        normal_strip_accents(text, n, out);
        return MADPO_OK;
    case MADPO_NORMAL_PREPEND:
        if (n)
            madpo_strbuf_append_n(out, s->content, s->n_content);
        madpo_strbuf_append_n(out, text, n);
        return MADPO_OK;
    case MADPO_NORMAL_REPLACE:
        return normal_replace(s, text, n, out, cut, err);
    case MADPO_NORMAL_BYTES:
        normal_bytes(text, n, out);
        return MADPO_OK;
    default:
        return normal_form(s->kind, text, n, out, err);
    }
}

madpo_status madpo__normalize(const madpo_normal *step, int n_steps, const char *text, size_t n,
                              madpo_strbuf buffer[2], const char **out, size_t *n_out, bool *cut,
                              madpo_error *err)
{
    *out = text;
    *n_out = n;
    *cut = false;
    for (int i = 0; i < n_steps; i++) {
        madpo_strbuf *to = &buffer[i % 2];
        madpo_status st;

        madpo_strbuf_reset(to);
        st = normal_step(&step[i], *out, *n_out, to, cut, err);
        if (st == MADPO_OK)
            st = madpo_strbuf_check(to, err);
        if (st != MADPO_OK)
            return st;
        *out = to->s ? to->s : "";
        *n_out = to->n;
    }
    return MADPO_OK;
}
