/* Memory runs out at every allocation in turn: an error or a poorer picture, never a crash. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/support/fail_alloc.h"
#include "tests/support/tmp.h"
#include "tui/table.h"

static const char events[] =
    "{\"v\":1,\"t\":1,\"ev\":\"stage\",\"stage\":\"policy\",\"status\":\"start\"}\n"
    "{\"v\":1,\"t\":2,\"ev\":\"step\",\"stage\":\"policy\",\"step\":1,\"total_steps\":9,\"loss\":0."
    "7}\n"
    "{\"v\":1,\"t\":3,\"ev\":\"step\",\"stage\":\"policy\",\"step\":2,\"total_steps\":9,\"loss\":0."
    "6}\n"
    "{\"v\":1,\"t\":3,\"ev\":\"samples\",\"stage\":\"policy\",\"step\":2,\"pairs\":"
    "[{\"id\":1,\"h\":0.5,\"w\":1.1,\"m\":0.2},{\"id\":2,\"h\":-0.5,\"w\":0.7,\"m\":-0.2}]}\n";
static const char margins[] = "{\"id\":1,\"h\":0.5,\"w\":1.1}\n{\"id\":2,\"h\":-0.5,\"w\":0.7}\n";
static const char pairs[] =
    "{\"id\":1,\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\",\"source\":\"s\"}\n";
static const char tokens[] =
    "{\"id\":1,\"step\":2,\"split\":\"eval\",\"chosen\":{\"at\":[0],\"n\":[1],\"logp\":[-1],"
    "\"ratio\":[1]},\"rejected\":{\"at\":[0],\"n\":[1],\"logp\":[-1],\"ratio\":[-1]}}\n";
static const char manifest[] =
    "{\"v\":1,\"objective\":\"madpo beta 0.1 c_max 2 c_min 0.5 lambda 1 tau 4\"}";

/* Open, draw and type; whatever fails says that memory did. */
static void watch(const char *dir)
{
    static const int keys[] = {'3', MADPO_KEY_ENTER, 'z', '/', 'c', MADPO_KEY_ENTER, ')', '9', 'T',
                               '5'};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_feed *feed;
    madpo_view view;
    madpo_grid grid = {0};
    madpo_status st = madpo_feed_open(&feed, dir, 10.0, &err);

    if (st != MADPO_OK) {
        fail_alloc_disarm();
        assert_null(feed);
        assert_int_equal(st, MADPO_ERR_NOMEM);
        return;
    }
    madpo_view_init(&view, feed);
    st = madpo_view_render(&grid, &view, 120, 40, &err);
    for (size_t i = 0; st == MADPO_OK && i < sizeof keys / sizeof *keys; i++) {
        madpo_view_key(&view, keys[i]);
        st = madpo_view_render(&grid, &view, 120, 40, &err);
    }
    fail_alloc_disarm();
    assert_true(st == MADPO_OK || st == MADPO_ERR_NOMEM);
    madpo_grid_dispose(&grid);
    madpo_view_dispose(&view);
    madpo_feed_close(feed);
}

static void test_every_allocation(void **state)
{
    char *dir = tmp_new();
    bool reached = true;
    size_t n;

    (void)state;
    free(tmp_file(dir, "run.json", manifest));
    free(tmp_file(dir, "events.jsonl", events));
    free(tmp_file(dir, "margins.jsonl", margins));
    free(tmp_file(dir, "pairs.jsonl", pairs));
    free(tmp_file(dir, "tokens.jsonl", tokens));
    for (n = 1; reached && n < 5000; n++) {
        madpo_error err = MADPO_ERROR_INIT;
        madpo_feed *feed;

        fail_alloc_arm(n);
        if (madpo_feed_open(&feed, dir, 10.0, &err) == MADPO_OK) {
            reached = fail_alloc_disarm();
            madpo_feed_close(feed);
        } else {
            assert_true(fail_alloc_disarm());
            assert_int_equal(err.code, MADPO_ERR_NOMEM);
            assert_null(feed);
        }
    }
    assert_true(n > 20 && n < 5000);
    for (n = 1; n < 400; n++) {
        fail_alloc_arm(n);
        watch(dir);
    }
    tmp_free(dir);
}

/* ---- an experiment ---- */

static const char experiment[] = "{\"v\":1,\"parts\":["
                                 "{\"dir\":\"a\",\"cell\":\"a\",\"tier\":\"high\",\"method\":"
                                 "\"dpo\",\"seed\":\"1\",\"chosen\":true},"
                                 "{\"dir\":\"b\",\"cell\":\"b\",\"tier\":\"high\",\"method\":"
                                 "\"ipo\",\"seed\":\"1\",\"chosen\":true},"
                                 "{\"dir\":\"sft\"}]}";

static madpo_status read_all(madpo_cells *cells, madpo_error *err)
{
    bool changed, more = true;
    madpo_status st = MADPO_OK;

    while (st == MADPO_OK && more)
        st = madpo_cells_load(cells, 10.0, &changed, &more, err);
    return st;
}

/* Open the table, read, draw, type, and print its numbers. True: memory ran out on the way. */
static bool watch_cells(const char *dir)
{
    static const int keys[] = {MADPO_KEY_DOWN,  ' ', 'w', 'u', 'O', '/', 'a',
                               MADPO_KEY_ENTER, 'w', '?', 's', '\\'};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_cells *cells;
    madpo_table table;
    madpo_grid grid = {0};
    madpo_strbuf numbers = {0};
    bool reached;
    madpo_status st = madpo_cells_open(&cells, dir, &err);

    if (st != MADPO_OK) {
        reached = fail_alloc_disarm();
        assert_null(cells);
        assert_int_equal(st, MADPO_ERR_NOMEM);
        return reached;
    }
    madpo_table_init(&table, cells);
    st = read_all(cells, &err);
    cells->listed = -1; /* as if experiment.json were another */
    cells->looked_at = -1;
    if (st == MADPO_OK)
        st = read_all(cells, &err);
    if (st == MADPO_OK)
        st = madpo_table_render(&grid, &table, 100, 30, &err);
    for (size_t i = 0; st == MADPO_OK && i < sizeof keys / sizeof *keys; i++) {
        madpo_table_key(&table, keys[i]);
        st = madpo_table_render(&grid, &table, 100, 30, &err);
    }
    madpo_cells_numbers(&numbers, cells);
    reached = fail_alloc_disarm();
    assert_true(st == MADPO_OK || reached); /* jansson may take it for a mistake in the text */
    madpo_strbuf_dispose(&numbers);
    /* with memory again it goes on from where it is */
    cells->looked_at = -1;
    assert_int_equal(read_all(cells, &err), MADPO_OK);
    assert_int_equal(cells->n, 3);
    assert_int_equal(madpo_table_render(&grid, &table, 100, 30, &err), MADPO_OK);
    madpo_grid_dispose(&grid);
    madpo_table_dispose(&table);
    return reached;
}

static void test_cells(void **state)
{
    char *dir = tmp_new();
    size_t n;

    (void)state;
    free(tmp_file(dir, "experiment.json", experiment));
    free(tmp_file(dir, "experiment.lock", ""));
    for (size_t i = 0; i < 2; i++) {
        char *part = tmp_path(dir, i ? "a" : "sft");

        assert_int_equal(mkdir(part, 0777), 0);
        free(tmp_file(part, "run.json", manifest));
        free(tmp_file(part, "events.jsonl", events));
        free(tmp_file(part, "log.txt", "a line\n"));
        if (i == 1)
            free(tmp_file(part, "cell.json", "{\"v\":1,\"status\":\"failed\",\"reason\":\"why\"}"));
        free(part);
    }
    fail_alloc_jansson();
    n = 1;
    do
        fail_alloc_arm(n);
    while (watch_cells(dir) && ++n < 5000);
    assert_true(n > 50 && n < 5000);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation),
                                       cmocka_unit_test(test_cells)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
