/* madpo bench matmul: GFLOP/s per shape and provider beside the measured FMA peak. */
#include "cli/bench.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/half.h"
#include "cli/args.h"
#include "cli/bench_watch.h"
#include "cli/output.h"
#include "device/launch.h"
#include "ops/matmul.h"

/* ---- command line ---- */

typedef struct bench_options {
    bool json;
    const char *device, *op, *provider, *b;
    madpo_cli_list shapes;
} bench_options;

static const madpo_cli_option bench_table[] = {
    {"json", NULL, MADPO_CLI_FLAG, offsetof(bench_options, json), 0, "Print one JSON object."},
    {"device", "DEVICE", MADPO_CLI_TEXT, offsetof(bench_options, device), 0,
     "Device to measure: a number or part of a name from madpo devices, gpu or cpu."},
    {"shape", "MxNxK", MADPO_CLI_LIST, offsetof(bench_options, shapes), 0,
     "Measure this product instead of the usual list; may be repeated."},
    {"op", "OP", MADPO_CLI_TEXT, offsetof(bench_options, op), 0,
     "How the operands of --shape are stored: nn, nt (default), tn or tt."},
    {"provider", "NAME", MADPO_CLI_TEXT, offsetof(bench_options, provider), 0,
     "Measure only this provider: panel, tile or clblast."},
    {"b", "TYPE", MADPO_CLI_TEXT, offsetof(bench_options, b), 0,
     "How B is stored: f32 (default), bf16, f16, or all to compare them."},
    {0}};

static const madpo_cli_command bench_command = {
    .name = "bench",
    .synopsis = "matmul [--json] [--device DEVICE] [--shape MxNxK]... | watch [OPTION...]",
    .summary = "measure the matrix product on this machine's device, or the front end",
    .description =
        "    Time C = A B, packing included, for each shape with our kernels (panel on CPU\n"
        "    devices, tile on others) and with clblast, and give each as a fraction of the\n"
        "    fused multiply-adds the device was measured to do. M x N is the result's size, K\n"
        "    what is summed over. On CPU devices CLBlast gets the parameters it does best with\n"
        "    there; its kernels are built at the first use, which can take a minute.\n"
        "    What the front end costs is measured by madpo bench watch (its --help says more).\n",
    .options = bench_table,
    .run = madpo_cli_bench,
};

/* ---- what is measured ---- */

typedef struct bench_shape {
    int64_t m, n, k;
    madpo_matmul_op op;
} bench_shape;

/* A 270M model's layers, then forward (nt), data gradient (nn) and weight gradient (tn) of the
 * small models trained from scratch, their head by chunks of the vocabulary, and decoding. */
static const bench_shape bench_usual[] = {
    {3024, 2048, 640, MADPO_MATMUL_NT}, {3024, 640, 2048, MADPO_MATMUL_NT},
    {960, 1024, 1024, MADPO_MATMUL_NT}, {2048, 128, 128, MADPO_MATMUL_NT},
    {2048, 384, 128, MADPO_MATMUL_NT},  {2048, 128, 384, MADPO_MATMUL_NT},
    {4096, 256, 256, MADPO_MATMUL_NT},  {4096, 1024, 256, MADPO_MATMUL_NT},
    {2048, 2048, 128, MADPO_MATMUL_NT}, {2048, 4096, 256, MADPO_MATMUL_NT},
    {2048, 128, 384, MADPO_MATMUL_NN},  {4096, 256, 1024, MADPO_MATMUL_NN},
    {2048, 128, 2048, MADPO_MATMUL_NN}, {128, 128, 2048, MADPO_MATMUL_TN},
    {384, 128, 2048, MADPO_MATMUL_TN},  {1024, 256, 4096, MADPO_MATMUL_TN},
    {2048, 128, 2048, MADPO_MATMUL_TN}, {64, 2048, 256, MADPO_MATMUL_NT},
    {1, 2048, 256, MADPO_MATMUL_NT},
};

static const char *const bench_op_names[] = {"nn", "nt", "tn", "tt"};

#define SAMPLES     9    /* rounds; each measures every subject once */
#define SAMPLE_SECS 0.02 /* at least; short work is repeated within one sample */

/* One thing that is timed: the multiply-adds alone, or a product through a provider. */
typedef struct bench_subject {
    bench_shape shape;
    int provider;           /* index below, or PEAK */
    int type;               /* of B; index below */
    double flops;           /* of one call */
    int repeats;            /* calls in one sample */
    double gflops[SAMPLES]; /* sorted in the end: the median counts */
} bench_subject;

enum { PEAK = -1, N_PROVIDERS = 3, N_TYPES = 3 };

typedef struct bench {
    madpo_device *dev;
    bench_shape *shapes; /* [n_shapes] owned */
    size_t n_shapes;
    bool chosen; /* the provider was named, else those made for this kind of device are measured */
    bool providers[N_PROVIDERS]; /* panel, tile, clblast */
    bool types[3];               /* of B: f32, bf16, f16 */
    bench_subject *subjects;     /* [n_subjects] owned; the first is the peak */
    size_t n_subjects;
    madpo_tensor A, C, B[3]; /* B of each type wanted */
} bench;

static const madpo_matmul_provider bench_providers[N_PROVIDERS] = {
    MADPO_MATMUL_PANEL, MADPO_MATMUL_TILE, MADPO_MATMUL_CLBLAST};
static const char *const bench_provider_names[N_PROVIDERS] = {"panel", "tile", "clblast"};
static const madpo_dtype bench_types[3] = {MADPO_DTYPE_F32, MADPO_DTYPE_BF16, MADPO_DTYPE_F16};

static bool bench_parse_shape(const char *text, bench_shape *out)
{
    int64_t *const part[3] = {&out->m, &out->n, &out->k};
    char *end;

    for (int i = 0; i < 3; i++) {
        if (*text < '1' || *text > '9')
            return false;
        *part[i] = strtoll(text, &end, 10);
        if (*part[i] > 1000000 || *end != (i < 2 ? 'x' : '\0'))
            return false;
        text = end + 1;
    }
    return true;
}

static bool bench_parse_op(const char *text, madpo_matmul_op *out)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, bench_op_names[i]) == 0) {
            *out = (madpo_matmul_op)i;
            return true;
        }
    }
    return false;
}

static bool bench_choose_types(bench *b, const char *text)
{
    bool any = false;

    for (int t = 0; t < 3; t++) {
        b->types[t] = !strcmp(text, "all") || !strcmp(text, madpo_dtype_name(bench_types[t]));
        any = any || b->types[t];
    }
    return any;
}

/* -1 to go on, else the exit code. */
static int bench_choose(bench *b, const bench_options *o)
{
    const bool own = o->shapes.n > 0;
    madpo_matmul_op op = MADPO_MATMUL_NT;

    b->chosen = o->provider;
    for (int i = 0; i < N_PROVIDERS; i++)
        b->providers[i] = !o->provider || strcmp(o->provider, bench_provider_names[i]) == 0;
    if (!b->providers[0] && !b->providers[1] && !b->providers[2])
        return madpo__cli_usage("bench: unknown provider \"%s\": panel, tile or clblast",
                                o->provider);
    if (!bench_choose_types(b, o->b ? o->b : "f32"))
        return madpo__cli_usage("bench: unknown type \"%s\": f32, bf16, f16 or all", o->b);
    if (o->op && !bench_parse_op(o->op, &op))
        return madpo__cli_usage("bench: unknown operation \"%s\": nn, nt, tn or tt", o->op);
    if (o->op && !own)
        return madpo__cli_usage("bench: --op goes with --shape");
    b->n_shapes = own ? o->shapes.n : sizeof bench_usual / sizeof bench_usual[0];
    b->shapes = calloc(b->n_shapes, sizeof *b->shapes);
    b->subjects = calloc(N_PROVIDERS * N_TYPES * b->n_shapes + 1, sizeof *b->subjects);
    if (!b->shapes || !b->subjects)
        return madpo__cli_out_of_memory();
    if (!own)
        memcpy(b->shapes, bench_usual, sizeof bench_usual);
    for (size_t i = 0; own && i < b->n_shapes; i++) {
        b->shapes[i].op = op;
        if (!bench_parse_shape(o->shapes.v[i], &b->shapes[i]))
            return madpo__cli_usage("bench: \"%s\" is no shape: write MxNxK, such as 3024x2048x640",
                                    o->shapes.v[i]);
    }
    return -1;
}

/* ---- measuring ---- */

#define PEAK_STEPS 100000 /* of every chain in one launch */

/* Register-filling chains for the device's vectors: as many as hide the latency of two units. */
static const char *bench_peak_defines(const madpo_device_info *info, double *flops)
{
    if (info->kind == MADPO_DEVICE_CPU && info->native_float_width >= 16) {
        *flops = 2.0 * 16 * 24;
        return "-DVW=16 -DCHAINS=24";
    }
    if (info->kind == MADPO_DEVICE_CPU && info->native_float_width >= 8) {
        *flops = 2.0 * 8 * 12;
        return "-DVW=8 -DCHAINS=12";
    }
    *flops = 2.0 * 4 * 12;
    return "-DVW=4 -DCHAINS=12";
}

static int64_t bench_peak_groups(const madpo_device_info *info)
{
    return (int64_t)info->compute_units * (info->kind == MADPO_DEVICE_CPU ? 4 : 32);
}

static madpo_status bench_peak(bench *b, madpo_error *err)
{
    const madpo_device_info *info = madpo_device_get_info(b->dev);
    double flops;
    madpo_launch l;

    madpo_launch_begin(&l, b->dev, "bench/fma_peak", "fma_peak", bench_peak_defines(info, &flops));
    madpo_arg_tensor(&l, b->C);
    madpo_arg_f32(&l, 0.5f);
    madpo_arg_f32(&l, 0.25f);
    madpo_arg_i32(&l, PEAK_STEPS);
    return madpo_launch_rows(&l, bench_peak_groups(info), err);
}

static madpo_status bench_call(bench *b, const bench_subject *s, madpo_error *err)
{
    const madpo_matmul_spec spec = {
        .op = s->shape.op, .M = s->shape.m, .N = s->shape.n, .K = s->shape.k};

    if (s->provider == PEAK)
        return bench_peak(b, err);
    return madpo_matmul_with(b->dev, bench_providers[s->provider], &spec, b->C, b->A, b->B[s->type],
                             err);
}

/* Seconds of one sample. */
static madpo_status bench_sample(bench *b, const bench_subject *s, double *seconds,
                                 madpo_error *err)
{
    const double start = madpo_clock_monotonic();
    madpo_status st = MADPO_OK;

    for (int i = 0; i < s->repeats && st == MADPO_OK; i++)
        st = bench_call(b, s, err);
    if (st == MADPO_OK)
        st = madpo_device_finish(b->dev, err);
    *seconds = madpo_clock_monotonic() - start;
    return st;
}

/* A first call that builds what it needs, and a second that tells how many make a sample. */
static madpo_status bench_warm_up(bench *b, bench_subject *s, madpo_error *err)
{
    double seconds;
    madpo_status st;

    s->repeats = 1;
    st = bench_sample(b, s, &seconds, err);
    if (st == MADPO_OK)
        st = bench_sample(b, s, &seconds, err);
    if (seconds < SAMPLE_SECS)
        s->repeats = (int)(SAMPLE_SECS / fmax(seconds, 1e-6)) + 1;
    return st;
}

static int bench_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double bench_median(const bench_subject *s)
{
    return s->gflops[SAMPLES / 2];
}

/* Rounds over all subjects, the peak among them: what else the machine does then disturbs all
 * alike, and hardly the medians. */
static madpo_status bench_rounds(bench *b, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    double seconds;

    for (size_t i = 0; i < b->n_subjects && st == MADPO_OK; i++)
        st = bench_warm_up(b, &b->subjects[i], err);
    for (int round = 0; round < SAMPLES; round++) {
        for (size_t i = 0; i < b->n_subjects && st == MADPO_OK; i++) {
            bench_subject *s = &b->subjects[i];

            st = bench_sample(b, s, &seconds, err);
            s->gflops[round] = s->flops * s->repeats / fmax(seconds, 1e-9) * 1e-9;
        }
    }
    for (size_t i = 0; i < b->n_subjects; i++)
        qsort(b->subjects[i].gflops, SAMPLES, sizeof(double), bench_compare);
    return st;
}

static void bench_make_subjects(bench *b)
{
    const madpo_device_info *info = madpo_device_get_info(b->dev);
    bench_subject *peak = &b->subjects[b->n_subjects++];

    if (!b->chosen)
        b->providers[info->kind == MADPO_DEVICE_CPU ? 1 : 0] = false;
    peak->provider = PEAK;
    (void)bench_peak_defines(info, &peak->flops);
    peak->flops *=
        PEAK_STEPS * (double)bench_peak_groups(info) * madpo_device_get_work_group(b->dev);
    for (size_t i = 0; i < b->n_shapes; i++) {
        const bench_shape *shape = &b->shapes[i];

        for (int i_subject = 0; i_subject < N_PROVIDERS * N_TYPES; i_subject++) {
            const int p = i_subject / N_TYPES, t = i_subject % N_TYPES;

            if (b->providers[p] && b->types[t])
                b->subjects[b->n_subjects++] = (bench_subject){
                    .shape = *shape,
                    .provider = p,
                    .type = t,
                    .flops = 2.0 * (double)shape->m * (double)shape->n * (double)shape->k};
        }
    }
}

static int64_t bench_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Operands for the largest shape, filled with numbers that are neither zero nor denormal. */
static madpo_status bench_fill(bench *b, madpo_tensor *t, int64_t n, madpo_dtype dtype,
                               const char *label, madpo_error *err)
{
    float *host = malloc((size_t)n * sizeof *host);
    uint16_t *narrow = malloc((size_t)n * sizeof *narrow);
    madpo_status st = MADPO_OK;

    if (!host || !narrow)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: matrices to measure with");
    for (int64_t i = 0; i < n && st == MADPO_OK; i++)
        host[i] = (float)(i * 7919 % 2003) / 1001.0f - 1.0f;
    if (st == MADPO_OK)
        st = madpo_tensor_new(t, b->dev, n, dtype, label, err);
    if (st == MADPO_OK && dtype == MADPO_DTYPE_BF16)
        madpo_bf16_from_f32(narrow, host, (size_t)n);
    else if (st == MADPO_OK && dtype == MADPO_DTYPE_F16)
        madpo_f16_from_f32(narrow, host, (size_t)n);
    if (st == MADPO_OK)
        st = madpo_tensor_write(
            b->dev, *t, dtype == MADPO_DTYPE_F32 ? (const void *)host : (const void *)narrow, n,
            err);
    free(host);
    free(narrow);
    return st;
}

/* Workspace floats that any of the products needs. */
static int64_t bench_workspace(const bench *b)
{
    int64_t workspace = 1;

    for (size_t i = 0; i < b->n_subjects; i++) {
        const bench_subject *s = &b->subjects[i];
        const madpo_matmul_spec spec = {.op = s->shape.op,
                                        .M = s->shape.m,
                                        .N = s->shape.n,
                                        .K = s->shape.k,
                                        .b_dtype = bench_types[s->type]};

        if (s->provider != PEAK)
            workspace =
                bench_max(workspace,
                          madpo_matmul_workspace_with(b->dev, bench_providers[s->provider], &spec));
    }
    return workspace;
}

static madpo_status bench_allocate(bench *b, madpo_error *err)
{
    int64_t a = 1, c = 65536, bb = 1;
    madpo_status st;

    for (size_t i = 0; i < b->n_shapes; i++) {
        const bench_shape *s = &b->shapes[i];

        a = bench_max(a, s->m * s->k);
        bb = bench_max(bb, s->n * s->k);
        c = bench_max(c, s->m * s->n);
    }
    st = bench_fill(b, &b->A, a, MADPO_DTYPE_F32, "matrix A", err);
    for (int t = 0; t < 3; t++) {
        if (st == MADPO_OK && b->types[t])
            st = bench_fill(b, &b->B[t], bb, bench_types[t], "matrix B", err);
    }
    if (st == MADPO_OK)
        st = madpo_tensor_new(&b->C, b->dev, c, MADPO_DTYPE_F32, "matrix C", err);
    if (st == MADPO_OK)
        st = madpo_workspace_reserve(b->dev, bench_workspace(b), err);
    return st;
}

static madpo_status bench_measure(bench *b, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    /* before anything asks CLBlast for its scratch sizes */
    if (b->providers[2] && madpo_device_get_info(b->dev)->kind == MADPO_DEVICE_CPU)
        st = madpo_matmul_tune_clblast(b->dev, err);
    bench_make_subjects(b);
    if (st == MADPO_OK)
        st = bench_allocate(b, err);
    if (st == MADPO_OK)
        st = bench_rounds(b, err);
    return st;
}

/* ---- printing ---- */

static void bench_print(const bench *b)
{
    const madpo_device_info *info = madpo_device_get_info(b->dev);
    const double peak = bench_median(&b->subjects[0]);

    printf("%s (%s)\nFMA peak %.1f GFLOP/s\n\n%8s %8s %8s  %-4s%-6s%-10s%9s  %s\n", info->name,
           info->platform, peak, "M", "N", "K", "op", "B", "provider", "GFLOP/s", "of peak");
    for (size_t i = 1; i < b->n_subjects; i++) {
        const bench_subject *s = &b->subjects[i];

        printf("%8lld %8lld %8lld  %-4s%-6s%-10s%9.1f  %5.1f %%\n", (long long)s->shape.m,
               (long long)s->shape.n, (long long)s->shape.k, bench_op_names[s->shape.op],
               madpo_dtype_name(bench_types[s->type]), bench_provider_names[s->provider],
               bench_median(s), 100 * bench_median(s) / peak);
    }
}

static int bench_print_json(const bench *b)
{
    const double peak = bench_median(&b->subjects[0]);
    json_t *list = json_array();
    json_t *root = json_pack("{s:f, s:o}", "fma_peak_gflops", peak, "matmul", list);
    char *text = NULL;
    bool ok = root != NULL;

    for (size_t i = 1; i < b->n_subjects && ok; i++) {
        const bench_subject *s = &b->subjects[i];

        ok = json_array_append_new(
                 list,
                 json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:f, s:f}", "m", (json_int_t)s->shape.m,
                           "n", (json_int_t)s->shape.n, "k", (json_int_t)s->shape.k, "op",
                           bench_op_names[s->shape.op], "b", madpo_dtype_name(bench_types[s->type]),
                           "provider", bench_provider_names[s->provider], "gflops", bench_median(s),
                           "fraction", bench_median(s) / peak)) == 0;
    }
    if (ok)
        text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(root);
    if (!text)
        return madpo__cli_out_of_memory();
    puts(text);
    free(text);
    return MADPO_EXIT_DONE;
}

static void bench_dispose(bench *b)
{
    madpo_buffer_free(b->A.buffer);
    for (int t = 0; t < 3; t++)
        madpo_buffer_free(b->B[t].buffer);
    madpo_buffer_free(b->C.buffer);
    madpo_device_close(b->dev);
    free(b->shapes);
    free(b->subjects);
}

static int bench_run(bench *b, const bench_options *o)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_device_options device;
    madpo_status st;

    madpo_device_options_defaults(&device);
    if (o->device)
        device.select = o->device;
    st = madpo_device_open(&b->dev, &device, &err);
    if (st == MADPO_OK)
        st = bench_measure(b, &err);
    if (st != MADPO_OK)
        return madpo__cli_fail(&err);
    if (o->json)
        return bench_print_json(b);
    bench_print(b);
    return MADPO_EXIT_DONE;
}

int madpo_cli_bench(int argc, char **argv)
{
    bench_options o = {0};
    bench b = {0};
    int n_rest, rc;

    if (argc > 1 && strcmp(argv[1], "watch") == 0)
        return madpo__cli_finish(madpo__bench_watch(argc - 1, argv + 1));
    rc = madpo__cli_parse(&bench_command, argc, argv, &o, &n_rest);
    if (rc < 0 && (n_rest != 1 || strcmp(argv[0], "matmul") != 0))
        rc = madpo__cli_usage("bench: say what to measure: madpo bench matmul, or watch");
    if (rc < 0)
        rc = bench_choose(&b, &o);
    if (rc < 0)
        rc = bench_run(&b, &o);
    bench_dispose(&b);
    madpo__cli_list_dispose(&o.shapes);
    return madpo__cli_finish(rc);
}
