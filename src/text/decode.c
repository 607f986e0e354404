/* Decoding, id by id or all at once; see tokenizer.h. The decoder's steps on single tokens are done
 * once, when the tokenizer is built (token.bytes); here is what depends on more than one token:
 * runs of byte tokens, characters whose bytes lie in several tokens, what is taken off the ends. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/tokenizer_inside.h"
#include "text/utf8.h"

struct madpo_tokenizer_stream {
    const madpo_tokenizer *tok;
    bool skip_specials;
    size_t n_tokens;    /* decoded so far */
    madpo_strbuf out;   /* for the caller */
    madpo_strbuf run;   /* byte tokens in a row, or the bytes of a character that is not whole */
    int stripped, kept; /* characters taken off the front; held back at the end */
    bool inside;        /* something that is not taken off came by */
};

/* ---- bytes of single tokens ---- */

/* The byte that "<0xHH>" names, -1 if the content is none. */
static int fallback_byte(const char *content, size_t n)
{
    static const char digits[] = "0123456789ABCDEF0123456789abcdef";
    const char *high, *low;

    if (n != 6 || memcmp(content, "<0x", 3) != 0 || content[5] != '>' || !content[3] || !content[4])
        return -1;
    high = strchr(digits, content[3]);
    low = strchr(digits, content[4]);
    return high && low ? (int)((high - digits) % 16 * 16 + (low - digits) % 16) : -1;
}

/* What a token looks like to the decoder: its content, that of a normalized added token as it is
 * looked for in a text. */
static madpo_status token_shown(const madpo_tokenizer *tok, const madpo_token *t,
                                madpo_strbuf buffer[2], const char **text, size_t *n,
                                madpo_error *err)
{
    bool cut, normalized = t->added && t->normalized;

    return madpo__normalize(tok->normal, normalized ? tok->n_normals : 0, tok->pool + t->content,
                            t->n_content, buffer, text, n, &cut, err);
}

static madpo_status token_bytes(madpo_tokenizer *tok, madpo_token *t, madpo_strbuf buffer[4],
                                madpo_error *err)
{
    const madpo_decoder *d = &tok->decoder;
    const char *text = NULL;
    size_t n = 0;
    bool cut;
    int byte;
    char one;
    madpo_status st = token_shown(tok, t, buffer, &text, &n, err);

    if (st == MADPO_OK)
        st = madpo__normalize(d->step, d->n_steps, text, n, buffer + 2, &text, &n, &cut, err);
    if (st != MADPO_OK)
        return st;
    byte = d->byte_fallback ? fallback_byte(text, n) : -1;
    t->fallback = byte >= 0;
    if (byte >= 0) {
        one = (char)byte;
        text = &one;
        n = 1;
    }
    if (n == t->n_content && !memcmp(text, tok->pool + t->content, n)) {
        t->bytes = t->content;
        t->n_bytes = t->n_content;
        return MADPO_OK;
    }
    if (n > UINT32_MAX || !madpo__tokenizer_pool(tok, n + 1))
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a tokenizer's tables");
    memcpy(tok->pool + tok->n_pool, text, n);
    t->bytes = tok->n_pool;
    t->n_bytes = (uint32_t)n;
    tok->n_pool += n;
    return MADPO_OK;
}

madpo_status madpo__tokenizer_token_bytes(madpo_tokenizer *tok, madpo_error *err)
{
    bool all = tok->decoder.kind != MADPO_DECODER_BYTES; /* else they are there */
    madpo_strbuf buffer[4] = {{0}, {0}, {0}, {0}};
    madpo_status st = MADPO_OK;

    for (int32_t id = 0; id < tok->n_vocab && st == MADPO_OK; id++)
        if (tok->token[id].present && (all || (tok->token[id].added && tok->token[id].normalized)))
            st = token_bytes(tok, &tok->token[id], buffer, err);
    for (int i = 0; i < 4; i++)
        madpo_strbuf_dispose(&buffer[i]);
    return st;
}

/* ---- what is taken off the whole text ---- */

/* Text on its way out. The characters at the end that may have to go are held back (`kept`). */
static void stream_emit(madpo_tokenizer_stream *s, const char *text, size_t n)
{
    const madpo_decoder *d = &s->tok->decoder;
    size_t n_strip = strlen(d->strip);

    if (!n_strip) {
        madpo_strbuf_append_n(&s->out, text, n);
        return;
    }
    while (n) {
        bool hit = n >= n_strip && !memcmp(text, d->strip, n_strip);
        size_t used = hit ? n_strip : 1;

        if (hit && !s->inside && s->stripped < d->strip_start) {
            s->stripped++;
        } else if (hit && s->kept < d->strip_stop) {
            s->inside = true;
            s->kept++;
        } else if (hit && d->strip_stop) { /* one more than may go: the first of them stays */
            madpo_strbuf_append(&s->out, d->strip);
        } else {
            s->inside = true;
            for (; s->kept; s->kept--)
                madpo_strbuf_append(&s->out, d->strip);
            madpo_strbuf_append_n(&s->out, text, used);
        }
        text += used;
        n -= used;
    }
}

/* ---- runs of bytes ---- */

static bool is_utf8(const char *text, size_t n)
{
    size_t used;
    int32_t cp;

    for (size_t at = 0; at < n; at += used) {
        used = madpo_utf8_read(text + at, n - at, &cp);
        if (cp < 0)
            return false;
    }
    return true;
}

/* The run of byte tokens is over: text if it is UTF-8 as a whole, else U+FFFD for each byte. */
static void stream_flush_run(madpo_tokenizer_stream *s)
{
    if (s->run.n && is_utf8(s->run.s, s->run.n))
        stream_emit(s, s->run.s, s->run.n);
    else
        for (size_t i = 0; i < s->run.n; i++)
            stream_emit(s, "\xEF\xBF\xBD", 3);
    s->run.n = 0;
}

/* Bytes at the front of s that do not end inside of a character. */
static size_t whole_characters(const char *s, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)s[n - back];

        if ((c & 0xC0) != 0x80)
            return c >= 0xC2 && c <= 0xF4 &&
                           back < (c < 0xE0   ? 2u
                                   : c < 0xF0 ? 3u
                                              : 4u)
                       ? n - back
                       : n;
    }
    return n;
}

static void stream_bytes(madpo_tokenizer_stream *s, const char *bytes, size_t n)
{
    size_t whole;

    madpo_strbuf_append_n(&s->run, bytes, n);
    if (s->run.failed || !s->run.n)
        return;
    whole = whole_characters(s->run.s, s->run.n);
    madpo_strbuf_append_n(&s->out, s->run.s, whole);
    memmove(s->run.s, s->run.s + whole, s->run.n - whole);
    s->run.n -= whole;
}

/* ---- tokens ---- */

/* Metaspace drops every blank of the first token. */
static madpo_status stream_first(madpo_tokenizer_stream *s, const madpo_token *t, madpo_error *err)
{
    const madpo_pattern *blank = &s->tok->decoder.step->pattern;
    madpo_strbuf buffer[2] = {{0}, {0}};
    const char *text = NULL;
    size_t n = 0;
    madpo_status st = token_shown(s->tok, t, buffer, &text, &n, err);

    for (size_t at = 0; st == MADPO_OK && at < n;) {
        if (n - at >= blank->n_literal && !memcmp(text + at, blank->literal, blank->n_literal))
            at += blank->n_literal;
        else
            madpo_strbuf_append_char(&s->out, text[at++]);
    }
    madpo_strbuf_dispose(&buffer[0]);
    madpo_strbuf_dispose(&buffer[1]);
    return st;
}

static madpo_status stream_token(madpo_tokenizer_stream *s, const madpo_token *t, madpo_error *err)
{
    const madpo_decoder *d = &s->tok->decoder;
    const char *bytes = s->tok->pool + t->bytes;
    madpo_status st = MADPO_OK;

    if (d->kind == MADPO_DECODER_BYTES) {
        stream_bytes(s, bytes, t->n_bytes);
    } else if (d->kind == MADPO_DECODER_METASPACE && d->first && !s->n_tokens) {
        st = stream_first(s, t, err);
    } else if (d->kind == MADPO_DECODER_PIECES && t->fallback) {
        madpo_strbuf_append_n(&s->run, bytes, 1);
    } else {
        if (d->kind == MADPO_DECODER_BLANKS && s->n_tokens)
            madpo_strbuf_append_char(&s->out, ' ');
        stream_flush_run(s);
        stream_emit(s, bytes, t->n_bytes);
    }
    s->n_tokens++;
    return st;
}

static madpo_status stream_feed(madpo_tokenizer_stream *s, int32_t id, madpo_error *err)
{
    const madpo_tokenizer *tok = s->tok;
    madpo_status st = MADPO_OK;

    if (id < 0)
        return madpo_error_set(err, MADPO_ERR_DATA, "token id %ld is outside the vocabulary of %ld",
                               (long)id, (long)tok->n_vocab);
    if (id >= tok->n_vocab || !tok->token[id].present)
        return MADPO_OK;
    if (!s->skip_specials || !tok->token[id].special)
        st = stream_token(s, &tok->token[id], err);
    if (st != MADPO_OK)
        return st;
    return s->run.failed ? madpo_strbuf_check(&s->run, err) : madpo_strbuf_check(&s->out, err);
}

/* The end of the text; the stream is as new, but for what is in `out`. */
static madpo_status stream_finish(madpo_tokenizer_stream *s, madpo_error *err)
{
    if (s->tok->decoder.kind == MADPO_DECODER_BYTES)
        madpo_strbuf_append_n(&s->out, s->run.s ? s->run.s : "", s->run.n);
    else
        stream_flush_run(s);
    madpo_strbuf_reset(&s->run);
    s->n_tokens = 0;
    s->stripped = s->kept = 0;
    s->inside = false;
    return madpo_strbuf_check(&s->out, err);
}

/* ---- the public side ---- */

madpo_status madpo_tokenizer_decode(const madpo_tokenizer *tok, const int32_t *ids, size_t n_ids,
                                    bool skip_specials, char **out, size_t *n, madpo_error *err)
{
    madpo_tokenizer_stream s = {.tok = tok, .skip_specials = skip_specials};
    madpo_status st = MADPO_OK;

    *out = NULL;
    *n = 0;
    for (size_t i = 0; i < n_ids && st == MADPO_OK; i++)
        st = stream_feed(&s, ids[i], err);
    if (st == MADPO_OK)
        st = stream_finish(&s, err);
    if (st == MADPO_OK)
        st = madpo_strbuf_steal(&s.out, out, n, err);
    madpo_strbuf_dispose(&s.out);
    madpo_strbuf_dispose(&s.run);
    return st;
}

madpo_status madpo_tokenizer_stream_new(madpo_tokenizer_stream **out, const madpo_tokenizer *tok,
                                        bool skip_specials, madpo_error *err)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory to decode");
    (*out)->tok = tok;
    (*out)->skip_specials = skip_specials;
    return MADPO_OK;
}

static madpo_status stream_give(const madpo_tokenizer_stream *s, madpo_status st, const char **text,
                                size_t *n)
{
    *text = st == MADPO_OK && s->out.s ? s->out.s : "";
    *n = st == MADPO_OK ? s->out.n : 0;
    return st;
}

madpo_status madpo_tokenizer_stream_push(madpo_tokenizer_stream *stream, int32_t id,
                                         const char **text, size_t *n, madpo_error *err)
{
    madpo_strbuf_reset(&stream->out);
    return stream_give(stream, stream_feed(stream, id, err), text, n);
}

madpo_status madpo_tokenizer_stream_end(madpo_tokenizer_stream *stream, const char **text,
                                        size_t *n, madpo_error *err)
{
    madpo_strbuf_reset(&stream->out);
    return stream_give(stream, stream_finish(stream, err), text, n);
}

void madpo_tokenizer_stream_free(madpo_tokenizer_stream *stream)
{
    if (!stream)
        return;
    madpo_strbuf_dispose(&stream->out);
    madpo_strbuf_dispose(&stream->run);
    free(stream);
}
