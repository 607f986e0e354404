/* What madpo eval found, as a table and as JSON. */
#include "cli/eval.h"

#include <math.h>

#include "base/json.h"

/* ---- table ---- */

static void cell(madpo_strbuf *b, double mean, double low, double high, int digits)
{
    if (isnan(mean)) {
        madpo_strbuf_append(b, "-");
        return;
    }
    madpo_strbuf_printf(b, "%.*f", digits, mean);
    if (!isnan(low))
        madpo_strbuf_printf(b, " [%.*f, %.*f]", digits, low, digits, high);
}

static void line(madpo_strbuf *b, const char *what, madpo_summary s, int digits)
{
    madpo_strbuf_printf(b, "  %-37s ", what);
    cell(b, s.mean, s.low, s.high, digits);
    madpo_strbuf_append_char(b, '\n');
}

static void share_line(madpo_strbuf *b, const char *what, madpo_share s)
{
    if (s.n == 0)
        return;
    madpo_strbuf_printf(b, "  %-37s ", what);
    cell(b, s.share, s.low, s.high, 3);
    madpo_strbuf_printf(b, " of %zu\n", s.n);
}

static void side(madpo_strbuf *b, const char *who, const madpo_eval_side *s)
{
    madpo_strbuf_printf(b, "  %-37s ", who);
    if (s->score.n > 0) {
        madpo_strbuf_append(b, "true reward ");
        cell(b, s->score.mean, s->score.low, s->score.high, 3);
        madpo_strbuf_append(b, ", ");
    }
    madpo_strbuf_printf(b, "%.1f tokens (SD ", s->tokens.mean);
    cell(b, s->tokens.sd, NAN, NAN, 1);
    madpo_strbuf_printf(b, "), %.1f %% ended, distinct-1 ", 100.0 * s->ended.share);
    cell(b, s->distinct_1, NAN, NAN, 3);
    madpo_strbuf_append(b, ", distinct-2 ");
    cell(b, s->distinct_2, NAN, NAN, 3);
    madpo_strbuf_append_char(b, '\n');
}

static void row_lines(madpo_strbuf *b, const madpo_eval_row *r)
{
    madpo_strbuf_printf(b, "temperature %g\n", r->temperature);
    side(b, "policy", &r->policy);
    if (r->reference.tokens.n > 0)
        side(b, "reference", &r->reference);
    if (r->difference.n > 0) {
        madpo_strbuf_printf(b, "  %-37s ", "true reward, policy - reference");
        cell(b, r->difference.mean, r->difference.low, r->difference.high, 3);
        madpo_strbuf_printf(b, ", p %.4f (t), %.4f (sign flips)\n", r->difference.p,
                            r->difference.p_flip);
    }
    if (r->kl_sequence.n > 0) {
        line(b, "log(policy/reference) per text", r->kl_sequence, 3);
        line(b, "log(policy/reference) per token", r->kl_token, 5);
    }
    share_line(b, "reward model prefers it to reference", r->wins);
    share_line(b, "reward model prefers it to answers", r->wins_answers);
}

void madpo__eval_table(madpo_strbuf *b, const madpo_eval_report *r)
{
    madpo_strbuf_printf(b, "%s: one sample for each of %zu prompts, 95 %% intervals\n", r->model,
                        r->n_prompts);
    for (size_t i = 0; i < r->n_rows; i++)
        row_lines(b, &r->row[i]);
}

/* ---- JSON ---- */

static json_t *interval_json(double low, double high)
{
    return json_pack("[o,o]", madpo_json_real(low), madpo_json_real(high));
}

static json_t *summary_json(madpo_summary s)
{
    if (s.n == 0)
        return json_null();
    return json_pack("{s:I,s:o,s:o,s:o}", "n", (json_int_t)s.n, "mean", madpo_json_real(s.mean),
                     "sd", madpo_json_real(s.sd), "ci95", interval_json(s.low, s.high));
}

static json_t *share_json(madpo_share s)
{
    if (s.n == 0)
        return json_null();
    return json_pack("{s:I,s:o,s:o}", "n", (json_int_t)s.n, "share", madpo_json_real(s.share),
                     "ci95", interval_json(s.low, s.high));
}

static json_t *side_json(const madpo_eval_side *s)
{
    if (s->tokens.n == 0)
        return json_null();
    return json_pack("{s:o,s:o,s:o,s:o,s:o}", "true_reward", summary_json(s->score), "tokens",
                     summary_json(s->tokens), "ended", share_json(s->ended), "distinct_1",
                     madpo_json_real(s->distinct_1), "distinct_2", madpo_json_real(s->distinct_2));
}

static json_t *paired_json(madpo_paired t)
{
    if (t.n == 0)
        return json_null();
    return json_pack("{s:I,s:o,s:o,s:o,s:o,s:o}", "n", (json_int_t)t.n, "mean",
                     madpo_json_real(t.mean), "ci95", interval_json(t.low, t.high), "t",
                     madpo_json_real(t.t), "p", madpo_json_real(t.p), "p_sign_flips",
                     madpo_json_real(t.p_flip));
}

static json_t *row_json(const madpo_eval_row *r)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:{s:o,s:o},s:{s:o,s:o}}", "temperature",
                     madpo_json_real(r->temperature), "policy", side_json(&r->policy), "reference",
                     side_json(&r->reference), "difference", paired_json(r->difference),
                     "log_ratio", "per_text", summary_json(r->kl_sequence), "per_token",
                     summary_json(r->kl_token), "win_rate", "reference", share_json(r->wins),
                     "answers", share_json(r->wins_answers));
}

json_t *madpo__eval_json(const madpo_eval_report *r)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < r->n_rows && rows; i++)
        json_array_append_new(rows, row_json(&r->row[i]));
    return json_pack("{s:i,s:s,s:s?,s:s?,s:s?,s:s,s:I,s:I,s:I,s:o}", "v", 1, "model", r->model,
                     "reference", r->reference, "reward", r->reward, "scorer", r->scorer, "prompts",
                     r->prompts, "n_prompts", (json_int_t)r->n_prompts, "max_tokens",
                     (json_int_t)r->max_tokens, "seed", (json_int_t)r->seed, "temperatures", rows);
}
