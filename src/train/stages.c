/* The table of stages, in the order they run. */
#include "train/stages.h"

const madpo_stage madpo_stages[] = {
    {"sft", "train a language model on the reviews or the chosen answers", madpo_stage_sft},
    {"generate", "sample two answers a prompt, score them, draw a label", madpo_stage_generate},
    {"tiers", "make data of high, medium and low quality from the samples", madpo_stage_tiers},
    {"reward", "train a reward model on the pairs", madpo_stage_reward},
    {"margins", "reward margin h, c(h) and w(h) of every pair", madpo_stage_margins},
    {"policy", "preference training with the chosen objective", madpo_stage_policy},
    {"evaluate", "sample from reference and policy, and score the samples", madpo_stage_evaluate},
};
const size_t madpo_n_stages = sizeof madpo_stages / sizeof *madpo_stages;
