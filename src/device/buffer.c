/* Buffers, tensors and transfers. */
#include "device/internal.h"

#include "base/error.h"

#include <assert.h>
#include <stdlib.h>

#define WORD 4 /* bytes that buffers are rounded up to, and cleared by */
#define MB   1e6

size_t madpo_dtype_bytes(madpo_dtype dtype)
{
    return dtype == MADPO_DTYPE_BF16 || dtype == MADPO_DTYPE_F16 ? 2 : 4;
}

const char *madpo_dtype_name(madpo_dtype dtype)
{
    static const char *const names[] = {"f32", "i32", "bf16", "f16"};

    return names[dtype];
}

uint64_t madpo_device_get_limit(const madpo_device *dev)
{
    const uint64_t own = dev->info.global_bytes, set = dev->options.memory_limit_bytes;

    return set && (!own || set < own) ? set : own;
}

/* Would `bytes` more fit? The message names the setting that helps. */
static madpo_status buffer_check(const madpo_device *dev, uint64_t bytes, const char *label,
                                 madpo_error *err)
{
    const uint64_t limit = madpo_device_get_limit(dev);
    const bool by_option = limit && limit == dev->options.memory_limit_bytes;
    const uint64_t left = dev->stats.bytes < limit ? limit - dev->stats.bytes : 0;

    if (limit && bytes > left)
        return madpo_error_set(err, MADPO_ERR_MEMORY,
                               "%s: %.1f MB asked for, %.1f of %.1f MB free on %s: lower "
                               "batch.tokens or the model%s",
                               label, (double)bytes / MB, (double)left / MB, (double)limit / MB,
                               dev->info.name, by_option ? ", or raise device.memory_mb" : "");
    if (dev->info.max_alloc_bytes && bytes > dev->info.max_alloc_bytes)
        return madpo_error_set(
            err, MADPO_ERR_MEMORY,
            "%s: %.1f MB asked for in one piece, %s gives at most %.1f MB: lower "
            "batch.tokens or the model",
            label, (double)bytes / MB, dev->info.name, (double)dev->info.max_alloc_bytes / MB);
    return MADPO_OK;
}

static madpo_status buffer_failed(const madpo_device *dev, cl_int code, uint64_t bytes,
                                  const char *label, madpo_error *err)
{
    if (code != CL_MEM_OBJECT_ALLOCATION_FAILURE && code != CL_OUT_OF_RESOURCES &&
        code != CL_OUT_OF_HOST_MEMORY && code != CL_INVALID_BUFFER_SIZE)
        return madpo__cl_error(err, code, "%s: allocating %.1f MB", label, (double)bytes / MB);
    return madpo__cl_set(
        err, MADPO_ERR_MEMORY, code,
        "%s: the driver of %s refused %.1f MB beside the %.1f MB in use (%s): lower "
        "batch.tokens or device.memory_mb, or close what else uses the device",
        label, dev->info.name, (double)bytes / MB, (double)dev->stats.bytes / MB,
        madpo__cl_name(code));
}

/* Zeros into the whole buffer, waited for: drivers reserve memory lazily and would otherwise fail,
 * or silently do nothing, at some later launch. */
static cl_int buffer_clear(const madpo_device *dev, cl_mem mem, uint64_t bytes)
{
    const cl_uint zero = 0;
    cl_int code = clEnqueueFillBuffer(dev->queue, mem, &zero, sizeof zero, 0, bytes, 0, NULL, NULL);

    return code == CL_SUCCESS ? clFinish(dev->queue) : code;
}

madpo_status madpo_buffer_new(madpo_buffer **out, madpo_device *dev, uint64_t bytes,
                              const char *label, madpo_error *err)
{
    const uint64_t whole = bytes < WORD ? WORD : (bytes + WORD - 1) / WORD * WORD;
    madpo_buffer *buffer = NULL;
    cl_int code;
    madpo_status st;

    *out = NULL;
    st = buffer_check(dev, whole, label, err);
    if (st != MADPO_OK)
        return st;
    buffer = calloc(1, sizeof *buffer);
    if (!buffer)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: %s", label);
    buffer->mem = clCreateBuffer(dev->context, CL_MEM_READ_WRITE, whole, NULL, &code);
    if (code == CL_SUCCESS)
        code = buffer_clear(dev, buffer->mem, whole);
    if (code != CL_SUCCESS) {
        st = buffer_failed(dev, code, whole, label, err);
        if (buffer->mem)
            clReleaseMemObject(buffer->mem);
        free(buffer);
        return st;
    }
    buffer->dev = dev;
    buffer->bytes = whole;
    dev->stats.n_buffers++;
    dev->stats.bytes += whole;
    if (dev->stats.bytes > dev->stats.peak_bytes)
        dev->stats.peak_bytes = dev->stats.bytes;
    *out = buffer;
    return MADPO_OK;
}

void madpo_buffer_free(madpo_buffer *buffer)
{
    if (!buffer)
        return;
    buffer->dev->stats.bytes -= buffer->bytes;
    clReleaseMemObject(buffer->mem);
    free(buffer);
}

uint64_t madpo_buffer_bytes(const madpo_buffer *buffer)
{
    return buffer->bytes;
}

cl_mem madpo_buffer_native(const madpo_buffer *buffer)
{
    return buffer ? buffer->mem : NULL;
}

madpo_status madpo_tensor_new(madpo_tensor *out, madpo_device *dev, int64_t n, madpo_dtype dtype,
                              const char *label, madpo_error *err)
{
    madpo_buffer *buffer;
    madpo_status st;

    *out = (madpo_tensor){0};
    assert(n >= 0 && n <= INT64_MAX / WORD);
    st = madpo_buffer_new(&buffer, dev, (uint64_t)n * madpo_dtype_bytes(dtype), label, err);
    if (st != MADPO_OK)
        return st;
    *out = (madpo_tensor){buffer, 0, n, dtype};
    return MADPO_OK;
}

madpo_tensor madpo_tensor_slice(madpo_tensor t, int64_t first, int64_t n)
{
    assert(first >= 0 && n >= 0 && first <= t.n && n <= t.n - first);
    return (madpo_tensor){t.buffer, t.offset + first, n, t.dtype};
}

bool madpo_tensor_is_none(madpo_tensor t)
{
    return t.buffer == NULL;
}

static size_t tensor_at(madpo_tensor t)
{
    return (size_t)t.offset * madpo_dtype_bytes(t.dtype);
}

static size_t tensor_bytes(madpo_tensor t, int64_t n)
{
    return (size_t)n * madpo_dtype_bytes(t.dtype);
}

madpo_status madpo_tensor_write(madpo_device *dev, madpo_tensor t, const void *src, int64_t n,
                                madpo_error *err)
{
    cl_int code;

    assert(n >= 0 && n <= t.n);
    if (n == 0)
        return MADPO_OK;
    code = clEnqueueWriteBuffer(dev->queue, t.buffer->mem, CL_TRUE, tensor_at(t),
                                tensor_bytes(t, n), src, 0, NULL, NULL);
    if (code != CL_SUCCESS)
        return madpo__cl_error(err, code, "writing %lld elements to %s", (long long)n,
                               dev->info.name);
    return MADPO_OK;
}

madpo_status madpo_tensor_read(madpo_device *dev, madpo_tensor t, void *dst, int64_t n,
                               madpo_error *err)
{
    cl_int code;

    assert(n >= 0 && n <= t.n);
    if (n == 0)
        return MADPO_OK;
    code = clEnqueueReadBuffer(dev->queue, t.buffer->mem, CL_TRUE, tensor_at(t), tensor_bytes(t, n),
                               dst, 0, NULL, NULL);
    if (code != CL_SUCCESS)
        return madpo__cl_error(err, code, "reading %lld elements from %s", (long long)n,
                               dev->info.name);
    return MADPO_OK;
}

madpo_status madpo_tensor_zero(madpo_device *dev, madpo_tensor t, madpo_error *err)
{
    const cl_uint zero = 0;
    cl_int code;

    if (t.n == 0)
        return MADPO_OK;
    /* a pattern of one element: places and sizes need be multiples of no more */
    code = clEnqueueFillBuffer(dev->queue, t.buffer->mem, &zero, madpo_dtype_bytes(t.dtype),
                               tensor_at(t), tensor_bytes(t, t.n), 0, NULL, NULL);
    if (code != CL_SUCCESS)
        return madpo__cl_error(err, code, "clearing %lld elements on %s", (long long)t.n,
                               dev->info.name);
    return MADPO_OK;
}

madpo_status madpo_tensor_copy(madpo_device *dev, madpo_tensor dst, madpo_tensor src, int64_t n,
                               madpo_error *err)
{
    cl_int code;

    assert(n >= 0 && n <= dst.n && n <= src.n);
    assert(madpo_dtype_bytes(dst.dtype) == madpo_dtype_bytes(src.dtype));
    if (n == 0)
        return MADPO_OK;
    code = clEnqueueCopyBuffer(dev->queue, src.buffer->mem, dst.buffer->mem, tensor_at(src),
                               tensor_at(dst), tensor_bytes(src, n), 0, NULL, NULL);
    if (code != CL_SUCCESS)
        return madpo__cl_error(err, code, "copying %lld elements on %s", (long long)n,
                               dev->info.name);
    return MADPO_OK;
}
