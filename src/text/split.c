/* Pre-tokenizers of tokenizer.json; see pipeline.h. Each step takes the pieces of the one before
 * and gives its own, in the order of the text; empty ones are dropped. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/pipeline.h"
#include "text/pretokenize.h"
#include "text/utf8.h"

static madpo_status pieces_push(madpo_pieces *p, size_t start, size_t end, bool origin,
                                madpo_error *err)
{
    if (p->n == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 64;
        madpo_piece *v = realloc(p->v, capacity * sizeof *v);

        if (!v)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for %zu pieces", capacity);
        p->v = v;
        p->capacity = capacity;
    }
    p->v[p->n++] = (madpo_piece){start, end, origin};
    return MADPO_OK;
}

/* ---- matches and what lies between them, cut by a behaviour ---- */

/* The stretches of one piece come in order, matches and gaps. MergedWithNext looks at a stretch's
 * successor, so the last one is kept back until it is known. */
typedef struct splitter {
    madpo_pieces *out;
    madpo_behavior behavior;
    size_t base; /* of the piece in the text */
    bool origin; /* of the piece */
    bool any, before_match;
    size_t start, end; /* the one kept back */
    madpo_error *err;
} splitter;

static madpo_status splitter_flush(splitter *s)
{
    bool any = s->any;

    s->any = false;
    if (!any || s->start == s->end)
        return MADPO_OK;
    return pieces_push(s->out, s->base + s->start, s->base + s->end, s->origin && s->start == 0,
                       s->err);
}

/* Does a stretch grow the one before? MergedWithNext is MergedWithPrevious read from the right: a
 * match goes to what follows, unless that is a match, too. */
static bool splitter_joins(const splitter *s, bool match)
{
    switch (s->behavior) {
    case MADPO_BEHAVIOR_PREVIOUS:
        return match && !s->before_match;
    case MADPO_BEHAVIOR_NEXT:
        return s->before_match && !match;
    case MADPO_BEHAVIOR_CONTIGUOUS:
        return match == s->before_match;
    default:
        return false;
    }
}

static madpo_status splitter_add(splitter *s, size_t start, size_t end, bool match)
{
    bool joins = s->any && splitter_joins(s, match);
    madpo_status st = joins ? MADPO_OK : splitter_flush(s);

    if (st != MADPO_OK)
        return st;
    s->start = joins ? s->start : start;
    s->end = end;
    s->any = joins || !(s->behavior == MADPO_BEHAVIOR_REMOVED && match);
    s->before_match = match;
    return MADPO_OK;
}

static madpo_status split_pattern(splitter *s, const madpo_pattern *p, bool invert,
                                  const char *text, size_t n)
{
    madpo_find f = {.p = p, .text = text, .n = n};
    size_t done = 0;
    bool found = true;
    madpo_status st = MADPO_OK;

    while (st == MADPO_OK) {
        st = madpo__find_next(&f, &found, s->err);
        if (st != MADPO_OK || !found)
            break;
        if (f.start > done)
            st = splitter_add(s, done, f.start, invert);
        if (st == MADPO_OK)
            st = splitter_add(s, f.start, f.end, !invert);
        done = f.end;
    }
    if (st == MADPO_OK && done < n)
        st = splitter_add(s, done, n, invert);
    return st == MADPO_OK ? splitter_flush(s) : st;
}

static madpo_status split_digits(splitter *s, const char *text, size_t n)
{
    size_t done = 0, used;
    madpo_status st = MADPO_OK;
    int32_t cp;

    for (size_t at = 0; at < n && st == MADPO_OK; at += used) {
        used = madpo_utf8_read(text + at, n - at, &cp);
        if (!madpo__is_number(cp))
            continue;
        if (done < at)
            st = splitter_add(s, done, at, false);
        if (st == MADPO_OK)
            st = splitter_add(s, at, at + used, true);
        done = at + used;
    }
    if (st == MADPO_OK && done < n)
        st = splitter_add(s, done, n, false);
    return st == MADPO_OK ? splitter_flush(s) : st;
}

/* ---- steps that change the text ---- */

static bool starts_with(const char *text, size_t n, const char *with, size_t n_with)
{
    return n >= n_with && !memcmp(text, with, n_with);
}

static void metaspace_text(const madpo_step *step, const char *text, size_t n, bool origin,
                           madpo_strbuf *out)
{
    const madpo_pattern *p = &step->pattern;

    if (step->prepend != MADPO_PREPEND_NEVER && *text != ' ' &&
        !starts_with(text, n, p->literal, p->n_literal) &&
        (step->prepend == MADPO_PREPEND_ALWAYS || origin))
        madpo_strbuf_append_n(out, p->literal, p->n_literal);
    for (size_t at = 0, end; at < n; at = end) {
        const char *blank = memchr(text + at, ' ', n - at);

        end = blank ? (size_t)(blank - text) : n;
        madpo_strbuf_append_n(out, text + at, end - at);
        if (blank) {
            madpo_strbuf_append_n(out, p->literal, p->n_literal);
            end++;
        }
    }
}

static madpo_status split_change(const madpo_step *step, const char *text, const madpo_piece *piece,
                                 madpo_strbuf *buffer, madpo_pieces *out, madpo_error *err)
{
    const char *part = text + piece->start;
    size_t n = piece->end - piece->start, start = buffer->n;
    splitter s = {.out = out, .behavior = MADPO_BEHAVIOR_NEXT, .base = start, .err = err};
    madpo_status st;

    if (step->kind == MADPO_STEP_METASPACE) {
        metaspace_text(step, part, n, piece->origin, buffer);
    } else {
        if (*part != ' ')
            madpo_strbuf_append_char(buffer, ' ');
        madpo_strbuf_append_n(buffer, part, n);
    }
    st = madpo_strbuf_check(buffer, err);
    if (st != MADPO_OK)
        return st;
    if (step->kind != MADPO_STEP_METASPACE || !step->split)
        return pieces_push(out, start, buffer->n, piece->origin, err);
    s.origin = piece->origin;
    return split_pattern(&s, &step->pattern, false, buffer->s + start, buffer->n - start);
}

/* ---- the list ---- */

static madpo_status split_piece(const madpo_step *step, const char *text, const madpo_piece *piece,
                                madpo_strbuf *buffer, madpo_pieces *out, madpo_error *err)
{
    splitter s = {.out = out,
                  .behavior = step->behavior,
                  .base = piece->start,
                  .origin = piece->origin,
                  .err = err};
    const char *part = text + piece->start;
    size_t n = piece->end - piece->start;

    if (step->kind == MADPO_STEP_SPLIT)
        return split_pattern(&s, &step->pattern, step->invert, part, n);
    if (step->kind == MADPO_STEP_DIGITS)
        return split_digits(&s, part, n);
    return split_change(step, text, piece, buffer, out, err);
}

madpo_status madpo__split(const madpo_step *step, int n_steps, const char *text, size_t n,
                          bool origin, madpo_strbuf buffer[2], madpo_pieces pieces[2],
                          const char **out, int *which, madpo_error *err)
{
    madpo_status st;
    int text_in = 1; /* the buffer that must not be written to */

    *out = text;
    *which = 0;
    pieces[0].n = 0;
    st = n ? pieces_push(&pieces[0], 0, n, origin, err) : MADPO_OK;
    for (int i = 0; i < n_steps && st == MADPO_OK; i++) {
        const madpo_pieces *from = &pieces[*which];
        madpo_pieces *to = &pieces[!*which];
        bool changes = step[i].kind == MADPO_STEP_BLANK || step[i].kind == MADPO_STEP_METASPACE;
        madpo_strbuf *fresh = &buffer[!text_in];

        to->n = 0;
        if (changes)
            madpo_strbuf_reset(fresh);
        for (size_t k = 0; k < from->n && st == MADPO_OK; k++)
            st = split_piece(&step[i], *out, &from->v[k], fresh, to, err);
        if (changes && st == MADPO_OK) {
            *out = fresh->s ? fresh->s : "";
            text_in = !text_in;
        }
        *which = !*which;
    }
    return st;
}
