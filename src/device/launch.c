/* The launch builder. */
#include "device/launch.h"
#include "device/internal.h"

#include "base/error.h"

#include <assert.h>

void madpo_launch_begin(madpo_launch *l, madpo_device *dev, const char *stem, const char *entry,
                        const char *defines)
{
    *l = (madpo_launch){.dev = dev};
    l->status = madpo__kernel_get(&l->kernel, dev, stem, entry, defines, &l->error);
}

static void launch_bind(madpo_launch *l, size_t size, const void *value)
{
    cl_int code;

    if (l->status != MADPO_OK)
        return;
    code = clSetKernelArg(l->kernel->kernel, l->n_args, size, value);
    if (code != CL_SUCCESS)
        l->status = madpo__cl_error(&l->error, code, "argument %u of kernel '%s'", l->n_args,
                                    l->kernel->entry);
    l->n_args++;
}

void madpo_arg_tensor(madpo_launch *l, madpo_tensor t)
{
    const cl_long offset = t.buffer ? t.offset : 0;

    launch_bind(l, sizeof(cl_mem), t.buffer ? &t.buffer->mem : NULL);
    launch_bind(l, sizeof offset, &offset);
}

void madpo_arg_i64(madpo_launch *l, int64_t value)
{
    const cl_long v = value;

    launch_bind(l, sizeof v, &v);
}

void madpo_arg_i32(madpo_launch *l, int32_t value)
{
    const cl_int v = value;

    launch_bind(l, sizeof v, &v);
}

void madpo_arg_u64(madpo_launch *l, uint64_t value)
{
    const cl_ulong v = value;

    launch_bind(l, sizeof v, &v);
}

void madpo_arg_f32(madpo_launch *l, float value)
{
    const cl_float v = value;

    launch_bind(l, sizeof v, &v);
}

/* Move the sticky failure to the caller's record. */
static madpo_status launch_fail(madpo_launch *l, madpo_error *err)
{
    if (err && err->code == MADPO_OK)
        *err = l->error;
    return l->status;
}

madpo_status madpo_launch_rows(madpo_launch *l, int64_t rows, madpo_error *err)
{
    const int64_t local = l->dev->work_group;

    return madpo_launch_grid(l, 1, &rows, &local, err);
}

madpo_status madpo_launch_grid(madpo_launch *l, int dims, const int64_t *groups,
                               const int64_t *local, madpo_error *err)
{
    madpo_device *dev = l->dev;
    size_t global[3] = {1, 1, 1}, group[3] = {1, 1, 1};
    cl_event event = NULL;
    cl_int code;

    assert(dims >= 1 && dims <= 3);
    if (l->status != MADPO_OK)
        return launch_fail(l, err);
    for (int d = 0; d < dims; d++) {
        assert(groups[d] >= 0 && local[d] >= 1);
        if (groups[d] == 0)
            return MADPO_OK;
        group[d] = (size_t)local[d];
        global[d] = (size_t)groups[d] * group[d];
    }
    code = clEnqueueNDRangeKernel(dev->queue, l->kernel->kernel, (cl_uint)dims, NULL, global, group,
                                  0, NULL, dev->options.profile ? &event : NULL);
    if (code != CL_SUCCESS)
        return madpo__cl_error(err, code, "launching kernel '%s'", l->kernel->entry);
    dev->stats.n_launches++;
    return event ? madpo__profile_add(dev, l->kernel, event, err) : MADPO_OK;
}
