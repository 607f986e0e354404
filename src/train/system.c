/* Memory, and device time by groups of kernels; see system.h. */
#include "train/system.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "device/profile.h"

static const char *const group_names[MADPO_SYSTEM_GROUPS] = {
    "matmul", "attention", "norm", "head", "optimizer", "embedding", "elementwise", "other"};
enum { GROUP_OTHER = MADPO_SYSTEM_GROUPS - 1 };

static const struct {
    const char *stem;
    int group;
} system_stems[] = {{"(library)", 0},   {"attention", 1}, {"kv_cache", 1},  {"rope", 1},
                    {"rmsnorm", 2},     {"layernorm", 2}, {"head", 3},      {"head_kl", 3},
                    {"reward_head", 3}, {"adamw", 4},     {"grad_norm", 4}, {"embedding", 5},
                    {"position", 5},    {"act", 6},       {"glu", 6},       {"add", 6},
                    {"bias", 6},        {"dropout", 6}};

int madpo_system_group(const char *stem)
{
    if (strncmp(stem, "matmul", strlen("matmul")) == 0) /* of any provider */
        return 0;
    for (size_t i = 0; i < sizeof system_stems / sizeof *system_stems; i++)
        if (strcmp(system_stems[i].stem, stem) == 0)
            return system_stems[i].group;
    return GROUP_OTHER;
}

const char *madpo_system_group_name(int group)
{
    return group_names[group];
}

madpo_status madpo_system_kernels_get(madpo_system_kernels *out, madpo_device *dev,
                                      madpo_error *err)
{
    const madpo_profile_row *rows;
    size_t n;
    madpo_status st;

    *out = (madpo_system_kernels){0};
    if (!madpo_device_get_options(dev)->profile)
        return MADPO_OK;
    st = madpo_profile_collect(dev, &rows, &n, err);
    for (size_t i = 0; st == MADPO_OK && i < n; i++)
        out->ms[madpo_system_group(rows[i].stem)] += rows[i].total_ms;
    return st;
}

/* Resident memory as the kernel tells it, 0 where it does not. */
static void host_memory(uint64_t *now, uint64_t *peak)
{
    FILE *file = fopen("/proc/self/status", "r");
    unsigned long long kb;
    char line[256];

    *now = *peak = 0;
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmRSS: %llu", &kb) == 1)
            *now = kb * 1024u;
        else if (sscanf(line, "VmHWM: %llu", &kb) == 1)
            *peak = kb * 1024u;
    }
    fclose(file);
}

static void add_bytes(json_t *fields, const char *name, uint64_t bytes)
{
    if (bytes > 0)
        json_object_set_new(fields, name, json_integer((json_int_t)bytes));
}

void madpo_system_memory(madpo_device *dev, json_t *fields)
{
    const madpo_device_stats stats = madpo_device_get_stats(dev);
    uint64_t now, peak;

    host_memory(&now, &peak);
    json_object_set_new(fields, "device_bytes", json_integer((json_int_t)stats.bytes));
    json_object_set_new(fields, "device_peak_bytes", json_integer((json_int_t)stats.peak_bytes));
    add_bytes(fields, "device_limit_bytes", madpo_device_get_limit(dev));
    add_bytes(fields, "host_bytes", now);
    add_bytes(fields, "host_peak_bytes", peak);
}

madpo_status madpo_system_stage(madpo_stage_context *ctx, const char *stage, madpo_error *err)
{
    json_t *fields = json_pack("{s:s,s:s}", "stage", stage, "status", "done");

    if (fields)
        madpo_system_memory(ctx->dev, fields);
    return madpo_stage_event(ctx, "system", fields, err);
}
