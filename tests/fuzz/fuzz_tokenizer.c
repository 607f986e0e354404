/* Any bytes as tokenizer.json; a file that is taken must encode and decode any text, here the file
 * itself: byte-level ones without loss, all of them the same at once and id by id. */
#include <string.h>

#include "base/strbuf.h"
#include "tests/fuzz/fuzz.h"
#include "text/tokenizer.h"
#include "text/tokenizer_inside.h"

/* Must every text come back as it was? */
static bool is_lossless(const madpo_tokenizer *tok)
{
    if (!tok->byte_level || tok->n_normals || tok->decoder.kind != MADPO_DECODER_BYTES)
        return false;
    for (int i = 0; i < tok->n_steps; i++)
        if ((tok->step[i].kind != MADPO_STEP_SPLIT && tok->step[i].kind != MADPO_STEP_DIGITS) ||
            tok->step[i].behavior == MADPO_BEHAVIOR_REMOVED)
            return false;
    for (int32_t id = 0; id < tok->n_vocab; id++)
        if (tok->token[id].lstrip || tok->token[id].rstrip)
            return false;
    return true;
}

/* A pattern of PCRE2's may give up on a text. */
static bool may_give_up(const madpo_tokenizer *tok)
{
    for (int i = 0; i < tok->n_steps; i++)
        if (tok->step[i].pattern.kind == MADPO_PATTERN_REGEX)
            return true;
    for (int i = 0; i < tok->n_normals; i++)
        if (tok->normal[i].pattern.kind == MADPO_PATTERN_REGEX)
            return true;
    return false;
}

static void check_stream(const madpo_tokenizer *tok, const madpo_ids *ids, bool skip,
                         const char *want, size_t n_want)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tokenizer_stream *s;
    madpo_strbuf all = {0};
    const char *part;
    size_t n;

    FUZZ_CHECK(madpo_tokenizer_stream_new(&s, tok, skip, &err) == MADPO_OK);
    for (size_t i = 0; i < ids->n; i++) {
        FUZZ_CHECK(madpo_tokenizer_stream_push(s, ids->v[i], &part, &n, &err) == MADPO_OK);
        FUZZ_CHECK(part[n] == '\0');
        madpo_strbuf_append_n(&all, part, n);
    }
    FUZZ_CHECK(madpo_tokenizer_stream_end(s, &part, &n, &err) == MADPO_OK);
    madpo_strbuf_append_n(&all, part, n);
    FUZZ_CHECK(all.n == n_want && (!n_want || !memcmp(all.s, want, n_want)));
    madpo_strbuf_dispose(&all);
    madpo_tokenizer_stream_free(s);
}

static void check_text(madpo_tokenizer *tok, const char *text, size_t n_text)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_ids ids = {0};
    char *back;
    size_t n;
    madpo_status st = madpo_tokenizer_encode(tok, text, n_text, true, &ids, &err);

    FUZZ_CHECK(st == MADPO_OK || (st == MADPO_ERR_DATA && may_give_up(tok)));
    for (int skip = 0; skip < 2 && st == MADPO_OK; skip++) {
        FUZZ_CHECK(madpo_tokenizer_decode(tok, ids.v, ids.n, skip, &back, &n, &err) == MADPO_OK);
        FUZZ_CHECK(skip || !is_lossless(tok) || (n == n_text && !memcmp(back, text, n)));
        check_stream(tok, &ids, skip, back, n);
        free(back);
    }
    ids.n = 0;
    FUZZ_CHECK(madpo_tokenizer_encode_with_specials(tok, text, n_text, false, &ids, &err) == st ||
               may_give_up(tok));
    madpo_ids_dispose(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *text = malloc(size + 1);
    madpo_tokenizer *tok;
    madpo_status st;

    FUZZ_CHECK(text != NULL);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    st = madpo__tokenizer_parse(&tok, text, size, "input", &err);
    FUZZ_CHECK((st == MADPO_OK) == (tok != NULL));
    FUZZ_CHECK(st == MADPO_OK ||
               ((st == MADPO_ERR_DATA || st == MADPO_ERR_UNSUPPORTED) && err.message[0]));
    if (!tok)
        return 0;
    check_text(tok, (const char *)data, size);
    check_text(tok, "", 0);
    madpo_tokenizer_free(tok);
    return 0;
}
