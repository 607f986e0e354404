#ifndef MADPO_CONFIG_CONFIG_H
#define MADPO_CONFIG_CONFIG_H
/* Inside view of madpo/config.h. */
#include "config/options.h"
#include "madpo/config.h"

/* The resolved values (borrowed, valid while the config lives and is not changed). */
const madpo_options *madpo_config_options(const madpo_config *config);
/* Checks that involve several keys (c_min < 1 <= c_max, prompt shorter than the whole, known stages …);
 * called by the trainer before it starts. Messages name both keys. */
madpo_status madpo_config_check(const madpo_config *config, madpo_error *err) MADPO_MUST_CHECK;
/* Copy, for the trainer, which must not see later changes. */
madpo_status madpo_config_clone(madpo_config **out, const madpo_config *config, madpo_error *err)
    MADPO_MUST_CHECK;
#endif
