/* Programs and kernels: built or loaded at first use, then found by hash. */
#include "device/internal.h"
#include "device/launch.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "madpo/version.h"

#include <stdlib.h>
#include <string.h>

uint64_t madpo__hash(const char *a, const char *b, const char *c)
{
    const char *const part[] = {a, b, c};
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < 3; i++) {
        for (const char *p = part[i] ? part[i] : ""; *p; p++)
            hash = (hash ^ (unsigned char)*p) * 1099511628211u;
        hash = (hash ^ 0xff) * 1099511628211u; /* separator: no text holds this byte */
    }
    return hash ^ hash >> 32; /* the buckets take the low bits */
}

static char *program_copy(const char *text)
{
    const size_t n = text ? strlen(text) : 0;
    char *copy = malloc(n + 1);

    if (copy) {
        if (n)
            memcpy(copy, text, n);
        copy[n] = '\0';
    }
    return copy;
}

static bool program_is(const char *own, const char *asked)
{
    return strcmp(own, asked ? asked : "") == 0;
}

/* ---- building ---- */

/* Reading a binary takes a moment; more than this, and more than building, is compiling. */
#define LAZY_SECONDS 0.25

/* All a program is made from. */
typedef struct program_recipe {
    char *source, *options; /* owned */
    char *key;              /* owned [n_key] */
    size_t n_key;
} program_recipe;

/* No -cl-mad-enable: it lets a compiler trade the rounding of a*b+c per context, which would make
 * the same row's bits depend on the kernel variant; kernels say fma() where they want one. No flag
 * that lets the compiler forget NaN. */
static madpo_status program_options(const madpo_device *dev, const char *defines, char **out,
                                    madpo_error *err)
{
    madpo_strbuf b = {0};

    madpo_strbuf_printf(&b, "-cl-std=CL1.2 -DWG=%d -DCPU=%d%s%s", dev->work_group,
                        dev->info.kind == MADPO_DEVICE_CPU, defines && *defines ? " " : "",
                        defines ? defines : "");
    return madpo_strbuf_steal(&b, out, NULL, err);
}

/* Everything a driver's binary depends on, but for options and source. */
static void program_key_device(const madpo_device *dev, madpo_strbuf *b)
{
    const madpo_device_info *info = &dev->info;

    madpo_strbuf_printf(b, "madpo %s\nplatform %s\n%s\ndevice %s\n%s\n%s\ndriver %s\n",
                        MADPO_VERSION, info->platform, info->platform_version, info->name,
                        info->vendor, info->version, info->driver);
}

/* The whole key; cache.c stores and compares all of it. */
static madpo_status program_key(const madpo_device *dev, program_recipe *r, madpo_error *err)
{
    madpo_strbuf b = {0};

    program_key_device(dev, &b);
    madpo_strbuf_printf(&b, "options %s\n\n", r->options);
    madpo_strbuf_append(&b, r->source);
    return madpo_strbuf_steal(&b, &r->key, &r->n_key, err);
}

/* The first line that tells an error, without its newline: [*n] inside `log`. */
static const char *program_first_error(const char *log, size_t *n)
{
    const char *line = log, *found = strstr(log, "error");

    if (found) {
        for (line = found; line > log && line[-1] != '\n'; line--)
            ;
    }
    line += strspn(line, " \t\r\n");
    *n = strcspn(line, "\r\n");
    return line;
}

static madpo_status program_build_failed(madpo_device *dev, cl_program program, cl_int code,
                                         const char *stem, madpo_error *err)
{
    size_t n = 0, n_line = 0;
    char *log = NULL, *path = NULL;
    const char *line = "the driver gives no log";
    madpo_status st;

    clGetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &n);
    log = calloc(n + 1, 1);
    if (log &&
        clGetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, n, log, NULL) == CL_SUCCESS &&
        log[strspn(log, " \t\r\n")]) {
        path = madpo__cache_log(&dev->cache, stem, log);
        line = program_first_error(log, &n_line);
    } else {
        n_line = strlen(line);
    }
    st = madpo__cl_set(err, MADPO_ERR_DEVICE, code,
                       "kernels of '%s' do not build on %s (%s): %.*s%s%s%s", stem, dev->info.name,
                       madpo__cl_name(code), n_line > 300 ? 300 : (int)n_line, line,
                       path ? " (whole log: " : "", path ? path : "", path ? ")" : "");
    free(path);
    free(log);
    return st;
}

static bool program_from_binary(madpo_device *dev, const program_recipe *r, cl_program *out)
{
    unsigned char *binary;
    const unsigned char *bytes;
    size_t n;
    cl_int code, status = CL_SUCCESS;

    *out = NULL;
    if (!madpo__cache_load(&dev->cache, r->key, r->n_key, &binary, &n))
        return false;
    bytes = binary;
    *out = clCreateProgramWithBinary(dev->context, 1, &dev->id, &n, &bytes, &status, &code);
    free(binary);
    if (code == CL_SUCCESS && status == CL_SUCCESS &&
        clBuildProgram(*out, 1, &dev->id, r->options, NULL, NULL) == CL_SUCCESS)
        return true;
    if (*out)
        clReleaseProgram(*out);
    *out = NULL;
    return false;
}

/* Some drivers compile a kernel when it is first enqueued with a local size, and keep the result
 * themselves; asked for a program's binary they compile every kernel once more, for sizes nobody
 * uses (PoCL 3.1: 25 s instead of 2.4 for seven programs). That is noticed by the clock at the
 * first program, and remembered in the cache: from then on such a driver is left to its own cache.
 */
static bool program_is_lazy(madpo_device *dev, bool found_out)
{
    static const unsigned char yes[] = "lazy";
    unsigned char *stored = NULL;
    madpo_strbuf key = {0};
    size_t n;

    if (!dev->lazy_known || found_out) {
        madpo_strbuf_append(&key, "compiles at enqueue\n");
        program_key_device(dev, &key);
        if (!key.failed && found_out)
            madpo__cache_store(&dev->cache, key.s, key.n, yes, sizeof yes);
        dev->lazy =
            found_out || (!key.failed && madpo__cache_load(&dev->cache, key.s, key.n, &stored, &n));
        dev->lazy_known = true;
        free(stored);
        madpo_strbuf_dispose(&key);
    }
    return dev->lazy;
}

/* Keep the driver's binary. One context holds one device, so there is one binary. */
static void program_store(madpo_device *dev, cl_program program, const program_recipe *r,
                          double build_seconds)
{
    const double start = madpo_clock_monotonic();
    size_t n = 0;
    unsigned char *binary;
    double seconds;

    if (!dev->cache.folder)
        return;
    /* a damaged or refused entry is replaced in any case */
    if (program_is_lazy(dev, false) && !madpo__cache_has(&dev->cache, r->key, r->n_key))
        return;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof n, &n, NULL) != CL_SUCCESS || !n)
        return;
    binary = malloc(n);
    if (binary &&
        clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS)
        madpo__cache_store(&dev->cache, r->key, r->n_key, binary, n);
    free(binary);
    seconds = madpo_clock_monotonic() - start;
    if (seconds > LAZY_SECONDS && seconds > build_seconds)
        (void)program_is_lazy(dev, true);
}

static madpo_status program_from_source(madpo_device *dev, const char *stem,
                                        const program_recipe *r, cl_program *out, madpo_error *err)
{
    const char *source = r->source;
    const double start = madpo_clock_monotonic();
    madpo_status st = MADPO_OK;
    cl_int code;

    *out = clCreateProgramWithSource(dev->context, 1, &source, NULL, &code);
    if (code != CL_SUCCESS)
        return madpo__cl_error(err, code, "handing the source of '%s' to %s", stem, dev->info.name);
    code = clBuildProgram(*out, 1, &dev->id, r->options, NULL, NULL);
    if (code == CL_SUCCESS) {
        program_store(dev, *out, r, madpo_clock_monotonic() - start);
    } else {
        st = program_build_failed(dev, *out, code, stem, err);
        clReleaseProgram(*out);
        *out = NULL;
    }
    return st;
}

static madpo_status program_make(madpo_device *dev, const char *stem, const char *defines,
                                 cl_program *out, madpo_error *err)
{
    program_recipe r = {0};
    madpo_strbuf name = {0};
    char *path = NULL;
    madpo_status st;

    *out = NULL;
    /* a stem with a folder ("bench/fma_peak") is taken as it is */
    madpo_strbuf_printf(&name, "%s%s.cl", strchr(stem, '/') ? "" : "ops/", stem);
    st = madpo_strbuf_steal(&name, &path, NULL, err);
    if (st == MADPO_OK)
        st = madpo__source_resolve(&r.source, path, err);
    if (st == MADPO_OK)
        st = program_options(dev, defines, &r.options, err);
    if (st == MADPO_OK)
        st = program_key(dev, &r, err);
    if (st != MADPO_OK)
        goto done;
    if (program_from_binary(dev, &r, out)) {
        dev->stats.cache_hits++;
    } else {
        st = program_from_source(dev, stem, &r, out, err);
        if (st != MADPO_OK)
            goto done;
        dev->stats.cache_misses++;
    }
    dev->stats.n_programs++;
done:
    free(path);
    free(r.source);
    free(r.options);
    free(r.key);
    return st;
}

/* ---- tables ---- */

static void program_free(madpo__program *p)
{
    if (!p)
        return;
    if (p->program)
        clReleaseProgram(p->program);
    free(p->stem);
    free(p->defines);
    free(p);
}

static madpo_status program_get(madpo__program **out, madpo_device *dev, const char *stem,
                                const char *defines, madpo_error *err)
{
    const uint64_t hash = madpo__hash(stem, NULL, defines);
    madpo__program **bucket = &dev->programs[hash % MADPO__BUCKETS];
    madpo__program *p;
    madpo_status st = MADPO_OK;

    *out = NULL;
    for (p = *bucket; p; p = p->next) {
        if (p->hash == hash && program_is(p->stem, stem) && program_is(p->defines, defines)) {
            *out = p;
            return MADPO_OK;
        }
    }
    p = calloc(1, sizeof *p);
    if (p) {
        p->hash = hash;
        p->stem = program_copy(stem);
        p->defines = program_copy(defines);
    }
    if (!p || !p->stem || !p->defines)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: program '%s'", stem);
    if (st == MADPO_OK)
        st = program_make(dev, stem, defines, &p->program, err);
    if (st != MADPO_OK) {
        program_free(p);
        return st;
    }
    p->next = *bucket;
    *bucket = p;
    *out = p;
    return MADPO_OK;
}

madpo_status madpo_program_prepare(madpo_device *dev, const char *stem, const char *defines,
                                   madpo_error *err)
{
    madpo__program *program;

    return program_get(&program, dev, stem, defines, err);
}

static void kernel_free(madpo_kernel *k)
{
    if (!k)
        return;
    if (k->kernel)
        clReleaseKernel(k->kernel);
    free(k->stem);
    free(k->entry);
    free(k->defines);
    free(k);
}

static madpo_status kernel_make(madpo_kernel **out, madpo_device *dev, const char *stem,
                                const char *entry, const char *defines, madpo_error *err)
{
    madpo_kernel *k = calloc(1, sizeof *k);
    madpo__program *program;
    madpo_status st = MADPO_OK;
    cl_int code;

    if (k) {
        k->stem = program_copy(stem);
        k->entry = program_copy(entry);
        k->defines = program_copy(defines);
    }
    if (!k || !k->stem || !k->entry || !k->defines)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: kernel '%s'", entry);
    if (st == MADPO_OK && strcmp(stem, MADPO__LIBRARY) == 0)
        goto made; /* a library's kernel: only its times are kept here */
    if (st == MADPO_OK)
        st = program_get(&program, dev, stem, defines, err);
    if (st == MADPO_OK) {
        k->kernel = clCreateKernel(program->program, entry, &code);
        if (code != CL_SUCCESS)
            st = madpo__cl_error(err, code, "kernel '%s' of '%s'", entry, stem);
    }
    if (st != MADPO_OK) {
        kernel_free(k);
        return st;
    }
    dev->stats.n_kernels++;
made:
    *out = k;
    return MADPO_OK;
}

madpo_status madpo__kernel_get(madpo_kernel **out, madpo_device *dev, const char *stem,
                               const char *entry, const char *defines, madpo_error *err)
{
    const uint64_t hash = madpo__hash(stem, entry, defines);
    madpo_kernel **bucket = &dev->kernels[hash % MADPO__BUCKETS];
    madpo_kernel *k;
    madpo_status st;

    *out = NULL;
    for (k = *bucket; k; k = k->next) {
        if (k->hash == hash && program_is(k->stem, stem) && program_is(k->entry, entry) &&
            program_is(k->defines, defines)) {
            *out = k;
            return MADPO_OK;
        }
    }
    st = kernel_make(&k, dev, stem, entry, defines, err);
    if (st != MADPO_OK)
        return st;
    k->hash = hash;
    k->next = *bucket;
    *bucket = k;
    *out = k;
    return MADPO_OK;
}

void madpo__programs_dispose(madpo_device *dev)
{
    for (size_t i = 0; i < MADPO__BUCKETS; i++) {
        while (dev->kernels[i]) {
            madpo_kernel *next = dev->kernels[i]->next;

            kernel_free(dev->kernels[i]);
            dev->kernels[i] = next;
        }
        while (dev->programs[i]) {
            madpo__program *next = dev->programs[i]->next;

            program_free(dev->programs[i]);
            dev->programs[i] = next;
        }
    }
}
