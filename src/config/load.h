#ifndef MADPO_CONFIG_LOAD_H
#define MADPO_CONFIG_LOAD_H
/* Private to src/config: merge a libconfig file into options, which may be half changed after an
 * error. */
#include "config/options.h"

/* Settings are grouped by section: `policy : { beta = 0.1; c_max = 2.0; };`. An @include names a
 * file relative to the folder of `path`. */
madpo_status madpo__load_file(madpo_options *options, const char *path,
                              madpo_error *err) MADPO_MUST_CHECK;
#endif
