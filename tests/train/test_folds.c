/* Folds: every pair in one, prompts kept together, balanced, the same for any order of the pairs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "train/folds.h"

enum { N = 1000, LARGEST = 4 };

/* Groups of 1 to LARGEST pairs. */
static void make_groups(uint64_t *group)
{
    static const char *const digits = "0123456789abcdef";
    char prompt[4] = "";
    size_t i = 0;

    for (unsigned g = 0; i < N; g++) {
        prompt[0] = digits[g & 15];
        prompt[1] = digits[g >> 4 & 15];
        prompt[2] = digits[g >> 8 & 15];
        for (unsigned k = 0; k <= g % LARGEST && i < N; k++)
            group[i++] = madpo_folds_group(prompt, 3);
    }
}

static void expect_good(const int32_t *fold, const uint64_t *group, int32_t k)
{
    size_t size[16] = {0}, low = N, high = 0;

    for (size_t i = 0; i < N; i++) {
        assert_true(fold[i] >= 0 && fold[i] < k);
        size[fold[i]]++;
        for (size_t j = i + 1; j < N && j < i + LARGEST; j++)
            assert_true(group[i] != group[j] || fold[i] == fold[j]);
    }
    for (int32_t f = 0; f < k; f++) {
        low = size[f] < low ? size[f] : low;
        high = size[f] > high ? size[f] : high;
    }
    assert_true(high - low <= LARGEST);
}

static void test_balance(void **state)
{
    uint64_t group[N];
    int32_t fold[N];
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    make_groups(group);
    for (int32_t k = 2; k <= 11; k++) {
        assert_int_equal(madpo_folds_assign(fold, group, N, k, 42, &err), MADPO_OK);
        expect_good(fold, group, k);
    }
}

static void test_seed_and_order(void **state)
{
    uint64_t group[N], reversed[N];
    int32_t fold[N], again[N], other[N];
    madpo_error err = MADPO_ERROR_INIT;
    size_t moved = 0;

    (void)state;
    make_groups(group);
    for (size_t i = 0; i < N; i++)
        reversed[i] = group[N - 1 - i];
    assert_int_equal(madpo_folds_assign(fold, group, N, 5, 42, &err), MADPO_OK);
    assert_int_equal(madpo_folds_assign(again, reversed, N, 5, 42, &err), MADPO_OK);
    assert_int_equal(madpo_folds_assign(other, group, N, 5, 43, &err), MADPO_OK);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(fold[i], again[N - 1 - i]);
        moved += fold[i] != other[i];
    }
    assert_true(moved > N / 2);
}

static void test_refused(void **state)
{
    static const uint64_t two[] = {7, 7, 9};
    int32_t fold[3];
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    assert_int_equal(madpo_folds_assign(fold, two, 3, 2, 1, &err), MADPO_OK);
    assert_int_equal(madpo_folds_assign(fold, two, 3, 3, 1, &err), MADPO_ERR_DATA);
    assert_string_equal(err.message, "2 prompts are too few for 3 folds; use fewer folds");
    madpo_error_clear(&err);
    assert_int_equal(madpo_folds_assign(fold, two, 3, 1, 1, &err), MADPO_ERR_DATA);
    assert_string_equal(err.message, "1 folds: there must be at least 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_balance),
                                       cmocka_unit_test(test_seed_and_order),
                                       cmocka_unit_test(test_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
