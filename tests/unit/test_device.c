/* The device layer on a real device: memory, transfers, slabs, launches, counters, profiling; and
 * the choice of a device among invented ones. MADPO_TEST_DEVICE chooses another than the first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "device/internal.h"
#include "device/launch.h"
#include "device/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static madpo_device *open_with(madpo_device_options options)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_device *dev = NULL;

    if (getenv("MADPO_TEST_DEVICE"))
        options.select = getenv("MADPO_TEST_DEVICE");
    if (madpo_device_open(&dev, &options, &err) != MADPO_OK)
        fail_msg("%s", err.message);
    return dev;
}

static madpo_device_options defaults(void)
{
    madpo_device_options options;

    madpo_device_options_defaults(&options);
    return options;
}

static void ok(madpo_status st, const madpo_error *err)
{
    if (st != MADPO_OK)
        fail_msg("%s", err->message);
}

/* ---- choosing ---- */

static const madpo_device_info invented[] = {
    {.index = 0,
     .kind = MADPO_DEVICE_CPU,
     .name = "Fast CPU",
     .platform = "Alpha",
     .available = true},
    {.index = 1, .kind = MADPO_DEVICE_GPU, .name = "Broken GPU", .platform = "Beta"},
    {.index = 2,
     .kind = MADPO_DEVICE_GPU,
     .name = "Big GPU",
     .platform = "Beta",
     .available = true},
    {.index = 3,
     .kind = MADPO_DEVICE_OTHER,
     .name = "FPGA",
     .platform = "Gamma",
     .available = true},
};

static void test_select(void **state)
{
    static const struct {
        const char *text;
        size_t want;
    } cases[] = {{NULL, 2},  {"", 2},      {"auto", 2}, {"AUTO", 2}, {"gpu", 2},
                 {"Cpu", 0}, {"0", 0},     {"1", 1},    {"3", 3},    {"big", 2},
                 {"fpg", 3}, {"alpha", 0}, {"BETA", 2}, {"gamma", 3}};
    size_t chosen;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        madpo_error err = MADPO_ERROR_INIT;

        ok(madpo__select(&chosen, invented, 4, cases[i].text, &err), &err);
        assert_int_equal(chosen, cases[i].want);
    }
}

static void test_select_nothing(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    size_t chosen;

    (void)state;
    assert_int_equal(madpo__select(&chosen, invented, 4, "delta", &err), MADPO_ERR_DEVICE);
    assert_string_equal(
        err.message,
        "no device matches 'delta'; there are: 0 Fast CPU (Alpha), 1 Broken GPU (Beta, "
        "not available), 2 Big GPU (Beta), 3 FPGA (Gamma)");
    madpo_error_clear(&err);
    assert_int_equal(madpo__select(&chosen, invented, 4, "4", &err), MADPO_ERR_DEVICE);
    madpo_error_clear(&err);
    assert_int_equal(madpo__select(&chosen, invented, 1, "gpu", &err), MADPO_ERR_DEVICE);
    madpo_error_clear(&err);
    /* no GPU: the CPU; no CPU either: what there is */
    ok(madpo__select(&chosen, invented, 2, "auto", &err), &err);
    assert_int_equal(chosen, 0);
    ok(madpo__select(&chosen, invented + 3, 1, "auto", &err), &err);
    assert_int_equal(chosen, 0);
}

static void test_info(void **state)
{
    madpo_device *dev = open_with(defaults());
    const madpo_device_info *info = madpo_device_get_info(dev);
    madpo_device_list list;
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    ok(madpo_device_list_scan(&list, &err), &err);
    assert_true(list.n > 0 && info->index >= 0 && (size_t)info->index < list.n);
    assert_string_equal(list.info[info->index].name, info->name);
    assert_true(info->name[0] && info->driver[0] && info->platform[0]);
    assert_true(info->compute_units > 0 && info->global_bytes > 0 && info->max_alloc_bytes > 0);
    assert_true(info->max_work_group > 0 && info->local_bytes > 0 && info->available);
    madpo_device_list_dispose(&list);
    assert_int_equal(list.n, 0);
    madpo_device_close(dev);
}

static void test_work_group(void **state)
{
    madpo_device_options options = defaults();
    madpo_error err = MADPO_ERROR_INIT;
    madpo_device *dev = open_with(options);
    const bool cpu = madpo_device_get_info(dev)->kind == MADPO_DEVICE_CPU;

    (void)state;
    assert_int_equal(madpo_device_get_work_group(dev), cpu ? 1 : 64);
    madpo_device_close(dev);
    options.work_group = 32;
    dev = open_with(options);
    assert_int_equal(madpo_device_get_work_group(dev), 32);
    madpo_device_close(dev);
    options.work_group = 48;
    assert_int_equal(madpo_device_open(&dev, &options, &err), MADPO_ERR_CONFIG);
    assert_null(dev);
    assert_non_null(strstr(err.message, "48 is not a power of two"));
}

/* ---- memory ---- */

static void test_transfers(void **state)
{
    madpo_device *dev = open_with(defaults());
    madpo_error err = MADPO_ERROR_INIT;
    float host[10], back[10];
    madpo_tensor a, b;

    (void)state;
    ok(madpo_tensor_new(&a, dev, 10, MADPO_DTYPE_F32, "a", &err), &err);
    ok(madpo_tensor_new(&b, dev, 10, MADPO_DTYPE_F32, "b", &err), &err);
    ok(madpo_tensor_read(dev, a, back, 10, &err), &err);
    for (int i = 0; i < 10; i++) {
        assert_true(back[i] == 0); /* new memory is zero */
        host[i] = (float)i + 0.5f;
    }
    ok(madpo_tensor_write(dev, a, host, 10, &err), &err);
    ok(madpo_tensor_copy(dev, madpo_tensor_slice(b, 3, 4), madpo_tensor_slice(a, 5, 4), 4, &err),
       &err);
    ok(madpo_tensor_read(dev, b, back, 10, &err), &err);
    for (int i = 0; i < 10; i++)
        assert_true(back[i] == (i >= 3 && i < 7 ? host[i + 2] : 0));
    ok(madpo_tensor_zero(dev, madpo_tensor_slice(a, 1, 8), &err), &err);
    ok(madpo_tensor_read(dev, a, back, 10, &err), &err);
    for (int i = 0; i < 10; i++)
        assert_true(back[i] == (i == 0 || i == 9 ? host[i] : 0));
    ok(madpo_tensor_write(dev, a, NULL, 0, &err), &err);
    ok(madpo_tensor_read(dev, (madpo_tensor){0}, NULL, 0, &err), &err);
    assert_true(madpo_tensor_is_none((madpo_tensor){0}));
    madpo_buffer_free(a.buffer);
    madpo_buffer_free(b.buffer);
    madpo_buffer_free(NULL);
    madpo_device_close(dev);
}

/* Elements of 2 bytes: odd places and counts, beside neighbours that must stay. */
static void test_two_bytes(void **state)
{
    madpo_device *dev = open_with(defaults());
    madpo_error err = MADPO_ERROR_INIT;
    uint16_t host[11], back[11];
    madpo_tensor a, b;

    (void)state;
    assert_string_equal(madpo_dtype_name(MADPO_DTYPE_BF16), "bf16");
    ok(madpo_tensor_new(&a, dev, 11, MADPO_DTYPE_BF16, "a", &err), &err);
    ok(madpo_tensor_new(&b, dev, 11, MADPO_DTYPE_BF16, "b", &err), &err);
    assert_int_equal(madpo_buffer_bytes(a.buffer), 24); /* whole words */
    for (int i = 0; i < 11; i++)
        host[i] = (uint16_t)(0x3f01 + i);
    ok(madpo_tensor_write(dev, a, host, 11, &err), &err);
    ok(madpo_tensor_copy(dev, madpo_tensor_slice(b, 3, 5), madpo_tensor_slice(a, 4, 5), 5, &err),
       &err);
    ok(madpo_tensor_read(dev, b, back, 11, &err), &err);
    for (int i = 0; i < 11; i++)
        assert_int_equal(back[i], i >= 3 && i < 8 ? host[i + 1] : 0);
    ok(madpo_tensor_zero(dev, madpo_tensor_slice(a, 1, 7), &err), &err);
    ok(madpo_tensor_zero(dev, madpo_tensor_slice(a, 10, 1), &err), &err);
    ok(madpo_tensor_read(dev, a, back, 11, &err), &err);
    for (int i = 0; i < 11; i++)
        assert_int_equal(back[i], i == 0 || i == 8 || i == 9 ? host[i] : 0);
    ok(madpo_tensor_read(dev, madpo_tensor_slice(a, 8, 2), back, 1, &err), &err);
    assert_int_equal(back[0], host[8]);
    madpo_buffer_free(a.buffer);
    madpo_buffer_free(b.buffer);
    madpo_device_close(dev);
}

static void test_memory_limit(void **state)
{
    madpo_device_options options = defaults();
    madpo_error err = MADPO_ERROR_INIT;
    madpo_buffer *first, *second;
    char want[256];
    madpo_device *dev;

    (void)state;
    options.memory_limit_bytes = 2000000;
    dev = open_with(options);
    ok(madpo_buffer_new(&first, dev, 1500000, "weights", &err), &err);
    assert_int_equal(madpo_buffer_new(&second, dev, 1500000, "activations", &err),
                     MADPO_ERR_MEMORY);
    assert_null(second);
    snprintf(want, sizeof want,
             "activations: 1.5 MB asked for, 0.5 of 2.0 MB free on %s: lower batch.tokens or the "
             "model, or raise device.memory_mb",
             madpo_device_get_info(dev)->name);
    assert_string_equal(err.message, want);
    madpo_error_clear(&err);
    assert_int_equal(madpo_device_get_stats(dev).bytes, 1500000);
    madpo_buffer_free(first);
    ok(madpo_buffer_new(&second, dev, 1500000, "activations", &err), &err);
    assert_int_equal(madpo_device_get_stats(dev).n_buffers, 2);
    assert_int_equal(madpo_device_get_stats(dev).peak_bytes, 1500000);
    assert_int_equal(madpo_device_get_limit(dev), 2000000);
    madpo_buffer_free(second);
    assert_int_equal(madpo_device_get_stats(dev).peak_bytes, 1500000);
    ok(madpo_buffer_new(&first, dev, 400, "table", &err), &err);
    madpo_device_reset_peak(dev); /* what is held counts on */
    assert_int_equal(madpo_device_get_stats(dev).peak_bytes, 400);
    ok(madpo_buffer_new(&second, dev, 300, "table", &err), &err);
    madpo_buffer_free(second);
    assert_int_equal(madpo_device_get_stats(dev).peak_bytes, 700);
    assert_int_equal(madpo_device_get_stats(dev).bytes, 400);
    madpo_buffer_free(first);
    assert_int_equal(madpo_device_get_stats(dev).bytes, 0);
    madpo_device_close(dev);
}

static void test_one_piece(void **state)
{
    madpo_device *dev = open_with(defaults());
    madpo_error err = MADPO_ERROR_INIT;
    madpo_buffer *buffer;

    (void)state;
    dev->info.max_alloc_bytes = 1000; /* as if the driver said so */
    assert_int_equal(madpo_buffer_new(&buffer, dev, 1004, "table", &err), MADPO_ERR_MEMORY);
    assert_non_null(strstr(err.message, "table: 0.0 MB asked for in one piece"));
    madpo_device_close(dev);
}

static void test_slab(void **state)
{
    madpo_device *dev = open_with(defaults());
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tensor a, b, c, d, none;
    madpo_slab *slab;

    (void)state;
    dev->info.max_alloc_bytes = 2048; /* 512 elements */
    ok(madpo_slab_new(&slab, "family", &err), &err);
    ok(madpo_slab_plan(slab, &a, 100, MADPO_DTYPE_F32, &err), &err);
    ok(madpo_slab_plan(slab, &none, 0, MADPO_DTYPE_F32, &err), &err);
    ok(madpo_slab_plan(slab, &b, 65, MADPO_DTYPE_I32, &err), &err);
    ok(madpo_slab_plan(slab, &c, 300, MADPO_DTYPE_F32, &err), &err);
    ok(madpo_slab_plan(slab, &d, 1, MADPO_DTYPE_F32, &err), &err);
    assert_int_equal(madpo_slab_bytes(slab), 4 * (128 + 128 + 320 + 64));
    assert_true(madpo_tensor_is_none(a));
    ok(madpo_slab_alloc(slab, dev, &err), &err);
    assert_true(madpo_tensor_is_none(none));
    /* a and b fill the first buffer, c and d the second, each on 256 bytes */
    assert_true(a.buffer == b.buffer && c.buffer == d.buffer && a.buffer != c.buffer);
    assert_true(a.offset == 0 && b.offset == 128 && c.offset == 0 && d.offset == 320);
    assert_true(a.n == 100 && b.n == 65 && b.dtype == MADPO_DTYPE_I32 && d.n == 1);
    assert_int_equal(madpo_device_get_stats(dev).n_buffers, 2);
    madpo_slab_free(slab);
    assert_int_equal(madpo_device_get_stats(dev).bytes, 0);

    ok(madpo_slab_new(&slab, "too much", &err), &err);
    ok(madpo_slab_plan(slab, &a, 513, MADPO_DTYPE_F32, &err), &err);
    assert_int_equal(madpo_slab_alloc(slab, dev, &err), MADPO_ERR_MEMORY);
    assert_non_null(strstr(err.message, "too much: "));
    madpo_slab_free(slab);
    madpo_slab_free(NULL);
    madpo_device_close(dev);
}

/* Both sizes of element in one slab: bytes are exact, offsets count a tensor's own elements. */
static void test_slab_two_bytes(void **state)
{
    madpo_device *dev = open_with(defaults());
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tensor a, b, c;
    madpo_slab *slab;
    float x = 1.5f;

    (void)state;
    ok(madpo_slab_new(&slab, "weights", &err), &err);
    ok(madpo_slab_plan(slab, &a, 129, MADPO_DTYPE_BF16, &err), &err);
    ok(madpo_slab_plan(slab, &b, 128, MADPO_DTYPE_F16, &err), &err);
    ok(madpo_slab_plan(slab, &c, 3, MADPO_DTYPE_F32, &err), &err);
    assert_int_equal(madpo_slab_bytes(slab), 512 + 256 + 256);
    ok(madpo_slab_alloc(slab, dev, &err), &err);
    assert_int_equal(madpo_buffer_bytes(a.buffer), 1024);
    assert_true(a.offset == 0 && b.offset == 256 && c.offset == 192);
    assert_true(a.dtype == MADPO_DTYPE_BF16 && b.n == 128 && c.n == 3);
    ok(madpo_tensor_write(dev, c, &x, 1, &err), &err);
    ok(madpo_tensor_zero(dev, b, &err), &err); /* the neighbour before */
    ok(madpo_tensor_read(dev, c, &x, 1, &err), &err);
    assert_true(x == 1.5f);
    madpo_slab_free(slab);
    ok(madpo_slab_new(&slab, "far too much", &err), &err);
    assert_int_equal(madpo_slab_plan(slab, &a, INT64_MAX / 2, MADPO_DTYPE_F16, &err),
                     MADPO_ERR_MEMORY);
    madpo_slab_free(slab);
    madpo_device_close(dev);
}

static void test_workspace(void **state)
{
    madpo_device *dev = open_with(defaults());
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tensor view;

    (void)state;
    assert_int_equal(madpo_workspace_get(&view, dev, 1, &err), MADPO_ERR_MEMORY);
    madpo_error_clear(&err);
    ok(madpo_workspace_reserve(dev, 100, &err), &err);
    ok(madpo_workspace_reserve(dev, 50, &err), &err); /* never shrinks */
    ok(madpo_workspace_get(&view, dev, 100, &err), &err);
    assert_int_equal(view.n, 100);
    assert_int_equal(madpo_workspace_get(&view, dev, 101, &err), MADPO_ERR_MEMORY);
    assert_int_equal(madpo_device_get_stats(dev).n_buffers, 1);
    madpo_device_close(dev);
}

/* ---- programs and launches (the FMA benchmark is a kernel of few arguments) ---- */

static madpo_status launch_once(madpo_device *dev, madpo_tensor out, float *got, madpo_error *err)
{
    madpo_launch l;
    madpo_status st;

    madpo_launch_begin(&l, dev, "bench/fma_peak", "fma_peak", "-DVW=4 -DCHAINS=2");
    madpo_arg_tensor(&l, out);
    madpo_arg_f32(&l, 0.5f);
    madpo_arg_f32(&l, 1.0f);
    madpo_arg_i32(&l, 1);
    st = madpo_launch_rows(&l, 2, err);
    return st == MADPO_OK ? madpo_tensor_read(dev, out, got, 2, err) : st;
}

/* After the first launch nothing is built or allocated any more. */
static void test_launch(void **state)
{
    madpo_device *dev = open_with(defaults());
    madpo_error err = MADPO_ERROR_INIT;
    madpo_device_stats before, after;
    madpo_tensor out;
    float got[2];

    (void)state;
    ok(madpo_tensor_new(&out, dev, 2 * madpo_device_get_work_group(dev), MADPO_DTYPE_F32, "out",
                        &err),
       &err);
    ok(launch_once(dev, out, got, &err), &err);
    assert_true(got[0] == 4 * (1.5f + 2.0f)); /* 4 lanes of 1 * 0.5 + 1 and 2 * 0.5 + 1 */
    before = madpo_device_get_stats(dev);
    assert_int_equal(before.n_programs, 1);
    assert_int_equal(before.n_kernels, 1);
    for (int i = 0; i < 5; i++)
        ok(launch_once(dev, out, got, &err), &err);
    after = madpo_device_get_stats(dev);
    assert_int_equal(after.n_launches, before.n_launches + 5);
    after.n_launches = before.n_launches;
    assert_memory_equal(&before, &after, sizeof before);
    ok(madpo_device_flush(dev, &err), &err);
    ok(madpo_device_finish(dev, &err), &err);
    madpo_buffer_free(out.buffer);
    madpo_device_close(dev);
}

static void test_profile(void **state)
{
    madpo_device_options options = defaults();
    madpo_error err = MADPO_ERROR_INIT;
    const madpo_profile_row *rows;
    madpo_device *dev;
    madpo_tensor out;
    float got[2];
    size_t n;

    (void)state;
    options.profile = true;
    dev = open_with(options);
    ok(madpo_tensor_new(&out, dev, 2 * madpo_device_get_work_group(dev), MADPO_DTYPE_F32, "out",
                        &err),
       &err);
    for (int i = 0; i < 1200; i++) /* more than are kept pending */
        ok(launch_once(dev, out, got, &err), &err);
    ok(madpo_profile_collect(dev, &rows, &n, &err), &err);
    assert_int_equal(n, 1);
    assert_string_equal(rows[0].entry, "fma_peak");
    assert_int_equal(rows[0].n, 1200);
    assert_true(rows[0].total_ms >= rows[0].max_ms && rows[0].max_ms >= 0);
    madpo_profile_reset(dev);
    ok(madpo_profile_collect(dev, &rows, &n, &err), &err);
    assert_int_equal(n, 0);
    madpo_buffer_free(out.buffer);
    madpo_device_close(dev);
}

static void test_build_failures(void **state)
{
    madpo_device_options options = defaults();
    madpo_error err = MADPO_ERROR_INIT;
    madpo_device *dev;
    madpo_launch l;

    (void)state;
    options.cache_dir = "";
    dev = open_with(options);
    /* VW is what vector types are made of: the log must point into our file */
    assert_int_equal(madpo_program_prepare(dev, "bench/fma_peak", "-DVW=5", &err),
                     MADPO_ERR_DEVICE);
    assert_non_null(strstr(err.message, "kernels of 'bench/fma_peak' do not build on "));
    assert_non_null(strstr(err.message, "fma_peak.cl:"));
    assert_null(strchr(err.message, '\n'));
    madpo_error_clear(&err);
    assert_int_equal(madpo_program_prepare(dev, "no_such", NULL, &err), MADPO_ERR_DEVICE);
    assert_string_equal(err.message,
                        "no kernel source cl/ops/no_such.cl in this program: list it in "
                        "cl/CMakeLists.txt");
    madpo_error_clear(&err);
    /* the builder keeps the first failure to the end */
    madpo_launch_begin(&l, dev, "bench/fma_peak", "no_entry", NULL);
    madpo_arg_i32(&l, 1);
    assert_int_equal(madpo_launch_rows(&l, 1, &err), MADPO_ERR_DEVICE);
    assert_non_null(strstr(err.message, "kernel 'no_entry' of 'bench/fma_peak'"));
    madpo_device_close(dev);
}

/* Every embedded file resolves, without an include left, and names its lines. */
static void test_sources(void **state)
{
    (void)state;
    assert_true(madpo_n_embedded_files > 10);
    for (size_t i = 0; i < madpo_n_embedded_files; i++) {
        const char *name = madpo_embedded_files[i].name;
        madpo_error err = MADPO_ERROR_INIT;
        char *text, line[160];

        ok(madpo__source_resolve(&text, name, &err), &err);
        snprintf(line, sizeof line, "#line 1 \"cl/%s\"\n", name);
        assert_memory_equal(text, line, strlen(line));
        assert_null(strstr(text, "\n#include \""));
        free(text);
    }
}

static void test_errors(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    assert_int_equal(madpo__cl_error(&err, -5, "waiting"), MADPO_ERR_DEVICE);
    assert_string_equal(err.message,
                        "waiting: CL_OUT_OF_RESOURCES (-5); the device was lost or reset "
                        "by its driver: start again, runs go on with --resume");
    assert_int_equal(err.cl_code, -5);
    madpo_error_clear(&err);
    assert_int_equal(madpo__cl_error(&err, -4, "x"), MADPO_ERR_MEMORY);
    madpo_error_clear(&err);
    assert_int_equal(madpo__cl_error(&err, -9999, "x"), MADPO_ERR_DEVICE);
    assert_string_equal(err.message, "x: unknown OpenCL error (-9999)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select),    cmocka_unit_test(test_select_nothing),
        cmocka_unit_test(test_info),      cmocka_unit_test(test_work_group),
        cmocka_unit_test(test_transfers), cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_one_piece), cmocka_unit_test(test_slab),
        cmocka_unit_test(test_two_bytes), cmocka_unit_test(test_slab_two_bytes),
        cmocka_unit_test(test_workspace), cmocka_unit_test(test_launch),
        cmocka_unit_test(test_profile),   cmocka_unit_test(test_build_failures),
        cmocka_unit_test(test_sources),   cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
