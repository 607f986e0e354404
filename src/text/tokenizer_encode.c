/* Encoding: added tokens, normalizer, pieces, merges, template; see tokenizer.h. The order is that
 * of Hugging Face's library:
 *
 *     text -> cut at added tokens that are not normalized -> normalizer on each stretch
 *          -> cut at added tokens that are -> pre-tokenizer on each stretch -> merges in each piece
 */
#include "base/error.h"
#include "text/tokenizer_inside.h"

/* One cut at added tokens: what is done with a stretch between them. `origin`: it begins where the
 * whole text begins. */
typedef struct encoder {
    madpo_tokenizer *tok;
    bool specials;
    madpo_ids *out;
    madpo_error *err;
} encoder;

/* A stretch without added tokens. */
static madpo_status encode_pieces(const encoder *e, const char *text, size_t n, bool origin)
{
    madpo_tokenizer *tok = e->tok;
    madpo_status st = MADPO_OK;
    int which;

    if (tok->n_steps == 0)
        return n ? madpo__bpe_piece(tok, text, n, e->out, e->err) : MADPO_OK;
    if (tok->n_steps == 1 && tok->step->kind == MADPO_STEP_SPLIT &&
        tok->step->pattern.kind >= MADPO_PATTERN_GPT2 &&
        tok->step->behavior == MADPO_BEHAVIOR_ISOLATED) { /* piece by piece, without a list */
        madpo_find f = {.p = &tok->step->pattern, .text = text, .n = n};
        bool found = true;

        while (st == MADPO_OK) {
            st = madpo__find_next(&f, &found, e->err);
            if (st != MADPO_OK || !found)
                break;
            st = madpo__bpe_piece(tok, text + f.start, f.end - f.start, e->out, e->err);
        }
        return st;
    }
    st = madpo__split(tok->step, tok->n_steps, text, n, origin, tok->split_buffer, tok->pieces,
                      &text, &which, e->err);
    for (size_t i = 0; st == MADPO_OK && i < tok->pieces[which].n; i++) {
        const madpo_piece *p = &tok->pieces[which].v[i];

        st = madpo__bpe_piece(tok, text + p->start, p->end - p->start, e->out, e->err);
    }
    return st;
}

static madpo_status encode_cut(const encoder *e, bool normalized, const char *text, size_t n,
                               bool origin);

/* A stretch of the text as it was written. */
static madpo_status encode_stretch(const encoder *e, const char *text, size_t n, bool origin)
{
    madpo_tokenizer *tok = e->tok;
    bool cut;
    madpo_status st = madpo__normalize(tok->normal, tok->n_normals, text, n, tok->normal_buffer,
                                       &text, &n, &cut, e->err);

    return st == MADPO_OK ? encode_cut(e, true, text, n, origin && !cut) : st;
}

static madpo_status encode_between(const encoder *e, bool normalized, const char *text, size_t n,
                                   bool origin)
{
    if (!n)
        return MADPO_OK;
    return normalized ? encode_pieces(e, text, n, origin) : encode_stretch(e, text, n, origin);
}

/* Does the match stand? With lstrip and rstrip it takes the blanks beside it, but not those that
 * the match before took. */
static bool encode_widen(const madpo_token *t, const char *text, size_t n, size_t done,
                         size_t *start, size_t *end)
{
    if (t->single_word && (madpo__word_before(text, *start) || madpo__word_behind(text, n, *end)))
        return false;
    if (t->lstrip && *start > done)
        *start -= madpo__space_before(text, done, *start);
    else if (t->lstrip)
        *start = done;
    if (t->rstrip)
        *end += madpo__space_behind(text, n, *end);
    return true;
}

static madpo_status encode_cut(const encoder *e, bool normalized, const char *text, size_t n,
                               bool origin)
{
    const madpo_added *set = &e->tok->added[normalized];
    size_t done = 0, at = 0, start, end = 0;
    madpo_status st = MADPO_OK;

    while (st == MADPO_OK) {
        int32_t id = madpo__added_find(set, text, n, at, &start, &end);
        const madpo_token *t = id < 0 ? NULL : &e->tok->token[id];

        if (!t)
            break;
        at = end; /* the search goes on there, whatever becomes of this match */
        if ((t->special && !e->specials) || !encode_widen(t, text, n, done, &start, &end))
            continue;
        if (start > done)
            st = encode_between(e, normalized, text + done, start - done, origin && !done);
        if (st == MADPO_OK)
            st = madpo_ids_push(e->out, id, e->err);
        done = end;
    }
    if (st == MADPO_OK && done < n)
        st = encode_between(e, normalized, text + done, n - done, origin && !done);
    return st;
}

madpo_status madpo_tokenizer_encode(madpo_tokenizer *tok, const char *text, size_t n, bool specials,
                                    madpo_ids *out, madpo_error *err)
{
    encoder e = {tok, specials, out, err};

    return encode_cut(&e, false, text, n, true);
}

static madpo_status encode_ids(const madpo_ids *ids, madpo_ids *out, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    for (size_t i = 0; i < ids->n && st == MADPO_OK; i++)
        st = madpo_ids_push(out, ids->v[i], err);
    return st;
}

madpo_status madpo_tokenizer_encode_with_specials(madpo_tokenizer *tok, const char *text, size_t n,
                                                  bool specials, madpo_ids *out, madpo_error *err)
{
    madpo_status st = encode_ids(&tok->front, out, err);

    if (st == MADPO_OK)
        st = madpo_tokenizer_encode(tok, text, n, specials, out, err);
    return st == MADPO_OK ? encode_ids(&tok->behind, out, err) : st;
}
