#ifndef MADPO_TRAIN_STAGE_MODEL_H
#define MADPO_TRAIN_STAGE_MODEL_H
/* The models of the stages. This is the only place that knows whether a run trains whole models or
 * adapters, and where the weights of a stage lie:
 *
 *   lora.rank = 0    a stage trains every weight; models/<stage> is a whole model
 *   lora.rank > 0    model.path is frozen; a stage trains an adapter of its own on top of at most
 *                    one other, frozen; models/<stage> is one PEFT adapter equal to both
 *
 * A frozen adapter is a part of the function it stands for: it knows no dropout. An adapter starts
 * with B = 0, so a stage begins with the very numbers of the model it starts from. Inside src/train
 * only. */
#include "train/stage.h"

/* What a stage's model is made from. */
typedef enum madpo_stage_from {
    MADPO_FROM_RANDOM, /* random weights */
    MADPO_FROM_BASE,   /* model.path as it is */
    MADPO_FROM_START,  /* what the run is given: model.path with model.adapter, or random weights */
    MADPO_FROM_SFT,    /* models/sft; where it is not there and model.path is: START */
    MADPO_FROM_REWARD, /* models/reward */
    MADPO_FROM_POLICY  /* models/policy */
} madpo_stage_from;
madpo_stage_from madpo_stage_reward_from(const madpo_options *options); /* reward.init */

typedef struct madpo_stage_model_setup {
    const char *stage; /* who asks: in messages, and the name of the adapter to train */
    const char *name;  /* of one of several models that the stage trains or the run has: decides its
                          seeds and where it lies; NULL = the only one */
    madpo_stage_from from;
    bool train, reward_head;
    madpo_batch_limits limits;
    int64_t gen_slots, gen_len; /* 0 = no generation */
} madpo_stage_model_setup;

typedef struct madpo_stage_model {
    madpo_model *model; /* owned */
    int n_adapters;     /* the last one is trained, if the model is */
} madpo_stage_model;

/* Plan, print the plan, allocate, and load or initialise all weights. A stage's model that is
 * missing is MADPO_ERR_DATA naming the stage to run. */
madpo_status madpo_stage_open(madpo_stage_model *out, madpo_stage_context *ctx,
                              const madpo_stage_model_setup *setup,
                              madpo_error *err) MADPO_MUST_CHECK;
void madpo_stage_model_dispose(madpo_stage_model *net);
/* Do training passes differ from others? */
bool madpo_stage_drops_out(const madpo_stage_context *ctx);
bool madpo_stage_has_model(const madpo_stage_context *ctx, const char *name);
/* Save as models/<stage>, with tokenizer: a Hugging Face directory or a PEFT folder. */
madpo_status madpo_stage_save_model(madpo_stage_context *ctx, const madpo_stage_model *net,
                                    const char *stage, madpo_error *err) MADPO_MUST_CHECK;

/* What a checkpoint holds of the weights: those that are trained. */
madpo_status madpo_stage_save_trained(const madpo_stage_context *ctx, const madpo_stage_model *net,
                                      const char *dir, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_stage_load_trained(const madpo_stage_model *net, const char *dir,
                                      madpo_error *err) MADPO_MUST_CHECK;

/* Plan the models of all stages that are still to run, tell which needs most memory, and refuse it
 * (MADPO_ERR_MEMORY, naming settings to change) if it cannot fit: before the first step instead of
 * hours later. */
madpo_status madpo_stage_forecast(madpo_stage_context *ctx, madpo_error *err) MADPO_MUST_CHECK;
#endif
