/* Chat messages of a record as texts: the conversation so far becomes the prompt, with the head of
 * an assistant's turn at its end; each answer is what the assistant says then. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "data/pairs_inside.h"

/* A conversation; the strings lie in the record. */
typedef struct chat_list {
    madpo_chat_message *v; /* [n] owned */
    size_t n;
} chat_list;

static madpo_status chat_message(const madpo__reader *r, const json_t *value, const char *name,
                                 size_t i, madpo_chat_message *out)
{
    const json_t *role = json_object_get(value, "role"),
                 *content = json_object_get(value, "content");

    if (!json_is_object(value))
        return madpo__reader_refuse(
            r, "message %zu of \"%s\" is %s; an object with role and content is expected", i + 1,
            name, madpo__json_kind(value));
    if (!json_is_string(role) || !json_is_string(content))
        return madpo__reader_refuse(r, "message %zu of \"%s\": \"%s\" must be a string, not %s",
                                    i + 1, name, json_is_string(role) ? "content" : "role",
                                    madpo__json_kind(json_is_string(role) ? content : role));
    *out = (madpo_chat_message){json_string_value(role), json_string_value(content),
                                json_string_length(content)};
    return MADPO_OK;
}

/* A list of messages, one message, or a text that `role` says. */
static madpo_status chat_read(const madpo__reader *r, const json_t *value, const char *name,
                              const char *role, chat_list *out)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    madpo_status st = MADPO_OK;

    if (!value || !(json_is_array(value) || json_is_object(value) || json_is_string(value)))
        return madpo__reader_refuse(r, "field \"%s\" must be a list of messages, not %s", name,
                                    madpo__json_kind(value));
    if (!n)
        return madpo__reader_refuse(
            r, "field \"%s\" is a list without messages; fill it in or remove the line", name);
    out->v = malloc(n * sizeof *out->v);
    if (!out->v)
        return madpo_error_set(r->err, MADPO_ERR_NOMEM, "no memory for %zu messages", n);
    out->n = n;
    if (json_is_string(value))
        out->v[0] = (madpo_chat_message){role, json_string_value(value), json_string_length(value)};
    else if (json_is_object(value))
        st = chat_message(r, value, name, 0, &out->v[0]);
    else
        for (size_t i = 0; i < n && st == MADPO_OK; i++)
            st = chat_message(r, json_array_get(value, i), name, i, &out->v[i]);
    return st;
}

static bool chat_same(const madpo_chat_message *a, const madpo_chat_message *b)
{
    return !strcmp(a->role, b->role) && a->n_content == b->n_content &&
           !memcmp(a->content, b->content, a->n_content);
}

static bool chat_is_assistant(const madpo_chat_message *m)
{
    return !strcmp(m->role, "assistant");
}

/* Leading messages that two conversations share, leaving each at least one. */
static size_t chat_common(const chat_list *a, const chat_list *b)
{
    size_t least = a->n < b->n ? a->n : b->n, n = 0;

    while (n + 1 < least && chat_same(&a->v[n], &b->v[n]))
        n++;
    return n;
}

/* Everything about a record's conversations. The answers begin at message n_skip of a and b. */
typedef struct chat_pair {
    chat_list prompt, side[2];
    madpo_chat_message *with_system;   /* the prompt's messages behind the options' system message;
                                          owned, NULL if they need none */
    const madpo_chat_message *context; /* the prompt's messages */
    size_t n_context, n_skip;
} chat_pair;

/* Render one answer. A single turn is what chat layouts have a function for; of several the text of
 * the whole conversation behind the prompt's is taken. */
static madpo_status chat_answer(const madpo__reader *r, const chat_pair *c, int side,
                                const char *prompt, size_t n_prompt, char **out, size_t *n)
{
    const madpo_chat_message *answer = c->side[side].v + c->n_skip;
    size_t n_answer = c->side[side].n - c->n_skip;
    madpo_chat_message *all;
    madpo_status st;

    if (n_answer == 1)
        return madpo_chat_format_completion(out, n, r->chat, answer, r->err);
    *out = NULL;
    all = malloc((c->n_context + n_answer) * sizeof *all);
    if (!all)
        return madpo_error_set(r->err, MADPO_ERR_NOMEM, "no memory for a conversation");
    memcpy(all, c->context, c->n_context * sizeof *all);
    memcpy(all + c->n_context, answer, n_answer * sizeof *all);
    st = madpo_chat_format_of(out, n, r->options->template_of, r->chat, all,
                              c->n_context + n_answer, false, r->err);
    free(all);
    if (st != MADPO_OK)
        return st;
    if (*n <= n_prompt || memcmp(*out, prompt, n_prompt) != 0)
        return madpo__reader_refuse(r, "the chat layout does not begin an answer of several turns "
                                       "with its prompt; give one turn an answer");
    *n -= n_prompt;
    memmove(*out, *out + n_prompt, *n + 1);
    return MADPO_OK;
}

/* Where the prompt ends: given apart, or what the two conversations begin with in common. */
static madpo_status chat_divide(const madpo__reader *r, const madpo__answers *names, chat_pair *c)
{
    bool whole = !chat_is_assistant(&c->side[0].v[0]) && c->side[1].n > 0;

    c->context = c->prompt.v;
    c->n_context = c->prompt.n;
    if (!c->prompt.n || whole) {
        c->context = c->side[0].v;
        c->n_context = c->n_skip = chat_common(&c->side[0], &c->side[1]);
    }
    if (!c->n_context)
        return madpo__reader_refuse(
            r,
            "the conversations \"%s\" and \"%s\" begin differently; their prompt must be the "
            "same messages",
            names->a, names->b);
    for (int i = 0; i < 2; i++) {
        const madpo_chat_message *m = &c->side[i].v[c->n_skip];

        if (!chat_is_assistant(m))
            return madpo__reader_refuse(
                r,
                "message %zu of \"%s\", with which the answer begins, is by \"%.20s\"; it must "
                "be by \"assistant\"",
                c->n_skip + 1, i ? names->b : names->a, m->role);
        if (!m->n_content)
            return madpo__reader_refuse(
                r, "message %zu of \"%s\" is empty; fill it in or remove the line", c->n_skip + 1,
                i ? names->b : names->a);
    }
    return MADPO_OK;
}

/* Put the options' system message in front of a conversation that has none. */
static madpo_status chat_put_system(const madpo__reader *r, chat_pair *c)
{
    const char *text = r->options->system;

    if (!text || !*text || !strcmp(c->context[0].role, "system"))
        return MADPO_OK;
    c->with_system = malloc((c->n_context + 1) * sizeof *c->with_system);
    if (!c->with_system)
        return madpo_error_set(r->err, MADPO_ERR_NOMEM, "no memory for a conversation");
    c->with_system[0] = (madpo_chat_message){"system", text, strlen(text)};
    memcpy(c->with_system + 1, c->context, c->n_context * sizeof *c->context);
    c->context = c->with_system;
    c->n_context++;
    return MADPO_OK;
}

static madpo_status chat_render(madpo__reader *r, const chat_pair *c, madpo_pair *p)
{
    madpo_status st = madpo_chat_format_of(&p->prompt, &p->n_prompt, r->options->template_of,
                                           r->chat, c->context, c->n_context, true, r->err);

    if (st == MADPO_OK)
        st = chat_answer(r, c, 0, p->prompt, p->n_prompt, &p->chosen, &p->n_chosen);
    if (st == MADPO_OK)
        st = chat_answer(r, c, 1, p->prompt, p->n_prompt, &p->rejected, &p->n_rejected);
    return st;
}

/* Chat layouts know nothing of files: give their messages the place, once. */
static madpo_status chat_place(const madpo__reader *r, madpo_status st)
{
    char message[MADPO_ERROR_MESSAGE];

    if (st != MADPO_ERR_DATA || r->err->line)
        return st;
    memcpy(message, r->err->message, sizeof message);
    madpo_error_clear(r->err);
    return madpo__reader_refuse(r, "%s", message);
}

madpo_status madpo__pairs_messages(madpo__reader *r, const madpo__answers *names,
                                   const json_t *prompt, const json_t *a, const json_t *b,
                                   madpo_pair *p, bool *tie)
{
    chat_pair c = {0};
    madpo_status st = MADPO_OK;

    if (r->chat == MADPO_CHAT_NONE)
        return madpo__reader_refuse(
            r, "the record holds chat messages, which need a layout: set data.chat to gemma, "
               "llama3 or chatml, or write prompt, chosen and rejected as plain text");
    if (prompt)
        st = chat_read(r, prompt, names->prompt, "user", &c.prompt);
    if (st == MADPO_OK)
        st = chat_read(r, a, names->a, "assistant", &c.side[0]);
    if (st == MADPO_OK)
        st = chat_read(r, b, names->b, "assistant", &c.side[1]);
    if (st == MADPO_OK)
        st = chat_divide(r, names, &c);
    if (st == MADPO_OK)
        st = chat_put_system(r, &c);
    if (st == MADPO_OK)
        st = chat_place(r, chat_render(r, &c, p));
    if (st == MADPO_OK) {
        *tie = p->n_chosen == p->n_rejected && !memcmp(p->chosen, p->rejected, p->n_chosen);
        p->specials = true;
        r->report->n_messages++;
    }
    free(c.with_system);
    free(c.prompt.v);
    free(c.side[0].v);
    free(c.side[1].v);
    return st;
}
