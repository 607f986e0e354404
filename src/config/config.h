#ifndef MADPO_CONFIG_CONFIG_H
#define MADPO_CONFIG_CONFIG_H
/* Inside view of madpo/config.h. */
#include "config/options.h"
#include "madpo/config.h"

/* The resolved values (borrowed, valid while the config lives and is not changed). */
const madpo_options *madpo_config_options(const madpo_config *config);
/* Checks that involve several keys (c_min < 1 <= c_max, prompt shorter than the whole, known stages
 * …); called by the trainer before it starts. Messages name both keys. */
madpo_status madpo_config_check(const madpo_config *config, madpo_error *err) MADPO_MUST_CHECK;
/* policy.c_min with its automatic value worked out: 1/c_max, and 0 for c_max = 1, where the
 * coefficient is 1 whatever c_min is (and c_min = 1 would divide 0 by 0). */
double madpo_options_c_min(const madpo_options *options);
/* Is a stage named in run.stages? */
bool madpo_options_has_stage(const madpo_options *options, const char *stage);
/* The first key whose value differs, among those that `counts`, as "policy.beta was 0.1, now 0.2"
 * (owned by the caller, free()); NULL if there is none. */
madpo_status madpo_config_difference(char **out, const madpo_config *was, const madpo_config *now,
                                     bool (*counts)(const char *key),
                                     madpo_error *err) MADPO_MUST_CHECK;
/* Copy, for the trainer, which must not see later changes. */
madpo_status madpo_config_clone(madpo_config **out, const madpo_config *config,
                                madpo_error *err) MADPO_MUST_CHECK;
#endif
