/* AdamW over a model's weight slab. */
#include "train/optimiser.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "model/safetensors.h"
#include "ops/adamw.h"
#include "ops/grad_norm.h"

struct madpo_optimiser {
    madpo_model *model; /* borrowed */
    madpo_device *dev;  /* the model's */
    madpo_optimiser_options options;
    madpo_slab *slab;
    madpo_tensor m, v; /* [n] */
    madpo_tensor norm; /* [1] */
    int64_t n;         /* elements of the weight slab */
    int64_t updates;
};

madpo_status madpo_optimiser_new(madpo_optimiser **out, madpo_model *model,
                                 const madpo_optimiser_options *options, madpo_error *err)
{
    madpo_optimiser *o = calloc(1, sizeof *o);
    madpo_status st;

    *out = NULL;
    if (!o)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "optimiser: out of host memory");
    o->model = model;
    o->dev = madpo_model_get_device(model);
    o->options = *options;
    o->n = madpo_model_weights(model).n;
    st = madpo_slab_new(&o->slab, "optimiser", err);
    if (st == MADPO_OK)
        st = madpo_slab_plan(o->slab, &o->m, o->n, MADPO_DTYPE_F32, err);
    if (st == MADPO_OK)
        st = madpo_slab_plan(o->slab, &o->v, o->n, MADPO_DTYPE_F32, err);
    if (st == MADPO_OK)
        st = madpo_slab_plan(o->slab, &o->norm, 1, MADPO_DTYPE_F32, err);
    if (st == MADPO_OK)
        st = madpo_slab_alloc(o->slab, o->dev, err);
    if (st == MADPO_OK)
        st = madpo_tensor_zero(o->dev, o->m, err);
    if (st == MADPO_OK)
        st = madpo_tensor_zero(o->dev, o->v, err);
    if (st == MADPO_OK)
        st = madpo_workspace_reserve(o->dev, madpo_grad_norm_workspace(o->dev, o->n), err);
    if (st != MADPO_OK) {
        madpo_optimiser_free(o);
        return st;
    }
    *out = o;
    return MADPO_OK;
}

void madpo_optimiser_free(madpo_optimiser *optimiser)
{
    if (!optimiser)
        return;
    madpo_slab_free(optimiser->slab);
    free(optimiser);
}

madpo_status madpo_optimiser_norm(madpo_optimiser *optimiser, double *norm, madpo_error *err)
{
    float value = NAN;
    madpo_status st;

    *norm = NAN;
    st = madpo_grad_norm(optimiser->dev, optimiser->norm, madpo_model_grads(optimiser->model),
                         optimiser->n, err);
    if (st == MADPO_OK)
        st = madpo_tensor_read(optimiser->dev, optimiser->norm, &value, 1, err);
    *norm = value;
    return st;
}

double madpo_clip_factor(double clip, double norm)
{
    return clip > 0.0 ? fmin(1.0, clip / (norm + 1e-6)) : 1.0;
}

/* Update elements [first, first + n) of the slab with one weight decay. */
static madpo_status optimiser_range(madpo_optimiser *o, int64_t first, int64_t n,
                                    const madpo_adamw_options *step, madpo_error *err)
{
    if (n == 0)
        return MADPO_OK;
    return madpo_adamw_step(o->dev, madpo_tensor_slice(madpo_model_weights(o->model), first, n),
                            madpo_tensor_slice(madpo_model_grads(o->model), first, n),
                            madpo_tensor_slice(o->m, first, n), madpo_tensor_slice(o->v, first, n),
                            n, step, err);
}

madpo_status madpo_optimiser_step(madpo_optimiser *optimiser, double lr, double norm,
                                  madpo_error *err)
{
    const madpo_optimiser_options *options = &optimiser->options;
    int64_t n_decay = madpo_model_n_decay(optimiser->model);
    madpo_adamw_options step = {.lr = (float)lr,
                                .beta1 = (float)options->beta1,
                                .beta2 = (float)options->beta2,
                                .eps = (float)options->eps,
                                .weight_decay = (float)options->weight_decay,
                                .grad_scale = (float)madpo_clip_factor(options->clip, norm),
                                .t = optimiser->updates + 1};
    madpo_status st;

    st = optimiser_range(optimiser, 0, n_decay, &step, err);
    step.weight_decay = 0.0f;
    if (st == MADPO_OK)
        st = optimiser_range(optimiser, n_decay, optimiser->n - n_decay, &step, err);
    if (st != MADPO_OK)
        return st;
    optimiser->updates++;
    madpo_model_weights_changed(optimiser->model);
    return MADPO_OK;
}

int64_t madpo_optimiser_updates(const madpo_optimiser *optimiser)
{
    return optimiser->updates;
}

madpo_status madpo_optimiser_save(madpo_optimiser *optimiser, const char *path, madpo_error *err)
{
    int64_t n = optimiser->n;
    float *host = malloc(2 * (size_t)n * sizeof *host); /* m, then v */
    uint64_t bytes = (uint64_t)n * sizeof *host;
    madpo_safetensor tensors[2];
    madpo_status st;

    if (!host)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "optimiser state: out of host memory");
    st = madpo_tensor_read(optimiser->dev, optimiser->m, host, n, err);
    if (st == MADPO_OK)
        st = madpo_tensor_read(optimiser->dev, optimiser->v, host + n, n, err);
    tensors[0] = (madpo_safetensor){
        .name = "m", .dtype = "F32", .n_dims = 1, .shape = {n}, .data = host, .bytes = bytes};
    tensors[1] = tensors[0];
    tensors[1].name = "v";
    tensors[1].data = host + n;
    if (st == MADPO_OK)
        st = madpo_safetensors_write(path, tensors, 2, err);
    free(host);
    return st;
}

madpo_status madpo_optimiser_read_flat(madpo_device *dev, madpo_tensor to, const char *path,
                                       const char *name, madpo_error *err)
{
    madpo_safetensors *file = NULL;
    const madpo_safetensor *found;
    madpo_status st = madpo_safetensors_open(&file, path, err);

    if (st != MADPO_OK)
        return st;
    found = madpo_safetensors_find(file, name);
    if (!found || found->bytes != (uint64_t)to.n * sizeof(float))
        st = madpo_error_set(
            err, MADPO_ERR_DATA,
            "%s: tensor %s is missing or has another size: the checkpoint belongs to "
            "another model, remove it",
            path, name);
    else
        st = madpo_tensor_write(dev, to, found->data, to.n, err);
    madpo_safetensors_close(file);
    return st;
}

madpo_status madpo_optimiser_load(madpo_optimiser *optimiser, const char *path, int64_t updates,
                                  madpo_error *err)
{
    madpo_status st = madpo_optimiser_read_flat(optimiser->dev, optimiser->m, path, "m", err);

    if (st == MADPO_OK)
        st = madpo_optimiser_read_flat(optimiser->dev, optimiser->v, path, "v", err);
    if (st == MADPO_OK)
        optimiser->updates = updates;
    return st;
}
