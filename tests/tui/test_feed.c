/* A run opened for watching: its log in whole lines and in halves, from the end and from the
 * beginning, and the weights of its records against the curve drawn over them. */
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

#include "tests/support/tmp.h"
#include "tui/feed.h"
#include "tui/select.h"

static const char manifest[] =
    "{\"v\":1,\"objective\":\"madpo beta 0.1 c_max 2 c_min 0.5 lambda 1 tau 4 variant full "
    "max_weight 7\"}";

static madpo_feed *open_run(const char *dir)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_feed *feed;

    tmp_append(dir, "run.json", manifest);
    assert_int_equal(madpo_feed_open(&feed, dir, 10.0, &err), MADPO_OK);
    return feed;
}

static void load(madpo_feed *feed, double seconds, bool *more)
{
    madpo_error err = MADPO_ERROR_INIT;
    int64_t n;

    assert_int_equal(madpo_feed_load(feed, seconds, &n, more, &err), MADPO_OK);
}

static double now_step(const madpo_feed *feed)
{
    return madpo_history_now(&madpo_feed_story(feed)->history).step;
}

#define STEP(i, more)                                                                              \
    "{\"v\":1,\"t\":17" #i ",\"ev\":\"step\",\"stage\":\"policy\",\"step\":" #i                    \
    ",\"total_steps\":99,\"loss\":0." #i more "}\n"

static void test_halves(void **state)
{
    char *dir = tmp_new();
    madpo_feed *feed = open_run(dir);
    bool more;

    (void)state;
    assert_int_equal(madpo_feed_story(feed)->history.n_phases, 0);
    tmp_append(dir, "events.jsonl", STEP(10, "") "{\"v\":1,\"t\":18,\"ev\":\"st");
    load(feed, 1.0, &more);
    assert_true(!more && now_step(feed) > 9.5 && now_step(feed) < 10.5);
    tmp_append(dir, "events.jsonl",
               "ep\",\"stage\":\"policy\",\"step\":11,\"loss\":null}\nrubbish\n[]\n");
    load(feed, 1.0, &more);
    assert_true(now_step(feed) > 10.5);
    assert_int_equal(madpo_feed_story(feed)->history.n_bad, 2);
    assert_int_equal(madpo_phase_metric(madpo_feed_story(feed)->history.phases[0], "loss")->n_bad,
                     1);
    madpo_feed_close(feed);
    tmp_free(dir);
}

/* What a resumed run cuts off, half a line, is not glued to what it writes next. */
static void test_cut_back(void **state)
{
    char *dir = tmp_new(), *path = tmp_path(dir, "events.jsonl");
    madpo_feed *feed = open_run(dir);
    bool more;

    (void)state;
    tmp_append(dir, "events.jsonl", STEP(20, "") "{\"v\":1,\"t\":21,\"ev\":\"step\",\"sta");
    load(feed, 1.0, &more);
    assert_int_equal(truncate(path, (off_t)strlen(STEP(20, ""))), 0);
    load(feed, 1.0, &more);
    tmp_append(dir, "events.jsonl", STEP(21, ""));
    load(feed, 1.0, &more);
    assert_true(now_step(feed) > 20.5);
    assert_int_equal(madpo_feed_story(feed)->history.n_bad, 0);
    madpo_feed_close(feed);
    free(path);
    tmp_free(dir);
}

/* Something that is no line at all, twenty megabytes of it, is passed over and takes no memory. */
static void test_too_long(void **state)
{
    char *dir = tmp_new(), *path = tmp_path(dir, "events.jsonl");
    madpo_error err = MADPO_ERROR_INIT;
    const char *line;
    madpo_follow *follow;
    size_t n;

    (void)state;
    tmp_append(dir, "events.jsonl", "first\n");
    assert_int_equal(truncate(path, (off_t)20 << 20), 0);
    tmp_append(dir, "events.jsonl", "\nsecond\nhal");
    assert_int_equal(madpo_follow_open(&follow, dir, "events.jsonl", &err), MADPO_OK);
    assert_int_equal(madpo_follow_next(follow, &line, &n, &err), MADPO_OK);
    assert_int_equal(n, 5);
    assert_int_equal(madpo_follow_next(follow, &line, &n, &err), MADPO_OK);
    assert_int_equal(n, 6);
    assert_memory_equal(line, "second", 6);
    assert_int_equal(madpo_follow_too_long(follow), 1);
    assert_int_equal(madpo_follow_next(follow, &line, &n, &err), MADPO_OK);
    assert_null(line);
    tmp_append(dir, "events.jsonl", "f\n");
    assert_int_equal(madpo_follow_next(follow, &line, &n, &err), MADPO_OK);
    assert_memory_equal(line, "half", 4);
    assert_int_equal(madpo_follow_seek_tail(follow, 12, &err), MADPO_OK);
    assert_int_equal(madpo_follow_next(follow, &line, &n, &err), MADPO_OK);
    assert_memory_equal(line, "second", 6);
    madpo_follow_close(follow);
    free(path);
    tmp_free(dir);
}

#define AT(t, ev, rest) "{\"v\":1,\"t\":" #t ",\"ev\":\"" ev "\"" rest "}\n"
#define WORK(t, i)                                                                                 \
    AT(t, "step", ",\"stage\":\"policy\",\"step\":" #i ",\"total_steps\":9,\"loss\":1")

/* Seconds a step takes leave out what the run was paused, and what lay between two processes. */
static void test_stood(void **state)
{
    char *dir = tmp_new();
    madpo_feed *feed = open_run(dir);
    const madpo_phase *phase;
    bool more;

    (void)state;
    tmp_append(dir, "events.jsonl",
               WORK(100, 1) WORK(102, 2) AT(102, "control", ",\"action\":\"pause\"")
                   AT(150, "control", ",\"action\":\"pause\",\"refused\":\"paused already\"")
                       AT(600, "control", ",\"action\":\"resume\"") WORK(602, 3));
    tmp_append(dir, "events.jsonl", AT(9000, "resume", ",\"madpo\":\"0.1.0\"") WORK(9002, 4));
    tmp_append(dir, "events.jsonl",
               AT(9002, "control", ",\"action\":\"pause\"") AT(9500, "resume", "") WORK(9502, 5));
    load(feed, 1.0, &more);
    phase = madpo_feed_story(feed)->history.phases[0];
    assert_int_equal(phase->work.n, 5);
    for (size_t i = 0; i < phase->work.n; i++)
        assert_float_equal(madpo_series_mean(&phase->work.v[i]), 100 + 2 * i, 1e-6);
    assert_float_equal(madpo_series_mean(&phase->clock.v[4]), 9502, 1e-6);
    madpo_feed_close(feed);
    tmp_free(dir);
}

/* A run is paused by an event and resumed by one, or by a step; what was refused changes nothing.
 */
static void test_paused(void **state)
{
    static const struct {
        const char *line;
        bool paused;
    } cases[] = {
        {"{\"v\":1,\"t\":1,\"ev\":\"control\",\"action\":\"pause\"}\n", true},
        {"{\"v\":1,\"t\":2,\"ev\":\"control\",\"action\":\"resume\"}\n", false},
        {"{\"v\":1,\"t\":3,\"ev\":\"control\",\"action\":\"pause\",\"refused\":\"no\"}\n", false},
        {"{\"v\":1,\"t\":4,\"ev\":\"control\",\"action\":\"pause\"}\n", true},
        {STEP(12, ""), false}};
    char *dir = tmp_new();
    madpo_feed *feed = open_run(dir);
    bool more;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tmp_append(dir, "events.jsonl", cases[i].line);
        load(feed, 1.0, &more);
        assert_int_equal(madpo_feed_story(feed)->history.paused, cases[i].paused);
    }
    madpo_feed_close(feed);
    tmp_free(dir);
}

/* A long log shows its end at once, and everything once it is read. */
static void test_tail_first(void **state)
{
    char *dir = tmp_new(), *path = tmp_path(dir, "events.jsonl"), padding[400];
    madpo_error err = MADPO_ERROR_INIT;
    FILE *file = fopen(path, "wb");
    madpo_feed *feed;
    bool more = true;
    int n = 50000;

    (void)state;
    memset(padding, 'x', sizeof padding - 1);
    padding[sizeof padding - 1] = '\0';
    assert_non_null(file);
    for (int i = 1; i <= n; i++)
        fprintf(file,
                "{\"v\":1,\"t\":%d,\"ev\":\"step\",\"stage\":\"policy\",\"step\":%d,\"loss\":%d,"
                "\"note\":\"%s\"}\n",
                1000 + i, i, i == 77 ? 1000 : 1, padding);
    assert_int_equal(fclose(file), 0);
    tmp_append(dir, "run.json", manifest);
    assert_int_equal(madpo_feed_open(&feed, dir, 0.0, &err), MADPO_OK);
    assert_true(feed->only_tail);
    assert_true(now_step(feed) >= n && now_step(feed) <= n);
    assert_true(madpo_feed_loaded(feed) < 0.5);
    while (more)
        load(feed, 0.01, &more);
    assert_false(feed->only_tail);
    assert_true(now_step(feed) >= n && now_step(feed) <= n);
    assert_int_equal(madpo_feed_story(feed)->history.n_events, n);
    {
        const madpo_series *loss =
            madpo_phase_metric(madpo_feed_story(feed)->history.phases[0], "loss");
        float most = 0;

        for (size_t i = 0; i < loss->n; i++)
            most = fmaxf(most, loss->v[i].max);
        assert_true(most > 999.0f);
    }
    madpo_feed_close(feed);
    free(path);
    tmp_free(dir);
}

/* The curve is drawn with the formula of the objective: the numbers of a trainer's records lie on
 * it. */
static void test_curve_is_the_loss(void **state)
{
    char *dir = tmp_new();
    madpo_feed *feed = open_run(dir);
    madpo_weight_options options = {.c_max = 2, .c_min = 0.5, .lambda = 1, .tau = 4};

    (void)state;
    assert_true(feed->has_weight);
    assert_true(fabs(feed->beta - 0.1) <= 1e-12);
    assert_string_equal(feed->objective, "madpo");
    assert_true(feed->weight.max_weight == 7);
    for (double h = -6; h < 6; h += 0.25) {
        double c = madpo_weight_c(&options, h);
        double w = h > -4 ? 1 / (1 + exp(-c * h)) * (1 + exp(-h)) : 1.0;

        assert_true(fabs(madpo_weight_w(&feed->weight, h) - w) <= 1e-9);
    }
    madpo_feed_close(feed);
    tmp_free(dir);
}

static const char pairs[] =
    "{\"id\":7,\"prompt\":\"Why?\",\"chosen\":\"Tides\\n\",\"rejected\":\"b\",\"source\":\"math\"}"
    "\n"
    "{\"id\":3,\"prompt\":\"How?\",\"chosen\":\"c\",\"rejected\":\"\\u00e9\"}\n"
    "{\"prompt\":\"no id\"}\n"
    "{\"id\":-2,\"prompt\":\"\",\"chosen\":\"d\",\"rejected\":\"d\",\"split\":\"eval\"}\n";
static const char margins[] =
    "{\"id\":3,\"h\":-1.5,\"c\":1,\"w\":0.5}\n{\"id\":7,\"h\":2,\"w\":1.25}\n";
static const char sights[] =
    "{\"v\":1,\"t\":1,\"ev\":\"samples\",\"stage\":\"policy\",\"step\":1,\"pairs\":"
    "[{\"id\":3,\"h\":-1.5,\"w\":0.5,\"m\":-1}]}\n"
    "{\"v\":1,\"t\":2,\"ev\":\"samples\",\"stage\":\"policy\",\"step\":9,\"pairs\":"
    "[{\"id\":3,\"h\":-1.5,\"w\":0.5,\"m\":-3},{\"id\":99,\"h\":0,\"w\":1,\"m\":null}]}\n";

static void test_pairs(void **state)
{
    char *dir = tmp_new();
    madpo_feed *feed;
    const madpo_samples *samples;
    const madpo_sample *three;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pair_text text;
    bool more;

    (void)state;
    tmp_append(dir, "pairs.jsonl", pairs);
    tmp_append(dir, "margins.jsonl", margins);
    tmp_append(dir, "events.jsonl", sights);
    feed = open_run(dir);
    samples = &madpo_feed_story(feed)->samples;
    assert_int_equal(samples->n, 4);
    assert_int_equal(madpo_samples_find(samples, 5), -1);
    three = &samples->v[madpo_samples_find(samples, 3)];
    assert_true(fabs(madpo_samples_m(samples, three, 5) + 1) <= 1e-6);
    assert_true(fabs(madpo_samples_m(samples, three, 9) + 3) <= 1e-6);
    assert_true(fabs(madpo_samples_change(samples, three, 9) + 2) <= 1e-6);
    assert_true(isnan(madpo_samples_m(samples, three, 0)));
    assert_int_equal(madpo_samples_flag(samples, three, 9), '!');
    assert_int_equal(madpo_samples_flag(samples, three, 0), '-');
    assert_int_equal(madpo_feed_text(&text, feed, three, &err), MADPO_OK);
    assert_string_equal(text.prompt, "How?");
    assert_string_equal(text.rejected, "\xc3\xa9");
    madpo_pair_text_dispose(&text);
    assert_true(samples->v[madpo_samples_find(samples, -2)].held_out);
    /* step 9 once more, after a resume: the later line counts, and counts once */
    tmp_append(dir, "events.jsonl",
               "{\"v\":1,\"t\":3,\"ev\":\"samples\",\"stage\":\"policy\",\"step\":9,\"pairs\":"
               "[{\"id\":3,\"h\":-1.5,\"w\":0.5,\"m\":1}]}\n");
    load(feed, 1.0, &more);
    three = &samples->v[madpo_samples_find(samples, 3)];
    assert_int_equal(three->n_seen, 2);
    assert_true(fabs(madpo_samples_change(samples, three, 9) - 2) <= 1e-6);
    madpo_feed_close(feed);
    tmp_free(dir);
}

static void test_select(void **state)
{
    static const struct {
        const char *filter;
        madpo_sort sort;
        bool descending;
        int64_t first;
        size_t n;
    } cases[] = {
        {"", MADPO_SORT_H, false, 3, 4},        {"", MADPO_SORT_H, true, 7, 4},
        {"h<0", MADPO_SORT_ID, false, 3, 1},    {"src:math", MADPO_SORT_ID, false, 7, 1},
        {"tides", MADPO_SORT_ID, false, 7, 1},  {"split:eval", MADPO_SORT_ID, false, -2, 1},
        {"flag:!", MADPO_SORT_ID, false, 3, 1}, {"", MADPO_SORT_ID, false, -2, 4},
        {"seen>=2", MADPO_SORT_M, false, 3, 1}};
    char *dir = tmp_new();
    madpo_feed *feed;
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    tmp_append(dir, "pairs.jsonl", pairs);
    tmp_append(dir, "margins.jsonl", margins);
    tmp_append(dir, "events.jsonl", sights);
    feed = open_run(dir);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_selection selection = {.sort = cases[i].sort,
                                     .descending = cases[i].descending,
                                     .low = (double)NAN,
                                     .high = (double)NAN,
                                     .step = 100};
        int32_t *list;
        size_t n;

        assert_int_equal(madpo_filter_parse(&selection.filter, cases[i].filter, &err), MADPO_OK);
        assert_int_equal(madpo_select(&list, &n, feed, &selection, &err), MADPO_OK);
        assert_int_equal(n, cases[i].n);
        assert_int_equal(madpo_feed_story(feed)->samples.v[list[0]].id, cases[i].first);
        free(list);
    }
    madpo_feed_close(feed);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_halves),     cmocka_unit_test(test_cut_back),
        cmocka_unit_test(test_tail_first), cmocka_unit_test(test_curve_is_the_loss),
        cmocka_unit_test(test_too_long),   cmocka_unit_test(test_paused),
        cmocka_unit_test(test_stood),      cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_select)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
