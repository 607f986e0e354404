/* madpo tokenize: lines of text to token ids and back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/model_args.h"
#include "cli/output.h"

typedef struct tokenize_options {
    bool decode, no_specials, json;
} tokenize_options;

static int tokenize_run(int argc, char **argv);

static const madpo_cli_option tokenize_table[] = {
    {"decode", NULL, MADPO_CLI_FLAG, offsetof(tokenize_options, decode), 0,
     "The other way: arrays of ids in, text out."},
    {"no-specials", NULL, MADPO_CLI_FLAG, offsetof(tokenize_options, no_specials), 0,
     "Do not add the tokens that the tokenizer puts around a text (begin, end); with --decode, "
     "leave "
     "special tokens out of the text."},
    {"json", NULL, MADPO_CLI_FLAG, offsetof(tokenize_options, json), 0,
     "Texts are JSON strings, one a line, so that they may hold newlines."},
    {0}};

const madpo_cli_command madpo__command_tokenize = {
    .name = "tokenize",
    .synopsis = "MODEL [--no-specials] [--json] < TEXT\n"
                "MODEL --decode [--no-specials] [--json] < IDS",
    .summary = "turn lines of text into token ids, and back",
    .description =
        "    Read lines from standard input and print for each one a JSON array of token ids, as\n"
        "    Hugging Face's tokenizer(text) gives them: with the begin and end tokens of the\n"
        "    tokenizer's template, and special tokens that are written in the text taken as such.\n"
        "    The newline at the end of a line is no part of its text.\n"
        "\n"
        "    MODEL is a tokenizer.json, a folder with one, or what madpo generate takes.\n",
    .options = tokenize_table,
    .more = "EXIT STATUS\n"
            "    0  done\n"
            "    1  failed: one line on standard error says what and what to do\n"
            "    2  a mistake on the command line\n"
            "\n"
            "EXAMPLES\n"
            "    echo 'The film was' | madpo tokenize runs/a\n"
            "    madpo tokenize ./gpt2/tokenizer.json --no-specials < a.txt |\n"
            "        madpo tokenize ./gpt2/tokenizer.json --decode\n",
    .run = tokenize_run,
};

typedef struct tokenize {
    const tokenize_options *o;
    madpo_opened m; /* only the tokenizer, and a vocabulary that forbids nothing */
    madpo_ids ids;
} tokenize;

#define INPUT "standard input"

/* ---- encoding ---- */

static madpo_status print_ids(const madpo_ids *ids)
{
    putchar('[');
    for (size_t i = 0; i < ids->n; i++)
        printf("%s%ld", i ? "," : "", (long)ids->v[i]);
    puts("]");
    return MADPO_OK;
}

static madpo_status encode_line(tokenize *t, const char *line, size_t n, int number,
                                madpo_error *err)
{
    json_t *value = NULL;
    madpo_status st = MADPO_OK;

    if (t->o->json) {
        json_error_t bad;

        value = json_loadb(line, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &bad);
        if (!json_is_string(value)) {
            json_decref(value);
            return madpo_error_set_at(err, MADPO_ERR_DATA, INPUT, number, 0,
                                      "not a JSON string; with --json a line is \"…\"");
        }
        line = json_string_value(value);
        n = json_string_length(value);
    }
    st = madpo_opened_encode(&t->m, line, n, !t->o->no_specials, &t->ids, err);
    json_decref(value);
    return st == MADPO_OK ? print_ids(&t->ids) : st;
}

/* ---- decoding ---- */

static madpo_status read_ids(madpo_ids *ids, const char *line, size_t n, int number,
                             madpo_error *err)
{
    json_error_t bad;
    json_t *array = json_loadb(line, n, 0, &bad), *id;
    madpo_status st = MADPO_OK;
    size_t i;

    ids->n = 0;
    if (!json_is_array(array))
        st = madpo_error_set_at(err, MADPO_ERR_DATA, INPUT, number, 0,
                                "not a JSON array of token ids, such as [1,403,407]");
    json_array_foreach(array, i, id)
    {
        json_int_t value = json_integer_value(id);

        if (!json_is_integer(id) || value < 0 || value > INT32_MAX)
            st = madpo_error_set_at(err, MADPO_ERR_DATA, INPUT, number, 0,
                                    "element %zu is no token id; ids are whole numbers from 0",
                                    i + 1);
        if (st == MADPO_OK)
            st = madpo_ids_push(ids, (int32_t)value, err);
        if (st != MADPO_OK)
            break;
    }
    json_decref(array);
    return st;
}

static madpo_status print_text(const tokenize *t, const char *text, size_t n, madpo_error *err)
{
    json_t *value;
    char *line = NULL;
    madpo_status st = MADPO_OK;

    if (!t->o->json) {
        fwrite(text, 1, n, stdout);
        putchar('\n');
        return MADPO_OK;
    }
    value = madpo_json_text(text, n);
    line = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    if (line)
        puts(line);
    else
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "tokenize: out of host memory");
    free(line);
    json_decref(value);
    return st;
}

static madpo_status decode_line(tokenize *t, const char *line, size_t n, int number,
                                madpo_error *err)
{
    madpo_error why = MADPO_ERROR_INIT;
    char *text = NULL;
    size_t n_text = 0;
    madpo_status st = read_ids(&t->ids, line, n, number, err);

    if (st != MADPO_OK)
        return st;
    for (size_t i = 0; i < t->ids.n; i++) {
        if (!madpo_tokenizer_content(t->m.tok, t->ids.v[i]))
            return madpo_error_set_at(err, MADPO_ERR_DATA, INPUT, number, 0,
                                      "token id %ld is outside the vocabulary of %ld",
                                      (long)t->ids.v[i], (long)madpo_tokenizer_vocab(t->m.tok));
    }
    st = madpo_tokenizer_decode(t->m.tok, t->ids.v, t->ids.n, t->o->no_specials, &text, &n_text,
                                &why);
    st = st == MADPO_OK ? print_text(t, text, n_text, err)
                        : madpo_error_set_at(err, st, INPUT, number, 0, "%s", why.message);
    free(text);
    return st;
}

/* ---- lines ---- */

static madpo_status tokenize_lines(tokenize *t, madpo_error *err)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    int number = 0;
    madpo_status st = MADPO_OK;

    errno = 0;
    while (st == MADPO_OK && !ferror(stdout) && (n = getline(&line, &capacity, stdin)) >= 0) {
        n -= n > 0 && line[n - 1] == '\n';
        number++;
        st = t->o->decode ? decode_line(t, line, (size_t)n, number, err)
                          : encode_line(t, line, (size_t)n, number, err);
    }
    if (st == MADPO_OK && ferror(stdin))
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read standard input");
    free(line);
    return st;
}

static int tokenize_run(int argc, char **argv)
{
    tokenize_options o = {0};
    tokenize t = {.o = &o};
    madpo_error err = MADPO_ERROR_INIT;
    int n, rc = madpo__cli_parse(&madpo__command_tokenize, argc, argv, &o, &n);

    if (rc < 0)
        rc = madpo__cli_model_argument(&madpo__command_tokenize, n, argv);
    if (rc >= 0)
        return rc;
    t.m.config.V = INT32_MAX;
    if (madpo_open_tokenizer(&t.m.tok, argv[0], &err) == MADPO_OK &&
        tokenize_lines(&t, &err) == MADPO_OK)
        rc = MADPO_EXIT_DONE;
    else
        rc = madpo__cli_fail(&err);
    madpo_ids_dispose(&t.ids);
    madpo_opened_dispose(&t.m);
    return rc;
}
