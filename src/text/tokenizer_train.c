/* Training a byte-level BPE (Sennrich, Haddow, Birch 2016, over bytes as in Radford et al. 2019).
 *
 * The texts are cut into pieces once and distinct pieces counted. Pair counts over those are kept
 * up to date merge by merge: each pair knows in which words it (may) occur, a heap gives the most
 * frequent, entries whose count has changed go back with the new one. Ties go to the lowest left
 * id, then right id. Ids, merges and ties come out as in Hugging Face's BpeTrainer with ByteLevel's
 * initial alphabet. */
#include "text/tokenizer_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/pretokenize.h"
#include "text/utf8.h"

typedef struct train_pair {
    int32_t left, right;
    int64_t count;
    uint32_t *word; /* [n] words it was seen in; some may have lost it since */
    uint32_t n, capacity;
    bool touched; /* in trainer.touched */
    bool merged;  /* has its rank already; see train_merges */
} train_pair;

typedef struct train_entry { /* of the heap */
    int64_t count;
    int32_t left, right;
    uint32_t pair;
} train_entry;

typedef struct trainer {
    madpo_tokenizer *tok;
    madpo_strmap words;
    int64_t *count; /* [n words] */
    size_t capacity_count;
    int32_t *symbol;  /* word w: symbol[start .. start + len[w]), start = where its bytes start */
    uint32_t *len;    /* [n words] */
    train_pair *pair; /* [n_pairs] */
    size_t n_pairs, capacity_pairs;
    uint32_t *slot; /* [n_slots] open addressing: pair number + 1, 0 = free */
    size_t n_slots;
    train_entry *heap;
    size_t n_heap, capacity_heap;
    uint32_t *touched; /* pairs that gained count in the current merge */
    size_t n_touched, capacity_touched;
    bool failed; /* an allocation did; checked after each merge */
} trainer;

void madpo_tokenizer_train_options_defaults(madpo_tokenizer_train_options *options)
{
    static const char *const specials[] = {"<pad>", "<bos>", "<eos>"};

    *options = (madpo_tokenizer_train_options){
        .vocab = 4096, .specials = specials, .n_specials = 3, .min_count = 2};
}

/* The array with room for item n: itself, or moved to twice the size. NULL (and failed) without
 * memory, the array then staying as it is. */
static void *train_room(trainer *t, void *array, size_t n, size_t *capacity, size_t size)
{
    size_t wanted = *capacity ? 2 * *capacity : 1024;
    void *bigger;

    if (n < *capacity)
        return array;
    bigger = realloc(array, wanted * size);
    if (bigger)
        *capacity = wanted;
    else
        t->failed = true;
    return bigger;
}

/* ---- words ---- */

static madpo_status train_count_text(trainer *t, const madpo_text *text, madpo_error *err)
{
    size_t end, number;
    bool fresh;

    for (size_t at = 0; at < text->n; at = end) {
        int64_t *count;
        madpo_status st;

        end = madpo__pretokenize_next(text->bytes, text->n, at);
        if (end - at < 2) /* a single byte has no pair */
            continue;
        if (end - at > INT32_MAX)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "a text of %zu bytes has no blank to cut it at; split it up",
                                   text->n);
        st = madpo__strmap_add(&t->words, text->bytes + at, end - at, &number, &fresh, err);
        if (st != MADPO_OK)
            return st;
        count = train_room(t, t->count, number, &t->capacity_count, sizeof *count);
        if (!count)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory to count words");
        t->count = count;
        t->count[number] = (fresh ? 0 : t->count[number]) + 1;
    }
    return MADPO_OK;
}

static size_t train_word_start(const trainer *t, size_t w)
{
    return w ? t->words.end[w - 1] : 0;
}

/* ---- pairs ---- */

static uint64_t train_hash(int32_t left, int32_t right)
{
    uint64_t x = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;

    x *= 0x9E3779B97F4A7C15u;
    return x ^ (x >> 32);
}

static size_t train_probe(const trainer *t, int32_t left, int32_t right)
{
    size_t mask = t->n_slots - 1, at = (size_t)train_hash(left, right) & mask;

    while (t->slot[at] &&
           (t->pair[t->slot[at] - 1].left != left || t->pair[t->slot[at] - 1].right != right))
        at = (at + 1) & mask;
    return at;
}

static bool train_grow_slots(trainer *t)
{
    size_t n_slots = t->n_slots ? 2 * t->n_slots : 4096;
    uint32_t *slot = calloc(n_slots, sizeof *slot);

    if (!slot) {
        t->failed = true;
        return false;
    }
    free(t->slot);
    t->slot = slot;
    t->n_slots = n_slots;
    for (size_t i = 0; i < t->n_pairs; i++)
        t->slot[train_probe(t, t->pair[i].left, t->pair[i].right)] = (uint32_t)i + 1;
    return true;
}

/* The pair, added if new; NULL without memory. */
static train_pair *train_find(trainer *t, int32_t left, int32_t right)
{
    size_t at;

    if (2 * (t->n_pairs + 1) > t->n_slots && !train_grow_slots(t))
        return NULL;
    at = train_probe(t, left, right);
    if (!t->slot[at]) {
        train_pair *pair = train_room(t, t->pair, t->n_pairs, &t->capacity_pairs, sizeof *pair);

        if (!pair)
            return NULL;
        t->pair = pair;
        t->pair[t->n_pairs] = (train_pair){left, right, 0, NULL, 0, 0, false, false};
        t->slot[at] = (uint32_t)++t->n_pairs;
    }
    return &t->pair[t->slot[at] - 1];
}

/* Note that the pair occurs in word w. */
static bool train_see(trainer *t, train_pair *p, size_t w)
{
    if (p->n && p->word[p->n - 1] == (uint32_t)w)
        return true;
    if (p->n == p->capacity) {
        uint32_t capacity = p->capacity ? 2 * p->capacity : 4;
        uint32_t *word = realloc(p->word, capacity * sizeof *word);

        if (!word) {
            t->failed = true;
            return false;
        }
        p->word = word;
        p->capacity = capacity;
    }
    p->word[p->n++] = (uint32_t)w;
    return true;
}

/* Add `by` occurrences in word w; a gain puts the pair on the list for the heap. */
static void train_change(trainer *t, int32_t left, int32_t right, int64_t by, size_t w)
{
    train_pair *p = train_find(t, left, right);
    uint32_t *touched;

    if (!p)
        return;
    p->count += by;
    if (by < 0 || !train_see(t, p, w) || p->touched)
        return;
    touched = train_room(t, t->touched, t->n_touched, &t->capacity_touched, sizeof *touched);
    if (!touched)
        return;
    t->touched = touched;
    p->touched = true;
    t->touched[t->n_touched++] = (uint32_t)(p - t->pair);
}

/* ---- heap: highest count, then lowest ids ---- */

static bool train_before(const train_entry *a, const train_entry *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

static void train_push(trainer *t, uint32_t pair)
{
    train_entry e = {t->pair[pair].count, t->pair[pair].left, t->pair[pair].right, pair};
    train_entry *heap = train_room(t, t->heap, t->n_heap, &t->capacity_heap, sizeof *heap);
    size_t at = t->n_heap;

    if (!heap)
        return;
    t->heap = heap;
    t->n_heap++;
    for (; at > 0 && train_before(&e, &t->heap[(at - 1) / 2]); at = (at - 1) / 2)
        t->heap[at] = t->heap[(at - 1) / 2];
    t->heap[at] = e;
}

static train_entry train_pop(trainer *t)
{
    train_entry top = t->heap[0], last = t->heap[--t->n_heap];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= t->n_heap)
            break;
        if (child + 1 < t->n_heap && train_before(&t->heap[child + 1], &t->heap[child]))
            child++;
        if (!train_before(&t->heap[child], &last))
            break;
        t->heap[at] = t->heap[child];
        at = child;
    }
    t->heap[at] = last;
    return top;
}

static void train_push_touched(trainer *t)
{
    for (size_t i = 0; i < t->n_touched; i++) {
        t->pair[t->touched[i]].touched = false;
        train_push(t, t->touched[i]);
    }
    t->n_touched = 0;
}

/* The most frequent pair, or UINT32_MAX if none reaches min_count. */
static uint32_t train_best(trainer *t, int64_t min_count)
{
    while (t->n_heap && !t->failed) {
        train_entry e = train_pop(t);

        if (e.count != t->pair[e.pair].count) {
            if (t->pair[e.pair].count >= min_count)
                train_push(t, e.pair);
            continue;
        }
        return e.count >= min_count && e.count > 0 ? e.pair : UINT32_MAX;
    }
    return UINT32_MAX;
}

/* ---- merging ---- */

/* Replace left right by `result` in word w, from the left, keeping counts: "x left right y" loses
 * (x, left) and (right, y) and gains (x, result) and (result, y). */
static void train_merge_word(trainer *t, size_t w, int32_t left, int32_t right, int32_t result)
{
    int32_t *s = t->symbol + train_word_start(t, w);
    uint32_t n = t->len[w], to = 0;
    int64_t count = t->count[w];

    for (uint32_t from = 0; from < n; to++) {
        if (from + 1 >= n || s[from] != left || s[from + 1] != right) {
            s[to] = s[from++];
            continue;
        }
        if (to > 0) {
            train_change(t, s[to - 1], left, -count, w);
            train_change(t, s[to - 1], result, count, w);
        }
        if (from + 2 < n) {
            train_change(t, right, s[from + 2], -count, w);
            train_change(t, result, s[from + 2], count, w);
        }
        s[to] = result;
        from += 2;
    }
    t->len[w] = to;
}

static void train_merge(trainer *t, uint32_t pair, int32_t result)
{
    int32_t left = t->pair[pair].left, right = t->pair[pair].right;
    uint32_t *word = t->pair[pair].word, n = t->pair[pair].n;

    /* taken out first: merging may move the table and, through a result that existed, refill the
     * list */
    t->pair[pair].word = NULL;
    t->pair[pair].n = t->pair[pair].capacity = 0;
    for (uint32_t i = 0; i < n && !t->failed; i++)
        train_merge_word(t, word[i], left, right, result);
    t->pair[pair].count = 0;
    free(word);
    train_push_touched(t);
}

/* The token that left + right make, added if new; -1 if it would be a special token, which no merge
 * may make. */
static madpo_status train_token(trainer *t, int32_t left, int32_t right, int32_t *result,
                                madpo_error *err)
{
    const madpo_token *a = &t->tok->token[left], *b = &t->tok->token[right];
    size_t n = (size_t)a->n_content + b->n_content;
    char *content = malloc(n);
    madpo_status st = MADPO_OK;

    *result = -1;
    if (!content)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a token of %zu bytes", n);
    memcpy(content, t->tok->pool + a->content, a->n_content);
    memcpy(content + a->n_content, t->tok->pool + b->content, b->n_content);
    *result = madpo__tokenizer_find(t->tok, content, n);
    if (*result >= 0 && t->tok->token[*result].added) {
        *result = -1;
    } else if (*result < 0) {
        *result = t->tok->n_vocab;
        st = madpo__tokenizer_put(t->tok, *result, content, n, err);
    }
    free(content);
    return st;
}

static madpo_status train_merges(trainer *t, const madpo_tokenizer_train_options *options,
                                 madpo_error *err)
{
    while (t->tok->n_vocab < options->vocab) {
        uint32_t best = train_best(t, options->min_count);
        int32_t left, right, result;
        madpo_status st;

        if (t->failed)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for %zu pairs", t->n_pairs);
        if (best == UINT32_MAX)
            return MADPO_OK;
        left = t->pair[best].left;
        right = t->pair[best].right;
        /* a result that existed already can bring a merged pair back: it has its rank */
        st = train_token(t, left, right, &result, err);
        if (st == MADPO_OK && result >= 0 && !t->pair[best].merged)
            st = madpo__tokenizer_put_merge(t->tok, left, right, result, err);
        t->pair[best].merged = true;
        if (st != MADPO_OK)
            return st;
        if (result >= 0)
            train_merge(t, best, result);
        else
            t->pair[best].count = 0;
    }
    return MADPO_OK;
}

/* ---- the whole ---- */

static madpo_status train_first_tokens(trainer *t, const madpo_tokenizer_train_options *options,
                                       madpo_error *err)
{
    uint8_t order[256];
    madpo_status st = MADPO_OK;

    for (int i = 0; i < options->n_specials && st == MADPO_OK; i++) {
        st = madpo__tokenizer_put(t->tok, i, options->specials[i], strlen(options->specials[i]),
                                  err);
        if (st == MADPO_OK)
            madpo__tokenizer_mark_added(t->tok, i, true);
    }
    madpo__byte_alphabet(order);
    for (int i = 0; i < 256 && st == MADPO_OK; i++) {
        char content[4];
        size_t n = madpo_utf8_write(madpo__byte_to_char(order[i]), content);

        st = madpo__tokenizer_put(t->tok, options->n_specials + i, content, n, err);
    }
    return st == MADPO_OK ? madpo__tokenizer_freeze(t->tok, err) : st;
}

/* Words as ids of their bytes, and the counts of all pairs in them. */
static madpo_status train_first_pairs(trainer *t, madpo_error *err)
{
    t->symbol = malloc((t->words.n_bytes + 1) * sizeof *t->symbol);
    t->len = malloc((t->words.n + 1) * sizeof *t->len);
    if (!t->symbol || !t->len)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for %zu words", t->words.n);
    for (size_t i = 0; i < t->words.n_bytes; i++)
        t->symbol[i] = t->tok->byte_id[(unsigned char)t->words.bytes[i]];
    for (size_t w = 0; w < t->words.n && !t->failed; w++) {
        size_t start = train_word_start(t, w);

        t->len[w] = (uint32_t)(t->words.end[w] - start);
        for (size_t i = start; i + 1 < t->words.end[w]; i++)
            train_change(t, t->symbol[i], t->symbol[i + 1], t->count[w], w);
    }
    train_push_touched(t);
    return t->failed ? madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for %zu pairs", t->n_pairs)
                     : MADPO_OK;
}

static void trainer_dispose(trainer *t)
{
    madpo_tokenizer_free(t->tok);
    madpo__strmap_dispose(&t->words);
    for (size_t i = 0; i < t->n_pairs; i++)
        free(t->pair[i].word);
    free(t->pair);
    free(t->count);
    free(t->symbol);
    free(t->len);
    free(t->slot);
    free(t->heap);
    free(t->touched);
}

madpo_status madpo_tokenizer_train(madpo_tokenizer **out, const madpo_text *texts, size_t n,
                                   const madpo_tokenizer_train_options *options, madpo_error *err)
{
    trainer t = {0};
    int32_t least = options->n_specials + 256;
    madpo_status st;

    *out = NULL;
    if (options->vocab < least)
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "a vocabulary of %ld is smaller than %d special tokens + 256 bytes; set "
            "tokenizer.vocab to at least %ld",
            (long)options->vocab, options->n_specials, (long)least);
    st = madpo__tokenizer_new(&t.tok, err);
    if (st == MADPO_OK)
        st = train_first_tokens(&t, options, err);
    for (size_t i = 0; i < n && st == MADPO_OK; i++)
        st = train_count_text(&t, &texts[i], err);
    if (st == MADPO_OK)
        st = train_first_pairs(&t, err);
    if (st == MADPO_OK)
        st = train_merges(&t, options, err);
    if (st == MADPO_OK)
        st = madpo__tokenizer_index_merges(t.tok, err);
    if (st == MADPO_OK) {
        madpo__tokenizer_guess_roles(t.tok, MADPO__ROLE_BOS | MADPO__ROLE_EOS | MADPO__ROLE_PAD);
        *out = t.tok;
        t.tok = NULL; /* moved to the caller */
    }
    trainer_dispose(&t);
    return st;
}
