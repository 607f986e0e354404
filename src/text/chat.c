/* Chat layouts as a table; see chat.h. */
#include "text/chat.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "text/pretokenize.h"
#include "text/utf8.h"

typedef struct layout {
    const char *name;
    const char *mark;                 /* by which a template is known */
    const char *head, *head_end;      /* around the role */
    const char *assistant;            /* its name there */
    const char *end_token, *end_text; /* at the end of a turn: the token, and what follows it */
    bool trims;                       /* white space at both ends of a content goes */
    bool alternates;                  /* user, assistant, user, ..; a system text joins the first */
} layout;

static const layout layouts[] = {
    [MADPO_CHAT_NONE] = {"none", "", "", "", "", "", "", false, false},
    [MADPO_CHAT_GEMMA] = {"gemma", "<start_of_turn>", "<start_of_turn>", "\n", "model",
                          "<end_of_turn>", "\n", true, true},
    [MADPO_CHAT_LLAMA3] = {"llama3", "<|start_header_id|>", "<|start_header_id|>",
                           "<|end_header_id|>\n\n", "assistant", "<|eot_id|>", "", true, false},
    [MADPO_CHAT_CHATML] = {"chatml", "<|im_start|>", "<|im_start|>", "\n", "assistant",
                           "<|im_end|>", "\n", false, false},
};
enum { N_LAYOUTS = sizeof layouts / sizeof *layouts };

bool madpo_chat_kind_find(madpo_chat_kind *out, const char *name)
{
    for (int i = 0; i < N_LAYOUTS; i++)
        if (!strcmp(layouts[i].name, name)) {
            *out = (madpo_chat_kind)i;
            return true;
        }
    *out = MADPO_CHAT_NONE;
    return false;
}

const char *madpo_chat_end_of_turn(madpo_chat_kind kind)
{
    return layouts[kind].end_token;
}

/* ---- what a template is ---- */

madpo_status madpo_chat_of_tokenizer(madpo_chat_kind *out, const madpo_tokenizer *tok,
                                     madpo_error *err)
{
    const char *text = madpo_tokenizer_chat_template(tok);
    int n = 0;

    *out = MADPO_CHAT_NONE;
    if (!text)
        return MADPO_OK;
    for (int i = MADPO_CHAT_NONE + 1; i < N_LAYOUTS; i++)
        if (strstr(text, layouts[i].mark) && strstr(text, layouts[i].end_token)) {
            *out = (madpo_chat_kind)i;
            n++;
        }
    if (n == 1 && !strstr(text, "<|im_sep|>")) /* Phi-4's layout looks much like ChatML */
        return MADPO_OK;
    *out = MADPO_CHAT_NONE;
    return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                           "the tokenizer's chat template is none of gemma, llama3 and chatml; "
                           "give plain prompt text");
}

/* The text from `at` up to the end-of-turn mark, if it is one string of the template: no quote may
 * come before. A line end may be written as two characters. */
static bool plain_turn(const char *at, madpo_strbuf *out)
{
    static const char end[] = "<|im_end|>";

    madpo_strbuf_reset(out);
    for (; *at && *at != '\'' && *at != '"' && *at != '{' && *at != '}'; at++) {
        if (!strncmp(at, end, sizeof end - 1))
            return out->n > 0 || out->failed;
        if (at[0] == '\\' && at[1] == 'n') {
            madpo_strbuf_append_char(out, '\n');
            at++;
        } else {
            madpo_strbuf_append_char(out, *at);
        }
    }
    return false;
}

madpo_status madpo_chat_default_system(char **out, size_t *n, const madpo_tokenizer *tok,
                                       madpo_error *err)
{
    static const char head[] = "<|im_start|>system";
    const char *text = madpo_tokenizer_chat_template(tok);
    madpo_strbuf turn = {0};
    bool found = false;

    for (text = text ? strstr(text, head) : NULL; text && !found; text = strstr(text, head)) {
        text += sizeof head - 1;
        if (*text == '\n')
            found = plain_turn(text + 1, &turn);
        else if (text[0] == '\\' && text[1] == 'n')
            found = plain_turn(text + 2, &turn);
    }
    if (!found)
        madpo_strbuf_reset(&turn);
    return madpo_strbuf_steal(&turn, out, n, err);
}

/* ---- writing ---- */

/* What Jinja's trim takes off: white space as Python sees it, with the four separators. */
static bool trimmed(int32_t cp)
{
    return madpo__is_space(cp) || (cp >= 0x1C && cp <= 0x1F);
}

static void append_content(madpo_strbuf *out, const layout *l, const madpo_chat_message *m)
{
    size_t start = m->n_content, end = 0, used;
    int32_t cp;

    if (!l->trims) {
        madpo_strbuf_append_n(out, m->n_content ? m->content : "", m->n_content);
        return;
    }
    for (size_t at = 0; at < m->n_content; at += used) {
        used = madpo_utf8_read(m->content + at, m->n_content - at, &cp);
        if (trimmed(cp))
            continue;
        start = start < at ? start : at;
        end = at + used;
    }
    if (end > start)
        madpo_strbuf_append_n(out, m->content + start, end - start);
}

static void append_head(madpo_strbuf *out, const layout *l, const char *role)
{
    if (!*l->head)
        return;
    madpo_strbuf_append(out, l->head);
    madpo_strbuf_append(out, !strcmp(role, "assistant") ? l->assistant : role);
    madpo_strbuf_append(out, l->head_end);
}

static void append_end(madpo_strbuf *out, const layout *l)
{
    madpo_strbuf_append(out, l->end_token);
    madpo_strbuf_append(out, l->end_text);
}

static madpo_status check_messages(const layout *l, const madpo_chat_message *messages, size_t n,
                                   madpo_error *err)
{
    size_t turn = 0;

    if (!n)
        return madpo_error_set(err, MADPO_ERR_DATA, "a conversation has no messages");
    for (size_t i = 0; i < n; i++) {
        const char *role = messages[i].role;
        bool user = !strcmp(role, "user");

        if (!user && strcmp(role, "assistant") != 0 && strcmp(role, "system") != 0)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "message %zu has the role \"%.40s\"; use system, user or "
                                   "assistant",
                                   i + 1, role);
        if (!l->alternates || (i == 0 && !strcmp(role, "system")))
            continue;
        if (!strcmp(role, "system") || user != (turn++ % 2 == 0))
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "message %zu is by \"%s\"; in the layout %s user and assistant "
                                   "take turns, user first, behind one system message at most",
                                   i + 1, role, l->name);
    }
    if (l->alternates && !turn)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "a conversation has no message but the system's");
    return MADPO_OK;
}

static void append_messages(madpo_strbuf *text, const layout *l, const madpo_chat_message *messages,
                            size_t n_messages, bool add_generation_prompt)
{
    const madpo_chat_message *system = NULL; /* joins the first turn */

    for (size_t i = 0; i < n_messages; i++) {
        const madpo_chat_message *m = &messages[i];

        if (l->alternates && !strcmp(m->role, "system")) {
            system = m;
            continue;
        }
        append_head(text, l, m->role);
        if (system) { /* as it is: Gemma's template trims the user's text alone */
            madpo_strbuf_append_n(text, system->n_content ? system->content : "",
                                  system->n_content);
            madpo_strbuf_append(text, "\n\n");
            system = NULL;
        }
        append_content(text, l, m);
        append_end(text, l);
    }
    if (add_generation_prompt)
        append_head(text, l, "assistant");
}

madpo_status madpo_chat_format(char **out, size_t *n, madpo_chat_kind kind,
                               const madpo_chat_message *messages, size_t n_messages,
                               bool add_generation_prompt, madpo_error *err)
{
    madpo_strbuf text = {0};
    madpo_status st = check_messages(&layouts[kind], messages, n_messages, err);

    *out = NULL;
    *n = 0;
    if (st != MADPO_OK)
        return st;
    append_messages(&text, &layouts[kind], messages, n_messages, add_generation_prompt);
    return madpo_strbuf_steal(&text, out, n, err);
}

/* Llama-3.1's system turn: dates, then the system message if there is one. */
static madpo_status append_dates(madpo_strbuf *text, const layout *l, const char *template,
                                 const madpo_chat_message *system, madpo_error *err)
{
    static const char set[] = "date_string = \"";
    const char *date = strstr(template, set),
               *end = date ? strchr(date + sizeof set - 1, '"') : NULL;

    if (!end)
        return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                               "the tokenizer's chat template writes a date that it does not hold; "
                               "give plain prompt text");
    date += sizeof set - 1;
    append_head(text, l, "system");
    madpo_strbuf_append(text, "Cutting Knowledge Date: December 2023\nToday Date: ");
    madpo_strbuf_append_n(text, date, (size_t)(end - date));
    madpo_strbuf_append(text, "\n\n");
    if (system)
        append_content(text, l, system);
    append_end(text, l);
    return MADPO_OK;
}

/* Qwen2's, SmolLM2's system turn where the messages have none. */
static madpo_status append_default_system(madpo_strbuf *text, const layout *l,
                                          const madpo_tokenizer *tok, madpo_error *err)
{
    madpo_chat_message system = {"system", NULL, 0};
    char *content;
    madpo_status st = madpo_chat_default_system(&content, &system.n_content, tok, err);

    if (st != MADPO_OK || !system.n_content) {
        free(content);
        return st;
    }
    system.content = content;
    append_messages(text, l, &system, 1, false);
    free(content);
    return MADPO_OK;
}

madpo_status madpo_chat_format_of(char **out, size_t *n, const madpo_tokenizer *tok,
                                  madpo_chat_kind kind, const madpo_chat_message *messages,
                                  size_t n_messages, bool add_generation_prompt, madpo_error *err)
{
    const layout *l = &layouts[kind];
    const char *template = tok ? madpo_tokenizer_chat_template(tok) : NULL;
    madpo_strbuf text = {0};
    madpo_status st = check_messages(l, messages, n_messages, err);
    bool system = st == MADPO_OK && !strcmp(messages->role, "system");

    *out = NULL;
    *n = 0;
    if (st == MADPO_OK && kind == MADPO_CHAT_LLAMA3 && template &&
        strstr(template, "Cutting Knowledge Date")) {
        st = append_dates(&text, l, template, system ? messages : NULL, err);
        messages += system;
        n_messages -= system;
    } else if (st == MADPO_OK && kind == MADPO_CHAT_CHATML && !system && tok) {
        st = append_default_system(&text, l, tok, err);
    }
    if (st == MADPO_OK) {
        append_messages(&text, l, messages, n_messages, add_generation_prompt);
        return madpo_strbuf_steal(&text, out, n, err);
    }
    madpo_strbuf_dispose(&text);
    return st;
}

madpo_status madpo_chat_format_completion(char **out, size_t *n, madpo_chat_kind kind,
                                          const madpo_chat_message *message, madpo_error *err)
{
    const layout *l = &layouts[kind];
    madpo_strbuf text = {0};

    append_content(&text, l, message);
    append_end(&text, l);
    return madpo_strbuf_steal(&text, out, n, err);
}
