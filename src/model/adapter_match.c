/* Which modules an adapter is for, by PEFT's rules: a list means modules of that name or whose path
 * ends with it, a string is a regular expression of the whole path, patterns of ranks are regular
 * expressions of its end. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "model/adapter_inside.h"
#include "model/internal.h"

#define MATCH_LIMIT 200000 /* steps for one path: expressions can be made to run for ever */

/* ---- regular expressions ---- */

/* Number that a group matched; -1 if it took no part (an expression of several alternatives) or
 * matched something else. */
static long group_number(const char *text, const PCRE2_SIZE at[2])
{
    size_t n = at[1] - at[0];

    if (at[0] == PCRE2_UNSET || n == 0 || n > 9 || strspn(text + at[0], "0123456789") < n)
        return -1;
    return strtol(text + at[0], NULL, 10);
}

/* Does `text` match `expression`, all of it (`whole`) or from its start? If `first` is given it
 * gets the number that the first group matched. */
static madpo_status regex_match(bool *out, const char *expression, bool whole, const char *text,
                                long *first, const char *where, madpo_error *err)
{
    int code = 0;
    size_t at = 0;
    uint32_t options = PCRE2_ANCHORED | (whole ? PCRE2_ENDANCHORED : 0);
    pcre2_code *re =
        pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED, options, &code, &at, NULL);
    pcre2_match_data *data = re ? pcre2_match_data_create(8, NULL) : NULL;
    pcre2_match_context *context = re ? pcre2_match_context_create(NULL) : NULL;
    madpo_status st = MADPO_OK;
    int rc;

    *out = false;
    if (!re && code != PCRE2_ERROR_HEAP_FAILED) {
        char why[120];

        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "%s: '%s' is no regular expression: %s at character %zu", where,
                               expression, why, at + 1);
    }
    if (!re || !data || !context) {
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory matching %s", where);
        goto done;
    }
    pcre2_set_match_limit(context, MATCH_LIMIT);
    rc = pcre2_match(re, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, 0, data, context);
    *out = rc >= 0;
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        st = madpo_error_set(err, MADPO_ERR_CONFIG,
                             "%s: '%s' takes too many steps to match; write it simpler", where,
                             expression);
    else if ((rc == 0 || rc > 1) && first) /* 0: more groups than are kept */
        *first = group_number(text, pcre2_get_ovector_pointer(data) + 2);
done:
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    pcre2_code_free(re);
    return st;
}

/* An expression put together from parts; see regex_match. */
static madpo_status regex_match_parts(bool *out, const char *const parts[3], bool whole,
                                      const char *text, long *first, const char *where,
                                      madpo_error *err)
{
    madpo_strbuf b = {0};
    madpo_status st;

    *out = false;
    for (int i = 0; i < 3; i++)
        madpo_strbuf_append(&b, parts[i]);
    st = madpo_strbuf_check(&b, err);
    if (st == MADPO_OK)
        st = regex_match(out, b.s, whole, text, first, where, err);
    madpo_strbuf_dispose(&b);
    return st;
}

/* ---- names ---- */

const char *madpo__module_tail(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot ? dot + 1 : path;
}

/* `path` is `name`, or ends with "." and it. */
static bool ends_with(const char *path, const char *name)
{
    size_t n = strlen(path), m = strlen(name);

    if (m == 0 || m > n || strcmp(path + n - m, name) != 0)
        return false;
    return m == n || path[n - m - 1] == '.';
}

madpo_status madpo__adapter_meant(bool *out, const json_t *names, const char *path,
                                  const char *where, madpo_error *err)
{
    *out = false;
    if (json_is_string(names))
        return regex_match(out, json_string_value(names), true, path, NULL, where, err);
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));

        *out = *out || (name && ends_with(path, name));
    }
    return MADPO_OK;
}

void madpo__adapter_module_names(char *out, size_t size, const madpo_arch *arch)
{
    size_t n = 0;

    out[0] = '\0';
    for (int s = 0; s < MADPO_N_SITES; s++) {
        bool again = false;

        for (int t = 0; t < s && arch->site[s]; t++)
            again = again || (arch->site[t] && strcmp(madpo__module_tail(arch->site[t]),
                                                      madpo__module_tail(arch->site[s])) == 0);
        if (arch->site[s] && !again && n < size)
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "",
                                  madpo__module_tail(arch->site[s]));
    }
}

json_t *madpo__adapter_default_targets(const madpo_arch *arch)
{
    if (arch->site[MADPO_SITE_QKV])
        return json_pack("[s]", madpo__module_tail(arch->site[MADPO_SITE_QKV]));
    return json_pack("[s, s]", madpo__module_tail(arch->site[MADPO_SITE_Q]),
                     madpo__module_tail(arch->site[MADPO_SITE_V]));
}

/* ---- layers ---- */

/* Number of the layer in a path, as PEFT finds it: behind a list of any name, or of those given. */
static madpo_status layer_of(long *out, const madpo__adapter_rules *rules, const char *path,
                             madpo_error *err)
{
    const json_t *p = rules->layers_pattern;
    size_t n = json_is_string(p) ? 1 : json_array_size(p);
    bool found = false;
    madpo_status st = MADPO_OK;

    *out = -1;
    if (n == 0 || (json_is_string(p) && json_string_length(p) == 0))
        return regex_match(&found, ".*\\.[^.]*\\.(\\d+)\\.", false, path, out, rules->where, err);
    for (size_t i = 0; st == MADPO_OK && !found && i < n; i++) {
        const char *name = json_string_value(json_is_string(p) ? p : json_array_get(p, i));
        const char *const parts[] = {".*\\.", name ? name : "", "\\.(\\d+)\\."};

        st = regex_match_parts(&found, parts, false, path, out, rules->where, err);
    }
    return st;
}

static madpo_status layer_meant(bool *out, const madpo__adapter_rules *rules, const char *path,
                                madpo_error *err)
{
    const json_t *layers = rules->layers;
    long layer;
    madpo_status st;

    *out = true;
    if (!layers || json_is_null(layers) || (json_is_array(layers) && json_array_size(layers) == 0))
        return MADPO_OK;
    st = layer_of(&layer, rules, path, err);
    *out = json_is_integer(layers) && json_integer_value(layers) == layer;
    for (size_t i = 0; i < json_array_size(layers); i++)
        *out = *out || (layer >= 0 && json_integer_value(json_array_get(layers, i)) == layer);
    return st;
}

/* ---- ranks ---- */

/* Value of the first pattern that the end of the path matches; *out is left alone without one. */
static madpo_status by_pattern(double *out, json_t *patterns, const char *path, const char *where,
                               madpo_error *err)
{
    for (void *i = json_object_iter(patterns); i; i = json_object_iter_next(patterns, i)) {
        const char *const parts[] = {"(.*\\.)?(", json_object_iter_key(i), ")$"};
        const json_t *value = json_object_iter_value(i);
        bool found;
        madpo_status st = regex_match_parts(&found, parts, false, path, NULL, where, err);

        if (st != MADPO_OK)
            return st;
        if (!found)
            continue;
        if (!json_is_number(value))
            return madpo_error_set(err, MADPO_ERR_DATA, "%s: pattern '%s' has no number", where,
                                   json_object_iter_key(i));
        *out = json_number_value(value);
        return MADPO_OK;
    }
    return MADPO_OK;
}

static madpo_status rank_of(madpo_adapter_at *out, const madpo_adapter_config *config,
                            const madpo__adapter_rules *rules, const char *path, madpo_error *err)
{
    double r = config->r, alpha = config->alpha;
    madpo_status st = by_pattern(&r, rules->rank, path, rules->where, err);

    if (st == MADPO_OK)
        st = by_pattern(&alpha, rules->alpha, path, rules->where, err);
    if (st != MADPO_OK)
        return st;
    if (!(r >= 1 && r <= 1 << 20) || r != (int32_t)r || !(alpha > 0 && alpha <= 1e30))
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "%s: r = %g and alpha = %g of %s: r must be a whole number above 0, "
                               "alpha above 0",
                               rules->where, r, alpha, path);
    *out = (madpo_adapter_at){.r = (int32_t)r, .alpha = alpha};
    return MADPO_OK;
}

/* ---- all modules ---- */

static madpo_status is_meant(bool *out, const madpo__adapter_rules *rules, const char *path,
                             madpo_error *err)
{
    const char *expression = json_string_value(rules->targets);
    bool excluded;
    madpo_status st = madpo__adapter_meant(&excluded, rules->exclude, path, rules->where, err);

    *out = true;
    if (st != MADPO_OK)
        return st;
    if (!expression || strcmp(expression, "all-linear") != 0)
        st = madpo__adapter_meant(out, rules->targets, path, rules->where, err);
    if (st == MADPO_OK && *out)
        st = layer_meant(out, rules, path, err);
    *out = *out && !excluded;
    return st;
}

madpo_status madpo__adapter_place(madpo_adapter_config *out, const madpo_model_config *model,
                                  const madpo__adapter_rules *rules, int64_t *n, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    *n = 0;
    out->L = model->L;
    out->at = calloc((size_t)model->L * MADPO_N_SITES, sizeof *out->at);
    if (!out->at)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory planning adapters");
    for (int32_t l = 0; st == MADPO_OK && l < model->L; l++)
        for (int s = 0; st == MADPO_OK && s < MADPO_N_SITES; s++) {
            char path[160];
            bool meant = false;

            if (!model->arch->site[s])
                continue;
            madpo__site_path(path, sizeof path, model, l, (madpo_site)s);
            st = is_meant(&meant, rules, path, err);
            if (st != MADPO_OK || !meant)
                continue;
            st = rank_of(&out->at[l * MADPO_N_SITES + s], out, rules, path, err);
            *n += 1;
        }
    return st;
}
