/* Opening, closing and asking a device. */
#include "device/internal.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void madpo_device_options_defaults(madpo_device_options *options)
{
    *options = (madpo_device_options){.select = "auto", .matmul = MADPO_MATMUL_AUTO};
}

static char *device_copy(const char *text)
{
    char *copy = malloc(strlen(text) + 1);

    if (copy)
        memcpy(copy, text, strlen(text) + 1);
    return copy;
}

static madpo_status device_copy_options(madpo_device *dev, const madpo_device_options *options,
                                        madpo_error *err)
{
    dev->options = *options;
    dev->select = device_copy(options->select ? options->select : "auto");
    dev->cache_dir = options->cache_dir ? device_copy(options->cache_dir) : NULL;
    dev->options.select = dev->select;
    dev->options.cache_dir = dev->cache_dir;
    if (!dev->select || (options->cache_dir && !dev->cache_dir))
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: device options");
    return MADPO_OK;
}

static madpo_status device_choose(madpo_device *dev, madpo_error *err)
{
    madpo__scan scan;
    size_t chosen;
    madpo_status st = madpo__scan_all(&scan, err);

    if (st != MADPO_OK)
        return st;
    st = madpo__select(&chosen, scan.info, scan.n, dev->options.select, err);
    if (st == MADPO_OK) {
        dev->platform = scan.platforms[chosen];
        dev->id = scan.devices[chosen];
        dev->info = scan.info[chosen];
    }
    madpo__scan_dispose(&scan);
    return st;
}

static madpo_status device_set_work_group(madpo_device *dev, madpo_error *err)
{
    int wg = dev->options.work_group;

    if (wg == 0)
        wg = dev->info.kind == MADPO_DEVICE_CPU ? 1 : 64;
    if (wg < 1 || (wg & (wg - 1)) != 0)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "work-group width %d is not a power of two; 0 chooses one", wg);
    if ((uint64_t)wg > dev->info.max_work_group)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "work-group width %d: %s allows at most %llu; 0 chooses one", wg,
                               dev->info.name, (unsigned long long)dev->info.max_work_group);
    dev->work_group = wg;
    return MADPO_OK;
}

static madpo_status device_make_queue(madpo_device *dev, madpo_error *err)
{
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)dev->platform, 0};
    cl_int code;

    dev->context = clCreateContext(properties, 1, &dev->id, NULL, NULL, &code);
    if (code != CL_SUCCESS)
        return madpo__cl_error(err, code, "opening %s", dev->info.name);
    dev->queue = clCreateCommandQueue(dev->context, dev->id,
                                      dev->options.profile ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
    if (code != CL_SUCCESS)
        return madpo__cl_error(err, code, "making a queue on %s", dev->info.name);
    return MADPO_OK;
}

madpo_status madpo_device_open(madpo_device **out, const madpo_device_options *options,
                               madpo_error *err)
{
    madpo_device *dev = calloc(1, sizeof *dev);
    madpo_status st;

    *out = NULL;
    if (!dev)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: device");
    st = device_copy_options(dev, options, err);
    if (st == MADPO_OK)
        st = device_choose(dev, err);
    if (st == MADPO_OK)
        st = device_set_work_group(dev, err);
    if (st == MADPO_OK)
        st = device_make_queue(dev, err);
    if (st != MADPO_OK)
        goto done;
    madpo__cache_open(&dev->cache, dev->options.cache_dir);
    *out = dev;
    dev = NULL; /* moved to the caller */
done:
    madpo_device_close(dev);
    return st;
}

void madpo_device_close(madpo_device *dev)
{
    if (!dev)
        return;
    if (dev->queue)
        clFinish(dev->queue);
    madpo__profile_dispose(dev);
    madpo_buffer_free(dev->workspace.buffer);
    madpo__programs_dispose(dev);
    madpo__cache_dispose(&dev->cache);
    if (dev->queue)
        clReleaseCommandQueue(dev->queue);
    if (dev->context)
        clReleaseContext(dev->context);
    free(dev->select);
    free(dev->cache_dir);
    free(dev);
}

const madpo_device_info *madpo_device_get_info(const madpo_device *dev)
{
    return &dev->info;
}

const madpo_device_options *madpo_device_get_options(const madpo_device *dev)
{
    return &dev->options;
}

int madpo_device_get_work_group(const madpo_device *dev)
{
    return dev->work_group;
}

const char *madpo_device_cache_note(const madpo_device *dev)
{
    return dev->cache.note;
}

madpo_status madpo_device_finish(madpo_device *dev, madpo_error *err)
{
    cl_int code = clFinish(dev->queue);

    if (code != CL_SUCCESS)
        return madpo__cl_error(err, code, "waiting for %s", dev->info.name);
    return MADPO_OK;
}

madpo_status madpo_device_flush(madpo_device *dev, madpo_error *err)
{
    cl_int code = clFlush(dev->queue);

    if (code != CL_SUCCESS)
        return madpo__cl_error(err, code, "handing work to %s", dev->info.name);
    return MADPO_OK;
}

madpo_device_stats madpo_device_get_stats(const madpo_device *dev)
{
    return dev->stats;
}

void madpo_device_reset_peak(madpo_device *dev)
{
    dev->stats.peak_bytes = dev->stats.bytes;
}

cl_device_id madpo_device_native_id(const madpo_device *dev)
{
    return dev->id;
}

cl_context madpo_device_native_context(const madpo_device *dev)
{
    return dev->context;
}

cl_command_queue madpo_device_native_queue(const madpo_device *dev)
{
    return dev->queue;
}
