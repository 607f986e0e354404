/* Real preference data, all of it: $MADPO_TEST_DATA/preferences. The texts are judged by rules that
 * the reader does not use, so that both would have to be wrong alike. Skips where the folder is not
 * there. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "data/pairs.h"
#include "tests/support/tmp.h"
#include "tests/unit/expect.h"

static char *folder;

static madpo_pairs *load(const char *dir, const char *name, madpo_pairs_report *report)
{
    char *path = tmp_path(dir, name);
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs_options o;
    madpo_pairs *pairs;

    madpo_pairs_options_defaults(&o);
    EXPECT_OK(madpo_pairs_load_with(&pairs, path, &o, report, &err));
    free(path);
    return pairs;
}

static bool ends_with(const char *text, size_t n, const char *end)
{
    size_t m = strlen(end);

    return n >= m && !memcmp(text + n - m, end, m);
}

/* hh-rlhf: prompt + answer give back the line's texts, and the prompt ends with the head of the
 * turn in which they part. */
static void test_transcripts(void **state)
{
    char *path = tmp_path(folder, "hh-rlhf/harmless-base.test.jsonl.gz"), *text, *at;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs_report report;
    madpo_pairs *pairs = load(folder, "hh-rlhf/harmless-base.test.jsonl.gz", &report);
    size_t n, n_last = 0;

    (void)state;
    assert_int_equal(madpo_pairs_count(pairs), 2312);
    assert_int_equal(report.n_transcript, 2312);
    EXPECT_OK(madpo_file_read(&text, &n, path, &err));
    at = text;
    for (size_t i = 0; i < 2312; i++) {
        const madpo_pair *p = madpo_pairs_at(pairs, i);
        char *end = strchr(at, '\n');
        const char *field[] = {"chosen", "rejected"}, *answer[] = {p->chosen, p->rejected};
        json_t *line;

        EXPECT_OK(madpo_json_parse(&line, at, (size_t)(end - at), "hh", 1, &err));
        for (int k = 0; k < 2; k++) {
            const char *whole = json_string_value(json_object_get(line, field[k]));

            assert_memory_equal(whole, p->prompt, p->n_prompt);
            assert_string_equal(whole + p->n_prompt, answer[k]);
            assert_int_equal(answer[k][0], ' ');
        }
        assert_true(ends_with(p->prompt, p->n_prompt, "\n\nAssistant:"));
        n_last += !strstr(p->chosen, "\n\nAssistant:");
        json_decref(line);
        at = end + 1;
    }
    assert_int_equal(n_last, 2308); /* in four the answers part before the last turn */
    free(text);
    free(path);
    madpo_pairs_free(pairs);
}

/* LLMBar: the label's answer is the chosen one; one pair of 885 has two equal answers. */
static void test_labelled(void **state)
{
    char *path = tmp_path(folder, "llmbar");
    DIR *dir = opendir(path);
    size_t n = 0, n_ties = 0;
    const struct dirent *entry;

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        madpo_error err = MADPO_ERROR_INIT;
        madpo_pairs_report report;
        madpo_pairs *pairs;
        json_t *all;
        char *file;
        size_t i, k = 0;
        json_t *row;

        if (!strstr(entry->d_name, ".json"))
            continue;
        file = tmp_path(path, entry->d_name);
        pairs = load(path, entry->d_name, &report);
        EXPECT_OK(madpo_json_load(&all, file, &err));
        json_array_foreach(all, i, row)
        {
            const char *a = json_string_value(json_object_get(row, "output_1"));
            const char *b = json_string_value(json_object_get(row, "output_2"));
            bool first = json_integer_value(json_object_get(row, "label")) == 1;
            const madpo_pair *p;

            if (!strcmp(a, b))
                continue;
            p = madpo_pairs_at(pairs, k++);
            assert_string_equal(p->prompt, json_string_value(json_object_get(row, "input")));
            assert_string_equal(p->chosen, first ? a : b);
            assert_string_equal(p->rejected, first ? b : a);
        }
        assert_int_equal(k, madpo_pairs_count(pairs));
        assert_int_equal(report.n_labelled, k);
        n += k;
        n_ties += report.n_ties;
        json_decref(all);
        madpo_pairs_free(pairs);
        free(file);
    }
    closedir(dir);
    free(path);
    assert_int_equal(n, 884);
    assert_int_equal(n_ties, 1);
}

static void test_plain(void **state)
{
    madpo_pairs_report report;
    madpo_pairs *pairs = load(folder, "human_pairs.jsonl.gz", &report);

    (void)state;
    assert_int_equal(report.n_records, 3189);
    assert_int_equal(report.n_plain, 3188);
    assert_int_equal(report.n_ties, 1);
    assert_int_equal(madpo_pairs_count(pairs), 3188);
    assert_non_null(madpo_pairs_at(pairs, 0)->source);
    madpo_pairs_free(pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transcripts),
        cmocka_unit_test(test_labelled),
        cmocka_unit_test(test_plain),
    };
    const char *data = getenv("MADPO_TEST_DATA");
    int rc;

    folder = data && data[0] ? tmp_path(data, "preferences") : NULL;
    if (!folder || !madpo_dir_exists(folder)) {
        puts("skipped: MADPO_TEST_DATA names no folder with preferences");
        free(folder);
        return 77;
    }
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(folder);
    return rc;
}
