/* Texts of many pairs are looked through a slice at a time: the screen goes on meanwhile, Esc ends
 * it, and what is found is what reading all of them at once would find. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/tmp.h"
#include "tui/view.h"

/* As many texts as no machine reads in a slice; every 997th has the word. */
enum { PAIRS = 150000, EVERY = 997, HITS = (PAIRS + EVERY - 1) / EVERY };

typedef struct fixture {
    char *dir;
    madpo_feed *feed;
    madpo_view view;
    madpo_grid grid;
} fixture;

static void write_pairs(const char *dir, const char *mode, int from, int to)
{
    char path[600];
    FILE *f;

    snprintf(path, sizeof path, "%s/pairs.jsonl", dir);
    f = fopen(path, mode);
    assert_non_null(f);
    for (int i = from; i < to; i++)
        fprintf(f,
                "{\"id\":%d,\"prompt\":\"Prompt %d\",\"chosen\":\"One answer "
                "%s\",\"rejected\":\"No\"}\n",
                i, i, i % EVERY == 0 ? "with a Zebra" : "");
    assert_int_equal(fclose(f), 0);
}

static void draw(fixture *x)
{
    madpo_error err = MADPO_ERROR_INIT;

    assert_int_equal(madpo_view_render(&x->grid, &x->view, 80, 24, &err), MADPO_OK);
}

static void load(fixture *x)
{
    int64_t n;
    bool more = true;

    while (more)
        assert_int_equal(madpo_feed_load(x->feed, 1.0, &n, &more, NULL), MADPO_OK);
}

static void begin(fixture *x, int n)
{
    madpo_error err = MADPO_ERROR_INIT;

    memset(x, 0, sizeof *x);
    x->dir = tmp_new();
    free(tmp_file(x->dir, "run.json", "{\"v\":1}"));
    write_pairs(x->dir, "w", 0, n);
    assert_int_equal(madpo_feed_open(&x->feed, x->dir, 1.0, &err), MADPO_OK);
    load(x);
    madpo_view_init(&x->view, x->feed);
    x->view.sort = MADPO_SORT_ID;
    draw(x);
    assert_int_equal(x->view.n_list, n);
}

static void end(fixture *x)
{
    madpo_view_dispose(&x->view);
    madpo_feed_close(x->feed);
    madpo_grid_dispose(&x->grid);
    tmp_free(x->dir);
}

static void type(fixture *x, const char *keys)
{
    for (; *keys; keys++)
        madpo_view_key(&x->view, (unsigned char)*keys);
}

/* Ticks until nothing is looked for; how many it took. */
static int finish(fixture *x)
{
    int n = 0;

    for (; madpo_find_working(&x->view); n++) {
        assert_true(madpo_view_tick(&x->view, 0.1));
        draw(x);
    }
    return n;
}

static void test_filter(void **state)
{
    fixture x;

    (void)state;
    begin(&x, PAIRS);
    type(&x, "ftext:zebra\r");
    draw(&x);
    assert_true(madpo_find_working(&x.view)); /* the key came back before all were read */
    assert_true(x.view.find.looked < PAIRS);
    madpo_view_tick(&x.view, 0.1);
    assert_non_null(strstr(x.view.message, "searching the texts: "));
    assert_non_null(strstr(x.view.message, "Esc stops"));
    type(&x, "z"); /* other keys do what they do, and it goes on */
    assert_true(x.view.wish.zoomed);
    assert_true(madpo_find_working(&x.view));
    finish(&x);
    x.view.list_at = x.view.list_cost = 0; /* however long the last list took */
    draw(&x);
    assert_int_equal(x.view.find.looked, PAIRS);
    assert_int_equal(x.view.n_list, HITS);
    assert_string_equal(x.view.message, "");
    for (size_t i = 0; i < x.view.n_list; i++)
        assert_int_equal(madpo_view_samples(&x.view)->v[x.view.list[i]].id, (int)i * EVERY);
    type(&x, "\\"); /* no filter: all of them, at once */
    draw(&x);
    assert_false(madpo_find_working(&x.view));
    assert_int_equal(x.view.n_list, PAIRS);
    end(&x);
}

static void test_stopped(void **state)
{
    fixture x;
    size_t looked, hits;

    (void)state;
    begin(&x, PAIRS);
    type(&x, "ftext:zebra\r");
    madpo_view_tick(&x.view, 0.1);
    looked = x.view.find.looked;
    hits = x.view.find.hits;
    assert_true(madpo_find_working(&x.view));
    madpo_view_key(&x.view, MADPO_KEY_ESCAPE);
    assert_non_null(strstr(x.view.message, "search stopped"));
    assert_false(madpo_find_working(&x.view));
    assert_int_equal(finish(&x), 0);
    x.view.list_at = x.view.list_cost = 0;
    draw(&x);
    assert_int_equal(x.view.find.looked, looked);
    assert_int_equal(x.view.n_list, hits); /* what was found stays */
    type(&x, "ftext:zebra\r");             /* and asked again, it begins again */
    assert_true(madpo_find_working(&x.view));
    end(&x);
}

static void test_search(void **state)
{
    fixture x;

    (void)state;
    begin(&x, PAIRS);
    x.view.cursor = 1; /* the nearest one is near */
    type(&x, "/zebra\r");
    finish(&x);
    assert_int_equal(x.view.cursor, EVERY);
    type(&x, "N");
    finish(&x);
    assert_int_equal(x.view.cursor, 0);
    x.view.cursor = 5;
    type(&x, "/giraffe\r"); /* there is none: all have to be read */
    assert_true(madpo_find_working(&x.view));
    madpo_view_tick(&x.view, 0.1);
    assert_non_null(strstr(x.view.message, "searching the texts: "));
    finish(&x);
    assert_non_null(strstr(x.view.message, "no pair here has \"giraffe\""));
    assert_int_equal(x.view.cursor, 5);
    type(&x, "n");
    assert_true(madpo_find_working(&x.view));
    madpo_view_key(&x.view, MADPO_KEY_ESCAPE);
    assert_string_equal(x.view.message, "search stopped");
    assert_false(madpo_find_working(&x.view));
    assert_int_equal(x.view.cursor, 5);
    /* keys that come faster than pictures: the search goes along the list as it is by now */
    type(&x, "fid<9\r");
    draw(&x);
    assert_int_equal(x.view.n_list, 9);
    type(&x, "\\/149999\r");
    finish(&x);
    assert_int_equal(x.view.cursor, 149999);
    end(&x);
}

/* A slice of no time is one text; pairs that come later are looked through, too. */
static void test_slices(void **state)
{
    fixture x;
    madpo_filter filter;
    madpo_find find = {.wanted = false};

    (void)state;
    begin(&x, EVERY + 3);
    /* a pair whose margin is there before its text, which has the word */
    free(tmp_file(x.dir, "margins.jsonl", "{\"id\":1994,\"h\":1,\"c\":1,\"w\":1}\n"));
    assert_int_equal(1994, 2 * EVERY);
    load(&x);
    assert_int_equal(madpo_view_samples(&x.view)->n, EVERY + 4);
    assert_int_equal(madpo_filter_parse(&filter, "text:zebra", NULL), MADPO_OK);
    madpo_find_begin(&find, madpo_filter_has_texts(&filter));
    for (size_t i = 1; i <= EVERY + 3; i++) {
        assert_true(madpo_find_is_busy(&find, x.feed));
        madpo_find_on(&find, x.feed, &filter, 0);
        assert_int_equal(find.looked, i);
    }
    madpo_find_on(&find, x.feed, &filter, 0);
    assert_false(madpo_find_is_busy(&find, x.feed));
    assert_int_equal(find.hits, 2);
    write_pairs(x.dir, "a", EVERY + 3, 2 * EVERY + 1);
    load(&x);
    assert_true(madpo_find_is_busy(&find, x.feed));
    madpo_find_on(&find, x.feed, &filter, 1e9);
    assert_int_equal(find.looked, 2 * EVERY + 1);
    assert_int_equal(find.hits, 3);
    madpo_find_dispose(&find);
    end(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter), cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_search), cmocka_unit_test(test_slices)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
