/* The table of keys: it is the dispatcher and the help, so it must be without contradictions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/tmp.h"
#include "tui/numbers.h"
#include "tui/view.h"

static void test_no_key_twice(void **state)
{
    (void)state;
    for (int i = 0; i < madpo_n_keys; i++)
        for (int a = 0; a < 4 && madpo_keys[i].keys[a]; a++)
            for (int j = i; j < madpo_n_keys; j++)
                for (int b = j == i ? a + 1 : 0; b < 4 && madpo_keys[j].keys[b]; b++)
                    if (madpo_keys[i].keys[a] == madpo_keys[j].keys[b])
                        fail_msg("key %d is in the rows %d and %d", madpo_keys[i].keys[a], i, j);
}

/* Every key does something and is told of, in its own row or in the one before it. */
static void test_every_key_is_explained(void **state)
{
    bool explained = false;

    (void)state;
    for (int i = 0; i < madpo_n_keys; i++) {
        const madpo_key_row *row = &madpo_keys[i];

        if (row->shown)
            explained = row->help && row->help[0];
        assert_true(explained);
        assert_int_equal(row->run != NULL, row->keys[0] != 0);
        assert_true(!row->bar || row->keys[0]);
    }
}

/* Every panel has numbers, under a name of its own. */
static void test_numbers(void **state)
{
    (void)state;
    assert_int_equal(madpo_n_numbers_panels, MADPO_PANELS - 1);
    for (int i = 0; i < madpo_n_numbers_panels; i++) {
        madpo_panel panel;

        assert_int_equal(madpo_numbers_find(&panel, madpo_numbers_panels[i].name, NULL), MADPO_OK);
        assert_int_equal(panel, i + 1);
    }
}

/* Those that a terminal or a multiplexer keeps are not taken. */
static void test_reserved(void **state)
{
    static const int reserved[] = {'A' - 64, 'B' - 64, 'S' - 64, 'Q' - 64};

    (void)state;
    for (int i = 0; i < madpo_n_keys; i++)
        for (int a = 0; a < 4 && madpo_keys[i].keys[a]; a++)
            for (size_t k = 0; k < sizeof reserved / sizeof *reserved; k++)
                assert_int_not_equal(madpo_keys[i].keys[a], reserved[k]);
}

/* In a prompt every letter is text: none does what it does elsewhere. */
static void test_prompts_take_letters(void **state)
{
    char *dir = tmp_new(), *path = tmp_file(dir, "run.json", "{\"v\":1}");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_feed *feed;
    madpo_view view;

    (void)state;
    assert_int_equal(madpo_feed_open(&feed, dir, 1.0, &err), MADPO_OK);
    madpo_view_init(&view, feed);
    madpo_view_key(&view, '/');
    for (int key = '!'; key < 0x7f; key++)
        assert_int_equal(madpo_view_key(&view, key), MADPO_ACTION_NONE);
    assert_int_equal(view.prompt, MADPO_PROMPT_SEARCH);
    assert_int_equal(strlen(view.typed), 0x7f - '!');
    madpo_view_key(&view, MADPO_KEY_ESCAPE);
    assert_int_equal(view.prompt, MADPO_PROMPT_NONE);
    assert_int_equal(view.wish.focus, MADPO_PANEL_LOSS);
    assert_int_equal(madpo_view_key(&view, 'q'), MADPO_ACTION_QUIT);
    madpo_view_dispose(&view);
    madpo_feed_close(feed);
    free(path);
    tmp_free(dir);
}

/* Any long text, of any letters, fits the line it is typed into. */
static void test_long_input(void **state)
{
    char *dir = tmp_new(), *path = tmp_file(dir, "run.json", "{\"v\":1}");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_feed *feed;
    madpo_view view;

    (void)state;
    assert_int_equal(madpo_feed_open(&feed, dir, 1.0, &err), MADPO_OK);
    madpo_view_init(&view, feed);
    madpo_view_key(&view, 'f');
    for (int i = 0; i < 500; i++)
        madpo_view_key(&view, i % 3 == 0 ? 0x6d77 : i % 3 == 1 ? 0xe9 : 'x');
    assert_true(strlen(view.typed) < MADPO_VIEW_TEXT);
    for (int i = 0; i < 500; i++)
        madpo_view_key(&view, MADPO_KEY_BACKSPACE);
    assert_string_equal(view.typed, "");
    madpo_view_dispose(&view);
    madpo_feed_close(feed);
    free(path);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_key_twice),
                                       cmocka_unit_test(test_every_key_is_explained),
                                       cmocka_unit_test(test_numbers),
                                       cmocka_unit_test(test_reserved),
                                       cmocka_unit_test(test_prompts_take_letters),
                                       cmocka_unit_test(test_long_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
