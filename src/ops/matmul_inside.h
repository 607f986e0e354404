#ifndef MADPO_OPS_MATMUL_INSIDE_H
#define MADPO_OPS_MATMUL_INSIDE_H
/* The three providers of the matrix product, below ops/matmul.h. Private to src/ops and its tests.
 */
#include "ops/matmul.h"

/* A spec with its defaults filled in and its tensors' needs known. */
typedef struct madpo__product {
    bool ta, tb; /* A stored [K,M], B stored [N,K] */
    int64_t M, N, K, lda, ldb, ldc, batch, stride_a, stride_b, stride_c;
    float alpha;
    bool accumulate;
    madpo_dtype b_dtype; /* f32, bf16 or f16 */
} madpo__product;

madpo__product madpo__product_of(const madpo_matmul_spec *spec);

/* ---- panel: our kernels (cl/ops/matmul.cl) ---- */

/* Block sizes: vectors of `vw` floats, blocks of `mr` rows x `nv` vectors of columns. */
typedef struct madpo__panel {
    int vw, nv, mr;
    const char *defines[3];            /* of the programs for B as f32, bf16 and f16 */
    const struct madpo__panel *narrow; /* taken instead for up to vw columns; or NULL */
} madpo__panel;

/* The shape for this device's vector width; and one by width (4, 8 or 16), for tests. */
const madpo__panel *madpo__panel_of(const madpo_device *dev);
const madpo__panel *madpo__panel_by_width(int vw);
/* The defines for this type of B. */
const char *madpo__panel_defines(const madpo__panel *panel, madpo_dtype b_dtype);

int64_t madpo__panel_workspace(const madpo__panel *panel, const madpo__product *p);
int64_t madpo__panel_packed_elements(const madpo__panel *panel, const madpo__product *p);
madpo_status madpo__panel_pack(madpo_device *dev, const madpo__panel *panel,
                               const madpo__product *p, madpo_tensor packed, madpo_tensor B,
                               madpo_error *err) MADPO_MUST_CHECK;
/* `b_packed`: B is what _pack made. */
madpo_status madpo__panel_run(madpo_device *dev, const madpo__panel *panel, const madpo__product *p,
                              madpo_tensor C, madpo_tensor A, madpo_tensor B, bool b_packed,
                              madpo_error *err) MADPO_MUST_CHECK;

/* ---- tile: our kernels for GPUs (cl/ops/matmul_tile.cl) ---- */

/* A work-group's part of C, tm x tn; tk of K at a time; an item's part of that, im x in. */
typedef struct madpo__tile {
    int tm, tn, tk, im, in;
} madpo__tile;

/* Does the device have the work-group size and the local memory for every tile? */
bool madpo__tile_fits(const madpo_device *dev);
/* Are the product's leading dimensions small enough (below 2^24)? */
bool madpo__tile_takes(const madpo__product *p);
/* The tile for this product; and one by index, largest first, NULL beyond the last. */
const madpo__tile *madpo__tile_of(const madpo_device *dev, const madpo__product *p);
const madpo__tile *madpo__tile_by_index(int i);

/* Floats of workspace that this very product takes (0 where K is not cut), and the most that it or
 * one with smaller sizes may take. */
int64_t madpo__tile_parts_floats(const madpo_device *dev, const madpo__product *p);
int64_t madpo__tile_workspace(const madpo_device *dev, const madpo__product *p);
madpo_status madpo__tile_run(madpo_device *dev, const madpo__tile *tile, const madpo__product *p,
                             madpo_tensor C, madpo_tensor A, madpo_tensor B,
                             madpo_error *err) MADPO_MUST_CHECK;

/* ---- clblast: plain Sgemm, one call per batch item ---- */

/* Floats that a B of 16 bits is widened into at a time; the product goes by columns where all of B
 * is more. Its bits may then be those of narrower products. */
#define MADPO__WIDEN_MOST ((int64_t)1 << 24)

int64_t madpo__clblast_workspace(const madpo_device *dev, const madpo__product *p,
                                 int64_t widen_most);
madpo_status madpo__clblast_run(madpo_device *dev, const madpo__product *p, madpo_tensor C,
                                madpo_tensor A, madpo_tensor B, int64_t widen_most,
                                madpo_error *err) MADPO_MUST_CHECK;

#endif
