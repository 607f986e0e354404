/* Every allocation of the text and data modules fails once: the answer is MADPO_ERR_NOMEM, outputs
 * are empty and (under AddressSanitizer) nothing leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "data/pack.h"
#include "data/reviews.h"
#include "data/scorer.h"
#include "data/synth.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp.h"
#include "tests/unit/expect.h"

static char *dir, *csv, *csv_pairs, *chat_pairs, *jsonl, *tokenizer_json, *tokenizer_dir,
    *scorer_path;
static madpo_tokenizer *trained;
static madpo_pairs *pairs;
static madpo_reviews reviews;

static const char text[] = "the cat sat on the mat and the hat; the cats' hats, the mats <eos>";

typedef madpo_status (*action)(void);

/* `also` is allowed besides MADPO_ERR_NOMEM: jansson calls some failed allocations bad input, and a
 * text that it could not store is tried once more. */
static void fail_each(action run, size_t at_least, madpo_status also)
{
    size_t n = 1;
    bool reached = true;

    for (; reached && n < 100000; n++) {
        madpo_status st;

        fail_alloc_arm(n);
        st = run();
        reached = fail_alloc_disarm();
        if (reached ? st != MADPO_ERR_NOMEM && st != also : st != MADPO_OK)
            fail_msg("allocation %zu: %s", n, madpo_status_name(st));
    }
    assert_true(n > at_least && n < 100000);
}

static madpo_status train_tokenizer(void)
{
    madpo_tokenizer_train_options o;
    madpo_text t = {text, sizeof text - 1};
    madpo_tokenizer *tok;
    madpo_status st;

    madpo_tokenizer_train_options_defaults(&o);
    o.vocab = 280;
    st = madpo_tokenizer_train(&tok, &t, 1, &o, NULL);
    assert_true((st == MADPO_OK) == (tok != NULL));
    madpo_tokenizer_free(tok);
    return st;
}

static madpo_status load_tokenizer(void)
{
    madpo_tokenizer *tok;
    madpo_status st = madpo_tokenizer_load(&tok, tokenizer_json, NULL);

    assert_true((st == MADPO_OK) == (tok != NULL));
    madpo_tokenizer_free(tok);
    /* jansson's lexer drops characters when its buffer cannot grow: names then read as unknown
     * ones, or as ones nobody asked for. What counts here is that nothing leaks or breaks. */
    return st == MADPO_ERR_UNSUPPORTED || st == MADPO_ERR_DATA ? MADPO_ERR_NOMEM : st;
}

static madpo_status save_tokenizer(void)
{
    return madpo_tokenizer_save(trained, tokenizer_dir, NULL);
}

/* A fresh tokenizer each time: encoding's memory stays with it. */
static madpo_status encode_decode(void)
{
    static madpo_tokenizer *tok;
    madpo_ids ids = {0};
    char *back = NULL;
    size_t n;
    madpo_status st = MADPO_OK;

    if (!tok) {
        madpo_tokenizer_train_options o;

        madpo_tokenizer_train_options_defaults(&o);
        st = madpo_tokenizer_train(&tok, NULL, 0, &o, NULL);
    }
    if (st == MADPO_OK)
        st = madpo_tokenizer_encode(tok, text, sizeof text - 1, true, &ids, NULL);
    if (st == MADPO_OK)
        st = madpo_tokenizer_decode(tok, ids.v, ids.n, false, &back, &n, NULL);
    if (st == MADPO_OK)
        assert_string_equal(back, text);
    free(back);
    madpo_ids_dispose(&ids);
    if (st == MADPO_OK) {
        madpo_tokenizer_free(tok);
        tok = NULL;
    }
    return st;
}

static madpo_status load_reviews(void)
{
    madpo_reviews_options o;
    madpo_reviews r;
    madpo_status st;

    madpo_reviews_options_defaults(&o);
    st = madpo_reviews_load(&r, csv, &o, NULL);
    assert_true((st == MADPO_OK) == (r.v != NULL));
    madpo_reviews_dispose(&r);
    return st;
}

static madpo_status save_reviews(void)
{
    return madpo_reviews_save(&reviews, csv, NULL);
}

static madpo_status load_pairs(void)
{
    madpo_pairs *p;
    madpo_status st = madpo_pairs_load(&p, jsonl, false, NULL, NULL);

    assert_true((st == MADPO_OK) == (p != NULL));
    madpo_pairs_free(p);
    return st;
}

static madpo_status load_pairs_with(const char *path, const char *fields)
{
    madpo_pairs_options o;
    madpo_pairs *p;
    madpo_status st;

    madpo_pairs_options_defaults(&o);
    o.chat = "chatml";
    o.system = "s";
    o.fields = fields;
    st = madpo_pairs_load_with(&p, path, &o, NULL, NULL);
    assert_true((st == MADPO_OK) == (p != NULL));
    madpo_pairs_free(p);
    return st;
}

/* A header, labels to be understood at the end, and field names of one's own. */
static madpo_status load_csv_pairs(void)
{
    return load_pairs_with(csv_pairs, "prompt=q,first=a,second=b,label=best");
}

static madpo_status load_chat_pairs(void)
{
    return load_pairs_with(chat_pairs, "");
}

static madpo_status format_pair(void)
{
    char *line;
    madpo_status st = madpo_pair_format(&line, madpo_pairs_at(pairs, 0), NULL);

    free(line);
    return st;
}

static madpo_status make_examples(void)
{
    const madpo_tokenize_options o = {.max_prompt = 50, .max_tokens = 200, .add_eos = true};
    madpo_examples e;
    madpo_status st = madpo_examples_from_pairs(&e, pairs, trained, &o, NULL);

    assert_true((st == MADPO_OK) == (e.v != NULL));
    madpo_examples_dispose(&e);
    return st;
}

static madpo_status make_joint_examples(void)
{
    const madpo_tokenize_options o = {.max_prompt = 50,
                                      .max_tokens = 200,
                                      .add_eos = true,
                                      .truncation = MADPO_TRUNCATION_KEEP_END,
                                      .mode = MADPO_TOKENIZE_JOINT};
    madpo_examples e;
    madpo_status st = madpo_examples_from_pairs(&e, pairs, trained, &o, NULL);

    assert_true((st == MADPO_OK) == (e.v != NULL));
    madpo_examples_dispose(&e);
    return st;
}

static madpo_status make_packer(void)
{
    const madpo_batch_limits limits = {100, 100, 10, 10};
    madpo_packer *p;
    madpo_status st = madpo_packer_new(&p, &limits, NULL);

    madpo_packer_free(p);
    return st;
}

static madpo_status synth(void)
{
    madpo_reviews r = {0};
    madpo_status st = madpo_synth_reviews(&r, 1, 5, NULL);

    madpo_reviews_dispose(&r);
    return st;
}

static madpo_status train_save_load_scorer(void)
{
    madpo_scorer_options o;
    madpo_scorer *s, *back = NULL;
    madpo_status st;

    madpo_scorer_options_defaults(&o);
    o.bits = 10;
    o.epochs = 1;
    st = madpo_scorer_train(&s, &reviews, &o, NULL, NULL);
    if (st == MADPO_OK)
        st = madpo_scorer_save(s, scorer_path, NULL);
    if (st == MADPO_OK)
        st = madpo_scorer_load(&back, scorer_path, NULL);
    madpo_scorer_free(s);
    madpo_scorer_free(back);
    return st;
}

#define TEST(action, at_least, also)                                                               \
    static void test_##action(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        fail_each(action, at_least, also);                                                         \
    }
TEST(train_tokenizer, 20, MADPO_ERR_NOMEM)
TEST(load_tokenizer, 60, MADPO_OK)
TEST(save_tokenizer, 500, MADPO_ERR_NOMEM)
TEST(encode_decode, 8, MADPO_ERR_NOMEM)
TEST(load_reviews, 5, MADPO_ERR_NOMEM)
TEST(save_reviews, 3, MADPO_ERR_NOMEM)
TEST(load_pairs, 15, MADPO_ERR_DATA)
TEST(load_csv_pairs, 40, MADPO_OK)
TEST(load_chat_pairs, 60, MADPO_ERR_DATA)
TEST(format_pair, 10, MADPO_OK)
TEST(make_examples, 2, MADPO_ERR_NOMEM)
TEST(make_joint_examples, 5, MADPO_ERR_NOMEM)
TEST(make_packer, 2, MADPO_ERR_NOMEM)
TEST(synth, 6, MADPO_ERR_NOMEM)
TEST(train_save_load_scorer, 10, MADPO_ERR_NOMEM)

static int setup(void **state)
{
    madpo_tokenizer_train_options o;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_text t = {text, sizeof text - 1};

    (void)state;
    fail_alloc_jansson();
    dir = tmp_new();
    csv = tmp_path(dir, "r.csv");
    tokenizer_dir = tmp_path(dir, "tok");
    tokenizer_json = tmp_path(tokenizer_dir, "tokenizer.json");
    scorer_path = tmp_path(dir, "scorer");
    jsonl =
        tmp_file(dir, "p.jsonl",
                 "{\"prompt\":\"a cat\",\"chosen\":\" sat\",\"rejected\":\" hat\"}\n"
                 "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\",\"score_chosen\":1.5}\n");
    csv_pairs = tmp_file(dir, "p.csv", "q,a,b,best\nx,\"y\",z,0\nx,y,z,1\nx,z,z,1\n");
    chat_pairs = tmp_file(dir, "chat.json",
                          "[{\"chosen\":[{\"role\":\"user\",\"content\":\"a\"},"
                          "{\"role\":\"assistant\",\"content\":\"b\"},"
                          "{\"role\":\"user\",\"content\":\"c\"},"
                          "{\"role\":\"assistant\",\"content\":\"d\"}],"
                          "\"rejected\":[{\"role\":\"user\",\"content\":\"a\"},"
                          "{\"role\":\"assistant\",\"content\":\"e\"}]}]");
    madpo_tokenizer_train_options_defaults(&o);
    o.vocab = 280;
    EXPECT_OK(madpo_tokenizer_train(&trained, &t, 1, &o, &err));
    EXPECT_OK(madpo_tokenizer_save(trained, tokenizer_dir, &err));
    EXPECT_OK(madpo_pairs_load(&pairs, jsonl, false, NULL, &err));
    EXPECT_OK(madpo_synth_reviews(&reviews, 1, 20, &err));
    EXPECT_OK(madpo_reviews_save(&reviews, csv, &err));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    madpo_tokenizer_free(trained);
    madpo_pairs_free(pairs);
    madpo_reviews_dispose(&reviews);
    tmp_free(dir);
    free(csv);
    free(tokenizer_dir);
    free(tokenizer_json);
    free(scorer_path);
    free(csv_pairs);
    free(chat_pairs);
    free(jsonl);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train_tokenizer),
        cmocka_unit_test(test_load_tokenizer),
        cmocka_unit_test(test_save_tokenizer),
        cmocka_unit_test(test_encode_decode),
        cmocka_unit_test(test_load_reviews),
        cmocka_unit_test(test_save_reviews),
        cmocka_unit_test(test_load_pairs),
        cmocka_unit_test(test_load_csv_pairs),
        cmocka_unit_test(test_load_chat_pairs),
        cmocka_unit_test(test_make_joint_examples),
        cmocka_unit_test(test_format_pair),
        cmocka_unit_test(test_make_examples),
        cmocka_unit_test(test_make_packer),
        cmocka_unit_test(test_synth),
        cmocka_unit_test(test_train_save_load_scorer),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
