/* The figures of a report. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "objective/objective.h"
#include "report/inside.h"
#include "report/plot.h"

/* ---- figures over steps: a table ---- */

typedef struct figure_line {
    const char *series, *label;
    madpo__plot_kind kind;
    int style;
    const char *upper; /* of a band: the series above */
} figure_line;

typedef struct figure {
    const char *stage; /* NULL = every stage that has the first series */
    const char *title, *y_name, *what;
    bool smooth, from_zero;
    figure_line line[5];
} figure;

#define WITH_EVAL(name, label)                                                                     \
    {                                                                                              \
        {name, label, MADPO__PLOT_LINE, 0, NULL},                                                  \
        {                                                                                          \
            "eval_" name, "held out", MADPO__PLOT_MARKS, 1, NULL                                   \
        }                                                                                          \
    }

static const figure figures[] = {
    {NULL, "Loss", "loss", "Mean loss of the training steps, and on held-out examples.", true,
     false, WITH_EVAL("loss", "training")},
    {"sft", "Tokens guessed right", "share",
     "Share of the answer tokens to which the model gives the highest probability.", true, false,
     WITH_EVAL("mean_token_accuracy", "training")},
    {"reward", "Pairs ordered as labelled", "share",
     "Share of the pairs in which the reward model scores the chosen answer above the other.", true,
     false, WITH_EVAL("accuracy", "training")},
    {"reward", "Reward margin", "margin", "Mean score of the chosen answer minus the other's.",
     true, false, WITH_EVAL("margin", "training")},
    {"policy",
     "Implicit rewards",
     "reward",
     "beta times how much likelier an answer has become than under the reference, for the chosen "
     "answer, the rejected one, and their difference. A falling chosen reward means that the good "
     "answers, too, become less likely.",
     true,
     false,
     {{"rewards/margins", "margin", MADPO__PLOT_LINE, 0, NULL},
      {"rewards/chosen", "chosen", MADPO__PLOT_LINE, 1, NULL},
      {"rewards/rejected", "rejected", MADPO__PLOT_LINE, 2, NULL}}},
    {"policy", "Pairs ordered as labelled", "share",
     "Share of the pairs in which the chosen answer has the higher implicit reward.", true, false,
     WITH_EVAL("rewards/accuracies", "training")},
    {"policy",
     "Distance from the reference",
     "nats a token",
     "KL(policy || reference) of the next-token distributions, exact over the vocabulary, averaged "
     "over the tokens of held-out answers as they stand in the data, not as the policy would write "
     "them: of both answers, of the chosen and of the rejected ones.",
     false,
     true,
     {{"eval_kl", "both", MADPO__PLOT_MARKS, 0, NULL},
      {"eval_kl/chosen", "chosen", MADPO__PLOT_MARKS, 1, NULL},
      {"eval_kl/rejected", "rejected", MADPO__PLOT_MARKS, 2, NULL}}},
    {"policy",
     "Weights of the pairs",
     "w",
     "The weight with which a pair enters the loss: the middle 80 % of the pairs of each report as "
     "a band, their median and mean.",
     false,
     true,
     {{"madpo/weight/p10", "", MADPO__PLOT_BAND, 0, "madpo/weight/p90"},
      {"madpo/weight/p50", "median", MADPO__PLOT_LINE, 0, NULL},
      {"madpo/weight/mean", "mean", MADPO__PLOT_LINE, 1, NULL}}},
    {"policy", "Effective sample size", "share",
     "How many equally weighted pairs the weighted ones are worth, as a share: (sum of w) squared "
     "over n times the sum of w squared.",
     false, true, WITH_EVAL("madpo/weight/ess", "training")},
    {NULL,
     "Gradient norm",
     "norm",
     "Before clipping.",
     true,
     true,
     {{"grad_norm", "norm", MADPO__PLOT_LINE, 0, NULL}}},
    {NULL,
     "Learning rate",
     "lr",
     "",
     false,
     true,
     {{"learning_rate", "", MADPO__PLOT_LINE, 0, NULL}}},
};

/* How much of its past a smoothed value keeps; 0 = too few points to smooth. */
static double smoothing(size_t n)
{
    return n < 24 ? 0.0 : n < 200 ? 0.8 : 0.95;
}

/* "training 5.774 to 4.788, lowest 4.701": what the drawing shows, for those who do not see it. */
static void put_numbers(madpo_strbuf *b, const madpo__series *s, const char *label, bool first)
{
    double low = NAN, high = NAN, begin = NAN, end = NAN;
    size_t bad = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i])) {
            bad++;
            continue;
        }
        begin = isnan(begin) ? s->y[i] : begin;
        end = s->y[i];
        low = isnan(low) ? s->y[i] : fmin(low, s->y[i]);
        high = isnan(high) ? s->y[i] : fmax(high, s->y[i]);
    }
    madpo_strbuf_printf(b, "%s%s%s%.4g", first ? "" : "; ", label, *label ? " " : "", begin);
    if (s->n > 1)
        madpo_strbuf_printf(b, " to %.4g (lowest %.4g, highest %.4g)", end, low, high);
    if (bad > 0)
        madpo_strbuf_printf(b, ", %zu not finite", bad);
}

/* Ticks of what was done in a stage; short names. */
static size_t stage_ticks(const madpo_report *r, const char *stage, madpo__plot_tick **out)
{
    size_t n = json_array_size(r->controls), found = 0;

    *out = calloc(n + 1, sizeof **out);
    for (size_t i = 0; *out && i < n; i++) {
        const json_t *e = json_array_get(r->controls, i);

        if (strcmp(madpo__string(e, "stage"), stage) == 0 && json_object_get(e, "step") &&
            !json_object_get(e, "refused"))
            (*out)[found++] =
                (madpo__plot_tick){madpo__number(e, "step"), madpo__string(e, "action")};
    }
    return found;
}

static void add_line(madpo__plot *plot, const madpo__series *s, const figure_line *line,
                     const madpo__series *upper, const double *smooth)
{
    madpo__plot_line raw = {.label = line->label,
                            .kind = line->kind,
                            .style = line->style,
                            .x = s->x,
                            .y = s->y,
                            .y2 = upper ? upper->y : NULL,
                            .n = upper && upper->n < s->n ? upper->n : s->n};

    if (smooth) {
        madpo__plot_line pale = raw;

        pale.kind = MADPO__PLOT_DOTS;
        pale.label = "";
        plot->line[plot->n_lines++] = pale;
        raw.y = smooth;
    }
    plot->line[plot->n_lines++] = raw;
}

static double *smoothed(const madpo__series *s, double keep)
{
    double *out = malloc(s->n * sizeof *out);

    if (out)
        madpo__smooth(s->y, out, s->n, keep);
    return out;
}

static void put_figure(madpo_strbuf *b, const char *title, const char *what,
                       const madpo__plot *plot, const madpo_strbuf *numbers, double keep)
{
    if (!madpo__plot_has_points(plot))
        return;
    madpo_strbuf_append(b, "<figure>\n<figcaption><b>");
    madpo__put_escaped(b, title);
    madpo_strbuf_append(b, "</b> ");
    madpo__put_escaped(b, what);
    if (keep > 0.0)
        madpo_strbuf_printf(b, " Dots: as reported; line: smoothed (%.2g).", keep);
    madpo_strbuf_append(b, "</figcaption>\n");
    madpo__plot_svg(b, plot);
    if (numbers->s && !numbers->failed) {
        madpo_strbuf_append(b, "<p class=\"numbers\">");
        madpo__put_escaped(b, numbers->s);
        madpo_strbuf_append(b, "</p>\n");
    }
    madpo_strbuf_append(b, "</figure>\n");
}

/* Did every pair weigh 1 in every report? Then there is nothing to draw. */
static bool all_one(const madpo__series *s)
{
    for (size_t i = 0; s && i < s->n; i++)
        if (s->y[i] != 1.0)
            return false;
    return s != NULL;
}

static bool is_of_weights(const figure *f)
{
    return strncmp(f->line[0].series, "madpo/weight/", 13) == 0;
}

/* What a figure shows; implicit rewards are another thing where there is no reference. */
static const char *words_of(const madpo_report *r, const figure *f)
{
    const madpo_objective *objective = r->objective ? madpo_objective_find(r->objective) : NULL;

    if (!objective || objective->needs_reference ||
        strcmp(f->line[0].series, "rewards/margins") != 0)
        return f->what;
    return "beta times the log-probability of an answer, by the token where the objective averages "
           "(it has no reference), for the chosen answer, the rejected one, and their difference. "
           "A falling chosen reward means that the good answers, too, become less likely.";
}

static void put_step_figure(madpo_strbuf *b, const madpo_report *r, const figure *f,
                            const char *stage)
{
    const madpo__series *first = madpo__series_find(r, stage, f->line[0].series);
    double keep = first && f->smooth ? smoothing(first->n) : 0.0;
    double *held[MADPO__MAX_LINES] = {NULL};
    madpo__plot_tick *ticks = NULL;
    madpo_strbuf numbers = {0};
    madpo__plot plot = {
        .title = f->title, .x_name = "step", .y_name = f->y_name, .from_zero = f->from_zero};

    if (!first || (is_of_weights(f) && all_one(madpo__series_find(r, stage, "madpo/weight/mean")) &&
                   all_one(madpo__series_find(r, stage, "madpo/weight/ess"))))
        return;
    plot.n_ticks = stage_ticks(r, stage, &ticks);
    plot.tick = ticks;
    for (size_t i = 0; i < 5 && f->line[i].series; i++) {
        const figure_line *line = &f->line[i];
        const madpo__series *s = madpo__series_find(r, stage, line->series);
        const madpo__series *upper = line->upper ? madpo__series_find(r, stage, line->upper) : NULL;

        if (!s || (line->upper && !upper))
            continue;
        if (keep > 0.0 && line->kind == MADPO__PLOT_LINE)
            held[i] = smoothed(s, keep);
        add_line(&plot, s, line, upper, held[i]);
        if (line->kind != MADPO__PLOT_BAND)
            put_numbers(&numbers, s, line->label, numbers.n == 0);
    }
    put_figure(b, f->title, words_of(r, f), &plot, &numbers, keep);
    for (size_t i = 0; i < MADPO__MAX_LINES; i++)
        free(held[i]);
    free(ticks);
    madpo_strbuf_dispose(&numbers);
}

/* ---- margins ---- */

enum { MAX_BINS = 40, CURVE = 160 };

typedef struct histogram {
    double x[MAX_BINS], share[MAX_BINS];
    size_t n;
    double curve_h[CURVE], curve_w[CURVE];
    size_t n_curve;
} histogram;

/* Bins over the range of h, and w at points evenly spread over it: w is a function of h, so a pair
 * near a point has the point's w. */
static void fill_histogram(histogram *g, const madpo_report *r)
{
    double low = r->h[0], span = r->h[r->n_margins - 1] - low;
    size_t next = 0;

    g->n = r->n_margins < 100 ? 12 : MAX_BINS;
    if (!(span > 0.0)) {
        low -= 0.5;
        span = 1.0;
    }
    for (size_t i = 0; i < g->n; i++) {
        g->x[i] = low + span * ((double)i + 0.5) / (double)g->n;
        g->share[i] = 0.0;
    }
    for (size_t i = 0; i < r->n_margins; i++) {
        size_t bin = (size_t)((r->h[i] - low) / span * (double)g->n);

        g->share[bin < g->n ? bin : g->n - 1] += 100.0 / (double)r->n_margins;
        if (r->h[i] >= low + span * (double)next / CURVE && g->n_curve < CURVE) {
            g->curve_h[g->n_curve] = r->h[i];
            g->curve_w[g->n_curve++] = r->w[i];
            while (r->h[i] >= low + span * (double)next / CURVE)
                next++;
        }
    }
}

static void put_margins(madpo_strbuf *b, const madpo_report *r)
{
    bool used = !r->objective || strstr(r->objective, "madpo") != NULL;
    madpo_strbuf numbers = {0};
    size_t negative = 0;
    histogram g = {.n = 0};
    madpo__plot plot = {.title = "Margins and weights",
                        .x_name = "h, reward of the chosen answer minus the rejected one",
                        .y_name = "% of pairs",
                        .right_name = "w",
                        .from_zero = true,
                        .n_lines = 2};

    fill_histogram(&g, r);
    plot.line[0] =
        (madpo__plot_line){.label = "", .kind = MADPO__PLOT_BARS, .x = g.x, .y = g.share, .n = g.n};
    plot.line[1] = (madpo__plot_line){.label = "w(h)",
                                      .kind = MADPO__PLOT_LINE,
                                      .style = 1,
                                      .x = g.curve_h,
                                      .y = g.curve_w,
                                      .n = g.n_curve,
                                      .right = true};
    while (negative < r->n_margins && r->h[negative] < 0.0)
        negative++;
    madpo_strbuf_printf(&numbers,
                        "%zu pairs: h from %.4g to %.4g, median %.4g, %.1f %% below 0 (there the "
                        "reward model contradicts the label); w from %.4g to %.4g",
                        r->n_margins, r->h[0], r->h[r->n_margins - 1], r->h[r->n_margins / 2],
                        100.0 * (double)negative / (double)r->n_margins, g.curve_w[0],
                        g.curve_w[g.n_curve - 1]);
    put_figure(b, "Margins and weights",
               used
                   ? "How far apart the reward model puts the two answers of the pairs (bars), and "
                     "the weight MADPO gives to a pair of that margin (line, right scale)."
                   : "How far apart the reward model puts the two answers of the pairs (bars), and "
                     "MADPO's weight (line, right scale); the objective of this run does not use "
                     "it.",
               &plot, &numbers, 0.0);
    madpo_strbuf_dispose(&numbers);
}

static void put_margins_part(madpo_strbuf *b, const madpo_report *r)
{
    if (r->n_margins == 0)
        return;
    madpo_strbuf_append(b, "<h3>margins</h3>\n<div class=\"figures\">\n");
    put_margins(b, r);
    madpo_strbuf_append(b, "</div>\n");
}

/* ---- the whole ---- */

void madpo__put_figures(madpo_strbuf *b, const madpo_report *r)
{
    bool margins = false;

    for (size_t i = 0; i < r->n_stages; i++) {
        const char *stage = r->stage[i].name;

        if (strcmp(stage, "policy") == 0 && !margins) {
            put_margins_part(b, r);
            margins = true;
        }
        if (!madpo__series_find(r, stage, "loss"))
            continue;
        madpo_strbuf_append(b, "<h3>");
        madpo__put_escaped(b, stage);
        madpo_strbuf_append(b, "</h3>\n<div class=\"figures\">\n");
        for (size_t k = 0; k < sizeof figures / sizeof *figures; k++)
            if (!figures[k].stage || strcmp(figures[k].stage, stage) == 0)
                put_step_figure(b, r, &figures[k], stage);
        madpo_strbuf_append(b, "</div>\n");
    }
    if (!margins)
        put_margins_part(b, r);
}
