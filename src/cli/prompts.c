/* The prompts of madpo generate. */
#include "cli/prompts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strbuf.h"

void madpo__prompts_dispose(madpo_cli_prompts *prompts)
{
    for (size_t i = 0; i < prompts->n; i++) {
        madpo_ids_dispose(&prompts->v[i].ids);
        json_decref(prompts->v[i].id);
    }
    free(prompts->v);
    *prompts = (madpo_cli_prompts){0};
}

/* Where a prompt came from, in front of what is wrong with it. */
static madpo_status refuse(const madpo_cli_prompts *prompts, int line, const madpo_error *why,
                           madpo_error *err)
{
    if (line == 0)
        return madpo_error_set(err, why->code, "%s: %s", prompts->name, why->message);
    return madpo_error_set_at(err, why->code, prompts->name, line, 0, "%s", why->message);
}

static madpo_status prompts_grow(madpo_cli_prompts *prompts, madpo_error *err)
{
    size_t capacity = prompts->capacity > 0 ? 2 * prompts->capacity : 16;
    madpo_cli_prompt *grown;

    if (prompts->n < prompts->capacity)
        return MADPO_OK;
    grown = realloc(prompts->v, capacity * sizeof *grown);
    if (!grown)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "prompts: out of host memory");
    prompts->v = grown;
    prompts->capacity = capacity;
    return MADPO_OK;
}

/* Add a prompt's whole text. The id (may be NULL) is borrowed. */
static madpo_status add_text(madpo_cli_prompts *prompts, const madpo_cli_prompting *how,
                             const char *text, size_t n, json_t *id, int line, madpo_error *err)
{
    madpo_error why = MADPO_ERROR_INIT;
    madpo_cli_prompt p = {.line = line};
    madpo_status st = prompts_grow(prompts, err);

    if (st != MADPO_OK)
        return st;
    st = madpo_opened_encode(how->model, text, n, true, &p.ids, &why);
    if (st == MADPO_OK && p.ids.n == 0)
        st =
            madpo_error_set(&why, MADPO_ERR_DATA,
                            "the prompt is empty, and this tokenizer begins texts with no token of "
                            "its own; give some text");
    if (st != MADPO_OK) {
        madpo_ids_dispose(&p.ids);
        return refuse(prompts, line, &why, err);
    }
    p.id = json_incref(id);
    if (prompts->longest < p.ids.n)
        prompts->longest = p.ids.n;
    prompts->v[prompts->n++] = p;
    return MADPO_OK;
}

/* ---- chat messages ---- */

/* Add a conversation; `list` has room for the system message in front of the n at list[1]. */
static madpo_status add_chat(madpo_cli_prompts *prompts, const madpo_cli_prompting *how,
                             madpo_chat_message *list, size_t n, json_t *id, int line,
                             madpo_error *err)
{
    madpo_error why = MADPO_ERROR_INIT;
    bool own = how->system && (n == 0 || strcmp(list[1].role, "system") != 0);
    char *text = NULL;
    size_t n_text = 0;
    madpo_status st;

    if (own)
        list[0] = (madpo_chat_message){"system", how->system, strlen(how->system)};
    if (how->layout == MADPO_CHAT_NONE)
        st = madpo_error_set(
            &why, MADPO_ERR_DATA,
            "chat messages, but the model's tokenizer has no chat template known here; "
            "name a layout with --layout gemma, llama3 or chatml");
    else
        st = madpo_chat_format_of(&text, &n_text, how->model->tok, how->layout,
                                  own ? list : list + 1, own ? n + 1 : n, true, &why);
    st = st == MADPO_OK ? add_text(prompts, how, text, n_text, id, line, err)
                        : refuse(prompts, line, &why, err);
    free(text);
    return st;
}

/* A string, which --chat makes the message of a user. */
static madpo_status add_plain(madpo_cli_prompts *prompts, const madpo_cli_prompting *how,
                              const char *text, size_t n, json_t *id, int line, madpo_error *err)
{
    madpo_chat_message list[2] = {{0}, {"user", text, n}};

    return how->chat ? add_chat(prompts, how, list, 1, id, line, err)
                     : add_text(prompts, how, text, n, id, line, err);
}

static madpo_status add_messages(madpo_cli_prompts *prompts, const madpo_cli_prompting *how,
                                 const json_t *messages, json_t *id, int line, madpo_error *err)
{
    madpo_chat_message *list = calloc(json_array_size(messages) + 1, sizeof *list);
    const json_t *message;
    size_t i;
    madpo_status st = MADPO_OK;

    if (!list)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "prompts: out of host memory");
    json_array_foreach(messages, i, message)
    {
        const json_t *role = json_object_get(message, "role");
        const json_t *content = json_object_get(message, "content");

        if (!json_is_string(role) || !json_is_string(content)) {
            st = madpo_error_set_at(err, MADPO_ERR_DATA, prompts->name, line, 0,
                                    "message %zu is not {\"role\": \"…\", \"content\": \"…\"}",
                                    i + 1);
            break;
        }
        list[i + 1] = (madpo_chat_message){json_string_value(role), json_string_value(content),
                                           json_string_length(content)};
    }
    if (st == MADPO_OK)
        st = add_chat(prompts, how, list, json_array_size(messages), id, line, err);
    free(list);
    return st;
}

/* ---- files ---- */

static madpo_status add_record(madpo_cli_prompts *prompts, const madpo_cli_prompting *how,
                               const char *text, size_t n, int line, madpo_error *err)
{
    json_t *record = NULL, *prompt;
    madpo_status st = madpo_json_parse(&record, text, n, prompts->name, line, err);

    if (st != MADPO_OK)
        return st;
    prompt = json_object_get(record, "prompt");
    if (!prompt)
        prompt = json_object_get(record, "messages");
    if (json_is_string(prompt))
        st = add_plain(prompts, how, json_string_value(prompt), json_string_length(prompt),
                       json_object_get(record, "id"), line, err);
    else if (json_is_array(prompt))
        st = add_messages(prompts, how, prompt, json_object_get(record, "id"), line, err);
    else
        st = madpo_error_set_at(err, MADPO_ERR_DATA, prompts->name, line, 0,
                                "%s; a record is {\"prompt\": \"…\"}, or has a list of messages "
                                "there",
                                prompt ? "\"prompt\" is neither a text nor a list"
                                       : "there is no \"prompt\"");
    json_decref(record);
    return st;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool is_json(const char *path, const char *text, size_t n)
{
    size_t i = 0;

    if (ends_with(path, ".jsonl") || ends_with(path, ".jsonl.gz"))
        return true;
    if (ends_with(path, ".txt") || ends_with(path, ".txt.gz"))
        return false;
    while (i < n && strchr(" \t\r\n", text[i]))
        i++;
    return i < n && text[i] == '{';
}

static bool is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t", text[i]) || !text[i])
            return false;
    return true;
}

static madpo_status read_input(char **out, size_t *n, madpo_error *err)
{
    madpo_strbuf b = {0};
    char part[4096];
    size_t got;

    while ((got = fread(part, 1, sizeof part, stdin)) > 0)
        madpo_strbuf_append_n(&b, part, got);
    if (ferror(stdin)) {
        madpo_strbuf_dispose(&b);
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read standard input");
    }
    return madpo_strbuf_steal(&b, out, n, err);
}

madpo_status madpo__prompts_text(madpo_cli_prompts *out, const madpo_cli_prompting *how,
                                 const char *text, madpo_error *err)
{
    *out = (madpo_cli_prompts){.name = "--prompt"};
    return add_plain(out, how, text, strlen(text), NULL, 0, err);
}

madpo_status madpo__prompts_file(madpo_cli_prompts *out, const madpo_cli_prompting *how,
                                 const char *path, madpo_error *err)
{
    bool input = strcmp(path, "-") == 0, json;
    char *text = NULL;
    size_t n = 0;
    int line = 1;
    madpo_status st;

    *out = (madpo_cli_prompts){.name = input ? "standard input" : path};
    st = input ? read_input(&text, &n, err) : madpo_file_read(&text, &n, path, err);
    json = st == MADPO_OK && is_json(path, text, n);
    for (size_t start = 0; start < n && st == MADPO_OK; line++) {
        const char *end = memchr(text + start, '\n', n - start);
        size_t length = end ? (size_t)(end - (text + start)) : n - start, next = length + 1;

        if (length > 0 && text[start + length - 1] == '\r')
            length--;
        if (!is_blank(text + start, length))
            st = json ? add_record(out, how, text + start, length, line, err)
                      : add_plain(out, how, text + start, length, NULL, line, err);
        start += next;
    }
    free(text);
    if (st == MADPO_OK && out->n == 0)
        st = madpo_error_set(err, MADPO_ERR_DATA, "%s: there are no prompts in it", out->name);
    return st;
}
