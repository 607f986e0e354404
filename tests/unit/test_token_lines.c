/* Lines of tokens.jsonl: what is written comes back, and what is no such line is refused with what
 * is wrong with it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run/tokens.h"
#include "tests/unit/expect.h"

static void test_there_and_back(void **state)
{
    madpo_token chosen[] = {{0, 4, -1.25, 0.75}, {4, 0, -0.1f, (double)NAN}};
    madpo_token rejected[] = {{3, 2, -17.0, -1e-7f}};
    madpo_token_line line = {.id = 7,
                             .step = 40,
                             .held_out = true,
                             .has_ratio = true,
                             .v = {chosen, rejected},
                             .n = {2, 1}};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_token_line back;
    char *text;

    (void)state;
    EXPECT_OK(madpo_token_line_format(&text, &line, &err));
    assert_string_equal(
        text, "{\"id\":7,\"step\":40,\"split\":\"eval\",\"chosen\":{\"at\":[0,4],\"n\":[4,"
              "0],\"logp\":[-1.25,-0.100000001],\"ratio\":[0.75,null]},\"rejected\":{"
              "\"at\":[3],\"n\":[2],\"logp\":[-17],\"ratio\":[-1.00000001e-07]}}\n");
    EXPECT_OK(madpo_token_line_parse(&back, text, strlen(text), "x", &err));
    assert_true(back.id == 7 && back.step == 40 && back.held_out && back.has_ratio);
    assert_true(back.n[0] == 2 && back.n[1] == 1);
    assert_true((float)back.v[0][1].logp == -0.1f && isnan(back.v[0][1].ratio));
    assert_true((float)back.v[1][0].ratio == -1e-7f && back.v[1][0].at == 3 && back.v[1][0].n == 2);
    assert_true(madpo_token_line_sum(&back, 0, false) == 0.75); /* what is no number counts as 0 */
    assert_true(madpo_token_line_sum(&back, 1, true) == -17.0);
    madpo_token_line_dispose(&back);
    free(text);
    line.has_ratio = false;
    EXPECT_OK(madpo_token_line_format(&text, &line, &err));
    assert_null(strstr(text, "ratio"));
    EXPECT_OK(madpo_token_line_parse(&back, text, strlen(text), "x", &err));
    assert_true(!back.has_ratio && isnan(back.v[0][0].ratio) && back.v[0][0].logp == -1.25);
    madpo_token_line_dispose(&back);
    free(text);
}

#define REJECTED ",\"rejected\":{\"at\":[],\"n\":[],\"logp\":[]}}"
#define HEAD     "{\"id\":1,\"step\":2,\"split\":\"train\",\"chosen\":"

static void test_refused(void **state)
{
    static const struct {
        const char *line, *told;
    } bad[] = {
        {"rubbish", "where"},
        {"[]", "id"},
        {"{\"step\":2,\"split\":\"train\"}", "\"id\""},
        {"{\"id\":1,\"split\":\"train\"}", "\"step\""},
        {"{\"id\":1,\"step\":2}", "\"split\""},
        {"{\"id\":1,\"step\":2,\"split\":\"train\"}", "\"chosen\""},
        {HEAD "{\"at\":[0],\"n\":[1],\"logp\":[-1]}}", "\"rejected\""},
        {HEAD "{\"at\":[0],\"n\":[1]}" REJECTED, "logp"},
        {HEAD "{\"at\":[0],\"n\":[1,2],\"logp\":[-1]}" REJECTED, "no n for each"},
        {HEAD "{\"at\":[0,1],\"n\":[2,1],\"logp\":[-1,-1]}" REJECTED, "token 1 lies at no place"},
        {HEAD "{\"at\":[-1],\"n\":[1],\"logp\":[-1]}" REJECTED, "token 0 lies at no place"},
        {HEAD "{\"at\":[0],\"n\":[-1],\"logp\":[-1]}" REJECTED, "token 0 lies at no place"},
        {HEAD "{\"at\":[0.5],\"n\":[1],\"logp\":[-1]}" REJECTED, "token 0 lies at no place"},
        {HEAD "{\"at\":[2147483647],\"n\":[1],\"logp\":[-1]}" REJECTED, "token 0 lies at no place"},
        {HEAD "{\"at\":[0],\"n\":[1],\"logp\":[-1],\"ratio\":[1]}" REJECTED,
         "rejected has no ratio for each"}};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        madpo_error err = MADPO_ERROR_INIT;
        madpo_token_line line;
        char told[1024];
        madpo_status st =
            madpo_token_line_parse(&line, bad[i].line, strlen(bad[i].line), "where", &err);

        madpo_error_format(&err, told, sizeof told);
        if (st != MADPO_ERR_DATA || !strstr(told, bad[i].told) || !strstr(told, "where"))
            fail_msg("%s: status %d, '%s'", bad[i].line, st, told);
        madpo_token_line_dispose(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back),
                                       cmocka_unit_test(test_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
