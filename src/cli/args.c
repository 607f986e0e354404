/* Parsing a command's arguments and printing its help page, both from its table. */
#include "cli/args.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "cli/output.h"

enum { HELP_COLUMN = 24, HELP_WIDTH = 79 };

static const char args_help_line[] = "Print this page and leave.";

/* -4, -.5, -inf: an argument, not an option. */
static bool args_is_number(const char *text)
{
    return text[0] == '-' && (isdigit((unsigned char)text[1]) || text[1] == '.' ||
                              strcmp(text, "-inf") == 0 || strcmp(text, "-nan") == 0);
}

static const madpo_cli_option *args_find(const madpo_cli_option *options, const char *name,
                                         size_t n)
{
    for (; options && options->name; options++)
        if (strlen(options->name) == n && strncmp(options->name, name, n) == 0)
            return options;
    return NULL;
}

static int args_unknown(const madpo_cli_command *command, const char *argument, const char *name,
                        size_t n)
{
    const char *const *candidates;
    const char **names = NULL, *nearest = NULL;
    char *word = malloc(n + 1);
    size_t n_names = 0;

    for (const madpo_cli_option *o = command->options; o && o->name; o++)
        n_names++;
    names = malloc((n_names + 1) * sizeof *names);
    if (word && names) {
        memcpy(word, name, n);
        word[n] = '\0';
        for (size_t i = 0; i < n_names; i++)
            names[i] = command->options[i].name;
        names[n_names] = "help";
        candidates = names;
        nearest = madpo_nearest(word, candidates, n_names + 1);
    }
    free(word);
    free(names);
    if (nearest)
        return madpo__cli_usage("%s: unknown option %s; did you mean --%s? (madpo help %s)",
                                command->name, argument, nearest, command->name);
    return madpo__cli_usage("%s: unknown option %s (madpo help %s lists them)", command->name,
                            argument, command->name);
}

static int args_store_int(const madpo_cli_command *command, const madpo_cli_option *option,
                          const char *value, int64_t *out)
{
    char *end;
    long long number;

    errno = 0;
    number = strtoll(value, &end, 10);
    if (end == value || *end || errno == ERANGE || number < option->low)
        return madpo__cli_usage("%s: --%s takes a whole number from %lld, not \"%s\"",
                                command->name, option->name, (long long)option->low, value);
    *out = number;
    return -1;
}

static int args_store_real(const madpo_cli_command *command, const madpo_cli_option *option,
                           const char *value, double *out)
{
    char *end;
    double number = strtod(value, &end);

    if (end == value || *end || !isfinite(number) || number < (double)option->low)
        return madpo__cli_usage("%s: --%s takes a number from %lld, not \"%s\"", command->name,
                                option->name, (long long)option->low, value);
    *out = number;
    return -1;
}

static int args_store(const madpo_cli_command *command, const madpo_cli_option *option, int argc,
                      const char *value, void *options)
{
    void *field = (char *)options + option->offset;
    madpo_cli_list *list;

    switch (option->kind) {
    case MADPO_CLI_FLAG:
        *(bool *)field = true;
        return -1;
    case MADPO_CLI_TEXT:
        *(const char **)field = value;
        return -1;
    case MADPO_CLI_INT:
        return args_store_int(command, option, value, field);
    case MADPO_CLI_REAL:
        return args_store_real(command, option, value, field);
    case MADPO_CLI_LIST:
        break;
    }
    list = field;
    if (!list->v) /* no more values than arguments */
        list->v = malloc((size_t)argc * sizeof *list->v);
    if (!list->v)
        return madpo__cli_out_of_memory();
    list->v[list->n++] = value;
    return -1;
}

/* One option at argv[*i]; *i moves on over a separate value. */
static int args_option(const madpo_cli_command *command, int argc, char **argv, int *i,
                       void *options)
{
    const char *argument = argv[*i], *name = argument + 2, *value;
    const char *equals = strchr(name, '=');
    size_t n = equals ? (size_t)(equals - name) : strlen(name);
    const madpo_cli_option *option;

    if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0) {
        madpo__cli_help(command);
        return MADPO_EXIT_DONE;
    }
    if (argument[1] != '-')
        return args_unknown(command, argument, argument + 1, strlen(argument + 1));
    option = args_find(command->options, name, n);
    if (!option)
        return args_unknown(command, argument, name, n);
    if (!option->value) {
        if (equals)
            return madpo__cli_usage("%s: --%s takes no value", command->name, option->name);
        return args_store(command, option, argc, NULL, options);
    }
    value = equals ? equals + 1 : *i + 1 < argc ? argv[++*i] : NULL;
    if (!value)
        return madpo__cli_usage("%s: --%s needs a value: --%s %s", command->name, option->name,
                                option->name, option->value);
    return args_store(command, option, argc, value, options);
}

int madpo__cli_parse(const madpo_cli_command *command, int argc, char **argv, void *options,
                     int *n_rest)
{
    bool all_rest = false;

    *n_rest = 0;
    for (int i = 1; i < argc; i++) {
        bool is_option = argv[i][0] == '-' && argv[i][1] != '\0' && !args_is_number(argv[i]);

        if (!all_rest && strcmp(argv[i], "--") == 0) {
            all_rest = true;
        } else if (!all_rest && is_option) {
            int rc = args_option(command, argc, argv, &i, options);

            if (rc >= 0)
                return rc;
        } else {
            argv[(*n_rest)++] = argv[i];
        }
    }
    return -1;
}

void madpo__cli_list_dispose(madpo_cli_list *list)
{
    free(list->v);
    *list = (madpo_cli_list){0};
}

/* ---- help ---- */

/* Print text word by word between `indent` and the right margin; `at` is the column reached. */
static void help_wrap(const char *text, int indent, int at)
{
    while (*text) {
        int n = (int)strcspn(text, " ");

        if (at > indent && at + 1 + n > HELP_WIDTH) {
            printf("\n%*s", indent, "");
            at = indent;
        } else if (at < indent) {
            printf("%*s", indent - at, "");
            at = indent;
        } else if (at > indent) {
            putchar(' ');
            at++;
        }
        printf("%.*s", n, text);
        at += n;
        text += n;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void help_option(const char *name, const char *value, const char *text)
{
    int at = printf("    --%s%s%s", name, value ? " " : "", value ? value : "");

    if (at > HELP_COLUMN - 2) {
        putchar('\n');
        at = 0;
    }
    help_wrap(text, HELP_COLUMN, at);
}

void madpo__cli_help(const madpo_cli_command *command)
{
    printf("NAME\n    madpo %s - %s\n\nSYNOPSIS\n", command->name, command->summary);
    for (const char *line = command->synopsis; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        printf("    madpo %s %.*s\n", command->name, (int)strcspn(line, "\n"), line);
    }
    printf("\nDESCRIPTION\n%s\nOPTIONS\n", command->description);
    for (const madpo_cli_option *o = command->options; o && o->name; o++)
        help_option(o->name, o->value, o->help);
    help_option("help", NULL, args_help_line);
    if (command->more)
        printf("\n%s", command->more);
}
