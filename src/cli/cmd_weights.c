/* madpo weights: the coefficient c(h) and the weight w(h) of given margins. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/configure.h"
#include "cli/output.h"
#include "train/policy_options.h"

typedef struct weights_options {
    madpo_cli_configure configure;
    bool json;
} weights_options;

static int weights_run(int argc, char **argv);

static const madpo_cli_option weights_table[] = {
    {"config", "FILE", MADPO_CLI_TEXT, offsetof(weights_options, configure.file), 0,
     "Take policy.c_max, c_min, lambda, tau and variant from a configuration file."},
    {"set", "KEY=VALUE", MADPO_CLI_LIST, offsetof(weights_options, configure.set), 0,
     "Set one of them: --set policy.c_max=4. May be given several times."},
    {"json", NULL, MADPO_CLI_FLAG, offsetof(weights_options, json), 0,
     "Print a JSON array of {\"h\", \"c\", \"w\"} instead of a table."},
    {0}};

const madpo_cli_command madpo__command_weights = {
    .name = "weights",
    .synopsis = "[--config FILE] [--set KEY=VALUE]... [--json] H...",
    .summary = "print MADPO's coefficient c(h) and weight w(h) for margins h",
    .description =
        "    For each margin H of the reward model (chosen minus rejected, in logits) print\n"
        "\n"
        "        c(h) = c_min + (c_max - c_min) sigma(-(lambda (|h| - tau) + ln K)),\n"
        "        K    = (c_max - 1) / (1 - c_min),\n"
        "        w(h) = sigma(c(h) h) / sigma(h)   for h > -tau, else 1,\n"
        "\n"
        "    the weight with which a pair of this margin enters the loss. Negative numbers\n"
        "    need no special care: madpo weights -4 -2 0.5\n",
    .options = weights_table,
    .more = "EXAMPLES\n"
            "    madpo weights -4 -1 0 1 4\n"
            "    madpo weights --set policy.c_max=4 --set policy.tau=7 --json 0.5\n"
            "\n"
            "SEE ALSO\n"
            "    madpo config --help-keys policy explains the parameters.\n",
    .run = weights_run,
};

static int weights_print_json(const madpo_weight_options *w, const double *h, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < n; i++) {
        json_t *row = json_pack("{s:f, s:f, s:f}", "h", h[i], "c", madpo_weight_c(w, h[i]), "w",
                                madpo_weight_w(w, h[i]));

        if (json_array_append_new(array, row) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return madpo__cli_put_json(array);
}

static int weights_print(const madpo_weight_options *w, const double *h, size_t n, bool json)
{
    if (json)
        return weights_print_json(w, h, n);
    printf("c_max %g, c_min %g, lambda %g, tau %.10g\n%12s %16s %16s\n", w->c_max, w->c_min,
           w->lambda, w->tau, "h", "c(h)", "w(h)");
    for (size_t i = 0; i < n; i++)
        printf("%12.8g %16.10f %16.10f\n", h[i], madpo_weight_c(w, h[i]), madpo_weight_w(w, h[i]));
    return MADPO_EXIT_DONE;
}

static int weights_parse(double *h, int n, char **argv)
{
    for (int i = 0; i < n; i++) {
        char *end;

        h[i] = strtod(argv[i], &end);
        if (end == argv[i] || *end || !isfinite(h[i]))
            return madpo__cli_usage("weights: \"%s\" is not a margin; give finite numbers, as in "
                                    "madpo weights -4 -2 0.5",
                                    argv[i]);
    }
    return -1;
}

static int weights_run(int argc, char **argv)
{
    weights_options options = {0};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_config *config = NULL;
    madpo_weight_options w;
    double *h = NULL;
    int n, rc = madpo__cli_parse(&madpo__command_weights, argc, argv, &options, &n);

    if (rc < 0 && n == 0)
        rc = madpo__cli_usage("weights: no margins given; for example: madpo weights -4 -2 0.5");
    if (rc < 0)
        rc = madpo__cli_configure(&config, &options.configure);
    if (rc >= 0)
        goto done;
    w = madpo_policy_weight_options(madpo_config_options(config));
    h = malloc((size_t)n * sizeof *h);
    if (madpo_weight_options_check(&w, &err) != MADPO_OK)
        rc = madpo__cli_fail(&err);
    else if (!h)
        rc = madpo__cli_out_of_memory();
    else
        rc = weights_parse(h, n, argv);
    if (rc < 0)
        rc = weights_print(&w, h, (size_t)n, options.json);
done:
    free(h);
    madpo_config_free(config);
    madpo__cli_list_dispose(&options.configure.set);
    return rc;
}
