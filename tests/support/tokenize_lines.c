/* Texts in, ids and texts out: our side of tests/model/parity/tokenizer_corpus.py.
 *
 *     tokenize_lines TOKENIZER [--plain] [--around]
 *
 * reads records from standard input, each 4 bytes of length (little endian) and the text, and
 * writes for each: the number of ids and the ids, the length of the text decoded and the text, the
 * same with special tokens dropped; all numbers 4 bytes. --plain: special tokens in a text are just
 * text;
 * --around: with what the template puts around a text. Each text is decoded by a stream, too, which
 * must give the same bytes and never half a character of a text that is UTF-8 as a whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

static void die(const char *what, const madpo_error *err)
{
    char line[1024] = "";

    fprintf(stderr, "tokenize_lines: %s %s\n", what,
            err ? madpo_error_format(err, line, sizeof line) : "");
    exit(1);
}

static bool read_u32(uint32_t *out)
{
    unsigned char b[4];

    if (fread(b, 1, 4, stdin) != 4)
        return false;
    *out = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    return true;
}

static void write_u32(uint32_t value)
{
    unsigned char b[4] = {(unsigned char)value, (unsigned char)(value >> 8),
                          (unsigned char)(value >> 16), (unsigned char)(value >> 24)};

    fwrite(b, 1, 4, stdout);
}

static bool is_utf8(const char *text, size_t n)
{
    size_t used;
    int32_t cp;

    for (size_t at = 0; at < n; at += used) {
        used = madpo_utf8_read(text + at, n - at, &cp);
        if (cp < 0)
            return false;
    }
    return true;
}

static void check_stream(const madpo_tokenizer *tok, const madpo_ids *ids, bool skip,
                         const char *want, size_t n_want)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tokenizer_stream *s;
    madpo_strbuf all = {0};
    const char *part;
    bool utf8 = is_utf8(want, n_want);
    size_t n;

    if (madpo_tokenizer_stream_new(&s, tok, skip, &err) != MADPO_OK)
        die("stream", &err);
    for (size_t i = 0; i <= ids->n; i++) {
        madpo_status st = i < ids->n ? madpo_tokenizer_stream_push(s, ids->v[i], &part, &n, &err)
                                     : madpo_tokenizer_stream_end(s, &part, &n, &err);

        if (st != MADPO_OK)
            die("stream", &err);
        if (utf8 && !is_utf8(part, n))
            die("a stream gave half a character", NULL);
        madpo_strbuf_append_n(&all, part, n);
    }
    if (all.n != n_want || (n_want && memcmp(all.s, want, n_want) != 0))
        die("a stream gave another text than decoding all at once", NULL);
    madpo_strbuf_dispose(&all);
    madpo_tokenizer_stream_free(s);
}

static void decode(const madpo_tokenizer *tok, const madpo_ids *ids, bool skip)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *text;
    size_t n;

    if (madpo_tokenizer_decode(tok, ids->v, ids->n, skip, &text, &n, &err) != MADPO_OK)
        die("decode", &err);
    check_stream(tok, ids, skip, text, n);
    write_u32((uint32_t)n);
    fwrite(text, 1, n, stdout);
    free(text);
}

int main(int argc, char **argv)
{
    madpo_error err = MADPO_ERROR_INIT;
    bool plain = false, around = false;
    madpo_tokenizer *tok;
    madpo_ids ids = {0};
    uint32_t n;

    for (int i = 2; i < argc; i++) {
        plain |= !strcmp(argv[i], "--plain");
        around |= !strcmp(argv[i], "--around");
    }
    if (argc < 2)
        die("usage: tokenize_lines TOKENIZER [--plain] [--around]", NULL);
    if (madpo_tokenizer_load(&tok, argv[1], &err) != MADPO_OK)
        die("load", &err);
    while (read_u32(&n)) {
        char *text = malloc((size_t)n + 1);
        madpo_status st;

        if (!text || fread(text, 1, n, stdin) != n)
            die("a record is cut off", NULL);
        ids.n = 0;
        st = around ? madpo_tokenizer_encode_with_specials(tok, text, n, !plain, &ids, &err)
                    : madpo_tokenizer_encode(tok, text, n, !plain, &ids, &err);
        if (st != MADPO_OK)
            die("encode", &err);
        write_u32((uint32_t)ids.n);
        for (size_t i = 0; i < ids.n; i++)
            write_u32((uint32_t)ids.v[i]);
        decode(tok, &ids, false);
        decode(tok, &ids, true);
        free(text);
    }
    madpo_ids_dispose(&ids);
    madpo_tokenizer_free(tok);
    return 0;
}
