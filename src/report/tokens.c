/* A few pairs with their tokens shaded by what the policy has made of them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "report/inside.h"
#include "run/follow.h"

static void told_dispose(madpo__told_pair *told)
{
    madpo_token_line_dispose(&told->line);
    free(told->prompt);
    free(told->answer[0]);
    free(told->answer[1]);
    *told = (madpo__told_pair){0};
}

void madpo__tokens_dispose(struct madpo_report *report)
{
    for (size_t i = 0; i < report->n_told; i++)
        told_dispose(&report->told[i]);
    report->n_told = 0;
}

/* ---- collecting ---- */

static madpo__told_pair *find_told(struct madpo_report *r, long long id)
{
    for (size_t i = 0; i < r->n_told; i++)
        if (r->told[i].line.id == id)
            return &r->told[i];
    return NULL;
}

/* Values of steps beyond the one that a run went on from are void. */
static void forget_beyond(struct madpo_report *r, long long step)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n_told; i++) {
        if (r->told[i].line.step > step)
            told_dispose(&r->told[i]);
        else
            r->told[kept++] = r->told[i];
    }
    r->n_told = kept;
}

/* A line of tokens.jsonl; what is none is passed over. */
static madpo_status take_token_line(struct madpo_report *r, const char *text, size_t n,
                                    madpo_error *err)
{
    madpo__told_pair *told;
    madpo_token_line line;
    char head[64];
    long long id;
    madpo_status st;

    snprintf(head, sizeof head, "%.*s", (int)(n < 60 ? n : 60), text);
    if (sscanf(head, "{\"from\":%lld}", &id) == 1)
        forget_beyond(r, id);
    if (sscanf(head, "{\"id\":%lld,", &id) != 1)
        return MADPO_OK;
    told = find_told(r, id);
    if (!told && r->n_told == MADPO__TOLD_PAIRS)
        return MADPO_OK;
    st = madpo_token_line_parse(&line, text, n, "tokens.jsonl", err);
    if (st != MADPO_OK) {
        madpo_token_line_dispose(&line);
        if (st != MADPO_ERR_DATA)
            return st;
        madpo_error_clear(err);
        return MADPO_OK;
    }
    if (!told)
        told = &r->told[r->n_told++];
    madpo_token_line_dispose(&told->line);
    told->line = line;
    return MADPO_OK;
}

/* A line of pairs.jsonl: the texts of a pair that is told of. */
static madpo_status take_pair_line(struct madpo_report *r, const char *text, size_t n,
                                   madpo_error *err)
{
    json_t *line = json_loadb(text, n, 0, NULL);
    const json_t *id = json_object_get(line, "id");
    madpo__told_pair *told = json_is_integer(id) ? find_told(r, json_integer_value(id)) : NULL;
    madpo_status st = MADPO_OK;

    if (told && !told->prompt) {
        told->prompt = strdup(madpo__string(line, "prompt"));
        told->answer[0] = strdup(madpo__string(line, "chosen"));
        told->answer[1] = strdup(madpo__string(line, "rejected"));
        if (!told->prompt || !told->answer[0] || !told->answer[1])
            st = madpo_error_set(err, MADPO_ERR_NOMEM, "report: out of host memory");
    }
    json_decref(line);
    return st;
}

typedef madpo_status (*line_taker)(struct madpo_report *r, const char *text, size_t n,
                                   madpo_error *err);

static madpo_status each_text_line(struct madpo_report *r, const char *name, line_taker take,
                                   madpo_error *err)
{
    madpo_follow *follow = NULL;
    const char *line = NULL;
    size_t n = 0;
    madpo_status st = madpo_follow_open(&follow, r->dir, name, err);

    while (st == MADPO_OK && (st = madpo_follow_next(follow, &line, &n, err)) == MADPO_OK && line)
        st = take(r, line, n, err);
    madpo_follow_close(follow);
    return st;
}

madpo_status madpo__tokens_collect(struct madpo_report *report, madpo_error *err)
{
    madpo_status st = each_text_line(report, "tokens.jsonl", take_token_line, err);

    return st == MADPO_OK && report->n_told > 0
               ? each_text_line(report, "pairs.jsonl", take_pair_line, err)
               : st;
}

/* ---- the page ---- */

static void put_piece(madpo_strbuf *b, const char *text, size_t n)
{
    madpo_strbuf piece = {0};

    madpo_strbuf_append_n(&piece, text, n);
    madpo__put_escaped(b, piece.s ? piece.s : "");
    madpo_strbuf_dispose(&piece);
}

/* The end of a token, moved behind the character it ends in: a character is its first token's. */
static size_t whole(const char *text, size_t n, size_t at)
{
    while (at < n && ((unsigned char)text[at] & 0xc0) == 0x80)
        at++;
    return at < n ? at : n;
}

static void put_answer(madpo_strbuf *b, const char *text, const madpo_token *v, size_t n_tokens,
                       bool logp, double scale)
{
    size_t n = strlen(text), done = 0;

    for (size_t i = 0; i < n_tokens; i++) {
        size_t at = whole(text, n, (size_t)v[i].at);
        size_t end = whole(text, n, (size_t)v[i].at + (size_t)v[i].n);
        double value = logp ? v[i].logp : v[i].ratio;
        int level = madpo_token_level(value, scale);

        if (at < done)
            at = done;
        if (end <= at)
            continue;
        put_piece(b, text + done, at - done);
        if (level != 0)
            madpo_strbuf_printf(b, "<span class=\"%c%d\" title=\"%+.3g\">", level > 0 ? 'u' : 'd',
                                abs(level), value);
        put_piece(b, text + at, end - at);
        if (level != 0)
            madpo_strbuf_append(b, "</span>");
        done = end;
    }
    put_piece(b, text + done, n - done);
}

static void put_told(madpo_strbuf *b, const madpo__told_pair *told)
{
    static const char *const names[2] = {"chosen", "rejected"};
    bool logp = !told->line.has_ratio;
    madpo_error ignored = MADPO_ERROR_INIT;
    double scale;

    if (!told->prompt || madpo_token_line_scale(&scale, &told->line, logp, &ignored) != MADPO_OK)
        return;
    madpo_strbuf_append(b, "<div class=\"sample\">\n<p><b>");
    madpo__put_escaped(b, told->prompt);
    madpo_strbuf_printf(b,
                        "</b> <span class=\"soft\">pair %lld%s, step %lld, strongest from %.3g "
                        "on</span></p>\n<dl>\n",
                        (long long)told->line.id, told->line.held_out ? ", held out" : "",
                        (long long)told->line.step, 0.75 * scale);
    for (int k = 0; k < 2; k++) {
        madpo_strbuf_printf(b, "<dt>%s <span class=\"soft\">sum %+.3g</span></dt>\n<dd>", names[k],
                            madpo_token_line_sum(&told->line, k, logp));
        put_answer(b, told->answer[k], told->line.v[k], told->line.n[k], logp, scale);
        madpo_strbuf_append(b, "</dd>\n");
    }
    madpo_strbuf_append(b, "</dl>\n</div>\n");
}

void madpo__put_tokens(madpo_strbuf *b, const struct madpo_report *report)
{
    if (report->n_told == 0)
        return;
    if (report->told[0].line.has_ratio)
        madpo_strbuf_append(
            b, "<h2>Tokens</h2>\n<p class=\"soft\">The first pairs of tokens.jsonl. Each token is "
               "shaded by its log-ratio, what the policy made of it: <span class=\"u3\">likelier"
               "</span> or <span class=\"d3\">less likely</span> than under the reference; the sum "
               "is the answer's.</p>\n");
    else
        madpo_strbuf_append(
            b, "<h2>Tokens</h2>\n<p class=\"soft\">The first pairs of tokens.jsonl. Each token is "
               "shaded by its log-prob, since the objective has no reference: the stronger <span "
               "class=\"d3\">the shade</span>, the less likely.</p>\n");
    for (size_t i = 0; i < report->n_told; i++)
        put_told(b, &report->told[i]);
}
