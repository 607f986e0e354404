/* madpo config: the resolved configuration, and what its keys mean. */
#include <jansson.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/configure.h"
#include "cli/output.h"

typedef struct config_options {
    madpo_cli_configure configure;
    bool help_keys, json;
} config_options;

static int config_run(int argc, char **argv);

static const madpo_cli_option config_table[] = {
    {"set", "KEY=VALUE", MADPO_CLI_LIST, offsetof(config_options, configure.set), 0,
     "Change one setting. May be given several times."},
    {"help-keys", NULL, MADPO_CLI_FLAG, offsetof(config_options, help_keys), 0,
     "Explain every key, or those whose name begins with PREFIX: default, type, range, meaning."},
    {"json", NULL, MADPO_CLI_FLAG, offsetof(config_options, json), 0, "Print JSON."},
    {0}};

const madpo_cli_command madpo__command_config = {
    .name = "config",
    .synopsis = "[CONFIG] [--set KEY=VALUE]... [--json]\n--help-keys [PREFIX] [--json]",
    .summary = "print a resolved configuration, or explain its keys",
    .description =
        "    Print the configuration that madpo train would use: every key, with the defaults\n"
        "    for what CONFIG and --set leave open, in the form of a configuration file. A\n"
        "    mistake in CONFIG is reported with its line, so this checks a file, too.\n",
    .options = config_table,
    .more = "FILES\n"
            "    A configuration is a libconfig file of sections:\n"
            "        policy : { objective = \"madpo\"; beta = 0.1; };\n"
            "    Ready ones lie in share/madpo/configs of the installation.\n"
            "\n"
            "EXAMPLES\n"
            "    madpo config > my.cfg\n"
            "        A file with every default, to be changed.\n"
            "    madpo config my.cfg --set policy.c_max=4\n"
            "    madpo config --help-keys policy\n"
            "\n"
            "EXIT STATUS\n"
            "    0  done\n"
            "    2  the configuration has a mistake\n",
    .run = config_run,
};

static json_t *config_scalar_json(const config_setting_t *s)
{
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return json_integer(config_setting_get_int64(s));
    case CONFIG_TYPE_FLOAT:
        return madpo_json_real(config_setting_get_float(s));
    case CONFIG_TYPE_BOOL:
        return json_boolean(config_setting_get_bool(s));
    default:
        return json_string(config_setting_get_string(s));
    }
}

/* {"run": {"seed": 42, …}, …} from the resolved text; new reference or NULL. */
static json_t *config_json(const config_setting_t *root)
{
    json_t *all = json_object();
    bool ok = all != NULL;

    for (int i = 0; ok && i < config_setting_length(root); i++) {
        const config_setting_t *section = config_setting_get_elem(root, (unsigned)i);
        json_t *keys = json_object();

        ok = json_object_set_new(all, config_setting_name(section), keys) == 0;
        for (int k = 0; ok && k < config_setting_length(section); k++) {
            const config_setting_t *s = config_setting_get_elem(section, (unsigned)k);

            ok = json_object_set_new(keys, config_setting_name(s), config_scalar_json(s)) == 0;
        }
    }
    if (!ok) {
        json_decref(all);
        all = NULL;
    }
    return all;
}

static madpo_status config_to_json(char **out, const char *text, madpo_error *err)
{
    madpo_status st;
    config_t file;
    json_t *all = NULL;

    *out = NULL;
    config_init(&file);
    if (config_read_string(&file, text))
        all = config_json(config_root_setting(&file));
    st = all ? madpo_json_dump(out, all, err)
             : madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory for the configuration");
    json_decref(all);
    config_destroy(&file);
    return st;
}

static madpo_status config_text(char **out, const madpo_config *config, bool json, madpo_error *err)
{
    char *text = NULL;
    madpo_status st = madpo_config_check(config, err);

    *out = NULL;
    if (st == MADPO_OK)
        st = madpo_config_format(config, &text, err);
    if (st == MADPO_OK && json) {
        st = config_to_json(out, text, err);
        free(text);
    } else {
        *out = text;
    }
    return st;
}

static int config_print(char *text, bool json)
{
    fputs(text, stdout);
    if (json)
        putchar('\n');
    free(text);
    return MADPO_EXIT_DONE;
}

static int config_run(int argc, char **argv)
{
    config_options options = {0};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_config *config = NULL;
    char *text = NULL;
    int n, rc = madpo__cli_parse(&madpo__command_config, argc, argv, &options, &n);

    if (rc < 0 && n > 1)
        rc = madpo__cli_usage("config: one %s at a time", options.help_keys ? "prefix" : "CONFIG");
    if (rc >= 0)
        goto done;
    if (options.help_keys) {
        if (madpo_config_help(n > 0 ? argv[0] : "", options.json, &text, &err) != MADPO_OK)
            rc = madpo__cli_fail(&err);
        else
            rc = config_print(text, options.json);
        goto done;
    }
    options.configure.file = n > 0 ? argv[0] : NULL;
    rc = madpo__cli_configure(&config, &options.configure);
    if (rc >= 0)
        goto done;
    if (config_text(&text, config, options.json, &err) != MADPO_OK)
        rc = madpo__cli_fail(&err);
    else
        rc = config_print(text, options.json);
done:
    madpo_config_free(config);
    madpo__cli_list_dispose(&options.configure.set);
    return rc;
}
