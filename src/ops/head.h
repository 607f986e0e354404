#ifndef MADPO_OPS_HEAD_H
#define MADPO_OPS_HEAD_H
/* Fused head: hidden states -> log-probs of given labels, by vocabulary chunks; never a [T,V]
 * tensor.
 *
 * For row i: z = W h[row_token[i]], logp[i] = z[row_label[i]] - logsumexp(z). Pass 1 walks the
 * chunks with a running maximum and sum; pass 2 (backward) recomputes each chunk's logits and turns
 * them into dz = coef[i] (onehot - softmax) (coef = dLoss/dlogp), from which dhidden and dW
 * accumulate. Where one chunk covers the vocabulary and the caller gives a tensor for the logits,
 * pass 2 takes them from there instead of computing them again.
 *
 * Frozen W (no dW wanted): d logp/dh = W_label - sum_j p_j W_j. Given io->expect, the forward pass
 * accumulates that sum beside the log-sum-exp, rescaling it when the running maximum moves as
 * attention does, and the backward pass needs no product at all: 2 products over the vocabulary
 * instead of 3. Sums are fp32 whatever W is stored as, and rows go through in tiles of bounded
 * size, which changes no bits. */
#include "device/buffer.h"

typedef struct madpo_head_dims {
    int64_t T, C, V;     /* hidden rows, width, vocabulary */
    int64_t R;           /* log-prob rows of this batch */
    int64_t chunk;       /* vocabulary rows per chunk; 0 = choose */
    madpo_dtype W_dtype; /* how W is stored, for madpo_head_workspace; 0 = f32 */
} madpo_head_dims;

typedef struct madpo_head_io {
    madpo_tensor hidden;    /* [T,C] read */
    madpo_tensor W;         /* [V,C] f32, bf16 or f16 read */
    madpo_tensor row_token; /* [R] i32 read */
    madpo_tensor row_label; /* [R] i32 read */
    madpo_tensor logp;      /* [R] write */
    madpo_tensor lse;       /* [R] write (forward), read (backward) */
    madpo_tensor zmax;      /* [R] write: the largest logit; the label was the arg max iff
                             * logp == zmax - lse, exactly */
    madpo_tensor logits;    /* [R,V] kept from forward for backward, which overwrites it; or none */
    madpo_tensor expect;    /* [R,C] W_label - sum_j p_j W_j, that is d logp/dh: written by forward,
                             * read by a backward without dW; or none. Not beside kept logits. */
} madpo_head_io;

/* Whether forward leaves the logits in io->logits: it is there and one chunk is all. */
bool madpo_head_keeps_logits(const madpo_head_io *io, const madpo_head_dims *dims);

/* Workspace floats that forward and backward of these dims need (at most; R and T as maxima). */
int64_t madpo_head_workspace(const madpo_device *dev, const madpo_head_dims *dims);

madpo_status madpo_head_fwd(madpo_device *dev, const madpo_head_io *io, const madpo_head_dims *dims,
                            madpo_error *err) MADPO_MUST_CHECK;

typedef struct madpo_head_grads {
    madpo_tensor coef;                   /* [R] dLoss/dlogp, read */
    madpo_tensor tok_row_start, tok_row; /* [T+1], [R] i32: rows of each token (base/batch.h) */
    madpo_tensor dhidden;                /* [T,C] write or accumulate; tokens without rows get 0 */
    madpo_tensor dW;                     /* [V,C] write or accumulate, or none (frozen head) */
} madpo_head_grads;

madpo_status madpo_head_bwd(madpo_device *dev, const madpo_head_io *io,
                            const madpo_head_grads *grads, const madpo_head_dims *dims,
                            bool accumulate_hidden, bool accumulate_W,
                            madpo_error *err) MADPO_MUST_CHECK;
#endif
