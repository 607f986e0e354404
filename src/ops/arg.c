/* Checking and binding tensors; see arg.h. */
#include "ops/arg.h"

#include "base/error.h"

void madpo_ops_arg(madpo_launch *l, const char *launcher, const char *name, madpo_tensor t,
                   int64_t rows, int64_t cols, madpo_dtype dtype)
{
    const bool sane = rows >= 0 && cols >= 0 && (cols == 0 || rows <= INT64_MAX / cols);

    if (l->status != MADPO_OK)
        return;
    if (!sane || t.n < rows * cols)
        l->status = madpo_error_set(&l->error, MADPO_ERR_USAGE,
                                    "%s: tensor %s holds %lld elements, not %lld x %lld", launcher,
                                    name, (long long)t.n, (long long)rows, (long long)cols);
    else if (rows * cols > 0 && t.dtype != dtype)
        l->status = madpo_error_set(&l->error, MADPO_ERR_USAGE, "%s: tensor %s must be %s",
                                    launcher, name, madpo_dtype_name(dtype));
    else
        madpo_arg_tensor(l, t);
}

const char *madpo_ops_weight_defines(madpo_dtype dtype)
{
    return dtype == MADPO_DTYPE_BF16  ? "-DW_TYPE=1"
           : dtype == MADPO_DTYPE_F16 ? "-DW_TYPE=2"
                                      : NULL;
}

int64_t madpo_ops_blocks(int64_t n, int64_t block)
{
    return n <= 0 ? 0 : (n - 1) / block + 1;
}

static int64_t ops_block_limit(const madpo_device *dev)
{
    return madpo_device_get_work_group(dev) == 1 ? 32 : 256;
}

int64_t madpo_ops_block_rows(const madpo_device *dev, int64_t T)
{
    const int64_t rows = madpo_ops_blocks(T, ops_block_limit(dev));

    return rows < 8 ? 8 : rows;
}

int64_t madpo_ops_most_blocks(const madpo_device *dev, int64_t T)
{
    const int64_t most = ops_block_limit(dev), blocks = madpo_ops_blocks(T, 8);

    return blocks < most ? blocks : most;
}

int64_t madpo_ops_block_cols(const madpo_device *dev)
{
    const int wg = madpo_device_get_work_group(dev);

    return wg == 1 ? 256 : wg;
}
