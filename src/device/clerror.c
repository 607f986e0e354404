/* Names and remedies of OpenCL error codes. */
#include "device/internal.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    cl_int code;
    const char *name;
} cl_names[] = {
    {-1, "CL_DEVICE_NOT_FOUND"},
    {-2, "CL_DEVICE_NOT_AVAILABLE"},
    {-3, "CL_COMPILER_NOT_AVAILABLE"},
    {-4, "CL_MEM_OBJECT_ALLOCATION_FAILURE"},
    {-5, "CL_OUT_OF_RESOURCES"},
    {-6, "CL_OUT_OF_HOST_MEMORY"},
    {-7, "CL_PROFILING_INFO_NOT_AVAILABLE"},
    {-8, "CL_MEM_COPY_OVERLAP"},
    {-11, "CL_BUILD_PROGRAM_FAILURE"},
    {-14, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST"},
    {-30, "CL_INVALID_VALUE"},
    {-31, "CL_INVALID_DEVICE_TYPE"},
    {-32, "CL_INVALID_PLATFORM"},
    {-33, "CL_INVALID_DEVICE"},
    {-34, "CL_INVALID_CONTEXT"},
    {-36, "CL_INVALID_COMMAND_QUEUE"},
    {-38, "CL_INVALID_MEM_OBJECT"},
    {-42, "CL_INVALID_BINARY"},
    {-43, "CL_INVALID_BUILD_OPTIONS"},
    {-44, "CL_INVALID_PROGRAM"},
    {-45, "CL_INVALID_PROGRAM_EXECUTABLE"},
    {-46, "CL_INVALID_KERNEL_NAME"},
    {-47, "CL_INVALID_KERNEL_DEFINITION"},
    {-48, "CL_INVALID_KERNEL"},
    {-49, "CL_INVALID_ARG_INDEX"},
    {-50, "CL_INVALID_ARG_VALUE"},
    {-51, "CL_INVALID_ARG_SIZE"},
    {-52, "CL_INVALID_KERNEL_ARGS"},
    {-53, "CL_INVALID_WORK_DIMENSION"},
    {-54, "CL_INVALID_WORK_GROUP_SIZE"},
    {-55, "CL_INVALID_WORK_ITEM_SIZE"},
    {-56, "CL_INVALID_GLOBAL_OFFSET"},
    {-58, "CL_INVALID_EVENT"},
    {-59, "CL_INVALID_OPERATION"},
    {-61, "CL_INVALID_BUFFER_SIZE"},
    {-63, "CL_INVALID_GLOBAL_WORK_SIZE"},
    {-1001, "CL_PLATFORM_NOT_FOUND_KHR"},
    /* CLBlast's own */
    {-2039, "CLBlast: unexpected failure while building"},
    {-2045, "CLBlast: precision not supported by the device"},
    {-2047, "CLBlast: invalid parameter override"},
};

const char *madpo__cl_name(cl_int code)
{
    for (size_t i = 0; i < sizeof cl_names / sizeof cl_names[0]; i++) {
        if (cl_names[i].code == code)
            return cl_names[i].name;
    }
    return "unknown OpenCL error";
}

madpo_status madpo__cl_set(madpo_error *err, madpo_status status, cl_int code, const char *fmt, ...)
{
    const bool first = err && err->code == MADPO_OK;
    char message[MADPO_ERROR_MESSAGE];
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    (void)madpo_error_set(err, status, "%s", message);
    if (first)
        err->cl_code = code;
    return status;
}

madpo_status madpo__cl_error(madpo_error *err, cl_int code, const char *fmt, ...)
{
    madpo_status status = MADPO_ERR_DEVICE;
    const char *remedy = "";
    char what[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    switch (code) {
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
    case CL_OUT_OF_HOST_MEMORY:
        status = MADPO_ERR_MEMORY;
        remedy = "; lower batch.tokens or close what else uses the device";
        break;
    case CL_OUT_OF_RESOURCES:
    case CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST:
    case CL_INVALID_COMMAND_QUEUE:
        remedy =
            "; the device was lost or reset by its driver: start again, runs go on with --resume";
        break;
    case CL_COMPILER_NOT_AVAILABLE:
        remedy = "; this driver cannot compile kernels: choose another device";
        break;
    default:
        break;
    }
    return madpo__cl_set(err, status, code, "%s: %s (%d)%s", what, madpo__cl_name(code), code,
                         remedy);
}

madpo_status madpo_device_native_error(madpo_error *err, int code, const char *what)
{
    return madpo__cl_error(err, code, "%s", what);
}
