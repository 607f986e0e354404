/* Lines of tokens.jsonl; see tokens.h. */
#include "run/tokens.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"

static const char *const answer_names[2] = {"chosen", "rejected"};

void madpo_token_line_dispose(madpo_token_line *line)
{
    free(line->v[0]);
    free(line->v[1]);
    *line = (madpo_token_line){0};
}

double madpo_token_line_sum(const madpo_token_line *line, int answer, bool logp)
{
    double sum = 0.0;

    for (size_t i = 0; i < line->n[answer]; i++) {
        double x = logp ? line->v[answer][i].logp : line->v[answer][i].ratio;

        sum += isnan(x) ? 0.0 : x;
    }
    return sum;
}

/* ---- writing ---- */

static void put_places(madpo_strbuf *b, const char *key, const madpo_token *v, size_t n, bool at)
{
    madpo_strbuf_printf(b, "\"%s\":[", key);
    for (size_t i = 0; i < n; i++)
        madpo_strbuf_printf(b, "%s%ld", i ? "," : "", (long)(at ? v[i].at : v[i].n));
    madpo_strbuf_append_char(b, ']');
}

static void put_numbers(madpo_strbuf *b, const char *key, const madpo_token *v, size_t n, bool logp)
{
    madpo_strbuf_printf(b, ",\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        double x = logp ? v[i].logp : v[i].ratio;

        if (isfinite(x))
            madpo_strbuf_printf(b, "%s%.9g", i ? "," : "", x);
        else
            madpo_strbuf_append(b, i ? ",null" : "null");
    }
    madpo_strbuf_append_char(b, ']');
}

madpo_status madpo_token_line_format(char **out, const madpo_token_line *line, madpo_error *err)
{
    madpo_strbuf b = {0};

    madpo_strbuf_printf(&b, "{\"id\":%lld,\"step\":%lld,\"split\":\"%s\"", (long long)line->id,
                        (long long)line->step, line->held_out ? "eval" : "train");
    for (int k = 0; k < 2; k++) {
        madpo_strbuf_printf(&b, ",\"%s\":{", answer_names[k]);
        put_places(&b, "at", line->v[k], line->n[k], true);
        madpo_strbuf_append_char(&b, ',');
        put_places(&b, "n", line->v[k], line->n[k], false);
        put_numbers(&b, "logp", line->v[k], line->n[k], true);
        if (line->has_ratio)
            put_numbers(&b, "ratio", line->v[k], line->n[k], false);
        madpo_strbuf_append_char(&b, '}');
    }
    madpo_strbuf_append(&b, "}\n");
    return madpo_strbuf_steal(&b, out, NULL, err);
}

/* ---- reading ---- */

static double number_of(const json_t *array, size_t i)
{
    const json_t *value = json_array_get(array, i);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static madpo_status answer_token(madpo_token *token, const json_t *arrays[4], size_t i,
                                 int64_t *end, const char *where, madpo_error *err)
{
    json_int_t at = json_integer_value(json_array_get(arrays[0], i));
    json_int_t n = json_integer_value(json_array_get(arrays[1], i));

    if (!json_is_integer(json_array_get(arrays[0], i)) ||
        !json_is_integer(json_array_get(arrays[1], i)) || at < *end || n < 0 || at > INT32_MAX - n)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: token %zu lies at no place behind the one before it", where, i);
    *end = at + n;
    *token = (madpo_token){.at = (int32_t)at,
                           .n = (int32_t)n,
                           .logp = number_of(arrays[2], i),
                           .ratio = arrays[3] ? number_of(arrays[3], i) : (double)NAN};
    return MADPO_OK;
}

static madpo_status answer_parse(madpo_token_line *out, int k, const json_t *answer,
                                 const char *where, madpo_error *err)
{
    static const char *const keys[4] = {"at", "n", "logp", "ratio"};
    const json_t *arrays[4];
    size_t n_arrays = out->has_ratio ? 4 : 3, n;
    madpo_status st = MADPO_OK;
    int64_t end = 0;

    for (size_t i = 0; i < 4; i++)
        arrays[i] = json_object_get(answer, keys[i]);
    n = json_array_size(arrays[0]);
    for (size_t i = 0; i < n_arrays; i++)
        if (!json_is_array(arrays[i]) || json_array_size(arrays[i]) != n)
            return madpo_error_set(err, MADPO_ERR_DATA, "%s: %s has no %s for each of its tokens",
                                   where, answer_names[k], keys[i]);
    if (!out->has_ratio)
        arrays[3] = NULL;
    out->v[k] = calloc(n + 1, sizeof *out->v[k]);
    if (!out->v[k])
        return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: %zu tokens", where, n);
    for (size_t i = 0; i < n && st == MADPO_OK; i++)
        st = answer_token(&out->v[k][i], arrays, i, &end, where, err);
    out->n[k] = st == MADPO_OK ? n : 0;
    return st;
}

madpo_status madpo_token_line_parse(madpo_token_line *out, const char *text, size_t n,
                                    const char *where, madpo_error *err)
{
    json_t *line = NULL, *answer = NULL;
    const char *split = NULL;
    madpo_status st = madpo_json_parse(&line, text, n, where, 1, err);

    *out = (madpo_token_line){0};
    if (st == MADPO_OK)
        st = madpo_json_get_int(&out->id, line, "id", where, err);
    if (st == MADPO_OK)
        st = madpo_json_get_int(&out->step, line, "step", where, err);
    if (st == MADPO_OK)
        st = madpo_json_get_string(&split, line, "split", where, err);
    out->held_out = st == MADPO_OK && strcmp(split, "train") != 0;
    out->has_ratio = json_object_get(json_object_get(line, "chosen"), "ratio") != NULL;
    for (int k = 0; k < 2 && st == MADPO_OK; k++) {
        st = madpo_json_get_object(&answer, line, answer_names[k], where, err);
        if (st == MADPO_OK)
            st = answer_parse(out, k, answer, where, err);
    }
    json_decref(line);
    return st;
}

/* ---- showing ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

madpo_status madpo_token_line_scale(double *out, const madpo_token_line *line, bool logp,
                                    madpo_error *err)
{
    double *sorted = malloc((line->n[0] + line->n[1] + 1) * sizeof *sorted);
    size_t n = 0;

    *out = 0.0;
    if (!sorted)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "scale of %zu tokens",
                               line->n[0] + line->n[1]);
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < line->n[k]; i++) {
            double x = fabs(logp ? line->v[k][i].logp : line->v[k][i].ratio);

            if (isfinite(x))
                sorted[n++] = x;
        }
    qsort(sorted, n, sizeof *sorted, ascending);
    if (n > 0)
        *out = sorted[(n - 1) * 19 / 20];
    free(sorted);
    return MADPO_OK;
}

int madpo_token_level(double value, double scale)
{
    double share = scale > 0.0 ? fabs(value) / scale : 0.0;
    int level = share >= 0.75 ? 3 : share >= 0.5 ? 2 : share >= 0.25 ? 1 : 0; /* NaN: 0 */

    return value < 0.0 ? -level : level;
}
