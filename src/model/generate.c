/* Generation with a KV cache.
 *
 * A prompt is computed once, packed with the others, and its keys and values are stored into the
 * slots of all its samples. Then one step a token: the sequences still going are rows 0..B-1 of
 * every product, in the order of their slots, so a step gets cheaper as sequences end. A row's bits
 * depend on nothing but its own sequence, and its draws on its own stream, so neither does the
 * text.
 *
 * One step moves one block of integers to the device and B ids back:
 *
 *     step   | ids | slot | pos | len | stream | counter | row 0..B-1 |  drawn |
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/internal.h"
#include "ops/embedding.h"
#include "ops/sample.h"

#define STEP_FIELDS 7 /* sent; the drawn ids are an eighth */

madpo_status madpo__gen_init(madpo_model *m, madpo_error *err)
{
    madpo__gen *g = &m->gen;
    madpo_batch *b = &g->prefill;
    size_t slots = (size_t)g->slots, rows = (size_t)m->rows;
    size_t store = 3 * slots * (size_t)g->len, step = (STEP_FIELDS + 1) * slots;

    if (g->slots == 0)
        return MADPO_OK;
    g->k = calloc((size_t)m->config.L, sizeof *g->k);
    g->v = calloc((size_t)m->config.L, sizeof *g->v);
    g->host = calloc(store > step ? store : step, sizeof *g->host);
    g->live = calloc(slots, sizeof *g->live);
    g->filled = calloc(slots, sizeof *g->filled);
    g->last = calloc(slots, sizeof *g->last);
    b->ids = calloc(rows, sizeof *b->ids);
    b->pos = calloc(rows, sizeof *b->pos);
    b->tok_seg = calloc(rows, sizeof *b->tok_seg);
    b->seg = calloc((size_t)m->options.max_segments, sizeof *b->seg);
    if (!g->k || !g->v || !g->host || !g->live || !g->filled || !g->last || !b->ids || !b->pos ||
        !b->tok_seg || !b->seg)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory preparing generation");
    return MADPO_OK;
}

void madpo__gen_dispose(madpo_model *m)
{
    madpo__gen *g = &m->gen;

    free(g->k);
    free(g->v);
    free(g->host);
    free(g->live);
    free(g->filled);
    free(g->last);
    free(g->prefill.ids);
    free(g->prefill.pos);
    free(g->prefill.tok_seg);
    free(g->prefill.seg);
}

/* One call of madpo_model_generate. */
typedef struct run {
    madpo_model *m;
    const madpo_generate_options *o;
    const int32_t *const *prompt;
    const int32_t *n_prompt;
    size_t n;
    int32_t *out, *out_len; /* by slot */
    bool *ended;
    int64_t live;  /* B */
    int32_t drawn; /* tokens every live sequence has: the next draw's counter */
} run;

static madpo_status check_request(const run *r, madpo_error *err)
{
    const madpo_model *m = r->m;
    const madpo_generate_options *o = r->o;

    if (m->gen.slots == 0 || m->options.reward_head)
        return madpo_error_set(err, MADPO_ERR_USAGE, "this model was not made to generate");
    if (o->samples_per_prompt < 1 || o->max_new < 0 ||
        (int64_t)r->n > m->gen.slots / o->samples_per_prompt)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "%zu prompts of %d samples do not fit into %lld generation slots; "
                               "raise generate.batch",
                               r->n, (int)o->samples_per_prompt, (long long)m->gen.slots);
    for (size_t i = 0; i < r->n; i++) {
        if (r->n_prompt[i] < 1)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "prompt %zu has no tokens; it needs a bos token at least", i);
        if (r->n_prompt[i] > m->rows || r->n_prompt[i] > m->gen.len - o->max_new)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "prompt %zu: %d tokens and %d new ones do not fit into %lld "
                                   "positions; lower generate.prompt_tokens or generate.max_new",
                                   i, (int)r->n_prompt[i], (int)o->max_new, (long long)m->gen.len);
    }
    return MADPO_OK;
}

/* ---- prompts ---- */

/* Pack prompts first.. into the prefill batch as far as they fit; returns the end. */
static size_t pack_prompts(run *r, size_t first)
{
    madpo_model *m = r->m;
    madpo_batch *b = &m->gen.prefill;
    size_t i = first;

    b->T = 0;
    b->n_seg = 0;
    while (i < r->n && b->T + r->n_prompt[i] <= m->rows && b->n_seg < m->options.max_segments) {
        b->seg[b->n_seg] = (madpo_segment){.start = (int32_t)b->T, .len = r->n_prompt[i]};
        for (int32_t j = 0; j < r->n_prompt[i]; j++) {
            b->ids[b->T] = r->prompt[i][j];
            b->pos[b->T] = j;
            b->tok_seg[b->T++] = (int32_t)b->n_seg;
        }
        b->n_seg++;
        i++;
    }
    return i;
}

/* List what to keep of prompts first..end: every token's keys and values, once per sample. */
static int64_t list_stores(run *r, size_t first, size_t end, int64_t capacity)
{
    const madpo__gen *g = &r->m->gen;
    int32_t *token = g->host, *slot = token + capacity, *pos = slot + capacity, at = 0;
    int64_t n = 0;

    for (size_t i = first; i < end; i++) {
        for (int32_t s = 0; s < r->o->samples_per_prompt; s++) {
            int32_t into = (int32_t)i * r->o->samples_per_prompt + s;

            for (int32_t j = 0; j < r->n_prompt[i]; j++) {
                token[n] = at + j;
                slot[n] = into;
                pos[n++] = j;
            }
            g->filled[into] = r->n_prompt[i];
        }
        at += r->n_prompt[i];
    }
    return n;
}

/* Copy the hidden state of each prompt's last token to the rows of its samples. A gather is an
 * embedding lookup in the hidden states. */
static madpo_status gather_last(run *r, size_t first, size_t end, madpo_error *err)
{
    madpo_model *m = r->m;
    madpo__gen *g = &m->gen;
    int64_t C = m->config.C, spp = r->o->samples_per_prompt, n = 0;
    int32_t at = 0;
    madpo_tensor to =
        madpo_tensor_slice(g->h, (int64_t)first * spp * C, (int64_t)(end - first) * spp * C);
    madpo_status st;

    for (size_t i = first; i < end; i++) {
        at += r->n_prompt[i];
        for (int64_t s = 0; s < spp; s++)
            g->host[n++] = at - 1;
    }
    st = madpo_tensor_write(m->dev, g->step, g->host, n, err);
    if (st == MADPO_OK)
        st = madpo_embedding_fwd(m->dev, to, g->step, m->hidden, 1, n, C, err);
    return st;
}

static madpo_status prefill(run *r, madpo_error *err)
{
    madpo_model *m = r->m;
    madpo__gen *g = &m->gen;
    madpo_status st = MADPO_OK;
    size_t end;

    for (size_t first = 0; st == MADPO_OK && first < r->n; first = end) {
        madpo__pass pass = {0};

        end = pack_prompts(r, first);
        st = madpo__batch_upload(m, &g->prefill, err);
        if (st != MADPO_OK)
            return st;
        pass.n_store = g->prefill.T * r->o->samples_per_prompt;
        (void)list_stores(r, first, end, pass.n_store);
        st = madpo_tensor_write(m->dev, g->store, g->host, 3 * pass.n_store, err);
        if (st != MADPO_OK)
            return st;
        pass.T = g->prefill.T;
        pass.n_seg = g->prefill.n_seg;
        pass.ids = m->batch.ids;
        pass.pos = m->batch.pos;
        pass.seg = m->batch.seg;
        pass.tok_seg = m->batch.tok_seg;
        pass.store_token = madpo_tensor_slice(g->store, 0, pass.n_store);
        pass.store_slot = madpo_tensor_slice(g->store, pass.n_store, pass.n_store);
        pass.store_pos = madpo_tensor_slice(g->store, 2 * pass.n_store, pass.n_store);
        st = madpo__forward(m, &pass, err);
        if (st == MADPO_OK)
            st = gather_last(r, first, end, err);
    }
    return st;
}

/* ---- steps ---- */

/* Send the step's integers; pass gets the views of them. */
static madpo_status send_step(run *r, madpo__pass *pass, madpo_error *err)
{
    madpo_model *m = r->m;
    madpo__gen *g = &m->gen;
    int64_t B = r->live;

    for (int64_t b = 0; b < B; b++) {
        int32_t slot = g->live[b];
        int32_t field[STEP_FIELDS] = {g->last[slot],
                                      slot,
                                      g->filled[slot],
                                      g->filled[slot] + 1,
                                      (int32_t)(r->o->stream_base + (uint32_t)slot),
                                      r->drawn,
                                      (int32_t)b};

        for (int f = 0; f < STEP_FIELDS; f++)
            g->host[f * B + b] = field[f];
    }
    *pass = (madpo__pass){.T = B, .decode = true, .n_store = B};
    pass->ids = madpo_tensor_slice(g->step, 0, B);
    pass->slot = madpo_tensor_slice(g->step, B, B);
    pass->pos = madpo_tensor_slice(g->step, 2 * B, B);
    pass->len = madpo_tensor_slice(g->step, 3 * B, B);
    pass->store_token = madpo_tensor_slice(g->step, 6 * B, B);
    pass->store_slot = pass->slot;
    pass->store_pos = pass->pos;
    return madpo_tensor_write(m->dev, g->step, g->host, STEP_FIELDS * B, err);
}

static bool is_stop(const run *r, int32_t id)
{
    const madpo_model_config *c = &r->m->config;

    if (id == c->eos)
        return true;
    for (int32_t i = 0; i < c->n_eos_more; i++)
        if (id == c->eos_more[i])
            return true;
    for (int i = 0; i < r->o->n_stop; i++)
        if (id == r->o->stop[i])
            return true;
    return false;
}

/* Draw the next token of every live sequence from its hidden row h [B,C], and hand the tokens out.
 */
static madpo_status draw(run *r, madpo_tensor h, madpo_error *err)
{
    madpo_model *m = r->m;
    madpo__gen *g = &m->gen;
    const madpo_model_config *c = &m->config;
    int64_t B = r->live, still = 0;
    madpo_tensor drawn = madpo_tensor_slice(g->step, STEP_FIELDS * B, B);
    madpo_sample_options o = {.temperature = r->o->temperature,
                              .top_k = r->o->top_k,
                              .top_p = r->o->top_p,
                              .seed = r->o->seed,
                              .banned = r->o->ban_eos ? c->eos : -1};
    madpo_status st = madpo__linear(m, g->logits, h, m->w.top.head, m->p.top.head,
                                    (int64_t[]){B, c->V, c->C}, err);

    if (st == MADPO_OK)
        st = madpo_sample(m->dev, drawn, g->logits, madpo_tensor_slice(g->step, 4 * B, B),
                          madpo_tensor_slice(g->step, 5 * B, B), B, c->V, &o, err);
    if (st == MADPO_OK)
        st = madpo_tensor_read(m->dev, drawn, g->host, B, err);
    if (st != MADPO_OK)
        return st;
    r->drawn++;
    for (int64_t b = 0; b < B; b++) {
        int32_t slot = g->live[b], id = g->host[b];

        if (id < 0)
            return madpo_error_set(err, MADPO_ERR_NUMERIC,
                                   "sampling met logits that are not finite; the model's weights "
                                   "are damaged");
        if (is_stop(r, id)) {
            if (r->ended)
                r->ended[slot] = true;
            continue;
        }
        r->out[(int64_t)slot * r->o->max_new + r->out_len[slot]++] = id;
        g->last[slot] = id;
        if (r->o->token && !r->o->token(r->o->user, (size_t)slot, id))
            continue;
        if (r->out_len[slot] < r->o->max_new)
            g->live[still++] = slot;
    }
    r->live = still;
    return MADPO_OK;
}

static madpo_status decode_step(run *r, madpo_error *err)
{
    madpo_model *m = r->m;
    madpo__pass pass;
    madpo_status st = send_step(r, &pass, err);

    if (st == MADPO_OK)
        st = madpo__forward(m, &pass, err);
    for (int64_t b = 0; b < r->live; b++)
        m->gen.filled[m->gen.live[b]]++;
    if (st == MADPO_OK)
        st = draw(r, m->hidden, err);
    return st;
}

madpo_status madpo_model_generate(madpo_model *m, const int32_t *const *prompt,
                                  const int32_t *n_prompt, size_t n,
                                  const madpo_generate_options *options, int32_t *out,
                                  int32_t *out_len, bool *ended, madpo_error *err)
{
    run r = {.m = m,
             .o = options,
             .prompt = prompt,
             .n_prompt = n_prompt,
             .n = n,
             .out = out,
             .out_len = out_len,
             .ended = ended};
    madpo__pass first;
    madpo_status st = check_request(&r, err);
    size_t slots;

    if (st != MADPO_OK)
        return st;
    slots = n * (size_t)options->samples_per_prompt;
    for (size_t s = 0; s < slots; s++) {
        out_len[s] = 0;
        if (ended)
            ended[s] = false;
        m->gen.live[s] = (int32_t)s;
    }
    if (options->max_new == 0 || slots == 0)
        return MADPO_OK;
    st = prefill(&r, err);
    r.live = (int64_t)slots;
    if (st == MADPO_OK) /* only the streams and counters of this one are read */
        st = send_step(&r, &first, err);
    if (st == MADPO_OK)
        st = draw(&r, m->gen.h, err);
    while (st == MADPO_OK && r.live > 0)
        st = decode_step(&r, err);
    return st;
}
