/* How good margins are. */
#include "train/margins_report.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "train/stats.h"

enum { REPORT_BINS = 10 };

/* The pairs of one split. */
typedef struct report_part {
    const madpo_margins_report *of;
    bool eval;
    size_t n, n_right, n_contradicted;
    double *h, *scratch; /* [n] */
    double spread;       /* mean */
    double ece;
    madpo_reliability_bin bins[REPORT_BINS];
} report_part;

static void part_gather(report_part *p)
{
    const madpo_margins_report *of = p->of;
    double spread = 0.0;
    size_t n_spread = 0;

    for (size_t i = 0; i < of->set->n; i++) {
        if (madpo_pairs_at(of->set->pairs, i)->eval != p->eval)
            continue;
        p->n_right += of->h[i] > 0.0;
        p->n_contradicted += of->h[i] < 0.0;
        p->h[p->n++] = of->h[i];
        if (of->spread && !isnan(of->spread[i])) {
            spread += of->spread[i];
            n_spread++;
        }
    }
    p->spread = n_spread > 0 ? spread / (double)n_spread : NAN;
    p->ece = madpo_reliability(p->bins, REPORT_BINS, p->scratch, p->h, p->n);
}

static json_t *bins_to_json(const report_part *p)
{
    json_t *array = json_array();

    for (int b = 0; array && b < REPORT_BINS; b++) {
        const madpo_reliability_bin *bin = &p->bins[b];

        json_array_append_new(array, json_pack("{s:I,s:o,s:o,s:o,s:o}", "n", (json_int_t)bin->n,
                                               "low", madpo_json_real(bin->low), "high",
                                               madpo_json_real(bin->high), "confidence",
                                               madpo_json_real(bin->confidence), "accuracy",
                                               madpo_json_real(bin->accuracy)));
    }
    return array;
}

static madpo_status part_event(const report_part *p, madpo_share right, madpo_error *err)
{
    const madpo_margins_report *of = p->of;
    json_t *fields = json_pack(
        "{s:s,s:s,s:s,s:s,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "stage", "margins", "who", "margins",
        "metric", "reliability", "split", p->eval ? "eval" : "train", "n", (json_int_t)p->n, "mean",
        madpo_json_real(right.share), "ci95", madpo_stage_interval(right.low, right.high),
        "log_loss", madpo_json_real(madpo_margin_nll(p->h, p->n)), "brier",
        madpo_json_real(madpo_margin_brier(p->h, p->n)), "ece", madpo_json_real(p->ece),
        "contradicted", madpo_json_real((double)p->n_contradicted / (double)p->n), "bins",
        bins_to_json(p));

    if (fields && of->spread)
        json_object_set_new(fields, "spread", madpo_json_real(p->spread));
    if (fields && !p->eval)
        json_object_set_new(fields, "seen", json_boolean(of->seen));
    if (fields && p->eval) {
        json_object_set_new(fields, "temperature", madpo_json_real(of->temperature.t));
        json_object_set_new(fields, "temperature_at_bound", json_boolean(of->temperature.at_bound));
        json_object_set_new(fields, "log_loss_before", madpo_json_real(of->temperature.nll_before));
        json_object_set_new(fields, "log_loss_after", madpo_json_real(of->temperature.nll_after));
        json_object_set_new(fields, "calibrated", json_boolean(of->calibrated));
    }
    return madpo_stage_event(of->ctx, "eval", fields, err);
}

static void tell_bins(const report_part *p)
{
    for (int b = 0; b < REPORT_BINS; b++) {
        const madpo_reliability_bin *bin = &p->bins[b];

        if (bin->n > 0)
            madpo_run_message(
                p->of->ctx->run,
                "  confidence %.3f to %.3f: %.3f on average, right %.3f, of %zu pairs", bin->low,
                bin->high, bin->confidence, bin->accuracy, bin->n);
    }
}

static void tell_temperature(const madpo_margins_report *of)
{
    const madpo_temperature *t = &of->temperature;
    madpo_run *run = of->ctx->run;

    if (t->at_bound)
        madpo_run_message(run,
                          "margins: no temperature fits the held-out labels: %s; margins stay as "
                          "they are",
                          t->t < 1.0 ? "they contradict no margin"
                                     : "the margins say nothing about them");
    else if (of->calibrated)
        madpo_run_message(run,
                          "margins: divided by the temperature %.3f of the held-out pairs (log "
                          "loss %.4f, was %.4f)",
                          t->t, t->nll_after, t->nll_before);
    else
        madpo_run_message(run,
                          "margins: a temperature of %.3f would fit the held-out labels best (log "
                          "loss %.4f, now %.4f): reward.calibrate",
                          t->t, t->nll_after, t->nll_before);
}

static madpo_status part_tell(report_part *p, madpo_error *err)
{
    const madpo_margins_report *of = p->of;
    madpo_run *run = of->ctx->run;
    madpo_share right = madpo_share_of(p->n_right, p->n);

    madpo_run_message(run,
                      "margins: %s%s: %.1f %% [%.1f, %.1f] of %zu in the order of their labels, "
                      "log loss %.4f (a coin: %.4f), Brier score %.4f, calibration error %.1f %%",
                      p->eval ? "held-out pairs" : "training pairs", p->eval ? "" : of->training,
                      100.0 * right.share, 100.0 * right.low, 100.0 * right.high, p->n,
                      madpo_margin_nll(p->h, p->n), log(2.0), madpo_margin_brier(p->h, p->n),
                      100.0 * p->ece);
    if (of->spread && !isnan(p->spread))
        madpo_run_message(run, "margins: … the reward models differ by %.3f (standard deviation)",
                          p->spread);
    if (p->eval) {
        tell_bins(p);
        tell_temperature(of);
    }
    return part_event(p, right, err);
}

madpo_status madpo_margins_report_tell(const madpo_margins_report *report, madpo_error *err)
{
    size_t n = report->set->n;
    double *buffer = malloc((2 * n + 1) * sizeof *buffer);
    madpo_status st = MADPO_OK;

    if (!buffer)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "margins: out of host memory");
    for (int eval = 1; eval >= 0 && st == MADPO_OK; eval--) {
        report_part part = {.of = report, .eval = eval != 0, .h = buffer, .scratch = buffer + n};

        part_gather(&part);
        if (part.n > 0)
            st = part_tell(&part, err);
    }
    free(buffer);
    return st;
}
