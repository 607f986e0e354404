#ifndef MADPO_TRAIN_STAGE_PARTS_H
#define MADPO_TRAIN_STAGE_PARTS_H
/* What a stage's model is put together from; shared by stage_model.c and stage_forecast.c. */
#include "train/stage_model.h"

enum { MADPO__MOST_ADAPTERS = 2 }; /* one frozen, one trained */

typedef struct madpo__stage_parts {
    madpo_stage_context *ctx;
    const madpo_stage_model_setup *setup;
    bool planned; /* results of earlier stages need not be there yet: nothing is going to be loaded
                   */
    char *base;   /* folder of the base's weights, NULL = random; owned */
    char *frozen; /* folder of the frozen adapter, NULL = none; owned */
    madpo_adapter_config config[MADPO__MOST_ADAPTERS]; /* [n] owned */
    madpo_adapter_slot slot[MADPO__MOST_ADAPTERS];     /* [n] */
    int n;
    madpo_model_options options; /* points into slot: do not copy or move the struct */
} madpo__stage_parts;

madpo_status madpo__stage_parts_init(madpo__stage_parts *parts, madpo_stage_context *ctx,
                                     const madpo_stage_model_setup *setup, bool planned,
                                     madpo_error *err) MADPO_MUST_CHECK;
void madpo__stage_parts_dispose(madpo__stage_parts *parts);
#endif
