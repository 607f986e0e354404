/* Patterns; see regex.h. */
#include "text/regex.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "text/pretokenize.h"
#include "text/utf8.h"

/* Unicode's White_Space, as the inside of a class. */
#define SPACE_CLASS                                                                                \
    "\\x{9}-\\x{D}\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}"    \
    "\\x{205F}\\x{3000}"

enum { REGEX_STEPS = 20000000, REGEX_STACK = 1 << 20 };

/* ---- from Oniguruma's syntax to PCRE2's ---- */

typedef struct translation {
    const char *in;
    size_t n, at;
    madpo_strbuf out;
    bool in_class;
    char refused[24]; /* what has no equal, "" if all has */
} translation;

static bool translate_refuse(translation *t, size_t n)
{
    size_t left = t->n - t->at;

    n = n < left ? n : left;
    n = n < sizeof t->refused - 1 ? n : sizeof t->refused - 1;
    memcpy(t->refused, t->in + t->at, n);
    t->refused[n] = '\0';
    return false;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool translate_copy(translation *t, size_t n)
{
    if (n > t->n - t->at)
        return translate_refuse(t, n);
    madpo_strbuf_append_n(&t->out, t->in + t->at, n);
    t->at += n;
    return true;
}

/* \p{Name}, \P{Name}, \x{hex}: up to the brace. */
static bool translate_braced(translation *t)
{
    const char *end;

    if (t->at + 2 >= t->n || t->in[t->at + 2] != '{')
        return translate_refuse(t, 3);
    end = memchr(t->in + t->at, '}', t->n - t->at);
    return end ? translate_copy(t, (size_t)(end - (t->in + t->at)) + 1) : translate_refuse(t, 8);
}

/* \uHHHH is \x{HHHH}. */
static bool translate_u(translation *t)
{
    if (t->at + 6 > t->n)
        return translate_refuse(t, 6);
    for (size_t i = 2; i < 6; i++)
        if (!is_hex(t->in[t->at + i]))
            return translate_refuse(t, 6);
    madpo_strbuf_append(&t->out, "\\x{");
    madpo_strbuf_append_n(&t->out, t->in + t->at + 2, 4);
    madpo_strbuf_append_char(&t->out, '}');
    t->at += 6;
    return true;
}

static bool translate_escape(translation *t)
{
    char c = t->at + 1 < t->n ? t->in[t->at + 1] : '\0';

    switch (c) {
    case 's':
        madpo_strbuf_append(&t->out, t->in_class ? SPACE_CLASS : "[" SPACE_CLASS "]");
        t->at += 2;
        return true;
    case 'S':
        madpo_strbuf_append(&t->out, t->in_class ? "\\S\\x{180E}" : "[^" SPACE_CLASS "]");
        t->at += 2;
        return true;
    case 'p':
    case 'P':
    case 'x':
        return translate_braced(t);
    case 'u':
        return translate_u(t);
    case 'd':
    case 'D':
    case 'r':
    case 'n':
    case 't':
    case 'f':
        return translate_copy(t, 2);
    default: /* a mark that stands for itself */
        if (c > ' ' && c < 0x7F && !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z'))
            return translate_copy(t, 2);
        return translate_refuse(t, 2);
    }
}

/* "(": groups and what looks around, but no verbs, names or other flags. "(?i)" changes the rest of
 * the pattern in one engine and the rest of the alternative in the other, unless it comes first. */
static bool translate_group(translation *t)
{
    static const char *const known[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?i)"};

    if (t->at + 1 < t->n && t->in[t->at + 1] == '*')
        return translate_refuse(t, 6);
    if (t->at + 1 >= t->n || t->in[t->at + 1] != '?')
        return translate_copy(t, 1);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i]);

        if (n <= t->n - t->at && !memcmp(t->in + t->at, known[i], n) &&
            (known[i][n - 1] != ')' || t->at == 0))
            return translate_copy(t, n);
    }
    return translate_refuse(t, 4);
}

static bool translate_class_start(translation *t)
{
    t->in_class = true;
    translate_copy(t, t->at + 1 < t->n && t->in[t->at + 1] == '^' ? 2 : 1);
    return t->at < t->n && t->in[t->at] == ']' ? translate_refuse(t, 1) : true;
}

static bool translate_one(translation *t)
{
    char c = t->in[t->at], next = t->at + 1 < t->n ? t->in[t->at + 1] : '\0';

    if (c == '\0')
        return translate_refuse(t, 1);
    if (c == '\\')
        return translate_escape(t);
    if (t->in_class) {
        if (c == '[' || (c == '&' && next == '&'))
            return translate_refuse(t, 2);
        t->in_class = c != ']';
        return translate_copy(t, 1);
    }
    if (c == '[')
        return translate_class_start(t);
    if (c == '(')
        return translate_group(t);
    if ((c == '}' && next == '+') || (c == '{' && next == ','))
        return translate_refuse(t, 2);
    return translate_copy(t, 1);
}

static madpo_status regex_translate(madpo_strbuf *out, const char *text, size_t n, madpo_error *err)
{
    translation t = {text, n, 0, {0}, false, ""};

    while (t.at < t.n)
        if (!translate_one(&t)) {
            madpo_strbuf_dispose(&t.out);
            return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                                   "pattern \"%.*s\": \"%s\" is not implemented",
                                   (int)(n < 120 ? n : 120), text, t.refused);
        }
    *out = t.out;
    return madpo_strbuf_check(out, err);
}

/* ---- making patterns ---- */

madpo_status madpo__pattern_literal(madpo_pattern *p, const char *text, size_t n, madpo_error *err)
{
    memset(p, 0, sizeof *p);
    if (!n)
        return madpo_error_set(err, MADPO_ERR_UNSUPPORTED, "an empty pattern is not implemented");
    p->kind = MADPO_PATTERN_LITERAL;
    p->literal = malloc(n);
    if (!p->literal)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a pattern");
    memcpy(p->literal, text, n);
    p->n_literal = n;
    return MADPO_OK;
}

static madpo_status regex_compile(madpo_pattern *p, const madpo_strbuf *text, madpo_error *err)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    PCRE2_UCHAR why[120];
    PCRE2_SIZE where;
    int code;

    if (!context)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a pattern");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    p->code = pcre2_compile((PCRE2_SPTR)(text->s ? text->s : ""), text->n,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                            &code, &where, context);
    pcre2_compile_context_free(context);
    if (p->code)
        return MADPO_OK;
    pcre2_get_error_message(code, why, sizeof why / sizeof *why);
    return madpo_error_set(err, MADPO_ERR_UNSUPPORTED, "pattern \"%.120s\": %s",
                           text->s ? text->s : "", (const char *)why);
}

/* The three patterns that have a matcher of their own, as tokenizer.json writes them. */
static bool pattern_known(madpo_pattern *p, const char *text, size_t n)
{
    static const struct {
        madpo_pattern_kind kind;
        const char *text;
    } known[] = {
        {MADPO_PATTERN_GPT2,
         "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"},
        {MADPO_PATTERN_LLAMA3,
         "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
         "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
        {MADPO_PATTERN_QWEN, "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
                             "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].text) == n && !memcmp(known[i].text, text, n)) {
            p->kind = known[i].kind;
            return true;
        }
    return false;
}

madpo_status madpo__pattern_regex(madpo_pattern *p, const char *text, size_t n, madpo_error *err)
{
    madpo_strbuf translated = {0};
    pcre2_match_context *context;
    madpo_status st;

    memset(p, 0, sizeof *p);
    if (pattern_known(p, text, n))
        return MADPO_OK;
    p->kind = MADPO_PATTERN_REGEX;
    st = regex_translate(&translated, text, n, err);
    if (st == MADPO_OK)
        st = regex_compile(p, &translated, err);
    madpo_strbuf_dispose(&translated);
    if (st != MADPO_OK)
        return st;
    p->match = pcre2_match_data_create(1, NULL);
    p->context = context = pcre2_match_context_create(NULL);
    if (!p->match || !context) {
        madpo__pattern_dispose(p);
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a pattern");
    }
    pcre2_set_match_limit(context, REGEX_STEPS);
    if (pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0)
        p->stack = pcre2_jit_stack_create(1 << 15, REGEX_STACK, NULL);
    if (p->stack)
        pcre2_jit_stack_assign(context, NULL, p->stack);
    return MADPO_OK;
}

void madpo__pattern_dispose(madpo_pattern *p)
{
    free(p->literal);
    pcre2_match_data_free(p->match);
    pcre2_match_context_free(p->context);
    pcre2_jit_stack_free(p->stack);
    pcre2_code_free(p->code);
    memset(p, 0, sizeof *p);
}

/* ---- matching ---- */

static bool literal_next(const madpo_pattern *p, const char *text, size_t n, size_t at,
                         size_t *start)
{
    while (at + p->n_literal <= n) {
        const char *hit = memchr(text + at, *p->literal, n - p->n_literal - at + 1);

        if (!hit)
            return false;
        at = (size_t)(hit - text);
        if (!memcmp(hit, p->literal, p->n_literal)) {
            *start = at;
            return true;
        }
        at++;
    }
    return false;
}

/* The stretch of valid UTF-8 from f->at. The engine is told not to check it again: it would do so
 * to the end of the text for every match. */
static void regex_fence(madpo_find *f)
{
    size_t at = f->at, used;
    int32_t cp;

    for (; at < f->n; at += used) {
        used = madpo_utf8_read(f->text + at, f->n - at, &cp);
        if (cp < 0)
            break;
    }
    f->fence = f->at;
    f->fence_end = at;
    f->fenced = true;
}

static int regex_match(const madpo_find *f, uint32_t options)
{
    return pcre2_match(f->p->code, (PCRE2_SPTR)f->text + f->fence, f->fence_end - f->fence,
                       f->at - f->fence, options | PCRE2_NO_UTF_CHECK, f->p->match, f->p->context);
}

static madpo_status regex_next(madpo_find *f, bool *found, madpo_error *err)
{
    const PCRE2_SIZE *where = pcre2_get_ovector_pointer(f->p->match);

    for (;;) {
        int got;

        if (!f->fenced || f->at > f->fence_end)
            regex_fence(f);
        got = regex_match(f, 0);
        if (got == PCRE2_ERROR_JIT_STACKLIMIT)
            got = regex_match(f, PCRE2_NO_JIT);
        if (got == PCRE2_ERROR_NOMEMORY)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory to match a pattern");
        if (got < 0 && got != PCRE2_ERROR_NOMATCH)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "the tokenizer's pattern takes too many steps on a text of %zu "
                                   "bytes; split the text up",
                                   f->n);
        *found = got >= 0;
        if (*found) {
            f->start = f->fence + where[0];
            f->end = f->fence + where[1];
        }
        if (*found || f->fence_end >= f->n)
            return MADPO_OK;
        f->at = f->fence_end + 1; /* over the byte that is no UTF-8 */
        f->fenced = false;
    }
}

static bool covering_next(madpo_find *f)
{
    if (f->at >= f->n)
        return false;
    f->start = f->at;
    f->end = f->p->kind == MADPO_PATTERN_GPT2
                 ? madpo__pretokenize_next(f->text, f->n, f->at)
                 : madpo__pretokenize_llama3(f->text, f->n, f->at,
                                             f->p->kind == MADPO_PATTERN_LLAMA3 ? 3 : 1);
    return true;
}

madpo_status madpo__find_next(madpo_find *f, bool *found, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    int32_t cp;

    *found = false;
    while (f->at <= f->n) {
        if (f->p->kind == MADPO_PATTERN_LITERAL) {
            *found = literal_next(f->p, f->text, f->n, f->at, &f->start);
            f->end = f->start + f->p->n_literal;
        } else if (f->p->kind == MADPO_PATTERN_REGEX) {
            st = regex_next(f, found, err);
        } else {
            *found = covering_next(f);
        }
        if (st != MADPO_OK || !*found)
            return st;
        if (f->end > f->start || !f->matched || f->last != f->end) {
            f->at = f->last = f->end;
            f->matched = true;
            return st;
        }
        *found = false;
        f->at += f->at < f->n ? madpo_utf8_read(f->text + f->at, f->n - f->at, &cp) : 1;
    }
    return st;
}
