#ifndef MADPO_CONFIG_H
#define MADPO_CONFIG_H
/* Configuration: defaults, libconfig files, single settings, help. Opaque; owned by the caller. */
#include "madpo/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct madpo_config madpo_config;

/* A configuration with every key at its default. */
madpo_status madpo_config_new(madpo_config **out, madpo_error *err) MADPO_MUST_CHECK;
void madpo_config_free(madpo_config *config); /* accepts NULL */

/* Merge a libconfig file. An unknown key, a wrong type or a value out of range is MADPO_ERR_CONFIG
 * with file and line and, for an unknown key, the nearest valid name. Relative file names in the
 * settings are kept as written (relative to the working directory). */
madpo_status madpo_config_load(madpo_config *config, const char *path,
                               madpo_error *err) MADPO_MUST_CHECK;
/* Merge one "key=value", as --set takes it: "policy.c_max=4". */
madpo_status madpo_config_set(madpo_config *config, const char *assignment,
                              madpo_error *err) MADPO_MUST_CHECK;
/* Value of a key as text (owned by the caller, free()). */
madpo_status madpo_config_get(const madpo_config *config, const char *key, char **out,
                              madpo_error *err) MADPO_MUST_CHECK;
/* The whole resolved configuration as a libconfig file (owned by the caller, free()). Loading it
 * again gives the same configuration. */
madpo_status madpo_config_format(const madpo_config *config, char **out,
                                 madpo_error *err) MADPO_MUST_CHECK;
/* Help text of all keys whose name begins with `prefix` ("" = all): name, type, range, unit,
 * default, meaning (owned by the caller, free()). */
madpo_status madpo_config_help(const char *prefix, bool json, char **out,
                               madpo_error *err) MADPO_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
