#ifndef MADPO_REPORT_INSIDE_H
#define MADPO_REPORT_INSIDE_H
/* What a report knows about its run. Inside src/report only. */
#include <jansson.h>

#include "base/strbuf.h"
#include "report/report.h"
#include "run/tokens.h"

/* One number over the steps of a stage, as its events told it. */
typedef struct madpo__series {
    char *stage, *name;
    double *x, *y; /* [n] x grows; y may be NaN */
    size_t n, capacity;
} madpo__series;

typedef struct madpo__stage {
    char name[16];
    char status[16];                 /* start, trained, done, skipped */
    double peak_bytes;               /* of device memory, 0 = not told */
    double seconds;                  /* worked, pauses and interruptions left out */
    int64_t steps, total, best_step; /* 0, 0, -1 where there are none */
    int64_t tokens;
    double eval_loss; /* NaN = none */
    bool stopped_early;
} madpo__stage;

enum { MADPO__MAX_STAGES = 16, MADPO__TOLD_PAIRS = 3 };

/* A pair of tokens.jsonl with its texts. */
typedef struct madpo__told_pair {
    madpo_token_line line;
    char *prompt, *answer[2]; /* chosen, rejected; NULL = not found */
} madpo__told_pair;

struct madpo_report {
    char *dir;
    json_t *name; /* of the folder, as text that can be shown */
    json_t *manifest;
    madpo__stage stage[MADPO__MAX_STAGES];
    size_t n_stages;
    madpo__series *series; /* [n_series] owned */
    size_t n_series;
    json_t *evaluations; /* events with "who", the last of each kind */
    json_t *controls;    /* events */
    json_t *warnings;    /* texts */
    json_t *samples; /* of samples.jsonl, a few: {"i","prompt","texts":[{"who","text","score"}]} */
    madpo__told_pair told[MADPO__TOLD_PAIRS]; /* [n_told] newest token values of a few pairs */
    size_t n_told;
    json_t *settings; /* that are not at their default: [key, value, default] */
    char *objective;  /* its name, NULL = unknown */
    double *h, *w;    /* [n_margins] of margins.jsonl, by h */
    size_t n_margins;
    double began, last; /* seconds since 1970, of the first and last event; NaN without events */
    double paused;      /* seconds */
    int n_resumes;
    int64_t n_bad_lines;
    char status[16]; /* done, stopped, failed, running, broken off */
    char *reason;    /* why it stopped or failed, NULL = none */
    long pid;        /* of the process that runs it, 0 = none */
};

/* ---- series ---- */

/* Add a point; what was told of this and later steps before (a stage that was resumed repeats them)
 * gives way. */
madpo_status madpo__series_add(struct madpo_report *report, const char *stage, const char *name,
                               double x, double y, madpo_error *err) MADPO_MUST_CHECK;
/* NULL if there is none, or nothing in it. */
const madpo__series *madpo__series_find(const struct madpo_report *report, const char *stage,
                                        const char *name);
void madpo__series_dispose(madpo__series *series);
/* Exponential average of y [n] into out [n], without the pull of its start: every weight that
 * should have come before the first point is divided out. NaN is passed over. */
void madpo__smooth(const double *y, double *out, size_t n, double keep);

/* ---- words ---- */

/* "3.2 s", "4 min 5 s", "2 h 10 min". */
void madpo__put_duration(madpo_strbuf *b, double seconds);
/* A time as UTC, "2026-01-31 23:59:59". */
void madpo__put_time(madpo_strbuf *b, double t);
/* A number of 4 digits, "-" for NaN. */
void madpo__put_number(madpo_strbuf *b, double value);
/* A JSON value as text: numbers as above, whole ones in full, strings as they are. */
void madpo__put_value(madpo_strbuf *b, const json_t *value);
/* Words with their long decimals cut to 6 digits: "beta 0.10000000000000001" as "beta 0.1". */
void madpo__put_short(madpo_strbuf *b, const char *words);
/* One line on what a control event did: "lr x 0.5 (0.001 to 0.0005)". */
void madpo__put_control(madpo_strbuf *b, const json_t *event);
const char *madpo__string(const json_t *object, const char *key); /* "" if there is none */
double madpo__number(const json_t *object, const char *key);      /* NaN if there is none */

/* What the policy has gained over the reference, where both were evaluated; nothing otherwise. */
void madpo__put_verdict(madpo_strbuf *b, const struct madpo_report *report);

/* ---- tokens ---- */

/* The newest values of the first pairs in tokens.jsonl, and their texts; none without the file. */
madpo_status madpo__tokens_collect(struct madpo_report *report, madpo_error *err) MADPO_MUST_CHECK;
void madpo__tokens_dispose(struct madpo_report *report);
void madpo__put_tokens(madpo_strbuf *b, const struct madpo_report *report);

/* ---- HTML ---- */

/* Text for a page: what means something there is escaped, and so is what no page may hold. */
void madpo__put_escaped(madpo_strbuf *b, const char *text);
/* All figures. */
void madpo__put_figures(madpo_strbuf *b, const struct madpo_report *report);
#endif
