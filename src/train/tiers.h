#ifndef MADPO_TRAIN_TIERS_H
#define MADPO_TRAIN_TIERS_H
/* The tiers of data quality that the stage tiers makes. Inside src/train only. */
#include "train/stage.h"

enum { MADPO_TIER_HIGH, MADPO_TIER_MEDIUM, MADPO_TIER_LOW, MADPO_N_TIERS };
extern const char *const madpo_tier_names[MADPO_N_TIERS];
/* -1 = no such tier */
int madpo_tier_find(const char *name);
/* Name of a tier's file in the folder tiers of its run; seed NULL unless the data is drawn for each
 * seed (owned by the caller, free()). */
madpo_status madpo_tier_file(char **out, const char *tier, const char *seed,
                             madpo_error *err) MADPO_MUST_CHECK;
#endif
