/* Panels as numbers; see numbers.h. */
#include "tui/numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tui/panels.h"

void madpo_numbers_text(madpo_strbuf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '\t' || c == '\n' || c == '\\')
            madpo_strbuf_append(out, c == '\t' ? "\\t" : c == '\n' ? "\\n" : "\\\\");
        else
            madpo_strbuf_append_char(out, c < ' ' || c == 0x7f ? '?' : *text);
    }
}

/* A tab and a number. */
static void number(madpo_strbuf *out, double x)
{
    if (isnan(x))
        madpo_strbuf_append(out, "\tnan");
    else
        madpo_strbuf_printf(out, "\t%.9g", x);
}

/* ---- curves ---- */

#define CURVE_COLUMNS "curve\tstage\tstep\tstep_last\tn\tmean\tmin\tmax\tlast\tnan"

static void curve_points(madpo_strbuf *out, const madpo_curve *curve)
{
    const madpo_series *series = curve->series;
    size_t n = madpo_series_until(series, curve->until);

    for (size_t i = 0; i < n; i++) {
        const madpo_series_point *p = &series->v[i];

        madpo_numbers_text(out, curve->label);
        madpo_strbuf_append_char(out, '\t');
        madpo_numbers_text(out, curve->phase->name);
        number(out, p->x);
        number(out, p->x_last);
        madpo_strbuf_printf(out, "\t%u", p->n);
        number(out, madpo_series_mean(p));
        number(out, (double)p->min);
        number(out, (double)p->max);
        number(out, (double)p->last);
        madpo_strbuf_printf(out, "\t%u\n", p->n_bad);
    }
}

static madpo_status write_curves(madpo_strbuf *out, madpo_view *view, madpo_panel panel)
{
    madpo_plot plot;

    madpo_panel_curves(&plot, view, panel);
    for (int i = 0; i < plot.n; i++)
        curve_points(out, &plot.curve[i]);
    return MADPO_OK;
}

static madpo_status write_loss(madpo_strbuf *out, madpo_view *view, madpo_error *err)
{
    (void)err;
    return write_curves(out, view, MADPO_PANEL_LOSS);
}

static madpo_status write_rewards(madpo_strbuf *out, madpo_view *view, madpo_error *err)
{
    (void)err;
    return write_curves(out, view, MADPO_PANEL_REWARDS);
}

/* The value at the moment shown, and least and greatest until then. */
static madpo_status write_metrics(madpo_strbuf *out, madpo_view *view, madpo_error *err)
{
    int index = madpo_view_plot_phase(view);
    const madpo_phase *phase = index >= 0 ? madpo_view_history(view)->phases[index] : NULL;
    double until = madpo_view_plot_step(view);

    (void)err;
    for (size_t i = 0; phase && i < phase->n_metrics; i++) {
        const madpo_series *series = &phase->metrics[i].series;
        double low = (double)NAN, high = (double)NAN, n = 0, bad = 0;

        for (size_t k = 0; k < madpo_series_until(series, until); k++) {
            low = fmin(low, (double)series->v[k].min); /* of NaN and a number, the number */
            high = fmax(high, (double)series->v[k].max);
            n += series->v[k].n;
            bad += series->v[k].n_bad;
        }
        madpo_numbers_text(out, phase->metrics[i].name);
        madpo_strbuf_append_char(out, '\t');
        madpo_numbers_text(out, phase->name);
        number(out, madpo_series_at(series, until));
        number(out, low);
        number(out, high);
        madpo_strbuf_printf(out, "\t%.0f\t%.0f\n", n, bad);
    }
    return MADPO_OK;
}

/* ---- distributions ---- */

/* The histogram of h with the weight at the middle of each bin. */
static madpo_status write_margins(madpo_strbuf *out, madpo_view *view, madpo_error *err)
{
    const madpo_hist *hist = &view->stats.h;
    double width = hist->n_bins > 0 ? (hist->high - hist->low) / hist->n_bins : 0;

    (void)err;
    for (int i = 0; i < hist->n_bins && hist->n > 0; i++) {
        double h = madpo_hist_middle(hist, i);

        madpo_strbuf_printf(out, "%.9g", hist->low + width * i);
        number(out, hist->low + width * (i + 1));
        madpo_strbuf_printf(out, "\t%u", hist->count[i]);
        number(out,
               view->source->has_weight ? madpo_weight_w(&view->source->weight, h) : (double)NAN);
        number(out, view->has_preview ? madpo_weight_w(&view->preview, h) : (double)NAN);
        madpo_strbuf_append_char(out, '\n');
    }
    return MADPO_OK;
}

/* The heat strip: a line for every row of every column that has pairs. */
static madpo_status write_weights(madpo_strbuf *out, madpo_view *view, madpo_error *err)
{
    const madpo_history *history = madpo_view_history(view);
    int index = madpo_history_phase(history, "policy");
    const madpo_heat *heat = index >= 0 ? &history->phases[index]->heat : NULL;
    double until = madpo_view_policy_step(view);

    (void)err;
    for (size_t i = 0; heat && i < heat->n && heat->v[i].x <= until; i++)
        for (int row = 0; row < MADPO_HEAT_ROWS; row++) {
            const madpo_heat_column *c = &heat->v[i];

            if (c->count[row] == 0)
                continue;
            madpo_strbuf_printf(out, "%.9g", c->x);
            number(out, c->x_last);
            number(out, heat->high * row / MADPO_HEAT_ROWS);
            number(out, heat->high * (row + 1) / MADPO_HEAT_ROWS);
            madpo_strbuf_printf(out, "\t%u", c->count[row]);
            number(out, madpo_weights_ess(c->sum, c->sum_squares, c->n));
            madpo_strbuf_append_char(out, '\n');
        }
    return MADPO_OK;
}

static madpo_status write_groups(madpo_strbuf *out, madpo_view *view, madpo_error *err)
{
    static const double shares[5] = {0.05, 0.25, 0.5, 0.75, 0.95};

    (void)err;
    for (int i = 0; i < view->stats.n_groups; i++) {
        const madpo_group *group = &view->stats.group[i];

        if (group->h.n == 0)
            continue;
        madpo_numbers_text(out, group->name);
        madpo_strbuf_printf(out, "\t%llu", (unsigned long long)group->h.n);
        number(out, group->sum_w / (double)group->h.n);
        for (int k = 0; k < 5; k++)
            number(out, madpo_hist_quantile(&group->h, shares[k]));
        madpo_strbuf_append_char(out, '\n');
    }
    return MADPO_OK;
}

/* ---- pairs ---- */

/* The list as it is filtered and sorted. */
static madpo_status write_samples(madpo_strbuf *out, madpo_view *view, madpo_error *err)
{
    const madpo_samples *samples = madpo_view_samples(view);
    double step = madpo_view_policy_step(view);

    (void)err;
    for (size_t i = 0; i < view->n_list; i++) {
        const madpo_sample *s = &samples->v[view->list[i]];
        char flag = madpo_samples_flag(samples, s, step);

        madpo_strbuf_printf(out, "%lld", (long long)s->id);
        number(out, (double)s->h);
        number(out, (double)s->w);
        number(out, madpo_samples_m(samples, s, step));
        number(out, madpo_samples_change(samples, s, step));
        number(out, madpo_sort_value(samples, s, MADPO_SORT_LENGTH, step));
        madpo_strbuf_printf(out, "\t%u\t%c\t%d\t%d\t", madpo_samples_seen(samples, s, step),
                            flag == ' ' ? '.' : flag, (int)s->held_out, (int)s->marked);
        madpo_numbers_text(out, samples->sources[s->source]);
        madpo_strbuf_append_char(out, '\n');
    }
    return MADPO_OK;
}

static void pair_number(madpo_strbuf *out, const char *name, double step, double value)
{
    madpo_strbuf_append(out, name);
    number(out, step);
    number(out, value);
    madpo_strbuf_append(out, "\tnan\t\n");
}

static void pair_text(madpo_strbuf *out, const char *name, const char *text)
{
    madpo_strbuf_printf(out, "%s\tnan\tnan\tnan\t", name);
    madpo_numbers_text(out, text);
    madpo_strbuf_append_char(out, '\n');
}

/* An answer's tokens: log-prob, log-ratio, and the bytes they stand for. */
static void pair_tokens(madpo_strbuf *out, const madpo_token_line *line, int answer,
                        const char *text)
{
    size_t n_text = strlen(text);

    for (size_t i = 0; i < line->n[answer]; i++) {
        const madpo_token *token = &line->v[answer][i];
        size_t at = token->at > 0 ? (size_t)token->at : 0, n = token->n > 0 ? (size_t)token->n : 0;
        char *part = at + n <= n_text ? strndup(text + at, n) : NULL;

        madpo_strbuf_append(out, answer == 0 ? "chosen_token" : "rejected_token");
        number(out, (double)line->step);
        number(out, token->logp);
        number(out, token->ratio);
        madpo_strbuf_append_char(out, '\t');
        madpo_numbers_text(out, part ? part : "");
        madpo_strbuf_append_char(out, '\n');
        free(part);
    }
}

static madpo_status pair_texts(madpo_strbuf *out, const madpo_view *view,
                               const madpo_sample *sample, double step, madpo_error *err)
{
    madpo_token_line line;
    madpo_pair_text text;
    bool there;
    madpo_status st = madpo_feed_text(&text, view->source, sample, err);

    if (st != MADPO_OK)
        return st;
    pair_text(out, "prompt", text.prompt);
    pair_text(out, "chosen", text.chosen);
    pair_text(out, "rejected", text.rejected);
    st = madpo_feed_tokens(&line, &there, view->source, sample, step, err);
    if (st == MADPO_OK && there) {
        pair_tokens(out, &line, 0, text.chosen);
        pair_tokens(out, &line, 1, text.rejected);
    }
    madpo_token_line_dispose(&line);
    madpo_pair_text_dispose(&text);
    return st;
}

/* The pair under the cursor: its numbers, m whenever it was logged (newest first), its texts, and
 * the newest values of its tokens. */
static madpo_status write_pair(madpo_strbuf *out, madpo_view *view, madpo_error *err)
{
    const madpo_samples *samples = madpo_view_samples(view);
    const madpo_sample *s = madpo_view_sample(view);
    double step = madpo_view_policy_step(view);

    if (!s)
        return MADPO_OK;
    pair_number(out, "id", (double)NAN, (double)s->id);
    pair_number(out, "h", (double)NAN, (double)s->h);
    pair_number(out, "c", (double)NAN, (double)s->c);
    pair_number(out, "w", (double)NAN, (double)s->w);
    pair_number(out, "score_chosen", (double)NAN, (double)s->score_chosen);
    pair_number(out, "score_rejected", (double)NAN, (double)s->score_rejected);
    for (const madpo_sight *sight = madpo_samples_last(samples, s, step); sight;
         sight = madpo_samples_before(samples, sight))
        pair_number(out, "m", sight->step, (double)sight->m);
    return pair_texts(out, view, s, step, err);
}

/* ---- facts ---- */

static madpo_status write_system(madpo_strbuf *out, madpo_view *view, madpo_error *err)
{
    static const char *const texts[] = {"device", "driver", "model", "objective", "data", "madpo"};
    const json_t *manifest = madpo_run_reader_manifest(view->source->reader);
    const madpo_history *history = madpo_view_history(view);
    int index = madpo_view_plot_phase(view);
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"step", madpo_view_plot_step(view)},
                   {"total_steps", index >= 0 ? history->phases[index]->total_steps : (double)NAN},
                   {"seconds_per_step", madpo_view_step_seconds(view)},
                   {"tokens", madpo_view_value(view, "num_tokens")},
                   {"tokens_per_second", madpo_view_value(view, "tokens_per_second")},
                   {"seconds", history->t_last - history->t_first},
                   {"warnings", (double)history->n_warnings},
                   {"bad_lines", (double)history->n_bad},
                   {"seed", (double)json_integer_value(json_object_get(manifest, "seed"))},
                   {"live", view->source->live}};

    (void)err;
    madpo_strbuf_append(out, "stage\t");
    madpo_numbers_text(out, index >= 0 ? history->phases[index]->name : "");
    madpo_strbuf_append_char(out, '\n');
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        madpo_strbuf_append(out, numbers[i].name);
        number(out, numbers[i].value);
        madpo_strbuf_append_char(out, '\n');
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = json_string_value(json_object_get(manifest, texts[i]));

        madpo_strbuf_printf(out, "%s\t", texts[i]);
        madpo_numbers_text(out, text ? text : "");
        madpo_strbuf_append_char(out, '\n');
    }
    return MADPO_OK;
}

/* All notes until the moment shown that are still kept, oldest first. */
static madpo_status write_log(madpo_strbuf *out, madpo_view *view, madpo_error *err)
{
    static const char *const kinds[] = {
        [MADPO_NOTE_STAGE] = "stage",     [MADPO_NOTE_CHECKPOINT] = "checkpoint",
        [MADPO_NOTE_EVAL] = "eval",       [MADPO_NOTE_CONTROL] = "control",
        [MADPO_NOTE_WARNING] = "warning", [MADPO_NOTE_END] = "end",
        [MADPO_NOTE_OTHER] = "other"};
    const madpo_history *history = madpo_view_history(view);
    double t = madpo_view_moment(view).t;
    int64_t first =
        history->n_notes > MADPO_HISTORY_NOTES ? history->n_notes - MADPO_HISTORY_NOTES : 0;

    (void)err;
    for (int64_t i = first; i < history->n_notes; i++) {
        const madpo_note *note = madpo_history_note(history, i);

        if (!note || (view->replay && note->t > t))
            continue;
        madpo_strbuf_printf(out, "%.3f\t", note->t);
        madpo_numbers_text(out, note->phase >= 0 ? history->phases[note->phase]->name : "");
        number(out, note->step);
        madpo_strbuf_printf(out, "\t%s\t", kinds[note->kind]);
        madpo_numbers_text(out, note->text);
        madpo_strbuf_append_char(out, '\n');
    }
    return MADPO_OK;
}

/* ---- the table ---- */

const madpo_numbers_panel madpo_numbers_panels[] = {
    {MADPO_PANEL_LOSS, "loss", CURVE_COLUMNS, write_loss},
    {MADPO_PANEL_MARGINS, "margins", "h_low\th_high\tpairs\tw\tw_tried", write_margins},
    {MADPO_PANEL_SAMPLES, "samples", "id\th\tw\tm\tdm\tbytes\tseen\tflag\theld_out\tmarked\tsource",
     write_samples},
    {MADPO_PANEL_REWARDS, "rewards", CURVE_COLUMNS, write_rewards},
    {MADPO_PANEL_WEIGHTS, "weights", "step\tstep_last\tw_low\tw_high\tpairs\tess", write_weights},
    {MADPO_PANEL_SYSTEM, "system", "name\tvalue", write_system},
    {MADPO_PANEL_QUALITY, "metrics", "metric\tstage\tvalue\tmin\tmax\tn\tnan", write_metrics},
    {MADPO_PANEL_GROUPS, "groups", "group\tpairs\tmean_w\th_p5\th_p25\th_p50\th_p75\th_p95",
     write_groups},
    {MADPO_PANEL_PAIR, "pair", "name\tstep\tvalue\tratio\ttext", write_pair},
    {MADPO_PANEL_LOG, "log", "t\tstage\tstep\tkind\ttext", write_log},
};
const int madpo_n_numbers_panels =
    (int)(sizeof madpo_numbers_panels / sizeof *madpo_numbers_panels);

madpo_status madpo_numbers_write(madpo_strbuf *out, madpo_view *view, madpo_panel panel,
                                 madpo_error *err)
{
    for (int i = 0; i < madpo_n_numbers_panels; i++)
        if (madpo_numbers_panels[i].panel == panel) {
            madpo_status st;

            madpo_strbuf_printf(out, "%s\n", madpo_numbers_panels[i].columns);
            st = madpo_numbers_panels[i].write(out, view, err);
            return st == MADPO_OK ? madpo_strbuf_check(out, err) : st;
        }
    return madpo_error_set(err, MADPO_ERR_USAGE, "this panel has no numbers");
}

madpo_status madpo_numbers_find(madpo_panel *panel, const char *name, madpo_error *err)
{
    madpo_strbuf names = {0};
    madpo_status st;

    *panel = MADPO_PANEL_NONE;
    for (int i = 0; i < madpo_n_numbers_panels; i++) {
        if (strcmp(madpo_numbers_panels[i].name, name) == 0) {
            *panel = madpo_numbers_panels[i].panel;
            madpo_strbuf_dispose(&names);
            return MADPO_OK;
        }
        madpo_strbuf_printf(&names, "%s%s", i > 0 ? ", " : "", madpo_numbers_panels[i].name);
    }
    st = madpo_error_set(err, MADPO_ERR_USAGE, "there is no panel \"%s\"; there are %s", name,
                         names.s ? names.s : "");
    madpo_strbuf_dispose(&names);
    return st;
}
