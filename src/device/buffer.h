#ifndef MADPO_DEVICE_BUFFER_H
#define MADPO_DEVICE_BUFFER_H
/* Device memory: buffers, tensors (views), slabs planned up front, transfers.
 *
 * One slab per family (weights, gradients, optimiser state, activations); a tensor is an offset
 * into a buffer and is copied by value, never freed. Offsets and lengths count elements of the
 * tensor's own type and are 64-bit everywhere. Arithmetic is fp32; bf16 and f16 are ways to store
 * weights (base/half.h converts), taken by the right-hand side of matrix products, the embedding
 * table and the head.
 */
#include "device/device.h"

typedef struct madpo_buffer madpo_buffer;

typedef enum madpo_dtype {
    MADPO_DTYPE_F32,
    MADPO_DTYPE_I32,
    MADPO_DTYPE_BF16,
    MADPO_DTYPE_F16
} madpo_dtype;

size_t madpo_dtype_bytes(madpo_dtype dtype);     /* of one element: 4 or 2 */
const char *madpo_dtype_name(madpo_dtype dtype); /* "f32", "i32", "bf16", "f16" */

/* A view of n elements. Shapes are arguments of the launchers. n = 0 and buffer = NULL: no tensor.
 */
typedef struct madpo_tensor {
    madpo_buffer *buffer; /* borrowed */
    int64_t offset;       /* first element, counted from the buffer's start */
    int64_t n;            /* elements */
    madpo_dtype dtype;
} madpo_tensor;

/* Allocate `bytes` of device memory and fill it with zeros (which also makes the driver really
 * reserve it). `label` names it in error messages and in the memory plan. Errors:
 * MADPO_ERR_MEMORY names the label, the size asked for, what is free and the setting to lower. */
madpo_status madpo_buffer_new(madpo_buffer **out, madpo_device *dev, uint64_t bytes,
                              const char *label, madpo_error *err) MADPO_MUST_CHECK;
void madpo_buffer_free(madpo_buffer *buffer); /* accepts NULL */
uint64_t madpo_buffer_bytes(const madpo_buffer *buffer);

/* A tensor over a whole new buffer, for tests and small tables; free with
 * madpo_buffer_free(t.buffer). */
madpo_status madpo_tensor_new(madpo_tensor *out, madpo_device *dev, int64_t n, madpo_dtype dtype,
                              const char *label, madpo_error *err) MADPO_MUST_CHECK;
/* Elements [first, first+n) of `t`. Asserts that they lie inside. */
madpo_tensor madpo_tensor_slice(madpo_tensor t, int64_t first, int64_t n);
bool madpo_tensor_is_none(madpo_tensor t);

/* Transfers of n elements (n <= t.n). write returns when the host memory may be reused; read blocks
 * until the data is there; fill and copy are enqueued. */
madpo_status madpo_tensor_write(madpo_device *dev, madpo_tensor t, const void *src, int64_t n,
                                madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_tensor_read(madpo_device *dev, madpo_tensor t, void *dst, int64_t n,
                               madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_tensor_zero(madpo_device *dev, madpo_tensor t,
                               madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_tensor_copy(madpo_device *dev, madpo_tensor dst, madpo_tensor src, int64_t n,
                               madpo_error *err) MADPO_MUST_CHECK;

/* A slab: tensors are planned first (no device call), then all backed by one buffer, or by several
 * where one would exceed the device's largest allocation. The `madpo_tensor *` slots given to _plan
 * are filled by _alloc and must stay valid until then. Each starts on 256 bytes of its buffer. */
typedef struct madpo_slab madpo_slab;
madpo_status madpo_slab_new(madpo_slab **out, const char *label, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_slab_plan(madpo_slab *slab, madpo_tensor *slot, int64_t n, madpo_dtype dtype,
                             madpo_error *err) MADPO_MUST_CHECK;
/* Bytes planned so far, alignment included. */
uint64_t madpo_slab_bytes(const madpo_slab *slab);
madpo_status madpo_slab_alloc(madpo_slab *slab, madpo_device *dev,
                              madpo_error *err) MADPO_MUST_CHECK;
void madpo_slab_free(madpo_slab *slab); /* accepts NULL */

/* Scratch shared by the launchers. Owners reserve the largest need before the first step; reserve
 * never shrinks. _get returns a view of the first n elements and fails (MADPO_ERR_MEMORY) if less
 * was reserved, so that a step can never allocate. Contents do not survive the next launcher call.
 */
madpo_status madpo_workspace_reserve(madpo_device *dev, int64_t n,
                                     madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_workspace_get(madpo_tensor *out, madpo_device *dev, int64_t n,
                                 madpo_error *err) MADPO_MUST_CHECK;

#endif
