#ifndef MADPO_CLI_SAMPLING_H
#define MADPO_CLI_SAMPLING_H
/* How tokens are drawn where the command line does not say: generation_config.json beside a model,
 * read as Hugging Face's generate() does. */
#include "madpo/error.h"

typedef struct madpo_cli_sampling {
    bool sample;        /* do_sample; false = the likeliest token */
    double temperature; /* > 0 */
    int64_t top_k;      /* 0 = all */
    double top_p;       /* (0,1] */
    int64_t max_new;    /* max_new_tokens, 0 = not said */
} madpo_cli_sampling;

/* Without the file, or where it is silent: the likeliest token; temperature 1, top_k 50, top_p 1
 * once sampling is asked for. */
madpo_status madpo__sampling_load(madpo_cli_sampling *out, const char *dir,
                                  madpo_error *err) MADPO_MUST_CHECK;
#endif
