/* The ground-truth scorer: what it learns, that it is repeatable, its file, its refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "data/scorer.h"
#include "data/synth.h"
#include "tests/support/tmp.h"
#include "tests/unit/expect.h"

static char *dir;
static madpo_reviews reviews;

static int setup(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    dir = tmp_new();
    EXPECT_OK(madpo_synth_reviews(&reviews, 5, 800, &err));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    madpo_reviews_dispose(&reviews);
    tmp_free(dir);
    return 0;
}

static madpo_scorer *train(const madpo_scorer_options *o, madpo_scorer_report *report)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_scorer *s;

    EXPECT_OK(madpo_scorer_train(&s, &reviews, o, report, &err));
    return s;
}

static double score(const madpo_scorer *s, const char *text)
{
    return madpo_scorer_score(s, text, strlen(text));
}

/* Word order matters: only pairs of words tell these apart. */
static void test_pairs_of_words(void **state)
{
    static const struct {
        const char *text;
        bool positive;
    } lines[] = {{"good not bad", true}, {"bad not good", false}};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_reviews table = {0};
    madpo_scorer_options o;
    madpo_scorer_report report;
    madpo_scorer *s;

    (void)state;
    madpo_scorer_options_defaults(&o);
    o.held_out = 0;
    for (int i = 0; i < 20; i++)
        EXPECT_OK(madpo_reviews_add(&table, lines[i % 2].text, strlen(lines[i % 2].text),
                                    lines[i % 2].positive, &err));
    EXPECT_OK(madpo_scorer_train(&s, &table, &o, &report, &err));
    assert_int_equal(report.n_held_out, 0);
    assert_true(isnan(report.accuracy));
    assert_true(score(s, "GOOD, not bad!") > 1 && score(s, "Bad -- not good") < -1);
    assert_true(fabs(score(s, "")) < 0.5);
    assert_true(fabs(score(s, "unseen words only")) < 0.5);
    madpo_scorer_free(s);
    madpo_reviews_dispose(&table);
}

static void test_repeatable(void **state)
{
    madpo_scorer_report r1, r2, r3;
    madpo_scorer_options o;
    madpo_scorer *a, *b, *c;

    (void)state;
    madpo_scorer_options_defaults(&o);
    a = train(&o, &r1);
    b = train(&o, &r2);
    o.seed = 1;
    c = train(&o, &r3);
    assert_int_equal(r1.n_train + r1.n_held_out, 800);
    assert_int_equal(r1.n_held_out, 80);
    assert_true(r1.accuracy == r2.accuracy && r1.log_loss == r2.log_loss);
    assert_true(r1.log_loss != r3.log_loss);
    for (size_t i = 0; i < reviews.n; i++) {
        double x = score(a, reviews.v[i].text);

        assert_true(x == score(b, reviews.v[i].text));
        assert_true(x > -3 && x < 3);
        assert_true(x ==
                    6 * (madpo_scorer_probability(a, reviews.v[i].text, reviews.v[i].n) - 0.5));
    }
    assert_true(score(a, reviews.v[0].text) != score(c, reviews.v[0].text));
    madpo_scorer_free(a);
    madpo_scorer_free(b);
    madpo_scorer_free(c);
}

static void test_save_and_load(void **state)
{
    char *path = tmp_path(dir, "scorer.bin");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_scorer_options o;
    madpo_scorer *a, *b;

    (void)state;
    madpo_scorer_options_defaults(&o);
    o.bits = 12;
    a = train(&o, NULL);
    EXPECT_OK(madpo_scorer_save(a, path, &err));
    EXPECT_OK(madpo_scorer_load(&b, path, &err));
    for (size_t i = 0; i < reviews.n; i++)
        assert_true(score(a, reviews.v[i].text) == score(b, reviews.v[i].text));
    madpo_scorer_free(a);
    madpo_scorer_free(b);
    free(path);
}

/* Every single damaged byte, and every length, is noticed. */
static void test_damaged_file(void **state)
{
    char *path = tmp_path(dir, "scorer.bin"), *bad = tmp_path(dir, "bad.bin"), *file;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_scorer_options o;
    madpo_scorer *s;
    size_t n;

    (void)state;
    madpo_scorer_options_defaults(&o);
    o.bits = 10;
    s = train(&o, NULL);
    EXPECT_OK(madpo_scorer_save(s, path, &err));
    madpo_scorer_free(s);
    EXPECT_OK(madpo_file_read(&file, &n, path, &err));
    for (size_t i = 0; i < n; i += i < 40 ? 1 : 131) {
        file[i] ^= 4;
        EXPECT_OK(madpo_file_write(bad, file, n, &err));
        assert_int_equal(madpo_scorer_load(&s, bad, &err), MADPO_ERR_DATA);
        expect_error_at(&err, MADPO_ERR_DATA, bad,
                        i < 8 ? ": is no scorer file; train the scorer again"
                              : ": the scorer file is damaged; train the scorer again");
        assert_null(s);
        file[i] ^= 4;
        EXPECT_OK(madpo_file_write(bad, file, i, &err));
        assert_int_equal(madpo_scorer_load(&s, bad, &err), MADPO_ERR_DATA);
        madpo_error_clear(&err);
    }
    free(file);
    free(path);
    free(bad);
}

static void test_refusals(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_reviews one = {0}, none = {0};
    madpo_scorer_options o;
    madpo_scorer *s;

    (void)state;
    madpo_scorer_options_defaults(&o);
    EXPECT_OK(madpo_reviews_add(&one, "x", 1, true, &err));
    assert_int_equal(madpo_scorer_train(&s, &one, &o, NULL, &err), MADPO_ERR_DATA);
    expect_error_at(&err, MADPO_ERR_DATA, "",
                    "all of the 1 reviews are positive; the scorer needs both kinds");
    assert_int_equal(madpo_scorer_train(&s, &none, &o, NULL, &err), MADPO_ERR_DATA);
    expect_error_at(&err, MADPO_ERR_DATA, "",
                    "none of the 0 reviews are positive; the scorer needs both kinds");
    o.bits = 30;
    assert_int_equal(madpo_scorer_train(&s, &reviews, &o, NULL, &err), MADPO_ERR_CONFIG);
    expect_error_at(&err, MADPO_ERR_CONFIG, "", "scorer.bits is 30; it must be 10 to 24");
    o.bits = 12;
    o.held_out = 1;
    assert_int_equal(madpo_scorer_train(&s, &reviews, &o, NULL, &err), MADPO_ERR_CONFIG);
    expect_error_at(&err, MADPO_ERR_CONFIG, "",
                    "scorer.held_out is 1; it must be at least 0 and less than 1");
    madpo_reviews_dispose(&one);
}

static void test_imdb(void **state)
{
    const char *data = getenv("MADPO_TEST_DATA");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_reviews_options ro;
    madpo_scorer_options o;
    madpo_scorer_report report;
    madpo_reviews real;
    madpo_scorer *s;
    char *path;

    (void)state;
    if (!data || !data[0]) {
        print_message("SKIPPED: set MADPO_TEST_DATA to the folder with imdb/train.csv.gz\n");
        skip();
    }
    path = tmp_path(data, "imdb/train.csv.gz");
    madpo_reviews_options_defaults(&ro);
    madpo_scorer_options_defaults(&o);
    EXPECT_OK(madpo_reviews_load(&real, path, &ro, &err));
    EXPECT_OK(madpo_scorer_train(&s, &real, &o, &report, &err));
    print_message("scorer on IMDB: accuracy %.4f, loss %.4f\n", report.accuracy, report.log_loss);
    assert_true(report.accuracy > 0.87);
    assert_true(score(s, "This movie was great.") > 1);
    assert_true(score(s, "I did not like it at all.") < -1);
    madpo_scorer_free(s);
    madpo_reviews_dispose(&real);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_of_words), cmocka_unit_test(test_repeatable),
        cmocka_unit_test(test_save_and_load),  cmocka_unit_test(test_damaged_file),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_imdb),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
