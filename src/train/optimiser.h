#ifndef MADPO_TRAIN_OPTIMISER_H
#define MADPO_TRAIN_OPTIMISER_H
/* AdamW over a model's weight slab: moments, gradient norm, clipping, the update. Called by the
 * step loop. */
#include "model/model.h"

typedef struct madpo_optimiser madpo_optimiser;

typedef struct madpo_optimiser_options {
    double beta1, beta2, eps;
    double weight_decay; /* of the tensors the model marks (matrices) */
    double clip;         /* largest global gradient norm, 0 = no clipping */
} madpo_optimiser_options;

/* Allocate zero moments for `model` (borrowed) and reserve the workspace of the norm. */
madpo_status madpo_optimiser_new(madpo_optimiser **out, madpo_model *model,
                                 const madpo_optimiser_options *options,
                                 madpo_error *err) MADPO_MUST_CHECK;
void madpo_optimiser_free(madpo_optimiser *optimiser); /* accepts NULL */

/* Global L2 norm of the gradients, before clipping; not finite if any gradient is not. Blocking. */
madpo_status madpo_optimiser_norm(madpo_optimiser *optimiser, double *norm,
                                  madpo_error *err) MADPO_MUST_CHECK;
/* Factor on the gradients for a norm, torch's clip_grad_norm_: min(1, clip/(norm + 1e-6)). */
double madpo_clip_factor(double clip, double norm);
/* One update with learning rate `lr`, gradients times the clip factor of `norm`. Enqueued: the
 * decayed range of the slab, then the rest. */
madpo_status madpo_optimiser_step(madpo_optimiser *optimiser, double lr, double norm,
                                  madpo_error *err) MADPO_MUST_CHECK;

/* Updates made so far; AdamW's t. */
int64_t madpo_optimiser_updates(const madpo_optimiser *optimiser);
/* Moments to and from a safetensors file ("m", "v" [n]); the count of updates travels separately.
 */
madpo_status madpo_optimiser_save(madpo_optimiser *optimiser, const char *path,
                                  madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_optimiser_load(madpo_optimiser *optimiser, const char *path, int64_t updates,
                                  madpo_error *err) MADPO_MUST_CHECK;

/* A flat tensor of n floats under `name`, between a device tensor and a safetensors object. */
madpo_status madpo_optimiser_read_flat(madpo_device *dev, madpo_tensor to, const char *path,
                                       const char *name, madpo_error *err) MADPO_MUST_CHECK;
#endif
