/* The index of a run's pairs; see samples.h. */
#include "tui/samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void madpo_samples_dispose(madpo_samples *samples)
{
    for (size_t i = 0; i < samples->n_sources; i++)
        free(samples->sources[i]);
    free(samples->v);
    free(samples->slots);
    free(samples->sights);
    free(samples->places);
    *samples = (madpo_samples){0};
}

/* ---- by id ---- */

static size_t id_slot(const madpo_samples *samples, int64_t id)
{
    uint64_t mixed = (uint64_t)id * 0x9e3779b97f4a7c15u;
    size_t slot = (size_t)(mixed >> 20) & (samples->n_slots - 1);

    while (samples->slots[slot] >= 0 && samples->v[samples->slots[slot]].id != id)
        slot = (slot + 1) & (samples->n_slots - 1);
    return slot;
}

int64_t madpo_samples_find(const madpo_samples *samples, int64_t id)
{
    if (samples->n_slots == 0)
        return -1;
    return samples->slots[id_slot(samples, id)];
}

static madpo_status samples_grow(madpo_samples *samples, madpo_error *err)
{
    size_t capacity = samples->capacity ? samples->capacity * 2 : 256;
    madpo_sample *v = NULL;
    int32_t *slots = NULL;

    if (capacity < (size_t)1 << 30) {
        v = realloc(samples->v, capacity * sizeof *v);
        slots = malloc(2 * capacity * sizeof *slots);
    }
    if (v)
        samples->v = v;
    if (!v || !slots) {
        free(slots);
        return madpo_error_set(err, MADPO_ERR_NOMEM, "an index of %zu pairs", capacity);
    }
    samples->capacity = capacity;
    free(samples->slots);
    samples->slots = slots;
    samples->n_slots = 2 * capacity;
    for (size_t i = 0; i < samples->n_slots; i++)
        slots[i] = -1;
    for (size_t i = 0; i < samples->n; i++)
        slots[id_slot(samples, samples->v[i].id)] = (int32_t)i;
    return MADPO_OK;
}

/* The sample of an id, made if it is new. */
static madpo_status samples_get(madpo_samples *samples, int64_t id, madpo_sample **out,
                                madpo_error *err)
{
    int64_t i = madpo_samples_find(samples, id);

    *out = NULL;
    if (i < 0) {
        if (samples->n == samples->capacity && samples_grow(samples, err) != MADPO_OK)
            return MADPO_ERR_NOMEM;
        i = (int64_t)samples->n++;
        samples->v[i] = (madpo_sample){.id = id,
                                       .h = NAN,
                                       .c = NAN,
                                       .w = NAN,
                                       .score_chosen = NAN,
                                       .score_rejected = NAN,
                                       .offset = -1,
                                       .newest = -1,
                                       .tokens = -1};
        samples->slots[id_slot(samples, id)] = (int32_t)i;
    }
    samples->version++;
    *out = &samples->v[i];
    return MADPO_OK;
}

static bool is_id(double x)
{
    return x >= -9e15 && x <= 9e15;
}

/* ---- lines ---- */

/* The id is wanted first; it stands first too. */
static bool line_id(const char *line, size_t n, int64_t *id)
{
    madpo_scan scan;
    madpo_scan_value v;

    if (!madpo_scan_open(&scan, line, n))
        return false;
    while (madpo_scan_next(&scan, &v))
        if (madpo_scan_is(&v, "id")) {
            *id = is_id(v.number) ? (int64_t)v.number : 0;
            return is_id(v.number);
        }
    return false;
}

madpo_status madpo_samples_margin_line(madpo_samples *samples, const char *line, size_t n,
                                       madpo_error *err)
{
    madpo_scan scan;
    madpo_scan_value v;
    madpo_sample *sample;
    int64_t id;

    if (!line_id(line, n, &id))
        return MADPO_OK;
    if (samples_get(samples, id, &sample, err) != MADPO_OK)
        return MADPO_ERR_NOMEM;
    madpo_scan_open(&scan, line, n);
    while (madpo_scan_next(&scan, &v)) {
        if (madpo_scan_is(&v, "h"))
            sample->h = (float)v.number;
        else if (madpo_scan_is(&v, "c"))
            sample->c = (float)v.number;
        else if (madpo_scan_is(&v, "w"))
            sample->w = (float)v.number;
        else if (madpo_scan_is(&v, "split"))
            sample->held_out = !madpo_scan_text_is(&v, "train");
    }
    return MADPO_OK;
}

static madpo_status samples_source(madpo_samples *samples, const madpo_scan_value *v,
                                   madpo_sample *sample, madpo_error *err)
{
    char name[64];
    size_t i;

    madpo_scan_unescape(name, sizeof name, v->text, v->n_text);
    for (i = 0; i < samples->n_sources; i++)
        if (strcmp(samples->sources[i], name) == 0)
            break;
    if (i == samples->n_sources && i < MADPO_SAMPLES_SOURCES) {
        samples->sources[i] = strdup(name);
        if (!samples->sources[i])
            return madpo_error_set(err, MADPO_ERR_NOMEM, "names of the pairs' sources");
        samples->n_sources++;
    }
    sample->source = (uint8_t)(i < samples->n_sources ? i : 0);
    return MADPO_OK;
}

madpo_status madpo_samples_pair_line(madpo_samples *samples, const char *line, size_t n,
                                     int64_t offset, madpo_error *err)
{
    static const madpo_scan_value nothing = {.text = "", .kind = MADPO_SCAN_STRING};
    madpo_status st = MADPO_OK;
    madpo_scan scan;
    madpo_scan_value v;
    madpo_sample *sample;
    int64_t id;

    if (n > UINT32_MAX || !line_id(line, n, &id))
        return MADPO_OK;
    if (samples->n_sources == 0 && samples_get(samples, id, &sample, err) == MADPO_OK)
        st = samples_source(samples, &nothing, sample, err); /* 0 is no source */
    if (st != MADPO_OK || samples_get(samples, id, &sample, err) != MADPO_OK)
        return MADPO_ERR_NOMEM;
    sample->offset = offset;
    sample->n_line = (uint32_t)n;
    madpo_scan_open(&scan, line, n);
    while (st == MADPO_OK && madpo_scan_next(&scan, &v)) {
        if (madpo_scan_is(&v, "prompt"))
            sample->n_prompt = (uint32_t)v.n_text;
        else if (madpo_scan_is(&v, "chosen"))
            sample->n_chosen = (uint32_t)v.n_text;
        else if (madpo_scan_is(&v, "rejected"))
            sample->n_rejected = (uint32_t)v.n_text;
        else if (madpo_scan_is(&v, "score_chosen"))
            sample->score_chosen = (float)v.number;
        else if (madpo_scan_is(&v, "score_rejected"))
            sample->score_rejected = (float)v.number;
        else if (madpo_scan_is(&v, "split"))
            sample->held_out = !madpo_scan_text_is(&v, "train");
        else if (madpo_scan_is(&v, "source") && v.kind == MADPO_SCAN_STRING)
            st = samples_source(samples, &v, sample, err);
    }
    return st;
}

/* ---- sights ---- */

static const madpo_sight *samples_number(const madpo_samples *samples, int64_t number)
{
    if (number < 0 || number < samples->n_sights - (int64_t)samples->n_past)
        return NULL;
    return &samples->sights[(size_t)number % samples->n_past];
}

/* A run taken up again reports steps anew: what it had said about them is forgotten. */
static void samples_forget(const madpo_samples *samples, madpo_sample *sample, double step)
{
    const madpo_sight *sight = samples_number(samples, sample->newest);

    while (sight && sight->step >= step) {
        sample->newest = sight->before;
        sample->n_seen--;
        sight = samples_number(samples, sample->newest);
    }
}

static madpo_status samples_see(madpo_samples *samples, madpo_sample *sample, double step, float m,
                                madpo_error *err)
{
    if ((int64_t)samples->n_past == samples->n_sights && samples->n_past < MADPO_SAMPLES_PAST) {
        size_t room = samples->n_past ? samples->n_past * 2 : 256;
        madpo_sight *grown = realloc(samples->sights, room * sizeof *grown);

        if (!grown)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "history of the pairs' margins");
        samples->sights = grown;
        samples->n_past = room;
    }
    samples_forget(samples, sample, step);
    samples->sights[(size_t)samples->n_sights % samples->n_past] =
        (madpo_sight){.sample = (int32_t)(sample - samples->v),
                      .step = (int32_t)fmin(fmax(step, -1), 2e9),
                      .m = m,
                      .before = sample->newest};
    sample->newest = samples->n_sights++;
    sample->n_seen++;
    return MADPO_OK;
}

madpo_status madpo_samples_sight(madpo_samples *samples, const char *text, size_t n, double step,
                                 double *w, madpo_error *err)
{
    float m = NAN;
    madpo_scan scan;
    madpo_scan_value v;
    madpo_sample *sample;
    int64_t id;

    *w = (double)NAN;
    if (!line_id(text, n, &id))
        return MADPO_OK;
    if (samples_get(samples, id, &sample, err) != MADPO_OK)
        return MADPO_ERR_NOMEM;
    madpo_scan_open(&scan, text, n);
    while (madpo_scan_next(&scan, &v)) {
        if (madpo_scan_is(&v, "m"))
            m = (float)v.number;
        else if (madpo_scan_is(&v, "h") && isnan(sample->h))
            sample->h = (float)v.number;
        else if (madpo_scan_is(&v, "w"))
            *w = v.number;
    }
    if (isnan(sample->w))
        sample->w = (float)*w;
    return samples_see(samples, sample, step, m, err);
}

const madpo_sight *madpo_samples_before(const madpo_samples *samples, const madpo_sight *sight)
{
    return samples_number(samples, sight->before);
}

const madpo_sight *madpo_samples_last(const madpo_samples *samples, const madpo_sample *sample,
                                      double step)
{
    const madpo_sight *sight = samples_number(samples, sample->newest);

    while (sight && sight->step > step)
        sight = madpo_samples_before(samples, sight);
    return sight;
}

uint32_t madpo_samples_seen(const madpo_samples *samples, const madpo_sample *sample, double step)
{
    const madpo_sight *sight = samples_number(samples, sample->newest);
    uint32_t n = sample->n_seen;

    for (; sight && sight->step > step; n--)
        sight = madpo_samples_before(samples, sight);
    return n;
}

double madpo_samples_m(const madpo_samples *samples, const madpo_sample *sample, double step)
{
    const madpo_sight *sight = madpo_samples_last(samples, sample, step);

    return sight ? (double)sight->m : (double)NAN;
}

double madpo_samples_change(const madpo_samples *samples, const madpo_sample *sample, double step)
{
    const madpo_sight *sight = madpo_samples_last(samples, sample, step);
    const madpo_sight *before = sight ? madpo_samples_before(samples, sight) : NULL;

    /* the first sight is counted from 0: the policy began as the reference */
    return sight ? (double)sight->m - (before ? (double)before->m : 0.0) : (double)NAN;
}

char madpo_samples_flag(const madpo_samples *samples, const madpo_sample *sample, double step)
{
    if (sample->h < 0 && madpo_samples_m(samples, sample, step) < 0 &&
        madpo_samples_change(samples, sample, step) < 0)
        return '!';
    if (sample->score_chosen < sample->score_rejected)
        return 'x';
    return sample->h < 0 ? '-' : ' ';
}

/* ---- token values ---- */

static const madpo_token_place *place_number(const madpo_samples *samples, int64_t number)
{
    if (number < 0 || number < samples->n_places - (int64_t)samples->n_room)
        return NULL;
    return &samples->places[(size_t)number % samples->n_room];
}

/* Lines of `step` and later ones are void. */
static void tokens_forget(madpo_samples *samples, madpo_sample *sample, double step)
{
    const madpo_token_place *place = place_number(samples, sample->tokens);

    while (place && place->step >= step) {
        sample->tokens = place->before;
        sample->n_tokens--;
        samples->n_with_tokens -= sample->n_tokens == 0;
        place = place_number(samples, sample->tokens);
    }
}

static madpo_status tokens_add(madpo_samples *samples, madpo_sample *sample, double step,
                               madpo_token_place place, madpo_error *err)
{
    if ((int64_t)samples->n_room == samples->n_places && samples->n_room < MADPO_SAMPLES_PAST) {
        size_t room = samples->n_room ? samples->n_room * 2 : 64;
        madpo_token_place *grown = realloc(samples->places, room * sizeof *grown);

        if (!grown)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "places of token values");
        samples->places = grown;
        samples->n_room = room;
    }
    tokens_forget(samples, sample, step);
    place.before = sample->tokens;
    samples->places[(size_t)samples->n_places % samples->n_room] = place;
    sample->tokens = samples->n_places++;
    samples->n_with_tokens += sample->n_tokens++ == 0;
    return MADPO_OK;
}

/* {"from":step}: the run was taken up again there. */
static void tokens_from(madpo_samples *samples, double step)
{
    for (size_t i = 0; i < samples->n; i++)
        tokens_forget(samples, &samples->v[i], step + 0.5);
    samples->version++;
}

madpo_status madpo_samples_token_line(madpo_samples *samples, const char *line, size_t n,
                                      int64_t offset, madpo_error *err)
{
    double id = (double)NAN, step = (double)NAN, from = (double)NAN;
    bool answers = false;
    madpo_scan scan;
    madpo_scan_value v;
    madpo_sample *sample;

    madpo_scan_open(&scan, line, n);
    while (madpo_scan_next(&scan, &v)) {
        if (madpo_scan_is(&v, "id"))
            id = v.number;
        else if (madpo_scan_is(&v, "step"))
            step = v.number;
        else if (madpo_scan_is(&v, "from"))
            from = v.number;
        else if (madpo_scan_is(&v, "rejected"))
            answers = v.kind == MADPO_SCAN_NESTED;
    }
    if (!isnan(from)) {
        tokens_from(samples, from);
        return MADPO_OK;
    }
    if (scan.failed || !answers || !is_id(id) || !(step >= 0 && step < 2e9) || n > UINT32_MAX) {
        samples->n_bad_tokens++;
        return MADPO_OK;
    }
    if (samples_get(samples, (int64_t)id, &sample, err) != MADPO_OK)
        return MADPO_ERR_NOMEM;
    return tokens_add(
        samples, sample, step,
        (madpo_token_place){.offset = offset, .n_line = (uint32_t)n, .step = (int32_t)step}, err);
}

const madpo_token_place *madpo_samples_tokens(const madpo_samples *samples,
                                              const madpo_sample *sample, double step)
{
    const madpo_token_place *place = place_number(samples, sample->tokens);

    while (place && place->step > step)
        place = place_number(samples, place->before);
    return place;
}

uint32_t madpo_samples_n_tokens(const madpo_samples *samples, const madpo_sample *sample,
                                double step)
{
    const madpo_token_place *place = place_number(samples, sample->tokens);
    uint32_t n = sample->n_tokens;

    for (; place && place->step > step; n--)
        place = place_number(samples, place->before);
    return n;
}
