#ifndef MADPO_TUI_SAMPLES_H
#define MADPO_TUI_SAMPLES_H
/* The pairs of a run: margins and weights from margins.jsonl, lengths and the place of the text
 * from pairs.jsonl, what the policy made of them from the "samples" events, and the places of their
 * lines in tokens.jsonl. h is the reward model's margin (fixed), m the policy's (it moves), w the
 * weight of the pair in the loss.
 */
#include <stdint.h>

#include "madpo/error.h"
#include "tui/scan.h"

enum { MADPO_SAMPLES_PAST = 1 << 20, MADPO_SAMPLES_SOURCES = 255 };

typedef struct madpo_sample {
    int64_t id;
    float h, c, w;                      /* NaN when not known (yet) */
    float score_chosen, score_rejected; /* of the true scorer, NaN without one */
    int64_t offset;                     /* of its line in pairs.jsonl, -1 when not met yet */
    uint32_t n_line;
    uint32_t n_prompt, n_chosen, n_rejected; /* bytes of JSON text */
    uint32_t n_seen;
    uint8_t source; /* index of its name */
    bool held_out, marked;
    int64_t newest;    /* number of its newest sight, -1 if never seen */
    int64_t tokens;    /* number of its newest line of tokens.jsonl, -1 for none */
    uint32_t n_tokens; /* how many it has */
} madpo_sample;

/* The policy's margin of one pair at one step. */
typedef struct madpo_sight {
    int32_t sample, step;
    float m;
    int64_t before; /* number of the sight before it, -1 for none */
} madpo_sight;

/* A line of tokens.jsonl: where it is, and which step it is of. */
typedef struct madpo_token_place {
    int64_t offset;
    uint32_t n_line;
    int32_t step;
    int64_t before; /* number of the pair's place before it, -1 for none */
} madpo_token_place;

typedef struct madpo_samples {
    madpo_sample *v; /* [capacity] owned, in the order they were met */
    size_t n, capacity;
    int32_t *slots; /* [n_slots] owned: hash of the ids, -1 = free */
    size_t n_slots;
    madpo_sight *sights; /* [n_past] owned: the last MADPO_SAMPLES_PAST of n_sights */
    size_t n_past;
    int64_t n_sights;
    madpo_token_place *places; /* [n_room] owned: the last MADPO_SAMPLES_PAST of n_places */
    size_t n_room;
    int64_t n_places;
    size_t n_with_tokens;                 /* pairs that have lines of tokens.jsonl */
    int64_t n_bad_tokens;                 /* lines of it that say nothing */
    char *sources[MADPO_SAMPLES_SOURCES]; /* owned; 0 is "" */
    size_t n_sources;
    uint64_t version; /* changes with every change */
} madpo_samples;

void madpo_samples_dispose(madpo_samples *samples);
/* Index of a pair, or -1. */
int64_t madpo_samples_find(const madpo_samples *samples, int64_t id);

/* A line of margins.jsonl; of pairs.jsonl, which begins at `offset`. What says nothing is passed
 * over. */
madpo_status madpo_samples_margin_line(madpo_samples *samples, const char *line, size_t n,
                                       madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_samples_pair_line(madpo_samples *samples, const char *line, size_t n,
                                     int64_t offset, madpo_error *err) MADPO_MUST_CHECK;
/* A line of tokens.jsonl (run/tokens.h), which begins at `offset`; what says nothing is counted. */
madpo_status madpo_samples_token_line(madpo_samples *samples, const char *line, size_t n,
                                      int64_t offset, madpo_error *err) MADPO_MUST_CHECK;
/* One element of a "samples" event. *w is its weight, NaN if it has none. */
madpo_status madpo_samples_sight(madpo_samples *samples, const char *text, size_t n, double step,
                                 double *w, madpo_error *err) MADPO_MUST_CHECK;

/* The newest sight at or before `step`, or the one before another: NULL if there is none or it was
 * too long ago to be kept. */
const madpo_sight *madpo_samples_last(const madpo_samples *samples, const madpo_sample *sample,
                                      double step);
const madpo_sight *madpo_samples_before(const madpo_samples *samples, const madpo_sight *sight);
/* How often the pair had been logged by then. */
uint32_t madpo_samples_seen(const madpo_samples *samples, const madpo_sample *sample, double step);
/* The policy's margin at `step` and its change since the pair was seen before; NaN when unknown. */
double madpo_samples_m(const madpo_samples *samples, const madpo_sample *sample, double step);
double madpo_samples_change(const madpo_samples *samples, const madpo_sample *sample, double step);
/* The place of the pair's newest token values at or before `step`, NULL if there are none; how many
 * there are by then. */
const madpo_token_place *madpo_samples_tokens(const madpo_samples *samples,
                                              const madpo_sample *sample, double step);
uint32_t madpo_samples_n_tokens(const madpo_samples *samples, const madpo_sample *sample,
                                double step);
/* '!' the reward model and the policy both turn against the label, 'x' the true scores do, '-' the
 * reward model does (h < 0), ' ' nothing of it. */
char madpo_samples_flag(const madpo_samples *samples, const madpo_sample *sample, double step);
#endif
