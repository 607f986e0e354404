/* Opening and following a run's files; see feed.h. */
#include "tui/feed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/strbuf.h"

enum {
    SOURCE_TAIL = 1 << 20,      /* bytes of the log shown first */
    SOURCE_LONG_LOG = 16 << 20, /* logs up to this are read at once */
    SOURCE_LINES = 64           /* between two looks at the clock */
};

/* ---- the objective ---- */

/* "madpo beta 0.1 c_max 2 c_min 0.5 lambda 1 tau 6.9": name, then names and values. */
static void source_read_objective(madpo_feed *source)
{
    const char *text =
        json_string_value(json_object_get(madpo_run_reader_manifest(source->reader), "objective"));
    char word[32], value[40];
    int n = 0, found = 0;

    source->beta = (double)NAN;
    source->weight = (madpo_weight_options){
        .c_max = 2.0, .c_min = 0.5, .lambda = 1.0, .tau = 4.0, .max_weight = 100.0};
    if (!text || sscanf(text, "%31s%n", source->objective, &n) != 1)
        return;
    while (text += n, sscanf(text, "%31s %39s%n", word, value, &n) == 2) {
        double x = strtod(value, NULL);

        if (strcmp(word, "beta") == 0)
            source->beta = x;
        else if (strcmp(word, "c_max") == 0)
            source->weight.c_max = x, found++;
        else if (strcmp(word, "c_min") == 0)
            source->weight.c_min = x, found++;
        else if (strcmp(word, "lambda") == 0)
            source->weight.lambda = x, found++;
        else if (strcmp(word, "tau") == 0)
            source->weight.tau = x, found++;
        else if (strcmp(word, "max_weight") == 0)
            source->weight.max_weight = x;
        else if (strcmp(word, "variant") == 0)
            madpo_weight_variant_find(&source->weight.variant, value);
    }
    source->has_weight = found == 4;
}

/* ---- life ---- */

static void story_dispose(madpo_story *story)
{
    madpo_history_dispose(&story->history);
    madpo_samples_dispose(&story->samples);
}

void madpo_feed_close(madpo_feed *source)
{
    if (!source)
        return;
    story_dispose(&source->all);
    story_dispose(&source->tail);
    madpo_follow_close(source->margins);
    madpo_follow_close(source->pairs);
    madpo_follow_close(source->tokens);
    madpo_run_reader_close(source->reader);
    free(source->dir);
    free(source->name);
    free(source);
}

/* "runs/a/" is "runs/a", whose name is "a". */
static bool source_name(madpo_feed *source, const char *dir)
{
    size_t n = strlen(dir);
    const char *slash;

    while (n > 1 && dir[n - 1] == '/')
        n--;
    source->dir = strndup(dir, n);
    slash = source->dir ? strrchr(source->dir, '/') : NULL;
    source->name = source->dir ? strdup(slash && slash[1] ? slash + 1 : source->dir) : NULL;
    return source->name;
}

/* The last part of a long log, through a reader of its own. */
static madpo_status source_read_tail(madpo_feed *source, madpo_error *err)
{
    madpo_run_reader *reader;
    const char *line = NULL;
    size_t n = 0;
    int64_t done, total;
    madpo_status st;

    madpo_run_reader_position(source->reader, &done, &total);
    if (total <= SOURCE_LONG_LOG)
        return MADPO_OK;
    st = madpo_run_reader_open(&reader, source->dir, err);
    if (st == MADPO_OK)
        st = madpo_run_reader_seek_tail(reader, SOURCE_TAIL, err);
    while (st == MADPO_OK &&
           (st = madpo_run_reader_next_line(reader, &line, &n, err)) == MADPO_OK && line)
        st = madpo_history_line(&source->tail.history, &source->tail.samples, line, n, err);
    madpo_run_reader_close(reader);
    source->only_tail = true;
    return st;
}

madpo_status madpo_feed_open(madpo_feed **out, const char *dir, double seconds, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    madpo_feed *source = calloc(1, sizeof *source);
    int64_t n;
    bool more;

    *out = NULL;
    if (!source)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "run %s", dir);
    madpo_history_init(&source->all.history);
    madpo_history_init(&source->tail.history);
    source->live_size = -1;
    if (!source_name(source, dir))
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "run %s", dir);
    if (st == MADPO_OK)
        st = madpo_run_reader_open(&source->reader, source->dir, err);
    if (st == MADPO_OK)
        st = madpo_follow_open(&source->margins, source->dir, "margins.jsonl", err);
    if (st == MADPO_OK)
        st = madpo_follow_open(&source->pairs, source->dir, "pairs.jsonl", err);
    if (st == MADPO_OK)
        st = madpo_follow_open(&source->tokens, source->dir, "tokens.jsonl", err);
    if (st == MADPO_OK) {
        source_read_objective(source);
        madpo_feed_check_live(source);
        st = source_read_tail(source, err);
    }
    if (st == MADPO_OK)
        st = madpo_feed_load(source, seconds, &n, &more, err);
    if (st == MADPO_OK)
        *out = source;
    else
        madpo_feed_close(source);
    return st;
}

void madpo_feed_check_live(madpo_feed *source)
{
    int64_t done, size;

    madpo_run_reader_position(source->reader, &done, &size);
    if (!source->live && source->live_size == size)
        return;
    source->live_size = size;
    source->live = madpo_run_reader_is_live(source->reader, &source->pid);
}

/* ---- reading ---- */

/* One line of a file; *took is false when there is none now. */
typedef madpo_status (*source_take)(madpo_feed *source, bool *took, madpo_error *err);

static madpo_status take_event(madpo_feed *source, bool *took, madpo_error *err)
{
    const char *line;
    size_t n = 0;
    madpo_status st = madpo_run_reader_next_line(source->reader, &line, &n, err);

    *took = st == MADPO_OK && line;
    if (*took)
        st = madpo_history_line(&source->all.history, &source->all.samples, line, n, err);
    return st;
}

static madpo_status take_margin(madpo_feed *source, bool *took, madpo_error *err)
{
    const char *line;
    size_t n = 0;
    madpo_status st = madpo_follow_next(source->margins, &line, &n, err);

    *took = st == MADPO_OK && line;
    if (*took)
        st = madpo_samples_margin_line(&source->all.samples, line, n, err);
    return st;
}

static madpo_status take_pair(madpo_feed *source, bool *took, madpo_error *err)
{
    const char *line;
    size_t n = 0;
    madpo_status st = madpo_follow_next(source->pairs, &line, &n, err);

    *took = st == MADPO_OK && line;
    if (*took)
        st = madpo_samples_pair_line(&source->all.samples, line, n,
                                     madpo_follow_line_offset(source->pairs), err);
    return st;
}

static madpo_status take_tokens(madpo_feed *source, bool *took, madpo_error *err)
{
    const char *line;
    size_t n = 0;
    madpo_status st = madpo_follow_next(source->tokens, &line, &n, err);

    *took = st == MADPO_OK && line;
    if (*took)
        st = madpo_samples_token_line(&source->all.samples, line, n,
                                      madpo_follow_line_offset(source->tokens), err);
    return st;
}

madpo_status madpo_feed_load(madpo_feed *source, double seconds, int64_t *n, bool *more,
                             madpo_error *err)
{
    static const source_take takes[] = {take_margin, take_event, take_pair, take_tokens};
    double until = madpo_clock_monotonic() + seconds;
    madpo_status st = MADPO_OK;

    *n = 0;
    *more = true;
    for (size_t i = 0; st == MADPO_OK && i < sizeof takes / sizeof *takes; i++) {
        bool took = true;

        while (st == MADPO_OK && took) {
            for (int k = 0; st == MADPO_OK && took && k < SOURCE_LINES; k++) {
                st = takes[i](source, &took, err);
                *n += took;
            }
            if (took && madpo_clock_monotonic() >= until)
                return st;
        }
        if (takes[i] == take_event && source->only_tail) {
            source->only_tail = false;
            source->all.samples.version += (uint64_t)1 << 40; /* no list of the tail fits it */
            story_dispose(&source->tail);
        }
    }
    *more = false;
    return st;
}

const madpo_story *madpo_feed_story(const madpo_feed *source)
{
    return source->only_tail ? &source->tail : &source->all;
}

madpo_story *madpo_feed_story_mutable(madpo_feed *source)
{
    return source->only_tail ? &source->tail : &source->all;
}

double madpo_feed_loaded(const madpo_feed *source)
{
    int64_t done, total;

    madpo_run_reader_position(source->reader, &done, &total);
    done += madpo_follow_position(source->margins) + madpo_follow_position(source->pairs) +
            madpo_follow_position(source->tokens);
    total += madpo_follow_size(source->margins) + madpo_follow_size(source->pairs) +
             madpo_follow_size(source->tokens);
    return total > done ? (double)done / (double)total : 1.0;
}

/* ---- texts ---- */

void madpo_pair_text_dispose(madpo_pair_text *text)
{
    free(text->prompt);
    free(text->chosen);
    free(text->rejected);
    *text = (madpo_pair_text){0};
}

static char *text_of(const madpo_scan_value *v)
{
    char *text = malloc(v->n_text + 1);

    if (text)
        madpo_scan_unescape(text, v->n_text + 1, v->text, v->n_text);
    return text;
}

madpo_status madpo_feed_text(madpo_pair_text *out, const madpo_feed *source,
                             const madpo_sample *sample, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    char *line = NULL;
    madpo_scan scan;
    madpo_scan_value v;

    *out = (madpo_pair_text){0};
    if (sample->offset >= 0)
        st = madpo_follow_read_at(source->pairs, sample->offset, sample->n_line, &line, err);
    if (st == MADPO_OK && line && madpo_scan_open(&scan, line, sample->n_line))
        while (madpo_scan_next(&scan, &v)) {
            char **field = madpo_scan_is(&v, "prompt")     ? &out->prompt
                           : madpo_scan_is(&v, "chosen")   ? &out->chosen
                           : madpo_scan_is(&v, "rejected") ? &out->rejected
                                                           : NULL;

            if (field && !*field && v.kind == MADPO_SCAN_STRING)
                *field = text_of(&v);
        }
    free(line);
    out->prompt = out->prompt ? out->prompt : calloc(1, 1);
    out->chosen = out->chosen ? out->chosen : calloc(1, 1);
    out->rejected = out->rejected ? out->rejected : calloc(1, 1);
    if (st == MADPO_OK && (!out->prompt || !out->chosen || !out->rejected))
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "text of pair %lld", (long long)sample->id);
    if (st != MADPO_OK)
        madpo_pair_text_dispose(out);
    return st;
}

madpo_status madpo_feed_tokens(madpo_token_line *out, bool *there, const madpo_feed *source,
                               const madpo_sample *sample, double step, madpo_error *err)
{
    const madpo_token_place *place =
        madpo_samples_tokens(&madpo_feed_story(source)->samples, sample, step);
    char *line = NULL, where[64];
    madpo_status st;

    *out = (madpo_token_line){0};
    *there = false;
    if (!place)
        return MADPO_OK;
    snprintf(where, sizeof where, "tokens.jsonl, pair %lld at step %d", (long long)sample->id,
             place->step);
    st = madpo_follow_read_at(source->tokens, place->offset, place->n_line, &line, err);
    if (st == MADPO_OK)
        st = madpo_token_line_parse(out, line, place->n_line, where, err);
    if (st == MADPO_OK && (out->id != sample->id || out->step != place->step))
        st = madpo_error_set(err, MADPO_ERR_DATA, "%s: the file was written anew", where);
    free(line);
    *there = st == MADPO_OK;
    return st;
}

/* ---- what the trainer printed ---- */

madpo_status madpo_log_tail(char **out, const char *dir, size_t bytes, madpo_error *err)
{
    madpo_follow *log;
    madpo_strbuf text = {0};
    const char *line = NULL;
    size_t n = 0;
    madpo_status st = madpo_follow_open(&log, dir, "log.txt", err);

    *out = NULL;
    if (st == MADPO_OK)
        st = madpo_follow_seek_tail(log, (int64_t)bytes, err);
    while (st == MADPO_OK && (st = madpo_follow_next(log, &line, &n, err)) == MADPO_OK && line) {
        madpo_strbuf_append_n(&text, line, n);
        madpo_strbuf_append_char(&text, '\n');
    }
    madpo_follow_close(log);
    if (st == MADPO_OK)
        st = madpo_strbuf_steal(&text, out, NULL, err);
    madpo_strbuf_dispose(&text);
    return st;
}

madpo_status madpo_feed_log(char **out, const madpo_feed *source, size_t bytes, madpo_error *err)
{
    return madpo_log_tail(out, source->dir, bytes, err);
}
