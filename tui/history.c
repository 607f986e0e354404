/* What the events of a run say; see history.h. */
#include "tui/history.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void madpo_history_init(madpo_history *history)
{
    *history =
        (madpo_history){.t_first = (double)NAN, .t_last = (double)NAN, .paused_at = (double)NAN};
}

static void phase_free(madpo_phase *phase)
{
    for (size_t i = 0; i < phase->n_metrics; i++) {
        free(phase->metrics[i].name);
        madpo_series_dispose(&phase->metrics[i].series);
    }
    madpo_series_dispose(&phase->clock);
    madpo_series_dispose(&phase->work);
    madpo_series_dispose(&phase->tokens);
    madpo_series_dispose(&phase->examples);
    madpo_heat_dispose(&phase->heat);
    free(phase->name);
    free(phase);
}

void madpo_history_dispose(madpo_history *history)
{
    for (size_t i = 0; i < history->n_phases; i++)
        phase_free(history->phases[i]);
    free(history->notes);
    madpo_history_init(history);
}

/* ---- stages and metrics ---- */

int madpo_history_phase(const madpo_history *history, const char *name)
{
    for (size_t i = history->n_phases; i > 0; i--)
        if (strcmp(history->phases[i - 1]->name, name) == 0)
            return (int)i - 1;
    return -1;
}

/* *out is -1 for a name too long or one stage too many: a log that is not ours. */
static madpo_status history_get_phase(madpo_history *history, const madpo_scan_value *name,
                                      int *out, madpo_error *err)
{
    char text[64];
    madpo_phase *phase;

    *out = -1;
    if (!name->text || name->n_text >= sizeof text)
        return MADPO_OK;
    madpo_scan_unescape(text, sizeof text, name->text, name->n_text);
    *out = madpo_history_phase(history, text);
    if (*out >= 0 || history->n_phases == MADPO_HISTORY_STAGES)
        return MADPO_OK;
    phase = calloc(1, sizeof *phase);
    if (phase)
        phase->name = strdup(text);
    if (!phase || !phase->name) {
        free(phase);
        return madpo_error_set(err, MADPO_ERR_NOMEM, "curves of stage %s", text);
    }
    phase->begun = phase->ended = (double)NAN;
    *out = (int)history->n_phases;
    history->phases[history->n_phases++] = phase;
    return MADPO_OK;
}

const madpo_series *madpo_phase_metric(const madpo_phase *phase, const char *name)
{
    for (size_t i = 0; i < phase->n_metrics; i++)
        if (strcmp(phase->metrics[i].name, name) == 0)
            return &phase->metrics[i].series;
    return NULL;
}

static bool metric_is(const madpo_metric *metric, const madpo_scan_value *v)
{
    return strncmp(metric->name, v->key, v->n_key) == 0 && metric->name[v->n_key] == '\0';
}

/* The metric of a member, made if new. Members come in the same order every time, so the next one
 * is looked at first. NULL if there is no room. */
static madpo_metric *phase_get_metric(madpo_phase *phase, const madpo_scan_value *v)
{
    madpo_metric *metric;

    if (phase->hint < phase->n_metrics && metric_is(&phase->metrics[phase->hint], v))
        return &phase->metrics[phase->hint++];
    for (size_t i = 0; i < phase->n_metrics; i++)
        if (metric_is(&phase->metrics[i], v)) {
            phase->hint = i + 1;
            return &phase->metrics[i];
        }
    if (phase->n_metrics == MADPO_HISTORY_METRICS || v->n_key > 100)
        return NULL;
    metric = &phase->metrics[phase->n_metrics];
    *metric = (madpo_metric){.name = strndup(v->key, v->n_key)};
    if (!metric->name)
        return NULL;
    phase->hint = ++phase->n_metrics;
    return metric;
}

/* ---- notes ---- */

const madpo_note *madpo_history_note(const madpo_history *history, int64_t number)
{
    if (number < 0 || number >= history->n_notes || number < history->n_notes - MADPO_HISTORY_NOTES)
        return NULL;
    return &history->notes[number % MADPO_HISTORY_NOTES];
}

static madpo_note *history_add_note(madpo_history *history)
{
    if (!history->notes)
        history->notes = calloc(MADPO_HISTORY_NOTES, sizeof *history->notes);
    if (!history->notes)
        return NULL;
    return &history->notes[history->n_notes++ % MADPO_HISTORY_NOTES];
}

static void note_append(madpo_note *note, const char *fmt, ...) MADPO_PRINTF(2, 3);
static void note_append(madpo_note *note, const char *fmt, ...)
{
    size_t n = strlen(note->text);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(note->text + n, sizeof note->text - n, fmt, ap);
    va_end(ap);
}

/* ---- events ---- */

typedef struct event {
    const char *line;
    size_t n;
    madpo_scan_value ev, stage;
    double t, step, total;
    int phase;
} event;

static bool event_begin(event *e, const char *line, size_t n)
{
    madpo_scan scan;
    madpo_scan_value v;

    *e = (event){.line = line, .n = n, .t = NAN, .step = NAN, .total = NAN, .phase = -1};
    if (!madpo_scan_open(&scan, line, n))
        return false;
    while (madpo_scan_next(&scan, &v)) {
        if (v.kind == MADPO_SCAN_NUMBER && madpo_scan_is(&v, "t"))
            e->t = v.number;
        else if (v.kind == MADPO_SCAN_STRING && madpo_scan_is(&v, "ev"))
            e->ev = v;
        else if (v.kind == MADPO_SCAN_STRING && madpo_scan_is(&v, "stage"))
            e->stage = v;
        else if (v.kind == MADPO_SCAN_NUMBER && madpo_scan_is(&v, "step"))
            e->step = v.number;
        else if (v.kind == MADPO_SCAN_NUMBER && madpo_scan_is(&v, "total_steps"))
            e->total = v.number;
    }
    return e->ev.text && !scan.failed;
}

static bool event_is_head(const madpo_scan_value *v)
{
    static const char *const names[] = {"v", "t", "ev", "stage", "step", "total_steps"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (madpo_scan_is(v, names[i]))
            return true;
    return false;
}

/* The numbers of a step or an evaluation at a step become curves. */
static madpo_status event_curves(madpo_history *history, const event *e, madpo_error *err)
{
    madpo_phase *phase = history->phases[e->phase];
    madpo_status st = MADPO_OK;
    madpo_scan scan;
    madpo_scan_value v;

    phase->hint = 0;
    madpo_scan_open(&scan, e->line, e->n);
    while (st == MADPO_OK && madpo_scan_next(&scan, &v)) {
        madpo_metric *metric;

        if ((v.kind != MADPO_SCAN_NUMBER && v.kind != MADPO_SCAN_NULL) || event_is_head(&v))
            continue;
        metric = phase_get_metric(phase, &v);
        if (metric)
            st = madpo_series_add(&metric->series, e->step, v.number, err);
        if (st == MADPO_OK && madpo_scan_is(&v, "num_tokens"))
            st = madpo_series_add(&phase->tokens, e->step, v.number, err);
        if (st == MADPO_OK && madpo_scan_is(&v, "num_examples"))
            st = madpo_series_add(&phase->examples, e->step, v.number, err);
    }
    return st;
}

static madpo_status event_step(madpo_history *history, const event *e, madpo_error *err)
{
    madpo_phase *phase = history->phases[e->phase];

    phase->step = e->step;
    phase->done = false;
    if (isfinite(e->total))
        phase->total_steps = e->total;
    if (isfinite(e->t) &&
        (madpo_series_add(&phase->clock, e->step, e->t, err) != MADPO_OK ||
         madpo_series_add(&phase->work, e->step, e->t - history->stood, err) != MADPO_OK))
        return MADPO_ERR_NOMEM;
    return event_curves(history, e, err);
}

static madpo_status event_samples(madpo_history *history, madpo_samples *samples, const event *e,
                                  madpo_error *err)
{
    madpo_heat *heat = &history->phases[e->phase]->heat;
    madpo_status st = madpo_heat_step(heat, e->step, err);
    madpo_scan scan, list;
    madpo_scan_value v, pair;

    madpo_scan_open(&scan, e->line, e->n);
    while (st == MADPO_OK && madpo_scan_next(&scan, &v)) {
        if (!madpo_scan_is(&v, "pairs") || !madpo_scan_open(&list, v.text, v.n_text))
            continue;
        while (st == MADPO_OK && madpo_scan_next(&list, &pair)) {
            double w;

            st = madpo_samples_sight(samples, pair.text, pair.n_text, e->step, &w, err);
            madpo_heat_add(heat, w);
        }
    }
    return st;
}

static madpo_note_kind event_note_kind(const event *e)
{
    static const struct {
        const char *ev;
        madpo_note_kind kind;
    } kinds[] = {{"stage", MADPO_NOTE_STAGE},     {"checkpoint", MADPO_NOTE_CHECKPOINT},
                 {"eval", MADPO_NOTE_EVAL},       {"control", MADPO_NOTE_CONTROL},
                 {"warning", MADPO_NOTE_WARNING}, {"end", MADPO_NOTE_END}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (madpo_scan_text_is(&e->ev, kinds[i].ev))
            return kinds[i].kind;
    return MADPO_NOTE_OTHER;
}

/* "checkpoint policy 149: dir checkpoints/policy-step-149": whatever members an event has. */
static void event_note(madpo_history *history, const event *e)
{
    madpo_note *note = history_add_note(history);
    const char *between = ": ";
    madpo_scan scan;
    madpo_scan_value v;

    if (!note)
        return;
    *note = (madpo_note){.t = e->t, .step = e->step, .phase = e->phase};
    note->kind = event_note_kind(e);
    history->n_warnings += note->kind == MADPO_NOTE_WARNING;
    note_append(note, "%.*s", (int)e->ev.n_text, e->ev.text);
    if (e->phase >= 0)
        note_append(note, " %s", history->phases[e->phase]->name);
    if (isfinite(e->step))
        note_append(note, " %.0f", e->step);
    madpo_scan_open(&scan, e->line, e->n);
    while (madpo_scan_next(&scan, &v)) {
        char text[160];

        if (v.kind == MADPO_SCAN_NESTED || event_is_head(&v))
            continue;
        if (v.kind == MADPO_SCAN_STRING)
            madpo_scan_unescape(text, sizeof text, v.text, v.n_text);
        else if (v.kind == MADPO_SCAN_NUMBER)
            snprintf(text, sizeof text, "%.5g", v.number);
        else
            snprintf(text, sizeof text, "%.*s", (int)(v.n_text < 8 ? v.n_text : 8), v.text);
        if (madpo_scan_is(&v, "status") || madpo_scan_is(&v, "text") || madpo_scan_is(&v, "dir"))
            note_append(note, "%s%s", between, text);
        else
            note_append(note, "%s%.*s %s", between, (int)v.n_key, v.key, text);
        between = ", ";
    }
}

static void event_stage(madpo_history *history, const event *e)
{
    madpo_phase *phase = e->phase >= 0 ? history->phases[e->phase] : NULL;
    madpo_scan scan;
    madpo_scan_value v;

    madpo_scan_open(&scan, e->line, e->n);
    while (madpo_scan_next(&scan, &v)) {
        if (madpo_scan_is(&v, "status") && phase && madpo_scan_text_is(&v, "start")) {
            phase->begun = isnan(phase->begun) ? e->t : phase->begun;
            phase->ended = (double)NAN;
            phase->done = false;
        } else if (madpo_scan_is(&v, "status") && phase && madpo_scan_text_is(&v, "done")) {
            phase->ended = e->t;
            phase->done = true;
        } else if (madpo_scan_is(&v, "status") && madpo_scan_text_is(&e->ev, "end")) {
            history->ended = true;
            madpo_scan_unescape(history->status, sizeof history->status, v.text, v.n_text);
        }
    }
}

/* It stood since then. */
static void history_stood(madpo_history *history, double since, double t)
{
    if (t > since)
        history->stood += t - since;
    history->paused_at = (double)NAN;
}

/* Pause and resume are told apart from other control by the word itself, whatever member it is.
 * What was refused changes nothing. */
static void event_control(madpo_history *history, const event *e)
{
    madpo_scan scan;
    madpo_scan_value v;
    bool paused = history->paused;

    madpo_scan_open(&scan, e->line, e->n);
    while (madpo_scan_next(&scan, &v)) {
        if (madpo_scan_is(&v, "refused"))
            return;
        if (madpo_scan_text_is(&v, "pause"))
            paused = true;
        else if (madpo_scan_text_is(&v, "resume"))
            paused = false;
    }
    if (paused && !history->paused)
        history->paused_at = e->t;
    else if (!paused && history->paused)
        history_stood(history, history->paused_at, e->t);
    history->paused = paused;
}

madpo_status madpo_history_line(madpo_history *history, madpo_samples *samples, const char *line,
                                size_t n, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    bool has_step;
    event e;

    if (!event_begin(&e, line, n)) {
        history->n_bad++;
        return MADPO_OK;
    }
    history->n_events++;
    history->ended = false; /* whatever comes behind an end, the run was taken up again */
    if (madpo_scan_text_is(&e.ev, "resume")) { /* another process went on with it */
        history_stood(history, history->paused ? history->paused_at : history->t_last, e.t);
        history->paused = false;
    }
    if (isfinite(e.t)) {
        history->t_first = isnan(history->t_first) ? e.t : history->t_first;
        history->t_last = e.t;
    }
    if (e.stage.text)
        st = history_get_phase(history, &e.stage, &e.phase, err);
    has_step = st == MADPO_OK && e.phase >= 0 && isfinite(e.step);
    if (has_step && madpo_scan_text_is(&e.ev, "step")) {
        history->paused = false;
        return event_step(history, &e, err);
    }
    if (st == MADPO_OK && madpo_scan_text_is(&e.ev, "system")) /* curves and no notes */
        return has_step ? event_curves(history, &e, err) : MADPO_OK;
    if (has_step && madpo_scan_text_is(&e.ev, "samples"))
        return event_samples(history, samples, &e, err);
    if (st != MADPO_OK || madpo_scan_text_is(&e.ev, "step") || madpo_scan_text_is(&e.ev, "samples"))
        return st;
    if (has_step && madpo_scan_text_is(&e.ev, "eval"))
        st = event_curves(history, &e, err);
    event_note(history, &e);
    if (madpo_scan_text_is(&e.ev, "control"))
        event_control(history, &e);
    event_stage(history, &e);
    return st;
}

/* ---- moments ---- */

madpo_moment madpo_history_moment(const madpo_history *history, int phase, double step)
{
    madpo_moment moment = {.phase = phase, .step = step, .t = history->t_last};
    double t = phase >= 0 ? madpo_series_interpolate(&history->phases[phase]->clock, step, false)
                          : (double)NAN;

    if (isfinite(t))
        moment.t = t;
    return moment;
}

madpo_moment madpo_history_now(const madpo_history *history)
{
    int phase = (int)history->n_phases - 1;

    return (madpo_moment){.phase = phase,
                          .step = phase >= 0 ? history->phases[phase]->step : 0,
                          .t = history->t_last};
}

double madpo_history_step_of(const madpo_history *history, int phase, madpo_moment moment)
{
    if (phase < 0 || phase > moment.phase)
        return -1;
    if (phase < moment.phase)
        return history->phases[phase]->step;
    return moment.step;
}
