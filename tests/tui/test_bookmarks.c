/* Bookmarks: their order, going from one to the next over stages, and what a file of them may hold.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "tests/support/tmp.h"
#include "tui/bookmarks.h"

static void fill(madpo_history *history)
{
    static const char *const lines[] = {
        "{\"t\":1,\"ev\":\"step\",\"stage\":\"sft\",\"step\":40,\"loss\":1}",
        "{\"t\":2,\"ev\":\"step\",\"stage\":\"policy\",\"step\":120,\"loss\":1}"};
    madpo_samples samples = {0};

    madpo_history_init(history);
    for (int i = 0; i < 2; i++)
        assert_int_equal(madpo_history_line(history, &samples, lines[i], strlen(lines[i]), NULL),
                         MADPO_OK);
    madpo_samples_dispose(&samples);
}

static bool toggle(madpo_bookmarks *marks, const madpo_history *history, int phase, double step)
{
    madpo_moment at = {.phase = phase, .step = step};
    bool set = false;

    assert_int_equal(madpo_bookmarks_toggle(marks, history, at, &set, NULL), MADPO_OK);
    return set;
}

static void test_order(void **state)
{
    madpo_history history;
    madpo_bookmarks marks;
    madpo_moment at = {.phase = 1, .step = 30};
    bool set;

    (void)state;
    fill(&history);
    madpo_bookmarks_open(&marks, NULL);
    assert_null(marks.path);
    assert_true(toggle(&marks, &history, 1, 90));
    assert_true(toggle(&marks, &history, 0, 7));
    assert_true(toggle(&marks, &history, 1, 30.6)); /* while playing: between two steps */
    assert_int_equal(marks.n, 3);
    assert_string_equal(marks.v[0].stage, "sft");
    assert_true(marks.v[1].step == 30 && marks.v[2].step == 90);
    assert_int_equal(madpo_bookmarks_next(&marks, &history, at, true), 2);
    assert_int_equal(madpo_bookmarks_next(&marks, &history, at, false), 0);
    at.step = 90;
    assert_int_equal(madpo_bookmarks_next(&marks, &history, at, true), -1);
    assert_int_equal(madpo_bookmarks_next(&marks, &history, at, false), 1);
    assert_false(toggle(&marks, &history, 1, 30)); /* again: removed */
    assert_int_equal(marks.n, 2);
    assert_int_equal(madpo_bookmarks_next(&marks, &history, at, false), 0);
    at.phase = -1;
    assert_int_equal(madpo_bookmarks_toggle(&marks, &history, at, &set, NULL), MADPO_ERR_USAGE);
    madpo_bookmarks_dispose(&marks);
    madpo_history_dispose(&history);
}

static void test_too_many(void **state)
{
    madpo_history history;
    madpo_bookmarks marks;
    madpo_moment at = {.phase = 1, .step = 100};
    bool set;

    (void)state;
    fill(&history);
    madpo_bookmarks_open(&marks, NULL);
    for (int i = 0; i < MADPO_BOOKMARKS; i++)
        assert_true(toggle(&marks, &history, 1, i));
    assert_int_equal(madpo_bookmarks_toggle(&marks, &history, at, &set, NULL), MADPO_ERR_USAGE);
    assert_int_equal(marks.n, MADPO_BOOKMARKS);
    assert_false(toggle(&marks, &history, 1, 5)); /* removing one is no matter of room */
    madpo_bookmarks_dispose(&marks);
    madpo_history_dispose(&history);
}

static void test_file(void **state)
{
    char *dir = tmp_new(), path[600];
    madpo_history history;
    madpo_bookmarks marks;
    madpo_moment at = {.phase = 1, .step = 0};
    const char *text = "sft 7\nnonsense\npolicy -3\npolicy nan\nlater 5\npolicy 30\n";

    (void)state;
    fill(&history);
    setenv("XDG_STATE_HOME", dir, 1);
    snprintf(path, sizeof path, "%s/madpo/bookmarks", dir);
    assert_int_equal(madpo_dir_make(path, NULL), MADPO_OK);
    snprintf(path, sizeof path, "%s/madpo/bookmarks/run-1", dir);
    assert_int_equal(madpo_file_write(path, text, strlen(text), NULL), MADPO_OK);
    madpo_bookmarks_open(&marks, "run-1");
    assert_int_equal(marks.n, 3);
    /* a stage that the run does not have is kept, but not gone to */
    assert_int_equal(madpo_bookmarks_next(&marks, &history, at, true), 2);
    assert_true(toggle(&marks, &history, 1, 60));
    madpo_bookmarks_dispose(&marks);
    madpo_bookmarks_open(&marks, "run-1");
    assert_int_equal(marks.n, 4);
    madpo_bookmarks_dispose(&marks);
    madpo_bookmarks_open(&marks, "../run-1"); /* no name of a file */
    assert_null(marks.path);
    madpo_bookmarks_dispose(&marks);
    madpo_history_dispose(&history);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order), cmocka_unit_test(test_too_many), cmocka_unit_test(test_file)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
