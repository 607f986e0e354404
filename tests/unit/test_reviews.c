/* Labelled reviews: reading and writing CSV, what is refused and in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#include "data/reviews.h"
#include "tests/support/tmp.h"
#include "tests/unit/expect.h"

static char *dir;

static int setup(void **state)
{
    (void)state;
    dir = tmp_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_free(dir);
    return 0;
}

static void test_load(void **state)
{
    char *path = tmp_file(dir, "a.csv",
                          "id,Review,sentiment\r\n"
                          "1,\"He said \"\"no\"\",\nand left.\",positive\r\n"
                          "2,One<br /><br />two <BR/> three<br>,NEG\n"
                          "3,plain,1\n4,plain,0\n5,x < br > y,Pos\n6,<brr>,negative");
    static const struct {
        const char *text;
        bool positive;
    } want[] = {{"He said \"no\",\nand left.", true},
                {"One two three", false},
                {"plain", true},
                {"plain", false},
                {"x < br > y", true},
                {"<brr>", false}};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_reviews_options o;
    madpo_reviews r;

    (void)state;
    madpo_reviews_options_defaults(&o);
    EXPECT_OK(madpo_reviews_load(&r, path, &o, &err));
    assert_int_equal(r.n, 6);
    for (size_t i = 0; i < r.n; i++) {
        assert_string_equal(r.v[i].text, want[i].text);
        assert_int_equal(r.v[i].n, strlen(want[i].text));
        assert_int_equal(r.v[i].positive, want[i].positive);
    }
    madpo_reviews_dispose(&r);
    o.limit = 2;
    o.strip_html = false;
    EXPECT_OK(madpo_reviews_load(&r, path, &o, &err));
    assert_int_equal(r.n, 2);
    assert_string_equal(r.v[1].text, "One<br /><br />two <BR/> three<br>");
    madpo_reviews_dispose(&r);
    free(path);
}

static void test_columns_by_name(void **state)
{
    char *path = tmp_file(dir, "b.csv", "label,n,text\npos,1,good\nneg,2,bad\n");
    madpo_reviews_options o = {"text", "label", true, 0};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_reviews r;

    (void)state;
    EXPECT_OK(madpo_reviews_load(&r, path, &o, &err));
    assert_int_equal(r.n, 2);
    assert_string_equal(r.v[0].text, "good");
    assert_true(r.v[0].positive);
    madpo_reviews_dispose(&r);
    free(path);
}

static void test_save_and_load(void **state)
{
    static const char *const texts[] = {"a \"quoted\" word", "two\nlines, and a comma", "\"",
                                        "x\r\ny"};
    char *path = tmp_path(dir, "c.csv");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_reviews r = {0}, back;
    madpo_reviews_options o;

    (void)state;
    madpo_reviews_options_defaults(&o);
    for (size_t i = 0; i < 4; i++)
        EXPECT_OK(madpo_reviews_add(&r, texts[i], strlen(texts[i]), i % 2, &err));
    EXPECT_OK(madpo_reviews_save(&r, path, &err));
    EXPECT_OK(madpo_reviews_load(&back, path, &o, &err));
    assert_int_equal(back.n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(back.v[i].text, texts[i]);
        assert_int_equal(back.v[i].positive, i % 2);
    }
    madpo_reviews_dispose(&r);
    madpo_reviews_dispose(&back);
    free(path);
}

static void test_gz(void **state)
{
    char *path = tmp_path(dir, "d.csv.gz");
    gzFile gz = gzopen(path, "wb");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_reviews_options o;
    madpo_reviews r;

    (void)state;
    assert_non_null(gz);
    assert_true(gzputs(gz, "review,sentiment\nfine,positive\n") > 0);
    assert_int_equal(gzclose(gz), Z_OK);
    madpo_reviews_options_defaults(&o);
    EXPECT_OK(madpo_reviews_load(&r, path, &o, &err));
    assert_int_equal(r.n, 1);
    assert_string_equal(r.v[0].text, "fine");
    madpo_reviews_dispose(&r);
    free(path);
}

static void test_errors(void **state)
{
    static const struct {
        const char *text, *rest;
    } cases[] = {
        {"", ": the file is empty; the first line must be a header such as \"review,sentiment\""},
        {"\n\n",
         ": the file is empty; the first line must be a header such as \"review,sentiment\""},
        {"review,sentiment\n", ": the file has a header but no reviews; add rows"},
        {"text,label\nx,pos\n", ":1: no column \"review\" in the header, which has \"text\", "
                                "\"label\"; rename the column"},
        {"review,label\nx,pos\n", ":1: no column \"sentiment\" in the header, which has "
                                  "\"review\", \"label\"; rename the column"},
        {"review,sentiment\ngood,pos\nbad\n",
         ":3: the row has 1 fields where the header has 2; fill in what is missing"},
        {"review,sentiment\nwell, well,pos\n",
         ":2: the row has 3 fields where the header has 2; quote fields that contain commas"},
        {"review,sentiment\n\"a\nb\",pos\nc,meh\n",
         ":4: label \"meh\" is none of positive, negative, pos, neg, 1, 0"},
        {"review,sentiment\n\" \n\",pos\n", ":2: the review is empty; remove the row"},
        {"review,sentiment\n<br />,pos\n", ":2: the review is empty; remove the row"},
        {"review,sentiment\n\"never closed,pos\nx,neg\n",
         ":2: the quote that opens a field here is never closed; close it, and write quotes inside "
         "a field "
         "twice"},
        {"\xFF\xFEr\n", ":1: the file is UTF-16; save it as UTF-8"},
    };
    madpo_reviews_options o;

    (void)state;
    madpo_reviews_options_defaults(&o);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = tmp_file(dir, "bad.csv", cases[i].text);
        madpo_error err = MADPO_ERROR_INIT;
        madpo_reviews r;

        assert_int_equal(madpo_reviews_load(&r, path, &o, &err), MADPO_ERR_DATA);
        expect_error_at(&err, MADPO_ERR_DATA, path, cases[i].rest);
        assert_null(r.v);
        free(path);
    }
}

static void test_missing_file(void **state)
{
    char *path = tmp_path(dir, "none.csv");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_reviews_options o;
    madpo_reviews r;

    (void)state;
    madpo_reviews_options_defaults(&o);
    assert_int_equal(madpo_reviews_load(&r, path, &o, &err), MADPO_ERR_IO);
    assert_non_null(strstr(err.message, "none.csv"));
    free(path);
}

/* Real reviews: all of them, both kinds alike. */
static void test_imdb(void **state)
{
    const char *data = getenv("MADPO_TEST_DATA");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_reviews_options o;
    madpo_reviews r;
    size_t n_positive = 0;
    char *path;

    (void)state;
    if (!data || !data[0]) {
        print_message("SKIPPED: set MADPO_TEST_DATA to the folder with imdb/train.csv.gz\n");
        skip();
    }
    path = tmp_path(data, "imdb/train.csv.gz");
    madpo_reviews_options_defaults(&o);
    EXPECT_OK(madpo_reviews_load(&r, path, &o, &err));
    assert_int_equal(r.n, 25000);
    for (size_t i = 0; i < r.n; i++) {
        n_positive += r.v[i].positive;
        assert_null(strstr(r.v[i].text, "<br"));
    }
    assert_int_equal(n_positive, 12500);
    madpo_reviews_dispose(&r);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),          cmocka_unit_test(test_columns_by_name),
        cmocka_unit_test(test_save_and_load), cmocka_unit_test(test_gz),
        cmocka_unit_test(test_errors),        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_imdb),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
