/* The configuration object: defaults, merging, copies, text. */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "config/load.h"
#include "config/value.h"

struct madpo_config {
    madpo_options options;
};

static bool config_is_string(const madpo__key *key)
{
    return key->initial.type == MADPO__TYPE_STRING || key->initial.type == MADPO__TYPE_CHOICE;
}

static void config_dispose_options(madpo_options *options)
{
    for (size_t i = 0; i < madpo__n_keys; i++)
        if (config_is_string(&madpo__keys[i]))
            free(*(char **)((char *)options + madpo__keys[i].offset));
}

madpo_status madpo_config_new(madpo_config **out, madpo_error *err)
{
    madpo_config *config = calloc(1, sizeof *config);
    madpo_status st = MADPO_OK;

    *out = NULL;
    if (!config)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory for the configuration");
    for (size_t i = 0; i < madpo__n_keys && st == MADPO_OK; i++)
        st = madpo__value_store(&config->options, &madpo__keys[i], &madpo__keys[i].initial, NULL, 0,
                                err);
    if (st != MADPO_OK) {
        madpo_config_free(config);
        return st;
    }
    *out = config;
    return MADPO_OK;
}

void madpo_config_free(madpo_config *config)
{
    if (!config)
        return;
    config_dispose_options(&config->options);
    free(config);
}

madpo_status madpo_config_clone(madpo_config **out, const madpo_config *config, madpo_error *err)
{
    madpo_config *copy = calloc(1, sizeof *copy);
    madpo_status st = MADPO_OK;

    *out = NULL;
    if (!copy)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory for the configuration");
    for (size_t i = 0; i < madpo__n_keys && st == MADPO_OK; i++) {
        madpo__value value = madpo__value_read(&config->options, &madpo__keys[i]);

        st = madpo__value_store(&copy->options, &madpo__keys[i], &value, NULL, 0, err);
    }
    if (st != MADPO_OK) {
        madpo_config_free(copy);
        return st;
    }
    *out = copy;
    return MADPO_OK;
}

madpo_status madpo_config_difference(char **out, const madpo_config *was, const madpo_config *now,
                                     bool (*counts)(const char *key), madpo_error *err)
{
    madpo_strbuf a = {0}, b = {0}, line = {0};
    madpo_status st = MADPO_OK;

    *out = NULL;
    for (size_t i = 0; i < madpo__n_keys && st == MADPO_OK && !*out; i++) {
        const madpo__key *key = &madpo__keys[i];
        madpo__value old = madpo__value_read(&was->options, key);
        madpo__value new = madpo__value_read(&now->options, key);

        madpo_strbuf_reset(&a);
        madpo_strbuf_reset(&b);
        madpo__value_print(&a, &old, true);
        madpo__value_print(&b, &new, true);
        st = a.failed ? madpo_strbuf_check(&a, err) : madpo_strbuf_check(&b, err);
        if (st != MADPO_OK || !counts(key->name) || strcmp(a.s, b.s) == 0)
            continue;
        madpo_strbuf_printf(&line, "%s was %s, now %s", key->name, a.s, b.s);
        st = madpo_strbuf_steal(&line, out, NULL, err);
    }
    madpo_strbuf_dispose(&a);
    madpo_strbuf_dispose(&b);
    return st;
}

/* A file counts as a whole or not at all: it is merged into a copy that takes the place of the
 * options. */
madpo_status madpo_config_load(madpo_config *config, const char *path, madpo_error *err)
{
    madpo_config *merged;
    madpo_options before = config->options;
    madpo_status st = madpo_config_clone(&merged, config, err);

    if (st != MADPO_OK)
        return st;
    st = madpo__load_file(&merged->options, path, err);
    if (st == MADPO_OK) {
        config->options = merged->options;
        merged->options = before;
    }
    madpo_config_free(merged);
    return st;
}

static madpo_status config_set_key(madpo_config *config, const char *name, const char *text,
                                   madpo_error *err)
{
    const madpo__key *key = madpo__key_find(name);
    madpo__value value;
    madpo_status st;

    if (!key)
        return madpo__key_unknown(name, NULL, 0, err);
    st = madpo__value_parse(&value, key, text, err);
    if (st == MADPO_OK)
        st = madpo__value_store(&config->options, key, &value, NULL, 0, err);
    return st;
}

madpo_status madpo_config_set(madpo_config *config, const char *assignment, madpo_error *err)
{
    const char *equals = strchr(assignment, '=');
    char *name;
    madpo_status st;

    if (!equals)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "setting \"%s\" has no \"=\"; write it as key=value", assignment);
    name = strndup(assignment, (size_t)(equals - assignment));
    if (!name)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory for a setting");
    st = config_set_key(config, name, equals + 1, err);
    free(name);
    return st;
}

madpo_status madpo_config_get(const madpo_config *config, const char *key, char **out,
                              madpo_error *err)
{
    const madpo__key *row = madpo__key_find(key);
    madpo_strbuf text = {0};
    madpo__value value;

    *out = NULL;
    if (!row)
        return madpo__key_unknown(key, NULL, 0, err);
    value = madpo__value_read(&config->options, row);
    madpo__value_print(&text, &value, false);
    return madpo_strbuf_steal(&text, out, NULL, err);
}

madpo_status madpo_config_format(const madpo_config *config, char **out, madpo_error *err)
{
    madpo_strbuf text = {0};

    for (size_t i = 0; i < madpo__n_keys; i++) {
        const madpo__key *key = &madpo__keys[i];
        size_t n = madpo__key_section(key);
        bool first =
            i == 0 || madpo__key_section(key - 1) != n || strncmp(key->name, key[-1].name, n) != 0;
        madpo__value value = madpo__value_read(&config->options, key);

        if (first)
            madpo_strbuf_printf(&text, "%s%.*s :\n{\n", i == 0 ? "" : "};\n\n", (int)n, key->name);
        madpo_strbuf_printf(&text, "    %s = ", key->name + n + 1);
        madpo__value_print(&text, &value, true);
        madpo_strbuf_append(&text, ";\n");
    }
    madpo_strbuf_append(&text, "};\n");
    return madpo_strbuf_steal(&text, out, NULL, err);
}

const madpo_options *madpo_config_options(const madpo_config *config)
{
    return &config->options;
}
