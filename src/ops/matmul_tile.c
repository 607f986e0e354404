/* The tile provider: which tile, whether K is cut into parts, and the launches
 * (cl/ops/matmul_tile.cl). */
#include "ops/matmul_inside.h"

#include <assert.h>
#include <stdio.h>

#include "device/launch.h"

/* Largest first. The larger a tile, the more is done with what is read; but there must be enough of
 * them to keep the compute units busy. The first is for A and B by rows only: with other operands,
 * strips of 16 would cost more registers than RDNA3 has. Smaller ones fetch longer strips at a
 * time: few items wait for memory then, and seldom. Sizes and thresholds were measured on an H200.
 */
static const madpo__tile tiles[] = {
    {64, 64, 16, 4, 8},
    {64, 64, 8, 4, 8},
    {32, 32, 32, 2, 4},
    {16, 16, 32, 1, 4},
};
enum { N_TILES = (int)(sizeof tiles / sizeof *tiles), MEDIUM = 2, SMALL = 3, DEFINES = 160 };

#define PART_K 256 /* no part of a product is shorter */

static int64_t tile_count(int64_t n, int64_t per)
{
    return (n + per - 1) / per;
}

static int tile_items(const madpo__tile *t)
{
    return t->tm / t->im * (t->tn / t->in);
}

const madpo__tile *madpo__tile_by_index(int i)
{
    return i >= 0 && i < N_TILES ? &tiles[i] : NULL;
}

static int64_t tile_groups(const madpo__tile *t, const madpo__product *p)
{
    return tile_count(p->M, t->tm) * tile_count(p->N, t->tn) * p->batch;
}

const madpo__tile *madpo__tile_of(const madpo_device *dev, const madpo__product *p)
{
    const int64_t units = madpo_device_get_info(dev)->compute_units;

    if (tile_groups(&tiles[0], p) >= units)
        return &tiles[p->ta || !p->tb ? 1 : 0];
    return &tiles[tile_groups(&tiles[MEDIUM], p) >= units / 2 ? MEDIUM : SMALL];
}

/* The kernel counts within a tile and a strip of 64 in ints. */
bool madpo__tile_takes(const madpo__product *p)
{
    const int64_t most = (int64_t)1 << 24;

    return p->lda < most && p->ldb < most;
}

bool madpo__tile_fits(const madpo_device *dev)
{
    const madpo_device_info *info = madpo_device_get_info(dev);

    return info->max_work_group >= 256 && info->local_bytes >= 24 * 1024;
}

/* ---- parts of K ---- */

/* Only where A is stored [K,M]: K is then the batch's tokens, and nothing promises the bits of an
 * element to be those of another batch. */
static int64_t tile_parts(const madpo_device *dev, const madpo__tile *t, const madpo__product *p)
{
    const int64_t units = madpo_device_get_info(dev)->compute_units, groups = tile_groups(t, p);
    const int64_t want = p->ta && groups < units ? tile_count(2 * units, groups) : 1;
    const int64_t most = p->K / PART_K;

    return want < most ? want : most > 1 ? most : 1;
}

/* Each a multiple of TK long. */
static int64_t tile_length(const madpo__tile *t, const madpo__product *p, int64_t parts)
{
    return tile_count(tile_count(p->K, parts), t->tk) * t->tk;
}

int64_t madpo__tile_parts_floats(const madpo_device *dev, const madpo__product *p)
{
    const int64_t parts = tile_parts(dev, madpo__tile_of(dev, p), p);

    return parts > 1 ? p->batch * parts * p->M * p->N : 0;
}

/* Parts are wanted where tiles, none of them large, are fewer than compute units; together the
 * parts' tiles are then at most three times as many. */
int64_t madpo__tile_workspace(const madpo_device *dev, const madpo__product *p)
{
    const int64_t units = madpo_device_get_info(dev)->compute_units;
    const int64_t most = 3 * units * tiles[MEDIUM].tm * tiles[MEDIUM].tn;
    const int64_t all = p->K / PART_K * p->M * p->N * p->batch;

    return !p->ta || p->K < 2 * PART_K ? 0 : all < most ? all : most;
}

/* ---- launches ---- */

static bool tile_aligned(const madpo__product *p, madpo_tensor A, madpo_tensor B)
{
    return (p->lda | p->ldb | p->stride_a | p->stride_b | A.offset | B.offset) % 4 == 0;
}

static void tile_defines(char out[DEFINES], const madpo__tile *t, const madpo__product *p,
                         madpo_tensor A, madpo_tensor B)
{
    const int type = p->b_dtype == MADPO_DTYPE_BF16 ? 1 : p->b_dtype == MADPO_DTYPE_F16 ? 2 : 0;
    const int n =
        snprintf(out, DEFINES,
                 "-DTM=%d -DTN=%d -DTK=%d -DIM=%d -DIN=%d -DA_BY_COL=%d -DB_BY_ROW=%d "
                 "-DW_TYPE=%d -DALIGNED=%d",
                 t->tm, t->tn, t->tk, t->im, t->in, p->ta, p->tb, type, tile_aligned(p, A, B));

    assert(n > 0 && n < DEFINES);
    (void)n;
}

static madpo_status tile_sum(madpo_device *dev, const madpo__product *p, const char *defines,
                             int64_t parts, madpo_tensor C, madpo_tensor P, madpo_error *err)
{
    const int64_t groups[2] = {p->M, p->batch};
    const int64_t local[2] = {madpo_device_get_work_group(dev), 1};
    madpo_launch l;

    madpo_launch_begin(&l, dev, "matmul_tile", "matmul_tile_sum", defines);
    madpo_arg_tensor(&l, C);
    madpo_arg_i64(&l, p->ldc);
    madpo_arg_i64(&l, p->stride_c);
    madpo_arg_tensor(&l, P);
    madpo_arg_i64(&l, parts);
    madpo_arg_i64(&l, p->M);
    madpo_arg_i64(&l, p->N);
    madpo_arg_f32(&l, p->alpha);
    madpo_arg_i32(&l, p->accumulate);
    return madpo_launch_grid(&l, 2, groups, local, err);
}

madpo_status madpo__tile_run(madpo_device *dev, const madpo__tile *t, const madpo__product *p,
                             madpo_tensor C, madpo_tensor A, madpo_tensor B, madpo_error *err)
{
    const int64_t parts = tile_parts(dev, t, p), length = tile_length(t, p, parts);
    const int64_t groups[3] = {tile_count(p->N, t->tn), tile_count(p->M, t->tm), p->batch * parts};
    const int64_t local[3] = {tile_items(t), 1, 1};
    const bool whole = parts == 1;
    char defines[DEFINES];
    madpo_tensor to = C;
    madpo_status st = MADPO_OK;
    madpo_launch l;

    if (!whole)
        st = madpo_workspace_get(&to, dev, p->batch * parts * p->M * p->N, err);
    if (st != MADPO_OK)
        return st;
    tile_defines(defines, t, p, A, B);
    madpo_launch_begin(&l, dev, "matmul_tile", "matmul_tile", defines);
    madpo_arg_tensor(&l, to);
    madpo_arg_i64(&l, whole ? p->ldc : p->N);
    madpo_arg_i64(&l, whole ? p->stride_c : parts * p->M * p->N);
    madpo_arg_tensor(&l, A);
    madpo_arg_i64(&l, p->lda);
    madpo_arg_i64(&l, p->stride_a);
    madpo_arg_tensor(&l, B);
    madpo_arg_i64(&l, p->ldb);
    madpo_arg_i64(&l, p->stride_b);
    madpo_arg_i64(&l, p->M);
    madpo_arg_i64(&l, p->N);
    madpo_arg_i64(&l, p->K);
    madpo_arg_i64(&l, parts);
    madpo_arg_i64(&l, length);
    madpo_arg_f32(&l, whole ? p->alpha : 1);
    madpo_arg_i32(&l, whole && p->accumulate);
    st = madpo_launch_grid(&l, 3, groups, local, err);
    return st == MADPO_OK && !whole ? tile_sum(dev, p, defines, parts, C, to, err) : st;
}
