/* Slabs (tensors planned first, backed at once) and the launchers' shared scratch. */
#include "device/internal.h"

#include "base/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN 256 /* bytes: where every tensor starts in its buffer */

typedef struct slab_item {
    madpo_tensor *slot; /* borrowed */
    int64_t n;
    madpo_dtype dtype;
} slab_item;

struct madpo_slab {
    char *label;
    slab_item *items; /* [n_items of max_items] */
    size_t n_items, max_items;
    madpo_buffer **buffers; /* [n_buffers] */
    size_t n_buffers;
    int64_t bytes; /* planned, alignment included */
};

/* Bytes of `n` elements up to the next tensor. */
static int64_t slab_room(int64_t n, madpo_dtype dtype)
{
    return (n * (int64_t)madpo_dtype_bytes(dtype) + ALIGN - 1) / ALIGN * ALIGN;
}

madpo_status madpo_slab_new(madpo_slab **out, const char *label, madpo_error *err)
{
    madpo_slab *slab = calloc(1, sizeof *slab);

    *out = NULL;
    if (slab)
        slab->label = malloc(strlen(label) + 1);
    if (!slab || !slab->label) {
        madpo_slab_free(slab);
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: plan of %s", label);
    }
    memcpy(slab->label, label, strlen(label) + 1);
    *out = slab;
    return MADPO_OK;
}

madpo_status madpo_slab_plan(madpo_slab *slab, madpo_tensor *slot, int64_t n, madpo_dtype dtype,
                             madpo_error *err)
{
    assert(!slab->buffers && "plan before alloc");
    if (n < 0 || n > (INT64_MAX - slab->bytes - ALIGN) / (int64_t)madpo_dtype_bytes(dtype))
        return madpo_error_set(err, MADPO_ERR_MEMORY, "%s: %lld elements are beyond any device",
                               slab->label, (long long)n);
    if (slab->n_items == slab->max_items) {
        size_t more = slab->max_items ? 2 * slab->max_items : 32;
        slab_item *items = realloc(slab->items, more * sizeof *items);

        if (!items)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: plan of %s", slab->label);
        slab->items = items;
        slab->max_items = more;
    }
    *slot = (madpo_tensor){NULL, 0, 0, dtype};
    slab->items[slab->n_items++] = (slab_item){slot, n, dtype};
    slab->bytes += slab_room(n, dtype);
    return MADPO_OK;
}

uint64_t madpo_slab_bytes(const madpo_slab *slab)
{
    return (uint64_t)slab->bytes;
}

/* Items [first, …) that one buffer of the device can hold, at least one; what they need in
 * *bytes. */
static size_t slab_part(const madpo_slab *slab, size_t first, uint64_t max_bytes, int64_t *bytes)
{
    size_t i = first;

    *bytes = 0;
    for (; i < slab->n_items; i++) {
        const int64_t with = *bytes + slab_room(slab->items[i].n, slab->items[i].dtype);

        if (i > first && max_bytes && (uint64_t)with > max_bytes)
            break;
        *bytes = with;
    }
    return i - first;
}

/* Hand the items of one part their places in `buffer`. */
static void slab_place(madpo_slab *slab, size_t first, size_t count, madpo_buffer *buffer)
{
    int64_t at = 0;

    for (size_t i = first; i < first + count; i++) {
        const slab_item *item = &slab->items[i];

        if (item->n > 0)
            *item->slot = (madpo_tensor){buffer, at / (int64_t)madpo_dtype_bytes(item->dtype),
                                         item->n, item->dtype};
        at += slab_room(item->n, item->dtype);
    }
}

madpo_status madpo_slab_alloc(madpo_slab *slab, madpo_device *dev, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    size_t first = 0, count;

    assert(!slab->buffers && "a slab is allocated once");
    if (slab->n_items == 0)
        return MADPO_OK;
    slab->buffers = calloc(slab->n_items, sizeof *slab->buffers);
    if (!slab->buffers)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: plan of %s", slab->label);
    for (; first < slab->n_items; first += count) {
        madpo_buffer *buffer;
        int64_t bytes;

        count = slab_part(slab, first, dev->info.max_alloc_bytes, &bytes);
        st = madpo_buffer_new(&buffer, dev, (uint64_t)bytes, slab->label, err);
        if (st != MADPO_OK)
            return st;
        slab->buffers[slab->n_buffers++] = buffer;
        slab_place(slab, first, count, buffer);
    }
    return MADPO_OK;
}

void madpo_slab_free(madpo_slab *slab)
{
    if (!slab)
        return;
    for (size_t i = 0; i < slab->n_buffers; i++)
        madpo_buffer_free(slab->buffers[i]);
    free(slab->buffers);
    free(slab->items);
    free(slab->label);
    free(slab);
}

madpo_status madpo_workspace_reserve(madpo_device *dev, int64_t n, madpo_error *err)
{
    if (n <= dev->workspace.n)
        return MADPO_OK;
    madpo_buffer_free(dev->workspace.buffer); /* first, so that both need not fit */
    dev->workspace = (madpo_tensor){0};
    return madpo_tensor_new(&dev->workspace, dev, n, MADPO_DTYPE_F32, "workspace", err);
}

madpo_status madpo_workspace_get(madpo_tensor *out, madpo_device *dev, int64_t n, madpo_error *err)
{
    *out = (madpo_tensor){0};
    if (n > dev->workspace.n)
        return madpo_error_set(err, MADPO_ERR_MEMORY,
                               "workspace of %lld floats needed, %lld reserved: the owner must "
                               "madpo_workspace_reserve() the largest need first",
                               (long long)n, (long long)dev->workspace.n);
    *out = madpo_tensor_slice(dev->workspace, 0, n);
    return MADPO_OK;
}
