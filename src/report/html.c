/* A run as one HTML page; see report.h. */
#include <math.h>
#include <string.h>

#include "madpo/version.h"
#include "report/inside.h"

/* Colours: Okabe and Ito's, which people with any kind of colour vision can tell apart; the darker
 * ones on white, the lighter ones on black. Lines differ by their dashes, too. */
static const char page_style[] =
    ":root{--bg:#fff;--fg:#1a1a1a;--soft:#595959;--rule:#d0d0d0;--box:#f5f5f5;"
    "--c0:#0072b2;--c1:#d55e00;--c2:#007a5a;--c3:#a0487a;--c4:#8a6d00;--c5:#1a1a1a}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#15171a;--fg:#e8e8e8;--soft:#b0b0b0;"
    "--rule:#3f444b;--box:#1f2227;--c0:#56b4e9;--c1:#e69f00;--c2:#2fc79b;--c3:#e39cc4;"
    "--c4:#f0e442;--c5:#e8e8e8}}\n"
    "@media print{:root{--bg:#fff;--fg:#000;--soft:#333;--rule:#bbb;--box:#fff;--c0:#0072b2;"
    "--c1:#d55e00;--c2:#007a5a;--c3:#a0487a;--c4:#8a6d00;--c5:#000}figure,tr,.sample{"
    "break-inside:avoid}}\n"
    "html{color-scheme:light dark;background:var(--bg);color:var(--fg)}\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:0 auto;padding:1rem}\n"
    "h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.25rem;margin:2rem 0 .5rem;"
    "border-bottom:1px solid var(--rule)}h3{font-size:1.05rem;margin:1.2rem 0 .3rem}\n"
    "p{margin:.4rem 0}.soft,.numbers,figcaption{color:var(--soft)}figcaption b{color:var(--fg)}\n"
    ".state{border:2px solid var(--fg);border-radius:.3rem;padding:.1rem .5rem;font-weight:600}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;margin:.4rem 0}\n"
    "th,td{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--rule);"
    "vertical-align:top}td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-"
    "nums}\n"
    ".facts td{overflow-wrap:anywhere}.more{min-width:18rem}"
    "code,td.code{font-family:ui-monospace,monospace;font-size:.9em;overflow-wrap:anywhere}\n"
    ".figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,27rem),1fr));"
    "gap:1rem}\n"
    "figure{margin:0;padding:.6rem;background:var(--box);border-radius:.4rem}\n"
    "figcaption,.numbers{font-size:.85rem}.numbers{font-variant-numeric:tabular-nums}\n"
    "svg{width:100%;height:auto;display:block}svg text{font:13px system-ui,sans-serif;"
    "fill:var(--soft)}svg text.name{font-weight:600}svg text.small{font-size:11px}\n"
    ".grid{stroke:var(--rule);stroke-width:.6;fill:none}.frame{stroke:var(--soft);fill:none}"
    ".tick{stroke:var(--fg);stroke-width:1;stroke-dasharray:1 3;fill:none}\n"
    ".line{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".dots{fill:none;stroke-width:3.4;stroke-linecap:round;opacity:.6}"
    ".band{stroke:none;opacity:.25}.bars{stroke:var(--bg);stroke-width:.6;opacity:.65}\n"
    ".s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}"
    ".s4{stroke:var(--c4)}.s5{stroke:var(--c5)}\n"
    ".band.s0,.bars.s0,.mark.s0,svg text.s0{fill:var(--c0)}.mark.s1,svg text.s1{fill:var(--c1)}"
    ".mark.s2,svg text.s2{fill:var(--c2)}.mark.s3,svg text.s3{fill:var(--c3)}svg "
    "text.s4{fill:var(--c4)}"
    "svg text.name{stroke:none}\n"
    ".line.s1{stroke-dasharray:7 3}.line.s2{stroke-dasharray:2 3}.line.s3{stroke-dasharray:9 3 2 3}"
    "\n"
    ".sample{background:var(--box);border-radius:.4rem;padding:.6rem;margin:.6rem 0}"
    ".sample p{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}"
    ".sample dt{font-weight:600}.sample dd{margin:0 0 .5rem 0;white-space:pre-wrap;"
    "overflow-wrap:anywhere;unicode-bidi:isolate}\n"
    /* tokens: up in blue over a line, down in orange over dots, so that grey paper tells them */
    ".u1,.u2,.u3{background:rgba(0,114,178,.18);border-bottom:2px solid transparent}"
    ".u2{background:rgba(0,114,178,.34)}.u3{background:rgba(0,114,178,.5)}"
    ".d1,.d2,.d3{background:rgba(230,159,0,.2);border-bottom:2px dotted transparent}"
    ".d2{background:rgba(230,159,0,.42)}.d3{background:rgba(230,159,0,.65)}"
    ".u2,.u3{border-color:#0072b2}.d2,.d3{border-color:#b35900}\n";

enum { MAX_TEXT = 1500 }; /* bytes of a sample shown */

/* A character that neither HTML nor XML can hold, as its first bytes: the controls but tab and
 * newline, U+FFFE and U+FFFF. Returns its length, 0 if it is fine. */
static size_t forbidden(const unsigned char *c)
{
    if (c[0] < 0x20)
        return c[0] != '\t' && c[0] != '\n';
    if (c[0] == 0x7f)
        return 1;
    if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
        return 2;
    return c[0] == 0xef && c[1] == 0xbf && (c[2] == 0xbe || c[2] == 0xbf) ? 3 : 0;
}

void madpo__put_escaped(madpo_strbuf *b, const char *text)
{
    while (*text) {
        size_t skip = forbidden((const unsigned char *)text);

        if (skip > 0) {
            madpo_strbuf_append(b, "\xef\xbf\xbd");
            text += skip;
            continue;
        }
        if (*text == '<')
            madpo_strbuf_append(b, "&lt;");
        else if (*text == '>')
            madpo_strbuf_append(b, "&gt;");
        else if (*text == '&')
            madpo_strbuf_append(b, "&amp;");
        else if (*text == '"')
            madpo_strbuf_append(b, "&quot;");
        else
            madpo_strbuf_append_char(b, *text);
        text++;
    }
}

/* ---- pieces ---- */

static void put_tagged(madpo_strbuf *b, const char *open, const char *text, const char *close)
{
    madpo_strbuf_append(b, open);
    madpo__put_escaped(b, text);
    madpo_strbuf_append(b, close);
}

static void put_cell(madpo_strbuf *b, const char *class, const madpo_strbuf *text)
{
    madpo_strbuf_printf(b, "<td%s%s%s>", *class ? " class=\"" : "", class, *class ? "\"" : "");
    madpo__put_escaped(b, text->s ? text->s : "");
    madpo_strbuf_append(b, "</td>");
}

static void put_number_cell(madpo_strbuf *b, double value)
{
    madpo_strbuf text = {0};

    madpo__put_number(&text, value);
    put_cell(b, "n", &text);
    madpo_strbuf_dispose(&text);
}

static void put_count_cell(madpo_strbuf *b, int64_t value)
{
    madpo_strbuf text = {0};

    if (value > 0)
        madpo_strbuf_printf(&text, "%lld", (long long)value);
    put_cell(b, "n", &text);
    madpo_strbuf_dispose(&text);
}

static void put_fact(madpo_strbuf *b, const char *name, const char *text)
{
    if (!*text)
        return;
    madpo_strbuf_printf(b, "<tr><th>%s</th><td>", name);
    madpo__put_escaped(b, text);
    madpo_strbuf_append(b, "</td></tr>\n");
}

/* ---- sections ---- */

static void put_head(madpo_strbuf *b, const madpo_report *r)
{
    const char *id = madpo__string(r->manifest, "id");

    madpo_strbuf_append(
        b, "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
           "<meta charset=\"utf-8\"/>\n"
           "<meta http-equiv=\"Content-Security-Policy\" "
           "content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
    put_tagged(b, "<title>Run ", id, "</title>\n<style>\n");
    madpo_strbuf_append(b, page_style);
    put_tagged(b, "</style>\n</head>\n<body>\n<h1>Run ", id, "</h1>\n<p><span class=\"state\">");
    madpo__put_escaped(b, r->status);
    madpo_strbuf_append(b, "</span> ");
    madpo__put_escaped(b, r->reason ? r->reason : "");
    if (r->pid > 0)
        madpo_strbuf_printf(b, " This page shows the run as it was when the page was made.");
    if (strcmp(r->status, "broken off") == 0)
        madpo_strbuf_append(b, " No process writes this run any more, and its last event is not an "
                               "end: it was killed, or the machine went down. It can go on with "
                               "<code>madpo train --run DIR --resume</code>.");
    madpo_strbuf_append(b, "</p>\n");
}

static void put_verdict(madpo_strbuf *b, const madpo_report *r)
{
    madpo_strbuf text = {0};

    madpo__put_verdict(&text, r);
    if (text.n > 0)
        put_tagged(b, "<p>", text.s, "</p>\n");
    madpo_strbuf_dispose(&text);
}

static void put_facts(madpo_strbuf *b, const madpo_report *r)
{
    static const struct {
        const char *name, *key;
    } facts[] = {{"objective", "objective"}, {"model", "model"},   {"data", "data"},
                 {"device", "device"},       {"driver", "driver"}, {"madpo", "madpo"}};
    madpo_strbuf text = {0};

    madpo_strbuf_append(b, "<div class=\"wide\"><table class=\"facts\">\n");
    put_fact(b, "folder", json_string_value(r->name));
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        madpo__put_short(&text, madpo__string(r->manifest, facts[i].key));
        put_fact(b, facts[i].name, text.s ? text.s : "");
        madpo_strbuf_reset(&text);
    }
    madpo_strbuf_printf(&text, "%lld",
                        (long long)json_integer_value(json_object_get(r->manifest, "seed")));
    put_fact(b, "seed", text.s ? text.s : "");
    madpo_strbuf_reset(&text);
    madpo__put_time(&text, r->began);
    madpo_strbuf_append(&text, " to ");
    madpo__put_time(&text, r->last);
    madpo_strbuf_append(&text, " UTC");
    if (r->n_resumes > 0)
        madpo_strbuf_printf(&text, ", resumed %d time%s", r->n_resumes,
                            r->n_resumes == 1 ? "" : "s");
    if (r->paused > 0.0) {
        madpo_strbuf_append(&text, ", paused ");
        madpo__put_duration(&text, r->paused);
    }
    put_fact(b, "time", text.s ? text.s : "");
    madpo_strbuf_dispose(&text);
    madpo_strbuf_append(b, "</table></div>\n");
}

static void put_stage(madpo_strbuf *b, const madpo__stage *s)
{
    madpo_strbuf text = {0};

    put_tagged(b, "<tr><td>", s->name, "</td>");
    put_tagged(b, "<td>", strcmp(s->status, "start") == 0 ? "not finished" : s->status, "");
    madpo_strbuf_append(b, s->stopped_early ? ", stopped early</td>" : "</td>");
    put_count_cell(b, s->steps);
    put_count_cell(b, s->total);
    put_count_cell(b, s->best_step);
    put_number_cell(b, s->eval_loss);
    put_count_cell(b, s->tokens);
    madpo__put_duration(&text, s->seconds);
    put_cell(b, "n", &text);
    put_number_cell(b, s->steps > 0 && s->seconds > 0.0 ? (double)s->steps / s->seconds : NAN);
    put_number_cell(b, s->peak_bytes > 0.0 ? s->peak_bytes / 1e6 : NAN);
    madpo_strbuf_append(b, "</tr>\n");
    madpo_strbuf_dispose(&text);
}

static void put_stages(madpo_strbuf *b, const madpo_report *r)
{
    double seconds = 0.0;
    madpo_strbuf text = {0};

    madpo_strbuf_append(
        b, "<h2>Stages and timing</h2>\n<div class=\"wide\"><table>\n<tr><th>stage</th><th>state"
           "</th><th class=\"n\">steps</th><th class=\"n\">of</th><th class=\"n\">best step</th>"
           "<th class=\"n\">held-out loss</th><th class=\"n\">tokens</th><th class=\"n\">time</th>"
           "<th class=\"n\">steps/s</th><th class=\"n\">most device memory, MB</th></tr>\n");
    for (size_t i = 0; i < r->n_stages; i++) {
        put_stage(b, &r->stage[i]);
        seconds += r->stage[i].seconds;
    }
    madpo_strbuf_append(b, "</table></div>\n<p class=\"soft\">Time worked: ");
    madpo__put_duration(&text, seconds);
    madpo__put_escaped(b, text.s ? text.s : "");
    madpo_strbuf_append(b, ", evaluations and checkpoints of a stage included, pauses and "
                           "interruptions not.</p>\n");
    madpo_strbuf_dispose(&text);
}

/* Members of an evaluation that have no column of their own, one level of objects included. */
static void put_rest(madpo_strbuf *text, json_t *object, const char *prefix)
{
    static const char *const shown[] = {"v",      "t", "ev",   "stage", "who",
                                        "metric", "n", "mean", "ci95",  "step"};
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        bool skip = json_is_null(value) || (json_is_array(value) && *prefix == '\0');

        for (size_t i = 0; i < sizeof shown / sizeof *shown && *prefix == '\0'; i++)
            skip = skip || strcmp(key, shown[i]) == 0;
        if (skip)
            continue;
        if (json_is_object(value) && *prefix == '\0') {
            put_rest(text, value, key);
            continue;
        }
        if (json_is_array(value) || json_is_object(value))
            continue;
        madpo_strbuf_printf(text, "%s%s%s%s ", text->n > 0 ? ", " : "", prefix, *prefix ? " " : "",
                            key);
        madpo__put_value(text, value);
    }
}

static void put_evaluation(madpo_strbuf *b, json_t *e)
{
    const json_t *ci = json_object_get(e, "ci95");
    madpo_strbuf text = {0};

    put_tagged(b, "<tr><td>", madpo__string(e, "stage"), "</td>");
    put_tagged(b, "<td>", madpo__string(e, "who"), "</td>");
    put_tagged(b, "<td>", madpo__string(e, "metric"), "</td>");
    put_count_cell(b, (int64_t)json_integer_value(json_object_get(e, "n")));
    put_number_cell(b, madpo__number(e, "mean"));
    if (json_is_number(json_array_get(ci, 0)) && json_is_number(json_array_get(ci, 1)))
        madpo_strbuf_printf(&text, "%.4g to %.4g", json_number_value(json_array_get(ci, 0)),
                            json_number_value(json_array_get(ci, 1)));
    put_cell(b, "n", &text);
    madpo_strbuf_reset(&text);
    put_rest(&text, e, "");
    put_cell(b, "", &text);
    madpo_strbuf_append(b, "</tr>\n");
    madpo_strbuf_dispose(&text);
}

static void put_evaluations(madpo_strbuf *b, const madpo_report *r)
{
    if (json_array_size(r->evaluations) == 0)
        return;
    madpo_strbuf_append(
        b, "<h2>Results</h2>\n<div class=\"wide\"><table>\n<tr><th>stage</th><th>of</th>"
           "<th>measure</th><th class=\"n\">n</th><th class=\"n\">mean</th>"
           "<th class=\"n\">95 % interval</th><th class=\"more\">further</th></tr>\n");
    for (size_t i = 0; i < json_array_size(r->evaluations); i++)
        put_evaluation(b, json_array_get(r->evaluations, i));
    madpo_strbuf_append(
        b, "</table></div>\n<p class=\"soft\">Compare policy with reference: where their intervals "
           "do not overlap the difference is no accident. true_reward is the score of the "
           "generator's own scorer, which training never sees; reward_model is that of the reward "
           "model the policy was trained by, which favours it.</p>\n");
}

static void put_clipped(madpo_strbuf *b, const char *text)
{
    madpo_strbuf cut = {0};
    size_t n = strlen(text), keep = n < MAX_TEXT ? n : MAX_TEXT;

    while (keep > 0 && keep < n && ((unsigned char)text[keep] & 0xc0) == 0x80)
        keep--;
    madpo_strbuf_append_n(&cut, text, keep);
    madpo__put_escaped(b, cut.s ? cut.s : "");
    if (keep < n)
        madpo_strbuf_printf(b, " <i>(%zu bytes more)</i>", n - keep);
    madpo_strbuf_dispose(&cut);
}

static void put_samples(madpo_strbuf *b, const madpo_report *r)
{
    if (json_array_size(r->samples) == 0)
        return;
    madpo_strbuf_append(b, "<h2>Samples</h2>\n<p class=\"soft\">The first prompts of the "
                           "evaluation, not the best ones.</p>\n");
    for (size_t i = 0; i < json_array_size(r->samples); i++) {
        const json_t *group = json_array_get(r->samples, i),
                     *texts = json_object_get(group, "texts");

        madpo_strbuf_append(b, "<div class=\"sample\">\n<p><b>");
        put_clipped(b, madpo__string(group, "prompt"));
        madpo_strbuf_append(b, "</b></p>\n<dl>\n");
        for (size_t k = 0; k < json_array_size(texts); k++) {
            const json_t *one = json_array_get(texts, k);

            put_tagged(b, "<dt>", madpo__string(one, "who"), "");
            if (json_is_number(json_object_get(one, "score")))
                madpo_strbuf_printf(b, " <span class=\"soft\">score %.3g</span>",
                                    madpo__number(one, "score"));
            madpo_strbuf_append(b, "</dt>\n<dd>");
            put_clipped(b, madpo__string(one, "text"));
            madpo_strbuf_append(b, "</dd>\n");
        }
        madpo_strbuf_append(b, "</dl>\n</div>\n");
    }
}

static void put_settings(madpo_strbuf *b, const madpo_report *r)
{
    madpo_strbuf_append(b, "<h2>Configuration</h2>\n");
    if (json_array_size(r->settings) == 0) {
        madpo_strbuf_append(b, "<p>No setting differs from its default, or the configuration is of "
                               "another version; see config.cfg.</p>\n");
        return;
    }
    madpo_strbuf_append(b,
                        "<p class=\"soft\">Settings that are not at their default; config.cfg has "
                        "all.</p>\n<div class=\"wide\"><table>\n<tr><th>setting</th><th>value"
                        "</th><th>default</th></tr>\n");
    for (size_t i = 0; i < json_array_size(r->settings); i++) {
        const json_t *row = json_array_get(r->settings, i);

        madpo_strbuf_append(b, "<tr>");
        for (size_t k = 0; k < 3; k++) {
            const char *text = json_string_value(json_array_get(row, k));

            put_tagged(b, "<td class=\"code\">", text ? text : "", "</td>");
        }
        madpo_strbuf_append(b, "</tr>\n");
    }
    madpo_strbuf_append(b, "</table></div>\n");
}

static void put_controls(madpo_strbuf *b, const madpo_report *r)
{
    if (json_array_size(r->controls) == 0)
        return;
    madpo_strbuf_append(b,
                        "<h2>What was done to the run</h2>\n<p class=\"soft\">On its way, at the "
                        "end of the step named. <code>madpo train CONFIG --control-file "
                        "events.jsonl</code> does it again, with the same weights at the end."
                        "</p>\n<div class=\"wide\"><table>\n<tr><th>time (UTC)</th><th>stage</th>"
                        "<th class=\"n\">step</th><th>by</th><th>what</th></tr>\n");
    for (size_t i = 0; i < json_array_size(r->controls); i++) {
        const json_t *e = json_array_get(r->controls, i);
        madpo_strbuf text = {0};

        madpo_strbuf_append(b, "<tr>");
        madpo__put_time(&text, madpo__number(e, "t"));
        put_cell(b, "", &text);
        put_tagged(b, "<td>", madpo__string(e, "stage"), "</td>");
        put_number_cell(b, json_object_get(e, "step") ? madpo__number(e, "step")
                                                      : madpo__number(e, "done"));
        put_tagged(b, "<td>", madpo__string(e, "by"), "</td>");
        madpo_strbuf_reset(&text);
        madpo__put_control(&text, e);
        put_cell(b, "", &text);
        madpo_strbuf_append(b, "</tr>\n");
        madpo_strbuf_dispose(&text);
    }
    madpo_strbuf_append(b, "</table></div>\n");
}

static void put_warnings(madpo_strbuf *b, const madpo_report *r)
{
    if (json_array_size(r->warnings) == 0 && r->n_bad_lines == 0)
        return;
    madpo_strbuf_append(b, "<h2>Warnings</h2>\n<ul>\n");
    for (size_t i = 0; i < json_array_size(r->warnings); i++)
        put_tagged(b, "<li>", json_string_value(json_array_get(r->warnings, i)), "</li>\n");
    if (r->n_bad_lines > 0)
        madpo_strbuf_printf(b, "<li>%lld damaged lines of events.jsonl were passed over</li>\n",
                            (long long)r->n_bad_lines);
    madpo_strbuf_append(b, "</ul>\n");
}

/* ---- the whole ---- */

madpo_status madpo_report_html(const madpo_report *report, char **out, size_t *n, madpo_error *err)
{
    madpo_strbuf b = {0};

    put_head(&b, report);
    put_verdict(&b, report);
    put_facts(&b, report);
    put_evaluations(&b, report);
    madpo_strbuf_append(&b, "<h2>Course</h2>\n");
    if (report->n_series == 0)
        madpo_strbuf_append(&b, "<p>No step was reported yet.</p>\n");
    madpo__put_figures(&b, report);
    put_samples(&b, report);
    madpo__put_tokens(&b, report);
    put_stages(&b, report);
    put_controls(&b, report);
    put_warnings(&b, report);
    put_settings(&b, report);
    madpo_strbuf_append(&b, "<p class=\"soft\">Written by madpo " MADPO_VERSION ".</p>\n</body>\n"
                            "</html>\n");
    return madpo_strbuf_steal(&b, out, n, err);
}
