/* madpo devices: what OpenCL finds on this machine. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "device/device.h"

typedef struct devices_options {
    bool json;
} devices_options;

static int devices_run(int argc, char **argv);

static const madpo_cli_option devices_table[] = {{"json", NULL, MADPO_CLI_FLAG,
                                                  offsetof(devices_options, json), 0,
                                                  "Print a JSON array with one object per device."},
                                                 {0}};

const madpo_cli_command madpo__command_devices = {
    .name = "devices",
    .synopsis = "[--json]",
    .summary = "list the OpenCL devices of this machine",
    .description =
        "    List every device of every OpenCL platform with what it says of itself. The number\n"
        "    in front is what --device takes; so are gpu, cpu and any part of a name. Without\n"
        "    --device the first GPU is used, else the first CPU, else the first device.\n",
    .options = devices_table,
    .more = "EXIT STATUS\n"
            "    0  at least one device was found\n"
            "    1  there is none\n"
            "\n"
            "ENVIRONMENT\n"
            "    OCL_ICD_VENDORS    where the OpenCL loader looks for drivers\n"
            "    POCL_CACHE_DIR     where PoCL keeps compiled kernels\n"
            "    RUSTICL_ENABLE     drivers that Mesa's rusticl offers\n",
    .run = devices_run,
};

static const char *devices_kind(madpo_device_kind kind)
{
    return kind == MADPO_DEVICE_CPU ? "cpu" : kind == MADPO_DEVICE_GPU ? "gpu" : "other";
}

static json_t *devices_text(const char *text)
{
    return madpo_json_text(text, strlen(text));
}

/* New reference or NULL. */
static json_t *devices_json(const madpo_device_info *d)
{
    return json_pack(
        "{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
        "s:I, s:I, s:b, s:b, s:b, s:b, s:b}",
        "index", d->index, "kind", devices_kind(d->kind), "name", devices_text(d->name), "vendor",
        devices_text(d->vendor), "platform", devices_text(d->platform), "platform_version",
        devices_text(d->platform_version), "driver", devices_text(d->driver), "version",
        devices_text(d->version), "c_version", devices_text(d->c_version), "compute_units",
        (json_int_t)d->compute_units, "clock_mhz", (json_int_t)d->clock_mhz, "global_bytes",
        (json_int_t)d->global_bytes, "max_alloc_bytes", (json_int_t)d->max_alloc_bytes,
        "local_bytes", (json_int_t)d->local_bytes, "cache_bytes", (json_int_t)d->cache_bytes,
        "max_work_group", (json_int_t)d->max_work_group, "native_float_width",
        (json_int_t)d->native_float_width, "base_align_bytes", (json_int_t)d->base_align_bytes,
        "fp16", d->fp16, "fp64", d->fp64, "subgroups", d->subgroups, "unified_memory",
        d->unified_memory, "available", d->available);
}

static int devices_print_json(const madpo_device_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < list->n; i++)
        if (json_array_append_new(array, devices_json(&list->info[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    return madpo__cli_put_json(array);
}

static const char *devices_yes(bool value)
{
    return value ? "yes" : "no";
}

static void devices_print(const madpo_device_info *d)
{
    const double mb = 1e6, kb = 1024;

    printf("[%d] %s  %s%s\n", d->index, devices_kind(d->kind), d->name,
           d->available ? "" : "  (not available)");
    printf("    platform  %s, %s\n", d->platform, d->platform_version);
    printf("    vendor    %s\n", d->vendor);
    printf("    driver    %s; %s; %s\n", d->driver, d->version, d->c_version);
    printf("    compute   %u units at %u MHz, vectors of %u floats, work-groups up to %llu\n",
           (unsigned)d->compute_units, (unsigned)d->clock_mhz, (unsigned)d->native_float_width,
           (unsigned long long)d->max_work_group);
    printf("    memory    %.0f MB, one buffer up to %.0f MB, local %.0f KiB, cache %.0f KiB%s\n",
           (double)d->global_bytes / mb, (double)d->max_alloc_bytes / mb,
           (double)d->local_bytes / kb, (double)d->cache_bytes / kb,
           d->unified_memory ? ", shared with the host" : "");
    printf("    optional  fp16 %s, fp64 %s, sub-groups %s (none is needed)\n", devices_yes(d->fp16),
           devices_yes(d->fp64), devices_yes(d->subgroups));
}

static int devices_run(int argc, char **argv)
{
    devices_options options = {0};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_device_list list = {0};
    int n, rc = madpo__cli_parse(&madpo__command_devices, argc, argv, &options, &n);

    if (rc >= 0)
        return rc;
    if (n > 0)
        return madpo__cli_usage("devices: unexpected argument \"%s\" (madpo help devices)",
                                argv[0]);
    if (madpo_device_list_scan(&list, &err) != MADPO_OK)
        return madpo__cli_fail(&err);
    rc = MADPO_EXIT_DONE;
    if (options.json)
        rc = devices_print_json(&list);
    for (size_t i = 0; !options.json && i < list.n; i++)
        devices_print(&list.info[i]);
    if (list.n == 0) {
        fputs("madpo: no platform: install an OpenCL driver, for example with apt-get install "
              "pocl-opencl-icd (any CPU), mesa-opencl-icd or intel-opencl-icd (GPUs)\n",
              stderr);
        rc = MADPO_EXIT_FAILED;
    }
    madpo_device_list_dispose(&list);
    return rc;
}
