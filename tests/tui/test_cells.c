/* An experiment as the front end sees it: what became of each part, the time left, the table's
 * keys, and the menu of Q and Ctrl+C. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "run/control.h"
#include "tests/support/tmp.h"
#include "tui/menu.h"
#include "tui/table.h"

static const char parts[] =
    "{\"v\":1,\"parts\":[{\"dir\":\"shared/sft\"},"
    "{\"dir\":\"cells/a\",\"cell\":\"a\",\"tier\":\"high\",\"chosen\":true},"
    "{\"dir\":\"cells/b\",\"cell\":\"b\",\"tier\":\"high\",\"chosen\":true},"
    "{\"dir\":\"cells/c\",\"cell\":\"c\",\"tier\":\"high\",\"chosen\":false}]}";

static void put(const char *dir, const char *name, const char *text)
{
    madpo_error err = MADPO_ERROR_INIT;
    char path[600], *parent = NULL;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(madpo_path_parent(&parent, path, &err), MADPO_OK);
    assert_int_equal(madpo_dir_make(parent, &err), MADPO_OK);
    assert_int_equal(madpo_file_write(path, text, strlen(text), &err), MADPO_OK);
    free(parent);
}

static void load(madpo_cells *cells)
{
    madpo_error err = MADPO_ERROR_INIT;
    bool changed, more = true;

    cells->looked_at = -1;
    while (more)
        assert_int_equal(madpo_cells_load(cells, 1.0, &changed, &more, &err), MADPO_OK);
}

static madpo_cells *open_cells(char *dir)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_cells *cells;

    put(dir, "experiment.json", parts);
    assert_true(madpo_cells_are_in(dir));
    assert_int_equal(madpo_cells_open(&cells, dir, &err), MADPO_OK);
    load(cells);
    assert_int_equal(cells->n, 4);
    return cells;
}

#define STEP(t, step, loss)                                                                        \
    "{\"v\":1,\"t\":" t ",\"ev\":\"step\",\"stage\":\"policy\",\"step\":" step                     \
    ",\"total_steps\":10,\"loss\":" loss "}\n"

static void test_states(void **state)
{
    char *dir = tmp_new();
    madpo_cells *cells = open_cells(dir);
    const madpo_part *a = cells->part[1];

    (void)state;
    assert_int_equal(a->state, MADPO_PART_LEFT); /* nobody is at work */
    put(dir, "cells/a/run.json", "{\"v\":1}");
    put(dir, "cells/a/events.jsonl", STEP("100", "1", "0.7") STEP("104", "2", "0.6"));
    load(cells);
    assert_int_equal(a->state, MADPO_PART_STOPPED);
    assert_true(a->step == 2 && a->total_steps == 10 && a->seconds == 4);
    assert_true(a->figure[MADPO_FIGURE_LOSS] == 0.6);
    /* another file in its place, and a longer one: nothing of the one before counts */
    put(dir, "cells/a/events.jsonl",
        STEP("200", "1", "0.9") STEP("201", "2", "0.8") STEP("202", "3", "0.5"));
    load(cells);
    assert_true(a->step == 3 && a->seconds == 2 && a->t_first == 200);
    put(dir, "cells/a/cell.json", "{\"v\":1,\"status\":\"failed\",\"reason\":\"no disk\"}");
    load(cells);
    assert_int_equal(a->state, MADPO_PART_FAILED);
    assert_string_equal(a->reason, "no disk");
    put(dir, "cells/a/cell.json", "{\"v\":1,\"status\":\"done\"}");
    load(cells);
    assert_int_equal(a->state, MADPO_PART_DONE);
    assert_null(a->reader); /* a finished part holds no file */
    /* made anew by --retry: nothing of before is left */
    assert_int_equal(madpo_dir_remove(a->dir, NULL), MADPO_OK);
    load(cells);
    assert_int_equal(a->state, MADPO_PART_LEFT);
    assert_true(isnan(a->figure[MADPO_FIGURE_LOSS]) && isnan(a->t_first) && a->seconds == 0);
    madpo_cells_close(cells);
    tmp_free(dir);
}

/* The time between an end, or a death, and the next process is not spent on the part. */
static void test_seconds(void **state)
{
    char *dir = tmp_new();
    madpo_cells *cells = open_cells(dir);

    (void)state;
    put(dir, "cells/b/run.json", "{\"v\":1}");
    put(dir, "cells/b/events.jsonl",
        STEP("100", "1", "0.7") STEP(
            "103", "2",
            "0.6") "{\"v\":1,\"t\":104,\"ev\":\"end\",\"status\":\"stopped\"}\n" STEP("900", "3",
                                                                                      "0.5")
            STEP("905", "4",
                 "null") "{\"v\":1,\"t\":2000,\"ev\":\"resume\",\"stage\":\"policy\",\"step\":4}\n"
                         "{\"v\":1,\"t\":2002,\"ev\":\"warning\",\"text\":\"w\"}\n");
    load(cells);
    assert_true(cells->part[2]->seconds == 4 + 5 + 2);
    assert_int_equal(cells->part[2]->n_warnings, 1);
    assert_true(isnan(cells->part[2]->figure[MADPO_FIGURE_LOSS])); /* NaN is not the loss before */
    madpo_cells_close(cells);
    tmp_free(dir);
}

#define CONTROL(action, more)                                                                      \
    "{\"v\":1,\"t\":101,\"ev\":\"control\",\"action\":\"" action "\"" more "}\n"

static void test_paused(void **state)
{
    static const struct {
        const char *then;
        bool paused;
    } cases[] = {{CONTROL("pause", ""), true},
                 {CONTROL("pause", ",\"refused\":\"no\""), false},
                 {CONTROL("pause", "") CONTROL("lr", ",\"now\":1"), true},
                 {CONTROL("pause", "") CONTROL("resume", ""), false},
                 {CONTROL("pause", "") STEP("102", "2", "0.5"), false}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *dir = tmp_new(), text[1000];
        madpo_cells *cells = open_cells(dir);

        put(dir, "cells/a/run.json", "{\"v\":1}");
        snprintf(text, sizeof text, "%s%s", STEP("100", "1", "0.7"), cases[i].then);
        put(dir, "cells/a/events.jsonl", text);
        load(cells);
        assert_int_equal(cells->part[1]->paused, cases[i].paused);
        madpo_cells_close(cells);
        tmp_free(dir);
    }
}

/* A list that grows keeps what is known of the parts before. */
static void test_more_parts(void **state)
{
    char *dir = tmp_new();
    madpo_cells *cells = open_cells(dir);

    (void)state;
    put(dir, "cells/a/run.json", "{\"v\":1}");
    put(dir, "cells/a/events.jsonl", STEP("100", "1", "0.7"));
    load(cells);
    cells->part[1]->marked = true;
    put(dir, "experiment.json",
        "{\"v\":1,\"parts\":[{\"dir\":\"cells/new\",\"cell\":\"new\"},"
        "{\"dir\":\"cells/a\",\"cell\":\"a\"},{\"dir\":\"../outside\",\"cell\":\"x\"}]}");
    load(cells);
    assert_int_equal(cells->n, 2);
    assert_string_equal(cells->part[1]->name, "a");
    assert_true(cells->part[1]->marked && cells->part[1]->step == 1);
    madpo_cells_close(cells);
    tmp_free(dir);
}

static void test_table_keys(void **state)
{
    bool explained = false;

    (void)state;
    for (int i = 0; i < madpo_n_table_keys; i++) {
        const madpo_table_row *row = &madpo_table_keys[i];

        if (row->shown)
            explained = row->help && row->help[0];
        assert_true(explained);
        assert_int_equal(row->run != NULL, row->keys[0] != 0);
        for (int a = 0; a < 6 && row->keys[a]; a++)
            for (int j = i; j < madpo_n_table_keys; j++)
                for (int b = j == i ? a + 1 : 0; b < 6 && madpo_table_keys[j].keys[b]; b++)
                    assert_int_not_equal(row->keys[a], madpo_table_keys[j].keys[b]);
    }
}

/* Once: the menu. Again: stop. Once more: now. Late: the menu again. */
static void test_interrupts(void **state)
{
    madpo_menu menu = {.open = false};

    (void)state;
    assert_int_equal(madpo_menu_interrupt(&menu), MADPO_CHOICE_NONE);
    madpo_menu_show(&menu, "");
    assert_int_equal(madpo_menu_interrupt(&menu), MADPO_CHOICE_STOP);
    assert_false(menu.open);
    assert_int_equal(madpo_menu_interrupt(&menu), MADPO_CHOICE_KILL);
    menu.pressed_at -= madpo_menu_again + 0.1;
    assert_int_equal(madpo_menu_interrupt(&menu), MADPO_CHOICE_NONE);
    /* and after a no, too */
    madpo_menu_show(&menu, "");
    assert_int_equal(madpo_menu_key(&menu, 'n'), MADPO_CHOICE_CANCEL);
    assert_int_equal(madpo_menu_interrupt(&menu), MADPO_CHOICE_NONE);
}

static void test_menu(void **state)
{
    static const struct {
        int keys[4];
        madpo_choice choice;
    } cases[] = {{{'s'}, MADPO_CHOICE_STOP},
                 {{'y'}, MADPO_CHOICE_STOP},
                 {{'k'}, MADPO_CHOICE_KILL},
                 {{'d'}, MADPO_CHOICE_LEAVE},
                 {{'q'}, MADPO_CHOICE_LEAVE},
                 {{'n'}, MADPO_CHOICE_CANCEL},
                 {{MADPO_KEY_ESCAPE}, MADPO_CHOICE_CANCEL},
                 {{MADPO_KEY_ENTER}, MADPO_CHOICE_CANCEL}, /* Enter by mistake */
                 {{MADPO_KEY_DOWN, MADPO_KEY_ENTER}, MADPO_CHOICE_STOP},
                 {{MADPO_KEY_DOWN, MADPO_KEY_UP, 'x', '\n'}, MADPO_CHOICE_CANCEL}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_choice choice = MADPO_CHOICE_NONE;
        madpo_menu menu = {.open = false};

        madpo_menu_show(&menu, "At once.");
        for (int k = 0; k < 4 && cases[i].keys[k]; k++) {
            assert_true(menu.open);
            choice = madpo_menu_key(&menu, cases[i].keys[k]);
        }
        assert_int_equal(choice, cases[i].choice);
        assert_false(menu.open);
    }
}

static json_t *no_answer(void *user, const madpo_control_request *request)
{
    (void)user;
    (void)request;
    return NULL;
}

static void test_peer(void **state)
{
    char *dir = tmp_new();
    madpo_error err = MADPO_ERROR_INIT;
    madpo_control_server *server;
    long pid = -1;

    (void)state;
    assert_int_equal(madpo_control_peer(&pid, dir, &err), MADPO_ERR_IO);
    assert_int_equal(pid, 0);
    madpo_error_clear(&err);
    assert_int_equal(madpo_control_server_start(&server, dir, no_answer, NULL, &err), MADPO_OK);
    assert_int_equal(madpo_control_peer(&pid, dir, &err), MADPO_OK);
    assert_int_equal(pid, (long)getpid());
    madpo_control_server_stop(server);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),     cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_more_parts), cmocka_unit_test(test_paused),
        cmocka_unit_test(test_table_keys), cmocka_unit_test(test_interrupts),
        cmocka_unit_test(test_menu),       cmocka_unit_test(test_peer)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
