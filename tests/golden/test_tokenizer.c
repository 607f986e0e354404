/* Small tokenizers of each family's structure against what Hugging Face's library makes of some
 * texts: DIR/NAME/{tokenizer.json,expected.jsonl}, written by
 * tests/model/parity/tokenizer_families.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "tests/unit/expect.h"
#include "text/tokenizer.h"

static const char *folder;

typedef struct golden {
    madpo_tokenizer *tok;
    const char *name;
    int line;
} golden;

static void expect_ids(const golden *g, const char *what, const madpo_ids *got, const json_t *want)
{
    if (got->n != json_array_size(want))
        fail_msg("%s:%d: %zu ids %s, wanted %zu", g->name, g->line, got->n, what,
                 json_array_size(want));
    for (size_t i = 0; i < got->n; i++)
        if (got->v[i] != json_integer_value(json_array_get(want, i)))
            fail_msg("%s:%d: id %zu %s is %d, wanted %d", g->name, g->line, i, what, (int)got->v[i],
                     (int)json_integer_value(json_array_get(want, i)));
}

/* All at once and id by id. */
static void expect_decoded(const golden *g, const madpo_ids *ids, bool skip, const json_t *want)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tokenizer_stream *stream;
    madpo_strbuf all = {0};
    const char *part;
    char *text;
    size_t n;

    EXPECT_OK(madpo_tokenizer_decode(g->tok, ids->v, ids->n, skip, &text, &n, &err));
    if (n != json_string_length(want) || memcmp(text, json_string_value(want), n) != 0)
        fail_msg("%s:%d: decoded \"%s\", wanted \"%s\"", g->name, g->line, text,
                 json_string_value(want));
    EXPECT_OK(madpo_tokenizer_stream_new(&stream, g->tok, skip, &err));
    for (size_t i = 0; i < ids->n; i++) {
        EXPECT_OK(madpo_tokenizer_stream_push(stream, ids->v[i], &part, &n, &err));
        madpo_strbuf_append_n(&all, part, n);
    }
    EXPECT_OK(madpo_tokenizer_stream_end(stream, &part, &n, &err));
    madpo_strbuf_append_n(&all, part, n);
    assert_int_equal(all.n, json_string_length(want));
    assert_memory_equal(all.s, text, all.n);
    madpo_tokenizer_stream_free(stream);
    madpo_strbuf_dispose(&all);
    free(text);
}

static void check_row(const golden *g, const json_t *row)
{
    const json_t *text = json_object_get(row, "text"), *ids = json_object_get(row, "ids"),
                 *decoded = json_object_get(row, "decoded"),
                 *dropped = json_object_get(row, "dropped"), *plain = json_object_get(row, "plain"),
                 *around = json_object_get(row, "around");
    const char *s = json_string_value(text);
    size_t n = json_string_length(text);
    madpo_error err = MADPO_ERROR_INIT;
    madpo_ids got = {0};

    EXPECT_OK(madpo_tokenizer_encode(g->tok, s, n, true, &got, &err));
    expect_ids(g, "with special tokens", &got, ids);
    decoded = decoded ? decoded : text;
    expect_decoded(g, &got, false, decoded);
    expect_decoded(g, &got, true, dropped ? dropped : decoded);
    got.n = 0;
    EXPECT_OK(madpo_tokenizer_encode(g->tok, s, n, false, &got, &err));
    expect_ids(g, "with special tokens as text", &got, plain ? plain : ids);
    if (around) {
        got.n = 0;
        EXPECT_OK(madpo_tokenizer_encode_with_specials(g->tok, s, n, true, &got, &err));
        expect_ids(g, "with the template", &got, around);
    }
    madpo_ids_dispose(&got);
}

static void check_tokenizer(const char *name)
{
    madpo_error err = MADPO_ERROR_INIT;
    golden g = {NULL, name, 0};
    char *dir, *path, *lines;
    size_t n;

    EXPECT_OK(madpo_path_join(&dir, folder, name, &err));
    EXPECT_OK(madpo_tokenizer_load(&g.tok, dir, &err));
    EXPECT_OK(madpo_path_join(&path, dir, "expected.jsonl", &err));
    EXPECT_OK(madpo_file_read(&lines, &n, path, &err));
    for (char *at = lines, *end; at < lines + n; at = end + 1) {
        json_t *row;

        end = memchr(at, '\n', (size_t)(lines + n - at));
        assert_non_null(end);
        g.line++;
        EXPECT_OK(madpo_json_parse(&row, at, (size_t)(end - at), path, g.line, &err));
        check_row(&g, row);
        json_decref(row);
    }
    assert_true(g.line > 150);
    madpo_tokenizer_free(g.tok);
    free(lines);
    free(path);
    free(dir);
}

#define FAMILY(name)                                                                               \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        check_tokenizer(#name);                                                                    \
    }
FAMILY(gemma)
FAMILY(llama2)
FAMILY(metaspace)
FAMILY(llama3)
FAMILY(qwen2)
FAMILY(gpt2)
FAMILY(roberta)
FAMILY(neox)
FAMILY(smollm)
FAMILY(deepseek)
FAMILY(odd)
FAMILY(affixed)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemma),     cmocka_unit_test(test_llama2),
        cmocka_unit_test(test_metaspace), cmocka_unit_test(test_llama3),
        cmocka_unit_test(test_qwen2),     cmocka_unit_test(test_gpt2),
        cmocka_unit_test(test_roberta),   cmocka_unit_test(test_neox),
        cmocka_unit_test(test_smollm),    cmocka_unit_test(test_deepseek),
        cmocka_unit_test(test_odd),       cmocka_unit_test(test_affixed),
    };

    if (argc != 2)
        return 2;
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
