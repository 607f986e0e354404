#ifndef MADPO_OPS_MATMUL_H
#define MADPO_OPS_MATMUL_H
/* Matrix product C = alpha op(A) op(B) [+ C], row-major, fp32, all transposes, batched, any size.
 *
 * B may be stored as bf16 or f16 (weights): it is widened on load, and the result has the bits of
 * the product with the widened values. C and A are f32.
 *
 * Three providers behind one interface. Panel, for CPU devices: A and B are packed into row and
 * column panels and one work-item keeps an MR x NR block of C in registers over a block of K. Tile,
 * for GPUs: a work-group's operands go through local memory and each item keeps a part of its tile
 * in registers. CLBlast's plain Sgemm, for comparison and where a device has too little for the
 * tiles (batches are loops over it: its strided-batched and half routines are wrong). With panel
 * and tile an element is one chain of fused multiply-adds over k: the value of C[i,j] depends only
 * on row i, column j and K, never on M, N or the batch, so a sequence's log-prob has the same bits
 * in any batch. (Tile cuts the K of TN and TT products into parts where C alone has too few tiles
 * to keep the device busy; those bits depend on the shape.)
 *
 * Source for shapes: a linear layer y = x W^T is NT with x [T,in], W [out,in]; its dx = dy W is NN;
 * its dW = dy^T x is TN. */
#include "device/buffer.h"

typedef enum madpo_matmul_op {
    MADPO_MATMUL_NN, /* A [M,K], B [K,N] */
    MADPO_MATMUL_NT, /* A [M,K], B [N,K] */
    MADPO_MATMUL_TN, /* A [K,M], B [K,N] */
    MADPO_MATMUL_TT  /* A [K,M], B [N,K] */
} madpo_matmul_op;

typedef struct madpo_matmul_spec {
    madpo_matmul_op op;
    int64_t M, N, K;
    int64_t lda, ldb, ldc;                /* elements between stored rows; 0 = dense */
    int64_t batch;                        /* 0 or 1 = one product */
    int64_t stride_a, stride_b, stride_c; /* elements between batch items; stride_a/b may be 0 */
    float alpha;                          /* 0 means 1 */
    bool accumulate;                      /* C += instead of C = */
    madpo_dtype b_dtype;                  /* how B is stored, for the workspace queries; 0 = f32.
                                           * The launchers go by the tensor itself. */
} madpo_matmul_spec;

/* C [M,N] write or accumulate; A, B read. M, N or K = 0 is legal (K = 0 writes zeros unless
 * accumulating). Uses at most the first madpo_matmul_workspace() floats of the workspace: a
 * launcher with data of its own there keeps it behind them. Enqueued. */
madpo_status madpo_matmul(madpo_device *dev, const madpo_matmul_spec *spec, madpo_tensor C,
                          madpo_tensor A, madpo_tensor B, madpo_error *err) MADPO_MUST_CHECK;
/* Workspace floats one call of this spec, or of one with smaller M, N or K, needs at most (0 where
 * the provider needs none). */
int64_t madpo_matmul_workspace(const madpo_device *dev, const madpo_matmul_spec *spec);
/* The same for madpo_matmul_with. */
int64_t madpo_matmul_workspace_with(const madpo_device *dev, madpo_matmul_provider provider,
                                    const madpo_matmul_spec *spec);

/* Frozen right-hand sides: pack once, use often (generation, frozen bases). `packed` holds
 * madpo_matmul_packed_elements() elements of B's type; on providers without packing it is a plain
 * copy. A packed product gives the same bits as the plain one. spec->op and ldb say how B is
 * stored; spec->M and A are ignored by _pack. Batched specs are refused. */
int64_t madpo_matmul_packed_elements(const madpo_device *dev, const madpo_matmul_spec *spec);
madpo_status madpo_matmul_pack(madpo_device *dev, const madpo_matmul_spec *spec,
                               madpo_tensor packed, madpo_tensor B,
                               madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_matmul_packed(madpo_device *dev, const madpo_matmul_spec *spec, madpo_tensor C,
                                 madpo_tensor A, madpo_tensor packed,
                                 madpo_error *err) MADPO_MUST_CHECK;

/* Provider in force on this device: "panel", "tile" or "clblast". */
const char *madpo_matmul_provider_name(const madpo_device *dev);
/* Same product through a named provider, for benchmarks and for tests that compare them. */
madpo_status madpo_matmul_with(madpo_device *dev, madpo_matmul_provider provider,
                               const madpo_matmul_spec *spec, madpo_tensor C, madpo_tensor A,
                               madpo_tensor B, madpo_error *err) MADPO_MUST_CHECK;
/* Give CLBlast the parameters it does best with on CPU devices (96 x 96 tiles of 3 x 8 items,
 * 16-wide vectors; its own database has none for them), so that a comparison is fair. For
 * benchmarks: holds for the whole process. */
madpo_status madpo_matmul_tune_clblast(madpo_device *dev, madpo_error *err) MADPO_MUST_CHECK;
#endif
