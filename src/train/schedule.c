/* Learning-rate schedules. */
#include "train/schedule.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

static const struct {
    const char *name;
    madpo_schedule_kind kind;
} schedule_names[] = {
    {"cosine", MADPO_SCHEDULE_COSINE},
    {"linear", MADPO_SCHEDULE_LINEAR},
    {"constant", MADPO_SCHEDULE_CONSTANT},
};

madpo_status madpo_schedule_init(madpo_schedule *out, const madpo_stage_options *options,
                                 int64_t total, madpo_error *err)
{
    *out = (madpo_schedule){.peak = options->lr, .total = total};
    /* the tiny amount undoes products such as 0.07 * 100 = 7.000000000000001 minus one ulp */
    out->warmup = (int64_t)floor(options->warmup * (double)total + 1e-9);
    for (size_t i = 0; i < sizeof schedule_names / sizeof *schedule_names; i++) {
        if (strcmp(schedule_names[i].name, options->schedule) == 0) {
            out->kind = schedule_names[i].kind;
            return MADPO_OK;
        }
    }
    return madpo_error_set(err, MADPO_ERR_CONFIG,
                           "unknown learning-rate schedule '%s': use cosine, linear or constant",
                           options->schedule);
}

double madpo_schedule_factor(const madpo_schedule *schedule, int64_t s)
{
    const double pi = 3.14159265358979323846;
    int64_t left = schedule->total - schedule->warmup;
    double progress;

    if (s < schedule->warmup)
        return (double)s / (double)schedule->warmup;
    if (schedule->kind == MADPO_SCHEDULE_CONSTANT)
        return 1.0;
    progress = (double)(s - schedule->warmup) / (double)(left > 1 ? left : 1);
    if (schedule->kind == MADPO_SCHEDULE_LINEAR)
        return fmax(0.0, 1.0 - progress);
    return fmax(0.0, 0.5 * (1.0 + cos(pi * progress)));
}

double madpo_schedule_lr(const madpo_schedule *schedule, int64_t s)
{
    return schedule->peak * madpo_schedule_factor(schedule, s);
}
