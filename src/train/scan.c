/* One forward pass over all pairs. */
#include "train/scan.h"

#include <stdlib.h>

#include "base/error.h"
#include "train/batches.h"
#include "train/control.h"

typedef struct scan_state {
    const madpo_scan *scan;
    madpo_batches batches;
    float *values;   /* [max rows or sequences] of a micro-batch */
    double *answers; /* [2 chunk] of the chunk's pairs: chosen, rejected */
    madpo_records *records;
} scan_state;

double madpo_scan_sum(const madpo_batch *batch, const float *logp, int64_t s)
{
    double sum = 0.0;

    for (int64_t r = batch->seq_row[s]; r < batch->seq_row[s + 1]; r++)
        sum += (double)logp[r];
    return sum;
}

static madpo_status scan_micro_batch(void *user, const madpo_batch *batch, size_t first,
                                     madpo_error *err)
{
    scan_state *state = user;
    double *answers = state->answers + 2 * first;
    madpo_status st = state->scan->rewards
                          ? madpo_model_rewards(state->scan->model, batch, state->values, err)
                          : madpo_model_logps(state->scan->model, batch, state->values, NULL, err);

    for (int64_t s = 0; s < batch->n_seq && st == MADPO_OK; s++)
        answers[s] = state->scan->rewards ? (double)state->values[s]
                                          : madpo_scan_sum(batch, state->values, s);
    return st;
}

static madpo_status scan_chunk(scan_state *state, size_t first, size_t n, madpo_error *err)
{
    const madpo_scan *scan = state->scan;
    const int64_t *order = scan->order + first;
    madpo_status st = madpo_batches_each(&state->batches, &scan->set->all, order, n,
                                         scan_micro_batch, state, err);

    for (size_t i = 0; i < n && st == MADPO_OK; i++) {
        json_t *line = scan->record(scan->user, (size_t)order[i], state->answers[2 * i],
                                    state->answers[2 * i + 1]);

        st = line ? madpo_records_append(state->records, line, err)
                  : madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", scan->stage);
    }
    return st == MADPO_OK ? madpo_records_sync(state->records, err) : st;
}

/* Whole chunks of the file stay; a part of one, left by a crash, is done again. */
static madpo_status scan_open(scan_state *state, size_t *done, madpo_error *err)
{
    const madpo_scan *scan = state->scan;
    int64_t n_lines = 0;
    madpo_status st =
        madpo_records_open(&state->records, scan->ctx->run, scan->file, -1, &n_lines, err);

    *done = (size_t)n_lines;
    if (st != MADPO_OK || *done % scan->chunk == 0 || *done == scan->n)
        return st;
    *done -= *done % scan->chunk;
    st = madpo_records_close(state->records, err);
    state->records = NULL;
    if (st == MADPO_OK)
        st = madpo_records_open(&state->records, scan->ctx->run, scan->file, (int64_t)*done,
                                &n_lines, err);
    return st;
}

static madpo_status scan_init(scan_state *state, const madpo_scan *scan, madpo_error *err)
{
    size_t n_values = (size_t)(scan->limits.max_rows + scan->limits.max_sequences);

    *state = (scan_state){.scan = scan};
    state->values = malloc(n_values * sizeof *state->values);
    state->answers = malloc(2 * scan->chunk * sizeof *state->answers);
    if (!state->values || !state->answers)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", scan->stage);
    return madpo_batches_init(&state->batches, &scan->limits, scan->chunk, err);
}

madpo_status madpo_scan_run(const madpo_scan *scan, madpo_error *err)
{
    size_t done = 0, n = scan->n;
    scan_state state;
    madpo_meter meter;
    madpo_status st = scan_init(&state, scan, err);

    if (st == MADPO_OK)
        st = scan_open(&state, &done, err);
    if (st == MADPO_OK)
        madpo_meter_start(&meter, scan->ctx, scan->stage, scan->what, "pair", (int64_t)done,
                          (int64_t)n);
    while (st == MADPO_OK && done < n) {
        size_t chunk = n - done < scan->chunk ? n - done : scan->chunk;

        st = madpo_control_between(scan->ctx, scan->stage, (int64_t)done, (int64_t)n, "pair", err);
        if (st != MADPO_OK)
            break;
        st = scan_chunk(&state, done, chunk, err);
        done += chunk;
        if (st == MADPO_OK)
            madpo_meter_show(&meter, (int64_t)done, "");
    }
    if (state.records) {
        madpo_status closed = madpo_records_close(state.records, err);

        st = st == MADPO_OK ? closed : st;
    }
    madpo_batches_dispose(&state.batches);
    free(state.values);
    free(state.answers);
    return st;
}
