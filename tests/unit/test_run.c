/* The run directory: creation, events, records, checkpoints, resume, reading. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "run/checkpoints.h"
#include "run/reader.h"
#include "run/run.h"
#include "tests/support/tmp.h"

static const char config_text[] = "policy : { beta = 0.1; c_max = 2; };\nsft : { lr = 0.001; };\n";

static madpo_run_manifest manifest(void)
{
    return (madpo_run_manifest){.device = "cpu",
                                .driver = "1",
                                .stages = "sft,policy",
                                .seed = 42,
                                .objective = "madpo beta 0.1",
                                .model = "llama 32x2",
                                .data = "synthetic 160",
                                .config = config_text};
}

static madpo_run *create(const char *dir)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_run_manifest m = manifest();
    madpo_run *run;

    if (madpo_run_create(&run, dir, &m, NULL, &err) != MADPO_OK)
        fail_msg("create: %s", err.message);
    return run;
}

static madpo_run *resume(const char *dir)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_run_manifest m = manifest();
    madpo_run *run;

    if (madpo_run_resume(&run, dir, &m, NULL, &err) != MADPO_OK)
        fail_msg("resume: %s", err.message);
    return run;
}

static char *slurp(const char *dir, const char *name)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *path = tmp_path(dir, name), *text;
    size_t n;

    if (madpo_file_read(&text, &n, path, &err) != MADPO_OK)
        fail_msg("%s", err.message);
    free(path);
    return text;
}

static void append(const char *dir, const char *name, const char *text)
{
    char *path = tmp_path(dir, name);
    FILE *file = fopen(path, "a");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static void step_event(madpo_run *run, int step)
{
    madpo_error err = MADPO_ERROR_INIT;

    assert_int_equal(madpo_run_event(run, "step", json_pack("{s:i}", "step", step), &err),
                     MADPO_OK);
}

static void test_create_refuses_a_second_run(void **state)
{
    char *dir = tmp_new();
    madpo_error err = MADPO_ERROR_INIT;
    madpo_run_manifest m = manifest();
    madpo_run *run = create(dir), *second;

    (void)state;
    madpo_run_close(run);
    assert_int_equal(madpo_run_create(&second, dir, &m, NULL, &err), MADPO_ERR_IO);
    assert_null(second);
    assert_non_null(strstr(err.message, "already holds a run"));
    assert_non_null(strstr(err.message, "--resume"));
    assert_non_null(strstr(err.message, "--run"));
    tmp_free(dir);
}

static void test_create_leaves_foreign_files_alone(void **state)
{
    char *dir = tmp_new(), *path = tmp_file(dir, "config.cfg", "mine"), *text;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_run_manifest m = manifest();
    madpo_run *run;

    (void)state;
    assert_int_equal(madpo_run_create(&run, dir, &m, NULL, &err), MADPO_ERR_IO);
    assert_non_null(strstr(err.message, path));
    text = slurp(dir, "config.cfg");
    assert_string_equal(text, "mine");
    free(text);
    free(path);
    tmp_free(dir);
}

static void test_one_process_at_a_time(void **state)
{
    char *dir = tmp_new();
    madpo_error err = MADPO_ERROR_INIT;
    madpo_run_manifest m = manifest();
    madpo_run *run = create(dir), *second;
    madpo_run_reader *reader;
    long pid;

    (void)state;
    assert_int_equal(madpo_run_resume(&second, dir, &m, NULL, &err), MADPO_ERR_IO);
    assert_non_null(strstr(err.message, "in use by another madpo"));
    assert_int_equal(madpo_run_reader_open(&reader, dir, NULL), MADPO_OK);
    assert_true(madpo_run_reader_is_live(reader, &pid));
    assert_int_equal(pid, getpid());
    madpo_run_close(run);
    assert_false(madpo_run_reader_is_live(reader, &pid));
    madpo_run_reader_close(reader);
    madpo_run_close(resume(dir));
    tmp_free(dir);
}

static void count_event(void *user, const char *line)
{
    assert_null(strchr(line, '\n'));
    ++*(int *)user;
}

static void test_events_begin_with_version_time_name(void **state)
{
    char *dir = tmp_new(), *text;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_run_manifest m = manifest();
    int n_heard = 0;
    madpo_listener listener = {.user = &n_heard, .event = count_event};
    madpo_run *run;

    (void)state;
    assert_int_equal(madpo_run_create(&run, dir, &m, &listener, &err), MADPO_OK);
    assert_int_equal(madpo_run_event(run, "eval", json_pack("{s:f}", "mean", 0.1), &err), MADPO_OK);
    assert_int_equal(madpo_run_event(run, "bad", NULL, &err), MADPO_ERR_NOMEM);
    madpo_run_close(run);
    text = slurp(dir, "events.jsonl");
    assert_int_equal(strncmp(text, "{\"v\":1,\"t\":", 11), 0);
    assert_non_null(strstr(text, ",\"ev\":\"eval\",\"mean\":0.1}\n"));
    assert_null(strstr(text, "bad"));
    assert_int_equal(n_heard, 1);
    free(text);
    tmp_free(dir);
}

static void test_resume_cuts_half_lines(void **state)
{
    char *dir = tmp_new(), *text;
    madpo_run *run = create(dir);

    (void)state;
    step_event(run, 1);
    madpo_run_close(run);
    append(dir, "events.jsonl", "{\"v\":1,\"t\":12,\"ev\":\"st");
    run = resume(dir);
    step_event(run, 2);
    madpo_run_close(run);
    text = slurp(dir, "events.jsonl");
    assert_null(strstr(text, "\"ev\":\"st{"));
    assert_null(strstr(text, "\"t\":12,"));
    assert_non_null(strstr(text, "\"step\":1}\n"));
    assert_non_null(strstr(text, "\"ev\":\"resume\""));
    assert_non_null(strstr(text, "\"step\":2}\n"));
    free(text);
    tmp_free(dir);
}

/* Change one line of the manifest (and perhaps the configuration); the resume must name it. */
static void expect_mismatch(const char *dir, const madpo_run_manifest *m, const char *words)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_run *run;

    assert_int_equal(madpo_run_resume(&run, dir, m, NULL, &err), MADPO_ERR_MISMATCH);
    assert_null(run);
    if (!strstr(err.message, words) || !strstr(err.message, "cannot resume") ||
        !strstr(err.message, "--run"))
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

static void test_resume_names_what_differs(void **state)
{
    char *dir = tmp_new();
    madpo_run_manifest m = manifest();

    (void)state;
    madpo_run_close(create(dir));
    m.objective = "madpo beta 0.2";
    expect_mismatch(dir, &m, "objective was \"madpo beta 0.1\", now \"madpo beta 0.2\"");
    m.config = "policy : { beta = 0.2; c_max = 2; };\nsft : { lr = 0.002; };\n";
    expect_mismatch(dir, &m, "policy.beta was 0.1, now 0.2");
    m = manifest();
    m.model = "llama 64x2";
    expect_mismatch(dir, &m, "model was \"llama 32x2\"");
    m = manifest();
    m.data = "synthetic 161";
    expect_mismatch(dir, &m, "data was \"synthetic 160\"");
    m = manifest();
    m.seed = 43;
    expect_mismatch(dir, &m, "run.seed was 42, now 43");
    madpo_run_close(resume(dir)); /* and nothing of it was kept */
    tmp_free(dir);
}

static void test_resume_tells_harmless_changes(void **state)
{
    char *dir = tmp_new(), *text;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_run_manifest m = manifest();
    madpo_run *run;

    (void)state;
    madpo_run_close(create(dir));
    m.device = "gpu";
    m.config = "policy : { beta = 0.1; c_max = 2; };\nsft : { lr = 0.002; };\n";
    assert_int_equal(madpo_run_resume(&run, dir, &m, NULL, &err), MADPO_OK);
    madpo_run_close(run);
    text = slurp(dir, "log.txt");
    assert_non_null(strstr(text, "device was \"cpu\" before, now \"gpu\""));
    assert_non_null(strstr(text, "sft.lr was 0.001, now 0.002"));
    free(text);
    text = slurp(dir, "events.jsonl");
    assert_non_null(strstr(text, "\"ev\":\"warning\",\"text\":\"settings changed"));
    free(text);
    text = slurp(dir, "config.cfg");
    assert_string_equal(text, m.config);
    free(text);
    tmp_free(dir);
}

static void test_resume_wants_a_run(void **state)
{
    char *dir = tmp_new(), *none = tmp_path(dir, "none");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_run_manifest m = manifest();
    madpo_run *run;

    (void)state;
    assert_int_equal(madpo_run_resume(&run, dir, &m, NULL, &err), MADPO_ERR_IO);
    assert_non_null(strstr(err.message, "holds no run to resume"));
    madpo_error_clear(&err);
    assert_int_equal(madpo_run_resume(&run, none, &m, NULL, &err), MADPO_ERR_IO);
    assert_false(madpo_file_exists(none));
    free(none);
    tmp_free(dir);
}

static void test_damaged_manifest(void **state)
{
    char *dir = tmp_new(), *path;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_run_manifest m = manifest();
    madpo_run *run;

    (void)state;
    madpo_run_close(create(dir));
    path = tmp_file(dir, "run.json", "{\"v\":1,");
    assert_int_equal(madpo_run_resume(&run, dir, &m, NULL, &err), MADPO_ERR_DATA);
    free(path);
    path = tmp_file(dir, "run.json", "{\"v\":2}");
    madpo_error_clear(&err);
    assert_int_equal(madpo_run_resume(&run, dir, &m, NULL, &err), MADPO_ERR_UNSUPPORTED);
    free(path);
    tmp_free(dir);
}

static void test_stages_done_survive(void **state)
{
    char *dir = tmp_new();
    madpo_run *run = create(dir);

    (void)state;
    assert_false(madpo_run_stage_done(run, "sft"));
    assert_int_equal(madpo_run_set_stage_done(run, "sft", NULL), MADPO_OK);
    assert_int_equal(madpo_run_set_stage_done(run, "sft", NULL), MADPO_OK);
    madpo_run_close(run);
    run = resume(dir);
    assert_true(madpo_run_stage_done(run, "sft"));
    assert_false(madpo_run_stage_done(run, "policy"));
    madpo_run_close(run);
    tmp_free(dir);
}

static void test_records_keep_and_count(void **state)
{
    char *dir = tmp_new(), *text;
    madpo_run *run = create(dir);
    madpo_error err = MADPO_ERROR_INIT;
    madpo_records *records;
    int64_t n;

    (void)state;
    assert_int_equal(madpo_records_open(&records, run, "pairs.jsonl", -1, &n, &err), MADPO_OK);
    assert_int_equal(n, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(madpo_records_append(records, json_pack("{s:i}", "id", i), &err),
                         MADPO_OK);
    assert_int_equal(madpo_records_close(records, &err), MADPO_OK);
    append(dir, "pairs.jsonl", "{\"id\":");

    assert_int_equal(madpo_records_open(&records, run, "pairs.jsonl", -1, &n, &err), MADPO_OK);
    assert_int_equal(n, 5);
    assert_int_equal(madpo_records_close(records, &err), MADPO_OK);
    assert_int_equal(madpo_records_open(&records, run, "pairs.jsonl", 2, &n, &err), MADPO_OK);
    assert_int_equal(n, 2);
    assert_int_equal(madpo_records_append(records, json_pack("{s:f}", "x", 0.1), &err), MADPO_OK);
    assert_int_equal(madpo_records_close(records, &err), MADPO_OK);
    text = slurp(dir, "pairs.jsonl");
    assert_string_equal(text, "{\"id\":0}\n{\"id\":1}\n{\"x\":0.10000000000000001}\n");
    free(text);
    assert_int_equal(madpo_records_open(&records, run, "pairs.jsonl", 9, &n, &err), MADPO_ERR_DATA);
    assert_non_null(strstr(err.message, "holds 3 lines where 9 are expected"));
    assert_int_equal(madpo_records_close(NULL, NULL), MADPO_OK);
    madpo_run_close(run);
    tmp_free(dir);
}

/* A symbolic link to the device that is always full stands for a full disk. */
static void test_full_disk_is_named(void **state)
{
    char *dir = tmp_new(), *path = tmp_path(dir, "full.jsonl");
    madpo_run *run = create(dir);
    madpo_error err = MADPO_ERROR_INIT;
    madpo_records *records = NULL;
    int64_t n;

    (void)state;
    assert_int_equal(symlink("/dev/full", path), 0);
    /* reading the device never ends; keep 0 lines so that nothing is measured beyond the first */
    if (madpo_records_open(&records, run, "full.jsonl", 0, &n, &err) == MADPO_OK)
        assert_int_equal(madpo_records_append(records, json_object(), &err), MADPO_ERR_IO);
    assert_non_null(records);
    assert_non_null(strstr(err.message, "full.jsonl: disk full"));
    assert_non_null(strstr(err.message, "free space and run again with --resume"));
    assert_int_equal(madpo_records_close(records, NULL), MADPO_OK);
    madpo_run_close(run);
    free(path);
    tmp_free(dir);
}

static void save_checkpoint(madpo_run *run, const char *stage, int step, int64_t keep)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_checkpoint *checkpoint;
    char *path;

    assert_int_equal(madpo_checkpoint_begin(&checkpoint, run, stage, step, &err), MADPO_OK);
    path = tmp_file(madpo_checkpoint_dir(checkpoint), "weights.bin", "weights");
    free(path);
    path = tmp_path(madpo_checkpoint_dir(checkpoint), "optimiser");
    assert_int_equal(madpo_dir_make(path, &err), MADPO_OK);
    free(tmp_file(path, "m.bin", "moments"));
    free(path);
    assert_int_equal(madpo_checkpoint_commit(checkpoint, keep, &err), MADPO_OK);
}

static int64_t latest(madpo_run *run, const char *stage)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *dir;
    int64_t step;

    assert_int_equal(madpo_checkpoint_latest(&dir, &step, run, stage, &err), MADPO_OK);
    if (!dir)
        step = -1;
    free(dir);
    return step;
}

static void test_checkpoints_are_pruned_and_found(void **state)
{
    char *dir = tmp_new();
    madpo_run *run = create(dir);
    madpo_checkpoint_list list;

    (void)state;
    assert_int_equal(latest(run, "sft"), -1);
    for (int step = 3; step <= 12; step += 3)
        save_checkpoint(run, "sft", step, 2);
    save_checkpoint(run, "sft", 12, 2); /* again, as after a resume */
    save_checkpoint(run, "policy", 5, 2);
    assert_int_equal(latest(run, "sft"), 12);
    assert_int_equal(latest(run, "policy"), 5);
    assert_int_equal(latest(run, "reward"), -1);
    assert_int_equal(madpo_checkpoint_list_read(&list, dir, "sft", NULL), MADPO_OK);
    assert_int_equal(list.n, 2);
    assert_int_equal(list.v[0].step, 12);
    assert_int_equal(list.v[1].step, 9);
    madpo_checkpoint_list_dispose(&list);
    assert_int_equal(madpo_checkpoint_list_read(&list, dir, NULL, NULL), MADPO_OK);
    assert_int_equal(list.n, 3);
    madpo_checkpoint_list_dispose(&list);
    madpo_run_close(run);
    tmp_free(dir);
}

static void test_damaged_checkpoints_are_passed_over(void **state)
{
    char *dir = tmp_new(), *text, *path;
    madpo_run *run = create(dir);

    (void)state;
    for (int step = 1; step <= 4; step++)
        save_checkpoint(run, "sft", step, 9);
    append(dir, "checkpoints/sft-step-4/optimiser/m.bin", "x");
    path = tmp_path(dir, "checkpoints/sft-step-3/weights.bin");
    assert_int_equal(remove(path), 0);
    free(path);
    path = tmp_path(dir, "checkpoints/sft-step-2/checksums.json");
    assert_int_equal(remove(path), 0);
    free(path);
    assert_int_equal(latest(run, "sft"), 1);
    madpo_run_close(run);
    text = slurp(dir, "log.txt");
    assert_non_null(strstr(text, "passing over checkpoint"));
    assert_non_null(strstr(text, "optimiser/m.bin is damaged: its checksum differs"));
    assert_non_null(strstr(text, "sft-step-3/weights.bin"));
    free(text);
    tmp_free(dir);
}

static void test_unfinished_checkpoints_are_swept(void **state)
{
    char *dir = tmp_new(), *left;
    madpo_run *run = create(dir);
    madpo_checkpoint *checkpoint;

    (void)state;
    assert_int_equal(madpo_checkpoint_begin(&checkpoint, run, "sft", 1, NULL), MADPO_OK);
    left = tmp_path(madpo_checkpoint_dir(checkpoint), "");
    madpo_checkpoint_abort(checkpoint);
    assert_false(madpo_file_exists(left));
    assert_int_equal(madpo_dir_make(left, NULL), MADPO_OK); /* as if killed there */
    madpo_run_close(run);
    run = resume(dir);
    assert_false(madpo_file_exists(left));
    assert_int_equal(latest(run, "sft"), -1);
    madpo_run_close(run);
    free(left);
    tmp_free(dir);
}

static int64_t next_step(madpo_run_reader *reader)
{
    madpo_error err = MADPO_ERROR_INIT;
    json_t *event;
    int64_t step = -1;

    assert_int_equal(madpo_run_reader_next(reader, &event, &err), MADPO_OK);
    if (event)
        step = json_integer_value(json_object_get(event, "step"));
    json_decref(event);
    return step;
}

static void test_reader_follows_a_growing_file(void **state)
{
    char *dir = tmp_new();
    madpo_run *run = create(dir);
    madpo_run_reader *reader;

    (void)state;
    assert_int_equal(madpo_run_reader_open(&reader, dir, NULL), MADPO_OK);
    assert_int_equal(json_integer_value(json_object_get(madpo_run_reader_manifest(reader), "seed")),
                     42);
    assert_int_equal(next_step(reader), -1);
    step_event(run, 1);
    step_event(run, 2);
    assert_int_equal(next_step(reader), 1);
    assert_int_equal(next_step(reader), 2);
    assert_int_equal(next_step(reader), -1);
    madpo_run_close(run);
    append(dir, "events.jsonl", "{\"step\":3");
    assert_int_equal(next_step(reader), -1);
    append(dir, "events.jsonl", "}\nnonsense\n{\"step\":4}\n");
    assert_int_equal(next_step(reader), 3);
    assert_int_equal(next_step(reader), 4);
    assert_int_equal(madpo_run_reader_bad_lines(reader), 1);
    madpo_run_reader_close(reader);
    tmp_free(dir);
}

static void test_latest_run_is_found(void **state)
{
    char *parent = tmp_new(), *a = tmp_path(parent, "a"), *b = tmp_path(parent, "b"), *found;
    char *nothing = tmp_path(parent, "nothing");
    madpo_run *run;

    (void)state;
    assert_int_equal(madpo_run_find_latest(&found, nothing, NULL), MADPO_OK);
    assert_null(found);
    assert_int_equal(madpo_run_find_latest(&found, parent, NULL), MADPO_OK);
    assert_null(found);
    madpo_run_close(create(b));
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    run = create(a);
    step_event(run, 1);
    madpo_run_close(run);
    assert_int_equal(madpo_run_find_latest(&found, parent, NULL), MADPO_OK);
    assert_string_equal(found, a);
    free(found);
    free(nothing);
    free(a);
    free(b);
    tmp_free(parent);
}

static void count_progress(void *user, const madpo_progress *progress)
{
    (void)progress;
    ++*(int *)user;
}

static void test_progress_is_limited(void **state)
{
    char *dir = tmp_new();
    madpo_run_manifest m = manifest();
    int n_shown = 0;
    madpo_listener listener = {.user = &n_shown, .progress = count_progress};
    madpo_progress p = {.stage = "sft", .what = "training", .total = 1000};
    madpo_run *run;

    (void)state;
    assert_int_equal(madpo_run_create(&run, dir, &m, &listener, NULL), MADPO_OK);
    for (p.done = 1; p.done < 1000; p.done++)
        madpo_run_progress(run, &p);
    assert_in_range(n_shown, 1, 100);
    n_shown = 0;
    madpo_run_progress(run, &p); /* the last one always */
    assert_int_equal(n_shown, 1);
    p.what = "held-out loss"; /* and a new activity */
    p.done = 1;
    madpo_run_progress(run, &p);
    assert_int_equal(n_shown, 2);
    madpo_run_close(run);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_refuses_a_second_run),
        cmocka_unit_test(test_create_leaves_foreign_files_alone),
        cmocka_unit_test(test_one_process_at_a_time),
        cmocka_unit_test(test_events_begin_with_version_time_name),
        cmocka_unit_test(test_resume_cuts_half_lines),
        cmocka_unit_test(test_resume_names_what_differs),
        cmocka_unit_test(test_resume_tells_harmless_changes),
        cmocka_unit_test(test_resume_wants_a_run),
        cmocka_unit_test(test_damaged_manifest),
        cmocka_unit_test(test_stages_done_survive),
        cmocka_unit_test(test_records_keep_and_count),
        cmocka_unit_test(test_full_disk_is_named),
        cmocka_unit_test(test_checkpoints_are_pruned_and_found),
        cmocka_unit_test(test_damaged_checkpoints_are_passed_over),
        cmocka_unit_test(test_unfinished_checkpoints_are_swept),
        cmocka_unit_test(test_reader_follows_a_growing_file),
        cmocka_unit_test(test_latest_run_is_found),
        cmocka_unit_test(test_progress_is_limited),
    };

    return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
