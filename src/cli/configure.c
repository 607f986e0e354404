/* Putting a configuration together from files and options. */
#include "cli/configure.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "cli/output.h"

/* Append "section.key=value" of a scalar setting. */
static void configure_append(madpo_strbuf *b, const char *section, const config_setting_t *s)
{
    madpo_strbuf_printf(b, "%s.%s=", section, config_setting_name(s));
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        madpo_strbuf_printf(b, "%lld", config_setting_get_int64(s));
        break;
    case CONFIG_TYPE_FLOAT:
        madpo_strbuf_printf(b, "%.17g", config_setting_get_float(s));
        break;
    case CONFIG_TYPE_BOOL:
        madpo_strbuf_append(b, config_setting_get_bool(s) ? "true" : "false");
        break;
    default:
        madpo_strbuf_append(b, config_setting_get_string(s));
        break;
    }
}

static madpo_status configure_section(madpo_config *config, const config_setting_t *section,
                                      madpo_error *err)
{
    madpo_strbuf assignment = {0};
    madpo_status st = MADPO_OK;

    for (int i = 0; st == MADPO_OK && i < config_setting_length(section); i++) {
        madpo_strbuf_reset(&assignment);
        configure_append(&assignment, config_setting_name(section),
                         config_setting_get_elem(section, (unsigned)i));
        st = madpo_strbuf_check(&assignment, err);
        if (st == MADPO_OK)
            st = madpo_config_set(config, assignment.s, err);
    }
    madpo_strbuf_dispose(&assignment);
    return st;
}

/* Merge an embedded file, setting by setting: it is of sections and scalars only. */
static madpo_status configure_embedded(madpo_config *config, const char *name, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    const char *text = "";
    config_t file;

    for (size_t i = 0; i < madpo__cli_n_embedded; i++)
        if (strcmp(madpo__cli_embedded[i].name, name) == 0)
            text = madpo__cli_embedded[i].text;
    config_init(&file);
    if (!config_read_string(&file, text))
        st = madpo_error_set_at(err, MADPO_ERR_CONFIG, name, config_error_line(&file), 0, "%s",
                                config_error_text(&file));
    for (int i = 0; st == MADPO_OK && i < config_setting_length(config_root_setting(&file)); i++)
        st = configure_section(
            config, config_setting_get_elem(config_root_setting(&file), (unsigned)i), err);
    config_destroy(&file);
    return st;
}

static madpo_status configure_device(madpo_config *config, const char *device, madpo_error *err)
{
    madpo_strbuf assignment = {0};
    madpo_status st;

    madpo_strbuf_printf(&assignment, "device.select=%s", device);
    st = madpo_strbuf_check(&assignment, err);
    if (st == MADPO_OK)
        st = madpo_config_set(config, assignment.s, err);
    madpo_strbuf_dispose(&assignment);
    return st;
}

int madpo__cli_configure(madpo_config **out, const madpo_cli_configure *from)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_config *config = NULL;
    madpo_status st = madpo_config_new(&config, &err);

    *out = NULL;
    if (st == MADPO_OK && from->embedded)
        st = configure_embedded(config, from->embedded, &err);
    if (st == MADPO_OK && from->file)
        st = madpo_config_load(config, from->file, &err);
    if (st == MADPO_OK && from->device)
        st = configure_device(config, from->device, &err);
    for (size_t i = 0; st == MADPO_OK && i < from->set.n; i++)
        st = madpo_config_set(config, from->set.v[i], &err);
    if (st != MADPO_OK) {
        madpo_config_free(config);
        madpo__cli_fail(&err);
        /* a configuration that cannot be read is a mistake on the command line */
        return st == MADPO_ERR_NOMEM ? MADPO_EXIT_FAILED : MADPO_EXIT_USAGE;
    }
    *out = config;
    return -1;
}
