/* A tokenizer's life, its tables and its queries; see tokenizer.h. */
#include "text/tokenizer_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/utf8.h"

/* ---- GPT-2's byte map: printable bytes stand for themselves, the other 68 for U+0100 and up ----
 */

static bool byte_is_printable(int byte)
{
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

int32_t madpo__byte_to_char(uint8_t byte)
{
    if (byte_is_printable(byte))
        return byte;
    if (byte <= 0x20) /* the three runs that are not printable: 0..0x20, 0x7F..0xA0, 0xAD */
        return 0x100 + byte;
    return byte <= 0xA0 ? 0x100 + 33 + (byte - 0x7F) : 0x100 + 67;
}

int madpo__char_to_byte(int32_t cp)
{
    int32_t nth = cp - 0x100;

    if (cp >= 0 && cp < 0x100)
        return byte_is_printable((int)cp) ? (int)cp : -1;
    if (nth < 0 || nth > 67)
        return -1;
    return nth < 33 ? nth : nth < 67 ? nth - 33 + 0x7F : 0xAD;
}

void madpo__byte_alphabet(uint8_t order[256])
{
    int n = 0;

    for (int b = 0; b < 256; b++)
        if (byte_is_printable(b))
            order[n++] = (uint8_t)b;
    for (int b = 0; b < 256; b++)
        if (!byte_is_printable(b))
            order[n++] = (uint8_t)b;
}

/* ---- lists of ids ---- */

void madpo_ids_dispose(madpo_ids *ids)
{
    free(ids->v);
    memset(ids, 0, sizeof *ids);
}

madpo_status madpo_ids_push(madpo_ids *ids, int32_t id, madpo_error *err)
{
    if (ids->n == ids->capacity) {
        size_t capacity = ids->capacity ? 2 * ids->capacity : 64;
        int32_t *v = realloc(ids->v, capacity * sizeof *v);

        if (!v)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for %zu token ids", capacity);
        ids->v = v;
        ids->capacity = capacity;
    }
    ids->v[ids->n++] = id;
    return MADPO_OK;
}

/* ---- building ---- */

madpo_status madpo__tokenizer_new(madpo_tokenizer **out, madpo_error *err)
{
    madpo_tokenizer *tok = calloc(1, sizeof *tok);

    *out = NULL;
    if (tok)
        tok->step = calloc(1, sizeof *tok->step);
    if (!tok || !tok->step) {
        free(tok);
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a tokenizer");
    }
    tok->bos = tok->eos = tok->pad = tok->unk = tok->unk_model = -1;
    tok->max_length = -1;
    tok->byte_level = true;
    tok->step->kind = MADPO_STEP_SPLIT;
    tok->step->pattern.kind = MADPO_PATTERN_GPT2;
    tok->step->behavior = MADPO_BEHAVIOR_ISOLATED;
    tok->n_steps = 1;
    *out = tok;
    return MADPO_OK;
}

static void tokenizer_free_sections(madpo_tokenizer *tok)
{
    for (int i = 0; i < tok->n_normals; i++)
        madpo__normal_dispose(&tok->normal[i]);
    free(tok->normal);
    for (int i = 0; i < tok->n_steps; i++)
        madpo__pattern_dispose(&tok->step[i].pattern);
    free(tok->step);
    for (int i = 0; i < tok->decoder.n_steps; i++)
        madpo__normal_dispose(&tok->decoder.step[i]);
    free(tok->decoder.step);
    free(tok->word_prefix);
    free(tok->word_suffix);
    madpo_ids_dispose(&tok->front);
    madpo_ids_dispose(&tok->behind);
    free(tok->chat_template);
    for (int i = 0; i < tok->n_kept; i++)
        free(tok->kept[i].text);
}

void madpo_tokenizer_free(madpo_tokenizer *tok)
{
    if (!tok)
        return;
    tokenizer_free_sections(tok);
    free(tok->token);
    free(tok->pool);
    madpo__strmap_dispose(&tok->index);
    free(tok->index_id);
    free(tok->merge);
    free(tok->merge_slot);
    free(tok->char_id);
    free(tok->joined);
    madpo__added_dispose(&tok->added[0]);
    madpo__added_dispose(&tok->added[1]);
    madpo__bpe_dispose(tok);
    for (int i = 0; i < 2; i++) {
        madpo_strbuf_dispose(&tok->normal_buffer[i]);
        madpo_strbuf_dispose(&tok->split_buffer[i]);
        free(tok->pieces[i].v);
    }
    free(tok);
}

bool madpo__tokenizer_pool(madpo_tokenizer *tok, size_t n)
{
    if (tok->capacity_pool - tok->n_pool < n) {
        size_t capacity = 2 * tok->capacity_pool + n + 4096;
        char *pool = realloc(tok->pool, capacity);

        if (!pool)
            return false;
        tok->pool = pool;
        tok->capacity_pool = capacity;
    }
    return true;
}

/* Room for ids up to `id`, and for a content of n bytes twice in the pool. */
static bool tokenizer_reserve(madpo_tokenizer *tok, int32_t id, size_t n)
{
    if (id >= tok->capacity_vocab) {
        int32_t capacity = id < 512 ? 1024 : 2 * id;
        madpo_token *token = realloc(tok->token, (size_t)capacity * sizeof *token);

        if (!token)
            return false;
        memset(token + tok->capacity_vocab, 0,
               (size_t)(capacity - tok->capacity_vocab) * sizeof *token);
        tok->token = token;
        tok->capacity_vocab = capacity;
    }
    if (!madpo__tokenizer_pool(tok, 2 * n + 2))
        return false;
    if (tok->index.n >= tok->capacity_index) {
        size_t capacity = tok->capacity_index ? 2 * tok->capacity_index : 1024;
        int32_t *index_id = realloc(tok->index_id, capacity * sizeof *index_id);

        if (!index_id)
            return false;
        tok->index_id = index_id;
        tok->capacity_index = capacity;
    }
    return true;
}

/* Map `content` back to bytes at `out` [n bytes]; false if it has a character outside the map. */
static bool tokenizer_unmap(const char *content, size_t n, char *out, uint32_t *n_bytes)
{
    size_t used;
    int32_t cp;

    *n_bytes = 0;
    for (size_t at = 0; at < n; at += used) {
        int byte;

        used = madpo_utf8_read(content + at, n - at, &cp);
        byte = cp < 0 ? -1 : madpo__char_to_byte(cp);
        if (byte < 0)
            return false;
        out[(*n_bytes)++] = (char)byte;
    }
    return true;
}

madpo_status madpo__tokenizer_put(madpo_tokenizer *tok, int32_t id, const char *content, size_t n,
                                  madpo_error *err)
{
    madpo_token *t;
    size_t number;
    bool fresh;
    madpo_status st;

    if (n > UINT32_MAX / 4 || !tokenizer_reserve(tok, id, n))
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for token %ld of the vocabulary",
                               (long)id);
    t = &tok->token[id];
    if (t->present)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "id %ld is given to two tokens: \"%s\" and \"%.*s\"", (long)id,
                               tok->pool + t->content, (int)(n < 60 ? n : 60), content);
    st = madpo__strmap_add(&tok->index, content, n, &number, &fresh, err);
    if (st != MADPO_OK)
        return st;
    if (!fresh)
        return madpo_error_set(err, MADPO_ERR_DATA, "token \"%.*s\" has two ids: %ld and %ld",
                               (int)(n < 60 ? n : 60), content, (long)tok->index_id[number],
                               (long)id);
    tok->index_id[number] = id;
    t->present = t->model = true;
    t->content = tok->n_pool;
    t->n_content = (uint32_t)n;
    tok->longest = tok->longest < t->n_content ? t->n_content : tok->longest;
    memcpy(tok->pool + tok->n_pool, content, n);
    tok->pool[tok->n_pool + n] = '\0';
    tok->n_pool += n + 1;
    t->bytes = tok->n_pool;
    if (tok->decoder.kind != MADPO_DECODER_BYTES ||
        !tokenizer_unmap(content, n, tok->pool + tok->n_pool, &t->n_bytes)) {
        t->bytes = t->content;
        t->n_bytes = (uint32_t)n;
    }
    tok->n_pool += t->bytes == t->content ? 0 : t->n_bytes;
    if (id >= tok->n_vocab)
        tok->n_vocab = id + 1;
    return MADPO_OK;
}

void madpo__tokenizer_mark_added(madpo_tokenizer *tok, int32_t id, bool special)
{
    madpo_token *t = &tok->token[id];

    t->added = true;
    t->special = special;
    t->bytes = t->content;
    t->n_bytes = t->n_content;
}

static int32_t tokenizer_first_added(const madpo_tokenizer *tok, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t id = madpo_tokenizer_id(tok, names[i]);

        if (id >= 0 && tok->token[id].added)
            return id;
    }
    return -1;
}

void madpo__tokenizer_guess_roles(madpo_tokenizer *tok, unsigned roles)
{
    static const char *const bos[] = {"<bos>", "<s>", "<|begin_of_text|>", "<|endoftext|>"};
    static const char *const eos[] = {"<eos>", "</s>", "<|end_of_text|>", "<|endoftext|>"};
    static const char *const pad[] = {"<pad>", "<|padding|>"};

    if (roles & MADPO__ROLE_BOS)
        tok->bos = tokenizer_first_added(tok, bos, sizeof bos / sizeof *bos);
    if (roles & MADPO__ROLE_EOS)
        tok->eos = tokenizer_first_added(tok, eos, sizeof eos / sizeof *eos);
    if (roles & MADPO__ROLE_PAD)
        tok->pad = tokenizer_first_added(tok, pad, sizeof pad / sizeof *pad);
}

madpo_status madpo__tokenizer_put_merge(madpo_tokenizer *tok, int32_t left, int32_t right,
                                        int32_t result, madpo_error *err)
{
    if (tok->n_merges == tok->capacity_merges) {
        size_t capacity = tok->capacity_merges ? 2 * tok->capacity_merges : 1024;
        madpo_merge *merge = realloc(tok->merge, capacity * sizeof *merge);

        if (!merge)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for %zu merges", capacity);
        tok->merge = merge;
        tok->capacity_merges = capacity;
    }
    tok->merge[tok->n_merges++] = (madpo_merge){left, right, result};
    return MADPO_OK;
}

/* ---- merges by pair ---- */

static uint64_t merge_hash(int32_t left, int32_t right)
{
    uint64_t x = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;

    x = (x ^ (x >> 31)) * 0x9E3779B97F4A7C15u; /* a finaliser in the manner of splitmix64 */
    x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9u;
    return x ^ (x >> 32);
}

/* Slot of the pair, or the free slot where it belongs. */
static size_t merge_probe(const madpo_tokenizer *tok, int32_t left, int32_t right)
{
    size_t mask = tok->n_merge_slots - 1;
    size_t at = (size_t)merge_hash(left, right) & mask;

    for (;; at = (at + 1) & mask) {
        uint32_t i = tok->merge_slot[at];

        if (!i || (tok->merge[i - 1].left == left && tok->merge[i - 1].right == right))
            return at;
    }
}

uint32_t madpo__merge_rank(const madpo_tokenizer *tok, int32_t left, int32_t right)
{
    uint32_t i = tok->merge_slot[merge_probe(tok, left, right)];

    return i ? i - 1 : UINT32_MAX;
}

madpo_status madpo__tokenizer_index_merges(madpo_tokenizer *tok, madpo_error *err)
{
    size_t n_slots = 64;

    while (n_slots < 2 * tok->n_merges + 2)
        n_slots *= 2;
    free(tok->merge_slot);
    tok->merge_slot = calloc(n_slots, sizeof *tok->merge_slot);
    if (!tok->merge_slot)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for %zu merges", tok->n_merges);
    tok->n_merge_slots = n_slots;
    for (size_t i = 0; i < tok->n_merges; i++) /* of a pair given twice the last rank wins */
        tok->merge_slot[merge_probe(tok, tok->merge[i].left, tok->merge[i].right)] =
            (uint32_t)i + 1;
    return MADPO_OK;
}

/* Look for the token as the normalizer leaves its content if it says so, else as it is written. */
static madpo_status tokenizer_index_token(madpo_tokenizer *tok, int32_t id, madpo_error *err)
{
    const madpo_token *t = &tok->token[id];
    const char *content = tok->pool + t->content;
    size_t n = t->n_content;
    madpo_status st = MADPO_OK;
    bool cut;

    if (t->normalized)
        st = madpo__normalize(tok->normal, tok->n_normals, content, n, tok->normal_buffer, &content,
                              &n, &cut, err);
    return st == MADPO_OK ? madpo__added_put(&tok->added[t->normalized], content, n, id, err) : st;
}

madpo_status madpo__tokenizer_index_added(madpo_tokenizer *tok, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    madpo__added_dispose(&tok->added[0]);
    madpo__added_dispose(&tok->added[1]);
    for (int special = 1; special >= 0; special--)
        for (int32_t id = 0; id < tok->n_vocab && st == MADPO_OK; id++)
            if (tok->token[id].added && tok->token[id].special == special)
                st = tokenizer_index_token(tok, id, err);
    return st;
}

/* A token that merges make stands for the bytes merged; as an added token it stands for its content
 * as written. Where the two differ ("\u0120the" added), decoding could not tell which it was. */
static madpo_status tokenizer_check_added(const madpo_tokenizer *tok, madpo_error *err)
{
    for (size_t i = 0; i < tok->n_merges; i++) {
        const madpo_token *t = &tok->token[tok->merge[i].result];
        const madpo_token *left = &tok->token[tok->merge[i].left];

        if (t->added && t->n_bytes != left->n_bytes + tok->token[tok->merge[i].right].n_bytes)
            return madpo_error_set(
                err, MADPO_ERR_UNSUPPORTED,
                "added token \"%.60s\" is also made by merges, from other bytes; "
                "remove it from added_tokens",
                tok->pool + t->content);
    }
    return MADPO_OK;
}

static madpo_status tokenizer_freeze_bytes(madpo_tokenizer *tok, madpo_error *err)
{
    for (int b = 0; b < 256; b++) {
        char content[4];
        size_t n = madpo_utf8_write(madpo__byte_to_char((uint8_t)b), content);

        tok->byte_id[b] = madpo__tokenizer_find_model(tok, content, n);
        if (tok->byte_id[b] < 0 || tok->token[tok->byte_id[b]].added)
            return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                                   "the vocabulary has no token for byte 0x%02X; a byte-level BPE "
                                   "needs all 256",
                                   b);
    }
    return tok->decoder.kind == MADPO_DECODER_BYTES ? tokenizer_check_added(tok, err) : MADPO_OK;
}

madpo_status madpo__tokenizer_freeze(madpo_tokenizer *tok, madpo_error *err)
{
    madpo_status st = tok->byte_level ? tokenizer_freeze_bytes(tok, err) : MADPO_OK;

    if (st == MADPO_OK && !tok->byte_level)
        st = madpo__bpe_freeze(tok, err);
    if (st == MADPO_OK)
        st = madpo__tokenizer_token_bytes(tok, err);
    if (st == MADPO_OK)
        st = madpo__tokenizer_index_added(tok, err);
    return st == MADPO_OK ? madpo__tokenizer_index_merges(tok, err) : st;
}

/* ---- queries ---- */

int32_t madpo__tokenizer_find_model(const madpo_tokenizer *tok, const char *content, size_t n)
{
    int32_t id = madpo__tokenizer_find(tok, content, n);

    return id >= 0 && tok->token[id].model ? id : -1;
}

static bool tokenizer_has(const madpo_tokenizer *tok, int32_t id)
{
    return id >= 0 && id < tok->n_vocab && tok->token[id].present;
}

bool madpo_tokenizer_is_added(const madpo_tokenizer *tok, int32_t id)
{
    return tokenizer_has(tok, id) && tok->token[id].added;
}

bool madpo_tokenizer_is_special(const madpo_tokenizer *tok, int32_t id)
{
    return tokenizer_has(tok, id) && tok->token[id].special;
}

const char *madpo_tokenizer_content(const madpo_tokenizer *tok, int32_t id)
{
    return tokenizer_has(tok, id) ? tok->pool + tok->token[id].content : NULL;
}

const char *madpo_tokenizer_bytes(const madpo_tokenizer *tok, int32_t id, size_t *n)
{
    *n = tokenizer_has(tok, id) ? tok->token[id].n_bytes : 0;
    return tokenizer_has(tok, id) ? tok->pool + tok->token[id].bytes : NULL;
}

const int32_t *madpo_tokenizer_front(const madpo_tokenizer *tok, size_t *n)
{
    *n = tok->front.n;
    return tok->front.v;
}

const int32_t *madpo_tokenizer_behind(const madpo_tokenizer *tok, size_t *n)
{
    *n = tok->behind.n;
    return tok->behind.v;
}

int64_t madpo_tokenizer_max_length(const madpo_tokenizer *tok)
{
    return tok->max_length;
}

const char *madpo_tokenizer_chat_template(const madpo_tokenizer *tok)
{
    return tok->chat_template;
}

int32_t madpo_tokenizer_unk(const madpo_tokenizer *tok)
{
    return tok->unk;
}

int32_t madpo__tokenizer_find(const madpo_tokenizer *tok, const char *content, size_t n)
{
    size_t number = madpo__strmap_find(&tok->index, content, n);

    return number == SIZE_MAX ? -1 : tok->index_id[number];
}

int32_t madpo_tokenizer_vocab(const madpo_tokenizer *tok)
{
    return tok->n_vocab;
}

int32_t madpo_tokenizer_id(const madpo_tokenizer *tok, const char *content)
{
    return madpo__tokenizer_find(tok, content, strlen(content));
}

int32_t madpo_tokenizer_bos(const madpo_tokenizer *tok)
{
    return tok->bos;
}

int32_t madpo_tokenizer_eos(const madpo_tokenizer *tok)
{
    return tok->eos;
}

int32_t madpo_tokenizer_pad(const madpo_tokenizer *tok)
{
    return tok->pad;
}
