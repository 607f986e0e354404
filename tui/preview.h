#ifndef MADPO_TUI_PREVIEW_H
#define MADPO_TUI_PREVIEW_H
/* From parameters of the weight that were tried on the screen to a run that has them: arguments of
 * madpo train, and a configuration that is the run's own but for them.
 */
#include "base/strbuf.h"
#include "tui/feed.h"

/* Append "--set policy.c_max=3 --set ...": what differs from the run's, so that its weights would
 * be the ones tried; nothing if nothing does. `beta` NaN: the objective has none. */
void madpo_preview_arguments(madpo_strbuf *out, const madpo_feed *source,
                             const madpo_weight_options *tried, double beta);
/* Write the configuration to `path`. MADPO_ERR_IO without the run's config.cfg, MADPO_ERR_DATA if
 * that has no place for a setting. */
madpo_status madpo_preview_write(const char *path, const madpo_feed *source,
                                 const madpo_weight_options *tried, double beta,
                                 madpo_error *err) MADPO_MUST_CHECK;
#endif
