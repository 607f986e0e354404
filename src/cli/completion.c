/* A text that grows token by token. */
#include "cli/completion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

madpo_status madpo__completion_init(madpo_cli_completion *c, const madpo_tokenizer *tok,
                                    madpo_error *err)
{
    *c = (madpo_cli_completion){0};
    return madpo_tokenizer_stream_new(&c->stream, tok, true, err);
}

void madpo__completion_reset(madpo_cli_completion *c)
{
    madpo_strbuf_reset(&c->text);
    c->end = c->n_shown = 0;
    c->stopped = false;
}

void madpo__completion_dispose(madpo_cli_completion *c)
{
    madpo_tokenizer_stream_free(c->stream);
    madpo_strbuf_dispose(&c->text);
    *c = (madpo_cli_completion){0};
}

/* ---- stop strings ---- */

/* Look for the first stop string that ends behind byte `from`. */
static void find_stop(madpo_cli_completion *c, const madpo_cli_stops *stops, size_t from)
{
    c->end = c->text.n;
    for (size_t i = 0; i < stops->n; i++) {
        size_t n = strlen(stops->v[i]), at = from >= n ? from - n + 1 : 0;

        for (; at + n <= c->text.n && at < c->end; at++)
            if (memcmp(c->text.s + at, stops->v[i], n) == 0) {
                c->end = at;
                c->stopped = true;
            }
    }
}

/* Bytes at the end of the text that begin a stop string. */
static size_t held_back(const madpo_cli_completion *c, const madpo_cli_stops *stops)
{
    size_t most = 0;

    for (size_t i = 0; i < stops->n; i++) {
        size_t n = strlen(stops->v[i]) - 1;

        for (n = n < c->end ? n : c->end; n > most; n--)
            if (memcmp(c->text.s + c->end - n, stops->v[i], n) == 0)
                most = n;
    }
    return most;
}

/* ---- text ---- */

static madpo_status append(madpo_cli_completion *c, const madpo_cli_stops *stops, const char *text,
                           size_t n, madpo_error *err)
{
    size_t n_clean = 0, before = c->text.n;
    char *clean = NULL;
    madpo_status st = madpo_utf8_sanitize(&clean, &n_clean, text, n, err);

    if (st == MADPO_OK)
        madpo_strbuf_append_n(&c->text, clean, n_clean);
    if (st == MADPO_OK)
        st = madpo_strbuf_check(&c->text, err);
    if (st == MADPO_OK)
        find_stop(c, stops, before);
    free(clean);
    return st;
}

madpo_status madpo__completion_push(madpo_cli_completion *c, const madpo_cli_stops *stops,
                                    int32_t id, madpo_error *err)
{
    const char *text = NULL;
    size_t n = 0;
    madpo_status st = madpo_tokenizer_stream_push(c->stream, id, &text, &n, err);

    return st == MADPO_OK && n > 0 ? append(c, stops, text, n, err) : st;
}

madpo_status madpo__completion_finish(madpo_cli_completion *c, const madpo_cli_stops *stops,
                                      madpo_error *err)
{
    const char *text = NULL;
    size_t n = 0;
    madpo_status st = madpo_tokenizer_stream_end(c->stream, &text, &n, err);

    return st == MADPO_OK && n > 0 && !c->stopped ? append(c, stops, text, n, err) : st;
}

/* ---- showing it ---- */

/* A model's text must not drive the terminal: C0 and C1 controls are left out. */
static void show_clean(const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        int32_t cp;
        size_t length = madpo_utf8_read(text + i, n - i, &cp);
        bool control = cp < 0x20 || (cp >= 0x7f && cp < 0xa0);

        if (!control || cp == '\n' || cp == '\t')
            fwrite(text + i, 1, length, stdout);
        i += length;
    }
}

void madpo__completion_show(madpo_cli_completion *c, const madpo_cli_stops *stops, bool all)
{
    size_t upto = all || c->stopped ? c->end : c->end - held_back(c, stops);

    if (upto <= c->n_shown)
        return;
    while (upto > c->n_shown && upto < c->text.n &&
           ((unsigned char)c->text.s[upto] & 0xc0) == 0x80) /* not inside a character */
        upto--;
    show_clean(c->text.s + c->n_shown, upto - c->n_shown);
    c->n_shown = upto;
    fflush(stdout);
}
