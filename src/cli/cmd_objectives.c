/* madpo objectives: the preference objectives, and the loss of one pair under one of them. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/nearest.h"
#include "cli/commands.h"
#include "cli/configure.h"
#include "cli/output.h"
#include "train/policy_options.h"

typedef struct objectives_options {
    madpo_cli_configure configure;
    bool json;
} objectives_options;

static int objectives_run(int argc, char **argv);

static const madpo_cli_option objectives_table[] = {
    {"config", "FILE", MADPO_CLI_TEXT, offsetof(objectives_options, configure.file), 0,
     "Take the policy keys from a configuration file."},
    {"set", "KEY=VALUE", MADPO_CLI_LIST, offsetof(objectives_options, configure.set), 0,
     "Set one of them: --set policy.beta=0.5. May be given several times."},
    {"json", NULL, MADPO_CLI_FLAG, offsetof(objectives_options, json), 0,
     "Print JSON on one line instead of text."},
    {0}};

const madpo_cli_command madpo__command_objectives = {
    .name = "objectives",
    .synopsis = "[--config FILE] [--set KEY=VALUE]... [--json] [NAME [M [H]]]",
    .summary = "explain the preference objectives, or compute the loss of a pair",
    .description =
        "    Without arguments list the objectives that policy.objective chooses from: formula,\n"
        "    source, and the keys each one reads. With NAME explain that one.\n"
        "\n"
        "    With a policy margin M (log-ratio of the chosen answer minus that of the rejected\n"
        "    one) and a reward margin H print the pair's loss, its weight and the derivative of\n"
        "    the loss in M. Both answers have one token, reference log-probs are 0, and the\n"
        "    margin is split evenly: a = M/2, b = -M/2, moving together; without a reference\n"
        "    these are the log-probs. H is also the difference of the true scores. An objective\n"
        "    of a whole step (beta-dpo, amapo, alpha-dpo, gamma-po) is shown as in an\n"
        "    evaluation, without the step's statistics. Negative numbers need no special care.\n",
    .options = objectives_table,
    .more =
        "EXAMPLES\n"
        "    madpo objectives\n"
        "    madpo objectives madpo --json -- -0.5 2\n"
        "    madpo objectives simpo --set policy.beta=2.5 --set policy.gamma=1 -- 0.3\n"
        "\n"
        "SEE ALSO\n"
        "    madpo config --help-keys policy explains the keys; madpo weights prints c(h), w(h).\n",
    .run = objectives_run,
};

/* ---- explaining ---- */

static void objectives_print_options(const madpo_objective *objective)
{
    for (const madpo_objective_option *o = objective->options; o->key; o++) {
        printf("        %-24s%s", o->key, o->meaning);
        if (!isnan(o->usual))
            printf("; usually %g", o->usual);
        putchar('\n');
    }
}

static void objectives_print_one(const madpo_objective *o)
{
    printf("%s\n    %s\n    Source: %s\n    Loss: mean %s\n    Needs: policy%s%s%s%s\n", o->name,
           o->formula, o->source, o->mean, o->needs_reference ? ", reference" : "",
           o->needs_margin ? ", margin h" : "", o->needs_lengths ? ", answer lengths" : "",
           o->plan ? ", all pairs of a step at once" : "");
    objectives_print_options(o);
}

/* New reference or NULL, as all below. */
static json_t *objectives_options_json(const madpo_objective *objective)
{
    json_t *array = json_array();

    for (const madpo_objective_option *o = objective->options; array && o->key; o++) {
        json_t *row = json_pack("{s:s, s:o, s:s}", "key", o->key, "usual",
                                madpo_json_real(o->usual), "meaning", o->meaning);

        if (json_array_append_new(array, row) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *objectives_one_json(const madpo_objective *o)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:o}", "name", o->name, "formula",
                     o->formula, "source", o->source, "mean", o->mean, "needs_margin",
                     o->needs_margin, "needs_reference", o->needs_reference, "needs_lengths",
                     o->needs_lengths, "whole_step", o->plan != NULL, "options",
                     objectives_options_json(o));
}

static json_t *objectives_all_json(void)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < madpo_objective_count(); i++)
        if (json_array_append_new(array, objectives_one_json(madpo_objective_at(i))) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static int objectives_explain(const madpo_objective *objective, bool json)
{
    if (json)
        return madpo__cli_put_json(objective ? objectives_one_json(objective)
                                             : objectives_all_json());
    if (objective) {
        objectives_print_one(objective);
        return MADPO_EXIT_DONE;
    }
    for (size_t i = 0; i < madpo_objective_count(); i++)
        objectives_print_one(madpo_objective_at(i));
    return MADPO_EXIT_DONE;
}

static const madpo_objective *objectives_find(const char *name)
{
    const madpo_objective *objective = madpo_objective_find(name);
    const char *names[64], *nearest;
    size_t n = 0;

    if (objective)
        return objective;
    for (; n < madpo_objective_count() && n < sizeof names / sizeof names[0]; n++)
        names[n] = madpo_objective_at(n)->name;
    nearest = madpo_nearest(name, names, n);
    if (nearest)
        madpo__cli_usage("objectives: unknown objective \"%s\"; did you mean \"%s\"?", name,
                         nearest);
    else
        madpo__cli_usage("objectives: unknown objective \"%s\" (madpo objectives lists them)",
                         name);
    return NULL;
}

/* ---- one pair ---- */

static int objectives_number(double *out, const char *text)
{
    char *end;

    *out = strtod(text, &end);
    if (end == text || *end || !isfinite(*out))
        return madpo__cli_usage("objectives: \"%s\" is not a margin; give finite numbers, as in "
                                "madpo objectives madpo -0.5 2",
                                text);
    return -1;
}

/* The margin as one pair's log-probs; NaN for what was not given. */
static madpo_pair_logps objectives_pair_of(double m, double h)
{
    return (madpo_pair_logps){.chosen = m / 2.0,
                              .rejected = -m / 2.0,
                              .h = h,
                              .n_chosen = 1.0,
                              .n_rejected = 1.0,
                              .score_chosen = h,
                              .score_rejected = 0.0};
}

static int objectives_compute(const madpo_objective *objective, const madpo_options *o, double m,
                              double h, bool json)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_objective_options options = madpo_policy_objective_options(o, objective);
    madpo_pair_logps in = objectives_pair_of(m, h);
    madpo_pair_loss out;
    double slope;

    if (objective->needs_margin && isnan(h))
        return madpo__cli_usage("objectives: %s needs a reward margin, too: madpo objectives %s "
                                "%g 1",
                                objective->name, objective->name, m);
    if (madpo_objective_options_check(objective, &options, &err) != MADPO_OK)
        return madpo__cli_fail(&err);
    madpo_objective_pair(objective, &options, NULL, &in, &out);
    slope = 0.5 * (out.dchosen - out.drejected);
    if (json)
        return madpo__cli_put_json(json_pack("{s:o, s:o, s:o}", "loss", madpo_json_real(out.loss),
                                             "weight", madpo_json_real(out.weight), "dloss_dm",
                                             madpo_json_real(slope)));
    printf("loss %.12g\nweight %.12g\ndloss/dm %.12g\n", out.loss, out.weight, slope);
    return MADPO_EXIT_DONE;
}

static int objectives_work(const objectives_options *options, int n, char **argv)
{
    const madpo_objective *objective = n > 0 ? objectives_find(argv[0]) : NULL;
    madpo_config *config = NULL;
    double m = NAN, h = NAN;
    int rc = -1;

    if (n > 0 && !objective)
        return MADPO_EXIT_USAGE;
    if (n > 3)
        return madpo__cli_usage("objectives: one name and two margins at most");
    if (n > 1)
        rc = objectives_number(&m, argv[1]);
    if (rc < 0 && n > 2)
        rc = objectives_number(&h, argv[2]);
    if (rc < 0)
        rc = madpo__cli_configure(&config, &options->configure);
    if (rc < 0)
        rc = n < 2
                 ? objectives_explain(objective, options->json)
                 : objectives_compute(objective, madpo_config_options(config), m, h, options->json);
    madpo_config_free(config);
    return rc;
}

static int objectives_run(int argc, char **argv)
{
    objectives_options options = {0};
    int n, rc = madpo__cli_parse(&madpo__command_objectives, argc, argv, &options, &n);

    if (rc < 0)
        rc = objectives_work(&options, n, argv);
    madpo__cli_list_dispose(&options.configure.set);
    return rc;
}
