/* Numbers over steps, and numbers as words. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "report/inside.h"

static madpo__series *series_get(madpo_report *report, const char *stage, const char *name)
{
    for (size_t i = 0; i < report->n_series; i++) {
        madpo__series *s = &report->series[i];

        if (strcmp(s->stage, stage) == 0 && strcmp(s->name, name) == 0)
            return s;
    }
    return NULL;
}

static madpo__series *series_new(madpo_report *report, const char *stage, const char *name)
{
    madpo__series *grown = realloc(report->series, (report->n_series + 1) * sizeof *grown), *s;

    if (!grown)
        return NULL;
    report->series = grown;
    s = &grown[report->n_series];
    *s = (madpo__series){.stage = strdup(stage), .name = strdup(name)};
    if (!s->stage || !s->name) {
        madpo__series_dispose(s);
        return NULL;
    }
    report->n_series++;
    return s;
}

static bool series_grow(madpo__series *s)
{
    size_t capacity = s->capacity * 2 + 64;
    double *x = realloc(s->x, capacity * sizeof *x), *y;

    if (!x)
        return false;
    s->x = x;
    y = realloc(s->y, capacity * sizeof *y);
    if (!y)
        return false;
    s->y = y;
    s->capacity = capacity;
    return true;
}

madpo_status madpo__series_add(madpo_report *report, const char *stage, const char *name, double x,
                               double y, madpo_error *err)
{
    madpo__series *s = series_get(report, stage, name);

    if (!s)
        s = series_new(report, stage, name);
    if (!s)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "report: out of host memory");
    while (s->n > 0 && s->x[s->n - 1] >= x)
        s->n--;
    if (s->n == s->capacity && !series_grow(s))
        return madpo_error_set(err, MADPO_ERR_NOMEM, "report: out of host memory");
    s->x[s->n] = x;
    s->y[s->n++] = y;
    return MADPO_OK;
}

const madpo__series *madpo__series_find(const madpo_report *report, const char *stage,
                                        const char *name)
{
    for (size_t i = 0; i < report->n_series; i++) {
        const madpo__series *s = &report->series[i];

        if (s->n > 0 && strcmp(s->stage, stage) == 0 && strcmp(s->name, name) == 0)
            return s;
    }
    return NULL;
}

void madpo__series_dispose(madpo__series *series)
{
    free(series->stage);
    free(series->name);
    free(series->x);
    free(series->y);
    *series = (madpo__series){0};
}

void madpo__smooth(const double *y, double *out, size_t n, double keep)
{
    double sum = 0.0, weight = 0.0;

    for (size_t i = 0; i < n; i++) {
        if (isfinite(y[i])) {
            sum = keep * sum + (1.0 - keep) * y[i];
            weight = keep * weight + (1.0 - keep);
        }
        out[i] = weight > 0.0 ? sum / weight : NAN;
    }
}

/* ---- words ---- */

void madpo__put_duration(madpo_strbuf *b, double seconds)
{
    long long s = seconds < 1e15 ? (long long)(seconds + 0.5) : 0;

    if (!(seconds >= 0.0))
        madpo_strbuf_append(b, "-");
    else if (seconds < 59.5)
        madpo_strbuf_printf(b, seconds < 9.95 ? "%.1f s" : "%.0f s", seconds);
    else if (s < 3600)
        madpo_strbuf_printf(b, "%lld min %lld s", s / 60, s % 60);
    else
        madpo_strbuf_printf(b, "%lld h %lld min", s / 3600, s / 60 % 60);
}

void madpo__put_time(madpo_strbuf *b, double t)
{
    char text[64] = "-";
    struct tm utc;
    time_t seconds = isfinite(t) && fabs(t) < 1e12 ? (time_t)t : 0;

    if (isfinite(t) && gmtime_r(&seconds, &utc))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &utc);
    madpo_strbuf_append(b, text);
}

void madpo__put_number(madpo_strbuf *b, double value)
{
    if (isnan(value))
        madpo_strbuf_append(b, "-");
    else
        madpo_strbuf_printf(b, "%.4g", value);
}

void madpo__put_value(madpo_strbuf *b, const json_t *value)
{
    if (json_is_string(value))
        madpo_strbuf_append(b, json_string_value(value));
    else if (json_is_integer(value))
        madpo_strbuf_printf(b, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        madpo__put_number(b, json_real_value(value));
    else if (json_is_boolean(value))
        madpo_strbuf_append(b, json_is_true(value) ? "true" : "false");
    else
        madpo_strbuf_append(b, "-");
}

void madpo__put_short(madpo_strbuf *b, const char *words)
{
    while (*words) {
        size_t n = strcspn(words, " ");
        char *end;
        double value = strtod(words, &end);

        if (end == words + n && n > 10 && memchr(words, '.', n))
            madpo_strbuf_printf(b, "%.6g", value);
        else
            madpo_strbuf_append_n(b, words, n);
        for (words += n; *words == ' '; words++)
            madpo_strbuf_append_char(b, ' ');
    }
}

void madpo__put_control(madpo_strbuf *b, const json_t *event)
{
    madpo_strbuf_append(b, madpo__string(event, "action"));
    if (json_object_get(event, "times"))
        madpo_strbuf_printf(b, " x %.4g", madpo__number(event, "times"));
    if (json_object_get(event, "was"))
        madpo_strbuf_printf(b, " (%.4g to %.4g)", madpo__number(event, "was"),
                            madpo__number(event, "now"));
    if (json_object_get(event, "refused"))
        madpo_strbuf_printf(b, " refused: %s", madpo__string(event, "refused"));
}

const char *madpo__string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

double madpo__number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_number(value) ? json_number_value(value) : NAN;
}
