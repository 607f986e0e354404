/* The review generator: a pure function, varied, balanced, and neither trivial nor impossible to
 * score. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "data/scorer.h"
#include "data/synth.h"
#include "tests/unit/expect.h"
#include "text/strmap.h"

enum { N = 6000, N_VARIETY = 5000 };

static madpo_reviews reviews;

static int setup(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    EXPECT_OK(madpo_synth_reviews(&reviews, 1, N, &err));
    assert_int_equal(reviews.n, N);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    madpo_reviews_dispose(&reviews);
    return 0;
}

static void test_pure(void **state)
{
    madpo_reviews again = {0}, other = {0};
    madpo_error err = MADPO_ERROR_INIT;
    size_t same = 0;

    (void)state;
    EXPECT_OK(madpo_synth_reviews(&again, 1, 50, &err));
    EXPECT_OK(madpo_synth_reviews(&other, 2, 50, &err));
    for (size_t i = 0; i < 50; i++) { /* review i does not depend on how many are asked for */
        assert_string_equal(again.v[i].text, reviews.v[i].text);
        assert_int_equal(again.v[i].positive, reviews.v[i].positive);
        same += !strcmp(other.v[i].text, reviews.v[i].text);
    }
    assert_int_equal(same, 0);
    madpo_reviews_dispose(&again);
    madpo_reviews_dispose(&other);
}

/* Prose: capitals and full stops where they belong, nothing left of the templates. */
static void test_prose(void **state)
{
    (void)state;
    for (size_t i = 0; i < N; i++) {
        const char *text = reviews.v[i].text;
        size_t words = 1;

        for (const char *c = text; *c; c++) {
            words += *c == ' ';
            if (*c < ' ' || *c > '~' || strchr("{}[]|*+()_", *c))
                fail_msg("review %zu holds '%c': %s", i, *c, text);
            if ((c == text || (c[-1] == ' ' && strchr(".?", c[-2]))) && (*c < 'A' || *c > 'Z'))
                fail_msg("review %zu has a sentence without capital: %s", i, text);
        }
        if (strstr(text, "  ") || strstr(text, " a a") || strstr(text, " a o") ||
            strstr(text, " an t"))
            fail_msg("review %zu: %s", i, text);
        if (words < 25 || words > 70 || !strchr(".?", text[reviews.v[i].n - 1]))
            fail_msg("review %zu has %zu words: %s", i, words, text);
    }
}

/* Distinct stretches of text between any of the marks `cut`. */
static size_t count_distinct(const char *cut)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_strmap set = {0};
    size_t n, index;
    bool fresh;

    for (size_t i = 0; i < N_VARIETY; i++)
        for (const char *at = reviews.v[i].text; *at;) {
            size_t len = strcspn(at, cut);

            if (len)
                EXPECT_OK(madpo__strmap_add(&set, at, len, &index, &fresh, &err));
            at += len;
            at += strspn(at, cut);
            at += strspn(at, " ");
        }
    n = set.n;
    madpo__strmap_dispose(&set);
    return n;
}

static void test_variety(void **state)
{
    size_t sentences = count_distinct(".?"), clauses = count_distinct(".,;?"),
           words = count_distinct(" .,;?");

    (void)state;
    print_message("%d reviews: %zu distinct sentences, %zu clauses, %zu words\n", N_VARIETY,
                  sentences, clauses, words);
    assert_true(sentences > 8000);
    assert_true(clauses > 5000);
    assert_true(words > 800 && words < 2000);
}

static void test_balance(void **state)
{
    size_t n_positive = 0;

    (void)state;
    for (size_t i = 0; i < N; i++)
        n_positive += reviews.v[i].positive;
    assert_in_range(n_positive, N / 2 - 4 * 39, N / 2 + 4 * 39); /* four standard deviations */
}

static void test_score(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_scorer_options o;
    madpo_scorer_report report;
    madpo_scorer *scorer;

    (void)state;
    madpo_scorer_options_defaults(&o);
    o.held_out = 0.2;
    EXPECT_OK(madpo_scorer_train(&scorer, &reviews, &o, &report, &err));
    print_message("scorer on generated reviews: accuracy %.4f of %zu held out\n", report.accuracy,
                  report.n_held_out);
    assert_true(report.accuracy > 0.80 && report.accuracy < 0.99);
    madpo_scorer_free(scorer);
}

/* The first words do not give the opinion away: a scorer that sees only those is little better than
 * a coin. */
static void test_neutral_openings(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_reviews openings = {0};
    madpo_scorer_options o;
    madpo_scorer_report report;
    madpo_scorer *scorer;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        const char *end = reviews.v[i].text;

        for (int words = 0; words < 6 && *end; end++)
            words += *end == ' ';
        EXPECT_OK(madpo_reviews_add(&openings, reviews.v[i].text, (size_t)(end - reviews.v[i].text),
                                    reviews.v[i].positive, &err));
    }
    madpo_scorer_options_defaults(&o);
    o.held_out = 0.3;
    EXPECT_OK(madpo_scorer_train(&scorer, &openings, &o, &report, &err));
    print_message("scorer on six words: accuracy %.4f\n", report.accuracy);
    assert_true(report.accuracy < 0.57);
    madpo_scorer_free(scorer);
    madpo_reviews_dispose(&openings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pure),    cmocka_unit_test(test_prose),
        cmocka_unit_test(test_variety), cmocka_unit_test(test_balance),
        cmocka_unit_test(test_score),   cmocka_unit_test(test_neutral_openings),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
