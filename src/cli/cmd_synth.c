/* madpo synth: generated data as a file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
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

/* Copy a file to standard output. Write errors show at the program's end. */
static madpo_status synth_copy_out(const char *path, madpo_error *err)
{
    char *text;
    size_t n;
    madpo_status st = madpo_file_read(&text, &n, path, err);

    if (st == MADPO_OK)
        fwrite(text, 1, n, stdout);
    free(text);
    return st;
}

/* Reviews are saved to a file that takes its name only when it is whole; a stream has no such name,
 * so a temporary file stands in for it. */
static madpo_status synth_save_out(const madpo_reviews *reviews, madpo_error *err)
{
    const char *folder = getenv("TMPDIR");
    char *path = NULL;
    madpo_status st =
        madpo_path_join(&path, folder && *folder ? folder : "/tmp", "madpo-synth.XXXXXX", err);
    int fd = st == MADPO_OK ? mkstemp(path) : -1;

    if (st == MADPO_OK && fd < 0)
        st = madpo_error_errno(err, MADPO_ERR_IO, errno,
                               "cannot write %s (TMPDIR names another folder)", path);
    if (fd >= 0) {
        close(fd);
        st = madpo_reviews_save(reviews, path, err);
        if (st == MADPO_OK)
            st = synth_copy_out(path, err);
        unlink(path);
    }
    free(path);
    return st;
}

static int synth_write(const synth_options *options)
{
    madpo_reviews reviews = {0};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_status st =
        madpo_synth_reviews(&reviews, (uint64_t)options->seed, (size_t)options->n, &err);

    if (st == MADPO_OK && strcmp(options->out, "-") == 0)
        st = synth_save_out(&reviews, &err);
    else if (st == MADPO_OK)
        st = madpo_reviews_save(&reviews, options->out, &err);
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
