/* The two big parts of a tokenizer: vocabulary and merges; see load.h.
 *
 * Gemma's tokenizer.json has 33 MB, nearly all of them in model.vocab and model.merges. As JSON
 * values they would cost seconds and many times their size, so they are cut out of the text and
 * read here, straight into the tokenizer, as strictly as the JSON reader reads the rest. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "text/load.h"
#include "text/utf8.h"

/* A place in a text. */
typedef struct cursor {
    const char *text;
    size_t n, at;
} cursor;

static char peek(const cursor *c)
{
    return c->at < c->n ? c->text[c->at] : '\0';
}

static char skip_space(cursor *c)
{
    while (c->at < c->n && (c->text[c->at] == ' ' || c->text[c->at] == '\n' ||
                            c->text[c->at] == '\t' || c->text[c->at] == '\r'))
        c->at++;
    return peek(c);
}

/* ---- finding the parts ---- */

/* Over a string, from its first quote. */
static bool skip_string(cursor *c)
{
    for (c->at++; c->at < c->n; c->at++) {
        if (c->text[c->at] == '"') {
            c->at++;
            return true;
        }
        c->at += c->text[c->at] == '\\';
    }
    return false;
}

/* Over a value; *members: those of an object or array, at the most. Which brackets close which is
 * for the reader of the value to check. */
static bool skip_value(cursor *c, size_t *members)
{
    size_t depth = 0;

    *members = 1;
    for (; c->at < c->n; c->at++) {
        char b = c->text[c->at];

        if (b == '"') {
            if (!skip_string(c))
                return false;
            c->at--;
        } else if (b == '{' || b == '[') {
            depth++;
        } else if (b == '}' || b == ']') {
            if (depth == 0)
                return true;
            depth--;
        } else if (b == ',') {
            if (depth == 0)
                return true;
            *members += depth == 1;
            continue;
        } else {
            continue;
        }
        if (depth == 0) {
            c->at++;
            return true;
        }
    }
    return false;
}

/* Walk over the members of an object. In the root (vocab NULL) go into "model". *twice: a part
 * comes twice. False if this is no object. */
static bool carve_object(cursor *c, bool root, madpo_span *vocab, madpo_span *merges, bool *twice)
{
    if (skip_space(c) != '{')
        return false;
    c->at++;
    if (skip_space(c) == '}') {
        c->at++;
        return true;
    }
    for (;;) {
        size_t key = c->at, n_key, value, members;
        madpo_span *part = NULL;

        if (skip_space(c) != '"')
            return false;
        key = c->at;
        if (!skip_string(c))
            return false;
        n_key = c->at - key;
        if (skip_space(c) != ':')
            return false;
        c->at++;
        value = (skip_space(c), c->at);
        if (root && n_key == 7 && !memcmp(c->text + key, "\"model\"", 7) && peek(c) == '{') {
            if (!carve_object(c, false, vocab, merges, twice))
                return false;
        } else {
            if (!root && n_key == 7 && !memcmp(c->text + key, "\"vocab\"", 7) && peek(c) == '{')
                part = vocab;
            if (!root && n_key == 8 && !memcmp(c->text + key, "\"merges\"", 8) && peek(c) == '[')
                part = merges;
            if (!skip_value(c, &members))
                return false;
            if (part) {
                *twice |= part->end > 0;
                *part = (madpo_span){value, c->at, members};
            }
        }
        if (skip_space(c) == '}') {
            c->at++;
            return true;
        }
        if (peek(c) != ',')
            return false;
        c->at++;
    }
}

/* The brackets of a part and its line ends, which keep the lines of the rest where they are. */
static void carve_empty(madpo_strbuf *out, const char *text, madpo_span part)
{
    if (part.start == part.end)
        return;
    madpo_strbuf_append_char(out, text[part.start]);
    for (size_t at = part.start; at < part.end; at++) {
        const char *line = memchr(text + at, '\n', part.end - at);

        if (!line)
            break;
        madpo_strbuf_append_char(out, '\n');
        at = (size_t)(line - text);
    }
    madpo_strbuf_append_char(out, text[part.end - 1]);
}

madpo_status madpo__load_carve(const madpo_loading *c, const char *text, size_t n, char **rest,
                               size_t *n_rest, madpo_span *vocab, madpo_span *merges)
{
    cursor at = {text, n, 0};
    bool twice = false;
    madpo_strbuf out = {0};
    const madpo_span none = {0, 0, 0}, *first, *second;

    *rest = NULL;
    *vocab = *merges = none;
    if (!carve_object(&at, true, vocab, merges, &twice))
        *vocab = *merges = none;
    if (twice)
        return madpo__load_wrong(c, "model.vocab or model.merges is given twice");
    first = vocab->start < merges->start ? vocab : merges;
    second = first == vocab ? merges : vocab;
    madpo_strbuf_append_n(&out, text, first->start);
    carve_empty(&out, text, *first);
    madpo_strbuf_append_n(&out, text + first->end, second->start - first->end);
    carve_empty(&out, text, *second);
    madpo_strbuf_append_n(&out, text + second->end, n - second->end);
    return madpo_strbuf_steal(&out, rest, n_rest, c->err);
}

madpo_span madpo__load_whole(const char *text, size_t n)
{
    cursor c = {text, n, 0};
    madpo_span span = {0, n, 1};

    skip_space(&c);
    skip_value(&c, &span.n);
    return span;
}

/* ---- strings ---- */

static int line_of(const cursor *c)
{
    int line = 1;

    for (size_t i = 0; i < c->at && i < c->n; i++)
        line += c->text[i] == '\n';
    return line;
}

static madpo_status read_wrong(const madpo_loading *c, const cursor *at, const char *what)
{
    return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, line_of(at), 0, "invalid JSON: %s",
                              what);
}

/* Four hex digits behind "\u", -1 if they are none. */
static int32_t read_hex4(cursor *c)
{
    int32_t value = 0;

    if (c->n - c->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char d = c->text[c->at++];

        if (d >= '0' && d <= '9')
            value = value * 16 + (d - '0');
        else if ((d | 32) >= 'a' && (d | 32) <= 'f')
            value = value * 16 + ((d | 32) - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* "\uHHHH", two of them for what lies above U+FFFF; c->at is behind the u. */
static bool read_unicode(cursor *c, madpo_strbuf *out)
{
    int32_t cp = read_hex4(c), low;
    char utf8[4];

    if (cp < 0 || (cp >= 0xDC00 && cp <= 0xDFFF))
        return false;
    if (cp >= 0xD800 && cp <= 0xDBFF) {
        if (c->n - c->at < 6 || c->text[c->at] != '\\' || c->text[c->at + 1] != 'u')
            return false;
        c->at += 2;
        low = read_hex4(c);
        if (low < 0xDC00 || low > 0xDFFF)
            return false;
        cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
    }
    madpo_strbuf_append_n(out, utf8, madpo_utf8_write(cp, utf8));
    return true;
}

static bool read_escape(cursor *c, madpo_strbuf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *which;
    char e = c->at + 1 < c->n ? c->text[c->at + 1] : '\0';

    c->at += 2;
    if (e == 'u')
        return read_unicode(c, out);
    which = e ? strchr(from, e) : NULL;
    if (which)
        madpo_strbuf_append_char(out, to[which - from]);
    return which != NULL;
}

/* Over what stands for itself in a string, up to a quote or an escape. */
static const char *read_plain(cursor *c)
{
    while (c->at < c->n && c->text[c->at] != '"' && c->text[c->at] != '\\') {
        int32_t cp = (unsigned char)c->text[c->at];

        if (cp < 0x20)
            return "a control character in a string";
        if (cp < 0x80)
            c->at++;
        else
            c->at += madpo_utf8_read(c->text + c->at, c->n - c->at, &cp);
        if (cp < 0)
            return "a string that is not UTF-8";
    }
    return NULL;
}

/* Append the string at the cursor to `out`. */
static madpo_status read_string(const madpo_loading *c, cursor *at, madpo_strbuf *out)
{
    if (peek(at) != '"')
        return read_wrong(c, at, "a string is expected");
    for (at->at++; at->at < at->n && at->text[at->at] != '"';) {
        size_t start = at->at;
        const char *wrong = read_plain(at);

        if (wrong)
            return read_wrong(c, at, wrong);
        madpo_strbuf_append_n(out, at->text + start, at->at - start);
        if (peek(at) == '\\' && !read_escape(at, out))
            return read_wrong(c, at, "a bad escape in a string");
    }
    if (at->at >= at->n)
        return read_wrong(c, at, "a string without end");
    at->at++;
    return madpo_strbuf_check(out, c->err);
}

/* ---- the vocabulary ---- */

/* An integer at the cursor; false if there is something else. */
static bool read_integer(cursor *c, int64_t *out)
{
    bool negative = peek(c) == '-';
    size_t start;

    c->at += negative;
    start = c->at;
    for (*out = 0; peek(c) >= '0' && peek(c) <= '9'; c->at++)
        if (*out < INT64_MAX / 20)
            *out = *out * 10 + (peek(c) - '0');
    *out = negative ? -*out : *out;
    return c->at > start && (c->text[start] != '0' || c->at == start + 1) &&
           !memchr(".eE", peek(c), 3);
}

static madpo_status read_entry(const madpo_loading *c, cursor *at, madpo_strbuf *key)
{
    int64_t id;
    madpo_status st;

    madpo_strbuf_reset(key);
    st = read_string(c, at, key);
    if (st != MADPO_OK)
        return st;
    if (skip_space(at) != ':')
        return read_wrong(c, at, "':' expected in the vocabulary");
    at->at++;
    skip_space(at);
    if (!read_integer(at, &id))
        return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                  "token \"%.60s\" has no integer id", key->s ? key->s : "");
    return madpo__load_put(c, id, key->s ? key->s : "", key->n);
}

/* Behind a member: more to come? */
static madpo_status read_more(const madpo_loading *c, cursor *at, char close, bool *more)
{
    char b = skip_space(at);

    *more = b == ',';
    if (b != ',' && b != close)
        return read_wrong(c, at, "',' expected between the members of a list");
    at->at++;
    skip_space(at);
    return MADPO_OK;
}

madpo_status madpo__load_vocab(const madpo_loading *c, const char *text, madpo_span vocab)
{
    cursor at = {text, vocab.end, vocab.start};
    madpo_strbuf key = {0};
    madpo_status st = MADPO_OK;
    bool more;

    if (skip_space(&at) != '{')
        return read_wrong(c, &at, "an object is expected");
    at.at++;
    more = skip_space(&at) != '}';
    while (more && st == MADPO_OK) {
        st = read_entry(c, &at, &key);
        if (st == MADPO_OK)
            st = read_more(c, &at, '}', &more);
    }
    madpo_strbuf_dispose(&key);
    return st;
}

/* ---- merges ---- */

/* A merge whose halves lie in `both`, the first n_left bytes being the left one. */
static madpo_status put_merge(const madpo_loading *c, madpo_strbuf *both, size_t n_left,
                              size_t number)
{
    size_t prefix = c->tok->word_prefix ? strlen(c->tok->word_prefix) : 0;
    size_t n_right = both->n - n_left, n = both->n;
    int32_t left = madpo__tokenizer_find_model(c->tok, both->s, n_left);
    int32_t right = madpo__tokenizer_find_model(c->tok, both->s + n_left, n_right), result = -1;
    const char *missing = left < 0 ? both->s : both->s + n_left;
    size_t n_missing = left < 0 ? n_left : n_right;

    if (left >= 0 && right >= 0 && n_right >= prefix) {
        memmove(both->s + n_left, both->s + n_left + prefix, n_right - prefix);
        n -= prefix;
        result = madpo__tokenizer_find_model(c->tok, both->s, n);
        missing = both->s;
        n_missing = n;
    }
    if (result < 0)
        return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                  "merge %zu: \"%.*s\" is not in the vocabulary", number,
                                  (int)(n_missing < 60 ? n_missing : 60), missing);
    return madpo__tokenizer_put_merge(c->tok, left, right, result, c->err);
}

static madpo_status merge_wrong(const madpo_loading *c, size_t number)
{
    return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                              "merge %zu is neither \"a b\" nor [\"a\", \"b\"]", number);
}

/* "a b" in `both`: two halves around the only blank. */
static madpo_status put_merge_text(const madpo_loading *c, madpo_strbuf *both, size_t number)
{
    const char *blank = both->n ? memchr(both->s, ' ', both->n) : NULL;
    size_t n_left = blank ? (size_t)(blank - both->s) : 0;

    if (!n_left || n_left + 1 == both->n || memchr(blank + 1, ' ', both->n - n_left - 1))
        return merge_wrong(c, number);
    memmove(both->s + n_left, both->s + n_left + 1, both->n - n_left - 1);
    both->n--;
    return put_merge(c, both, n_left, number);
}

static bool is_version(const madpo_strbuf *line)
{
    return line->n >= 8 && !memcmp(line->s, "#version", 8);
}

static madpo_status read_merge(const madpo_loading *c, cursor *at, madpo_strbuf *both,
                               size_t number)
{
    madpo_status st;
    size_t n_left;

    madpo_strbuf_reset(both);
    if (peek(at) == '"') {
        st = read_string(c, at, both);
        if (st != MADPO_OK || is_version(both))
            return st;
        return put_merge_text(c, both, number);
    }
    if (peek(at) != '[')
        return merge_wrong(c, number);
    at->at++;
    if (skip_space(at) != '"')
        return merge_wrong(c, number);
    st = read_string(c, at, both);
    n_left = both->n;
    if (st != MADPO_OK)
        return st;
    if (skip_space(at) != ',')
        return merge_wrong(c, number);
    at->at++;
    if (skip_space(at) != '"')
        return merge_wrong(c, number);
    st = read_string(c, at, both);
    if (st != MADPO_OK)
        return st;
    if (skip_space(at) != ']' || !n_left || both->n == n_left)
        return merge_wrong(c, number);
    at->at++;
    return put_merge(c, both, n_left, number);
}

madpo_status madpo__load_merges(const madpo_loading *c, const char *text, madpo_span merges)
{
    cursor at = {text, merges.end, merges.start + 1};
    madpo_strbuf both = {0};
    madpo_status st = MADPO_OK;
    bool more = skip_space(&at) != ']';

    for (size_t i = 0; more && st == MADPO_OK; i++) {
        st = read_merge(c, &at, &both, i);
        if (st == MADPO_OK)
            st = read_more(c, &at, ']', &more);
    }
    madpo_strbuf_dispose(&both);
    return st;
}

madpo_status madpo__load_merge_lines(const madpo_loading *c, const char *text, size_t n)
{
    madpo_strbuf line = {0};
    madpo_status st = MADPO_OK;
    size_t number = 0;

    for (size_t at = 0, end; at < n && st == MADPO_OK; at = end + 1) {
        const char *stop = memchr(text + at, '\n', n - at);

        end = stop ? (size_t)(stop - text) : n;
        madpo_strbuf_reset(&line);
        madpo_strbuf_append_n(&line, text + at, end - at);
        if (line.n && line.s[line.n - 1] == '\r')
            line.s[--line.n] = '\0';
        st = madpo_strbuf_check(&line, c->err);
        if (st == MADPO_OK && line.n && !is_version(&line))
            st = put_merge_text(c, &line, number++);
    }
    madpo_strbuf_dispose(&line);
    return st;
}
