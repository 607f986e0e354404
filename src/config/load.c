/* Merging a libconfig file: every setting finds its row, or the error says where it stands. */
#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "config/load.h"
#include "config/scan.h"
#include "config/value.h"

/* What a setting is, for messages. */
static const char *load_type_name(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP:
        return "a group";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "an integer";
    case CONFIG_TYPE_FLOAT:
        return "a number with a fraction";
    case CONFIG_TYPE_STRING:
        return "a string";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_ARRAY:
        return "an array";
    default:
        return "a list";
    }
}

/* Turn a setting into a value of type `wanted`; false if it is of another. Integers serve as
 * numbers. */
static bool load_value(madpo__value *out, madpo__type wanted, const config_setting_t *setting)
{
    int type = config_setting_type(setting);
    bool integer = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;

    *out = (madpo__value){.type = wanted};
    switch (wanted) {
    case MADPO__TYPE_INT:
        out->i = integer ? config_setting_get_int64(setting) : 0;
        return integer;
    case MADPO__TYPE_REAL:
        if (integer)
            out->d = (double)config_setting_get_int64(setting);
        else if (type == CONFIG_TYPE_FLOAT)
            out->d = config_setting_get_float(setting);
        return integer || type == CONFIG_TYPE_FLOAT;
    case MADPO__TYPE_BOOL:
        out->b = config_setting_get_bool(setting) != 0;
        return type == CONFIG_TYPE_BOOL;
    case MADPO__TYPE_STRING:
    case MADPO__TYPE_CHOICE:
        out->s = type == CONFIG_TYPE_STRING ? config_setting_get_string(setting) : NULL;
        return out->s != NULL;
    }
    return false;
}

/* Where a setting was written; included files have their own names. */
static const char *load_file(const config_setting_t *setting, const char *path)
{
    const char *file = config_setting_source_file(setting);

    return file ? file : path;
}

static madpo_status load_setting(madpo_options *options, const char *key_name,
                                 const config_setting_t *setting, const char *path,
                                 madpo_error *err)
{
    const char *file = load_file(setting, path);
    int line = (int)config_setting_source_line(setting);
    const madpo__key *key = madpo__key_find(key_name);
    madpo__value value;

    if (!key)
        return madpo__key_unknown(key_name, file, line, err);
    if (!load_value(&value, key->initial.type, setting))
        return madpo_error_set_at(err, MADPO_ERR_CONFIG, file, line, 0, "%s must be %s, not %s",
                                  key->name, madpo__type_name(key->initial.type),
                                  load_type_name(setting));
    return madpo__value_store(options, key, &value, file, line, err);
}

static madpo_status load_section(madpo_options *options, const config_setting_t *section,
                                 const char *path, madpo_error *err)
{
    const char *name = config_setting_name(section);
    madpo_strbuf key = {0};
    madpo_status st = MADPO_OK;
    int n = config_setting_length(section);

    for (int i = 0; i < n && st == MADPO_OK; i++) {
        const config_setting_t *setting = config_setting_get_elem(section, (unsigned)i);

        madpo_strbuf_reset(&key);
        madpo_strbuf_printf(&key, "%s.%s", name, config_setting_name(setting));
        st = madpo_strbuf_check(&key, err);
        if (st == MADPO_OK)
            st = load_setting(options, key.s, setting, path, err);
    }
    madpo_strbuf_dispose(&key);
    return st;
}

static madpo_status load_root(madpo_options *options, const config_setting_t *root,
                              const char *path, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    int n = config_setting_length(root);

    for (int i = 0; i < n && st == MADPO_OK; i++) {
        const config_setting_t *section = config_setting_get_elem(root, (unsigned)i);
        const char *name = config_setting_name(section), *file = load_file(section, path);
        int line = (int)config_setting_source_line(section);

        if (madpo__section_exists(name) && !config_setting_is_group(section))
            st = madpo_error_set_at(err, MADPO_ERR_CONFIG, file, line, 0,
                                    "%s is a section: write %s : { name = value; };", name, name);
        else if (madpo__section_exists(name))
            st = load_section(options, section, path, err);
        else if (config_setting_is_group(section))
            st = madpo__section_unknown(name, file, line, err);
        else
            st = madpo__key_unknown(name, file, line, err);
    }
    return st;
}

/* libconfig says no more than "file I/O error" for a file that is not there; ask the system first.
 */
static madpo_status load_readable(const char *path, madpo_error *err)
{
    FILE *file;

    if (madpo_dir_exists(path))
        return madpo_error_set(err, MADPO_ERR_IO, "cannot read %s: it is a folder, not a file",
                               path);
    file = fopen(path, "r");
    if (!file)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot open %s", path);
    fclose(file);
    return MADPO_OK;
}

/* libconfig's own complaint, with the remedy where its words have none. */
static madpo_status load_refused(const config_t *file, const char *path, madpo_error *err)
{
    const char *where = config_error_file(file), *text = config_error_text(file);
    bool include = strstr(text, "include file") != NULL;

    return madpo_error_set_at(
        err, MADPO_ERR_CONFIG, where ? where : path, config_error_line(file), 0, "%s%s", text,
        include ? " (its name is relative to the folder of the first file)" : "");
}

madpo_status madpo__load_file(madpo_options *options, const char *path, madpo_error *err)
{
    madpo_status st;
    char *folder = NULL;
    config_t file;

    config_init(&file);
    st = load_readable(path, err);
    if (st == MADPO_OK)
        st = madpo_path_parent(&folder, path, err);
    if (st != MADPO_OK)
        goto done;
    config_set_include_dir(&file, folder);
    if (config_read_file(&file, path))
        st = madpo__scan_integers(path, folder, err);
    else
        st = load_refused(&file, path, err);
    if (st == MADPO_OK)
        st = load_root(options, config_root_setting(&file), path, err);
done:
    config_destroy(&file);
    free(folder);
    return st;
}
