/* A run as a page of text; see report.h. */
#include <math.h>
#include <string.h>

#include "report/inside.h"

static void put_padded(madpo_strbuf *b, const char *text, int width)
{
    madpo_strbuf_printf(b, width < 0 ? "%-*s" : "%*s", width < 0 ? -width : width, text);
}

static const json_t *find_evaluation(const madpo_report *r, const char *who)
{
    for (size_t i = 0; i < json_array_size(r->evaluations); i++) {
        const json_t *e = json_array_get(r->evaluations, i);

        if (strcmp(madpo__string(e, "stage"), "evaluate") == 0 &&
            strcmp(madpo__string(e, "who"), who) == 0)
            return e;
    }
    return NULL;
}

static double interval_end(const json_t *evaluation, size_t i)
{
    const json_t *end = json_array_get(json_object_get(evaluation, "ci95"), i);

    return json_is_number(end) ? json_number_value(end) : NAN;
}

void madpo__put_verdict(madpo_strbuf *b, const madpo_report *r)
{
    const json_t *before = find_evaluation(r, "reference"), *after = find_evaluation(r, "policy");
    double gain = madpo__number(after, "mean") - madpo__number(before, "mean");

    if (isnan(gain) || strcmp(madpo__string(before, "metric"), madpo__string(after, "metric")) != 0)
        return;
    madpo_strbuf_printf(b, "%s of the policy %.4g, of the reference %.4g: %+.4g",
                        madpo__string(after, "metric"), madpo__number(after, "mean"),
                        madpo__number(before, "mean"), gain);
    if (interval_end(before, 1) < interval_end(after, 0) ||
        interval_end(after, 1) < interval_end(before, 0))
        madpo_strbuf_append(b, "; the 95 % intervals do not overlap");
    else if (!isnan(interval_end(before, 0)) && !isnan(interval_end(after, 0)))
        madpo_strbuf_append(b, "; the 95 % intervals overlap");
}

/* A number right-aligned in 10 columns. */
static void put_column(madpo_strbuf *b, double value)
{
    madpo_strbuf text = {0};

    madpo__put_number(&text, value);
    put_padded(b, text.s ? text.s : "", 10);
    madpo_strbuf_dispose(&text);
}

static void put_head(madpo_strbuf *b, const madpo_report *r)
{
    madpo_strbuf verdict = {0};
    static const char *const keys[] = {"objective", "model", "data", "device"};

    madpo_strbuf_printf(b, "run        %s (%s)\nstate      %s%s%s\n", json_string_value(r->name),
                        madpo__string(r->manifest, "id"), r->status, r->reason ? ": " : "",
                        r->reason ? r->reason : "");
    madpo__put_verdict(&verdict, r);
    if (verdict.n > 0)
        madpo_strbuf_printf(b, "result     %s\n", verdict.s);
    madpo_strbuf_dispose(&verdict);
    madpo_strbuf_append(b, "time       ");
    madpo__put_time(b, r->began);
    madpo_strbuf_append(b, " to ");
    madpo__put_time(b, r->last);
    madpo_strbuf_append(b, " UTC");
    if (r->n_resumes > 0)
        madpo_strbuf_printf(b, ", resumed %d time%s", r->n_resumes, r->n_resumes == 1 ? "" : "s");
    if (r->paused > 0.0) {
        madpo_strbuf_append(b, ", paused ");
        madpo__put_duration(b, r->paused);
    }
    madpo_strbuf_append_char(b, '\n');
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!*madpo__string(r->manifest, keys[i]))
            continue;
        madpo_strbuf_printf(b, "%-10s ", keys[i]);
        madpo__put_short(b, madpo__string(r->manifest, keys[i]));
        madpo_strbuf_append_char(b, '\n');
    }
}

/* The first and the last value of a series, smoothed as in the page. */
static void put_course(madpo_strbuf *b, const madpo_report *r, const char *stage, const char *name)
{
    const madpo__series *s = madpo__series_find(r, stage, name);

    if (!s)
        return;
    madpo_strbuf_printf(b, "  %s ", name);
    madpo__put_number(b, s->y[0]);
    madpo_strbuf_append(b, " to ");
    madpo__put_number(b, s->y[s->n - 1]);
    madpo_strbuf_append_char(b, '\n');
}

static void put_stages(madpo_strbuf *b, const madpo_report *r)
{
    static const char *const names[] = {"loss",
                                        "eval_loss",
                                        "eval_kl",
                                        "accuracy",
                                        "rewards/chosen",
                                        "rewards/rejected",
                                        "rewards/margins",
                                        "rewards/accuracies",
                                        "madpo/weight/ess"};

    if (r->n_stages > 0)
        madpo_strbuf_append(b, "\nSTAGES\n");
    for (size_t i = 0; i < r->n_stages; i++) {
        const madpo__stage *s = &r->stage[i];

        madpo_strbuf_printf(b, "%-10s %s%s", s->name,
                            strcmp(s->status, "start") == 0 ? "not finished" : s->status,
                            s->stopped_early ? ", stopped early" : "");
        if (s->steps > 0 && s->total > 0)
            madpo_strbuf_printf(b, ", step %lld of %lld", (long long)s->steps, (long long)s->total);
        if (s->best_step > 0)
            madpo_strbuf_printf(b, ", best step %lld", (long long)s->best_step);
        madpo_strbuf_append(b, ", ");
        madpo__put_duration(b, s->seconds);
        if (s->peak_bytes > 0.0)
            madpo_strbuf_printf(b, ", %.1f MB of device memory at most", s->peak_bytes / 1e6);
        madpo_strbuf_append_char(b, '\n');
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            put_course(b, r, s->name, names[k]);
    }
}

static void put_results(madpo_strbuf *b, const madpo_report *r)
{
    if (json_array_size(r->evaluations) == 0)
        return;
    madpo_strbuf_append(b, "\nRESULTS\nstage      of         measure                   n      mean "
                           "   95 % interval\n");
    for (size_t i = 0; i < json_array_size(r->evaluations); i++) {
        const json_t *e = json_array_get(r->evaluations, i), *ci = json_object_get(e, "ci95");

        madpo_strbuf_printf(b, "%-10s %-10s %-20s %6lld", madpo__string(e, "stage"),
                            madpo__string(e, "who"), madpo__string(e, "metric"),
                            (long long)json_integer_value(json_object_get(e, "n")));
        put_column(b, madpo__number(e, "mean"));
        if (json_is_number(json_array_get(ci, 0)) && json_is_number(json_array_get(ci, 1)))
            madpo_strbuf_printf(b, "    %.4g to %.4g", json_number_value(json_array_get(ci, 0)),
                                json_number_value(json_array_get(ci, 1)));
        madpo_strbuf_append_char(b, '\n');
    }
}

static void put_margins(madpo_strbuf *b, const madpo_report *r)
{
    size_t n = r->n_margins, negative = 0;

    if (n == 0)
        return;
    while (negative < n && r->h[negative] < 0.0)
        negative++;
    madpo_strbuf_printf(b,
                        "\nMARGINS\n%zu pairs: h from %.4g to %.4g, median %.4g, %.1f %% below 0\n",
                        n, r->h[0], r->h[n - 1], r->h[n / 2], 100.0 * (double)negative / (double)n);
}

static void put_lists(madpo_strbuf *b, const madpo_report *r)
{
    if (json_array_size(r->controls) > 0)
        madpo_strbuf_append(b, "\nDONE TO THE RUN\n");
    for (size_t i = 0; i < json_array_size(r->controls); i++) {
        const json_t *e = json_array_get(r->controls, i);
        const char *at = json_object_get(e, "step") ? "step" : "done";

        madpo_strbuf_printf(b, "%s %s %.0f, by %s: ", madpo__string(e, "stage"), at,
                            madpo__number(e, at), madpo__string(e, "by"));
        madpo__put_control(b, e);
        madpo_strbuf_append_char(b, '\n');
    }
    if (json_array_size(r->warnings) > 0)
        madpo_strbuf_append(b, "\nWARNINGS\n");
    for (size_t i = 0; i < json_array_size(r->warnings); i++)
        madpo_strbuf_printf(b, "%s\n", json_string_value(json_array_get(r->warnings, i)));
    if (json_array_size(r->settings) > 0)
        madpo_strbuf_append(b, "\nSETTINGS NOT AT THEIR DEFAULT\n");
    for (size_t i = 0; i < json_array_size(r->settings); i++) {
        const json_t *row = json_array_get(r->settings, i);

        madpo_strbuf_printf(b, "%s = %s (default %s)\n", json_string_value(json_array_get(row, 0)),
                            json_string_value(json_array_get(row, 1)),
                            json_string_value(json_array_get(row, 2)));
    }
}

madpo_status madpo_report_text(const madpo_report *report, char **out, madpo_error *err)
{
    madpo_strbuf b = {0};

    put_head(&b, report);
    put_stages(&b, report);
    put_results(&b, report);
    put_margins(&b, report);
    put_lists(&b, report);
    return madpo_strbuf_steal(&b, out, NULL, err);
}
