/* Which settings differ between two resolved configurations, for messages about a resume. */
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "run/private.h"

typedef struct diff_list {
    char *text; /* owned */
    const char *prefixes;
    int n, failed;
} diff_list;

enum { DIFF_NAMED = 4 }; /* differences spelled out before "and N more" */

static bool diff_wanted(const char *prefixes, const char *key)
{
    if (!*prefixes)
        return true;
    for (const char *p = prefixes; *p;) {
        size_t n = strcspn(p, ",");

        if (strncmp(key, p, n) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

/* Value of a scalar setting as text (owned by the caller); NULL setting reads "absent". */
static char *diff_value(const config_setting_t *s)
{
    if (!s)
        return madpo__strf("absent");
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return madpo__strf("%lld", config_setting_get_int64(s));
    case CONFIG_TYPE_FLOAT:
        return madpo__strf("%.10g", config_setting_get_float(s));
    case CONFIG_TYPE_BOOL:
        return madpo__strf("%s", config_setting_get_bool(s) ? "true" : "false");
    case CONFIG_TYPE_STRING:
        return madpo__strf("\"%s\"", config_setting_get_string(s));
    default:
        return madpo__strf("a group");
    }
}

static void diff_add(diff_list *list, const char *key, const char *was, const char *now)
{
    char *longer;

    if (strcmp(was, now) == 0 || !diff_wanted(list->prefixes, key))
        return;
    if (++list->n > DIFF_NAMED)
        return;
    longer = madpo__strf("%s%s%s was %s, now %s", list->text ? list->text : "",
                         list->text ? "; " : "", key, was, now);
    if (!longer)
        list->failed = 1;
    else {
        free(list->text);
        list->text = longer;
    }
}

/* Walk `now` and look every scalar up in `was` under its path. Depth is that of the file: two in
 * practice, bounded by libconfig's own parser. */
static void diff_walk(diff_list *list, const config_setting_t *now, const char *path,
                      const config_t *was)
{
    for (int i = 0; i < config_setting_length(now); i++) {
        const config_setting_t *s = config_setting_get_elem(now, (unsigned)i);
        const char *name = config_setting_name(s);
        char *key = *path ? madpo__strf("%s.%s", path, name ? name : "")
                          : madpo__strf("%s", name ? name : "");

        if (!key || !name) {
            list->failed |= !key;
        } else if (config_setting_is_group(s)) {
            diff_walk(list, s, key, was);
        } else {
            char *old = diff_value(config_lookup(was, key)), *new = diff_value(s);

            if (old && new)
                diff_add(list, key, old, new);
            else
                list->failed = 1;
            free(old);
            free(new);
        }
        free(key);
    }
}

madpo_status madpo__config_diff(char **out, const char *was, const char *now, const char *prefixes,
                                madpo_error *err)
{
    diff_list list = {NULL, prefixes, 0, 0};
    config_t a, b;

    *out = NULL;
    config_init(&a);
    config_init(&b);
    if (config_read_string(&a, was) && config_read_string(&b, now))
        diff_walk(&list, config_root_setting(&b), "", &a);
    config_destroy(&a);
    config_destroy(&b);
    if (!list.failed && list.n > DIFF_NAMED) {
        *out = madpo__strf("%s; and %d more", list.text, list.n - DIFF_NAMED);
        list.failed = !*out;
        free(list.text);
    } else {
        *out = list.text;
    }
    if (list.failed) {
        free(*out);
        *out = NULL;
        return madpo_error_set(err, MADPO_ERR_NOMEM, "list of changed settings");
    }
    return MADPO_OK;
}
