/* Weights of adapters: initialised, from and to PEFT's folders. In memory the rows of B at a fused
 * site are q's, k's and v's; files have them as the base's own tensor has (GPT-NeoX: head by head).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "model/adapter_inside.h"
#include "model/io_inside.h"

#define ADAPTER_PREFIX "base_model.model."
#define ADAPTER_SCORE  ADAPTER_PREFIX "score.weight"

/* ---- every tensor of an adapter ---- */

/* One tensor of an adapter: A or B of a site, or the reward head. */
typedef struct part {
    char name[192]; /* PEFT's */
    int32_t layer;  /* -1: the reward head */
    madpo_site site;
    bool is_b;
    int64_t shape[2];
    madpo_tensor weight, grad;
} part;

typedef madpo_status (*part_visit)(madpo_model *m, const part *p, void *user, madpo_error *err);

static void fill_part(part *p, const madpo_model *m, const madpo__lora *lora)
{
    int64_t out, in;
    char path[160];

    madpo__site_path(path, sizeof path, &m->config, p->layer, p->site);
    madpo_site_size(&m->config, p->site, &out, &in);
    snprintf(p->name, sizeof p->name, ADAPTER_PREFIX "%s.lora_%c.weight", path,
             p->is_b ? 'B' : 'A');
    p->shape[0] = p->is_b ? out : lora->r;
    p->shape[1] = p->is_b ? lora->r : in;
    p->weight = p->is_b ? lora->b : lora->a;
    p->grad = p->is_b ? lora->db : lora->da;
}

static madpo_status each_part(madpo_model *m, int i, part_visit visit, void *user, madpo_error *err)
{
    part p = {.layer = 0};
    madpo_status st = MADPO_OK;

    for (int32_t at = 0; st == MADPO_OK && at < 2 * m->config.L * MADPO_N_SITES; at++) {
        const madpo__lora *lora;

        p.is_b = at % 2;
        p.site = (madpo_site)(at / 2 % MADPO_N_SITES);
        p.layer = at / 2 / MADPO_N_SITES;
        lora = madpo__adapter_site(m, i, p.layer, p.site);
        if (!lora)
            continue;
        fill_part(&p, m, lora);
        st = visit(m, &p, user, err);
    }
    if (st != MADPO_OK || !m->adapter[i].config.score || !m->options.reward_head)
        return st;
    p = (part){.name = ADAPTER_SCORE,
               .layer = -1,
               .shape = {1, m->config.C},
               .weight = m->w.top.score,
               .grad = m->g.top.score};
    return visit(m, &p, user, err);
}

/* The file's row of row `row` of a fused B. */
static int64_t file_row(const madpo_model_config *c, int64_t row)
{
    const int64_t HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;
    madpo_layout layout = MADPO_LAYOUT_BLOCKS;
    int which = row < HD ? 0 : row < HD + KD ? 1 : 2;

    for (const madpo__weight_row *r = c->arch->rows; r->name; r++)
        if (r->layout == MADPO_LAYOUT_HEADS)
            layout = MADPO_LAYOUT_HEADS;
    return madpo__fused_row(c, layout, which, row - (which == 0 ? 0 : which == 1 ? HD : HD + KD));
}

/* Rows of a fused B from the file's order to ours, or back. Other tensors are copied. */
static void order_rows(const madpo_model *m, const part *p, float *to, const float *from,
                       bool to_file)
{
    bool fused = p->layer >= 0 && p->is_b && p->site == MADPO_SITE_QKV;
    size_t bytes = sizeof *to * (size_t)p->shape[1];

    for (int64_t row = 0; row < p->shape[0]; row++) {
        int64_t at = fused ? file_row(&m->config, row) : row;

        memcpy(to + (to_file ? at : row) * p->shape[1], from + (to_file ? row : at) * p->shape[1],
               bytes);
    }
}

/* ---- to files ---- */

typedef struct visitor {
    bool grads;
    madpo_model_visit visit;
    void *user;
} visitor;

static madpo_status visit_part(madpo_model *m, const part *p, void *user, madpo_error *err)
{
    const visitor *v = user;
    madpo_tensor t = v->grads ? p->grad : p->weight;
    const int64_t n = p->shape[0] * p->shape[1];
    char name[sizeof p->name];
    madpo_safetensor s = {.name = name, .dtype = "F32", .n_dims = 2};
    float *ours, *file;
    madpo_status st;

    if (madpo_tensor_is_none(t))
        return MADPO_OK;
    memcpy(name, p->name, sizeof name);
    memcpy(s.shape, p->shape, sizeof p->shape);
    s.bytes = sizeof *file * (uint64_t)n;
    ours = malloc((size_t)s.bytes);
    file = malloc((size_t)s.bytes);
    if (ours && file)
        st = madpo__tensor_get(m, t, ours, n, err);
    else
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading an adapter");
    if (st == MADPO_OK) {
        order_rows(m, p, file, ours, true);
        s.data = file;
        st = v->visit(v->user, &s, err);
    }
    free(ours);
    free(file);
    return st;
}

madpo_status madpo_model_adapter_each(madpo_model *m, int i, bool grads, madpo_model_visit visit,
                                      void *user, madpo_error *err)
{
    visitor v = {.grads = grads, .visit = visit, .user = user};

    return each_part(m, i, visit_part, &v, err);
}

/* Tensors kept in memory until the file is written; adapters are small. */
typedef struct collection {
    madpo_safetensor *v; /* names and data owned */
    size_t n, capacity;
} collection;

static void collection_dispose(collection *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->v[i].name);
        free((void *)(uintptr_t)c->v[i].data);
    }
    free(c->v);
}

static madpo_status collect(void *user, const madpo_safetensor *tensor, madpo_error *err)
{
    collection *c = user;
    void *data = malloc((size_t)tensor->bytes + 1);
    char *name = strdup(tensor->name);

    if (c->n == c->capacity) {
        size_t more = c->capacity ? 2 * c->capacity : 64;
        madpo_safetensor *v = realloc(c->v, more * sizeof *v);

        if (v) {
            c->v = v;
            c->capacity = more;
        }
    }
    if (!data || !name || c->n == c->capacity) {
        free(data);
        free(name);
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory saving an adapter");
    }
    memcpy(data, tensor->data, (size_t)tensor->bytes);
    c->v[c->n] = *tensor;
    c->v[c->n].name = name;
    c->v[c->n++].data = data;
    return MADPO_OK;
}

/* Weights first: a folder counts as an adapter's once its adapter_config.json is there. */
static madpo_status save_folder(madpo_model *m, const collection *c,
                                const madpo_adapter_config *config, const char *dir,
                                const char *base, madpo_error *err)
{
    char *path = NULL;
    madpo_status st = madpo_dir_make(dir, err);

    if (st == MADPO_OK)
        st = madpo_path_join(&path, dir, "adapter_model.safetensors", err);
    if (st == MADPO_OK)
        st = madpo_safetensors_write(path, c->v, c->n, err);
    if (st == MADPO_OK)
        st = madpo__adapter_config_save(config, &m->config, base, dir, err);
    free(path);
    return st;
}

madpo_status madpo_model_adapter_save(madpo_model *m, int i, const char *dir, const char *base,
                                      madpo_error *err)
{
    collection c = {0};
    madpo_status st = madpo_model_adapter_each(m, i, false, collect, &c, err);

    if (st == MADPO_OK)
        st = save_folder(m, &c, &m->adapter[i].config, dir, base, err);
    collection_dispose(&c);
    return st;
}

/* ---- all as one ---- */

/* A or B of the joined adapter: the As below one another, the Bs side by side, each times its
 * scale. */
static madpo_status join_site(madpo_model *m, const part *p, float *out, madpo_error *err)
{
    const int64_t rows = p->shape[0], cols = p->shape[1];
    int64_t first = 0;
    madpo_status st = MADPO_OK;

    for (int i = 0; st == MADPO_OK && i < m->n_adapters; i++) {
        const madpo__lora *lora = madpo__adapter_site(m, i, p->layer, p->site);
        int64_t n, r = lora ? lora->r : 0;
        float *x;

        if (!lora)
            continue;
        n = p->is_b ? rows * r : r * cols;
        x = malloc(sizeof *x * (size_t)n);
        if (x)
            st = madpo__tensor_get(m, p->is_b ? lora->b : lora->a, x, n, err);
        else
            st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory joining adapters");
        if (st == MADPO_OK && !p->is_b)
            memcpy(out + first * cols, x, sizeof *x * (size_t)n);
        for (int64_t j = 0; st == MADPO_OK && p->is_b && j < n; j++)
            out[j / r * cols + first + j % r] = lora->scale * x[j];
        free(x);
        first += r;
    }
    return st;
}

static madpo_status collect_joined(madpo_model *m, const madpo_adapter_config *joined,
                                   collection *c, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    for (int32_t at = 0; st == MADPO_OK && at < 2 * m->config.L * MADPO_N_SITES; at++) {
        part p = {.layer = at / 2 / MADPO_N_SITES,
                  .site = (madpo_site)(at / 2 % MADPO_N_SITES),
                  .is_b = at % 2};
        madpo__lora lora = {.r = madpo_adapter_get(joined, p.layer, p.site).r};
        madpo_safetensor s = {.name = p.name, .dtype = "F32", .n_dims = 2};
        float *ours, *file;

        if (lora.r == 0)
            continue;
        fill_part(&p, m, &lora);
        memcpy(s.shape, p.shape, sizeof p.shape);
        s.bytes = sizeof *file * (uint64_t)(p.shape[0] * p.shape[1]);
        ours = malloc((size_t)s.bytes);
        file = malloc((size_t)s.bytes);
        if (ours && file)
            st = join_site(m, &p, ours, err);
        else
            st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory joining adapters");
        if (st == MADPO_OK) {
            order_rows(m, &p, file, ours, true);
            s.data = file;
            st = collect(c, &s, err);
        }
        free(ours);
        free(file);
    }
    return st;
}

/* The reward head has one copy, the model's. */
static madpo_status collect_score(madpo_model *m, collection *c, madpo_error *err)
{
    part p = {
        .name = ADAPTER_SCORE, .layer = -1, .shape = {1, m->config.C}, .weight = m->w.top.score};
    visitor v = {.visit = collect, .user = c};

    return visit_part(m, &p, &v, err);
}

madpo_status madpo_model_adapters_save_joined(madpo_model *m, const char *name, const char *dir,
                                              const char *base, madpo_error *err)
{
    const madpo_adapter_config **from = calloc((size_t)m->n_adapters + 1, sizeof *from);
    madpo_adapter_config joined = {0};
    collection c = {0};
    madpo_status st;

    if (!from)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory joining adapters");
    for (int i = 0; i < m->n_adapters; i++)
        from[i] = &m->adapter[i].config;
    st = madpo_adapter_config_join(&joined, name, from, (size_t)m->n_adapters, err);
    if (st == MADPO_OK)
        st = collect_joined(m, &joined, &c, err);
    if (st == MADPO_OK && joined.score && m->options.reward_head)
        st = collect_score(m, &c, err);
    if (st == MADPO_OK)
        st = save_folder(m, &c, &joined, dir, base, err);
    collection_dispose(&c);
    madpo_adapter_config_dispose(&joined);
    free(from);
    return st;
}

/* ---- from files ---- */

typedef struct entry {
    char name[256]; /* as PEFT saves it, without an adapter's name inside */
    const madpo_safetensor *tensor;
    bool used;
} entry;

typedef struct loader {
    const char *path;
    entry *v; /* [n] by name */
    size_t n;
} loader;

static int by_name(const void *a, const void *b)
{
    const entry *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* Take out ".NAME" behind "lora_A", "lora_B", and ".modules_to_save" with its ".NAME": what the
 * names are inside PEFT, and in folders saved from there by other means. */
static void plain_name(char out[256], const char *name)
{
    static const char *const marks[] = {".lora_A.", ".lora_B.", ".modules_to_save."};

    snprintf(out, 256, "%s", name);
    for (size_t i = 0; i < 3; i++) {
        char *at = strstr(out, marks[i]), *dot;

        if (!at)
            continue;
        at += strlen(marks[i]);
        dot = strchr(at, '.');
        if (dot) /* "default.weight" */
            memmove(at, dot + 1, strlen(dot + 1) + 1);
        if (i == 2) {
            at -= strlen(marks[i]) - 1;
            memmove(at, at + strlen("modules_to_save."), strlen(at + 16) + 1);
        }
    }
}

static madpo_status list_entries(loader *x, const madpo_safetensors *file, madpo_error *err)
{
    x->v = calloc(madpo_safetensors_count(file) + 1, sizeof *x->v);
    if (!x->v)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", x->path);
    for (size_t i = 0; i < madpo_safetensors_count(file); i++) {
        entry *e = &x->v[x->n];

        e->tensor = madpo_safetensors_at(file, i);
        plain_name(e->name, e->tensor->name);
        x->n += !strstr(e->name, "score.original_module."); /* the head that was replaced */
    }
    qsort(x->v, x->n, sizeof *x->v, by_name);
    for (size_t i = 1; i < x->n; i++)
        if (by_name(&x->v[i - 1], &x->v[i]) == 0)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "%s: tensors '%s' and '%s' are both '%s': more than one adapter "
                                   "in a file",
                                   x->path, x->v[i - 1].tensor->name, x->v[i].tensor->name,
                                   x->v[i].name);
    return MADPO_OK;
}

static madpo_status find_part(entry **out, loader *x, const part *p, madpo_error *err)
{
    entry key;

    snprintf(key.name, sizeof key.name, "%s", p->name);
    *out = bsearch(&key, x->v, x->n, sizeof *x->v, by_name);
    if (!*out)
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: tensor '%s' is missing", x->path, p->name);
    (*out)->used = true;
    return MADPO_OK;
}

static madpo_status load_part(madpo_model *m, const part *p, void *user, madpo_error *err)
{
    loader *x = user;
    const int64_t n = p->shape[0] * p->shape[1];
    madpo_dtype dtype = MADPO_DTYPE_F32;
    float *file, *ours;
    entry *e;
    madpo_status st = find_part(&e, x, p, err);

    if (st == MADPO_OK)
        st = madpo__check_tensor(&dtype, e->tensor, 2, p->shape, x->path, "this base model",
                                 MADPO_ERR_MISMATCH, err);
    if (st != MADPO_OK)
        return st;
    if (!madpo__all_finite(e->tensor->data, dtype, (size_t)n))
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: tensor '%s' holds NaN or infinity",
                               x->path, e->tensor->name);
    file = malloc(sizeof *file * (size_t)n);
    ours = malloc(sizeof *ours * (size_t)n);
    if (file && ours) {
        madpo__widen(file, e->tensor->data, dtype, (size_t)n);
        order_rows(m, p, ours, file, false);
        st = madpo__tensor_set(m, p->weight, ours, n, err);
    } else {
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", x->path);
    }
    free(file);
    free(ours);
    return st;
}

static madpo_status check_used(const loader *x, const madpo_model *m, int i, madpo_error *err)
{
    for (size_t k = 0; k < x->n; k++) {
        bool score = strcmp(x->v[k].name, ADAPTER_SCORE) == 0;

        if (x->v[k].used)
            continue;
        if (score && m->adapter[i].config.score)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "%s holds a reward model's adapter, not a language model's",
                                   x->path);
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: tensor '%s' has no place: adapter_config.json does not name it",
                               x->path, x->v[k].tensor->name);
    }
    return MADPO_OK;
}

/* Path of the weights; a folder with the older format only is refused with the remedy. */
static madpo_status weights_path(char **out, const char *dir, madpo_error *err)
{
    char *folder = NULL, *old = NULL;
    madpo_status st = madpo__adapter_dir(&folder, dir, err);

    *out = NULL;
    if (st == MADPO_OK)
        st = madpo_path_join(out, folder, "adapter_model.safetensors", err);
    if (st == MADPO_OK)
        st = madpo_path_join(&old, folder, "adapter_model.bin", err);
    if (st == MADPO_OK && !madpo_file_exists(*out) && madpo_file_exists(old))
        st = madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                             "%s: only safetensors are read; convert it with PEFT "
                             "(from_pretrained, then save_pretrained)",
                             old);
    free(old);
    free(folder);
    return st;
}

madpo_status madpo_model_adapter_load(madpo_model *m, int i, const char *dir, madpo_error *err)
{
    madpo_safetensors *file = NULL;
    char *path = NULL;
    loader x = {0};
    madpo_status st = weights_path(&path, dir, err);

    x.path = path;
    if (st == MADPO_OK)
        st = madpo_safetensors_open(&file, path, err);
    if (st == MADPO_OK)
        st = list_entries(&x, file, err);
    if (st == MADPO_OK)
        st = each_part(m, i, load_part, &x, err);
    if (st == MADPO_OK)
        st = check_used(&x, m, i, err);
    madpo_model_weights_changed(m);
    free(x.v);
    madpo_safetensors_close(file);
    free(path);
    return st;
}

/* ---- at first ---- */

/* Uniform in (-bound, bound), from the words of (seed, stream) in order. */
static madpo_status init_part(madpo_model *m, const part *p, void *user, madpo_error *err)
{
    const uint64_t seed = *(const uint64_t *)user;
    const int64_t n = p->shape[0] * p->shape[1];
    const double bound = 1 / sqrt((double)p->shape[1]);
    float *x;
    madpo_status st;

    if (p->layer < 0) {
        for (size_t i = 0; i < m->n_tensors; i++)
            if (strcmp(m->tensor[i].file, "score.weight") == 0)
                return madpo__init_tensor(m, i, seed, err);
        return MADPO_OK;
    }
    if (p->is_b)
        return madpo_tensor_zero(m->dev, p->weight, err);
    x = malloc(sizeof *x * (size_t)(n + 4));
    if (!x)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory initialising %s", p->name);
    for (int64_t j = 0; j < n; j += 4) {
        madpo_philox b = madpo_philox_block(seed, madpo__name_stream(p->name), (uint64_t)(j / 4));

        for (int k = 0; k < 4; k++)
            x[j + k] = (float)(bound * ((b.v[k] + 0.5) / 2147483648.0 - 1));
    }
    st = madpo__tensor_set(m, p->weight, x, n, err);
    free(x);
    return st;
}

madpo_status madpo_model_adapter_init(madpo_model *m, int i, uint64_t seed, madpo_error *err)
{
    madpo_status st = each_part(m, i, init_part, &seed, err);

    madpo_model_weights_changed(m);
    return st;
}
