/* madpo synth: generated data as a file. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/output.h"
#include "data/synth.h"

typedef struct synth_options {
    int64_t n, seed;
    const char *out;
} synth_options;

static int synth_run(int argc, char **argv);

static const madpo_cli_option synth_table[] = {
    {"n", "N", MADPO_CLI_INT, offsetof(synth_options, n), 1, "How many (default 1000)."},
    {"seed", "S", MADPO_CLI_INT, offsetof(synth_options, seed), 0,
     "Seed (default 42). Review i depends on the seed and i only."},
    {"out", "FILE", MADPO_CLI_TEXT, offsetof(synth_options, out), 0,
     "Where to write; - is standard output. Required."},
    {0}};

const madpo_cli_command madpo__command_synth = {
    .name = "synth",
    .synopsis = "reviews --out FILE [--n N] [--seed S]",
    .summary = "write generated movie reviews as CSV",
    .description =
        "    Write movie reviews drawn from a seeded grammar, with their true sentiment, as CSV\n"
        "    with the header review,sentiment. It is the data of madpo demo. The same seed\n"
        "    gives the same file, and a larger N the same reviews first.\n",
    .options = synth_table,
    .more = "EXAMPLES\n"
            "    madpo synth reviews --n 5000 --out reviews.csv\n"
            "    madpo train my.cfg --set data.reviews=reviews.csv\n",
    .run = synth_run,
};

static int synth_write(const synth_options *options)
{
    madpo_reviews reviews = {0};
    madpo_error err = MADPO_ERROR_INIT;
    const char *out = strcmp(options->out, "-") == 0 ? "/dev/stdout" : options->out;
    madpo_status st =
        madpo_synth_reviews(&reviews, (uint64_t)options->seed, (size_t)options->n, &err);

    if (st == MADPO_OK)
        st = madpo_reviews_save(&reviews, out, &err);
    madpo_reviews_dispose(&reviews);
    return st == MADPO_OK ? MADPO_EXIT_DONE : madpo__cli_fail(&err);
}

static int synth_run(int argc, char **argv)
{
    synth_options options = {.n = 1000, .seed = 42};
    int n, rc = madpo__cli_parse(&madpo__command_synth, argc, argv, &options, &n);

    if (rc >= 0)
        return rc;
    if (n == 0 || strcmp(argv[0], "reviews") != 0)
        return madpo__cli_usage("synth: %s%s%sit writes reviews: madpo synth reviews --out FILE",
                                n ? "cannot write \"" : "", n ? argv[0] : "", n ? "\"; " : "");
    if (n > 1)
        return madpo__cli_usage("synth: unexpected argument \"%s\" (madpo help synth)", argv[1]);
    if (!options.out)
        return madpo__cli_usage("synth: no file to write; add --out FILE");
    return synth_write(&options);
}
