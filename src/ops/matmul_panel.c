/* The panel provider: what to pack, how to cut the work, and the launches (cl/ops/matmul.cl).
 *
 * None of the choices made here changes a result: each element of C is one chain of fused
 * multiply-adds over k in every kernel. They are speed only, measured under PoCL on AVX-512 (14 x
 * 32 blocks):
 *   - an operand whose stored rows lie a multiple of 4 KiB apart meets the same few cache sets
 * again and again: it is packed once it is used often enough to pay for the copy; A by rows is
 * staged before;
 *   - a B stored [N,K] is always packed (vectors along N are needed), other operands otherwise not.
 */
#include "ops/matmul_inside.h"

#include "device/launch.h"

#include <assert.h>
#include <stddef.h>

/* Rows x vectors that fill the registers: 28 of 32 (AVX-512), 12 of 16 (AVX2), and a modest block
 * where the width says nothing (SSE, NEON, and GPUs, which use these kernels in tests only). */
#define PROGRAMS(defines)                                                                          \
    {                                                                                              \
        defines, defines " -DW_TYPE=1", defines " -DW_TYPE=2"                                      \
    }
static const madpo__panel narrow_panels[] = {
    {4, 1, 4, PROGRAMS("-DVW=4 -DMR=4 -DNV=1"), NULL},
    {8, 1, 6, PROGRAMS("-DVW=8 -DMR=6 -DNV=1"), NULL},
    {16, 1, 14, PROGRAMS("-DVW=16 -DMR=14 -DNV=1"), NULL},
};
static const madpo__panel panels[] = {
    {4, 2, 4, PROGRAMS("-DVW=4 -DMR=4"), &narrow_panels[0]},
    {8, 2, 6, PROGRAMS("-DVW=8 -DMR=6"), &narrow_panels[1]},
    {16, 2, 14, PROGRAMS("-DVW=16 -DMR=14"), &narrow_panels[2]},
};

#define L2_BLOCK                                                                                   \
    (256 * 1024)        /* bytes of A's panels that one work-group goes over again and again */
#define RUN_BY_COL  512 /* k's in registers before C takes them over: A's columns are far apart */
#define RUN_BY_ROW  1024
#define ALIGN       64     /* floats: where a packed operand starts in the workspace */
#define WORTH_PACK  64     /* uses of an element from which packing a badly placed operand pays */
#define WORTH_ROWS  512    /* the same for A by rows, for which there is staging */
#define GROUP_FLOPS 200000 /* a work-group is not cut smaller than this */
#define SHORT_K     64     /* up to here C is the traffic: it is best walked along its rows */
#define SHORT_FLOPS 50000  /* and work-groups may be smaller */

const madpo__panel *madpo__panel_by_width(int vw)
{
    for (size_t i = 0; i < sizeof panels / sizeof panels[0]; i++) {
        if (panels[i].vw == vw)
            return &panels[i];
    }
    return NULL;
}

const madpo__panel *madpo__panel_of(const madpo_device *dev)
{
    const madpo_device_info *info = madpo_device_get_info(dev);
    const madpo__panel *panel = NULL;

    if (info->kind == MADPO_DEVICE_CPU)
        panel = madpo__panel_by_width((int)info->native_float_width);
    return panel ? panel : &panels[0];
}

const char *madpo__panel_defines(const madpo__panel *panel, madpo_dtype b_dtype)
{
    assert(b_dtype != MADPO_DTYPE_I32);
    return panel->defines[b_dtype == MADPO_DTYPE_BF16 ? 1 : b_dtype == MADPO_DTYPE_F16 ? 2 : 0];
}

/* Columns of a block. */
static int64_t panel_nr(const madpo__panel *panel)
{
    return (int64_t)panel->nv * panel->vw;
}

/* Half of a block would be idle over so few columns (LoRA's first product). */
static const madpo__panel *panel_for(const madpo__panel *panel, const madpo__product *p)
{
    return panel->narrow && p->N <= panel->vw ? panel->narrow : panel;
}

static int64_t panel_count(int64_t n, int64_t per)
{
    return (n + per - 1) / per;
}

static int64_t panel_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t panel_clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : panel_min(value, high);
}

/* ---- plan ---- */

typedef struct panel_plan {
    bool pack_a, pack_b;
    int64_t floats_a, elements_b; /* one packed operand */
    int64_t floats_b;             /* what all packed items of B take */
    int64_t items_a, items_b;     /* packed operands: batch items, one if all share it */
    int64_t groups[3];            /* column, row, batch */
    int64_t group_rows, group_cols;
    int64_t run; /* k's a block stays in registers */
} panel_plan;

/* Do rows `ld` elements apart fall on the same few cache sets? */
static bool panel_aliases(int64_t ld, madpo_dtype dtype)
{
    const int64_t apart = ld * (int64_t)madpo_dtype_bytes(dtype), rest = apart % 4096;

    return apart >= 4096 && (rest < 64 || rest > 4032);
}

static bool panel_packs_a(const madpo__panel *panel, const madpo__product *p)
{
    if (p->ta)
        return p->M < panel->mr || (panel_aliases(p->lda, MADPO_DTYPE_F32) && p->N >= WORTH_PACK);
    return p->M >= 4 * panel->mr && panel_aliases(p->lda, MADPO_DTYPE_F32) && p->N >= WORTH_ROWS;
}

static bool panel_packs_b(const madpo__panel *panel, const madpo__product *p)
{
    return p->tb || p->N < panel_nr(panel) ||
           (panel_aliases(p->ldb, p->b_dtype) && p->M >= WORTH_PACK);
}

/* K cut into equal runs; a chain can only be put down in C as it is where alpha is 1. */
static int64_t panel_run(const madpo__product *p, bool by_col)
{
    const int64_t K = p->K ? p->K : 1;

    return p->alpha == 1 ? panel_count(K, panel_count(K, by_col ? RUN_BY_COL : RUN_BY_ROW)) : K;
}

/* Rectangles of panels: rows so that A's part stays in the second-level cache (where K is short, so
 * few that a rectangle goes along C's rows: down its columns every row is another page), and both
 * ways so that there are a few rectangles per compute unit. No compute units: one block each, as
 * kernels for GPUs have it. */
static void panel_cut(panel_plan *plan, const madpo__panel *panel, const madpo__product *p,
                      int64_t compute_units)
{
    const int64_t rows = panel_count(p->M, panel->mr), cols = panel_count(p->N, panel_nr(panel));
    const int64_t row_bytes = panel->mr * plan->run * (int64_t)sizeof(float);
    const double flops = 2.0 * (double)p->M * (double)p->N * (double)(p->K + 1) * (double)p->batch;
    const int64_t most = panel_clamp((int64_t)(flops / GROUP_FLOPS), 1, 8 * compute_units + 1);
    const int64_t want = panel_count(most, p->batch); /* of one batch item */
    const double row_flops = flops / (double)(rows * p->batch);
    const int64_t at_once =
        p->K <= SHORT_K ? (int64_t)(SHORT_FLOPS / row_flops) : L2_BLOCK / row_bytes;
    int64_t row_groups, col_groups;

    row_groups = panel_count(rows, panel_clamp(at_once, 1, rows));
    if (row_groups * cols < want)
        row_groups = panel_clamp(panel_count(want, cols), 1, rows);
    col_groups = panel_clamp(panel_count(want, row_groups), 1, cols);
    plan->group_rows = compute_units ? panel_count(rows, row_groups) : 1;
    plan->group_cols = compute_units ? panel_count(cols, col_groups) : 1;
    plan->groups[0] = panel_count(cols, plan->group_cols);
    plan->groups[1] = panel_count(rows, plan->group_rows);
    plan->groups[2] = p->batch;
}

/* Floats of workspace that hold n elements. */
static int64_t panel_floats(int64_t n, madpo_dtype dtype)
{
    return panel_count(n * (int64_t)madpo_dtype_bytes(dtype), (int64_t)sizeof(float));
}

/* Elements of one packed B. */
static int64_t panel_packed(const madpo__panel *panel, const madpo__product *p)
{
    return panel_count(p->N, panel_nr(panel)) * panel_nr(panel) * p->K;
}

static panel_plan panel_make_plan(const madpo__panel *panel, const madpo__product *p,
                                  int64_t compute_units)
{
    panel_plan plan = {.pack_a = panel_packs_a(panel, p), .pack_b = panel_packs_b(panel, p)};

    plan.floats_a = panel_count(p->M, panel->mr) * panel->mr * p->K;
    plan.elements_b = panel_packed(panel, p);
    plan.items_a = p->stride_a ? p->batch : 1;
    plan.items_b = p->stride_b ? p->batch : 1;
    plan.floats_b = panel_floats(plan.items_b * plan.elements_b, p->b_dtype);
    plan.run = compute_units ? panel_run(p, plan.pack_a || p->ta) : p->K + (p->K == 0);
    panel_cut(&plan, panel, p, compute_units);
    return plan;
}

static int64_t panel_round(int64_t floats)
{
    return panel_count(floats, ALIGN) * ALIGN;
}

/* At least what any product of these or smaller sizes packs: whether an operand is badly placed
 * depends on its exact width, and callers reserve by their largest shape. */
int64_t madpo__panel_workspace(const madpo__panel *wide, const madpo__product *p)
{
    const madpo__panel *panel = panel_for(wide, p);
    const panel_plan plan = panel_make_plan(panel, p, 1);
    const bool may_a = p->ta ? p->N >= WORTH_PACK : p->M >= 4 * panel->mr && p->N >= WORTH_ROWS;
    const bool may_b = p->tb || p->M >= WORTH_PACK;

    return panel_round(plan.items_a * (may_a ? plan.floats_a : panel->mr * p->K)) +
           panel_round(may_b ? plan.floats_b : plan.items_b * panel_nr(panel) * p->K);
}

int64_t madpo__panel_packed_elements(const madpo__panel *wide, const madpo__product *p)
{
    return panel_packed(panel_for(wide, p), p);
}

/* ---- launches ---- */

/* One operand as the kernels take it. */
typedef struct panel_operand {
    madpo_tensor t;
    int64_t k, panel, stride; /* elements between k's (by row: rows), panels, batch items */
    bool shift;               /* plain: the last panel is shifted inside */
} panel_operand;

typedef struct panel_source {
    madpo_tensor t;
    int64_t ld, stride, n, items;
    bool by_row;
} panel_source;

static madpo_status panel_pack(madpo_device *dev, const char *defines, const char *entry,
                               int64_t per, madpo_tensor out, const panel_source *x, int64_t K,
                               madpo_error *err)
{
    /* a work-group reads long runs of x: many panels of a few k's, or the other way round */
    const int64_t wide = x->by_row ? 8 : 64, piece = x->by_row ? 128 : 16;
    const int64_t groups[3] = {panel_count(panel_count(x->n, per), wide), panel_count(K, piece),
                               x->items};
    const int64_t local[3] = {1, 1, 1};
    madpo_launch l;

    madpo_launch_begin(&l, dev, "matmul", entry, defines);
    madpo_arg_tensor(&l, out);
    madpo_arg_tensor(&l, x->t);
    madpo_arg_i64(&l, x->ld);
    madpo_arg_i64(&l, x->stride);
    madpo_arg_i32(&l, x->by_row);
    madpo_arg_i64(&l, x->n);
    madpo_arg_i64(&l, K);
    madpo_arg_i64(&l, wide);
    madpo_arg_i64(&l, piece);
    return madpo_launch_grid(&l, 3, groups, local, err);
}

madpo_status madpo__panel_pack(madpo_device *dev, const madpo__panel *wide, const madpo__product *p,
                               madpo_tensor packed, madpo_tensor B, madpo_error *err)
{
    const madpo__panel *panel = panel_for(wide, p);
    const panel_source x = {B, p->ldb, 0, p->N, 1, p->tb};

    return panel_pack(dev, madpo__panel_defines(panel, p->b_dtype), "matmul_pack_b",
                      panel_nr(panel), packed, &x, p->K, err);
}

static madpo_status panel_operand_a(madpo_device *dev, const madpo__panel *panel,
                                    const madpo__product *p, const panel_plan *plan,
                                    panel_operand *a, madpo_tensor *workspace, madpo_error *err)
{
    const panel_source x = {a->t, p->lda, p->stride_a, p->M, plan->items_a, !p->ta};
    const int64_t floats = plan->items_a * plan->floats_a;

    *a = (panel_operand){a->t, p->lda, panel->mr, p->stride_a, p->ta};
    if (!plan->pack_a)
        return MADPO_OK;
    *a = (panel_operand){madpo_tensor_slice(*workspace, 0, floats), panel->mr, p->K * panel->mr,
                         p->stride_a ? plan->floats_a : 0, false};
    *workspace =
        madpo_tensor_slice(*workspace, panel_round(floats), workspace->n - panel_round(floats));
    return panel_pack(dev, panel->defines[0], "matmul_pack_a", panel->mr, a->t, &x, p->K, err);
}

/* n elements of another type where `floats` begins, on a boundary of the workspace. */
static madpo_tensor panel_view(madpo_tensor floats, int64_t n, madpo_dtype dtype)
{
    const int64_t per = (int64_t)(sizeof(float) / madpo_dtype_bytes(dtype));

    assert(panel_floats(n, dtype) <= floats.n);
    return (madpo_tensor){floats.buffer, floats.offset * per, n, dtype};
}

static madpo_status panel_operand_b(madpo_device *dev, const madpo__panel *panel,
                                    const madpo__product *p, const panel_plan *plan,
                                    panel_operand *b, bool packed, madpo_tensor *workspace,
                                    madpo_error *err)
{
    const panel_source x = {b->t, p->ldb, p->stride_b, p->N, plan->items_b, p->tb};
    const int64_t nr = panel_nr(panel);
    madpo_tensor t = b->t;

    *b = (panel_operand){t, p->ldb, nr, p->stride_b, true};
    if (!packed && !plan->pack_b)
        return MADPO_OK;
    if (!packed)
        t = panel_view(*workspace, plan->items_b * plan->elements_b, p->b_dtype);
    *b = (panel_operand){t, nr, p->K * nr, p->stride_b ? plan->elements_b : 0, false};
    return packed ? MADPO_OK
                  : panel_pack(dev, madpo__panel_defines(panel, p->b_dtype), "matmul_pack_b", nr, t,
                               &x, p->K, err);
}

static madpo_status panel_multiply(madpo_device *dev, const madpo__panel *panel,
                                   const madpo__product *p, const panel_plan *plan, madpo_tensor C,
                                   const panel_operand *a, const panel_operand *b, madpo_error *err)
{
    const bool by_col = plan->pack_a || p->ta;
    const int64_t local[3] = {1, 1, 1};
    madpo_launch l;

    madpo_launch_begin(&l, dev, "matmul", by_col ? "matmul_by_col" : "matmul_by_row",
                       madpo__panel_defines(panel, p->b_dtype));
    madpo_arg_tensor(&l, C);
    madpo_arg_i64(&l, p->ldc);
    madpo_arg_i64(&l, p->stride_c);
    madpo_arg_tensor(&l, a->t);
    madpo_arg_i64(&l, a->k);
    if (by_col) {
        madpo_arg_i64(&l, a->panel);
        madpo_arg_i32(&l, a->shift);
    } else {
        madpo_arg_i32(&l, panel_aliases(a->k, MADPO_DTYPE_F32));
    }
    madpo_arg_i64(&l, a->stride);
    madpo_arg_tensor(&l, b->t);
    madpo_arg_i64(&l, b->k);
    madpo_arg_i64(&l, b->panel);
    madpo_arg_i32(&l, b->shift);
    madpo_arg_i64(&l, b->stride);
    madpo_arg_i64(&l, p->M);
    madpo_arg_i64(&l, p->N);
    madpo_arg_i64(&l, p->K);
    madpo_arg_i64(&l, plan->run);
    madpo_arg_i64(&l, plan->group_rows);
    madpo_arg_i64(&l, plan->group_cols);
    madpo_arg_f32(&l, p->alpha);
    madpo_arg_i32(&l, p->accumulate);
    return madpo_launch_grid(&l, 3, plan->groups, local, err);
}

madpo_status madpo__panel_run(madpo_device *dev, const madpo__panel *wide, const madpo__product *p,
                              madpo_tensor C, madpo_tensor A, madpo_tensor B, bool b_packed,
                              madpo_error *err)
{
    const madpo__panel *panel = panel_for(wide, p);
    const madpo_device_info *info = madpo_device_get_info(dev);
    panel_plan plan =
        panel_make_plan(panel, p, info->kind == MADPO_DEVICE_CPU ? info->compute_units : 0);
    panel_operand a = {.t = A}, b = {.t = B};
    madpo_tensor workspace = {0};
    int64_t need;
    madpo_status st = MADPO_OK;

    plan.pack_b = plan.pack_b && !b_packed;
    need = (plan.pack_a ? panel_round(plan.items_a * plan.floats_a) : 0) +
           (plan.pack_b ? panel_round(plan.floats_b) : 0);
    if (need)
        st = madpo_workspace_get(&workspace, dev, need, err);
    if (st == MADPO_OK)
        st = panel_operand_a(dev, panel, p, &plan, &a, &workspace, err);
    if (st == MADPO_OK)
        st = panel_operand_b(dev, panel, p, &plan, &b, b_packed, &workspace, err);
    if (st == MADPO_OK)
        st = panel_multiply(dev, panel, p, &plan, C, &a, &b, err);
    return st;
}
