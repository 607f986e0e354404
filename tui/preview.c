/* Parameters that were tried, as a configuration; see preview.h. */
#include "tui/preview.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

typedef struct change {
    const char *key;
    char value[40]; /* as a configuration has it, but for the quotes of a word */
    bool word;
} change;
enum { CHANGES = 6 };

/* The shortest text that is this number. */
static void number_text(char *out, size_t size, double x)
{
    snprintf(out, size, "%.15g", x);
    if (strtod(out, NULL) != x)
        snprintf(out, size, "%.17g", x);
}

static void add(change *v, int *n, const char *key, double x)
{
    v[*n] = (change){.key = key};
    number_text(v[(*n)++].value, sizeof v->value, x);
}

/* c_min follows c_max where a configuration does not say it, but not on the screen: so it is said
 * whenever one of them was moved. An objective without a weight becomes the one with it. */
static int changes_of(change v[CHANGES], const madpo_feed *source,
                      const madpo_weight_options *tried, double beta)
{
    const madpo_weight_options *was = &source->weight;
    bool all = !source->has_weight;
    int n = 0;

    if (all) {
        v[n] = (change){.key = "objective", .word = true};
        snprintf(v[n++].value, sizeof v->value, "madpo");
    }
    if (isfinite(beta) && beta != source->beta)
        add(v, &n, "beta", beta);
    if (all || tried->c_max != was->c_max || tried->c_min != was->c_min) {
        add(v, &n, "c_max", tried->c_max);
        add(v, &n, "c_min", tried->c_min);
    }
    if (all || tried->lambda != was->lambda)
        add(v, &n, "lambda", tried->lambda);
    if (all || tried->tau != was->tau)
        add(v, &n, "tau", tried->tau);
    return n;
}

void madpo_preview_arguments(madpo_strbuf *out, const madpo_feed *source,
                             const madpo_weight_options *tried, double beta)
{
    change v[CHANGES];
    int n = changes_of(v, source, tried, beta);

    for (int i = 0; i < n; i++)
        madpo_strbuf_printf(out, "%s--set policy.%s=%s", i > 0 ? " " : "", v[i].key, v[i].value);
}

/* "    c_max = 2.0;" of key "c_max"? */
static bool line_sets(const char *line, size_t n, const char *key)
{
    size_t blanks = 0, k = strlen(key);

    while (blanks < n && (line[blanks] == ' ' || line[blanks] == '\t'))
        blanks++;
    return blanks + k < n && memcmp(line + blanks, key, k) == 0 &&
           (line[blanks + k] == ' ' || line[blanks + k] == '=' || line[blanks + k] == ':');
}

/* The text of config.cfg, as madpo writes it (a setting a line), with the changes in the group
 * policy; returns how many found their place. */
static int edit(madpo_strbuf *out, const char *text, const change *v, int n)
{
    bool inside = false;
    int found = 0;

    while (*text) {
        size_t length = strcspn(text, "\n");
        const change *to = NULL;

        if (length > 0 && text[0] != ' ' && text[0] != '{' && text[0] != '}')
            inside = line_sets(text, length, "policy");
        for (int i = 0; inside && i < n; i++)
            if (text[0] == ' ' && line_sets(text, length, v[i].key))
                to = &v[i];
        if (to) {
            found++;
            madpo_strbuf_printf(out, "    %s = %s%s%s%s;", to->key, to->word ? "\"" : "", to->value,
                                to->word || strpbrk(to->value, ".en") ? "" : ".0",
                                to->word ? "\"" : "");
        } else {
            madpo_strbuf_append_n(out, text, length);
        }
        madpo_strbuf_append_char(out, '\n');
        text += length + (text[length] == '\n');
    }
    return found;
}

madpo_status madpo_preview_write(const char *path, const madpo_feed *source,
                                 const madpo_weight_options *tried, double beta, madpo_error *err)
{
    change v[CHANGES];
    int n = changes_of(v, source, tried, beta), found = 0;
    madpo_strbuf out = {0};
    char *from = NULL, *text = NULL;
    size_t n_text = 0;
    madpo_status st = madpo_path_join(&from, source->dir, "config.cfg", err);

    if (st == MADPO_OK)
        st = madpo_file_read(&text, &n_text, from, err);
    if (st == MADPO_OK) {
        madpo_strbuf_printf(&out, "// The settings of %s, with what was tried in madpo watch:\n// ",
                            source->name);
        madpo_preview_arguments(&out, source, tried, beta);
        madpo_strbuf_append_n(&out, "\n", 1);
        found = edit(&out, text, v, n);
        st = madpo_strbuf_check(&out, err);
    }
    if (st == MADPO_OK && found != n)
        st = madpo_error_set(err, MADPO_ERR_DATA, "%s: not all of %d settings have a place in it",
                             from, n);
    if (st == MADPO_OK)
        st = madpo_file_write(path, out.s, out.n, err);
    madpo_strbuf_dispose(&out);
    free(text);
    free(from);
    return st;
}
