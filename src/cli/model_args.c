/* What the commands that use a model have in common. */
#include "cli/model_args.h"

#include <stdio.h>

#include "base/error.h"
#include "cli/output.h"

int madpo__cli_model_argument(const madpo_cli_command *command, int n, char **argv)
{
    if (n == 0)
        return madpo__cli_usage("%s: no model given: madpo %s MODEL, a Hugging Face directory, an "
                                "adapter's folder or a run directory",
                                command->name, command->name);
    if (n > 1)
        return madpo__cli_usage("%s: one MODEL at a time, then options; \"%s\" is too much (madpo "
                                "help %s)",
                                command->name, argv[1], command->name);
    return -1;
}

madpo_status madpo__cli_model_files(madpo_opened *out, const char *path,
                                    const madpo_cli_model *options, madpo_error *err)
{
    const madpo_open_options open = {.model = path,
                                     .adapter = options->adapters.v,
                                     .n_adapters = options->adapters.n,
                                     .storage = options->storage,
                                     .device = options->device,
                                     .memory_limit_bytes = (uint64_t)options->memory_mb * 1000000u};

    return madpo_open_files(out, &open, err);
}

madpo_status madpo__cli_model_with_text(madpo_opened *out, const char *path,
                                        const madpo_cli_model *options, madpo_error *err)
{
    madpo_status st = madpo__cli_model_files(out, path, options, err);

    if (st == MADPO_OK && !out->tok)
        st = madpo_error_set(
            err, MADPO_ERR_IO,
            "%s: there is no tokenizer.json in it; put the model's tokenizer there", out->dir);
    return st;
}

madpo_status madpo__cli_model_load(madpo_opened *m, const madpo_model_options *limits,
                                   const char *remedy, const madpo_cli_model *options,
                                   madpo_error *err)
{
    char line[512];
    madpo_status st = madpo_open_plan(m, limits, remedy, line, sizeof line, err);

    if (st != MADPO_OK)
        return st;
    if (!options->quiet)
        fprintf(stderr, "%s on %s: %s\n", m->dir, madpo_device_get_info(m->dev)->name, line);
    return madpo_open_load(m, err);
}
