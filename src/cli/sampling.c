/* generation_config.json. */
#include "cli/sampling.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

/* Read a number within [low, high] if the member is there; `open` leaves `low` itself out. */
static madpo_status read_number(double *value, const json_t *config, const char *key, double low,
                                bool open, double high, const char *path, madpo_error *err)
{
    double number;
    madpo_status st;

    if (!madpo_json_has(config, key))
        return MADPO_OK;
    st = madpo_json_get_number(&number, config, key, path, err);
    if (st == MADPO_OK && !(number >= low && number <= high && !(open && number == low)))
        st = madpo_error_set(err, MADPO_ERR_DATA, "%s: %s is %g; it must be in %c%g, %g]", path,
                             key, number, open ? '(' : '[', low, high);
    if (st == MADPO_OK)
        *value = number;
    return st;
}

static madpo_status read_all(madpo_cli_sampling *s, const json_t *config, const char *path,
                             madpo_error *err)
{
    double top_k = (double)s->top_k, max_new = 0.0;
    madpo_status st = MADPO_OK;

    if (madpo_json_has(config, "do_sample"))
        st = madpo_json_get_bool(&s->sample, config, "do_sample", path, err);
    if (st == MADPO_OK)
        st = read_number(&s->temperature, config, "temperature", 0.0, s->sample, 1e6, path, err);
    if (st == MADPO_OK)
        st = read_number(&top_k, config, "top_k", 0.0, false, INT32_MAX, path, err);
    if (st == MADPO_OK)
        st = read_number(&s->top_p, config, "top_p", 0.0, true, 1.0, path, err);
    if (st == MADPO_OK)
        st = read_number(&max_new, config, "max_new_tokens", 1.0, false, INT32_MAX, path, err);
    s->top_k = (int64_t)top_k;
    s->max_new = (int64_t)max_new;
    if (s->temperature <= 0.0) /* some files write 0 beside do_sample false */
        s->temperature = 1.0;
    return st;
}

madpo_status madpo__sampling_load(madpo_cli_sampling *out, const char *dir, madpo_error *err)
{
    char *path = NULL;
    json_t *config = NULL;
    madpo_status st = madpo_path_join(&path, dir, "generation_config.json", err);

    *out = (madpo_cli_sampling){.temperature = 1.0, .top_k = 50, .top_p = 1.0};
    if (st == MADPO_OK && madpo_file_exists(path)) {
        st = madpo_json_load(&config, path, err);
        if (st == MADPO_OK)
            st = read_all(out, config, path, err);
    }
    json_decref(config);
    free(path);
    return st;
}
