#ifndef MADPO_TRAIN_STAGE_H
#define MADPO_TRAIN_STAGE_H
/* What every stage needs: seeds, events, records, progress. Their models: train/stage_model.h;
 * requests to stop and the like: train/control.h. Inside src/train only. */
#include <jansson.h>

#include "data/pack.h"
#include "train/stages.h"

/* A seed of its own for each purpose ("split", "sft", "labels" and so on), a pure function of
 * run.seed and the name. */
uint64_t madpo_stage_seed(const madpo_stage_context *ctx, const char *purpose);

/* Append an event; NULL `fields` (stolen) means that memory ran out while making them. */
madpo_status madpo_stage_event(madpo_stage_context *ctx, const char *ev, json_t *fields,
                               madpo_error *err) MADPO_MUST_CHECK;
/* [low, high] as JSON. */
json_t *madpo_stage_interval(double low, double high);

/* How madpo_tokenize_options follow from the configuration. Answers of given pairs end in eos;
 * generated ones do not, since a sample may have been cut by generate.max_new, as in the published
 * experiment. */
madpo_tokenize_options madpo_stage_tokenize_options(const madpo_stage_context *ctx);

/* Read a file of JSON lines of the run as one array; an absent or empty file gives an empty array.
 */
madpo_status madpo_stage_read_lines(json_t **out, const madpo_stage_context *ctx, const char *name,
                                    madpo_error *err) MADPO_MUST_CHECK;

/* Progress with rate and ETA of a piece of work that starts at `done`. */
typedef struct madpo_meter {
    madpo_run *run;
    const char *stage, *what, *unit;
    int64_t first, total;
    double started; /* seconds, monotonic */
} madpo_meter;
void madpo_meter_start(madpo_meter *meter, madpo_stage_context *ctx, const char *stage,
                       const char *what, const char *unit, int64_t done, int64_t total);
void madpo_meter_show(const madpo_meter *meter, int64_t done, const char *detail);
#endif
