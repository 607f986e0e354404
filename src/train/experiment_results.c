/* What an experiment found: statistics of its scores, as tables and JSON. */
#include "train/experiment_results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static const uint64_t flip_seed = 20251006; /* of the permutation tests */

void madpo_exp_results_dispose(madpo_exp_results *r)
{
    for (size_t i = 0; i < r->n_tiers && r->reward; i++)
        json_decref(r->reward[i]);
    for (size_t i = 0; i < r->n_failures; i++)
        free(r->failure[i].reason);
    free(r->column);
    free(r->done);
    free(r->failed);
    free(r->score);
    free(r->has_reference);
    free(r->reference);
    free(r->reward);
    free(r->failure);
    *r = (madpo_exp_results){0};
}

/* ---- statistics ---- */

size_t madpo_exp_cell_index(const madpo_exp_results *r, size_t tier, size_t column, size_t seed)
{
    return (tier * r->n_columns + column) * r->n_seeds + seed;
}

static const double *cell_scores(const madpo_exp_results *r, size_t cell)
{
    return r->score + cell * r->n_prompts;
}

madpo_summary madpo_exp_summary(const madpo_exp_results *r, size_t tier, size_t column,
                                double *mean, size_t *n)
{
    const double *only = NULL;

    *n = 0;
    for (size_t seed = 0; seed < r->n_seeds; seed++) {
        size_t cell = madpo_exp_cell_index(r, tier, column, seed);

        if (!r->done[cell])
            continue;
        only = cell_scores(r, cell);
        mean[(*n)++] = madpo_mean(only, r->n_prompts);
    }
    return *n == 1 ? madpo_summarize_t(only, r->n_prompts) : madpo_summarize_t(mean, *n);
}

madpo_summary madpo_exp_reference(const madpo_exp_results *r, double *mean, size_t *n)
{
    const double *only = NULL;

    *n = 0;
    for (size_t seed = 0; seed < r->n_seeds; seed++) {
        if (!r->has_reference[seed])
            continue;
        only = r->reference + seed * r->n_prompts;
        mean[(*n)++] = madpo_mean(only, r->n_prompts);
    }
    return *n == 1 ? madpo_summarize_t(only, r->n_prompts) : madpo_summarize_t(mean, *n);
}

size_t madpo_exp_base(const madpo_exp_results *r)
{
    for (size_t i = 0; i < r->n_columns; i++)
        if (strcmp(r->column[i].spec, "madpo") == 0)
            return i;
    return 0;
}

madpo_paired madpo_exp_compare(const madpo_exp_results *r, size_t tier, size_t column,
                               double *scratch, size_t *n_seeds)
{
    size_t base = madpo_exp_base(r);

    *n_seeds = 0;
    for (size_t i = 0; i < r->n_prompts; i++)
        scratch[i] = 0.0;
    for (size_t seed = 0; seed < r->n_seeds; seed++) {
        size_t a = madpo_exp_cell_index(r, tier, base, seed);
        size_t b = madpo_exp_cell_index(r, tier, column, seed);

        if (!r->done[a] || !r->done[b])
            continue;
        (*n_seeds)++;
        for (size_t i = 0; i < r->n_prompts; i++)
            scratch[i] += cell_scores(r, a)[i] - cell_scores(r, b)[i];
    }
    for (size_t i = 0; i<r->n_prompts && * n_seeds> 0; i++)
        scratch[i] /= (double)*n_seeds;
    return madpo_paired_test(scratch, *n_seeds > 0 ? r->n_prompts : 0, flip_seed);
}

/* ---- Markdown ---- */

static void number(madpo_strbuf *b, double x, int digits)
{
    if (isnan(x))
        madpo_strbuf_append(b, "–");
    else
        madpo_strbuf_printf(b, "%.*f", digits, x);
}

static void interval(madpo_strbuf *b, madpo_summary s)
{
    number(b, s.mean, 3);
    if (!isnan(s.low))
        madpo_strbuf_printf(b, " [%.3f, %.3f]", s.low, s.high);
}

static void heading(madpo_strbuf *b, const madpo_exp_results *r, const char *first)
{
    madpo_strbuf_printf(b, "| %s |", first);
    for (size_t t = 0; t < r->n_tiers; t++)
        madpo_strbuf_printf(b, " %s |", r->tier[t]);
    madpo_strbuf_append(b, "\n|---|");
    for (size_t t = 0; t < r->n_tiers; t++)
        madpo_strbuf_append(b, "---|");
    madpo_strbuf_append_char(b, '\n');
}

/* A table of the columns with one of these roles. mean [n_seeds] is scratch. */
static void mean_table(madpo_strbuf *b, const madpo_exp_results *r, unsigned roles, double *mean)
{
    size_t n;

    heading(b, r, "method");
    for (size_t c = 0; c < r->n_columns; c++) {
        if (!(r->column[c].roles & roles))
            continue;
        madpo_strbuf_printf(b, "| %s", r->column[c].spec);
        if (roles == MADPO_ROLE_SWEEP_C)
            madpo_strbuf_printf(b, " (c = %g)", r->column[c].c);
        else if (roles == MADPO_ROLE_SWEEP_TAU)
            madpo_strbuf_printf(b, " (tau = %g)", r->column[c].tau);
        madpo_strbuf_append(b, " |");
        for (size_t t = 0; t < r->n_tiers; t++) {
            madpo_summary s = madpo_exp_summary(r, t, c, mean, &n);

            madpo_strbuf_append_char(b, ' ');
            interval(b, s);
            if (n < r->n_seeds && n > 0)
                madpo_strbuf_printf(b, " (%zu of %zu seeds)", n, r->n_seeds);
            madpo_strbuf_append(b, " |");
        }
        madpo_strbuf_append_char(b, '\n');
    }
}

static void reference_row(madpo_strbuf *b, const madpo_exp_results *r, double *mean)
{
    size_t n;
    madpo_summary s = madpo_exp_reference(r, mean, &n);

    madpo_strbuf_append(b, "| reference |");
    for (size_t t = 0; t < r->n_tiers; t++) {
        madpo_strbuf_append_char(b, ' ');
        interval(b, s);
        madpo_strbuf_append(b, " |");
    }
    madpo_strbuf_append_char(b, '\n');
}

static void seed_table(madpo_strbuf *b, const madpo_exp_results *r)
{
    madpo_strbuf_append(b, "| tier | method |");
    for (size_t s = 0; s < r->n_seeds; s++)
        madpo_strbuf_printf(b, " seed %s |", r->seed[s]);
    madpo_strbuf_append(b, "\n|---|---|");
    for (size_t s = 0; s < r->n_seeds; s++)
        madpo_strbuf_append(b, "---|");
    madpo_strbuf_append_char(b, '\n');
    for (size_t t = 0; t < r->n_tiers; t++)
        for (size_t c = 0; c < r->n_columns; c++) {
            madpo_strbuf_printf(b, "| %s | %s |", r->tier[t], r->column[c].spec);
            for (size_t s = 0; s < r->n_seeds; s++) {
                size_t cell = madpo_exp_cell_index(r, t, c, s);

                madpo_strbuf_append_char(b, ' ');
                number(b, r->done[cell] ? madpo_mean(cell_scores(r, cell), r->n_prompts) : NAN, 3);
                madpo_strbuf_append(b, " |");
            }
            madpo_strbuf_append_char(b, '\n');
        }
}

static void p_value(madpo_strbuf *b, double p)
{
    if (p < 0.0001)
        madpo_strbuf_append(b, "< 0.0001");
    else
        number(b, p, 4);
}

static void test_table(madpo_strbuf *b, const madpo_exp_results *r, double *scratch)
{
    size_t base = madpo_exp_base(r);

    madpo_strbuf_printf(b,
                        "| tier | %s minus | difference | 95 %% interval | p (t) | p (sign flips) "
                        "| seeds |\n|---|---|---|---|---|---|---|\n",
                        r->column[base].spec);
    for (size_t t = 0; t < r->n_tiers; t++)
        for (size_t c = 0; c < r->n_columns; c++) {
            size_t n;
            madpo_paired test;

            if (c == base)
                continue;
            test = madpo_exp_compare(r, t, c, scratch, &n);
            if (n == 0)
                continue;
            madpo_strbuf_printf(b, "| %s | %s | %+.3f | [%+.3f, %+.3f] | ", r->tier[t],
                                r->column[c].spec, test.mean, test.low, test.high);
            p_value(b, test.p);
            madpo_strbuf_append(b, " | ");
            p_value(b, test.p_flip);
            madpo_strbuf_printf(b, " | %zu |\n", n);
        }
}

static double share_of(const json_t *reward, const char *key)
{
    const json_t *share = json_object_get(reward, key);
    const json_t *mean = json_is_object(share) ? json_object_get(share, "mean") : share;

    return json_is_number(mean) ? json_number_value(mean) : NAN;
}

static void reward_table(madpo_strbuf *b, const madpo_exp_results *r)
{
    madpo_strbuf_append(b,
                        "| tier | held-out pairs | right by label | right by true score | loss |\n"
                        "|---|---|---|---|---|\n");
    for (size_t t = 0; t < r->n_tiers; t++) {
        if (!r->reward[t])
            continue;
        madpo_strbuf_printf(b, "| %s | %lld | ", r->tier[t],
                            (long long)json_integer_value(json_object_get(r->reward[t], "n")));
        number(b, share_of(r->reward[t], "mean"), 3);
        madpo_strbuf_append(b, " | ");
        number(b, share_of(r->reward[t], "true_order"), 3);
        madpo_strbuf_append(b, " | ");
        number(b, share_of(r->reward[t], "loss"), 3);
        madpo_strbuf_append(b, " |\n");
    }
}

static bool has_role(const madpo_exp_results *r, unsigned role)
{
    for (size_t c = 0; c < r->n_columns; c++)
        if (r->column[c].roles & role)
            return true;
    return false;
}

static void extra_tables(madpo_strbuf *b, const madpo_exp_results *r, double *mean)
{
    static const struct {
        unsigned role;
        const char *title;
    } extras[] = {{MADPO_ROLE_SWEEP_C, "Sweep of c (c_max = c, c_min = 1/c)"},
                  {MADPO_ROLE_SWEEP_TAU, "Sweep of tau"},
                  {MADPO_ROLE_ABLATION, "Ablation of the weight"}};

    for (size_t i = 0; i < sizeof extras / sizeof *extras; i++) {
        if (!has_role(r, extras[i].role))
            continue;
        madpo_strbuf_printf(b, "\n## %s\n\n", extras[i].title);
        mean_table(b, r, extras[i].role, mean);
    }
}

static void failures(madpo_strbuf *b, const madpo_exp_results *r)
{
    if (r->n_failures == 0)
        return;
    madpo_strbuf_append(b, "\n## Failed\n\n");
    for (size_t i = 0; i < r->n_failures; i++)
        madpo_strbuf_printf(b, "- %s: %s\n", r->failure[i].cell, r->failure[i].reason);
}

void madpo_exp_markdown(madpo_strbuf *b, const madpo_exp_results *r)
{
    double *scratch = malloc((r->n_seeds + r->n_prompts + 1) * sizeof *scratch);

    if (!scratch) {
        b->failed = true;
        return;
    }
    madpo_strbuf_printf(b,
                        "# Results\n\nMean %s of one sample for each of %zu held-out prompts; mean "
                        "over %zu seed%s",
                        r->metric, r->n_prompts, r->n_seeds, r->n_seeds == 1 ? "" : "s");
    madpo_strbuf_append(b, r->n_seeds == 1 ? ", 95 % t interval over the prompts.\n\n"
                                           : " and 95 % t interval over the seeds.\n\n");
    mean_table(b, r, MADPO_ROLE_METHOD, scratch);
    reference_row(b, r, scratch);
    extra_tables(b, r, scratch);
    madpo_strbuf_append(b, "\n## Paired tests\n\nFor every prompt the mean difference over the "
                           "seeds; tested over the prompts.\n\n");
    test_table(b, r, scratch);
    madpo_strbuf_append(b, "\n## Reward models\n\n");
    reward_table(b, r);
    madpo_strbuf_append(b, "\n## Every seed\n\n");
    seed_table(b, r);
    failures(b, r);
    free(scratch);
}

/* ---- CSV ---- */

/* Quotes around it if it has a comma or a quote. */
static void csv_field(madpo_strbuf *b, const char *text)
{
    if (!strpbrk(text, ",\"\n")) {
        madpo_strbuf_append(b, text);
        return;
    }
    madpo_strbuf_append_char(b, '"');
    for (; *text; text++) {
        if (*text == '"')
            madpo_strbuf_append_char(b, '"');
        madpo_strbuf_append_char(b, *text);
    }
    madpo_strbuf_append_char(b, '"');
}

static void csv_scores(madpo_strbuf *b, const double *x, size_t n)
{
    madpo_summary s = madpo_summarize_t(x, n);

    madpo_strbuf_printf(b, "done,%zu,%.9g,%.9g,%.9g,%.9g\n", n, s.mean, s.sd, s.low, s.high);
}

void madpo_exp_csv(madpo_strbuf *b, const madpo_exp_results *r)
{
    madpo_strbuf_append(b, "tier,method,seed,status,n,mean,sd,ci95_low,ci95_high\n");
    for (size_t s = 0; s < r->n_seeds; s++)
        if (r->has_reference[s]) {
            madpo_strbuf_printf(b, ",reference,%s,", r->seed[s]);
            csv_scores(b, r->reference + s * r->n_prompts, r->n_prompts);
        }
    for (size_t t = 0; t < r->n_tiers; t++)
        for (size_t c = 0; c < r->n_columns; c++)
            for (size_t s = 0; s < r->n_seeds; s++) {
                size_t cell = madpo_exp_cell_index(r, t, c, s);

                madpo_strbuf_printf(b, "%s,", r->tier[t]);
                csv_field(b, r->column[c].spec);
                madpo_strbuf_printf(b, ",%s,", r->seed[s]);
                if (r->done[cell])
                    csv_scores(b, cell_scores(r, cell), r->n_prompts);
                else
                    madpo_strbuf_printf(b, "%s,0,,,,\n", r->failed[cell] ? "failed" : "missing");
            }
}

/* ---- JSON ---- */

static json_t *interval_json(double low, double high)
{
    return json_pack("[o,o]", madpo_json_real(low), madpo_json_real(high));
}

static json_t *summary_json(madpo_summary s, const double *mean, size_t n)
{
    json_t *seeds = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(seeds, madpo_json_real(mean[i]));
    return json_pack("{s:o,s:o,s:o}", "mean", madpo_json_real(s.mean), "ci95",
                     interval_json(s.low, s.high), "of_seeds", seeds);
}

static json_t *test_json(const madpo_exp_results *r, madpo_paired t, size_t n_seeds)
{
    return json_pack("{s:s,s:I,s:I,s:o,s:o,s:o,s:o,s:o}", "base_minus_this",
                     r->column[madpo_exp_base(r)].spec, "seeds", (json_int_t)n_seeds, "n",
                     (json_int_t)t.n, "mean", madpo_json_real(t.mean), "ci95",
                     interval_json(t.low, t.high), "t", madpo_json_real(t.t), "p",
                     madpo_json_real(t.p), "p_sign_flips", madpo_json_real(t.p_flip));
}

static json_t *column_json(const madpo_exp_results *r, size_t tier, size_t c, double *scratch)
{
    size_t n;
    madpo_summary s = madpo_exp_summary(r, tier, c, scratch, &n);
    json_t *object =
        json_pack("{s:s,s:o}", "method", r->column[c].spec, "reward", summary_json(s, scratch, n));
    madpo_paired test;

    if (c == madpo_exp_base(r))
        return object;
    test = madpo_exp_compare(r, tier, c, scratch, &n);
    if (n > 0)
        json_object_set_new(object, "test", test_json(r, test, n));
    return object;
}

static json_t *tier_json(const madpo_exp_results *r, size_t t, double *scratch)
{
    json_t *methods = json_array();

    for (size_t c = 0; c < r->n_columns; c++)
        json_array_append_new(methods, column_json(r, t, c, scratch));
    return json_pack("{s:s,s:O?,s:o}", "tier", r->tier[t], "reward_model", r->reward[t], "methods",
                     methods);
}

static json_t *failures_json(const madpo_exp_results *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n_failures; i++)
        json_array_append_new(list, json_pack("{s:s,s:s}", "cell", r->failure[i].cell, "reason",
                                              r->failure[i].reason));
    return list;
}

json_t *madpo_exp_json(const madpo_exp_results *r)
{
    double *scratch = malloc((r->n_seeds + r->n_prompts + 1) * sizeof *scratch);
    json_t *seeds = json_array(), *tiers = json_array(), *out = NULL;
    madpo_summary reference;
    size_t n;

    for (size_t s = 0; s < r->n_seeds; s++)
        json_array_append_new(seeds, json_integer(strtoll(r->seed[s], NULL, 10)));
    for (size_t t = 0; t < r->n_tiers && scratch; t++)
        json_array_append_new(tiers, tier_json(r, t, scratch));
    if (scratch) {
        reference = madpo_exp_reference(r, scratch, &n);
        out = json_pack("{s:i,s:s,s:I,s:o,s:o,s:o,s:o}", "v", 1, "metric", r->metric, "prompts",
                        (json_int_t)r->n_prompts, "seeds", seeds, "reference",
                        summary_json(reference, scratch, n), "tiers", tiers, "failed",
                        failures_json(r));
    } else {
        json_decref(seeds);
        json_decref(tiers);
    }
    free(scratch);
    return out;
}
