#ifndef MADPO_CLI_CONFIGURE_H
#define MADPO_CLI_CONFIGURE_H
/* The configuration a command works with: defaults, then a file or an embedded text, then --device,
 * then every --set. */
#include "cli/args.h"
#include "config/config.h"

typedef struct madpo_cli_configure {
    const char *file;     /* NULL = none */
    const char *embedded; /* name of an embedded configuration, NULL = none */
    const char *device;   /* --device, NULL = as configured */
    madpo_cli_list set;
} madpo_cli_configure;

/* Build it. Returns -1 and *out (owned by the caller), or the exit code of an error that was
 * printed. */
int madpo__cli_configure(madpo_config **out, const madpo_cli_configure *from);

/* Configurations built into the program (generated from configs/). */
typedef struct madpo_cli_embedded {
    const char *name; /* "demo.cfg" */
    const char *text; /* terminated */
} madpo_cli_embedded;
extern const madpo_cli_embedded madpo__cli_embedded[];
extern const size_t madpo__cli_n_embedded;
#endif
