/* Discovery: every device of every platform, in the order the ICD loader reports them. */
#include "device/internal.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A device's string property, cut to `size`; "" where the driver has none. */
static void scan_string(cl_device_id id, cl_device_info what, char *out, size_t size)
{
    size_t n = 0;
    char *text = NULL;

    out[0] = '\0';
    if (clGetDeviceInfo(id, what, 0, NULL, &n) != CL_SUCCESS || n == 0)
        return;
    text = calloc(n + 1, 1);
    if (text && clGetDeviceInfo(id, what, n, text, NULL) == CL_SUCCESS) {
        size_t lead = strspn(text, " \t");

        snprintf(out, size, "%s", text + lead); /* some drivers pad names with blanks */
        for (size_t end = strlen(out); end > 0 && out[end - 1] == ' '; end--)
            out[end - 1] = '\0';
    }
    free(text);
}

static void scan_platform_string(cl_platform_id id, cl_platform_info what, char *out, size_t size)
{
    size_t n = 0;
    char *text = NULL;

    out[0] = '\0';
    if (clGetPlatformInfo(id, what, 0, NULL, &n) != CL_SUCCESS || n == 0)
        return;
    text = calloc(n + 1, 1);
    if (text && clGetPlatformInfo(id, what, n, text, NULL) == CL_SUCCESS)
        snprintf(out, size, "%s", text);
    free(text);
}

/* Is `word` one of the blank-separated extension names? */
static bool scan_has_extension(cl_device_id id, const char *word)
{
    size_t n = 0, length = strlen(word);
    char *text = NULL;
    bool found = false;

    if (clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, 0, NULL, &n) != CL_SUCCESS)
        return false;
    text = calloc(n + 1, 1);
    if (text && clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, n, text, NULL) == CL_SUCCESS) {
        for (const char *p = text; (p = strstr(p, word)) != NULL && !found; p += length)
            found = (p == text || p[-1] == ' ') && (p[length] == ' ' || p[length] == '\0');
    }
    free(text);
    return found;
}

static uint32_t scan_u32(cl_device_id id, cl_device_info what)
{
    cl_uint value = 0;

    return clGetDeviceInfo(id, what, sizeof value, &value, NULL) == CL_SUCCESS ? value : 0;
}

static uint64_t scan_u64(cl_device_id id, cl_device_info what)
{
    cl_ulong value = 0;

    return clGetDeviceInfo(id, what, sizeof value, &value, NULL) == CL_SUCCESS ? value : 0;
}

static bool scan_bool(cl_device_id id, cl_device_info what)
{
    cl_bool value = CL_FALSE;

    return clGetDeviceInfo(id, what, sizeof value, &value, NULL) == CL_SUCCESS && value;
}

static madpo_device_kind scan_kind(cl_device_id id)
{
    cl_device_type type = 0;

    if (clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof type, &type, NULL) != CL_SUCCESS)
        return MADPO_DEVICE_OTHER;
    if (type & CL_DEVICE_TYPE_GPU)
        return MADPO_DEVICE_GPU;
    return type & CL_DEVICE_TYPE_CPU ? MADPO_DEVICE_CPU : MADPO_DEVICE_OTHER;
}

static void scan_probe(madpo_device_info *info, int index, cl_platform_id platform, cl_device_id id)
{
    size_t group = 0;

    *info = (madpo_device_info){.index = index, .kind = scan_kind(id)};
    scan_platform_string(platform, CL_PLATFORM_NAME, info->platform, sizeof info->platform);
    scan_platform_string(platform, CL_PLATFORM_VERSION, info->platform_version,
                         sizeof info->platform_version);
    scan_string(id, CL_DEVICE_NAME, info->name, sizeof info->name);
    scan_string(id, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor);
    scan_string(id, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    scan_string(id, CL_DEVICE_VERSION, info->version, sizeof info->version);
    scan_string(id, CL_DEVICE_OPENCL_C_VERSION, info->c_version, sizeof info->c_version);
    info->compute_units = scan_u32(id, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->clock_mhz = scan_u32(id, CL_DEVICE_MAX_CLOCK_FREQUENCY);
    info->global_bytes = scan_u64(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_alloc_bytes = scan_u64(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->local_bytes = scan_u64(id, CL_DEVICE_LOCAL_MEM_SIZE);
    info->cache_bytes = scan_u64(id, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE);
    if (clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof group, &group, NULL) ==
        CL_SUCCESS)
        info->max_work_group = group;
    info->native_float_width = scan_u32(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
    info->base_align_bytes = scan_u32(id, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8; /* given in bits */
    info->fp16 = scan_has_extension(id, "cl_khr_fp16");
    info->fp64 = scan_has_extension(id, "cl_khr_fp64");
    info->subgroups =
        scan_has_extension(id, "cl_khr_subgroups") || scan_has_extension(id, "cl_intel_subgroups");
    info->unified_memory = scan_bool(id, CL_DEVICE_HOST_UNIFIED_MEMORY);
    info->available =
        scan_bool(id, CL_DEVICE_AVAILABLE) && scan_bool(id, CL_DEVICE_COMPILER_AVAILABLE);
}

static madpo_status scan_grow(madpo__scan *scan, size_t more, madpo_error *err)
{
    const size_t n = scan->n + more;
    void *platforms = realloc(scan->platforms, n * sizeof *scan->platforms);
    void *devices, *info;

    if (!platforms)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: list of devices");
    scan->platforms = platforms;
    devices = realloc(scan->devices, n * sizeof *scan->devices);
    if (!devices)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: list of devices");
    scan->devices = devices;
    info = realloc(scan->info, n * sizeof *scan->info);
    if (!info)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: list of devices");
    scan->info = info;
    return MADPO_OK;
}

static madpo_status scan_platform(madpo__scan *scan, cl_platform_id platform, madpo_error *err)
{
    cl_uint n = 0;
    cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &n);
    madpo_status st;

    /* a driver installed without its hardware says "not found" or fails: no devices of its own */
    if (code != CL_SUCCESS || n == 0)
        return MADPO_OK;
    st = scan_grow(scan, n, err);
    if (st != MADPO_OK)
        return st;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, n, scan->devices + scan->n, NULL) !=
        CL_SUCCESS)
        return MADPO_OK;
    for (cl_uint i = 0; i < n; i++, scan->n++) {
        scan->platforms[scan->n] = platform;
        scan_probe(&scan->info[scan->n], (int)scan->n, platform, scan->devices[scan->n]);
    }
    return MADPO_OK;
}

madpo_status madpo__scan_all(madpo__scan *out, madpo_error *err)
{
    cl_platform_id *platforms = NULL;
    cl_uint n = 0;
    cl_int code;
    madpo_status st = MADPO_OK;

    *out = (madpo__scan){0};
    code = clGetPlatformIDs(0, NULL, &n);
    if (code == -1001 || (code == CL_SUCCESS && n == 0))
        return MADPO_OK;
    if (code != CL_SUCCESS)
        return madpo__cl_error(err, code, "listing the OpenCL platforms");
    platforms = calloc(n, sizeof *platforms);
    if (!platforms)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: list of platforms");
    code = clGetPlatformIDs(n, platforms, NULL);
    if (code != CL_SUCCESS)
        st = madpo__cl_error(err, code, "listing the OpenCL platforms");
    for (cl_uint i = 0; i < n && st == MADPO_OK; i++)
        st = scan_platform(out, platforms[i], err);
    free(platforms);
    if (st != MADPO_OK)
        madpo__scan_dispose(out);
    return st;
}

void madpo__scan_dispose(madpo__scan *scan)
{
    free(scan->platforms);
    free(scan->devices);
    free(scan->info);
    *scan = (madpo__scan){0};
}

madpo_status madpo_device_list_scan(madpo_device_list *out, madpo_error *err)
{
    madpo__scan scan;
    madpo_status st = madpo__scan_all(&scan, err);

    *out = (madpo_device_list){0};
    if (st != MADPO_OK)
        return st;
    out->n = scan.n;
    out->info = scan.info; /* moved */
    scan.info = NULL;
    madpo__scan_dispose(&scan);
    return MADPO_OK;
}

void madpo_device_list_dispose(madpo_device_list *list)
{
    free(list->info);
    *list = (madpo_device_list){0};
}
